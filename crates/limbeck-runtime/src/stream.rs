//! Prediction row by row, for students that look back on earlier rows.

use alloc::{format, string::String, vec, vec::Vec};

use crate::{Error, History, Regimes, Result, Scratch, Student, Value, memory::Recall};

/// Predicts a series row by row: each [`push`](Self::push) takes one raw row and returns its prediction.
///
/// The stream keeps the earlier rows that the student needs, and nothing else: values for statistics of earlier rows and, for a recurrent student, the
/// encoded rows of its rolling [`Memory`](crate::Memory), or the carried state. It allocates no memory after the first rows, as many as are kept. A student
/// that needs no earlier rows may be used, too; then no row is kept.
///
/// The predictions are those for the same rows in a table: [`Student::predict`] on columns that contain the statistics of earlier rows, or
/// [`Student::predict_windows`] for a recurrent student.
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
///     outputs: vec![Output::new("y", TargetTransform::Affine { scale: 1.0, shift: 0.0 })],
///     sequence: None,
///     memory: None,
///     intervals: None,
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
    /// What is kept for a recurrent student; `None` for other students.
    recall: Option<Recall>,
    /// The row that is pushed: one number per column of the history.
    numbers: Vec<f64>,
    scratch: Scratch,
    regimes: Option<Normalizing<'s>>,
}

/// How a stream normalizes the numbers of a row by its operating regime.
#[derive(Debug)]
struct Normalizing<'s> {
    regimes: &'s Regimes,
    /// The input of each setting.
    settings: Vec<usize>,
    /// For each input, its column among those of the regimes; `None` if it is not normalized.
    columns: Vec<Option<usize>>,
    /// The settings of the row that is pushed.
    row: Vec<f64>,
    regime: Option<usize>,
}

impl<'s> Normalizing<'s> {
    fn new(regimes: &'s Regimes, settings: Vec<usize>, inputs: &[String]) -> Self {
        let column = |input: &String| {
            let mut columns = regimes.columns.iter();
            columns.position(|column| column.name == *input)
        };
        Self {
            regimes,
            row: vec![0.0; settings.len()],
            settings,
            columns: inputs.iter().map(column).collect(),
            regime: None,
        }
    }

    /// Finds the regime of a row.
    fn read(&mut self, row: &[Value<'_>]) {
        for (setting, &input) in self.row.iter_mut().zip(&self.settings) {
            *setting = match row[input] {
                Value::Number(x) => x,
                Value::Missing | Value::Time(_) | Value::Text(_) => f64::NAN,
            };
        }
        self.regime = self.regimes.of(&self.row);
    }

    /// The value of an input in the row that was read.
    fn value<'v>(&self, input: usize, value: Value<'v>) -> Value<'v> {
        match (self.columns[input], value) {
            (Some(column), Value::Number(x)) => {
                Value::Number(self.regimes.columns[column].normalized(x, self.regime))
            }
            (_, value) => value,
        }
    }
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
        let regimes = student
            .sequence
            .as_ref()
            .and_then(|own| own.regimes.as_ref());
        let regimes =
            regimes.map(|own| (own, own.settings.iter().map(|own| of(&own.name)).collect()));
        let regimes = regimes.map(|(own, settings)| Normalizing::new(own, settings, &inputs));
        Self {
            student,
            regimes,
            inputs,
            origins,
            numbers: vec![0.0; kept.len()],
            kept,
            history,
            recall: student.recall(),
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
    /// whose earlier rows are needed; the errors of [`Encoder::encode_row`](crate::Encoder::encode_row). After the first two errors, the row is not part of
    /// the series. After any other error, it is part of the statistics of earlier rows, but not of a recurrent student's memory.
    pub fn push_into(&mut self, row: &[Value<'_>], out: &mut [f64]) -> Result<()> {
        if row.len() != self.inputs.len() {
            let names: Vec<String> = self.inputs.iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::ColumnCount {
                found: row.len(),
                expected: self.inputs.len(),
                names: names.join(", "),
            });
        }
        if let Some(regimes) = &mut self.regimes {
            regimes.read(row);
        }
        let regimes = self.regimes.as_ref();
        let present = |input: usize| match regimes {
            Some(regimes) => regimes.value(input, row[input]),
            None => row[input],
        };
        for (number, &input) in self.numbers.iter_mut().zip(&self.kept) {
            *number = match present(input) {
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
            Origin::Input(input) => present(input),
            Origin::History(source) => Value::Number(history.value(source)),
        };
        let encode = |x: &mut [f32]| self.student.encoder.encode_values(value, x);
        self.student
            .predict_encoded(encode, self.recall.as_mut(), &mut self.scratch, out)?;
        self.student.add_bases(value, out);
        Ok(())
    }

    /// Forgets all rows, before the first row of another series or after a gap.
    pub fn reset(&mut self) {
        self.history.reset();
        self.recall.iter_mut().for_each(Recall::reset);
    }

    /// The kept rows as bytes, for [`restore`](Self::restore): for each column of earlier rows, the number of values as 4 bytes, and the values as 8 bytes
    /// each, the oldest first; little-endian.
    ///
    /// For a recurrent student, there follow a number of f32 as 4 bytes, and the f32 as 4 bytes each: the encoded rows of a rolling memory, the oldest
    /// first, or the carried state.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for values in self.history.kept() {
            bytes.extend((values.len() as u32).to_le_bytes());
            values
                .iter()
                .for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        if let Some(recall) = &self.recall {
            bytes.extend((recall.kept().count() as u32).to_le_bytes());
            recall
                .kept()
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
        self.try_restore(state)
            .ok_or(Error::InvalidState { bytes: state.len() })
    }

    /// Like [`restore`](Self::restore); `None` for a state of another student.
    fn try_restore(&mut self, mut state: &[u8]) -> Option<()> {
        let columns = 0..self.kept.len();
        let columns: Option<Vec<_>> = columns.map(|_| column_of(&mut state)).collect();
        let columns = columns?;
        let kept = match &self.recall {
            Some(recall) => {
                let kept = numbers_of::<4>(&mut state)?;
                recall.fits(kept.len()).then_some(kept)?
            }
            None => &[],
        };
        if !state.is_empty() || !self.history.restore(&columns) {
            return None;
        }
        if let Some(recall) = &mut self.recall {
            recall.restore(kept.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
        Some(())
    }
}

/// Takes a count and as many numbers of `SIZE` bytes from a state; `None` if its bytes end early.
fn numbers_of<'b, const SIZE: usize>(state: &mut &'b [u8]) -> Option<&'b [[u8; SIZE]]> {
    let (count, rest) = state.split_first_chunk::<4>()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(SIZE)?;
    let (values, rest) = rest.split_at_checked(length)?;
    *state = rest;
    Some(values.as_chunks().0)
}

/// Takes the values of a column from a state; `None` if its bytes end early.
fn column_of(state: &mut &[u8]) -> Option<Vec<f64>> {
    let values = numbers_of(state)?.iter();
    Some(values.map(|value| f64::from_le_bytes(*value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cell, Encoder, Encoding, Graph, HistorySource, InputColumn, Memory, Node, Op, Output,
        RawColumn, Recurrent, Scaling, StudentParts, TargetTransform,
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
            outputs: vec![Output::new(
                "y",
                TargetTransform::Affine {
                    scale: 2.0,
                    shift: -1.0,
                },
            )],
            sequence: None,
            memory: None,
            intervals: None,
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
            rows_before: 0,
            regimes: None,
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

    /// The same columns, a recurrent layer and a head.
    fn recurrent(cell: Cell, memory: Memory) -> Student {
        let (units, mut parts) = (5, student().into_parts());
        let numbers = |count: usize, by: usize| {
            let number = |i: usize| (i * by % 17) as f32 / 17.0 - 0.5;
            (0..count).map(number).collect::<Vec<_>>()
        };
        let layer = Op::Recurrent(Recurrent {
            cell,
            inputs: 8,
            units,
            weight: numbers(8 * cell.gates() * units, 5),
            recurrent: numbers(units * cell.gates() * units, 11),
            bias: numbers(4 * units, 7),
        });
        let head = Op::Linear {
            rows: units,
            cols: 1,
            weight: numbers(units, 3),
            bias: vec![0.25],
        };
        let nodes = vec![Node::new(layer, [0]), Node::new(head, [1])];
        parts.graph = Graph::new(8, nodes).unwrap();
        parts.memory = Some(memory);
        Student::new(parts).unwrap()
    }

    fn recurrent_students() -> Vec<Student> {
        let memories = [
            Memory::Rolling(1),
            Memory::Rolling(4),
            Memory::Rolling(100),
            Memory::Carried,
        ];
        let both = [Cell::Gru, Cell::Lstm];
        let of = |cell| memories.map(|memory| recurrent(cell, memory));
        both.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_stream_of_a_recurrent_student_equals_its_windows() {
        for student in recurrent_students() {
            // A series of 130 rows after one of 3. The table has the statistics as columns.
            let starts = |row: usize| if row < 3 { 0 } else { 3 };
            let (mut columns, mut expected) = (vec![Vec::new(); 3], Vec::new());
            let mut days = Vec::new();
            let mut stream = Stream::new(&student);
            for i in 0..133 {
                if i == 3 {
                    stream.reset();
                }
                let level = match row(i)[0] {
                    Value::Number(x) => x,
                    _ => f64::NAN,
                };
                expected.push(stream.push(&row(i)).unwrap());
                let values = [stream.history.value(0), level, stream.history.value(1)];
                (columns.iter_mut().zip(values)).for_each(|(column, x)| column.push(x));
                days.push(i as i64 * 2_000_000);
            }
            let raw = [
                RawColumn::Number(&columns[0]),
                RawColumn::Number(&columns[1]),
                RawColumn::Time(&days),
                RawColumn::Number(&columns[2]),
            ];
            let windows: Vec<_> = (0..133).map(|i| student.window_of(starts(i), i)).collect();
            let found = student.predict_windows(&raw, 133, &windows).unwrap();
            assert_eq!(found, expected, "{:?}", student.memory);
            // Any order of windows.
            let turned: Vec<_> = windows.iter().rev().cloned().collect();
            let mut found = student.predict_windows(&raw, 133, &turned).unwrap();
            found.reverse();
            assert_eq!(found, expected, "{:?}", student.memory);
            let errors = [
                student.predict(&raw, 133).unwrap_err(),
                student.predict_row(&[Value::Missing; 4]).unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, Error::NeedsEarlierRows), "{error}");
            }
        }
    }

    #[test]
    fn only_a_carried_state_remembers_everything() {
        let after = |memory, first: usize| {
            let student = recurrent(Cell::Gru, memory);
            let mut stream = Stream::new(&student);
            let rows = [first, 2, 4, 5, 6, 8, 9];
            rows.map(|i| stream.push(&row(i)).unwrap())[6]
        };
        assert_eq!(after(Memory::Rolling(3), 0), after(Memory::Rolling(3), 5));
        assert_ne!(after(Memory::Carried, 0), after(Memory::Carried, 5));
        assert_ne!(after(Memory::Rolling(7), 0), after(Memory::Rolling(7), 5));
    }

    #[test]
    fn a_stream_of_a_recurrent_student_goes_on_from_its_state() {
        for student in recurrent_students() {
            let mut whole = Stream::new(&student);
            for i in 0..7 {
                whole.push(&row(i)).unwrap();
            }
            let state = whole.state();
            let mut later = Stream::new(&student);
            later.push(&row(50)).unwrap();
            later.restore(&state).unwrap();
            assert_eq!(later.state(), state);
            for damaged in [&state[..state.len() - 1], &[&state[..], &[0; 4]].concat()] {
                let error = later.restore(damaged).unwrap_err();
                assert!(matches!(error, Error::InvalidState { .. }), "{error}");
            }
            for i in 7..14 {
                assert_eq!(later.push(&row(i)).unwrap(), whole.push(&row(i)).unwrap());
            }
            // Neither more rows than are kept nor a part of a row.
            let number = |count: u32| [&state[..56], &count.to_le_bytes()].concat();
            let numbers = |count: usize| [number(count as u32), vec![0; 4 * count]].concat();
            assert!(later.restore(&numbers(9)).is_err());
            assert!(later.restore(&numbers(801)).is_err());
            assert!(later.restore(&numbers(808)).is_err());
            later.reset();
            let mut fresh = Stream::new(&student);
            assert_eq!(later.push(&row(3)).unwrap(), fresh.push(&row(3)).unwrap());
        }
    }

    #[test]
    fn golden_rows_of_a_recurrent_student_are_one_series() {
        let cells = |i: usize| {
            let number = |x: usize| crate::GoldenValue::Number(x as f64);
            let time = crate::GoldenValue::Time(i as i64);
            vec![number(i % 3), number(i % 5), time, number(i % 7)]
        };
        for student in recurrent_students() {
            let memory = student.memory.unwrap();
            let rows: Vec<_> = (0..9).map(cells).collect();
            let student = student.with_golden(rows).unwrap();
            student.verify_golden().unwrap();
            let columns = [3, 5, 7].map(|by| (0..9).map(|i| f64::from(i % by)).collect::<Vec<_>>());
            let days: Vec<i64> = (0..9).collect();
            let raw = [
                RawColumn::Number(&columns[0]),
                RawColumn::Number(&columns[1]),
                RawColumn::Time(&days),
                RawColumn::Number(&columns[2]),
            ];
            let windows: Vec<_> = (0..9).map(|i| memory.window(0, i)).collect();
            let expected = student.predict_windows(&raw, 9, &windows).unwrap();
            let found = student.golden.iter().map(|golden| golden.predictions[0]);
            assert_eq!(found.collect::<Vec<_>>(), expected);
            let again = Student::from_bytes(&student.to_bytes().unwrap()).unwrap();
            assert_eq!(again, student);
            again.verify_golden().unwrap();
            let mut parts = student.into_parts();
            parts.golden.swap(2, 3);
            let error = Student::new(parts).unwrap().verify_golden();
            if memory != Memory::Rolling(1) {
                let error = error.unwrap_err();
                assert!(matches!(error, Error::GoldenMismatch { .. }), "{error}");
            }
        }
    }

    #[test]
    fn windows_outside_the_table_are_refused() {
        let student = recurrent(Cell::Gru, Memory::Carried);
        let raw = [
            RawColumn::Number(&[0.0; 2]),
            RawColumn::Number(&[0.0; 2]),
            RawColumn::Time(&[0; 2]),
            RawColumn::Number(&[0.0; 2]),
        ];
        for window in [1..1, 1..3, 5..6] {
            let windows = [0..1, window.clone()];
            let error = student.predict_windows(&raw, 2, &windows).unwrap_err();
            let words = format!("window 1 has the rows {window:?} of 2");
            assert!(error.to_string().contains(&words), "{error}");
        }
        assert!(student.predict_windows(&raw, 2, &[]).unwrap().is_empty());
    }

    #[test]
    fn memory_belongs_to_recurrent_graphs() {
        let refuse = |parts, words: &str| {
            let error = Student::new(parts).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let mut parts = student().into_parts();
        parts.memory = Some(Memory::Carried);
        refuse(parts, "set `memory` to `None`");
        let mut parts = recurrent(Cell::Lstm, Memory::Carried).into_parts();
        parts.memory = None;
        refuse(parts.clone(), "set `memory` to `Memory::Rolling` or");
        parts.memory = Some(Memory::Rolling(0));
        refuse(parts.clone(), "expected 1 to 10000 rows");
    }
}
