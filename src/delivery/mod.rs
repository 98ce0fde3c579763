//! Codes and notices on their way to a person.
//!
//! ```text
//!   associate, challenge: a code ─┐
//!   token, removal: a notice ─────┴─► row in `deliveries` (same batch) ──► queue: the row's id
//!                                   ▲                                               │
//!            cron sweep: tells the queue again about rows that stayed behind        ▼
//!                                                              consumer: claim, send, record
//! ```
//!
//! The queue delivers at least once; the claim makes that one message, in all cases but two, in which a code too many is
//! better than none: a consumer that dies after the provider has taken the message and before that is recorded, whose
//! lease ends; and a provider that takes the message and does not say so in time, for which the next one steps in.

pub mod breaker;
pub mod consumer;
pub mod content;
pub mod dispatch;
#[cfg(feature = "development")]
pub mod outbox;
pub mod provider;
pub mod providers;
pub mod routing;
pub mod template;
pub mod text_message;
pub mod words;

use std::future::Future;

use crate::app::App;
use crate::audit;
use crate::config::Config;
use crate::json::{Json, object};
use crate::mfa::enrollment::Available;
use crate::mfa::factor::Kind;
use crate::mfa::language::Languages;
use crate::platform::Platform;
use crate::storage::clients::Client;

/// What the consumer needs to send a message, as sealed in the delivery's row.
pub struct Payload {
    /// Phone number or e-mail address that a code goes to. That of a notice stands in its row.
    pub to: Option<String>,
    /// The code, unless it is a notice.
    pub code: Option<String>,
    /// What kind of authenticator a notice is about.
    pub about: Option<Kind>,
    /// In which languages the person may be written to.
    pub languages: Languages,
    /// The host of the page that the code is typed into.
    pub domain: String,
}

impl Payload {
    /// What is sealed.
    #[must_use]
    pub fn written(&self) -> Json<'_> {
        object! {
            "to": self.to.as_deref(),
            "code": self.code.as_deref(),
            "about": self.about.map(Kind::as_str),
            "languages": self.languages.written(),
            "domain": &self.domain,
        }
        .without_nulls()
    }

    /// Reads what [`Payload::written`] gave.
    #[must_use]
    pub fn read(written: &Json<'_>) -> Self {
        let text = |name| written.text(name).map(str::to_owned);
        Self {
            to: text("to"),
            code: text("code"),
            about: written.text("about").and_then(Kind::parse),
            // What was sealed by an older version has neither.
            languages: written.text("languages").map(Languages::read).unwrap_or_default(),
            domain: text("domain").unwrap_or_default(),
        }
    }
}

/// What this deployment can do: what is switched on, and which messages somebody carries.
#[must_use]
pub fn available(config: &Config) -> Available {
    Available {
        factors: config.factors.clone(),
        carried: [Kind::Sms, Kind::Voice, Kind::Email].map(|kind| config.routes.carries(kind)),
    }
}

/// The same as far as `client` may use it.
#[must_use]
pub fn available_to(config: &Config, client: &Client) -> Available {
    Available { factors: client.factors(&config.factors), ..available(config) }
}

/// Whether notices go by mail, and whether by text message: by the channels of `NOTICES` that somebody carries.
#[must_use]
pub fn notice_channels(config: &Config) -> (bool, bool) {
    let routes = &config.routes;
    let by_mail = config.notices.email && routes.carries_notices(Kind::Email);
    let by_text = config.notices.sms && routes.carries_notices(Kind::Sms) && config.factors.is_on(Kind::Sms);
    (by_mail, by_text)
}

/// Tells the queue about a delivery, after the response if that comes first. A queue that refuses loses nothing: the
/// sweep tells it again.
pub fn tell_queue<P: Platform>(app: &App<P>, delivery_id: String) -> impl Future<Output = ()> + 'static {
    let app = app.clone();
    async move {
        if let Err(error) = app.platform.enqueue(&delivery_id).await {
            audit::tell(
                &app,
                object! { "event": "queue_refused", "delivery": delivery_id, "error": error.0 },
            );
        }
    }
}

/// Tells the queue about several.
pub fn tell_queue_of_all<P: Platform>(
    app: &App<P>,
    delivery_ids: Vec<String>,
) -> impl Future<Output = ()> + 'static {
    let app = app.clone();
    async move {
        for delivery_id in delivery_ids {
            tell_queue(&app, delivery_id).await;
        }
    }
}
