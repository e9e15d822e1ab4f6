//! Which cases are meant.
//!
//! Rules of this room: filters narrow; a choice of nothing is an error, never an empty success.

use clap::{Args, ValueEnum};
use rwgi_conformance::requirements::Level;
use rwgi_conformance::server::vectors::{self, Vector};
use rwgi_conformance::server::{Case, cases};

use super::Trouble;

/// Filters; without any, all cases and vectors.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Choice {
    /// Only ids that contain one of these texts.
    #[arg(value_name = "FILTER")]
    ids: Vec<String>,
    /// Only what upholds one of these requirements (a prefix such as REQ-HTTP counts).
    #[arg(long, value_name = "ID")]
    requirement: Vec<String>,
    /// Only this level.
    #[arg(long, value_enum)]
    level: Option<LevelName>,
    /// Only cases, no wire vectors.
    #[arg(long)]
    no_vectors: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    Must,
    Should,
    May,
}

/// A case or a vector.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    Case(&'static Case),
    Vector(Box<Vector>),
}

impl Chosen {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Case(case) => case.id,
            Self::Vector(vector) => &vector.id,
        }
    }
}

impl Choice {
    fn allows(&self, id: &str, requirements: &[&str], level: Level) -> bool {
        let by_id = self.ids.is_empty() || self.ids.iter().any(|text| id.contains(text.as_str()));
        let asked = |found: &&str| {
            self.requirement.iter().any(|asked| {
                *found == asked
                    || found.strip_prefix(asked.as_str()).is_some_and(|rest| rest.starts_with('-'))
            })
        };
        let by_requirement = self.requirement.is_empty() || requirements.iter().any(asked);
        let by_level = self.level.is_none_or(|name| {
            level
                == match name {
                    LevelName::Must => Level::Must,
                    LevelName::Should => Level::Should,
                    LevelName::May => Level::May,
                }
        });
        by_id && by_requirement && by_level
    }

    /// What the filters leave.
    ///
    /// # Errors
    /// Nothing is left, or the vectors cannot be read.
    pub(super) fn chosen(&self) -> Result<Vec<Chosen>, Trouble> {
        let mut chosen: Vec<Chosen> = cases::all()
            .filter(|case| self.allows(case.id, case.requirements, case.level()))
            .map(Chosen::Case)
            .collect();
        if !self.no_vectors {
            for vector in vectors::all().map_err(Trouble::Usage)? {
                let requirements: Vec<&str> =
                    vector.requirements.iter().map(String::as_str).collect();
                if self.allows(&vector.id, &requirements, vector.level()) {
                    chosen.push(Chosen::Vector(Box::new(vector)));
                }
            }
        }
        if chosen.is_empty() {
            return Err(Trouble::Usage(
                "no case matches these filters: nothing would be judged".to_owned(),
            ));
        }
        Ok(chosen)
    }
}
