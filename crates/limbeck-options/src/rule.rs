//! Rules: what an option requires of other options, and what it excludes.

use std::collections::BTreeMap;

use crate::Seen;

/// A condition on an option (*this option*), which depends on other options. [`check`](crate::check) refuses this option if the condition does not
/// hold, unless this option has its default value.
///
/// Other options are named by their keys, such as `data.group`. [`Seen::is_on`] says when an option is *on*. The text `reason` is part of the
/// error message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `With(other)`: the option `other` must be on. Otherwise this option would have no effect.
    With(&'static str),
    /// `WithAny(others)`: at least one of the options `others` must be on. Otherwise this option would have no effect.
    WithAny(&'static [&'static str]),
    /// `Where(other, words, reason)`: the value of the option `other` must be one of `words`. Among them, [`A_NUMBER`] stands for any number.
    Where(&'static str, &'static [&'static str], &'static str),
    /// `Without(other, reason)`: the option `other` must not be on.
    Without(&'static str, &'static str),
    /// `Beside(other, needed, reason)`: if the option `other` is on, at least one of the options `needed` must be on, too.
    Beside(&'static str, &'static [&'static str], &'static str),
    /// `Apart(others, reason)`: no text in this option may be a text in one of the options `others`. If this option itself is among them, no text may
    /// occur twice in it.
    Apart(&'static [&'static str], &'static str),
    /// `Among(others)`: each text in this option must be a text in one of the options `others`.
    Among(&'static [&'static str]),
    /// `Each(others)`: this option must have as many values as the options `others` have in total.
    Each(&'static [&'static str]),
}

/// Placeholder in the list of words of a [`Rule::Where`]: with it, any number is an allowed value of the other option.
pub const A_NUMBER: &str = "a number";

/// The current values of options, by key.
pub(crate) type Values<'v> = BTreeMap<String, &'v Seen>;

impl Rule {
    /// The keys of the options that the rule names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        match *self {
            Self::With(other) | Self::Where(other, ..) | Self::Without(other, _) => vec![other],
            Self::Beside(other, needed, _) => [&[other], needed].concat(),
            Self::WithAny(others)
            | Self::Apart(others, _)
            | Self::Among(others)
            | Self::Each(others) => others.to_vec(),
        }
    }

    /// True if the rule says that options exclude each other; false if it says that an option requires others.
    pub(crate) fn excludes(&self) -> bool {
        matches!(self, Self::Without(..) | Self::Apart(..))
    }

    /// Says why the option `key` with the value `seen` breaks the rule, for the error message. `None` if it does not break the rule. Also `None` if
    /// `values` lacks an option that the rule names.
    pub(crate) fn broken(&self, key: &str, seen: &Seen, values: &Values<'_>) -> Option<String> {
        let names = self.names();
        let others: Vec<&Seen> = names
            .iter()
            .map(|name| values.get(*name).copied())
            .collect::<Option<_>>()?;
        match *self {
            Self::With(other) => (!others[0].is_on()).then(|| {
                format!("has no effect without `{other}`; set `{other}` too, or leave out `{key}`")
            }),
            Self::WithAny(_) => (!others.iter().any(|other| other.is_on())).then(|| {
                let names = either(&quoted(&names));
                format!("has no effect without {names}; set one of them too, or leave out `{key}`")
            }),
            Self::Where(other, words, why) => {
                let found = others[0].to_string();
                let is_number = matches!(others[0], Seen::Number(_));
                let is = |word: &&str| *word == found || is_number && *word == A_NUMBER;
                (!words.iter().any(is)).then(|| {
                    let own = match seen {
                        Seen::Switch(_) => String::new(),
                        seen => format!("{seen} "),
                    };
                    let words = either(words);
                    format!("{own}needs `{other}` to be {words}, found {found}: {why}")
                })
            }
            Self::Without(other, why) => others[0].is_on().then(|| {
                format!("cannot be combined with `{other}`: {why}; leave out one of the two")
            }),
            Self::Beside(other, needed, why) => {
                let is_missing = others[0].is_on() && !others[1..].iter().any(|one| one.is_on());
                is_missing.then(|| {
                    let needed = either(&quoted(needed));
                    format!("together with `{other}`, this option needs {needed} too: {why}")
                })
            }
            Self::Apart(_, why) => {
                let shared = |(other, theirs): (&&str, &&Seen)| shared(key, seen, other, theirs);
                let found = names.iter().zip(&others).find_map(shared)?;
                Some(format!("{found}: {why}; name it once"))
            }
            Self::Among(_) => {
                let known: Vec<&str> = others.iter().flat_map(|other| other.texts()).collect();
                let strange = seen
                    .texts()
                    .into_iter()
                    .find(|text| !known.contains(text))?;
                let (names, known) = (either(&quoted(&names)), known.join(", "));
                Some(format!(
                    "found `{strange}`, expected one of the values of {names}: {known}"
                ))
            }
            Self::Each(_) => {
                let all: usize = others.iter().map(|other| other.count()).sum();
                let found = seen.count();
                let names = quoted(&names).join(" and ");
                (found != all).then(|| {
                    format!("the number of values is {found}, expected {all}: one for each value of {names}")
                })
            }
        }
    }
}

/// Finds a text that the option `key` (value `seen`) and the option `other` (value `theirs`) both have. If both are the same option, finds a text
/// that occurs twice. Returns words about this text for a message; `None` if there is no such text.
fn shared(key: &str, seen: &Seen, other: &str, theirs: &Seen) -> Option<String> {
    let (own, theirs) = (seen.texts(), theirs.texts());
    if key == other {
        let again = (0..own.len()).find(|&at| own[..at].contains(&own[at]))?;
        return Some(format!("`{}` is named twice", own[again]));
    }
    let both = own.into_iter().find(|text| theirs.contains(text))?;
    Some(format!("`{both}` is also in `{other}`"))
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

/// Joins words for a message: `a`, `a or b`, `a, b or c`.
fn either<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match &words[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}
