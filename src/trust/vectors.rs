//! Published vectors on the way that a token takes: its form, the key set, the signature.
//!
//! Their payloads are no claims, so that reading the claims is where the form of a good one ends. That WebCrypto says the
//! same of the signatures is tested in workerd (`tests/attacks/vectors.test.mjs`).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::jwk;
use super::jwt::{JwtError, UntrustedJwt};
use super::key_sets::{KeySource, Signed, verify_signature};
use crate::testing::platform::{FakePlatform, START};
use crate::testing::{app, block_on};

/// A token with this key set and this text, as far as it can be judged without claims.
fn passes(keys: &Value, jws: &str) -> bool {
    if !matches!(UntrustedJwt::parse(jws), Ok(_) | Err(JwtError::MalformedClaims)) {
        return false;
    }
    let parts: Vec<&str> = jws.split('.').collect();
    let decoded = |part: &str| Base64UrlUnpadded::decode_vec(part).unwrap();
    let header: Value = serde_json::from_slice(&decoded(parts[0])).unwrap();
    let message = format!("{}.{}", parts[0], parts[1]);
    verifies(
        keys,
        header["kid"].as_str(),
        header["alg"].as_str().and_then(Algorithm::parse).unwrap(),
        &decoded(parts[2]),
        message.as_bytes(),
    )
}

fn verifies(
    keys: &Value,
    key_id: Option<&str>,
    algorithm: Algorithm,
    signature: &[u8],
    message: &[u8],
) -> bool {
    let set = json!({ "keys": keys }).to_string();
    if jwk::parse_set(set.as_bytes()).is_err() {
        return false;
    }
    let world = FakePlatform::new();
    let signed = Signed { key_id, algorithm, signature, message };
    block_on(verify_signature(&app(&world), START, &KeySource::Registered(set), &signed)).is_ok()
}

fn groups(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    file["groups"].as_array().unwrap().clone()
}

fn tests(group: &Value) -> impl Iterator<Item = (&Value, u64, bool)> {
    let tests = group["tests"].as_array().unwrap().iter();
    tests.map(|test| (test, test["tcId"].as_u64().unwrap(), test["result"] == "valid"))
}

fn bytes(hex: &Value) -> Vec<u8> {
    base16ct::lower::decode_vec(hex.as_str().unwrap()).unwrap()
}

/// Runs the vectors of a file of JWSs. Returns how many were good, how many bad, and on which it is of another opinion.
fn judge_tokens(file: &str) -> (usize, usize, Vec<u64>) {
    let (mut good, mut bad, mut otherwise) = (0, 0, Vec::new());
    for group in groups(file) {
        for (test, id, valid) in tests(&group) {
            *if valid { &mut good } else { &mut bad } += 1;
            if passes(&group["keys"], test["jws"].as_str().unwrap()) != valid {
                otherwise.push(id);
            }
        }
    }
    (good, bad, otherwise)
}

#[test]
fn signed_texts_are_told_apart() {
    let (good, bad, otherwise) =
        judge_tokens(include_str!("../../tests/attacks/vectors/json_web_signature.json"));
    assert!(good > 25 && bad > 300, "{good} good, {bad} bad");
    // 346 and 350 are RFC 7520's PS384 by a key that its set says to be for PS256 alone: refused here.
    assert_eq!(otherwise, [346, 350]);
}

#[test]
fn keys_that_do_not_fit_verify_nothing() {
    let (good, bad, otherwise) = judge_tokens(include_str!("../../tests/attacks/vectors/json_web_key.json"));
    assert!(good > 0 && bad > 9, "{good} good, {bad} bad");
    // 7 is a key whose primes are guessable (ROCA): an issuer's choice, which is not looked into.
    assert_eq!(otherwise, [7]);
}

/// Runs the vectors of a file of raw signatures.
fn judge_signatures(file: &str) -> (usize, usize, Vec<u64>) {
    let (mut good, mut bad, mut otherwise) = (0, 0, Vec::new());
    for group in groups(file) {
        let algorithm = Algorithm::parse(group["alg"].as_str().unwrap()).unwrap();
        for (test, id, valid) in tests(&group) {
            *if valid { &mut good } else { &mut bad } += 1;
            let (signature, message) = (bytes(&test["sig"]), bytes(&test["msg"]));
            if verifies(&json!([group["key"]]), None, algorithm, &signature, &message) != valid {
                otherwise.push(id);
            }
        }
    }
    (good, bad, otherwise)
}

#[test]
fn numbers_of_ecdsa_are_within_bounds_and_of_full_length() {
    let file = include_str!("../../tests/attacks/vectors/ecdsa_p256_sha256_p1363.json");
    let (good, bad, otherwise) = judge_signatures(file);
    assert!(good > 150 && bad > 80, "{good} good, {bad} bad");
    assert_eq!(otherwise, [0; 0]);
}

#[test]
fn signatures_of_ed25519_are_not_malleable() {
    let (good, bad, otherwise) = judge_signatures(include_str!("../../tests/attacks/vectors/ed25519.json"));
    assert!(good > 80 && bad > 60, "{good} good, {bad} bad");
    assert_eq!(otherwise, [0; 0]);
}
