//! [`Platform`] on a Worker's bindings.

use std::future::Future;
use std::rc::Rc;

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::{exchange, glue};
use crate::algorithm::Algorithm;
use crate::config::{Config, ConfigError};
use crate::json::{self, Json, object};
use crate::platform::{
    DataPoint, FetchError, KeyError, MailError, Meter, MetricError, OutboundMail, OutboundRequest,
    OutboundResponse, Platform, QueueError, RandomError, Row, Statement, StorageError, Usage,
};
use crate::storage::crossing;
use crate::types::UnixSeconds;

/// One event's view of the world.
#[derive(Clone)]
pub(super) struct Workers {
    /// The bindings, variables and secrets.
    env: JsValue,
    /// What keeps an event alive after its handler has answered.
    context: JsValue,
    /// What this event costs: an isolate serves several at once, each with a handle of its own.
    meter: Rc<Meter>,
    /// When it began, in milliseconds since 1970.
    began_at: f64,
}

impl Workers {
    pub(super) fn new(env: JsValue, context: JsValue) -> Self {
        Self { env, context, meter: Rc::default(), began_at: glue::now() }
    }

    pub(super) fn configuration(&self) -> Result<Config, Vec<ConfigError>> {
        let variables = glue::variables(&self.env);
        let variables = json::parse(variables.as_bytes()).unwrap_or(Json::Null);
        let names = variables.as_object().into_iter().flatten().map(|(name, _)| name.to_string());
        Config::from_variables(|name| variables.text(name).map(str::to_owned), names)
    }

    /// The file of `public/` that the request asks for, if there is one.
    pub(super) async fn asset(&self, request: &JsValue, id: &str) -> Option<glue::File> {
        exchange::asset(&self.env, request, id).await
    }

    async fn run(&self, nearby: bool, statements: &[Statement]) -> Result<Vec<Vec<Row>>, StorageError> {
        self.meter.round_trip(statements.len());
        let sqls: Vec<&str> = statements.iter().map(|statement| statement.sql).collect();
        let parameters = crossing::parameters(statements);
        // D1's messages name statements, tables and constraints; bound values do not stand in them.
        let results = glue::batch(&self.env, nearby, &sqls.join("\0"), &parameters)
            .await
            .map_err(|error| StorageError::Database(glue::text_of(&error)))?;
        crossing::read(&results.as_string().unwrap_or_default())
    }
}

impl Platform for Workers {
    type VerifyingKey = JsValue;
    type SigningKey = JsValue;

    fn now(&self) -> UnixSeconds {
        #[expect(clippy::cast_possible_truncation, reason = "the clock has milliseconds, seconds are wanted")]
        UnixSeconds((glue::now() / 1000.0) as i64)
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is where the parameter comes from")]
        getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
        Ok(bytes)
    }

    fn log(&self, event: Json<'_>) {
        glue::log(&event.write());
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
        self.run(false, &statements).await
    }

    async fn read_nearby(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        Ok(self.run(true, &[statement]).await?.into_iter().next().unwrap_or_default())
    }

    async fn cached(&self, key: &str) -> Option<String> {
        self.meter.cache_read();
        glue::cached(&self.env, key).await.as_string()
    }

    async fn cache(&self, key: &str, value: &str, seconds: i64) {
        glue::cache(&self.env, key, value, u32::try_from(seconds).unwrap_or(0)).await;
    }

    async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
        self.meter.fetch();
        exchange::fetch(request).await
    }

    async fn send_mail(&self, mail: OutboundMail) -> Result<(), MailError> {
        let from = match &mail.from_name {
            Some(name) => object! { "email": &mail.from, "name": name },
            None => Json::from(&mail.from),
        };
        let message = object! {
            "from": from,
            "to": &mail.to,
            "subject": &mail.subject,
            "text": &mail.text,
            "html": &mail.html,
        };
        let refusal = glue::send_mail(&self.env, &message.write(), mail.timeout_milliseconds).await;
        match refusal.as_string().as_deref() {
            None => Ok(()),
            Some("missing") => Err(MailError::Missing),
            Some("too late") => Err(MailError::Timeout),
            Some(refusal) => {
                let refusal = json::parse(refusal.as_bytes()).unwrap_or(Json::Null);
                Err(refusal
                    .text("code")
                    .map_or(MailError::Broken, |code| MailError::Refused(code.to_owned())))
            }
        }
    }

    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError> {
        send(&self.env, "OOB_QUEUE", &object! { "delivery": delivery_id }.write()).await
    }

    async fn export(&self, event: &str) -> Result<(), QueueError> {
        send(&self.env, "AUDIT_QUEUE", event).await
    }

    fn measure(&self, point: &DataPoint) -> Result<(), MetricError> {
        let numbers: Vec<Json<'_>> =
            point.doubles.iter().map(|number| Json::Integer(i64::from(*number))).collect();
        let point =
            object! { "indexes": [point.index.as_str()], "blobs": &point.blobs[..], "doubles": numbers };
        glue::measure(&self.env, &point.write()).map_err(|error| MetricError(glue::text_of(&error)))
    }

    fn usage(&self) -> Usage {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole milliseconds; a clock that was put back gives none"
        )]
        self.meter.read((glue::now() - self.began_at) as u32)
    }

    async fn is_within_rate(&self, key: &str) -> bool {
        let answer = glue::is_within_rate(&self.env, key);
        match answer.as_bool() {
            Some(answer) => answer,
            None => JsFuture::from(answer.unchecked_into::<Promise>())
                .await
                .is_ok_and(|answer| answer.is_truthy()),
        }
    }

    async fn import_verifying_key(
        &self,
        algorithm: Algorithm,
        public_jwk: &str,
    ) -> Result<JsValue, KeyError> {
        glue::import_key(public_jwk, algorithm.as_str(), "verify").await.map_err(key_error)
    }

    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &JsValue,
        signature: &[u8],
        message: &[u8],
    ) -> Result<bool, KeyError> {
        let valid = glue::verify(algorithm.as_str(), key, signature, message).await.map_err(key_error)?;
        Ok(valid.is_truthy())
    }

    async fn import_signing_key(&self, private_jwk: &str) -> Result<JsValue, KeyError> {
        glue::import_key(private_jwk, Algorithm::RS256.as_str(), "sign").await.map_err(key_error)
    }

    async fn sign(&self, key: &JsValue, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = glue::sign(Algorithm::RS256.as_str(), key, message).await.map_err(key_error)?;
        Ok(Uint8Array::unchecked_from_js(signature).to_vec())
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        let work = future_to_promise(async {
            work.await;
            Ok(JsValue::UNDEFINED)
        });
        glue::wait_until(&self.context, work);
    }

    async fn pause(&self, milliseconds: u32) {
        glue::sleep(milliseconds).await;
    }
}

async fn send(env: &JsValue, name: &str, message: &str) -> Result<(), QueueError> {
    glue::send(env, name, message).await.map_err(|error| QueueError(glue::text_of(&error)))
}

/// WebCrypto's errors say which step failed, and nothing of the key.
fn key_error(error: JsValue) -> KeyError {
    KeyError(glue::text_of(&error))
}
