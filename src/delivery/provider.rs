//! What a delivery provider is: one method, and failures sorted by what can be done about them.

use super::content::Content;
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::platform::Platform;
use crate::types::{Secret, UnixSeconds};

/// A code to be brought to a person.
#[derive(Debug)]
pub struct Message<'a> {
    /// The delivery's id: the same at every attempt, so that a provider may recognise a repetition.
    pub id: &'a str,
    /// SMS, voice or e-mail.
    pub channel: Kind,
    /// Phone number (E.164) or e-mail address.
    pub to: Secret,
    /// Six digits, for providers that find the words themselves.
    pub code: Secret,
    /// What the person reads or hears, in the form of the channel.
    pub content: Content,
    /// Who asks for the code, as the person knows it.
    pub tenant_name: &'a str,
    /// Now.
    pub now: UnixSeconds,
    /// When the code dies.
    pub expires_at: UnixSeconds,
}

/// Why a message was not taken. Reasons are recorded and logged: no address, code or secret stands in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// It may go better later: the provider is down, slow or busy.
    Retry {
        /// What happened.
        reason: String,
        /// Seconds that the provider asked to wait.
        after: Option<i64>,
    },
    /// It will never go: the provider refuses this message.
    Permanent {
        /// What happened.
        reason: String,
    },
}

/// Something that brings codes to people.
#[expect(async_fn_in_trait, reason = "an isolate has one thread; a Send bound would only be in the way")]
pub trait Provider {
    /// Hands the message over. `Ok` means that the provider has taken responsibility for it.
    async fn send<P: Platform>(&self, app: &App<P>, message: &Message<'_>) -> Result<(), SendError>;
}
