//! The flags that say how a table is read, for commands without a recipe. They are the flags of options in `[data]`.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use limbeck_data::{DecimalMark, ReadOptions, Separator};
use serde::Deserialize;
use toml::Table;

use crate::flags;
use crate::options::{self, Listed};

/// The reading options that were given as flags. `None` for an option that was not given: then the option of the student's run is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Reading {
    missing: Option<Vec<String>>,
    decimal: Option<DecimalMark>,
    separator: Option<Separator>,
    skip_lines: Option<usize>,
}

impl Reading {
    /// The options `base`, except that each option given as a flag replaces the one in `base`.
    pub(crate) fn over(&self, base: &ReadOptions) -> ReadOptions {
        ReadOptions {
            missing: self.missing.clone().unwrap_or_else(|| base.missing.clone()),
            decimal: self.decimal.unwrap_or(base.decimal),
            separator: self.separator.or(base.separator),
            skip_lines: self.skip_lines.unwrap_or(base.skip_lines),
            ..base.clone()
        }
    }

    fn options() -> impl Iterator<Item = Listed> {
        let is_ours =
            |option: &Listed| option.spec.flag.is_some() && option.heading() == flags::READING;
        options::all().into_iter().filter(is_ours)
    }
}

impl Args for Reading {
    fn augment_args(command: Command) -> Command {
        Self::options().fold(command, |command, option| {
            let default = option.default();
            let default = default.map_or_else(String::new, |default| format!(", else {default}"));
            let help = format!(
                "{}{} [default: as in the run{default}]",
                option.spec.summary(),
                flags::how(option)
            );
            command.arg(flags::arg(option).help(help).hide_short_help(false))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Reading {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Table::new();
        for option in Self::options() {
            if let Some(value) = flags::given(option, matches)? {
                found.insert(option.spec.name.to_owned(), value);
            }
        }
        found.try_into().map_err(|error: toml::de::Error| {
            let message = format!("{}\n", error.message());
            clap::Error::raw(clap::error::ErrorKind::InvalidValue, message)
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Reading, String> {
        let command = Reading::augment_args(Command::new("limbeck"));
        let matches = command.try_get_matches_from(line.split(' '));
        let reading = matches.and_then(|matches| Reading::from_arg_matches(&matches));
        reading.map_err(|error| error.to_string())
    }

    #[test]
    fn flags_replace_what_the_recipe_says() {
        let base = ReadOptions {
            missing: vec!["?".into()],
            skip_lines: 3,
            ..ReadOptions::default()
        };
        assert_eq!(parsed("limbeck").unwrap().over(&base), base);
        let given = parsed("limbeck --missing -999 --decimal comma --separator tab --skip-lines 0");
        let options = given.unwrap().over(&base);
        assert_eq!(options.missing, ["-999"]);
        assert_eq!(options.decimal, DecimalMark::Comma);
        assert_eq!(options.separator.map(Separator::byte), Some(b'\t'));
        assert_eq!(options.skip_lines, 0);
    }

    #[test]
    fn wrong_values_are_named() {
        let error = parsed("limbeck --separator ab").unwrap_err();
        assert!(error.contains("expected one ASCII character"), "{error}");
        assert!(parsed("limbeck --decimal dot").is_err());
    }
}
