//! The stage: plays the scenarios for applications.
//!
//! Rules of this room: one application, started once, plays everything, as in a process that serves all of it; a run that was told
//! about is not told about again.

use std::sync::Arc;

use http::Method;
use rwgi::Application;

use super::Simulator;
use super::catalogue::whole;
use super::drive::{Answer, End, Manner, Run, departures, lasting};
use super::hand::{Alarm, Pace, wait_for};
use super::report::Report;
use super::request::{Request, server_info};
use super::scenario::{Play, Scenario, applications};
use crate::lint::{Collector, Lint};

struct Stage<'a, A> {
    simulator: &'a Simulator,
    application: Arc<Lint<A>>,
    heard: Collector,
    pace: Pace,
    report: Report,
}

/// Plays every scenario with this application.
pub(crate) async fn play<A: Application>(
    simulator: &Simulator,
    application: A,
    pace: Pace,
) -> Report {
    let heard = Collector::new();
    let lint = simulator
        .allowed
        .iter()
        // The scenarios come from servers of different capabilities, all at once.
        .chain(&["life-capabilities"])
        .fold(Lint::with_sink(application, heard.clone()), |lint, slug| lint.allow(slug));
    let mut stage =
        Stage { simulator, application: Arc::new(lint), heard, pace, report: Report::default() };
    stage.play_all().await;
    stage.report
}

impl<A: Application> Stage<'_, A> {
    async fn play_all(&mut self) {
        if !self.start().await {
            return;
        }
        let mut paths = self.simulator.paths.clone();
        if paths.is_empty() {
            paths.push("/".to_owned());
        }
        // With none of them nothing would be asked, and nothing found.
        paths.retain(|path| {
            let right = Request::get(path).has_path();
            if !right {
                self.tell(&whole::PATHS, String::new(), format!("{path:?} is no path"));
            }
            right
        });
        for scenario in applications() {
            if self.simulator.allowed.contains(&scenario.slug) {
                continue;
            }
            self.report.scenarios += 1;
            for path in &paths {
                self.play_one(&scenario, path).await;
                self.collect(&scenario);
            }
        }
        self.stop().await;
    }

    async fn start(&mut self) -> bool {
        let application = Arc::clone(&self.application);
        let server = server_info();
        let started = wait_for(&self.pace, &Alarm::new(), application.startup(&server)).await;
        match started {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                self.tell(&whole::STARTUP, String::new(), format!("`startup` failed: {error}"));
                false
            }
            None => {
                self.tell(&whole::STARTUP, String::new(), "`startup` does not end".to_owned());
                false
            }
        }
    }

    async fn stop(&mut self) {
        let application = Arc::clone(&self.application);
        if wait_for(&self.pace, &Alarm::new(), application.shutdown()).await.is_none() {
            self.tell(&whole::SHUTDOWN, String::new(), "`shutdown` does not end".to_owned());
        }
        self.collect(&whole::SHUTDOWN);
    }

    async fn play_one(&mut self, scenario: &Scenario, path: &str) {
        match scenario.play {
            Play::Each(requests, judge) => {
                for request in self.prepare(requests(path)) {
                    let Some(answer) = self.run(&request, Manner::Quick, None).await else {
                        continue;
                    };
                    if let Some(what) = judge(&answer) {
                        self.tell(scenario, request.describe(), what);
                    }
                    // A client that stalls is waited for; everybody else has sent all.
                    if scenario.slug != "body-stalled" {
                        self.check_answered(&request, &answer).await;
                    }
                    self.compare_with_head(&request, &answer).await;
                    self.depart_everywhere(&request, &answer).await;
                }
            }
            Play::Alike(requests, manner) => {
                if manner == Manner::Slow && !self.pace.is_hosted() {
                    return;
                }
                for request in self.prepare(requests(path)) {
                    let quick = self.run(&request, Manner::Quick, None).await;
                    let other = self.run(&request, manner, None).await;
                    if let (Some(quick), Some(other)) = (quick, other)
                        && let Some(what) = unlike(&quick, &other, false)
                    {
                        self.tell(scenario, request.describe(), what);
                    }
                }
            }
            Play::Same(groups) => {
                for group in groups(path) {
                    self.compare_group(scenario, self.prepare(group)).await;
                }
            }
            Play::Overlap(requests) => {
                for request in self.prepare(requests(path)) {
                    self.overlap(scenario, &request).await;
                }
            }
            Play::Beside => {}
        }
    }

    fn prepare(&self, requests: Vec<Request>) -> Vec<Request> {
        let fields = &self.simulator.fields;
        requests.into_iter().map(|request| request.fields(fields)).collect()
    }

    /// Runs a request, and checks what holds of every run.
    async fn run(
        &mut self,
        request: &Request,
        manner: Manner,
        drop_after: Option<usize>,
    ) -> Option<Answer> {
        let mut run = Run::new(&self.application, request)?;
        run.go(&self.pace, manner, drop_after).await;
        Some(self.finish(run, request).await)
    }

    async fn finish(&mut self, run: Run, request: &Request) -> Answer {
        let search = !self.is_told(&whole::LEFT_ENVIRON) && !self.is_told(&whole::LEFT_INPUT);
        let answer = run.finish(&self.pace, search).await;
        self.report.exchanges += 1;
        self.report.polls += answer.polls;
        self.report.departures += usize::from(answer.end == End::Dropped);
        let after = || match answer.end {
            End::Dropped => format!("after the exchange was dropped at poll {}", answer.polls),
            _ => "after the exchange".to_owned(),
        };
        if answer.remains.environ {
            let what = format!("the environ is still held {}", after());
            self.tell(&whole::LEFT_ENVIRON, request.describe(), what);
        } else if answer.remains.input {
            let what = format!("the input is still held {}", after());
            self.tell(&whole::LEFT_INPUT, request.describe(), what);
        }
        if let Some(what) = answer.uncalled() {
            self.tell(&whole::CALLBACKS, request.describe(), format!("{what} {}", after()));
        }
        answer
    }

    /// What has no end is run again, and the server told to stop: a response that has begun may wait for that, as a stream of events does.
    async fn check_answered(&mut self, request: &Request, answer: &Answer) {
        let has_begun = answer.status.is_some();
        let scenario = if has_begun { &whole::STOPPING } else { &whole::ANSWERS };
        if !matches!(answer.end, End::Stuck | End::Endless) || self.is_told(scenario) {
            return;
        }
        let Some(told) = self.run(request, Manner::Stopping, None).await else { return };
        if matches!(told.end, End::Stuck | End::Endless) {
            let goes_on = if told.end == End::Stuck { "waits" } else { "goes on" };
            let what = format!(
                "it {goes_on} for ever after {} polls, whatever the server says",
                told.polls
            );
            self.tell(scenario, request.describe(), what);
        }
    }

    async fn compare_with_head(&mut self, request: &Request, get: &Answer) {
        if request.method != Method::GET || get.end != End::Whole || self.is_told(&whole::HEAD) {
            return;
        }
        let request = request.clone().method(Method::HEAD);
        let Some(head) = self.run(&request, Manner::Quick, None).await else { return };
        let length = |answer: &Answer| answer.fields.get("content-length").cloned();
        let what = if head.status != get.status {
            format!("GET is answered {:?} and HEAD {:?}", get.status, head.status)
        } else if lasting(&head.fields) != lasting(&get.fields) {
            let (get, head) = (lasting(&get.fields).len(), lasting(&head.fields).len());
            format!("GET and HEAD are answered with different fields ({get} and {head} compared)")
        } else if let (Some(of_get), Some(of_head)) = (length(get), length(&head))
            && of_get != of_head
        {
            format!("GET is answered with Content-Length {of_get:?} and HEAD with {of_head:?}")
        } else {
            return;
        };
        self.tell(&whole::HEAD, request.describe(), what);
    }

    /// Runs the request again for each of its polls, dropped there, and then once more to its end.
    async fn depart_everywhere(&mut self, request: &Request, first: &Answer) {
        for polls in departures(first.polls) {
            self.run(request, Manner::Quick, Some(polls)).await;
        }
        if self.is_told(&whole::RECOVERY) || matches!(first.end, End::Stuck | End::Endless) {
            return;
        }
        let Some(again) = self.run(request, Manner::Quick, None).await else { return };
        let broken = again.end == End::Stuck
            || (first.own_fault().is_none() && again.own_fault().is_some())
            || is_unavailable(&again) && !is_unavailable(first);
        if broken {
            let what = format!(
                "after departures it is answered with {:?} ({:?}), and was with {:?} before",
                again.status, again.end, first.status
            );
            self.tell(&whole::RECOVERY, request.describe(), what);
        }
    }

    async fn compare_group(&mut self, scenario: &Scenario, group: Vec<Request>) {
        let Some(request) = group.first() else { return };
        let Some(first) = self.run(request, Manner::Quick, None).await else { return };
        // What differs between two runs of the very same request tells nothing.
        let Some(second) = self.run(request, Manner::Quick, None).await else { return };
        if unlike(&first, &second, false).is_some() {
            return;
        }
        let same_content = first.content == second.content;
        for other in &group[1..] {
            let Some(answer) = self.run(other, Manner::Quick, None).await else { continue };
            if let Some(what) = unlike(&first, &answer, same_content) {
                self.tell(scenario, request.describe(), what);
            }
        }
    }

    /// A second exchange comes and goes at every poll of the first.
    async fn overlap(&mut self, scenario: &Scenario, request: &Request) {
        let Some(alone) = self.run(request, Manner::Quick, None).await else { return };
        if alone.own_fault().is_some() || !matches!(alone.end, End::Whole | End::Refused) {
            return;
        }
        for polls in departures(alone.polls) {
            let Some(mut first) = Run::new(&self.application, request) else { return };
            first.go(&self.pace, Manner::Quick, Some(polls)).await;
            let second = self.run(request, Manner::Quick, None).await;
            first.go(&self.pace, Manner::Quick, None).await;
            let first = self.finish(first, request).await;
            for answer in second.iter().chain([&first]) {
                if let Some(what) = unlike(&alone, answer, false) {
                    let what = format!("with another call under way {what}");
                    self.tell(scenario, request.describe(), what);
                    return;
                }
            }
        }
    }

    fn is_told(&self, scenario: &Scenario) -> bool {
        self.simulator.allowed.contains(&scenario.slug)
            || self.report.findings.iter().any(|finding| finding.rule == scenario.slug)
    }

    fn tell(&mut self, scenario: &Scenario, exchange: String, what: String) {
        if !self.is_told(scenario) {
            self.report.add(scenario.finding(exchange, what));
        }
    }

    /// Takes over what the lint found meanwhile.
    fn collect(&mut self, scenario: &Scenario) {
        for mut finding in self.heard.take() {
            finding.scenario = Some(scenario.slug);
            self.report.add(finding);
        }
    }
}

fn is_unavailable(answer: &Answer) -> bool {
    answer.status.is_some_and(|status| status == http::StatusCode::SERVICE_UNAVAILABLE)
}

/// In what two answers differ that should not.
fn unlike(one: &Answer, other: &Answer, content: bool) -> Option<String> {
    if one.end != other.end || one.status != other.status {
        return Some(format!(
            "it is answered with {:?} ({:?}) where it was with {:?} ({:?})",
            other.status, other.end, one.status, one.end
        ));
    }
    if content && one.content != other.content {
        let text = |answer: &Answer| {
            String::from_utf8_lossy(&answer.content[..answer.content.len().min(40)]).into_owned()
        };
        return Some(format!("the content is {:?} where it was {:?}", text(other), text(one)));
    }
    None
}
