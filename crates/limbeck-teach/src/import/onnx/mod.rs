//! ONNX files: networks, trees, encoders and kernels of one output, row by row.
//!
//! The operations are those that exporters write for regressors on tables; the full list is [`Op`](op::Op). All values are held as `f64` and rounded
//! to single precision after each operation whose result is not double or whole, so that comparisons behind a scaler see
//! what ONNX Runtime sees. Texts are places in a list of all texts of the file. What depends on no input is computed once, while the file is
//! read. Before a file is accepted, two and then three rows of zeros are run through it, which finds everything that is
//! wrong with shapes, and how many rows may be run at once.
//!
//! ```text
//! bytes ─read::parse→ Graph: a Program of Steps (op::Op) over slots of tensor::Tensor ─→ predictions, hidden layers
//! ```
//!
//! A file may ask for work and room in proportion to its size: see `graph::ROW_WORK` and [`steps`].

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
