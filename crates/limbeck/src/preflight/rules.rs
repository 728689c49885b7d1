//! Constants of the verdict, chosen on the development cases of `evidence/preflight.py`.

/// Minimum number of training and validation rows for a preflight, and minimum of its option `rows`.
pub const LEAST_ROWS: usize = 100;
/// If the probability of a gain worth having is at least this constant, the answer is that distillation pays.
pub const PAYS_FROM: f64 = 0.7;
/// If the probability of a gain worth having is at most this constant, the answer is that distillation will not pay. Between this constant and
/// [`PAYS_FROM`], the answer is *unsure*.
pub const WILL_NOT_UP_TO: f64 = 0.45;
/// Saving that is expected before any pilot, if the teacher is as good as the baseline. The saving is the share by which distillation reduces the
/// baseline's squared error.
pub const PRIOR: f64 = 0.0;
/// Increase of the saving that is expected before any pilot, per unit of the teacher's lead (how much smaller its squared error is than the
/// baseline's). Saving and lead are shares of the baseline's squared error.
pub const PRIOR_LEAD: f64 = 0.65;
/// Bound of the teacher's lead, as a share of the baseline's squared error: a lead beyond ± this value is replaced by the bound.
pub const LEAD_CLAMP: f64 = 0.3;
/// Standard deviation, across tables, of the true saving around the saving that is expected before any pilot. Savings are shares of the baseline's
/// squared error.
pub const PRIOR_SD: f64 = 0.026;
/// Standard deviation of a full run's saving (a share of the baseline's squared error) due to its random folds, splits and seeds.
pub const LUCK: f64 = 0.012;
/// How much the saving shrinks when more rows make the baseline better: with 0 not at all, with 1 by the same factor as the baseline's squared error.
pub const CURVE: f64 = 0.45;
/// Uncertainty of the saving because the full run has more rows than the pilots: this value times `ln(n_full / n_pilot)` is its standard deviation,
/// see [`Outlook`](super::Outlook).
pub const GROWTH: f64 = 0.03;
/// Half the width of a 95 % interval, in standard errors.
pub const INTERVAL: f64 = 1.96;
/// The report says that the teacher repeats its training targets if the teacher's error on rows it was fitted on, divided by its error on other rows,
/// is below this constant. The constant affects only the reasons in the report, not the verdict.
pub const INTERPOLATES: f64 = 0.5;
/// The report says that the baseline still improves with more rows if the slope of its learning curve is below this constant. The constant affects
/// only the reasons in the report, not the verdict.
pub const STEEP: f64 = -0.3;
