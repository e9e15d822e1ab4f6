//! An application as a CGI program (RFC 3875): variables and standard input in, standard output out, once.
//!
//! Rules of this room: one exchange and the process ends, `startup` and `shutdown` included; content is read when it is asked for and
//! no further than its length; what the application gives leaves at once; a web server that reads no more cancels.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body::{Body, Frame};
use rwgi::{
    Application, BodyLength, Departure, Environ, Error, Exchange, Input, Result, ServerInfo,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::request::{self, Mount};
use crate::response;

/// The most content that an application is given, unless it sets another limit: 2 MiB, as `rwgi-server` has it.
const BODY_BYTES: u64 = 2 * 1024 * 1024;
/// The most that is read of the content at once.
const CHUNK: usize = 16 * 1024;

/// What a CGI program says of its server: one exchange in one process, none of the capabilities that need a connection, and content up to 2 MiB, as
/// `rwgi-server` has it. Nobody tells such a process to stop ([`ServerInfo::stopping`]): a signal ends it.
pub fn server_info() -> ServerInfo {
    let mut server = ServerInfo::new(concat!("rwgi-cgi/", env!("CARGO_PKG_VERSION")));
    server.capabilities.departure = Departure::OnWrite;
    server.limits.body_bytes = Some(BODY_BYTES);
    server.run_once = true;
    server.multiprocess = true;
    server.concurrent = false;
    server
}

/// Answers the one request of this process: its environment variables, standard input and standard output.
///
/// What fails is told on standard error, which web servers keep in their log. The exit code is 0 where the response was whole.
///
/// # Panics
/// Inside of a tokio runtime, for it starts one of its own.
pub fn run<A: Application>(application: A) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let answered = runtime.block_on(async {
        let server = server_info();
        application.startup(&server).await?;
        let application = Arc::new(application);
        let variables = std::env::vars_os();
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        let answered = answer(&application, variables, input, output).await;
        application.shutdown().await;
        answered
    });
    // A read of standard input that nobody waits for must not keep the process.
    runtime.shutdown_background();
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers one request that is told by CGI's variables, between any reader and writer. The application's `startup` and `shutdown` are the caller's.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::sync::Arc;
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
///
/// let hello = |environ: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), environ.path_info().to_owned())
/// };
/// let variables = [
///     ("REQUEST_METHOD", "GET"),
///     ("PATH_INFO", "/hello"),
///     ("SERVER_PROTOCOL", "HTTP/1.0"),
///     ("SERVER_NAME", "localhost"),
///     ("SERVER_PORT", "80"),
/// ];
/// let variables = variables.map(|(name, value)| (name.into(), value.into()));
/// let mut output = Vec::new();
/// rwgi_cgi::program::answer(&Arc::new(hello), variables, tokio::io::empty(), &mut output).await?;
/// assert!(output.ends_with(b"/hello"));
/// # Ok::<(), rwgi::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// The response is not whole: the application failed after its head was committed, or nobody reads. A failure before that is answered with
/// its status, and is an error here as well only where it is not the client's.
///
/// # Cancel safety
/// Dropping the call cancels the application.
pub async fn answer<A: Application>(
    application: &Arc<A>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    input: impl AsyncRead + Send + Unpin + 'static,
    mut output: impl AsyncWrite + Unpin,
) -> Result<()> {
    let variables: Vec<_> = variables.into_iter().collect();
    let octets = variables.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut method = Method::GET;
    let told = request::request(octets, Mount::Script, &Arc::new(server_info()));
    let exchange = told.map(|request| {
        method = request.head.method.clone();
        let left = match request.length {
            BodyLength::Exact(length) => length,
            BodyLength::Empty => 0,
            BodyLength::Unknown => u64::MAX,
        };
        let body = Content { input, left, buffer: BytesMut::new() };
        let mut input = Input::from_body(body, request.length);
        input.set_limit(Some(BODY_BYTES));
        let connection = Arc::new(request.connection);
        let mut environ = Environ::new(request.head, input, connection);
        let prefix = environ.path()[..request.mount].to_owned();
        environ.shift_path(&prefix);
        Exchange::new(Arc::clone(application), environ)
    });
    let answered = match exchange {
        Ok(exchange) => exchange.await,
        Err(error) => Err(error),
    };
    let mut failure = None;
    let (mut head, mut body) = answered
        .unwrap_or_else(|error| {
            let response = response::error_response(error.status());
            failure = (error.fault() != rwgi::Fault::Client).then_some(error);
            response
        })
        .into_parts();
    response::declare_length(&mut head, &body, &method);
    let mut octets = BytesMut::new();
    response::put_head(&mut octets, &head);
    let gone = |error: std::io::Error| {
        Error::client(http::StatusCode::BAD_REQUEST, "the web server reads no more")
            .with_source(error)
    };
    if body.is_whole() {
        // In one write where it can be one.
        if let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
            && let Ok(data) = frame.into_data()
        {
            octets.extend_from_slice(&data);
        }
    }
    output.write_all(&octets).await.map_err(gone)?;
    output.flush().await.map_err(gone)?;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            output.write_all(&data).await.map_err(gone)?;
            output.flush().await.map_err(gone)?;
        }
    }
    failure.map_or(Ok(()), Err)
}

/// The content on standard input.
struct Content<R> {
    input: R,
    left: u64,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Body for Content<R> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let most = CHUNK.min(usize::try_from(this.left).unwrap_or(CHUNK));
        if most == 0 {
            return Poll::Ready(None);
        }
        this.buffer.resize(most, 0);
        let mut space = ReadBuf::new(&mut this.buffer);
        ready!(Pin::new(&mut this.input).poll_read(cx, &mut space))?;
        let read = space.filled().len();
        if read == 0 {
            this.left = 0;
            return Poll::Ready(None);
        }
        this.left -= read as u64;
        let data = this.buffer.split_to(read).freeze();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use rwgi::StartResponse;

    fn variables(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value))).collect()
    }

    #[tokio::test]
    async fn content_is_read_to_its_length_and_no_further() {
        let echo = Arc::new(|mut environ: Environ, start: StartResponse| async move {
            let content = environ.input_mut().read_to_string(100).await?;
            start.respond(StatusCode::OK, (), content)
        });
        let list = variables(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "5")]);
        let mut output = Vec::new();
        answer(&echo, list.clone(), &b"hello and more"[..], &mut output).await.unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "Status: 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        );
        let mut output = Vec::new();
        answer(&echo, list, &b"hel"[..], &mut output).await.unwrap();
        assert!(output.starts_with(b"Status: 400 Bad Request\r\n"));
    }

    #[tokio::test]
    async fn a_failure_before_the_commit_is_answered_and_one_after_it_is_told() {
        let fails = Arc::new(|environ: Environ, start: StartResponse| async move {
            if environ.query().is_some() {
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("begun").await?;
                body.flush().await?;
            }
            Err(Error::application("a secret"))
        });
        let ask = |target: &str| variables(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", target)]);
        let mut output = Vec::new();
        assert!(answer(&fails, ask("/"), &b""[..], &mut output).await.is_err());
        assert!(
            output.starts_with(b"Status: 500 ") && output.ends_with(b"500 Internal Server Error\n")
        );
        let mut output = Vec::new();
        assert!(answer(&fails, ask("/?late"), &b""[..], &mut output).await.is_err());
        assert_eq!(output, b"Status: 200 OK\r\n\r\nbegun");
    }
}
