//! The provider for everything that has no client of its own: a signed HTTP request to the operator's server, as the
//! Standard Webhooks specification (version 1.0.0) describes it.

use std::fmt;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{call, post, retry_after};
use crate::app::App;
use crate::delivery::content::Content;
use crate::delivery::provider::{Message, Provider, SendError};
use crate::json::object;
use crate::mfa::notice::Notice;
use crate::platform::Platform;
use crate::types::{Secret, UnixSeconds};

/// The specification asks for at least this much entropy in a secret.
const MINIMUM_SECRET_BYTES: usize = 24;

/// `WEBHOOK_URL` and `WEBHOOK_SECRET`.
pub struct WebhookSettings {
    url: String,
    secrets: Vec<Zeroizing<Vec<u8>>>,
}

impl WebhookSettings {
    /// Reads both variables. `secrets` holds one or, while rotating, several `whsec_…` separated by spaces; messages
    /// are signed with each of them. The error is a sentence for the operator, without the secret.
    pub fn parse(url: &str, secrets: &str) -> Result<Self, String> {
        let secrets = secrets.split_ascii_whitespace().map(parse_secret).collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() {
            return Err("is empty; it must be one or more whsec_… separated by spaces".to_owned());
        }
        Ok(Self { url: url.to_owned(), secrets })
    }

    /// The headers' signatures: `v1,` and base64 of HMAC-SHA-256 over id, timestamp and body, one for each secret.
    pub(crate) fn signatures(&self, id: &str, timestamp: UnixSeconds, body: &str) -> Option<String> {
        let signatures = self
            .secrets
            .iter()
            .map(|secret| {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
                mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
                Some(format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes())))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(signatures.join(" "))
    }
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSettings(…)")
    }
}

fn parse_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    text.strip_prefix("whsec_")
        .and_then(|encoded| Base64::decode_vec(encoded).ok())
        .filter(|bytes| bytes.len() >= MINIMUM_SECRET_BYTES)
        .map(Zeroizing::new)
        .ok_or_else(|| "must be whsec_ followed by at least 24 random bytes in base64".to_owned())
}

impl Provider for WebhookSettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let (subject, text, html) = match &message.content {
            Content::Text(text) => (None, Some(text.expose().to_owned()), None),
            Content::Speech { sentences, .. } => {
                (None, sentences.first().map(|text| text.expose().to_owned()), None)
            }
            Content::Mail { subject, text, html } => {
                (Some(subject.as_str()), Some(text.expose().to_owned()), Some(html.expose()))
            }
        };
        let body = object! {
            "type": if message.notice.is_some() { "mfa.notice" } else { "mfa.code" },
            "notice": message.notice.map(Notice::as_str),
            "channel": message.channel.as_str(),
            "to": message.to.expose(),
            "code": message.code.as_ref().map(Secret::expose),
            "tenant": message.tenant_name,
            "from": from,
            "language": message.language,
            "subject": subject,
            "text": text,
            "html": html,
            "expires_in": message.expires_at.since(message.now),
            "expires_at": message.expires_at.0,
        }
        .without_nulls()
        .write();
        let signatures = self
            .signatures(message.id, message.now, &body)
            .ok_or_else(|| SendError::Permanent { reason: "the message could not be signed".to_owned() })?;
        let request = post(
            self.url.clone(),
            vec![
                ("content-type", "application/json".to_owned()),
                ("webhook-id", message.id.to_owned()),
                ("webhook-timestamp", message.now.to_string()),
                ("webhook-signature", signatures),
            ],
            body,
        );
        let response = call(app, request).await?;
        judge(response.status, retry_after(&response))
    }
}

/// 2xx is success. Which of the others means what, `docs/webhook.md` tells whoever writes the receiver.
fn judge(status: u16, after: Option<i64>) -> Result<(), SendError> {
    let reason = format!("status {status}");
    Err(match status {
        200..=299 => return Ok(()),
        408 | 425 | 429 | 500..=599 => SendError::Retry { reason, after },
        // It has moved, wants other credentials, or is not there.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 411 => SendError::Misconfigured { reason },
        // It has understood, and this message will never go.
        400 | 410 | 422 => SendError::Permanent { reason },
        _ => SendError::Elsewhere { reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_signature_is_the_one_that_the_specification_gives_as_example() {
        // Standard Webhooks, "Signature scheme": the example's id, timestamp, body and secret.
        let settings = WebhookSettings::parse("https://example.com", SECRET).unwrap();
        assert_eq!(
            settings.signatures(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                UnixSeconds(1_614_265_330),
                r#"{"test": 2432232314}"#
            ),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned())
        );
    }

    #[test]
    fn while_rotating_each_secret_signs() {
        let both = format!("{SECRET} whsec_{}", Base64::encode_string(&[7; 32]));
        let settings = WebhookSettings::parse("https://example.com", &both).unwrap();
        let signatures = settings.signatures("id", UnixSeconds(1), "{}").unwrap();
        assert_eq!(signatures.split(' ').count(), 2);
        let first = WebhookSettings::parse("https://example.com", SECRET).unwrap();
        assert_eq!(
            signatures.split(' ').next().map(str::to_owned),
            first.signatures("id", UnixSeconds(1), "{}")
        );
    }

    #[test]
    fn short_and_unmarked_secrets_are_refused_without_being_repeated() {
        for secret in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_***"] {
            let error = WebhookSettings::parse("https://example.com", secret).err().unwrap();
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
    }

    #[test]
    fn answers_are_sorted_by_what_can_be_done_about_them() {
        for status in [200, 204, 299] {
            assert_eq!(judge(status, None), Ok(()));
        }
        for status in [408, 425, 429, 500, 503, 599] {
            let reason = format!("status {status}");
            assert_eq!(judge(status, Some(7)), Err(SendError::Retry { reason, after: Some(7) }));
        }
        for status in [300, 301, 302, 307, 308, 401, 403, 404, 405, 407, 411] {
            let reason = format!("status {status}");
            assert_eq!(judge(status, None), Err(SendError::Misconfigured { reason }));
        }
        for status in [400, 410, 422] {
            assert_eq!(judge(status, None), Err(SendError::Permanent { reason: format!("status {status}") }));
        }
        for status in [100, 402, 406, 409, 413, 415, 418, 451, 600] {
            assert_eq!(judge(status, None), Err(SendError::Elsewhere { reason: format!("status {status}") }));
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let settings = WebhookSettings::parse("https://example.com/hook?token=x", SECRET).unwrap();
        assert_eq!(format!("{settings:?}"), "WebhookSettings(…)");
    }
}
