//! A notice about something that a request does, composed for the person whose account it is.

use super::Failure;
use super::message::Asker;
use crate::app::App;
use crate::delivery::{self, Payload};
use crate::json::object;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::notice::Notice;
use crate::platform::Platform;
use crate::storage::notices::{self, NewNotice};
use crate::storage::places;
use crate::trust::bearer::Identity;
use crate::types::UserId;

/// Seconds after which a notice that nobody could deliver is given up.
const NOTICE_SECONDS: i64 = 24 * 60 * 60;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Whom a notice is for, and who has asked for what it tells of.
pub struct Concerned<'a> {
    /// Whose account it is.
    pub user: &'a UserId,
    /// What the bearer's issuer says of them.
    pub identity: &'a Identity,
    /// By which request.
    pub asker: &'a Asker<'a>,
}

impl Concerned<'_> {
    /// The notice, if the operator lets any be sent. `about` is the authenticator that it tells of, with its address if
    /// it is one for messages.
    pub fn compose<P: Platform>(
        &self,
        app: &App<P>,
        notice: Notice,
        about: Option<(&AuthenticatorId, Option<&str>)>,
    ) -> Result<Option<NewNotice>, Failure> {
        let id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
        self.compose_as(app, id, notice, about)
    }

    fn compose_as<P: Platform>(
        &self,
        app: &App<P>,
        delivery_id: String,
        notice: Notice,
        about: Option<(&AuthenticatorId, Option<&str>)>,
    ) -> Result<Option<NewNotice>, Failure> {
        let kinds = delivery::notice_kinds(&app.config);
        if kinds.is_empty() {
            return Ok(None);
        }
        // An address that its issuer has verified will do, unless it is the one that is told of.
        let told_of = about.and_then(|(_, address)| address).and_then(index_form);
        let address = self.identity.verified_email().filter(|address| {
            kinds.contains(&Kind::Email) && index_form(address).is_some_and(|own| Some(own) != told_of)
        });
        let payload = Payload {
            to: address.map(str::to_owned),
            code: None,
            about: notice.kind(),
            languages: self.asker.languages.clone(),
            domain: self.asker.domain.clone(),
        };
        let keyring = &app.config.keyring;
        let place = places::delivery(&delivery_id);
        let sealed = keyring.seal(&place, payload.written().write().as_bytes(), app.platform.random()?)?;
        let now = self.asker.request.received_at;
        Ok(Some(NewNotice {
            sealed,
            delivery_id,
            notice,
            user: self.user.clone(),
            about: about.map(|(id, _)| id.as_str().to_owned()),
            has_address: address.is_some(),
            kinds,
            now,
            expires_at: now.plus(NOTICE_SECONDS),
        }))
    }

    /// Tells the person, behind the answer and at most once a day, that no more codes are taken for a while.
    pub fn tell_of_lock<P: Platform>(&self, app: &App<P>) {
        let now = self.asker.request.received_at;
        let day = now.0.wrapping_div(DAY_SECONDS).to_string();
        let id = app.config.keyring.hash(places::LOCK_NOTICE, &[self.user.as_str(), &day]);
        // A webhook's id has no full stop.
        let id = id.replace('.', "-");
        let new = match self.compose_as(app, id, Notice::GuessesLocked, None) {
            Ok(Some(new)) => new,
            Ok(None) => return,
            // The answer is what it is, told or not.
            Err(failure) => return lost(app, &failure),
        };
        let handle = app.clone();
        app.platform.defer(async move {
            match notices::add(&handle, &new).await {
                Ok(true) => delivery::tell_queue(&handle, new.delivery_id).await,
                Ok(false) => {}
                Err(error) => lost(&handle, &error),
            }
        });
    }
}

fn lost<P: Platform>(app: &App<P>, error: &impl std::fmt::Debug) {
    app.platform.log(object! { "event": "notice_lost", "error": format!("{error:?}") });
}

/// The form in which two spellings of an e-mail address are equal. `None` of what is none, phone numbers among it.
fn index_form(address: &str) -> Option<String> {
    EmailAddress::parse(address).ok().map(|address| address.index_form())
}
