//! Fuzz targets of the server as a whole; those of its quiet rooms stand in them (`fuzz_` under `--lib`).
//!
//! `cargo test -p rwgi-server --test fuzz` runs each target on its corpus and on random octets for a short while; `just fuzz 2000000 fuzz_octets`
//! goes on as long as it is told. The rules are those of the contract's targets (`gateway-trait/tests/fuzz`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../support/mod.rs"]
mod support;

mod connection;
mod frames;
