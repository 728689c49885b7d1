//! Knowledge distillation for regression: a table in, a small proven student out.
//!
//! ```text
//! Recipe ─distill→ Run { recipe.toml, student.limbeck, labels.parquet, report.json, metrics.csv, teacher/ }
//! ```
//!
//! ```no_run
//! use limbeck::{Recipe, Silent, distill};
//!
//! let mut recipe = Recipe::for_table("housing.csv", "median_house_value");
//! recipe.student.params = 5200;
//! let run = distill(&recipe.check()?, "runs/housing", &Silent)?;
//! println!("{}", run.report().proof.verdict.sentence);
//! # Ok::<(), limbeck::Error>(())
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`recipe`] | [`Recipe`]: every option, read from TOML, presets and flags |
//! | [`labels`] | [`LabelStore`](labels::LabelStore): what the teacher said, kept in `labels.parquet` |
//! | [`pipeline`] | [`distill`]: the stages in order |
//! | [`preflight`](mod@preflight) | [`preflight()`]: a pilot that says whether a run is likely to pay |
//! | [`report`] | [`Report`]: every figure of a run |
//! | `unfinished` | a run in the making, and one that was ended: checkpoints, lock, [`resume`] |
//! | `live`, `curves` | log, training curves and event files as a run goes on |
//! | [`run`] | [`Run`]: a run directory |
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

mod budget;
pub mod compare;
mod curves;
mod elsewhere;
mod error;
pub mod export;
pub mod labels;
mod live;
mod lone;
pub mod manifest;
pub mod outer;
mod page;
pub mod pipeline;
pub mod preflight;
pub mod recipe;
pub mod report;
mod rounds;
pub mod run;
mod several;
mod splits;
pub mod targets;
pub mod tensorboard;
mod timing;
mod unfinished;
mod verdict;
pub mod verify;

pub use error::{Error, Result};
pub use pipeline::{Event, Observer, Silent, distill, label};
pub use preflight::{PreflightOptions, PreflightReport, preflight};
pub use recipe::{CheckedRecipe, Preset, Quality, Recipe, TeacherSource};
pub use report::Report;
pub use run::Run;
pub use several::{Combine, Member};
pub use targets::{distill_each, open_each, resume};
