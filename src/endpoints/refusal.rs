//! From a refusal, as the client is told it, to the act that the event of it tells.

use crate::audit::{Act, Event};
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::http::route::Route;
use crate::mfa::policy::RECOVERY_CODE;

/// The event of a refusal. `None` of what is no act: requests that nobody could have meant, and a demand for a nonce.
pub fn event<'a>(request: &'a Request, error: &WireError) -> Option<Event<'a>> {
    let (act, reason) = act_of(Route::of(&request.path), error)?;
    let act = match act {
        Act::GuessesLocked if request.involved.is_of(RECOVERY_CODE) => Act::RecoveryGuessesLocked,
        act => act,
    };
    Some(Event::refused(request, act, reason))
}

/// Which act it is, and the reason that stands in its event unless a more exact one was found.
fn act_of(route: Option<Route<'_>>, error: &WireError) -> Option<(Act, &'static str)> {
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

        WireError::MalformedOobCode => (refused_at(route)?, "malformed_oob_code"),
        WireError::OobCodeOfAnotherTransaction => (refused_at(route)?, "oob_code_of_another"),
        WireError::UnauthorizedClient(_) => (refused_at(route)?, "grant_not_allowed"),
        WireError::InvalidTarget => (refused_at(route)?, "audience_not_registered"),
        WireError::NotEnabled(_) => (refused_at(route)?, "factor_not_enabled"),
        WireError::InvalidPhoneNumber => (refused_at(route)?, "phone_number"),
        WireError::RegionNotEnabled => (refused_at(route)?, "region_not_enabled"),
        WireError::InvalidEmailAddress => (refused_at(route)?, "email_address"),
        WireError::AlreadyEnrolled => (refused_at(route)?, "already_enrolled"),
        WireError::TooManyAuthenticators => (refused_at(route)?, "too_many_authenticators"),
        WireError::ProofRequired => (refused_at(route)?, "proof_required"),
        WireError::AssociationRequired => (refused_at(route)?, "no_authenticator"),
        WireError::UnknownAuthenticator | WireError::NoSuchAuthenticator => {
            (refused_at(route)?, "unknown_authenticator")
        }
        WireError::UnsupportedChallengeType { .. } => (refused_at(route)?, "challenge_type"),
        WireError::RecoveryCodeStays => (refused_at(route)?, "recovery_code"),
        WireError::TooManyRequests(_) => (refused_at(route)?, "too_many_requests"),
        WireError::TooManyMessages(..) => (refused_at(route)?, "too_many_messages"),

        WireError::NotConfigured => (Act::RequestFailed, "not_configured"),
        WireError::Unavailable | WireError::KeysUnavailable { .. } => (Act::RequestFailed, "unavailable"),
        WireError::Unexpected => (Act::RequestFailed, "unexpected"),
    })
}

/// What a rule of MFA stands against at an endpoint.
fn refused_at(route: Option<Route<'_>>) -> Option<Act> {
    match route? {
        Route::Associate => Some(Act::EnrollmentRefused),
        Route::Challenge => Some(Act::ChallengeRefused),
        Route::Authenticator(_) => Some(Act::RemovalRefused),
        Route::Token => Some(Act::TokensRefused),
        Route::Authenticators | Route::KeySet | Route::Discovery => None,
    }
}
