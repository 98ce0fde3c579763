//! [`FakePlatform`]: the whole outside world in memory, with the real migrations in SQLite.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::rc::Rc;

use jwt_compact::alg::{Ed25519, Es256, Rsa, RsaPrivateKey, RsaPublicKey};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sha2::{Digest, Sha256};

use super::executor::{Deferred, yield_now};
use crate::algorithm::{Algorithm, Family};
use crate::json::Json;
use crate::platform::{
    DataPoint, FetchError, KeyError, MailError, Meter, MetricError, OutboundMail, OutboundRequest,
    OutboundResponse, Platform, QueueError, RandomError, Row, Statement, StorageError, Usage, Value,
};
use crate::types::UnixSeconds;

/// Where every test begins: 2030-01-01T00:00:00Z.
pub(crate) const START: UnixSeconds = UnixSeconds(1_893_456_000);

/// What D1 allows in one statement.
const MAXIMUM_PARAMETERS: usize = 100;

/// A world. Clones share it, so a test keeps one and looks at what the code under test did to it.
#[derive(Clone)]
pub(crate) struct FakePlatform(Rc<World>, Event);

/// What one event costs, and when it began.
#[derive(Clone)]
struct Event {
    meter: Rc<Meter>,
    began_at: UnixSeconds,
}

struct World {
    now: Cell<UnixSeconds>,
    random: RefCell<SeededRandom>,
    /// How many more draws succeed, if the source is broken.
    random_left: Cell<Option<usize>>,
    log: RefCell<Vec<serde_json::Value>>,
    database: RefCell<Connection>,
    batch_faults: RefCell<VecDeque<BatchFault>>,
    statement_fault: Cell<Option<(&'static str, BatchFault)>>,
    batches: RefCell<Vec<Vec<Statement>>>,
    /// What the nearest copy of the database was asked.
    read_nearby: RefCell<Vec<&'static str>>,
    /// Makes the copy of the database, by undoing what the copy has not heard of.
    unheard: RefCell<Option<String>>,
    cache: RefCell<HashMap<String, CachedText>>,
    cache_broken: Cell<bool>,
    cache_reads: Cell<usize>,
    answers: RefCell<HashMap<String, Answers>>,
    held: RefCell<HashSet<String>>,
    /// How many seconds an answer of each URL takes.
    taken: RefCell<HashMap<String, i64>>,
    fetches: RefCell<Vec<OutboundRequest>>,
    mails: RefCell<Vec<OutboundMail>>,
    mail_answer: RefCell<Result<(), MailError>>,
    queue: RefCell<Vec<String>>,
    queue_broken: Cell<bool>,
    deferred: Deferred,
    paused_milliseconds: Cell<u64>,
    imports: Cell<usize>,
    verifications: Cell<usize>,
    signatures: Cell<usize>,
    signing_broken: Cell<bool>,
    /// How often each key was counted by the shield, and how often it may be.
    counted: RefCell<HashMap<String, usize>>,
    rate: Cell<usize>,
    exported: RefCell<Vec<serde_json::Value>>,
    export_broken: Cell<bool>,
    points: RefCell<Vec<DataPoint>>,
}

struct CachedText {
    value: String,
    expires_at: UnixSeconds,
}

/// Answers of one URL: the queued ones first, then the standing one.
#[derive(Default)]
struct Answers {
    once: VecDeque<Result<OutboundResponse, FetchError>>,
    always: Option<Result<OutboundResponse, FetchError>>,
}

/// What goes wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchFault {
    /// Nothing goes wrong with this one.
    None,
    /// It fails and leaves no trace.
    BeforeCommit,
    /// It is carried out, but the answer is lost.
    AfterCommit,
}

impl FakePlatform {
    /// A fresh world at [`START`], with an empty database of the present schema.
    pub(crate) fn new() -> Self {
        Self::with_seed(1)
    }

    /// The same with other random numbers.
    pub(crate) fn with_seed(seed: u64) -> Self {
        let world = Rc::new(World {
            now: Cell::new(START),
            random: RefCell::new(SeededRandom::new(seed)),
            random_left: Cell::new(None),
            log: RefCell::default(),
            database: RefCell::new(migrated_database()),
            batch_faults: RefCell::default(),
            statement_fault: Cell::default(),
            batches: RefCell::default(),
            read_nearby: RefCell::default(),
            unheard: RefCell::default(),
            cache: RefCell::default(),
            cache_broken: Cell::new(false),
            cache_reads: Cell::new(0),
            answers: RefCell::default(),
            held: RefCell::default(),
            taken: RefCell::default(),
            fetches: RefCell::default(),
            mails: RefCell::default(),
            mail_answer: RefCell::new(Err(MailError::Missing)),
            queue: RefCell::default(),
            queue_broken: Cell::new(false),
            deferred: Deferred::default(),
            paused_milliseconds: Cell::new(0),
            imports: Cell::new(0),
            verifications: Cell::new(0),
            signatures: Cell::new(0),
            signing_broken: Cell::new(false),
            counted: RefCell::default(),
            rate: Cell::new(usize::MAX),
            exported: RefCell::default(),
            export_broken: Cell::new(false),
            points: RefCell::default(),
        });
        Self(world, Event { meter: Rc::default(), began_at: START })
    }

    /// The same world, as an event of its own sees it.
    pub(crate) fn event(&self) -> Self {
        Self(Rc::clone(&self.0), Event { meter: Rc::default(), began_at: self.0.now.get() })
    }

    /// Lets the shield pass each key so many times.
    pub(crate) fn set_rate(&self, rate: usize) {
        self.0.rate.set(rate);
    }

    // Clock and randomness.

    /// Stands the clock at `time`.
    pub(crate) fn set_time(&self, time: UnixSeconds) {
        self.0.now.set(time);
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.now.set(self.0.now.get().plus(seconds));
    }

    /// Whether the random source fails from now on.
    pub(crate) fn break_random(&self, broken: bool) {
        self.0.random_left.set(broken.then_some(0));
    }

    /// The random source answers `draws` times more and then fails.
    pub(crate) fn break_random_after(&self, draws: usize) {
        self.0.random_left.set(Some(draws));
    }

    /// For how long the code under test has paused in all.
    pub(crate) fn paused_milliseconds(&self) -> u64 {
        self.0.paused_milliseconds.get()
    }

    // Log.

    /// The lines written so far.
    pub(crate) fn log_lines(&self) -> Vec<serde_json::Value> {
        self.0.log.borrow().clone()
    }

    /// All lines as one text, to search for what must not be there.
    pub(crate) fn log_text(&self) -> String {
        self.0.log.borrow().iter().map(|line| format!("{line}\n")).collect()
    }

    /// The events among them that are called `code`.
    pub(crate) fn events(&self, code: &str) -> Vec<serde_json::Value> {
        self.log_lines().into_iter().filter(|line| line["event"] == code).collect()
    }

    // Events and metrics.

    /// Whether the queue of events refuses them from now on.
    pub(crate) fn break_export(&self, broken: bool) {
        self.0.export_broken.set(broken);
    }

    /// The events in the queue that takes them out.
    pub(crate) fn exported(&self) -> Vec<serde_json::Value> {
        self.0.exported.borrow().clone()
    }

    /// The data points so far.
    pub(crate) fn points(&self) -> Vec<DataPoint> {
        self.0.points.borrow().clone()
    }

    // Database.

    /// The next batch meets `fault`; several wait their turn.
    pub(crate) fn fail_batch(&self, fault: BatchFault) {
        self.0.batch_faults.borrow_mut().push_back(fault);
    }

    /// The next batch that has the statement `sql` meets `fault`.
    pub(crate) fn fail_batch_of(&self, sql: &'static str, fault: BatchFault) {
        self.0.statement_fault.set(Some((sql, fault)));
    }

    /// No statement meets a fault any more. Whether one has met the last one.
    pub(crate) fn heals(&self) -> bool {
        self.0.statement_fault.take().is_none()
    }

    /// The batches so far, failed ones included: one is one round trip.
    pub(crate) fn batches(&self) -> Vec<Vec<Statement>> {
        self.0.batches.borrow().clone()
    }

    /// From now on the nearest copy answers as the database would after this statement, which undoes what it has not
    /// heard of.
    pub(crate) fn lag(&self, undo: &str) {
        *self.0.unheard.borrow_mut() = Some(undo.to_owned());
    }

    /// What the nearest copy was asked so far.
    pub(crate) fn read_nearby_so_far(&self) -> Vec<&'static str> {
        self.0.read_nearby.borrow().clone()
    }

    /// Runs one statement of the test's own. Panics where it fails.
    pub(crate) fn query(&self, sql: &str, parameters: &[Value]) -> Vec<Row> {
        run_statement(&self.0.database.borrow(), sql, parameters).expect("the test's own statement")
    }

    /// The same where failing is an answer too.
    pub(crate) fn try_query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StorageError> {
        run_statement(&self.0.database.borrow(), sql, parameters)
    }

    /// How often SQLite compiles `sql` again when it is run with one set of parameters after another, as a database does
    /// that remembers what it has compiled.
    pub(crate) fn compiled_again(&self, sql: &str, runs: &[Vec<Value>]) -> i32 {
        let database = self.0.database.borrow();
        let mut statement = database.prepare(sql).expect("a statement");
        for parameters in runs {
            let mut rows = statement.query(rusqlite::params_from_iter(parameters)).expect("parameters");
            // What a value is, or whether it violates a constraint, is another test's.
            while let Ok(Some(_)) = rows.next() {}
            drop(rows);
            statement.clear_bindings();
        }
        statement.get_status(rusqlite::StatementStatus::RePrepare)
    }

    /// How many rows `table` has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let rows = self.query(&format!("SELECT count(*) AS n FROM {table}"), &[]);
        rows[0].integer("n").expect("a count")
    }

    /// Every value of every table as one text, to search for what must not be readable at rest.
    pub(crate) fn database_text(&self) -> String {
        let tables = self.query("SELECT name FROM sqlite_schema WHERE type = 'table'", &[]);
        let mut text = String::new();
        for table in tables {
            for row in self.query(&format!("SELECT * FROM {}", table.text("name").unwrap()), &[]) {
                for (column, value) in row.0 {
                    match value {
                        Value::Text(value) => text.push_str(&format!("{column}={value}\n")),
                        Value::Integer(value) => text.push_str(&format!("{column}={value}\n")),
                        Value::Null => {}
                    }
                }
            }
        }
        text
    }

    // Cache.

    /// Whether the shared cache answers nothing and keeps nothing from now on.
    pub(crate) fn break_cache(&self, broken: bool) {
        self.0.cache_broken.set(broken);
    }

    /// Forgets everything in the shared cache.
    pub(crate) fn clear_cache(&self) {
        self.0.cache.borrow_mut().clear();
    }

    /// The live entries of the shared cache.
    pub(crate) fn cache_entries(&self) -> BTreeMap<String, String> {
        let now = self.0.now.get();
        let cache = self.0.cache.borrow();
        let live = cache.iter().filter(|(_, entry)| entry.expires_at > now);
        live.map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    /// Puts a text into the shared cache for a day, as another isolate would.
    pub(crate) fn put_cached(&self, key: &str, value: &str) {
        let entry = CachedText { value: value.to_owned(), expires_at: self.0.now.get().plus(86_400) };
        self.0.cache.borrow_mut().insert(key.to_owned(), entry);
    }

    /// How often the shared cache was asked.
    pub(crate) fn cache_reads(&self) -> usize {
        self.0.cache_reads.get()
    }

    // Network.

    /// `url` answers with `response` from now on.
    pub(crate) fn answer(&self, url: &str, response: Result<OutboundResponse, FetchError>) {
        self.0.answers.borrow_mut().entry(url.to_owned()).or_default().always = Some(response);
    }

    /// `url` answers the next unanswered request with `response`, before its standing answer.
    pub(crate) fn answer_once(&self, url: &str, response: Result<OutboundResponse, FetchError>) {
        self.0.answers.borrow_mut().entry(url.to_owned()).or_default().once.push_back(response);
    }

    /// `url` answers 200 with this JSON from now on.
    pub(crate) fn answer_json(&self, url: &str, json: &str, cache_control: Option<&str>) {
        self.answer(url, Ok(json_response(200, json, cache_control)));
    }

    /// Requests to `url` hang until [`Self::release`].
    pub(crate) fn hold(&self, url: &str) {
        self.0.held.borrow_mut().insert(url.to_owned());
    }

    /// Lets requests to `url` go on.
    pub(crate) fn release(&self, url: &str) {
        self.0.held.borrow_mut().remove(url);
    }

    /// Requests to `url` take so many seconds.
    pub(crate) fn take(&self, url: &str, seconds: i64) {
        self.0.taken.borrow_mut().insert(url.to_owned(), seconds);
    }

    /// The requests so far.
    pub(crate) fn fetches(&self) -> Vec<OutboundRequest> {
        self.0.fetches.borrow().clone()
    }

    /// How many requests went to `url`.
    pub(crate) fn fetch_count(&self, url: &str) -> usize {
        self.0.fetches.borrow().iter().filter(|request| request.url == url).count()
    }

    // Mail.

    /// The mail service answers so from now on. Before, there is none.
    pub(crate) fn answer_mail(&self, answer: Result<(), MailError>) {
        *self.0.mail_answer.borrow_mut() = answer;
    }

    /// The mails handed over so far, also those that were refused.
    pub(crate) fn mails(&self) -> Vec<OutboundMail> {
        self.0.mails.borrow().clone()
    }

    // Queue and deferred work.

    /// Whether the queue refuses messages from now on.
    pub(crate) fn break_queue(&self, broken: bool) {
        self.0.queue_broken.set(broken);
    }

    /// The messages in the queue.
    pub(crate) fn queue(&self) -> Vec<String> {
        self.0.queue.borrow().clone()
    }

    /// How much work was left for after the response.
    pub(crate) fn deferred_count(&self) -> usize {
        self.0.deferred.len()
    }

    /// Runs what was left for after the response.
    pub(crate) fn run_deferred(&self) {
        self.0.deferred.run();
    }

    /// Runs `future` while deferred work goes on beside it.
    pub(crate) fn block_on_beside_deferred<T>(&self, future: impl Future<Output = T>) -> T {
        super::executor::block_on_beside(future, &self.0.deferred)
    }

    // Signatures.

    /// How many keys were imported.
    pub(crate) fn imports(&self) -> usize {
        self.0.imports.get()
    }

    /// How many signatures were checked.
    pub(crate) fn verifications(&self) -> usize {
        self.0.verifications.get()
    }

    /// How many signatures were made.
    pub(crate) fn signatures(&self) -> usize {
        self.0.signatures.get()
    }

    /// Whether signing fails from now on.
    pub(crate) fn break_signing(&self, broken: bool) {
        self.0.signing_broken.set(broken);
    }
}

impl Platform for FakePlatform {
    type VerifyingKey = FakeVerifyingKey;
    type SigningKey = Rc<RsaPrivateKey>;

    fn now(&self) -> UnixSeconds {
        self.0.now.get()
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        match self.0.random_left.get() {
            Some(0) => return Err(RandomError),
            left => self.0.random_left.set(left.map(|left| left - 1)),
        }
        let mut bytes = [0; N];
        self.0.random.borrow_mut().fill(&mut bytes);
        Ok(bytes)
    }

    fn log(&self, event: Json<'_>) {
        let event = serde_json::from_str(&event.write()).expect("JSON");
        self.0.log.borrow_mut().push(event);
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
        self.1.meter.round_trip(statements.len());
        yield_now().await;
        self.0.batches.borrow_mut().push(statements.clone());
        let mut fault = self.0.batch_faults.borrow_mut().pop_front().unwrap_or(BatchFault::None);
        if let Some((sql, meant)) = self.0.statement_fault.get()
            && statements.iter().any(|statement| statement.sql == sql)
        {
            self.0.statement_fault.set(None);
            fault = meant;
        }
        if fault == BatchFault::BeforeCommit {
            return Err(StorageError::Database("network connection lost, on purpose".to_owned()));
        }
        let mut database = self.0.database.borrow_mut();
        let transaction =
            database.transaction().map_err(|error| StorageError::Database(error.to_string()))?;
        let mut results = Vec::new();
        // Rows are read where the transaction has ended.
        let mut unreadable = None;
        for statement in &statements {
            match run_statement(&transaction, statement.sql, &statement.parameters) {
                Err(error @ StorageError::UnexpectedShape(_)) => unreadable = Some(error),
                rows => results.push(rows?),
            }
        }
        transaction.commit().map_err(|error| StorageError::Database(error.to_string()))?;
        if fault == BatchFault::AfterCommit {
            return Err(StorageError::Database(
                "network connection lost after the commit, on purpose".to_owned(),
            ));
        }
        unreadable.map_or(Ok(results), Err)
    }

    async fn read_nearby(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        self.0.read_nearby.borrow_mut().push(statement.sql);
        let Some(undo) = self.0.unheard.borrow().clone() else {
            // Where there is no other copy, it is the database that fails, and does so again.
            let fault = self.0.batch_faults.borrow().front().copied();
            let is_meant = self.0.statement_fault.get().is_some_and(|(sql, _)| sql == statement.sql);
            if is_meant || fault.is_some_and(|fault| fault != BatchFault::None) {
                self.1.meter.round_trip(1);
                yield_now().await;
                return Err(StorageError::Database("network connection lost, on purpose".to_owned()));
            }
            return self.batch(vec![statement]).await.map(|mut results| results.pop().unwrap_or_default());
        };
        self.1.meter.round_trip(1);
        yield_now().await;
        self.query("SAVEPOINT unheard", &[]);
        self.query(&undo, &[]);
        let rows = self.try_query(statement.sql, &statement.parameters);
        self.query("ROLLBACK TO unheard", &[]);
        self.query("RELEASE unheard", &[]);
        rows
    }

    async fn cached(&self, key: &str) -> Option<String> {
        self.1.meter.cache_read();
        yield_now().await;
        self.0.cache_reads.set(self.0.cache_reads.get() + 1);
        if self.0.cache_broken.get() {
            return None;
        }
        let cache = self.0.cache.borrow();
        let entry = cache.get(key).filter(|entry| entry.expires_at > self.0.now.get())?;
        Some(entry.value.clone())
    }

    async fn cache(&self, key: &str, value: &str, seconds: i64) {
        yield_now().await;
        assert!(seconds >= 60, "KV keeps nothing for less than a minute");
        assert!(key.len() <= 512, "KV's keys have at most 512 bytes");
        if !self.0.cache_broken.get() {
            let entry = CachedText { value: value.to_owned(), expires_at: self.0.now.get().plus(seconds) };
            self.0.cache.borrow_mut().insert(key.to_owned(), entry);
        }
    }

    async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, FetchError> {
        let (url, limit) = (request.url.clone(), request.maximum_body_bytes);
        self.1.meter.fetch();
        self.0.fetches.borrow_mut().push(request);
        yield_now().await;
        while self.0.held.borrow().contains(&url) {
            yield_now().await;
        }
        self.advance(self.0.taken.borrow().get(&url).copied().unwrap_or(0));
        let mut answers = self.0.answers.borrow_mut();
        let unreachable = Err(FetchError::Connection("nobody listens there".to_owned()));
        let answer = match answers.get_mut(&url) {
            Some(answers) => {
                answers.once.pop_front().or_else(|| answers.always.clone()).unwrap_or(unreachable)
            }
            None => unreachable,
        };
        answer.and_then(|response| {
            if response.body.len() > limit { Err(FetchError::BodyTooLarge) } else { Ok(response) }
        })
    }

    async fn send_mail(&self, mail: OutboundMail) -> Result<(), MailError> {
        yield_now().await;
        self.0.mails.borrow_mut().push(mail);
        self.0.mail_answer.borrow().clone()
    }

    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError> {
        yield_now().await;
        if self.0.queue_broken.get() {
            return Err(QueueError("broken on purpose".to_owned()));
        }
        self.0.queue.borrow_mut().push(delivery_id.to_owned());
        Ok(())
    }

    async fn export(&self, event: &str) -> Result<(), QueueError> {
        yield_now().await;
        if self.0.export_broken.get() {
            return Err(QueueError("broken on purpose".to_owned()));
        }
        self.0.exported.borrow_mut().push(serde_json::from_str(event).expect("JSON"));
        Ok(())
    }

    fn measure(&self, point: &DataPoint) -> Result<(), MetricError> {
        assert!(point.index.len() <= 96, "an index has at most 96 bytes");
        assert!(point.blobs.len() <= 20 && point.doubles.len() <= 20, "at most 20 of each");
        if self.0.export_broken.get() {
            return Err(MetricError("broken on purpose".to_owned()));
        }
        self.0.points.borrow_mut().push(point.clone());
        Ok(())
    }

    fn usage(&self) -> Usage {
        let seconds = self.0.now.get().since(self.1.began_at);
        self.1.meter.read(u32::try_from(seconds * 1000).expect("no clock goes backwards"))
    }

    async fn is_within_rate(&self, key: &str) -> bool {
        let mut counted = self.0.counted.borrow_mut();
        let count = counted.entry(key.to_owned()).or_default();
        *count += 1;
        *count <= self.0.rate.get()
    }

    async fn import_verifying_key(
        &self,
        algorithm: Algorithm,
        public_jwk: &str,
    ) -> Result<Self::VerifyingKey, KeyError> {
        yield_now().await;
        self.0.imports.set(self.0.imports.get() + 1);
        let jwk: JsonWebKey<'_> =
            serde_json::from_str(public_jwk).map_err(|error| KeyError(error.to_string()))?;
        assert!(!jwk.is_signing_key(), "a private key was about to be imported for verifying");
        match algorithm.family() {
            Family::Rsa => RsaPublicKey::try_from(&jwk).map(Rc::new).map(FakeVerifyingKey::Rsa),
            Family::P256 => P256Key::try_from(&jwk).map(FakeVerifyingKey::P256),
            Family::Ed25519 => Ed25519Key::try_from(&jwk).map(FakeVerifyingKey::Ed25519),
        }
        .map_err(|error| KeyError(error.to_string()))
    }

    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &Self::VerifyingKey,
        signature: &[u8],
        message: &[u8],
    ) -> Result<bool, KeyError> {
        yield_now().await;
        self.0.verifications.set(self.0.verifications.get() + 1);
        match (algorithm.family(), key) {
            (Family::Rsa, FakeVerifyingKey::Rsa(key)) => {
                let rsa: Rsa = algorithm.as_str().parse().expect("an RSA algorithm's name");
                Ok(is_valid(&rsa, key.as_ref(), signature, message))
            }
            (Family::P256, FakeVerifyingKey::P256(key)) => Ok(is_valid(&Es256, key, signature, message)),
            (Family::Ed25519, FakeVerifyingKey::Ed25519(key)) => {
                Ok(is_valid(&Ed25519, key, signature, message))
            }
            _ => Err(KeyError("the key was imported for another algorithm".to_owned())),
        }
    }

    async fn import_signing_key(&self, private_jwk: &str) -> Result<Self::SigningKey, KeyError> {
        yield_now().await;
        self.0.imports.set(self.0.imports.get() + 1);
        let jwk: JsonWebKey<'_> =
            serde_json::from_str(private_jwk).map_err(|error| KeyError(error.to_string()))?;
        RsaPrivateKey::try_from(&jwk).map(Rc::new).map_err(|error| KeyError(error.to_string()))
    }

    async fn sign(&self, key: &Self::SigningKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        yield_now().await;
        self.0.signatures.set(self.0.signatures.get() + 1);
        if self.0.signing_broken.get() {
            return Err(KeyError("broken on purpose".to_owned()));
        }
        Ok(Rsa::rs256().sign(key, message).as_bytes().into_owned())
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        self.0.deferred.push(work);
    }

    async fn pause(&self, milliseconds: u32) {
        self.0.paused_milliseconds.set(self.0.paused_milliseconds.get() + u64::from(milliseconds));
        yield_now().await;
    }
}

type P256Key = <Es256 as jwt_compact::Algorithm>::VerifyingKey;
type Ed25519Key = <Ed25519 as jwt_compact::Algorithm>::VerifyingKey;

/// An imported public key.
#[derive(Clone)]
pub(crate) enum FakeVerifyingKey {
    Rsa(Rc<RsaPublicKey>),
    P256(P256Key),
    Ed25519(Ed25519Key),
}

/// A response with a JSON body.
pub(crate) fn json_response(status: u16, json: &str, cache_control: Option<&str>) -> OutboundResponse {
    OutboundResponse {
        status,
        cache_control: cache_control.map(str::to_owned),
        retry_after: None,
        error_type: None,
        body: json.as_bytes().to_vec(),
    }
}

/// Random bytes that are the same in every run: SHA-256 of a seed and a counter.
pub(crate) struct SeededRandom {
    seed: u64,
    counter: u64,
}

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            self.counter += 1;
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(self.counter.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

fn is_valid<A: jwt_compact::Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    signature: &[u8],
    message: &[u8],
) -> bool {
    // Like WebCrypto: a signature of a wrong length is just not valid.
    if A::Signature::LENGTH.is_some_and(|length| length.get() != signature.len()) {
        return false;
    }
    A::Signature::try_from_slice(signature)
        .is_ok_and(|signature| algorithm.verify_signature(&signature, key, message))
}

fn migrated_database() -> Connection {
    let database = Connection::open_in_memory().expect("a database in memory");
    database.execute_batch("PRAGMA foreign_keys = ON").expect("what D1 has switched on");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the migrations")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    for file in files {
        let migration = std::fs::read_to_string(&file).expect("a migration");
        database.execute_batch(&migration).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    database
}

fn run_statement(database: &Connection, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StorageError> {
    assert!(parameters.len() <= MAXIMUM_PARAMETERS, "D1 binds at most 100 values a statement");
    let failed = |error: rusqlite::Error| StorageError::Database(error.to_string());
    let mut statement = database.prepare(sql).map_err(failed)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(failed)?;
    let mut result = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let mut values = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let value = match row.get_ref(index).map_err(failed)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).expect("UTF-8")),
                // Nothing here stores one. As src/storage/crossing.rs has it, where a whole REAL is an integer.
                ValueRef::Real(_) | ValueRef::Blob(_) => {
                    return Err(StorageError::UnexpectedShape("a value's type"));
                }
            };
            values.push((column.clone(), value));
        }
        result.push(Row(values));
    }
    Ok(result)
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    fn insert(key: &str) -> Statement {
        Statement {
            sql: "INSERT INTO budgets (key, full_at) VALUES (?1, ?2) RETURNING key",
            parameters: vec![key.into(), 5.into()],
        }
    }

    #[test]
    fn a_batch_is_all_or_nothing() {
        let world = FakePlatform::new();
        assert!(block_on(world.batch(vec![insert("a"), insert("a")])).is_err());
        assert_eq!(world.count("budgets"), 0);
        let rows = block_on(world.batch(vec![insert("a"), insert("b")])).unwrap();
        assert_eq!(rows[1][0].text("key"), Ok("b"));
        assert_eq!(world.batches().len(), 2);
    }

    #[test]
    fn a_batch_can_be_told_to_fail_before_or_after_its_commit() {
        let world = FakePlatform::new();
        world.fail_batch(BatchFault::BeforeCommit);
        world.fail_batch(BatchFault::AfterCommit);
        assert!(block_on(world.batch(vec![insert("a")])).is_err());
        assert_eq!(world.count("budgets"), 0);
        assert!(block_on(world.batch(vec![insert("a")])).is_err());
        assert_eq!(world.count("budgets"), 1);
        assert!(world.database_text().contains("key=a"));
    }
}
