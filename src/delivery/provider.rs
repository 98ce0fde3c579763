//! What a delivery provider is: one method, and failures sorted by what can be done about them.

use super::content::Content;
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::mfa::notice::Notice;
use crate::platform::Platform;
use crate::types::{Secret, UnixSeconds};

/// A code or a notice to be brought to a person.
#[derive(Debug)]
pub struct Message<'a> {
    /// The delivery's id: the same at every attempt, so that a provider may recognise a repetition.
    pub id: &'a str,
    /// SMS, voice or e-mail.
    pub channel: Kind,
    /// Phone number (E.164) or e-mail address.
    pub to: Secret,
    /// Six digits, for providers that find the words themselves. `None` of a notice, which they cannot carry.
    pub code: Option<Secret>,
    /// What the person is told of, if it is a notice.
    pub notice: Option<Notice>,
    /// What the person reads or hears, in the form of the channel.
    pub content: Content,
    /// The language that it is in (BCP 47).
    pub language: &'a str,
    /// Who asks for the code, as the person knows it.
    pub tenant_name: &'a str,
    /// Now.
    pub now: UnixSeconds,
    /// When the code dies, or the notice is not worth sending any more.
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
    /// This provider cannot carry it, another may: a sender that does not reach there, a quota that is used up.
    Elsewhere {
        /// What happened.
        reason: String,
    },
    /// The operator must mend something before this provider carries anything: credentials, senders, permissions.
    Misconfigured {
        /// What happened.
        reason: String,
    },
    /// It will never go, whoever carries it: no such number, opted out, no such address.
    Permanent {
        /// What happened.
        reason: String,
    },
}

impl SendError {
    /// What happened.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. }
            | Self::Elsewhere { reason }
            | Self::Misconfigured { reason }
            | Self::Permanent { reason } => reason,
        }
    }

    /// What happened, and how long the provider asked to wait.
    #[must_use]
    pub fn into_retry(self) -> (String, Option<i64>) {
        match self {
            Self::Retry { reason, after } => (reason, after),
            Self::Elsewhere { reason } | Self::Misconfigured { reason } | Self::Permanent { reason } => {
                (reason, None)
            }
        }
    }
}

/// Something that brings codes and notices to people.
#[expect(async_fn_in_trait, reason = "an isolate has one thread; a Send bound would only be in the way")]
pub trait Provider {
    /// Hands the message over. `Ok` means that the provider has taken responsibility for it. `from` is the sender, if a
    /// rule names another than the provider's usual one.
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError>;
}
