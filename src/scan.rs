//! Texts are looked through eight bytes at a time, as most have nothing of what is looked for.

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// The place of the first byte that `marks` marks. It is given eight bytes as a little-endian number and sets the top bit of
/// those that are looked for. A mark that stands above another one need not be right, and `a` must not be marked.
#[inline]
pub(crate) fn position(bytes: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let first = |eight: &[u8; 8], start: usize| {
        let marked = marks(u64::from_le_bytes(*eight)) & HIGH;
        (marked != 0).then(|| start.saturating_add((marked.trailing_zeros() / 8) as usize))
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut start = 0_usize;
    for word in words {
        let found = first(word, start);
        if found.is_some() {
            return found;
        }
        start = start.saturating_add(8);
    }
    if let Some(last) = bytes.last_chunk::<8>() {
        // What it shares with the word before it is not marked.
        return first(last, bytes.len().saturating_sub(8));
    }
    let mut last = [b'a'; 8];
    last.iter_mut().zip(rest).for_each(|(own, byte)| *own = *byte);
    first(&last, 0)
}

/// Marks bytes below `bound`, of those below 0x80. Subtracting it from each of them sets their top bit; the borrow may mark
/// what stands above.
pub(crate) const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub((bound as u64).wrapping_mul(EACH)) & !word & HIGH
}

/// Marks bytes that are `byte`.
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (byte as u64).wrapping_mul(EACH), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_stands_and_whatever_stands_beside_it() {
        let marks = |word| below(word, b' ') | equal(word, b',') | equal(word, 0x7f);
        for length in 0..=18 {
            for beside in [b'a', b' ', b'+', b'-', 0x7e, 0x80, 0xac, 0xff] {
                assert_eq!(position(&vec![beside; length], marks), None, "{length} of {beside}");
                for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                    let mut bytes = vec![beside; length];
                    bytes[at] = byte;
                    let expected = (byte < b' ' || byte == b',' || byte == 0x7f).then_some(at);
                    assert_eq!(position(&bytes, marks), expected, "{byte} at {at} of {length} in {beside}");
                    // One more, behind it.
                    bytes[length - 1] = b',';
                    assert_eq!(position(&bytes, marks), expected.or(Some(length - 1)), "{byte} at {at}");
                }
            }
        }
    }
}
