//! What this server hands out itself: access and id tokens that it signs, mfa_tokens and oob codes that it seals.
//!
//! Signed tokens say, beside what RFC 9068 and OpenID Connect Core 1.0 define: `sub`, the user as `{issuer's
//! name}|{subject}`, and `idp_iss` and `idp_sub`, the issuer and the subject as the identity provider has them.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bearer::Identity;
use crate::app::App;
use crate::config::Config;
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

/// What a successful MFA grant is worth.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
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
    /// `acr`, if a class was reached.
    pub authentication_context: Option<&'a str>,
    /// When the last factor was used.
    pub authenticated_at: UnixSeconds,
    /// What is known of the person, for the id_token.
    pub identity: &'a Identity,
    /// The tokens end no later than this.
    pub not_after: Option<UnixSeconds>,
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
    grant: &Grant<'_>,
) -> Result<Minted, MintError> {
    let expires_at = expiry(&app.config, now, grant);
    let mut claims = common_claims(app, now, expires_at, grant)?;
    set(&mut claims, "aud", grant.audience);
    set(&mut claims, "client_id", grant.client.as_str());
    set(&mut claims, "scope", grant.scopes.to_string());
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
    grant: &Grant<'_>,
) -> Result<Minted, MintError> {
    let expires_at = expiry(&app.config, now, grant);
    let mut claims = common_claims(app, now, expires_at, grant)?;
    set(&mut claims, "aud", grant.client.as_str());
    if let Some(email) = grant.identity.email.as_deref().filter(|_| grant.scopes.contains("email")) {
        set(&mut claims, "email", email);
        set(&mut claims, "email_verified", grant.identity.email_verified);
    }
    if let Some(name) = grant.identity.name.as_deref().filter(|_| grant.scopes.contains("profile")) {
        set(&mut claims, "name", name);
    }
    sign(app, "JWT", &claims).await.map(|token| Minted { token, expires_in: expires_at.since(now) })
}

fn expiry(config: &Config, now: UnixSeconds, grant: &Grant<'_>) -> UnixSeconds {
    let lifetime =
        if config.is_mfa_audience(grant.audience) { MFA_TOKEN_SECONDS } else { config.access_token_seconds };
    let expires_at = now.plus(lifetime);
    grant.not_after.map_or(expires_at, |limit| limit.min(expires_at))
}

/// What both kinds of token say.
fn common_claims<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    expires_at: UnixSeconds,
    grant: &Grant<'_>,
) -> Result<Value, MintError> {
    let token_id = app.platform.random::<16>().map_err(|RandomError| MintError::Random)?;
    let mut claims = json!({
        "iss": app.config.issuer(),
        "sub": grant.user.as_str(),
        "azp": grant.client.as_str(),
        "iat": now.0,
        "exp": expires_at.0,
        "jti": BASE64URL_NOPAD.encode(&token_id),
        "amr": grant.authentication_methods,
        "auth_time": grant.authenticated_at.0,
        "idp_sub": grant.user.subject(),
    });
    if let Some(issuer) = app.config.trusted_issuer(grant.user.issuer_name()) {
        set(&mut claims, "idp_iss", issuer.issuer.as_str());
    }
    if let Some(class) = grant.authentication_context {
        set(&mut claims, "acr", class);
    }
    Ok(claims)
}

fn set(claims: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = claims.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

async fn sign<P: Platform>(app: &App<P>, media_type: &str, claims: &Value) -> Result<String, MintError> {
    let header = json!({ "alg": "RS256", "kid": app.config.signing_keys.active_key_id(), "typ": media_type });
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signing_input = format!("{}.{}", part(&header), part(claims));
    let key = signing_key(app).await.map_err(MintError::Key)?;
    let signature = app.platform.sign(&key, signing_input.as_bytes()).await.map_err(MintError::Key)?;
    Ok(format!("{signing_input}.{}", BASE64URL_NOPAD.encode(&signature)))
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

/// The sealed form, one letter a member: every byte counts for who keeps it in a cookie.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedMfaToken {
    #[serde(rename = "i")]
    transaction: String,
    #[serde(rename = "u")]
    user: String,
    #[serde(rename = "c")]
    client: String,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    scopes: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    first_factors: Vec<String>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
    email_verified: bool,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "t")]
    issued_at: i64,
    #[serde(rename = "x")]
    expires_at: i64,
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
    let written = SealedMfaToken {
        transaction: token.transaction.0.clone(),
        user: token.user.as_str().to_owned(),
        client: token.client.0.clone(),
        audience: token.audience.clone(),
        scopes: token.scopes.as_ref().map(ToString::to_string),
        first_factors: token.first_factors.clone(),
        email: token.identity.email.clone(),
        email_verified: token.identity.email_verified,
        // Labels end at 64 characters.
        name: token.identity.name.as_ref().map(|name| name.chars().take(64).collect()),
        issued_at: token.issued_at.0,
        expires_at: token.expires_at.0,
    };
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
    let written: SealedMfaToken = open(keyring, MFA_TOKEN_PREFIX, MFA_TOKEN_PURPOSE, text)?;
    Ok(OwnMfaToken {
        transaction: TransactionId(written.transaction),
        user: UserId::parse(&written.user).ok_or(Unreadable::Malformed)?,
        client: ClientId(written.client),
        audience: written.audience,
        scopes: written.scopes.as_deref().map(Scopes::parse),
        first_factors: written.first_factors,
        identity: Identity {
            email: written.email,
            email_verified: written.email_verified,
            name: written.name,
        },
        issued_at: UnixSeconds(written.issued_at),
        expires_at: UnixSeconds(written.expires_at),
    })
}

/// What an oob_code stands for. Clients cannot read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OobCode {
    /// The id of the enrollment, or of the challenge, whose code was sent.
    pub enrollment: String,
    /// Whose it is.
    pub user: UserId,
    /// Through which client.
    pub client: ClientId,
    /// The login that it belongs to; none when an access token enrolled.
    pub transaction: Option<TransactionId>,
    /// When the code ends.
    pub expires_at: UnixSeconds,
}

/// Why a sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is none of ours, was changed, or is for something else.
    Malformed,
    /// It is sealed with a key that is not known, or not any more.
    UnknownKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedOobCode {
    #[serde(rename = "i")]
    enrollment: String,
    #[serde(rename = "u")]
    user: String,
    #[serde(rename = "c")]
    client: String,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(rename = "x")]
    expires_at: i64,
}

/// Seals an oob_code; `nonce` is random.
///
/// # Errors
/// [`SealError`] when the keyring cannot seal.
pub fn seal_oob_code(keyring: &Keyring, code: &OobCode, nonce: [u8; 12]) -> Result<String, SealError> {
    let written = SealedOobCode {
        enrollment: code.enrollment.clone(),
        user: code.user.as_str().to_owned(),
        client: code.client.0.clone(),
        transaction: code.transaction.as_ref().map(|transaction| transaction.0.clone()),
        expires_at: code.expires_at.0,
    };
    seal(keyring, OOB_CODE_PREFIX, OOB_CODE_PURPOSE, &written, nonce)
}

/// Opens an oob_code, expired or not.
///
/// # Errors
/// [`Unreadable`] for everything that [`seal_oob_code`] did not make with a known key.
pub fn open_oob_code(keyring: &Keyring, text: &str) -> Result<OobCode, Unreadable> {
    let written: SealedOobCode = open(keyring, OOB_CODE_PREFIX, OOB_CODE_PURPOSE, text)?;
    Ok(OobCode {
        enrollment: written.enrollment,
        user: UserId::parse(&written.user).ok_or(Unreadable::Malformed)?,
        client: ClientId(written.client),
        transaction: written.transaction.map(TransactionId),
        expires_at: UnixSeconds(written.expires_at),
    })
}

fn seal<T: Serialize>(
    keyring: &Keyring,
    prefix: &str,
    purpose: &'static str,
    content: &T,
    nonce: [u8; 12],
) -> Result<String, SealError> {
    let plaintext = serde_json::to_vec(content).map_err(|_| SealError)?;
    Ok(format!("{prefix}{}", keyring.seal_token(purpose, &plaintext, nonce)?))
}

fn open<T: for<'a> Deserialize<'a>>(
    keyring: &Keyring,
    prefix: &str,
    purpose: &'static str,
    text: &str,
) -> Result<T, Unreadable> {
    let sealed = text.strip_prefix(prefix).ok_or(Unreadable::Malformed)?;
    let plaintext = keyring.open_token(purpose, sealed).map_err(|error| match error {
        OpenError::UnknownKey(_) => Unreadable::UnknownKey,
        OpenError::Malformed | OpenError::Forged => Unreadable::Malformed,
    })?;
    serde_json::from_slice(&plaintext).map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::configuration::own_key;
    use crate::testing::platform::FakePlatform;
    use crate::testing::{Variables, app, block_on};
    use crate::trust::algorithm::Algorithm;
    use crate::trust::key_sets::{KeySource, Signed, verify_signature};

    /// A grant whose parts a test can change.
    struct Scene {
        world: FakePlatform,
        app: App<FakePlatform>,
        user: UserId,
        client: ClientId,
        audience: String,
        scopes: Scopes,
        identity: Identity,
        not_after: Option<UnixSeconds>,
        class: Option<&'static str>,
    }

    impl Scene {
        fn new() -> Self {
            let world = FakePlatform::new();
            Self {
                app: app(&world),
                world,
                user: UserId::new("idp", "alice|x"),
                client: ClientId("app".to_owned()),
                audience: "https://api.example.com".to_owned(),
                scopes: Scopes::parse("openid read:notes"),
                identity: Identity {
                    email: Some("alice@example.com".to_owned()),
                    email_verified: true,
                    name: Some("Alice".to_owned()),
                },
                not_after: None,
                class: None,
            }
        }

        fn mint(&self, id_token: bool) -> Result<Minted, MintError> {
            let methods = ["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()];
            let grant = Grant {
                user: &self.user,
                client: &self.client,
                audience: &self.audience,
                scopes: &self.scopes,
                authentication_methods: &methods,
                authentication_context: self.class,
                authenticated_at: self.world.now().plus(-1),
                identity: &self.identity,
                not_after: self.not_after,
            };
            let now = self.world.now();
            if id_token {
                block_on(mint_id_token(&self.app, now, &grant))
            } else {
                block_on(mint_access_token(&self.app, now, &grant))
            }
        }

        fn claims(&self, id_token: bool) -> Value {
            part(&self.mint(id_token).unwrap().token, 1)
        }
    }

    fn part(token: &str, index: usize) -> Value {
        let bytes = BASE64URL_NOPAD.decode(token.split('.').nth(index).unwrap().as_bytes()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn an_access_token_says_who_what_for_and_how() {
        let scene = Scene::new();
        let now = scene.world.now().0;
        let minted = scene.mint(false).unwrap();
        assert_eq!(minted.expires_in, 3600);
        assert_eq!(part(&minted.token, 0), json!({ "alg": "RS256", "kid": "own-a", "typ": "at+jwt" }));
        let mut claims = part(&minted.token, 1);
        assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
        claims["jti"] = json!("random");
        let expected = json!({
            "iss": "https://mfa.example.com/", "sub": "idp|alice|x", "aud": "https://api.example.com",
            "azp": "app", "client_id": "app", "iat": now, "exp": now + 3600, "jti": "random",
            "scope": "openid read:notes", "amr": ["pwd", "otp", "mfa"], "auth_time": now - 1,
            "idp_iss": "https://idp.example.com/", "idp_sub": "alice|x",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn an_id_token_is_for_the_client_and_says_of_the_person_what_the_scopes_ask() {
        let mut scene = Scene::new();
        let minted = scene.mint(true).unwrap();
        assert_eq!(part(&minted.token, 0)["typ"], "JWT");
        let claims = part(&minted.token, 1);
        assert_eq!(claims["aud"], "app");
        assert_eq!(claims["sub"], "idp|alice|x");
        for name in ["email", "email_verified", "name", "scope", "client_id"] {
            assert!(claims.get(name).is_none(), "{name}");
        }
        scene.scopes = Scopes::parse("openid email");
        let claims = scene.claims(true);
        assert_eq!(
            (&claims["email"], &claims["email_verified"]),
            (&json!("alice@example.com"), &json!(true))
        );
        assert!(claims.get("name").is_none());
        scene.scopes = Scopes::parse("openid profile");
        let claims = scene.claims(true);
        assert_eq!(claims["name"], "Alice");
        assert!(claims.get("email").is_none() && claims.get("email_verified").is_none());
        scene.identity = Identity::default();
        scene.scopes = Scopes::parse("openid profile email");
        let claims = scene.claims(true);
        assert!(
            claims.get("email").is_none()
                && claims.get("email_verified").is_none()
                && claims.get("name").is_none()
        );
    }

    #[test]
    fn a_lifetime_depends_on_the_audience_and_on_the_token_that_asked() {
        let mut scene = Scene::new();
        let now = scene.world.now();
        scene.app = Variables::new().with("ACCESS_TOKEN_SECONDS", "7200").app(&scene.world);
        assert_eq!(scene.mint(false).unwrap().expires_in, 7200);
        scene.not_after = Some(now.plus(100));
        let minted = scene.mint(false).unwrap();
        assert_eq!((minted.expires_in, part(&minted.token, 1)["exp"].as_i64()), (100, Some(now.0 + 100)));
        for audience in ["https://mfa.example.com/mfa/", "https://mfa.example.com/mfa"] {
            scene.audience = audience.to_owned();
            scene.not_after = None;
            assert_eq!(scene.mint(false).unwrap().expires_in, 600);
            scene.not_after = Some(now.plus(9_999));
            assert_eq!(scene.mint(false).unwrap().expires_in, 600);
        }
    }

    #[test]
    fn a_class_is_told_only_if_there_is_one_and_a_removed_issuer_not_at_all() {
        let mut scene = Scene::new();
        assert!(scene.claims(false).get("acr").is_none());
        scene.class = Some("urn:example:high");
        assert_eq!(scene.claims(false)["acr"], "urn:example:high");
        scene.user = UserId::new("removed", "alice");
        assert!(scene.claims(false).get("idp_iss").is_none());
    }

    #[test]
    fn tokens_verify_with_the_published_keys() {
        let scene = Scene::new();
        let token = scene.mint(true).unwrap().token;
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let signed = Signed {
            key_id: Some("own-a"),
            algorithm: Algorithm::RS256,
            signature: &signature,
            message: message.as_bytes(),
        };
        let source = KeySource::Registered(scene.app.config.signing_keys.public_jwks());
        assert_eq!(block_on(verify_signature(&scene.app, scene.world.now(), &source, &signed)), Ok(()));
    }

    #[test]
    fn the_signing_key_is_imported_once_and_every_token_has_its_own_id() {
        let scene = Scene::new();
        let ids = [scene.claims(false), scene.claims(false), scene.claims(true)]
            .map(|claims| claims["jti"].clone());
        assert_eq!((scene.world.imports(), scene.world.signatures()), (1, 3));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }

    #[test]
    fn what_fails_is_told() {
        let scene = Scene::new();
        scene.world.break_signing(true);
        assert!(matches!(scene.mint(false), Err(MintError::Key(_))));
        scene.world.break_random(true);
        assert_eq!(scene.mint(true), Err(MintError::Random));
        let mut broken = own_key().private_jwk();
        broken["p"] = broken["q"].clone();
        let app = Variables::new().with("SIGNING_KEY_A", &broken.to_string()).app(&scene.world);
        scene.world.break_random(false);
        let scene = Scene { app, ..scene };
        assert!(matches!(scene.mint(false), Err(MintError::Key(_))), "numbers that make no key");
    }

    const NONCE: [u8; 12] = [9; 12];

    fn mfa_token() -> OwnMfaToken {
        OwnMfaToken {
            transaction: TransactionId("transaction".to_owned()),
            user: UserId::new("idp", "alice"),
            client: ClientId("app".to_owned()),
            audience: Some("https://api.example.com".to_owned()),
            scopes: Some(Scopes::parse("openid read:notes")),
            first_factors: vec!["pwd".to_owned()],
            identity: Identity {
                email: Some("alice@example.com".to_owned()),
                email_verified: true,
                name: Some("Alice".to_owned()),
            },
            issued_at: UnixSeconds(1),
            expires_at: UnixSeconds(601),
        }
    }

    fn oob_code() -> OobCode {
        OobCode {
            enrollment: "sms|dev_0123456789abcdef".to_owned(),
            user: UserId::new("idp", "alice"),
            client: ClientId("app".to_owned()),
            transaction: Some(TransactionId("transaction".to_owned())),
            expires_at: UnixSeconds(300),
        }
    }

    #[test]
    fn a_sealed_mfa_token_opens_to_what_it_was() {
        let scene = Scene::new();
        let keyring = &scene.app.config.keyring;
        let bare = OwnMfaToken {
            audience: None,
            scopes: None,
            first_factors: Vec::new(),
            identity: Identity::default(),
            ..mfa_token()
        };
        let no_scopes = OwnMfaToken { scopes: Some(Scopes::default()), ..mfa_token() };
        for token in [mfa_token(), bare, no_scopes] {
            let text = seal_mfa_token(keyring, &token, NONCE).unwrap();
            assert!(text.starts_with(MFA_TOKEN_PREFIX) && text.len() <= 1024);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)));
            assert_eq!(open_mfa_token(keyring, &text), Ok(token));
        }
    }

    #[test]
    fn an_mfa_token_over_one_kilobyte_is_not_made() {
        let scene = Scene::new();
        let keyring = &scene.app.config.keyring;
        let long = OwnMfaToken { audience: Some("a".repeat(800)), ..mfa_token() };
        assert_eq!(seal_mfa_token(keyring, &long, NONCE), Err(MfaTokenError::TooLong));
        let mut named = mfa_token();
        named.identity.name = Some("\u{e4}".repeat(1_000));
        let text = seal_mfa_token(keyring, &named, NONCE).unwrap();
        let name = open_mfa_token(keyring, &text).unwrap().identity.name.unwrap();
        assert_eq!(name.chars().count(), 64, "a label needs no more");
        assert_eq!(
            open_mfa_token(keyring, &format!("{MFA_TOKEN_PREFIX}{}", "a".repeat(2_000))),
            Err(Unreadable::Malformed)
        );
    }

    #[test]
    fn a_sealed_oob_code_opens_to_what_it_was() {
        let scene = Scene::new();
        let keyring = &scene.app.config.keyring;
        for code in [oob_code(), OobCode { transaction: None, ..oob_code() }] {
            let text = seal_oob_code(keyring, &code, NONCE).unwrap();
            assert_eq!(open_oob_code(keyring, &text), Ok(code));
            for clear in ["alice", "idp", "dev_", "app"] {
                let readable = String::from_utf8_lossy(
                    &BASE64URL_NOPAD.decode(text.rsplit('.').next().unwrap().as_bytes()).unwrap(),
                )
                .into_owned();
                assert!(!text.contains(clear) && !readable.contains(clear), "{clear} in clear");
            }
        }
    }

    #[test]
    fn sealed_texts_do_not_stand_in_for_each_other() {
        let scene = Scene::new();
        let keyring = &scene.app.config.keyring;
        let token = seal_mfa_token(keyring, &mfa_token(), NONCE).unwrap();
        let code = seal_oob_code(keyring, &oob_code(), NONCE).unwrap();
        assert_eq!(open_oob_code(keyring, &token), Err(Unreadable::Malformed));
        assert_eq!(open_mfa_token(keyring, &code), Err(Unreadable::Malformed));
        let disguised = token.replace(MFA_TOKEN_PREFIX, OOB_CODE_PREFIX);
        assert_eq!(open_oob_code(keyring, &disguised), Err(Unreadable::Malformed));
        let disguised = code.replace(OOB_CODE_PREFIX, MFA_TOKEN_PREFIX);
        assert_eq!(open_mfa_token(keyring, &disguised), Err(Unreadable::Malformed));
    }

    #[test]
    fn what_was_not_sealed_here_does_not_open() {
        let scene = Scene::new();
        let keyring = &scene.app.config.keyring;
        let code = seal_oob_code(keyring, &oob_code(), NONCE).unwrap();
        for text in [
            "",
            "csoob_",
            "csoob_s1.",
            "csoob_s1.AAAA",
            code.trim_start_matches('c'),
            &format!("{code}A"),
            "Fe26.2*SERVER",
        ] {
            assert_eq!(open_oob_code(keyring, text), Err(Unreadable::Malformed), "{text}");
        }
        let unknown = code.replace("s1.", "s9.");
        assert_eq!(open_oob_code(keyring, &unknown), Err(Unreadable::UnknownKey));
    }
}
