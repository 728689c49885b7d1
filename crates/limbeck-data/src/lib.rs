//! Reads tables and prepares them for training.
//!
//! This crate reads CSV and Parquet files, infers the kind of each column, checks the table for mistakes that make a
//! regression meaningless, splits its rows, fits the encoder of a student and computes metrics. It does not depend on any
//! model code.
//!
//! ```text
//! file ─Table::read→ Table ─Dataset::from_table→ Dataset { features, targets, weight, split, blocks, … }
//!                                                  │
//!        fit_encoder ← features of training rows ──┤── folds, generator
//!        metrics, crossed ← predictions ───────────┘
//! ```
//!
//! # The modules
//!
//! | module | content |
//! |---|---|
//! | [`table`] | [`Table`], [`Column`]: reads and writes table files |
//! | [`targets`] | [`Targets`]: the values to predict, and the unit in which they are learned |
//! | [`kind`] | [`ColumnKind`] and how it is inferred from the cells of a column |
//! | [`features`] | [`Features`]: the feature columns that teachers and encoders read |
//! | [`dataset`] | [`Dataset`], [`DataOptions`]: from a table to checked and split rows |
//! | [`checks`] | [`Check`], [`Action`], [`Warning`] |
//! | [`split`], [`folds`](mod@folds) | training, validation and test rows; folds for out-of-fold predictions |
//! | [`encode`] | fits an encoder; computes bin edges for piecewise-linear encoding |
//! | [`stream`] | adds columns to tables larger than memory |
//! | [`ranges`] | ranges of number features in training, and counts of values outside them |
//! | [`metrics`], [`crossed`], [`bootstrap`] | RMSE, MAE, R² and intervals over rows and seeds, in f64 |
//! | [`measures`] | measures of forecasts and of remaining life: MASE, direction, QLIKE, PHM 2008 |
//! | [`ridge`] | linear regression with a penalty, in closed form |
//! | [`rng`] | random number generators, one per task |
//! | [`checkpoint`] | [`Checkpoints`]: saved results of finished parts of a run |
//! | [`stop`] | [`Stop`]: ends long work early, on request or at a deadline |
//! | [`figures`] | counts, numbers and ranges as text for messages |
//! | [`write`](mod@write) | writes files completely or not at all |
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
        reason = "values worked by hand are exact; tests print timings"
    )
)]

pub mod bootstrap;
mod bytes;
mod calibration;
mod cells;
pub mod checkpoint;
pub mod checks;
mod content;
pub mod crossed;
mod csv;
pub mod dataset;
pub mod dates;
pub mod encode;
mod error;
pub mod features;
pub mod figures;
mod files;
pub mod folds;
mod foreign;
mod format;
mod found;
mod given;
mod groups;
mod kept;
pub mod kind;
mod layout;
mod learned;
mod lines;
pub mod measures;
pub mod metrics;
mod moments;
mod narrow;
mod numbers;
mod parquet;
mod parts;
mod pilot;
pub mod ranges;
mod reading;
mod records;
mod regimes;
mod resplit;
pub mod ridge;
pub mod rng;
mod sentinels;
mod series;
mod shared;
pub mod simulate;
pub mod split;
pub mod stop;
pub mod stream;
pub mod table;
pub mod targets;
mod text;
mod time;
mod warning;
pub mod write;

pub use calibration::CALIBRATION_SHARE;
pub use cells::{MISSING, Values};
pub use checkpoint::Checkpoints;
pub use checks::Check;
pub use dataset::{
    Ahead, Audit, DEFAULT_WINDOW, DataOptions, DataSummary, Dataset, Gap, HoldOut, JudgeKind,
    Learn, MeasureKind, Naive, SeriesSummary, TARGET_RULES, Timeline,
};
pub use encode::{EncodeOptions, EncodeScaling, fit_encoder};
pub use error::{Error, Result};
pub use features::{BlockRun, Feature, FeatureKind, FeatureValues, Features, Past, raw_columns};
pub use folds::Folds;
pub use found::Content;
pub use given::GivenTeacher;
pub use groups::{Group, group_warnings};
pub use kind::ColumnKind;
pub use learned::LearnedRows;
pub use limbeck_runtime::MissingNumbers;
pub use numbers::Notation;
pub use reading::ReadOptions;
pub use rng::generator;
pub use series::{key_columns, targets_ahead};
pub use shared::SharedFeatures;
pub use split::{FoldKind, Split};
pub use stop::Stop;
pub use table::{Column, Table};
pub use targets::{LearnedUnit, TargetSpec, Targets};
pub use text::{DecimalMark, Separator};
pub use warning::{Action, Warning};
