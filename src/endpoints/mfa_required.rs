//! The demand of a further factor (`mfa_required`), with the token by which the login goes on.

use super::{Failure, Fault};
use crate::app::App;
use crate::delivery;
use crate::http::errors::WireError;
use crate::json::{Json, object};
use crate::mfa::policy::requirements;
use crate::platform::Platform;
use crate::storage::active_factors::ActiveFactors;
use crate::storage::clients::Client;
use crate::trust::bearer::Identity;
use crate::trust::jwk::Thumbprint;
use crate::trust::own_tokens::{MFA_TOKEN_SECONDS, MfaTokenError, OwnMfaToken, seal_mfa_token};
use crate::types::{TransactionId, UnixSeconds, UserId};

use super::target::Target;

/// A login that is not through yet.
pub struct Login<'a> {
    /// Whose it is.
    pub user: &'a UserId,
    /// Through which client.
    pub client: &'a Client,
    /// What the final token is to be for.
    pub target: &'a Target,
    /// What has been proved so far, as `amr` has it.
    pub factors: Vec<String>,
    /// Second factors among that, as `mfa_requirements` calls them.
    pub used: Vec<String>,
    /// What is known of the person.
    pub identity: &'a Identity,
    /// The key that the request has proved: the login goes on with it alone.
    pub key: Option<&'a Thumbprint>,
    /// When the token that it goes on from was issued and ends, where nothing has been proved since that counts: such a
    /// step makes no login younger.
    pub stale: Option<(UnixSeconds, UnixSeconds)>,
}

/// The demand: a fresh mfa_token, and what the person has or can enroll.
pub fn demand<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    login: Login<'_>,
    active: &ActiveFactors,
) -> Result<WireError, Failure> {
    let (issued_at, expires_at) = login.stale.unwrap_or((now, now.plus(MFA_TOKEN_SECONDS)));
    let transaction = base16ct::lower::encode_string(&app.platform.random::<16>()?);
    let mut token = OwnMfaToken {
        transaction: TransactionId::own(&transaction),
        user: login.user.clone(),
        client: login.client.id.clone(),
        audience: Some(login.target.audience.clone()),
        scopes: Some(login.target.scopes.clone()),
        first_factors: login.factors,
        used_factors: login.used,
        bound_to: login.key.cloned(),
        identity: login.identity.clone(),
        issued_at,
        expires_at,
    };
    let mut sealed = seal_mfa_token(&app.config.keyring, &token, app.platform.random()?);
    if sealed == Err(MfaTokenError::TooLong) {
        // Labels and defaults only: they give way before anybody is locked out.
        token.identity = Identity::default();
        sealed = seal_mfa_token(&app.config.keyring, &token, app.platform.random()?);
    }
    let mfa_token = sealed.map_err(|error| match error {
        // What is long now is the client's: subject and factors are bounded.
        MfaTokenError::TooLong => Failure::from(WireError::TooLong("scope")),
        MfaTokenError::Seal => Fault::Bug("an mfa_token could not be sealed").into(),
    })?;
    let available = delivery::available_to(&app.config, login.client);
    let has_recovery_code = active.has_recovery_code && available.factors.recovery_code;
    let listed = requirements(&active.factors, &token.used_factors, has_recovery_code, &available);
    let types = listed.types.iter().map(|name| object! { "type": *name }).collect();
    let mut requirements = Json::Object(Vec::new());
    requirements.set(listed.name, Json::Array(types));
    Ok(WireError::MfaRequired { mfa_token, requirements, recovery_code: None })
}
