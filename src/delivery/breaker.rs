//! Circuit breakers: a provider that has failed again and again is left alone for a while, so that nobody waits for it
//! while another could carry the message. Each isolate learns it by itself.

use std::cell::RefCell;

use super::providers::Name;
use crate::types::UnixSeconds;

/// Failures in a row after which a provider is passed over.
const FAILURES: u32 = 3;
/// Seconds until it is tried again, by one message.
const OPEN_SECONDS: i64 = 30;

/// What this isolate has seen of the providers.
#[derive(Debug, Default)]
pub struct Breakers(RefCell<Vec<Breaker>>);

#[derive(Debug)]
struct Breaker {
    name: Name,
    failures: u32,
    open_until: Option<UnixSeconds>,
}

/// What a record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is passed over from now on.
    Down,
    /// It carries messages again.
    Up,
}

impl Breakers {
    /// Whether the provider is to be passed over. Once its time is over, the first who asks may try it; the others go on
    /// passing it over until that is decided.
    #[must_use]
    pub fn is_open(&self, name: Name, now: UnixSeconds) -> bool {
        let mut breakers = self.0.borrow_mut();
        let Some(breaker) = breakers.iter_mut().find(|breaker| breaker.name == name) else {
            return false;
        };
        match breaker.open_until {
            Some(until) if now < until => true,
            Some(_) => {
                breaker.open_until = Some(now.plus(OPEN_SECONDS));
                false
            }
            None => false,
        }
    }

    /// It has carried a message.
    pub fn succeeded(&self, name: Name) -> Option<Turn> {
        let mut breakers = self.0.borrow_mut();
        let was_open = breakers.iter().any(|breaker| breaker.name == name && breaker.open_until.is_some());
        breakers.retain(|breaker| breaker.name != name);
        was_open.then_some(Turn::Up)
    }

    /// It has not.
    pub fn failed(&self, name: Name, now: UnixSeconds) -> Option<Turn> {
        let mut breakers = self.0.borrow_mut();
        let breaker = match breakers.iter_mut().find(|breaker| breaker.name == name) {
            Some(breaker) => breaker,
            None => {
                breakers.push(Breaker { name, failures: 0, open_until: None });
                breakers.last_mut()?
            }
        };
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures < FAILURES {
            return None;
        }
        let turn = breaker.open_until.is_none().then_some(Turn::Down);
        breaker.open_until = Some(now.plus(OPEN_SECONDS));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1000);

    #[test]
    fn three_failures_in_a_row_open_it_for_thirty_seconds() {
        let breakers = Breakers::default();
        assert_eq!(breakers.failed(Name::Webhook, NOW), None);
        assert_eq!(breakers.failed(Name::Webhook, NOW), None);
        assert!(!breakers.is_open(Name::Webhook, NOW));
        assert_eq!(breakers.failed(Name::Webhook, NOW), Some(Turn::Down));
        assert!(breakers.is_open(Name::Webhook, NOW));
        assert!(breakers.is_open(Name::Webhook, NOW.plus(29)));
        assert!(!breakers.is_open(Name::Twilio, NOW), "others are untouched");
    }

    #[test]
    fn a_success_in_between_begins_the_count_anew() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            assert_eq!(breakers.failed(Name::Webhook, NOW), None);
            assert_eq!(breakers.failed(Name::Webhook, NOW), None);
            assert_eq!(breakers.succeeded(Name::Webhook), None);
        }
        assert!(!breakers.is_open(Name::Webhook, NOW));
    }

    #[test]
    fn one_message_tries_it_again_and_decides_for_all() {
        let breakers = Breakers::default();
        for _ in 0..3 {
            breakers.failed(Name::Webhook, NOW);
        }
        let later = NOW.plus(30);
        assert!(!breakers.is_open(Name::Webhook, later), "the first may try");
        assert!(breakers.is_open(Name::Webhook, later), "the others wait for it");
        assert_eq!(breakers.failed(Name::Webhook, later), None, "it was known to be down");
        assert!(breakers.is_open(Name::Webhook, later.plus(29)));
        assert!(!breakers.is_open(Name::Webhook, later.plus(30)));
        assert_eq!(breakers.succeeded(Name::Webhook), Some(Turn::Up));
        assert!(!breakers.is_open(Name::Webhook, later.plus(30)));
    }
}
