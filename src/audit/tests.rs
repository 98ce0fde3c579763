use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::routes;
use crate::testing::person::{API, CLIENT_SECRET, NUMBER, Service, WEBHOOK};
use crate::testing::platform::{BatchFault, START, json_response};

const CATALOGUE: &str = include_str!("../../docs/events.md");

/// The rows of the first table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = CATALOGUE.split_once(&format!("\n{heading}\n")).expect("the heading");
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split(" |").map(str::trim).collect()).collect()
}

/// What stands in backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn exporting() -> Service {
    Service::configured(&Service::variables().with("EXPORT_EVENTS", "on").with("EXPORT_METRICS", "on"))
}

/// The codes of all events so far, in order.
fn acts(service: &Service) -> Vec<String> {
    let lines = service.world.log_lines();
    let acts = lines.iter().filter(|line| line.get("outcome").is_some());
    acts.map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_catalogue_has_every_act_with_its_outcome_and_auth0s_codes_and_no_other() {
    let listed: Vec<_> = table("## Acts")
        .into_iter()
        .map(|row| {
            let auth0 = names(row.get(3).copied().unwrap_or_default());
            let codes = auth0.into_iter().filter(|name| !["grant", "factor"].contains(name)).collect();
            (names(row[0])[0], row[2], codes)
        })
        .collect();
    let told: Vec<(_, _, Vec<_>)> = Act::ALL
        .iter()
        .map(|act| {
            let codes = act.auth0_codes().iter().map(|(_, code)| *code).collect();
            (act.code(), act.outcome(), codes)
        })
        .collect();
    assert_eq!(listed, told);
}

#[test]
fn the_catalogue_has_every_other_line_of_the_log_and_no_other() {
    let mut sources = String::new();
    read_sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut sources);
    let listed: BTreeSet<_> = ["## Requests", "## The machinery"]
        .into_iter()
        .flat_map(|heading| table(heading).into_iter().flat_map(|row| names(row[0])))
        .collect();
    let told: BTreeSet<_> =
        sources.split("\"event\": \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(told.len() > 10);
    assert_eq!(told.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "not in the catalogue");
    for name in listed {
        assert!(sources.contains(&format!("\"{name}\"")), "nothing tells {name}");
    }
}

#[test]
fn the_catalogue_has_every_reason_of_a_refusal_and_no_other() {
    let mut sources = String::new();
    read_sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut sources);
    let words = |text: &str| -> Vec<String> {
        let quoted = text.split('"').skip(1).step_by(2);
        let is_word = |text: &&str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        quoted.filter(is_word).map(str::to_owned).collect()
    };
    // Where reasons stand: in the functions that give them, and at the calls that name one.
    let bodies = sources.split("-> Reason {").skip(1).filter_map(|rest| rest.split("\n    }\n").next());
    let arms =
        bodies.flat_map(|body| body.lines().filter_map(|line| line.split_once("=> "))).map(|(_, arm)| arm);
    let named = [".reason(\"", "unauthorized(\"", "Reason::from(\"", " of: \""];
    let calls = named
        .into_iter()
        .flat_map(|call| sources.split(call).skip(1).filter_map(|rest| rest.split('"').next()));
    let (_, refusals) = sources.split_once("fn act_of(").unwrap();
    let refusals = refusals.split("fn refused_at").next().unwrap();
    let told: BTreeSet<String> = arms
        .filter_map(|arm| words(arm).into_iter().next())
        .chain(calls.map(str::to_owned))
        .chain(words(refusals))
        .collect();
    let listed: BTreeSet<String> =
        table("### Reasons").into_iter().flat_map(|row| names(row[1])).map(str::to_owned).collect();
    assert!(told.len() > 60, "{told:?}");
    assert_eq!(told, listed);
}

/// Everything but tests.
fn read_sources(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "testing"].contains(&name) {
            read_sources(&path, sources);
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "json.rs" {
            let text = std::fs::read_to_string(&path).expect("a text");
            sources.push_str(text.split("#[cfg(test)]").next().unwrap());
        }
    }
}

#[test]
fn auth0s_code_is_chosen_by_factor_or_grant() {
    assert_eq!(Act::CodeWrong.auth0_code(Some("otp"), Some("mfa-otp")), Some("gd_auth_failed"));
    assert_eq!(Act::TokensIssued.auth0_code(Some("sms"), Some("mfa-oob")), Some("seoobft"));
    assert_eq!(Act::TokensRefused.auth0_code(None, Some("token-exchange")), Some("fecte"));
    assert_eq!(Act::TokensRefused.auth0_code(None, None), None);
    assert_eq!(Act::DeliverySent.auth0_code(Some("voice"), None), Some("gd_send_voice"));
    assert_eq!(Act::DeliveryFailed.auth0_code(Some("email"), None), None);
    let codes: BTreeSet<_> = Act::ALL.iter().map(|act| act.code()).collect();
    assert_eq!(codes.len(), Act::ALL.len());
}

#[test]
fn each_act_of_a_persons_way_is_told_once_with_members_that_the_catalogue_has() {
    let service = exporting();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    alice.enters_otp(&login, "000000");
    alice.enters_otp(&login, &app.code(&service)).granted();
    assert_eq!(
        acts(&service),
        ["key_set_fetched", "enrollment_begun", "code_wrong", "authenticator_confirmed", "tokens_issued"]
    );
    let wrong = service.world.events("code_wrong").pop().unwrap();
    assert_eq!(
        wrong,
        json!({
            "event": "code_wrong", "auth0": "gd_auth_failed", "outcome": "failure", "time": START.0,
            "request": "request-1", "country": "DE", "user": "idp|alice", "client": "app", "grant": "mfa-otp",
            "factor": "otp", "reason": "wrong",
        })
    );
    let issued = service.world.events("tokens_issued").pop().unwrap();
    assert_eq!(
        (&issued["auth0"], &issued["audience"], &issued["bound"], &issued["authenticator"]),
        (&json!("seotpft"), &json!(API), &json!(false), &json!(app.id))
    );
    let bob = service.person("bob");
    let phone = bob.has_phone(NUMBER);
    service.send(&bob.challenge_request(&bob.logs_in(), &json!({ "authenticator_id": phone.id }))).granted();
    service.delivers();
    service.world.run_deferred();

    let listed: BTreeSet<_> =
        table("### Members").into_iter().flat_map(|row| names(row[0])).map(str::to_owned).collect();
    let events: Vec<_> =
        service.world.log_lines().into_iter().filter(|line| line.get("outcome").is_some()).collect();
    assert!(events.iter().any(|event| event["event"] == "delivery_sent"));
    for event in &events {
        for name in event.as_object().unwrap().keys() {
            assert!(listed.contains(name), "{name} of {event}");
        }
    }
    let mut exported = service.world.exported();
    let mut told = events;
    for list in [&mut exported, &mut told] {
        list.sort_by_key(Value::to_string);
    }
    assert_eq!(exported, told, "the queue gets what the log has");
}

#[test]
fn what_is_refused_is_told_with_its_exact_reason_and_no_more_than_that_reaches_the_client() {
    let service = Service::new();
    let alice = service.person("alice");
    let mut request = alice.associate_request("x.y.z", &json!({ "authenticator_types": ["otp"] }));
    service.send(&request);
    request.headers.authorization = None;
    service.send(&request);
    let refused = service.world.events("bearer_refused");
    assert_eq!(refused[0]["reason"], "not_a_jwt");
    assert_eq!(refused[1]["reason"], "missing");
    for refused in &refused {
        assert!(refused.get("user").is_none() && refused.get("client").is_none(), "nobody has been verified");
    }

    let exchange = |client: &str, secret: &str| {
        let request = alice.token_request(&json!({
            "grant_type": "http://auth0.com/oauth/grant-type/mfa-otp", "client_id": client, "client_secret": secret,
            "mfa_token": alice.logs_in(), "otp": "000000",
        }));
        service.send(&request);
        service.world.events("client_refused").pop().unwrap()
    };
    let unknown = exchange("nobody", "s");
    assert_eq!((&unknown["reason"], unknown.get("client")), (&json!("unknown_client"), None));
    let wrong = exchange("server", "no secret of theirs");
    assert_eq!((&wrong["reason"], &wrong["client"]), (&json!("wrong_secret"), &json!("server")));
    let log = service.world.log_text();
    assert!(!log.contains("no secret of theirs") && !log.contains("nobody") && !log.contains(CLIENT_SECRET));
}

#[test]
fn a_rule_of_mfa_is_told_by_what_it_stood_against() {
    let service = Service::new();
    let alice = service.person("alice");
    service.send(&alice.challenge_request(&alice.logs_in(), &json!({})));
    alice.has_app();
    service.send(&alice.associate_request(&alice.logs_in(), &json!({ "authenticator_types": ["otp"] })));
    service.send(&alice.oob_request(&alice.logs_in(), "no oob_code", "123456"));
    let reason = |event: &str| {
        let events = service.world.events(event);
        assert_eq!(events.len(), 1, "{event}");
        events[0]["reason"].clone()
    };
    assert_eq!(reason("challenge_refused"), "no_authenticator");
    assert_eq!(reason("enrollment_refused"), "already_enrolled");
    assert_eq!(reason("tokens_refused"), "malformed_oob_code");
    // What is no request is no act.
    let before = acts(&service);
    service.send(&alice.token_request(&json!({})));
    service.send(&service.post("/mfa/challenge", None, &json!([])));
    service.send(&service.post("/nowhere", None, &json!({})));
    assert_eq!(acts(&service), before);
    assert_eq!(service.world.events("request").pop().unwrap()["endpoint"], "other");
}

#[test]
fn guesses_at_codes_and_at_recovery_codes_are_locked_apart() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.has_app();
    let login = alice.logs_in();
    for _ in 0..11 {
        alice.enters_otp(&login, "000000");
        service.send(&alice.recovery_request(&login, "AAAAAAAAAAAAAAAAAAAAAAAA"));
    }
    for (wrong, locked, auth0) in [
        ("code_wrong", "guesses_locked", "gd_otp_rate_limit_exceed"),
        ("recovery_code_wrong", "recovery_guesses_locked", "gd_recovery_rate_limit_exceed"),
    ] {
        assert_eq!(service.world.events(wrong).len(), 10, "{wrong}");
        let locked = service.world.events(locked);
        assert_eq!((locked.len(), &locked[0]["auth0"]), (1, &json!(auth0)));
    }
}

#[test]
fn a_signature_that_fails_is_told_as_that() {
    let service = Service::new();
    let alice = service.person("alice");
    let login = alice.logs_in();
    let app = alice.adds_app(&login);
    service.world.break_signing(true);
    assert_eq!(alice.enters_otp(&login, &app.code(&service)).status, 503);
    let failed = service.world.events("signing_failed").pop().unwrap();
    assert_eq!((&failed["reason"], &failed["user"]), (&json!("key"), &json!("idp|alice")));
    assert!(
        service.world.events("request_failed").is_empty() && service.world.events("tokens_issued").is_empty()
    );
}

#[test]
fn a_queue_and_a_dataset_that_fail_cost_no_request_and_the_log_says_so() {
    let service = exporting();
    let alice = service.person("alice");
    service.world.break_export(true);
    alice.has_app();
    assert!(service.world.exported().is_empty() && service.world.points().is_empty());
    let told = acts(&service).len();
    assert!(told >= 4);
    assert_eq!(service.world.events("export_refused").len(), told);
    assert!(service.world.events("metric_refused").len() > told, "requests are measured, too");
}

#[test]
fn what_strangers_send_multiplies_no_messages_and_what_is_left_out_is_told() {
    let service = exporting();
    let alice = service.person("alice");
    let app = alice.has_app();
    service.world.advance(60);
    service.world.run_deferred();
    let before = service.world.exported().len();
    let exported = || {
        service.world.run_deferred();
        service.world.exported().split_off(before)
    };
    let most = usize::try_from(export::MAXIMUM).unwrap();
    // Without a token, with one of nobody, and in the name of a client, which is no secret.
    let garbage = || {
        let mut request = alice.associate_request("x.y.z", &json!({ "authenticator_types": ["otp"] }));
        service.send(&request);
        request.headers.authorization = None;
        service.send(&request);
        alice.enters_otp("x.y.z", "000000");
    };
    for _ in 0..most {
        garbage();
    }
    assert_eq!(exported().len(), most);
    // Whose token was verified is told of all the same.
    alice.enters_otp(&alice.logs_in(), "000000").is_refused(403, "Invalid otp_code.");
    assert_eq!(exported().last().unwrap()["event"], "code_wrong");
    assert_eq!(exported().len(), most + 1);
    assert_eq!(service.world.events("bearer_refused").len(), 3 * most, "the log has all");

    service.world.advance(60);
    alice.enters_otp(&alice.logs_in(), &app.code(&service)).granted();
    let later = exported().split_off(most + 1);
    let left_out = json!({
        "event": "events_left_out", "outcome": "failure", "time": START.0 + 150, "left_out": 2 * most,
    });
    assert_eq!(later[0], left_out);
    assert_eq!(service.world.events("events_left_out"), [left_out]);
    assert_eq!(later.len(), 3, "{later:?}");
    garbage();
    assert_eq!(exported().len(), most + 1 + 3 + 3);
}

#[test]
fn nothing_is_exported_or_measured_unless_that_is_switched_on() {
    let service = Service::new();
    service.person("alice").has_app();
    assert!(service.world.exported().is_empty() && service.world.points().is_empty());
}

#[test]
fn a_data_point_names_nobody_and_its_index_is_short_enough() {
    let service = exporting();
    let long = "ä".repeat(60);
    service.adds_client(&long, "none", "");
    let alice = service.person("alice").at_client(&long);
    alice.enters_otp(&alice.logs_in(), "000000");
    let points = service.world.points();
    let wrong = points.iter().find(|point| point.blobs[0] == "code_wrong").unwrap();
    assert_eq!(wrong.index, "ä".repeat(48));
    assert_eq!(wrong.blobs, ["code_wrong", "failure", "wrong", &long, "otp", "DE", "", "", ""]);
    assert_eq!(wrong.doubles, [1]);
    let request = points.last().unwrap();
    assert_eq!(request.blobs, ["request", "", "invalid_grant", &long, "", "DE", "/oauth/token", "POST", ""]);
    let line = service.world.events("request").pop().unwrap();
    let numbers = ["status", "milliseconds", "round_trips", "statements", "cache_reads", "fetches"]
        .map(|name| u32::try_from(line[name].as_u64().unwrap()).unwrap());
    assert_eq!(request.doubles, [&[1][..], &numbers].concat());
    assert!(!points.iter().any(|point| format!("{point:?}").contains("alice")));
}

#[test]
fn what_the_machinery_tells_is_a_data_point_too() {
    let service = exporting();
    let before = service.world.points().len();
    service.world.answer(WEBHOOK, Ok(json_response(401, "", None)));
    let alice = service.person("alice");
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": NUMBER });
    alice.associates(&alice.logs_in(), &body).granted();
    service.delivers();
    let points = service.world.points().split_off(before);
    let point = points.iter().find(|point| point.blobs[0] == "provider_misconfigured").unwrap();
    assert_eq!(
        point.blobs,
        ["provider_misconfigured", "", "status 401", "", "", "", "", "", "webhook"],
        "beside {points:?}"
    );
}

#[test]
fn a_request_is_charged_for_its_own_round_trips_while_others_are_under_way() {
    let service = Service::new();
    let (alice, bob) = (service.person("alice"), service.person("bob"));
    let app = alice.has_app();
    service.world.advance(30);
    let first = alice.otp_request(&alice.logs_in(), &app.code(&service));
    let second = bob.otp_request(&bob.logs_in(), "000000");
    let before = service.world.batches().len();
    let held = service.start(&first).pause_after(1);
    service.send(&second);
    service.world.advance(2);
    held.finish().granted();
    let batches: Vec<_> = service.world.batches().split_off(before).iter().map(Vec::len).collect();
    let lines = service.world.events("request");
    let [.., of_second, of_first] = lines.as_slice() else { panic!("two lines") };
    assert_eq!(of_second["round_trips"], 1);
    assert!(batches.len() > 2);
    assert_eq!(of_first["round_trips"], batches.len() - 1);
    assert_eq!(of_second["statements"], batches[1]);
    assert_eq!(of_first["statements"], batches.iter().sum::<usize>() - batches[1]);
    assert_eq!((&of_first["milliseconds"], &of_second["milliseconds"]), (&json!(2000), &json!(0)));
}

#[test]
fn a_fetch_of_keys_is_charged_to_the_request_that_needed_it() {
    let service = Service::new();
    let alice = service.person("alice");
    alice.enters_otp(&alice.logs_in(), "000000");
    alice.enters_otp(&alice.logs_in(), "000000");
    let lines = service.world.events("request");
    assert!(lines[0]["fetches"].as_i64() > Some(0) && lines[0]["cache_reads"] == 1, "{lines:?}");
    assert_eq!((&lines[1]["fetches"], &lines[1]["cache_reads"]), (&json!(0), &json!(0)));
    assert_eq!(service.world.events("key_set_fetched").len(), 1);
}

#[test]
fn a_database_that_fails_is_told_with_its_class_and_with_what_it_said() {
    let service = Service::new();
    let alice = service.person("alice");
    service.world.fail_batch(BatchFault::BeforeCommit);
    alice.enters_otp(&alice.logs_in(), "000000");
    let failed = service.world.events("request_failed").pop().unwrap();
    assert_eq!((&failed["reason"], &failed["user"]), (&json!("storage"), &json!(null)));
    assert!(failed["detail"].as_str().unwrap().contains("on purpose"));
    assert_eq!(service.world.events("request").pop().unwrap()["error"], "temporarily_unavailable");
}

#[test]
fn routes_are_called_by_their_name_and_never_by_an_id() {
    assert_eq!(routes::endpoint("/mfa/authenticators/totp%7Cdev_abc"), "/mfa/authenticators/{id}");
    assert_eq!(routes::endpoint("/mfa/authenticators/a/b"), "other");
    assert_eq!(routes::endpoint("/oauth/token"), "/oauth/token");
}
