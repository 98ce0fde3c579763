//! A code by message, composed for the enrollment or challenge that it belongs to.

use super::Failure;
use crate::app::App;
use crate::delivery::Payload;
use crate::http::errors::{MessageKind, WireError};
use crate::mfa::binding_code::BindingCode;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::platform::{Platform, StorageError};
use crate::storage::messages::{NewMessage, message_budget_keys};
use crate::storage::places;
use crate::types::{Secret, UserId};

/// Seconds that a code is good for, and the enrollment or challenge with it.
pub use crate::mfa::enrollment::OOB_ENROLLMENT_SECONDS as CODE_SECONDS;

/// Where a message goes.
pub struct Recipient {
    /// The channel.
    pub channel: Kind,
    /// Phone number or e-mail address.
    pub address: Secret,
    /// The form in which two spellings of the address are equal.
    pub comparable: Secret,
}

impl Recipient {
    /// The recipient at `address`, as it was checked when it was enrolled.
    pub fn of(channel: Kind, address: &str) -> Result<Self, StorageError> {
        let comparable = if channel == Kind::Email {
            EmailAddress::parse(address).map_err(|_| StorageError::Unreadable("sealed"))?.index_form()
        } else {
            address.to_owned()
        };
        Ok(Self { channel, address: Secret::new(address.to_owned()), comparable: Secret::new(comparable) })
    }

    /// The recipient whose address stands sealed in the row of `id`.
    pub fn open<P: Platform>(
        app: &App<P>,
        id: &AuthenticatorId,
        user: &UserId,
        sealed: &str,
    ) -> Result<Self, StorageError> {
        let place = places::factor(id.as_str(), user);
        let address =
            app.config.keyring.open(&place, sealed).map_err(|_| StorageError::Unreadable("sealed"))?;
        let address = std::str::from_utf8(&address).map_err(|_| StorageError::Unreadable("sealed"))?;
        Self::of(id.kind(), address)
    }
}

/// A fresh code for `owner` (enrollment or challenge), sealed for its delivery and hashed for its owner.
pub fn compose<P: Platform>(
    app: &App<P>,
    recipient: &Recipient,
    user: &UserId,
    owner: &str,
) -> Result<NewMessage, Failure> {
    let keyring = &app.config.keyring;
    let kind = recipient.channel;
    let limit = app.config.factors.message_limit(kind).ok_or(WireError::NotEnabled(kind.as_str()))?;
    let code = BindingCode::generate(app.platform.random()?);
    let delivery_id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
    let payload = Payload { to: recipient.address.expose().to_owned(), code: code.expose().to_owned() };
    let payload = payload.written().write();
    Ok(NewMessage {
        channel: kind,
        sealed: keyring.seal(&places::delivery(&delivery_id), payload.as_bytes(), app.platform.random()?)?,
        code_hash: keyring.hash(places::BINDING_CODE, &[owner, code.expose()]),
        budget: limit.budget(),
        budget_keys: message_budget_keys(keyring, kind, user, recipient.comparable.expose()),
        delivery_id,
    })
}

/// How a message of this kind is called in the error that refuses one.
#[must_use]
pub fn message_kind(kind: Kind) -> MessageKind {
    if kind == Kind::Email { MessageKind::Email } else { MessageKind::Phone }
}
