//! Cross-origin calls (Fetch standard, section 3.3): browsers ask first, and the answer is the union of what clients
//! have registered, because a preflight carries neither the token nor the body that would name one.

use super::response::Response;

/// Headers that a page may send.
const ALLOWED_HEADERS: &str = "authorization, content-type, auth0-client, dpop, idempotency-key";
/// Headers that a page may read.
const EXPOSED_HEADERS: &str = "DPoP-Nonce, Idempotent-Replayed, Retry-After, WWW-Authenticate, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id";
/// Seconds that a browser may remember a preflight.
const MAXIMUM_AGE: &str = "600";

/// The answer to a preflight for a path that knows these `methods`.
#[must_use]
pub fn preflight(methods: &'static str) -> Response {
    Response::empty(204)
        .with_header("Access-Control-Allow-Methods", methods)
        .with_header("Access-Control-Allow-Headers", ALLOWED_HEADERS)
        .with_header("Access-Control-Max-Age", MAXIMUM_AGE)
}

/// Lets the page at `origin` read the answer, if a client has registered it. `Vary` is always set: a cached answer
/// for one origin must not be served to another.
#[must_use]
pub fn allow(response: Response, origin: Option<&str>, registered: &[String]) -> Response {
    let response = response.with_header("Vary", "Origin");
    match origin {
        Some(origin) if registered.iter().any(|own| own == origin) => response
            .with_header("Access-Control-Allow-Origin", origin.to_owned())
            .with_header("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| &**value)
    }

    #[test]
    fn only_a_registered_origin_is_allowed_and_the_answer_always_varies() {
        let registered = ["https://app.example.com".to_owned()];
        for (origin, allowed) in [
            (Some("https://app.example.com"), Some("https://app.example.com")),
            (Some("https://app.example.com.evil.example"), None),
            (Some("http://app.example.com"), None),
            (Some("null"), None),
            (None, None),
        ] {
            let response = allow(Response::empty(200), origin, &registered);
            assert_eq!(header(&response, "Access-Control-Allow-Origin"), allowed, "{origin:?}");
            assert_eq!(header(&response, "Vary"), Some("Origin"));
        }
    }

    #[test]
    fn a_preflight_names_the_headers_that_sdks_send() {
        let response = preflight("POST");
        assert_eq!(response.status, 204);
        assert_eq!(header(&response, "Access-Control-Allow-Methods"), Some("POST"));
        for name in ["authorization", "content-type", "auth0-client", "dpop", "idempotency-key"] {
            assert!(header(&response, "Access-Control-Allow-Headers").unwrap().contains(name));
        }
    }
}
