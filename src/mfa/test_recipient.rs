//! Recipients that do not exist, for tests of applications: numbers and domains that are set aside for that, so that no
//! person has them. Nothing is sent to them; their code is always the same; some of them fail in a way of their own.
//!
//! Sources: the North American plan's 555-0100 to 555-0199 ("555 Line Number Reservations"), Ofcom's "Telephone numbers
//! for drama use" (mobile: 07700 900000 to 900999), and RFC 2606, section 3 (`example.com`, `.net`, `.org`).

use super::binding_code::BindingCode;
use super::email_address::EmailAddress;
use super::phone_number::PhoneNumber;

/// `TEST_RECIPIENTS`: their code.
#[derive(Debug, Clone)]
pub struct TestRecipients {
    code: BindingCode,
}

/// What becomes of a message to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It counts as delivered.
    Delivered,
    /// It is taken, and no provider will ever carry it.
    Undelivered,
    /// It is taken, and its code is dead from the start.
    Expired,
    /// The request is refused: there is no such number or address.
    Invalid,
    /// The request is refused: nothing is sent to that country. Numbers only.
    RegionClosed,
    /// The request is refused: too many messages.
    Limited,
    /// The request is refused: the service cannot answer.
    Unavailable,
}

impl TestRecipients {
    /// Reads the variable; without it there are none.
    ///
    /// # Errors
    /// A sentence of which the variable is the subject.
    pub fn parse(text: Option<&str>) -> Result<Option<Self>, String> {
        let Some(text) = text else { return Ok(None) };
        let code = BindingCode::parse(text.trim());
        code.map(|code| Some(Self { code })).ok_or_else(|| "must be six digits, such as 424242.".to_owned())
    }

    /// Their code.
    #[must_use]
    pub const fn code(&self) -> &BindingCode {
        &self.code
    }
}

impl Fate {
    /// The fate of messages to this phone number or e-mail address, if it is one of those.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        if let Ok(number) = PhoneNumber::parse(address) {
            return Self::of_number(number.expose());
        }
        Self::of_email(&EmailAddress::parse(address).ok()?.index_form())
    }

    /// Said by its last two digits.
    fn of_number(number: &str) -> Option<Self> {
        let is_north_american = || {
            let (area, line) = number.strip_prefix("+1")?.split_at_checked(3)?;
            let is_area = area.bytes().next().is_some_and(|digit| matches!(digit, b'2'..=b'9'));
            Some(is_area && line.len() == 7 && line.starts_with("55501"))
        };
        let is_british = || number.starts_with("+447700900") && number.len() == "+447700900000".len();
        if !is_british() && is_north_american() != Some(true) {
            return None;
        }
        let end = number.len().checked_sub(2).and_then(|start| number.get(start..))?;
        Some(match end {
            "90" => Self::Undelivered,
            "91" => Self::Invalid,
            "92" => Self::RegionClosed,
            "93" => Self::Limited,
            "94" => Self::Unavailable,
            "95" => Self::Expired,
            _ => Self::Delivered,
        })
    }

    /// Said by what stands behind `+` in its local part.
    fn of_email(address: &str) -> Option<Self> {
        let (local, domain) = address.split_once('@')?;
        if !matches!(domain, "example.com" | "example.net" | "example.org") {
            return None;
        }
        Some(match local.rsplit_once('+').map(|(_, tag)| tag) {
            Some("undelivered") => Self::Undelivered,
            Some("invalid") => Self::Invalid,
            Some("limited") => Self::Limited,
            Some("unavailable") => Self::Unavailable,
            Some("expired") => Self::Expired,
            _ => Self::Delivered,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_numbers_and_domains_are_known_with_their_fates() {
        for (address, fate) in [
            ("+12025550100", Fate::Delivered),
            ("+1 (416) 555-0189", Fate::Delivered),
            ("+12025550190", Fate::Undelivered),
            ("+12025550191", Fate::Invalid),
            ("+12025550192", Fate::RegionClosed),
            ("+12025550193", Fate::Limited),
            ("+12025550194", Fate::Unavailable),
            ("+12025550195", Fate::Expired),
            ("+447700900000", Fate::Delivered),
            ("+447700900999", Fate::Delivered),
            ("+447700900193", Fate::Limited),
            ("ada@example.com", Fate::Delivered),
            ("ada+work@EXAMPLE.net", Fate::Delivered),
            ("ada+undelivered@example.org", Fate::Undelivered),
            ("ada+invalid@example.com", Fate::Invalid),
            ("ada+limited@example.com", Fate::Limited),
            ("a+b+unavailable@example.com", Fate::Unavailable),
            ("ada+Expired@example.com", Fate::Expired),
        ] {
            assert_eq!(Fate::of(address), Some(fate), "{address}");
        }
    }

    #[test]
    fn nobody_elses_number_or_address_is_one() {
        for address in [
            "+12025550200",
            "+12025550099",
            "+1202555010",
            "+120255501000",
            "+11025550100",
            "+447700901000",
            "+44770090000",
            "+4477009000000",
            "+4915123456789",
            "+5550100123",
            "ada@mail.example.com",
            "ada@example.co",
            "ada@example",
            "ada@notexample.com",
            "example.com",
            "",
        ] {
            assert_eq!(Fate::of(address), None, "{address}");
        }
    }

    #[test]
    fn there_are_none_unless_they_are_switched_on() {
        assert!(TestRecipients::parse(None).unwrap().is_none());
        assert_eq!(TestRecipients::parse(Some("424242")).unwrap().unwrap().code().expose(), "424242");
        for wrong in ["on", "12345", "1234567", "abcdef"] {
            assert!(TestRecipients::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
