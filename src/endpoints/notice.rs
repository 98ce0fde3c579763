//! A notice about something that a request does, composed for the person whose account it is.

use super::Failure;
use super::message::Asker;
use crate::app::App;
use crate::audit;
use crate::delivery::{self, Payload};
use crate::json::object;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::language::Languages;
use crate::mfa::notice::Notice;
use crate::platform::Platform;
use crate::storage::notices::{self, NewContact, NewNotice};
use crate::storage::places;
use crate::trust::bearer::Identity;
use crate::types::UserId;

/// Seconds in which a notice is worth sending; and of wrong codes there is one notice in as many.
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
    /// The notice, if the operator lets any be sent. `about` is the authenticator that it tells of, by which it is not
    /// told.
    pub fn compose<P: Platform>(
        &self,
        app: &App<P>,
        notice: Notice,
        about: Option<AuthenticatorId>,
    ) -> Result<Option<NewNotice>, Failure> {
        let id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
        self.compose_as(app, id, notice, about)
    }

    fn compose_as<P: Platform>(
        &self,
        app: &App<P>,
        id: String,
        notice: Notice,
        about: Option<AuthenticatorId>,
    ) -> Result<Option<NewNotice>, Failure> {
        let (by_mail, by_text) = delivery::notice_channels(&app.config);
        if !by_mail && !by_text {
            return Ok(None);
        }
        let payload = Payload {
            to: None,
            code: None,
            about: notice.kind(),
            // As the issuer has it: whoever has got into the account does not choose how its owner is warned.
            languages: Languages::named(None, None, self.identity.locale.as_deref()),
            domain: self.asker.domain.clone(),
        };
        let keyring = &app.config.keyring;
        let place = places::delivery(&id);
        let sealed = keyring.seal(&place, payload.written().write().as_bytes(), app.platform.random()?)?;
        let now = self.asker.request.received_at;
        Ok(Some(NewNotice {
            sealed,
            id,
            notice,
            user: self.user.clone(),
            about,
            contact: self.contact(app)?,
            by_mail,
            by_text,
            now,
            expires_at: now.plus(DAY_SECONDS),
        }))
    }

    /// The address that the issuer has verified.
    fn contact<P: Platform>(&self, app: &App<P>) -> Result<Option<NewContact>, Failure> {
        let Some(address) = self.identity.verified_email().and_then(|email| EmailAddress::parse(email).ok())
        else {
            return Ok(None);
        };
        let keyring = &app.config.keyring;
        let sealed =
            keyring.seal(&places::contact(self.user), address.expose().as_bytes(), app.platform.random()?)?;
        let address_index = keyring.hash(places::ADDRESS, &[self.user.as_str(), &address.index_form()]);
        Ok(Some(NewContact { sealed, address_index }))
    }

    /// Tells the person of wrong codes, behind the answer and at most once a day: once that somebody guesses, whether that
    /// is locked out or too slow for it, and once of each kind of authenticator that is disabled. It goes to that one as well:
    /// it is still the owner's.
    pub fn tell_of_wrong_codes<P: Platform>(&self, app: &App<P>, notice: Notice) {
        let now = self.asker.request.received_at;
        let day = now.0.wrapping_div(DAY_SECONDS).to_string();
        let disabled = notice.kind().map_or("", Kind::as_str);
        let id = app.config.keyring.hash(places::DAILY_NOTICE, &[self.user.as_str(), disabled, &day]);
        // A webhook's id has no full stop.
        let new = match self.compose_as(app, id.replace('.', "-"), notice, None) {
            Ok(Some(new)) => new,
            Ok(None) => return,
            // The answer is what it is, told or not.
            Err(failure) => return lost(app, &failure),
        };
        let handle = app.clone();
        app.platform.defer(async move {
            match notices::add(&handle, &new).await {
                Ok(announced) => delivery::tell_queue_of_all(&handle, announced).await,
                Err(error) => lost(&handle, &error),
            }
        });
    }
}

fn lost<P: Platform>(app: &App<P>, error: &impl std::fmt::Debug) {
    audit::tell(app, object! { "event": "notice_lost", "error": format!("{error:?}") });
}
