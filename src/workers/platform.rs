//! [`Platform`] on a Worker's bindings.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Date, Object, Reflect};
use wasm_bindgen_futures::future_to_promise;
use web_sys::CryptoKey;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::Context;
use worker::{Delay, Env, console_log};

use super::{bindings, exchange, subtle};
use crate::config::{Config, ConfigError};
use crate::json::Json;
use crate::platform::{
    DataPoint, FetchError, KeyError, MailError, Meter, MetricError, OutboundMail, OutboundRequest,
    OutboundResponse, Platform, QueueError, RandomError, Row, Statement, StorageError, Usage,
};
use crate::trust::algorithm::Algorithm;
use crate::types::UnixSeconds;

/// One event's view of the world.
#[derive(Clone)]
pub(super) struct Workers {
    env: Env,
    /// What keeps an event alive after its handler has answered.
    lifetime: Rc<Context>,
    /// What this event costs: an isolate serves several at once, each with a handle of its own.
    meter: Rc<Meter>,
    /// When it began, in milliseconds since 1970.
    began_at: f64,
}

impl Workers {
    pub(super) fn new(env: Env, lifetime: Context) -> Self {
        Self { env, lifetime: Rc::new(lifetime), meter: Rc::default(), began_at: Date::now() }
    }

    pub(super) fn configuration(&self) -> Result<Config, Vec<ConfigError>> {
        let names = Object::keys(self.env.unchecked_ref::<Object>());
        let names = names.iter().filter_map(|name| name.as_string());
        Config::from_variables(|name| self.variable(name), names)
    }

    /// The file of `public/` that the request asks for, if there is one.
    pub(super) async fn asset(&self, request: &web_sys::Request, id: &str) -> Option<web_sys::Response> {
        let assets = Reflect::get(&self.env, &JsValue::from_str("ASSETS")).ok()?;
        exchange::asset(&assets, request, id).await
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
        #[expect(clippy::cast_possible_truncation, reason = "the clock has milliseconds, seconds are wanted")]
        UnixSeconds((Date::now() / 1000.0) as i64)
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is where the parameter comes from")]
        getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
        Ok(bytes)
    }

    fn log(&self, event: Json) {
        console_log!("{}", event.write());
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
        self.meter.round_trip(statements.len());
        bindings::batch(&self.env, statements).await
    }

    async fn read_nearby(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        self.meter.round_trip(1);
        bindings::read_nearby(&self.env, statement).await
    }

    async fn cached(&self, key: &str) -> Option<String> {
        self.meter.cache_read();
        bindings::cached(&self.env, key).await
    }

    async fn cache(&self, key: &str, value: &str, seconds: i64) {
        bindings::cache(&self.env, key, value, seconds).await;
    }

    async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
        self.meter.fetch();
        exchange::fetch(request).await
    }

    async fn send_mail(&self, mail: OutboundMail) -> Result<(), MailError> {
        bindings::send_mail(&self.env, &mail).await
    }

    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError> {
        bindings::enqueue(&self.env, delivery_id).await
    }

    async fn export(&self, event: &Json) -> Result<(), QueueError> {
        bindings::export(&self.env, event).await
    }

    fn measure(&self, point: &DataPoint) -> Result<(), MetricError> {
        bindings::measure(&self.env, point).map_err(MetricError)
    }

    fn usage(&self) -> Usage {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole milliseconds; a clock that was put back gives none"
        )]
        self.meter.read((Date::now() - self.began_at) as u32)
    }

    async fn is_within_rate(&self, key: &str) -> bool {
        bindings::is_within_rate(&self.env, key).await
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
        let promise = future_to_promise(async {
            work.await;
            Ok(JsValue::UNDEFINED)
        });
        // It only ever refuses outside of an event.
        let _ = self.lifetime.wait_until(&promise);
    }

    async fn pause(&self, milliseconds: u32) {
        Delay::from(Duration::from_millis(u64::from(milliseconds))).await;
    }
}
