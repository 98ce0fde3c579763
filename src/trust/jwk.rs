//! Public keys as they stand in a JWK Set (RFC 7517), narrowed to those that are worth importing.

use sha2::{Digest, Sha256};

use crate::algorithm::{Algorithm, Family};
use crate::base64url;
use crate::json::{self, Json, object};

/// RFC 7518 section 3.3 demands it.
const MINIMUM_RSA_BITS: usize = 2048;
/// A verification's cost grows with the square of it, and the key is somebody else's choice.
const MAXIMUM_RSA_BITS: usize = 8192;
/// Exponents up to 2^32: larger ones make verification slow and are never used.
const MAXIMUM_EXPONENT_BYTES: usize = 4;
/// More keys than any issuer has at once.
const MAXIMUM_KEYS: usize = 64;
/// Members that only a private or symmetric key has (RFC 7518 section 6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key that one of [`Algorithm`]s can use: of sane size, meant for verifying, with no private member.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicJwk {
    /// `kid`.
    pub key_id: Option<String>,
    /// `alg`, if the key is for one algorithm only.
    pub algorithm: Option<Algorithm>,
    material: Material,
}

/// The public numbers of a key.
#[derive(Debug, Clone, PartialEq)]
enum Material {
    /// RFC 7518 section 6.3.1.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// A point on P-256 (RFC 7518 section 6.2.1).
    P256 { x: Vec<u8>, y: Vec<u8> },
    /// RFC 8037 section 2.
    Ed25519 { x: Vec<u8> },
}

impl Material {
    const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::P256 { .. } => Family::P256,
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }
}

impl PublicJwk {
    /// Reads one entry of a JWK Set.
    ///
    /// # Errors
    /// Why the entry cannot be used.
    pub fn read(entry: &Json<'_>) -> Result<Self, UnusableKey> {
        if entry.as_object().is_none() {
            return Err(UnusableKey::NotAnObject);
        }
        if SECRET_MEMBERS.iter().any(|name| entry.member(name).is_some()) {
            return Err(UnusableKey::Private);
        }
        let key_id = optional_text(entry, "kid")?.map(str::to_owned);
        let algorithm = optional_text(entry, "alg")?
            .map(|name| Algorithm::parse(name).ok_or(UnusableKey::UnsupportedAlgorithm))
            .transpose()?;
        if entry.member("use").is_some_and(|usage| usage.as_text() != Some("sig")) {
            return Err(UnusableKey::NotForVerifying);
        }
        if let Some(operations) = entry.member("key_ops") {
            let operations = operations.as_array().ok_or(UnusableKey::Malformed)?;
            if !operations.iter().any(|operation| operation.as_text() == Some("verify")) {
                return Err(UnusableKey::NotForVerifying);
            }
        }
        let material = checked_material(entry)?;
        if algorithm.is_some_and(|algorithm| algorithm.family() != material.family()) {
            return Err(UnusableKey::AlgorithmContradictsType);
        }
        Ok(Self { key_id, algorithm, material })
    }

    /// Whether a signature by `algorithm` can be checked with this key.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.material.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// JSON of the key's material alone (`kty` and the public numbers), as an import wants it.
    #[must_use]
    pub fn material(&self) -> String {
        self.members().write()
    }

    /// The hash by which others name the key (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(base64url::encode(&Sha256::digest(self.material().as_bytes())))
    }

    /// The required members in the order of their names, as RFC 7638 section 3.2 hashes them.
    pub(super) fn members(&self) -> Json<'_> {
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                object! { "e": base64url::encode(exponent), "kty": "RSA", "n": base64url::encode(modulus) }
            }
            Material::P256 { x, y } => {
                object! { "crv": "P-256", "kty": "EC", "x": base64url::encode(x), "y": base64url::encode(y) }
            }
            Material::Ed25519 { x } => {
                object! { "crv": "Ed25519", "kty": "OKP", "x": base64url::encode(x) }
            }
        }
    }

    /// A JWK again, with nothing but what was checked.
    #[must_use]
    pub fn written(&self) -> Json<'_> {
        let mut jwk = self.members();
        if let Some(id) = &self.key_id {
            jwk.set("kid", id);
        }
        if let Some(algorithm) = self.algorithm {
            jwk.set("alg", algorithm.as_str());
        }
        jwk
    }
}

/// What names a public key: SHA-256 of its members (RFC 7638), in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Reads what somebody else has computed; `None` where that is no SHA-256 in base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = base64url::decode(text)?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text, as `jkt` has it (RFC 9449 section 6.1).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The usable keys of a JWK Set (RFC 7517 section 5). Entries that cannot be used are skipped: one odd key must not
/// lock out everybody.
///
/// # Errors
/// When the text is no JWK Set, or no entry can be used.
pub fn parse_set(text: &[u8]) -> Result<Vec<PublicJwk>, UnusableSet> {
    let document = json::parse(text).map_err(|_| UnusableSet::NotJson)?;
    let entries = document.array("keys").ok_or(UnusableSet::NoKeysMember)?;
    let keys: Vec<_> =
        entries.iter().filter_map(|entry| PublicJwk::read(entry).ok()).take(MAXIMUM_KEYS).collect();
    if keys.is_empty() { Err(UnusableSet::NoUsableKey) } else { Ok(keys) }
}

/// Why a JWK was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableKey {
    /// The entry is not a JSON object.
    NotAnObject,
    /// A member is missing, has the wrong type or is not base64url.
    Malformed,
    /// It holds private or symmetric material.
    Private,
    /// `kty` or `crv` is one that no accepted algorithm uses.
    UnsupportedType,
    /// `alg` names an algorithm that is not accepted.
    UnsupportedAlgorithm,
    /// `alg` and `kty` contradict each other.
    AlgorithmContradictsType,
    /// `use` or `key_ops` say that it is for something else.
    NotForVerifying,
    /// An RSA modulus under 2048 or over 8192 bits, or even.
    UnsuitableModulus,
    /// An RSA exponent that is even, below 3 or over 32 bits.
    UnsuitableExponent,
}

impl UnusableKey {
    /// As events say it, beside the word that the key is unusable.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Malformed => "malformed",
            Self::Private => "private",
            Self::UnsupportedType => "unsupported_type",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmContradictsType => "algorithm_contradicts_type",
            Self::NotForVerifying => "not_for_verifying",
            Self::UnsuitableModulus => "unsuitable_modulus",
            Self::UnsuitableExponent => "unsuitable_exponent",
        }
    }
}

/// Why a document is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableSet {
    /// It is not JSON.
    NotJson,
    /// It has no array called `keys`.
    NoKeysMember,
    /// Every entry was skipped.
    NoUsableKey,
}

impl UnusableSet {
    /// As events say it, beside the word that the set is unusable.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NoKeysMember => "no_keys_member",
            Self::NoUsableKey => "no_usable_key",
        }
    }
}

/// The key's public numbers, once they are within bounds.
fn checked_material(entry: &Json<'_>) -> Result<Material, UnusableKey> {
    match (entry.text("kty").ok_or(UnusableKey::Malformed)?, entry.text("crv")) {
        ("RSA", _) => {
            let (modulus, exponent) = (number(entry, "n")?, number(entry, "e")?);
            let (modulus, exponent) = (without_leading_zeros(&modulus), without_leading_zeros(&exponent));
            check_rsa_modulus(modulus)?;
            check_rsa_exponent(exponent)?;
            Ok(Material::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
        }
        ("EC", Some("P-256")) => {
            Ok(Material::P256 { x: coordinate(entry, "x")?, y: coordinate(entry, "y")? })
        }
        ("OKP", Some("Ed25519")) => Ok(Material::Ed25519 { x: coordinate(entry, "x")? }),
        _ => Err(UnusableKey::UnsupportedType),
    }
}

fn optional_text<'a>(entry: &'a Json<'_>, name: &str) -> Result<Option<&'a str>, UnusableKey> {
    match entry.member(name) {
        None => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or(UnusableKey::Malformed),
    }
}

fn number(entry: &Json<'_>, name: &str) -> Result<Vec<u8>, UnusableKey> {
    let text = entry.text(name).ok_or(UnusableKey::Malformed)?;
    base64url::decode(text).ok_or(UnusableKey::Malformed)
}

/// A coordinate of a curve with 256 bits, which has all of its bytes (RFC 7518 section 6.2.1.2, RFC 8037 section 2).
fn coordinate(entry: &Json<'_>, name: &str) -> Result<Vec<u8>, UnusableKey> {
    let bytes = number(entry, name)?;
    if bytes.len() == 32 { Ok(bytes) } else { Err(UnusableKey::Malformed) }
}

/// Whether a big-endian RSA modulus without leading zeros is odd and of 2048 to 8192 bits.
pub(super) fn check_rsa_modulus(modulus: &[u8]) -> Result<(), UnusableKey> {
    let bits = bit_length(modulus);
    let odd = modulus.last().is_some_and(|last| last & 1 == 1);
    if odd && (MINIMUM_RSA_BITS..=MAXIMUM_RSA_BITS).contains(&bits) {
        Ok(())
    } else {
        Err(UnusableKey::UnsuitableModulus)
    }
}

/// Whether a big-endian RSA exponent without leading zeros is odd, at least 3 and under 2^32.
pub(super) fn check_rsa_exponent(exponent: &[u8]) -> Result<(), UnusableKey> {
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    if odd && exponent != [1] && exponent.len() <= MAXIMUM_EXPONENT_BYTES {
        Ok(())
    } else {
        Err(UnusableKey::UnsuitableExponent)
    }
}

/// Some issuers write the sign octet of their big-number library; RFC 7518 section 2 says that it must not be there.
pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bit_length(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len().saturating_mul(8).saturating_sub(unused)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rsa(bits: usize, exponent: &[u8]) -> Value {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        let unused_bits = bits.next_multiple_of(8).abs_diff(bits);
        modulus[0] = 0xff_u8 >> unused_bits;
        json!({ "kty": "RSA", "n": base64url::encode(&modulus), "e": base64url::encode(exponent) })
    }

    fn from_value(entry: &Value) -> Result<PublicJwk, UnusableKey> {
        PublicJwk::read(&json::parse(entry.to_string().as_bytes()).unwrap())
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&[1; 32]), "y": base64url::encode(&[2; 32]) })
    }

    fn ed25519() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&[3; 32]) })
    }

    /// The command line registers what is accepted here, and nothing else.
    #[test]
    fn keys_of_clients_are_accepted_as_the_command_line_judges_them() {
        let keys: Value = serde_json::from_str(include_str!("../../tests/support/client-keys.json")).unwrap();
        for row in keys.as_array().unwrap() {
            let usable = from_value(&row["key"])
                .is_ok_and(|key| Algorithm::OF_CLIENTS.iter().any(|algorithm| key.fits(*algorithm)));
            assert_eq!(json!(usable), row["accepted"], "{}", row["what"]);
        }
    }

    #[test]
    fn an_rsa_key_fits_every_rsa_algorithm_and_nothing_else() {
        let key = from_value(&rsa(2048, &[1, 0, 1])).unwrap();
        for algorithm in Algorithm::ALL {
            assert_eq!(key.fits(algorithm), algorithm.family() == Family::Rsa, "{algorithm:?}");
        }
        assert!(from_value(&p256()).unwrap().fits(Algorithm::ES256));
        assert!(!from_value(&p256()).unwrap().fits(Algorithm::EdDSA));
        assert!(from_value(&ed25519()).unwrap().fits(Algorithm::EdDSA));
    }

    #[test]
    fn a_key_for_one_algorithm_is_used_for_that_one_only() {
        let key = from_value(&with(rsa(2048, &[3]), "alg", json!("PS256"))).unwrap();
        assert!(key.fits(Algorithm::PS256));
        assert!(!key.fits(Algorithm::RS256));
    }

    #[test]
    fn a_key_meant_for_something_else_is_not_used() {
        let encryption = with(rsa(2048, &[1, 0, 1]), "use", json!("enc"));
        assert_eq!(from_value(&encryption), Err(UnusableKey::NotForVerifying));
        let signing_only = with(rsa(2048, &[1, 0, 1]), "key_ops", json!(["sign"]));
        assert_eq!(from_value(&signing_only), Err(UnusableKey::NotForVerifying));
        let no_array = with(rsa(2048, &[1, 0, 1]), "key_ops", json!("verify"));
        assert_eq!(from_value(&no_array), Err(UnusableKey::Malformed));
        let verifying = with(with(rsa(2048, &[1, 0, 1]), "key_ops", json!(["verify"])), "use", json!("sig"));
        assert!(from_value(&verifying).is_ok());
        let oaep = with(rsa(2048, &[1, 0, 1]), "alg", json!("RSA-OAEP"));
        assert_eq!(from_value(&oaep), Err(UnusableKey::UnsupportedAlgorithm));
        let contradiction = with(p256(), "alg", json!("RS256"));
        assert_eq!(from_value(&contradiction), Err(UnusableKey::AlgorithmContradictsType));
    }

    #[test]
    fn rsa_numbers_have_bounds() {
        for (bits, fits) in [(1024, false), (2047, false), (2048, true), (8192, true), (8200, false)] {
            assert_eq!(from_value(&rsa(bits, &[1, 0, 1])).is_ok(), fits, "{bits}");
        }
        for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            let key = from_value(&rsa(2048, exponent));
            assert_eq!(key, Err(UnusableKey::UnsuitableExponent), "{exponent:?}");
        }
        assert!(from_value(&rsa(2048, &[3])).is_ok());
        let mut even = vec![0xff; 256];
        even[255] = 0xfe;
        let even = with(rsa(2048, &[1, 0, 1]), "n", json!(base64url::encode(&even)));
        assert_eq!(from_value(&even), Err(UnusableKey::UnsuitableModulus));
    }

    #[test]
    fn a_sign_octet_before_the_modulus_is_dropped_and_does_not_count() {
        let mut modulus = vec![0];
        modulus.extend([0xff; 256]);
        let key = with(rsa(2048, &[1, 0, 1]), "n", json!(base64url::encode(&modulus)));
        assert_eq!(from_value(&key), from_value(&rsa(2048, &[1, 0, 1])));
        let mut short = vec![0; 128];
        short.extend([0xff; 128]);
        let short = with(rsa(2048, &[1, 0, 1]), "n", json!(base64url::encode(&short)));
        assert_eq!(from_value(&short), Err(UnusableKey::UnsuitableModulus));
    }

    #[test]
    fn private_and_symmetric_keys_are_never_used() {
        for name in SECRET_MEMBERS {
            let key = with(rsa(2048, &[1, 0, 1]), name, json!("AQAB"));
            assert_eq!(from_value(&key), Err(UnusableKey::Private), "{name}");
        }
        let symmetric = json!({ "kty": "oct", "k": "AAAA" });
        assert_eq!(from_value(&symmetric), Err(UnusableKey::Private));
    }

    #[test]
    fn other_curves_and_broken_points_are_not_used() {
        let p384 = with(p256(), "crv", json!("P-384"));
        assert_eq!(from_value(&p384), Err(UnusableKey::UnsupportedType));
        let ed448 = with(ed25519(), "crv", json!("Ed448"));
        assert_eq!(from_value(&ed448), Err(UnusableKey::UnsupportedType));
        let short = with(p256(), "x", json!(base64url::encode(&[1; 31])));
        assert_eq!(from_value(&short), Err(UnusableKey::Malformed));
        let short = with(ed25519(), "x", json!(base64url::encode(&[1; 33])));
        assert_eq!(from_value(&short), Err(UnusableKey::Malformed));
    }

    /// RFC 7638 section 3.1, RFC 9449 section 6.1 (whose key stands in section 4.1), RFC 8037 appendix A.3.
    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        let rsa = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKR\
                  XjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaS\
                  qzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHa\
                  Q-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        });
        let p256 = json!({
            "kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        let ed25519 =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        for (key, thumbprint) in [
            (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (p256, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
            (ed25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ] {
            assert_eq!(from_value(&key).unwrap().thumbprint().as_str(), thumbprint);
        }
    }

    #[test]
    fn a_thumbprint_is_a_hash_in_its_only_spelling() {
        let good = from_value(&p256()).unwrap().thumbprint();
        assert_eq!(Thumbprint::parse(good.as_str()), Some(good.clone()));
        let short = base64url::encode(&[1; 31]);
        let padded = format!("{}=", good.as_str());
        // The last character has two bits that belong to no byte.
        let other_spelling = format!("{}B", "A".repeat(42));
        for text in
            ["", "AQAB", &short, &padded, &good.as_str().replace(|_: char| true, "+"), &other_spelling]
        {
            assert_eq!(Thumbprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_skips_what_it_cannot_use() {
        let set = json!({ "keys": [
            null, 5, "key", {}, { "kty": "RSA" }, { "kty": "RSA", "n": "!", "e": "AQAB" }, { "kty": 1 },
            { "kty": "oct", "k": "AAAA" }, with(rsa(1024, &[3]), "kid", json!("small")),
            with(p256(), "kid", json!(7)), with(rsa(2048, &[3]), "kid", json!("good")),
        ] });
        let keys = parse_set(set.to_string().as_bytes()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].key_id.as_deref(), Some("good"));
    }

    #[test]
    fn garbage_and_empty_sets_are_refused() {
        for (text, problem) in [
            ("", UnusableSet::NotJson),
            ("<html>", UnusableSet::NotJson),
            ("[]", UnusableSet::NoKeysMember),
            ("{}", UnusableSet::NoKeysMember),
            (r#"{"keys":{}}"#, UnusableSet::NoKeysMember),
            (r#"{"keys":[]}"#, UnusableSet::NoUsableKey),
            (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, UnusableSet::NoUsableKey),
        ] {
            assert_eq!(parse_set(text.as_bytes()), Err(problem), "{text}");
        }
    }

    #[test]
    fn a_set_ends_somewhere() {
        let set = json!({ "keys": vec![rsa(2048, &[3]); 100] });
        assert_eq!(parse_set(set.to_string().as_bytes()).unwrap().len(), MAXIMUM_KEYS);
    }

    #[test]
    fn what_is_kept_reads_back_as_the_same_key_without_anything_else() {
        let full = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&[1; 32]), "y": base64url::encode(&[2; 32]),
            "kid": "a", "alg": "ES256", "use": "sig", "x5c": ["MII"], "note": "of the issuer's own" });
        let key = from_value(&full).unwrap();
        let kept: Value = serde_json::from_str(&key.written().write()).unwrap();
        assert_eq!(from_value(&kept).unwrap(), key);
        assert!(kept.get("x5c").is_none() && kept.get("note").is_none());
        let material: Value = serde_json::from_str(&key.material()).unwrap();
        assert_eq!(material, p256());
    }
}
