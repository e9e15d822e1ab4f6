//! The judge of RWGI: whether a server, or an application, keeps the contract.
//!
//! ```
//! use http::StatusCode;
//! use rwgi::{Environ, Finished, StartResponse};
//!
//! async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
//!     start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
//! }
//!
//! // In a test: a catalogue of requests and clients, and a departure at each await. What is found names the requirement.
//! rwgi_conformance::assert_conforms(hello);
//! ```
//!
//! - [`server`] is the suite for servers: a raw client, a strict reader, the application that the suite mounts, and
//!   the cases, one file for each chapter of the specification.
//! - [`honest`] is a small blocking server that keeps the contract, and breaks one rule of it on request: the
//!   specimen on which every case is shown to be able to say no.
//! - [`lint`] stands between a server and an application and judges both while they run; [`mod@simulate`] drives an
//!   application, or middleware, through a catalogue of requests with no socket and no clock; [`oracle`] is the table
//!   of phases that both follow.
//! - [`requirements`] is the specification as a table.
//!
//! A server author writes three lines; see [`server::main`]. An application's author
//! writes one, in a test: [`simulate::assert_conforms`].

pub mod honest;
mod http2;
pub mod lint;
pub mod oracle;
pub mod requirements;
pub mod server;
pub mod simulate;

pub use self::lint::Lint;
pub use self::simulate::{assert_conforms, assert_middleware_conforms, simulate};

/// Every lint rule and simulator scenario, with the requirements that it upholds.
pub(crate) fn rules() -> Vec<(&'static str, Vec<&'static str>)> {
    let rules = lint::rules().iter().map(|rule| (rule.slug, rule.requirements));
    let scenarios =
        simulate::scenarios().iter().map(|scenario| (scenario.slug, scenario.requirements));
    rules.chain(scenarios).map(|(slug, ids)| (slug, ids.to_vec())).collect()
}
