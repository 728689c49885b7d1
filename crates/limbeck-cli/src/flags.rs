//! Flags, and the recipe keys that they set.
//!
//! Each flag sets one key of the recipe, and is declared together with the option. The flags that the user gives are collected in a TOML table, which
//! overrides the recipe file. Other keys keep the value of the recipe file, the preset and the quality.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use limbeck::{CheckedRecipe, Recipe};
use limbeck_data::stream::Input;
use limbeck_data::{Action, Check, ColumnKind};
use limbeck_options::{Form, Word, one_line};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::options::{self, Listed};

/// Headings of the flags in the order of `--help-all`. Flags of the first heading are listed without it.
const HEADINGS: [&str; 11] = [
    "Options",
    "Data",
    READING,
    "Split",
    "Teacher",
    "Student",
    "Objective",
    "Transfer set",
    "Features",
    "Proof",
    "Output",
];

/// Heading of the flags that say how a table is read.
pub(crate) const READING: &str = "Reading";

/// Which flags a command has.
pub(crate) trait Takes {
    /// Placeholder for the first argument (the table) in the help, and its description.
    const TABLE: (&'static str, &'static str) = (
        "TABLE",
        "CSV or Parquet file to learn from; can also be set in the recipe",
    );

    /// True if the command accepts the flag of this option.
    fn takes(option: &Listed) -> bool;
}

/// Position of a heading in [`HEADINGS`]; `None` for other headings.
fn place(heading: &str) -> Option<usize> {
    HEADINGS.iter().position(|one| *one == heading)
}

/// True if the flag of an option is listed under the heading `last` or one before it.
fn is_up_to(last: &str, option: &Listed) -> bool {
    place(option.heading()) <= place(last)
}

/// All flags, for `distill`.
#[derive(Debug)]
pub(crate) struct Distilling;

impl Takes for Distilling {
    fn takes(_: &Listed) -> bool {
        true
    }
}

/// All flags except those for output, for `preflight`.
#[derive(Debug)]
pub(crate) struct Piloting;

impl Takes for Piloting {
    fn takes(option: &Listed) -> bool {
        is_up_to("Proof", option)
    }
}

/// The flags for the table and the teacher, for `label`.
#[derive(Debug)]
pub(crate) struct Labelling;

impl Takes for Labelling {
    fn takes(option: &Listed) -> bool {
        is_up_to("Teacher", option)
    }
}

/// The flags of the options in the recipe section `data`, for `inspect`.
#[derive(Debug)]
pub(crate) struct Inspecting;

impl Takes for Inspecting {
    const TABLE: (&'static str, &'static str) = (
        "TABLE|RUN|STUDENT",
        "Table (a CSV or Parquet file, or a folder of them), run directory, or .limbeck file",
    );

    fn takes(option: &Listed) -> bool {
        option.section.name == "data"
    }
}

/// The options of a command line: a recipe file, and the flags that override it. `C` is the command.
#[derive(Debug)]
pub(crate) struct Flags<C> {
    recipe: Option<PathBuf>,
    /// The recipe options that flags set, as nested tables.
    overlay: Table,
    /// The options that are lists of names: the key of each, and the texts that the user gave. Only options with a comma in one of the texts are
    /// listed: the comma may be a part of a name, which is known only when the table is read.
    lists: Vec<(String, Vec<String>)>,
    command: PhantomData<C>,
}

impl<C: Takes> Flags<C> {
    /// The options that have a flag of this command, in the order of `--help-all`.
    fn options() -> Vec<Listed> {
        let is_taken = |option: &Listed| option.spec.flag.is_some() && C::takes(option);
        let mut taken: Vec<Listed> = options::all().into_iter().filter(is_taken).collect();
        taken.sort_by_key(|option| place(option.heading()));
        taken
    }

    /// True if no flag was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.recipe.is_none() && self.overlay.is_empty()
    }

    fn resolved(&self, overlay: Table) -> Result<Recipe> {
        Ok(match &self.recipe {
            Some(file) => Recipe::read(file, overlay)?,
            None => Recipe::resolve(Table::new(), overlay)?,
        })
    }

    /// The values that flags set, by key of the recipe. Lists are split at commas, except within one of `names`, the column names of a table.
    fn with_names(&self, names: &[String]) -> Table {
        let mut overlay = self.overlay.clone();
        for (key, given) in &self.lists {
            set_list(
                &mut overlay,
                key,
                given.iter().flat_map(|text| split(text, names)).collect(),
            );
        }
        overlay
    }

    /// The flags that the user gave besides the table, as they are written, such as `--time`. Empty if there are none.
    pub(crate) fn beside_table(&self) -> Vec<String> {
        let has = |key: &str| {
            let mut keys = key.split('.');
            let first = keys.next().and_then(|key| self.overlay.get(key));
            keys.try_fold(first?, |value, key| value.get(key))
        };
        let recipe = self.recipe.iter().map(|_| "--recipe".to_owned());
        let target = has("data.target").map(|_| "--target".to_owned());
        let others = Self::options().into_iter().filter_map(|option| {
            let flag = option.spec.flag.filter(|_| has(&option.key()).is_some())?;
            Some(format!("--{}", flag.name))
        });
        recipe.chain(target).chain(others).collect()
    }

    /// The recipe file, overridden by the flags. Nothing is checked yet: table and target may be missing.
    pub(crate) fn unchecked(&self) -> Result<Recipe> {
        let recipe = self.resolved(self.overlay.clone())?;
        // Only the table tells whether a comma is part of a name.
        if !self.lists.is_empty()
            && let Ok(input) = Input::open(&recipe.table, &recipe.data.reading())
        {
            return self.resolved(self.with_names(input.names()));
        }
        Ok(recipe)
    }

    /// The recipe file, overridden by the flags, after all checks.
    pub(crate) fn recipe(&self) -> Result<CheckedRecipe> {
        let recipe = self.unchecked()?;
        if recipe.table.as_os_str().is_empty() {
            return Err(Error::Message("no table given; name the CSV or Parquet file to learn from, or set `table` in a recipe file (--recipe)".into()));
        }
        if recipe.data.target.is_empty() {
            return Err(Error::Message("no target given; name the column to predict with --target, or set `target` under [data] in a recipe file (--recipe)".into()));
        }
        if !recipe.table.exists() && Path::new(&recipe.data.target).is_file() {
            let (target, table) = (recipe.table.display(), &recipe.data.target);
            return Err(Error::Message(format!(
                "{target} is not a file, but --target {table} is one: the two seem swapped; write `{table} --target {target}`"
            )));
        }
        Ok(recipe.check()?)
    }
}

impl<C: Takes> Args for Flags<C> {
    fn augment_args(command: Command) -> Command {
        let command = command
            .arg(
                Arg::new("table")
                    .value_name(C::TABLE.0)
                    .value_parser(value_parser!(PathBuf))
                    .help(C::TABLE.1),
            )
            .arg(
                Arg::new("target")
                    .short('t')
                    .long("target")
                    .value_name("COLUMN")
                    .action(ArgAction::Append)
                    .help("Number column to predict; can also be set in the recipe. With several targets (comma-separated or repeated), each gets its own run, or all share one student with --joint. A name that contains a comma needs no quotes if the table has a column of that name; otherwise quote it: '\"a, b\"'"),
            )
            .arg(
                Arg::new("recipe")
                    .short('r')
                    .long("recipe")
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help("Recipe file (TOML) with any of the options; flags override it. `limbeck init` writes one"),
            );
        Self::options()
            .into_iter()
            .fold(command, |command, option| command.arg(arg(option)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: Takes> FromArgMatches for Flags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overlay = Table::new();
        if let Some(table) = matches.get_one::<PathBuf>("table") {
            set(&mut overlay, "table", text(table)?);
        }
        let mut lists = vec![(TARGETS.to_owned(), texts("target", matches))];
        set_list(
            &mut overlay,
            TARGETS,
            lists[0]
                .1
                .iter()
                .flat_map(|text| split(text, &[]))
                .collect(),
        );
        for option in Self::options() {
            if option.key() == HORIZON {
                set_horizons(&mut overlay, matches);
            } else if let Some(value) = given(option, matches)? {
                set(&mut overlay, &option.key(), value);
            }
            if let (Form::List(Form::Text), Some(flag)) = (option.spec.form, option.spec.flag) {
                lists.push((option.key(), texts(flag.name, matches)));
            }
        }
        lists.retain(|(_, given)| given.iter().any(|text| text.contains(',')));
        Ok(Self {
            recipe: matches.get_one::<PathBuf>("recipe").cloned(),
            overlay,
            lists,
            command: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A hint on how to write the value of an option's flag, for the help; empty if there is none.
pub(crate) fn how(option: Listed) -> &'static str {
    match option.spec.form {
        Form::Seconds => ", such as 90, 90s, 5m or 1h",
        _ if option.key() == HORIZON => " (several: comma-separated, or a range such as 1-24)",
        Form::List(_) | Form::Map => " (comma-separated or repeated)",
        _ => "",
    }
}

/// The flag of an option, for clap.
pub(crate) fn arg(option: Listed) -> Arg {
    let Some(flag) = option.spec.flag else {
        unreachable!("options without a flag were left out")
    };
    let default = option
        .default()
        .map(|default| format!(" [default: {default}]"));
    let help = option.spec.summary() + how(option) + &default.unwrap_or_default();
    let heading = Some(option.heading()).filter(|heading| *heading != HEADINGS[0]);
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .short(flag.letter)
        .aliases(flag.was)
        .help(help)
        .help_heading(heading)
        .hide_short_help(!flag.is_common);
    if option.spec.form == Form::Switch {
        return arg.action(ArgAction::SetTrue);
    }
    let arg = arg.value_name(flag.value);
    match option.spec.form {
        _ if option.key() == HORIZON => arg.action(ArgAction::Append).value_parser(horizons),
        Form::Whole => arg.value_parser(whole),
        Form::Number => arg
            .value_parser(value_parser!(f64))
            .allow_negative_numbers(true),
        Form::NumberOr(_) => arg.allow_negative_numbers(true),
        Form::Seconds => arg.value_parser(seconds),
        Form::Path => arg.value_parser(value_parser!(PathBuf)),
        Form::Word(words) => arg.value_parser(one_of(words)),
        Form::List(Form::Word(words)) => arg
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_parser(one_of(words)),
        Form::Map => {
            let arg = arg.action(ArgAction::Append);
            match option.spec.name {
                "types" => arg.value_parser(|text: &str| pairs(text, kind_pair)),
                _ => arg.value_parser(|text: &str| pairs(text, check_pair)),
            }
        }
        Form::List(Form::Path) => arg
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_parser(value_parser!(PathBuf)),
        // The text is split later, since a name may contain a comma.
        Form::List(Form::Text) => arg.action(ArgAction::Append).allow_negative_numbers(true),
        Form::List(Form::Number) => arg
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_parser(value_parser!(f64))
            .allow_negative_numbers(true),
        Form::List(_) => arg
            .action(ArgAction::Append)
            .value_delimiter(',')
            .allow_negative_numbers(true),
        Form::Text | Form::Switch => arg,
    }
}

/// A parser that accepts the given words, and lists them in the help.
fn one_of(words: &[Word]) -> PossibleValuesParser {
    let value = |word: &Word| PossibleValue::new(word.name).help(one_line(word.doc));
    PossibleValuesParser::new(words.iter().map(value))
}

/// The value that a flag gives its option; `None` if the flag was not given.
pub(crate) fn given(option: Listed, matches: &ArgMatches) -> Result<Option<Value>, clap::Error> {
    let name = option.spec.flag.map_or("", |flag| flag.name);
    if matches.value_source(name) != Some(ValueSource::CommandLine) {
        return Ok(None);
    }
    let one = || {
        matches
            .get_one::<String>(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let value = match option.spec.form {
        Form::Switch => Value::from(matches.get_flag(name)),
        Form::Whole => {
            let whole = matches.get_one::<u64>(name).copied().unwrap_or_default();
            Value::from(i64::try_from(whole).unwrap_or(i64::MAX))
        }
        Form::Number | Form::Seconds => {
            Value::from(matches.get_one::<f64>(name).copied().unwrap_or_default())
        }
        Form::NumberOr(_) => one()
            .parse::<f64>()
            .map_or_else(|_| Value::from(one()), Value::from),
        Form::Path => match matches.get_one::<PathBuf>(name) {
            Some(path) => text(path)?,
            None => return Ok(None),
        },
        Form::Map => {
            let pairs = matches
                .get_many::<Pairs>(name)
                .into_iter()
                .flatten()
                .flatten();
            let pairs = pairs.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            Value::Table(pairs.collect())
        }
        Form::List(Form::Path) => {
            let paths = matches.get_many::<PathBuf>(name).into_iter().flatten();
            Value::Array(paths.map(|path| text(path)).collect::<Result<_, _>>()?)
        }
        Form::List(Form::Text) => {
            let given = texts(name, matches);
            let all = given.iter().flat_map(|text| split(text, &[]));
            Value::Array(all.map(Value::from).collect())
        }
        Form::List(Form::Number) => {
            let numbers = matches.get_many::<f64>(name).into_iter().flatten();
            Value::Array(numbers.map(|&number| Value::from(number)).collect())
        }
        Form::List(_) => {
            let texts = matches.get_many::<String>(name).into_iter().flatten();
            Value::Array(texts.map(|text| Value::from(text.as_str())).collect())
        }
        Form::Text | Form::Word(_) => Value::from(one()),
    };
    Ok(Some(value))
}

/// The key of the names given with `--target`: the first becomes `data.target`, the others `targets`.
const TARGETS: &str = "targets";

/// Sets a list option. If it is the list of targets, its first name becomes `data.target`.
fn set_list(overlay: &mut Table, key: &str, values: Vec<String>) {
    if key != TARGETS {
        return set(overlay, key, values.into());
    }
    let mut values = values.into_iter();
    if let Some(first) = values.next() {
        set(overlay, "data.target", first.into());
        set(overlay, TARGETS, values.collect::<Vec<_>>().into());
    }
}

/// The key of the numbers given with `--horizon`: the first becomes `data.horizon`, the others `data.horizons`.
const HORIZON: &str = "data.horizon";
/// Maximum number of horizons that a range may stand for.
const MOST_HORIZONS: u64 = 1000;

/// Sets the horizons. The first becomes `data.horizon`.
fn set_horizons(overlay: &mut Table, matches: &ArgMatches) {
    if matches.value_source("horizon") != Some(ValueSource::CommandLine) {
        return;
    }
    let all = matches.get_many::<Vec<u64>>("horizon");
    let all = all.into_iter().flatten().flatten();
    let mut all = all.map(|horizon| Value::from(horizon.cast_signed()));
    if let Some(first) = all.next() {
        set(overlay, HORIZON, first);
    }
    // Also without others, since the recipe may have some.
    set(overlay, "data.horizons", all.collect::<Vec<_>>().into());
}

/// Parses horizons separated by commas. Each is a number of rows, or a range such as `1-24`.
fn horizons(text: &str) -> Result<Vec<u64>, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => all.push(whole(part)?),
            Some((first, last)) => {
                let (first, last) = (whole(first)?, whole(last)?);
                if last < first || last - first >= MOST_HORIZONS {
                    return Err(format!(
                        "found the range {part}, expected a first and a last number of rows, and at most {MOST_HORIZONS} of them"
                    ));
                }
                all.extend(first..=last);
            }
        }
    }
    Ok(all)
}

/// The texts that were given for a flag, in order.
fn texts(flag: &str, matches: &ArgMatches) -> Vec<String> {
    let all = matches.get_many::<String>(flag).into_iter().flatten();
    all.cloned().collect()
}

/// Splits a list of names at commas; a name with a comma is quoted as in a CSV file. A text that equals one of `names`, the columns of the table, is
/// one name.
fn split(text: &str, names: &[String]) -> Vec<String> {
    if names.iter().any(|name| name == text) {
        return vec![text.to_owned()];
    }
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '"' if is_quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            letter => cell.push(letter),
        }
    }
    cells.push(cell);
    cells
}

/// A path as a TOML value.
fn text(path: &Path) -> Result<Value, clap::Error> {
    path.to_str().map(Value::from).ok_or_else(|| {
        let message = format!("{}: the path is not UTF-8; rename it\n", path.display());
        clap::Error::raw(clap::error::ErrorKind::InvalidUtf8, message)
    })
}

/// Sets the value of a key such as `data.target` in nested tables.
fn set(table: &mut Table, key: &str, value: Value) {
    let (sections, name) = key
        .rsplit_once('.')
        .map_or((None, key), |(sections, name)| (Some(sections), name));
    let mut inner = table;
    for section in sections
        .into_iter()
        .flat_map(|sections| sections.split('.'))
    {
        let entry = inner
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(next) = entry else {
            unreachable!("flags never set a section as a value")
        };
        inner = next;
    }
    inner.insert(name.to_owned(), value);
}

/// The path `runs/TABLE-N`, with the first free number `N`.
pub(crate) fn free_run(table: &Path) -> PathBuf {
    let stem = table.file_stem().map_or_else(
        || "table".into(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let taken = |n: &u32| limbeck::run::is_taken(&Path::new("runs").join(format!("{stem}-{n}")));
    let n = (1..).find(|n| !taken(n)).unwrap_or(u32::MAX);
    Path::new("runs").join(format!("{stem}-{n}"))
}

/// Parses a whole number such as `5000`, `5k` or `1M`.
fn whole(text: &str) -> Result<u64, String> {
    let units = [("k", 1000), ("K", 1000), ("M", 1_000_000)];
    let with_unit = |&(unit, factor)| Some((text.strip_suffix(unit)?, factor));
    let (number, factor) = units.iter().find_map(with_unit).unwrap_or((text, 1));
    let value = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    value
        .filter(|value| i64::try_from(*value).is_ok())
        .ok_or_else(|| "expected a whole number such as 5000 or 5k".to_owned())
}

/// Parses a time such as `90`, `90s`, `1.5m` or `2h`, in seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let with_unit = |&(unit, factor)| Some((text.strip_suffix(unit)?, factor));
    let (number, factor) = units.iter().find_map(with_unit).unwrap_or((text, 1.0));
    let value = number.parse::<f64>().ok().map(|number| number * factor);
    value
        .filter(|seconds| *seconds >= 0.0 && seconds.is_finite())
        .ok_or_else(|| "expected a time such as 90, 90s, 5m or 1h".to_owned())
}

/// Pairs of a name and its value.
type Pairs = Vec<(String, String)>;

/// Parses `NAME=VALUE`, or several of these separated by commas. A part without `=` is the beginning of a name that contains a comma. `read` parses
/// and checks one pair.
fn pairs(
    text: &str,
    read: impl Fn(&str) -> Result<(String, String), String>,
) -> Result<Pairs, String> {
    let (mut pairs, mut begun) = (Vec::new(), String::new());
    for part in split(text, &[]) {
        begun.push_str(&part);
        match part.contains('=') {
            true => pairs.push(read(&std::mem::take(&mut begun))?),
            false => begun.push(','),
        }
    }
    match begun.strip_suffix(',') {
        Some(rest) => Err(format!("`{rest}` has no value, expected NAME=VALUE")),
        None => Ok(pairs),
    }
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    text.rsplit_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

fn kind_pair(text: &str) -> Result<(String, String), String> {
    let (column, kind) = pair(text)?;
    kind.parse::<ColumnKind>()?;
    Ok((column.to_owned(), kind.to_owned()))
}

fn check_pair(text: &str) -> Result<(String, String), String> {
    let (name, action) = pair(text)?;
    let names = || Check::ALL.map(Check::name).join(", ");
    let check = Check::ALL.into_iter().find(|check| check.name() == name);
    let check =
        check.ok_or_else(|| format!("no check is named `{name}`; the checks are {}", names()))?;
    let allowed: Vec<String> = check.actions().iter().map(Action::to_string).collect();
    if !allowed.iter().any(|allowed| allowed == action) {
        return Err(format!(
            "check `{name}` can {}, not `{action}`",
            allowed.join(" or ")
        ));
    }
    Ok((name.to_owned(), action.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_units() {
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1.5m"), Ok(90.0));
        assert_eq!(seconds("2h"), Ok(7200.0));
        assert!(
            ["", "s", "-1", "5d", "nan", "inf"]
                .iter()
                .all(|text| seconds(text).is_err())
        );
    }

    #[test]
    fn flags_of_earlier_versions_are_taken_but_not_shown() {
        let of_std = |option: &Listed| option.key() == "data.teacher_std";
        let option = crate::options::all().into_iter().find(of_std).unwrap();
        let mut command = Command::new("limbeck").arg(arg(option));
        for flag in ["--teacher-std", "--teacher-spread"] {
            let matches = command.try_get_matches_from_mut(["limbeck", flag, "sd"]);
            assert_eq!(given(option, &matches.unwrap()).unwrap(), Some("sd".into()));
        }
        let help = command.render_long_help().to_string();
        assert!(
            help.contains("--teacher-std") && !help.contains("--teacher-spread"),
            "{help}"
        );
    }

    #[test]
    fn whole_numbers_have_units() {
        assert_eq!(
            (whole("5000"), whole("5k"), whole("1M")),
            (Ok(5000), Ok(5000), Ok(1_000_000))
        );
        assert!(
            ["", "k", "-1", "1.5k", "5x", "99999999999999999999"]
                .iter()
                .all(|text| whole(text).is_err())
        );
    }

    #[test]
    fn pairs_may_have_names_with_commas() {
        let read = |text: &str| pairs(text, kind_pair);
        let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        for text in ["Preis, EUR=category", "\"Preis, EUR\"=category"] {
            assert_eq!(
                read(text),
                Ok(vec![pair("Preis, EUR", "category")]),
                "{text}"
            );
        }
        let both = read("a=number,Preis, EUR=category");
        let expected = vec![pair("a", "number"), pair("Preis, EUR", "category")];
        assert_eq!(both, Ok(expected));
        assert!(read("a=number,b").unwrap_err().contains("`b` has no value"));
        assert!(read("").unwrap_err().contains("expected NAME=VALUE"));
        assert!(read("a=word").is_err());
    }

    #[test]
    fn lists_are_split_around_names_with_commas() {
        let names = ["Preis, EUR".to_owned(), "a".to_owned()];
        assert_eq!(split("Preis, EUR", &names), ["Preis, EUR"]);
        assert_eq!(split("a,b", &names), ["a", "b"]);
        assert_eq!(split("\"Preis, EUR\",b", &[]), ["Preis, EUR", "b"]);
        assert_eq!(split("\"say \"\"x\"\"\"", &[]), ["say \"x\""]);
        assert_eq!(split("5\" pipe", &[]), ["5\" pipe"]);
    }

    #[test]
    fn keys_nest() {
        let mut table = Table::new();
        set(&mut table, "teacher.command.command", "cat".into());
        set(&mut table, "teacher.kind", "trees".into());
        assert_eq!(
            table.to_string(),
            "[teacher]\nkind = \"trees\"\n\n[teacher.command]\ncommand = \"cat\"\n"
        );
    }

    /// The flags of a command line.
    fn flags<C: Takes>(line: &str) -> Result<Flags<C>, String> {
        let command = Flags::<C>::augment_args(Command::new("limbeck"));
        let found = command.try_get_matches_from(line.split(' '));
        let flags = found.and_then(|matches| Flags::<C>::from_arg_matches(&matches));
        flags.map_err(|error| error.to_string())
    }

    /// The keys that a command line sets.
    fn keys<C: Takes>(line: &str) -> Result<String, String> {
        let text = |flags: Flags<C>| flags.overlay.to_string().replace('\n', " ");
        flags(line).map(|flags| text(flags).trim_end().to_owned())
    }

    #[test]
    fn flags_are_keys_of_the_recipe() {
        let found = keys::<Distilling>(
            "limbeck a.csv -t y,z -p 900 --log-target --alpha 0.5 --drop a,b --drop c --time-limit 5m --check leak=warn",
        );
        let expected = "table = \"a.csv\" targets = [\"z\"] time_limit = 300.0  [data] drop = [\"a\", \"b\", \"c\"] log_target = true target = \"y\"  \
                        [data.checks] leak = \"warn\"  [objective] alpha = 0.5  [student] params = 900";
        assert_eq!(found.as_deref(), Ok(expected));
        assert_eq!(
            keys::<Distilling>("limbeck --alpha auto").as_deref(),
            Ok("[objective] alpha = \"auto\"")
        );
        assert_eq!(keys::<Distilling>("limbeck").as_deref(), Ok(""));
    }

    #[test]
    fn words_of_a_list_are_checked_and_listed() {
        let keys = |line: &str| keys::<Distilling>(line);
        for line in [
            "limbeck --measure qlike,phm08",
            "limbeck --measure qlike --measure phm08",
        ] {
            let expected = "[data] measures = [\"qlike\", \"phm08\"]";
            assert_eq!(keys(line).as_deref(), Ok(expected), "{line}");
        }
        let refused = keys("limbeck --measure qlike,phm8").unwrap_err();
        for part in ["invalid value 'phm8' for '--measure <MEASURE>'", "'phm08'"] {
            assert!(refused.contains(part), "{refused}");
        }
        let mut command = Flags::<Distilling>::augment_args(Command::new("limbeck"));
        let help = command.render_long_help().to_string();
        for word in ["- har:", "- qlike_volatility:", "- onnx:"] {
            assert!(help.contains(word), "{word}: {help}");
        }
    }

    #[test]
    fn horizons_of_flags_replace_those_of_the_recipe() {
        let recipe = |line: &str| {
            let own =
                "table = 'a.csv'\n[data]\ntarget = 'y'\ntime = 't'\nhorizon = 2\nhorizons = [3, 4]";
            let flags = flags::<Distilling>(line).unwrap();
            Recipe::resolve(own.parse().unwrap(), flags.overlay).unwrap()
        };
        let horizons = |line: &str| recipe(line).data.all_horizons().collect::<Vec<_>>();
        assert_eq!(horizons("limbeck"), [2, 3, 4]);
        assert_eq!(horizons("limbeck --horizon 1,6"), [1, 6]);
        assert_eq!(horizons("limbeck --horizon 4-6 --horizon 9"), [4, 5, 6, 9]);
        assert_eq!(horizons("limbeck --horizon 5"), [5]);
        assert!(recipe("limbeck --horizon 0").check().is_ok());
        for line in ["limbeck --horizon 0,6", "limbeck --horizon 0-3"] {
            let refused = recipe(line).check().unwrap_err().to_string();
            for part in ["a horizon of 0 means no forecast", "leave out the 0"] {
                assert!(refused.contains(part), "{refused}");
            }
        }
    }

    #[test]
    fn commands_take_their_own_flags() {
        assert!(keys::<Piloting>("limbeck --worth 0.1").is_ok());
        assert!(keys::<Piloting>("limbeck --checkpoint-every 5").is_err());
        assert!(keys::<Labelling>("limbeck --teacher trees").is_ok());
        assert!(
            keys::<Labelling>("limbeck --params 900")
                .is_err_and(|error| error.contains("--params"))
        );
        assert!(keys::<Inspecting>("limbeck --time t --drop a --keep b --type c=text").is_ok());
        assert!(keys::<Inspecting>("limbeck --teacher trees").is_err());
    }

    #[test]
    fn inspect_takes_every_flag_of_the_data() {
        let names = |options: Vec<Listed>| -> Vec<&str> {
            let flag = |option: &Listed| option.spec.flag.map_or("", |flag| flag.name);
            options.iter().map(flag).collect()
        };
        let of_data = Flags::<Distilling>::options();
        let of_data = of_data
            .into_iter()
            .filter(|option| option.section.name == "data");
        assert_eq!(
            names(Flags::<Inspecting>::options()),
            names(of_data.collect())
        );
    }

    #[test]
    fn help_shows_what_people_need() {
        let common = Flags::<Distilling>::options()
            .into_iter()
            .filter(|option| option.spec.flag.is_some_and(|flag| flag.is_common))
            .count();
        // Beside --target, --recipe, --out and --resume.
        assert_eq!(common + 4, 18);
    }

    #[test]
    fn pairs_are_checked_when_parsed() {
        assert!(kind_pair("zip=category").is_ok());
        assert!(kind_pair("zip=colour").is_err());
        assert!(check_pair("leak=warn").is_ok());
        assert!(check_pair("leek=warn").is_err_and(|message| message.contains("leak")));
        assert!(
            check_pair("few_rows=drop").is_err_and(|message| message.contains("warn or refuse"))
        );
    }
}
