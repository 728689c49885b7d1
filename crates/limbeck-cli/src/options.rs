//! The options of a recipe, from their declarations, for the help, `limbeck init` and `docs/options.md`.

use std::sync::LazyLock;

use limbeck::{Quality, Recipe};
use limbeck_options::{Form, Section, Spec};
use toml::{Table, Value};

/// An option and its section.
#[derive(Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) section: Section,
    pub(crate) spec: &'static Spec,
}

impl Listed {
    /// The key of the option in a recipe, with its section, such as `data.target`.
    pub(crate) fn key(&self) -> String {
        self.section.key(self.spec)
    }

    /// The heading under which the help lists the option's flag.
    pub(crate) fn heading(&self) -> &'static str {
        self.spec
            .flag
            .and_then(|flag| flag.heading)
            .unwrap_or(self.section.heading)
    }

    /// The default value of the option at a quality level; `None` if the option is not set. `quality` is the index of the level in `Quality::ALL`.
    fn value(&self, quality: usize) -> Option<&'static Value> {
        let mut table = &QUALITIES[quality];
        for section in self.section.name.split('.').filter(|name| !name.is_empty()) {
            table = table.get(section)?.as_table()?;
        }
        table.get(self.spec.name)
    }

    /// The default value of the option at a quality level, as TOML; `None` if the option is not set.
    pub(crate) fn toml(&self, quality: Quality) -> Option<String> {
        let at = Quality::ALL.iter().position(|one| *one == quality)?;
        self.value(at).map(shown)
    }

    /// The default value as text; `by quality` if it depends on the quality level, `None` if there is none to show.
    pub(crate) fn default(&self) -> Option<String> {
        let [fast, default, best] = [0, 1, 2].map(|quality| self.value(quality).map(words));
        let varies = self.key() != "quality" && (fast != default || default != best);
        let text = match varies {
            true => Some("by quality".to_owned()),
            false => default.filter(|value| !value.is_empty() && value != "false"),
        };
        self.spec.unset.map(str::to_owned).or(text)
    }

    /// The allowed values as text: a range, or words; `None` if all values of the type are allowed.
    pub(crate) fn range(&self) -> Option<String> {
        if let Some(words) = self.spec.form.words() {
            let words: Vec<&str> = words.iter().map(|word| word.name).collect();
            return Some(words.join(", "));
        }
        match self.spec.form {
            Form::NumberOr(words) if !self.spec.range.is_open() => {
                Some(format!("{}, or {}", self.spec.range, words.join(", ")))
            }
            _ if self.spec.range.is_open() => None,
            _ => Some(self.spec.expected()),
        }
    }
}

/// The sections in the order of a recipe.
pub(crate) fn sections() -> Vec<Section> {
    Recipe::default()
        .views()
        .into_iter()
        .map(|view| view.section)
        .collect()
}

/// All options in the order of a recipe.
pub(crate) fn all() -> Vec<Listed> {
    let options = |section: Section| {
        section
            .options
            .iter()
            .map(move |spec| Listed { section, spec })
    };
    sections().into_iter().flat_map(options).collect()
}

/// The default recipe of each quality level, in the order of `Quality::ALL`.
static QUALITIES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let table = |quality: &Quality| Table::try_from(Recipe::preset(*quality)).unwrap_or_default();
    Quality::ALL.iter().map(table).collect()
});

/// A value as TOML, as people write it. Numbers that are stored with 32 bits are shown without the additional digits of 64 bits.
pub(crate) fn shown(value: &Value) -> String {
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

/// A value as plain text: without quotes, brackets and a final `.0`.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Table(table) if table.is_empty() => String::new(),
        value => shown(value).trim_end_matches(".0").to_owned(),
    }
}

/// The page of all options, `docs/options.md`.
#[cfg(test)]
fn page() -> String {
    use limbeck_options::one_line;

    let mut text = "# Options\n\nEvery option of a recipe, and its flag. `limbeck init` writes a recipe that lists them; `limbeck distill --help` shows the most common \
                    ones, `--help-all` all that have a flag. Written by a test from the declarations (`UPDATE_DOCS=1 cargo test -p limbeck-cli options`).\n\nMost options that \
                    would have no effect are refused, and so are two options that exclude each other.\n"
        .to_owned();
    for section in sections() {
        let name = if section.name.is_empty() {
            "The recipe itself".to_owned()
        } else {
            format!("`[{}]`", section.name)
        };
        text += &format!(
            "\n## {name}\n\n{}.\n\n| option | flag | default | range | purpose |\n|---|---|---|---|---|\n",
            one_line(section.doc)
        );
        for spec in section.options {
            let option = Listed { section, spec };
            let flag = spec.flag.map(|flag| {
                let letter = flag.letter.map(|letter| format!("`-{letter}` "));
                let value = Some(flag.value).filter(|value| !value.is_empty());
                let value = value.map(|value| format!(" {value}"));
                let name = format!("`--{}{}`", flag.name, value.unwrap_or_default());
                letter.unwrap_or_default() + &name
            });
            let cells = [
                format!("`{}`", spec.name),
                flag.unwrap_or_default(),
                option.default().unwrap_or_default(),
                option.range().unwrap_or_default(),
                [spec.summary() + ".", spec.details()]
                    .join(" ")
                    .trim_end()
                    .to_owned(),
            ];
            text += &format!(
                "| {} |\n",
                cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
            );
            if let Some(words) = spec.form.words()
                && words.iter().any(|word| !word.doc.trim().is_empty())
            {
                let each: Vec<String> = words
                    .iter()
                    .map(|word| format!("`{}`: {}", word.name, one_line(word.doc)))
                    .collect();
                text += &format!("| | | | | {} |\n", each.join("; ").replace('|', "\\|"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn page_of_options_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
        let page = page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == page,
            "docs/options.md is not what the declarations say; run this test with UPDATE_DOCS=1"
        );
    }

    #[test]
    fn flags_and_letters_are_unique() {
        let flags: Vec<_> = all()
            .into_iter()
            .filter_map(|option| option.spec.flag)
            .collect();
        let names: BTreeSet<&str> = flags.iter().map(|flag| flag.name).collect();
        let letters: Vec<char> = flags.iter().filter_map(|flag| flag.letter).collect();
        assert_eq!(
            (names.len(), letters.iter().collect::<BTreeSet<_>>().len()),
            (flags.len(), letters.len())
        );
    }

    #[test]
    fn rules_name_options_that_exist() {
        use limbeck_options::{A_NUMBER, Rule};
        let keys: BTreeSet<String> = all().iter().map(Listed::key).collect();
        for option in all() {
            for rule in option.spec.rules {
                for key in rule.names() {
                    assert!(keys.contains(key), "{} speaks of {key}", option.key());
                }
                if let Rule::Where(key, words, _) = rule {
                    let other = all()
                        .into_iter()
                        .find(|option| option.key() == *key)
                        .unwrap();
                    let known = match other.spec.form {
                        Form::Word(known) => known.iter().map(|word| word.name).collect(),
                        Form::NumberOr(known) => [known, &[A_NUMBER]].concat(),
                        _ => Vec::new(),
                    };
                    assert!(
                        words.iter().all(|word| known.contains(word)),
                        "{} speaks of {words:?}",
                        option.key()
                    );
                }
            }
        }
    }

    #[test]
    fn defaults_are_in_words() {
        let of = |key: &str| {
            all()
                .into_iter()
                .find(|option| option.key() == key)
                .unwrap()
                .default()
        };
        assert_eq!(of("student.steps").as_deref(), Some("by quality"));
        assert_eq!(of("student.params").as_deref(), Some("5000"));
        assert_eq!(of("teacher.network.hidden").as_deref(), Some("by quality"));
        assert_eq!(of("objective.slope_weight").as_deref(), Some("0.1"));
        assert_eq!(of("threads").as_deref(), Some("one per core"));
        assert_eq!(
            (of("data.weight"), of("objective.literal"), of("data.drop")),
            (None, None, None)
        );
    }
}
