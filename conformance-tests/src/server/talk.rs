//! What a case talks with: connections, the ledger, gates, and the usual moves.
//!
//! Rules of this room: a move checks what it says and names what it expected; a negative move has its positive
//! control before it; each case has a tag of its own, so that cases run side by side.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rwgi::Application;
use serde_json::Value;

use super::failure::{Failure, Held, Of, check};
use super::subject::{RunningServer, Subject};
use super::wire::{Response, Transcript, Wire};

/// One case's conversation.
#[derive(Debug)]
pub struct Talk<'a> {
    subject: &'a Subject,
    address: SocketAddr,
    authority: String,
    tag: String,
    transcript: Transcript,
    connections: usize,
}

/// Tags are told apart by the process and a number.
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl<'a> Talk<'a> {
    pub(super) fn new(subject: &'a Subject, id: &str, transcript: Transcript) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            subject,
            address: subject.address,
            authority: subject.authority.clone(),
            tag: format!("{id}.{}.{number}", std::process::id()),
            transcript,
            connections: 0,
        }
    }

    /// The server that is judged.
    pub fn subject(&self) -> &Subject {
        self.subject
    }

    /// Host and port, as they stand in Host.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The address that connections go to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of this case's page of the ledger; `{tag}` in what is sent.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Goes on under another tag: on a new page, with closed gates.
    pub fn turn_page(&mut self) {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (case, _) = self.tag.rsplit_once('.').unwrap_or((&self.tag, ""));
        self.tag = format!("{case}.{number}");
    }

    /// A new connection.
    ///
    /// # Errors
    /// The server does not accept it.
    pub fn connect(&mut self) -> Held<Wire> {
        self.connections += 1;
        let mut wire = Wire::connect(
            self.address,
            self.connections,
            self.subject.deadline,
            self.transcript.clone(),
            [("{host}", self.authority.clone()), ("{tag}", self.tag.clone())],
        )?;
        wire.once = self.subject.runs_once();
        Ok(wire)
    }

    /// Sends a text on a new connection and reads the whole response.
    ///
    /// # Errors
    /// There is none, or it is not well formed.
    pub fn request(&mut self, text: &str) -> Held<Response> {
        self.connect()?.request(text)
    }

    /// Performs a script by GET on a new connection.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn play(&mut self, script: &str) -> Held<Response> {
        self.request(&get(script))
    }

    /// [`play`](Self::play), where the answer has to be the application's: a control for checks that an empty answer would pass.
    ///
    /// # Errors
    /// As [`request`](Self::request), or the server answered by itself.
    pub fn answer(&mut self, script: &str) -> Held<Response> {
        let response = self.play(script)?;
        check(
            response.is_of_application(),
            "the suite's application to answer",
            format!("status {} without its mark", response.head.status),
        )
        .control()?;
        Ok(response)
    }

    /// The application's report of a request that is sent on a new connection.
    ///
    /// # Errors
    /// The answer is not a report.
    pub fn report(&mut self, text: &str) -> Held<Value> {
        let response = self.request(text)?;
        response.status(200)?;
        response.json()
    }

    /// The events of this case's page.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn events(&mut self) -> Held<Vec<Event>> {
        self.page("GET /ledger/{tag} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    }

    /// Waits until the page holds an event of this name, and gives the page.
    ///
    /// # Errors
    /// It does not within the deadline.
    pub fn await_event(&mut self, name: &str) -> Held<Vec<Event>> {
        self.await_events(name, 1)
    }

    /// Waits until the page holds `count` events of this name, and gives the page.
    ///
    /// # Errors
    /// It does not within the deadline.
    pub fn await_events(&mut self, name: &str, count: usize) -> Held<Vec<Event>> {
        let text = format!(
            "GET /ledger/{{tag}}?await={name}&count={count} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"
        );
        self.page(&text).map_err(|mut failure| {
            failure.expected = format!("the application to see the event `{name}`");
            failure
        })
    }

    /// The ledger and the gates live in the application's process: a server that has one for each exchange cannot show them.
    ///
    /// A case whose application blocks at a gate asks before its first request: nobody could open that gate, nor end that process.
    ///
    /// # Errors
    /// There is a process for each exchange.
    pub fn one_process(&self) -> Held {
        if self.subject.runs_once() {
            return Err(Failure::skip(
                "each exchange has a process of its own here (`run_once`), and what this case looks at lives in one",
            ));
        }
        Ok(())
    }

    fn page(&mut self, text: &str) -> Held<Vec<Event>> {
        self.one_process()?;
        let json = self.report(text)?;
        let events = json["events"].as_array().cloned().unwrap_or_default();
        Ok(events.into_iter().map(Event).collect())
    }

    /// A connection on which the ledger will answer when the event has come; for events that must not come.
    ///
    /// # Errors
    /// The connection cannot be made.
    pub fn watch(&mut self, name: &str) -> Held<Wire> {
        self.one_process()?;
        let mut wire = self.connect()?;
        wire.send(&format!("GET /ledger/{{tag}}?await={name} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"))?;
        Ok(wire)
    }

    /// Opens a gate of this case.
    ///
    /// # Errors
    /// The request is not answered.
    pub fn open_gate(&mut self, name: &str) -> Held {
        self.one_process()?;
        let text = format!("GET /gate/{{tag}}/{name} HTTP/1.1\r\nHost: {{host}}\r\n\r\n");
        self.request(&text)?.status(200)
    }

    /// Fails unless the application was called this many times.
    ///
    /// # Errors
    /// It was called more or less often.
    pub fn called(&mut self, times: usize) -> Held {
        let events = self.events()?;
        let count = events.iter().filter(|event| event.is("called")).count();
        check(
            count == times,
            format!("the application to be called {times} times"),
            format!("it was called {count} times"),
        )
    }

    /// The move of most negative cases: on one connection a plain request is answered by the application; then `bad`, which carries
    /// `{tag}` somewhere, is answered by the server alone with one of the statuses.
    ///
    /// # Errors
    /// It is answered otherwise, or the application saw it (REQ-HTTP-02).
    pub fn refused(&mut self, bad: &str, statuses: &[u16]) -> Held<Wire> {
        let mut wire = self.connect()?;
        self.control(&mut wire)?;
        wire.send(bad)?;
        let method = bad.split(' ').next().unwrap_or("GET");
        let response = wire.response_to(method)?;
        response.head.status_of(statuses)?;
        check(
            !response.is_of_application(),
            "an error response of the server's own",
            "a response of the application",
        )
        .of("REQ-HTTP-02")?;
        self.called(0).of("REQ-HTTP-02")?;
        Ok(wire)
    }

    /// A request with nothing unusual is answered by the application, on this connection.
    ///
    /// # Errors
    /// It is not, which is a failure of the control.
    pub fn control(&mut self, wire: &mut Wire) -> Held {
        let plain = "GET /control HTTP/1.1\r\nHost: {host}\r\nX-Play: respond control\r\n\r\n";
        let response = wire.request(plain).control()?;
        response.body("control").control()?;
        let from = response.is_of_application();
        check(from, "the suite's application to answer", "a response without its mark").control()
    }

    /// Starts a server of its own for this case; what is sent from now on goes to it.
    ///
    /// # Errors
    /// It does not start.
    pub fn launch(&mut self, application: impl Application) -> Held<RunningServer> {
        // A start that panics has told whoever started the server as well.
        let running = catch_unwind(AssertUnwindSafe(|| self.subject.launch(application)))
            .unwrap_or_else(|_| Err("the start panicked".into()))
            .map_err(|error| Failure::new("the server to start", error.to_string()))?;
        self.address = running.address();
        self.authority = running.address().to_string();
        Ok(running)
    }

    /// How long a wait may take.
    pub fn deadline(&self) -> Duration {
        self.subject.deadline
    }

    /// Says something on the transcript.
    pub fn note(&self, text: &str) {
        self.transcript.note(0, text);
    }
}

/// The text of a GET request that performs a script.
pub fn get(script: &str) -> String {
    message("GET", script, "", "")
}

/// The text of a request that performs a script, with further field lines (each with its CRLF) and a body.
pub fn message(method: &str, script: &str, fields: &str, body: &str) -> String {
    format!(
        "{method} / HTTP/1.1\r\nHost: {{host}}\r\nX-Tag: {{tag}}\r\nX-Play: {script}\r\n{fields}\r\n{body}"
    )
}

/// One event of the ledger.
#[derive(Clone, Debug)]
pub struct Event(Value);

impl Event {
    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.0["event"] == name
    }

    /// A detail of it.
    pub fn get(&self, detail: &str) -> &Value {
        &self.0[detail]
    }
}
