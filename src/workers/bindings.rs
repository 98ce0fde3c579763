//! D1, KV, the queue and mail, called as the runtime has them: rows go straight into [`Row`]s and nothing through serde.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::Queue;
use worker::worker_sys::types::{D1Database, D1PreparedStatement, D1Result};
use worker::{Delay, Env};

use crate::json::Json;
use crate::platform::{DataPoint, MailError, OutboundMail, QueueError, Row, Statement, StorageError, Value};

/// How long a cache is waited for: what it would spare takes an issuer less.
const CACHE_MILLISECONDS: u32 = 1_000;
/// How long the shield is waited for, which counts where it is asked.
const SHIELD_MILLISECONDS: u32 = 1_000;

#[wasm_bindgen]
extern "C" {
    /// A KV namespace; `worker`'s wrapper brings metadata, streams and bulk reads along.
    type KvNamespace;

    #[wasm_bindgen(method, catch)]
    async fn get(this: &KvNamespace, key: &str) -> Result<JsValue, JsValue>;

    /// A rate limit, for which `worker` has no wrapper that takes a key alone.
    type RateLimit;

    #[wasm_bindgen(method, catch)]
    async fn limit(this: &RateLimit, options: &Object) -> Result<JsValue, JsValue>;

    /// Cloudflare Email Service; `worker` takes mails as MIME only.
    type SendEmail;

    #[wasm_bindgen(method, catch)]
    async fn send(this: &SendEmail, message: &Object) -> Result<JsValue, JsValue>;

    /// A dataset of Analytics Engine, for which `worker`'s wrapper takes one kind of value at a time.
    type Dataset;

    #[wasm_bindgen(method, catch, js_name = writeDataPoint)]
    fn write_data_point(this: &Dataset, point: &Object) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn put(this: &KvNamespace, key: &str, value: &str, options: &Object) -> Result<JsValue, JsValue>;
}

/// Runs the statements as one transaction.
pub(super) async fn batch(env: &Env, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
    run(&binding(env, "DB").map_err(StorageError::Database)?, statements).await
}

/// Reads from the nearest copy, which is the database itself where there is no other.
pub(super) async fn read_nearby(env: &Env, statement: Statement) -> Result<Vec<Row>, StorageError> {
    let database = binding::<D1Database>(env, "DB").map_err(StorageError::Database)?;
    let session = database.with_session(Some("first-unconstrained")).map_err(storage_error)?;
    // What a session can do is called as it is with a database.
    let results = run(&session.unchecked_into(), vec![statement]).await?;
    Ok(results.into_iter().next().unwrap_or_default())
}

async fn run(database: &D1Database, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
    let prepared = Array::new();
    for statement in &statements {
        prepared.push(prepare(database, statement).map_err(storage_error)?.as_ref());
    }
    let running = database.batch(prepared).map_err(storage_error)?;
    let results = JsFuture::from(running).await.map_err(storage_error)?;
    Array::from(&results).iter().map(|result| rows(&result.unchecked_into())).collect()
}

fn prepare(database: &D1Database, statement: &Statement) -> Result<D1PreparedStatement, JsValue> {
    let values: Array = statement.parameters.iter().map(js_value).collect();
    database.prepare(statement.sql)?.bind(values)
}

/// D1 takes no BigInt, so integers go as JavaScript's numbers; all of ours are far below 2^53.
fn js_value(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        #[expect(clippy::cast_precision_loss, reason = "times, counters and versions stay below 2^53")]
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
    }
}

fn rows(result: &D1Result) -> Result<Vec<Row>, StorageError> {
    let rows = result.results().map_err(storage_error)?.unwrap_or_default();
    rows.iter().map(|row| read_row(&row.unchecked_into())).collect()
}

fn read_row(row: &Object) -> Result<Row, StorageError> {
    let read = |column: JsValue| {
        let value = Reflect::get(row, &column).map_err(storage_error)?;
        let value = read_value(&value).ok_or(StorageError::UnexpectedShape("a value's type"))?;
        Ok((column.as_string().unwrap_or_default(), value))
    };
    Object::keys(row).iter().map(read).collect::<Result<_, _>>().map(Row)
}

/// A text, a whole number or null: nothing else is stored.
fn read_value(value: &JsValue) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    if let Some(text) = value.as_string() {
        return Some(Value::Text(text));
    }
    let number = value.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "what is cut off is looked at in the same line")]
    let whole = (number.trunc() == number).then_some(number as i64);
    whole.map(Value::Integer)
}

/// D1's messages name statements, tables and constraints; bound values do not stand in them.
fn storage_error(error: JsValue) -> StorageError {
    StorageError::Database(text_of(&error))
}

/// Reads a text from the namespace `JWKS`; a cache that cannot answer, or not in time, is an empty one.
pub(super) async fn cached(env: &Env, key: &str) -> Option<String> {
    let kv = binding::<KvNamespace>(env, "JWKS").ok()?;
    in_time(CACHE_MILLISECONDS, kv.get(key)).await?.ok()?.as_string()
}

/// What a binding answers, if it does within so many milliseconds.
async fn in_time<T>(milliseconds: u32, answer: impl Future<Output = T>) -> Option<T> {
    let limit = Delay::from(Duration::from_millis(u64::from(milliseconds)));
    match select(pin!(answer), limit).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// Writes a text to the namespace `JWKS`.
pub(super) async fn cache(env: &Env, key: &str, value: &str, seconds: i64) {
    // KV refuses to keep anything for less than a minute.
    let seconds = u32::try_from(seconds).unwrap_or(0).max(60);
    let options = object("expirationTtl", &seconds.into());
    if let Ok(kv) = binding::<KvNamespace>(env, "JWKS") {
        // A cache that was not written is read from the issuer again.
        let _ = kv.put(key, value, &options).await;
    }
}

/// Sends a delivery's id to the queue, and nothing else.
pub(super) async fn enqueue(env: &Env, delivery_id: &str) -> Result<(), QueueError> {
    send(env, "OOB_QUEUE", object("delivery", &JsValue::from_str(delivery_id)).into()).await
}

/// Sends an event to the queue `AUDIT_QUEUE`, which only a deployment that wants it has.
pub(super) async fn export(env: &Env, event: &Json) -> Result<(), QueueError> {
    let message = JSON::parse(&event.write()).map_err(queue_error)?;
    send(env, "AUDIT_QUEUE", message).await
}

async fn send(env: &Env, name: &str, message: JsValue) -> Result<(), QueueError> {
    let queue = binding::<Queue>(env, name).map_err(QueueError)?;
    let options = object("contentType", &JsValue::from_str("json"));
    let sending = queue.send(message, options.into()).map_err(queue_error)?;
    JsFuture::from(sending).await.map(|_| ()).map_err(queue_error)
}

/// Writes a data point to the dataset `METRICS`, which only a deployment that wants it has.
pub(super) fn measure(env: &Env, point: &DataPoint) -> Result<(), String> {
    let blobs: Array = point.blobs.iter().map(|blob| JsValue::from_str(blob)).collect();
    let doubles: Array = point.doubles.iter().copied().map(JsValue::from_f64).collect();
    let written = object("indexes", &Array::of1(&JsValue::from_str(&point.index)));
    set(&written, "blobs", &blobs);
    set(&written, "doubles", &doubles);
    binding::<Dataset>(env, "METRICS")?.write_data_point(&written).map_err(|error| text_of(&error))
}

/// Hands a mail to the binding `EMAIL`, which only a deployment that wants it has.
pub(super) async fn send_mail(env: &Env, mail: &OutboundMail) -> Result<(), MailError> {
    let service = binding::<SendEmail>(env, "EMAIL").map_err(|_| MailError::Missing)?;
    let message = Object::new();
    let from = match &mail.from_name {
        Some(name) => {
            let from = object("email", &JsValue::from_str(&mail.from));
            set(&from, "name", &JsValue::from_str(name));
            from.into()
        }
        None => JsValue::from_str(&mail.from),
    };
    set(&message, "from", &from);
    let texts = [("to", &mail.to), ("subject", &mail.subject), ("text", &mail.text), ("html", &mail.html)];
    for (name, text) in texts {
        set(&message, name, &JsValue::from_str(text));
    }
    let sent = in_time(mail.timeout_milliseconds, service.send(&message)).await.ok_or(MailError::Timeout)?;
    sent.map(|_| ()).map_err(|error| mail_error(&error))
}

/// The service throws errors with a `code`. Their messages name addresses, and are left alone.
fn mail_error(error: &JsValue) -> MailError {
    let code = Reflect::get(error, &JsValue::from_str("code")).ok().and_then(|code| code.as_string());
    code.map_or(MailError::Broken, MailError::Refused)
}

/// Asks the binding `SHIELD`. One that is not there, or cannot answer, or not in time, shields nothing: the exact
/// counters are behind it.
pub(super) async fn is_within_rate(env: &Env, key: &str) -> bool {
    let Ok(shield) = binding::<RateLimit>(env, "SHIELD") else {
        return true;
    };
    let options = object("key", &JsValue::from_str(key));
    let Some(outcome) = in_time(SHIELD_MILLISECONDS, shield.limit(&options)).await else {
        return true;
    };
    let success = outcome.and_then(|outcome| Reflect::get(&outcome, &JsValue::from_str("success")));
    success.map_or(true, |success| success.as_bool().unwrap_or(true))
}

fn queue_error(error: JsValue) -> QueueError {
    QueueError(text_of(&error))
}

/// The delivery that a queue message names, if it is one of ours.
pub(super) fn delivery_id(body: &JsValue) -> Option<String> {
    Reflect::get(body, &JsValue::from_str("delivery")).ok()?.as_string()
}

/// The binding `name` of wrangler.toml.
fn binding<T: JsCast>(env: &Env, name: &str) -> Result<T, String> {
    match Reflect::get(env, &JsValue::from_str(name)) {
        Ok(binding) if binding.is_object() => Ok(binding.unchecked_into()),
        _ => Err(format!("there is no binding {name}")),
    }
}

/// An object with this one member.
pub(super) fn object(member: &str, value: &JsValue) -> Object {
    let object = Object::new();
    set(&object, member, value);
    object
}

fn set(object: &Object, member: &str, value: &JsValue) {
    // An object of ours takes every member.
    let _ = Reflect::set(object, &JsValue::from_str(member), value);
}

/// What JavaScript would print of an error.
pub(super) fn text_of(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.to_string().into(),
        None => error.as_string().unwrap_or_else(|| "not an error".to_owned()),
    }
}
