//! `POST /mfa/associate`: a person adds an authenticator.
//!
//! Checks, in this order: content type 415, bearer 401, body 400, client 401, scope 403, enrolled 403, quota 429.
//! The last two are guards of the statement that adds the row, so that nothing can change in between. In front of them a
//! flood of messages from one address is turned away, which must not reach the database.

use std::rc::Rc;

use super::bearer::{authenticate, require_scope};
use super::client::{ClientClaim, registered, require_issuer};
use super::idempotency::IdempotentRequest;
use super::message::{Asker, Recipient, code_seconds, compose, pass_shield, record_obstacles};
use super::{Failure, Fault};
use crate::app::App;
use crate::audit::{Act, Event};
use crate::delivery;
use crate::http::errors::WireError;
use crate::http::parameters::{Accepted, Parameters, Undecoded};
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::{Json, object};
use crate::mfa::barcode;
use crate::mfa::enrollment::{EnrollmentRequest, Refused, Rejection, Standing, Wanted, choose};
use crate::mfa::factor::{AuthenticatorId, Kind, RecoveryCodeId};
use crate::mfa::one_time_password::TotpSecret;
use crate::mfa::recovery_code::RecoveryCode;
use crate::mfa::sending::Purpose;
use crate::platform::Platform;
use crate::storage::clients::Client;
use crate::storage::enrollments::{self, Enrolled, NewEnrollment};
use crate::storage::messages::NewMessage;
use crate::storage::places;
use crate::trust::bearer::Bearer;
use crate::trust::own_tokens::{OobCode, seal_oob_code};
use crate::types::{ClientId, UnixSeconds, UserId};

impl From<Rejection> for WireError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::UnknownType => Self::UnknownAuthenticatorType,
            Rejection::UnknownChannel => Self::UnknownOobChannel,
            Rejection::ChannelsMissing => Self::MissingParameter("oob_channels"),
            Rejection::NotEnabled(what) => Self::NotEnabled(what),
            Rejection::PhoneNumberMissing => Self::MissingParameter("phone_number"),
            Rejection::PhoneNumberInvalid => Self::InvalidPhoneNumber,
            Rejection::RegionNotEnabled => Self::RegionNotEnabled,
            Rejection::EmailMissing => Self::MissingParameter("email"),
            Rejection::EmailInvalid => Self::InvalidEmailAddress,
        }
    }
}

/// Answers the request.
pub async fn handle<P: Platform>(app: &App<P>, request: &Request) -> Response {
    match associate(app, request).await {
        Ok(response) => response,
        Err(failure) => Response::error(Dialect::Mfa, &failure.into_wire(app, request)),
    }
}

/// The answer. Absent members are left out: clients choose the class of the answer by what is there.
#[derive(Default)]
struct Answer {
    id: String,
    authenticator_type: &'static str,
    secret: Option<String>,
    manual_input_code: Option<String>,
    barcode_uri: Option<String>,
    qr_svg: Option<String>,
    oob_channel: Option<&'static str>,
    oob_code: Option<String>,
    binding_method: Option<&'static str>,
    recovery_code: Option<String>,
}

impl Answer {
    fn of(id: &AuthenticatorId) -> Self {
        Self {
            id: id.as_str().to_owned(),
            authenticator_type: id.kind().authenticator_type(),
            ..Self::default()
        }
    }

    fn written(self) -> Json<'static> {
        object! {
            "id": self.id,
            "authenticator_type": self.authenticator_type,
            "secret": self.secret,
            // Android's SDK reads the secret under this name alone.
            "manual_input_code": self.manual_input_code,
            "barcode_uri": self.barcode_uri,
            "qr_svg": self.qr_svg,
            // SDKs read the singular, the reference documents the plural: the same string in both.
            "oob_channel": self.oob_channel,
            "oob_channels": self.oob_channel,
            "oob_code": self.oob_code,
            "binding_method": self.binding_method,
            "recovery_codes": self.recovery_code.map(|code| vec![Json::from(code)]),
        }
        .without_nulls()
    }
}

async fn associate<P: Platform>(app: &App<P>, request: &Request) -> Result<Response, Failure> {
    let body = Undecoded::accept(request, Accepted::Json)?;
    let bearer = authenticate(app, request).await?;
    let parameters = body.decode()?;
    let order = Order::decode(app, request, &parameters, &bearer)?;

    // Twice, because the client's row may have changed since it was cached, or what stood in the way may have gone.
    for _ in 0..2 {
        let client = order.client(app, request, &bearer).await?;
        require_scope(&bearer, "enroll")?;
        let available = delivery::available_to(&app.config, &client);
        let wanted = choose(&order.asked, &available).map_err(WireError::from)?;
        request.involved.factor(wanted.kind().factor());
        match enroll(app, request, &order, wanted, &bearer, &client).await? {
            Attempted::Answered(response) => return Ok(response),
            Attempted::Refused(Refused::ClientChanged) => app.isolate.clients.forget(&client.id),
            Attempted::Refused(Refused::Spent) => return Err(WireError::InvalidBearer.into()),
            Attempted::Refused(Refused::AlreadyEnrolled) => return Err(WireError::AlreadyEnrolled.into()),
            Attempted::Refused(Refused::TooManyAuthenticators) => {
                return Err(WireError::TooManyAuthenticators.into());
            }
            Attempted::Obstructed(refusal) => {
                if let Some(refusal) = refusal {
                    return Err(refusal.into());
                }
            }
        }
    }
    Err(WireError::Unavailable.into())
}

/// What the request asks for, decoded and checked.
struct Order<'a> {
    asked: EnrollmentRequest<'a>,
    qr_svg: bool,
    ui_locales: Option<&'a str>,
    idempotency: Option<IdempotentRequest>,
    claimed: ClientClaim,
    client_id: ClientId,
}

impl<'a> Order<'a> {
    fn decode<P: Platform>(
        app: &App<P>,
        request: &Request,
        parameters: &'a Parameters<'_>,
        bearer: &'a Bearer,
    ) -> Result<Self, WireError> {
        let verified_email = bearer.identity().verified_email();
        let asked = EnrollmentRequest {
            authenticator_types: parameters.required_list("authenticator_types")?,
            oob_channels: parameters.list_or_string("oob_channels")?,
            phone_number: parameters.optional("phone_number")?,
            email: parameters.optional("email")?.or(verified_email),
        };
        let claimed = ClientClaim::decode(request, parameters, false)?;
        let qr_svg = parameters.flag("qr_svg")?;
        let ui_locales = parameters.optional("ui_locales")?;
        let idempotency = IdempotentRequest::decode(request, parameters)?;
        // What nobody may enroll is said before anybody is asked who they are.
        choose(&asked, &delivery::available(&app.config))?;
        // A token that names its client stands in for the missing parameter, as most SDKs leave it out.
        let client_id = match (claimed.client_id(), bearer.client()) {
            (Some(body), Some(token)) if body != token => return Err(WireError::OtherClient),
            (Some(id), _) | (None, Some(id)) => id.clone(),
            (None, None) => return Err(WireError::MissingParameter("client_id")),
        };
        Ok(Self { asked, qr_svg, ui_locales, idempotency, claimed, client_id })
    }

    /// Whether the client has proved who it is.
    fn is_authenticated(&self, client: &Client) -> bool {
        self.names_client() && !client.is_public()
    }

    fn names_client(&self) -> bool {
        self.claimed.client_id().is_some() || self.claimed.has_credentials()
    }

    /// The client. Once the body names it, it must authenticate as registered; a token that names it stands for it
    /// unless the registration demands more.
    async fn client<P: Platform>(
        &self,
        app: &App<P>,
        request: &Request,
        bearer: &Bearer,
    ) -> Result<Rc<Client>, Failure> {
        let client = if self.names_client() {
            self.claimed.authenticate(app, request, &self.client_id).await?
        } else {
            registered(app, request, &self.client_id)
                .await?
                .filter(|client| !client.require_authentication)
                .ok_or(WireError::Unauthorized { challenge: false })?
        };
        require_issuer(request, &client, bearer.user())?;
        Ok(client)
    }
}

enum Attempted {
    Answered(Response),
    Refused(Refused),
    /// Something stands in the message's way, or has stood there.
    Obstructed(Option<WireError>),
}

async fn enroll<P: Platform>(
    app: &App<P>,
    request: &Request,
    order: &Order<'_>,
    wanted: Wanted,
    bearer: &Bearer,
    client: &Client,
) -> Result<Attempted, Failure> {
    let now = request.received_at;
    let user = bearer.user();
    let locale = bearer.identity().locale.as_deref();
    let asker =
        Asker::of(app, request, Some(client), order.is_authenticated(client), order.ui_locales, locale);
    if wanted.kind() != Kind::Totp {
        pass_shield(app, &asker).await?;
    }
    let id = AuthenticatorId::generate(wanted.kind(), app.platform.random()?);
    let prepared = match &wanted {
        Wanted::Totp => prepare_totp(app, order, bearer, &id, now.plus(wanted.lifetime()))?,
        Wanted::Sms(number) | Wanted::Voice(number) => {
            prepare_message(app, &asker, bearer, client, &id, number.expose())?
        }
        Wanted::Email(address) => prepare_message(app, &asker, bearer, client, &id, address.expose())?,
    };
    let recovery = app.config.factors.recovery_code.then(|| recovery_code(app, user)).transpose()?;
    let (recovery, recovery_code) = recovery.unzip();
    let answer = Answer { recovery_code, ..prepared.answer }.written();
    let once =
        order.idempotency.as_ref().map(|asked| asked.by("associate", user, &client.id, bearer.presented()));
    let new = NewEnrollment {
        id: &id,
        user,
        client,
        transaction: bearer.transaction(),
        standing: standing(bearer),
        sealed: prepared.sealed,
        address_index: prepared.address_index,
        recovery,
        message: prepared.message,
        answer: once.as_ref().map(|once| once.keep(app, &answer, now)).transpose()?,
        now,
        expires_at: prepared.expires_at,
    };
    match (enrollments::add(app, &new).await?, once) {
        (Enrolled::Added { recovery_issued, recorded }, _) => {
            record_obstacles(app, &asker, id.kind(), &recorded);
            let delivery = new.message.as_ref().map(|message| &*message.delivery_id);
            Event::of(request, Act::EnrollmentBegun)
                .with("authenticator", id.as_str())
                .with("delivery", delivery)
                .record(app);
            if let Some(message) = new.message {
                app.platform.defer(delivery::tell_queue(app, message.delivery_id));
            }
            let answer = if recovery_issued { answer } else { answer.without("recovery_codes") };
            Ok(Attempted::Answered(Response::json(Dialect::Mfa, &answer)))
        }
        (Enrolled::Answered(kept), Some(once)) => Ok(Attempted::Answered(once.repeat(app, &kept)?)),
        (Enrolled::Answered(_), None) => Err(Fault::Bug("an answer was found that nobody asked for").into()),
        (Enrolled::Obstructed(obstacles), _) => {
            Ok(Attempted::Obstructed(record_obstacles(app, &asker, id.kind(), &obstacles)))
        }
        (Enrolled::Refused(refused), _) => Ok(Attempted::Refused(refused)),
    }
}

fn standing(bearer: &Bearer) -> Standing<'_> {
    match bearer {
        // An mfa_token is what a first factor gives; it proves no second one, whatever it says. Only an own one that
        // asks for a further factor does.
        Bearer::Mfa(token) => {
            let used = Some(token.used_factors.as_slice()).filter(|used| !used.is_empty());
            Standing { proof_of_mfa: used.is_some(), issued_at: token.issued_at, used_factors: used }
        }
        Bearer::Access(token) => {
            Standing { proof_of_mfa: token.proof_of_mfa, issued_at: token.issued_at, used_factors: None }
        }
    }
}

/// What is made for one kind of authenticator, before anything is stored.
struct Prepared {
    /// The sealed secret or address.
    sealed: String,
    /// Keyed hash of the address.
    address_index: Option<String>,
    /// The code that is sent.
    message: Option<NewMessage>,
    /// When it can no longer be confirmed.
    expires_at: UnixSeconds,
    answer: Answer,
}

fn prepare_totp<P: Platform>(
    app: &App<P>,
    order: &Order<'_>,
    bearer: &Bearer,
    id: &AuthenticatorId,
    expires_at: UnixSeconds,
) -> Result<Prepared, Failure> {
    let (user, identity) = (bearer.user(), bearer.identity());
    let secret = TotpSecret::from_bytes(app.platform.random()?);
    let place = places::factor(id.as_str(), user);
    let sealed = app.config.keyring.seal(&place, secret.as_bytes(), app.platform.random()?)?;
    let label = barcode::label(identity.email.as_deref(), identity.name.as_deref(), user.subject());
    let base32 = secret.to_base32();
    let uri = barcode::otpauth_uri(&app.config.tenant_name, &label, &base32);
    let answer = Answer {
        qr_svg: if order.qr_svg { barcode::qr_svg(&uri) } else { None },
        manual_input_code: Some(base32.clone()),
        secret: Some(base32),
        barcode_uri: Some(uri),
        ..Answer::of(id)
    };
    Ok(Prepared { sealed, address_index: None, message: None, expires_at, answer })
}

fn prepare_message<P: Platform>(
    app: &App<P>,
    asker: &Asker<'_>,
    bearer: &Bearer,
    client: &Client,
    id: &AuthenticatorId,
    address: &str,
) -> Result<Prepared, Failure> {
    let (user, keyring) = (bearer.user(), &app.config.keyring);
    let recipient = Recipient::of(id.kind(), address)?;
    let expires_at = asker.request.received_at.plus(code_seconds(app, &recipient));
    let place = places::factor(id.as_str(), user);
    let sealed = keyring.seal(&place, address.as_bytes(), app.platform.random()?)?;
    let address_index = keyring.hash(places::ADDRESS, &[user.as_str(), recipient.comparable.expose()]);
    let message = compose(app, &recipient, Purpose::Enrollment, user, id.as_str(), asker)?;
    let oob_code = OobCode {
        owner: id.as_str().to_owned(),
        user: user.clone(),
        client: client.id.clone(),
        transaction: bearer.transaction().cloned(),
        recipient: message.recipient_key().map(str::to_owned),
        expires_at,
    };
    let answer = Answer {
        oob_code: Some(seal_oob_code(keyring, &oob_code, app.platform.random()?)?),
        oob_channel: id.kind().oob_channel(),
        binding_method: Some("prompt"),
        ..Answer::of(id)
    };
    Ok(Prepared { sealed, address_index: Some(address_index), message: Some(message), expires_at, answer })
}

/// A fresh recovery code: the id and the hash that are kept, and what is shown.
fn recovery_code<P: Platform>(
    app: &App<P>,
    user: &UserId,
) -> Result<((RecoveryCodeId, String), String), Failure> {
    let code = RecoveryCode::generate(app.platform.random()?);
    let id = RecoveryCodeId::generate(app.platform.random()?);
    let hash = app.config.keyring.hash(places::RECOVERY_CODE, &[user.as_str(), code.expose()]);
    Ok(((id, hash), code.expose().to_owned()))
}

#[cfg(test)]
mod tests;
