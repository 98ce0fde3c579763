//! The reader: RFC 8259, nothing more lenient, and no recursion that a text could drive too deep.

use std::borrow::Cow;

use super::{Json, Malformed};

/// How many arrays and objects may stand in each other: more than anything here has, and far from what the stack holds.
const MAXIMUM_DEPTH: usize = 127;

/// Reads a text.
///
/// # Errors
/// [`Malformed`], also for texts that nest deeper than 127 levels.
pub fn parse(text: &[u8]) -> Result<Json, Malformed> {
    let valid = match str::from_utf8(text) {
        Ok(valid) => valid,
        Err(error) => return Err(Malformed::behind(text.get(..error.valid_up_to()).unwrap_or_default())),
    };
    let mut reader = Reader { rest: valid };
    let value = reader.value(MAXIMUM_DEPTH).filter(|_| reader.peek().is_none());
    value.ok_or_else(|| {
        let read = valid.len().saturating_sub(reader.rest.len());
        Malformed::behind(text.get(..read).unwrap_or_default())
    })
}

impl Malformed {
    /// The place of the byte that follows these.
    fn behind(read: &[u8]) -> Self {
        let line = read.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        let column = read.iter().rev().take_while(|byte| **byte != b'\n').count().saturating_add(1);
        Self { line, column }
    }
}

/// What is still to be read. Whatever returns `None` leaves it at the first byte that cannot be.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next byte that is no space between tokens; it stays.
    fn peek(&mut self) -> Option<u8> {
        self.take_until(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.next()
    }

    /// The next byte; it stays.
    fn next(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Takes `text`, if that comes next.
    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Takes what comes before the first byte that `ends`.
    fn take_until(&mut self, ends: impl FnMut(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        match self.peek()? {
            b'"' => self.string().map(Json::Text),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'n' => self.take("null").map(|()| Json::Null),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.take("[")?;
        let mut elements = Vec::new();
        if self.peek()? != b']' {
            loop {
                elements.push(self.value(depth)?);
                if self.peek()? != b',' {
                    break;
                }
                self.take(",")?;
            }
        }
        self.take("]")?;
        Some(Json::Array(elements))
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{")?;
        let mut members = Vec::new();
        if self.peek()? != b'}' {
            loop {
                self.peek()?;
                let name = self.string()?;
                self.peek()?;
                self.take(":")?;
                members.push((Cow::Owned(name), self.value(depth)?));
                if self.peek()? != b',' {
                    break;
                }
                self.take(",")?;
            }
        }
        self.take("}")?;
        Some(Json::Object(members))
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = self.take_until(ends_plain_text).to_owned();
        while self.next()? == b'\\' {
            text.push(self.escape()?);
            text.push_str(self.take_until(ends_plain_text));
        }
        self.take("\"")?;
        Some(text)
    }

    fn escape(&mut self) -> Option<char> {
        self.take("\\")?;
        let character = match self.next()? {
            b'u' => return self.unicode_escape(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            own @ (b'"' | b'\\' | b'/') => char::from(own),
            _ => return None,
        };
        self.rest = self.rest.get(1..)?;
        Some(character)
    }

    /// `\u` of RFC 8259 section 7: a character beyond U+FFFF is written as two surrogates, of which neither is one alone.
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.take("\\")?;
        let low = self.code_unit()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(first.checked_sub(0xD7C0)? << 10 | low)
    }

    fn code_unit(&mut self) -> Option<u32> {
        self.take("u")?;
        let (digits, rest) = self.rest.split_at_checked(4)?;
        let unit = digits.chars().try_fold(0, |unit: u32, digit| Some(unit << 4 | digit.to_digit(16)?))?;
        self.rest = rest;
        Some(unit)
    }

    fn number(&mut self) -> Option<Json> {
        let written = self.rest;
        let _ = self.take("-");
        // A leading zero stands alone.
        if self.take("0").is_none() {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(".").is_some() {
            is_integer = false;
            self.digits()?;
        }
        if self.take("e").or_else(|| self.take("E")).is_some() {
            is_integer = false;
            let _ = self.take("+").or_else(|| self.take("-"));
            self.digits()?;
        }
        let written = written.get(..written.len().saturating_sub(self.rest.len()))?;
        // -0 is no integer: an integer could not say that it is written so.
        let integer = if is_integer && written != "-0" { written.parse().ok() } else { None };
        Some(integer.map_or(Json::OtherNumber, Json::Integer))
    }

    fn digits(&mut self) -> Option<()> {
        let digits = self.take_until(|byte| !byte.is_ascii_digit());
        (!digits.is_empty()).then_some(())
    }
}

fn ends_plain_text(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\') || byte < 0x20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_integers_keep_no_value() {
        for text in ["1.0", "1e3", "-0", "-0.5", "1E+2", "0e-1", "9223372036854775808", "1e400"] {
            assert!(matches!(parse(text.as_bytes()), Ok(Json::OtherNumber)), "{text}");
        }
        assert_eq!(parse(b"[1.5]").unwrap().write(), "[null]");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{1:1}",
            "{\"a\":1 \"b\":2}",
            "01",
            "-",
            "-a",
            "+1",
            ".5",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "'a'",
            "nul",
            "nulla",
            "True",
            "\"",
            "\"a",
            "\"\u{1}\"",
            "\"\n\"",
            "{} {}",
            "1,",
            "\u{feff}1",
            "\u{a0}1",
            r#""\"#,
            r#""\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\u+123""#,
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800\u0061""#,
            r#""\ud800\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\n""#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_place_of_what_cannot_be_is_told() {
        let place = |text: &[u8]| parse(text).err().map(|place| (place.line, place.column));
        assert_eq!(place(b""), Some((1, 1)));
        assert_eq!(place(b"\xff"), Some((1, 1)));
        assert_eq!(place(b"[\n\"\xff\"]"), Some((2, 2)));
        assert_eq!(place(b"{\n  \"a\": x}"), Some((2, 8)));
        assert_eq!(place(b"[1,\n2"), Some((2, 2)));
        assert_eq!(place("\"ä\" 1".as_bytes()), Some((1, 6)));
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAXIMUM_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAXIMUM_DEPTH + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse("{\"a\":".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn every_character_is_read_in_every_form_of_it() {
        for character in '\0'..=char::MAX {
            let mut units = [0; 2];
            let escaped: String =
                character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect();
            let own = Json::from(character.to_string());
            assert_eq!(parse(format!("\"{escaped}\"").as_bytes()).unwrap().write(), own.write());
            assert!(parse(own.write().as_bytes()) == Ok(own), "{}", u32::from(character));
        }
        assert_eq!(parse(br#""a\"\\\/\b\f\n\r\tz""#).unwrap().as_text(), Some("a\"\\/\u{8}\u{c}\n\r\tz"));
    }
}
