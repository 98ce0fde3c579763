//! Who carries a message: an ordered list for each channel, some of its entries for some regions only. When one cannot,
//! the next one does, within the same attempt.

use super::breaker::Turn;
use super::provider::{Message, SendError};
use super::providers::{Name, Providers};
use crate::app::App;
use crate::audit;
use crate::json::{self, Json, object};
use crate::mfa::factor::Kind;
use crate::platform::Platform;

/// Nobody is asked any more this long after an attempt has begun. Whoever is being asked then has ten seconds, or twenty
/// for two requests, so that all is over before the claim of the delivery ends (`deliveries::LEASE_SECONDS`).
const ATTEMPT_SECONDS: i64 = 30;

/// `DELIVERY`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    sms: Vec<Route>,
    voice: Vec<Route>,
    email: Vec<Route>,
}

/// One entry of a channel's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Who.
    pub provider: Name,
    /// Only for numbers that begin with one of these, after the `+`; empty means all.
    pub calling_codes: Vec<String>,
    /// The sender, if it is another than the provider's usual one.
    pub from: Option<String>,
}

impl Routes {
    /// Reads the variable. Without it, and for channels that it leaves out, everything that is configured and can do the
    /// channel is asked in the usual order.
    ///
    /// # Errors
    /// A sentence of which the variable is the subject.
    pub fn parse(json: Option<&str>, providers: &Providers) -> Result<Self, String> {
        let usual = |kind| {
            let able = Name::ALL.iter().filter(|name| name.carries(kind) && providers.has(**name));
            able.map(|name| Route { provider: *name, calling_codes: Vec::new(), from: None }).collect()
        };
        let mut routes = Self { sms: usual(Kind::Sms), voice: usual(Kind::Voice), email: usual(Kind::Email) };
        let Some(json) = json else {
            return Ok(routes);
        };
        let channels = json::settings(json, r#"{"sms":["twilio","webhook"]}"#)?;
        for (channel, list) in &channels {
            let (kind, own) = match &**channel {
                "sms" => (Kind::Sms, &mut routes.sms),
                "voice" => (Kind::Voice, &mut routes.voice),
                "email" => (Kind::Email, &mut routes.email),
                unknown => {
                    return Err(format!(
                        "has the unknown channel {unknown:?}; known are sms, voice and email."
                    ));
                }
            };
            let list = list.as_array().ok_or_else(|| format!("must have a list as {channel:?}."))?;
            *own = list.iter().map(|entry| route(entry, kind, providers)).collect::<Result<_, _>>()?;
        }
        Ok(routes)
    }

    /// Whether anybody carries this channel.
    #[must_use]
    pub fn carries(&self, kind: Kind) -> bool {
        !self.of(kind).is_empty()
    }

    /// Whether anybody carries notices by this channel.
    #[must_use]
    pub fn carries_notices(&self, kind: Kind) -> bool {
        self.of(kind).iter().any(|route| route.provider.carries_notices())
    }

    /// Whether anybody carries this channel's messages to this number or address.
    #[must_use]
    pub fn reaches(&self, kind: Kind, to: &str) -> bool {
        self.to(kind, to).next().is_some()
    }

    fn of(&self, kind: Kind) -> &[Route] {
        match kind {
            Kind::Sms => &self.sms,
            Kind::Voice => &self.voice,
            Kind::Email => &self.email,
            Kind::Totp => &[],
        }
    }

    /// Those that may carry a message to this number or address, in their order.
    fn to<'a>(&'a self, kind: Kind, to: &'a str) -> impl Iterator<Item = &'a Route> {
        let digits = to.strip_prefix('+').unwrap_or(to);
        self.of(kind).iter().filter(move |route| {
            route.calling_codes.is_empty()
                || route.calling_codes.iter().any(|code| digits.starts_with(code.as_str()))
        })
    }
}

fn route(entry: &Json<'_>, kind: Kind, providers: &Providers) -> Result<Route, String> {
    let channel = kind.as_str();
    let name = entry.as_text().or_else(|| entry.text("provider"));
    let name = name.ok_or_else(|| {
        format!(
            "must name a provider in each entry of {channel:?}: its name, or an object with \"provider\"."
        )
    })?;
    let Some(provider) = Name::ALL.iter().find(|own| own.as_str() == name) else {
        return Err(format!("has the unknown provider {name:?} for {channel}."));
    };
    if !provider.carries(kind) {
        return Err(format!("has {name} for {channel}, which it does not carry."));
    }
    if !providers.has(*provider) {
        return Err(format!("has {name} for {channel}, which is not configured."));
    }
    if let Some(unknown) =
        entry.as_object().and_then(|_| entry.unknown(&["provider", "calling_codes", "from"]))
    {
        return Err(format!("has the unknown member {unknown:?} in an entry of {channel:?}."));
    }
    let from = match entry.member("from") {
        None => None,
        Some(from) => Some(
            from.as_text()
                .ok_or_else(|| format!("must have a text as \"from\" in an entry of {channel:?}."))?,
        ),
    };
    if from.is_some() && !provider.takes_sender() {
        return Err(format!("has a sender for {name}, which finds its own."));
    }
    let calling_codes = match entry.member("calling_codes") {
        None => Vec::new(),
        Some(codes) => codes
            .as_texts()
            .filter(|codes| {
                !codes.is_empty()
                    && codes
                        .iter()
                        .all(|code| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()))
            })
            .ok_or_else(|| {
                format!("must have a list of digits as \"calling_codes\" in an entry of {channel:?}.")
            })?
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    Ok(Route { provider: *provider, calling_codes, from: from.map(str::to_owned) })
}

/// Hands the message to the first that takes it. `Ok` says who; an error stands for all of them.
pub async fn send<P: Platform>(app: &App<P>, message: &Message<'_>) -> Result<Name, SendError> {
    let mut failures = Failures::default();
    let mut passed_over = Vec::new();
    for route in app.config.routes.to(message.channel, message.to.expose()) {
        if !app.isolate.breakers.lets_through(route.provider, app.platform.now()) {
            passed_over.push(route);
        } else if let Some(decided) = ask(app, route, message, &mut failures).await {
            return decided;
        }
    }
    // Where all have failed lately, one that may have recovered is better than none.
    if failures.reasons.is_empty() {
        for route in passed_over {
            if let Some(decided) = ask(app, route, message, &mut failures).await {
                return decided;
            }
        }
    }
    Err(failures.together())
}

/// Asks one of them, and says what that decides, if it does.
async fn ask<P: Platform>(
    app: &App<P>,
    route: &Route,
    message: &Message<'_>,
    failures: &mut Failures,
) -> Option<Result<Name, SendError>> {
    let (name, breakers) = (route.provider, &app.isolate.breakers);
    if app.platform.now().since(message.now) >= ATTEMPT_SECONDS {
        breakers.undecided(name, app.platform.now());
        failures.time_is_up();
        return None;
    }
    match app.config.providers.send(app, name, route.from.as_deref(), message).await {
        Ok(()) => {
            record(app, name, breakers.succeeded(name));
            Some(Ok(name))
        }
        // The message is at fault, not the provider.
        Err(SendError::Permanent { reason }) => {
            record(app, name, breakers.succeeded(name));
            Some(Err(SendError::Permanent { reason: format!("{}: {reason}", name.as_str()) }))
        }
        Err(error) => {
            match &error {
                SendError::Elsewhere { .. } => breakers.undecided(name, app.platform.now()),
                SendError::Misconfigured { reason } => {
                    let line = object! {
                        "event": "provider_misconfigured",
                        "severity": "alert",
                        "provider": name.as_str(),
                        "reason": reason,
                    };
                    audit::tell(app, line);
                    record(app, name, breakers.failed(name, app.platform.now()));
                }
                SendError::Retry { .. } | SendError::Permanent { .. } => {
                    record(app, name, breakers.failed(name, app.platform.now()));
                }
            }
            failures.add(name, error);
            None
        }
    }
}

fn record<P: Platform>(app: &App<P>, name: Name, turn: Option<Turn>) {
    let event = match turn {
        Some(Turn::Down) => "provider_down",
        Some(Turn::Up) => "provider_up",
        None => return,
    };
    audit::tell(app, object! { "event": event, "provider": name.as_str() });
}

/// Why nobody has taken a message.
#[derive(Default)]
struct Failures {
    reasons: Vec<String>,
    /// In how many seconds the first of them is ready again.
    after: Option<i64>,
}

impl Failures {
    fn add(&mut self, name: Name, error: SendError) {
        // Who names no time is ready at once. Who cannot carry it at all is not waited for.
        let ready = match &error {
            SendError::Retry { after, .. } => Some(after.unwrap_or(0)),
            SendError::Elsewhere { .. } | SendError::Misconfigured { .. } | SendError::Permanent { .. } => {
                None
            }
        };
        self.after = match (self.after, ready) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.reasons.push(format!("{}: {}", name.as_str(), error.reason()));
    }

    /// There are others, but no time left to ask them.
    fn time_is_up(&mut self) {
        const REASON: &str = "no time was left for the others";
        if self.reasons.last().is_none_or(|last| last != REASON) {
            self.reasons.push(REASON.to_owned());
        }
        self.after = Some(0);
    }

    fn together(self) -> SendError {
        if self.reasons.is_empty() {
            return SendError::Retry { reason: "nobody carries messages there".to_owned(), after: None };
        }
        SendError::Retry { reason: self.reasons.join("; "), after: self.after }
    }
}

#[cfg(test)]
mod tests;
