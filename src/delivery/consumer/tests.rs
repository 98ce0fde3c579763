mod notices;

use serde_json::json;

use super::*;
use crate::mfa::factor::Kind;
use crate::platform::{FetchError, OutboundResponse};
use crate::storage::sweep;
use crate::testing::block_on;
use crate::testing::person::{NUMBER, Service, WEBHOOK};
use crate::testing::platform::{BatchFault, FakePlatform, json_response};

const NOW: UnixSeconds = UnixSeconds(1_000);

fn delivery(attempts: i64) -> ClaimedDelivery {
    ClaimedDelivery {
        id: "d".into(),
        message: "code".into(),
        channel: Kind::Sms,
        sealed: String::new(),
        attempts,
        expires_at: NOW.plus(300),
        is_charged: false,
        target: None,
    }
}

fn busy(after: Option<i64>) -> Result<&'static str, SendError> {
    Err(SendError::Retry { reason: "busy".into(), after })
}

fn retry_at(seconds: i64) -> Outcome {
    Outcome::Retry { at: NOW.plus(seconds), reason: "busy".into() }
}

#[test]
fn pauses_grow_and_then_stay() {
    for (attempts, seconds) in [(1, 2), (2, 5), (3, 15), (4, 30), (5, 30), (100, 30)] {
        assert_eq!(outcome(NOW, &delivery(attempts), busy(None), STEADY), retry_at(seconds));
    }
}

#[test]
fn those_of_a_notice_are_longer_since_it_has_a_day() {
    for (attempts, seconds) in
        [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, 3600), (7, 3600), (100, 3600)]
    {
        let notice = ClaimedDelivery {
            message: "authenticator_added".into(),
            expires_at: NOW.plus(86_400),
            ..delivery(attempts)
        };
        assert_eq!(outcome(NOW, &notice, busy(None), STEADY), retry_at(seconds));
    }
}

#[test]
fn a_provider_that_asks_for_a_longer_pause_gets_it() {
    assert_eq!(outcome(NOW, &delivery(1), busy(Some(60)), STEADY), retry_at(60));
    assert_eq!(outcome(NOW, &delivery(4), busy(Some(1)), STEADY), retry_at(30));
}

#[test]
fn a_pause_is_varied_by_a_quarter_and_never_shorter_than_a_second() {
    let extremes = [[0, 0, 0, 0], [0, 0, 0xff, 0xff], [0xff, 0xff, 0, 0], [0xff, 0xff, 0xff, 0xff]];
    for (seconds, expected) in [
        (1, [1, 1, 1, 2]),
        (2, [1, 2, 2, 3]),
        (5, [3, 4, 6, 7]),
        (15, [11, 12, 18, 19]),
        (30, [22, 23, 37, 38]),
    ] {
        assert_eq!(extremes.map(|chance| varied(seconds, chance)), expected, "{seconds}");
        assert_eq!(varied(seconds, STEADY), seconds);
    }
    assert_eq!(varied(0, STEADY), 1);
}

#[test]
fn messages_that_failed_together_come_back_at_different_times() {
    let world = FakePlatform::new();
    let pauses: Vec<_> = (0..200).map(|_| varied(30, world.random().unwrap())).collect();
    let distinct: std::collections::BTreeSet<_> = pauses.iter().copied().collect();
    assert!(distinct.len() > 10 && distinct.iter().all(|pause| (22..=38).contains(pause)), "{distinct:?}");
    let mean = pauses.iter().sum::<i64>() / 200;
    assert!((29..=31).contains(&mean), "{mean}");
}

#[test]
fn chance_neither_lengthens_a_pause_that_was_asked_for_nor_outlives_the_code() {
    let longest = [0xff; 4];
    assert_eq!(outcome(NOW, &delivery(4), busy(Some(60)), longest), retry_at(60));
    let soon = |seconds| ClaimedDelivery { expires_at: NOW.plus(seconds), ..delivery(4) };
    assert_eq!(outcome(NOW, &soon(31), busy(None), longest), retry_at(30));
    for chance in [[0; 4], longest] {
        assert!(matches!(outcome(NOW, &soon(30), busy(None), chance), Outcome::Failed { .. }));
    }
}

#[test]
fn nothing_is_tried_again_after_the_code_has_died() {
    assert!(matches!(outcome(NOW, &delivery(1), busy(Some(300)), STEADY), Outcome::Failed { .. }));
}

#[test]
fn what_somebody_else_has_claimed_is_acknowledged() {
    let (sent, retried) = (
        ClaimedDelivery { id: "a".into(), ..delivery(1) },
        ClaimedDelivery { id: "b".into(), ..delivery(1) },
    );
    let outcomes = [(&sent, Outcome::Sent { provider: "webhook" }), (&retried, retry_at(5))];
    assert_eq!(verdict(NOW, "a", &outcomes), Verdict::Acknowledge);
    assert_eq!(verdict(NOW, "b", &outcomes), Verdict::Retry(5));
    assert_eq!(verdict(NOW, "c", &outcomes), Verdict::Acknowledge);
}

/// A service with one message waiting, and the delivery's id.
fn one_message() -> (Service, String) {
    let service = Service::new();
    let alice = service.person("alice");
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": NUMBER });
    alice.associates(&alice.logs_in(), &body).granted();
    let id = service.world.queue()[0].clone();
    // Without chance, pauses are what they are called.
    service.world.break_random(true);
    (service, id)
}

fn consumed(service: &Service, ids: &[&str]) -> Vec<Verdict> {
    let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    block_on(consume(&service.app, service.world.now(), &ids)).unwrap()
}

fn swept(service: &Service) {
    block_on(sweep::run(&service.app, service.world.now())).unwrap();
}

/// State, attempts, reason, and whether the payload is still there.
fn record(service: &Service) -> (String, i64, Option<String>, bool) {
    let rows = service.world.query("SELECT * FROM deliveries", &[]);
    let row = &rows[0];
    let failure = row.optional_text("failure").unwrap().map(str::to_owned);
    let payload = row.optional_text("sealed").unwrap().is_some();
    (row.text("state").unwrap().to_owned(), row.integer("attempts").unwrap(), failure, payload)
}

fn provider_answers(service: &Service, status: u16, retry_after: Option<&str>) {
    let answer = json_response(status, "", None);
    let answer = OutboundResponse { retry_after: retry_after.map(str::to_owned), ..answer };
    service.world.answer(WEBHOOK, Ok(answer));
}

#[test]
fn a_message_is_sent_signed_once_and_then_forgotten() {
    let (service, id) = one_message();
    service.world.advance(3);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(record(&service), ("sent".to_owned(), 1, None, false));
    let request = service.world.fetches().pop().unwrap();
    assert_eq!((request.method, request.url.as_str()), ("POST", WEBHOOK));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"]);
    assert_eq!(request.headers[1].1, id);
    assert_eq!(request.headers[2].1, service.world.now().to_string());
    assert!(request.headers[3].1.starts_with("v1,"));
    let message = &service.messages()[0];
    assert_eq!(message["to"], NUMBER);
    assert_eq!(message["expires_in"], 297);
    assert_eq!(message["code"].as_str().unwrap().len(), 6);
    // The queue delivers at least once.
    assert_eq!(consumed(&service, &[&id, &id]), [Verdict::Acknowledge, Verdict::Acknowledge]);
    assert_eq!(service.messages().len(), 1);
}

#[test]
fn a_batch_takes_two_round_trips_with_the_operators_own_words_or_without() {
    for own in [false, true] {
        let (service, id) = one_message();
        if own {
            service.world.query(
                "INSERT INTO templates (message, channel, language, text, updated_at)
                 VALUES ('code', 'sms', 'en', 'Yours: {{code}}', 0)",
                &[],
            );
        }
        let before = service.world.batches().len();
        consumed(&service, &[&id]);
        assert_eq!(service.world.batches().len() - before, 2);
        assert_eq!(service.messages()[0]["text"].as_str().unwrap().starts_with("Yours: "), own);
    }
}

#[test]
fn of_two_consumers_at_once_one_sends() {
    let (service, id) = one_message();
    let second = service.redeployed(&Service::variables());
    let ids = [id];
    let now = service.world.now();
    let verdicts = crate::testing::join_all(vec![
        Box::pin(consume(&service.app, now, &ids)),
        Box::pin(consume(&second.app, now, &ids)),
        Box::pin(consume(&service.app, now, &ids)),
    ]);
    assert!(verdicts.iter().all(|verdict| verdict == &Ok(vec![Verdict::Acknowledge])));
    assert_eq!(service.messages().len(), 1);
    assert_eq!(record(&service).0, "sent");
}

#[test]
fn one_id_twice_in_a_batch_is_sent_once_and_unknown_ids_are_done_with() {
    let (service, id) = one_message();
    assert_eq!(consumed(&service, &[&id, "unknown", &id]), vec![Verdict::Acknowledge; 3]);
    assert_eq!(service.messages().len(), 1);
    assert_eq!(consumed(&service, &[]), []);
}

#[test]
fn a_provider_that_is_busy_is_asked_again_after_growing_pauses_until_it_takes_the_message() {
    let (service, id) = one_message();
    provider_answers(&service, 503, None);
    for (attempt, pause) in [(1, 2), (2, 5), (3, 15), (4, 30), (5, 30)] {
        assert_eq!(consumed(&service, &[&id]), [Verdict::Retry(pause)]);
        assert_eq!(
            record(&service),
            ("waiting".to_owned(), attempt, Some("webhook: status 503".to_owned()), true)
        );
        // Too early, somebody else's message finds nothing to do.
        service.world.advance(pause - 1);
        assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
        service.world.advance(1);
    }
    provider_answers(&service, 200, None);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(record(&service), ("sent".to_owned(), 6, None, false));
    let codes: Vec<_> = service.messages().iter().map(|message| message["code"].clone()).collect();
    assert_eq!(codes, vec![codes[0].clone(); 6], "always the same code under the same id");
}

#[test]
fn a_provider_may_ask_for_a_longer_pause_and_one_that_does_not_answer_is_tried_again() {
    let (service, id) = one_message();
    provider_answers(&service, 429, Some("100"));
    assert_eq!(consumed(&service, &[&id]), [Verdict::Retry(100)]);
    service.world.advance(100);
    for (error, reason) in [
        (FetchError::Timeout, "webhook: no answer in time"),
        (FetchError::Connection("refused".to_owned()), "webhook: no connection"),
    ] {
        service.world.answer(WEBHOOK, Err(error));
        let [Verdict::Retry(pause)] = consumed(&service, &[&id])[..] else { panic!("no retry") };
        assert_eq!(record(&service).2.as_deref(), Some(reason));
        service.world.advance(pause);
    }
}

#[test]
fn what_a_provider_refuses_for_good_is_failed_and_forgotten() {
    for status in [400, 410, 422] {
        let (service, id) = one_message();
        provider_answers(&service, status, None);
        assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
        assert_eq!(
            record(&service),
            ("failed".to_owned(), 1, Some(format!("webhook: status {status}")), false)
        );
        assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
        assert_eq!(service.messages().len(), 1);
        assert!(!service.world.events("delivery_failed").is_empty());
    }
}

#[test]
fn nothing_is_sent_after_the_code_has_died() {
    let (service, id) = one_message();
    service.world.advance(300);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert!(service.messages().is_empty());
    swept(&service);
    assert_eq!(record(&service), ("expired".to_owned(), 0, Some("not delivered in time".to_owned()), false));
    let told = service.world.events("delivery_expired").pop().unwrap();
    assert_eq!(
        told,
        json!({
            "event": "delivery_expired", "auth0": "gd_send_sms_failure", "outcome": "failure",
            "time": service.world.now().0, "delivery": id, "message": "code", "factor": "sms", "channel": "sms",
            "attempt": 0, "reason": "not delivered in time",
        })
    );

    // Nor is another attempt planned for then.
    let (service, id) = one_message();
    service.world.advance(299);
    provider_answers(&service, 503, None);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(record(&service).0, "failed");
    assert!(!record(&service).3);
}

#[test]
fn a_consumer_that_died_after_its_claim_loses_nothing() {
    let (service, id) = one_message();
    // It had claimed and, before it could say so, was gone.
    service.world.fail_batch(BatchFault::AfterCommit);
    let ids = [id.clone()];
    assert!(block_on(consume(&service.app, service.world.now(), &ids)).is_err());
    assert_eq!(record(&service).0, "claimed");
    service.world.advance(59);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert!(service.messages().is_empty());
    // Its lease ends; the sweep tells the queue again when nobody else has.
    service.world.advance(16);
    swept(&service);
    assert_eq!(service.world.queue(), [id.clone(), id.clone()]);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(service.messages().len(), 1);
    assert_eq!(record(&service), ("sent".to_owned(), 2, None, false));
}

#[test]
fn what_a_clock_ahead_has_written_is_sent_at_once_and_what_was_tried_keeps_its_pause() {
    let (service, id) = one_message();
    let due = |from_now: i64| {
        let at = service.world.now().plus(from_now);
        service.world.query("UPDATE deliveries SET due_at = ?1", &[at.into()]);
    };
    due(60);
    provider_answers(&service, 503, None);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Retry(2)]);
    due(60);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(record(&service).1, 1);
}

#[test]
fn a_claim_that_never_happened_leaves_the_message_to_the_queues_next_try() {
    let (service, id) = one_message();
    service.world.fail_batch(BatchFault::BeforeCommit);
    let ids = [id.clone()];
    assert!(block_on(consume(&service.app, service.world.now(), &ids)).is_err());
    assert_eq!(record(&service), ("waiting".to_owned(), 0, None, true));
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(service.messages().len(), 1);
}

#[test]
fn a_record_that_fails_after_the_sending_is_not_sent_again_within_the_lease() {
    let (service, id) = one_message();
    service.world.fail_batch(BatchFault::None);
    service.world.fail_batch(BatchFault::BeforeCommit);
    let ids = [id.clone()];
    assert!(block_on(consume(&service.app, service.world.now(), &ids)).is_err());
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(service.messages().len(), 1);
}

#[test]
fn a_payload_that_no_known_key_opens_waits_for_the_key() {
    let (service, id) = one_message();
    let key = |byte: u8| {
        use base64ct::Encoding;
        base64ct::Base64UrlUnpadded::encode_string(&[byte; 32])
    };
    let keys = json!({
        "seal": { "use": "s2", "keys": { "s2": key(9) } },
        "hash": { "use": "h1", "keys": { "h1": key(2) } },
    });
    let broken = service.redeployed(&Service::variables().with("ENCRYPTION_KEYS", &keys.to_string()));
    assert_eq!(consumed(&broken, &[&id]), [Verdict::Retry(2)]);
    assert!(record(&service).2.unwrap().starts_with("the payload cannot be opened"));
    service.world.advance(2);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(service.messages().len(), 1);
}

#[test]
fn a_payload_moved_to_another_row_opens_nothing() {
    let (service, id) = one_message();
    service.world.query("UPDATE deliveries SET id = 'other'", &[]);
    assert_eq!(consumed(&service, &[&id]), [Verdict::Acknowledge]);
    assert_eq!(consumed(&service, &["other"]), [Verdict::Retry(2)]);
    assert!(service.messages().is_empty());
}

#[test]
fn a_batch_takes_a_statement_for_each_outcome_and_each_message_has_its_own_verdict() {
    let service = Service::new();
    let answers = [200, 503, 400, 400, 503, 200];
    for (number, status) in answers.iter().enumerate() {
        let person = service.person(&format!("person-{number}"));
        let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] });
        person.associates(&person.logs_in(), &body).granted();
        service.world.answer_once(WEBHOOK, Ok(json_response(*status, "", None)));
    }
    service.world.break_random(true);
    let ids = service.world.queue();
    let before = service.world.batches().len();
    let verdicts = block_on(consume(&service.app, service.world.now(), &ids)).unwrap();
    let statements: Vec<_> = service.world.batches().iter().skip(before).map(Vec::len).collect();
    assert_eq!(statements, [2, 3], "claimed with the words for them, and recorded");
    for ((id, status), verdict) in ids.iter().zip(answers).zip(verdicts) {
        let row = &service.world.query("SELECT * FROM deliveries WHERE id = ?1", &[id.as_str().into()])[0];
        let text = |column| row.optional_text(column).unwrap();
        let recorded = (text("state"), text("provider"), text("failure"), text("sealed").is_some());
        let (expected, own) = match status {
            200 => ((Some("sent"), Some("webhook"), None, false), Verdict::Acknowledge),
            503 => ((Some("waiting"), None, Some("webhook: status 503"), true), Verdict::Retry(2)),
            _ => ((Some("failed"), None, Some("webhook: status 400"), false), Verdict::Acknowledge),
        };
        assert_eq!((recorded, verdict), (expected, own));
        if status == 503 {
            assert_eq!(row.integer("due_at").unwrap(), service.world.now().0 + 2);
        }
    }
}

#[test]
fn the_log_says_what_became_of_a_message_and_not_to_whom_it_went() {
    let (service, id) = one_message();
    provider_answers(&service, 503, None);
    consumed(&service, &[&id]);
    let line = service.world.events("delivery_delayed").pop().unwrap();
    assert_eq!(line["delivery"], id);
    assert_eq!(line["channel"], "sms");
    assert_eq!(
        (&line["attempt"], &line["outcome"], &line["reason"]),
        (&json!(1), &json!("failure"), &json!("webhook: status 503"))
    );
    let code = service.messages()[0]["code"].as_str().unwrap().to_owned();
    assert!(!line.to_string().contains(&code) && !line.to_string().contains(NUMBER));
}
