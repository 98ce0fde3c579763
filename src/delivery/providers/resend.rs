//! Resend: `POST /emails`. The delivery's id is its `Idempotency-Key`, so that a mail that was taken and not recorded
//! is not sent again within a day.

use std::fmt;

use super::{call, named_reason, post, retry_after};
use crate::app::App;
use crate::delivery::content::Content;
use crate::delivery::provider::{Message, Provider, SendError};
use crate::json::{self, Json, object};
use crate::platform::{OutboundResponse, Platform};
use crate::types::Secret;

/// Where Resend's API is, unless `RESEND_URL` names another place.
pub const API: &str = "https://api.resend.com";

/// `RESEND_…` and `EMAIL_FROM`.
pub struct ResendSettings {
    /// The API's origin, without a slash at its end.
    pub url: String,
    /// `re_…`.
    pub api_key: Secret,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
}

impl fmt::Debug for ResendSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResendSettings(…)")
    }
}

impl Provider for ResendSettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let Content::Mail { subject, text, html } = &message.content else {
            return Err(SendError::Elsewhere { reason: "Resend carries mail only".to_owned() });
        };
        let body = object! {
            "from": from.unwrap_or(&self.from),
            "to": [message.to.expose()],
            "subject": subject.as_str(),
            "text": text.expose(),
            "html": html.expose(),
        };
        let request = post(
            format!("{}/emails", self.url),
            vec![
                ("authorization", format!("Bearer {}", self.api_key.expose())),
                ("content-type", "application/json".to_owned()),
                ("idempotency-key", message.id.to_owned()),
                // Requests without one are refused.
                ("user-agent", "countersign".to_owned()),
            ],
            body.write(),
        );
        judge(&call(app, request).await?)
    }
}

/// What went wrong is called by the body's `name`.
fn judge(response: &OutboundResponse) -> Result<(), SendError> {
    let status = response.status;
    if matches!(status, 200..=299) {
        return Ok(());
    }
    let body = json::parse(&response.body).ok();
    let name = body.as_ref().and_then(|body| Json::text(body, "name")).unwrap_or_default();
    let reason = named_reason(status, name, &NAMES);
    Err(match (status, name) {
        // Too many a second, or the same request is on its way.
        (_, "rate_limit_exceeded" | "concurrent_idempotent_requests") | (408 | 425 | 500..=599, _) => {
            SendError::Retry { reason, after: retry_after(response) }
        }
        // The day's or month's mails are used up.
        (_, "daily_quota_exceeded" | "monthly_quota_exceeded") | (429, _) => SendError::Elsewhere { reason },
        // Keys, domains, senders.
        (401 | 403, _) | (_, "invalid_from_address" | "missing_required_field" | "not_found") => {
            SendError::Misconfigured { reason }
        }
        // The address.
        (_, "validation_error" | "invalid_parameter") => SendError::Permanent { reason },
        _ => SendError::Elsewhere { reason },
    })
}

/// The names of errors that Resend documents.
const NAMES: [&str; 18] = [
    "application_error",
    "concurrent_idempotent_requests",
    "daily_quota_exceeded",
    "internal_server_error",
    "invalid_api_key",
    "invalid_from_address",
    "invalid_idempotency_key",
    "invalid_idempotent_request",
    "invalid_parameter",
    "method_not_allowed",
    "missing_api_key",
    "missing_required_field",
    "monthly_quota_exceeded",
    "not_found",
    "rate_limit_exceeded",
    "restricted_api_key",
    "security_error",
    "validation_error",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::platform::json_response;

    fn error(status: u16, name: &str) -> SendError {
        let body = format!(r#"{{"statusCode":{status},"name":"{name}","message":"…"}}"#);
        judge(&json_response(status, &body, None)).unwrap_err()
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        for (status, name) in [
            (429, "rate_limit_exceeded"),
            (409, "concurrent_idempotent_requests"),
            (500, "application_error"),
            (500, "internal_server_error"),
        ] {
            assert!(matches!(error(status, name), SendError::Retry { .. }), "{name}");
        }
        for (status, name) in [
            (429, "daily_quota_exceeded"),
            (429, "monthly_quota_exceeded"),
            (451, "security_error"),
            (405, "method_not_allowed"),
            (409, "invalid_idempotent_request"),
            (400, "invalid_idempotency_key"),
        ] {
            assert!(matches!(error(status, name), SendError::Elsewhere { .. }), "{name}");
        }
        for (status, name) in [
            (401, "missing_api_key"),
            (401, "restricted_api_key"),
            (403, "invalid_api_key"),
            (403, "validation_error"),
            (422, "invalid_from_address"),
            (422, "missing_required_field"),
            (404, "not_found"),
        ] {
            assert!(matches!(error(status, name), SendError::Misconfigured { .. }), "{name}");
        }
        for (status, name) in [(400, "validation_error"), (422, "invalid_parameter")] {
            assert!(matches!(error(status, name), SendError::Permanent { .. }), "{name}");
        }
    }

    #[test]
    fn a_reason_repeats_no_more_than_a_documented_name() {
        assert_eq!(
            error(400, "validation_error"),
            SendError::Permanent { reason: "status 400, validation_error".to_owned() }
        );
        assert_eq!(error(418, "ada@example.com"), SendError::Elsewhere { reason: "status 418".to_owned() });
    }
}
