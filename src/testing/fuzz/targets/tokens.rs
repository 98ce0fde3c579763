//! Tokens and keys.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::reference::{self, base64url};
use super::{bodies, client_key, lines, text, with_service};
use crate::algorithm::Algorithm;
use crate::json::{self, Json};
use crate::platform::Platform;
use crate::storage::clients;
use crate::storage::keyring::Keyring;
use crate::testing::platform::START;
use crate::testing::{Variables, block_on};
use crate::trust::bearer::{Scheme, presented_token};
use crate::trust::client_authentication::{self, Credentials, basic_credentials};
use crate::trust::dpop::{self, Expected, ProofError};
use crate::trust::jwk::parse_set;
use crate::trust::jwt::{Claims, JwtError, UntrustedJwt};
use crate::trust::own_tokens::{open_mfa_token, open_oob_code, seal_mfa_token, seal_oob_code};
use crate::types::ClientId;

/// What the header presents is one token that stands in it as it is; Basic credentials are what RFC 6749 says.
pub(super) fn authorization_header(input: &[u8]) {
    let Some(header) = text(input) else { return };
    let words: Vec<_> = header.trim_matches([' ', '\t']).split(' ').filter(|word| !word.is_empty()).collect();
    let presented = presented_token(header);
    if let Some((scheme, token)) = presented {
        let name = if scheme == Scheme::Bearer { "bearer" } else { "dpop" };
        assert!(words.len() == 2 && words[0].eq_ignore_ascii_case(name) && words[1] == token);
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
    }
    let basic = basic_credentials(header);
    assert!(presented.is_none() || basic.is_none());
    if let Some(basic) = basic {
        assert!(words.len() == 2 && words[0].eq_ignore_ascii_case("basic"), "{words:?}");
        let decoded = reference::base64(words[1].trim_end_matches('='), ['+', '/']).expect("base64");
        let decoded = String::from_utf8(decoded).expect("UTF-8");
        let (id, secret) = decoded.split_once(':').expect("two halves");
        assert_eq!(reference::form_decoded(id).as_deref(), Some(basic.client_id.as_str()));
        assert_eq!(reference::form_decoded(secret).as_deref(), Some(basic.secret.expose()));
        let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let again = format!("{}:{}", escaped(basic.client_id.as_str()), escaped(basic.secret.expose()));
        let again = format!("Basic {}", Base64::encode_string(again.as_bytes()));
        assert_eq!(basic_credentials(&again), Some(basic));
    }
}

/// The compact form as it comes.
pub(super) fn jwt_compact_form(input: &[u8]) {
    if let Some(written) = text(input) {
        check_jwt(written);
    }
}

/// Lines: header and claims. What follows is the signature.
pub(super) fn jwt(input: &[u8]) {
    check_jwt(&compact(input));
    let ([_, claims], _) = lines::<2>(input);
    let (own, expected) = (Claims::parse(claims), expected_claims(claims));
    assert_eq!(own.is_ok(), expected.is_some(), "{:?}", own.err());
    let (Ok(own), Some(expected)) = (own, expected) else { return };
    let texts = [
        ("iss", own.issuer.as_deref()),
        ("sub", own.subject.as_deref()),
        ("azp", own.authorized_party.as_deref()),
        ("client_id", own.client_id.as_deref()),
        ("token_use", own.token_use.as_deref()),
        ("jti", own.token_id.as_deref()),
        ("email", own.email.as_deref()),
        ("name", own.name.as_deref()),
        ("locale", own.locale.as_deref()),
        ("audience", own.final_audience.as_deref()),
    ];
    for (name, own) in texts {
        assert_eq!(own, expected[name].as_str(), "{name}");
    }
    for (name, own) in [("exp", own.expires_at), ("nbf", own.not_before), ("iat", own.issued_at)] {
        assert_eq!(own.map(|time| time.0), seconds(claims, name, &expected[name]), "{name}");
    }
    assert_eq!(json!(own.audiences), json!(list(&expected["aud"]).unwrap()));
    assert_eq!(own.scopes.is_some(), !expected["scope"].is_null());
    assert_eq!(own.email_verified, [json!(true), json!("true")].contains(&expected["email_verified"]));
    assert_eq!(own.confirmation_key.as_ref().map(|key| key.as_str()), expected["cnf"]["jkt"].as_str());
    // A token without an end is never good; one with an end is good for a second at most after it.
    let times = own.check_times(START, 60);
    assert!(times.is_err() || own.expires_at.is_some_and(|end| START.since(end) <= 60));
    assert!(times.is_err() || own.not_before.is_none_or(|begin| begin.since(START) <= 60));
    assert!(times.is_err() || own.issued_at.is_none_or(|begin| begin.since(START) <= 60));
}

fn compact(input: &[u8]) -> String {
    let ([header, claims], signature) = lines::<2>(input);
    [header, claims, signature].map(Base64UrlUnpadded::encode_string).join(".")
}

fn check_jwt(written: &str) {
    let own = match UntrustedJwt::parse(written) {
        Ok(own) => own,
        Err(JwtError::TooLong) => return assert!(written.len() > 8192),
        Err(_) => return assert!(written.len() <= 8192),
    };
    let parts: Vec<_> = written.split('.').map(|part| base64url(part).expect("base64url")).collect();
    let [header, claims, signature] = &parts[..] else { panic!("{} parts", parts.len()) };
    assert_eq!(own.signature(), signature);
    assert_eq!(format!("{}.{}", own.signing_input(), Base64UrlUnpadded::encode_string(signature)), written);
    let names = reference::names(header).expect("an object");
    for name in ["alg", "kid", "typ"] {
        assert!(names.iter().filter(|own| *own == name).count() <= 1, "{name} twice");
    }
    assert!(!names.iter().any(|name| name == "crit"));
    let readable = serde_json::from_slice::<Value>(header);
    if readable.as_ref().is_err_and(bodies::is_out_of_range) {
        return;
    }
    match jwt_compact::UntrustedToken::<Value>::try_from(written) {
        Ok(other) => {
            assert_eq!(other.algorithm(), own.algorithm().as_str());
            assert_eq!(other.header().key_id.as_deref(), own.key_id());
            assert_eq!(other.signature_bytes(), own.signature());
        }
        // It reads what says where keys are to be found.
        Err(_) => assert!(names.iter().any(|name| ["jku", "x5u", "x5t", "x5t#S256"].contains(&&**name))),
    }
    let header = readable.unwrap();
    assert_eq!(Some(own.algorithm().as_str()), header["alg"].as_str());
    assert_eq!(own.key_id(), header["kid"].as_str());
    let media_type = header["typ"].as_str().map(str::to_ascii_lowercase);
    let media_type = media_type.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    assert_eq!(own.media_type().as_deref(), media_type);
    assert!(Claims::parse(claims).as_ref() == Ok(own.claims()) && expected_claims(claims).is_some());
    let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(own.signing_input()));
    assert_eq!(own.transaction().as_str(), hash);
}

/// The texts of a string or an array of strings.
fn list(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        value => Some(vec![value.as_str()?]),
    }
}

/// The whole part of a number that is written without an exponent: `value` no longer says how it was.
fn seconds(claims: &[u8], name: &str, value: &Value) -> Option<i64> {
    let written = json::parse(claims).ok()?;
    match written.member(name)? {
        own @ Json::Fraction(whole) => bodies::is_same(own, value).then_some(*whole),
        _ => value.as_i64(),
    }
}

/// The claims, if every known one has its type.
fn expected_claims(claims: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(claims).ok().filter(Value::is_object)?;
    let is_text = |name: &str| value[name].is_null() || value[name].is_string();
    let is_identifier = |name: &str| {
        value[name].as_str().map_or(value[name].is_null(), |text| {
            (1..=288).contains(&text.len()) && !text.chars().any(char::is_control)
        })
    };
    let is_time = |name: &str| {
        value[name].is_null()
            || seconds(claims, name, &value[name]).is_some_and(|time| (0..=253_402_300_799).contains(&time))
    };
    let is_method = |value: &Value| value.is_string() || value["method"].is_string();
    let methods = match &value["amr"] {
        Value::Null => true,
        Value::Array(methods) => methods.iter().all(is_method),
        method => is_method(method),
    };
    let flag = matches!(&value["email_verified"], Value::Null | Value::Bool(_))
        || [json!("true"), json!("false")].contains(&value["email_verified"]);
    let is_bound_by_key = value["cnf"].is_null()
        || (value["cnf"]["jkt"].as_str().and_then(base64url).is_some_and(|hash| hash.len() == 32)
            && json::parse(claims).ok()?.member("cnf").is_none_or(|cnf| cnf.repeated().is_none()));
    (!reference::repeats(claims)
        && ["iss", "token_use", "jti", "email", "name", "audience"].into_iter().all(is_text)
        && ["sub", "azp", "client_id"].into_iter().all(is_identifier)
        && ["exp", "nbf", "iat"].into_iter().all(is_time)
        && ["aud", "scope"].into_iter().all(|name| list(&value[name]).is_some())
        && methods
        && flag
        && is_bound_by_key)
        .then_some(value)
}

/// Puts the present in the place of `$NOW`, what else there is likewise.
fn filled(part: &[u8], values: &[(&str, String)]) -> String {
    let mut text = String::from_utf8_lossy(part).into_owned();
    for (name, value) in values {
        text = text.replace(name, value);
    }
    text
}

const TOKEN: &str = "an-access-token";
const URL: &str = "https://mfa.example.com/mfa/authenticators/totp|dev_A";

/// Lines: the request's method, header, claims. Signed by a key whose public half is `$JWK`; `$NONCE` is a fresh one.
pub(super) fn dpop_proof(input: &[u8]) {
    let ([method, header, claims], _) = lines::<3>(input);
    with_service(|service| {
        let key = client_key();
        let nonce = dpop::nonce(&service.app.config.keyring, START);
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(TOKEN));
        let values =
            [("$JWK", key.public_jwk().to_string()), ("$NONCE", nonce.clone()), ("$ATH", hash.clone())];
        let (header, claims) = (filled(header, &values), filled(claims, &values));
        let method = filled(method, &[]);
        let expected = Expected {
            method: &method,
            origin: "https://mfa.example.com",
            path: "/mfa/authenticators/totp|dev_A",
            access_token: Some(TOKEN),
        };
        let proof = key.sign_texts(&header, &claims);
        let verified = block_on(dpop::verify_proof(&service.app, START, &proof, &expected));
        let stale = match verified {
            Ok(name) => {
                assert_eq!(name, key.thumbprint());
                false
            }
            Err(ProofError::StaleNonce) => true,
            Err(_) => return,
        };
        let (header, claims) = (header.as_bytes(), claims.as_bytes());
        assert!(!reference::repeats(header) && !reference::repeats(claims));
        let header: Value = serde_json::from_slice(header).unwrap();
        let claims: Value = serde_json::from_slice(claims).unwrap();
        assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("dpop+jwt"), Some("ES256")));
        assert!(header.get("crit").is_none());
        assert_eq!(claims["htm"].as_str(), Some(method.as_str()));
        assert_eq!(claims["ath"].as_str(), Some(hash.as_str()));
        assert!(claims["iat"].is_number() && (1..=256).contains(&claims["jti"].as_str().unwrap().len()));
        assert!(stale != (claims["nonce"].as_str() == Some(nonce.as_str())), "the one nonce that is fresh");
        let url = claims["htu"].as_str().unwrap().split(['?', '#']).next().unwrap();
        let (standard, own) = (url::Url::parse(url).expect("a URL"), url::Url::parse(URL).unwrap());
        assert_eq!(standard.origin(), own.origin());
        assert_eq!(standard.path().replace("%7C", "|").replace("%7c", "|"), own.path());
    });
}

/// Lines: header and claims, signed by the client's key. `$NOW` is the present.
pub(super) fn client_assertion(input: &[u8]) {
    let ([header, claims], _) = lines::<2>(input);
    with_service(|service| {
        let now = service.world.now();
        let values = [("$NOW", now.to_string()), ("$SOON", now.plus(60).to_string())];
        let (header, claims) = (filled(header, &values), filled(claims, &values));
        let id = ClientId("signer".to_owned());
        let client = block_on(clients::find(&service.app, now, &id)).unwrap().expect("the client");
        let credentials = Credentials {
            client_id: None,
            secret: None,
            basic: None,
            assertion: Some(client_key().sign_texts(&header, &claims)),
        };
        let accepted =
            block_on(client_authentication::authenticate(&service.app, now, &client, &credentials));
        let Ok(accepted) = accepted else { return };
        let accepted = accepted.expect("an assertion");
        let header: Value = serde_json::from_str(&header).unwrap();
        let claims = expected_claims(claims.as_bytes()).expect("claims of their types");
        assert_eq!(header["alg"].as_str(), Some("ES256"));
        assert!(header["kid"].is_null() || header["kid"].as_str() == Some("c1"));
        assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("signer"), Some("signer")));
        let audiences = list(&claims["aud"]).unwrap();
        assert!(
            audiences.contains(&"https://mfa.example.com/")
                || audiences.contains(&"https://mfa.example.com/oauth/token")
        );
        assert_eq!(claims["jti"].as_str(), Some(accepted.jti.as_str()));
        assert!((1..=64).contains(&accepted.jti.len()));
        let lives = claims["exp"].as_i64().unwrap() - now.0;
        assert!((-10..=310).contains(&lives), "{lives}");
        assert!(accepted.expires_at > now, "it could be used twice");
    });
}

fn keyring() -> Keyring {
    Variables::new().config().unwrap().keyring
}

/// Texts that nobody sealed do not open.
pub(super) fn own_token(input: &[u8]) {
    let Some(written) = text(input) else { return };
    let keyring = keyring();
    assert!(open_mfa_token(&keyring, written).is_err() && open_oob_code(&keyring, written).is_err());
    for purpose in ["mfa_token", "oob_code"] {
        assert!(keyring.open_token(purpose, written).is_err());
    }
}

/// Sealed contents of any form: what opens is what seals to the same again, and nothing that was changed opens.
pub(super) fn own_token_content(input: &[u8]) {
    let keyring = keyring();
    let sealed = |purpose: &'static str, prefix: &str| {
        keyring.seal_token(purpose, input, [7; 12]).ok().map(|sealed| format!("{prefix}{sealed}"))
    };
    let Some(token) = sealed("mfa_token", "csmfa_") else { return };
    if let Ok(opened) = open_mfa_token(&keyring, &token) {
        assert!(token.len() <= 1024);
        assert!(reference::names(input).is_some(), "no object");
        if let Ok(again) = seal_mfa_token(&keyring, &opened, [8; 12]) {
            let again = open_mfa_token(&keyring, &again).expect("what was sealed");
            // Only what was sealed here has its label within bounds and its language in form.
            assert_eq!(
                (&again.user, &again.client, &again.transaction),
                (&opened.user, &opened.client, &opened.transaction)
            );
            assert_eq!((again.expires_at, again.used_factors), (opened.expires_at, opened.used_factors));
            assert_eq!((again.bound_to, again.scopes), (opened.bound_to, opened.scopes));
        }
    }
    let code = sealed("oob_code", "csoob_").expect("as above");
    if let Ok(opened) = open_oob_code(&keyring, &code) {
        let again = seal_oob_code(&keyring, &opened, [8; 12]).expect("as above");
        assert_eq!(open_oob_code(&keyring, &again), Ok(opened));
    }
    assert!(open_oob_code(&keyring, &token).is_err() && open_mfa_token(&keyring, &code).is_err());
    assert!(
        open_oob_code(&keyring, &token.replace("csmfa_", "csoob_")).is_err(),
        "sealed for something else"
    );
    // One character is another.
    let place = "csmfa_s1.".len() + input.len() % (token.len() - "csmfa_s1.".len());
    let mut forged = token.clone().into_bytes();
    forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
    assert!(open_mfa_token(&keyring, &String::from_utf8(forged).unwrap()).is_err());
}

/// A key that is read is public, within bounds, and the same again when it is written.
pub(super) fn key_set(input: &[u8]) {
    let Ok(keys) = parse_set(input) else { return };
    let document: Value = serde_json::from_slice(input).expect("JSON");
    let entries = document["keys"].as_array().expect("keys");
    assert!((1..=64).contains(&keys.len()) && keys.len() <= entries.len());
    for key in keys {
        let written = key.written();
        let set = json::object! { "keys": vec![written.clone()] }.write();
        assert_eq!(parse_set(set.as_bytes()), Ok(vec![key.clone()]));
        let material: Value = serde_json::from_str(&key.material()).unwrap();
        let members: Vec<_> = material.as_object().unwrap().keys().map(String::as_str).collect();
        let bytes = |name: &str| base64url(material[name].as_str().unwrap()).expect("base64url");
        match material["kty"].as_str().unwrap() {
            "RSA" => {
                assert_eq!(members, ["e", "kty", "n"]);
                let (modulus, exponent) = (bytes("n"), bytes("e"));
                assert!(
                    (256..=1024).contains(&modulus.len())
                        && modulus[0] != 0
                        && modulus.ends_with(&[modulus[modulus.len() - 1] | 1])
                );
                assert!((1..=4).contains(&exponent.len()) && exponent[0] != 0 && exponent != [1]);
            }
            "EC" => {
                assert_eq!(
                    (&members[..], bytes("x").len(), bytes("y").len()),
                    (&["crv", "kty", "x", "y"][..], 32, 32)
                );
            }
            _ => assert_eq!((&members[..], bytes("x").len()), (&["crv", "kty", "x"][..], 32)),
        }
        // RFC 7638: SHA-256 of the required members in the order of their names, which serde_json's map keeps.
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(material.to_string()));
        assert_eq!(key.thumbprint().as_str(), hash);
        let fits = Algorithm::ALL.into_iter().filter(|algorithm| key.fits(*algorithm)).count();
        assert!(matches!((key.algorithm, fits), (Some(_), 1) | (None, 1 | 6)));
        if matches!(written.text("kty"), Some("EC" | "OKP")) {
            with_service(|service| {
                // What WebCrypto or a library has against a key is its matter; here nothing may break.
                let algorithm = Algorithm::ALL.into_iter().find(|algorithm| key.fits(*algorithm)).unwrap();
                drop(block_on(service.world.import_verifying_key(algorithm, &key.material())));
            });
        }
    }
}
