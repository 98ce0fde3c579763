//! The one table of wire errors. Endpoints name what went wrong; status, code and text are derived here and nowhere
//! else, because clients compare them byte for byte.

use std::borrow::Cow;

use crate::algorithm::Algorithm;
use crate::json::Json;
use crate::mfa::budget::Refusal;
use crate::types::{GrantType, UnixSeconds};

/// Everything that a client can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireError {
    // The edge of HTTP.
    /// No such path.
    UnknownPath,
    /// The path exists, the verb does not. Carries the verbs that do, for `Allow`.
    MethodNotAllowed(&'static str),
    /// The body is longer than 64 KB.
    PayloadTooLarge,
    /// The `Content-Type` is not one of those named.
    UnsupportedMediaType(&'static str),
    /// The request was sent to another host than `PUBLIC_URL`'s, which it carries.
    MisdirectedRequest(String),

    // The body.
    /// The connection broke while the body was read.
    UnreadableBody,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not a JSON object.
    NotAJsonObject,
    /// A parameter was given twice.
    DuplicateParameter(String),
    /// A required parameter is absent or empty.
    MissingParameter(&'static str),
    /// A parameter is not a string.
    NotAString(&'static str),
    /// A parameter is neither an array of strings nor a lone string.
    NotStrings(&'static str),
    /// A parameter is not a boolean.
    NotABoolean(&'static str),
    /// A parameter is longer than anything that makes sense.
    TooLong(&'static str),
    /// `authenticator_types` names something unknown.
    UnknownAuthenticatorType,
    /// `oob_channels` names something unknown.
    UnknownOobChannel,
    /// The factor or channel is not switched on, or has no provider.
    NotEnabled(&'static str),
    /// `Idempotency-Key` is no key.
    InvalidIdempotencyKey,
    /// The `Idempotency-Key` belongs to a request that asked something else.
    IdempotencyKeyReused,
    /// `phone_number` is not a phone number.
    InvalidPhoneNumber,
    /// Nothing is sent to the number's country.
    RegionNotEnabled,
    /// `email` is not an e-mail address.
    InvalidEmailAddress,

    // Tokens.
    /// Missing, malformed, untrusted or spent bearer at `/mfa/*`.
    InvalidBearer,
    /// The mfa_token was good once.
    ExpiredMfaToken,
    /// Not an mfa_token, at `/oauth/token`.
    MalformedMfaToken,
    /// The mfa_token has been exchanged before.
    SpentMfaToken,
    /// Not an oob_code of this service.
    MalformedOobCode,
    /// The oob_code was good once.
    ExpiredOobCode,
    /// The oob_code belongs to another user or login.
    OobCodeOfAnotherTransaction,
    /// The body names another client than the token does.
    OtherClient,
    /// The access token lacks the scope.
    InsufficientScope(&'static str),
    /// The DPoP proof is good, but its nonce is missing or stale. `challenge` is set at `/mfa/*`.
    UseDpopNonce {
        /// Whether to send `WWW-Authenticate: DPoP`.
        challenge: bool,
    },
    /// The DPoP proof is not good, or is missing, or is not by the key that the token is bound to. `challenge` as above.
    InvalidDpopProof {
        /// Whether to send `WWW-Authenticate: DPoP`.
        challenge: bool,
    },

    // Clients.
    /// Unknown client, or wrong credentials. `challenge` is set when the client used HTTP Basic: only then may
    /// `WWW-Authenticate` be sent, since OAuth clients stop reading the body where they find it.
    Unauthorized {
        /// Whether to send `WWW-Authenticate: Basic`.
        challenge: bool,
    },
    /// `grant_type` is none of ours.
    UnsupportedGrantType,
    /// The client may not use this grant.
    UnauthorizedClient(GrantType),
    /// `subject_token_type` or `requested_token_type` is none of ours.
    UnsupportedTokenType,
    /// The subject token is not good for an exchange.
    InvalidSubjectToken,
    /// An actor token came along.
    ActorToken,
    /// No audience, or one that is not registered for the client.
    InvalidTarget,

    // Rules of MFA.
    /// An independent factor is active and the bearer does not prove it.
    AlreadyEnrolled,
    /// Twenty authenticators are active.
    TooManyAuthenticators,
    /// The bearer must prove a second factor that is active.
    ProofRequired,
    /// Nothing is active that could be challenged.
    AssociationRequired,
    /// The authenticator that is to be challenged is not among the user's active ones.
    UnknownAuthenticator,
    /// None of the challenge types that were asked for would do; carries those that would.
    UnsupportedChallengeType {
        /// Whether `otp` would do.
        otp: bool,
        /// Whether `oob` would do.
        oob: bool,
    },
    /// The authenticator that is to be removed is none of the user's.
    NoSuchAuthenticator,
    /// Recovery codes are replaced by use, not removed.
    RecoveryCodeStays,
    /// The login goes on: another factor has to be proved. Carries the token by which it does, and which factors the
    /// person has or can enroll.
    MfaRequired {
        /// `mfa_token`.
        mfa_token: String,
        /// `mfa_requirements`.
        requirements: Json<'static>,
        /// The next recovery code, where one was used on the way.
        recovery_code: Option<String>,
    },
    /// Wrong, reused or outdated one-time password.
    InvalidOtp,
    /// Wrong code of a text message, call or mail.
    InvalidBindingCode,
    /// Wrong recovery code.
    InvalidRecoveryCode,
    /// Too many requests came from one address.
    TooManyRequests(Refusal),
    /// The user's messages on this channel are used up.
    TooManyMessages(MessageKind, Refusal),
    /// The user's guesses are used up.
    TooManyFailedCodes(Refusal),
    /// All tries of this one code are used up; carries when the code would have ended.
    TooManyTries {
        /// Seconds until a new code should be asked for.
        retry_after: i64,
    },

    // Ourselves.
    /// The configuration is broken; the log says how.
    NotConfigured,
    /// The database, the random source or a signing key could not be used, or what is stored changed twice under one
    /// request; the log says which.
    Unavailable,
    /// The keys of an issuer or a client could not be had, and are not asked for again at once.
    KeysUnavailable {
        /// Seconds until they are.
        retry_after: i64,
    },
    /// A bug; the log says where.
    Unexpected,
}

/// How a message is called in the error that refuses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text messages and calls, which share one budget.
    Phone,
    /// E-mail.
    Email,
}

impl WireError {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.row().0
    }

    /// The `error` member.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.row().1
    }

    const fn row(&self) -> (u16, &'static str) {
        match self {
            Self::UnreadableBody
            | Self::NotUtf8
            | Self::NotAJsonObject
            | Self::DuplicateParameter(_)
            | Self::MissingParameter(_)
            | Self::NotAString(_)
            | Self::NotStrings(_)
            | Self::NotABoolean(_)
            | Self::TooLong(_)
            | Self::UnknownAuthenticatorType
            | Self::UnknownOobChannel
            | Self::NotEnabled(_)
            | Self::InvalidIdempotencyKey
            | Self::InvalidPhoneNumber
            | Self::InvalidEmailAddress
            | Self::RegionNotEnabled
            | Self::OobCodeOfAnotherTransaction
            | Self::OtherClient
            | Self::UnsupportedTokenType
            | Self::InvalidSubjectToken
            | Self::ActorToken
            | Self::RecoveryCodeStays
            | Self::TooManyAuthenticators => (400, "invalid_request"),
            Self::UseDpopNonce { challenge } => (if *challenge { 401 } else { 400 }, "use_dpop_nonce"),
            Self::InvalidDpopProof { challenge } => {
                (if *challenge { 401 } else { 400 }, "invalid_dpop_proof")
            }
            Self::UnsupportedGrantType => (400, "unsupported_grant_type"),
            Self::InvalidTarget => (400, "invalid_target"),
            Self::AssociationRequired => (400, "association_required"),
            Self::InvalidBearer => (401, "invalid_grant"),
            Self::ExpiredMfaToken | Self::ExpiredOobCode => (401, "expired_token"),
            Self::UnsupportedChallengeType { .. } => (401, "unsupported_challenge_type"),
            Self::Unauthorized { .. } => (401, "access_denied"),
            Self::MalformedMfaToken
            | Self::SpentMfaToken
            | Self::MalformedOobCode
            | Self::InvalidOtp
            | Self::InvalidBindingCode
            | Self::InvalidRecoveryCode => (403, "invalid_grant"),
            Self::InsufficientScope(_) => (403, "insufficient_scope"),
            Self::AlreadyEnrolled | Self::ProofRequired => (403, "access_denied"),
            Self::UnauthorizedClient(_) => (403, "unauthorized_client"),
            Self::MfaRequired { .. } => (403, "mfa_required"),
            Self::UnknownPath | Self::NoSuchAuthenticator => (404, "not_found"),
            Self::UnknownAuthenticator => (404, "invalid_authenticator"),
            Self::MethodNotAllowed(_) => (405, "method_not_allowed"),
            Self::PayloadTooLarge => (413, "payload_too_large"),
            Self::UnsupportedMediaType(_) => (415, "unsupported_media_type"),
            Self::MisdirectedRequest(_) => (421, "misdirected_request"),
            Self::IdempotencyKeyReused => (422, "idempotency_key_reused"),
            Self::TooManyRequests(_)
            | Self::TooManyMessages(..)
            | Self::TooManyFailedCodes(_)
            | Self::TooManyTries { .. } => (429, "too_many_requests"),
            Self::Unexpected => (500, "server_error"),
            Self::NotConfigured | Self::Unavailable | Self::KeysUnavailable { .. } => {
                (503, "temporarily_unavailable")
            }
        }
    }

    /// The `error_description` member.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        match self {
            Self::UnknownPath => "There is nothing at this path.".into(),
            Self::MethodNotAllowed(allowed) => format!("This path answers to {allowed}.").into(),
            Self::PayloadTooLarge => "The request body is longer than 64 KB.".into(),
            Self::UnsupportedMediaType(expected) => format!("The Content-Type must be {expected}.").into(),
            Self::MisdirectedRequest(public_url) => format!("This service answers at {public_url}.").into(),
            Self::UnreadableBody => "The request body ended early.".into(),
            Self::NotUtf8 => "The request body is not valid UTF-8.".into(),
            Self::NotAJsonObject => "The request body must be a JSON object.".into(),
            Self::DuplicateParameter(name) => format!("Duplicate parameter: {name}").into(),
            Self::MissingParameter(name) => format!("Missing required parameter: {name}").into(),
            Self::NotAString(name) => format!("{name} must be a string").into(),
            Self::NotStrings(name) => format!("{name} must be an array of strings").into(),
            Self::TooLong(name) => format!("{name} is too long").into(),
            Self::NotABoolean(name) => format!("{name} must be true or false").into(),
            Self::UnknownAuthenticatorType => "authenticator_types may contain otp and oob.".into(),
            Self::UnknownOobChannel => "oob_channels may contain sms, voice, email and auth0.".into(),
            Self::NotEnabled(what) => format!("The {what} factor is not enabled.").into(),
            Self::InvalidIdempotencyKey => "Idempotency-Key must be 1 to 255 visible ASCII characters.".into(),
            Self::IdempotencyKeyReused => "This Idempotency-Key was used with other parameters.".into(),
            Self::InvalidPhoneNumber => "The phone number is invalid.".into(),
            Self::RegionNotEnabled => "Messages to this country are not enabled.".into(),
            Self::InvalidEmailAddress => "The email address is invalid.".into(),
            Self::InvalidBearer => "The mfa_token provided is invalid. Try getting a new token.".into(),
            Self::ExpiredMfaToken => "mfa_token is expired".into(),
            Self::MalformedMfaToken => "Malformed mfa_token".into(),
            Self::SpentMfaToken => "mfa_token has already been used".into(),
            Self::MalformedOobCode => "Malformed oob_code".into(),
            Self::ExpiredOobCode => "oob_code is expired".into(),
            Self::OobCodeOfAnotherTransaction => "The oob_code doesn't match the mfa_token".into(),
            Self::OtherClient => "mfa_token not issued to this client".into(),
            Self::InsufficientScope(scope) => format!("Insufficient scope, expected any of: {scope}").into(),
            Self::UseDpopNonce { .. } => "Authorization server requires nonce in DPoP proof.".into(),
            Self::InvalidDpopProof { .. } => "The DPoP proof is invalid.".into(),
            Self::Unauthorized { .. } => "Unauthorized".into(),
            Self::UnsupportedGrantType => "This grant_type is not supported.".into(),
            Self::UnauthorizedClient(grant) => {
                format!("Grant type '{}' not allowed for the client.", grant.as_str()).into()
            }
            Self::InvalidTarget => "The audience is not registered for this client.".into(),
            Self::AlreadyEnrolled => "User is already enrolled.".into(),
            Self::TooManyAuthenticators => "The user has 20 authenticators. Remove one first.".into(),
            Self::UnsupportedTokenType => "This token type is not supported.".into(),
            Self::InvalidSubjectToken => "The subject_token is invalid.".into(),
            Self::ActorToken => {
                "MFA is not supported using actor_token with the requested token exchange profile.".into()
            }
            Self::MfaRequired { .. } => "Multifactor authentication required".into(),
            Self::ProofRequired => "Use a second factor first: this needs a token that proves one.".into(),
            // Clients compare this text.
            Self::AssociationRequired => "User does not have any confirmed authenticator associated. You can \
                 associate a new authenticator calling /mfa/associate endpoint. If you have one authenticator ready \
                 for confirmation, you can confirm it just using it in /oauth/token"
                .into(),
            Self::UnknownAuthenticator | Self::NoSuchAuthenticator => "The user has no such authenticator.".into(),
            Self::UnsupportedChallengeType { otp, oob } => {
                let supported: Vec<_> =
                    [("otp", *otp), ("oob", *oob)].into_iter().filter(|(_, does)| *does).map(|(name, _)| name).collect();
                format!(
                    "The user does not support any of the requested challenge types. Supported type: {}",
                    supported.join(", ")
                )
                .into()
            }
            Self::RecoveryCodeStays => "A recovery code is not removed: it is replaced when it is used.".into(),
            Self::InvalidOtp => "Invalid otp_code.".into(),
            Self::InvalidBindingCode => "Invalid binding_code.".into(),
            Self::InvalidRecoveryCode => "MFA Authorization rejected.".into(),
            Self::TooManyRequests(_) => "Too many requests. Check the X-RateLimit-Limit, X-RateLimit-Remaining and \
                 X-RateLimit-Reset headers."
                .into(),
            Self::TooManyMessages(MessageKind::Phone, _) => {
                "Too many SMS sent by the user. Wait for some minutes before retrying.".into()
            }
            Self::TooManyMessages(MessageKind::Email, _) => {
                "Too many emails sent by the user. Wait for some minutes before retrying.".into()
            }
            Self::TooManyFailedCodes(_) | Self::TooManyTries { .. } => {
                "Too many failed codes. Wait for some minutes before retrying.".into()
            }
            Self::NotConfigured | Self::Unavailable | Self::KeysUnavailable { .. } => {
                "The service is temporarily unavailable. Try again in a moment.".into()
            }
            Self::Unexpected => "The service failed to answer this request.".into(),
        }
    }

    /// Members of the body that belong to this error, beside code and description.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, Json<'_>)> {
        match self {
            Self::MfaRequired { mfa_token, requirements, recovery_code } => {
                let mut members = vec![
                    ("mfa_token", mfa_token.as_str().into()),
                    ("mfa_requirements", requirements.clone()),
                ];
                members.extend(recovery_code.as_deref().map(|code| ("recovery_code", code.into())));
                members
            }
            _ => Vec::new(),
        }
    }

    /// Headers that belong to this error.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, Cow<'static, str>)> {
        match self {
            Self::MethodNotAllowed(allowed) => vec![("Allow", (*allowed).into())],
            Self::Unauthorized { challenge: true } => {
                vec![("WWW-Authenticate", "Basic realm=\"countersign\"".into())]
            }
            Self::UseDpopNonce { challenge: true } | Self::InvalidDpopProof { challenge: true } => {
                // What proofs may be signed with, as discovery lists it.
                let algorithms = Algorithm::OF_CLIENTS.map(Algorithm::as_str).join(" ");
                let challenge = format!("DPoP error=\"{}\", algs=\"{algorithms}\"", self.code());
                vec![("WWW-Authenticate", challenge.into())]
            }
            Self::TooManyRequests(refusal)
            | Self::TooManyMessages(_, refusal)
            | Self::TooManyFailedCodes(refusal) => vec![
                ("Retry-After", refusal.retry_after.to_string().into()),
                ("X-RateLimit-Limit", refusal.limit.to_string().into()),
                ("X-RateLimit-Remaining", "0".into()),
                ("X-RateLimit-Reset", UnixSeconds::to_string(&refusal.room_at).into()),
            ],
            Self::TooManyTries { retry_after } | Self::KeysUnavailable { retry_after } => {
                vec![("Retry-After", retry_after.to_string().into())]
            }
            Self::Unavailable => vec![("Retry-After", "1".into())],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
