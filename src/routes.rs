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
use crate::audit;
#[cfg(feature = "development")]
use crate::development;
use crate::endpoints::{associate, authenticators, challenge, metadata, proof, token};
use crate::http::cors;
use crate::http::errors::WireError;
use crate::http::request::{Method, Request};
use crate::http::response::{Dialect, Response};
#[cfg(feature = "development")]
use crate::http::route::READ_ONLY;
use crate::http::route::Route;
use crate::json::object;
use crate::platform::Platform;
use crate::storage::clients;

/// The route that a path is of, as logs and metrics call it: there are few of them, and no id stands in any.
#[must_use]
pub fn endpoint(path: &str) -> &'static str {
    #[cfg(feature = "development")]
    if development::Page::of(path).is_some() {
        return "development";
    }
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
    let response = Response::error(dialect(&request.path), &WireError::NotConfigured);
    // Which origins are registered stands in a database that there may not be.
    finish(cors::allow(response, None, &[]), &request.id)
}

async fn answer<P: Platform>(app: &App<P>, request: &Request) -> Response {
    let dialect = dialect(&request.path);
    if request.host != app.config.host {
        let error = WireError::MisdirectedRequest(app.config.public_url.clone());
        return Response::error(dialect, &error);
    }
    #[cfg(feature = "development")]
    if let Some(page) = development::Page::of(&request.path) {
        return match request.method {
            Method::Options => cors::preflight(READ_ONLY),
            Method::Get => page.respond(app, request).await,
            _ => Response::error(dialect, &WireError::MethodNotAllowed(READ_ONLY)),
        };
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
            let error = format!("{error:?}");
            audit::tell(
                app,
                object! { "event": "origins_unavailable", "request": &request.id, "error": error },
            );
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
