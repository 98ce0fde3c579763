//! Notices on their way: rows of the outbox, one for each address, in the batch of what they tell of; and the contact, the
//! address that a user's issuer has verified.

use super::statements;
use crate::app::App;
use crate::mfa::enrollment::Standing;
use crate::mfa::factor::AuthenticatorId;
use crate::mfa::notice::Notice;
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::storage::clients::Client;
use crate::types::{UnixSeconds, UserId};

/// What names the contact among the targets of notices.
pub const CONTACT: &str = "contact";

/// A notice, and the contact that came with what it tells of.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// What the ids of its deliveries begin with.
    pub id: String,
    /// What is told.
    pub notice: Notice,
    /// What the consumer needs, sealed.
    pub sealed: String,
    /// Whom.
    pub user: UserId,
    /// The authenticator that it is about, which is no independent channel. Of a removal there is none: what is removed may
    /// be the owner's.
    pub about: Option<AuthenticatorId>,
    /// The address that the bearer's issuer has verified.
    pub contact: Option<NewContact>,
    /// Whether notices go by mail.
    pub by_mail: bool,
    /// Whether they go by text message.
    pub by_text: bool,
    /// Now.
    pub now: UnixSeconds,
    /// When it is not worth sending any more.
    pub expires_at: UnixSeconds,
}

/// An address that a user's issuer has verified.
#[derive(Debug, Clone)]
pub struct NewContact {
    /// Sealed.
    pub sealed: String,
    /// Keyed hash of its comparable form, as authenticators have it.
    pub address_index: String,
}

impl NewNotice {
    /// `?1` to `?9` of each statement.
    fn parameters(&self) -> Vec<Value> {
        vec![
            self.id.as_str().into(),
            self.notice.as_str().into(),
            self.sealed.as_str().into(),
            self.now.into(),
            self.expires_at.into(),
            self.user.as_str().into(),
            self.about.as_ref().map(AuthenticatorId::as_str).into(),
            self.by_mail.into(),
            self.by_text.into(),
        ]
    }

    /// Of what a redemption has done, behind it in its batch.
    #[must_use]
    pub fn of_redemption(&self, spent: &Value, redemption: &Value) -> Vec<Statement> {
        let mut parameters = self.parameters();
        parameters.extend([spent.clone(), redemption.clone()]);
        let announcement = Statement { sql: statements::ANNOUNCE_REDEMPTION, parameters };
        let Some(contact) = &self.contact else {
            return vec![announcement];
        };
        let parameters = vec![
            spent.clone(),
            redemption.clone(),
            self.user.as_str().into(),
            contact.sealed.as_str().into(),
            contact.address_index.as_str().into(),
            self.now.into(),
        ];
        let first = Statement { sql: statements::FIRST_CONTACT, parameters: parameters.clone() };
        let next = Statement { sql: statements::REPLACE_CONTACT, parameters };
        vec![first, announcement, next]
    }

    /// How many statements [`NewNotice::of_redemption`] puts behind the announcement.
    #[must_use]
    pub const fn behind(&self) -> usize {
        if self.contact.is_some() { 1 } else { 0 }
    }

    /// Of a removal, before it in its batch and under the same conditions.
    #[must_use]
    pub fn of_removal(
        &self,
        id: &AuthenticatorId,
        standing: Standing<'_>,
        client: Option<&Client>,
    ) -> Statement {
        let mut parameters = self.parameters();
        parameters.extend([
            id.as_str().into(),
            id.twin().map(|twin| twin.as_str().to_owned()).into(),
            standing.proof_of_mfa.into(),
            standing.issued_at.into(),
            client.map(|client| client.id.as_str()).into(),
            client.map_or(Value::Null, |client| client.version.into()),
        ]);
        Statement { sql: statements::ANNOUNCE_REMOVAL, parameters }
    }
}

/// Adds a notice by itself, unless one of its id is there. Returns its deliveries.
pub async fn add<P: Platform>(app: &App<P>, new: &NewNotice) -> Result<Vec<String>, StorageError> {
    let statement = Statement { sql: statements::ANNOUNCE, parameters: new.parameters() };
    announced(app.platform.batch(vec![statement]).await?.first())
}

/// Reads the ids of the deliveries that a statement has added.
pub fn announced(rows: Option<&Vec<Row>>) -> Result<Vec<String>, StorageError> {
    rows.into_iter().flatten().map(|row| row.text("id").map(str::to_owned)).collect()
}
