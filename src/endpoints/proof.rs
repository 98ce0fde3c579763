//! Proofs of possession that requests carry (DPoP, RFC 9449), and how their faults are told.

use crate::app::App;
use crate::audit::Reason;
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::platform::Platform;
use crate::trust::dpop::{self, Expected, ProofError};
use crate::trust::jwk::Thumbprint;

/// The key that a request to the token endpoint proves, if it carries a proof: what is issued is bound to it.
///
/// It is looked at before the client's authentication. Most refusals ask for a nonce and nothing else, and should not use
/// up the assertion that came along.
pub async fn at_token_endpoint<P: Platform>(
    app: &App<P>,
    request: &Request,
) -> Result<Option<Thumbprint>, WireError> {
    let Some(proof) = request.headers.dpop.as_deref() else {
        return Ok(None);
    };
    match verify(app, request, proof, None).await {
        Ok(key) => Ok(Some(key)),
        Err(ProofError::StaleNonce) => Err(WireError::UseDpopNonce { challenge: false }),
        Err(error) => {
            request.involved.reason(error.reason());
            Err(WireError::InvalidDpopProof { challenge: false })
        }
    }
}

/// A token that is bound to a key is exchanged for others with that key's proof only.
pub fn require_key(
    request: &Request,
    bound_to: Option<&Thumbprint>,
    proved: Option<&Thumbprint>,
) -> Result<(), WireError> {
    if bound_to.is_none() || bound_to == proved {
        return Ok(());
    }
    request.involved.reason("other_key");
    Err(WireError::InvalidDpopProof { challenge: false })
}

/// At `/mfa/*` a request proves the key that its access token is bound to.
pub async fn of_access_token<P: Platform>(
    app: &App<P>,
    request: &Request,
    token: &str,
    bound_to: &Thumbprint,
) -> Result<(), WireError> {
    let proved = match request.headers.dpop.as_deref() {
        Some(proof) => verify(app, request, proof, Some(token)).await.map_err(Some),
        None => Err(None),
    };
    let reason = match proved {
        Ok(key) if key == *bound_to => return Ok(()),
        Ok(_) => Reason::from("other_key"),
        Err(Some(ProofError::StaleNonce)) => return Err(WireError::UseDpopNonce { challenge: true }),
        Err(Some(error)) => error.reason(),
        Err(None) => Reason::from("missing"),
    };
    request.involved.reason(reason);
    Err(WireError::InvalidDpopProof { challenge: true })
}

/// The answer, with a nonce for the next proof if the request carried one (RFC 9449, sections 8.1 and 8.2).
pub fn with_fresh_nonce<P: Platform>(app: &App<P>, request: &Request, response: Response) -> Response {
    if request.headers.dpop.is_none() {
        return response;
    }
    response.with_header("DPoP-Nonce", dpop::nonce(&app.config.keyring, request.received_at))
}

async fn verify<P: Platform>(
    app: &App<P>,
    request: &Request,
    proof: &str,
    access_token: Option<&str>,
) -> Result<Thumbprint, ProofError> {
    let expected = Expected {
        method: request.method.as_str(),
        origin: &app.config.public_url,
        path: &request.path,
        access_token,
    };
    dpop::verify_proof(app, request.received_at, proof, &expected).await
}

#[cfg(test)]
mod tests;
