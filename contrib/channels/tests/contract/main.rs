//! The contract of a channel layer, on every backend: each semantic is a test of its own, and both have to hold it.
//!
//! Rules of this room: Redis is the real server, started on a socket in a folder of its own by [`redis_server`]; where it is not installed
//! its tests say so and pass, unless `RWGI_REQUIRE_REDIS` is set. Nothing sleeps: what has expired is made with an expiry of nothing, and what
//! has to come is waited for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod addresses;
mod backend;
mod crypt;
mod faults;
mod processes;
#[path = "../redis_server/mod.rs"]
mod redis_server;
mod semantics;
mod sentinel;
