//! Recognizes files of unsupported formats and says what to save instead.
//!
//! A file is recognized by its first bytes, its JSON keys, its first words or, for a zip archive, the names of its
//! members. The error names the format, so that the user knows what to do.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;

use super::fault::{Fault, short};

/// The supported formats, as text for messages.
pub(super) const EXPECTED: &str = "a LightGBM text model, an XGBoost JSON model (or UBJSON), a CatBoost JSON model or an ONNX model";

const CATBOOST: &str = "save it as JSON or ONNX: model.save_model(\"model.json\", format=\"json\") or model.save_model(\"model.onnx\", format=\"onnx\") (CatBoost writes ONNX only for models without categories)";
const XGBOOST: &str = "save it as JSON: model.save_model(\"model.json\")";
const LIGHTGBM: &str = "save the text model: booster.save_model(\"model.txt\") (for an LGBMRegressor, booster is model.booster_)";
const TORCH: &str = "export it to ONNX: torch.onnx.export(model, example_rows, \"model.onnx\", input_names=[\"x\"], dynamic_axes={\"x\": {0: \"rows\"}})";
const KERAS: &str =
    "export it to ONNX: model.export(\"model.onnx\", format=\"onnx\"), or with tf2onnx";
const TENSORFLOW: &str =
    "export it to ONNX: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx";
const PICKLE: &str = "load it in Python and save the model itself: XGBoost by save_model(\"model.json\"), LightGBM by booster_.save_model(\"model.txt\"), \
                      scikit-learn by skl2onnx, PyTorch by torch.onnx.export; or predict with it through --teacher-command";
const COMMAND: &str = "export it to ONNX if its library can, or predict with your own program through --teacher-command";
const UNPACK: &str = "unpack it and give the model file inside";
const WHERE: &str =
    "give the model's own file to --teacher-model, and the table as the first argument";
const RUN: &str = "give the folder of its run: --teacher-model runs/NAME";

/// For each unsupported format: the first bytes of its files (any one of the list), the name of the format, and the
/// advice for the user.
const BEGINNINGS: &[(&[&[u8]], &str, &str)] = &[
    (&[b"CBM1"], "a CatBoost binary model (.cbm)", CATBOOST),
    (&[b"binf", b"bs64"], OLD_XGBOOST, XGBOOST),
    (
        &[b"\x89HDF\r\n\x1a\n"],
        "an HDF5 file, as Keras saves models (.h5)",
        KERAS,
    ),
    (
        &[
            b"\x80\x02",
            b"\x80\x03",
            b"\x80\x04",
            b"\x80\x05",
            b"ccopy_reg\n",
        ],
        "a Python pickle (pickle, joblib or old PyTorch)",
        PICKLE,
    ),
    (&[b"GGUF"], "a GGUF file (a language model)", COMMAND),
    (
        &[b"RDX2\n", b"RDX3\n"],
        "a file of R objects (.RData)",
        COMMAND,
    ),
    (
        &[b"X\n\0\0\0", b"A\n2\n", b"A\n3\n"],
        "an R object (.rds)",
        COMMAND,
    ),
    (
        &[b"\x1f\x8b"],
        "a gzip archive (perhaps an R .rds file or a joblib file)",
        UNPACK,
    ),
    (&[b"BZh"], "a bzip2 archive", UNPACK),
    (&[b"\xfd7zXZ\0"], "an xz archive", UNPACK),
    (&[b"\x28\xb5\x2f\xfd"], "a zstd archive", UNPACK),
    (&[b"\x04\x22\x4d\x18"], "an lz4 archive", UNPACK),
    (
        &[b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"ZF"],
        "a compressed joblib file",
        PICKLE,
    ),
    (&[b"7z\xbc\xaf\x27\x1c"], "a 7z archive", UNPACK),
    (&[b"Rar!"], "a rar archive", UNPACK),
    (&[b"PAR1"], "a Parquet table", WHERE),
    (&[b"ARROW1"], "an Arrow table", WHERE),
    (&[b"FEA1"], "a Feather table", WHERE),
    (&[b"\x93NUMPY"], "a NumPy array (.npy)", WHERE),
    (&[b"SQLite format 3"], "an SQLite database", WHERE),
    (&[b"MATLAB 5.0"], "a MATLAB file", COMMAND),
    (&[b"%PDF"], "a PDF document", WHERE),
    (&[b"\x89PNG"], "a PNG image", WHERE),
    (
        &[b"\x7fELF", b"MZ"],
        "a compiled program or library",
        COMMAND,
    ),
    (
        &[b"\xef\xbb\xbf"],
        "text with a byte order mark",
        "save it as UTF-8 without a byte order mark",
    ),
    (
        &[b"\xff\xfe", b"\xfe\xff"],
        "UTF-16 text",
        "save the model again, as UTF-8",
    ),
];

/// Name of XGBoost's old binary format. It is recognized by the first bytes of the file, or by the names of a booster
/// and of an objective near its beginning.
const OLD_XGBOOST: &str = "a model in XGBoost's old binary format";

/// A zip archive is searched for names of members in this many bytes at its beginning, and in as many at its end.
const MEMBERS_WITHIN: usize = 1 << 20;

/// Members of zip archives that reveal a format: the member's name or a part of it, the name of the format, and the
/// advice for the user.
const MEMBERS: &[(&[u8], &str, &str)] = &[
    (b"constants.pkl", "a TorchScript archive (.pt)", TORCH),
    (b"data.pkl", "a PyTorch archive (.pt)", TORCH),
    (b"model.weights.h5", "a Keras archive (.keras)", KERAS),
    (b"schema.json", "a skops archive (.skops)", PICKLE),
    (b"model.ini", "an H2O archive (MOJO)", COMMAND),
    (b"xl/workbook", "an Excel workbook", WHERE),
    (b".npy", "a NumPy archive (.npz)", WHERE),
    (b"com.apple.CoreML", "a Core ML package", COMMAND),
];

fn is(what: &str, fix: &str) -> Fault {
    Fault::unsupported(
        format!("the file is {what}, which limbeck does not read as a model"),
        fix,
    )
}

/// The error for a file of an unsupported format, recognized by its first bytes or by the members of a zip archive.
/// `None` if no such format is recognized.
pub(super) fn by_bytes(bytes: &[u8]) -> Option<Fault> {
    let begins = |starts: &[&[u8]]| starts.iter().any(|start| bytes.starts_with(start));
    if let Some((_, what, fix)) = BEGINNINGS.iter().find(|(starts, ..)| begins(starts)) {
        return Some(is(what, fix));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        // A zip archive has each member's name before the member, and all names at the end.
        let (first, last) = (
            &bytes[..bytes.len().min(MEMBERS_WITHIN)],
            bytes.len().saturating_sub(MEMBERS_WITHIN),
        );
        let holds = |member: &[u8]| contains(first, member) || contains(&bytes[last..], member);
        let found = MEMBERS.iter().find(|(member, ..)| holds(member));
        let (what, fix) = found.map_or(("a zip archive", UNPACK), |(_, what, fix)| (*what, *fix));
        return Some(is(what, fix));
    }
    match bytes.get(4..8) {
        Some(b"TFL3") => return Some(is("a TensorFlow Lite model (.tflite)", TENSORFLOW)),
        Some(b"ORTM") => {
            return Some(is(
                "a model in ONNX Runtime's own format (.ort)",
                "give the .onnx file that it was made from",
            ));
        }
        _ => {}
    }
    // Eight bytes of length, then JSON.
    if bytes.get(8) == Some(&b'{') && bytes.get(6..8) == Some(&[0, 0]) {
        let head = &bytes[..bytes.len().min(4096)];
        return Some(match contains(head, b"limbeck-") {
            true => Fault::unsupported("the file is a student or teacher of limbeck", RUN),
            false => is(
                "a safetensors file (weights without the model's structure)",
                TORCH,
            ),
        });
    }
    let head = &bytes[..bytes.len().min(512)];
    let any = |words: &[&[u8]]| words.iter().any(|word| contains(head, word));
    let is_binary = head.contains(&0);
    (is_binary
        && any(&[b"gbtree", b"gblinear", b"dart"])
        && any(&[
            b"reg:",
            b"binary:",
            b"count:",
            b"rank:",
            b"multi:",
            b"survival:",
        ]))
    .then(|| is(OLD_XGBOOST, XGBOOST))
}

/// The error for a JSON object without XGBoost's key `learner`, and for JSON that holds a LightGBM text model as a
/// string. `None` for all other texts.
pub(super) fn by_json(text: &str) -> Option<Fault> {
    if text.contains("\"tree\\nversion=") {
        return Some(is("a LightGBM text model inside JSON", LIGHTGBM));
    }
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let has = |key: &str| keys.contains_key(key);
    if has("learner") {
        return None;
    }
    let known: [(&[&str], &str, &str); 6] = [
        (
            &["oblivious_trees", "features_info"],
            "a CatBoost model in JSON",
            CATBOOST,
        ),
        (
            &["tree_info"],
            "a dump of a LightGBM model (dump_model)",
            LIGHTGBM,
        ),
        (
            &["nodeid"],
            "a dump of an XGBoost model, without its objective",
            XGBOOST,
        ),
        (
            &["modelTopology", "class_name"],
            "a Keras or TensorFlow.js model in JSON, without its weights",
            KERAS,
        ),
        (&["cells", "nbformat"], "a Jupyter notebook", COMMAND),
        (
            &["split", "verdict", "student", "proof"],
            "a report of limbeck",
            RUN,
        ),
    ];
    let found = known.iter().find(|(of, ..)| of.iter().any(|key| has(key)));
    Some(match found {
        Some((_, what, fix)) => is(what, fix),
        None => Fault::unsupported(
            format!(
                "the file is JSON with the keys {}, not an XGBoost model, which has the key `learner`",
                listed(&keys)
            ),
            format!("give {EXPECTED}"),
        ),
    })
}

fn listed(keys: &BTreeMap<String, IgnoredAny>) -> String {
    let shown: Vec<String> = keys.keys().take(6).map(|key| short(key)).collect();
    format!(
        "{}{}",
        shown.join(", "),
        if keys.len() > 6 { ", …" } else { "" }
    )
}

/// For each unsupported kind of text file: pieces of text, of which one must be near the beginning of the file; the
/// name of the kind; and the advice for the user.
const WORDS: &[(&[&str], &str, &str)] = &[
    (&["<PMML", "PMML xmlns"], "a PMML model", COMMAND),
    (
        &["<net name"],
        "an OpenVINO model",
        "give the .onnx file that it was made from",
    ),
    (
        &["<html", "<!DOCTYPE html", "<HTML"],
        "a web page, perhaps downloaded instead of the model",
        "download the model again",
    ),
    (&["<?xml"], "an XML file", COMMAND),
    (
        &["version https://git-lfs"],
        "a Git LFS pointer, not the file itself",
        "fetch the file itself: git lfs pull",
    ),
    (
        &["\"nodeid\":", "booster[0]"],
        "a dump of an XGBoost model, without its objective",
        XGBOOST,
    ),
    (
        &[
            "#include ",
            "\nimport ",
            "\nfrom ",
            "\ndef ",
            "\nclass ",
            "\nlibrary(",
            "###  Model data",
        ],
        "source code",
        COMMAND,
    ),
    (
        &["svm_type ", "solver_type "],
        "a LIBSVM or LIBLINEAR model",
        COMMAND,
    ),
];

/// The error for a text file that is neither a LightGBM model nor a JSON object.
pub(super) fn by_text(text: &str) -> Fault {
    let text = text.trim_start();
    let head: String = "\n".chars().chain(text.chars().take(2000)).collect();
    let found = WORDS
        .iter()
        .find(|(words, ..)| words.iter().any(|word| head.contains(word)));
    if let Some((_, what, fix)) = found {
        return is(what, fix);
    }
    if text.starts_with("\"tree\\n") {
        return is("a LightGBM text model inside JSON", LIGHTGBM);
    }
    let mut lines = text.lines();
    let (first, second) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let fields = |line: &str, by: char| line.matches(by).count();
    let is_table = [',', ';', '\t', '|']
        .iter()
        .any(|&by| fields(first, by) > 0 && fields(first, by) == fields(second, by));
    if is_table && !text.starts_with(['[', '{']) {
        return Fault::unsupported(
            format!(
                "the file is a table with the header {}; expected {EXPECTED}",
                short(first)
            ),
            WHERE,
        );
    }
    Fault::unsupported(
        format!("the file is text that begins with {}", short(first)),
        format!("give {EXPECTED}"),
    )
}

/// The error for a protobuf file that is not ONNX. `numbers` are the field numbers of its outer message. `None` if the
/// file may be ONNX or is of an unknown kind.
pub(super) fn by_fields(numbers: &[u64]) -> Option<Fault> {
    let has = |of: fn(&u64) -> bool| numbers.iter().any(of);
    if has(|&number| number == 7) {
        return None;
    }
    if has(|number| (200..4000).contains(number)) {
        return Some(is("a Core ML model (.mlmodel)", COMMAND));
    }
    (!numbers.is_empty() && !has(|number| *number > 5)).then(|| {
        is(
            "a protobuf without an ONNX graph, perhaps a TensorFlow model (.pb)",
            TENSORFLOW,
        )
    })
}

/// The error for a folder in which another library stores a model; `None` for any other path.
pub(super) fn by_folder(folder: &Path) -> Option<Fault> {
    let known = [
        (
            "saved_model.pb",
            "a TensorFlow SavedModel folder",
            TENSORFLOW,
        ),
        (
            "MLmodel",
            "an MLflow folder",
            "give the model file inside that folder",
        ),
        ("Manifest.json", "a Core ML package", COMMAND),
        (
            "model.safetensors",
            "a folder of weights without the model's structure",
            TORCH,
        ),
        ("predictor.pkl", "an AutoGluon folder", COMMAND),
    ];
    let found = known
        .iter()
        .find(|(member, ..)| folder.join(member).exists())?;
    let (_, what, fix) = found;
    Some(Fault::unsupported(
        format!("this is {what}, which limbeck does not read"),
        *fix,
    ))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> String {
        by_bytes(bytes)
            .map(|fault| fault.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn files_are_named_by_their_first_bytes() {
        for (bytes, what) in [
            (&b"CBM1\x18g"[..], "CatBoost binary"),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
            (b"\x80\x04\x95", "Python pickle"),
            (b"PK\x03\x04....archive/data.pkl....", "PyTorch"),
            (
                b"PK\x03\x04....code/constants.pkl....data.pkl",
                "TorchScript",
            ),
            (b"PK\x03\x04....", "zip archive"),
            (b"\x1c\0\0\0TFL3\0", "TensorFlow Lite"),
            (b"\x40\0\0\0\0\0\0\0{\"w\":", "safetensors"),
            (
                b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"limbeck-2\"",
                "of limbeck",
            ),
            (b"GGUF\x03\0", "GGUF"),
            (b"\0\0\0?\x04\0\0\0reg:squarederror\x06gbtree", "old binary"),
            (b"\x1f\x8b\x08", "gzip"),
        ] {
            let message = named(bytes);
            assert!(
                message.contains(what) && message.contains("; "),
                "{what}: {message}"
            );
        }
        assert_eq!(named(b"\x08\x08\x12\x07skl2onnx"), "");
    }

    #[test]
    fn texts_are_named_by_their_words() {
        for (text, what) in [
            ("<?xml version=\"1.0\"?>\n<PMML xmlns=", "PMML"),
            ("booster[0]:\n0:[f0<1] yes=1", "dump of an XGBoost"),
            ("[\n {\"nodeid\": 0}]", "dump of an XGBoost"),
            ("a;b;y\n1;2;3\n", "a table with the header `a;b;y`"),
            ("hello", "text that begins with `hello`"),
            ("import sys\nprint(1)", "source code"),
            ("\"tree\\nversion=v4\"", "LightGBM text model inside"),
            ("version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ] {
            let message = by_text(text).to_string();
            assert!(message.contains(what), "{what}: {message}");
        }
    }

    #[test]
    fn json_is_named_by_its_keys() {
        for (text, what) in [
            (
                "{\"oblivious_trees\": [], \"scale_and_bias\": []}",
                "CatBoost",
            ),
            ("{\"name\": \"tree\", \"tree_info\": []}", "dump_model"),
            (
                "{\"model\": \"tree\\nversion=v4\\n\"}",
                "LightGBM text model inside",
            ),
            ("{\"a\": 1}", "`learner`"),
        ] {
            let message = by_json(text).unwrap().to_string();
            assert!(message.contains(what), "{what}: {message}");
        }
        assert!(by_json("{\"learner\": {}}").is_none() && by_json("{\"a\": ").is_none());
    }

    #[test]
    fn protobufs_are_named_by_their_fields() {
        assert!(
            by_fields(&[1, 2, 302])
                .unwrap()
                .to_string()
                .contains("Core ML")
        );
        assert!(
            by_fields(&[1, 1, 2])
                .unwrap()
                .to_string()
                .contains("TensorFlow")
        );
        assert!(by_fields(&[1, 2, 7, 8]).is_none() && by_fields(&[]).is_none());
    }
}
