//! Whole requests through the front door.

use serde_json::{Value, json};

use super::{client_key, text, with_service};
use crate::http::request::{Body, Headers, Method, Request};
use crate::testing::person::Service;
use crate::trust::dpop;

/// The first line has verb and path, the next ones headers, then comes an empty line and the body. `$MFA`, `$ACCESS`,
/// `$CHAINED` and so on are tokens that are good.
pub(super) fn request(input: &[u8]) {
    let Some(written) = text(input) else { return };
    with_service(|service| {
        let written = filled(service, written);
        let (head, body) = written.split_once("\n\n").unwrap_or((&written, ""));
        let mut lines = head.lines();
        let (verb, path) = lines.next().unwrap_or_default().split_once(' ').unwrap_or_default();
        let method = match verb {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        };
        let mut headers = Headers::default();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            let value = Some(value.to_owned());
            match name {
                "Authorization" => headers.authorization = value,
                "DPoP" => headers.dpop = value,
                "Idempotency-Key" => headers.idempotency_key = value,
                "auth0-forwarded-for" => headers.forwarded_for = value,
                "Accept-Language" => headers.accept_language = value,
                "Content-Type" => headers.content_type = value,
                "Origin" => headers.origin = value,
                _ => {}
            }
        }
        let request = Request {
            method,
            path: path.to_owned(),
            headers,
            body: Body::Bytes(body.as_bytes().to_vec()),
            ..service.post("/", None, &Value::Null)
        };
        let answer = service.start(&request).finish();
        service.delivers();
        // A fault is ours, whatever was sent; that a service is not there is said when it is not.
        assert!(!matches!(answer.status, 500 | 503), "{}", answer.text);
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        if answer.text.is_empty() {
            return assert_eq!(answer.status, 204);
        }
        let body: Value = serde_json::from_str(&answer.text).expect("JSON");
        assert!(!has_null(&body), "{}", answer.text);
        if answer.status >= 400 {
            assert!(body["error"].is_string() && body["error_description"].is_string(), "{}", answer.text);
            let description = body["error_description"].as_str().unwrap();
            // Nothing of the request comes back but the name of a parameter.
            assert!(
                description.len() <= 400 || description.starts_with("Duplicate parameter: "),
                "{description}"
            );
        } else {
            assert_eq!(answer.status, 200);
        }
        assert_eq!(answer.status == 429, answer.header("Retry-After").is_some());
        consistent(service);
    });
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// What must be so of the database at any time.
fn consistent(service: &Service) {
    for (what, sql) in [
        (
            "too many pending",
            "SELECT count(*) FROM (SELECT 1 FROM enrollments GROUP BY user_id HAVING count(*) > 10)",
        ),
        (
            "too many active",
            "SELECT count(*) FROM (SELECT 1 FROM authenticators GROUP BY user_id HAVING count(*) > 20)",
        ),
        (
            "a recovery code of somebody who has nothing",
            "SELECT count(*) FROM recovery_codes WHERE user_id NOT IN (SELECT user_id FROM authenticators)",
        ),
    ] {
        assert_eq!(service.number(sql), 0, "{what}");
    }
}

fn filled(service: &Service, written: &str) -> String {
    let mut filled = written.to_owned();
    let mut put = |name: &str, value: &dyn Fn() -> String| {
        if filled.contains(name) {
            filled = filled.replace(name, &value());
        }
    };
    let person = service.person("alice");
    put("$MFA", &|| person.logs_in());
    put("$ENROLL", &|| person.access_token("enroll read:authenticators remove:authenticators"));
    put("$PROOF", &|| {
        let key = client_key();
        let nonce = dpop::nonce(&service.app.config.keyring, crate::testing::platform::START);
        key.proof("https://mfa.example.com/oauth/token", Some(&nonce), &json!({}))
    });
    put("$SUBJECT", &|| {
        person.logs_in_with(&json!({ "token_use": null, "aud": "https://api.example.com", "audience": null }))
    });
    put("$ID", &|| {
        let rows =
            service.world.query("SELECT id FROM authenticators UNION ALL SELECT id FROM enrollments", &[]);
        rows.first().and_then(|row| row.text("id").ok().map(str::to_owned)).unwrap_or_default()
    });
    put("$CODE", &|| {
        let messages = service.messages();
        messages.last().and_then(|message| message["code"].as_str().map(str::to_owned)).unwrap_or_default()
    });
    filled
}
