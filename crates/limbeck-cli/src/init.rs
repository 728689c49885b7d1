//! `limbeck init`: a recipe with every option, its default and its purpose.
//!
//! The default values are those of the library, so they are always current. A test compares the keys with those of the library.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use limbeck::Quality;
#[cfg(test)]
use limbeck::Recipe;
use limbeck_data::{Check, write};
use limbeck_options::{Form, Section, Spec, one_line};
use toml::Value;

use crate::error::{Error, Result};
use crate::options::{self, Listed};
use crate::output::{print, tell};

/// Write a recipe that lists every option with its default and its purpose
///
/// Options are commented out and show their defaults. Uncomment only those that you change, so that --quality still sets the others.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// CSV or Parquet file to learn from
    #[arg(value_name = "TABLE", default_value = "table.csv")]
    table: PathBuf,
    /// Column to predict
    #[arg(short, long, value_name = "COLUMN", default_value = "target")]
    target: String,
    /// Quality whose default values are written
    #[arg(short, long, value_name = "LEVEL", default_value = "default",
        value_parser = PossibleValuesParser::new(["fast", "default", "best"]))]
    quality: String,
    /// Output: a new file, or - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "recipe.toml")]
    out: PathBuf,
    /// Print only errors
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
        let text = commented(quality, table, &self.target);
        if self.out.as_os_str() == "-" {
            return print(&text);
        }
        if self.out.is_file() || self.out.is_dir() {
            return Err(Error::path(
                &self.out,
                "exists already and is never overwritten; give another path with -o, or delete the existing one",
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

/// A description of what a check finds.
fn check_purpose(check: Check) -> &'static str {
    match check {
        Check::Infinite => "±inf, or a number too large to hold, in a feature",
        Check::MissingTarget => "rows without target",
        Check::AllMissing => "a column without a value in the training rows",
        Check::Constant => "a column with a single value in the training rows",
        Check::Duplicate => "a column equal to an earlier one",
        Check::Id => "a column of row numbers or of names that identify the rows",
        Check::Leak => "a feature equal to the target, or a monotone copy of it",
        Check::CappedTarget => "at least 1 % of the targets equal to their maximum",
        Check::FewRows => {
            "fewer than 200 training rows; fewer than 20 stop the run unless this is \"warn\""
        }
        Check::Datetime => "a feature column of dates; its parts are features",
        Check::Text => "a feature column of free text",
        Check::MissingMarker => "NA, NaN or null read as missing",
        Check::NumberText => {
            "text read as numbers, or categories most of which look like numbers or dates"
        }
        Check::RepeatedRows => "rows that repeat an earlier row",
        Check::Sentinel => "numbers far from all others: -999, 65535, a spike",
        Check::Stuck => "in rows with times, a number repeated in at least 30 consecutive rows",
        Check::Regimes => {
            "in series, columns that switch between a few values and move the other columns"
        }
        Check::ShiftedTest => {
            "features of which most test values lie outside the training range, or are new categories"
        }
        Check::SeenTest => "at least 5 % of the test rows equal to training or validation rows",
    }
}

/// The recipe of a quality level as commented TOML.
fn commented(quality: Quality, table: &str, target: &str) -> String {
    let mut text = String::new();
    for section in options::sections() {
        head(&mut text, &section);
        let is_map = |spec: &&Spec| spec.form == Form::Map;
        for spec in section.options.iter().filter(|spec| !is_map(spec)) {
            let value = match (section.name, spec.name) {
                ("", "table") => Some(table),
                ("data", "target") => Some(target),
                _ => None,
            };
            line(&mut text, Listed { section, spec }, quality, value);
        }
        if section.options.iter().any(|spec| is_map(&spec)) {
            maps(&mut text);
        }
    }
    text
}

/// The comment above the first section.
const TOP: &str = "A recipe of limbeck: every option, its default, its purpose. Remove the # before an option to set it.\n\
                   Flags override it: limbeck distill --recipe recipe.toml --seed 1";
/// Name of the section that must stay commented out, since its presence alone changes the run.
const OPTIONAL: &str = "teacher.command";

fn head(text: &mut String, section: &Section) {
    let doc = one_line(section.doc);
    let optional = || comment(&format!("{doc}. To use it, uncomment the next line too"));
    let _ = match section.name {
        "" => writeln!(text, "{}", comment(TOP)),
        OPTIONAL => writeln!(text, "\n{}#[{OPTIONAL}]", optional()),
        name => writeln!(text, "\n{}[{name}]", comment(&doc)),
    };
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// Keys that are not commented out: the keys that a run needs, and `quality`, which sets the defaults of the others.
const ACTIVE: [&str; 3] = ["table", "quality", "data.target"];
/// Width to which the setting of an option is filled with blanks; its purpose follows.
const PURPOSE_COLUMN: usize = 34;

/// Writes the line of one option: its value, or an example value, and its purpose. `own` is a value to write instead of the default.
fn line(text: &mut String, option: Listed, quality: Quality, own: Option<&str>) {
    let Listed { section, spec } = option;
    let is_active = ACTIVE.contains(&option.key().as_str());
    let mark = if is_active { "" } else { "#" };
    let set = own
        .map(|own| Value::from(own).to_string())
        .or_else(|| option.toml(quality));
    let is_unset = set.is_none() && section.name != OPTIONAL;
    let value = set.or_else(|| spec.example.map(str::to_owned));
    let setting = format!("{mark}{} = {}", spec.name, value.unwrap_or_default());
    let unset = match (is_unset, spec.unset) {
        (true, Some(unset)) => format!("unset, {unset}: "),
        (true, None) => "unset: ".to_owned(),
        (false, _) => String::new(),
    };
    let range = option.range().map(|range| format!(" ({range})"));
    let purpose = spec.summary() + &range.unwrap_or_default();
    let _ = writeln!(text, "{setting:<PURPOSE_COLUMN$}  # {unset}{purpose}");
}

/// Writes the sections `data.types` and `data.checks`, which have a key for each column and for each check.
fn maps(text: &mut String) {
    let _ = writeln!(
        text,
        "\n# Column kinds that override the inferred ones: number, boolean, category, time, text\n[data.types]"
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::Table;

    use super::*;

    fn preset(quality: Quality) -> Recipe {
        let mut recipe = Recipe::preset(quality);
        recipe.table = "a.csv".into();
        recipe.data.target = "y".into();
        recipe
    }

    #[test]
    fn recipe_as_written_is_the_preset() {
        for &quality in Quality::ALL {
            let text = commented(quality, "a.csv", "y");
            assert_eq!(
                Recipe::parse(&text, "recipe.toml", Table::new()).unwrap(),
                preset(quality)
            );
        }
    }

    /// Lines `#name = …` and `#[section]` without their mark.
    fn uncommented(quality: Quality) -> String {
        let option = |line: &str| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .map(str::to_owned)
        };
        commented(quality, "a.csv", "y")
            .lines()
            .map(|line| option(line).unwrap_or_else(|| line.to_owned()) + "\n")
            .collect()
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
    fn recipe_with_every_option_set_is_read() {
        for &quality in Quality::ALL {
            let text = uncommented(quality);
            let recipe = Recipe::parse(&text, "recipe.toml", Table::new()).unwrap();
            let mut written = BTreeSet::new();
            keys(&toml::from_str(&text).unwrap(), "", &mut written);
            let mut read = BTreeSet::new();
            keys(
                &toml::from_str(&recipe.to_toml().unwrap()).unwrap(),
                "",
                &mut read,
            );
            assert_eq!(written, read);
            assert_eq!(
                (recipe.student.steps, &recipe.teacher.trees),
                (
                    preset(quality).student.steps,
                    &preset(quality).teacher.trees
                )
            );
        }
    }
}
