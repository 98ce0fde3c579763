//! `SIGNING_KEY_…` and `ACTIVE_SIGNING_KEY`: the keys of own tokens. One signs; all are published, so that tokens
//! signed before a rotation stay good, and those signed after it are known everywhere beforehand.

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::jwk::{check_rsa_exponent, check_rsa_modulus, without_leading_zeros};
use crate::json::{self, Json, object};
use crate::types::Secret;

/// How the names of the variables begin.
pub const VARIABLE_PREFIX: &str = "SIGNING_KEY_";

/// What a private RSA key has beside the public members (RFC 7518 section 6.3.2). WebCrypto wants all of them.
const PRIVATE_MEMBERS: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// RSA makes signing cost the cube of the key's length, and there are 10 ms for a request.
const MAXIMUM_MODULUS_BYTES: usize = 512;

/// The keys of own tokens. Debug prints nothing of the private one.
#[derive(Debug)]
pub struct SigningKeys {
    active_key_id: String,
    active: Secret,
    public_jwks: String,
}

impl SigningKeys {
    /// Reads the variables: `keys` are (name, value) of each `SIGNING_KEY_…`, `active` is `ACTIVE_SIGNING_KEY`, the
    /// name of the variable that signs or what follows the prefix in it. It may be left out when there is one key.
    ///
    /// # Errors
    /// Every problem as the variable's name and what is wrong with it, never with a value.
    pub fn parse(keys: &[(String, String)], active: Option<&str>) -> Result<Self, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let mut read: Vec<(&str, SigningKey)> = Vec::new();
        for (variable, value) in keys {
            match SigningKey::parse(value) {
                Err(problem) => problems.push((variable.clone(), problem.to_owned())),
                Ok(key) if read.iter().any(|(_, other)| other.key_id == key.key_id) => {
                    problems.push((variable.clone(), "has the \"kid\" of another signing key.".to_owned()));
                }
                Ok(key) => read.push((variable, key)),
            }
        }
        if keys.is_empty() {
            let name = format!("{VARIABLE_PREFIX}1");
            problems.push((name, "is missing; it must be a private RSA key as a JWK.".to_owned()));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let public: Vec<Json<'_>> = read.iter().map(|(_, key)| key.public.clone()).collect();
        let public_jwks = object! { "keys": public }.write();
        let (variable, key) = select(read, active).map_err(|problem| vec![problem])?;
        match key.private {
            Some(private) => Ok(Self { active_key_id: key.key_id, active: private, public_jwks }),
            None => Err(vec![(variable.to_owned(), "is to sign, so it must be a private key.".to_owned())]),
        }
    }

    /// The `kid` of the key that signs.
    #[must_use]
    pub fn active_key_id(&self) -> &str {
        &self.active_key_id
    }

    /// The key that signs, as a JWK of its numbers alone.
    #[must_use]
    pub fn active_private_jwk(&self) -> &Secret {
        &self.active
    }

    /// The JWK Set to publish (RFC 7517 section 5): `kty`, `n`, `e`, `kid`, `alg` and `use` of every key.
    #[must_use]
    pub fn public_jwks(&self) -> String {
        self.public_jwks.clone()
    }
}

/// One variable's key.
struct SigningKey {
    key_id: String,
    public: Json<'static>,
    private: Option<Secret>,
}

impl SigningKey {
    fn parse(json: &str) -> Result<Self, &'static str> {
        let written = json::parse(json.as_bytes()).map(Zeroizing::new).map_err(|_| NOT_A_JWK)?;
        if written.as_object().is_none() || written.repeated().is_some() {
            return Err(NOT_A_JWK);
        }
        let member = |name| member(&written, name);
        if member("kty")? != Some("RSA") {
            return Err("must be an RSA key (\"kty\": \"RSA\").");
        }
        if member("alg")?.is_some_and(|algorithm| algorithm != "RS256") {
            return Err("must be a key for RS256 (\"alg\").");
        }
        if member("use")?.is_some_and(|usage| usage != "sig") {
            return Err("must be a key for signatures (\"use\": \"sig\").");
        }
        let key_id = member("kid")?
            .filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or("must have a \"kid\" of 1 to 64 ASCII characters.")?;
        let modulus = number(member("n")?).ok_or("must have \"n\" in base64url.")?;
        let exponent = number(member("e")?).ok_or("must have \"e\" in base64url.")?;
        if check_rsa_modulus(&modulus).is_err() || modulus.len() > MAXIMUM_MODULUS_BYTES {
            return Err("must have 2048 to 4096 bits.");
        }
        check_rsa_exponent(&exponent).map_err(|_| "must have an odd \"e\" of at least 3, such as AQAB.")?;
        let mut public = object! {
            "kty": "RSA",
            "n": Base64UrlUnpadded::encode_string(&modulus),
            "e": Base64UrlUnpadded::encode_string(&exponent),
        };
        let private = private_jwk(&public, &written)?;
        public.set("kid", key_id.to_owned());
        public.set("alg", "RS256");
        public.set("use", "sig");
        Ok(Self { key_id: key_id.to_owned(), public, private })
    }
}

const INCOMPLETE: &str =
    "must have all of \"d\", \"p\", \"q\", \"dp\", \"dq\" and \"qi\" in base64url, or none of them.";
const NOT_A_JWK: &str = "must be a JWK: a JSON object whose members are texts, none of them twice.";

/// A member that matters here. `key_ops`, `ext` and whatever tools add are ignored.
fn member<'a>(written: &'a Json<'_>, name: &str) -> Result<Option<&'a str>, &'static str> {
    match written.member(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or(NOT_A_JWK),
    }
}

/// The private JWK, `None` where there is no private member at all.
fn private_jwk(public: &Json<'_>, written: &Json<'_>) -> Result<Option<Secret>, &'static str> {
    let mut jwk = Zeroizing::new(public.clone());
    let (mut some, mut all) = (false, true);
    for name in PRIVATE_MEMBERS {
        match member(written, name)? {
            Some(value) => {
                some = true;
                all &= number(Some(value)).is_some_and(|number| !number.is_empty());
                jwk.set(name, value);
            }
            None => all = false,
        }
    }
    match (some, all) {
        (false, _) => Ok(None),
        (true, true) => Ok(Some(Secret::new(jwk.write()))),
        (true, false) => Err(INCOMPLETE),
    }
}

/// A big-endian number without leading zeros.
fn number(text: Option<&str>) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(Base64UrlUnpadded::decode_vec(text?).ok()?);
    Some(Zeroizing::new(without_leading_zeros(&bytes).to_vec()))
}

/// The key that signs.
fn select<'a>(
    mut keys: Vec<(&'a str, SigningKey)>,
    active: Option<&str>,
) -> Result<(&'a str, SigningKey), (String, String)> {
    const VARIABLE: &str = "ACTIVE_SIGNING_KEY";
    let Some(active) = active else {
        return match (keys.pop(), keys.is_empty()) {
            (Some(key), true) => Ok(key),
            _ => {
                Err((VARIABLE.to_owned(), format!("is missing; it must say which {VARIABLE_PREFIX}… signs.")))
            }
        };
    };
    let id = active.strip_prefix(VARIABLE_PREFIX).unwrap_or(active);
    keys.into_iter().find(|(variable, _)| variable.strip_prefix(VARIABLE_PREFIX) == Some(id)).ok_or_else(
        || {
            (
                VARIABLE.to_owned(),
                format!("must be what follows {VARIABLE_PREFIX} in the name of one of these variables."),
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::testing::TestKey;
    use crate::testing::configuration::own_key;

    fn keys(values: &[(&str, &Value)]) -> Vec<(String, String)> {
        values.iter().map(|(id, value)| (format!("{VARIABLE_PREFIX}{id}"), value.to_string())).collect()
    }

    fn parse(values: &[(&str, &Value)], active: Option<&str>) -> Result<SigningKeys, Vec<(String, String)>> {
        SigningKeys::parse(&keys(values), active)
    }

    fn problem(value: &Value) -> String {
        let problems = parse(&[("A", value)], None).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].0, "SIGNING_KEY_A");
        problems[0].1.clone()
    }

    fn published(keys: &SigningKeys) -> Value {
        serde_json::from_str(&keys.public_jwks()).unwrap()
    }

    fn other_key() -> TestKey {
        TestKey::new(Algorithm::RS256, 2, "own-b")
    }

    #[test]
    fn one_key_signs_without_being_named() {
        let keys = parse(&[("A", &own_key().private_jwk())], None).unwrap();
        assert_eq!(keys.active_key_id(), "own-a");
    }

    #[test]
    fn of_several_keys_the_named_one_signs_and_all_are_published() {
        let values = [("A", &own_key().private_jwk()), ("2030_b", &other_key().private_jwk())];
        for active in ["2030_b", "SIGNING_KEY_2030_b"] {
            let keys = parse(&values, Some(active)).unwrap();
            assert_eq!(keys.active_key_id(), "own-b");
            assert_eq!(published(&keys)["keys"].as_array().unwrap().len(), 2);
        }
        for active in [None, Some("C"), Some("own-b"), Some("")] {
            assert_eq!(parse(&values, active).unwrap_err()[0].0, "ACTIVE_SIGNING_KEY", "{active:?}");
        }
    }

    #[test]
    fn a_retired_key_may_be_public_only() {
        let values = [("A", &own_key().private_jwk()), ("B", &other_key().public_jwk())];
        let keys = parse(&values, Some("A")).unwrap();
        assert_eq!(published(&keys)["keys"][1], other_key().public_jwk());
        let problems = parse(&values, Some("B")).unwrap_err();
        assert_eq!(
            problems,
            [("SIGNING_KEY_B".to_owned(), "is to sign, so it must be a private key.".to_owned())]
        );
    }

    #[test]
    fn nothing_private_is_published() {
        let mut key = own_key().private_jwk();
        key["key_ops"] = json!(["sign"]);
        key["ext"] = json!(true);
        let keys = parse(&[("A", &key)], None).unwrap();
        assert_eq!(published(&keys), json!({ "keys": [own_key().public_jwk()] }));
        let debug = format!("{keys:?}");
        for name in PRIVATE_MEMBERS {
            let value = key[name].as_str().unwrap();
            assert!(value.len() < 8 || !debug.contains(value), "{name}");
        }
    }

    #[test]
    fn what_is_imported_are_the_numbers_alone() {
        let mut key = own_key().private_jwk();
        key["key_ops"] = json!(["verify"]);
        let keys = parse(&[("A", &key)], None).unwrap();
        let jwk: Value = serde_json::from_str(keys.active_private_jwk().expose()).unwrap();
        let names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["d", "dp", "dq", "e", "kty", "n", "p", "q", "qi"]);
        assert_eq!(jwk["d"], key["d"]);
    }

    #[test]
    fn unsuitable_keys_are_refused_with_a_sentence() {
        let with = |name: &str, value: Value| {
            let mut key = own_key().private_jwk();
            key[name] = value;
            key
        };
        assert!(problem(&TestKey::new(Algorithm::ES256, 1, "k").private_jwk()).contains("RSA"));
        assert!(problem(&with("kty", json!("rsa"))).contains("RSA"));
        assert!(problem(&with("alg", json!("RS512"))).contains("RS256"));
        assert!(problem(&with("use", json!("enc"))).contains("\"use\""));
        for id in [json!(""), json!("a b"), json!("\u{e4}"), json!("k".repeat(65)), json!(null)] {
            assert!(problem(&with("kid", id)).contains("\"kid\""));
        }
        assert!(problem(&with("kid", json!(5))).contains("must be a JWK"));
        assert!(problem(&with("n", json!("AQAB"))).contains("2048"));
        assert!(problem(&with("n", json!("!"))).contains("\"n\""));
        let mut large = vec![0xff; 513];
        large[0] = 1;
        assert!(problem(&with("n", json!(Base64UrlUnpadded::encode_string(&large)))).contains("4096"));
        assert!(problem(&with("e", json!("AQ"))).contains("\"e\""));
        assert!(problem(&with("e", json!("AAAA"))).contains("\"e\""));
        for name in PRIVATE_MEMBERS {
            assert!(problem(&with(name, json!(null))).contains("all of"), "{name}");
            assert!(problem(&with(name, json!(""))).contains("all of"), "{name}");
            assert!(problem(&with(name, json!("AQAB="))).contains("all of"), "{name}");
        }
        for no_jwk in [json!(5), json!([]), json!("-----BEGIN PRIVATE KEY-----")] {
            assert!(problem(&no_jwk).contains("JWK"));
        }
    }

    #[test]
    fn keys_have_different_ids() {
        let twin = TestKey::new(Algorithm::RS256, 2, "own-a").private_jwk();
        let problems = parse(&[("A", &own_key().private_jwk()), ("B", &twin)], Some("A")).unwrap_err();
        assert_eq!(
            problems,
            [("SIGNING_KEY_B".to_owned(), "has the \"kid\" of another signing key.".to_owned())]
        );
    }

    #[test]
    fn there_must_be_a_key() {
        assert_eq!(parse(&[], None).unwrap_err()[0].0, "SIGNING_KEY_1");
    }

    #[test]
    fn no_problem_shows_anything_of_a_key() {
        let key = own_key().private_jwk();
        let secret = key["d"].as_str().unwrap();
        let broken = key.to_string().replace('}', "");
        let problems = SigningKeys::parse(&[("SIGNING_KEY_A".to_owned(), broken)], None).unwrap_err();
        assert!(!format!("{problems:?}").contains(secret));
    }
}
