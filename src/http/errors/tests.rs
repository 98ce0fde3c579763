use std::collections::BTreeSet;

use super::*;

const REFUSAL: Refusal = Refusal { limit: 10, retry_after: 360, room_at: UnixSeconds(1_893_456_360) };
const RATE_LIMIT: [(&str, &str); 4] = [
    ("Retry-After", "360"),
    ("X-RateLimit-Limit", "10"),
    ("X-RateLimit-Remaining", "0"),
    ("X-RateLimit-Reset", "1893456360"),
];

type Row = (WireError, u16, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Every error as clients get it: status, `error`, `error_description`, headers.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    use WireError::*;
    let association_required = "User does not have any confirmed authenticator associated. You can associate a new \
        authenticator calling /mfa/associate endpoint. If you have one authenticator ready for confirmation, you can \
        confirm it just using it in /oauth/token";
    let unsupported = "The user does not support any of the requested challenge types. Supported type: ";
    let too_many_failed = "Too many failed codes. Wait for some minutes before retrying.";
    let unavailable = "The service is temporarily unavailable. Try again in a moment.";
    let mfa_required = MfaRequired { mfa_token: "t".to_owned(), requirements: crate::json::Json::Null, recovery_code: None };
    let leaked = |text: String| -> &'static str { text.leak() };
    vec![
        (UnknownPath, 404, "not_found", "There is nothing at this path.", &[]),
        (MethodNotAllowed("POST, OPTIONS"), 405, "method_not_allowed", "This path answers to POST, OPTIONS.", &[("Allow", "POST, OPTIONS")]),
        (PayloadTooLarge, 413, "payload_too_large", "The request body is longer than 64 KB.", &[]),
        (UnsupportedMediaType("application/json"), 415, "unsupported_media_type", "The Content-Type must be application/json.", &[]),
        (MisdirectedRequest("https://mfa.example.com".to_owned()), 421, "misdirected_request", "This service answers at https://mfa.example.com.", &[]),
        (UnreadableBody, 400, "invalid_request", "The request body ended early.", &[]),
        (NotUtf8, 400, "invalid_request", "The request body is not valid UTF-8.", &[]),
        (NotAJsonObject, 400, "invalid_request", "The request body must be a JSON object.", &[]),
        (DuplicateParameter("otp".to_owned()), 400, "invalid_request", "Duplicate parameter: otp", &[]),
        (MissingParameter("otp"), 400, "invalid_request", "Missing required parameter: otp", &[]),
        (NotAString("otp"), 400, "invalid_request", "otp must be a string", &[]),
        (NotStrings("oob_channels"), 400, "invalid_request", "oob_channels must be an array of strings", &[]),
        (TooLong("scope"), 400, "invalid_request", "scope is too long", &[]),
        (UnsupportedTokenType, 400, "invalid_request", "This token type is not supported.", &[]),
        (InvalidSubjectToken, 400, "invalid_request", "The subject_token is invalid.", &[]),
        (ActorToken, 400, "invalid_request", "MFA is not supported using actor_token with the requested token exchange profile.", &[]),
        (mfa_required, 403, "mfa_required", "Multifactor authentication required", &[]),
        (UnauthorizedClient(GrantType::MfaOtp), 403, "unauthorized_client", "Grant type 'http://auth0.com/oauth/grant-type/mfa-otp' not allowed for the client.", &[]),
        (NotABoolean("qr_svg"), 400, "invalid_request", "qr_svg must be true or false", &[]),
        (UnknownAuthenticatorType, 400, "invalid_request", "authenticator_types may contain otp and oob.", &[]),
        (UnknownOobChannel, 400, "invalid_request", "oob_channels may contain sms, voice, email and auth0.", &[]),
        (NotEnabled("sms"), 400, "invalid_request", "The sms factor is not enabled.", &[]),
        (InvalidIdempotencyKey, 400, "invalid_request", "Idempotency-Key must be 1 to 255 visible ASCII characters.", &[]),
        (IdempotencyKeyReused, 422, "idempotency_key_reused", "This Idempotency-Key was used with other parameters.", &[]),
        (InvalidPhoneNumber, 400, "invalid_request", "The phone number is invalid.", &[]),
        (RegionNotEnabled, 400, "invalid_request", "Messages to this country are not enabled.", &[]),
        (InvalidEmailAddress, 400, "invalid_request", "The email address is invalid.", &[]),
        (InvalidBearer, 401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.", &[]),
        (ExpiredMfaToken, 401, "expired_token", "mfa_token is expired", &[]),
        (MalformedMfaToken, 403, "invalid_grant", "Malformed mfa_token", &[]),
        (SpentMfaToken, 403, "invalid_grant", "mfa_token has already been used", &[]),
        (MalformedOobCode, 403, "invalid_grant", "Malformed oob_code", &[]),
        (ExpiredOobCode, 401, "expired_token", "oob_code is expired", &[]),
        (OobCodeOfAnotherTransaction, 400, "invalid_request", "The oob_code doesn't match the mfa_token", &[]),
        (OtherClient, 400, "invalid_request", "mfa_token not issued to this client", &[]),
        (InsufficientScope("enroll"), 403, "insufficient_scope", "Insufficient scope, expected any of: enroll", &[]),
        (InsufficientScope("read:authenticators"), 403, "insufficient_scope", "Insufficient scope, expected any of: read:authenticators", &[]),
        (InsufficientScope("remove:authenticators"), 403, "insufficient_scope", "Insufficient scope, expected any of: remove:authenticators", &[]),
        (UseDpopNonce { challenge: false }, 400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", &[]),
        (UseDpopNonce { challenge: true }, 401, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", &[("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\", algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256\"")]),
        (InvalidDpopProof { challenge: false }, 400, "invalid_dpop_proof", "The DPoP proof is invalid.", &[]),
        (InvalidDpopProof { challenge: true }, 401, "invalid_dpop_proof", "The DPoP proof is invalid.", &[("WWW-Authenticate", "DPoP error=\"invalid_dpop_proof\", algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256\"")]),
        (Unauthorized { challenge: false }, 401, "access_denied", "Unauthorized", &[]),
        (Unauthorized { challenge: true }, 401, "access_denied", "Unauthorized", &[("WWW-Authenticate", "Basic realm=\"countersign\"")]),
        (UnsupportedGrantType, 400, "unsupported_grant_type", "This grant_type is not supported.", &[]),
        (InvalidTarget, 400, "invalid_target", "The audience is not registered for this client.", &[]),
        (AlreadyEnrolled, 403, "access_denied", "User is already enrolled.", &[]),
        (TooManyAuthenticators, 400, "invalid_request", "The user has 20 authenticators. Remove one first.", &[]),
        (ProofRequired, 403, "access_denied", "Use a second factor first: this needs a token that proves one.", &[]),
        (AssociationRequired, 400, "association_required", association_required, &[]),
        (UnknownAuthenticator, 404, "invalid_authenticator", "The user has no such authenticator.", &[]),
        (UnsupportedChallengeType { otp: true, oob: true }, 401, "unsupported_challenge_type", leaked(format!("{unsupported}otp, oob")), &[]),
        (UnsupportedChallengeType { otp: false, oob: true }, 401, "unsupported_challenge_type", leaked(format!("{unsupported}oob")), &[]),
        (UnsupportedChallengeType { otp: true, oob: false }, 401, "unsupported_challenge_type", leaked(format!("{unsupported}otp")), &[]),
        (NoSuchAuthenticator, 404, "not_found", "The user has no such authenticator.", &[]),
        (RecoveryCodeStays, 400, "invalid_request", "A recovery code is not removed: it is replaced when it is used.", &[]),
        (InvalidOtp, 403, "invalid_grant", "Invalid otp_code.", &[]),
        (InvalidBindingCode, 403, "invalid_grant", "Invalid binding_code.", &[]),
        (InvalidRecoveryCode, 403, "invalid_grant", "MFA Authorization rejected.", &[]),
        (TooManyRequests(REFUSAL), 429, "too_many_requests", "Too many requests. Check the X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset headers.", &RATE_LIMIT),
        (TooManyMessages(MessageKind::Phone, REFUSAL), 429, "too_many_requests", "Too many SMS sent by the user. Wait for some minutes before retrying.", &RATE_LIMIT),
        (TooManyMessages(MessageKind::Email, REFUSAL), 429, "too_many_requests", "Too many emails sent by the user. Wait for some minutes before retrying.", &RATE_LIMIT),
        (TooManyFailedCodes(REFUSAL), 429, "too_many_requests", too_many_failed, &RATE_LIMIT),
        (TooManyTries { retry_after: 299 }, 429, "too_many_requests", too_many_failed, &[("Retry-After", "299")]),
        (NotConfigured, 503, "temporarily_unavailable", unavailable, &[]),
        (Unavailable, 503, "temporarily_unavailable", unavailable, &[("Retry-After", "1")]),
        (KeysUnavailable { retry_after: 7 }, 503, "temporarily_unavailable", unavailable, &[("Retry-After", "7")]),
        (Unexpected, 500, "server_error", "The service failed to answer this request.", &[]),
    ]
}

#[test]
fn each_error_has_its_status_code_text_and_headers() {
    for (error, status, code, description, headers) in table() {
        assert_eq!(error.status(), status, "{error:?}");
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(error.description(), description, "{error:?}");
        let own = error.headers();
        let own: Vec<_> = own.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(own, headers, "{error:?}");
    }
}

#[test]
fn no_error_is_missing_from_the_table() {
    let (_, body) = include_str!("../errors.rs").split_once("pub enum WireError {\n").unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let declared: BTreeSet<_> =
        body.lines().filter_map(|line| line.strip_prefix("    ").and_then(name)).collect();
    let rows = table();
    let printed: Vec<_> = rows.iter().map(|(error, ..)| format!("{error:?}")).collect();
    let tested: BTreeSet<_> = printed.iter().filter_map(|text| name(text)).collect();
    assert!(declared.len() > 40);
    assert_eq!(declared, tested);
}

/// The name that `text` begins with, as a variant or its Debug form.
fn name(text: &str) -> Option<&str> {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, _) = text.split_at(end);
    name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
}

#[test]
fn only_what_may_go_well_later_says_when() {
    for (error, status, ..) in table() {
        let says_when = error.headers().iter().any(|(name, _)| *name == "Retry-After");
        assert_eq!(
            says_when,
            status == 429 || (status == 503 && error != WireError::NotConfigured),
            "{error:?}"
        );
    }
}

/// The errors that `openapi.yaml` shows: where each stands, and what it says. Every one of them is written down once,
/// under `components`, and referred to from under the statuses that it comes with.
fn described() -> BTreeSet<(u16, String, String)> {
    let description = include_str!("../../../openapi.yaml");
    let (responses, examples) = description.split_once("\n  examples:\n").unwrap();
    let mut described = BTreeSet::new();
    let mut status = None;
    for line in responses.lines().map(str::trim_start) {
        if let Some(key) = line.strip_prefix('"').and_then(|rest| rest.split_once("\":")) {
            status = key.0.parse::<u16>().ok().or(status);
        }
        if let Some((_, name)) = line.split_once("\"#/components/examples/") {
            let name = name.split('"').next().unwrap();
            let (_, example) = examples.split_once(&format!("    {name}:\n")).unwrap();
            let member = |member: &str| {
                let (_, rest) = example.split_once(&format!("        {member}: ")).unwrap();
                rest.lines().next().unwrap().trim_matches('"').to_owned()
            };
            described.insert((status.unwrap(), member("error"), member("error_description")));
        }
    }
    described
}

#[test]
fn the_description_of_the_api_has_these_errors_and_no_others() {
    let table = table().into_iter();
    let table: BTreeSet<_> =
        table.map(|(_, status, code, text, _)| (status, code.to_owned(), text.to_owned())).collect();
    let described = described();
    let only = |one: &BTreeSet<_>, other: &BTreeSet<_>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!((only(&table, &described), only(&described, &table)), (vec![], vec![]));
}
