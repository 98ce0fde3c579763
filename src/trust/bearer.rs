//! Bearer tokens: whose they are, and what they are good for.
//!
//! ```text
//!               ┌─ csmfa_…  own mfa_token, sealed ─────────────────────────► Mfa
//!  bearer ──────┤                                       ┌─ marked mfa ─────► Mfa     if it may "mfa_token"
//!               └─ JWT ── iss is a trusted issuer's ────┴─ unmarked ───────► Access  if it may "access_token"
//!                      └─ iss is this server's, typ at+jwt ────────────────► Access
//! ```
//!
//! What costs nothing is checked first: nobody's keys are fetched for a token that could not pass with a valid
//! signature.

use super::issuer::TrustedIssuer;
use super::jwk::Thumbprint;
use super::jwt::{CLOCK_SKEW_SECONDS, Claims, JwtError, MAXIMUM_SUBJECT_BYTES, TimeError, UntrustedJwt};
use super::key_sets::{KeySetError, KeySource, Signed, verify_signature};
use super::own_tokens::{MFA_TOKEN_PREFIX, MFA_TOKEN_SECONDS, Unreadable, open_mfa_token};
use crate::algorithm::Algorithm;
use crate::app::App;
use crate::audit::Reason;
use crate::platform::Platform;
use crate::scan;
use crate::types::{ClientId, Scopes, TransactionId, UnixSeconds, UserId};

/// The value of `amr` that proves a second factor (RFC 8176).
pub const MULTIPLE_FACTORS: &str = "mfa";

/// A verified bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Says that a first factor was accepted and a second one is to come.
    Mfa(MfaToken),
    /// Gives access to the MFA API by its scopes.
    Access(AccessToken),
}

impl Bearer {
    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        match self {
            Self::Mfa(token) => &token.user,
            Self::Access(token) => &token.user,
        }
    }

    /// The client that it names.
    #[must_use]
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Mfa(token) => token.client.as_ref(),
            Self::Access(token) => token.client.as_ref(),
        }
    }

    /// What it says of the person.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Mfa(token) => &token.identity,
            Self::Access(token) => &token.identity,
        }
    }

    /// The login that it stands for; an access token stands for none.
    #[must_use]
    pub fn transaction(&self) -> Option<&TransactionId> {
        match self {
            Self::Mfa(token) => Some(&token.transaction),
            Self::Access(_) => None,
        }
    }

    /// The token itself, whichever kind it is: whoever presents it again presents the same.
    #[must_use]
    pub const fn presented(&self) -> &TransactionId {
        match self {
            Self::Mfa(token) => &token.transaction,
            Self::Access(token) => &token.presented,
        }
    }

    /// From when on it is refused for its age alone, which is later than its end by the skew allowed: a note that it
    /// was spent must be kept until then.
    #[must_use]
    pub fn refused_from(&self) -> UnixSeconds {
        match self {
            Self::Mfa(token) => token.refused_from,
            Self::Access(token) => token.refused_from,
        }
    }

    /// The key without which it is not to be accepted. At `/mfa/*` only access tokens are held to it.
    #[must_use]
    pub fn bound_to(&self) -> Option<&Thumbprint> {
        match self {
            Self::Mfa(token) => token.bound_to.as_ref(),
            Self::Access(token) => token.bound_to.as_ref(),
        }
    }

    /// The factors that stand behind an mfa_token, or behind the access token that confirms an enrollment, as `amr` has
    /// them. Never `mfa`.
    #[must_use]
    pub fn first_factors(&self) -> &[String] {
        match self {
            Self::Mfa(token) => &token.first_factors,
            Self::Access(token) => &token.factors,
        }
    }
}

/// What a token says of the person, for labels and defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: bool,
    /// `name`.
    pub name: Option<String>,
    /// `locale`: a BCP 47 tag.
    pub locale: Option<String>,
}

impl Identity {
    /// The e-mail address, if its issuer has verified it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified)
    }

    pub(super) fn of(claims: &Claims) -> Self {
        Self {
            email: claims.email.clone(),
            email_verified: claims.email_verified,
            name: claims.name.clone(),
            locale: claims.locale.clone(),
        }
    }
}

/// A verified mfa_token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaToken {
    /// Whose it is.
    pub user: UserId,
    /// The client that it names.
    pub client: Option<ClientId>,
    /// What it says of the person.
    pub identity: Identity,
    /// The login that it stands for.
    pub transaction: TransactionId,
    /// When it was issued.
    pub issued_at: UnixSeconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
    /// From when on it is refused for its age alone.
    pub refused_from: UnixSeconds,
    /// What the final token is to be for.
    pub audience: Option<String>,
    /// The scopes that the final token is to have.
    pub scopes: Option<Scopes>,
    /// The first factor, as `amr` has it. Never `mfa`: that is what is to come.
    pub first_factors: Vec<String>,
    /// Second factors that the login has used, as `mfa_requirements` calls them: it has been told `mfa_required` since.
    pub used_factors: Vec<String>,
    /// The key that the exchange must be proved by (RFC 9449).
    pub bound_to: Option<Thumbprint>,
}

/// A verified access token for the MFA audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Which token it is, as for an mfa_token its transaction.
    pub presented: TransactionId,
    /// Whose it is.
    pub user: UserId,
    /// The client that it names.
    pub client: Option<ClientId>,
    /// What it says of the person.
    pub identity: Identity,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was issued.
    pub issued_at: UnixSeconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
    /// From when on it is refused for its age alone.
    pub refused_from: UnixSeconds,
    /// What was used for it, as `amr` has it, without `mfa`.
    pub factors: Vec<String>,
    /// Whether a second factor stands behind it.
    pub proof_of_mfa: bool,
    /// The key that each use must be proved by (RFC 9449).
    pub bound_to: Option<Thumbprint>,
}

/// What was wrong with a bearer token, for the log. Clients are told less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BearerError {
    /// It is no JWT that could be read.
    Malformed(JwtError),
    /// It looks like an own mfa_token but does not open.
    Unreadable(Unreadable),
    /// This claim is missing.
    MissingClaim(&'static str),
    /// `iss` is nobody whom the operator trusts.
    UntrustedIssuer,
    /// The issuer may not issue tokens of this kind.
    NotPermitted(BearerKind),
    /// The issuer's tokens may not be exchanged.
    ExchangeNotPermitted,
    /// `typ` or `token_use` say that it is something else, or contradict each other.
    OtherKindOfToken,
    /// The issuer's tokens are not signed with this algorithm.
    AlgorithmNotAllowed(Algorithm),
    /// It is for somebody else.
    OtherAudience,
    /// More than ten minutes lie between `iat` and `exp`.
    LivesTooLong,
    /// An own token whose `sub` is no user of a trusted issuer.
    UnknownUser,
    /// No key of the issuer says that the signature is valid.
    InvalidSignature(KeySetError),
    /// The issuer's keys could not be had; whether the token is good is not known.
    Unavailable(KeySetError),
    /// A true mfa_token whose time is over.
    ExpiredMfaToken,
    /// A subject token that a public client presents must be at most ten minutes old.
    TooOld,
    /// A true token outside its time.
    OutOfTime(TimeError),
    /// A true token that is bound to a key and came without that key's proof, or came under the scheme of bound tokens
    /// and is none.
    OtherBinding,
}

impl BearerError {
    /// As events say it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::Unreadable(Unreadable::Malformed) => "malformed_mfa_token".into(),
            Self::Unreadable(Unreadable::UnknownKey) => "unknown_encryption_key".into(),
            Self::MissingClaim(name) => Reason::about("missing_claim", *name),
            Self::UntrustedIssuer => "untrusted_issuer".into(),
            Self::NotPermitted(BearerKind::Mfa) => Reason::about("not_permitted", "mfa_token"),
            Self::NotPermitted(BearerKind::Access) => Reason::about("not_permitted", "access_token"),
            Self::ExchangeNotPermitted => Reason::about("not_permitted", "exchange"),
            Self::OtherKindOfToken => "other_kind_of_token".into(),
            Self::AlgorithmNotAllowed(algorithm) => {
                Reason::about("algorithm_not_allowed", algorithm.as_str())
            }
            Self::OtherAudience => "other_audience".into(),
            Self::LivesTooLong => "lives_too_long".into(),
            Self::UnknownUser => "unknown_user".into(),
            Self::InvalidSignature(error) | Self::Unavailable(error) => error.reason(),
            Self::ExpiredMfaToken => "expired".into(),
            Self::TooOld => "too_old".into(),
            Self::OutOfTime(error) => error.reason(),
            Self::OtherBinding => "other_binding".into(),
        }
    }
}

/// A kind of bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerKind {
    /// An mfa_token.
    Mfa,
    /// An access token.
    Access,
}

/// How a token is presented in an `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By itself (RFC 6750 section 2.1).
    Bearer,
    /// With the proof of a key (RFC 9449 section 7.1).
    Dpop,
}

/// The token in an `Authorization` header's value. Schemes are case-insensitive (RFC 9110 section 11.1). `None` where
/// there is no single one.
#[must_use]
pub fn presented_token(header: &str) -> Option<(Scheme, &str)> {
    let (scheme, token) = header.trim_matches([' ', '\t']).split_once(' ')?;
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return None,
    };
    let token = token.trim_start_matches(' ');
    // Commas, and whatever is no graphic character of ASCII: bytes from 0x80 on mark themselves.
    let strange = |word| scan::below(word, b'!') | scan::equal(word, b',') | scan::equal(word, 0x7f) | word;
    let is_one = !token.is_empty() && scan::position(token.as_bytes(), strange).is_none();
    is_one.then_some((scheme, token))
}

/// Whose the token is and what it is good for at `now`.
///
/// # Errors
/// See [`BearerError`].
pub async fn verify_bearer<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    token: &str,
) -> Result<Bearer, BearerError> {
    if token.starts_with(MFA_TOKEN_PREFIX) {
        return open_own_mfa_token(app, now, token).map(Bearer::Mfa);
    }
    let jwt = UntrustedJwt::parse(token).map_err(BearerError::Malformed)?;
    let written_by = jwt.claims().issuer.as_deref().ok_or(BearerError::MissingClaim("iss"))?;
    if written_by == app.config.issuer() {
        return verify_own_access_token(app, now, &jwt).await.map(Bearer::Access);
    }
    let issuer = app.config.trusted_issuers.iter().find(|issuer| issuer.issuer == written_by);
    let issuer = issuer.ok_or(BearerError::UntrustedIssuer)?;
    let kind = kind(&jwt)?;
    let permitted = match kind {
        BearerKind::Mfa => issuer.may.mfa_token,
        BearerKind::Access => issuer.may.access_token,
    };
    if !permitted {
        return Err(BearerError::NotPermitted(kind));
    }
    if !issuer.algorithms.contains(&jwt.algorithm()) {
        return Err(BearerError::AlgorithmNotAllowed(jwt.algorithm()));
    }
    let facts = Facts::of(app, jwt.claims())?;
    if facts.subject.len() > MAXIMUM_SUBJECT_BYTES {
        return Err(BearerError::MissingClaim("sub"));
    }
    check_signature(app, now, &KeySource::Issuer(issuer.clone()), &jwt).await?;
    jwt.claims().check_times(now, CLOCK_SKEW_SECONDS).map_err(|error| match error {
        TimeError::Expired if kind == BearerKind::Mfa => BearerError::ExpiredMfaToken,
        other => BearerError::OutOfTime(other),
    })?;
    Ok(match kind {
        BearerKind::Mfa => Bearer::Mfa(mfa_token(issuer, &jwt, &facts)),
        BearerKind::Access => {
            let user = UserId::new(&issuer.name, facts.subject);
            Bearer::Access(access_token(user, &jwt, &facts, facts.refused_from()))
        }
    })
}

/// What a token says it is. An mfa_token is marked by its header or by a claim; the marks of other kinds of token are
/// refused in either place, so that no token is ever taken for another kind (RFC 8725 section 3.11).
fn kind(jwt: &UntrustedJwt<'_>) -> Result<BearerKind, BearerError> {
    let media_type = jwt.media_type();
    match (media_type.as_deref(), jwt.claims().token_use.as_deref()) {
        (Some("mfa+jwt"), None | Some("mfa")) | (None | Some("jwt"), Some("mfa")) => Ok(BearerKind::Mfa),
        (None | Some("jwt" | "at+jwt"), None | Some("access")) => Ok(BearerKind::Access),
        _ => Err(BearerError::OtherKindOfToken),
    }
}

/// Claims that every bearer token has.
struct Facts<'a> {
    subject: &'a str,
    issued_at: UnixSeconds,
    expires_at: UnixSeconds,
}

impl<'a> Facts<'a> {
    fn of<P: Platform>(app: &App<P>, claims: &'a Claims) -> Result<Self, BearerError> {
        let subject = claims.subject.as_deref().ok_or(BearerError::MissingClaim("sub"))?;
        let issued_at = claims.issued_at.ok_or(BearerError::MissingClaim("iat"))?;
        let expires_at = claims.expires_at.ok_or(BearerError::MissingClaim("exp"))?;
        if !claims.audiences.iter().any(|audience| app.config.is_mfa_audience(audience)) {
            return Err(BearerError::OtherAudience);
        }
        // With `exp` in the future this bounds the age as well.
        if expires_at.since(issued_at) > MFA_TOKEN_SECONDS {
            return Err(BearerError::LivesTooLong);
        }
        Ok(Self { subject, issued_at, expires_at })
    }

    /// The first second at which a trusted issuer's token is refused: it is still good in the one that `exp` plus skew
    /// names.
    fn refused_from(&self) -> UnixSeconds {
        self.expires_at.plus(CLOCK_SKEW_SECONDS).plus(1)
    }
}

pub(super) async fn check_signature<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    jwt: &UntrustedJwt<'_>,
) -> Result<(), BearerError> {
    let signed = Signed {
        key_id: jwt.key_id(),
        algorithm: jwt.algorithm(),
        signature: jwt.signature(),
        message: jwt.signing_input().as_bytes(),
    };
    verify_signature(app, now, source, &signed).await.map_err(|error| match error {
        KeySetError::Unavailable { .. } => BearerError::Unavailable(error),
        KeySetError::UnknownKey | KeySetError::UnfitKey | KeySetError::InvalidSignature => {
            BearerError::InvalidSignature(error)
        }
    })
}

fn mfa_token(issuer: &TrustedIssuer, jwt: &UntrustedJwt<'_>, facts: &Facts<'_>) -> MfaToken {
    let claims = jwt.claims();
    MfaToken {
        user: UserId::new(&issuer.name, facts.subject),
        client: claims.client().map(|id| ClientId(id.to_owned())),
        identity: Identity::of(claims),
        transaction: jwt.transaction(),
        issued_at: facts.issued_at,
        expires_at: facts.expires_at,
        refused_from: facts.refused_from(),
        audience: claims.final_audience.clone(),
        scopes: claims.scopes.clone(),
        first_factors: without_mfa(&claims.authentication_methods),
        used_factors: Vec::new(),
        bound_to: claims.confirmation_key.clone(),
    }
}

fn access_token(
    user: UserId,
    jwt: &UntrustedJwt<'_>,
    facts: &Facts<'_>,
    refused_from: UnixSeconds,
) -> AccessToken {
    let claims = jwt.claims();
    AccessToken {
        user,
        presented: jwt.transaction(),
        client: claims.client().map(|id| ClientId(id.to_owned())),
        identity: Identity::of(claims),
        scopes: claims.scopes.clone().unwrap_or_default(),
        issued_at: facts.issued_at,
        expires_at: facts.expires_at,
        refused_from,
        factors: without_mfa(&claims.authentication_methods),
        proof_of_mfa: claims.authentication_methods.iter().any(|method| method == MULTIPLE_FACTORS),
        bound_to: claims.confirmation_key.clone(),
    }
}

/// An access token that this server has signed, by the keys that it publishes.
async fn verify_own_access_token<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    jwt: &UntrustedJwt<'_>,
) -> Result<AccessToken, BearerError> {
    // Own id_tokens are JWTs as well; RFC 9068 section 4 asks for this very mark.
    if jwt.media_type().as_deref() != Some("at+jwt") || jwt.claims().token_use.is_some() {
        return Err(BearerError::OtherKindOfToken);
    }
    if jwt.algorithm() != Algorithm::RS256 {
        return Err(BearerError::AlgorithmNotAllowed(jwt.algorithm()));
    }
    let facts = Facts::of(app, jwt.claims())?;
    let user = UserId::parse(facts.subject).ok_or(BearerError::UnknownUser)?;
    // An issuer that the operator has removed takes its users along.
    app.config.trusted_issuer(user.issuer_name()).ok_or(BearerError::UnknownUser)?;
    let source = KeySource::Registered(app.config.signing_keys.public_jwks());
    check_signature(app, now, &source, jwt).await?;
    jwt.claims().check_times(now, CLOCK_SKEW_SECONDS).map_err(BearerError::OutOfTime)?;
    // One's own `exp` needs no allowance.
    if now >= facts.expires_at {
        return Err(BearerError::OutOfTime(TimeError::Expired));
    }
    Ok(access_token(user, jwt, &facts, facts.expires_at))
}

fn open_own_mfa_token<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    token: &str,
) -> Result<MfaToken, BearerError> {
    let token = open_mfa_token(&app.config.keyring, token).map_err(BearerError::Unreadable)?;
    app.config.trusted_issuer(token.user.issuer_name()).ok_or(BearerError::UnknownUser)?;
    if now >= token.expires_at {
        return Err(BearerError::ExpiredMfaToken);
    }
    Ok(MfaToken {
        user: token.user,
        client: Some(token.client),
        identity: token.identity,
        transaction: token.transaction,
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        refused_from: token.expires_at,
        audience: token.audience,
        scopes: token.scopes,
        first_factors: without_mfa(&token.first_factors),
        used_factors: token.used_factors,
        bound_to: token.bound_to,
    })
}

/// The methods that are worth passing on: not `mfa`, which is derived anew, and no more than fit into an own mfa_token.
pub(super) fn without_mfa(methods: &[String]) -> Vec<String> {
    let short = methods.iter().filter(|method| *method != MULTIPLE_FACTORS && method.len() <= 32);
    short.take(8).cloned().collect()
}

#[cfg(test)]
mod tests;
