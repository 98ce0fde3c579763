//! Which client speaks, and whether it is that client: the part that endpoints share.

use std::rc::Rc;

use super::Failure;
use crate::app::App;
use crate::http::errors::WireError;
use crate::http::parameters::Parameters;
use crate::http::request::Request;
use crate::platform::{Platform, Statement};
use crate::storage::clients::{self, Client};
use crate::storage::{places, statements};
use crate::trust::client_authentication::{self, Credentials, basic_credentials};
use crate::types::{ClientId, Secret, UnixSeconds};

/// The only assertion type there is (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request says about its client.
pub struct Claimed {
    credentials: Credentials,
    /// An assertion is taken out of circulation once, however often the client's row is read.
    consumed: std::cell::Cell<bool>,
}

impl Claimed {
    /// Reads the client's id and credentials. `basic` says whether the `Authorization` header is the client's; at
    /// `/mfa/*` it is the user's.
    pub fn decode(request: &Request, parameters: &Parameters, basic: bool) -> Result<Self, WireError> {
        let header = request.headers.authorization.as_deref().filter(|_| basic);
        let assertion = parameters.optional("client_assertion")?;
        let assertion_type = parameters.optional("client_assertion_type")?;
        match (assertion, assertion_type) {
            (Some(_), None) => return Err(WireError::MissingParameter("client_assertion_type")),
            (None, Some(_)) => return Err(WireError::MissingParameter("client_assertion")),
            (Some(_), Some(kind)) if kind != JWT_BEARER => {
                return Err(WireError::Unauthorized { challenge: false });
            }
            _ => {}
        }
        let basic = header.and_then(basic_credentials);
        let client_id = parameters.optional("client_id")?.map(|id| ClientId(id.to_owned()));
        Ok(Self {
            credentials: Credentials {
                client_id,
                secret: parameters.optional("client_secret")?.map(|secret| Secret::new(secret.to_owned())),
                basic,
                assertion: assertion.map(str::to_owned),
            },
            consumed: std::cell::Cell::new(false),
        })
    }

    /// The id, from the body or the Basic header.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.credentials.client_id.as_ref().or(self.credentials.basic.as_ref().map(|basic| &basic.client_id))
    }

    /// Finds the client and checks its credentials.
    pub async fn authenticate<P: Platform>(
        &self,
        app: &App<P>,
        now: UnixSeconds,
        id: &ClientId,
    ) -> Result<Rc<Client>, Failure> {
        let unauthorized = WireError::Unauthorized { challenge: self.credentials.basic.is_some() };
        let Some(client) = clients::find(app, now, id).await? else {
            return Err(unauthorized.into());
        };
        let assertion = client_authentication::authenticate(app, now, &client, &self.credentials)
            .await
            .map_err(|_| unauthorized.clone())?;
        if let Some(assertion) = assertion
            && !self.consumed.replace(true)
        {
            let jti = app.config.keyring.hash(places::ASSERTION, &[id.as_str(), assertion.jti.as_str()]);
            let statement = Statement {
                sql: statements::CONSUME_ASSERTION,
                parameters: vec![id.as_str().into(), jti.into(), assertion.expires_at.into()],
            };
            let results = app.platform.batch(vec![statement]).await?;
            if results.first().is_none_or(Vec::is_empty) {
                return Err(unauthorized.into());
            }
        }
        Ok(client)
    }
}
