//! What somebody who has a person's password, and nothing else, must not get.

use serde_json::json;

use super::{GUESSES, INVALID_OTP, INVALID_RECOVERY_CODE, MFA_REQUIRED};
use crate::platform::Platform as _;
use crate::testing::person::{API, Answer, MFA_API, NUMBER, OTHER_NUMBER, Service, claims, methods};

#[test]
fn what_a_thief_has_parked_dies_with_the_first_confirmation_and_its_recovery_codes_with_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let thief = || alice.logs_in();
    let parked_app = alice.adds_app(&thief());
    let parked_phone = alice.adds_phone(&thief(), OTHER_NUMBER);
    let parked_mail = alice.adds_email(&thief(), "thief@example.org");
    let parked_by_token = alice.adds_app(&alice.access_token("enroll"));

    let app = alice.has_app();
    assert_eq!(service.world.count("enrollments"), 0);
    for parked in [&parked_app, &parked_by_token] {
        alice.enters_otp(&thief(), &parked.code(&service)).is_refused(403, INVALID_OTP);
        let answer = alice.enters_otp(&alice.access_token("enroll"), &parked.code(&service));
        answer.is_refused(403, INVALID_OTP);
    }
    for parked in [&parked_phone, &parked_mail] {
        alice.enters_code(&thief(), parked).is_refused(401, "oob_code is expired");
        alice.enters_code(&alice.access_token("enroll"), parked).is_refused(401, "oob_code is expired");
    }
    let codes = [&parked_app.recovery_code, &parked_phone.recovery_code, &parked_mail.recovery_code];
    for code in codes.into_iter().chain([&parked_by_token.recovery_code]) {
        alice.recovers(&thief(), code.as_deref().unwrap()).is_refused(403, INVALID_RECOVERY_CODE);
    }
    assert_eq!(service.world.count("authenticators"), 1);
    alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn what_was_parked_with_a_stolen_number_dies_when_its_owner_confirms_it_anew() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_phone(NUMBER);
    let proves = || alice.access_token_with(&json!({ "scope": "enroll", "amr": ["pwd", "mfa"] }));
    // Whoever has the number for a while begins an app; the owner has it back, and enrolls it again.
    let parked = alice.adds_app(&proves());
    let other = alice.adds_phone(&proves(), OTHER_NUMBER);
    alice.enters_code(&proves(), &other).granted();
    assert_eq!(service.world.count("enrollments"), 1, "another number voids nothing");
    let phone = alice.adds_phone(&proves(), NUMBER);
    alice.enters_code(&proves(), &phone).granted();
    assert_eq!(service.world.count("enrollments"), 0);
    alice.enters_otp(&alice.logs_in(), &parked.code(&service)).is_refused(403, INVALID_OTP);
}

#[test]
fn one_factor_and_the_recovery_code_are_not_two_in_either_order() {
    let service = Service::new();
    let app = service.person("alice").has_app();
    let service = service.redeployed(&Service::variables().with("POLICY", r#"{"factors":2}"#));
    let alice = service.person("alice");
    let goes_on = |answer: Answer| {
        assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("mfa_required")));
        let text = |name| answer.json()[name].as_str().unwrap_or_default().to_owned();
        (text("mfa_token"), text("recovery_code"))
    };
    let (login, next) = goes_on(alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()));
    service.world.advance(30);
    goes_on(alice.enters_otp(&login, &app.code(&service)));
    service.world.advance(30);
    let (login, _) = goes_on(alice.enters_otp(&alice.logs_in(), &app.code(&service)));
    goes_on(alice.recovers(&login, &next));
}

#[test]
fn a_phone_that_is_confirmed_first_voids_the_rest_as_well() {
    let service = Service::new();
    let alice = service.person("alice");
    let parked = alice.adds_app(&alice.logs_in());
    let phone = alice.has_phone(NUMBER);
    alice.enters_otp(&alice.logs_in(), &parked.code(&service)).is_refused(403, INVALID_OTP);
    alice.recovers(&alice.logs_in(), phone.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn only_the_confirmed_enrollments_recovery_code_ever_works() {
    let service = Service::new();
    let alice = service.person("alice");
    let abandoned = alice.adds_app(&alice.logs_in()).recovery_code.unwrap();
    alice.recovers(&alice.logs_in(), &abandoned).is_refused(403, INVALID_RECOVERY_CODE);
    let app = alice.has_app();
    alice.recovers(&alice.logs_in(), &abandoned).is_refused(403, INVALID_RECOVERY_CODE);
    // Nor does another user's.
    let bob = service.person("bob");
    bob.recovers(&bob.logs_in(), app.recovery_code.as_deref().unwrap())
        .is_refused(403, INVALID_RECOVERY_CODE);
    let stranger = service.stranger("alice");
    let answer = stranger.recovers(&stranger.logs_in(), app.recovery_code.as_deref().unwrap());
    answer.is_refused(403, INVALID_RECOVERY_CODE);
}

#[test]
fn what_was_enrolled_with_proof_survives_and_any_bearer_that_may_verify_confirms_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let second = alice.adds_app(&proof);
    let phone = alice.adds_phone(&proof, NUMBER);
    alice.enters_code(&proof, &phone).granted();
    assert_eq!(service.world.count("enrollments"), 1, "the app waits on");
    service.world.advance(700);
    alice.enters_otp(&alice.logs_in(), &second.code(&service)).granted();
    assert_eq!(service.world.count("authenticators"), 3);
    // The recovery code in force stayed the first one's.
    alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn mail_gives_no_mfa_makes_nobody_enrolled_and_voids_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    let login = alice.logs_in_to_enroll();
    let mail = alice.adds_email(&login, "a@example.com");
    let answer = alice.enters_code(&login, &mail).granted();
    assert_eq!(methods(&answer), ["pwd", "email"]);
    assert_eq!(service.world.count("enrollments"), 1);

    // Its token may enroll, as any may while nothing independent is active, and is no proof afterwards.
    let token = answer["access_token"].as_str().unwrap();
    alice.adds_phone(token, NUMBER);
    let login = alice.logs_in();
    let answer = alice.enters_otp(&login, &app.code(&service)).granted();
    assert_eq!(methods(&answer), ["pwd", "otp", "mfa"]);
    let answer = alice.associates(token, &json!({ "authenticator_types": ["otp"] }));
    answer.is_refused(403, "User is already enrolled.");
    assert_eq!(service.world.count("enrollments"), 0);
}

#[test]
fn the_recovery_code_of_mail_alone_proves_nothing_and_gives_way_to_that_of_the_first_real_factor() {
    let service = Service::new();
    let alice = service.person("alice");
    let mail = alice.has_email("thief@example.org");
    let answer = alice.recovers(&alice.logs_in_to_enroll(), mail.recovery_code.as_deref().unwrap()).granted();
    assert_eq!(methods(&answer), ["pwd", "recovery"]);
    let thiefs_code = answer["recovery_code"].as_str().unwrap();
    let thiefs_token = answer["access_token"].as_str().unwrap();

    // In the same second: a token without `mfa` stays no proof, whatever its age.
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    alice.enters_otp(&login, &app.code(&service)).granted();
    let answer = alice.associates(thiefs_token, &json!({ "authenticator_types": ["otp"] }));
    answer.is_refused(403, "User is already enrolled.");
    alice.recovers(&alice.logs_in(), thiefs_code).is_refused(403, INVALID_RECOVERY_CODE);
    let answer = alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
    assert_eq!(methods(&answer), ["pwd", "recovery", "mfa"]);
}

#[test]
fn mail_confirmed_beside_a_real_factor_leaves_its_recovery_code_in_force() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let mail = alice.adds_email(&proof, "a@example.com");
    assert_eq!(mail.recovery_code, None);
    // The mail is confirmed, and the login has to go on: mail is no second factor.
    let demand = alice.enters_code(&alice.logs_in(), &mail);
    demand.is_refused(403, MFA_REQUIRED);
    let demand = demand.json();
    let login = demand["mfa_token"].as_str().unwrap();
    service.world.advance(30);
    let answer = alice.enters_otp(login, &app.code(&service)).granted();
    assert_eq!(methods(&answer), ["pwd", "email", "otp", "mfa"]);
    alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn mail_that_a_thief_has_confirmed_first_never_completes_the_login_of_who_has_a_real_factor() {
    let service = Service::new();
    let alice = service.person("alice");
    let mail = alice.has_email("thief@example.org");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    alice.enters_otp(&login, &app.code(&service)).granted();

    let thiefs_login = alice.logs_in();
    let challenge = alice.is_challenged(&thiefs_login, &mail.id);
    let demand = alice.enters_code(&thiefs_login, &challenge);
    demand.is_refused(403, MFA_REQUIRED);
    let demand = demand.json();
    let listed = &demand["mfa_requirements"]["challenge"];
    assert!(listed.as_array().unwrap().contains(&json!({ "type": "otp" })), "{listed}");
    alice.enters_code(&thiefs_login, &challenge).is_refused(403, "mfa_token has already been used");
}

#[test]
fn mail_never_satisfies_a_demand_that_was_made_and_nobody_is_sent_in_a_circle() {
    let service = Service::new();
    let alice = service.person("alice");
    let mail = alice.has_email("a@example.com");
    let login = crate::trust::own_tokens::OwnMfaToken {
        transaction: crate::types::TransactionId::own("1"),
        user: crate::types::UserId::new("idp", "alice"),
        client: crate::types::ClientId("app".to_owned()),
        audience: Some(API.to_owned()),
        scopes: None,
        first_factors: vec!["pwd".to_owned()],
        used_factors: Vec::new(),
        bound_to: None,
        identity: crate::trust::bearer::Identity::default(),
        issued_at: service.app.platform.now(),
        expires_at: service.app.platform.now().plus(600),
    };
    let login =
        crate::trust::own_tokens::seal_mfa_token(&service.app.config.keyring, &login, [7; 12]).unwrap();
    let challenge = alice.is_challenged(&login, &mail.id);
    let demand = alice.enters_code(&login, &challenge);
    demand.is_refused(403, MFA_REQUIRED);
    assert!(demand.json()["mfa_requirements"]["enroll"].is_array(), "{}", demand.text);
}

#[test]
fn a_recovery_code_that_was_parked_beside_mail_is_dead_even_if_the_first_factor_brings_none() {
    let service = Service::new();
    let alice = service.person("alice");
    let mail = alice.has_email("thief@example.org");
    // As if the operator had switched recovery codes off in between.
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    service.world.query("UPDATE enrollments SET recovery_id = NULL, recovery_hash = NULL", &[]);
    alice.enters_otp(&login, &app.code(&service)).granted();
    assert_eq!(service.world.count("recovery_codes"), 0);
    alice
        .recovers(&alice.logs_in(), mail.recovery_code.as_deref().unwrap())
        .is_refused(403, INVALID_RECOVERY_CODE);
}

#[test]
fn an_mfa_token_that_says_mfa_of_its_first_factor_is_no_proof() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in_with(&json!({ "amr": ["pwd", "mfa"] }));
    let mail = alice.adds_email(&login, "a@example.com");
    assert_eq!(methods(&alice.enters_code(&login, &mail).granted()), ["pwd", "email"]);
}

#[test]
fn an_issuers_login_reaches_nothing_of_the_same_subject_of_another() {
    let service = Service::new();
    let (alice, stranger) = (service.person("alice"), service.stranger("alice"));
    let pending = alice.adds_app(&alice.logs_in());
    stranger.enters_otp(&stranger.logs_in(), &pending.code(&service)).is_refused(403, INVALID_OTP);
    let app = alice.has_app();
    stranger.enters_otp(&stranger.logs_in(), &app.code(&service)).is_refused(403, INVALID_OTP);
    assert_eq!(service.charged_seconds(GUESSES), 0);
    assert_eq!(service.number("SELECT max(failures) FROM authenticators"), 0);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
}

#[test]
fn an_access_token_never_verifies_an_active_factor_nor_uses_the_recovery_code() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let proof = alice.proves_mfa(&app);
    let last_step = service.number("SELECT last_step FROM authenticators");
    let passwords_token = alice.access_token("enroll");
    for token in [&proof, &passwords_token] {
        alice.enters_otp(token, &app.code(&service)).is_refused(403, INVALID_OTP);
        let answer = alice.recovers(token, app.recovery_code.as_deref().unwrap());
        answer.is_refused(403, "Malformed mfa_token");
    }
    assert_eq!(service.number("SELECT last_step FROM authenticators"), last_step);
    assert_eq!(service.number("SELECT failures FROM authenticators"), 0);
    assert_eq!(service.world.count("recovery_codes"), 1);
    alice.recovers(&alice.logs_in(), app.recovery_code.as_deref().unwrap()).granted();
}

#[test]
fn an_access_token_without_the_scope_confirms_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.adds_app(&alice.logs_in());
    let answer = alice.enters_otp(&alice.access_token("read:authenticators"), &app.code(&service));
    answer.is_refused(403, "Insufficient scope, expected any of: enroll");
    assert_eq!(service.world.count("authenticators"), 0);
    assert_eq!(service.charged_seconds(GUESSES), 0);
}

#[test]
fn confirming_over_and_over_never_prolongs_an_access_token() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let mut token = alice.proves_mfa(&app);
    let end = claims(&json!(token))["exp"].clone();
    for _ in 0..3 {
        let next = alice.adds_app(&token);
        service.world.advance(100);
        let answer = alice.enters_otp(&token, &next.code(&service)).granted();
        assert_eq!(claims(&answer["access_token"])["exp"], end);
        token = answer["access_token"].as_str().unwrap().to_owned();
    }
    service.world.set_time(crate::types::UnixSeconds(end.as_i64().unwrap()));
    let answer = alice.associates(&token, &json!({ "authenticator_types": ["otp"] }));
    answer.is_refused(401, "The mfa_token provided is invalid. Try getting a new token.");
}

#[test]
fn tokens_for_another_api_enroll_nothing() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let answer = alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    assert_eq!(claims(&answer["access_token"])["aud"], API);
    for name in ["access_token", "id_token"] {
        let token = answer[name].as_str().unwrap();
        let refused = alice.associates(token, &json!({ "authenticator_types": ["otp"] }));
        refused.is_refused(401, "The mfa_token provided is invalid. Try getting a new token.");
        alice.enters_otp(token, &app.code(&service)).is_refused(403, "Malformed mfa_token");
    }
    assert!(MFA_API.ends_with("/mfa/"));
}
