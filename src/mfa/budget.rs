//! Token buckets, counted as instants (the generic cell rate algorithm).
//!
//! A bucket of `burst` tokens that gains one every `interval` seconds is one number: the instant at which it will be
//! full again. Taking a token moves that instant `interval` further; there is room as long as it stays within
//! `burst` intervals of now. The arithmetic of charging happens in the database, in the statement that guards on it;
//! this module holds the figures and reads the result.

use crate::types::UnixSeconds;

/// A bucket's size and pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many can be taken at once.
    pub burst: i64,
    /// Seconds until one comes back.
    pub interval: i64,
}

/// Wrong one-time passwords and binding codes of a user, over all factors.
pub const GUESSES: Budget = Budget { burst: 10, interval: 360 };

/// Wrong recovery codes of a user.
pub const RECOVERY_GUESSES: Budget = Budget { burst: 10, interval: 360 };

/// Wrong codes of messages to one number or address, whoever typed them in; for enrollments and challenges apart.
pub const RECIPIENT_GUESSES: Budget = Budget { burst: 10, interval: 360 };

/// Wrong codes from one client address, whoever's: enough for an office in the morning, too few to go through many
/// people's.
pub const ADDRESS_GUESSES: Budget = Budget { burst: 300, interval: 12 };

/// Why a budget said no, as the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The bucket's size.
    pub limit: i64,
    /// Seconds until one token is there, at least 1.
    pub retry_after: i64,
    /// When that is.
    pub room_at: UnixSeconds,
}

impl Budget {
    /// One token is left as long as the bucket's `full_at` is not later than this.
    #[must_use]
    pub const fn latest_with_room(self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.interval.saturating_mul(self.burst.saturating_sub(1)))
    }

    /// What to tell a client for whom there was no room.
    #[must_use]
    pub fn refusal(self, now: UnixSeconds, full_at: UnixSeconds) -> Refusal {
        let retry_after = full_at.since(self.latest_with_room(now)).max(1);
        Refusal { limit: self.burst, retry_after, room_at: now.plus(retry_after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    /// The statement's arithmetic, in miniature.
    fn take(budget: Budget, full_at: &mut UnixSeconds, now: UnixSeconds) -> bool {
        let room = *full_at <= budget.latest_with_room(now);
        if room {
            *full_at = (*full_at).max(now).plus(budget.interval);
        }
        room
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_per_interval() {
        let mut full_at = UnixSeconds(0);
        for _ in 0..GUESSES.burst {
            assert!(take(GUESSES, &mut full_at, NOW));
        }
        assert!(!take(GUESSES, &mut full_at, NOW));

        let refusal = GUESSES.refusal(NOW, full_at);
        assert_eq!(refusal, Refusal { limit: 10, retry_after: 360, room_at: NOW.plus(360) });
        assert!(!take(GUESSES, &mut full_at, NOW.plus(359)));
        assert!(take(GUESSES, &mut full_at, NOW.plus(360)));
        assert!(!take(GUESSES, &mut full_at, NOW.plus(360)));
    }

    #[test]
    fn a_bucket_of_one_is_either_full_or_empty() {
        let budget = Budget { burst: 1, interval: 60 };
        let mut full_at = UnixSeconds(0);
        assert!(take(budget, &mut full_at, NOW));
        assert!(!take(budget, &mut full_at, NOW.plus(59)));
        assert!(take(budget, &mut full_at, NOW.plus(60)));
    }

    #[test]
    fn a_refusal_never_says_to_come_back_at_once() {
        assert_eq!(GUESSES.refusal(NOW, NOW).retry_after, 1);
    }
}
