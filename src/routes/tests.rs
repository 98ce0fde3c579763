use serde_json::{Value, json};

use super::*;
use crate::http::request::{Body, Headers};
use crate::testing::Variables;
use crate::testing::person::{Answer, ORIGIN, Service};
use crate::testing::platform::BatchFault;

const POST_PATHS: [&str; 3] = ["/mfa/associate", "/mfa/challenge", "/oauth/token"];
const GET_PATHS: [&str; 3] =
    ["/mfa/authenticators", "/.well-known/jwks.json", "/.well-known/openid-configuration"];

fn request(method: Method, path: &str) -> Request {
    Request {
        id: "0123456789abcdef".to_owned(),
        received_at: crate::testing::platform::START,
        method,
        host: "mfa.example.com".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        origin: Default::default(),
        country: None,
        headers: Headers::default(),
        body: Body::Bytes(Vec::new()),
        involved: Default::default(),
    }
}

#[track_caller]
fn has_everyones_headers(answer: &Answer, cache_control: &str) {
    assert_eq!(answer.header("X-Request-Id"), Some("0123456789abcdef"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Cache-Control"), Some(cache_control));
    assert_eq!(answer.header("Vary"), Some("Origin"));
}

#[test]
fn where_there_is_nothing_the_answer_is_404_for_every_method() {
    let service = Service::new();
    for path in [
        "",
        "/index.html",
        "/mfa",
        "/mfa/",
        "/mfa/associate/",
        "/MFA/associate",
        "//mfa/associate",
        "/mfa/authenticators/",
        "/mfa/authenticators/a/b",
        "/oauth/token/x",
        "/oauth",
        "/authorize",
        "/.well-known/jwks",
        "/mfa%2Fassociate",
    ] {
        for method in [Method::Get, Method::Post, Method::Delete, Method::Options, Method::Other] {
            let answer = service.send(&request(method, path));
            answer.is_refused(404, "There is nothing at this path.");
            assert_eq!(answer.json()["error"], "not_found");
            has_everyones_headers(&answer, "no-store");
        }
    }
}

#[cfg(not(feature = "development"))]
#[test]
fn a_deploy_build_has_no_page() {
    let service = Service::new();
    for path in ["/", "/dev/outbox", "/dev/page.js"] {
        service.send(&request(Method::Get, path)).is_refused(404, "There is nothing at this path.");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let service = Service::new();
    let check = |method: Method, path: &str, allowed: &str| {
        let answer = service.send(&request(method, path));
        answer.is_refused(405, &format!("This path answers to {allowed}."));
        assert_eq!(answer.json()["error"], "method_not_allowed");
        assert_eq!(answer.header("Allow"), Some(allowed));
        has_everyones_headers(&answer, "no-store");
    };
    for path in POST_PATHS {
        for method in [Method::Get, Method::Delete, Method::Other] {
            check(method, path, "POST, OPTIONS");
        }
    }
    for path in GET_PATHS {
        for method in [Method::Post, Method::Delete, Method::Other] {
            check(method, path, "GET, HEAD, OPTIONS");
        }
    }
    for method in [Method::Get, Method::Post, Method::Other] {
        check(method, "/mfa/authenticators/totp%7Cdev_x", "DELETE, OPTIONS");
    }
}

#[test]
fn another_host_is_refused_before_anything_else() {
    let service = Service::new();
    for host in ["evil.example.com", "mfa.example.com:8443", "MFA.example.com", "mfa.example.com.", ""] {
        for path in ["/mfa/associate", "/oauth/token", "/.well-known/jwks.json", "/nowhere"] {
            for method in [Method::Get, Method::Post, Method::Options] {
                let answer = service.send(&Request { host: host.to_owned(), ..request(method, path) });
                answer.is_refused(421, "This service answers at https://mfa.example.com.");
                assert_eq!(answer.json()["error"], "misdirected_request");
                has_everyones_headers(&answer, "no-store");
            }
        }
    }
    assert!(service.world.batches().is_empty() && service.world.fetches().is_empty());
}

#[test]
fn a_host_with_a_port_is_known_with_it() {
    let service = Service::configured(&Variables::new().with("PUBLIC_URL", "http://localhost:8787"));
    for (host, status) in [("localhost:8787", 200), ("localhost", 421), ("localhost:8788", 421)] {
        let request =
            Request { host: host.to_owned(), ..request(Method::Get, "/.well-known/openid-configuration") };
        assert_eq!(service.send(&request).status, status, "{host}");
    }
}

#[test]
fn a_preflight_is_answered_for_every_path_and_allows_registered_origins_only() {
    let service = Service::new();
    let all = POST_PATHS.iter().chain(&GET_PATHS).chain(&["/mfa/authenticators/x"]);
    for path in all {
        for (origin, allowed) in [
            (Some(ORIGIN), Some(ORIGIN)),
            (Some("https://evil.example.com"), None),
            (Some("null"), None),
            (None, None),
        ] {
            let mut request = request(Method::Options, path);
            request.headers.origin = origin.map(str::to_owned);
            let answer = service.send(&request);
            assert_eq!((answer.status, answer.text.as_str()), (204, ""));
            assert_eq!(answer.header("Access-Control-Allow-Origin"), allowed);
            assert!(answer.header("Access-Control-Allow-Methods").unwrap().ends_with("OPTIONS"));
            assert_eq!(answer.header("Access-Control-Max-Age"), Some("600"));
            assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
            let headers = answer.header("Access-Control-Allow-Headers").unwrap();
            assert_eq!(headers, "authorization, content-type, auth0-client, dpop, idempotency-key");
            has_everyones_headers(&answer, "no-store");
        }
    }
}

#[test]
fn a_page_of_a_registered_origin_may_read_errors_as_well() {
    let service = Service::new();
    for (method, path, status) in [
        (Method::Post, "/mfa/associate", 415),
        (Method::Post, "/oauth/token", 415),
        (Method::Get, "/mfa/associate", 405),
        (Method::Get, "/nowhere", 404),
        (Method::Get, "/.well-known/jwks.json", 200),
    ] {
        let mut request = request(method, path);
        request.headers.origin = Some(ORIGIN.to_owned());
        let answer = service.send(&request);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(ORIGIN));
        let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
        for name in ["Retry-After", "WWW-Authenticate", "X-RateLimit-Reset", "X-Request-Id"] {
            assert!(exposed.contains(name), "{name}");
        }
    }
}

#[test]
fn origins_are_those_of_all_clients_and_remembered_for_a_minute() {
    let service = Service::new();
    let allowed = |origin: &str| {
        let mut request = request(Method::Options, "/oauth/token");
        request.headers.origin = Some(origin.to_owned());
        request.received_at = service.world.now();
        service.send(&request).header("Access-Control-Allow-Origin").map(str::to_owned)
    };
    assert_eq!(allowed(ORIGIN).as_deref(), Some(ORIGIN));
    service.world.query(
        "UPDATE clients SET origins = '[\"https://a.example.com\",\"https://b.example.com\"]' WHERE id = 'server'",
        &[],
    );
    assert_eq!(allowed("https://b.example.com"), None);
    assert_eq!(service.world.batches().len(), 1);
    service.world.advance(60);
    assert_eq!(allowed("https://b.example.com").as_deref(), Some("https://b.example.com"));
    assert_eq!(allowed(ORIGIN).as_deref(), Some(ORIGIN));
}

#[test]
fn a_registry_that_cannot_be_read_allows_nobody_and_says_so_in_the_log() {
    let service = Service::new();
    service.world.fail_batch(BatchFault::BeforeCommit);
    let mut request = request(Method::Get, "/.well-known/jwks.json");
    request.headers.origin = Some(ORIGIN.to_owned());
    let answer = service.send(&request);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    assert!(service.world.log_text().contains("\"event\":\"origins_unavailable\""));
    // Next time it is asked again.
    let answer = service.send(&request);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(ORIGIN));
}

#[test]
fn each_half_of_the_api_has_its_content_type() {
    let service = Service::new();
    for (method, path, content_type, pragma) in [
        (Method::Post, "/mfa/associate", "application/json; charset=utf-8", None),
        (Method::Post, "/mfa/challenge", "application/json; charset=utf-8", None),
        (Method::Get, "/mfa/authenticators", "application/json; charset=utf-8", None),
        (Method::Get, "/mfa/nowhere", "application/json; charset=utf-8", None),
        (Method::Post, "/oauth/token", "application/json", Some("no-cache")),
        (Method::Get, "/oauth/token", "application/json", Some("no-cache")),
        (Method::Get, "/nowhere", "application/json", Some("no-cache")),
    ] {
        let answer = service.send(&request(method, path));
        assert!(answer.status >= 400);
        assert_eq!(answer.header("Content-Type"), Some(content_type), "{path}");
        assert_eq!(answer.header("Pragma"), pragma, "{path}");
    }
}

#[test]
fn the_key_set_has_the_public_keys_alone_and_may_be_kept_for_five_minutes() {
    let service = Service::new();
    let answer = service.send(&request(Method::Get, "/.well-known/jwks.json"));
    has_everyones_headers(&answer, "public, max-age=300");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let keys = answer.granted();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    assert!(service.world.batches().is_empty());
}

#[test]
fn discovery_names_what_is_there() {
    let service = Service::new();
    let answer = service.send(&request(Method::Get, "/.well-known/openid-configuration"));
    has_everyones_headers(&answer, "public, max-age=300");
    let document = answer.granted();
    assert_eq!(document["issuer"], "https://mfa.example.com/");
    for name in ["token_endpoint", "jwks_uri"] {
        let path = document[name].as_str().unwrap().strip_prefix("https://mfa.example.com").unwrap();
        assert_ne!(service.send(&request(Method::Get, path)).status, 404, "{name}");
    }
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256"];
    for name in ["token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"] {
        assert_eq!(document[name], json!(algorithms), "{name}");
    }
    assert_eq!(document["acr_values_supported"], json!([crate::mfa::policy::MULTI_FACTOR_CLASS]));
    assert!(document["claims_supported"].as_array().unwrap().contains(&json!("acr")));
    let grants = document["grant_types_supported"].as_array().unwrap();
    for grant in ["mfa-otp", "mfa-oob", "mfa-recovery-code"] {
        assert!(grants.contains(&json!(format!("http://auth0.com/oauth/grant-type/{grant}"))));
    }
}

#[test]
fn a_broken_configuration_is_told_neutrally_in_the_paths_own_form() {
    for (path, content_type) in
        [("/mfa/associate", "application/json; charset=utf-8"), ("/oauth/token", "application/json")]
    {
        let response = not_configured(&request(Method::Post, path));
        assert_eq!(response.status, 503);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["error"], "temporarily_unavailable");
        for (name, value) in [
            ("Content-Type", content_type),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-Id", "0123456789abcdef"),
        ] {
            let own = response.headers.iter().filter(|(own, _)| *own == name).map(|(_, own)| &**own);
            assert_eq!(own.collect::<Vec<_>>(), [value]);
        }
    }
}
