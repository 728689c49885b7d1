//! Constants of the verdict, chosen on the development cases of `evidence/preflight.py`.

/// Minimum number of training and validation rows for a preflight, and minimum of its option `rows`.
pub const LEAST_ROWS: usize = 100;
/// Minimum probability for the answer that distillation pays.
pub const PAYS_FROM: f64 = 0.7;
/// Maximum probability for the answer that distillation will not pay; between the two, the answer is *unsure*.
pub const WILL_NOT_UP_TO: f64 = 0.45;
/// Saving that is expected before any pilot, if the teacher is as good as the baseline. The saving is the share by which distillation reduces the
/// baseline's squared error.
pub const PRIOR: f64 = 0.0;
/// Increase of the saving that is expected before any pilot, per unit of the teacher's lead (how much smaller its squared error is). Saving and lead
/// are shares of the baseline's squared error.
pub const PRIOR_LEAD: f64 = 0.65;
/// Bound of the teacher's lead, as a share of the baseline's squared error: a lead beyond ± this value is replaced by the bound.
pub const LEAD_CLAMP: f64 = 0.3;
/// Standard deviation, across tables, of the true saving around the prior mean.
pub const PRIOR_SD: f64 = 0.026;
/// Standard deviation of a full run's saving due to its random folds, splits and seeds.
pub const LUCK: f64 = 0.012;
/// How much the saving shrinks when more rows make the baseline better: with 0 not at all, with 1 by the same factor as the baseline's squared error.
pub const CURVE: f64 = 0.45;
/// Uncertainty of the saving because the full run has more rows than the pilots: this value times `ln(n_full / n_pilot)` is its standard deviation,
/// see [`Outlook`](super::Outlook).
pub const GROWTH: f64 = 0.03;
/// Half the width of a 95 % interval, in standard errors.
pub const INTERVAL: f64 = 1.96;
/// The teacher is said to repeat its training targets if its error on rows it was fitted on, divided by its error on other rows, is below this. It
/// affects only the reasons.
pub const INTERPOLATES: f64 = 0.5;
/// A learning curve with a slope below this is still steep. It affects only the reasons.
pub const STEEP: f64 = -0.3;
