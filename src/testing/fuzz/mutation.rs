//! New inputs out of old ones.

use crate::testing::dice::Dice;

/// Longer inputs are none: everything here is bounded by a few kilobytes.
const MAXIMUM_BYTES: usize = 12 * 1024;

/// Bytes that mean something to one of the parsers.
const BYTES: &[u8] = b"\0\t\n\r \"#%&'()*+,-./019:;<=>?@AZ[\\]_az{|}~\x7f\x80\xbf\xc3\xef\xff";

/// Texts that do.
const WORDS: [&str; 40] = [
    "0",
    "-0",
    "-1",
    "00",
    "1.5",
    "1e3",
    "1e400",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "null",
    "true",
    "false",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[",
    "{\"a\":",
    "\\u0000",
    "\\ud800",
    "\\u0131",
    "\u{e9}",
    "\u{130}",
    "\u{fb01}",
    "\u{200b}",
    "\u{202e}",
    "\u{3000}",
    "\u{fffd}",
    "\u{ff10}",
    "\u{661}",
    "\u{1f600}",
    "%00",
    "%7C",
    "%",
    "+",
    "{{",
    "}}",
    "://",
    "..",
];

/// What inputs are made of: the words of those that there are.
pub(super) struct Dictionary(Vec<Vec<u8>>);

impl Dictionary {
    pub(super) fn of<'a>(inputs: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
        for input in inputs {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            for word in input.split(|byte| !is_word(byte)) {
                if (2..=64).contains(&word.len()) {
                    words.push(word.to_vec());
                }
            }
        }
        words.sort();
        words.dedup();
        Self(words)
    }
}

/// One of `inputs`, changed in a few places.
pub(super) fn mutated(dice: &mut Dice, inputs: &[Vec<u8>], dictionary: &Dictionary) -> Vec<u8> {
    let mut input = dice.one_of(inputs).clone();
    let most = if dice.chance(20) { 12 } else { 4 };
    let changes = 1 + dice.below(most);
    for _ in 0..changes {
        change(dice, &mut input, inputs, dictionary);
    }
    input.truncate(MAXIMUM_BYTES);
    input
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, inputs: &[Vec<u8>], dictionary: &Dictionary) {
    let at = dice.index(input.len() + 1);
    let range = at..at + dice.index((input.len() - at).min(32) + 1);
    match dice.below(11) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = *dice.one_of(BYTES);
            }
        }
        2 => input.insert(at, *dice.one_of(BYTES)),
        3 => drop(input.drain(range)),
        4 => {
            let again = input[range].to_vec();
            let most = if dice.chance(5) { 200 } else { 3 };
            let times = 1 + dice.index(most);
            if again.len() * times <= MAXIMUM_BYTES {
                input.splice(at..at, again.repeat(times));
            }
        }
        5 => drop(input.splice(at..at, dice.one_of(&dictionary.0).clone())),
        6 => drop(input.splice(range, dice.one_of(&dictionary.0).clone())),
        7 => {
            let other = dice.one_of(inputs);
            let from = dice.index(other.len() + 1);
            input.truncate(at);
            input.extend(&other[from..]);
        }
        8 => {
            // A whole number or word for another.
            let is_same = |byte: &u8| byte.is_ascii_alphanumeric();
            let begin = input[..at].iter().rposition(|byte| !is_same(byte)).map_or(0, |before| before + 1);
            let end =
                input[at..].iter().position(|byte| !is_same(byte)).map_or(input.len(), |after| at + after);
            input.splice(begin..end, dice.one_of(&dictionary.0).clone());
        }
        9 => {
            // A line from elsewhere.
            let other = dice.one_of(inputs);
            let lines: Vec<_> = other.split(|byte| *byte == b'\n').collect();
            let mut own: Vec<_> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let place = dice.index(own.len());
            own[place] = dice.one_of(&lines).to_vec();
            *input = own.join(&b'\n');
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = if byte.is_ascii_alphabetic() { *byte ^ 0x20 } else { byte.wrapping_add(1) };
            }
        }
    }
    input.truncate(MAXIMUM_BYTES);
}
