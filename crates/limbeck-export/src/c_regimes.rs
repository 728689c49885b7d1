//! The part of the C code that normalizes the numbers of a row by its operating regime.

use std::fmt::Write as _;

use limbeck_runtime::{MissingNumbers, RegimeSetting, Regimes};

use crate::c_literal::doubles;
use crate::c_missing::any_missing;
use crate::names::Names;

/// The operating regimes of a student, in C.
pub(crate) struct RegimeCode {
    regimes: Regimes,
    /// The field of each setting in the struct of a row.
    settings: Vec<String>,
    /// Names and fields of settings that are no other inputs.
    extra: Vec<(String, String)>,
    /// The columns that the student reads: their index among those of the regimes, and their field.
    columns: Vec<(usize, String)>,
}

impl RegimeCode {
    /// The code of these regimes. `field` returns the field of a column of the table; `fields` makes names for the fields of settings that are no other
    /// inputs.
    pub(crate) fn of(
        regimes: &Regimes,
        field: impl Fn(&str) -> Option<String>,
        fields: &mut Names,
    ) -> Self {
        let mut extra = Vec::new();
        let mut setting = |own: &RegimeSetting| {
            field(&own.name).unwrap_or_else(|| {
                let made = fields.of(&own.name);
                extra.push((own.name.clone(), made.clone()));
                made
            })
        };
        let settings = regimes.settings.iter().map(&mut setting).collect();
        let columns = regimes.columns.iter().enumerate();
        let columns = columns.filter_map(|(at, column)| Some((at, field(&column.name)?)));
        Self {
            regimes: regimes.clone(),
            settings,
            columns: columns.collect(),
            extra,
        }
    }

    /// Names and fields of settings that are no other inputs.
    pub(crate) fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extra.iter().map(|(title, field)| (&**title, &**field))
    }

    /// The functions that find the regime of a row and normalize a number.
    pub(crate) fn functions(&self, name: &str) -> String {
        let Regimes {
            centers,
            settings: of_settings,
            ..
        } = &self.regimes;
        let scales: Vec<f64> = of_settings.iter().map(|own| own.scale).collect();
        let (regimes, settings) = (centers.len(), scales.len());
        let rows: Vec<String> = centers.iter().map(|center| doubles(center)).collect();
        let value = |(field, own): (&String, &RegimeSetting)| {
            unless_missing(&format!("row->{field}"), &own.missing)
        };
        let values: Vec<String> = self.settings.iter().zip(of_settings).map(value).collect();
        format!(
            "/* The operating regime of a row: the nearest center. -1 if a setting is missing. */
static int32_t regime_of(const {name}_row *row)
{{
    static const double center[{regimes}][{settings}] = {{ {} }};
    static const double scale[{settings}] = {};
    double setting[{settings}], far, apart, least = INFINITY;
    int32_t nearest = 0, i, k;
    {}
    for (i = 0; i < {settings}; i++) if (!isfinite(setting[i])) return -1;
    for (k = 0; k < {regimes}; k++) {{
        far = 0.0;
        for (i = 0; i < {settings}; i++) {{ apart = (setting[i] - center[k][i]) / scale[i]; far += apart * apart; }}
        if (far < least) {{ least = far; nearest = k; }}
    }}
    return nearest;
}}

/* A number in units of its standard deviation in the regime, from its mean there. */
static double normalized(double x, const double *mean, const double *std, int32_t regime)
{{
    return regime < 0 ? NAN : (x - mean[regime]) / std[regime];
}}

",
            rows.join(", "),
            doubles(&scales),
            values.iter().enumerate().map(|(at, value)| format!("setting[{at}] = {value};")).collect::<Vec<_>>().join(" "),
        )
    }

    /// The statements that replace `row` by a copy with normalized numbers.
    pub(crate) fn statements(&self, name: &str) -> String {
        let mut text = String::new();
        for (at, field) in &self.columns {
            let column = &self.regimes.columns[*at];
            let _ = writeln!(
                text,
                "    static const double mean_{field}[] = {};",
                doubles(&column.mean)
            );
            let _ = writeln!(
                text,
                "    static const double std_{field}[] = {};",
                doubles(&column.std)
            );
        }
        let _ = writeln!(
            text,
            "    const int32_t regime = regime_of(row);\n    {name}_row own = *row;"
        );
        for (at, field) in &self.columns {
            let missing = &self.regimes.columns[*at].missing;
            let value = unless_missing(&format!("row->{field}"), missing);
            let _ = writeln!(
                text,
                "    own.{field} = normalized({value}, mean_{field}, std_{field}, regime);"
            );
        }
        text.push_str("    row = &own;\n");
        text
    }
}

/// The C expression for a value, with NaN in place of a number that means *missing*.
fn unless_missing(value: &str, missing: &MissingNumbers) -> String {
    match any_missing(value, missing) {
        Some(condition) => format!("{condition} ? NAN : {value}"),
        None => value.to_owned(),
    }
}
