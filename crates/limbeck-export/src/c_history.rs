//! The part of the C code that keeps earlier rows: a struct with the last values of each column, and a function that takes the next row. For a recurrent
//! student, the struct has its memory, too (see `c_recurrent.rs`).
//!
//! Each column's values are an array, the latest first. A new row shifts it by one place. Without a row, a value is NaN, so that no counter is needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use limbeck_runtime::{HistorySource, KeyKind, Look, LookKind, MissingNumbers, Student};

use crate::c_missing::any_missing;
use crate::c_recurrent::Remembered;
use crate::c_regimes::RegimeCode;
use crate::names::Names;

/// A column whose earlier values the C code keeps.
pub(crate) struct Kept {
    /// Name of the column in the table.
    pub(crate) title: String,
    /// Its field in the struct of a row.
    pub(crate) field: String,
    /// True if the field is needed for earlier rows only; then it is no input of the prediction itself.
    pub(crate) extra: bool,
    missing: MissingNumbers,
    depth: usize,
}

/// What is computed from earlier rows, and where the result goes.
struct Computed {
    /// Position of the column among the kept ones.
    kept: usize,
    look: Look,
    /// The field in the struct of a row.
    field: String,
}

/// The earlier rows that a student needs, in C.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) kept: Vec<Kept>,
    computed: Vec<Computed>,
    /// The memory of a recurrent student.
    pub(crate) remembered: Option<Remembered>,
    /// The operating regimes by which numbers are normalized.
    pub(crate) regimes: Option<RegimeCode>,
}

/// The C function that predicts from a row whose statistics of earlier rows are known.
pub(crate) struct Predictor {
    /// Its name.
    pub(crate) name: String,
    /// The parameter before the row, with a comma; empty if there is none.
    pub(crate) parameter: String,
    /// The argument `state`, with a comma; empty if there is none.
    pub(crate) argument: &'static str,
}

impl Rows {
    /// The earlier rows for these columns: for each column of the student, its name, its field, and the source of a statistic of earlier rows. `fields`
    /// makes names for fields of columns that are no inputs themselves.
    pub(crate) fn of<'a>(
        columns: impl Iterator<Item = (&'a str, &'a str, Option<&'a HistorySource>)> + Clone,
        fields: &mut Names,
    ) -> Self {
        let plain = columns.clone().filter(|(.., source)| source.is_none());
        let own: BTreeMap<&str, &str> = plain.map(|(title, field, _)| (title, field)).collect();
        let mut made = Self::default();
        for (_, field, source) in columns {
            let Some(source) = source else { continue };
            let known = made
                .kept
                .iter()
                .position(|kept| kept.title == source.column);
            let place = known.unwrap_or_else(|| {
                let own = own.get(source.column.as_str());
                made.kept.push(Kept {
                    title: source.column.clone(),
                    field: own
                        .map_or_else(|| fields.of(&source.column), |field| (*field).to_owned()),
                    extra: own.is_none(),
                    missing: source.missing.clone(),
                    depth: 1,
                });
                made.kept.len() - 1
            });
            let kept = &mut made.kept[place];
            kept.depth = kept.depth.max(source.look.depth());
            made.computed.push(Computed {
                kept: place,
                look: source.look,
                field: field.to_owned(),
            });
        }
        made
    }

    /// True if the student needs no earlier rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.computed.is_empty() && self.remembered.is_none() && self.regimes.is_none()
    }

    /// True if `NAME_push` computes numbers of the row, and then calls the function that predicts.
    pub(crate) fn computes(&self) -> bool {
        !self.computed.is_empty() || self.regimes.is_some()
    }

    /// True if nothing is kept from row to row: the row is only normalized.
    fn keeps_nothing(&self) -> bool {
        self.kept.is_empty() && self.remembered.is_none()
    }

    /// Names and fields of columns that are no inputs of the prediction itself, but are needed to compute some.
    pub(crate) fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        let kept = self.kept.iter().filter(|kept| kept.extra);
        let kept = kept.map(|kept| (&*kept.title, &*kept.field));
        kept.chain(self.regimes.iter().flat_map(RegimeCode::extra))
    }

    /// Adds the operating regimes of a student. `own` has the name and the field of each column that is read from the table.
    pub(crate) fn add_regimes(
        &mut self,
        student: &Student,
        own: &[(&str, &str)],
        fields: &mut Names,
    ) {
        let sequence = student.sequence.as_ref();
        let Some(regimes) = sequence.and_then(|sequence| sequence.regimes.as_ref()) else {
            return;
        };
        let kept = self.kept.iter().map(|kept| (&*kept.title, &*kept.field));
        let known: Vec<(&str, &str)> = own.iter().copied().chain(kept).collect();
        let field = |name: &str| {
            let found = known.iter().find(|(title, _)| *title == name);
            found.map(|(_, field)| (*field).to_owned())
        };
        self.regimes = Some(RegimeCode::of(regimes, field, fields));
    }

    /// The function that predicts from a whole row: its name without the prefix, and its first parameters and arguments.
    pub(crate) fn predictor(&self, name: &str) -> Predictor {
        match (&self.remembered, self.computes()) {
            (None, _) => Predictor {
                name: format!("{name}_predict"),
                parameter: String::new(),
                argument: "",
            },
            (Some(_), computes) => Predictor {
                name: format!("{name}_{}", if computes { "step" } else { "push" }),
                parameter: format!("{name}_state *state, "),
                argument: "state, ",
            },
        }
    }

    /// Number of bytes of the struct.
    fn bytes(&self) -> usize {
        let remembered = self.remembered.as_ref().map_or(0, Remembered::bytes);
        remembered + self.kept.iter().map(|kept| 8 * kept.depth).sum::<usize>()
    }

    /// The declarations of the struct and its functions; empty if the student needs no earlier rows.
    pub(crate) fn header(&self, name: &str, student: &Student) -> String {
        if self.is_empty() {
            return String::new();
        }
        let note = match self.kept.is_empty() {
            true => "",
            false => ": the last values of each column, the latest first",
        };
        let mut text = format!(
            "\n/* Earlier rows of a series, {} bytes{note}. */\ntypedef struct {{\n",
            self.bytes()
        );
        for kept in &self.kept {
            let _ = writeln!(text, "    double {}[{}];", kept.field, kept.depth);
        }
        text.extend(self.remembered.as_ref().map(Remembered::fields));
        if self.keeps_nothing() {
            text.push_str("    char none; /* nothing is kept: a struct needs a field */\n");
        }
        let _ = write!(
            text,
            "}} {name}_state;\n\n/* Forgets all rows. Call it before the first row of a series, and after a gap{}. */\nvoid {name}_reset({name}_state *state);\n",
            gap(student)
        );
        if self.computes() {
            let fields: Vec<&str> = self
                .computed
                .iter()
                .map(|computed| &*computed.field)
                .collect();
            let how = match (fields.is_empty(), self.regimes.is_some()) {
                (true, _) => " It normalizes a copy of the row by its operating regime.".to_owned(),
                (false, true) => format!(
                    " It normalizes a copy of the row by its operating regime, and computes these fields itself:\n * {}.",
                    fields.join(", ")
                ),
                (false, false) => {
                    format!(
                        " It computes these fields of the row itself:\n * {}.",
                        fields.join(", ")
                    )
                }
            };
            let _ = write!(
                text,
                "\n/* Predicts the next row of a series, which it adds to the state.{how} */\n{};\n",
                declaration(name, student)
            );
        }
        text
    }

    /// The functions; empty if the student needs no earlier rows.
    pub(crate) fn source(&self, name: &str, student: &Student) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut text = "\n".to_owned();
        if !self.computed.is_empty() {
            text.push_str(SHARED);
        }
        text.extend(self.regimes.as_ref().map(|regimes| regimes.functions(name)));
        for kind in LookKind::ALL {
            if self
                .computed
                .iter()
                .any(|computed| computed.look.kind == kind)
            {
                text.push_str(function(kind));
            }
        }
        let remembered = self.remembered.as_ref();
        let counter =
            match !self.kept.is_empty() || remembered.is_some_and(Remembered::resets_in_a_loop) {
                true => "    int32_t i;\n",
                false => "",
            };
        let _ = write!(
            text,
            "void {name}_reset({name}_state *state)\n{{\n{counter}"
        );
        for Kept { field, depth, .. } in &self.kept {
            let _ = writeln!(
                text,
                "    for (i = 0; i < {depth}; i++) state->{field}[i] = NAN;"
            );
        }
        text.extend(remembered.map(Remembered::reset));
        if self.keeps_nothing() {
            text.push_str("    state->none = 0;\n");
        }
        text.push_str("}\n");
        if self.computes() {
            text.push_str(&self.push(name, student));
        }
        text
    }

    /// The function that computes the statistics of the next row, and predicts it.
    fn push(&self, name: &str, student: &Student) -> String {
        let mut text = format!("\n{}\n{{\n", declaration(name, student));
        text.extend(
            self.regimes
                .as_ref()
                .map(|regimes| regimes.statements(name)),
        );
        if self.keeps_nothing() {
            text.push_str("    (void)state;\n");
        }
        for kept in &self.kept {
            let (field, depth) = (&kept.field, kept.depth);
            let value = kept.value(&format!("row->{field}"));
            let _ = writeln!(text, "    keep(state->{field}, {depth}, {value});");
        }
        for Computed { kept, look, field } in &self.computed {
            let (kind, rows) = (look.kind.name(), look.rows);
            let from = &self.kept[*kept].field;
            let _ = writeln!(
                text,
                "    row->{field} = known(look_{kind}(state->{from}, {rows}));"
            );
        }
        let Predictor {
            name: predict,
            argument,
            ..
        } = self.predictor(name);
        let _ = match student.outputs.len() {
            1 => writeln!(text, "    return {predict}({argument}row);"),
            _ => writeln!(text, "    {predict}({argument}row, out);"),
        };
        text.push_str("}\n");
        text
    }
}

impl Kept {
    /// The C expression for a value, with NaN in place of a number that means *missing*.
    fn value(&self, field: &str) -> String {
        match any_missing(field, &self.missing) {
            None => field.to_owned(),
            Some(condition) => format!("{condition} ? NAN : {field}"),
        }
    }
}

/// Which steps in time are gaps, for a comment.
fn gap(student: &Student) -> String {
    let sequence = student.sequence.as_ref();
    let longest = sequence.and_then(|own| Some((own.longest_step?, own.time.kind)));
    match longest {
        Some((longest, KeyKind::Date)) => format!(" (a step of more than {longest} seconds)"),
        Some((longest, _)) => format!(" (a step in time of more than {longest})"),
        None => String::new(),
    }
}

/// The function that takes the next row.
fn declaration(name: &str, student: &Student) -> String {
    match student.outputs.len() {
        1 => format!("double {name}_push({name}_state *state, {name}_row *row)"),
        _ => format!("void {name}_push({name}_state *state, {name}_row *row, double *out)"),
    }
}

/// Helpers of all statistics.
const SHARED: &str = "/* Adds the latest value to a column; x[k] is the value k rows before it. */
static void keep(double *x, int32_t depth, double value)
{
    int32_t i;
    for (i = depth - 1; i > 0; i--) x[i] = x[i - 1];
    x[0] = value;
}

/* NaN in place of a number that is not finite. */
static double known(double value)
{
    return isfinite(value) ? value : NAN;
}

";

/// The C function of a statistic; its formula is that of [`Look`].
fn function(kind: LookKind) -> &'static str {
    match kind {
        LookKind::Lag => "static double look_lag(const double *x, int32_t n) { return x[n]; }\n\n",
        LookKind::Diff => "static double look_diff(const double *x, int32_t n) { return x[0] - x[n]; }\n\n",
        LookKind::Roc => "static double look_roc(const double *x, int32_t n) { return x[0] / x[n] - 1.0; }\n\n",
        LookKind::LogReturn => "static double look_logret(const double *x, int32_t n)
{
    return x[0] > 0.0 && x[n] > 0.0 ? log(x[0] / x[n]) : NAN;
}

",
        LookKind::Ema => "static double look_ema(const double *x, int32_t n)
{
    double keep = 1.0 - 2.0 / (n + 1.0), weights = 0.0, sum = 0.0;
    int32_t k;
    for (k = 4 * n - 1; k >= 0; k--) {
        weights = keep * weights + (isnan(x[k]) ? 0.0 : 1.0);
        sum = keep * sum + (isnan(x[k]) ? 0.0 : x[k]);
    }
    return sum / weights;
}

",
        LookKind::Macd => "static double look_macd(const double *x, int32_t n)
{
    double averages[2];
    int32_t at, k;
    for (at = 0; at < 2; at++) {
        int32_t span = at ? 13 * n / 6 : n;
        double keep = 1.0 - 2.0 / (span + 1.0), weights = 0.0, sum = 0.0;
        for (k = 4 * span - 1; k >= 0; k--) {
            weights = keep * weights + (isnan(x[k]) ? 0.0 : 1.0);
            sum = keep * sum + (isnan(x[k]) ? 0.0 : x[k]);
        }
        averages[at] = sum / weights;
    }
    return averages[0] - averages[1];
}

",
        LookKind::Mean => "static double look_mean(const double *x, int32_t n)
{
    double count = 0.0, sum = 0.0;
    int32_t k;
    for (k = n - 1; k >= 0; k--) if (!isnan(x[k])) { count += 1.0; sum += x[k]; }
    return sum / count;
}

",
        LookKind::Min => "static double look_min(const double *x, int32_t n)
{
    double least = NAN;
    int32_t k;
    for (k = 0; k < n; k++) if (isnan(least) || x[k] < least) least = x[k];
    return least;
}

",
        LookKind::Max => "static double look_max(const double *x, int32_t n)
{
    double most = NAN;
    int32_t k;
    for (k = 0; k < n; k++) if (isnan(most) || x[k] > most) most = x[k];
    return most;
}

",
        LookKind::Std => "static double look_std(const double *x, int32_t n)
{
    double count = 0.0, sum = 0.0, center;
    int32_t k;
    for (k = n - 1; k >= 0; k--) if (!isnan(x[k])) { count += 1.0; sum += x[k]; }
    if (count < 2.0) return NAN;
    center = sum / count;
    sum = 0.0;
    for (k = n - 1; k >= 0; k--) if (!isnan(x[k])) sum += (x[k] - center) * (x[k] - center);
    return sqrt(sum / (count - 1.0));
}

",
        LookKind::Slope => "static double look_slope(const double *x, int32_t n)
{
    double count = 0.0, sum = 0.0, places = 0.0, both = 0.0, own = 0.0;
    int32_t k;
    for (k = n - 1; k >= 0; k--) if (!isnan(x[k])) { count += 1.0; sum += x[k]; places += k; }
    for (k = n - 1; k >= 0; k--) if (!isnan(x[k])) {
        both += (places / count - k) * (x[k] - sum / count);
        own += (places / count - k) * (places / count - k);
    }
    return both / own;
}

",
        LookKind::Volatility => "static double look_vol(const double *x, int32_t n)
{
    double count = 0.0, sum = 0.0, center;
    int32_t k;
    for (k = n - 1; k >= 0; k--) if (x[k] > 0.0 && x[k + 1] > 0.0) { count += 1.0; sum += log(x[k] / x[k + 1]); }
    if (count < 2.0) return NAN;
    center = sum / count;
    sum = 0.0;
    for (k = n - 1; k >= 0; k--) if (x[k] > 0.0 && x[k + 1] > 0.0) {
        double distance = log(x[k] / x[k + 1]) - center;
        sum += distance * distance;
    }
    return sqrt(sum / (count - 1.0));
}

",
        LookKind::Rsi => "static double look_rsi(const double *x, int32_t n)
{
    double rises = 0.0, falls = 0.0;
    int32_t k, changes = 0;
    for (k = n - 1; k >= 0; k--) {
        double change = x[k] - x[k + 1];
        if (isnan(change)) continue;
        changes++;
        if (change > 0.0) rises += change; else falls -= change;
    }
    if (!changes) return NAN;
    return rises + falls > 0.0 ? 100.0 * rises / (rises + falls) : 50.0;
}

",
    }
}
