//! Prediction row by row, for students that look back on earlier rows.

use alloc::{format, string::String, vec, vec::Vec};

use crate::{Error, History, Result, Scratch, Student, Value};

/// Predicts a series row by row: each [`push`](Self::push) takes one raw row and returns its prediction.
///
/// The stream keeps the earlier rows that the student needs, and nothing else. It allocates no memory after the first rows. A student without columns
/// of earlier rows may be used, too; then no row is kept.
///
/// The predictions are those for the same rows in a table: [`Student::predict`] on columns that contain the statistics of earlier rows.
///
/// ```
/// use limbeck_runtime::*;
/// let number = |center| Encoding::Number {
///     impute: 0.0,
///     indicator: false,
///     scaling: Scaling::Standard { center, scale: 1.0 },
/// };
/// // Predicts the mean of the last two loads.
/// let mut mean = InputColumn::new("load.mean2", number(0.0));
/// mean.history = Some(HistorySource { column: "load".into(), look: "mean2".parse().unwrap(), missing: Default::default() });
/// let student = Student::new(StudentParts {
///     encoder: Encoder::new(vec![mean])?,
///     graph: Graph::new(1, vec![Node::new(Op::Relu, [0])])?,
///     outputs: vec![Output { name: "y".into(), transform: TargetTransform::Affine { scale: 1.0, shift: 0.0 } }],
///     sequence: None,
///     provenance: Default::default(),
///     golden: vec![],
/// })?;
/// let mut stream = Stream::new(&student);
/// assert_eq!(stream.inputs(), ["load"]);
/// assert_eq!(stream.push(&[Value::Number(4.0)])?, 4.0);
/// assert_eq!(stream.push(&[Value::Number(6.0)])?, 5.0);
/// stream.reset();
/// assert_eq!(stream.push(&[Value::Number(6.0)])?, 6.0);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<'s> {
    student: &'s Student,
    inputs: Vec<String>,
    /// Where the value of each column of the student comes from.
    origins: Vec<Origin>,
    /// For each column of the history, its input.
    kept: Vec<usize>,
    history: History,
    /// The row that is pushed: one number per column of the history.
    numbers: Vec<f64>,
    scratch: Scratch,
}

/// Where the value of a student's column comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// The input with this index.
    Input(usize),
    /// The source of the history with this index.
    History(usize),
}

impl<'s> Stream<'s> {
    /// A stream without earlier rows.
    pub fn new(student: &'s Student) -> Self {
        let columns = &student.encoder.columns;
        let sources = columns.iter().filter_map(|column| column.history.as_ref());
        let history = History::new(sources);
        let mut inputs: Vec<String> = Vec::new();
        let mut of = |name: &str| {
            let known = inputs.iter().position(|input| input == name);
            known.unwrap_or_else(|| {
                inputs.push(name.into());
                inputs.len() - 1
            })
        };
        let mut looks = 0..;
        let origins = columns.iter().map(|column| match &column.history {
            Some(_) => Origin::History(looks.next().unwrap_or(0)),
            None => Origin::Input(of(column
                .date
                .as_ref()
                .map_or(&column.name, |date| &date.column))),
        });
        let origins = origins.collect();
        let kept: Vec<usize> = history.columns().map(&mut of).collect();
        Self {
            student,
            inputs,
            origins,
            numbers: vec![0.0; kept.len()],
            kept,
            history,
            scratch: Scratch::default(),
        }
    }

    /// Names of the raw columns whose values [`push`](Self::push) takes, in order: the student's columns that are not computed from earlier rows, then
    /// columns that are needed for earlier rows only. A date column is one input, even if the student reads several parts of its dates.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Predicts the next row of the series; only for a student with one output. `row` has one value per input, in the order of
    /// [`inputs`](Self::inputs).
    ///
    /// # Errors
    ///
    /// The errors of [`push_into`](Self::push_into); [`Error::SeveralOutputs`] if the student has more than one output.
    pub fn push(&mut self, row: &[Value<'_>]) -> Result<f64> {
        let outputs = self.student.outputs.len();
        if outputs > 1 {
            return Err(Error::SeveralOutputs { outputs });
        }
        let mut prediction = [0.0];
        self.push_into(row, &mut prediction)?;
        Ok(prediction[0])
    }

    /// Like [`push`](Self::push), but writes the prediction of each output into `out`.
    ///
    /// # Errors
    ///
    /// [`Error::ColumnCount`] if `row` has another number of values than there are inputs; [`Error::ColumnKind`] for a text or a date in a column
    /// whose earlier rows are needed; the errors of [`Student::predict_row_into`]. After the first two errors, the row is not part of the series.
    pub fn push_into(&mut self, row: &[Value<'_>], out: &mut [f64]) -> Result<()> {
        if row.len() != self.inputs.len() {
            let names: Vec<String> = self.inputs.iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::ColumnCount {
                found: row.len(),
                expected: self.inputs.len(),
                names: names.join(", "),
            });
        }
        for (number, &input) in self.numbers.iter_mut().zip(&self.kept) {
            *number = match row[input] {
                Value::Number(x) => x,
                Value::Missing => f64::NAN,
                Value::Time(_) | Value::Text(_) => {
                    return Err(Error::ColumnKind {
                        column: self.inputs[input].clone(),
                        found: "a date or a text",
                        expected: "numbers",
                    });
                }
            };
        }
        self.history.push(&self.numbers);
        let (history, origins) = (&self.history, &self.origins);
        let value = |column: usize| match origins[column] {
            Origin::Input(input) => row[input],
            Origin::History(source) => Value::Number(history.value(source)),
        };
        let encode = |x: &mut [f32]| self.student.encoder.encode_values(value, x);
        self.student
            .predict_encoded(encode, &mut self.scratch, out)?;
        self.student.add_bases(value, out);
        Ok(())
    }

    /// Forgets all rows, before the first row of another series or after a gap.
    pub fn reset(&mut self) {
        self.history.reset();
    }

    /// The kept rows as bytes, for [`restore`](Self::restore): for each column, the number of values as 4 bytes, and the values as 8 bytes each, the
    /// oldest first; little-endian.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for values in self.history.kept() {
            bytes.extend((values.len() as u32).to_le_bytes());
            values
                .iter()
                .for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        bytes
    }

    /// Replaces the kept rows by those of [`state`](Self::state), which may come from another stream of the same student. So a stream can go on after a
    /// restart of the program.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidState`] if `state` is not the state of a stream of this student; the stream is unchanged then.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let kept = columns_of(state).filter(|kept| self.history.restore(kept));
        kept.map(|_| ())
            .ok_or(Error::InvalidState { bytes: state.len() })
    }
}

/// The columns of a state; `None` if its bytes end early.
fn columns_of(mut state: &[u8]) -> Option<Vec<Vec<f64>>> {
    let mut columns = Vec::new();
    while !state.is_empty() {
        let (count, rest) = state.split_first_chunk::<4>()?;
        let length = (u32::from_le_bytes(*count) as usize).checked_mul(8)?;
        let (values, rest) = rest.split_at_checked(length)?;
        let values = values.as_chunks::<8>().0.iter();
        columns.push(values.map(|value| f64::from_le_bytes(*value)).collect());
        state = rest;
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Encoder, Encoding, Graph, HistorySource, InputColumn, Node, Op, Output, RawColumn, Scaling,
        StudentParts, TargetTransform,
    };

    /// A student that reads a level, its change, a date and the mean of a second column.
    fn student() -> Student {
        let number = || Encoding::Number {
            impute: 0.5,
            indicator: true,
            scaling: Scaling::Standard {
                center: 1.0,
                scale: 3.0,
            },
        };
        let history = |column: &str, look: &str| {
            let mut made = InputColumn::new(format!("{column}.{look}"), number());
            made.history = Some(HistorySource {
                column: column.into(),
                look: look.parse().unwrap(),
                missing: Default::default(),
            });
            made
        };
        let mut month = InputColumn::new("day.month", number());
        month.date = Some(crate::DateSource {
            column: "day".into(),
            part: crate::DatePart::Month,
        });
        let columns = vec![
            history("level", "diff2"),
            InputColumn::new("level", number()),
            month,
            history("rain", "mean3"),
        ];
        let weight = (0..8).map(|i| 0.3 - 0.1 * i as f32).collect();
        let dense = Op::Linear {
            rows: 8,
            cols: 1,
            weight,
            bias: vec![0.25],
        };
        Student::new(StudentParts {
            encoder: Encoder::new(columns).unwrap(),
            graph: Graph::new(8, vec![Node::new(dense, [0])]).unwrap(),
            outputs: vec![Output {
                name: "y".into(),
                transform: TargetTransform::Affine {
                    scale: 2.0,
                    shift: -1.0,
                },
            }],
            sequence: None,
            provenance: Default::default(),
            golden: vec![],
        })
        .unwrap()
    }

    fn row(i: usize) -> [Value<'static>; 3] {
        let level = match i % 4 {
            3 => Value::Missing,
            _ => Value::Number((i * i % 7) as f64),
        };
        let seconds = i as i64 * 2_000_000;
        [level, Value::Time(seconds), Value::Number(i as f64)]
    }

    #[test]
    fn a_stream_equals_the_student_on_columns_of_statistics() {
        let student = student();
        let mut stream = Stream::new(&student);
        assert_eq!(stream.inputs(), ["level", "day", "rain"]);
        let level = |i: usize| match row(i)[0] {
            Value::Number(x) => x,
            _ => f64::NAN,
        };
        let rows = 0..12_usize;
        let earlier = |i: usize, back: usize| i.checked_sub(back).map_or(f64::NAN, level);
        let diff: Vec<f64> = rows.clone().map(|i| level(i) - earlier(i, 2)).collect();
        let levels: Vec<f64> = rows.clone().map(level).collect();
        let days: Vec<i64> = rows.clone().map(|i| i as i64 * 2_000_000).collect();
        let mean = |i: usize| {
            let last = i.saturating_sub(2)..=i;
            last.clone().sum::<usize>() as f64 / last.count() as f64
        };
        let means: Vec<f64> = rows.clone().map(mean).collect();
        let columns = [
            RawColumn::Number(&diff),
            RawColumn::Number(&levels),
            RawColumn::Time(&days),
            RawColumn::Number(&means),
        ];
        let expected = student.predict(&columns, 12).unwrap();
        for (i, expected) in rows.zip(&expected) {
            assert_eq!(stream.push(&row(i)).unwrap(), *expected, "row {i}");
        }
    }

    #[test]
    fn changes_are_added_to_the_present_value() {
        let mut parts = student().into_parts();
        parts.outputs[0].name = "level".into();
        let change = Student::new(parts.clone()).unwrap();
        parts.sequence = Some(crate::Sequence {
            series: vec![],
            time: crate::KeyColumn {
                name: "day".into(),
                kind: crate::KeyKind::Date,
            },
            longest_step: None,
            horizon: 1,
            forecast: crate::Forecast::Value,
            relative: true,
        });
        let student = Student::new(parts.clone()).unwrap();
        let again = Student::from_bytes(&student.to_bytes().unwrap()).unwrap();
        assert_eq!(again, student);
        let (mut own, mut other) = (Stream::new(&student), Stream::new(&change));
        let mut levels = Vec::new();
        for i in 0..8 {
            let (value, change) = (own.push(&row(i)).unwrap(), other.push(&row(i)).unwrap());
            // A missing level is imputed, as in the encoding.
            let level = match row(i)[0] {
                Value::Number(x) => x,
                _ => 0.5,
            };
            assert_eq!(value, change + level, "row {i}");
            levels.push(level);
        }
        assert!(levels.iter().any(|level| *level != levels[0]));
        let columns = [
            RawColumn::Number(&[f64::NAN]),
            RawColumn::Number(&[3.0]),
            RawColumn::Time(&[0]),
            RawColumn::Number(&[0.0]),
        ];
        let predict = |student: &Student| student.predict(&columns, 1).unwrap()[0];
        assert_eq!(predict(&student), predict(&change) + 3.0);
        parts.outputs[0].name = "y".into();
        let error = Student::new(parts).unwrap_err();
        assert!(
            format!("{error}").contains("no number column `y`"),
            "{error}"
        );
    }

    #[test]
    fn a_stream_goes_on_from_its_state() {
        let student = student();
        let mut whole = Stream::new(&student);
        for i in 0..5 {
            whole.push(&row(i)).unwrap();
        }
        let state = whole.state();
        let mut later = Stream::new(&student);
        later.restore(&state).unwrap();
        for i in 5..9 {
            assert_eq!(later.push(&row(i)).unwrap(), whole.push(&row(i)).unwrap());
        }
        let damaged = [&state[1..], &state[..state.len() - 1], &[255; 9], &[0; 12]];
        for damaged in damaged {
            let error = later.restore(damaged).unwrap_err();
            let found = damaged.len();
            assert!(matches!(error, Error::InvalidState { bytes } if bytes == found));
        }
        later.reset();
        let mut fresh = Stream::new(&student);
        assert_eq!(later.push(&row(3)).unwrap(), fresh.push(&row(3)).unwrap());
    }

    #[test]
    fn wrong_rows_are_refused_and_not_kept() {
        let student = student();
        let mut stream = Stream::new(&student);
        let error = stream.push(&[Value::Missing]).unwrap_err();
        assert!(format!("{error}").contains("`rain`"), "{error}");
        let text = [Value::Number(1.0), Value::Missing, Value::Text("wet")];
        let error = stream.push(&text).unwrap_err();
        assert!(matches!(error, Error::ColumnKind { .. }), "{error}");
        assert_eq!(stream.state().len(), 8);
    }
}
