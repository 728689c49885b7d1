//! New columns for a table of any size: a few blocks of rows are in memory at a time.
//!
//! ```text
//! Input ─block→ features ─predict→ new columns ─→ the block's own bytes or arrays, and the new ones ─→ out
//!         └── read, predicted and written at once, in the order of the file ──┘
//! ```
//!
//! What a table had stays exactly as it was:
//!
//! | from | to | other columns |
//! |---|---|---|
//! | text | text | the bytes of each record, to which a cell is added; lines end as they did |
//! | Parquet | Parquet | the same arrays in the same Arrow types |
//! | text | Parquet | int64, double, boolean, date, timestamp where nothing is lost by it, else text |
//! | Parquet | text | numbers, decimals and times in full, bytes in hexadecimal, lists and structs as `[1, 2]` and `{a: 1}` |
//!
//! Packed text and UTF-16 come out as plain UTF-8.

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
