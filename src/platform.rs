//! What Countersign needs of the world around it, as one trait.
//!
//! The rooms of this crate know nothing of Workers. In production [`Platform`] is implemented by
//! `workers::platform::Workers` on Cloudflare's bindings; native tests implement it on SQLite with the same
//! migrations and statements, and can make each part of it fail.

use std::cell::Cell;
use std::fmt;
use std::future::Future;

use crate::algorithm::Algorithm;
use crate::json::Json;
use crate::types::UnixSeconds;

/// The outside world: clock, randomness, database, cache, queues, network, mail and signatures.
///
/// A handle of one event (a request, a batch, a run of the sweep): cheap to clone, so that deferred work can own one.
#[expect(async_fn_in_trait, reason = "an isolate has one thread; a Send bound would only be in the way")]
pub trait Platform: Clone + 'static {
    /// A public key, imported and ready to verify with. Lives in the isolate's cache across requests.
    type VerifyingKey: Clone + 'static;
    /// A private key, imported and ready to sign with.
    type SigningKey: Clone + 'static;

    /// The present. Read once at the start of a request and passed on from there.
    fn now(&self) -> UnixSeconds;

    /// `N` random bytes from the system's cryptographic source.
    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError>;

    /// Writes one structured line. Callers never put a secret, token, code, number or address in it.
    fn log(&self, event: Json<'_>);

    /// Runs the statements as one transaction in one round trip and returns the rows of each.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError>;

    /// Runs a statement that only reads, on whichever copy of the database is nearest. What comes back may be older than
    /// what [`Platform::batch`] would find. Only for what a later batch checks again, or what is remembered for a while
    /// anyway.
    async fn read_nearby(&self, statement: Statement) -> Result<Vec<Row>, StorageError>;

    /// A text from the shared cache, absent also when the cache cannot answer: it is only ever an optimisation.
    async fn cached(&self, key: &str) -> Option<String>;

    /// Puts a text in the shared cache for `seconds`. Failure is ignored for the same reason.
    async fn cache(&self, key: &str, value: &str, seconds: i64);

    /// One HTTP exchange. Redirects are never followed, bodies end at the request's limit.
    async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, FetchError>;

    /// Hands a mail to the platform's own mail service.
    async fn send_mail(&self, mail: OutboundMail) -> Result<(), MailError>;

    /// Tells the queue that a delivery waits in the database.
    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError>;

    /// Hands an event, as JSON, to the queue that takes them out of here.
    async fn export(&self, event: &str) -> Result<(), QueueError>;

    /// Writes a data point of metrics. It is on its way when this returns.
    fn measure(&self, point: &DataPoint) -> Result<(), MetricError>;

    /// What the event that this handle belongs to has cost so far, whichever other events the isolate serves beside it.
    fn usage(&self) -> Usage;

    /// Counts something in this location, roughly, and says whether it is within the binding's rate. A shield that costs
    /// nothing to ask; where there is none, everything is.
    async fn is_within_rate(&self, key: &str) -> bool;

    /// Imports a public JWK (JSON text of its public members only) for use with `algorithm`.
    async fn import_verifying_key(
        &self,
        algorithm: Algorithm,
        public_jwk: &str,
    ) -> Result<Self::VerifyingKey, KeyError>;

    /// Whether `signature` (raw, as in a JWS) over `message` is valid.
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &Self::VerifyingKey,
        signature: &[u8],
        message: &[u8],
    ) -> Result<bool, KeyError>;

    /// Imports a private RSA JWK for RS256.
    async fn import_signing_key(&self, private_jwk: &str) -> Result<Self::SigningKey, KeyError>;

    /// An RS256 signature over `message`.
    async fn sign(&self, key: &Self::SigningKey, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Lets `work` go on after the response has been sent.
    fn defer(&self, work: impl Future<Output = ()> + 'static);

    /// Lets other requests of this isolate go on for a while.
    async fn pause(&self, milliseconds: u32);
}

/// One SQL statement with its parameters, `?1` being the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, always a constant: of `storage`, or of the development outbox.
    pub sql: &'static str,
    /// The bound values.
    pub parameters: Vec<Value>,
}

/// A value to bind, or read from a row. D1 knows numbers and text; nothing else is stored.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// An integer, at most 2^53 in size (JavaScript's numbers carry it).
    Integer(i64),
    /// Text.
    Text(String),
}

impl fmt::Debug for Value {
    /// Columns hold users and sealed values: what is bound is nobody's business in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "Null",
            Self::Integer(_) => "Integer(…)",
            Self::Text(_) => "Text(…)",
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl From<UnixSeconds> for Value {
    fn from(time: UnixSeconds) -> Self {
        Self::Integer(time.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(optional: Option<T>) -> Self {
        optional.map_or(Self::Null, Into::into)
    }
}

/// One row of a result, by column name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(pub Vec<(String, Value)>);

impl Row {
    fn value(&self, column: &'static str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// The text in `column`.
    pub fn text(&self, column: &'static str) -> Result<&str, StorageError> {
        self.optional_text(column)?.ok_or(StorageError::UnexpectedShape(column))
    }

    /// The text in `column`, or `None` for NULL.
    pub fn optional_text(&self, column: &'static str) -> Result<Option<&str>, StorageError> {
        match self.value(column) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(StorageError::UnexpectedShape(column)),
        }
    }

    /// The integer in `column`.
    pub fn integer(&self, column: &'static str) -> Result<i64, StorageError> {
        self.optional_integer(column)?.ok_or(StorageError::UnexpectedShape(column))
    }

    /// The integer in `column`, or `None` for NULL.
    pub fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StorageError> {
        match self.value(column) {
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            _ => Err(StorageError::UnexpectedShape(column)),
        }
    }

    /// The integer in `column` read as a flag.
    pub fn flag(&self, column: &'static str) -> Result<bool, StorageError> {
        Ok(self.integer(column)? != 0)
    }
}

/// A request that Countersign makes: to an issuer or a delivery provider.
#[derive(Clone)]
pub struct OutboundRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// What to send, if anything.
    pub body: Option<String>,
    /// After this the exchange counts as failed.
    pub timeout_milliseconds: u32,
    /// A longer body counts as failed.
    pub maximum_body_bytes: usize,
}

impl fmt::Debug for OutboundRequest {
    /// Headers carry credentials, bodies codes and addresses.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OutboundRequest({} …)", self.method)
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// The HTTP status, also 3xx: redirects are not followed.
    pub status: u16,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `X-Amzn-Errortype` header, in which AWS says what went wrong.
    pub error_type: Option<String>,
    /// The body, at most the request's limit.
    pub body: Vec<u8>,
}

/// A mail to one recipient.
#[derive(Clone)]
pub struct OutboundMail {
    /// Who it is from, as people read it.
    pub from_name: Option<String>,
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// After this the mail counts as not taken.
    pub timeout_milliseconds: u32,
}

impl fmt::Debug for OutboundMail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OutboundMail(…)")
    }
}

/// One point of metrics, as Analytics Engine takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPoint {
    /// By what points are sampled: at most 96 bytes.
    pub index: String,
    /// What they are grouped by: at most 20.
    pub blobs: Vec<String>,
    /// What is counted: at most 20. Analytics Engine calls them doubles; all of ours are whole.
    pub doubles: Vec<u32>,
}

/// What an event has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Since it began. The clock of Workers stands still while they compute: this is time spent waiting for others.
    pub milliseconds: u32,
    /// To the database.
    pub round_trips: u32,
    /// SQL statements in those.
    pub statements: u32,
    /// Reads of the shared cache.
    pub cache_reads: u32,
    /// HTTP exchanges begun.
    pub fetches: u32,
}

/// Counts what one event costs. Deferred work counts as well, until somebody reads it.
#[derive(Debug, Default)]
pub struct Meter(Cell<Usage>);

impl Meter {
    /// A round trip to the database with so many statements.
    pub fn round_trip(&self, statements: usize) {
        let statements = u32::try_from(statements).unwrap_or(u32::MAX);
        self.change(|usage| {
            usage.round_trips = usage.round_trips.saturating_add(1);
            usage.statements = usage.statements.saturating_add(statements);
        });
    }

    /// A read of the shared cache.
    pub fn cache_read(&self) {
        self.change(|usage| usage.cache_reads = usage.cache_reads.saturating_add(1));
    }

    /// An HTTP exchange.
    pub fn fetch(&self) {
        self.change(|usage| usage.fetches = usage.fetches.saturating_add(1));
    }

    /// What was counted, `milliseconds` after the beginning.
    pub fn read(&self, milliseconds: u32) -> Usage {
        Usage { milliseconds, ..self.0.get() }
    }

    fn change(&self, change: impl FnOnce(&mut Usage)) {
        let mut usage = self.0.get();
        change(&mut usage);
        self.0.set(usage);
    }
}

/// The random source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomError;

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// D1 answered with an error; its text names statements and tables, never values.
    Database(String),
    /// A row lacks this column, or it has another type.
    UnexpectedShape(&'static str),
    /// A sealed value or hash in this column cannot be read with the keys that are configured, and why: it may name a key
    /// that is not there. Never anything of the value.
    Unreadable(&'static str, String),
}

/// Why an outbound exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// No answer within the time allowed.
    Timeout,
    /// The connection could not be made or broke.
    Connection(String),
    /// The body is longer than allowed.
    BodyTooLarge,
}

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailError {
    /// The platform has no mail service here.
    Missing,
    /// No answer within the time allowed.
    Timeout,
    /// The service refused it, with this code.
    Refused(String),
    /// The service failed without saying why.
    Broken,
}

/// The queue did not take the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueError(pub String);

/// Metrics did not take a data point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricError(pub String);

/// A key could not be imported or used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(pub String);
