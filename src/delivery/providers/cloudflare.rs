//! Cloudflare Email Service: the binding's `send()` with a structured message. Errors by the codes that its "Workers API"
//! documents. It knows no idempotency, so that a mail that was taken and not recorded may come twice.

use super::{TIMEOUT_MILLISECONDS, mailbox};
use crate::app::App;
use crate::delivery::content::Content;
use crate::delivery::provider::{Message, Provider, SendError};
use crate::platform::{MailError, OutboundMail, Platform};

/// `CLOUDFLARE_EMAIL` and `EMAIL_FROM`.
#[derive(Debug)]
pub struct CloudflareSettings {
    /// The sender: an address, or `Name <address>`, of a domain that Email Service may send for.
    pub from: String,
}

impl Provider for CloudflareSettings {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let Content::Mail { subject, text, html } = &message.content else {
            return Err(SendError::Elsewhere { reason: "Email Service carries mail only".to_owned() });
        };
        let (name, address) = mailbox(from.unwrap_or(&self.from));
        let mail = OutboundMail {
            from_name: name.map(str::to_owned),
            from: address.to_owned(),
            to: message.to.expose().to_owned(),
            subject: subject.clone(),
            text: text.expose().to_owned(),
            html: html.expose().to_owned(),
            timeout_milliseconds: TIMEOUT_MILLISECONDS,
        };
        app.platform.send_mail(mail).await.map_err(judge)
    }
}

fn judge(error: MailError) -> SendError {
    let code = match error {
        MailError::Timeout => {
            return SendError::Retry { reason: "no answer in time".to_owned(), after: None };
        }
        MailError::Broken => return SendError::Retry { reason: "no answer".to_owned(), after: None },
        MailError::Missing => {
            return SendError::Misconfigured { reason: "there is no binding EMAIL".to_owned() };
        }
        MailError::Refused(code) => code,
    };
    // Only codes that are known are repeated: an error may say anything.
    let Some(code) = CODES.into_iter().find(|own| *own == code) else {
        return SendError::Elsewhere { reason: "an unknown error".to_owned() };
    };
    let reason = code.to_owned();
    match code {
        "E_INTERNAL_SERVER_ERROR" | "E_RATE_LIMIT_EXCEEDED" => SendError::Retry { reason, after: None },
        // Domains and senders, and recipients that the binding or the account's plan does not allow.
        "E_RECIPIENT_NOT_ALLOWED" | "E_SENDER_DOMAIN_NOT_AVAILABLE" | "E_SENDER_NOT_VERIFIED" => {
            SendError::Misconfigured { reason }
        }
        // The day's mails are used up, the account's own list has the address (E_RECIPIENT_SUPPRESSED), its server would
        // not take it from here, or something of the message's form, which others may see otherwise.
        _ => SendError::Elsewhere { reason },
    }
}

/// The codes that Email Service documents.
const CODES: [&str; 19] = [
    "E_CONTENT_TOO_LARGE",
    "E_DAILY_LIMIT_EXCEEDED",
    "E_DELIVERY_FAILED",
    "E_FIELD_MISSING",
    "E_HEADERS_TOO_LARGE",
    "E_HEADERS_TOO_MANY",
    "E_HEADER_NAME_INVALID",
    "E_HEADER_NOT_ALLOWED",
    "E_HEADER_USE_API_FIELD",
    "E_HEADER_VALUE_INVALID",
    "E_HEADER_VALUE_TOO_LONG",
    "E_INTERNAL_SERVER_ERROR",
    "E_RATE_LIMIT_EXCEEDED",
    "E_RECIPIENT_NOT_ALLOWED",
    "E_RECIPIENT_SUPPRESSED",
    "E_SENDER_DOMAIN_NOT_AVAILABLE",
    "E_SENDER_NOT_VERIFIED",
    "E_TOO_MANY_RECIPIENTS",
    "E_VALIDATION_ERROR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        for code in CODES {
            let sorted = judge(MailError::Refused(code.to_owned()));
            assert_eq!(sorted.reason(), code);
            let expected = match code {
                "E_INTERNAL_SERVER_ERROR" | "E_RATE_LIMIT_EXCEEDED" => {
                    matches!(sorted, SendError::Retry { after: None, .. })
                }
                "E_RECIPIENT_NOT_ALLOWED" | "E_SENDER_DOMAIN_NOT_AVAILABLE" | "E_SENDER_NOT_VERIFIED" => {
                    matches!(sorted, SendError::Misconfigured { .. })
                }
                _ => matches!(sorted, SendError::Elsewhere { .. }),
            };
            assert!(expected, "{sorted:?}");
        }
        for error in [MailError::Timeout, MailError::Broken] {
            assert!(matches!(judge(error), SendError::Retry { .. }));
        }
        assert!(matches!(judge(MailError::Missing), SendError::Misconfigured { .. }));
    }

    #[test]
    fn a_reason_repeats_no_more_than_a_documented_code() {
        let refused = MailError::Refused("ada@example.com".to_owned());
        assert_eq!(judge(refused), SendError::Elsewhere { reason: "an unknown error".to_owned() });
    }
}
