//! Reading base64url (RFC 4648, section 5, without padding) of tokens and public keys. How long it takes may hang on the
//! text: whoever sent it knows it already, and nothing is compared here. base64ct, in constant time, reads what only we
//! know; for a token it took two thirds of the time of reading it.

/// The bytes, if `text` is just what they are written as.
#[must_use]
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (whole, rest) = text.as_bytes().as_chunks::<4>();
    let mut bytes = Vec::with_capacity(text.len());
    for &[first, second, third, fourth] in whole {
        let bits = sextet(first)? << 18 | sextet(second)? << 12 | sextet(third)? << 6 | sextet(fourth)?;
        let [_, own @ ..] = bits.to_be_bytes();
        bytes.extend(own);
    }
    // Bits that no byte takes are zero: nothing is written in two ways.
    match *rest {
        [] => {}
        [first, second] => {
            let bits = sextet(first)? << 6 | sextet(second)?;
            let [.., own] = (bits >> 4).to_be_bytes();
            if bits & 0b1111 != 0 {
                return None;
            }
            bytes.push(own);
        }
        [first, second, third] => {
            let bits = sextet(first)? << 12 | sextet(second)? << 6 | sextet(third)?;
            let [.., one, two] = (bits >> 2).to_be_bytes();
            if bits & 0b11 != 0 {
                return None;
            }
            bytes.extend([one, two]);
        }
        _ => return None,
    }
    Some(bytes)
}

/// Six bits.
fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter.wrapping_sub(b'A'),
        b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
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
                    for text in [format!("{start}{first}"), format!("{two}A"), format!("{two}B=="), two] {
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
            assert_eq!(decode(&Base64UrlUnpadded::encode_string(&bytes)), Some(bytes));
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }
}
