//! Declares the options of a recipe. A recipe is the file that contains all options of a run.
//!
//! [`options!`] declares a struct of options. [`words!`] declares an enum for an option that takes one of several words. A declaration contains
//! everything about an option: its purpose, type, default, range, command-line flag, and the other options that it requires or excludes. The recipe
//! reader, [`check`], `--help`, `limbeck init` and `docs/options.md` all use these declarations, so that none of them has a list of options of its
//! own.
//!
//! ```
//! limbeck_options::options! {
//!     /// How a fit is made.
//!     pub struct FitOptions in "fit", "Fit" {
//!         /// Passes over the rows.
//!         passes: usize = 10 => [within(1.0, 100.0), flag("passes", "N")];
//!         /// Share of rows that each pass sees.
//!         share: f64 = 1.0 => [above(0.0), up_to(1.0)];
//!     }
//! }
//! use limbeck_options::Options;
//!
//! let mut options = FitOptions::default();
//! assert!(options.validate().is_ok());
//! options.share = 2.0;
//! let refused = options.validate().unwrap_err();
//! assert_eq!(refused.to_string(), "fit.share: found 2, expected above 0 and up to 1");
//! ```

mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use rule::Values;
pub use rule::{A_NUMBER, Rule};

/// How the value of an option is written in a recipe and on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A number of seconds; flags also accept `90s`, `5m` and `1h`.
    Seconds,
    /// `true` or `false`; on the command line, giving the flag means `true`.
    Switch,
    /// Text, such as the name of a column.
    Text,
    /// A file or folder.
    Path,
    /// One of a fixed set of words.
    Word(&'static [Word]),
    /// A number, or one of a fixed set of words.
    NumberOr(&'static [&'static str]),
    /// Several values, each in the given form.
    List(&'static Form),
    /// Pairs of name and value: a table in a recipe, `NAME=VALUE` on the command line.
    Map,
}

impl Form {
    /// The words that are accepted as the value, or as each value of a list; `None` if other values are accepted too.
    #[must_use]
    pub const fn words(self) -> Option<&'static [Word]> {
        match self {
            Self::Word(words) | Self::List(&Self::Word(words)) => Some(words),
            _ => None,
        }
    }
}

/// One word that an option accepts, and its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word, as recipes and flags write it.
    pub name: &'static str,
    /// Meaning of the word.
    pub doc: &'static str,
}

/// The current value of an option, converted to one of a few forms, so that [`check`] can compare it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// No value: the option is not set.
    None,
    /// A number. An `f32` is converted by its decimal digits: the `f32` 0.05 is 0.05 here, not 0.05000000074505806.
    Number(f64),
    /// `true` or `false`.
    Switch(bool),
    /// Text or a path.
    Text(String),
    /// One of a fixed set of words.
    Word(String),
    /// Several values. A table of names and values is a list of texts `name = value`.
    List(Vec<Seen>),
}

impl Seen {
    /// True if the value switches the option on. A value is off if it is `None`, `false`, 0, the word `none`, an empty text or an empty list.
    #[must_use]
    pub fn is_on(&self) -> bool {
        match self {
            Self::None => false,
            Self::Number(number) => *number != 0.0,
            Self::Switch(on) => *on,
            Self::Text(text) => !text.is_empty(),
            Self::Word(word) => word != "none",
            Self::List(values) => !values.is_empty(),
        }
    }

    /// All texts and words in the value, except empty ones.
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) | Self::Word(text) if !text.is_empty() => vec![text],
            Self::List(values) => values.iter().flat_map(Self::texts).collect(),
            _ => Vec::new(),
        }
    }

    /// The number of values: the length of a list, 0 if the option is not set, else 1.
    fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::List(values) => values.len(),
            _ => 1,
        }
    }

    /// If the value is an empty list or an unusable text (empty, only white space, or with a NUL character): how a message shows it. `None` for other
    /// values.
    fn blank(&self) -> Option<String> {
        match self {
            Self::Text(text) if text.is_empty() => Some("nothing".into()),
            Self::Text(text) if text.trim().is_empty() || text.contains('\0') => {
                Some(format!("{text:?}"))
            }
            Self::List(values) if values.is_empty() => Some("an empty list".into()),
            _ => None,
        }
    }

    fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Number(number) => vec![*number],
            Self::List(values) => values.iter().flat_map(Self::numbers).collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Number(number) => number.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Text(text) | Self::Word(text) => f.write_str(text),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// A type that can be the type of an option.
pub trait Value {
    /// How values of this type are written in a recipe and on the command line.
    const FORM: Form;

    /// The value, in the form that [`check`] compares.
    fn seen(&self) -> Seen;
}

macro_rules! numbers {
    ($($type:ty: $form:ident),*) => {$(
        impl Value for $type {
            const FORM: Form = Form::$form;

            fn seen(&self) -> Seen {
                // Converted by its decimal digits, so that the f32 0.05 is not shown as 0.05000000074505806.
                Seen::Number(self.to_string().parse().unwrap_or(f64::NAN))
            }
        }
    )*};
}

numbers!(usize: Whole, u64: Whole, f64: Number, f32: Number);

impl Value for bool {
    const FORM: Form = Form::Switch;

    fn seen(&self) -> Seen {
        Seen::Switch(*self)
    }
}

impl Value for String {
    const FORM: Form = Form::Text;

    fn seen(&self) -> Seen {
        Seen::Text(self.clone())
    }
}

impl Value for PathBuf {
    const FORM: Form = Form::Path;

    fn seen(&self) -> Seen {
        Seen::Text(self.display().to_string())
    }
}

impl<T: Value> Value for Option<T> {
    const FORM: Form = T::FORM;

    fn seen(&self) -> Seen {
        self.as_ref().map_or(Seen::None, Value::seen)
    }
}

impl<T: Value> Value for Vec<T> {
    const FORM: Form = Form::List(&T::FORM);

    fn seen(&self) -> Seen {
        Seen::List(self.iter().map(Value::seen).collect())
    }
}

impl<T: Value> Value for (T, T) {
    const FORM: Form = Form::List(&T::FORM);

    fn seen(&self) -> Seen {
        Seen::List(vec![self.0.seen(), self.1.seen()])
    }
}

impl<T: fmt::Display> Value for BTreeMap<String, T> {
    const FORM: Form = Form::Map;

    fn seen(&self) -> Seen {
        Seen::List(
            self.iter()
                .map(|(name, value)| Seen::Text(format!("{name} = {value}")))
                .collect(),
        )
    }
}

/// The numbers that an option accepts. Infinite numbers and NaN are never accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Lower bound, and true if the bound itself is accepted; `None` without a lower bound.
    low: Option<(f64, bool)>,
    /// Upper bound, and true if the bound itself is accepted; `None` without an upper bound.
    high: Option<(f64, bool)>,
    /// A number that is not accepted although it lies between the bounds; `None` if there is none.
    hole: Option<f64>,
    /// Text that messages show in place of the bounds; `None` to show the bounds.
    text: Option<&'static str>,
}

impl Range {
    fn holds(&self, number: f64) -> bool {
        let above = self
            .low
            .is_none_or(|(low, own)| number > low || (own && number >= low));
        let below = self
            .high
            .is_none_or(|(high, own)| number < high || (own && number <= high));
        let hole = self
            .hole
            .is_some_and(|hole| number.total_cmp(&hole).is_eq());
        number.is_finite() && above && below && !hole
    }

    /// True if the range has neither a lower nor an upper bound.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.low.is_none() && self.high.is_none()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.text {
            return f.write_str(text);
        }
        match (self.low, self.high) {
            (Some((low, true)), Some((high, true))) => write!(f, "{low} to {high}"),
            (low, high) => {
                let low = low
                    .map(|(low, own)| format!("{}{low}", if own { "at least " } else { "above " }));
                let high = high
                    .map(|(high, own)| format!("{}{high}", if own { "up to " } else { "below " }));
                let both: Vec<String> = low.into_iter().chain(high).collect();
                if both.is_empty() {
                    f.write_str("a finite number")
                } else {
                    f.write_str(&both.join(" and "))
                }
            }
        }
    }
}

/// A command-line flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Name of the flag, without dashes.
    pub name: &'static str,
    /// Placeholder for the flag's value in `--help`, such as `N`; empty for a flag without a value.
    pub value: &'static str,
    /// One-letter form of the flag, without its dash; `None` if it has none.
    pub letter: Option<char>,
    /// Name of the flag in earlier versions of limbeck: it is accepted, but not shown. `None` if it had no other name.
    pub was: Option<&'static str>,
    /// Heading under which `--help-all` lists the flag; `None` for the heading of the option's section.
    pub heading: Option<&'static str>,
    /// True if `--help` shows the flag; `--help-all` shows all flags.
    pub is_common: bool,
}

/// Declaration of one option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Name of the option within its section.
    pub name: &'static str,
    /// Purpose of the option: one sentence; details follow after an empty line.
    pub doc: &'static str,
    /// How the option's value is written.
    pub form: Form,
    /// Numbers that the option accepts.
    pub range: Range,
    /// What the option expects, in words: for the message that refuses an empty list or a blank text. `None` if empty lists and blank texts are
    /// accepted.
    pub filled: Option<&'static str>,
    /// Command-line flag, if the option has one.
    pub flag: Option<Flag>,
    /// Other options that this option requires or excludes.
    pub rules: &'static [Rule],
    /// Text that says what applies if the option is not set. It is shown in place of a default value. `None` if there is no such text.
    pub unset: Option<&'static str>,
    /// An example value as TOML, for an option without a default; `None` if there is no example.
    pub example: Option<&'static str>,
}

impl Spec {
    /// An option with a name, documentation and form. It has no range, flag, rules or other settings yet.
    #[must_use]
    pub const fn new(name: &'static str, doc: &'static str, form: Form) -> Self {
        Self {
            name,
            doc,
            form,
            range: Range {
                low: None,
                high: None,
                hole: None,
                text: None,
            },
            filled: None,
            flag: None,
            rules: &[],
            unset: None,
            example: None,
        }
    }

    /// Accepts numbers of at least `low`.
    #[must_use]
    pub const fn at_least(mut self, low: f64) -> Self {
        self.range.low = Some((low, true));
        self
    }

    /// Accepts numbers above `low`.
    #[must_use]
    pub const fn above(mut self, low: f64) -> Self {
        self.range.low = Some((low, false));
        self
    }

    /// Accepts numbers up to and including `high`.
    #[must_use]
    pub const fn up_to(mut self, high: f64) -> Self {
        self.range.high = Some((high, true));
        self
    }

    /// Accepts numbers below `high`.
    #[must_use]
    pub const fn below(mut self, high: f64) -> Self {
        self.range.high = Some((high, false));
        self
    }

    /// Accepts numbers from `low` to `high`, both included.
    #[must_use]
    pub const fn within(self, low: f64, high: f64) -> Self {
        self.at_least(low).up_to(high)
    }

    /// Excludes one number from the range; messages describe the range by `text`.
    #[must_use]
    pub const fn but(mut self, hole: f64, text: &'static str) -> Self {
        self.range.hole = Some(hole);
        self.range.text = Some(text);
        self
    }

    /// Refuses empty lists and blank texts. The message says that `expected` was expected, for example `the name of a column`.
    #[must_use]
    pub const fn filled(mut self, expected: &'static str) -> Self {
        self.filled = Some(expected);
        self
    }

    /// Makes the value a number of seconds.
    #[must_use]
    pub const fn seconds(mut self) -> Self {
        self.form = Form::Seconds;
        self
    }

    /// Adds the command-line flag `--name VALUE`.
    #[must_use]
    pub const fn flag(mut self, name: &'static str, value: &'static str) -> Self {
        self.flag = Some(Flag {
            name,
            value,
            letter: None,
            was: None,
            heading: None,
            is_common: false,
        });
        self
    }

    const fn flagged(self) -> Flag {
        match self.flag {
            Some(flag) => flag,
            None => panic!("call flag(…) first"),
        }
    }

    /// Adds a one-letter form to the flag; call [`flag`](Self::flag) first.
    #[must_use]
    pub const fn letter(mut self, letter: char) -> Self {
        self.flag = Some(Flag {
            letter: Some(letter),
            ..self.flagged()
        });
        self
    }

    /// Also accepts the flag under `name`, its name in earlier versions of limbeck. Help texts do not show this name. Call [`flag`](Self::flag)
    /// first.
    #[must_use]
    pub const fn was(mut self, name: &'static str) -> Self {
        self.flag = Some(Flag {
            was: Some(name),
            ..self.flagged()
        });
        self
    }

    /// Lists the flag under this heading in `--help-all`; call [`flag`](Self::flag) first.
    #[must_use]
    pub const fn under(mut self, heading: &'static str) -> Self {
        self.flag = Some(Flag {
            heading: Some(heading),
            ..self.flagged()
        });
        self
    }

    /// Makes `--help` show the flag; call [`flag`](Self::flag) first.
    #[must_use]
    pub const fn common(mut self) -> Self {
        self.flag = Some(Flag {
            is_common: true,
            ..self.flagged()
        });
        self
    }

    /// Sets the other options that this option requires or excludes.
    #[must_use]
    pub const fn rules(mut self, rules: &'static [Rule]) -> Self {
        self.rules = rules;
        self
    }

    /// Sets the text that says what applies if the option is not set.
    #[must_use]
    pub const fn unset(mut self, unset: &'static str) -> Self {
        self.unset = Some(unset);
        self
    }

    /// Sets an example value, as TOML.
    #[must_use]
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// Says what is wrong with a value of this option by itself, without regard to other options. `None` if nothing is wrong.
    fn broken(&self, seen: &Seen) -> Option<String> {
        let outside = seen.numbers().into_iter().find(|n| !self.range.holds(*n));
        if let Some(number) = outside {
            return Some(format!("found {number}, expected {}", self.expected()));
        }
        let (expected, found) = (self.filled?, seen.blank()?);
        Some(format!("found {found}, expected {expected}"))
    }

    /// The accepted range in words, with `seconds` if the value is a number of seconds.
    #[must_use]
    pub fn expected(&self) -> String {
        let unit = if self.form == Form::Seconds {
            " seconds"
        } else {
            ""
        };
        format!("{}{unit}", self.range)
    }

    /// Purpose of the option, on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        one_line(self.doc)
    }

    /// The documentation of the option after the [`summary`](Self::summary), on one line; empty if there is none.
    #[must_use]
    pub fn details(&self) -> String {
        self.doc
            .split_once("\n\n")
            .map_or_else(String::new, |(_, rest)| {
                rest.split_whitespace().collect::<Vec<_>>().join(" ")
            })
    }
}

/// The first paragraph of a doc comment on one line, without its final period.
#[must_use]
pub fn one_line(doc: &str) -> String {
    let first = doc.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_suffix('.').unwrap_or(&line).to_owned()
}

/// A group of related options: one table of the recipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    /// Full name of the section, such as `teacher.trees`; empty for the top level of the recipe.
    pub name: &'static str,
    /// Heading of the section's flags in help texts.
    pub heading: &'static str,
    /// Purpose of the section.
    pub doc: &'static str,
    /// Options of the section.
    pub options: &'static [Spec],
}

impl Section {
    /// The name of an option in a recipe, such as `teacher.trees.rounds`.
    #[must_use]
    pub fn key(&self, option: &Spec) -> String {
        match self.name {
            "" => option.name.to_owned(),
            section => format!("{section}.{}", option.name),
        }
    }
}

/// The options of a section and their values.
#[derive(Clone, Debug)]
pub struct View {
    /// Declarations of the options.
    pub section: Section,
    /// Current value of each option, in the order of the declarations.
    pub seen: Vec<Seen>,
    /// Default value of each option, in the order of the declarations.
    pub default: Vec<Seen>,
}

/// A struct declared by [`options!`].
pub trait Options: Default {
    /// Declarations of the struct's options.
    const SECTION: Section;

    /// Current value of each option, in the order of [`SECTION`](Self::SECTION).
    fn seen(&self) -> Vec<Seen>;

    /// Declarations, current values and defaults, for [`check`].
    fn view(&self) -> View {
        View {
            section: Self::SECTION,
            seen: self.seen(),
            default: Self::default().seen(),
        }
    }

    /// Checks each option alone, and together with the other options of this section.
    ///
    /// # Errors
    ///
    /// [`Refused`] for the first option that is out of its range or breaks one of its rules.
    fn validate(&self) -> Result<(), Refused> {
        check(&[self.view()])
    }
}

/// The error for an option whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Refused {
    /// Name of the option in a recipe.
    pub key: String,
    /// What is wrong with the value, and how to fix it.
    pub message: String,
}

impl Refused {
    /// Makes the error. `key` is the option's name in a recipe; `message` says what is wrong with its value.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

/// Checks the value of each option alone, then rules by which options exclude each other, then rules by which an option requires others.
///
/// The rules of an option are checked only if its value differs from its default. Then the user has set it, so an error is better than ignoring the
/// option silently. A rule that names an option which is not in `views` is skipped.
///
/// # Errors
///
/// [`Refused`] for the first option that cannot be used.
pub fn check(views: &[View]) -> Result<(), Refused> {
    let options = || {
        views.iter().flat_map(|view| {
            let values = view.seen.iter().zip(&view.default);
            let own = view.section.options.iter().zip(values);
            own.map(|(spec, (seen, default))| (view.section.key(spec), spec, seen, default))
        })
    };
    let refuse = |key: &str, broken: Option<String>| {
        broken.map_or(Ok(()), |message| Err(Refused::new(key, message)))
    };
    for (key, spec, seen, _) in options() {
        refuse(&key, spec.broken(seen))?;
    }
    let values: Values<'_> = options().map(|(key, _, seen, _)| (key, seen)).collect();
    for excludes in [true, false] {
        for (key, spec, seen, _) in options().filter(|(_, _, seen, default)| seen != default) {
            for rule in spec.rules.iter().filter(|rule| rule.excludes() == excludes) {
                refuse(&key, rule.broken(&key, seen, &values))?;
            }
        }
    }
    Ok(())
}

/// Declares a struct of options.
///
/// ```text
/// pub struct NAME in "SECTION", "HEADING" {
///     /// Purpose of the option.
///     ///
///     /// Details, for the reference.
///     name: type = default => [within(1.0, 9.0), flag("name", "N")];
///     …
/// }
/// with { field: OtherOptions; … }
/// ```
///
/// The brackets contain calls of methods of [`Spec`](crate::Spec). The struct implements `Clone`, `Debug`, `PartialEq`, `Default`, and serde's
/// `Serialize` and `Deserialize`. On reading, missing fields take their defaults and unknown fields are an error. `with` lists fields that are
/// themselves structs of options.
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $section:literal, $heading:literal {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])*
                $field:ident: $type:ty = $default:expr
                    $(=> [$($method:ident($($argument:expr),* $(,)?)),* $(,)?])?;
            )*
        }
        $(with {
            $(
                $(#[doc = $part_doc:literal])+
                $(#[serde($($part_serde:tt)*)])*
                $part:ident: $part_type:ty;
            )*
        })?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)*)])*
                pub $field: $type,
            )*
            $($(
                $(#[doc = $part_doc])+
                $(#[serde($($part_serde)*)])*
                pub $part: $part_type,
            )*)?
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($($part: ::core::default::Default::default(),)*)?
                }
            }
        }

        impl $crate::Options for $name {
            const SECTION: $crate::Section = $crate::Section {
                name: $section,
                heading: $heading,
                doc: ::core::concat!($($about, "\n"),+),
                options: &[
                    $(
                        $crate::Spec::new(
                            ::core::stringify!($field),
                            ::core::concat!($($doc, "\n"),+),
                            <$type as $crate::Value>::FORM,
                        )
                        $($(.$method($($argument),*))*)?,
                    )*
                ],
            };

            fn seen(&self) -> ::std::vec::Vec<$crate::Seen> {
                ::std::vec![$($crate::Value::seen(&self.$field)),*]
            }
        }
    };
}

/// Declares an option that takes one of several words: an enum, the word for each variant in recipes and flags, and its meaning.
///
/// The enum implements `Clone`, `Copy`, `Debug`, `Default`, `PartialEq`, `Eq`. Serde reads and writes a variant as its word, and `FromStr`
/// reads it. The enum has the constant `ALL` (all variants) and the method `name` (the word).
#[macro_export]
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[default $($default:tt)?])?
                $variant:ident = $word:literal,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ::serde::Serialize)]
        pub enum $name {
            $(
                $(#[doc = $doc])+
                $(#[default $($default)?])?
                #[serde(rename = $word)]
                $variant,
            )+
        }

        impl $name {
            /// All variants, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The variant's word in recipes and flags.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::Value for $name {
            const FORM: $crate::Form = $crate::Form::Word(&[
                $($crate::Word { name: $word, doc: ::core::concat!($($doc, "\n"),+) },)+
            ]);

            fn seen(&self) -> $crate::Seen {
                $crate::Seen::Word(self.name().to_owned())
            }
        }

        // Written by hand, so that the error for a number in place of a word lists the accepted words.
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct Visitor;

                impl ::serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        f.write_str("one of ")?;
                        f.write_str(&[$(::core::concat!("`", $word, "`")),+].join(", "))
                    }

                    fn visit_str<E: ::serde::de::Error>(
                        self,
                        text: &str,
                    ) -> ::core::result::Result<$name, E> {
                        text.parse().map_err(|_| E::unknown_variant(text, &[$($word),+]))
                    }
                }

                deserializer.deserialize_str(Visitor)
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = ::std::string::String;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|one| one.name() == text)
                    .ok_or_else(|| ::std::format!("found `{text}`, expected one of: {}", [$($word),+].join(", ")))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the macros make public items")]

    use super::*;

    words! {
        /// How it cuts.
        pub enum Cut {
            /// Not at all.
            #[default]
            None = "none",
            /// Along the grain.
            Along = "along_grain",
        }
    }

    options! {
        /// A plane.
        ///
        /// And more.
        pub struct Plane in "tools.plane", "Tools" {
            /// How it cuts.
            cut: Cut = Cut::None => [flag("cut", "HOW"), letter('c'), common()];
            /// Depth of a cut,
            /// in millimeters.
            ///
            /// More tears.
            depth: f32 = 0.3 => [above(0.0), below(2.0), rules(&[Rule::Where("tools.plane.cut", &["along_grain"], "nothing is cut")])];
            /// Strokes of two passes.
            strokes: (usize, usize) = (2, 9) => [at_least(1.0)];
            /// Wax on the sole.
            wax: bool = false => [rules(&[Rule::With("tools.plane.cut"), Rule::Without("tools.plane.oil", "one of them is enough")])];
            /// Oil on the sole.
            #[serde(skip_serializing_if = "Option::is_none")]
            oil: Option<String> = None;
        }
    }

    fn message(change: impl FnOnce(&mut Plane)) -> String {
        let mut plane = Plane::default();
        change(&mut plane);
        plane.validate().unwrap_err().to_string()
    }

    #[test]
    fn error_for_a_number_lists_the_accepted_words() {
        let read = |text: &str| serde_json::from_str::<Plane>(text);
        let refused = read("{\"cut\": 3}").unwrap_err().to_string();
        assert!(
            refused.contains("integer `3`, expected one of `none`, `along_grain`"),
            "{refused}"
        );
        let refused = read("{\"cut\": \"across\"}").unwrap_err().to_string();
        assert!(
            refused.contains("unknown variant `across`, expected `none` or `along_grain`"),
            "{refused}"
        );
        assert_eq!(read("{\"cut\": \"along_grain\"}").unwrap().cut, Cut::Along);
    }

    #[test]
    fn declaration_contains_all_properties_of_an_option() {
        let section = Plane::SECTION;
        assert_eq!(
            (section.name, one_line(section.doc).as_str()),
            ("tools.plane", "A plane")
        );
        let [cut, depth, strokes, ..] = section.options else {
            panic!()
        };
        assert_eq!(section.key(cut), "tools.plane.cut");
        let flag = cut.flag.unwrap();
        assert_eq!(
            (flag.name, flag.letter, flag.is_common),
            ("cut", Some('c'), true)
        );
        assert_eq!(cut.form.words().map(<[Word]>::len), Some(2));
        assert_eq!(
            (Vec::<Cut>::FORM.words(), depth.form.words()),
            (cut.form.words(), None)
        );
        assert!(matches!(
            cut.form,
            Form::Word([
                Word { name: "none", .. },
                Word {
                    name: "along_grain",
                    ..
                }
            ])
        ));
        assert_eq!(
            (depth.summary(), depth.details()),
            (
                "Depth of a cut, in millimeters".into(),
                "More tears.".into()
            )
        );
        assert_eq!(depth.range.to_string(), "above 0 and below 2");
        assert_eq!(
            (strokes.form, strokes.range.to_string()),
            (Form::List(&Form::Whole), "at least 1".into())
        );
    }

    #[test]
    fn words_are_read_and_written() {
        assert_eq!("along_grain".parse(), Ok(Cut::Along));
        assert_eq!(
            "across".parse::<Cut>(),
            Err("found `across`, expected one of: none, along_grain".into())
        );
        assert_eq!(
            serde_json::to_string(&Cut::Along).unwrap(),
            "\"along_grain\""
        );
        assert_eq!(
            serde_json::from_str::<Plane>("{\"cut\": \"along_grain\"}")
                .unwrap()
                .cut,
            Cut::Along
        );
        assert!(serde_json::from_str::<Plane>("{\"cuts\": \"none\"}").is_err());
    }

    #[test]
    fn check_refuses_options_out_of_range_or_against_rules() {
        assert_eq!(Plane::default().validate(), Ok(()));
        let cutting = |plane: &mut Plane| plane.cut = Cut::Along;
        assert_eq!(
            message(|plane| plane.depth = 2.0),
            "tools.plane.depth: found 2, expected above 0 and below 2"
        );
        assert_eq!(
            message(|plane| plane.depth = f32::NAN),
            "tools.plane.depth: found NaN, expected above 0 and below 2"
        );
        assert_eq!(
            message(|plane| plane.strokes.1 = 0),
            "tools.plane.strokes: found 0, expected at least 1"
        );
        assert_eq!(
            message(|plane| plane.depth = 0.5),
            "tools.plane.depth: 0.5 needs `tools.plane.cut` to be along_grain, found none: nothing is cut"
        );
        assert_eq!(
            message(|plane| plane.wax = true),
            "tools.plane.wax: has no effect without `tools.plane.cut`; set `tools.plane.cut` too, or leave out `tools.plane.wax`"
        );
        let both = message(|plane| {
            cutting(plane);
            (plane.wax, plane.oil) = (true, Some("camellia".into()));
        });
        assert_eq!(
            both,
            "tools.plane.wax: cannot be combined with `tools.plane.oil`: one of them is enough; leave out one of the two"
        );
        let mut plane = Plane {
            wax: true,
            depth: 0.5,
            ..Plane::default()
        };
        cutting(&mut plane);
        assert_eq!(plane.validate(), Ok(()));
    }

    options! {
        /// A shelf.
        pub struct Shelf in "shelf", "Shelf" {
            /// The best tool.
            best: String = String::new() => [filled("the name of a tool")];
            /// Other tools.
            others: Vec<String> = Vec::new() => [rules(&[Rule::Apart(&["shelf.others", "shelf.best"], "a tool has one place")])];
            /// Tools that are sharp.
            sharp: Option<Vec<String>> = None => [filled("one or more tools"), rules(&[Rule::Among(&["shelf.best", "shelf.others"])])];
            /// Weights of the tools.
            weights: Vec<f64> = Vec::new() => [above(0.0), rules(&[Rule::Each(&["shelf.best", "shelf.others"])])];
            /// Lock with a number or a word.
            lock: bool = false => [rules(&[Rule::Beside("shelf.others", &["shelf.weights", "shelf.sharp"], "thieves look there")])];
        }
    }

    #[test]
    fn values_of_options_are_compared() {
        let refused = |change: fn(&mut Shelf)| {
            let mut shelf = Shelf {
                best: "saw".into(),
                others: vec!["axe".into(), "awl".into()],
                ..Shelf::default()
            };
            change(&mut shelf);
            shelf.validate().map_err(|refused| refused.to_string())
        };
        let is = |change, message: &str| assert_eq!(refused(change), Err(message.into()));
        is(
            |shelf| shelf.best.clear(),
            "shelf.best: found nothing, expected the name of a tool",
        );
        is(
            |shelf| shelf.best = " ".into(),
            "shelf.best: found \" \", expected the name of a tool",
        );
        is(
            |shelf| shelf.sharp = Some(Vec::new()),
            "shelf.sharp: found an empty list, expected one or more tools",
        );
        is(
            |shelf| shelf.others.push("saw".into()),
            "shelf.others: `saw` is also in `shelf.best`: a tool has one place; name it once",
        );
        is(
            |shelf| shelf.others.push("axe".into()),
            "shelf.others: `axe` is named twice: a tool has one place; name it once",
        );
        is(
            |shelf| shelf.sharp = Some(vec!["saw".into(), "nail".into()]),
            "shelf.sharp: found `nail`, expected one of the values of `shelf.best` or `shelf.others`: saw, axe, awl",
        );
        is(
            |shelf| shelf.weights = vec![1.0, 2.0],
            "shelf.weights: the number of values is 2, expected 3: one for each value of `shelf.best` and `shelf.others`",
        );
        is(
            |shelf| shelf.lock = true,
            "shelf.lock: together with `shelf.others`, this option needs `shelf.weights` or `shelf.sharp` too: thieves look there",
        );
        let whole = |shelf: &mut Shelf| {
            (shelf.weights, shelf.lock) = (vec![1.0; 3], true);
            shelf.sharp = Some(vec!["awl".into()]);
        };
        assert_eq!(refused(whole), Ok(()));
    }

    #[test]
    fn is_on_is_false_for_zero_none_and_empty_values() {
        assert!(
            !Seen::None.is_on()
                && !Seen::Number(0.0).is_on()
                && !Seen::Word("none".into()).is_on()
                && !Seen::List(vec![]).is_on()
        );
        assert!(
            Seen::Number(0.1).is_on()
                && Seen::Text("none".into()).is_on()
                && Seen::Switch(true).is_on()
        );
        assert_eq!(0.05_f32.seen(), Seen::Number(0.05));
    }
}
