//! Exports students as files that run without limbeck.
//!
//! - [`c()`] writes C99: a `.c` and a `.h` file, and a test program that checks the golden vectors;
//! - [`onnx()`] writes an ONNX model that takes raw columns and predicts in the target's unit;
//! - [`proto`] is the small part of protocol buffers that ONNX files need;
//! - [`golden()`] writes the golden vectors (rows with known predictions) as JSON, with numbers in hexadecimal floats, to check either format.
//!
//! Each export is a function from a [`Student`](limbeck_runtime::Student) to text or bytes, and gives the same output for the same student: a file
//! on disk can therefore be compared with a new export of its student.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod c;
mod c_history;
mod c_interval;
mod c_literal;
mod c_missing;
mod c_recurrent;
mod c_regimes;
mod error;
mod golden;
mod names;
mod onnx;
mod onnx_builder;
mod onnx_recurrent;
pub mod proto;

pub use c::{CFiles, c};
pub use error::{Error, Result};
pub use golden::golden;
pub use onnx::onnx;
