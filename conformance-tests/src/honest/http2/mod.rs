//! HTTP/2 with prior knowledge, for `honest`: one thread that reads a connection, and one for each stream.
//!
//! Rules of this room: as those of the server around it: std alone, blocking, clarity before speed. RFC 9113 is kept without options: no
//! push, no priorities, no compression of what is sent.

mod body;
mod connection;
mod flaw;
mod hub;
mod line;
mod opening;
mod request;
mod stream;

pub(super) use self::connection::serve;
pub use self::flaw::Http2Flaw;
