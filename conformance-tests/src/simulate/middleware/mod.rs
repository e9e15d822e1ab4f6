//! The stage for middleware: the simulator stands on both sides of it.
//!
//! Rules of this room: inside is a specimen that does what a role says and remembers what it saw; outside is the lint and the scripted
//! client; each scenario compares the two.

mod specimen;

use std::sync::Arc;

use http::{Method, StatusCode};
use rwgi::{Application, BodyLength, Fault, OutcomeKind, SharedApplication};

use self::specimen::{Booth, Role, Specimen};
use super::Simulator;
use super::catalogue::middleware as tried;
use super::drive::{Answer, End, Manner, Run, departures};
use super::hand::{Alarm, Pace, wait_for};
use super::report::Report;
use super::request::{Piece, Request, data, server_info};
use super::scenario::Scenario;
use crate::lint::{Collector, Lint};

struct Stage<'a, M> {
    simulator: &'a Simulator,
    booth: Arc<Booth>,
    application: Arc<Lint<M>>,
    heard: Collector,
    pace: Pace,
    report: Report,
}

/// More than this taken from a body of which one piece was asked for is no bounded buffer.
const BOUND: usize = 8 << 20;

/// Plays every scenario for middleware.
pub(super) async fn play<M: Application>(
    simulator: &Simulator,
    around: impl Fn(SharedApplication) -> M,
    pace: Pace,
) -> Report {
    let heard = Collector::new();
    let booth = Arc::new(Booth::default());
    let inner = SharedApplication::new(Specimen(Arc::clone(&booth)));
    let lint = simulator
        .allowed
        .iter()
        .chain(&["life-capabilities"])
        .fold(Lint::with_sink(around(inner), heard.clone()), |lint, slug| lint.allow(slug));
    let failing = Arc::new(Booth::failing());
    let unstarted = around(SharedApplication::new(Specimen(failing)));
    let application = Arc::new(lint);
    let mut stage = Stage { simulator, booth, application, heard, pace, report: Report::default() };
    stage.play_all(unstarted).await;
    stage.report
}

impl<M: Application> Stage<'_, M> {
    async fn play_all(&mut self, unstarted: M) {
        self.report.scenarios = tried::ALL
            .iter()
            .filter(|scenario| !self.simulator.allowed.contains(&scenario.slug))
            .count();
        let server = server_info();
        if !matches!(self.wait_for(unstarted.startup(&server)).await, Some(Err(_))) {
            self.tell(&tried::LIFESPAN, "the inner `startup` failed and the outer did not");
        }
        let application = Arc::clone(&self.application);
        let started = self.wait_for(application.startup(&server)).await;
        if !matches!(started, Some(Ok(()))) || self.booth.startups() != 1 {
            self.tell(&tried::LIFESPAN, "`startup` did not reach the inner application");
        }
        self.requests().await;
        self.responses().await;
        self.failures().await;
        self.departures().await;
        self.wait_for(application.shutdown()).await;
        if self.booth.shutdowns() != 1 {
            self.tell(&tried::LIFESPAN, "`shutdown` did not reach the inner application");
        }
        for mut finding in self.heard.take() {
            finding.scenario = Some("middleware");
            self.report.add(finding);
        }
    }

    /// What of a request reaches the inner application.
    async fn requests(&mut self) {
        const PATH: &str = "/a//b%20c/%2e%2E/caf%C3%A9";
        self.run(Role::Content, &Request::get(PATH)).await;
        if let Some(seen) = self.booth.take_seen() {
            if seen.path != PATH {
                self.tell(&tried::PATH, &format!("{PATH} became {}", seen.path));
            }
            if !seen.extension {
                self.tell(&tried::EXTENSIONS, "an extension of the environ was lost");
            }
        }
        for upload in [
            Request::post("/").exact(vec![data("0123456789")]),
            Request::post("/").chunked(vec![data("0123456789")]),
        ] {
            self.run(Role::Content, &upload).await;
            if let Some(seen) = self.booth.take_seen()
                && !match seen.length {
                    BodyLength::Exact(length) => seen.content_length == Some(length),
                    BodyLength::Empty => seen.content_length.is_none_or(|length| length == 0),
                    BodyLength::Unknown => seen.content_length.is_none(),
                }
            {
                let what = format!(
                    "`length()` is {:?} and Content-Length {:?}",
                    seen.length, seen.content_length
                );
                self.tell(&tried::LENGTH, &what);
            }
        }
        self.run(Role::Content, &Request::get("/").bare()).await;
        if let Some(seen) = self.booth.take_seen()
            && !seen.capabilities.is_empty()
        {
            let names = seen.capabilities.join(", ");
            self.tell(
                &tried::CAPABILITIES,
                &format!("a server without any was shown with {names}"),
            );
        }
    }

    /// What of a response comes out.
    async fn responses(&mut self) {
        let get = self.run(Role::Content, &Request::get("/")).await;
        let head = self.run(Role::Content, &Request::new(Method::HEAD, "/")).await;
        if let (Some(get), Some(head)) = (get, head) {
            let told = head.fields.get("content-length").and_then(|value| value.to_str().ok());
            let given = get.content.len().to_string();
            if let Some(told) = told.filter(|told| *told != given && get.end == End::Whole) {
                let what = format!("HEAD tells {told} bytes and GET gives {given}");
                self.tell(&tried::HEAD_LENGTH, &what);
            }
        }
        if let Some(answer) = self.run(Role::Trailers, &Request::get("/")).await
            && answer.end == End::Whole
            && !answer.trailers.is_some_and(|trailers| trailers.contains_key("x-checksum"))
        {
            self.tell(&tried::TRAILERS, "the trailers of the inner body were lost");
        }
        let waiting = Request::post("/").chunked(vec![data("go"), Piece::Stall]);
        if let Some(answer) = self.run(Role::Trickle, &waiting).await
            && answer.end == End::Stuck
            && answer.content.is_empty()
        {
            self.tell(&tried::BOUNDARIES, "a piece was held back until the next one came");
        }
        self.booth.play(Role::Endless);
        if let Some(mut run) = Run::new(&self.application, &Request::get("/")) {
            while !run.has_content() && !run.is_over() {
                let before = run.polls();
                run.go(&self.pace, Manner::Quick, Some(before + 1)).await;
            }
            if self.pace.is_hosted() && !run.is_over() {
                self.pace.rest().await;
            }
            let written = self.booth.written();
            if written > BOUND {
                let what = format!("{written} bytes were taken where one piece was asked for");
                self.tell(&tried::BACKPRESSURE, &what);
            }
            self.finish(run).await;
        }
    }

    async fn failures(&mut self) {
        if let Some(answer) = self.run(Role::FailLate, &Request::get("/")).await {
            let hidden = answer.end == End::Whole
                && answer.status.is_some_and(|status| !status.is_server_error());
            if hidden {
                self.tell(&tried::FAILURE, "the inner body failed and the response is whole");
            }
        }
        if let Some(answer) = self.run(Role::FailEarly, &Request::get("/")).await {
            let kept = answer.status == Some(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS)
                && answer.fault.is_none_or(|fault| fault == Fault::Client);
            if !kept {
                let what = format!(
                    "the client's fault of status 451 became {:?} of {:?}",
                    answer.status, answer.fault
                );
                self.tell(&tried::ERROR, &what);
            }
        }
    }

    /// Each role again, dropped at each poll.
    async fn departures(&mut self) {
        for role in [Role::Content, Role::Trailers, Role::Hold, Role::FailLate, Role::FailEarly] {
            let request = if role == Role::Hold {
                Request::post("/").chunked(vec![data("go"), Piece::Stall])
            } else {
                Request::get("/")
            };
            let Some(whole) = self.run(role, &request).await else { continue };
            self.check_end(role, &whole).await;
            for polls in departures(whole.polls) {
                self.booth.play(role);
                let Some(mut run) = Run::new(&self.application, &request) else { continue };
                run.go(&self.pace, Manner::Quick, Some(polls)).await;
                let answer = self.finish(run).await;
                self.check_end(role, &answer).await;
            }
        }
    }

    /// After an exchange: is the inner one over too, and was its end told?
    async fn check_end(&mut self, role: Role, answer: &Answer) {
        if self.booth.under_way() > 0 {
            self.pace.rest().await;
        }
        if self.booth.under_way() > 0 {
            let what = format!("dropped at poll {}, and the inner future lives on", answer.polls);
            self.tell(&tried::CANCEL, &what);
            return;
        }
        let (calls, outcomes) = self.booth.take_outcomes();
        if outcomes.len() != calls {
            let what = format!("{} callbacks were run for {calls} calls", outcomes.len());
            self.tell(&tried::CALLBACKS, &what);
        } else if role == Role::Hold && outcomes.contains(&OutcomeKind::Completed) {
            self.tell(&tried::CALLBACKS, "a dropped exchange was told to be complete");
        }
    }

    async fn run(&mut self, role: Role, request: &Request) -> Option<Answer> {
        self.booth.play(role);
        let mut run = Run::new(&self.application, request)?;
        run.go(&self.pace, Manner::Quick, None).await;
        Some(self.finish(run).await)
    }

    async fn finish(&mut self, run: Run) -> Answer {
        let answer = run.finish(&self.pace, false).await;
        self.report.exchanges += 1;
        self.report.polls += answer.polls;
        self.report.departures += usize::from(answer.end == End::Dropped);
        answer
    }

    async fn wait_for<F: Future>(&self, future: F) -> Option<F::Output> {
        wait_for(&self.pace, &Alarm::new(), future).await
    }

    fn tell(&mut self, scenario: &Scenario, what: &str) {
        if !self.simulator.allowed.contains(&scenario.slug) {
            self.report.add(scenario.finding(String::new(), what.to_owned()));
        }
    }
}
