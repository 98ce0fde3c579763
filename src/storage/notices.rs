//! A notice on its way: a row of the outbox that names the user, in the batch of what it tells of. Whom it reaches is
//! found out by the queue's consumer.

use super::statements;
use crate::app::App;
use crate::json::Json;
use crate::mfa::enrollment::Standing;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::notice::Notice;
use crate::platform::{Platform, Statement, StorageError, Value};
use crate::storage::clients::Client;
use crate::types::{UnixSeconds, UserId};

/// A notice as it will stand in its row. It is added only where it would reach somebody.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// The delivery's id, which the queue is told.
    pub delivery_id: String,
    /// What is told.
    pub notice: Notice,
    /// What the consumer needs, sealed.
    pub sealed: String,
    /// Whom.
    pub user: UserId,
    /// The authenticator that it is about, which is no independent channel.
    pub about: Option<String>,
    /// Whether an address is sealed with it, which will do where no authenticator does.
    pub has_address: bool,
    /// Kinds of authenticators that notices are sent to.
    pub kinds: Vec<Kind>,
    /// Now.
    pub now: UnixSeconds,
    /// When it is not worth sending any more.
    pub expires_at: UnixSeconds,
}

impl NewNotice {
    /// `?1` to `?9` of each statement.
    fn parameters(&self) -> Vec<Value> {
        let kinds = self.kinds.iter().map(|kind| Json::from(kind.as_str())).collect();
        vec![
            self.delivery_id.as_str().into(),
            self.notice.as_str().into(),
            self.sealed.as_str().into(),
            self.now.into(),
            self.expires_at.into(),
            self.user.as_str().into(),
            self.about.as_deref().into(),
            self.has_address.into(),
            Json::Array(kinds).write().into(),
        ]
    }

    /// Of what a redemption has done, behind it in its batch.
    #[must_use]
    pub fn of_redemption(&self, spent: &Value, redemption: &Value) -> Statement {
        let mut parameters = self.parameters();
        parameters.extend([spent.clone(), redemption.clone()]);
        Statement { sql: statements::ANNOUNCE_REDEMPTION, parameters }
    }

    /// Of a removal, before it in its batch and under the same conditions.
    #[must_use]
    pub fn of_removal(
        &self,
        twin: Option<&AuthenticatorId>,
        standing: Standing<'_>,
        client: Option<&Client>,
    ) -> Statement {
        let mut parameters = self.parameters();
        parameters.extend([
            twin.map(AuthenticatorId::as_str).into(),
            standing.proof_of_mfa.into(),
            standing.issued_at.into(),
            client.map(|client| client.id.as_str()).into(),
            client.map_or(Value::Null, |client| client.version.into()),
        ]);
        Statement { sql: statements::ANNOUNCE_REMOVAL, parameters }
    }
}

/// Adds a notice by itself, unless one of its id is there. Whether it was added.
pub async fn add<P: Platform>(app: &App<P>, new: &NewNotice) -> Result<bool, StorageError> {
    let statement = Statement { sql: statements::ANNOUNCE, parameters: new.parameters() };
    let results = app.platform.batch(vec![statement]).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}
