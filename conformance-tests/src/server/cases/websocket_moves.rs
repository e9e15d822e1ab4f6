//! The usual moves of the cases of WebSocket.
//!
//! Rules of this room: a talk is a list of frames that are sent and a list of what comes back; it ends with a close in order, or with the
//! code that the server closes with. Where the server has to refuse, a plain message comes back first.

use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Head, Socket, escape, frame};

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    /// A frame: its first octet, its payload.
    Frame(u8, &'static [u8]),
    /// A frame whose payload is a pattern of this length.
    Fill(u8, usize),
    /// A frame of a pattern, in pieces of so many octets.
    Cut(u8, usize, usize),
    /// A frame that announces so many octets of payload, and only the first of them.
    Part(u8, u8, &'static [u8]),
    /// Octets as they are.
    Raw(&'static [u8]),
    /// So many frames of the same kind.
    Times(usize, u8, &'static [u8]),
    /// A compressed message of a pattern.
    Deflated(u8, usize),
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    /// A text message.
    Text(&'static str),
    /// A binary message.
    Binary(&'static [u8]),
    /// A message of this opcode that is a pattern of this length.
    Fill(u8, usize),
    /// A Pong.
    Pong(&'static [u8]),
    /// The server closes with this code.
    Closed(u16),
    /// The server says that it closes, with this code, and waits for the answer.
    Says(u16),
    /// The server closes with no code.
    ClosedPlainly,
}

pub(super) const ECHO: &str = "accept; ws-echo";
/// The octets of a first frame.
pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;

/// Letters for text messages, all octets for others.
fn pattern(opcode: u8, length: usize) -> Vec<u8> {
    // Noise that comes again after more than the smaller windows hold.
    let mut noise = 1_u32;
    let block: Vec<u8> = (0..3001)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .collect();
    let text = opcode & 0x0f == 1;
    let octets = (0..length).map(|at| block[at % block.len()]);
    octets.map(|octet| if text { b'a' + octet % 16 } else { octet }).collect()
}

pub(super) const KEY: &str = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(super) fn handshake(
    talk: &mut Talk<'_>,
    script: &str,
    fields: &str,
) -> Held<(crate::server::wire::Wire, Head)> {
    let mut wire = talk.connect()?;
    wire.send(&format!(
        "GET / HTTP/1.1\r\nHost: {{host}}\r\nX-Tag: {{tag}}\r\nX-Play: {script}\r\n{fields}\r\n"
    ))?;
    let head = wire.any_head("GET")?;
    Ok((wire, head))
}

/// A WebSocket whose application performs a script.
pub(super) fn open(talk: &mut Talk<'_>, script: &str, fields: &str) -> Held<Socket> {
    let (wire, head) = handshake(talk, script, &format!("{KEY}{fields}"))?;
    check(head.status == 101, "status 101", format!("status {}", head.status)).of("REQ-WS-02")?;
    head.field("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").of("REQ-WS-02")?;
    Ok(Socket::new(wire, head))
}

pub(super) fn send(socket: &mut Socket, sent: &[Sent]) -> Held {
    for sent in sent {
        match *sent {
            Sent::Frame(first, payload) => socket.send(&frame(first, payload))?,
            Sent::Fill(first, length) => socket.send(&frame(first, &pattern(first, length)))?,
            Sent::Cut(first, length, piece) => {
                for piece in frame(first, &pattern(first, length)).chunks(piece) {
                    socket.send(piece)?;
                }
            }
            Sent::Part(first, length, payload) => {
                let mut octets = frame(first, payload);
                octets[1] = 0x80 | length;
                socket.send(&octets)?;
            }
            Sent::Raw(octets) => socket.send(octets)?,
            Sent::Times(count, first, payload) => {
                let octets = frame(first, payload).repeat(count);
                socket.send(&octets)?;
            }
            Sent::Deflated(first, length) => {
                let payload = socket.deflate(&pattern(first, length));
                socket.send(&frame(first | 0x40, &payload))?;
            }
        }
    }
    Ok(())
}

pub(super) fn shown(first: u8, payload: &[u8]) -> String {
    let cut = payload.len().min(60);
    format!("{first:#04x} with {} octets \"{}\"", payload.len(), escape(&payload[..cut]))
}

pub(super) fn receive(socket: &mut Socket, came: &[Came]) -> Held {
    let data = |socket: &mut Socket, first: u8, payload: &[u8]| {
        let found = socket.message()?;
        check(
            (found.first, &found.payload[..]) == (first, payload),
            shown(first, payload),
            shown(found.first, &found.payload),
        )
    };
    for came in came {
        match *came {
            Came::Text(text) => data(socket, TEXT, text.as_bytes())?,
            Came::Binary(octets) => data(socket, BINARY, octets)?,
            Came::Fill(first, length) => data(socket, first, &pattern(first, length))?,
            Came::Pong(payload) => data(socket, PONG, payload)?,
            Came::ClosedPlainly => {
                data(socket, CLOSE, b"")?;
                socket.ended()?;
            }
            Came::Closed(code) | Came::Says(code) => {
                let found = socket.message()?;
                let said = found.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                check(
                    found.first == CLOSE && said == Some(code),
                    format!("a Close frame with {code}"),
                    shown(found.first, &found.payload),
                )?;
                if matches!(came, Came::Says(_)) {
                    socket.send(&frame(CLOSE, &code.to_be_bytes()))?;
                }
                socket.ended()?;
            }
        }
    }
    Ok(())
}

/// Sends, receives, and closes where that has not happened yet.
pub(super) fn converse(talk: &mut Talk<'_>, script: &str, sent: &[Sent], came: &[Came]) -> Held {
    let mut socket = open(talk, script, "")?;
    let closes = matches!(came.last(), Some(Came::Closed(_) | Came::ClosedPlainly | Came::Says(_)));
    if closes && script == ECHO {
        send(&mut socket, &[Sent::Frame(TEXT, b"control")])?;
        receive(&mut socket, &[Came::Text("control")]).control()?;
    }
    send(&mut socket, sent)?;
    receive(&mut socket, came)?;
    if !closes {
        send(&mut socket, &[Sent::Frame(CLOSE, b"\x03\xe8")])?;
        receive(&mut socket, &[Came::Closed(1000)])?;
    }
    Ok(())
}

/// A case that is a conversation with an application that echoes.
macro_rules! ws {
    ($id:expr, $title:expr, $requirement:literal, [$($sent:expr),* $(,)?], [$($came:expr),* $(,)?], $summary:literal, $flaw:ident) => {
        ws!($id, $title, $requirement, $crate::server::cases::websocket_moves::ECHO, [$($sent),*], [$($came),*], $summary, $flaw)
    };
    ($id:expr, $title:expr, $requirement:literal, $script:expr, [$($sent:expr),*], [$($came:expr),*], $summary:literal, $flaw:ident) => {
        $crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &[$requirement],
            needs: $crate::server::case::Need::Capability("websocket"),
            talk: |talk| {
                $crate::server::cases::websocket_moves::converse(talk, $script, &[$($sent),*], &[$($came),*])
            },
            violation: $crate::honest::Violation::switch(
                $summary,
                $crate::honest::Switch::WebSocket($crate::honest::WebSocketFlaw::$flaw),
            ),
        }
    };
}
pub(super) use ws;
