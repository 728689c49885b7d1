//! The student: encoder, graph and target transform, the one thing that predicts.

use crate::{
    Container, Encoder, Error, Graph, Plan, RawColumn, Result, Scratch, Value,
    hex::{format_hex, parse_hex},
};
use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};
use core::ops::Deref;
use serde::{Deserialize, Serialize};

/// `kind` of a student's file.
const KIND: &str = "student";

/// How far a golden prediction may move, relative to its size plus the target's scale. Between the plain and the AVX2
/// sums of 5 000 random rows the largest difference was 0.8e-6 for a student of 5 000 parameters and 1.3e-6 for one of
/// 100 000; anything really wrong is far beyond ten times that.
const GOLDEN_TOLERANCE: f64 = 1e-5;

/// From the graph's output `z` to the target in its own unit, in f64.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetTransform {
    /// `scale · z + shift`.
    Affine {
        /// Standard deviation of the training target, as a rule.
        scale: f64,
        /// Its mean.
        shift: f64,
    },
    /// `exp(scale · z + shift)`.
    LogAffine {
        /// Standard deviation of the logarithm of the training target, as a rule.
        scale: f64,
        /// Its mean.
        shift: f64,
    },
}

impl TargetTransform {
    /// The target for a graph output.
    pub fn apply(&self, z: f32) -> f64 {
        match self {
            TargetTransform::Affine { scale, shift } => scale * f64::from(z) + shift,
            TargetTransform::LogAffine { scale, shift } => libm::exp(scale * f64::from(z) + shift),
        }
    }

    /// Fitted numbers: two.
    pub fn parameters(&self) -> usize {
        2
    }

    /// How much the target moves when `z` moves by 1, near a prediction.
    fn slope_at(&self, prediction: f64) -> f64 {
        match self {
            TargetTransform::Affine { scale, .. } => scale.abs(),
            TargetTransform::LogAffine { scale, .. } => scale.abs() * prediction.abs(),
        }
    }

    fn is_finite(&self) -> bool {
        let (TargetTransform::Affine { scale, shift }
        | TargetTransform::LogAffine { scale, shift }) = self;
        scale.is_finite() && shift.is_finite()
    }
}

/// One raw cell of a golden row.
#[derive(Clone, Debug, PartialEq)]
pub enum GoldenValue {
    /// A finite number.
    Number(f64),
    /// A category.
    Text(String),
    /// Nothing.
    Missing,
}

impl GoldenValue {
    fn as_value(&self) -> Value<'_> {
        match self {
            GoldenValue::Number(x) => Value::Number(*x),
            GoldenValue::Text(text) => Value::Text(text),
            GoldenValue::Missing => Value::Missing,
        }
    }
}

/// A raw row and what the student predicted for it when it was made: a check for whoever runs the student elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// One value per input column.
    pub raw: Vec<GoldenValue>,
    /// The prediction, in the target's unit.
    pub prediction: f64,
}

/// A golden row in a file; numbers as hexadecimal floats.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenText {
    raw: Vec<CellText>,
    prediction: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CellText {
    Number(String),
    Text(String),
    Missing,
}

/// What a [`Student`] is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentParts {
    /// Raw columns to the graph's input.
    pub encoder: Encoder,
    /// The network; one output.
    pub graph: Graph,
    /// Its output to the target's unit.
    pub target: TargetTransform,
    /// Name of the target column.
    pub target_name: String,
    /// Where the student comes from: keys and values of the maker's choice.
    pub provenance: BTreeMap<String, String>,
    /// Rows with known predictions.
    pub golden: Vec<Golden>,
}

/// A small model that takes raw columns in their own units and answers in the target's unit.
///
/// Its parts are read like fields (`student.encoder`) and cannot be changed: they fit together and are compiled for
/// execution. To change one take them [out](Self::into_parts) and make a [new](Self::new) student.
///
/// # File
///
/// A [`Container`] of kind `student` with these sections:
///
/// | key | value |
/// |---|---|
/// | `encoder` | [`Encoder`] as JSON |
/// | `graph` | structure as in [`Container::put_graph`]; its numbers in the tensors `graph.…` |
/// | `target` | [`TargetTransform`] as JSON: `{"affine": {"scale": …, "shift": …}}` or `log_affine` |
/// | `target_name` | text |
/// | `provenance` | JSON object of text |
/// | `golden` | JSON list of `{"raw": [{"number": "0x1.8p+1"}, {"text": "a"}, "missing"], "prediction": "0x1p+0"}` |
///
/// ```
/// use limbeck_runtime::*;
/// let student = Student::new(StudentParts {
///     encoder: Encoder::new(vec![InputColumn {
///         name: "x".into(),
///         encoding: Encoding::Number {
///             impute: 0.0,
///             indicator: false,
///             scaling: Scaling::Standard { center: 1.0, scale: 2.0 },
///         },
///     }])?,
///     graph: Graph::new(1, vec![Node::new(Op::Relu, [0])])?,
///     target: TargetTransform::Affine { scale: 10.0, shift: 5.0 },
///     target_name: "y".into(),
///     provenance: Default::default(),
///     golden: vec![],
/// })?;
/// assert_eq!(student.predict(&[RawColumn::Number(&[3.0, -7.0])], 2)?, [15.0, 5.0]);
/// assert_eq!(Student::from_bytes(&student.to_bytes()?)?, student);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Student {
    parts: StudentParts,
    plan: Plan,
}

impl Deref for Student {
    type Target = StudentParts;

    fn deref(&self) -> &StudentParts {
        &self.parts
    }
}

impl PartialEq for Student {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Student {
    /// A checked student.
    ///
    /// # Errors
    ///
    /// As [`Encoder::check`] and [`Graph::new`]; [`Error::InvalidStudent`] if the graph does not read what the encoder
    /// makes, has more than one output, the target's numbers are not finite, or a golden row does not fit the columns.
    pub fn new(parts: StudentParts) -> Result<Self> {
        parts.encoder.check()?;
        let plan = Plan::new(&parts.graph)?;
        if let Some(reason) = parts.fault(&plan) {
            return Err(Error::InvalidStudent { reason });
        }
        Ok(Student { parts, plan })
    }

    /// The parts, to make another student of.
    pub fn into_parts(self) -> StudentParts {
        self.parts
    }

    /// The same student with these golden rows, each with its prediction now.
    ///
    /// # Errors
    ///
    /// As [`predict_row`](Self::predict_row).
    pub fn with_golden(mut self, rows: Vec<Vec<GoldenValue>>) -> Result<Self> {
        let golden = |raw: Vec<GoldenValue>| {
            let prediction = self.predict_golden(&raw)?;
            Ok(Golden { raw, prediction })
        };
        self.parts.golden = rows.into_iter().map(golden).collect::<Result<_>>()?;
        Student::new(self.parts)
    }

    /// Predictions of a batch in the target's unit; columns in the encoder's order.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn predict(&self, columns: &[RawColumn<'_>], n_rows: usize) -> Result<Vec<f64>> {
        let x = self.encoder.encode(columns, n_rows)?;
        let mut z = vec![0.0; n_rows];
        self.plan.run(&x, n_rows, &mut z);
        Ok(z.into_iter().map(|z| self.target.apply(z)).collect())
    }

    /// The prediction for one raw row, in the target's unit.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode_row`].
    pub fn predict_row(&self, row: &[Value<'_>]) -> Result<f64> {
        self.predict_row_with(row, &mut Scratch::default())
    }

    /// As [`predict_row`](Self::predict_row), without allocating after the first call with the same scratch.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode_row`].
    pub fn predict_row_with(&self, row: &[Value<'_>], scratch: &mut Scratch) -> Result<f64> {
        let mut x = core::mem::take(&mut scratch.encoded);
        x.resize(self.plan.input_width(), 0.0);
        let encoded = self.encoder.encode_row(row, &mut x);
        let mut z = [0.0];
        if encoded.is_ok() {
            self.plan.run_row(&x, scratch, &mut z);
        }
        scratch.encoded = x;
        encoded.map(|()| self.target.apply(z[0]))
    }

    /// The compiled graph.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every fitted number that prediction reads, and every level: encoder, graph and target.
    pub fn parameters(&self) -> usize {
        self.encoder.parameters() + self.graph.parameters() + self.target.parameters()
    }

    /// Predicts the golden rows again.
    ///
    /// Each must come within 1e-5 of the sum of its size and the target's scale (for a logarithmic target, of the scale
    /// times its size).
    ///
    /// # Errors
    ///
    /// [`Error::GoldenMismatch`] names the first row that does not.
    pub fn verify_golden(&self) -> Result<()> {
        for (row, golden) in self.golden.iter().enumerate() {
            let (found, expected) = (self.predict_golden(&golden.raw)?, golden.prediction);
            let tolerance = self.golden_tolerance(golden);
            // Asked this way round so that NaN is a mismatch.
            let is_near = (found - expected).abs() <= tolerance;
            if !is_near {
                return Err(Error::GoldenMismatch {
                    row,
                    found,
                    expected,
                    tolerance,
                });
            }
        }
        Ok(())
    }

    /// How far a prediction of this golden row may be from the one it was made with, as [`verify_golden`](Self::verify_golden) judges it.
    pub fn golden_tolerance(&self, golden: &Golden) -> f64 {
        let expected = golden.prediction;
        GOLDEN_TOLERANCE * (expected.abs() + self.target.slope_at(expected))
    }

    fn predict_golden(&self, raw: &[GoldenValue]) -> Result<f64> {
        let row: Vec<Value<'_>> = raw.iter().map(GoldenValue::as_value).collect();
        self.predict_row(&row)
    }

    /// The bytes of its file: canonical, the same student gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] for what JSON cannot hold; a checked student has nothing of the kind.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.to_container()?.to_bytes())
    }

    /// A student from the bytes of its file. Any bytes: refused with a reason, never a panic.
    ///
    /// # Errors
    ///
    /// As [`Container::from_bytes`] and [`new`](Self::new).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Student::from_container(&Container::from_bytes(bytes, KIND)?)
    }

    /// Writes the file: whole or not at all, see [`Container::save`].
    ///
    /// # Errors
    ///
    /// As [`Container::save`].
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        self.to_container()?.save(path)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::TooLarge`], or as [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Student::from_container(&Container::load(path, KIND)?)
    }

    fn to_container(&self) -> Result<Container> {
        let mut file = Container::new(KIND);
        file.put_encoder("encoder", &self.encoder)?;
        file.put_graph("graph", &self.graph);
        file.put_json("target", &self.target)?;
        file.put("target_name", self.target_name.as_str());
        file.put_json("provenance", &self.provenance)?;
        let golden: Vec<GoldenText> = self.golden.iter().map(GoldenText::write).collect();
        file.put_json("golden", &golden)?;
        Ok(file)
    }

    fn from_container(file: &Container) -> Result<Self> {
        let golden: Vec<GoldenText> = file.json("golden")?;
        Student::new(StudentParts {
            encoder: file.encoder("encoder")?,
            graph: file.graph("graph")?,
            target: file.json("target")?,
            target_name: file.text("target_name")?.into(),
            provenance: file.json("provenance")?,
            golden: golden
                .into_iter()
                .map(GoldenText::read)
                .collect::<Result<_>>()?,
        })
    }
}

impl StudentParts {
    fn fault(&self, plan: &Plan) -> Option<String> {
        let (encoded, read, written) = (
            self.encoder.width(),
            plan.input_width(),
            plan.output_width(),
        );
        if encoded != read {
            return Some(format!(
                "the encoder makes {encoded} numbers per row, the graph reads {read}"
            ));
        }
        if written != 1 {
            return Some(format!("the graph has {written} outputs, one expected"));
        }
        if !self.target.is_finite() {
            return Some("the target transform has a number that is not finite".into());
        }
        self.golden.iter().enumerate().find_map(|(row, golden)| {
            let reason = golden.fault(self.encoder.columns.len())?;
            Some(format!("golden row {row}: {reason}"))
        })
    }
}

impl Golden {
    fn fault(&self, columns: usize) -> Option<String> {
        let is_finite =
            |value: &GoldenValue| !matches!(value, GoldenValue::Number(x) if !x.is_finite());
        if self.raw.len() != columns {
            return Some(format!("{} values for {columns} columns", self.raw.len()));
        }
        if !self.raw.iter().all(is_finite) || !self.prediction.is_finite() {
            return Some("a number that is not finite; write missing values as missing".into());
        }
        None
    }
}

impl GoldenText {
    fn write(golden: &Golden) -> Self {
        let cell = |value: &GoldenValue| match value {
            GoldenValue::Number(x) => CellText::Number(format_hex(*x)),
            GoldenValue::Text(text) => CellText::Text(text.clone()),
            GoldenValue::Missing => CellText::Missing,
        };
        GoldenText {
            raw: golden.raw.iter().map(cell).collect(),
            prediction: format_hex(golden.prediction),
        }
    }

    fn read(self) -> Result<Golden> {
        let number = |text: String| {
            parse_hex(&text).ok_or_else(|| Error::InvalidEntry {
                entry: "golden".into(),
                reason: format!("`{text}` is not a hexadecimal float such as 0x1.8p+1"),
            })
        };
        let cell = |cell| {
            Ok(match cell {
                CellText::Number(text) => GoldenValue::Number(number(text)?),
                CellText::Text(text) => GoldenValue::Text(text),
                CellText::Missing => GoldenValue::Missing,
            })
        };
        let raw = self.raw.into_iter().map(cell).collect::<Result<_>>()?;
        Ok(Golden {
            raw,
            prediction: number(self.prediction)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, InputColumn, Node, Op, Scaling};
    use proptest::prelude::*;

    fn parts() -> StudentParts {
        let number = Encoding::Number {
            impute: 0.1,
            indicator: true,
            scaling: Scaling::Quantile {
                references: vec![-1.0, 0.1, 1.0 / 3.0, 1e300],
            },
        };
        let category = Encoding::OneHot {
            levels: vec!["a".into(), "ü\"".into()],
            other: true,
        };
        let columns = vec![
            InputColumn {
                name: "x".into(),
                encoding: number,
            },
            InputColumn {
                name: "c".into(),
                encoding: category,
            },
        ];
        let ple = Op::Ple {
            edges: vec![vec![-3.0, 0.0, 3.0], vec![], vec![], vec![], vec![]],
        };
        // Bins 1 and 10, missing 100, a 1000, ü" 2000, other 3000.
        let weight = vec![1.0, 10.0, 100.0, 1000.0, 2000.0, 3000.0];
        let layer = Op::Linear {
            rows: 6,
            cols: 1,
            weight,
            bias: vec![0.5],
        };
        StudentParts {
            encoder: Encoder::new(columns).unwrap(),
            graph: Graph::new(5, vec![Node::new(ple, [0]), Node::new(layer, [1])]).unwrap(),
            target: TargetTransform::Affine {
                scale: 2.0,
                shift: 0.1,
            },
            target_name: "y".into(),
            provenance: [("seed".into(), "7".into()), ("data".into(), "a\nb".into())].into(),
            golden: vec![],
        }
    }

    fn student() -> Student {
        let rows = vec![
            vec![GoldenValue::Number(0.25), GoldenValue::Text("a".into())],
            vec![GoldenValue::Missing, GoldenValue::Missing],
        ];
        Student::new(parts()).unwrap().with_golden(rows).unwrap()
    }

    #[test]
    fn prediction_matches_hand_values() {
        let student = student();
        // −1 is the lowest reference: −3, no bin filled; level ü": 2000; plus the bias, times 2, plus 0.1.
        let low = student
            .predict_row(&[Value::Number(-1.0), Value::Text("ü\"")])
            .unwrap();
        assert_eq!(low, 2.0 * 2000.5 + 0.1);
        // Above the last reference: +3, both bins; unseen level: other.
        let high = student
            .predict_row(&[Value::Number(2e300), Value::Text("z")])
            .unwrap();
        assert_eq!(high, 2.0 * 3011.5 + 0.1);
        let levels = ["z".into(), "ü\"".into()];
        let columns = [
            RawColumn::Number(&[-1.0, 2e300]),
            RawColumn::Category {
                codes: &[1, 0],
                levels: &levels,
            },
        ];
        assert_eq!(student.predict(&columns, 2).unwrap(), [low, high]);
        // 1 + 4 and 2 levels; 3 edges, 6 weights, 1 bias; 2.
        assert_eq!(student.parameters(), 7 + 10 + 2);
    }

    #[test]
    fn log_target_is_an_exponential() {
        let target = TargetTransform::LogAffine {
            scale: 2.0,
            shift: 1.0,
        };
        assert!((target.apply(0.5) - 7.38905609893065).abs() < 1e-14);
    }

    #[test]
    fn student_file_round_trips_in_canonical_bytes() {
        let student = student();
        let bytes = student.to_bytes().unwrap();
        let back = Student::from_bytes(&bytes).unwrap();
        assert_eq!(back, student);
        assert_eq!(back.to_bytes().unwrap(), bytes);
        back.verify_golden().unwrap();
    }

    #[test]
    fn moved_golden_prediction_is_named() {
        let mut parts = student().into_parts();
        // All missing is 2 · (0.5 + 100 + 3000 + bins) + 0.1, near 6 200: a tolerance of 0.06.
        parts.golden[1].prediction += 0.05;
        Student::new(parts.clone())
            .unwrap()
            .verify_golden()
            .unwrap();
        parts.golden[1].prediction += 0.05;
        let error = Student::new(parts).unwrap().verify_golden().unwrap_err();
        assert!(
            matches!(error, Error::GoldenMismatch { row: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn student_rejects_parts_that_do_not_fit() {
        let message = |change: &dyn Fn(&mut StudentParts)| {
            let mut parts = parts();
            change(&mut parts);
            format!("{}", Student::new(parts).unwrap_err())
        };
        assert!(
            message(&|p| drop(p.encoder.columns.pop()))
                .contains("makes 2 numbers per row, the graph reads 5")
        );
        assert!(message(&|p| p.graph.nodes.truncate(1)).contains("6 outputs"));
        assert!(
            message(&|p| p.target = TargetTransform::Affine {
                scale: f64::NAN,
                shift: 0.0
            })
            .contains("not finite")
        );
        assert!(
            message(&|p| p.golden.push(Golden {
                raw: vec![],
                prediction: 0.0
            }))
            .contains("golden row 0: 0 values")
        );
        let raw = vec![GoldenValue::Number(f64::NAN), GoldenValue::Missing];
        assert!(
            message(&|p| p.golden.push(Golden {
                raw: raw.clone(),
                prediction: 0.0
            }))
            .contains("not finite")
        );
    }

    #[test]
    fn every_truncation_and_flipped_bit_is_refused() {
        let mut bytes = student().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(
                Student::from_bytes(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            assert!(Student::from_bytes(&bytes).is_err(), "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn student_saves_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("limbeck-runtime-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (student, path) = (student(), folder.join("a.limbeck"));
        student.save(&path).unwrap();
        student.save(&path).unwrap();
        assert_eq!(Student::load(&path).unwrap(), student);
        let names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a.limbeck"]);
        // Folders and devices are not replaced; nothing is left behind.
        #[cfg(unix)]
        assert!(matches!(student.save("/dev/null"), Err(Error::Io { .. })));
        std::fs::create_dir(folder.join("b")).unwrap();
        assert!(matches!(
            student.save(folder.join("b")),
            Err(Error::Io {
                action: "write",
                ..
            })
        ));
        assert!(matches!(
            student.save(folder.join("none/c")),
            Err(Error::Io {
                action: "write",
                ..
            })
        ));
        assert!(matches!(student.save("/"), Err(Error::Io { .. })));
        assert!(matches!(
            Student::load(folder.join("none")),
            Err(Error::Io { action: "read", .. })
        ));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn scratch_outlives_a_refused_row() {
        let (student, mut scratch) = (student(), Scratch::default());
        let good = [Value::Number(0.25), Value::Text("a")];
        let first = student.predict_row_with(&good, &mut scratch).unwrap();
        assert!(
            student
                .predict_row_with(
                    &[Value::Number(f64::INFINITY), Value::Missing],
                    &mut scratch
                )
                .is_err()
        );
        assert_eq!(
            student.predict_row_with(&good, &mut scratch).unwrap(),
            first
        );
        assert_eq!(student.predict_row(&good).unwrap(), first);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            prop_assert!(Student::from_bytes(&bytes).is_err());
        }

        #[test]
        fn random_damage_is_refused(at: proptest::sample::Index, byte: u8, count in 1usize..20) {
            let whole = student().to_bytes().unwrap();
            let mut bytes = whole.clone();
            let at = at.index(bytes.len());
            let end = (at + count).min(bytes.len());
            bytes[at..end].fill(byte);
            prop_assume!(bytes != whole);
            prop_assert!(Student::from_bytes(&bytes).is_err());
        }
    }
}
