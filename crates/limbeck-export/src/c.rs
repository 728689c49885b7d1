//! Exports a student as C99 source.
//!
//! The C code computes the same as [`Graph::run`](limbeck_runtime::Graph::run), in the same order of summation. It takes two shortcuts that do not
//! change the result: it skips products with 0, and it skips the bins above the number in a piecewise-linear encoding. Its predictions are equal to
//! those of limbeck's runtime to the last bit, unless they use functions such as `exp` or `log`, or the compiler fuses multiplications with
//! additions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use limbeck_runtime::{
    DatePart, Encoding, GoldenValue, Graph, MissingNumbers, Op, Output, Recurrent, SATURATION,
    Scaling, Student, TableInterp, TargetTransform, TreeEnsemble,
};

use crate::c_history::{Predictor, Rows};
use crate::c_interval::IntervalCode;
use crate::c_literal::{double, float, seconds};
use crate::c_missing::any_missing;
use crate::c_recurrent::{self, Remembered};
use crate::error::{Error, Result};
use crate::names::{self, Names, comment, literal};

/// Maximum length of a category's text in bytes: a C99 string literal may have 4095 characters in the source, and each byte takes up to four.
const LONGEST_LEVEL: usize = 1000;
/// The codes of a column's categories get named constants if the column has at most this many categories. With more, there is only the function that
/// returns the code for a text.
const NAMED_LEVELS: usize = 64;

/// The files that [`c`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CFiles {
    /// `NAME.h`: the struct of a row, the codes of categories, the prediction function, and a comment with its usage.
    pub header: String,
    /// `NAME.c`: the constants and the code of the prediction function.
    pub source: String,
    /// `NAME_test.c`: a program that predicts the golden rows (rows with known predictions) and compares its predictions with the known ones. It
    /// exits with 0 if all agree.
    pub test: String,
}

/// Exports the student as C99 code that takes raw columns and predicts in the target's unit. The code uses no heap memory, and only `<math.h>` and
/// `<stdint.h>`.
///
/// ```
/// use limbeck_runtime::*;
/// # let encoding = Encoding::Number { impute: 0.0, indicator: false, scaling: Scaling::Standard { center: 1.0, scale: 2.0 } };
/// let student = Student::new(StudentParts {
///     encoder: Encoder::new(vec![InputColumn::new("raw mV", encoding)])?,
///     graph: Graph::new(1, vec![Node::new(Op::Relu, [0])])?,
///     outputs: vec![Output::new("temp", TargetTransform::Affine { scale: 10.0, shift: 5.0 })],
///     sequence: None,
///     memory: None,
///     intervals: None,
///     provenance: Default::default(),
///     golden: vec![],
/// })?;
/// let files = limbeck_export::c(&student, "sensor")?;
/// assert!(files.header.contains("double raw_mV; /* raw mV */"));
/// assert!(files.header.contains("double sensor_predict(const sensor_row *row);"));
/// assert!(limbeck_export::golden(&student)?.contains("\"temp\""));
/// assert!(!limbeck_export::onnx(&student)?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `name` is the prefix of all names that the files define, and of the files' names.
///
/// # Errors
///
/// [`Error::Name`] if `name` is not a valid C identifier; [`Error::Refused`] for a category whose text is longer than 1000 bytes, or for an invalid
/// graph.
pub fn c(student: &Student, name: &str) -> Result<CFiles> {
    names::check(name)?;
    let Named {
        columns,
        outputs,
        rows,
        intervals,
    } = names_of(student, name)?;
    let mut body = Body::of(student, &columns, (name, &rows))?;
    let mut header_end = String::new();
    if let Some(intervals) = &intervals {
        body.constants += intervals.constants();
        body.source.push_str(&intervals.source(name));
        header_end = intervals.header(name);
    }
    Ok(CFiles {
        header: header(
            student,
            name,
            (&columns, &outputs, &rows),
            &body,
            &header_end,
        ),
        source: body.source,
        test: test(student, name, &columns, (&rows, intervals.as_ref())),
    })
}

/// An input column of the student, with its names in the C code.
struct Column<'a> {
    title: &'a str,
    field: String,
    /// `None` for a column that is not made from dates. Else: the part of the date (such as the month); and true if this is the first column made
    /// from that column of dates.
    date: Option<(DatePart, bool)>,
    /// True for a statistic of earlier rows, which the function that takes the next row computes.
    is_computed: bool,
    missing: &'a MissingNumbers,
    encoding: &'a Encoding,
    /// Names of the constants for the codes of the categories. Empty for a number or a hashed column, and if there are more than [`NAMED_LEVELS`]
    /// categories.
    codes: Vec<String>,
    /// Name of the C function that returns the code for a category's text; `None` for a number column.
    function: Option<String>,
}

/// Names in the C code.
struct Named<'a> {
    /// The input columns.
    columns: Vec<Column<'a>>,
    /// For each output, the name of the constant that is its index in the array `out`.
    outputs: Vec<String>,
    /// The earlier rows that are kept.
    rows: Rows,
    /// The prediction intervals; `None` without any.
    intervals: Option<IntervalCode<'a>>,
}

/// Makes the names of columns, outputs and kept rows.
fn names_of<'a>(student: &'a Student, name: &str) -> Result<Named<'a>> {
    let (mut fields, mut globals) = (Names::default(), Names::default());
    let upper = name.to_uppercase();
    for taken in [
        name.to_owned(),
        format!("{name}_row"),
        format!("{name}_predict"),
        format!("{name}_state"),
        format!("{name}_reset"),
        format!("{name}_push"),
        format!("{name}_step"),
        format!("{upper}_H_INCLUDED"),
        format!("{upper}_OUTPUTS"),
    ] {
        globals.keep(&taken);
    }
    let mut dates: BTreeMap<&str, String> = BTreeMap::new();
    let column = |column: &'a limbeck_runtime::InputColumn| {
        let (title, field, date) = match &column.date {
            None => (&column.name, fields.of(&column.name), None),
            Some(date) => {
                let known = dates.get(date.column.as_str()).cloned();
                let is_first = known.is_none();
                let field = known.unwrap_or_else(|| fields.of(&date.column));
                dates.insert(&date.column, field.clone());
                (&date.column, field, Some((date.part, is_first)))
            }
        };
        let (mut codes, mut function) = (Vec::new(), None);
        if let Encoding::OneHot { levels, .. } | Encoding::Ordinal { levels } = &column.encoding {
            if let Some(long) = levels.iter().find(|level| level.len() > LONGEST_LEVEL) {
                return Err(Error::Refused {
                    format: "C",
                    place: format!("column `{}`", column.name),
                    what: format!(
                        "a category of {} bytes (more than {LONGEST_LEVEL})",
                        long.len()
                    ),
                    fix: "drop the column or shorten the texts of its categories, and distill again",
                });
            }
            if levels.len() <= NAMED_LEVELS {
                codes = levels
                    .iter()
                    .map(|level| {
                        globals.of(&format!(
                            "{upper}_{}_{}",
                            field.to_uppercase(),
                            names::plain(level).to_uppercase()
                        ))
                    })
                    .collect();
            }
        }
        if !matches!(column.encoding, Encoding::Number { .. }) {
            function = Some(globals.of(&format!("{name}_code_{field}")));
        }
        Ok(Column {
            title,
            field,
            date,
            is_computed: column.history.is_some(),
            missing: &column.missing,
            encoding: &column.encoding,
            codes,
            function,
        })
    };
    let columns = student.encoder.columns.iter().map(column);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let constant = |output: &Output| {
        let target = names::plain(&output.name).to_uppercase();
        globals.of(&format!("{upper}_{target}"))
    };
    let outputs = student.outputs.iter().map(constant).collect();
    let named = columns.iter().zip(&student.encoder.columns);
    let named =
        named.map(|(column, own)| (column.title, column.field.as_str(), own.history.as_ref()));
    let mut rows = Rows::of(named, &mut fields);
    let plain = columns
        .iter()
        .filter(|column| !column.is_computed && column.date.is_none());
    let own: Vec<(&str, &str)> = plain
        .map(|column| (column.title, column.field.as_str()))
        .collect();
    rows.add_regimes(student, &own, &mut fields);
    rows.remembered = Remembered::of(student, &mut fields);
    let intervals = IntervalCode::of(student, name, rows.is_empty(), &mut globals);
    Ok(Named {
        columns,
        outputs,
        rows,
        intervals,
    })
}

/// The names of the targets, as text for a comment in the C code.
fn targets(student: &Student) -> String {
    let name = |output: &Output| format!("`{}`", comment(&output.name));
    let names: Vec<String> = student.outputs.iter().map(name).collect();
    names.join(", ")
}

/// The declaration of the function that predicts from a whole row.
fn predict(student: &Student, name: &str, rows: &Rows) -> String {
    let Predictor {
        name: predict,
        parameter,
        ..
    } = rows.predictor(name);
    match student.outputs.len() {
        1 => format!("double {predict}({parameter}const {name}_row *row)"),
        _ => format!("void {predict}({parameter}const {name}_row *row, double *out)"),
    }
}

/// An example of a call.
fn call(student: &Student, name: &str, rows: &Rows) -> String {
    let call = match rows.is_empty() {
        true => format!("{name}_predict("),
        false => format!("{name}_push(&state, "),
    };
    match student.outputs.len() {
        1 => format!("y = {call}&row);"),
        _ => format!("{call}&row, out);"),
    }
}

fn header(
    student: &Student,
    name: &str,
    (columns, outputs, rows): (&[Column<'_>], &[String], &Rows),
    body: &Body,
    end: &str,
) -> String {
    let (declaration, call) = (predict(student, name, rows), call(student, name, rows));
    let (version, upper) = (env!("CARGO_PKG_VERSION"), name.to_uppercase());
    let mut out = format!(
        "/* {name}: predicts {} of one row.\n *\n * Made by limbeck {version}. {} fitted parameters; about {} bytes of constants and {} bytes of stack.\n * No heap memory, no \
         global state: safe to call from several threads.\n",
        targets(student),
        student.parameters(),
        body.constants,
        body.stack,
    );
    if let Some(quantile) = student.provenance.get("quantile") {
        let _ = writeln!(out, " * It predicts the {}-quantile.", comment(quantile));
    }
    let _ = write!(out, " *\n * Usage:\n *     {name}_row row;\n");
    if !rows.is_empty() {
        let _ = write!(
            out,
            " *     {name}_state state;\n *     {name}_reset(&state);\n"
        );
    }
    if outputs.len() > 1 {
        let _ = writeln!(out, " *     double out[{upper}_OUTPUTS];");
    }
    for column in columns {
        let value = match (&column.function, column.date) {
            // A date is one field, whatever number of its parts the student reads.
            (_, Some((_, false))) => continue,
            (_, Some((_, true))) => "1704067200; // 2024-01-01T00:00:00Z".to_owned(),
            (None, None) if column.is_computed => continue,
            (None, None) => "0.0;".to_owned(),
            (Some(function), None) => format!("{function}(\"text\");"),
        };
        let _ = writeln!(out, " *     row.{} = {value}", column.field);
    }
    for (_, field) in rows.extra() {
        let _ = writeln!(out, " *     row.{field} = 0.0;");
    }
    let _ = write!(
        out,
        " *     {call}\n *\n * Numbers are in the units of the table that the student was trained on; NaN is a missing value. A category is a\n * \
         code: a constant below, or the result of the column's function for a text without spaces at its ends; -1 is a missing or unknown value.\n * \
         In a boolean column, true is 1 and false is 0.\n */\n#ifndef {upper}_H_INCLUDED\n#define \
         {upper}_H_INCLUDED\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\ntypedef struct {{\n"
    );
    for column in columns {
        let (kind, note) = match (&column.function, column.date) {
            (_, Some((_, false))) => continue,
            (_, Some((_, true))) => (
                "int64_t",
                "; seconds since 1970-01-01 UTC, INT64_MIN is missing".to_owned(),
            ),
            (Some(_), None) => ("int32_t", String::new()),
            (None, None) if column.is_computed => ("double", format!("; computed by {name}_push")),
            (None, None) => ("double", missing_comment(column.missing)),
        };
        let (field, title) = (&column.field, comment(column.title));
        let _ = writeln!(out, "    {kind} {field}; /* {title}{note} */");
    }
    for (title, field) in rows.extra() {
        let title = comment(title);
        let _ = writeln!(
            out,
            "    double {field}; /* {title}; only for {name}_push */"
        );
    }
    let _ = writeln!(out, "}} {name}_row;");
    for column in columns {
        let (Some(function), levels) = (&column.function, levels(column.encoding)) else {
            continue;
        };
        let _ = writeln!(out, "\n/* Codes of `{}`. */", comment(column.title));
        if !column.codes.is_empty() {
            let codes = column.codes.iter().zip(levels).enumerate();
            let lines: Vec<String> = codes
                .map(|(code, (id, level))| format!("    {id} = {code} /* {} */", comment(level)))
                .collect();
            // Put the comma before the comment, as is usual in C.
            let lines: Vec<String> = lines
                .iter()
                .enumerate()
                .map(|(i, line)| {
                    if i + 1 < lines.len() {
                        line.replacen(" /*", ", /*", 1)
                    } else {
                        line.clone()
                    }
                })
                .collect();
            let _ = writeln!(out, "enum {{\n{}\n}};", lines.join("\n"));
        }
        let _ = writeln!(out, "int32_t {function}(const char *text);");
    }
    let _ = write!(
        out,
        "{}{end}\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
        declarations(student, name, (outputs, rows), &declaration)
    );
    out
}

/// The declarations of the functions, and of the struct with earlier rows. The struct comes before a function that needs it.
fn declarations(
    student: &Student,
    name: &str,
    (outputs, rows): (&[String], &Rows),
    declaration: &str,
) -> String {
    let (earlier, heading) = (
        rows.header(name, student),
        heading(student, &name.to_uppercase(), outputs),
    );
    if rows.remembered.is_none() {
        let note = match rows.regimes {
            Some(_) => format!(
                "/* The numbers must be normalized already. {name}_push takes numbers of the table. */\n"
            ),
            None => String::new(),
        };
        return format!("{heading}{note}{declaration};\n{earlier}");
    }
    let note = match rows.computes() {
        true => format!(
            "Like {name}_push, but for a row with all fields, normalized if there are regimes: it neither computes numbers of the row nor keeps values for them."
        ),
        false => "The row is the next of its series. It is added to the state.".into(),
    };
    format!("{earlier}{heading}/* {note} */\n{declaration};\n")
}

/// The text before the declaration of the prediction function: a comment and, if there are several outputs, the constants for their indices in `out`.
fn heading(student: &Student, upper: &str, outputs: &[String]) -> String {
    if let [output] = &student.outputs[..] {
        let name = comment(&output.name);
        return format!("\n/* The prediction for one row, in the unit of `{name}`. */\n");
    }
    let mut text =
        "\n/* Index of each prediction in out[]; each is in the unit of its target. */\nenum {\n"
            .to_owned();
    for (at, (constant, output)) in outputs.iter().zip(&student.outputs).enumerate() {
        let _ = writeln!(
            text,
            "    {constant} = {at}, /* {} */",
            comment(&output.name)
        );
    }
    let count = outputs.len();
    let _ = write!(
        text,
        "    {upper}_OUTPUTS = {count}\n}};\n\n/* Writes all predictions for one row: out holds {upper}_OUTPUTS numbers. */\n"
    );
    text
}

fn levels(encoding: &Encoding) -> &[String] {
    match encoding {
        Encoding::OneHot { levels, .. } | Encoding::Ordinal { levels } => levels,
        Encoding::Number { .. } | Encoding::Hashed { .. } => &[],
    }
}

fn test(
    student: &Student,
    name: &str,
    columns: &[Column<'_>],
    (kept, intervals): (&Rows, Option<&IntervalCode<'_>>),
) -> String {
    let mut rows = String::new();
    let Predictor {
        name: predict,
        argument,
        ..
    } = kept.predictor(name);
    // In `main`, the state is a variable, not a pointer.
    let argument = argument.replace("state", "&state");
    for golden in &student.golden {
        let cell = |(column, value): (&Column<'_>, &GoldenValue)| {
            if column.date.is_some_and(|(_, is_first)| !is_first) {
                return String::new();
            }
            let value = match (&column.function, value) {
                (None, GoldenValue::Time(time)) => seconds(*time),
                (None, _) if column.date.is_some() => "INT64_MIN".into(),
                (None, GoldenValue::Number(number)) => double(*number),
                (Some(function), GoldenValue::Text(text)) => {
                    format!("{function}({})", literal(text))
                }
                (None, _) => "NAN".into(),
                (Some(_), _) => "-1".into(),
            };
            format!("    row.{} = {value};\n", column.field)
        };
        rows.extend(columns.iter().zip(&golden.raw).map(cell));
        let several = student.outputs.len() > 1;
        if several {
            let _ = writeln!(rows, "    {predict}({argument}&row, out);");
        }
        for (at, (output, &expected)) in student.outputs.iter().zip(&golden.predictions).enumerate()
        {
            let found = match several {
                true => format!("out[{at}]"),
                false => format!("{predict}({argument}&row)"),
            };
            let (shown, tolerance) = (double(expected), double(output.golden_tolerance(expected)));
            let _ = writeln!(rows, "    check({found}, {shown}, {tolerance});");
            let own = intervals.map(|one| one.test(student, name, at, expected));
            rows.extend(own);
        }
    }
    let begin = match (&kept.remembered, student.golden.is_empty()) {
        (Some(_), false) => (
            format!("    {name}_state state;\n"),
            format!("    {name}_reset(&state);\n"),
        ),
        _ => Default::default(),
    };
    let ends = match (intervals, student.golden.is_empty()) {
        (Some(_), false) => "    double low, high;\n",
        _ => "",
    };
    let (row, count) = (
        match (student.golden.len(), student.outputs.len()) {
            (0, _) => String::new(),
            (_, 1) => format!("    {name}_row row;\n"),
            (_, outputs) => format!("    {name}_row row;\n    double out[{outputs}];\n"),
        },
        student.golden.len(),
    );
    format!(
        "/* Predicts the golden rows of {name} and compares: cc {name}_test.c {name}.c -lm && ./a.out */\n#include \"{name}.h\"\n#include <math.h>\n#include <stdio.h>\n\n\
         static double largest = 0.0;\nstatic int wrong = 0;\n\nstatic void check(double found, double expected, double tolerance)\n{{\n    double difference = \
         fabs(found - expected);\n    if (!(difference <= tolerance)) wrong++;\n    if (!(difference <= largest)) largest = difference;\n}}\n\nint main(void)\n{{\n\
         {row}{ends}{}    check(0.0, 0.0, 0.0);\n{}{rows}    printf(\"{count} golden rows, max |difference| %.17g, %d beyond tolerance\\n\", largest, wrong);\n    return \
         wrong > 0;\n}}\n",
        begin.0, begin.1
    )
}

/// The C source of a student. `constants` and `stack` are the numbers of bytes that it needs, for the comment in the header.
#[derive(Default)]
struct Body {
    source: String,
    constants: usize,
    stack: usize,
}

/// Collects the parts of the C source.
#[derive(Default)]
struct Writer {
    helpers: Vec<&'static str>,
    tables: String,
    buffers: String,
    code: String,
    constants: usize,
    stack: usize,
    math: bool,
    /// True if the C code needs the variable `number`. This variable holds a part of a date, or a raw number with NaN in place of numbers that mean
    /// *missing*.
    reads_number: bool,
    reads_input: bool,
    /// Number of floats in the states of the recurrent layers so far.
    states: usize,
}

impl Body {
    fn of(student: &Student, columns: &[Column<'_>], (name, rows): (&str, &Rows)) -> Result<Self> {
        let mut w = Writer::default();
        w.buffer("x", student.graph.input_width);
        w.encode(columns);
        let (network, z) = match &rows.remembered {
            None => (String::new(), w.graph(student)?),
            Some(remembered) => (w.network(student, remembered)?, "z".to_owned()),
        };
        let back = w.targets(student, columns, &z);
        let functions: String = columns
            .iter()
            .filter_map(|column| Some(code_function(column, column.function.as_ref()?)))
            .collect();
        let intervals = student.intervals.as_ref();
        let has_intervals = intervals.is_some_and(|own| !own.levels.is_empty());
        let math = if w.math || has_intervals || !rows.is_empty() {
            "#include <math.h>\n"
        } else {
            ""
        };
        // `counter`: declares the loop variable if the body has loops.
        // `idle`: casts of unused variables to void, so that compilers do not warn.
        let reads_input = w.reads_input || rows.remembered.is_some();
        let idle = if reads_input { "" } else { "    (void)x;\n" };
        let idle = if w.code.contains("row->") {
            idle.to_owned()
        } else {
            format!("{idle}    (void)row;\n")
        };
        let mut variables = String::new();
        if w.code.contains("(i = ") {
            variables.push_str("    int32_t i;\n");
        }
        if w.code.contains("(k = ") {
            variables.push_str("    int32_t k;\n");
        }
        if w.reads_number {
            variables.push_str("    double number;\n");
        }
        let source = format!(
            "/* {name}: see {name}.h. Made by limbeck {}. */\n#include \"{name}.h\"\n{math}\n{}{}{network}{functions}{}\n{{\n{}{variables}{idle}\n{}{back}}}\n{}",
            env!("CARGO_PKG_VERSION"),
            w.tables,
            w.helpers.join("\n") + if w.helpers.is_empty() { "" } else { "\n" },
            predict(student, name, rows),
            w.buffers,
            w.code,
            rows.source(name, student)
        );
        let text: usize = columns
            .iter()
            .map(|column| {
                levels(column.encoding)
                    .iter()
                    .map(|level| level.len() + 1)
                    .sum::<usize>()
            })
            .sum();
        Ok(Self {
            source,
            constants: w.constants + text,
            stack: w.stack,
        })
    }
}

impl Writer {
    /// The C expression for the number of `column` that is added to an output: a missing number is imputed.
    fn base(&mut self, column: &Column<'_>) -> String {
        let known = format!("row->{}", column.field);
        let Encoding::Number { impute, .. } = column.encoding else {
            return known;
        };
        self.math = true;
        let is_nan = format!("isnan({known})");
        let condition = match any_missing(&known, column.missing) {
            Some(condition) => format!("{is_nan} || {condition}"),
            None => is_nan,
        };
        format!("({condition} ? {} : {known})", double(*impute))
    }

    /// The last lines of the prediction function: they transform the graph's outputs to the units of the targets.
    fn targets(&mut self, student: &Student, columns: &[Column<'_>], z: &str) -> String {
        let several = student.outputs.len() > 1;
        let mut text = String::new();
        for (at, output) in student.outputs.iter().enumerate() {
            let (scale, shift, is_log) = match output.transform {
                TargetTransform::Affine { scale, shift } => (scale, shift, false),
                TargetTransform::LogAffine { scale, shift } => (scale, shift, true),
            };
            self.math |= is_log;
            let sum = format!("{} * (double){z}[{at}] + {}", double(scale), double(shift));
            let base = student
                .base_column(at)
                .map(|column| self.base(&columns[column]));
            let sum = base.map_or(sum.clone(), |base| format!("{sum} + {base}"));
            let target = if is_log { format!("exp({sum})") } else { sum };
            let _ = match several {
                true => writeln!(text, "    out[{at}] = {target};"),
                false => writeln!(text, "    return {target};"),
            };
        }
        text
    }
}

/// The numbers that mean *missing* in a column, as text for a comment in the C code; empty if there are none.
fn missing_comment(missing: &MissingNumbers) -> String {
    let values = missing.values.iter().map(f64::to_string);
    let below = missing.below.map(|below| format!("below {below}"));
    let above = missing.above.map(|above| format!("above {above}"));
    let all: Vec<String> = values.chain(below).chain(above).collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("; missing: {}", all.join(", ")),
    }
}

/// The C function that returns the code of a category's text. It compares the bytes itself, so that it needs no further header.
fn code_function(column: &Column<'_>, function: &str) -> String {
    let title = comment(column.title);
    if let Encoding::Hashed { buckets } = column.encoding {
        return format!(
            "/* Hash bucket of a text of `{title}`: FNV-1a, 64 bits. */\nint32_t {function}(const char *text)\n{{\n    uint64_t hash = UINT64_C(0xcbf29ce484222325);\n    if (!text) \
             return -1;\n    for (; *text; text++) hash = (hash ^ (uint64_t)(unsigned char)*text) * UINT64_C(0x100000001b3);\n    return (int32_t)(hash % {buckets}u);\n}}\n\n"
        );
    }
    let levels = levels(column.encoding);
    if levels.is_empty() {
        return format!(
            "/* `{title}` had no categories in training. */\nint32_t {function}(const char *text)\n{{\n    (void)text;\n    return -1;\n}}\n\n"
        );
    }
    let texts: Vec<String> = levels
        .iter()
        .map(|level| format!("        {}", literal(level)))
        .collect();
    format!(
        "/* Code of a text of `{title}`; -1 for an unknown text. */\nint32_t {function}(const char *text)\n{{\n    static const char *const levels[{}] = {{\n{}\n    }};\n    int32_t \
         code;\n    for (code = 0; text && code < {}; code++) {{\n        const char *a = text, *b = levels[code];\n        while (*a && *a == *b) {{ a++; b++; }}\n        if \
         (*a == *b) return code;\n    }}\n    return -1;\n}}\n\n",
        levels.len(),
        texts.join(",\n"),
        levels.len()
    )
}

const ADD: &str = "/* out += x * w; products with 0 are skipped. */
static void add(float x, const float *w, float *out, int32_t cols)
{
    int32_t j;
    if (x != 0.0f) for (j = 0; j < cols; j++) out[j] += x * w[j];
}
";
/// C function that computes one part of a date, such as the month; its argument `part` is an index into [`DatePart::ALL`].
const DATE: &str = "static double date_part(int64_t seconds, int32_t part)
{
    const double tau = 6.283185307179586;
    int64_t days, second, era, day, year, from_march, march, day_of_year;
    if (seconds == INT64_MIN) return NAN;
    days = seconds / 86400 - (seconds % 86400 < 0);
    second = seconds - days * 86400;
    if (part == 0) return (double)seconds / 86400.0;
    if (part == 3) return (double)((days % 7 + 10) % 7);
    if (part == 4) return (double)second / 3600.0;
    if (part == 7) return sin(tau * ((double)second / 86400.0));
    if (part == 8) return cos(tau * ((double)second / 86400.0));
    days += 719468;
    era = days / 146097 - (days % 146097 < 0);
    day = days - era * 146097;
    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    from_march = day - (365 * year + year / 4 - year / 100);
    march = (5 * from_march + 2) / 153;
    year += era * 400 + (march >= 10);
    if (part == 1) return (double)year;
    if (part == 2) return (double)(march >= 10 ? march - 9 : march + 3);
    day_of_year = march >= 10 ? from_march - 306 : from_march + 59 + (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    return part == 5 ? sin(tau * ((double)day_of_year / 365.25)) : cos(tau * ((double)day_of_year / 365.25));
}
";

const LINEAR: &str = "static void linear(const float *x, int32_t rows, const float *w, const float *bias, float *out, int32_t cols)
{
    int32_t i;
    for (i = 0; i < cols; i++) out[i] = bias[i];
    for (i = 0; i < rows; i++) add(x[i], w + i * cols, out, cols);
}
";
const BIN: &str = "/* Share of the bin [low, high] that lies below x, 0 to 1. */
static float bin(float x, float low, float high)
{
    float share;
    if (x >= high) return 1.0f;
    share = (x - low) / (high - low);
    return share < 0.0f ? 0.0f : share;
}
";
const BINNED_LINEAR: &str = "/* Piecewise-linear encoding of each column by its edges, times the weights of its bins; a column without edges is used as it is. */
static void binned_linear(const float *x, int32_t columns, const uint16_t *counts, const float *edges, const float *w, const float *bias, float *out, int32_t cols)
{
    int32_t c, k;
    for (k = 0; k < cols; k++) out[k] = bias[k];
    for (c = 0; c < columns; c++) {
        int32_t bins = counts[c] ? (int32_t)counts[c] - 1 : 1;
        if (!counts[c]) add(x[c], w, out, cols);
        for (k = 0; counts[c] && k < bins && !(x[c] <= edges[k]); k++) add(bin(x[c], edges[k], edges[k + 1]), w + k * cols, out, cols);
        w += bins * cols;
        edges += counts[c];
    }
}
";
const BINS: &str = "/* Piecewise-linear encoding of each column by its edges; a column without edges is copied. */
static void bins_of(const float *x, int32_t columns, const uint16_t *counts, const float *edges, float *out)
{
    int32_t c, k;
    for (c = 0; c < columns; c++) {
        if (!counts[c]) *out++ = x[c];
        for (k = 0; k + 1 < (int32_t)counts[c]; k++) *out++ = bin(x[c], edges[k], edges[k + 1]);
        edges += counts[c];
    }
}
";
const STANDARD: &str = "/* Standardizes a number; a missing one is replaced by impute. */
static float standard(double x, double impute, double center, double scale)
{
    double z = ((x != x ? impute : x) - center) / scale;
    return (float)(z < -SATURATION ? -SATURATION : z > SATURATION ? SATURATION : z);
}
";
const QUANTILE: &str = "static int32_t count_below(const double *r, int32_t n, double x, int32_t or_equal)
{
    int32_t low = 0, high = n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (r[middle] < x || (or_equal && r[middle] == x)) low = middle + 1;
        else high = middle;
    }
    return low;
}

static double polynomial(const double *c, double x)
{
    int32_t i;
    double sum = 0.0;
    for (i = 7; i >= 0; i--) sum = sum * x + c[i];
    return sum;
}

/* Quantile transform of a number to a normal distribution, clipped to +-3: Wichura 1988, AS 241. */
static float quantile(double x, double impute, const double *r, int32_t n)
{
    static const double a[8] = {3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
        4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[8] = {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
        2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3};
    static const double c[8] = {1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
        1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9};
    const double tail = 0.00134989803163009;
    double p, q, z;
    int32_t low, high;
    if (x != x) x = impute;
    low = count_below(r, n, x, 0);
    high = count_below(r, n, x, 1);
    if (low < high) p = (double)(low + high - 1) / (2.0 * (double)(n - 1));
    else if (low == 0) p = 0.0;
    else if (low == n) p = 1.0;
    else p = ((double)(low - 1) + (x / 2.0 - r[low - 1] / 2.0) / (r[low] / 2.0 - r[low - 1] / 2.0)) / (double)(n - 1);
    if (p <= tail) return -3.0f;
    if (p >= 1.0 - tail) return 3.0f;
    q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double s = 0.180625 - q * q;
        z = q * polynomial(a, s) / polynomial(b, s);
    } else {
        double s = sqrt(-log(p < 0.5 ? p : 1.0 - p)) - 1.6;
        z = polynomial(c, s) / polynomial(d, s);
        if (q < 0.0) z = -z;
    }
    return (float)(z < -3.0 ? -3.0 : z > 3.0 ? 3.0 : z);
}
";
const LOCATE: &str =
    "/* Index of the cell between ascending knots that holds x, and the share of the cell that lies below x. */
static int32_t locate(const float *knots, int32_t n, float x, float *share)
{
    int32_t cell = 0;
    while (cell < n - 2 && x >= knots[cell + 1]) cell++;
    *share = (x - knots[cell]) / (knots[cell + 1] - knots[cell]);
    *share = *share < 0.0f ? 0.0f : *share > 1.0f ? 1.0f : *share;
    return cell;
}
";
const SOFTMAX: &str = "static void softmax(float *x, int32_t n)
{
    int32_t i;
    float highest = x[0], sum = 0.0f;
    for (i = 1; i < n; i++) if (x[i] > highest) highest = x[i];
    for (i = 0; i < n; i++) { x[i] = expf(x[i] - highest); sum += x[i]; }
    for (i = 0; i < n; i++) x[i] /= sum;
}
";

impl Writer {
    fn helper(&mut self, helper: &'static str) {
        if !self.helpers.contains(&helper) {
            self.helpers.push(helper);
        }
    }

    fn buffer(&mut self, name: &str, width: usize) {
        let _ = writeln!(self.buffers, "    float {name}[{width}];");
        self.stack += 4 * width;
    }

    fn array(&mut self, kind: &str, size: usize, name: &str, values: impl Iterator<Item = String>) {
        let values: Vec<String> = values.collect();
        self.constants += size * values.len();
        let lines: Vec<String> = values
            .chunks(10)
            .map(|line| format!("    {}", line.join(", ")))
            .collect();
        let _ = writeln!(
            self.tables,
            "static const {kind} {name}[{}] = {{\n{}\n}};\n",
            values.len(),
            lines.join(",\n")
        );
    }

    fn floats(&mut self, name: &str, values: &[f32]) {
        self.array("float", 4, name, values.iter().map(|&value| float(value)));
    }

    /// Writes an array of unsigned integers, in the smaller of two types that can hold all of them.
    fn wholes(&mut self, name: &str, values: &[u32]) {
        let short = values.iter().all(|&value| u16::try_from(value).is_ok());
        let (kind, size) = if short {
            ("uint16_t", 2)
        } else {
            ("uint32_t", 4)
        };
        self.array(kind, size, name, values.iter().map(u32::to_string));
    }

    /// The C expression for a column's value. It is the column's field of the struct, or the variable `number` if the C code must first compute a
    /// part of a date, or replace numbers that mean *missing* by NaN.
    fn without_missing(&mut self, column: &Column<'_>) -> String {
        let field = match column.date {
            None => format!("row->{}", column.field),
            Some((part, _)) => {
                self.math = true;
                self.helper(DATE);
                let part = DatePart::ALL
                    .iter()
                    .position(|&one| one == part)
                    .unwrap_or_default();
                let _ = writeln!(
                    self.code,
                    "    number = date_part(row->{}, {part});",
                    column.field
                );
                self.reads_number = true;
                "number".to_owned()
            }
        };
        let Some(condition) = any_missing(&field, column.missing) else {
            return field;
        };
        self.math = true;
        let _ = writeln!(self.code, "    number = {condition} ? NAN : {field};");
        self.reads_number = true;
        "number".to_owned()
    }

    fn encode(&mut self, columns: &[Column<'_>]) {
        let mut at = 0;
        for (index, column) in columns.iter().enumerate() {
            let field = self.without_missing(column);
            match column.encoding {
                Encoding::Number {
                    impute,
                    indicator,
                    scaling,
                } => {
                    let call = match scaling {
                        Scaling::Standard { center, scale } => {
                            if !self.helpers.contains(&STANDARD) {
                                let _ = writeln!(
                                    self.tables,
                                    "#define SATURATION {}\n",
                                    double(SATURATION)
                                );
                            }
                            self.helper(STANDARD);
                            format!(
                                "standard({field}, {}, {}, {})",
                                double(*impute),
                                double(*center),
                                double(*scale)
                            )
                        }
                        Scaling::Quantile { references } => {
                            self.math = true;
                            self.helper(QUANTILE);
                            let name = format!("references_{index}");
                            self.array("double", 8, &name, references.iter().map(|&r| double(r)));
                            format!(
                                "quantile({field}, {}, {name}, {})",
                                double(*impute),
                                references.len()
                            )
                        }
                    };
                    let _ = writeln!(self.code, "    x[{at}] = {call};");
                    if *indicator {
                        let _ = writeln!(
                            self.code,
                            "    x[{}] = {field} != {field} ? 1.0f : 0.0f;",
                            at + 1
                        );
                    }
                }
                Encoding::OneHot { levels, other } => {
                    self.one_hot(at, levels.len(), &field);
                    if *other {
                        let (place, n) = (at + levels.len(), levels.len());
                        // Without levels, every value counts as other; a comparison with 0 levels would give a compiler warning.
                        let is = if n == 0 {
                            "1.0f".to_owned()
                        } else {
                            format!("{field} < 0 || {field} >= {n} ? 1.0f : 0.0f")
                        };
                        let _ = writeln!(self.code, "    x[{place}] = {is};");
                    }
                }
                Encoding::Hashed { buckets } => self.one_hot(at, *buckets as usize, &field),
                Encoding::Ordinal { levels } => {
                    let n = levels.len();
                    let _ = writeln!(
                        self.code,
                        "    x[{at}] = {field} < 0 || {field} > {n} ? {n}.0f : (float){field};"
                    );
                }
            }
            at += column.encoding.width();
        }
    }

    fn one_hot(&mut self, at: usize, levels: usize, field: &str) {
        if levels > 0 {
            let _ = writeln!(
                self.code,
                "    for (i = 0; i < {levels}; i++) x[{at} + i] = {field} == i ? 1.0f : 0.0f;"
            );
        }
    }

    /// The function `network`, for a recurrent student; the body of the prediction function calls it, with the result in `z`.
    fn network(&mut self, student: &Student, remembered: &Remembered) -> Result<String> {
        let code = std::mem::take(&mut self.code);
        let buffers = std::mem::take(&mut self.buffers);
        let result = self.graph(student)?;
        let outputs = student.outputs.len();
        let text = c_recurrent::network(
            (&self.buffers, &self.code),
            self.reads_input,
            (&result, outputs),
        );
        (self.code, self.buffers) = (code, buffers);
        self.buffer("z", outputs);
        if remembered.local() > 0 {
            self.buffer("memory", remembered.local());
            // The loop over the rows writes them; a compiler may not see that there is a row.
            self.each(outputs, "z[i] = 0.0f");
        }
        self.code.push_str(&remembered.call());
        Ok(text + "\n")
    }

    /// Writes the C code of all nodes that the output needs. Returns the name of the buffer that holds the last node's result.
    fn graph(&mut self, student: &Student) -> Result<String> {
        let graph = &student.graph;
        // This cannot fail for a student, since its graph was checked when it was made.
        let widths = graph.widths().map_err(|error| Error::Refused {
            format: "C",
            place: "student".into(),
            what: format!("an invalid graph ({error})"),
            fix: "the student's file is damaged: copy the file again, or train the student again",
        })?;
        let uses = uses(graph, widths.len());
        self.reads_input = uses[0] > 0;
        let is_recurrent =
            |index: usize| uses[index + 1] > 0 && matches!(graph.nodes[index].op, Op::Recurrent(_));
        let last = (0..graph.nodes.len())
            .rev()
            .find(|&index| is_recurrent(index));
        let mut values = vec!["x".to_owned()];
        for (index, node) in graph.nodes.iter().enumerate() {
            if uses[index + 1] == 0 {
                values.push(String::new());
                continue;
            }
            let first = values[node.inputs[0]].clone();
            if is_visited(graph, &uses, index) {
                values.push(first);
                continue;
            }
            let alone = uses[node.inputs[0]] == 1 && node.inputs.len() == 1;
            // The input of a recurrent student's network is constant.
            let is_fixed = graph.is_recurrent() && first == "x";
            let in_place =
                alone && !is_fixed && matches!(node.op, Op::Relu | Op::Scale { .. } | Op::Softmax);
            let out = if in_place {
                first
            } else {
                let own = format!("v{}", index + 1);
                self.buffer(&own, widths[index + 1]);
                own
            };
            let inputs: Vec<String> = node.inputs.iter().map(|&at| values[at].clone()).collect();
            let bins = node.inputs[0]
                .checked_sub(1)
                .filter(|&made_by| is_visited(graph, &uses, made_by))
                .map(|made_by| &graph.nodes[made_by].op);
            self.node(
                &Written {
                    index,
                    width: widths[index + 1],
                    inputs: &inputs,
                    out: &out,
                    bins,
                },
                &node.op,
            );
            if last == Some(index) {
                self.code.push_str("    if (!is_last) return;\n");
            }
            values.push(out);
        }
        Ok(values.pop().unwrap_or_default())
    }

    /// Writes the statements of one node.
    fn node(&mut self, node: &Written<'_>, op: &Op) {
        let Written {
            index,
            width,
            inputs,
            out,
            bins,
        } = *node;
        let first = &inputs[0];
        match op {
            Op::Ple { edges } => {
                self.edges(index, edges);
                self.helper(BIN);
                self.helper(BINS);
                let _ = writeln!(
                    self.code,
                    "    bins_of({first}, {}, counts_{index}, edges_{index}, {out});",
                    edges.len()
                );
            }
            Op::Linear {
                rows,
                cols,
                weight,
                bias,
            } => {
                self.helper(ADD);
                self.floats(&format!("weight_{index}"), weight);
                self.floats(&format!("bias_{index}"), bias);
                if let Some(Op::Ple { edges }) = bins {
                    self.edges(index, edges);
                    self.helper(BIN);
                    self.helper(BINNED_LINEAR);
                    let columns = edges.len();
                    let _ = writeln!(
                        self.code,
                        "    binned_linear({first}, {columns}, counts_{index}, edges_{index}, weight_{index}, bias_{index}, {out}, {cols});"
                    );
                } else {
                    self.helper(LINEAR);
                    let _ = writeln!(
                        self.code,
                        "    linear({first}, {rows}, weight_{index}, bias_{index}, {out}, {cols});"
                    );
                }
            }
            Op::Relu => self.each(
                width,
                &format!("{out}[i] = {first}[i] < 0.0f ? 0.0f : {first}[i]"),
            ),
            Op::Scale { by, add } => self.each(
                width,
                &format!("{out}[i] = {first}[i] * {} + {}", float(*by), float(*add)),
            ),
            Op::Add | Op::Mean => {
                self.each(width, &format!("{out}[i] = {first}[i]"));
                for other in &inputs[1..] {
                    self.each(width, &format!("{out}[i] += {other}[i]"));
                }
                if matches!(op, Op::Mean) {
                    let count = float(inputs.len() as f32);
                    self.each(width, &format!("{out}[i] /= {count}"));
                }
            }
            Op::Softmax => {
                self.math = true;
                self.helper(SOFTMAX);
                if out != first {
                    self.each(width, &format!("{out}[i] = {first}[i]"));
                }
                let _ = writeln!(self.code, "    softmax({out}, {width});");
            }
            Op::TreeEnsemble(trees) => self.trees(index, trees, first, out),
            Op::TableInterp(table) => self.table(index, table, first, out),
            Op::Recurrent(layer) => self.recurrent(index, layer, first, out),
        }
    }

    fn recurrent(&mut self, index: usize, layer: &Recurrent, first: &str, out: &str) {
        self.math = true;
        self.helper(c_recurrent::GATES);
        self.helper(c_recurrent::function(layer.cell));
        self.floats(&format!("weight_{index}"), &layer.weight);
        self.floats(&format!("recurrent_{index}"), &layer.recurrent);
        self.floats(&format!("bias_{index}"), &layer.bias);
        let (cell, inputs, units) = (layer.cell.name(), layer.inputs, layer.units);
        self.buffer(&format!("gates_{index}"), 4 * units);
        let at = self.states;
        self.states += layer.state_width();
        let _ = writeln!(
            self.code,
            "    {cell}({first}, {inputs}, weight_{index}, recurrent_{index}, bias_{index}, gates_{index}, memory + {at}, {units});"
        );
        self.each(units, &format!("{out}[i] = memory[{at} + i]"));
    }

    fn each(&mut self, width: usize, statement: &str) {
        let _ = writeln!(self.code, "    for (i = 0; i < {width}; i++) {statement};");
    }

    fn edges(&mut self, index: usize, edges: &[Vec<f32>]) {
        let counts: Vec<u32> = edges.iter().map(|edges| edges.len() as u32).collect();
        self.array(
            "uint16_t",
            2,
            &format!("counts_{index}"),
            counts.iter().map(u32::to_string),
        );
        let all: Vec<f32> = edges.iter().flatten().copied().collect();
        // A C array must have at least one element.
        self.floats(
            &format!("edges_{index}"),
            if all.is_empty() { &[0.0] } else { &all },
        );
    }

    fn trees(&mut self, index: usize, trees: &TreeEnsemble, first: &str, out: &str) {
        let splits = trees.threshold.len();
        if splits == 0 {
            let sum = trees
                .roots
                .iter()
                .fold(0.0, |sum: f32, &root| sum + trees.leaves[root as usize]);
            let _ = writeln!(self.code, "    {out}[0] = {};", float(sum));
            return;
        }
        self.wholes(&format!("roots_{index}"), &trees.roots);
        self.wholes(&format!("inputs_{index}"), &trees.inputs);
        self.floats(&format!("threshold_{index}"), &trees.threshold);
        self.wholes(&format!("children_{index}"), &trees.children);
        self.floats(&format!("leaves_{index}"), &trees.leaves);
        // The lowest bit of `inputs` says whether a missing number goes left.
        let _ = write!(
            self.code,
            "    {out}[0] = 0.0f;\n    for (i = 0; i < {}; i++) {{\n        uint32_t at = roots_{index}[i];\n        while (at < {splits}u) {{\n            float value = \
             {first}[inputs_{index}[at] / 2u];\n            int left = value != value ? (int)(inputs_{index}[at] & 1u) : value < threshold_{index}[at];\n            at = \
             children_{index}[2u * at + (left ? 0u : 1u)];\n        }}\n        {out}[0] += leaves_{index}[at - {splits}u];\n    }}\n",
            trees.roots.len()
        );
    }

    fn table(&mut self, index: usize, table: &TableInterp, first: &str, out: &str) {
        self.helper(LOCATE);
        self.floats(&format!("values_{index}"), &table.values);
        for (axis, knots) in table.knots.iter().enumerate() {
            self.floats(&format!("knots_{index}_{axis}"), knots);
        }
        let axes: Vec<usize> = table.knots.iter().map(Vec::len).collect();
        let _ = writeln!(self.code, "    {{");
        for axis in 0..axes.len() {
            let _ = writeln!(self.code, "        float f{axis};");
        }
        for (axis, n) in axes.iter().enumerate() {
            let _ = writeln!(
                self.code,
                "        int32_t c{axis} = locate(knots_{index}_{axis}, {n}, {first}[{axis}], &f{axis});"
            );
        }
        let _ = writeln!(
            self.code,
            "        {out}[0] = {};\n    }}",
            corners(index, &axes, 0, String::from("0"))
        );
    }
}

/// The interpolation in a table along `axis` and all later axes, as one C expression; the last axis is interpolated first. `at` is the C expression
/// for the index that the earlier axes give.
fn corners(index: usize, axes: &[usize], axis: usize, at: String) -> String {
    let Some(n) = axes.get(axis) else {
        return format!("values_{index}[{at}]");
    };
    let corner = |next: usize| {
        corners(
            index,
            axes,
            axis + 1,
            format!("({at}) * {n} + c{axis} + {next}"),
        )
    };
    format!(
        "((1.0f - f{axis}) * {} + f{axis} * {})",
        corner(0),
        corner(1)
    )
}
/// A node of the graph, to write its C code.
struct Written<'a> {
    index: usize,
    width: usize,
    /// Names of the buffers that the node reads.
    inputs: &'a [String],
    /// Name of the buffer that the node writes.
    out: &'a str,
    /// The piecewise-linear encoding whose result only this node reads, and whose code is therefore part of this node's code; `None` if there is
    /// none.
    bins: Option<&'a Op>,
}

/// How often each value is read by nodes that have an effect on the output. Value 0 is the graph's input, and value `i + 1` is the result of node
/// `i`. The output itself counts as read once. No C code is written for values that are never read, to avoid compiler warnings.
fn uses(graph: &Graph, values: usize) -> Vec<usize> {
    let mut uses = vec![0; values];
    uses[graph.nodes.len()] = 1;
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        // Trees without splits give the same result for every row.
        let is_constant = matches!(&node.op, Op::TreeEnsemble(trees) if trees.threshold.is_empty());
        if uses[index + 1] > 0 && !is_constant {
            node.inputs.iter().for_each(|&value| uses[value] += 1);
        }
    }
    uses
}

/// True if node `index` is a piecewise-linear encoding that is read by one linear layer and nothing else. Its code is then part of the code of that
/// layer, and it needs no buffer.
fn is_visited(graph: &Graph, uses: &[usize], index: usize) -> bool {
    let mut readers = graph
        .nodes
        .iter()
        .zip(&uses[1..])
        .filter(|(next, uses)| **uses > 0 && next.inputs == [index + 1]);
    matches!(graph.nodes[index].op, Op::Ple { .. })
        && uses[index + 1] == 1
        && readers
            .next()
            .is_some_and(|(next, _)| matches!(next.op, Op::Linear { .. }))
}
