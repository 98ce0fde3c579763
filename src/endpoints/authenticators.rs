//! `GET /mfa/authenticators` and `DELETE /mfa/authenticators/{id}`: what a person has, and taking one of it away.

use std::rc::Rc;

use super::client::{registered, require_issuer};
use super::message::{Asker, Recipient};
use super::notice::Concerned;
use super::{Failure, bearer};
use crate::app::App;
use crate::audit::{Act, Event};
use crate::delivery;
use crate::http::errors::WireError;
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{Json, object};
use crate::mfa::email_address::EmailAddress;
use crate::mfa::enrollment::Standing;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::notice::Notice;
use crate::mfa::phone_number::PhoneNumber;
use crate::platform::{Platform, StorageError};
use crate::storage::authenticators::{self, Content, Entry, Listed, Removed};
use crate::storage::clients::Client;
use crate::trust::bearer::Bearer;
use crate::types::UserId;

/// Answers a request for the list.
pub async fn list<P: Platform>(app: &App<P>, request: &Request) -> Response {
    match items(app, request).await {
        Ok(items) => Response::json(Dialect::Mfa, &items.into()),
        Err(failure) => Response::error(Dialect::Mfa, &failure.into_wire(app, request)),
    }
}

/// Answers a request to remove the authenticator whose id stands in the path as `encoded`.
pub async fn remove<P: Platform>(app: &App<P>, request: &Request, encoded: &str) -> Response {
    match take_away(app, request, encoded).await {
        Ok(()) => Response::empty(204),
        Err(failure) => Response::error(Dialect::Mfa, &failure.into_wire(app, request)),
    }
}

async fn items<P: Platform>(app: &App<P>, request: &Request) -> Result<Vec<Json<'static>>, Failure> {
    let bearer = bearer::authenticate(app, request).await?;
    // Twice, because the client's row may have changed since it was cached.
    for _ in 0..2 {
        let client = client(app, request, &bearer).await?;
        bearer::require_scope(&bearer, "read:authenticators")?;
        let (user, transaction) = (bearer.user(), bearer.transaction());
        match authenticators::list(app, user, client.as_deref(), transaction, request.received_at).await? {
            Listed::Entries(entries) => {
                let mut items = Vec::new();
                for entry in &entries {
                    items.extend(shown(app, user, entry)?);
                }
                return Ok(items);
            }
            Listed::Spent => return Err(WireError::InvalidBearer.into()),
            Listed::ClientChanged => forget(app, &bearer),
        }
    }
    Err(WireError::Unavailable.into())
}

/// The items that an entry is shown as. A phone number is one for each of its channels that is available.
fn shown<P: Platform>(
    app: &App<P>,
    user: &UserId,
    entry: &Entry,
) -> Result<Vec<Json<'static>>, StorageError> {
    let Content::Authenticator { id, sealed } = &entry.content else {
        return Ok(vec![object! {
            "id": entry.id.clone(),
            "authenticator_type": "recovery-code",
            "active": entry.active,
            "type": "recovery-code",
        }]);
    };
    let name = name(app, user, id, sealed)?;
    let item = |id: &AuthenticatorId| {
        object! {
            "id": id.as_str().to_owned(),
            "authenticator_type": id.kind().authenticator_type(),
            "active": entry.active,
            // SDKs drop items without it as soon as they filter.
            "type": id.kind().factor_type(),
            "oob_channel": id.kind().oob_channel(),
            "name": name.clone(),
        }
        .without_nulls()
    };
    let available = delivery::available(&app.config);
    let twin = id.twin().filter(|twin| available.kind(twin.kind()));
    // Where neither is, it is shown as it was enrolled, so that it can be removed.
    let is_shown = twin.is_none() || available.kind(id.kind());
    Ok(is_shown.then_some(id).into_iter().chain(twin.as_ref()).map(item).collect())
}

/// The masked number or address, by which a person knows which of theirs it is.
fn name<P: Platform>(
    app: &App<P>,
    user: &UserId,
    id: &AuthenticatorId,
    sealed: &str,
) -> Result<Option<String>, StorageError> {
    if id.kind() == Kind::Totp {
        return Ok(None);
    }
    let recipient = Recipient::open(app, id, user, sealed)?;
    let address = recipient.address.expose();
    let masked = match id.kind() {
        Kind::Email => EmailAddress::parse(address).map(|address| address.masked()).ok(),
        _ => PhoneNumber::parse(address).map(|number| number.masked()).ok(),
    };
    masked.map(Some).ok_or_else(|| StorageError::Unreadable("sealed", "NoAddress".to_owned()))
}

async fn take_away<P: Platform>(app: &App<P>, request: &Request, encoded: &str) -> Result<(), Failure> {
    let bearer = bearer::authenticate(app, request).await?;
    // An mfa_token has to finish MFA first.
    let Bearer::Access(token) = &bearer else {
        return Err(WireError::InvalidBearer.into());
    };
    for _ in 0..2 {
        let client = client(app, request, &bearer).await?;
        bearer::require_scope(&bearer, "remove:authenticators")?;
        let id = authenticator_id(encoded)?;
        request.involved.factor(id.kind().factor());
        request.involved.authenticator(id.as_str());
        let standing =
            Standing { proof_of_mfa: token.proof_of_mfa, issued_at: token.issued_at, used_factors: None };
        let asker = Asker::of(app, request, client.as_deref(), false, None, token.identity.locale.as_deref());
        let concerned = Concerned { user: &token.user, identity: &token.identity, asker: &asker };
        let notice = concerned.compose(app, Notice::AuthenticatorRemoved(id.kind()), None)?;
        let (user, client) = (&token.user, client.as_deref());
        let now = request.received_at;
        match authenticators::remove(app, user, client, &id, standing, notice.as_ref(), now).await? {
            Removed::Gone { announced } => {
                Event::of(request, Act::AuthenticatorRemoved).record(app);
                app.platform.defer(delivery::tell_queue_of_all(app, announced));
                return Ok(());
            }
            Removed::NotFound => return Err(WireError::NoSuchAuthenticator.into()),
            Removed::ProofMissing => return Err(WireError::ProofRequired.into()),
            Removed::ClientChanged => forget(app, &bearer),
        }
    }
    Err(WireError::Unavailable.into())
}

/// The id that stands in the path. Of an id only the bar is ever escaped.
fn authenticator_id(encoded: &str) -> Result<AuthenticatorId, WireError> {
    let id = encoded.replace("%7C", "|").replace("%7c", "|");
    if id.starts_with("recovery-code|") {
        return Err(WireError::RecoveryCodeStays);
    }
    AuthenticatorId::parse(&id).ok_or(WireError::NoSuchAuthenticator)
}

/// Drops the outdated row of the client that the token names.
fn forget<P: Platform>(app: &App<P>, bearer: &Bearer) {
    if let Some(id) = bearer.client() {
        app.isolate.clients.forget(id);
    }
}

/// The client that the token names must be registered and open to the token's issuer.
async fn client<P: Platform>(
    app: &App<P>,
    request: &Request,
    bearer: &Bearer,
) -> Result<Option<Rc<Client>>, Failure> {
    let Some(id) = bearer.client() else {
        return Ok(None);
    };
    let client = registered(app, request, id).await?;
    let client = client.ok_or(WireError::Unauthorized { challenge: false })?;
    require_issuer(request, &client, bearer.user())?;
    Ok(Some(client))
}
