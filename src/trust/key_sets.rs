//! Public keys of issuers and clients: found, remembered, and replaced when they change under way.
//!
//! A key set is looked for in three places: imported keys in this isolate, the text in the shared cache (KV), the
//! source itself. What an isolate holds of one source goes through these states:
//!
//! ```text
//!               KV has one, or fetched                3/4 of the TTL
//!   ┌─────────┐ ─────────────────────► ┌───────┐ ───────────────────► ┌────────┐
//!   │ nothing │                        │ fresh │                      │ ageing │ served, renewed beside the request
//!   └─────────┘ ◄───────────┐          └───────┘ ◄─────────────────── └────────┘
//!     renewed before        │              ▲           renewed             │ the whole TTL
//!     anything is served    │ 24 h         │ renewed                       ▼
//!                           │              │                         ┌─────────┐
//!                           └──────────────┴──────────────────────── │ expired │ renewed before it is served;
//!                                                                    └─────────┘ failing that, served all the same
//! ```
//!
//! To renew is to look in KV for a newer set and, unless that will do, to fetch. An isolate begins a renewal of one
//! source at most every 30 seconds; the cool-down begins before the first await. A key id that a set does not have
//! asks for a renewal, too, which is how a new key is accepted before the old set's time is over.
//!
//! Requests that come while another one renews cannot await that one's promise (Workers forbids it): they look at the
//! isolate's value again and again for up to two seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::http_url::HttpUrl;
use super::issuer::TrustedIssuer;
use super::jwk::{self, PublicJwk, UnusableSet};
use crate::app::App;
use crate::platform::{FetchError, OutboundRequest, Platform};
use crate::types::UnixSeconds;

/// Bounds of a set's lifetime, whatever its source says, in seconds.
const MINIMUM_TTL: i64 = 60;
const MAXIMUM_TTL: i64 = 3600;
/// The lifetime where the source says nothing.
const DEFAULT_TTL: i64 = 600;
/// How long the last good set is served while its source is down.
const STALE_SECONDS: i64 = 24 * 3600;
/// Between the beginnings of two renewals.
const COOL_DOWN_SECONDS: i64 = 30;
/// A renewal that has not ended after this long never will: its request is gone.
const RENEWAL_SECONDS: i64 = 15;
/// How long a request waits for another one's renewal.
const PATIENCE_MILLISECONDS: u32 = 2_000;
const PAUSE_MILLISECONDS: u32 = 50;

const FETCH_TIMEOUT_MILLISECONDS: u32 = 5_000;
const MAXIMUM_DOCUMENT_BYTES: usize = 256 * 1024;

/// How many keys are tried for a token without `kid`.
const MAXIMUM_CANDIDATES: usize = 10;
/// How many sources an isolate remembers; clients bring their own.
const MAXIMUM_SOURCES: usize = 500;

/// Whose keys are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A trusted issuer's, from its `jwks_uri` or by its discovery document.
    Issuer(Rc<TrustedIssuer>),
    /// Those at an address that a client has registered.
    Uri(String),
    /// Those of a JWK Set that is at hand: a client's registered one, or this server's own.
    Registered(String),
}

/// Why a signature was not found to be of the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetError {
    /// There is no key set: none was ever had, or the last good one is too old.
    Unavailable,
    /// The set has no key of this id, or none that fits the algorithm.
    UnknownKey,
    /// The key has this id but is for something else.
    UnfitKey,
    /// No candidate key says that the signature is valid.
    InvalidSignature,
}

/// Checks a signature with the source's keys: those called `key_id`, or without one every key that fits the algorithm.
///
/// A token without `kid` cannot name a new key, so when no known key fits its signature the set is renewed as well.
///
/// # Errors
/// See [`KeySetError`].
pub async fn verify_signature<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    signed: &Signed<'_>,
) -> Result<(), KeySetError> {
    let (set, keys) = find(app, now, source, signed.key_id, signed.algorithm).await?;
    let decided = try_keys(app, &keys, signed).await;
    if decided.is_ok() || signed.key_id.is_some() || !source.is_renewable() {
        return decided;
    }
    let set =
        renewed(app, now, source, Need::Newer, Some(&set)).await.ok_or(KeySetError::InvalidSignature)?;
    let keys = set.candidates(app, None, signed.algorithm).await?;
    try_keys(app, &keys, signed).await
}

/// A signature and what it is over.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The header's `kid`.
    pub key_id: Option<&'a str>,
    /// The header's `alg`, already found to be allowed.
    pub algorithm: Algorithm,
    /// The raw signature.
    pub signature: &'a [u8],
    /// The signing input.
    pub message: &'a [u8],
}

/// The imported keys that a token with this `kid` and algorithm may be signed with: never none, at most ten.
///
/// # Errors
/// [`KeySetError::Unavailable`], [`KeySetError::UnknownKey`] or [`KeySetError::UnfitKey`].
pub async fn find_key<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<P::VerifyingKey>, KeySetError> {
    find(app, now, source, key_id, algorithm).await.map(|(_, keys)| keys)
}

/// The keys, and the set that they are of.
async fn find<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Found<P::VerifyingKey>, KeySetError> {
    let set = usable_set(app, now, source).await.ok_or(KeySetError::Unavailable)?;
    match set.candidates(app, key_id, algorithm).await {
        Ok(keys) => Ok((set, keys)),
        Err(KeySetError::UnknownKey) if source.is_renewable() => {
            let need = key_id.map_or(Need::Newer, Need::Key);
            let set = renewed(app, now, source, need, Some(&set)).await.ok_or(KeySetError::UnknownKey)?;
            let keys = set.candidates(app, key_id, algorithm).await?;
            Ok((set, keys))
        }
        Err(error) => Err(error),
    }
}

type Found<K> = (Rc<KeySet<K>>, Vec<K>);

impl KeySource {
    /// What the source is called in this isolate's memory.
    fn identity(&self) -> String {
        match self {
            Self::Issuer(issuer) => {
                format!("issuer {} {}", issuer.issuer, issuer.jwks_uri.as_deref().unwrap_or("discovery"))
            }
            Self::Uri(uri) => format!("uri {uri}"),
            Self::Registered(set) => format!("set {set}"),
        }
    }

    /// What the source is called in the shared cache. KV's keys end at 512 bytes, URLs do not.
    fn cache_key(&self) -> String {
        format!("key-set/1/{}", BASE64URL_NOPAD.encode(&Sha256::digest(self.identity().as_bytes())))
    }

    /// Whether the keys can be other ones tomorrow.
    fn is_renewable(&self) -> bool {
        !matches!(self, Self::Registered(_))
    }

    /// What the source is called in the log.
    fn label(&self) -> &str {
        match self {
            Self::Issuer(issuer) => &issuer.name,
            Self::Uri(uri) => uri,
            Self::Registered(_) => "registered",
        }
    }
}

/// What this isolate remembers of each source.
pub struct KeySetCache<K> {
    sources: RefCell<HashMap<String, Remembered<K>>>,
}

struct Remembered<K> {
    set: Option<Rc<KeySet<K>>>,
    renewal_began_at: Option<UnixSeconds>,
    renewing: bool,
}

impl<K> Default for KeySetCache<K> {
    fn default() -> Self {
        Self { sources: RefCell::default() }
    }
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self { set: None, renewal_began_at: None, renewing: false }
    }
}

impl<K> KeySetCache<K> {
    fn held(&self, identity: &str) -> Option<Rc<KeySet<K>>> {
        self.sources.borrow().get(identity)?.set.clone()
    }

    fn hold(&self, identity: &str, set: Rc<KeySet<K>>) {
        self.with(identity, |remembered| remembered.set = Some(set));
    }

    fn with<T>(&self, identity: &str, change: impl FnOnce(&mut Remembered<K>) -> T) -> T {
        let mut sources = self.sources.borrow_mut();
        if sources.len() >= MAXIMUM_SOURCES && !sources.contains_key(identity) {
            // Only clients' sources can be this many. Reading them again is cheap beside the memory.
            sources.clear();
        }
        change(sources.entry(identity.to_owned()).or_default())
    }

    /// Begins a renewal unless one began within the cool-down. `true` means: go on, and call [`Self::end`].
    fn begin(&self, identity: &str, now: UnixSeconds) -> bool {
        self.with(identity, |remembered| {
            if remembered.renewal_began_at.is_some_and(|began| now.since(began) < COOL_DOWN_SECONDS) {
                return false;
            }
            remembered.renewal_began_at = Some(now);
            remembered.renewing = true;
            true
        })
    }

    fn end(&self, identity: &str, cool_down: bool) {
        if let Some(remembered) = self.sources.borrow_mut().get_mut(identity) {
            remembered.renewing = false;
            if !cool_down {
                remembered.renewal_began_at = None;
            }
        }
    }

    /// Whether some request is renewing this source right now.
    fn is_renewing(&self, identity: &str, now: UnixSeconds) -> bool {
        self.sources.borrow().get(identity).is_some_and(|remembered| {
            remembered.renewing
                && remembered.renewal_began_at.is_some_and(|began| now.since(began) < RENEWAL_SECONDS)
        })
    }
}

/// A set in this isolate's memory.
struct KeySet<K> {
    keys: Vec<Key<K>>,
    fetched_at: UnixSeconds,
    ttl: i64,
}

/// A key, imported when it is first used: for some sets most never are.
struct Key<K> {
    jwk: PublicJwk,
    imported: RefCell<Vec<(Algorithm, K)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Ageing,
    Expired,
    TooOld,
}

impl<K: Clone> KeySet<K> {
    fn new(keys: Vec<PublicJwk>, fetched_at: UnixSeconds, ttl: i64) -> Self {
        let keys = keys.into_iter().map(|jwk| Key { jwk, imported: RefCell::default() }).collect();
        Self { keys, fetched_at, ttl }
    }

    fn age(&self, now: UnixSeconds) -> Age {
        let seconds = now.since(self.fetched_at);
        if seconds < self.ttl.saturating_mul(3).saturating_div(4) {
            Age::Fresh
        } else if seconds < self.ttl {
            Age::Ageing
        } else if seconds < STALE_SECONDS {
            Age::Expired
        } else {
            Age::TooOld
        }
    }

    fn has_key(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.jwk.key_id.as_deref() == Some(key_id))
    }

    async fn candidates<P: Platform<VerifyingKey = K>>(
        &self,
        app: &App<P>,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<K>, KeySetError> {
        let fitting =
            self.keys.iter().filter(|key| key_id.is_none_or(|id| key.jwk.key_id.as_deref() == Some(id)));
        let fitting = fitting.filter(|key| key.jwk.fits(algorithm)).take(MAXIMUM_CANDIDATES);
        let mut imported = Vec::new();
        for key in fitting {
            imported.extend(key.imported_for(app, algorithm).await);
        }
        if !imported.is_empty() {
            Ok(imported)
        } else if key_id.is_some_and(|id| self.has_key(id)) {
            Err(KeySetError::UnfitKey)
        } else {
            Err(KeySetError::UnknownKey)
        }
    }
}

impl<K: Clone> Key<K> {
    /// The key, ready to use, or `None` where its numbers make no key (a point off the curve).
    async fn imported_for<P: Platform<VerifyingKey = K>>(
        &self,
        app: &App<P>,
        algorithm: Algorithm,
    ) -> Option<K> {
        let known =
            self.imported.borrow().iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key.clone());
        if known.is_some() {
            return known;
        }
        let key = app.platform.import_verifying_key(algorithm, &self.jwk.material()).await.ok()?;
        self.imported.borrow_mut().push((algorithm, key.clone()));
        Some(key)
    }
}

async fn try_keys<P: Platform>(
    app: &App<P>,
    keys: &[P::VerifyingKey],
    signed: &Signed<'_>,
) -> Result<(), KeySetError> {
    for key in keys {
        let valid = app.platform.verify(signed.algorithm, key, signed.signature, signed.message).await;
        if valid == Ok(true) {
            return Ok(());
        }
    }
    Err(KeySetError::InvalidSignature)
}

/// The set to use now, by the diagram above.
async fn usable_set<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
) -> Option<Rc<KeySet<P::VerifyingKey>>> {
    let cache = &app.isolate.key_sets;
    let identity = source.identity();
    if let KeySource::Registered(text) = source {
        if let Some(set) = cache.held(&identity) {
            return Some(set);
        }
        let keys = jwk::parse_set(text.as_bytes()).ok()?;
        let set = Rc::new(KeySet::new(keys, now, MAXIMUM_TTL));
        cache.hold(&identity, Rc::clone(&set));
        return Some(set);
    }
    let held = cache.held(&identity);
    match held.as_ref().map(|set| set.age(now)) {
        Some(Age::Fresh) => return held,
        Some(Age::Ageing) => {
            renew_in_background(app, now, source);
            return held;
        }
        Some(Age::Expired | Age::TooOld) | None => {}
    }
    let set =
        renewed(app, now, source, Need::Valid, held.as_ref()).await.or_else(|| cache.held(&identity))?;
    (set.age(now) != Age::TooOld).then_some(set)
}

/// What a renewal is for, which decides whether KV's copy will do.
#[derive(Debug, Clone, Copy)]
enum Need<'a> {
    /// A set within its TTL.
    Valid,
    /// A set that is not about to expire.
    Fresh,
    /// A set with this key.
    Key(&'a str),
    /// A set newer than the one at hand.
    Newer,
}

/// A set that is not `used`, the one that would not do: after this request's own renewal or another one's. `None` when
/// there is no other.
async fn renewed<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    need: Need<'_>,
    used: Option<&Rc<KeySet<P::VerifyingKey>>>,
) -> Option<Rc<KeySet<P::VerifyingKey>>> {
    let cache = &app.isolate.key_sets;
    let identity = source.identity();
    let other = || cache.held(&identity).filter(|held| used.is_none_or(|used| !Rc::ptr_eq(used, held)));
    if let Some(set) = other() {
        return Some(set);
    }
    if cache.begin(&identity, now) {
        return renew(app, now, source, need).await;
    }
    let mut patience = PATIENCE_MILLISECONDS;
    while patience > 0 && cache.is_renewing(&identity, now) {
        app.platform.pause(PAUSE_MILLISECONDS).await;
        patience = patience.saturating_sub(PAUSE_MILLISECONDS);
    }
    other()
}

/// Renews beside the request, which does not wait for it.
fn renew_in_background<P: Platform>(app: &App<P>, now: UnixSeconds, source: &KeySource) {
    if app.isolate.key_sets.begin(&source.identity(), now) {
        let (app, source) = (app.clone(), source.clone());
        let platform = app.platform.clone();
        platform.defer(async move {
            renew(&app, now, &source, Need::Fresh).await;
        });
    }
}

/// Looks in KV and then at the source itself. Only after [`KeySetCache::begin`].
async fn renew<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    need: Need<'_>,
) -> Option<Rc<KeySet<P::VerifyingKey>>> {
    let cache = &app.isolate.key_sets;
    let identity = source.identity();
    if let Some(set) = adopt_shared(app, now, source).await
        && set.answers(need, now)
    {
        // Nobody was asked, so the next unknown key may ask.
        cache.end(&identity, false);
        return Some(set);
    }
    let set = match fetch_set(app, source).await {
        Ok((keys, ttl)) => {
            let text = json!({ "fetched_at": now.0, "ttl": ttl, "keys": keys }).to_string();
            let set = Rc::new(KeySet::new(keys, now, ttl));
            cache.hold(&identity, Rc::clone(&set));
            let (platform, key) = (app.platform.clone(), source.cache_key());
            app.platform.defer(async move { platform.cache(&key, &text, STALE_SECONDS).await });
            Some(set)
        }
        Err(failure) => {
            app.platform.log(json!({
                "event": "key_set_not_fetched", "source": source.label(), "reason": format!("{failure:?}"),
            }));
            None
        }
    };
    cache.end(&identity, true);
    set
}

impl<K: Clone> KeySet<K> {
    fn answers(&self, need: Need<'_>, now: UnixSeconds) -> bool {
        match need {
            Need::Valid | Need::Newer => matches!(self.age(now), Age::Fresh | Age::Ageing),
            Need::Fresh => self.age(now) == Age::Fresh,
            Need::Key(key_id) => self.has_key(key_id) && matches!(self.age(now), Age::Fresh | Age::Ageing),
        }
    }
}

/// A key set as the shared cache has it.
#[derive(Serialize, Deserialize)]
struct SharedSet {
    fetched_at: i64,
    ttl: i64,
    keys: Vec<Value>,
}

/// Takes over what another isolate has put into KV, if it is newer than what this one holds.
async fn adopt_shared<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
) -> Option<Rc<KeySet<P::VerifyingKey>>> {
    let text = app.platform.cached(&source.cache_key()).await?;
    let shared: SharedSet = serde_json::from_str(&text).ok()?;
    // Another isolate's clock may be ahead a little, but no set lives longer for it.
    let fetched_at = UnixSeconds(shared.fetched_at.min(now.0));
    let keys: Vec<_> = shared.keys.iter().filter_map(|entry| PublicJwk::from_value(entry).ok()).collect();
    let ttl = shared.ttl.clamp(MINIMUM_TTL, MAXIMUM_TTL);
    let set = Rc::new(KeySet::new(keys, fetched_at, ttl));
    let identity = source.identity();
    let is_newer = app.isolate.key_sets.held(&identity).is_none_or(|held| held.fetched_at < set.fetched_at);
    if set.keys.is_empty() || set.age(now) == Age::TooOld || !is_newer {
        return None;
    }
    app.isolate.key_sets.hold(&identity, Rc::clone(&set));
    Some(set)
}

/// Why a key set could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FetchFailure {
    /// There is nothing to fetch.
    NotFetchable,
    /// The exchange itself failed.
    Exchange(FetchError),
    /// Any status but 200, redirects among them.
    Status(u16),
    /// The discovery document is not JSON or lacks `jwks_uri`.
    MalformedDiscovery,
    /// The discovery document is somebody else's (OpenID Connect Discovery 1.0 section 4.3).
    DiscoveryOfAnotherIssuer,
    /// `jwks_uri` in the discovery document is not one to call.
    UnsuitableKeySetUri,
    /// The document is not a key set with at least one usable key.
    Unusable(UnusableSet),
}

/// The keys at the source, with their lifetime in seconds.
async fn fetch_set<P: Platform>(
    app: &App<P>,
    source: &KeySource,
) -> Result<(Vec<PublicJwk>, i64), FetchFailure> {
    let uri = match source {
        KeySource::Issuer(issuer) => match &issuer.jwks_uri {
            Some(uri) => uri.clone(),
            None => discover(app, issuer).await?,
        },
        KeySource::Uri(uri) => {
            HttpUrl::parse_secure(uri).map_err(|_| FetchFailure::UnsuitableKeySetUri)?;
            uri.clone()
        }
        KeySource::Registered(_) => return Err(FetchFailure::NotFetchable),
    };
    let (body, cache_control) = get(app, uri).await?;
    let keys = jwk::parse_set(&body).map_err(FetchFailure::Unusable)?;
    Ok((keys, ttl(cache_control.as_deref())))
}

/// The `jwks_uri` of an issuer's discovery document (OpenID Connect Discovery 1.0 section 4).
async fn discover<P: Platform>(app: &App<P>, issuer: &TrustedIssuer) -> Result<String, FetchFailure> {
    let base = issuer.issuer.strip_suffix('/').unwrap_or(&issuer.issuer);
    let (body, _) = get(app, format!("{base}/.well-known/openid-configuration")).await?;
    let document: Value = serde_json::from_slice(&body).map_err(|_| FetchFailure::MalformedDiscovery)?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
        return Err(FetchFailure::DiscoveryOfAnotherIssuer);
    }
    let uri = document.get("jwks_uri").and_then(Value::as_str).ok_or(FetchFailure::MalformedDiscovery)?;
    let url = HttpUrl::parse_secure(uri).map_err(|_| FetchFailure::UnsuitableKeySetUri)?;
    // A public issuer has no business sending this server to its own machine.
    let issuer_is_local = HttpUrl::parse(&issuer.issuer).is_ok_and(|issuer| issuer.is_loopback());
    if url.is_loopback() && !issuer_is_local {
        return Err(FetchFailure::UnsuitableKeySetUri);
    }
    Ok(uri.to_owned())
}

async fn get<P: Platform>(app: &App<P>, url: String) -> Result<(Vec<u8>, Option<String>), FetchFailure> {
    let request = OutboundRequest {
        method: "GET",
        url,
        headers: vec![("accept", "application/json".to_owned())],
        body: None,
        timeout_milliseconds: FETCH_TIMEOUT_MILLISECONDS,
        maximum_body_bytes: MAXIMUM_DOCUMENT_BYTES,
    };
    let response = app.platform.fetch(request).await.map_err(FetchFailure::Exchange)?;
    if response.status == 200 {
        Ok((response.body, response.cache_control))
    } else {
        Err(FetchFailure::Status(response.status))
    }
}

/// How long a response may be used, by its `Cache-Control` (RFC 9111 section 5.2.2), within the bounds.
fn ttl(cache_control: Option<&str>) -> i64 {
    let mut max_age = None;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return MINIMUM_TTL,
            "max-age" if max_age.is_none() => {
                let digits = value.trim().trim_matches('"');
                // A value that cannot be read is taken for stale (section 4.2.1); a huge one is huge.
                let seconds = digits.parse().unwrap_or(if is_number(digits) { MAXIMUM_TTL } else { 0 });
                max_age = Some(seconds);
            }
            _ => {}
        }
    }
    max_age.unwrap_or(DEFAULT_TTL).clamp(MINIMUM_TTL, MAXIMUM_TTL)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(cold.find("idp-1"), Err(KeySetError::Unavailable));
    }

    #[test]
    fn an_issuer_that_was_never_reached_is_unavailable_and_asked_every_30_seconds() {
        let scene = Scene::new();
        scene.break_issuer();
        for _ in 0..3 {
            assert_eq!(scene.find("idp-1"), Err(KeySetError::Unavailable));
        }
        assert_eq!(scene.fetches(), 1);
        scene.world.advance(30);
        scene.issuer.publish_on(&scene.world);
        assert_eq!(scene.find("idp-1"), Ok(1));
        assert!(scene.world.log_text().contains("Status(503)"));
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
        let find = || async {
            find_key(&scene.app, now, &scene.source, Some("idp-1"), Algorithm::RS256).await.is_ok()
        };
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
        assert_eq!(scene.find("idp-3"), Err(KeySetError::UnknownKey));
        assert_eq!(scene.world.paused_milliseconds() - before, u64::from(PATIENCE_MILLISECONDS));
        // A request that died in the middle of a renewal holds nobody up later.
        scene.world.advance(RENEWAL_SECONDS);
        assert_eq!(scene.find("idp-3"), Err(KeySetError::UnknownKey));
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
            assert_eq!(scene.find("idp-1"), Err(KeySetError::Unavailable), "{label}");
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
            assert_eq!(scene.find("idp-1"), Err(KeySetError::Unavailable), "{document}");
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
        assert_eq!(broken.find("r"), Err(KeySetError::Unavailable));
        let insecure = Scene { source: KeySource::Uri("http://client.example.com/".to_owned()), ..broken };
        assert_eq!(insecure.find("c"), Err(KeySetError::Unavailable));
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
            cache.begin(&format!("uri {index}"), START);
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
}
