//! Figures of a preflight.

use serde::{Deserialize, Serialize};

/// What the pilots found; the module describes the diagnostics.
///
/// Squared errors, RMSEs and their differences are in the target's unit and its square, on rows that the pilots held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightReport {
    /// Version of limbeck.
    pub version: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// File of the table.
    pub source: String,
    /// Target column.
    pub target: String,
    /// Which rows were used.
    pub rows: RowCounts,
    /// The verdict.
    pub verdict: Outlook,
    /// RMSE of all sides.
    pub rmse: Rmse,
    /// RMSE of all sides, by pilot.
    pub by_pilot: Vec<Rmse>,
    /// Squared error of the lone student minus the teacher's; above 0 where the teacher leads.
    pub teacher_gap: Paired,
    /// Squared error of the lone student minus the distilled one's; above 0 where distillation helped.
    pub saved: Paired,
    /// The teacher on seen and unseen rows; none where limbeck does not fit it.
    pub teacher_fit: Option<TeacherFit>,
    /// Closed-form share of teacher labels, [`closed_form_alpha`](limbeck_distill::search::closed_form_alpha); none where `alpha` is fixed below 1.
    pub closed_form: Option<Share>,
    /// The lone student on half of the rows and on all.
    pub learning_curve: LearningCurve,
    /// What the columns cannot tell.
    pub noise: Option<NoiseFloor>,
    /// What a reader should know, missing diagnostics among it.
    pub notes: Vec<String>,
    /// Wall-clock figures, the one part that differs between runs.
    pub measured: Measured,
}

/// Rows of a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Training and validation rows of the table.
    pub available: usize,
    /// Test rows of the table, which were only counted.
    pub test: usize,
    /// Rows of the sample.
    pub sampled: usize,
    /// Pilots on that sample, each with other held-out rows.
    pub pilots: usize,
    /// Rows that each pilot is fitted on.
    pub train: usize,
    /// Held-out rows of all pilots.
    pub held_out: usize,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// `limbeck distill` is likely to save what it has to be worth.
    #[serde(rename = "pays")]
    Pays,
    /// It is likely to save less, or nothing.
    #[serde(rename = "will not pay")]
    WillNotPay,
    /// The pilots cannot tell.
    #[serde(rename = "unsure")]
    Unsure,
}

/// The answer and why.
///
/// # Rules
///
/// With the constants of [`rules`](super::rules), all in shares of the lone student's squared error:
///
/// ```text
/// s² = s_rows² + s_pilots²                          standard errors of `saved` over rows and over pilots
/// μ  = PRIOR + PRIOR_LEAD · lead                    what to expect of a teacher with such a lead
/// v  = 1 / (1/s² + 1/PRIOR_SD²)
/// g  = (n_full / n_pilot)^(CURVE · slope)           what of it is left where the lone student has more rows
/// m  = g v (saved / s² + μ / PRIOR_SD²)             what to expect of the full run
/// r  = GROWTH · ln(n_full / n_pilot)
/// t  = s_rows √(n_held / n_test)                    standard error of the full run's saving over its test rows
/// d² = g² v + LUCK² + r² + t²
/// chance = Φ((m − (1 − (1 − worth)²)) / d)
/// ```
///
/// with `saved` of the distilled student on the pilots' `n_held` rows, the teacher's `lead` over the lone student there (clamped), the `slope`
/// (−1 to 0) of the lone student's learning curve, the rows that the pilots' and the full run's students are fitted on, the `n_test` test
/// rows of the table, and the share of its RMSE that a saving has to be `worth`: the full run meets about the same saving by row, less where
/// the lone student catches up with more rows, with the luck of its own training and test rows. From [`rules::PAYS_FROM`](super::rules::PAYS_FROM) on it pays, up to
/// [`rules::WILL_NOT_UP_TO`](super::rules::WILL_NOT_UP_TO) it will not.
///
/// # Source
///
/// A normal prior and a normal measurement: Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.5. The constants are fitted by
/// `evidence/preflight.py`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// The answer.
    pub kind: Answer,
    /// Least saving that pays, as a share of the lone student's RMSE: the recipe's `worth`.
    pub worth: f64,
    /// Chance that the full run saves at least that.
    pub chance: f64,
    /// Share of the lone student's test RMSE that the full run is expected to save, `1 − √(1 − m)`; its ends by `m ∓ 1.96 d`. Below 0 where
    /// the full run is expected to lose.
    pub saving: Share,
    /// Why, in sentences.
    pub reasons: Vec<String>,
}

/// RMSE on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rmse {
    /// The teacher's.
    pub teacher: f64,
    /// The lone student's.
    pub alone: f64,
    /// The distilled student's.
    pub distilled: f64,
}

/// A mean difference by row with its standard error, over rows or, where rows belong together, over groups or stretches of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Mean difference.
    pub mean: f64,
    /// Its standard error; 0 with a single row.
    pub standard_error: f64,
}

/// The teacher's RMSE on training rows, in the learned unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherFit {
    /// By fold teachers that have not seen the row.
    pub out_of_fold: f64,
    /// By the teacher fitted on all of them.
    pub in_sample: f64,
    /// `in_sample / out_of_fold`; near 0 where it repeats its training labels.
    pub ratio: f64,
}

/// A share with the range that holds 95 % of its distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Lower end of the range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
}

/// The lone student on half of a pilot's rows and on all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// RMSE after half of the rows.
    pub half: f64,
    /// RMSE after all of them.
    pub all: f64,
    /// `ln(all² / half²) / ln(rows / half the rows)`: how its squared error falls with rows, `-1` where it halves with twice as many.
    pub slope: f64,
    /// Squared error after half of the rows minus that after all.
    pub gained: Paired,
}

/// Noise of the target by near rows, in the learned unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// Standard deviation of the noise by the Gamma test.
    pub gamma: f64,
    /// By the nearest rows alone: rather too large.
    pub nearest: f64,
    /// The teacher's RMSE, to compare.
    pub teacher: f64,
}

/// Wall-clock figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the preflight.
    pub seconds: f64,
}

impl Paired {
    /// The mean in standard errors; 0 where both are 0.
    #[must_use]
    pub fn in_standard_errors(&self) -> f64 {
        if self.mean == 0.0 {
            0.0
        } else {
            self.mean / self.standard_error
        }
    }
}
