//! Frames in words, for the transcript.
//!
//! Rules of this room: a person reads it; field sections are shown as fields, content as escaped octets.

use crate::http2::{Frame, flag, kind, number, read_settings};
use crate::server::wire::escape;

const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

/// The name of a frame's type.
pub(super) fn name(kind: u8) -> String {
    KINDS.get(usize::from(kind)).map_or_else(|| format!("type {kind:#x}"), |name| (*name).into())
}

/// The name of an error code.
pub(super) fn code(code: u32) -> String {
    const CODES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let known = usize::try_from(code).ok().and_then(|code| CODES.get(code));
    known.map_or_else(|| format!("code {code}"), |name| (*name).to_owned())
}

/// A frame as one line; a field section has lines of its own.
pub(super) fn frame(frame: &Frame) -> String {
    let mut line = name(frame.kind);
    if frame.stream > 0 {
        line.push_str(&format!(" stream {}", frame.stream));
    }
    let acknowledges = matches!(frame.kind, kind::SETTINGS | kind::PING) && frame.has(flag::ACK);
    let ends = matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM);
    for (set, name) in [(acknowledges, " ACK"), (ends, " END_STREAM")] {
        line.push_str(if set { name } else { "" });
    }
    let opens = matches!(frame.kind, kind::HEADERS | kind::CONTINUATION);
    if opens && !frame.has(flag::END_HEADERS) {
        line.push_str(" without END_HEADERS");
    }
    match frame.kind {
        kind::DATA => {
            let shown = escape(&frame.payload[..frame.payload.len().min(80)]);
            line.push_str(&format!(" {} octets \"{shown}\"", frame.payload.len()));
        }
        kind::RST_STREAM => line.push_str(&format!(" {}", code(number(&frame.payload)))),
        kind::WINDOW_UPDATE => line.push_str(&format!(" {}", number(&frame.payload))),
        kind::GOAWAY if frame.payload.len() >= 8 => {
            let (last, why) = (number(&frame.payload), number(&frame.payload[4..]));
            line.push_str(&format!(" last stream {last} {}", code(why)));
        }
        kind::SETTINGS => {
            for (name, value) in read_settings(&frame.payload) {
                line.push_str(&format!(" {name}={value}"));
            }
        }
        _ => {}
    }
    line.push('\n');
    line
}

/// The lines of a field section.
pub(super) fn fields(fields: &[(Vec<u8>, Vec<u8>)]) -> String {
    fields.iter().map(|(name, value)| format!("  {}: {}\n", escape(name), escape(value))).collect()
}
