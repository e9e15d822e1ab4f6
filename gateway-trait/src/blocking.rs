//! Applications written as WSGI's are: plain functions that may block.
//!
//! Rules of this room: a blocking call runs on a thread where that is allowed, never on the server's own; content and response cross
//! by the same input and writer as everywhere, parked instead of awaited; a departed client is an error of the next read or write.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_channel::oneshot;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use crate::fields::IntoFields;
use crate::{
    Acceptance, Application, BodyWriter, BoxError, Environ, Error, Finished, Input, Outcome,
    ResponseHead, Result, ServerInfo, StartResponse, Tunnel, WebSocket,
};

/// The synchronous twin of [`Application`]; hosted by [`Blocking`].
///
/// Every `fn(Environ, BlockingStartResponse) -> Result<Finished>` is one.
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Blocking, BlockingStartResponse, Environ, Finished};
/// use std::io::{Read, Write};
///
/// fn upper(mut environ: Environ, start: BlockingStartResponse) -> rwgi::Result<Finished> {
///     let mut text = String::new();
///     rwgi::BlockingInput::from(environ.take_input()).read_to_string(&mut text)?;
///     let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
///     write!(body, "{}", text.to_uppercase())?;
///     body.finish()
/// }
/// # fn is_application(_: impl rwgi::Application) {}
/// # is_application(Blocking::new(upper));
/// ```
pub trait BlockingApplication: Send + Sync + 'static {
    /// Answers one request, on a thread that may block. It is not interrupted: see [`Blocking`] for what it hears of a departure.
    ///
    /// # Errors
    /// As for [`Application::call`].
    ///
    /// # Panics
    /// It must not (REQ-APP-03); a panic is caught and answered as one of [`Application::call`].
    fn call(&self, environ: Environ, start_response: BlockingStartResponse) -> Result<Finished>;

    /// As [`Application::startup`]; it may block.
    ///
    /// # Errors
    /// An error stops the server before it accepts anything (REQ-LIFE-03).
    fn startup(&self, server: &ServerInfo) -> Result<()> {
        let _ = server;
        Ok(())
    }

    /// As [`Application::shutdown`]; it may block.
    fn shutdown(&self) {}
}

impl<F> BlockingApplication for F
where
    F: Fn(Environ, BlockingStartResponse) -> Result<Finished> + Send + Sync + 'static,
{
    fn call(&self, environ: Environ, start_response: BlockingStartResponse) -> Result<Finished> {
        self(environ, start_response)
    }
}

/// Hosts a [`BlockingApplication`] as an [`Application`].
///
/// Calls run on the server's [`BlockingExecutor`](crate::BlockingExecutor), or on a thread of their own where it has none, so that none
/// holds up another exchange (REQ-APP-06). Where neither is to be had the answer is 503.
///
/// # Cancel safety
/// When the client leaves, the call is not interrupted: its next read or write fails.
pub struct Blocking<A> {
    application: Arc<A>,
}

impl<A: BlockingApplication> Blocking<A> {
    /// Hosts `application`.
    pub fn new(application: A) -> Self {
        Self { application: Arc::new(application) }
    }
}

impl<A: BlockingApplication> Application for Blocking<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let application = Arc::clone(&self.application);
        let executor = environ.server().blocking.clone();
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let start_response = BlockingStartResponse { inner: start_response };
            let result =
                catch_unwind(AssertUnwindSafe(|| application.call(environ, start_response)));
            // Nobody listens after a departure; the result has no other reader.
            let _ = sender.send(result);
        };
        match executor {
            Some(executor) => executor.execute(Box::new(job))?,
            None => {
                std::thread::Builder::new().name("rwgi-blocking".to_owned()).spawn(job).map_err(
                    |error| {
                        Error::server("no thread could be started for a blocking application")
                            .with_status(StatusCode::SERVICE_UNAVAILABLE)
                            .with_source(error)
                    },
                )?;
            }
        }
        match receiver.await {
            Ok(Ok(result)) => result,
            // The exchange turns it into the application's fault, as any other panic.
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(oneshot::Canceled) => Err(Error::server("the blocking call was dropped unrun")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        let application = Arc::clone(&self.application);
        let server_info = server.clone();
        off_thread(server, move || application.startup(&server_info)).await?
    }

    async fn shutdown(&self) {
        let application = Arc::clone(&self.application);
        // The last word of a server that ends; a thread that cannot start then has nobody to tell.
        let _ = off_thread(&ServerInfo::default(), move || application.shutdown()).await;
    }
}

/// Runs a job where blocking is allowed, and awaits it.
async fn off_thread<T: Send + 'static>(
    server: &ServerInfo,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let job = move || {
        let _ = sender.send(job());
    };
    match &server.blocking {
        Some(executor) => executor.execute(Box::new(job))?,
        None => drop(std::thread::Builder::new().spawn(job)?),
    }
    receiver.await.map_err(|_| Error::application("the blocking call panicked"))
}

impl<A> fmt::Debug for Blocking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// [`StartResponse`] for blocking applications.
#[derive(Debug)]
#[must_use = "an application that drops the token without an error answers 500"]
pub struct BlockingStartResponse {
    inner: StartResponse,
}

impl BlockingStartResponse {
    /// [`StartResponse::respond`].
    ///
    /// # Errors
    /// As there.
    pub fn respond(
        self,
        status: StatusCode,
        fields: impl IntoFields,
        body: impl Into<Bytes>,
    ) -> Result<Finished> {
        self.inner.respond(status, fields, body)
    }

    /// [`StartResponse::start`].
    ///
    /// # Errors
    /// As there.
    pub fn start(self, status: StatusCode, fields: impl IntoFields) -> Result<BlockingBodyWriter> {
        Ok(BlockingBodyWriter { inner: self.inner.start(status, fields)? })
    }

    /// [`StartResponse::start_with`].
    pub fn start_with(self, head: ResponseHead) -> BlockingBodyWriter {
        BlockingBodyWriter { inner: self.inner.start_with(head) }
    }

    /// [`StartResponse::forward`].
    ///
    /// # Errors
    /// As there.
    pub fn forward<B>(self, response: Response<B>) -> Result<Finished>
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.inner.forward(response)
    }

    /// [`StartResponse::respond_with`].
    ///
    /// # Errors
    /// As there.
    pub fn respond_with(self, head: ResponseHead, body: impl Into<Bytes>) -> Result<Finished> {
        self.inner.respond_with(head, body)
    }

    /// [`StartResponse::inform`].
    ///
    /// # Errors
    /// As there.
    pub fn inform(&mut self, status: StatusCode, fields: impl IntoFields) -> Result<()> {
        self.inner.inform(status, fields)
    }

    /// [`StartResponse::upgrade`]: the tunnel's futures are awaited where they block, as by a crate's `block_on`.
    ///
    /// # Errors
    /// As there.
    pub fn upgrade(self, protocol: &str, fields: impl IntoFields) -> Result<Tunnel> {
        self.inner.upgrade(protocol, fields)
    }

    /// [`StartResponse::accept`].
    ///
    /// # Errors
    /// As there.
    pub fn accept(self, acceptance: impl Into<Acceptance>) -> Result<WebSocket> {
        self.inner.accept(acceptance)
    }

    /// [`StartResponse::on_complete`].
    pub fn on_complete(&mut self, callback: impl FnOnce(&Outcome) + Send + 'static) {
        self.inner.on_complete(callback);
    }

    /// [`StartResponse::map_head`].
    pub fn map_head(
        &mut self,
        hook: impl FnOnce(&mut ResponseHead) -> Result<()> + Send + 'static,
    ) {
        self.inner.map_head(hook);
    }

    /// [`StartResponse::is_departed`]: the way to learn of a departure between two writes.
    pub fn is_departed(&self) -> bool {
        self.inner.is_departed()
    }
}

/// [`BodyWriter`] for blocking applications; also a [`std::io::Write`].
///
/// Each call of `write` is one piece of content, which the server takes by itself; so is each `write!`. Many small ones are better
/// gathered by a [`std::io::BufWriter`]. Dropping it before [`finish`](Self::finish) aborts the response (REQ-BODY-16).
///
/// It can block until the server polls the exchange, so it is not for the thread that does.
#[derive(Debug)]
#[must_use = "dropping a writer unfinished aborts the response"]
pub struct BlockingBodyWriter {
    inner: BodyWriter,
}

impl BlockingBodyWriter {
    /// Writes a piece of content without copying it; blocks until the server has taken the one before.
    ///
    /// # Errors
    /// As [`BodyWriter::write`].
    pub fn send(&mut self, data: impl Into<Bytes>) -> Result<()> {
        pollster::block_on(self.inner.write(data))
    }

    /// [`BodyWriter::replace_head`].
    ///
    /// # Errors
    /// As there.
    pub fn replace_head(&mut self, status: StatusCode, fields: impl IntoFields) -> Result<()> {
        self.inner.replace_head(status, fields)
    }

    /// [`BodyWriter::replace_head_with`].
    ///
    /// # Errors
    /// As there.
    pub fn replace_head_with(&mut self, head: ResponseHead) -> Result<()> {
        self.inner.replace_head_with(head)
    }

    /// [`BodyWriter::is_committed`].
    pub fn is_committed(&self) -> bool {
        self.inner.is_committed()
    }

    /// [`BodyWriter::is_departed`].
    pub fn is_departed(&self) -> bool {
        self.inner.is_departed()
    }

    /// [`BodyWriter::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(self) -> Result<Finished> {
        self.inner.finish()
    }

    /// [`BodyWriter::finish_with_trailers`].
    ///
    /// # Errors
    /// As there.
    pub fn finish_with_trailers(self, trailers: HeaderMap) -> Result<Finished> {
        self.inner.finish_with_trailers(trailers)
    }
}

impl Write for BlockingBodyWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send(Bytes::copy_from_slice(data)).map_err(io_error)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        pollster::block_on(self.inner.flush()).map_err(io_error)
    }

    /// One `write!` is one piece: the default would hand each of its parts to the server by itself.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.send(text.to_string()).map_err(io_error)
    }
}

/// [`Input`] for blocking applications: WSGI's `wsgi.input`, as [`Read`] and [`BufRead`].
///
/// What [`Input::chunk`] fails with is inside the [`io::Error`]; `?` in an application brings it back with its culprit and status.
///
/// ```
/// use rwgi::{BlockingInput, Input};
/// use std::io::BufRead;
/// let input = BlockingInput::from(Input::from("one\ntwo\n"));
/// assert_eq!(input.lines().collect::<Result<Vec<_>, _>>()?, ["one", "two"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BlockingInput {
    inner: Input,
    chunk: Bytes,
}

impl From<Input> for BlockingInput {
    fn from(inner: Input) -> Self {
        Self { inner, chunk: Bytes::new() }
    }
}

impl BlockingInput {
    /// [`Input::trailers`]; blocks until the content has ended.
    ///
    /// # Errors
    /// As there.
    pub fn trailers(&mut self) -> Result<Option<HeaderMap>> {
        self.chunk = Bytes::new();
        pollster::block_on(self.inner.trailers())
    }
}

impl Read for BlockingInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for BlockingInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            self.chunk =
                pollster::block_on(self.inner.chunk()).map_err(io_error)?.unwrap_or_default();
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, length: usize) {
        self.chunk.advance(length);
    }
}

/// The contract's error inside an `io::Error`; `?` brings it back with its culprit.
fn io_error(error: Error) -> io::Error {
    io::Error::other(BoxError::from(error))
}
