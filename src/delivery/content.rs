//! What a person reads or hears.

use crate::mfa::factor::Kind;
use crate::types::Secret;

/// The content of a message, in the form of its channel.
#[derive(Debug)]
pub enum Content {
    /// A text message.
    Text(Secret),
    /// What is read out on the phone, sentence by sentence; the code's digits stand apart.
    Speech(Vec<Secret>),
    /// An e-mail, as text and as HTML.
    Mail {
        /// The subject, without the code: it shows on locked screens.
        subject: String,
        /// Plain text.
        text: Secret,
        /// The same as HTML.
        html: Secret,
    },
}

/// The words around a code.
#[must_use]
pub fn of_code(channel: Kind, tenant_name: &str, code: &Secret, minutes: i64) -> Content {
    let code = code.expose();
    let text =
        format!("{code} is your code for {tenant_name}. It is good for {minutes} minutes. Never share it.");
    match channel {
        Kind::Sms | Kind::Totp => Content::Text(Secret::new(text)),
        Kind::Voice => {
            let digits: Vec<_> = code.chars().map(|digit| digit.to_string()).collect();
            let spoken = format!("Your code for {tenant_name} is: {}.", digits.join(", "));
            Content::Speech(vec![Secret::new(spoken.clone()), Secret::new(spoken)])
        }
        Kind::Email => Content::Mail {
            subject: format!("Your code for {tenant_name}"),
            html: Secret::new(format!("<p>{}</p>", escaped(&text))),
            text: Secret::new(text),
        },
    }
}

/// The text as it may stand in HTML and XML.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
