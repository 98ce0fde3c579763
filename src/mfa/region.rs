//! Where a number is: its calling code (ITU-T E.164 and its list of assigned codes), refined where one code covers
//! destinations of very different prices. Messages are counted by region, and sent to those only that are allowed.

use std::rc::Rc;

use super::phone_number::PhoneNumber;

/// Calling codes of countries. Codes of satellites and global services (800, 808, 870, 878, 881 to 883, 888, 979) are
/// not among them: nobody has their second factor there, and a message costs dollars.
const COUNTRIES: [&str; 206] = [
    "1", "20", "211", "212", "213", "216", "218", "220", "221", "222", "223", "224", "225", "226", "227",
    "228", "229", "230", "231", "232", "233", "234", "235", "236", "237", "238", "239", "240", "241", "242",
    "243", "244", "245", "246", "247", "248", "249", "250", "251", "252", "253", "254", "255", "256", "257",
    "258", "260", "261", "262", "263", "264", "265", "266", "267", "268", "269", "27", "290", "291", "297",
    "298", "299", "30", "31", "32", "33", "34", "350", "351", "352", "353", "354", "355", "356", "357",
    "358", "359", "36", "370", "371", "372", "373", "374", "375", "376", "377", "378", "380", "381", "382",
    "383", "385", "386", "387", "389", "39", "40", "41", "420", "421", "423", "43", "44", "45", "46", "47",
    "48", "49", "500", "501", "502", "503", "504", "505", "506", "507", "508", "509", "51", "52", "53", "54",
    "55", "56", "57", "58", "590", "591", "592", "593", "594", "595", "596", "597", "598", "599", "60", "61",
    "62", "63", "64", "65", "66", "670", "672", "673", "674", "675", "676", "677", "678", "679", "680",
    "681", "682", "683", "685", "686", "687", "688", "689", "690", "691", "692", "7", "81", "82", "84",
    "850", "852", "853", "855", "856", "86", "880", "886", "90", "91", "92", "93", "94", "95", "960", "961",
    "962", "963", "964", "965", "966", "967", "968", "970", "971", "972", "973", "974", "975", "976", "977",
    "98", "992", "993", "994", "995", "996", "998",
];

/// Area codes of the North American plan outside the United States and Canada. A message to some of them costs thirty
/// times as much, which is why they are pumped.
const CARIBBEAN: [&str; 27] = [
    "242", "246", "264", "268", "284", "340", "345", "441", "473", "649", "658", "664", "670", "671", "684",
    "721", "758", "767", "784", "787", "809", "829", "849", "868", "869", "876", "939",
];

/// Area codes of that plan for services: premium rate, toll-free, personal numbers.
const SERVICES: [&str; 22] = [
    "500", "521", "522", "523", "524", "525", "526", "527", "528", "529", "533", "544", "566", "577", "588",
    "700", "710", "800", "833", "844", "855", "900",
];
const TOLL_FREE: [&str; 4] = ["822", "866", "877", "888"];

/// The regions that are sent to where the operator names none: countries with low prices or strict regulators, in which
/// numbers that pay their owners for messages are rare. Everywhere else is opened knowingly.
const USUAL: [&str; 42] = [
    "1", "30", "31", "32", "33", "34", "351", "352", "353", "354", "356", "357", "358", "359", "36", "370",
    "371", "372", "385", "386", "39", "40", "41", "420", "421", "423", "43", "44", "45", "46", "47", "48",
    "49", "61", "64", "65", "81", "82", "852", "886", "972", "378",
];

/// The region of a number, as the beginning of its digits: `49`, `1` for the United States and Canada, `1876` for
/// Jamaica, `77` for Kazakhstan. `None` where no country is, and nothing is sent.
#[must_use]
pub fn region(number: &PhoneNumber) -> Option<&str> {
    of_digits(number.expose().strip_prefix('+')?)
}

fn of_digits(digits: &str) -> Option<&str> {
    let start = |length: usize| digits.get(..length);
    let code = [1, 2, 3].into_iter().filter_map(start).find(|code| COUNTRIES.contains(code))?;
    match code {
        "1" => {
            let area = digits.get(1..4)?;
            if SERVICES.contains(&area) || TOLL_FREE.contains(&area) {
                None
            } else if CARIBBEAN.contains(&area) {
                start(4)
            } else {
                Some(code)
            }
        }
        "7" if matches!(start(2), Some("76" | "77")) => Some("77"),
        _ => Some(code),
    }
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
    /// There is no such country, or the code is that of a service.
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
    fn no_code_begins_with_another() {
        for (index, code) in COUNTRIES.iter().enumerate() {
            for other in COUNTRIES.iter().skip(index + 1) {
                assert!(!other.starts_with(code) && !code.starts_with(other), "{code} {other}");
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
    fn what_is_allowed_must_be_a_region() {
        for wrong in ["0", "881", "999", "4", "491", "1900", "1212", "+49", "DE", ""] {
            assert_eq!(Allowed::only(&["49", wrong]), Err(wrong), "{wrong}");
        }
        assert!(Allowed::only(&USUAL).is_ok());
        assert!(Allowed::only(&["77", "1876", "7"]).is_ok());
    }
}
