//! Sending a code to an active authenticator.

use super::idempotent_answers::{self, KeptAnswer, NewAnswer};
use super::messages::{self, NewMessage, Obstacle};
use super::statements;
use crate::app::App;
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
    /// Whether too many wrong codes have disabled it.
    pub disabled: bool,
}

/// How a login stands.
#[derive(Debug)]
pub enum LoginState {
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
) -> Result<LoginState, StorageError> {
    let mut batch = vec![
        login_state(Some(client), Some(transaction)),
        Statement { sql: statements::ACTIVE_AUTHENTICATORS, parameters: vec![user.as_str().into()] },
    ];
    batch.extend(answer_key.map(|key| idempotent_answers::kept_statement(user, key, now)));
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    if !state.flag("client_current")? {
        return Ok(LoginState::ClientChanged);
    }
    if state.flag("spent")? {
        return Ok(LoginState::Spent);
    }
    if let Some(kept) = idempotent_answers::kept(results.get(2))? {
        return Ok(LoginState::Answered(kept));
    }
    results.get(1).into_iter().flatten().map(active).collect::<Result<_, _>>().map(LoginState::Open)
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
    Added {
        /// What would have stood in its message's way if it were not only recorded.
        recorded: Vec<Obstacle>,
    },
    /// The mfa_token has been exchanged.
    Spent,
    /// The client's row has changed.
    ClientChanged,
    /// These stand in the way of its message; or, if there are none, the authenticator has gone, or what stood in the
    /// way has.
    Obstructed(Vec<Obstacle>),
    /// The same request has been answered meanwhile.
    Answered(KeptAnswer),
}

/// Adds the challenge, with its message. One round trip when it is taken, a second one to learn why when it is not.
pub async fn add<P: Platform>(app: &App<P>, new: &NewChallenge<'_>) -> Result<Challenged, StorageError> {
    let mut batch = Vec::new();
    batch.extend(new.message.recording_statement(new.now));
    let before = batch.len();
    batch.extend(new.statements());
    let results = app.platform.batch(batch).await?;
    if results.get(before).is_some_and(|rows| !rows.is_empty()) {
        let recorded = messages::recorded(Some(&new.message), results.first(), new.now)?;
        return Ok(Challenged::Added { recorded });
    }
    let mut batch =
        vec![login_state(Some(new.client), Some(new.transaction)), new.message.obstacles_statement(new.now)];
    let answer_key = new.answer.as_ref().map(|answer| answer.key.as_str());
    batch.extend(answer_key.map(|key| idempotent_answers::kept_statement(new.user, key, new.now)));
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    if !state.flag("client_current")? {
        return Ok(Challenged::ClientChanged);
    }
    if state.flag("spent")? {
        return Ok(Challenged::Spent);
    }
    if let Some(kept) = idempotent_answers::kept(results.get(2))? {
        return Ok(Challenged::Answered(kept));
    }
    new.message.obstacles(results.get(1), new.now).map(Challenged::Obstructed)
}

impl NewChallenge<'_> {
    fn statements(&self) -> Vec<Statement> {
        let [charges, region, network] = messages::guard(Some(&self.message));
        let [answer_key, answer, answer_expires_at] =
            idempotent_answers::kept_with(self.answer.as_ref(), self.expires_at);
        let mut statements = vec![Statement {
            sql: statements::CHALLENGE,
            parameters: vec![
                self.id.into(),
                self.authenticator.as_str().into(),
                self.user.as_str().into(),
                self.client.id.as_str().into(),
                self.transaction.as_str().into(),
                self.message.code_hash.as_str().into(),
                self.now.into(),
                self.expires_at.into(),
                self.client.version.into(),
                charges,
                region,
                network,
                self.message.channel.as_str().into(),
                answer_key,
                self.message.delivery_id.as_str().into(),
                answer,
                answer_expires_at,
            ],
        }];
        statements.extend(self.message.statements(self.user, self.id, self.now, self.expires_at));
        statements
    }
}

/// Asks how a login stands. What is not there is not asked about.
pub(super) fn login_state(client: Option<&Client>, transaction: Option<&TransactionId>) -> Statement {
    Statement {
        sql: statements::LOGIN_STATE,
        parameters: vec![
            client.map(|client| client.id.as_str()).into(),
            client.map_or(Value::Null, |client| client.version.into()),
            transaction.map(TransactionId::as_str).into(),
        ],
    }
}

fn active(row: &Row) -> Result<ActiveAuthenticator, StorageError> {
    Ok(ActiveAuthenticator {
        id: AuthenticatorId::parse(row.text("id")?).ok_or(StorageError::UnexpectedShape("id"))?,
        sealed: row.text("sealed")?.to_owned(),
        disabled: row.flag("disabled")?,
    })
}
