//! Content whose length is not known, before Python sees it.
//!
//! Rules of this room: no thread of Python waits here; little is kept in memory and the rest in a file without a name; the limit is that of
//! the request's input, and beyond it the client is told 413.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

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

/// Content up to this length is awaited before a thread is taken: most forms, so that a slow client holds no thread.
///
/// 64 KiB, what a socket delivers in one or two reads.
const AWAITED: u64 = 64 * 1024;

/// Takes the content out of the environ, in a form that Python can read at its own pace.
///
/// Content of unknown length (chunked, some of HTTP/2) is collected where `whole` asks for it, and gets a Content-Length: applications
/// that look at nothing else, Django among them, take a request without one for empty.
pub(crate) async fn content(environ: &mut Environ, whole: bool) -> Result<(Source, Bytes)> {
    let mut input = environ.take_input();
    match input.length() {
        BodyLength::Empty => Ok((Source::Ended, Bytes::new())),
        BodyLength::Unknown if whole => collect(environ, input).await,
        // Reading is what tells the client to continue, and that is the application's to decide.
        BodyLength::Exact(length)
            if length <= AWAITED && !environ.headers().contains_key(EXPECT) =>
        {
            let content = input.read_to_end(AWAITED as usize).await?;
            declare(environ, length);
            Ok((Source::Ended, content))
        }
        BodyLength::Exact(length) => {
            declare(environ, length);
            Ok((Source::Live(input), Bytes::new()))
        }
        BodyLength::Unknown => Ok((Source::Live(input), Bytes::new())),
    }
}

/// The variable CONTENT_LENGTH is made from the field, now that the content is no longer there.
fn declare(environ: &mut Environ, length: u64) {
    environ.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
}

async fn collect(environ: &mut Environ, mut input: Input) -> Result<(Source, Bytes)> {
    // Decoded it is no transfer coding any more, and no application shall decode it again.
    environ.headers_mut().remove(TRANSFER_ENCODING);
    let mut memory = BytesMut::new();
    while let Some(chunk) = input.chunk().await? {
        memory.extend_from_slice(&chunk);
        if memory.len() > IN_MEMORY {
            let (file, length) = spool(environ, memory.freeze(), input).await?;
            declare(environ, length);
            return Ok((Source::File(file), Bytes::new()));
        }
    }
    declare(environ, memory.len() as u64);
    Ok((Source::Ended, memory.freeze()))
}

async fn spool(environ: &Environ, start: Bytes, mut input: Input) -> Result<(File, u64)> {
    let blocking = environ.server().blocking.clone();
    let mut length = start.len() as u64;
    let mut file = off_thread(blocking.clone(), move || {
        let mut file = tempfile::tempfile()?;
        file.write_all(&start).map(|()| file)
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
