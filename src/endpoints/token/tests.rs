//! `POST /oauth/token` through the front door, by what a test is about.
#![expect(clippy::arithmetic_side_effects, reason = "tests may panic")]

mod alarms;
mod answers;
mod copies;
mod faults;
mod guessing;
mod keys;
mod no_room;
mod races;
mod refusals;
mod shared_buckets;
mod takeovers;

const GUESSES: &str = "guess:idp|alice";
const RECOVERY_GUESSES: &str = "recovery:idp|alice";
/// What one guess costs, in seconds until the bucket is full again.
const ONE_GUESS: i64 = 360;

const INVALID_OTP: &str = "Invalid otp_code.";
const INVALID_BINDING_CODE: &str = "Invalid binding_code.";
const INVALID_RECOVERY_CODE: &str = "MFA Authorization rejected.";
const MFA_REQUIRED: &str = "Multifactor authentication required";
const SPENT: &str = "mfa_token has already been used";
const TOO_MANY: &str = "Too many failed codes. Wait for some minutes before retrying.";
const UNAVAILABLE: &str = "The service is temporarily unavailable. Try again in a moment.";
