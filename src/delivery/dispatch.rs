//! From a claimed delivery to a message in a provider's hands: open what is sealed, find the words, hand it over.

use super::content::{self, About, Code};
use super::provider::{Message, SendError};
use super::providers::Name;
use super::{Payload, routing, words};
use crate::app::App;
use crate::json;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::notice::{self, Notice};
use crate::mfa::phone_number::PhoneNumber;
use crate::mfa::region::region;
use crate::mfa::sending::{MessageRequest, Origin, Purpose};
use crate::mfa::test_recipient::Fate;
use crate::platform::Platform;
use crate::storage::deliveries::{ClaimedDelivery, NoticeTarget, Template};
use crate::storage::messages::{admit_notice, budget_key};
use crate::storage::notices::CONTACT;
use crate::storage::places;
use crate::types::{Secret, UnixSeconds, UserId};

/// What records call the carrier of messages to test recipients, who are nobody.
const NOBODY: &str = "test";

/// Why a notice waits that has not been let through.
const NO_ROOM: &str = "no room for another notice";
/// Seconds that it waits.
const NO_ROOM_SECONDS: i64 = 1800;

/// What is brought.
#[derive(Debug)]
enum Matter {
    Code(Secret),
    Notice(Notice),
}

/// Sends a claimed delivery, in the operator's own words where `templates` have some. `Ok` has what records call the
/// provider that took it.
pub async fn send<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    delivery: &ClaimedDelivery,
    templates: &[Template],
) -> Result<&'static str, SendError> {
    // The key may be known again later, and then what is sealed still opens.
    let later = |reason| SendError::Retry { reason, after: None };
    let (payload, to) = open(app, delivery).map_err(later)?;
    let matter = matter(delivery, &payload).ok_or_else(|| later("the payload is no payload".to_owned()))?;
    match app.config.test_recipient(to.expose()) {
        Some((_, Fate::Undelivered)) => {
            return Err(SendError::Permanent { reason: "a test recipient that fails".to_owned() });
        }
        Some(_) => return Ok(NOBODY),
        None => {}
    }
    if let (Matter::Notice(_), Some(target)) = (&matter, &delivery.target) {
        admit(app, now, delivery, &target.user, &to).await?;
    }
    let config = &app.config;
    // What is left of it, rounded up: a delivery takes some seconds.
    let minutes = delivery.expires_at.since(now).saturating_add(59).wrapping_div(60).max(1);
    let (code, notice) = match &matter {
        Matter::Code(digits) => (Some(digits), None),
        Matter::Notice(notice) => (None, Some(*notice)),
    };
    let about = About {
        tenant_name: &config.tenant_name,
        code: code.map(|digits| Code { digits, minutes }),
        domain: if payload.domain.is_empty() { &config.host } else { &payload.domain },
    };
    let words = words::choose(
        &delivery.message,
        notice.and_then(Notice::kind),
        delivery.channel,
        &payload.languages,
        &config.default_language,
        templates,
    );
    let message = Message {
        id: &delivery.id,
        channel: delivery.channel,
        to,
        content: content::compose(delivery.channel, &words, &about),
        language: words.language,
        code: code.cloned(),
        notice,
        tenant_name: &config.tenant_name,
        now,
        expires_at: delivery.expires_at,
    };
    routing::send(app, &message).await.map(Name::as_str)
}

/// The payload, and the address.
fn open<P: Platform>(app: &App<P>, delivery: &ClaimedDelivery) -> Result<(Payload, Secret), String> {
    let keyring = &app.config.keyring;
    // The rows of one notice share a payload, and begin with its id.
    let id = match &delivery.target {
        Some(_) => delivery.id.rsplit_once('-').map_or(delivery.id.as_str(), |(notice, _)| notice),
        None => &delivery.id,
    };
    let plaintext = keyring
        .open(&places::delivery(id), &delivery.sealed)
        .map_err(|error| format!("the payload cannot be opened: {error:?}"))?;
    let payload = json::parse(&plaintext).map(|json| Payload::read(&json)).ok();
    let payload = payload.ok_or_else(|| "the payload is no payload".to_owned())?;
    let to = match &delivery.target {
        Some(target) => address(app, target)?,
        None => {
            let to = payload.to.as_ref().ok_or_else(|| "the payload has no address".to_owned())?;
            Secret::new(to.clone())
        }
    };
    Ok((payload, to))
}

fn address<P: Platform>(app: &App<P>, target: &NoticeTarget) -> Result<Secret, String> {
    let place = match target.name.as_str() {
        CONTACT => places::contact(&target.user),
        authenticator => places::factor(authenticator, &target.user),
    };
    let opened = app.config.keyring.open(&place, &target.address);
    let opened = opened.map_err(|error| format!("the address cannot be opened: {error:?}"))?;
    let text = std::str::from_utf8(&opened).map_err(|_| "the address is no text".to_owned())?;
    Ok(Secret::new(text.to_owned()))
}

fn matter(delivery: &ClaimedDelivery, payload: &Payload) -> Option<Matter> {
    if delivery.message == words::CODE {
        return Some(Matter::Code(Secret::new(payload.code.clone()?)));
    }
    Notice::parse(&delivery.message, payload.about).map(Matter::Notice)
}

/// Lets a notice through if there is room for it where it goes; the request that it tells of has not looked. It is charged
/// once, and waits where there is no room: that somebody sends much must not keep others from hearing. A code has been
/// charged with its enrollment or challenge.
async fn admit<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    delivery: &ClaimedDelivery,
    user: &UserId,
    to: &Secret,
) -> Result<(), SendError> {
    let number = PhoneNumber::parse(to.expose()).ok();
    if let Some(number) = &number
        && app.config.factors.sms_regions.check(number).is_err()
    {
        return Err(SendError::Permanent { reason: "nothing is sent to that country".to_owned() });
    }
    if delivery.is_charged {
        return Ok(());
    }
    let mail = EmailAddress::parse(to.expose()).map(|address| address.index_form());
    let asked = MessageRequest {
        user: user.as_str(),
        recipient: mail.as_deref().unwrap_or_else(|_| to.expose()),
        purpose: Purpose::Notice,
        origin: Origin::default(),
        limit: notice::LIMIT,
        now,
    };
    let keyring = &app.config.keyring;
    let charges = app
        .config
        .sending_limits
        .charges(&asked, &|rule, whose| budget_key(keyring, delivery.channel, rule, whose));
    match admit_notice(app, delivery, &charges, number.as_ref().and_then(region), now).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(SendError::Retry { reason: NO_ROOM.to_owned(), after: Some(NO_ROOM_SECONDS) }),
        Err(error) => Err(SendError::Retry {
            reason: format!("the notice could not be charged: {error:?}"),
            after: None,
        }),
    }
}
