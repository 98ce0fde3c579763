//! Trust: whose tokens count, whose keys they are checked with, who a client is, and what this server signs itself.

pub mod bearer;
pub mod client_authentication;
pub mod dpop;
pub mod http_url;
pub mod issuer;
pub mod jwk;
pub mod jwt;
pub mod key_sets;
pub mod own_tokens;
pub mod signing_keys;
pub mod subject_token;

#[cfg(test)]
mod vectors;
