//! A code on its way: what is stored with the enrollment or challenge that it belongs to, in the same batch.

use super::keyring::Keyring;
use super::{places, statements};
use crate::mfa::budget::Budget;
use crate::mfa::factor::Kind;
use crate::platform::{Statement, Value};
use crate::types::{UnixSeconds, UserId};

/// The message of an out-of-band enrollment or challenge.
#[derive(Debug)]
pub struct NewMessage {
    /// The delivery's id, which the queue is told.
    pub delivery_id: String,
    /// The channel.
    pub channel: Kind,
    /// What the consumer needs, sealed.
    pub sealed: String,
    /// Keyed hash of the code.
    pub code_hash: String,
    /// The budget of each of `budget_keys`.
    pub budget: Budget,
    /// The user's and the address's budget.
    pub budget_keys: [String; 2],
}

impl NewMessage {
    /// The outbox row and the charge, both only if `owner` (enrollment or challenge) was added before them.
    #[must_use]
    pub fn statements(&self, owner: &str, now: UnixSeconds, expires_at: UnixSeconds) -> [Statement; 2] {
        let [user_budget, address_budget] = budget_keys(Some(self));
        [
            Statement {
                sql: statements::ADD_DELIVERY,
                parameters: vec![
                    self.delivery_id.as_str().into(),
                    self.channel.as_str().into(),
                    self.sealed.as_str().into(),
                    now.into(),
                    expires_at.into(),
                    owner.into(),
                ],
            },
            Statement {
                sql: statements::CHARGE_MESSAGE,
                parameters: vec![
                    user_budget,
                    address_budget,
                    now.into(),
                    self.budget.interval.into(),
                    owner.into(),
                ],
            },
        ]
    }
}

/// The keys as parameters; NULL where nothing is sent.
#[must_use]
pub fn budget_keys(message: Option<&NewMessage>) -> [Value; 2] {
    message.map_or([Value::Null, Value::Null], |message| message.budget_keys.clone().map(Value::from))
}

/// Keys of the message budgets of a user and of an address. Text messages and calls share one.
#[must_use]
pub fn message_budget_keys(keyring: &Keyring, kind: Kind, user: &UserId, address: &str) -> [String; 2] {
    let medium = if kind == Kind::Email { "email" } else { "phone" };
    [("user", user.as_str()), ("address", address)]
        .map(|(whose, text)| format!("{medium}:{}", keyring.hash(places::BUDGET, &[medium, whose, text])))
}
