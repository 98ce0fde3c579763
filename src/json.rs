//! JSON as a tree: the one way in which it is read and written here. A tree borrows what it can: its strings stand in the text
//! that was read, or in whatever is to be written.
//!
//! Types pick their members by hand: derived readers were the larger half of the bundle, and cannot tell a member that is
//! given twice. Of numbers with fractions the whole part is kept, of those with exponents nothing; fuzzing compares with
//! serde_json.

mod reader;

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

pub use reader::parse;
use zeroize::Zeroize;

use crate::scan;

/// Any JSON value.
#[derive(Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent, within 64 bits.
    Integer(i64),
    /// A number with a fraction and no exponent: its whole part, within 64 bits. Only times of tokens are wanted so;
    /// written, it is `null`.
    Fraction(i64),
    /// Any other number. Nothing here wants one, so that its value is not kept; written, it is `null`.
    OtherNumber,
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: its members in order, also those whose name occurs again.
    Object(Vec<Member<'a>>),
}

/// A name and its value.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

/// A [`Json`] object with these members: `object! { "event": "sweep_failed", "error": text }`.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {
        $crate::json::Json::Object(vec![$((::std::borrow::Cow::Borrowed($name), $crate::json::Json::from($value))),*])
    };
}
pub(crate) use object;

/// Most of what is written is shorter, and need not be moved while it grows.
const USUAL_BYTES: usize = 1024;

/// Where a text ceases to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
}

/// The members of an object that an operator has written as a variable's value; `example` shows one.
///
/// # Errors
/// A sentence of which the variable is the subject.
pub fn settings<'a>(text: &'a str, example: &str) -> Result<Vec<(Cow<'a, str>, Json<'a>)>, String> {
    match parse(text.as_bytes()) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(format!("must be a JSON object, such as {example}.")),
        Err(Malformed { line, column }) => Err(format!(
            "must be a JSON object, such as {example}, but is not JSON at line {line}, column {column}."
        )),
    }
}

impl<'a> Json<'a> {
    /// The text, without any space between its parts.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(USUAL_BYTES);
        self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) {
        match self {
            Self::Null | Self::Fraction(_) | Self::OtherNumber => text.push_str("null"),
            Self::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
            // A String takes whatever is written to it.
            Self::Integer(number) => drop(write!(text, "{number}")),
            Self::Text(own) => write_string(own, text),
            Self::Array(elements) => {
                let mut before = '[';
                for element in elements {
                    text.push(std::mem::replace(&mut before, ','));
                    element.write_to(text);
                }
                text.push_str(if elements.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                let mut before = '{';
                for (name, value) in members {
                    text.push(std::mem::replace(&mut before, ','));
                    write_string(name, text);
                    text.push(':');
                    value.write_to(text);
                }
                text.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// Adds a member to an object; to anything else nothing can be added.
    pub fn set(&mut self, name: &'a str, value: impl Into<Self>) {
        if let Self::Object(members) = self {
            members.push((Cow::Borrowed(name), value.into()));
        }
    }

    /// The object without the member `name`.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(own, _)| own != name);
        }
        self
    }

    /// An object without those of its members that are `null`.
    #[must_use]
    pub fn without_nulls(mut self) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(_, value)| !matches!(value, Self::Null));
        }
        self
    }

    /// The object's member `name`, the last one if there are several.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.as_object()?.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The object's member `name`, if that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_text()
    }

    /// The object's member `name`, if that is an integer.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.member(name)?.as_integer()
    }

    /// The object's member `name`, if that is an array.
    #[must_use]
    pub fn array(&self, name: &str) -> Option<&[Self]> {
        self.member(name)?.as_array()
    }

    /// The string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer.
    #[must_use]
    pub const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The array's elements.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The array's elements, if all of them are strings.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        self.as_array()?.iter().map(Self::as_text).collect()
    }

    /// The object's members.
    #[must_use]
    pub fn as_object(&self) -> Option<&[Member<'a>]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A name that the object has more than once. Which one wins differs between readers, so that two of them would
    /// see two different objects.
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.as_object()?.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [one, next] if one == next => Some(*one),
            _ => None,
        })
    }

    /// A name that the object has beside those in `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.as_object()?.iter().map(|(name, _)| &**name).find(|name| !known.contains(name))
    }
}

impl fmt::Debug for Json<'_> {
    /// A tree may hold keys and codes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Json(…)")
    }
}

impl Zeroize for Json<'_> {
    /// Wipes what is the tree's own. What it borrows is its owner's to wipe.
    fn zeroize(&mut self) {
        match self {
            Self::Text(Cow::Owned(text)) => text.zeroize(),
            Self::Array(elements) => elements.iter_mut().for_each(Self::zeroize),
            Self::Object(members) => members.iter_mut().for_each(|(_, value)| value.zeroize()),
            Self::Text(Cow::Borrowed(_))
            | Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Fraction(_)
            | Self::OtherNumber => {}
        }
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Json<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Json<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Json<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Json<'_> {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl<'a> From<Vec<Json<'a>>> for Json<'a> {
    fn from(elements: Vec<Json<'a>>) -> Self {
        Self::Array(elements)
    }
}

impl<'a> From<&'a [String]> for Json<'a> {
    fn from(texts: &'a [String]) -> Self {
        Self::Array(texts.iter().map(Self::from).collect())
    }
}

impl<'a, const N: usize> From<[&'a str; N]> for Json<'a> {
    fn from(texts: [&'a str; N]) -> Self {
        Self::Array(texts.into_iter().map(Self::from).collect())
    }
}

impl<'a, T: Into<Json<'a>>> From<Option<T>> for Json<'a> {
    fn from(optional: Option<T>) -> Self {
        optional.map_or(Self::Null, Into::into)
    }
}

/// Writes a string (RFC 8259 section 7): nothing is escaped but what must be.
fn write_string(own: &str, text: &mut String) {
    text.push('"');
    let mut rest = own;
    loop {
        let (plain, escaped) = rest.split_at_checked(plain_length(rest.as_bytes())).unwrap_or((rest, ""));
        text.push_str(plain);
        let mut characters = escaped.chars();
        match characters.next() {
            None => break,
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(own @ ('"' | '\\')) => text.extend(['\\', own]),
            Some(control) => drop(write!(text, "\\u{:04x}", u32::from(control))),
        }
        rest = characters.as_str();
    }
    text.push('"');
}

/// How many bytes come before the first quotation mark, backslash or control character.
fn plain_length(bytes: &[u8]) -> usize {
    let special = |word| scan::below(word, b' ') | scan::equal(word, b'"') | scan::equal(word, b'\\');
    scan::position(bytes, special).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "null",
            "[true,false,-9223372036854775808,9223372036854775807]",
            r#"{"z":"\"\\\n\u0001ä😀","a":[],"b":{},"z":1}"#,
            r#"[[[{"deep":[null]}]]]"#,
        ] {
            assert_eq!(read(text).write(), text);
        }
        assert_eq!(read(" { \"a\" : [ 1 ] } \n").write(), r#"{"a":[1]}"#);
    }

    #[test]
    fn members_are_picked_by_name_and_type() {
        let tree = read(r#"{"a":"x","n":5,"l":["p","q"],"m":["p",1],"a":"y"}"#);
        assert_eq!(tree.text("a"), Some("y"));
        assert_eq!(tree.integer("n"), Some(5));
        assert_eq!(tree.member("l").unwrap().as_texts(), Some(vec!["p", "q"]));
        assert_eq!(tree.member("m").unwrap().as_texts(), None);
        assert_eq!(tree.array("m").map(<[_]>::len), Some(2));
        assert!(tree.text("n").is_none() && tree.integer("a").is_none() && tree.member("b").is_none());
        assert!(read("[]").member("a").is_none());
    }

    #[test]
    fn a_name_that_occurs_twice_is_found() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#).repeated(), Some("a"));
        assert_eq!(read(r#"{"a":1,"\u0061":3}"#).repeated(), Some("a"));
        assert_eq!(read(r#"{"a":{"b":1,"b":1},"A":2}"#).repeated(), None);
        assert_eq!(read("[1,1]").repeated(), None);
    }

    #[test]
    fn a_name_that_nobody_knows_is_found() {
        assert_eq!(read(r#"{"a":1,"c":2}"#).unknown(&["a", "b"]), Some("c"));
        assert_eq!(read(r#"{"a":1}"#).unknown(&["a", "b"]), None);
    }

    #[test]
    fn objects_are_written_as_they_were_made() {
        let tree =
            object! { "text": "x", "none": None::<&str>, "some": Some(1), "list": ["p", "q"], "flag": true };
        assert_eq!(tree.write(), r#"{"text":"x","none":null,"some":1,"list":["p","q"],"flag":true}"#);
        assert_eq!(tree.without_nulls().write(), r#"{"text":"x","some":1,"list":["p","q"],"flag":true}"#);
    }

    #[test]
    fn what_a_string_ends_at_is_found_wherever_it_stands() {
        for beside in [b'a', 0x20, 0x21, 0x7f, 0x80, 0xff] {
            for at in 0..=17 {
                for byte in 0..=u8::MAX {
                    let mut bytes = [beside; 18];
                    bytes[at] = byte;
                    let ends = matches!(byte, b'"' | b'\\') || byte < 0x20;
                    assert_eq!(
                        plain_length(&bytes),
                        if ends { at } else { 18 },
                        "{byte} at {at} in {beside}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_of_a_tree_is_printed_and_nothing_stays_of_a_wiped_one() {
        let secret = || Json::from("secret".to_owned());
        let mut tree = object! { "a": vec![secret(), object! { "b": secret() }] };
        assert_eq!(format!("{tree:?}"), "Json(…)");
        tree.zeroize();
        assert_eq!(tree.write(), r#"{"a":["",{"b":""}]}"#);
    }
}
