//! The token exchange grant of `POST /oauth/token` (RFC 8693): a trusted issuer's token in exchange for own ones, or
//! for the demand of a second factor.

use super::client::{ClientClaim, require_grant, require_issuer};
use super::mfa_required::{Login, demand};
use super::target::{Target, Wish};
use super::token::{Answer, scope};
use super::{Failure, bearer, proof};
use crate::app::App;
use crate::http::errors::WireError;
use crate::http::parameters::Parameters;
use crate::http::request::Request;
use crate::mfa::policy::TokenRequest;
use crate::platform::Platform;
use crate::storage::active_factors;
use crate::storage::clients::Client;
use crate::trust::bearer::{BearerError, MULTIPLE_FACTORS};
use crate::trust::jwk::Thumbprint;
use crate::trust::own_tokens;
use crate::trust::subject_token::{SubjectToken, SubjectTokenType, verify_subject_token};
use crate::types::GrantType;

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Exchanges the subject token.
pub(super) async fn exchange<P: Platform>(
    app: &App<P>,
    request: &Request,
    parameters: &Parameters<'_>,
    claimed: &ClientClaim,
) -> Result<Answer, Failure> {
    let client_id = claimed.client_id().ok_or(WireError::MissingParameter("client_id"))?;
    let subject_token = parameters.required("subject_token")?;
    let token_type = parameters.required("subject_token_type")?;
    let token_type = SubjectTokenType::parse(token_type).ok_or(WireError::UnsupportedTokenType)?;
    if parameters.optional("actor_token")?.is_some() {
        return Err(WireError::ActorToken.into());
    }
    if parameters.optional("requested_token_type")?.is_some_and(|wanted| wanted != ACCESS_TOKEN_TYPE) {
        return Err(WireError::UnsupportedTokenType.into());
    }
    let proved = proof::at_token_endpoint(app, request).await?;
    // Twice, because the client's row may have changed since it was cached.
    for _ in 0..2 {
        let client = claimed.authenticate(app, request, client_id).await?;
        require_grant(&client, GrantType::TokenExchange)?;
        let subject = subject(app, request, subject_token, token_type, &client).await?;
        // A bound token is its holder's alone, also where it is exchanged.
        if subject.bound_to.is_some() && subject.bound_to != proved {
            let error = BearerError::OtherBinding;
            return Err(bearer::refused(request, error, WireError::InvalidSubjectToken));
        }
        let wish = Wish {
            login_scopes: subject.scopes.as_ref(),
            audience: parameters.optional("audience")?,
            scopes: scope(parameters)?,
            ..Wish::default()
        };
        let target = Target::resolve(&app.config, &client, &wish)?;
        let Some(active) = active_factors::read(app, &subject.user, &client).await? else {
            app.isolate.clients.forget(client_id);
            continue;
        };
        let for_mfa_api = app.config.is_mfa_audience(&target.audience);
        let asked = TokenRequest {
            audience: &target.audience,
            scopes: &target.scopes,
            for_mfa_api,
            acr_values: parameters.optional("acr_values")?,
            enrolled: active.is_enrolled(),
            // Somebody else's MFA lets into an API, but proves nothing about the factors that are kept here.
            proven: subject.proof_of_mfa && !for_mfa_api,
        };
        if client.policy(&app.config.policy).demanded(&asked) > 0 {
            let login = Login {
                user: &subject.user,
                client: &client,
                target: &target,
                factors: subject.factors.clone(),
                used: Vec::new(),
                identity: &subject.identity,
                key: proved.as_ref(),
                stale: None,
            };
            return Err(demand(app, request.received_at, login, &active)?.into());
        }
        return issue(app, request, &client, &subject, &target, asked.proven, proved.as_ref()).await;
    }
    Err(WireError::Unavailable.into())
}

async fn subject<P: Platform>(
    app: &App<P>,
    request: &Request,
    token: &str,
    token_type: SubjectTokenType,
    client: &Client,
) -> Result<SubjectToken, Failure> {
    let verified =
        verify_subject_token(app, request.received_at, token, token_type, client.is_public()).await;
    let subject =
        verified.map_err(|error| bearer::refused(request, error, WireError::InvalidSubjectToken))?;
    request.involved.user(&subject.user);
    // A back end may exchange what its front end was given. Who proves nothing may exchange its own tokens only.
    if client.is_public() && subject.client.as_ref().is_some_and(|own| *own != client.id) {
        return Err(WireError::OtherClient.into());
    }
    require_issuer(request, client, &subject.user)?;
    Ok(subject)
}

async fn issue<P: Platform>(
    app: &App<P>,
    request: &Request,
    client: &Client,
    subject: &SubjectToken,
    target: &Target,
    proven: bool,
    key: Option<&Thumbprint>,
) -> Result<Answer, Failure> {
    let mut methods = subject.factors.clone();
    if proven {
        methods.push(MULTIPLE_FACTORS.to_owned());
    }
    let grant = own_tokens::TokenGrant {
        user: &subject.user,
        client: &client.id,
        audience: &target.audience,
        scopes: &target.scopes,
        authentication_methods: &methods,
        authenticated_at: subject.authenticated_at,
        identity: &subject.identity,
        not_after: None,
        bound_to: key,
    };
    let answer = Answer::sign(app, request.received_at, &grant).await?;
    answer.record(app, request, target);
    Ok(answer.of_exchange(ACCESS_TOKEN_TYPE))
}

#[cfg(test)]
mod tests;
