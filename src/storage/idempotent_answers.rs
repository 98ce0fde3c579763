//! What requests with an `Idempotency-Key` were answered. An answer is kept in the batch that makes what it announces,
//! so that of parallel requests with one key one acts and the others find its answer.

use super::statements;
use crate::app::App;
use crate::platform::{Platform, Row, Statement, StorageError};
use crate::types::{UnixSeconds, UserId};

/// An answer as it will stand in its row.
#[derive(Debug)]
pub struct NewAnswer {
    /// Which request it answers.
    pub key: String,
    /// The answer, sealed.
    pub sealed: String,
    /// Until when it is repeated.
    pub expires_at: UnixSeconds,
}

/// What an answer announces, and goes with.
#[derive(Debug, Clone, Copy)]
pub enum Announces<'a> {
    /// An enrollment, by its id.
    Enrollment(&'a str),
    /// A challenge, by its id.
    Challenge(&'a str),
    /// Nothing that is stored.
    Nothing,
}

/// A kept answer.
#[derive(Debug)]
pub struct KeptAnswer {
    /// The answer, sealed.
    pub sealed: String,
    /// Whether the recovery code in it was kept with its enrollment.
    pub recovery_issued: bool,
}

impl NewAnswer {
    /// Keeps the answer, if what it announces was added before it in the batch.
    #[must_use]
    pub fn statement(&self, user: &UserId, announces: Announces<'_>, now: UnixSeconds) -> Statement {
        let (enrollment, challenge) = match announces {
            Announces::Enrollment(id) => (Some(id), None),
            Announces::Challenge(id) => (None, Some(id)),
            Announces::Nothing => (None, None),
        };
        Statement {
            sql: statements::KEEP_ANSWER,
            parameters: vec![
                self.key.as_str().into(),
                self.sealed.as_str().into(),
                enrollment.into(),
                challenge.into(),
                self.expires_at.into(),
                now.into(),
                user.as_str().into(),
            ],
        }
    }
}

/// Keeps an answer that announces nothing. False where another request with this key was faster.
pub async fn keep<P: Platform>(
    app: &App<P>,
    user: &UserId,
    answer: &NewAnswer,
    now: UnixSeconds,
) -> Result<bool, StorageError> {
    let results = app.platform.batch(vec![answer.statement(user, Announces::Nothing, now)]).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

/// Asks for the answer that is kept under `key`.
#[must_use]
pub fn kept_statement(user: &UserId, key: &str, now: UnixSeconds) -> Statement {
    Statement { sql: statements::KEPT_ANSWER, parameters: vec![key.into(), now.into(), user.as_str().into()] }
}

/// Reads the rows of [`kept_statement`].
pub fn kept(rows: Option<&Vec<Row>>) -> Result<Option<KeptAnswer>, StorageError> {
    let Some(row) = rows.and_then(|rows| rows.first()) else {
        return Ok(None);
    };
    Ok(Some(KeptAnswer {
        sealed: row.text("sealed")?.to_owned(),
        recovery_issued: row.flag("recovery_issued")?,
    }))
}
