//! The rules of multi-factor authentication, pure: no I/O, no clock, no random source. Time and random bytes are
//! arguments, so that a test can stand at any instant and choose any throw of the dice.
//!
//! Nothing here knows of another room. The operator's settings of these rules (`FACTORS`, `POLICY`, `SENDING_LIMITS`) are
//! read beside them. Endpoints read, ask these modules, and write what they answer.

pub mod barcode;
pub mod binding_code;
pub mod budget;
pub mod challenge;
pub mod email_address;
pub mod enrollment;
pub mod factor;
pub mod language;
pub mod notice;
pub mod one_time_password;
pub mod phone_number;
pub mod policy;
pub mod recovery_code;
pub mod region;
pub mod sending;
pub mod test_recipient;
