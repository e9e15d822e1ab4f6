//! WebSockets as dwebsocket's users know them: a socket with its vocabulary for blocking applications, the gates that let WebSockets pass
//! or not, and the check of where they come from.
//!
//! Rules of this room: all of it stands on the contract, so that framing, text and limits are the server's; what dwebsocket does badly
//! (answers after the close, `None` at the end of the iteration, 500 for an incomplete handshake) is not done.

mod gate;
mod origin;
mod socket;

pub use self::gate::WebSocketGate;
pub use self::origin::OriginValidator;
pub use self::socket::{BlockingWebSocket, IsWebSocket};
