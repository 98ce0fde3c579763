//! What this server hands out itself: access and id tokens that it signs, mfa_tokens and oob codes that it seals.
//!
//! Signed tokens say, beside what RFC 9068 and OpenID Connect Core 1.0 define: `sub`, the user as `{issuer's
//! name}|{subject}`, and `idp_iss` and `idp_sub`, the issuer and the subject as the identity provider has them.

use zeroize::Zeroizing;

use super::bearer::{Identity, MULTIPLE_FACTORS};
use super::jwk::Thumbprint;
use crate::app::App;
use crate::base64url;
use crate::config::Config;
use crate::json::{self, Json, object};
use crate::mfa::factor::AuthenticatorId;
use crate::mfa::language;
use crate::mfa::policy::MULTI_FACTOR_CLASS;
use crate::platform::{KeyError, Platform, RandomError};
use crate::storage::keyring::{Keyring, OpenError, SealError};
use crate::types::{ClientId, Scopes, TransactionId, UnixSeconds, UserId};

/// Lifetime of access tokens for the MFA audience, and of mfa_tokens.
pub const MFA_TOKEN_SECONDS: i64 = 600;

/// What own mfa_tokens begin with. A JWT never does.
pub const MFA_TOKEN_PREFIX: &str = "csmfa_";
const OOB_CODE_PREFIX: &str = "csoob_";

const MFA_TOKEN_PURPOSE: &str = "mfa_token";
const OOB_CODE_PURPOSE: &str = "oob_code";

/// Clients keep mfa_tokens in cookies.
const MAXIMUM_MFA_TOKEN_BYTES: usize = 1024;

/// What tokens are issued for, whatever the grant.
#[derive(Debug, Clone)]
pub struct TokenGrant<'a> {
    /// Whose it is.
    pub user: &'a UserId,
    /// For whom the tokens are.
    pub client: &'a ClientId,
    /// The API that the access token is for.
    pub audience: &'a str,
    /// What it may be used for there.
    pub scopes: &'a Scopes,
    /// The factors that were used, as `amr` has them (RFC 8176).
    pub authentication_methods: &'a [String],
    /// When the last factor was used.
    pub authenticated_at: UnixSeconds,
    /// What is known of the person, for the id_token.
    pub identity: &'a Identity,
    /// The tokens end no later than this.
    pub not_after: Option<UnixSeconds>,
    /// The key that the access token is bound to (RFC 9449).
    pub bound_to: Option<&'a Thumbprint>,
}

impl TokenGrant<'_> {
    /// Whether a second factor stands behind the tokens.
    #[must_use]
    pub fn proves_mfa(&self) -> bool {
        self.authentication_methods.iter().any(|method| method == MULTIPLE_FACTORS)
    }
}

/// A signed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// The JWT.
    pub token: String,
    /// Its lifetime in seconds.
    pub expires_in: i64,
}

/// Why no token could be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MintError {
    /// The random source failed.
    Random,
    /// The signing key cannot be imported or used.
    Key(KeyError),
}

/// An access token (RFC 9068): ten minutes for the MFA audience, `ACCESS_TOKEN_SECONDS` for others.
///
/// # Errors
/// See [`MintError`].
pub async fn mint_access_token<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    grant: &TokenGrant<'_>,
) -> Result<Minted, MintError> {
    let expires_at = expiry(&app.config, now, grant);
    let mut claims = common_claims(app, now, expires_at, grant)?;
    claims.set("aud", grant.audience);
    claims.set("client_id", grant.client.as_str());
    claims.set("scope", grant.scopes.to_string());
    if let Some(key) = grant.bound_to {
        claims.set("cnf", object! { "jkt": key.as_str() });
    }
    sign(app, "at+jwt", &claims).await.map(|token| Minted { token, expires_in: expires_at.since(now) })
}

/// An id_token (OpenID Connect Core 1.0 section 2) for the client, with the e-mail address and name where the scopes
/// `email` and `profile` ask for them.
///
/// # Errors
/// See [`MintError`].
pub async fn mint_id_token<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    grant: &TokenGrant<'_>,
) -> Result<Minted, MintError> {
    let expires_at = expiry(&app.config, now, grant);
    let mut claims = common_claims(app, now, expires_at, grant)?;
    claims.set("aud", grant.client.as_str());
    if let Some(email) = grant.identity.email.as_deref().filter(|_| grant.scopes.contains("email")) {
        claims.set("email", email);
        claims.set("email_verified", grant.identity.email_verified);
    }
    if let Some(name) = grant.identity.name.as_deref().filter(|_| grant.scopes.contains("profile")) {
        claims.set("name", name);
    }
    sign(app, "JWT", &claims).await.map(|token| Minted { token, expires_in: expires_at.since(now) })
}

fn expiry(config: &Config, now: UnixSeconds, grant: &TokenGrant<'_>) -> UnixSeconds {
    let lifetime =
        if config.is_mfa_audience(grant.audience) { MFA_TOKEN_SECONDS } else { config.access_token_seconds };
    let expires_at = now.plus(lifetime);
    grant.not_after.map_or(expires_at, |limit| limit.min(expires_at))
}

/// What both kinds of token say.
fn common_claims<'a, P: Platform>(
    app: &'a App<P>,
    now: UnixSeconds,
    expires_at: UnixSeconds,
    grant: &'a TokenGrant<'_>,
) -> Result<Json<'a>, MintError> {
    let token_id = app.platform.random::<16>().map_err(|RandomError| MintError::Random)?;
    let mut claims = object! {
        "iss": app.config.issuer(),
        "sub": grant.user.as_str(),
        "azp": grant.client.as_str(),
        "iat": now.0,
        "exp": expires_at.0,
        "jti": base64url::encode(&token_id),
        "amr": grant.authentication_methods,
        "auth_time": grant.authenticated_at.0,
        "idp_sub": grant.user.subject(),
    };
    if let Some(issuer) = app.config.trusted_issuer(grant.user.issuer_name()) {
        claims.set("idp_iss", issuer.issuer.as_str());
    }
    if grant.proves_mfa() {
        claims.set("acr", MULTI_FACTOR_CLASS);
    }
    Ok(claims)
}

async fn sign<P: Platform>(app: &App<P>, media_type: &str, claims: &Json<'_>) -> Result<String, MintError> {
    let header =
        object! { "alg": "RS256", "kid": app.config.signing_keys.active_key_id(), "typ": media_type };
    let part = |value: &Json<'_>| base64url::encode(value.write().as_bytes());
    let signing_input = format!("{}.{}", part(&header), part(claims));
    let key = signing_key(app).await.map_err(MintError::Key)?;
    let signature = app.platform.sign(&key, signing_input.as_bytes()).await.map_err(MintError::Key)?;
    Ok(format!("{signing_input}.{}", base64url::encode(&signature)))
}

/// The active key, imported once per isolate.
async fn signing_key<P: Platform>(app: &App<P>) -> Result<P::SigningKey, KeyError> {
    let imported = app.isolate.signing_key.borrow().clone();
    if let Some(key) = imported {
        return Ok(key);
    }
    let key = app.platform.import_signing_key(app.config.signing_keys.active_private_jwk().expose()).await?;
    app.isolate.signing_key.replace(Some(key.clone()));
    Ok(key)
}

/// What an own mfa_token holds. Clients cannot read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMfaToken {
    /// The login that it stands for: a random id, not derived from anything.
    pub transaction: TransactionId,
    /// Who has passed the first factor.
    pub user: UserId,
    /// Through which client.
    pub client: ClientId,
    /// What the final token is to be for, if that was asked.
    pub audience: Option<String>,
    /// The scopes that the final token is to have, if any were asked.
    pub scopes: Option<Scopes>,
    /// The first factor, as `amr` has it.
    pub first_factors: Vec<String>,
    /// Second factors that the login has used, as `mfa_requirements` calls them.
    pub used_factors: Vec<String>,
    /// The key that the exchange must be proved by (RFC 9449).
    pub bound_to: Option<Thumbprint>,
    /// What is known of the person.
    pub identity: Identity,
    /// When it was issued.
    pub issued_at: UnixSeconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
}

/// Why no mfa_token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MfaTokenError {
    /// It would have over 1 KB: audience, scopes or names are too long.
    TooLong,
    /// The keyring cannot seal.
    Seal,
}

/// Seals an mfa_token; `nonce` is random.
///
/// # Errors
/// See [`MfaTokenError`].
pub fn seal_mfa_token(
    keyring: &Keyring,
    token: &OwnMfaToken,
    nonce: [u8; 12],
) -> Result<String, MfaTokenError> {
    // One letter a member: every byte counts for who keeps it in a cookie.
    let written = object! {
        "i": &token.transaction.0,
        "u": token.user.as_str(),
        "c": token.client.as_str(),
        "a": token.audience.as_deref(),
        "s": token.scopes.as_ref().map(ToString::to_string),
        "m": Some(token.first_factors.as_slice()).filter(|factors| !factors.is_empty()),
        "f": Some(token.used_factors.as_slice()).filter(|factors| !factors.is_empty()),
        "k": token.bound_to.as_ref().map(Thumbprint::as_str),
        "e": token.identity.email.as_deref(),
        "v": Some(true).filter(|_| token.identity.email_verified),
        // Labels end at 64 characters.
        "n": token.identity.name.as_ref().map(|name| name.chars().take(64).collect::<String>()),
        "l": token.identity.locale.as_deref().and_then(language::tag),
        "t": token.issued_at.0,
        "x": token.expires_at.0,
    }
    .without_nulls();
    let sealed = seal(keyring, MFA_TOKEN_PREFIX, MFA_TOKEN_PURPOSE, &written, nonce)
        .map_err(|SealError| MfaTokenError::Seal)?;
    if sealed.len() > MAXIMUM_MFA_TOKEN_BYTES { Err(MfaTokenError::TooLong) } else { Ok(sealed) }
}

/// Opens an own mfa_token, expired or not.
///
/// # Errors
/// [`Unreadable`] for everything that [`seal_mfa_token`] did not make with a known key.
pub fn open_mfa_token(keyring: &Keyring, text: &str) -> Result<OwnMfaToken, Unreadable> {
    if text.len() > MAXIMUM_MFA_TOKEN_BYTES {
        return Err(Unreadable::Malformed);
    }
    let opened = open(keyring, MFA_TOKEN_PREFIX, MFA_TOKEN_PURPOSE, text)?;
    let written = json::parse(&opened).map_err(|_| Unreadable::Malformed)?;
    let members = ["i", "u", "c", "a", "s", "m", "f", "k", "e", "v", "n", "l", "t", "x"];
    read_mfa_token(&written).filter(|_| written.unknown(&members).is_none()).ok_or(Unreadable::Malformed)
}

fn read_mfa_token(written: &Json<'_>) -> Option<OwnMfaToken> {
    let text = |name| written.text(name).map(str::to_owned);
    let texts = |name| {
        let texts = written.member(name).map_or(Some(Vec::new()), Json::as_texts)?;
        Some(texts.into_iter().map(str::to_owned).collect())
    };
    Some(OwnMfaToken {
        transaction: TransactionId(text("i")?),
        user: UserId::parse(written.text("u")?)?,
        client: ClientId(text("c")?),
        audience: text("a"),
        scopes: written.text("s").map(Scopes::parse),
        first_factors: texts("m")?,
        used_factors: texts("f")?,
        bound_to: match written.text("k") {
            Some(key) => Some(Thumbprint::parse(key)?),
            None => None,
        },
        identity: Identity {
            email: text("e"),
            email_verified: written.member("v") == Some(&Json::Bool(true)),
            name: text("n"),
            locale: text("l"),
        },
        issued_at: UnixSeconds(written.integer("t")?),
        expires_at: UnixSeconds(written.integer("x")?),
    })
}

/// What an oob_code stands for. Clients cannot read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OobCode {
    /// The id of the enrollment or challenge whose code was sent.
    pub owner: String,
    /// Whose it is.
    pub user: UserId,
    /// Through which client.
    pub client: ClientId,
    /// The login that it belongs to; none when an access token enrolled.
    pub transaction: Option<TransactionId>,
    /// What messages to the recipient are charged to. None of a test recipient's, nor before there was one in these codes.
    pub recipient: Option<String>,
    /// When the code ends.
    pub expires_at: UnixSeconds,
}

impl OobCode {
    /// Whether its owner is an enrollment: that has the id of the authenticator that it will be.
    #[must_use]
    pub fn is_of_enrollment(&self) -> bool {
        AuthenticatorId::parse(&self.owner).is_some()
    }
}

/// Why a sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is none of ours, was changed, or is for something else.
    Malformed,
    /// It is sealed with a key that is not known, or not any more.
    UnknownKey,
}

/// Seals an oob_code; `nonce` is random.
///
/// # Errors
/// [`SealError`] when the keyring cannot seal.
pub fn seal_oob_code(keyring: &Keyring, code: &OobCode, nonce: [u8; 12]) -> Result<String, SealError> {
    let written = object! {
        "i": &code.owner,
        "u": code.user.as_str(),
        "c": code.client.as_str(),
        "t": code.transaction.as_ref().map(TransactionId::as_str),
        "r": code.recipient.as_deref(),
        "x": code.expires_at.0,
    }
    .without_nulls();
    seal(keyring, OOB_CODE_PREFIX, OOB_CODE_PURPOSE, &written, nonce)
}

/// Opens an oob_code, expired or not.
///
/// # Errors
/// [`Unreadable`] for everything that [`seal_oob_code`] did not make with a known key.
pub fn open_oob_code(keyring: &Keyring, text: &str) -> Result<OobCode, Unreadable> {
    let opened = open(keyring, OOB_CODE_PREFIX, OOB_CODE_PURPOSE, text)?;
    let written = json::parse(&opened).map_err(|_| Unreadable::Malformed)?;
    let members = ["i", "u", "c", "t", "r", "x"];
    read_oob_code(&written).filter(|_| written.unknown(&members).is_none()).ok_or(Unreadable::Malformed)
}

fn read_oob_code(written: &Json<'_>) -> Option<OobCode> {
    let text = |name| written.text(name).map(str::to_owned);
    Some(OobCode {
        owner: text("i")?,
        user: UserId::parse(written.text("u")?)?,
        client: ClientId(text("c")?),
        transaction: text("t").map(TransactionId),
        recipient: text("r"),
        expires_at: UnixSeconds(written.integer("x")?),
    })
}

fn seal(
    keyring: &Keyring,
    prefix: &str,
    purpose: &'static str,
    content: &Json<'_>,
    nonce: [u8; 12],
) -> Result<String, SealError> {
    Ok([prefix, &keyring.seal_token(purpose, content.write().as_bytes(), nonce)?].concat())
}

fn open(
    keyring: &Keyring,
    prefix: &str,
    purpose: &'static str,
    text: &str,
) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let sealed = text.strip_prefix(prefix).ok_or(Unreadable::Malformed)?;
    keyring.open_token(purpose, sealed).map_err(|error| match error {
        OpenError::UnknownKey(_) => Unreadable::UnknownKey,
        OpenError::Malformed | OpenError::Forged => Unreadable::Malformed,
    })
}

#[cfg(test)]
mod tests;
