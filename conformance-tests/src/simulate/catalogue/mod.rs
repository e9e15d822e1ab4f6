//! The catalogue: what the simulator tries, grouped by subject.
//!
//! Rules of this room: each list is complete in itself; a request that is unusual in one way is usual in all others, so that what breaks tells
//! by its scenario what broke it.

pub(crate) mod bodies;
pub(crate) mod clients;
pub(crate) mod heads;
pub(crate) mod middleware;
pub(crate) mod whole;

use super::drive::{Answer, End};

/// The answer to a request that is merely unusual: anything but a fault of the application's own.
pub(crate) fn no_own_fault(answer: &Answer) -> Option<String> {
    answer.own_fault()
}

/// As above; and an application that accepts has the whole.
pub(crate) fn no_part_as_whole(answer: &Answer) -> Option<String> {
    let accepted = answer.asked
        && answer.end == End::Whole
        && answer.status.is_some_and(|status| status.is_success());
    if accepted {
        return Some(
            "success was answered while the rest of the body was still to come".to_owned(),
        );
    }
    answer.own_fault()
}

/// What an own fault should have been.
pub(crate) const ANSWER: &str = "answer what the request deserves (400, 404, 405, 413, 501), or pass the error of the environ or the input on with `?`";
