//! Which authenticator a login is challenged with.

use super::factor::{AuthenticatorId, Kind};

/// What a challenge request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeRequest<'a> {
    /// Whether `challenge_type` allows one-time passwords of an app.
    pub otp: bool,
    /// Whether it allows codes by message.
    pub oob: bool,
    /// `authenticator_id`.
    pub authenticator: Option<&'a str>,
}

impl<'a> ChallengeRequest<'a> {
    /// Reads `challenge_type`, a list separated by spaces, in any case; absent means all. What is unknown is passed
    /// over, so that a client may name types of the future beside those of today.
    #[must_use]
    pub fn new(challenge_type: Option<&str>, authenticator: Option<&'a str>) -> Self {
        let names = |wanted: &str| {
            challenge_type.is_none_or(|types| {
                types.split_ascii_whitespace().any(|own| own.eq_ignore_ascii_case(wanted))
            })
        };
        Self { otp: names("otp"), oob: names("oob"), authenticator }
    }

    const fn allows(&self, kind: Kind) -> bool {
        match kind {
            Kind::Totp => self.otp,
            Kind::Sms | Kind::Voice | Kind::Email => self.oob,
        }
    }
}

/// Why nobody can be challenged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The user has no active authenticator, not even a disabled one.
    NoAuthenticator,
    /// The one that was named is not among the active ones.
    UnknownAuthenticator,
    /// None of the types that were asked for would do; carries those that would.
    UnsupportedType {
        /// Whether `otp` would do.
        otp: bool,
        /// Whether `oob` would do.
        oob: bool,
    },
}

/// Picks one of the `active` authenticators, which stand in the order of their last use: the one that is named, else
/// the first of the types asked for, independent ones before e-mail. A phone number is reached by SMS and by voice,
/// where both are available; the id that is picked says which.
///
/// Whoever has none but those that wrong codes have disabled is `enrolled` all the same: a client that heard otherwise
/// would have them enroll, hear that they are enrolled, and begin again.
pub fn select(
    active: &[AuthenticatorId],
    enrolled: bool,
    asked: &ChallengeRequest<'_>,
    is_available: impl Fn(Kind) -> bool,
) -> Result<AuthenticatorId, Refused> {
    if active.is_empty() && !enrolled {
        return Err(Refused::NoAuthenticator);
    }
    let mut reachable: Vec<AuthenticatorId> =
        active.iter().flat_map(|id| [Some(id.clone()), id.twin()]).flatten().collect();
    if let Some(named) = asked.authenticator {
        reachable.retain(|id| id.as_str() == named);
        if reachable.is_empty() {
            return Err(Refused::UnknownAuthenticator);
        }
    }
    reachable.retain(|id| is_available(id.kind()));
    let first = |independent: bool| {
        reachable.iter().find(|id| asked.allows(id.kind()) && id.kind().is_independent() == independent)
    };
    first(true).or_else(|| first(false)).cloned().ok_or_else(|| Refused::UnsupportedType {
        otp: reachable.iter().any(|id| id.kind() == Kind::Totp),
        oob: reachable.iter().any(|id| id.kind() != Kind::Totp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: Kind, number: u8) -> AuthenticatorId {
        AuthenticatorId::generate(kind, [number; 32])
    }

    const ANY: ChallengeRequest<'static> = ChallengeRequest { otp: true, oob: true, authenticator: None };

    #[test]
    fn the_challenge_types_are_a_list_in_any_case_and_absent_means_all() {
        for (text, otp, oob) in [
            (None, true, true),
            (Some("otp"), true, false),
            (Some("OOB"), false, true),
            (Some("oob otp"), true, true),
            (Some("oob push"), false, true),
            (Some("push"), false, false),
        ] {
            assert_eq!(
                ChallengeRequest::new(text, None),
                ChallengeRequest { otp, oob, authenticator: None },
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_one_used_last_is_taken_and_email_only_after_the_others() {
        let (totp, sms, email) = (id(Kind::Totp, 1), id(Kind::Sms, 2), id(Kind::Email, 3));
        let all = [email.clone(), sms.clone(), totp.clone()];
        assert_eq!(select(&all, false, &ANY, |_| true), Ok(sms.clone()));
        assert_eq!(select(&all, false, &ChallengeRequest { oob: false, ..ANY }, |_| true), Ok(totp));
        assert_eq!(select(std::slice::from_ref(&email), false, &ANY, |_| true), Ok(email.clone()));
    }

    #[test]
    fn a_named_one_is_taken_if_its_type_is_asked_for() {
        let (totp, sms) = (id(Kind::Totp, 1), id(Kind::Sms, 2));
        let both = [sms.clone(), totp.clone()];
        let named = |id: &'static str| ChallengeRequest { authenticator: Some(id), ..ANY };
        let totp_name: &'static str = Box::leak(totp.as_str().to_owned().into_boxed_str());
        assert_eq!(select(&both, false, &named(totp_name), |_| true), Ok(totp));
        assert_eq!(
            select(&both, false, &ChallengeRequest { otp: false, ..named(totp_name) }, |_| true),
            Err(Refused::UnsupportedType { otp: true, oob: false })
        );
        assert_eq!(
            select(&both, false, &named("totp|dev_unknown000000000"), |_| true),
            Err(Refused::UnknownAuthenticator)
        );
    }

    #[test]
    fn a_number_is_reached_by_the_channel_that_is_available() {
        let sms = id(Kind::Sms, 2);
        let voice = sms.twin().unwrap();
        assert_eq!(
            select(std::slice::from_ref(&sms), false, &ANY, |kind| kind != Kind::Sms),
            Ok(voice.clone())
        );
        let named: &'static str = Box::leak(voice.as_str().to_owned().into_boxed_str());
        let asked = ChallengeRequest { authenticator: Some(named), ..ANY };
        assert_eq!(select(std::slice::from_ref(&sms), false, &asked, |_| true), Ok(voice));
        assert_eq!(
            select(&[sms], false, &asked, |kind| kind != Kind::Voice),
            Err(Refused::UnsupportedType { otp: false, oob: false })
        );
    }

    #[test]
    fn nobody_without_an_authenticator_is_challenged() {
        assert_eq!(select(&[], false, &ANY, |_| true), Err(Refused::NoAuthenticator));
        // Those that there are have been disabled.
        assert_eq!(
            select(&[], true, &ANY, |_| true),
            Err(Refused::UnsupportedType { otp: false, oob: false })
        );
        assert_eq!(
            select(&[], true, &ChallengeRequest { authenticator: Some("totp|dev_a"), ..ANY }, |_| true),
            Err(Refused::UnknownAuthenticator)
        );
    }
}
