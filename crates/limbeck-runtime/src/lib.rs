//! Runs students: small regression models stored as data.
//!
//! - [`Encoder`] turns raw columns, in their own units, into the numbers that the model takes;
//! - [`Graph`] is the model as a short list of typed operations, and [`Plan`] is the same model compiled for fast execution;
//! - [`Student`] combines the two with the transform back to the target's unit: it predicts, and it reads and writes `.limbeck` files;
//! - [`Intervals`] are prediction intervals: around each prediction, a range that contains the true value with a given probability;
//! - [`Stream`] predicts a series row by row, and keeps the earlier rows that the student needs;
//! - [`Container`] is the `.limbeck` file format itself; it can hold other content than a student, too;
//! - [`kernel`] has the dense matrix products, and [`activation`] the functions of gates; training uses both, too.
//!
//! The core is `no_std` with `alloc`. The feature `std` (on by default) adds reading and writing of files, and the selection of AVX2 or AVX-512 code
//! at run time.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

extern crate alloc;

pub mod activation;
mod blocks;
mod cells;
mod curves;
mod date;
mod encoder;
mod error;
mod file;
mod fnv;
mod graph;
mod hex;
mod history;
mod interval;
pub mod kernel;
mod lanes;
mod memory;
mod missing;
mod normal;
mod piecewise;
mod plan;
mod recurrent;
mod regimes;
mod simd;
mod stream;
mod student;
mod table;
mod trees;

pub use date::{DatePart, DateSource, MISSING_TIME};
pub use encoder::{Encoder, Encoding, InputColumn, MISSING, RawColumn, SATURATION, Scaling, Value};
pub use error::{Error, Result};
pub use file::{Container, FORMAT, Numbers, Tensor};
pub use graph::{Graph, Node, Op};
pub use hex::{format_hex, parse_hex};
pub use history::{Forecast, History, HistorySource, KeyColumn, KeyKind, Look, LookKind, Sequence};
pub use interval::{Interval, Intervals, Widths};
pub use memory::Memory;
pub use missing::MissingNumbers;
pub use normal::inverse_cdf as normal_quantile;
pub use plan::{Plan, Scratch};
pub use recurrent::{Cell, Recurrent};
pub use regimes::{RegimeColumn, RegimeSetting, Regimes};
pub use stream::Stream;
pub use student::{Golden, GoldenValue, Later, Output, Student, StudentParts, TargetTransform};
pub use table::TableInterp;
pub use trees::TreeEnsemble;
