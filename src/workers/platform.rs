//! [`Platform`] on a Worker's bindings.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Object, Reflect};
use web_sys::CryptoKey;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Date, Delay, Env, ScheduleContext, console_log};

use super::{bindings, exchange, subtle};
use crate::config::{Config, ConfigError};
use crate::platform::{
    FetchError, KeyError, OutboundRequest, OutboundResponse, Platform, QueueError, RandomError, Row,
    Statement, StorageError,
};
use crate::trust::algorithm::Algorithm;
use crate::types::UnixSeconds;

/// One event's view of the world.
#[derive(Clone)]
pub(super) struct Workers {
    env: Env,
    lifetime: Rc<dyn Lifetime>,
}

/// What keeps an event alive after its handler has answered.
pub(super) trait Lifetime {
    fn extend(&self, work: std::pin::Pin<Box<dyn Future<Output = ()>>>);
}

impl Lifetime for Context {
    fn extend(&self, work: std::pin::Pin<Box<dyn Future<Output = ()>>>) {
        self.wait_until(work);
    }
}

impl Lifetime for ScheduleContext {
    fn extend(&self, work: std::pin::Pin<Box<dyn Future<Output = ()>>>) {
        self.wait_until(work);
    }
}

impl Workers {
    pub(super) fn new(env: Env, lifetime: Rc<dyn Lifetime>) -> Self {
        Self { env, lifetime }
    }

    pub(super) fn configuration(&self) -> Result<Config, Vec<ConfigError>> {
        let names = Object::keys(self.env.unchecked_ref::<Object>());
        let names = names.iter().filter_map(|name| name.as_string());
        Config::from_variables(|name| self.variable(name), names)
    }

    /// A variable or secret; bindings of other kinds are no text.
    fn variable(&self, name: &str) -> Option<String> {
        Reflect::get(&self.env, &JsValue::from_str(name)).ok()?.as_string()
    }
}

impl Platform for Workers {
    type VerifyingKey = CryptoKey;
    type SigningKey = CryptoKey;

    fn now(&self) -> UnixSeconds {
        let seconds = Date::now().as_millis() / 1000;
        UnixSeconds(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is where the parameter comes from")]
        getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
        Ok(bytes)
    }

    fn log(&self, event: serde_json::Value) {
        console_log!("{event}");
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
        bindings::batch(&self.env, statements).await
    }

    async fn cached(&self, key: &str) -> Option<String> {
        bindings::cached(&self.env, key).await
    }

    async fn cache(&self, key: &str, value: &str, seconds: i64) {
        bindings::cache(&self.env, key, value, seconds).await;
    }

    async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
        exchange::fetch(request).await
    }

    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError> {
        bindings::enqueue(&self.env, delivery_id).await
    }

    async fn import_verifying_key(
        &self,
        algorithm: Algorithm,
        public_jwk: &str,
    ) -> Result<CryptoKey, KeyError> {
        subtle::import(algorithm, public_jwk, "verify").await
    }

    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &CryptoKey,
        signature: &[u8],
        message: &[u8],
    ) -> Result<bool, KeyError> {
        subtle::verify(algorithm, key, signature, message).await
    }

    async fn import_signing_key(&self, private_jwk: &str) -> Result<CryptoKey, KeyError> {
        subtle::import(Algorithm::RS256, private_jwk, "sign").await
    }

    async fn sign(&self, key: &CryptoKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        subtle::sign(Algorithm::RS256, key, message).await
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        self.lifetime.extend(Box::pin(work));
    }

    async fn pause(&self, milliseconds: u32) {
        Delay::from(Duration::from_millis(u64::from(milliseconds))).await;
    }
}
