//! Where a number is: its calling code (ITU-T E.164 and its list of assigned codes), refined where one code covers
//! destinations of very different prices. Messages are counted by region, and sent to those only that are allowed.
//!
//! Nowhere are codes that are no country's (satellites, global services), and numbers that are no person's phone: premium
//! rate, shared cost, toll-free, and their like. Nobody has a second factor there, and a message costs dollars.

mod prefixes;

use std::rc::Rc;

use self::prefixes::{CALLING_CODES, FOREIGN_AREAS, LEADING_ZERO, REFUSED, REFUSED_BY_LENGTH};
use super::phone_number::PhoneNumber;

/// The regions that are sent to where the operator names none: countries with low prices or strict regulators, in which
/// numbers that pay their owners for messages are rare. Everywhere else is opened knowingly.
const USUAL: [&str; 42] = [
    "1", "30", "31", "32", "33", "34", "351", "352", "353", "354", "356", "357", "358", "359", "36", "370",
    "371", "372", "385", "386", "39", "40", "41", "420", "421", "423", "43", "44", "45", "46", "47", "48",
    "49", "61", "64", "65", "81", "82", "852", "886", "972", "378",
];

/// The region of a number, as the beginning of its digits: `49`, `1` for the United States and Canada, `1876` for
/// Jamaica, `77` for Kazakhstan. `None` where no person's phone is, and nothing is sent.
#[must_use]
pub fn region(number: &PhoneNumber) -> Option<&str> {
    let digits = number.expose().strip_prefix('+')?;
    if is_refused(digits) || has_prefix_of_the_country(digits) { None } else { of_digits(digits) }
}

/// Whether the number has the 0 that is dialled within its country only, as in `+49 0900 …`. Some who carry messages take
/// it out, and then send to a number that nobody has looked at here.
fn has_prefix_of_the_country(digits: &str) -> bool {
    let national = calling_code(digits).and_then(|code| Some((code, digits.strip_prefix(code)?)));
    national.is_some_and(|(code, national)| national.starts_with('0') && !is_among(&LEADING_ZERO, code))
}

fn calling_code(digits: &str) -> Option<&str> {
    let start = |length: usize| digits.get(..length);
    [1, 2, 3].into_iter().filter_map(start).find(|code| is_among(&CALLING_CODES, code))
}

fn of_digits(digits: &str) -> Option<&str> {
    let start = |length: usize| digits.get(..length);
    let code = calling_code(digits)?;
    match code {
        "1" if is_among(&FOREIGN_AREAS, digits.get(1..4)?) => start(4),
        // 76 is Kazakhstan's too, and kept for later.
        "7" if matches!(start(2), Some("76" | "77")) => Some("77"),
        _ => Some(code),
    }
}

fn is_among(ascending: &[u16], digits: &str) -> bool {
    // `parse` reads `+49` and `049` as 49.
    let is_plain = !digits.starts_with(['+', '0']);
    is_plain && digits.parse().is_ok_and(|number: u16| ascending.binary_search(&number).is_ok())
}

/// Whether no number that begins with `digits` (and, of some, is as long) is a phone's.
fn is_refused(digits: &str) -> bool {
    // A number that is shorter than what is looked at must be refused whatever came after it.
    let (least, most) = (first_nine(digits, b'0'), first_nine(digits, b'9'));
    let is_within = |first: u32, last: u32| first <= least && most <= last;
    let after = REFUSED.partition_point(|(first, _)| *first <= least);
    let nearest = after.checked_sub(1).and_then(|index| REFUSED.get(index));
    nearest.is_some_and(|(first, last)| is_within(*first, *last))
        || REFUSED_BY_LENGTH
            .iter()
            .any(|(length, first, last)| usize::from(*length) == digits.len() && is_within(*first, *last))
}

/// The first nine digits, as a number; what is missing of them is `filler`.
fn first_nine(digits: &str, filler: u8) -> u32 {
    digits.bytes().chain(std::iter::repeat(filler)).take(9).fold(0, |number: u32, digit| {
        number.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')))
    })
}

/// Which regions a channel sends to: `calling_codes` in `FACTORS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Allowed {
    /// Those of a list of this program.
    #[default]
    Usual,
    /// All that there are.
    All,
    /// These.
    Only(Rc<Vec<String>>),
}

/// Why a number is not sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// There is no such country, or the number is a service's.
    NoRegion,
    /// The region is not allowed.
    NotAllowed,
}

impl Allowed {
    /// The regions that are named, each of which must be one.
    ///
    /// # Errors
    /// The first that is none.
    pub fn only<'a>(regions: &[&'a str]) -> Result<Self, &'a str> {
        // A region is what its own number, filled up, is in.
        let is_region = |region: &&str| of_digits(&format!("{region}2222222222")) == Some(*region);
        match regions.iter().find(|region| !is_region(region)) {
            Some(wrong) => Err(wrong),
            None => Ok(Self::Only(Rc::new(regions.iter().map(|region| (*region).to_owned()).collect()))),
        }
    }

    /// Whether `number` may be sent to.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, number: &PhoneNumber) -> Result<(), Closed> {
        let region = region(number).ok_or(Closed::NoRegion)?;
        let is_allowed = match self {
            Self::Usual => USUAL.contains(&region),
            Self::All => true,
            Self::Only(regions) => regions.iter().any(|own| own == region),
        };
        if is_allowed { Ok(()) } else { Err(Closed::NotAllowed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    #[test]
    fn a_number_is_where_its_calling_code_says() {
        for (text, expected) in [
            ("+4915123456789", Some("49")),
            ("+12025550123", Some("1")),
            ("+14165550123", Some("1")),
            ("+18765550123", Some("1876")),
            ("+18095550123", Some("1809")),
            ("+17875550123", Some("1787")),
            ("+35312345678", Some("353")),
            ("+79161234567", Some("7")),
            ("+77011234567", Some("77")),
            ("+76001234567", Some("77")),
            ("+994501234567", Some("994")),
            ("+8613812345678", Some("86")),
            ("+2348012345678", Some("234")),
            // Kept for fiction, and used in tests everywhere.
            ("+15550109999", Some("1")),
            ("+447700900123", Some("44")),
            ("+442079460123", Some("44")),
        ] {
            assert_eq!(region(&number(text)), expected, "{text}");
        }
    }

    #[test]
    fn satellites_services_and_codes_of_nobody_are_nowhere() {
        for text in [
            "+870123456789",
            "+8811234567890",
            "+882161234567",
            "+883510012345",
            "+8881234567",
            "+979123456789",
            "+80012345678",
            "+80812345678",
            "+878101234567",
            "+2101234567",
            "+2591234567",
            "+3841234567",
            "+9991234567",
            "+19005550123",
            "+18005550123",
            "+18885550123",
            "+17005550123",
            "+15005550123",
        ] {
            assert_eq!(region(&number(text)), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_are_no_phones_are_nowhere() {
        for (text, expected) in [
            ("+447012345678", None),       // personal numbers
            ("+449012345678", None),       // premium rate
            ("+448451234567", None),       // shared cost
            ("+447640123456", None),       // pagers
            ("+447624123456", Some("44")), // the Isle of Man's phones, between them
            ("+447400123456", Some("44")),
            ("+499001234567", None),
            ("+498001234567", None),
            ("+49301234567", Some("49")),
            ("+33899123456", None),
            ("+33698123456", Some("33")),
            ("+390612345678", Some("39")),
            ("+39899123456", None),
            // In Ireland the length tells premium rate from Dublin.
            ("+3531520123456", None),
            ("+35315201234", Some("353")),
            // Area codes of +1 that are services' as a whole, assigned or not.
            ("+17005550123", None),
            ("+17105550123", None),
            ("+18225550123", None),
            ("+15215550123", None),
            ("+19001550123", None),
        ] {
            assert_eq!(region(&number(text)), expected, "{text}");
        }
    }

    #[test]
    fn every_type_of_number_in_every_country_is_where_the_source_says() {
        let rows: Vec<&str> =
            include_str!("region/examples.txt").lines().filter(|line| !line.starts_with('#')).collect();
        for row in &rows {
            let [written, expected] = row.split(' ').take(2).collect::<Vec<_>>()[..] else { panic!("{row}") };
            let expected = Some(expected).filter(|expected| *expected != "refused");
            // One, in Iran, is too short to be a number at all.
            let number = PhoneNumber::parse(written).ok();
            assert_eq!(number.as_ref().and_then(region), expected, "{row}");
        }
        assert!(rows.len() > 1000);
        // Voicemail, which costs nothing more, and an access number of Uruguay.
        assert_eq!(rows.iter().filter(|row| row.ends_with("begins as phones do")).count(), 5);
    }

    #[test]
    fn the_tables_are_small_and_in_order() {
        let bytes = size_of_val(&CALLING_CODES)
            + size_of_val(&FOREIGN_AREAS)
            + size_of_val(&REFUSED)
            + size_of_val(&REFUSED_BY_LENGTH);
        assert!(bytes <= 10_240, "{bytes} bytes");
        assert!(CALLING_CODES.is_sorted() && FOREIGN_AREAS.is_sorted());
        assert!(REFUSED.iter().all(|(first, last)| first <= last));
        assert!(REFUSED.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn a_number_that_is_shorter_than_its_range_is_not_in_it() {
        let (first, last) = *REFUSED.iter().find(|(first, last)| last - first < 9).unwrap();
        assert!(is_refused(&first.to_string()) && is_refused(&last.to_string()));
        assert!(!is_refused(&(first / 10).to_string()));
        assert!(!is_refused(""));
    }

    #[test]
    fn no_code_begins_with_another() {
        for code in CALLING_CODES {
            assert_eq!(of_digits(&format!("{code}000000")), Some(code.to_string().as_str()));
            for other in CALLING_CODES.iter().filter(|other| **other != code) {
                assert!(!other.to_string().starts_with(&code.to_string()), "{code} {other}");
            }
        }
    }

    #[test]
    fn only_what_is_allowed_is_sent_to() {
        let germany = number("+4915123456789");
        let jamaica = number("+18765550123");
        let nowhere = number("+8811234567890");
        for (allowed, to_germany, to_jamaica) in [
            (Allowed::Usual, Ok(()), Err(Closed::NotAllowed)),
            (Allowed::All, Ok(()), Ok(())),
            (Allowed::only(&["1", "44"]).unwrap(), Err(Closed::NotAllowed), Err(Closed::NotAllowed)),
            (Allowed::only(&["49", "1876"]).unwrap(), Ok(()), Ok(())),
        ] {
            assert_eq!(allowed.check(&germany), to_germany, "{allowed:?}");
            assert_eq!(allowed.check(&jamaica), to_jamaica, "{allowed:?}");
            assert_eq!(allowed.check(&nowhere), Err(Closed::NoRegion), "{allowed:?}");
        }
    }

    #[test]
    fn a_zero_behind_the_calling_code_is_a_numbers_own_in_few_countries_only() {
        for text in ["+39061234567", "+2250701234567", "+24101234567"] {
            assert!(region(&number(text)).is_some(), "{text}");
        }
        for text in ["+49015123456789", "+4909001123456", "+4407012345678", "+330612345678", "+4901371123456"]
        {
            assert_eq!(region(&number(text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_allowed_must_be_a_region() {
        for wrong in ["0", "881", "999", "4", "491", "1900", "1212", "+49", "049", "DE", ""] {
            assert_eq!(Allowed::only(&["49", wrong]), Err(wrong), "{wrong}");
        }
        assert!(Allowed::only(&USUAL).is_ok());
        assert!(Allowed::only(&["77", "1876", "7"]).is_ok());
        for region in CALLING_CODES.iter().chain(&FOREIGN_AREAS.map(|area| area + 1000)) {
            assert!(Allowed::only(&[&region.to_string()]).is_ok(), "{region}");
        }
    }
}
