//! HTTP in and out, as `entry.js` and `glue.js` hand it over.

use wasm_bindgen::{JsCast, JsValue};

use super::glue;
use crate::audit::Involved;
use crate::http::request::{Body, Headers, Method, Request};
use crate::http::response::Response;
use crate::json::{self, Json, object};
use crate::mfa::sending::Origin;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse, Platform};

/// Reads what `entry.js` says of a request.
pub(super) fn read(head: &str, bytes: Vec<u8>, platform: &impl Platform) -> Request {
    // JSON.stringify has written it.
    let head = json::parse(head.as_bytes()).unwrap_or(Json::Null);
    let headers = head.member("headers").unwrap_or(&Json::Null);
    let header = |name| headers.text(name).map(str::to_owned);
    let url = Address::of(head.text("url").unwrap_or_default());
    let method = match head.text("method").unwrap_or_default() {
        "GET" | "HEAD" => Method::Get,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => Method::Other,
    };
    let origin = Origin {
        address: headers.text("cf-connecting-ip").and_then(|address| address.parse().ok()),
        network: head.integer("asn"),
    };
    Request {
        // Without randomness there is no id; what needs randomness fails by itself later.
        id: platform
            .random::<12>()
            .map_or_else(|_| String::new(), |bytes| base16ct::lower::encode_string(&bytes)),
        received_at: platform.now(),
        method,
        host: url.host.to_owned(),
        path: url.path.to_owned(),
        query: url.query.to_owned(),
        origin: if method == Method::Post { origin } else { Origin::default() },
        country: head.text("country").and_then(country),
        headers: Headers {
            authorization: header("authorization"),
            dpop: header("dpop"),
            idempotency_key: header("idempotency-key"),
            forwarded_for: header("auth0-forwarded-for"),
            accept_language: header("accept-language"),
            content_type: header("content-type"),
            origin: header("origin"),
        },
        body: match head.text("body") {
            None => Body::Bytes(bytes),
            Some("too large") => Body::TooLarge,
            Some(_) => Body::Unreadable,
        },
        involved: Involved::default(),
    }
}

/// The country as Cloudflare saw it: two letters of ISO 3166-1, `T1` for Tor.
fn country(country: &str) -> Option<String> {
    (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then(|| country.to_owned())
}

/// The parts of a request's URL. The runtime has parsed and normalised it, so that cutting it is enough; a URL parser
/// would bring the tables of internationalised domain names, a third of the bundle.
struct Address<'a> {
    /// With the port, unless it is the scheme's own, as a `Host` header has it.
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Self {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let without_fragment = after_scheme.split_once('#').map_or(after_scheme, |(before, _)| before);
        let (location, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
        let path_start = location.find('/').unwrap_or(location.len());
        let (host, path) = location.split_at_checked(path_start).unwrap_or((location, ""));
        Self { host, path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// Writes an answer as `entry.js` reads it: a line of JSON for its head, and the body.
pub(super) fn write(response: &Response) -> String {
    let head = object! { "status": i64::from(response.status), "headers": written(&response.headers) };
    let mut answer = head.write();
    answer.push('\n');
    answer.push_str(&response.body);
    answer
}

/// Headers by their names, of which none is there twice.
fn written(headers: &[(&'static str, String)]) -> Json {
    let mut written = Json::Object(Vec::with_capacity(headers.len()));
    for (name, value) in headers {
        written.set(name, value);
    }
    written
}

/// One outbound exchange: no redirects, an end in time, a body of bounded length.
pub(super) async fn fetch(request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
    let asked = object! {
        "url": request.url,
        "method": request.method,
        "headers": written(&request.headers),
        "body": request.body,
        "milliseconds": i64::from(request.timeout_milliseconds),
        "bytes": i64::try_from(request.maximum_body_bytes).unwrap_or(i64::MAX),
    };
    let answer = glue::exchange(&asked.write())
        .await
        .map_err(|error| FetchError::Connection(glue::text_of(&error)))?;
    match answer.as_string().as_deref() {
        None => {}
        Some("too large") => return Err(FetchError::BodyTooLarge),
        Some(_) => return Err(FetchError::Timeout),
    }
    let answer: js_sys::Array = answer.unchecked_into();
    let head = answer.get(0).as_string().unwrap_or_default();
    let head = json::parse(head.as_bytes()).unwrap_or(Json::Null);
    let header = |name| head.text(name).map(str::to_owned);
    Ok(OutboundResponse {
        status: head.integer("status").and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        cache_control: header("cache_control"),
        retry_after: header("retry_after"),
        error_type: header("error_type"),
        body: js_sys::Uint8Array::unchecked_from_js(answer.get(1)).to_vec(),
    })
}

/// The file of `public/` that a request asks for, if there is one.
pub(super) async fn asset(env: &JsValue, request: &JsValue, id: &str) -> Option<glue::File> {
    let file = glue::asset(env, request, id).await;
    file.is_object().then(|| file.unchecked_into())
}
