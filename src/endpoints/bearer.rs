//! Tokens that requests carry, in the header or the body, and how their faults are told.

use super::client::require_issuer;
use super::{Failure, Fault, proof};
use crate::app::App;
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::platform::Platform;
use crate::storage::clients::Client;
use crate::trust::bearer::{Bearer, BearerError, MfaToken, Scheme, presented_token, verify_bearer};
use crate::trust::key_sets::KeySetError;

/// The verified token of the `Authorization` header.
pub async fn authenticate<P: Platform>(app: &App<P>, request: &Request) -> Result<Bearer, Failure> {
    let presented = request.headers.authorization.as_deref().and_then(presented_token);
    let Some((scheme, token)) = presented else {
        request.involved.reason("missing");
        return Err(WireError::InvalidBearer.into());
    };
    let bearer = match verify_bearer(app, request.received_at, token).await {
        Ok(bearer) => bearer,
        Err(BearerError::ExpiredMfaToken) => return Err(WireError::ExpiredMfaToken.into()),
        Err(error) => return Err(refused(request, error, WireError::InvalidBearer)),
    };
    request.involved.user(bearer.user());
    match (scheme, &bearer, bearer.bound_to()) {
        // SDKs send mfa_tokens like this, bound or not; it is the exchange that needs the key.
        (Scheme::Bearer, Bearer::Mfa(_), _) | (Scheme::Bearer, Bearer::Access(_), None) => Ok(bearer),
        (Scheme::Dpop, Bearer::Access(_), Some(key)) => {
            proof::of_access_token(app, request, token, key).await?;
            Ok(bearer)
        }
        _ => Err(refused(request, BearerError::OtherBinding, WireError::InvalidBearer)),
    }
}

/// The verified token of the body's `mfa_token`, of either kind, for a client that has been authenticated.
pub async fn in_body<P: Platform>(
    app: &App<P>,
    request: &Request,
    token: &str,
    client: &Client,
) -> Result<Bearer, Failure> {
    let bearer = match verify_bearer(app, request.received_at, token).await {
        Ok(bearer) => bearer,
        Err(BearerError::ExpiredMfaToken) => return Err(WireError::ExpiredMfaToken.into()),
        Err(error) => return Err(refused(request, error, WireError::MalformedMfaToken)),
    };
    request.involved.user(bearer.user());
    if bearer.client().is_some_and(|own| own != &client.id) {
        return Err(WireError::OtherClient.into());
    }
    require_issuer(request, client, bearer.user())?;
    Ok(bearer)
}

/// The same where only an mfa_token will do.
pub async fn mfa_token<P: Platform>(
    app: &App<P>,
    request: &Request,
    token: &str,
    client: &Client,
) -> Result<MfaToken, Failure> {
    match in_body(app, request, token, client).await? {
        Bearer::Mfa(token) => Ok(token),
        Bearer::Access(_) => Err(WireError::MalformedMfaToken.into()),
    }
}

/// An access token needs the scope; an mfa_token may do by what it is.
pub fn require_scope(bearer: &Bearer, scope: &'static str) -> Result<(), WireError> {
    match bearer {
        Bearer::Access(token) if !token.scopes.contains(scope) => Err(WireError::InsufficientScope(scope)),
        _ => Ok(()),
    }
}

/// Lets the event say exactly what was wrong with a token, and the client learn no more than `wire`. A token that cannot
/// be judged because the issuer's keys cannot be had is not called invalid.
pub fn refused(request: &Request, error: BearerError, wire: WireError) -> Failure {
    if let BearerError::Unavailable(KeySetError::Unavailable { retry_after }) = error {
        return Fault::Keys { of: "issuer", retry_after }.into();
    }
    request.involved.reason(error.reason());
    wire.into()
}
