//! Applications that break one rule each.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame};
use rwgi::{BodyLength, BoxError, Environ, Error, Exchange, Fault, Finished, Input, StartResponse};

use super::super::{Collector, Finding, Lint};
use super::{Violation, connection, get, serve, serve_with, server_info, violation};

type Fields = &'static [(&'static str, &'static str)];

pub(super) fn all() -> Vec<Violation> {
    let mut all = heads();
    all.extend(statuses());
    all.extend(bodies());
    all.extend(readers());
    all.extend(conduct());
    all
}

/// An application that answers with this head.
pub(super) fn answer(status: u16, fields: Fields, content: &'static str) -> Vec<Finding> {
    serve(answering(status, fields, content), get().build().unwrap())
}

pub(super) fn answering(
    status: u16,
    fields: Fields,
    content: &'static str,
) -> impl Fn(Environ, StartResponse) -> std::future::Ready<rwgi::Result<Finished>> {
    move |_, start| {
        let status = StatusCode::from_u16(status).unwrap();
        std::future::ready(start.respond(status, fields, content))
    }
}

fn head(rule: &'static str, status: u16, fields: Fields) -> Violation {
    violation(rule, move || answer(status, fields, ""))
}

fn heads() -> Vec<Violation> {
    vec![
        head("head-content-type-syntax", 200, &[("content-type", "html")]),
        head("head-singleton-repeated", 200, &[("etag", "\"a\""), ("etag", "\"b\"")]),
        head("head-date-syntax", 200, &[("last-modified", "yesterday")]),
        head("head-date-syntax", 200, &[("date", "Mon, 06 Nov 1994 08:49:37 GMT")]),
        head("head-date-syntax", 200, &[("expires", "-1")]),
        head("head-retry-after-syntax", 503, &[("retry-after", "soon")]),
        head("head-retry-after-syntax", 200, &[("age", "-5")]),
        head("head-etag-syntax", 200, &[("etag", "v1")]),
        head("head-vary-syntax", 200, &[("vary", "accept encoding")]),
        head("head-set-cookie-syntax", 200, &[("set-cookie", "just a word")]),
        head("head-set-cookie-repeated", 200, &[("set-cookie", "a=1"), ("set-cookie", "a=2")]),
        head("head-set-cookie-insecure", 200, &[("set-cookie", "a=1; SameSite=None")]),
        head("head-set-cookie-insecure", 200, &[("set-cookie", "__Host-a=1; Path=/")]),
    ]
}

fn statuses() -> Vec<Violation> {
    let mut all: Vec<_> = [301, 302, 303, 307, 308]
        .into_iter()
        .map(|status| head("status-redirect-location", status, &[]))
        .collect();
    all.extend([
        head("status-401-authenticate", 401, &[]),
        head("status-407-authenticate", 407, &[]),
        head("status-405-allow", 405, &[]),
        head("status-426", 426, &[]),
        violation("status-426", || {
            let refuses = |_: Environ, _: StartResponse| async {
                Err::<Finished, _>(Error::client(StatusCode::UPGRADE_REQUIRED, "no WebSocket"))
            };
            serve(refuses, get().build().unwrap())
        }),
        head("status-range-elsewhere", 200, &[("content-range", "bytes 0-1/2")]),
        head("status-range-unasked", 206, &[("content-range", "bytes 0-1/2")]),
        head("status-range-unasked", 416, &[("content-range", "bytes */2")]),
        head("status-condition-unasked", 304, &[]),
        head("status-condition-unasked", 412, &[]),
        head("status-204-length", 204, &[("content-length", "0")]),
        violation("status-206-range", || {
            let ranged = get().header("range", "bytes=0-1").build().unwrap();
            serve(answering(206, &[], ""), ranged)
        }),
        violation("status-416-range", || {
            let ranged = get().header("range", "bytes=9-").build().unwrap();
            serve(answering(416, &[], ""), ranged)
        }),
    ]);
    all
}

/// A body that gives the frames that it was made of.
pub(super) struct Frames(pub(super) std::vec::IntoIter<Result<Frame<Bytes>, Error>>);

impl Frames {
    pub(super) fn of(frames: Vec<Result<Frame<Bytes>, Error>>) -> Self {
        Self(frames.into_iter())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.next().map(|frame| frame.map_err(BoxError::from)))
    }
}

pub(super) fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

pub(super) fn trailer(name: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::trailers(trailers(name)))
}

fn trailers(name: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static("1"));
    trailers
}

/// An application that forwards a body of these frames.
pub(super) fn forward(
    fields: Fields,
    frames: impl Fn() -> Vec<Result<Frame<Bytes>, Error>> + Send + Sync + 'static,
) -> Vec<Finding> {
    let application = move |_: Environ, start: StartResponse| {
        let mut response = Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        std::future::ready(start.forward(response.body(Frames::of(frames())).unwrap()))
    };
    serve(application, get().build().unwrap())
}

const TEXT: Fields = &[("content-type", "text/plain")];

fn bodies() -> Vec<Violation> {
    vec![
        violation("body-untyped", || answer(200, &[], "content")),
        violation("body-205", || answer(205, TEXT, "content")),
        violation("body-small-pieces", || {
            let many = |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, TEXT)?;
                for _ in 0..100 {
                    body.write("x").await?;
                }
                body.finish()
            };
            serve(many, get().build().unwrap())
        }),
        violation("body-trailers-undeclared", || {
            let mut server = server_info();
            server.capabilities.response_trailers = false;
            let environ = Environ::builder().connection(connection(server)).build().unwrap();
            let summed = |_: Environ, start: StartResponse| async move {
                let body = Frames::of(vec![data("a"), trailer("x-sum")]);
                start.forward(Response::builder().header("content-type", "text/plain").body(body)?)
            };
            serve(summed, environ)
        }),
        violation("conduct-too-long", || {
            let long = |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, [("content-length", 3u64)])?;
                body.write("four").await?;
                body.finish()
            };
            serve(long, get().build().unwrap())
        }),
        violation("conduct-too-long", || {
            const DECLARED: Fields = &[("content-type", "text/plain"), ("content-length", "3")];
            forward(DECLARED, || vec![data("fo"), data("ur")])
        }),
        violation("conduct-too-short", || {
            let short = |_: Environ, start: StartResponse| async move {
                let mut body = start
                    .start(StatusCode::OK, [("content-type", "a/b"), ("content-length", "5")])?;
                body.write("four").await?;
                body.finish()
            };
            serve(short, get().build().unwrap())
        }),
        violation("conduct-too-short", || answer(200, &[("content-length", "5")], "four")),
        violation("conduct-too-short", || {
            const DECLARED: Fields = &[("content-type", "text/plain"), ("content-length", "5")];
            forward(DECLARED, || vec![data("fo"), data("ur")])
        }),
        violation("conduct-writer-dropped", || {
            let dropped = |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, TEXT)?;
                body.flush().await?;
                drop(body);
                std::future::pending().await
            };
            serve(dropped, get().build().unwrap())
        }),
        violation("conduct-trailer-refused", || {
            let routed = |_: Environ, start: StartResponse| async move {
                start.start(StatusCode::OK, ())?.finish_with_trailers(trailers("host"))
            };
            serve(routed, get().build().unwrap())
        }),
        violation("conduct-trailer-refused", || {
            forward(TEXT, || vec![data("a"), trailer("content-length")])
        }),
    ]
}

/// A request with a body of these frames.
pub(super) fn post(frames: Vec<Result<Frame<Bytes>, Error>>) -> Environ {
    let input = Input::from_body(Frames::of(frames), BodyLength::Unknown);
    get().method(Method::POST).header("transfer-encoding", "chunked").input(input).build().unwrap()
}

fn broken() -> Result<Frame<Bytes>, Error> {
    Err(Error::new(Fault::Client, "the client left"))
}

/// Commits a response and reads only then.
async fn read_late(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let mut body = start.start(StatusCode::OK, TEXT)?;
    body.write("first").await?;
    body.flush().await?;
    while environ.input_mut().chunk().await?.is_some() {}
    body.finish()
}

fn readers() -> Vec<Violation> {
    vec![
        violation("input-failure-ignored", || {
            let careless = |mut environ: Environ, start: StartResponse| async move {
                while let Ok(Some(_)) = environ.input_mut().chunk().await {}
                start.respond(StatusCode::CREATED, (), "")
            };
            serve(careless, post(vec![data("half"), broken()]))
        }),
        violation("input-after-commit", || {
            let mut server = server_info();
            server.capabilities.full_duplex = false;
            let environ = Environ::builder()
                .connection(connection(server))
                .method(Method::POST)
                .input("content")
                .build()
                .unwrap();
            serve(read_late, environ)
        }),
        violation("input-late-continue", || {
            let environ = get()
                .method(Method::POST)
                .header("expect", "100-continue")
                .input("content")
                .build()
                .unwrap();
            serve(read_late, environ)
        }),
        violation("input-unread", || {
            let environ = get().method(Method::POST).input("content").build().unwrap();
            serve(answering(200, &[], ""), environ)
        }),
        violation("input-unread", || {
            let one = |mut environ: Environ, start: StartResponse| async move {
                environ.input_mut().chunk().await?;
                start.respond(StatusCode::OK, (), "")
            };
            serve(one, post(vec![data("one"), data("two")]))
        }),
    ]
}

/// An application that returns this error.
fn failing(error: impl Fn() -> Error + Send + Sync + 'static) -> Vec<Finding> {
    let application =
        move |_: Environ, _: StartResponse| std::future::ready(Err::<Finished, _>(error()));
    serve(application, get().build().unwrap())
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("a destructor that does not expect this");
    }
}

fn conduct() -> Vec<Violation> {
    vec![
        violation("conduct-panic", || {
            let panicking = |environ: Environ, start: StartResponse| async move {
                let wanted = environ.query().expect("there is always a query");
                start.respond(StatusCode::OK, (), wanted.to_owned())
            };
            serve(panicking, get().build().unwrap())
        }),
        violation("conduct-panic", || {
            let later = |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, TEXT)?;
                body.write("committed").await?;
                body.flush().await?;
                panic!("after the commit")
            };
            serve(later, get().build().unwrap())
        }),
        violation("conduct-panic-in-drop", || {
            let fragile = |_: Environ, start: StartResponse| async move {
                let guard = PanicsInDrop;
                std::future::pending::<()>().await;
                drop(guard);
                start.respond(StatusCode::OK, (), "")
            };
            let findings = Collector::new();
            let lint = Arc::new(Lint::with_sink(fragile, findings.clone()));
            super::now(rwgi::Application::startup(&*lint, &server_info())).unwrap();
            drop(super::begin(Exchange::new(lint, get().build().unwrap())));
            findings.take()
        }),
        violation("conduct-blocking", || {
            let time = Arc::new(AtomicU64::new(0));
            let passing = Arc::clone(&time);
            let slow = move |_: Environ, start: StartResponse| {
                passing.fetch_add(150, Ordering::Relaxed);
                std::future::ready(start.respond(StatusCode::OK, (), ""))
            };
            let findings = Collector::new();
            let lint = Lint::with_sink(slow, findings.clone())
                .clock(move || Duration::from_millis(time.load(Ordering::Relaxed)));
            serve_with(&Arc::new(lint), get().build().unwrap());
            findings.take()
        }),
        violation("conduct-foreign-finished", || {
            let swapping = |_: Environ, start: StartResponse| async move {
                let (out, stolen) = std::sync::mpsc::channel();
                let thief = move |_: Environ, start: StartResponse| {
                    let finished = start.respond(StatusCode::OK, (), "").unwrap();
                    out.send(finished).unwrap();
                    std::future::pending::<rwgi::Result<Finished>>()
                };
                drop(super::begin(Exchange::new(Arc::new(thief), Environ::builder().build()?)));
                drop(start.respond(StatusCode::OK, (), "")?);
                Ok(stolen.recv()?)
            };
            serve(swapping, get().build().unwrap())
        }),
        violation("conduct-connection-field", || answer(200, &[("connection", "close")], "")),
        violation("conduct-connection-field", || {
            forward(&[("transfer-encoding", "chunked")], || vec![data("a")])
        }),
        violation("conduct-head-refused", || answer(700, &[], "")),
        violation("conduct-head-refused", || answer(101, &[], "")),
        violation("conduct-head-refused", || answer(200, &[("x-a", "a\r\nb: c")], "")),
        violation("conduct-head-refused", || answer(200, &[("content-length", "ten")], "")),
        violation("conduct-late-head", || {
            let late = |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, TEXT)?;
                body.write("committed").await?;
                body.flush().await?;
                body.replace_head(StatusCode::IM_A_TEAPOT, ())?;
                body.finish()
            };
            serve(late, get().build().unwrap())
        }),
        violation("conduct-capability", || {
            let hinting = |_: Environ, mut start: StartResponse| async move {
                start.inform(StatusCode::EARLY_HINTS, [("link", "</a.css>; rel=preload")])?;
                start.respond(StatusCode::OK, (), "")
            };
            serve(hinting, get().build().unwrap())
        }),
        violation("conduct-error-culprit", || {
            failing(|| Error::application("no such page").with_status(StatusCode::NOT_FOUND))
        }),
        violation("conduct-error-culprit", || {
            failing(|| Error::client(StatusCode::INTERNAL_SERVER_ERROR, "it broke"))
        }),
    ]
}
