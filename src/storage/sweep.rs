//! What the cron trigger does every minute: tell the queue again about deliveries that stayed behind, end those that nobody
//! has made in time, tell what operators have done, close what is milked, forget answers that are not repeated any more, and
//! delete what has expired: of each table 10 000 rows a run at most, which it goes through by their key or finds by their
//! time, and counts of messages hour by hour.

use super::{deliveries, statements};
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::json::object;
use crate::mfa::enrollment::CODE_SECONDS;
use crate::mfa::sending::milliseconds;
use crate::platform::{Platform, Row, Statement, StorageError};
use crate::types::UnixSeconds;

/// The queue was told when the row was written; before this many seconds there is nothing to repeat.
const OVERDUE_SECONDS: i64 = 15;
/// A request decides at the instant it came in, and may act on it some seconds later: what it must still find spent is
/// forgotten later still.
const GRACE_SECONDS: i64 = 60;
/// An hour's messages are counted this long after its end: by then they have been written, wherever clocks go wrong by less. What
/// is written behind the count is in no day's sum.
const COUNTED_SECONDS: i64 = 10 * 60;
/// The record of a delivery is kept this long after its code has died.
const DELIVERY_RECORD_SECONDS: i64 = DAY_SECONDS;
const HOUR_SECONDS: i64 = 60 * 60;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// One run. A step that fails keeps no other from being done; the first failure is what comes back.
pub async fn run<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let steps = [
        tell_again(app, now).await,
        expire(app, now).await,
        tell_operator_acts(app).await,
        close_by_hour(app, now).await,
        close_by_day(app, now).await,
        delete_expired(app, now).await,
    ];
    steps.into_iter().collect()
}

/// Tells the queue again about deliveries that stayed behind.
async fn tell_again<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    for id in overdue(app, now).await? {
        if let Err(error) = app.platform.enqueue(&id).await {
            // The row stays; the next run tells again.
            audit::tell(app, object! { "event": "queue_refused", "delivery": id, "error": error.0 });
        }
    }
    Ok(())
}

/// Closes regions and networks for a while: those with too many messages in the last hour, and those whose codes do not
/// come back.
async fn close_by_hour<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let limits = &app.config.sending_limits;
    let statement = Statement {
        sql: statements::CLOSE_BY_HOUR,
        parameters: vec![
            now.plus(-HOUR_SECONDS).into(),
            limits.region.hour.into(),
            limits.network.hour.into(),
            now.plus(-CODE_SECONDS).into(),
            limits.judged_from.into(),
            limits.verified_percent.into(),
            now.plus(limits.closed_seconds).into(),
        ],
    };
    close(app, vec![statement]).await
}

/// Those with too many in a day. Whose codes came back badly yesterday may do better today: a day is looked at for its
/// volume alone.
async fn close_by_day<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let limits = &app.config.sending_limits;
    let batch = vec![
        Statement {
            sql: statements::COUNT_MESSAGES,
            parameters: vec![first_hour(now).into(), hour(now.plus(-COUNTED_SECONDS)).into()],
        },
        Statement {
            sql: statements::CLOSE_BY_DAY,
            parameters: vec![
                first_hour(now).into(),
                limits.region.day.into(),
                limits.network.day.into(),
                now.plus(limits.closed_seconds).into(),
            ],
        },
    ];
    close(app, batch).await
}

async fn close<P: Platform>(app: &App<P>, batch: Vec<Statement>) -> Result<(), StorageError> {
    for row in app.platform.batch(batch).await?.iter().flatten() {
        let line = object! {
            "event": "sending_closed",
            "place": row.text("key")?,
            "reason": row.text("reason")?,
            "enforced": !app.config.sending_limits.record_only,
            "seconds": app.config.sending_limits.closed_seconds,
        };
        audit::tell(app, line);
    }
    Ok(())
}

/// The hour of a time, in hours since 1970.
const fn hour(time: UnixSeconds) -> i64 {
    time.0.div_euclid(HOUR_SECONDS)
}

/// The first hour of the day that ends now.
const fn first_hour(now: UnixSeconds) -> i64 {
    hour(now).saturating_sub(23)
}

async fn overdue<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<Vec<String>, StorageError> {
    let statement = Statement {
        sql: statements::OVERDUE_DELIVERIES,
        parameters: vec![now.into(), now.plus(-OVERDUE_SECONDS).into()],
    };
    let rows = app.platform.batch(vec![statement]).await?;
    rows.iter().flatten().map(|row| row.text("id").map(str::to_owned)).collect()
}

/// Ends deliveries that nobody has made in time.
async fn expire<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let statement = Statement { sql: statements::EXPIRE_DELIVERIES, parameters: vec![now.into()] };
    let rows = app.platform.batch(vec![statement]).await?;
    rows.iter().flatten().try_for_each(|row| tell_expired(app, now, row))
}

fn tell_expired<P: Platform>(app: &App<P>, now: UnixSeconds, row: &Row) -> Result<(), StorageError> {
    let (user, message) = (row.optional_text("user_id")?, row.text("message")?);
    let (channel, attempts) = (row.text("channel")?, row.integer("attempts")?);
    deliveries::told(Act::DeliveryExpired, now, row.text("id")?, user, message, channel, attempts)
        .with("reason", row.text("failure")?)
        .record(app);
    Ok(())
}

/// Tells what operators have done by command. Forgets it after that: what breaks off in between is told twice.
async fn tell_operator_acts<P: Platform>(app: &App<P>) -> Result<(), StorageError> {
    let statement = Statement { sql: statements::OPERATOR_ACTS, parameters: vec![] };
    let rows = app.platform.batch(vec![statement]).await?;
    let mut told = None;
    for row in rows.iter().flatten() {
        Event::new(Act::OperatorActed, UnixSeconds(row.integer("at")?))
            .with("command", row.text("command")?)
            .with("operator", row.text("operator")?)
            .with("user", row.optional_text("user_id")?)
            .with("client", row.optional_text("client_id")?)
            .with("detail", row.optional_text("detail")?)
            .record(app);
        told = Some(row.integer("id")?);
    }
    let Some(last) = told else { return Ok(()) };
    let forget = Statement { sql: statements::FORGET_OPERATOR_ACTS, parameters: vec![last.into()] };
    app.platform.batch(vec![forget]).await.map(drop)
}

async fn delete_expired<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let unspent = now.plus(-GRACE_SECONDS);
    let by_time = [
        (statements::SWEEP_CLOSURES, now.into()),
        (statements::FORGET_ANSWERS, now.into()),
        (statements::SWEEP_DELIVERIES, now.plus(-DELIVERY_RECORD_SECONDS).into()),
        (statements::SWEEP_MESSAGE_COUNTS, first_hour(now).into()),
    ];
    let by_key = [
        (statements::ADVANCE_ENROLLMENTS, statements::SWEEP_ENROLLMENTS, now.into()),
        (statements::ADVANCE_CHALLENGES, statements::SWEEP_CHALLENGES, now.into()),
        (statements::ADVANCE_ANSWERS, statements::SWEEP_ANSWERS, now.into()),
        (statements::ADVANCE_REDEMPTIONS, statements::SWEEP_REDEMPTIONS, unspent.into()),
        (statements::ADVANCE_ASSERTIONS, statements::SWEEP_ASSERTIONS, unspent.into()),
        (statements::ADVANCE_BUDGETS, statements::SWEEP_BUDGETS, now.into()),
        (statements::ADVANCE_MESSAGE_BUDGETS, statements::SWEEP_MESSAGE_BUDGETS, milliseconds(now).into()),
    ];
    let mut batch = Vec::new();
    batch.extend(by_time.map(|(sql, before)| Statement { sql, parameters: vec![before] }));
    batch.extend(by_key.into_iter().flat_map(|(advance, sweep, before)| {
        [
            Statement { sql: advance, parameters: Vec::new() },
            Statement { sql: sweep, parameters: vec![before] },
        ]
    }));
    app.platform.batch(batch).await.map(|_| ())
}

#[cfg(test)]
mod tests;
