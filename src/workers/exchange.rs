//! HTTP to others, as `glue.js` does it.

use wasm_bindgen::{JsCast, JsValue};

use super::glue;
use crate::http::crossing::written;
use crate::json::{self, Json, object};
use crate::platform::{FetchError, OutboundRequest, OutboundResponse};

/// One outbound exchange: no redirects, an end in time, a body of bounded length.
pub(super) async fn fetch(request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
    let asked = object! {
        "url": request.url,
        "method": request.method,
        "headers": written(&request.headers),
        "body": request.body,
        "milliseconds": i64::from(request.timeout_milliseconds),
        "bytes": i64::try_from(request.maximum_body_bytes).unwrap_or(i64::MAX),
    };
    let answer = glue::exchange(&asked.write())
        .await
        .map_err(|error| FetchError::Connection(glue::text_of(&error)))?;
    match answer.as_string().as_deref() {
        None => {}
        Some("too large") => return Err(FetchError::BodyTooLarge),
        Some(_) => return Err(FetchError::Timeout),
    }
    let answer: js_sys::Array = answer.unchecked_into();
    let head = answer.get(0).as_string().unwrap_or_default();
    let head = json::parse(head.as_bytes()).unwrap_or(Json::Null);
    let header = |name| head.text(name).map(str::to_owned);
    Ok(OutboundResponse {
        status: head.integer("status").and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        cache_control: header("cache_control"),
        retry_after: header("retry_after"),
        error_type: header("error_type"),
        body: js_sys::Uint8Array::unchecked_from_js(answer.get(1)).to_vec(),
    })
}

/// The file of `public/` that a request asks for, if there is one.
pub(super) async fn asset(env: &JsValue, request: &JsValue, id: &str) -> Option<glue::File> {
    let file = glue::asset(env, request, id).await;
    file.is_object().then(|| file.unchecked_into())
}
