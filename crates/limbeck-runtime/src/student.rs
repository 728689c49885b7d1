//! The student: an encoder, a graph and target transforms, and prediction with them.

use crate::{
    Container, Encoder, Encoding, Error, Graph, InputColumn, Interval, Intervals, Memory, Plan,
    RawColumn, Result, Scratch, Sequence, Value,
    hex::{format_hex, parse_hex},
    memory::{Recall, Stretch, first_batch, side_by_side, stretches},
    plan::BLOCK,
};
use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};
use core::ops::{Deref, Range};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The `kind` of a file that holds a student.
const KIND: &str = "student";

/// Maximum number of encoded f32 (16 MB) in a batch, which is the rows that are predicted at once. A batch of a single row may have more.
const BATCH: usize = 1 << 22;

/// Maximum number of windows of a recurrent student that run side by side: their products then use whole tiles of the kernels.
const MOST_WINDOWS: usize = 16;

/// Number of rows of a batch, for rows of `width` encoded numbers. If it is above [`BLOCK`], it is a multiple of [`BLOCK`].
fn batch(width: usize) -> usize {
    match BATCH / width.max(1) {
        rows @ 0..BLOCK => rows.max(1),
        rows => rows / BLOCK * BLOCK,
    }
}

/// Tolerance for golden predictions: the largest allowed difference, as a fraction of `|p| + s`. Here `p` is the stored prediction, and `s` the scale
/// of the target; see [`Student::verify_golden`].
///
/// On 5 000 random rows, the largest relative difference between the portable and the AVX2 code was 0.8e-6 for a student of 5 000 parameters and
/// 1.3e-6 for a student of 100 000. A real error changes predictions by far more than 1e-5.
const GOLDEN_TOLERANCE: f64 = 1e-5;

/// Transform from the graph's output `z` to the target in its own unit; computed in f64.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetTransform {
    /// `scale · z + shift`.
    Affine {
        /// Usually the standard deviation of the training target.
        scale: f64,
        /// Usually the mean of the training target.
        shift: f64,
    },
    /// `exp(scale · z + shift)`.
    LogAffine {
        /// Usually the standard deviation of the logarithm of the training target.
        scale: f64,
        /// Usually the mean of the logarithm of the training target.
        shift: f64,
    },
}

impl TargetTransform {
    /// The prediction, in the target's unit, for the graph's output `z`.
    pub fn apply(&self, z: f32) -> f64 {
        match self {
            TargetTransform::Affine { scale, shift } => scale * f64::from(z) + shift,
            TargetTransform::LogAffine { scale, shift } => libm::exp(scale * f64::from(z) + shift),
        }
    }

    /// Number of fitted parameters: two.
    pub fn parameters(&self) -> usize {
        2
    }

    /// Absolute value of the derivative of the prediction with respect to `z`, at a given prediction.
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

/// One target that a student predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the target: that of its column, or of column and horizon if a column is predicted for several horizons.
    pub name: String,
    /// Transform from the graph's output to the target's unit.
    pub transform: TargetTransform,
    /// Column and horizon of the target, if a column is predicted for several horizons. `None` if the target is named as its column, and has the horizon
    /// of the student's [`Sequence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Later>,
}

/// A number of a later row, as a target: one of several horizons of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Later {
    /// Name of the target column.
    pub column: String,
    /// Number of rows from the present row to the row of the target.
    pub horizon: u32,
}

impl Later {
    /// The name of this target, such as `load.ahead6`.
    pub fn name(&self) -> String {
        format!("{}.ahead{}", self.column, self.horizon)
    }
}

impl Output {
    /// An output with the name of its target column.
    pub fn new(name: impl Into<String>, transform: TargetTransform) -> Self {
        Self {
            name: name.into(),
            transform,
            later: None,
        }
    }

    /// Name of the target column.
    pub fn column(&self) -> &str {
        let later = self.later.as_ref();
        later.map_or(&self.name, |later| &later.column)
    }
}

/// One raw cell of a golden row.
#[derive(Clone, Debug, PartialEq)]
pub enum GoldenValue {
    /// A finite number.
    Number(f64),
    /// A date, in seconds since 1970 (UTC).
    Time(i64),
    /// A category.
    Text(String),
    /// A missing value.
    Missing,
}

impl GoldenValue {
    fn as_value(&self) -> Value<'_> {
        match self {
            GoldenValue::Number(x) => Value::Number(*x),
            GoldenValue::Time(seconds) => Value::Time(*seconds),
            GoldenValue::Text(text) => Value::Text(text),
            GoldenValue::Missing => Value::Missing,
        }
    }
}

/// A raw row and the predictions that the student made for it when it was created. Every other program that runs the student can be checked with such
/// rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// One value per input column.
    pub raw: Vec<GoldenValue>,
    /// One prediction per output, each in its target's unit.
    pub predictions: Vec<f64>,
}

/// A golden row in a file; numbers are written as hexadecimal floats.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenText {
    raw: Vec<CellText>,
    /// The prediction, if the student has one output; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prediction: Option<String>,
    /// The predictions, if the student has several outputs; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    predictions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CellText {
    Number(String),
    Time(i64),
    Text(String),
    Missing,
}

/// The parts of a [`Student`].
#[derive(Clone, Debug, PartialEq)]
pub struct StudentParts {
    /// Turns raw columns into the graph's input.
    pub encoder: Encoder,
    /// The model that maps encoded rows to outputs.
    pub graph: Graph,
    /// The target that each output of the graph predicts; at least one.
    pub outputs: Vec<Output>,
    /// How rows form series; `None` if the student was not trained on series.
    pub sequence: Option<Sequence>,
    /// Which earlier rows a prediction uses, if the graph is [recurrent](Graph::is_recurrent); else `None`.
    pub memory: Option<Memory>,
    /// Prediction intervals of all outputs; `None` if none were calibrated.
    pub intervals: Option<Intervals>,
    /// Origin of the student: keys and values chosen by the program that made it.
    pub provenance: BTreeMap<String, String>,
    /// Rows with the predictions that the student made for them. The golden rows of a recurrent student are consecutive rows of one series, from its
    /// first row.
    pub golden: Vec<Golden>,
}

/// A small model that takes raw columns in their own units and predicts one or several targets, each in its own unit.
///
/// If its [`Sequence`] has operating [`Regimes`](crate::Regimes), [`predict`](Self::predict) and the other methods take numbers that are normalized already;
/// only a [`Stream`](crate::Stream) takes plain rows.
///
/// The parts can be read like fields (`student.encoder`) but not changed, because the student has checked that they fit together and has
/// compiled the graph. To change a part, take the parts [out](Self::into_parts) and make a [new](Self::new) student.
///
/// # File
///
/// A [`Container`] of kind `student` with these sections:
///
/// | key | value |
/// |---|---|
/// | `encoder` | [`Encoder`] as JSON |
/// | `graph` | structure as in [`Container::put_graph`]; the numbers are in the tensors `graph.…` |
/// | `target` | if there is one output: [`TargetTransform`] as JSON, `{"affine": {"scale": …, "shift": …}}` or `log_affine` |
/// | `target_name` | if there is one output: text |
/// | `outputs` | if there are several outputs: JSON list of `{"name": "y", "transform": {"affine": …}}` |
/// | `sequence` | [`Sequence`] as JSON, if the student was trained on series |
/// | `memory` | [`Memory`] as JSON, if the graph is recurrent: `{"rolling": 64}` or `"carried"` |
/// | `intervals` | JSON `{"counts": [n, …], "levels": [0.9, …]}`, if there are prediction intervals; their numbers are in the tensors `intervals.0.scores` and `intervals.0.spread` |
/// | `provenance` | JSON object whose values are text |
/// | `golden` | JSON list of `{"raw": [{"number": "0x1.8p+1"}, {"text": "a"}, "missing"], "prediction": "0x1p+0"}`; with several outputs, `"predictions": ["0x1p+0", …]` |
///
/// A student with one output is written in the format `limbeck-1`. A student with several outputs, numbers that mean *missing*, dates, series, a memory or
/// prediction intervals is written in `limbeck-2`.
///
/// ```
/// use limbeck_runtime::*;
/// let student = Student::new(StudentParts {
///     encoder: Encoder::new(vec![InputColumn::new("x", Encoding::Number {
///         impute: 0.0,
///         indicator: false,
///         scaling: Scaling::Standard { center: 1.0, scale: 2.0 },
///     })])?,
///     graph: Graph::new(1, vec![Node::new(Op::Relu, [0])])?,
///     outputs: vec![Output::new("y", TargetTransform::Affine { scale: 10.0, shift: 5.0 })],
///     sequence: None,
///     memory: None,
///     intervals: None,
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
    /// For each output, the column whose value is added to it; empty if the outputs are the predictions themselves.
    bases: Vec<usize>,
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
    /// Creates a student from its parts after checking them.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::check`] and [`Graph::new`]; [`Error::InvalidStudent`] if the graph's input width is not the encoder's width, the
    /// graph's output width is not the number of outputs, two outputs have the same name, a number of a transform is not finite, or a golden row has
    /// another number of values or predictions than the student, the graph is recurrent and there is no memory or the reverse, or a rolling memory has 0
    /// rows, more than 10 000, or more than 2²⁴ encoded numbers.
    pub fn new(parts: StudentParts) -> Result<Self> {
        parts.encoder.check()?;
        let plan = Plan::new(&parts.graph)?;
        if let Some(reason) = parts.fault(&plan) {
            return Err(Error::InvalidStudent { reason });
        }
        let bases = parts
            .bases()
            .map_err(|reason| Error::InvalidStudent { reason })?;
        Ok(Student { parts, plan, bases })
    }

    /// Takes the student apart, to make another student from changed parts.
    pub fn into_parts(self) -> StudentParts {
        self.parts
    }

    /// The same student with new golden rows; this function computes their predictions. For a recurrent student, `rows` are consecutive rows of one
    /// series, from its first row.
    ///
    /// # Errors
    ///
    /// The errors of [`predict_golden`](Self::predict_golden).
    pub fn with_golden(mut self, rows: Vec<Vec<GoldenValue>>) -> Result<Self> {
        let predictions = self.predict_rows(rows.iter().map(Vec::as_slice))?;
        let both = rows.into_iter().zip(predictions);
        let golden = both.map(|(raw, predictions)| Golden { raw, predictions });
        self.parts.golden = golden.collect();
        Student::new(self.parts)
    }

    /// The same student with another description of series; the predictions of its golden rows are computed again.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidStudent`] if the longest step is not a number of 0 or more, or if outputs are changes and a target's own column is not an input;
    /// the errors of [`with_golden`](Self::with_golden).
    pub fn with_sequence(mut self, sequence: Option<Sequence>) -> Result<Self> {
        let golden = core::mem::take(&mut self.parts.golden);
        self.parts.sequence = sequence;
        let raw = golden.into_iter().map(|golden| golden.raw).collect();
        Student::new(self.parts)?.with_golden(raw)
    }

    /// The same student with other prediction intervals.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidStudent`] if there are intervals for another number of outputs, or if their numbers cannot be used.
    pub fn with_intervals(mut self, intervals: Option<Intervals>) -> Result<Self> {
        self.parts.intervals = intervals;
        Student::new(self.parts)
    }

    /// The same student with other levels for exported files; see [`Intervals::levels`].
    ///
    /// # Errors
    ///
    /// [`Error::NoIntervals`]; [`Error::InvalidLevel`] if the intervals of an output do not support a level.
    pub fn with_levels(mut self, levels: &[f64]) -> Result<Self> {
        let intervals = self.parts.intervals.as_mut();
        let intervals = intervals.ok_or(Error::NoIntervals)?;
        for (level, output) in levels
            .iter()
            .flat_map(|level| intervals.outputs.iter().map(move |output| (level, output)))
        {
            output.score(*level)?;
        }
        intervals.levels = levels.to_vec();
        intervals.levels.sort_by(f64::total_cmp);
        intervals.levels.dedup();
        Ok(self)
    }

    /// The prediction interval of an output (by its index) around a prediction: it contains the true value with a probability of at least `level`, if
    /// new rows are like the rows of training.
    ///
    /// It depends on nothing but the prediction, so it can also be used with the predictions of a [`Stream`](crate::Stream).
    ///
    /// # Errors
    ///
    /// [`Error::NoIntervals`]; [`Error::InvalidLevel`] if the level is not from 0.5 to 0.9999, or needs more rows than the intervals were made from.
    ///
    /// # Panics
    ///
    /// Panics if there is no output with this index.
    pub fn interval(&self, output: usize, prediction: f64, level: f64) -> Result<Interval> {
        let intervals = self.intervals.as_ref().ok_or(Error::NoIntervals)?;
        let is_log = matches!(
            self.outputs[output].transform,
            TargetTransform::LogAffine { .. }
        );
        intervals.outputs[output].around(prediction, is_log, level)
    }

    /// Predictions for a batch with their intervals, `[n_rows, outputs]`, each in the unit of its target. See [`interval`](Self::interval).
    ///
    /// # Errors
    ///
    /// The errors of [`predict`](Self::predict) and [`interval`](Self::interval).
    pub fn predict_interval(
        &self,
        columns: &[RawColumn<'_>],
        n_rows: usize,
        level: f64,
    ) -> Result<Vec<Interval>> {
        let predictions = self.predict(columns, n_rows)?.into_iter().enumerate();
        let width = self.outputs.len();
        predictions
            .map(|(at, prediction)| self.interval(at % width, prediction, level))
            .collect()
    }

    /// Predictions for a batch, `[n_rows, outputs]`, each in the unit of its target; `columns` are in the encoder's order.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::encode`]; [`Error::NeedsEarlierRows`] if the student is recurrent.
    pub fn predict(&self, columns: &[RawColumn<'_>], n_rows: usize) -> Result<Vec<f64>> {
        self.check_independent()?;
        self.encoder.check_shapes(columns, n_rows)?;
        let width = self.outputs.len();
        let mut z = vec![0.0; n_rows * width];
        let batch = batch(self.plan.input_width());
        let mut x = Vec::new();
        for (at, z) in z.chunks_mut(batch * width).enumerate() {
            let rows = at * batch..at * batch + z.len() / width;
            self.encoder.encode_rows(columns, rows.clone(), &mut x)?;
            self.plan.run(&x, rows.len(), z);
        }
        Ok(self.targets(&z, columns, 0..n_rows))
    }

    /// Predictions for the last row of each window, `[windows, outputs]`, each in the unit of its target.
    ///
    /// `columns` are in the encoder's order, and their `n_rows` rows in the order of their series. A window is a range of consecutive rows of one series;
    /// [`window_of`](Self::window_of) gives the window of a row. Each row is encoded once, or a few times in a large table. Predictions are fastest if the
    /// windows are in the order of the rows. A student that is not recurrent uses the last row of each window alone.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::encode`]; [`Error::InvalidWindow`] for a window without rows, or with rows beyond `n_rows`.
    pub fn predict_windows(
        &self,
        columns: &[RawColumn<'_>],
        n_rows: usize,
        windows: &[Range<usize>],
    ) -> Result<Vec<f64>> {
        self.encoder.check_shapes(columns, n_rows)?;
        check_windows(windows, n_rows)?;
        let (width, most) = (self.outputs.len(), batch(self.plan.input_width()));
        let mut z = vec![0.0; windows.len() * width];
        let (mut out, stretches) = (&mut z[..], stretches(windows));
        let (mut rest, mut runner) = (&stretches[..], Runner::new(&self.plan));
        while !rest.is_empty() {
            let (count, rows) = first_batch(rest, most);
            let x = &mut runner.x;
            self.encoder.encode_rows(columns, rows.clone(), x)?;
            let mut at = 0;
            while at < count {
                let most = runner.most_windows(&rest[at]).min(count - at);
                let windows = side_by_side(&rest[at..], most);
                let (own, others) = out.split_at_mut(windows * width);
                runner.run(&rest[at..at + windows], rows.start, own);
                (at, out) = (at + windows, others);
            }
            rest = &rest[count..];
        }
        let last = windows.iter().map(|window| window.end - 1);
        Ok(self.targets(&z, columns, last))
    }

    /// Predictions for consecutive rows of a series, `[rows, outputs]`, each in the unit of its target, by a recurrent student whose memory is
    /// [`Carried`](Memory::Carried). `state` is that after the rows before them, and becomes that after the last row; it is empty before the first row of
    /// the series. So a long series can be predicted piece by piece, with the predictions of [`predict_windows`](Self::predict_windows).
    ///
    /// `columns` are in the encoder's order, with `n_rows` rows.
    ///
    /// # Errors
    ///
    /// [`Error::NotCarried`] for another student; [`Error::InvalidWindow`] for rows beyond `n_rows`; [`Error::InvalidState`] for a state of another length;
    /// the errors of [`Encoder::encode`]. `state` is unchanged then.
    pub fn predict_run(
        &self,
        columns: &[RawColumn<'_>],
        n_rows: usize,
        rows: Range<usize>,
        state: &mut Vec<f32>,
    ) -> Result<Vec<f64>> {
        if self.memory != Some(Memory::Carried) {
            return Err(Error::NotCarried);
        }
        if !state.is_empty() && state.len() != self.plan.state_width() {
            let bytes = 4 * state.len();
            return Err(Error::InvalidState { bytes });
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.encoder.check_shapes(columns, n_rows)?;
        check_windows(core::slice::from_ref(&rows), n_rows)?;
        let (mut x, mut scratch) = (Vec::new(), Scratch::default());
        self.encoder.encode_rows(columns, rows.clone(), &mut x)?;
        state.resize(self.plan.state_width(), 0.0);
        let mut z = vec![0.0; rows.len() * self.outputs.len()];
        let each = x.chunks(self.plan.input_width());
        for (x, z) in each.zip(z.chunks_mut(self.outputs.len())) {
            self.plan.advance(x, state, &mut scratch, z);
        }
        Ok(self.targets(&z, columns, rows))
    }

    /// The rows of a table that a prediction of the row `row` uses, in a series whose rows begin at `run_start`: see [`Memory::window`]. For a student that
    /// is not recurrent, it is the row alone.
    pub fn window_of(&self, run_start: usize, row: usize) -> Range<usize> {
        let alone = Memory::Rolling(1);
        self.memory.unwrap_or(alone).window(run_start, row)
    }

    /// The predictions from the graph's outputs `z`, `[rows, outputs]`; `rows` are the rows of the table that they belong to.
    fn targets(
        &self,
        z: &[f32],
        columns: &[RawColumn<'_>],
        rows: impl Iterator<Item = usize> + Clone,
    ) -> Vec<f64> {
        let outputs = self.outputs.iter().cycle();
        let target = |(&z, output): (&f32, &Output)| output.transform.apply(z);
        let mut all: Vec<f64> = z.iter().zip(outputs).map(target).collect();
        for (at, &column) in self.bases.iter().enumerate() {
            let RawColumn::Number(values) = columns[column] else {
                continue;
            };
            let own = all.iter_mut().skip(at).step_by(self.outputs.len());
            own.zip(rows.clone())
                .for_each(|(out, row)| *out += self.base(column, values[row]));
        }
        all
    }

    /// An error if a prediction needs earlier rows.
    fn check_independent(&self) -> Result<()> {
        match self.memory {
            Some(_) => Err(Error::NeedsEarlierRows),
            None => Ok(()),
        }
    }

    /// The prediction for one raw row, in the target's unit; only for a student with one output.
    ///
    /// # Errors
    ///
    /// The errors of [`predict_row_into`](Self::predict_row_into); [`Error::SeveralOutputs`] if the student has more than one output.
    pub fn predict_row(&self, row: &[Value<'_>]) -> Result<f64> {
        self.predict_row_with(row, &mut Scratch::default())
    }

    /// Like [`predict_row`](Self::predict_row), but does not allocate after the first call with the same scratch.
    ///
    /// # Errors
    ///
    /// The errors of [`predict_row`](Self::predict_row).
    pub fn predict_row_with(&self, row: &[Value<'_>], scratch: &mut Scratch) -> Result<f64> {
        if self.outputs.len() > 1 {
            let outputs = self.outputs.len();
            return Err(Error::SeveralOutputs { outputs });
        }
        let mut prediction = [0.0];
        self.predict_row_into(row, scratch, &mut prediction)?;
        Ok(prediction[0])
    }

    /// Writes the predictions for one raw row into `out`, one per output, each in its target's unit.
    ///
    /// Does not allocate after the first call with the same scratch.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::encode_row`]; [`Error::BufferLength`] if `out` does not hold one number per output; [`Error::NeedsEarlierRows`] if the
    /// student is recurrent.
    pub fn predict_row_into(
        &self,
        row: &[Value<'_>],
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<()> {
        self.check_independent()?;
        self.predict_next(row, None, scratch, out)
    }

    /// Like [`predict_row_into`](Self::predict_row_into), for the next row of a series if there is a memory.
    fn predict_next(
        &self,
        row: &[Value<'_>],
        recall: Option<&mut Recall>,
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<()> {
        let encode = |x: &mut [f32]| self.encoder.encode_row(row, x);
        self.predict_encoded(encode, recall, scratch, out)?;
        self.add_bases(|column| row[column], out);
        Ok(())
    }

    /// The number that is added to an output for the value `x` of its base column: a missing value is imputed, as in the column's encoding.
    fn base(&self, column: usize, x: f64) -> f64 {
        let column = &self.encoder.columns[column];
        let known = column.missing.read(x);
        match column.encoding {
            Encoding::Number { impute, .. } if known.is_nan() => impute,
            _ => known,
        }
    }

    /// Adds to each output the value of its base column. `value` returns the value of a column, given by its index.
    pub(crate) fn add_bases<'v>(&self, value: impl Fn(usize) -> Value<'v>, out: &mut [f64]) {
        for (out, &column) in out.iter_mut().zip(&self.bases) {
            let x = match value(column) {
                Value::Number(x) => x,
                Value::Missing | Value::Time(_) | Value::Text(_) => f64::NAN,
            };
            *out += self.base(column, x);
        }
    }

    /// Like [`predict_row_into`](Self::predict_row_into) without the bases; `encode` writes the encoded row. `recall` is the memory of a recurrent
    /// student; the row is added to it, unless there is an error.
    pub(crate) fn predict_encoded(
        &self,
        encode: impl FnOnce(&mut [f32]) -> Result<()>,
        recall: Option<&mut Recall>,
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<()> {
        let (found, expected) = (out.len(), self.outputs.len());
        if found != expected {
            return Err(Error::BufferLength {
                what: "the buffer of predictions",
                found,
                expected,
            });
        }
        let mut x = core::mem::take(&mut scratch.encoded);
        let mut z = core::mem::take(&mut scratch.output);
        x.resize(self.plan.input_width(), 0.0);
        z.resize(expected, 0.0);
        let encoded = encode(&mut x);
        if encoded.is_ok() {
            match recall {
                Some(recall) => recall.push(&x, &self.plan, scratch, &mut z),
                None => self.plan.run_row(&x, scratch, &mut z),
            }
            for ((out, z), output) in out.iter_mut().zip(&z).zip(&self.outputs) {
                *out = output.transform.apply(*z);
            }
        }
        (scratch.encoded, scratch.output) = (x, z);
        encoded
    }

    /// The input column whose value is added to an output, by their indices; `None` if nothing is added. See [`Sequence::relative`].
    pub fn base_column(&self, output: usize) -> Option<usize> {
        self.bases.get(output).copied()
    }

    /// The graph, compiled for execution.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of fitted parameters that a prediction uses, in encoder, graph, target transforms and regimes; each category level counts as one.
    pub fn parameters(&self) -> usize {
        let targets = self
            .outputs
            .iter()
            .map(|output| output.transform.parameters());
        let sequence = self.sequence.as_ref();
        let regimes = sequence.and_then(|sequence| sequence.regimes.as_ref());
        let regimes = regimes.map_or(0, crate::Regimes::parameters);
        self.encoder.parameters() + self.graph.parameters() + targets.sum::<usize>() + regimes
    }

    /// Predicts the golden rows again and compares the results with the stored predictions.
    ///
    /// With stored prediction `p` and the scale `s` of the output's [`TargetTransform`], the difference may be at most `1e-5 · (|p| + |s|)`. For a
    /// logarithmic target, it may be at most `1e-5 · (|p| + |s| · |p|)`.
    ///
    /// # Errors
    ///
    /// [`Error::GoldenMismatch`] names the first row whose difference is larger.
    pub fn verify_golden(&self) -> Result<()> {
        let all = self.predict_golden()?;
        for (row, (golden, found)) in self.golden.iter().zip(all).enumerate() {
            for (output, (&found, &expected)) in self
                .outputs
                .iter()
                .zip(found.iter().zip(&golden.predictions))
            {
                output.check_golden(row, found, expected)?;
            }
        }
        Ok(())
    }

    /// The predictions that the student makes now for its golden rows: for each row, one per output.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::encode_row`].
    pub fn predict_golden(&self) -> Result<Vec<Vec<f64>>> {
        self.predict_rows(self.golden.iter().map(|golden| golden.raw.as_slice()))
    }

    /// The predictions for rows, which are consecutive rows of one series if the student is recurrent.
    fn predict_rows<'r>(
        &self,
        rows: impl Iterator<Item = &'r [GoldenValue]>,
    ) -> Result<Vec<Vec<f64>>> {
        let (mut recall, mut scratch) = (self.recall(), Scratch::default());
        let predict = |raw: &[GoldenValue]| {
            let row: Vec<Value<'_>> = raw.iter().map(GoldenValue::as_value).collect();
            let mut out = vec![0.0; self.outputs.len()];
            self.predict_next(&row, recall.as_mut(), &mut scratch, &mut out)?;
            Ok(out)
        };
        rows.map(predict).collect()
    }

    /// An empty memory; `None` if the student is not recurrent.
    pub(crate) fn recall(&self) -> Option<Recall> {
        let memory = self.memory?;
        Some(Recall::new(memory, &self.plan))
    }

    /// The bytes of the student's file; the same student always gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] for a value that JSON cannot hold; a checked student has no such value.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.to_container()?.to_bytes())
    }

    /// Reads a student from the bytes of its file. Invalid bytes give an error, never a panic.
    ///
    /// # Errors
    ///
    /// The errors of [`Container::from_bytes`] and [`new`](Self::new).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Student::from_container(&Container::from_bytes(bytes, KIND)?)
    }

    /// Writes the student's file, completely or not at all; see [`Container::save`].
    ///
    /// # Errors
    ///
    /// The errors of [`Container::save`].
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        self.to_container()?.save(path)
    }

    /// Reads a student from its file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::TooLarge`], or the errors of [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Student::from_container(&Container::load(path, KIND)?)
    }

    fn to_container(&self) -> Result<Container> {
        let mut file = Container::new(KIND);
        file.put_encoder("encoder", &self.encoder)?;
        file.put_graph("graph", &self.graph);
        let is_newer = |column: &InputColumn| {
            !column.missing.is_empty() || column.date.is_some() || column.history.is_some()
        };
        let is_newer = self.sequence.is_some()
            || self.memory.is_some()
            || self.intervals.is_some()
            || self.encoder.columns.iter().any(is_newer);
        match &self.outputs[..] {
            [
                Output {
                    name,
                    transform,
                    later: None,
                },
            ] if !is_newer => {
                file.put_json("target", transform)?;
                file.put("target_name", name.as_str());
            }
            outputs => {
                file.needs_second_format();
                file.put_json("outputs", &outputs)?;
            }
        }
        if let Some(sequence) = &self.sequence {
            file.put_json("sequence", sequence)?;
        }
        if let Some(memory) = &self.memory {
            file.put_json("memory", memory)?;
        }
        if let Some(intervals) = &self.intervals {
            intervals.write(&mut file)?;
        }
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
            outputs: outputs(file)?,
            sequence: optional(file, "sequence")?,
            memory: optional(file, "memory")?,
            intervals: file
                .has("intervals")
                .then(|| Intervals::read(file))
                .transpose()?,
            provenance: file.json("provenance")?,
            golden: golden
                .into_iter()
                .map(GoldenText::read)
                .collect::<Result<_>>()?,
        })
    }
}

/// Reads the value under a key; `None` if the file has no such key.
fn optional<T: DeserializeOwned>(file: &Container, key: &str) -> Result<Option<T>> {
    file.has(key).then(|| file.json(key)).transpose()
}

/// An error for the first window that is empty, or reaches beyond the rows.
fn check_windows(windows: &[Range<usize>], rows: usize) -> Result<()> {
    let is_wrong = |window: &Range<usize>| window.is_empty() || window.end > rows;
    match windows.iter().position(is_wrong) {
        None => Ok(()),
        Some(window) => {
            let Range { start, end } = windows[window];
            Err(Error::InvalidWindow {
                window,
                start,
                end,
                rows,
            })
        }
    }
}

/// Runs stretches of encoded rows, with the state from one to the next.
struct Runner<'p> {
    plan: &'p Plan,
    scratch: Scratch,
    state: Vec<f32>,
    /// Encoded rows of a table.
    x: Vec<f32>,
    /// The rows of several windows, `[rows, windows, width]`.
    turned: Vec<f32>,
}

impl<'p> Runner<'p> {
    fn new(plan: &'p Plan) -> Self {
        Runner {
            plan,
            scratch: Scratch::default(),
            state: vec![0.0; plan.state_width()],
            x: Vec::new(),
            turned: Vec::new(),
        }
    }

    /// How many stretches like this may run side by side.
    fn most_windows(&self, stretch: &Stretch) -> usize {
        (BATCH / (stretch.rows.len() * self.plan.input_width())).clamp(1, MOST_WINDOWS)
    }

    /// Writes the outputs for the last row of each of some stretches, which can run side by side; the encoded rows begin with the row `from` of the table.
    fn run(&mut self, stretches: &[Stretch], from: usize, out: &mut [f32]) {
        if let [stretch] = stretches {
            return self.run_one(stretch, from, out);
        }
        let (width, rows) = (self.plan.input_width(), stretches[0].rows.len());
        self.turned.clear();
        for row in 0..rows {
            for stretch in stretches {
                let at = (stretch.rows.start + row - from) * width;
                self.turned.extend(&self.x[at..at + width]);
            }
        }
        let windows = stretches.len();
        self.plan
            .run_windows(&self.turned, windows, &mut self.scratch, out);
    }

    fn run_one(&mut self, stretch: &Stretch, from: usize, out: &mut [f32]) {
        if !stretch.goes_on {
            self.state.fill(0.0);
        }
        let (width, &Range { start, end }) = (self.plan.input_width(), &stretch.rows);
        let x = &self.x[(start - from) * width..(end - from) * width];
        self.plan
            .advance(x, &mut self.state, &mut self.scratch, out);
    }
}

/// Reads the outputs from a file of format `limbeck-1` or `limbeck-2`.
fn outputs(file: &Container) -> Result<Vec<Output>> {
    if file.is_second_format() {
        return file.json("outputs");
    }
    let (name, transform) = (file.text("target_name")?, file.json("target")?);
    Ok(vec![Output::new(name, transform)])
}

impl Output {
    /// The largest difference from the stored prediction `expected` that [`Student::verify_golden`] accepts.
    pub fn golden_tolerance(&self, expected: f64) -> f64 {
        GOLDEN_TOLERANCE * (expected.abs() + self.transform.slope_at(expected))
    }

    fn check_golden(&self, row: usize, found: f64, expected: f64) -> Result<()> {
        let tolerance = self.golden_tolerance(expected);
        // Written with `<=` so that NaN is a mismatch.
        if (found - expected).abs() <= tolerance {
            return Ok(());
        }
        Err(Error::GoldenMismatch {
            row,
            target: self.name.clone(),
            found,
            expected,
            tolerance,
        })
    }
}

impl StudentParts {
    /// For each output, the index of the column whose value is added to it; empty if nothing is added. An error says what is missing.
    fn bases(&self) -> core::result::Result<Vec<usize>, String> {
        let is_relative = |sequence: &Sequence| sequence.relative;
        if !self.sequence.as_ref().is_some_and(is_relative) {
            return Ok(Vec::new());
        }
        let of = |output: &Output| {
            let is_own = |column: &InputColumn| {
                let is_raw = column.date.is_none() && column.history.is_none();
                column.name == output.column()
                    && is_raw
                    && matches!(column.encoding, Encoding::Number { .. })
            };
            let place = self.encoder.columns.iter().position(is_own);
            let name = output.column();
            match (place, output.transform) {
                (Some(place), TargetTransform::Affine { .. }) => Ok(place),
                (None, _) => Err(format!(
                    "the student predicts changes of `{name}`, but has no number column `{name}` to add them to"
                )),
                (_, TargetTransform::LogAffine { .. }) => Err(format!(
                    "the student predicts changes of `{name}`, but with a logarithmic transform"
                )),
            }
        };
        self.outputs.iter().map(of).collect()
    }

    fn fault(&self, plan: &Plan) -> Option<String> {
        let (encoded, read, written) = (
            self.encoder.width(),
            plan.input_width(),
            plan.output_width(),
        );
        if encoded != read {
            return Some(format!(
                "the encoder makes {encoded} numbers per row, but the graph reads {read} per row"
            ));
        }
        let named = self.outputs.len();
        if written != named || named == 0 {
            return Some(format!(
                "outputs of its network or trees: {written}, names of outputs: {named}; expected two equal numbers above 0"
            ));
        }
        let sequence = self.sequence.as_ref();
        let step = sequence.and_then(|sequence| sequence.longest_step);
        if step.is_some_and(|step| !(step.is_finite() && step >= 0.0)) {
            return Some(
                "the longest step between rows of a series is not a number of 0 or more".into(),
            );
        }
        let regimes = sequence.and_then(|sequence| sequence.regimes.as_ref());
        self.memory_fault(plan)
            .or_else(|| regimes.and_then(|regimes| regimes.fault()))
            .or_else(|| self.outputs_fault())
            .or_else(|| self.intervals.as_ref()?.fault(self.outputs.len()))
            .or_else(|| {
                self.golden
                    .iter()
                    .enumerate()
                    .find_map(|one| self.golden_fault(one))
            })
    }

    fn memory_fault(&self, plan: &Plan) -> Option<String> {
        match (self.memory, plan.is_recurrent()) {
            (None, false) => None,
            (Some(memory), true) => memory.fault(plan.input_width()),
            (None, true) => Some(
                "its graph is recurrent, but it has no memory; set `memory` to `Memory::Rolling` or `Memory::Carried`".into(),
            ),
            (Some(_), false) => Some(
                "it has a memory, but its graph is not recurrent; set `memory` to `None`".into(),
            ),
        }
    }

    fn outputs_fault(&self) -> Option<String> {
        let mut outputs = self.outputs.iter().enumerate();
        outputs.find_map(|(at, output)| {
            let (name, transform) = (&output.name, &output.transform);
            if self.outputs[..at].iter().any(|other| other.name == *name) {
                return Some(format!("two outputs are named `{name}`"));
            }
            let misnamed = |later: &&Later| later.horizon == 0 || later.name() != *name;
            if let Some(later) = output.later.as_ref().filter(misnamed) {
                return Some(format!(
                    "output `{name}` predicts column `{}` {} rows ahead, expected at least 1 row ahead, and the name `{}`",
                    later.column,
                    later.horizon,
                    later.name()
                ));
            }
            let is_finite = transform.is_finite();
            (!is_finite)
                .then(|| format!("the transform of `{name}` has a number that is not finite"))
        })
    }

    fn golden_fault(&self, (row, golden): (usize, &Golden)) -> Option<String> {
        let reason = golden.fault(self.encoder.columns.len(), self.outputs.len())?;
        Some(format!(
            "golden row {row} (a stored test example): {reason}"
        ))
    }
}

impl Golden {
    fn fault(&self, columns: usize, outputs: usize) -> Option<String> {
        let is_finite =
            |value: &GoldenValue| !matches!(value, GoldenValue::Number(x) if !x.is_finite());
        if self.raw.len() != columns {
            return Some(format!(
                "number of values: found {}, expected {columns} (one per column)",
                self.raw.len()
            ));
        }
        if self.predictions.len() != outputs {
            let found = self.predictions.len();
            return Some(format!(
                "number of predictions: found {found}, expected {outputs} (one per output)"
            ));
        }
        if !self.raw.iter().all(is_finite) || !self.predictions.iter().all(|y| y.is_finite()) {
            return Some(
                "one of its numbers is not finite; write missing values as `missing`".into(),
            );
        }
        None
    }
}

impl GoldenText {
    fn write(golden: &Golden) -> Self {
        let cell = |value: &GoldenValue| match value {
            GoldenValue::Number(x) => CellText::Number(format_hex(*x)),
            GoldenValue::Time(seconds) => CellText::Time(*seconds),
            GoldenValue::Text(text) => CellText::Text(text.clone()),
            GoldenValue::Missing => CellText::Missing,
        };
        let texts = golden.predictions.iter().map(|&y| format_hex(y));
        let mut predictions: Vec<String> = texts.collect();
        let prediction = match predictions.len() {
            1 => predictions.pop(),
            _ => None,
        };
        GoldenText {
            raw: golden.raw.iter().map(cell).collect(),
            prediction,
            predictions,
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
                CellText::Time(seconds) => GoldenValue::Time(seconds),
                CellText::Text(text) => GoldenValue::Text(text),
                CellText::Missing => GoldenValue::Missing,
            })
        };
        let raw = self.raw.into_iter().map(cell).collect::<Result<_>>()?;
        let predictions = self.prediction.into_iter().chain(self.predictions);
        Ok(Golden {
            raw,
            predictions: predictions.map(number).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Node, Op, Scaling, TreeEnsemble, fnv::fnv1a};
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
            InputColumn::new("x", number),
            InputColumn::new("c", category),
        ];
        let ple = Op::Ple {
            edges: vec![vec![-3.0, 0.0, 3.0], vec![], vec![], vec![], vec![]],
        };
        // Weights: 1 and 10 for the bins, 100 for missing, 1000 for level a, 2000 for ü", 3000 for other.
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
            outputs: vec![Output::new(
                "y",
                TargetTransform::Affine {
                    scale: 2.0,
                    shift: 0.1,
                },
            )],
            sequence: None,
            memory: None,
            intervals: None,
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
        // x = −1 is the lowest reference: it becomes −3 and fills no bin. Level ü" gives 2000. Then: plus the bias, times 2, plus 0.1.
        let low = student
            .predict_row(&[Value::Number(-1.0), Value::Text("ü\"")])
            .unwrap();
        assert_eq!(low, 2.0 * 2000.5 + 0.1);
        // Above the last reference: +3, which fills both bins. The unseen level gives other.
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
        // Encoder: 1 + 4, and 2 levels. Graph: 3 edges, 6 weights, 1 bias. Transform: 2.
        assert_eq!(student.parameters(), 7 + 10 + 2);
    }

    /// A student of one hashed category with `buckets` outputs; its graph's output is 1 for texts in the bucket of `level 7`, else 0.
    fn hashed(buckets: u32) -> Result<Student> {
        let columns = vec![InputColumn::new("c", Encoding::Hashed { buckets })];
        let bucket = (fnv1a(b"level 7") % u64::from(buckets)) as u32;
        let tree = Op::TreeEnsemble(TreeEnsemble {
            roots: vec![0],
            inputs: vec![2 * bucket],
            threshold: vec![0.5],
            children: vec![1, 2],
            leaves: vec![0.0, 1.0],
        });
        let graph = Graph::new(buckets as usize, vec![Node::new(tree, [0])])?;
        Student::new(StudentParts {
            encoder: Encoder::new(columns)?,
            graph,
            ..parts()
        })
    }

    #[test]
    fn file_with_intervals_round_trips() {
        let widths = crate::Widths {
            count: 30,
            scores: crate::Widths::levels(30)
                .map(|level| level as f32)
                .collect(),
            spread: vec![(-1.0, 0.1), (1e300, 1.0 / 3.0)],
        };
        let intervals = Intervals {
            levels: vec![0.5, 0.9],
            outputs: vec![widths],
        };
        let plain = student();
        let with = plain
            .clone()
            .with_intervals(Some(intervals.clone()))
            .unwrap();
        let bytes = with.to_bytes().unwrap();
        assert_eq!(Student::from_bytes(&bytes).unwrap(), with);
        // Files without intervals have the bytes of earlier versions.
        let without = with.clone().with_intervals(None).unwrap();
        assert_eq!(without.to_bytes().unwrap(), plain.to_bytes().unwrap());
        assert!(plain.interval(0, 1.0, 0.9).is_err());
        let found = with.predict_interval(
            &[
                RawColumn::Number(&[0.1]),
                RawColumn::Category {
                    codes: &[0],
                    levels: &["a".into()],
                },
            ],
            1,
            0.9,
        );
        let found = found.unwrap()[0];
        let half = f64::from(0.9f32)
            * with.intervals.as_ref().unwrap().outputs[0].spread_at(found.prediction);
        assert_eq!(
            (found.low, found.high),
            (found.prediction - half, found.prediction + half)
        );
        // Intervals that do not fit are refused.
        let wrong = |change: &dyn Fn(&mut Intervals)| {
            let mut other = intervals.clone();
            change(&mut other);
            plain
                .clone()
                .with_intervals(Some(other))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong(&|one| one.outputs.clear()).contains("for 0 outputs"));
        assert!(wrong(&|one| one.levels = vec![0.99]).contains("the level 0.99"));
        assert!(wrong(&|one| one.levels = vec![0.9, 0.5]).contains("not ascending"));
        assert!(wrong(&|one| one.outputs[0].count = 0).contains("from 0 rows"));
    }

    #[test]
    fn wide_rows_are_predicted_in_batches() {
        let student = hashed(1 << 19).unwrap();
        let levels: Vec<String> = (0..40).map(|i| format!("level {i}")).collect();
        let mut codes: Vec<u32> = (0..40).collect();
        let batched = student
            .predict(
                &[RawColumn::Category {
                    codes: &codes,
                    levels: &levels,
                }],
                40,
            )
            .unwrap();
        let single = levels
            .iter()
            .map(|level| student.predict_row(&[Value::Text(level)]).unwrap());
        assert_eq!(batched, single.collect::<Vec<_>>());
        assert_eq!(batched[7], 2.1);
        // The message names the row of the whole table, not of the batch.
        codes[33] = 99;
        let columns = [RawColumn::Category {
            codes: &codes,
            levels: &levels,
        }];
        let error = student.predict(&columns, 40).unwrap_err();
        assert!(
            matches!(error, Error::InvalidCode { row: 33, .. }),
            "{error}"
        );
    }

    #[test]
    fn windows_of_wide_rows_are_predicted_in_batches() {
        // Eight rows in a batch.
        const WIDTH: usize = 1 << 19;
        let levels: Vec<String> = (0..20).map(|i| format!("level {i}")).collect();
        let codes: Vec<u32> = (0..20).collect();
        let columns = [RawColumn::Category {
            codes: &codes,
            levels: &levels,
        }];
        let layer = crate::Recurrent {
            cell: crate::Cell::Gru,
            inputs: WIDTH,
            units: 1,
            weight: (0..3 * WIDTH)
                .map(|i| (i % 31) as f32 / 16.0 - 1.0)
                .collect(),
            recurrent: vec![0.5, -0.5, 1.0],
            bias: vec![0.25, -0.5, 0.0, 0.125],
        };
        for memory in [Memory::Rolling(2), Memory::Carried] {
            let mut parts = hashed(WIDTH as u32).unwrap().into_parts();
            parts.graph =
                Graph::new(WIDTH, vec![Node::new(Op::Recurrent(layer.clone()), [0])]).unwrap();
            parts.memory = Some(memory);
            let student = Student::new(parts).unwrap();
            let windows: Vec<_> = (0..20)
                .map(|row| student.window_of(row / 12 * 12, row))
                .collect();
            let found = student.predict_windows(&columns, 20, &windows).unwrap();
            let mut state = Vec::new();
            let mut run = |rows| student.predict_run(&columns, 20, rows, &mut state);
            match memory {
                Memory::Rolling(_) => assert!(matches!(run(0..5), Err(Error::NotCarried))),
                Memory::Carried => {
                    // Piece by piece.
                    let pieces = [0..5, 5..5, 5..12].map(|rows| run(rows).unwrap());
                    assert_eq!(pieces.concat(), found[..12]);
                    assert!(matches!(run(12..21), Err(Error::InvalidWindow { .. })));
                    let mut other = vec![0.0; 2];
                    let refused = student.predict_run(&columns, 20, 0..1, &mut other);
                    assert!(matches!(refused, Err(Error::InvalidState { bytes: 8 })));
                }
            }
            let mut stream = crate::Stream::new(&student);
            for (row, (level, found)) in levels.iter().zip(&found).enumerate() {
                if row == 12 {
                    stream.reset();
                }
                assert_eq!(
                    stream.push(&[Value::Text(level)]).unwrap(),
                    *found,
                    "row {row}"
                );
            }
        }
    }

    #[test]
    fn absurd_widths_are_refused() {
        let error = hashed(16_777_201).unwrap_err();
        assert!(matches!(error, Error::InvalidGraph { .. }), "{error}");
    }

    #[test]
    fn batches_are_multiples_of_a_block_or_few_wide_rows() {
        assert_eq!(batch(30) % BLOCK, 0);
        assert_eq!(batch(1), BATCH);
        assert_eq!(batch(1 << 20), 4);
        assert_eq!(batch(1 << 30), 1);
    }

    #[test]
    fn log_target_is_an_exponential() {
        let target = TargetTransform::LogAffine {
            scale: 2.0,
            shift: 1.0,
        };
        assert!((target.apply(0.5) - 7.38905609893065).abs() < 1e-14);
    }

    /// The student of [`parts`] with a second output: half of the first, with a logarithmic transform.
    fn several() -> Student {
        let mut parts = parts();
        parts.graph.nodes[1].op = Op::Linear {
            rows: 6,
            cols: 2,
            weight: [1.0, 10.0, 100.0, 1000.0, 2000.0, 3000.0]
                .into_iter()
                .flat_map(|w| [w, w / 2000.0])
                .collect(),
            bias: vec![0.5, 0.0],
        };
        parts.outputs.push(Output::new(
            "z",
            TargetTransform::LogAffine {
                scale: 1.0,
                shift: 2.0,
            },
        ));
        let rows = vec![vec![
            GoldenValue::Number(0.25),
            GoldenValue::Text("a".into()),
        ]];
        Student::new(parts).unwrap().with_golden(rows).unwrap()
    }

    #[test]
    fn several_outputs_are_worked_by_hand() {
        let student = several();
        let row = [Value::Number(-1.0), Value::Text("ü\"")];
        let (mut scratch, mut out) = (Scratch::default(), [0.0; 2]);
        student
            .predict_row_into(&row, &mut scratch, &mut out)
            .unwrap();
        assert_eq!(out, [2.0 * 2000.5 + 0.1, libm::exp(3.0)]);
        let levels = ["z".into(), "ü\"".into()];
        let columns = [
            RawColumn::Number(&[-1.0, -1.0]),
            RawColumn::Category {
                codes: &[1, 1],
                levels: &levels,
            },
        ];
        assert_eq!(student.predict(&columns, 2).unwrap(), [out, out].concat());
        // Encoder: 1 + 4, and 2 levels. Graph: 3 edges, 12 weights, 2 biases. Transforms: 2 each.
        assert_eq!(student.parameters(), 7 + 17 + 4);
        assert!(matches!(
            student.predict_row(&row),
            Err(Error::SeveralOutputs { outputs: 2 })
        ));
        assert!(matches!(
            student.predict_row_into(&row, &mut scratch, &mut [0.0]),
            Err(Error::BufferLength { .. })
        ));
    }

    #[test]
    fn file_rejects_an_output_whose_name_does_not_fit_its_horizon() {
        let read = |name: &str, horizon: u32| {
            let student = several();
            let mut outputs = student.outputs.clone();
            outputs[1].name = name.into();
            outputs[1].later = Some(Later {
                column: "z".into(),
                horizon,
            });
            let mut file = student.to_container().unwrap();
            file.put_json("outputs", &outputs).unwrap();
            Student::from_bytes(&file.to_bytes()).map(|read| read.outputs == outputs)
        };
        assert_eq!(read("z.ahead6", 6).ok(), Some(true));
        for (name, horizon) in [("z", 6), ("z.ahead1", 6), ("z.ahead0", 0)] {
            let error = read(name, horizon).unwrap_err().to_string();
            let expected =
                format!("output `{name}` predicts column `z` {horizon} rows ahead, expected");
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn several_outputs_need_the_second_format() {
        let format = |student: &Student| {
            let bytes = student.to_bytes().unwrap();
            assert_eq!(&Student::from_bytes(&bytes).unwrap(), student);
            let at = bytes.windows(8).position(|window| window == b"limbeck-");
            bytes[at.unwrap() + 8]
        };
        assert_eq!((format(&student()), format(&several())), (b'1', b'2'));
        several().verify_golden().unwrap();
        let mut parts = several().into_parts();
        parts.golden[0].predictions[1] *= 1.001;
        let error = Student::new(parts).unwrap().verify_golden().unwrap_err();
        assert!(
            error.to_string().contains("golden row 0, target `z`"),
            "{error}"
        );
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
        // With all inputs missing, the prediction is 2 · (0.5 + 100 + 3000 + bins) + 0.1, near 6 200: the tolerance is 0.06.
        parts.golden[1].predictions[0] += 0.05;
        Student::new(parts.clone())
            .unwrap()
            .verify_golden()
            .unwrap();
        parts.golden[1].predictions[0] += 0.05;
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
                .contains("makes 2 numbers per row, but the graph reads 5")
        );
        assert!(message(&|p| p.graph.nodes.truncate(1)).contains("trees: 6, names of outputs: 1;"));
        assert!(message(&|p| p.outputs.clear()).contains("trees: 1, names of outputs: 0;"));
        assert!(
            message(&|p| p.outputs[0].transform = TargetTransform::Affine {
                scale: f64::NAN,
                shift: 0.0
            })
            .contains("not finite")
        );
        assert!(
            message(&|p| p.golden.push(Golden {
                raw: vec![],
                predictions: vec![0.0]
            }))
            .contains("golden row 0 (a stored test example): number of values: found 0")
        );
        let raw = vec![GoldenValue::Number(f64::NAN), GoldenValue::Missing];
        assert!(
            message(&|p| p.golden.push(Golden {
                raw: raw.clone(),
                predictions: vec![0.0]
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
        // Folders and devices are not replaced, and no temporary file remains.
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
