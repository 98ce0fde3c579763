//! Redeeming a code that was right: the second of two round trips.
//!
//! ```text
//!   charge + read ──► compare in the Worker ──► consume + give the charge back
//!   (`guesses`)       (wrong: the charge stays)  (one winner: the row in `redemptions`)
//! ```
//!
//! Every statement of this batch but the first is guarded by "this request's row stands in `redemptions`", so that of
//! any number of requests with one code exactly one changes anything.

use super::guesses::{Attempt, Charged, Guess, Run, give_back};
use super::notices::{self, NewNotice};
use super::statements;
use crate::app::App;
use crate::json::Json;
use crate::mfa::factor::Kind;
use crate::platform::{Platform, Statement, StorageError, Value};
use crate::types::UnixSeconds;

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
    /// The user has so many authenticators that the enrollment waits until one is removed.
    Full,
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
    let run = |run| app.platform.batch(Redemption::new(attempt, run, redeemed, expires_at).batch(notice));
    let results = match run(Run::First).await {
        Ok(results) => results,
        Err(_) => match run(Run::Second).await {
            Ok(results) => results,
            Err(error) => {
                let charge = Charged::MaybeRedeemed { spent: redeemed.spent(attempt) };
                give_back(app, attempt, redeemed.guess(), charge).await;
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
        // Of an access token the enrollment is what is spent: another request has confirmed it.
        if attempt.transaction.is_some() { Outcome::Spent } else { Outcome::Lost }
    } else if !row.flag("client_current")? {
        Outcome::ClientChanged
    } else if row.flag("is_full")? {
        Outcome::Full
    } else {
        Outcome::Lost
    })
}

impl Redeemed<'_> {
    /// What the code was charged to before it was compared.
    #[must_use]
    pub const fn guess(&self) -> Guess<'_> {
        match self {
            Self::Totp { .. } | Self::Enrollment { kind: Kind::Totp, .. } => Guess::OneTimePassword,
            Self::Challenge { challenge, .. } => Guess::ChallengeCode(challenge),
            Self::Enrollment { enrollment, .. } => Guess::EnrollmentCode(enrollment),
            Self::RecoveryCode { .. } => Guess::RecoveryCode,
        }
    }

    /// The enrollment that the code is of.
    const fn enrollment(&self) -> Option<&str> {
        match self {
            Self::Enrollment { enrollment, .. } => Some(*enrollment),
            Self::Totp { .. } | Self::Challenge { .. } | Self::RecoveryCode { .. } => None,
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

/// One run of a redemption's batch.
struct Redemption<'a> {
    attempt: &'a Attempt<'a>,
    redeemed: &'a Redeemed<'a>,
    /// What is spent.
    spent: Value,
    /// The name of this run.
    id: Value,
    /// When what is spent dies by itself.
    expires_at: UnixSeconds,
}

impl<'a> Redemption<'a> {
    fn new(attempt: &'a Attempt<'a>, run: Run, redeemed: &'a Redeemed<'a>, expires_at: UnixSeconds) -> Self {
        let (spent, id) = (redeemed.spent(attempt).into(), attempt.redemption_id(run).into());
        Self { attempt, redeemed, spent, id, expires_at }
    }

    /// The statement that spends, on which all others hang.
    fn spends(&self, sql: &'static str, parameters: Vec<Value>) -> Statement {
        let client = self.attempt.client;
        let mut all = vec![self.expires_at.into(), client.id.as_str().into(), client.version.into()];
        all.extend(parameters);
        self.acts(sql, all)
    }

    /// A statement that acts only if this run has spent.
    fn acts(&self, sql: &'static str, parameters: Vec<Value>) -> Statement {
        let mut all = vec![self.spent.clone(), self.id.clone()];
        all.extend(parameters);
        Statement { sql, parameters: all }
    }

    fn user(&self) -> Value {
        self.attempt.user.as_str().into()
    }

    fn now(&self) -> Value {
        self.attempt.now.into()
    }

    fn batch(&self, notice: Option<&NewNotice>) -> Vec<Statement> {
        let redeemed = self.redeemed;
        let mut batch = match redeemed {
            Redeemed::Totp { authenticator, step, resealed } => {
                self.totp(authenticator, *step, resealed.clone())
            }
            Redeemed::Challenge { challenge, authenticator, resealed, address_index, .. } => {
                self.challenge(challenge, authenticator, resealed.clone(), address_index.clone())
            }
            Redeemed::Enrollment { enrollment, kind, step, resealed, address_indexes, .. } => {
                self.enrollment(enrollment, *kind, *step, resealed.clone(), address_indexes)
            }
            Redeemed::RecoveryCode { matched, next } => self.recovery_code(matched, next),
        };
        if let Some(delivery) = redeemed.delivery() {
            // In this order: the charges are forgotten with the second.
            batch.push(self.acts(statements::RETURN_CHARGES, vec![delivery.into()]));
            batch.push(self.acts(statements::VERIFY_DELIVERY, vec![delivery.into(), self.now()]));
        }
        batch.push(self.acts(statements::REFUND_WINNER, vec![self.attempt.budgets(redeemed.guess())]));
        batch.extend(notice.into_iter().flat_map(|notice| notice.of_redemption(&self.spent, &self.id)));
        batch.push(self.state());
        batch
    }

    fn totp(&self, authenticator: &str, step: i64, resealed: Option<String>) -> Vec<Statement> {
        let authenticator = Value::from(authenticator);
        vec![
            self.spends(statements::REDEEM_TOTP, vec![authenticator.clone(), self.user(), step.into()]),
            self.acts(
                statements::USE_TOTP,
                vec![authenticator, self.user(), step.into(), self.now(), resealed.into()],
            ),
        ]
    }

    fn challenge(
        &self,
        challenge: &str,
        authenticator: &str,
        resealed: Option<String>,
        address_index: Option<String>,
    ) -> Vec<Statement> {
        vec![
            self.spends(statements::REDEEM_CHALLENGE, vec![challenge.into(), self.user(), self.now()]),
            self.acts(
                statements::USE_CHALLENGED,
                vec![authenticator.into(), self.user(), self.now(), resealed.into(), address_index.into()],
            ),
            self.acts(statements::REMOVE_CHALLENGE, vec![challenge.into(), self.user()]),
        ]
    }

    fn enrollment(
        &self,
        enrollment: &str,
        kind: Kind,
        step: i64,
        resealed: Option<String>,
        address_indexes: &[String],
    ) -> Vec<Statement> {
        let indexes = Value::from(Json::from(address_indexes).write());
        // A phone number is one authenticator, whichever of its two channels it was enrolled by.
        let kinds = Value::from(match kind {
            Kind::Sms | Kind::Voice => r#"["sms","voice"]"#.to_owned(),
            Kind::Totp | Kind::Email => Json::from([kind.as_str()]).write(),
        });
        let of_user = || vec![enrollment.into(), self.user()];
        let mut batch = vec![
            self.spends(
                statements::REDEEM_ENROLLMENT,
                vec![enrollment.into(), self.user(), self.now(), indexes.clone(), kinds.clone()],
            ),
            self.acts(statements::RETIRE_PARKED_RECOVERY_CODE, of_user()),
            self.acts(statements::ACTIVATE_RECOVERY_CODE, of_user()),
            self.acts(
                statements::VOID_OTHER_ENROLLMENTS,
                vec![enrollment.into(), self.user(), kinds.clone(), indexes.clone()],
            ),
            self.acts(statements::RETIRE_REPLACED, vec![self.user(), kinds, indexes]),
            self.acts(
                statements::ACTIVATE,
                vec![
                    enrollment.into(),
                    self.now(),
                    step.into(),
                    resealed.into(),
                    address_indexes.first().map(String::as_str).into(),
                    self.user(),
                ],
            ),
            self.acts(statements::REMOVE_ENROLLMENT, of_user()),
        ];
        // Only a login's one-time password was tried on the active apps as well.
        if kind == Kind::Totp && self.attempt.transaction.is_some() {
            batch.push(self.acts(statements::REFUND_WINNER_TOTP_FAILURES, vec![self.user()]));
        }
        batch
    }

    fn recovery_code(&self, matched: &str, next: &str) -> Vec<Statement> {
        vec![
            self.spends(statements::REDEEM_RECOVERY_CODE, vec![self.user(), matched.into()]),
            self.acts(statements::ROTATE_RECOVERY_CODE, vec![self.user(), next.into()]),
        ]
    }

    fn state(&self) -> Statement {
        let client = self.attempt.client;
        self.acts(
            statements::REDEMPTION_STATE,
            vec![
                client.id.as_str().into(),
                client.version.into(),
                self.attempt.redemption_id(Run::First).into(),
                self.user(),
                self.redeemed.enrollment().into(),
            ],
        )
    }
}
