//! What a person is told of what happens to their account, by another channel than the one that it is about (NIST SP 800-63B,
//! section 6.1.2.1).

use super::factor::{Kind, MessageLimit};

/// How many notices a user, and a number or address, may be sent: enough to hear of everything that a person does, and
/// too few to earn on.
pub const LIMIT: MessageLimit = MessageLimit { burst: 20, per_hour: 1 };

/// Something that the owner of an account should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// An authenticator was confirmed.
    AuthenticatorAdded(Kind),
    /// An authenticator was removed.
    AuthenticatorRemoved(Kind),
    /// The recovery code was used.
    RecoveryCodeUsed,
    /// So many wrong codes were entered that no more are taken for a while.
    GuessesLocked,
    /// Wrong codes keep coming, too slowly to be locked out.
    GuessingSuspected,
    /// So many codes in a row were wrong that an authenticator takes no more.
    AuthenticatorDisabled(Kind),
}

impl Notice {
    /// The names of all of them.
    pub const NAMES: [&'static str; 6] = [
        "authenticator_added",
        "authenticator_removed",
        "recovery_code_used",
        "guesses_locked",
        "guessing_suspected",
        "authenticator_disabled",
    ];

    /// What the owner is told when an authenticator's wrong codes in a row have become `failures`: at each twentieth that
    /// somebody guesses, however slowly; at the hundredth that it is disabled (NIST SP 800-63B, section 5.2.2). Only a
    /// guess that makes the count exactly this tells it, so that of any number at once one does.
    #[must_use]
    pub const fn of_failures(kind: Kind, failures: i64) -> Option<Self> {
        match failures {
            20 | 40 | 60 | 80 => Some(Self::GuessingSuspected),
            100 => Some(Self::AuthenticatorDisabled(kind)),
            _ => None,
        }
    }

    /// What templates, rows and the webhook call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticatorAdded(_) => "authenticator_added",
            Self::AuthenticatorRemoved(_) => "authenticator_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::GuessesLocked => "guesses_locked",
            Self::GuessingSuspected => "guessing_suspected",
            Self::AuthenticatorDisabled(_) => "authenticator_disabled",
        }
    }

    /// The authenticator that it is about.
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::AuthenticatorAdded(kind)
            | Self::AuthenticatorRemoved(kind)
            | Self::AuthenticatorDisabled(kind) => Some(kind),
            Self::RecoveryCodeUsed | Self::GuessesLocked | Self::GuessingSuspected => None,
        }
    }

    /// The notice called `name`, about an authenticator of `kind` if it is about one.
    #[must_use]
    pub fn parse(name: &str, kind: Option<Kind>) -> Option<Self> {
        match (name, kind) {
            ("authenticator_added", Some(kind)) => Some(Self::AuthenticatorAdded(kind)),
            ("authenticator_removed", Some(kind)) => Some(Self::AuthenticatorRemoved(kind)),
            ("recovery_code_used", _) => Some(Self::RecoveryCodeUsed),
            ("guesses_locked", _) => Some(Self::GuessesLocked),
            ("guessing_suspected", _) => Some(Self::GuessingSuspected),
            ("authenticator_disabled", Some(kind)) => Some(Self::AuthenticatorDisabled(kind)),
            _ => None,
        }
    }
}

/// `NOTICES`: by which channels notices go, mail first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeChannels {
    /// By mail, to the address that the issuer has verified and to authenticators for mail.
    pub email: bool,
    /// By text message, where no mail is sure to reach the person.
    pub sms: bool,
}

impl NoticeChannels {
    /// Reads the variable; without it, by both.
    ///
    /// # Errors
    /// A sentence of which the variable is the subject.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text.map(str::trim) {
            None | Some("email sms") => Ok(Self { email: true, sms: true }),
            Some("email") => Ok(Self { email: true, sms: false }),
            Some("off") => Ok(Self { email: false, sms: false }),
            Some(_) => Err(r#"must be "email sms", "email" or "off"."#.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notice_is_read_by_its_name() {
        for name in Notice::NAMES {
            for kind in Kind::ALL {
                let notice = Notice::parse(name, Some(kind)).unwrap();
                assert_eq!(notice.as_str(), name);
                assert_eq!(notice.kind(), name.starts_with("authenticator").then_some(kind));
            }
        }
        assert_eq!(Notice::parse("authenticator_added", None), None);
        assert_eq!(Notice::parse("authenticator_disabled", None), None);
        assert_eq!(Notice::parse("code", None), None);
    }

    #[test]
    fn every_twentieth_failure_is_told_and_the_hundredth_as_the_end() {
        for failures in -1..=201 {
            let expected = match failures {
                100 => Some(Notice::AuthenticatorDisabled(Kind::Sms)),
                1..100 if failures % 20 == 0 => Some(Notice::GuessingSuspected),
                _ => None,
            };
            assert_eq!(Notice::of_failures(Kind::Sms, failures), expected, "{failures}");
        }
    }
}
