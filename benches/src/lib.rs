//! The scales of RWGI: what peers and tools have in common.
//!
//! Rules of this crate: a peer is as small and as well tuned as we can make it; every contestant answers the same
//! routes with the same bytes and gets the same hyper settings where it is built on hyper; a figure is written by a tool, never by hand.

pub mod application;
pub mod callgrind;
pub mod client;
pub mod contestant;
mod http1;
mod http2;
pub mod hyper_settings;
pub mod load;
pub mod plot;
pub mod process;
pub mod report;
pub mod response;
pub mod routes;
pub mod serve;
pub mod sockets;
pub mod statistics;

/// The result of everything here: a tool prints the error and ends.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
