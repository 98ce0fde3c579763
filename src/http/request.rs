//! A request as the endpoints see it.

use crate::audit::Involved;
use crate::mfa::sending::Origin;
use crate::types::UnixSeconds;

/// One HTTP request.
#[derive(Debug)]
pub struct Request {
    /// Random, in every answer and log line.
    pub id: String,
    /// When it came in; all of its decisions are made at this instant.
    pub received_at: UnixSeconds,
    /// The verb.
    pub method: Method,
    /// The host it was sent to, with the port if the URL has one.
    pub host: String,
    /// The path, as sent (percent-encoding untouched).
    pub path: String,
    /// What follows `?`, or nothing.
    pub query: String,
    /// Where it came from.
    pub origin: Origin,
    /// The country it came from, as the network's edge has it: two letters of ISO 3166-1.
    pub country: Option<String>,
    /// The headers that anything here reads.
    pub headers: Headers,
    /// The body.
    pub body: Body,
    /// Whom it turns out to be about, for the events that tell of it.
    pub involved: Involved,
}

/// The verbs that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET, and HEAD: the runtime drops the body of the answer.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// OPTIONS: a CORS preflight.
    Options,
    /// Anything else.
    Other,
}

impl Method {
    /// The verb itself; that of [`Method::Get`] is `GET`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "",
        }
    }
}

/// Request headers: those that anything here reads. `src/workers/entry.js` picks the same ones; a new one goes into both.
#[derive(Debug, Default)]
pub struct Headers {
    /// `Authorization`.
    pub authorization: Option<String>,
    /// `DPoP`; several are one, joined by commas.
    pub dpop: Option<String>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// `auth0-forwarded-for`: the person's address, from a back end that is authenticated.
    pub forwarded_for: Option<String>,
    /// `Accept-Language`.
    pub accept_language: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Origin`.
    pub origin: Option<String>,
}

/// What the client sent after the headers.
#[derive(Debug)]
pub enum Body {
    /// The bytes, possibly none.
    Bytes(Vec<u8>),
    /// More than 64 KB: `src/workers/entry.js`, which reads it, has the number.
    TooLarge,
    /// The connection broke before the end.
    Unreadable,
}

impl Request {
    /// The media type without parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.headers.content_type.as_deref()?;
        let media_type = value.split_once(';').map_or(value, |(media_type, _)| media_type);
        Some(media_type.trim().to_ascii_lowercase())
    }
}
