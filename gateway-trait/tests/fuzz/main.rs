//! Fuzz targets of the contract: octets from anywhere against what must hold.
//!
//! `cargo test -p rwgi --test fuzz` runs each target on its corpus and on random octets for a short while; `just fuzz` goes on as long
//! as it is told, and keeps the figures. Rules of this room: a target is a test whose name begins with `fuzz_`, and takes octets that mean the same in
//! every version, so that its corpus (`__fuzz__/<module>__<name>/corpus`, small files with names that say what is in them) lasts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../common/mod.rs"]
mod common;
mod exchange;
mod hands;
mod model;
mod tunnel;
