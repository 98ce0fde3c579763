//! The acts that are told of, and what they are called here and by Auth0.

/// Something that somebody did, or was kept from doing, and that whoever watches over accounts wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// An authenticator is pending; its first code will confirm it.
    EnrollmentBegun,
    /// A rule stood against an enrollment.
    EnrollmentRefused,
    /// The first code of an enrollment has come back.
    AuthenticatorConfirmed,
    /// A code is on its way to an active authenticator.
    ChallengeSent,
    /// The client was told to ask for an app's code.
    ChallengeAsked,
    /// A rule stood against a challenge.
    ChallengeRefused,
    /// A code of an active authenticator was right.
    CodeAccepted,
    /// A code was wrong, or had been used.
    CodeWrong,
    /// A code was typed in too late.
    CodeExpired,
    /// A code was not looked at: no guess is left.
    GuessesLocked,
    /// Wrong codes of an authenticator keep coming.
    GuessingSuspected,
    /// So many codes of an authenticator in a row were wrong that it takes no more.
    AuthenticatorDisabled,
    /// The recovery code was right; there is a new one now.
    RecoveryCodeUsed,
    /// A recovery code was wrong.
    RecoveryCodeWrong,
    /// A recovery code was not looked at: no guess is left.
    RecoveryGuessesLocked,
    /// An authenticator is gone.
    AuthenticatorRemoved,
    /// A rule stood against a removal.
    RemovalRefused,
    /// Tokens were signed and handed out.
    TokensIssued,
    /// A rule stood against an exchange, other than a code.
    TokensRefused,
    /// A login was told to prove a further factor.
    MfaRequired,
    /// A client is unknown, or did not prove that it is that client.
    ClientRefused,
    /// A token would not do.
    BearerRefused,
    /// A proof of a key would not do.
    ProofRefused,
    /// A rule of the sending limits spoke about a message.
    MessageLimit,
    /// A provider has taken a message.
    DeliverySent,
    /// Nobody has taken a message yet; it is tried again.
    DeliveryDelayed,
    /// A message will never be sent.
    DeliveryFailed,
    /// A code died, or a notice was given up, before anybody had taken the message.
    DeliveryExpired,
    /// A key set was fetched from its source.
    KeySetFetched,
    /// The source of a key set gave none.
    KeySetUnreachable,
    /// A token could not be signed.
    SigningFailed,
    /// A request could not be served for another reason of ours.
    RequestFailed,
    /// An operator has run a command that writes to the database.
    OperatorActed,
    /// Events of strangers have not gone to the queue: there were too many.
    EventsLeftOut,
}

/// What an act is called, whether it is a success, and Auth0's codes: each with the factor, the grant or the channel that
/// it stands for, or with nothing where there is one for all.
type Row = (&'static str, bool, &'static [(&'static str, &'static str)]);

/// Auth0's codes for a code that was not sent.
const UNSENT: &[(&str, &str)] = &[("sms", "gd_send_sms_failure"), ("voice", "gd_send_voice_failure")];

impl Act {
    /// All of them.
    pub const ALL: [Self; 34] = [
        Self::EnrollmentBegun,
        Self::EnrollmentRefused,
        Self::AuthenticatorConfirmed,
        Self::ChallengeSent,
        Self::ChallengeAsked,
        Self::ChallengeRefused,
        Self::CodeAccepted,
        Self::CodeWrong,
        Self::CodeExpired,
        Self::GuessesLocked,
        Self::GuessingSuspected,
        Self::AuthenticatorDisabled,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodeWrong,
        Self::RecoveryGuessesLocked,
        Self::AuthenticatorRemoved,
        Self::RemovalRefused,
        Self::TokensIssued,
        Self::TokensRefused,
        Self::MfaRequired,
        Self::ClientRefused,
        Self::BearerRefused,
        Self::ProofRefused,
        Self::MessageLimit,
        Self::DeliverySent,
        Self::DeliveryDelayed,
        Self::DeliveryFailed,
        Self::DeliveryExpired,
        Self::KeySetFetched,
        Self::KeySetUnreachable,
        Self::SigningFailed,
        Self::RequestFailed,
        Self::OperatorActed,
        Self::EventsLeftOut,
    ];

    /// What events call it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// `success` or `failure`.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        if self.row().1 { "success" } else { "failure" }
    }

    /// The codes that Auth0's tenant logs have for it, each with what it stands for.
    #[must_use]
    pub const fn auth0_codes(self) -> &'static [(&'static str, &'static str)] {
        self.row().2
    }

    /// The one of [`Self::auth0_codes`] for an event with this factor and this grant.
    #[must_use]
    pub fn auth0_code(self, factor: Option<&str>, grant: Option<&str>) -> Option<&'static str> {
        let fits = |of: &str| of.is_empty() || Some(of) == factor || Some(of) == grant;
        self.auth0_codes().iter().find(|(of, _)| fits(of)).map(|(_, code)| *code)
    }

    /// Auth0's codes are those of "Log Event Type Codes"
    /// (<https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes>).
    const fn row(self) -> Row {
        match self {
            Self::EnrollmentBegun => ("enrollment_begun", true, &[("", "gd_start_enroll")]),
            Self::EnrollmentRefused => ("enrollment_refused", false, &[("", "gd_start_enroll_failed")]),
            Self::AuthenticatorConfirmed => {
                ("authenticator_confirmed", true, &[("", "gd_enrollment_complete")])
            }
            Self::ChallengeSent => ("challenge_sent", true, &[("", "gd_start_auth")]),
            Self::ChallengeAsked => ("challenge_asked", true, &[("", "gd_start_auth")]),
            Self::ChallengeRefused => ("challenge_refused", false, &[]),
            Self::CodeAccepted => ("code_accepted", true, &[("", "gd_auth_succeed")]),
            Self::CodeWrong => ("code_wrong", false, &[("", "gd_auth_failed")]),
            Self::CodeExpired => ("code_expired", false, &[("", "gd_auth_failed")]),
            Self::GuessesLocked => ("guesses_locked", false, &[("", "gd_otp_rate_limit_exceed")]),
            Self::GuessingSuspected => ("guessing_suspected", false, &[]),
            Self::AuthenticatorDisabled => ("authenticator_disabled", false, &[]),
            Self::RecoveryCodeUsed => ("recovery_code_used", true, &[("", "gd_recovery_succeed")]),
            Self::RecoveryCodeWrong => ("recovery_code_wrong", false, &[("", "gd_recovery_failed")]),
            Self::RecoveryGuessesLocked => {
                ("recovery_guesses_locked", false, &[("", "gd_recovery_rate_limit_exceed")])
            }
            Self::AuthenticatorRemoved => ("authenticator_removed", true, &[("", "gd_unenroll")]),
            Self::RemovalRefused => ("removal_refused", false, &[]),
            Self::TokensIssued => (
                "tokens_issued",
                true,
                &[
                    ("mfa-otp", "seotpft"),
                    ("mfa-oob", "seoobft"),
                    ("mfa-recovery-code", "sercft"),
                    ("token-exchange", "secte"),
                ],
            ),
            Self::TokensRefused => (
                "tokens_refused",
                false,
                &[
                    ("mfa-otp", "feotpft"),
                    ("mfa-oob", "feoobft"),
                    ("mfa-recovery-code", "fercft"),
                    ("token-exchange", "fecte"),
                ],
            ),
            Self::MfaRequired => ("mfa_required", true, &[("", "mfar")]),
            Self::ClientRefused => ("client_refused", false, &[]),
            Self::BearerRefused => ("bearer_refused", false, &[]),
            Self::ProofRefused => ("proof_refused", false, &[]),
            Self::MessageLimit => ("message_limit", false, &[]),
            Self::DeliverySent => (
                "delivery_sent",
                true,
                &[("sms", "gd_send_sms"), ("voice", "gd_send_voice"), ("email", "gd_send_email")],
            ),
            Self::DeliveryDelayed => ("delivery_delayed", false, &[]),
            Self::DeliveryFailed => ("delivery_failed", false, UNSENT),
            Self::DeliveryExpired => ("delivery_expired", false, UNSENT),
            Self::KeySetFetched => ("key_set_fetched", true, &[]),
            Self::KeySetUnreachable => ("key_set_unreachable", false, &[]),
            Self::SigningFailed => ("signing_failed", false, &[]),
            Self::RequestFailed => ("request_failed", false, &[]),
            Self::OperatorActed => ("operator_acted", true, &[]),
            Self::EventsLeftOut => ("events_left_out", false, &[]),
        }
    }
}
