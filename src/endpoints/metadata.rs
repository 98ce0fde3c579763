//! `/.well-known/jwks.json` and `/.well-known/openid-configuration`: what others need to verify our tokens and to
//! find us.

use crate::algorithm::Algorithm;
use crate::app::App;
use crate::http::response::Response;
use crate::json::{Json, object};
use crate::mfa::policy::MULTI_FACTOR_CLASS;
use crate::platform::Platform;
use crate::types::GrantType;

/// The public keys of `SIGNING_KEY_…` (RFC 7517), those that sign now and those that have signed.
pub fn key_set<P: Platform>(app: &App<P>) -> Response {
    Response::new(200, "application/json", app.config.signing_keys.public_jwks()).cacheable()
}

/// The discovery document (OpenID Connect Discovery 1.0, section 3; RFC 8414). It names what works,
/// and two members that clients require: `authorization_endpoint`, which is not served and which SDKs never call, since people
/// log in elsewhere, and `response_types_supported`.
pub fn discovery<P: Platform>(app: &App<P>) -> Response {
    let base = &app.config.public_url;
    let document = object! {
        "issuer": app.config.issuer(),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "mfa_challenge_endpoint": format!("{base}/mfa/challenge"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "grant_types_supported": GrantType::ALL.map(|grant| Json::from(grant.as_str())).to_vec(),
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_post", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported":
            algorithms(),
        "id_token_signing_alg_values_supported": ["RS256"],
        "dpop_signing_alg_values_supported": algorithms(),
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported":
            ["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "acr", "azp", "name", "email", "email_verified"],
        "acr_values_supported": [MULTI_FACTOR_CLASS],
    };
    Response::new(200, "application/json", document.write()).cacheable()
}

/// What clients may sign assertions and proofs with.
fn algorithms() -> Vec<Json<'static>> {
    Algorithm::OF_CLIENTS.map(|algorithm| algorithm.as_str().into()).to_vec()
}
