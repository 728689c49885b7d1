//! Reads the bytes of a text table: unpacks gzip and Zstandard, and converts UTF-16 to UTF-8.
//!
//! The first bytes of a file show how it is packed and encoded; its name has no influence. The number of unpacked bytes is limited
//! ([`MOST_BYTES`], [`MOST_TIMES`]), so that a small file cannot fill memory or disk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Largest number of bytes that a packed table may unpack to.
const MOST_BYTES: u64 = 4 << 30;

/// Largest ratio of unpacked to packed bytes. Up to [`FREE_BYTES`] unpacked bytes, any ratio is allowed.
const MOST_TIMES: u64 = 1000;

/// Number of unpacked bytes up to which the ratio is not checked (see [`MOST_TIMES`]).
const FREE_BYTES: u64 = 16 << 20;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const PARQUET: &[u8] = b"PAR1";

/// A reader that can be moved to another thread.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// How a table's file is packed, as its first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// A Parquet file.
    Parquet,
    /// A file packed with gzip.
    Gzip,
    /// A file packed with Zstandard.
    Zstd,
    /// Any other file; its bytes are read as they are.
    Plain,
}

impl Wrapping {
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            _ if start.starts_with(PARQUET) => Self::Parquet,
            _ if start.starts_with(GZIP) => Self::Gzip,
            _ if start.starts_with(ZSTD) => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Opens a text table. Reading gives the unpacked text as UTF-8; a UTF-8 byte order mark is kept.
pub(crate) fn open(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(Error::read(path))?;
    unwrapped(Box::new(file)).map_err(Error::read(path))
}

/// Reads a whole text table. Returns the unpacked text as UTF-8; a UTF-8 byte order mark is kept.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(Error::read(path))?;
    Ok(bytes)
}

/// Unpacks bytes and converts UTF-16 to UTF-8, if the first bytes show that this is needed.
pub(crate) fn unwrapped(bytes: Bytes) -> io::Result<Bytes> {
    let (start, bytes) = peek(bytes, 4)?;
    let unpacked: Bytes = match Wrapping::of(&start) {
        Wrapping::Gzip => Bounded::around(bytes, |packed| {
            Ok(Box::new(flate2::read::MultiGzDecoder::new(packed)))
        })?,
        Wrapping::Zstd => Bounded::around(bytes, |packed| {
            Ok(Box::new(zstd::stream::read::Decoder::new(packed)?))
        })?,
        Wrapping::Parquet | Wrapping::Plain => bytes,
    };
    let (start, unpacked) = peek(unpacked, 2)?;
    Ok(match start[..] {
        [0xff, 0xfe] => Box::new(Utf16::new(unpacked, u16::from_le_bytes)),
        [0xfe, 0xff] => Box::new(Utf16::new(unpacked, u16::from_be_bytes)),
        _ => unpacked,
    })
}

/// Returns the first `count` bytes (fewer at the end of the input), and a reader that begins with these bytes again.
pub(crate) fn peek(mut bytes: Bytes, count: u64) -> io::Result<(Vec<u8>, Bytes)> {
    let mut start = Vec::new();
    bytes.by_ref().take(count).read_to_end(&mut start)?;
    let again = Cursor::new(start.clone()).chain(bytes);
    Ok((start, Box::new(again)))
}

/// A reader of packed bytes that counts the bytes read.
struct Counted {
    bytes: Bytes,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let found = self.bytes.read(out)?;
        self.read.fetch_add(found as u64, Ordering::Relaxed);
        Ok(found)
    }
}

/// A reader of unpacked bytes that fails if they exceed [`MOST_BYTES`] or [`MOST_TIMES`].
struct Bounded {
    unpacked: Bytes,
    packed: Arc<AtomicU64>,
    found: u64,
}

impl Bounded {
    fn around(
        bytes: Bytes,
        unpack: impl FnOnce(Counted) -> io::Result<Bytes>,
    ) -> io::Result<Bytes> {
        let packed = Arc::default();
        let read = Arc::clone(&packed);
        Ok(Box::new(Self {
            unpacked: unpack(Counted { bytes, read })?,
            packed,
            found: 0,
        }))
    }

    fn check(&self) -> io::Result<()> {
        let packed = self.packed.load(Ordering::Relaxed);
        let far_more = self.found > FREE_BYTES && self.found / MOST_TIMES > packed;
        if self.found <= MOST_BYTES && !far_more {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{packed} packed bytes unpack to at least {} bytes; expected at most {} GiB and at most {MOST_TIMES} times the packed size; \
             if you trust the file, unpack it first and use the unpacked file",
            self.found,
            MOST_BYTES >> 30
        )))
    }
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let found = self.unpacked.read(out)?;
        self.found += found as u64;
        self.check()?;
        Ok(found)
    }
}

/// A reader that converts UTF-16 with a byte order mark to UTF-8 without a byte order mark.
struct Utf16 {
    bytes: Bytes,
    unit: fn([u8; 2]) -> u16,
    /// Bytes that were read but not decoded yet, because they end within a code unit or a surrogate pair.
    rest: Vec<u8>,
    /// Decoded text. Its bytes from position `given` on are not returned yet.
    text: String,
    given: usize,
    /// Position of the first byte of `rest`, among all unpacked bytes.
    offset: usize,
}

impl Utf16 {
    fn new(bytes: Bytes, unit: fn([u8; 2]) -> u16) -> Self {
        Self {
            bytes,
            unit,
            rest: Vec::new(),
            text: String::new(),
            given: 0,
            offset: 0,
        }
    }

    /// Decodes the next block of bytes. Returns false at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        const BLOCK: u64 = 64 << 10;
        let before = self.rest.len();
        self.bytes
            .by_ref()
            .take(BLOCK)
            .read_to_end(&mut self.rest)?;
        let last = self.rest.len() - before < BLOCK as usize;
        if self.rest.is_empty() {
            return Ok(false);
        }
        self.text.clear();
        self.given = 0;
        let units = self.rest.chunks_exact(2);
        let units: Vec<u16> = units.map(|pair| (self.unit)([pair[0], pair[1]])).collect();
        let mut used = 0;
        for decoded in char::decode_utf16(units.iter().copied()) {
            match decoded {
                Ok(char) => {
                    used += 2 * char.len_utf16();
                    self.text.push(char);
                }
                // The second half of the surrogate pair may follow in the next block.
                Err(_) if !last && used + 2 == 2 * units.len() => break,
                Err(_) => return Err(self.broken(used)),
            }
        }
        if last && used < self.rest.len() {
            return Err(self.broken(used));
        }
        self.rest.drain(..used);
        if self.offset == 0 && self.text.starts_with('\u{feff}') {
            self.given = '\u{feff}'.len_utf8();
        }
        self.offset += used;
        Ok(true)
    }

    fn broken(&self, used: usize) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the file begins with a UTF-16 byte order mark, but byte {} is not valid UTF-16; save the file again as UTF-8",
                self.offset + used
            ),
        )
    }
}

impl Read for Utf16 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let text = &self.text.as_bytes()[self.given..];
        let count = text.len().min(out.len());
        out[..count].copy_from_slice(&text[..count]);
        self.given += count;
        Ok(count)
    }
}

/// True if a file's name has this extension, in upper or lower case. A final `.gz` or `.zst` is ignored.
pub(crate) fn named(path: &Path, extension: &str) -> bool {
    let lower = |own: &OsStr| own.to_string_lossy().to_ascii_lowercase();
    let own = |path: &Path| path.extension().map(lower);
    match own(path).as_deref() {
        Some("gz" | "zst") => own(&path.with_extension("")).as_deref() == Some(extension),
        own => own == Some(extension),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        unwrapped(Box::new(Cursor::new(bytes)))?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = format!("\u{feff}{text}");
        marked.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn packed_bytes_unpack_to_the_plain_bytes() {
        let text = b"a,b\n1,2\n".to_vec();
        assert_eq!(all(text.clone()).unwrap(), text);
        assert_eq!(all(gzip(&text)).unwrap(), text);
        // Two gzip members, as `cat a.gz b.gz` makes them.
        assert_eq!(
            all([gzip(b"a,b\n"), gzip(b"1,2\n")].concat()).unwrap(),
            text
        );
        assert_eq!(all(zstd::encode_all(&text[..], 3).unwrap()).unwrap(), text);
        assert_eq!(all(Vec::new()).unwrap(), b"");
    }

    #[test]
    fn utf16_becomes_utf8_across_blocks() {
        // Each 😀 is a surrogate pair of two code units, so that ends of blocks split pairs.
        let text = format!("a;é€\n{}", "😀x".repeat(40_000));
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(all(utf16(&text, bytes)).unwrap(), text.as_bytes());
            assert_eq!(all(gzip(&utf16(&text, bytes))).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn errors_for_invalid_utf16_name_the_byte() {
        let mut bytes = utf16("ab", u16::to_le_bytes);
        bytes.extend([0x00, 0xd8, 0x61, 0x00]);
        assert!(all(bytes).unwrap_err().to_string().contains("byte 6 "));
        let mut odd = utf16("ab", u16::to_le_bytes);
        odd.push(0x61);
        assert!(all(odd).unwrap_err().to_string().contains("byte 6 "));
    }

    #[test]
    fn unpacking_rejects_bombs_and_truncated_files() {
        let bomb = gzip(&vec![b'1'; 64 << 20]);
        // Deflate unpacks to at most about 1030 times its size.
        assert!(bomb.len() as u64 * MOST_TIMES < 64 << 20, "{}", bomb.len());
        let error = all(bomb).unwrap_err().to_string();
        assert!(
            error.contains("1000 times") && error.contains("unpack it first"),
            "{error}"
        );
        let bomb = zstd::encode_all(&vec![b'1'; 64 << 20][..], 3).unwrap();
        assert!(all(bomb).is_err());
        let packed = gzip(b"a,b\n1,2\n");
        assert!(all(packed[..packed.len() - 9].to_vec()).is_err());
    }
}
