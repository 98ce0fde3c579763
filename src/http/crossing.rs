//! Requests and answers as they cross between JavaScript and wasm: each as one text. `src/workers/entry.js` is the other side.

use super::request::{Body, Headers, Method, Request};
use super::response::Response;
use crate::audit::Involved;
use crate::json::{self, Json, object};
use crate::mfa::sending::Origin;
use crate::types::UnixSeconds;

/// Reads what `entry.js` says of a request.
#[must_use]
pub fn read(id: String, received_at: UnixSeconds, head: &str, bytes: Vec<u8>) -> Request {
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
        id,
        received_at,
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
#[must_use]
pub fn write(response: &Response) -> String {
    let head = object! { "status": i64::from(response.status), "headers": written(&response.headers) };
    let mut answer = head.write();
    answer.push('\n');
    answer.push_str(&response.body);
    answer
}

/// Headers by their names, of which none is there twice.
pub(crate) fn written<'a>(headers: &'a [(&'static str, impl AsRef<str>)]) -> Json<'a> {
    let mut written = Json::Object(Vec::with_capacity(headers.len()));
    for (name, value) in headers {
        written.set(name, value.as_ref());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        read("id".to_owned(), UnixSeconds(5), head, b"{}".to_vec())
    }

    #[test]
    fn a_head_says_what_a_request_is() {
        let asked = request(
            r#"{"method":"POST","url":"https://mfa.example.com:8443/mfa/associate?a=b?c#d","country":"DE","asn":3320,
               "headers":{"authorization":"Bearer x","dpop":"p","idempotency-key":"k","auth0-forwarded-for":"192.0.2.1",
               "accept-language":"de","content-type":"Application/JSON; charset=utf-8","origin":"https://app.example.com",
               "cf-connecting-ip":"2001:db8::1"},"body":null}"#,
        );
        assert_eq!((asked.method, asked.received_at), (Method::Post, UnixSeconds(5)));
        assert_eq!(
            (&*asked.id, &*asked.host, &*asked.path),
            ("id", "mfa.example.com:8443", "/mfa/associate")
        );
        assert_eq!(asked.query, "a=b?c");
        assert_eq!(asked.country.as_deref(), Some("DE"));
        assert_eq!(asked.origin.network, Some(3320));
        assert_eq!(asked.origin.address, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(asked.media_type().as_deref(), Some("application/json"));
        let headers = asked.headers;
        let read = [headers.authorization, headers.dpop, headers.idempotency_key, headers.forwarded_for];
        assert_eq!(read.map(Option::unwrap), ["Bearer x", "p", "k", "192.0.2.1"]);
        assert_eq!(headers.accept_language.as_deref(), Some("de"));
        assert_eq!(headers.origin.as_deref(), Some("https://app.example.com"));
        assert!(matches!(asked.body, Body::Bytes(bytes) if bytes == b"{}"));
    }

    #[test]
    fn what_is_missing_or_strange_is_none() {
        for head in ["", "null", "{}", r#"{"headers":5,"url":7,"country":"DEU","asn":"x","method":"TRACE"}"#]
        {
            let asked = request(head);
            assert_eq!((asked.method, &*asked.host, &*asked.path), (Method::Other, "", "/"), "{head}");
            assert!(
                asked.country.is_none() && asked.origin.network.is_none() && asked.origin.address.is_none()
            );
            assert!(asked.headers.authorization.is_none());
        }
        assert!(request(r#"{"country":"D-"}"#).country.is_none());
        assert_eq!(request(r#"{"url":"https://mfa.example.com"}"#).path, "/");
        // Only what may cost something asks where it comes from.
        let asked = request(r#"{"method":"GET","asn":5,"headers":{"cf-connecting-ip":"192.0.2.1"}}"#);
        assert!(asked.origin.network.is_none() && asked.origin.address.is_none());
    }

    #[test]
    fn a_body_that_was_not_read_is_told_from_an_empty_one() {
        assert!(matches!(request(r#"{"body":"too large"}"#).body, Body::TooLarge));
        assert!(matches!(request(r#"{"body":"unreadable"}"#).body, Body::Unreadable));
    }

    #[test]
    fn an_answer_is_a_line_and_its_body() {
        let mut response = Response::new(403, "application/json", "{\n}".to_owned());
        response.headers.push(("X-Request-Id", "a\nb".into()));
        let head = r#"{"status":403,"headers":{"Content-Type":"application/json","X-Request-Id":"a\nb"}}"#;
        assert_eq!(write(&response), format!("{head}\n{{\n}}"));
        assert_eq!(write(&Response::empty(204)), "{\"status\":204,\"headers\":{}}\n");
    }
}
