//! The wire format of protobuf: a message is a list of fields.
//!
//! The length of a field is accepted only if that many bytes follow. A nested message is returned as bytes. The caller
//! parses it, so the caller must limit the depth of nesting.

use super::fault::{Fault, Parsed};

/// Value of a field of a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// Splits a message into its fields: pairs of a field number and a value.
pub(crate) fn fields(mut rest: &[u8]) -> Parsed<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut rest)?),
            1 => Value::Fixed64(take(&mut rest)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
                let (bytes, after) = rest.split_at_checked(length).ok_or_else(|| {
                    cut(format!(
                        "a field of {length} bytes with {} left",
                        rest.len()
                    ))
                })?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(take(&mut rest)?),
            kind => return Err(cut(format!("a field of wire type {kind}"))),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

fn cut(found: String) -> Fault {
    Fault::malformed("the file", found, super::foreign::EXPECTED)
}

fn varint(rest: &mut &[u8]) -> Parsed<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(cut("an integer of more than 64 bits".to_owned()))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Parsed<[u8; N]> {
    let (bytes, after) = rest
        .split_first_chunk()
        .ok_or_else(|| cut("the end of the data inside a field".to_owned()))?;
    *rest = after;
    Ok(*bytes)
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Parsed<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(cut("a number in place of a string or message".to_owned())),
        }
    }

    pub(crate) fn text(self) -> Parsed<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| cut("a string that is not UTF-8".to_owned()))
    }

    pub(crate) fn int(self) -> Parsed<i64> {
        match self {
            Self::Varint(value) => Ok(value as i64),
            _ => Err(cut("another type in place of an integer".to_owned())),
        }
    }

    /// Appends the integers of the field to `into`: a single one, or a packed list.
    pub(crate) fn ints(self, into: &mut Vec<i64>) -> Parsed<()> {
        match self {
            Self::Varint(value) => into.push(value as i64),
            Self::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    into.push(varint(&mut bytes)? as i64);
                }
            }
            _ => return Err(cut("another type in place of integers".to_owned())),
        }
        Ok(())
    }

    /// Appends the floating-point numbers of the field to `into`: a single one, or a packed list. Packed numbers have 8
    /// bytes if `wide` is true, else 4.
    pub(crate) fn floats(self, wide: bool, into: &mut Vec<f64>) -> Parsed<()> {
        match self {
            Self::Fixed32(bytes) => into.push(f64::from(f32::from_le_bytes(bytes))),
            Self::Fixed64(bytes) => into.push(f64::from_le_bytes(bytes)),
            Self::Bytes(bytes) if wide => into.extend(numbers(bytes, f64::from_le_bytes)?),
            Self::Bytes(bytes) => into.extend(numbers(bytes, |bytes| {
                f64::from(f32::from_le_bytes(bytes))
            })?),
            Self::Varint(_) => {
                return Err(cut(
                    "an integer in place of a floating-point number".to_owned()
                ));
            }
        }
        Ok(())
    }
}

/// Converts bytes to numbers of `N` bytes each; an error if some bytes are left over.
pub(crate) fn numbers<const N: usize>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> f64,
) -> Parsed<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    match rest.is_empty() {
        true => Ok(chunks.iter().map(|chunk| read(*chunk)).collect()),
        false => Err(cut(format!(
            "{} bytes of numbers, which is not a multiple of {N}",
            bytes.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_format_s_own_example_are_read() {
        // "Encoding" in the protobuf documentation: field 1 is 150, field 2 the text `testing`.
        let bytes = [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing"].concat();
        let found = fields(&bytes).unwrap();
        assert_eq!(
            found,
            [(1, Value::Varint(150)), (2, Value::Bytes(b"testing"))]
        );
        assert_eq!(found[1].1.text().unwrap(), "testing");
    }

    #[test]
    fn fields_reject_lengths_beyond_the_end() {
        let message = fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("4294967295 bytes with 1 left"),
            "{message}"
        );
        assert!(
            fields(&[0xff; 11])
                .unwrap_err()
                .to_string()
                .contains("64 bits")
        );
        assert!(
            fields(&[0x0b])
                .unwrap_err()
                .to_string()
                .contains("wire type 3")
        );
    }
}
