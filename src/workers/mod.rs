//! Cloudflare's side: its events, and [`Platform`] on its bindings. The only room that knows of Workers.

mod bindings;
mod exchange;
mod platform;
mod subtle;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;
use worker::{
    Context, Env, MessageBatch, MessageExt, QueueRetryOptionsBuilder, ScheduleContext, ScheduledEvent, event,
};

use self::platform::Workers;
use crate::app::{App, Isolate};
use crate::config::Config;
use crate::delivery::consumer::{self, Verdict};
use crate::http::routes;
use crate::platform::Platform;
use crate::storage::sweep;

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
#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, context: Context) -> worker::Result<worker::Response> {
    let platform = Workers::new(env, Rc::new(context));
    let request = exchange::read(request, &platform).await;
    let response = match app(platform) {
        Some(app) => routes::handle(&app, &request).await,
        None => routes::not_configured(&request),
    };
    exchange::write(response)
}

/// Messages of the queue: ids of deliveries.
#[event(queue)]
async fn queue(batch: MessageBatch<()>, env: Env, context: Context) -> worker::Result<()> {
    let platform = Workers::new(env, Rc::new(context));
    let Some(app) = app(platform) else {
        // Nothing is lost while the operator mends the configuration: the messages come again, and so does the sweep.
        batch.retry_all();
        return Ok(());
    };
    let mut ids = Vec::new();
    let mut messages = Vec::new();
    for message in batch.raw_iter() {
        match bindings::delivery_id(&message.body()) {
            Some(id) => {
                ids.push(id);
                messages.push(message);
            }
            None => {
                app.platform.log(json!({ "event": "queue_message_refused", "message": message.id() }));
                message.ack();
            }
        }
    }
    match consumer::consume(&app, app.platform.now(), &ids).await {
        Ok(verdicts) => {
            for (message, verdict) in messages.iter().zip(verdicts) {
                match verdict {
                    Verdict::Acknowledge => message.ack(),
                    Verdict::Retry(seconds) => retry_in(message, seconds),
                }
            }
        }
        Err(error) => {
            app.platform.log(json!({ "event": "consumer_failed", "error": format!("{error:?}") }));
            for message in &messages {
                retry_in(message, 5);
            }
        }
    }
    Ok(())
}

fn retry_in(message: &worker::RawMessage, seconds: i64) {
    let seconds = u32::try_from(seconds).unwrap_or(0);
    message.retry_with_options(&QueueRetryOptionsBuilder::new().with_delay_seconds(seconds).build());
}

/// The cron trigger.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let platform = Workers::new(env, Rc::new(context));
    if let Some(app) = app(platform)
        && let Err(error) = sweep::run(&app, app.platform.now()).await
    {
        app.platform.log(json!({ "event": "sweep_failed", "error": format!("{error:?}") }));
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
                platform.log(json!({
                    "event": "configuration_error",
                    "variable": error.variable,
                    "problem": error.problem,
                }));
            }
            None
        }
    }
}
