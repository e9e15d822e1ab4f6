//! The judge of RWGI: whether a server, or an application, keeps the contract.
//!
//! - [`server`] is the suite for servers: a raw client, a strict reader, the application that the suite mounts, and
//!   the cases, one file for each chapter of the specification.
//! - [`honest`] is a small blocking server that keeps the contract, and breaks one rule of it on request: the
//!   specimen on which every case is shown to be able to say no.
//! - [`requirements`] is the specification as a table.
//!
//! A server author writes three lines; see [`server::main`].

pub mod honest;
pub mod requirements;
pub mod server;

/// Every lint rule and simulator scenario, with the requirements that it upholds.
pub(crate) fn rules() -> Vec<(&'static str, Vec<&'static str>)> {
    Vec::new()
}
