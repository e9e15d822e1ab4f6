//! A client of HTTP/2 with prior knowledge: any frame out, a strict reader in.
//!
//! Rules of this room: nothing is sent that a case did not ask for but the acknowledgement of settings and pings, and windows where the
//! case leaves them to the client; every frame is checked when it comes, whoever waits for it; frames stand on the transcript in words.

mod connection;
mod judge;
mod shown;
mod stream;
mod waits;

pub use self::connection::{Http2, Peer};
pub use self::stream::Ended;
