//! A code on its way: what is stored with the enrollment or challenge that it belongs to, in the same batch.

use super::keyring::Keyring;
use super::{places, statements};
use crate::app::App;
use crate::json::Json;
use crate::mfa::budget::Refusal;
use crate::mfa::factor::Kind;
use crate::mfa::sending::{Charge, Rule, SendingLimits, medium, milliseconds};
use crate::platform::{Platform, Row, Statement, StorageError, Value};
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
    /// What it is charged to.
    pub charges: Vec<Charge>,
    /// The region that it goes to, if it goes to a number.
    pub region: Option<String>,
    /// The network (ASN) that it is asked for from, if that is known.
    pub network: Option<i64>,
    /// The limits that the charges come from.
    pub limits: SendingLimits,
}

/// What stands in a message's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The rule that spoke.
    pub rule: Rule,
    /// Until when.
    pub refusal: Refusal,
}

impl NewMessage {
    /// The outbox row and the charge, both only if `owner` (enrollment or challenge of the user) was added before them.
    #[must_use]
    pub fn statements(
        &self,
        user: &UserId,
        owner: &str,
        now: UnixSeconds,
        expires_at: UnixSeconds,
    ) -> [Statement; 2] {
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
                    self.region.as_deref().into(),
                    self.network.map(|network| network.to_string()).into(),
                    self.returned().into(),
                    user.as_str().into(),
                ],
            },
            Statement {
                sql: statements::CHARGE_MESSAGE,
                parameters: vec![
                    list(&self.charges, |_| true).into(),
                    milliseconds(now).into(),
                    self.delivery_id.as_str().into(),
                ],
            },
        ]
    }

    /// Asks what stands in the way, or would if it were not only recorded.
    #[must_use]
    pub fn obstacles_statement(&self, now: UnixSeconds) -> Statement {
        let [region, network] = self.places();
        Statement {
            sql: statements::MESSAGE_OBSTACLES,
            parameters: vec![list(&self.charges, |_| true).into(), region.into(), network.into(), now.into()],
        }
    }

    /// The same at the head of the batch that sends, where everything beyond the user's and the recipient's limit is
    /// only recorded.
    #[must_use]
    pub fn recording_statement(&self, now: UnixSeconds) -> Option<Statement> {
        self.limits.record_only.then(|| self.obstacles_statement(now))
    }

    /// Reads the rows of [`NewMessage::obstacles_statement`]: first those that refuse, and among them the one that will
    /// be out of the way last.
    pub fn obstacles(
        &self,
        rows: Option<&Vec<Row>>,
        now: UnixSeconds,
    ) -> Result<Vec<Obstacle>, StorageError> {
        let rank = |obstacle: &Obstacle| {
            (!self.limits.enforces(obstacle.rule), std::cmp::Reverse(obstacle.refusal.retry_after))
        };
        let mut obstacles: Vec<Obstacle> = Vec::new();
        for row in rows.into_iter().flatten() {
            let (key, full_at) = (row.text("key")?, row.integer("full_at")?);
            let charge = self.charges.iter().find(|charge| charge.key == key);
            let obstacle = match charge {
                Some(charge) => Obstacle { rule: charge.rule, refusal: charge.refusal(now, full_at) },
                None => self.closed(key, now, UnixSeconds(full_at.wrapping_div(1000))),
            };
            let place = obstacles.partition_point(|other| rank(other) <= rank(&obstacle));
            obstacles.insert(place, obstacle);
        }
        Ok(obstacles)
    }

    fn closed(&self, key: &str, now: UnixSeconds, until: UnixSeconds) -> Obstacle {
        let (rule, window) = if key.starts_with("region:") {
            (Rule::Region, self.limits.region)
        } else {
            (Rule::Network, self.limits.network)
        };
        let retry_after = until.since(now).max(1);
        Obstacle {
            rule,
            refusal: Refusal { limit: window.hour, retry_after, room_at: now.plus(retry_after) },
        }
    }

    /// Names of the region and the network among the closures.
    fn places(&self) -> [Option<String>; 2] {
        [
            self.region.as_ref().map(|region| format!("region:{region}")),
            self.network.map(|network| format!("network:{network}")),
        ]
    }

    /// What comes back to which bucket when the code does.
    fn returned(&self) -> String {
        let returned = self.charges.iter().filter(|charge| charge.returned > 0);
        let returned =
            returned.map(|charge| Json::Array(vec![charge.key.as_str().into(), charge.returned.into()]));
        Json::Array(returned.collect()).write()
    }
}

/// Reads the rows of [`NewMessage::recording_statement`].
pub fn recorded(
    message: Option<&NewMessage>,
    rows: Option<&Vec<Row>>,
    now: UnixSeconds,
) -> Result<Vec<Obstacle>, StorageError> {
    match message.filter(|message| message.limits.record_only) {
        Some(message) => message.obstacles(rows, now),
        None => Ok(Vec::new()),
    }
}

/// The guard's parameters: the buckets that refuse, the region, the network. NULL where nothing is sent.
#[must_use]
pub fn guard(message: Option<&NewMessage>) -> [Value; 3] {
    let Some(message) = message else {
        return [Value::Null, Value::Null, Value::Null];
    };
    let charges = list(&message.charges, |charge| message.limits.enforces(charge.rule));
    let [region, network] = if message.limits.record_only { [None, None] } else { message.places() };
    [charges.into(), region.into(), network.into()]
}

/// Charges a notice, if there is room for it.
pub async fn charge_notice<P: Platform>(
    app: &App<P>,
    charges: &[Charge],
    region: Option<&str>,
    now: UnixSeconds,
) -> Result<bool, StorageError> {
    let limits = &app.config.sending_limits;
    let statement = Statement {
        sql: statements::CHARGE_NOTICE,
        parameters: vec![
            list(charges, |_| true).into(),
            milliseconds(now).into(),
            list(charges, |charge| limits.enforces(charge.rule)).into(),
            region.filter(|_| !limits.record_only).map(|region| format!("region:{region}")).into(),
            now.into(),
        ],
    };
    let results = app.platform.batch(vec![statement]).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

/// A bucket's name. What is counted by something that nobody should read stands in it as a keyed hash.
#[must_use]
pub fn budget_key(keyring: &Keyring, kind: Kind, rule: Rule, whose: &str) -> String {
    let medium = medium(kind);
    format!("{}:{medium}:{}", rule.as_str(), keyring.hash(places::BUDGET, &[medium, rule.as_str(), whose]))
}

/// `[[key, cost, latest full_at], …]`.
fn list(charges: &[Charge], is_listed: impl Fn(&Charge) -> bool) -> String {
    let listed = charges.iter().filter(|charge| is_listed(charge)).map(|charge| {
        Json::Array(vec![charge.key.as_str().into(), charge.cost.into(), charge.latest_full_at.into()])
    });
    Json::Array(listed.collect()).write()
}
