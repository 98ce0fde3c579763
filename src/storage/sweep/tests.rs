use serde_json::json;

use super::*;
use crate::testing::block_on;
use crate::testing::person::{NUMBER, Service};
use crate::testing::platform::BatchFault;

fn swept(service: &Service) {
    block_on(run(&service.app, service.world.now())).unwrap();
}

fn sends(service: &Service) {
    let alice = service.person("alice");
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": NUMBER });
    alice.associates(&alice.logs_in(), &body).granted();
}

/// The queue has not heard of it.
fn sends_untold(service: &Service) {
    service.world.break_queue(true);
    sends(service);
    service.world.break_queue(false);
}

#[test]
fn the_queue_is_told_again_about_what_stayed_behind_for_fifteen_seconds() {
    let service = Service::new();
    sends_untold(&service);
    service.world.advance(14);
    swept(&service);
    assert!(service.world.queue().is_empty());
    service.world.advance(1);
    swept(&service);
    assert_eq!(service.world.queue().len(), 1);
    // Until somebody has sent it.
    swept(&service);
    assert_eq!(service.world.queue().len(), 2);
    service.delivers();
    assert_eq!(service.messages().len(), 1);
    swept(&service);
    assert_eq!(service.world.queue().len(), 2);
}

#[test]
fn a_queue_that_refuses_again_stops_no_sweep() {
    let service = Service::new();
    service.world.break_queue(true);
    sends(&service);
    service.person("bob").adds_app(&service.person("bob").logs_in());
    service.world.advance(86_400);
    sends(&service);
    service.world.advance(15);
    swept(&service);
    let refusals = service.world.log_text().matches("queue_refused").count();
    assert_eq!(refusals, 3, "two when they were written, one now");
    assert_eq!(service.world.count("enrollments"), 1, "what has expired is deleted all the same");
}

#[test]
fn each_run_ends_at_most_five_hundred_and_tells_of_each() {
    let service = Service::new();
    service.world.query(
        "INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501)
         SELECT 'd' || i, 'sms', 's1.x', 'waiting', ?1 - i, ?1 - i, ?1 FROM n",
        &[service.world.now().into()],
    );
    for told in [500, 501, 501] {
        swept(&service);
        assert_eq!(service.world.events("delivery_expired").len(), told);
    }
    assert_eq!(
        service.number("SELECT COUNT(*) FROM deliveries WHERE sealed IS NULL AND state = 'expired'"),
        501
    );
}

#[test]
fn what_cannot_be_ended_keeps_nothing_from_being_told_again() {
    let service = Service::new();
    sends_untold(&service);
    service.world.advance(15);
    service.world.fail_batch_of(statements::EXPIRE_DELIVERIES, BatchFault::BeforeCommit);
    assert!(block_on(run(&service.app, service.world.now())).is_err());
    assert_eq!(service.world.queue().len(), 1);
}

const ACTS: &str = "INSERT INTO operator_acts (at, command, operator, user_id, client_id, detail)
    VALUES (900, 'users unlock', 'ops@host', 'idp|ann', NULL, 'totp|dev_1'), (800, 'clients add', 'eve', NULL, 'app', NULL)";

#[test]
fn what_operators_did_is_told_in_order_and_forgotten() {
    let service = Service::new();
    service.world.query(ACTS, &[]);
    for _ in 0..2 {
        swept(&service);
        let told = [
            json!({ "event": "operator_acted", "outcome": "success", "time": 900, "command": "users unlock",
                    "operator": "ops@host", "user": "idp|ann", "detail": "totp|dev_1" }),
            json!({ "event": "operator_acted", "outcome": "success", "time": 800, "command": "clients add",
                    "operator": "eve", "client": "app" }),
        ];
        assert_eq!(service.world.events("operator_acted"), told);
        assert_eq!(service.world.count("operator_acts"), 0);
    }
}

#[test]
fn what_operators_did_is_told_at_least_once() {
    for (fault, told) in [(BatchFault::BeforeCommit, 4), (BatchFault::AfterCommit, 2)] {
        let service = Service::new();
        service.world.query(ACTS, &[]);
        service.world.fail_batch_of(statements::FORGET_OPERATOR_ACTS, fault);
        assert!(block_on(run(&service.app, service.world.now())).is_err());
        swept(&service);
        assert_eq!(service.world.events("operator_acted").len(), told);
    }
}

#[test]
fn a_hundred_acts_of_operators_are_told_in_one_run_and_the_rest_in_the_next() {
    let service = Service::new();
    let acts = "INSERT INTO operator_acts (at, command, operator) WITH RECURSIVE n(i) AS
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) SELECT i, 'users reset', 'eve' FROM n";
    service.world.query(acts, &[]);
    for told in [100, 150, 150] {
        swept(&service);
        assert_eq!(service.world.events("operator_acted").len(), told);
    }
}

#[test]
fn a_day_of_mail_alone_is_counted_by_the_hour_as_well() {
    let service = Service::new();
    let person = service.person("alice");
    person.adds_email(&person.logs_in(), "alice@example.com");
    service.world.advance(2 * HOUR_SECONDS);
    swept(&service);
    assert_eq!(service.number("SELECT SUM(sent) FROM message_counts WHERE key = ''"), 1);
    swept(&service);
    assert_eq!(service.number("SELECT SUM(sent) FROM message_counts"), 1);
}

#[test]
fn each_run_tells_at_most_a_hundred_the_oldest_first() {
    let service = Service::new();
    service.world.query(
        "INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
         SELECT 'd' || i, 'sms', 's1.x', 'waiting', ?1 - i, ?1 - i, ?1 + 100 FROM n",
        &[service.world.now().plus(-20).into()],
    );
    swept(&service);
    let told = service.world.queue();
    assert_eq!(told.len(), 100);
    assert_eq!((told[0].as_str(), told[99].as_str()), ("d150", "d51"));
}

/// The tables, a row that expires at `?1` for each, and how long it is kept after that.
const TABLES: [(&str, &str, i64); 9] = [
    (
        "enrollments",
        "INSERT INTO enrollments (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
         SELECT 'e' || i, 'u' || i, 0, 0, 'app', 'totp', 's1.x', 0, 0, ?1 FROM n",
        0,
    ),
    (
        "challenges",
        "INSERT INTO challenges (id, authenticator_id, channel, user_id, client_id, transaction_id, code_hash,
                                 created_at, expires_at)
         SELECT 'c' || i, 'a' || i, 'sms', 'u' || i, 'app', 't', 'h1.x', 0, ?1 FROM n",
        0,
    ),
    ("redemptions", "INSERT INTO redemptions (spent, redemption, expires_at) SELECT 's' || i, 'r' || i, ?1 FROM n", 60),
    (
        "client_assertions",
        "INSERT INTO client_assertions (client_id, jti_hash, expires_at) SELECT 'app', 'j' || i, ?1 FROM n",
        60,
    ),
    (
        "idempotent_answers",
        "INSERT INTO idempotent_answers (key, sealed, expires_at) SELECT 'k' || i, 's1.x', ?1 FROM n",
        0,
    ),
    ("closures", "INSERT INTO closures (key, reason, expires_at) SELECT 'k' || i, 'volume', ?1 FROM n", 0),
    ("message_budgets", "INSERT INTO message_budgets (key, full_at) SELECT 'k' || i, ?1 * 1000 FROM n", 0),
    ("budgets", "INSERT INTO budgets (key, full_at) SELECT 'k' || i, ?1 FROM n", 0),
    (
        "deliveries",
        "INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at)
         SELECT 'd' || i, 'sms', 'sent', 0, 0, ?1 FROM n",
        86_400,
    ),
];

/// Those of them that are gone through by their key: the column that it begins with, the one that says when, and its units
/// in a second.
const BY_KEY: [(&str, &str, &str, i64); 7] = [
    ("enrollments", "user_id", "expires_at", 1),
    ("challenges", "user_id", "expires_at", 1),
    ("idempotent_answers", "key", "expires_at", 1),
    ("redemptions", "spent", "expires_at", 1),
    ("client_assertions", "jti_hash", "expires_at", 1),
    ("message_budgets", "key", "full_at", 1000),
    ("budgets", "key", "full_at", 1),
];

fn fill(service: &Service, insert: &str, rows: i64, expires_at: UnixSeconds) {
    let (head, tail) = insert.split_once("SELECT").unwrap();
    let sql = format!(
        "{head} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) SELECT{tail}"
    );
    service.world.query(&sql, &[expires_at.into(), rows.into()]);
}

#[test]
fn what_has_expired_is_deleted_at_that_second_and_not_before() {
    for (table, insert, kept) in TABLES {
        let service = Service::new();
        let now = service.world.now();
        fill(&service, insert, 3, now.plus(100));
        service.world.set_time(now.plus(99 + kept));
        swept(&service);
        assert_eq!(service.world.count(table), 3, "{table}");
        service.world.advance(1);
        swept(&service);
        assert_eq!(service.world.count(table), 0, "{table}");
    }
}

#[test]
fn at_most_ten_thousand_rows_that_are_found_by_time_are_deleted_in_one_run() {
    for (table, insert, kept) in
        TABLES.into_iter().filter(|(table, ..)| BY_KEY.iter().all(|(by_key, ..)| by_key != table))
    {
        let service = Service::new();
        fill(&service, insert, 25_000, service.world.now().plus(-kept - 1));
        for left in [15_000, 5_000, 0, 0] {
            swept(&service);
            assert_eq!(service.world.count(table), left, "{table}");
        }
    }
}

#[test]
fn ten_thousand_rows_of_a_table_are_gone_through_by_their_key_in_one_run_and_all_of_them_in_turn() {
    for (table, key, time, units) in BY_KEY {
        let service = Service::new();
        let (_, insert, kept) = TABLES.into_iter().find(|(name, ..)| *name == table).unwrap();
        fill(&service, insert, 25_000, service.world.now().plus(-kept - 1));
        service.world.query(&format!("UPDATE {table} SET {key} = printf('%05d', substr({key}, 2))"), &[]);
        let later = format!("UPDATE {table} SET {time} = {time} + 5 * {units} WHERE {key} LIKE '%9'");
        service.world.query(&later, &[]);
        for left in [16_000, 7_000, 2_500, 2_500] {
            swept(&service);
            assert_eq!(service.world.count(table), left, "{table}");
        }
        // What expires only then is found when its turn comes.
        service.world.advance(5);
        swept(&service);
        assert_eq!(service.world.count(table), 0, "{table}");
    }
}

/// So many messages to +49 at this very second.
fn sent(service: &Service, messages: i64) {
    let insert = "INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at, region)
                  SELECT 'd' || ?1 || '-' || i, 'sms', 'failed', ?1, ?1, ?1 + 300, '49' FROM n";
    fill(service, insert, messages, service.world.now());
}

fn is_closed(service: &Service) -> bool {
    swept(service);
    service.world.count("closures") > 0
}

#[test]
fn a_day_is_this_hour_and_the_23_before_and_each_message_counts_once() {
    let limits = r#"{ "region": { "hour": 100, "day": 10 }, "closed_seconds": 60 }"#;
    let service = Service::configured(&Service::variables().with("SENDING_LIMITS", limits));
    let day =
        UnixSeconds(service.world.now().0.div_euclid(DAY_SECONDS).wrapping_add(1).wrapping_mul(DAY_SECONDS));
    // At its first second and in the middle of its hour, the four hours after each other, swept or not in between.
    for (hour, messages) in [(0, 4), (1, 3), (2, 2), (3, 1)] {
        service.world.set_time(day.plus(hour * HOUR_SECONDS + hour % 2 * 1800));
        sent(&service, messages);
        assert!(hour == 2 || !is_closed(&service), "{hour}");
    }
    service.world.advance(60);
    sent(&service, 1);
    assert!(is_closed(&service), "the eleventh");
    // While the first hour is part of the day it is closed again, and not after that.
    service.world.set_time(day.plus(23 * HOUR_SECONDS + 3599));
    assert!(is_closed(&service));
    service.world.advance(61);
    assert!(!is_closed(&service));
    sent(&service, 3);
    assert!(!is_closed(&service), "seven of the day before and three of this one");
    service.world.advance(1);
    sent(&service, 1);
    assert!(is_closed(&service));
    service.world.advance(2 * DAY_SECONDS);
    assert!(!is_closed(&service));
    assert_eq!(service.world.count("message_counts"), 0, "no day needs them any more");
}

#[test]
fn an_hour_is_counted_ten_minutes_after_its_end() {
    let service = Service::new();
    let hour = UnixSeconds(service.world.now().0.div_euclid(HOUR_SECONDS).wrapping_mul(HOUR_SECONDS));
    service.world.set_time(hour.plus(HOUR_SECONDS - 1));
    sent(&service, 2);
    for (after, counted) in [(0, 0), (599, 0), (600, 1), (601, 1)] {
        service.world.set_time(hour.plus(HOUR_SECONDS + after));
        swept(&service);
        assert_eq!(service.world.count("message_counts"), counted, "{after}");
    }
    let counts = service.world.query("SELECT hour * 3600 AS begins, key, sent FROM message_counts", &[]);
    let [count] = counts.as_slice() else { panic!("{counts:?}") };
    assert_eq!(count.integer("begins").unwrap(), hour.0);
    assert_eq!((count.text("key").unwrap(), count.integer("sent").unwrap()), ("region:49", 2));
}

#[test]
fn no_table_that_expires_is_forgotten() {
    let service = Service::new();
    let rows = service.world.query(
        "SELECT DISTINCT sqlite_schema.name FROM sqlite_schema, pragma_table_info(sqlite_schema.name) AS column
         WHERE sqlite_schema.type = 'table' AND column.name IN ('expires_at', 'full_at') ORDER BY 1",
        &[],
    );
    let expiring: Vec<_> = rows.iter().map(|row| row.text("name").unwrap().to_owned()).collect();
    let mut swept: Vec<_> = TABLES.iter().map(|(table, ..)| (*table).to_owned()).collect();
    swept.sort();
    assert_eq!(expiring, swept);
}

#[test]
fn clients_authenticators_and_recovery_codes_stay() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_app();
    service.world.advance(10 * 365 * 86_400);
    swept(&service);
    assert_eq!(service.world.count("clients"), 2);
    assert_eq!(service.world.count("authenticators"), 1);
    assert_eq!(service.world.count("recovery_codes"), 1);
    assert_eq!(service.world.count("redemptions") + service.world.count("budgets"), 0);
}

#[test]
fn a_database_that_fails_is_told_to_whoever_runs_the_sweep() {
    for before in 0..5 {
        let service = Service::new();
        for _ in 0..before {
            service.world.fail_batch(BatchFault::None);
        }
        service.world.fail_batch(BatchFault::BeforeCommit);
        assert!(block_on(run(&service.app, service.world.now())).is_err(), "{before}");
    }
}

#[test]
fn what_fails_keeps_nothing_else_from_being_deleted() {
    for before in 0..4 {
        let service = Service::new();
        fill(&service, TABLES[0].1, 1, service.world.now());
        for _ in 0..before {
            service.world.fail_batch(BatchFault::None);
        }
        service.world.fail_batch(BatchFault::BeforeCommit);
        assert!(block_on(run(&service.app, service.world.now())).is_err());
        assert_eq!(service.world.count(TABLES[0].0), 0, "{before}");
    }
}

#[test]
fn a_code_is_missed_when_it_had_five_minutes_to_come_back_and_not_before() {
    let service = Service::new();
    let insert = "INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at, region)
                  SELECT 'd' || i, 'sms', 'sent', ?1, ?1, ?1 + 300, '49' FROM n";
    fill(&service, insert, 100, service.world.now());
    for (seconds, closed) in [(240, false), (59, false), (1, true)] {
        service.world.advance(seconds);
        assert_eq!(is_closed(&service), closed, "{seconds}");
    }
    assert_eq!(service.world.query("SELECT reason FROM closures", &[])[0].text("reason"), Ok("unverified"));
}
