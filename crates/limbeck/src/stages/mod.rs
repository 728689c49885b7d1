//! The stages of a run: each gets what it needs as arguments and returns a value that no other stage changes.
//!
//! | file | stage |
//! |---|---|
//! | `read` | table → data set |
//! | `early` | refusals before anything is trained |
//! | `budget`, with `screen` | time limit → options |
//! | `labels`, with `external`, `ensemble`, `rounds` | data set → labels (`store`) |
//! | `splits` | labels for additional splits of the rows |
//! | `students` | labels → both students, chosen and fitted again |
//! | `fitted` | all of these in order |
//! | `calibrate` | rows that calibrate prediction intervals, and the intervals |
//! | `prove`, with `judge`, `baselines`, `outer`, `golden`, `timing` | students → report and file |

mod baselines;
pub(crate) mod budget;
pub(crate) mod calibrate;
pub(crate) mod early;
mod ensemble;
mod external;
pub(crate) mod fitted;
pub(crate) mod golden;
mod judge;
pub(crate) mod labels;
pub(crate) mod outer;
pub(crate) mod prove;
pub(crate) mod read;
mod rounds;
mod screen;
pub(crate) mod splits;
pub(crate) mod store;
pub(crate) mod students;
mod timing;
