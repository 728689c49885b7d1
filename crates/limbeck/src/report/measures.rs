//! Measures of forecasts and of remaining life, of all models of a run and of the judges: `measures` in the report.

use limbeck_data::crossed::Design;
use limbeck_data::measures::{directions, mase, mase_scales, phm08, qlike};
use limbeck_data::metrics::{self, Measure, weighted_mean};
use limbeck_data::{Dataset, MeasureKind};
use limbeck_distill::proof::{grouped, short};
use limbeck_runtime::Forecast;
use serde::{Deserialize, Serialize};

use super::Report;

/// Measures besides RMSE, MAE and R², on test rows. A measure that does not apply is `None`, and is left out of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasuresReport {
    /// Scale of the MASE: the mean absolute error of persistence on training rows. With several series, each has its own scale; this is that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase_scale: Option<f64>,
    /// True if each series has its own scale of the MASE.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scale_by_series: bool,
    /// Number of test rows in which the target changed, so that a forecast has a right direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_rows: Option<usize>,
    /// Number of test rows left out of QLIKE, because their variance is not above 0.
    #[serde(default, skip_serializing_if = "is_none_or_zero")]
    pub without_variance: Option<usize>,
    /// The models: `teacher`, `baseline`, `distilled`, `shipped`, then the forecasts in `naive`.
    pub models: Vec<ModelMeasures>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_none_or_zero(value: &Option<usize>) -> bool {
    value.is_none_or(|value| value == 0)
}

/// Measures of one model; means over seeds for `baseline` and `distilled`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelMeasures {
    /// Name of the model.
    pub name: String,
    /// Mean absolute scaled error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase: Option<f64>,
    /// Coefficient of determination of the change from the present value, if changes are learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r2_change: Option<f64>,
    /// Share of the changes whose direction is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Share>,
    /// QLIKE of the variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qlike: Option<f64>,
    /// Factor by which the variance forecasts were multiplied for QLIKE, if the target is not a variance itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qlike_factor: Option<f64>,
    /// Number of forecasts of a variance that are too small (or not above 0) and were raised to the smallest variance of the training rows.
    #[serde(default, skip_serializing_if = "is_none_or_zero")]
    pub qlike_raised: Option<usize>,
    /// Score of the PHM 2008 challenge, against the targets that are learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phm08: Option<f64>,
    /// Errors against the targets before `target_cap` limited them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncapped: Option<Uncapped>,
}

/// A share with its 95 % interval, over blocks of test rows and over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Lower end of the interval; `None` if there are too few blocks.
    pub low: Option<f64>,
    /// Upper end of the interval; `None` if there are too few blocks.
    pub high: Option<f64>,
}

/// Errors against targets without a cap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uncapped {
    /// Root mean squared error.
    pub rmse: f64,
    /// Score of the PHM 2008 challenge.
    pub phm08: f64,
}

/// Predictions of a model: `test[seed][row]`, and `train[seed][row]` on training and validation rows, empty if they are not needed.
pub(crate) struct Predicted {
    pub(crate) name: String,
    pub(crate) test: Vec<Vec<f64>>,
    pub(crate) train: Vec<Vec<f64>>,
}

/// The test rows, and the data set that they belong to.
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a Dataset,
    /// Options of the recipe.
    pub(crate) kinds: &'a [MeasureKind],
    /// Test rows, as positions in the data set.
    pub(crate) rows: &'a [usize],
    pub(crate) target: &'a [f64],
    pub(crate) weight: &'a [f64],
    pub(crate) blocks: Option<&'a [u32]>,
}

/// The form of a variance that a target has.
#[derive(Clone, Copy)]
struct Variance(MeasureKind);

impl Variance {
    /// The variance of a value of the target.
    fn of(self, value: f64) -> f64 {
        match self.0 {
            MeasureKind::QlikeVolatility => value * value.abs(),
            MeasureKind::QlikeLogVariance => value.exp(),
            MeasureKind::QlikeLogVolatility => (2.0 * value).exp(),
            MeasureKind::Qlike | MeasureKind::Phm08 => value,
        }
    }

    fn needs_factor(self) -> bool {
        self.0 != MeasureKind::Qlike
    }
}

/// True if the predictions on training rows are needed, for the factor of QLIKE.
pub(crate) fn needs_training_rows(kinds: &[MeasureKind]) -> bool {
    let form = kinds.iter().find(|kind| kind.is_qlike());
    form.is_some_and(|kind| Variance(*kind).needs_factor())
}

/// What is measured, and what it is measured with; computed once for all models.
struct Measures<'a> {
    rows: &'a Rows<'a>,
    /// Scale of the MASE of each test row.
    scale: Option<Vec<f64>>,
    /// The number from which changes count, per test row.
    present: Option<Vec<f64>>,
    is_relative: bool,
    variance: Option<Variance>,
    /// Target and weight of training and validation rows.
    learned: (Vec<f64>, Vec<f64>),
    uncapped: Option<Vec<f64>>,
}

impl MeasuresReport {
    /// Measures all models; `None` if no measure applies.
    pub(crate) fn of(rows: &Rows<'_>, models: &[Predicted]) -> Option<Self> {
        let (measures, mut report) = Measures::new(rows);
        let measured = models.iter().map(|model| measures.model(model));
        report.models = measured.collect();
        let nothing = |model: &ModelMeasures| {
            let name = model.name.clone();
            *model
                == ModelMeasures {
                    name,
                    ..ModelMeasures::default()
                }
        };
        (!report.models.iter().all(nothing)).then_some(report)
    }

    /// The measures of the model with this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelMeasures> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl<'a> Measures<'a> {
    fn new(rows: &'a Rows<'a>) -> (Self, MeasuresReport) {
        let data = rows.data;
        let pick = |values: &[f64], rows: &[usize]| -> Vec<f64> {
            rows.iter().map(|&row| values[row]).collect()
        };
        let whole = whole_target(data);
        let learn = data.split.train_valid();
        let sequence = data
            .summary
            .sequence()
            .filter(|sequence| sequence.horizon > 0);
        let forecast = sequence.map(|sequence| sequence.forecast);
        let is_level = matches!(
            forecast,
            Some(Forecast::Value | Forecast::Mean | Forecast::Sum)
        );
        let persistence = data.naive.iter().find(|naive| naive.name == "persistence");
        let persistence = persistence.filter(|_| forecast.is_some());
        let persistence = persistence.map(|naive| &naive.predictions[..]);
        let mut report = MeasuresReport::default();
        let scale = persistence.filter(|_| is_level).and_then(|persistence| {
            let train = &data.split.train;
            let series = |rows: &[usize]| -> Vec<u32> {
                let all = data.timeline.as_ref();
                rows.iter()
                    .map(|&row| all.map_or(0, |all| all.series[row]))
                    .collect()
            };
            let (all, own) = mase_scales(
                &pick(persistence, train),
                &pick(&whole, train),
                &data.weight_of(train),
                &series(train),
            );
            let by_row = series(rows.rows);
            let scales = by_row.iter().map(|series| *own.get(series).unwrap_or(&all));
            report.scale_by_series = own.len() > 1;
            report.mase_scale = (all > 0.0).then_some(all);
            report.mase_scale.map(|_| scales.collect())
        });
        let present = match forecast {
            Some(Forecast::Value) => persistence.map(|values| pick(values, rows.rows)),
            Some(Forecast::Change | Forecast::LogReturn) => Some(vec![0.0; rows.rows.len()]),
            Some(Forecast::Mean | Forecast::Sum) | None => None,
        };
        let variance = rows.kinds.iter().find(|kind| kind.is_qlike());
        let variance = variance.map(|kind| Variance(*kind));
        if let Some(present) = &present {
            let changes = directions(rows.target, rows.target, present);
            report.changed_rows = Some(changes.iter().filter(|value| !value.is_nan()).count());
        }
        report.without_variance = variance.map(|form| {
            let all = rows.target.iter();
            all.filter(|target| form.of(**target) <= 0.0).count()
        });
        let is_relative = sequence.is_some_and(|sequence| sequence.relative);
        let is_phm = rows.kinds.contains(&MeasureKind::Phm08);
        let uncapped = data.uncapped.first().filter(|_| is_phm);
        let measures = Self {
            rows,
            scale,
            present: match is_relative {
                true => persistence.map(|values| pick(values, rows.rows)),
                false => present,
            },
            is_relative,
            variance,
            learned: (pick(&whole, &learn), data.weight_of(&learn)),
            uncapped: uncapped.map(|values| pick(values, rows.rows)),
        };
        (measures, report)
    }

    fn model(&self, model: &Predicted) -> ModelMeasures {
        // A judge does not know all rows.
        let first = &model.test[0];
        let known: Vec<usize> = (0..first.len())
            .filter(|&at| first[at].is_finite())
            .collect();
        let pick = |values: &[f64]| -> Vec<f64> { known.iter().map(|&at| values[at]).collect() };
        let (target, weight) = (pick(self.rows.target), pick(self.rows.weight));
        let test: Vec<Vec<f64>> = model.test.iter().map(|test| pick(test)).collect();
        let mut found = ModelMeasures {
            name: model.name.clone(),
            ..ModelMeasures::default()
        };
        if known.is_empty() {
            return found;
        }
        found.mase = self.scale.as_ref().map(|scale| {
            let scale = pick(scale);
            mean(&test, |pred| mase(pred, &target, &weight, &scale))
        });
        if let Some(present) = &self.present {
            let present = pick(present);
            found.r2_change = (self.is_relative)
                .then(|| {
                    let less = |values: &[f64]| -> Vec<f64> {
                        values
                            .iter()
                            .zip(&present)
                            .map(|(value, now)| value - now)
                            .collect()
                    };
                    let truth = less(&target);
                    let r2 = |pred: &[f64]| metrics::r2(&less(pred), &truth, &weight);
                    let all: Option<Vec<f64>> = test.iter().map(|pred| r2(pred)).collect();
                    all.map(|all| mean(&all, |value| *value))
                })
                .flatten();
            let has_direction = self.has_direction();
            let blocks = self
                .rows
                .blocks
                .map(|blocks| known.iter().map(|&at| blocks[at]).collect::<Vec<u32>>());
            found.direction = has_direction
                .then(|| share(&test, &target, &present, &weight, blocks.as_deref()))
                .flatten();
        }
        if let Some(form) = self.variance {
            let rows = (&test[..], &target[..], &weight[..]);
            self.measure_variance(form, rows, &model.train, &mut found);
        }
        if self.rows.kinds.contains(&MeasureKind::Phm08) {
            found.phm08 = Some(mean(&test, |pred| phm08(pred, &target, &weight)));
            found.uncapped = self.uncapped.as_ref().map(|uncapped| {
                let truth = pick(uncapped);
                Uncapped {
                    rmse: mean(&test, |pred| metrics::rmse(pred, &truth, &weight)),
                    phm08: mean(&test, |pred| phm08(pred, &truth, &weight)),
                }
            });
        }
        found
    }

    /// True if forecasts have a direction: a mean or a sum of later values has none.
    fn has_direction(&self) -> bool {
        let sequence = self.rows.data.summary.sequence();
        sequence.is_some_and(|sequence| {
            let forecast = sequence.forecast;
            matches!(
                forecast,
                Forecast::Value | Forecast::Change | Forecast::LogReturn
            )
        })
    }

    /// QLIKE, with the same transformation of all models.
    ///
    /// A forecast `f` is the variance that the predicted value of the target stands for. If the target is not a variance itself, the mean of variances is not
    /// that of the mean value, so `f` is multiplied by the mean of `v / f` over training and validation rows: the factor that minimizes QLIKE there. For
    /// logarithms it is the mean of the exponentials of the residuals (Duan, *Smearing estimate*, Journal of the American Statistical Association 78, 1983).
    fn measure_variance(
        &self,
        form: Variance,
        (test, target, weight): (&[Vec<f64>], &[f64], &[f64]),
        train: &[Vec<f64>],
        found: &mut ModelMeasures,
    ) {
        let (learned, learned_weight) = &self.learned;
        let variances =
            |values: &[f64]| -> Vec<f64> { values.iter().map(|value| form.of(*value)).collect() };
        let (truth, known) = (variances(target), variances(learned));
        let positive = known.iter().copied().filter(|value| *value > 0.0);
        let least = positive.fold(f64::INFINITY, f64::min);
        if least.is_infinite() {
            return;
        }
        let raised = |values: &[f64]| -> Vec<f64> {
            let all = variances(values);
            all.into_iter().map(|value| value.max(least)).collect()
        };
        let factor = |train: Option<&Vec<f64>>| match train.filter(|_| form.needs_factor()) {
            Some(train) => factor(&raised(train), &known, learned_weight, train),
            None => 1.0,
        };
        let factors: Vec<f64> = (0..test.len())
            .map(|seed| factor(train.get(seed)))
            .collect();
        let both: Vec<(&Vec<f64>, &f64)> = test.iter().zip(&factors).collect();
        let measured = mean(&both, |(pred, factor)| {
            let forecast: Vec<f64> = raised(pred).iter().map(|f| f * *factor).collect();
            qlike(&forecast, &truth, weight)
        });
        found.qlike = Some(measured).filter(|value| value.is_finite());
        found.qlike_factor = form.needs_factor().then(|| mean(&factors, |value| *value));
        let low = test
            .iter()
            .flatten()
            .filter(|value| form.of(**value) < least);
        found.qlike_raised = Some(low.count() / test.len());
    }
}

/// The mean of `v / f` over training rows with a known forecast.
fn factor(forecast: &[f64], variance: &[f64], weight: &[f64], raw: &[f64]) -> f64 {
    let rows = forecast.iter().zip(variance).zip(weight).zip(raw);
    let known = rows.filter(|(_, raw)| raw.is_finite());
    let (ratios, weight): (Vec<f64>, Vec<f64>) = known.map(|(((f, v), w), _)| (v / f, *w)).unzip();
    let factor = weighted_mean(&ratios, &weight);
    if factor.is_finite() && factor > 0.0 {
        factor
    } else {
        1.0
    }
}

/// The target of each row, with the present value if only its change is learned.
fn whole_target(data: &Dataset) -> Vec<f64> {
    let mut whole = data.target().to_vec();
    if let Some(base) = data.base.first() {
        whole
            .iter_mut()
            .zip(base)
            .for_each(|(value, base)| *value += base);
    }
    whole
}

fn mean<T>(all: &[T], value: impl Fn(&T) -> f64) -> f64 {
    all.iter().map(value).sum::<f64>() / all.len() as f64
}

/// The share of right directions, as mean over seeds; `None` if nothing changed.
fn share(
    test: &[Vec<f64>],
    target: &[f64],
    present: &[f64],
    weight: &[f64],
    blocks: Option<&[u32]>,
) -> Option<Share> {
    let mut hits: Vec<Vec<f64>> = test
        .iter()
        .map(|pred| directions(pred, target, present))
        .collect();
    let counted: Vec<f64> = hits[0]
        .iter()
        .zip(weight)
        .map(|(hit, weight)| if hit.is_nan() { 0.0 } else { *weight })
        .collect();
    let unknown = hits.iter_mut().flatten().filter(|hit| hit.is_nan());
    unknown.for_each(|hit| *hit = 0.0);
    if counted.iter().sum::<f64>() <= 0.0 {
        return None;
    }
    let design = Design::new(&counted, blocks);
    // Pinball losses are plain means over rows, as shares are.
    let estimate = design.estimate(&design.parts(Measure::Pinball { quantile: 0.5 }, &hits));
    let end = |value: f64| Some(value.clamp(0.0, 1.0)).filter(|_| value.is_finite());
    Some(Share {
        value: estimate.value,
        low: end(estimate.low()),
        high: end(estimate.high()),
    })
}

impl Report {
    /// The table of measures: the names of its columns, and its rows, the name of a model first. `None` if the run has no such measures.
    #[must_use]
    pub fn measure_table(&self) -> Option<(Vec<&'static str>, Vec<Vec<String>>)> {
        let measures = self.measures.as_ref()?;
        type Cell = fn(&ModelMeasures) -> Option<String>;
        let columns: [(&str, Cell); 7] = [
            ("MASE", |model| model.mase.map(short)),
            ("R² of changes", |model| {
                model.r2_change.map(|r2| format!("{r2:.4}"))
            }),
            ("right direction", |model| {
                model.direction.map(|share| direction(&share))
            }),
            ("QLIKE", |model| model.qlike.map(short)),
            ("PHM08 score", |model| model.phm08.map(short)),
            ("RMSE without cap", |model| {
                model.uncapped.map(|own| short(own.rmse))
            }),
            ("PHM08 without cap", |model| {
                model.uncapped.map(|own| short(own.phm08))
            }),
        ];
        let is_used =
            |(_, cell): &(&str, Cell)| measures.models.iter().any(|model| cell(model).is_some());
        let columns: Vec<(&str, Cell)> = columns.into_iter().filter(is_used).collect();
        let header = std::iter::once("test rows").chain(columns.iter().map(|(name, _)| *name));
        let rows = measures.models.iter().map(|model| {
            let cells = columns.iter();
            let cells = cells.map(|(_, cell)| cell(model).unwrap_or_else(|| "–".to_owned()));
            std::iter::once(self.measured_name(&model.name))
                .chain(cells)
                .collect()
        });
        Some((header.collect(), rows.collect()))
    }

    /// Footnotes of the table of measures, one sentence each, without a period at the end.
    #[must_use]
    pub fn measure_notes(&self) -> Vec<String> {
        let Some(measures) = &self.measures else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        if let Some(scale) = measures.mase_scale {
            let by = if measures.scale_by_series {
                ", and each series has its own"
            } else {
                ""
            };
            notes.push(format!(
                "MASE: mean absolute error, divided by that of persistence on training rows ({}{by}); lower is better",
                short(scale)
            ));
        }
        if let Some(rows) = measures.changed_rows {
            notes.push(format!(
                "right direction: share of the {} test rows with a change whose direction is predicted, with its 95 % interval; no predicted change counts as half",
                grouped(rows)
            ));
        }
        let has = |of: fn(&ModelMeasures) -> bool| measures.models.iter().any(of);
        if has(|model| model.qlike.is_some()) {
            let factor = match has(|model| model.qlike_factor.is_some()) {
                true => {
                    "; each model's variances are multiplied by the mean of truth divided by forecast on training and validation rows"
                }
                false => "",
            };
            let out = measures.without_variance.filter(|rows| *rows > 0);
            let out = out.map_or_else(String::new, |rows| {
                format!(
                    "; {} test rows with a variance of 0 are left out",
                    grouped(rows)
                )
            });
            let raised: Vec<String> = measures
                .models
                .iter()
                .filter_map(|model| Some((model, model.qlike_raised.filter(|rows| *rows > 0)?)))
                .map(|(model, rows)| {
                    format!("{} of {}", grouped(rows), self.measured_name(&model.name))
                })
                .collect();
            let raised = match raised.is_empty() {
                true => String::new(),
                false => format!(
                    "; forecasts below the smallest variance of training and validation rows are raised to it ({})",
                    raised.join(", ")
                ),
            };
            notes.push(format!(
                "QLIKE: 0 for right forecasts of the variance, lower is better{factor}{out}{raised}"
            ));
        }
        if has(|model| model.phm08.is_some()) {
            notes.push("PHM08 score: a sum over test rows, lower is better; late predictions cost more than early ones".to_owned());
        }
        notes
    }

    /// R² of the change from the present value of the shipped student; `None` unless changes are learned.
    #[must_use]
    pub fn r2_of_changes(&self) -> Option<f64> {
        self.measures.as_ref()?.model("shipped")?.r2_change
    }

    /// Name of R² in tables: that of levels, if changes from the present value are learned. It is close to 1 for every forecast of a series that changes
    /// slowly.
    #[must_use]
    pub fn r2_name(&self) -> &'static str {
        match self.r2_of_changes() {
            Some(_) => "R² of levels",
            None => "R²",
        }
    }

    fn measured_name(&self, name: &str) -> String {
        let seeds = match self.test_seeds.len() {
            1 => "1 seed".to_owned(),
            seeds => format!("mean of {seeds} seeds"),
        };
        match name {
            "teacher" => format!("teacher ({})", self.teacher.kind),
            "baseline" => format!("student alone, {seeds}"),
            "distilled" => format!("student distilled, {seeds}"),
            "shipped" => "shipped file".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn direction(share: &Share) -> String {
    let percent = |value: f64| format!("{:.1}", 100.0 * value);
    match (share.low, share.high) {
        (Some(low), Some(high)) => format!(
            "{} % ({} to {})",
            percent(share.value),
            percent(low),
            percent(high)
        ),
        _ => format!("{} %", percent(share.value)),
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "values worked by hand are exact")]
mod tests {
    use super::*;

    #[test]
    fn variances_of_each_form_are_worked_by_hand() {
        let of = |kind| Variance(kind).of(2.0);
        assert_eq!(of(MeasureKind::Qlike), 2.0);
        assert_eq!(of(MeasureKind::QlikeVolatility), 4.0);
        assert_eq!(of(MeasureKind::QlikeLogVariance), 2f64.exp());
        assert_eq!(of(MeasureKind::QlikeLogVolatility), 4f64.exp());
        // A volatility below 0 is no variance: it is raised, not squared.
        assert!(Variance(MeasureKind::QlikeVolatility).of(-2.0) < 0.0);
        assert!(!needs_training_rows(&[
            MeasureKind::Qlike,
            MeasureKind::Phm08
        ]));
        assert!(needs_training_rows(&[MeasureKind::QlikeLogVolatility]));
    }

    #[test]
    fn the_factor_is_the_weighted_mean_of_truth_by_forecast() {
        // 2 / 1 with weight 1, 2 / 2 with weight 3; the last row has no forecast.
        let found = factor(
            &[1.0, 2.0, 1.0],
            &[2.0, 2.0, 9.0],
            &[1.0, 3.0, 1.0],
            &[0.0, 0.0, f64::NAN],
        );
        assert_eq!(found, 1.25);
        assert_eq!(factor(&[], &[], &[], &[]), 1.0);
    }

    #[test]
    fn the_share_of_right_directions_has_an_interval_over_blocks() {
        // Right, wrong, no change in truth, right; a second seed has all three right.
        let target = [2.0, 2.0, 1.0, 0.0];
        let seeds = [vec![3.0, 0.5, 5.0, 0.5], vec![3.0, 3.0, 5.0, 0.5]];
        let found = share(&seeds, &target, &[1.0; 4], &[1.0; 4], None).unwrap();
        assert!((found.value - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        assert_eq!(found.high, Some(1.0));
        // One seed with hits 1, 0 and 1: mean 2/3, standard error √(1/3 / 3) = 1/3, and t of 2 degrees is 4.303: below 0.
        let one = share(&seeds[..1], &target, &[1.0; 4], &[1.0; 4], None).unwrap();
        assert_eq!((one.low, one.high), (Some(0.0), Some(1.0)));
        // One block has no interval, and without changes there is no share.
        let blocked = share(&seeds, &target, &[1.0; 4], &[1.0; 4], Some(&[3; 4])).unwrap();
        assert_eq!((blocked.low, blocked.high), (None, None));
        assert_eq!(share(&seeds, &[1.0; 4], &[1.0; 4], &[1.0; 4], None), None);
    }
}
