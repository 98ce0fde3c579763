//! Adding an authenticator: what is asked for, and whether it may be.
//!
//! ```text
//!              associate                       first good code
//!   (none) ───────────────► enrollment ─────────────────────────► authenticator ──► gone
//!                              │   pending: 24 hours, or            (active)
//!                              │   5 minutes when a code was sent
//!                              ├─► expired, swept
//!                              ├─► replaced by the user's eleventh
//!                              └─► void: the first independent factor was confirmed
//! ```

use super::email_address::EmailAddress;
use super::factor::{Factors, Kind};
use super::phone_number::PhoneNumber;
use super::region::{Allowed, Closed};
use crate::types::UnixSeconds;

/// Seconds that an authenticator app may stay unconfirmed.
pub const TOTP_ENROLLMENT_SECONDS: i64 = 24 * 60 * 60;
/// Seconds that a code sent by message is good for, and its enrollment with it.
pub const CODE_SECONDS: i64 = 5 * 60;
/// Active authenticators that a user may have; the statements carry the same figure.
pub const MAXIMUM_AUTHENTICATORS: i64 = 20;

/// What the body of an associate request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentRequest<'a> {
    /// `authenticator_types`, at least one.
    pub authenticator_types: Vec<&'a str>,
    /// `oob_channels`.
    pub oob_channels: Vec<&'a str>,
    /// `phone_number`.
    pub phone_number: Option<&'a str>,
    /// `email`, else the token's verified one.
    pub email: Option<&'a str>,
}

/// What is to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// An authenticator app.
    Totp,
    /// Text messages to this number.
    Sms(PhoneNumber),
    /// Calls to this number.
    Voice(PhoneNumber),
    /// Mail to this address.
    Email(EmailAddress),
}

/// Why a body asks for nothing that can be enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A type other than `otp` and `oob`.
    UnknownType,
    /// A channel other than `sms`, `voice`, `email` and `auth0`.
    UnknownChannel,
    /// `oob` without a channel.
    ChannelsMissing,
    /// This factor is switched off or has no provider.
    NotEnabled(&'static str),
    /// The channel needs a `phone_number`.
    PhoneNumberMissing,
    /// It is none.
    PhoneNumberInvalid,
    /// Nothing is sent to the number's country.
    RegionNotEnabled,
    /// The channel needs an `email`, and the token has no verified one.
    EmailMissing,
    /// It is none.
    EmailInvalid,
}

/// Picks the first type, and of `oob` the first channel, that is switched on and for which the data is there. Where
/// none fits, what is wrong with the first is said.
pub fn choose(asked: &EnrollmentRequest<'_>, available: &Available) -> Result<Wanted, Rejection> {
    if asked.authenticator_types.iter().any(|kind| !matches!(*kind, "otp" | "oob")) {
        return Err(Rejection::UnknownType);
    }
    first_usable(asked.authenticator_types.iter().map(|kind| match *kind {
        "otp" if available.to_enroll(Kind::Totp) => Ok(Wanted::Totp),
        "otp" => Err(Rejection::NotEnabled("otp")),
        _ => choose_channel(asked, available),
    }))
    .unwrap_or(Err(Rejection::UnknownType))
}

/// What this deployment can do.
#[derive(Debug, Clone)]
pub struct Available {
    /// The operator's switches.
    pub factors: Factors,
    /// Whether somebody carries SMS, calls and e-mail.
    pub carried: [bool; 3],
}

impl Available {
    /// Whether authenticators of this kind can be used: they are switched on, and somebody could deliver their codes.
    #[must_use]
    pub fn kind(&self, kind: Kind) -> bool {
        let [sms, voice, email] = self.carried;
        self.factors.is_on(kind)
            && match kind {
                Kind::Totp => true,
                Kind::Sms => sms,
                Kind::Voice => voice,
                Kind::Email => email,
            }
    }

    /// Whether authenticators of this kind can be added.
    #[must_use]
    pub fn to_enroll(&self, kind: Kind) -> bool {
        self.kind(kind) && !self.factors.closed.contains(&kind)
    }
}

fn choose_channel(asked: &EnrollmentRequest<'_>, available: &Available) -> Result<Wanted, Rejection> {
    if asked.oob_channels.iter().any(|channel| !matches!(*channel, "sms" | "voice" | "email" | "auth0")) {
        return Err(Rejection::UnknownChannel);
    }
    first_usable(asked.oob_channels.iter().map(|channel| match *channel {
        "sms" if available.to_enroll(Kind::Sms) => {
            phone_number(asked, &available.factors.sms_regions).map(Wanted::Sms)
        }
        "voice" if available.to_enroll(Kind::Voice) => {
            phone_number(asked, &available.factors.voice_regions).map(Wanted::Voice)
        }
        "email" if available.to_enroll(Kind::Email) => email(asked).map(Wanted::Email),
        "sms" => Err(Rejection::NotEnabled("sms")),
        "voice" => Err(Rejection::NotEnabled("voice")),
        "email" => Err(Rejection::NotEnabled("email")),
        _ => Err(Rejection::NotEnabled("auth0")),
    }))
    .unwrap_or(Err(Rejection::ChannelsMissing))
}

/// The first success, else the first failure; `None` of nothing.
fn first_usable(
    mut choices: impl Iterator<Item = Result<Wanted, Rejection>>,
) -> Option<Result<Wanted, Rejection>> {
    let first = choices.next()?;
    Some(first.or_else(|rejection| choices.find_map(Result::ok).ok_or(rejection)))
}

fn phone_number(asked: &EnrollmentRequest<'_>, allowed: &Allowed) -> Result<PhoneNumber, Rejection> {
    let number = asked.phone_number.ok_or(Rejection::PhoneNumberMissing)?;
    let number = PhoneNumber::parse(number).map_err(|_| Rejection::PhoneNumberInvalid)?;
    match allowed.check(&number) {
        Ok(()) => Ok(number),
        Err(Closed::NoRegion) => Err(Rejection::PhoneNumberInvalid),
        Err(Closed::NotAllowed) => Err(Rejection::RegionNotEnabled),
    }
}

fn email(asked: &EnrollmentRequest<'_>) -> Result<EmailAddress, Rejection> {
    let address = asked.email.ok_or(Rejection::EmailMissing)?;
    EmailAddress::parse(address).map_err(|_| Rejection::EmailInvalid)
}

impl Wanted {
    /// The kind of authenticator that this becomes.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Totp => Kind::Totp,
            Self::Sms(_) => Kind::Sms,
            Self::Voice(_) => Kind::Voice,
            Self::Email(_) => Kind::Email,
        }
    }

    /// Seconds until the enrollment must be confirmed.
    #[must_use]
    pub const fn lifetime(&self) -> i64 {
        match self {
            Self::Totp => TOTP_ENROLLMENT_SECONDS,
            Self::Sms(_) | Self::Voice(_) | Self::Email(_) => CODE_SECONDS,
        }
    }
}

/// What the bearer of an associate request can say for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Whether it proves that a second factor was used. An mfa_token never does, but for one that asks for a further.
    pub proof_of_mfa: bool,
    /// When it was issued: proof from before the first activation proves nothing about it.
    pub issued_at: UnixSeconds,
    /// The factor types that a login has used which goes on because the policy wants another. It may add one only where
    /// none is left to be used: the further factor is proved, not chosen. `None` of any other bearer.
    pub used_factors: Option<&'a [String]>,
}

impl Standing<'_> {
    /// The kinds that need no further proof. A recovery code stands for none of them.
    #[must_use]
    pub fn used_kinds(&self) -> Option<Vec<&'static str>> {
        let used = self.used_factors?;
        let is_used = |kind: &Kind| used.iter().any(|own| own == kind.factor_type());
        Some(Kind::ALL.into_iter().filter(is_used).map(Kind::as_str).collect())
    }
}

/// What the database said about an enrollment that it did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Active authenticators of the user.
    pub active: i64,
    /// When the oldest independent one was confirmed, if there is one.
    pub since: Option<UnixSeconds>,
    /// Whether a login that must go on has an independent one left to be used.
    pub has_unused: bool,
    /// Whether the client's row is still the one that was cached.
    pub client_current: bool,
    /// Whether the mfa_token has been exchanged.
    pub spent: bool,
}

/// Why the database did not take an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The client's row has changed: read it again and try once more.
    ClientChanged,
    /// The mfa_token has been exchanged.
    Spent,
    /// An independent factor is active and the bearer does not prove it, or not all that it must.
    AlreadyEnrolled,
    /// There is no room for another.
    TooManyAuthenticators,
}

/// Reads the reason out of the state, in the order in which a request is checked. `None` where it is none of these.
#[must_use]
pub fn refused(state: State, standing: Standing<'_>) -> Option<Refused> {
    if !state.client_current {
        return Some(Refused::ClientChanged);
    }
    if state.spent {
        return Some(Refused::Spent);
    }
    if let Some(since) = state.since
        && (state.has_unused || !(standing.proof_of_mfa && standing.issued_at >= since))
    {
        return Some(Refused::AlreadyEnrolled);
    }
    if state.active >= MAXIMUM_AUTHENTICATORS {
        return Some(Refused::TooManyAuthenticators);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "+49 151 23456789";

    fn asked<'a>(types: &[&'a str], channels: &[&'a str]) -> EnrollmentRequest<'a> {
        EnrollmentRequest {
            authenticator_types: types.to_vec(),
            oob_channels: channels.to_vec(),
            phone_number: Some(NUMBER),
            email: Some("ada@example.com"),
        }
    }

    fn chosen(asked: &EnrollmentRequest<'_>) -> Result<Kind, Rejection> {
        choose(asked, &Available { factors: Factors::default(), carried: [true; 3] })
            .map(|wanted| wanted.kind())
    }

    #[test]
    fn each_type_and_channel_is_taken_by_its_name() {
        assert_eq!(chosen(&asked(&["otp"], &[])), Ok(Kind::Totp));
        assert_eq!(chosen(&asked(&["oob"], &["sms"])), Ok(Kind::Sms));
        assert_eq!(chosen(&asked(&["oob"], &["voice"])), Ok(Kind::Voice));
        assert_eq!(chosen(&asked(&["oob"], &["email"])), Ok(Kind::Email));
    }

    #[test]
    fn of_several_the_first_usable_one_is_taken() {
        assert_eq!(chosen(&asked(&["otp", "oob"], &["sms"])), Ok(Kind::Totp));
        assert_eq!(chosen(&asked(&["oob", "otp"], &["sms"])), Ok(Kind::Sms));
        assert_eq!(chosen(&asked(&["oob", "otp"], &["auth0"])), Ok(Kind::Totp));
        assert_eq!(chosen(&asked(&["oob"], &["auth0", "email", "sms"])), Ok(Kind::Email));

        let without_number = EnrollmentRequest { phone_number: None, ..asked(&["oob"], &["sms", "email"]) };
        assert_eq!(chosen(&without_number), Ok(Kind::Email));
    }

    #[test]
    fn unknown_words_are_refused_even_beside_known_ones() {
        assert_eq!(chosen(&asked(&["otp", "webauthn"], &[])), Err(Rejection::UnknownType));
        assert_eq!(chosen(&asked(&["OTP"], &[])), Err(Rejection::UnknownType));
        assert_eq!(chosen(&asked(&["oob"], &["sms", "fax"])), Err(Rejection::UnknownChannel));
        assert_eq!(chosen(&asked(&["oob"], &[])), Err(Rejection::ChannelsMissing));
        assert_eq!(chosen(&asked(&[], &[])), Err(Rejection::UnknownType));
    }

    #[test]
    fn what_a_channel_needs_is_named() {
        let number_missing = EnrollmentRequest { phone_number: None, ..asked(&["oob"], &["voice"]) };
        assert_eq!(chosen(&number_missing), Err(Rejection::PhoneNumberMissing));
        let number_invalid =
            EnrollmentRequest { phone_number: Some("0151 2345"), ..asked(&["oob"], &["sms"]) };
        assert_eq!(chosen(&number_invalid), Err(Rejection::PhoneNumberInvalid));
        let email_missing = EnrollmentRequest { email: None, ..asked(&["oob"], &["email"]) };
        assert_eq!(chosen(&email_missing), Err(Rejection::EmailMissing));
        let email_invalid = EnrollmentRequest { email: Some("ada"), ..asked(&["oob"], &["email"]) };
        assert_eq!(chosen(&email_invalid), Err(Rejection::EmailInvalid));
    }

    #[test]
    fn data_for_another_factor_is_ignored() {
        let nonsense = EnrollmentRequest {
            phone_number: Some("no number"),
            email: Some("no mail"),
            ..asked(&["otp"], &["sms"])
        };
        assert_eq!(chosen(&nonsense), Ok(Kind::Totp));
    }

    #[test]
    fn what_is_switched_off_or_cannot_be_delivered_is_not_enabled() {
        let off = Factors {
            otp: false,
            sms: None,
            voice: None,
            email: None,
            recovery_code: false,
            ..Factors::default()
        };
        for (types, channels, name) in [
            (&["otp"], &[][..], "otp"),
            (&["oob"], &["sms"], "sms"),
            (&["oob"], &["voice"], "voice"),
            (&["oob"], &["email"], "email"),
            (&["oob"], &["auth0"], "auth0"),
        ] {
            let switched_off = Available { factors: off.clone(), carried: [true; 3] };
            assert_eq!(choose(&asked(types, channels), &switched_off), Err(Rejection::NotEnabled(name)));
        }
        let no_provider = Available { factors: Factors::default(), carried: [false; 3] };
        assert_eq!(choose(&asked(&["oob"], &["sms"]), &no_provider), Err(Rejection::NotEnabled("sms")));
        assert_eq!(choose(&asked(&["otp"], &[]), &no_provider), Ok(Wanted::Totp));
    }

    #[test]
    fn only_independent_factors_wait_a_day_for_confirmation() {
        let number = PhoneNumber::parse(NUMBER).unwrap();
        assert_eq!(Wanted::Totp.lifetime(), 86_400);
        assert_eq!(Wanted::Sms(number.clone()).lifetime(), 300);
        assert_eq!(Wanted::Voice(number).lifetime(), 300);
        assert_eq!(Wanted::Email(EmailAddress::parse("ada@example.com").unwrap()).lifetime(), 300);
    }

    const NOW: UnixSeconds = UnixSeconds(10_000);
    const FREE: State =
        State { active: 0, since: None, has_unused: false, client_current: true, spent: false };
    const NO_PROOF: Standing<'_> = Standing { proof_of_mfa: false, issued_at: NOW, used_factors: None };
    const PROOF: Standing<'_> = Standing { proof_of_mfa: true, ..NO_PROOF };

    #[test]
    fn nothing_in_the_way_is_no_reason() {
        assert_eq!(refused(FREE, NO_PROOF), None);
    }

    #[test]
    fn an_active_factor_asks_for_proof_that_is_not_older() {
        let enrolled = State { active: 1, since: Some(NOW), ..FREE };
        assert_eq!(refused(enrolled, NO_PROOF), Some(Refused::AlreadyEnrolled));
        assert_eq!(refused(enrolled, PROOF), None);
        let older = Standing { issued_at: NOW.plus(-1), ..PROOF };
        assert_eq!(refused(enrolled, older), Some(Refused::AlreadyEnrolled));
    }

    #[test]
    fn a_login_that_must_go_on_may_not_choose_its_further_factor_while_one_is_left() {
        let enrolled = State { active: 2, since: Some(NOW), ..FREE };
        assert_eq!(refused(enrolled, PROOF), None);
        assert_eq!(refused(State { has_unused: true, ..enrolled }, PROOF), Some(Refused::AlreadyEnrolled));
    }

    #[test]
    fn what_is_used_covers_its_kinds_and_a_recovery_code_none() {
        let kinds = |used: &[&str]| {
            let used: Vec<_> = used.iter().map(|own| (*own).to_owned()).collect();
            Standing { used_factors: Some(&used), ..PROOF }.used_kinds().unwrap()
        };
        assert_eq!(kinds(&["otp"]), ["totp"]);
        assert_eq!(kinds(&["phone"]), ["sms", "voice"]);
        assert_eq!(kinds(&["otp", "phone"]), ["totp", "sms", "voice"]);
        assert_eq!(kinds(&["recovery-code"]), [""; 0]);
        assert_eq!(PROOF.used_kinds(), None);
    }

    #[test]
    fn email_alone_is_no_enrollment() {
        let email_only = State { active: 3, since: None, ..FREE };
        assert_eq!(refused(email_only, NO_PROOF), None);
    }

    #[test]
    fn the_first_obstacle_in_the_order_of_checks_is_named() {
        let all = State {
            active: MAXIMUM_AUTHENTICATORS,
            since: Some(NOW),
            client_current: false,
            spent: true,
            ..FREE
        };
        assert_eq!(refused(all, NO_PROOF), Some(Refused::ClientChanged));
        let all = State { client_current: true, ..all };
        assert_eq!(refused(all, NO_PROOF), Some(Refused::Spent));
        let all = State { spent: false, ..all };
        assert_eq!(refused(all, NO_PROOF), Some(Refused::AlreadyEnrolled));
        assert_eq!(refused(all, PROOF), Some(Refused::TooManyAuthenticators));
        let all = State { active: 19, ..all };
        assert_eq!(refused(all, PROOF), None);
    }
}
