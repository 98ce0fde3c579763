//! A complete configuration for tests, of which each test changes what it is about.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::issuer::TestIssuer;
use super::keys::TestKey;
use super::platform::FakePlatform;
use crate::algorithm::Algorithm;
use crate::app::{App, Isolate};
use crate::config::{Config, ConfigError};

/// The environment variables of a test's Worker.
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// A configuration without flaws: `https://mfa.example.com`, the issuers `idp` and `other`, one signing key.
    pub(crate) fn new() -> Self {
        let key = |byte: u8| Base64UrlUnpadded::encode_string(&[byte; 32]);
        let issuers = json!([TestIssuer::new("idp").entry(), TestIssuer::new("other").entry()]);
        let encryption_keys = json!({
            "seal": { "use": "s1", "keys": { "s1": key(1) } },
            "hash": { "use": "h1", "keys": { "h1": key(2) } },
        });
        Self(BTreeMap::new())
            .with("PUBLIC_URL", "https://mfa.example.com")
            .with("TENANT_NAME", "Example")
            .with("TRUSTED_ISSUERS", &issuers.to_string())
            .with("ENCRYPTION_KEYS", &encryption_keys.to_string())
            .with("SIGNING_KEY_A", &own_key().private_jwk().to_string())
    }

    /// The same with `name` set to `value`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same without `name`.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The same with these issuers alone.
    pub(crate) fn with_issuers(self, entries: &[Value]) -> Self {
        self.with("TRUSTED_ISSUERS", &json!(entries).to_string())
    }

    /// What the Worker makes of them.
    pub(crate) fn config(&self) -> Result<Config, Vec<ConfigError>> {
        Config::from_variables(|name| self.0.get(name).cloned(), self.0.keys().cloned())
    }

    /// A fresh isolate with this configuration.
    pub(crate) fn app(&self, world: &FakePlatform) -> App<FakePlatform> {
        let config = Rc::new(self.config().expect("a valid configuration"));
        App { platform: world.clone(), config, isolate: Rc::new(Isolate::default()) }
    }
}

/// The key that signs own tokens.
pub(crate) fn own_key() -> TestKey {
    TestKey::new(Algorithm::RS256, 3, "own-a")
}

/// A fresh isolate with the default configuration. Two of them on one world are two isolates on one database.
pub(crate) fn app(world: &FakePlatform) -> App<FakePlatform> {
    Variables::new().app(world)
}
