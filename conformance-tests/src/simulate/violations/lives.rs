//! Applications that fail over time: at startup, after a departure, between two polls, beside another call.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use http::{Method, StatusCode};
use rwgi::{
    Application, Blocking, BlockingInput, BlockingStartResponse, BodyLength, Environ, Error,
    Finished, Result, ServerInfo, StartResponse,
};

use super::super::drive::{Answer, End, Remains};
use super::super::simulate_in;
use super::applications::{conforming, refuse_or_answer};
use super::{Violation, simulator, violation};

pub(super) fn all() -> Vec<Violation> {
    let mut all = whole();
    all.extend(clients());
    all
}

/// What a stream of events says of itself.
const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream")];

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
        violation("paths", || simulator().path("/a b").run(conforming)),
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
        violation("server-stops", || {
            simulator().run(|environ: Environ, start: StartResponse| async move {
                if environ.query() != Some("a=b=c") {
                    return conforming(environ, start).await;
                }
                let mut body = start.start(StatusCode::OK, EVENTS)?;
                body.write("data: nothing follows\n\n").await?;
                std::future::pending().await
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

/// Large, so that soon there is more than the simulator has patience for.
fn tick() -> String {
    "data: tick\n\n".repeat(8192)
}

/// What a stream of events does that hears of a stop: it waits for that, or asks between two pieces.
async fn events(environ: Environ, start: StartResponse, asks: bool) -> Result<Finished> {
    let mut body = start.start(StatusCode::OK, EVENTS)?;
    while asks && !environ.stopping().is_stopping() {
        body.write(tick()).await?;
    }
    body.flush().await?;
    environ.stopping().wait().await;
    body.write("event: bye\ndata: the server stops\n\n").await?;
    body.finish()
}

#[test]
fn a_stream_that_ends_when_the_server_stops_is_found_clean() {
    for asks in [false, true] {
        let report = simulator().run(move |environ: Environ, start: StartResponse| async move {
            match environ.query() {
                Some("a=b=c") => events(environ, start, asks).await,
                _ => conforming(environ, start).await,
            }
        });
        assert!(report.findings().is_empty(), "{report}");
    }
}

#[test]
fn a_stream_that_never_asks_is_told_of_though_its_client_always_has_more_to_read() {
    let report = simulator().run(|environ: Environ, start: StartResponse| async move {
        if environ.query() != Some("a=b=c") {
            return conforming(environ, start).await;
        }
        let mut body = start.start(StatusCode::OK, EVENTS)?;
        loop {
            body.write(tick()).await?;
        }
    });
    let names: Vec<_> = report.findings().iter().map(|finding| finding.rule).collect();
    assert_eq!(names, ["server-stops"], "{report}");
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
