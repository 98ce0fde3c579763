//! Cloudflare's side: its events, and [`Platform`] on its bindings. The only room that knows of Workers.

#![expect(unreachable_pub, reason = "wasm-bindgen exports public functions only")]

mod bindings;
mod exchange;
mod platform;
mod subtle;

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::{Context, Message, MessageBatch};

use self::platform::Workers;
use crate::app::{App, Isolate};
use crate::audit;
use crate::config::Config;
use crate::delivery::consumer::{self, Verdict};
use crate::http::request::Method;
use crate::json::object;
use crate::platform::Platform;
use crate::routes;
use crate::storage::sweep;

/// The dead-letter queue of wrangler.toml.
const DEAD_LETTER_QUEUE: &str = "countersign-oob-dead";

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

/// A request from outside.
///
/// The work is handed to the event's lifetime and only its answer is awaited here. When a client hangs up, the runtime
/// drops what the handler waits for, and a Rust future that waits for it is never run nor freed again: each such
/// request would leak its memory, and a renewal of keys that it had begun would never end.
#[wasm_bindgen]
pub async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, JsValue> {
    let platform = Workers::new(env, context);
    let (sender, receiver) = oneshot::channel();
    platform.clone().defer(async move {
        // Nobody listens any more where the client has hung up.
        let _ = sender.send(answer(&request, platform).await);
    });
    receiver.await.unwrap_or_else(|_| Err(JsValue::from_str("the work was abandoned")))
}

async fn answer(request: &web_sys::Request, platform: Workers) -> Result<web_sys::Response, JsValue> {
    let asked = exchange::read(request, &platform).await;
    let Some(app) = app(platform) else {
        return exchange::write(&routes::not_configured(&asked));
    };
    let response = routes::handle(&app, &asked).await;
    // The files of `public/` come last, so that none of them hides a route.
    let file = if response.status == 404 && asked.method == Method::Get {
        app.platform.asset(request, &asked.id).await
    } else {
        None
    };
    let (endpoint, status, error) = match &file {
        Some(file) => ("file", file.status(), None),
        None => (routes::endpoint(&asked.path), response.status, response.error),
    };
    audit::answered(&app, &asked, endpoint, status, error);
    file.map_or_else(|| exchange::write(&response), Ok)
}

/// Messages of the queue, or those that it has given up on: ids of deliveries.
#[wasm_bindgen]
pub async fn queue(batch: MessageBatch, env: Env, context: Context) -> Result<(), JsValue> {
    let platform = Workers::new(env, context);
    let Some(app) = app(platform) else {
        // Nothing is lost while the operator mends the configuration: the messages come again, and so does the sweep.
        return batch.retry_all(JsValue::UNDEFINED);
    };
    let mut ids = Vec::new();
    let mut messages = Vec::new();
    for message in batch.messages()?.iter() {
        let message: Message = message.unchecked_into();
        match bindings::delivery_id(&message.body()?) {
            Some(id) => {
                ids.push(id);
                messages.push(message);
            }
            None => {
                let id = String::from(message.id()?);
                app.platform.log(object! { "event": "queue_message_refused", "message": id });
                message.ack()?;
            }
        }
    }
    let handled = if batch.queue()? == DEAD_LETTER_QUEUE {
        consumer::bury(&app, &ids).await
    } else {
        consumer::consume(&app, app.platform.now(), &ids).await
    };
    match handled {
        Ok(verdicts) => {
            for (message, verdict) in messages.iter().zip(verdicts) {
                match verdict {
                    Verdict::Acknowledge => message.ack()?,
                    Verdict::Retry(seconds) => retry_in(message, seconds)?,
                }
            }
        }
        Err(error) => {
            app.platform.log(object! { "event": "consumer_failed", "error": format!("{error:?}") });
            for message in &messages {
                retry_in(message, 5)?;
            }
        }
    }
    Ok(())
}

fn retry_in(message: &Message, seconds: i64) -> Result<(), JsValue> {
    let seconds = u32::try_from(seconds).unwrap_or(0);
    message.retry(bindings::object("delaySeconds", &seconds.into()).into())
}

/// The cron trigger.
#[wasm_bindgen]
pub async fn scheduled(_event: JsValue, env: Env, context: Context) {
    let platform = Workers::new(env, context);
    if let Some(app) = app(platform)
        && let Err(error) = sweep::run(&app, app.platform.now()).await
    {
        app.platform.log(object! { "event": "sweep_failed", "error": format!("{error:?}") });
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
