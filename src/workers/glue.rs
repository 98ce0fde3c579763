//! What `glue.js` does for us.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

// As it is called beside what wasm-bindgen writes.
#[wasm_bindgen(raw_module = "./glue.js")]
extern "C" {
    pub(super) fn variables(env: &JsValue) -> String;

    #[wasm_bindgen(catch)]
    pub(super) async fn batch(
        env: &JsValue,
        nearby: bool,
        sqls: &str,
        parameters: &str,
    ) -> Result<JsValue, JsValue>;

    pub(super) async fn cached(env: &JsValue, key: &str) -> JsValue;

    pub(super) async fn cache(env: &JsValue, key: &str, value: &str, seconds: u32);

    #[wasm_bindgen(catch)]
    pub(super) async fn send(env: &JsValue, name: &str, message: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) fn measure(env: &JsValue, point: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = isWithinRate)]
    pub(super) fn is_within_rate(env: &JsValue, key: &str) -> JsValue;

    #[wasm_bindgen(js_name = sendMail)]
    pub(super) async fn send_mail(env: &JsValue, mail: &str, milliseconds: u32) -> JsValue;

    #[wasm_bindgen(catch)]
    pub(super) async fn exchange(request: &str) -> Result<JsValue, JsValue>;

    pub(super) async fn asset(env: &JsValue, request: &JsValue, id: &str) -> JsValue;

    #[wasm_bindgen(js_name = waitUntil)]
    pub(super) fn wait_until(context: &JsValue, work: js_sys::Promise);

    pub(super) async fn sleep(milliseconds: u32);

    #[wasm_bindgen(js_name = textOf)]
    pub(super) fn text_of(error: &JsValue) -> String;

    #[wasm_bindgen(catch, js_name = importKey)]
    pub(super) async fn import_key(jwk: &str, algorithm: &str, usage: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn verify(
        algorithm: &str,
        key: &JsValue,
        signature: &[u8],
        message: &[u8],
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn sign(algorithm: &str, key: &JsValue, message: &[u8]) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn log(line: &str);

    /// Milliseconds since 1970.
    #[wasm_bindgen(js_namespace = Date)]
    pub(super) fn now() -> f64;

    /// A file's response.
    pub(super) type File;

    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &File) -> u16;
}
