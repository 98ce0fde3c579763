use serde_json::{Value, json};

use crate::delivery::consumer::Verdict;
use crate::platform::{FetchError, OutboundRequest, OutboundResponse};
use crate::testing::Variables;
use crate::testing::person::{Service, WEBHOOK};
use crate::testing::platform::json_response;

const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
const MESSAGES: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json";
const CALLS: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Calls.json";
const MAILS: &str = "https://api.resend.com/emails";

fn variables() -> Variables {
    Service::variables()
        .with("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef")
        .with("TWILIO_AUTH_TOKEN", "token")
        .with("TWILIO_FROM", "+15550100123")
        .with("RESEND_API_KEY", "re_123")
        .with("EMAIL_FROM", "Example <codes@example.com>")
}

/// Everybody answers as if nothing were wrong.
fn service(variables: &Variables) -> Service {
    let service = Service::configured(variables);
    for url in [MESSAGES, CALLS] {
        service.world.answer(url, Ok(json_response(201, r#"{"sid":"SM1","status":"queued"}"#, None)));
    }
    service.world.answer(MAILS, Ok(json_response(200, r#"{"id":"1"}"#, None)));
    service
}

/// Asks for a code by `channel` and lets it be delivered. Returns who was asked, and what the queue is to do.
fn asked(
    service: &Service,
    subject: &str,
    channel: &str,
    address: &Value,
) -> (Vec<OutboundRequest>, Vec<Verdict>) {
    let person = service.person(subject);
    let name = if channel == "email" { "email" } else { "phone_number" };
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": [channel], name: address });
    person.associates(&person.logs_in(), &body).granted();
    let before = service.world.fetches().len();
    let verdicts = service.delivers();
    let asked = service.world.fetches().split_off(before);
    (asked.into_iter().filter(|request| request.method == "POST").collect(), verdicts)
}

fn urls(requests: &[OutboundRequest]) -> Vec<&str> {
    requests.iter().map(|request| request.url.as_str()).collect()
}

fn answer(status: u16, code: i64) -> Result<OutboundResponse, FetchError> {
    Ok(json_response(status, &json!({ "code": code, "status": status }).to_string(), None))
}

fn events(service: &Service, name: &str) -> usize {
    service.world.log_lines().iter().filter(|line| line["event"] == name).count()
}

#[test]
fn the_first_that_is_configured_carries_each_channel() {
    let service = service(&variables());
    let number = json!("+49 151 23456789");
    assert_eq!(urls(&asked(&service, "a", "sms", &number).0), [MESSAGES]);
    assert_eq!(urls(&asked(&service, "b", "voice", &number).0), [CALLS]);
    assert_eq!(urls(&asked(&service, "c", "email", &json!("c@example.com")).0), [MAILS]);
    let rows = service.world.query("SELECT provider FROM deliveries ORDER BY created_at, provider", &[]);
    let carried: Vec<_> = rows.iter().map(|row| row.text("provider").unwrap().to_owned()).collect();
    assert_eq!(carried, ["resend", "twilio", "twilio"]);
}

#[test]
fn each_is_asked_in_its_own_words() {
    let service = service(&variables());
    let (sms, _) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
    let form: Vec<_> = form_urlencoded::parse(sms[0].body.as_ref().unwrap().as_bytes()).collect();
    let names: Vec<_> = form.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["To", "From", "Body"]);
    assert_eq!((&*form[0].1, &*form[1].1), ("+4915123456789", "+15550100123"));
    assert!(sms[0].headers.contains(&(
        "authorization",
        "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0b2tlbg==".to_owned()
    )));

    let (voice, _) = asked(&service, "b", "voice", &json!("+49 151 23456789"));
    let form: Vec<_> = form_urlencoded::parse(voice[0].body.as_ref().unwrap().as_bytes()).collect();
    let twiml = &form.iter().find(|(name, _)| name == "Twiml").unwrap().1;
    assert_eq!(twiml.matches("<Say").count(), 2, "{twiml}");

    let (mail, _) = asked(&service, "c", "email", &json!("c@example.com"));
    let body: Value = serde_json::from_str(mail[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(body["to"], json!(["c@example.com"]));
    assert_eq!(body["from"], "Example <codes@example.com>");
    for part in ["subject", "text", "html"] {
        assert!(body[part].is_string(), "{part}");
    }
    let ids: Vec<_> = mail[0].headers.iter().filter(|(name, _)| *name == "idempotency-key").collect();
    assert_eq!(ids[0].1, service.world.queue()[2]);
}

#[test]
fn when_one_cannot_the_next_does_at_once() {
    for (failure, misconfigured) in [
        (answer(503, 20503), 0),
        (answer(429, 20429), 0),
        (answer(401, 20003), 1),
        (answer(400, 21612), 0),
        (Err(FetchError::Timeout), 0),
        (Err(FetchError::Connection("reset".to_owned())), 0),
    ] {
        let service = service(&variables());
        service.world.answer_once(MESSAGES, failure.clone());
        let (requests, verdicts) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
        assert_eq!(urls(&requests), [MESSAGES, WEBHOOK], "{failure:?}");
        assert_eq!(verdicts, [Verdict::Acknowledge]);
        assert_eq!(events(&service, "provider_misconfigured"), misconfigured);
    }
}

#[test]
fn what_is_the_messages_own_fault_goes_to_nobody_else() {
    for code in [21211, 21610, 21614] {
        let service = service(&variables());
        service.world.answer_once(MESSAGES, answer(400, code));
        let (requests, verdicts) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
        assert_eq!(urls(&requests), [MESSAGES]);
        assert_eq!(verdicts, [Verdict::Acknowledge]);
        let rows = service.world.query("SELECT state, failure FROM deliveries", &[]);
        assert_eq!(rows[0].text("state").unwrap(), "failed");
        assert_eq!(rows[0].text("failure").unwrap(), format!("twilio: status 400, code {code}"));
    }
}

#[test]
fn when_all_fail_the_message_waits_for_whoever_is_ready_first() {
    let service = service(&variables());
    let later = |seconds: &str| {
        Ok(OutboundResponse { retry_after: Some(seconds.to_owned()), ..json_response(503, "{}", None) })
    };
    service.world.answer_once(MESSAGES, later("50"));
    service.world.answer_once(WEBHOOK, later("40"));
    let (requests, verdicts) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
    assert_eq!(urls(&requests), [MESSAGES, WEBHOOK]);
    assert_eq!(verdicts, [Verdict::Retry(40)]);
    let rows = service.world.query("SELECT failure FROM deliveries", &[]);
    assert_eq!(rows[0].text("failure").unwrap(), "twilio: status 503; webhook: status 503");
}

#[test]
fn one_that_fails_again_and_again_is_passed_over_until_it_may_have_recovered() {
    let service = service(&variables());
    service.world.answer(MESSAGES, answer(503, 20503));
    let ask = |subject: &str| urls_of(&asked(&service, subject, "sms", &json!("+49 151 23456789")).0);
    for subject in ["a", "b", "c"] {
        assert_eq!(ask(subject), [MESSAGES, WEBHOOK]);
    }
    assert_eq!(events(&service, "provider_down"), 1);
    assert_eq!(ask("d"), [WEBHOOK]);
    service.world.advance(30);
    assert_eq!(ask("e"), [MESSAGES, WEBHOOK], "one message tries it");
    assert_eq!(ask("f"), [WEBHOOK]);
    service.world.advance(30);
    service.world.answer(MESSAGES, answer(201, 0));
    assert_eq!(ask("g"), [MESSAGES]);
    assert_eq!(events(&service, "provider_up"), 1);
    assert_eq!(ask("h"), [MESSAGES]);
}

#[test]
fn what_a_provider_says_of_one_message_counts_neither_for_nor_against_it() {
    let service = service(&variables());
    let ask = |subject: &str| urls_of(&asked(&service, subject, "sms", &json!("+49 151 23456789")).0);
    // Not into that region, again and again: it is asked all the same.
    service.world.answer(MESSAGES, answer(400, 21408));
    for subject in ["a", "b", "c", "d", "e"] {
        assert_eq!(ask(subject), [MESSAGES, WEBHOOK]);
    }
    assert_eq!((events(&service, "provider_down"), events(&service, "provider_misconfigured")), (0, 0));
    // Nor does it make a provider that is down one that is up.
    service.world.answer(MESSAGES, answer(503, 20503));
    for subject in ["f", "g", "h"] {
        ask(subject);
    }
    assert_eq!(events(&service, "provider_down"), 1);
    service.world.advance(30);
    service.world.answer(MESSAGES, answer(400, 21408));
    assert_eq!(ask("i"), [MESSAGES, WEBHOOK]);
    assert_eq!(events(&service, "provider_up"), 0);
    service.world.answer(MESSAGES, answer(201, 0));
    assert_eq!(ask("j"), [MESSAGES], "the next may try at once");
    assert_eq!(events(&service, "provider_up"), 1);
}

#[test]
fn a_provider_that_nobody_needed_has_not_been_tried() {
    let service = service(&variables().with("DELIVERY", r#"{"sms":["webhook","twilio"]}"#));
    let ask = |subject: &str| urls_of(&asked(&service, subject, "sms", &json!("+49 151 23456789")).0);
    service.world.answer(MESSAGES, answer(503, 20503));
    service.world.answer(WEBHOOK, answer(418, 0));
    for subject in ["a", "b", "c"] {
        assert_eq!(ask(subject), [WEBHOOK, MESSAGES]);
    }
    assert_eq!(ask("d"), [WEBHOOK]);
    service.world.advance(30);
    service.world.answer(WEBHOOK, answer(204, 0));
    assert_eq!(ask("e"), [WEBHOOK]);
    service.world.answer(WEBHOOK, answer(418, 0));
    assert_eq!(ask("f"), [WEBHOOK, MESSAGES], "its turn to be tried is still there");
}

#[test]
fn nobody_is_asked_any_more_half_a_minute_after_the_attempt_began() {
    let delivery = r#"{"sms":["twilio",{"provider":"twilio","from":"MG2"},{"provider":"twilio","from":"MG3"},"webhook","twilio"]}"#;
    let service = service(&variables().with("DELIVERY", delivery));
    service.world.answer(MESSAGES, Err(FetchError::Timeout));
    service.world.take(MESSAGES, 10);
    service.world.break_random(false);
    let (requests, verdicts) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
    assert_eq!(urls(&requests), [MESSAGES, MESSAGES, MESSAGES]);
    assert!(matches!(verdicts[..], [Verdict::Retry(1..=3)]), "{verdicts:?}");
    let rows = service.world.query("SELECT failure FROM deliveries", &[]);
    let late = "twilio: no answer in time";
    assert_eq!(
        rows[0].text("failure").unwrap(),
        format!("{late}; {late}; {late}; no time was left for the others")
    );
}

#[test]
fn a_long_pause_that_one_asks_for_does_not_hold_up_another() {
    let after = |seconds: &str| {
        Ok(OutboundResponse { retry_after: Some(seconds.to_owned()), ..json_response(503, "{}", None) })
    };
    for (twilio, webhook, pauses) in [
        (after("90"), Err(FetchError::Timeout), 1..=3),
        (answer(503, 20503), after("90"), 1..=3),
        (after("90"), after("40"), 40..=40),
        // One that cannot carry it in any case is not worth hurrying for.
        (answer(400, 21408), after("90"), 90..=90),
        (after("90"), answer(401, 0), 90..=90),
    ] {
        let service = service(&variables());
        service.world.answer(MESSAGES, twilio.clone());
        service.world.answer(WEBHOOK, webhook.clone());
        let (_, verdicts) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
        let [Verdict::Retry(pause)] = verdicts[..] else { panic!("{verdicts:?}") };
        assert!(pauses.contains(&pause), "{twilio:?} {webhook:?}: {pause}");
    }
}

fn urls_of(requests: &[OutboundRequest]) -> Vec<String> {
    urls(requests).into_iter().map(str::to_owned).collect()
}

#[test]
fn where_all_are_down_they_are_asked_all_the_same() {
    let service = service(&variables());
    for url in [MESSAGES, WEBHOOK] {
        service.world.answer(url, answer(503, 20503));
    }
    for subject in ["a", "b", "c", "d"] {
        let (requests, _) = asked(&service, subject, "sms", &json!("+49 151 23456789"));
        assert_eq!(urls(&requests), [MESSAGES, WEBHOOK], "{subject}");
    }
}

#[test]
fn rules_say_who_carries_where_and_as_whom() {
    let delivery =
        r#"{"sms":[{"provider":"twilio","calling_codes":["1","44"],"from":"MG9"},"webhook","twilio"]}"#;
    let service = service(&variables().with("DELIVERY", delivery));
    let (requests, _) = asked(&service, "a", "sms", &json!("+49 151 23456789"));
    assert_eq!(urls(&requests), [WEBHOOK]);
    let (requests, _) = asked(&service, "b", "sms", &json!("+44 7700 900123"));
    assert_eq!(urls(&requests), [MESSAGES]);
    assert!(requests[0].body.as_ref().unwrap().contains("MessagingServiceSid=MG9"));
    let (requests, _) = asked(&service, "c", "voice", &json!("+49 151 23456789"));
    assert_eq!(urls(&requests), [CALLS], "a channel that is left out has the usual order");
}

#[test]
fn a_channel_that_nobody_carries_is_not_enabled() {
    let service = service(&variables().with("DELIVERY", r#"{"voice":[]}"#));
    let person = service.person("a");
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["voice"], "phone_number": "+4915123456789" });
    person.associates(&person.logs_in(), &body).is_refused(400, "The voice factor is not enabled.");
    let only_mail = Variables::new().with("RESEND_API_KEY", "re_1").with("EMAIL_FROM", "a@example.com");
    let service = Service::configured(&only_mail);
    let person = service.person("a");
    let body =
        json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915123456789" });
    person.associates(&person.logs_in(), &body).is_refused(400, "The sms factor is not enabled.");
}

#[test]
fn a_rule_that_cannot_be_is_explained() {
    for (delivery, part) in [
        ("[]", "must be a JSON object"),
        (r#"{"fax":[]}"#, r#"unknown channel "fax""#),
        (r#"{"sms":"twilio"}"#, r#"a list as "sms""#),
        (r#"{"sms":["pigeon"]}"#, r#"unknown provider "pigeon""#),
        (r#"{"sms":[{}]}"#, "must name a provider"),
        (r#"{"sms":[1]}"#, "must name a provider"),
        (r#"{"sms":["resend"]}"#, "does not carry"),
        (r#"{"email":["twilio"]}"#, "does not carry"),
        (r#"{"sms":[{"provider":"twilio","to":"x"}]}"#, r#"unknown member "to""#),
        (r#"{"sms":[{"provider":"twilio","calling_codes":["+1"]}]}"#, "list of digits"),
        (r#"{"sms":[{"provider":"twilio","calling_codes":[]}]}"#, "list of digits"),
        (r#"{"sms":[{"provider":"twilio","calling_codes":"1"}]}"#, "list of digits"),
        (r#"{"sms":[{"provider":"twilio","from":15550100123}]}"#, "a text as"),
    ] {
        let errors = variables().with("DELIVERY", delivery).config().unwrap_err();
        assert_eq!(errors.len(), 1, "{delivery}");
        assert_eq!(errors[0].variable, "DELIVERY");
        assert!(errors[0].problem.contains(part), "{delivery}: {}", errors[0].problem);
    }
    let errors = Service::variables().with("DELIVERY", r#"{"sms":["twilio"]}"#).config().unwrap_err();
    assert!(errors[0].problem.contains("not configured"));
}

#[test]
fn a_provider_that_is_half_configured_is_explained() {
    let twilio = |name: &str| variables().without(name).config().unwrap_err()[0].variable.clone();
    assert_eq!(twilio("TWILIO_AUTH_TOKEN"), "TWILIO_AUTH_TOKEN");
    assert_eq!(twilio("TWILIO_FROM"), "TWILIO_FROM");
    assert_eq!(twilio("EMAIL_FROM"), "EMAIL_FROM");
    for (name, value) in [
        ("TWILIO_ACCOUNT_SID", "SK1"),
        ("TWILIO_ACCOUNT_SID", "AC1/../x"),
        ("TWILIO_FROM", "Example"),
        ("TWILIO_URL", "http://api.example.com"),
        ("TWILIO_MESSAGING_SERVICE_SID", "AC1"),
        ("TWILIO_VOICE_FROM", "x"),
        ("RESEND_URL", "ftp://x"),
        ("EMAIL_FROM", "nobody"),
    ] {
        let errors = variables().with(name, value).config().unwrap_err();
        assert_eq!(errors[0].variable, name, "{value}");
    }
    let errors = variables().with("TWILIO_API_KEY", "SK1").config().unwrap_err();
    assert_eq!(errors[0].variable, "TWILIO_API_SECRET");
    assert!(variables().with("TWILIO_API_KEY", "SK1").with("TWILIO_API_SECRET", "s").config().is_ok());
    assert!(
        variables().without("TWILIO_FROM").with("TWILIO_MESSAGING_SERVICE_SID", SERVICE).config().is_ok()
    );
}
