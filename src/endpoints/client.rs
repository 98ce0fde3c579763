//! Which client speaks, and whether it is that client: the part that endpoints share.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{Failure, Fault};
use crate::app::App;
use crate::audit::Reason;
use crate::http::errors::WireError;
use crate::http::parameters::Parameters;
use crate::http::request::Request;
use crate::platform::{Platform, Statement};
use crate::storage::clients::{self, Client};
use crate::storage::statements;
use crate::trust::client_authentication::{
    self, BasicCredentials, ClientAuthenticationError, Credentials, basic_credentials,
};
use crate::trust::key_sets::KeySetError;
use crate::types::{ClientId, GrantType, Secret, UserId};

/// The only assertion type there is (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request says about its client.
pub struct ClientClaim {
    credentials: Credentials,
    /// Whether there is an assertion of a type that nobody knows: it proves nothing.
    is_other_assertion: bool,
    /// An assertion is taken out of circulation once, however often the client's row is read.
    consumed: std::cell::Cell<bool>,
}

impl ClientClaim {
    /// Reads the client's id and credentials. `basic` says whether the `Authorization` header is the client's; at
    /// `/mfa/*` it is the user's.
    pub fn decode(request: &Request, parameters: &Parameters<'_>, basic: bool) -> Result<Self, WireError> {
        let basic = if basic { by_basic(request) } else { None };
        let assertion = parameters.optional("client_assertion")?;
        let assertion_type = parameters.optional("client_assertion_type")?;
        match (assertion, assertion_type) {
            (Some(_), None) => return Err(WireError::MissingParameter("client_assertion_type")),
            (None, Some(_)) => return Err(WireError::MissingParameter("client_assertion")),
            _ => {}
        }
        let client_id = parameters.optional("client_id")?.map(|id| ClientId(id.to_owned()));
        Ok(Self {
            credentials: Credentials {
                client_id,
                secret: parameters.optional("client_secret")?.map(|secret| Secret::new(secret.to_owned())),
                basic,
                assertion: assertion.map(str::to_owned),
            },
            is_other_assertion: assertion_type.is_some_and(|kind| kind != JWT_BEARER),
            consumed: std::cell::Cell::new(false),
        })
    }

    /// The id, from the body or the Basic header.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.credentials.client_id.as_ref().or(self.credentials.basic.as_ref().map(|basic| &basic.client_id))
    }

    /// Whether the body carries credentials, of whatever client.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.credentials.secret.is_some() || self.credentials.assertion.is_some()
    }

    /// Finds the client and checks its credentials. A row that was cached may be older than the secret: before
    /// anybody is refused, it is read again.
    pub async fn authenticate<P: Platform>(
        &self,
        app: &App<P>,
        request: &Request,
        id: &ClientId,
    ) -> Result<Rc<Client>, Failure> {
        let now = request.received_at;
        let unauthorized = |reason: Reason| {
            request.involved.reason(reason);
            WireError::Unauthorized { challenge: self.credentials.basic.is_some() }
        };
        let unknown = || unauthorized("unknown_client".into());
        if self.is_other_assertion {
            return Err(unauthorized("other_assertion_type".into()).into());
        }
        let refused = |error| match error {
            // Nobody knows whether it is that client.
            ClientAuthenticationError::Key(KeySetError::Unavailable { retry_after }) => {
                Failure::from(Fault::Keys { of: "client_keys", retry_after })
            }
            error => unauthorized(error.reason()).into(),
        };
        let client = registered(app, request, id).await?.ok_or_else(unknown)?;
        let credentials = &self.credentials;
        let (client, assertion) = match client_authentication::authenticate(app, now, &client, credentials)
            .await
        {
            Ok(assertion) => (client, assertion),
            Err(error) => {
                app.isolate.clients.forget(id);
                let reread = clients::find(app, now, id).await?;
                let reread =
                    reread.filter(|reread| reread.version != client.version).ok_or_else(|| refused(error))?;
                let assertion = client_authentication::authenticate(app, now, &reread, credentials)
                    .await
                    .map_err(refused)?;
                (reread, assertion)
            }
        };
        if let Some(assertion) = assertion
            && !self.consumed.replace(true)
        {
            // No key: what one key has hashed another would not find again after a rotation.
            let jti = Sha256::digest(assertion.jti.as_bytes());
            let jti = base16ct::lower::encode_string(&jti);
            let statement = Statement {
                sql: statements::CONSUME_ASSERTION,
                parameters: vec![id.as_str().into(), jti.into(), assertion.expires_at.into()],
            };
            let results = app.platform.batch(vec![statement]).await?;
            if results.first().is_none_or(Vec::is_empty) {
                return Err(unauthorized("used_before".into()).into());
            }
        }
        Ok(client)
    }
}

/// The registered client of this id.
pub async fn registered<P: Platform>(
    app: &App<P>,
    request: &Request,
    id: &ClientId,
) -> Result<Option<Rc<Client>>, Failure> {
    let client = clients::find(app, request.received_at, id).await?;
    match &client {
        Some(client) => request.involved.client(&client.id),
        None => request.involved.reason("unknown_client"),
    }
    Ok(client)
}

/// The registration must allow the grant.
pub fn require_grant(client: &Client, grant: GrantType) -> Result<(), WireError> {
    if client.may_use(grant) { Ok(()) } else { Err(WireError::UnauthorizedClient(grant)) }
}

/// The registration must let tokens of the user's issuer name the client. A refusal is told as wrong credentials are.
pub fn require_issuer(request: &Request, client: &Client, user: &UserId) -> Result<(), WireError> {
    if client.accepts_issuer(user.issuer_name()) {
        Ok(())
    } else {
        request.involved.reason("other_issuer");
        Err(WireError::Unauthorized { challenge: by_basic(request).is_some() })
    }
}

/// The client's credentials in the `Authorization` header. A user's token there is none.
fn by_basic(request: &Request) -> Option<BasicCredentials> {
    request.headers.authorization.as_deref().and_then(basic_credentials)
}
