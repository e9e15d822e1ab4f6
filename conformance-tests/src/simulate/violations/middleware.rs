//! Middleware that conforms, and its relatives with one flaw each.

use super::Violation;

pub(super) fn all() -> Vec<Violation> {
    Vec::new()
}
