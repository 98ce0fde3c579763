//! Phone numbers in the international form of E.164.

use std::fmt;

use crate::types::Secret;

/// Fewest digits. E.164 names no minimum; the shortest numbers that can be called from abroad are a three-digit
/// country code with four digits (Niue, +683 4xxx). Anything shorter is a service code, which must not receive codes.
const MINIMUM_DIGITS: usize = 7;

/// Most digits (E.164, section 6.2.1).
const MAXIMUM_DIGITS: usize = 15;

/// A phone number as `+` and 7 to 15 digits, the first of them not 0. Debug prints it masked.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(Secret);

/// The text is no international phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPhoneNumber;

/// Nobody writes a number longer than this, and nobody shall make us read one.
const MAXIMUM_WRITTEN_BYTES: usize = 64;

impl PhoneNumber {
    /// Reads a number with its country code, after `+` or the prefix `00`. Spaces, dashes and round brackets between
    /// the digits are dropped.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`] for anything else. Also for a `(0)`, as in `+49 (0)30 …`: that zero is dialled inside the
    /// country only, so the digits as they stand are somebody else's number or nobody's.
    pub fn parse(written: &str) -> Result<Self, InvalidPhoneNumber> {
        if written.len() > MAXIMUM_WRITTEN_BYTES || written.contains("(0)") {
            return Err(InvalidPhoneNumber);
        }
        let bare: String =
            written.chars().filter(|character| !matches!(character, ' ' | '-' | '(' | ')')).collect();
        let digits = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")).ok_or(InvalidPhoneNumber)?;
        let valid = (MINIMUM_DIGITS..=MAXIMUM_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if valid { Ok(Self(Secret::new(["+", digits].concat()))) } else { Err(InvalidPhoneNumber) }
    }

    /// The number itself, `+` first.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// How lists show it: one `X` for each digit but the last four, and no `+`.
    #[must_use]
    pub fn masked(&self) -> String {
        let hidden = self.expose().len().saturating_sub("+".len()).saturating_sub(4);
        let shown = self.expose().chars().skip(hidden.saturating_add("+".len()));
        std::iter::repeat_n('X', hidden).chain(shown).collect()
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PhoneNumber({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_the_ways_people_write_it() {
        for written in [
            "+4917012345678",
            "004917012345678",
            "+49 170 12345678",
            "+49-170-1234-5678",
            "+49 (170) 1234 5678",
            "  +49 170 12345678 ",
            "00 49 170 12345678",
            "(+49) 170 12345678",
        ] {
            assert_eq!(PhoneNumber::parse(written).expect(written).expose(), "+4917012345678");
        }
        assert_eq!(PhoneNumber::parse("+1 (555) 010-9999").expect("valid").expose(), "+15550109999");
    }

    #[test]
    fn seven_to_fifteen_digits_are_valid() {
        for count in 0..40 {
            let digits = "2".repeat(count);
            let valid = (7..=15).contains(&count);
            assert_eq!(PhoneNumber::parse(&format!("+{digits}")).is_ok(), valid, "{count} digits");
            assert_eq!(PhoneNumber::parse(&format!("00{digits}")).is_ok(), valid, "{count} digits");
        }
    }

    #[test]
    fn the_country_code_may_begin_with_every_digit_but_zero() {
        for digit in 0..10 {
            assert_eq!(PhoneNumber::parse(&format!("+{digit}701234567")).is_ok(), digit != 0);
        }
    }

    #[test]
    fn what_is_written_has_64_bytes_at_most() {
        let spaced = |length: usize| format!("+{}4917012345678", " ".repeat(length - 14));
        assert!(PhoneNumber::parse(&spaced(64)).is_ok());
        for length in [65, 66, 1000] {
            assert_eq!(PhoneNumber::parse(&spaced(length)), Err(InvalidPhoneNumber), "{length}");
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        for written in [
            "",
            "+",
            "00",
            "()",
            "4917012345678",
            "017012345678",
            "0170 12345678",
            "+0049170123456",
            "+00491701234567",
            "0004917012345678",
            "++4917012345678",
            "+49+17012345678",
            "4917012345678+",
            "+49 (0)170 1234567",
            "+49(0)1701234567",
            "+49.170.12345678",
            "+49/170/12345678",
            "+49 170 1234567x",
            "+49 170 12345678 ext. 9",
            "+49\t17012345678",
            "+49\n17012345678",
            "+4917012345678\0",
            "+49[170]12345678",
            "+४९१७०१२३४५६",
            "+４９１７０１２３４５６７８",
            "\u{202d}+4917012345678",
            "tel:+4917012345678",
            "+1-800-FLOWERS",
            "++",
            "+ + 4917012345678",
        ] {
            assert_eq!(PhoneNumber::parse(written), Err(InvalidPhoneNumber), "{written:?}");
        }
        assert_eq!(PhoneNumber::parse(&"+".repeat(60_000)), Err(InvalidPhoneNumber));
        assert_eq!(PhoneNumber::parse(&format!("+{}", "1".repeat(60_000))), Err(InvalidPhoneNumber));
    }

    #[test]
    fn the_result_always_has_the_canonical_form_and_reads_back() {
        // Every short text over the alphabet that matters, in front of enough digits to be valid if it is harmless.
        let alphabet = ['+', '0', '1', ' ', '-', '(', ')', 'x'];
        for number in 0..8_usize.pow(5) {
            let prefix: String = (0..5).map(|place| alphabet[number / 8_usize.pow(place) % 8]).collect();
            if let Ok(phone) = PhoneNumber::parse(&format!("{prefix}234567")) {
                let digits = phone.expose().strip_prefix('+').expect("+ first");
                assert!((7..=15).contains(&digits.len()) && !digits.starts_with('0'), "{prefix:?}");
                assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{prefix:?}");
                assert_eq!(PhoneNumber::parse(phone.expose()), Ok(phone));
            }
        }
    }

    #[test]
    fn a_mask_keeps_the_last_four_digits() {
        for (number, masked) in
            [("+4917012349167", "XXXXXXXXX9167"), ("+15550108730", "XXXXXXX8730"), ("+6834123", "XXX4123")]
        {
            assert_eq!(PhoneNumber::parse(number).expect("valid").masked(), masked);
        }
    }

    #[test]
    fn debug_prints_the_mask_only() {
        let number = PhoneNumber::parse("+4917012349167").expect("valid");
        assert_eq!(format!("{number:?}"), "PhoneNumber(XXXXXXXXX9167)");
    }
}
