//! `POST /mfa/challenge`: a code is sent to an active authenticator, or the client is told to ask for the app's.

use std::rc::Rc;

use super::client::ClientClaim;
use super::idempotency::{IdempotentRequest, Once};
use super::message::{Asker, Recipient, code_seconds, compose, pass_shield, record_obstacles};
use super::{Failure, Fault, bearer};
use crate::app::App;
use crate::audit::{Act, Event};
use crate::delivery;
use crate::http::errors::WireError;
use crate::http::parameters::{Accepted, Parameters, Undecoded};
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{Json, object};
use crate::mfa::challenge::{ChallengeRequest, Refused, select};
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::sending::Purpose;
use crate::platform::Platform;
use crate::storage::challenges::{self, ActiveAuthenticator, Challenged, LoginState, NewChallenge};
use crate::storage::clients::Client;
use crate::storage::idempotent_answers;
use crate::trust::bearer::MfaToken;
use crate::trust::own_tokens::{OobCode, seal_oob_code};
use crate::types::UserId;

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
        Ok(response) => response,
        Err(failure) => Response::error(Dialect::Mfa, &failure.into_wire(app, request)),
    }
}

/// The code is the app's.
fn otp_answer() -> Json<'static> {
    object! { "challenge_type": "otp" }
}

/// The code has been sent; it comes back with this oob_code.
fn oob_answer(oob_code: String) -> Json<'static> {
    object! { "challenge_type": "oob", "oob_code": oob_code, "binding_method": "prompt" }
}

async fn challenge<P: Platform>(app: &App<P>, request: &Request) -> Result<Response, Failure> {
    let parameters = Undecoded::accept(request, Accepted::JsonOrForm)?.decode()?;
    let token = parameters.required("mfa_token")?;
    let claimed = ClientClaim::decode(request, &parameters, true)?;
    let client_id = claimed.client_id().ok_or(WireError::MissingParameter("client_id"))?;
    let asked = asked(&parameters)?;
    let ui_locales = parameters.optional("ui_locales")?;
    let idempotency = IdempotentRequest::decode(request, &parameters)?;

    // Twice, because the client's row may have changed since it was cached, the authenticator may have gone, or the
    // same request may have been answered meanwhile.
    for _ in 0..2 {
        let client = claimed.authenticate(app, request, client_id).await?;
        let login = bearer::mfa_token(app, request, token, &client).await?;
        let once = idempotency
            .as_ref()
            .map(|asked| asked.by("challenge", &login.user, &client.id, &login.transaction));
        let key = once.as_ref().map(|once| once.key.as_str());
        let now = request.received_at;
        let open = challenges::open(app, &login.user, &client, &login.transaction, key, now).await?;
        let active = match (open, &once) {
            (LoginState::Open(active), _) => active,
            (LoginState::Answered(kept), Some(once)) => return once.repeat(app, &kept),
            (LoginState::Answered(_), None) => {
                return Err(Fault::Bug("an answer was found that nobody asked for").into());
            }
            (LoginState::Spent, _) => return Err(WireError::SpentMfaToken.into()),
            (LoginState::ClientChanged, _) => {
                app.isolate.clients.forget(client_id);
                continue;
            }
        };
        let chosen = choose(app, &client, &login, &active, &asked)?;
        request.involved.factor(chosen.kind().factor());
        let locale = login.identity.locale.as_deref();
        let asker = Asker::of(app, request, Some(&client), !client.is_public(), ui_locales, locale);
        if chosen.kind() != Kind::Totp || once.is_some() {
            pass_shield(app, &asker).await?;
        }
        let answer = if chosen.kind() == Kind::Totp {
            ask(app, request, &login.user, once.as_ref()).await?
        } else {
            send(app, &asker, &login, &client, &active, &chosen, once.as_ref()).await?
        };
        match answer {
            Some(answer) => return Ok(answer),
            None => app.isolate.clients.forget(client_id),
        }
    }
    Err(WireError::Unavailable.into())
}

fn asked<'a>(parameters: &'a Parameters<'_>) -> Result<ChallengeRequest<'a>, WireError> {
    Ok(ChallengeRequest::new(
        parameters.optional("challenge_type")?,
        parameters.optional("authenticator_id")?,
    ))
}

/// An authenticator that may be used through the client and has not been used in this login.
fn choose<P: Platform>(
    app: &App<P>,
    client: &Client,
    login: &MfaToken,
    active: &[ActiveAuthenticator],
    asked: &ChallengeRequest<'_>,
) -> Result<AuthenticatorId, WireError> {
    let is_unused = |own: &&ActiveAuthenticator| {
        !login.used_factors.iter().any(|used| used == own.id.kind().factor_type())
    };
    let (disabled, usable): (Vec<_>, Vec<_>) = active.iter().filter(is_unused).partition(|own| own.disabled);
    let ids: Vec<_> = usable.into_iter().map(|own| own.id.clone()).collect();
    let available = delivery::available_to(&app.config, client);
    Ok(select(&ids, !disabled.is_empty(), asked, |kind| available.kind(kind))?)
}

/// The answer that asks for the app's code, or `None` when the same request has been answered meanwhile.
async fn ask<P: Platform>(
    app: &App<P>,
    request: &Request,
    user: &UserId,
    once: Option<&Once<'_>>,
) -> Result<Option<Response>, Failure> {
    let (answer, now) = (otp_answer(), request.received_at);
    match once {
        Some(once) if !idempotent_answers::keep(app, user, &once.keep(app, &answer, now)?, now).await? => {
            Ok(None)
        }
        _ => {
            Event::of(request, Act::ChallengeAsked).record(app);
            Ok(Some(Response::json(Dialect::Mfa, &answer)))
        }
    }
}

/// Sends a code to `chosen` and returns the answer, or `None` when everything is to be looked at again.
async fn send<P: Platform>(
    app: &App<P>,
    asker: &Asker<'_>,
    login: &MfaToken,
    client: &Rc<Client>,
    active: &[ActiveAuthenticator],
    chosen: &AuthenticatorId,
    once: Option<&Once<'_>>,
) -> Result<Option<Response>, Failure> {
    let now = asker.request.received_at;
    let stored = active
        .iter()
        .find(|own| own.id == *chosen || own.id.twin().as_ref() == Some(chosen))
        .ok_or(Fault::Bug("an authenticator was chosen that is not there"))?;
    let recipient = Recipient {
        channel: chosen.kind(),
        ..Recipient::open(app, &stored.id, &login.user, &stored.sealed)?
    };
    let id = base16ct::lower::encode_string(&app.platform.random::<16>()?);
    let message = compose(app, &recipient, Purpose::Challenge, &login.user, &id, asker)?;
    let delivery_id = message.delivery_id.clone();
    let expires_at = now.plus(code_seconds(app, &recipient));
    let oob_code = OobCode {
        owner: id.clone(),
        user: login.user.clone(),
        client: client.id.clone(),
        transaction: Some(login.transaction.clone()),
        recipient: message.recipient_key().map(str::to_owned),
        expires_at,
    };
    let answer = oob_answer(seal_oob_code(&app.config.keyring, &oob_code, app.platform.random()?)?);
    let new = NewChallenge {
        id: &id,
        authenticator: &stored.id,
        user: &login.user,
        client,
        transaction: &login.transaction,
        message,
        answer: once.map(|once| once.keep(app, &answer, now)).transpose()?,
        now,
        expires_at,
    };
    match challenges::add(app, &new).await? {
        Challenged::Added { recorded } => {
            record_obstacles(app, asker, chosen.kind(), &recorded);
            Event::of(asker.request, Act::ChallengeSent)
                .with("authenticator", chosen.as_str())
                .with("delivery", &delivery_id)
                .record(app);
            app.platform.defer(delivery::tell_queue(app, delivery_id));
            Ok(Some(Response::json(Dialect::Mfa, &answer)))
        }
        Challenged::Answered(kept) => once.map(|once| once.repeat(app, &kept)).transpose(),
        Challenged::Spent => Err(WireError::SpentMfaToken.into()),
        Challenged::Obstructed(obstacles) => match record_obstacles(app, asker, chosen.kind(), &obstacles) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(None),
        },
        Challenged::ClientChanged => Ok(None),
    }
}
