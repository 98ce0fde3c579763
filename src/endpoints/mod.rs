//! One file for each endpoint, always in the same order: how the refusals of its rules become rows of
//! [`http::errors`](crate::http::errors), the handler, its steps, its tests.
//!
//! A request walks straight through: decode → authenticate → decide → store → respond.
//!
//! | endpoint | file |
//! | --- | --- |
//! | `/mfa/associate` | [`associate`] |
//! | `/mfa/challenge` | [`challenge`] |
//! | `/mfa/authenticators` | [`authenticators`] |
//! | `/oauth/token` | [`token`] and, for token exchange, [`token_exchange`] |
//! | `/.well-known/…` | [`metadata`] |
//!
//! Beside them stand the steps that several of them take: [`bearer`] (whose token), [`client`] (which client),
//! [`idempotency`] (asked before), [`proof`] (of a key), [`target`] (what a token is for), [`message`] (a code on its
//! way), [`notice`] (a notice on its way), [`mfa_required`] (the demand of a factor), [`refusal`] (which act a refusal is).

pub mod associate;
pub mod authenticators;
pub mod bearer;
pub mod challenge;
pub mod client;
pub mod idempotency;
pub mod message;
pub mod metadata;
pub mod mfa_required;
pub mod notice;
pub mod proof;
pub mod refusal;
pub mod target;
pub mod token;
pub mod token_exchange;

use crate::app::App;
use crate::audit::{Act, Event, Reason};
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::platform::{KeyError, Platform, RandomError, StorageError};
use crate::storage::keyring::SealError;
use crate::trust::own_tokens::MintError;

/// Why a request could not be served although nothing was wrong with it.
#[derive(Debug)]
pub enum Fault {
    /// The database failed, or holds something that cannot be read.
    Storage(StorageError),
    /// The random source failed.
    Random,
    /// A signing key could not be used.
    Key(KeyError),
    /// The keys of an issuer or a client could not be had.
    Keys {
        /// Whose they are, as the event's reason: `issuer` or `client_keys`.
        of: &'static str,
        /// Seconds until they may be asked for again.
        retry_after: i64,
    },
    /// Something that cannot be, unless there is a bug.
    Bug(&'static str),
}

impl Fault {
    /// Its class, and what exactly went wrong. No value of a row stands in that, and no token.
    fn reason(&self) -> Reason {
        match self {
            Self::Storage(error) => Reason::about("storage", format!("{error:?}")),
            Self::Random => "random".into(),
            Self::Key(error) => Reason::about("key", error.0.clone()),
            Self::Keys { of, .. } => (*of).into(),
            Self::Bug(what) => Reason::about("bug", *what),
        }
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<RandomError> for Fault {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

impl From<SealError> for Fault {
    fn from(_: SealError) -> Self {
        Self::Bug("the keyring could not seal")
    }
}

impl From<MintError> for Fault {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Random => Self::Random,
            MintError::Key(error) => Self::Key(error),
        }
    }
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

/// Why an endpoint does not answer 200.
#[derive(Debug)]
pub enum Failure {
    /// The client is told this.
    Refused(WireError),
    /// The event is told this, and the client that it may try again.
    Fault(Fault),
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Refused(error)
    }
}

impl<T: Into<Fault>> From<T> for Failure {
    fn from(fault: T) -> Self {
        Self::Fault(fault.into())
    }
}

impl Failure {
    /// What goes over the wire. What was refused, or failed, is told here and nowhere else.
    pub fn into_wire<P: Platform>(self, app: &App<P>, request: &Request) -> WireError {
        match self {
            Self::Refused(error) => {
                if let Some(event) = refusal::event(request, &error) {
                    event.record(app);
                }
                error
            }
            Self::Fault(fault) => {
                let act =
                    if matches!(fault, Fault::Key(_)) { Act::SigningFailed } else { Act::RequestFailed };
                Event::of(request, act).because(fault.reason()).record(app);
                match fault {
                    Fault::Bug(_) => WireError::Unexpected,
                    Fault::Keys { retry_after, .. } => WireError::KeysUnavailable { retry_after },
                    _ => WireError::Unavailable,
                }
            }
        }
    }
}
