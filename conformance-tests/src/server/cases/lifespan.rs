//! Chapter "Lifespan", the beginning: the application's startup, before the first exchange.
//!
//! Each case starts a server of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Endpoint, Environ, Error, Finished, ServerInfo, StartResponse};
use serde_json::Value;

use crate::honest::{Switch, Violation};
use crate::server::application::{MARK, MARK_VALUE, Startup, SuiteApplication};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-LIFE-01 to 05: startup.
    launched!(
        "startup-before-calls",
        "startup is called before the application is",
        "REQ-LIFE-01",
        |talk| {
            let application = SuiteApplication::new();
            let _running = talk.launch(application.clone())?;
            talk.answer("respond hello").control()?;
            let count = lifespan(&application, "startup");
            check(count > 0, "startup to be called", "it was not")
        },
        Violation::switch("does not call it", Switch::NoStartup)
    ),
    launched!(
        "startup-complete-before-calls",
        "A request that comes during startup is not answered before startup is complete",
        "REQ-LIFE-01",
        |talk| {
            let knocking = Arc::new(Knocking::default());
            let _running = talk.launch(Arc::clone(&knocking))?;
            talk.answer("").control()?;
            knocking.check(talk)
        },
        Violation::switch("serves during startup", Switch::ServesDuringStartup)
    ),
    launched!(
        "startup-once",
        "startup is called once, whatever follows",
        "REQ-LIFE-02",
        |talk| {
            let application = SuiteApplication::new();
            let _running = talk.launch(application.clone())?;
            for _ in 0..8 {
                talk.answer("respond hello").control()?;
            }
            let count = lifespan(&application, "startup");
            check(count == 1, "one call of startup", format!("{count} calls"))
        },
        Violation::switch("calls it twice", Switch::StartupTwice)
    ),
    launched!(
        "failed-startup-closes-door",
        "A server whose startup failed does not accept connections",
        "REQ-LIFE-03",
        |talk| stays_closed(talk, Knocking { fails: true, ..Knocking::default() }),
        Violation::switch("serves all the same", Switch::IgnoresFailedStartup)
    ),
    launched!(
        "panicked-startup-closes-door",
        "A server whose startup panicked does not accept connections",
        "REQ-LIFE-03",
        |talk| stays_closed(talk, Knocking { panics: true, ..Knocking::default() }),
        Violation::switch("serves all the same", Switch::IgnoresFailedStartup)
    ),
    launched!(
        "failed-startup-is-told",
        "A failed startup is reported to whoever started the server",
        "REQ-LIFE-04",
        |talk| startup_error(talk, Startup::Fails),
        Violation::switch("says nothing", Switch::IgnoresFailedStartup)
    ),
    launched!(
        "panicked-startup-is-told",
        "A startup that panicked is reported to whoever started the server",
        "REQ-LIFE-04",
        |talk| startup_error(talk, Startup::Panics),
        Violation::switch("says nothing", Switch::IgnoresFailedStartup)
    ),
    launched!(
        "endpoints-told",
        "startup is told the address at which the server listens, with the port that it has",
        "REQ-LIFE-05",
        |talk| {
            let application = SuiteApplication::new();
            let running = talk.launch(application.clone())?;
            let events = application.ledger().events("lifespan");
            let startup = events.iter().find(|event| event["event"] == "startup");
            let told = startup.map_or(Value::Null, |event| event["endpoints"].clone());
            let port = format!(":{}", running.address().port());
            let has = |one: &Value| one.as_str().is_some_and(|one| one.ends_with(&port));
            check(
                told.as_array().is_some_and(|told| told.iter().any(has)),
                format!("an endpoint with the port {port}"),
                told,
            )
        },
        Violation::switch("tells the port that it asked for", Switch::WrongEndpoint)
    ),
];

/// How often an event stands on the page of the lifespan.
pub(super) fn lifespan(application: &SuiteApplication, event: &str) -> usize {
    application.ledger().events("lifespan").iter().filter(|one| one["event"] == event).count()
}

fn startup_error(talk: &mut Talk<'_>, startup: Startup) -> Held {
    drop(talk.launch(SuiteApplication::new()).control()?);
    let result = talk.launch(SuiteApplication::new().with_startup(startup));
    check(result.is_err(), "the start to fail", "the server started")
}

/// An application whose startup sends a request to its own server before it is complete.
#[derive(Default)]
struct Knocking {
    fails: bool,
    panics: bool,
    complete: AtomicBool,
    calls: AtomicUsize,
    early: AtomicBool,
    knocked: Mutex<Option<TcpStream>>,
    address: Mutex<Option<std::net::SocketAddr>>,
}

impl Knocking {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Nothing was answered early, and whoever knocked early is answered now or sees the connection end.
    fn check(&self, talk: &Talk<'_>) -> Held {
        let early = self.early.load(Ordering::SeqCst);
        check(!early, "nobody to be served before startup was complete", "somebody was")?;
        let knocked = self.knocked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = knocked else { return Ok(()) };
        let _ = stream.set_read_timeout(Some(talk.deadline()));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let accepted = !answer.is_empty();
        check(
            !accepted || self.complete.load(Ordering::SeqCst),
            "no answer of a server whose startup failed",
            crate::server::wire::escape(&answer),
        )
    }
}

impl Application for Knocking {
    async fn call(&self, _: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if !self.complete.load(Ordering::SeqCst) {
            self.early.store(true, Ordering::SeqCst);
        }
        start.respond(StatusCode::OK, [(MARK, MARK_VALUE)], "called")
    }

    async fn startup(&self, server: &ServerInfo) -> rwgi::Result<()> {
        let address = server.endpoints.iter().find_map(Endpoint::socket_addr);
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
        // A server may not listen yet: then there is nobody to be served early.
        let connect = |address| TcpStream::connect_timeout(&address, Duration::from_millis(200));
        if let Some(Ok(mut stream)) = address.map(connect) {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
            let mut octet = [0];
            let served = stream.peek(&mut octet).is_ok_and(|count| count > 0);
            self.early.fetch_or(served, Ordering::SeqCst);
            *self.knocked.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        }
        if self.fails {
            return Err(Error::application("startup was told to fail"));
        }
        if self.panics {
            crate::server::application::intended_panic("in startup");
        }
        self.complete.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// The application is served where its startup succeeds, and nobody is where it does not.
fn stays_closed(talk: &mut Talk<'_>, knocking: Knocking) -> Held {
    let running = talk.launch(SuiteApplication::new()).control()?;
    talk.answer("respond hello").control()?;
    drop(running);
    let knocking = Arc::new(knocking);
    let result = talk.launch(Arc::clone(&knocking));
    knocking.check(talk)?;
    check(knocking.calls() == 0, "no call of the application", "it was called")?;
    refused(talk, &knocking)?;
    drop(result);
    Ok(())
}

/// Nobody answers at the address that startup was told.
fn refused(talk: &Talk<'_>, knocking: &Knocking) -> Held {
    let address = *knocking.address.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(address) = address else { return Ok(()) };
    let Ok(mut stream) = TcpStream::connect_timeout(&address, talk.deadline()) else {
        return Ok(());
    };
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    check(
        answer.is_empty(),
        "a server whose startup failed to have closed its door",
        crate::server::wire::escape(&answer),
    )
}
