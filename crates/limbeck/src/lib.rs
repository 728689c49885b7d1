//! Knowledge distillation for regression: trains a small student model from a table, and tests it on held-out rows.
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
//! | module | contents |
//! |---|---|
//! | [`recipe`] | [`Recipe`]: every option, from TOML, presets and flags |
//! | [`session`] | [`Session`]: observer, checkpoints and clock of a run |
//! | [`pipeline`] | [`fit`] runs all stages in memory, [`distill`] into a folder |
//! | `stages` | each stage, and [`LabelStore`]: the teacher's labels |
//! | [`report`] | [`Report`]: all results of a run; the verdict as text, the HTML page |
//! | [`run`] | [`Run`]: a run directory, finished or unfinished |
//! | [`targets`] | a run for each of several targets |
//! | [`preflight`](mod@preflight) | [`preflight()`]: small pilot runs that estimate whether distillation is likely to pay |
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

mod error;
mod format;
pub mod pipeline;
pub mod preflight;
pub mod recipe;
pub mod report;
pub mod run;
pub mod session;
mod stages;
pub mod targets;

pub use error::{Error, Result};
pub use limbeck_teach::Part;
pub use pipeline::{distill, fit, fit_joint, label};
pub use preflight::{PreflightOptions, PreflightReport, preflight};
pub use recipe::{CheckedRecipe, Combine, Preset, Quality, Recipe, TeacherSource};
pub use report::{Member, Report, compare, outer};
pub use run::{Run, export, manifest, open_each, tensorboard, verify};
pub use session::{Event, Observer, Session, Silent};
pub use stages::fitted::{Fitted, Joint};
pub use stages::store::{LabelStore, TeacherFeatures};
pub use targets::{distill_each, resume};

/// The Rust code blocks of the page `docs/book/howto/rust.md`, compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/howto/rust.md")]
struct Book;
