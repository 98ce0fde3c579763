//! The edge of HTTP: what comes in, what goes out, and the one table of wire errors. Where a request goes is said in
//! [`routes`](crate::routes).

pub mod cors;
pub mod crossing;
pub mod errors;
pub mod parameters;
pub mod request;
pub mod response;
pub mod route;
