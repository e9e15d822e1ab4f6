//! Chapter "HTTP duties", the request head: what is refused, and how.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, check};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-01: the grammar.
    refused!(
        "method-not-a-token",
        "A method that is not a token is answered 400",
        "REQ-HTTP-01",
        "G(ET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        &[400],
        "takes any octets for a method",
        AnyMethod
    ),
    refused!(
        "request-line-two-spaces",
        "Two spaces in the request line are answered 400",
        "REQ-HTTP-01",
        "GET  /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        &[400],
        "splits the request line at any whitespace",
        LooseRequestLine
    ),
    refused!(
        "request-line-tab",
        "A tab in place of a space in the request line is answered 400",
        "REQ-HTTP-01",
        "GET\t/?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        &[400],
        "splits the request line at any whitespace",
        LooseRequestLine
    ),
    refused!(
        "request-line-trailing-space",
        "A space after the version is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1.1 \r\nHost: {host}\r\n\r\n",
        &[400],
        "splits the request line at any whitespace",
        LooseRequestLine
    ),
    refused!(
        "request-line-leading-space",
        "A space before the method is answered 400",
        "REQ-HTTP-01",
        " GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        &[400],
        "splits the request line at any whitespace",
        LooseRequestLine
    ),
    refused!(
        "request-line-without-version",
        "A request line without a version is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag}\r\nHost: {host}\r\n\r\n",
        &[400, 505],
        "takes it for HTTP/0.9",
        NoVersion
    ),
    refused!(
        "control-octet-in-value",
        "A control octet in a field value is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\x01b\r\n\r\n",
        &[400],
        "allows control octets",
        Control
    ),
    refused!(
        "delete-octet-in-value",
        "The octet DEL in a field value is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\x7fb\r\n\r\n",
        &[400],
        "allows control octets",
        Control
    ),
    refused!(
        "field-without-colon",
        "A field line without a colon is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test\r\n\r\n",
        &[400],
        "skips a line that is no field",
        SkipsBadLine
    ),
    case!(
        "tab-in-value-allowed",
        "A tab inside a field value is not refused",
        ["REQ-HTTP-01"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: a\tb\r\n\r\n")?;
            let fields = report["fields"].to_string();
            check(fields.contains(r#"["x-test","a\tb"]"#), "the field x-test with its tab", fields)
        },
        Violation::switch("replaces tabs", Switch::RefusesTab)
    ),
    // REQ-HTTP-02 and 03: what a refusal means.
    case!(
        "refused-not-called",
        "The application is not called with a request that is refused",
        ["REQ-HTTP-02"],
        |talk| talk
            .refused("GET /?tag={tag} HTTP/1.1\r\nHost : {host}\r\nX-Tag: {tag}\r\n\r\n", &[400])
            .map(drop),
        Violation::switch("calls first and checks later", Switch::CallsRefused)
    ),
    case!(
        "refused-syntax-closes",
        "The connection is closed after a head with a syntax error",
        ["REQ-HTTP-03"],
        |talk| closes(talk, "GET / HTTP/1.1\r\nHost: {host}\r\nX Test: a\r\n\r\n"),
        Violation::switch("goes on with the connection", Switch::KeepsAfterRefusal)
    ),
    case!(
        "refused-version-closes",
        "The connection is closed after a version that is not served",
        ["REQ-HTTP-03"],
        |talk| closes(talk, "GET / HTTP/3.0\r\nHost: {host}\r\n\r\n"),
        Violation::switch("goes on with the connection", Switch::KeepsAfterRefusal)
    ),
    case!(
        "refused-framing-closes",
        "The connection is closed after a request whose framing is refused",
        ["REQ-HTTP-03"],
        |talk| closes(talk, "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n"),
        Violation::switch("goes on with the connection", Switch::KeepsAfterRefusal)
    ),
    case!(
        "refused-hides-what-follows",
        "What follows a refused head is not read as a request",
        ["REQ-HTTP-03"],
        |talk| closes(
            talk,
            "GET / HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\nGET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ),
        Violation::switch("goes on with the connection", Switch::KeepsAfterRefusal)
    ),
    // REQ-HTTP-04 and 05: the version.
    refused!(
        "version-2-0",
        "A request line with HTTP/2.0 is answered 505",
        "REQ-HTTP-04",
        "GET /?tag={tag} HTTP/2.0\r\nHost: {host}\r\n\r\n",
        &[505],
        "takes any version for HTTP/1.1",
        AnyVersion
    ),
    refused!(
        "version-3-0",
        "A request line with HTTP/3.0 is answered 505",
        "REQ-HTTP-04",
        "GET /?tag={tag} HTTP/3.0\r\nHost: {host}\r\n\r\n",
        &[505],
        "takes any version for HTTP/1.1",
        AnyVersion
    ),
    refused!(
        "version-0-9",
        "A request line with HTTP/0.9 is answered 505",
        "REQ-HTTP-04",
        "GET /?tag={tag} HTTP/0.9\r\nHost: {host}\r\n\r\n",
        &[505],
        "takes any version for HTTP/1.1",
        AnyVersion
    ),
    refused!(
        "version-lower-case",
        "A version in lower case is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} http/1.1\r\nHost: {host}\r\n\r\n",
        &[400],
        "takes it for HTTP/1.1",
        MalformedVersion
    ),
    refused!(
        "version-two-digits",
        "HTTP/1.10 is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1.10\r\nHost: {host}\r\n\r\n",
        &[400],
        "takes it for HTTP/1.1",
        MalformedVersion
    ),
    refused!(
        "version-without-minor",
        "HTTP/1 is answered 400",
        "REQ-HTTP-01",
        "GET /?tag={tag} HTTP/1\r\nHost: {host}\r\n\r\n",
        &[400],
        "takes it for HTTP/1.1",
        MalformedVersion
    ),
    case!(
        "version-1-2",
        "HTTP/1.2 is served as HTTP/1.1 or answered 400",
        ["REQ-HTTP-05"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.request("GET /?tag={tag} HTTP/1.2\r\nHost: {host}\r\n\r\n")?
                .head
                .status_of(&[200, 400])
        },
        Violation::switch("answers 500", Switch::MinorVersionFails)
    ),
    // REQ-HTTP-06 and 07: sizes.
    case!(
        "target-too-long",
        "A target beyond the limit is answered 414",
        ["REQ-HTTP-06"],
        |talk| {
            let limit = talk.subject().limit("target_bytes").unwrap_or(200_000) as usize;
            let target = "a".repeat(limit + 100);
            talk.refused(
                &format!("GET /{target}?tag={{tag}} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"),
                &[414],
            )
            .map(drop)
        },
        Violation::switch("answers 400", Switch::TargetLimitIs400)
    ),
    case!(
        "target-limit-exists",
        "There is a limit on the target",
        ["REQ-HTTP-06"],
        |talk| flood(talk, "GET /", "a", " HTTP/1.1\r\nHost: {host}\r\n\r\n", &[414, 431]),
        Violation::switch("has none", Switch::NoTargetLimit)
    ),
    case!(
        "head-too-large",
        "A head beyond the limit on bytes is answered 431",
        ["REQ-HTTP-07"],
        |talk| {
            let limit = talk.subject().limit("head_bytes").unwrap_or(400_000) as usize;
            let value = "a".repeat(limit + 100);
            let bad =
                format!("GET /?tag={{tag}} HTTP/1.1\r\nHost: {{host}}\r\nX-Test: {value}\r\n\r\n");
            talk.refused(&bad, &[431]).map(drop)
        },
        Violation::switch("has no limit", Switch::NoHeadLimit)
    ),
    case!(
        "head-limit-exists",
        "There is a limit on the bytes of a head",
        ["REQ-HTTP-07"],
        |talk| flood(talk, "GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: ", "a", "\r\n\r\n", &[431]),
        Violation::switch("has none", Switch::NoHeadLimit)
    ),
    case!(
        "too-many-fields",
        "A head with too many fields is answered 431",
        ["REQ-HTTP-07"],
        |talk| {
            let limit = talk.subject().limit("head_fields").unwrap_or(5_000) as usize;
            let fields = "a:\r\n".repeat(limit + 1);
            let bad = format!("GET /?tag={{tag}} HTTP/1.1\r\nHost: {{host}}\r\n{fields}\r\n");
            talk.refused(&bad, &[431]).map(drop)
        },
        Violation::switch("has no limit", Switch::NoFieldLimit)
    ),
];

/// A refused head is followed by the end of the connection, in order and with nothing between.
fn closes(talk: &mut Talk<'_>, bad: &str) -> Held {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    wire.send(bad)?;
    let response = wire.response()?;
    check(
        response.head.status >= 400,
        "an error response",
        format!("status {}", response.head.status),
    )?;
    wire.ended().map(drop)?;
    talk.called(0)
}

/// A mebibyte in one place of the head is refused, or the connection ends.
fn flood(talk: &mut Talk<'_>, before: &str, octet: &str, after: &str, statuses: &[u16]) -> Held {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    wire.send(&format!("{before}{}{after}", octet.repeat(1 << 20)))?;
    match wire.response_or_end("GET")? {
        Some(response) => response.head.status_of(statuses),
        None => Ok(()),
    }
}
