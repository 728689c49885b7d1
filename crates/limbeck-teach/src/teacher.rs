//! The teacher that limbeck fits itself: a weighted mean of learners, with out-of-fold labels.

use limbeck_data::folds::NO_FOLD;
use limbeck_data::{Features, Stop, metrics};
use limbeck_options::Options;
use limbeck_runtime::{Container, Numbers};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fit::{Fit, FoldChoices, LstmPlan, Predicted};
use crate::learner::Learner;
use crate::linear::{Linear, LinearOptions};
use crate::lstm::LstmOptions;
use crate::network::{self, Members, NetworkEnsemble, NetworkFolds, NetworkOptions};
use crate::predictive_std::PredictiveStd;
use crate::process::{ProcessOptions, ProcessPlan};
use crate::sample::Sample;
use crate::stack;
use crate::trees::{self, TreeOptions};
use crate::work::{Effort, Work};

limbeck_options::words! {
    /// The learners (kinds of models) that a teacher consists of.
    pub enum TeacherKind {
        /// A weighted mean of trees, networks and, for few rows, a Gaussian process, with weights by out-of-fold error; learners with almost no
        /// weight are left out. If the student is recurrent, LSTMs are in the mean, too; in forecasts, a linear model.
        #[default]
        Auto = "auto",
        /// Boosted trees.
        Trees = "trees",
        /// An ensemble of perceptrons.
        Network = "network",
        /// An ensemble of long short-term memory networks, which read the last rows of a series.
        Lstm = "lstm",
        /// An exact Gaussian process, even with more rows than `gp.most_rows`.
        Gp = "gp",
        /// Ridge regression, even with more columns than `linear.most_columns`.
        Linear = "linear",
    }
}

/// Minimum and maximum of the option `folds`: the number of folds for out-of-fold labels.
pub const FOLDS: (f64, f64) = (2.0, 20.0);
/// Minimum and maximum of the option `fits`: the number of fits of each learner on all rows that a teacher may learn from.
pub const FITS: (f64, f64) = (1.0, 20.0);

limbeck_options::options! {
    /// Options for fitting a teacher. The section `[teacher]` of a recipe has these options and others.
    pub struct TeacherOptions in "teacher", "Teacher" {
        /// The learners that the teacher consists of.
        kind: TeacherKind = TeacherKind::Auto;
        /// Number of folds for out-of-fold labels.
        folds: usize = 5 => [within(FOLDS.0, FOLDS.1)];
        /// Number of fits of each learner on all rows that a teacher may learn from. Their predictions are averaged. At most 2 with more than
        /// 10 000 rows.
        fits: usize = 3 => [within(FITS.0, FITS.1)];
        /// True if several options of the trees are first compared on held-out folds, and the best are used. If false, the options in `trees` are
        /// used unchanged.
        choose_trees: bool = true;
    }
    with {
        /// Options of boosted trees.
        trees: TreeOptions;
        /// Options of networks.
        network: NetworkOptions;
        /// Options of LSTMs.
        lstm: LstmOptions;
        /// Options of Gaussian processes.
        gp: ProcessOptions;
        /// Options of linear models.
        #[serde(skip_serializing_if = "LinearOptions::is_default")]
        linear: LinearOptions;
    }
}

/// Maximum number of fits of a learner on all rows, for tables with more than [`MANY_ROWS`] rows.
const FITS_OF_MANY: usize = 2;

impl TeacherOptions {
    /// Checks the numbers of folds and fits, and the options of LSTMs, Gaussian processes and linear models.
    fn check(&self) -> Result<()> {
        let (lstm, gp) = (self.lstm.view(), self.gp.view());
        let views = [self.view(), lstm, gp, self.linear.view()];
        Ok(limbeck_options::check(&views)?)
    }

    /// True if LSTMs are fitted on this sample: they were asked for, or the mix `auto` can have them, since the features have a past.
    fn has_lstm(&self, sample: &Sample<'_>) -> bool {
        match self.kind {
            TeacherKind::Lstm => true,
            TeacherKind::Auto => sample.features.past.is_some() && self.lstm.members > 0,
            TeacherKind::Trees | TeacherKind::Network | TeacherKind::Gp | TeacherKind::Linear => {
                false
            }
        }
    }

    /// True if a linear model is fitted on this sample: it was asked for, or the mix `auto` has one, since the sample has forecasts.
    fn has_linear(&self, sample: &Sample<'_>) -> bool {
        match self.kind {
            TeacherKind::Linear => true,
            TeacherKind::Auto => {
                sample.horizon > 0 && sample.features.columns.len() <= self.linear.most_columns
            }
            TeacherKind::Trees | TeacherKind::Network | TeacherKind::Gp | TeacherKind::Lstm => {
                false
            }
        }
    }

    fn fits_of(&self, rows: usize) -> usize {
        if rows > MANY_ROWS {
            self.fits.min(FITS_OF_MANY)
        } else {
            self.fits
        }
    }
}

/// Learners with a smaller weight are left out of the mean: they would make labeling slower and change almost nothing.
const NEGLIGIBLE: f64 = 0.05;

/// Predictions of a teacher, in the unit that it learned (the target's own unit, or its logarithm).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Predicted mean of each row.
    pub mean: Vec<f64>,
    /// Predictive standard deviation of each row, including the noise of the target; empty if the teacher gives none.
    #[serde(alias = "spread")]
    pub std: Vec<f64>,
}

/// Out-of-fold labels of the rows of a sample. The label of a row comes from a model that was not fitted on this row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// The labels: one prediction per row, NaN for a row that is in no fold.
    pub prediction: Prediction,
    /// Fold of each row.
    pub fold: Vec<u32>,
}

/// A learner of a teacher, and its weight in the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The learner.
    pub learner: Learner,
    /// Its weight in the mean, in (0, 1].
    pub weight: f64,
}

/// A fitted teacher: a weighted mean of learners, each of which is the mean of its fits.
///
/// ```text
/// t(x) = Σ_l w_l · mean_i f_li(x),    w ≥ 0,  Σ w = 1
/// ```
///
/// Each learner has *early* fits, which were not fitted on validation rows. [`with_full_fit`](Self::with_full_fit) adds *last* fits, on all rows that
/// a teacher may learn from; from then on, only the last fits predict. There is one exception: with more than 10 000 rows and folds that are not
/// stretches of time, trees and networks get a single last fit. It predicts together with the early fits: on so many rows, the additional rows of
/// a last fit help little, and each fit takes long.
#[derive(Clone, Debug)]
pub struct FittedTeacher {
    parts: Vec<MixPart>,
    std: PredictiveStd,
    plan: FoldChoices,
}

/// The fits of one learner.
#[derive(Clone, Debug)]
struct MixPart {
    share: Share,
    early: Vec<Fit>,
    last: Vec<Fit>,
    /// True if the early fits (not fitted on validation rows) are used for predictions even after last fits (on all rows) were added.
    joined: bool,
}

impl MixPart {
    /// The early fits (not fitted on validation rows) that are used for predictions; empty if only last fits (on all rows) are used.
    fn early(&self) -> &[Fit] {
        if self.joined || self.last.is_empty() {
            &self.early
        } else {
            &[]
        }
    }

    fn current(&self) -> impl Iterator<Item = &Fit> {
        self.early().iter().chain(&self.last)
    }
}

/// For each learner of a teacher, the mean prediction of its early fits, which were not fitted on validation rows.
#[derive(Clone, Debug)]
pub struct EarlyAnswers(Vec<Predicted>);

/// The result of fitting a teacher by folds.
#[derive(Clone, Debug)]
pub struct FoldTeachers {
    /// The teacher for rows that are not in the sample. Each of its learners is the mean of the models of all folds, or was fitted again on all rows
    /// of the sample. It was fitted again if the folds are stretches of time, if the sample has at most 3000 rows, or if it is a Gaussian process.
    pub teacher: FittedTeacher,
    /// Out-of-fold labels of the rows of the sample.
    pub labels: Labels,
    /// Notes for the report, for example that the standard deviation is constant.
    pub notes: Vec<String>,
}

/// A learner, its fits (one per fold), and their out-of-fold predictions.
struct Candidate {
    learner: Learner,
    folds: Vec<Fit>,
    out: OutOfFold,
}

/// The out-of-fold predictions of one learner.
struct OutOfFold {
    mean: Vec<f64>,
    std: Option<Vec<f64>>,
}

impl OutOfFold {
    /// Combines the predictions of all folds into lists over all `n` rows of the sample; NaN for a row that is in no fold.
    fn gather(parts: Vec<(Vec<usize>, Predicted)>, n: usize) -> Self {
        let mut out = Self {
            mean: vec![f64::NAN; n],
            std: None,
        };
        for (rows, (mean, std)) in parts {
            for (i, &row) in rows.iter().enumerate() {
                out.mean[row] = mean[i];
            }
            if let Some(std) = std {
                let all = out.std.get_or_insert_with(|| vec![f64::NAN; n]);
                for (i, &row) in rows.iter().enumerate() {
                    all[row] = std[i];
                }
            }
        }
        out
    }
}

impl FittedTeacher {
    /// Fits one teacher per fold, and labels each row of the sample by the teacher that was not fitted on it. A teacher is a weighted mean of learners.
    ///
    /// The weights of the learners are chosen by out-of-fold error; learners with almost no weight are left out. If the folds are stretches of time,
    /// only the errors on the last stretch count, except in forecasts ([`Sample::judges`]).
    ///
    /// The teacher for new rows is the mean over the models of the folds, with these exceptions, which are fitted again on all rows of the sample:
    ///
    /// - all learners, if the folds are stretches of time: a model of a fold lacks a stretch of time, maybe the one that resembles the new rows;
    /// - all learners, if there are at most 3000 rows: every row is needed;
    /// - a Gaussian process, in any case.
    ///
    /// The fits are saved in the checkpoints `work.kept`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for `folds` or `fits` out of range; [`Error::Stopped`] after a stop; otherwise the errors of the learners.
    pub fn fit_folds(
        sample: &Sample<'_>,
        options: &TeacherOptions,
        seed: u64,
        work: Work<'_>,
    ) -> Result<FoldTeachers> {
        options.check()?;
        let mut plan = FoldChoices {
            trees: options.trees.clone(),
            network: options.network.clone(),
            stop: 1.0,
            lstm: None,
            process: None,
            penalty: None,
        };
        let mut candidates = Vec::new();
        if matches!(options.kind, TeacherKind::Auto | TeacherKind::Trees) {
            if options.choose_trees {
                let choose = || choose_trees(sample, options, seed, work);
                plan.trees = work.kept.piece("tree-options", choose)?;
            }
            let folds = plan.folds(sample, Learner::Trees, seed, work)?;
            candidates.push(Candidate::new(Learner::Trees, folds, sample)?);
        }
        if matches!(options.kind, TeacherKind::Auto | TeacherKind::Network)
            && let Some(network) = network_options(sample, &candidates, options, seed, work)?
        {
            let fitted = NetworkEnsemble::fit_folds(sample, &network, seed, work)?;
            (plan.network, plan.stop) = (network, fitted.stop);
            candidates.push(Candidate::of_networks(Learner::Network, fitted, sample)?);
        }
        if options.has_lstm(sample) {
            let (fitted, reads_changes) = lstm_folds(sample, &options.lstm, seed, work)?;
            plan.lstm = Some(LstmPlan {
                options: options.lstm.clone(),
                stop: fitted.stop,
                reads_changes,
            });
            candidates.push(Candidate::of_networks(Learner::Lstm, fitted, sample)?);
        }
        let few = sample.target.len() <= options.gp.most_rows;
        if options.kind == TeacherKind::Gp || (options.kind == TeacherKind::Auto && few) {
            plan.process = Some(work.kept.piece("gp-kernel", || {
                ProcessPlan::choose(sample, &options.gp, seed, work.stop)
            })?);
            let folds = plan.folds(sample, Learner::Process, seed, work)?;
            candidates.push(Candidate::new(Learner::Process, folds, sample)?);
        }
        if options.has_linear(sample) {
            let fitted = Linear::fit_folds(sample, &options.linear, work)?;
            plan.penalty = Some(fitted.penalty);
            let fits = fitted.fits.into_iter().map(Fit::Linear).collect();
            candidates.push(Candidate::new(Learner::Linear, fits, sample)?);
        }
        let judges = sample.judges();
        let known = |folds: &dyn Fn(u32) -> bool| -> Vec<usize> {
            (0..sample.folds.of.len())
                .filter(|&row| folds(sample.folds.of[row]))
                .collect()
        };
        let means: Vec<&[f64]> = candidates
            .iter()
            .map(|candidate| &candidate.out.mean[..])
            .collect();
        let weights = stack::weights(
            &means,
            sample.target,
            sample.weight,
            &known(&|fold| judges.contains(&fold)),
            NEGLIGIBLE,
        );
        let used: Vec<(Candidate, f64)> = candidates
            .into_iter()
            .zip(weights)
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let outs = || {
            used.iter()
                .map(|(candidate, weight)| (&candidate.out.mean[..], *weight))
        };
        let mean = weighted(outs(), sample.target.len());
        let stds = used.iter();
        let raw = main_std(stds.map(|(candidate, weight)| (candidate.out.std.as_deref(), *weight)));
        let (std, notes) = PredictiveStd::fit(sample, &known(&|fold| fold != NO_FOLD), &mean, raw);
        let sd = std.apply(raw, mean.len());
        let labels = Labels {
            prediction: Prediction { mean, std: sd },
            fold: sample.folds.of.clone(),
        };
        let part = |(candidate, weight): (Candidate, f64)| {
            let Candidate { learner, folds, .. } = candidate;
            let anew = sample.folds.follow_time()
                || learner == Learner::Process
                || sample.target.len() <= FEW_ROWS;
            let early = if anew {
                plan.fits(
                    sample,
                    learner,
                    options.fits_of(sample.target.len()),
                    "early",
                    (seed, work),
                )?
            } else {
                folds
            };
            Ok(MixPart {
                share: Share { learner, weight },
                early,
                last: Vec::new(),
                joined: !anew && sample.target.len() > MANY_ROWS,
            })
        };
        let parts = used.into_iter().map(part).collect::<Result<_>>()?;
        Ok(FoldTeachers {
            teacher: Self { parts, std, plan },
            labels,
            notes,
        })
    }

    /// The same teacher with additional *last* fits of its learners, on all rows of `sample`. The type [`FittedTeacher`] describes which fits predict
    /// from then on.
    ///
    /// # Errors
    ///
    /// The errors of the learners.
    pub fn with_full_fit(
        &self,
        sample: &Sample<'_>,
        options: &TeacherOptions,
        seed: u64,
        work: Work<'_>,
    ) -> Result<Self> {
        let part = |part: &MixPart| {
            let count = if part.joined {
                1
            } else {
                options.fits_of(sample.target.len())
            };
            Ok(MixPart {
                last: self
                    .plan
                    .fits(sample, part.share.learner, count, "full", (seed, work))?,
                ..part.clone()
            })
        };
        let parts = self.parts.par_iter().map(part).collect::<Result<_>>()?;
        Ok(Self {
            parts,
            ..self.clone()
        })
    }

    /// The same teacher with only its early fits, which were not fitted on validation rows.
    #[must_use]
    pub fn early(&self) -> Self {
        let parts = self
            .parts
            .iter()
            .map(|part| MixPart {
                last: Vec::new(),
                ..part.clone()
            })
            .collect();
        Self {
            parts,
            ..self.clone()
        }
    }

    /// The mean and the predictive standard deviation of new rows.
    ///
    /// # Errors
    ///
    /// An error if the columns are not the columns of the fit.
    pub fn predict(&self, features: &Features) -> Result<Prediction> {
        let early = self.early_answers(features, Stop::NEVER)?;
        self.predict_after(features, &early, Stop::NEVER)
    }

    /// The predictions of the early fits, which were not fitted on validation rows. [`with_full_fit`](Self::with_full_fit) does not change these
    /// fits, so [`predict_after`](Self::predict_after) can use the result again.
    ///
    /// # Errors
    ///
    /// The errors of [`predict`](Self::predict); [`Error::Stopped`] after a stop.
    pub fn early_answers(&self, features: &Features, stop: Stop<'_>) -> Result<EarlyAnswers> {
        Ok(EarlyAnswers(
            self.parts
                .par_iter()
                .map(|part| mean_of(part.early(), features, stop))
                .collect::<Result<_>>()?,
        ))
    }

    /// Like [`predict`](Self::predict), but takes the predictions of the early fits from `early` instead of computing them again.
    ///
    /// # Errors
    ///
    /// The errors of [`early_answers`](Self::early_answers).
    pub fn predict_after(
        &self,
        features: &Features,
        early: &EarlyAnswers,
        stop: Stop<'_>,
    ) -> Result<Prediction> {
        let of_part = |(part, early): (&MixPart, &Predicted)| -> Result<Predicted> {
            let (before, after) = (part.early().len() as f64, part.last.len() as f64);
            if part.last.is_empty() {
                return Ok(early.clone());
            }
            let last = mean_of(&part.last, features, stop)?;
            if before == 0.0 {
                return Ok(last);
            }
            let join = |early: &[f64], last: &[f64]| -> Vec<f64> {
                early
                    .iter()
                    .zip(last)
                    .map(|(early, last)| (before * early + after * last) / (before + after))
                    .collect()
            };
            let raw = early
                .1
                .as_ref()
                .zip(last.1.as_ref())
                .map(|(early, last)| join(early, last));
            Ok((join(&early.0, &last.0), raw))
        };
        let parts: Vec<Predicted> = self
            .parts
            .par_iter()
            .zip(&early.0)
            .map(of_part)
            .collect::<Result<_>>()?;
        let mean = weighted(
            parts
                .iter()
                .zip(&self.parts)
                .map(|((mean, _), part)| (&mean[..], part.share.weight)),
            features.rows,
        );
        let stds = parts.iter().zip(&self.parts);
        let raw = main_std(stds.map(|((_, std), part)| (std.as_deref(), part.share.weight)));
        Ok(Prediction {
            mean,
            std: self.std.apply(raw, features.rows),
        })
    }

    /// The fit whose inner features are used. It is a fit of the learner with the largest weight. If `early` is true, it is the first of the early
    /// fits of this learner. Else it is the final one of the last fits, or the final one of the early fits if there are no last fits.
    pub(crate) fn shown(&self, early: bool) -> Option<&Fit> {
        let part = self
            .parts
            .iter()
            .rev()
            .max_by(|a, b| a.share.weight.total_cmp(&b.share.weight))?;
        if early {
            part.early.first()
        } else {
            part.last.last().or(part.early.last())
        }
    }

    /// The learners and their weights, which have sum 1.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        self.parts.iter().map(|part| part.share).collect()
    }

    /// Number of parameters: the fitted numbers that a prediction uses.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parts
            .iter()
            .flat_map(MixPart::current)
            .map(Fit::parameters)
            .sum()
    }

    /// The bytes of the teacher's file: a container of kind `teacher`.
    ///
    /// # Errors
    ///
    /// An error if a part cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut container = Container::new(KIND);
        let counts: Vec<Counts> = self
            .parts
            .iter()
            .map(|part| (part.share, part.early.len(), part.last.len(), part.joined))
            .collect();
        container.put_json("parts", &counts)?;
        // Teacher files have this key in all versions.
        container.put_json("spread", &self.std)?;
        container.put_json("plan", &self.plan)?;
        for (at, part) in self.parts.iter().enumerate() {
            for (index, fit) in part.early.iter().chain(&part.last).enumerate() {
                fit.store(&mut container, &format!("part.{at}.{index}"))?;
            }
        }
        Ok(container.to_bytes())
    }

    /// Reads a teacher from the bytes that [`to_bytes`](Self::to_bytes) returned. It also reads the first format of teacher files (limbeck 0.1), in
    /// which a teacher consisted only of trees and networks.
    ///
    /// # Errors
    ///
    /// An error if the bytes are not a teacher, or are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let container = Container::from_bytes(bytes, KIND)?;
        if container.text("counts").is_ok() {
            return Self::from_first_form(&container);
        }
        let counts: Vec<Counts> = container.json("parts")?;
        let part = |(at, (share, early, last, joined)): (usize, &Counts)| {
            let fit = |index: usize| {
                Fit::restore(&container, &format!("part.{at}.{index}"), share.learner)
            };
            let (early, last) = (0..*early)
                .map(fit)
                .collect::<Result<_>>()
                .and_then(|fits| {
                    Ok((
                        fits,
                        (*early..*early + *last).map(fit).collect::<Result<_>>()?,
                    ))
                })?;
            Ok(MixPart {
                share: *share,
                early,
                last,
                joined: *joined,
            })
        };
        let parts: Vec<MixPart> = counts.iter().enumerate().map(part).collect::<Result<_>>()?;
        let sound = |part: &MixPart| {
            !part.early.is_empty() && part.share.weight > 0.0 && part.share.weight <= 1.0
        };
        if parts.is_empty() || !parts.iter().all(sound) {
            let message =
                "it has no learners, or one of its learners has too few models or a weight outside (0, 1]"
                    .to_owned();
            return Err(Error::MalformedTeacher { message });
        }
        Ok(Self {
            parts,
            std: container.json("spread")?,
            plan: container.json("plan")?,
        })
    }

    /// Reads the first format of the file. A teacher then had only trees and networks. For each of the two, the last fit in the file was fitted on
    /// all rows, and all fits predict together.
    fn from_first_form(container: &Container) -> Result<Self> {
        let malformed = |message: String| Error::MalformedTeacher { message };
        let (trees, networks): (usize, usize) = container.json("counts")?;
        let Numbers::F64(mix) = &container.tensor("mix")?.numbers else {
            return Err(malformed("`mix` does not hold f64 numbers".into()));
        };
        let [network_weight, stop] = mix[..] else {
            return Err(malformed(format!(
                "`mix` holds {} numbers, expected 2",
                mix.len()
            )));
        };
        let part = |learner, name: &str, count: usize, weight: f64| {
            let fits: Vec<Fit> = (0..count)
                .map(|index| Fit::restore(container, &format!("{name}.{index}"), learner))
                .collect::<Result<_>>()?;
            let (early, last) = fits.split_at(count.saturating_sub(1));
            Ok(MixPart {
                share: Share { learner, weight },
                early: early.to_vec(),
                last: last.to_vec(),
                joined: true,
            })
        };
        let parts = [
            part(Learner::Trees, "forest", trees, 1.0 - network_weight),
            part(Learner::Network, "network", networks, network_weight),
        ];
        let parts: Vec<MixPart> = parts.into_iter().collect::<Result<_>>()?;
        let parts: Vec<MixPart> = parts
            .into_iter()
            .filter(|part| !part.last.is_empty())
            .collect();
        if parts.is_empty() {
            return Err(malformed("it holds neither trees nor networks".into()));
        }
        Ok(Self {
            parts,
            std: container.json("spread")?,
            plan: FoldChoices {
                trees: container.json("trees")?,
                network: NetworkOptions::default(),
                stop,
                lstm: None,
                process: None,
                penalty: None,
            },
        })
    }
}

const KIND: &str = "teacher";

/// What a teacher's file says of one learner, in this order: the learner and its weight; its number of early fits; its number of last fits; true
/// if early and last fits predict together.
type Counts = (Share, usize, usize, bool);

/// With more rows than this, time is saved in two ways. Networks are first tried on one fold, before they are trained on all folds. Each learner is
/// fitted fewer times on all rows.
const MANY_ROWS: usize = 10_000;
/// Up to this number of rows, the teacher for new rows is fitted again on the whole sample: with so few rows, a model of a fold, which was not
/// fitted on the rows of its fold, is clearly worse.
const FEW_ROWS: usize = 3000;
/// On the fold on which networks are tried, they must reduce the RMSE of the trees by this fraction, as part of a weighted mean. Otherwise the
/// teacher has no networks, because they take too long for what they gain.
const WORTH: f64 = 0.01;
/// If networks alone reduce the RMSE of the trees by this fraction on the fold on which they are tried, they are trained with
/// [`NetworkOptions::larger`].
const FAR_BETTER: f64 = 0.1;

impl Candidate {
    /// Makes a candidate from a learner's fits on the folds. Each fit predicts the rows that it was not fitted on.
    fn new(learner: Learner, folds: Vec<Fit>, sample: &Sample<'_>) -> Result<Self> {
        let of_fold = |(fold, fit): (usize, &Fit)| {
            let rows = sample.held_rows(fold as u32);
            let predicted = fit.predict(&sample.features.select(&rows))?;
            Ok((rows, predicted))
        };
        let parts: Vec<(Vec<usize>, Predicted)> = folds
            .par_iter()
            .enumerate()
            .map(of_fold)
            .collect::<Result<_>>()?;
        Ok(Self {
            learner,
            folds,
            out: OutOfFold::gather(parts, sample.target.len()),
        })
    }

    /// Makes a candidate from ensembles of networks.
    fn of_networks(learner: Learner, fitted: NetworkFolds, sample: &Sample<'_>) -> Result<Self> {
        let folds = fitted.networks.into_iter().map(Fit::Network).collect();
        Self::new(learner, folds, sample)
    }
}

/// The standard deviations of a mean of learners: those of the learner with the largest weight among the learners that give any. For each learner,
/// `parts` has its standard deviations and its weight.
fn main_std<'s>(parts: impl Iterator<Item = (Option<&'s [f64]>, f64)>) -> Option<&'s [f64]> {
    let known = parts.filter_map(|(std, weight)| Some((std?, weight)));
    let main = known.max_by(|a, b| a.1.total_cmp(&b.1));
    main.map(|(std, _)| std)
}

/// The options of the networks; `None` if a weighted mean with networks is unlikely to be better than the trees alone.
///
/// With many rows, networks are tried on the first of the [judging folds](limbeck_data::Folds::judges). If they are far better than the trees there,
/// the result is [`NetworkOptions::larger`].
fn network_options(
    sample: &Sample<'_>,
    others: &[Candidate],
    options: &TeacherOptions,
    seed: u64,
    work: Work<'_>,
) -> Result<Option<NetworkOptions>> {
    let (Some(trees), Some(&fold)) = (others.first(), sample.folds.judges().first()) else {
        return Ok(Some(options.network.clone()));
    };
    let (rows, held) = (sample.training_rows(fold), sample.held_rows(fold));
    if sample.target.len() <= MANY_ROWS {
        return Ok(Some(options.network.clone()));
    }
    let meter = work.part("network, trial on one fold".into(), network::CURVE);
    let network = NetworkEnsemble::fit_within(
        sample,
        &rows,
        (&Members::from(&options.network), 1.0),
        seed,
        "network-try",
        (work, &meter),
    )?;
    let mean = network.predict(&sample.features.select(&held))?.0;
    let tree: Vec<f64> = held.iter().map(|&row| trees.out.mean[row]).collect();
    let (target, weight) = (sample.target_of(&held), sample.weight_of(&held));
    let all: Vec<usize> = (0..held.len()).collect();
    let weights = stack::weights(&[&tree, &mean], &target, &weight, &all, NEGLIGIBLE);
    let mixed = weighted(
        [(&tree[..], weights[0]), (&mean[..], weights[1])].into_iter(),
        held.len(),
    );
    let error = |pred: &[f64]| metrics::rmse(pred, &target, &weight);
    if error(&mean) < (1.0 - FAR_BETTER) * error(&tree) {
        return Ok(Some(options.network.larger()));
    }
    Ok((error(&mixed) < (1.0 - WORTH) * error(&tree)).then(|| options.network.clone()))
}

/// The LSTMs of all folds, and whether they read changes in place of levels. In forecasts, both are fitted, and those with the smaller out-of-fold error
/// are used: levels are of use if a series stays near them, and mislead if it drifts away.
fn lstm_folds(
    sample: &Sample<'_>,
    options: &LstmOptions,
    seed: u64,
    work: Work<'_>,
) -> Result<(NetworkFolds, bool)> {
    let fit = |reads_changes: bool| {
        let members = Members {
            reads_changes,
            ..options.into()
        };
        NetworkEnsemble::fit_folds(sample, members, seed, work)
    };
    let of_levels = fit(false)?;
    if sample.horizon == 0 || !network::has_changes(sample.features) {
        return Ok((of_levels, false));
    }
    let of_changes = fit(true)?;
    // An error that is not a number is the largest.
    Ok(match of_changes.error.total_cmp(&of_levels.error).is_lt() {
        true => (of_changes, true),
        false => (of_levels, false),
    })
}

/// Chooses the options of the trees, by the error on held-out folds.
fn choose_trees(
    sample: &Sample<'_>,
    options: &TeacherOptions,
    seed: u64,
    work: Work<'_>,
) -> Result<TreeOptions> {
    let candidates = options.trees.candidates(sample.target.len());
    let (fits, rounds) = trees::effort_of_choice(sample, &candidates);
    let meter = work.part("trees, choice of options".into(), fits * rounds);
    let round = || meter.add(1);
    let threads = rayon::current_num_threads();
    let choice = trees::choose(
        sample.features,
        sample.target,
        sample.weight,
        &sample.folds,
        &candidates,
        seed,
        Effort::until(threads, work.stop).telling(&round),
    )?;
    Ok(choice.options)
}

/// For each row, the weighted sum over the parts, added in their order. A part is a list of one value per row, and its weight.
fn weighted<'a>(parts: impl Iterator<Item = (&'a [f64], f64)>, rows: usize) -> Vec<f64> {
    let mut sum = vec![0.0; rows];
    for (part, weight) in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += weight * value;
        }
    }
    sum
}

/// Number of rows that are predicted at a time; a stop is checked before each such block. It is a multiple of the blocks in which learners predict,
/// so that it does not change any prediction.
const ASKED_ROWS: usize = 16_384;

/// For each row, the mean over the predictions of several fits; 0 if `fits` is empty. Computed block by block; a stop is checked before each block of
/// rows.
fn mean_of(fits: &[Fit], features: &Features, stop: Stop<'_>) -> Result<Predicted> {
    if features.rows <= ASKED_ROWS {
        stop.check()?;
        return mean_of_block(fits, features);
    }
    let (mut mean, mut raw) = (Vec::with_capacity(features.rows), None);
    for at in (0..features.rows).step_by(ASKED_ROWS) {
        stop.check()?;
        let rows: Vec<usize> = (at..(at + ASKED_ROWS).min(features.rows)).collect();
        let (block, block_raw) = mean_of_block(fits, &features.select(&rows))?;
        mean.extend(block);
        if let Some(block) = block_raw {
            raw.get_or_insert_with(Vec::new).extend(block);
        }
    }
    Ok((mean, raw))
}

fn mean_of_block(fits: &[Fit], features: &Features) -> Result<Predicted> {
    let parts: Vec<Predicted> = fits
        .par_iter()
        .map(|fit| fit.predict(features))
        .collect::<Result<_>>()?;
    let raw: Option<Vec<&[f64]>> = parts.iter().map(|(_, std)| std.as_deref()).collect();
    let raw = raw
        .filter(|raw| !raw.is_empty())
        .map(|raw| average_of(raw.into_iter(), features.rows));
    Ok((
        average_of(parts.iter().map(|(mean, _)| &mean[..]), features.rows),
        raw,
    ))
}

/// For each row, the mean of the models' predictions, which are added in the order of the models.
fn average_of<'a>(parts: impl ExactSizeIterator<Item = &'a [f64]>, rows: usize) -> Vec<f64> {
    let count = parts.len() as f64;
    weighted(parts.map(|part| (part, 1.0 / count)), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
    use limbeck_data::{Feature, FeatureValues, Folds};
    use std::time::Duration;

    fn table(rows: usize) -> (Features, Vec<f64>) {
        let at = |i: usize, k: f64| (i as f64 * k).fract() * 4.0 - 2.0;
        let (a, b): (Vec<f64>, Vec<f64>) = (0..rows)
            .map(|i| (at(i, 0.754_877), at(i, 0.569_840)))
            .unzip();
        let y = (0..rows)
            .map(|i| (2.0 * a[i]).sin() + a[i] * b[i] + 0.3 * at(i, 0.43))
            .collect();
        let number = |name: &str, values| Feature {
            name: name.into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        (
            Features {
                columns: vec![number("a", a), number("b", b)],
                rows,
                past: None,
            },
            y,
        )
    }

    fn quick(kind: TeacherKind) -> TeacherOptions {
        TeacherOptions {
            kind,
            folds: 3,
            fits: 2,
            choose_trees: true,
            trees: TreeOptions {
                rounds: 30,
                learning_rate: 0.2,
                leaf_rows: 2.0,
                ..TreeOptions::default()
            },
            network: NetworkOptions {
                members: 2,
                steps: (120, 120),
                ..NetworkOptions::default()
            },
            lstm: LstmOptions::default(),
            linear: LinearOptions::default(),
            gp: ProcessOptions {
                evidence_rows: 60,
                steps: 8,
                ..ProcessOptions::default()
            },
        }
    }

    fn fitted(
        folds: &Folds,
        kind: TeacherKind,
        kept: &Checkpoints,
    ) -> (FoldTeachers, FittedTeacher) {
        let (x, y) = table(folds.of.len());
        let weight = vec![1.0; y.len()];
        let sample = Sample {
            features: &x,
            target: &y,
            weight: &weight,
            folds: folds.clone(),
            rows_before: 0,
            horizon: 0,
        };
        let first = FittedTeacher::fit_folds(&sample, &quick(kind), 4, kept.into()).unwrap();
        // Other targets, so that early and last fits differ: of so few rows, both are fitted on all.
        let other: Vec<f64> = y.iter().map(|y| y + 1.0).collect();
        let all = Sample {
            folds: Folds::default(),
            target: &other,
            ..sample
        };
        let last = first
            .teacher
            .with_full_fit(&all, &quick(kind), 4, kept.into())
            .unwrap();
        (first, last)
    }

    #[test]
    fn file_of_each_learner_round_trips() {
        let (x, _) = table(50);
        for kind in [
            TeacherKind::Trees,
            TeacherKind::Network,
            TeacherKind::Gp,
            TeacherKind::Linear,
            TeacherKind::Auto,
        ] {
            let (first, last) = fitted(&Folds::random(150, 3, 0), kind, &NO_CHECKPOINTS);
            let again = FittedTeacher::from_bytes(&last.to_bytes().unwrap()).unwrap();
            assert_eq!(
                again.predict(&x).unwrap(),
                last.predict(&x).unwrap(),
                "{kind:?}"
            );
            assert_eq!(
                again.early().predict(&x).unwrap(),
                first.teacher.predict(&x).unwrap(),
                "{kind:?}"
            );
            assert_eq!(again.shares(), last.shares());
            assert!(
                (last.shares().iter().map(|share| share.weight).sum::<f64>() - 1.0).abs() < 1e-12
            );
            assert_ne!(
                again.early().predict(&x).unwrap(),
                again.predict(&x).unwrap(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn threads_and_a_second_life_change_nothing() {
        let folds = Folds::stretches(&(0..150).map(|row| row / 3).collect::<Vec<u32>>(), 3, 0);
        let (x, _) = table(50);
        let with = |threads: usize, kind, kept: &Checkpoints| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| fitted(&folds, kind, kept).1.predict(&x).unwrap())
        };
        let pieces = [
            (
                TeacherKind::Trees,
                ["tree-options", "trees-1", "trees-early-1", "trees-full-2"],
            ),
            (
                TeacherKind::Network,
                [
                    "network-1",
                    "network-3",
                    "network-early-1",
                    "network-full-2",
                ],
            ),
            (TeacherKind::Gp, ["gp-kernel"; 4]),
            (
                TeacherKind::Linear,
                ["linear-1", "linear-3", "linear-early-1", "linear-full-1"],
            ),
        ];
        for (kind, pieces) in pieces {
            let folder = tempfile::tempdir().unwrap();
            let kept = Checkpoints::in_folder(folder.path(), Duration::ZERO).unwrap();
            let one = with(1, kind, &kept);
            assert_eq!(with(3, kind, &NO_CHECKPOINTS), one, "{kind:?}");
            // Everything is there already.
            assert_eq!(with(2, kind, &kept), one, "{kind:?}");
            assert!(
                pieces
                    .iter()
                    .all(|piece| folder.path().join(format!("{piece}.piece")).exists()),
                "{kind:?}"
            );
        }
    }

    /// A series of noise that rises by `drift` in each row, and its change from the row before. The target is the change if the series drifts, otherwise
    /// its level.
    fn series(rows: usize, drift: f64) -> (Features, Vec<f64>) {
        let noise = |i: usize| ((i * i + 3 * i) as f64 * 0.569_840).fract();
        let x: Vec<f64> = (0..rows).map(|i| drift * i as f64 + noise(i)).collect();
        let change: Vec<f64> = (0..rows).map(|i| x[i] - x[i.saturating_sub(1)]).collect();
        let target = if drift > 0.0 { &change } else { &x }.clone();
        let number = |name: &str, values| Feature {
            name: name.into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let history = limbeck_runtime::HistorySource {
            column: "x".into(),
            look: "diff1".parse().unwrap(),
            missing: limbeck_data::MissingNumbers::default(),
        };
        let diff = Feature {
            history: Some(history),
            ..number("x.diff1", change)
        };
        let mut features = Features {
            columns: vec![number("x", x), diff],
            rows,
            past: None,
        };
        features.past = Some(limbeck_data::Past::new(&features, &[(0..rows).collect()]));
        (features, target)
    }

    fn of_series(drift: f64, horizon: usize, kind: TeacherKind) -> FoldTeachers {
        let (x, y) = series(240, drift);
        let weight = vec![1.0; y.len()];
        let sample = Sample {
            features: &x,
            target: &y,
            weight: &weight,
            folds: Folds::stretches(&(0..240).collect::<Vec<u32>>(), 3, 0),
            rows_before: 3,
            horizon,
        };
        let options = TeacherOptions {
            lstm: LstmOptions {
                members: 1,
                units: vec![8],
                steps: (150, 150),
                learning_rate: 0.02,
                ..LstmOptions::default()
            },
            ..quick(kind)
        };
        FittedTeacher::fit_folds(&sample, &options, 4, (&*NO_CHECKPOINTS).into()).unwrap()
    }

    #[test]
    fn lstms_read_changes_where_levels_drift() {
        let reads_changes = |drift, horizon| {
            let fitted = of_series(drift, horizon, TeacherKind::Lstm);
            let bytes = fitted.teacher.to_bytes().unwrap();
            let again = FittedTeacher::from_bytes(&bytes).unwrap();
            assert_eq!(again.plan, fitted.teacher.plan);
            again.plan.lstm.unwrap().reads_changes
        };
        assert!(
            reads_changes(0.05, 1),
            "levels of x drift, and only its change matters"
        );
        assert!(!reads_changes(0.0, 1), "the level of x is the target");
        assert!(!reads_changes(0.05, 0), "no forecast");
    }

    #[test]
    fn linear_model_takes_part_in_forecasts_only() {
        let shares = |horizon| of_series(0.05, horizon, TeacherKind::Auto).teacher.shares();
        let has_linear = |shares: Vec<Share>| {
            let mut learners = shares.into_iter().map(|share| share.learner);
            learners.any(|learner| learner == Learner::Linear)
        };
        assert!(
            has_linear(shares(1)),
            "the target is a linear function of x.diff1"
        );
        assert!(!has_linear(shares(0)));
    }

    #[test]
    fn new_rows_in_time_are_labelled_by_fits_on_all_rows() {
        let folds = Folds::stretches(&(0..150).map(|row| row / 3).collect::<Vec<u32>>(), 3, 0);
        let (first, last) = fitted(&folds, TeacherKind::Trees, &NO_CHECKPOINTS);
        // Two fits on all rows rather than one per fold.
        assert_eq!(
            (first.teacher.parts[0].early.len(), last.parts[0].last.len()),
            (2, 2)
        );
        let (x, _) = table(150);
        let sample_fit = |early: &FittedTeacher| early.predict(&x).unwrap().mean;
        // They have seen the rows of the last stretch, its fold teacher has not.
        let labels = &first.labels.prediction.mean;
        assert!((100..150).all(|row| labels[row].is_finite()));
        assert!((100..150).any(|row| (sample_fit(&first.teacher)[row] - labels[row]).abs() > 0.1));
    }

    #[test]
    fn mean_of_early_and_last_fits_counts_each_fit_once() {
        let (mut first, mut last) = fitted(
            &Folds::random(150, 3, 0),
            TeacherKind::Trees,
            &NO_CHECKPOINTS,
        );
        (first.teacher.parts[0].joined, last.parts[0].joined) = (true, true);
        let (x, _) = table(20);
        let early = first.teacher.early_answers(&x, Stop::NEVER).unwrap();
        let found = last.predict_after(&x, &early, Stop::NEVER).unwrap().mean;
        let all: Vec<Vec<f64>> = last.parts[0]
            .current()
            .map(|fit| fit.predict(&x).unwrap().0)
            .collect();
        assert_eq!(all.len(), 4);
        for row in 0..20 {
            let mean = all.iter().map(|fit| fit[row]).sum::<f64>() / 4.0;
            assert!((found[row] - mean).abs() < 1e-12);
        }
    }
}
