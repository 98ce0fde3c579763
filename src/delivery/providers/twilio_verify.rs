//! Twilio Verify, version 2: `POST /v2/Services/{service}/Verifications` with a code of our own (`CustomCode`), by text
//! message or call. Verify finds the words and the sender, and watches over fraud; what is typed in is checked here, as
//! for every other provider. Errors as Verify's "Error codes" and Twilio's "Error and Warning Dictionary" describe them.

use std::fmt;
use std::rc::Rc;

use super::twilio::{Account, error_code, form};
use super::{call, post, retry_after};
use crate::app::App;
use crate::delivery::provider::{Message, Provider, SendError};
use crate::json;
use crate::mfa::factor::Kind;
use crate::platform::{OutboundRequest, OutboundResponse, Platform};

/// Where Verify's API is, unless `TWILIO_VERIFY_URL` names another place.
pub const API: &str = "https://verify.twilio.com";

/// `TWILIO_VERIFY_…` and the account.
pub struct TwilioVerifySettings {
    /// The API's origin, without a slash at its end.
    pub url: String,
    /// Whose service it is.
    pub account: Rc<Account>,
    /// `VA…`. "Enable Custom Verification Code" is switched on in its settings.
    pub service: String,
}

impl fmt::Debug for TwilioVerifySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TwilioVerifySettings(…)")
    }
}

impl Provider for TwilioVerifySettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        _from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let channel = match message.channel {
            Kind::Sms => "sms",
            Kind::Voice => "call",
            Kind::Email | Kind::Totp => {
                return Err(SendError::Elsewhere { reason: "Verify carries no mail here".to_owned() });
            }
        };
        let Some(code) = &message.code else {
            return Err(SendError::Elsewhere { reason: "Verify carries codes only".to_owned() });
        };
        let fields = [
            ("To", message.to.expose()),
            ("Channel", channel),
            ("CustomCode", code.expose()),
            ("Locale", message.language),
        ];
        let mut response = call(app, self.request(&fields)).await?;
        // A channel may lack the language. Verify then asks to be left to choose one ("Verify supported languages").
        if response.status == 404
            && let [fields @ .., _locale] = &fields
        {
            response = call(app, self.request(fields)).await?;
        }
        judge(&response)
    }
}

impl TwilioVerifySettings {
    fn request(&self, fields: &[(&str, &str)]) -> OutboundRequest {
        post(
            format!("{}/v2/Services/{}/Verifications", self.url, self.service),
            vec![
                ("authorization", self.account.authorization()),
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ],
            form(fields),
        )
    }
}

/// 201 means that the code is on its way. What went wrong stands in the body's `code`.
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
        // A number that is none, or that text messages do not reach.
        (_, Some(21_211 | 21_614 | 60_006 | 60_205)) => SendError::Permanent { reason },
        (_, Some(60_200)) => match invalid_parameter(response).as_deref() {
            Some("To") => SendError::Permanent { reason },
            // The account has no access to it.
            Some("Channel") => SendError::Misconfigured { reason },
            _ => SendError::Elsewhere { reason },
        },
        // Five codes in ten minutes without one that was reported as typed in (60203), too many wrong ones (60202),
        // fraud (60410, 60412), regions (21408, 60220, 60605), or Twilio's own decision (60238).
        (_, Some(21_408 | 60_202 | 60_203 | 60_220 | 60_238 | 60_410 | 60_412 | 60_605)) => {
            SendError::Elsewhere { reason }
        }
        // Codes of our own or the channel are not switched on, the service wants what is not sent (PSD2), its template
        // is not approved or not for the channel, or the account is on trial.
        (
            _,
            Some(
                20_003 | 20_005 | 20_008 | 20_404 | 21_608 | 60_201 | 60_204 | 60_206 | 60_214 | 60_217
                | 60_223 | 60_227 | 60_428,
            ),
        ) => SendError::Misconfigured { reason },
        (_, Some(20_429 | 60_207 | 60_212)) | (408 | 425 | 429 | 500..=599, _) => {
            SendError::Retry { reason, after: retry_after(response) }
        }
        (401 | 403 | 404, _) => SendError::Misconfigured { reason },
        _ => SendError::Elsewhere { reason },
    })
}

/// Which one it is: "Invalid parameter: To", as error 60200 is documented, or in backquotes with its value.
fn invalid_parameter(response: &OutboundResponse) -> Option<String> {
    let body = json::parse(&response.body).ok()?;
    let rest = body.text("message")?.strip_prefix("Invalid parameter")?;
    let name = rest.trim_start_matches([':', ' ', '`']);
    Some(name.chars().take_while(char::is_ascii_alphanumeric).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::platform::json_response;

    fn error(status: u16, code: i64, message: &str) -> SendError {
        let body = format!(r#"{{"code":{code},"message":"{message}","status":{status}}}"#);
        let answer = json_response(status, &body, None);
        judge(&OutboundResponse { retry_after: Some("7".to_owned()), ..answer }).unwrap_err()
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        assert_eq!(judge(&json_response(201, r#"{"sid":"VE1","status":"pending"}"#, None)), Ok(()));
        for (status, code) in [(403, 60205), (400, 60006), (400, 21211), (400, 21614)] {
            assert!(matches!(error(status, code, "…"), SendError::Permanent { .. }), "{code}");
        }
        for (status, code) in [
            (429, 60203),
            (429, 60202),
            (400, 60220),
            (403, 60238),
            (403, 60410),
            (403, 60412),
            (403, 60605),
            (400, 21408),
            (400, 99999),
        ] {
            assert!(matches!(error(status, code, "…"), SendError::Elsewhere { .. }), "{code}");
        }
        for (status, code) in [
            (401, 20003),
            (403, 20005),
            (403, 20008),
            (404, 20404),
            (400, 21608),
            (400, 60201),
            (403, 60204),
            (400, 60206),
            (400, 60214),
            (400, 60217),
            (400, 60223),
            (400, 60227),
            (400, 60428),
            (403, 99999),
        ] {
            assert!(matches!(error(status, code, "…"), SendError::Misconfigured { .. }), "{code}");
        }
        for (status, code) in
            [(429, 20429), (429, 60207), (429, 60212), (429, 99999), (500, 20500), (503, 20503)]
        {
            assert!(matches!(error(status, code, "…"), SendError::Retry { after: Some(7), .. }), "{code}");
        }
        assert!(matches!(judge(&json_response(400, "<html>", None)), Err(SendError::Elsewhere { .. })));
        assert!(matches!(judge(&json_response(302, "", None)), Err(SendError::Elsewhere { .. })));
    }

    #[test]
    fn which_parameter_is_invalid_decides_whose_fault_it_is() {
        for message in ["Invalid parameter: To", "Invalid parameter `To`: +4915123456789"] {
            assert_eq!(
                error(400, 60200, message),
                SendError::Permanent { reason: "status 400, code 60200".to_owned() }
            );
        }
        assert!(matches!(error(400, 60200, "Invalid parameter: Channel"), SendError::Misconfigured { .. }));
        for message in ["Invalid parameter: CustomCode", "Invalid parameter: Tokyo", "", "To"] {
            assert!(matches!(error(400, 60200, message), SendError::Elsewhere { .. }), "{message}");
        }
    }
}
