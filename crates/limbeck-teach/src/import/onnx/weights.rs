//! Reads the tensors that an ONNX file stores.

use std::collections::HashMap;

use super::super::fault::{Fault, Parsed, short};
use super::super::wire;
use super::external::{External, Place};
use super::kind::{
    BOOL, DOUBLE, FLOAT, FLOAT16, INT8, INT16, INT32, INT64, Kind, STRING, UINT8, UINT16, UINT32,
    UINT64,
};
use super::tensor::{MOST_AXES, Tensor};

/// All strings of a file, each once. A string is represented by its index in `list`.
#[derive(Default)]
pub(super) struct Texts {
    places: HashMap<String, usize>,
    pub(super) list: Vec<String>,
}

impl Texts {
    /// The index of a string in the list. A string that is not in the list is added to it.
    pub(super) fn place(&mut self, text: &[u8]) -> f64 {
        let text = String::from_utf8_lossy(text).into_owned();
        let next = self.list.len();
        let place = *self.places.entry(text.clone()).or_insert(next);
        if place == next {
            self.list.push(text);
        }
        place as f64
    }
}

/// Reads tensors from the model file and from weight files.
pub(super) struct Weights {
    pub(super) texts: Texts,
    pub(super) external: External,
}

/// The fields of a tensor's protobuf message.
#[derive(Default)]
struct FileTensor<'a> {
    name: &'a str,
    kind: i64,
    dims: Vec<i64>,
    ints: Vec<i64>,
    data: Vec<f64>,
    texts: Vec<&'a [u8]>,
    raw: Option<&'a [u8]>,
    is_external: bool,
    place: Place<'a>,
}

fn file_tensor(bytes: &[u8]) -> Parsed<FileTensor<'_>> {
    let mut tensor = FileTensor::default();
    for (number, value) in wire::fields(bytes)? {
        match number {
            1 => value.ints(&mut tensor.dims)?,
            2 => tensor.kind = value.int()?,
            4 => value.floats(false, &mut tensor.data)?,
            5 | 7 | 11 => value.ints(&mut tensor.ints)?,
            6 => tensor.texts.push(value.bytes()?),
            8 => tensor.name = value.text()?,
            9 => tensor.raw = Some(value.bytes()?),
            10 => value.floats(true, &mut tensor.data)?,
            13 => tensor.place.entry(value.bytes()?)?,
            14 => tensor.is_external = value.int()? == 1,
            _ => {}
        }
    }
    Ok(tensor)
}

impl<'a> Place<'a> {
    /// Reads one entry of a tensor's `external_data`: a key with its value.
    fn entry(&mut self, bytes: &'a [u8]) -> Parsed<()> {
        let (mut key, mut text) = ("", "");
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => key = value.text()?,
                2 => text = value.text()?,
                _ => {}
            }
        }
        let whole = || {
            text.parse::<u64>().map_err(|_| {
                Fault::malformed(
                    format!("the external data of a tensor, {}", short(key)),
                    short(text),
                    "an integer, 0 or larger",
                )
            })
        };
        match key {
            "location" => self.location = text,
            "offset" => self.offset = whole()?,
            "length" => self.length = Some(whole()?),
            _ => {}
        }
        Ok(())
    }
}

/// The name of a tensor, from its protobuf message.
pub(super) fn name_of(bytes: &[u8]) -> Parsed<&str> {
    let fields = wire::fields(bytes)?;
    let name = fields.into_iter().rfind(|(number, _)| *number == 8);
    name.map_or(Ok(""), |(_, value)| value.text())
}

/// The element type of a tensor, from its protobuf message; `None` if it is not supported.
pub(super) fn kind_of(bytes: &[u8]) -> Option<Kind> {
    let fields = wire::fields(bytes).ok()?;
    let kind = fields.into_iter().rfind(|(number, _)| *number == 2);
    Kind::numbered(kind?.1.int().ok()?)
}

/// The name of the weight file of a tensor, from its protobuf message; `None` if its values are in the model file.
pub(super) fn location_of(bytes: &[u8]) -> Parsed<Option<String>> {
    let mut place = Place::default();
    let entries = wire::fields(bytes)?.into_iter();
    for (_, entry) in entries.filter(|(number, _)| *number == 13) {
        place.entry(entry.bytes()?)?;
    }
    Ok((!place.location.is_empty()).then(|| place.location.to_owned()))
}

impl Weights {
    pub(super) fn new(external: External) -> Self {
        Self {
            texts: Texts::default(),
            external,
        }
    }

    /// Reads a tensor from its protobuf message. Also returns its element type.
    pub(super) fn tensor(&mut self, bytes: &[u8]) -> Parsed<(Tensor, Kind)> {
        let file = file_tensor(bytes)?;
        let place = || format!("tensor {}", short(file.name));
        let kind = Kind::numbered(file.kind).ok_or_else(|| {
            Fault::unsupported(
                format!("{} has the ONNX element type number {}", place(), file.kind),
                "export the model with numbers, booleans or strings",
            )
        })?;
        let shape = file
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect::<Option<Vec<usize>>>();
        let count = shape.as_ref().and_then(|shape| {
            shape
                .iter()
                .try_fold(1_usize, |count, dim| count.checked_mul(*dim))
        });
        let data = self.data(&file, count)?;
        match shape {
            // Only a one-dimensional tensor may be empty, such as an empty list of axes.
            Some(shape)
                if count == Some(data.len())
                    && shape.len() <= MOST_AXES
                    && (!data.is_empty() || shape.len() < 2) =>
            {
                Ok((Tensor { shape, data }, kind))
            }
            _ => Err(Fault::malformed(
                place(),
                format!("{} values", data.len()),
                format!(
                    "as many as the shape {:?} has, and at most {MOST_AXES} axes",
                    file.dims
                ),
            )),
        }
    }

    fn data(&mut self, file: &FileTensor<'_>, count: Option<usize>) -> Parsed<Vec<f64>> {
        if file.is_external {
            let wanted = count.and_then(|count| (count as u64).checked_mul(size_of(file.kind)?));
            let wanted = wanted.ok_or_else(|| {
                Fault::unsupported(
                    format!(
                        "tensor {} is in another file, and its shape or type has no valid size",
                        short(file.name)
                    ),
                    "save the model as one file",
                )
            })?;
            let bytes = self.external.read(&file.place, wanted)?;
            return numbers(&bytes, file.kind);
        }
        if file.kind == STRING {
            return Ok(file
                .texts
                .iter()
                .map(|text| self.texts.place(text))
                .collect());
        }
        match file.raw {
            Some(raw) => numbers(raw, file.kind),
            None if file.kind == FLOAT16 => {
                Ok(file.ints.iter().map(|&bits| half(bits as u16)).collect())
            }
            None => {
                let ints = file.ints.iter().map(|&int| int as f64);
                Ok(file.data.iter().copied().chain(ints).collect())
            }
        }
    }
}

/// Size of an element in bytes, by the type's number in ONNX; `None` for strings and unknown types.
fn size_of(kind: i64) -> Option<u64> {
    Some(match kind {
        UINT8 | INT8 | BOOL => 1,
        UINT16 | INT16 | FLOAT16 => 2,
        FLOAT | INT32 | UINT32 => 4,
        DOUBLE | INT64 | UINT64 => 8,
        _ => return None,
    })
}

/// Converts little-endian bytes to numbers; `kind` is the number of their type in ONNX.
fn numbers(raw: &[u8], kind: i64) -> Parsed<Vec<f64>> {
    match kind {
        FLOAT => wire::numbers(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DOUBLE => wire::numbers(raw, f64::from_le_bytes),
        INT8 => wire::numbers(raw, |bytes| f64::from(i8::from_le_bytes(bytes))),
        INT16 => wire::numbers(raw, |bytes| f64::from(i16::from_le_bytes(bytes))),
        INT32 => wire::numbers(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        INT64 => wire::numbers(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        UINT16 => wire::numbers(raw, |bytes| f64::from(u16::from_le_bytes(bytes))),
        UINT32 => wire::numbers(raw, |bytes| f64::from(u32::from_le_bytes(bytes))),
        UINT64 => wire::numbers(raw, |bytes| u64::from_le_bytes(bytes) as f64),
        FLOAT16 => wire::numbers(raw, |bytes| half(u16::from_le_bytes(bytes))),
        _ => Ok(raw.iter().map(|byte| f64::from(*byte)).collect()),
    }
}

/// The value of a half-precision number, from its bits: one sign bit, then five bits of exponent, then ten of fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    let size = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2_f64.powi(-14),
        0x1f if fraction > 0.0 => f64::NAN,
        0x1f => f64::INFINITY,
        exponent => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        // Values from the binary16 table of IEEE 754.
        let found = [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x7c00].map(half);
        assert_eq!(
            found,
            [
                1.0,
                -2.0,
                0.333_251_953_125,
                2_f64.powi(-24),
                65_504.0,
                f64::INFINITY
            ]
        );
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn texts_keep_their_places() {
        let mut texts = Texts::default();
        let places = ["b", "a", "b"].map(|text| texts.place(text.as_bytes()));
        assert_eq!((places, texts.list.len()), ([0.0, 1.0, 0.0], 2));
    }
}
