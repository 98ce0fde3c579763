//! The three MFA grants: what a code proves, and what it buys.
//!
//! The first good code of an enrollment confirms it; a code of an active authenticator verifies. Both take two round
//! trips (see [`guesses`] and [`redemptions`]), and a third between them where the user's factors decide what it is worth.
//! Tokens are signed before the last: a code that has been consumed must not come to nothing because a signature failed.

use super::Answer;
use crate::app::App;
use crate::audit::{self, Act, Event, Involved};
use crate::delivery;
use crate::endpoints::message::{Asker, Recipient};
use crate::endpoints::mfa_required::{Login, demand};
use crate::endpoints::notice::Concerned;
use crate::endpoints::target::Target;
use crate::endpoints::{Failure, Fault};
use crate::http::errors::WireError;
use crate::http::parameters::Parameters;
use crate::json::object;
use crate::mfa::binding_code::BindingCode;
use crate::mfa::factor::{AuthenticatorId, Factors, Kind};
use crate::mfa::notice::Notice;
use crate::mfa::one_time_password::{TotpSecret, matching_step};
use crate::mfa::policy::{MULTI_FACTOR_CLASS, RECOVERY_CODE, TokenRequest};
use crate::mfa::recovery_code::RecoveryCode;
use crate::mfa::sending::Rule;
use crate::platform::{Platform, StorageError};
use crate::storage::active_factors::{self, ActiveFactors};
use crate::storage::guesses::{self, Attempt, Guess, OobTry, Tried};
use crate::storage::keyring;
use crate::storage::notices::NewNotice;
use crate::storage::places;
use crate::storage::redemptions::{self, Outcome, Redeemed};
use crate::trust::bearer::{Bearer, MULTIPLE_FACTORS, MfaToken};
use crate::trust::jwk::Thumbprint;
use crate::trust::own_tokens::{self, OobCode, open_oob_code};
use crate::types::{GrantType, Secret};

/// What stands behind the answer: one of the MFA grants.
pub(super) enum Grant {
    Otp(Secret),
    Oob { oob_code: String, binding_code: Secret },
    RecoveryCode(Secret),
}

impl Grant {
    pub(super) fn decode(grant_type: GrantType, parameters: &Parameters<'_>) -> Result<Self, WireError> {
        match grant_type {
            GrantType::MfaOtp => Ok(Self::Otp(parameters.required_code("otp")?)),
            GrantType::MfaOob => Ok(Self::Oob {
                oob_code: parameters.required("oob_code")?.to_owned(),
                binding_code: parameters.required_code("binding_code")?,
            }),
            GrantType::MfaRecoveryCode => {
                Ok(Self::RecoveryCode(Secret::new(parameters.required("recovery_code")?.to_owned())))
            }
            GrantType::TokenExchange => Err(WireError::UnsupportedGrantType),
        }
    }
}

/// One try of one code.
pub(super) struct Exchange<'a, P: Platform> {
    pub(super) app: &'a App<P>,
    pub(super) attempt: Attempt<'a>,
    pub(super) bearer: &'a Bearer,
    pub(super) target: &'a Target,
    /// The key that the request has proved: what is issued is bound to it.
    pub(super) key: Option<&'a Thumbprint>,
    /// Who asks, for the notices that it leads to.
    pub(super) asker: &'a Asker<'a>,
}

impl<P: Platform> Exchange<'_, P> {
    /// The answer, or `None` when the client's row has changed and everything is to be looked at again.
    pub(super) async fn run(&self, grant: &Grant) -> Result<Option<Answer>, Failure> {
        match grant {
            Grant::Otp(_) => self.involved().factor(Kind::Totp.factor()),
            Grant::RecoveryCode(_) => self.involved().factor(RECOVERY_CODE),
            Grant::Oob { .. } => {}
        }
        let factors = self.attempt.client.factors(&self.app.config.factors);
        match grant {
            // What is switched off, or not for this client, opens nothing, whatever was enrolled before.
            Grant::Otp(_) if !factors.otp => Err(WireError::NotEnabled("otp").into()),
            Grant::RecoveryCode(_) if !factors.recovery_code => {
                Err(WireError::NotEnabled("recovery-code").into())
            }
            Grant::Otp(otp) => self.otp(otp).await,
            Grant::Oob { oob_code, binding_code } => {
                let oob_code = self.accept(oob_code)?;
                let attempt = Attempt { recipient: oob_code.recipient.as_deref(), ..self.attempt };
                Exchange { attempt, ..*self }.oob(&oob_code, binding_code, &factors).await
            }
            Grant::RecoveryCode(code) => self.recovery_code(code).await,
        }
    }

    async fn otp(&self, otp: &Secret) -> Result<Option<Answer>, Failure> {
        let candidates = match guesses::try_totp(self.app, &self.attempt).await? {
            Tried::Paid(candidates) => candidates,
            not_paid => return self.not_paid(not_paid),
        };
        let mut readable = candidates.is_empty();
        for candidate in &candidates {
            // One that cannot be opened must not shield the others: their guesses are charged, their codes work.
            let Some(secret) = self.open_totp(&candidate.id, &candidate.sealed) else {
                continue;
            };
            readable = true;
            let Some(step) = matching_step(&secret, otp.expose(), self.attempt.now, candidate.last_step)
            else {
                continue;
            };
            let resealed = self.resealed(&candidate.id, &candidate.sealed, secret.as_bytes());
            let resealed = self.or_refund(Guess::OneTimePassword, resealed).await?;
            let redeemed = if candidate.pending {
                Redeemed::Enrollment {
                    enrollment: &candidate.id,
                    kind: Kind::Totp,
                    step,
                    resealed,
                    address_indexes: Vec::new(),
                    delivery: None,
                }
            } else {
                Redeemed::Totp { authenticator: &candidate.id, step, resealed }
            };
            return self.redeem(Factor::Kind(Kind::Totp), &redeemed, WireError::InvalidOtp, None).await;
        }
        let unreadable = if readable {
            Ok(())
        } else {
            // Which one and why stands in the log already.
            Err(StorageError::Unreadable("sealed", "AllOfThem".to_owned()).into())
        };
        self.or_refund(Guess::OneTimePassword, unreadable).await?;
        for candidate in &candidates {
            self.tell_of_failures(Kind::Totp, candidate.failures, Some(&candidate.id));
        }
        Err(WireError::InvalidOtp.into())
    }

    async fn oob(
        &self,
        oob_code: &OobCode,
        binding_code: &Secret,
        factors: &Factors,
    ) -> Result<Option<Answer>, Failure> {
        let owner = &oob_code.owner;
        let is_enrollment = oob_code.is_of_enrollment();
        if is_enrollment {
            self.involved().authenticator(owner);
        }
        let (guess, tried) = if is_enrollment {
            (Guess::EnrollmentCode(owner), guesses::try_oob(self.app, &self.attempt, owner).await?)
        } else {
            (Guess::ChallengeCode(owner), guesses::try_challenge(self.app, &self.attempt, owner).await?)
        };
        let (tried, charged) = match tried {
            Tried::Paid(paid) => paid,
            not_paid => return self.not_paid(not_paid),
        };
        if let Some(charged) = &charged {
            self.involved().factor(charged.kind.factor());
            self.involved().authenticator(&charged.authenticator);
        }
        let wrong = |error: WireError| {
            if let Some(charged) = &charged {
                self.tell_of_failures(charged.kind, charged.failures, None);
            }
            Err(error.into())
        };
        let candidate = match tried {
            OobTry::Candidate(candidate) => candidate,
            OobTry::UsedUp => {
                let retry_after = oob_code.expires_at.since(self.attempt.now).max(1);
                return wrong(WireError::TooManyTries { retry_after });
            }
            OobTry::Gone => return wrong(WireError::ExpiredOobCode),
        };
        self.involved().factor(candidate.kind.factor());
        self.involved().authenticator(&candidate.authenticator);
        // Its channel may have been switched off since the code was sent.
        if !factors.is_on(candidate.kind) {
            guesses::refund(self.app, &self.attempt, guess).await;
            return Err(WireError::NotEnabled(candidate.kind.as_str()).into());
        }
        let matches = self.binding_code_matches(owner, binding_code, &candidate.code_hash);
        if !self.or_refund(guess, matches).await? {
            return wrong(WireError::InvalidBindingCode);
        }
        let address = self.address(&candidate.authenticator, &candidate.sealed);
        let (resealed, address_indexes) = self.or_refund(guess, address).await?;
        let redeemed = if is_enrollment {
            Redeemed::Enrollment {
                enrollment: owner,
                kind: candidate.kind,
                step: 0,
                resealed,
                address_indexes,
                delivery: candidate.delivery.as_deref(),
            }
        } else {
            Redeemed::Challenge {
                challenge: owner,
                authenticator: &candidate.authenticator,
                resealed,
                address_index: address_indexes.into_iter().next(),
                delivery: candidate.delivery.as_deref(),
            }
        };
        self.redeem(Factor::Kind(candidate.kind), &redeemed, WireError::InvalidBindingCode, None).await
    }

    fn binding_code_matches(&self, owner: &str, code: &Secret, stored: &str) -> Result<bool, Failure> {
        let Some(code) = BindingCode::parse(code.expose()) else {
            return Ok(false);
        };
        let keyring = &self.app.config.keyring;
        keyring
            .hash_matches(places::BINDING_CODE, &[owner, code.expose()], stored)
            .map_err(|error| error.of("code_hash", stored).into())
    }

    async fn recovery_code(&self, code: &Secret) -> Result<Option<Answer>, Failure> {
        // A recovery code stands for a factor that is lost; it confirms nothing.
        if self.attempt.transaction.is_none() {
            return Err(WireError::MalformedMfaToken.into());
        }
        let stored = match guesses::try_recovery_code(self.app, &self.attempt).await? {
            Tried::Paid(stored) => stored,
            not_paid => return self.not_paid(not_paid),
        };
        let (Some(stored), Some(code)) = (stored, RecoveryCode::parse(code.expose())) else {
            return Err(WireError::InvalidRecoveryCode.into());
        };
        let keyring = &self.app.config.keyring;
        let user = self.attempt.user.as_str();
        let matches = keyring
            .hash_matches(places::RECOVERY_CODE, &[user, code.expose()], &stored.hash)
            .map_err(|error| error.of("hash", &stored.hash).into());
        if !self.or_refund(Guess::RecoveryCode, matches).await? {
            return Err(WireError::InvalidRecoveryCode.into());
        }
        let random = self.app.platform.random().map_err(Failure::from);
        let next = RecoveryCode::generate(self.or_refund(Guess::RecoveryCode, random).await?);
        let redeemed = Redeemed::RecoveryCode {
            matched: &stored.hash,
            next: keyring.hash(places::RECOVERY_CODE, &[user, next.expose()]),
        };
        let factor = Factor::Recovery { independent: stored.independent };
        self.redeem(factor, &redeemed, WireError::InvalidRecoveryCode, Some(&next)).await
    }

    /// What a charge that was not taken means for the client; `None` asks for another look at the client's row.
    fn not_paid<T>(&self, tried: Tried<T>) -> Result<Option<Answer>, Failure> {
        match tried {
            Tried::ClientChanged => Ok(None),
            Tried::Spent => Err(WireError::SpentMfaToken.into()),
            Tried::NoGuessLeft { refusal, rule } => {
                self.involved().reason(rule.as_str());
                // Of the others' guesses the owner can do nothing about, and they say nothing of the password.
                if rule == Rule::User {
                    self.concerned().tell_of_wrong_codes(self.app, Notice::GuessesLocked);
                }
                Err(WireError::TooManyFailedCodes(refusal).into())
            }
            Tried::Paid(_) => Err(Fault::Bug("a paid guess was treated as refused").into()),
        }
    }

    /// The oob_code, if it is ours, alive, and of this user and client. A challenge's belongs to its login alone; an
    /// enrollment's outlives it, so that a reload goes on.
    fn accept(&self, oob_code: &str) -> Result<OobCode, WireError> {
        let oob_code =
            open_oob_code(&self.app.config.keyring, oob_code).map_err(|_| WireError::MalformedOobCode)?;
        let of_this_login =
            oob_code.transaction.as_ref() == self.attempt.transaction || oob_code.is_of_enrollment();
        if &oob_code.user != self.attempt.user || oob_code.client != self.attempt.client.id || !of_this_login
        {
            return Err(WireError::OobCodeOfAnotherTransaction);
        }
        if oob_code.expires_at <= self.attempt.now {
            return Err(WireError::ExpiredOobCode);
        }
        Ok(oob_code)
    }

    /// Signs, then consumes. `lost` is what somebody is told whose code another request has just used.
    async fn redeem(
        &self,
        factor: Factor,
        redeemed: &Redeemed<'_>,
        lost: WireError,
        next_recovery_code: Option<&RecoveryCode>,
    ) -> Result<Option<Answer>, Failure> {
        let prepared = self.or_refund(redeemed.guess(), self.prepare(factor).await).await?;
        let prepared = match prepared {
            Prepared::ClientChanged => {
                guesses::refund(self.app, &self.attempt, redeemed.guess()).await;
                return Ok(None);
            }
            // A recovery code that brings the login no further is not used up.
            Prepared::Demand { demand, counts: false } if next_recovery_code.is_some() => {
                guesses::refund(self.app, &self.attempt, redeemed.guess()).await;
                return Err(demand.into());
            }
            prepared => prepared,
        };
        // Until then the token that is spent could be presented again.
        let remembered_until = self.bearer.refused_from();
        let notice = self.or_refund(redeemed.guess(), self.notice(redeemed)).await?;
        let won = redemptions::redeem(self.app, &self.attempt, redeemed, notice.as_ref(), remembered_until);
        match won.await? {
            Outcome::Won { announced } => {
                self.record(redeemed);
                if let Prepared::Tokens(answer) = &prepared {
                    answer.record(self.app, self.asker.request, self.target);
                }
                self.app.platform.defer(delivery::tell_queue_of_all(self.app, announced));
                prepared.into_answer(next_recovery_code)
            }
            Outcome::Spent => Err(WireError::SpentMfaToken.into()),
            Outcome::Lost => {
                self.involved().reason("used_meanwhile");
                Err(lost.into())
            }
            Outcome::Full => {
                guesses::refund(self.app, &self.attempt, redeemed.guess()).await;
                Err(WireError::TooManyAuthenticators.into())
            }
            Outcome::ClientChanged => {
                guesses::refund(self.app, &self.attempt, redeemed.guess()).await;
                Ok(None)
            }
        }
    }

    fn involved(&self) -> &Involved {
        &self.asker.request.involved
    }

    /// Tells what the code has done.
    fn record(&self, redeemed: &Redeemed<'_>) {
        let (act, authenticator) = match redeemed {
            Redeemed::Enrollment { enrollment, .. } => (Act::AuthenticatorConfirmed, Some(*enrollment)),
            Redeemed::Totp { authenticator, .. } | Redeemed::Challenge { authenticator, .. } => {
                (Act::CodeAccepted, Some(*authenticator))
            }
            Redeemed::RecoveryCode { .. } => (Act::RecoveryCodeUsed, None),
        };
        if let Some(id) = authenticator {
            self.involved().authenticator(id);
        }
        Event::of(self.asker.request, act).record(self.app);
    }

    /// Tells the log and the person that wrong codes of an authenticator keep coming, or that this one has disabled it.
    /// `failures` are those in a row, `app` its id where the code was tried on all of them.
    fn tell_of_failures(&self, kind: Kind, failures: i64, app: Option<&str>) {
        let Some(notice) = Notice::of_failures(kind, failures) else { return };
        let act = match notice {
            Notice::AuthenticatorDisabled(_) => Act::AuthenticatorDisabled,
            _ => Act::GuessingSuspected,
        };
        Event::of(self.asker.request, act)
            .with("authenticator", app)
            .with("failures", failures)
            .record(self.app);
        self.concerned().tell_of_wrong_codes(self.app, notice);
    }

    fn concerned(&self) -> Concerned<'_> {
        Concerned { user: self.attempt.user, identity: self.bearer.identity(), asker: self.asker }
    }

    /// What the person is told of it by another channel, if anything.
    fn notice(&self, redeemed: &Redeemed<'_>) -> Result<Option<NewNotice>, Failure> {
        match redeemed {
            Redeemed::Enrollment { enrollment, kind, .. } => {
                let id = AuthenticatorId::parse(enrollment).ok_or(StorageError::UnexpectedShape("id"))?;
                self.concerned().compose(self.app, Notice::AuthenticatorAdded(*kind), Some(id))
            }
            Redeemed::RecoveryCode { .. } => {
                self.concerned().compose(self.app, Notice::RecoveryCodeUsed, None)
            }
            Redeemed::Totp { .. } | Redeemed::Challenge { .. } => Ok(None),
        }
    }

    /// What the winner is answered: tokens, or the demand of another factor. E-mail, and the recovery code beside it,
    /// are no second factor: where one is wanted, the login goes on; and so it does where two are.
    async fn prepare(&self, factor: Factor) -> Result<Prepared, Failure> {
        let policy = self.attempt.client.policy(&self.app.config.policy);
        if let Bearer::Mfa(login) = self.bearer
            && (!factor.is_independent() || policy.may_demand_two())
        {
            let Some(active) = active_factors::read(self.app, &login.user, self.attempt.client).await? else {
                return Ok(Prepared::ClientChanged);
            };
            let asked = TokenRequest {
                audience: &self.target.audience,
                scopes: &self.target.scopes,
                for_mfa_api: self.app.config.is_mfa_audience(&self.target.audience),
                // An own mfa_token is itself the demand, whatever its reason was.
                acr_values: login.transaction.is_own().then_some(MULTI_FACTOR_CLASS),
                // One that is being confirmed counts as well.
                enrolled: active.is_enrolled() || factor.is_independent(),
                proven: false,
            };
            let used = used_factors(login, factor, &active);
            if policy.demanded(&asked) > counted(&used, &active) {
                let counts = used.len() > login.used_factors.len();
                let login = Login {
                    user: &login.user,
                    client: self.attempt.client,
                    target: self.target,
                    factors: self.authentication_methods(factor),
                    used,
                    identity: &login.identity,
                    key: self.key,
                    stale: (!counts).then_some((login.issued_at, login.expires_at)),
                };
                let demand = demand(self.app, self.attempt.now, login, &active)?;
                return Ok(Prepared::Demand { demand, counts });
            }
        }
        self.sign(factor).await.map(Prepared::Tokens)
    }

    async fn sign(&self, factor: Factor) -> Result<Answer, Failure> {
        let methods = self.authentication_methods(factor);
        let grant = own_tokens::TokenGrant {
            user: self.attempt.user,
            client: &self.attempt.client.id,
            audience: &self.target.audience,
            scopes: &self.target.scopes,
            authentication_methods: &methods,
            authenticated_at: self.attempt.now,
            identity: self.bearer.identity(),
            // Confirming must not make the token that confirmed live longer. One that is accepted past its end, since
            // clocks differ, gives tokens that end when it is not accepted any more.
            not_after: match self.bearer {
                Bearer::Access(token) if token.expires_at <= self.attempt.now => Some(token.refused_from),
                Bearer::Access(token) => Some(token.expires_at),
                Bearer::Mfa(_) => None,
            },
            bound_to: self.key,
        };
        Answer::sign(self.app, self.attempt.now, &grant).await
    }

    /// How the user has been authenticated (RFC 8176): the methods behind the token, this one, and `mfa` if one of
    /// them is an independent second factor.
    fn authentication_methods(&self, factor: Factor) -> Vec<String> {
        let mut methods = self.bearer.first_factors().to_vec();
        let method = factor.method();
        if !methods.iter().any(|own| own == method) {
            methods.push(method.to_owned());
        }
        let proven = matches!(self.bearer, Bearer::Access(token) if token.proof_of_mfa);
        if factor.is_independent() || proven {
            methods.push(MULTIPLE_FACTORS.to_owned());
        }
        methods
    }

    /// The secret, unless its key is not known (any more) or the row is not what it should be; the log is told.
    fn open_totp(&self, id: &str, sealed: &str) -> Option<TotpSecret> {
        let opened = self.app.config.keyring.open(&places::factor(id, self.attempt.user), sealed);
        let secret = opened.as_ref().ok().and_then(|secret| TotpSecret::from_slice(secret));
        if secret.is_none() {
            // It may open and be no secret.
            let reason = opened.err().map_or("malformed", |error| error.word());
            let key = keyring::key_id(sealed).unwrap_or_default();
            let line = object! { "event": "factor_unreadable", "factor": id, "key": key, "reason": reason };
            audit::tell(self.app, line);
        }
        secret
    }

    /// The address sealed anew where that is due, and its indexes under every hash key.
    fn address(&self, id: &str, sealed: &str) -> Result<(Option<String>, Vec<String>), Failure> {
        let id = AuthenticatorId::parse(id).ok_or(StorageError::UnexpectedShape("id"))?;
        let recipient = Recipient::open(self.app, &id, self.attempt.user, sealed)?;
        let parts = [self.attempt.user.as_str(), recipient.comparable.expose()];
        let indexes = self.app.config.keyring.hashes(places::ADDRESS, &parts);
        Ok((self.resealed(id.as_str(), sealed, recipient.address.expose().as_bytes())?, indexes))
    }

    /// What was sealed with an older key is sealed with the present one whenever it is used.
    fn resealed(&self, id: &str, sealed: &str, plaintext: &[u8]) -> Result<Option<String>, Failure> {
        let keyring = &self.app.config.keyring;
        if keyring.is_current(sealed) {
            return Ok(None);
        }
        let place = places::factor(id, self.attempt.user);
        Ok(Some(keyring.seal(&place, plaintext, self.app.platform.random()?)?))
    }

    /// Gives the charge back when something failed that is not the code's fault.
    async fn or_refund<T>(&self, guess: Guess<'_>, result: Result<T, Failure>) -> Result<T, Failure> {
        if result.is_err() {
            guesses::refund(self.app, &self.attempt, guess).await;
        }
        result
    }
}

/// What the winner of a redemption is told.
enum Prepared {
    /// The login is complete.
    Tokens(Answer),
    /// Another factor is wanted.
    Demand {
        /// The error that says so.
        demand: WireError,
        /// Whether this factor was one of those wanted.
        counts: bool,
    },
    /// The client's row has changed: everything is to be looked at again.
    ClientChanged,
}

impl Prepared {
    fn into_answer(self, next_recovery_code: Option<&RecoveryCode>) -> Result<Option<Answer>, Failure> {
        let next = next_recovery_code.map(|code| code.expose().to_owned());
        match self {
            Self::Tokens(answer) => Ok(Some(Answer { recovery_code: next, ..answer })),
            Self::Demand { demand: WireError::MfaRequired { mfa_token, requirements, .. }, .. } => {
                Err(WireError::MfaRequired { mfa_token, requirements, recovery_code: next }.into())
            }
            Self::Demand { demand, .. } => Err(demand.into()),
            Self::ClientChanged => Ok(None),
        }
    }
}

/// The second factors that the login has used with this one. A recovery code counts where it stands for a factor that
/// has not been used: what is lost is proved by it, and nothing twice.
fn used_factors(login: &MfaToken, factor: Factor, active: &ActiveFactors) -> Vec<String> {
    let mut used = login.used_factors.clone();
    let name = match factor {
        Factor::Kind(kind) => kind.factor_type(),
        Factor::Recovery { .. } => RECOVERY_CODE,
    };
    let counts = match factor {
        Factor::Kind(kind) => kind.is_independent(),
        Factor::Recovery { .. } => leave_one_unused(&used, active),
    };
    if counts && !is_among(&used, name) {
        used.push(name.to_owned());
    }
    used
}

/// How many second factors these are. A recovery code that was used first may have stood for the factor that was used after
/// it: then both are one.
fn counted(used: &[String], active: &ActiveFactors) -> usize {
    let stands_for_none = is_among(used, RECOVERY_CODE) && !leave_one_unused(used, active);
    used.len().saturating_sub(usize::from(stands_for_none))
}

/// Whether the user has a second factor beside these, which may be lost: a recovery code stands for it.
fn leave_one_unused(used: &[String], active: &ActiveFactors) -> bool {
    active.factors.iter().any(|own| own.kind.is_independent() && !is_among(used, own.kind.factor_type()))
}

fn is_among(used: &[String], name: &str) -> bool {
    used.iter().any(|own| own == name)
}

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Factor {
    Kind(Kind),
    Recovery { independent: bool },
}

impl Factor {
    const fn method(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.amr(),
            Self::Recovery { .. } => "recovery",
        }
    }

    const fn is_independent(self) -> bool {
        match self {
            Self::Kind(kind) => kind.is_independent(),
            Self::Recovery { independent } => independent,
        }
    }
}
