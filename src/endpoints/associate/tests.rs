use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::request::{Body, Method};
use crate::platform::Platform;
use crate::testing::Variables;
use crate::testing::person::{
    Answer, CLIENT_SECRET, MFA_API, NUMBER, OTHER_NUMBER, Person, Service, WEBHOOK, WEBHOOK_SECRET,
};
use crate::testing::platform::BatchFault;

const INVALID_BEARER: &str = "The mfa_token provided is invalid. Try getting a new token.";
const UNAVAILABLE: &str = "The service is temporarily unavailable. Try again in a moment.";
const TOO_MANY_SMS: &str = "Too many SMS sent by the user. Wait for some minutes before retrying.";
const TOO_MANY_EMAILS: &str = "Too many emails sent by the user. Wait for some minutes before retrying.";

fn otp() -> Value {
    json!({ "authenticator_types": ["otp"] })
}

fn sms() -> Value {
    json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": NUMBER })
}

fn voice() -> Value {
    json!({ "authenticator_types": ["oob"], "oob_channels": ["voice"], "phone_number": NUMBER })
}

fn email() -> Value {
    json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] })
}

/// `body` with these members changed.
fn with(mut body: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn members(answer: &Value) -> Vec<&str> {
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

// Answers.

#[test]
fn an_app_is_answered_with_its_secret_and_the_first_recovery_code_and_nothing_else() {
    let service = Service::new();
    let alice = service.person("alice");
    let answer = alice.associates(&alice.logs_in(), &otp());
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("Pragma"), None);
    let answer = answer.granted();
    let expected =
        ["authenticator_type", "barcode_uri", "id", "manual_input_code", "recovery_codes", "secret"];
    assert_eq!(members(&answer), expected);
    assert_eq!(answer["authenticator_type"], "otp");
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with("totp|dev_") && id.len() == 25, "{id}");
    let secret = answer["secret"].as_str().unwrap();
    let uri = format!(
        "otpauth://totp/Example:alice%40example.com?secret={secret}&issuer=Example&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(answer["barcode_uri"], uri);
    assert_eq!(answer["manual_input_code"], secret);
    assert_eq!(answer["recovery_codes"].as_array().unwrap().len(), 1);
    assert_eq!(answer["recovery_codes"][0].as_str().unwrap().len(), 24);
}

#[test]
fn the_qr_picture_comes_when_it_is_asked_for() {
    let service = Service::new();
    let alice = service.person("alice");
    let answer = alice.associates(&alice.logs_in(), &with(otp(), &json!({ "qr_svg": true }))).granted();
    assert!(answer["qr_svg"].as_str().unwrap().starts_with("<svg "));
    let answer = alice.associates(&alice.logs_in(), &with(otp(), &json!({ "qr_svg": false }))).granted();
    assert_eq!(answer.get("qr_svg"), None);
}

#[test]
fn a_channel_is_answered_with_an_oob_code_and_its_name_in_both_spellings() {
    let service = Service::new();
    let alice = service.person("alice");
    for (body, channel) in [(sms(), "sms"), (voice(), "voice"), (email(), "email")] {
        let answer = alice.associates(&alice.logs_in(), &body).granted();
        let expected = [
            "authenticator_type",
            "binding_method",
            "id",
            "oob_channel",
            "oob_channels",
            "oob_code",
            "recovery_codes",
        ];
        assert_eq!(members(&answer), expected);
        assert_eq!(answer["authenticator_type"], "oob");
        assert_eq!(answer["binding_method"], "prompt");
        assert_eq!(answer["oob_channel"], channel);
        assert_eq!(answer["oob_channels"], channel);
        assert!(answer["id"].as_str().unwrap().starts_with(&format!("{channel}|dev_")));
    }
}

#[test]
fn the_message_goes_to_the_given_address_or_to_the_tokens_verified_mail() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.adds_phone(&alice.logs_in(), "+49 (151) 234-56789");
    alice.adds_email(&alice.logs_in(), "Elsewhere@example.org");
    alice.adds_message(&alice.logs_in(), "email", &json!({}));
    let to: Vec<_> = service.messages().iter().map(|message| message["to"].clone()).collect();
    assert_eq!(to, [NUMBER, "Elsewhere@example.org", "alice@example.com"]);

    let unverified = alice.logs_in_with(&json!({ "email_verified": false }));
    alice.associates(&unverified, &email()).is_refused(400, "Missing required parameter: email");
    let with_number = alice.logs_in_with(&json!({ "phone_number": NUMBER }));
    let without = with(sms(), &json!({ "phone_number": "" }));
    alice.associates(&with_number, &without).is_refused(400, "Missing required parameter: phone_number");
}

#[test]
fn a_switched_off_recovery_code_is_neither_shown_nor_stored() {
    let service = Service::configured(&Variables::new().with("FACTORS", r#"{"otp":{}}"#));
    let alice = service.person("alice");
    let answer = alice.associates(&alice.logs_in(), &otp()).granted();
    assert_eq!(answer.get("recovery_codes"), None);
    assert_eq!(service.number("SELECT count(recovery_hash) FROM enrollments"), 0);
    alice.associates(&alice.logs_in(), &sms()).is_refused(400, "The sms factor is not enabled.");
}

#[cfg(not(feature = "development"))]
#[test]
fn without_a_provider_no_channel_is_enabled() {
    let service = Service::configured(&Variables::new());
    let alice = service.person("alice");
    for (body, channel) in [(sms(), "sms"), (voice(), "voice"), (email(), "email")] {
        let answer = alice.associates(&alice.logs_in(), &body);
        answer.is_refused(400, &format!("The {channel} factor is not enabled."));
    }
    alice.associates(&alice.logs_in(), &otp()).granted();
}

// What it costs.

#[test]
fn a_warm_isolate_needs_one_round_trip_of_one_statement_for_an_app_and_of_three_for_a_message() {
    let service = Service::new();
    let (alice, bob) = (service.person("alice"), service.person("bob"));
    alice.associates(&alice.logs_in(), &otp()).granted();
    for (body, statements) in [(otp(), 1), (sms(), 3), (email(), 3)] {
        let login = bob.logs_in();
        let (batches, fetches) = (service.world.batches().len(), service.world.fetches().len());
        let (cache_reads, imports) = (service.world.cache_reads(), service.world.imports());
        bob.associates(&login, &body).granted();
        let batches = service.world.batches()[batches..].iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(batches, [statements]);
        assert_eq!(service.world.fetches().len(), fetches);
        assert_eq!((service.world.cache_reads(), service.world.imports()), (cache_reads, imports));
    }
}

// The order of checks.

#[test]
fn of_several_faults_the_first_in_the_documented_order_is_told() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_app();
    service.world.query("UPDATE clients SET require_authentication = 1 WHERE id = 'server'", &[]);
    let token = |client: &str, scope: &str| alice.at_client(client).access_token(scope);
    let bad_body = json!({ "authenticator_types": ["fax"] });

    // Each row repairs one more fault.
    let mut request = alice.associate_request("junk", &bad_body);
    request.headers.content_type = Some("text/plain".to_owned());
    service.send(&request).is_refused(415, "The Content-Type must be application/json.");
    alice.associates("junk", &bad_body).is_refused(401, INVALID_BEARER);
    let answer = alice.associates(&token("server", "read:authenticators"), &bad_body);
    answer.is_refused(400, "authenticator_types may contain otp and oob.");
    alice.associates(&token("server", "read:authenticators"), &otp()).is_refused(401, "Unauthorized");
    let authenticated = with(sms(), &json!({ "client_id": "server", "client_secret": CLIENT_SECRET }));
    let answer = alice.associates(&token("server", "read:authenticators"), &authenticated);
    answer.is_refused(403, "Insufficient scope, expected any of: enroll");

    exhaust_phone_budget(&service, "alice");
    let answer = alice.associates(&token("server", "enroll"), &authenticated);
    answer.is_refused(403, "User is already enrolled.");
    service.world.query("DELETE FROM authenticators", &[]);
    alice.associates(&token("server", "enroll"), &authenticated).is_refused(429, TOO_MANY_SMS);
    service.world.query("DELETE FROM message_budgets", &[]);
    alice.associates(&token("server", "enroll"), &authenticated).granted();
}

#[test]
fn a_body_is_measured_before_it_is_read_and_read_after_the_bearer() {
    let service = Service::new();
    let alice = service.person("alice");
    for (body, token, status, description) in [
        (Body::TooLarge, "junk".to_owned(), 413, "The request body is longer than 64 KB."),
        (Body::Unreadable, "junk".to_owned(), 400, "The request body ended early."),
        (Body::Bytes(b"{".to_vec()), "junk".to_owned(), 401, INVALID_BEARER),
        (Body::Bytes(b"{".to_vec()), alice.logs_in(), 400, "The request body must be a JSON object."),
        (Body::Bytes(vec![0xff]), alice.logs_in(), 400, "The request body is not valid UTF-8."),
    ] {
        let mut request = alice.associate_request(&token, &otp());
        request.body = body;
        service.send(&request).is_refused(status, description);
    }
}

#[test]
fn each_parameter_that_is_wrong_is_named() {
    let service = Service::new();
    let alice = service.person("alice");
    for (body, description) in [
        (json!({}), "Missing required parameter: authenticator_types"),
        (json!({ "authenticator_types": [] }), "Missing required parameter: authenticator_types"),
        (json!({ "authenticator_types": "otp" }), "authenticator_types must be an array of strings"),
        (json!({ "authenticator_types": null }), "authenticator_types must be an array of strings"),
        (json!({ "authenticator_types": [1] }), "authenticator_types must be an array of strings"),
        (json!({ "authenticator_types": ["oob"] }), "Missing required parameter: oob_channels"),
        (with(sms(), &json!({ "oob_channels": 1 })), "oob_channels must be an array of strings"),
        (
            with(sms(), &json!({ "oob_channels": ["pigeon"] })),
            "oob_channels may contain sms, voice, email and auth0.",
        ),
        (with(sms(), &json!({ "oob_channels": ["auth0"] })), "The auth0 factor is not enabled."),
        (with(sms(), &json!({ "phone_number": null })), "phone_number must be a string"),
        (with(sms(), &json!({ "phone_number": "0151 23456789" })), "The phone number is invalid."),
        (with(email(), &json!({ "email": 5 })), "email must be a string"),
        (with(email(), &json!({ "email": "alice" })), "The email address is invalid."),
        (with(otp(), &json!({ "qr_svg": "yes" })), "qr_svg must be true or false"),
        (with(otp(), &json!({ "client_id": null })), "client_id must be a string"),
        (with(otp(), &json!({ "client_secret": 1 })), "client_secret must be a string"),
        (
            with(otp(), &json!({ "client_assertion": "x" })),
            "Missing required parameter: client_assertion_type",
        ),
        (
            with(otp(), &json!({ "client_assertion_type": "x" })),
            "Missing required parameter: client_assertion",
        ),
    ] {
        let answer = alice.associates(&alice.logs_in(), &body);
        assert_eq!(answer.refused(), (400, description.to_owned()), "{body}");
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    assert_eq!(service.world.count("enrollments"), 0);
    assert_eq!(service.world.count("message_budgets"), 0);
}

#[test]
fn a_lone_channel_may_be_a_string_and_of_several_the_first_usable_one_is_taken() {
    let service = Service::new();
    let alice = service.person("alice");
    let lone = with(sms(), &json!({ "oob_channels": "sms" }));
    assert_eq!(alice.associates(&alice.logs_in(), &lone).granted()["oob_channel"], "sms");
    let several = with(email(), &json!({ "oob_channels": ["auth0", "sms", "email"] }));
    assert_eq!(alice.associates(&alice.logs_in(), &several).granted()["oob_channel"], "email");
}

// The bearer.

#[test]
fn whatever_is_no_good_bearer_is_refused_with_one_text() {
    let service = Service::new();
    let alice = service.person("alice");
    let expired = alice.logs_in();
    let request = |authorization: Option<&str>| {
        let mut request = alice.associate_request("", &otp());
        request.headers.authorization = authorization.map(str::to_owned);
        service.send(&request)
    };
    for authorization in
        [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some("Bearer a b")]
    {
        request(authorization).is_refused(401, INVALID_BEARER);
    }
    for changes in [
        json!({ "aud": "https://api.example.com" }),
        json!({ "iss": "https://evil.example.com/" }),
        json!({ "sub": null }),
        json!({ "token_use": "id" }),
    ] {
        alice.associates(&alice.logs_in_with(&changes), &otp()).is_refused(401, INVALID_BEARER);
    }
    service.world.advance(661);
    let answer = alice.associates(&expired, &otp());
    answer.is_refused(401, "mfa_token is expired");
    assert_eq!(answer.json()["error"], "expired_token");
    assert_eq!(answer.header("WWW-Authenticate"), None);
    assert_eq!(service.world.count("enrollments"), 0);
}

#[test]
fn a_bearer_that_cannot_be_judged_is_not_called_invalid() {
    let service = Service::new();
    let alice = service.person("alice");
    let down = Err(crate::platform::FetchError::Timeout);
    service.world.answer(&service.idp.jwks_uri(), down.clone());
    service.world.answer(&service.idp.discovery_uri(), down);
    // It is not asked again before.
    for (seconds, retry_after, asked) in [(0, "30", 1), (20, "10", 1), (9, "1", 1), (1, "30", 2)] {
        service.world.advance(seconds);
        let answer = alice.associates(&alice.logs_in(), &otp());
        answer.is_refused(503, UNAVAILABLE);
        assert_eq!(answer.header("Retry-After"), Some(retry_after));
        assert_eq!(service.world.fetch_count(&service.idp.discovery_uri()), asked);
    }
    assert!(service.world.log_text().contains("\"event\":\"request_failed\""));
}

#[test]
fn an_exchanged_mfa_token_enrolls_nothing_more() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let mail = alice.adds_email(&login, "a@example.com");
    alice.enters_code(&login, &mail).granted();
    let before = service.world.database_text();
    alice.associates(&login, &otp()).is_refused(401, INVALID_BEARER);
    assert_eq!(service.world.database_text(), before);
}

// The client.

#[test]
fn the_client_is_the_tokens_or_the_bodys_and_never_two() {
    let service = Service::new();
    let alice = service.person("alice");
    let named = |id: &str| with(otp(), &json!({ "client_id": id }));
    let anonymous = || alice.logs_in_with(&json!({ "azp": null }));
    alice.associates(&anonymous(), &otp()).is_refused(400, "Missing required parameter: client_id");
    alice.associates(&anonymous(), &named("app")).granted();
    alice.associates(&alice.logs_in(), &named("app")).granted();
    let answer = alice.associates(&alice.logs_in(), &named("server"));
    answer.is_refused(400, "mfa_token not issued to this client");
    alice.associates(&anonymous(), &named("nobody")).is_refused(401, "Unauthorized");
    alice
        .associates(&alice.logs_in_with(&json!({ "azp": "nobody" })), &otp())
        .is_refused(401, "Unauthorized");
    assert_eq!(service.world.count("enrollments"), 2);
}

#[test]
fn a_client_that_the_body_names_must_authenticate_as_registered() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    let credentials = |secret: &str| with(otp(), &json!({ "client_id": "server", "client_secret": secret }));
    alice.associates(&alice.logs_in(), &credentials(CLIENT_SECRET)).granted();
    for body in [
        credentials(""),
        credentials("x"),
        with(otp(), &json!({ "client_id": "server" })),
        with(
            otp(),
            &json!({ "client_id": "server", "client_assertion": "a.b.c", "client_assertion_type": "x" }),
        ),
    ] {
        let answer = alice.associates(&alice.logs_in(), &body);
        answer.is_refused(401, "Unauthorized");
        assert_eq!(answer.json()["error"], "access_denied");
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    // Left out, as SDKs do, the token stands for it: unless the registration asks for more.
    alice.associates(&alice.logs_in(), &otp()).granted();
    service.world.query("UPDATE clients SET require_authentication = 1, version = version + 1", &[]);
    service.world.advance(60);
    alice.associates(&alice.logs_in(), &otp()).is_refused(401, "Unauthorized");
    alice.associates(&alice.logs_in(), &credentials(CLIENT_SECRET)).granted();
}

#[test]
fn a_client_takes_the_tokens_of_its_own_issuers_only() {
    let service = Service::new();
    service.world.query("UPDATE clients SET issuers = '[\"other\"]'", &[]);
    let (alice, stranger) = (service.person("alice"), service.stranger("alice"));
    for body in [otp(), with(otp(), &json!({ "client_id": "app" }))] {
        alice.associates(&alice.logs_in(), &body).is_refused(401, "Unauthorized");
        stranger.associates(&stranger.logs_in(), &body).granted();
    }
}

#[test]
fn a_client_that_changed_under_the_cache_is_read_once_more() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.associates(&alice.logs_in(), &otp()).granted();
    service.touches_client("app");
    let login = alice.logs_in();
    let batches = service.world.batches().len();
    alice.associates(&login, &otp()).granted();
    // Refused, why, the client's row, once more.
    assert_eq!(service.world.batches().len() - batches, 4);
    assert_eq!(service.world.count("enrollments"), 2);
}

#[test]
fn a_client_that_was_removed_is_gone_at_once_for_every_isolate() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.associates(&alice.logs_in(), &otp()).granted();
    service.removes_client("app");
    alice.associates(&alice.logs_in(), &otp()).is_refused(401, "Unauthorized");
    alice.associates(&alice.logs_in(), &sms()).is_refused(401, "Unauthorized");
    assert_eq!(service.world.count("enrollments"), 1);
    assert_eq!(service.world.count("deliveries") + service.world.count("message_budgets"), 0);
}

#[test]
fn a_secret_that_was_rotated_away_is_refused_at_once() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    let body = with(otp(), &json!({ "client_id": "server", "client_secret": CLIENT_SECRET }));
    alice.associates(&alice.logs_in(), &body).granted();
    service
        .world
        .query("UPDATE clients SET secret_hash = 'another', version = version + 1 WHERE id = 'server'", &[]);
    alice.associates(&alice.logs_in(), &body).is_refused(401, "Unauthorized");
    assert_eq!(service.world.count("enrollments"), 1);
}

#[test]
fn a_secret_that_was_rotated_in_is_good_at_once() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    let body = |secret: &str| with(otp(), &json!({ "client_id": "server", "client_secret": secret }));
    alice.associates(&alice.logs_in(), &body(CLIENT_SECRET)).granted();
    let next = "8f14e45fceea167a5a36dedd4bea25438f14e45fceea167a5a36dedd4bea2543";
    let hash = base16ct::lower::encode_string(&Sha256::digest(next.as_bytes()));
    service.world.query(
        "UPDATE clients SET secret_hash = ?1, version = version + 1 WHERE id = 'server'",
        &[hash.into()],
    );
    // The row is remembered, as it was.
    alice.associates(&alice.logs_in(), &body(next)).granted();
    assert_eq!(service.world.count("enrollments"), 2);
}

#[test]
fn a_client_that_changes_all_the_time_ends_in_a_neutral_answer() {
    let service = Service::new();
    let alice = service.person("alice");
    let request = alice.associate_request(&alice.logs_in(), &otp());
    let mut running = service.start(&request);
    let answer = loop {
        service.touches_client("app");
        if let Some(answer) = running.step() {
            break answer;
        }
    };
    answer.is_refused(503, UNAVAILABLE);
    assert_eq!(service.world.count("enrollments"), 0);
}

// Who may enroll.

#[test]
fn an_access_token_needs_the_scope() {
    let service = Service::new();
    let alice = service.person("alice");
    for scope in ["", "read:authenticators", "enrollx", "ENROLL"] {
        let answer = alice.associates(&alice.access_token(scope), &otp());
        answer.is_refused(403, "Insufficient scope, expected any of: enroll");
        assert_eq!(answer.json()["error"], "insufficient_scope");
    }
    alice.associates(&alice.access_token("read:authenticators enroll"), &otp()).granted();
}

#[test]
fn once_a_factor_is_active_only_younger_proof_of_it_enrolls_another() {
    let service = Service::new();
    let alice = service.person("alice");
    let before = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    service.world.advance(1);
    let app = alice.has_app();
    let enrolled = |answer: Answer| {
        answer.is_refused(403, "User is already enrolled.");
        assert_eq!(answer.json()["error"], "access_denied");
    };
    enrolled(alice.associates(&alice.logs_in(), &otp()));
    enrolled(alice.associates(&alice.logs_in_with(&json!({ "amr": ["pwd", "mfa"] })), &otp()));
    enrolled(alice.associates(&alice.access_token("enroll"), &otp()));
    enrolled(alice.associates(&before, &sms()));
    assert_eq!(service.world.count("enrollments") + service.world.count("deliveries"), 0);

    let trusted = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    let answer = alice.associates(&trusted, &otp()).granted();
    assert_eq!(answer.get("recovery_codes"), None, "the one in force stays");
    let own = alice.proves_mfa(&app);
    assert_eq!(alice.associates(&own, &sms()).granted().get("recovery_codes"), None);
    assert_eq!(
        service.number("SELECT count(*) FROM enrollments WHERE proof = 1 AND recovery_hash IS NULL"),
        2
    );
}

#[test]
fn mail_makes_nobody_enrolled() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_email("a@example.com");
    let answer = alice.associates(&alice.logs_in(), &otp()).granted();
    assert!(answer["recovery_codes"][0].is_string());
    assert_eq!(service.number("SELECT sum(proof) FROM enrollments"), 0);
}

#[test]
fn the_same_subject_of_another_issuer_is_somebody_else() {
    let service = Service::new();
    service.person("alice").has_app();
    let stranger = service.stranger("alice");
    stranger.associates(&stranger.logs_in(), &otp()).granted();
    assert_eq!(service.number("SELECT count(DISTINCT user_id) FROM (SELECT user_id FROM enrollments UNION SELECT user_id FROM authenticators)"), 2);
}

#[test]
fn the_eleventh_pending_enrollment_makes_the_oldest_give_way() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let apps: Vec<_> = (0..11).map(|_| alice.adds_app(&login)).collect();
    let pending = service.world.query("SELECT id FROM enrollments ORDER BY sequence", &[]);
    let pending: Vec<_> = pending.iter().map(|row| row.text("id").unwrap()).collect();
    assert_eq!(pending, apps[1..].iter().map(|app| app.id.as_str()).collect::<Vec<_>>());
    alice.enters_otp(&login, &apps[0].code(&service)).is_refused(403, "Invalid otp_code.");
    alice.enters_otp(&login, &apps[10].code(&service)).granted();
}

#[test]
fn a_pending_enrollment_gives_way_only_where_ten_wait() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let mut expected: Vec<_> = (0..10).map(|_| alice.adds_app(&login).id).collect();
    let pending = || {
        let rows = service.world.query("SELECT id FROM enrollments ORDER BY sequence", &[]);
        rows.iter().map(|row| row.text("id").unwrap().to_owned()).collect::<Vec<_>>()
    };
    // One that is gone and one that has expired leave their places, whichever were made before them.
    let (gone, expired) = (expected.remove(7), expected.remove(3));
    service.world.query("DELETE FROM enrollments WHERE id = ?1", &[gone.into()]);
    service.world.query(
        "UPDATE enrollments SET expires_at = ?2 WHERE id = ?1",
        &[expired.into(), service.world.now().into()],
    );
    for _ in 0..2 {
        expected.push(alice.adds_app(&login).id);
    }
    assert_eq!(pending(), expected);
    // Now ten wait again: from here on the oldest goes, wherever it is.
    for _ in 0..12 {
        expected.push(alice.adds_app(&login).id);
        expected.remove(0);
        assert_eq!(pending(), expected);
    }
}

#[test]
fn the_twenty_first_authenticator_is_refused() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    add_authenticators(&service, "idp|alice", 18);
    let proof = alice.proves_mfa(&app);
    alice.associates(&proof, &otp()).granted();
    add_authenticators(&service, "idp|alice", 1);
    let answer = alice.associates(&proof, &otp());
    answer.is_refused(400, "The user has 20 authenticators. Remove one first.");
    assert_eq!(service.world.count("enrollments"), 1);
}

fn add_authenticators(service: &Service, user: &str, number: i64) {
    service.world.query(
        "INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         SELECT 'email|' || hex(randomblob(8)), ?1, 'email', 's1.x', 0, 0, 0 FROM n",
        &[user.into(), number.into()],
    );
}

// Messages.

#[test]
fn ten_text_messages_and_then_one_an_hour() {
    let service = Service::new();
    let alice = service.person("alice");
    for _ in 0..10 {
        alice.associates(&alice.logs_in(), &sms()).granted();
    }
    let before = service.world.database_text();
    let refused = alice.associates(&alice.logs_in(), &sms());
    refused.is_refused(429, TOO_MANY_SMS);
    assert_eq!(refused.json()["error"], "too_many_requests");
    assert_eq!(refused.header("Retry-After"), Some("3600"));
    assert_eq!(refused.header("X-RateLimit-Limit"), Some("10"));
    assert_eq!(refused.header("X-RateLimit-Remaining"), Some("0"));
    let reset = (service.world.now().0 + 3600).to_string();
    assert_eq!(refused.header("X-RateLimit-Reset"), Some(reset.as_str()));
    assert_eq!(service.world.database_text(), before, "what is refused is not charged");

    // A call is the same budget, another number does not help, mail and apps are something else.
    alice.associates(&alice.logs_in(), &voice()).is_refused(429, TOO_MANY_SMS);
    let elsewhere = with(sms(), &json!({ "phone_number": OTHER_NUMBER }));
    alice.associates(&alice.logs_in(), &elsewhere).is_refused(429, TOO_MANY_SMS);
    alice.associates(&alice.logs_in(), &email()).granted();
    alice.associates(&alice.logs_in(), &otp()).granted();

    service.world.advance(3599);
    alice.associates(&alice.logs_in(), &sms()).is_refused(429, TOO_MANY_SMS);
    service.world.advance(1);
    alice.associates(&alice.logs_in(), &sms()).granted();
    alice.associates(&alice.logs_in(), &sms()).is_refused(429, TOO_MANY_SMS);
}

#[test]
fn a_number_gets_ten_messages_whoever_asks_for_them() {
    let service = Service::new();
    for number in 0..10 {
        let person = service.person(&format!("person-{number}"));
        person.associates(&person.logs_in(), &sms()).granted();
    }
    let alice = service.person("alice");
    alice.associates(&alice.logs_in(), &sms()).is_refused(429, TOO_MANY_SMS);
    // Spelt otherwise it is the same number, and the user's own budget is untouched.
    let respelt = with(sms(), &json!({ "phone_number": "+49 151 2345 6789" }));
    alice.associates(&alice.logs_in(), &respelt).is_refused(429, TOO_MANY_SMS);
    let elsewhere = with(sms(), &json!({ "phone_number": OTHER_NUMBER }));
    alice.associates(&alice.logs_in(), &elsewhere).granted();
}

#[test]
fn twenty_mails_and_then_one_a_minute() {
    let service = Service::new();
    let alice = service.person("alice");
    for _ in 0..20 {
        alice.associates(&alice.logs_in(), &email()).granted();
    }
    let refused = alice.associates(&alice.logs_in(), &email());
    refused.is_refused(429, TOO_MANY_EMAILS);
    assert_eq!(refused.header("Retry-After"), Some("60"));
    assert_eq!(refused.header("X-RateLimit-Limit"), Some("20"));
    service.world.advance(60);
    alice.associates(&alice.logs_in(), &email()).granted();
    alice.associates(&alice.logs_in(), &email()).is_refused(429, TOO_MANY_EMAILS);
}

#[test]
fn fifty_requests_at_once_get_exactly_ten_messages() {
    let service = Service::new();
    let second = service.redeployed(&Service::variables());
    let alice = service.person("alice");
    let requests: Vec<_> = (0..50).map(|_| alice.associate_request(&alice.logs_in(), &sms())).collect();
    let isolates = [&service, &second];
    let running = requests.iter().enumerate().map(|(index, request)| {
        let service = isolates[index % 2];
        let future: std::pin::Pin<Box<dyn Future<Output = u16>>> =
            Box::pin(async move { crate::routes::handle(&service.app, request).await.status });
        future
    });
    let statuses = crate::testing::join_all(running.collect());
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 40);
    assert_eq!(service.world.count("deliveries"), 10);
    service.world.run_deferred();
    assert_eq!(service.world.queue().len(), 10);
}

#[test]
fn the_delivery_is_written_with_the_enrollment_and_the_queue_gets_its_id_alone() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.associates(&alice.logs_in(), &sms()).granted();
    let row = &service
        .world
        .query("SELECT id, state, attempts, expires_at - due_at AS life FROM deliveries", &[])[0];
    assert_eq!(row.text("state"), Ok("waiting"));
    assert_eq!(row.integer("life"), Ok(300));
    assert_eq!(service.world.queue(), [row.text("id").unwrap()]);
}

#[test]
fn a_queue_that_refuses_loses_no_message_and_no_answer() {
    let service = Service::new();
    let alice = service.person("alice");
    service.world.break_queue(true);
    alice.associates(&alice.logs_in(), &sms()).granted();
    assert!(service.world.queue().is_empty());
    assert_eq!(service.world.count("deliveries"), 1);
    assert!(service.world.log_text().contains("\"event\":\"queue_refused\""));
}

// When the Worker itself fails.

#[test]
fn a_database_that_fails_leaves_nothing_behind_or_everything() {
    for (fault, enrollments) in [(BatchFault::BeforeCommit, 0), (BatchFault::AfterCommit, 1)] {
        let service = Service::new();
        let (alice, bob) = (service.person("alice"), service.person("bob"));
        bob.associates(&bob.logs_in(), &otp()).granted();
        service.world.query("DELETE FROM enrollments", &[]);
        service.world.fail_batch(fault);
        let answer = alice.associates(&alice.logs_in(), &sms());
        answer.is_refused(503, UNAVAILABLE);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert_eq!(answer.header("Retry-After"), Some("1"));
        assert_eq!(service.world.count("enrollments"), enrollments, "{fault:?}");
        assert_eq!(service.world.count("deliveries"), enrollments, "{fault:?}");
        let log = service.world.log_text();
        assert!(
            log.contains("\"event\":\"request_failed\"") && log.contains("\"request\":\"request-1\""),
            "{log}"
        );
        // The next try goes its way.
        alice.associates(&alice.logs_in(), &sms()).granted();
    }
}

#[test]
fn a_database_that_fails_while_the_client_or_the_reason_is_read_is_no_refusal() {
    let service = Service::new();
    let alice = service.person("alice");
    service.world.fail_batch(BatchFault::BeforeCommit);
    alice.associates(&alice.logs_in(), &otp()).is_refused(503, UNAVAILABLE);
    alice.has_app();
    service.world.fail_batch(BatchFault::None);
    service.world.fail_batch(BatchFault::BeforeCommit);
    alice.associates(&alice.logs_in(), &otp()).is_refused(503, UNAVAILABLE);
}

#[test]
fn without_randomness_nothing_is_enrolled() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.associates(&alice.logs_in(), &otp()).granted();
    service.world.query("DELETE FROM enrollments", &[]);
    service.world.break_random(true);
    for body in [otp(), sms(), email()] {
        alice.associates(&alice.logs_in(), &body).is_refused(503, UNAVAILABLE);
    }
    assert_eq!(service.world.count("enrollments") + service.world.count("deliveries"), 0);
}

// Races.

#[test]
fn what_becomes_active_between_the_checks_and_the_row_still_closes_the_door() {
    let service = Service::new();
    let alice = service.person("alice");
    let (login, thief) = (alice.logs_in(), alice.logs_in());
    let app = alice.adds_app(&login);
    // The thief's request has passed every check and is about to write.
    let request = alice.associate_request(&thief, &sms());
    let mut running = service.start(&request);
    while service.world.verifications() < 2 {
        assert!(running.step().is_none());
    }
    alice.enters_otp(&login, &app.code(&service)).granted();
    running.finish().is_refused(403, "User is already enrolled.");
    assert_eq!(service.world.count("enrollments") + service.world.count("deliveries"), 0);
}

#[test]
fn what_stood_in_the_way_and_has_gone_is_tried_once_more() {
    let service = Service::new();
    let alice = service.person("alice");
    exhaust_phone_budget(&service, "alice");
    alice.associates(&alice.logs_in(), &sms()).is_refused(429, TOO_MANY_SMS);
    let request = alice.associate_request(&alice.logs_in(), &sms());
    let running = service.start(&request).pause_after(1);
    service.world.query("DELETE FROM message_budgets", &[]);
    running.finish().granted();
    assert_eq!(service.number("SELECT count(*) FROM deliveries WHERE created_at = due_at"), 11);
}

fn exhaust_phone_budget(service: &Service, subject: &str) {
    let person: Person<'_> = service.person(subject);
    let authenticators = service.world.query("SELECT count(*) AS n FROM authenticators", &[]);
    if authenticators[0].integer("n") == Ok(0) {
        for _ in 0..10 {
            person.associates(&person.logs_in(), &sms()).granted();
        }
    } else {
        // Somebody enrolled has to prove it first.
        let proof = || person.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
        for _ in 0..10 {
            person.associates(&proof(), &sms()).granted();
        }
    }
}

#[test]
fn the_webhook_is_the_provider_of_every_channel() {
    let service = Service::configured(
        &Variables::new().with("WEBHOOK_URL", WEBHOOK).with("WEBHOOK_SECRET", WEBHOOK_SECRET),
    );
    let alice = service.person("alice");
    for body in [sms(), voice(), email()] {
        alice.associates(&alice.logs_in(), &body).granted();
        service.delivers();
    }
    let channels: Vec<_> = service.messages().iter().map(|message| message["channel"].clone()).collect();
    assert_eq!(channels, ["sms", "voice", "email"]);
    assert_eq!(service.messages()[0]["tenant"], "Example");
    assert!(MFA_API.starts_with(&service.app.config.public_url));
}

#[test]
fn a_fault_of_the_body_is_told_before_one_of_the_client() {
    let service = Service::new();
    let alice = service.person("alice");
    let asked = |kind: &str| {
        json!({
            "authenticator_types": [kind],
            "client_id": "app",
            "client_assertion": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        })
    };
    let (status, _) = alice.associates(&alice.logs_in(), &asked("x")).refused();
    assert_eq!(status, 400);
    alice.associates(&alice.logs_in(), &asked("otp")).is_refused(401, "Unauthorized");
    let event = service.world.events("client_refused").pop().unwrap();
    assert_eq!(event["reason"], json!("other_assertion_type"));
}

#[test]
fn an_mfa_token_removes_nothing_whatever_client_it_names() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    for client in ["app", "nobody"] {
        let login = alice.at_client(client).logs_in();
        let mut request = service.post(&format!("/mfa/authenticators/{}", app.id), Some(&login), &json!({}));
        request.method = Method::Delete;
        let refused = service.send(&request);
        refused.is_refused(401, INVALID_BEARER);
    }
}

#[test]
fn an_empty_channel_is_none() {
    let service = Service::new();
    let alice = service.person("alice");
    for channels in [json!(""), json!([])] {
        let body = json!({ "authenticator_types": ["oob"], "oob_channels": channels, "phone_number": "+4915123456789" });
        alice.associates(&alice.logs_in(), &body).is_refused(400, "Missing required parameter: oob_channels");
    }
}
