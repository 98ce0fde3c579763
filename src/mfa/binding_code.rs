//! Binding codes: the six digits that go out by SMS, voice or e-mail and come back with the `oob_code`.

use crate::types::Secret;

/// Length of a code.
const DIGITS: usize = 6;

/// How many codes there are.
const CODES: u64 = 1_000_000;

/// A binding code: six digits, leading zeros included. Debug prints nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingCode(Secret);

impl BindingCode {
    /// A new code from 16 random bytes, as the remainder of the 128-bit number they are.
    ///
    /// A million does not divide 2^128, so some codes have one preimage more than others: the probability of a code
    /// differs from one in a million by less than 2^-128, nothing that any number of guesses could use. Rejecting
    /// instead would need a second draw that can fail.
    #[must_use]
    pub fn generate(random: [u8; 16]) -> Self {
        // Digit by digit, as on paper: 128-bit arithmetic is long code in wasm.
        let code = random.iter().fold(0, |rest, byte| ((rest << 8) | u64::from(*byte)) % CODES);
        Self(Secret::new(format!("{code:06}")))
    }

    /// What a person typed: exactly six ASCII digits once white space around them is gone.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let code = typed.trim();
        (code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| Self(Secret::new(code.to_owned())))
    }

    /// The code itself, to be sent or hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_number(number: u128) -> BindingCode {
        BindingCode::generate(number.to_be_bytes())
    }

    #[test]
    fn a_code_is_the_remainder_with_leading_zeros() {
        for (number, code) in [
            (0, "000000"),
            (7, "000007"),
            (999_999, "999999"),
            (1_000_000, "000000"),
            (123_456_789, "456789"),
            (u128::MAX, "211455"),
        ] {
            assert_eq!(from_number(number).expose(), code);
        }
    }

    #[test]
    fn a_million_consecutive_numbers_give_every_code_once() {
        let start = u128::MAX / 3;
        let mut seen = vec![false; 1_000_000];
        for number in (start..).take(seen.len()) {
            let code: usize = from_number(number).expose().parse().expect("digits");
            assert!(!std::mem::replace(&mut seen[code], true), "{code:06} occurs twice");
        }
    }

    #[test]
    fn all_sixteen_bytes_matter() {
        for position in 0..16 {
            let mut random = [0_u8; 16];
            random[position] = 1;
            assert_ne!(BindingCode::generate(random).expose(), "000000", "byte {position}");
        }
    }

    #[test]
    fn generated_codes_parse_to_themselves() {
        for number in (0..1_000_000).step_by(997) {
            let code = from_number(number);
            assert_eq!(BindingCode::parse(code.expose()), Some(code));
        }
    }

    #[test]
    fn white_space_around_a_typed_code_does_not_matter() {
        for typed in ["012345", " 012345", "012345 ", "\t012345\r\n", "\u{a0}012345"] {
            assert_eq!(BindingCode::parse(typed).expect("six digits").expose(), "012345");
        }
    }

    #[test]
    fn anything_but_six_ascii_digits_is_not_a_code() {
        for typed in [
            "",
            "      ",
            "12345",
            "1234567",
            "012 345",
            "012-345",
            "12345x",
            "+12345",
            "-12345",
            "1e1000",
            "0x1234",
            "１２３４５６",
            "١٢٣",
            "12345\0",
            "12345٣",
        ] {
            assert_eq!(BindingCode::parse(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn debug_prints_nothing_of_the_code() {
        assert_eq!(format!("{:?}", from_number(123_456)), "BindingCode(Secret(…))");
    }
}
