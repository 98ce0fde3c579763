//! The program and the model side by side, and steps that both take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rules::{Bearer, Challenge, Done, Model, Pending, Said, Token, kind_of, twin, type_of};
use crate::algorithm::Algorithm;
use crate::delivery::consumer;
use crate::http::request::{Headers, Method, Request};
use crate::mfa::factor::Kind;
use crate::mfa::one_time_password::{STEP_SECONDS, TotpSecret, code_at};
use crate::mfa::sending::Rule;
use crate::platform::{Platform, Row, Value as Stored};
use crate::storage::keyring::Keyring;
use crate::storage::messages::budget_key;
use crate::storage::{places, statements, sweep};
use crate::testing::dice::Dice;
use crate::testing::person::{API, Answer, MFA_API, Person, Service, claims};
use crate::testing::platform::BatchFault;
use crate::testing::{TestIssuer, TestKey, block_on};
use crate::trust::dpop;
use crate::trust::own_tokens::{open_mfa_token, open_oob_code};
use crate::types::ClientId;

/// What differs from sequence to sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// `POLICY` demands two factors.
    pub(super) two: bool,
    /// Messages without end, so that people can fill their places.
    pub(super) wide: bool,
}

/// Numbers by which a step finds what it does and what it is about.
#[derive(Debug, Clone)]
pub(super) struct Step {
    what: u64,
    whose: u64,
    token: u64,
    thing: u64,
    code: u64,
    fault: u64,
}

impl Step {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        let mut draw = || dice.below(1 << 40);
        Self { what: draw(), whose: draw(), token: draw(), thing: draw(), code: draw(), fault: draw() }
    }

    /// The fault that the database has for the step's first request, if any.
    fn fault(&self) -> Option<Fault> {
        let of = self.fault / 64;
        self.fault.is_multiple_of(4).then(|| Fault {
            which: usize::try_from(of / 8).unwrap(),
            when: if of.is_multiple_of(2) { BatchFault::BeforeCommit } else { BatchFault::AfterCommit },
            gives_up: (of / 2).is_multiple_of(4),
        })
    }
}

/// What happens to a request in the database, once.
struct Fault {
    which: usize,
    when: BatchFault,
    /// Whether the client that is told nothing leaves it at that.
    gives_up: bool,
}

/// What a request does, as far as it matters to who has lost its answer.
enum Doing<'a> {
    Enrolling,
    Challenging,
    Redeeming { token: &'a Token, client: &'static str, bucket: &'static str, of: Option<Of<'a>> },
    Removing { token: &'a Token, id: &'a str },
    Listing,
}

/// The code that is redeemed: the id of its enrollment or challenge, and the bucket of guesses at its recipient.
#[derive(Clone, Copy)]
struct Of<'a> {
    id: &'a str,
    recipient: &'a str,
}

impl Doing<'_> {
    /// The statements whose batch may fail.
    fn statements(&self) -> &'static [&'static str] {
        match self {
            Self::Enrolling => &[statements::ENROLL, statements::FIND_CLIENT, statements::ENROLLMENT_STATE],
            Self::Challenging => &[
                statements::CHALLENGE,
                statements::ACTIVE_AUTHENTICATORS,
                statements::KEEP_ANSWER,
                statements::LOGIN_STATE,
            ],
            Self::Redeeming { .. } => {
                &[statements::CHARGE_GUESS, statements::REDEMPTION_STATE, statements::ACTIVE_FACTORS]
            }
            Self::Removing { .. } => &[statements::REMOVE_AUTHENTICATOR, statements::FIND_CLIENT],
            Self::Listing => &[statements::LIST_AUTHENTICATORS],
        }
    }
}

/// A request with an `Idempotency-Key` and its answer.
#[derive(Clone)]
struct Kept {
    /// The client at `/mfa/challenge`, `None` at `/mfa/associate`.
    client: Option<&'static str>,
    body: Value,
    key: String,
    token: Token,
    text: String,
    /// The enrollment or challenge that it announces.
    announces: Option<String>,
    until: i64,
}

const USERS: [&str; 2] = ["idp|alice", "idp|bob"];
const ALL_SCOPES: &str = "enroll read:authenticators remove:authenticators";
const ADDRESSES: u64 = 26;
/// Which of the tokens that [`World::new_token`] makes proves MFA.
const PROOF: u64 = 16 * 17;

/// An oob_code that was given out, and what is known of it.
#[derive(Clone)]
enum Sent {
    Enrollment(String, Pending),
    Challenge(String, Challenge),
}

pub(super) struct World {
    service: Service,
    model: Model,
    keys_of_clients: [TestKey; 2],
    /// Whatever was seen.
    tokens: Vec<Token>,
    apps: Vec<(&'static str, TotpSecret)>,
    sent: Vec<Sent>,
    recovery_codes: Vec<(&'static str, String)>,
    kept: Vec<Kept>,
    /// What the next request meets, and whether it comes with a key.
    fault: Option<Fault>,
    with_key: bool,
    keys: u64,
    story: String,
    answers: BTreeMap<String, u64>,
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let message = if setting.wide { r#"{"burst":1000,"per_hour":1000}"# } else { "{}" };
        let factors = format!(
            r#"{{"otp":{{}},"sms":{message},"voice":{message},"email":{message},"recovery-code":{{}}}}"#
        );
        let mut issuer = TestIssuer::new("idp").entry();
        issuer["algorithms"] = json!(["EdDSA"]);
        let variables = Service::variables()
            .with_issuers(&[issuer])
            .with("FACTORS", &factors)
            .with("POLICY", if setting.two { r#"{"factors":2}"# } else { "{}" })
            // What all people share is another matter.
            .with("SENDING_LIMITS", r#"{"mode":"record_only"}"#);
        let mut service = Service::configured(&variables);
        // Nearly every step has a new token: RSA would take most of the time.
        service.idp.keys = vec![TestKey::new(Algorithm::EdDSA, 1, "idp-1")];
        service.idp.publish_on(&service.world);
        let limits = if setting.wide { [(1000, 1000); 2] } else { [(10, 1), (20, 60)] };
        let model = Model::new(crate::testing::platform::START.0, setting.two, limits);
        Self {
            service,
            model,
            keys_of_clients: [0, 1].map(|index| TestKey::new(Algorithm::ES256, index, "phone")),
            tokens: Vec::new(),
            apps: Vec::new(),
            sent: Vec::new(),
            recovery_codes: Vec::new(),
            kept: Vec::new(),
            fault: None,
            with_key: false,
            keys: 0,
            story: String::new(),
            answers: BTreeMap::new(),
        }
    }

    /// What has happened.
    pub(super) fn story(&self) -> &str {
        &self.story
    }

    /// How often each answer was given.
    pub(super) fn answers(self) -> BTreeMap<String, u64> {
        self.answers
    }

    /// Takes a step with both and compares.
    pub(super) fn takes(&mut self, step: &Step) -> Result<(), String> {
        self.fault = step.fault();
        self.with_key = (step.fault / 4).is_multiple_of(3);
        match step.what % 100 {
            0..=3 => drop(self.new_token(step, step.token)),
            4..=7 => self.asks_again(step)?,
            8..=23 => self.associates(step)?,
            24..=39 => self.enters_otp(step)?,
            40..=54 => self.enters_code(step)?,
            55..=63 => self.is_challenged(step)?,
            64..=69 => self.recovers(step)?,
            70..=75 => self.removes(step)?,
            76..=78 => self.lists(step)?,
            79..=86 => self.waits(step),
            87..=89 => self.sweeps(),
            90 => self.service.touches_client(if step.thing.is_multiple_of(2) { "app" } else { "server" }),
            91..=92 => self.wears_out(step),
            93..=96 => self.adds(step)?,
            _ => self.parks(step)?,
        }
        self.compares()
    }

    fn tells(&mut self, text: &str) {
        writeln!(self.story, "{:>7} {text}", self.model.now - crate::testing::platform::START.0).unwrap();
    }

    fn user(step: &Step) -> &'static str {
        USERS[usize::from(step.whose % 10 >= 8)]
    }

    fn person(&self, user: &'static str, client: &'static str) -> Person<'_> {
        self.service.person(user.strip_prefix("idp|").unwrap()).at_client(client)
    }

    /// A token of the issuer's.
    fn new_token(&mut self, step: &Step, which: u64) -> Token {
        let user = Self::user(step);
        let client = if step.whose.is_multiple_of(7) { "server" } else { "app" };
        let person = self.person(user, client);
        let mfa = |for_mfa: bool| Bearer::Mfa { used: BTreeSet::new(), for_mfa };
        let access = |proof, may_enroll, may_remove| Bearer::Access { proof, may_enroll, may_remove };
        let bound = (which / 320).is_multiple_of(4).then(|| usize::from((which / 1280).is_multiple_of(5)));
        // The key that a token is bound to, if it is.
        let with = |mut claims: Value| {
            if let Some(key) = bound {
                claims["cnf"] = json!({ "jkt": self.keys_of_clients[key].thumbprint().as_str() });
            }
            claims
        };
        let (text, bearer) = match which / 16 % 20 {
            0..=8 => (person.logs_in_with(&with(json!({}))), mfa(false)),
            9..=13 => {
                let claims = with(json!({ "audience": MFA_API, "scope": ALL_SCOPES }));
                (person.logs_in_with(&claims), mfa(true))
            }
            14..=15 => {
                (person.access_token_with(&with(json!({ "scope": ALL_SCOPES }))), access(false, true, true))
            }
            16 => {
                let claims = with(json!({ "scope": "read:authenticators" }));
                (person.access_token_with(&claims), access(false, false, false))
            }
            _ => {
                let proof = with(json!({ "scope": ALL_SCOPES, "amr": ["pwd", "mfa"] }));
                (person.access_token_with(&proof), access(true, true, true))
            }
        };
        let now = self.model.now;
        let (issued_at, expires_at) = (now, now + 600);
        let token =
            Token { text, user, client, issued_at, expires_at, foreign: true, bound, proof: bound, bearer };
        self.tokens.push(token.clone());
        token
    }

    /// A token, presented with the proof that it needs or, now and then, with another one or none. Whoever presents one that
    /// is not bound may bring a proof as well: what is given for it is bound then.
    fn token(&mut self, step: &Step) -> Token {
        let token = self.some_token(step);
        let proof = match step.fault / 4096 % 16 {
            0 => None,
            1 => Some(0),
            2 => Some(1),
            _ => token.bound,
        };
        Token { proof, ..token }
    }

    /// A new one, one of the last, or any that was ever seen.
    fn some_token(&mut self, step: &Step) -> Token {
        let user = Self::user(step);
        let own: Vec<_> = self.tokens.iter().filter(|token| token.user == user).cloned().collect();
        let which = usize::try_from(step.token / 16).unwrap();
        match step.token % 16 {
            0..=4 => self.new_token(step, step.token),
            // The oldest proof that is not expired: older than what it may have to prove.
            5 => {
                let is_good = |token: &&Token| {
                    matches!(token.bearer, Bearer::Access { proof: true, .. })
                        && token.expires_at > self.model.now
                };
                let proof = own.iter().find(is_good).cloned();
                proof.unwrap_or_else(|| self.new_token(step, PROOF))
            }
            6..=12 if !own.is_empty() => own[own.len() - 1 - which % own.len().min(3)].clone(),
            13..=15 if !own.is_empty() => own[which % own.len()].clone(),
            _ => self.new_token(step, step.token),
        }
    }

    /// The request of a grant with the token's proof.
    fn proved(&self, token: &Token, request: Request) -> Request {
        let Some(key) = token.proof else { return request };
        self.with_proof(key, Value::Null, request)
    }

    /// A request to `/mfa/*` by a bound access token, with its proof.
    fn borne(&self, token: &Token, request: Request) -> Request {
        let (Bearer::Access { .. }, Some(_), Some(key)) = (&token.bearer, token.bound, token.proof) else {
            return request;
        };
        let authorization = Some(format!("DPoP {}", token.text));
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(token.text.as_bytes()));
        let headers = Headers { authorization, ..request.headers };
        self.with_proof(key, json!(hash), Request { headers, ..request })
    }

    fn with_proof(&self, key: usize, token_hash: Value, request: Request) -> Request {
        let nonce = dpop::nonce(&self.service.app.config.keyring, self.service.world.now());
        let url = format!("https://mfa.example.com{}", request.path);
        let changes = json!({ "htm": request.method.as_str(), "ath": token_hash });
        let dpop = Some(self.keys_of_clients[key].proof(&url, Some(&nonce), &changes));
        Request { headers: Headers { dpop, ..request.headers }, ..request }
    }

    fn client_of(step: &Step, token: &Token) -> &'static str {
        match (step.whose / 100 % 15, token.client) {
            (0, "app") => "server",
            (0, _) => "app",
            (_, client) => client,
        }
    }

    /// The answer to a request that may meet a fault. A client that is told to come again does so, with the same request,
    /// unless it gives up (`None`).
    fn send(&mut self, request: &Request, doing: &Doing<'_>) -> Result<Option<Answer>, String> {
        let Some(fault) = self.fault.take() else {
            return Ok(Some(self.service.start(request).finish()));
        };
        let adds = matches!(doing, Doing::Enrolling | Doing::Challenging);
        // What was added without a key and never heard of is nobody's.
        let is_lost =
            fault.when == BatchFault::AfterCommit && (!adds || request.headers.idempotency_key.is_some());
        let when = if is_lost { BatchFault::AfterCommit } else { BatchFault::BeforeCommit };
        let all = doing.statements();
        let sql = all[fault.which % all.len()];
        // The guard of a batch whose answer is lost may have found the client outdated: then it has done nothing.
        let does = !match doing {
            Doing::Redeeming { client, .. } => self.is_outdated(client),
            Doing::Removing { token, .. } => self.is_outdated(token.client),
            Doing::Enrolling | Doing::Challenging | Doing::Listing => false,
        };
        self.service.world.fail_batch_of(sql, when);
        let answer = self.service.start(request).finish();
        if !self.service.world.heals() {
            return Ok(Some(answer));
        }
        let line = sql.lines().next().unwrap_or_default();
        self.tells(&format!("    meets a fault: {when:?}, {line}"));
        *self.answers.entry(format!("a fault, {when:?}")).or_default() += 1;
        // The Worker comes again itself, and knows its own first try.
        if sql == statements::REDEMPTION_STATE {
            return Ok(Some(answer));
        }
        if (answer.status, answer.header("retry-after")) != (503, Some("1")) {
            return Err(format!("answered {} {}", answer.status, answer.text));
        }
        match doing {
            Doing::Redeeming { token, bucket, of, .. } => {
                if sql == statements::ACTIVE_FACTORS || (is_lost && does) {
                    self.model.charged_in_vain(token, bucket, of.map(|of| of.recipient.to_owned()));
                }
                if sql == statements::CHARGE_GUESS
                    && is_lost
                    && does
                    && let Some(Of { id, recipient }) = of
                {
                    self.model.tried_in_vain(token, id, recipient);
                }
            }
            Doing::Removing { token, id } if sql == statements::REMOVE_AUTHENTICATOR && is_lost && does => {
                self.model.remove(token, id);
            }
            _ => {}
        }
        if !(adds && is_lost) {
            self.compares()?;
            if fault.gives_up {
                return Ok(None);
            }
        }
        Ok(Some(self.service.start(request).finish()))
    }

    /// Whether the isolate remembers the client as it was before an operator changed it.
    fn is_outdated(&self, client: &str) -> bool {
        let id = ClientId(client.to_owned());
        let version = self.service.number(&format!("SELECT version FROM clients WHERE id = '{client}'"));
        let clients = &self.service.app.isolate.clients;
        clients.remembered(&id, self.service.world.now()).is_some_and(|own| own.version != version)
    }

    /// A request that adds something, by a client at `/mfa/challenge` or by nobody at `/mfa/associate`.
    fn adding(
        &self,
        client: Option<&'static str>,
        token: &Token,
        body: &Value,
        key: Option<&str>,
    ) -> Request {
        let request = match client {
            Some(client) => self.person(token.user, client).challenge_request(&token.text, body),
            None => self.borne(token, self.service.post("/mfa/associate", Some(&token.text), body)),
        };
        let headers = Headers { idempotency_key: key.map(str::to_owned), ..request.headers };
        Request { headers, ..request }
    }

    /// The key of the next one, if it is to have one.
    fn key(&mut self) -> Option<String> {
        let is_keyed = std::mem::take(&mut self.with_key) || self.fault.is_some();
        is_keyed.then(|| {
            self.keys += 1;
            format!("key-{}", self.keys)
        })
    }

    /// Asks once more at once, and remembers how to.
    fn keeps(&mut self, kept: Kept) -> Result<(), String> {
        self.kept.push(kept.clone());
        self.repeats(&kept)
    }

    fn repeats(&mut self, kept: &Kept) -> Result<(), String> {
        let request = self.adding(kept.client, &kept.token, &kept.body, Some(&kept.key));
        let again = self.service.start(&request).finish();
        self.tells(&format!("    asks again with {}", kept.key));
        *self.answers.entry("an answer again".to_owned()).or_default() += 1;
        let is_same = (again.status, again.header("idempotent-replayed")) == (200, Some("true"));
        if is_same && again.text == kept.text {
            return Ok(());
        }
        Err(format!("answered {} {}\nin place of  {}", again.status, again.text, kept.text))
    }

    /// A request whose answer is known, much later: while what it announces is there, the answer is the same.
    fn asks_again(&mut self, step: &Step) -> Result<(), String> {
        let which = usize::try_from(step.thing).unwrap();
        let Some(kept) = self.kept.get(which % self.kept.len().max(1)).cloned() else { return Ok(()) };
        let (model, now) = (&self.model, self.model.now);
        let is_there = kept.announces.as_ref().is_none_or(|id| {
            model.pending.iter().any(|own| own.id == *id && own.expires_at > now)
                || model.challenges.iter().any(|own| own.id == *id && own.expires_at > now)
        });
        if now < kept.until && is_there && model.is_good(&kept.token) { self.repeats(&kept) } else { Ok(()) }
    }

    /// The code that has just arrived. Where the queue was not told, since the answer was lost, the sweep tells it.
    fn arrived(&self) -> String {
        self.service.delivers();
        let waiting =
            "SELECT id FROM deliveries WHERE state = 'waiting' AND owner IS NOT NULL AND attempts = 0";
        let ids: Vec<_> = self.service.world.query(waiting, &[]).iter().map(|row| text(row, "id")).collect();
        if !ids.is_empty() {
            block_on(consumer::consume(&self.service.app, self.service.world.now(), &ids)).unwrap();
        }
        self.service.messages().last().unwrap()["code"].as_str().unwrap().to_owned()
    }

    // Steps.

    fn associates(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let (kind, what) = self.wanted(step, token.user);
        self.associates_with(&token, kind, &what)
    }

    fn wanted(&self, step: &Step, user: &str) -> (Kind, String) {
        let number = step.thing / 8 % ADDRESSES;
        match step.thing % 8 {
            0..=2 => (Kind::Totp, self.apps.len().to_string()),
            3..=4 => (Kind::Sms, format!("+49151234567{number:02}")),
            5 => (Kind::Voice, format!("+49151234567{number:02}")),
            _ => (Kind::Email, format!("{}{number}@example.com", &user.len())),
        }
    }

    fn associates_with(&mut self, token: &Token, kind: Kind, what: &str) -> Result<(), String> {
        let body = match kind {
            Kind::Totp => json!({ "authenticator_types": ["otp"] }),
            Kind::Email => {
                json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": what })
            }
            Kind::Sms | Kind::Voice => {
                json!({ "authenticator_types": ["oob"], "oob_channels": [kind.as_str()], "phone_number": what })
            }
        };
        let key = self.key();
        let request = self.adding(None, token, &body, key.as_deref());
        self.tells(&format!("{} associates {} {what}", named(token), kind.as_str()));
        let Some(answer) = self.send(&request, &Doing::Enrolling)? else { return Ok(()) };
        let expected = self.model.may_enroll(token, kind, what);
        let recovery_code = expected == Ok(true);
        let expected = expected.map(|recovery_code| Said::Done(Done::Enrolled { recovery_code }));
        let said = self
            .said(&answer, || Done::Enrolled { recovery_code: answer.json()["recovery_codes"].is_array() });
        self.agrees(&said, &expected.unwrap_or_else(|said| said))?;
        if answer.status != 200 {
            return Ok(());
        }
        let (asked, body) = (body, answer.json());
        let id = body["id"].as_str().unwrap().to_owned();
        let recovery = body["recovery_codes"][0].as_str().map(str::to_owned);
        assert_eq!(recovery.is_some(), recovery_code);
        let code = (kind != Kind::Totp).then(|| self.arrived());
        self.model.enrolls(token, &id, what, code.as_deref(), recovery.as_deref());
        if let Some(code) = recovery {
            self.recovery_codes.push((token.user, code));
        }
        if kind == Kind::Totp {
            let secret = body["secret"].as_str().unwrap();
            let secret = <base32ct::Base32UpperUnpadded as base32ct::Encoding>::decode_vec(secret).unwrap();
            self.apps.push((token.user, TotpSecret::from_slice(&secret).unwrap()));
        } else {
            let pending = self.model.pending.last().unwrap().clone();
            self.sent.push(Sent::Enrollment(body["oob_code"].as_str().unwrap().to_owned(), pending));
        }
        let Some(key) = key else { return Ok(()) };
        let (token, text, until) = (token.clone(), answer.text, self.model.now + 600);
        self.keeps(Kept { client: None, body: asked, key, token, text, announces: Some(id), until })
    }

    fn enters_otp(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let own: Vec<_> = self.apps.iter().enumerate().filter(|(_, (user, _))| *user == token.user).collect();
        let which = usize::try_from(step.thing).unwrap();
        let code = match own.get(which % own.len().max(1)) {
            None => "000000".to_owned(),
            Some((_, (_, secret))) => {
                let present = self.model.now.div_euclid(STEP_SECONDS);
                match step.code % 20 {
                    0..=13 => code_at(secret, present),
                    14..=15 => code_at(secret, present - 1),
                    16 => code_at(secret, present - 2),
                    17 => code_at(secret, present + 1),
                    _ => mistyped(&code_at(secret, present)),
                }
            }
        };
        let client = Self::client_of(step, &token);
        self.enters_otp_with(&token, client, &code)
    }

    fn enters_otp_with(&mut self, token: &Token, client: &'static str, code: &str) -> Result<(), String> {
        let request = self.person(token.user, client).otp_request(&token.text, code);
        let request = self.proved(token, request);
        self.tells(&format!("{} at {client} enters the one-time password {code}", named(token)));
        let doing = Doing::Redeeming { token, client, bucket: "guess", of: None };
        let Some(answer) = self.send(&request, &doing)? else { return Ok(()) };
        let apps = &self.apps;
        let shown = |what: &str, step: i64| code_at(&apps[what.parse::<usize>().unwrap()].1, step);
        let expected = self.model.otp(token, client, code, &shown);
        self.is_granted(token, client, &answer, &expected)
    }

    fn enters_code(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let client = Self::client_of(step, &token);
        let is_own = |sent: &&Sent| match sent {
            Sent::Enrollment(_, pending) => pending.user == token.user,
            Sent::Challenge(_, challenge) => challenge.user == token.user,
        };
        let any = (step.code / 32).is_multiple_of(12);
        let known: Vec<_> = self.sent.iter().filter(|sent| any || is_own(sent)).cloned().collect();
        if known.is_empty() {
            return Ok(());
        }
        let which = usize::try_from(step.thing / 4).unwrap();
        let recent = if step.thing.is_multiple_of(4) { known.len() } else { known.len().min(3) };
        let sent = known[known.len() - 1 - which % recent].clone();
        // A challenge's code goes with its login, mostly.
        let login = match &sent {
            Sent::Challenge(_, challenge) if !(step.code / 512).is_multiple_of(6) => {
                self.tokens.iter().find(|own| own.text == challenge.login).cloned()
            }
            _ => None,
        };
        let (token, client) = match login {
            Some(login) => (login.clone(), login.client),
            None => (token, client),
        };
        self.enters_code_with(&token, client, &sent, step.code % 32 >= 22)
    }

    fn enters_code_with(
        &mut self,
        token: &Token,
        client: &'static str,
        sent: &Sent,
        wrong: bool,
    ) -> Result<(), String> {
        let (oob_code, right, of) = match sent {
            Sent::Enrollment(oob_code, pending) => {
                (oob_code, pending.code.clone().unwrap(), pending.id.clone())
            }
            Sent::Challenge(oob_code, challenge) => {
                (oob_code, challenge.code.clone(), format!("a challenge of {}", challenge.authenticator))
            }
        };
        let code = if wrong { mistyped(&right) } else { right };
        let request = self.person(token.user, client).oob_request(&token.text, oob_code, &code);
        let request = self.proved(token, request);
        let how = if wrong { "wrong" } else { "right" };
        self.tells(&format!("{} at {client} enters the {how} code of {of}", named(token)));
        let (id, recipient) = match sent {
            Sent::Enrollment(_, pending) => (&pending.id, pending.recipient_bucket()),
            Sent::Challenge(_, challenge) => (&challenge.id, challenge.recipient_bucket()),
        };
        let of = Some(Of { id, recipient: &recipient });
        let doing = Doing::Redeeming { token, client, bucket: "guess", of };
        let Some(answer) = self.send(&request, &doing)? else { return Ok(()) };
        let expected = match sent {
            Sent::Enrollment(_, pending) => self.model.confirm(token, client, pending, &code),
            Sent::Challenge(_, challenge) => self.model.verify(token, client, challenge, &code),
        };
        self.is_granted(token, client, &answer, &expected)
    }

    fn is_challenged(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let client = Self::client_of(step, &token);
        let known: Vec<String> = self.model.authenticators.iter().map(|own| own.id.clone()).collect();
        let which = usize::try_from(step.thing / 4).unwrap();
        let named_id = (!known.is_empty() && !step.thing.is_multiple_of(4)).then(|| {
            let id = known[which % known.len()].clone();
            twin(&id).filter(|_| step.code.is_multiple_of(3)).unwrap_or(id)
        });
        let mut body = json!({});
        if let Some(id) = &named_id {
            body["authenticator_id"] = json!(id);
        }
        let key = self.key();
        let request = self.adding(Some(client), &token, &body, key.as_deref());
        let what = named_id.as_deref().unwrap_or("whatever there is");
        self.tells(&format!("{} at {client} is challenged with {what}", named(&token)));
        let Some(answer) = self.send(&request, &Doing::Challenging)? else { return Ok(()) };
        let mut new = None;
        if answer.status == 200 && answer.json()["challenge_type"] == "oob" {
            let oob_code = answer.json()["oob_code"].as_str().unwrap().to_owned();
            let opened = open_oob_code(&self.service.app.config.keyring, &oob_code).unwrap();
            let rows = self.service.world.query(
                "SELECT authenticator_id, channel FROM challenges WHERE id = ?1",
                &[opened.owner.as_str().into()],
            );
            new =
                Some((opened.owner, oob_code, text(&rows[0], "authenticator_id"), text(&rows[0], "channel")));
        }
        let said = self.said(&answer, || match &new {
            None => Done::AsksApp,
            Some((_, _, authenticator, channel)) => {
                Done::Sent { authenticator: authenticator.clone(), channel: Kind::parse(channel).unwrap() }
            }
        });
        let seen = new.as_ref().map(|(_, _, authenticator, _)| authenticator.as_str());
        let says = |seen| self.model.challenge(&token, client, named_id.as_deref(), seen);
        // Of those that were used last in one second, which one no message may go to is not to be seen.
        let mut others = self.model.authenticators.iter().map(|own| says(Some(own.id.as_str())));
        let refused = others.find(|expected| answer.status == 429 && *expected == said);
        let expected = refused.unwrap_or_else(|| says(seen));
        self.agrees(&said, &expected)?;
        let announces = new.as_ref().map(|(id, ..)| id.clone());
        if let Some((id, oob_code, authenticator, channel)) = new {
            let to =
                self.model.authenticators.iter().find(|own| own.id == authenticator).unwrap().what.clone();
            let challenge = Challenge {
                id,
                authenticator,
                to,
                channel: Kind::parse(&channel).unwrap(),
                user: token.user,
                client: token.client,
                login: token.text.clone(),
                code: self.arrived(),
                attempts: 0,
                expires_at: self.model.now + 300,
            };
            self.model.sends(challenge.clone());
            self.sent.push(Sent::Challenge(oob_code, challenge));
        }
        match key {
            Some(key) if answer.status == 200 => {
                let (text, until) = (answer.text, self.model.now + 600);
                self.keeps(Kept { client: Some(client), body, key, token, text, announces, until })
            }
            _ => Ok(()),
        }
    }

    fn recovers(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let client = Self::client_of(step, &token);
        let own: Vec<_> = self.recovery_codes.iter().filter(|(user, _)| *user == token.user).collect();
        let which = usize::try_from(step.thing).unwrap();
        let code = match (self.model.recovery_codes.get(token.user), step.code % 4) {
            (Some(code), 0..=1) => code.clone(),
            _ if !own.is_empty() && !step.code.is_multiple_of(4) => own[which % own.len()].1.clone(),
            _ => "0123456789ABCDEFGHJKMNPQ".to_owned(),
        };
        let request = self.person(token.user, client).recovery_request(&token.text, &code);
        let request = self.proved(&token, request);
        self.tells(&format!("{} at {client} enters the recovery code {code}", named(&token)));
        let doing = Doing::Redeeming { token: &token, client, bucket: "recovery", of: None };
        let Some(answer) = self.send(&request, &doing)? else { return Ok(()) };
        let expected = self.model.recover(&token, client, &code);
        self.is_granted(&token, client, &answer, &expected)?;
        if let Some(next) = answer.json()["recovery_code"].as_str() {
            self.model.rotates(token.user, next);
            self.recovery_codes.push((token.user, next.to_owned()));
        }
        Ok(())
    }

    fn removes(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        let any = (step.code / 8).is_multiple_of(8);
        let active = self.model.authenticators.iter().map(|own| (own.user, own.id.clone()));
        let pending = self.model.pending.iter().map(|own| (own.user, own.id.clone()));
        let is_meant = |(user, _): &(&str, String)| any || *user == token.user;
        let known: Vec<_> = active.chain(pending).filter(is_meant).map(|(_, id)| id).collect();
        let which = usize::try_from(step.thing).unwrap();
        let id = match known.get(which % known.len().max(1)) {
            Some(id) => twin(id).filter(|_| step.code.is_multiple_of(3)).unwrap_or_else(|| id.clone()),
            None => "totp|dev_0123456789abcdef".to_owned(),
        };
        let request = Request {
            method: Method::Delete,
            path: format!("/mfa/authenticators/{id}"),
            ..self.service.post("", Some(&token.text), &Value::Null)
        };
        let request = self.borne(&token, request);
        self.tells(&format!("{} removes {id}", named(&token)));
        let doing = Doing::Removing { token: &token, id: &id };
        let Some(answer) = self.send(&request, &doing)? else { return Ok(()) };
        let said = self.said(&answer, || Done::Removed);
        let expected = self.model.remove(&token, &id);
        self.agrees(&said, &expected)
    }

    fn lists(&mut self, step: &Step) -> Result<(), String> {
        let token = self.token(step);
        if matches!(token.bearer, Bearer::Access { may_remove: false, .. }) && step.thing.is_multiple_of(2) {
            return Ok(());
        }
        let request = Request {
            method: Method::Get,
            path: "/mfa/authenticators".to_owned(),
            ..self.service.post("", Some(&token.text), &Value::Null)
        };
        let request = self.borne(&token, request);
        self.tells(&format!("{} lists", named(&token)));
        let Some(answer) = self.send(&request, &Doing::Listing)? else { return Ok(()) };
        match self.model.list(&token) {
            Err(expected) => {
                let said = self.said(&answer, || Done::Removed);
                self.agrees(&said, &expected)
            }
            Ok(expected) => {
                let items = answer.json();
                let items = items.as_array().ok_or_else(|| answer.text.clone())?;
                let mut listed: Vec<_> = items
                    .iter()
                    .filter(|item| item["type"] != "recovery-code")
                    .map(|item| {
                        let id = item["id"].as_str().unwrap().to_owned();
                        assert_eq!(item["type"], type_of(kind_of(&id)));
                        (id, item["active"].as_bool().unwrap())
                    })
                    .collect();
                listed.sort();
                if listed == expected {
                    Ok(())
                } else {
                    Err(format!("listed {listed:?}\nnot    {expected:?}"))
                }
            }
        }
    }

    fn waits(&mut self, step: &Step) {
        const TIMES: [i64; 12] = [1, 29, 30, 31, 60, 240, 300, 360, 540, 601, 3600, 86_400];
        let seconds = TIMES[usize::try_from(step.thing).unwrap() % TIMES.len()];
        self.service.world.advance(seconds);
        self.model.now += seconds;
        self.tells(&format!("after {seconds} s"));
    }

    fn sweeps(&mut self) {
        self.tells("the sweep");
        let app = &self.service.app;
        block_on(sweep::run(app, crate::types::UnixSeconds(self.model.now))).unwrap();
        self.model.sweeps();
    }

    /// As if somebody had typed codes for days.
    fn wears_out(&mut self, step: &Step) {
        let which = usize::try_from(step.thing).unwrap();
        let count = self.model.authenticators.len();
        if count > 0 {
            let worn = &mut self.model.authenticators[which % count];
            worn.failures = 96 + i64::try_from(step.code % 5).unwrap();
            let parameters: [Stored; 2] = [worn.failures.into(), worn.id.as_str().into()];
            self.service.world.query("UPDATE authenticators SET failures = ?1 WHERE id = ?2", &parameters);
            let text = format!("{} has {} failures", worn.id, worn.failures);
            self.tells(&text);
        }
    }

    /// Enrolls some things and confirms each at once, with proof.
    fn adds(&mut self, step: &Step) -> Result<(), String> {
        for round in 0..5 {
            let token = self.new_token(step, PROOF);
            let thing = step.thing / 3 + 9 * round;
            let (kind, what) = self.wanted(&Step { thing, ..step.clone() }, token.user);
            let pending = self.model.pending.last().map(|own| own.id.clone());
            self.associates_with(&token, kind, &what)?;
            if self.model.pending.last().map(|own| own.id.clone()) == pending {
                return Ok(());
            }
            if kind == Kind::Totp {
                let present = self.model.now.div_euclid(STEP_SECONDS);
                let code = code_at(&self.apps.last().unwrap().1, present);
                self.enters_otp_with(&token, token.client, &code)?;
            } else {
                let sent = self.sent.last().unwrap().clone();
                self.enters_code_with(&token, token.client, &sent, false)?;
            }
            self.compares()?;
        }
        Ok(())
    }

    /// Enrolls one thing again and again and confirms none of it; or types one wrong code so often.
    fn parks(&mut self, step: &Step) -> Result<(), String> {
        let token = self.new_token(step, PROOF);
        let (kind, what) = self.wanted(step, token.user);
        for _ in 0..6 {
            match (self.sent.last().cloned(), step.code % 3) {
                (Some(sent), 0) => {
                    let token = self.tokens.last().unwrap().clone();
                    self.enters_code_with(&token, token.client, &sent, true)?;
                }
                _ => {
                    let what = if kind == Kind::Totp { self.apps.len().to_string() } else { what.clone() };
                    self.associates_with(&token, kind, &what)?;
                }
            }
            self.compares()?;
        }
        Ok(())
    }

    // What was answered.

    fn said(&self, answer: &Answer, done: impl FnOnce() -> Done) -> Said {
        let body = answer.json();
        match answer.status {
            200 | 204 => Said::Done(done()),
            403 if body["error"] == "mfa_required" => {
                let token = body["mfa_token"].as_str().unwrap();
                let opened = open_mfa_token(&self.service.app.config.keyring, token).unwrap();
                let types = ["otp", "phone", "email", "recovery-code"].into_iter();
                Said::GoesOn {
                    used: types.filter(|name| opened.used_factors.iter().any(|own| own == name)).collect(),
                    issued_at: opened.issued_at.0,
                    expires_at: opened.expires_at.0,
                }
            }
            status => {
                Said::No(status, body["error_description"].as_str().unwrap_or_default().to_owned().leak())
            }
        }
    }

    fn agrees(&mut self, said: &Said, expected: &Said) -> Result<(), String> {
        self.tells(&format!("    {said:?}"));
        let kind = match said {
            Said::No(status, text) => format!("{status} {text}"),
            Said::GoesOn { used, .. } => format!("goes on after {used:?}"),
            Said::Done(Done::Tokens { proof, for_mfa }) => format!("tokens, {proof}, {}", for_mfa.is_some()),
            Said::Done(Done::Sent { channel, .. }) => format!("sent by {channel:?}"),
            Said::Done(done) => format!("{done:?}"),
        };
        *self.answers.entry(kind).or_default() += 1;
        if said == expected { Ok(()) } else { Err(format!("the model says {expected:?}")) }
    }

    /// A grant's answer. Tokens that come with it are kept.
    fn is_granted(
        &mut self,
        token: &Token,
        client: &'static str,
        answer: &Answer,
        expected: &Said,
    ) -> Result<(), String> {
        let body = answer.json();
        let said = self.said(answer, || {
            let claims = claims(&body["access_token"]);
            let methods = claims["amr"].as_array().unwrap();
            let key = token.proof.map(|key| json!(self.keys_of_clients[key].thumbprint().as_str()));
            assert_eq!(claims["cnf"].get("jkt"), key.as_ref());
            assert_eq!(body["token_type"], if key.is_some() { "DPoP" } else { "Bearer" });
            assert_eq!(
                body["expires_in"].as_i64().unwrap(),
                claims["exp"].as_i64().unwrap() - self.model.now
            );
            assert!([API, MFA_API].contains(&claims["aud"].as_str().unwrap()) && claims["sub"] == token.user);
            Done::Tokens {
                proof: methods.contains(&json!("mfa")),
                for_mfa: (claims["aud"] == MFA_API).then(|| claims["exp"].as_i64().unwrap()),
            }
        });
        self.agrees(&said, expected)?;
        if token.proof.is_some() && matches!(said, Said::Done(_)) {
            *self.answers.entry("tokens that are bound".to_owned()).or_default() += 1;
        }
        let (user, now) = (token.user, self.model.now);
        match said {
            Said::Done(Done::Tokens { proof, for_mfa: Some(expires_at) }) => {
                if expires_at <= now {
                    return Err("a token that has ended when it is given".to_owned());
                }
                let may_remove =
                    matches!(token.bearer, Bearer::Mfa { .. } | Bearer::Access { may_remove: true, .. });
                let bearer = Bearer::Access { proof, may_enroll: true, may_remove };
                let text = body["access_token"].as_str().unwrap().to_owned();
                self.tokens.push(Token {
                    text,
                    user,
                    client,
                    issued_at: now,
                    expires_at,
                    foreign: false,
                    bound: token.proof,
                    proof: token.proof,
                    bearer,
                });
            }
            Said::GoesOn { used, issued_at, expires_at } => {
                let Bearer::Mfa { for_mfa, .. } = token.bearer else {
                    return Err("an access token's login goes on".to_owned());
                };
                let bearer = Bearer::Mfa { used, for_mfa };
                let text = body["mfa_token"].as_str().unwrap().to_owned();
                let (bound, proof) = (token.proof, token.proof);
                let foreign = false;
                self.tokens.push(Token {
                    text,
                    user,
                    client,
                    issued_at,
                    expires_at,
                    foreign,
                    bound,
                    proof,
                    bearer,
                });
            }
            _ => {}
        }
        Ok(())
    }

    // What the database holds.

    fn compares(&self) -> Result<(), String> {
        let model = &self.model;
        let keyring = &self.service.app.config.keyring;
        let same = |table: &str, sql: &str, mut expected: Vec<String>| {
            let rows = self.service.world.query(sql, &[]);
            let mut stored: Vec<_> = rows.iter().map(written).collect();
            stored.sort();
            expected.sort();
            if stored == expected {
                return Ok(());
            }
            let lines = |rows: &[String], others: &[String]| {
                rows.iter()
                    .filter(|row| !others.contains(row))
                    .map(|row| format!("\n  {row}"))
                    .collect::<String>()
            };
            let (more, less) = (lines(&stored, &expected), lines(&expected, &stored));
            Err(format!("{table} has{more}\nin place of{less}"))
        };
        // Hashes are under the one key that there is.
        let recovery = |user: &str, code: &str| keyring.hash(places::RECOVERY_CODE, &[user, code]);
        same(
            "authenticators",
            "SELECT id, user_id, kind, last_step, failures, created_at, confirmed_at, last_used_at FROM authenticators",
            model
                .authenticators
                .iter()
                .map(|own| {
                    let times = format!("{} {} {}", own.created_at, own.confirmed_at, own.last_used_at);
                    let kind = own.kind.as_str();
                    format!("{} {} {kind} {} {} {times}", own.id, own.user, own.last_step, own.failures)
                })
                .collect(),
        )?;
        same(
            "enrollments",
            "SELECT id, user_id, client_id, kind, attempts, proof, created_at, expires_at, COALESCE(recovery_hash, '-')
             FROM enrollments",
            model
                .pending
                .iter()
                .map(|own| {
                    let hash = own.recovery_code.as_ref().map_or("-".to_owned(), |code| recovery(own.user, code));
                    let kind = own.kind.as_str();
                    let state = format!("{} {} {} {}", own.attempts, u8::from(own.proof), own.created_at, own.expires_at);
                    format!("{} {} {} {kind} {state} {hash}", own.id, own.user, own.client)
                })
                .collect(),
        )?;
        same(
            "recovery_codes",
            "SELECT user_id, hash FROM recovery_codes",
            model
                .recovery_codes
                .iter()
                .map(|(user, code)| format!("{user} {}", recovery(user, code)))
                .collect(),
        )?;
        same(
            "challenges",
            "SELECT id, authenticator_id, channel, user_id, client_id, attempts, expires_at FROM challenges",
            model
                .challenges
                .iter()
                .map(|own| {
                    let to = format!("{} {}", own.authenticator, own.channel.as_str());
                    format!("{} {to} {} {} {} {}", own.id, own.user, own.client, own.attempts, own.expires_at)
                })
                .collect(),
        )?;
        same(
            "redemptions",
            "SELECT expires_at FROM redemptions WHERE spent NOT LIKE '%|%'",
            model.spent.values().map(ToString::to_string).collect(),
        )?;
        same(
            "budgets",
            "SELECT key, full_at FROM budgets",
            model
                .guesses
                .iter()
                .map(|(key, full_at)| format!("{} {full_at}", stored_key(keyring, key)))
                .collect(),
        )?;
        for user in USERS {
            let pending = model.pending.iter().filter(|own| own.user == user).count();
            assert!(model.of(user).count() <= 20 && pending <= 10, "{user} has too many");
        }
        Ok(())
    }
}

/// The key of a bucket of guesses as it is stored: that of a recipient says nothing of it.
fn stored_key(keyring: &Keyring, key: &str) -> String {
    let (kind, whose) = match key.split_once(' ') {
        Some(("phone", whose)) => (Kind::Sms, whose),
        Some(("email", whose)) => (Kind::Email, whose),
        _ => return key.to_owned(),
    };
    format!("guess_{}", budget_key(keyring, kind, Rule::Recipient, whose))
}

fn named(token: &Token) -> String {
    let kind = match &token.bearer {
        Bearer::Mfa { used, for_mfa } => {
            format!("mfa_token{}{used:?}", if *for_mfa { " for MFA " } else { " " })
        }
        Bearer::Access { proof: true, .. } => "access token with proof".to_owned(),
        Bearer::Access { may_enroll: false, .. } => "access token to read".to_owned(),
        Bearer::Access { .. } => "access token".to_owned(),
    };
    let whose = if token.foreign { "the issuer's" } else { "own" };
    let issued = token.issued_at - crate::testing::platform::START.0;
    let bound = match (token.bound, token.proof) {
        (None, None) => String::new(),
        (bound, proof) => format!(" bound to {bound:?} and proved by {proof:?}"),
    };
    format!("{} with {whose} {kind} of {issued} ({}){bound}", token.user, token.client)
}

fn mistyped(code: &str) -> String {
    if code == "000000" { "000001".to_owned() } else { "000000".to_owned() }
}

fn text(row: &Row, column: &'static str) -> String {
    row.text(column).unwrap().to_owned()
}

fn written(row: &Row) -> String {
    let values = row.0.iter().map(|(_, value)| match value {
        Stored::Text(text) => text.clone(),
        Stored::Integer(number) => number.to_string(),
        Stored::Null => "-".to_owned(),
    });
    values.collect::<Vec<_>>().join(" ")
}
