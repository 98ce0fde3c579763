//! Sending a code to an active authenticator.

use super::idempotent_answers::{self, Announces, KeptAnswer, NewAnswer};
use super::messages::{NewMessage, budget_keys};
use super::statements;
use crate::app::App;
use crate::mfa::budget::Refusal;
use crate::mfa::factor::AuthenticatorId;
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::storage::clients::Client;
use crate::types::{TransactionId, UnixSeconds, UserId};

/// An authenticator that a challenge may be for.
#[derive(Debug)]
pub struct ActiveAuthenticator {
    /// Its id.
    pub id: AuthenticatorId,
    /// Its sealed secret or address.
    pub sealed: String,
}

/// How a login stands.
#[derive(Debug)]
pub enum Login {
    /// It goes on; these are the user's authenticators, the one used last first.
    Open(Vec<ActiveAuthenticator>),
    /// It goes on, and the same request was answered before.
    Answered(KeptAnswer),
    /// Its mfa_token has been exchanged.
    Spent,
    /// The client's row has changed: read it again and try once more.
    ClientChanged,
}

/// Reads what a challenge may be for, or what was answered under `answer_key`.
pub async fn open<P: Platform>(
    app: &App<P>,
    user: &UserId,
    client: &Client,
    transaction: &TransactionId,
    answer_key: Option<&str>,
    now: UnixSeconds,
) -> Result<Login, StorageError> {
    let mut batch = vec![
        login_state(Some(client), Some(transaction), None),
        Statement { sql: statements::ACTIVE_AUTHENTICATORS, parameters: vec![user.as_str().into()] },
    ];
    batch.extend(answer_key.map(|key| idempotent_answers::kept_statement(key, now)));
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    if !state.flag("client_current")? {
        return Ok(Login::ClientChanged);
    }
    if state.flag("spent")? {
        return Ok(Login::Spent);
    }
    if let Some(kept) = idempotent_answers::kept(results.get(2))? {
        return Ok(Login::Answered(kept));
    }
    results.get(1).into_iter().flatten().map(active).collect::<Result<_, _>>().map(Login::Open)
}

/// A challenge as it will stand in its row.
#[derive(Debug)]
pub struct NewChallenge<'a> {
    /// Random.
    pub id: &'a str,
    /// The authenticator whose code it is. Its message says by which channel it goes.
    pub authenticator: &'a AuthenticatorId,
    /// Whose login it is.
    pub user: &'a UserId,
    /// Through which client.
    pub client: &'a Client,
    /// Which login.
    pub transaction: &'a TransactionId,
    /// The code.
    pub message: NewMessage,
    /// What is answered, if the request may come again.
    pub answer: Option<NewAnswer>,
    /// Now.
    pub now: UnixSeconds,
    /// When the code dies.
    pub expires_at: UnixSeconds,
}

/// What became of it.
#[derive(Debug)]
pub enum Challenged {
    /// It stands, and so does its delivery.
    Added,
    /// The mfa_token has been exchanged.
    Spent,
    /// The client's row has changed.
    ClientChanged,
    /// No message may be sent now.
    NoMessageLeft(Refusal),
    /// The same request has been answered meanwhile.
    Answered(KeptAnswer),
    /// The authenticator has gone, or what stood in the way has.
    ResolvedMeanwhile,
}

/// Adds the challenge, with its message, or says why not.
pub async fn add<P: Platform>(app: &App<P>, new: &NewChallenge<'_>) -> Result<Challenged, StorageError> {
    let [user_budget, address_budget] = budget_keys(Some(&new.message));
    let mut batch = vec![Statement {
        sql: statements::CHALLENGE,
        parameters: vec![
            new.id.into(),
            new.authenticator.as_str().into(),
            new.user.as_str().into(),
            new.client.id.as_str().into(),
            new.transaction.as_str().into(),
            new.message.code_hash.as_str().into(),
            new.now.into(),
            new.expires_at.into(),
            new.client.version.into(),
            user_budget,
            address_budget,
            new.message.budget.latest_with_room(new.now).into(),
            new.message.channel.as_str().into(),
            new.answer.as_ref().map(|answer| answer.key.as_str()).into(),
        ],
    }];
    batch.extend(new.message.statements(new.id, new.now, new.expires_at));
    batch.extend(new.answer.as_ref().map(|answer| answer.statement(Announces::Challenge(new.id), new.now)));
    let answer_key = new.answer.as_ref().map(|answer| answer.key.as_str());
    batch.extend(answer_key.map(|key| idempotent_answers::kept_statement(key, new.now)));
    batch.push(login_state(Some(new.client), Some(new.transaction), Some(&new.message)));
    let results = app.platform.batch(batch).await?;
    if results.first().is_some_and(|rows| !rows.is_empty()) {
        return Ok(Challenged::Added);
    }
    let (state, before) = results.split_last().ok_or(StorageError::UnexpectedShape("state"))?;
    let state = state.first().ok_or(StorageError::UnexpectedShape("state"))?;
    let kept = idempotent_answers::kept(before.last().filter(|_| new.answer.is_some()))?;
    match (refused(state, new)?, kept) {
        (Challenged::NoMessageLeft(_) | Challenged::ResolvedMeanwhile, Some(kept)) => {
            Ok(Challenged::Answered(kept))
        }
        (refused, _) => Ok(refused),
    }
}

fn refused(state: &Row, new: &NewChallenge<'_>) -> Result<Challenged, StorageError> {
    if !state.flag("client_current")? {
        return Ok(Challenged::ClientChanged);
    }
    if state.flag("spent")? {
        return Ok(Challenged::Spent);
    }
    let budget = new.message.budget;
    Ok(match state.optional_integer("full_at")?.map(UnixSeconds) {
        Some(full_at) if full_at > budget.latest_with_room(new.now) => {
            Challenged::NoMessageLeft(budget.refusal(new.now, full_at))
        }
        _ => Challenged::ResolvedMeanwhile,
    })
}

/// Asks how a login stands. What is not there is not asked about.
pub(super) fn login_state(
    client: Option<&Client>,
    transaction: Option<&TransactionId>,
    message: Option<&NewMessage>,
) -> Statement {
    let [user_budget, address_budget] = budget_keys(message);
    Statement {
        sql: statements::LOGIN_STATE,
        parameters: vec![
            client.map(|client| client.id.as_str()).into(),
            client.map_or(Value::Null, |client| client.version.into()),
            transaction.map(TransactionId::as_str).into(),
            user_budget,
            address_budget,
        ],
    }
}

fn active(row: &Row) -> Result<ActiveAuthenticator, StorageError> {
    Ok(ActiveAuthenticator {
        id: AuthenticatorId::parse(row.text("id")?).ok_or(StorageError::UnexpectedShape("id"))?,
        sealed: row.text("sealed")?.to_owned(),
    })
}
