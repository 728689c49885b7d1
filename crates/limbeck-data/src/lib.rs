//! Tables in, clean training data out.
//!
//! This crate reads CSV and Parquet files, finds the kind of each column, checks the table for the mistakes
//! that make a regression meaningless, splits its rows, fits the encoder of a student and computes metrics.
//! It knows nothing of models.
//!
//! ```text
//! file ─Table::read→ Table ─Dataset::from_table→ Dataset { features, target, weight, split, blocks, … }
//!                                                  │
//!        fit_encoder ← features of training rows ──┤── folds, generator
//!        metrics, crossed ← predictions ───────────┘
//! ```
//!
//! # The modules
//!
//! | module | noun |
//! |---|---|
//! | [`table`] | [`Table`], [`Column`], reading by file name, writing |
//! | [`targets`] | [`Targets`]: what is predicted, and the unit in which it is learned |
//! | [`kind`] | [`ColumnKind`] and how it is inferred from cells |
//! | [`features`] | [`Features`], the one matrix type that teachers and encoders read |
//! | [`dataset`] | [`Dataset`], [`DataOptions`]: from table to split, checked rows |
//! | [`checks`] | [`Check`], [`Action`], [`Warning`] |
//! | [`split`], [`folds`](mod@folds) | which row is fitted, chosen on, reported on |
//! | [`encode`] | fitting an encoder, bin edges for piecewise-linear encoding |
//! | [`metrics`], [`crossed`], [`bootstrap`] | RMSE, MAE, R² and intervals over rows and seeds, in f64 |
//! | [`rng`] | own generators: one per task |
//! | [`checkpoint`] | [`Checkpoints`]: finished pieces of a run's work |
//! | [`stop`] | [`Stop`]: what ends long work before it is done |
//! | [`write`](mod@write) | files that exist whole or not at all |
//! | [`simulate`] | example data from a physical sensor |
//!
//! # Example
//!
//! ```
//! use limbeck_data::{DataOptions, Dataset, simulate};
//!
//! let table = simulate::thermistor(500, 7);
//! let options = DataOptions::for_target(simulate::THERMISTOR_TARGET);
//! let data = Dataset::from_table(table, &options, None, 0)?;
//! assert_eq!(data.split.test.len(), 100);
//! # Ok::<(), limbeck_data::Error>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::float_cmp,
        clippy::print_stderr,
        reason = "hand-worked values are exact; timings are shown"
    )
)]

pub mod bootstrap;
mod cells;
pub mod checkpoint;
pub mod checks;
mod content;
pub mod crossed;
mod csv;
pub mod dataset;
pub mod encode;
mod error;
pub mod features;
mod files;
pub mod folds;
mod given;
pub mod kind;
pub mod metrics;
mod narrow;
mod parquet;
mod pilot;
mod resplit;
pub mod rng;
pub mod simulate;
pub mod split;
pub mod stop;
pub mod table;
pub mod targets;
mod text;
mod warning;
pub mod write;

pub use cells::{MISSING, Values};
pub use checkpoint::Checkpoints;
pub use checks::Check;
pub use dataset::{DataOptions, DataSummary, Dataset};
pub use encode::{EncodeOptions, EncodeScaling, fit_encoder};
pub use error::{Error, Result};
pub use features::{Feature, FeatureValues, Features};
pub use files::ReadOptions;
pub use folds::Folds;
pub use given::GivenTeacher;
pub use kind::ColumnKind;
pub use rng::generator;
pub use split::{FoldKind, Split};
pub use stop::Stop;
pub use table::{Column, Table};
pub use targets::{LearnedUnit, TargetSpec, Targets};
pub use text::{DecimalMark, Separator};
pub use warning::{Action, Warning};
