//! What a scenario is: a name, its grounds, the requests of it, and what must come of them.
//!
//! Rules of this room: a scenario is data; how it is played stands in `stage`; the list of all of them is made here.

use std::sync::LazyLock;

use super::catalogue;
use super::drive::{Answer, Manner};
use super::request::Request;
use crate::lint::{Finding, Level, Party};

/// One thing that the simulator tries.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name: `body-truncated`.
    pub slug: &'static str,
    /// The requirements that it upholds; empty where it upholds something outside of the contract.
    pub requirements: &'static [&'static str],
    /// How binding they are.
    pub level: Level,
    /// Who breaks them.
    pub party: Party,
    /// What holds when all is well, in one sentence.
    pub title: &'static str,
    /// Where it stands outside of this project; empty where it is the contract's own.
    pub source: &'static str,
    /// What to do instead of what breaks it.
    pub instead: &'static str,
    pub(crate) play: Play,
}

/// How a scenario is played.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Play {
    /// Each request once; each answer is judged.
    Each(Requests, fn(&Answer) -> Option<String>),
    /// Each request once, quickly and in this manner: the answers are alike.
    Alike(Requests, Manner),
    /// Each group of requests is one request in different pieces: the answers are the same.
    Same(fn(&str) -> Vec<Vec<Request>>),
    /// Two exchanges at a time.
    Overlap(Requests),
    /// Judged beside all other scenarios, or before and after them.
    Beside,
}

/// The requests of a scenario, made for a path of the application.
pub(crate) type Requests = fn(&str) -> Vec<Request>;

impl Scenario {
    pub(crate) const fn new(
        slug: &'static str,
        level: Level,
        requirements: &'static [&'static str],
        title: &'static str,
        instead: &'static str,
        play: Play,
    ) -> Self {
        Self {
            slug,
            requirements,
            level,
            party: Party::Application,
            title,
            source: "",
            instead,
            play,
        }
    }

    pub(crate) const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    pub(crate) const fn middleware(mut self) -> Self {
        self.party = Party::Middleware;
        self
    }

    pub(crate) fn finding(&self, exchange: String, what: String) -> Finding {
        Finding {
            rule: self.slug,
            requirements: self.requirements,
            level: self.level,
            party: self.party,
            source: self.source,
            exchange,
            scenario: Some(self.slug),
            what,
            instead: self.instead,
        }
    }
}

/// Every scenario of the simulator, those for middleware included.
///
/// ```
/// use rwgi_conformance::simulate;
/// assert!(simulate::scenarios().iter().any(|scenario| scenario.slug == "body-truncated"));
/// ```
pub fn scenarios() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        let mut all = applications();
        all.extend(catalogue::middleware::ALL.iter().copied());
        all
    });
    &ALL
}

/// The scenarios for applications.
pub(crate) fn applications() -> Vec<Scenario> {
    [catalogue::whole::ALL, catalogue::heads::ALL, catalogue::bodies::ALL, catalogue::clients::ALL]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}
