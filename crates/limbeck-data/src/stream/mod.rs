//! Adds columns to a table of any size: only a few blocks of rows are in memory at the same time.
//!
//! ```text
//! Input ─block→ features ─predict→ new columns ─→ bytes or arrays of the block, with the new columns ─→ output
//!         └── reading, predicting and writing run at the same time; the order of the rows is kept ──┘
//! ```
//!
//! The table's own columns do not change:
//!
//! | from | to | how the table's own columns are written |
//! |---|---|---|
//! | text | text | each record keeps its bytes and its line end; new cells are added before the line end |
//! | Parquet | Parquet | the same arrays in the same Arrow types |
//! | text | Parquet | as int64, double, boolean, date or timestamp if this loses no information, else as text |
//! | Parquet | text | numbers, decimals and times in full, bytes in hexadecimal, lists and structs as `[1, 2]` and `{a: 1}` |
//!
//! In text, new numbers get the decimal mark that the numbers in the first rows of the table (256 KiB) have. If these rows have both marks or none, the
//! option `decimal` decides. If this option is `auto`, new numbers get the more frequent mark; if there is none, they get a comma if the training
//! table had a decimal comma. A new number with a decimal comma is in quotation marks if commas separate the cells.
//!
//! Packed text and UTF-16 are written as plain UTF-8.

mod add;
mod block;
mod columns;
mod input;
pub(crate) mod number;
mod text;
mod typed;

pub use add::{Failed, Written, add_columns};
pub use block::Asked;
pub use input::Input;
