//! What happened, told in one way: an [`Event`] for each act that security is concerned with, and a line for each request
//! with what it has cost. `docs/events.md` is the catalogue of both.
//!
//! An act is told once, where it is decided: what was done by the endpoint or the consumer that did it, what was refused
//! where refusals become answers (`endpoints::refusal`). On the way there a request gathers in [`Involved`] whom it is
//! about. Everything goes to the log; with `EXPORT_EVENTS` events also go to a queue, and with `EXPORT_METRICS` both go
//! to Analytics Engine. Neither can fail a request.

mod act;
mod export;

use std::borrow::Cow;
use std::cell::RefCell;

pub use self::act::Act;
use self::export::Admission;
pub use self::export::Exports;
use crate::app::App;
use crate::http::request::Request;
use crate::json::{Json, object};
use crate::platform::{DataPoint, Platform};
use crate::types::{ClientId, GrantType, UnixSeconds, UserId};

/// The longest index that Analytics Engine takes, in bytes.
const MAXIMUM_INDEX_BYTES: usize = 96;

/// Few events have more members.
const USUAL_MEMBERS: usize = 12;

/// Whom and what a request has turned out to be about. Only what has been verified or found is put in: what somebody
/// merely claims may be anything.
#[derive(Debug, Default)]
pub struct Involved(RefCell<Facts>);

#[derive(Debug, Default)]
struct Facts {
    user: Option<String>,
    client: Option<String>,
    grant: Option<&'static str>,
    factor: Option<&'static str>,
    authenticator: Option<String>,
    reason: Option<Reason>,
}

/// Why something was refused or failed: a word that `docs/events.md` lists, and what the word is about where it does not say
/// so itself, such as a claim. Never a part of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    word: &'static str,
    detail: Option<Cow<'static, str>>,
}

impl Reason {
    /// With what the word is about.
    pub fn about(word: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { word, detail: Some(detail.into()) }
    }
}

impl From<&'static str> for Reason {
    fn from(word: &'static str) -> Self {
        Self { word, detail: None }
    }
}

impl Involved {
    /// The user whom a verified token names.
    pub fn user(&self, user: &UserId) {
        self.0.borrow_mut().user = Some(user.as_str().to_owned());
    }

    /// The registered client that the request names.
    pub fn client(&self, client: &ClientId) {
        self.0.borrow_mut().client = Some(client.as_str().to_owned());
    }

    /// The grant that is asked for.
    pub fn grant(&self, grant: GrantType) {
        self.0.borrow_mut().grant = Some(grant.short_name());
    }

    /// The factor, as `FACTORS` calls it.
    pub fn factor(&self, factor: &'static str) {
        self.0.borrow_mut().factor = Some(factor);
    }

    /// Whether it is about this factor.
    #[must_use]
    pub fn is_of(&self, factor: &str) -> bool {
        self.0.borrow().factor == Some(factor)
    }

    /// The authenticator's id.
    pub fn authenticator(&self, id: &str) {
        self.0.borrow_mut().authenticator = Some(id.to_owned());
    }

    /// Why the request is about to be refused, more exactly than its answer says.
    pub fn reason(&self, reason: impl Into<Reason>) {
        self.0.borrow_mut().reason = Some(reason.into());
    }
}

/// One act as it is told.
#[must_use]
pub struct Event<'a> {
    act: Act,
    /// Whether anybody may cause it: of a request in which no token of a user was verified.
    of_stranger: bool,
    members: Json<'a>,
}

impl<'a> Event<'a> {
    /// An act at `time`, of nobody yet.
    pub fn new(act: Act, time: UnixSeconds) -> Self {
        let mut members = Json::Object(Vec::with_capacity(USUAL_MEMBERS));
        members.set("time", time.0);
        Self { act, of_stranger: false, members }
    }

    /// An act of a request, with everything that is known of who asks.
    pub fn of(request: &'a Request, act: Act) -> Self {
        let facts = request.involved.0.borrow();
        let of_stranger = facts.user.is_none();
        Self { of_stranger, ..Self::new(act, request.received_at) }
            .with("request", &request.id)
            .with("country", request.country.as_deref())
            .with("user", facts.user.clone())
            .with("client", facts.client.clone())
            .with("grant", facts.grant)
            .with("factor", facts.factor)
            .with("authenticator", facts.authenticator.clone())
    }

    /// A request that was refused, for the exact reason that was found on the way, else for `reason`.
    pub fn refused(request: &'a Request, act: Act, reason: &'static str) -> Self {
        let exact = request.involved.0.borrow_mut().reason.take();
        Self::of(request, act).because(exact.unwrap_or(Reason::from(reason)))
    }

    /// Adds why.
    pub fn because(self, reason: Reason) -> Self {
        self.with("reason", reason.word).with("detail", reason.detail)
    }

    /// Adds a member. What is not there is left out.
    pub fn with(mut self, name: &'static str, value: impl Into<Json<'a>>) -> Self {
        match value.into() {
            Json::Null => {}
            value => self.members.set(name, value),
        }
        self
    }

    /// Tells it.
    pub fn record<P: Platform>(self, app: &App<P>) {
        let of_stranger = self.of_stranger;
        let event = self.written();
        if app.config.export.metrics {
            measure(app, &event, &[]);
        }
        if app.config.export.events {
            // Not by the event's own time, which may be another machine's.
            let now = app.platform.now();
            let Admission { admitted, left_out } = app.isolate.exports.admit(now, of_stranger);
            if left_out > 0 {
                Self::new(Act::EventsLeftOut, now).with("left_out", i64::from(left_out)).record(app);
            }
            if admitted {
                export(app, event.write());
            }
        }
        app.platform.log(event);
    }

    fn written(self) -> Json<'a> {
        let auth0 = self.act.auth0_code(self.members.text("factor"), self.members.text("grant"));
        let mut event = object! {
            "event": self.act.code(),
            "auth0": auth0,
            "outcome": self.act.outcome(),
        }
        .without_nulls();
        if let (Json::Object(all), Json::Object(members)) = (&mut event, self.members) {
            all.extend(members);
        }
        event
    }
}

/// Sends an event to the queue, behind the answer.
fn export<P: Platform>(app: &App<P>, event: String) {
    let platform = app.platform.clone();
    app.platform.defer(async move {
        if let Err(error) = platform.export(&event).await {
            // The event itself is in the log.
            platform.log(object! { "event": "export_refused", "error": error.0 });
        }
    });
}

/// Tells of the machinery what is no act of anybody: what has failed, and what works again. `line` names its `event`.
pub fn tell<P: Platform>(app: &App<P>, line: Json<'_>) {
    if app.config.export.metrics {
        measure(app, &line, &[]);
    }
    app.platform.log(line);
}

/// Tells that a request was answered, and what that has cost up to here. `endpoint` is its route, not its path.
pub fn answered<P: Platform>(
    app: &App<P>,
    request: &Request,
    endpoint: &'static str,
    status: u16,
    error: Option<&'static str>,
) {
    let usage = app.platform.usage();
    let facts = request.involved.0.borrow();
    let line = object! {
        "event": "request",
        "request": &request.id,
        "endpoint": endpoint,
        "method": request.method.as_str(),
        "status": i64::from(status),
        "error": error,
        "client": facts.client.as_deref(),
        "country": request.country.as_deref(),
        "milliseconds": i64::from(usage.milliseconds),
        "round_trips": i64::from(usage.round_trips),
        "statements": i64::from(usage.statements),
        "cache_reads": i64::from(usage.cache_reads),
        "fetches": i64::from(usage.fetches),
    }
    .without_nulls();
    if app.config.export.metrics {
        let doubles = [
            u32::from(status),
            usage.milliseconds,
            usage.round_trips,
            usage.statements,
            usage.cache_reads,
            usage.fetches,
        ];
        measure(app, &line, &doubles);
    }
    app.platform.log(line);
}

/// Writes a data point of an event or a request's line: nobody's name, only what there are few of.
fn measure<P: Platform>(app: &App<P>, line: &Json<'_>, numbers: &[u32]) {
    let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
    let (event, client) = (text("event"), text("client"));
    let index = if client.is_empty() { event.clone() } else { client.clone() };
    let point = DataPoint {
        index: index.get(..index.floor_char_boundary(MAXIMUM_INDEX_BYTES)).unwrap_or_default().to_owned(),
        blobs: vec![
            event,
            text("outcome"),
            // A line has one of them, here and below.
            text("reason") + &text("error"),
            client,
            text("factor"),
            text("country"),
            text("endpoint"),
            text("method"),
            text("source") + &text("provider"),
        ],
        doubles: [&[1], numbers].concat(),
    };
    if let Err(error) = app.platform.measure(&point) {
        app.platform.log(object! { "event": "metric_refused", "error": error.0 });
    }
}

#[cfg(test)]
mod tests;
