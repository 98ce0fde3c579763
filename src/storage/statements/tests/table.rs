//! The statements, each with a stage on which it acts, and with the smallest change of it for every guard.
//!
//! It is second 1000. Alice (`a`) is whom a statement is about; bob (`b`), who has one of everything, and carol, who
//! has nothing, are bystanders.

use Expected::{Acts, Answers, Nothing};

use super::super::*;
use crate::platform::Value;

pub(super) const NULL: Value = Value::Null;

/// What stands in the database in every case.
pub(super) const BASE: &str = "
INSERT INTO clients (id, version, name, authentication, origins, created_at)
  VALUES ('app', 7, 'app', 'none', '[\"https://app.example.com\"]', 0), ('other', 7, 'other', 'none', '[]', 0);
INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, last_step, failures, created_at, confirmed_at, last_used_at)
  VALUES ('totp|b', 'bob', 'totp', 's1.b', NULL, 5, 3, 100, 500, 500),
         ('sms|b', 'bob', 'sms', 's1.b', 'h1.a', 0, 3, 100, 500, 500),
         ('email|b', 'bob', 'email', 's1.b', 'h1.e', 0, 3, 100, 400, 400);
INSERT INTO enrollments
    (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof,
     created_at, expires_at)
  VALUES ('totp|bp', 'bob', 0, 0, 'app', 'totp', 's1.b', NULL, NULL, 'recovery-code|b', 'h1.rb', 0, 900, 5000),
         ('sms|bp', 'bob', 1, 1, 'app', 'sms', 's1.b', 'h1.b2', 'h1.c', NULL, NULL, 0, 900, 5000);
INSERT INTO challenges
    (id, authenticator_id, channel, user_id, client_id, transaction_id, code_hash, created_at, expires_at)
  VALUES ('cb', 'sms|b', 'sms', 'bob', 'app', 't', 'h1.cb', 900, 5000);
INSERT INTO recovery_codes (user_id, id, hash, created_at) VALUES ('bob', 'recovery-code|b', 'h1.r', 500);
INSERT INTO budgets (key, full_at, attempt) VALUES ('gb', 99999, 'another');
INSERT INTO redemptions (spent, redemption, expires_at) VALUES ('tb', 'rb', 9000)";

pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) setup: &'static str,
    pub(super) cases: Vec<Case>,
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) change: &'static str,
    pub(super) overrides: Vec<(usize, Value)>,
    pub(super) expected: Expected,
}

pub(super) enum Expected {
    /// Rows come back, or something changes.
    Acts,
    /// No row comes back, nothing changes.
    Nothing,
    /// These rows come back, nothing changes.
    Answers(&'static str),
}

impl Spec {
    /// The parameters with the case's in their places, `?1` being the first.
    pub(super) fn parameters(&self, case: &Case) -> Vec<Value> {
        let mut parameters = self.parameters.clone();
        for (number, value) in &case.overrides {
            parameters[*number - 1] = value.clone();
        }
        parameters
    }
}

/// `statement [parameters] setup { "case", change, [overrides] => expected; … }`
macro_rules! spec {
    ($name:ident [$($parameter:expr),* $(,)?] $setup:expr;
     $($case:literal, $change:expr, [$(($number:expr, $value:expr)),* $(,)?] => $expected:expr;)*) => {
        Spec {
            name: stringify!($name),
            sql: $name,
            parameters: vec![$(Value::from($parameter)),*],
            setup: $setup,
            cases: vec![$(Case {
                name: $case,
                change: $change,
                overrides: vec![$(($number, Value::from($value))),*],
                expected: $expected,
            }),*],
        }
    };
}

/// Both statements of a table that the sweep goes through by its key. The columns begin with the key and end with the time;
/// between these two stand the others' values. More cases of the second statement may follow.
#[rustfmt::skip]
macro_rules! swept {
    ($advance:ident, $sweep:ident, $table:literal, $columns:literal, $others:literal; $($more:tt)*) => {
        [
            spec!($advance [] concat!("INSERT INTO sweep_positions VALUES ('", $table, "', 'k00001', 'k10000')");
                "more than are swept at once", twenty_thousand!($table, $columns, $others), [] => Acts;
                "the rest", "", [] => Acts;
                "for the first time", "DELETE FROM sweep_positions", [] => Acts;
                "for the first time, of many",
                    concat!("UPDATE sweep_positions SET swept = 'another'; ", twenty_thousand!($table, $columns, $others)),
                    [] => Acts;
            ),
            spec!($sweep [1000]
                concat!("INSERT INTO sweep_positions VALUES ('another', '', NULL), ('", $table, "', 'p1', 'p3')");
                "alive", row!($table, $columns, "p2", $others, "1001"), [] => Nothing;
                "over", row!($table, $columns, "p2", $others, "1000"), [] => Acts;
                "the last of this run", row!($table, $columns, "p3", $others, "1000"), [] => Acts;
                "swept before", row!($table, $columns, "p1", $others, "1000"), [] => Nothing;
                "to be swept later", row!($table, $columns, "p4", $others, "1000"), [] => Nothing;
                "at the end", concat!(row!($table, $columns, "\u{ff}", $others, "1000"),
                    "; UPDATE sweep_positions SET upto = NULL WHERE swept = '", $table, "'"), [] => Acts;
                $($more)*
            ),
        ]
    };
}

#[rustfmt::skip]
macro_rules! row {
    ($table:literal, $columns:literal, $key:literal, $others:literal, $time:literal) => {
        concat!("INSERT INTO ", $table, " (", $columns, ") VALUES ('", $key, "', ", $others, $time, ")")
    };
}

/// Twenty thousand rows with the keys k00001, k00002, …
#[rustfmt::skip]
macro_rules! twenty_thousand {
    ($table:literal, $columns:literal, $others:literal) => {
        concat!("INSERT INTO ", $table, " (", $columns, ")
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)
            SELECT printf('k%05d', i), ", $others, "0 FROM n")
    };
}

/// A user's bucket and that of an address.
const GUESS_BUDGETS: &str = r#"[["g",360,4240],["a",12,4588]]"#;
// Changes that occur again and again.
const CLIENT_GONE: &str = "DELETE FROM clients WHERE id = 'app'";
const SPENT: &str = "INSERT INTO redemptions VALUES ('t', 'another', 9000)";
const SMS_ACTIVE: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, failures, created_at, confirmed_at, last_used_at)
  VALUES ('sms|a', 'alice', 'sms', 's1.a', 'h1.a', 3, 100, 500, 500)";
/// Beside mail, whose index is `h1.m`.
const ANOTHER_ACTIVE: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, failures, created_at, confirmed_at, last_used_at)
  VALUES ('sms|a', 'alice', 'sms', 's1.a', 'h1.x', 3, 100, 500, 500),
         ('email|a', 'alice', 'email', 's1.a', 'h1.m', 3, 100, 400, 400)";
const MAIL_ACTIVE: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, failures, created_at, confirmed_at, last_used_at)
  VALUES ('email|a', 'alice', 'email', 's1.a', 'h1.m', 3, 100, 400, 400)";
const APPS_ACTIVE: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, last_step, failures, created_at, confirmed_at, last_used_at)
  VALUES ('totp|a', 'alice', 'totp', 's1.a', 9, 3, 100, 500, 500),
         ('totp|a2', 'alice', 'totp', 's1.a2', 9, 3, 100, 600, 600);
  INSERT INTO authenticators (id, user_id, kind, sealed, failures, created_at, confirmed_at, last_used_at)
  VALUES ('sms|a', 'alice', 'sms', 's1.a', 3, 100, 500, 500)";
/// A second change after the row is there; nineteen or twenty mails make a crowd.
const NINETEEN_MAILS: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 19)
  SELECT 'email|' || i, 'alice', 'email', 's1.a', 'h1.m' || i, 0, 450, 0 FROM n";
const TWENTY_MAILS: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
  SELECT 'email|' || i, 'alice', 'email', 's1.a', 'h1.m' || i, 0, 450, 0 FROM n";
const PHONES_PENDING: &str = "INSERT INTO enrollments
    (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof,
     created_at, expires_at)
  VALUES ('sms|p', 'alice', 0, 0, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', 'recovery-code|p', 'h1.rp', 0, 900, 2000),
         ('sms|p2', 'alice', 1, 1, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', NULL, NULL, 0, 900, 2000),
         ('sms|p3', 'alice', 2, 2, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', NULL, NULL, 1, 900, 2000)";
const TEN_PENDING: &str = "INSERT INTO enrollments
    (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
  SELECT 'totp|p' || value, 'alice', value, 20 + value, 'app', 'totp', 's1.p', 0, 900, 2000
  FROM json_each('[0,1,2,3,4,5,6,7,8,9]')";
const TEN_PENDING_ONE_EXPIRED: &str = "INSERT INTO enrollments
    (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
  SELECT 'totp|p' || value, 'alice', value, 20 + value, 'app', 'totp', 's1.p', 0, 900, iif(value = 4, 1000, 2000)
  FROM json_each('[0,1,2,3,4,5,6,7,8,9]')";
const CHALLENGED: &str = "INSERT INTO authenticators
    (id, user_id, kind, sealed, address_index, failures, created_at, confirmed_at, last_used_at)
  VALUES ('sms|a0', 'alice', 'sms', 's1.a0', 'h1.a0', 3, 100, 500, 500),
         ('sms|a', 'alice', 'sms', 's1.a', 'h1.a', 3, 100, 500, 500);
  INSERT INTO challenges
    (id, authenticator_id, channel, user_id, client_id, transaction_id, code_hash, created_at, expires_at)
  VALUES ('c0', 'sms|a0', 'sms', 'alice', 'app', 't', 'h1.c', 900, 2000),
         ('c', 'sms|a', 'sms', 'alice', 'app', 't', 'h1.c', 900, 2000);
  INSERT INTO budgets VALUES ('g', 2000, 'attempt')";
const OTHERS_CHALLENGE: &str = "UPDATE challenges SET user_id = 'bob' WHERE id = 'c'";
const OTHERS_AUTHENTICATOR: &str = "UPDATE authenticators SET user_id = 'bob' WHERE id = 'sms|a'";
const AUTHENTICATOR_GONE: &str = "DELETE FROM authenticators WHERE id = 'sms|a'";
const PAID: &str = "INSERT INTO budgets VALUES ('g', 2000, 'attempt')";
const PAID_LATER_BY_ANOTHER: &str = "UPDATE budgets SET attempt = 'another' WHERE key = 'g'";
const PAID_ELSEWHERE: &str = "UPDATE budgets SET key = 'elsewhere' WHERE key = 'g'";
const WON: &str = "INSERT INTO redemptions VALUES ('t', 'r', 2000)";
const WON_BY_ANOTHER: &str = "UPDATE redemptions SET redemption = 'another' WHERE spent = 't'";
const WON_SOMETHING_ELSE: &str = "UPDATE redemptions SET spent = 'something else' WHERE spent = 't'";
const ANSWERED: &str = "INSERT INTO idempotent_answers VALUES ('k', 's1.k', 1001)";
const ANSWERED_WITH_ENROLLMENT: &str =
    "UPDATE enrollments SET answer_key = 'k', answer = 's1.e', answer_expires_at = 1001 WHERE id = 'totp|bp'";
const ANSWERED_WITH_CHALLENGE: &str =
    "UPDATE challenges SET answer_key = 'k', answer = 's1.c', answer_expires_at = 1001";
/// Two rows: key, cost, and the latest `full_at` with room; the second has an hour's and a day's bucket.
const CHARGES: &str = r#"[["p1",60000,1500],["p2",90000,2500,80000,3500]]"#;
const VERIFIABLE: &str =
    "INSERT INTO message_budgets VALUES ('p1', 5000, NULL), ('p2', 6000, 6500), ('p3', 7000, 7500);
  INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at, charges)
  VALUES ('a', 'sms', 'sent', 900, 900, 2000, '[[\"p1\",7]]'),
         ('d', 'sms', 'sent', 900, 900, 2000, '[[\"p1\",40],[\"p2\",60,50]]'),
         ('d2', 'sms', 'sent', 900, 900, 2000, '[[\"p3\",40,30]]');
  INSERT INTO redemptions VALUES ('t', 'r', 2000)";
/// Sent in the hour before 1000: five to region 49 and four from network 64500, of which 2 were typed in; 3 too young.
const SENT: &str = "INSERT INTO deliveries
    (id, channel, state, due_at, created_at, expires_at, region, network, verified_at)
  VALUES ('1', 'sms', 'sent', 0, 100, 2000, '49', '64500', 150), ('2', 'sms', 'sent', 0, 200, 2000, '49', '64500', 250),
         ('3', 'sms', 'sent', 0, 300, 2000, '49', '64500', NULL), ('4', 'sms', 'sent', 0, 700, 2000, '49', '64500', NULL),
         ('5', 'sms', 'sent', 0, 701, 2000, '49', NULL, NULL), ('6', 'sms', 'sent', 0, 50, 2000, '49', '64500', NULL),
         ('7', 'email', 'sent', 0, 800, 2000, NULL, NULL, NULL)";
/// Two messages in the hour 10, and one each in 11 and 12. A mail has no region.
const SENT_IN_HOURS: &str = "INSERT INTO deliveries
    (id, channel, state, due_at, created_at, expires_at, region, network)
  VALUES ('1', 'sms', 'sent', 0, 36000, 99999, '49', '64500'), ('2', 'sms', 'failed', 0, 39599, 99999, '49', '64500'),
         ('3', 'sms', 'sent', 0, 39600, 99999, '49', NULL), ('4', 'sms', 'sent', 0, 43200, 99999, NULL, '64500'),
         ('5', 'email', 'sent', 0, 40000, 99999, NULL, NULL)";
const DELIVERY: &str = "INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at)
  VALUES ('d', 'sms', 's1.d', 'waiting', 900, 900, 2000), ('d2', 'sms', 's1.d', 'waiting', 2000, 900, 5000)";
const TEMPLATES: &str = "INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at)
  VALUES ('d', 'sms', 's1.d', 'waiting', 900, 900, 2000), ('d2', 'voice', 's1.d', 'waiting', 900, 900, 2000);
  INSERT INTO templates (message, channel, language, subject, text, html, updated_at)
  VALUES ('code', 'sms', 'de', NULL, 'a', NULL, 0), ('code', 'sms', 'it', NULL, 'b', NULL, 0),
         ('code', 'email', 'de', 's', 'c', 'h', 0), ('guesses_locked', 'sms', 'de', NULL, 'd', NULL, 0),
         ('guesses_locked', 'email', 'de', 's', 'e', NULL, 0)";
/// Alice has an address that her issuer has verified, two for mail, one of them from before her first number, and two
/// numbers. Bob has a contact as well.
const REACHABLE: &str = "INSERT INTO contacts
  VALUES ('aaron', 's1.ca', 'h1.ca', 0), ('bob', 's1.cb', 'h1.cb', 0), ('alice', 's1.c', 'h1.c', 0);
  INSERT INTO authenticators (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
  VALUES ('email|a', 'alice', 'email', 's1.m', 'h1.m', 100, 300, 300),
         ('sms|a', 'alice', 'sms', 's1.a', 'h1.a', 100, 400, 400),
         ('voice|n', 'alice', 'voice', 's1.n', 'h1.n', 100, 500, 500);
  INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
  VALUES ('totp|a', 'alice', 'totp', 's1.t', 100, 600, 600);
  INSERT INTO redemptions VALUES ('t', 'r', 2000)";
const CONTACT_GONE: &str = "DELETE FROM contacts WHERE user_id = 'alice'";
const MAIL_ADDED_WITH_PROOF: &str = "DELETE FROM contacts WHERE user_id = 'alice';
  UPDATE authenticators SET confirmed_at = 400 WHERE id = 'email|a'";
/// About the oldest mail that alice has, behind which six others stand. Bob's mail and alice's app are older than these.
const SEVEN_MAILS: &str = "UPDATE authenticators SET confirmed_at = 350 WHERE id IN ('email|a', 'email|b', 'totp|a');
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)
  INSERT INTO authenticators (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
  SELECT 'email|' || i, 'alice', 'email', 's1.' || i, 'h1.' || i, 100, 800 + i, 0 FROM n";
const ALL_GONE: &str = "DELETE FROM contacts WHERE user_id = 'alice';
  DELETE FROM authenticators WHERE user_id = 'alice' AND kind <> 'totp'";
const CLAIMED: &str = "INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at)
  VALUES ('d', 'sms', 's1.d', 'claimed', 900, 900, 2000), ('d2', 'sms', 's1.d', 'claimed', 900, 900, 2000)";

pub(super) fn table() -> Vec<Spec> {
    [
        reading(),
        enrolling(),
        challenging(),
        removing(),
        guessing(),
        redeeming(),
        confirming(),
        delivering(),
        sweeping(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn reading() -> Vec<Spec> {
    vec![
        spec!(FIND_CLIENT ["app"] "";
            "there", "", [] => Acts;
            "not there", "", [(1, "nobody")] => Nothing;
        ),
        spec!(ALL_ORIGINS [] "";
            "once each", "UPDATE clients SET origins = '[\"https://app.example.com\"]'", []
                => Answers("origin=https://app.example.com");
            "beside a client whose list is no JSON", "UPDATE clients SET origins = 'https://' WHERE id = 'other'", []
                => Answers("origin=https://app.example.com");
            "beside a client whose list holds a number", "UPDATE clients SET origins = '[7]' WHERE id = 'other'", []
                => Answers("origin=https://app.example.com");
        ),
        spec!(CONSUME_ASSERTION ["app", "h1.j", 2000] "";
            "new", "", [] => Acts;
            "used", "INSERT INTO client_assertions VALUES ('h1.j', 'app', 1500)", [] => Nothing;
            "used by another client", "INSERT INTO client_assertions VALUES ('h1.j', 'other', 1500)", [] => Acts;
            "another one used", "INSERT INTO client_assertions VALUES ('h1.k', 'app', 1500)", [] => Acts;
        ),
        spec!(ACTIVE_FACTORS ["alice"] "";
            "none", "", [] => Nothing;
            "one", SMS_ACTIVE, [] => Answers("kind=sms disabled=0");
            "a disabled one", "INSERT INTO authenticators
                (id, user_id, kind, sealed, failures, created_at, confirmed_at, last_used_at)
              VALUES ('sms|a', 'alice', 'sms', 's1', 100, 0, 0, 0)", [] => Answers("kind=sms disabled=1");
            "a recovery code", "INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100)", []
                => Answers("kind=recovery-code disabled=0");
        ),
        spec!(ACTIVE_AUTHENTICATORS ["alice"] SMS_ACTIVE;
            "one", "", [] => Answers("id=sms|a kind=sms sealed=s1.a disabled=0");
            "ninety-nine failures", "UPDATE authenticators SET failures = 99", []
                => Answers("id=sms|a kind=sms sealed=s1.a disabled=0");
            "a hundred", "UPDATE authenticators SET failures = 100", []
                => Answers("id=sms|a kind=sms sealed=s1.a disabled=1");
            "nobody's", "", [(1, "carol")] => Nothing;
            "used last, first", MAIL_ACTIVE, []
                => Answers("id=sms|a kind=sms sealed=s1.a disabled=0\nid=email|a kind=email sealed=s1.a disabled=0");
        ),
        spec!(LIST_AUTHENTICATORS ["alice", 1000] "";
            "nothing", "", [] => Nothing;
            "active", SMS_ACTIVE, [] => Answers("id=sms|a kind=sms sealed=s1.a active=1");
            "added within one second",
                "INSERT INTO authenticators
                    (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at, sequence)
                  VALUES ('totp|a', 'alice', 'totp', 's1.a', 900, 900, 900, 0), ('sms|a', 'alice', 'sms', 's1.b', 900, 900, 900, 1),
                         ('email|a', 'alice', 'email', 's1.c', 900, 900, 900, 2);
                 INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1', 900);
                 INSERT INTO enrollments
                    (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
                  VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 1, 900, 1001)", []
                => Answers("id=totp|a kind=totp sealed=s1.a active=1\n\
                            id=recovery-code|a kind=recovery-code sealed=NULL active=1\n\
                            id=sms|a kind=sms sealed=s1.b active=1\nid=email|a kind=email sealed=s1.c active=1\n\
                            id=totp|p kind=totp sealed=s1.p active=0");
            "pending, with one recovery code for all of them",
                "INSERT INTO enrollments
                    (id, user_id, place, sequence, client_id, kind, sealed, recovery_id, recovery_hash, proof, created_at, expires_at)
                  VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', NULL, NULL, 0, 900, 1001),
                         ('totp|q', 'alice', 1, 1, 'app', 'totp', 's1.q', 'recovery-code|q', 'h1', 0, 901, 1001),
                         ('totp|r', 'alice', 2, 2, 'app', 'totp', 's1.r', 'recovery-code|r', 'h1', 0, 902, 1001)", []
                => Answers("id=totp|p kind=totp sealed=s1.p active=0\nid=totp|q kind=totp sealed=s1.q active=0\n\
                            id=recovery-code|q kind=recovery-code sealed=NULL active=0\n\
                            id=totp|r kind=totp sealed=s1.r active=0");
            "expired",
                "INSERT INTO enrollments
                    (id, user_id, place, sequence, client_id, kind, sealed, recovery_id, recovery_hash, proof, created_at, expires_at)
                  VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 'recovery-code|p', 'h1', 0, 900, 1000)", []
                => Nothing;
            "a recovery code in force hides those that wait",
                "INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1', 100);
                 INSERT INTO enrollments
                    (id, user_id, place, sequence, client_id, kind, sealed, recovery_id, recovery_hash, proof, created_at, expires_at)
                  VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 'recovery-code|p', 'h1', 0, 900, 1001)", []
                => Answers("id=recovery-code|a kind=recovery-code sealed=NULL active=1\n\
                            id=totp|p kind=totp sealed=s1.p active=0");
        ),
        spec!(HAS_AUTHENTICATOR ["alice", "sms|a", "voice|a", 1000] "";
            "no", "", [] => Answers("found=0");
            "somebody else's", "", [(2, "sms|b")] => Answers("found=0");
            "somebody else's pending", "", [(2, "sms|bp")] => Answers("found=0");
            "active", SMS_ACTIVE, [] => Answers("found=1");
            "another active", SMS_ACTIVE, [(2, "sms|x")] => Answers("found=0");
            "active, by its other channel", SMS_ACTIVE, [(2, "voice|a"), (3, "sms|a")] => Answers("found=1");
            "pending", PHONES_PENDING, [(2, "sms|p")] => Answers("found=1");
            "another pending", PHONES_PENDING, [(2, "sms|x")] => Answers("found=0");
            "pending for a second more", PHONES_PENDING, [(2, "sms|p"), (4, 1999)] => Answers("found=1");
            "expired", PHONES_PENDING, [(2, "sms|p"), (4, 2000)] => Answers("found=0");
        ),
    ]
}

fn enrolling() -> Vec<Spec> {
    vec![
        spec!(ENROLL [
                "totp|n", "alice", "app", "totp", "s1.n", NULL, NULL, "recovery-code|n", "h1.n", 0, 950, 1000, 2000, 7,
                "t", CHARGES, "region:49", "network:64500", "k", NULL, "d", "s1.k", 1600,
            ] "";
            "the first", "", [] => Acts;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "a factor is active and proven", SMS_ACTIVE, [(10, 1)] => Acts;
            "proven in the second of its confirmation", SMS_ACTIVE, [(10, 1), (11, 500)] => Acts;
            "proven before its confirmation", SMS_ACTIVE, [(10, 1), (11, 499)] => Nothing;
            "what is active has been used, and is proven", SMS_ACTIVE, [(10, 1), (20, r#"["sms","voice"]"#)] => Acts;
            "what is active has not been used", SMS_ACTIVE, [(10, 1), (20, r#"["totp"]"#)] => Nothing;
            "one of what is active has not been used", APPS_ACTIVE, [(10, 1), (20, r#"["totp"]"#)] => Nothing;
            "nothing has been used", SMS_ACTIVE, [(10, 1), (20, "[]")] => Nothing;
            "nothing but mail has not been used", MAIL_ACTIVE, [(10, 1), (20, r#"["totp"]"#)] => Acts;
            "somebody else's has not been used", "", [(20, r#"["totp"]"#)] => Acts;
            "mail is active", MAIL_ACTIVE, [] => Acts;
            "mail was active before the factor, and the proof between them",
                "INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
                 VALUES ('email|a', 'alice', 'email', 's1', 0, 400, 0), ('sms|a', 'alice', 'sms', 's1', 0, 500, 0)",
                [(10, 1), (11, 450)] => Nothing;
            "nineteen are active", NINETEEN_MAILS, [] => Acts;
            "twenty are active", TWENTY_MAILS, [] => Nothing;
            "another version of the client", "", [(14, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
            "the user's messages are used up", "INSERT INTO message_budgets VALUES ('p1', 1501, NULL)", [] => Nothing;
            "the hour's messages are used up", "INSERT INTO message_budgets VALUES ('p2', 2501, 3500)", [] => Nothing;
            "the day's messages are used up", "INSERT INTO message_budgets VALUES ('p2', 0, 3501)", [] => Nothing;
            "a message is left", "INSERT INTO message_budgets VALUES ('p1', 1500, NULL), ('p2', 2500, 3500)", [] => Acts;
            "somebody else's are used up", "INSERT INTO message_budgets VALUES ('p3', 9999, 9999)", [] => Acts;
            "the region is closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [] => Nothing;
            "the network is closed", "INSERT INTO closures VALUES ('network:64500', 'volume', 1001)", [] => Nothing;
            "another region is closed", "INSERT INTO closures VALUES ('region:44', 'volume', 1001)", [] => Acts;
            "the region was closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1000)", [] => Acts;
            "no message is wanted", "INSERT INTO message_budgets VALUES ('p1', 1501, NULL);
                INSERT INTO closures VALUES ('region:49', 'volume', 1001)",
                [(16, NULL), (17, NULL), (18, NULL)] => Acts;
            "after others", PHONES_PENDING, [] => Acts;
            "beside ten", TEN_PENDING, [] => Acts;
            "beside ten of which one has expired", TEN_PENDING_ONE_EXPIRED, [] => Acts;
            "answered before", "UPDATE enrollments SET user_id = 'alice', answer_key = 'k', answer_expires_at = 1001", [] => Nothing;
            "answered under another key",
                "UPDATE enrollments SET user_id = 'alice', answer_key = 'x', answer_expires_at = 1001", [] => Acts;
            "answered before, without a key",
                "UPDATE enrollments SET user_id = 'alice', answer_key = 'k', answer_expires_at = 1001", [(19, NULL)] => Acts;
            "answered long ago",
                "UPDATE enrollments SET user_id = 'alice', answer_key = 'k', answer_expires_at = 1000", [] => Acts;
            "somebody else was answered", "UPDATE enrollments SET answer_key = 'k', answer_expires_at = 1001", [] => Acts;
        ),
        spec!(ENROLLMENT_STATE ["alice", "app", 7, "t", NULL] "";
            "nothing", "", [] => Answers("active=0 since=NULL has_unused=0 client_current=1 spent=0");
            "a factor", SMS_ACTIVE, [] => Answers("active=1 since=500 has_unused=0 client_current=1 spent=0");
            "mail", MAIL_ACTIVE, [] => Answers("active=1 since=NULL has_unused=0 client_current=1 spent=0");
            "used", SMS_ACTIVE, [(5, r#"["sms"]"#)]
                => Answers("active=1 since=500 has_unused=0 client_current=1 spent=0");
            "unused", SMS_ACTIVE, [(5, r#"["totp"]"#)]
                => Answers("active=1 since=500 has_unused=1 client_current=1 spent=0");
            "mail is not to be used", MAIL_ACTIVE, [(5, r#"["totp"]"#)]
                => Answers("active=1 since=NULL has_unused=0 client_current=1 spent=0");
            "another version", "", [(3, 8)] => Answers("active=0 since=NULL has_unused=0 client_current=0 spent=0");
            "client gone", CLIENT_GONE, [] => Answers("active=0 since=NULL has_unused=0 client_current=0 spent=0");
            "spent", SPENT, [] => Answers("active=0 since=NULL has_unused=0 client_current=1 spent=1");
        ),
        spec!(MESSAGE_OBSTACLES [CHARGES, "region:49", "network:64500", 1000] "";
            "none", "", [] => Nothing;
            "room is left", "INSERT INTO message_budgets VALUES ('p1', 1500, NULL), ('p2', 2500, 3500), ('p3', 9999, 9999)", []
                => Nothing;
            "buckets", "INSERT INTO message_budgets VALUES ('p1', 1501, NULL), ('p2', 2502, 3502)", []
                => Answers("key=p1 full_at=1501 day_full_at=NULL\nkey=p2 full_at=2502 day_full_at=3502");
            "the hour's alone", "INSERT INTO message_budgets VALUES ('p2', 2501, 3500)", []
                => Answers("key=p2 full_at=2501 day_full_at=3500");
            "the day's alone", "INSERT INTO message_budgets VALUES ('p2', 0, 3501)", []
                => Answers("key=p2 full_at=0 day_full_at=3501");
            "closures", "INSERT INTO closures VALUES ('region:49', 'volume', 1001), ('network:64500', 'volume', 1002)", []
                => Answers("key=network:64500 full_at=1002000 day_full_at=NULL\nkey=region:49 full_at=1001000 day_full_at=NULL");
            "ended closures, and others'", "INSERT INTO closures
                VALUES ('region:49', 'volume', 1000), ('region:44', 'volume', 1002)", [] => Nothing;
        ),
        spec!(ADD_DELIVERY ["d", "sms", "s1.d", 1000, 1300, "o", "49", "64500", "[]", "bob"] "";
            "without owner", "", [] => Nothing;
            "of an enrollment", "UPDATE enrollments SET id = 'o' WHERE id = 'sms|bp'", [] => Acts;
            "of a challenge", "UPDATE challenges SET id = 'o'", [] => Acts;
            "of somebody else's enrollment", "UPDATE enrollments SET id = 'o' WHERE id = 'sms|bp'", [(10, "alice")] => Nothing;
            "of somebody else's challenge", "UPDATE challenges SET id = 'o'", [(10, "alice")] => Nothing;
        ),
        spec!(ADMIT_NOTICE ["d", 3, CHARGES, "region:49", 1000] DELIVERY;
            "the first", "", [] => Acts;
            "charged already", "UPDATE deliveries SET charged_attempt = 2", [] => Nothing;
            "another delivery", "", [(1, "x")] => Nothing;
            "charged before", "INSERT INTO message_budgets VALUES ('p1', 1500, NULL), ('p2', 2500, 3500)", [] => Acts;
            "one is used up", "INSERT INTO message_budgets VALUES ('p1', 1501, NULL)", [] => Nothing;
            "an hour's is used up", "INSERT INTO message_budgets VALUES ('p2', 2501, 3500)", [] => Nothing;
            "a day's is used up", "INSERT INTO message_budgets VALUES ('p2', 0, 3501)", [] => Nothing;
            "what is only recorded is used up", "INSERT INTO message_budgets VALUES ('p2', 2501, 3501)",
                [(3, r#"[["p1",60000,1500]]"#)] => Acts;
            "somebody else's is used up", "INSERT INTO message_budgets VALUES ('p3', 9999, 9999)", [] => Acts;
            "the region is closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [] => Nothing;
            "the region was closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1000)", [] => Acts;
            "another region is closed", "INSERT INTO closures VALUES ('region:44', 'volume', 1001)", [] => Acts;
            "no region", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [(4, NULL)] => Acts;
        ),
        spec!(CHARGE_MESSAGE [CHARGES, 1000, "d", NULL] DELIVERY;
            "of a code", "", [] => Acts;
            "of a notice", "UPDATE deliveries SET charged_attempt = 3", [(4, 3)] => Acts;
            "of a notice that another attempt has charged", "UPDATE deliveries SET charged_attempt = 2", [(4, 3)] => Nothing;
            "of a notice that is not let through", "", [(4, 3)] => Nothing;
            "of none", "", [(3, "x")] => Nothing;
            "charged before", "INSERT INTO message_budgets VALUES ('p1', 1500, NULL), ('p2', 10, 10)", [] => Acts;
            "charged as far as may be",
                "INSERT INTO message_budgets VALUES ('p1', 61500, NULL), ('p2', 92500, 83500)", [] => Nothing;
            "so but for an hour's",
                "INSERT INTO message_budgets VALUES ('p1', 61500, NULL), ('p2', 92499, 83500)", [] => Acts;
            "so but for a day's",
                "INSERT INTO message_budgets VALUES ('p1', 61500, NULL), ('p2', 92500, 83499)", [] => Acts;
        ),
    ]
}

fn challenging() -> Vec<Spec> {
    vec![
        spec!(KEEP_ANSWER ["k", "s1.k", 1600, 1000, "bob"] "";
            "the first", "", [] => Acts;
            "answered before", "INSERT INTO idempotent_answers VALUES ('k', 's1.x', 1001)", [] => Nothing;
            "answered under another key", "INSERT INTO idempotent_answers VALUES ('x', 's1.x', 1001)", [] => Acts;
            "answered long ago", "INSERT INTO idempotent_answers VALUES ('k', 's1.x', 1000)", [] => Acts;
            "answered with a challenge",
                "UPDATE challenges SET answer_key = 'k', answer = 's1.c', answer_expires_at = 1001", [] => Nothing;
            "with another", "UPDATE challenges SET answer_key = 'x', answer = 's1.c', answer_expires_at = 1001", [] => Acts;
            "with one, long ago", "UPDATE challenges SET answer_key = 'k', answer = 's1.c', answer_expires_at = 1000", []
                => Acts;
            "with somebody else's", "UPDATE challenges SET answer_key = 'k', answer = 's1.c', answer_expires_at = 1001",
                [(5, "alice")] => Acts;
        ),
        spec!(KEPT_ANSWER ["k", 1000, "bob"] "";
            "none", "", [] => Nothing;
            "of an enrollment with a recovery code", ANSWERED_WITH_ENROLLMENT, []
                => Answers("sealed=s1.e recovery_issued=1");
            "of one without", "UPDATE enrollments SET answer_key = 'k', answer = 's1.e', answer_expires_at = 1001
                WHERE id = 'sms|bp'", [] => Answers("sealed=s1.e recovery_issued=0");
            "of another enrollment", ANSWERED_WITH_ENROLLMENT, [(1, "x")] => Nothing;
            "of somebody else's enrollment", ANSWERED_WITH_ENROLLMENT, [(3, "alice")] => Nothing;
            "of an enrollment, long ago", ANSWERED_WITH_ENROLLMENT, [(2, 1001)] => Nothing;
            "of a challenge", ANSWERED_WITH_CHALLENGE, [] => Answers("sealed=s1.c recovery_issued=0");
            "of another challenge", ANSWERED_WITH_CHALLENGE, [(1, "x")] => Nothing;
            "of somebody else's challenge", ANSWERED_WITH_CHALLENGE, [(3, "alice")] => Nothing;
            "of a challenge, long ago", ANSWERED_WITH_CHALLENGE, [(2, 1001)] => Nothing;
            "of nothing that is stored", ANSWERED, [] => Answers("sealed=s1.k recovery_issued=0");
            "of nothing, under another key", ANSWERED, [(1, "x")] => Nothing;
            "of nothing, long ago", ANSWERED, [(2, 1001)] => Nothing;
        ),
        spec!(CHALLENGE ["n", "sms|a", "alice", "app", "t", "h1.n", 1000, 1300, 7, CHARGES, "region:49", "network:64500", "sms", "k", "d", "s1.k", 1300]
            SMS_ACTIVE;
            "the first", "", [] => Acts;
            "ninety-nine failures", "UPDATE authenticators SET failures = 99", [] => Acts;
            "a hundred failures", "UPDATE authenticators SET failures = 100", [] => Nothing;
            "another's", "", [(2, "sms|b")] => Nothing;
            "unknown", "", [(2, "sms|x")] => Nothing;
            "another version of the client", "", [(9, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
            "the user's messages are used up", "INSERT INTO message_budgets VALUES ('p1', 1501, NULL)", [] => Nothing;
            "the hour's messages are used up", "INSERT INTO message_budgets VALUES ('p2', 2501, 3500)", [] => Nothing;
            "the day's messages are used up", "INSERT INTO message_budgets VALUES ('p2', 0, 3501)", [] => Nothing;
            "a message is left", "INSERT INTO message_budgets VALUES ('p1', 1500, NULL), ('p2', 2500, 3500)", [] => Acts;
            "somebody else's are used up", "INSERT INTO message_budgets VALUES ('p3', 9999, 9999)", [] => Acts;
            "the region is closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [] => Nothing;
            "the network is closed", "INSERT INTO closures VALUES ('network:64500', 'volume', 1001)", [] => Nothing;
            "another region is closed", "INSERT INTO closures VALUES ('region:44', 'volume', 1001)", [] => Acts;
            "the region was closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1000)", [] => Acts;
            "after another", "UPDATE challenges SET authenticator_id = 'sms|a', user_id = 'alice'", [] => Acts;
            "answered before", ANSWERED, [] => Nothing;
            "answered under another key", ANSWERED, [(14, "another")] => Acts;
            "answered long ago", "INSERT INTO idempotent_answers VALUES ('k', 's1.k', 1000)", [] => Acts;
            "answered with a challenge",
                "UPDATE challenges SET user_id = 'alice', answer_key = 'k', answer_expires_at = 1001", [] => Nothing;
            "with another",
                "UPDATE challenges SET user_id = 'alice', answer_key = 'x', answer_expires_at = 1001", [] => Acts;
            "with one, long ago",
                "UPDATE challenges SET user_id = 'alice', answer_key = 'k', answer_expires_at = 1000", [] => Acts;
            "with somebody else's", "UPDATE challenges SET answer_key = 'k', answer_expires_at = 1001", [] => Acts;
        ),
        spec!(LOGIN_STATE ["app", 7, "t"] "";
            "open", "", [] => Answers("client_current=1 spent=0");
            "another version", "", [(2, 8)] => Answers("client_current=0 spent=0");
            "client gone", CLIENT_GONE, [] => Answers("client_current=0 spent=0");
            "spent", SPENT, [] => Answers("client_current=1 spent=1");
        ),
    ]
}

fn removing() -> Vec<Spec> {
    vec![
        spec!(VOID_PENDING ["alice", "sms|a", "voice|a", 1, 950, "app", 7]
            "INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
             VALUES ('sms|a', 'alice', 'sms', 's1.a', 0, 500, 0);
             INSERT INTO enrollments
               (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
             VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 1, 900, 5000)";
            "proven", "", [] => Acts;
            "by its other channel", "", [(2, "voice|a"), (3, "sms|a")] => Acts;
            "another one", "", [(2, "sms|x"), (3, "voice|x")] => Nothing;
            "somebody else's", "", [(2, "sms|b"), (3, "voice|b")] => Nothing;
            "not proven", "", [(4, 0)] => Nothing;
            "proven before", "", [(5, 499)] => Nothing;
            "proven after mail and before the factor", MAIL_ACTIVE, [(5, 450)] => Nothing;
            "mail alone, not proven", "DELETE FROM authenticators WHERE id = 'sms|a';
                INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
                VALUES ('email|a', 'alice', 'email', 's1.a', 0, 400, 0)", [(2, "email|a"), (4, 0)] => Acts;
            "no client named", "", [(6, NULL)] => Acts;
            "an unknown client", "", [(6, "x")] => Nothing;
            "a client that has changed", "", [(7, 6)] => Nothing;
        ),
        spec!(ANNOUNCE_REMOVAL ["n", "authenticator_removed", "s1.n", 1000, 9000, "alice", NULL, 1, 1,
                "sms|a", "voice|a", 1, 950, "app", 7] REACHABLE;
            "proven", "", [] => Acts;
            "by its other channel", "", [(10, "voice|a"), (11, "sms|a")] => Acts;
            "another one", "", [(10, "sms|x"), (11, "voice|x")] => Nothing;
            "somebody else's", "", [(10, "sms|b"), (11, "voice|b")] => Nothing;
            "not proven", "", [(12, 0)] => Nothing;
            "proven before", "", [(13, 399)] => Nothing;
            "proven after mail and before the factor", "", [(13, 350)] => Nothing;
            "mail alone, not proven", "DELETE FROM authenticators WHERE user_id = 'alice' AND kind <> 'email'",
                [(10, "email|a"), (12, 0)] => Acts;
            "no client named", "", [(14, NULL)] => Acts;
            "an unknown client", "", [(14, "x")] => Nothing;
            "a client that has changed", "", [(15, 6)] => Nothing;
            "without contact, by mail and by text message", CONTACT_GONE, [] => Acts;
            "without contact, with mail that was added with proof", MAIL_ADDED_WITH_PROOF, [] => Acts;
            "about that mail", MAIL_ADDED_WITH_PROOF, [(7, "email|a")] => Acts;
            "about the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'",
                [(7, "email|a")] => Nothing;
            "about the oldest of seven mails", SEVEN_MAILS, [(7, "email|a")] => Acts;
            "mail at the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'", []
                => Acts;
            "mail at somebody else's contact's address",
                "UPDATE authenticators SET address_index = 'h1.ca' WHERE id = 'email|a'", [] => Acts;
            "about what has the id of somebody else's", "UPDATE contacts SET address_index = 'h1.e' WHERE user_id = 'alice'",
                [(7, "email|b")] => Acts;
            "about the oldest number", CONTACT_GONE, [(7, "sms|a")] => Acts;
            "the contact has been named this second", "UPDATE contacts SET updated_at = 1000 WHERE user_id = 'alice'", []
                => Acts;
            "notices go by mail alone", CONTACT_GONE, [(9, 0)] => Acts;
            "by text message alone", "", [(8, 0)] => Acts;
            "by text message alone, with mail that was added with proof",
                "UPDATE authenticators SET confirmed_at = 400 WHERE id = 'email|a'", [(8, 0)] => Acts;
            "only somebody else has mail that was added with proof", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 999 WHERE id = 'email|b'", [] => Acts;
            "somebody else's number is older than the mail", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 200 WHERE user_id = 'bob'", [] => Acts;
        ),
        spec!(RETIRE_CONTACT ["alice"] "INSERT INTO contacts VALUES ('alice', 's1.c', 'h1.c', 0), ('bob', 's1.cb', 'h1.cb', 0)";
            "nothing is left", "", [] => Acts;
            "something is left", SMS_ACTIVE, [] => Nothing;
        ),
        spec!(REMOVE_AUTHENTICATOR ["alice", "sms|a", "voice|a", 1, 950, "app", 7] SMS_ACTIVE;
            "proven", "", [] => Acts;
            "no client named", "", [(6, NULL)] => Acts;
            "an unknown client", "", [(6, "x")] => Nothing;
            "a client that has changed", "", [(7, 6)] => Nothing;
            "by its other channel", "", [(2, "voice|a"), (3, "sms|a")] => Acts;
            "another one", "", [(2, "sms|x")] => Nothing;
            "somebody else's", "", [(2, "sms|b")] => Nothing;
            "not proven", "", [(4, 0)] => Nothing;
            "proven before", "", [(5, 499)] => Nothing;
            "proven in the same second", "", [(5, 500)] => Acts;
            "proven after mail and before the factor", MAIL_ACTIVE, [(5, 450)] => Nothing;
            "mail alone, not proven", "DELETE FROM authenticators WHERE id = 'sms|a';
                INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
                VALUES ('email|a', 'alice', 'email', 's1.a', 0, 400, 0)", [(2, "email|a"), (4, 0)] => Acts;
        ),
        spec!(REMOVE_PENDING ["alice", "sms|p", "voice|p", 0, 950, "app", 7, 1000] PHONES_PENDING;
            "nothing active", "", [] => Acts;
            "no client named", "", [(6, NULL)] => Acts;
            "an unknown client", "", [(6, "x")] => Nothing;
            "a client that has changed", "", [(7, 6)] => Nothing;
            "by its other channel", "", [(2, "voice|p"), (3, "sms|p")] => Acts;
            "another one", "", [(2, "sms|x")] => Nothing;
            "somebody else's", "", [(2, "sms|bp")] => Nothing;
            "mail active", MAIL_ACTIVE, [] => Acts;
            "a factor active", SMS_ACTIVE, [] => Nothing;
            "a factor active and proven", SMS_ACTIVE, [(4, 1)] => Acts;
            "proven before", SMS_ACTIVE, [(4, 1), (5, 499)] => Nothing;
            "in its last second", "", [(8, 1999)] => Acts;
            "expired", "", [(8, 2000)] => Nothing;
        ),
        spec!(RETIRE_RECOVERY_CODE ["alice"] "INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1', 100)";
            "nothing active", "", [] => Acts;
            "mail active", MAIL_ACTIVE, [] => Nothing;
        ),
        spec!(VOID_CHALLENGES ["alice", "sms|a", "voice|a"] CHALLENGED;
            "its authenticator is there", "", [] => Nothing;
            "its authenticator is gone", AUTHENTICATOR_GONE, [] => Acts;
            "gone, by its other channel", AUTHENTICATOR_GONE, [(2, "voice|a"), (3, "sms|a")] => Acts;
            "another one is gone", "DELETE FROM authenticators WHERE id = 'sms|a0'", [] => Nothing;
            "gone, and somebody else has one of its id", OTHERS_AUTHENTICATOR, [] => Acts;
            "gone, and of another user", AUTHENTICATOR_GONE, [(1, "carol")] => Nothing;
        ),
    ]
}

fn guessing() -> Vec<Spec> {
    vec![
        spec!(CHARGE_GUESS [GUESS_BUDGETS, "attempt", 1000, "app", 7, "t"] "";
            "the first", "", [] => Acts;
            "the last there is room for", "INSERT INTO budgets VALUES ('g', 4240, 'another')", [] => Acts;
            "no room", "INSERT INTO budgets VALUES ('g', 4241, 'another')", [] => Nothing;
            "the last that the address has room for", "INSERT INTO budgets VALUES ('a', 4588, 'another')", [] => Acts;
            "no room of the address", "INSERT INTO budgets VALUES ('a', 4589, 'another')", [] => Nothing;
            "no room of another address", "INSERT INTO budgets VALUES ('x', 9999, 'another')", [] => Acts;
            "full again long ago", "INSERT INTO budgets VALUES ('g', 10, 'another'), ('a', 10, 'another')", [] => Acts;
            "another version of the client", "", [(5, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
            "no login", SPENT, [(6, NULL)] => Acts;
        ),
        spec!(GUESS_STATE [GUESS_BUDGETS, "app", 7, "t"] "";
            "fresh", "", [] => Answers("key=NULL full_at=NULL client_current=1 spent=0");
            "room", PAID, [] => Answers("key=NULL full_at=NULL client_current=1 spent=0");
            "no room", "INSERT INTO budgets VALUES ('g', 4241, 'another'), ('a', 4588, 'another'), ('x', 9999, 'another')", []
                => Answers("key=g full_at=4241 client_current=1 spent=0");
            "no room in either", "INSERT INTO budgets VALUES ('g', 4241, 'another'), ('a', 4589, 'another')", []
                => Answers("key=g full_at=4241 client_current=1 spent=0\nkey=a full_at=4589 client_current=1 spent=0");
            "another version", "", [(3, 8)] => Answers("key=NULL full_at=NULL client_current=0 spent=0");
            "client gone", CLIENT_GONE, [] => Answers("key=NULL full_at=NULL client_current=0 spent=0");
            "spent", SPENT, [] => Answers("key=NULL full_at=NULL client_current=1 spent=1");
        ),
        spec!(REFUND_GUESS [GUESS_BUDGETS, "g", "attempt", 1, "attempt+", "t"] PAID;
            "certain", "", [] => Acts;
            "certain, to both", "INSERT INTO budgets VALUES ('a', 2000, 'attempt'), ('x', 2000, 'attempt')", [] => Acts;
            "certain, and another was charged since", PAID_LATER_BY_ANOTHER, [] => Acts;
            "uncertain", "", [(4, 0)] => Acts;
            "uncertain, and another was the last", PAID_LATER_BY_ANOTHER, [(4, 0)] => Nothing;
            "uncertain, and another was the last of the user",
                "UPDATE budgets SET attempt = 'another'; INSERT INTO budgets VALUES ('a', 2000, 'attempt')", [(4, 0)] => Nothing;
            "redeemed after all", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [] => Nothing;
            "spent by another", "INSERT INTO redemptions VALUES ('t', 'another', 2000)", [] => Acts;
            "nothing was spent by it", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [(6, NULL)] => Acts;
            "redeemed by the second run", "INSERT INTO redemptions VALUES ('t', 'attempt+', 2000)", [] => Nothing;
            "never charged", PAID_ELSEWHERE, [(4, 0)] => Nothing;
        ),
        spec!(TRY_ACTIVE_TOTP ["alice", "g", "attempt"] "INSERT INTO budgets VALUES ('g', 2000, 'attempt')";
            "no app", SMS_ACTIVE, [] => Nothing;
            "apps", APPS_ACTIVE, [] => Acts;
            "a hundred failures", "INSERT INTO authenticators
                (id, user_id, kind, sealed, failures, created_at, confirmed_at, last_used_at)
              VALUES ('totp|a', 'alice', 'totp', 's1.a', 99, 0, 0, 0), ('totp|a2', 'alice', 'totp', 's1.a', 100, 0, 0, 0)",
                [] => Acts;
            "not paid", "INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              VALUES ('totp|a', 'alice', 'totp', 's1.a', 0, 0, 0); UPDATE budgets SET attempt = 'another'", [] => Nothing;
            "paid elsewhere", "INSERT INTO authenticators (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              VALUES ('totp|a', 'alice', 'totp', 's1.a', 0, 0, 0); UPDATE budgets SET key = 'x' WHERE key = 'g'", []
                => Nothing;
        ),
        spec!(PENDING_TOTP ["alice", "app", 1000, "g", "attempt"]
            "INSERT INTO budgets VALUES ('g', 2000, 'attempt');
             INSERT INTO enrollments (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
             VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 0, 900, 1001)";
            "waiting", "", [] => Answers("id=totp|p sealed=s1.p");
            "expired", "UPDATE enrollments SET expires_at = 1000", [] => Nothing;
            "of another client", "", [(2, "other")] => Nothing;
            "of another kind", "UPDATE enrollments SET kind = 'sms'", [] => Nothing;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "a factor is active, enrolled with proof", "INSERT INTO authenticators
                (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              VALUES ('sms|a', 'alice', 'sms', 's1.a', 0, 0, 0); UPDATE enrollments SET proof = 1", [] => Acts;
            "mail is active", MAIL_ACTIVE, [] => Acts;
            "not paid", PAID_LATER_BY_ANOTHER, [] => Nothing;
            "paid elsewhere", PAID_ELSEWHERE, [] => Nothing;
        ),
        spec!(TRY_PENDING_OOB ["sms|p", "alice", "app", 1000, "g", "attempt"]
            "INSERT INTO budgets VALUES ('g', 2000, 'attempt');
             INSERT INTO enrollments
               (id, user_id, place, sequence, client_id, kind, sealed, code_hash, attempts, proof, created_at, expires_at)
             VALUES ('sms|p', 'alice', 0, 0, 'app', 'sms', 's1.p', 'h1.c', 4, 0, 900, 1001),
                    ('sms|p2', 'alice', 1, 1, 'app', 'sms', 's1.p', 'h1.c', 4, 0, 900, 1001)";
            "the fifth", "", [] => Acts;
            "the sixth", "UPDATE enrollments SET attempts = 5", [] => Nothing;
            "expired", "UPDATE enrollments SET expires_at = 1000", [] => Nothing;
            "of another user", "", [(2, "carol")] => Nothing;
            "of another client", "", [(3, "other")] => Nothing;
            "without a code", "UPDATE enrollments SET code_hash = NULL", [] => Nothing;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "a factor is active, enrolled with proof", "INSERT INTO authenticators
                (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              VALUES ('sms|a', 'alice', 'sms', 's1.a', 0, 0, 0); UPDATE enrollments SET proof = 1", [] => Acts;
            "mail is active", MAIL_ACTIVE, [] => Acts;
            "not paid", PAID_LATER_BY_ANOTHER, [] => Nothing;
            "paid elsewhere", PAID_ELSEWHERE, [] => Nothing;
        ),
        spec!(OOB_ATTEMPTS ["sms|bp", "bob"] "";
            "there", "UPDATE enrollments SET attempts = 2 WHERE id = 'sms|bp'", [] => Answers("attempts=2");
            "gone", "", [(1, "sms|x")] => Nothing;
            "somebody else's", "", [(2, "alice")] => Nothing;
        ),
        spec!(TRY_CHALLENGE ["c", "alice", "app", "t", 1000, "g", "attempt"] CHALLENGED;
            "the fifth", "UPDATE challenges SET attempts = 4", [] => Acts;
            "the sixth", "UPDATE challenges SET attempts = 5", [] => Nothing;
            "expired", "UPDATE challenges SET expires_at = 1000", [] => Nothing;
            "of another user", OTHERS_CHALLENGE, [] => Nothing;
            "of another client", "", [(3, "other")] => Nothing;
            "of another login", "", [(4, "u")] => Nothing;
            "its authenticator is gone", AUTHENTICATOR_GONE, [] => Nothing;
            "its authenticator is another's", OTHERS_AUTHENTICATOR, [] => Nothing;
            "ninety-nine failures", "UPDATE authenticators SET failures = 99", [] => Acts;
            "a hundred failures", "UPDATE authenticators SET failures = 100", [] => Nothing;
            "not paid", PAID_LATER_BY_ANOTHER, [] => Nothing;
            "paid elsewhere", PAID_ELSEWHERE, [] => Nothing;
        ),
        spec!(CHARGE_CHALLENGED ["c", "alice", "g", "attempt"] CHALLENGED;
            "its own", "", [] => Acts;
            "unknown", "", [(1, "x")] => Nothing;
            "of another user", OTHERS_CHALLENGE, [] => Nothing;
            "its authenticator is another's", OTHERS_AUTHENTICATOR, [] => Nothing;
            "not paid", PAID_LATER_BY_ANOTHER, [] => Nothing;
            "paid elsewhere", PAID_ELSEWHERE, [] => Nothing;
        ),
        spec!(CHALLENGE_ATTEMPTS ["cb", "bob"] "";
            "there", "UPDATE challenges SET attempts = 2", [] => Answers("attempts=2");
            "gone", "", [(1, "x")] => Nothing;
            "somebody else's", "", [(2, "alice")] => Nothing;
        ),
        spec!(TRY_RECOVERY_CODE ["alice", "g", "attempt"]
            "INSERT INTO budgets VALUES ('g', 2000, 'attempt');
             INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100)";
            "beside nothing", "", [] => Answers("hash=h1.a independent=0");
            "beside mail", MAIL_ACTIVE, [] => Answers("hash=h1.a independent=0");
            "beside a factor", SMS_ACTIVE, [] => Answers("hash=h1.a independent=1");
            "nobody's", "", [(1, "carol")] => Nothing;
            "not paid", PAID_LATER_BY_ANOTHER, [] => Nothing;
            "paid elsewhere", PAID_ELSEWHERE, [] => Nothing;
        ),
    ]
}

fn redeeming() -> Vec<Spec> {
    vec![
        spec!(REDEEM_TOTP ["t", "r", 2000, "app", 7, "totp|a", "alice", 10] APPS_ACTIVE;
            "fresh", "", [] => Acts;
            "the step is used", "", [(8, 9)] => Nothing;
            "of another user", "", [(7, "bob")] => Nothing;
            "unknown", "", [(6, "totp|x")] => Nothing;
            "another version of the client", "", [(5, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
        ),
        spec!(USE_TOTP ["t", "r", "totp|a", "alice", 10, 1000, NULL] APPS_ACTIVE;
            "won", WON, [] => Acts;
            "won, to be sealed anew", WON, [(7, "s2.a")] => Acts;
            "won by another", SPENT, [] => Nothing;
            "won something else", "INSERT INTO redemptions VALUES ('u', 'r', 2000)", [] => Nothing;
        ),
        spec!(REFUND_TOTP_FAILURES ["alice", "g", "attempt", 1, "attempt+", "t"] APPS_ACTIVE;
            "certain", "", [] => Acts;
            "uncertain and charged", PAID, [(4, 0)] => Acts;
            "uncertain and not charged", "", [(4, 0)] => Nothing;
            "uncertain, another was the last", "INSERT INTO budgets VALUES ('g', 2000, 'another')", [(4, 0)] => Nothing;
            "uncertain, charged elsewhere", "INSERT INTO budgets VALUES ('x', 2000, 'attempt')", [(4, 0)] => Nothing;
            "redeemed after all", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [] => Nothing;
            "spent by another", "INSERT INTO redemptions VALUES ('t', 'another', 2000)", [] => Acts;
            "nothing was spent by it", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [(6, NULL)] => Acts;
            "redeemed by the second run", "INSERT INTO redemptions VALUES ('t', 'attempt+', 2000)", [] => Nothing;
        ),
        spec!(REFUND_CHALLENGED ["alice", "g", "attempt", 1, "attempt+", "t", "c"] CHALLENGED;
            "certain", PAID_LATER_BY_ANOTHER, [] => Acts;
            "uncertain and charged", "", [(4, 0)] => Acts;
            "uncertain, another was the last", PAID_LATER_BY_ANOTHER, [(4, 0)] => Nothing;
            "uncertain, charged elsewhere", PAID_ELSEWHERE, [(4, 0)] => Nothing;
            "redeemed after all", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [] => Nothing;
            "spent by another", "INSERT INTO redemptions VALUES ('t', 'another', 2000)", [] => Acts;
            "nothing was spent by it", "INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [(6, NULL)] => Acts;
            "redeemed by the second run", "INSERT INTO redemptions VALUES ('t', 'attempt+', 2000)", [] => Nothing;
            "of another user", OTHERS_CHALLENGE, [] => Nothing;
            "its authenticator is another's", OTHERS_AUTHENTICATOR, [] => Nothing;
        ),
        spec!(REFUND_PENDING_OOB ["alice", "g", "attempt", 1, "attempt+", "t", "sms|p"]
            "INSERT INTO budgets VALUES ('g', 2000, 'attempt');
             INSERT INTO enrollments
               (id, user_id, place, sequence, client_id, kind, sealed, code_hash, proof, created_at, expires_at)
             VALUES ('sms|p', 'alice', 0, 0, 'app', 'sms', 's1.p', 'h1.c', 0, 900, 1001)";
            "certain", "UPDATE budgets SET attempt = 'another' WHERE key = 'g'; UPDATE enrollments SET attempts = 5", [] => Acts;
            "uncertain and charged", "UPDATE enrollments SET attempts = 4", [(4, 0)] => Acts;
            "uncertain, and all five are used", "UPDATE enrollments SET attempts = 5", [(4, 0)] => Nothing;
            "uncertain, another was the last", "UPDATE enrollments SET attempts = 4;
                UPDATE budgets SET attempt = 'another' WHERE key = 'g'", [(4, 0)] => Nothing;
            "uncertain, charged elsewhere", "UPDATE enrollments SET attempts = 4;
                UPDATE budgets SET key = 'elsewhere' WHERE key = 'g'", [(4, 0)] => Nothing;
            "redeemed after all", "UPDATE enrollments SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [] => Nothing;
            "spent by another", "UPDATE enrollments SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'another', 2000)", [] => Acts;
            "nothing was spent by it", "UPDATE enrollments SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [(6, NULL)] => Acts;
            "redeemed by the second run", "UPDATE enrollments SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt+', 2000)", [] => Nothing;
            "of another user", "UPDATE enrollments SET attempts = 4, user_id = 'carol' WHERE id = 'sms|p'", [] => Nothing;
            "unknown", "UPDATE enrollments SET attempts = 4", [(7, "x")] => Nothing;
        ),
        spec!(REFUND_CHALLENGE ["alice", "g", "attempt", 1, "attempt+", "t", "c"] CHALLENGED;
            "certain", "UPDATE budgets SET attempt = 'another' WHERE key = 'g'; UPDATE challenges SET attempts = 5", [] => Acts;
            "uncertain and charged", "UPDATE challenges SET attempts = 4", [(4, 0)] => Acts;
            "uncertain, and all five are used", "UPDATE challenges SET attempts = 5", [(4, 0)] => Nothing;
            "uncertain, another was the last", "UPDATE challenges SET attempts = 4;
                UPDATE budgets SET attempt = 'another' WHERE key = 'g'", [(4, 0)] => Nothing;
            "uncertain, charged elsewhere", "UPDATE challenges SET attempts = 4;
                UPDATE budgets SET key = 'elsewhere' WHERE key = 'g'", [(4, 0)] => Nothing;
            "redeemed after all", "UPDATE challenges SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [] => Nothing;
            "spent by another", "UPDATE challenges SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'another', 2000)", [] => Acts;
            "nothing was spent by it", "UPDATE challenges SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt', 2000)", [(6, NULL)] => Acts;
            "redeemed by the second run", "UPDATE challenges SET attempts = 4;
                INSERT INTO redemptions VALUES ('t', 'attempt+', 2000)", [] => Nothing;
            "of another user", "UPDATE challenges SET attempts = 4, user_id = 'carol'", [] => Nothing;
            "unknown", "UPDATE challenges SET attempts = 4", [(7, "x")] => Nothing;
        ),
        spec!(REDEEM_CHALLENGE ["t", "r", 2000, "app", 7, "c", "alice", 1000] CHALLENGED;
            "fresh", "", [] => Acts;
            "gone", "DELETE FROM challenges WHERE id = 'c'", [] => Nothing;
            "expired", "UPDATE challenges SET expires_at = 1000 WHERE id = 'c'", [] => Nothing;
            "of another user", OTHERS_CHALLENGE, [] => Nothing;
            "its authenticator is gone", AUTHENTICATOR_GONE, [] => Nothing;
            "its authenticator is another's", OTHERS_AUTHENTICATOR, [] => Nothing;
            "another version of the client", "", [(5, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
        ),
        spec!(USE_CHALLENGED ["t", "r", "sms|a", "alice", 1000, NULL, NULL] CHALLENGED;
            "won", WON, [] => Acts;
            "won, to be sealed anew", WON, [(6, "s2.a")] => Acts;
            "won, to be indexed anew", WON, [(7, "h2.a")] => Acts;
            "of another user", "INSERT INTO redemptions VALUES ('t', 'r', 2000);
                UPDATE authenticators SET user_id = 'bob' WHERE id = 'sms|a'", [] => Nothing;
            "won by another", SPENT, [] => Nothing;
            "won something else", "INSERT INTO redemptions VALUES ('u', 'r', 2000)", [] => Nothing;
        ),
        spec!(REMOVE_CHALLENGE ["t", "r", "c", "alice"] CHALLENGED;
            "won", WON, [] => Acts;
            "somebody else's", WON, [(4, "bob")] => Nothing;
            "won by another", SPENT, [] => Nothing;
            "won something else", "INSERT INTO redemptions VALUES ('u', 'r', 2000)", [] => Nothing;
        ),
        spec!(REDEEM_RECOVERY_CODE ["t", "r", 2000, "app", 7, "alice", "h1.a"]
            "INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100)";
            "in force", "", [] => Acts;
            "used meanwhile", "UPDATE recovery_codes SET hash = 'h1.x' WHERE user_id = 'alice'", [] => Nothing;
            "somebody else's", "", [(6, "carol")] => Nothing;
            "another version of the client", "", [(5, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
        ),
        spec!(ROTATE_RECOVERY_CODE ["t", "r", "alice", "h1.n"]
            "INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100);
             INSERT INTO redemptions VALUES ('t', 'r', 2000)";
            "won", "", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(RETURN_CHARGES ["t", "r", "d"] VERIFIABLE;
            "won", "", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
            "another's message", "DELETE FROM deliveries WHERE id = 'd'", [] => Nothing;
            "nothing to return", "UPDATE deliveries SET charges = NULL", [] => Nothing;
            "to an hour's", "UPDATE deliveries SET charges = '[[\"p2\",60,0]]' WHERE id = 'd'", [] => Acts;
            "to a day's", "UPDATE deliveries SET charges = '[[\"p2\",0,50]]' WHERE id = 'd'", [] => Acts;
            "swept buckets", "DELETE FROM message_budgets WHERE key <> 'p3'", [] => Nothing;
        ),
        spec!(VERIFY_DELIVERY ["t", "r", "d", 1000] VERIFIABLE;
            "won", "", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
            "another's message", "DELETE FROM deliveries WHERE id = 'd'", [] => Nothing;
        ),
        spec!(FIRST_CONTACT ["t", "r", "alice", "s1.new", "h1.new", 1000]
            "INSERT INTO redemptions VALUES ('t', 'r', 2000); INSERT INTO contacts VALUES ('bob', 's1.cb', 'h1.cb', 0)";
            "the first", "", [] => Acts;
            "another is known", "INSERT INTO contacts VALUES ('alice', 's1.c', 'h1.c', 0)", [] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(REPLACE_CONTACT ["t", "r", "alice", "s1.new", "h1.new", 1000]
            "INSERT INTO redemptions VALUES ('t', 'r', 2000);
             INSERT INTO contacts VALUES ('bob', 's1.cb', 'h1.cb', 0), ('alice', 's1.c', 'h1.c', 0)";
            "another address", "", [] => Acts;
            "nothing is known", "DELETE FROM contacts WHERE user_id = 'alice'", [] => Nothing;
            "the same address", "UPDATE contacts SET address_index = 'h1.new' WHERE user_id = 'alice'", [] => Nothing;
            "the same under another key", "UPDATE contacts SET address_index = 'h1.new', sealed = 's2.c'
                WHERE user_id = 'alice'", [] => Acts;
            "the same under a key of a longer id", "UPDATE contacts SET address_index = 'h1.new', sealed = 's11.c'
                WHERE user_id = 'alice'", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(ANNOUNCE_REDEMPTION ["n", "authenticator_added", "s1.n", 1000, 9000, "alice", "voice|n", 1, 1, "t", "r"]
            REACHABLE;
            "to the contact and by mail", "", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
            "nobody to tell", ALL_GONE, [] => Nothing;
            "without contact, by mail and by text message", CONTACT_GONE, [] => Acts;
            "without contact, with mail that was added with proof", MAIL_ADDED_WITH_PROOF, [] => Acts;
            "about that mail", MAIL_ADDED_WITH_PROOF, [(7, "email|a")] => Acts;
            "about the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'",
                [(7, "email|a")] => Nothing;
            "about the oldest of seven mails", SEVEN_MAILS, [(7, "email|a")] => Acts;
            "mail at the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'", []
                => Acts;
            "mail at somebody else's contact's address",
                "UPDATE authenticators SET address_index = 'h1.ca' WHERE id = 'email|a'", [] => Acts;
            "about what has the id of somebody else's", "UPDATE contacts SET address_index = 'h1.e' WHERE user_id = 'alice'",
                [(7, "email|b")] => Acts;
            "about the oldest number", CONTACT_GONE, [(7, "sms|a")] => Acts;
            "about nothing", CONTACT_GONE, [(7, NULL)] => Acts;
            "the contact has just been named", "UPDATE contacts SET updated_at = 1000 WHERE user_id = 'alice'", []
                => Acts;
            "the contact has been named this second", "UPDATE contacts SET updated_at = 1000 WHERE user_id = 'alice'", []
                => Acts;
            "notices go by mail alone", CONTACT_GONE, [(9, 0)] => Acts;
            "by text message alone", "", [(8, 0)] => Acts;
            "by text message alone, with mail that was added with proof",
                "UPDATE authenticators SET confirmed_at = 400 WHERE id = 'email|a'", [(8, 0)] => Acts;
            "about somebody else's", "", [(6, "bob"), (7, NULL)] => Acts;
            "only somebody else has mail that was added with proof", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 999 WHERE id = 'email|b'", [] => Acts;
            "somebody else's number is older than the mail", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 200 WHERE user_id = 'bob'", [] => Acts;
        ),
        spec!(ANNOUNCE ["n", "guesses_locked", "s1.n", 1000, 9000, "alice", NULL, 1, 1] REACHABLE;
            "the first", "", [] => Acts;
            "told before", "DELETE FROM authenticators WHERE id = 'email|a';
                INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at)
                VALUES ('n-contact_0', 'email', 'sent', 0, 0, 9000)", [] => Nothing;
            "told before at another address", "DELETE FROM authenticators WHERE id = 'email|a';
                UPDATE contacts SET updated_at = 900 WHERE user_id = 'alice';
                INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at)
                VALUES ('n-contact_0', 'email', 'sent', 0, 0, 9000)", [] => Acts;
            "told before, and there is new mail", "INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at)
                VALUES ('n-contact_0', 'email', 'sent', 0, 0, 9000), ('n-email_x', 'email', 'sent', 0, 0, 9000)", [] => Acts;
            "told before at all of them", "UPDATE authenticators SET id = 'email|dev_a' WHERE id = 'email|a';
                INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at)
                VALUES ('n-contact_0', 'email', 'sent', 0, 0, 9000), ('n-email_dev_a', 'email', 'sent', 0, 0, 9000)", [] => Nothing;
            "nobody to tell", ALL_GONE, [] => Nothing;
            "without contact, by mail and by text message", CONTACT_GONE, [] => Acts;
            "without contact, with mail that was added with proof", MAIL_ADDED_WITH_PROOF, [] => Acts;
            "about that mail", MAIL_ADDED_WITH_PROOF, [(7, "email|a")] => Acts;
            "about the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'",
                [(7, "email|a")] => Nothing;
            "about the oldest of seven mails", SEVEN_MAILS, [(7, "email|a")] => Acts;
            "mail at the contact's address", "UPDATE authenticators SET address_index = 'h1.c' WHERE id = 'email|a'", []
                => Acts;
            "mail at somebody else's contact's address",
                "UPDATE authenticators SET address_index = 'h1.ca' WHERE id = 'email|a'", [] => Acts;
            "about what has the id of somebody else's", "UPDATE contacts SET address_index = 'h1.e' WHERE user_id = 'alice'",
                [(7, "email|b")] => Acts;
            "about the oldest number", CONTACT_GONE, [(7, "sms|a")] => Acts;
            "the contact has been named this second", "UPDATE contacts SET updated_at = 1000 WHERE user_id = 'alice'", []
                => Acts;
            "notices go by mail alone", CONTACT_GONE, [(9, 0)] => Acts;
            "by text message alone", "", [(8, 0)] => Acts;
            "by text message alone, with mail that was added with proof",
                "UPDATE authenticators SET confirmed_at = 400 WHERE id = 'email|a'", [(8, 0)] => Acts;
            "about somebody else's", "", [(6, "bob")] => Acts;
            "only somebody else has mail that was added with proof", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 999 WHERE id = 'email|b'", [] => Acts;
            "somebody else's number is older than the mail", "DELETE FROM contacts WHERE user_id = 'alice';
                UPDATE authenticators SET confirmed_at = 200 WHERE user_id = 'bob'", [] => Acts;
        ),
        spec!(REFUND_WINNER ["t", "r", GUESS_BUDGETS]
            "INSERT INTO budgets VALUES ('g', 2000, 'attempt'), ('a', 2000, 'another'), ('x', 2000, 'another');
             INSERT INTO redemptions VALUES ('t', 'r', 2000)";
            "won", "", [] => Acts;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(REFUND_WINNER_TOTP_FAILURES ["t", "r", "alice"] APPS_ACTIVE;
            "won", WON, [] => Acts;
            "won by another", SPENT, [] => Nothing;
            "won something else", "INSERT INTO redemptions VALUES ('u', 'r', 2000)", [] => Nothing;
        ),
        spec!(REDEMPTION_STATE ["t", "r", "app", 7, "first", "alice", "totp|p"]
            "INSERT INTO enrollments (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
             VALUES ('totp|p', 'alice', 0, 0, 'app', 'totp', 's1.p', 0, 900, 1001)";
            "nobody won", "", [] => Answers("won=0 spent=0 client_current=1 is_full=0");
            "won", WON, [] => Answers("won=1 spent=0 client_current=1 is_full=0");
            "won by the first run", "INSERT INTO redemptions VALUES ('t', 'first', 2000)", []
                => Answers("won=1 spent=0 client_current=1 is_full=0");
            "won by another", SPENT, [] => Answers("won=0 spent=1 client_current=1 is_full=0");
            "won something else", "INSERT INTO redemptions VALUES ('u', 'r', 2000)", []
                => Answers("won=0 spent=0 client_current=1 is_full=0");
            "another version", "", [(4, 8)] => Answers("won=0 spent=0 client_current=0 is_full=0");
            "client gone", CLIENT_GONE, [] => Answers("won=0 spent=0 client_current=0 is_full=0");
            "no room", TWENTY_MAILS, [] => Answers("won=0 spent=0 client_current=1 is_full=1");
            "no room, and no enrollment", TWENTY_MAILS, [(7, "totp|x")] => Answers("won=0 spent=0 client_current=1 is_full=0");
            "no room, and somebody else's enrollment", TWENTY_MAILS, [(7, "sms|bp")]
                => Answers("won=0 spent=0 client_current=1 is_full=0");
            "somebody else has no room", TWENTY_MAILS, [(6, "bob"), (7, "sms|bp")]
                => Answers("won=0 spent=0 client_current=1 is_full=0");
        ),
    ]
}

fn confirming() -> Vec<Spec> {
    let phones_and_won = "INSERT INTO enrollments
        (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof,
         created_at, expires_at)
      VALUES ('sms|p', 'alice', 0, 0, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', 'recovery-code|p', 'h1.rp', 0, 900, 2000),
             ('sms|p2', 'alice', 1, 1, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', NULL, NULL, 0, 900, 2000),
             ('sms|p3', 'alice', 2, 2, 'app', 'sms', 's1.p', 'h1.a', 'h1.c', NULL, NULL, 1, 900, 2000);
      INSERT INTO redemptions VALUES ('t', 'r', 2000)";
    let parked_and_won = "INSERT INTO enrollments
        (id, user_id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at)
      VALUES ('sms|p', 'alice', 0, 0, 'app', 'sms', 's1.p', 0, 900, 2000);
      INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100);
      INSERT INTO redemptions VALUES ('t', 'r', 2000)";
    vec![
        spec!(REDEEM_ENROLLMENT [
                "t", "r", 2000, "app", 7, "sms|p", "alice", 1000, "[\"h1.a\"]", "[\"sms\",\"voice\"]",
            ] PHONES_PENDING;
            "the first factor", "", [] => Acts;
            "gone", "", [(6, "sms|x")] => Nothing;
            "of another user", "", [(7, "carol")] => Nothing;
            "of another client", "", [(4, "other")] => Nothing;
            "expired", "UPDATE enrollments SET expires_at = 1000 WHERE id = 'sms|p'", [] => Nothing;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "a factor is active, enrolled with proof", SMS_ACTIVE, [(6, "sms|p3")] => Acts;
            "mail is active", MAIL_ACTIVE, [] => Acts;
            "nineteen others are active", NINETEEN_MAILS, [] => Acts;
            "twenty others are active", TWENTY_MAILS, [] => Nothing;
            "twenty, one of which it replaces", "INSERT INTO authenticators
                (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
              WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
              SELECT 'x|' || i, 'alice', CASE i WHEN 1 THEN 'voice' ELSE 'email' END, 's1',
                     CASE i WHEN 1 THEN 'h1.a' ELSE 'h1.x' END, 0, 0, 0 FROM n", [(6, "sms|p3")] => Acts;
            "twenty, one of which has the same index and another kind", "INSERT INTO authenticators
                (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
              WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
              SELECT 'x|' || i, 'alice', 'email', 's1', CASE i WHEN 1 THEN 'h1.a' ELSE 'h1.x' END, 0, 0, 0 FROM n",
                [(6, "sms|p3")] => Nothing;
            "twenty, one of which has the same kind and another number", "INSERT INTO authenticators
                (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
              WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
              SELECT 'x|' || i, 'alice', 'sms', 's1', 'h1.x', 0, 0, 0 FROM n", [(6, "sms|p3")] => Nothing;
            "an app beside twenty apps", "INSERT INTO authenticators
                (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
              SELECT 'x|' || i, 'alice', 'totp', 's1', 0, 0, 0 FROM n",
                [(6, "sms|p3"), (9, "[\"h1.y\"]"), (10, "[\"totp\"]")] => Nothing;
            "another version of the client", "", [(5, 8)] => Nothing;
            "the client is gone", CLIENT_GONE, [] => Nothing;
            "the login is spent", SPENT, [] => Nothing;
        ),
        spec!(RETIRE_PARKED_RECOVERY_CODE ["t", "r", "sms|p", "alice"] parked_and_won;
            "the first factor", "", [] => Acts;
            "beside mail", MAIL_ACTIVE, [] => Acts;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "mail is what was confirmed", "UPDATE enrollments SET kind = 'email' WHERE id = 'sms|p'", [] => Nothing;
            "nothing that is pending", "", [(3, "sms|x")] => Nothing;
            "somebody else's", "", [(4, "carol")] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
            "what was confirmed is somebody else's", "UPDATE enrollments SET user_id = 'carol' WHERE id = 'sms|p'", []
                => Nothing;
        ),
        spec!(ACTIVATE_RECOVERY_CODE ["t", "r", "sms|p", "alice"] phones_and_won;
            "the first factor", "", [] => Acts;
            "in place of mail's", "INSERT INTO authenticators
                (id, user_id, kind, sealed, created_at, confirmed_at, last_used_at)
              VALUES ('email|a', 'alice', 'email', 's1', 0, 0, 0);
              INSERT INTO recovery_codes VALUES ('alice', 'recovery-code|a', 'h1.a', 100)", [] => Acts;
            "a factor is active", SMS_ACTIVE, [] => Nothing;
            "it has none", "", [(3, "sms|p2")] => Nothing;
            "somebody else's", "", [(4, "bob")] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(VOID_OTHER_ENROLLMENTS ["t", "r", "sms|p", "alice", "[\"sms\",\"voice\"]", "[\"h2.a\",\"h1.a\"]"] phones_and_won;
            "the first factor", "", [] => Acts;
            "beside mail", MAIL_ACTIVE, [] => Acts;
            "another number is active", ANOTHER_ACTIVE, [] => Nothing;
            "that number is active", SMS_ACTIVE, [] => Acts;
            "that number is active for others than phones", ANOTHER_ACTIVE, [(6, "[\"h1.m\"]")] => Nothing;
            "mail is what was confirmed", "UPDATE enrollments SET kind = 'email' WHERE id = 'sms|p'", [] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
            "what was confirmed is somebody else's", "UPDATE enrollments SET user_id = 'carol' WHERE id = 'sms|p'", []
                => Nothing;
        ),
        spec!(RETIRE_REPLACED ["t", "r", "alice", "[\"sms\",\"voice\"]", "[\"h2.a\",\"h1.a\"]"]
            "INSERT INTO redemptions VALUES ('t', 'r', 2000);
             INSERT INTO authenticators
               (id, user_id, kind, sealed, address_index, created_at, confirmed_at, last_used_at)
             VALUES ('sms|a', 'alice', 'sms', 's1.a', 'h1.a', 0, 0, 0),
                    ('sms|a2', 'alice', 'sms', 's1.a', 'h1.other', 0, 0, 0),
                    ('email|a', 'alice', 'email', 's1.a', 'h1.a', 0, 0, 0)";
            "won", "", [] => Acts;
            "found under the present key", "UPDATE authenticators SET address_index = 'h2.a' WHERE id = 'sms|a'", []
                => Acts;
            "nothing of that number", "DELETE FROM authenticators WHERE id = 'sms|a'", [] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(ACTIVATE ["t", "r", "sms|p", 1000, 0, NULL, NULL, "alice"] phones_and_won;
            "won", "", [] => Acts;
            "won, with a new key", "", [(6, "s2.p"), (7, "h2.a")] => Acts;
            "gone", "", [(3, "sms|x")] => Nothing;
            "somebody else's", "", [(8, "bob")] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
        spec!(REMOVE_ENROLLMENT ["t", "r", "sms|p", "alice"] phones_and_won;
            "won", "", [] => Acts;
            "somebody else's", "", [(4, "bob")] => Nothing;
            "won by another", WON_BY_ANOTHER, [] => Nothing;
            "won something else", WON_SOMETHING_ELSE, [] => Nothing;
        ),
    ]
}

fn delivering() -> Vec<Spec> {
    vec![
        spec!(CLAIM_DELIVERIES ["[\"d\"]", 1000, 1060] DELIVERY;
            "waiting", "", [] => Acts;
            "due now", "UPDATE deliveries SET due_at = 1000, expires_at = 1001, attempts = 1", [] => Acts;
            "due later", "UPDATE deliveries SET due_at = 1001, attempts = 1", [] => Nothing;
            "due later, and never tried", "UPDATE deliveries SET due_at = 1001", [] => Acts;
            "expired", "UPDATE deliveries SET expires_at = 1000", [] => Nothing;
            "claimed, and the lease is over", "UPDATE deliveries SET state = 'claimed'", [] => Acts;
            "sent", "UPDATE deliveries SET state = 'sent'", [] => Nothing;
            "failed", "UPDATE deliveries SET state = 'failed'", [] => Nothing;
            "another is due as well", "UPDATE deliveries SET due_at = 900", [] => Acts;
            "one of several, named twice", "UPDATE deliveries SET attempts = 1 WHERE id = 'd2'",
                [(1, "[\"d2\",\"d\",\"x\",\"d\"]")] => Acts;
            "unknown", "", [(1, "[\"x\"]")] => Nothing;
        ),
        spec!(DELIVERY_TEMPLATES ["[\"d\"]"] TEMPLATES;
            "of its message and channel, in every language", "", [] => Answers(
                "message=code channel=sms language=de subject=NULL text=a html=NULL\n\
                 message=code channel=sms language=it subject=NULL text=b html=NULL");
            "of another channel", "UPDATE deliveries SET channel = 'email' WHERE id = 'd'", []
                => Answers("message=code channel=email language=de subject=s text=c html=h");
            "of another message", "UPDATE deliveries SET message = 'guesses_locked' WHERE id = 'd'", []
                => Answers("message=guesses_locked channel=sms language=de subject=NULL text=d html=NULL");
            "of several at once, each in its own channel", "UPDATE deliveries SET channel = 'email' WHERE id = 'd2'",
                [(1, "[\"d2\",\"d\"]")] => Answers(
                "message=code channel=email language=de subject=s text=c html=h\n\
                 message=code channel=sms language=de subject=NULL text=a html=NULL\n\
                 message=code channel=sms language=it subject=NULL text=b html=NULL");
            "unknown", "", [(1, "[\"x\"]")] => Nothing;
        ),
        spec!(DELIVERIES_SENT ["[[\"d\",\"webhook\"]]"] CLAIMED;
            "claimed", "", [] => Acts;
            "not claimed", "UPDATE deliveries SET state = 'waiting'", [] => Nothing;
        ),
        spec!(DELIVERIES_RETRIED ["[[\"d\",0,\"busy\",1005]]"] CLAIMED;
            "claimed", "", [] => Acts;
            "claimed anew since", "UPDATE deliveries SET attempts = 1", [] => Nothing;
            "not claimed", "UPDATE deliveries SET state = 'sent'", [] => Nothing;
        ),
        spec!(DELIVERIES_FAILED ["[[\"d\",0,\"refused\"]]"] CLAIMED;
            "claimed", "", [] => Acts;
            "claimed anew since", "UPDATE deliveries SET attempts = 1", [] => Nothing;
            "not claimed", "UPDATE deliveries SET state = 'sent'", [] => Nothing;
        ),
        spec!(DELIVERIES_GIVEN_UP ["[\"d\"]"] DELIVERY;
            "waiting", "", [] => Acts;
            "claimed", "UPDATE deliveries SET state = 'claimed'", [] => Acts;
            "sent", "UPDATE deliveries SET state = 'sent'", [] => Nothing;
            "failed", "UPDATE deliveries SET state = 'failed'", [] => Nothing;
            "expired", "UPDATE deliveries SET state = 'expired'", [] => Nothing;
            "another", "", [(1, "[\"d0\"]")] => Nothing;
        ),
        spec!(OVERDUE_DELIVERIES [1000, 985] DELIVERY;
            "waiting", "", [] => Answers("id=d");
            "since just long enough", "UPDATE deliveries SET due_at = 985 WHERE id = 'd'", [] => Acts;
            "not long enough", "UPDATE deliveries SET due_at = 986 WHERE id = 'd'", [] => Nothing;
            "claimed by somebody who died", "UPDATE deliveries SET state = 'claimed'", [] => Acts;
            "sent", "UPDATE deliveries SET state = 'sent', sealed = NULL", [] => Nothing;
            "expired", "UPDATE deliveries SET expires_at = 1000", [] => Nothing;
            "the oldest first", "UPDATE deliveries SET due_at = 800 WHERE id = 'd2'", [] => Answers("id=d2\nid=d");
        ),
        spec!(EXPIRE_DELIVERIES [1000] DELIVERY;
            "alive", "", [] => Nothing;
            "waiting", "UPDATE deliveries SET expires_at = 1000 WHERE id = 'd'", [] => Acts;
            "claimed", "UPDATE deliveries SET expires_at = 1000, state = 'claimed' WHERE id = 'd'", [] => Acts;
            "sent", "UPDATE deliveries SET expires_at = 1000, state = 'sent', sealed = NULL WHERE id = 'd'", [] => Nothing;
        ),
    ]
}

const ACTED: &str = "
INSERT INTO operator_acts VALUES (5, 800, 'clients add', 'ops@host', NULL, 'app', NULL),
                                 (4, 900, 'users reset', 'ops@host', 'bob', NULL, NULL)";

fn sweeping() -> Vec<Spec> {
    let mut specs = vec![
        spec!(CLOSE_BY_HOUR [50, 9, 9, 700, 9, 20, 4000] SENT;
            "few messages", "", [] => Nothing;
            "too many to a region", "", [(2, 4)] => Acts;
            "just as many as may be", "", [(2, 5)] => Nothing;
            "too many from a network", "", [(3, 3)] => Acts;
            "just as many from it as may be", "", [(3, 4)] => Nothing;
            "those before the window do not count", "", [(1, 49), (2, 5)] => Acts;
            "half of the codes come back", "", [(5, 4), (6, 50)] => Nothing;
            "and that is too few", "", [(5, 4), (6, 51)] => Acts;
            "too few are old enough to judge", "", [(5, 5), (6, 51)] => Nothing;
            "the youngest is judged one second later", "", [(4, 701), (5, 5), (6, 51)] => Acts;
            "those too young count for nothing, typed in or not", "UPDATE deliveries SET verified_at = 702 WHERE id = '5'",
                [(5, 4), (6, 51)] => Acts;
            "nor do they for a network", "UPDATE deliveries SET region = NULL;
                UPDATE deliveries SET verified_at = 702, network = '64500' WHERE id = '5'", [(5, 4), (6, 51)] => Acts;
            "too few are old enough to judge a network", "UPDATE deliveries SET region = NULL;
                UPDATE deliveries SET network = '64500' WHERE id = '5'", [(5, 5), (6, 51)] => Nothing;
            "nobody knows where from or where to", "UPDATE deliveries SET region = NULL, network = NULL",
                [(2, 1), (3, 1)] => Nothing;
            "a network whose codes do not come back", "UPDATE deliveries SET region = NULL", [(5, 4), (6, 51)] => Acts;
            "closed before", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [(5, 4), (6, 51)] => Acts;
            "what nobody received is not judged", "UPDATE deliveries SET state = 'failed'", [(5, 1), (6, 51)] => Nothing;
            "nor is it for a network", "UPDATE deliveries SET state = 'failed', region = NULL", [(5, 1), (6, 51)] => Nothing;
            "though its code came back", "UPDATE deliveries SET state = 'failed' WHERE verified_at > 0", [(5, 2), (6, 51)]
                => Acts;
            "though it came back from a network", "UPDATE deliveries SET state = 'failed' WHERE verified_at > 0;
                UPDATE deliveries SET region = NULL", [(5, 2), (6, 51)] => Acts;
            "what nobody received counts for the volume", "UPDATE deliveries SET state = 'failed'", [(2, 4)] => Acts;
        ),
        spec!(COUNT_MESSAGES [10, 12] SENT_IN_HOURS;
            "hours that are over", "", [] => Acts;
            "none is over", "", [(2, 10)] => Nothing;
            "none is over for a network", "UPDATE deliveries SET region = NULL", [(2, 10)] => Nothing;
            "one is counted", "INSERT INTO message_counts VALUES (10, 'region:49', 2)", [] => Acts;
            "all are counted", "INSERT INTO message_counts VALUES (11, 'region:49', 1)", [] => Nothing;
            "all are counted of a network", "UPDATE deliveries SET region = NULL;
                INSERT INTO message_counts VALUES (11, 'network:64500', 0)", [] => Nothing;
            "those before the day do not count", "", [(1, 12)] => Nothing;
            "nobody knows where from or where to", "UPDATE deliveries SET region = NULL, network = NULL", [] => Acts;
            "and that is counted", "UPDATE deliveries SET region = NULL, network = NULL;
                INSERT INTO message_counts VALUES (11, '', 4)", [] => Nothing;
        ),
        spec!(CLOSE_BY_DAY [10, 3, 3, 4000] SENT_IN_HOURS;
            "just as many as may be", "", [] => Nothing;
            "too many to a region", "", [(2, 2)] => Acts;
            "too many from a network", "", [(3, 2)] => Acts;
            "those before the day do not count", "", [(1, 11), (2, 1)] => Nothing;
            "too many with those that are counted", "INSERT INTO message_counts VALUES (10, 'region:49', 3)", [] => Acts;
            "just as many with those that are counted", "INSERT INTO message_counts VALUES (10, 'region:49', 2)", []
                => Nothing;
            "what was counted before the day does not count", "INSERT INTO message_counts VALUES (9, 'region:49', 9)", []
                => Nothing;
            "what is counted does not count twice", "INSERT INTO message_counts VALUES (11, 'region:49', 1)", [(2, 1)]
                => Nothing;
            "nor does it for a network", "INSERT INTO message_counts VALUES (11, 'network:64500', 0)", [(3, 1)]
                => Nothing;
            "nobody knows where from or where to", "UPDATE deliveries SET region = NULL, network = NULL",
                [(2, 0), (3, 0)] => Nothing;
            "closed before", "INSERT INTO closures VALUES ('region:49', 'unverified', 1001)", [(2, 2)] => Acts;
        ),
        spec!(OPERATOR_ACTS [] ACTED;
            "in order", "", [] => Answers("id=4 at=900 command=users reset operator=ops@host user_id=bob client_id=NULL \
                detail=NULL\nid=5 at=800 command=clients add operator=ops@host user_id=NULL client_id=app detail=NULL");
            "all are told", "DELETE FROM operator_acts", [] => Nothing;
        ),
        spec!(FORGET_OPERATOR_ACTS [4] ACTED;
            "told", "", [] => Acts;
            "what came meanwhile", "DELETE FROM operator_acts WHERE id = 4", [] => Nothing;
        ),
        spec!(SWEEP_MESSAGE_COUNTS [10] "";
            "of this day", "INSERT INTO message_counts VALUES (10, 'region:49', 2)", [] => Nothing;
            "of the day before", "INSERT INTO message_counts VALUES (9, 'region:49', 2)", [] => Acts;
        ),
        spec!(FORGET_ANSWERS [1000] ANSWERED_WITH_ENROLLMENT;
            "kept", "", [] => Nothing;
            "long ago", "UPDATE enrollments SET answer_expires_at = 1000", [] => Acts;
            "nothing was kept", "UPDATE enrollments SET answer = NULL, answer_expires_at = 1000", [] => Nothing;
        ),
        spec!(SWEEP_CLOSURES [1000] "";
            "closed", "INSERT INTO closures VALUES ('region:49', 'volume', 1001)", [] => Nothing;
            "open again", "INSERT INTO closures VALUES ('region:49', 'volume', 1000)", [] => Acts;
        ),
        spec!(SWEEP_DELIVERIES [1000] DELIVERY;
            "recent", "", [] => Nothing;
            "of yesterday", "UPDATE deliveries SET created_at = 1000, expires_at = 1000 WHERE id = 'd'", [] => Acts;
            "of yesterday, and alive since", "UPDATE deliveries SET expires_at = 1001 WHERE id = 'd'", [] => Nothing;
            "made by a clock that was ahead", "UPDATE deliveries SET created_at = 1001, expires_at = 1000 WHERE id = 'd'", []
                => Nothing;
        ),
    ];
    specs.extend(swept!(ADVANCE_ENROLLMENTS, SWEEP_ENROLLMENTS, "enrollments",
        "user_id, id, place, sequence, client_id, kind, sealed, proof, created_at, expires_at",
        "'e', 0, 0, 'app', 'totp', 's', 0, 0, ";));
    specs.extend(swept!(ADVANCE_CHALLENGES, SWEEP_CHALLENGES, "challenges",
        "user_id, id, authenticator_id, channel, client_id, transaction_id, code_hash, created_at, expires_at",
        "'c', 'a', 'sms', 'app', 't', 'h', 0, ";));
    specs.extend(
        swept!(ADVANCE_ANSWERS, SWEEP_ANSWERS, "idempotent_answers", "key, sealed, expires_at", "'s', ";),
    );
    specs.extend(swept!(ADVANCE_REDEMPTIONS, SWEEP_REDEMPTIONS, "redemptions", "spent, redemption, expires_at", "'r', ";));
    specs.extend(swept!(ADVANCE_ASSERTIONS, SWEEP_ASSERTIONS, "client_assertions",
        "jti_hash, client_id, expires_at", "'app', ";));
    specs.extend(swept!(ADVANCE_BUDGETS, SWEEP_BUDGETS, "budgets", "key, full_at", "";));
    specs.extend(
        swept!(ADVANCE_MESSAGE_BUDGETS, SWEEP_MESSAGE_BUDGETS, "message_budgets", "key, full_at", "";
            "the hour's is full", "INSERT INTO message_budgets VALUES ('p2', 1000, 1001)", [] => Nothing;
            "the day's is full", "INSERT INTO message_budgets VALUES ('p2', 1001, 1000)", [] => Nothing;
            "both are full", "INSERT INTO message_budgets VALUES ('p2', 1000, 1000)", [] => Acts;
        ),
    );
    specs
}
