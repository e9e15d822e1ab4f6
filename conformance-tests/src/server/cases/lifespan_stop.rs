//! Chapter "Lifespan", the end: a server that is told to stop, and the application's shutdown.
//!
//! Each case starts a server of its own and stops it; it knows that the server was told to stop by its closed door.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::honest::{Switch, Violation};
use crate::server::application::{Startup, SuiteApplication};
use crate::server::case::Case;
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::subject::RunningServer;
use crate::server::talk::{Talk, get, message};

use super::lifespan::lifespan;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-LIFE-06 to 10: stopping.
    launched!(
        "stopping-closes-door",
        "A server that was told to stop accepts no connection",
        "REQ-LIFE-06",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; respond hello"))?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)
        },
        Violation::switch("goes on accepting", Switch::AcceptsWhileStopping)
    ),
    launched!(
        "grace-for-waiting",
        "An exchange that waits when the server is told to stop gets its answer",
        "REQ-LIFE-07",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; respond hello"))?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.wire.quiet(UNTOUCHED)?;
            stopping.open();
            stopping.wire.response()?.body("hello")?;
            stopping.stopped(talk).map(drop)
        },
        Violation::switch("cuts it off", Switch::NoGrace)
    ),
    launched!(
        "grace-for-streaming",
        "A response that is half sent when the server is told to stop is completed",
        "REQ-LIFE-07",
        |talk| {
            let script = "start; write a; flush; gate g; write b; finish";
            let mut stopping = Stopping::begin(talk, &get(script))?;
            stopping.wire.head()?.status(200)?;
            stopping.wire.body(1)?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.wire.quiet(UNTOUCHED)?;
            stopping.open();
            stopping.wire.rest()?.body("ab")?;
            stopping.stopped(talk).map(drop)
        },
        Violation::switch("cuts it off", Switch::NoGrace)
    ),
    launched!(
        "grace-for-upload",
        "A body that is half sent when the server is told to stop is read to its end",
        "REQ-LIFE-07",
        |talk| {
            let fields = "Content-Length: 5\r\n";
            let request = message("POST", "read-chunk; read; respond done", fields, "he");
            let mut stopping = Stopping::begin(talk, &request)?;
            talk.await_event("chunk")?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.wire.quiet(UNTOUCHED)?;
            stopping.wire.send("llo")?;
            stopping.wire.response()?.body("done")?;
            stopping.stopped(talk).map(drop)
        },
        Violation::switch("cuts it off", Switch::NoGrace)
    ),
    launched!(
        "stopping-closes-idle",
        "Connections without an exchange are closed when the server is told to stop",
        "REQ-LIFE-08",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; respond hello"))?;
            let mut kept = talk.connect()?;
            talk.control(&mut kept)?;
            let mut silent = talk.connect()?;
            // One that was accepted later tells that this one was accepted.
            talk.answer("respond hello").control()?;
            stopping.tell(talk, LONG)?;
            kept.ended()?;
            silent.ended().map(drop)
        },
        Violation::switch("keeps them", Switch::KeepsIdle)
    ),
    launched!(
        "stopping-says-close",
        "A response whose head is committed after the server was told to stop says Connection: close",
        "REQ-LIFE-09",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; respond hello"))?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.wire.quiet(UNTOUCHED)?;
            stopping.open();
            let response = stopping.wire.response()?;
            response.body("hello")?;
            check(response.head.has_connection("close"), "Connection: close", "no such option")
        },
        Violation::switch("does not say it", Switch::NoCloseWhileStopping)
    ),
    launched!(
        "outlasting-is-cut",
        "A response that outlasts the period of grace is cut visibly",
        "REQ-LIFE-10",
        |talk| {
            let script = "start; write a; flush; note waiting; wait-for-ever";
            let mut stopping = Stopping::begin(talk, &get(script))?;
            stopping.wire.head()?.status(200)?;
            stopping.wire.body(1)?;
            stopping.tell(talk, SHORT)?;
            let (ending, _) = stopping.wire.cut_or_complete()?;
            check(ending.is_some(), "a response that is visibly cut", "a complete one")?;
            stopping.stopped(talk).map(drop)
        },
        Violation::switch("waits for it", Switch::EndlessGrace)
    ),
    launched!(
        "outlasting-is-cancelled",
        "The callbacks of an exchange that outlasts the period of grace run with the outcome Cancelled",
        "REQ-LIFE-10",
        |talk| {
            let script = "complete a; note waiting; wait-for-ever";
            let mut stopping = Stopping::begin(talk, &get(script))?;
            stopping.tell(talk, SHORT)?;
            stopping.stopped(talk)?;
            let events = stopping.application.ledger().events(talk.tag());
            let outcome = events
                .iter()
                .find(|event| event["event"] == "complete")
                .map_or(Value::Null, |event| event["outcome"].clone());
            check(outcome == "cancelled", "the outcome cancelled", outcome)
        },
        Violation::switch("waits for it", Switch::EndlessGrace)
    ),
    // REQ-LIFE-11 to 13: shutdown.
    launched!(
        "shutdown-called",
        "shutdown is called once when the server stops",
        "REQ-LIFE-11",
        |talk| {
            let application = SuiteApplication::new();
            let running = talk.launch(application.clone())?;
            talk.answer("respond hello").control()?;
            stop(talk, running)?;
            let count = lifespan(&application, "shutdown");
            check(count == 1, "one call of shutdown", format!("{count} calls"))
        },
        Violation::switch("does not call it", Switch::NoShutdown)
    ),
    launched!(
        "shutdown-once",
        "shutdown is called once when the server stops with an exchange under way",
        "REQ-LIFE-11",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; respond hello"))?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.open();
            stopping.stopped(talk)?;
            let count = lifespan(&stopping.application, "shutdown");
            check(count == 1, "one call of shutdown", format!("{count} calls"))
        },
        Violation::switch("calls it twice", Switch::ShutdownTwice)
    ),
    launched!(
        "shutdown-after-exchanges",
        "shutdown is called after the last exchange has ended",
        "REQ-LIFE-11",
        |talk| {
            let request = get("gate g; respond hello").replace("{tag}", "lifespan");
            let mut stopping = Stopping::begin(talk, &request)?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.wire.quiet(UNTOUCHED)?;
            stopping.application.ledger().open("lifespan", "g");
            stopping.stopped(talk)?;
            ends_with_shutdown(&stopping.application, "returned")
        },
        Violation::switch("calls it at once", Switch::ShutdownFirst)
    ),
    launched!(
        "shutdown-after-cancelled",
        "shutdown is called after exchanges that outlasted the period of grace were cancelled",
        "REQ-LIFE-11",
        |talk| {
            let request = get("wait-for-ever").replace("{tag}", "lifespan");
            let mut stopping = Stopping::begin(talk, &request)?;
            stopping.tell(talk, SHORT)?;
            stopping.stopped(talk)?;
            ends_with_shutdown(&stopping.application, "dropped")
        },
        Violation::switch("calls it at once", Switch::ShutdownFirst)
    ),
    launched!(
        "no-shutdown-after-failed-startup",
        "shutdown is not called where startup failed",
        "REQ-LIFE-12",
        |talk| no_shutdown(talk, Startup::Fails),
        Violation::switch("calls it", Switch::ShutdownAfterFailedStartup)
    ),
    launched!(
        "no-shutdown-after-panicked-startup",
        "shutdown is not called where startup panicked",
        "REQ-LIFE-12",
        |talk| no_shutdown(talk, Startup::Panics),
        Violation::switch("calls it", Switch::ShutdownAfterFailedStartup)
    ),
    launched!(
        "stopped-in-time-or-not",
        "Whoever stops the server is told whether all exchanges ended within the period of grace",
        "REQ-LIFE-13",
        |talk| {
            let application = SuiteApplication::new();
            let running = talk.launch(application)?;
            talk.answer("respond hello").control()?;
            let in_time = stop(talk, running)?;
            check(in_time, "a stop in time", "one that was not").control()?;
            let mut stopping = Stopping::begin(talk, &get("wait-for-ever"))?;
            stopping.tell(talk, SHORT)?;
            let in_time = stopping.stopped(talk)?;
            check(!in_time, "to be told that an exchange did not end in time", "the contrary")
        },
        Violation::switch("says so whatever happened", Switch::AlwaysInTime)
    ),
    // REQ-LIFE-14 and 15: applications are told.
    launched!(
        "stream-told-to-stop",
        "A response without an end of its own hears that the server was told to stop, and can end in time",
        "REQ-LIFE-14",
        |talk| {
            let script = "start; write a; flush; stopping; write b; finish";
            let mut stopping = Stopping::begin(talk, &get(script))?;
            stopping.wire.head()?.status(200)?;
            stopping.wire.body(1)?;
            stopping.tell(talk, LONG)?;
            stopping.wire.rest()?.body("ab")?;
            let in_time = stopping.stopped(talk)?;
            check(in_time, "a stop in time", "one that was not")
        },
        Violation::connection("keeps it to itself", |connection| {
            Arc::make_mut(&mut connection.server).stopping = rwgi::Stopping::default();
        })
    ),
    launched!(
        "exchange-of-a-stopping-server",
        "An exchange that asks after the server was told to stop hears that it was",
        "REQ-LIFE-14",
        |talk| {
            let mut stopping = Stopping::begin(talk, &get("gate g; report"))?;
            stopping.tell(talk, LONG)?;
            stopping.await_closed_door(talk)?;
            stopping.open();
            let report = stopping.wire.response()?.json()?;
            let told = &report["stopping"];
            check(*told == true, "to be told that the server stops", told)
        },
        Violation::connection("keeps it to itself", |connection| {
            Arc::make_mut(&mut connection.server).stopping = rwgi::Stopping::default();
        })
    ),
    case!(
        "not-told-before",
        "An exchange of a server that was not told to stop hears nothing of the kind",
        ["REQ-LIFE-15"],
        |talk| {
            let report = talk.report(&get("report"))?;
            let told = &report["stopping"];
            check(*told == false, "not to be told that the server stops", told)
        },
        Violation::connection("says so from the beginning", |connection| {
            let notice = rwgi::StopNotice::new();
            notice.give();
            Arc::make_mut(&mut connection.server).stopping = notice.stopping();
        })
    ),
];

/// A period of grace that nothing in a case outlasts, and one that is outlasted.
pub(super) const LONG: Duration = Duration::from_secs(10);
pub(super) const SHORT: Duration = Duration::from_millis(50);

/// What is expected of an exchange while the server is about to stop.
const UNTOUCHED: &str = "the exchange to go on as before";

fn no_shutdown(talk: &mut Talk<'_>, startup: Startup) -> Held {
    let application = SuiteApplication::new();
    let running = talk.launch(application.clone())?;
    stop(talk, running)?;
    check(lifespan(&application, "shutdown") > 0, "shutdown to be called", "it was not")
        .control()?;
    let application = SuiteApplication::new().with_startup(startup);
    if let Ok(running) = talk.launch(application.clone()) {
        stop(talk, running)?;
    }
    let count = lifespan(&application, "shutdown");
    check(count == 0, "no call of shutdown", format!("{count} calls"))
}

/// On the page `lifespan`, shutdown is the last event and follows this one.
fn ends_with_shutdown(application: &SuiteApplication, before: &str) -> Held {
    let events = application.ledger().events("lifespan");
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    check(
        names == ["startup", "called", before, "shutdown"],
        format!("startup, called, {before}, shutdown, in this order"),
        names.join(", "),
    )
}

/// Stops a server without exchanges; whether that was in time.
fn stop(talk: &Talk<'_>, running: RunningServer) -> Held<bool> {
    let told = told_to_stop(running, LONG)?;
    stopped(talk, &told)
}

type Told = mpsc::Receiver<Option<bool>>;

fn told_to_stop(running: RunningServer, grace: Duration) -> Held<Told> {
    if !running.can_stop() {
        return Err(Failure::skip("the suite was given no way to stop this server"));
    }
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(running.stop(grace)));
    Ok(told)
}

fn stopped(talk: &Talk<'_>, told: &Told) -> Held<bool> {
    let answer = told.recv_timeout(talk.deadline());
    answer.map(|in_time| in_time.unwrap_or(true)).map_err(|_| {
        Failure::new(format!("the server to stop within {:?}", talk.deadline()), "it did not")
    })
}

/// A server with one exchange under way that is told to stop.
pub(super) struct Stopping {
    pub(super) application: SuiteApplication,
    tag: String,
    running: Option<RunningServer>,
    told: Option<Told>,
    /// The connection of the exchange.
    pub(super) wire: crate::server::wire::Wire,
}

impl Stopping {
    pub(super) fn begin(talk: &mut Talk<'_>, request: &str) -> Held<Self> {
        let application = SuiteApplication::new();
        let running = talk.launch(application.clone())?;
        let mut wire = talk.connect()?;
        wire.send(request)?;
        if request.contains("{tag}") {
            talk.await_event("called")?;
        } else {
            let page = "GET /ledger/lifespan?await=called HTTP/1.1\r\nHost: {host}\r\n\r\n";
            talk.request(page)?.status(200)?;
        }
        let tag = talk.tag().to_owned();
        Ok(Self { application, tag, running: Some(running), told: None, wire })
    }

    pub(super) fn tell(&mut self, talk: &Talk<'_>, grace: Duration) -> Held {
        if let Some(running) = self.running.take() {
            talk.note("the suite tells the server to stop");
            self.told = Some(told_to_stop(running, grace)?);
        }
        Ok(())
    }

    /// Lets the exchange go on; a server that stops cannot be asked to.
    pub(super) fn open(&self) {
        self.application.ledger().open(&self.tag, "g");
    }

    pub(super) fn stopped(&self, talk: &Talk<'_>) -> Held<bool> {
        self.told.as_ref().map_or(Ok(true), |told| stopped(talk, told))
    }

    /// Knocks until nobody answers.
    fn await_closed_door(&self, talk: &mut Talk<'_>) -> Held {
        let until = Instant::now() + talk.deadline();
        while Instant::now() < until {
            let Ok(mut wire) = talk.connect() else { return Ok(()) };
            wire.send("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            // A door that is only slow is open.
            let came = wire.pause(talk.deadline() / 2)?;
            if !came || !matches!(wire.response_or_end("GET"), Ok(Some(_))) {
                return Ok(());
            }
        }
        Err(Failure::new("a server that was told to stop to close its door", "it goes on serving"))
            .of("REQ-LIFE-06")
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        // A case that ends early leaves no exchange that waits.
        self.open();
        self.application.ledger().open("lifespan", "g");
    }
}
