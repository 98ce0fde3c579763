//! Second implementations, short and slow, of what the parsers do.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Base64 (RFC 4648) bit by bit, with the two characters that differ between its alphabets; without padding, and with
/// nothing in the bits that are left over.
pub(super) fn base64(text: &str, last_two: [char; 2]) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for character in text.chars() {
        let value = match character {
            'A'..='Z' => character as u32 - 'A' as u32,
            'a'..='z' => character as u32 - 'a' as u32 + 26,
            '0'..='9' => character as u32 - '0' as u32 + 52,
            _ if character == last_two[0] => 62,
            _ if character == last_two[1] => 63,
            _ => return None,
        };
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let left_over = bits.len() % 8;
    if left_over >= 6 || bits[bits.len() - left_over..].contains(&1) {
        return None;
    }
    bits.truncate(bits.len() - left_over);
    Some(
        bits.chunks(8)
            .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::try_from(*bit).unwrap()))
            .collect(),
    )
}

pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    base64(text, ['-', '_'])
}

/// A form's pairs (URL standard, section 5.1); `None` where they are no UTF-8.
pub(super) fn form(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decoded(name)?, form_decoded(value)?))
        })
        .collect()
}

pub(super) fn form_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut decoded, mut index) = (Vec::new(), 0);
    while index < bytes.len() {
        match (bytes[index], digit(index + 1), digit(index + 2)) {
            (b'+', _, _) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap());
                index += 2;
            }
            (byte, _, _) => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8(decoded).ok()
}

/// The names of a JSON object's members, in order, each as often as it occurs.
pub(super) fn names(json: &[u8]) -> Option<Vec<String>> {
    struct Names(Vec<String>);
    impl<'de> Deserialize<'de> for Names {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Object;
            impl<'de> Visitor<'de> for Object {
                type Value = Names;
                fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    formatter.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                    let mut names = Vec::new();
                    while let Some((name, IgnoredAny)) = map.next_entry()? {
                        names.push(name);
                    }
                    Ok(Names(names))
                }
            }
            deserializer.deserialize_map(Object)
        }
    }
    serde_json::from_slice::<Names>(json).ok().map(|names| names.0)
}

/// Whether a JSON object has a member twice.
pub(super) fn repeats(json: &[u8]) -> bool {
    names(json).is_some_and(|mut names| {
        let all = names.len();
        names.sort();
        names.dedup();
        names.len() < all
    })
}
