//! Which endpoint a request is for, and by which verbs.

use super::request::Method;

/// An endpoint of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /mfa/associate`.
    Associate,
    /// `POST /mfa/challenge`.
    Challenge,
    /// `GET /mfa/authenticators`.
    Authenticators,
    /// `DELETE /mfa/authenticators/{id}`, with the id as it stands in the path.
    Authenticator(&'a str),
    /// `POST /oauth/token`.
    Token,
    /// `GET /.well-known/jwks.json`.
    KeySet,
    /// `GET /.well-known/openid-configuration`.
    Discovery,
}

impl<'a> Route<'a> {
    /// The endpoint at a path.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        if let Some(id) = path.strip_prefix("/mfa/authenticators/") {
            return (!id.is_empty() && !id.contains('/')).then_some(Self::Authenticator(id));
        }
        match path {
            "/mfa/associate" => Some(Self::Associate),
            "/mfa/challenge" => Some(Self::Challenge),
            "/mfa/authenticators" => Some(Self::Authenticators),
            "/oauth/token" => Some(Self::Token),
            "/.well-known/jwks.json" => Some(Self::KeySet),
            "/.well-known/openid-configuration" => Some(Self::Discovery),
            _ => None,
        }
    }

    /// What logs and metrics call it: no id stands in it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Associate => "/mfa/associate",
            Self::Challenge => "/mfa/challenge",
            Self::Authenticators => "/mfa/authenticators",
            Self::Authenticator(_) => "/mfa/authenticators/{id}",
            Self::Token => "/oauth/token",
            Self::KeySet => "/.well-known/jwks.json",
            Self::Discovery => "/.well-known/openid-configuration",
        }
    }

    /// The verbs that mean something here, as `Allow` lists them.
    #[must_use]
    pub const fn methods(self) -> &'static str {
        match self {
            Self::Associate | Self::Challenge | Self::Token => "POST, OPTIONS",
            Self::Authenticator(_) => "DELETE, OPTIONS",
            Self::Authenticators | Self::KeySet | Self::Discovery => READ_ONLY,
        }
    }

    /// Whether the verb is that of the endpoint. A `HEAD` has been made a `GET`.
    #[must_use]
    pub const fn takes(self, method: Method) -> bool {
        match self {
            Self::Associate | Self::Challenge | Self::Token => matches!(method, Method::Post),
            Self::Authenticator(_) => matches!(method, Method::Delete),
            Self::Authenticators | Self::KeySet | Self::Discovery => matches!(method, Method::Get),
        }
    }

    /// Whether a DPoP proof means anything here.
    #[must_use]
    pub const fn takes_proofs(self) -> bool {
        matches!(self, Self::Associate | Self::Authenticators | Self::Authenticator(_) | Self::Token)
    }
}

/// The verbs of what is read only.
pub const READ_ONLY: &str = "GET, HEAD, OPTIONS";
