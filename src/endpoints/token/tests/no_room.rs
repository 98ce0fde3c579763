//! A right code that finds no room, and one that another request was faster with.

use serde_json::json;

use super::guessing::side_by_side;
use super::{GUESSES, INVALID_OTP};
use crate::testing::person::{NUMBER, OTHER_NUMBER, Service};

const FULL: &str = "The user has 20 authenticators. Remove one first.";

/// Gives the user so many further addresses for mail, which nobody has to prove anything for.
fn fills(service: &Service, user: &str, count: usize) {
    for number in 0..count {
        let sql =
            "INSERT INTO authenticators (user_id, id, kind, sealed, created_at, confirmed_at, last_used_at)
                   VALUES (?1, ?2, 'email', 's1.x', 0, 0, 0)";
        service.world.query(sql, &[user.into(), format!("email|dev_{number:016}").as_str().into()]);
    }
}

#[test]
fn a_right_code_of_an_app_that_finds_no_room_is_told_so_and_costs_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let proof = alice.proves_mfa(&alice.has_app());
    let waiting = alice.adds_app(&proof);
    fills(&service, "idp|alice", 19);
    for token in [proof.clone(), alice.logs_in()] {
        alice.enters_otp(&token, &waiting.code(&service)).is_refused(400, FULL);
    }
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT SUM(failures) FROM authenticators"), 0);
    alice.enters_otp(&proof, &waiting.wrong_code(&service)).is_refused(403, INVALID_OTP);
    service.world.query("DELETE FROM authenticators WHERE id = 'email|dev_0000000000000000'", &[]);
    alice.enters_otp(&proof, &waiting.code(&service)).granted();
}

#[test]
fn and_so_is_one_of_a_number_which_keeps_its_tries() {
    let service = Service::new();
    let alice = service.person("alice");
    let proof = alice.proves_mfa(&alice.has_app());
    let waiting = alice.adds_phone(&proof, NUMBER);
    fills(&service, "idp|alice", 19);
    for _ in 0..6 {
        alice.enters_code(&proof, &waiting).is_refused(400, FULL);
    }
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT attempts FROM enrollments"), 0);
    service.world.query("DELETE FROM authenticators WHERE id = 'email|dev_0000000000000000'", &[]);
    alice.enters_code(&proof, &waiting).granted();
}

#[test]
fn nothing_is_enrolled_without_room_either() {
    let service = Service::new();
    let alice = service.person("alice");
    let proof = alice.proves_mfa(&alice.has_app());
    fills(&service, "idp|alice", 19);
    let body =
        json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": OTHER_NUMBER });
    alice.associates(&proof, &body).is_refused(400, FULL);
    assert_eq!(service.number("SELECT COUNT(*) FROM message_budgets"), 0);
}

#[test]
fn of_two_that_confirm_at_once_by_access_token_the_later_is_not_told_that_the_token_is_spent() {
    let service = Service::new();
    let alice = service.person("alice");
    let proof = alice.proves_mfa(&alice.has_app());
    let waiting = alice.adds_app(&proof);
    let requests: Vec<_> = (0..2).map(|_| alice.otp_request(&proof, &waiting.code(&service))).collect();
    let mut statuses = side_by_side(&[&service], &requests);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let wrong = service.world.events("code_wrong").pop().expect("a wrong code");
    assert_eq!(wrong["reason"], json!("used_meanwhile"));
    assert_eq!(service.world.events("bearer_refused"), Vec::<serde_json::Value>::new());
}
