//! The application that a server hosts while it is judged.
//!
//! Rules of this room: one application for all cases; it does what the request says, by a small script in the field `X-Play`, and
//! what it saw is read over HTTP as well, so that the same cases run against a server in another process or another language.
//! `APPLICATION.md` is the contract of it.

mod content;
mod ledger;
mod play;
mod report;
mod script;
mod session;

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};
use serde_json::json;

pub use self::ledger::Ledger;
pub(crate) use self::play::pattern;
pub(crate) use self::report::latin1;

/// The field in each response that the application gives: it tells them from those that the server makes by itself.
pub const MARK: &str = "x-application";
/// The value of [`MARK`].
pub const MARK_VALUE: &str = "rwgi-conformance";
/// The field that names the case's page of the ledger.
pub const TAG: &str = "x-tag";
/// The field that holds the script.
pub const PLAY: &str = "x-play";

/// The suite's application.
#[derive(Clone, Debug, Default)]
pub struct SuiteApplication {
    ledger: Arc<Ledger>,
    /// What `startup` is to do instead of succeeding.
    startup: Startup,
}

/// How `startup` ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// It succeeds.
    #[default]
    Succeeds,
    /// It returns an error.
    Fails,
    /// It panics.
    Panics,
}

impl SuiteApplication {
    /// An application with an empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another `startup`.
    #[must_use]
    pub fn with_startup(mut self, startup: Startup) -> Self {
        self.startup = startup;
        self
    }

    /// What it saw; the page `lifespan` holds its startup and shutdown.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    async fn ledger_page(
        &self,
        environ: &Environ,
        start: StartResponse,
        tag: &str,
    ) -> Result<Finished> {
        let awaited = parameter(environ, "await");
        let count = parameter(environ, "count").and_then(|count| count.parse().ok()).unwrap_or(1);
        if let Some(event) = awaited {
            self.ledger.wait(tag, &event, count).await;
        }
        json_answer(start, &self.ledger.page(tag))
    }
}

impl Application for SuiteApplication {
    async fn call(&self, mut environ: Environ, start: StartResponse) -> Result<Finished> {
        let path = environ.path_info().to_owned();
        if let Some(tag) = path.strip_prefix("/ledger/") {
            return self.ledger_page(&environ, start, tag).await;
        }
        if let Some((tag, name)) = path.strip_prefix("/gate/").and_then(|rest| rest.split_once('/'))
        {
            self.ledger.open(tag, name);
            return json_answer(start, &json!({ "open": name }));
        }
        let tag = field(&environ, TAG).or_else(|| parameter(&environ, "tag"));
        let script = field(&environ, PLAY);
        let page = self.ledger.visit(tag.as_deref(), &environ);
        match script {
            Some(script) => play::perform(environ, start, page, script::parse(&script)?).await,
            None => {
                let read = report::read(&mut environ).await?;
                let report = report::report(&environ, Some(&read));
                page.returned(true);
                json_answer(start, &report)
            }
        }
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        let endpoints: Vec<String> = server.endpoints.iter().map(ToString::to_string).collect();
        let capabilities: Vec<&str> = server.capabilities().names().collect();
        let seen = json!({ "endpoints": endpoints, "capabilities": capabilities });
        self.ledger.note("lifespan", "startup", seen);
        match self.startup {
            Startup::Succeeds => Ok(()),
            Startup::Fails => {
                Err(Error::application("the suite's application was told to fail its startup"))
            }
            Startup::Panics => intended_panic("in startup"),
        }
    }

    async fn shutdown(&self) {
        self.ledger.note("lifespan", "shutdown", json!({}));
    }
}

/// The text by which [`quiet_panics`] knows a panic that belongs to a case.
const INTENDED: &str = "a panic that the suite intends";

#[expect(clippy::panic, reason = "to panic is what the case asks for")]
pub(crate) fn intended_panic(place: &str) -> ! {
    panic!("{INTENDED}: {place}")
}

/// Keeps the panics that cases cause off the terminal; all others are reported as before.
pub fn quiet_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>().map(String::as_str);
        if !text.is_some_and(|text| text.starts_with(INTENDED)) {
            before(info);
        }
    }));
}

/// The value of a request field, each octet as a character.
fn field(environ: &Environ, name: &'static str) -> Option<String> {
    let name = HeaderName::from_static(name);
    environ.headers().get(name).map(|value| latin1(value.as_bytes()))
}

/// A parameter of the query; its value stands for itself, without escapes.
fn parameter(environ: &Environ, name: &str) -> Option<String> {
    let query = environ.query()?;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value.to_owned())
}

/// Answers 200 with JSON.
fn json_answer(start: StartResponse, value: &serde_json::Value) -> Result<Finished> {
    let fields = [("content-type", "application/json"), (MARK, MARK_VALUE)];
    start.respond(StatusCode::OK, fields, value.to_string())
}
