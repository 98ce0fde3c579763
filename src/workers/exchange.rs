//! HTTP in and out.

use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt};
use worker::{AbortController, ByteStream, Delay, Fetch, RequestInit, RequestRedirect, ResponseBuilder};

use super::platform::Workers;
use crate::http::request::{Body, Headers, MAXIMUM_BODY_BYTES, Method, Request};
use crate::http::response::Response;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse, Platform};

/// Reads a request: the headers that are used, and the body as far as it may go.
pub(super) async fn read(mut request: worker::Request, platform: &Workers) -> Request {
    let url = request.inner().url();
    let url = Address::of(&url);
    let headers = request.headers().clone();
    let header = |name: &str| headers.get(name).ok().flatten();
    let method = match request.method() {
        worker::Method::Get | worker::Method::Head => Method::Get,
        worker::Method::Post => Method::Post,
        worker::Method::Delete => Method::Delete,
        worker::Method::Options => Method::Options,
        _ => Method::Other,
    };
    let body = if method == Method::Post {
        body(&mut request, header("content-length").and_then(|length| length.parse().ok())).await
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
        headers: Headers {
            authorization: header("authorization"),
            content_type: header("content-type"),
            origin: header("origin"),
        },
        body,
    }
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

async fn body(request: &mut worker::Request, announced: Option<usize>) -> Body {
    match announced {
        Some(length) if length > MAXIMUM_BODY_BYTES => Body::TooLarge,
        // The runtime holds clients to what they announce.
        Some(_) => request.bytes().await.map_or(Body::Unreadable, Body::Bytes),
        None => match request.stream() {
            Ok(stream) => match collect(stream, MAXIMUM_BODY_BYTES).await {
                Ok(bytes) => Body::Bytes(bytes),
                Err(Interrupted::TooLarge) => Body::TooLarge,
                Err(Interrupted::Broken) => Body::Unreadable,
            },
            // No body at all.
            Err(_) => Body::Bytes(Vec::new()),
        },
    }
}

enum Interrupted {
    TooLarge,
    Broken,
}

/// The stream's bytes, unless there are more than `maximum`.
async fn collect(
    mut stream: impl Stream<Item = worker::Result<Vec<u8>>> + Unpin,
    maximum: usize,
) -> Result<Vec<u8>, Interrupted> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Interrupted::Broken)?;
        if bytes.len().saturating_add(chunk.len()) > maximum {
            return Err(Interrupted::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Writes an answer.
pub(super) fn write(response: Response) -> worker::Result<worker::Response> {
    let headers = worker::Headers::new();
    for (name, value) in &response.headers {
        headers.append(name, value)?;
    }
    let builder = ResponseBuilder::new().with_status(response.status).with_headers(headers);
    Ok(if response.body.is_empty() { builder.empty() } else { builder.fixed(response.body.into_bytes()) })
}

/// One outbound exchange: no redirects, an end in time, a body of bounded length.
pub(super) async fn fetch(request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
    let abort = AbortController::default();
    let signal = abort.signal();
    let limit = Delay::from(Duration::from_millis(u64::from(request.timeout_milliseconds)));
    let exchange = Box::pin(exchange(request, &signal));
    match select(exchange, limit).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => {
            abort.abort();
            Err(FetchError::Timeout)
        }
    }
}

async fn exchange(
    request: OutboundRequest,
    signal: &worker::AbortSignal,
) -> Result<OutboundResponse, FetchError> {
    let headers = worker::Headers::new();
    for (name, value) in &request.headers {
        headers.append(name, value).map_err(connection)?;
    }
    let mut init = RequestInit::new();
    init.with_headers(headers);
    init.with_method(if request.method == "POST" { worker::Method::Post } else { worker::Method::Get });
    init.with_body(request.body.map(Into::into));
    init.redirect = RequestRedirect::Manual;
    let outbound = worker::Request::new_with_init(&request.url, &init).map_err(connection)?;
    let mut response = Fetch::Request(outbound).send_with_signal(signal).await.map_err(connection)?;
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let (cache_control, retry_after) = (header("cache-control"), header("retry-after"));
    let status = response.status_code();
    let body = match response.stream() {
        Ok(stream) => read_answer(stream, request.maximum_body_bytes).await?,
        Err(_) => Vec::new(),
    };
    Ok(OutboundResponse { status, cache_control, retry_after, body })
}

async fn read_answer(stream: ByteStream, maximum: usize) -> Result<Vec<u8>, FetchError> {
    collect(Box::pin(stream), maximum).await.map_err(|interrupted| match interrupted {
        Interrupted::TooLarge => FetchError::BodyTooLarge,
        Interrupted::Broken => FetchError::Connection("the body broke off".to_owned()),
    })
}

fn connection(error: worker::Error) -> FetchError {
    FetchError::Connection(error.to_string())
}
