//! The bearer of `/mfa/*` requests, and how its faults are told there.

use serde_json::json;

use super::{Failure, Fault};
use crate::app::App;
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::platform::Platform;
use crate::trust::bearer::{Bearer, BearerError, bearer_token, verify_bearer};

/// The verified token of the `Authorization` header.
pub async fn authenticate<P: Platform>(app: &App<P>, request: &Request) -> Result<Bearer, Failure> {
    let token =
        request.headers.authorization.as_deref().and_then(bearer_token).ok_or(WireError::InvalidBearer)?;
    match verify_bearer(app, request.received_at, token).await {
        Ok(bearer) => Ok(bearer),
        Err(BearerError::ExpiredMfaToken) => Err(WireError::ExpiredMfaToken.into()),
        Err(error) => Err(refused(app, request, error, WireError::InvalidBearer)),
    }
}

/// Tells the log exactly what was wrong with a token, and the client no more than `wire`. A token that cannot be
/// judged because the issuer's keys cannot be had is not called invalid.
pub fn refused<P: Platform>(app: &App<P>, request: &Request, error: BearerError, wire: WireError) -> Failure {
    if let BearerError::Unavailable(reason) = error {
        return Fault::Issuer(format!("{reason:?}")).into();
    }
    app.platform
        .log(json!({ "event": "token_refused", "request": request.id, "reason": format!("{error:?}") }));
    wire.into()
}
