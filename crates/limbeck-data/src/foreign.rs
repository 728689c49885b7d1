//! Recognizes what a file or a folder is, so that an error can say what was found in place of a table or a student.
//!
//! Only the first bytes of a file are read. For a zip archive, the last bytes are read too, because its list of members is at the end. A file that is
//! packed with gzip or Zstandard, as tables may be, is unpacked first; other archives are not unpacked.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::bytes::{self, Wrapping, named};
use crate::found::{CSV, Content};

/// Maximum number of bytes at the start of a file that are searched.
pub(crate) const START_BYTES: u64 = 4096;
/// Maximum number of bytes at the end of a zip archive that are searched for the names of its members.
const END_BYTES: u64 = 64 << 10;

const SHEET: &str = "save its sheet as CSV (File → Save As), or with pandas: `pd.read_excel(\"file\").to_csv(\"table.csv\", index=False)`";
const QUERY: &str = "export one of its tables as CSV, for example `sqlite3 -header -csv FILE 'select * from t' > table.csv`";
const UNPACK: &str = "unpack it, and use the CSV or Parquet file inside";
const NONE: &str = "expected a CSV or Parquet file";

/// What is at a path, if it is certainly neither a table nor a folder of tables; else `None`.
pub(crate) fn foreign(path: &Path) -> Option<Content> {
    if path.is_dir() {
        let holds = |name: &str| path.join(name).is_file();
        return (holds("recipe.toml") || holds("targets.json")).then_some(Content::Run);
    }
    // Bytes that are read from a pipe here could not be read again.
    if !path.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let mut start = Vec::new();
    file.by_ref()
        .take(START_BYTES)
        .read_to_end(&mut start)
        .ok()?;
    let mut end = Vec::new();
    if start.starts_with(ZIP) {
        let from = file.seek(SeekFrom::End(0)).ok()?.saturating_sub(END_BYTES);
        file.seek(SeekFrom::Start(from)).ok()?;
        file.take(END_BYTES).read_to_end(&mut end).ok()?;
    }
    if matches!(Wrapping::of(&start), Wrapping::Gzip | Wrapping::Zstd) {
        start.clear();
        let unpacked = bytes::open(path).ok()?;
        unpacked.take(START_BYTES).read_to_end(&mut start).ok()?;
    }
    let is_recipe = named(path, "toml");
    of_bytes(&start, &end).or(is_recipe.then_some(RECIPE))
}

const RECIPE: Content = Content::Foreign {
    what: "a TOML file (perhaps a recipe)",
    fix: "pass a recipe with `--recipe`, and a CSV or Parquet file as the table",
};

const ZIP: &[u8] = b"PK\x03\x04";

/// Binary formats. Each entry has three parts: the byte strings with which a file of this format may begin, the format in words, and what to do
/// instead.
const BEGINNINGS: &[(&[&[u8]], &str, &str)] = &[
    (
        &[b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
        "an old Excel or Word file (.xls, .doc)",
        SHEET,
    ),
    (&[b"SQLite format 3\0"], "an SQLite database", QUERY),
    (
        &[b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"],
        "a Python pickle",
        "load it in Python and save it as CSV or Parquet: `pd.read_pickle(\"file\").to_csv(\"table.csv\", index=False)`",
    ),
    (
        &[b"ARROW1", b"FEA1"],
        "an Arrow or Feather file",
        "save it as Parquet: `pd.read_feather(\"file\").to_parquet(\"table.parquet\")`",
    ),
    (
        &[b"\x89HDF\r\n\x1a\n"],
        "an HDF5 file",
        "save it as CSV or Parquet: `pd.read_hdf(\"file\").to_csv(\"table.csv\", index=False)`",
    ),
    (
        &[b"PARE"],
        "an encrypted Parquet file",
        "write it again without encryption",
    ),
    (
        &[b"ORC"],
        "an ORC file",
        "save it as Parquet: `pd.read_orc(\"file\").to_parquet(\"table.parquet\")`",
    ),
    (&[b"Obj\x01"], "an Avro file", CSV),
    (
        &[b"\x93NUMPY"],
        "a NumPy array (.npy)",
        "save it as CSV: `pd.DataFrame(np.load(\"file\")).to_csv(\"table.csv\", index=False)`",
    ),
    (
        &[b"RDX2\n", b"RDX3\n", b"X\n\0\0\0"],
        "a file of R objects",
        "save it in R: `write.csv(df, \"table.csv\", row.names = FALSE)`",
    ),
    (
        &[b"MATLAB 5.0"],
        "a MATLAB file",
        "save it in MATLAB: `writetable(T, 'table.csv')`",
    ),
    (&[b"$FL2", b"$FL3"], "an SPSS file", CSV),
    (
        &[b"<stata_dta>"],
        "a Stata file",
        "save it as CSV: `pd.read_stata(\"file\").to_csv(\"table.csv\", index=False)`",
    ),
    (&[b"BZh"], "a bzip2 archive", UNPACK),
    (&[b"\xfd7zXZ\0"], "an xz archive", UNPACK),
    (&[b"\x04\x22\x4d\x18"], "an lz4 archive", UNPACK),
    (&[b"7z\xbc\xaf\x27\x1c"], "a 7z archive", UNPACK),
    (&[b"Rar!"], "a rar archive", UNPACK),
    (
        &[b"\x1f\x8b", b"\x28\xb5\x2f\xfd"],
        "a file that is packed twice",
        UNPACK,
    ),
    (&[b"\x89PNG"], "a PNG image", NONE),
    (&[b"\xff\xd8\xff"], "a JPEG image", NONE),
    (&[b"GIF8"], "a GIF image", NONE),
    (&[b"II*\0", b"MM\0*"], "a TIFF image", NONE),
    (&[b"RIFF"], "an image, a sound or a video", NONE),
    (&[b"\x7fELF", b"MZ"], "a compiled program or library", NONE),
];

/// Formats that are zip archives. Each entry has three parts: a text that occurs in the name of a file in the archive, the format in words, and what to
/// do instead.
const MEMBERS: &[(&[u8], &str, &str)] = &[
    (b"xl/workbook", "an Excel workbook", SHEET),
    (
        b"opendocument.spreadsheet",
        "an OpenDocument spreadsheet",
        SHEET,
    ),
    (b"word/document", "a Word document", NONE),
    (b"ppt/presentation", "a PowerPoint presentation", NONE),
    (b"data.pkl", "a PyTorch archive", NONE),
    (
        b".npy",
        "a NumPy archive (.npz)",
        "save its arrays as CSV: `pd.DataFrame(dict(np.load(\"file\"))).to_csv(\"table.csv\", index=False)`",
    ),
];

/// Text formats. Each entry has three parts: the texts with which a file of this format may begin (in upper or lower case), the format in words, and
/// what to do instead.
const WORDS: &[(&[&str], &str, &str)] = &[
    (
        &["%pdf-"],
        "a PDF document",
        "expected a CSV or Parquet file; copy the table into a spreadsheet, and save that as CSV",
    ),
    (&["{\\rtf"], "a rich text document", "save the table as CSV"),
    (
        &["<!doctype html", "<html", "<head", "<table"],
        "an HTML page",
        "if you wanted to download a table, download the table's own file, not the page about it; a table in the page can be saved with pandas: `pd.read_html(\"file\")[0].to_csv(\"table.csv\", index=False)`",
    ),
    (
        &["<?xml"],
        "an XML file",
        "save it as CSV, for example with pandas: `pd.read_xml(\"file\").to_csv(\"table.csv\", index=False)`",
    ),
    (
        &["version https://git-lfs"],
        "a Git LFS pointer",
        "get the file itself: `git lfs pull`",
    ),
    (&["#!/"], "a script", NONE),
];

const JSON: Content = Content::Foreign {
    what: "a JSON file",
    fix: "save it as CSV, for example with pandas: `pd.read_json(\"file\").to_csv(\"table.csv\", index=False)` (with `lines=True` if each line is an object)",
};

/// What a file is by its first bytes `start`, if it is certainly not a table; else `None`. `end` has the last bytes of a zip archive.
pub(crate) fn of_bytes(start: &[u8], end: &[u8]) -> Option<Content> {
    let is = |(what, fix): (&'static str, &'static str)| Content::Foreign { what, fix };
    if start.starts_with(ZIP) {
        let has = |name: &[u8]| [start, end].iter().any(|part| contains(part, name));
        let known = MEMBERS.iter().find(|(name, ..)| has(name));
        let found = known.map_or(("a zip archive", UNPACK), |(_, what, fix)| (*what, *fix));
        return Some(is(found));
    }
    if start.get(8..9) == Some(b"{") && contains(start, b"\"limbeck-") {
        return Some(Content::Limbeck);
    }
    if has_binary(start) {
        let begins =
            |(all, ..): &&(&[&[u8]], &str, &str)| all.iter().any(|one| start.starts_with(one));
        let known = BEGINNINGS.iter().find(begins);
        let tar = (start.get(257..262) == Some(b"ustar")).then_some(("a tar archive", UNPACK));
        let known = known.map(|(_, what, fix)| (*what, *fix)).or(tar);
        if let Some(found) = known {
            return Some(is(found));
        }
    }
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let first: String = text.chars().take(40).collect::<String>().to_lowercase();
    let begins = |(all, ..): &&(&[&str], &str, &str)| all.iter().any(|one| first.starts_with(one));
    match WORDS.iter().find(begins) {
        Some((_, what, fix)) => Some(is((what, fix))),
        None => is_json(text).then_some(JSON),
    }
}

/// True if a text begins like JSON: with an object (empty, or with a quoted key), or with a list whose first item is an object or a list.
fn is_json(text: &str) -> bool {
    let next = |open: char| {
        text.strip_prefix(open)
            .map(|rest| rest.trim_start().chars().next())
    };
    match (next('{'), next('[')) {
        (Some(inner), _) => matches!(inner, Some('"' | '}')),
        (_, Some(inner)) => matches!(inner, Some('{' | '[')),
        _ => false,
    }
}

/// True if the first bytes of a file are not text; false if the file cannot be read.
pub(crate) fn is_binary(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START_BYTES).read_to_end(&mut start));
    read.is_ok() && has_binary(&start)
}

/// True if the bytes are not text: they contain a NUL byte, or are not UTF-8. A character that is cut off at the end does not count.
fn has_binary(start: &[u8]) -> bool {
    let is_cut = |error: std::str::Utf8Error| error.error_len().is_none();
    start.contains(&0) || std::str::from_utf8(start).is_err_and(|error| !is_cut(error))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<&'static str> {
        of_bytes(start, b"").map(Content::name)
    }

    #[test]
    fn files_of_other_formats_are_named() {
        for (start, expected) in [
            (&b"PK\x03\x04\0\0xl/workbook.xml"[..], "an Excel workbook"),
            (
                b"PK\x03\x04\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                "an OpenDocument spreadsheet",
            ),
            (b"PK\x03\x04\0\0a.csv", "a zip archive"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
                "an old Excel or Word file (.xls, .doc)",
            ),
            (b"SQLite format 3\0", "an SQLite database"),
            (b"\x80\x04\x95\x10\0", "a Python pickle"),
            (b"FEA1\0\0", "an Arrow or Feather file"),
            (b"ARROW1\0\0", "an Arrow or Feather file"),
            (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
            (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
            (b"\x89PNG\r\n\x1a\n\0", "a PNG image"),
            (b"\n<!DOCTYPE html>\n<html>", "an HTML page"),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>", "an XML file"),
            (b"{\n  \"a\": 1}", "a JSON file"),
            (b"[ {\"a\": 1}]", "a JSON file"),
            (
                b"\x10\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"limbeck-1\"}}",
                "a limbeck file",
            ),
        ] {
            assert_eq!(name(start), Some(expected));
        }
    }

    #[test]
    fn tables_are_not_taken_for_other_files() {
        for start in [
            &b""[..],
            b"a,b\n1,2\n",
            b"GIF8 count,MZ\n1,2\n",
            b"MZ,ORC\n1,2\n",
            b"BZh,y\n1,2\n",
            b"{a},{b}\n1,2\n",
            b"[a],[b]\n1,2\n",
            b"\"{\"\"a\"\": 1}\",y\n",
            b"<a>,<b>\n1,2\n",
            b"\xff\xfea\0,\0b\0\n\0",
            b"PAR1\x15\0",
            b"stadt,y\nM\xfcnchen,1\n",
        ] {
            assert_eq!(of_bytes(start, b""), None, "{start:?}");
        }
    }

    #[test]
    fn any_bytes_are_searched_without_a_panic() {
        use rand::RngExt;
        let beginnings = BEGINNINGS.iter().flat_map(|(all, ..)| all.iter());
        let beginnings: Vec<&[u8]> = beginnings
            .copied()
            .chain([ZIP, b"", b"{", b"[", b"\xef\xbb\xbf"])
            .collect();
        for index in 0..5000 {
            let mut rng = crate::generator(1, "foreign bytes", index);
            let mut bytes = beginnings[rng.random_range(0..beginnings.len())].to_vec();
            let length = rng.random_range(0..300);
            bytes.extend((0..length).map(|_| rng.random::<u8>()));
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = of_bytes(&bytes, &bytes);
        }
    }
}
