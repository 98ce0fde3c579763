//! base64url (RFC 4648, section 5, without padding) of tokens, public keys, ciphertexts and hashes. The time that it takes
//! may depend on the text: none of it is compared here, and nobody far away can tell which letters it had. Keys from the
//! configuration are left to base64ct, in constant time, which took two thirds of the time of reading a token.

const LETTERS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What each byte stands for as a letter: six bits, or [`NO_LETTER`].
const SEXTETS: [u8; 256] = sextets();

/// Whatever it is combined with by `|`, it stays what it is, and no letters make it.
const NO_LETTER: u8 = 0xff;

/// `bytes` in base64url.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let (whole, rest) = bytes.as_chunks::<3>();
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    text.resize(whole.len().saturating_mul(4), 0);
    for (three, four) in whole.iter().zip(text.as_chunks_mut().0) {
        *four = letters(*three);
    }
    match *rest {
        [first] => text.extend(letters([first, 0, 0]).into_iter().take(2)),
        [first, second] => text.extend(letters([first, second, 0]).into_iter().take(3)),
        _ => {}
    }
    // All letters are ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// The bytes, if `text` is just what they are written as.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (whole, rest) = text.as_bytes().as_chunks::<4>();
    let mut bytes = Vec::with_capacity(text.len());
    bytes.resize(whole.len().saturating_mul(3), 0);
    let mut seen = 0;
    for (four, three) in whole.iter().zip(bytes.as_chunks_mut().0) {
        *three = group(*four, &mut seen);
    }
    match *rest {
        [] => {}
        // Bits that no byte takes are zero (A is): nothing is written in two ways.
        [first, second] => match group([first, second, b'A', b'A'], &mut seen) {
            [own, 0, 0] => bytes.push(own),
            _ => return None,
        },
        [first, second, third] => match group([first, second, third, b'A'], &mut seen) {
            [one, two, 0] => bytes.extend([one, two]),
            _ => return None,
        },
        _ => return None,
    }
    (seen != NO_LETTER).then_some(bytes)
}

/// Three bytes as four letters.
#[inline]
fn letters([first, second, third]: [u8; 3]) -> [u8; 4] {
    let letter = |bits: u8| LETTERS.get(usize::from(bits & 0b11_1111)).copied().unwrap_or_default();
    [letter(first >> 2), letter(first << 4 | second >> 4), letter(second << 2 | third >> 6), letter(third)]
}

/// The bytes of four letters; what they stand for is added to what has been `seen`.
#[inline]
fn group([first, second, third, fourth]: [u8; 4], seen: &mut u8) -> [u8; 3] {
    let (first, second, third, fourth) = (sextet(first), sextet(second), sextet(third), sextet(fourth));
    *seen |= first | second | third | fourth;
    [first << 2 | second >> 4, second << 4 | third >> 2, third << 6 | fourth]
}

/// What a letter stands for: six bits, or [`NO_LETTER`].
fn sextet(letter: u8) -> u8 {
    SEXTETS.get(usize::from(letter)).copied().unwrap_or(NO_LETTER)
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the compiler runs it, and would fail"
)]
const fn sextets() -> [u8; 256] {
    let mut sextets = [NO_LETTER; 256];
    let mut value: u8 = 0;
    while value < 64 {
        sextets[LETTERS[value as usize] as usize] = value;
        value += 1;
    }
    sextets
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};

    use super::*;

    #[test]
    fn every_ending_is_read_as_base64ct_reads_it() {
        let letters: Vec<char> = (0..=0x7f).map(char::from).chain(['\u{e4}', '\u{20ac}']).collect();
        for start in ["", "AbCd", "-_09AbCd"] {
            for first in &letters {
                for second in &letters {
                    let two = format!("{start}{first}{second}");
                    let whole = format!("{two}zA");
                    for text in
                        [format!("{start}{first}"), format!("{two}A"), whole, format!("{two}B=="), two]
                    {
                        assert_eq!(decode(&text), Base64UrlUnpadded::decode_vec(&text).ok(), "{text:?}");
                    }
                    let (three, four) =
                        (format!("{start}A{first}{second}"), format!("{start}zA{first}{second}"));
                    for text in [three, four] {
                        assert_eq!(decode(&text), Base64UrlUnpadded::decode_vec(&text).ok(), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in 0..300_u32 {
            let bytes: Vec<u8> = (0..length)
                .map(|at| at.wrapping_mul(at).wrapping_mul(2_654_435_761).to_be_bytes()[0])
                .collect();
            let text = encode(&bytes);
            assert_eq!(text, Base64UrlUnpadded::encode_string(&bytes));
            assert_eq!(decode(&text), Some(bytes));
        }
        assert_eq!((encode(&[]), decode("")), (String::new(), Some(Vec::new())));
    }
}
