//! The student in use: a small regression network as data, and what runs it.
//!
//! - [`Encoder`] turns raw columns, in their own units, into numbers;
//! - [`Graph`] is the network, a short list of typed operations, and [`Plan`] runs it fast;
//! - [`Student`] holds both and the way back to the target's unit: it predicts, and is a `.limbeck` file;
//! - [`Container`] is that file format for whatever else is stored in it;
//! - [`kernel`] has the dense matrix products, which the trainer shares.
//!
//! The core is `no_std` with `alloc`. Feature `std` (on by default) adds reading and writing of files and the choice of
//! AVX2 and AVX-512 paths at run time.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

extern crate alloc;

mod blocks;
mod encoder;
mod error;
mod file;
mod fnv;
mod graph;
mod hex;
pub mod kernel;
mod lanes;
mod normal;
mod piecewise;
mod plan;
mod simd;
mod student;
mod table;
mod trees;

pub use encoder::{
    Encoder, Encoding, InputColumn, MISSING, MissingNumbers, RawColumn, SATURATION, Scaling, Value,
};
pub use error::{Error, Result};
pub use file::{Container, FORMAT, Numbers, Tensor};
pub use graph::{Graph, Node, Op};
pub use hex::{format_hex, parse_hex};
pub use normal::inverse_cdf as normal_quantile;
pub use plan::{Plan, Scratch};
pub use student::{Golden, GoldenValue, Output, Student, StudentParts, TargetTransform};
pub use table::TableInterp;
pub use trees::TreeEnsemble;
