//! Constants of the verdict, chosen on the development cases of `evidence/preflight.py`.

/// Fewer training and validation rows than this say nothing.
pub const LEAST_ROWS: usize = 100;
/// From this chance on, distillation is said to pay.
pub const PAYS_FROM: f64 = 0.7;
/// Up to this chance, it is said not to pay; between the two nothing is said.
pub const WILL_NOT_UP_TO: f64 = 0.45;
/// What distillation saves of the lone student's squared error on tables at large, where the teacher does not lead.
pub const PRIOR: f64 = 0.0;
/// How much more of it for each share by which the teacher leads.
pub const PRIOR_LEAD: f64 = 0.65;
/// Leads beyond this say no more.
pub const LEAD_CLAMP: f64 = 0.3;
/// Standard deviation, across tables, of the true saving around the expected one.
pub const PRIOR_SD: f64 = 0.026;
/// Standard deviation of a full run's saving by the luck of its folds, splits and seeds.
pub const LUCK: f64 = 0.012;
/// How much of the lone student's learning curve the saving follows as rows grow: 0 none of it, 1 all.
pub const CURVE: f64 = 0.45;
/// Standard deviation of a saving's share for each factor e by which the full run has more rows than the pilots.
pub const GROWTH: f64 = 0.03;
/// Standard errors of half a 95 % interval.
pub const INTERVAL: f64 = 1.96;
/// A teacher whose error on rows that it has seen is below this share of that on others repeats its training labels. In reasons only.
pub const INTERPOLATES: f64 = 0.5;
/// A learning curve steeper than this is far from its end. In reasons only.
pub const STEEP: f64 = -0.3;
