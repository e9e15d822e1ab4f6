//! Middleware for RWGI.

mod client;
mod cors;
mod failure;
mod settings;
mod through;
mod vary;

pub use self::client::{Client, Request, Response};
pub use self::cors::{Cors, DEFAULT_ALLOW_HEADERS, DEFAULT_ALLOW_METHODS, Verdict};
pub use self::settings::{Problem, Problems, Settings, Value};
