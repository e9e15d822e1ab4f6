//! The cases, one file for each chapter of the specification or part of one.
//!
//! Rules of this room: a file is a flat list, in the order of the requirements; a case reads from its title to its
//! violation without a jump.

mod http_request;

use super::case::Case;

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [http_request::CASES].into_iter().flatten()
}

/// The case of this id.
pub fn find(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}
