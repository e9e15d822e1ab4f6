//! The table of phases against the exchange, and against the page of the specification.
//!
//! Rules of this room: what is expected comes out of the table; every way through it up to a length is walked, by itself and
//! with the lint in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{Method, StatusCode};
use http_body::Body;
use rwgi::protocol::{Event, Phase};
use rwgi::{
    Application, BodyWriter, Environ, Error, Exchange, Finished, OutcomeKind, Result, ServerInfo,
    Session, StartResponse, Tunnel,
};
use rwgi_conformance::lint::{Collector, Lint};
use rwgi_conformance::oracle;

/// An application that does what the events say, and waits where the server is to act.
#[derive(Clone)]
struct Walker {
    events: Arc<[Event]>,
    told: Arc<Mutex<Vec<OutcomeKind>>>,
}

enum Held {
    Token(StartResponse),
    Writer(BodyWriter),
    Finished(Finished),
    Tunnel(Tunnel),
    Nothing,
}

impl Application for Walker {
    async fn call(&self, _: Environ, mut start: StartResponse) -> Result<Finished> {
        let told = Arc::clone(&self.told);
        start.on_complete(move |outcome| told.lock().unwrap().push(outcome.kind()));
        let mut held = Held::Token(start);
        for event in self.events.iter() {
            held = match (event, held) {
                (Event::Respond, Held::Token(start)) => {
                    Held::Finished(start.respond(StatusCode::OK, (), "answer")?)
                }
                (Event::Start, Held::Token(start)) => {
                    Held::Writer(start.start(StatusCode::OK, ())?)
                }
                (Event::ReplaceHead, Held::Writer(mut writer)) => {
                    writer.replace_head(StatusCode::ACCEPTED, ())?;
                    Held::Writer(writer)
                }
                (Event::Write, Held::Writer(mut writer)) => {
                    writer.write("x").await?;
                    Held::Writer(writer)
                }
                (Event::Upgrade, Held::Token(start)) => Held::Tunnel(start.upgrade("walk", ())?),
                (Event::ReturnFinished, Held::Tunnel(tunnel)) => return Ok(tunnel.finish()),
                (Event::Finish, Held::Writer(writer)) => Held::Finished(writer.finish()?),
                (Event::DropWriter, Held::Writer(_)) => Held::Nothing,
                (Event::ReturnFinished, Held::Finished(finished)) => return Ok(finished),
                (Event::Fail, _) => return Err(Error::application("as the walk has it")),
                (Event::Cancel | Event::Discharge, held) => {
                    let _keep = held;
                    std::future::pending().await
                }
                (event, _) => panic!("{event:?} has no place in {:?}", self.events),
            };
        }
        std::future::pending().await
    }
}

/// What the server's half saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Whole,
    Refused,
    Cut,
    Dropped,
}

fn poll<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    // Whoever is still pending after so many polls waits for the server to act.
    (0..8).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

fn walk<A: Application>(application: Arc<A>, events: &[Event]) -> Seen {
    let method = if events.contains(&Event::Discharge) { Method::HEAD } else { Method::GET };
    let mut server = ServerInfo::default();
    server.capabilities.upgrade = true;
    let environ = Environ::builder()
        .server(server)
        .method(method)
        .header("connection", "upgrade")
        .header("upgrade", "walk")
        .build()
        .unwrap();
    let mut exchange = pin!(Exchange::new(application, environ));
    let response = match poll(exchange.as_mut()) {
        None => return Seen::Dropped,
        Some(Err(_)) => return Seen::Refused,
        Some(Ok(response)) => response,
    };
    let mut body = response.into_body();
    if let Some(Session::Tunnel(mut half)) = body.take_session() {
        return match poll(pin!(poll_fn(|cx| half.poll_application(cx)))) {
            None => Seen::Dropped,
            Some(()) => half.finish().map_or(Seen::Cut, |()| Seen::Whole),
        };
    }
    loop {
        match poll(pin!(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)))) {
            None => return Seen::Dropped,
            Some(None) => return Seen::Whole,
            Some(Some(Ok(_))) => {}
            Some(Some(Err(_))) => return Seen::Cut,
        }
    }
}

fn expected(end: Phase) -> (Seen, OutcomeKind) {
    match end {
        Phase::Completed => (Seen::Whole, OutcomeKind::Completed),
        Phase::Failed => (Seen::Refused, OutcomeKind::Failed),
        Phase::Aborted => (Seen::Cut, OutcomeKind::Failed),
        Phase::Cancelled => (Seen::Dropped, OutcomeKind::Cancelled),
        open => panic!("{open} is no end"),
    }
}

// Evidence: REQ-EXCH-05, REQ-EXCH-07, REQ-EXCH-10, REQ-EXCH-11, REQ-EXCH-12, REQ-EXCH-13, REQ-BODY-16, REQ-ERR-06, REQ-ERR-07
#[test]
fn every_way_through_the_table_ends_as_the_table_says() {
    let walks = oracle::walks(6);
    assert!(walks.len() > 50, "{}", walks.len());
    for events in walks {
        let walker = Walker { events: events.clone().into(), told: Arc::default() };
        let told = Arc::clone(&walker.told);
        let seen = walk(Arc::new(walker), &events);
        let (whole, outcome) = expected(oracle::run(&events).unwrap());
        assert_eq!(seen, whole, "{events:?}");
        assert_eq!(*told.lock().unwrap(), [outcome], "{events:?}");
    }
}

// Evidence: REQ-MID-08
#[test]
fn with_the_lint_in_between_every_way_ends_in_the_same_way() {
    for events in oracle::walks(6) {
        let walker = Walker { events: events.clone().into(), told: Arc::default() };
        let told = Arc::clone(&walker.told);
        let findings = Collector::new();
        let lint = Lint::with_sink(walker, findings.clone());
        poll(pin!(lint.startup(&ServerInfo::default()))).unwrap().unwrap();
        let seen = walk(Arc::new(lint), &events);
        let (whole, outcome) = expected(oracle::run(&events).unwrap());
        assert_eq!(seen, whole, "{events:?}");
        assert_eq!(*told.lock().unwrap(), [outcome], "{events:?}");
        // It has no Content-Type and drops its writer; the steps and the end are what matters here.
        let steps: Vec<_> = findings
            .findings()
            .into_iter()
            .filter(|finding| finding.rule.starts_with("end-"))
            .map(|finding| finding.to_string())
            .collect();
        assert!(steps.is_empty(), "{events:?}: {steps:?}");
    }
}

// Evidence: REQ-RESP-12
#[test]
fn a_head_is_replaced_where_the_table_has_it_and_refused_elsewhere() {
    for phase in [Phase::Started, Phase::Committed] {
        let before: &[Event] = match phase {
            Phase::Started => &[Event::Start],
            _ => &[Event::Start, Event::Write],
        };
        assert_eq!(oracle::run(before), Some(phase));
        let mut events = before.to_vec();
        events.extend([Event::ReplaceHead, Event::Fail]);
        let walker = Walker { events: events.clone().into(), told: Arc::default() };
        let told = Arc::clone(&walker.told);
        let seen = walk(Arc::new(walker), &events);
        // Refused, the error of `replace_head` is the failure.
        let has_place = phase.after(Event::ReplaceHead).is_some();
        assert_eq!(seen, if has_place { Seen::Refused } else { Seen::Cut });
        assert_eq!(*told.lock().unwrap(), [OutcomeKind::Failed]);
    }
}

#[test]
fn the_page_of_the_specification_is_what_the_table_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/src");
    for (name, made) in
        [("exchange-states.md", oracle::page()), ("exchange-states.svg", oracle::svg())]
    {
        let path = folder.join(name);
        if std::env::var_os("RWGI_BLESS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "{path:?} is stale: RWGI_BLESS=1 cargo test -p rwgi-conformance --test oracle"
        );
    }
}

#[test]
fn every_step_is_drawn() {
    let (mermaid, dot, svg) = (oracle::mermaid(), oracle::dot(), oracle::svg());
    for (phase, event, next) in oracle::steps().filter(|(_, event, _)| *event != Event::Cancel) {
        let drawn = |text: &str, arrow: &str| {
            text.lines().any(|line| {
                line.contains(&format!("{phase:?} {arrow} {next:?}"))
                    && line.contains(&format!("{event:?}"))
            })
        };
        assert!(drawn(&mermaid, "-->") && drawn(&dot, "->"), "{phase} {event:?} {next}");
        assert!(drawn(&svg, "--&gt;"), "{phase} {event:?} {next}");
    }
}
