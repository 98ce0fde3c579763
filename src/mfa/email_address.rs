//! E-mail addresses, as far as a code can be sent to them.
//!
//! A deliberate part of RFC 5321: ASCII only, a dot-atom before the `@`, a host name of at least two labels after it.
//! Quoted local parts and address literals are left out because nobody has a mailbox there and providers disagree about
//! them. Addresses beyond ASCII (RFC 6531) are left out because look-alike characters and Unicode forms would make two
//! addresses of one; an internationalised domain is accepted in its ASCII form (`xn--…`).

use std::fmt;

use crate::types::Secret;

/// Most characters before the `@` (RFC 5321, section 4.5.3.1.1).
const MAXIMUM_LOCAL: usize = 64;

/// Most characters altogether (RFC 5321, section 4.5.3.1.3, less the angle brackets of a path).
const MAXIMUM_LENGTH: usize = 254;

/// Most characters of a domain label (RFC 1035, section 2.3.4).
const MAXIMUM_LABEL: usize = 63;

/// An e-mail address with its domain in lower case. Debug prints it masked.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(Secret);

/// The text is no e-mail address that codes are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// Reads an address. What is before the `@` stays as it is written, for the receiving server to understand.
    ///
    /// # Errors
    /// [`InvalidEmailAddress`] for anything outside the form that the module describes.
    pub fn parse(written: &str) -> Result<Self, InvalidEmailAddress> {
        if written.len() > MAXIMUM_LENGTH {
            return Err(InvalidEmailAddress);
        }
        let (local, domain) = written.split_once('@').ok_or(InvalidEmailAddress)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(InvalidEmailAddress);
        }
        Ok(Self(Secret::new(format!("{local}@{}", domain.to_ascii_lowercase()))))
    }

    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The form under which an address is found again and its messages are counted: all lower case, because mail
    /// servers tell no two mailboxes apart by case, whatever RFC 5321, section 2.4, allows them to.
    #[must_use]
    pub fn index_form(&self) -> String {
        self.expose().to_ascii_lowercase()
    }

    /// How lists show it: of either side at most the first four characters, and always at least four stars
    /// (`****@exam*******`).
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.expose().split_once('@').unwrap_or_default();
        format!("{}@{}", starred(local), starred(domain))
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EmailAddress({})", self.masked())
    }
}

/// A dot-atom (RFC 5322, section 3.2.3).
fn is_local_part(local: &str) -> bool {
    local.len() <= MAXIMUM_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A host name of at least two labels (RFC 1123, section 2.1), the last one not a number: `1.2.3.4` is an address.
fn is_domain(domain: &str) -> bool {
    let last_label = domain.rsplit_once('.').map(|(_, last)| last);
    domain.split('.').all(is_label)
        && last_label.is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    (1..=MAXIMUM_LABEL).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `text` with stars for all but its first four characters; for more where fewer than four would be hidden, but never
/// fewer stars than four.
fn starred(text: &str) -> String {
    let shown = text.len().saturating_sub(4).min(4);
    let hidden = text.len().saturating_sub(shown).max(4);
    text.chars().take(shown).chain(std::iter::repeat_n('*', hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_valid() {
        for written in [
            "user@example.com",
            "first.last@example.com",
            "user+tag@example.co.uk",
            "u@e.de",
            "o'brien@example.ie",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "1234567890@example.com",
            "user@xn--bcher-kva.example",
            "user@sub.sub.sub.example.com",
            "user@123.com",
            "user@a-b.example",
        ] {
            assert_eq!(EmailAddress::parse(written).expect(written).expose(), written);
        }
    }

    #[test]
    fn the_domain_is_lower_cased_and_the_local_part_kept() {
        let address = EmailAddress::parse("First.Last@EXAMPLE.Com").expect("valid");
        assert_eq!(address.expose(), "First.Last@example.com");
        assert_eq!(address.index_form(), "first.last@example.com");
    }

    #[test]
    fn anything_outside_the_form_is_invalid() {
        for written in [
            "",
            "@",
            "user",
            "user@",
            "@example.com",
            "user@example",
            "user@localhost",
            "user@@example.com",
            "us@er@example.com",
            "user@example.com@example.com",
            "user@exam ple.com",
            "us er@example.com",
            " user@example.com",
            "user@example.com ",
            "user@example.com\n",
            "user@example.com\r\nBcc: other@example.com",
            "us\0er@example.com",
            "us\ter@example.com",
            "us\u{7f}er@example.com",
            "\"user\"@example.com",
            "\"us er\"@example.com",
            "user\\@example.com",
            "user(comment)@example.com",
            "User <user@example.com>",
            "user@example.com,other@example.com",
            "user@example.com;other@example.com",
            "mailto:user@example.com",
            ".user@example.com",
            "user.@example.com",
            "us..er@example.com",
            "user@.example.com",
            "user@example.com.",
            "user@example..com",
            "user@-example.com",
            "user@example-.com",
            "user@exam_ple.com",
            "user@[192.0.2.1]",
            "user@192.0.2.1",
            "user@example.123",
            "us\u{e9}r@example.com",
            "user@b\u{fc}cher.example",
            "user@example\u{3002}com",
            "user\u{ff20}example.com",
        ] {
            assert_eq!(EmailAddress::parse(written), Err(InvalidEmailAddress), "{written:?}");
        }
        assert_eq!(EmailAddress::parse(&"a@".repeat(30_000)), Err(InvalidEmailAddress));
    }

    #[test]
    fn each_part_has_its_longest_length() {
        let local = |length: usize| format!("{}@example.com", "a".repeat(length));
        assert!(EmailAddress::parse(&local(64)).is_ok());
        assert!(EmailAddress::parse(&local(65)).is_err());
        let label = |length: usize| format!("user@{}.com", "a".repeat(length));
        assert!(EmailAddress::parse(&label(63)).is_ok());
        assert!(EmailAddress::parse(&label(64)).is_err());
        for total in 240..270 {
            // Labels of one character, and one of two where the total is odd.
            let mut address = format!("user@{}com", "a.".repeat((total - 8) / 2));
            if address.len() < total {
                address = address.replacen('@', "@a", 1);
            }
            assert_eq!(address.len(), total);
            assert_eq!(EmailAddress::parse(&address).is_ok(), total <= 254, "{total} characters");
        }
    }

    #[test]
    fn every_ascii_byte_in_either_part_is_judged() {
        for byte in 0..=127_u8 {
            let character = char::from(byte);
            let in_local = EmailAddress::parse(&format!("a{character}b@example.com")).is_ok();
            assert_eq!(in_local, is_atom_byte(byte) || byte == b'.', "{byte}");
            let in_domain = EmailAddress::parse(&format!("user@a{character}b.com")).is_ok();
            assert_eq!(in_domain, byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.', "{byte}");
        }
    }

    #[test]
    fn what_is_accepted_reads_back_unchanged() {
        for written in ["User@Example.COM", "a+b@x-1.example", "x@y.zz"] {
            let address = EmailAddress::parse(written).expect("valid");
            assert_eq!(EmailAddress::parse(address.expose()), Ok(address.clone()));
            let index = EmailAddress::parse(&address.index_form()).expect("valid");
            assert_eq!(index.index_form(), address.index_form());
        }
    }

    #[test]
    fn a_mask_shows_at_most_four_characters_of_each_side() {
        for (written, masked) in [
            ("user@example.com", "****@exam*******"),
            ("dlozano.test@gmail.com", "dloz********@gmai*****"),
            ("a@b.de", "****@****"),
            ("alice@gmx.de", "a****@gm****"),
            ("somebody@example.org", "some****@exam*******"),
        ] {
            assert_eq!(EmailAddress::parse(written).expect("valid").masked(), masked);
        }
    }

    #[test]
    fn debug_prints_the_mask_only() {
        let address = EmailAddress::parse("user@example.com").expect("valid");
        assert_eq!(format!("{address:?}"), "EmailAddress(****@exam*******)");
    }
}
