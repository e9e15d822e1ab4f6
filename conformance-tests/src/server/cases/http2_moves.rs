//! The usual moves of the cases of HTTP/2.
//!
//! Rules of this room: a request is a list of fields, which leaves as it stands; a negative move has its control before it, on the same
//! connection; the ledger is read by HTTP/1.1, beside what is judged.

use serde_json::Value;

use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Http2, Response};

/// A case that needs HTTP/2 of the server.
macro_rules! h2 {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: crate::server::case::Need::Capability("http2"),
            talk: $talk,
            violation: $violation,
        }
    };
}
/// A case about a malformed request.
macro_rules! bad {
    ($id:literal, $title:literal, $requirement:literal, $fields:expr, $violation:expr $(,)?) => {
        crate::server::cases::http2_moves::h2!(
            $id,
            $title,
            [$requirement, "REQ-HTTP-02"],
            |talk| crate::server::cases::http2_moves::malformed(talk, &$fields),
            $violation
        )
    };
}
/// A violation in the server's own code for HTTP/2.
macro_rules! flaw {
    ($summary:literal, $flaw:ident) => {
        crate::honest::Violation::switch(
            $summary,
            crate::honest::Switch::Http2(crate::honest::Http2Flaw::$flaw),
        )
    };
}
pub(super) use {bad, flaw, h2};

/// A request's fields.
pub(super) type Fields<'a> = Vec<(&'a str, &'a str)>;

/// The fields of a GET that performs a script.
pub(super) fn get(script: &str) -> Fields<'_> {
    message("GET", script)
}

/// The fields of a request that performs a script.
pub(super) fn message<'a>(method: &'a str, script: &'a str) -> Fields<'a> {
    let mut fields = asks(method, "/");
    fields.extend([("x-tag", "{tag}"), ("x-play", script)]);
    fields
}

/// The fields of a request that the application answers with its report.
pub(super) fn asks<'a>(method: &'a str, path: &'a str) -> Fields<'a> {
    vec![(":method", method), (":scheme", "http"), (":authority", "{host}"), (":path", path)]
}

/// Fields, and more after them.
pub(super) fn with<'a>(mut fields: Fields<'a>, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    fields.extend_from_slice(more);
    fields
}

/// Fields after another one.
pub(super) fn first<'a>(mut fields: Fields<'a>, name: &'a str, value: &'a str) -> Fields<'a> {
    fields.insert(0, (name, value));
    fields
}

/// Fields without those of a name.
pub(super) fn without<'a>(mut fields: Fields<'a>, name: &str) -> Fields<'a> {
    fields.retain(|(field, _)| *field != name);
    fields
}

/// Fields with another value for a name.
pub(super) fn but<'a>(mut fields: Fields<'a>, name: &str, value: &'a str) -> Fields<'a> {
    for field in fields.iter_mut().filter(|(field, _)| *field == name) {
        field.1 = value;
    }
    fields
}

/// A connection on which a plain request was answered.
pub(super) fn begin(talk: &mut Talk<'_>) -> Held<Http2> {
    begin_with(talk, &[])
}

/// [`begin`] with further settings of the client's.
pub(super) fn begin_with(talk: &mut Talk<'_>, settings: &[(u16, u32)]) -> Held<Http2> {
    let mut http2 = talk.connect()?.into_http2(settings)?;
    control(&mut http2).control()?;
    Ok(http2)
}

/// A plain request is answered by the application.
pub(super) fn control(http2: &mut Http2) -> Held {
    let fields = with(asks("GET", "/control"), &[("x-play", "respond")]);
    let stream = http2.open(&fields, true)?;
    let response = http2.response(stream)?;
    response.status(200)?;
    let from = response.is_of_application();
    check(from, "the suite's application to answer", "a response without its mark")
}

/// Performs a script by GET on a new connection.
pub(super) fn play(talk: &mut Talk<'_>, script: &str) -> Held<Response> {
    let mut http2 = begin(talk)?;
    let stream = http2.open(&get(script), true)?;
    http2.response(stream)
}

/// The application's report of a request on a new connection.
pub(super) fn report(talk: &mut Talk<'_>, fields: &[(&str, &str)]) -> Held<Value> {
    let mut http2 = begin(talk)?;
    report_on(&mut http2, fields)
}

/// The application's report of a request.
pub(super) fn report_on(http2: &mut Http2, fields: &[(&str, &str)]) -> Held<Value> {
    let stream = http2.open(fields, true)?;
    let response = http2.response(stream)?;
    response.status(200)?;
    response.json()
}

/// A member of the report has this value.
pub(super) fn tells(
    talk: &mut Talk<'_>,
    fields: &[(&str, &str)],
    member: &str,
    value: impl Into<Value>,
) -> Held {
    let found = report(talk, fields)?;
    is(&found, member, value)
}

/// A member of a report that was read has this value.
pub(super) fn is(report: &Value, member: &str, value: impl Into<Value>) -> Held {
    let (found, value) = (&report[member], value.into());
    check(*found == value, format!("{member} {value}"), format!("{member} {found}"))
}

/// A malformed request is refused by the server alone, and the connection goes on.
pub(super) fn malformed(talk: &mut Talk<'_>, fields: &[(&str, &str)]) -> Held {
    let mut http2 = begin(talk)?;
    let stream = http2.open(fields, true)?;
    http2.refused(stream, &[400])?;
    talk.called(0).of("REQ-HTTP-02")
}

/// Skips a case that needs a capability which the server declares on HTTP/2, whatever it declares on HTTP/1.1.
pub(super) fn needs(http2: &mut Http2, capability: &str) -> Held {
    let report = report_on(http2, &asks("GET", "/"))?;
    let names = report["capabilities"].as_array();
    if names.is_some_and(|names| names.iter().any(|name| name == capability)) {
        return Ok(());
    }
    Err(Failure::skip(format!("the server does not declare `{capability}` on HTTP/2")))
}
