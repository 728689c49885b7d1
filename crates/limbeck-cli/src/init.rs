//! `limbeck init`: a recipe with every option, its default and its purpose.
//!
//! Values come from the library's preset, so they cannot go stale; a test compares the keys with the library's.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use limbeck::{Quality, Recipe};
use limbeck_data::{Check, write};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::output::{print, tell};

/// Write a recipe that lists every option with its default and its purpose
///
/// Options stand commented out at their defaults: uncomment those to change, so that --quality still governs the others.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// CSV or Parquet file to learn from
    #[arg(value_name = "TABLE", default_value = "table.csv")]
    table: PathBuf,
    /// Column to predict
    #[arg(short, long, value_name = "COLUMN", default_value = "target")]
    target: String,
    /// Preset whose values are shown
    #[arg(short, long, value_name = "LEVEL", default_value = "default",
        value_parser = PossibleValuesParser::new(["fast", "default", "best"]))]
    quality: String,
    /// Where to: a new file, or - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "recipe.toml")]
    out: PathBuf,
    /// Say nothing but errors
    #[arg(long)]
    quiet: bool,
}

impl Init {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let quality = self.quality.parse().map_err(Error::Message)?;
        let table = self
            .table
            .to_str()
            .ok_or_else(|| Error::path(&self.table, "the path is not UTF-8; rename it"))?;
        let text = commented(quality, table, &self.target)?;
        if self.out.as_os_str() == "-" {
            return print(&text);
        }
        if self.out.is_file() || self.out.is_dir() {
            return Err(Error::path(
                &self.out,
                "exists already and is never overwritten; choose another -o or remove it",
            ));
        }
        write::atomic(&self.out, |file| file.write_all(text.as_bytes()))?;
        if !self.quiet {
            let path = self.out.display();
            tell(&format!(
                "recipe: {path}\nedit it, then run: limbeck distill --recipe {path}"
            ));
        }
        Ok(())
    }
}

/// A section of a recipe and what it is for.
struct Section {
    /// Its name; empty for the keys before the first section.
    name: &'static str,
    purpose: &'static str,
    /// True for a section that changes the job by being there.
    optional: bool,
    keys: &'static [Key],
}

/// A key, its purpose and, for a key without default, an example as TOML.
struct Key(&'static str, &'static str, Option<&'static str>);

const SECTIONS: [Section; 11] = [
    Section {
        name: "",
        purpose: "A recipe of limbeck: every option, its default, its purpose. Remove the # before an option to set it.\n\
                  Flags override it: limbeck distill --recipe recipe.toml --seed 1",
        optional: false,
        keys: &[
            Key("table", "CSV or Parquet file to learn from", None),
            Key(
                "targets",
                "further targets beside that of [data]: each gets a run of its own",
                Some("[\"other\"]"),
            ),
            Key("quality", "how much time: fast, default, best", None),
            Key(
                "preset",
                "which methods: default, features, small-data, noisy-teacher, house-price",
                None,
            ),
            Key("seed", "of splits, folds, weights and augmentation", None),
            Key(
                "repeats",
                "seeds with which both students are trained for the proof, 1 to 100",
                None,
            ),
            Key(
                "max_repeats",
                "seeds where those of repeats vary more than half as much as test rows do; up to 100",
                None,
            ),
            Key(
                "worth",
                "least gain of the shipped file that is worth having, as a share of the error of the best file without a teacher, 0 to 1",
                None,
            ),
            Key(
                "outer_folds",
                "times that the whole run is repeated on other splits, to see whether its verdict holds there; 0, or 2 to 20",
                None,
            ),
            Key("threads", "0 is one per core; changes no result", None),
            Key(
                "time_limit",
                "seconds that the run may take; it is replaced by the options it leads to",
                Some("300.0"),
            ),
            Key(
                "checkpoint_every",
                "seconds after which a training in progress is saved again, for --resume; changes no result",
                None,
            ),
            Key(
                "require_r2",
                "least test R² of the shipped student, else exit code 1",
                Some("0.9"),
            ),
            Key(
                "unlabeled",
                "file of further rows without targets, for the teacher to label",
                Some("\"more.csv\""),
            ),
        ],
    },
    Section {
        name: "data",
        purpose: "The table: its target, its columns and its rows",
        optional: false,
        keys: &[
            Key("target", "column to predict, a number", None),
            Key(
                "log_target",
                "learn the target's logarithm; figures stay in the target's own unit",
                None,
            ),
            Key("drop", "columns that are no features", None),
            Key(
                "keep",
                "columns that stay features although a check would drop them",
                None,
            ),
            Key(
                "weight",
                "column of row weights, used in losses, metrics and intervals",
                Some("\"weight\""),
            ),
            Key(
                "ordinal",
                "category columns encoded as one ordered number, levels in sorted order",
                None,
            ),
            Key(
                "group",
                "column whose equal values stay together in one part; not with time",
                Some("\"customer\""),
            ),
            Key(
                "time",
                "column to order rows by; the last ones are held out",
                Some("\"date\""),
            ),
            Key(
                "test",
                "second table, all of it test rows; at most one of test, split_file, split_column",
                Some("\"test.csv\""),
            ),
            Key(
                "split_file",
                "FILE:NAME, split NAME of a file with the columns split, set, start, stop",
                Some("\"splits.csv:s00\""),
            ),
            Key(
                "split_column",
                "column that says train, valid, test or drop for each row",
                Some("\"part\""),
            ),
            Key(
                "test_share",
                "share of rows held out for the test where no split is given",
                None,
            ),
            Key(
                "valid_share",
                "share of training rows for validation where none are given",
                None,
            ),
            Key(
                "teacher_column",
                "column with a teacher's predictions",
                Some("\"pred\""),
            ),
            Key(
                "teacher_spread",
                "column with their standard deviation",
                Some("\"pred_sd\""),
            ),
            Key(
                "teacher_fold",
                "column with their fold, empty for rows the teacher was fitted on",
                Some("\"fold\""),
            ),
        ],
    },
    Section {
        name: "teacher",
        purpose: "The teacher, and how its labels are made",
        optional: false,
        keys: &[
            Key(
                "kind",
                "what limbeck fits itself: auto (the best mix by out-of-fold error), trees, network, gp",
                None,
            ),
            Key(
                "from",
                "earlier run whose labels are used again, so that no teacher runs",
                Some("\"runs/table-1\""),
            ),
            Key(
                "with",
                "further runs on this table, whose teachers are mixed with the first",
                Some("[\"runs/b\"]"),
            ),
            Key(
                "combine",
                "how several teachers are mixed: inverse_variance, stacked",
                None,
            ),
            Key(
                "model",
                "your own model as a file (LightGBM text, XGBoost JSON or ONNX), or a run on other rows",
                Some("\"model.txt\""),
            ),
            Key(
                "model_columns",
                "column of each of its inputs, in its order, else by name or in order",
                Some("[\"a\", \"b\"]"),
            ),
            Key("folds", "folds of out-of-fold labelling, 2 to 20", None),
            Key(
                "fits",
                "fits of each learner on all rows that it may learn from, averaged, 1 to 20",
                None,
            ),
            Key(
                "residual_rounds",
                "rounds in which labels become a quick student plus a fit of its residuals",
                None,
            ),
            Key(
                "residual_step",
                "share of the fitted residual that is added",
                None,
            ),
        ],
    },
    Section {
        name: "teacher.command",
        purpose: "Your own model as the teacher: uncomment this line too",
        optional: true,
        keys: &[
            Key(
                "command",
                "run by sh -c per batch: rows on stdin, one line `prediction[,spread]` per row out",
                Some("\"python3 score.py\""),
            ),
            Key(
                "format",
                "what it gets on stdin: csv, parquet",
                Some("\"csv\""),
            ),
            Key("batch_rows", "rows per run of the command", Some("50000")),
            Key(
                "timeout_s",
                "seconds that one batch may take",
                Some("600.0"),
            ),
        ],
    },
    Section {
        name: "teacher.trees",
        purpose: "Boosted trees",
        optional: false,
        keys: &[
            Key("rounds", "number of trees, 1 to 20000", None),
            Key(
                "step",
                "share of each tree's values that is added; halve it and double rounds for accuracy",
                None,
            ),
            Key("leaves", "leaves of a tree; up to 64 predict fast", None),
            Key("leaf_rows", "smallest leaf, in rows of mean weight", None),
            Key("row_share", "share of rows that each tree sees", None),
            Key(
                "column_share",
                "share of inputs offered to each split",
                None,
            ),
            Key("ridge", "L2 penalty on leaf values, in rows", None),
            Key("bins", "bins per input; up to 254 predict fast", None),
            Key(
                "pairs",
                "pairs of interacting number columns whose slanted sums the trees see too, 0 to 64",
                None,
            ),
        ],
    },
    Section {
        name: "teacher.network",
        purpose: "An ensemble of perceptrons",
        optional: false,
        keys: &[
            Key("members", "networks averaged", None),
            Key("hidden", "widths of the hidden layers", None),
            Key("bins", "bins of the piecewise-linear encoding", None),
            Key(
                "head",
                "what each network predicts: point, gaussian or binned",
                None,
            ),
            Key("head_bins", "bins of a binned head", None),
            Key("epochs", "passes over the rows, within steps", None),
            Key("steps", "least and most steps", None),
            Key("learning_rate", "peak of the schedule", None),
            Key("weight_decay", "decoupled weight decay", None),
            Key(
                "balance",
                "how a Gaussian head's mean is trained: by likelihood (0), squared error (1) or between",
                None,
            ),
            Key(
                "plain",
                "the plain number beside its piecewise-linear encoding",
                None,
            ),
        ],
    },
    Section {
        name: "teacher.gp",
        purpose: "A Gaussian process, of few rows",
        optional: false,
        keys: &[
            Key(
                "most_rows",
                "a table of more rows gets none, 0 to 20000",
                None,
            ),
            Key(
                "evidence_rows",
                "rows by whose evidence the kernel is chosen, 20 to 5000",
                None,
            ),
            Key("steps", "steps of the search for the kernel", None),
        ],
    },
    Section {
        name: "transfer",
        purpose: "New rows that the teacher labels",
        optional: false,
        keys: &[
            Key(
                "munge_rows",
                "most rows between near rows; 0 makes none",
                None,
            ),
            Key(
                "munge_factor",
                "most new rows of each kind per training row",
                None,
            ),
            Key(
                "munge_swap",
                "chance that a value is taken from the neighbor, above 0 up to 1",
                None,
            ),
            Key(
                "munge_locality",
                "larger keeps values closer to the neighbor's",
                None,
            ),
            Key("munge_neighbors", "neighbors to draw from", None),
            Key(
                "boundary_rows",
                "most rows moved near the edge of a column",
                None,
            ),
            Key(
                "boundary_reach",
                "how far they move, as a share of the column's range",
                None,
            ),
            Key(
                "boundary_literal",
                "one noise on inputs and target instead of a teacher's label; with boundary_rows",
                None,
            ),
            Key(
                "mixup_rows",
                "most rows mixed from two with near targets",
                None,
            ),
            Key(
                "mixup_bandwidth",
                "how near, in standard deviations of the target",
                None,
            ),
            Key(
                "perturb_rows",
                "most slightly moved training rows, on which the student has to stay with the teacher",
                None,
            ),
            Key(
                "perturb_scale",
                "how far they move, in standard deviations of each column",
                None,
            ),
            Key("perturb_weight", "their weight beside other rows", None),
            Key(
                "slope_rows",
                "most rows in pairs, between which the student has to move as the teacher does",
                None,
            ),
            Key(
                "slope_reach",
                "how far apart a pair is, in standard deviations of the columns; 0.001 is the exact derivative of a network",
                None,
            ),
            Key(
                "adversarial_rows",
                "most rows on which a quick student disagrees most with the teacher",
                None,
            ),
            Key(
                "adversarial_candidates",
                "rows labelled for each that is kept",
                None,
            ),
            Key(
                "reject_spread",
                "a new row is rejected where the teacher's spread exceeds this many times its median",
                None,
            ),
        ],
    },
    Section {
        name: "student",
        purpose: "The student",
        optional: false,
        keys: &[
            Key(
                "kind",
                "mlp, trees, linear, table (of 1 to 3 numbers), or auto: the best of them on validation rows",
                None,
            ),
            Key(
                "params",
                "most fitted numbers that prediction may read, bin edges and scales included",
                None,
            ),
            Key(
                "hidden",
                "widths of the hidden layers, else chosen by params",
                Some("[32, 32]"),
            ),
            Key(
                "bins",
                "bins per number on average, 1 to 256, else chosen by params",
                Some("16"),
            ),
            Key(
                "scaling",
                "of numbers before binning: standard, or quantile (its quantiles count as parameters)",
                None,
            ),
            Key(
                "ordinal",
                "category columns read as one ordered number",
                None,
            ),
            Key("steps", "steps of the longest training schedule", None),
            Key(
                "batch",
                "rows per step, else 64 with fewer than 3000 rows and 256 with more",
                Some("64"),
            ),
            Key("learning_rate", "peak of the schedule", None),
            Key(
                "trials",
                "how many settings are tried on validation rows for each student, 1 to 5",
                None,
            ),
            Key(
                "splits",
                "splits of the rows on which every setting is tried",
                Some("3"),
            ),
        ],
    },
    Section {
        name: "objective",
        purpose: "alpha · loss against the teacher + (1 − alpha) · loss against the target",
        optional: false,
        keys: &[
            Key(
                "alpha",
                "\"auto\" (chosen on validation rows) or a number from 0 to 1",
                None,
            ),
            Key(
                "alpha_schedule",
                "how alpha moves to alpha_end while a student trains: constant, linear, cosine",
                None,
            ),
            Key("alpha_end", "alpha at the end of a schedule", None),
            Key(
                "head",
                "what the student predicts while it learns: point, gaussian, binned; its file gives the mean",
                None,
            ),
            Key("bins", "bins of a binned head", None),
            Key(
                "loss",
                "of a point, against target and teacher: squared, huber",
                None,
            ),
            Key(
                "quantile",
                "learn and judge this quantile in place of the mean, by pinball loss",
                Some("0.9"),
            ),
            Key(
                "huber_delta",
                "where the Huber loss turns linear, in standard deviations of the target",
                None,
            ),
            Key(
                "temperature",
                "of distributions: a number, \"batch\", \"data\" or \"spread\" (by the teacher's spread, row by row)",
                None,
            ),
            Key(
                "temperature_end",
                "temperature at the end of training, on a straight line from a number",
                Some("1.0"),
            ),
            Key(
                "temperature_base",
                "of batch and data: base + scale · range of the teacher's labels",
                None,
            ),
            Key("temperature_scale", "see temperature_base", None),
            Key(
                "literal",
                "literal KL + MSE: squared error of the mean as hard loss of a distribution",
                None,
            ),
            Key(
                "slope_weight",
                "weight of the pairs of transfer.slope_rows",
                None,
            ),
            Key(
                "gate",
                "teacher labels that are believed: none (all), bounded, attentive, outlier, confidence",
                None,
            ),
        ],
    },
    Section {
        name: "hints",
        purpose: "Learning from the inner features of the teacher: any but a command or a column",
        optional: false,
        keys: &[
            Key(
                "kind",
                "none, hint, attention, attention_literal, relational",
                None,
            ),
            Key("weight", "of the feature loss beside the others", None),
            Key(
                "weight_end",
                "weight at the end of training; 0 for features first",
                Some("0.0"),
            ),
            Key("width", "coordinates of a teacher's layer", None),
            Key(
                "progressive",
                "layer pairs join one after the other, from the input on",
                None,
            ),
            Key("stages", "stages of that", None),
        ],
    },
];

/// What a check finds.
fn check_purpose(check: Check) -> &'static str {
    match check {
        Check::Infinite => "±inf, or a number too large to hold, in a feature",
        Check::MissingTarget => "rows without target",
        Check::AllMissing => "a column without a value in the training rows",
        Check::Constant => "a column with one value in the training rows",
        Check::Duplicate => "a column equal to an earlier one",
        Check::Id => "a column that numbers or names the rows",
        Check::Leak => "a feature equal to the target, or a monotone copy of it",
        Check::CappedTarget => "at least 1 % of the targets at their maximum",
        Check::FewRows => "fewer than 200 training rows; under 20 are refused unless set to warn",
        Check::Datetime => "a time among the features",
        Check::Text => "free text among the features",
        Check::MissingMarker => "NA, NaN or null read as missing",
        Check::NumberText => "categories most of which look like numbers or dates",
        Check::SeenTest => "at least 5 % of the test rows equal to rows that were learned from",
    }
}

/// The recipe of a preset as commented TOML.
fn commented(quality: Quality, table: &str, target: &str) -> Result<String> {
    let mut preset = Recipe::preset(quality);
    preset.table = table.into();
    target.clone_into(&mut preset.data.target);
    let preset: Table =
        toml::from_str(&preset.to_toml()?).map_err(|error| Error::Message(error.to_string()))?;
    let mut text = String::new();
    for section in &SECTIONS {
        let values = section
            .name
            .split('.')
            .filter(|name| !name.is_empty())
            .try_fold(&preset, |table, name| {
                table.get(name).and_then(Value::as_table)
            });
        head(&mut text, section);
        for key in section.keys {
            line(
                &mut text,
                section.name,
                key,
                values.and_then(|values| values.get(key.0)),
            );
        }
        if section.name == "data" {
            maps(&mut text);
        }
    }
    Ok(text)
}

fn head(text: &mut String, section: &Section) {
    let purpose = section
        .purpose
        .lines()
        .map(|line| format!("# {line}\n"))
        .collect::<String>();
    let mark = if section.optional { "#" } else { "" };
    let name = section.name;
    let _ = if name.is_empty() {
        writeln!(text, "{purpose}")
    } else {
        writeln!(text, "\n{purpose}{mark}[{name}]")
    };
}

/// Keys that a run cannot do without, or that say which preset the others come from.
const ACTIVE: [(&str, &str); 3] = [("", "table"), ("", "quality"), ("data", "target")];
/// Column at which the purposes begin.
const PURPOSE_COLUMN: usize = 34;

fn line(
    text: &mut String,
    section: &str,
    Key(name, purpose, example): &Key,
    value: Option<&Value>,
) {
    let mark = if ACTIVE.contains(&(section, *name)) {
        ""
    } else {
        "#"
    };
    let value = value
        .map(shown)
        .or_else(|| example.map(str::to_owned))
        .unwrap_or_default();
    let option = format!("{mark}{name} = {value}");
    let none = if example.is_some() && !section.starts_with("teacher.command") {
        "unset: "
    } else {
        ""
    };
    let _ = writeln!(text, "{option:<PURPOSE_COLUMN$}  # {none}{purpose}");
}

/// Kinds by column and actions by check.
fn maps(text: &mut String) {
    let _ = writeln!(
        text,
        "\n# Kinds that replace the inferred ones: number, boolean, category, time, text\n[data.types]"
    );
    let _ = writeln!(text, "#\"zip code\" = \"category\"");
    let _ = writeln!(
        text,
        "\n# What each check does when it finds something\n[data.checks]"
    );
    for check in Check::ALL {
        let actions: Vec<String> = check.actions().iter().map(ToString::to_string).collect();
        let option = format!("#{} = \"{}\"", check.name(), actions[0]);
        let _ = writeln!(
            text,
            "{option:<PURPOSE_COLUMN$}  # {}: {}",
            actions.join(", "),
            check_purpose(check)
        );
    }
}

/// A value as people write it: numbers held in 32 bits lose the digits that these do not have.
fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) if f64::from(*number as f32).total_cmp(number).is_eq() => {
            format!("{:?}", *number as f32)
        }
        Value::Array(values) => format!(
            "[{}]",
            values.iter().map(shown).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Default, Quality::Best];

    fn preset(quality: Quality) -> Recipe {
        let mut recipe = Recipe::preset(quality);
        recipe.table = "a.csv".into();
        recipe.data.target = "y".into();
        recipe
    }

    /// The recipe with every option set: lines `#name = …` and `#[section]` without their mark.
    fn uncommented(quality: Quality) -> Recipe {
        let text = commented(quality, "a.csv", "y").unwrap();
        let option = |line: &str| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .map(str::to_owned)
        };
        let text: String = text
            .lines()
            .map(|line| option(line).unwrap_or_else(|| line.to_owned()) + "\n")
            .collect();
        Recipe::parse(&text, "recipe.toml", Table::new()).unwrap()
    }

    fn keys(table: &Table, prefix: &str, into: &mut BTreeSet<String>) {
        for (name, value) in table {
            let path = format!("{prefix}{name}");
            match value {
                Value::Table(inner) => keys(inner, &format!("{path}."), into),
                _ => drop(into.insert(path)),
            }
        }
    }

    #[test]
    fn recipe_as_written_is_the_preset() {
        for quality in QUALITIES {
            let text = commented(quality, "a.csv", "y").unwrap();
            assert_eq!(
                Recipe::parse(&text, "recipe.toml", Table::new()).unwrap(),
                preset(quality)
            );
        }
    }

    #[test]
    fn recipe_shows_the_values_of_the_preset() {
        for quality in QUALITIES {
            let mut all = uncommented(quality);
            (all.time_limit, all.require_r2, all.unlabeled, all.targets) =
                (None, None, None, Vec::new());
            (all.teacher.command, all.teacher.from, all.teacher.with) = (None, None, Vec::new());
            (all.teacher.model, all.teacher.model_columns) = (None, None);
            (
                all.student.hidden,
                all.student.bins,
                all.student.batch,
                all.student.splits,
            ) = (None, None, None, None);
            (all.objective.temperature_end, all.objective.quantile) = (None, None);
            all.hints.weight_end = None;
            let data = all.data;
            all.data = limbeck_data::DataOptions {
                log_target: data.log_target,
                drop: data.drop,
                keep: data.keep,
                ordinal: data.ordinal,
                test_share: data.test_share,
                valid_share: data.valid_share,
                ..limbeck_data::DataOptions::for_target(&data.target)
            };
            assert_eq!(all, preset(quality));
        }
    }

    #[test]
    fn recipe_lists_each_option_of_the_library_and_no_other() {
        let all: Table = toml::from_str(&uncommented(Quality::Default).to_toml().unwrap()).unwrap();
        let mut found = BTreeSet::new();
        keys(&all, "", &mut found);
        found.retain(|key| !key.starts_with("data.types.") && !key.starts_with("data.checks."));
        let join = |section: &str, key: &str| {
            if section.is_empty() {
                key.to_owned()
            } else {
                format!("{section}.{key}")
            }
        };
        let listed: BTreeSet<String> = SECTIONS
            .iter()
            .flat_map(|section| section.keys.iter().map(|key| join(section.name, key.0)))
            .collect();
        assert_eq!(listed, found);
        // An option that is none everywhere would hide from the comparison above: the library's own list is the source.
        for option in [
            "time_limit",
            "require_r2",
            "unlabeled",
            "weight",
            "group",
            "split_file",
            "teacher_fold",
            "from",
            "hidden",
        ] {
            assert!(listed.iter().any(|key| key.ends_with(option)), "{option}");
        }
    }
}
