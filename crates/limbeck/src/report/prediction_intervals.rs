//! Coverage and width of the shipped student's prediction intervals on test rows.

use limbeck_data::metrics;
use limbeck_distill::conformal::{self, Coverage, IntervalWidth};
use limbeck_distill::proof::short;
use limbeck_runtime::{Interval, Student};
use serde::{Deserialize, Serialize};

use super::Report;

/// Levels that every report has, if the calibration rows support them.
const LEVELS: [f64; 3] = [0.8, 0.9, 0.95];
/// A slice needs at least this many rows.
const LEAST_ROWS: usize = 10;
/// Names of the slices by prediction.
const THIRDS: [&str; 3] = ["lowest third", "middle third", "highest third"];

limbeck_options::words! {
    /// The rows that calibrated prediction intervals.
    pub enum CalibratedOn {
        /// A part of the rows, which trained nothing and chose nothing.
        #[default]
        HeldOut = "held_out",
        /// All training and validation rows, in folds: students of whole runs on the other folds predicted them.
        Folds = "folds",
    }
}

/// Prediction intervals of the shipped student, measured on test rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionIntervals {
    /// The rows that calibrated the intervals.
    pub calibrated_on: CalibratedOn,
    /// Number of these rows.
    pub rows: usize,
    /// Number of groups of these rows, if rows of a group belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// How the width varies from row to row.
    pub width: IntervalWidth,
    /// Results by level, ascending.
    pub levels: Vec<LevelReport>,
}

/// Coverage and width at one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelReport {
    /// The level: the share of targets that should be inside their intervals.
    pub level: f64,
    /// The share of test targets inside their intervals.
    #[serde(flatten)]
    pub inside: Coverage,
    /// Mean width, in the unit of the target.
    pub width: f64,
    /// True if the coverage is so far below the level that chance is an unlikely reason.
    pub too_small: bool,
    /// Thirds of the test rows by prediction, and the group with the smallest coverage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<SliceReport>,
}

/// Coverage and width in a part of the test rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// What the rows have in common.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// The share of targets inside their intervals.
    pub coverage: f64,
    /// Mean width, in the unit of the target.
    pub width: f64,
}

/// The test rows of one target.
pub(crate) struct Rows<'a> {
    pub(crate) target: &'a [f64],
    pub(crate) prediction: &'a [f64],
    pub(crate) weight: &'a [f64],
    /// Groups or stretches of time.
    pub(crate) blocks: Option<&'a [u32]>,
    /// True if the blocks are groups.
    pub(crate) are_groups: bool,
}

/// The levels in `asked` and in [`LEVELS`] that the intervals of a student support, ascending.
pub(crate) fn levels(student: &Student, asked: &[f64]) -> Vec<f64> {
    let is_supported = |level: &f64| {
        let outputs = 0..student.outputs.len();
        outputs
            .into_iter()
            .all(|output| student.interval(output, 0.0, *level).is_ok())
    };
    let all = asked.iter().chain(&LEVELS).copied();
    let mut levels: Vec<f64> = all.filter(is_supported).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}

impl LevelReport {
    /// Measures the intervals of a student of one output at a level; `None` if it is not supported, or if no row has a weight above 0.
    pub(crate) fn of(student: &Student, level: f64, rows: &Rows<'_>) -> Option<Self> {
        let interval = |&prediction: &f64| student.interval(0, prediction, level).ok();
        let intervals: Option<Vec<Interval>> = rows.prediction.iter().map(interval).collect();
        let (inside, widths) = measured(&intervals?, rows.target);
        let found = conformal::coverage(&inside, rows.weight, rows.blocks)?;
        let calibrated = student.intervals.as_ref()?.outputs[0].count as f64;
        // Of the test rows, from the half-width of the interval; of the calibration rows, of a beta distribution.
        let of_test = ((found.high - found.low) / 3.92).powi(2);
        let of_calibration = level * (1.0 - level) / (calibrated + 2.0);
        let too_small = level - found.coverage > 2.0 * (of_test + of_calibration).sqrt();
        let mut own = Self {
            level,
            inside: found,
            width: mean(&widths, rows.weight, None),
            too_small,
            slices: Vec::new(),
        };
        own.slices = slices(&inside, &widths, rows);
        Some(own)
    }
}

/// For each row, whether the target is inside its interval, and the width.
fn measured(intervals: &[Interval], target: &[f64]) -> (Vec<bool>, Vec<f64>) {
    let both = intervals.iter().zip(target);
    both.map(|(one, y)| (one.low <= *y && *y <= one.high, one.high - one.low))
        .unzip()
}

/// The weighted mean over the given rows, or over all.
fn mean(values: &[f64], weight: &[f64], rows: Option<&[usize]>) -> f64 {
    let pick = |of: &[f64]| -> Vec<f64> {
        rows.map_or_else(
            || of.to_vec(),
            |rows| rows.iter().map(|&row| of[row]).collect(),
        )
    };
    let zeros = vec![0.0; values.len()];
    metrics::mae(&pick(values), &zeros, &pick(weight))
}

/// Coverage and width of thirds of the rows by prediction, and of the group with the smallest coverage.
fn slices(inside: &[bool], widths: &[f64], rows: &Rows<'_>) -> Vec<SliceReport> {
    let hits: Vec<f64> = inside.iter().map(|&is| f64::from(u8::from(is))).collect();
    let slice = |name: String, own: &[usize]| SliceReport {
        name,
        rows: own.len(),
        coverage: mean(&hits, rows.weight, Some(own)),
        width: mean(widths, rows.weight, Some(own)),
    };
    let mut order: Vec<usize> = (0..inside.len())
        .filter(|&row| rows.weight[row] > 0.0)
        .collect();
    order.sort_by(|&a, &b| rows.prediction[a].total_cmp(&rows.prediction[b]));
    let count = order.len();
    let mut found = Vec::new();
    if count >= THIRDS.len() * LEAST_ROWS {
        let third = |(at, name): (usize, &&str)| {
            let own = &order[at * count / 3..(at + 1) * count / 3];
            slice(format!("{name} of predictions"), own)
        };
        found.extend(THIRDS.iter().enumerate().map(third));
    }
    if let Some(blocks) = rows.blocks.filter(|_| rows.are_groups) {
        let mut groups: std::collections::BTreeMap<u32, Vec<usize>> = Default::default();
        order
            .iter()
            .for_each(|&row| groups.entry(blocks[row]).or_default().push(row));
        groups.retain(|_, own| own.len() >= LEAST_ROWS);
        let name = format!(
            "worst of {} groups of {LEAST_ROWS} rows or more",
            groups.len()
        );
        let each = groups.values().map(|own| slice(name.clone(), own));
        found.extend(each.min_by(|a, b| a.coverage.total_cmp(&b.coverage)));
    }
    found
}

/// A level as text, such as `90 %`.
#[must_use]
pub fn level_name(level: f64) -> String {
    let percent = format!("{:.2}", 100.0 * level);
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    format!("{percent} %")
}

/// The results as notes of the table of models; empty if there are no intervals.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let Some(found) = &report.prediction_intervals else {
        return Vec::new();
    };
    let line = |one: &LevelReport| {
        let Coverage {
            coverage,
            low,
            high,
        } = one.inside;
        let small = match one.too_small {
            true => {
                "; this is less than asked, by more than chance explains: the test rows differ from the calibration rows"
            }
            false => "",
        };
        format!(
            "prediction intervals at {}: {:.1} % of the test targets are inside (95 % interval {:.1} to {:.1} %), mean width {}{small}",
            level_name(one.level),
            100.0 * coverage,
            100.0 * low,
            100.0 * high,
            short(one.width)
        )
    };
    found.levels.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_runtime::*;

    /// A student that predicts its only input, with intervals of ± 1 at every level.
    fn student() -> Student {
        let encoding = Encoding::Number {
            impute: 0.0,
            indicator: false,
            scaling: Scaling::Standard {
                center: 0.0,
                scale: 1.0,
            },
        };
        let widths = Widths {
            count: 19,
            scores: vec![1.0; 91],
            spread: Vec::new(),
        };
        Student::new(StudentParts {
            encoder: Encoder::new(vec![InputColumn::new("x", encoding)]).unwrap(),
            graph: Graph::new(1, vec![Node::new(Op::Scale { by: 1.0, add: 0.0 }, [0])]).unwrap(),
            outputs: vec![Output::new(
                "y",
                TargetTransform::Affine {
                    scale: 1.0,
                    shift: 0.0,
                },
            )],
            sequence: None,
            memory: None,
            intervals: Some(Intervals {
                levels: vec![0.9],
                outputs: vec![widths],
            }),
            provenance: Default::default(),
            golden: vec![],
        })
        .unwrap()
    }

    #[test]
    fn coverage_by_slices_matches_hand_values() {
        // 30 rows; the targets of the last six are too far away. The last row has no weight.
        let prediction: Vec<f64> = (0..31).map(f64::from).collect();
        let target: Vec<f64> = (0..31)
            .map(|i| f64::from(i) + if i < 24 { 0.5 } else { 2.0 })
            .collect();
        let mut weight = vec![1.0; 31];
        weight[30] = 0.0;
        let blocks: Vec<u32> = (0..31).map(|i| i / 15).collect();
        let rows = Rows {
            target: &target,
            prediction: &prediction,
            weight: &weight,
            blocks: Some(&blocks),
            are_groups: true,
        };
        let found = LevelReport::of(&student(), 0.9, &rows).unwrap();
        assert!((found.inside.coverage - 0.8).abs() < 1e-12 && (found.width - 2.0).abs() < 1e-12);
        let slices: Vec<(&str, usize, f64)> = found
            .slices
            .iter()
            .map(|one| (one.name.as_str(), one.rows, one.coverage))
            .collect();
        assert_eq!(
            slices,
            [
                ("lowest third of predictions", 10, 1.0),
                ("middle third of predictions", 10, 1.0),
                ("highest third of predictions", 10, 0.4),
                ("worst of 2 groups of 10 rows or more", 15, 0.6)
            ]
        );
        assert!(LevelReport::of(&student(), 0.99, &rows).is_none());
        assert_eq!(levels(&student(), &[0.5, 0.9, 0.99]), [0.5, 0.8, 0.9, 0.95]);
    }

    #[test]
    fn coverage_below_chance_is_found() {
        let of = |inside: usize, rows: usize| {
            let target: Vec<f64> = (0..rows)
                .map(|i| if i < inside { 0.5 } else { 2.0 })
                .collect();
            let (zeros, ones) = (vec![0.0; rows], vec![1.0; rows]);
            let rows = Rows {
                target: &target,
                prediction: &zeros,
                weight: &ones,
                blocks: None,
                are_groups: false,
            };
            LevelReport::of(&student(), 0.9, &rows).unwrap().too_small
        };
        // 19 calibration rows: a standard deviation of 6.5 %.
        assert!(!of(800, 1000) && of(740, 1000));
    }

    #[test]
    fn levels_are_percentages() {
        assert_eq!(
            [0.9, 0.995, 0.9999].map(level_name),
            ["90 %", "99.5 %", "99.99 %"]
        );
    }
}
