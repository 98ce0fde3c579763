//! Adding a pending enrollment, with the message that goes with it, in one round trip.

use super::idempotent_answers::{self, KeptAnswer, NewAnswer};
use super::messages::{self, NewMessage, Obstacle};
use super::statements;
use crate::app::App;
use crate::json::Json;
use crate::mfa::enrollment::{Refused, Standing, State, refused};
use crate::mfa::factor::{AuthenticatorId, RecoveryCodeId};
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::storage::clients::Client;
use crate::types::{TransactionId, UnixSeconds, UserId};

/// A pending enrollment as it will stand in its row.
#[derive(Debug)]
pub struct NewEnrollment<'a> {
    /// The id that the authenticator will have.
    pub id: &'a AuthenticatorId,
    /// Whose it is.
    pub user: &'a UserId,
    /// Who may confirm it.
    pub client: &'a Client,
    /// The mfa_token that it is made with, if it is one.
    pub transaction: Option<&'a TransactionId>,
    /// What the bearer proves.
    pub standing: Standing<'a>,
    /// Sealed TOTP secret or address.
    pub sealed: String,
    /// Keyed hash of the address.
    pub address_index: Option<String>,
    /// The recovery code's id and keyed hash, kept only while no independent factor is active.
    pub recovery: Option<(RecoveryCodeId, String)>,
    /// The code that is sent, if one is.
    pub message: Option<NewMessage>,
    /// What is answered, if the request may come again.
    pub answer: Option<NewAnswer>,
    /// Now.
    pub now: UnixSeconds,
    /// When it can no longer be confirmed.
    pub expires_at: UnixSeconds,
}

/// What became of it.
#[derive(Debug)]
pub enum Enrolled {
    /// It stands, and so does its delivery.
    Added {
        /// Whether its recovery code was kept and is to be shown.
        recovery_issued: bool,
        /// What would have stood in its message's way if it were not only recorded.
        recorded: Vec<Obstacle>,
    },
    /// Nothing was stored.
    Refused(Refused),
    /// Nothing was stored: these stand in the way of its message, or what stood in the way has gone.
    Obstructed(Vec<Obstacle>),
    /// Nothing was stored: the same request was answered before.
    Answered(KeptAnswer),
}

/// Adds the enrollment. One round trip when it is taken, a second one to learn why when it is not.
pub async fn add<P: Platform>(app: &App<P>, new: &NewEnrollment<'_>) -> Result<Enrolled, StorageError> {
    let mut batch = Vec::new();
    batch.extend(new.message.as_ref().and_then(|message| message.recording_statement(new.now)));
    let before = batch.len();
    batch.extend(new.statements());
    let results = app.platform.batch(batch).await?;
    if let Some(row) = results.get(before).and_then(|rows| rows.first()) {
        let recovery_issued = row.flag("recovery_issued")?;
        let recorded = messages::recorded(new.message.as_ref(), results.first(), new.now)?;
        return Ok(Enrolled::Added { recovery_issued, recorded });
    }
    let mut batch = vec![new.state_statement()];
    batch.extend(new.message.as_ref().map(|message| message.obstacles_statement(new.now)));
    let key = new.answer.as_ref().map(|answer| &answer.key);
    batch.extend(key.map(|key| idempotent_answers::kept_statement(new.user, key, new.now)));
    let results = app.platform.batch(batch).await?;
    let row = results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    let refused = refused(state(row)?, new.standing);
    if new.answer.is_some()
        && !matches!(refused, Some(Refused::ClientChanged | Refused::Spent))
        && let Some(kept) = idempotent_answers::kept(results.last())?
    {
        return Ok(Enrolled::Answered(kept));
    }
    if let Some(refused) = refused {
        return Ok(Enrolled::Refused(refused));
    }
    let obstacles = match &new.message {
        Some(message) => message.obstacles(results.get(1), new.now)?,
        None => Vec::new(),
    };
    Ok(Enrolled::Obstructed(obstacles))
}

impl NewEnrollment<'_> {
    fn statements(&self) -> Vec<Statement> {
        let message = self.message.as_ref();
        let [charges, region, network] = messages::guard(message);
        let (recovery_id, recovery_hash) = match &self.recovery {
            Some((id, hash)) => (Value::from(id.as_str()), Value::from(hash.as_str())),
            None => (Value::Null, Value::Null),
        };
        let [answer_key, answer, answer_expires_at] =
            idempotent_answers::kept_with(self.answer.as_ref(), self.expires_at);
        let mut statements = vec![Statement {
            sql: statements::ENROLL,
            parameters: vec![
                self.id.as_str().into(),
                self.user.as_str().into(),
                self.client.id.as_str().into(),
                self.id.kind().as_str().into(),
                self.sealed.as_str().into(),
                self.address_index.as_deref().into(),
                message.map(|message| message.code_hash.as_str()).into(),
                recovery_id,
                recovery_hash,
                self.standing.proof_of_mfa.into(),
                self.standing.issued_at.into(),
                self.now.into(),
                self.expires_at.into(),
                self.client.version.into(),
                self.transaction.map(TransactionId::as_str).into(),
                charges,
                region,
                network,
                answer_key,
                self.used_kinds(),
                message.map(|message| message.delivery_id.as_str()).into(),
                answer,
                answer_expires_at,
            ],
        }];
        if let Some(message) = message {
            statements.extend(message.statements(self.user, self.id.as_str(), self.now, self.expires_at));
        }
        statements
    }

    /// A JSON array, or NULL.
    fn used_kinds(&self) -> Value {
        let kinds = self.standing.used_kinds();
        kinds.map(|kinds| Json::Array(kinds.into_iter().map(Json::from).collect()).write()).into()
    }

    fn state_statement(&self) -> Statement {
        Statement {
            sql: statements::ENROLLMENT_STATE,
            parameters: vec![
                self.user.as_str().into(),
                self.client.id.as_str().into(),
                self.client.version.into(),
                self.transaction.map(TransactionId::as_str).into(),
                self.used_kinds(),
            ],
        }
    }
}

fn state(row: &Row) -> Result<State, StorageError> {
    Ok(State {
        active: row.integer("active")?,
        since: row.optional_integer("since")?.map(UnixSeconds),
        has_unused: row.flag("has_unused")?,
        client_current: row.flag("client_current")?,
        spent: row.flag("spent")?,
    })
}
