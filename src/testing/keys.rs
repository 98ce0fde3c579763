//! Key pairs for tests, made from fixed seeds, and JWTs signed with them natively by jwt-compact's algorithms.

use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::Algorithm as _;
use jwt_compact::AlgorithmSignature as _;
use jwt_compact::alg::{Ed25519, Es256, Rsa, RsaPrivateKey};
use jwt_compact::jwk::JsonWebKey;
use serde_json::{Value, json};

use super::platform::SeededRandom;
use crate::algorithm::{Algorithm, Family};
use crate::trust::jwk::{PublicJwk, Thumbprint};

/// How many different RSA keys there are; making one takes a while.
const RSA_KEYS: usize = 4;

type P256Key = <Es256 as jwt_compact::Algorithm>::SigningKey;
type Ed25519Key = <Ed25519 as jwt_compact::Algorithm>::SigningKey;

/// A key pair with its `kid`.
#[derive(Clone)]
pub(crate) struct TestKey {
    pub(crate) key_id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pair: Pair,
}

#[derive(Clone)]
enum Pair {
    Rsa(&'static RsaPrivateKey),
    P256(Box<P256Key>),
    Ed25519(Box<Ed25519Key>),
}

impl TestKey {
    /// The key pair number `index` (0 to 3 for RSA) for `algorithm`.
    pub(crate) fn new(algorithm: Algorithm, index: usize, key_id: &str) -> Self {
        let seed = [u8::try_from(index).unwrap() + 1; 32];
        let pair = match algorithm.family() {
            Family::Rsa => Pair::Rsa(rsa_key(index)),
            Family::P256 => Pair::P256(Box::new(P256Key::from_slice(&seed).unwrap())),
            Family::Ed25519 => Pair::Ed25519(Box::new(Ed25519Key::from_bytes(&seed))),
        };
        Self { key_id: Some(key_id.to_owned()), algorithm, pair }
    }

    /// The same pair without a `kid`.
    pub(crate) fn without_key_id(mut self) -> Self {
        self.key_id = None;
        self
    }

    /// The public JWK with `kid`, `alg` and `use`.
    pub(crate) fn public_jwk(&self) -> Value {
        let jwk = match &self.pair {
            Pair::Rsa(key) => json!(JsonWebKey::from(&key.to_public_key())),
            Pair::P256(key) => json!(JsonWebKey::from(key.verifying_key())),
            Pair::Ed25519(key) => json!(JsonWebKey::from(&key.verifying_key())),
        };
        self.labelled(jwk)
    }

    /// The private JWK. An RSA key's has all its members (RFC 7518 section 6.3.2), though jwt-compact itself would do
    /// without the last three.
    pub(crate) fn private_jwk(&self) -> Value {
        let jwk = match &self.pair {
            Pair::Rsa(key) => {
                let mut jwk = json!(JsonWebKey::from(*key));
                for name in ["dp", "dq", "qi"] {
                    jwk[name] = json!("AQAB");
                }
                jwk
            }
            Pair::P256(key) => json!(JsonWebKey::from(key.as_ref())),
            Pair::Ed25519(key) => json!(JsonWebKey::from(key.as_ref())),
        };
        self.labelled(jwk)
    }

    fn labelled(&self, mut jwk: Value) -> Value {
        jwk["alg"] = json!(self.algorithm.as_str());
        jwk["use"] = json!("sig");
        if let Some(id) = &self.key_id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    /// A JWT of `claims`; `alg` and `kid` are this key's unless `header` says otherwise.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_texts(&self.header(header).to_string(), &claims.to_string())
    }

    /// The header that [`Self::sign`] would write.
    pub(crate) fn header(&self, header: &Value) -> Value {
        let mut complete = json!({ "alg": self.algorithm.as_str() });
        if let Some(id) = &self.key_id {
            complete["kid"] = json!(id);
        }
        for (name, value) in header.as_object().expect("a header is an object") {
            complete[name] = value.clone();
        }
        complete
    }

    /// A JWS over exactly these texts, for what no JSON value can say.
    pub(crate) fn sign_texts(&self, header: &str, claims: &str) -> String {
        let signing_input = format!(
            "{}.{}",
            Base64UrlUnpadded::encode_string(header.as_bytes()),
            Base64UrlUnpadded::encode_string(claims.as_bytes())
        );
        let signature = Base64UrlUnpadded::encode_string(&self.signature(signing_input.as_bytes()));
        format!("{signing_input}.{signature}")
    }

    /// A DPoP proof for a `POST`, or whatever `claims` says, with this key's public half. A claim that is `null` is left
    /// out.
    pub(crate) fn proof(&self, url: &str, nonce: Option<&str>, claims: &Value) -> String {
        let mut complete =
            json!({ "htm": "POST", "htu": url, "iat": 1_893_456_000, "jti": "proof-1", "nonce": nonce });
        for (name, value) in claims.as_object().expect("claims are an object") {
            complete[name] = value.clone();
        }
        complete.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.sign(&json!({ "typ": "dpop+jwt", "jwk": self.public_jwk() }), &complete)
    }

    /// RFC 7638's name of the public half.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        let jwk = self.public_jwk().to_string();
        let jwk = crate::json::parse(jwk.as_bytes()).unwrap();
        PublicJwk::read(&jwk).unwrap().thumbprint()
    }

    /// The raw signature over `message`.
    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(key) => {
                let rsa: Rsa = self.algorithm.as_str().parse().unwrap();
                rsa.sign(key, message).as_bytes().into_owned()
            }
            Pair::P256(key) => Es256.sign(key, message).as_bytes().into_owned(),
            Pair::Ed25519(key) => Ed25519.sign(key, message).as_bytes().into_owned(),
        }
    }
}

/// A JWK Set of these keys.
pub(crate) fn key_set(keys: &[&TestKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() }).to_string()
}

fn rsa_key(index: usize) -> &'static RsaPrivateKey {
    static KEYS: [OnceLock<RsaPrivateKey>; RSA_KEYS] = [const { OnceLock::new() }; RSA_KEYS];
    KEYS[index].get_or_init(|| {
        let mut random = SeededRandom::new(u64::try_from(index).unwrap());
        RsaPrivateKey::new(&mut random, 2048).expect("an RSA key")
    })
}

impl rand_core::RngCore for SeededRandom {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for SeededRandom {}
