//! The reader: RFC 8259, nothing more lenient, and no recursion that a text could drive too deep.

use std::borrow::Cow;

use super::{Json, Malformed, plain_length};

/// How many arrays and objects may stand in each other: more than anything here has, and far from what the stack holds.
const MAXIMUM_DEPTH: usize = 127;

/// Reads a text.
///
/// # Errors
/// [`Malformed`], also for texts that nest deeper than 127 levels.
pub fn parse(text: &[u8]) -> Result<Json<'_>, Malformed> {
    let valid = match str::from_utf8(text) {
        Ok(valid) => valid,
        Err(error) => return Err(Malformed::behind(text.get(..error.valid_up_to()).unwrap_or_default())),
    };
    let mut reader = Reader { text: valid, at: 0 };
    let value = reader.value(MAXIMUM_DEPTH).filter(|_| reader.peek().is_none());
    value.ok_or_else(|| Malformed::behind(text.get(..reader.at).unwrap_or_default()))
}

impl Malformed {
    /// The place of the byte that follows these.
    fn behind(read: &[u8]) -> Self {
        let line = read.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        let column = read.iter().rev().take_while(|byte| **byte != b'\n').count().saturating_add(1);
        Self { line, column }
    }
}

/// A text, and how much of it has been read. Whatever returns `None` leaves it at the first byte that cannot be.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is no space between tokens; it stays.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.skip(1);
        }
        self.next()
    }

    /// The next byte; it stays.
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes so many bytes.
    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Takes `byte`, if that comes next.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next() == Some(byte)).then(|| self.skip(1))
    }

    /// Takes `word`, or what comes of it.
    fn take_word(&mut self, word: &str) -> Option<()> {
        word.bytes().try_for_each(|byte| self.take(byte))
    }

    /// What has been taken since `start`.
    fn since(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// Takes the characters before the next escape, the string's end, or what no string may hold.
    fn take_plain(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip(plain_length(self.text.as_bytes().get(start..)?));
        self.since(start)
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Json::Text),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.take_word("true").map(|()| Json::Bool(true)),
            b'f' => self.take_word("false").map(|()| Json::Bool(false)),
            b'n' => self.take_word("null").map(|()| Json::Null),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        self.take(b'[')?;
        let mut elements = Vec::new();
        if self.peek()? != b']' {
            loop {
                elements.push(self.value(depth)?);
                if self.peek()? != b',' {
                    break;
                }
                self.take(b',')?;
            }
        }
        self.take(b']')?;
        Some(Json::Array(elements))
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        if self.peek()? != b'}' {
            loop {
                self.peek()?;
                let name = self.string()?;
                self.peek()?;
                self.take(b':')?;
                members.push((name, self.value(depth)?));
                if self.peek()? != b',' {
                    break;
                }
                self.take(b',')?;
            }
        }
        self.take(b'}')?;
        Some(Json::Object(members))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.take(b'"')?;
        let mut text = Cow::Borrowed(self.take_plain()?);
        while self.next()? == b'\\' {
            let own = text.to_mut();
            own.push(self.escape()?);
            own.push_str(self.take_plain()?);
        }
        self.take(b'"')?;
        Some(text)
    }

    fn escape(&mut self) -> Option<char> {
        self.take(b'\\')?;
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
        self.skip(1);
        Some(character)
    }

    /// `\u` of RFC 8259 section 7: a character beyond U+FFFF is written as two surrogates, of which neither is one alone.
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.take(b'\\')?;
        let low = self.code_unit()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(first.checked_sub(0xD7C0)? << 10 | low)
    }

    fn code_unit(&mut self) -> Option<u32> {
        self.take(b'u')?;
        let digits = self.text.as_bytes().get(self.at..)?.first_chunk::<4>()?;
        let mut unit = 0;
        for digit in digits {
            unit = unit << 4 | char::from(*digit).to_digit(16)?;
        }
        self.skip(digits.len());
        Some(unit)
    }

    fn number(&mut self) -> Option<Json<'a>> {
        let start = self.at;
        let _ = self.take(b'-');
        // A leading zero stands alone.
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        // -0 is no integer: an integer could not say that it is written so.
        let whole =
            Some(self.since(start)?).filter(|whole| *whole != "-0").and_then(|whole| whole.parse().ok());
        let mut number = whole.map_or(Json::OtherNumber, Json::Integer);
        if self.take(b'.').is_some() {
            number = whole.map_or(Json::OtherNumber, Json::Fraction);
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            number = Json::OtherNumber;
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.next().is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip(1);
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_integers_keep_their_whole_part_or_no_value() {
        for text in [
            "1e3",
            "-0",
            "-0.5",
            "1E+2",
            "1.5e3",
            "0e-1",
            "9223372036854775808",
            "9223372036854775808.5",
            "1e400",
        ] {
            assert!(matches!(parse(text.as_bytes()), Ok(Json::OtherNumber)), "{text}");
        }
        for (text, whole) in [("1.0", 1), ("0.9", 0), ("1764441600.123", 1_764_441_600), ("-7.5", -7)] {
            assert!(matches!(parse(text.as_bytes()), Ok(Json::Fraction(own)) if own == whole), "{text}");
            assert_eq!(parse(text.as_bytes()).unwrap().as_integer(), None, "{text}");
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
        assert_eq!(place(b"[nulx]"), Some((1, 5)));
        assert_eq!(place("\"ä\" 1".as_bytes()), Some((1, 6)));
    }

    #[test]
    fn a_string_is_copied_only_where_something_of_it_is_escaped() {
        assert!(matches!(parse(b"\"a\""), Ok(Json::Text(Cow::Borrowed("a")))));
        assert!(matches!(parse(br#""\n""#), Ok(Json::Text(Cow::Owned(_)))));
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
