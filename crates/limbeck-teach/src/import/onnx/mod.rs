//! ONNX files: networks, trees, encoders and kernel methods with one output, computed row by row.
//!
//! The supported operations are those that exporters write for regression models on tables; [`Op`](op::Op) lists them.
//! All values are held as `f64`. After each operation with a single-precision or half-precision result, the result is
//! rounded to single precision. So comparisons after a scaler give the same answer as in ONNX Runtime. A string is
//! represented by its index in the list of all strings of the file. Nodes whose inputs are all constant are computed
//! once, when the file is read. Before a graph is accepted, it is run on two and on three rows of zeros. This finds
//! wrong shapes, and shows how many rows one run may have.
//!
//! ```text
//! bytes ─read::parse→ Graph: a Program of Steps (op::Op) over slots of tensor::Tensor ─→ predictions, hidden layers
//! ```
//!
//! The work and memory of a file are limited in proportion to its size: see `graph::ROW_WORK` and [`steps`].

mod build;
mod encode;
mod ensemble;
mod external;
mod file;
mod graph;
mod kernel;
mod kind;
mod node;
mod op;
mod read;
mod reduce;
mod select;
mod steps;
mod tensor;
mod weights;

pub(crate) use graph::Graph;
pub(crate) use read::{Source, field_numbers, locations, parse};
