//! Cloudflare's side: its events, and [`Platform`] on its bindings. The only room that knows of Workers.

#![expect(unreachable_pub, reason = "wasm-bindgen exports public functions only")]

mod exchange;
mod glue;
mod platform;

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use self::platform::Workers;
use crate::app::{App, Isolate};
use crate::audit;
use crate::config::Config;
use crate::delivery::consumer::{self, Verdict};
use crate::http::crossing;
use crate::http::request::Method;
use crate::json::{self, Json, object};
use crate::platform::Platform;
use crate::routes;
use crate::storage::sweep;

/// What the name of the dead-letter queue of wrangler.toml ends in. What it begins with is the environment's.
const DEAD_LETTERS: &str = "-dead";

/// After how many seconds a message comes again that could not be looked at.
const RETRY_SECONDS: i64 = 5;

/// Faster than the standard library's, and half its size.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

thread_local! {
    /// What this isolate knows from earlier events: the configuration, which cannot change while it lives, and its
    /// caches.
    static REMEMBERED: RefCell<Option<Remembered>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Remembered {
    config: Rc<Config>,
    isolate: Rc<Isolate<Workers>>,
}

/// A request from outside, with its head as JSON. Returns what `entry.js` makes a response of, or a file's response.
#[wasm_bindgen(js_name = request)]
pub async fn fetch(head: String, body: Vec<u8>, request: JsValue, env: JsValue, context: JsValue) -> JsValue {
    let platform = Workers::new(env, context);
    // Without randomness there is no id; what needs randomness fails by itself later.
    let id = platform
        .random::<12>()
        .map_or_else(|_| String::new(), |bytes| base16ct::lower::encode_string(&bytes));
    let asked = crossing::read(id, platform.now(), &head, body);
    let Some(app) = app(platform) else {
        return JsValue::from_str(&crossing::write(&routes::not_configured(&asked)));
    };
    let response = routes::handle(&app, &asked).await;
    // The files of `public/` come last, so that none of them hides a route.
    let file = if response.status == 404 && asked.method == Method::Get {
        app.platform.asset(&request, &asked.id).await
    } else {
        None
    };
    let (endpoint, status, error) = match &file {
        Some(file) => ("file", file.status(), None),
        None => (routes::endpoint(&asked.path), response.status, response.error),
    };
    audit::answered(&app, &asked, endpoint, status, error);
    file.map_or_else(|| JsValue::from_str(&crossing::write(&response)), JsValue::from)
}

/// Handles a batch of `queue`'s messages: JSON `[[id, delivery or null], …]`. Returns JSON with an entry for each: the
/// seconds after which it comes again, or null if it is done. Nothing, where nothing is configured: all of them come again.
#[wasm_bindgen]
pub async fn queue(queue: String, messages: String, env: JsValue, context: JsValue) -> Option<String> {
    let app = app(Workers::new(env, context))?;
    // JSON.stringify has written them.
    let messages = json::parse(messages.as_bytes()).unwrap_or(Json::Null);
    let messages: Vec<(&str, Option<&str>)> = messages
        .as_array()?
        .iter()
        .map(|message| match message.as_array()? {
            [id, delivery] => Some((id.as_text()?, delivery.as_text())),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let mut deliveries = Vec::new();
    for (id, delivery) in &messages {
        match delivery {
            Some(delivery) => deliveries.push((*delivery).to_owned()),
            None => audit::tell(&app, object! { "event": "queue_message_refused", "message": *id }),
        }
    }
    let handled = if queue.ends_with(DEAD_LETTERS) {
        consumer::bury(&app, &deliveries).await
    } else {
        consumer::consume(&app, app.platform.now(), &deliveries).await
    };
    let mut verdicts = match handled {
        Ok(verdicts) => verdicts,
        Err(error) => {
            audit::tell(&app, object! { "event": "consumer_failed", "error": format!("{error:?}") });
            vec![Verdict::Retry(RETRY_SECONDS); deliveries.len()]
        }
    }
    .into_iter();
    let verdict = |(_, delivery): &(_, Option<&str>)| match delivery.and_then(|_| verdicts.next()) {
        Some(Verdict::Retry(seconds)) => Json::Integer(seconds.max(0)),
        Some(Verdict::Acknowledge) | None => Json::Null,
    };
    Some(Json::Array(messages.iter().map(verdict).collect()).write())
}

/// The cron trigger.
#[wasm_bindgen]
pub async fn scheduled(env: JsValue, context: JsValue) {
    if let Some(app) = app(Workers::new(env, context))
        && let Err(error) = sweep::run(&app, app.platform.now()).await
    {
        audit::tell(&app, object! { "event": "sweep_failed", "error": format!("{error:?}") });
    }
}

/// The application, or `None` after the log has been told which variables are wrong.
fn app(platform: Workers) -> Option<App<Workers>> {
    if let Some(Remembered { config, isolate }) = REMEMBERED.with_borrow(Clone::clone) {
        return Some(App { platform, config, isolate });
    }
    match platform.configuration() {
        Ok(config) => {
            let remembered = Remembered { config: Rc::new(config), isolate: Rc::default() };
            REMEMBERED.set(Some(remembered.clone()));
            let Remembered { config, isolate } = remembered;
            Some(App { platform, config, isolate })
        }
        Err(errors) => {
            for error in errors {
                platform.log(object! {
                    "event": "configuration_error",
                    "variable": error.variable,
                    "problem": error.problem,
                });
            }
            None
        }
    }
}
