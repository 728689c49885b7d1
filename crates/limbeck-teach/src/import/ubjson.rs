//! Universal Binary JSON, the default format of newer XGBoost versions (`model.ubj`).
//!
//! ```text
//! {  i 7 learner  {  …  }  }          keys: a length and bytes; values: a letter for the type, then the value, big-endian
//! [ $ d # L 00…05  …20 bytes…         an array of five single-precision numbers: one type for all, a count
//! ```
//!
//! Each value goes to `serde` as soon as it is read, so values that are not needed take no memory. A count of elements
//! is accepted only if at least as many bytes follow. Therefore an array is refused if its common type is one whose
//! elements take no bytes (`Z`, `N`, `T`, `F`).
//!
//! # Source
//!
//! The UBJSON specification, draft 12; `UBJReader` and `UBJWriter` of `dmlc/xgboost`.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Maximum depth of nested arrays and objects. XGBoost files need less than ten levels.
const DEEPEST: usize = 64;

/// Reads one value. After it, only `N` (no-op) bytes may follow.
///
/// # Errors
///
/// If the bytes are not UBJSON, end too early, or do not match the type `T`.
pub(super) fn from_slice<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Broken> {
    let mut reader = Reader {
        bytes,
        at: 0,
        depth: 0,
    };
    let value = T::deserialize(Typed {
        reader: &mut reader,
        kind: None,
    })?;
    match reader.bytes[reader.at..].iter().all(|&byte| byte == b'N') {
        true => Ok(value),
        false => Err(reader.broken("more bytes after the end of the value")),
    }
}

/// An error, as text. If the bytes are not valid UBJSON, the text says at which byte.
#[derive(Debug)]
pub(super) struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl de::Error for Broken {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn broken(&self, found: impl fmt::Display) -> Broken {
        Broken(format!("{found} at byte {}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Broken> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or_else(|| {
            self.broken(format!("a value of {count} bytes with {} left", rest.len()))
        })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.array::<1>()?[0])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next type letter. `N` (no-op) is skipped.
    fn letter(&mut self) -> Result<u8, Broken> {
        loop {
            match self.byte()? {
                b'N' => {}
                letter => return Ok(letter),
            }
        }
    }

    /// If the next byte equals `byte`, consumes it and returns true; else consumes nothing and returns false.
    fn passes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn whole(&mut self, kind: u8) -> Result<i64, Broken> {
        Ok(match kind {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            other => {
                return Err(self.broken(format!(
                    "the type {:?} in place of an integer",
                    char::from(other)
                )));
            }
        })
    }

    /// Reads a length. The caller must check that so many bytes follow.
    fn length(&mut self) -> Result<usize, Broken> {
        let kind = self.byte()?;
        let length = self.whole(kind)?;
        usize::try_from(length).map_err(|_| self.broken(format!("the negative length {length}")))
    }

    fn text(&mut self) -> Result<&'de str, Broken> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.broken("a string that is not UTF-8"))
    }

    /// Reads the header of an array or object. Returns the common type of the elements, and the number of elements. Each
    /// of the two is `None` if the file does not give it.
    fn head(&mut self) -> Result<(Option<u8>, Option<usize>), Broken> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.broken(format!("more than {DEEPEST} nested arrays and objects")));
        }
        let kind = match self.passes(b'$') {
            true => Some(self.byte()?),
            false => None,
        };
        let count = match self.passes(b'#') {
            true => Some(self.length()?),
            false => None,
        };
        if kind.is_some() && count.is_none() {
            return Err(self.broken("an array type without a number of elements"));
        }
        if kind.is_some_and(|kind| b"ZNTF".contains(&kind)) {
            return Err(self.broken("a bad array type (its elements have no bytes)"));
        }
        let left = self.bytes.len() - self.at;
        match count.filter(|&count| count > left) {
            Some(count) => Err(self.broken(format!("{count} elements with {left} bytes left"))),
            None => Ok((kind, count)),
        }
    }
}

/// Deserializes the value at the position of `reader`. `kind` is its type if it is in an array or object with a common
/// type; else a type letter comes before the value.
struct Typed<'r, 'de> {
    reader: &'r mut Reader<'de>,
    kind: Option<u8>,
}

impl<'de> Deserializer<'de> for Typed<'_, 'de> {
    type Error = Broken;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        let reader = self.reader;
        let kind = match self.kind {
            Some(kind) => kind,
            None => reader.letter()?,
        };
        match kind {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'U' => visitor.visit_u8(reader.byte()?),
            b'i' | b'I' | b'l' | b'L' => visitor.visit_i64(reader.whole(kind)?),
            b'd' => visitor.visit_f64(f64::from(f32::from_be_bytes(reader.array()?))),
            b'D' => visitor.visit_f64(f64::from_be_bytes(reader.array()?)),
            b'C' => visitor.visit_char(char::from(reader.byte()?)),
            b'S' | b'H' => visitor.visit_borrowed_str(reader.text()?),
            b'[' => {
                let mut inside = Inside::begin(reader, b']')?;
                let value = visitor.visit_seq(&mut inside)?;
                inside.finish()?;
                Ok(value)
            }
            b'{' => {
                let mut inside = Inside::begin(reader, b'}')?;
                let value = visitor.visit_map(&mut inside)?;
                inside.finish()?;
                Ok(value)
            }
            other => Err(reader.broken(format!("the unknown type {:?}", char::from(other)))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        let is_null = self.kind.is_none() && self.reader.peek() == Some(b'Z');
        if is_null {
            self.reader.at += 1;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads the elements of an array or object.
struct Inside<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// Common type of the elements; `None` if each element has its own type letter.
    kind: Option<u8>,
    /// Number of elements that are still to be read; `None` if the file does not give their number.
    left: Option<usize>,
    /// Byte that ends the array or object if the file does not give the number of elements.
    end: u8,
    ended: bool,
}

impl<'r, 'de> Inside<'r, 'de> {
    fn begin(reader: &'r mut Reader<'de>, end: u8) -> Result<Self, Broken> {
        let (kind, left) = reader.head()?;
        Ok(Self {
            reader,
            kind,
            left,
            end,
            ended: false,
        })
    }

    /// True if another element follows, which the caller must then read.
    fn goes_on(&mut self) -> bool {
        match &mut self.left {
            Some(0) => self.ended = true,
            Some(left) => *left -= 1,
            None => {
                while self.reader.passes(b'N') {}
                self.ended = self.ended || self.reader.passes(self.end);
            }
        }
        !self.ended
    }

    /// Ends reading the array or object. It is an error if elements are left.
    fn finish(mut self) -> Result<(), Broken> {
        if !self.ended && self.goes_on() {
            return Err(self.reader.broken("more elements than expected"));
        }
        self.reader.depth -= 1;
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Inside<'_, 'de> {
    type Error = Broken;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Broken> {
        if !self.goes_on() {
            return Ok(None);
        }
        let kind = self.kind;
        let reader = &mut *self.reader;
        seed.deserialize(Typed { reader, kind }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_, 'de> {
    type Error = Broken;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Broken> {
        if !self.goes_on() {
            return Ok(None);
        }
        let key = self.reader.text()?;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Broken> {
        let kind = self.kind;
        let reader = &mut *self.reader;
        seed.deserialize(Typed { reader, kind })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
        from_slice(bytes).map_err(|broken| broken.to_string())
    }

    #[test]
    fn values_of_each_type_are_read() {
        // Bytes written by hand from the specification.
        assert_eq!(read::<i32>(b"i\xfe"), Ok(-2));
        assert_eq!(read::<u32>(b"U\xfe"), Ok(254));
        assert_eq!(read::<i32>(b"I\x01\x00"), Ok(256));
        assert_eq!(read::<i32>(b"l\x00\x01\x00\x00"), Ok(65_536));
        assert_eq!(read::<f64>(b"d\x3f\xc0\x00\x00"), Ok(1.5));
        assert_eq!(read::<f64>(b"D\x3f\xf8\0\0\0\0\0\0"), Ok(1.5));
        assert_eq!(read::<String>(b"Si\x02ab"), Ok("ab".to_owned()));
        assert_eq!(read::<Option<bool>>(b"Z"), Ok(None));
        assert_eq!(read::<Vec<bool>>(b"[TF]"), Ok(vec![true, false]));
        assert_eq!(read::<Vec<u8>>(b"[$U#i\x03\x01\x02\x03"), Ok(vec![1, 2, 3]));
        assert_eq!(read::<Vec<i64>>(b"[#i\x02i\x01U\x02"), Ok(vec![1, 2]));
        let map: BTreeMap<String, Vec<i32>> = read(b"{i\x01a[i\x05]i\x01b[]}").unwrap();
        assert_eq!(map["a"], [5]);
        assert!(map["b"].is_empty());
    }

    #[test]
    fn counts_are_not_believed_before_their_bytes_are_there() {
        let huge = |kind: &[u8]| [b"[$", kind, b"#L\x00\x00\x01\x00\x00\x00\x00\x00"].concat();
        let message = read::<Vec<f64>>(&huge(b"d")).unwrap_err();
        assert!(
            message.contains("1099511627776 elements with 0 bytes"),
            "{message}"
        );
        assert!(
            read::<Vec<bool>>(&huge(b"T"))
                .unwrap_err()
                .contains("no bytes")
        );
        assert!(
            read::<Vec<i32>>(b"[#L\xff\xff\xff\xff\xff\xff\xff\xff")
                .unwrap_err()
                .contains("length -1")
        );
        assert!(
            read::<String>(b"SL\x00\x00\x01\x00\x00\x00\x00\x00ab")
                .unwrap_err()
                .contains("with 2 left")
        );
    }

    #[test]
    fn deep_files_do_not_overflow_the_stack() {
        let message = read::<de::IgnoredAny>(&[b'['; 100_000]).unwrap_err();
        assert!(message.contains("more than 64"), "{message}");
        let message = read::<de::IgnoredAny>(&b"[$[#i\x7f".repeat(10_000)).unwrap_err();
        assert!(message.contains("more than 64"), "{message}");
    }
}
