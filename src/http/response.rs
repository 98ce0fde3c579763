//! An answer as the endpoints give it.

use std::borrow::Cow;

use super::errors::WireError;
use crate::json::{Json, object};

/// One HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: String,
    /// The `error` member, if it is an error.
    pub error: Option<&'static str>,
}

/// Which of the two recorded content types an answer has: they differ between the API's halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/mfa/*`: `application/json; charset=utf-8`.
    Mfa,
    /// `/oauth/token`, and everything else outside `/mfa/*`: `application/json`, and `Pragma: no-cache` (RFC 6749, section 5.1).
    OAuth,
}

/// Most answers have no more headers.
const USUAL_HEADERS: usize = 8;

impl Dialect {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Mfa => "application/json; charset=utf-8",
            Self::OAuth => "application/json",
        }
    }
}

impl Response {
    /// An answer with these parts and no further headers.
    #[must_use]
    pub fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Self { body, ..Self::empty(status) }.with_header("Content-Type", content_type)
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::with_capacity(USUAL_HEADERS), body: String::new(), error: None }
    }

    /// 200 with `value` as its body.
    #[must_use]
    pub fn json(dialect: Dialect, value: &Json<'_>) -> Self {
        Self::new(200, dialect.content_type(), value.write()).in_dialect(dialect)
    }

    /// The answer that `error` stands for.
    #[must_use]
    pub fn error(dialect: Dialect, error: &WireError) -> Self {
        let mut body = object! {
            "error": error.code(),
            "error_description": error.description(),
        };
        for (name, value) in error.members() {
            body.set(name, value);
        }
        let mut response = Self::new(error.status(), dialect.content_type(), body.write());
        response.headers.extend(error.headers());
        response.error = Some(error.code());
        response.in_dialect(dialect)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Lets clients and caches keep it for five minutes: key set and discovery.
    #[must_use]
    pub fn cacheable(self) -> Self {
        self.with_header("Cache-Control", "public, max-age=300")
    }

    /// Whether a header of this name is set.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    fn in_dialect(self, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Mfa => self,
            Dialect::OAuth => self.with_header("Pragma", "no-cache"),
        }
    }
}
