//! Proofs of possession (DPoP, RFC 9449): a JWT by which a client shows, with each request, that it holds a key. Tokens
//! that name the key are worth nothing without it.
//!
//! A proof is bound to one method and URL, to the access token that it goes with, and by a nonce to the last minute. Its
//! `jti` is not remembered: within that minute a proof could be sent again, by somebody who has read the request and with
//! it the token or code, to the same URL only.

use sha2::{Digest, Sha256};

use super::http_url::HttpUrl;
use super::jwk::{PublicJwk, Thumbprint, UnusableKey};
use super::jwt::{JwtError, MAXIMUM_TOKEN_BYTES};
use crate::algorithm::Algorithm;
use crate::app::App;
use crate::audit::Reason;
use crate::base64url;
use crate::json::{self, Json};
use crate::platform::Platform;
use crate::storage::keyring::Keyring;
use crate::storage::places;
use crate::types::UnixSeconds;

/// For how long a nonce is good.
const NONCE_SECONDS: i64 = 60;
/// How far the clocks of this service's own machines may be apart.
const NONCE_SKEW_SECONDS: i64 = 5;
const MAXIMUM_JTI_BYTES: usize = 256;

/// The request that a proof is to be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Scheme, host and port as `PUBLIC_URL` has them.
    pub origin: &'a str,
    /// The path, without a query.
    pub path: &'a str,
    /// The access token that it goes with; none at the token endpoint.
    pub access_token: Option<&'a str>,
}

/// Why a proof proves nothing. Clients are told only whether it was the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofError {
    /// It is no JWT that could be read: several proofs are none, and an object with a member twice is malformed.
    Malformed(JwtError),
    /// `typ` is not `dpop+jwt`.
    OtherKindOfToken,
    /// `alg` is none of those that clients may use.
    AlgorithmNotAllowed,
    /// `jwk` is missing, private or unsuitable, or does not fit `alg`.
    UnusableKey(UnusableKey),
    /// `jwk` spells a number in another way than RFC 7518 does, so that others would compute another thumbprint.
    OtherSpelling,
    /// `htm` is not the request's method.
    OtherMethod,
    /// `htu` is not the request's URL.
    OtherUrl,
    /// `iat` is no number.
    NoIssueTime,
    /// `jti` is missing, empty or too long.
    UnsuitableTokenId,
    /// `ath` is not the hash of the access token.
    OtherAccessToken,
    /// `nonce` is no string.
    MalformedNonce,
    /// The key does not say that the signature is valid.
    InvalidSignature,
    /// The proof is good, but its nonce is missing, too old or none of ours.
    StaleNonce,
}

impl From<JwtError> for ProofError {
    fn from(error: JwtError) -> Self {
        Self::Malformed(error)
    }
}

impl ProofError {
    /// As events say it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::OtherKindOfToken => "other_kind_of_token".into(),
            Self::AlgorithmNotAllowed => "algorithm_not_allowed".into(),
            Self::UnusableKey(error) => Reason::about("unusable_key", error.word()),
            Self::OtherSpelling => "other_spelling".into(),
            Self::OtherMethod => "other_method".into(),
            Self::OtherUrl => "other_url".into(),
            Self::NoIssueTime => "no_issue_time".into(),
            Self::UnsuitableTokenId => "unsuitable_token_id".into(),
            Self::OtherAccessToken => "other_access_token".into(),
            Self::MalformedNonce => "malformed_nonce".into(),
            Self::InvalidSignature => "invalid_signature".into(),
            Self::StaleNonce => "stale_nonce".into(),
        }
    }
}

/// The key that the proof is by, if it proves at `now` what is `expected`.
///
/// # Errors
/// See [`ProofError`].
pub async fn verify_proof<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    text: &str,
    expected: &Expected<'_>,
) -> Result<Thumbprint, ProofError> {
    let proof = Proof::read(text, expected)?;
    // Whatever WebCrypto has against a key or a signature, both are the client's.
    let key = app.platform.import_verifying_key(proof.algorithm, &proof.key.material()).await;
    let key = key.map_err(|_| ProofError::InvalidSignature)?;
    let message = proof.signing_input.as_bytes();
    match app.platform.verify(proof.algorithm, &key, &proof.signature, message).await {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(ProofError::InvalidSignature),
    }
    if !proof.nonce.as_deref().is_some_and(|nonce| is_fresh(&app.config.keyring, now, nonce)) {
        return Err(ProofError::StaleNonce);
    }
    Ok(proof.key.thumbprint())
}

/// A nonce for the proofs of the next minute (RFC 9449, section 8): the time, and a hash by which it is known to be ours.
/// Nothing is stored, and every isolate knows every other's.
#[must_use]
pub fn nonce(keyring: &Keyring, now: UnixSeconds) -> String {
    let time = now.to_string();
    let hash = keyring.hash(places::DPOP_NONCE, &[&time]);
    format!("{time}.{hash}")
}

fn is_fresh(keyring: &Keyring, now: UnixSeconds, nonce: &str) -> bool {
    let Some((time, hash)) = nonce.split_once('.') else {
        return false;
    };
    let Ok(issued_at) = time.parse().map(UnixSeconds) else {
        return false;
    };
    (-NONCE_SKEW_SECONDS..=NONCE_SECONDS).contains(&now.since(issued_at))
        && keyring.hash_matches(places::DPOP_NONCE, &[time], hash) == Ok(true)
}

/// A proof that says what it should, by whatever key; its signature and the age of its nonce are still to be looked at.
#[derive(Debug)]
struct Proof<'a> {
    algorithm: Algorithm,
    key: PublicJwk,
    nonce: Option<String>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> Proof<'a> {
    fn read(text: &'a str, expected: &Expected<'_>) -> Result<Self, ProofError> {
        if text.len() > MAXIMUM_TOKEN_BYTES {
            return Err(JwtError::TooLong.into());
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(JwtError::NotAJwt)?;
        let (header, claims) = signing_input.split_once('.').ok_or(JwtError::NotAJwt)?;
        let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
        let (algorithm, key) = read_header(&object(&header).ok_or(JwtError::MalformedHeader)?)?;
        let claims = object(&claims).ok_or(JwtError::MalformedClaims)?;
        check_claims(&claims, expected)?;
        let nonce = match claims.member("nonce") {
            None => None,
            Some(nonce) => Some(nonce.as_text().ok_or(ProofError::MalformedNonce)?.to_owned()),
        };
        Ok(Self { algorithm, key, nonce, signing_input, signature })
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, JwtError> {
    base64url::decode(part).ok_or(JwtError::NotAJwt)
}

/// A JSON object that every reader reads alike.
fn object(text: &[u8]) -> Option<Json<'_>> {
    json::parse(text).ok().filter(|json| json.as_object().is_some() && json.repeated().is_none())
}

/// RFC 9449, section 4.3, points 4 to 7, without the signature.
fn read_header(header: &Json<'_>) -> Result<(Algorithm, PublicJwk), ProofError> {
    if header.text("typ") != Some("dpop+jwt") {
        return Err(ProofError::OtherKindOfToken);
    }
    if header.member("crit").is_some() {
        return Err(JwtError::CriticalExtension.into());
    }
    let algorithm = header.text("alg").and_then(Algorithm::parse);
    let algorithm = algorithm.filter(|algorithm| Algorithm::OF_CLIENTS.contains(algorithm));
    let algorithm = algorithm.ok_or(ProofError::AlgorithmNotAllowed)?;
    let jwk = header.member("jwk").ok_or(ProofError::UnusableKey(UnusableKey::Malformed))?;
    let key = PublicJwk::read(jwk).map_err(ProofError::UnusableKey)?;
    if jwk.repeated().is_some() {
        return Err(ProofError::UnusableKey(UnusableKey::Malformed));
    }
    if !key.fits(algorithm) {
        return Err(ProofError::UnusableKey(UnusableKey::AlgorithmContradictsType));
    }
    let members = key.members();
    if !members.as_object().unwrap_or_default().iter().all(|(name, value)| jwk.member(name) == Some(value)) {
        return Err(ProofError::OtherSpelling);
    }
    Ok((algorithm, key))
}

/// The same section, points 3, 8, 9 and 12. How old a proof may be is the nonce's matter (point 11): it is timed by our
/// clock, and many a client's own is wrong.
fn check_claims(claims: &Json<'_>, expected: &Expected<'_>) -> Result<(), ProofError> {
    if claims.text("htm") != Some(expected.method) {
        return Err(ProofError::OtherMethod);
    }
    if !claims.text("htu").is_some_and(|htu| is_url(htu, expected)) {
        return Err(ProofError::OtherUrl);
    }
    if !matches!(claims.member("iat"), Some(Json::Integer(_) | Json::Fraction(_) | Json::OtherNumber)) {
        return Err(ProofError::NoIssueTime);
    }
    if !claims.text("jti").is_some_and(|jti| (1..=MAXIMUM_JTI_BYTES).contains(&jti.len())) {
        return Err(ProofError::UnsuitableTokenId);
    }
    if let Some(token) = expected.access_token {
        let hash = base64url::encode(&Sha256::digest(token.as_bytes()));
        if claims.text("ath") != Some(&hash) {
            return Err(ProofError::OtherAccessToken);
        }
    }
    Ok(())
}

/// Whether `htu`, without query and fragment, is the request's URL, whatever the spelling of scheme, host and default
/// port (RFC 3986, section 6.2) or of the bar in an authenticator's id.
fn is_url(htu: &str, expected: &Expected<'_>) -> bool {
    let without_query = htu.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = without_query.split_once("://") else {
        return false;
    };
    let url = format!("{}://{rest}", scheme.to_ascii_lowercase());
    HttpUrl::parse(&url).is_ok_and(|url| {
        url.origin() == expected.origin && unescaped(url.path_and_query()) == unescaped(expected.path)
    })
}

fn unescaped(path: &str) -> String {
    path.replace("%7C", "|").replace("%7c", "|")
}

#[cfg(test)]
mod tests;
