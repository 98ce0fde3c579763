//! The outbox: rows of `deliveries` from the consumer's side.

use super::statements;
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::platform::{Platform, Row, Statement, StorageError};
use crate::types::UnixSeconds;

/// A claim is good for this long; then the consumer counts as dead and the row is free again.
pub const LEASE_SECONDS: i64 = 60;

/// A delivery that this consumer, and no other, may send now.
#[derive(Debug)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: Kind,
    /// What to send, sealed.
    pub sealed: String,
    /// How often it has been claimed, this time included.
    pub attempts: i64,
    /// When the code dies.
    pub expires_at: UnixSeconds,
}

/// What became of a claimed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A provider took it.
    Sent {
        /// Which.
        provider: &'static str,
    },
    /// Try again then.
    Retry {
        /// When.
        at: UnixSeconds,
        /// Why, in words without an address or code.
        reason: String,
    },
    /// It can never be sent.
    Failed {
        /// Why, in words without an address or code.
        reason: String,
    },
}

/// Claims those of `ids` that are to be sent now.
pub async fn claim<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    ids: &[String],
) -> Result<Vec<Claimed>, StorageError> {
    let batch = ids
        .iter()
        .map(|id| Statement {
            sql: statements::CLAIM_DELIVERY,
            parameters: vec![id.as_str().into(), now.into(), now.plus(LEASE_SECONDS).into()],
        })
        .collect::<Vec<_>>();
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    app.platform.batch(batch).await?.iter().flatten().map(Claimed::from_row).collect()
}

/// Records what became of claimed deliveries.
pub async fn record<P: Platform>(app: &App<P>, outcomes: &[(&Claimed, Outcome)]) -> Result<(), StorageError> {
    let batch = outcomes
        .iter()
        .map(|(claimed, outcome)| match outcome {
            Outcome::Sent { provider } => Statement {
                sql: statements::DELIVERY_SENT,
                parameters: vec![claimed.id.as_str().into(), (*provider).into()],
            },
            Outcome::Retry { at, reason } => Statement {
                sql: statements::DELIVERY_RETRY,
                parameters: vec![
                    claimed.id.as_str().into(),
                    (*at).into(),
                    reason.as_str().into(),
                    claimed.attempts.into(),
                ],
            },
            Outcome::Failed { reason } => Statement {
                sql: statements::DELIVERY_FAILED,
                parameters: vec![claimed.id.as_str().into(), reason.as_str().into(), claimed.attempts.into()],
            },
        })
        .collect::<Vec<_>>();
    if batch.is_empty() {
        return Ok(());
    }
    app.platform.batch(batch).await.map(|_| ())
}

/// A delivery that the queue has given up on, and that is not done.
#[derive(Debug)]
pub struct GivenUp {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// How often it was claimed.
    pub attempts: i64,
    /// Why it is not done.
    pub reason: String,
}

/// Records which of `ids` the queue has given up on.
pub async fn give_up<P: Platform>(app: &App<P>, ids: &[String]) -> Result<Vec<GivenUp>, StorageError> {
    let batch: Vec<_> = ids
        .iter()
        .map(|id| Statement { sql: statements::DELIVERY_GIVEN_UP, parameters: vec![id.as_str().into()] })
        .collect();
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let read = |row: &Row| {
        Ok(GivenUp {
            id: row.text("id")?.to_owned(),
            channel: row.text("channel")?.to_owned(),
            attempts: row.integer("attempts")?,
            reason: row.text("failure")?.to_owned(),
        })
    };
    app.platform.batch(batch).await?.iter().flatten().map(read).collect()
}

impl Claimed {
    fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.text("id")?.to_owned(),
            channel: Kind::parse(row.text("channel")?).ok_or(StorageError::UnexpectedShape("channel"))?,
            sealed: row.text("sealed")?.to_owned(),
            attempts: row.integer("attempts")?,
            expires_at: UnixSeconds(row.integer("expires_at")?),
        })
    }
}
