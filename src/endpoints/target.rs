//! What a token will be for: asked for ∩ registered for the client ∩ what the token of the login carries.

use crate::config::Config;
use crate::http::errors::WireError;
use crate::storage::clients::Client;
use crate::types::Scopes;

/// Scopes that OpenID Connect defines and no API has to register. `offline_access` is not among them: there are no
/// refresh tokens.
const OPENID_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Where an access token may be used, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The `aud` of the access token.
    pub audience: String,
    /// Its `scope`.
    pub scopes: Scopes,
}

/// What was asked for, each part at the login and again at the exchange.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// The mfa_token's audience.
    pub login_audience: Option<&'a str>,
    /// The mfa_token's scopes.
    pub login_scopes: Option<&'a Scopes>,
    /// The body's `audience`.
    pub audience: Option<&'a str>,
    /// The body's `scope`.
    pub scopes: Option<&'a str>,
}

impl Target {
    /// Resolves a wish. The body may narrow what the login was for, never widen or change it.
    pub fn resolve(config: &Config, client: &Client, wish: &Wish<'_>) -> Result<Self, WireError> {
        let same = |one: &str, other: &str| {
            one == other || (config.is_mfa_audience(one) && config.is_mfa_audience(other))
        };
        if let (Some(login), Some(asked)) = (wish.login_audience, wish.audience)
            && !same(login, asked)
        {
            return Err(WireError::InvalidTarget);
        }
        let registered = match wish.login_audience.or(wish.audience) {
            Some(audience) => client.audiences.iter().find(|registered| same(&registered.audience, audience)),
            None => client.audiences.first(),
        }
        .ok_or(WireError::InvalidTarget)?;

        let asked = wish.scopes.map(Scopes::parse);
        let base = wish.login_scopes.cloned().or_else(|| asked.clone()).unwrap_or_default();
        let scopes = base.filtered(|scope| {
            asked.as_ref().is_none_or(|asked| asked.contains(scope))
                && scope != "offline_access"
                && (OPENID_SCOPES.contains(&scope) || registered.scopes.contains(scope))
        });
        let audience = if config.is_mfa_audience(&registered.audience) {
            config.mfa_audience()
        } else {
            registered.audience.clone()
        };
        Ok(Self { audience, scopes })
    }
}

#[cfg(test)]
mod tests;
