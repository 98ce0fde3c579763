//! Guessing a code: one round trip that charges the guess and returns what it is to be compared with.
//!
//! The charge comes before the comparison, in one batch that never aborts, so that of any number of guesses at once no more
//! are compared than the buckets hold. What a right code, or a failure of the Worker itself, has cost is given back: by
//! [`super::redemptions`], and by [`refund`].

use super::keyring::Keyring;
use super::{places, statements};
use crate::app::App;
use crate::audit;
use crate::json::{Json, object};
use crate::mfa::budget::{ADDRESS_GUESSES, Budget, GUESSES, RECIPIENT_GUESSES, RECOVERY_GUESSES, Refusal};
use crate::mfa::factor::Kind;
use crate::mfa::sending::{Origin, Rule};
use crate::platform::{Platform, Row, Statement, StorageError, Value};
use crate::storage::clients::Client;
use crate::types::{TransactionId, UnixSeconds, UserId};

/// One request's try at a code.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Random; names this request in the budget and among the redemptions.
    pub id: &'a str,
    /// Whose factors are tried.
    pub user: &'a UserId,
    /// Who asks.
    pub client: &'a Client,
    /// The mfa_token that a success spends; `None` for an access token, which confirms only.
    pub transaction: Option<&'a TransactionId>,
    /// The key of the client address' bucket ([`address_key`]), if the address is counted.
    pub address: Option<&'a str>,
    /// What the messages to the code's recipient are charged to, if it was sent to one: guesses at them are counted by the
    /// same.
    pub recipient: Option<&'a str>,
    /// Now.
    pub now: UnixSeconds,
}

/// What became of the charge.
#[derive(Debug)]
pub enum Tried<T> {
    /// The guess is paid for; this is what to compare with.
    Paid(T),
    /// The client's row has changed: read it again and try once more. Nothing was charged.
    ClientChanged,
    /// The mfa_token has been exchanged. Nothing was charged.
    Spent,
    /// A bucket is empty.
    NoGuessLeft {
        /// When there is room again.
        refusal: Refusal,
        /// Which it is: the user's own if that is among the empty ones.
        rule: Rule,
    },
}

/// An authenticator app that a one-time password may belong to.
#[derive(Debug)]
pub struct TotpCandidate {
    /// Authenticator or enrollment.
    pub id: String,
    /// The sealed secret.
    pub sealed: String,
    /// The last time step that was accepted.
    pub last_step: i64,
    /// Its wrong codes in a row, this one charged among them; 0 while it is to be confirmed.
    pub failures: i64,
    /// Whether it is still to be confirmed.
    pub pending: bool,
}

/// An enrollment or challenge whose code was sent by message.
#[derive(Debug)]
pub struct OobCandidate {
    /// The id of the authenticator, which an enrollment will be.
    pub authenticator: String,
    /// The channel that the code came by.
    pub kind: Kind,
    /// The sealed address.
    pub sealed: String,
    /// The keyed hash of the code.
    pub code_hash: String,
    /// The delivery that it came with.
    pub delivery: Option<String>,
}

/// The recovery code that is in force.
#[derive(Debug)]
pub struct RecoveryCandidate {
    /// Its keyed hash.
    pub hash: String,
    /// Whether it stands for an independent factor. Beside e-mail alone it stands for none, and proves no MFA: else
    /// whoever has only a password could hold a proof that is as young as somebody's first real factor.
    pub independent: bool,
}

/// A failure that was charged to the authenticator of a challenge.
#[derive(Debug)]
pub struct ChargedFailure {
    /// The authenticator.
    pub authenticator: String,
    /// What it was enrolled as, whichever channel this code came by.
    pub kind: Kind,
    /// Its wrong codes in a row, this one among them.
    pub failures: i64,
}

/// How an enrollment or challenge answered to a try of its code.
#[derive(Debug)]
pub enum OobTry {
    /// Compare with this.
    Candidate(OobCandidate),
    /// Its five tries are used up.
    UsedUp,
    /// It is not there (any more), or may no longer be confirmed.
    Gone,
}

/// The key of the bucket of guesses from a client address, if that is counted. Nobody should read whose it is.
#[must_use]
pub fn address_key(keyring: &Keyring, origin: &Origin) -> Option<String> {
    let address = origin.counted_address()?;
    Some(format!("guess_address:{}", keyring.hash(places::BUDGET, &["guess", "client_address", &address])))
}

/// Charges a guess and reads the user's authenticator apps: the active ones first (none of them for an access
/// token), then those that this client may confirm.
pub async fn try_totp<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
) -> Result<Tried<Vec<TotpCandidate>>, StorageError> {
    let guess = Guess::OneTimePassword;
    let key = guess.key(attempt.user);
    let user = attempt.user.as_str();
    let mut batch = attempt.charge(guess);
    batch.push(Statement {
        sql: statements::PENDING_TOTP,
        parameters: vec![
            user.into(),
            attempt.client.id.as_str().into(),
            attempt.now.into(),
            key.as_str().into(),
            attempt.id.into(),
        ],
    });
    if attempt.transaction.is_some() {
        batch.push(Statement {
            sql: statements::TRY_ACTIVE_TOTP,
            parameters: vec![user.into(), key.into(), attempt.id.into()],
        });
    }
    let results = pay(app, attempt, guess, batch).await?;
    attempt.paid(&results, guess, || {
        let mut candidates = Vec::new();
        for row in rows(&results, 3) {
            if row.flag("enabled")? {
                candidates.push(totp_candidate(row, false)?);
            }
        }
        for row in rows(&results, 2) {
            candidates.push(totp_candidate(row, true)?);
        }
        Ok(candidates)
    })
}

/// Charges a guess and one of the five tries of the code that was sent for `enrollment`.
pub async fn try_oob<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    enrollment: &str,
) -> Result<Tried<(OobTry, Option<ChargedFailure>)>, StorageError> {
    let guess = Guess::EnrollmentCode(enrollment);
    let key = guess.key(attempt.user);
    let mut batch = attempt.charge(guess);
    batch.push(Statement {
        sql: statements::TRY_PENDING_OOB,
        parameters: vec![
            enrollment.into(),
            attempt.user.as_str().into(),
            attempt.client.id.as_str().into(),
            attempt.now.into(),
            key.into(),
            attempt.id.into(),
        ],
    });
    batch.push(Statement {
        sql: statements::OOB_ATTEMPTS,
        parameters: vec![enrollment.into(), attempt.user.as_str().into()],
    });
    let results = pay(app, attempt, guess, batch).await?;
    attempt.paid(&results, guess, || {
        let tried = match rows(&results, 2).first() {
            Some(row) => OobTry::Candidate(oob_candidate(row)?),
            None => used_up_or_gone(&results)?,
        };
        // It is no authenticator yet.
        Ok((tried, None))
    })
}

/// Charges a guess, a failure of the authenticator, and one of the five tries of the code that was sent for
/// `challenge`.
pub async fn try_challenge<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    challenge: &str,
) -> Result<Tried<(OobTry, Option<ChargedFailure>)>, StorageError> {
    let guess = Guess::ChallengeCode(challenge);
    let key = guess.key(attempt.user);
    let user = Value::from(attempt.user.as_str());
    let mut batch = attempt.charge(guess);
    batch.push(Statement {
        sql: statements::TRY_CHALLENGE,
        parameters: vec![
            challenge.into(),
            user.clone(),
            attempt.client.id.as_str().into(),
            attempt.transaction.map(TransactionId::as_str).into(),
            attempt.now.into(),
            key.as_str().into(),
            attempt.id.into(),
        ],
    });
    batch.push(Statement {
        sql: statements::CHALLENGE_ATTEMPTS,
        parameters: vec![challenge.into(), user.clone()],
    });
    batch.push(Statement {
        sql: statements::CHARGE_CHALLENGED,
        parameters: vec![challenge.into(), user, key.into(), attempt.id.into()],
    });
    let results = pay(app, attempt, guess, batch).await?;
    attempt.paid(&results, guess, || {
        let charged = rows(&results, 4).first();
        let tried = match (rows(&results, 2).first(), charged) {
            (Some(challenge), Some(authenticator)) => {
                OobTry::Candidate(challenge_candidate(challenge, authenticator)?)
            }
            _ => used_up_or_gone(&results)?,
        };
        Ok((tried, charged.map(charged_failure).transpose()?))
    })
}

/// Charges a guess at the recovery code and reads it, if the user has one.
pub async fn try_recovery_code<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
) -> Result<Tried<Option<RecoveryCandidate>>, StorageError> {
    let guess = Guess::RecoveryCode;
    let key = guess.key(attempt.user);
    let mut batch = attempt.charge(guess);
    batch.push(Statement {
        sql: statements::TRY_RECOVERY_CODE,
        parameters: vec![attempt.user.as_str().into(), key.into(), attempt.id.into()],
    });
    let results = pay(app, attempt, guess, batch).await?;
    attempt.paid(&results, guess, || rows(&results, 2).first().map(recovery_candidate).transpose())
}

/// A redemption's batch is run at most twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    First,
    Second,
}

/// What a guess is at. It is charged to one of the user's two buckets, to those of the client address and the recipient, and
/// to the authenticators that it is tried on, as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess<'a> {
    /// A one-time password, tried on every active app, unless the bearer is an access token.
    OneTimePassword,
    /// The code of the enrollment with this id, which is no authenticator yet; one of its five tries is charged too.
    EnrollmentCode(&'a str),
    /// The code of the challenge with this id, tried on the authenticator that it was sent to; one of its five tries
    /// is charged too.
    ChallengeCode(&'a str),
    /// A recovery code.
    RecoveryCode,
}

impl Guess<'_> {
    fn key(self, user: &UserId) -> String {
        match self {
            Self::RecoveryCode => format!("recovery:{}", user.as_str()),
            _ => format!("guess:{}", user.as_str()),
        }
    }

    const fn budget(self) -> Budget {
        match self {
            Self::RecoveryCode => RECOVERY_GUESSES,
            _ => GUESSES,
        }
    }
}

/// Gives a charge back that the Worker's own failure has cost, before anything was redeemed. Failing again, it stays:
/// nothing else can be done.
pub async fn refund<P: Platform>(app: &App<P>, attempt: &Attempt<'_>, guess: Guess<'_>) {
    give_back(app, attempt, guess, Charged::Certainly).await;
}

/// Runs a first batch. When it fails, whether it was committed is unknown, and so is the charge.
async fn pay<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    guess: Guess<'_>,
    batch: Vec<Statement>,
) -> Result<Vec<Vec<Row>>, StorageError> {
    match app.platform.batch(batch).await {
        Ok(results) => Ok(results),
        Err(error) => {
            give_back(app, attempt, guess, Charged::Maybe).await;
            Err(error)
        }
    }
}

/// What is known of a charge that is to be given back.
#[derive(Debug)]
pub(super) enum Charged {
    /// The batch that made it was answered.
    Certainly,
    /// The answer of that batch was lost.
    Maybe,
    /// It was made, and what the guess has opened may have been redeemed after all, spending this.
    MaybeRedeemed { spent: String },
}

/// Gives a charge back, with everything else that the guess has cost.
pub(super) async fn give_back<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    guess: Guess<'_>,
    charged: Charged,
) {
    let (certain, spent) = match charged {
        Charged::Certainly => (true, None),
        Charged::Maybe => (false, None),
        Charged::MaybeRedeemed { spent } => (true, Some(spent)),
    };
    let key = Value::from(guess.key(attempt.user));
    let second = Value::from(attempt.redemption_id(Run::Second));
    let spent = Value::from(spent);
    let of_attempt = |first: Vec<Value>| {
        let mut all = first;
        all.extend([attempt.id.into(), certain.into(), second.clone(), spent.clone()]);
        all
    };
    let user_and_key = vec![attempt.user.as_str().into(), key.clone()];
    let of_code = |sql, id: &str| {
        let mut parameters = of_attempt(user_and_key.clone());
        parameters.push(id.into());
        Statement { sql, parameters }
    };
    let mut batch = match guess {
        Guess::OneTimePassword if attempt.transaction.is_some() => {
            vec![Statement { sql: statements::REFUND_TOTP_FAILURES, parameters: of_attempt(user_and_key) }]
        }
        Guess::EnrollmentCode(enrollment) => vec![of_code(statements::REFUND_PENDING_OOB, enrollment)],
        Guess::ChallengeCode(challenge) => vec![
            of_code(statements::REFUND_CHALLENGED, challenge),
            of_code(statements::REFUND_CHALLENGE, challenge),
        ],
        Guess::OneTimePassword | Guess::RecoveryCode => Vec::new(),
    };
    batch.push(Statement {
        sql: statements::REFUND_GUESS,
        parameters: of_attempt(vec![attempt.budgets(guess), key]),
    });
    if let Err(error) = app.platform.batch(batch).await {
        audit::tell(app, object! { "event": "refund_failed", "error": format!("{error:?}") });
    }
}

impl Attempt<'_> {
    /// The buckets that a guess is charged to: the user's own first.
    fn buckets(&self, guess: Guess<'_>) -> impl Iterator<Item = (Rule, String, Budget)> {
        let own = (Rule::User, guess.key(self.user), guess.budget());
        let address = self.address.map(|key| (Rule::ClientAddress, key.to_owned(), ADDRESS_GUESSES));
        let recipient =
            self.recipient.map(|key| (Rule::Recipient, format!("guess_{key}"), RECIPIENT_GUESSES));
        [Some(own), address, recipient].into_iter().flatten()
    }

    /// The same as the statements take them.
    pub(super) fn budgets(&self, guess: Guess<'_>) -> Value {
        let written = self.buckets(guess).map(|(_, key, budget)| {
            let latest = budget.latest_with_room(self.now);
            Json::Array(vec![key.into(), budget.interval.into(), latest.0.into()])
        });
        Json::Array(written.collect()).write().into()
    }

    /// The two statements at the head of every first batch.
    fn charge(&self, guess: Guess<'_>) -> Vec<Statement> {
        let budgets = self.budgets(guess);
        let client = Value::from(self.client.id.as_str());
        let version = Value::from(self.client.version);
        let transaction = Value::from(self.transaction.map(TransactionId::as_str));
        vec![
            Statement {
                sql: statements::CHARGE_GUESS,
                parameters: vec![
                    budgets.clone(),
                    self.id.into(),
                    self.now.into(),
                    client.clone(),
                    version.clone(),
                    transaction.clone(),
                ],
            },
            Statement {
                sql: statements::GUESS_STATE,
                parameters: vec![budgets, client, version, transaction],
            },
        ]
    }

    /// Whether the charge was taken; if so, what `read` makes of the rest.
    fn paid<T>(
        &self,
        results: &[Vec<Row>],
        guess: Guess<'_>,
        read: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<Tried<T>, StorageError> {
        if !rows(results, 0).is_empty() {
            return read().map(Tried::Paid);
        }
        let row = rows(results, 1).first().ok_or(StorageError::UnexpectedShape("state"))?;
        if !row.flag("client_current")? {
            return Ok(Tried::ClientChanged);
        }
        if row.flag("spent")? {
            return Ok(Tried::Spent);
        }
        self.no_guess_left(rows(results, 1), guess)
    }

    /// Of several buckets without room, the one that will have some last says when.
    fn no_guess_left<T>(&self, full: &[Row], guess: Guess<'_>) -> Result<Tried<T>, StorageError> {
        let mut empty = Vec::new();
        for row in full {
            let (key, full_at) = (row.text("key")?, UnixSeconds(row.integer("full_at")?));
            let bucket = self.buckets(guess).find(|(_, own, _)| own == key);
            let (rule, _, budget) = bucket.ok_or(StorageError::UnexpectedShape("key"))?;
            empty.push((rule, budget.refusal(self.now, full_at)));
        }
        let last = empty.iter().copied().max_by_key(|(_, refusal)| refusal.retry_after);
        let (rule, refusal) = last.ok_or(StorageError::UnexpectedShape("full_at"))?;
        let is_own = empty.iter().any(|(rule, _)| *rule == Rule::User);
        Ok(Tried::NoGuessLeft { refusal, rule: if is_own { Rule::User } else { rule } })
    }

    /// The name by which a run of the redemption stands in the database.
    pub(super) fn redemption_id(&self, run: Run) -> String {
        match run {
            Run::First => self.id.to_owned(),
            Run::Second => format!("{}+", self.id),
        }
    }
}

fn rows(results: &[Vec<Row>], index: usize) -> &[Row] {
    results.get(index).map_or(&[], Vec::as_slice)
}

fn totp_candidate(row: &Row, pending: bool) -> Result<TotpCandidate, StorageError> {
    Ok(TotpCandidate {
        id: row.text("id")?.to_owned(),
        sealed: row.text("sealed")?.to_owned(),
        last_step: if pending { 0 } else { row.integer("last_step")? },
        failures: if pending { 0 } else { row.integer("failures")? },
        pending,
    })
}

/// The row of attempts stands behind the try in both batches.
fn used_up_or_gone(results: &[Vec<Row>]) -> Result<OobTry, StorageError> {
    match rows(results, 3).first() {
        Some(row) if row.integer("attempts")? >= 5 => Ok(OobTry::UsedUp),
        _ => Ok(OobTry::Gone),
    }
}

fn challenge_candidate(challenge: &Row, authenticator: &Row) -> Result<OobCandidate, StorageError> {
    Ok(OobCandidate {
        authenticator: challenge.text("authenticator_id")?.to_owned(),
        kind: Kind::parse(challenge.text("channel")?).ok_or(StorageError::UnexpectedShape("channel"))?,
        sealed: authenticator.text("sealed")?.to_owned(),
        code_hash: challenge.text("code_hash")?.to_owned(),
        delivery: challenge.optional_text("delivery_id")?.map(str::to_owned),
    })
}

fn charged_failure(row: &Row) -> Result<ChargedFailure, StorageError> {
    Ok(ChargedFailure {
        authenticator: row.text("id")?.to_owned(),
        kind: Kind::parse(row.text("kind")?).ok_or(StorageError::UnexpectedShape("kind"))?,
        failures: row.integer("failures")?,
    })
}

fn oob_candidate(row: &Row) -> Result<OobCandidate, StorageError> {
    Ok(OobCandidate {
        authenticator: row.text("id")?.to_owned(),
        kind: Kind::parse(row.text("kind")?).ok_or(StorageError::UnexpectedShape("kind"))?,
        sealed: row.text("sealed")?.to_owned(),
        code_hash: row.text("code_hash")?.to_owned(),
        delivery: row.optional_text("delivery_id")?.map(str::to_owned),
    })
}

fn recovery_candidate(row: &Row) -> Result<RecoveryCandidate, StorageError> {
    Ok(RecoveryCandidate { hash: row.text("hash")?.to_owned(), independent: row.flag("independent")? })
}
