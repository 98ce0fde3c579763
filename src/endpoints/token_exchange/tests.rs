use serde_json::json;

use crate::testing::person::{API, MFA_API, Service, methods};

const MFA_REQUIRED: &str = "Multifactor authentication required";

#[test]
fn mfa_that_the_issuer_has_seen_lets_into_an_api_and_is_no_proof_for_the_mfa_api() {
    let service = Service::new();
    let alice = service.person("alice");
    let app = alice.has_app();
    let asks_for = |audience: &str| {
        alice.exchange_request(&json!({ "amr": ["pwd", "mfa"] }), &json!({ "audience": audience }))
    };
    let answer = service.send(&asks_for(API)).granted();
    assert_eq!(methods(&answer), ["pwd", "mfa"]);
    let demand = service.send(&asks_for(MFA_API));
    demand.is_refused(403, MFA_REQUIRED);
    assert_eq!(
        demand.json()["mfa_requirements"]["challenge"],
        json!([{ "type": "otp" }, { "type": "recovery-code" }])
    );
    // What is proved here is.
    let login = demand.json()["mfa_token"].as_str().unwrap().to_owned();
    alice.enters_otp(&login, &app.code(&service)).granted();
    // Who has nothing here gets in, and what they get proves nothing either.
    let bob = service.person("bob");
    let request = bob.exchange_request(&json!({ "amr": ["pwd", "mfa"] }), &json!({ "audience": MFA_API }));
    assert_eq!(methods(&service.send(&request).granted()), ["pwd"]);
}

#[test]
fn the_mfa_api_is_open_to_who_has_nothing_and_no_id_token_comes_of_it() {
    let service = Service::configured(&Service::variables().with("POLICY", r#"{"require":"always"}"#));
    let alice = service.person("alice");
    let asks = || {
        let parameters = json!({ "audience": MFA_API, "scope": "openid enroll" });
        service.send(&alice.exchange_request(&json!({}), &parameters))
    };
    let tokens = asks().granted();
    assert_eq!((&tokens["scope"], tokens.get("id_token")), (&json!("enroll"), None));
    // Nor by a code by mail, which is no second factor.
    let login = || alice.logs_in_with(&json!({ "audience": MFA_API, "scope": "openid enroll" }));
    let mail = alice.adds_email(&login(), "alice@example.com");
    let tokens = alice.enters_code(&login(), &mail).granted();
    assert_eq!((&tokens["scope"], tokens.get("id_token")), (&json!("enroll"), None));
    // With a second factor it does.
    let app = alice.has_app();
    let demand = asks().json();
    let tokens = alice.enters_otp(demand["mfa_token"].as_str().unwrap(), &app.code(&service)).granted();
    assert_eq!(tokens["scope"], "openid enroll");
    assert!(tokens["id_token"].is_string());
}

#[test]
fn a_public_client_exchanges_no_token_that_was_given_to_another() {
    let service = Service::new();
    let alice = service.person("alice");
    let exchanges = |client: &str, given_to: &str| {
        let request = alice.at_client(client).exchange_request(&json!({ "azp": given_to }), &json!({}));
        service.send(&request)
    };
    exchanges("app", "app").granted();
    for other in ["server", "nobody"] {
        exchanges("app", other).is_refused(400, "mfa_token not issued to this client");
    }
    // A back end may exchange what its front end was given.
    exchanges("server", "app").granted();
}
