//! What a right code is worth.

use serde_json::{Value, json};

use super::{GUESSES, MFA_REQUIRED};
use crate::http::request::Body;
use crate::platform::Platform;
use crate::storage::sweep;
use crate::testing::block_on;
use crate::testing::person::{API, MFA_API, NUMBER, OTHER_NUMBER, Service, claims, methods};
use crate::trust::bearer::{Bearer, verify_bearer};

fn members(answer: &Value) -> Vec<&str> {
    answer.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_first_code_of_an_app_confirms_it_and_is_worth_an_access_token_and_an_id_token() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let answer = alice.enters_otp(&login, &app.code(&service));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("Pragma"), Some("no-cache"));
    let answer = answer.granted();
    assert_eq!(members(&answer), ["access_token", "expires_in", "id_token", "scope", "token_type"]);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(answer["scope"], "openid read:notes");
    let now = service.world.now().0;
    let access = claims(&answer["access_token"]);
    for (name, value) in [
        ("iss", json!("https://mfa.example.com/")),
        ("sub", json!("idp|alice")),
        ("aud", json!(API)),
        ("azp", json!("app")),
        ("client_id", json!("app")),
        ("scope", json!("openid read:notes")),
        ("iat", json!(now)),
        ("auth_time", json!(now)),
        ("exp", json!(now + 3600)),
        ("amr", json!(["pwd", "otp", "mfa"])),
        ("idp_iss", json!("https://idp.example.com/")),
        ("idp_sub", json!("alice")),
    ] {
        assert_eq!(access[name], value, "{name}");
    }
    assert_eq!(claims(&answer["id_token"])["aud"], "app");

    assert_eq!(service.world.count("enrollments"), 0);
    let row = &service.world.query("SELECT * FROM authenticators", &[])[0];
    assert_eq!(row.text("id"), Ok(app.id.as_str()));
    assert_eq!(row.integer("last_step"), Ok(now / 30), "the confirmed step counts as used");
    assert_eq!(row.integer("failures"), Ok(0));
    assert_eq!(service.world.count("recovery_codes"), 1);
    assert_eq!(service.charged_seconds(GUESSES), 0);
}

#[test]
fn each_factor_stands_in_amr_by_its_name_and_only_independent_ones_make_it_mfa() {
    for (channel, address, expected) in [
        ("sms", json!({ "phone_number": NUMBER }), vec!["pwd", "sms", "mfa"]),
        ("voice", json!({ "phone_number": NUMBER }), vec!["pwd", "tel", "mfa"]),
        ("email", json!({ "email": "a@example.com" }), vec!["pwd", "email"]),
    ] {
        let service = Service::new();
        let alice = service.person("alice");
        let login = alice.logs_in();
        let message = alice.adds_message(&login, channel, &address);
        let answer = alice.enters_code(&login, &message).granted();
        assert_eq!(methods(&answer), expected);
        assert_eq!(answer.get("recovery_code"), None);
        let row = &service.world.query("SELECT * FROM authenticators", &[])[0];
        assert_eq!(row.text("id"), Ok(message.id.as_str()));
        assert_eq!(row.text("kind"), Ok(channel));
        assert_eq!(service.world.count("enrollments"), 0);
    }
}

#[test]
fn a_method_that_was_used_twice_stands_in_amr_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let login = alice.logs_in_with(&json!({ "amr": ["otp", "mfa"] }));
    let answer = alice.enters_otp(&login, &app.code(&service)).granted();
    assert_eq!(methods(&answer), ["otp", "mfa"]);
}

#[test]
fn an_active_app_verifies_and_marks_its_step_as_used() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let answer = alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(methods(&answer), ["pwd", "otp", "mfa"]);
    let row = &service.world.query("SELECT last_step, last_used_at FROM authenticators", &[])[0];
    assert_eq!(row.integer("last_step"), Ok(service.world.now().0 / 30));
    assert_eq!(row.integer("last_used_at"), Ok(service.world.now().0));
    // Neither this code nor an older one is good again.
    let earlier = app.code_at(service.world.now().plus(-30));
    for code in [app.code(&service), earlier] {
        alice.enters_otp(&alice.logs_in(), &code).is_refused(403, super::INVALID_OTP);
    }
}

#[test]
fn a_recovery_code_is_worth_tokens_and_the_next_recovery_code() {
    let service = Service::new();
    let alice = service.person("alice");
    let first = alice.has_app().recovery_code.unwrap();
    let answer = alice.recovers(&alice.logs_in(), &first.to_lowercase()).granted();
    let names = ["access_token", "expires_in", "id_token", "recovery_code", "scope", "token_type"];
    assert_eq!(members(&answer), names);
    assert_eq!(methods(&answer), ["pwd", "recovery", "mfa"]);
    let second = answer["recovery_code"].as_str().unwrap();
    assert_ne!(second, first);
    alice.recovers(&alice.logs_in(), &first).is_refused(403, super::INVALID_RECOVERY_CODE);
    alice.recovers(&alice.logs_in(), second).granted();
    assert_eq!(service.world.count("recovery_codes"), 1);
}

#[test]
fn a_code_may_come_as_a_number_or_in_a_form() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    // A number has no leading zeros.
    let number = loop {
        let code = app.code(&service);
        if code.starts_with('0') {
            break code.parse::<u32>().unwrap();
        }
        service.world.advance(30);
    };
    let login = alice.logs_in();
    let mut request = alice.otp_request(&login, "");
    if let Body::Bytes(bytes) = &mut request.body {
        let mut body: Value = serde_json::from_slice(bytes).unwrap();
        body["otp"] = json!(number);
        *bytes = body.to_string().into_bytes();
    }
    service.send(&request).granted();

    service.world.advance(30);
    let login = alice.logs_in();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "http://auth0.com/oauth/grant-type/mfa-otp")
        .append_pair("client_id", "app")
        .append_pair("mfa_token", &login)
        .append_pair("otp", &app.code(&service))
        .finish();
    request.headers.content_type = Some("application/x-www-form-urlencoded; charset=UTF-8".to_owned());
    request.body = Body::Bytes(form.into_bytes());
    request.received_at = service.world.now();
    service.send(&request).granted();
}

#[test]
fn a_login_may_be_narrowed_at_the_exchange_and_never_widened() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let enter = |login: &str, extra: &Value| {
        let request = alice.otp_request(login, &app.code(&service));
        let Body::Bytes(bytes) = &request.body else { panic!("a body") };
        let mut body: Value = serde_json::from_slice(bytes).unwrap();
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = service.send(&alice.token_request(&body));
        service.world.advance(30);
        answer
    };
    let login = || {
        alice.logs_in_with(
            &json!({ "audience": API, "scope": "openid email offline_access read:notes admin" }),
        )
    };
    let granted = |extra: Value| enter(&login(), &extra).granted()["scope"].clone();
    assert_eq!(granted(json!({})), "openid email read:notes");
    assert_eq!(granted(json!({ "scope": "read:notes write:notes" })), "read:notes");
    assert_eq!(granted(json!({ "audience": API, "scope": "offline_access openid" })), "openid");
    let answer = enter(&login(), &json!({ "scope": "read:notes" })).granted();
    assert_eq!(answer.get("id_token"), None);
    let answer = enter(&login(), &json!({ "scope": "write:notes" })).granted();
    assert_eq!(answer.get("scope"), None);

    let answer = enter(&login(), &json!({ "audience": MFA_API }));
    answer.is_refused(400, "The audience is not registered for this client.");
    assert_eq!(answer.json()["error"], "invalid_target");
    assert_eq!(service.charged_seconds(GUESSES), 0);
}

#[test]
fn tokens_for_the_mfa_api_are_bearers_there_and_live_ten_minutes() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let answer = alice.enters_otp(&alice.logs_in_to_enroll(), &app.code(&service)).granted();
    assert_eq!(answer["expires_in"], 600);
    let token = answer["access_token"].as_str().unwrap();
    let bearer = block_on(verify_bearer(&service.app, service.world.now(), token)).unwrap();
    let Bearer::Access(token) = bearer else { panic!("an mfa_token") };
    assert!(token.proof_of_mfa && token.scopes.contains("enroll"));
    assert_eq!(token.user.as_str(), "idp|alice");
}

#[test]
fn an_access_token_confirms_and_gets_back_no_more_than_it_was() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let bearer = claims(&json!(proof));
    let second = alice.adds_app(&proof);
    service.world.advance(90);
    let answer = alice.enters_otp(&proof, &second.code(&service)).granted();
    assert_eq!(members(&answer), ["access_token", "expires_in", "scope", "token_type"]);
    let token = claims(&answer["access_token"]);
    for name in ["aud", "scope", "exp", "sub"] {
        assert_eq!(token[name], bearer[name], "{name}");
    }
    assert_eq!(
        answer["expires_in"].as_i64().unwrap(),
        bearer["exp"].as_i64().unwrap() - service.world.now().0
    );
    assert_eq!(methods(&answer), ["pwd", "otp", "mfa"]);

    // The issuer's token, first factor of all: the same, and `openid` in it gives no id_token.
    let bob = service.person("bob");
    let bearer = bob.access_token("openid enroll");
    let phone = bob.adds_phone(&bearer, OTHER_NUMBER);
    service.world.advance(60);
    let answer = bob.enters_code(&bearer, &phone).granted();
    assert_eq!(answer["expires_in"], 540);
    assert_eq!(answer["scope"], "enroll");
    assert_eq!(claims(&answer["access_token"])["aud"], MFA_API);
    assert_eq!(answer.get("id_token"), None);
    assert_eq!(methods(&answer), ["sms", "mfa"]);
}

#[test]
fn an_access_token_that_is_accepted_past_its_end_gives_one_that_has_not_ended() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = alice.access_token("enroll");
    let app = alice.adds_app(&token);
    service.world.advance(630);
    let answer = alice.enters_otp(&token, &app.code(&service)).granted();
    assert_eq!(answer["expires_in"], 31, "until the issuer's own is refused");
    let now = service.world.now();
    let given = answer["access_token"].as_str().unwrap();
    assert!(block_on(verify_bearer(&service.app, now, given)).is_ok());
    assert!(block_on(verify_bearer(&service.app, now.plus(31), given)).is_err());
    assert!(block_on(verify_bearer(&service.app, now.plus(30), &token)).is_ok());
    assert!(block_on(verify_bearer(&service.app, now.plus(31), &token)).is_err());
}

#[test]
fn an_access_token_confirms_several_enrollments_and_each_of_them_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let phone = alice.adds_phone(&proof, NUMBER);
    let second = alice.adds_app(&proof);
    alice.enters_code(&proof, &phone).granted();
    alice.enters_code(&proof, &phone).is_refused(401, "oob_code is expired");
    alice.enters_otp(&proof, &second.code(&service)).granted();
    alice.enters_otp(&proof, &second.code(&service)).is_refused(403, super::INVALID_OTP);
    assert_eq!(service.world.count("authenticators"), 3);
}

#[test]
fn the_same_number_or_address_replaces_its_authenticator_and_another_one_does_not() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let confirm = |channel: &str, address: Value| {
        service.world.advance(1);
        let message = alice.adds_message(&proof, channel, &address);
        alice.enters_code(&proof, &message).granted();
        message.id
    };
    let active = || {
        let rows = service.world.query("SELECT id FROM authenticators ORDER BY created_at", &[]);
        rows.iter().map(|row| row.text("id").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = confirm("sms", json!({ "phone_number": NUMBER }));
    let second = confirm("sms", json!({ "phone_number": OTHER_NUMBER }));
    assert_eq!(active(), [app.id.clone(), first, second.clone()]);
    let again = confirm("sms", json!({ "phone_number": "+49 151 23456789" }));
    assert_eq!(active(), [app.id.clone(), second.clone(), again]);
    // A number is one authenticator, whichever of its two channels it was enrolled by.
    let called = confirm("voice", json!({ "phone_number": NUMBER }));
    assert_eq!(active(), [app.id.clone(), second.clone(), called.clone()]);
    let mail = confirm("email", json!({ "email": "a@example.com" }));
    assert_eq!(active(), [app.id.clone(), second.clone(), called.clone(), mail]);
    let mail_again = confirm("email", json!({ "email": "a@EXAMPLE.com" }));
    assert_eq!(active(), [app.id.clone(), second, called, mail_again]);

    // The same number of somebody else is somebody else's.
    service.person("bob").has_phone(NUMBER);
    assert_eq!(active().len(), 5);
}

#[test]
fn a_code_that_is_on_its_way_to_an_authenticator_that_was_replaced_is_dead() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let phone = alice.adds_phone(&proof, NUMBER);
    alice.enters_code(&proof, &phone).granted();
    let login = alice.logs_in();
    let challenge = alice.is_challenged(&login, &phone.id);
    let request = alice.oob_request(&login, &challenge.oob_code, &challenge.code);
    let held = service.start(&request).pause_after(1);
    let again = alice.adds_phone(&proof, NUMBER);
    alice.enters_code(&proof, &again).granted();
    held.finish().is_refused(403, super::INVALID_BINDING_CODE);
    alice.enters_code(&login, &challenge).is_refused(401, "oob_code is expired");
    // It is left to the sweep.
    assert_eq!(service.world.count("challenges"), 1);
}

#[test]
fn a_warm_isolate_needs_two_round_trips_and_asks_nobody_else() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let recovery_code = app.recovery_code.clone().unwrap();
    let proof = alice.proves_mfa(&app);
    let (phone, login) = (alice.adds_phone(&proof, NUMBER), alice.logs_in());
    for request in [
        alice.otp_request(&alice.logs_in(), &app.code(&service)),
        alice.oob_request(&login, &phone.oob_code, &phone.code),
        alice.recovery_request(&alice.logs_in(), &recovery_code),
    ] {
        let world = &service.world;
        let before = (world.fetches().len(), world.cache_reads(), world.imports());
        let batches = world.batches().len();
        service.send(&request).granted();
        assert_eq!(world.batches().len() - batches, 2);
        assert_eq!((world.fetches().len(), world.cache_reads(), world.imports()), before);
    }
}

#[test]
fn a_wrong_code_costs_one_round_trip() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let login = alice.logs_in();
    let batches = service.world.batches().len();
    alice.enters_otp(&login, &app.wrong_code(&service)).is_refused(403, super::INVALID_OTP);
    assert_eq!(service.world.batches().len() - batches, 1);
}

#[test]
fn a_spent_login_is_refused_until_its_age_alone_would_refuse_it_however_often_the_sweep_comes() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let login = alice.logs_in();
    alice.enters_otp(&login, &app.code(&service)).granted();
    let mut age = 0;
    for seconds in [30, 570, 59, 1, 1, 59, 1] {
        age += seconds;
        service.world.advance(seconds);
        block_on(sweep::run(&service.app, service.world.now())).unwrap();
        let answer = alice.enters_otp(&login, &app.code(&service));
        if age <= 660 {
            answer.is_refused(403, super::SPENT);
        } else {
            answer.is_refused(401, "mfa_token is expired");
        }
    }
    assert_eq!(service.world.count("redemptions"), 0);
}

#[test]
fn a_login_that_goes_on_after_a_code_by_mail_is_no_younger_for_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let mail = alice.adds_email(&alice.proves_mfa(&app), "a@example.com");
    alice.enters_code(&alice.logs_in(), &mail).is_refused(403, MFA_REQUIRED);
    let login = alice.logs_in();
    let sent = alice.is_challenged(&login, &mail.id);
    service.world.advance(299);
    let demand = alice.enters_code(&login, &sent);
    demand.is_refused(403, MFA_REQUIRED);
    let chained = demand.json()["mfa_token"].as_str().unwrap().to_owned();
    service.world.advance(300);
    alice.enters_otp(&chained, &app.wrong_code(&service)).is_refused(403, super::INVALID_OTP);
    service.world.advance(1);
    alice.enters_otp(&chained, &app.code(&service)).is_refused(401, "mfa_token is expired");
}
