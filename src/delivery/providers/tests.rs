use serde_json::{Value, json};

use super::mailbox;
use crate::delivery::consumer::Verdict;
use crate::platform::{FetchError, MailError, OutboundRequest};
use crate::testing::Variables;
use crate::testing::person::{Service, WEBHOOK};
use crate::testing::platform::json_response;

const SERVICE: &str = "VA0123456789abcdef0123456789abcdef";
const VERIFICATIONS: &str =
    "https://verify.twilio.com/v2/Services/VA0123456789abcdef0123456789abcdef/Verifications";
const MAILS: &str = "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails";

/// Verify, SES and the webhook.
fn variables() -> Variables {
    Service::variables()
        .with("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef")
        .with("TWILIO_AUTH_TOKEN", "token")
        .with("TWILIO_VERIFY_SERVICE_SID", SERVICE)
        .with("SES_REGION", "eu-central-1")
        .with("SES_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with("SES_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        .with("EMAIL_FROM", "B\u{e4}ckerei <codes@example.com>")
}

/// A service in which everybody takes what they get.
fn service(variables: &Variables) -> Service {
    let service = Service::configured(variables);
    service.world.answer(VERIFICATIONS, Ok(json_response(201, r#"{"sid":"VE1","status":"pending"}"#, None)));
    service.world.answer(MAILS, Ok(json_response(200, r#"{"MessageId":"1"}"#, None)));
    service.world.answer_mail(Ok(()));
    service
}

/// Asks for a code by `channel` in `language` and lets it be delivered. Returns who was asked by HTTP.
fn asked(service: &Service, channel: &str, language: &str) -> Vec<OutboundRequest> {
    let person = service.person("a");
    let (name, to) =
        if channel == "email" { ("email", "a@example.com") } else { ("phone_number", "+4915123456789") };
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": [channel], name: to, "ui_locales": language });
    person.associates(&person.logs_in(), &body).granted();
    let before = service.world.fetches().len();
    service.delivers();
    let asked = service.world.fetches().split_off(before);
    asked.into_iter().filter(|request| request.method == "POST").collect()
}

fn urls(requests: &[OutboundRequest]) -> Vec<&str> {
    requests.iter().map(|request| request.url.as_str()).collect()
}

fn fields(request: &OutboundRequest) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.as_ref().unwrap().as_bytes()).into_owned().collect()
}

/// State, carrier and reason of the only delivery.
fn row(service: &Service) -> (String, Option<String>, Option<String>) {
    let rows = service.world.query("SELECT state, provider, failure FROM deliveries", &[]);
    let optional = |name| rows[0].optional_text(name).unwrap().map(str::to_owned);
    (rows[0].text("state").unwrap().to_owned(), optional("provider"), optional("failure"))
}

#[test]
fn verify_gets_the_code_the_channel_and_the_language() {
    for (channel, name, language) in [("sms", "sms", "de"), ("voice", "call", "ar")] {
        let service = service(&variables());
        let requests = asked(&service, channel, language);
        assert_eq!(urls(&requests), [VERIFICATIONS]);
        let fields = fields(&requests[0]);
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["To", "Channel", "CustomCode", "Locale"]);
        assert_eq!((fields[0].1.as_str(), fields[1].1.as_str()), ("+4915123456789", name));
        assert!(fields[2].1.len() == 6 && fields[2].1.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(fields[3].1, language);
        assert!(requests[0].headers.contains(&(
            "authorization",
            "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0b2tlbg==".to_owned()
        )));
        assert_eq!(row(&service), ("sent".to_owned(), Some("twilio_verify".to_owned()), None));
    }
}

#[test]
fn verify_chooses_the_language_where_a_channel_lacks_the_one_asked_for() {
    let service = service(&variables());
    service.world.answer_once(VERIFICATIONS, Ok(json_response(404, r#"{"code":20404}"#, None)));
    let requests = asked(&service, "voice", "ja");
    assert_eq!(urls(&requests), [VERIFICATIONS, VERIFICATIONS]);
    let names = |request| fields(request).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&requests[1]), ["To", "Channel", "CustomCode"]);
    assert_eq!(fields(&requests[0])[2], fields(&requests[1])[2], "the same code");
    assert_eq!(row(&service).1.as_deref(), Some("twilio_verify"));

    let service = self::service(&variables());
    service.world.answer(VERIFICATIONS, Ok(json_response(404, r#"{"code":20404}"#, None)));
    assert_eq!(urls(&asked(&service, "sms", "en")), [VERIFICATIONS, VERIFICATIONS, WEBHOOK]);
    assert!(service.world.log_text().contains("twilio_verify"), "the service's SID is wrong");
}

#[test]
fn ses_gets_a_signed_mail_in_both_forms() {
    let service = service(&variables().with("SES_CONFIGURATION_SET", "codes"));
    let requests = asked(&service, "email", "de");
    assert_eq!(urls(&requests), [MAILS]);
    let body: Value = serde_json::from_str(requests[0].body.as_ref().unwrap()).unwrap();
    let message = &body["Content"]["Simple"];
    assert_eq!(body["FromEmailAddress"], "=?UTF-8?B?QsOkY2tlcmVp?= <codes@example.com>");
    assert_eq!(body["Destination"], json!({ "ToAddresses": ["a@example.com"] }));
    assert_eq!(body["ConfigurationSetName"], "codes");
    for part in [&message["Subject"], &message["Body"]["Text"], &message["Body"]["Html"]] {
        assert!(part["Data"].is_string() && part["Charset"] == "UTF-8", "{body}");
    }
    let header = |name: &str| {
        requests[0].headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str()).unwrap()
    };
    assert_eq!(header("x-amz-date"), "20300101T000000Z");
    let authorization = header("authorization");
    let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20300101/eu-central-1/ses/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(authorization.starts_with(expected), "{authorization}");
    assert_eq!(row(&service), ("sent".to_owned(), Some("ses".to_owned()), None));
}

#[test]
fn without_a_configuration_set_none_is_named() {
    let service = service(&variables());
    let requests = asked(&service, "email", "en");
    assert!(!requests[0].body.as_ref().unwrap().contains("ConfigurationSetName"));
}

#[test]
fn email_service_gets_a_mail_with_the_sender_in_its_parts() {
    let service = service(&variables().with("CLOUDFLARE_EMAIL", "on"));
    assert_eq!(urls(&asked(&service, "email", "fr")), [""; 0]);
    let mail = service.world.mails().pop().unwrap();
    assert_eq!(mail.from_name.as_deref(), Some("B\u{e4}ckerei"));
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("codes@example.com", "a@example.com"));
    assert!(mail.text.contains("code") && mail.html.contains('<') && !mail.subject.is_empty());
    assert_eq!(row(&service), ("sent".to_owned(), Some("cloudflare".to_owned()), None));
}

#[test]
fn when_email_service_cannot_the_next_does() {
    for (error, reason) in [
        (MailError::Missing, Some("there is no binding EMAIL")),
        (MailError::Refused("E_SENDER_NOT_VERIFIED".to_owned()), Some("E_SENDER_NOT_VERIFIED")),
        (MailError::Refused("E_DAILY_LIMIT_EXCEEDED".to_owned()), None),
        (MailError::Broken, None),
        (MailError::Timeout, None),
    ] {
        let service = service(&variables().with("CLOUDFLARE_EMAIL", "on"));
        service.world.answer_mail(Err(error));
        assert_eq!(urls(&asked(&service, "email", "en")), [MAILS]);
        assert_eq!(service.world.mails().len(), 1);
        let lines = service.world.log_lines();
        let alert = lines.iter().find(|line| line["event"] == "provider_misconfigured");
        assert_eq!(alert.map(|line| line["reason"].as_str().unwrap()), reason);
    }
}

#[test]
fn all_are_asked_in_the_usual_order() {
    let all = variables()
        .with("TWILIO_FROM", "+15550100123")
        .with("RESEND_API_KEY", "re_1")
        .with("CLOUDFLARE_EMAIL", "on");
    let service = Service::configured(&all);
    // Nobody answers.
    service.world.answer(WEBHOOK, Err(FetchError::Timeout));
    asked(&service, "sms", "en");
    let failure = row(&service).2.unwrap();
    let names: Vec<_> = failure.split("; ").map(|each| each.split(':').next().unwrap()).collect();
    assert_eq!(names, ["twilio", "twilio_verify", "webhook"]);

    let service = Service::configured(&all);
    service.world.answer(WEBHOOK, Err(FetchError::Timeout));
    asked(&service, "email", "en");
    let failure = row(&service).2.unwrap();
    let names: Vec<_> = failure.split("; ").map(|each| each.split(':').next().unwrap()).collect();
    assert_eq!(names, ["cloudflare", "resend", "ses", "webhook"]);
}

#[test]
fn what_verify_says_of_the_number_is_final_and_what_it_says_of_fraud_is_not() {
    let service = service(&variables());
    service.world.answer(VERIFICATIONS, Ok(json_response(403, r#"{"code":60205,"message":"…"}"#, None)));
    assert_eq!(urls(&asked(&service, "sms", "en")), [VERIFICATIONS]);
    assert_eq!(row(&service).2.as_deref(), Some("twilio_verify: status 403, code 60205"));

    let service = self::service(&variables());
    service.world.answer(VERIFICATIONS, Ok(json_response(403, r#"{"code":60410,"message":"…"}"#, None)));
    assert_eq!(urls(&asked(&service, "sms", "en")), [VERIFICATIONS, WEBHOOK]);
    assert!(!service.world.log_text().contains("provider_misconfigured"));
}

#[test]
fn verify_alone_needs_no_sender_and_one_that_is_set_is_for_the_other() {
    let config = variables().config().unwrap();
    assert!(config.providers.twilio.is_none() && config.providers.twilio_verify.is_some());
    let config = variables().with("TWILIO_FROM", "+15550100123").config().unwrap();
    assert!(config.providers.twilio.is_some() && config.providers.twilio_verify.is_some());
    let key = variables().with("TWILIO_API_KEY", "SK1").with("TWILIO_API_SECRET", "s");
    assert!(key.without("TWILIO_AUTH_TOKEN").config().is_ok());
}

#[test]
fn a_provider_that_is_half_configured_is_explained() {
    let missing = |name: &str| {
        let errors = variables().without(name).config().unwrap_err();
        errors.iter().map(|error| error.variable.clone()).collect::<Vec<_>>()
    };
    for name in [
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "SES_REGION",
        "SES_ACCESS_KEY_ID",
        "SES_SECRET_ACCESS_KEY",
        "EMAIL_FROM",
    ] {
        assert_eq!(missing(name), [name]);
    }
    for (name, value) in [
        ("TWILIO_VERIFY_SERVICE_SID", "MG0123456789abcdef0123456789abcdef"),
        ("TWILIO_VERIFY_SERVICE_SID", "VA0123"),
        ("TWILIO_VERIFY_SERVICE_SID", "VA0123456789abcdef0123456789abcde/"),
        ("TWILIO_VERIFY_URL", "http://verify.example.com"),
        ("SES_REGION", "eu-central-1.example.com/"),
        ("SES_ACCESS_KEY_ID", "AKIA, x"),
        ("SES_CONFIGURATION_SET", "my codes"),
        ("SES_URL", "http://email.example.com"),
        ("CLOUDFLARE_EMAIL", "yes"),
        ("EMAIL_FROM", "nobody"),
    ] {
        let errors = variables().with(name, value).config().unwrap_err();
        assert_eq!(errors.len(), 1, "{name}={value}: {errors:?}");
        assert_eq!(errors[0].variable, name);
    }
    let only = Variables::new().with("CLOUDFLARE_EMAIL", "on");
    assert_eq!(
        only.config().unwrap_err()[0].to_string(),
        "EMAIL_FROM is missing, but CLOUDFLARE_EMAIL is set."
    );
    assert!(
        Variables::new().with("CLOUDFLARE_EMAIL", "off").config().unwrap().providers.cloudflare.is_none()
    );
}

#[test]
fn a_rule_names_no_sender_for_verify() {
    let rule = r#"{"sms":[{"provider":"twilio_verify","from":"+15550100123"}]}"#;
    let errors = variables().with("DELIVERY", rule).config().unwrap_err();
    assert_eq!(errors[0].problem, "has a sender for twilio_verify, which finds its own.");
    let rule = r#"{"sms":[{"provider":"twilio_verify","calling_codes":["49"]}],"email":[{"provider":"ses","from":"b@example.com"}]}"#;
    let service = service(&variables().with("DELIVERY", rule));
    let requests = asked(&service, "email", "en");
    assert!(requests[0].body.as_ref().unwrap().contains("b@example.com"));
    assert_eq!(service.delivers(), [] as [Verdict; 0]);
}

#[test]
fn notices_go_by_text_message_only_where_somebody_other_than_verify_carries_them() {
    let verify = variables().without("WEBHOOK_URL");
    let channels = |variables: &Variables| super::super::notice_channels(&variables.config().unwrap());
    let told = verify.with("NOTICES", "email sms");
    assert_eq!(channels(&told), (true, false));
    let both = told.with("TWILIO_FROM", "+15550100123");
    assert_eq!(channels(&both), (true, true));
    assert_eq!(channels(&both.with("NOTICES", "email")), (true, false));
}

#[test]
fn no_secret_is_printed() {
    let printed = format!("{:?}", variables().config().unwrap().providers);
    assert!(!printed.contains("wJalr") && !printed.contains("token"), "{printed}");
}

#[test]
fn a_sender_is_an_address_with_or_without_a_name() {
    for (sender, name, address) in [
        ("codes@example.com", None, "codes@example.com"),
        (" <codes@example.com>", None, "codes@example.com"),
        ("Example <codes@example.com>", Some("Example"), "codes@example.com"),
        ("\"Example, Inc.\" < codes@example.com > ", Some("Example, Inc."), "codes@example.com"),
        ("a < b <codes@example.com>", Some("a < b"), "codes@example.com"),
    ] {
        assert_eq!(mailbox(sender), (name, address));
    }
}
