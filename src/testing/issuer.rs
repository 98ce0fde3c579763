//! A trusted issuer as tests see it: a name, keys, a key set on the fake network, tokens of each kind.

use serde_json::{Value, json};

use super::keys::{TestKey, key_set};
use super::platform::FakePlatform;
use crate::algorithm::Algorithm;

/// An identity provider. Tokens are signed with its first key.
pub(crate) struct TestIssuer {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) keys: Vec<TestKey>,
}

impl TestIssuer {
    /// The issuer `https://{name}.example.com/` with one RS256 key called `{name}-1`.
    pub(crate) fn new(name: &str) -> Self {
        let key = TestKey::new(Algorithm::RS256, 0, &format!("{name}-1"));
        Self { name: name.to_owned(), url: format!("https://{name}.example.com/"), keys: vec![key] }
    }

    /// Where its key set is.
    pub(crate) fn jwks_uri(&self) -> String {
        format!("{}jwks.json", self.url)
    }

    /// Where its discovery document is.
    pub(crate) fn discovery_uri(&self) -> String {
        format!("{}.well-known/openid-configuration", self.url)
    }

    /// Serves discovery and the present keys, cacheable for ten minutes.
    pub(crate) fn publish_on(&self, world: &FakePlatform) {
        let discovery = json!({ "issuer": self.url, "jwks_uri": self.jwks_uri() }).to_string();
        world.answer_json(&self.discovery_uri(), &discovery, None);
        world.answer_json(&self.jwks_uri(), &self.key_set(), Some("public, max-age=600"));
    }

    /// Its key set.
    pub(crate) fn key_set(&self) -> String {
        key_set(&self.keys.iter().collect::<Vec<_>>())
    }

    /// Its entry in `TRUSTED_ISSUERS`, allowed everything.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "name": self.name,
            "issuer": self.url,
            "audiences": ["https://api.example.com"],
            "may": ["exchange", "mfa_token", "access_token"],
        })
    }

    /// Claims of an mfa_token for `subject` that are valid at the world's present: for the client `app`, first factor a
    /// password. A test changes what it is about.
    pub(crate) fn mfa_claims(&self, world: &FakePlatform, subject: &str) -> Value {
        let mut claims = self.access_claims(world, subject, "openid read:notes");
        claims["token_use"] = json!("mfa");
        claims["audience"] = json!("https://api.example.com");
        claims["amr"] = json!(["pwd"]);
        claims
    }

    /// Claims of an access token for the MFA audience with `scope`, likewise.
    pub(crate) fn access_claims(&self, world: &FakePlatform, subject: &str, scope: &str) -> Value {
        use crate::platform::Platform;
        let now = world.now().0;
        json!({
            "iss": self.url, "sub": subject, "aud": "https://mfa.example.com/mfa/", "azp": "app",
            "iat": now, "exp": now + 600, "scope": scope,
            "email": format!("{subject}@example.com"), "email_verified": true, "name": format!("Name of {subject}"),
        })
    }

    /// A JWT of `claims`, `typ` JWT.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.keys[0].sign(&json!({ "typ": "JWT" }), claims)
    }

    /// A valid mfa_token for `subject`.
    pub(crate) fn mfa_token(&self, world: &FakePlatform, subject: &str) -> String {
        self.sign(&self.mfa_claims(world, subject))
    }

    /// A valid access token for the MFA audience with `scope`.
    pub(crate) fn access_token(&self, world: &FakePlatform, subject: &str, scope: &str) -> String {
        self.sign(&self.access_claims(world, subject, scope))
    }
}
