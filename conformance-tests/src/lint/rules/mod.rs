//! The rules of the lint, grouped by subject.
//!
//! Rules of this room: a rule stands as a constant above the code that checks it; the list below is all of them; a slug is never given twice
//! and never changes its meaning.

pub(crate) mod body;
pub(crate) mod capability;
pub(crate) mod conduct;
pub(crate) mod end;
pub(crate) mod environ;
pub(crate) mod framing;
pub(crate) mod grammar;
pub(crate) mod head;
pub(crate) mod input;
pub(crate) mod lifespan;
pub(crate) mod status;

use std::sync::LazyLock;

use super::rule::Rule;

/// Every rule of the lint.
///
/// ```
/// use rwgi_conformance::lint;
/// let rule = lint::rules().iter().find(|rule| rule.slug == "status-405-allow").unwrap();
/// assert!(rule.title.contains("Allow"));
/// ```
pub fn rules() -> &'static [Rule] {
    static ALL: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        [
            environ::RULES,
            framing::RULES,
            lifespan::RULES,
            capability::RULES,
            end::RULES,
            head::RULES,
            status::RULES,
            body::RULES,
            input::RULES,
            conduct::RULES,
        ]
        .into_iter()
        .flatten()
        .map(|rule| **rule)
        .collect()
    });
    &ALL
}
