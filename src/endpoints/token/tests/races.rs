//! Requests that meet: of any number with one code, one counts.

use std::pin::Pin;

use super::{GUESSES, INVALID_BINDING_CODE, INVALID_OTP, INVALID_RECOVERY_CODE, ONE_GUESS, SPENT};
use crate::http::request::Request;
use crate::platform::Platform;
use crate::routes;
use crate::testing::join_all;
use crate::testing::person::{Message, NUMBER, OTHER_NUMBER, Service};

/// The statuses and texts of requests that go step by step side by side, over two isolates.
fn side_by_side(service: &Service, requests: &[Request]) -> Vec<(u16, String)> {
    let second = service.redeployed(&Service::variables());
    let running = requests.iter().enumerate().map(|(index, request)| {
        let app = if index % 2 == 0 { &service.app } else { &second.app };
        let future: Pin<Box<dyn Future<Output = (u16, String)> + '_>> = Box::pin(async move {
            let response = routes::handle(app, request).await;
            (response.status, response.body)
        });
        future
    });
    let running = running.collect();
    join_all(running)
}

#[track_caller]
fn one_wins(answers: &[(u16, String)], loss: &str) {
    let won = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(won, 1, "{answers:?}");
    let lost = answers.iter().filter(|(status, text)| *status == 403 && text.contains(loss)).count();
    assert_eq!(lost + won, answers.len(), "{answers:?}");
}

#[test]
fn one_login_exchanged_five_times_at_once_is_exchanged_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let login = alice.logs_in();
    let requests: Vec<_> = (0..5).map(|_| alice.otp_request(&login, &app.code(&service))).collect();
    one_wins(&side_by_side(&service, &requests), SPENT);
}

#[test]
fn one_password_used_by_five_logins_at_once_is_used_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let requests: Vec<_> = (0..5).map(|_| alice.otp_request(&alice.logs_in(), &app.code(&service))).collect();
    one_wins(&side_by_side(&service, &requests), INVALID_OTP);
    assert_eq!(service.charged_seconds(GUESSES), 4 * ONE_GUESS);
    assert_eq!(service.world.count("redemptions"), 2, "the confirmation's and the winner's");
}

#[test]
fn one_sent_code_used_by_five_logins_at_once_confirms_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let requests: Vec<_> =
        (0..5).map(|_| alice.oob_request(&alice.logs_in(), &phone.oob_code, &phone.code)).collect();
    one_wins(&side_by_side(&service, &requests), INVALID_BINDING_CODE);
    assert_eq!(service.world.count("authenticators"), 1);
    assert_eq!(service.world.count("enrollments"), 0);
}

#[test]
fn one_sent_code_used_by_an_access_token_and_a_login_at_once_confirms_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = alice.access_token("enroll");
    let phone = alice.adds_phone(&token, NUMBER);
    let requests = [
        alice.oob_request(&token, &phone.oob_code, &phone.code),
        alice.oob_request(&token, &phone.oob_code, &phone.code),
        alice.oob_request(&alice.logs_in(), &phone.oob_code, &phone.code),
    ];
    let answers = side_by_side(&service, &requests);
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
    assert_eq!(service.world.count("authenticators"), 1);
}

#[test]
fn one_recovery_code_used_by_five_logins_at_once_is_used_once() {
    let service = Service::new();
    let alice = service.person("alice");
    let code = alice.has_app().recovery_code.unwrap();
    let requests: Vec<_> = (0..5).map(|_| alice.recovery_request(&alice.logs_in(), &code)).collect();
    let answers = side_by_side(&service, &requests);
    one_wins(&answers, INVALID_RECOVERY_CODE);
    let (_, won) = answers.iter().find(|(status, _)| *status == 200).unwrap();
    let answer: serde_json::Value = serde_json::from_str(won).unwrap();
    alice.recovers(&alice.logs_in(), answer["recovery_code"].as_str().unwrap()).granted();
}

#[test]
fn two_first_confirmations_at_once_are_one() {
    let service = Service::new();
    let alice = service.person("alice");
    let (one, other) = (alice.adds_app(&alice.logs_in()), alice.adds_app(&alice.logs_in()));
    let requests = [
        alice.otp_request(&alice.logs_in(), &one.code(&service)),
        alice.otp_request(&alice.logs_in(), &other.code(&service)),
    ];
    one_wins(&side_by_side(&service, &requests), INVALID_OTP);
    assert_eq!(service.world.count("authenticators"), 1);
    assert_eq!(service.world.count("enrollments"), 0);
    let winner = service.world.query("SELECT id FROM authenticators", &[])[0].text("id").unwrap().to_owned();
    let (winner, loser) = if winner == one.id { (one, other) } else { (other, one) };
    let answer = alice.recovers(&alice.logs_in(), loser.recovery_code.as_deref().unwrap());
    answer.is_refused(403, INVALID_RECOVERY_CODE);
    alice.recovers(&alice.logs_in(), winner.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn two_confirmations_with_proof_at_once_both_count() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let (one, other) = (alice.adds_phone(&proof, NUMBER), alice.adds_phone(&proof, OTHER_NUMBER));
    let requests = [
        alice.oob_request(&proof, &one.oob_code, &one.code),
        alice.oob_request(&proof, &other.oob_code, &other.code),
    ];
    let answers = side_by_side(&service, &requests);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(service.world.count("authenticators"), 3);
}

#[test]
fn the_same_number_confirmed_twice_at_once_is_one_authenticator() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let (one, other) = (alice.adds_phone(&proof, NUMBER), alice.adds_phone(&proof, NUMBER));
    let requests = [
        alice.oob_request(&proof, &one.oob_code, &one.code),
        alice.oob_request(&proof, &other.oob_code, &other.code),
    ];
    side_by_side(&service, &requests);
    assert_eq!(service.number("SELECT count(*) FROM authenticators WHERE kind = 'sms'"), 1);
}

#[test]
fn a_thiefs_code_that_was_read_before_the_first_confirmation_comes_to_nothing_after_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let parked = alice.adds_phone(&alice.logs_in(), OTHER_NUMBER);
    let request = alice.oob_request(&alice.logs_in(), &parked.oob_code, &parked.code);
    let thief = service.start(&request).pause_after(1);
    let app = alice.has_app();
    thief.finish().is_refused(403, INVALID_BINDING_CODE);
    let rows = service.world.query("SELECT id FROM authenticators", &[]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("id"), Ok(app.id.as_str()));
}

#[test]
fn an_authenticator_that_is_gone_between_the_round_trips_verifies_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let request = alice.otp_request(&alice.logs_in(), &app.code(&service));
    let running = service.start(&request).pause_after(1);
    service.world.query("DELETE FROM authenticators", &[]);
    running.finish().is_refused(403, INVALID_OTP);
    assert_eq!(service.charged_seconds(GUESSES), ONE_GUESS);
}

#[test]
fn a_login_that_is_spent_between_the_round_trips_is_spent() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let login = alice.logs_in();
    let request = alice.recovery_request(&login, app.recovery_code.as_deref().unwrap());
    let running = service.start(&request).pause_after(1);
    alice.enters_otp(&login, &app.code(&service)).granted();
    running.finish().is_refused(403, SPENT);
    // The recovery code was not used up by it.
    alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn a_client_that_is_removed_between_the_round_trips_gets_nothing_and_pays_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let request = alice.otp_request(&alice.logs_in(), &app.code(&service));
    let running = service.start(&request).pause_after(1);
    service.removes_client("app");
    running.finish().is_refused(401, "Unauthorized");
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
}

#[test]
fn a_client_that_changes_between_the_round_trips_is_read_again_and_the_code_still_counts() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let request = alice.otp_request(&alice.logs_in(), &app.code(&service));
    let running = service.start(&request).pause_after(1);
    service.touches_client("app");
    running.finish().granted();
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
}

#[test]
fn a_client_that_changes_before_it_is_asked_what_it_demands_is_read_again_and_a_code_by_mail_costs_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let mail = alice.adds_email(&login, "a@example.com");
    let enters = |login: &str, sent: &Message| {
        let request = alice.oob_request(login, &sent.oob_code, &sent.code);
        let running = service.start(&request).pause_after(1);
        assert_eq!(owed(&service), 2 * ONE_GUESS, "the user's bucket and the address'");
        service.touches_client("app");
        running.finish().granted();
        assert_eq!(owed(&service), 0);
    };
    enters(&login, &mail);
    let login = alice.logs_in();
    enters(&login, &alice.is_challenged(&login, &mail.id));
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
}

/// What all buckets of guesses are charged with, in seconds.
fn owed(service: &Service) -> i64 {
    let now = service.world.now();
    service.number(&format!("SELECT COALESCE(SUM(MAX(full_at - {}, 0)), 0) FROM budgets", now.0))
}

#[test]
fn a_newer_enrollment_that_takes_the_place_between_the_round_trips_leaves_nothing_to_confirm() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let oldest = alice.adds_app(&login);
    let request = alice.otp_request(&alice.logs_in(), &oldest.code(&service));
    let running = service.start(&request).pause_after(1);
    for _ in 0..10 {
        alice.adds_app(&login);
    }
    running.finish().is_refused(403, INVALID_OTP);
    assert_eq!(service.world.count("authenticators"), 0);
}

#[test]
fn a_recovery_code_that_was_rotated_between_the_round_trips_is_used() {
    let service = Service::new();
    let alice = service.person("alice");
    let code = alice.has_app().recovery_code.unwrap();
    let request = alice.recovery_request(&alice.logs_in(), &code);
    let running = service.start(&request).pause_after(1);
    let next =
        alice.recovers(&alice.logs_in(), &code).granted()["recovery_code"].as_str().unwrap().to_owned();
    running.finish().is_refused(403, INVALID_RECOVERY_CODE);
    alice.recovers(&alice.logs_in(), &next).granted();
}
