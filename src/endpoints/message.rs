//! A code by message, composed for the enrollment or challenge that it belongs to.

use super::Failure;
use crate::app::App;
use crate::audit::{Act, Event};
use crate::delivery::Payload;
use crate::http::errors::{MessageKind, WireError};
use crate::http::request::Request;
use crate::mfa::binding_code::BindingCode;
use crate::mfa::budget::Refusal;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::language::Languages;
use crate::mfa::phone_number::PhoneNumber;
use crate::mfa::region::region;
use crate::mfa::sending::{MessageRequest, Origin, Purpose, Rule};
use crate::mfa::test_recipient::Fate;
use crate::platform::{Platform, StorageError};
use crate::storage::clients::Client;
use crate::storage::messages::{NewMessage, Obstacle, budget_key, list};
use crate::storage::places;
use crate::types::{Secret, UnixSeconds, UserId};

/// Seconds that a code is good for, and the enrollment or challenge with it.
pub use crate::mfa::enrollment::CODE_SECONDS;

/// The rate of the binding `SHIELD`, as wrangler.toml has it.
const SHIELD_LIMIT: i64 = 20;
const SHIELD_SECONDS: i64 = 60;

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
            EmailAddress::parse(address)
                .map_err(|_| StorageError::Unreadable("sealed", "NoAddress".to_owned()))?
                .index_form()
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
        let address = app.config.keyring.open(&place, sealed).map_err(|error| error.of("sealed", sealed))?;
        let address = std::str::from_utf8(&address)
            .map_err(|_| StorageError::Unreadable("sealed", "NoText".to_owned()))?;
        Self::of(id.kind(), address)
    }
}

/// Who asks for a message.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// By which request.
    pub request: &'a Request,
    /// From where, as far as it is counted.
    pub origin: Origin,
    /// In which languages the person may be written to.
    pub languages: Languages,
    /// The host of the page that the code is typed into.
    pub domain: String,
}

impl<'a> Asker<'a> {
    /// What a request says of it; `authenticated` tells whether its client has proved who it is.
    pub fn of<P: Platform>(
        app: &App<P>,
        request: &'a Request,
        client: Option<&Client>,
        authenticated: bool,
        ui_locales: Option<&str>,
        locale: Option<&str>,
    ) -> Self {
        let config = &app.config;
        let own = config.host.rsplit_once(':').map_or(config.host.as_str(), |(host, _)| host);
        Self {
            request,
            origin: origin(request, client, authenticated),
            languages: Languages::named(ui_locales, request.headers.accept_language.as_deref(), locale),
            domain: client.and_then(|client| client.domain.as_deref()).unwrap_or(own).to_owned(),
        }
    }
}

/// Where a request comes from. What is counted is the person's address: that of a page or an app that calls by itself,
/// or what a back end that has `authenticated` says of whom it speaks for. A back end's own is that of all its users.
fn origin(request: &Request, client: Option<&Client>, authenticated: bool) -> Origin {
    if client.is_none_or(Client::is_public) {
        return request.origin;
    }
    let forwarded = request.headers.forwarded_for.as_deref().filter(|_| authenticated).map(str::trim);
    Origin { address: forwarded.and_then(|address| address.parse().ok()), network: None }
}

/// The first look at who asks for a message, rough and free: a flood from one address never reaches the database.
pub async fn pass_shield<P: Platform>(app: &App<P>, asker: &Asker<'_>) -> Result<(), WireError> {
    match asker.origin.counted_address() {
        Some(key) if !app.platform.is_within_rate(&key).await => {
            let room_at = asker.request.received_at.plus(SHIELD_SECONDS);
            Err(WireError::TooManyRequests(Refusal {
                limit: SHIELD_LIMIT,
                retry_after: SHIELD_SECONDS,
                room_at,
            }))
        }
        _ => Ok(()),
    }
}

/// Seconds for which a code to this recipient is good.
pub fn code_seconds<P: Platform>(app: &App<P>, recipient: &Recipient) -> i64 {
    match app.config.test_recipient(recipient.address.expose()) {
        Some((_, Fate::Expired)) => 0,
        _ => CODE_SECONDS,
    }
}

/// What a request is refused with for a test recipient whose fate that is. One that has had too many messages has had the
/// `limit` that people have.
fn refuse_as_told(kind: Kind, fate: Fate, limit: i64, now: UnixSeconds) -> Result<(), WireError> {
    Err(match fate {
        Fate::Delivered | Fate::Undelivered | Fate::Expired => return Ok(()),
        Fate::Invalid if kind == Kind::Email => WireError::InvalidEmailAddress,
        Fate::Invalid => WireError::InvalidPhoneNumber,
        Fate::RegionClosed => WireError::RegionNotEnabled,
        Fate::Limited => {
            let retry_after = 60;
            WireError::TooManyMessages(
                message_kind(kind),
                Refusal { limit, retry_after, room_at: now.plus(retry_after) },
            )
        }
        Fate::Unavailable => WireError::Unavailable,
    })
}

/// A fresh code for `owner` (enrollment or challenge), sealed for its delivery and hashed for its owner.
pub fn compose<P: Platform>(
    app: &App<P>,
    recipient: &Recipient,
    purpose: Purpose,
    user: &UserId,
    owner: &str,
    asker: &Asker<'_>,
) -> Result<NewMessage, Failure> {
    let keyring = &app.config.keyring;
    let kind = recipient.channel;
    let limit = app.config.factors.message_limit(kind).ok_or(WireError::NotEnabled(kind.as_str()))?;
    let now = asker.request.received_at;
    let test = app.config.test_recipient(recipient.address.expose());
    let code = match test {
        Some((recipients, fate)) => {
            refuse_as_told(kind, fate, limit.burst, now)?;
            recipients.code().clone()
        }
        None => BindingCode::generate(app.platform.random()?),
    };
    let delivery_id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
    let number = PhoneNumber::parse(recipient.address.expose()).ok();
    if let (Some(allowed), Some(number)) = (app.config.factors.regions(kind), &number) {
        allowed.check(number).map_err(|_| WireError::RegionNotEnabled)?;
        if test.is_none() && !app.config.routes.reaches(kind, number.expose()) {
            return Err(WireError::RegionNotEnabled.into());
        }
    }
    let limits = &app.config.sending_limits;
    let asked = MessageRequest {
        user: user.as_str(),
        recipient: recipient.comparable.expose(),
        purpose,
        origin: asker.origin,
        limit,
        now,
    };
    let mut charges = limits.charges(&asked, &|rule, whose| budget_key(keyring, kind, rule, whose));
    if test.is_some() {
        // Everybody shares them, and they cost nothing.
        charges.retain(|charge| charge.rule == Rule::User);
    }
    let payload = Payload {
        to: Some(recipient.address.expose().to_owned()),
        code: Some(code.expose().to_owned()),
        about: None,
        languages: asker.languages.clone(),
        domain: asker.domain.clone(),
    };
    let payload = payload.written().write();
    Ok(NewMessage {
        channel: kind,
        sealed: keyring.seal(&places::delivery(&delivery_id), payload.as_bytes(), app.platform.random()?)?,
        code_hash: keyring.hash(places::BINDING_CODE, &[owner, code.expose()]),
        listed: list(&charges),
        charges,
        region: number.as_ref().filter(|_| test.is_none()).and_then(region).map(str::to_owned),
        network: asker.origin.network.filter(|_| kind != Kind::Email && test.is_none()),
        limits: *limits,
        delivery_id,
    })
}

/// Tells which rules spoke about a message, and the client the first that refuses. `None` where none did.
pub fn record_obstacles<P: Platform>(
    app: &App<P>,
    asker: &Asker<'_>,
    kind: Kind,
    obstacles: &[Obstacle],
) -> Option<WireError> {
    let limits = &app.config.sending_limits;
    for obstacle in obstacles {
        Event::of(asker.request, Act::MessageLimit)
            .with("reason", obstacle.rule.as_str())
            .with("enforced", limits.enforces(obstacle.rule))
            .with("retry_after", obstacle.refusal.retry_after)
            .with("network", asker.origin.network)
            .record(app);
    }
    let first = obstacles.iter().find(|obstacle| limits.enforces(obstacle.rule))?;
    Some(WireError::TooManyMessages(message_kind(kind), first.refusal))
}

fn message_kind(kind: Kind) -> MessageKind {
    if kind == Kind::Email { MessageKind::Email } else { MessageKind::Phone }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::person::{NUMBER, Service};
    use serde_json::json;

    #[test]
    fn a_flood_from_one_address_does_not_reach_the_database() {
        let service = Service::new();
        service.world.set_rate(2);
        let ask = |subject: &str, address: Option<&str>| {
            let person = service.person(subject);
            let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915123456789" });
            let mut request = person.associate_request(&person.logs_in(), &body);
            request.origin.address = address.map(|address| address.parse().unwrap());
            service.send(&request)
        };
        for subject in ["a", "b"] {
            ask(subject, Some("192.0.2.1")).granted();
        }
        let before = service.world.batches();
        let refused = ask("c", Some("192.0.2.1"));
        refused.is_refused(429, "Too many requests. Check the X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset headers.");
        assert_eq!(refused.header("Retry-After"), Some("60"));
        assert_eq!(
            service.world.batches(),
            before,
            "the client's row was remembered, and nothing else asked for"
        );
        ask("c", Some("192.0.2.2")).granted();
        ask("d", Some("127.0.0.1")).granted();
        ask("e", None).granted();
    }

    #[test]
    fn nor_does_a_flood_of_challenges_by_app_whose_answers_are_to_be_kept() {
        let service = Service::new();
        let person = service.person("a");
        person.has_app();
        service.world.set_rate(2);
        let ask = |key: Option<&str>| {
            let mut request =
                person.challenge_request(&person.logs_in(), &json!({ "challenge_type": "otp" }));
            request.headers.idempotency_key = key.map(str::to_owned);
            request.origin.address = Some("192.0.2.1".parse().unwrap());
            service.send(&request)
        };
        for key in ["k1", "k2"] {
            ask(Some(key)).granted();
        }
        assert_eq!(ask(Some("k3")).refused().0, 429);
        // Without a key nothing is stored.
        ask(None).granted();
    }

    #[test]
    fn a_number_that_was_enrolled_before_the_tables_knew_it_for_a_services_is_not_sent_to() {
        let service = Service::new();
        let person = service.person("a");
        let phone = person.has_phone(NUMBER);
        let user = UserId::new("idp", "a");
        let place = places::factor(&phone.id, &user);
        let premium = service.app.config.keyring.seal(&place, b"+449098790000", [1; 12]).unwrap();
        service.world.query("UPDATE authenticators SET sealed = ?1", &[premium.into()]);
        let before = service.number("SELECT COUNT(*) FROM deliveries");
        let body = json!({ "authenticator_id": phone.id });
        service
            .send(&person.challenge_request(&person.logs_in(), &body))
            .is_refused(400, "Messages to this country are not enabled.");
        assert_eq!(service.number("SELECT COUNT(*) FROM deliveries"), before);
    }

    #[test]
    fn a_number_that_nobody_carries_messages_to_is_refused_and_nothing_is_charged_or_stored() {
        let only = r#"{"sms":[{"provider":"webhook","calling_codes":["1"]}]}"#;
        let service = Service::configured(&Service::variables().with("DELIVERY", only));
        let person = service.person("a");
        let ask = |number: &str| {
            let body =
                json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number });
            person.associates(&person.logs_in(), &body)
        };
        ask(NUMBER).is_refused(400, "Messages to this country are not enabled.");
        assert_eq!(
            service.number("SELECT (SELECT COUNT(*) FROM deliveries) + (SELECT COUNT(*) FROM enrollments)"),
            0
        );
        assert_eq!(service.number("SELECT COUNT(*) FROM message_budgets"), 0);
        ask("+12015550123").granted();
    }

    #[test]
    fn the_shield_is_told_as_wrangler_has_it() {
        let settings = include_str!("../../wrangler.toml");
        let rate = format!("simple = {{ limit = {SHIELD_LIMIT}, period = {SHIELD_SECONDS} }}");
        assert!(settings.contains(&rate), "{rate}");
    }
}
