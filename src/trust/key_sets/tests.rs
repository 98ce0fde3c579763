use super::fetch::{DEFAULT_TTL, MAXIMUM_DOCUMENT_BYTES, ttl};
use serde_json::json;

use super::*;
use crate::platform::FetchError;
use crate::testing::issuer::TestIssuer;
use crate::testing::keys::{TestKey, key_set};
use crate::testing::platform::{FakePlatform, START, json_response};
use crate::testing::{app, block_on, join_all};

/// A world with one issuer's keys in it, and what a token of that issuer needs.
struct Scene {
    world: FakePlatform,
    app: App<FakePlatform>,
    issuer: TestIssuer,
    source: KeySource,
}

impl Scene {
    fn new() -> Self {
        let world = FakePlatform::new();
        let app = app(&world);
        let issuer = TestIssuer::new("idp");
        issuer.publish_on(&world);
        let source = KeySource::Issuer(Rc::clone(&app.config.trusted_issuers[0]));
        Self { world, app, issuer, source }
    }

    fn find(&self, key_id: &str) -> Result<usize, KeySetError> {
        let now = self.world.now();
        block_on(find_key(&self.app, now, &self.source, Some(key_id), Algorithm::RS256))
            .map(|keys| keys.len())
    }

    fn verify(&self, key: &TestKey) -> Result<(), KeySetError> {
        let signature = key.signature(b"message");
        let signed = Signed {
            key_id: key.key_id.as_deref(),
            algorithm: key.algorithm,
            signature: &signature,
            message: b"message",
        };
        block_on(verify_signature(&self.app, self.world.now(), &self.source, &signed))
    }

    /// The issuer's key set from now on.
    fn publish(&self, keys: &[&TestKey]) {
        self.world.answer_json(&self.issuer.jwks_uri(), &key_set(keys), Some("max-age=600"));
    }

    fn break_issuer(&self) {
        self.world.answer(&self.issuer.jwks_uri(), Ok(json_response(503, "{}", None)));
    }

    fn fetches(&self) -> usize {
        self.world.fetch_count(&self.issuer.jwks_uri())
    }
}

/// Asked for in this very second.
const UNAVAILABLE: KeySetError = KeySetError::Unavailable { retry_after: 30 };

fn key(index: usize, id: &str) -> TestKey {
    TestKey::new(Algorithm::RS256, index, id)
}

#[test]
fn a_key_is_found_by_discovery_and_remembered() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    assert_eq!(scene.find("idp-1"), Ok(1));
    assert_eq!(scene.world.fetch_count(&scene.issuer.discovery_uri()), 1);
    assert_eq!(scene.fetches(), 1);
    assert_eq!(scene.world.cache_reads(), 1, "a warm isolate does not ask KV");
    assert_eq!(scene.world.imports(), 1, "a key is imported once");
    for request in scene.world.fetches() {
        assert_eq!((request.timeout_milliseconds, request.maximum_body_bytes), (5_000, 262_144));
    }
}

#[test]
fn a_signature_is_checked_with_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let scene = Scene::new();
        let own = TestKey::new(algorithm, 1, "k");
        scene.publish(&[&own]);
        assert_eq!(scene.verify(&own), Ok(()), "{algorithm:?}");
        let forged = TestKey::new(algorithm, 2, "k");
        assert_eq!(scene.verify(&forged), Err(KeySetError::InvalidSignature), "{algorithm:?}");
    }
}

#[test]
fn another_isolate_takes_the_set_from_kv() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    let second = Scene { app: app(&scene.world), issuer: TestIssuer::new("idp"), ..scene };
    assert_eq!(second.find("idp-1"), Ok(1));
    assert_eq!(second.fetches(), 1);
    assert!(second.world.cache_entries().keys().all(|key| key.starts_with("key-set/1/")));
}

#[test]
fn what_kv_holds_is_checked_like_what_an_issuer_sends() {
    let scene = Scene::new();
    let private = key(1, "evil").private_jwk();
    let mut future = json!({ "fetched_at": START.0 + 5, "ttl": 1_000_000, "keys": [private] });
    for text in ["", "{}", "[]", r#"{"fetched_at":"x","ttl":1,"keys":[]}"#, &future.to_string()] {
        scene.world.put_cached(&scene.source.cache_key(), text);
        let app = app(&scene.world);
        let found = block_on(find_key(&app, START, &scene.source, Some("evil"), Algorithm::RS256));
        assert_eq!(found.map(|_| ()), Err(KeySetError::UnknownKey), "{text}");
    }
    // A time to live is bounded here, too.
    future["keys"] = json!([key(1, "other").public_jwk()]);
    scene.world.put_cached(&scene.source.cache_key(), &future.to_string());
    assert_eq!(scene.find("other"), Ok(1));
    scene.world.advance(MAXIMUM_TTL + 5);
    assert_eq!(scene.find("other"), Err(KeySetError::UnknownKey));
}

#[test]
fn an_ageing_set_is_served_and_renewed_beside_the_request() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    scene.world.advance(449);
    assert_eq!(scene.find("idp-1"), Ok(1));
    assert_eq!(scene.world.deferred_count(), 0);
    scene.world.advance(1);
    scene.publish(&[&key(1, "idp-2")]);
    assert_eq!(scene.find("idp-1"), Ok(1), "still valid");
    assert_eq!(scene.find("idp-1"), Ok(1));
    assert_eq!(
        (scene.world.deferred_count(), scene.fetches()),
        (1, 1),
        "one renewal, and not in the request's way"
    );
    scene.world.run_deferred();
    assert_eq!(scene.fetches(), 2);
    assert_eq!(scene.find("idp-1"), Err(KeySetError::UnknownKey));
    assert_eq!(scene.find("idp-2"), Ok(1));
}

#[test]
fn a_key_taken_out_stops_within_the_ttl() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    scene.publish(&[&key(1, "idp-2")]);
    scene.world.advance(600);
    assert_eq!(scene.find("idp-1"), Err(KeySetError::UnknownKey));
    assert_eq!(scene.fetches(), 2);
}

#[test]
fn a_down_issuer_is_served_from_the_last_good_set_for_a_day() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    scene.break_issuer();
    scene.world.advance(600);
    assert_eq!(scene.find("idp-1"), Ok(1));
    assert_eq!(scene.find("idp-1"), Ok(1), "during the cool-down, too");
    assert_eq!(scene.world.fetch_count(&scene.issuer.discovery_uri()), 2);
    let cold = Scene { app: app(&scene.world), issuer: TestIssuer::new("idp"), ..scene };
    assert_eq!(cold.find("idp-1"), Ok(1), "a new isolate has it from KV");
    cold.world.set_time(START.plus(STALE_SECONDS - 1));
    assert_eq!(cold.find("idp-1"), Ok(1));
    cold.world.advance(31);
    assert_eq!(cold.find("idp-1"), Err(UNAVAILABLE));
}

#[test]
fn a_new_key_of_an_issuer_that_cannot_be_reached_is_not_called_unknown() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.advance(30);
    scene.break_issuer();
    assert_eq!(scene.find("idp-2"), Err(UNAVAILABLE));
    assert_eq!(scene.find("idp-2"), Err(UNAVAILABLE), "during the cool-down, too");
    assert_eq!(scene.find("idp-1"), Ok(1), "the known key does not suffer");
    scene.world.advance(30);
    scene.publish(&[&key(0, "idp-1"), &key(1, "idp-2")]);
    assert_eq!(scene.find("idp-2"), Ok(1));
    assert_eq!(
        scene.find("idp-3"),
        Err(KeySetError::UnknownKey),
        "the issuer has answered that there is none"
    );
}

#[test]
fn an_issuer_that_was_never_reached_is_unavailable_and_asked_every_30_seconds() {
    let scene = Scene::new();
    scene.break_issuer();
    for _ in 0..3 {
        assert_eq!(scene.find("idp-1"), Err(UNAVAILABLE));
    }
    assert_eq!(scene.fetches(), 1);
    scene.world.advance(30);
    scene.issuer.publish_on(&scene.world);
    assert_eq!(scene.find("idp-1"), Ok(1));
    let unreachable = scene.world.events("key_set_unreachable").pop().unwrap();
    assert_eq!((&unreachable["reason"], &unreachable["detail"]), (&json!("status"), &json!("503")));
}

#[test]
fn an_unknown_key_id_is_worth_one_renewal_per_cool_down() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.advance(30);
    scene.publish(&[&key(0, "idp-1"), &key(1, "idp-2")]);
    assert_eq!(scene.find("idp-2"), Ok(1), "a new key is accepted at once");
    assert_eq!(scene.fetches(), 2);
    for id in ["junk-1", "junk-2", "junk-3"] {
        assert_eq!(scene.find(id), Err(KeySetError::UnknownKey));
    }
    assert_eq!(scene.fetches(), 2, "the cool-down holds");
    scene.world.advance(30);
    assert_eq!(scene.find("junk-4"), Err(KeySetError::UnknownKey));
    assert_eq!(scene.fetches(), 3);
    assert_eq!(scene.find("idp-1"), Ok(1), "junk does not disturb the known keys");
}

#[test]
fn kv_is_asked_for_an_unknown_key_id_before_the_issuer_is() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.advance(40);
    let newer = json!({ "fetched_at": START.0 + 35, "ttl": 600, "keys": [key(1, "idp-2").public_jwk()] });
    scene.world.put_cached(&scene.source.cache_key(), &newer.to_string());
    assert_eq!(scene.find("idp-2"), Ok(1));
    assert_eq!(scene.fetches(), 1);
    scene.publish(&[&key(2, "idp-3")]);
    assert_eq!(scene.find("idp-3"), Ok(1), "the cool-down is not spent on KV");
    assert_eq!(scene.fetches(), 2);
}

#[test]
fn an_older_set_in_kv_never_replaces_a_newer_one() {
    let scene = Scene::new();
    scene.world.advance(100);
    assert_eq!(scene.find("idp-1"), Ok(1));
    let older = json!({ "fetched_at": START.0 + 99, "ttl": 600, "keys": [key(1, "old").public_jwk()] });
    scene.world.run_deferred();
    scene.world.put_cached(&scene.source.cache_key(), &older.to_string());
    scene.world.advance(30);
    assert_eq!(scene.find("old"), Err(KeySetError::UnknownKey));
}

#[test]
fn requests_that_meet_a_cold_isolate_together_fetch_once() {
    let scene = Scene::new();
    scene.world.hold(&scene.issuer.jwks_uri());
    let now = scene.world.now();
    let find =
        || async { find_key(&scene.app, now, &scene.source, Some("idp-1"), Algorithm::RS256).await.is_ok() };
    let release = async {
        for _ in 0..20 {
            crate::testing::executor::yield_now().await;
        }
        scene.world.release(&scene.issuer.jwks_uri());
        true
    };
    let all = join_all(vec![Box::pin(find()), Box::pin(find()), Box::pin(find()), Box::pin(release)]);
    assert_eq!(all, [true; 4]);
    assert_eq!(scene.fetches(), 1);
    assert!(scene.world.paused_milliseconds() > 0);
}

#[test]
fn an_unknown_key_waits_for_a_renewal_under_way_but_not_for_ever() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    scene.world.advance(450);
    scene.publish(&[&key(1, "idp-2")]);
    assert_eq!(scene.find("idp-1"), Ok(1), "leaves a renewal behind");
    let now = scene.world.now();
    let find = find_key(&scene.app, now, &scene.source, Some("idp-2"), Algorithm::RS256);
    assert!(scene.world.block_on_beside_deferred(find).is_ok());
    assert!(scene.world.paused_milliseconds() > 0);

    scene.world.run_deferred();
    scene.world.advance(450);
    assert_eq!(scene.find("idp-2"), Ok(1), "leaves a renewal behind, which nobody runs");
    let before = scene.world.paused_milliseconds();
    assert_eq!(scene.find("idp-3"), Err(UNAVAILABLE), "nobody knows what the renewal would have found");
    assert_eq!(scene.world.paused_milliseconds() - before, u64::from(PATIENCE_MILLISECONDS));
    // A request that died in the middle of a renewal holds nobody up later.
    scene.world.advance(RENEWAL_SECONDS);
    assert_eq!(scene.find("idp-3"), Err(KeySetError::Unavailable { retry_after: 30 - RENEWAL_SECONDS }));
    assert_eq!(scene.world.paused_milliseconds() - before, u64::from(PATIENCE_MILLISECONDS));
}

#[test]
fn a_token_without_a_key_id_is_tried_with_every_fitting_key() {
    let scene = Scene::new();
    let keys = [key(0, "a"), key(1, "b"), TestKey::new(Algorithm::ES256, 1, "c")];
    scene.publish(&keys.each_ref());
    assert_eq!(scene.verify(&key(1, "b").without_key_id()), Ok(()));
    assert_eq!(scene.world.verifications(), 2, "the elliptic one does not fit");
    assert_eq!(scene.verify(&keys[2].clone().without_key_id()), Ok(()));
}

#[test]
fn a_token_without_a_key_id_is_tried_with_ten_keys_at_most() {
    let scene = Scene::new();
    let keys: Vec<_> = (0..12).map(|_| key(0, "a")).collect();
    scene.publish(&keys.iter().collect::<Vec<_>>());
    assert_eq!(scene.find("a"), Ok(MAXIMUM_CANDIDATES));
}

#[test]
fn a_new_key_without_a_key_id_is_found_by_a_renewal() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.advance(30);
    scene.publish(&[&key(1, "b").without_key_id()]);
    assert_eq!(scene.verify(&key(1, "b").without_key_id()), Ok(()));
    assert_eq!(scene.fetches(), 2);
    assert_eq!(scene.verify(&key(2, "c").without_key_id()), Err(KeySetError::InvalidSignature));
    assert_eq!(scene.fetches(), 2, "the cool-down holds");
}

#[test]
fn a_wrong_signature_under_a_known_key_id_asks_nobody() {
    let scene = Scene::new();
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.advance(30);
    assert_eq!(scene.verify(&key(1, "idp-1")), Err(KeySetError::InvalidSignature));
    assert_eq!(scene.fetches(), 1);
}

#[test]
fn a_known_key_for_something_else_is_unfit() {
    let scene = Scene::new();
    scene.publish(&[&TestKey::new(Algorithm::ES256, 1, "k")]);
    assert_eq!(scene.find("k"), Err(KeySetError::UnfitKey));
    let mut off_curve = TestKey::new(Algorithm::ES256, 1, "k").public_jwk();
    off_curve["y"] = off_curve["x"].clone();
    let scene = Scene::new();
    let set = json!({ "keys": [off_curve] }).to_string();
    scene.world.answer_json(&scene.issuer.jwks_uri(), &set, None);
    let found = block_on(find_key(&scene.app, START, &scene.source, Some("k"), Algorithm::ES256));
    assert_eq!(found.map(|_| ()), Err(KeySetError::UnfitKey));
}

#[test]
fn anything_but_a_plain_200_is_a_failure() {
    let set = key_set(&[&key(0, "idp-1")]);
    let huge = format!("{set}{}", " ".repeat(MAXIMUM_DOCUMENT_BYTES));
    for answer in [
        Ok(json_response(301, &set, None)),
        Ok(json_response(204, "", None)),
        Ok(json_response(404, &set, None)),
        Ok(json_response(500, &set, None)),
        Ok(json_response(200, "", None)),
        Ok(json_response(200, "<html>", None)),
        Ok(json_response(200, r#"{"keys":[]}"#, None)),
        Ok(json_response(200, &huge, None)),
        Err(FetchError::Timeout),
        Err(FetchError::Connection("reset".to_owned())),
    ] {
        let scene = Scene::new();
        let label = format!("{:?}", answer.as_ref().map(|response| response.status));
        scene.world.answer(&scene.issuer.jwks_uri(), answer);
        assert_eq!(scene.find("idp-1"), Err(UNAVAILABLE), "{label}");
        assert!(scene.world.cache_entries().is_empty());
    }
}

#[test]
fn discovery_must_be_the_issuers_own() {
    let uri = "https://idp.example.com/jwks.json";
    for document in [
        json!({ "issuer": "https://idp.example.com", "jwks_uri": uri }),
        json!({ "issuer": "https://evil.example.com/", "jwks_uri": uri }),
        json!({ "jwks_uri": uri }),
        json!({ "issuer": "https://idp.example.com/" }),
        json!({ "issuer": "https://idp.example.com/", "jwks_uri": 5 }),
        json!({ "issuer": "https://idp.example.com/", "jwks_uri": "http://idp.example.com/jwks.json" }),
        json!({ "issuer": "https://idp.example.com/", "jwks_uri": "http://localhost/jwks.json" }),
        json!({ "issuer": "https://idp.example.com/", "jwks_uri": "/jwks.json" }),
        json!([]),
    ] {
        let scene = Scene::new();
        scene.world.answer_json(&scene.issuer.discovery_uri(), &document.to_string(), None);
        assert_eq!(scene.find("idp-1"), Err(UNAVAILABLE), "{document}");
        assert_eq!(scene.fetches(), 0, "{document}");
    }
}

#[test]
fn a_configured_key_set_address_needs_no_discovery() {
    let scene = Scene::new();
    let mut issuer = (*scene.app.config.trusted_issuers[0]).clone();
    issuer.jwks_uri = Some("https://keys.example.com/".to_owned());
    scene.world.answer_json("https://keys.example.com/", &key_set(&[&key(1, "elsewhere")]), None);
    let scene = Scene { source: KeySource::Issuer(Rc::new(issuer)), ..scene };
    assert_eq!(scene.find("elsewhere"), Ok(1));
    assert_eq!(scene.world.fetches().len(), 1);
}

#[test]
fn a_clients_own_address_and_registered_set_work_alike() {
    let scene = Scene::new();
    scene.world.answer_json("https://client.example.com/", &key_set(&[&key(1, "c")]), None);
    let fetched = Scene { source: KeySource::Uri("https://client.example.com/".to_owned()), ..scene };
    assert_eq!(fetched.find("c"), Ok(1));
    let registered = Scene { source: KeySource::Registered(key_set(&[&key(2, "r")])), ..fetched };
    let fetches = registered.world.fetches().len();
    assert_eq!(registered.find("r"), Ok(1));
    assert_eq!(registered.find("x"), Err(KeySetError::UnknownKey));
    assert_eq!(registered.verify(&key(1, "r").without_key_id()), Err(KeySetError::InvalidSignature));
    assert_eq!(registered.world.fetches().len(), fetches, "nothing to fetch");
    let broken = Scene { source: KeySource::Registered("{}".to_owned()), ..registered };
    assert_eq!(broken.find("r"), Err(KeySetError::UnknownKey));
    let insecure = Scene { source: KeySource::Uri("http://client.example.com/".to_owned()), ..broken };
    assert_eq!(insecure.find("c"), Err(UNAVAILABLE));
    assert_eq!(insecure.world.fetches().len(), fetches);
}

#[test]
fn a_broken_kv_costs_nothing_but_fetches() {
    let scene = Scene::new();
    scene.world.break_cache(true);
    assert_eq!(scene.find("idp-1"), Ok(1));
    scene.world.run_deferred();
    assert_eq!(scene.find("idp-1"), Ok(1));
}

#[test]
fn an_isolate_remembers_a_bounded_number_of_sources() {
    let cache = KeySetCache::<()>::default();
    for index in 0..(MAXIMUM_SOURCES + 10) {
        cache.begin(&KeySource::Uri(index.to_string()), START);
    }
    assert!(cache.sources.borrow().len() <= MAXIMUM_SOURCES);
}

#[test]
fn a_lifetime_comes_from_cache_control_within_bounds() {
    for (header, seconds) in [
        (None, DEFAULT_TTL),
        (Some(""), DEFAULT_TTL),
        (Some("public"), DEFAULT_TTL),
        (Some("max-age=300"), 300),
        (Some("public, Max-Age = \"300\", must-revalidate"), 300),
        (Some("max-age=0"), MINIMUM_TTL),
        (Some("max-age=59"), MINIMUM_TTL),
        (Some("max-age=86400"), MAXIMUM_TTL),
        (Some("max-age=99999999999999999999999"), MAXIMUM_TTL),
        (Some("max-age=-1"), MINIMUM_TTL),
        (Some("max-age=soon"), MINIMUM_TTL),
        (Some("max-age"), MINIMUM_TTL),
        (Some("max-age=300, max-age=900"), 300),
        (Some("max-age=300, no-cache"), MINIMUM_TTL),
        (Some("No-Store"), MINIMUM_TTL),
        (Some("s-maxage=5"), DEFAULT_TTL),
    ] {
        assert_eq!(ttl(header), seconds, "{header:?}");
    }
}
