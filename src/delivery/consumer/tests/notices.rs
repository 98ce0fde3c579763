//! How many notices are let through.

use serde_json::json;

use super::*;
use crate::http::request::{Method, Request};
use crate::platform::Row;
use crate::storage::statements;
use crate::testing::person::Person;

/// As many as a user is sent at once.
const AT_ONCE: usize = 20;

/// Somebody whom notices reach by text message alone.
fn textable<'a>(service: &'a Service, subject: &str, number: &str) -> Person<'a> {
    let person = service.person(subject);
    let login = person.logs_in_with(&json!({ "email": null, "email_verified": null }));
    let phone = person.adds_phone(&login, number);
    person.enters_code(&login, &phone).granted();
    service.delivers();
    person
}

/// Adds an app and takes it away, of which the person is told twice.
fn causes_two_notices(person: &Person<'_>) {
    let service = person.service;
    service.world.advance(1);
    let claims = json!({
        "amr": ["pwd", "mfa"], "scope": "enroll remove:authenticators", "email": null, "email_verified": null,
    });
    let proof = person.access_token_with(&claims);
    let app = person.adds_app(&proof);
    person.enters_otp(&proof, &app.code(service)).granted();
    let path = format!("/mfa/authenticators/{}", app.id);
    service.send(&Request { method: Method::Delete, ..service.post(&path, Some(&proof), &json!({})) });
}

fn notices_to(service: &Service, number: &str) -> usize {
    service
        .messages()
        .iter()
        .filter(|message| message["type"] == "mfa.notice" && message["to"] == number)
        .count()
}

/// The notices that nobody has taken yet.
fn waiting(service: &Service) -> Vec<String> {
    let sql =
        "SELECT id FROM deliveries WHERE message <> 'code' AND sealed IS NOT NULL ORDER BY created_at, id";
    service.world.query(sql, &[]).iter().map(|row| row.text("id").unwrap().to_owned()).collect()
}

/// Lets the consumer handle as many as there are, in batches.
fn all_consumed(service: &Service, ids: &[String]) {
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    for batch in ids.chunks(10) {
        consumed(service, batch);
    }
}

/// Asks for a code to the number of a person who has that alone.
fn challenges(person: &Person<'_>) -> bool {
    let sql = "SELECT id FROM authenticators WHERE user_id = ?1";
    let own = person.service.world.query(sql, &[person.user_id().as_str().into()]);
    let body = json!({ "authenticator_id": own[0].text("id").unwrap() });
    person.service.send(&person.challenge_request(&person.logs_in(), &body)).succeeded()
}

#[test]
fn those_without_room_get_none_by_the_queue_giving_up_on_them() {
    let service = Service::configured(&Service::noticing_variables());
    let alice = textable(&service, "alice", NUMBER);
    for _ in 0..20 {
        causes_two_notices(&alice);
        service.delivers();
    }
    assert_eq!(notices_to(&service, NUMBER), AT_ONCE);
    let held = waiting(&service);
    assert!(held.len() >= AT_ONCE, "{held:?}");
    block_on(bury(&service.app, &held)).unwrap();
    service.world.advance(1800);
    all_consumed(&service, &held);
    assert_eq!(notices_to(&service, NUMBER), AT_ONCE);
    // One comes back each hour, and one waits no longer.
    for hour in 1..=3 {
        block_on(bury(&service.app, &waiting(&service))).unwrap();
        service.world.advance(3600);
        all_consumed(&service, &waiting(&service));
        assert_eq!(notices_to(&service, NUMBER), AT_ONCE + hour);
    }
}

#[test]
fn each_is_charged_once_however_often_it_is_tried() {
    let service = Service::configured(&Service::noticing_variables());
    let alice = textable(&service, "alice", NUMBER);
    let told = notices_to(&service, NUMBER);
    let charged = || {
        let sql = "SELECT SUM(full_at) AS full_at FROM message_budgets WHERE key LIKE 'user:%'";
        service.world.query(sql, &[])[0].integer("full_at").unwrap()
    };
    causes_two_notices(&alice);
    let before = charged();
    let held = waiting(&service);
    assert_eq!(held.len(), 2);
    // The answer to the charge is lost, then a provider is down.
    service.world.fail_batch_of(statements::ADMIT_NOTICE, BatchFault::AfterCommit);
    all_consumed(&service, &held[..1]);
    let once = charged();
    assert!(once > before);
    let line = service.world.events("delivery_delayed").pop().unwrap();
    assert!(line["reason"].as_str().unwrap().starts_with("the notice could not be charged"), "{line}");
    service.world.answer_once(WEBHOOK, Err(FetchError::Timeout));
    for _ in 0..2 {
        service.world.advance(60);
        all_consumed(&service, &held[..1]);
    }
    assert_eq!(charged(), once);
    assert_eq!(notices_to(&service, NUMBER), told + 2, "one that nobody answered, and one that was taken");
    // Where nothing was committed, the next attempt charges.
    service.world.fail_batch_of(statements::ADMIT_NOTICE, BatchFault::BeforeCommit);
    all_consumed(&service, &held[1..]);
    assert_eq!((charged(), notices_to(&service, NUMBER)), (once, told + 2));
    service.world.advance(60);
    all_consumed(&service, &held[1..]);
    assert!(charged() > once);
    assert_eq!(notices_to(&service, NUMBER), told + 3);
}

#[test]
fn what_strangers_with_numbers_of_the_same_range_are_sent_keeps_nobody_from_theirs() {
    const NUMBER_OF_VICTIM: &str = "+4915123456789";
    let service = Service::configured(&Service::noticing_variables());
    let victim = textable(&service, "victim", NUMBER_OF_VICTIM);
    let strangers = ["+4915123450001", "+4915123450002", "+4915123450003"];
    let strangers = strangers.map(|number| (textable(&service, number, number), number));
    service.world.advance(86_400);
    let told = notices_to(&service, NUMBER_OF_VICTIM);
    for (stranger, number) in &strangers {
        for _ in 0..10 {
            causes_two_notices(stranger);
            service.delivers();
        }
        assert!(notices_to(&service, number) >= AT_ONCE);
        let sent = (0..20).filter(|_| challenges(stranger)).count();
        assert_eq!(sent, 10);
    }
    causes_two_notices(&victim);
    service.delivers();
    assert_eq!(notices_to(&service, NUMBER_OF_VICTIM), told + 2);
    assert!(challenges(&victim));
}

/// Gives a person so many mailboxes, one a day, which leaves room for the notices of each.
fn has_mailboxes(person: &Person<'_>, number: usize) -> Vec<String> {
    let service = person.service;
    let claims = json!({ "amr": ["pwd", "mfa"], "email": null, "email_verified": null });
    let addresses: Vec<_> = (1..=number).map(|number| format!("mailbox-{number}@example.org")).collect();
    for address in &addresses {
        service.world.advance(86_400);
        let proof = person.access_token_with(&claims);
        let mail = person.adds_email(&proof, address);
        person.enters_code(&proof, &mail).granted();
        service.delivers();
    }
    addresses
}

#[test]
fn of_many_mailboxes_the_oldest_and_the_four_that_were_confirmed_last_are_told() {
    let service = Service::configured(&Service::noticing_variables());
    let alice = service.person("alice");
    let addresses = has_mailboxes(&alice, 7);
    service.world.advance(86_400);
    let told = service.messages().len();
    let proof =
        alice.access_token_with(&json!({ "amr": ["pwd", "mfa"], "email": null, "email_verified": null }));
    let app = alice.adds_app(&proof);
    alice.enters_otp(&proof, &app.code(&service)).granted();
    service.delivers();
    let mut to: Vec<_> = service
        .messages()
        .split_off(told)
        .iter()
        .map(|message| message["to"].as_str().unwrap().to_owned())
        .collect();
    to.sort_unstable();
    assert_eq!(to, [&addresses[..1], &addresses[3..]].concat());
}

#[test]
fn one_that_was_sent_has_forgotten_what_it_said_and_where_it_went() {
    let service = Service::configured(&Service::noticing_variables());
    let alice = service.person("alice");
    has_mailboxes(&alice, 2);
    service.world.query("DELETE FROM deliveries", &[]);
    let proof = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    let app = alice.adds_app(&proof);
    alice.enters_otp(&proof, &app.code(&service)).granted();
    let kept = || {
        let rows = service.world.query("SELECT state, sealed, address FROM deliveries", &[]);
        let kept = |row: &Row, column| row.optional_text(column).unwrap().is_some();
        rows.iter()
            .map(|row| (row.text("state").unwrap().to_owned(), kept(row, "sealed"), kept(row, "address")))
            .collect::<Vec<_>>()
    };
    let waiting = kept();
    assert!(!waiting.is_empty());
    assert!(waiting.iter().all(|row| *row == ("waiting".to_owned(), true, true)), "{waiting:?}");
    service.delivers();
    let sent = kept();
    assert_eq!(sent.len(), waiting.len());
    assert!(sent.iter().all(|row| *row == ("sent".to_owned(), false, false)), "{sent:?}");
}
