//! Who is told of wrong codes, and when.

use serde_json::{Value, json};

use super::guessing::side_by_side;
use super::{INVALID_BINDING_CODE, INVALID_OTP, ONE_GUESS, TOO_MANY, UNAVAILABLE};
use crate::testing::person::{AuthenticatorApp, Message, NUMBER, Person, Service};
use crate::testing::platform::BatchFault;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What the issuer says that its alice reads.
const MAIL: &str = "alice@example.com";

/// Somebody whom notices reach, with a number and an app.
fn reachable<'a>(service: &'a Service) -> (Person<'a>, Message, AuthenticatorApp) {
    let alice = service.person("alice");
    let phone = alice.has_phone(NUMBER);
    let proof = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    let app = alice.adds_app(&proof);
    alice.enters_otp(&proof, &app.code(service)).granted();
    service.world.advance(30);
    service.delivers();
    (alice, phone, app)
}

fn noticing() -> Service {
    Service::configured(&Service::noticing_variables())
}

/// Wears the authenticators of a kind down to so many wrong codes in a row.
fn fails(service: &Service, kind: &str, failures: i64) {
    let parameters = [failures.into(), kind.into()];
    service.world.query("UPDATE authenticators SET failures = ?1 WHERE kind = ?2", &parameters);
}

/// How many events say so, and how many notices.
fn told(service: &Service, name: &str) -> (usize, i64) {
    let sql = format!("SELECT COUNT(*) FROM deliveries WHERE message = '{name}'");
    (service.world.events(name).len(), service.number(&sql))
}

#[test]
fn guesses_too_slow_for_the_bucket_are_told_to_the_log_and_to_the_owner() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    for guess in 1..=20 {
        assert_eq!(told(&service, "guessing_suspected"), (0, 0), "before guess {guess}");
        service.world.advance(ONE_GUESS);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    assert_eq!(told(&service, "guessing_suspected"), (1, 1));
    assert_eq!(told(&service, "guesses_locked"), (0, 0));
    let event = &service.world.events("guessing_suspected")[0];
    assert_eq!(
        (&event["user"], &event["factor"], &event["authenticator"], &event["failures"], &event["outcome"]),
        (&json!("idp|alice"), &json!("otp"), &json!(app.id), &json!(20), &json!("failure"))
    );
    // The code's own event names no app: it was tried on all of them.
    assert_eq!(service.world.events("code_wrong").pop().unwrap().get("authenticator"), None);
    service.delivers();
    let message = service.messages().pop().unwrap();
    assert_eq!((&message["notice"], &message["to"]), (&json!("guessing_suspected"), &json!(MAIL)));
    service.world.advance(ONE_GUESS);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(told(&service, "guessing_suspected"), (1, 1));
}

#[test]
fn the_owner_hears_of_guesses_once_a_day_and_the_log_of_every_twentieth() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    let reaches = |failures: i64| {
        service.world.advance(60);
        fails(&service, "totp", failures - 1);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
        told(&service, "guessing_suspected")
    };
    assert_eq!(reaches(20), (1, 1));
    assert_eq!(reaches(21), (1, 1));
    assert_eq!(reaches(40), (2, 1));
    service.world.advance(DAY_SECONDS);
    assert_eq!(reaches(60), (3, 2));
    // A lock-out on the same day says no more than that: change your password.
    for _ in 0..10 {
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service));
    }
    assert_eq!(told(&service, "guesses_locked"), (1, 0));
    service.world.advance(DAY_SECONDS);
    for _ in 0..11 {
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service));
    }
    assert_eq!(told(&service, "guesses_locked"), (2, 1));
    service.world.advance(ONE_GUESS);
    assert_eq!(reaches(80), (4, 2), "and the other way round");
}

#[test]
fn the_hundredth_wrong_code_is_told_as_what_it_does() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    fails(&service, "totp", 99);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(told(&service, "authenticator_disabled"), (1, 1));
    assert_eq!(told(&service, "guessing_suspected"), (0, 0));
    let event = &service.world.events("authenticator_disabled")[0];
    assert_eq!((&event["authenticator"], &event["failures"]), (&json!(app.id), &json!(100)));
    service.delivers();
    let message = service.messages().pop().unwrap();
    assert_eq!(message["notice"], "authenticator_disabled");
    assert!(message["text"].as_str().unwrap().contains("authenticator app"), "{message}");
    // What is disabled cannot be guessed any more.
    for failures in [100, 119, 199] {
        fails(&service, "totp", failures);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    assert_eq!(told(&service, "authenticator_disabled"), (1, 1));
    assert_eq!(told(&service, "guessing_suspected"), (0, 0));
}

#[test]
fn each_app_that_reaches_the_number_is_told_to_the_log_and_all_of_them_once_to_the_owner() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    let proof = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    let second = alice.adds_app(&proof);
    alice.enters_otp(&proof, &second.code(&service)).granted();
    let named = |name: &str| -> Vec<Value> {
        service.world.events(name).iter().map(|event| event["authenticator"].clone()).collect()
    };
    for (failures, name) in [(19, "guessing_suspected"), (99, "authenticator_disabled")] {
        fails(&service, "totp", failures);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
        assert_eq!(told(&service, name), (2, 1));
        let named = named(name);
        assert!(named.contains(&json!(app.id)) && named.contains(&json!(second.id)), "{named:?}");
    }
}

#[test]
fn a_code_by_message_is_told_of_by_its_number_whether_looked_at_or_used_up() {
    let service = noticing();
    let (alice, phone, _) = reachable(&service);
    let login = alice.logs_in();
    let sent = alice.is_challenged(&login, &phone.id);
    fails(&service, "sms", 19);
    for _ in 0..5 {
        alice.enters_code(&login, &sent.mistyped()).is_refused(403, INVALID_BINDING_CODE);
    }
    assert_eq!(told(&service, "guessing_suspected"), (1, 1));
    let event = &service.world.events("guessing_suspected")[0];
    assert_eq!(
        (&event["factor"], &event["authenticator"], &event["failures"]),
        (&json!("sms"), &json!(phone.id), &json!(20))
    );
    // It counts, though nobody looks at it: somebody goes on.
    fails(&service, "sms", 99);
    alice.enters_code(&login, &sent.mistyped()).is_refused(429, TOO_MANY);
    assert_eq!(told(&service, "authenticator_disabled"), (1, 1));
    service.delivers();
    let message = service.messages().pop().unwrap();
    assert_eq!((&message["notice"], &message["to"]), (&json!("authenticator_disabled"), &json!(MAIL)));
}

#[test]
fn fifty_guesses_at_once_over_two_isolates_are_told_once() {
    let service = noticing();
    let second = service.redeployed(&Service::noticing_variables());
    let (alice, _, app) = reachable(&service);
    for (failures, name) in [(15, "guessing_suspected"), (95, "authenticator_disabled")] {
        service.world.advance(DAY_SECONDS);
        fails(&service, "totp", failures);
        let requests: Vec<_> =
            (0..50).map(|_| alice.otp_request(&alice.logs_in(), &app.wrong_code(&service))).collect();
        let statuses = side_by_side(&[&service, &second], &requests);
        assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 10);
        service.world.run_deferred();
        assert_eq!(service.world.events(name).len(), 1, "{name}");
    }
    // Forty are locked out at the same time, which is the same news.
    assert_eq!(
        service.number(
            "SELECT COUNT(*) FROM deliveries WHERE message IN ('guesses_locked', 'guessing_suspected')"
        ),
        2,
        "one each day"
    );
    assert_eq!(told(&service, "authenticator_disabled"), (1, 1));
}

#[test]
fn a_right_code_is_no_alarm_not_even_the_one_that_comes_too_late() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    for failures in [19, 99] {
        fails(&service, "totp", failures);
        alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
        service.world.advance(30);
    }
    fails(&service, "totp", 18);
    let requests: Vec<_> = (0..2).map(|_| alice.otp_request(&alice.logs_in(), &app.code(&service))).collect();
    let mut statuses = side_by_side(&[&service], &requests);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    service.world.run_deferred();
    assert_eq!(told(&service, "guessing_suspected"), (0, 0));
    assert_eq!(told(&service, "authenticator_disabled"), (0, 0));
}

#[test]
fn a_failure_of_the_worker_itself_is_no_alarm() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    fails(&service, "totp", 19);
    for fault in [BatchFault::BeforeCommit, BatchFault::AfterCommit] {
        service.world.fail_batch(fault);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(503, UNAVAILABLE);
    }
    assert_eq!(told(&service, "guessing_suspected"), (0, 0));
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(told(&service, "guessing_suspected"), (1, 1));
}

#[test]
fn a_wrong_code_that_is_told_of_costs_one_round_trip_more_behind_the_answer_and_no_other_does() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    let costs = |failures: i64| {
        fails(&service, "totp", failures);
        let before = service.world.batches().len();
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
        let line = service.world.events("request").pop().unwrap();
        assert_eq!((&line["round_trips"], &line["statements"]), (&json!(1), &json!(4)));
        service.world.batches().split_off(before).iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(costs(18), [4]);
    assert_eq!(costs(19), [4, 1]);
    assert_eq!(costs(20), [4]);
    assert_eq!(costs(99), [4, 1]);
}

#[test]
fn without_notices_the_log_is_told_all_the_same() {
    let service = Service::new();
    let (alice, _, app) = reachable(&service);
    for (failures, name) in [(19, "guessing_suspected"), (99, "authenticator_disabled")] {
        fails(&service, "totp", failures);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
        assert_eq!(told(&service, name), (1, 0));
    }
}

#[test]
fn a_notice_that_cannot_be_stored_changes_no_answer_and_the_log_says_so() {
    let service = noticing();
    let (alice, _, app) = reachable(&service);
    fails(&service, "totp", 19);
    let request = alice.otp_request(&alice.logs_in(), &app.wrong_code(&service));
    let mut running = service.start(&request);
    let answered = loop {
        if let Some(answer) = running.step() {
            break answer;
        }
    };
    service.world.fail_batch(BatchFault::BeforeCommit);
    service.world.run_deferred();
    answered.is_refused(403, INVALID_OTP);
    assert_eq!(service.world.events("notice_lost").len(), 1);
    assert_eq!(told(&service, "guessing_suspected"), (1, 0));
}
