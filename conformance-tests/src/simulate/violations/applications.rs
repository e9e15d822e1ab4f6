//! A conforming application, and its relatives with one flaw each.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use rwgi::{BodyLength, Endpoint, Environ, Error, Finished, Result, StartResponse};

use super::{Violation, simulator, violation};

/// Answers GET, HEAD and POST with what came, and refuses the rest.
pub(super) async fn conforming(mut environ: Environ, start: StartResponse) -> Result<Finished> {
    refuse_or_answer(environ.input_mut().read_to_end(1 << 20).await?, &environ, start)
}

pub(super) fn refuse_or_answer(
    content: Bytes,
    environ: &Environ,
    start: StartResponse,
) -> Result<Finished> {
    match *environ.method() {
        Method::GET | Method::HEAD | Method::POST => start.respond(
            StatusCode::OK,
            [("content-type", "application/octet-stream")],
            if content.is_empty() { Bytes::from_static(b"nothing came") } else { content },
        ),
        Method::OPTIONS => {
            start.respond(StatusCode::NO_CONTENT, [("allow", "GET, HEAD, POST")], "")
        }
        _ => start.respond(StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET, HEAD, POST")], ""),
    }
}

/// The conforming application, but for requests of this kind.
fn flawed(scenario: &'static str, kind: fn(&Environ) -> bool) -> Violation {
    violation(scenario, move || {
        simulator().run(move |environ: Environ, start: StartResponse| async move {
            if kind(&environ) {
                return Err(Error::application("nobody thought of that"));
            }
            conforming(environ, start).await
        })
    })
}

/// The conforming application, but for content that it did not expect.
fn flawed_reader(scenario: &'static str, kind: fn(&Environ, &[u8]) -> bool) -> Violation {
    violation(scenario, move || {
        simulator().run(move |mut environ: Environ, start: StartResponse| async move {
            let content = environ.input_mut().read_to_end(1 << 20).await?;
            if kind(&environ, &content) {
                return Err(Error::application("nobody thought of that"));
            }
            refuse_or_answer(content, &environ, start)
        })
    })
}

/// The conforming application, but for reads that fail.
fn flawed_failing(scenario: &'static str, kind: fn(&Environ, &Error) -> bool) -> Violation {
    violation(scenario, move || {
        simulator().run(move |mut environ: Environ, start: StartResponse| async move {
            let content = match environ.input_mut().read_to_end(1 << 20).await {
                Err(error) if kind(&environ, &error) => {
                    return Err(Error::application("cannot read"));
                }
                content => content?,
            };
            refuse_or_answer(content, &environ, start)
        })
    })
}

fn field<'a>(environ: &'a Environ, name: &str) -> Option<&'a [u8]> {
    environ.headers().get(name).map(|value| value.as_bytes())
}

fn has(environ: &Environ, name: &str) -> bool {
    environ.headers().contains_key(name)
}

fn is_plain(environ: &Environ) -> bool {
    environ.method() == Method::GET
        && environ.path() == "/"
        && environ.query().is_none()
        && environ.headers().len() == 1
        && field(environ, "host") == Some(b"localhost:8000")
        && environ.version() == Version::HTTP_11
        && environ.peer().socket_addr().is_some()
        && environ.connection().tls.is_none()
        && environ.uri().authority().is_none()
        && environ.capabilities().full_duplex
}

fn is_posted_as(environ: &Environ, kind: &[u8]) -> bool {
    environ.method() == Method::POST && field(environ, "content-type") == Some(kind)
}

pub(super) fn all() -> Vec<Violation> {
    let mut all = heads();
    all.extend(bodies());
    all
}

fn heads() -> Vec<Violation> {
    vec![
        flawed("plain-get", is_plain),
        flawed("method-unknown", |environ| environ.method().as_str() == "BREW"),
        flawed("method-usual", |environ| environ.method() == Method::DELETE),
        flawed("target-asterisk", |environ| environ.path_info() == "*"),
        flawed("target-absolute", |environ| {
            environ.uri().authority().is_some() && environ.version() == Version::HTTP_11
        }),
        flawed("path-undecodable", |environ| environ.path_info_decoded().is_err()),
        flawed("path-shapes", |environ| environ.path_info().contains("//")),
        flawed("path-unknown", |environ| environ.path_info() == "/no/such/thing"),
        flawed("path-long", |environ| environ.path_info().len() > 4000),
        flawed("query-odd", |environ| environ.query() == Some("a")),
        flawed("query-long", |environ| environ.query().is_some_and(|query| query.len() > 4000)),
        flawed("head-many-fields", |environ| environ.headers().len() > 64),
        flawed("head-octets", |environ| {
            environ.headers().get("user-agent").is_some_and(|agent| agent.to_str().is_err())
        }),
        flawed("head-credentials", |environ| field(environ, "authorization") == Some(b"Basic")),
        flawed("head-cookies", |environ| {
            environ.headers().get_all("cookie").iter().nth(1).is_some()
        }),
        flawed("head-conditions", |environ| has(environ, "if-modified-since")),
        flawed("head-ranges", |environ| has(environ, "range")),
        flawed("head-preferences", |environ| has(environ, "accept-charset")),
        flawed("head-forwarding", |environ| has(environ, "x-forwarded-for")),
        flawed("head-upgrade", |environ| has(environ, "upgrade")),
        flawed("host-odd", |environ| field(environ, "host") == Some(b"[::1]")),
        flawed("version-10", |environ| environ.authority().is_none()),
        flawed("version-2", |environ| environ.version() == Version::HTTP_2),
        flawed("mounted", |environ| environ.script_name() == "/mount"),
        flawed("mounted-root", |environ| environ.path_info().is_empty()),
        flawed("site-unix", |environ| environ.peer().unix_path().is_none() && is_unix(environ)),
        flawed("site-memory", |environ| *environ.peer() == Endpoint::Unknown),
        flawed("site-tls", |environ| environ.connection().tls.is_some()),
        flawed("site-bare", |environ| !environ.capabilities().informational),
    ]
}

fn is_unix(environ: &Environ) -> bool {
    matches!(environ.peer(), Endpoint::Unix(_))
}

fn bodies() -> Vec<Violation> {
    vec![
        flawed("body-none", |environ| {
            environ.method() == Method::POST && environ.input().length() == BodyLength::Empty
        }),
        flawed_reader("body-of-get", |environ, content| {
            environ.method() == Method::GET && !content.is_empty()
        }),
        flawed_reader("body-unknown-length", |_, content| content == b"onetwo"),
        flawed_reader("body-slow", |environ, content| {
            content == b"a=1&b=2" && !has(environ, "content-type")
        }),
        flawed_failing("body-truncated", |_, error| error.status() == StatusCode::BAD_REQUEST),
        violation("body-stalled", || {
            simulator()
                .run(|mut environ: Environ, start: StartResponse| async move {
                    if has(&environ, "content-type") {
                        return conforming(environ, start).await;
                    }
                    let input = environ.input_mut();
                    let mut content = Vec::new();
                    // What is not there now is taken for the end.
                    while let Some(chunk) = poll_fn(|cx| match input.poll_chunk(cx) {
                        Poll::Pending => Poll::Ready(Ok(None)),
                        ready => ready,
                    })
                    .await?
                    {
                        content.extend_from_slice(&chunk);
                    }
                    refuse_or_answer(content.into(), &environ, start)
                })
                .without(&["input-unread"])
        }),
        flawed_failing("body-over-limit", |environ, error| {
            error.status() == StatusCode::PAYLOAD_TOO_LARGE
                && environ.input().length() != BodyLength::Unknown
        }),
        flawed_failing("body-over-limit-late", |environ, error| {
            error.status() == StatusCode::PAYLOAD_TOO_LARGE
                && environ.input().length() == BodyLength::Unknown
        }),
        flawed("body-trailers", |environ| has(environ, "trailer")),
        flawed("body-expected", |environ| has(environ, "expect")),
        flawed_reader("body-octets", |environ, content| {
            is_posted_as(environ, b"application/json") && std::str::from_utf8(content).is_err()
        }),
        flawed("body-untyped", |environ| is_posted_as(environ, b"text")),
        flawed_reader("body-malformed", |environ, content| {
            is_posted_as(environ, b"application/json") && content == b"null"
        }),
        flawed("body-coded", |environ| has(environ, "content-encoding")),
        violation("body-cuts", || {
            simulator().run(|mut environ: Environ, start: StartResponse| async move {
                let mut lines = Vec::new();
                while let Some(chunk) = environ.input_mut().chunk().await? {
                    lines.extend_from_slice(&chunk);
                    lines.push(b'\n');
                }
                refuse_or_answer(lines.into(), &environ, start)
            })
        }),
    ]
}
