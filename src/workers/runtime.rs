//! The runtime's classes, as far as they are used here. The crate `worker` has them all, with classes of its own that
//! would end up in the bundle whether used or not.

use js_sys::{Array, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// What keeps an event alive after its handler has answered.
    pub type Context;

    #[wasm_bindgen(method, catch, js_name = waitUntil)]
    pub fn wait_until(this: &Context, work: &Promise) -> Result<(), JsValue>;

    /// The files of `public/`.
    pub type Assets;

    /// Resolves with a response.
    #[wasm_bindgen(method, catch)]
    pub async fn fetch(this: &Assets, request: &web_sys::Request) -> Result<JsValue, JsValue>;

    /// A D1 database.
    pub type Database;

    #[wasm_bindgen(method, catch)]
    pub fn prepare(this: &Database, sql: &str) -> Result<PreparedStatement, JsValue>;

    /// Resolves with an array of [`StatementResult`].
    #[wasm_bindgen(method, catch)]
    pub async fn batch(this: &Database, statements: &Array) -> Result<JsValue, JsValue>;

    pub type PreparedStatement;

    #[wasm_bindgen(method, catch, variadic)]
    pub fn bind(this: &PreparedStatement, values: &Array) -> Result<PreparedStatement, JsValue>;

    pub type StatementResult;

    /// The rows, as objects.
    #[wasm_bindgen(method, getter)]
    pub fn results(this: &StatementResult) -> Option<Array>;

    /// A KV namespace.
    pub type KvNamespace;

    /// Resolves with a text or null.
    #[wasm_bindgen(method, catch)]
    pub async fn get(this: &KvNamespace, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub async fn put(
        this: &KvNamespace,
        key: &str,
        value: &str,
        options: &Object,
    ) -> Result<JsValue, JsValue>;

    /// The producer's end of a queue.
    pub type Queue;

    #[wasm_bindgen(method, catch)]
    pub async fn send(this: &Queue, message: &Object, options: &Object) -> Result<JsValue, JsValue>;

    /// What a queue's consumer is given.
    pub type MessageBatch;

    /// An array of [`Message`].
    #[wasm_bindgen(method, getter)]
    pub fn messages(this: &MessageBatch) -> Array;

    #[wasm_bindgen(method, catch, js_name = retryAll)]
    pub fn retry_all(this: &MessageBatch) -> Result<(), JsValue>;

    pub type Message;

    #[wasm_bindgen(method, getter)]
    pub fn id(this: &Message) -> String;

    #[wasm_bindgen(method, getter)]
    pub fn body(this: &Message) -> JsValue;

    #[wasm_bindgen(method, catch)]
    pub fn ack(this: &Message) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub fn retry(this: &Message, options: &Object) -> Result<(), JsValue>;
}
