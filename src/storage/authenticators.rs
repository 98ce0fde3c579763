//! What a user has, and taking one of it away.

use super::statements;
use crate::app::App;
use crate::mfa::enrollment::Standing;
use crate::mfa::factor::AuthenticatorId;
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::types::{TransactionId, UnixSeconds, UserId};

/// One entry of a user's list, in the order in which they were made.
#[derive(Debug)]
pub struct Entry {
    /// Its id, a recovery code's included.
    pub id: String,
    /// What it is.
    pub content: Content,
    /// Whether it has been confirmed.
    pub active: bool,
}

/// What an entry is.
#[derive(Debug)]
pub enum Content {
    /// An authenticator, with its sealed secret or address.
    Authenticator {
        /// Its id, read.
        id: AuthenticatorId,
        /// Sealed.
        sealed: String,
    },
    /// The recovery code.
    RecoveryCode,
}

/// The list, or `None` when the mfa_token that asks for it has been exchanged.
pub async fn list<P: Platform>(
    app: &App<P>,
    user: &UserId,
    transaction: Option<&TransactionId>,
    now: UnixSeconds,
) -> Result<Option<Vec<Entry>>, StorageError> {
    let batch = vec![
        Statement {
            sql: statements::IS_SPENT,
            parameters: vec![transaction.map(TransactionId::as_str).into()],
        },
        Statement {
            sql: statements::LIST_AUTHENTICATORS,
            parameters: vec![user.as_str().into(), now.into()],
        },
    ];
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("spent"))?;
    if state.flag("spent")? {
        return Ok(None);
    }
    results.get(1).into_iter().flatten().map(entry).collect::<Result<_, _>>().map(Some)
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, and so is what hung on it.
    Gone,
    /// The user has none of this id.
    NotFound,
    /// A factor is active and the bearer does not prove it. Nothing was removed.
    ProofMissing,
}

/// Removes an authenticator, active or pending, in one batch with the codes on their way to it and, if it was the last
/// one, the recovery code.
pub async fn remove<P: Platform>(
    app: &App<P>,
    user: &UserId,
    id: &AuthenticatorId,
    standing: Standing,
) -> Result<Removed, StorageError> {
    let user = Value::from(user.as_str());
    let named = [user.clone(), id.as_str().into(), id.twin().map(|twin| twin.as_str().to_owned()).into()];
    let mut guarded = named.to_vec();
    guarded.extend([standing.proof_of_mfa.into(), standing.issued_at.into()]);
    let batch = vec![
        Statement { sql: statements::HAS_AUTHENTICATOR, parameters: named.to_vec() },
        Statement { sql: statements::REMOVE_PENDING, parameters: guarded.clone() },
        Statement { sql: statements::REMOVE_AUTHENTICATOR, parameters: guarded },
        Statement { sql: statements::VOID_CHALLENGES, parameters: named.to_vec() },
        Statement { sql: statements::RETIRE_RECOVERY_CODE, parameters: vec![user] },
    ];
    let results = app.platform.batch(batch).await?;
    let found =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("found"))?;
    let removed = results.iter().skip(1).take(2).any(|rows| !rows.is_empty());
    Ok(if removed {
        Removed::Gone
    } else if found.flag("found")? {
        Removed::ProofMissing
    } else {
        Removed::NotFound
    })
}

fn entry(row: &Row) -> Result<Entry, StorageError> {
    let id = row.text("id")?.to_owned();
    let content = match row.text("kind")? {
        "recovery-code" => Content::RecoveryCode,
        _ => Content::Authenticator {
            id: AuthenticatorId::parse(&id).ok_or(StorageError::UnexpectedShape("id"))?,
            sealed: row.text("sealed")?.to_owned(),
        },
    };
    Ok(Entry { id, content, active: row.flag("active")? })
}
