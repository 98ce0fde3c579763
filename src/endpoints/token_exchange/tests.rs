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
