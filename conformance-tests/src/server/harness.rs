//! The suite as tests of cargo: names, filters, `--list`, side by side.
//!
//! Rules of this room: every case is a test by its own name; a SHOULD warns and passes; a run that is too small to
//! mean anything fails.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::case::Case;
use super::run::{Judged, Verdict, judge, judge_vector};
use super::subject::{RunningServer, ServerUnderTest, Subject, prepare};
use super::vectors::{self, Vector};
use super::{application, cases};

/// A run of all the suite has at least this many cases; fewer means that something is broken in the suite.
pub(super) const LEAST: usize = 200;

/// Judges a server as a test of cargo; see [`ServerUnderTest`]. [`Suite`] is the same with options.
///
/// The exit code is that of a test: success unless a MUST is broken. A broken SHOULD is told and passes.
pub fn main(server: impl ServerUnderTest) -> ExitCode {
    Suite::new(server).main()
}

/// The suite with its options.
///
/// ```no_run
/// use rwgi_conformance::{honest::Honest, server::Suite};
/// use std::{process::ExitCode, time::Duration};
///
/// fn main() -> ExitCode {
///     Suite::new(Honest::default())
///         .deadline(Duration::from_secs(10))
///         .known_failing(&["http::version-2-0"])
///         .main()
/// }
/// ```
pub struct Suite {
    server: Arc<dyn ServerUnderTest>,
    known_failing: HashSet<String>,
    undecided: HashSet<String>,
    deadline: Duration,
    vectors: bool,
}

impl Suite {
    /// The suite for a server.
    pub fn new(server: impl ServerUnderTest) -> Self {
        Self {
            server: Arc::new(server),
            known_failing: HashSet::new(),
            undecided: HashSet::new(),
            deadline: Duration::from_secs(5),
            vectors: true,
        }
    }

    /// Cases that the server is known to fail, by id, or by the whole name where a case and a vector share one (`http::version-2-0`); one
    /// that passes all the same is an error, and so is one that there is not.
    #[must_use]
    pub fn known_failing(mut self, ids: &[&str]) -> Self {
        self.known_failing.extend(ids.iter().map(|id| (*id).to_owned()));
        self
    }

    /// Cases that this server, or a proxy in front of it, now holds and now fails, because two things race in it: whatever comes is told
    /// and accepted. Each wants its reason beside it, as a known failure does.
    #[must_use]
    pub fn undecided(mut self, ids: &[&str]) -> Self {
        self.undecided.extend(ids.iter().map(|id| (*id).to_owned()));
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

    fn known(&self, id: &str, name: &str) -> Known {
        let names = |list: &HashSet<String>| list.contains(id) || list.contains(name);
        if names(&self.undecided) {
            Known::Undecided
        } else if names(&self.known_failing) {
            Known::Failing
        } else {
            Known::Nothing
        }
    }

    /// What stands on a list and names no case and no vector.
    fn strangers(&self, vectors: &[Vector]) -> Vec<&str> {
        let cases = cases::all().flat_map(|case| [case.id.to_owned(), name(case)]);
        let vectors = vectors.iter().flat_map(|vector| [vector.id.clone(), name_of(vector)]);
        let known: HashSet<String> = cases.chain(vectors).collect();
        let listed = self.known_failing.iter().chain(&self.undecided);
        let mut strangers: Vec<_> =
            listed.filter(|id| !known.contains(*id)).map(String::as_str).collect();
        strangers.sort_unstable();
        strangers
    }

    /// Runs it, with the arguments of the process, and gives the exit code of [`main`].
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
        let strangers = self.strangers(&vectors);
        if !strangers.is_empty() {
            eprintln!("on a list of cases, and no case: {}", strangers.join(", "));
            return ExitCode::FAILURE;
        }
        let shared = Arc::new(Shared {
            server: Arc::clone(&self.server),
            deadline: self.deadline,
            subject: OnceLock::new(),
        });
        let mut trials = Vec::new();
        for case in cases::all() {
            let name = name(case);
            let known = self.known(case.id, &name);
            let shared = Arc::clone(&shared);
            trials.push(
                Trial::ignorable_test(name, move || {
                    conclude(&judge(case, shared.subject()?), known)
                })
                .with_kind(case.level().to_string()),
            );
        }
        if self.vectors {
            for vector in vectors {
                let name = name_of(&vector);
                let known = self.known(&vector.id, &name);
                let shared = Arc::clone(&shared);
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

fn name(case: &Case) -> String {
    format!("{}::{}", case.chapter(), case.id)
}

fn name_of(vector: &Vector) -> String {
    format!("vector::{}::{}", vector.topic, vector.id)
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

/// What is known of a case before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Failing,
    Undecided,
}

fn conclude(judged: &Judged, known: Known) -> Result<Completion, Failed> {
    match (judged.verdict, known) {
        (Verdict::Failed, Known::Undecided) => {
            eprintln!("undecided, and failed this time: {}", judged.explanation());
            Ok(Completion::Completed)
        }
        (_, Known::Undecided) => Ok(Completion::Completed),
        (Verdict::Held, Known::Failing) => {
            Err("this case is on the list of known failures and holds: take it off".into())
        }
        (Verdict::Held | Verdict::Recorded, Known::Nothing)
        | (Verdict::Failed | Verdict::Warned | Verdict::Recorded, Known::Failing) => {
            Ok(Completion::Completed)
        }
        (Verdict::Skipped, _) => Ok(match &judged.found {
            Some(reason) => Completion::ignored_with(reason),
            None => Completion::ignored(),
        }),
        (Verdict::Warned, Known::Nothing) => {
            eprintln!("warning: {}", judged.explanation());
            Ok(Completion::Completed)
        }
        (Verdict::Failed, Known::Nothing) => Err(judged.explanation().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A case that was renamed must not go on being excused under its old name.
    #[test]
    fn what_is_on_a_list_and_names_no_case_is_found() {
        let vectors = vectors::all().unwrap();
        let listed = ["host-missing", "http::version-2-0", &name_of(&vectors[0]), "no-case"];
        let suite = Suite::new(crate::honest::Honest::default()).known_failing(&listed);
        assert_eq!(suite.undecided(&["http::none"]).strangers(&vectors), ["http::none", "no-case"]);
    }
}
