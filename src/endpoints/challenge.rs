//! `POST /mfa/challenge`: a code is sent to an active authenticator, or the client is told to ask for the app's.

use std::rc::Rc;

use super::client::Claimed;
use super::message::{CODE_SECONDS, Recipient, compose, message_kind};
use super::{Failure, Fault, bearer};
use crate::app::App;
use crate::delivery;
use crate::http::errors::WireError;
use crate::http::parameters::{Accepted, Parameters, Undecoded};
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{Json, object};
use crate::mfa::challenge::{Asked, Refused, select};
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::platform::Platform;
use crate::storage::challenges::{self, ActiveAuthenticator, Challenged, Login, NewChallenge};
use crate::storage::clients::Client;
use crate::trust::bearer::MfaToken;
use crate::trust::own_tokens::{OobCode, seal_oob_code};
use crate::types::UnixSeconds;

impl From<Refused> for WireError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoAuthenticator => Self::AssociationRequired,
            Refused::UnknownAuthenticator => Self::UnknownAuthenticator,
            Refused::UnsupportedType { otp, oob } => Self::UnsupportedChallengeType { otp, oob },
        }
    }
}

/// Answers the request.
pub async fn handle<P: Platform>(app: &App<P>, request: &Request) -> Response {
    match challenge(app, request).await {
        Ok(answer) => Response::json(Dialect::Mfa, &answer.written()),
        Err(failure) => Response::error(Dialect::Mfa, &failure.into_wire(app, request)),
    }
}

/// The answer.
enum Answer {
    /// The code is the app's.
    Otp,
    /// The code has been sent; it comes back with this oob_code.
    Oob(String),
}

impl Answer {
    fn written(self) -> Json {
        match self {
            Self::Otp => object! { "challenge_type": "otp" },
            Self::Oob(oob_code) => object! {
                "challenge_type": "oob",
                "oob_code": oob_code,
                "binding_method": "prompt",
            },
        }
    }
}

async fn challenge<P: Platform>(app: &App<P>, request: &Request) -> Result<Answer, Failure> {
    let parameters = Undecoded::accept(request, Accepted::JsonOrForm)?.decode()?;
    let token = parameters.required("mfa_token")?;
    let claimed = Claimed::decode(request, &parameters, true)?;
    let client_id = claimed.client_id().ok_or(WireError::MissingParameter("client_id"))?;
    let asked = asked(&parameters)?;

    // Twice, because the client's row may have changed since it was cached, or the authenticator may have gone.
    for _ in 0..2 {
        let client = claimed.authenticate(app, request.received_at, client_id).await?;
        let login = bearer::mfa_token(app, request, token, &client).await?;
        let active = match challenges::open(app, &login.user, &client, &login.transaction).await? {
            Login::Open(active) => active,
            Login::Spent => return Err(WireError::SpentMfaToken.into()),
            Login::ClientChanged => {
                app.isolate.clients.forget(client_id);
                continue;
            }
        };
        let chosen = choose(app, &active, &asked)?;
        if chosen.kind() == Kind::Totp {
            return Ok(Answer::Otp);
        }
        match send(app, request.received_at, &login, &client, &active, &chosen).await? {
            Some(oob_code) => return Ok(Answer::Oob(oob_code)),
            None => app.isolate.clients.forget(client_id),
        }
    }
    Err(WireError::Unavailable.into())
}

fn asked(parameters: &Parameters) -> Result<Asked<'_>, WireError> {
    Ok(Asked::new(parameters.optional("challenge_type")?, parameters.optional("authenticator_id")?))
}

fn choose<P: Platform>(
    app: &App<P>,
    active: &[ActiveAuthenticator],
    asked: &Asked<'_>,
) -> Result<AuthenticatorId, WireError> {
    let ids: Vec<_> = active.iter().map(|authenticator| authenticator.id.clone()).collect();
    let available = delivery::available(&app.config);
    Ok(select(&ids, asked, |kind| available.kind(kind))?)
}

/// Sends a code to `chosen` and returns its oob_code, or `None` when everything is to be looked at again.
async fn send<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    login: &MfaToken,
    client: &Rc<Client>,
    active: &[ActiveAuthenticator],
    chosen: &AuthenticatorId,
) -> Result<Option<String>, Failure> {
    let stored = active
        .iter()
        .find(|own| own.id == *chosen || own.id.twin().as_ref() == Some(chosen))
        .ok_or(Fault::Bug("an authenticator was chosen that is not there"))?;
    let recipient = Recipient {
        channel: chosen.kind(),
        ..Recipient::open(app, &stored.id, &login.user, &stored.sealed)?
    };
    let id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
    let message = compose(app, &recipient, &login.user, &id)?;
    let delivery_id = message.delivery_id.clone();
    let new = NewChallenge {
        id: &id,
        authenticator: &stored.id,
        user: &login.user,
        client,
        transaction: &login.transaction,
        message,
        now,
        expires_at: now.plus(CODE_SECONDS),
    };
    match challenges::add(app, &new).await? {
        Challenged::Added => {}
        Challenged::Spent => return Err(WireError::SpentMfaToken.into()),
        Challenged::NoMessageLeft(refusal) => {
            return Err(WireError::TooManyMessages(message_kind(chosen.kind()), refusal).into());
        }
        Challenged::ClientChanged | Challenged::ResolvedMeanwhile => return Ok(None),
    }
    app.platform.defer(delivery::tell_queue(app, delivery_id));
    let oob_code = OobCode {
        enrollment: id.clone(),
        user: login.user.clone(),
        client: client.id.clone(),
        transaction: Some(login.transaction.clone()),
        expires_at: new.expires_at,
    };
    Ok(Some(seal_oob_code(&app.config.keyring, &oob_code, app.platform.random()?)?))
}
