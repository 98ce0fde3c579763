use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::*;
use crate::testing::platform::{FakePlatform, START};
use crate::testing::{TestKey, Variables, app, block_on};

const URL: &str = "https://mfa.example.com/oauth/token";

const EXPECTED: Expected<'_> =
    Expected { method: "POST", origin: "https://mfa.example.com", path: "/oauth/token", access_token: None };

struct Scene {
    world: FakePlatform,
    app: App<FakePlatform>,
    key: TestKey,
}

impl Scene {
    fn new() -> Self {
        let world = FakePlatform::new();
        Self { app: app(&world), world, key: TestKey::new(Algorithm::ES256, 0, "phone") }
    }

    fn nonce(&self) -> String {
        nonce(&self.app.config.keyring, self.world.now())
    }

    fn verify(&self, proof: &str) -> Result<Thumbprint, ProofError> {
        self.verify_for(proof, &EXPECTED)
    }

    fn verify_for(&self, proof: &str, expected: &Expected<'_>) -> Result<Thumbprint, ProofError> {
        block_on(verify_proof(&self.app, self.world.now(), proof, expected))
    }

    /// The header of a good proof with this member changed; `null` leaves it out.
    fn header_with(&self, name: &str, value: Value) -> Value {
        let mut header = self.key.header(&json!({ "typ": "dpop+jwt", "jwk": self.key.public_jwk() }));
        header[name] = value;
        header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        header
    }

    fn claims(&self) -> Value {
        json!({ "htm": "POST", "htu": URL, "iat": START.0, "jti": "1", "nonce": self.nonce() })
    }

    /// What becomes of a proof with this member of the header changed.
    fn with_header(&self, name: &str, value: Value) -> Result<Thumbprint, ProofError> {
        let header = self.header_with(name, value).to_string();
        self.verify(&self.key.sign_texts(&header, &self.claims().to_string()))
    }

    /// What becomes of a proof with this claim changed.
    fn with_claim(&self, name: &str, value: Value) -> Result<Thumbprint, ProofError> {
        self.verify(&self.key.proof(URL, Some(&self.nonce()), &json!({ (name): value })))
    }
}

#[test]
fn a_proof_by_every_algorithm_of_clients_names_its_key() {
    let scene = Scene::new();
    for algorithm in Algorithm::OF_CLIENTS {
        let key = TestKey::new(algorithm, 0, "phone");
        let proof = key.proof(URL, Some(&scene.nonce()), &json!({}));
        assert_eq!(scene.verify(&proof), Ok(key.thumbprint()), "{algorithm:?}");
    }
    assert!(scene.world.batches().is_empty() && scene.world.cache_reads() == 0, "nothing is read or kept");
}

/// RFC 9449, sections 4.1 and 7.1: everything is right but the nonce, which they do not have.
#[test]
fn the_proofs_of_rfc_9449_are_good_but_for_their_nonce() {
    let scene = Scene::new();
    let at_token_endpoint = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR\
        0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1J\
        EQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLm\
        V4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSs\
        X0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let at_resource = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoU\
        klDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsI\
        mNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFt\
        cGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk\
        1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let token = Expected { origin: "https://server.example.com", path: "/token", ..EXPECTED };
    let resource = Expected {
        method: "GET",
        origin: "https://resource.example.org",
        path: "/protectedresource",
        access_token: Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
    };
    for (proof, expected) in [(at_token_endpoint, token), (at_resource, resource)] {
        assert_eq!(scene.verify_for(proof, &expected), Err(ProofError::StaleNonce));
        let key = Proof::read(proof, &expected).unwrap().key;
        assert_eq!(key.thumbprint().as_str(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
    let other = Expected { access_token: Some("another"), ..resource };
    assert_eq!(scene.verify_for(at_resource, &other), Err(ProofError::OtherAccessToken));
}

#[test]
fn what_is_no_single_jwt_is_refused_unread() {
    let scene = Scene::new();
    let good = scene.key.proof(URL, Some(&scene.nonce()), &json!({}));
    assert!(scene.verify(&good).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{good}, {good}"),
        format!("{good},"),
        format!(" {good}"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.{}", parts[2]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}*", parts[0], parts[1], parts[2]),
    ] {
        assert!(
            matches!(
                scene.verify(&text),
                Err(ProofError::Malformed(JwtError::NotAJwt)
                    | ProofError::Malformed(JwtError::MalformedHeader))
            ),
            "{text}"
        );
    }
    assert_eq!(scene.verify(&"a".repeat(8 * 1024)), Err(ProofError::Malformed(JwtError::NotAJwt)));
    assert_eq!(scene.verify(&"a".repeat(8 * 1024 + 1)), Err(ProofError::Malformed(JwtError::TooLong)));
    assert_eq!(scene.world.imports(), 1, "only the good one's key was imported");
}

#[test]
fn header_and_claims_are_objects_that_everybody_reads_alike() {
    let scene = Scene::new();
    let (header, claims) = (scene.header_with("x", json!(1)).to_string(), scene.claims().to_string());
    assert!(scene.verify(&scene.key.sign_texts(&header, &claims)).is_ok());
    for broken in ["[]", "5", "", "{", &header.replacen('{', r#"{"typ":"dpop+jwt","#, 1)] {
        let proof = scene.key.sign_texts(broken, &claims);
        assert_eq!(scene.verify(&proof), Err(ProofError::Malformed(JwtError::MalformedHeader)), "{broken}");
    }
    for broken in ["[]", "5", "", "{", &claims.replacen('{', r#"{"htm":"POST","#, 1)] {
        let proof = scene.key.sign_texts(&header, broken);
        assert_eq!(scene.verify(&proof), Err(ProofError::Malformed(JwtError::MalformedClaims)), "{broken}");
    }
}

#[test]
fn the_header_says_that_it_is_a_proof_and_by_which_algorithm() {
    let scene = Scene::new();
    for typ in [json!(null), json!("JWT"), json!("dpop+jwtx"), json!("at+jwt"), json!(5)] {
        assert_eq!(scene.with_header("typ", typ), Err(ProofError::OtherKindOfToken));
    }
    for critical in [json!(["b64"]), json!([]), json!("x"), json!(false)] {
        assert_eq!(
            scene.with_header("crit", critical),
            Err(ProofError::Malformed(JwtError::CriticalExtension))
        );
    }
    for alg in ["none", "HS256", "EdDSA", "ES384", "es256", ""] {
        assert_eq!(scene.with_header("alg", json!(alg)), Err(ProofError::AlgorithmNotAllowed), "{alg}");
    }
    assert_eq!(scene.with_header("alg", json!(null)), Err(ProofError::AlgorithmNotAllowed));
    let contradiction = ProofError::UnusableKey(UnusableKey::AlgorithmContradictsType);
    assert_eq!(scene.with_header("alg", json!("RS256")), Err(contradiction));
}

#[test]
fn the_key_is_public_and_of_sane_size() {
    let scene = Scene::new();
    let unusable = |jwk: Value| match scene.with_header("jwk", jwk) {
        Err(ProofError::UnusableKey(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(unusable(json!(null)), UnusableKey::Malformed);
    assert_eq!(unusable(json!("key")), UnusableKey::NotAnObject);
    assert_eq!(unusable(json!({})), UnusableKey::Malformed);
    assert_eq!(unusable(scene.key.private_jwk()), UnusableKey::Private);
    assert_eq!(unusable(json!({ "kty": "oct", "k": "AAAA" })), UnusableKey::Private);
    let small = json!({ "kty": "RSA", "n": Base64UrlUnpadded::encode_string(&[0xff; 128]), "e": "AQAB" });
    assert_eq!(unusable(small), UnusableKey::UnsuitableModulus);
    let mut for_encryption = scene.key.public_jwk();
    for_encryption["use"] = json!("enc");
    assert_eq!(unusable(for_encryption), UnusableKey::NotForVerifying);
    assert_eq!(scene.world.imports(), 0);

    let header = scene.header_with("x", json!(1)).to_string();
    let twice = header.replace(r#""kty":"EC""#, r#""kty":"EC","kty":"EC""#);
    assert_ne!(header, twice);
    let proof = scene.key.sign_texts(&twice, &scene.claims().to_string());
    assert_eq!(scene.verify(&proof), Err(ProofError::UnusableKey(UnusableKey::Malformed)));
}

#[test]
fn a_key_that_others_would_name_otherwise_is_refused() {
    let scene = Scene::new();
    let key = TestKey::new(Algorithm::RS256, 0, "server");
    let mut jwk = key.public_jwk();
    let modulus = Base64UrlUnpadded::decode_vec(jwk["n"].as_str().unwrap()).unwrap();
    jwk["n"] = json!(Base64UrlUnpadded::encode_string(&[&[0], modulus.as_slice()].concat()));
    let proof = key.sign(&json!({ "typ": "dpop+jwt", "jwk": jwk }), &scene.claims());
    assert_eq!(scene.verify(&proof), Err(ProofError::OtherSpelling));
}

#[test]
fn the_signature_is_the_keys_own() {
    let scene = Scene::new();
    let other = TestKey::new(Algorithm::ES256, 1, "other");
    let header = json!({ "typ": "dpop+jwt", "jwk": scene.key.public_jwk() });
    assert_eq!(scene.verify(&other.sign(&header, &scene.claims())), Err(ProofError::InvalidSignature));
    let good = scene.key.proof(URL, Some(&scene.nonce()), &json!({}));
    let (signing_input, _) = good.rsplit_once('.').unwrap();
    assert_eq!(scene.verify(&format!("{signing_input}.")), Err(ProofError::InvalidSignature));
    // A point that is on no curve: WebCrypto does not import it.
    let mut no_point = scene.key.public_jwk();
    no_point["y"] = no_point["x"].clone();
    assert_eq!(scene.with_header("jwk", no_point), Err(ProofError::InvalidSignature));
}

#[test]
fn the_signature_is_looked_at_before_the_nonce() {
    let scene = Scene::new();
    let proof = scene.key.proof(URL, None, &json!({}));
    assert_eq!(scene.verify(&proof), Err(ProofError::StaleNonce));
    let (signing_input, _) = proof.rsplit_once('.').unwrap();
    assert_eq!(scene.verify(&format!("{signing_input}.AAAA")), Err(ProofError::InvalidSignature));
}

#[test]
fn a_proof_is_for_one_method() {
    let scene = Scene::new();
    for method in [json!("GET"), json!("post"), json!(""), json!(null), json!(["POST"])] {
        assert_eq!(scene.with_claim("htm", method), Err(ProofError::OtherMethod));
    }
}

#[test]
fn a_proof_is_for_one_url_however_that_is_spelled() {
    let scene = Scene::new();
    for url in [
        "https://mfa.example.com/oauth/token",
        "https://mfa.example.com:443/oauth/token",
        "HTTPS://MFA.Example.com/oauth/token",
        "https://mfa.example.com/oauth/token?a=b",
        "https://mfa.example.com/oauth/token#a",
        "https://mfa.example.com/oauth/token?a#b?c",
    ] {
        assert!(scene.with_claim("htu", json!(url)).is_ok(), "{url}");
    }
    for url in [
        "",
        "/oauth/token",
        "mfa.example.com/oauth/token",
        "http://mfa.example.com/oauth/token",
        "https://mfa.example.com:80/oauth/token",
        "https://mfa.example.com:8443/oauth/token",
        "https://evil.example.com/oauth/token",
        "https://mfa.example.com.evil.example/oauth/token",
        "https://user@mfa.example.com/oauth/token",
        "https://mfa.example.com/oauth/token/",
        "https://mfa.example.com/OAuth/token",
        "https://mfa.example.com/",
        "https://mfa.example.com",
        "https://mfa.example.com//oauth/token",
        "https://mfa.example.com/mfa/associate",
        "https://mfa.example.com/?/oauth/token",
    ] {
        assert_eq!(scene.with_claim("htu", json!(url)), Err(ProofError::OtherUrl), "{url}");
    }
    for url in [json!(null), json!([URL]), json!(5)] {
        assert_eq!(scene.with_claim("htu", url), Err(ProofError::OtherUrl));
    }
}

#[test]
fn the_port_and_plain_http_of_a_machine_of_ones_own_count() {
    let scene = Scene::new();
    let local = Expected { origin: "http://localhost:8787", ..EXPECTED };
    let verify =
        |url| scene.verify_for(&scene.key.proof(url, Some(&scene.nonce()), &json!({})), &local).is_ok();
    assert!(verify("http://localhost:8787/oauth/token"));
    assert!(!verify("http://localhost/oauth/token"));
    assert!(!verify("https://localhost:8787/oauth/token"));
}

#[test]
fn the_bar_of_an_id_may_be_escaped_or_not() {
    let scene = Scene::new();
    let spellings = ["totp|dev_1", "totp%7Cdev_1", "totp%7cdev_1"];
    for sent in spellings {
        for proved in spellings {
            let path = format!("/mfa/authenticators/{sent}");
            let expected = Expected { method: "DELETE", path: &path, ..EXPECTED };
            let claims = json!({ "htm": "DELETE" });
            let url = format!("https://mfa.example.com/mfa/authenticators/{proved}");
            let proof = scene.key.proof(&url, Some(&scene.nonce()), &claims);
            assert!(scene.verify_for(&proof, &expected).is_ok(), "{sent} {proved}");
        }
    }
}

#[test]
fn a_proof_says_when_it_was_made_by_whatever_clock() {
    let scene = Scene::new();
    for time in [json!(0), json!(START.0), json!(1.5), json!(-1), json!(99_999_999_999_i64)] {
        assert!(scene.with_claim("iat", time).is_ok());
    }
    for time in [json!(null), json!("1893456000"), json!([1]), json!(true)] {
        assert_eq!(scene.with_claim("iat", time), Err(ProofError::NoIssueTime));
    }
}

#[test]
fn a_proof_has_an_id() {
    let scene = Scene::new();
    for id in ["1".to_owned(), "a".repeat(256)] {
        assert!(scene.with_claim("jti", json!(id)).is_ok());
    }
    for id in [json!(null), json!(""), json!("a".repeat(257)), json!(5)] {
        assert_eq!(scene.with_claim("jti", id), Err(ProofError::UnsuitableTokenId));
    }
}

#[test]
fn beside_an_access_token_a_proof_is_for_that_token() {
    let scene = Scene::new();
    let expected = Expected { access_token: Some("token"), ..EXPECTED };
    let verify =
        |claims: Value| scene.verify_for(&scene.key.proof(URL, Some(&scene.nonce()), &claims), &expected);
    let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(b"token"));
    assert!(verify(json!({ "ath": hash })).is_ok());
    for other in [json!(null), json!(""), json!("token"), json!([hash]), json!(hash.to_uppercase())] {
        assert_eq!(verify(json!({ "ath": other })), Err(ProofError::OtherAccessToken));
    }
    assert!(scene.with_claim("ath", json!("anything")).is_ok(), "nobody asked");
}

#[test]
fn a_nonce_is_good_for_a_minute() {
    let scene = Scene::new();
    let nonce = scene.nonce();
    let at = |offset: i64| {
        scene.world.set_time(START.plus(offset));
        scene.verify(&scene.key.proof(URL, Some(&nonce), &json!({})))
    };
    for offset in [-5, 0, 1, 59, 60] {
        assert!(at(offset).is_ok(), "{offset}");
    }
    for offset in [-3600, -6, 61, 3600] {
        assert_eq!(at(offset), Err(ProofError::StaleNonce), "{offset}");
    }
}

#[test]
fn only_our_own_nonces_are_good() {
    let scene = Scene::new();
    let nonce = scene.nonce();
    let time = START.0.to_string();
    let hash = nonce.strip_prefix(&format!("{time}.")).unwrap();
    let keyring = &scene.app.config.keyring;
    let of_another_purpose = format!("{time}.{}", keyring.hash(places::BINDING_CODE, &[&time]));
    let later = format!("{}.{hash}", START.plus(1).0);
    let spelled_otherwise = format!("+{nonce}");
    for forged in
        ["", ".", "x", &time, hash, &format!("{time}."), &of_another_purpose, &later, &spelled_otherwise]
    {
        let proof = scene.key.proof(URL, Some(forged), &json!({}));
        assert_eq!(scene.verify(&proof), Err(ProofError::StaleNonce), "{forged}");
    }
    for no_text in [json!(5), json!([nonce]), json!({})] {
        assert_eq!(scene.with_claim("nonce", no_text), Err(ProofError::MalformedNonce));
    }
}

/// RFC 9449, section 8: NQCHAR.
#[test]
fn a_nonce_fits_into_a_header() {
    let nonce = Scene::new().nonce();
    assert!(nonce.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',')));
    assert!(nonce.len() < 80);
}

#[test]
fn a_nonce_outlives_the_rotation_of_hash_keys_as_long_as_its_key_is_known() {
    let keys = |present: &str, ids: &[&str]| {
        let keys: serde_json::Map<_, _> = ids
            .iter()
            .map(|id| {
                let byte = id.bytes().last().unwrap();
                ((*id).to_owned(), json!(Base64UrlUnpadded::encode_string(&[byte; 32])))
            })
            .collect();
        json!({
            "seal": { "use": "s1", "keys": { "s1": Base64UrlUnpadded::encode_string(&[1; 32]) } },
            "hash": { "use": present, "keys": keys },
        })
        .to_string()
    };
    let config = |keys: String| Variables::new().with("ENCRYPTION_KEYS", &keys).config().unwrap().keyring;
    let before = config(keys("h1", &["h1", "h2"]));
    let after = config(keys("h2", &["h1", "h2"]));
    let gone = config(keys("h2", &["h2"]));
    let (old, new) = (nonce(&before, START), nonce(&after, START));
    assert_ne!(old, new);
    for (keyring, nonce, fresh) in [
        (&before, &old, true),
        (&before, &new, true),
        (&after, &old, true),
        (&after, &new, true),
        (&gone, &old, false),
        (&gone, &new, true),
    ] {
        assert_eq!(is_fresh(keyring, START, nonce), fresh);
    }
}
