//! Recovery codes: what lets a person in who has lost the authenticator.

use crate::types::Secret;

/// Length of a code, as SDKs and their users' forms expect it.
const LENGTH: usize = 24;

/// 32 symbols of `[A-Z0-9]`, so that each carries exactly five bits. I, L and O are left out because people read them
/// as 1 and 0, U because it is what remains.
const ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'M',
    'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];

/// A recovery code: 24 characters of `[A-Z0-9]`. Debug prints nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryCode(Secret);

impl RecoveryCode {
    /// A new code from 15 random bytes: their 120 bits in 24 groups of five. Every code is equally likely, and no two
    /// inputs give the same one, so the code has the full 120 bits of entropy.
    #[must_use]
    pub fn generate(random: [u8; 15]) -> Self {
        let mut code = String::with_capacity(LENGTH);
        // Five bytes are eight symbols.
        for group in random.chunks(5) {
            let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for shift in [35, 30, 25, 20, 15, 10, 5, 0] {
                code.push(symbol(bits >> shift));
            }
        }
        Self(Secret::new(code))
    }

    /// What a person typed or pasted, in the form in which codes are made and hashed: case, white space and dashes do
    /// not matter, I and L count as 1, O as 0. `None` when that is not 24 characters of `[A-Z0-9]`.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = String::with_capacity(LENGTH);
        for character in typed.chars().filter(|character| !character.is_whitespace() && *character != '-') {
            if code.len() == LENGTH {
                return None;
            }
            code.push(match character.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                upper @ ('A'..='Z' | '0'..='9') => upper,
                _ => return None,
            });
        }
        (code.len() == LENGTH).then(|| Self(Secret::new(code)))
    }

    /// The code itself, to be shown once or hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The symbol of the lowest five bits.
fn symbol(bits: u64) -> char {
    let position = usize::from((bits & 0x1f) as u8);
    // The mask keeps the position below 32; '0' never comes of the fallback.
    ALPHABET.get(position).copied().unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn a_code_has_24_characters_of_capitals_and_digits() {
        for byte in 0..=255 {
            let code = RecoveryCode::generate([byte; 15]);
            assert_eq!(code.expose().len(), 24);
            assert!(code.expose().chars().all(|character| matches!(character, 'A'..='Z' | '0'..='9')));
        }
    }

    #[test]
    fn the_alphabet_has_32_different_symbols_none_of_which_parsing_changes() {
        assert_eq!(ALPHABET.iter().collect::<HashSet<_>>().len(), 32);
        for symbol in ALPHABET {
            let code = symbol.to_string().repeat(24);
            assert_eq!(RecoveryCode::parse(&code).expect("symbols are well-formed").expose(), code);
        }
    }

    #[test]
    fn every_one_of_the_120_bits_changes_exactly_one_symbol() {
        let base = RecoveryCode::generate([0; 15]);
        let mut seen = HashSet::from([base.expose().to_owned()]);
        for bit in 0..120 {
            let mut random = [0_u8; 15];
            random[bit / 8] = 0x80 >> (bit % 8);
            let code = RecoveryCode::generate(random);
            let changed: Vec<_> = base
                .expose()
                .chars()
                .zip(code.expose().chars())
                .enumerate()
                .filter(|(_, (before, after))| before != after)
                .map(|(position, _)| position)
                .collect();
            assert_eq!(changed, [bit / 5]);
            assert!(seen.insert(code.expose().to_owned()));
        }
    }

    #[test]
    fn each_symbol_is_equally_likely() {
        // The first three places lie within the first two bytes, of which every value is tried.
        let mut counts = HashMap::new();
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let mut random = [0_u8; 15];
                random[..2].copy_from_slice(&[first, second]);
                let code = RecoveryCode::generate(random);
                for (place, symbol) in code.expose().chars().take(3).enumerate() {
                    *counts.entry((place, symbol)).or_insert(0) += 1;
                }
            }
        }
        assert_eq!(counts.len(), 96);
        assert!(counts.values().all(|count| *count == 65_536 / 32));
    }

    #[test]
    fn known_bytes_give_a_known_code() {
        assert_eq!(RecoveryCode::generate([0; 15]).expose(), "000000000000000000000000");
        assert_eq!(RecoveryCode::generate([255; 15]).expose(), "ZZZZZZZZZZZZZZZZZZZZZZZZ");
        let counted: [u8; 15] = std::array::from_fn(|index| u8::try_from(index).expect("15 fits"));
        assert_eq!(RecoveryCode::generate(counted).expose(), "000G40R40M30E209185GR38E");
    }

    #[test]
    fn parsing_forgives_how_people_write_codes_down() {
        let code = RecoveryCode::generate([0x5a; 15]);
        let plain = code.expose().to_owned();
        let dashed = plain
            .as_bytes()
            .chunks(4)
            .map(|part| String::from_utf8_lossy(part))
            .collect::<Vec<_>>()
            .join("-");
        for typed in [
            plain.clone(),
            plain.to_lowercase(),
            dashed.clone(),
            dashed.replace('-', " "),
            dashed.replace('-', "\u{a0}"),
            format!("  {plain}\r\n"),
            format!("-{plain}-"),
        ] {
            assert_eq!(RecoveryCode::parse(&typed), Some(code.clone()), "{typed:?}");
        }
        let misread = RecoveryCode::parse("oOiIlL000000000000000000").expect("well-formed");
        assert_eq!(misread.expose(), "001111000000000000000000");
    }

    #[test]
    fn generated_codes_parse_to_themselves() {
        for seed in 0..=255_u8 {
            let code = RecoveryCode::generate(std::array::from_fn(|index| {
                seed.wrapping_mul(31).wrapping_add(u8::try_from(index).expect("15 fits").wrapping_mul(113))
            }));
            assert_eq!(RecoveryCode::parse(code.expose()), Some(code));
        }
    }

    #[test]
    fn anything_else_is_not_a_code() {
        for typed in [
            "",
            " - ",
            "00000000000000000000000",
            "0000000000000000000000000",
            "00000000000000000000000!",
            "00000000000000000000000.",
            "00000000000000000000000_",
            "00000000000000000000000é",
            "00000000000000000000000ß",
            "00000000000000000000000\u{131}",
            "00000000000000000000000\u{17f}",
            "00000000000000000000000\0",
            "０00000000000000000000000",
        ] {
            assert_eq!(RecoveryCode::parse(typed), None, "{typed:?}");
        }
        assert_eq!(RecoveryCode::parse(&"0".repeat(100_000)), None);
    }

    #[test]
    fn debug_prints_nothing_of_the_code() {
        assert_eq!(format!("{:?}", RecoveryCode::generate([1; 15])), "RecoveryCode(Secret(…))");
    }
}
