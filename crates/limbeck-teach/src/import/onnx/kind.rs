//! Element types of ONNX tensors.

/// Element type of a tensor. Values of all types are held as `f64`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    /// Floating-point numbers of single or half precision.
    #[default]
    Single,
    Double,
    Whole,
    Truth,
    /// Strings, as indices in the list of all strings of the file.
    Text,
}

pub(super) const FLOAT: i64 = 1;
pub(super) const UINT8: i64 = 2;
pub(super) const INT8: i64 = 3;
pub(super) const UINT16: i64 = 4;
pub(super) const INT16: i64 = 5;
pub(super) const INT32: i64 = 6;
pub(super) const INT64: i64 = 7;
pub(super) const STRING: i64 = 8;
pub(super) const BOOL: i64 = 9;
pub(super) const FLOAT16: i64 = 10;
pub(super) const DOUBLE: i64 = 11;
pub(super) const UINT32: i64 = 12;
pub(super) const UINT64: i64 = 13;

impl Kind {
    /// The type with this number in ONNX; `None` if it is not supported.
    pub(super) fn numbered(number: i64) -> Option<Self> {
        Some(match number {
            FLOAT | FLOAT16 => Self::Single,
            DOUBLE => Self::Double,
            UINT8 | INT8 | UINT16 | INT16 | INT32 | INT64 | UINT32 | UINT64 => Self::Whole,
            BOOL => Self::Truth,
            STRING => Self::Text,
            _ => return None,
        })
    }
}
