//! Bare hyper: the measure of all others.
//!
//! Rules of this peer: nothing between hyper and the answer; the best body that each route can have.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use benches::{hyper_settings, routes, serve};
use bytes::Bytes;
use clap::Parser;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    serve::run(arguments, move |listener| async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let stream = TokioIo::new(stream);
            let service =
                service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(request))));
            if arguments.http2 {
                // As hyper's documentation has it, with its default settings.
                let connection = http2::Builder::new(TokioExecutor::new());
                let connection = connection.serve_connection(stream, service);
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                continue;
            }
            let connection =
                hyper_settings::http1(arguments.settings).serve_connection(stream, service);
            tokio::spawn(async move {
                // How a connection ended is nothing to the comparison.
                let _ = connection.await;
            });
        }
    })
}

fn answer(request: Request<Incoming>) -> Response<Answer> {
    let text = HeaderValue::from_static("text/plain");
    match request.uri().path() {
        "/plaintext" | "/fields" => {
            with(text, Answer::Whole(Bytes::from_static(routes::PLAINTEXT.as_bytes())))
        }
        "/json" => match routes::json() {
            Ok(json) => {
                with(HeaderValue::from_static("application/json"), Answer::Whole(json.into()))
            }
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        "/echo" if request.method() == Method::POST => {
            with(text, Answer::Echo(request.into_body()))
        }
        "/stream" => with(text, Answer::Chunks(routes::CHUNKS)),
        "/large" => with(text, Answer::Whole(Bytes::from_static(&routes::LARGE))),
        path => match routes::long_chunks(path) {
            Some(chunks) => with(text, Answer::Chunks(chunks)),
            None => status(StatusCode::NOT_FOUND),
        },
    }
}

fn with(content_type: HeaderValue, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn status(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// The body of every route, without a box.
enum Answer {
    Whole(Bytes),
    /// So many chunks are still to come.
    Chunks(usize),
    Echo(Incoming),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Poll::Ready(match &mut *self {
            Self::Whole(data) if data.is_empty() => None,
            Self::Whole(data) => Some(Ok(Frame::data(std::mem::take(data)))),
            Self::Chunks(0) => None,
            Self::Chunks(left) => {
                *left -= 1;
                Some(Ok(Frame::data(routes::chunk())))
            }
            Self::Echo(body) => return Pin::new(body).poll_frame(cx),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_empty(),
            Self::Chunks(left) => *left == 0,
            Self::Echo(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.len() as u64),
            // The server is not told: the answer is framed in chunks.
            Self::Chunks(_) => SizeHint::default(),
            Self::Echo(body) => body.size_hint(),
        }
    }
}
