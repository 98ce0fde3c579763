//! Subject tokens of token exchange (RFC 8693): what a trusted issuer gave a person, in exchange for own tokens.

use super::bearer::{BearerError, Identity, MULTIPLE_FACTORS, check_signature, without_mfa};
use super::issuer::TrustedIssuer;
use super::jwk::Thumbprint;
use super::jwt::{
    AuthenticationTime, CLOCK_SKEW_SECONDS, Claims, JwtError, MAXIMUM_SUBJECT_BYTES, UntrustedJwt,
};
use super::key_sets::KeySource;
use crate::app::App;
use crate::platform::Platform;
use crate::types::{ClientId, Scopes, UnixSeconds, UserId};

/// A public client proves nothing of itself, so that its subject tokens must be fresh.
const MAXIMUM_AGE_SECONDS: i64 = 600;

/// What the client says that it presents (RFC 8693, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectTokenType {
    /// An OAuth access token that is a JWT.
    AccessToken,
    /// An OpenID Connect id_token.
    IdToken,
    /// A JWT of either use.
    Jwt,
}

impl SubjectTokenType {
    /// Reads `subject_token_type`.
    #[must_use]
    pub fn parse(urn: &str) -> Option<Self> {
        match urn {
            "urn:ietf:params:oauth:token-type:access_token" => Some(Self::AccessToken),
            "urn:ietf:params:oauth:token-type:id_token" => Some(Self::IdToken),
            "urn:ietf:params:oauth:token-type:jwt" => Some(Self::Jwt),
            _ => None,
        }
    }

    /// Whether a token with these marks may be what it is said to be. An mfa_token never is, nor one of another kind.
    fn agrees_with(self, media_type: Option<&str>, token_use: Option<&str>) -> bool {
        let by_header = match media_type {
            None | Some("jwt") => true,
            Some("at+jwt") => self != Self::IdToken,
            Some(_) => false,
        };
        let by_claim = match token_use {
            None => true,
            Some("access") => self != Self::IdToken,
            Some("id") => self != Self::AccessToken,
            Some(_) => false,
        };
        by_header && by_claim
    }
}

/// A verified subject token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectToken {
    /// Whose it is.
    pub user: UserId,
    /// The client that it was given to, as the issuer names it.
    pub client: Option<ClientId>,
    /// What it says of the person.
    pub identity: Identity,
    /// The scopes that it carries, if it carries any: own tokens get no more.
    pub scopes: Option<Scopes>,
    /// How the person was authenticated, without `mfa`.
    pub factors: Vec<String>,
    /// Whether a second factor stands behind it.
    pub proof_of_mfa: bool,
    /// When the person was authenticated, as far as the token says.
    pub authenticated_at: UnixSeconds,
    /// The key that the exchange must be proved by (RFC 9449).
    pub bound_to: Option<Thumbprint>,
}

/// Verifies a subject token at `now`. Those of `public` clients must be fresh.
///
/// # Errors
/// See [`BearerError`].
pub async fn verify_subject_token<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    token: &str,
    token_type: SubjectTokenType,
    public: bool,
) -> Result<SubjectToken, BearerError> {
    let jwt = UntrustedJwt::parse(token).map_err(BearerError::Malformed)?;
    let claims = jwt.claims();
    let written_by = claims.issuer.as_deref().ok_or(BearerError::MissingClaim("iss"))?;
    let issuer = app.config.trusted_issuers.iter().find(|issuer| issuer.issuer == written_by);
    let issuer = issuer.ok_or(BearerError::UntrustedIssuer)?;
    if !issuer.may.exchange {
        return Err(BearerError::ExchangeNotPermitted);
    }
    if !token_type.agrees_with(jwt.media_type().as_deref(), claims.token_use.as_deref()) {
        return Err(BearerError::OtherKindOfToken);
    }
    if !issuer.algorithms.contains(&jwt.algorithm()) {
        return Err(BearerError::AlgorithmNotAllowed(jwt.algorithm()));
    }
    if !is_for(issuer, claims) {
        return Err(BearerError::OtherAudience);
    }
    let subject = claims.subject.as_deref().ok_or(BearerError::MissingClaim("sub"))?;
    if subject.len() > MAXIMUM_SUBJECT_BYTES {
        return Err(BearerError::MissingClaim("sub"));
    }
    claims.expires_at.ok_or(BearerError::MissingClaim("exp"))?;
    let issued_at = claims.issued_at.ok_or(BearerError::MissingClaim("iat"))?;
    let authenticated_at = match claims.authenticated_at {
        AuthenticationTime::At(time) => time,
        AuthenticationTime::Unsaid => issued_at,
        AuthenticationTime::Unreadable => return Err(BearerError::Malformed(JwtError::Claim("auth_time"))),
    };
    check_signature(app, now, &KeySource::Issuer(issuer.clone()), &jwt).await?;
    claims.check_times(now, CLOCK_SKEW_SECONDS).map_err(BearerError::OutOfTime)?;
    if public && now.since(issued_at) > MAXIMUM_AGE_SECONDS.saturating_add(CLOCK_SKEW_SECONDS) {
        return Err(BearerError::TooOld);
    }
    Ok(SubjectToken {
        user: UserId::new(&issuer.name, subject),
        client: claims.client().map(|id| ClientId(id.to_owned())),
        identity: Identity::of(claims),
        scopes: claims.scopes.clone(),
        factors: without_mfa(&claims.authentication_methods),
        proof_of_mfa: claims.authentication_methods.iter().any(|method| method == MULTIPLE_FACTORS),
        authenticated_at,
        bound_to: claims.confirmation_key.clone(),
    })
}

/// Whether the token was given to somebody whom the operator has named. Access tokens of some issuers have no `aud` and
/// say by `client_id` whose they are.
fn is_for(issuer: &TrustedIssuer, claims: &Claims) -> bool {
    let named = |audience: &str| issuer.audiences.iter().any(|own| own == audience);
    if claims.audiences.is_empty() {
        claims.client_id.as_deref().is_some_and(named)
    } else {
        claims.audiences.iter().any(|audience| named(audience))
    }
}

#[cfg(test)]
mod tests;
