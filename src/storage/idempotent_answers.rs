//! What requests with an `Idempotency-Key` were answered. An answer stands in the row of the enrollment or challenge that it
//! announces, and goes with it; one that announces nothing has a row of its own. Of parallel requests with one key one acts,
//! and the others find its answer.

use super::statements;
use crate::app::App;
use crate::platform::{Platform, Row, Statement, StorageError, Value};
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

/// A kept answer.
#[derive(Debug)]
pub struct KeptAnswer {
    /// The answer, sealed.
    pub sealed: String,
    /// Whether the recovery code in it was kept with its enrollment.
    pub recovery_issued: bool,
}

/// What [`ENROLL`](statements::ENROLL) and [`CHALLENGE`](statements::CHALLENGE) keep with what they add: the key, the
/// answer, and until when it is repeated, which is no longer than what it announces is there.
#[must_use]
pub fn kept_with(answer: Option<&NewAnswer>, expires_at: UnixSeconds) -> [Value; 3] {
    let Some(answer) = answer else {
        return [Value::Null, Value::Null, Value::Null];
    };
    [answer.key.as_str().into(), answer.sealed.as_str().into(), answer.expires_at.min(expires_at).into()]
}

/// Keeps an answer that announces nothing. False where another request with this key was faster.
pub async fn keep<P: Platform>(
    app: &App<P>,
    user: &UserId,
    answer: &NewAnswer,
    now: UnixSeconds,
) -> Result<bool, StorageError> {
    let statement = Statement {
        sql: statements::KEEP_ANSWER,
        parameters: vec![
            answer.key.as_str().into(),
            answer.sealed.as_str().into(),
            answer.expires_at.into(),
            now.into(),
            user.as_str().into(),
        ],
    };
    let results = app.platform.batch(vec![statement]).await?;
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
