//! Twilio: text messages by Programmable Messaging (`POST …/Messages.json`), calls by Programmable Voice
//! (`POST …/Calls.json` with TwiML), of the API version 2010-04-01. Errors as Twilio's "Error and Warning Dictionary"
//! sorts them.

use std::fmt;
use std::rc::Rc;

use base64ct::{Base64, Encoding};

use super::{call, post, retry_after};
use crate::app::App;
use crate::delivery::content::{Content, escaped};
use crate::delivery::provider::{Message, Provider, SendError};
use crate::json;
use crate::platform::{OutboundResponse, Platform};
use crate::types::Secret;

/// Where Twilio's API is, unless `TWILIO_URL` names another place.
pub const API: &str = "https://api.twilio.com";

/// Whom Twilio knows, for all of its products.
pub struct Account {
    /// `AC…`.
    pub sid: String,
    /// The user name of Basic authentication: the account or an API key's id.
    pub user: String,
    /// Its password: the auth token or the API key's secret.
    pub password: Secret,
}

impl Account {
    /// The header `Authorization`.
    #[must_use]
    pub fn authorization(&self) -> String {
        let credentials = format!("{}:{}", self.user, self.password.expose());
        format!("Basic {}", Base64::encode_string(credentials.as_bytes()))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Account(…)")
    }
}

/// `TWILIO_…`.
pub struct TwilioSettings {
    /// The API's origin, without a slash at its end.
    pub url: String,
    /// Who sends.
    pub account: Rc<Account>,
    /// The number, or the messaging service (`MG…`), that text messages come from.
    pub from: String,
    /// The number that calls come from.
    pub voice_from: String,
}

impl fmt::Debug for TwilioSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TwilioSettings(…)")
    }
}

impl Provider for TwilioSettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let (resource, body) = match &message.content {
            Content::Text(text) => ("Messages", self.text_form(from, message, text)),
            Content::Speech { language, sentences } => {
                ("Calls", self.call_form(from, message, language, sentences))
            }
            Content::Mail { .. } => {
                return Err(SendError::Elsewhere { reason: "Twilio carries no mail here".to_owned() });
            }
        };
        let request = post(
            format!("{}/2010-04-01/Accounts/{}/{resource}.json", self.url, self.account.sid),
            vec![
                ("authorization", self.account.authorization()),
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ],
            body,
        );
        judge(&call(app, request).await?)
    }
}

impl TwilioSettings {
    fn text_form(&self, from: Option<&str>, message: &Message<'_>, text: &Secret) -> String {
        let from = from.unwrap_or(&self.from);
        let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        form(&[("To", message.to.expose()), (sender, from), ("Body", text.expose())])
    }

    fn call_form(
        &self,
        from: Option<&str>,
        message: &Message<'_>,
        language: &str,
        sentences: &[Secret],
    ) -> String {
        let from = from.unwrap_or(&self.voice_from);
        form(&[("To", message.to.expose()), ("From", from), ("Twiml", twiml(language, sentences).expose())])
    }
}

/// The sentences with a second of silence before each: whoever picks up needs one to listen.
fn twiml(language: &str, sentences: &[Secret]) -> Secret {
    // Twilio's basic voices do not speak Arabic.
    let voice = if language.starts_with("ar") { " voice=\"Google.ar-XA-Standard-A\"" } else { "" };
    let spoken: String = sentences
        .iter()
        .map(|sentence| {
            format!(
                "<Pause length=\"1\"/><Say language=\"{language}\"{voice}>{}</Say>",
                escaped(sentence.expose())
            )
        })
        .collect();
    Secret::new(format!("<Response>{spoken}</Response>"))
}

pub(super) fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// What went wrong, by the number that stands in the body. All have five digits: reasons repeat it, and a code that was
/// sent or a phone number must not come to stand there.
pub(super) fn error_code(response: &OutboundResponse) -> Option<i64> {
    json::parse(&response.body).ok()?.integer("code").filter(|code| (10_000..=99_999).contains(code))
}

/// 201 is success.
fn judge(response: &OutboundResponse) -> Result<(), SendError> {
    let status = response.status;
    if matches!(status, 200..=299) {
        return Ok(());
    }
    let code = error_code(response);
    let reason = match code {
        Some(code) => format!("status {status}, code {code}"),
        None => format!("status {status}"),
    };
    Err(match (status, code) {
        (408 | 425 | 429 | 500..=599, _) | (_, Some(20429)) => {
            SendError::Retry { reason, after: retry_after(response) }
        }
        // Authentication, permissions, suspended accounts.
        (401 | 403, _) | (_, Some(20003 | 20005 | 20008 | 20404)) => SendError::Misconfigured { reason },
        // Senders that are not the account's or cannot do this, trial accounts.
        (
            _,
            Some(
                21210 | 21212 | 21215 | 21219 | 21266 | 21603 | 21606 | 21608 | 21609 | 21659 | 21660 | 21701
                | 21703,
            ),
        ) => SendError::Misconfigured { reason },
        // Numbers that are none or cannot be reached by this channel at all, and people who have opted out.
        (
            _,
            Some(13_223 | 13_224 | 21_211 | 21_214 | 21_216 | 21_217 | 21_265 | 21_610 | 21_614 | 21_635),
        ) => SendError::Permanent { reason },
        // Not from this sender, not into this region (21408), or nothing that is known: another provider may.
        _ => SendError::Elsewhere { reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::platform::json_response;

    fn answer(status: u16, body: &str) -> Result<(), SendError> {
        let answer = json_response(status, body, None);
        judge(&OutboundResponse { retry_after: Some("7".to_owned()), ..answer })
    }

    fn error(status: u16, code: i64) -> SendError {
        answer(
            status,
            &format!(r#"{{"code":{code},"message":"The 'To' number +4915123456789 …","status":{status}}}"#),
        )
        .unwrap_err()
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        assert_eq!(answer(201, r#"{"sid":"SM1","status":"queued"}"#), Ok(()));
        for code in [21211, 21214, 21216, 21217, 21265, 21610, 21614, 21635, 13223, 13224] {
            assert!(matches!(error(400, code), SendError::Permanent { .. }), "{code}");
        }
        for code in
            [21210, 21212, 21215, 21219, 21266, 21603, 21606, 21608, 21609, 21659, 21660, 21701, 21703]
        {
            assert!(matches!(error(400, code), SendError::Misconfigured { .. }), "{code}");
        }
        for (status, code) in [(401, 20003), (403, 20005), (403, 20008), (404, 20404)] {
            assert!(matches!(error(status, code), SendError::Misconfigured { .. }), "{code}");
        }
        for (status, code) in [(429, 20429), (500, 20500), (503, 20503), (429, 63038)] {
            assert!(matches!(error(status, code), SendError::Retry { after: Some(7), .. }), "{code}");
        }
        for code in [21408, 21611, 21612, 30001, 99999] {
            assert!(matches!(error(400, code), SendError::Elsewhere { .. }), "{code}");
        }
        assert!(matches!(answer(400, "<html>"), Err(SendError::Elsewhere { .. })));
        assert!(matches!(answer(302, ""), Err(SendError::Elsewhere { .. })));
    }

    #[test]
    fn a_reason_names_the_code_and_nothing_of_the_message() {
        assert_eq!(error(400, 21211), SendError::Permanent { reason: "status 400, code 21211".to_owned() });
        for number in [0, -1, 123_456, 4_915_123_456_789] {
            assert_eq!(error(400, number).reason(), "status 400");
        }
    }

    #[test]
    fn what_is_spoken_is_text_and_no_markup() {
        let spoken = twiml(
            "en-US",
            &[Secret::new("A & B <Hangup/>: 1, 2.".to_owned()), Secret::new("Again.".to_owned())],
        );
        assert_eq!(
            spoken.expose(),
            "<Response><Pause length=\"1\"/><Say language=\"en-US\">A &amp; B &lt;Hangup/&gt;: 1, 2.</Say>\
             <Pause length=\"1\"/><Say language=\"en-US\">Again.</Say></Response>"
        );
    }
}
