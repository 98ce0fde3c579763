//! A code on its way: what is stored with the enrollment or challenge that it belongs to, in the same batch.

use super::deliveries::ClaimedDelivery;
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
    /// The charges as statements read them, made by [`list`].
    pub listed: String,
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
            charge_statement(self.listed.clone(), now, &self.delivery_id, None),
        ]
    }

    /// The row that messages to this recipient are charged to.
    #[must_use]
    pub fn recipient_key(&self) -> Option<&str> {
        self.charges.iter().find(|charge| charge.rule == Rule::Recipient).map(|charge| charge.key.as_str())
    }

    /// Asks what stands in the way, or would if it were not only recorded.
    #[must_use]
    pub fn obstacles_statement(&self, now: UnixSeconds) -> Statement {
        let [region, network] = self.places();
        Statement {
            sql: statements::MESSAGE_OBSTACLES,
            parameters: vec![self.listed.as_str().into(), region.into(), network.into(), now.into()],
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
            let day_full_at = row.optional_integer("day_full_at")?;
            let charge = self.charges.iter().find(|charge| charge.key == key);
            let obstacle = match charge {
                Some(charge) => {
                    Obstacle { rule: charge.rule, refusal: charge.refusal(now, full_at, day_full_at) }
                }
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

    /// What comes back to which row when the code does: `[[key, of its bucket, of the day's], …]`.
    fn returned(&self) -> String {
        let returned = self.charges.iter().filter(|charge| charge.bucket.returned > 0).map(|charge| {
            let day = charge.day.map(|day| day.returned.into());
            [charge.key.as_str().into(), charge.bucket.returned.into()].into_iter().chain(day).collect()
        });
        Json::Array(returned.map(Json::Array).collect()).write()
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

/// The guard's parameters: the charges that refuse, the region, the network. NULL where nothing is sent.
#[must_use]
pub fn guard(message: Option<&NewMessage>) -> [Value; 3] {
    let Some(message) = message else {
        return [Value::Null, Value::Null, Value::Null];
    };
    let charges = if message.limits.record_only {
        list_those(&message.charges, |charge| message.limits.enforces(charge.rule))
    } else {
        message.listed.clone()
    };
    let [region, network] = if message.limits.record_only { [None, None] } else { message.places() };
    [charges.into(), region.into(), network.into()]
}

/// Charges a notice that has not been charged, if there is room for it, and says whether there was.
pub async fn admit_notice<P: Platform>(
    app: &App<P>,
    notice: &ClaimedDelivery,
    charges: &[Charge],
    region: Option<&str>,
    now: UnixSeconds,
) -> Result<bool, StorageError> {
    let limits = &app.config.sending_limits;
    let admit = Statement {
        sql: statements::ADMIT_NOTICE,
        parameters: vec![
            notice.id.as_str().into(),
            notice.attempts.into(),
            list_those(charges, |charge| limits.enforces(charge.rule)).into(),
            region.filter(|_| !limits.record_only).map(|region| format!("region:{region}")).into(),
            now.into(),
        ],
    };
    let charge = charge_statement(list(charges), now, &notice.id, Some(notice.attempts));
    let results = app.platform.batch(vec![admit, charge]).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

fn charge_statement(listed: String, now: UnixSeconds, delivery: &str, attempt: Option<i64>) -> Statement {
    Statement {
        sql: statements::CHARGE_MESSAGE,
        parameters: vec![listed.into(), milliseconds(now).into(), delivery.into(), attempt.into()],
    }
}

/// The key of a row of budgets. What is counted by something that nobody should read stands in it as a keyed hash.
#[must_use]
pub fn budget_key(keyring: &Keyring, kind: Kind, rule: Rule, whose: &str) -> String {
    let medium = medium(kind);
    let hash = keyring.hash(places::BUDGET, &[medium, rule.as_str(), whose]);
    [rule.as_str(), ":", medium, ":", &hash].concat()
}

/// `[[key, cost, latest full_at, the day's cost, its latest full_at], …]`, without the last two where a row has no day.
#[must_use]
pub fn list(charges: &[Charge]) -> String {
    list_those(charges, |_| true)
}

fn list_those(charges: &[Charge], is_listed: impl Fn(&Charge) -> bool) -> String {
    let listed = charges.iter().filter(|charge| is_listed(charge)).map(|charge| {
        let buckets = [charge.bucket].into_iter().chain(charge.day);
        let numbers = buckets.flat_map(|bucket| [bucket.cost.into(), bucket.latest_full_at.into()]);
        Json::Array([charge.key.as_str().into()].into_iter().chain(numbers).collect())
    });
    Json::Array(listed.collect()).write()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests {
    use crate::platform::Platform;
    use crate::storage::sweep;
    use crate::testing::block_on;
    use crate::testing::person::{Answer, Service};
    use serde_json::json;

    fn limited(limits: &str) -> Service {
        Service::configured(&Service::variables().with("SENDING_LIMITS", limits))
    }

    /// A message to a number of the one range, asked for by somebody new.
    fn asks(service: &Service, somebody: i64) -> Answer {
        let person = service.person(&format!("person {somebody}"));
        let number = format!("+491512345{somebody:04}");
        let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number });
        person.associates(&person.logs_in(), &body)
    }

    /// Milliseconds until the range's hour and day are full again.
    fn owed(service: &Service) -> (i64, i64) {
        let rows = service.world.query("SELECT * FROM message_budgets WHERE key LIKE 'number_range:%'", &[]);
        assert_eq!(rows.len(), 1);
        let owed = |name| rows[0].integer(name).unwrap() - service.world.now().0 * 1000;
        (owed("full_at"), owed("day_full_at"))
    }

    #[test]
    fn an_hour_and_a_day_share_a_row_and_are_charged_and_given_back_each_at_its_rate() {
        let service = limited(r#"{"number_range":{"hour":30,"day":60}}"#);
        let alice = service.person("alice");
        let login = alice.logs_in();
        let message = alice.adds_phone(&login, "+4915123456789");
        assert_eq!(service.world.count("message_budgets"), 4, "user, recipient, range, all");
        assert_eq!(owed(&service), (3 * 120_000, 3 * 1_440_000));
        alice.enters_code(&login, &message).granted();
        assert_eq!(owed(&service), (120_000, 1_440_000));
    }

    #[test]
    fn where_messages_are_only_recorded_an_hour_and_a_day_owe_their_size_at_most() {
        let service = limited(r#"{"mode":"record_only","number_range":{"hour":30,"day":60}}"#);
        for somebody in 0..12 {
            asks(&service, somebody).granted();
        }
        assert_eq!(owed(&service), (3_600_000, 36 * 1_440_000));
        for somebody in 12..24 {
            asks(&service, somebody).granted();
        }
        assert_eq!(owed(&service), (3_600_000, 86_400_000));
        let told = service.world.log_text().matches("number_range").count();
        assert_eq!(told, 14, "once for each that would have been refused, by one bucket or by both");
    }

    #[test]
    fn a_day_without_room_refuses_by_its_own_limit_and_when_the_hour_has_room_again_and_was_swept() {
        let service = limited(r#"{"number_range":{"hour":30,"day":12}}"#);
        for somebody in 0..4 {
            asks(&service, somebody).granted();
        }
        for wait in [0, 3600] {
            service.world.advance(wait);
            block_on(sweep::run(&service.app, service.world.now())).unwrap();
            let refused = asks(&service, 4);
            assert_eq!(refused.refused().0, 429, "{wait}");
            assert_eq!(refused.header("X-RateLimit-Limit"), Some("12"), "{wait}");
            assert_eq!(refused.header("Retry-After"), Some((6 * 3600 - wait).to_string().as_str()), "{wait}");
        }
        service.world.advance(5 * 3600);
        asks(&service, 4).granted();
    }

    #[test]
    fn an_hour_without_room_refuses_by_its_own_limit() {
        let service = limited(r#"{"number_range":{"hour":12,"day":60}}"#);
        for somebody in 0..4 {
            asks(&service, somebody).granted();
        }
        let refused = asks(&service, 4);
        assert_eq!(refused.refused().0, 429);
        assert_eq!(refused.header("X-RateLimit-Limit"), Some("12"));
        assert_eq!(refused.header("Retry-After"), Some("900"));
    }

    #[test]
    fn what_was_full_long_ago_and_was_not_swept_gives_no_more_than_a_full_bucket() {
        let service = limited(r#"{"number_range":{"hour":12,"day":15}}"#);
        asks(&service, 0).granted();
        service.world.advance(86_400);
        let (hour, day) = owed(&service);
        assert!(hour < -3_600_000 && day < -3_600_000, "{hour} {day}");
        for somebody in 1..5 {
            asks(&service, somebody).granted();
        }
        assert_eq!(asks(&service, 5).header("X-RateLimit-Limit"), Some("12"));
        // The hour's has room again, and the day's has room for one.
        service.world.advance(3600);
        asks(&service, 5).granted();
        assert_eq!(asks(&service, 6).header("X-RateLimit-Limit"), Some("15"));
        // The same of one person's, which the rows beside it do not reach.
        let alice = service.person("alice");
        let enrolls = || {
            let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "a@example.com" });
            alice.associates(&alice.logs_in(), &body).succeeded()
        };
        assert!(enrolls());
        service.world.advance(7200);
        assert_eq!((0..25).filter(|_| enrolls()).count(), 20);
    }

    #[test]
    fn where_messages_are_only_recorded_a_closure_stops_none_and_is_told() {
        for (limits, is_sent) in [("{}", false), (r#"{"mode":"record_only"}"#, true)] {
            let service = limited(limits);
            let closure = "INSERT INTO closures VALUES ('region:49', 'volume', ?1)";
            service.world.query(closure, &[service.world.now().plus(60).into()]);
            assert_eq!(asks(&service, 0).succeeded(), is_sent, "{limits}");
            assert_eq!(service.world.count("deliveries"), i64::from(is_sent), "{limits}");
            let told = service.world.events("message_limit");
            let [line] = told.as_slice() else { panic!("{told:?}") };
            assert_eq!((&line["reason"], &line["enforced"]), (&json!("region"), &json!(!is_sent)));
        }
    }
}
