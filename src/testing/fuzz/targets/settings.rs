//! What operators write: variables, templates, the rows of clients.

use serde_json::Value;

use super::{lines, text, with_service};
use crate::delivery::providers::Providers;
use crate::delivery::providers::webhook::WebhookSettings;
use crate::delivery::routing::Routes;
use crate::delivery::template::{self, Values};
use crate::delivery::text_message;
use crate::mfa::factor::{Factors, Kind};
use crate::mfa::notice::NoticeChannels;
use crate::mfa::policy::Policy;
use crate::mfa::sending::SendingLimits;
use crate::mfa::test_recipient::TestRecipients;
use crate::platform::Platform;
use crate::storage::clients;
use crate::storage::deliveries::Template;
use crate::storage::keyring::Keyring;
use crate::testing::block_on;
use crate::testing::person::{WEBHOOK, WEBHOOK_SECRET};
use crate::trust::issuer;
use crate::trust::signing_keys::SigningKeys;
use crate::types::ClientId;

const VALUES: Values<'static> =
    Values { tenant: "T & <{{code}}>", code: "123456", minutes: "5", method: "SMS" };

/// Lines: message, channel, subject, HTML. What follows is the text.
pub(super) fn template(input: &[u8]) {
    let ([message, channel, subject, html], body) = lines::<4>(input);
    let own = |line: &[u8]| text(line).map(str::to_owned);
    let (Some(message), Some(channel), Some(body)) = (own(message), own(channel), own(body)) else { return };
    let part = |line: &[u8]| own(line).filter(|line| !line.is_empty());
    let template = Template {
        message,
        channel,
        language: "en".to_owned(),
        subject: part(subject),
        text: body,
        html: part(html),
    };
    for part in
        [Some(&template.text), template.subject.as_ref(), template.html.as_ref()].into_iter().flatten()
    {
        assert_eq!(VALUES.put_into(part), expected(part, str::to_owned));
        let escaped = |value: &str| value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert_eq!(VALUES.put_into_html(part), expected(part, escaped));
    }
    match template::check(&template) {
        Err(problem) => assert!(!problem.is_empty()),
        Ok(()) => {
            let is_code = template.message == "code";
            let allowed: &[&str] =
                if is_code { &["code", "minutes", "tenant"] } else { &["method", "tenant"] };
            for part in [Some(&template.text), template.html.as_ref()].into_iter().flatten() {
                assert!(template::places(part).all(|place| allowed.contains(&place)));
                assert!(!is_code || VALUES.put_into(part).contains(VALUES.code));
            }
            let subject = template.subject.as_deref().unwrap_or_default();
            assert!(
                !subject.chars().any(char::is_control)
                    && template::places(subject).all(|place| place != "code")
            );
            assert!(template.text.len() <= 2000 && subject.len() <= 200);
        }
    }
}

/// The template with its places filled, as a person would do it.
fn expected(mut rest: &str, written: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        text += before;
        text += &match name.trim() {
            "tenant" => written(VALUES.tenant),
            "code" => written(VALUES.code),
            "minutes" => written(VALUES.minutes),
            "method" => written(VALUES.method),
            _ => String::new(),
        };
        rest = after;
    }
    text + rest
}

/// Lines: the tenant's name, the domain. What follows is the template of a text message.
pub(super) fn text_message(input: &[u8]) {
    let ([tenant, domain], words) = lines::<2>(input);
    let (Some(tenant), Some(domain), Some(words)) = (text(tenant), text(domain), text(words)) else { return };
    let values = Values { tenant, ..VALUES };
    for has_line in [false, true] {
        let written = text_message::written(words, &values, domain, has_line);
        if template::places(words).any(|place| place == "code") {
            assert!(written.contains(VALUES.code));
        }
        let line = format!("@{domain} #{}", VALUES.code);
        assert!(!has_line || written.ends_with(&line), "phones look for the last line");
        // Never longer than as it stands.
        let plain = values.put_into(words) + &if has_line { format!("\n\n{line}") } else { String::new() };
        let longest = text_message::parts(&plain).max(1);
        assert!(
            text_message::parts(&written) <= longest || tenant.trim().is_empty() || !is_short(domain, tenant)
        );
    }
}

/// The domain stands for a name of which nothing is left; it may be the longer one, in what messages are counted in.
fn is_short(domain: &str, tenant: &str) -> bool {
    domain.encode_utf16().count() <= tenant.encode_utf16().count()
}

/// Lines: the variable's name. What follows is its value. Whatever is wrong is said in a sentence that ends.
pub(super) fn variables(input: &[u8]) {
    let ([name], value) = lines::<1>(input);
    let (Some(name), Some(value)) = (text(name), text(value)) else { return };
    let json = Some(value);
    let providers =
        Providers { webhook: WebhookSettings::parse(WEBHOOK, WEBHOOK_SECRET).ok(), ..Providers::default() };
    let problem = match name {
        "FACTORS" => Factors::parse(json).map(|factors| {
            assert!(Kind::ALL.into_iter().any(|kind| factors.is_on(kind)));
            assert_eq!(factors.narrowed_to(&[]), factors);
            for limit in [factors.sms, factors.voice, factors.email].into_iter().flatten() {
                assert!(limit.burst >= 1 && limit.per_hour >= 1, "{limit:?}");
            }
        }),
        "POLICY" => Policy::parse(json).map(drop),
        "SENDING_LIMITS" => SendingLimits::parse(json).map(|limits| {
            assert!(limits.unverified_weight >= 1 && (0..=100).contains(&limits.verified_percent));
            assert!(limits.closed_seconds >= 60 && limits.judged_from >= 1);
        }),
        "DELIVERY" => Routes::parse(json, &providers).map(|routes| {
            assert!(!routes.carries(Kind::Totp));
        }),
        "NOTICES" => NoticeChannels::parse(json).map(drop),
        "TEST_RECIPIENTS" => TestRecipients::parse(json).map(drop),
        "TRUSTED_ISSUERS" => issuer::parse_all(value, Some("https://mfa.example.com")).map(|issuers| {
            assert!(!issuers.is_empty());
            for issuer in &issuers {
                assert!(!issuer.name.contains('|') && issuer.issuer.starts_with("http"));
                assert_eq!(issuers.iter().filter(|other| other.name == issuer.name).count(), 1);
            }
        }),
        "ENCRYPTION_KEYS" => Keyring::parse(value).map(|keyring| {
            let token = keyring.seal_token("mfa_token", b"x", [1; 12]).unwrap();
            assert_eq!(keyring.open_token("mfa_token", &token).unwrap().as_slice(), b"x");
        }),
        "SIGNING_KEY_A" => {
            let keys = SigningKeys::parse(&[("SIGNING_KEY_A".to_owned(), value.to_owned())], None);
            keys.map(|keys| {
                let set: Value = serde_json::from_str(&keys.public_jwks()).unwrap();
                for key in set["keys"].as_array().unwrap() {
                    assert!(
                        ["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|secret| key.get(secret).is_none())
                    );
                }
            })
            .map_err(|problems| {
                problems.into_iter().map(|(_, problem)| problem).collect::<Vec<_>>().join(" ")
            })
        }
        _ => return,
    };
    if let Err(problem) = problem {
        assert!(problem.ends_with('.') && !problem.trim_end_matches('.').is_empty(), "{problem}");
        if matches!(name, "ENCRYPTION_KEYS" | "SIGNING_KEY_A") {
            let secrets = value.split(|character: char| !character.is_ascii_alphanumeric());
            for secret in secrets.filter(|word| word.len() >= 24) {
                assert!(!problem.contains(secret), "a secret is repeated");
            }
        }
    }
}

/// Lines: the column's name. What follows is its value in the row of a client. Such a client is there, or is not; whatever
/// stands there, nothing else comes of it than that the row cannot be read.
pub(super) fn client_row(input: &[u8]) {
    const COLUMNS: [&str; 9] = [
        "origins",
        "issuers",
        "audiences",
        "jwks",
        "jwks_uri",
        "grants",
        "factors",
        "policy",
        "authentication",
    ];
    let ([column], value) = lines::<1>(input);
    let (Some(column), Some(value)) = (text(column), text(value)) else { return };
    let Some(column) = COLUMNS.into_iter().find(|own| *own == column) else { return };
    with_service(|service| {
        let sql = format!("UPDATE clients SET {column} = ?1, version = version + 1 WHERE id = 'app'");
        // The schema itself refuses some.
        let before =
            service.world.query(&format!("SELECT {column} AS own FROM clients WHERE id = 'app'"), &[]);
        if service.world.try_query(&sql, &[value.into()]).is_err() {
            return;
        }
        let id = ClientId("app".to_owned());
        service.app.isolate.clients.forget(&id);
        if let Ok(Some(client)) = block_on(clients::find(&service.app, service.world.now(), &id)) {
            assert_eq!(client.id, id);
            let narrowed = client.factors(&service.app.config.factors);
            assert!(!narrowed.otp || service.app.config.factors.otp);
        }
        drop(block_on(clients::origins(&service.app, service.world.now())));
        let own = before[0].optional_text("own").unwrap().map(str::to_owned);
        service.world.query(&sql, &[own.into()]);
        service.app.isolate.clients.forget(&id);
        assert!(block_on(clients::find(&service.app, service.world.now(), &id)).unwrap().is_some());
    });
}
