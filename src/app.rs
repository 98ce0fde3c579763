//! What a request can reach: the outside world, the configuration, and what this isolate remembers.

use std::cell::RefCell;
use std::rc::Rc;

use crate::audit::Exports;
use crate::config::Config;
use crate::delivery::breaker::Breakers;
use crate::platform::Platform;
use crate::storage::clients::ClientCache;
use crate::trust::key_sets::KeySetCache;

/// Handed to every endpoint. A handle: cheap to clone into deferred work.
#[derive(Clone)]
pub struct App<P: Platform> {
    /// The outside world.
    pub platform: P,
    /// The operator's settings.
    pub config: Rc<Config>,
    /// What earlier requests of this isolate left.
    pub isolate: Rc<Isolate<P>>,
}

/// An isolate's memory. Only ever an optimisation: it may vanish between two requests, and another isolate has its
/// own. No borrow is held across an await.
pub struct Isolate<P: Platform> {
    /// Imported keys of trusted issuers and of clients with `private_key_jwt`.
    pub key_sets: KeySetCache<P::VerifyingKey>,
    /// Client rows, for 60 seconds each.
    pub clients: ClientCache,
    /// Which providers have failed lately.
    pub breakers: Breakers,
    /// How many events have gone to the queue.
    pub exports: Exports,
    /// The imported private key that signs own tokens.
    pub signing_key: RefCell<Option<P::SigningKey>>,
}

impl<P: Platform> Default for Isolate<P> {
    fn default() -> Self {
        Self {
            key_sets: KeySetCache::default(),
            clients: ClientCache::default(),
            breakers: Breakers::default(),
            exports: Exports::default(),
            signing_key: RefCell::new(None),
        }
    }
}
