use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::*;
use crate::testing::configuration::{Variables, own_key};
use crate::testing::platform::FakePlatform;
use crate::testing::{TestIssuer, TestKey, app, block_on};
use crate::trust::own_tokens::{OwnMfaToken, TokenGrant, mint_access_token, mint_id_token, seal_mfa_token};

struct Scene {
    world: FakePlatform,
    app: App<FakePlatform>,
    issuer: TestIssuer,
}

impl Scene {
    fn new() -> Self {
        let world = FakePlatform::new();
        let issuer = TestIssuer::new("idp");
        issuer.publish_on(&world);
        Self { app: app(&world), world, issuer }
    }

    fn verify(&self, token: &str) -> Result<Bearer, BearerError> {
        block_on(verify_bearer(&self.app, self.world.now(), token))
    }

    /// What becomes of an mfa_token with this claim changed (or removed, by null).
    fn mfa_with(&self, name: &str, value: Value) -> Result<Bearer, BearerError> {
        let mut claims = self.issuer.mfa_claims(&self.world, "alice");
        claims[name] = value;
        self.verify(&self.issuer.sign(&claims))
    }

    /// The same of an access token.
    fn access_with(&self, name: &str, value: Value) -> Result<Bearer, BearerError> {
        let mut claims = self.issuer.access_claims(&self.world, "alice", "enroll");
        claims[name] = value;
        self.verify(&self.issuer.sign(&claims))
    }

    fn mfa(&self, token: &str) -> MfaToken {
        match self.verify(token).unwrap() {
            Bearer::Mfa(token) => token,
            Bearer::Access(_) => panic!("an access token"),
        }
    }

    fn access(&self, token: &str) -> AccessToken {
        match self.verify(token).unwrap() {
            Bearer::Access(token) => token,
            Bearer::Mfa(_) => panic!("an mfa_token"),
        }
    }

    fn own_mfa_token(&self) -> OwnMfaToken {
        OwnMfaToken {
            transaction: TransactionId("t".to_owned()),
            user: UserId::new("idp", "alice"),
            client: ClientId("app".to_owned()),
            audience: None,
            scopes: None,
            first_factors: vec!["pwd".to_owned(), "mfa".to_owned()],
            used_factors: vec!["otp".to_owned()],
            bound_to: None,
            identity: Identity::default(),
            issued_at: self.world.now(),
            expires_at: self.world.now().plus(MFA_TOKEN_SECONDS),
        }
    }

    fn seal(&self, token: &OwnMfaToken) -> String {
        seal_mfa_token(&self.app.config.keyring, token, self.world.random().unwrap()).unwrap()
    }

    /// An own access token, or with `id_token` an own id_token, for alice.
    fn mint(&self, audience: &str, methods: &[&str], id_token: bool) -> String {
        let methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
        let grant = TokenGrant {
            user: &UserId::new("idp", "alice"),
            client: &ClientId("app".to_owned()),
            audience,
            scopes: &Scopes::parse("enroll"),
            authentication_methods: &methods,
            authenticated_at: self.world.now(),
            identity: &Identity::default(),
            not_after: None,
            bound_to: None,
        };
        let now = self.world.now();
        if id_token {
            block_on(mint_id_token(&self.app, now, &grant)).unwrap().token
        } else {
            block_on(mint_access_token(&self.app, now, &grant)).unwrap().token
        }
    }
}

#[test]
fn a_trusted_issuers_mfa_token_is_read_in_full() {
    let scene = Scene::new();
    let now = scene.world.now();
    let text = scene.issuer.mfa_token(&scene.world, "alice");
    let token = scene.mfa(&text);
    let expected = MfaToken {
        user: UserId::new("idp", "alice"),
        client: Some(ClientId("app".to_owned())),
        identity: Identity {
            email: Some("alice@example.com".to_owned()),
            email_verified: true,
            name: Some("Name of alice".to_owned()),
            locale: None,
        },
        transaction: UntrustedJwt::parse(&text).unwrap().transaction(),
        issued_at: now,
        expires_at: now.plus(600),
        refused_from: now.plus(661),
        audience: Some("https://api.example.com".to_owned()),
        scopes: Some(Scopes::parse("openid read:notes")),
        first_factors: vec!["pwd".to_owned()],
        used_factors: Vec::new(),
        bound_to: None,
    };
    assert_eq!(token, expected);
}

#[test]
fn a_trusted_issuers_access_token_is_read_in_full() {
    let scene = Scene::new();
    let token = scene.access(&scene.issuer.access_token(&scene.world, "alice", "enroll read:authenticators"));
    assert_eq!(token.user, UserId::new("idp", "alice"));
    assert!(token.scopes.contains("enroll") && token.scopes.contains("read:authenticators"));
    assert_eq!(token.client, Some(ClientId("app".to_owned())));
    assert!(!token.proof_of_mfa);
}

#[test]
fn the_same_subject_of_two_issuers_is_two_users() {
    let scene = Scene::new();
    let other = TestIssuer::new("other");
    other.publish_on(&scene.world);
    let one = scene.mfa(&scene.issuer.mfa_token(&scene.world, "alice"));
    let two = scene.mfa(&other.mfa_token(&scene.world, "alice"));
    assert_ne!(one.user, two.user);
    assert_ne!(one.transaction, two.transaction);
}

#[test]
fn an_issuer_is_known_to_the_letter_or_not_at_all_and_nobody_is_asked_about_others() {
    let scene = Scene::new();
    for stranger in [
        "https://evil.example.com/",
        "https://idp.example.com",
        "https://IDP.example.com/",
        "https://idp.example.com/x",
    ] {
        assert_eq!(scene.mfa_with("iss", json!(stranger)), Err(BearerError::UntrustedIssuer), "{stranger}");
    }
    assert_eq!(scene.mfa_with("iss", json!(null)), Err(BearerError::MissingClaim("iss")));
    assert!(scene.world.fetches().is_empty() && scene.world.cache_reads() == 0);
}

#[test]
fn one_issuer_cannot_sign_for_another() {
    let scene = Scene::new();
    let mut other = TestIssuer::new("other");
    other.keys = vec![TestKey::new(Algorithm::RS256, 1, "other-1")];
    other.publish_on(&scene.world);
    let forged = other.sign(&scene.issuer.mfa_claims(&scene.world, "alice"));
    assert_eq!(scene.verify(&forged), Err(BearerError::InvalidSignature(KeySetError::UnknownKey)));
    let claims = scene.issuer.mfa_claims(&scene.world, "alice");
    let forged = other.keys[0].sign(&json!({ "kid": "idp-1" }), &claims);
    assert_eq!(scene.verify(&forged), Err(BearerError::InvalidSignature(KeySetError::InvalidSignature)));
}

#[test]
fn a_changed_token_is_refused() {
    let scene = Scene::new();
    let token = scene.issuer.mfa_token(&scene.world, "alice");
    let (header, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let payload = scene.issuer.mfa_claims(&scene.world, "mallory").to_string();
    let payload = Base64UrlUnpadded::encode_string(payload.as_bytes());
    let invalid = Err(BearerError::InvalidSignature(KeySetError::InvalidSignature));
    assert_eq!(scene.verify(&format!("{header}.{payload}.{signature}")), invalid);
    assert_eq!(scene.verify(&format!("{header}.{}.", rest.split_once('.').unwrap().0)), invalid);
}

#[test]
fn what_an_issuer_may_is_the_operators_decision() {
    let scene = Scene::new();
    for (may, mfa, access) in [
        (json!(["exchange"]), false, false),
        (json!(["mfa_token"]), true, false),
        (json!(["access_token"]), false, true),
    ] {
        let mut entry = scene.issuer.entry();
        entry["may"] = may.clone();
        let app = Variables::new().with_issuers(&[entry]).app(&scene.world);
        let restricted = Scene { app, world: scene.world.clone(), issuer: TestIssuer::new("idp") };
        let fetches = scene.world.fetches().len();
        let token = restricted.verify(&scene.issuer.mfa_token(&scene.world, "alice"));
        assert_eq!(token.is_ok(), mfa, "{may}");
        if !mfa {
            assert_eq!(token, Err(BearerError::NotPermitted(BearerKind::Mfa)), "{may}");
        }
        let token = restricted.verify(&scene.issuer.access_token(&scene.world, "alice", "enroll"));
        assert_eq!(token.is_ok(), access, "{may}");
        if !access {
            assert_eq!(token, Err(BearerError::NotPermitted(BearerKind::Access)), "{may}");
        }
        if !mfa && !access {
            assert_eq!(scene.world.fetches().len(), fetches, "nobody is asked");
        }
    }
}

#[test]
fn a_token_marked_mfa_is_never_an_access_token_nor_the_reverse() {
    let scene = Scene::new();
    let kind_of = |media_type: Option<&str>, token_use: Option<&str>| {
        let mut claims = scene.issuer.access_claims(&scene.world, "alice", "enroll");
        if let Some(token_use) = token_use {
            claims["token_use"] = json!(token_use);
        }
        let header = media_type.map_or(json!({}), |media_type| json!({ "typ": media_type }));
        scene.verify(&scene.issuer.keys[0].sign(&header, &claims)).map(|bearer| match bearer {
            Bearer::Mfa(_) => BearerKind::Mfa,
            Bearer::Access(_) => BearerKind::Access,
        })
    };
    for (media_type, token_use) in [
        (Some("mfa+jwt"), None),
        (Some("MFA+JWT"), None),
        (Some("application/mfa+jwt"), None),
        (Some("Application/Mfa+Jwt"), Some("mfa")),
        (Some("JWT"), Some("mfa")),
        (None, Some("mfa")),
    ] {
        assert_eq!(kind_of(media_type, token_use), Ok(BearerKind::Mfa), "{media_type:?} {token_use:?}");
    }
    for (media_type, token_use) in [
        (None, None),
        (Some("JWT"), None),
        (Some("at+jwt"), None),
        (Some("application/at+JWT"), Some("access")),
    ] {
        assert_eq!(kind_of(media_type, token_use), Ok(BearerKind::Access), "{media_type:?} {token_use:?}");
    }
    for (media_type, token_use) in [
        (Some("mfa+jwt"), Some("access")),
        (Some("at+jwt"), Some("mfa")),
        (Some("JWT"), Some("id")),
        (None, Some("MFA")),
        (None, Some("")),
        (Some("logout+jwt"), None),
        (Some("dpop+jwt"), None),
        (Some("logout+jwt"), Some("mfa")),
        (Some(""), None),
    ] {
        let refused = Err(BearerError::OtherKindOfToken);
        assert_eq!(kind_of(media_type, token_use), refused, "{media_type:?} {token_use:?}");
    }
}

#[test]
fn the_audience_must_be_the_mfa_api() {
    let scene = Scene::new();
    for audience in [
        json!("https://mfa.example.com/mfa"),
        json!("https://mfa.example.com/mfa/"),
        json!(["https://api.example.com", "https://mfa.example.com/mfa/"]),
    ] {
        assert!(scene.mfa_with("aud", audience.clone()).is_ok(), "{audience}");
        assert!(scene.access_with("aud", audience.clone()).is_ok(), "{audience}");
    }
    for audience in [
        json!(null),
        json!([]),
        json!(""),
        json!("https://mfa.example.com"),
        json!("https://mfa.example.com/"),
        json!("https://mfa.example.com/mfa//"),
        json!("https://mfa.example.com.evil.example/mfa/"),
        json!(["https://api.example.com"]),
    ] {
        assert_eq!(scene.mfa_with("aud", audience.clone()), Err(BearerError::OtherAudience), "{audience}");
        assert_eq!(scene.access_with("aud", audience.clone()), Err(BearerError::OtherAudience), "{audience}");
    }
}

#[test]
fn an_algorithm_must_be_allowed_for_the_issuer() {
    let scene = Scene::new();
    for algorithm in Algorithm::ALL {
        let mut issuer = TestIssuer::new("idp");
        issuer.keys = vec![TestKey::new(algorithm, 1, "k")];
        issuer.publish_on(&scene.world);
        let token = issuer.mfa_token(&scene.world, "alice");
        if algorithm != Algorithm::RS256 {
            assert_eq!(scene.verify(&token), Err(BearerError::AlgorithmNotAllowed(algorithm)));
        }
        scene.world.clear_cache();
        let mut entry = issuer.entry();
        entry["algorithms"] = json!([algorithm.as_str()]);
        let app = Variables::new().with_issuers(&[entry]).app(&scene.world);
        assert!(block_on(verify_bearer(&app, scene.world.now(), &token)).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn subject_issue_and_expiry_are_required() {
    let scene = Scene::new();
    for name in ["sub", "iat", "exp"] {
        assert_eq!(scene.mfa_with(name, json!(null)), Err(BearerError::MissingClaim(name)));
        assert_eq!(scene.access_with(name, json!(null)), Err(BearerError::MissingClaim(name)));
    }
    assert_eq!(scene.mfa_with("sub", json!(5)), Err(BearerError::Malformed(JwtError::Claim("sub"))));
    assert_eq!(scene.mfa_with("sub", json!("")), Err(BearerError::Malformed(JwtError::Claim("sub"))));
}

#[test]
fn a_token_lives_ten_minutes_at_most() {
    let scene = Scene::new();
    let now = scene.world.now().0;
    assert!(scene.mfa_with("exp", json!(now + 600)).is_ok());
    assert_eq!(scene.mfa_with("exp", json!(now + 601)), Err(BearerError::LivesTooLong));
    assert_eq!(scene.access_with("exp", json!(now + 601)), Err(BearerError::LivesTooLong));
    assert_eq!(scene.mfa_with("iat", json!(now - 1)), Err(BearerError::LivesTooLong));
}

#[test]
fn an_expired_mfa_token_is_told_apart_only_if_it_is_true() {
    let scene = Scene::new();
    let mfa = scene.issuer.mfa_token(&scene.world, "alice");
    let access = scene.issuer.access_token(&scene.world, "alice", "enroll");
    let forged = TestKey::new(Algorithm::RS256, 1, "idp-1")
        .sign(&json!({}), &scene.issuer.mfa_claims(&scene.world, "alice"));
    scene.world.advance(660);
    assert!(scene.verify(&mfa).is_ok() && scene.verify(&access).is_ok(), "the skew");
    scene.world.advance(1);
    assert_eq!(scene.verify(&mfa), Err(BearerError::ExpiredMfaToken));
    assert_eq!(scene.verify(&access), Err(BearerError::OutOfTime(TimeError::Expired)));
    let invalid = Err(BearerError::InvalidSignature(KeySetError::InvalidSignature));
    assert_eq!(scene.verify(&forged), invalid);
    scene.world.advance(86_400 * 365);
    scene.issuer.publish_on(&scene.world);
    assert_eq!(scene.verify(&mfa), Err(BearerError::ExpiredMfaToken), "however old");
}

#[test]
fn a_token_from_the_future_is_refused() {
    let scene = Scene::new();
    let now = scene.world.now().0;
    let mut claims = scene.issuer.mfa_claims(&scene.world, "alice");
    claims["exp"] = json!(now + 660);
    claims["iat"] = json!(now + 60);
    assert!(scene.verify(&scene.issuer.sign(&claims)).is_ok());
    claims["iat"] = json!(now + 61);
    let error = BearerError::OutOfTime(TimeError::IssuedInTheFuture);
    assert_eq!(scene.verify(&scene.issuer.sign(&claims)), Err(error));
    let error = BearerError::OutOfTime(TimeError::NotYetValid);
    assert_eq!(scene.access_with("nbf", json!(now + 61)), Err(error));
    assert!(scene.access_with("nbf", json!(now + 60)).is_ok());
}

#[test]
fn an_issuer_that_cannot_be_reached_is_told_apart_from_a_bad_token() {
    let scene = Scene::new();
    scene.world.answer(&scene.issuer.discovery_uri(), Err(crate::platform::FetchError::Timeout));
    let token = scene.issuer.mfa_token(&scene.world, "alice");
    assert_eq!(
        scene.verify(&token),
        Err(BearerError::Unavailable(KeySetError::Unavailable { retry_after: 30 }))
    );
}

#[test]
fn only_amr_mfa_of_a_trusted_token_is_proof() {
    let scene = Scene::new();
    for (methods, proof) in [
        (json!(null), false),
        (json!([]), false),
        (json!(["pwd", "otp"]), false),
        (json!(["MFA"]), false),
        (json!(["pwd", "mfa"]), true),
    ] {
        match scene.access_with("amr", methods.clone()).unwrap() {
            Bearer::Access(token) => assert_eq!(token.proof_of_mfa, proof, "{methods}"),
            Bearer::Mfa(_) => panic!("an access token"),
        }
    }
    let token = scene.mfa_with("amr", json!(["pwd", "mfa"])).unwrap();
    assert_eq!(token.first_factors(), ["pwd"], "an mfa_token never proves the second factor");
}

#[test]
fn client_and_identity_are_as_the_token_has_them() {
    let scene = Scene::new();
    let mut claims = scene.issuer.mfa_claims(&scene.world, "alice");
    claims["client_id"] = json!("second");
    let client = |claims: &Value| scene.verify(&scene.issuer.sign(claims)).unwrap().client().cloned();
    assert_eq!(client(&claims), Some(ClientId("app".to_owned())));
    claims.as_object_mut().unwrap().remove("azp");
    assert_eq!(client(&claims), Some(ClientId("second".to_owned())));
    claims.as_object_mut().unwrap().remove("client_id");
    assert_eq!(client(&claims), None);
    let unverified = scene.mfa_with("email_verified", json!(false)).unwrap();
    assert_eq!(unverified.identity().email.as_deref(), Some("alice@example.com"));
    assert_eq!(unverified.identity().verified_email(), None);
    let verified = scene.mfa_with("email_verified", json!(true)).unwrap();
    assert_eq!(verified.identity().verified_email(), Some("alice@example.com"));
}

#[test]
fn an_own_access_token_is_read_back_to_the_same_user() {
    let scene = Scene::new();
    let token = scene.access(&scene.mint("https://mfa.example.com/mfa/", &["pwd", "otp", "mfa"], false));
    assert_eq!(token.user, UserId::new("idp", "alice"));
    assert_eq!(token.client, Some(ClientId("app".to_owned())));
    assert_eq!(token.scopes, Scopes::parse("enroll"));
    assert_eq!(token.expires_at, scene.world.now().plus(600));
    assert_eq!(token.factors, ["pwd", "otp"]);
    assert!(token.proof_of_mfa);
    assert!(!scene.access(&scene.mint("https://mfa.example.com/mfa/", &["email"], false)).proof_of_mfa);
    assert!(scene.world.fetches().is_empty() && scene.world.cache_reads() == 0);
}

#[test]
fn an_own_access_token_ends_at_its_second() {
    let scene = Scene::new();
    let token = scene.mint("https://mfa.example.com/mfa/", &["mfa"], false);
    scene.world.advance(599);
    assert_eq!(scene.access(&token).refused_from, scene.world.now().plus(1));
    scene.world.advance(1);
    assert_eq!(scene.verify(&token), Err(BearerError::OutOfTime(TimeError::Expired)));
}

#[test]
fn other_own_tokens_give_no_access_to_the_mfa_api() {
    let scene = Scene::new();
    let elsewhere = scene.mint("https://api.example.com", &["mfa"], false);
    assert_eq!(scene.verify(&elsewhere), Err(BearerError::OtherAudience));
    let id_token = scene.mint("https://mfa.example.com/mfa/", &["mfa"], true);
    assert_eq!(scene.verify(&id_token), Err(BearerError::OtherKindOfToken));
}

#[test]
fn nobody_else_can_write_an_own_token() {
    let scene = Scene::new();
    let now = scene.world.now().0;
    let claims = json!({ "iss": "https://mfa.example.com/", "sub": "idp|alice", "iat": now, "exp": now + 600,
        "aud": "https://mfa.example.com/mfa/", "scope": "enroll", "amr": ["mfa"] });
    let header = json!({ "typ": "at+jwt" });
    assert!(scene.verify(&own_key().sign(&header, &claims)).is_ok());
    let unknown = scene.issuer.keys[0].sign(&header, &claims);
    assert_eq!(scene.verify(&unknown), Err(BearerError::InvalidSignature(KeySetError::UnknownKey)));
    let forged = TestKey::new(Algorithm::RS256, 1, "own-a").sign(&header, &claims);
    assert_eq!(scene.verify(&forged), Err(BearerError::InvalidSignature(KeySetError::InvalidSignature)));
    let other = TestKey::new(Algorithm::PS256, 3, "own-a").sign(&header, &claims);
    assert_eq!(scene.verify(&other), Err(BearerError::AlgorithmNotAllowed(Algorithm::PS256)));
    for header in [json!({ "typ": "JWT" }), json!({}), json!({ "typ": "mfa+jwt" })] {
        assert_eq!(scene.verify(&own_key().sign(&header, &claims)), Err(BearerError::OtherKindOfToken));
    }
    let mut marked = claims.clone();
    marked["token_use"] = json!("mfa");
    assert_eq!(scene.verify(&own_key().sign(&header, &marked)), Err(BearerError::OtherKindOfToken));
    for subject in ["alice", "|alice", "idp|", "removed|alice"] {
        let mut claims = claims.clone();
        claims["sub"] = json!(subject);
        assert_eq!(
            scene.verify(&own_key().sign(&header, &claims)),
            Err(BearerError::UnknownUser),
            "{subject}"
        );
    }
}

#[test]
fn a_token_signed_before_a_rotation_stays_good() {
    let scene = Scene::new();
    let token = scene.mint("https://mfa.example.com/mfa/", &["mfa"], false);
    let next = TestKey::new(Algorithm::RS256, 2, "own-b");
    let app = Variables::new()
        .with("SIGNING_KEY_A", &own_key().public_jwk().to_string())
        .with("SIGNING_KEY_B", &next.private_jwk().to_string())
        .with("ACTIVE_SIGNING_KEY", "B")
        .app(&scene.world);
    assert!(block_on(verify_bearer(&app, scene.world.now(), &token)).is_ok());
}

#[test]
fn an_own_mfa_token_opens_until_it_ends() {
    let scene = Scene::new();
    let own = scene.own_mfa_token();
    let text = scene.seal(&own);
    let token = scene.mfa(&text);
    assert_eq!((token.user, token.transaction), (own.user, own.transaction));
    assert_eq!(token.client, Some(own.client));
    assert_eq!(token.first_factors, ["pwd"]);
    assert_eq!(token.refused_from, own.expires_at);
    scene.world.advance(599);
    assert!(scene.verify(&text).is_ok());
    scene.world.advance(1);
    assert_eq!(scene.verify(&text), Err(BearerError::ExpiredMfaToken));
}

#[test]
fn an_own_mfa_token_of_a_removed_issuer_or_another_keyring_is_refused() {
    let scene = Scene::new();
    let removed = OwnMfaToken { user: UserId::new("removed", "alice"), ..scene.own_mfa_token() };
    assert_eq!(scene.verify(&scene.seal(&removed)), Err(BearerError::UnknownUser));
    let text = scene.seal(&scene.own_mfa_token());
    let mut changed = text.into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    assert_eq!(scene.verify(&changed), Err(BearerError::Unreadable(Unreadable::Malformed)));
    assert_eq!(scene.verify(MFA_TOKEN_PREFIX), Err(BearerError::Unreadable(Unreadable::Malformed)));
}

#[test]
fn a_warm_isolate_verifies_with_one_signature_check_and_nothing_else() {
    let scene = Scene::new();
    scene.mfa(&scene.issuer.mfa_token(&scene.world, "alice"));
    let before = (scene.world.fetches().len(), scene.world.cache_reads(), scene.world.imports());
    let verifications = scene.world.verifications();
    scene.mfa(&scene.issuer.mfa_token(&scene.world, "bob"));
    assert_eq!((scene.world.fetches().len(), scene.world.cache_reads(), scene.world.imports()), before);
    assert_eq!(scene.world.verifications() - verifications, 1);
    assert_eq!(Rc::strong_count(&scene.app.config), 1);
}

#[test]
fn an_authorization_header_is_read_as_the_rfcs_say() {
    for (name, scheme) in [
        ("Bearer", Scheme::Bearer),
        ("bearer", Scheme::Bearer),
        ("BEARER", Scheme::Bearer),
        ("DPoP", Scheme::Dpop),
        ("dpop", Scheme::Dpop),
    ] {
        for (rest, token) in [
            (" abc", Some("abc")),
            ("   abc.def-_~+/==", Some("abc.def-_~+/==")),
            (" abc ", Some("abc")),
            ("", None),
            (" ", None),
            ("abc", None),
            (" abc def", None),
            (" abc, Bearer def", None),
            (" a,b", None),
            (" \u{e4}", None),
        ] {
            let presented = token.map(|token| (scheme, token));
            assert_eq!(presented_token(&format!("{name}{rest}")), presented, "{name}{rest}");
            assert_eq!(presented_token(&format!(" {name}{rest}")), presented, "{name}{rest}");
        }
    }
    for header in ["", "abc", "Basic abc", "DPoPP abc", "DPo abc", "Bearer, DPoP abc"] {
        assert_eq!(presented_token(header), None, "{header}");
    }
    for character in '\0'..='\u{ff}' {
        let token = format!("abc{character}def-ghi");
        let expected =
            (character.is_ascii_graphic() && character != ',').then_some((Scheme::Bearer, &*token));
        assert_eq!(presented_token(&format!("Bearer {token}")), expected, "{character:?}");
    }
}

#[test]
fn a_token_of_either_kind_says_which_key_it_is_bound_to() {
    let scene = Scene::new();
    let key = TestKey::new(Algorithm::ES256, 0, "phone").thumbprint();
    let confirmation = json!({ "jkt": key.as_str(), "x5t#S256": "AA" });
    for bearer in [scene.mfa_with("cnf", confirmation.clone()), scene.access_with("cnf", confirmation)] {
        assert_eq!(bearer.unwrap().bound_to(), Some(&key));
    }
    for bearer in [scene.mfa_with("cnf", json!(null)), scene.access_with("cnf", json!(null))] {
        assert_eq!(bearer.unwrap().bound_to(), None);
    }
    let own = OwnMfaToken { bound_to: Some(key.clone()), ..scene.own_mfa_token() };
    let sealed = seal_mfa_token(&scene.app.config.keyring, &own, [7; 12]).unwrap();
    assert_eq!(scene.verify(&sealed).unwrap().bound_to(), Some(&key));
}

#[test]
fn a_token_that_is_bound_in_a_way_nobody_checks_here_does_not_pass_for_an_unbound_one() {
    let scene = Scene::new();
    for confirmation in [json!({ "x5t#S256": "AA" }), json!({}), json!("jkt"), json!({ "jkt": "AA" })] {
        let malformed = Err(BearerError::Malformed(JwtError::Claim("cnf")));
        assert_eq!(scene.mfa_with("cnf", confirmation.clone()), malformed);
        assert_eq!(scene.access_with("cnf", confirmation), malformed);
    }
}
