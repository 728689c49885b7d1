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
//! | [`session`] | [`Session`]: who watches, what is kept, the time |
//! | [`pipeline`] | [`fit`] in memory, [`distill`] into a folder: the stages in order |
//! | `stages` | each stage, and [`LabelStore`]: what the teacher said |
//! | [`report`] | [`Report`]: every figure of a run; its verdict in words, its page |
//! | [`run`] | [`Run`]: a run directory, and one in the making |
//! | [`targets`] | a run for each of several targets |
//! | [`preflight`](mod@preflight) | [`preflight()`]: pilots that say whether a run is likely to pay |
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

/// The Rust blocks of the book, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/howto/rust.md")]
struct Book;
