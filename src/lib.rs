//! Countersign: multi-factor authentication for any identity provider, at the edge, through the API that Auth0's SDKs
//! already speak.
//!
//! One Cloudflare Worker. [`workers`] receives Cloudflare's events and hands them on:
//!
//! | event | goes to |
//! | --- | --- |
//! | request | [`routes`], and from there to one file in [`endpoints`] |
//! | queue | [`delivery::consumer`] |
//! | cron | [`storage::sweep`] |
//!
//! A request goes one way: [`routes`] → [`endpoints`] → [`mfa`] (the rules, pure), [`trust`] (tokens, keys, clients),
//! [`storage`] (every statement), [`delivery`]; none of these knows of an endpoint. What happens in them is told by
//! [`audit`]. They reach the world, the configuration and what the isolate remembers through [`app::App`], and none of
//! them knows of Workers: what they need of the world is [`platform::Platform`]. What must be atomic is one guarded
//! statement or one batch in D1; see [`storage::statements`].

pub mod algorithm;
pub mod app;
pub mod audit;
pub mod base64url;
pub mod config;
pub mod delivery;
#[cfg(feature = "development")]
pub mod development;
pub mod endpoints;
pub mod http;
pub mod json;
pub mod mfa;
pub mod platform;
pub mod routes;
mod scan;
pub mod storage;
pub mod trust;
pub mod types;

#[cfg(test)]
mod testing;
#[cfg(target_arch = "wasm32")]
mod workers;
