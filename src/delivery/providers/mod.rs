//! The providers that messages can be handed to, one file each.

pub mod cloudflare;
pub mod resend;
pub mod ses;
mod signature_v4;
pub mod twilio;
pub mod twilio_verify;
pub mod webhook;

use self::cloudflare::CloudflareSettings;
use self::resend::ResendSettings;
use self::ses::SesSettings;
use self::twilio::TwilioSettings;
use self::twilio_verify::TwilioVerifySettings;
use self::webhook::WebhookSettings;
use super::provider::{Message, Provider, SendError};
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse, Platform};

/// After this a provider counts as one that does not answer.
const TIMEOUT_MILLISECONDS: u32 = 10_000;
/// Answers are some hundred bytes.
const MAXIMUM_BODY_BYTES: usize = 64 * 1024;

/// A provider by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Twilio's Programmable Messaging and Voice.
    Twilio,
    /// Twilio Verify, for text messages and calls.
    TwilioVerify,
    /// Cloudflare Email Service.
    Cloudflare,
    /// Resend, for e-mail.
    Resend,
    /// Amazon SES, for e-mail.
    Ses,
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
        Self::TwilioVerify,
        Self::Cloudflare,
        Self::Resend,
        Self::Ses,
        Self::Webhook,
        #[cfg(feature = "development")]
        Self::Outbox,
    ];

    /// What `DELIVERY` and records call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::TwilioVerify => "twilio_verify",
            Self::Cloudflare => "cloudflare",
            Self::Resend => "resend",
            Self::Ses => "ses",
            Self::Webhook => "webhook",
            #[cfg(feature = "development")]
            Self::Outbox => "outbox",
        }
    }

    /// Whether it carries messages of this kind.
    #[must_use]
    pub const fn carries(self, kind: Kind) -> bool {
        match self {
            Self::Twilio | Self::TwilioVerify => matches!(kind, Kind::Sms | Kind::Voice),
            Self::Cloudflare | Self::Resend | Self::Ses => matches!(kind, Kind::Email),
            Self::Webhook => !matches!(kind, Kind::Totp),
            #[cfg(feature = "development")]
            Self::Outbox => !matches!(kind, Kind::Totp),
        }
    }

    /// Whether it carries notices. Verify sends codes, and nothing else.
    #[must_use]
    pub const fn carries_notices(self) -> bool {
        !matches!(self, Self::TwilioVerify)
    }

    /// Whether a rule may name the sender.
    #[must_use]
    pub const fn takes_sender(self) -> bool {
        !matches!(self, Self::TwilioVerify)
    }
}

/// Those that are configured.
#[derive(Debug, Default)]
pub struct Providers {
    /// `TWILIO_…`.
    pub twilio: Option<TwilioSettings>,
    /// `TWILIO_VERIFY_…`.
    pub twilio_verify: Option<TwilioVerifySettings>,
    /// `CLOUDFLARE_EMAIL`.
    pub cloudflare: Option<CloudflareSettings>,
    /// `RESEND_…`.
    pub resend: Option<ResendSettings>,
    /// `SES_…`.
    pub ses: Option<SesSettings>,
    /// `WEBHOOK_…`.
    pub webhook: Option<WebhookSettings>,
}

impl Providers {
    /// Whether one of this name is configured.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        match name {
            Name::Twilio => self.twilio.is_some(),
            Name::TwilioVerify => self.twilio_verify.is_some(),
            Name::Cloudflare => self.cloudflare.is_some(),
            Name::Resend => self.resend.is_some(),
            Name::Ses => self.ses.is_some(),
            Name::Webhook => self.webhook.is_some(),
            // It stands in where nothing else is configured.
            #[cfg(feature = "development")]
            Name::Outbox => Name::ALL.iter().all(|name| *name == Name::Outbox || !self.has(*name)),
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
            Name::TwilioVerify => asked(self.twilio_verify.as_ref(), app, from, message).await,
            Name::Cloudflare => asked(self.cloudflare.as_ref(), app, from, message).await,
            Name::Resend => asked(self.resend.as_ref(), app, from, message).await,
            Name::Ses => asked(self.ses.as_ref(), app, from, message).await,
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

/// A request with the bounds that hold for every provider.
fn post(url: String, headers: Vec<(&'static str, String)>, body: String) -> OutboundRequest {
    OutboundRequest {
        method: "POST",
        url,
        headers,
        body: Some(body),
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        maximum_body_bytes: MAXIMUM_BODY_BYTES,
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

/// The status, with the error's name where the provider documents it. No other name is repeated: an answer may hold
/// anything, the address that it is about as well.
fn named_reason(status: u16, name: &str, documented: &[&str]) -> String {
    if documented.contains(&name) { format!("status {status}, {name}") } else { format!("status {status}") }
}

/// `Retry-After` in seconds; a date is not read.
fn retry_after(response: &OutboundResponse) -> Option<i64> {
    response.retry_after.as_deref()?.trim().parse().ok()
}

/// The name, if there is one, and the address of `Name <address>`.
fn mailbox(sender: &str) -> (Option<&str>, &str) {
    let Some((name, address)) = sender.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
        return (None, sender.trim());
    };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    (Some(name).filter(|name| !name.is_empty()), address.trim())
}

#[cfg(test)]
mod tests;
