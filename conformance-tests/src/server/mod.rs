//! The suite for servers.
//!
//! A server author implements [`ServerUnderTest`] and calls [`main`] from a test without the usual harness:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! Every case is then a test by its name: `cargo test --test conformance -- host` runs those about Host, `-- --list` lists them. The suite's
//! application is hosted by the server, the suite is a client on raw sockets, and a failure says what was sent, what was expected by
//! which requirement, and what came.

pub mod application;
mod case;
pub mod cases;
mod failure;
mod harness;
mod run;
mod subject;
mod talk;
pub mod vectors;
pub mod wire;

pub use self::case::{Case, Need};
pub use self::failure::{Failure, Held, Of, check};
pub use self::harness::{Suite, main};
pub use self::run::{Judged, NullScore, Verdict, judge, judge_vector, null_score};
pub use self::subject::{RunningServer, ServerUnderTest, Subject, prepare};
pub use self::talk::{Event, Talk, get, message};
