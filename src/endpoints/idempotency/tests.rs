use serde_json::{Value, json};

use super::REPEATED_SECONDS;
use crate::http::request::Request;
use crate::testing::person::{NUMBER, Service};

/// The request under the key `k`.
fn keyed(mut request: Request) -> Request {
    request.headers.idempotency_key = Some("k".to_owned());
    request
}

#[test]
fn the_answer_to_an_enrollment_is_not_repeated_to_a_login_that_is_spent() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let request = keyed(alice.associate_request(&login, &json!({ "authenticator_types": ["otp"] })));
    let first = service.send(&request).granted();
    let again = service.send(&request);
    assert_eq!((again.header("Idempotent-Replayed"), again.json()), (Some("true"), first.clone()));
    let mail = alice.adds_email(&login, "a@example.com");
    alice.enters_code(&login, &mail).granted();
    assert_eq!(
        service.number("SELECT COUNT(*) FROM enrollments WHERE kind = 'totp'"),
        1,
        "its answer is kept"
    );
    let refused = service.send(&request);
    refused.is_refused(401, "The mfa_token provided is invalid. Try getting a new token.");
    assert!(!refused.text.contains(first["secret"].as_str().unwrap()), "{}", refused.text);
}

#[test]
fn the_answer_to_a_challenge_is_not_repeated_to_a_login_that_is_spent() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let phone = alice.adds_phone(&alice.proves_mfa(&app), NUMBER);
    alice.enters_code(&alice.logs_in(), &phone).granted();
    for id in [&phone.id, &app.id] {
        let login = alice.logs_in();
        let request = keyed(alice.challenge_request(&login, &json!({ "authenticator_id": id })));
        let first = service.send(&request).granted();
        let again = service.send(&request);
        assert_eq!((again.header("Idempotent-Replayed"), again.json()), (Some("true"), first));
        alice.enters_otp(&login, &app.code(&service)).granted();
        service.send(&request).is_refused(403, "mfa_token has already been used");
        service.world.advance(30);
    }
}

#[test]
fn a_key_whose_answer_is_not_repeated_any_more_is_as_good_as_new_though_nobody_has_swept_it() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_app();
    let login = alice.logs_in();
    let asks = |body: &Value| service.send(&keyed(alice.challenge_request(&login, body)));
    let (first, other) = (json!({ "challenge_type": "otp" }), json!({ "challenge_type": "otp oob" }));
    asks(&first).granted();
    assert_eq!(asks(&other).refused().0, 422);
    service.world.advance(REPEATED_SECONDS);
    assert_eq!(service.world.count("idempotent_answers"), 1);
    assert_eq!(asks(&other).header("Idempotent-Replayed"), None);
    let again = asks(&other);
    again.granted();
    assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    assert_eq!(asks(&first).refused().0, 422);
}
