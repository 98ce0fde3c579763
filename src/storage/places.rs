//! Where sealed values and keyed hashes stand. A value sealed for one place opens nowhere else, and a hash made for
//! one purpose matches in no other.

use super::keyring::Place;
use crate::types::UserId;

/// Hash purpose: equality of phone numbers and addresses within a user.
pub const ADDRESS: &str = "address";
/// Hash purpose: the code that was sent for an enrollment or challenge.
pub const BINDING_CODE: &str = "binding code";
/// Hash purpose: recovery codes.
pub const RECOVERY_CODE: &str = "recovery code";
/// Hash purpose: nonces of DPoP proofs. They are not stored: clients carry them.
pub const DPOP_NONCE: &str = "dpop nonce";
/// Hash purpose: keys of budgets that count by something nobody should read.
pub const BUDGET: &str = "budget";

/// Hash purpose: ids of the notices of which there is one a day.
pub const DAILY_NOTICE: &str = "daily notice";

/// A TOTP secret, phone number or e-mail address. The same for an enrollment and the authenticator that it becomes,
/// since the row moves and keeps its id.
#[must_use]
pub fn factor<'a>(id: &'a str, user: &'a UserId) -> Place<'a> {
    Place { purpose: "factor", row: id, user: user.as_str() }
}

/// The address that a user's issuer has verified.
#[must_use]
pub fn contact(user: &UserId) -> Place<'_> {
    Place { purpose: "contact", row: "", user: user.as_str() }
}

/// What the consumer needs to send a code or a notice.
#[must_use]
pub fn delivery(id: &str) -> Place<'_> {
    Place { purpose: "delivery", row: id, user: "" }
}

/// What a request with an `Idempotency-Key` was answered.
#[must_use]
pub fn idempotent_answer<'a>(key: &'a str, user: &'a UserId) -> Place<'a> {
    Place { purpose: "idempotent answer", row: key, user: user.as_str() }
}
