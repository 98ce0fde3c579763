//! The targets, by where their bytes come from.

mod answers;
mod bodies;
mod requests;
mod settings;
mod texts;
mod tokens;

use std::cell::Cell;

use super::Target;
use crate::algorithm::Algorithm;
use crate::testing::TestKey;
use crate::testing::keys::key_set;
use crate::testing::person::Service;

/// All of them.
pub(in crate::testing) const TARGETS: &[Target] = &[
    // What a body or header may hold.
    Target { name: "json", check: bodies::json },
    Target { name: "json-parameters", check: bodies::json_parameters },
    Target { name: "form-parameters", check: bodies::form_parameters },
    Target { name: "phone-number", check: texts::phone_number },
    Target { name: "email-address", check: texts::email_address },
    Target { name: "languages", check: texts::languages },
    Target { name: "recovery-code", check: texts::recovery_code },
    Target { name: "binding-code", check: texts::binding_code },
    Target { name: "idempotency-key", check: texts::idempotency_key },
    Target { name: "identifiers", check: texts::identifiers },
    Target { name: "http-url", check: texts::http_url },
    // Tokens and keys.
    Target { name: "authorization-header", check: tokens::authorization_header },
    Target { name: "jwt-compact-form", check: tokens::jwt_compact_form },
    Target { name: "jwt", check: tokens::jwt },
    Target { name: "dpop-proof", check: tokens::dpop_proof },
    Target { name: "client-assertion", check: tokens::client_assertion },
    Target { name: "own-token", check: tokens::own_token },
    Target { name: "own-token-content", check: tokens::own_token_content },
    Target { name: "key-set", check: tokens::key_set },
    // What other services answer.
    Target { name: "issuer-answers", check: answers::issuer },
    Target { name: "provider-answers", check: answers::providers },
    // What operators write.
    Target { name: "template", check: settings::template },
    Target { name: "text-message", check: settings::text_message },
    Target { name: "variables", check: settings::variables },
    Target { name: "client-row", check: settings::client_row },
    // All of it, through the front door.
    Target { name: "request", check: requests::request },
];

/// The input as text, as far as it is any.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// The first `N` lines and all that follows them. What is missing is empty.
fn lines<const N: usize>(input: &[u8]) -> ([&[u8]; N], &[u8]) {
    let mut rest = input;
    let lines = std::array::from_fn(|_| {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        line
    });
    (lines, rest)
}

/// Lends `use_it` a service that was set up not long ago: making one takes milliseconds, and what many requests leave
/// behind would slow the next one down. After a panic there is a new one.
fn with_service<T>(use_it: impl FnOnce(&Service) -> T) -> T {
    const USES: usize = 64;
    thread_local! {
        static LENT: Cell<Option<(Service, usize)>> = const { Cell::new(None) };
    }
    let (service, uses) = LENT.take().filter(|(_, uses)| *uses < USES).unwrap_or_else(|| (settled(), 0));
    let result = use_it(&service);
    LENT.set(Some((service, uses + 1)));
    result
}

/// Makes what is made once, such as RSA keys, before the time of anything is taken.
pub(super) fn warm_up() {
    with_service(|service| drop(service.person("alice").logs_in()));
}

/// A service with a client that signs assertions, all providers, and a secret that is none.
fn settled() -> Service {
    let service = Service::configured(
        &Service::variables()
            .with("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef")
            .with("TWILIO_AUTH_TOKEN", "token")
            .with("TWILIO_FROM", "+15550100123")
            .with("TWILIO_VERIFY_SERVICE_SID", "VA0123456789abcdef0123456789abcdef")
            .with("RESEND_API_KEY", "re_123")
            .with("SES_REGION", "eu-central-1")
            .with("SES_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .with("SES_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
            .with("EMAIL_FROM", "codes@example.com"),
    );
    service.adds_client("signer", "private_key_jwt", "");
    service.world.query(
        "UPDATE clients SET jwks = ?1, secret_hash = NULL WHERE id = 'signer'",
        &[key_set(&[&client_key()]).into()],
    );
    service
}

/// The key of the client `signer`, and of proofs.
fn client_key() -> TestKey {
    TestKey::new(Algorithm::ES256, 1, "c1")
}
