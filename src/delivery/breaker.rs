//! Circuit breakers: a provider that has failed again and again is left alone for a while, so that nobody waits for it
//! while another could carry the message. Each isolate learns it by itself.
//!
//! ```text
//!                 three failures in a row               thirty seconds later
//!        closed ───────────────────────────► open ◄───────────────────────────► tried by one message
//!           ▲                                  │             it failed                   │
//!           └──────────────────────────────────┴─────────────────────────────────────────┘
//!                                      it carried a message
//! ```
//!
//! What a provider says of a message alone ([`SendError::Elsewhere`](super::provider::SendError::Elsewhere)) says nothing
//! about the provider: it moves nothing, and the next message may try.

use std::cell::RefCell;

use super::providers::Name;
use crate::types::UnixSeconds;

/// Failures in a row after which a provider is passed over.
const FAILURES: u32 = 3;
/// Seconds until it is tried again, by one message.
const OPEN_SECONDS: i64 = 30;
/// Seconds after which that message counts as lost, with the event that carried it. No provider is waited for that long.
const TRIED_SECONDS: i64 = 30;

/// What this isolate has seen of the providers.
#[derive(Debug, Default)]
pub struct Breakers(RefCell<Vec<Breaker>>);

#[derive(Debug)]
struct Breaker {
    name: Name,
    failures: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// It is passed over until then.
    Open(UnixSeconds),
    /// One message tries it, and has until then to say how it went.
    Tried(UnixSeconds),
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
    /// Whether the provider may be asked now; whoever is told so asks it and says how that went. Once its time is over,
    /// one message at a time may try it.
    #[must_use]
    pub fn lets_through(&self, name: Name, now: UnixSeconds) -> bool {
        let mut breakers = self.0.borrow_mut();
        let Some(breaker) = breakers.iter_mut().find(|breaker| breaker.name == name) else {
            return true;
        };
        match breaker.state {
            State::Closed => true,
            State::Open(until) | State::Tried(until) if now < until => false,
            State::Open(_) | State::Tried(_) => {
                breaker.state = State::Tried(now.plus(TRIED_SECONDS));
                true
            }
        }
    }

    /// It has carried a message.
    pub fn succeeded(&self, name: Name) -> Option<Turn> {
        let mut breakers = self.0.borrow_mut();
        let was_open = breakers.iter().any(|breaker| breaker.name == name && breaker.state != State::Closed);
        breakers.retain(|breaker| breaker.name != name);
        was_open.then_some(Turn::Up)
    }

    /// It has not.
    pub fn failed(&self, name: Name, now: UnixSeconds) -> Option<Turn> {
        let mut breakers = self.0.borrow_mut();
        let breaker = match breakers.iter_mut().find(|breaker| breaker.name == name) {
            Some(breaker) => breaker,
            None => {
                breakers.push(Breaker { name, failures: 0, state: State::Closed });
                breakers.last_mut()?
            }
        };
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures < FAILURES {
            return None;
        }
        let turn = (breaker.state == State::Closed).then_some(Turn::Down);
        breaker.state = State::Open(now.plus(OPEN_SECONDS));
        turn
    }

    /// It would not carry this message, which says nothing about others: if this one was trying it, another may.
    pub fn undecided(&self, name: Name, now: UnixSeconds) {
        let mut breakers = self.0.borrow_mut();
        if let Some(breaker) = breakers.iter_mut().find(|breaker| breaker.name == name)
            && let State::Tried(_) = breaker.state
        {
            breaker.state = State::Open(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1000);

    fn down() -> Breakers {
        let breakers = Breakers::default();
        for _ in 0..3 {
            breakers.failed(Name::Webhook, NOW);
        }
        breakers
    }

    #[test]
    fn three_failures_in_a_row_open_it_for_thirty_seconds() {
        let breakers = Breakers::default();
        assert_eq!(breakers.failed(Name::Webhook, NOW), None);
        assert_eq!(breakers.failed(Name::Webhook, NOW), None);
        assert!(breakers.lets_through(Name::Webhook, NOW));
        assert_eq!(breakers.failed(Name::Webhook, NOW), Some(Turn::Down));
        assert!(!breakers.lets_through(Name::Webhook, NOW));
        assert!(!breakers.lets_through(Name::Webhook, NOW.plus(29)));
        assert!(breakers.lets_through(Name::Twilio, NOW), "others are untouched");
    }

    #[test]
    fn a_success_in_between_begins_the_count_anew() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            assert_eq!(breakers.failed(Name::Webhook, NOW), None);
            assert_eq!(breakers.failed(Name::Webhook, NOW), None);
            assert_eq!(breakers.succeeded(Name::Webhook), None);
        }
        assert!(breakers.lets_through(Name::Webhook, NOW));
    }

    #[test]
    fn one_message_tries_it_again_and_decides_for_all() {
        let breakers = down();
        let later = NOW.plus(30);
        assert!(breakers.lets_through(Name::Webhook, later), "the first may try");
        assert!(!breakers.lets_through(Name::Webhook, later), "the others wait for it");
        assert_eq!(breakers.failed(Name::Webhook, later), None, "it was known to be down");
        assert!(!breakers.lets_through(Name::Webhook, later.plus(29)));
        assert!(breakers.lets_through(Name::Webhook, later.plus(30)));
        assert_eq!(breakers.succeeded(Name::Webhook), Some(Turn::Up));
        for _ in 0..3 {
            assert!(breakers.lets_through(Name::Webhook, later.plus(30)));
        }
    }

    #[test]
    fn a_try_that_decides_nothing_leaves_the_place_to_the_next() {
        let breakers = down();
        let later = NOW.plus(30);
        for _ in 0..3 {
            assert!(breakers.lets_through(Name::Webhook, later));
            assert!(!breakers.lets_through(Name::Webhook, later), "one at a time");
            breakers.undecided(Name::Webhook, later);
        }
        assert!(breakers.lets_through(Name::Webhook, later));
        assert_eq!(breakers.succeeded(Name::Webhook), Some(Turn::Up), "it was down all the while");
    }

    #[test]
    fn a_message_that_is_none_of_its_business_neither_opens_nor_closes_it() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            breakers.undecided(Name::Webhook, NOW);
        }
        assert!(breakers.lets_through(Name::Webhook, NOW));
        breakers.failed(Name::Webhook, NOW);
        breakers.failed(Name::Webhook, NOW);
        breakers.undecided(Name::Webhook, NOW);
        assert_eq!(breakers.failed(Name::Webhook, NOW), Some(Turn::Down), "the third in a row");
        breakers.undecided(Name::Webhook, NOW);
        assert!(!breakers.lets_through(Name::Webhook, NOW.plus(29)));
    }

    #[test]
    fn a_try_that_is_never_heard_of_again_is_not_waited_for() {
        let breakers = down();
        assert!(breakers.lets_through(Name::Webhook, NOW.plus(30)));
        assert!(!breakers.lets_through(Name::Webhook, NOW.plus(59)));
        assert!(breakers.lets_through(Name::Webhook, NOW.plus(60)));
    }
}
