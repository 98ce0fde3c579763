//! Bound tokens through the front door.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::algorithm::Algorithm;
use crate::http::request::{Body, Method};
use crate::mfa::one_time_password::STEP_SECONDS;
use crate::testing::TestKey;
use crate::testing::person::{Answer, MFA_API, Person, Service, claims};

const NONCE_WANTED: &str = "Authorization server requires nonce in DPoP proof.";
const INVALID_PROOF: &str = "The DPoP proof is invalid.";
const INVALID_BEARER: &str = "The mfa_token provided is invalid. Try getting a new token.";
const ALL_SCOPES: &str = "enroll read:authenticators remove:authenticators";

fn key(index: usize) -> TestKey {
    TestKey::new(Algorithm::ES256, index, "phone")
}

fn nonce(service: &Service) -> String {
    dpop::nonce(&service.app.config.keyring, service.app.platform.now())
}

/// The request with a proof by `key` for it, and for the token under the scheme DPoP if there is one.
fn proved(service: &Service, request: Request, key: &TestKey) -> Request {
    let nonce = nonce(service);
    with_proof(request, key, Some(&nonce))
}

fn with_proof(mut request: Request, key: &TestKey, nonce: Option<&str>) -> Request {
    let token = request.headers.authorization.as_deref().and_then(|header| header.strip_prefix("DPoP "));
    let hash = token.map(|token| Base64UrlUnpadded::encode_string(&Sha256::digest(token.as_bytes())));
    let url = format!("https://mfa.example.com{}", request.path);
    let changes = json!({ "htm": request.method.as_str(), "ath": hash });
    request.headers.dpop = Some(key.proof(&url, nonce, &changes));
    request
}

/// `GET /mfa/authenticators` with the token under a scheme.
fn list(service: &Service, scheme: &str, token: &str) -> Request {
    let mut request = service.post("/mfa/authenticators", None, &json!({}));
    request.method = Method::Get;
    request.body = Body::Bytes(Vec::new());
    request.headers.authorization = Some(format!("{scheme} {token}"));
    request
}

fn confirmation(key: &TestKey) -> Value {
    json!({ "jkt": key.thumbprint().as_str() })
}

fn access_token(answer: &Answer) -> String {
    answer.granted()["access_token"].as_str().unwrap().to_owned()
}

/// A new person's own access token for the MFA API, bound to the key, with proof of MFA.
fn bound_token(service: &Service, alice: &Person<'_>, key: &TestKey) -> String {
    let login = alice.logs_in_with(&json!({ "audience": MFA_API, "scope": ALL_SCOPES }));
    let app = alice.adds_app(&login);
    let request = alice.otp_request(&login, &app.code(service));
    let token = access_token(&service.send(&proved(service, request, key)));
    service.world.advance(STEP_SECONDS);
    token
}

fn exchange_request(alice: &Person<'_>, claims: &Value) -> Request {
    alice.exchange_request(claims, &json!({}))
}

#[track_caller]
fn challenges(answer: &Answer, error: &str) {
    let expected = format!(r#"DPoP error="{error}", algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256""#);
    assert_eq!(answer.header("WWW-Authenticate"), Some(expected.as_str()));
    assert_eq!(answer.json()["error"], error);
}

#[test]
fn without_a_proof_nothing_is_bound_and_nothing_is_said_of_it() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let answer = alice.enters_otp(&login, &app.code(&service));
    assert_eq!(answer.header("DPoP-Nonce"), None);
    assert_eq!(answer.granted()["token_type"], "Bearer");
    assert!(claims(&answer.granted()["access_token"]).get("cnf").is_none());
}

#[test]
fn a_proof_binds_what_an_mfa_grant_gives() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let request = alice.otp_request(&login, &app.code(&service));
    let answer = service.send(&proved(&service, request, &key(0)));
    let tokens = answer.granted();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
    assert!(claims(&tokens["id_token"]).get("cnf").is_none());
    assert_eq!(answer.header("DPoP-Nonce"), Some(nonce(&service).as_str()));
}

#[test]
fn a_nonce_is_asked_for_and_nothing_is_used_up_until_it_is_there() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let batches = service.world.batches().len();
    for stale in [None, Some("1.h1.AAAA"), Some("")] {
        let request = with_proof(alice.otp_request(&login, &app.code(&service)), &key(0), stale);
        let answer = service.send(&request);
        answer.is_refused(400, NONCE_WANTED);
        assert_eq!(answer.json()["error"], "use_dpop_nonce");
        assert_eq!(answer.header("DPoP-Nonce"), Some(nonce(&service).as_str()));
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    assert_eq!(service.world.batches().len(), batches, "no round trip");
    let nonce = nonce(&service);
    let request = alice.otp_request(&login, &app.code(&service));
    service.send(&with_proof(request, &key(0), Some(&nonce))).granted();
}

#[test]
fn what_is_wrong_with_a_proof_stands_in_the_log_alone() {
    let service = Service::new();
    let alice = service.person("alice");
    let mut request = proved(&service, alice.otp_request(&alice.logs_in(), "000000"), &key(0));
    let good = request.headers.dpop.clone().unwrap();
    for (proof, reason) in [
        (String::new(), "not_a_jwt"),
        (format!("{good}, {good}"), "not_a_jwt"),
        (
            key(0).proof("https://evil.example.com/oauth/token", Some(&nonce(&service)), &json!({})),
            "other_url",
        ),
        (key(0).sign(&json!({ "typ": "JWT" }), &json!({})), "other_kind_of_token"),
    ] {
        request.headers.dpop = Some(proof);
        let answer = service.send(&request);
        answer.is_refused(400, INVALID_PROOF);
        assert_eq!(answer.json()["error"], "invalid_dpop_proof");
        assert_eq!(answer.header("WWW-Authenticate"), None);
        assert!(answer.header("DPoP-Nonce").is_some(), "the next one can be good at once");
        assert_eq!(service.world.events("proof_refused").pop().unwrap()["reason"], reason);
    }
    assert!(service.world.batches().is_empty(), "nobody has looked for the client");
}

#[test]
fn a_proof_that_is_refused_does_not_use_up_an_assertion() {
    let service = Service::new();
    let request = service.post(
        "/oauth/token",
        None,
        &json!({
            "grant_type": "http://auth0.com/oauth/grant-type/mfa-otp", "client_id": "app", "client_assertion": "a.b.c",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }),
    );
    service.send(&with_proof(request, &key(0), None)).is_refused(400, NONCE_WANTED);
    let exchange = exchange_request(&service.person("alice"), &json!({}));
    service.send(&with_proof(exchange, &key(0), None)).is_refused(400, NONCE_WANTED);
    assert!(service.world.batches().is_empty());
}

#[test]
fn a_trusted_issuers_bound_mfa_token_needs_the_keys_proof() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in_with(&json!({ "cnf": confirmation(&key(0)) }));
    // SDKs send it as a bearer, whatever they have proved before.
    let app = alice.adds_app(&login);
    service.send(&list(&service, "Bearer", &login)).granted();
    let code = app.code(&service);
    alice.enters_otp(&login, &code).is_refused(400, INVALID_PROOF);
    let by_another = proved(&service, alice.otp_request(&login, &code), &key(1));
    let answer = service.send(&by_another);
    answer.is_refused(400, INVALID_PROOF);
    assert_eq!(service.world.events("proof_refused").pop().unwrap()["reason"], "other_key");
    assert_eq!(service.charged_seconds("guess:idp|alice"), 0);
    let tokens = service.send(&proved(&service, alice.otp_request(&login, &code), &key(0))).granted();
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
}

#[test]
fn a_login_that_goes_on_goes_on_with_its_key() {
    let variables = Service::variables().with("POLICY", r#"{"factors":2}"#);
    let service = Service::configured(&variables);
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    let answer = service.send(&proved(&service, alice.otp_request(&login, &app.code(&service)), &key(0)));
    assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("mfa_required")));
    assert!(answer.header("DPoP-Nonce").is_some());
    let chained = answer.json()["mfa_token"].as_str().unwrap().to_owned();
    let phone = alice.adds_phone(&chained, "+4915123456789");
    alice.enters_code(&chained, &phone).is_refused(400, INVALID_PROOF);
    let request = alice.oob_request(&chained, &phone.oob_code, &phone.code);
    let tokens = service.send(&proved(&service, request, &key(0))).granted();
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
}

#[test]
fn token_exchange_binds_what_it_gives_and_what_it_demands() {
    let service = Service::new();
    let alice = service.person("alice");
    let unbound = service.send(&exchange_request(&alice, &json!({}))).granted();
    assert_eq!(unbound["token_type"], "Bearer");
    let tokens = service.send(&proved(&service, exchange_request(&alice, &json!({})), &key(0))).granted();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));

    let app = alice.has_app();
    let demand = service.send(&proved(&service, exchange_request(&alice, &json!({})), &key(0)));
    assert_eq!(demand.json()["error"], "mfa_required");
    let login = demand.json()["mfa_token"].as_str().unwrap().to_owned();
    assert!(login.len() < 1024);
    let code = app.code(&service);
    alice.enters_otp(&login, &code).is_refused(400, INVALID_PROOF);
    service.send(&proved(&service, alice.otp_request(&login, &code), &key(1))).is_refused(400, INVALID_PROOF);
    let tokens = service.send(&proved(&service, alice.otp_request(&login, &code), &key(0))).granted();
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
}

#[test]
fn a_bound_subject_token_is_exchanged_by_its_holder_only() {
    let service = Service::new();
    let alice = service.person("alice");
    let request = || exchange_request(&alice, &json!({ "cnf": confirmation(&key(0)) }));
    service.send(&request()).is_refused(400, "The subject_token is invalid.");
    assert_eq!(service.world.events("bearer_refused").pop().unwrap()["reason"], "other_binding");
    service.send(&proved(&service, request(), &key(1))).is_refused(400, "The subject_token is invalid.");
    let tokens = service.send(&proved(&service, request(), &key(0))).granted();
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
}

#[test]
fn a_bound_access_token_opens_the_mfa_api_with_its_keys_proof() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = bound_token(&service, &alice, &key(0));
    let answer = service.send(&proved(&service, list(&service, "DPoP", &token), &key(0)));
    assert_eq!(answer.granted().as_array().unwrap().len(), 2);
    assert_eq!(answer.header("DPoP-Nonce"), Some(nonce(&service).as_str()));

    let mut associate = alice.associate_request(&token, &json!({ "authenticator_types": ["otp"] }));
    associate.headers.authorization = Some(format!("DPoP {token}"));
    let answer = service.send(&proved(&service, associate, &key(0))).granted();
    let id = answer["id"].as_str().unwrap().replace('|', "%7C");
    let mut removal = list(&service, "DPoP", &token);
    removal.method = Method::Delete;
    removal.path = format!("/mfa/authenticators/{id}");
    let answer = service.send(&proved(&service, removal, &key(0)));
    assert_eq!(answer.status, 204);
    assert!(answer.header("DPoP-Nonce").is_some());
}

#[test]
fn a_trusted_issuers_bound_access_token_is_held_to_its_key_as_well() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = alice.access_token_with(&json!({ "scope": ALL_SCOPES, "cnf": confirmation(&key(0)) }));
    service.send(&list(&service, "Bearer", &token)).is_refused(401, INVALID_BEARER);
    service.send(&proved(&service, list(&service, "DPoP", &token), &key(1))).is_refused(401, INVALID_PROOF);
    service.send(&proved(&service, list(&service, "DPoP", &token), &key(0))).granted();
}

#[test]
fn a_token_under_the_other_scheme_is_invalid() {
    let service = Service::new();
    let alice = service.person("alice");
    let bound = bound_token(&service, &alice, &key(0));
    let unbound = alice.access_token("read:authenticators");
    let login = alice.logs_in();
    let bound_login = alice.logs_in_with(&json!({ "cnf": confirmation(&key(0)) }));
    for (scheme, token) in [("Bearer", &bound), ("DPoP", &unbound), ("DPoP", &login), ("DPoP", &bound_login)]
    {
        for request in
            [list(&service, scheme, token), proved(&service, list(&service, scheme, token), &key(0))]
        {
            let answer = service.send(&request);
            answer.is_refused(401, INVALID_BEARER);
            assert_eq!(answer.json()["error"], "invalid_grant");
            assert_eq!(answer.header("WWW-Authenticate"), None);
            assert_eq!(service.world.events("bearer_refused").pop().unwrap()["reason"], "other_binding");
        }
    }
    for token in [&login, &bound_login] {
        service.send(&list(&service, "Bearer", token)).granted();
    }
}

#[test]
fn at_the_mfa_api_the_faults_of_proofs_are_challenges() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = bound_token(&service, &alice, &key(0));
    let request = || list(&service, "DPoP", &token);

    let answer = service.send(&with_proof(request(), &key(0), None));
    answer.is_refused(401, NONCE_WANTED);
    challenges(&answer, "use_dpop_nonce");
    assert_eq!(answer.header("DPoP-Nonce"), Some(nonce(&service).as_str()));

    let mut for_another_token = proved(&service, request(), &key(0));
    let other = proved(&service, list(&service, "DPoP", "another"), &key(0));
    for_another_token.headers.dpop = other.headers.dpop;
    let mut for_another_method = proved(&service, request(), &key(0));
    let mut post = request();
    post.method = Method::Post;
    for_another_method.headers.dpop = proved(&service, post, &key(0)).headers.dpop;
    for (request, reason) in [
        (request(), "missing"),
        (proved(&service, request(), &key(1)), "other_key"),
        (for_another_token, "other_access_token"),
        (for_another_method, "other_method"),
    ] {
        let answer = service.send(&request);
        answer.is_refused(401, INVALID_PROOF);
        challenges(&answer, "invalid_dpop_proof");
        assert_eq!(service.world.events("proof_refused").pop().unwrap()["reason"], reason);
    }
}

#[test]
fn a_tokens_own_fault_is_told_before_its_proofs() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = bound_token(&service, &alice, &key(0));
    service.world.advance(601);
    service.send(&list(&service, "DPoP", &token)).is_refused(401, INVALID_BEARER);
    service.send(&list(&service, "DPoP", "garbage")).is_refused(401, INVALID_BEARER);
}

#[test]
fn a_bound_access_token_confirms_with_its_keys_proof_only() {
    let service = Service::new();
    let alice = service.person("alice");
    let token = alice.access_token_with(&json!({ "cnf": confirmation(&key(0)) }));
    let mut associate = alice.associate_request(&token, &json!({ "authenticator_types": ["otp"] }));
    associate.headers.authorization = Some(format!("DPoP {token}"));
    let secret = service.send(&proved(&service, associate, &key(0))).granted()["secret"].clone();
    let secret = <base32ct::Base32UpperUnpadded as base32ct::Encoding>::decode_vec(secret.as_str().unwrap());
    let secret = crate::mfa::one_time_password::TotpSecret::from_slice(&secret.unwrap()).unwrap();
    let step = service.app.platform.now().0.div_euclid(STEP_SECONDS);
    let code = crate::mfa::one_time_password::code_at(&secret, step);
    alice.enters_otp(&token, &code).is_refused(400, INVALID_PROOF);
    let request = alice.otp_request(&token, &code);
    let tokens = service.send(&proved(&service, request, &key(0))).granted();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims(&tokens["access_token"])["cnf"], confirmation(&key(0)));
}

#[test]
fn a_proof_costs_no_round_trip() {
    let service = Service::new();
    service.person("somebody").has_app();
    let cost = |subject: &str, prove: bool| {
        let person = service.person(subject);
        let login = person.logs_in();
        let app = person.adds_app(&login);
        let request = person.otp_request(&login, &app.code(&service));
        let request = if prove { proved(&service, request, &key(0)) } else { request };
        let world = &service.world;
        let spent = || [world.batches().len(), world.fetches().len(), world.cache_reads()];
        let before = spent();
        service.send(&request).granted();
        std::iter::zip(spent(), before).map(|(after, before)| after.abs_diff(before)).collect::<Vec<_>>()
    };
    assert_eq!(cost("alice", true), cost("bob", false));
}

#[test]
fn only_where_a_proof_means_something_is_a_nonce_given() {
    let service = Service::new();
    for (method, path, given) in [
        (Method::Post, "/oauth/token", true),
        (Method::Post, "/mfa/associate", true),
        (Method::Get, "/mfa/authenticators", true),
        (Method::Delete, "/mfa/authenticators/x", true),
        (Method::Post, "/mfa/challenge", false),
        (Method::Get, "/oauth/token", false),
        (Method::Options, "/oauth/token", false),
        (Method::Get, "/nowhere", false),
        (Method::Get, "/.well-known/jwks.json", false),
        (Method::Get, "/.well-known/openid-configuration", false),
    ] {
        let mut request = service.post(path, None, &json!({}));
        request.method = method;
        request.headers.dpop = Some("x".to_owned());
        assert_eq!(service.send(&request).header("DPoP-Nonce").is_some(), given, "{method:?} {path}");
        request.headers.dpop = None;
        assert_eq!(service.send(&request).header("DPoP-Nonce"), None, "{method:?} {path}");
    }
}
