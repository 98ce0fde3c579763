//! Published vectors on the way that a token takes: its form, the key set, the signature.
//!
//! Their payloads are no claims, so that reading the claims is where the form of a good one ends. That WebCrypto says the
//! same of the signatures is tested in workerd (`tests/attacks/vectors.test.mjs`).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::jwk;
use super::jwt::{JwtError, UntrustedJwt};
use super::key_sets::{KeySource, Signed, verify_signature};
use crate::algorithm::Algorithm;
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

/// What was found of a file's vectors.
struct Judged(Vec<(u64, bool, bool)>);

impl Judged {
    /// Judges each vector of a file with `judge`, which is given its group as well.
    fn of(file: &str, judge: impl Fn(&Value, &Value) -> bool) -> Self {
        let file: Value = serde_json::from_str(file).unwrap();
        let mut judged = Vec::new();
        for group in file["groups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let valid = test["result"] == "valid";
                judged.push((test["tcId"].as_u64().unwrap(), valid, judge(group, test)));
            }
        }
        Self(judged)
    }

    /// How many are good, or bad, by what was published.
    fn count(&self, good: bool) -> usize {
        self.0.iter().filter(|(_, valid, _)| *valid == good).count()
    }

    /// On which ones we are of another opinion.
    fn otherwise(&self) -> Vec<u64> {
        self.0.iter().filter(|(_, valid, found)| valid != found).map(|(id, ..)| *id).collect()
    }
}

fn judge_tokens(file: &str) -> Judged {
    Judged::of(file, |group, test| passes(&group["keys"], test["jws"].as_str().unwrap()))
}

fn judge_signatures(file: &str) -> Judged {
    let bytes = |hex: &Value| base16ct::lower::decode_vec(hex.as_str().unwrap()).unwrap();
    Judged::of(file, |group, test| {
        let algorithm = Algorithm::parse(group["alg"].as_str().unwrap()).unwrap();
        verifies(&json!([group["key"]]), None, algorithm, &bytes(&test["sig"]), &bytes(&test["msg"]))
    })
}

#[test]
fn signed_texts_are_told_apart() {
    let judged = judge_tokens(include_str!("../../tests/attacks/vectors/json_web_signature.json"));
    assert!(judged.count(true) > 25 && judged.count(false) > 300);
    // 346 and 350 are RFC 7520's PS384 by a key that its set says to be for PS256 alone: refused here.
    assert_eq!(judged.otherwise(), [346, 350]);
}

#[test]
fn keys_that_do_not_fit_verify_nothing() {
    let judged = judge_tokens(include_str!("../../tests/attacks/vectors/json_web_key.json"));
    assert!(judged.count(true) > 0 && judged.count(false) > 9);
    // 7 is a key whose primes are guessable (ROCA): an issuer's choice, which is not looked into.
    assert_eq!(judged.otherwise(), [7]);
}

#[test]
fn numbers_of_ecdsa_are_within_bounds_and_of_full_length() {
    let judged = judge_signatures(include_str!("../../tests/attacks/vectors/ecdsa_p256_sha256_p1363.json"));
    assert!(judged.count(true) > 150 && judged.count(false) > 80);
    assert_eq!(judged.otherwise(), [0; 0]);
}

#[test]
fn signatures_of_ed25519_are_not_malleable() {
    let judged = judge_signatures(include_str!("../../tests/attacks/vectors/ed25519.json"));
    assert!(judged.count(true) > 80 && judged.count(false) > 60);
    assert_eq!(judged.otherwise(), [0; 0]);
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
