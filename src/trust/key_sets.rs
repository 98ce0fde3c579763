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
//! asks for a renewal, too, which is how a new key is accepted before the old set's time is over. As long as the last
//! renewal has brought no set, a key that is not known is not called unknown: it may be a new one.
//!
//! Requests that come while another one renews cannot await that one's promise (Workers forbids it): they look at the
//! isolate's value again and again for up to two seconds.

mod fetch;

use std::cell::RefCell;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::issuer::TrustedIssuer;
use super::jwk::{self, PublicJwk};
use crate::algorithm::Algorithm;
use crate::app::App;
use crate::audit::{Act, Event, Reason};
use crate::base64url;
use crate::json::{self, Json, object};
use crate::platform::Platform;
use crate::types::UnixSeconds;

/// Bounds of a set's lifetime, whatever its source says, in seconds.
const MINIMUM_TTL: i64 = 60;
const MAXIMUM_TTL: i64 = 3600;
/// How long the last good set is served while its source is down.
const STALE_SECONDS: i64 = 24 * 3600;
/// Between the beginnings of two renewals.
const COOL_DOWN_SECONDS: i64 = 30;
/// A renewal that has not ended after this long never will: its request is gone.
const RENEWAL_SECONDS: i64 = 15;
/// How long a request waits for another one's renewal.
const PATIENCE_MILLISECONDS: u32 = 2_000;
const PAUSE_MILLISECONDS: u32 = 50;

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
    /// There is no key set: none was ever had, or the last good one is too old. Or the one at hand does not know the key,
    /// and whether a newer one does could not be asked.
    Unavailable {
        /// Seconds until the source may be asked again, at least 1.
        retry_after: i64,
    },
    /// The set has no key of this id, or none that fits the algorithm.
    UnknownKey,
    /// The key has this id but is for something else.
    UnfitKey,
    /// No candidate key says that the signature is valid.
    InvalidSignature,
}

impl KeySetError {
    /// As events say it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unavailable { .. } => "keys_unavailable",
            Self::UnknownKey => "unknown_key",
            Self::UnfitKey => "unfit_key",
            Self::InvalidSignature => "invalid_signature",
        }
        .into()
    }
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
    let renewed = renewed(app, now, source, Need::Newer, Some(&set)).await;
    let set = renewed.ok_or_else(|| unjudged(app, now, source, KeySetError::InvalidSignature))?;
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

/// The imported keys that a token with this `kid` and algorithm may be signed with, never none, at most ten, and the set
/// that they are of.
async fn find<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Found<P::VerifyingKey>, KeySetError> {
    let set = usable_set(app, now, source).await.ok_or_else(|| match source {
        // One that cannot be read has no keys, and never will.
        KeySource::Registered(_) => KeySetError::UnknownKey,
        KeySource::Issuer(_) | KeySource::Uri(_) => unavailable(app, now, source),
    })?;
    match set.candidates(app, key_id, algorithm).await {
        Ok(keys) => Ok((set, keys)),
        Err(KeySetError::UnknownKey) if source.is_renewable() => {
            let need = key_id.map_or(Need::Newer, Need::Key);
            let renewed = renewed(app, now, source, need, Some(&set)).await;
            let set = renewed.ok_or_else(|| unjudged(app, now, source, KeySetError::UnknownKey))?;
            let keys = set.candidates(app, key_id, algorithm).await?;
            Ok((set, keys))
        }
        Err(error) => Err(error),
    }
}

/// What is said of a token that the set at hand does not vouch for, where there is no newer one: `error`, unless the source
/// could not be asked. Then nobody knows, and a good token must not be called a bad one (contract 1.5 (2)).
fn unjudged<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    error: KeySetError,
) -> KeySetError {
    if app.isolate.key_sets.is_unanswered(source) { unavailable(app, now, source) } else { error }
}

fn unavailable<P: Platform>(app: &App<P>, now: UnixSeconds, source: &KeySource) -> KeySetError {
    KeySetError::Unavailable { retry_after: app.isolate.key_sets.cool_down(source, now).max(1) }
}

type Found<K> = (Rc<KeySet<K>>, Vec<K>);

impl KeySource {
    /// What the source is called in the shared cache. KV's keys end at 512 bytes, URLs do not.
    fn cache_key(&self) -> String {
        let identity = match self {
            Self::Issuer(issuer) => {
                format!("issuer {} {}", issuer.issuer, issuer.jwks_uri.as_deref().unwrap_or("discovery"))
            }
            Self::Uri(uri) => format!("uri {uri}"),
            Self::Registered(set) => format!("set {set}"),
        };
        format!("key-set/1/{}", base64url::encode(&Sha256::digest(identity.as_bytes())))
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
    sources: RefCell<Vec<Remembered<K>>>,
}

struct Remembered<K> {
    source: KeySource,
    set: Option<Rc<KeySet<K>>>,
    renewal_began_at: Option<UnixSeconds>,
    renewing: bool,
    /// Whether the last renewal has not come to its end, or not to a set.
    unanswered: bool,
}

impl<K> Default for KeySetCache<K> {
    fn default() -> Self {
        Self { sources: RefCell::default() }
    }
}

impl<K> KeySetCache<K> {
    fn held(&self, source: &KeySource) -> Option<Rc<KeySet<K>>> {
        self.sources.borrow().iter().find(|own| own.source == *source)?.set.clone()
    }

    fn hold(&self, source: &KeySource, set: Rc<KeySet<K>>) {
        self.with(source, |remembered| remembered.set = Some(set));
    }

    fn with<T>(&self, source: &KeySource, change: impl FnOnce(&mut Remembered<K>) -> T) -> T {
        let mut sources = self.sources.borrow_mut();
        let known = sources.iter().position(|own| own.source == *source);
        let mut remembered = match known {
            Some(index) => sources.swap_remove(index),
            None => Remembered {
                source: source.clone(),
                set: None,
                renewal_began_at: None,
                renewing: false,
                unanswered: false,
            },
        };
        if sources.len() >= MAXIMUM_SOURCES {
            // Only clients' sources can be this many. Reading them again is cheap beside the memory.
            sources.clear();
        }
        let result = change(&mut remembered);
        sources.push(remembered);
        result
    }

    /// Begins a renewal unless one began within the cool-down. `true` means: go on, and call [`Self::end`].
    fn begin(&self, source: &KeySource, now: UnixSeconds) -> bool {
        self.with(source, |remembered| {
            if remembered.renewal_began_at.is_some_and(|began| now.since(began) < COOL_DOWN_SECONDS) {
                return false;
            }
            remembered.renewal_began_at = Some(now);
            remembered.renewing = true;
            remembered.unanswered = true;
            true
        })
    }

    /// Seconds that are left of the cool-down.
    fn cool_down(&self, source: &KeySource, now: UnixSeconds) -> i64 {
        self.with(source, |remembered| {
            let left = |began| COOL_DOWN_SECONDS.saturating_sub(now.since(began));
            // A request that came in earlier may look later.
            remembered.renewal_began_at.map_or(0, |began| left(began).min(COOL_DOWN_SECONDS))
        })
    }

    fn end(&self, source: &KeySource, cool_down: bool, answered: bool) {
        self.with(source, |remembered| {
            remembered.renewing = false;
            remembered.unanswered = !answered;
            if !cool_down {
                remembered.renewal_began_at = None;
            }
        });
    }

    /// Whether the source, when it was asked last, has not answered, or not yet.
    fn is_unanswered(&self, source: &KeySource) -> bool {
        self.sources.borrow().iter().any(|remembered| remembered.source == *source && remembered.unanswered)
    }

    /// Whether some request is renewing this source right now.
    fn is_renewing(&self, source: &KeySource, now: UnixSeconds) -> bool {
        self.sources.borrow().iter().any(|remembered| {
            remembered.source == *source
                && remembered.renewing
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
    if let KeySource::Registered(text) = source {
        if let Some(set) = cache.held(source) {
            return Some(set);
        }
        let keys = jwk::parse_set(text.as_bytes()).ok()?;
        let set = Rc::new(KeySet::new(keys, now, MAXIMUM_TTL));
        cache.hold(source, Rc::clone(&set));
        return Some(set);
    }
    let held = cache.held(source);
    match held.as_ref().map(|set| set.age(now)) {
        Some(Age::Fresh) => return held,
        Some(Age::Ageing) => {
            renew_in_background(app, now, source);
            return held;
        }
        Some(Age::Expired | Age::TooOld) | None => {}
    }
    let set = renewed(app, now, source, Need::Valid, held.as_ref()).await.or_else(|| cache.held(source))?;
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
    let other = || cache.held(source).filter(|held| used.is_none_or(|used| !Rc::ptr_eq(used, held)));
    if let Some(set) = other() {
        return Some(set);
    }
    if cache.begin(source, now) {
        return renew(app, now, source, need).await;
    }
    let mut patience = PATIENCE_MILLISECONDS;
    while patience > 0 && cache.is_renewing(source, now) {
        app.platform.pause(PAUSE_MILLISECONDS).await;
        patience = patience.saturating_sub(PAUSE_MILLISECONDS);
    }
    other()
}

/// Renews beside the request, which does not wait for it.
fn renew_in_background<P: Platform>(app: &App<P>, now: UnixSeconds, source: &KeySource) {
    if app.isolate.key_sets.begin(source, now) {
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
    if let Some(set) = adopt_shared(app, now, source).await
        && set.answers(need, now)
    {
        // Nobody was asked, so the next unknown key may ask.
        cache.end(source, false, true);
        return Some(set);
    }
    let set = match fetch::fetch_set(app, source).await {
        Ok((keys, ttl)) => {
            let written: Vec<Json<'_>> = keys.iter().map(PublicJwk::written).collect();
            let text = object! { "fetched_at": now.0, "ttl": ttl, "keys": written }.write();
            let set = Rc::new(KeySet::new(keys, now, ttl));
            cache.hold(source, Rc::clone(&set));
            let (platform, key) = (app.platform.clone(), source.cache_key());
            Event::new(Act::KeySetFetched, now).with("source", source.label()).record(app);
            app.platform.defer(async move { platform.cache(&key, &text, STALE_SECONDS).await });
            Some(set)
        }
        Err(failure) => {
            Event::new(Act::KeySetUnreachable, now)
                .with("source", source.label())
                .because(failure.reason())
                .record(app);
            None
        }
    };
    cache.end(source, true, set.is_some());
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

/// Takes over what another isolate has put into KV, if it is newer than what this one holds.
async fn adopt_shared<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
) -> Option<Rc<KeySet<P::VerifyingKey>>> {
    let text = app.platform.cached(&source.cache_key()).await?;
    let shared = json::parse(text.as_bytes()).ok()?;
    // Another isolate's clock may be ahead a little, but no set lives longer for it.
    let fetched_at = UnixSeconds(shared.integer("fetched_at")?.min(now.0));
    let keys: Vec<_> = shared.array("keys")?.iter().filter_map(|entry| PublicJwk::read(entry).ok()).collect();
    let ttl = shared.integer("ttl")?.clamp(MINIMUM_TTL, MAXIMUM_TTL);
    let set = Rc::new(KeySet::new(keys, fetched_at, ttl));
    let is_newer = app.isolate.key_sets.held(source).is_none_or(|held| held.fetched_at < set.fetched_at);
    if set.keys.is_empty() || set.age(now) == Age::TooOld || !is_newer {
        return None;
    }
    app.isolate.key_sets.hold(source, Rc::clone(&set));
    Some(set)
}

/// The keys alone.
#[cfg(test)]
pub(crate) async fn find_key<P: Platform>(
    app: &App<P>,
    now: UnixSeconds,
    source: &KeySource,
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<P::VerifyingKey>, KeySetError> {
    find(app, now, source, key_id, algorithm).await.map(|(_, keys)| keys)
}

#[cfg(test)]
mod tests;
