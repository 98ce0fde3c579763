//! What other services answer: issuers with their key sets, and those who carry messages.

use super::super::reference;
use super::{lines, text, with_service};
use crate::algorithm::Algorithm;
use crate::delivery::content::Content;
use crate::delivery::provider::{Message, SendError};
use crate::delivery::providers::Name;
use crate::mfa::factor::Kind;
use crate::platform::{OutboundResponse, Platform};
use crate::testing::block_on;
use crate::testing::person::WEBHOOK;
use crate::testing::platform::FakePlatform;
use crate::testing::{TestIssuer, app};
use crate::trust::key_sets::{KeySource, find_key};
use crate::types::Secret;

fn response(status: u16, body: &[u8]) -> OutboundResponse {
    OutboundResponse { status, cache_control: None, retry_after: None, error_type: None, body: body.to_vec() }
}

/// Lines: `Cache-Control`, discovery document. What follows is the key set.
pub(super) fn issuer(input: &[u8]) {
    let ([cache_control, discovery], set) = lines::<2>(input);
    let world = FakePlatform::new();
    let issuer = TestIssuer::new("idp");
    let app = app(&world);
    world.answer(&issuer.discovery_uri(), Ok(response(200, discovery)));
    let cache_control = text(cache_control).map(str::to_owned);
    world.answer(&issuer.jwks_uri(), Ok(OutboundResponse { cache_control, ..response(200, set) }));
    let source = KeySource::Issuer(app.config.trusted_issuer("idp").expect("the issuer").clone());
    let found = block_on(find_key(&app, world.now(), &source, None, Algorithm::ES256));
    world.run_deferred();
    let urls: Vec<_> = world.fetches().into_iter().map(|request| request.url).collect();
    assert!(urls.len() <= 2 && urls[0] == issuer.discovery_uri(), "{urls:?}");
    if let Some(called) = urls.get(1) {
        // Only what the issuer's own document names is called, and never this very machine or in the clear.
        let document: serde_json::Value = serde_json::from_slice(discovery).expect("JSON");
        assert_eq!(document["issuer"].as_str(), Some(issuer.url.as_str()));
        assert_eq!(document["jwks_uri"].as_str(), Some(called.as_str()));
        assert!(called.starts_with("https://"), "{called}");
        if let Ok(standard) = url::Url::parse(called) {
            let host = standard.host_str().unwrap_or_default();
            assert!(!host.starts_with("127.") && host != "[::1]" && !host.ends_with("localhost"), "{called}");
        }
    }
    if found.is_ok() {
        // Kept for a minute at least, whatever was said (renewed in good time before its end), and for an hour at most.
        let fetched = world.fetches().len();
        for (seconds, is_fetched_again) in [(29, false), (3601, true)] {
            world.set_time(crate::testing::platform::START.plus(seconds));
            drop(block_on(find_key(&app, world.now(), &source, None, Algorithm::ES256)));
            world.run_deferred();
            let again = world.fetches().len() > fetched;
            assert_eq!(again, is_fetched_again, "after {seconds} s");
        }
    }
}

const VERIFICATIONS: &str =
    "https://verify.twilio.com/v2/Services/VA0123456789abcdef0123456789abcdef/Verifications";
const PROVIDERS: [(Name, &str); 5] = [
    (
        Name::Twilio,
        "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json",
    ),
    (Name::TwilioVerify, VERIFICATIONS),
    (Name::Resend, "https://api.resend.com/emails"),
    (Name::Ses, "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails"),
    (Name::Webhook, WEBHOOK),
];

/// Lines: status, `Retry-After`, `X-Amzn-Errortype`. What follows is the body.
pub(super) fn providers(input: &[u8]) {
    let ([status, retry_after, error_type], body) = lines::<3>(input);
    let Some(status) = text(status).and_then(|status| status.parse::<u16>().ok()) else { return };
    let texts = [retry_after, error_type].map(|line| text(line).map(str::to_owned));
    let [retry_after, error_type] = texts;
    let answer = OutboundResponse { retry_after, error_type, ..response(status, body) };
    with_service(|service| {
        for (name, url) in PROVIDERS {
            service.world.answer(url, Ok(answer.clone()));
            let content = if matches!(name, Name::Resend | Name::Ses) {
                let part = || Secret::new("123456".to_owned());
                Content::Mail { subject: "Code".to_owned(), text: part(), html: part() }
            } else {
                Content::Text(Secret::new("123456".to_owned()))
            };
            let message = Message {
                id: "d",
                channel: Kind::Sms,
                to: Secret::new("+4915123456789".to_owned()),
                code: Some(Secret::new("123456".to_owned())),
                notice: None,
                content,
                language: "en",
                tenant_name: "Example",
                now: service.world.now(),
                expires_at: service.world.now().plus(300),
            };
            let sent = block_on(service.app.config.providers.send(&service.app, name, None, &message));
            assert_eq!(sent.is_ok(), (200..=299).contains(&status), "{name:?}");
            let Err(error) = sent else { continue };
            // Reasons are logged: nothing of an answer but what is known beforehand.
            let reason = error.reason();
            let rest = reason.strip_prefix(&format!("status {status}")).expect(reason);
            let is_code = |code: &str| code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit());
            let is_name = |name: &str| {
                name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            };
            assert!(
                rest.is_empty()
                    || rest.strip_prefix(", code ").is_some_and(is_code)
                    || rest.strip_prefix(", ").is_some_and(is_name),
                "{reason}"
            );
            if matches!(status, 500 | 503) {
                let quota = matches!(error, SendError::Elsewhere { .. });
                assert!(
                    matches!(error, SendError::Retry { .. })
                        || (name == Name::Ses && quota)
                        || has_code(body),
                    "{error:?}"
                );
            }
            if let SendError::Retry { after: Some(after), .. } = &error {
                let header = answer.retry_after.as_deref().unwrap_or_default();
                assert_eq!(header.trim().parse(), Ok(*after));
            }
        }
        service.world.answer(WEBHOOK, Ok(response(204, b"")));
    });
}

/// Whether the body says more than the status does.
fn has_code(body: &[u8]) -> bool {
    reference::names(body).is_some_and(|names| names.iter().any(|name| name == "code" || name == "name"))
}
