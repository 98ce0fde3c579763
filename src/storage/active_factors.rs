//! What stands behind a user at the moment when tokens are asked for.

use super::challenges::login_state;
use super::statements;
use crate::app::App;
use crate::mfa::factor::Kind;
use crate::mfa::policy::ActiveFactor;
use crate::platform::{Platform, Row, Statement, StorageError};
use crate::storage::clients::Client;
use crate::types::UserId;

/// Active factors of a user, disabled ones included, and whether there is a recovery code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveFactors {
    /// The factors.
    pub factors: Vec<ActiveFactor>,
    /// Whether a recovery code is in force.
    pub has_recovery_code: bool,
}

impl ActiveFactors {
    /// Whether the user counts as enrolled: has an independent factor, usable or not.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        self.factors.iter().any(|factor| factor.kind.is_independent())
    }
}

/// Reads them from the primary database: who has just enrolled must not get in without. `None` when the client's row
/// has changed.
pub async fn read<P: Platform>(
    app: &App<P>,
    user: &UserId,
    client: &Client,
) -> Result<Option<ActiveFactors>, StorageError> {
    let batch = vec![
        login_state(Some(client), None),
        Statement { sql: statements::ACTIVE_FACTORS, parameters: vec![user.as_str().into()] },
    ];
    let results = app.platform.batch(batch).await?;
    let state =
        results.first().and_then(|rows| rows.first()).ok_or(StorageError::UnexpectedShape("state"))?;
    if !state.flag("client_current")? {
        return Ok(None);
    }
    let mut active = ActiveFactors { factors: Vec::new(), has_recovery_code: false };
    for row in results.get(1).into_iter().flatten() {
        match row.text("kind")? {
            "recovery-code" => active.has_recovery_code = true,
            _ => active.factors.push(factor(row)?),
        }
    }
    Ok(Some(active))
}

fn factor(row: &Row) -> Result<ActiveFactor, StorageError> {
    Ok(ActiveFactor {
        kind: Kind::parse(row.text("kind")?).ok_or(StorageError::UnexpectedShape("kind"))?,
        disabled: row.flag("disabled")?,
    })
}
