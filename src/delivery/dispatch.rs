//! From a claimed delivery to a message in a provider's hands: open what is sealed, find whom it goes to, find the words,
//! hand it over.

use super::content::{self, About, Code};
use super::provider::{Message, SendError};
use super::providers::Name;
use super::{Payload, notice_kinds, routing, template, words};
use crate::app::App;
use crate::json::{self, object};
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::notice::{self, Notice};
use crate::mfa::phone_number::PhoneNumber;
use crate::mfa::region::region;
use crate::mfa::sending::{Asked, Origin, Purpose};
use crate::mfa::test_recipient::Fate;
use crate::platform::Platform;
use crate::storage::deliveries::{Claimed, Template};
use crate::storage::messages::{budget_key, charge_notice};
use crate::storage::places;
use crate::types::{Secret, UnixSeconds};

/// Who carries messages to test recipients.
const NOBODY: &str = "test";

/// By whom a message was taken, and by which channel it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What records call the provider.
    pub by: &'static str,
    /// The channel, which of a notice is chosen here.
    pub channel: Kind,
}

/// What is brought.
#[derive(Debug, Clone)]
enum Matter {
    Code(Secret),
    Notice(Notice),
}

/// Sends a claimed delivery. A notice goes to the first address that will have it: where an address is at fault the next
/// one is tried; any other failure ends the attempt, and the delivery is tried again later.
pub async fn send<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    delivery: &Claimed,
) -> Result<Taken, SendError> {
    // The key may be known again later, and then the sealed payload still opens.
    let later = |reason| SendError::Retry { reason, after: None };
    let payload = open(app, delivery).map_err(later)?;
    let matter = matter(delivery, &payload).ok_or_else(|| later("the payload is no payload".to_owned()))?;
    let addresses = match &matter {
        Matter::Code(_) => payload.to.iter().map(|to| (delivery.channel, Secret::new(to.clone()))).collect(),
        Matter::Notice(_) => independent(app, delivery, &payload),
    };
    let own = own_words(app, delivery);
    let mut refused = SendError::Permanent { reason: "there is nobody to send it to".to_owned() };
    for (channel, to) in addresses {
        let letter = Letter { app, now, delivery, payload: &payload, matter: &matter, own: &own };
        if !letter.has_room(channel, &to).await? {
            refused = SendError::Permanent { reason: "too many notices".to_owned() };
            continue;
        }
        match letter.send(channel, to).await {
            Ok(by) => return Ok(Taken { by, channel }),
            Err(error @ SendError::Permanent { .. }) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

struct Letter<'a, P: Platform> {
    app: &'a App<P>,
    now: UnixSeconds,
    delivery: &'a Claimed,
    payload: &'a Payload,
    matter: &'a Matter,
    own: &'a [Template],
}

impl<P: Platform> Letter<'_, P> {
    /// Charges a notice, at its first attempt. The request that it is about has not: it does not know where it will go.
    /// A code has been charged with its enrollment or challenge.
    async fn has_room(&self, channel: Kind, to: &Secret) -> Result<bool, SendError> {
        let (Matter::Notice(_), Some(user), 1) = (self.matter, &self.delivery.user, self.delivery.attempts)
        else {
            return Ok(true);
        };
        let keyring = &self.app.config.keyring;
        let address = EmailAddress::parse(to.expose()).map(|address| address.index_form());
        let number = PhoneNumber::parse(to.expose()).ok();
        let asked = Asked {
            user: user.as_str(),
            recipient: address.as_deref().unwrap_or_else(|_| to.expose()),
            purpose: Purpose::Notice,
            origin: Origin::default(),
            limit: notice::LIMIT,
            now: self.now,
        };
        let charges = self
            .app
            .config
            .sending_limits
            .charges(&asked, |rule, whose| budget_key(keyring, channel, rule, whose));
        let region = number.as_ref().and_then(region);
        charge_notice(self.app, &charges, region, self.now).await.map_err(|_| SendError::Retry {
            reason: "the notice could not be charged".to_owned(),
            after: None,
        })
    }

    async fn send(&self, channel: Kind, to: Secret) -> Result<&'static str, SendError> {
        // Nobody is there to send it to.
        match self.app.config.test_recipient(to.expose()) {
            Some((_, Fate::Undelivered)) => {
                return Err(SendError::Permanent { reason: "a test recipient that fails".to_owned() });
            }
            Some(_) => return Ok(NOBODY),
            None => {}
        }
        let (config, expires_at) = (&self.app.config, self.delivery.expires_at);
        // What is left of it, rounded up: a delivery takes some seconds.
        let minutes = expires_at.since(self.now).saturating_add(59).wrapping_div(60).max(1);
        let (code, notice) = match self.matter {
            Matter::Code(digits) => (Some(digits), None),
            Matter::Notice(notice) => (None, Some(*notice)),
        };
        let about = About {
            tenant_name: &config.tenant_name,
            code: code.map(|digits| Code { digits, minutes }),
            domain: if self.payload.domain.is_empty() { &config.host } else { &self.payload.domain },
        };
        let words = words::choose(
            &self.delivery.message,
            notice.and_then(Notice::kind),
            channel,
            &self.payload.languages,
            &config.default_language,
            self.own,
        );
        let message = Message {
            id: &self.delivery.id,
            channel,
            to,
            content: content::compose(channel, &words, &about),
            language: words.language,
            code: code.cloned(),
            notice,
            tenant_name: &config.tenant_name,
            now: self.now,
            expires_at,
        };
        routing::send(self.app, &message).await.map(Name::as_str)
    }
}

fn open<P: Platform>(app: &App<P>, delivery: &Claimed) -> Result<Payload, String> {
    let plaintext = app
        .config
        .keyring
        .open(&places::delivery(&delivery.id), &delivery.sealed)
        .map_err(|error| format!("the payload cannot be opened: {error:?}"))?;
    json::parse(&plaintext)
        .map(|json| Payload::read(&json))
        .map_err(|_| "the payload is no payload".to_owned())
}

fn matter(delivery: &Claimed, payload: &Payload) -> Option<Matter> {
    if delivery.message != words::CODE {
        return Notice::parse(&delivery.message, payload.about).map(Matter::Notice);
    }
    payload.to.as_ref()?;
    Some(Matter::Code(Secret::new(payload.code.clone()?)))
}

/// The addresses that a notice may go to, best first: mail to an authenticator, mail to the address that the issuer has
/// verified, text messages. One that cannot be read is passed over.
fn independent<P: Platform>(app: &App<P>, delivery: &Claimed, payload: &Payload) -> Vec<(Kind, Secret)> {
    let kinds = notice_kinds(&app.config);
    let mut mails = Vec::new();
    let mut texts = Vec::new();
    for (id, sealed) in &delivery.recipients {
        let Some(address) = address(app, delivery, id, sealed) else { continue };
        match id.kind() {
            Kind::Email => mails.push((Kind::Email, address)),
            _ if is_sent_to(app, address.expose()) => texts.push((Kind::Sms, address)),
            _ => {}
        }
    }
    let verified = payload.to.iter().map(|to| (Kind::Email, Secret::new(to.clone())));
    let all = mails.into_iter().chain(verified).chain(texts);
    all.filter(|(kind, _)| kinds.contains(kind)).collect()
}

fn address<P: Platform>(
    app: &App<P>,
    delivery: &Claimed,
    id: &AuthenticatorId,
    sealed: &str,
) -> Option<Secret> {
    let place = places::factor(id.as_str(), delivery.user.as_ref()?);
    let opened = app.config.keyring.open(&place, sealed).ok()?;
    std::str::from_utf8(&opened).ok().map(|address| Secret::new(address.to_owned()))
}

/// Whether text messages go to the region of a number.
fn is_sent_to<P: Platform>(app: &App<P>, number: &str) -> bool {
    let number = PhoneNumber::parse(number).ok();
    number.is_some_and(|number| app.config.factors.sms_regions.check(&number).is_ok())
}

/// The operator's own words, but for those that cannot be sent, which the log is told of.
fn own_words<P: Platform>(app: &App<P>, delivery: &Claimed) -> Vec<Template> {
    let is_fit = |own: &&Template| match template::check(own) {
        Ok(()) => true,
        Err(problem) => {
            app.platform.log(object! {
                "event": "template_unusable",
                "message": &own.message,
                "channel": &own.channel,
                "language": &own.language,
                "problem": problem,
            });
            false
        }
    };
    delivery.templates.iter().filter(is_fit).cloned().collect()
}
