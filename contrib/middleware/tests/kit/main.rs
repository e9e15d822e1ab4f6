//! The kit, piece by piece: what each middleware does for whom, by the in-memory client.
//!
//! Rules of this room: one file for each middleware that has more to it than its own documentation shows.

mod common;
mod compression;
mod conditional;
mod errors;
mod hosts;
mod jsonp;
mod limits;
mod routing;
mod security;
mod stream;
