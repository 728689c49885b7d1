//! Options for numbers and separators in text tables.

use std::fmt;
use std::str::FromStr;

use limbeck_options::{Form, Seen, Value};
use serde::{Deserialize, Serialize};

limbeck_options::words! {
    /// The decimal mark of numbers in text.
    pub enum DecimalMark {
        /// Found from the cells of each column.
        #[default]
        Auto = "auto",
        /// A point: `1,085.5` is 1085.5.
        Point = "point",
        /// A comma: `1.085,5` is 1085.5.
        Comma = "comma",
    }
}

/// Separator between the cells of a text table: one ASCII character other than a quotation mark, a line break or NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Separator(u8);

impl Separator {
    /// The character as a byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl FromStr for Separator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => {
                Ok(Self(*byte))
            }
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            b"space" => Ok(Self(b' ')),
            b"comma" => Ok(Self(b',')),
            b"semicolon" => Ok(Self(b';')),
            b"pipe" => Ok(Self(b'|')),
            _ => Err(format!(
                "found `{text}`, expected one ASCII character (not a quotation mark), or one of the words tab, space, comma, semicolon, pipe"
            )),
        }
    }
}

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            b' ' => f.write_str("space"),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

impl From<Separator> for String {
    fn from(separator: Separator) -> Self {
        separator.to_string()
    }
}

impl Value for Separator {
    const FORM: Form = Form::Text;

    fn seen(&self) -> Seen {
        Seen::Text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_characters_or_words() {
        for text in [",", ";", "|", "tab", "space", ":"] {
            let separator: Separator = text.parse().unwrap();
            assert_eq!(separator.to_string(), text);
        }
        assert_eq!("semicolon".parse::<Separator>().unwrap().byte(), b';');
        for text in ["", "\"", "ab", "\n", "é"] {
            assert!(
                text.parse::<Separator>()
                    .unwrap_err()
                    .contains("expected one ASCII character")
            );
        }
    }
}
