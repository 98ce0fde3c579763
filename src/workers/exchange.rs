//! HTTP in and out.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, ReadableStream, ReadableStreamDefaultReader, RequestInit, RequestRedirect,
    ResponseInit, WorkerGlobalScope,
};
use worker::Delay;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::bindings::text_of;
use super::platform::Workers;
use crate::audit::Involved;
use crate::http::request::{Body, Headers, MAXIMUM_BODY_BYTES, Method, Request};
use crate::http::response::Response;
use crate::mfa::sending::Origin;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse, Platform};

/// Reads a request: the headers that are used, and the body as far as it may go.
pub(super) async fn read(request: &web_sys::Request, platform: &Workers) -> Request {
    let url = request.url();
    let url = Address::of(&url);
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let method = match request.method().as_str() {
        "GET" | "HEAD" => Method::Get,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => Method::Other,
    };
    let cloudflare = Reflect::get(request, &JsValue::from_str("cf")).unwrap_or_default();
    let body = if method == Method::Post {
        body(request, header("content-length").and_then(|length| length.parse().ok())).await
    } else {
        Body::Bytes(Vec::new())
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
        origin: if method == Method::Post {
            origin(&cloudflare, header("cf-connecting-ip"))
        } else {
            Origin::default()
        },
        country: country(&cloudflare),
        headers: Headers {
            authorization: header("authorization"),
            dpop: header("dpop"),
            idempotency_key: header("idempotency-key"),
            forwarded_for: header("auth0-forwarded-for"),
            accept_language: header("accept-language"),
            content_type: header("content-type"),
            origin: header("origin"),
        },
        body,
        involved: Involved::default(),
    }
}

/// The address as Cloudflare saw it, and the network that it belongs to.
fn origin(cloudflare: &JsValue, address: Option<String>) -> Origin {
    let network = Reflect::get(cloudflare, &JsValue::from_str("asn"));
    #[expect(clippy::cast_possible_truncation, reason = "ASNs are whole numbers of 32 bits")]
    let network = network.ok().and_then(|network| network.as_f64()).map(|network| network as i64);
    Origin { address: address.and_then(|address| address.parse().ok()), network }
}

/// The country as Cloudflare saw it: two letters of ISO 3166-1, `T1` for Tor. Absent where it does not know.
fn country(cloudflare: &JsValue) -> Option<String> {
    let country = Reflect::get(cloudflare, &JsValue::from_str("country")).ok()?.as_string()?;
    (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(country)
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

async fn body(request: &web_sys::Request, announced: Option<usize>) -> Body {
    let bytes = match (announced, request.body()) {
        (Some(length), _) if length > MAXIMUM_BODY_BYTES => return Body::TooLarge,
        // The runtime holds clients to what they announce.
        (Some(_), _) => whole(request).await.map_err(Interrupted::Broken),
        (None, Some(stream)) => collect(&stream, MAXIMUM_BODY_BYTES).await,
        (None, None) => Ok(Vec::new()),
    };
    match bytes {
        Ok(bytes) => Body::Bytes(bytes),
        Err(Interrupted::TooLarge) => Body::TooLarge,
        Err(Interrupted::Broken(_)) => Body::Unreadable,
    }
}

async fn whole(request: &web_sys::Request) -> Result<Vec<u8>, JsValue> {
    Ok(Uint8Array::new(&JsFuture::from(request.array_buffer()?).await?).to_vec())
}

enum Interrupted {
    TooLarge,
    Broken(JsValue),
}

impl From<JsValue> for Interrupted {
    fn from(error: JsValue) -> Self {
        Self::Broken(error)
    }
}

/// The stream's bytes, unless there are more than `maximum`.
async fn collect(stream: &ReadableStream, maximum: usize) -> Result<Vec<u8>, Interrupted> {
    let reader = ReadableStreamDefaultReader::new(stream)?;
    let mut bytes = Vec::new();
    loop {
        let read = JsFuture::from(reader.read()).await?;
        if Reflect::get(&read, &"done".into())?.is_truthy() {
            return Ok(bytes);
        }
        let chunk = Uint8Array::new(&Reflect::get(&read, &"value".into())?).to_vec();
        if bytes.len().saturating_add(chunk.len()) > maximum {
            // Nobody waits for the end of it.
            let _ = reader.cancel();
            return Err(Interrupted::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// Writes an answer.
pub(super) fn write(response: &Response) -> Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &response.headers {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    // Some statuses, such as 204, must not have even an empty body.
    let body = Some(response.body.as_str()).filter(|body| !body.is_empty());
    web_sys::Response::new_with_opt_str_and_init(body, &init)
}

/// What the assets binding has for a request, with the headers of every answer. Files may be kept for five minutes.
pub(super) async fn asset(
    assets: &JsValue,
    request: &web_sys::Request,
    id: &str,
) -> Option<web_sys::Response> {
    let fetch = Reflect::get(assets, &"fetch".into()).ok()?.dyn_into::<Function>().ok()?;
    let promise = fetch.call1(assets, request).ok()?.dyn_into::<Promise>().ok()?;
    let file = JsFuture::from(promise).await.ok()?.dyn_into::<web_sys::Response>().ok()?;
    if !matches!(file.status(), 200 | 304) {
        return None;
    }
    let headers = web_sys::Headers::new().ok()?;
    for name in ["content-type", "etag"] {
        if let Some(value) = file.headers().get(name).ok()? {
            headers.append(name, &value).ok()?;
        }
    }
    headers.append("Cache-Control", "public, max-age=300").ok()?;
    // They say the same to everybody; tools in browsers read the API's description.
    headers.append("Access-Control-Allow-Origin", "*").ok()?;
    headers.append("X-Content-Type-Options", "nosniff").ok()?;
    headers.append("X-Request-Id", id).ok()?;
    let init = ResponseInit::new();
    init.set_status(file.status());
    init.set_headers(&headers);
    web_sys::Response::new_with_opt_readable_stream_and_init(file.body().as_ref(), &init).ok()
}

/// One outbound exchange: no redirects, an end in time, a body of bounded length.
pub(super) async fn fetch(request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
    let abort = AbortController::new().map_err(connection)?;
    let signal = abort.signal();
    let limit = Delay::from(Duration::from_millis(u64::from(request.timeout_milliseconds)));
    let exchange = pin!(exchange(&request, &signal));
    match select(exchange, limit).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => {
            abort.abort();
            Err(FetchError::Timeout)
        }
    }
}

async fn exchange(request: &OutboundRequest, signal: &AbortSignal) -> Result<OutboundResponse, FetchError> {
    let init = outbound(request, signal).map_err(connection)?;
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer =
        JsFuture::from(global.fetch_with_str_and_init(&request.url, &init)).await.map_err(connection)?;
    let response: web_sys::Response = answer.unchecked_into();
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (cache_control, retry_after) = (header("cache-control"), header("retry-after"));
    let error_type = header("x-amzn-errortype");
    let body = match response.body() {
        Some(stream) => collect(&stream, request.maximum_body_bytes).await?,
        None => Vec::new(),
    };
    Ok(OutboundResponse { status: response.status(), cache_control, retry_after, error_type, body })
}

fn outbound(request: &OutboundRequest, signal: &AbortSignal) -> Result<RequestInit, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers);
    if let Some(body) = &request.body {
        init.set_body(&JsValue::from_str(body));
    }
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    Ok(init)
}

impl From<Interrupted> for FetchError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::TooLarge => Self::BodyTooLarge,
            Interrupted::Broken(error) => connection(error),
        }
    }
}

fn connection(error: JsValue) -> FetchError {
    FetchError::Connection(text_of(&error))
}
