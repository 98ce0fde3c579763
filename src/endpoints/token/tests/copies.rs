//! The nearest copy of the database may not have heard of what was written last. It is asked for clients alone, and what it
//! says decides nothing.

use crate::storage::statements;
use crate::testing::person::{NUMBER, Service};

#[test]
fn nothing_but_the_client_is_read_nearby() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    service.world.advance(30);
    let phone = alice.adds_phone(&alice.proves_mfa(&app), NUMBER);
    alice.enters_code(&alice.logs_in(), &phone).granted();
    alice.is_challenged(&alice.logs_in(), &phone.id);
    let asked = service.world.read_nearby_so_far();
    assert!(!asked.is_empty() && asked.iter().all(|sql| *sql == statements::FIND_CLIENT), "{asked:?}");
}

#[test]
fn a_client_that_the_copy_has_not_heard_of_is_read_where_it_was_written() {
    let service = Service::new();
    service.world.lag("DELETE FROM clients");
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.world.read_nearby_so_far().len(), 1, "what was found is remembered");
}

#[test]
fn a_client_that_only_the_copy_still_has_is_none() {
    let service = Service::new();
    service.removes_client("app");
    service.world.lag(
        "INSERT INTO clients (id, version, name, authentication, audiences, created_at)
         SELECT 'app', 1, 'app', 'none', audiences, 0 FROM clients WHERE id = 'server'",
    );
    let alice = service.person("alice");
    let request = alice.otp_request(&alice.logs_in(), "123456");
    for _ in 0..2 {
        service.send(&request).is_refused(401, "Unauthorized");
    }
    assert_eq!(service.world.count("budgets"), 0);
    assert_eq!(service.world.read_nearby_so_far().len(), 1, "what was found outdated is not asked again");
}

#[test]
fn an_older_row_is_found_out_by_the_guard_and_read_where_it_was_written() {
    let service = Service::new();
    service.world.lag("UPDATE clients SET version = version - 1");
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.world.read_nearby_so_far().len(), 1);
    service.world.advance(61);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.world.read_nearby_so_far().len(), 2, "a minute later the copy may have heard of it");
}

#[test]
fn a_copy_that_is_read_while_a_newer_row_comes_in_does_not_take_its_place() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    service.world.lag("UPDATE clients SET version = version - 1");
    let request = alice.otp_request(&login, "123456");
    let mut slow = service.start(&request);
    // It has asked the copy, and has no answer yet.
    assert!(slow.step().is_none());
    let app = alice.adds_app(&login);
    // It has the copy's answer, and no guard has looked at that yet.
    assert!(slow.step().is_none());
    let batches = service.world.batches().len();
    alice.enters_otp(&login, &app.code(&service)).granted();
    assert_eq!(service.world.batches().len() - batches, 2, "the row that is remembered is the newer one");
}

#[test]
fn whoever_knows_the_new_secret_gets_in_though_the_copy_knows_the_old_one() {
    let service = Service::new();
    service.world.lag("UPDATE clients SET version = version - 1, secret_hash = 'older'");
    let alice = service.person("alice").at_client("server");
    let app = service.person("alice").adds_app(&alice.logs_in());
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
}

#[test]
fn whoever_knows_the_old_secret_stays_out_though_the_copy_knows_no_other() {
    let service = Service::new();
    let known = service.world.query("SELECT secret_hash FROM clients WHERE id = 'server'", &[]);
    let known = known[0].text("secret_hash").unwrap();
    service.world.query("UPDATE clients SET version = 2, secret_hash = 'newer' WHERE id = 'server'", &[]);
    service
        .world
        .lag(&format!("UPDATE clients SET version = 1, secret_hash = '{known}' WHERE id = 'server'"));
    let alice = service.person("alice").at_client("server");
    let app = service.person("alice").adds_app(&alice.logs_in());
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(401, "Unauthorized");
    assert_eq!(service.world.count("authenticators"), 0);
}

#[test]
fn a_copy_that_cannot_answer_is_one_that_does_not_know() {
    let service = Service::new();
    // Within what is rolled back after each question.
    service.world.lag("ALTER TABLE clients RENAME TO elsewhere");
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    let asked = service.world.read_nearby_so_far();
    assert!(!asked.is_empty(), "the copy is asked first");
}

#[test]
fn a_row_that_was_read_later_than_the_clock_says_is_read_again() {
    let service = Service::new();
    let alice = service.person("alice");
    for (seconds, reads) in [(0, 1), (59, 1), (-60, 2), (0, 2), (60, 3)] {
        service.world.advance(seconds);
        alice.adds_app(&alice.logs_in());
        assert_eq!(service.world.read_nearby_so_far().len(), reads, "{seconds}");
    }
}
