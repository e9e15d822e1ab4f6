//! A conforming application, and its relatives with one flaw each.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use rwgi::{
    Application, Blocking, BlockingInput, BlockingStartResponse, BodyLength, Endpoint, Environ,
    Error, Finished, Result, ServerInfo, StartResponse,
};

use super::super::drive::{Answer, End, Remains};
use super::super::simulate_in;
use super::{Violation, simulator, violation};

/// Answers GET, HEAD and POST with what came, and refuses the rest.
async fn conforming(mut environ: Environ, start: StartResponse) -> Result<Finished> {
    refuse_or_answer(environ.input_mut().read_to_end(1 << 20).await?, &environ, start)
}

fn refuse_or_answer(content: Bytes, environ: &Environ, start: StartResponse) -> Result<Finished> {
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
    all.extend(whole());
    all.extend(clients());
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

/// An application of which startup or shutdown is not as it should be.
struct Unwell {
    starts: bool,
    stops: bool,
}

impl Application for Unwell {
    async fn call(&self, environ: Environ, start: StartResponse) -> Result<Finished> {
        conforming(environ, start).await
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        if self.starts { Ok(()) } else { Err(Error::application("no database")) }
    }

    async fn shutdown(&self) {
        if !self.stops {
            std::future::pending().await
        }
    }
}

fn whole() -> Vec<Violation> {
    vec![
        violation("life-startup", || simulator().run(Unwell { starts: false, stops: true })),
        violation("life-shutdown", || simulator().run(Unwell { starts: true, stops: false })),
        violation("answers", || {
            simulator().run(|environ: Environ, start: StartResponse| async move {
                if environ.query() == Some("a=b=c") {
                    std::future::pending::<()>().await;
                }
                conforming(environ, start).await
            })
        }),
        violation("head-mirrors-get", || {
            simulator().run(|environ: Environ, start: StartResponse| async move {
                if environ.method() == Method::HEAD {
                    return start.respond(StatusCode::NOT_FOUND, (), "");
                }
                conforming(environ, start).await
            })
        }),
        violation("departure-recovery", || {
            let busy = Arc::new(AtomicBool::new(false));
            simulator()
                .run(move |environ: Environ, start: StartResponse| {
                    let busy = Arc::clone(&busy);
                    async move {
                        if busy.swap(true, Ordering::Relaxed) {
                            return start.respond(StatusCode::SERVICE_UNAVAILABLE, (), "");
                        }
                        give_way().await;
                        // Never reached by who is dropped above.
                        busy.store(false, Ordering::Relaxed);
                        conforming(environ, start).await
                    }
                })
                .without(&["input-unread"])
        }),
        violation("departure-callbacks", || {
            // Only a broken gateway library runs a callback twice, so this is what one would leave.
            let answer = Answer {
                end: End::Whole,
                status: None,
                fields: http::HeaderMap::new(),
                content: Vec::new(),
                trailers: None,
                fault: None,
                message: String::new(),
                polls: 1,
                asked: false,
                remains: Remains { outcomes: 2, ..Remains::default() },
            };
            let mut report = super::Report::default();
            if let Some(what) = answer.uncalled() {
                let scenario = &super::super::catalogue::whole::CALLBACKS;
                report.add(scenario.finding(String::new(), what));
            }
            report
        }),
        violation("departure-left-environ", || {
            let kept = Arc::new(Mutex::new(Vec::new()));
            simulator().run(move |environ: Environ, start: StartResponse| {
                kept.lock().unwrap().push(environ.extensions().clone());
                conforming(environ, start)
            })
        }),
        violation("departure-left-input", || {
            let kept = Arc::new(Mutex::new(Vec::new()));
            simulator()
                .run(move |mut environ: Environ, start: StartResponse| {
                    let kept = Arc::clone(&kept);
                    async move {
                        let mut input = environ.take_input();
                        let content = input.chunk().await;
                        kept.lock().unwrap().push(input);
                        refuse_or_answer(content?.unwrap_or_default(), &environ, start)
                    }
                })
                .without(&["body-cuts", "body-stalled", "input-unread", "input-failure-ignored"])
        }),
    ]
}

/// Lets others go first, once.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn clients() -> Vec<Violation> {
    vec![
        violation("polls-spurious", || {
            simulator()
                .run(|mut environ: Environ, start: StartResponse| async move {
                    let input = environ.input_mut();
                    let mut content = Vec::new();
                    loop {
                        let mut polled = false;
                        // Polled a second time, it takes for granted that what it waits for has come.
                        let chunk = poll_fn(|cx| match input.poll_chunk(cx) {
                            Poll::Pending if std::mem::replace(&mut polled, true) => {
                                Poll::Ready(Err(Error::application("woken for nothing")))
                            }
                            other => other,
                        })
                        .await?;
                        let Some(chunk) = chunk else { break };
                        content.extend_from_slice(&chunk);
                    }
                    refuse_or_answer(content.into(), &environ, start)
                })
                // Another waker is another poll.
                .without(&["polls-fresh-wakers"])
        }),
        violation("polls-fresh-wakers", || {
            simulator().run(|mut environ: Environ, start: StartResponse| async move {
                let input = environ.input_mut();
                let mut content = Vec::new();
                loop {
                    let mut first = None;
                    // Only the waker of the first poll is ever handed on.
                    let chunk = poll_fn(|cx| {
                        let waker = first.get_or_insert_with(|| cx.waker().clone());
                        input.poll_chunk(&mut std::task::Context::from_waker(waker))
                    })
                    .await?;
                    let Some(chunk) = chunk else { break };
                    content.extend_from_slice(&chunk);
                }
                refuse_or_answer(content.into(), &environ, start)
            })
        }),
        violation("reader-slow", || {
            in_tokio(|environ: Environ, start: StartResponse| async move {
                if environ.method() != Method::GET || environ.input().length() != BodyLength::Empty
                {
                    return conforming(environ, start).await;
                }
                let fields = [("content-type", "application/octet-stream")];
                let mut body = start.start(StatusCode::OK, fields)?;
                let begin = tokio::time::Instant::now();
                for _ in 0..3 {
                    body.write("a piece").await?;
                    if begin.elapsed() > Duration::from_secs(30) {
                        return Err(Error::application("the client is too slow"));
                    }
                }
                body.finish()
            })
        }),
        violation("calls-overlap", || {
            let busy = Arc::new(AtomicBool::new(false));
            simulator().run(move |environ: Environ, start: StartResponse| {
                let busy = Arc::clone(&busy);
                async move {
                    let guard = Busy(busy);
                    if guard.0.swap(true, Ordering::Relaxed) {
                        std::mem::forget(guard);
                        return Err(Error::application("one at a time"));
                    }
                    give_way().await;
                    conforming(environ, start).await
                }
            })
        }),
    ]
}

struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn in_tokio(application: impl Application) -> super::Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let idle = || tokio::time::sleep(Duration::from_secs(86_400));
    runtime.block_on(simulate_in(application, idle))
}

#[test]
fn a_conforming_application_is_found_clean() {
    let report = simulator().run(conforming);
    assert!(report.findings().is_empty(), "{report}");
    assert!(report.departures() > 200 && report.polls() > report.exchanges() / 2, "{report}");
}

#[test]
fn an_application_that_streams_is_found_clean() {
    let report = simulator().run(|mut environ: Environ, start: StartResponse| async move {
        let mut first = environ.input_mut().chunk().await?;
        let fields = [("content-type", "application/octet-stream")];
        let mut body = start.start(StatusCode::OK, fields)?;
        while let Some(chunk) = first {
            body.write(chunk).await?;
            body.flush().await?;
            first = environ.input_mut().chunk().await?;
        }
        body.write("the end").await?;
        body.finish()
    });
    assert!(report.conforms(), "{report}");
}

#[test]
fn an_application_on_timers_is_found_clean_inside_of_its_runtime() {
    let report = in_tokio(|environ: Environ, start: StartResponse| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        tokio::task::yield_now().await;
        tokio::spawn(async { tokio::time::sleep(Duration::from_secs(1)).await }).await?;
        conforming(environ, start).await
    });
    assert!(report.findings().is_empty(), "{report}");
}

#[test]
fn an_application_on_threads_is_found_clean() {
    fn blocking(environ: Environ, start: BlockingStartResponse) -> Result<Finished> {
        let mut environ = environ;
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut BlockingInput::from(environ.take_input()), &mut content)?;
        start.respond(StatusCode::OK, [("content-type", "text/plain")], content)
    }
    // A loaded machine may take its time; an application that stays on its threads is only waited for, not slowed.
    let report = super::super::Simulator::new()
        .patience(Duration::from_secs(5))
        .run(Blocking::new(blocking));
    assert!(report.conforms(), "{report}");
}
