//! Scenarios as they are told: a service, people who log in, add authenticators, confirm and verify them. Everything
//! goes through the front door, as requests.
//!
//! ```ignore
//! let service = Service::new();
//! let alice = service.person("alice");
//! let app = alice.has_app();
//! service.world.advance(30);
//! alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
//! ```

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::configuration::Variables;
use super::executor::block_on;
use super::issuer::TestIssuer;
use super::platform::{FakePlatform, json_response};
use crate::app::App;
use crate::audit;
use crate::delivery::consumer::{self, Verdict};
use crate::http::request::{Body, Headers, Method, Request};
use crate::http::response::Response;
use crate::mfa::one_time_password::{STEP_SECONDS, TotpSecret, code_at, matching_step};
use crate::mfa::sending::Origin;
use crate::platform::Platform;
use crate::routes;
use crate::types::UnixSeconds;

pub(crate) const NUMBER: &str = "+4915123456789";
pub(crate) const OTHER_NUMBER: &str = "+4915198765432";
pub(crate) const API: &str = "https://api.example.com";
pub(crate) const MFA_API: &str = "https://mfa.example.com/mfa/";
pub(crate) const WEBHOOK: &str = "https://hook.example.com/codes";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const ORIGIN: &str = "https://app.example.com";
/// The secret of the client `server`.
pub(crate) const CLIENT_SECRET: &str = "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99";

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// One isolate of a deployed Countersign, the issuers `idp` and `other`, the clients `app` (public) and `server` (with
/// [`CLIENT_SECRET`]), and a webhook that takes every message.
pub(crate) struct Service {
    pub(crate) world: FakePlatform,
    pub(crate) app: App<FakePlatform>,
    pub(crate) idp: TestIssuer,
    pub(crate) other_idp: TestIssuer,
    /// How many of the queue's messages have been consumed, and how many logins there were.
    told: Rc<Cell<usize>>,
    logins: Rc<Cell<usize>>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::configured(&Self::variables())
    }

    /// The usual configuration with the webhook as provider, and without notices: where a test counts what is sent, codes
    /// are meant.
    pub(crate) fn variables() -> Variables {
        Self::noticing_variables().with("NOTICES", "off")
    }

    /// The same with notices.
    pub(crate) fn noticing_variables() -> Variables {
        Variables::new().with("WEBHOOK_URL", WEBHOOK).with("WEBHOOK_SECRET", WEBHOOK_SECRET)
    }

    pub(crate) fn configured(variables: &Variables) -> Self {
        let world = FakePlatform::new();
        let (idp, other_idp) = (TestIssuer::new("idp"), TestIssuer::new("other"));
        idp.publish_on(&world);
        other_idp.publish_on(&world);
        world.answer(WEBHOOK, Ok(json_response(204, "", None)));
        let app = variables.app(&world);
        let service = Self { world, app, idp, other_idp, told: Rc::default(), logins: Rc::default() };
        service.adds_client("app", "none", "");
        service.adds_client("server", "post", CLIENT_SECRET);
        service
    }

    /// Another isolate on the same database, with this configuration.
    pub(crate) fn redeployed(&self, variables: &Variables) -> Self {
        Self {
            world: self.world.clone(),
            app: variables.app(&self.world),
            idp: TestIssuer::new("idp"),
            other_idp: TestIssuer::new("other"),
            told: self.told.clone(),
            logins: self.logins.clone(),
        }
    }

    /// Registers a client for both the example API and the MFA API.
    pub(crate) fn adds_client(&self, id: &str, authentication: &str, secret: &str) {
        let audiences = json!([
            { "audience": API, "scopes": ["read:notes", "write:notes"] },
            { "audience": MFA_API, "scopes": ["enroll", "read:authenticators", "remove:authenticators"] },
        ]);
        self.world.query(
            "INSERT INTO clients (id, version, name, authentication, secret_hash, origins, audiences, created_at)
             VALUES (?1, 1, ?1, ?2, ?3, ?4, ?5, 0)",
            &[
                id.into(),
                authentication.into(),
                base16ct::lower::encode_string(&Sha256::digest(secret.as_bytes())).into(),
                json!([ORIGIN]).to_string().into(),
                audiences.to_string().into(),
            ],
        );
    }

    /// Somebody at the issuer `idp` who uses the client `app`.
    pub(crate) fn person(&self, subject: &str) -> Person<'_> {
        Person { service: self, issuer: &self.idp, subject: subject.to_owned(), client: "app".to_owned() }
    }

    /// Somebody at the issuer `other`.
    pub(crate) fn stranger(&self, subject: &str) -> Person<'_> {
        Person { issuer: &self.other_idp, ..self.person(subject) }
    }

    /// A `POST` of JSON.
    pub(crate) fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Request {
        Request {
            id: "request-1".to_owned(),
            received_at: self.world.now(),
            method: Method::Post,
            host: "mfa.example.com".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            origin: Origin::default(),
            country: Some("DE".to_owned()),
            headers: Headers {
                authorization: bearer.map(|token| format!("Bearer {token}")),
                dpop: None,
                idempotency_key: None,
                forwarded_for: None,
                accept_language: None,
                content_type: Some("application/json".to_owned()),
                origin: None,
            },
            body: Body::Bytes(body.to_string().into_bytes()),
            involved: Default::default(),
        }
    }

    /// Sends a request and lets the work that it defers finish. What happened is shown where a test fails.
    #[track_caller]
    #[expect(clippy::print_stderr, reason = "tests print nothing unless they fail")]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        let lines = self.world.log_lines().len();
        let answer = Answer::of(block_on(self.answer(request)));
        self.world.run_deferred();
        eprintln!(
            "{} {}: {} {:?}",
            request.path,
            answer.status,
            answer.text,
            self.world.log_lines().split_off(lines)
        );
        answer
    }

    /// What the Worker does with a request.
    async fn answer(&self, request: &Request) -> Response {
        let app = App { platform: self.world.event(), ..self.app.clone() };
        let response = routes::handle(&app, request).await;
        audit::answered(&app, request, routes::endpoint(&request.path), response.status, response.error);
        response
    }

    /// Sends a request that stops at each await until it is polled.
    pub(crate) fn start<'a>(&'a self, request: &'a Request) -> Running<'a> {
        Running {
            future: Box::pin(async move { Answer::of(self.answer(request).await) }),
            world: &self.world,
        }
    }

    /// Lets the queue's consumer handle what is new in the queue.
    pub(crate) fn delivers(&self) -> Vec<Verdict> {
        self.world.run_deferred();
        let queue = self.world.queue();
        let new = queue.get(self.told.get()..).unwrap_or_default();
        self.told.set(queue.len());
        if new.is_empty() {
            return Vec::new();
        }
        block_on(consumer::consume(&self.app, self.world.now(), new)).expect("the consumer's database")
    }

    /// The bodies of all messages that the webhook got, the latest last.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let fetches = self.world.fetches();
        let to_webhook = fetches.iter().filter(|request| request.url == WEBHOOK);
        to_webhook.map(|request| serde_json::from_str(request.body.as_deref().unwrap()).unwrap()).collect()
    }

    /// How many of the ten guesses of a bucket are charged, in seconds until it is full again (360 a guess).
    pub(crate) fn charged_seconds(&self, key: &str) -> i64 {
        let rows = self.world.query("SELECT full_at FROM budgets WHERE key = ?1", &[key.into()]);
        rows.first().map_or(0, |row| (row.integer("full_at").unwrap() - self.world.now().0).max(0))
    }

    /// What the registry does when an operator changes a client.
    pub(crate) fn touches_client(&self, id: &str) {
        self.world.query("UPDATE clients SET version = version + 1 WHERE id = ?1", &[id.into()]);
    }

    pub(crate) fn removes_client(&self, id: &str) {
        self.world.query("DELETE FROM clients WHERE id = ?1", &[id.into()]);
    }

    /// One number of the database.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.world.query(&format!("SELECT ({sql}) AS n"), &[])[0].integer("n").expect("a number")
    }
}

/// A request under way.
pub(crate) struct Running<'a> {
    future: Pin<Box<dyn Future<Output = Answer> + 'a>>,
    world: &'a FakePlatform,
}

impl<'a> Running<'a> {
    /// Goes on until `batches` more round trips to the database are done.
    #[track_caller]
    pub(crate) fn pause_after(mut self, batches: usize) -> Self {
        let goal = self.world.batches().len() + batches;
        let mut context = Context::from_waker(Waker::noop());
        while self.world.batches().len() < goal {
            assert!(self.future.as_mut().poll(&mut context).is_pending(), "the request is over already");
        }
        self
    }

    /// Goes on to the end.
    pub(crate) fn finish(self) -> Answer {
        let answer = block_on(self.future);
        self.world.run_deferred();
        answer
    }

    /// Takes one step; the answer if that was the last.
    pub(crate) fn step(&mut self) -> Option<Answer> {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) text: String,
}

impl Answer {
    fn of(response: Response) -> Self {
        let headers = response.headers.into_iter().map(|(name, value)| (name, value.into_owned())).collect();
        Self { status: response.status, headers, text: response.body }
    }

    /// The header's value; panics if it was sent twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn granted(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Status and description of an error.
    #[track_caller]
    pub(crate) fn refused(&self) -> (u16, String) {
        assert!(self.status >= 400, "{}", self.text);
        let body = self.json();
        let members: Vec<_> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        match body["error"].as_str() {
            Some("mfa_required") => {
                assert_eq!(members, ["error", "error_description", "mfa_requirements", "mfa_token"]);
            }
            _ => assert_eq!(members, ["error", "error_description"]),
        }
        (self.status, body["error_description"].as_str().unwrap().to_owned())
    }

    /// Panics unless it is this error.
    #[track_caller]
    pub(crate) fn is_refused(&self, status: u16, description: &str) {
        assert_eq!(self.refused(), (status, description.to_owned()));
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.status == 200
    }
}

/// A user in front of a client.
#[derive(Clone)]
pub(crate) struct Person<'a> {
    pub(crate) service: &'a Service,
    issuer: &'a TestIssuer,
    subject: String,
    client: String,
}

impl<'a> Person<'a> {
    /// The same person in front of another client.
    pub(crate) fn at_client(&self, client: &str) -> Self {
        Self { client: client.to_owned(), ..self.clone() }
    }

    /// The same person, served by another isolate.
    pub(crate) fn served_by<'b>(&self, service: &'b Service) -> Person<'b> {
        let issuer = if self.issuer.name == "idp" { &service.idp } else { &service.other_idp };
        Person { service, issuer, subject: self.subject.clone(), client: self.client.clone() }
    }

    /// `{issuer}|{subject}`.
    pub(crate) fn user_id(&self) -> String {
        format!("{}|{}", self.issuer.name, self.subject)
    }

    /// Passes the first factor: an mfa_token of its own, for the example API.
    pub(crate) fn logs_in(&self) -> String {
        self.logs_in_with(&json!({}))
    }

    /// The same for the MFA API with scope `enroll`.
    pub(crate) fn logs_in_to_enroll(&self) -> String {
        self.logs_in_with(&json!({ "audience": MFA_API, "scope": "enroll" }))
    }

    /// The same with these claims changed.
    pub(crate) fn logs_in_with(&self, changes: &Value) -> String {
        self.signed(self.issuer.mfa_claims(&self.service.world, &self.subject), changes)
    }

    /// The issuer's access token for the MFA API with `scope`, given after a password alone.
    pub(crate) fn access_token(&self, scope: &str) -> String {
        self.access_token_with(&json!({ "scope": scope }))
    }

    /// The same with these claims changed.
    pub(crate) fn access_token_with(&self, changes: &Value) -> String {
        self.signed(self.issuer.access_claims(&self.service.world, &self.subject, "enroll"), changes)
    }

    fn signed(&self, mut claims: Value, changes: &Value) -> String {
        self.service.logins.set(self.service.logins.get() + 1);
        claims["jti"] = json!(format!("login-{}", self.service.logins.get()));
        claims["azp"] = json!(self.client);
        for (name, value) in changes.as_object().expect("an object of claims") {
            claims[name] = value.clone();
        }
        self.issuer.sign(&claims)
    }

    // Requests.

    pub(crate) fn associate_request(&self, token: &str, body: &Value) -> Request {
        self.service.post("/mfa/associate", Some(token), body)
    }

    #[track_caller]
    pub(crate) fn associates(&self, token: &str, body: &Value) -> Answer {
        self.service.send(&self.associate_request(token, body))
    }

    /// `POST /oauth/token` with the client's credentials.
    pub(crate) fn token_request(&self, body: &Value) -> Request {
        let mut complete = json!({ "client_id": self.client });
        if self.client == "server" {
            complete["client_secret"] = json!(CLIENT_SECRET);
        }
        for (name, value) in body.as_object().expect("an object of parameters") {
            complete[name] = value.clone();
        }
        self.service.post("/oauth/token", None, &complete)
    }

    pub(crate) fn otp_request(&self, token: &str, code: &str) -> Request {
        self.token_request(&json!({ "grant_type": OTP, "mfa_token": token, "otp": code }))
    }

    pub(crate) fn oob_request(&self, token: &str, oob_code: &str, code: &str) -> Request {
        self.token_request(&json!({
            "grant_type": OOB, "mfa_token": token, "oob_code": oob_code, "binding_code": code,
        }))
    }

    pub(crate) fn recovery_request(&self, token: &str, code: &str) -> Request {
        self.token_request(&json!({
            "grant_type": RECOVERY_CODE, "mfa_token": token, "recovery_code": code,
        }))
    }

    /// A token exchange of the issuer's token for the example API with `claims` on top, given after a password alone and
    /// to no client; with these parameters beside it.
    pub(crate) fn exchange_request(&self, claims: &Value, parameters: &Value) -> Request {
        let mut all = json!({ "aud": API, "azp": null, "scope": null, "amr": ["pwd"] });
        for (name, value) in claims.as_object().expect("an object of claims") {
            all[name] = value.clone();
        }
        let mut body = json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token": self.access_token_with(&all),
        });
        for (name, value) in parameters.as_object().expect("an object of parameters") {
            body[name] = value.clone();
        }
        self.token_request(&body)
    }

    #[track_caller]
    pub(crate) fn enters_otp(&self, token: &str, code: &str) -> Answer {
        self.service.send(&self.otp_request(token, code))
    }

    #[track_caller]
    pub(crate) fn enters_code(&self, token: &str, message: &Message) -> Answer {
        self.service.send(&self.oob_request(token, &message.oob_code, &message.code))
    }

    #[track_caller]
    pub(crate) fn recovers(&self, token: &str, code: &str) -> Answer {
        self.service.send(&self.recovery_request(token, code))
    }

    /// `POST /mfa/challenge` with the client's credentials.
    pub(crate) fn challenge_request(&self, token: &str, body: &Value) -> Request {
        let mut complete = body.clone();
        complete["mfa_token"] = json!(token);
        Request { path: "/mfa/challenge".to_owned(), ..self.token_request(&complete) }
    }

    // Whole steps that succeed.

    /// Has a code sent to the authenticator with this id and reads it.
    #[track_caller]
    pub(crate) fn is_challenged(&self, token: &str, id: &str) -> Message {
        let answer = self.service.send(&self.challenge_request(token, &json!({ "authenticator_id": id })));
        self.reads(&answer.granted())
    }

    /// Adds an authenticator app, unconfirmed.
    #[track_caller]
    pub(crate) fn adds_app(&self, token: &str) -> AuthenticatorApp {
        let answer = self.associates(token, &json!({ "authenticator_types": ["otp"] })).granted();
        let secret = <base32ct::Base32UpperUnpadded as base32ct::Encoding>::decode_vec(
            answer["secret"].as_str().unwrap(),
        )
        .unwrap();
        AuthenticatorApp {
            id: answer["id"].as_str().unwrap().to_owned(),
            secret: TotpSecret::from_slice(&secret).unwrap(),
            recovery_code: answer["recovery_codes"][0].as_str().map(str::to_owned),
        }
    }

    /// Adds a phone by SMS, unconfirmed, and reads the code that arrives.
    #[track_caller]
    pub(crate) fn adds_phone(&self, token: &str, number: &str) -> Message {
        self.adds_message(token, "sms", &json!({ "phone_number": number }))
    }

    /// Adds an e-mail address likewise.
    #[track_caller]
    pub(crate) fn adds_email(&self, token: &str, address: &str) -> Message {
        self.adds_message(token, "email", &json!({ "email": address }))
    }

    /// Adds an address on `channel`.
    #[track_caller]
    pub(crate) fn adds_message(&self, token: &str, channel: &str, address: &Value) -> Message {
        let mut body = json!({ "authenticator_types": ["oob"], "oob_channels": [channel] });
        for (name, value) in address.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.associates(token, &body).granted();
        self.reads(&answer)
    }

    /// The one message that arrives after `answer`.
    #[track_caller]
    fn reads(&self, answer: &Value) -> Message {
        let before = self.service.messages().len();
        self.service.delivers();
        let messages = self.service.messages();
        assert_eq!(messages.len(), before + 1, "one message");
        Message {
            id: answer["id"].as_str().unwrap_or_default().to_owned(),
            oob_code: answer["oob_code"].as_str().unwrap().to_owned(),
            code: messages[before]["code"].as_str().unwrap().to_owned(),
            recovery_code: answer["recovery_codes"][0].as_str().map(str::to_owned),
        }
    }

    /// Adds and confirms an app, then waits for its next code.
    #[track_caller]
    pub(crate) fn has_app(&self) -> AuthenticatorApp {
        let login = self.logs_in();
        let app = self.adds_app(&login);
        self.enters_otp(&login, &app.code(self.service)).granted();
        self.service.world.advance(STEP_SECONDS);
        app
    }

    /// Adds and confirms a phone.
    #[track_caller]
    pub(crate) fn has_phone(&self, number: &str) -> Message {
        let login = self.logs_in();
        let message = self.adds_phone(&login, number);
        self.enters_code(&login, &message).granted();
        message
    }

    /// Adds and confirms an e-mail address.
    #[track_caller]
    pub(crate) fn has_email(&self, address: &str) -> Message {
        let login = self.logs_in();
        let message = self.adds_email(&login, address);
        self.enters_code(&login, &message).granted();
        message
    }

    /// Verifies with the app for an own access token for the MFA API: proof of MFA. Waits for the app's next code.
    #[track_caller]
    pub(crate) fn proves_mfa(&self, app: &AuthenticatorApp) -> String {
        let answer = self.enters_otp(&self.logs_in_to_enroll(), &app.code(self.service)).granted();
        self.service.world.advance(STEP_SECONDS);
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// An authenticator app on somebody's phone.
pub(crate) struct AuthenticatorApp {
    pub(crate) id: String,
    pub(crate) secret: TotpSecret,
    pub(crate) recovery_code: Option<String>,
}

impl AuthenticatorApp {
    /// What it shows now.
    pub(crate) fn code(&self, service: &Service) -> String {
        self.code_at(service.world.now())
    }

    pub(crate) fn code_at(&self, time: UnixSeconds) -> String {
        code_at(&self.secret, time.0.div_euclid(STEP_SECONDS))
    }

    /// A code that is wrong now.
    pub(crate) fn wrong_code(&self, service: &Service) -> String {
        let now = service.world.now();
        (0..)
            .map(|number| format!("{number:06}"))
            .find(|code| matching_step(&self.secret, code, now, 0).is_none())
            .unwrap()
    }
}

/// An enrollment, or a challenge (which has no id of its own), whose code has arrived.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) oob_code: String,
    pub(crate) code: String,
    pub(crate) recovery_code: Option<String>,
}

impl Message {
    /// The same with a wrong code.
    pub(crate) fn mistyped(&self) -> Self {
        let code = if self.code == "000000" { "000001" } else { "000000" };
        Self {
            id: self.id.clone(),
            oob_code: self.oob_code.clone(),
            code: code.to_owned(),
            recovery_code: self.recovery_code.clone(),
        }
    }
}

/// The claims of a JWT, unverified.
#[track_caller]
pub(crate) fn claims(token: &Value) -> Value {
    let payload = token.as_str().expect("a token").split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}

/// The `amr` of an answer's access token.
#[track_caller]
pub(crate) fn methods(answer: &Value) -> Vec<String> {
    serde_json::from_value(claims(&answer["access_token"])["amr"].clone()).unwrap()
}
