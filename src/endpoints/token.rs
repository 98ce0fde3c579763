//! `POST /oauth/token`: tokens, in exchange for a code ([`mfa_grants`]) or for another issuer's token
//! ([`token_exchange`]).

mod mfa_grants;

use std::rc::Rc;

use self::mfa_grants::{Exchange, Grant};
use super::client::{ClientClaim, require_grant};
use super::message::Asker;
use super::target::{Target, Wish};
use super::{Failure, bearer, proof, token_exchange};
use crate::app::App;
use crate::audit::{Act, Event};
use crate::http::errors::WireError;
use crate::http::parameters::{Accepted, Parameters, Undecoded};
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{Json, object};
use crate::platform::Platform;
use crate::storage::clients::Client;
use crate::storage::guesses::{self, Attempt};
use crate::trust::bearer::Bearer;
use crate::trust::own_tokens;
use crate::types::{GrantType, Scopes, UnixSeconds};

/// Answers the request.
pub async fn handle<P: Platform>(app: &App<P>, request: &Request) -> Response {
    match exchange(app, request).await {
        Ok(answer) => Response::json(Dialect::OAuth, &answer.written()),
        Err(failure) => Response::error(Dialect::OAuth, &failure.into_wire(app, request)),
    }
}

/// A token response (RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3).
#[derive(Default)]
pub(super) struct Answer {
    access_token: String,
    id_token: Option<String>,
    expires_in: i64,
    scope: String,
    /// The next recovery code; the one that was sent is dead.
    recovery_code: Option<String>,
    /// What a token exchange has issued (RFC 8693, section 2.2.1).
    issued_token_type: Option<&'static str>,
    /// Whether the access token is bound to a key.
    bound: bool,
}

impl Answer {
    /// Signs what `grant` describes: an access token, and an id_token where `openid` was asked for.
    ///
    /// The MFA API is open to who has no second factor yet, whatever the policy demands elsewhere. That must log nobody into an
    /// application, as an id_token would: without a second factor there is none for it.
    pub(super) async fn sign<P: Platform>(
        app: &App<P>,
        now: UnixSeconds,
        grant: &own_tokens::TokenGrant<'_>,
    ) -> Result<Self, Failure> {
        let without_openid;
        let grant = if app.config.is_mfa_audience(grant.audience) && !grant.proves_mfa() {
            without_openid = without_id_token(grant.scopes);
            &own_tokens::TokenGrant { scopes: &without_openid, ..grant.clone() }
        } else {
            grant
        };
        let access_token = own_tokens::mint_access_token(app, now, grant).await?;
        let id_token = if grant.scopes.contains("openid") {
            Some(own_tokens::mint_id_token(app, now, grant).await?.token)
        } else {
            None
        };
        Ok(Self {
            access_token: access_token.token,
            id_token,
            expires_in: access_token.expires_in,
            scope: grant.scopes.to_string(),
            bound: grant.bound_to.is_some(),
            ..Self::default()
        })
    }

    /// Tells that these tokens are about to be handed out, for `target`.
    pub(super) fn record<P: Platform>(&self, app: &App<P>, request: &Request, target: &Target) {
        Event::of(request, Act::TokensIssued)
            .with("audience", &target.audience)
            .with("bound", self.bound)
            .record(app);
    }

    /// The same, saying what a token exchange has issued.
    pub(super) fn of_exchange(self, issued_token_type: &'static str) -> Self {
        Self { issued_token_type: Some(issued_token_type), ..self }
    }

    fn written(self) -> Json<'static> {
        object! {
            "access_token": self.access_token,
            "id_token": self.id_token,
            "token_type": if self.bound { "DPoP" } else { "Bearer" },
            "expires_in": self.expires_in,
            "scope": Some(self.scope).filter(|scope| !scope.is_empty()),
            "recovery_code": self.recovery_code,
            "issued_token_type": self.issued_token_type,
        }
        .without_nulls()
    }
}

async fn exchange<P: Platform>(app: &App<P>, request: &Request) -> Result<Answer, Failure> {
    let parameters = Undecoded::accept(request, Accepted::JsonOrForm)?.decode()?;
    let grant_type = parameters.required("grant_type")?;
    let claimed = ClientClaim::decode(request, &parameters, true)?;
    let client_id = claimed.client_id().ok_or(WireError::MissingParameter("client_id"))?;

    let grant_type = GrantType::parse(grant_type);
    if let Some(grant_type) = grant_type {
        request.involved.grant(grant_type);
    }
    if grant_type == Some(GrantType::TokenExchange) {
        return token_exchange::exchange(app, request, &parameters, &claimed).await;
    }

    let proved = proof::at_token_endpoint(app, request).await?;
    // Twice, because the client's row may have changed since it was cached.
    for _ in 0..2 {
        let client = claimed.authenticate(app, request, client_id).await?;
        let grant_type = grant_type.ok_or(WireError::UnsupportedGrantType)?;
        require_grant(&client, grant_type)?;
        let grant = Grant::decode(grant_type, &parameters)?;
        let bearer = login(app, request, parameters.required("mfa_token")?, &client).await?;
        proof::require_key(request, bearer.bound_to(), proved.as_ref())?;
        let target = target(app, &parameters, &bearer, &client)?;
        let id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
        let locale = bearer.identity().locale.as_deref();
        let asker = Asker::of(app, request, Some(&client), !client.is_public(), None, locale);
        let address = guesses::address_key(&app.config.keyring, &asker.origin);
        let attempt = Attempt {
            id: &id,
            user: bearer.user(),
            client: &client,
            transaction: bearer.transaction(),
            address: address.as_deref(),
            recipient: None,
            now: request.received_at,
        };
        let exchange =
            Exchange { app, attempt, bearer: &bearer, target: &target, key: proved.as_ref(), asker: &asker };
        match exchange.run(&grant).await? {
            Some(answer) => return Ok(answer),
            None => app.isolate.clients.forget(client_id),
        }
    }
    Err(WireError::Unavailable.into())
}

/// The login that the code completes: an mfa_token, or an access token with scope `enroll`, which may only confirm.
async fn login<P: Platform>(
    app: &App<P>,
    request: &Request,
    token: &str,
    client: &Rc<Client>,
) -> Result<Bearer, Failure> {
    let bearer = bearer::in_body(app, request, token, client).await?;
    bearer::require_scope(&bearer, "enroll")?;
    Ok(bearer)
}

/// More than any client has registered.
const MAXIMUM_SCOPE_BYTES: usize = 1024;

/// The body's `scope`.
pub(super) fn scope<'a>(parameters: &'a Parameters<'_>) -> Result<Option<&'a str>, WireError> {
    match parameters.optional("scope")? {
        Some(scope) if scope.len() > MAXIMUM_SCOPE_BYTES => Err(WireError::TooLong("scope")),
        scope => Ok(scope),
    }
}

fn target<P: Platform>(
    app: &App<P>,
    parameters: &Parameters<'_>,
    bearer: &Bearer,
    client: &Client,
) -> Result<Target, WireError> {
    let (audience, scopes) = (parameters.optional("audience")?, scope(parameters)?);
    match bearer {
        Bearer::Mfa(token) => {
            let wish = Wish {
                login_audience: token.audience.as_deref(),
                login_scopes: token.scopes.as_ref(),
                audience,
                scopes,
            };
            Target::resolve(&app.config, client, &wish)
        }
        // Confirming gives back what the token was: nothing is widened by it.
        Bearer::Access(token) => {
            Ok(Target { audience: app.config.mfa_audience(), scopes: without_id_token(&token.scopes) })
        }
    }
}

/// The scopes, without the one that asks for an id_token.
fn without_id_token(scopes: &Scopes) -> Scopes {
    scopes.filtered(|scope| scope != "openid")
}

#[cfg(test)]
mod tests;
