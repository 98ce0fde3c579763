//! The queue's consumer: claim, send, record.

use std::future::{Future, poll_fn};
use std::task::Poll;

use futures_util::future::maybe_done;

use super::dispatch;
use super::provider::SendError;
use super::{template, words};
use crate::app::App;
use crate::audit::{self, Act};
use crate::json::object;
use crate::platform::{Platform, StorageError};
use crate::storage::deliveries::{self, ClaimedDelivery, Outcome, Template};
use crate::types::UnixSeconds;

/// Growing pauses between attempts, in seconds; the last one repeats until the code dies.
const BACKOFF_SECONDS: [i64; 4] = [2, 5, 15, 30];
/// The same for notices, which have a day.
const NOTICE_BACKOFF_SECONDS: [i64; 6] = [5, 30, 120, 600, 1800, 3600];
/// The chance that leaves a pause as it is.
const STEADY: Chance = [0x80, 0, 0, 0];

/// Random bytes that a pause is varied by: of messages that have failed together, not all are to come back together.
type Chance = [u8; 4];

/// What the queue is to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Done with it: sent, failed for good, or somebody else's.
    Acknowledge,
    /// Bring it again after so many seconds.
    Retry(i64),
}

/// Handles one batch of delivery ids and says for each what becomes of its message, in the order given.
pub async fn consume<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    ids: &[String],
) -> Result<Vec<Verdict>, StorageError> {
    let claimed = deliveries::claim(app, now, ids).await?;
    let templates = usable(app, claimed.templates);
    let outcomes =
        all(claimed.deliveries.iter().map(|delivery| attempt(app, now, delivery, &templates))).await;
    let outcomes: Vec<_> = claimed.deliveries.iter().zip(outcomes).collect();
    deliveries::record(app, &outcomes).await?;
    Ok(ids.iter().map(|id| verdict(now, id, &outcomes)).collect())
}

/// Handles one batch of the dead-letter queue: what the queue has given up on is recorded, and whoever watches the log
/// is told. The row stays due, so that the sweep tells the queue again while the code lives.
pub async fn bury<P: Platform>(app: &App<P>, ids: &[String]) -> Result<Vec<Verdict>, StorageError> {
    for dead in deliveries::give_up(app, ids).await? {
        let line = object! {
            "event": "delivery_given_up",
            "severity": "alert",
            "delivery": dead.id,
            "message": dead.message,
            "channel": dead.channel,
            "attempts": dead.attempts,
            "reason": dead.reason,
        };
        audit::tell(app, line);
    }
    Ok(ids.iter().map(|_| Verdict::Acknowledge).collect())
}

/// Runs the futures at once and returns what they gave, in their order. A batch has ten at most, so that asking each of
/// them whenever one has something to say costs nothing.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| Box::pin(maybe_done(future))).collect();
    poll_fn(|context| {
        let waiting =
            futures.iter_mut().filter_map(|future| future.as_mut().poll(context).is_pending().then_some(()));
        if waiting.count() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.iter_mut().filter_map(|future| future.as_mut().take_output()).collect()
}

async fn attempt<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    delivery: &ClaimedDelivery,
    templates: &[Template],
) -> Outcome {
    let outcome = outcome(now, delivery, dispatch::send(app, now, delivery, templates).await, chance(app));
    let (act, provider, reason) = match &outcome {
        Outcome::Sent { provider } => (Act::DeliverySent, Some(*provider), None),
        Outcome::Retry { reason, .. } => (Act::DeliveryDelayed, None, Some(reason)),
        Outcome::Failed { reason } => (Act::DeliveryFailed, None, Some(reason)),
    };
    let user = delivery.target.as_ref().map(|target| target.user.as_str());
    let channel = delivery.channel.as_str();
    deliveries::told(act, now, &delivery.id, user, &delivery.message, channel, delivery.attempts)
        .with("provider", provider)
        .with("reason", reason)
        .record(app);
    outcome
}

/// The operator's templates, but for those that cannot be sent, which the log is told of.
fn usable<P: Platform>(app: &App<P>, mut templates: Vec<Template>) -> Vec<Template> {
    templates.retain(|template| match template::check(template) {
        Ok(()) => true,
        Err(problem) => {
            let line = object! {
                "event": "template_unusable",
                "message": &template.message,
                "channel": &template.channel,
                "language": &template.language,
                "problem": problem,
            };
            audit::tell(app, line);
            false
        }
    });
    templates
}

fn chance<P: Platform>(app: &App<P>) -> Chance {
    app.platform.random().unwrap_or(STEADY)
}

fn outcome(
    now: UnixSeconds,
    delivery: &ClaimedDelivery,
    sent: Result<&'static str, SendError>,
    chance: Chance,
) -> Outcome {
    match sent {
        Ok(provider) => Outcome::Sent { provider },
        Err(SendError::Permanent { reason }) => Outcome::Failed { reason },
        Err(
            error @ (SendError::Retry { .. } | SendError::Elsewhere { .. } | SendError::Misconfigured { .. }),
        ) => {
            let (reason, after) = error.into_retry();
            let (pause, after) = (backoff(delivery), after.unwrap_or(0));
            let left = delivery.expires_at.since(now);
            // Whether there is another attempt is not left to chance, only when.
            if pause.max(after) < left {
                let pause = varied(pause, chance).max(after).min(left.saturating_sub(1));
                Outcome::Retry { at: now.plus(pause), reason }
            } else {
                Outcome::Failed { reason: format!("{reason}; it would be too late at the next attempt") }
            }
        }
    }
}

fn backoff(delivery: &ClaimedDelivery) -> i64 {
    let pauses: &[i64] =
        if delivery.message == words::CODE { &BACKOFF_SECONDS } else { &NOTICE_BACKOFF_SECONDS };
    let index = usize::try_from(delivery.attempts.saturating_sub(1)).unwrap_or(0);
    pauses.get(index).or(pauses.last()).copied().unwrap_or(30)
}

/// The pause, up to a quarter shorter or longer, but at least a second. Queues know whole seconds only, so that chance
/// also says whether the rest is rounded up or down: otherwise two seconds would always be two.
fn varied(seconds: i64, chance: Chance) -> i64 {
    const WHOLE: i64 = 0x10000;
    let [high, low, rest_high, rest_low] = chance;
    let (share, rest) =
        (i64::from(u16::from_be_bytes([high, low])), u16::from_be_bytes([rest_high, rest_low]));
    // In 65536ths of a second: from three to five quarters of the pause, and less than one second more.
    let quarters = WHOLE.saturating_mul(3).saturating_add(share.saturating_mul(2));
    let length = seconds.saturating_mul(quarters).checked_div(4).unwrap_or(0);
    length.saturating_add(i64::from(rest)).checked_div(WHOLE).unwrap_or(seconds).max(1)
}

fn verdict(now: UnixSeconds, id: &str, outcomes: &[(&ClaimedDelivery, Outcome)]) -> Verdict {
    match outcomes.iter().find(|(own, _)| own.id == id) {
        Some((_, Outcome::Retry { at, .. })) => Verdict::Retry(at.since(now)),
        _ => Verdict::Acknowledge,
    }
}

#[cfg(test)]
mod tests;
