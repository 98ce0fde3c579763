//! What a wrong guess costs.

use std::pin::Pin;

use serde_json::json;

use super::{
    GUESSES, INVALID_BINDING_CODE, INVALID_OTP, INVALID_RECOVERY_CODE, MFA_REQUIRED, ONE_GUESS,
    RECOVERY_GUESSES, TOO_MANY, UNAVAILABLE,
};
use crate::http::request::Request;
use crate::platform::{Platform, Value};
use crate::routes;
use crate::storage::statements;
use crate::testing::join_all;
use crate::testing::person::{API, Message, NUMBER, OTHER_NUMBER, Service};
use crate::testing::platform::BatchFault;

#[test]
fn ten_wrong_codes_and_then_one_every_six_minutes() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    for _ in 0..10 {
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    let before = service.world.database_text();
    let refused = alice.enters_otp(&alice.logs_in(), &app.code(&service));
    refused.is_refused(429, TOO_MANY);
    assert_eq!(refused.json()["error"], "too_many_requests");
    assert_eq!(refused.header("Retry-After"), Some("360"));
    assert_eq!(refused.header("X-RateLimit-Limit"), Some("10"));
    assert_eq!(refused.header("X-RateLimit-Remaining"), Some("0"));
    let reset = (service.world.now().0 + 360).to_string();
    assert_eq!(refused.header("X-RateLimit-Reset"), Some(reset.as_str()));
    assert_eq!(service.world.database_text(), before);

    service.world.advance(359);
    let refused = alice.enters_otp(&alice.logs_in(), &app.code(&service));
    refused.is_refused(429, TOO_MANY);
    assert_eq!(refused.header("Retry-After"), Some("1"));
    service.world.advance(1);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(429, TOO_MANY);
    service.world.advance(360);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    // That one was given back, so there is one more.
    service.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
}

#[test]
fn a_right_code_after_which_the_login_cannot_go_on_costs_nothing() {
    let service = Service::new();
    let app = service.person("alice").has_app();
    // So many scopes that the token of the demand would be too long.
    let scope = (100..200).map(|number| format!("s:{number}")).collect::<Vec<_>>();
    let audiences = json!([{ "audience": API, "scopes": scope }]).to_string();
    service.world.query("UPDATE clients SET audiences = ?1, version = version + 1", &[audiences.into()]);
    let service = service.redeployed(&Service::variables().with("POLICY", r#"{"factors":2}"#));
    let alice = service.person("alice");
    for _ in 0..11 {
        service.world.advance(30);
        let login = alice.logs_in_with(&json!({ "scope": scope.join(" ") }));
        alice.enters_otp(&login, &app.code(&service)).is_refused(400, "scope is too long");
    }
    assert_eq!(service.charged_seconds("guess:idp|alice"), 0);
    assert_eq!(service.number("SELECT SUM(failures) FROM authenticators"), 0);
}

#[test]
fn the_wait_never_grows_however_long_somebody_guesses() {
    let service = Service::new();
    let client = service.world.query("SELECT id, version FROM clients LIMIT 1", &[]).remove(0).0;
    let charge = |now: i64| {
        let budgets = format!(r#"[["guess:idp|alice",{ONE_GUESS},{}]]"#, now + 9 * ONE_GUESS);
        let parameters = [
            budgets.into(),
            "attempt".into(),
            now.into(),
            client[0].1.clone(),
            client[1].1.clone(),
            Value::Null,
        ];
        !service.world.query(statements::CHARGE_GUESS, &parameters).is_empty()
    };
    // The reference is a vessel that leaks a second each second, and takes a guess where there is room for one.
    let (mut now, mut level, mut random) = (1_800_000_000_i64, 0_i64, 1_u32);
    let mut charged = 0;
    for _ in 0..5000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pause = i64::from(random >> 16) % 240;
        now += pause;
        level = (level - pause).max(0);
        let room = level + ONE_GUESS <= 10 * ONE_GUESS;
        assert_eq!(charge(now), room, "after {charged} guesses");
        if room {
            level += ONE_GUESS;
            charged += 1;
        }
    }
    assert!(charged > 1000);
    // After a week of that the owner waits six minutes at most, and gets in to the second.
    let wait = (level - 9 * ONE_GUESS).max(0);
    assert!(wait <= ONE_GUESS);
    assert!(wait == 0 || !charge(now + wait - 1));
    assert!(charge(now + wait));
}

#[test]
fn a_success_gives_its_own_guess_back_and_no_other() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    for _ in 0..3 {
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.charged_seconds(GUESSES), 3 * ONE_GUESS);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
}

#[test]
fn all_factors_share_one_bucket_and_recovery_has_its_own() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let recovery_code = app.recovery_code.clone().unwrap();
    let proof = alice.proves_mfa(&app);
    let phone = alice.adds_phone(&proof, NUMBER);
    for _ in 0..5 {
        alice.enters_code(&alice.logs_in(), &phone.mistyped()).is_refused(403, INVALID_BINDING_CODE);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(429, TOO_MANY);
    for _ in 0..9 {
        alice.recovers(&alice.logs_in(), &"0".repeat(24)).is_refused(403, INVALID_RECOVERY_CODE);
    }
    alice.recovers(&alice.logs_in(), &recovery_code).granted();
    assert_eq!(service.charged_seconds(RECOVERY_GUESSES), 9 * ONE_GUESS);
    alice.recovers(&alice.logs_in(), &recovery_code).is_refused(403, INVALID_RECOVERY_CODE);
    alice.recovers(&alice.logs_in(), &recovery_code).is_refused(429, TOO_MANY);
    // Nobody else pays for it.
    service.person("bob").has_app();
}

#[test]
fn fifty_guesses_at_once_over_two_isolates_are_ten() {
    let service = Service::new();
    let second = service.redeployed(&Service::variables());
    let alice = service.person("alice");
    let app = alice.has_app();
    let requests: Vec<_> =
        (0..50).map(|_| alice.otp_request(&alice.logs_in(), &app.wrong_code(&service))).collect();
    let statuses = side_by_side(&[&service, &second], &requests);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 40);
    assert_eq!(service.charged_seconds(GUESSES), 10 * ONE_GUESS);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 10);
}

#[test]
fn five_tries_of_one_sent_code_however_many_guesses_are_left() {
    let service = Service::new();
    let alice = service.person("alice");
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let login = alice.logs_in();
    service.world.advance(100);
    for _ in 0..5 {
        alice.enters_code(&login, &phone.mistyped()).is_refused(403, INVALID_BINDING_CODE);
    }
    let refused = alice.enters_code(&login, &phone);
    refused.is_refused(429, TOO_MANY);
    assert_eq!(refused.header("Retry-After"), Some("200"), "when the code would have ended");
    assert_eq!(refused.header("X-RateLimit-Limit"), None);
    assert_eq!(service.number("SELECT attempts FROM enrollments"), 5);
    assert_eq!(service.charged_seconds(GUESSES), 6 * ONE_GUESS);
    // A new code has its own five tries, out of the same bucket.
    let again = alice.adds_phone(&login, OTHER_NUMBER);
    alice.enters_code(&login, &again).granted();
    assert_eq!(service.charged_seconds(GUESSES), 6 * ONE_GUESS);
}

#[test]
fn six_tries_of_one_sent_code_at_once_are_five() {
    let service = Service::new();
    let alice = service.person("alice");
    let phone = alice.adds_phone(&alice.logs_in(), NUMBER);
    let wrong = phone.mistyped();
    let requests: Vec<_> =
        (0..6).map(|_| alice.oob_request(&alice.logs_in(), &wrong.oob_code, &wrong.code)).collect();
    let statuses = side_by_side(&[&service], &requests);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1);
}

#[test]
fn a_hundred_failures_in_a_row_disable_that_app_alone() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let recovery_code = app.recovery_code.clone().unwrap();
    for _ in 0..99 {
        service.world.advance(360);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    }
    assert_eq!(service.number("SELECT failures FROM authenticators"), 99);
    // The younger app has had none of these failures.
    let proof = alice.access_token_with(&serde_json::json!({ "amr": ["pwd", "mfa"] }));
    let second = alice.adds_app(&proof);
    alice.enters_otp(&proof, &second.code(&service)).granted();
    assert_eq!(
        service.number("SELECT sum(failures) FROM authenticators"),
        99,
        "confirming tries no active app"
    );
    service.world.advance(360);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);

    service.world.advance(3600);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(403, INVALID_OTP);
    // The other one's success does not bring it back.
    alice.enters_otp(&alice.logs_in(), &second.code(&service)).granted();
    service.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).is_refused(403, INVALID_OTP);
    alice.recovers(&alice.logs_in(), &recovery_code).granted();
    // What the operator's command does.
    service.world.query("UPDATE authenticators SET failures = 0", &[]);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
}

#[test]
fn whoever_has_nothing_but_a_disabled_app_is_not_told_to_enroll() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    service.world.query("UPDATE authenticators SET failures = 100", &[]);
    let challenge = |body| service.send(&alice.challenge_request(&alice.logs_in(), &body));
    challenge(serde_json::json!({}))
        .is_refused(401, "The user does not support any of the requested challenge types. Supported type: ");
    challenge(serde_json::json!({ "authenticator_id": app.id }))
        .is_refused(404, "The user has no such authenticator.");
}

#[test]
fn a_success_ends_the_row_of_failures() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    service.world.query("UPDATE authenticators SET failures = 98", &[]);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 99);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
}

#[test]
fn a_code_of_one_app_is_no_failure_of_another() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let second = alice.adds_app(&proof);
    // Neither confirming nor verifying counts against the other.
    alice.enters_otp(&alice.logs_in(), &second.code(&service)).granted();
    assert_eq!(service.number("SELECT sum(failures) FROM authenticators"), 0);
    service.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(service.number("SELECT sum(failures) FROM authenticators"), 0);
    alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(service.number("SELECT sum(failures) FROM authenticators"), 2);
    // Whoever has one of them is no guesser: a mistake counts against neither any more.
    service.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &second.code(&service)).granted();
    assert_eq!(service.number("SELECT sum(failures) FROM authenticators"), 0);
}

#[test]
fn a_spare_app_is_not_disabled_by_the_mistakes_of_years() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let spare = alice.adds_app(&proof);
    alice.enters_otp(&alice.logs_in(), &spare.code(&service)).granted();
    for _ in 0..101 {
        service.world.advance(360);
        alice.enters_otp(&alice.logs_in(), &app.wrong_code(&service)).is_refused(403, INVALID_OTP);
        alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    }
    service.world.advance(30);
    alice.enters_otp(&alice.logs_in(), &spare.code(&service)).granted();
}

#[test]
fn a_sent_code_neither_adds_a_failure_of_an_app_nor_takes_one_back() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    service.world.query("UPDATE authenticators SET failures = 5", &[]);
    let phone = alice.adds_phone(&proof, NUMBER);
    for fault in [BatchFault::BeforeCommit, BatchFault::AfterCommit] {
        service.world.fail_batch(fault);
        alice.enters_code(&alice.logs_in(), &phone).is_refused(503, UNAVAILABLE);
    }
    alice.enters_code(&alice.logs_in(), &phone.mistyped()).is_refused(403, INVALID_BINDING_CODE);
    alice.enters_code(&alice.logs_in(), &phone).granted();
    assert_eq!(service.number("SELECT failures FROM authenticators WHERE kind = 'totp'"), 5);
    assert_eq!(service.charged_seconds(GUESSES), ONE_GUESS);
}

#[test]
fn a_recovery_code_that_brings_the_login_no_further_is_neither_a_guess_nor_used_up() {
    let service = Service::new();
    let alice = service.person("alice");
    let code = alice.has_email("a@example.com").recovery_code.unwrap();
    let has_policy = |policy: Option<&str>| {
        service.world.query("UPDATE clients SET policy = ?1", &[policy.into()]);
        service.touches_client("app");
    };
    // Beside mail alone it stands for no factor.
    has_policy(Some(r#"{"require":"always"}"#));
    let demand = alice.recovers(&alice.logs_in(), &code);
    demand.is_refused(403, MFA_REQUIRED);
    assert_eq!(demand.json().get("recovery_code"), None);
    assert_eq!(service.charged_seconds(RECOVERY_GUESSES), 0);
    alice.recovers(&alice.logs_in(), &"0".repeat(24)).is_refused(403, INVALID_RECOVERY_CODE);
    assert_eq!(service.charged_seconds(RECOVERY_GUESSES), ONE_GUESS);
    has_policy(None);
    alice.recovers(&alice.logs_in(), &code).granted();
}

#[test]
fn a_code_of_a_channel_that_was_switched_off_since_it_was_sent_is_no_guess() {
    let service = Service::new();
    let without_sms = service.redeployed(&Service::variables().with("FACTORS", r#"{"otp":{}}"#));
    let alice = service.person("alice");
    let login = alice.logs_in();
    let phone = alice.adds_phone(&login, NUMBER);
    let is_no_guess = |login: &str, sent: &Message, tries: &str| {
        for entered in [sent, &sent.mistyped()] {
            let answer = alice.served_by(&without_sms).enters_code(login, entered);
            answer.is_refused(400, "The sms factor is not enabled.");
            assert_eq!(service.charged_seconds(GUESSES), 0);
            assert_eq!(service.number(tries), 0);
        }
        // What was sent is good for as long as it would have been.
        alice.enters_code(login, sent).granted();
    };
    is_no_guess(&login, &phone, "SELECT attempts FROM enrollments");
    let login = alice.logs_in();
    let sent = alice.is_challenged(&login, &phone.id);
    is_no_guess(&login, &sent, "SELECT attempts + failures FROM challenges CROSS JOIN authenticators");
}

#[test]
fn a_guess_at_a_user_without_any_factor_costs_as_well() {
    let service = Service::new();
    let alice = service.person("alice");
    for _ in 0..10 {
        alice.enters_otp(&alice.logs_in(), "000000").is_refused(403, INVALID_OTP);
        alice.recovers(&alice.logs_in(), &"A".repeat(24)).is_refused(403, INVALID_RECOVERY_CODE);
    }
    alice.enters_otp(&alice.logs_in(), "000000").is_refused(429, TOO_MANY);
    alice.recovers(&alice.logs_in(), &"A".repeat(24)).is_refused(429, TOO_MANY);
}

pub(super) fn side_by_side(isolates: &[&Service], requests: &[Request]) -> Vec<u16> {
    let running = requests.iter().zip(isolates.iter().cycle()).map(|(request, service)| {
        let future: Pin<Box<dyn Future<Output = u16>>> =
            Box::pin(async move { routes::handle(&service.app, request).await.status });
        future
    });
    join_all(running.collect())
}
