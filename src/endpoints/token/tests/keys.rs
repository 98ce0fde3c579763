//! Keys that change under way, and what may stand where.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::json;

use super::{GUESSES, RECOVERY_GUESSES, UNAVAILABLE};
use crate::testing::Variables;
use crate::testing::person::{NUMBER, OTHER_NUMBER, Service};

/// The usual configuration with these keys known, the first of each in use. `s1` and `h1` are what other tests use.
fn keys(seal: &[&str], hash: &[&str]) -> Variables {
    let ring = |ids: &[&str]| {
        let bytes = |id: &str| match id {
            "s1" => [1; 32],
            "h1" => [2; 32],
            "s2" => [3; 32],
            _ => [4; 32],
        };
        let keys: serde_json::Map<_, _> = ids
            .iter()
            .map(|id| ((*id).to_owned(), json!(Base64UrlUnpadded::encode_string(&bytes(id)))))
            .collect();
        json!({ "use": ids[0], "keys": keys })
    };
    let variable = json!({ "seal": ring(seal), "hash": ring(hash) }).to_string();
    Service::variables().with("ENCRYPTION_KEYS", &variable)
}

fn only(service: &Service, sql: &str) -> String {
    let rows = service.world.query(sql, &[]);
    assert_eq!(rows.len(), 1);
    let (_, value) = &rows[0].0[0];
    let crate::platform::Value::Text(text) = value else { panic!("a text") };
    text.clone()
}

#[test]
fn what_was_sealed_with_the_old_key_is_confirmed_and_sealed_anew() {
    let old = Service::new();
    let alice = old.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let bob = old.person("bob");
    let phone_login = bob.logs_in();
    let bobs_phone = bob.adds_phone(&phone_login, OTHER_NUMBER);

    let new = old.redeployed(&keys(&["s2", "s1"], &["h1"]));
    let alice = alice.served_by(&new);
    alice.enters_otp(&alice.logs_in(), &app.code(&new)).granted();
    assert!(only(&new, "SELECT sealed FROM authenticators").starts_with("s2."));
    bob.served_by(&new).enters_code(&phone_login, &bobs_phone).granted();
    assert!(only(&new, "SELECT sealed FROM authenticators WHERE kind = 'sms'").starts_with("s2."));
    assert!(phone.oob_code.starts_with("csoob_s1."));

    // The old key is needed no more.
    let later = old.redeployed(&keys(&["s2"], &["h1"]));
    later.world.advance(30);
    let alice = alice.served_by(&later);
    alice.enters_otp(&alice.logs_in(), &app.code(&later)).granted();
}

#[test]
fn an_active_app_is_sealed_anew_when_it_is_used_and_only_then() {
    let old = Service::new();
    let alice = old.person("alice");
    let app = alice.has_app();
    let new = old.redeployed(&keys(&["s2", "s1"], &["h1"]));
    let alice = alice.served_by(&new);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&new)).is_refused(403, super::INVALID_OTP);
    assert!(only(&new, "SELECT sealed FROM authenticators").starts_with("s1."));
    alice.enters_otp(&alice.logs_in(), &app.code(&new)).granted();
    let sealed = only(&new, "SELECT sealed FROM authenticators");
    assert!(sealed.starts_with("s2."));
    new.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &app.code(&new)).granted();
    assert_eq!(only(&new, "SELECT sealed FROM authenticators"), sealed, "once is enough");
}

#[test]
fn codes_and_recovery_codes_hashed_with_the_old_key_still_match() {
    let old = Service::new();
    let alice = old.person("alice");
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let new = old.redeployed(&keys(&["s1"], &["h2", "h1"]));
    let alice = alice.served_by(&new);
    alice.enters_code(&alice.logs_in(), &phone.mistyped()).is_refused(403, super::INVALID_BINDING_CODE);
    alice.enters_code(&alice.logs_in(), &phone).granted();
    assert!(only(&new, "SELECT hash FROM recovery_codes").starts_with("h1."));
    let answer = alice.recovers(&alice.logs_in(), phone.recovery_code.as_deref().unwrap()).granted();
    assert!(only(&new, "SELECT hash FROM recovery_codes").starts_with("h2."));
    alice.recovers(&alice.logs_in(), answer["recovery_code"].as_str().unwrap()).granted();
}

#[test]
fn the_same_number_is_found_under_the_old_key_and_its_index_is_written_anew() {
    let old = Service::new();
    let alice = old.person("alice");
    let first = alice.has_phone(NUMBER);
    assert!(only(&old, "SELECT address_index FROM authenticators").starts_with("h1."));

    let new = old.redeployed(&keys(&["s1"], &["h2", "h1"]));
    let alice = alice.served_by(&new);
    let proof = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    let second = alice.adds_phone(&proof, NUMBER);
    alice.enters_code(&proof, &second).granted();
    assert_eq!(only(&new, "SELECT id FROM authenticators"), second.id);
    assert_ne!(second.id, first.id);
    assert!(only(&new, "SELECT address_index FROM authenticators").starts_with("h2."));

    // Enrolled before the change and confirmed after it, the index is the new key's as well.
    let alice = alice.served_by(&old);
    let third = alice.adds_phone(&proof, OTHER_NUMBER);
    let alice = alice.served_by(&new);
    alice.enters_code(&proof, &third).granted();
    let sql = format!("SELECT address_index FROM authenticators WHERE id = '{}'", third.id);
    assert!(only(&new, &sql).starts_with("h2."));
}

#[test]
fn a_phone_is_sealed_and_indexed_anew_when_a_challenge_is_met() {
    let old = Service::new();
    let alice = old.person("alice");
    let phone = alice.has_phone(NUMBER);
    let new = old.redeployed(&keys(&["s2", "s1"], &["h2", "h1"]));
    let alice = alice.served_by(&new);
    let login = alice.logs_in();
    let code = alice.is_challenged(&login, &phone.id);
    alice.enters_code(&login, &code).granted();
    assert!(only(&new, "SELECT sealed FROM authenticators").starts_with("s2."));
    assert!(only(&new, "SELECT address_index FROM authenticators").starts_with("h2."));
}

#[test]
fn while_both_isolates_run_either_key_finds_the_others_rows() {
    let old = Service::configured(&keys(&["s1", "s2"], &["h1", "h2"]));
    let new = old.redeployed(&keys(&["s2", "s1"], &["h2", "h1"]));
    let alice = old.person("alice");
    let login = alice.logs_in();
    let app = alice.served_by(&new).adds_app(&login);
    alice.enters_otp(&login, &app.code(&old)).granted();
    let proof = alice.access_token_with(&json!({ "amr": ["pwd", "mfa"] }));
    for service in [&old, &new, &old] {
        let phone = alice.served_by(service).adds_phone(&proof, NUMBER);
        alice.enters_code(&proof, &phone).granted();
    }
    assert_eq!(old.number("SELECT count(*) FROM authenticators WHERE kind = 'sms'"), 1);
}

#[test]
fn an_unknown_key_is_our_fault_destroys_nothing_and_costs_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let recovery_code = app.recovery_code.clone().unwrap();
    let bob = service.person("bob");
    let phone = bob.adds_phone(&bob.logs_in(), NUMBER);
    let before = service.world.database_text();
    let settled = |text: &str| -> String {
        // A refund leaves the bucket's row behind.
        text.lines()
            .filter(|line| !["attempt=", "full_at=", "key="].iter().any(|name| line.starts_with(name)))
            .collect()
    };

    let broken = service.redeployed(&keys(&["s2"], &["h2"]));
    let alice = alice.served_by(&broken);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(503, UNAVAILABLE);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(503, UNAVAILABLE);
    alice.recovers(&alice.logs_in(), &recovery_code).is_refused(503, UNAVAILABLE);
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.charged_seconds(RECOVERY_GUESSES), 0);
    assert_eq!(settled(&service.world.database_text()), settled(&before));
    // The sealed oob_code cannot be opened at all; with only the hash key missing the row is what cannot be read.
    bob.served_by(&broken).enters_code(&bob.logs_in(), &phone).is_refused(403, "Malformed oob_code");
    let half_broken = service.redeployed(&keys(&["s1"], &["h2"]));
    bob.served_by(&half_broken).enters_code(&bob.logs_in(), &phone).is_refused(503, UNAVAILABLE);
    assert_eq!(service.charged_seconds("guess:idp|bob"), 0);
    // The log names the keys that are not there.
    let log = service.world.log_text();
    assert!(log.contains(r#""key":"s1""#) && log.contains("unknown_key h1"), "{log}");

    // With the keys back everything is as it was.
    let (alice, bob) = (alice.served_by(&service), bob.served_by(&service));
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    alice.recovers(&alice.logs_in(), &recovery_code).granted();
    bob.enters_code(&bob.logs_in(), &phone).granted();
}

#[test]
fn rows_that_were_swapped_in_the_database_open_nothing() {
    let service = Service::new();
    let (alice, bob) = (service.person("alice"), service.person("bob"));
    let app = alice.has_app();
    bob.has_app();
    service.world.query(
        "UPDATE authenticators SET sealed = (SELECT sealed FROM authenticators AS other WHERE other.user_id = 'idp|alice')
         WHERE user_id = 'idp|bob'",
        &[],
    );
    bob.enters_otp(&bob.logs_in(), &app.code(&service)).is_refused(503, UNAVAILABLE);
    // Under the other's id as well.
    service.world.query("DELETE FROM authenticators WHERE user_id = 'idp|bob'", &[]);
    service.world.query("UPDATE authenticators SET user_id = 'idp|bob'", &[]);
    bob.enters_otp(&bob.logs_in(), &app.code(&service)).is_refused(503, UNAVAILABLE);
    assert_eq!(service.charged_seconds("guess:idp|bob"), 0);
}

#[test]
fn equal_secrets_and_addresses_are_stored_unequally() {
    let service = Service::new();
    let (alice, bob) = (service.person("alice"), service.person("bob"));
    alice.has_phone(NUMBER);
    bob.has_phone(NUMBER);
    for column in ["sealed", "address_index"] {
        assert_eq!(service.number(&format!("SELECT count(DISTINCT {column}) FROM authenticators")), 2);
    }
    let (one, other) =
        (alice.adds_email(&alice.access_token_with(&json!({ "amr": ["mfa"] })), "x@example.com"), ());
    let () = other;
    let again = alice.adds_email(&alice.access_token_with(&json!({ "amr": ["mfa"] })), "x@example.com");
    let sql =
        format!("SELECT count(DISTINCT sealed) FROM enrollments WHERE id IN ('{}', '{}')", one.id, again.id);
    assert_eq!(service.number(&sql), 2);
}

#[test]
fn nothing_secret_stands_readable_in_database_log_or_queue() {
    let service = Service::new();
    let alice = service.person("alice");
    let mut secrets: Vec<String> = Vec::new();

    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let parked = alice.adds_phone(&alice.logs_in(), OTHER_NUMBER);
    secrets.extend([login.clone(), app.code(&service), app.recovery_code.clone().unwrap()]);
    alice.enters_otp(&login, &app.wrong_code(&service)).is_refused(403, super::INVALID_OTP);
    let answer = alice.enters_otp(&login, &app.code(&service)).granted();
    secrets.extend(["access_token", "id_token"].map(|name| answer[name].as_str().unwrap().to_owned()));
    service.world.advance(30);
    let proof = alice.proves_mfa(&app);
    let phone = alice.adds_phone(&proof, NUMBER);
    let mail = alice.adds_email(&proof, "secret.person@example.org");
    let call = alice.adds_message(&proof, "voice", &json!({ "phone_number": NUMBER }));
    alice.enters_code(&proof, &phone.mistyped()).is_refused(403, super::INVALID_BINDING_CODE);
    alice.enters_code(&proof, &phone).granted();
    let mail_login = alice.logs_in();
    let demand = alice.enters_code(&mail_login, &mail);
    demand.is_refused(403, "Multifactor authentication required");
    secrets.push(demand.json()["mfa_token"].as_str().unwrap().to_owned());
    let answer = alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
    secrets.push(answer["recovery_code"].as_str().unwrap().to_owned());
    secrets.push(answer["access_token"].as_str().unwrap().to_owned());
    // Faults and refusals have their lines as well.
    service.world.break_signing(true);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(503, UNAVAILABLE);
    service.world.break_signing(false);
    service.world.fail_batch(crate::testing::platform::BatchFault::BeforeCommit);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(503, UNAVAILABLE);
    alice
        .associates(&format!("{login}x"), &json!({}))
        .is_refused(401, "The mfa_token provided is invalid. Try getting a new token.");
    let server = alice.at_client("server");
    server.enters_otp(&server.logs_in(), &app.wrong_code(&service)).is_refused(403, super::INVALID_OTP);

    for message in [&parked, &phone, &mail, &call] {
        secrets.extend([message.code.clone(), message.oob_code.clone()]);
        secrets.extend(message.recovery_code.clone());
    }
    let secret = app.secret.as_bytes();
    secrets.extend([
        app.secret.to_base32(),
        Base64UrlUnpadded::encode_string(secret),
        base16ct::lower::encode_string(secret),
        base16ct::upper::encode_string(secret),
        proof,
        mail_login,
        NUMBER.trim_start_matches('+').to_owned(),
        OTHER_NUMBER.trim_start_matches('+').to_owned(),
        "secret.person".to_owned(),
        "alice@example.com".to_owned(),
        "Name of alice".to_owned(),
        crate::testing::person::CLIENT_SECRET.to_owned(),
        crate::testing::person::WEBHOOK_SECRET.to_owned(),
        Base64UrlUnpadded::encode_string(&[1; 32]),
        Base64UrlUnpadded::encode_string(&[2; 32]),
    ]);
    assert!(secrets.iter().all(|secret| secret.len() >= 6));
    let (database, log, queue) =
        (service.world.database_text(), service.world.log_text(), service.world.queue().join("\n"));
    assert!(service.world.count("authenticators") >= 3 && !log.is_empty() && !queue.is_empty());
    for secret in secrets {
        for (place, text) in [("database", &database), ("log", &log), ("queue", &queue)] {
            // Times are digits too, and six of them may be a code's: whole numbers are no leak.
            let leaked = text.lines().any(|line| {
                let value = line.split_once('=').map_or(line, |(_, value)| value);
                value.contains(&secret) && value.parse::<i64>().is_err()
            });
            assert!(!leaked, "{secret} in the {place}");
        }
    }
    // The search finds what is there.
    assert!(database.contains("idp|alice"));
}
