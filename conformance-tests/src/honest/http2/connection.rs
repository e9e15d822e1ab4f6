//! The reading side of a connection: frames to what the streams see.
//!
//! Rules of this room: only this thread reads; a frame that breaks the connection's rules ends it with GOAWAY, one that breaks its
//! stream's resets that; it never waits for an application.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rwgi::Connection;
use socket2::SockRef;

use super::flaw::Http2Flaw;
use super::hub::Hub;
use crate::honest::listener::Server;
use crate::http2::{
    FRAME_SIZE, Frame, MOST_WINDOW, PREFACE, code, flag, hpack, kind, number, read_settings,
    setting, settings,
};

/// The limit on streams that the server announces; RFC 9113 advises not to go below this.
pub(super) const MOST_STREAMS: u32 = 100;
/// The largest field block, before it is decoded.
const LARGEST_BLOCK: usize = 256 * 1024;

/// What ends a connection: an error code.
pub(super) struct Broken(pub(super) u32);

pub(super) struct Reader {
    pub(super) hub: Arc<Hub>,
    stream: TcpStream,
    buffer: Vec<u8>,
    decoder: hpack::Decoder,
    /// A field section that has not ended: its stream, its flags, its octets.
    open_block: Option<(u32, u8, Vec<u8>)>,
    last: u32,
    pub(super) leaving: bool,
    greeted: bool,
}

/// Serves a connection that began with the preface, which stands at the front of `buffer`.
pub(in crate::honest) fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    facts: Arc<Connection>,
    mut buffer: Vec<u8>,
) {
    let Ok(writer) = stream.try_clone() else { return };
    buffer.drain(..PREFACE.len().min(buffer.len()));
    let mut reader = Reader {
        hub: Arc::new(Hub::new(server, facts, writer)),
        stream,
        buffer,
        decoder: hpack::Decoder::default(),
        open_block: None,
        last: 0,
        leaving: false,
        greeted: false,
    };
    reader.greet();
    let ended = reader.run();
    if let Err(Broken(code)) = &ended {
        reader.hub.goaway(reader.last, *code);
    }
    reader.hub.lose();
    reader.hub.wait_for_streams(Duration::from_secs(5));
    reader.close();
}

impl Reader {
    pub(super) fn off(&self, flaw: Http2Flaw) -> bool {
        self.hub.off(flaw)
    }

    fn greet(&self) {
        let list = super::super::limits().head_bytes.unwrap_or(usize::MAX);
        let list = u32::try_from(list).unwrap_or(u32::MAX);
        let mut values = vec![(setting::MAX_HEADER_LIST_SIZE, list)];
        if !self.off(Http2Flaw::NoStreamLimit) {
            values.push((setting::MAX_CONCURRENT_STREAMS, MOST_STREAMS));
        }
        if self.hub.takes_connect() && !self.off(Http2Flaw::NoConnectProtocol) {
            values.push((setting::ENABLE_CONNECT_PROTOCOL, 1));
        }
        let _ = self.hub.send(&[Frame::new(kind::SETTINGS, 0, 0, settings(&values))]);
    }

    fn run(&mut self) -> Result<(), Broken> {
        let mut finished = false;
        loop {
            while let Some(frame) = Frame::take(&mut self.buffer) {
                self.frame(&frame)?;
            }
            if Frame::declared(&self.buffer).is_some_and(|length| length > FRAME_SIZE) {
                return Err(Broken(code::FRAME_SIZE_ERROR));
            }
            let (idle, gone) = {
                let state = self.hub.lock();
                (state.streams.is_empty(), state.gone)
            };
            if gone || self.hub.is_abandoned() || finished && idle {
                return Ok(());
            }
            if self.hub.server.is_stopping() && !self.leave(idle) {
                return Ok(());
            }
            if finished {
                self.hub.wait_for_streams(Duration::from_millis(10));
                continue;
            }
            finished = !self.read()?;
            if finished {
                self.hub.change(|state| {
                    for stream in state.streams.values_mut().filter(|stream| !stream.ended) {
                        stream.broken = Some("the client has closed its side");
                        stream.wake();
                    }
                });
            }
        }
    }

    /// Reads once, for a moment; whether the client may send more.
    fn read(&mut self) -> Result<bool, Broken> {
        let mut chunk = [0; 16 * 1024];
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(10)));
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(true),
                _ => {
                    self.hub.lose();
                    Ok(false)
                }
            },
        }
    }

    /// The server is told to stop: says so once; whether the connection goes on.
    fn leave(&mut self, idle: bool) -> bool {
        if self.off(Http2Flaw::GoawayCuts) {
            self.hub.goaway(self.last, code::NO_ERROR);
            return false;
        }
        if !self.leaving && !self.off(Http2Flaw::NoGoaway) {
            self.hub.goaway(self.last, code::NO_ERROR);
        }
        self.leaving = true;
        !idle
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Broken> {
        let protocol = Err(Broken(code::PROTOCOL_ERROR));
        let continues = frame.kind == kind::CONTINUATION
            && self.open_block.as_ref().is_some_and(|(id, ..)| *id == frame.stream);
        if self.open_block.is_some() && !continues || !self.greeted && frame.kind != kind::SETTINGS
        {
            return protocol;
        }
        let of_connection = matches!(frame.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        let of_either = frame.kind == kind::WINDOW_UPDATE || frame.kind > kind::CONTINUATION;
        if !of_either && of_connection != (frame.stream == 0) {
            return protocol;
        }
        match frame.kind {
            kind::DATA => self.data(frame),
            kind::HEADERS => {
                let block = frame.content().ok_or(Broken(code::PROTOCOL_ERROR))?.to_vec();
                self.block(frame.stream, frame.flags, frame.has(flag::END_HEADERS), block)
            }
            kind::CONTINUATION => {
                let Some((id, flags, mut block)) = self.open_block.take() else { return protocol };
                block.extend_from_slice(&frame.payload);
                self.block(id, flags, frame.has(flag::END_HEADERS), block)
            }
            kind::RST_STREAM => self.reset(frame),
            kind::SETTINGS => self.settings(frame),
            kind::PING if frame.payload.len() != 8 => Err(Broken(code::FRAME_SIZE_ERROR)),
            kind::PING if !frame.has(flag::ACK) => {
                let answer = Frame::new(kind::PING, flag::ACK, 0, &frame.payload[..]);
                let _ = self.hub.send(&[answer]);
                Ok(())
            }
            kind::WINDOW_UPDATE => self.window(frame),
            kind::PUSH_PROMISE => protocol,
            _ => Ok(()),
        }
    }

    fn settings(&mut self, frame: &Frame) -> Result<(), Broken> {
        self.greeted = true;
        if frame.has(flag::ACK) {
            return Ok(());
        }
        if !frame.payload.len().is_multiple_of(6) {
            return Err(Broken(code::FRAME_SIZE_ERROR));
        }
        for (name, value) in read_settings(&frame.payload) {
            match name {
                setting::INITIAL_WINDOW_SIZE => {
                    let value = i64::from(value);
                    if value > MOST_WINDOW {
                        return Err(Broken(code::FLOW_CONTROL_ERROR));
                    }
                    let for_all = !self.off(Http2Flaw::SettingsForNewStreams);
                    self.hub.change(|state| {
                        let more = value - std::mem::replace(&mut state.initial_window, value);
                        for stream in state.streams.values_mut().filter(|_| for_all) {
                            stream.window += more;
                        }
                    });
                }
                setting::MAX_FRAME_SIZE => {
                    let size = usize::try_from(value).unwrap_or(FRAME_SIZE);
                    self.hub.change(|state| state.frame_size = size.clamp(FRAME_SIZE, 1 << 16));
                }
                _ => {}
            }
        }
        let _ = self.hub.send(&[Frame::new(kind::SETTINGS, flag::ACK, 0, [])]);
        Ok(())
    }

    fn window(&self, frame: &Frame) -> Result<(), Broken> {
        if frame.payload.len() != 4 {
            return Err(Broken(code::FRAME_SIZE_ERROR));
        }
        let more = i64::from(number(&frame.payload) & 0x7fff_ffff);
        let id = frame.stream;
        let over = self.hub.change(|state| {
            let window = match id {
                0 => Some(&mut state.window),
                _ => state.streams.get_mut(&id).map(|stream| &mut stream.window),
            };
            window.is_some_and(|window| {
                *window += more;
                *window > MOST_WINDOW
            })
        });
        match (id, over || more == 0) {
            (0, true) if over => Err(Broken(code::FLOW_CONTROL_ERROR)),
            (0, true) => Err(Broken(code::PROTOCOL_ERROR)),
            (_, true) => {
                self.stream_error(id, code::FLOW_CONTROL_ERROR);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn stream_error(&self, id: u32, code: u32) {
        self.hub.reset(id, code);
        self.hub.change(|state| {
            if let Some(stream) = state.streams.get_mut(&id) {
                stream.reset = true;
                stream.wake();
            }
        });
    }

    fn reset(&self, frame: &Frame) -> Result<(), Broken> {
        if frame.payload.len() != 4 {
            return Err(Broken(code::FRAME_SIZE_ERROR));
        }
        if frame.stream > self.last {
            return Err(Broken(code::PROTOCOL_ERROR));
        }
        let all = self.off(Http2Flaw::ResetCancelsAll);
        self.hub.change(|state| {
            for (id, stream) in &mut state.streams {
                if *id == frame.stream || all {
                    stream.reset = true;
                    stream.broken = Some("the client has reset the stream");
                    stream.wake();
                }
            }
        });
        Ok(())
    }

    fn data(&self, frame: &Frame) -> Result<(), Broken> {
        if frame.stream > self.last {
            return Err(Broken(code::PROTOCOL_ERROR));
        }
        let content = frame.content().ok_or(Broken(code::PROTOCOL_ERROR))?;
        let size = frame.payload.len();
        // The connection's window is no stream's demand: else one that does not read would hold up the others.
        self.hub.grant(0, size);
        let any_length = self.off(Http2Flaw::AnyLength);
        let wrong = self.hub.change(|state| {
            let stream = state.streams.get_mut(&frame.stream)?;
            if stream.ended {
                return Some(code::STREAM_CLOSED);
            }
            stream.granted -= i64::try_from(size).unwrap_or(i64::MAX);
            if stream.granted < 0 {
                return Some(code::FLOW_CONTROL_ERROR);
            }
            if let Some(left) = &mut stream.left {
                match left.checked_sub(content.len() as u64) {
                    Some(rest) => *left = rest,
                    None => stream.broken = Some("more content than the declared length"),
                }
            }
            if !content.is_empty() && stream.broken.is_none() {
                stream.arrived.push_back(Bytes::copy_from_slice(content));
            }
            if frame.has(flag::END_STREAM) {
                stream.end(any_length);
            }
            stream.wake();
            None
        });
        if let Some(code) = wrong {
            self.stream_error(frame.stream, code);
        } else if size > content.len() {
            self.hub.grant(frame.stream, size - content.len());
        }
        Ok(())
    }

    fn block(&mut self, id: u32, flags: u8, ended: bool, block: Vec<u8>) -> Result<(), Broken> {
        if !ended {
            if block.len() > LARGEST_BLOCK {
                return Err(Broken(code::PROTOCOL_ERROR));
            }
            self.open_block = Some((id, flags, block));
            return Ok(());
        }
        let fields = self.decoder.decode(&block).map_err(|_| Broken(code::COMPRESSION_ERROR))?;
        let end = flags & flag::END_STREAM != 0;
        if id.is_multiple_of(2) {
            return Err(Broken(code::PROTOCOL_ERROR));
        }
        if id <= self.last {
            self.trailers(id, &fields, end);
            return Ok(());
        }
        self.last = id;
        self.open(id, &fields, end)
    }

    /// Ends the connection so that what was sent arrives.
    fn close(mut self) {
        if self.hub.is_abandoned() {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            return;
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && !self.hub.is_abandoned() {
            self.buffer.clear();
            if !matches!(self.read(), Ok(true)) {
                return;
            }
        }
    }
}
