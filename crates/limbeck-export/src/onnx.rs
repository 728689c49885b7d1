//! Exports a student as an ONNX model that takes raw columns and predicts in the target's unit.
//!
//! Each raw column is an input of shape `[rows, 1]`. Numbers are doubles; NaN marks a missing value. Dates are 64-bit integers, in seconds since
//! 1970; the smallest integer marks a missing date. Categories are strings; an empty text, or a text that did not occur in training, is encoded as
//! the student encodes missing or unknown categories. As in the runtime, columns are scaled in double precision, the graph runs in single precision,
//! and the transform back to the target's unit is in double precision. Format and operators: the ONNX specification, opset 17 and `ai.onnx.ml` 3.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use limbeck_runtime::{
    DatePart, Encoding, InputColumn, MISSING_TIME, Node, Op, SATURATION, Scaling, Student,
    TableInterp, TargetTransform, TreeEnsemble,
};

use crate::c_interval::percent;
use crate::error::{Error, Result};
use crate::onnx_builder::{
    Builder, Calendar, Columns, ML, Series, Type, attribute, node, value_info,
};
use crate::proto::Message;

const OPSET: i64 = 17;
const OPSET_ML: i64 = 3;
/// Version of the ONNX file format (`ir_version`) that belongs to operator set [`OPSET`].
const IR_VERSION: i64 = 8;
const FORMAT: &str = "ONNX";

/// Exports the student as an ONNX model; returns the bytes of the file.
///
/// If the student has prediction intervals, each of their levels has two more outputs for each target, such as `price_low_90` and `price_high_90`.
///
/// The inputs of a recurrent student with a rolling memory of N rows have shape `[rows, steps]`: row by row, the values of at most N consecutive rows of a
/// series, the last of which is predicted. With a carried state, they have shape `[rows, 1]`, for the next row of each of several series. The state is
/// one more input, `state`, which is 0 before the first row, and one more output, `next_state`.
///
/// # Errors
///
/// [`Error::Refused`] for a column that is encoded by hashing or scaled by quantiles: ONNX operators cannot express these encodings, or only with
/// very many operations.
pub fn onnx(student: &Student) -> Result<Vec<u8>> {
    let mut g = Builder {
        prefix: prefix(student),
        series: Series::of(student, |name| free_name(student, name)),
        ..Builder::default()
    };
    let mut inputs = Vec::new();
    let mut parts = Vec::new();
    let mut reads = Vec::new();
    for column in &student.encoder.columns {
        let raw = g.raw(column, &mut inputs);
        let read = g.without_missing(column, raw);
        g.column(&column.name, &read, &column.encoding, &mut parts)?;
        reads.push((read, &column.encoding));
    }
    let x = g.concat(parts);
    let z = g.graph(student, x)?;
    let z = g.cast(&z, Type::Double);
    let outputs = output_names(student);
    for (at, (output, name)) in student.outputs.iter().zip(&outputs).enumerate() {
        let own = match outputs.len() {
            1 => z.clone(),
            _ => g.gather(&z, &[at]),
        };
        let base = student.base_column(at).map(|column| &reads[column]);
        let base = base.and_then(|(read, encoding)| match encoding {
            Encoding::Number { impute, .. } => Some((g.last_step(read, 1), *impute)),
            _ => None,
        });
        let base = base.as_ref().map(|(read, impute)| (read.as_str(), *impute));
        g.target(&own, &output.transform, base, name);
    }
    let ends = g.intervals(student, &outputs);
    g.state_after();
    let mut results: Vec<Message> = outputs
        .iter()
        .chain(&ends)
        .map(|name| value_info(name, Type::Double, Columns::Count(1)))
        .collect();
    if let Some([before, after]) = g.series.state_infos(student.plan().state_width()) {
        inputs.push(before);
        results.push(after);
    }
    let graph = Message::default()
        .messages(1, g.nodes)
        .text(2, "student")
        .messages(5, g.tensors)
        .messages(11, inputs)
        .messages(12, results);
    let opset = |domain: &str, version| Message::default().text(1, domain).int(2, version);
    let note = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
    let model = Message::default()
        .int(1, IR_VERSION)
        .text(2, "limbeck")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, opset("", OPSET))
        .message(8, opset(ML, OPSET_ML))
        .messages(
            14,
            student
                .provenance
                .iter()
                .map(|(key, value)| note(&format!("limbeck.{key}"), value)),
        );
    Ok(model.into_bytes())
}

/// The names of the model's outputs: each is the name of its target, or a name that begins with `prediction` if that name is empty or already used.
fn output_names(student: &Student) -> Vec<String> {
    let columns = student.encoder.columns.iter();
    let dates = columns.clone().filter_map(|column| column.date.as_ref());
    let dates = dates.map(|date| date.column.clone());
    let mut taken: Vec<String> = columns
        .map(|column| column.name.clone())
        .chain(dates)
        .collect();
    let inputs = taken.len();
    for output in &student.outputs {
        let free = |name: &String| !name.is_empty() && !taken.contains(name);
        let name = [output.name.clone(), "prediction".into()]
            .into_iter()
            .chain((0..).map(|underscores| format!("prediction_{}", "_".repeat(underscores))))
            .find(free);
        taken.extend(name);
    }
    taken.split_off(inputs)
}

/// A name for an input or output beside those of columns and targets: `name`, with underscores if it is in use.
fn free_name(student: &Student, name: &str) -> String {
    let columns = student.encoder.columns.iter().flat_map(|column| {
        let date = column.date.as_ref().map(|date| &date.column);
        [Some(&column.name), date].into_iter().flatten()
    });
    let taken: Vec<String> = columns.cloned().chain(output_names(student)).collect();
    let mut name = name.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    name
}

/// A prefix for the names of intermediate values; no column or target has a name that begins with it.
fn prefix(student: &Student) -> String {
    let mut prefix = "limbeck/".to_owned();
    while student.encoder.columns.iter().any(|column| {
        let date = column.date.as_ref().map(|date| &date.column);
        column.name.starts_with(&prefix) || date.is_some_and(|name| name.starts_with(&prefix))
    }) || student
        .outputs
        .iter()
        .any(|output| output.name.starts_with(&prefix))
    {
        prefix.push('/');
    }
    prefix
}

/// The outputs of a piecewise-linear encoding: one for each bin, and one for each column without bins. Each list has one entry for each output.
#[derive(Default)]
struct Bins {
    /// Index of the input column that the output encodes.
    columns: Vec<usize>,
    /// Lower edge of the output's bin; `width` is the width of that bin. For a column without bins, the lower edge is 0 and the width is 1.
    low: Vec<f32>,
    width: Vec<f32>,
    /// 1 for a column without bins, else 0.
    is_number: Vec<f32>,
}

impl Bins {
    fn of(edges: &[Vec<f32>]) -> Self {
        let mut bins = Self::default();
        for (column, edges) in edges.iter().enumerate() {
            for pair in edges.windows(2) {
                bins.push(column, pair[0], pair[1] - pair[0], 0.0);
            }
            if edges.is_empty() {
                bins.push(column, 0.0, 1.0, 1.0);
            }
        }
        bins
    }

    fn push(&mut self, column: usize, low: f32, width: f32, is_number: f32) {
        self.columns.push(column);
        self.low.push(low);
        self.width.push(width);
        self.is_number.push(is_number);
    }
}

impl Builder {
    /// Adds the nodes that transform the graph's output `z` to the target's unit; their result is the model output named `output`.
    ///
    /// `base` is the raw column whose value is added, with the number for a missing value; `None` if nothing is added.
    fn target(
        &mut self,
        z: &str,
        transform: &TargetTransform,
        base: Option<(&str, f64)>,
        output: &str,
    ) {
        let (scale, shift, last) = match *transform {
            TargetTransform::Affine { scale, shift } => (scale, shift, "Identity"),
            TargetTransform::LogAffine { scale, shift } => (scale, shift, "Exp"),
        };
        let (scale, shift) = (self.double(scale), self.double(shift));
        let scaled = self.node("Mul", &[z, &scale]);
        let mut shifted = self.node("Add", &[&scaled, &shift]);
        if let Some((column, impute)) = base {
            let (missing, impute) = (self.node("IsNaN", &[column]), self.double(impute));
            let known = self.node("Where", &[&missing, &impute, column]);
            shifted = self.node("Add", &[&shifted, &known]);
        }
        self.nodes
            .push(node(last, &[&shifted], output, "", Vec::new()));
    }

    /// Adds the nodes of the prediction intervals around the model outputs `names`, at the levels that are exported. Returns the names of further
    /// outputs: for each level and each target, the lower and the upper end, such as `price_low_90` and `price_high_90`.
    fn intervals(&mut self, student: &Student, names: &[String]) -> Vec<String> {
        let mut ends = Vec::new();
        let Some(intervals) = &student.intervals else {
            return ends;
        };
        for &level in &intervals.levels {
            let outputs = student.outputs.iter().zip(&intervals.outputs).zip(names);
            for ((output, widths), name) in outputs {
                // The student was checked: its intervals support the level.
                let Ok(score) = widths.score(level) else {
                    continue;
                };
                let mut half = self.double(score);
                if let Some(spread) = self.spread(name, &widths.spread) {
                    half = self.node("Mul", &[&half, &spread]);
                }
                let mut ops = ["Sub", "Add"];
                if matches!(output.transform, TargetTransform::LogAffine { .. }) {
                    half = self.node("Exp", &[&half]);
                    ops = ["Div", "Mul"];
                }
                for (op, side) in ops.iter().zip(["low", "high"]) {
                    let own = format!("{name}_{side}_{}", percent(level));
                    let mut own = free_name(student, &own);
                    while ends.contains(&own) {
                        own.push('_');
                    }
                    self.push(node(op, &[name, &half], &own, "", Vec::new()));
                    ends.push(own);
                }
            }
        }
        ends
    }

    /// Adds the nodes of a spread at the predictions named `prediction`; `None` for a constant spread of 1. Formula: see [`Widths`](limbeck_runtime::Widths).
    fn spread(&mut self, prediction: &str, knots: &[(f64, f64)]) -> Option<String> {
        let first = self.doubles(&[], &[knots.first()?.1]);
        let parts = knots.len() - 1;
        let of = |of: fn(&[(f64, f64)]) -> f64| -> Vec<f64> { knots.windows(2).map(of).collect() };
        let starts = self.doubles(&[1, parts], &of(|pair| pair[0].0));
        let widths = self.doubles(&[1, parts], &of(|pair| pair[1].0 - pair[0].0));
        let slopes = of(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0));
        let slopes = self.doubles(&[parts, 1], &slopes);
        let zero = self.double(0.0);
        let beyond = self.node("Sub", &[prediction, &starts]);
        let above = self.node("Max", &[&beyond, &zero]);
        let inside = self.node("Min", &[&above, &widths]);
        let sum = self.node("MatMul", &[&inside, &slopes]);
        Some(self.node("Add", &[&sum, &first]))
    }

    /// The declaration of the input for a raw column.
    fn input(&self, name: &str, kind: Type) -> Message {
        let steps = self.series.steps();
        value_info(name, kind, steps.map_or(Columns::Count(1), Columns::Any))
    }

    /// Adds the model's input for a raw column. Returns the name of the value that holds the column: the input itself (strings or doubles), or a part
    /// of a date computed from it (doubles). All parts of one date share one input, in whole seconds.
    fn raw(&mut self, column: &InputColumn, inputs: &mut Vec<Message>) -> String {
        let Some(date) = &column.date else {
            let is_number = matches!(column.encoding, Encoding::Number { .. });
            let kind = if is_number { Type::Double } else { Type::Text };
            inputs.push(self.input(&column.name, kind));
            return self.steps_as_rows(&column.name);
        };
        if !self.dates.contains_key(&date.column) {
            inputs.push(self.input(&date.column, Type::Int64));
            let seconds = self.steps_as_rows(&date.column);
            let parts = self.calendar(&seconds);
            self.dates.insert(date.column.clone(), parts);
        }
        let calendar = self.dates[&date.column].clone();
        self.date_part(&calendar, date.part)
    }

    /// Adds the nodes that compute, from the column `seconds` (since 1970): days since 1970, second of the day, year, month, and day of the year.
    /// Formulas: see [`DatePart`].
    fn calendar(&mut self, seconds: &str) -> Calendar {
        let (days, second) = self.divided(seconds, 86_400);
        let shifted = self.shifted(&days, 719_468);
        let (era, day) = self.divided(&shifted, 146_097);
        let mut year = day.clone();
        for (by, op) in [(1460, "Sub"), (36_524, "Add"), (146_096, "Sub")] {
            let (part, _) = self.divided(&day, by);
            year = self.node(op, &[&year, &part]);
        }
        let (year, _) = self.divided(&year, 365);
        let all = self.times(&year, 365);
        let (leap, century) = (self.divided(&year, 4).0, self.divided(&year, 100).0);
        let whole = self.node("Add", &[&all, &leap]);
        let before = self.node("Sub", &[&whole, &century]);
        let from_march = self.node("Sub", &[&day, &before]);
        let five = self.times(&from_march, 5);
        let five = self.shifted(&five, 2);
        let (march, _) = self.divided(&five, 153);
        let nine = self.ints(&[], [9]);
        let is_early = self.node("Greater", &[&march, &nine]);
        let early = self.cast(&is_early, Type::Int64);
        let eras = self.times(&era, 400);
        let year = self.node("Add", &[&year, &eras]);
        let year = self.node("Add", &[&year, &early]);
        let month = self.either(&is_early, &march, [-9, 3]);
        let leap_day = self.leap_day(&year);
        let late = self.shifted(&from_march, 59);
        let late = self.node("Add", &[&late, &leap_day]);
        let soon = self.shifted(&from_march, -306);
        let day_of_year = self.node("Where", &[&is_early, &soon, &late]);
        Calendar {
            seconds: seconds.to_owned(),
            days,
            second,
            year,
            month,
            day_of_year,
        }
    }

    /// Adds the nodes for a value that is 1 if `year` is a leap year, else 0.
    fn leap_day(&mut self, year: &str) -> String {
        let zero = self.ints(&[], [0]);
        let [four, hundred, all] = [4, 100, 400].map(|by| {
            let rest = self.divided(year, by).1;
            self.node("Equal", &[&rest, &zero])
        });
        let usual = self.node("Not", &[&hundred]);
        let counts = self.node("Or", &[&usual, &all]);
        let is_leap = self.node("And", &[&four, &counts]);
        self.cast(&is_leap, Type::Int64)
    }

    /// Adds the nodes for one part of a date, as a double: NaN if the date is missing.
    fn date_part(&mut self, calendar: &Calendar, part: DatePart) -> String {
        let value = match part {
            DatePart::Elapsed => self.scaled(&calendar.seconds, 1.0 / 86_400.0, None),
            DatePart::Year => self.cast(&calendar.year, Type::Double),
            DatePart::Month => self.cast(&calendar.month, Type::Double),
            DatePart::Weekday => {
                let shifted = self.shifted(&calendar.days, 3);
                let weekday = self.divided(&shifted, 7).1;
                self.cast(&weekday, Type::Double)
            }
            DatePart::Hour => self.scaled(&calendar.second, 1.0 / 3600.0, None),
            DatePart::YearSin => self.scaled(&calendar.day_of_year, TAU / 365.25, Some("Sin")),
            DatePart::YearCos => self.scaled(&calendar.day_of_year, TAU / 365.25, Some("Cos")),
            DatePart::DaySin => self.scaled(&calendar.second, TAU / 86_400.0, Some("Sin")),
            DatePart::DayCos => self.scaled(&calendar.second, TAU / 86_400.0, Some("Cos")),
        };
        let none = self.ints(&[], [MISSING_TIME]);
        let is_missing = self.node("Equal", &[&calendar.seconds, &none]);
        let nan = self.double(f64::NAN);
        self.node("Where", &[&is_missing, &nan, &value])
    }

    /// Adds the nodes that multiply whole numbers by a factor, in doubles, and then apply `function` (`Sin` or `Cos`), if one is given. The function
    /// is computed in single precision, because every ONNX runtime supports that.
    fn scaled(&mut self, whole: &str, by: f64, function: Option<&str>) -> String {
        let number = self.cast(whole, Type::Double);
        let by = self.double(by);
        let scaled = self.node("Mul", &[&number, &by]);
        let Some(function) = function else {
            return scaled;
        };
        let angle = self.cast(&scaled, Type::Float);
        let value = self.node(function, &[&angle]);
        self.cast(&value, Type::Double)
    }

    /// Adds the nodes for an integer division. Returns two names: of the quotient, rounded down; and of the remainder, which is not negative for a
    /// positive divisor.
    fn divided(&mut self, value: &str, by: i64) -> (String, String) {
        let by = self.ints(&[], [by]);
        let rest = self.node("Mod", &[value, &by]);
        let whole = self.node("Sub", &[value, &rest]);
        (self.node("Div", &[&whole, &by]), rest)
    }

    fn shifted(&mut self, value: &str, by: i64) -> String {
        let by = self.ints(&[], [by]);
        self.node("Add", &[value, &by])
    }

    fn times(&mut self, value: &str, by: i64) -> String {
        let by = self.ints(&[], [by]);
        self.node("Mul", &[value, &by])
    }

    /// Adds the nodes that compute `value + by[0]` if the condition is true, else `value + by[1]`.
    fn either(&mut self, condition: &str, value: &str, by: [i64; 2]) -> String {
        let [one, other] = by.map(|by| self.shifted(value, by));
        self.node("Where", &[condition, &one, &other])
    }

    /// Adds the nodes that replace the numbers of a raw column that mean *missing*, such as −999, by NaN. Returns the name of the result: `raw` if no
    /// numbers mean *missing*.
    fn without_missing(&mut self, column: &InputColumn, raw: String) -> String {
        let name = &raw;
        let mut is_missing = Vec::new();
        for value in &column.missing.values {
            let value = self.double(*value);
            is_missing.push(self.node("Equal", &[name, &value]));
        }
        let bounds = [
            ("Less", column.missing.below),
            ("Greater", column.missing.above),
        ];
        for (op, bound) in bounds {
            if let Some(bound) = bound {
                let bound = self.double(bound);
                is_missing.push(self.node(op, &[name, &bound]));
            }
        }
        let any = is_missing
            .into_iter()
            .reduce(|one, other| self.node("Or", &[&one, &other]));
        let Some(any) = any else {
            return raw;
        };
        let nan = self.double(f64::NAN);
        self.node("Where", &[&any, &nan, name])
    }

    /// Adds the nodes that encode one raw column as floats, and appends the names of their results to `parts`. `name` is the name of the value to
    /// encode; `title` is the column's name, for messages.
    fn column(
        &mut self,
        title: &str,
        name: &str,
        encoding: &Encoding,
        parts: &mut Vec<String>,
    ) -> Result<()> {
        let refuse = |what: &str, fix| {
            Err(Error::Refused {
                format: FORMAT,
                place: format!("column `{title}`"),
                what: what.into(),
                fix,
            })
        };
        match encoding {
            Encoding::Number {
                scaling: Scaling::Quantile { .. },
                ..
            } => {
                return refuse(
                    "scaling by quantiles",
                    "distill with student.scaling = \"standard\", or export the student as C code",
                );
            }
            Encoding::Hashed { .. } => {
                return refuse(
                    "a column of hashed categories",
                    "distill again with more parameters (--params), so that the student keeps the categories themselves, or export the student as C code, which can hash",
                );
            }
            Encoding::Number {
                impute,
                indicator,
                scaling: Scaling::Standard { center, scale },
            } => {
                let missing = self.node("IsNaN", &[name]);
                let [impute, center, scale, low, high] =
                    [*impute, *center, *scale, -SATURATION, SATURATION]
                        .map(|value| self.double(value));
                let whole = self.node("Where", &[&missing, &impute, name]);
                let moved = self.node("Sub", &[&whole, &center]);
                let scaled = self.node("Div", &[&moved, &scale]);
                let held = self.node("Clip", &[&scaled, &low, &high]);
                parts.push(self.cast(&held, Type::Float));
                if *indicator {
                    parts.push(self.cast(&missing, Type::Float));
                }
            }
            Encoding::OneHot { levels, other } => {
                let code = self.code(name, levels);
                let width = encoding.width();
                if width > 0 {
                    let all = self.ints(
                        &[1, width],
                        (0..levels.len() as i64).chain(other.then_some(levels.len() as i64)),
                    );
                    let is = self.node("Equal", &[&code, &all]);
                    parts.push(self.cast(&is, Type::Float));
                }
            }
            Encoding::Ordinal { levels } => {
                let code = self.code(name, levels);
                parts.push(self.cast(&code, Type::Float));
            }
        }
        Ok(())
    }

    /// Adds a node that replaces each text by its index in `levels`, or by the number of levels if it is not in `levels`.
    fn code(&mut self, name: &str, levels: &[String]) -> String {
        // The list of keys must not be empty. The empty text is safe as a key: no table has it as a level, because an empty cell is missing.
        let keys: Vec<&str> = if levels.is_empty() {
            vec![""]
        } else {
            levels.iter().map(String::as_str).collect()
        };
        let attributes = vec![
            attribute::int("default_int64", levels.len() as i64),
            attribute::texts("keys_strings", keys.iter().copied()),
            attribute::ints("values_int64s", 0..keys.len() as i64),
        ];
        self.ml("LabelEncoder", name, attributes)
    }

    fn graph(&mut self, student: &Student, x: String) -> Result<String> {
        let mut values = vec![x];
        let is_recurrent = |node: &Node| matches!(node.op, Op::Recurrent(_));
        let last = student.graph.nodes.iter().rposition(is_recurrent);
        let widths = student.graph.widths().unwrap_or_default();
        for (index, node) in student.graph.nodes.iter().enumerate() {
            // After the last recurrent layer, only the last steps go on.
            let is_whole = |input: usize| last.is_some_and(|last| index > last && input <= last);
            let value = |&input: &usize| match is_whole(input) {
                true => self.last_step(&values[input], widths[input]),
                false => values[input].clone(),
            };
            let inputs: Vec<String> = node.inputs.iter().map(value).collect();
            let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let first = names[0];
            let value = match &node.op {
                Op::Ple { edges } => self.bins(first, edges),
                Op::Linear {
                    rows,
                    cols,
                    weight,
                    bias,
                } => {
                    let (weight, bias) = (
                        self.floats(&[*rows, *cols], weight),
                        self.floats(&[*cols], bias),
                    );
                    let product = self.node("MatMul", &[first, &weight]);
                    self.node("Add", &[&product, &bias])
                }
                Op::Relu => self.node("Relu", &[first]),
                Op::Add => self.node("Sum", &names),
                Op::Mean => self.node("Mean", &names),
                Op::Scale { by, add } => {
                    let (by, add) = (self.float(*by), self.float(*add));
                    let scaled = self.node("Mul", &[first, &by]);
                    self.node("Add", &[&scaled, &add])
                }
                Op::Softmax => self.with("Softmax", &[first], vec![attribute::int("axis", 1)]),
                Op::TreeEnsemble(trees) => self.trees(first, trees),
                Op::TableInterp(table) => self.table(first, table),
                Op::Recurrent(layer) => self.recurrent(first, layer, last == Some(index)),
            };
            values.push(value);
        }
        Ok(values.pop().unwrap_or_default())
    }

    /// Adds the nodes of a piecewise-linear encoding: for each bin of a column, `clamp((x − low) / width, 0, 1)`. Columns without bins stay as they
    /// are.
    fn bins(&mut self, x: &str, edges: &[Vec<f32>]) -> String {
        let Bins {
            columns,
            low,
            width,
            is_number,
        } = Bins::of(edges);
        let n = columns.len();
        let spread = self.gather(x, &columns);
        let (low, width) = (self.floats(&[1, n], &low), self.floats(&[1, n], &width));
        let moved = self.node("Sub", &[&spread, &low]);
        let share = self.node("Div", &[&moved, &width]);
        let held = self.clip(&share, 0.0, 1.0);
        if is_number.iter().all(|&is| is == 0.0) {
            return held;
        }
        let mask = self.floats(&[1, n], &is_number);
        let zero = self.float(0.0);
        let is_number = self.node("Greater", &[&mask, &zero]);
        self.node("Where", &[&is_number, &spread, &held])
    }

    fn trees(&mut self, x: &str, trees: &TreeEnsemble) -> String {
        let splits = trees.threshold.len();
        let mut nodes = Walked::default();
        for (tree, &root) in trees.roots.iter().enumerate() {
            // Ids start at 0 in each tree and follow the order of a depth-first walk.
            let mut open = vec![root as usize];
            let mut order = Vec::new();
            while let Some(at) = open.pop() {
                order.push(at);
                if at < splits {
                    open.extend([
                        trees.children[2 * at + 1] as usize,
                        trees.children[2 * at] as usize,
                    ]);
                }
            }
            let ids: BTreeMap<usize, i64> =
                order.iter().zip(0..).map(|(&at, id)| (at, id)).collect();
            let id = |child: usize| ids[&child];
            for (own, &at) in order.iter().enumerate() {
                nodes.tree.push(tree as i64);
                nodes.id.push(own as i64);
                if at < splits {
                    let (left, right) = (
                        trees.children[2 * at] as usize,
                        trees.children[2 * at + 1] as usize,
                    );
                    nodes.mode.push("BRANCH_LT");
                    nodes.input.push(i64::from(trees.inputs[at] / 2));
                    nodes.missing.push(i64::from(trees.inputs[at] & 1));
                    nodes.value.push(trees.threshold[at]);
                    nodes.left.push(id(left));
                    nodes.right.push(id(right));
                } else {
                    nodes.mode.push("LEAF");
                    nodes.input.push(0);
                    nodes.missing.push(0);
                    nodes.value.push(0.0);
                    nodes.left.push(0);
                    nodes.right.push(0);
                    nodes.leaf_tree.push(tree as i64);
                    nodes.leaf_id.push(own as i64);
                    nodes.leaf.push(trees.leaves[at - splits]);
                }
            }
        }
        let targets = vec![0; nodes.leaf.len()];
        let attributes = vec![
            attribute::int("n_targets", 1),
            attribute::text("aggregate_function", "SUM"),
            attribute::text("post_transform", "NONE"),
            attribute::ints("nodes_treeids", nodes.tree),
            attribute::ints("nodes_nodeids", nodes.id),
            attribute::ints("nodes_featureids", nodes.input),
            attribute::texts("nodes_modes", nodes.mode),
            attribute::floats("nodes_values", &nodes.value),
            attribute::ints("nodes_truenodeids", nodes.left),
            attribute::ints("nodes_falsenodeids", nodes.right),
            attribute::ints("nodes_missing_value_tracks_true", nodes.missing),
            attribute::ints("target_treeids", nodes.leaf_tree),
            attribute::ints("target_nodeids", nodes.leaf_id),
            attribute::ints("target_ids", targets),
            attribute::floats("target_weights", &nodes.leaf),
        ];
        self.ml("TreeEnsembleRegressor", x, attributes)
    }

    /// Adds the nodes of an interpolation table. They find the cell of the grid by counting, on each axis, the knots that are not above the number;
    /// then they interpolate between the corners of the cell, the last axis first.
    fn table(&mut self, x: &str, table: &TableInterp) -> String {
        let axes = table.knots.len();
        let (mut cells, mut shares) = (Vec::new(), Vec::new());
        for (axis, knots) in table.knots.iter().enumerate() {
            let own = if axes == 1 {
                x.to_owned()
            } else {
                self.gather(x, &[axis])
            };
            // The infinite knot is never reached. It makes the list non-empty for an axis of two knots, which has one cell.
            let inner: Vec<f32> = knots[1..knots.len() - 1]
                .iter()
                .copied()
                .chain([f32::INFINITY])
                .collect();
            let bounds = self.floats(&[1, inner.len()], &inner);
            let above = self.node("GreaterOrEqual", &[&own, &bounds]);
            let above = self.cast(&above, Type::Int64);
            let columns = self.ints(&[1], [1]);
            let cell = self.with(
                "ReduceSum",
                &[&above, &columns],
                vec![attribute::int("keepdims", 1)],
            );
            let lows = self.floats(&[knots.len() - 1], &knots[..knots.len() - 1]);
            let widths: Vec<f32> = knots.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let widths = self.floats(&[widths.len()], &widths);
            let (low, width) = (
                self.node("Gather", &[&lows, &cell]),
                self.node("Gather", &[&widths, &cell]),
            );
            let moved = self.node("Sub", &[&own, &low]);
            let share = self.node("Div", &[&moved, &width]);
            shares.push(self.clip(&share, 0.0, 1.0));
            cells.push(cell);
        }
        let values = self.floats(&[table.values.len()], &table.values);
        let at = self.ints(&[1, 1], [0]);
        self.corner(&table.knots, (&cells, &shares), &values, &at)
    }

    fn corner(
        &mut self,
        knots: &[Vec<f32>],
        (cells, shares): (&[String], &[String]),
        values: &str,
        at: &str,
    ) -> String {
        let ([own, rest @ ..], [cell, cells @ ..], [share, shares @ ..]) = (knots, cells, shares)
        else {
            return self.node("Gather", &[values, at]);
        };
        let size = self.ints(&[1, 1], [own.len() as i64]);
        let (one, unit) = (self.ints(&[1, 1], [1]), self.float(1.0));
        let row = self.node("Mul", &[at, &size]);
        let below = self.node("Add", &[&row, cell]);
        let above = self.node("Add", &[&below, &one]);
        let (below, above) = (
            self.corner(rest, (cells, shares), values, &below),
            self.corner(rest, (cells, shares), values, &above),
        );
        let other = self.node("Sub", &[&unit, share]);
        let (below, above) = (
            self.node("Mul", &[&other, &below]),
            self.node("Mul", &[share, &above]),
        );
        self.node("Add", &[&below, &above])
    }
}

/// Attributes of ONNX's `TreeEnsembleRegressor`: lists with one entry for each node of all trees; for `leaf_tree`, `leaf_id` and `leaf`, one entry
/// for each leaf.
#[derive(Default)]
struct Walked {
    tree: Vec<i64>,
    id: Vec<i64>,
    input: Vec<i64>,
    mode: Vec<&'static str>,
    value: Vec<f32>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf_id: Vec<i64>,
    leaf: Vec<f32>,
}
