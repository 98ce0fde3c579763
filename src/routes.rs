//! The front door.
//!
//! | route | endpoint |
//! | --- | --- |
//! | `POST /mfa/associate` | [`associate`] |
//! | `POST /mfa/challenge` | [`challenge`] |
//! | `GET /mfa/authenticators` | [`authenticators`] |
//! | `DELETE /mfa/authenticators/{id}` | [`authenticators`] |
//! | `POST /oauth/token` | [`token`] |
//! | `GET /.well-known/jwks.json` | [`metadata`] |
//! | `GET /.well-known/openid-configuration` | [`metadata`] |
//! | `GET /`, `/dev/…` | the pages of local development, in builds with the feature `development` only |

use std::rc::Rc;

use crate::app::App;
use crate::endpoints::{associate, authenticators, challenge, metadata, proof, token};
use crate::http::cors;
use crate::http::errors::WireError;
use crate::http::request::{Method, Request};
use crate::http::response::{Dialect, Response};
use crate::json::object;
use crate::platform::Platform;
use crate::storage::clients;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Associate,
    Challenge,
    Authenticators,
    /// The id as it stands in the path.
    Authenticator(&'a str),
    Token,
    KeySet,
    Discovery,
    #[cfg(feature = "development")]
    Development(crate::development::Page),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if let Some(id) = path.strip_prefix("/mfa/authenticators/") {
            return (!id.is_empty() && !id.contains('/')).then_some(Self::Authenticator(id));
        }
        match path {
            "/mfa/associate" => Some(Self::Associate),
            "/mfa/challenge" => Some(Self::Challenge),
            "/mfa/authenticators" => Some(Self::Authenticators),
            "/oauth/token" => Some(Self::Token),
            "/.well-known/jwks.json" => Some(Self::KeySet),
            "/.well-known/openid-configuration" => Some(Self::Discovery),
            #[cfg(feature = "development")]
            _ => crate::development::Page::of(path).map(Self::Development),
            #[cfg(not(feature = "development"))]
            _ => None,
        }
    }

    /// The verbs that mean something here, as `Allow` lists them.
    const fn methods(self) -> &'static str {
        match self {
            Self::Associate | Self::Challenge | Self::Token => "POST, OPTIONS",
            Self::Authenticator(_) => "DELETE, OPTIONS",
            Self::Authenticators | Self::KeySet | Self::Discovery => "GET, HEAD, OPTIONS",
            #[cfg(feature = "development")]
            Self::Development(_) => "GET, HEAD, OPTIONS",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Associate => "/mfa/associate",
            Self::Challenge => "/mfa/challenge",
            Self::Authenticators => "/mfa/authenticators",
            Self::Authenticator(_) => "/mfa/authenticators/{id}",
            Self::Token => "/oauth/token",
            Self::KeySet => "/.well-known/jwks.json",
            Self::Discovery => "/.well-known/openid-configuration",
            #[cfg(feature = "development")]
            Self::Development(_) => "development",
        }
    }

    /// Whether a DPoP proof means anything here.
    const fn takes_proofs(self) -> bool {
        matches!(self, Self::Associate | Self::Authenticators | Self::Authenticator(_) | Self::Token)
    }

    const fn takes(self, method: Method) -> bool {
        match self {
            Self::Associate | Self::Challenge | Self::Token => matches!(method, Method::Post),
            Self::Authenticator(_) => matches!(method, Method::Delete),
            Self::Authenticators | Self::KeySet | Self::Discovery => matches!(method, Method::Get),
            #[cfg(feature = "development")]
            Self::Development(_) => matches!(method, Method::Get),
        }
    }
}

/// The route that a path is of, as logs and metrics call it: there are few of them, and no id stands in any.
#[must_use]
pub fn endpoint(path: &str) -> &'static str {
    Route::of(path).map_or("other", Route::name)
}

/// How a path answers, also where there is nothing.
fn dialect(path: &str) -> Dialect {
    if path.starts_with("/mfa/") { Dialect::Mfa } else { Dialect::OAuth }
}

/// Answers a request. Never fails: what goes wrong inside is logged with the request's id and answered neutrally.
pub async fn handle<P: Platform>(app: &App<P>, request: &Request) -> Response {
    let response = answer(app, request).await;
    let response = cors::allow(response, request.headers.origin.as_deref(), &origins(app, request).await);
    finish(response, &request.id)
}

/// What a client is told when the configuration is broken. The log has said how.
#[must_use]
pub fn not_configured(request: &Request) -> Response {
    finish(Response::error(dialect(&request.path), &WireError::NotConfigured), &request.id)
}

async fn answer<P: Platform>(app: &App<P>, request: &Request) -> Response {
    let dialect = dialect(&request.path);
    if request.host != app.config.host {
        let error = WireError::MisdirectedRequest(app.config.public_url.clone());
        return Response::error(dialect, &error);
    }
    let Some(route) = Route::of(&request.path) else {
        return Response::error(dialect, &WireError::UnknownPath);
    };
    if request.method == Method::Options {
        return cors::preflight(route.methods());
    }
    if !route.takes(request.method) {
        return Response::error(dialect, &WireError::MethodNotAllowed(route.methods()));
    }
    let response = match route {
        Route::Associate => associate::handle(app, request).await,
        Route::Challenge => challenge::handle(app, request).await,
        Route::Authenticators => authenticators::list(app, request).await,
        Route::Authenticator(id) => authenticators::remove(app, request, id).await,
        Route::Token => token::handle(app, request).await,
        Route::KeySet => metadata::key_set(app),
        Route::Discovery => metadata::discovery(app),
        #[cfg(feature = "development")]
        Route::Development(page) => page.respond(app, request).await,
    };
    if route.takes_proofs() { proof::with_fresh_nonce(app, request, response) } else { response }
}

/// The origins that may read answers; none when nobody asks or the registry cannot be read.
async fn origins<P: Platform>(app: &App<P>, request: &Request) -> Rc<Vec<String>> {
    if request.headers.origin.is_none() {
        return Rc::default();
    }
    match clients::origins(app, request.received_at).await {
        Ok(origins) => origins,
        Err(error) => {
            let event = object! { "event": "origins_unavailable", "request": &request.id, "error": format!("{error:?}") };
            app.platform.log(event);
            Rc::default()
        }
    }
}

/// Headers of every answer.
fn finish(response: Response, request_id: &str) -> Response {
    let response = if response.has_header("Cache-Control") {
        response
    } else {
        response.with_header("Cache-Control", "no-store")
    };
    response
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("X-Request-Id", request_id.to_owned())
}

#[cfg(test)]
mod tests;
