//! Content that is here before Python sees it.
//!
//! Rules of this room: no thread of Python waits here; little is kept in memory and the rest in a file without a name; the limit is that of
//! the request's input, and beyond it the client is told 413.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_channel::oneshot;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use rwgi::{BlockingExecutor, BodyLength, Environ, Error, Input, Result};

use crate::input::Source;

/// What is kept in memory of content that is collected; the rest goes to a file.
///
/// 1 MiB: forms and JSON fit, and a thousand uploads at once are a gigabyte.
const IN_MEMORY: usize = 1024 * 1024;

/// Content up to this length is awaited before a thread is taken, whatever else is awaited: most forms.
///
/// 64 KiB, what a socket delivers in one or two reads.
const SMALL: u64 = 64 * 1024;

/// Content up to this length is awaited before a thread is taken, as long as there is [room](ROOM): a slow client holds no thread, and a thread
/// that reads need not be woken for each piece.
///
/// 1 MiB, as for what is collected.
const AWAITED: u64 = IN_MEMORY as u64;

/// How many bytes are awaited at once, besides small contents; beyond it threads read what comes by themselves.
///
/// 64 MiB: 64 uploads of the largest that are awaited, and nothing that a server would notice.
const ROOM: u64 = 64 * 1024 * 1024;

/// Pieces below this size are copied together: a piece keeps the buffer alive into which it was read, of 64 KiB at most.
const PIECE: usize = 16 * 1024;

/// Content in memory, in the pieces in which it came.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

/// Room for content that is awaited, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

/// How much is awaited now.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

impl Room {
    fn take(self: &Arc<Self>, bytes: u64) -> Option<Taken> {
        let taken = Taken { room: Arc::clone(self), bytes };
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        // What was too much is given back by the drop.
        (before + bytes <= ROOM).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < PIECE {
            self.small.extend_from_slice(&piece);
            return;
        }
        self.join_small();
        self.pieces.push(piece);
    }

    fn join_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    /// The pieces, in the order in which they came; the room is given back with them.
    fn into_source(mut self, taken: Option<Taken>) -> Source {
        self.join_small();
        Source::Here { pieces: self.pieces.into_iter(), _taken: taken }
    }
}

/// Takes the content out of the environ, in a form that Python can read at its own pace.
///
/// Content of unknown length (chunked, some of HTTP/2) is collected where `whole` asks for it, and gets a Content-Length: applications
/// that look at nothing else, Django among them, take a request without one for empty.
pub(crate) async fn content(
    environ: &mut Environ,
    whole: bool,
    room: &Arc<Room>,
) -> Result<Source> {
    let input = environ.take_input();
    match input.length() {
        BodyLength::Empty => Ok(Source::Ended),
        BodyLength::Unknown if whole => collect(environ, input).await,
        BodyLength::Unknown => Ok(Source::Live(input)),
        BodyLength::Exact(length) => {
            declare(environ, length);
            // Reading is what tells the client to continue, and that is the application's to decide.
            if length > AWAITED || environ.headers().contains_key(EXPECT) {
                return Ok(Source::Live(input));
            }
            if length <= SMALL {
                return awaited(input, None).await;
            }
            match room.take(length) {
                Some(taken) => awaited(input, Some(taken)).await,
                None => Ok(Source::Live(input)),
            }
        }
    }
}

async fn awaited(mut input: Input, taken: Option<Taken>) -> Result<Source> {
    let mut pieces = Pieces::default();
    while let Some(piece) = input.chunk().await? {
        pieces.push(piece);
    }
    Ok(pieces.into_source(taken))
}

/// The variable CONTENT_LENGTH is made from the field, now that the content is no longer there.
fn declare(environ: &mut Environ, length: u64) {
    environ.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
}

async fn collect(environ: &mut Environ, mut input: Input) -> Result<Source> {
    // Decoded it is no transfer coding any more, and no application shall decode it again.
    environ.headers_mut().remove(TRANSFER_ENCODING);
    let mut pieces = Pieces::default();
    while let Some(piece) = input.chunk().await? {
        pieces.push(piece);
        if pieces.length > IN_MEMORY {
            let (file, length) = spool(environ, pieces, input).await?;
            declare(environ, length);
            return Ok(Source::File(file));
        }
    }
    declare(environ, pieces.length as u64);
    Ok(pieces.into_source(None))
}

async fn spool(environ: &Environ, mut start: Pieces, mut input: Input) -> Result<(File, u64)> {
    let blocking = environ.server().blocking.clone();
    let mut length = start.length as u64;
    start.join_small();
    let mut file = off_thread(blocking.clone(), move || {
        let mut file = tempfile::tempfile()?;
        start.pieces.iter().try_for_each(|piece| file.write_all(piece)).map(|()| file)
    })
    .await?;
    while let Some(chunk) = input.chunk().await? {
        length += chunk.len() as u64;
        file = off_thread(blocking.clone(), move || file.write_all(&chunk).map(|()| file)).await?;
    }
    let file = off_thread(blocking, move || file.rewind().map(|()| file)).await?;
    Ok((file, length))
}

/// Runs something that may wait for a disk where that is allowed.
pub(crate) async fn off_thread<T: Send + 'static>(
    blocking: Option<Arc<dyn BlockingExecutor>>,
    job: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let failed = |error| {
        Error::server("a temporary file for the request's content failed").with_source(error)
    };
    // A server without such threads is a test's or a small one.
    let Some(blocking) = blocking else { return job().map_err(failed) };
    let (sender, receiver) = oneshot::channel();
    blocking.execute(Box::new(move || drop(sender.send(job()))))?;
    let result = receiver.await.map_err(|_| Error::server("a blocking call was dropped unrun"))?;
    result.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order() {
        let mut pieces = Pieces::default();
        let mut whole = Vec::new();
        for (number, length) in [1, PIECE + 1, 5, 7, PIECE, 3].into_iter().enumerate() {
            let piece = vec![number as u8; length];
            whole.extend_from_slice(&piece);
            pieces.push(Bytes::from(piece));
        }
        assert_eq!(pieces.length, whole.len());
        let Source::Here { pieces, .. } = pieces.into_source(None) else { unreachable!() };
        assert_eq!(pieces.as_slice().concat(), whole);
    }

    #[test]
    fn room_is_bounded_and_given_back() {
        let room = Arc::<Room>::default();
        let all = room.take(ROOM).unwrap();
        assert!(room.take(1).is_none());
        drop(all);
        assert!(room.take(ROOM).is_some());
    }
}
