//! What a wrong guess costs beside the user's own bucket: those of the client address and of the code's recipient.

use std::net::IpAddr;

use serde_json::json;

use super::guessing::side_by_side;
use super::{
    GUESSES, INVALID_BINDING_CODE, INVALID_OTP, INVALID_RECOVERY_CODE, ONE_GUESS, TOO_MANY, UNAVAILABLE,
};
use crate::http::request::Request;
use crate::platform::Platform;
use crate::testing::person::{Answer, NUMBER, OTHER_NUMBER, Person, Service};
use crate::testing::platform::BatchFault;

/// What a guess costs an address, in seconds until its bucket is full again.
const ONE_OF_ADDRESS: i64 = 12;
const ADDRESS: &str = "198.51.100.7";

fn from(address: &str, mut request: Request) -> Request {
    request.origin.address = Some(address.parse::<IpAddr>().unwrap());
    request
}

fn guesses(person: &Person<'_>, address: &str) -> Answer {
    person.service.send(&from(address, person.otp_request(&person.logs_in(), "000000")))
}

/// Seconds until the one bucket whose key begins so is full again.
fn charged(service: &Service, prefix: &str) -> i64 {
    let rows =
        service.world.query("SELECT full_at FROM budgets WHERE key LIKE ?1", &[format!("{prefix}%").into()]);
    assert_eq!(rows.len(), 1, "{prefix}");
    (rows[0].integer("full_at").unwrap() - service.world.now().0).max(0)
}

/// Leaves the address room for so many guesses.
fn leaves(service: &Service, room: i64) {
    let full_at = service.world.now().0 + (300 - room) * ONE_OF_ADDRESS;
    service
        .world
        .query("UPDATE budgets SET full_at = ?1 WHERE key LIKE 'guess_address:%'", &[full_at.into()]);
}

#[test]
fn three_hundred_wrong_codes_of_whomever_come_from_one_address_and_then_one_each_twelve_seconds() {
    let service = Service::configured(&Service::noticing_variables());
    for user in 0..30 {
        let person = service.person(&format!("person {user}"));
        for _ in 0..10 {
            guesses(&person, ADDRESS).is_refused(403, INVALID_OTP);
        }
    }
    let alice = service.person("alice");
    let before = service.world.database_text();
    let refused = guesses(&alice, ADDRESS);
    refused.is_refused(429, TOO_MANY);
    assert_eq!(refused.header("X-RateLimit-Limit"), Some("300"));
    assert_eq!(refused.header("Retry-After"), Some("12"));
    let recovery = from(ADDRESS, alice.recovery_request(&alice.logs_in(), &"0".repeat(24)));
    service.send(&recovery).is_refused(429, TOO_MANY);
    assert_eq!(
        service.world.database_text(),
        before,
        "nothing is charged, and nobody told of somebody else's guesses"
    );
    let reasons: Vec<_> = ["guesses_locked", "recovery_guesses_locked"]
        .iter()
        .flat_map(|name| service.world.events(name))
        .map(|event| event["reason"].clone())
        .collect();
    assert_eq!(reasons, [json!("client_address"), json!("client_address")]);

    guesses(&alice, "198.51.100.8").is_refused(403, INVALID_OTP);
    service.world.advance(12);
    guesses(&alice, ADDRESS).is_refused(403, INVALID_OTP);
    guesses(&alice, ADDRESS).is_refused(429, TOO_MANY);
}

#[test]
fn what_the_longer_wait_is_for_is_what_is_told() {
    let service = Service::configured(&Service::noticing_variables());
    let alice = service.person("alice");
    alice.has_app();
    for _ in 0..10 {
        guesses(&alice, ADDRESS).is_refused(403, INVALID_OTP);
    }
    leaves(&service, 0);
    let refused = guesses(&alice, ADDRESS);
    assert_eq!(
        (refused.header("X-RateLimit-Limit"), refused.header("Retry-After")),
        (Some("10"), Some("360"))
    );
    service.world.query("UPDATE budgets SET full_at = full_at + 400 WHERE key LIKE 'guess_address:%'", &[]);
    let refused = guesses(&alice, ADDRESS);
    assert_eq!(
        (refused.header("X-RateLimit-Limit"), refused.header("Retry-After")),
        (Some("300"), Some("412"))
    );
    let reasons: Vec<_> =
        service.world.events("guesses_locked").into_iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, [json!("user"), json!("user")], "her own is empty as well");
}

#[test]
fn all_of_a_64_are_one_address_and_what_is_no_address_of_the_internet_is_none() {
    let service = Service::new();
    let alice = service.person("alice");
    for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "127.0.0.1", "10.0.0.7", "::1"] {
        guesses(&alice, address).is_refused(403, INVALID_OTP);
    }
    assert_eq!(charged(&service, "guess_address:"), 2 * ONE_OF_ADDRESS);
    assert_eq!(service.charged_seconds(GUESSES), 5 * ONE_GUESS);
    assert!(!service.world.database_text().contains("2001:db8"), "the address stands nowhere");
}

#[test]
fn fifty_guesses_of_fifty_people_at_once_over_two_isolates_are_as_many_as_the_address_has_left() {
    let service = Service::new();
    let second = service.redeployed(&Service::variables());
    guesses(&service.person("somebody"), ADDRESS).is_refused(403, INVALID_OTP);
    leaves(&service, 7);
    let requests: Vec<_> = (0..50)
        .map(|user| {
            let person = service.person(&format!("person {user}"));
            from(ADDRESS, person.otp_request(&person.logs_in(), "000000"))
        })
        .collect();
    let statuses = side_by_side(&[&service, &second], &requests);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 7);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 43);
    assert_eq!(
        service.number("SELECT COUNT(*) FROM budgets WHERE key LIKE 'guess:%'"),
        8,
        "nobody else is charged"
    );
}

#[test]
fn a_right_code_costs_an_address_nothing_and_neither_does_a_failure_of_ours() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    guesses(&alice, ADDRESS).is_refused(403, INVALID_OTP);
    assert_eq!(charged(&service, "guess_address:"), ONE_OF_ADDRESS);

    let request = |code: &str| from(ADDRESS, alice.otp_request(&alice.logs_in(), code));
    for fault in [BatchFault::BeforeCommit, BatchFault::AfterCommit] {
        service.world.fail_batch(fault);
        service.send(&request(&app.code(&service))).is_refused(503, UNAVAILABLE);
        assert_eq!(charged(&service, "guess_address:"), ONE_OF_ADDRESS, "{fault:?}");
    }
    // Another has guessed from there since: its charge stays.
    service.world.fail_batch(BatchFault::AfterCommit);
    let right = request(&app.code(&service));
    let mut running = service.start(&right).pause_after(1);
    guesses(&service.person("bob"), ADDRESS).is_refused(403, INVALID_OTP);
    while running.step().is_none() {}
    service.world.run_deferred();
    assert_eq!(charged(&service, "guess_address:"), 2 * ONE_OF_ADDRESS);

    service.send(&request(&app.code(&service))).granted();
    assert_eq!(charged(&service, "guess_address:"), 2 * ONE_OF_ADDRESS);
    assert_eq!(service.charged_seconds(GUESSES), ONE_GUESS);
}

#[test]
fn a_back_ends_own_address_is_not_counted_but_whom_it_speaks_for_is() {
    let service = Service::new();
    let alice = service.person("alice").at_client("server");
    guesses(&alice, ADDRESS).is_refused(403, INVALID_OTP);
    assert_eq!(service.number("SELECT COUNT(*) FROM budgets WHERE key LIKE 'guess_address:%'"), 0);
    let mut request = from(ADDRESS, alice.otp_request(&alice.logs_in(), "000000"));
    request.headers.forwarded_for = Some("203.0.113.9".to_owned());
    service.send(&request).is_refused(403, INVALID_OTP);
    assert_eq!(charged(&service, "guess_address:"), ONE_OF_ADDRESS);
    // A page may say what it likes.
    let bob = service.person("bob");
    let mut request = from("203.0.113.9", bob.otp_request(&bob.logs_in(), "000000"));
    request.headers.forwarded_for = Some(ADDRESS.to_owned());
    service.send(&request).is_refused(403, INVALID_OTP);
    assert_eq!(charged(&service, "guess_address:"), 2 * ONE_OF_ADDRESS);
}

#[test]
fn guesses_at_codes_to_one_number_share_a_bucket_however_many_users_have_it() {
    let service = Service::new();
    let people = ["a", "b", "c"].map(|subject| service.person(subject));
    let phones = [0, 1, 2].map(|which: usize| people[which].has_phone(NUMBER));
    for (person, phone) in people.iter().zip(&phones).take(2) {
        let login = person.logs_in();
        let sent = person.is_challenged(&login, &phone.id);
        for _ in 0..5 {
            person.enters_code(&login, &sent.mistyped()).is_refused(403, INVALID_BINDING_CODE);
        }
    }
    let last = &people[2];
    let login = last.logs_in();
    let sent = last.is_challenged(&login, &phones[2].id);
    let before = service.world.database_text();
    let refused = last.enters_code(&login, &sent);
    refused.is_refused(429, TOO_MANY);
    assert_eq!(
        (refused.header("X-RateLimit-Limit"), refused.header("Retry-After")),
        (Some("10"), Some("360"))
    );
    assert_eq!(service.world.database_text(), before);
    assert!(!before.contains(NUMBER));
    // Nothing else of hers, and nobody else's, is locked.
    last.recovers(&last.logs_in(), &"0".repeat(24)).is_refused(403, INVALID_RECOVERY_CODE);
    let other = service.person("d");
    let phone = other.has_phone(OTHER_NUMBER);
    let login = other.logs_in();
    let sent = other.is_challenged(&login, &phone.id);
    other.enters_code(&login, &sent).granted();
    service.world.advance(ONE_GUESS);
    let login = last.logs_in();
    let sent = last.is_challenged(&login, &phones[2].id);
    last.enters_code(&login, &sent).granted();
}

#[test]
fn who_guesses_at_a_number_that_they_enroll_does_not_keep_its_owner_from_codes() {
    let service = Service::new();
    let alice = service.person("alice");
    let phone = alice.has_phone(NUMBER);
    for thief in ["x", "y"] {
        let thief = service.person(thief);
        let login = thief.logs_in();
        let sent = thief.adds_phone(&login, NUMBER);
        for _ in 0..5 {
            thief.enters_code(&login, &sent.mistyped()).is_refused(403, INVALID_BINDING_CODE);
        }
    }
    let third = service.person("z");
    let login = third.logs_in();
    let sent = third.adds_phone(&login, NUMBER);
    third.enters_code(&login, &sent).is_refused(429, TOO_MANY);
    let login = alice.logs_in();
    let sent = alice.is_challenged(&login, &phone.id);
    alice.enters_code(&login, &sent).granted();
}
