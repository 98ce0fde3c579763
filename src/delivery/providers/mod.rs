//! The providers that messages can be handed to, one file each.

pub mod resend;
pub mod twilio;
pub mod webhook;

use self::resend::ResendSettings;
use self::twilio::TwilioSettings;
use self::webhook::WebhookSettings;
use super::provider::{Message, Provider, SendError};
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse, Platform};

/// After this a provider counts as one that does not answer.
pub const TIMEOUT_MILLISECONDS: u32 = 10_000;
/// Answers are some hundred bytes.
pub const MAXIMUM_BODY_BYTES: usize = 64 * 1024;

/// A provider by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Twilio's Programmable Messaging and Voice.
    Twilio,
    /// Resend, for e-mail.
    Resend,
    /// The operator's own server.
    Webhook,
    /// The outbox page of local development.
    #[cfg(feature = "development")]
    Outbox,
}

impl Name {
    /// All of them, in the order in which they are asked where the operator names none.
    pub const ALL: &'static [Self] = &[
        Self::Twilio,
        Self::Resend,
        Self::Webhook,
        #[cfg(feature = "development")]
        Self::Outbox,
    ];

    /// What `DELIVERY` and records call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Resend => "resend",
            Self::Webhook => "webhook",
            #[cfg(feature = "development")]
            Self::Outbox => "outbox",
        }
    }

    /// Whether it carries messages of this kind.
    #[must_use]
    pub const fn carries(self, kind: Kind) -> bool {
        match self {
            Self::Twilio => matches!(kind, Kind::Sms | Kind::Voice),
            Self::Resend => matches!(kind, Kind::Email),
            Self::Webhook => !matches!(kind, Kind::Totp),
            #[cfg(feature = "development")]
            Self::Outbox => !matches!(kind, Kind::Totp),
        }
    }
}

/// Those that are configured.
#[derive(Debug, Default)]
pub struct Providers {
    /// `TWILIO_…`.
    pub twilio: Option<TwilioSettings>,
    /// `RESEND_…`.
    pub resend: Option<ResendSettings>,
    /// `WEBHOOK_…`.
    pub webhook: Option<WebhookSettings>,
}

impl Providers {
    /// Whether one of this name is configured.
    #[must_use]
    pub const fn has(&self, name: Name) -> bool {
        match name {
            Name::Twilio => self.twilio.is_some(),
            Name::Resend => self.resend.is_some(),
            Name::Webhook => self.webhook.is_some(),
            // It stands in where nothing else is configured.
            #[cfg(feature = "development")]
            Name::Outbox => self.twilio.is_none() && self.resend.is_none() && self.webhook.is_none(),
        }
    }

    /// Hands the message to one of them. `from` is the sender that a region rule names.
    pub async fn send<P: Platform>(
        &self,
        app: &App<P>,
        name: Name,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        match name {
            Name::Twilio => asked(self.twilio.as_ref(), app, from, message).await,
            Name::Resend => asked(self.resend.as_ref(), app, from, message).await,
            Name::Webhook => asked(self.webhook.as_ref(), app, from, message).await,
            #[cfg(feature = "development")]
            Name::Outbox => super::outbox::Outbox.send(app, from, message).await,
        }
    }
}

async fn asked<P: Platform>(
    provider: Option<&impl Provider>,
    app: &App<P>,
    from: Option<&str>,
    message: &Message<'_>,
) -> Result<(), SendError> {
    match provider {
        Some(provider) => provider.send(app, from, message).await,
        None => Err(SendError::Misconfigured { reason: "not configured".to_owned() }),
    }
}

/// Sends a request and tells what kept it from being answered.
async fn call<P: Platform>(app: &App<P>, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
    app.platform.fetch(request).await.map_err(|error| {
        let reason = match error {
            FetchError::Timeout => "no answer in time",
            FetchError::Connection(_) => "no connection",
            FetchError::BodyTooLarge => "the answer was too long",
        };
        SendError::Retry { reason: reason.to_owned(), after: None }
    })
}

/// `Retry-After` in seconds; a date is not read.
fn retry_after(response: &OutboundResponse) -> Option<i64> {
    response.retry_after.as_deref()?.trim().parse().ok()
}
