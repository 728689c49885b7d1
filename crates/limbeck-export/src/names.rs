//! Makes C identifiers from the names of columns and of categories, and makes C literals and comments from text.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// Reserved words of C99, C11 and C++, and macros that common compilers or headers define.
const RESERVED: [&str; 72] = [
    "alignas",
    "alignof",
    "and",
    "asm",
    "auto",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "constexpr",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "operator",
    "or",
    "private",
    "protected",
    "public",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "NAN",
    "linux",
    "unix",
];
const LONGEST: usize = 60;

/// The C identifiers that are already in use.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeSet<String>);

impl Names {
    /// Marks a name as in use.
    pub(crate) fn keep(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Makes an identifier that resembles the text, is not in use and is no reserved word; marks it as in use.
    pub(crate) fn of(&mut self, text: &str) -> String {
        let plain = plain(text);
        let free = |name: &String| !self.0.contains(name) && !RESERVED.contains(&name.as_str());
        let name = std::iter::once(plain.clone())
            .chain((2..).map(|n| format!("{plain}_{n}")))
            .find(free)
            .unwrap_or(plain);
        self.0.insert(name.clone());
        name
    }
}

/// Converts text to ASCII letters, digits and single underscores, beginning with a letter. A long text is cut after about 60 characters.
pub(crate) fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
    {
        if name.len() < LONGEST && !(c == '_' && name.ends_with('_')) {
            name.push(c);
        }
    }
    let name = name.trim_matches('_');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("x{name}")
    }
}

/// An error unless `name`, the prefix of all names that an exported file defines, is a C identifier that begins with a letter, has at most 60
/// characters and is no reserved word.
pub(crate) fn check(name: &str) -> Result<()> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine && name.len() <= LONGEST && !RESERVED.contains(&name) {
        Ok(())
    } else {
        Err(Error::Name { name: name.into() })
    }
}

/// Changes text so that it can stand inside a C comment, on one line.
pub(crate) fn comment(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| {
        if c.is_control() || c == '\\' || c == '?' {
            ' '
        } else {
            c
        }
    }) {
        // Separate the characters that would end this comment or begin another.
        let pair =
            (out.ends_with('*') && c == '/') || (out.ends_with('/') && (c == '*' || c == '/'));
        if pair {
            out.push(' ');
        }
        out.push(c);
    }
    // Remove characters that change the text direction: editors would show another text than the compiler reads.
    out.chars()
        .filter(|c| {
            !('\u{202a}'..='\u{202e}').contains(c) && !('\u{2066}'..='\u{2069}').contains(c)
        })
        .collect()
}

/// A C string literal with the UTF-8 bytes of the text.
pub(crate) fn literal(text: &str) -> String {
    let byte = |b: u8| match b {
        b'"' | b'\\' | b'?' => format!("\\{}", b as char),
        0x20..=0x7e => (b as char).to_string(),
        _ => format!("\\{b:03o}"),
    };
    format!("\"{}\"", text.bytes().map(byte).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_differ() {
        let mut names = Names::default();
        let found: Vec<String> = ["a b", "a-b", "float", "1st floor", "", "µ", "__x__y"]
            .into_iter()
            .map(|text| names.of(text))
            .collect();
        assert_eq!(
            found,
            ["a_b", "a_b_2", "float_2", "x1st_floor", "x", "x_2", "x_y"]
        );
    }

    #[test]
    fn comments_and_literals_hold_anything() {
        assert_eq!(
            comment("a */ b /* c // d \\\n??/"),
            "a * / b / * c / / d     /"
        );
        assert_eq!(
            literal("a\"b\\c??/\u{1}9é"),
            "\"a\\\"b\\\\c\\?\\?/\\0019\\303\\251\""
        );
    }

    #[test]
    fn prefixes_are_checked() {
        assert!(check("student_2").is_ok());
        assert!(
            ["", "2a", "a b", "while", "é"]
                .iter()
                .all(|name| check(name).is_err())
        );
    }
}
