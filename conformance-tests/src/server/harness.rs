//! The suite as tests of cargo: names, filters, `--list`, side by side.
//!
//! Rules of this room: every case is a test by its own name; a SHOULD warns and passes; a run that is too small to
//! mean anything fails.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::run::{Judged, Verdict, judge, judge_vector};
use super::subject::{RunningServer, ServerUnderTest, Subject, prepare};
use super::{application, cases, vectors};

/// A run of all the suite has at least this many cases; fewer means that something is broken in the suite.
pub(super) const LEAST: usize = 200;

/// Judges a server as a test of cargo; see [`ServerUnderTest`].
pub fn main(server: impl ServerUnderTest) -> ExitCode {
    Suite::new(server).main()
}

/// The suite with its options.
pub struct Suite {
    server: Arc<dyn ServerUnderTest>,
    known_failing: HashSet<String>,
    deadline: Duration,
    vectors: bool,
}

impl Suite {
    /// The suite for a server.
    pub fn new(server: impl ServerUnderTest) -> Self {
        Self {
            server: Arc::new(server),
            known_failing: HashSet::new(),
            deadline: Duration::from_secs(5),
            vectors: true,
        }
    }

    /// Cases that the server is known to fail; one that passes all the same is an error.
    #[must_use]
    pub fn known_failing(mut self, ids: &[&str]) -> Self {
        self.known_failing.extend(ids.iter().map(|id| (*id).to_owned()));
        self
    }

    /// How long one wait may take; five seconds unless told otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Leaves the wire vectors out.
    #[must_use]
    pub fn without_vectors(mut self) -> Self {
        self.vectors = false;
        self
    }

    /// Runs it, with the arguments of the process.
    pub fn main(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Cases wait more than they work.
        arguments.test_threads.get_or_insert(8);
        application::quiet_panics();
        if cases::all().count() < LEAST {
            eprintln!("the suite has lost its cases: fewer than {LEAST}");
            return ExitCode::FAILURE;
        }
        let vectors = match vectors::all() {
            Ok(vectors) => vectors,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        let shared = Arc::new(Shared {
            server: Arc::clone(&self.server),
            deadline: self.deadline,
            subject: OnceLock::new(),
        });
        let mut trials = Vec::new();
        for case in cases::all() {
            let known = self.known_failing.contains(case.id);
            let shared = Arc::clone(&shared);
            let name = format!("{}::{}", case.chapter(), case.id);
            trials.push(
                Trial::ignorable_test(name, move || {
                    conclude(&judge(case, shared.subject()?), known)
                })
                .with_kind(case.level().to_string()),
            );
        }
        if self.vectors {
            for vector in vectors {
                let known = self.known_failing.contains(&vector.id);
                let shared = Arc::clone(&shared);
                let name = format!("vector::{}::{}", vector.topic, vector.id);
                let level = vector.level().to_string();
                trials.push(
                    Trial::ignorable_test(name, move || {
                        conclude(&judge_vector(&vector, shared.subject()?), known)
                    })
                    .with_kind(level),
                );
            }
        }
        let conclusion = libtest_mimic::run(&arguments, trials);
        drop(shared);
        conclusion.exit_code()
    }
}

/// The server, started when the first case asks for it.
struct Shared {
    server: Arc<dyn ServerUnderTest>,
    deadline: Duration,
    subject: OnceLock<Result<(Subject, RunningServerGuard), String>>,
}

/// Only kept to be dropped at the end.
struct RunningServerGuard(#[allow(dead_code)] std::sync::Mutex<RunningServer>);

impl Shared {
    fn subject(&self) -> Result<&Subject, Failed> {
        let prepared = self.subject.get_or_init(|| {
            let (subject, running) = prepare(Arc::clone(&self.server), self.deadline)
                .map_err(|error| format!("the server does not start: {error}"))?;
            Ok((subject, RunningServerGuard(std::sync::Mutex::new(running))))
        });
        match prepared {
            Ok((subject, _)) => Ok(subject),
            Err(error) => Err(Failed::from(error)),
        }
    }
}

fn conclude(judged: &Judged, known_failing: bool) -> Result<Completion, Failed> {
    match (judged.verdict, known_failing) {
        (Verdict::Held, true) => {
            Err("this case is on the list of known failures and holds: take it off".into())
        }
        (Verdict::Held | Verdict::Recorded, false)
        | (Verdict::Failed | Verdict::Warned | Verdict::Recorded, true) => {
            Ok(Completion::Completed)
        }
        (Verdict::Skipped, _) => Ok(match &judged.found {
            Some(reason) => Completion::ignored_with(reason),
            None => Completion::ignored(),
        }),
        (Verdict::Warned, false) => {
            eprintln!("warning: {}", judged.explanation());
            Ok(Completion::Completed)
        }
        (Verdict::Failed, false) => Err(judged.explanation().into()),
    }
}
