//! The outbox: rows of `deliveries` from the consumer's side.

use super::statements;
use crate::app::App;
use crate::audit::{Act, Event};
use crate::json::Json;
use crate::mfa::factor::Kind;
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::types::{UnixSeconds, UserId};

/// A claim is good for this long; then the consumer counts as dead and the row is free again.
pub const LEASE_SECONDS: i64 = 60;

/// What a message without a notice is called, in its row and among templates.
pub const CODE: &str = "code";

/// What is told of a delivery. A code's channel is the factor that it is of; a notice's is not.
pub fn told<'a>(
    act: Act,
    now: UnixSeconds,
    id: &'a str,
    user: Option<&'a str>,
    message: &'a str,
    channel: &'a str,
    attempts: i64,
) -> Event<'a> {
    let factor = Kind::parse(channel).filter(|_| message == CODE).map(Kind::factor);
    Event::new(act, now)
        .with("delivery", id)
        .with("user", user)
        .with("message", message)
        .with("factor", factor)
        .with("channel", channel)
        .with("attempt", attempts)
}

/// The operator's own words for one message, channel and language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `code`, or a notice's name.
    pub message: String,
    /// `sms`, `voice` or `email`.
    pub channel: String,
    /// The language's tag (BCP 47).
    pub language: String,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// What is read, or read out.
    pub text: String,
    /// The same as HTML, for mail. It is taken as it is; where there is none, the text is made into HTML.
    pub html: Option<String>,
}

/// Where a notice goes: an address as it was when what it tells of happened.
#[derive(Debug)]
pub struct NoticeTarget {
    /// Whom the notice is for.
    pub user: UserId,
    /// The authenticator, or [`CONTACT`](super::notices::CONTACT).
    pub name: String,
    /// Its sealed address.
    pub address: String,
}

/// A delivery that this consumer, and no other, may send now.
#[derive(Debug)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: String,
    /// What it is: `code`, or a notice's name.
    pub message: String,
    /// The channel.
    pub channel: Kind,
    /// What to send, sealed.
    pub sealed: String,
    /// How often it has been claimed, this time included.
    pub attempts: i64,
    /// When the code dies, or the notice is given up.
    pub expires_at: UnixSeconds,
    /// Of a notice, whether it has been charged to its budgets.
    pub is_charged: bool,
    /// Where a notice goes.
    pub target: Option<NoticeTarget>,
}

/// What a consumer has claimed of what the queue has brought it.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Each once, in the order in which the queue has brought them.
    pub deliveries: Vec<ClaimedDelivery>,
    /// The operator's own words for any of them, in all languages that there are.
    pub templates: Vec<Template>,
}

/// What became of a claimed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A provider took it.
    Sent {
        /// Which.
        provider: &'static str,
    },
    /// Try again then.
    Retry {
        /// When.
        at: UnixSeconds,
        /// Why, in words without an address or code.
        reason: String,
    },
    /// It can never be sent.
    Failed {
        /// Why, in words without an address or code.
        reason: String,
    },
}

/// Claims those of `ids` that are to be sent now, and reads what they are made of. One round trip.
pub async fn claim<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    ids: &[String],
) -> Result<Claimed, StorageError> {
    if ids.is_empty() {
        return Ok(Claimed::default());
    }
    let batch = vec![
        Statement {
            sql: statements::CLAIM_DELIVERIES,
            parameters: vec![list(ids), now.into(), now.plus(LEASE_SECONDS).into()],
        },
        Statement { sql: statements::DELIVERY_TEMPLATES, parameters: vec![list(ids)] },
    ];
    let results = app.platform.batch(batch).await?;
    let [claimed, templates] = results.as_slice() else {
        return Err(StorageError::UnexpectedShape("what was claimed"));
    };
    let mut claimed = claimed.iter().map(ClaimedDelivery::from_row).collect::<Result<Vec<_>, _>>()?;
    // The database returns them in an order of its own.
    let take = |id: &String| {
        let index = claimed.iter().position(|delivery| delivery.id == *id)?;
        Some(claimed.swap_remove(index))
    };
    Ok(Claimed {
        deliveries: ids.iter().filter_map(take).collect(),
        templates: templates.iter().map(Template::from_row).collect::<Result<_, _>>()?,
    })
}

/// Ids as a statement's parameter.
fn list(ids: &[String]) -> Value {
    Json::from(ids).write().into()
}

/// Records what became of claimed deliveries. One round trip.
pub async fn record<P: Platform>(
    app: &App<P>,
    outcomes: &[(&ClaimedDelivery, Outcome)],
) -> Result<(), StorageError> {
    let (mut sent, mut retried, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (claimed, outcome) in outcomes {
        let id = Json::from(&claimed.id);
        match outcome {
            Outcome::Sent { provider } => sent.push(Json::Array(vec![id, (*provider).into()])),
            Outcome::Retry { at, reason } => {
                retried.push(Json::Array(vec![id, claimed.attempts.into(), reason.into(), at.0.into()]));
            }
            Outcome::Failed { reason } => {
                failed.push(Json::Array(vec![id, claimed.attempts.into(), reason.into()]));
            }
        }
    }
    let batch: Vec<_> = [
        (statements::DELIVERIES_SENT, sent),
        (statements::DELIVERIES_RETRIED, retried),
        (statements::DELIVERIES_FAILED, failed),
    ]
    .into_iter()
    .filter(|(_, outcomes)| !outcomes.is_empty())
    .map(|(sql, outcomes)| Statement { sql, parameters: vec![Json::Array(outcomes).write().into()] })
    .collect();
    if batch.is_empty() {
        return Ok(());
    }
    app.platform.batch(batch).await.map(|_| ())
}

/// A delivery that the queue has given up on, and that is not done.
#[derive(Debug)]
pub struct GivenUp {
    /// Its id.
    pub id: String,
    /// What it is: `code`, or a notice's name.
    pub message: String,
    /// The channel.
    pub channel: String,
    /// How often it was claimed.
    pub attempts: i64,
    /// Why it is not done.
    pub reason: String,
}

/// Records which of `ids` the queue has given up on.
pub async fn give_up<P: Platform>(app: &App<P>, ids: &[String]) -> Result<Vec<GivenUp>, StorageError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let batch = vec![Statement { sql: statements::DELIVERIES_GIVEN_UP, parameters: vec![list(ids)] }];
    let read = |row: &Row| {
        Ok(GivenUp {
            id: row.text("id")?.to_owned(),
            message: row.text("message")?.to_owned(),
            channel: row.text("channel")?.to_owned(),
            attempts: row.integer("attempts")?,
            reason: row.text("failure")?.to_owned(),
        })
    };
    app.platform.batch(batch).await?.iter().flatten().map(read).collect()
}

impl ClaimedDelivery {
    fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.text("id")?.to_owned(),
            message: row.text("message")?.to_owned(),
            channel: Kind::parse(row.text("channel")?).ok_or(StorageError::UnexpectedShape("channel"))?,
            sealed: row.text("sealed")?.to_owned(),
            attempts: row.integer("attempts")?,
            expires_at: UnixSeconds(row.integer("expires_at")?),
            is_charged: row.flag("is_charged")?,
            target: target(row)?,
        })
    }
}

fn target(row: &Row) -> Result<Option<NoticeTarget>, StorageError> {
    let (user, name, address) =
        (row.optional_text("user_id")?, row.optional_text("target")?, row.optional_text("address")?);
    let (Some(user), Some(name), Some(address)) = (user.and_then(UserId::parse), name, address) else {
        return Ok(None);
    };
    Ok(Some(NoticeTarget { user, name: name.to_owned(), address: address.to_owned() }))
}

impl Template {
    fn from_row(row: &Row) -> Result<Self, StorageError> {
        let optional = |column| Ok(row.optional_text(column)?.map(str::to_owned));
        Ok(Self {
            message: row.text("message")?.to_owned(),
            channel: row.text("channel")?.to_owned(),
            language: row.text("language")?.to_owned(),
            subject: optional("subject")?,
            text: row.text("text")?.to_owned(),
            html: optional("html")?,
        })
    }
}
