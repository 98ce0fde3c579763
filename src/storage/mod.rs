//! Everything that D1 is asked, and how what it holds is made unreadable.
//!
//! What must be atomic is one guarded statement or one batch: a decision is never read in one round trip and acted
//! on in the next without its condition standing in the statement that acts.

pub mod active_factors;
pub mod authenticators;
pub mod challenges;
pub mod clients;
pub mod crossing;
pub mod deliveries;
pub mod enrollments;
pub mod guesses;
pub mod idempotent_answers;
pub mod keyring;
pub mod messages;
pub mod notices;
pub mod places;
pub mod redemptions;
pub mod statements;
pub mod sweep;
