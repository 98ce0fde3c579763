//! The rules of `docs/contract.md` once more, as plainly as they can be put: what people have, what each request is
//! answered, what it leaves behind. No database, no cryptography, no concurrency. Nothing here is shared with the program
//! but the names of kinds.

use std::collections::{BTreeMap, BTreeSet};

use crate::mfa::factor::Kind;

/// Seconds in a time step of an app.
const STEP: i64 = 30;
/// Guesses: so many at once, one more each so many seconds.
const GUESSES: (i64, i64) = (10, 360);

/// All that is remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: i64,
    /// Whether `POLICY` demands two factors.
    two: bool,
    /// Messages at once and an hour, for numbers and for mail.
    limits: [(i64, i64); 2],
    /// Counts up; rows that were made later have a higher one.
    made: u64,
    pub(super) authenticators: Vec<Authenticator>,
    pub(super) pending: Vec<Pending>,
    pub(super) recovery_codes: BTreeMap<&'static str, String>,
    pub(super) challenges: Vec<Challenge>,
    /// Logins that have been exchanged, and until when that is remembered.
    pub(super) spent: BTreeMap<String, i64>,
    /// When each bucket is full again: of guesses in seconds, of messages in milliseconds.
    pub(super) guesses: BTreeMap<String, i64>,
    messages: BTreeMap<String, i64>,
}

/// An active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authenticator {
    pub(super) id: String,
    pub(super) user: &'static str,
    pub(super) kind: Kind,
    /// The app's number in the world, or the address.
    pub(super) what: String,
    pub(super) last_step: i64,
    pub(super) failures: i64,
    pub(super) created_at: i64,
    pub(super) confirmed_at: i64,
    pub(super) last_used_at: i64,
}

/// One that waits for its first code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: String,
    pub(super) user: &'static str,
    pub(super) client: &'static str,
    pub(super) kind: Kind,
    pub(super) what: String,
    /// The code that was sent.
    pub(super) code: Option<String>,
    pub(super) attempts: i64,
    pub(super) recovery_code: Option<String>,
    pub(super) proof: bool,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    /// Which came first.
    order: u64,
    place: i64,
}

/// A code on its way to an active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) id: String,
    pub(super) authenticator: String,
    pub(super) channel: Kind,
    pub(super) user: &'static str,
    pub(super) client: &'static str,
    pub(super) login: String,
    /// The number or address that it was sent to.
    pub(super) to: String,
    pub(super) code: String,
    pub(super) attempts: i64,
    pub(super) expires_at: i64,
}

impl Pending {
    /// Of guesses at what was sent there.
    pub(super) fn recipient_bucket(&self) -> String {
        recipient_bucket(self.kind, "enrollment", &self.what)
    }
}

impl Challenge {
    pub(super) fn recipient_bucket(&self) -> String {
        recipient_bucket(self.channel, "challenge", &self.to)
    }
}

/// Of messages, and of guesses at what was sent.
fn recipient_bucket(kind: Kind, purpose: &str, to: &str) -> String {
    format!("{} {purpose} {to}", medium(kind))
}

fn medium(kind: Kind) -> &'static str {
    if kind == Kind::Email { "email" } else { "phone" }
}

/// A token that somebody may present.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) user: &'static str,
    pub(super) client: &'static str,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    /// Whether a minute's difference of clocks is allowed: that of another issuer.
    pub(super) foreign: bool,
    /// Which key it is bound to (RFC 9449), and by which key's proof it is presented this time.
    pub(super) bound: Option<usize>,
    pub(super) proof: Option<usize>,
    pub(super) bearer: Bearer,
}

#[derive(Debug, Clone)]
pub(super) enum Bearer {
    /// `used`: the types of second factors that the login has used. `for_mfa`: whether the login is for the MFA API.
    Mfa {
        used: BTreeSet<&'static str>,
        for_mfa: bool,
    },
    Access {
        proof: bool,
        may_enroll: bool,
        may_remove: bool,
    },
}

/// What a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// 200 or 204, with what matters of it.
    Done(Done),
    /// `mfa_required`: the login goes on with a new token.
    GoesOn { used: BTreeSet<&'static str>, issued_at: i64, expires_at: i64 },
    /// Status and text.
    No(u16, &'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    /// Whether a recovery code was shown.
    Enrolled {
        recovery_code: bool,
    },
    /// The app is asked.
    AsksApp,
    /// A code is sent to this one, by this channel.
    Sent {
        authenticator: String,
        channel: Kind,
    },
    /// Tokens that prove MFA, or do not. The end of an access token for the MFA API is told.
    Tokens {
        proof: bool,
        for_mfa: Option<i64>,
    },
    Removed,
}

const INVALID_PROOF: &str = "The DPoP proof is invalid.";
const BEARER: Said = Said::No(401, "The mfa_token provided is invalid. Try getting a new token.");
const EXPIRED: Said = Said::No(401, "mfa_token is expired");
const MALFORMED: Said = Said::No(403, "Malformed mfa_token");
const OTHER_CLIENT: Said = Said::No(400, "mfa_token not issued to this client");
const SPENT: Said = Said::No(403, "mfa_token has already been used");
const SCOPE_ENROLL: Said = Said::No(403, "Insufficient scope, expected any of: enroll");
const SCOPE_REMOVE: Said = Said::No(403, "Insufficient scope, expected any of: remove:authenticators");
const TOO_MANY_CODES: Said = Said::No(429, "Too many failed codes. Wait for some minutes before retrying.");
const TOO_MANY_SMS: Said =
    Said::No(429, "Too many SMS sent by the user. Wait for some minutes before retrying.");
const TOO_MANY_MAILS: Said =
    Said::No(429, "Too many emails sent by the user. Wait for some minutes before retrying.");
const OOB_EXPIRED: Said = Said::No(401, "oob_code is expired");
const TWENTY: Said = Said::No(400, "The user has 20 authenticators. Remove one first.");
const INVALID_OTP: Said = Said::No(403, "Invalid otp_code.");
const INVALID_CODE: Said = Said::No(403, "Invalid binding_code.");
const REJECTED: Said = Said::No(403, "MFA Authorization rejected.");

/// What a code proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Factor {
    Kind(Kind),
    Recovery { independent: bool },
}

/// How the list and the policy call a kind.
pub(super) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Totp => "otp",
        Kind::Sms | Kind::Voice => "phone",
        Kind::Email => "email",
    }
}

/// E-mail is no second factor.
fn independent(kind: Kind) -> bool {
    kind != Kind::Email
}

/// The id of the other of SMS and voice.
pub(super) fn twin(id: &str) -> Option<String> {
    let (kind, device) = id.split_once('|')?;
    match kind {
        "sms" => Some(format!("voice|{device}")),
        "voice" => Some(format!("sms|{device}")),
        _ => None,
    }
}

pub(super) fn kind_of(id: &str) -> Kind {
    match id.split('|').next() {
        Some("sms") => Kind::Sms,
        Some("voice") => Kind::Voice,
        Some("email") => Kind::Email,
        _ => Kind::Totp,
    }
}

/// Which codes of which app a person can read off: the app's number and the step.
pub(super) type Shown<'a> = &'a dyn Fn(&str, i64) -> String;

impl Model {
    pub(super) fn new(now: i64, two: bool, limits: [(i64, i64); 2]) -> Self {
        Self { now, two, limits, ..Self::default() }
    }

    fn is_old(&self, token: &Token) -> bool {
        if token.foreign { self.now > token.expires_at + 60 } else { self.now >= token.expires_at }
    }

    fn is_spent(&self, token: &Token) -> bool {
        matches!(token.bearer, Bearer::Mfa { .. }) && self.spent.contains_key(&token.text)
    }

    pub(super) fn of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Authenticator> {
        self.authenticators.iter().filter(move |own| own.user == user)
    }

    /// Since when the user has an independent factor, if they have one.
    fn since(&self, user: &str) -> Option<i64> {
        self.of(user).filter(|own| independent(own.kind)).map(|own| own.confirmed_at).min()
    }

    /// A bearer at `/mfa/*`.
    fn header(&self, token: &Token) -> Result<(), Said> {
        match (&token.bearer, self.is_old(token)) {
            // An mfa_token is a bearer here, bound or not.
            (Bearer::Mfa { .. }, false) => Ok(()),
            (Bearer::Access { .. }, false) => match (token.bound, token.proof) {
                (Some(_), None) => Err(BEARER),
                (Some(bound), Some(proof)) if bound != proof => Err(Said::No(401, INVALID_PROOF)),
                _ => Ok(()),
            },
            (Bearer::Mfa { .. }, true) => Err(EXPIRED),
            (Bearer::Access { .. }, true) => Err(BEARER),
        }
    }

    /// A token in the body.
    fn body(&self, token: &Token, client: &str) -> Result<(), Said> {
        match (&token.bearer, self.is_old(token)) {
            (Bearer::Mfa { .. }, true) => Err(EXPIRED),
            (Bearer::Access { .. }, true) => Err(MALFORMED),
            (_, false) if token.client != client => Err(OTHER_CLIENT),
            (_, false) => Ok(()),
        }
    }

    // POST /mfa/associate

    pub(super) fn may_enroll(&self, token: &Token, kind: Kind, what: &str) -> Result<bool, Said> {
        self.header(token)?;
        if matches!(token.bearer, Bearer::Access { may_enroll: false, .. }) {
            return Err(SCOPE_ENROLL);
        }
        if self.is_spent(token) {
            return Err(BEARER);
        }
        if let Some(since) = self.since(token.user) {
            let proves = match &token.bearer {
                Bearer::Access { proof, .. } => *proof,
                // The further factor of a login that has used what there is.
                Bearer::Mfa { used, .. } => {
                    let mut have = self.of(token.user).filter(|own| independent(own.kind));
                    !used.is_empty() && have.all(|own| used.contains(type_of(own.kind)))
                }
            };
            if !proves || token.issued_at < since {
                return Err(Said::No(403, "User is already enrolled."));
            }
        }
        if self.of(token.user).count() >= 20 {
            return Err(TWENTY);
        }
        if kind != Kind::Totp {
            self.has_room_for_message(token.user, kind, "enrollment", what)?;
        }
        Ok(self.since(token.user).is_none())
    }

    /// Adds what [`Model::may_enroll`] allowed.
    pub(super) fn enrolls(
        &mut self,
        token: &Token,
        id: &str,
        what: &str,
        code: Option<&str>,
        recovery: Option<&str>,
    ) {
        let kind = kind_of(id);
        let own = |pending: &&Pending| pending.user == token.user;
        let last = self.pending.iter().filter(own).map(|pending| pending.place).max();
        let next = last.map_or(0, |last| last + 1);
        let waits = |place: i64| {
            let of_place =
                |pending: &&Pending| pending.place % 10 == place % 10 && pending.expires_at > self.now;
            self.pending.iter().filter(own).find(of_place).map(|pending| pending.place)
        };
        // Of what nothing waits in, or where the oldest does.
        let place = (next..next + 10).min_by_key(|place| waits(*place)).unwrap();
        self.pending.retain(|pending| pending.user != token.user || pending.place % 10 != place % 10);
        if kind != Kind::Totp {
            self.charge_message(token.user, kind, "enrollment", what);
        }
        self.made += 1;
        self.pending.push(Pending {
            id: id.to_owned(),
            user: token.user,
            client: token.client,
            kind,
            what: what.to_owned(),
            code: code.map(str::to_owned),
            attempts: 0,
            recovery_code: recovery.map(str::to_owned),
            proof: self.since(token.user).is_some(),
            created_at: self.now,
            expires_at: self.now + if kind == Kind::Totp { 86_400 } else { 300 },
            order: self.made,
            place,
        });
    }

    // POST /mfa/challenge

    /// What is answered, without the code. Of those that were used last in one second any may be taken: `seen` is the one
    /// that was, `None` of an app.
    pub(super) fn challenge(
        &self,
        token: &Token,
        client: &str,
        named: Option<&str>,
        seen: Option<&str>,
    ) -> Said {
        self.challenged(token, client, named, seen).unwrap_or_else(|said| said)
    }

    fn challenged(
        &self,
        token: &Token,
        client: &str,
        named: Option<&str>,
        seen: Option<&str>,
    ) -> Result<Said, Said> {
        self.body(token, client)?;
        let Bearer::Mfa { used, .. } = &token.bearer else { return Err(MALFORMED) };
        if self.is_spent(token) {
            return Err(SPENT);
        }
        let unused = |own: &&Authenticator| !used.contains(type_of(own.kind));
        let usable = |own: &&Authenticator| own.failures < 100;
        let enrolled = self.of(token.user).any(|own| unused(&own));
        let mut active: Vec<_> = self.of(token.user).filter(unused).filter(usable).collect();
        let is_seen = |own: &Authenticator| seen.map_or(own.kind == Kind::Totp, |seen| own.id == seen);
        active.sort_by_key(|own| std::cmp::Reverse((own.last_used_at, own.created_at, is_seen(own))));
        if !enrolled {
            return Err(Said::No(
                400,
                "User does not have any confirmed authenticator associated. You can associate a new authenticator calling \
                 /mfa/associate endpoint. If you have one authenticator ready for confirmation, you can confirm it just \
                 using it in /oauth/token",
            ));
        }
        let chosen = match named {
            Some(named) => {
                active.iter().find(|own| own.id == named || twin(&own.id).as_deref() == Some(named))
            }
            None => active.iter().find(|own| independent(own.kind)).or(active.first()),
        };
        let Some(chosen) = chosen else {
            return Err(match named {
                Some(_) => Said::No(404, "The user has no such authenticator."),
                None => Said::No(
                    401,
                    "The user does not support any of the requested challenge types. Supported type: ",
                ),
            });
        };
        if chosen.kind == Kind::Totp {
            return Ok(Said::Done(Done::AsksApp));
        }
        let channel = named.map_or(chosen.kind, kind_of);
        self.has_room_for_message(token.user, channel, "challenge", &chosen.what)?;
        Ok(Said::Done(Done::Sent { authenticator: chosen.id.clone(), channel }))
    }

    pub(super) fn sends(&mut self, challenge: Challenge) {
        self.charge_message(challenge.user, challenge.channel, "challenge", &challenge.to);
        // The newer code kills the older.
        self.challenges.retain(|own| own.authenticator != challenge.authenticator);
        self.challenges.push(challenge);
    }

    fn message_buckets(&self, user: &str, kind: Kind, purpose: &str, to: &str) -> ([String; 2], i64, i64) {
        let medium = medium(kind);
        let (burst, per_hour) = self.limits[usize::from(kind == Kind::Email)];
        let keys = [format!("{medium} by {user}"), recipient_bucket(kind, purpose, to)];
        (keys, burst, 3_600_000 / per_hour)
    }

    fn has_room_for_message(&self, user: &str, kind: Kind, purpose: &str, to: &str) -> Result<(), Said> {
        let (keys, burst, interval) = self.message_buckets(user, kind, purpose, to);
        let latest = self.now * 1000 + (burst - 1) * interval;
        let has_room = |key| self.messages.get(key).is_none_or(|full_at| *full_at <= latest);
        match (keys.iter().all(has_room), kind) {
            (true, _) => Ok(()),
            (false, Kind::Email) => Err(TOO_MANY_MAILS),
            (false, _) => Err(TOO_MANY_SMS),
        }
    }

    fn charge_message(&mut self, user: &str, kind: Kind, purpose: &str, to: &str) {
        let (keys, _, interval) = self.message_buckets(user, kind, purpose, to);
        let now = self.now * 1000;
        for key in keys {
            let full_at = self.messages.entry(key).or_insert(now);
            *full_at = (*full_at).max(now) + interval;
        }
    }

    // POST /oauth/token

    /// The checks of a grant before a code is looked at.
    fn grant(&self, token: &Token, client: &str) -> Result<(), Said> {
        self.body(token, client)?;
        if matches!(token.bearer, Bearer::Access { may_enroll: false, .. }) {
            return Err(SCOPE_ENROLL);
        }
        if token.bound.is_some_and(|bound| token.proof != Some(bound)) {
            return Err(Said::No(400, INVALID_PROOF));
        }
        Ok(())
    }

    /// Takes a guess out of the user's bucket and the recipient's, or out of neither.
    fn charge(
        &mut self,
        token: &Token,
        bucket: &str,
        recipient: Option<String>,
    ) -> Result<Vec<String>, Said> {
        if self.is_spent(token) {
            return Err(SPENT);
        }
        let (_, interval) = GUESSES;
        let keys: Vec<_> = [format!("{bucket}:{}", token.user)].into_iter().chain(recipient).collect();
        let now = self.now;
        if !keys.iter().all(|key| self.has_guess(key)) {
            return Err(TOO_MANY_CODES);
        }
        for key in &keys {
            let full_at = self.guesses.entry(key.clone()).or_insert(now);
            *full_at = (*full_at).max(now) + interval;
        }
        Ok(keys)
    }

    fn has_guess(&self, key: &str) -> bool {
        let (burst, interval) = GUESSES;
        self.guesses.get(key).is_none_or(|full_at| *full_at <= self.now + (burst - 1) * interval)
    }

    fn give_back(&mut self, keys: &[String]) {
        for key in keys {
            *self.guesses.get_mut(key).unwrap() -= GUESSES.1;
        }
    }

    /// A guess that was charged by a request that then failed, and given back.
    pub(super) fn charged_in_vain(&mut self, token: &Token, bucket: &str, recipient: Option<String>) {
        if let Ok(keys) = self.charge(token, bucket, recipient) {
            self.give_back(&keys);
        }
    }

    /// A try of a code that was counted, while the answer to that was lost: it is given back, unless it was the fifth. Of
    /// those nobody knows whether this one is among them. One that was not open to be tried is given back a try as well.
    pub(super) fn tried_in_vain(&mut self, token: &Token, id: &str, recipient: &str) {
        let own = format!("guess:{}", token.user);
        if self.is_spent(token) || ![own.as_str(), recipient].into_iter().all(|key| self.has_guess(key)) {
            return;
        }
        let after = |attempts: i64, is_open: bool| {
            let charged = if is_open && attempts < 5 { attempts + 1 } else { attempts };
            if charged < 5 { (charged - 1).max(0) } else { charged }
        };
        if let Some(place) = self.pending.iter().position(|own| own.id == id) {
            let is_open = self.may_confirm(&self.pending[place], token.user, token.client);
            self.pending[place].attempts = after(self.pending[place].attempts, is_open);
        }
        if let Some(place) = self.challenges.iter().position(|own| own.id == id) {
            let own = &self.challenges[place];
            let is_active = |other: &Authenticator| other.id == own.authenticator && other.failures < 100;
            let is_open = own.expires_at > self.now && self.authenticators.iter().any(is_active);
            self.challenges[place].attempts = after(own.attempts, is_open);
        }
    }

    /// Whether a token is still good, and its login not spent.
    pub(super) fn is_good(&self, token: &Token) -> bool {
        !self.is_old(token) && !self.is_spent(token)
    }

    pub(super) fn otp(&mut self, token: &Token, client: &str, code: &str, shown: Shown<'_>) -> Said {
        self.try_otp(token, client, code, shown).unwrap_or_else(|said| said)
    }

    fn try_otp(&mut self, token: &Token, client: &str, code: &str, shown: Shown<'_>) -> Result<Said, Said> {
        self.grant(token, client)?;
        let keys = self.charge(token, "guess", None)?;
        let is_login = matches!(token.bearer, Bearer::Mfa { .. });
        let user = token.user;
        let is_app = |own: &Authenticator| own.user == user && own.kind == Kind::Totp;
        let present = self.now.div_euclid(STEP);
        let step = |what: &str, last: i64| {
            [present, present - 1].into_iter().find(|step| *step > last && shown(what, *step) == code)
        };
        if is_login {
            for own in self.authenticators.iter_mut().filter(|own| is_app(own)) {
                own.failures += 1;
            }
            let matching = self
                .authenticators
                .iter()
                .filter(|own| is_app(own) && own.failures <= 100)
                .find_map(|own| Some((own.id.clone(), step(&own.what, own.last_step)?)));
            if let Some((id, step)) = matching {
                let said = self.outcome(token, Factor::Kind(Kind::Totp));
                self.spend(token);
                for own in self.authenticators.iter_mut().filter(|own| is_app(own)) {
                    own.failures = if own.failures > 100 { own.failures - 1 } else { 0 };
                    if own.id == id {
                        (own.failures, own.last_step, own.last_used_at) = (0, step, self.now);
                    }
                }
                self.give_back(&keys);
                return Ok(said);
            }
        }
        let mut waiting: Vec<_> = self.pending.iter().filter(|own| own.kind == Kind::Totp).collect();
        waiting.sort_by_key(|own| std::cmp::Reverse(own.order));
        let found = waiting
            .into_iter()
            .filter(|own| self.may_confirm(own, user, client))
            .find_map(|own| Some((own.clone(), step(&own.what, 0)?)));
        let Some((pending, step)) = found else { return Err(INVALID_OTP) };
        let said = self.outcome(token, Factor::Kind(Kind::Totp));
        let has_room = self.confirms(token, &pending, step);
        if is_login {
            for own in self.authenticators.iter_mut().filter(|own| is_app(own)) {
                own.failures = (own.failures - 1).max(0);
            }
        }
        self.give_back(&keys);
        if has_room { Ok(said) } else { Err(TWENTY) }
    }

    /// What was enrolled without proof is not confirmed any more once there is an independent factor.
    fn may_confirm(&self, pending: &Pending, user: &str, client: &str) -> bool {
        pending.user == user
            && pending.client == client
            && pending.expires_at > self.now
            && (pending.proof || self.since(user).is_none())
    }

    /// The first good code. `false` where there is no room.
    fn confirms(&mut self, token: &Token, pending: &Pending, step: i64) -> bool {
        let user = pending.user;
        let is_same = |own: &Authenticator| {
            own.user == user
                && own.kind != Kind::Totp
                && type_of(own.kind) == type_of(pending.kind)
                && own.what == pending.what
        };
        if self.of(user).filter(|own| !is_same(own)).count() >= 20 {
            return false;
        }
        self.spend(token);
        let is_first = self.since(user).is_none();
        let replaces = self.of(user).any(is_same);
        if independent(pending.kind) && (is_first || replaces) {
            self.pending.retain(|own| own.user != user || own.id == pending.id);
        }
        if is_first && independent(pending.kind) {
            self.recovery_codes.remove(user);
        }
        if is_first && let Some(code) = &pending.recovery_code {
            self.recovery_codes.insert(user, code.clone());
        }
        self.authenticators.retain(|own| !is_same(own));
        self.pending.retain(|own| own.id != pending.id);
        self.authenticators.push(Authenticator {
            id: pending.id.clone(),
            user,
            kind: pending.kind,
            what: pending.what.clone(),
            last_step: step,
            failures: 0,
            created_at: pending.created_at,
            confirmed_at: self.now,
            last_used_at: self.now,
        });
        true
    }

    /// The code of an enrollment.
    pub(super) fn confirm(&mut self, token: &Token, client: &str, enrollment: &Pending, code: &str) -> Said {
        self.try_confirm(token, client, enrollment, code).unwrap_or_else(|said| said)
    }

    fn try_confirm(
        &mut self,
        token: &Token,
        client: &str,
        enrollment: &Pending,
        code: &str,
    ) -> Result<Said, Said> {
        self.grant(token, client)?;
        if (enrollment.user, enrollment.client) != (token.user, client) {
            return Err(Said::No(400, "The oob_code doesn't match the mfa_token"));
        }
        if enrollment.expires_at <= self.now {
            return Err(OOB_EXPIRED);
        }
        let keys = self.charge(token, "guess", Some(enrollment.recipient_bucket()))?;
        let Some(place) = self.pending.iter().position(|own| own.id == enrollment.id) else {
            return Err(OOB_EXPIRED);
        };
        let pending = self.pending[place].clone();
        if pending.attempts >= 5 {
            return Err(TOO_MANY_CODES);
        }
        if !self.may_confirm(&pending, token.user, client) {
            return Err(OOB_EXPIRED);
        }
        self.pending[place].attempts += 1;
        if pending.code.as_deref() != Some(code) {
            return Err(INVALID_CODE);
        }
        let said = self.outcome(token, Factor::Kind(pending.kind));
        let has_room = self.confirms(token, &pending, 0);
        self.give_back(&keys);
        if !has_room {
            self.pending[place].attempts -= 1;
            return Err(TWENTY);
        }
        Ok(said)
    }

    /// The code of a challenge.
    pub(super) fn verify(&mut self, token: &Token, client: &str, challenge: &Challenge, code: &str) -> Said {
        self.try_verify(token, client, challenge, code).unwrap_or_else(|said| said)
    }

    fn try_verify(
        &mut self,
        token: &Token,
        client: &str,
        challenge: &Challenge,
        code: &str,
    ) -> Result<Said, Said> {
        self.grant(token, client)?;
        if (challenge.user, challenge.client, &challenge.login) != (token.user, client, &token.text) {
            return Err(Said::No(400, "The oob_code doesn't match the mfa_token"));
        }
        if challenge.expires_at <= self.now {
            return Err(OOB_EXPIRED);
        }
        let keys = self.charge(token, "guess", Some(challenge.recipient_bucket()))?;
        let Some(place) = self.challenges.iter().position(|own| own.id == challenge.id) else {
            return Err(OOB_EXPIRED);
        };
        let used_up = self.challenges[place].attempts >= 5;
        let authenticator = self.authenticators.iter_mut().find(|own| own.id == challenge.authenticator);
        let gone = if used_up { TOO_MANY_CODES } else { OOB_EXPIRED };
        let Some(authenticator) = authenticator else { return Err(gone) };
        let disabled = authenticator.failures >= 100;
        authenticator.failures += 1;
        if used_up || disabled {
            return Err(gone);
        }
        self.challenges[place].attempts += 1;
        if challenge.code != code {
            return Err(INVALID_CODE);
        }
        let said = self.outcome(token, Factor::Kind(challenge.channel));
        self.spend(token);
        let own = self.authenticators.iter_mut().find(|own| own.id == challenge.authenticator).unwrap();
        (own.failures, own.last_used_at) = (0, self.now);
        self.challenges.remove(place);
        self.give_back(&keys);
        Ok(said)
    }

    /// The next code is in the answer: [`Model::rotates`] is told it.
    pub(super) fn recover(&mut self, token: &Token, client: &str, code: &str) -> Said {
        self.try_recover(token, client, code).unwrap_or_else(|said| said)
    }

    fn try_recover(&mut self, token: &Token, client: &str, code: &str) -> Result<Said, Said> {
        self.grant(token, client)?;
        if matches!(token.bearer, Bearer::Access { .. }) {
            return Err(MALFORMED);
        }
        let keys = self.charge(token, "recovery", None)?;
        if self.recovery_codes.get(token.user).map(String::as_str) != Some(code) {
            return Err(REJECTED);
        }
        let said = self.outcome(token, Factor::Recovery { independent: self.since(token.user).is_some() });
        self.give_back(&keys);
        let brings_further = match (&said, &token.bearer) {
            (Said::GoesOn { used, .. }, Bearer::Mfa { used: before, .. }) => used.len() > before.len(),
            _ => true,
        };
        // One that brings the login no further is not used up, and spends nothing.
        if brings_further {
            self.spend(token);
        }
        Ok(said)
    }

    pub(super) fn rotates(&mut self, user: &'static str, next: &str) {
        self.recovery_codes.insert(user, next.to_owned());
    }

    fn spend(&mut self, token: &Token) {
        if matches!(token.bearer, Bearer::Mfa { .. }) {
            let until = token.expires_at + if token.foreign { 61 } else { 0 };
            self.spent.insert(token.text.clone(), until);
        }
    }

    /// Tokens, or the demand of a further factor.
    fn outcome(&self, token: &Token, factor: Factor) -> Said {
        let is_independent = match factor {
            Factor::Kind(kind) => independent(kind),
            Factor::Recovery { independent } => independent,
        };
        let (before, for_mfa) = match &token.bearer {
            Bearer::Access { proof, .. } => {
                // Of one that is accepted past its end, as long as it is.
                let end = if token.expires_at > self.now { token.expires_at } else { token.expires_at + 61 };
                let for_mfa = Some((self.now + 600).min(end));
                return Said::Done(Done::Tokens { proof: *proof || is_independent, for_mfa });
            }
            Bearer::Mfa { used, for_mfa } => (used, *for_mfa),
        };
        let enrolled = self.since(token.user).is_some() || is_independent;
        // An own mfa_token is itself the demand. But for the MFA API nothing is demanded of who has nothing.
        let demanded = match (enrolled || (!token.foreign && !for_mfa), self.two) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let name = match factor {
            Factor::Kind(kind) => type_of(kind),
            Factor::Recovery { .. } => "recovery-code",
        };
        let counts = match factor {
            Factor::Kind(kind) => independent(kind),
            // It stands for a factor that has not been used.
            Factor::Recovery { .. } => {
                self.of(token.user).any(|own| independent(own.kind) && !before.contains(type_of(own.kind)))
            }
        };
        let mut used = before.clone();
        if counts {
            used.insert(name);
        }
        if used.len() < demanded {
            let brings_further = used.len() > before.len();
            let (issued_at, expires_at) =
                if brings_further { (self.now, self.now + 600) } else { (token.issued_at, token.expires_at) };
            return Said::GoesOn { used, issued_at, expires_at };
        }
        Said::Done(Done::Tokens { proof: is_independent, for_mfa: for_mfa.then_some(self.now + 600) })
    }

    // DELETE /mfa/authenticators/{id}

    pub(super) fn remove(&mut self, token: &Token, id: &str) -> Said {
        self.try_remove(token, id).unwrap_or_else(|said| said)
    }

    fn try_remove(&mut self, token: &Token, id: &str) -> Result<Said, Said> {
        self.header(token)?;
        let Bearer::Access { proof, may_remove, .. } = token.bearer else { return Err(BEARER) };
        if !may_remove {
            return Err(SCOPE_REMOVE);
        }
        let (user, other) = (token.user, twin(id));
        let is_it = |own: &str| own == id || Some(own) == other.as_deref();
        let active = self.of(user).any(|own| is_it(&own.id));
        let is_there = |own: &&Pending| own.user == user && is_it(&own.id) && own.expires_at > self.now;
        let pending = self.pending.iter().any(|own| is_there(&own));
        if !active && !pending {
            return Err(Said::No(404, "The user has no such authenticator."));
        }
        if self.since(user).is_some_and(|since| !proof || token.issued_at < since) {
            return Err(Said::No(403, "Use a second factor first: this needs a token that proves one."));
        }
        // With an active one go all that are pending.
        self.pending.retain(|own| own.user != user || !(active || is_it(&own.id)));
        self.authenticators.retain(|own| own.user != user || !is_it(&own.id));
        self.challenges.retain(|own| own.user != user || !is_it(&own.authenticator));
        if self.of(user).next().is_none() {
            self.recovery_codes.remove(user);
        }
        Ok(Said::Done(Done::Removed))
    }

    // GET /mfa/authenticators

    /// Ids and whether they are active, without the recovery code.
    pub(super) fn list(&self, token: &Token) -> Result<Vec<(String, bool)>, Said> {
        self.header(token)?;
        if self.is_spent(token) {
            return Err(BEARER);
        }
        let own = |user: &str| user == token.user;
        let active = self.authenticators.iter().filter(|it| own(it.user)).map(|it| (it.id.clone(), true));
        let pending = self.pending.iter().filter(|it| own(it.user) && it.expires_at > self.now);
        let all = active.chain(pending.map(|it| (it.id.clone(), false)));
        let mut all: Vec<_> = all
            .flat_map(|(id, active)| [Some((id.clone(), active)), twin(&id).map(|id| (id, active))])
            .flatten()
            .collect();
        all.sort();
        Ok(all)
    }

    // Time.

    pub(super) fn sweeps(&mut self) {
        let now = self.now;
        self.pending.retain(|own| own.expires_at > now);
        self.challenges.retain(|own| own.expires_at > now);
        self.spent.retain(|_, until| *until > now - 60);
        self.guesses.retain(|_, full_at| *full_at > now);
        self.messages.retain(|_, full_at| *full_at > now * 1000);
    }
}
