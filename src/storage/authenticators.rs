//! What a user has, and taking one of it away.

use super::challenges::login_state;
use super::clients::Client;
use super::notices::{self, NewNotice};
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

/// What a request for the list finds.
#[derive(Debug)]
pub enum Listed {
    /// The list.
    Entries(Vec<Entry>),
    /// The mfa_token that asks for it has been exchanged.
    Spent,
    /// The row of the client that the bearer names has changed: read it again and try once more.
    ClientChanged,
}

/// Reads the list.
pub async fn list<P: Platform>(
    app: &App<P>,
    user: &UserId,
    client: Option<&Client>,
    transaction: Option<&TransactionId>,
    now: UnixSeconds,
) -> Result<Listed, StorageError> {
    let batch = vec![
        login_state(client, transaction),
        Statement {
            sql: statements::LIST_AUTHENTICATORS,
            parameters: vec![user.as_str().into(), now.into()],
        },
    ];
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    if client.is_some() && !state.flag("client_current")? {
        return Ok(Listed::ClientChanged);
    }
    if state.flag("spent")? {
        return Ok(Listed::Spent);
    }
    results.get(1).into_iter().flatten().map(entry).collect::<Result<_, _>>().map(Listed::Entries)
}

/// What became of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, and so is what hung on it.
    Gone {
        /// The deliveries of its notice.
        announced: Vec<String>,
    },
    /// The user has none of this id.
    NotFound,
    /// An independent factor is active and the bearer does not prove it. Nothing was removed.
    ProofMissing,
    /// The row of the client that the bearer names has changed: read it again and try once more. Nothing was removed.
    ClientChanged,
}

/// Removes an authenticator, active or pending, in one batch with the codes on their way to it and, if it was the last
/// one, the recovery code.
pub async fn remove<P: Platform>(
    app: &App<P>,
    user: &UserId,
    client: Option<&Client>,
    id: &AuthenticatorId,
    standing: Standing<'_>,
    notice: Option<&NewNotice>,
    now: UnixSeconds,
) -> Result<Removed, StorageError> {
    let user = Value::from(user.as_str());
    let named = [user.clone(), id.as_str().into(), id.twin().map(|twin| twin.as_str().to_owned()).into()];
    let mut guarded = named.to_vec();
    guarded.extend([standing.proof_of_mfa.into(), standing.issued_at.into()]);
    guarded.push(client.map(|client| client.id.as_str()).into());
    guarded.push(client.map_or(Value::Null, |client| client.version.into()));
    let and_now = |parameters: &[Value]| [parameters, &[now.into()]].concat();
    let mut batch = vec![
        login_state(client, None),
        Statement { sql: statements::HAS_AUTHENTICATOR, parameters: and_now(&named) },
        Statement { sql: statements::REMOVE_PENDING, parameters: and_now(&guarded) },
        Statement { sql: statements::VOID_PENDING, parameters: guarded.clone() },
    ];
    batch.extend(notice.map(|notice| notice.of_removal(id, standing, client)));
    let active = batch.len();
    batch.extend([
        Statement { sql: statements::REMOVE_AUTHENTICATOR, parameters: guarded },
        Statement { sql: statements::VOID_CHALLENGES, parameters: named.to_vec() },
        Statement { sql: statements::RETIRE_RECOVERY_CODE, parameters: vec![user.clone()] },
        Statement { sql: statements::RETIRE_CONTACT, parameters: vec![user] },
    ]);
    let results = app.platform.batch(batch).await?;
    let first = |index: usize, what: &'static str| {
        results.get(index).and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape(what))
    };
    let has_rows = |index: usize| results.get(index).is_some_and(|rows| !rows.is_empty());
    let (state, found) = (first(0, "state")?, first(1, "found")?);
    Ok(if has_rows(2) || has_rows(active) {
        // The notice's statement stands before the removal's.
        let before = active.checked_sub(1).and_then(|index| results.get(index));
        Removed::Gone { announced: notices::announced(before.filter(|_| notice.is_some()))? }
    } else if client.is_some() && !state.flag("client_current")? {
        Removed::ClientChanged
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
