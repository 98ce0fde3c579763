//! Published vectors on the way that a token takes: its form, the key set, the signature.
//!
//! Their payloads are no claims, so that reading the claims is where the form of a good one ends. That WebCrypto says the
//! same of the signatures is tested in workerd (`tests/attacks/vectors.test.mjs`).
#![expect(clippy::arithmetic_side_effects, reason = "tests may panic")]

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

/// The claims of RFC 7515's examples.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn the_examples_of_the_rfcs_are_what_they_say() {
    let rsa = json!([{ "kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
        "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
        "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
        "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    ) }]);
    let p256 = json!([{ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }]);
    let ed25519 =
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }]);
    // RFC 7515, appendices A.2, A.3, A.1 and A.5.
    let rs256 = format!(
        "eyJhbGciOiJSUzI1NiJ9.{JOE}.{}{}{}{}",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9",
        "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB",
        "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq",
        "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let es256 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{JOE}.{}",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let hs256 =
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let none = format!("eyJhbGciOiJub25lIn0.{JOE}.");
    // RFC 8037, appendix A.4.
    let eddsa = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    for (keys, jws) in [(&rsa, rs256.as_str()), (&p256, &es256), (&ed25519, eddsa)] {
        assert!(passes(keys, jws), "{jws}");
        for others in [&rsa, &p256, &ed25519].into_iter().filter(|others| *others != keys) {
            assert!(!passes(others, jws), "{jws}");
        }
    }
    for keys in [&rsa, &p256, &ed25519] {
        assert!(!passes(keys, &hs256) && !passes(keys, &none));
    }
}
