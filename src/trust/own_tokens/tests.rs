use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::*;
use crate::algorithm::Algorithm;
use crate::testing::configuration::own_key;
use crate::testing::platform::FakePlatform;
use crate::testing::{TestKey, Variables, app, block_on};
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
    bound_to: Option<Thumbprint>,
    methods: Vec<String>,
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
                locale: None,
            },
            not_after: None,
            bound_to: None,
            methods: ["pwd", "otp", "mfa"].map(str::to_owned).to_vec(),
        }
    }

    fn mint(&self, id_token: bool) -> Result<Minted, MintError> {
        let grant = TokenGrant {
            user: &self.user,
            client: &self.client,
            audience: &self.audience,
            scopes: &self.scopes,
            authentication_methods: &self.methods,
            authenticated_at: self.world.now().plus(-1),
            identity: &self.identity,
            not_after: self.not_after,
            bound_to: self.bound_to.as_ref(),
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
    let bytes = Base64UrlUnpadded::decode_vec(token.split('.').nth(index).unwrap()).unwrap();
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
        "acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
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
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@example.com"), &json!(true)));
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
fn the_class_of_mfa_is_told_only_with_mfa_and_a_removed_issuer_not_at_all() {
    let mut scene = Scene::new();
    for id_token in [false, true] {
        assert_eq!(scene.claims(id_token)["acr"], MULTI_FACTOR_CLASS);
    }
    scene.methods = ["pwd", "otp", "email"].map(str::to_owned).to_vec();
    for id_token in [false, true] {
        assert!(scene.claims(id_token).get("acr").is_none());
    }
    scene.user = UserId::new("removed", "alice");
    assert!(scene.claims(false).get("idp_iss").is_none());
}

#[test]
fn an_access_token_names_the_key_that_it_is_bound_to() {
    let mut scene = Scene::new();
    assert!(scene.claims(false).get("cnf").is_none());
    let key = TestKey::new(Algorithm::ES256, 0, "phone").thumbprint();
    scene.bound_to = Some(key.clone());
    assert_eq!(scene.claims(false)["cnf"], json!({ "jkt": key.as_str() }));
    assert!(scene.claims(true).get("cnf").is_none(), "nobody is asked for proof of an id_token");
}

#[test]
fn tokens_verify_with_the_published_keys() {
    let scene = Scene::new();
    let token = scene.mint(true).unwrap().token;
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
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
    let ids =
        [scene.claims(false), scene.claims(false), scene.claims(true)].map(|claims| claims["jti"].clone());
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
        used_factors: vec!["otp".to_owned()],
        bound_to: Some(TestKey::new(Algorithm::ES256, 0, "phone").thumbprint()),
        identity: Identity {
            email: Some("alice@example.com".to_owned()),
            email_verified: true,
            name: Some("Alice".to_owned()),
            locale: Some("de".to_owned()),
        },
        issued_at: UnixSeconds(1),
        expires_at: UnixSeconds(601),
    }
}

fn oob_code() -> OobCode {
    OobCode {
        owner: "sms|dev_0123456789abcdef".to_owned(),
        user: UserId::new("idp", "alice"),
        client: ClientId("app".to_owned()),
        transaction: Some(TransactionId("transaction".to_owned())),
        recipient: Some("recipient:phone:h1.hash".to_owned()),
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
        bound_to: None,
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
    for code in [oob_code(), OobCode { transaction: None, recipient: None, ..oob_code() }] {
        let text = seal_oob_code(keyring, &code, NONCE).unwrap();
        assert_eq!(open_oob_code(keyring, &text), Ok(code));
        for clear in ["alice", "idp", "dev_", "app"] {
            let readable = String::from_utf8_lossy(
                &Base64UrlUnpadded::decode_vec(text.rsplit('.').next().unwrap()).unwrap(),
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
