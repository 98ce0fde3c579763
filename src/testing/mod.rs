//! A world for native tests: a platform whose clock, randomness, network, cache, queue and database stand still until
//! the test moves or breaks them.
//!
//! ```ignore
//! let world = FakePlatform::new();
//! let issuer = TestIssuer::new("idp");
//! issuer.publish_on(&world);
//! let app = app(&world);
//! let answer = block_on(verify_bearer(&app, world.now(), &issuer.mfa_token(&world, "alice")));
//! ```
#![expect(clippy::arithmetic_side_effects, reason = "tests may panic")]

pub(crate) mod configuration;
pub(crate) mod dice;
pub(crate) mod executor;
mod fuzz;
pub(crate) mod issuer;
pub(crate) mod keys;
mod model;
pub(crate) mod person;
pub(crate) mod platform;
mod rooms;
mod simulation;

pub(crate) use configuration::{Variables, app};
pub(crate) use executor::{block_on, join_all};
pub(crate) use issuer::TestIssuer;
pub(crate) use keys::TestKey;
