//! Students as files that run without limbeck.
//!
//! - [`c()`] writes C99: one `.c`/`.h` pair, and a test that replays the golden vectors;
//! - [`onnx()`] writes an ONNX model, from raw columns to the target's unit;
//! - [`proto`] is the little of protocol buffers that this needs;
//! - [`golden()`] writes the golden vectors that travel with either, in hexadecimal floats.
//!
//! All are functions from a [`Student`](limbeck_runtime::Student) to text or bytes, the same for the same student: what lies on a disk can be
//! compared with what its student would be exported to.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod c;
mod error;
mod golden;
mod names;
mod onnx;
pub mod proto;

pub use c::{CFiles, c};
pub use error::{Error, Result};
pub use golden::golden;
pub use onnx::onnx;
