//! Redeeming a code that was right: the second of two round trips.
//!
//! ```text
//!   charge + read ──► compare in the Worker ──► consume + give the charge back
//!   (`guesses`)       (wrong: the charge stays)  (one winner: the row in `redemptions`)
//! ```
//!
//! Every statement of this batch but the first is guarded by "this request's row stands in `redemptions`", so that of
//! any number of requests with one code exactly one changes anything.

use super::guesses::{Attempt, Charge, Run, give_back};
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
    pub const fn charge(&self) -> Charge<'_> {
        match self {
            Self::Totp { .. } | Self::Enrollment { kind: Kind::Totp, .. } => Charge::OneTimePassword,
            Self::Challenge { challenge, .. } => Charge::ChallengeCode(challenge),
            Self::Enrollment { enrollment, .. } => Charge::EnrollmentCode(enrollment),
            Self::RecoveryCode { .. } => Charge::RecoveryCode,
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

impl Attempt<'_> {
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
            parameters: own(vec![self.budgets(redeemed.charge())]),
        });
        batch.extend(notice.into_iter().flat_map(|notice| notice.of_redemption(&spent, &id)));
        batch.push(Statement {
            sql: statements::REDEMPTION_STATE,
            parameters: own(vec![
                client,
                version,
                self.redemption_id(Run::First).into(),
                self.user.as_str().into(),
                redeemed.enrollment().into(),
            ]),
        });
        batch
    }
}
