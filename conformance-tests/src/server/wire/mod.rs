//! A client that writes exactly the octets it is given, and a reader that repairs nothing.
//!
//! Rules of this room: no HTTP library; every wait has a deadline; everything that passes is on the transcript; a
//! deviation of the server's from the grammar is a failure with the octets that show it.

mod connection;
mod grammar;
mod http2;
mod message;
mod reader;
mod transcript;
mod websocket;

pub use self::connection::{Ending, Wire};
pub use self::http2::{Ended, Http2, Peer};
pub use self::message::{Framing, Head, Response};
pub use self::transcript::{Transcript, escape};
pub use self::websocket::{Frame, Socket, frame};
