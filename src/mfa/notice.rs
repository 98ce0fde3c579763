//! What a person is told about their authenticators by another channel than the one that it is about (NIST SP 800-63B,
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
}

impl Notice {
    /// The names of all of them.
    pub const NAMES: [&'static str; 4] =
        ["authenticator_added", "authenticator_removed", "recovery_code_used", "guesses_locked"];

    /// What templates, rows and the webhook call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticatorAdded(_) => "authenticator_added",
            Self::AuthenticatorRemoved(_) => "authenticator_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::GuessesLocked => "guesses_locked",
        }
    }

    /// The authenticator that it is about.
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::AuthenticatorAdded(kind) | Self::AuthenticatorRemoved(kind) => Some(kind),
            Self::RecoveryCodeUsed | Self::GuessesLocked => None,
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
                assert!(notice.kind().is_none_or(|own| own == kind));
            }
        }
        assert_eq!(Notice::parse("authenticator_added", None), None);
        assert_eq!(Notice::parse("code", None), None);
    }
}
