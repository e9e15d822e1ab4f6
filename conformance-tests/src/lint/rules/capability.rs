//! What a server declares, against what it does.
//!
//! Rules of this room: absent means refused, present means done; what a capability costs is nobody's business here.

use rwgi::Error;

use crate::lint::Level::{Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

pub(crate) static INFORMATIONAL: Rule = Rule::server(
    "capability-informational",
    Must,
    &["REQ-CAP-04"],
    "a server that declares `informational` sends informational responses",
    "give the exchange a sink with `Exchange::on_informational`, or do not declare the capability",
);
pub(crate) static REQUEST_TRAILERS: Rule = Rule::server(
    "capability-request-trailers",
    Should,
    &["REQ-INPUT-21"],
    "a server that gives request trailers declares `request-trailers`",
    "declare the capability, so that applications know to ask",
);

pub(crate) const RULES: &[&Rule] = &[&INFORMATIONAL, &REQUEST_TRAILERS];

/// The server refused an informational response although it declares the capability.
pub(crate) fn inform_refused(error: &Error, watch: &Watch) {
    if error.requirement() == Some("REQ-CAP-01") {
        watch.report(&INFORMATIONAL, || {
            format!("the server declares `informational` and refused one: {error}")
        });
    }
}
