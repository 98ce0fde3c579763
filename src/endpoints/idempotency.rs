//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again gets the answer that it
//! got, and nothing is made or sent twice.
//!
//! The first answer is sealed and kept in the row that it announces, or in one of its own where it announces nothing.
//! Only answers of 200 are kept: a request that was refused may be sent again as if it were new.

use sha2::{Digest, Sha256};

use super::Failure;
use crate::app::App;
use crate::http::errors::WireError;
use crate::http::parameters::Parameters;
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{self, Json, object};
use crate::platform::{Platform, StorageError};
use crate::storage::idempotent_answers::{KeptAnswer, NewAnswer};
use crate::storage::places;
use crate::types::{ClientId, TransactionId, UnixSeconds, UserId};

/// An answer is repeated for ten minutes, unless what it announces is gone before.
const REPEATED_SECONDS: i64 = 600;
const MAXIMUM_KEY_BYTES: usize = 255;

/// A client's proof of itself is new in each request, and no part of what is asked.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The header's key, and what is asked under it.
pub struct IdempotentRequest {
    key: String,
    parameters: String,
}

impl IdempotentRequest {
    /// Reads the header, if there is one: a Structured Fields string (RFC 9651, section 3.3.3), or the bare text.
    pub fn decode(request: &Request, parameters: &Parameters<'_>) -> Result<Option<Self>, WireError> {
        let Some(written) = request.headers.idempotency_key.as_deref() else {
            return Ok(None);
        };
        let written = written.trim();
        let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(written);
        let is_readable =
            (1..=MAXIMUM_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        // A quotation mark within would need an escape that nobody's generator of keys writes.
        if !is_readable || key.contains(['"', '\\']) {
            return Err(WireError::InvalidIdempotencyKey);
        }
        Ok(Some(Self { key: key.to_owned(), parameters: parameters.fingerprint(&CREDENTIALS) }))
    }

    /// The same for this user, client, token and endpoint: none of them meets another's key. The token counts since an
    /// answer may hold a secret: who guesses a key must not get it with a token of their own.
    #[must_use]
    pub fn by(
        &self,
        endpoint: &'static str,
        user: &UserId,
        client: &ClientId,
        token: &TransactionId,
    ) -> Once<'_> {
        let mut hash = Sha256::new();
        // No key of the keyring: what one has hashed another would not find again after a rotation.
        for part in [endpoint, user.as_str(), client.as_str(), token.as_str(), &self.key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Once {
            key: base16ct::lower::encode_string(&hash.finalize()),
            parameters: &self.parameters,
            user: user.clone(),
        }
    }
}

/// One request that is to be answered once.
pub struct Once<'a> {
    /// Under which its answer is kept.
    pub key: String,
    parameters: &'a str,
    user: UserId,
}

impl Once<'_> {
    /// The answer as it is kept.
    pub fn keep<P: Platform>(
        &self,
        app: &App<P>,
        answer: &Json<'_>,
        now: UnixSeconds,
    ) -> Result<NewAnswer, Failure> {
        let kept = object! { "parameters": self.parameters, "answer": answer.clone() };
        let place = places::idempotent_answer(&self.key, &self.user);
        Ok(NewAnswer {
            key: self.key.clone(),
            sealed: app.config.keyring.seal(&place, kept.write().as_bytes(), app.platform.random()?)?,
            expires_at: now.plus(REPEATED_SECONDS),
        })
    }

    /// The kept answer once more, if the same was asked.
    pub fn repeat<P: Platform>(&self, app: &App<P>, kept: &KeptAnswer) -> Result<Response, Failure> {
        let place = places::idempotent_answer(&self.key, &self.user);
        let unreadable = || Failure::from(StorageError::Unreadable("sealed", "NoAnswer".to_owned()));
        let opened = app
            .config
            .keyring
            .open(&place, &kept.sealed)
            .map_err(|error| error.of("sealed", &kept.sealed))?;
        let opened = json::parse(&opened).map_err(|_| unreadable())?;
        if opened.text("parameters") != Some(self.parameters) {
            return Err(WireError::IdempotencyKeyReused.into());
        }
        let answer = opened.member("answer").ok_or_else(unreadable)?.clone();
        let answer = if kept.recovery_issued { answer } else { answer.without("recovery_codes") };
        Ok(Response::json(Dialect::Mfa, &answer).with_header("Idempotent-Replayed", "true"))
    }
}

#[cfg(test)]
mod tests;
