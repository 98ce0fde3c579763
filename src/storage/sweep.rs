//! What the cron trigger does every minute: tell the queue again about deliveries that stayed behind, and delete what
//! has expired, at most 1000 rows a table and run.

use super::statements;
use crate::app::App;
use crate::json::object;
use crate::platform::{Platform, Statement, StorageError};
use crate::types::UnixSeconds;

/// The queue was told when the row was written; before this many seconds there is nothing to repeat.
const OVERDUE_SECONDS: i64 = 15;
/// A request decides at the instant it came in, and may act on it some seconds later: what it must still find spent is
/// forgotten later still.
const GRACE_SECONDS: i64 = 60;
/// The record of a delivery is kept this long after its code has died.
const DELIVERY_RECORD_SECONDS: i64 = 24 * 60 * 60;

/// One run.
pub async fn run<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    for id in overdue(app, now).await? {
        if let Err(error) = app.platform.enqueue(&id).await {
            // The row stays; the next run tells again.
            app.platform.log(object! { "event": "queue_refused", "delivery": id, "error": error.0 });
        }
    }
    delete_expired(app, now).await
}

async fn overdue<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<Vec<String>, StorageError> {
    let results = app
        .platform
        .batch(vec![
            Statement {
                sql: statements::OVERDUE_DELIVERIES,
                parameters: vec![now.into(), now.plus(-OVERDUE_SECONDS).into()],
            },
            Statement { sql: statements::EXPIRE_DELIVERIES, parameters: vec![now.into()] },
        ])
        .await?;
    for row in results.get(1).into_iter().flatten() {
        app.platform.log(object! {
            "event": "delivery_expired",
            "delivery": row.text("id")?,
            "channel": row.text("channel")?,
            "attempts": row.integer("attempts")?,
            "reason": row.text("failure")?,
        });
    }
    results.first().into_iter().flatten().map(|row| row.text("id").map(str::to_owned)).collect()
}

async fn delete_expired<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<(), StorageError> {
    let batch = [
        (statements::SWEEP_ENROLLMENTS, now),
        (statements::SWEEP_CHALLENGES, now),
        (statements::SWEEP_REDEMPTIONS, now.plus(-GRACE_SECONDS)),
        (statements::SWEEP_ASSERTIONS, now.plus(-GRACE_SECONDS)),
        (statements::SWEEP_BUDGETS, now),
        (statements::SWEEP_ANSWERS, now),
        (statements::SWEEP_DELIVERIES, now.plus(-DELIVERY_RECORD_SECONDS)),
    ]
    .into_iter()
    .map(|(sql, before)| Statement { sql, parameters: vec![before.into()] })
    .collect();
    app.platform.batch(batch).await.map(|_| ())
}

#[cfg(test)]
mod tests;
