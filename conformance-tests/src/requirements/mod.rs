//! The specification as a table: every requirement with its sentence.
//!
//! Rules of this room: the words stand in `spec/src/*.md` and nowhere else; `table.rs` is made from them by
//! [`parse`], and the test `traceability` fails when it is stale.

pub mod evidence;
pub mod parse;
mod table;

use std::fmt;

use serde::Serialize;

pub use self::table::ALL;

/// One numbered sentence of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The identifier, `REQ-RESP-03`.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds.
    pub party: Party,
    /// The sentence.
    pub sentence: &'static str,
    /// The file of the specification that holds it, without `.md`.
    pub chapter: &'static str,
    /// The places in RFCs that its explanation names, empty where it names none.
    pub rfc: &'static str,
}

/// How binding a requirement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Level {
    /// A choice: recorded, not scored.
    #[serde(rename = "MAY")]
    May,
    /// To be kept unless there is a reason: warned about.
    #[serde(rename = "SHOULD")]
    Should,
    /// To be kept: failed.
    #[serde(rename = "MUST")]
    Must,
}

/// Whom a requirement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The server, its gateway library included.
    Server,
    /// The application.
    Application,
    /// What stands between the two.
    Middleware,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        })
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Server => "server",
            Self::Application => "application",
            Self::Middleware => "middleware",
        })
    }
}

/// The requirement of this identifier; `None` where the specification has no such sentence.
///
/// ```
/// use rwgi_conformance::requirements::{Level, Party, find};
/// let requirement = find("REQ-RESP-01").expect("a requirement");
/// assert_eq!((requirement.level, requirement.party), (Level::Must, Party::Application));
/// assert_eq!(requirement.chapter, "response");
/// ```
pub fn find(id: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.id == id)
}
