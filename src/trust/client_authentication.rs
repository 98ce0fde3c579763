//! Whether a request comes from the client that it names (RFC 6749 section 2.3, RFC 7521, RFC 7523).

use base64ct::{Base64, Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::jwt::{JwtError, TimeError, UntrustedJwt};
use super::key_sets::{KeySetError, KeySource, Signed, verify_signature};
use crate::algorithm::Algorithm;
use crate::app::App;
use crate::audit::Reason;
use crate::platform::Platform;
use crate::storage::clients::{AssertionKeys, Client, ClientAuthentication};
use crate::types::{ClientId, Secret, UnixSeconds};

/// A longer assertion is refused unread.
const MAXIMUM_ASSERTION_BYTES: usize = 2048;
/// How far ahead an assertion's `exp` may be: how long its `jti` has to be remembered.
const MAXIMUM_ASSERTION_SECONDS: i64 = 300;
/// How far a client's clock may be off.
const ASSERTION_SKEW_SECONDS: i64 = 10;
const MAXIMUM_JTI_BYTES: usize = 64;

/// What a request carries to say who its client is. Empty secrets and assertions count as absent: SDKs send them for
/// public clients.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `client_id` in the body.
    pub client_id: Option<ClientId>,
    /// `client_secret` in the body.
    pub secret: Option<Secret>,
    /// The `Authorization: Basic` header.
    pub basic: Option<BasicCredentials>,
    /// `client_assertion` in the body, its type already found to be RFC 7523's.
    pub assertion: Option<String>,
}

/// The two halves of an `Authorization: Basic` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    /// The user name, which is the client's id.
    pub client_id: ClientId,
    /// The password, which is the client's secret.
    pub secret: Secret,
}

/// A valid assertion, which counts only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Its `jti`, to be marked as used.
    pub jti: String,
    /// Until when it would be accepted again, and so how long the mark is needed.
    pub expires_at: UnixSeconds,
}

/// Why the client was not taken for the one it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthenticationError {
    /// The ids in the request differ, or none of them is the client's.
    OtherClient,
    /// The client has to authenticate and did not.
    Missing,
    /// More than one way was used (RFC 6749 section 2.3).
    SeveralMethods,
    /// It authenticated otherwise than registered.
    OtherMethod,
    /// The secret is wrong.
    WrongSecret,
    /// The assertion is longer than 2048 bytes.
    AssertionTooLong,
    /// The assertion is no JWT.
    MalformedAssertion(JwtError),
    /// The assertion's `typ` says that it is something else.
    OtherKindOfToken,
    /// The assertion is signed with an algorithm that clients may not use.
    AlgorithmNotAllowed(Algorithm),
    /// `iss` and `sub` must both be the client's id.
    OtherSubject,
    /// `aud` is neither this issuer nor its token endpoint.
    OtherAudience,
    /// `jti` is missing, empty or too long.
    UnsuitableTokenId,
    /// `exp` is over five minutes ahead.
    LivesTooLong,
    /// The assertion is outside its time.
    OutOfTime(TimeError),
    /// No key of the client says that the signature is valid, or the keys could not be had.
    Key(KeySetError),
}

impl ClientAuthenticationError {
    /// As events say it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::OtherClient => "other_client".into(),
            Self::Missing => "missing".into(),
            Self::SeveralMethods => "several_methods".into(),
            Self::OtherMethod => "other_authentication".into(),
            Self::WrongSecret => "wrong_secret".into(),
            Self::AssertionTooLong => "too_long".into(),
            Self::MalformedAssertion(error) => error.reason(),
            Self::OtherKindOfToken => "other_kind_of_token".into(),
            Self::AlgorithmNotAllowed(algorithm) => {
                Reason::about("algorithm_not_allowed", algorithm.as_str())
            }
            Self::OtherSubject => "other_subject".into(),
            Self::OtherAudience => "other_audience".into(),
            Self::UnsuitableTokenId => "unsuitable_token_id".into(),
            Self::LivesTooLong => "lives_too_long".into(),
            Self::OutOfTime(error) => error.reason(),
            Self::Key(error) => error.reason(),
        }
    }
}

/// The credentials in an `Authorization` header's value, if it is a Basic one that can be read. Both halves are
/// form-urlencoded (RFC 6749 section 2.3.1).
#[must_use]
pub fn basic_credentials(header: &str) -> Option<BasicCredentials> {
    let (scheme, encoded) = header.trim_matches([' ', '\t']).split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim_start_matches(' ');
    let text = Base64::decode_vec(encoded).or_else(|_| Base64Unpadded::decode_vec(encoded)).ok()?;
    let text = Secret::new(String::from_utf8(text).ok()?);
    let (id, secret) = text.expose().split_once(':')?;
    let client_id = form_decoded(id).filter(|id| !id.is_empty())?;
    Some(BasicCredentials { client_id: ClientId(client_id), secret: Secret::new(form_decoded(secret)?) })
}

/// Checks the credentials of a request that names `client`, by the method that the client is registered with.
///
/// The assertion that comes back, if the client used one, is valid but not yet marked as used: the caller does that,
/// and refuses where the mark was there already.
///
/// # Errors
/// See [`ClientAuthenticationError`].
pub async fn authenticate<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    client: &Client,
    credentials: &Credentials,
) -> Result<Option<Assertion>, ClientAuthenticationError> {
    let ids = [credentials.client_id.as_ref(), credentials.basic.as_ref().map(|basic| &basic.client_id)];
    if ids.into_iter().flatten().any(|id| *id != client.id) {
        return Err(ClientAuthenticationError::OtherClient);
    }
    match (&client.authentication, Method::of(credentials)?) {
        (ClientAuthentication::None, None) => Ok(None),
        (ClientAuthentication::Secret { hash, previous }, Some(Method::Secret(secret))) => {
            let previous = previous.as_ref().filter(|(_, until)| now < *until).map(|(hash, _)| hash.as_str());
            if is_secret(secret, hash, previous) {
                Ok(None)
            } else {
                Err(ClientAuthenticationError::WrongSecret)
            }
        }
        (ClientAuthentication::Assertion(keys), Some(Method::Assertion(assertion))) => {
            check_assertion(app, now, client, keys, assertion).await.map(Some)
        }
        (_, None) => Err(ClientAuthenticationError::Missing),
        (_, Some(_)) => Err(ClientAuthenticationError::OtherMethod),
    }
}

/// The one way in which a request authenticates. Post and Basic are the same secret in two places.
enum Method<'a> {
    Secret(&'a Secret),
    Assertion(&'a str),
}

impl<'a> Method<'a> {
    fn of(credentials: &'a Credentials) -> Result<Option<Self>, ClientAuthenticationError> {
        let given = |secret: &&Secret| !secret.expose().is_empty();
        let by_post = credentials.secret.as_ref().filter(given).map(Self::Secret);
        let by_basic = credentials.basic.as_ref().map(|basic| &basic.secret).filter(given).map(Self::Secret);
        let assertion = credentials.assertion.as_deref().filter(|assertion| !assertion.is_empty());
        let mut methods = [by_post, by_basic, assertion.map(Self::Assertion)].into_iter().flatten();
        match (methods.next(), methods.next()) {
            (method, None) => Ok(method),
            (_, Some(_)) => Err(ClientAuthenticationError::SeveralMethods),
        }
    }
}

/// Compares with both hashes in constant time. The secret has 256 random bits, so one round of SHA-256 is enough.
fn is_secret(secret: &Secret, hash: &str, previous: Option<&str>) -> bool {
    let computed = base16ct::lower::encode_string(&Sha256::digest(secret.expose().as_bytes()));
    let is = |known: &str| computed.as_bytes().ct_eq(known.as_bytes());
    // The computed hash differs from an empty one in length.
    (is(hash) | is(previous.unwrap_or_default())).into()
}

async fn check_assertion<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    client: &Client,
    keys: &AssertionKeys,
    text: &str,
) -> Result<Assertion, ClientAuthenticationError> {
    if text.len() > MAXIMUM_ASSERTION_BYTES {
        return Err(ClientAuthenticationError::AssertionTooLong);
    }
    let jwt = UntrustedJwt::parse(text).map_err(ClientAuthenticationError::MalformedAssertion)?;
    if !matches!(jwt.media_type().as_deref(), None | Some("jwt" | "client-authentication+jwt")) {
        return Err(ClientAuthenticationError::OtherKindOfToken);
    }
    if !Algorithm::OF_CLIENTS.contains(&jwt.algorithm()) {
        return Err(ClientAuthenticationError::AlgorithmNotAllowed(jwt.algorithm()));
    }
    let claims = jwt.claims();
    let id = Some(client.id.as_str());
    if claims.issuer.as_deref() != id || claims.subject.as_deref() != id {
        return Err(ClientAuthenticationError::OtherSubject);
    }
    let token_endpoint = format!("{}/oauth/token", app.config.public_url);
    let is_for_us = |audience: &String| *audience == app.config.issuer() || *audience == token_endpoint;
    if !claims.audiences.iter().any(is_for_us) {
        return Err(ClientAuthenticationError::OtherAudience);
    }
    let jti = claims.token_id.clone().filter(|jti| (1..=MAXIMUM_JTI_BYTES).contains(&jti.len()));
    let jti = jti.ok_or(ClientAuthenticationError::UnsuitableTokenId)?;
    claims.check_times(now, ASSERTION_SKEW_SECONDS).map_err(ClientAuthenticationError::OutOfTime)?;
    let expires_at = claims.expires_at.ok_or(ClientAuthenticationError::OutOfTime(TimeError::NoExpiry))?;
    if expires_at.since(now) > MAXIMUM_ASSERTION_SECONDS.saturating_add(ASSERTION_SKEW_SECONDS) {
        return Err(ClientAuthenticationError::LivesTooLong);
    }
    let source = match keys {
        AssertionKeys::Registered(set) => KeySource::Registered(set.clone()),
        AssertionKeys::Uri(uri) => KeySource::Uri(uri.clone()),
    };
    let signed = Signed {
        key_id: jwt.key_id(),
        algorithm: jwt.algorithm(),
        signature: jwt.signature(),
        message: jwt.signing_input().as_bytes(),
    };
    verify_signature(app, now, &source, &signed).await.map_err(ClientAuthenticationError::Key)?;
    Ok(Assertion { jti, expires_at: expires_at.plus(ASSERTION_SKEW_SECONDS).plus(1) })
}

/// Undoes `application/x-www-form-urlencoded` (RFC 6749 appendix B).
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                base16ct::mixed::decode(digits, &mut [0]).ok()?.first().copied()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::keys::{TestKey, key_set};
    use crate::testing::platform::{FakePlatform, START};
    use crate::testing::{app, block_on};
    use crate::types::Scopes;

    const SECRET: &str = "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99";
    const OLD_SECRET: &str = "0cc175b9c0f1b6a831c399e2697726610cc175b9c0f1b6a831c399e269772661";

    fn hash(secret: &str) -> String {
        base16ct::lower::encode_string(&Sha256::digest(secret.as_bytes()))
    }

    fn client(authentication: ClientAuthentication) -> Client {
        Client {
            id: ClientId("app".to_owned()),
            version: 1,
            authentication,
            issuers: Vec::new(),
            audiences: vec![crate::storage::clients::RegisteredAudience {
                audience: "https://api.example.com".to_owned(),
                scopes: Scopes::default(),
            }],
            require_authentication: false,
            domain: None,
            grants: Vec::new(),
            factors: Vec::new(),
            policy: None,
        }
    }

    fn confidential() -> Client {
        let previous = Some((hash(OLD_SECRET), START.plus(10)));
        client(ClientAuthentication::Secret { hash: hash(SECRET), previous })
    }

    fn public() -> Client {
        client(ClientAuthentication::None)
    }

    fn nothing() -> Credentials {
        Credentials { client_id: Some(ClientId("app".to_owned())), ..Credentials::default() }
    }

    fn by_post(secret: &str) -> Credentials {
        Credentials { secret: Some(Secret::new(secret.to_owned())), ..nothing() }
    }

    fn by_basic(id: &str, secret: &str) -> Credentials {
        let basic =
            BasicCredentials { client_id: ClientId(id.to_owned()), secret: Secret::new(secret.to_owned()) };
        Credentials { basic: Some(basic), ..Credentials::default() }
    }

    fn check(
        client: &Client,
        credentials: &Credentials,
    ) -> Result<Option<Assertion>, ClientAuthenticationError> {
        let world = FakePlatform::new();
        block_on(authenticate(&app(&world), START, client, credentials))
    }

    #[test]
    fn a_secret_may_come_by_post_or_by_basic() {
        assert_eq!(check(&confidential(), &by_post(SECRET)), Ok(None));
        assert_eq!(check(&confidential(), &by_basic("app", SECRET)), Ok(None));
        let both_ids = Credentials { client_id: Some(ClientId("app".to_owned())), ..by_basic("app", SECRET) };
        assert_eq!(check(&confidential(), &both_ids), Ok(None));
        let empty_post = Credentials { secret: Some(Secret::new(String::new())), ..both_ids };
        assert_eq!(check(&confidential(), &empty_post), Ok(None));
    }

    #[test]
    fn a_wrong_secret_is_refused() {
        for wrong in [
            SECRET.trim_start_matches('5'),
            &SECRET.to_uppercase(),
            &hash(SECRET),
            "x",
            &format!("{SECRET}0"),
        ] {
            let refused = Err(ClientAuthenticationError::WrongSecret);
            assert_eq!(check(&confidential(), &by_post(wrong)), refused);
            assert_eq!(check(&confidential(), &by_basic("app", wrong)), refused);
        }
    }

    #[test]
    fn the_previous_secret_is_good_until_its_time() {
        let world = FakePlatform::new();
        let app = app(&world);
        let at = |seconds| {
            block_on(authenticate(&app, START.plus(seconds), &confidential(), &by_post(OLD_SECRET)))
        };
        assert_eq!(at(9), Ok(None));
        assert_eq!(at(10), Err(ClientAuthenticationError::WrongSecret));
        let without = client(ClientAuthentication::Secret { hash: hash(SECRET), previous: None });
        assert_eq!(check(&without, &by_post(OLD_SECRET)), Err(ClientAuthenticationError::WrongSecret));
    }

    #[test]
    fn a_client_with_a_secret_must_send_it() {
        for none in [nothing(), by_post(""), by_basic("app", "")] {
            assert_eq!(check(&confidential(), &none), Err(ClientAuthenticationError::Missing));
        }
    }

    #[test]
    fn only_one_way_at_a_time() {
        let both = Credentials { secret: Some(Secret::new(SECRET.to_owned())), ..by_basic("app", SECRET) };
        assert_eq!(check(&confidential(), &both), Err(ClientAuthenticationError::SeveralMethods));
        let both = Credentials { assertion: Some("a.b.c".to_owned()), ..by_post(SECRET) };
        assert_eq!(check(&confidential(), &both), Err(ClientAuthenticationError::SeveralMethods));
    }

    #[test]
    fn the_ids_must_be_the_clients() {
        let refused = Err(ClientAuthenticationError::OtherClient);
        assert_eq!(check(&confidential(), &by_basic("other", SECRET)), refused);
        let differ = Credentials { client_id: Some(ClientId("other".to_owned())), ..by_basic("app", SECRET) };
        assert_eq!(check(&confidential(), &differ), refused);
    }

    #[test]
    fn a_public_client_has_nothing_to_show() {
        for fine in [nothing(), by_post(""), by_basic("app", ""), Credentials::default()] {
            assert_eq!(check(&public(), &fine), Ok(None));
        }
        for wrong in
            [by_post("x"), by_basic("app", "x"), Credentials { assertion: Some("x".to_owned()), ..nothing() }]
        {
            assert_eq!(check(&public(), &wrong), Err(ClientAuthenticationError::OtherMethod));
        }
    }

    #[test]
    fn the_registered_method_is_the_only_one() {
        let assertion = Credentials { assertion: Some("a.b.c".to_owned()), ..nothing() };
        assert_eq!(check(&confidential(), &assertion), Err(ClientAuthenticationError::OtherMethod));
        let keyed = client(ClientAuthentication::Assertion(AssertionKeys::Registered("{}".to_owned())));
        assert_eq!(check(&keyed, &by_post(SECRET)), Err(ClientAuthenticationError::OtherMethod));
        assert_eq!(check(&keyed, &nothing()), Err(ClientAuthenticationError::Missing));
    }

    /// A client with keys, and assertions that it writes.
    struct Keyed {
        world: FakePlatform,
        app: App<FakePlatform>,
        client: Client,
        key: TestKey,
    }

    impl Keyed {
        fn new() -> Self {
            Self::with_key(TestKey::new(Algorithm::RS256, 1, "c1"))
        }

        fn with_key(key: TestKey) -> Self {
            let world = FakePlatform::new();
            let keys = AssertionKeys::Registered(key_set(&[&key]));
            Self { app: app(&world), world, client: client(ClientAuthentication::Assertion(keys)), key }
        }

        fn claims() -> Value {
            json!({ "iss": "app", "sub": "app", "aud": "https://mfa.example.com/", "exp": START.0 + 120,
                "iat": START.0, "nbf": START.0, "jti": "j1" })
        }

        fn check(&self, assertion: &str) -> Result<Option<Assertion>, ClientAuthenticationError> {
            let credentials = Credentials { assertion: Some(assertion.to_owned()), ..nothing() };
            block_on(authenticate(&self.app, START, &self.client, &credentials))
        }

        fn check_with(
            &self,
            name: &str,
            value: Value,
        ) -> Result<Option<Assertion>, ClientAuthenticationError> {
            let mut claims = Self::claims();
            claims[name] = value;
            self.check(&self.key.sign(&json!({ "typ": "JWT" }), &claims))
        }
    }

    #[test]
    fn an_assertion_authenticates_with_each_algorithm_that_clients_may_use() {
        for algorithm in Algorithm::ALL {
            let keyed = Keyed::with_key(TestKey::new(algorithm, 1, "c1"));
            let result = keyed.check(&keyed.key.sign(&json!({}), &Keyed::claims()));
            if algorithm == Algorithm::EdDSA {
                assert_eq!(result, Err(ClientAuthenticationError::AlgorithmNotAllowed(algorithm)));
            } else {
                let assertion = Assertion { jti: "j1".to_owned(), expires_at: START.plus(131) };
                assert_eq!(result, Ok(Some(assertion)), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn the_audience_is_the_issuer_or_the_token_endpoint() {
        let keyed = Keyed::new();
        for audience in [
            json!("https://mfa.example.com/"),
            json!("https://mfa.example.com/oauth/token"),
            json!(["https://other.example.com/", "https://mfa.example.com/"]),
        ] {
            assert!(keyed.check_with("aud", audience.clone()).is_ok(), "{audience}");
        }
        for audience in
            [json!(null), json!([]), json!("https://mfa.example.com"), json!("https://mfa.example.com/mfa/")]
        {
            let refused = Err(ClientAuthenticationError::OtherAudience);
            assert_eq!(keyed.check_with("aud", audience.clone()), refused, "{audience}");
        }
    }

    #[test]
    fn issuer_and_subject_are_both_the_client() {
        let keyed = Keyed::new();
        for name in ["iss", "sub"] {
            for wrong in [json!(null), json!("other"), json!("app2")] {
                assert_eq!(keyed.check_with(name, wrong), Err(ClientAuthenticationError::OtherSubject));
            }
        }
    }

    #[test]
    fn an_assertion_may_say_anything_of_when_somebody_was_authenticated() {
        let keyed = Keyed::new();
        for said in [json!("1893456000.1234567"), json!("1893456000,1234567"), json!(1_893_456_000)] {
            assert!(keyed.check_with("auth_time", said.clone()).is_ok(), "{said}");
        }
    }

    #[test]
    fn an_assertion_is_short_lived() {
        let keyed = Keyed::new();
        let out_of_time = |error| Err(ClientAuthenticationError::OutOfTime(error));
        assert!(keyed.check_with("exp", json!(START.0 + 310)).is_ok());
        assert_eq!(
            keyed.check_with("exp", json!(START.0 + 311)),
            Err(ClientAuthenticationError::LivesTooLong)
        );
        assert!(keyed.check_with("exp", json!(START.0 - 10)).is_ok());
        assert_eq!(keyed.check_with("exp", json!(START.0 - 11)), out_of_time(TimeError::Expired));
        assert_eq!(keyed.check_with("exp", json!(null)), out_of_time(TimeError::NoExpiry));
        assert!(keyed.check_with("nbf", json!(START.0 + 10)).is_ok());
        assert_eq!(keyed.check_with("nbf", json!(START.0 + 11)), out_of_time(TimeError::NotYetValid));
        assert_eq!(keyed.check_with("iat", json!(START.0 + 11)), out_of_time(TimeError::IssuedInTheFuture));
        assert!(keyed.check_with("iat", json!(null)).is_ok() && keyed.check_with("nbf", json!(null)).is_ok());
    }

    #[test]
    fn an_assertion_has_an_id_of_its_own() {
        let keyed = Keyed::new();
        for wrong in [json!(null), json!(""), json!("j".repeat(65))] {
            assert_eq!(keyed.check_with("jti", wrong), Err(ClientAuthenticationError::UnsuitableTokenId));
        }
        let longest = keyed.check_with("jti", json!("j".repeat(64))).unwrap().unwrap();
        assert_eq!(longest.jti.len(), 64);
    }

    #[test]
    fn a_long_or_malformed_assertion_or_another_kind_of_token_is_refused() {
        let keyed = Keyed::new();
        let long = keyed.check_with("note", json!("n".repeat(2_000)));
        assert_eq!(long, Err(ClientAuthenticationError::AssertionTooLong));
        let malformed = Err(ClientAuthenticationError::MalformedAssertion(JwtError::NotAJwt));
        assert_eq!(keyed.check("assertion"), malformed);
        for media_type in ["mfa+jwt", "at+jwt", "dpop+jwt", "application/logout+jwt"] {
            let token = keyed.key.sign(&json!({ "typ": media_type }), &Keyed::claims());
            assert_eq!(keyed.check(&token), Err(ClientAuthenticationError::OtherKindOfToken), "{media_type}");
        }
        for media_type in ["JWT", "client-authentication+jwt"] {
            assert!(keyed.check(&keyed.key.sign(&json!({ "typ": media_type }), &Keyed::claims())).is_ok());
        }
    }

    #[test]
    fn a_forged_assertion_is_refused() {
        let keyed = Keyed::new();
        let forged = TestKey::new(Algorithm::RS256, 2, "c1").sign(&json!({}), &Keyed::claims());
        let refused = Err(ClientAuthenticationError::Key(KeySetError::InvalidSignature));
        assert_eq!(keyed.check(&forged), refused);
        let unknown = TestKey::new(Algorithm::RS256, 1, "c2").sign(&json!({}), &Keyed::claims());
        assert_eq!(keyed.check(&unknown), Err(ClientAuthenticationError::Key(KeySetError::UnknownKey)));
        let unfit = TestKey::new(Algorithm::PS256, 1, "c1").sign(&json!({}), &Keyed::claims());
        assert_eq!(keyed.check(&unfit), Err(ClientAuthenticationError::Key(KeySetError::UnfitKey)));
    }

    #[test]
    fn without_a_key_id_the_clients_keys_are_tried_in_turn() {
        let mut keyed = Keyed::new();
        let first = TestKey::new(Algorithm::RS256, 2, "c2");
        let keys = AssertionKeys::Registered(key_set(&[&first, &keyed.key]));
        keyed.client = client(ClientAuthentication::Assertion(keys));
        let assertion = keyed.key.clone().without_key_id().sign(&json!({}), &Keyed::claims());
        assert!(keyed.check(&assertion).is_ok());
        assert_eq!(keyed.world.verifications(), 2);
    }

    #[test]
    fn keys_may_be_at_an_address_that_the_client_has_registered() {
        let mut keyed = Keyed::new();
        let uri = "https://app.example.com/jwks.json";
        keyed.client = client(ClientAuthentication::Assertion(AssertionKeys::Uri(uri.to_owned())));
        let assertion = keyed.key.sign(&json!({}), &Keyed::claims());
        let unavailable = KeySetError::Unavailable { retry_after: 30 };
        assert_eq!(keyed.check(&assertion), Err(ClientAuthenticationError::Key(unavailable)));
        keyed.world.answer_json(uri, &key_set(&[&keyed.key]), None);
        keyed.app = app(&keyed.world);
        assert!(keyed.check(&assertion).is_ok());
    }

    #[test]
    fn a_basic_header_is_decoded_as_the_rfc_says() {
        let header = |text: &str| format!("Basic {}", Base64::encode_string(text.as_bytes()));
        let read = |header: &str| {
            basic_credentials(header).map(|basic| (basic.client_id.0, basic.secret.expose().to_owned()))
        };
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read(&header("app:secret")), pair("app", "secret"));
        assert_eq!(read(&header("app:")), pair("app", ""));
        assert_eq!(read(&header("a%3Ab+c:s%C3%a4:t")), pair("a:b c", "s\u{e4}:t"));
        assert_eq!(read(&header("app:secret").replace("Basic", "BASIC ")), pair("app", "secret"));
        assert_eq!(read(&header("app:secret1").replace('=', "")), pair("app", "secret1"));
        for wrong in ["app", ":secret", "app:%", "app:%4", "app:%zz", "app:%ff"] {
            assert_eq!(read(&header(wrong)), None, "{wrong}");
        }
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer YXBwOnNlY3JldA==",
            "Basic gA==",
            "BasicYXBwOnNlY3JldA==",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn credentials_print_no_secret() {
        let credentials =
            Credentials { secret: Some(Secret::new(SECRET.to_owned())), ..by_basic("app", SECRET) };
        assert!(!format!("{credentials:?}").contains(SECRET));
    }
}
