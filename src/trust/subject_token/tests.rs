use serde_json::{Value as Claim, json};

use super::*;
use crate::algorithm::Algorithm;
use crate::testing::platform::FakePlatform;
use crate::testing::platform::START;
use crate::testing::{TestIssuer, TestKey, Variables, app, block_on};

const API: &str = "https://api.example.com";

struct Scene {
    world: FakePlatform,
    issuer: TestIssuer,
    app: App<FakePlatform>,
}

fn scene() -> Scene {
    let world = FakePlatform::new();
    let issuer = TestIssuer::new("idp");
    issuer.publish_on(&world);
    let app = app(&world);
    Scene { world, issuer, app }
}

impl Scene {
    /// Claims of an access token for the issuer's API that is valid now.
    fn claims(&self) -> Claim {
        let now = START.0;
        json!({
            "iss": self.issuer.url, "sub": "alice", "aud": API, "iat": now, "exp": START.plus(3600).0,
            "scope": "openid read", "amr": ["pwd"], "email": "alice@example.com", "email_verified": true,
        })
    }

    fn with(&self, name: &str, value: Claim) -> Claim {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without(&self, name: &str) -> Claim {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn verify(&self, claims: &Claim) -> Result<SubjectToken, BearerError> {
        self.verify_as(&self.issuer.sign(claims), SubjectTokenType::AccessToken, true)
    }

    fn verify_as(
        &self,
        token: &str,
        token_type: SubjectTokenType,
        public: bool,
    ) -> Result<SubjectToken, BearerError> {
        block_on(verify_subject_token(&self.app, self.world.now(), token, token_type, public))
    }
}

#[test]
fn a_token_that_was_given_to_a_named_audience_is_accepted_with_what_it_says() {
    let scene = scene();
    let token = scene.verify(&scene.claims()).unwrap();
    assert_eq!(token.user, UserId::new("idp", "alice"));
    assert_eq!(token.scopes, Some(Scopes::parse("openid read")));
    assert_eq!(token.factors, ["pwd"]);
    assert!(!token.proof_of_mfa);
    assert_eq!(token.authenticated_at, START);
    assert_eq!(token.identity.verified_email(), Some("alice@example.com"));

    let with_mfa = scene.with("amr", json!(["pwd", "mfa", "otp"]));
    let token = scene.verify(&with_mfa).unwrap();
    assert!(token.proof_of_mfa);
    assert_eq!(token.factors, ["pwd", "otp"]);

    let earlier = scene.with("auth_time", json!(START.plus(-100).0));
    assert_eq!(scene.verify(&earlier).unwrap().authenticated_at, START.plus(-100));
    let unreadable = BearerError::Malformed(JwtError::Claim("auth_time"));
    assert_eq!(scene.verify(&scene.with("auth_time", json!("yesterday"))), Err(unreadable));
}

#[test]
fn a_bound_token_says_to_which_key() {
    let scene = scene();
    assert_eq!(scene.verify(&scene.claims()).unwrap().bound_to, None);
    let key = TestKey::new(Algorithm::ES256, 0, "phone").thumbprint();
    let bound = scene.with("cnf", json!({ "jkt": key.as_str() }));
    assert_eq!(scene.verify(&bound).unwrap().bound_to, Some(key));
    let bound_otherwise = scene.with("cnf", json!({ "x5t#S256": "AA" }));
    assert_eq!(
        scene.verify(&bound_otherwise),
        Err(BearerError::Malformed(crate::trust::jwt::JwtError::Claim("cnf")))
    );
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let scene = scene();
    for audience in [json!("https://other.example.com"), json!("https://mfa.example.com/mfa/"), json!([])] {
        assert_eq!(
            scene.verify(&scene.with("aud", audience.clone())),
            Err(BearerError::OtherAudience),
            "{audience}"
        );
    }
    assert!(scene.verify(&scene.with("aud", json!(["https://other.example.com", API]))).is_ok());
}

#[test]
fn a_token_without_audience_is_known_by_its_client_and_by_nothing_else() {
    let scene = scene();
    let mut claims = scene.without("aud");
    assert_eq!(scene.verify(&claims), Err(BearerError::OtherAudience));
    claims["azp"] = json!(API);
    assert_eq!(scene.verify(&claims), Err(BearerError::OtherAudience));
    claims["client_id"] = json!(API);
    assert!(scene.verify(&claims).is_ok());
    // An audience that is there counts, whatever the client is.
    claims["aud"] = json!("https://other.example.com");
    assert_eq!(scene.verify(&claims), Err(BearerError::OtherAudience));
}

#[test]
fn no_token_passes_for_another_kind() {
    let scene = scene();
    let sign = |typ: &str, token_use: Option<&str>| {
        let mut claims = scene.claims();
        if let Some(token_use) = token_use {
            claims["token_use"] = json!(token_use);
        }
        scene.issuer.keys[0].sign(&json!({ "typ": typ }), &claims)
    };
    use SubjectTokenType::{AccessToken, IdToken, Jwt};
    for (typ, token_use, accepted_as) in [
        ("JWT", None, &[AccessToken, IdToken, Jwt][..]),
        ("at+jwt", None, &[AccessToken, Jwt]),
        ("JWT", Some("access"), &[AccessToken, Jwt]),
        ("JWT", Some("id"), &[IdToken, Jwt]),
        ("at+jwt", Some("id"), &[Jwt]),
        ("mfa+jwt", None, &[]),
        ("JWT", Some("mfa"), &[]),
        ("JWT", Some("refresh"), &[]),
        ("logout+jwt", None, &[]),
    ] {
        for token_type in [AccessToken, IdToken, Jwt] {
            let result = scene.verify_as(&sign(typ, token_use), token_type, true);
            if accepted_as.contains(&token_type) {
                assert!(result.is_ok(), "{typ} {token_use:?} as {token_type:?}");
            } else {
                assert_eq!(
                    result,
                    Err(BearerError::OtherKindOfToken),
                    "{typ} {token_use:?} as {token_type:?}"
                );
            }
        }
    }
}

#[test]
fn an_issuer_that_may_not_exchange_is_refused_before_any_fetch() {
    let world = FakePlatform::new();
    let issuer = TestIssuer::new("idp");
    let mut entry = issuer.entry();
    entry["may"] = json!(["mfa_token"]);
    let app = Variables::new().with_issuers(&[entry]).app(&world);
    let scene = Scene { world, issuer, app };
    assert_eq!(scene.verify(&scene.claims()), Err(BearerError::ExchangeNotPermitted));
    assert!(scene.world.fetches().is_empty());
}

#[test]
fn issuer_algorithm_signature_and_required_claims_are_checked() {
    let scene = scene();
    assert_eq!(
        scene.verify(&scene.with("iss", json!("https://evil.example.com/"))),
        Err(BearerError::UntrustedIssuer)
    );
    assert_eq!(
        scene.verify(&scene.with("iss", json!("https://mfa.example.com/"))),
        Err(BearerError::UntrustedIssuer),
        "own tokens are no subject tokens"
    );
    for name in ["iss", "sub", "exp", "iat"] {
        assert_eq!(scene.verify(&scene.without(name)), Err(BearerError::MissingClaim(name)));
    }
    let other_key = TestKey::new(Algorithm::RS256, 2, scene.issuer.keys[0].key_id.as_deref().unwrap());
    let forged = other_key.sign(&json!({ "typ": "JWT" }), &scene.claims());
    assert!(matches!(
        scene.verify_as(&forged, SubjectTokenType::AccessToken, true),
        Err(BearerError::InvalidSignature(_))
    ));
    assert!(matches!(
        scene.verify_as("not a token", SubjectTokenType::AccessToken, true),
        Err(BearerError::Malformed(_))
    ));
}

#[test]
fn times_are_checked_and_public_clients_present_fresh_tokens() {
    let scene = scene();
    let token = scene.issuer.sign(&scene.claims());
    scene.world.advance(660);
    assert!(scene.verify_as(&token, SubjectTokenType::AccessToken, true).is_ok());
    scene.world.advance(1);
    assert_eq!(scene.verify_as(&token, SubjectTokenType::AccessToken, true), Err(BearerError::TooOld));
    assert!(scene.verify_as(&token, SubjectTokenType::AccessToken, false).is_ok());
    scene.world.advance(3000);
    assert!(matches!(
        scene.verify_as(&token, SubjectTokenType::AccessToken, false),
        Err(BearerError::OutOfTime(_))
    ));
}

#[test]
fn the_same_subject_of_two_issuers_is_two_users() {
    let scene = scene();
    let other = TestIssuer::new("other");
    other.publish_on(&scene.world);
    let mut claims = scene.claims();
    claims["iss"] = json!(other.url);
    let token = scene.verify_as(&other.sign(&claims), SubjectTokenType::AccessToken, true).unwrap();
    assert_eq!(token.user, UserId::new("other", "alice"));
}
