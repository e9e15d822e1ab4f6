//! RWGI, the Rust Web Gateway Interface.
#![doc = "placeholder"]

mod application;
mod blocking;
mod connection;
mod environ;
mod error;
mod exchange;
mod fields;
mod head;
mod input;
mod server_info;
mod start_response;
pub mod testing;
mod writer;

pub use self::application::{Application, DynApplication, SharedApplication};
pub use self::blocking::{
    Blocking, BlockingApplication, BlockingBodyWriter, BlockingInput, BlockingStartResponse,
};
pub use self::connection::{Connection, Endpoint, Scheme, TlsInfo};
pub use self::environ::{Environ, EnvironBuilder, Forwarded, Variable};
pub use self::error::{BoxError, Error, Fault, Result};
pub use self::exchange::{Exchange, Outcome, OutcomeKind, ResponseBody};
pub use self::fields::{CONNECTION_FIELDS, IntoFields, IntoName, IntoValue, is_connection_field};
pub use self::head::{ReasonPhrase, ResponseHead};
pub use self::input::{BodyLength, Input};
pub use self::server_info::{BlockingExecutor, Capabilities, Departure, Limits, ServerInfo};
pub use self::start_response::{Finished, StartResponse};
pub use self::writer::BodyWriter;

/// The exchange's protocol as a table: what servers, lint and simulator agree on.
pub mod protocol {
    pub use crate::exchange::phase::{Event, Phase};
}
