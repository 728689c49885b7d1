//! The C code of prediction intervals.

use std::fmt::Write as _;

use limbeck_runtime::{Intervals, Output, Student, TargetTransform, Widths};

use crate::c_literal::{double, doubles};
use crate::names::Names;

/// The prediction intervals of a student, with their names in the C code.
pub(crate) struct IntervalCode<'a> {
    intervals: &'a Intervals,
    outputs: &'a [Output],
    /// Name of the constant for each level.
    constants: Vec<String>,
    /// Name of the constant for the number of levels.
    count: String,
    /// True if the code has a function that predicts from a row with no state.
    is_stateless: bool,
}

const SPREAD: &str = "/* Spread at a prediction: linear between the knots (prediction, spread), constant beyond them. */
static double spread(double prediction, const double *knots, int32_t count)
{
    double sum = knots[1];
    int32_t k;
    for (k = 0; k + 1 < count; k++, knots += 2) {
        double width = knots[2] - knots[0], at = prediction - knots[0];
        sum += (knots[3] - knots[1]) / width * (at < 0.0 ? 0.0 : at > width ? width : at);
    }
    return sum;
}
";

impl<'a> IntervalCode<'a> {
    /// The names of the intervals; `None` if the student has none, or no level is to be exported.
    pub(crate) fn of(
        student: &'a Student,
        name: &str,
        is_stateless: bool,
        globals: &mut Names,
    ) -> Option<Self> {
        let intervals = student.intervals.as_ref();
        let intervals = intervals.filter(|intervals| !intervals.levels.is_empty())?;
        for function in [
            format!("{name}_interval"),
            format!("{name}_predict_interval"),
        ] {
            globals.keep(&function);
        }
        let upper = name.to_uppercase();
        let count = globals.of(&format!("{upper}_LEVELS"));
        let constant = |level: &f64| globals.of(&format!("{upper}_LEVEL_{}", percent(*level)));
        Some(Self {
            intervals,
            outputs: &student.outputs,
            constants: intervals.levels.iter().map(constant).collect(),
            count,
            is_stateless,
        })
    }

    fn declaration(&self, name: &str) -> String {
        let output = if self.outputs.len() > 1 {
            "int32_t output, "
        } else {
            ""
        };
        format!(
            "void {name}_interval({output}double prediction, int32_t level, double *low, double *high)"
        )
    }

    fn whole(&self, name: &str) -> Option<String> {
        let row = format!("const {name}_row *row, int32_t level");
        self.is_stateless.then(|| match self.outputs.len() {
            1 => format!("double {name}_predict_interval({row}, double *low, double *high)"),
            _ => format!(
                "void {name}_predict_interval({row}, double *out, double *low, double *high)"
            ),
        })
    }

    /// The declarations, for the header.
    pub(crate) fn header(&self, name: &str) -> String {
        let mut text = "\n/* Levels of the prediction intervals. */\nenum {\n".to_owned();
        let levels = self.constants.iter().zip(&self.intervals.levels);
        for (at, (constant, level)) in levels.enumerate() {
            let _ = writeln!(text, "    {constant} = {at}, /* {level} */");
        }
        let (count, last) = (&self.count, self.constants.len());
        let of = match self.outputs.len() {
            1 => "a prediction",
            _ => "a prediction of an output, given by its index",
        };
        let _ = write!(
            text,
            "    {count} = {last}\n}};\n\n/* The interval around {of}: it contains the true value with the probability of the level, if new rows are like\n * those of training. An unknown level gives an infinite interval. */\n{};\n",
            self.declaration(name)
        );
        if let Some(whole) = self.whole(name) {
            let what = match self.outputs.len() {
                1 => "The prediction for one row, with its interval.",
                _ => {
                    "All predictions for one row, with their intervals: out, low and high hold one number for each output."
                }
            };
            let _ = write!(text, "\n/* {what} */\n{whole};\n");
        }
        text
    }

    /// Number of bytes of the constants.
    pub(crate) fn constants(&self) -> usize {
        let of = |widths: &Widths| 16 * widths.spread.len() + 8 * self.constants.len();
        self.intervals.outputs.iter().map(of).sum()
    }

    /// The functions, for the source.
    pub(crate) fn source(&self, name: &str) -> String {
        let is_scaled = |widths: &Widths| !widths.spread.is_empty();
        let mut text = match self.intervals.outputs.iter().any(is_scaled) {
            true => format!("\n{SPREAD}"),
            false => String::new(),
        };
        let outputs = self.outputs.iter().zip(&self.intervals.outputs);
        for (at, (output, widths)) in outputs.enumerate() {
            let is_log = matches!(output.transform, TargetTransform::LogAffine { .. });
            text.push_str(&self.ends(at, widths, is_log));
        }
        let _ = write!(text, "\n{}\n{{\n", self.declaration(name));
        match self.outputs.len() {
            1 => text.push_str("    ends_0(prediction, level, low, high);\n"),
            count => {
                text.push_str("    *low = -INFINITY;\n    *high = INFINITY;\n");
                for at in 0..count {
                    let _ = writeln!(
                        text,
                        "    if (output == {at}) ends_{at}(prediction, level, low, high);"
                    );
                }
            }
        }
        text.push_str("}\n");
        if let Some(whole) = self.whole(name) {
            let _ = write!(text, "\n{whole}\n{{\n");
            let _ = match self.outputs.len() {
                1 => write!(
                    text,
                    "    double prediction = {name}_predict(row);\n    {name}_interval(prediction, level, low, high);\n    return prediction;\n"
                ),
                count => write!(
                    text,
                    "    int32_t k;\n    {name}_predict(row, out);\n    for (k = 0; k < {count}; k++) {name}_interval(k, out[k], level, low + k, high + k);\n"
                ),
            };
            text.push_str("}\n");
        }
        text
    }

    /// The function that writes the ends of the interval of one output.
    fn ends(&self, at: usize, widths: &Widths, is_log: bool) -> String {
        // The levels are supported, as the student was checked.
        let levels = self.intervals.levels.iter();
        let scores = levels.filter_map(|&level| widths.score(level).ok());
        let scores = doubles(&scores.collect::<Vec<f64>>());
        let knots = widths.spread.iter().flat_map(|&(x, y)| [x, y]);
        let knots: Vec<f64> = knots.collect();
        let count = self.constants.len();
        let mut text = format!(
            "\nstatic void ends_{at}(double prediction, int32_t level, double *low, double *high)\n{{\n    static const double scores[{count}] = {scores};\n"
        );
        let spread = match widths.spread.len() {
            0 => String::new(),
            points => {
                let _ = writeln!(
                    text,
                    "    static const double knots[{}] = {};",
                    knots.len(),
                    doubles(&knots)
                );
                format!(" * spread(prediction, knots, {points})")
            }
        };
        let _ = write!(
            text,
            "    double half;\n    *low = -INFINITY;\n    *high = INFINITY;\n    if (level < 0 || level >= {count}) return;\n    half = scores[level]{spread};\n"
        );
        text.push_str(match is_log {
            true => "    half = exp(half);\n    *low = prediction / half;\n    *high = prediction * half;\n}\n",
            false => "    *low = prediction - half;\n    *high = prediction + half;\n}\n",
        });
        text
    }

    /// Statements of the test program: the intervals around the golden prediction `expected` of an output.
    pub(crate) fn test(
        &self,
        student: &Student,
        name: &str,
        output: usize,
        expected: f64,
    ) -> String {
        let mut text = String::new();
        for (at, &level) in self.intervals.levels.iter().enumerate() {
            let Ok(interval) = student.interval(output, expected, level) else {
                continue;
            };
            let of = if self.outputs.len() > 1 {
                format!("{output}, ")
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "    {name}_interval({of}{}, {at}, &low, &high);",
                double(expected)
            );
            for (end, value) in [("low", interval.low), ("high", interval.high)] {
                let tolerance = double(self.outputs[output].golden_tolerance(value));
                let _ = writeln!(text, "    check({end}, {}, {tolerance});", double(value));
            }
        }
        text
    }
}

/// A level in percent as a part of a C name, such as `90` or `99_5`.
pub(crate) fn percent(level: f64) -> String {
    let text = format!("{:.2}", 100.0 * level);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.replace('.', "_")
}
