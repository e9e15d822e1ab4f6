//! A case: a conversation with a server, and the violation that proves it can say no.
//!
//! Rules of this room: a case is data; its level is that of its requirements; without a violation that it catches it
//! is not a case (the test `matrix` runs them all).

use crate::honest::Violation;
use crate::requirements::{self, Level};

use super::failure::Held;
use super::talk::Talk;

/// One case of the suite.
#[derive(Debug)]
pub struct Case {
    /// Its name, a slug that is never given to another case.
    pub id: &'static str,
    /// What it shows, as a sentence about the server.
    pub title: &'static str,
    /// The requirements that it upholds; the first is the one that a failure names unless the check says another.
    pub requirements: &'static [&'static str],
    /// What it needs of the server.
    pub needs: Need,
    /// The conversation.
    pub talk: fn(&mut Talk<'_>) -> Held,
    /// A server that breaks just this rule, which the case catches.
    pub violation: Violation,
}

/// What a case needs of the server; without it the case says nothing about that server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing that not every server has.
    Nothing,
    /// A capability, by the name under which the server declares it.
    Capability(&'static str),
    /// Several capabilities at once.
    Capabilities(&'static [&'static str]),
    /// That the server does not declare this capability.
    Lack(&'static str),
    /// That the suite can start and stop the server itself.
    Launch,
}

impl Case {
    /// How binding it is: as its first requirement, MUST where it has none.
    pub fn level(&self) -> Level {
        self.requirements
            .first()
            .and_then(|id| requirements::find(id))
            .map_or(Level::Must, |requirement| requirement.level)
    }

    /// The chapter of its first requirement.
    pub fn chapter(&self) -> &'static str {
        self.requirements
            .first()
            .and_then(|id| requirements::find(id))
            .map_or("unknown", |requirement| requirement.chapter)
    }
}
