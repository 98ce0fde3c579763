//! The client registry as requests see it: rows of `clients`, remembered by the isolate for 60 seconds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::statements;
use crate::app::App;
use crate::json::{self, Json};
use crate::mfa::factor::Factors;
use crate::mfa::policy::Policy;
use crate::platform::{Platform, Row, Statement, StorageError};
use crate::types::{ClientId, GrantType, Scopes, UnixSeconds};

/// A remembered row is used this long. It may be outdated; the version guard in each batch finds out.
const REMEMBERED_SECONDS: i64 = 60;
/// More clients than this are not remembered at once.
const REMEMBERED_CLIENTS: usize = 1000;

/// A registered client.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Raised by every change of the row. Batches carry it as a guard, so that rotation and removal act at once.
    pub version: i64,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
    /// Names of the issuers whose tokens may name it; empty means every trusted issuer.
    pub issuers: Vec<String>,
    /// What its tokens may be for, the default first.
    pub audiences: Vec<RegisteredAudience>,
    /// Whether it must authenticate where SDKs usually leave that out (associate without `client_id`).
    pub require_authentication: bool,
    /// The host of its first page, if it has pages: where codes are typed in.
    pub domain: Option<String>,
    /// Short names of the grants that it may use; empty means all.
    pub grants: Vec<String>,
    /// Names of the factors that its people may enroll and use, as `FACTORS` has them; empty means all that are on.
    pub factors: Vec<String>,
    /// When a second factor is demanded of its people, if otherwise than by `POLICY`.
    pub policy: Option<Policy>,
}

/// How a client proves who it is (RFC 6749 section 2.3, RFC 7523).
#[derive(Debug, Clone, PartialEq)]
pub enum ClientAuthentication {
    /// A public client: its id is all there is.
    None,
    /// A secret, by Post or Basic. Lower-case hexadecimal SHA-256 of each that is valid.
    Secret {
        /// The present secret's hash.
        hash: String,
        /// The one before, until the given time.
        previous: Option<(String, UnixSeconds)>,
    },
    /// `private_key_jwt`.
    Assertion(AssertionKeys),
}

/// Where the public keys of a `private_key_jwt` client come from.
#[derive(Debug, Clone, PartialEq)]
pub enum AssertionKeys {
    /// A registered JWK Set, as JSON text.
    Registered(String),
    /// An address to fetch it from.
    Uri(String),
}

/// An audience that a client's tokens may be for, with the scopes they may carry there.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredAudience {
    /// The API's identifier.
    pub audience: String,
    /// What may be asked for; OpenID Connect's own scopes need no registration.
    pub scopes: Scopes,
}

/// What this isolate has read of the registry, each with when. Lists: looking through a thousand clients takes some
/// microseconds, and few registries have ten.
#[derive(Default)]
pub struct ClientCache {
    rows: RefCell<Vec<(Rc<Client>, UnixSeconds)>>,
    /// Clients whose row a guard has found outdated: the nearest copy of the database may not have heard of the new one.
    doubted: RefCell<Vec<ClientId>>,
    /// How often a guard has found any of them outdated: what was being read meanwhile may be the row from before.
    outdated: Cell<u64>,
    origins: RefCell<Option<(Rc<Vec<String>>, UnixSeconds)>>,
}

/// The client with this id, from the isolate's memory or the database: from its nearest copy, unless a guard has found
/// that outdated, or it knows of none.
pub async fn find<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    id: &ClientId,
) -> Result<Option<Rc<Client>>, StorageError> {
    if let Some(client) = app.isolate.clients.remembered(id, now) {
        return Ok(Some(client));
    }
    let statement = || Statement { sql: statements::FIND_CLIENT, parameters: vec![id.as_str().into()] };
    let clients = &app.isolate.clients;
    // A copy that cannot answer is one that does not know.
    if !clients.doubts(id)
        && let Ok(rows) = app.platform.read_nearby(statement()).await
        && let Some(row) = rows.first()
    {
        let client = Rc::new(Client::from_row(row)?);
        // Somebody may have found it outdated in the meantime, or read a newer one already.
        if !clients.doubts(id) && clients.remembered(id, now).is_none() {
            clients.remember(client.clone(), now);
        }
        return Ok(Some(client));
    }
    let outdated = clients.outdated.get();
    let results = app.platform.batch(vec![statement()]).await?;
    let Some(row) = results.first().and_then(|rows| rows.first()) else {
        // Absence is not remembered: whoever makes up ids should not fill the memory.
        return Ok(None);
    };
    let client = Rc::new(Client::from_row(row)?);
    if clients.outdated.get() == outdated {
        clients.trust(id);
        clients.remember(client.clone(), now);
    }
    Ok(Some(client))
}

/// The origins of all clients: a preflight says neither which client nor whose token it is about.
pub async fn origins<P: Platform>(app: &App<P>, now: UnixSeconds) -> Result<Rc<Vec<String>>, StorageError> {
    if let Some((origins, read_at)) = &*app.isolate.clients.origins.borrow()
        && is_fresh(*read_at, now)
    {
        return Ok(origins.clone());
    }
    let statement = || Statement { sql: statements::ALL_ORIGINS, parameters: Vec::new() };
    // What is remembered for a minute may as well be a little older.
    let rows = match app.platform.read_nearby(statement()).await {
        Ok(rows) => rows,
        Err(_) => app.platform.batch(vec![statement()]).await?.into_iter().next().unwrap_or_default(),
    };
    let origins =
        rows.iter().map(|row| row.text("origin").map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    let origins = Rc::new(origins);
    *app.isolate.clients.origins.borrow_mut() = Some((origins.clone(), now));
    Ok(origins)
}

impl ClientCache {
    /// Drops a row that a version guard has found outdated, or that has let nobody in: the next is read where the guards
    /// are.
    pub fn forget(&self, id: &ClientId) {
        self.outdated.set(self.outdated.get().wrapping_add(1));
        self.drop_row(id);
        if !self.doubts(id) {
            let mut doubted = self.doubted.borrow_mut();
            if doubted.len() >= REMEMBERED_CLIENTS {
                doubted.clear();
            }
            doubted.push(id.clone());
        }
    }

    fn trust(&self, id: &ClientId) {
        self.doubted.borrow_mut().retain(|doubted| doubted != id);
    }

    fn doubts(&self, id: &ClientId) -> bool {
        self.doubted.borrow().contains(id)
    }

    fn drop_row(&self, id: &ClientId) {
        self.rows.borrow_mut().retain(|(client, _)| client.id != *id);
    }

    pub(crate) fn remembered(&self, id: &ClientId, now: UnixSeconds) -> Option<Rc<Client>> {
        let rows = self.rows.borrow();
        let (client, read_at) = rows.iter().find(|(client, _)| client.id == *id)?;
        is_fresh(*read_at, now).then(|| client.clone())
    }

    fn remember(&self, client: Rc<Client>, now: UnixSeconds) {
        self.drop_row(&client.id);
        let mut rows = self.rows.borrow_mut();
        if rows.len() >= REMEMBERED_CLIENTS {
            rows.clear();
        }
        rows.push((client, now));
    }
}

/// Also false when the clock stands before the reading.
fn is_fresh(read_at: UnixSeconds, now: UnixSeconds) -> bool {
    (0..REMEMBERED_SECONDS).contains(&now.since(read_at))
}

impl Client {
    /// Reads a row of [`statements::FIND_CLIENT`].
    pub fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: ClientId(row.text("id")?.to_owned()),
            version: row.integer("version")?,
            authentication: ClientAuthentication::from_row(row)?,
            issuers: list(row, "issuers", |issuer| issuer.as_text().map(str::to_owned))?,
            audiences: list(row, "audiences", RegisteredAudience::read)?,
            require_authentication: row.flag("require_authentication")?,
            domain: list(row, "origins", |origin| origin.as_text().map(str::to_owned))?
                .iter()
                .find_map(|origin| origin.strip_prefix("https://"))
                .map(host),
            grants: list(row, "grants", |grant| grant.as_text().map(str::to_owned))?,
            factors: list(row, "factors", |factor| factor.as_text().map(str::to_owned))?,
            policy: match row.optional_text("policy")? {
                None => None,
                written => Some(Policy::parse(written).map_err(|_| StorageError::UnexpectedShape("policy"))?),
            },
        })
    }

    /// Whether it may use a grant.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.is_empty() || self.grants.iter().any(|own| own == grant.short_name())
    }

    /// Its own policy, or the deployment's.
    #[must_use]
    pub fn policy<'a>(&'a self, of_all: &'a Policy) -> &'a Policy {
        self.policy.as_ref().unwrap_or(of_all)
    }

    /// Of the factors that are on, those that it may use: allowed for it, and redeemed by a grant that is.
    #[must_use]
    pub fn factors(&self, on: &Factors) -> Factors {
        let mut factors = on.narrowed_to(&self.factors);
        factors.otp &= self.may_use(GrantType::MfaOtp);
        factors.recovery_code &= self.may_use(GrantType::MfaRecoveryCode);
        if !self.may_use(GrantType::MfaOob) {
            (factors.sms, factors.voice, factors.email) = (None, None, None);
        }
        factors
    }

    /// Whether tokens of the issuer called `name` may name this client.
    #[must_use]
    pub fn accepts_issuer(&self, name: &str) -> bool {
        self.issuers.is_empty() || self.issuers.iter().any(|own| own == name)
    }

    /// Whether anybody may say that they are this client.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.authentication == ClientAuthentication::None
    }
}

impl ClientAuthentication {
    fn from_row(row: &Row) -> Result<Self, StorageError> {
        match row.text("authentication")? {
            "none" => Ok(Self::None),
            "post" | "basic" => {
                let previous = row.optional_text("previous_secret_hash")?;
                let until = row.optional_integer("previous_secret_expires_at")?;
                Ok(Self::Secret {
                    hash: row.text("secret_hash")?.to_owned(),
                    previous: previous.zip(until).map(|(hash, until)| (hash.to_owned(), UnixSeconds(until))),
                })
            }
            "private_key_jwt" => match (row.optional_text("jwks")?, row.optional_text("jwks_uri")?) {
                (Some(jwks), _) => Ok(Self::Assertion(AssertionKeys::Registered(jwks.to_owned()))),
                (None, Some(uri)) => Ok(Self::Assertion(AssertionKeys::Uri(uri.to_owned()))),
                (None, None) => Err(StorageError::UnexpectedShape("jwks")),
            },
            _ => Err(StorageError::UnexpectedShape("authentication")),
        }
    }
}

impl RegisteredAudience {
    /// Reads an element of the column `audiences`.
    fn read(written: &Json<'_>) -> Option<Self> {
        let scopes = match written.member("scopes") {
            None => Scopes::default(),
            Some(scopes) => scopes.as_texts()?.into_iter().collect(),
        };
        Some(Self { audience: written.text("audience")?.to_owned(), scopes })
    }
}

/// The host of an origin without its scheme: codes are bound to no port.
fn host(authority: &str) -> String {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned()
}

/// The elements of a column that holds a JSON array.
fn list<T>(
    row: &Row,
    column: &'static str,
    read: impl Fn(&Json<'_>) -> Option<T>,
) -> Result<Vec<T>, StorageError> {
    let written = json::parse(row.text(column)?.as_bytes()).ok();
    written
        .as_ref()
        .and_then(Json::as_array)
        .and_then(|elements| elements.iter().map(read).collect())
        .ok_or(StorageError::UnexpectedShape(column))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::platform::Value;
    use crate::testing::block_on;
    use crate::testing::person::Service;

    fn row(changes: &[(&str, Value)]) -> Row {
        let plain = [
            ("id", Value::from("spa")),
            ("version", Value::from(7)),
            ("authentication", "none".into()),
            ("secret_hash", Value::Null),
            ("previous_secret_hash", Value::Null),
            ("previous_secret_expires_at", Value::Null),
            ("jwks", Value::Null),
            ("jwks_uri", Value::Null),
            ("origins", "[]".into()),
            ("issuers", "[]".into()),
            ("audiences", "[]".into()),
            ("require_authentication", Value::from(0)),
            ("grants", "[]".into()),
            ("factors", "[]".into()),
            ("policy", Value::Null),
        ];
        let changed =
            |name: &str| changes.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
        let columns =
            plain.into_iter().map(|(name, value)| (name.to_owned(), changed(name).unwrap_or(value)));
        Row(columns.collect())
    }

    #[test]
    fn what_was_being_read_when_a_guard_found_the_row_outdated_is_not_remembered() {
        let service = Service::new();
        let (app, now) = (&service.app, service.world.now());
        let clients = &app.isolate.clients;
        let id = ClientId("app".into());
        // So that it is read where the guards are.
        clients.forget(&id);
        let mut context = Context::from_waker(Waker::noop());
        let mut reading = pin!(find(app, now, &id));
        assert!(reading.as_mut().poll(&mut context).is_pending());
        clients.forget(&id);
        assert!(block_on(reading).unwrap().is_some());
        assert!(clients.remembered(&id, now).is_none() && clients.doubts(&id));
        assert!(block_on(find(app, now, &id)).unwrap().is_some());
        assert!(clients.remembered(&id, now).is_some() && !clients.doubts(&id));
    }

    #[test]
    fn a_public_client_is_read() {
        let client = Client::from_row(&row(&[(
            "audiences",
            r#"[{"audience":"https://api.example.com","scopes":["read","read","write"]}]"#.into(),
        )]))
        .unwrap();
        assert_eq!(client.id, ClientId("spa".into()));
        assert!(client.is_public());
        assert_eq!(client.audiences[0].scopes.to_string(), "read write");
    }

    #[test]
    fn codes_are_typed_in_at_the_clients_first_page_that_is_served_securely() {
        for (origins, domain) in [
            ("[]", None),
            (r#"["http://localhost:3000"]"#, None),
            (
                r#"["http://localhost:3000","https://app.example.com","https://b.example.com"]"#,
                Some("app.example.com"),
            ),
            (r#"["https://app.example.com:8443"]"#, Some("app.example.com")),
        ] {
            let client = Client::from_row(&row(&[("origins", origins.into())])).unwrap();
            assert_eq!(client.domain.as_deref(), domain);
        }
    }

    #[test]
    fn a_client_may_be_allowed_some_grants_factors_and_a_policy_of_its_own() {
        let client = |changes: &[(&str, Value)]| Client::from_row(&row(changes));
        let free = client(&[]).unwrap();
        assert!(GrantType::ALL.into_iter().all(|grant| free.may_use(grant)));
        assert_eq!(free.factors(&Factors::default()), Factors::default());
        assert_eq!(free.policy, None);

        for (name, grant) in [
            ("mfa-otp", GrantType::MfaOtp),
            ("mfa-oob", GrantType::MfaOob),
            ("mfa-recovery-code", GrantType::MfaRecoveryCode),
            ("token-exchange", GrantType::TokenExchange),
        ] {
            let client = client(&[("grants", format!("[\"{name}\"]").into())]).unwrap();
            assert!(GrantType::ALL.into_iter().all(|other| client.may_use(other) == (other == grant)));
            let factors = client.factors(&Factors::default());
            assert_eq!(factors.otp, grant == GrantType::MfaOtp);
            assert_eq!(factors.recovery_code, grant == GrantType::MfaRecoveryCode);
            for messages in [factors.sms, factors.voice, factors.email] {
                assert_eq!(messages.is_some(), grant == GrantType::MfaOob);
            }
        }

        let phones = client(&[("factors", r#"["sms","voice"]"#.into())]).unwrap();
        let factors = phones.factors(&Factors::default());
        assert!(factors.sms.is_some() && factors.voice.is_some() && factors.email.is_none() && !factors.otp);

        let strict = client(&[("policy", r#"{"require":"always"}"#.into())]).unwrap();
        assert_eq!(strict.policy, Policy::parse(Some(r#"{"require":"always"}"#)).ok());
        let flawed = [("grants", "[1]"), ("factors", "{}"), ("policy", "{"), ("policy", r#"{"a":1}"#)];
        for (column, value) in flawed {
            assert_eq!(client(&[(column, value.into())]), Err(StorageError::UnexpectedShape(column)));
        }
    }

    #[test]
    fn a_secret_before_the_present_one_has_an_end() {
        let client = Client::from_row(&row(&[
            ("authentication", "basic".into()),
            ("secret_hash", "new".into()),
            ("previous_secret_hash", "old".into()),
            ("previous_secret_expires_at", Value::from(99)),
        ]))
        .unwrap();
        assert_eq!(
            client.authentication,
            ClientAuthentication::Secret {
                hash: "new".into(),
                previous: Some(("old".into(), UnixSeconds(99)))
            }
        );
    }

    #[test]
    fn issuers_may_be_narrowed() {
        let any = Client::from_row(&row(&[])).unwrap();
        assert!(any.accepts_issuer("idp"));
        let one = Client::from_row(&row(&[("issuers", r#"["idp"]"#.into())])).unwrap();
        assert!(one.accepts_issuer("idp"));
        assert!(!one.accepts_issuer("other"));
    }

    #[test]
    fn a_row_that_nobody_could_have_written_is_an_error_and_no_client() {
        for (changes, column) in [
            (("authentication", Value::from("password")), "authentication"),
            (("authentication", "post".into()), "secret_hash"),
            (("authentication", "private_key_jwt".into()), "jwks"),
            (("audiences", "{}".into()), "audiences"),
            (("issuers", Value::Null), "issuers"),
            (("version", "7".into()), "version"),
        ] {
            assert_eq!(Client::from_row(&row(&[changes])), Err(StorageError::UnexpectedShape(column)));
        }
    }
}
