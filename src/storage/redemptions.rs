//! Exchanging a code: one round trip that charges a guess and returns what it is to be compared with, one that
//! consumes what matched.
//!
//! ```text
//!   charge + read ──► compare in the Worker ──► consume + give the charge back
//!   (never aborts)    (wrong: the charge stays)  (one winner: the row in `redemptions`)
//! ```
//!
//! Every statement of the second batch but the first is guarded by "this request's row stands in `redemptions`", so
//! that of any number of requests with one code exactly one changes anything.

use super::notices::{self, NewNotice};
use super::statements;
use crate::app::App;
use crate::json::{Json, object};
use crate::mfa::budget::{Budget, GUESSES, RECOVERY_GUESSES, Refusal};
use crate::mfa::factor::Kind;
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
    /// The bucket is empty.
    NoGuessLeft(Refusal),
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

/// Charges a guess and reads the user's authenticator apps: the active ones first (none of them for an access
/// token), then those that this client may confirm.
pub async fn try_totp<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
) -> Result<Tried<Vec<TotpCandidate>>, StorageError> {
    let charge = Charge::OneTimePassword;
    let key = charge.key(attempt.user);
    let user = attempt.user.as_str();
    let mut batch = attempt.charge(&key, charge);
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
    let results = pay(app, attempt, charge, batch).await?;
    attempt.paid(&results, charge, || {
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
    let charge = Charge::EnrollmentCode(enrollment);
    let key = charge.key(attempt.user);
    let mut batch = attempt.charge(&key, charge);
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
    let results = pay(app, attempt, charge, batch).await?;
    attempt.paid(&results, charge, || {
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
    let charge = Charge::ChallengeCode(challenge);
    let key = charge.key(attempt.user);
    let user = Value::from(attempt.user.as_str());
    let mut batch = attempt.charge(&key, charge);
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
    let results = pay(app, attempt, charge, batch).await?;
    attempt.paid(&results, charge, || {
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
    let charge = Charge::RecoveryCode;
    let key = charge.key(attempt.user);
    let mut batch = attempt.charge(&key, charge);
    batch.push(Statement {
        sql: statements::TRY_RECOVERY_CODE,
        parameters: vec![attempt.user.as_str().into(), key.into(), attempt.id.into()],
    });
    let results = pay(app, attempt, charge, batch).await?;
    attempt.paid(&results, charge, || rows(&results, 2).first().map(recovery_candidate).transpose())
}

/// What matched, and what it is to become.
#[derive(Debug)]
pub enum Redeemed<'a> {
    /// A code of an active authenticator app.
    Totp {
        /// The authenticator.
        authenticator: &'a str,
        /// The time step of the code.
        step: i64,
        /// The secret under the present key, if it was sealed with an older one.
        resealed: Option<String>,
    },
    /// The code of a challenge.
    Challenge {
        /// The challenge.
        challenge: &'a str,
        /// The authenticator that it was for.
        authenticator: &'a str,
        /// The address under the present key, if it was sealed with an older one.
        resealed: Option<String>,
        /// The address' keyed hash under the present key.
        address_index: Option<String>,
        /// The delivery that the code came with.
        delivery: Option<&'a str>,
    },
    /// The first code of an enrollment.
    Enrollment {
        /// The enrollment.
        enrollment: &'a str,
        /// Its kind.
        kind: Kind,
        /// The time step of the code; 0 for others than apps.
        step: i64,
        /// The secret or address under the present key, if it was sealed with an older one.
        resealed: Option<String>,
        /// The address' keyed hashes, one for each key, the present one first. Empty for apps.
        address_indexes: Vec<String>,
        /// The delivery that the code came with, if it came with one.
        delivery: Option<&'a str>,
    },
    /// The recovery code.
    RecoveryCode {
        /// The hash that it matched.
        matched: &'a str,
        /// The next code's hash.
        next: String,
    },
}

/// Which of several requests with one code this one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The one that counts.
    Won {
        /// The deliveries of its notice that this run has put into the outbox.
        announced: Vec<String>,
    },
    /// The mfa_token was exchanged by another.
    Spent,
    /// The client's row has changed.
    ClientChanged,
    /// The code was used by another, or what it belonged to has gone.
    Lost,
}

/// Consumes what matched. `expires_at` is when the token that is spent dies by itself.
///
/// On a storage error the batch is run once more, since its answer may have been lost after it was committed. The
/// second run goes by a name of its own: had the first been committed, no statement of the second acts, and the state
/// at its end tells that the first has won. When that fails as well the charge is given back.
pub async fn redeem<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    redeemed: &Redeemed<'_>,
    notice: Option<&NewNotice>,
    expires_at: UnixSeconds,
) -> Result<Outcome, StorageError> {
    let run = |run| app.platform.batch(attempt.redemption(run, redeemed, notice, expires_at));
    let results = match run(Run::First).await {
        Ok(results) => results,
        Err(_) => match run(Run::Second).await {
            Ok(results) => results,
            Err(error) => {
                give_back(app, attempt, redeemed.charge(), true, Some(redeemed.spent(attempt))).await;
                return Err(error);
            }
        },
    };
    let row = results.last().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("won"))?;
    Ok(if row.flag("won")? {
        // Behind the notice's statement come its own, and the state.
        let announced = notice.and_then(|notice| {
            results.len().checked_sub(notice.behind().saturating_add(2)).and_then(|index| results.get(index))
        });
        Outcome::Won { announced: notices::announced(announced)? }
    } else if row.flag("spent")? {
        Outcome::Spent
    } else if row.flag("client_current")? {
        Outcome::Lost
    } else {
        Outcome::ClientChanged
    })
}

/// A redemption's batch is run at most twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    First,
    Second,
}

/// What a guess is charged to: one of the user's two buckets, and a failure of the authenticators that it was tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge<'a> {
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

impl Charge<'_> {
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
pub async fn refund<P: Platform>(app: &App<P>, attempt: &Attempt<'_>, charge: Charge<'_>) {
    give_back(app, attempt, charge, true, None).await;
}

/// Runs a first batch. When it fails, whether it was committed is unknown, and so is the charge.
async fn pay<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    charge: Charge<'_>,
    batch: Vec<Statement>,
) -> Result<Vec<Vec<Row>>, StorageError> {
    match app.platform.batch(batch).await {
        Ok(results) => Ok(results),
        Err(error) => {
            give_back(app, attempt, charge, false, None).await;
            Err(error)
        }
    }
}

/// `spent` is what a redemption that may have gone through after all has spent.
async fn give_back<P: Platform>(
    app: &App<P>,
    attempt: &Attempt<'_>,
    charge: Charge<'_>,
    certain: bool,
    spent: Option<String>,
) {
    let key = Value::from(charge.key(attempt.user));
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
    let mut batch = match charge {
        Charge::OneTimePassword if attempt.transaction.is_some() => {
            vec![Statement { sql: statements::REFUND_TOTP_FAILURES, parameters: of_attempt(user_and_key) }]
        }
        Charge::EnrollmentCode(enrollment) => vec![of_code(statements::REFUND_PENDING_OOB, enrollment)],
        Charge::ChallengeCode(challenge) => vec![
            of_code(statements::REFUND_CHALLENGED, challenge),
            of_code(statements::REFUND_CHALLENGE, challenge),
        ],
        Charge::OneTimePassword | Charge::RecoveryCode => Vec::new(),
    };
    batch.push(Statement {
        sql: statements::REFUND_GUESS,
        parameters: of_attempt(vec![key, charge.budget().interval.into()]),
    });
    if let Err(error) = app.platform.batch(batch).await {
        app.platform.log(object! { "event": "refund_failed", "error": format!("{error:?}") });
    }
}

impl Redeemed<'_> {
    /// What the code was charged to before it was compared.
    #[must_use]
    pub const fn charge(&self) -> Charge<'_> {
        match self {
            Self::Totp { .. } | Self::Enrollment { kind: Kind::Totp, .. } => Charge::OneTimePassword,
            Self::Challenge { challenge, .. } => Charge::ChallengeCode(challenge),
            Self::Enrollment { enrollment, .. } => Charge::EnrollmentCode(enrollment),
            Self::RecoveryCode { .. } => Charge::RecoveryCode,
        }
    }

    /// The delivery that the code came with.
    const fn delivery(&self) -> Option<&str> {
        match self {
            Self::Enrollment { delivery, .. } | Self::Challenge { delivery, .. } => *delivery,
            Self::Totp { .. } | Self::RecoveryCode { .. } => None,
        }
    }

    /// An access token is not spent by confirming, so there the enrollment is what can be redeemed once.
    fn spent(&self, attempt: &Attempt<'_>) -> String {
        match (attempt.transaction, self) {
            (Some(transaction), _) => transaction.as_str().to_owned(),
            (
                None,
                Self::Enrollment { enrollment: id, .. }
                | Self::Challenge { challenge: id, .. }
                | Self::Totp { authenticator: id, .. },
            ) => (*id).to_owned(),
            (None, Self::RecoveryCode { matched, .. }) => (*matched).to_owned(),
        }
    }
}

impl Attempt<'_> {
    /// The two statements at the head of every first batch.
    fn charge(&self, key: &str, charge: Charge<'_>) -> Vec<Statement> {
        let budget = charge.budget();
        let client = Value::from(self.client.id.as_str());
        let version = Value::from(self.client.version);
        let transaction = Value::from(self.transaction.map(TransactionId::as_str));
        vec![
            Statement {
                sql: statements::CHARGE_GUESS,
                parameters: vec![
                    key.into(),
                    self.id.into(),
                    self.now.into(),
                    budget.interval.into(),
                    budget.latest_with_room(self.now).into(),
                    client.clone(),
                    version.clone(),
                    transaction.clone(),
                ],
            },
            Statement {
                sql: statements::GUESS_STATE,
                parameters: vec![key.into(), client, version, transaction],
            },
        ]
    }

    /// Whether the charge was taken; if so, what `read` makes of the rest.
    fn paid<T>(
        &self,
        results: &[Vec<Row>],
        charge: Charge<'_>,
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
        let full_at = row.optional_integer("full_at")?.map_or(self.now, UnixSeconds);
        Ok(Tried::NoGuessLeft(charge.budget().refusal(self.now, full_at)))
    }

    /// The name by which a run of the redemption stands in the database.
    fn redemption_id(&self, run: Run) -> String {
        match run {
            Run::First => self.id.to_owned(),
            Run::Second => format!("{}+", self.id),
        }
    }

    fn redemption(
        &self,
        run: Run,
        redeemed: &Redeemed<'_>,
        notice: Option<&NewNotice>,
        expires_at: UnixSeconds,
    ) -> Vec<Statement> {
        let spent = Value::from(redeemed.spent(self));
        let id = Value::from(self.redemption_id(run));
        let own = |parameters: Vec<Value>| {
            let mut all = vec![spent.clone(), id.clone()];
            all.extend(parameters);
            all
        };
        let client = Value::from(self.client.id.as_str());
        let version = Value::from(self.client.version);
        let user = Value::from(self.user.as_str());
        let now = Value::from(self.now);
        let mut batch = match redeemed {
            Redeemed::Totp { authenticator, step, resealed } => vec![
                Statement {
                    sql: statements::REDEEM_TOTP,
                    parameters: own(vec![
                        expires_at.into(),
                        client.clone(),
                        version.clone(),
                        (*authenticator).into(),
                        user.clone(),
                        (*step).into(),
                    ]),
                },
                Statement {
                    sql: statements::USE_TOTP,
                    parameters: own(vec![
                        (*authenticator).into(),
                        user.clone(),
                        (*step).into(),
                        now,
                        resealed.clone().into(),
                    ]),
                },
            ],
            Redeemed::Challenge { challenge, authenticator, resealed, address_index, .. } => vec![
                Statement {
                    sql: statements::REDEEM_CHALLENGE,
                    parameters: own(vec![
                        expires_at.into(),
                        client.clone(),
                        version.clone(),
                        (*challenge).into(),
                        user.clone(),
                        now.clone(),
                    ]),
                },
                Statement {
                    sql: statements::USE_CHALLENGED,
                    parameters: own(vec![
                        (*authenticator).into(),
                        user.clone(),
                        now,
                        resealed.clone().into(),
                        address_index.clone().into(),
                    ]),
                },
                Statement {
                    sql: statements::REMOVE_CHALLENGE,
                    parameters: own(vec![(*challenge).into(), user]),
                },
            ],
            Redeemed::Enrollment { enrollment, kind, step, resealed, address_indexes, .. } => {
                let enrollment = Value::from(*enrollment);
                let indexes = Value::from(Json::from(address_indexes.as_slice()).write());
                // A phone number is one authenticator, whichever of its two channels it was enrolled by.
                let kinds = match kind {
                    Kind::Sms | Kind::Voice => r#"["sms","voice"]"#.to_owned(),
                    Kind::Totp | Kind::Email => Json::from([kind.as_str()]).write(),
                };
                let mut confirmation = vec![
                    Statement {
                        sql: statements::REDEEM_ENROLLMENT,
                        parameters: own(vec![
                            expires_at.into(),
                            client.clone(),
                            version.clone(),
                            enrollment.clone(),
                            user.clone(),
                            now.clone(),
                            indexes.clone(),
                            kinds.as_str().into(),
                        ]),
                    },
                    Statement {
                        sql: statements::RETIRE_PARKED_RECOVERY_CODE,
                        parameters: own(vec![enrollment.clone(), user.clone()]),
                    },
                    Statement {
                        sql: statements::ACTIVATE_RECOVERY_CODE,
                        parameters: own(vec![enrollment.clone(), user.clone()]),
                    },
                    Statement {
                        sql: statements::VOID_OTHER_ENROLLMENTS,
                        parameters: own(vec![enrollment.clone(), user.clone()]),
                    },
                    Statement {
                        sql: statements::RETIRE_REPLACED,
                        parameters: own(vec![user.clone(), kinds.into(), indexes]),
                    },
                    Statement {
                        sql: statements::ACTIVATE,
                        parameters: own(vec![
                            enrollment.clone(),
                            now,
                            (*step).into(),
                            resealed.clone().into(),
                            address_indexes.first().map(String::as_str).into(),
                            user.clone(),
                        ]),
                    },
                    Statement {
                        sql: statements::REMOVE_ENROLLMENT,
                        parameters: own(vec![enrollment, user.clone()]),
                    },
                ];
                // Only a login's one-time password was tried on the active apps as well.
                if *kind == Kind::Totp && self.transaction.is_some() {
                    confirmation.push(Statement {
                        sql: statements::REFUND_WINNER_TOTP_FAILURES,
                        parameters: own(vec![user]),
                    });
                }
                confirmation
            }
            Redeemed::RecoveryCode { matched, next } => vec![
                Statement {
                    sql: statements::REDEEM_RECOVERY_CODE,
                    parameters: own(vec![
                        expires_at.into(),
                        client.clone(),
                        version.clone(),
                        user.clone(),
                        (*matched).into(),
                    ]),
                },
                Statement {
                    sql: statements::ROTATE_RECOVERY_CODE,
                    parameters: own(vec![user, next.as_str().into()]),
                },
            ],
        };
        let charge = redeemed.charge();
        if let Some(delivery) = redeemed.delivery() {
            // In this order: the charges are forgotten with the second.
            batch.push(Statement { sql: statements::RETURN_CHARGES, parameters: own(vec![delivery.into()]) });
            batch.push(Statement {
                sql: statements::VERIFY_DELIVERY,
                parameters: own(vec![delivery.into(), self.now.into()]),
            });
        }
        batch.push(Statement {
            sql: statements::REFUND_WINNER,
            parameters: own(vec![charge.key(self.user).into(), charge.budget().interval.into()]),
        });
        batch.extend(notice.into_iter().flat_map(|notice| notice.of_redemption(&spent, &id)));
        batch.push(Statement {
            sql: statements::REDEMPTION_STATE,
            parameters: own(vec![client, version, self.redemption_id(Run::First).into()]),
        });
        batch
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
