//! Amazon SES, API version 2: `POST /v2/email/outbound-emails`, signed by the access key. Errors as the API reference
//! ("SendEmail", "Common Error Types") and the developer guide ("Amazon SES email sending errors") describe them.

use std::fmt;

use base64ct::{Base64, Encoding};

use super::signature_v4::{Date, Signed, Signer};
use super::{call, mailbox, named_reason, post, retry_after};
use crate::app::App;
use crate::delivery::content::Content;
use crate::delivery::provider::{Message, Provider, SendError};
use crate::json::{self, Json, object};
use crate::platform::{OutboundRequest, OutboundResponse, Platform};
use crate::trust::http_url::HttpUrl;
use crate::types::Secret;

/// What a signature calls the service.
const SERVICE: &str = "ses";
/// As many bytes of UTF-8 as an encoded word of 75 characters takes.
const ENCODED_WORD_BYTES: usize = 45;

/// `SES_…` and `EMAIL_FROM`.
pub struct SesSettings {
    /// The API's origin, without a slash at its end.
    pub url: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// `AKIA…`.
    pub access_key_id: String,
    /// What belongs to it.
    pub secret_access_key: Secret,
    /// The configuration set to send with.
    pub configuration_set: Option<String>,
    /// The sender: an address, or `Name <address>`, of a verified identity.
    pub from: String,
}

impl fmt::Debug for SesSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SesSettings(…)")
    }
}

/// Where the API of a region is, unless `SES_URL` names another place.
#[must_use]
pub fn api(region: &str) -> String {
    format!("https://email.{region}.amazonaws.com")
}

impl Provider for SesSettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let Content::Mail { subject, text, html } = &message.content else {
            return Err(SendError::Elsewhere { reason: "SES carries mail only".to_owned() });
        };
        let body = object! {
            "FromEmailAddress": sender(from.unwrap_or(&self.from)),
            "Destination": object! { "ToAddresses": [message.to.expose()] },
            "Content": object! {
                "Simple": object! {
                    "Subject": part(subject),
                    "Body": object! { "Text": part(text.expose()), "Html": part(html.expose()) },
                },
            },
            "ConfigurationSetName": self.configuration_set.as_deref(),
        };
        let request = self
            .request(app, body.without_nulls().write())
            .ok_or_else(|| SendError::Elsewhere { reason: "the request could not be signed".to_owned() })?;
        judge(&call(app, request).await?)
    }
}

fn part(text: &str) -> Json<'_> {
    object! { "Data": text, "Charset": "UTF-8" }
}

impl SesSettings {
    fn request<P: Platform>(&self, app: &App<P>, body: String) -> Option<OutboundRequest> {
        const TYPE: &str = "application/json";
        let url = format!("{}/v2/email/outbound-emails", self.url);
        let date = Date::of(app.platform.now())?;
        let place = HttpUrl::parse(&url).ok()?;
        let signer = Signer {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            region: &self.region,
            service: SERVICE,
        };
        let headers = [("content-type", TYPE), ("host", place.authority()), ("x-amz-date", &date.time)];
        let signed = Signed { method: "POST", path: place.path_and_query(), headers: &headers, body: &body };
        let authorization = signer.authorization(&date, &signed)?;
        // The runtime says which host it is.
        let headers = vec![
            ("authorization", authorization),
            ("content-type", TYPE.to_owned()),
            ("x-amz-date", date.time),
        ];
        Some(post(url, headers, body))
    }
}

/// The sender as SES takes it: ASCII, a name beyond that in encoded words (RFC 2047).
fn sender(from: &str) -> String {
    match mailbox(from) {
        (Some(name), address) if !name.is_ascii() => format!("{} <{address}>", encoded_words(name)),
        _ => from.to_owned(),
    }
}

fn encoded_words(text: &str) -> String {
    let mut words = vec![String::new()];
    for character in text.chars() {
        let full = words
            .last()
            .is_none_or(|word| word.len().saturating_add(character.len_utf8()) > ENCODED_WORD_BYTES);
        if full {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    let words: Vec<_> =
        words.iter().map(|word| format!("=?UTF-8?B?{}?=", Base64::encode_string(word.as_bytes()))).collect();
    words.join(" ")
}

/// What went wrong is called by the header `X-Amzn-Errortype`, or by the body.
fn judge(response: &OutboundResponse) -> Result<(), SendError> {
    let status = response.status;
    if matches!(status, 200..=299) {
        return Ok(());
    }
    let body = json::parse(&response.body).ok();
    let text = |name| body.as_ref().and_then(|body| Json::text(body, name));
    let name = error_name(response.error_type.as_deref().or(text("code")).or(text("__type")).unwrap_or(""));
    let says = |part: &str| text("message").or(text("Message")).is_some_and(|message| message.contains(part));
    let reason = named_reason(status, name, &NAMES);
    Err(match (status, name) {
        // The day's mails are used up, whatever SES calls that.
        _ if says("Daily message quota exceeded") => SendError::Elsewhere { reason },
        (_, "TooManyRequestsException" | "ThrottlingException") | (408 | 425 | 429 | 500..=599, _) => {
            SendError::Retry { reason, after: retry_after(response) }
        }
        _ if says("Maximum sending rate exceeded") => {
            SendError::Retry { reason, after: retry_after(response) }
        }
        // The sender, or in the sandbox the recipient.
        (_, "MessageRejected") if says("Email address is not verified") => {
            SendError::Misconfigured { reason }
        }
        // Accounts, sending, senders' domains, configuration sets; keys, permissions, signatures, clocks.
        (
            _,
            "AccountSuspendedException"
            | "SendingPausedException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired",
        )
        | (401 | 403, _) => SendError::Misconfigured { reason },
        // A quota, or the message's form, which others may see otherwise. Addresses have been checked before.
        _ => SendError::Elsewhere { reason },
    })
}

/// The name alone of `aws.protocoltests#FooError:http://…`, as the protocol ("AWS restJson1", operation errors) says.
fn error_name(written: &str) -> &str {
    let name = written.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default()
}

/// The names of errors that SES documents for sending, and AWS for all.
const NAMES: [&str; 25] = [
    "AccessDeniedException",
    "AccountSuspendedException",
    "BadRequestException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InternalFailure",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "MessageRejected",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "NotFoundException",
    "OptInRequired",
    "RequestExpired",
    "SendingPausedException",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "ThrottlingException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
    "ValidationError",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::platform::json_response;

    fn error(status: u16, name: &str, message: &str) -> SendError {
        let body = object! { "message": message }.write();
        let answer = json_response(status, &body, None);
        judge(&OutboundResponse { error_type: Some(name.to_owned()), ..answer }).unwrap_err()
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        assert_eq!(judge(&json_response(200, r#"{"MessageId":"1"}"#, None)), Ok(()));
        for (status, name, message) in [
            (429, "TooManyRequestsException", "Too many requests"),
            (400, "ThrottlingException", "Rate exceeded"),
            (400, "LimitExceededException", "Maximum sending rate exceeded."),
            (500, "InternalFailure", ""),
            (503, "ServiceUnavailable", ""),
            (502, "", ""),
        ] {
            assert!(matches!(error(status, name, message), SendError::Retry { .. }), "{name}");
        }
        for (status, name, message) in [
            (400, "LimitExceededException", "Daily message quota exceeded."),
            (429, "TooManyRequestsException", "Daily message quota exceeded."),
            (400, "LimitExceededException", ""),
            (400, "MessageRejected", "Message contains a virus"),
            (400, "BadRequestException", "Missing final '@domain'"),
            (400, "ValidationError", ""),
            (418, "", ""),
        ] {
            assert!(matches!(error(status, name, message), SendError::Elsewhere { .. }), "{name}");
        }
        let unverified = "Email address is not verified. The following identities failed the check";
        for (status, name, message) in [
            (400, "MessageRejected", unverified),
            (400, "MailFromDomainNotVerifiedException", ""),
            (400, "AccountSuspendedException", ""),
            (400, "SendingPausedException", ""),
            (404, "NotFoundException", "Configuration set <x> does not exist."),
            (400, "IncompleteSignature", ""),
            (400, "RequestExpired", ""),
            (403, "IncompleteSignatureException", ""),
            (403, "InvalidSignatureException", "Signature expired"),
            (403, "SignatureDoesNotMatch", ""),
            (403, "InvalidClientTokenId", ""),
            (403, "UnrecognizedClientException", ""),
            (403, "MissingAuthenticationTokenException", ""),
            (403, "AccessDeniedException", "User is not authorized"),
            (403, "ExpiredTokenException", ""),
            (403, "OptInRequired", ""),
            (401, "NotAuthorized", ""),
        ] {
            assert!(matches!(error(status, name, message), SendError::Misconfigured { .. }), "{name}");
        }
    }

    #[test]
    fn an_errors_name_is_found_wherever_the_protocol_lets_it_stand() {
        let reason = "status 404, NotFoundException".to_owned();
        let expected = Err(SendError::Misconfigured { reason });
        for written in [
            "NotFoundException",
            "NotFoundException:http://internal.amazon.com/coral/",
            "a.b#NotFoundException",
        ] {
            let answer = json_response(404, "{}", None);
            assert_eq!(judge(&OutboundResponse { error_type: Some(written.to_owned()), ..answer }), expected);
            for member in ["__type", "code"] {
                let body = format!(r#"{{"{member}":"{written}"}}"#);
                assert_eq!(judge(&json_response(404, &body, None)), expected, "{body}");
            }
        }
    }

    #[test]
    fn a_reason_repeats_no_more_than_a_documented_name() {
        assert_eq!(
            error(400, "MessageRejected", "ada@example.com"),
            SendError::Elsewhere { reason: "status 400, MessageRejected".to_owned() }
        );
        assert_eq!(
            error(400, "ada@example.com", ""),
            SendError::Elsewhere { reason: "status 400".to_owned() }
        );
        for name in NAMES {
            assert!(error(400, name, "ada@example.com").reason().ends_with(name));
        }
    }

    #[test]
    fn a_senders_name_beyond_ascii_is_encoded() {
        assert_eq!(sender("codes@example.com"), "codes@example.com");
        assert_eq!(sender("Example <codes@example.com>"), "Example <codes@example.com>");
        assert_eq!(
            sender("\"B\u{e4}cker\" <codes@example.com>"),
            "=?UTF-8?B?QsOkY2tlcg==?= <codes@example.com>"
        );
        let long = sender(&format!("{} <a@example.com>", "\u{e4}".repeat(60)));
        let words: Vec<_> = long.split(' ').collect();
        assert_eq!(words.len(), 4, "{long}");
        assert!(words.iter().all(|word| word.len() <= 75), "{long}");
        assert_eq!(
            words[0],
            format!("=?UTF-8?B?{}?=", Base64::encode_string("\u{e4}".repeat(22).as_bytes()))
        );
    }
}
