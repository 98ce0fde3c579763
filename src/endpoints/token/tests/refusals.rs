//! What is refused before a code is looked at.

use std::pin::Pin;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use super::{GUESSES, SPENT};
use crate::algorithm::Algorithm;
use crate::http::request::Body;
use crate::platform::Platform;
use crate::routes;
use crate::testing::keys::key_set;
use crate::testing::person::{API, Answer, CLIENT_SECRET, NUMBER, Service};
use crate::testing::{TestKey, join_all};

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

#[test]
fn of_several_faults_the_first_in_the_documented_order_is_told() {
    let service = Service::new();
    let alice = service.person("alice");
    let send = |body: &Value| service.send(&service.post("/oauth/token", None, body));
    let expired = alice.logs_in();
    service.world.advance(661);
    let read_only = alice.access_token("read:authenticators");
    let good = |token: &str| json!({ "grant_type": OTP, "client_id": "app", "mfa_token": token, "otp": "000000", "audience": API });
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };

    let mut request = service.post("/oauth/token", None, &json!({}));
    request.headers.content_type = Some("text/plain".to_owned());
    service
        .send(&request)
        .is_refused(415, "The Content-Type must be application/json or application/x-www-form-urlencoded.");
    request.body = Body::TooLarge;
    service.send(&request).is_refused(413, "The request body is longer than 64 KB.");
    send(&json!({})).is_refused(400, "Missing required parameter: grant_type");
    send(&json!({ "grant_type": "password" })).is_refused(400, "Missing required parameter: client_id");
    send(&json!({ "grant_type": "password", "client_id": "nobody" })).is_refused(401, "Unauthorized");
    let answer = send(&json!({ "grant_type": "password", "client_id": "app" }));
    answer.is_refused(400, "This grant_type is not supported.");
    assert_eq!(answer.json()["error"], "unsupported_grant_type");
    for (grant_type, parameter) in [(OTP, "otp"), (OOB, "oob_code"), (RECOVERY_CODE, "recovery_code")] {
        let answer = send(&json!({ "grant_type": grant_type, "client_id": "app" }));
        answer.is_refused(400, &format!("Missing required parameter: {parameter}"));
    }
    let answer = send(&json!({ "grant_type": OOB, "client_id": "app", "oob_code": "x" }));
    answer.is_refused(400, "Missing required parameter: binding_code");
    let answer = send(&json!({ "grant_type": OTP, "client_id": "app", "otp": "000000" }));
    answer.is_refused(400, "Missing required parameter: mfa_token");
    let answer = send(&good("junk"));
    answer.is_refused(403, "Malformed mfa_token");
    assert_eq!(answer.json()["error"], "invalid_grant");
    let answer = send(&good(&expired));
    answer.is_refused(401, "mfa_token is expired");
    assert_eq!(answer.json()["error"], "expired_token");
    let other_client = alice.at_client("server").logs_in();
    send(&good(&other_client)).is_refused(400, "mfa_token not issued to this client");
    send(&good(&read_only)).is_refused(403, "Insufficient scope, expected any of: enroll");
    let answer = send(&with(good(&alice.logs_in()), "audience", json!("https://elsewhere.example.com")));
    answer.is_refused(400, "The audience is not registered for this client.");
    assert_eq!(service.world.count("budgets"), 0, "nothing of all this is a guess");
    send(&good(&alice.logs_in())).is_refused(403, super::INVALID_OTP);
    assert_eq!(service.charged_seconds(GUESSES), super::ONE_GUESS);
}

#[test]
fn each_parameter_of_a_wrong_type_is_named() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    for (name, value) in [
        ("grant_type", json!(1)),
        ("client_id", Value::Null),
        ("client_secret", json!([])),
        ("client_assertion", json!({})),
        ("client_assertion_type", json!(true)),
        ("mfa_token", Value::Null),
        ("otp", Value::Null),
        ("otp", json!(-1)),
        ("otp", json!(1.5)),
        ("audience", json!(["x"])),
        ("scope", json!(["openid"])),
    ] {
        let mut body = json!({ "grant_type": OTP, "client_id": "app", "mfa_token": login, "otp": "000000" });
        body[name] = value;
        let answer = service.send(&service.post("/oauth/token", None, &body));
        answer.is_refused(400, &format!("{name} must be a string"));
    }
    let mut request = alice.otp_request(&login, "000000");
    request.body = Body::Bytes(br#"{"grant_type":"x","grant_type":"y"}"#.to_vec());
    service.send(&request).is_refused(400, "Duplicate parameter: grant_type");
    assert_eq!(service.world.count("budgets"), 0);
}

#[test]
fn a_client_may_present_its_secret_by_post_or_by_basic_and_only_basic_is_challenged() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    let send = |body: Value, basic: Option<&str>| -> Answer {
        let mut request = service.post("/oauth/token", None, &body);
        request.headers.authorization = basic
            .map(|secret| format!("Basic {}", Base64::encode_string(format!("server:{secret}").as_bytes())));
        service.send(&request)
    };
    let body = || json!({ "grant_type": OTP, "mfa_token": alice.logs_in(), "otp": "000000" });
    let with = |id: &str, secret: &str| {
        let mut body = body();
        body["client_id"] = json!(id);
        body["client_secret"] = json!(secret);
        body
    };
    // The client is who it says; what is refused then is the code.
    send(body(), Some(CLIENT_SECRET)).is_refused(403, super::INVALID_OTP);
    send(with("server", CLIENT_SECRET), None).is_refused(403, super::INVALID_OTP);
    for (answer, challenge) in [
        (send(body(), Some("wrong")), true),
        (send(with("server", "wrong"), None), false),
        (send(with("server", ""), None), false),
        (send(with("server", CLIENT_SECRET), Some(CLIENT_SECRET)), true),
        (send(with("app", CLIENT_SECRET), None), false),
    ] {
        answer.is_refused(401, "Unauthorized");
        assert_eq!(answer.json()["error"], "access_denied");
        assert_eq!(answer.header("WWW-Authenticate").is_some(), challenge);
    }
    let no_id = json!({ "grant_type": OTP, "mfa_token": alice.logs_in(), "otp": "000000" });
    send(no_id, None).is_refused(400, "Missing required parameter: client_id");
}

#[test]
fn a_client_that_came_by_basic_is_challenged_whatever_it_is_refused_for() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    service.world.query("UPDATE clients SET issuers = '[\"other\"]'", &[]);
    let closed = json!({ "grant_type": OTP, "mfa_token": alice.logs_in(), "otp": "000000" });
    let mut other_type = closed.clone();
    other_type["client_assertion"] = json!("a.b.c");
    other_type["client_assertion_type"] = json!("x");
    for body in [closed, other_type] {
        let mut request = service.post("/oauth/token", None, &body);
        let credentials = Base64::encode_string(format!("server:{CLIENT_SECRET}").as_bytes());
        request.headers.authorization = Some(format!("Basic {credentials}"));
        let answer = service.send(&request);
        answer.is_refused(401, "Unauthorized");
        assert!(answer.header("WWW-Authenticate").is_some(), "{body}");
    }
}

#[test]
fn a_client_takes_the_tokens_of_its_own_issuers_only() {
    let service = Service::new();
    let (alice, stranger) = (service.person("alice"), service.stranger("alice"));
    service.world.query("UPDATE clients SET issuers = '[\"idp\"]'", &[]);
    stranger.enters_otp(&stranger.logs_in(), "000000").is_refused(401, "Unauthorized");
    alice.enters_otp(&alice.logs_in(), "000000").is_refused(403, super::INVALID_OTP);
    assert_eq!(service.world.count("budgets"), 1);
}

#[test]
fn a_client_that_changed_under_the_cache_is_read_once_more_and_a_removed_one_is_gone_at_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    service.touches_client("app");
    let login = alice.logs_in();
    let batches = service.world.batches().len();
    alice.enters_otp(&login, &app.code(&service)).granted();
    // Charged nothing, the client's row, two round trips.
    assert_eq!(service.world.batches().len() - batches, 4);
    assert_eq!(service.charged_seconds(GUESSES), 0);

    service.world.advance(30);
    service.removes_client("app");
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(401, "Unauthorized");
    assert_eq!(service.charged_seconds(GUESSES), 0);
}

#[test]
fn a_client_that_changes_all_the_time_ends_in_a_neutral_answer_and_costs_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let request = alice.otp_request(&alice.logs_in(), &app.code(&service));
    let mut running = service.start(&request);
    let answer = loop {
        service.touches_client("app");
        if let Some(answer) = running.step() {
            break answer;
        }
    };
    answer.is_refused(503, super::UNAVAILABLE);
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT max(failures) FROM authenticators"), 0);
}

#[test]
fn an_exchanged_login_is_told_so_and_costs_nothing_more() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let recovery_code = app.recovery_code.clone().unwrap();
    let proof = alice.proves_mfa(&app);
    let phone = alice.adds_phone(&proof, NUMBER);
    let login = alice.logs_in();
    alice.enters_otp(&login, &app.code(&service)).granted();
    service.world.advance(30);
    let before = service.world.database_text();
    alice.enters_otp(&login, &app.code(&service)).is_refused(403, SPENT);
    alice.enters_code(&login, &phone).is_refused(403, SPENT);
    alice.recovers(&login, &recovery_code).is_refused(403, SPENT);
    assert_eq!(service.world.database_text(), before);
}

#[test]
fn an_oob_code_is_ours_alive_and_of_this_user_and_client() {
    let service = Service::new();
    let alice = service.person("alice");
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let send = |login: &str, oob_code: &str| service.send(&alice.oob_request(login, oob_code, &phone.code));
    let (cut, _) = phone.oob_code.split_at(phone.oob_code.len() - 1);
    for junk in ["x", "csoob_", "csoob_s1.AAAA", cut, &alice.logs_in()] {
        send(&alice.logs_in(), junk).is_refused(403, "Malformed oob_code");
    }
    let mismatch = "The oob_code doesn't match the mfa_token";
    let bob = service.person("bob");
    bob.enters_code(&bob.logs_in(), &phone).is_refused(400, mismatch);
    let stranger = service.stranger("alice");
    stranger.enters_code(&stranger.logs_in(), &phone).is_refused(400, mismatch);
    let elsewhere = alice.at_client("server");
    elsewhere.enters_code(&elsewhere.logs_in(), &phone).is_refused(400, mismatch);
    assert_eq!(service.number("SELECT attempts FROM enrollments"), 0);
    assert_eq!(service.charged_seconds(GUESSES), 0, "none of this was a guess");

    // A reload logs in anew; the enrollment goes on.
    service.world.advance(299);
    let login = alice.logs_in();
    alice.enters_code(&login, &phone.mistyped()).is_refused(403, super::INVALID_BINDING_CODE);
    service.world.advance(1);
    let charged = service.charged_seconds(GUESSES);
    let answer = alice.enters_code(&login, &phone);
    answer.is_refused(401, "oob_code is expired");
    assert_eq!(service.charged_seconds(GUESSES), charged, "a code that is too late is no guess");
    assert_eq!(answer.json()["error"], "expired_token");
    assert_eq!(service.world.count("authenticators"), 0);
}

#[test]
fn an_app_can_be_confirmed_for_a_day_by_the_client_that_enrolled_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    let elsewhere = alice.at_client("server");
    elsewhere.enters_otp(&elsewhere.logs_in(), &app.code(&service)).is_refused(403, super::INVALID_OTP);
    service.world.advance(86_399);
    let last_moment = alice.otp_request(&alice.logs_in(), &app.code(&service));
    service.world.advance(1);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(403, super::INVALID_OTP);
    service.send(&last_moment).granted();
}

#[test]
fn codes_of_other_forms_are_wrong_codes_and_cost_a_guess() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    for code in ["1", "12345", "1234567", "12345a", "١٢٣٤٥٦", " 12345"] {
        alice.enters_otp(&alice.logs_in(), code).is_refused(403, super::INVALID_OTP);
    }
    assert_eq!(service.charged_seconds(GUESSES), 6 * super::ONE_GUESS);
    alice.recovers(&alice.logs_in(), "x").is_refused(403, super::INVALID_RECOVERY_CODE);
    assert_eq!(service.charged_seconds(super::RECOVERY_GUESSES), super::ONE_GUESS);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
}

/// A client with a key of its own, and its assertion with this `jti`.
fn assertion(service: &Service, jti: &str) -> String {
    let key = TestKey::new(Algorithm::ES256, 5, "client-1");
    service.world.query(
        "INSERT OR REPLACE INTO clients (id, version, name, authentication, jwks, audiences, created_at)
         SELECT 'signer', 1, 'signer', 'private_key_jwt', ?1, audiences, 0 FROM clients WHERE id = 'app'",
        &[key_set(&[&key]).into()],
    );
    let now = service.world.now().0;
    let claims = json!({
        "iss": "signer", "sub": "signer", "aud": "https://mfa.example.com/oauth/token", "jti": jti,
        "iat": now, "exp": now + 60,
    });
    key.sign(&json!({}), &claims)
}

#[test]
fn an_assertion_counts_once_whatever_becomes_of_the_request() {
    let service = Service::new();
    let alice = service.person("alice").at_client("signer");
    let send = |assertion: &str, otp: &str| {
        service.send(&service.post(
            "/oauth/token",
            None,
            &json!({
                "grant_type": OTP, "client_id": "signer", "mfa_token": alice.logs_in(), "otp": otp,
                "client_assertion": assertion,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            }),
        ))
    };
    let first = assertion(&service, "one");
    let app = alice.adds_app(&alice.logs_in());
    send(&first, "x").is_refused(403, super::INVALID_OTP);
    send(&first, &app.code(&service)).is_refused(401, "Unauthorized");
    // A client that changes under way is read again, and its assertion not asked for again.
    let second = assertion(&service, "two");
    service.touches_client("signer");
    send(&second, &app.code(&service)).granted();
    assert_eq!(service.world.count("client_assertions"), 2);
    assert!(!service.world.database_text().contains("jti_hash=one"));
}

#[test]
fn a_client_whose_keys_cannot_be_had_is_not_called_somebody_else_and_its_assertion_stays_good() {
    let service = Service::new();
    let uri = "https://app.example.com/jwks.json";
    let first = assertion(&service, "one");
    service.world.query("UPDATE clients SET jwks = NULL, jwks_uri = ?1 WHERE id = 'signer'", &[uri.into()]);
    let alice = service.person("alice").at_client("signer");
    let app = alice.adds_app(&alice.logs_in());
    let send = |id: &str| {
        service.send(&service.post(
            "/oauth/token",
            None,
            &json!({
                "grant_type": OTP, "client_id": id, "mfa_token": alice.logs_in(), "otp": app.code(&service),
                "client_assertion": first,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            }),
        ))
    };
    service.world.answer(uri, Err(crate::platform::FetchError::Timeout));
    let answer = send("signer");
    answer.is_refused(503, super::UNAVAILABLE);
    assert_eq!(answer.header("Retry-After"), Some("30"));
    assert_eq!(service.world.events("request_failed").pop().unwrap()["reason"], "client_keys");
    send("nobody").is_refused(401, "Unauthorized");
    assert_eq!((service.world.count("client_assertions"), service.charged_seconds(GUESSES)), (0, 0));
    service.world.answer_json(uri, &key_set(&[&TestKey::new(Algorithm::ES256, 5, "client-1")]), None);
    service.world.advance(30);
    send("signer").granted();
}

#[test]
fn one_assertion_used_five_times_at_once_counts_once() {
    let service = Service::new();
    let alice = service.person("alice").at_client("signer");
    let assertion = assertion(&service, "one");
    let body = json!({
        "authenticator_types": ["otp"], "client_id": "signer", "client_assertion": assertion,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    let requests: Vec<_> = (0..5).map(|_| alice.associate_request(&alice.logs_in(), &body)).collect();
    let running = requests.iter().map(|request| -> Pin<Box<dyn Future<Output = u16>>> {
        Box::pin(async { routes::handle(&service.app, request).await.status })
    });
    let mut statuses = join_all(running.collect());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401]);
    assert_eq!(service.world.count("enrollments"), 1);
}
