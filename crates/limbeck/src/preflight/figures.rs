//! Results of a preflight.

use serde::{Deserialize, Serialize};

/// Results of the pilots (small runs on a sample); the [module](super) describes the diagnostics.
///
/// Errors are on rows that the pilots held out. RMSEs are in the target's unit; squared errors and their differences are in the square of that unit.
/// The *baseline* is the student trained without the teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightReport {
    /// Version of limbeck that made the report.
    pub version: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// File of the table.
    pub source: String,
    /// Target column.
    pub target: String,
    /// Numbers of rows of the table, of the sample and of the pilots.
    pub rows: RowCounts,
    /// The verdict.
    pub verdict: Outlook,
    /// RMSE of the teacher and both students, over the held-out rows of all pilots.
    pub rmse: Rmse,
    /// RMSE of the teacher and both students, for each pilot.
    pub by_pilot: Vec<Rmse>,
    /// Squared error of the baseline minus the squared error of the teacher; above 0 if the teacher is better.
    pub teacher_gap: Paired,
    /// Squared error of the baseline minus the squared error of the distilled student; above 0 if distillation helped.
    pub saved: Paired,
    /// The teacher's error on rows it was fitted on and on other rows; `None` if limbeck does not fit the teacher.
    pub teacher_fit: Option<TeacherFit>,
    /// Best share of teacher labels in the loss (0: targets alone, 1: teacher labels alone), by
    /// [`closed_form_alpha`](limbeck_distill::search::closed_form_alpha). `None` if `alpha` is fixed below 1, or if the student trained on targets
    /// and the student trained on teacher labels predict the same.
    pub closed_form: Option<Share>,
    /// Errors of the baseline trained on half of the rows and on all rows of the first pilot.
    pub learning_curve: LearningCurve,
    /// Noise of the target that the columns cannot explain; `None` if it cannot be estimated.
    pub noise: Option<NoiseFloor>,
    /// Notes for the reader, for example why a diagnostic is missing.
    pub notes: Vec<String>,
    /// Wall-clock time, the only part that differs between repeated runs.
    pub measured: Measured,
}

/// Numbers of rows in a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Number of training and validation rows of the table.
    pub available: usize,
    /// Number of test rows of the table; they are not used.
    pub test: usize,
    /// Number of rows of the sample.
    pub sampled: usize,
    /// Number of pilots (small runs on the sample). Each pilot holds out different rows of the sample.
    pub pilots: usize,
    /// Number of training rows of one pilot. Its refits learn from its validation rows as well, which are not counted here.
    pub train: usize,
    /// Number of held-out rows of all pilots together.
    pub held_out: usize,
}

/// The answer of a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// `limbeck distill` is likely to save at least the share `worth` of the baseline's RMSE.
    #[serde(rename = "pays")]
    Pays,
    /// `limbeck distill` is likely to save less than the share `worth` of the baseline's RMSE, or nothing.
    #[serde(rename = "will not pay")]
    WillNotPay,
    /// The probability that it pays is between the thresholds of the other two answers ([`rules`](super::rules)).
    #[serde(rename = "unsure")]
    Unsure,
}

/// The answer of a preflight, its probability, and the reasons.
///
/// # Rules
///
/// With the constants of [`rules`](super::rules); savings and errors are shares of the baseline's squared error:
///
/// ```text
/// s² = s_rows² + s_pilots²                          standard errors of `saved` over rows and over pilots
/// μ  = PRIOR + PRIOR_LEAD · lead                    expected saving for a teacher with this lead
/// v  = 1 / (1/s² + 1/PRIOR_SD²)
/// g  = (n_full / n_pilot)^(CURVE · slope)           share of the saving that is left with the rows of the full run
/// m  = g v (saved / s² + μ / PRIOR_SD²)             expected saving of the full run
/// r  = GROWTH · ln(n_full / n_pilot)
/// t  = s_rows √(n_held / n_test)                    standard error of the full run's saving over its test rows
/// d² = g² v + LUCK² + r² + t²
/// chance = Φ((m − (1 − (1 − worth)²)) / d)
/// ```
///
/// with
///
/// - `saved`: what the distilled student saves on the `n_held` held-out rows of the pilots;
/// - `lead`: how much better the teacher is than the baseline on these rows, clamped to ± `LEAD_CLAMP`;
/// - `slope`: the slope of the baseline's learning curve, clamped to −1 … 0;
/// - `n_pilot`, `n_full`: the rows that the students of a pilot and of the full run are fitted on;
/// - `n_test`: the test rows of the table;
/// - `worth`: the share of the baseline's RMSE that must be saved;
/// - Φ: the standard normal distribution function.
///
/// The rules assume that the full run saves about as much per row as the pilots, less if the baseline improves with more rows, plus random
/// variation from its own training and test rows. The answer is that it pays if `chance` is at least
/// [`rules::PAYS_FROM`](super::rules::PAYS_FROM), and that it will not pay if `chance` is at most
/// [`rules::WILL_NOT_UP_TO`](super::rules::WILL_NOT_UP_TO).
///
/// # Source
///
/// A normal prior and a normal measurement: Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.5. The constants are fitted by
/// `evidence/preflight.py`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// The answer.
    pub kind: Answer,
    /// Smallest saving that pays, as a share of the baseline's RMSE: the recipe's `worth`.
    pub worth: f64,
    /// Probability that the full run saves at least the share `worth` of the baseline's RMSE.
    pub chance: f64,
    /// Share of the baseline's test RMSE that the full run is expected to save, with its 95 % interval. Below 0 if the distilled student is expected
    /// to be worse. With `m` and `d` of [`Outlook`], it is `1 − √(1 − m)`, and the ends of the interval are the same for `m ∓ 1.96 d`.
    pub saving: Share,
    /// The reasons, as sentences.
    pub reasons: Vec<String>,
}

/// RMSE on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rmse {
    /// RMSE of the teacher.
    pub teacher: f64,
    /// RMSE of the baseline, the student trained without the teacher.
    #[serde(alias = "alone")]
    pub baseline: f64,
    /// RMSE of the distilled student.
    pub distilled: f64,
}

/// The mean of a difference over rows, with its standard error. The standard error is over rows or, if rows belong together, over groups or stretches
/// of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Mean difference.
    pub mean: f64,
    /// Standard error of the mean difference; 0 with a single row or block.
    pub standard_error: f64,
}

/// The teacher's RMSE on training rows, in the learned unit (the target's own, or its logarithm).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherFit {
    /// RMSE of the fold teachers, each on rows that it has not seen.
    pub out_of_fold: f64,
    /// RMSE of the teacher that was fitted on all these rows.
    pub in_sample: f64,
    /// `in_sample / out_of_fold`; near 0 if the teacher repeats its training targets.
    pub ratio: f64,
}

/// An estimated share with its 95 % interval. The field that holds it says which share is meant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Errors of the baseline trained on half of a pilot's rows and on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// RMSE of the baseline on held-out rows, when trained on half of the rows.
    pub half: f64,
    /// RMSE of the baseline on held-out rows, when trained on all rows.
    pub all: f64,
    /// `ln(all² / half²) / ln(rows / half the rows)`: how the squared error falls with rows; `-1` if it halves when the rows double.
    pub slope: f64,
    /// Squared error of the baseline with half of the rows minus its squared error with all rows.
    pub gained: Paired,
}

/// Noise of the target, estimated from rows that are close to each other. All values are in the learned unit (the target's own, or its logarithm).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// Standard deviation of the noise, estimated by the Gamma test.
    pub gamma: f64,
    /// Standard deviation of the noise, estimated from each row and its nearest row alone; usually too large.
    pub nearest: f64,
    /// The teacher's RMSE on held-out rows, for comparison.
    pub teacher: f64,
}

/// Wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the preflight.
    pub seconds: f64,
}

impl Paired {
    /// The mean divided by its standard error. 0 if the mean is 0; infinite if only the standard error is 0.
    #[must_use]
    pub fn in_standard_errors(&self) -> f64 {
        if self.mean == 0.0 {
            0.0
        } else {
            self.mean / self.standard_error
        }
    }
}
