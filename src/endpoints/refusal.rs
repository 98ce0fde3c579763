//! From a refusal, as the client is told it, to the act that the event of it tells.

use crate::audit::{Act, Event};
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::mfa::policy::RECOVERY_CODE;
use crate::routes;

/// The event of a refusal. `None` of what is no act: requests that nobody could have meant, and a demand for a nonce.
pub fn event<'a>(request: &'a Request, error: &WireError) -> Option<Event<'a>> {
    let (act, reason) = told(routes::endpoint(&request.path), error)?;
    let act = match act {
        Act::GuessesLocked if request.involved.is_of(RECOVERY_CODE) => Act::RecoveryGuessesLocked,
        act => act,
    };
    Some(Event::refused(request, act, reason))
}

/// Which act it is, and the reason that stands in its event unless a more exact one was found.
fn told(endpoint: &str, error: &WireError) -> Option<(Act, &'static str)> {
    Some(match error {
        WireError::UnknownPath
        | WireError::MethodNotAllowed(_)
        | WireError::PayloadTooLarge
        | WireError::UnsupportedMediaType(_)
        | WireError::MisdirectedRequest(_)
        | WireError::UnreadableBody
        | WireError::NotUtf8
        | WireError::NotAJsonObject
        | WireError::DuplicateParameter(_)
        | WireError::MissingParameter(_)
        | WireError::NotAString(_)
        | WireError::NotStrings(_)
        | WireError::NotABoolean(_)
        | WireError::TooLong(_)
        | WireError::UnknownAuthenticatorType
        | WireError::UnknownOobChannel
        | WireError::InvalidIdempotencyKey
        | WireError::IdempotencyKeyReused
        | WireError::UnsupportedGrantType
        | WireError::UnsupportedTokenType
        | WireError::ActorToken
        | WireError::UseDpopNonce { .. } => return None,

        WireError::InvalidBearer => (Act::BearerRefused, "invalid"),
        WireError::ExpiredMfaToken => (Act::BearerRefused, "expired"),
        WireError::MalformedMfaToken => (Act::BearerRefused, "other_kind"),
        WireError::SpentMfaToken => (Act::BearerRefused, "spent"),
        WireError::InvalidSubjectToken => (Act::BearerRefused, "subject_token"),
        WireError::OtherClient => (Act::BearerRefused, "other_client"),
        WireError::InsufficientScope(_) => (Act::BearerRefused, "insufficient_scope"),
        WireError::InvalidDpopProof { .. } => (Act::ProofRefused, "invalid"),
        WireError::Unauthorized { .. } => (Act::ClientRefused, "unauthorized"),

        WireError::InvalidOtp | WireError::InvalidBindingCode => (Act::CodeWrong, "wrong"),
        WireError::ExpiredOobCode => (Act::CodeExpired, "expired"),
        WireError::InvalidRecoveryCode => (Act::RecoveryCodeWrong, "wrong"),
        WireError::TooManyFailedCodes(_) => (Act::GuessesLocked, "user"),
        WireError::TooManyTries { .. } => (Act::GuessesLocked, "code"),
        WireError::MfaRequired { .. } => (Act::MfaRequired, "policy"),

        WireError::MalformedOobCode => (refused_at(endpoint)?, "malformed_oob_code"),
        WireError::OobCodeOfAnotherTransaction => (refused_at(endpoint)?, "oob_code_of_another"),
        WireError::UnauthorizedClient(_) => (refused_at(endpoint)?, "grant_not_allowed"),
        WireError::InvalidTarget => (refused_at(endpoint)?, "audience_not_registered"),
        WireError::NotEnabled(_) => (refused_at(endpoint)?, "factor_not_enabled"),
        WireError::InvalidPhoneNumber => (refused_at(endpoint)?, "phone_number"),
        WireError::RegionNotEnabled => (refused_at(endpoint)?, "region_not_enabled"),
        WireError::InvalidEmailAddress => (refused_at(endpoint)?, "email_address"),
        WireError::AlreadyEnrolled => (refused_at(endpoint)?, "already_enrolled"),
        WireError::TooManyAuthenticators => (refused_at(endpoint)?, "too_many_authenticators"),
        WireError::ProofRequired => (refused_at(endpoint)?, "proof_required"),
        WireError::AssociationRequired => (refused_at(endpoint)?, "no_authenticator"),
        WireError::UnknownAuthenticator | WireError::NoSuchAuthenticator => {
            (refused_at(endpoint)?, "unknown_authenticator")
        }
        WireError::UnsupportedChallengeType { .. } => (refused_at(endpoint)?, "challenge_type"),
        WireError::RecoveryCodeStays => (refused_at(endpoint)?, "recovery_code"),
        WireError::TooManyRequests(_) => (refused_at(endpoint)?, "too_many_requests"),
        WireError::TooManyMessages(..) => (refused_at(endpoint)?, "too_many_messages"),

        WireError::NotConfigured => (Act::RequestFailed, "not_configured"),
        WireError::Unavailable | WireError::KeysUnavailable { .. } => (Act::RequestFailed, "unavailable"),
        WireError::Unexpected => (Act::RequestFailed, "unexpected"),
    })
}

/// What a rule of MFA stands against at an endpoint.
fn refused_at(endpoint: &str) -> Option<Act> {
    match endpoint {
        "/mfa/associate" => Some(Act::EnrollmentRefused),
        "/mfa/challenge" => Some(Act::ChallengeRefused),
        "/mfa/authenticators/{id}" => Some(Act::RemovalRefused),
        "/oauth/token" => Some(Act::TokensRefused),
        _ => None,
    }
}
