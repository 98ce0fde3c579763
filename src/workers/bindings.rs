//! D1, KV and the queue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, Env, KvStore};

use crate::platform::{QueueError, Row, Statement, StorageError, Value};

/// A queue message: which delivery waits, and nothing else.
#[derive(Serialize, Deserialize)]
struct DeliveryMessage {
    delivery: String,
}

/// Runs the statements as one transaction.
pub(super) async fn batch(env: &Env, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
    let database = env.d1("DB").map_err(storage_error)?;
    let prepared = statements
        .iter()
        .map(|statement| prepare(&database, statement))
        .collect::<Result<Vec<_>, _>>()
        .map_err(storage_error)?;
    let results = database.batch(prepared).await.map_err(storage_error)?;
    results
        .iter()
        .map(|result| {
            let rows = result.results::<BTreeMap<String, Value>>().map_err(storage_error)?;
            Ok(rows.into_iter().map(Row).collect())
        })
        .collect()
}

fn prepare(database: &D1Database, statement: &Statement) -> worker::Result<worker::D1PreparedStatement> {
    let values = statement.parameters.iter().map(js_value).collect::<Vec<_>>();
    database.prepare(statement.sql).bind(&values)
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

/// D1's messages name statements, tables and constraints; bound values do not stand in them.
fn storage_error(error: worker::Error) -> StorageError {
    StorageError::Database(error.to_string())
}

/// Reads a text from the namespace `JWKS`; a cache that cannot answer is an empty one.
pub(super) async fn cached(env: &Env, key: &str) -> Option<String> {
    kv(env)?.get(key).text().await.ok()?
}

/// Writes a text to the namespace `JWKS`.
pub(super) async fn cache(env: &Env, key: &str, value: &str, seconds: i64) {
    // KV refuses to keep anything for less than a minute.
    let seconds = u64::try_from(seconds).unwrap_or(0).max(60);
    if let Some(put) = kv(env).and_then(|kv| kv.put(key, value).ok()) {
        // A cache that was not written is read from the issuer again.
        let _ = put.expiration_ttl(seconds).execute().await;
    }
}

fn kv(env: &Env) -> Option<KvStore> {
    env.kv("JWKS").ok()
}

/// Sends a delivery's id to the queue.
pub(super) async fn enqueue(env: &Env, delivery_id: &str) -> Result<(), QueueError> {
    let queue = env.queue("OOB_QUEUE").map_err(queue_error)?;
    queue.send(DeliveryMessage { delivery: delivery_id.to_owned() }).await.map_err(queue_error)
}

fn queue_error(error: worker::Error) -> QueueError {
    QueueError(error.to_string())
}

/// The delivery that a queue message names, if it is one of ours.
pub(super) fn delivery_id(body: &JsValue) -> Option<String> {
    serde_wasm_bindgen::from_value::<DeliveryMessage>(body.clone()).ok().map(|message| message.delivery)
}
