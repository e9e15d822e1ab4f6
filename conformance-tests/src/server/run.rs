//! Runs one case against a server and says how it went.
//!
//! Rules of this room: a case that panics is a failure with its text; what a failure says is complete without the source.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::case::{Case, Need};
use super::failure::{Failure, Held};
use super::subject::Subject;
use super::talk::Talk;
use super::vectors::{self, Vector};
use super::wire::Transcript;
use crate::requirements::{self, Level};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The server keeps the rule.
    Held,
    /// It breaks a rule that it must keep.
    Failed,
    /// It breaks a rule that it should keep.
    Warned,
    /// It makes the other choice where there is one.
    Recorded,
    /// The case says nothing about this server.
    Skipped,
}

/// One case's result.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The case's id.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// `case` or `vector`.
    pub kind: &'static str,
    /// The chapter that it belongs to.
    pub chapter: String,
    /// Its requirements.
    pub requirements: Vec<String>,
    /// Its level.
    pub level: Level,
    /// How it ended.
    pub verdict: Verdict,
    /// The requirement that was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came; where it was skipped, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The failure is of the control: the server does not do the plain thing either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub control: bool,
    /// What passed on the wire; kept for what did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub took: Duration,
}

fn milliseconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Runs a case.
pub fn judge(case: &Case, subject: &Subject) -> Judged {
    let judged = Judged {
        id: case.id.to_owned(),
        title: case.title.to_owned(),
        kind: "case",
        chapter: case.chapter().to_owned(),
        requirements: case.requirements.iter().map(|id| (*id).to_owned()).collect(),
        level: case.level(),
        ..unjudged()
    };
    let lacking = match case.needs {
        Need::Nothing => None,
        Need::Capability(name) => (!subject.declares(name))
            .then(|| format!("the server does not declare the capability `{name}`")),
        Need::Capabilities(names) => names
            .iter()
            .find(|name| !subject.declares(name))
            .map(|name| format!("the server does not declare the capability `{name}`")),
        Need::Lack(name) => {
            subject.declares(name).then(|| format!("the server declares the capability `{name}`"))
        }
        Need::Launch => (!subject.can_launch())
            .then(|| "the suite was given no way to start and stop this server".to_owned()),
    };
    match lacking {
        Some(reason) => judged.skipped(reason),
        None => judged.by(|transcript| (case.talk)(&mut Talk::new(subject, case.id, transcript))),
    }
}

/// Runs a wire vector.
pub fn judge_vector(vector: &Vector, subject: &Subject) -> Judged {
    let judged = Judged {
        id: vector.id.clone(),
        title: vector.title.clone(),
        kind: "vector",
        chapter: vector.topic.clone(),
        requirements: vector.requirements.clone(),
        level: vector.level(),
        ..unjudged()
    };
    judged.by(|transcript| vectors::talk(vector, &mut Talk::new(subject, &vector.id, transcript)))
}

fn unjudged() -> Judged {
    Judged {
        id: String::new(),
        title: String::new(),
        kind: "",
        chapter: String::new(),
        requirements: Vec::new(),
        level: Level::Must,
        verdict: Verdict::Held,
        broken: None,
        expected: None,
        found: None,
        control: false,
        transcript: None,
        took: Duration::ZERO,
    }
}

impl Judged {
    fn skipped(mut self, reason: String) -> Self {
        self.verdict = Verdict::Skipped;
        self.found = Some(reason);
        self
    }

    fn by(mut self, talk: impl FnOnce(Transcript) -> Held) -> Self {
        let transcript = Transcript::default();
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| talk(transcript.clone())));
        self.took = began.elapsed();
        let failure = match result {
            Ok(Ok(())) => {
                // A case that holds keeps no transcript; `explain` asks for one.
                self.transcript = Some(transcript.text());
                return self;
            }
            Ok(Err(failure)) => failure,
            Err(panic) => Failure::new("the case to run to its end", panic_text(&*panic)),
        };
        if failure.skipped {
            return self.skipped(failure.found);
        }
        let broken =
            failure.requirement.map(str::to_owned).or_else(|| self.requirements.first().cloned());
        let level =
            broken.as_deref().and_then(requirements::find).map_or(self.level, |found| found.level);
        self.verdict = match level.min(self.level) {
            Level::Must => Verdict::Failed,
            Level::Should => Verdict::Warned,
            Level::May => Verdict::Recorded,
        };
        self.broken = broken;
        self.expected = Some(failure.expected);
        self.found = Some(failure.found);
        self.control = failure.control;
        self.transcript = Some(transcript.text());
        self
    }

    /// Whether the server fell short of a MUST.
    pub fn is_failure(&self) -> bool {
        self.verdict == Verdict::Failed
    }

    /// What a person reads about a case that did not hold.
    pub fn explanation(&self) -> String {
        let mut text = format!("{}\n", self.title);
        if let Some(id) = &self.broken {
            let found = requirements::find(id);
            let level = found.map_or(self.level, |found| found.level);
            text.push_str(&format!("  {id} ({level})"));
            if let Some(found) = found {
                text.push_str(&format!(": {}", found.sentence));
                if !found.rfc.is_empty() {
                    text.push_str(&format!(" [{}]", found.rfc));
                }
            }
            text.push('\n');
        }
        if let Some(expected) = &self.expected {
            text.push_str(&format!("  expected: {expected}\n"));
        }
        if let Some(found) = &self.found {
            let word = if self.verdict == Verdict::Skipped { "skipped" } else { "came" };
            text.push_str(&format!("  {word}: {found}\n"));
        }
        if self.control {
            text.push_str("  (This is the control: the plain request beside the one that the case is about.)\n");
        }
        if let Some(transcript) = &self.transcript
            && self.verdict != Verdict::Held
        {
            text.push_str("  what passed (> sent, < received, * happened):\n");
            for line in transcript.lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
    format!("the case itself panicked: {text}")
}

/// What a server that does not try came to.
#[derive(Clone, Debug)]
pub struct NullScore {
    /// The cases that it holds.
    pub held: Vec<&'static str>,
    /// How many there are.
    pub cases: usize,
}

/// Runs all cases against a server that does not try.
///
/// # Errors
/// It does not start.
pub fn null_score(null: crate::honest::null::Null) -> Result<NullScore, String> {
    let deadline = Duration::from_millis(100);
    let (subject, _running) = super::subject::prepare(std::sync::Arc::new(null), deadline)
        .map_err(|error| error.to_string())?;
    let cases: Vec<&'static Case> = super::cases::all().collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let held = std::thread::scope(|scope| {
        let work = || {
            let mut held = Vec::new();
            while let Some(case) =
                cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            {
                if judge(case, &subject).verdict == Verdict::Held {
                    held.push(case.id);
                }
            }
            held
        };
        let workers: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    Ok(NullScore { held, cases: cases.len() })
}
