//! Chapter "The environ": what the application learns about a request.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, check};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-ENV-01 to 10: the request line.
    case!(
        "method-case-kept",
        "The method is given in the case in which it was sent",
        ["REQ-ENV-01"],
        |talk| tells(talk, "gEt / HTTP/1.1\r\nHost: {host}\r\n\r\n", "/method", json!("gEt")),
        Violation::request("gives it in upper case", |parts| {
            if let Ok(method) = parts.method.as_str().to_uppercase().parse() {
                parts.method = method;
            }
        })
    ),
    case!(
        "method-unknown-passed",
        "A method that no server knows reaches the application",
        ["REQ-ENV-02"],
        |talk| tells(
            talk,
            "BREW!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/method",
            json!("BREW!#$%&'*+-.^_`|~")
        ),
        Violation::switch("answers 501 to it", Switch::KnownMethodsOnly)
    ),
    case!(
        "method-extension-passed",
        "PROPFIND reaches the application",
        ["REQ-ENV-02"],
        |talk| tells(
            talk,
            "PROPFIND / HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/method",
            json!("PROPFIND")
        ),
        Violation::switch("answers 501 to it", Switch::KnownMethodsOnly)
    ),
    case!(
        "path-raw",
        "The path is given as it was sent",
        ["REQ-ENV-03"],
        |talk| path_is(talk, "/a//b/./c/../d%2Fe%2e/%e2%82%AC;p=1"),
        Violation::report("decodes it", |json| {
            json["path_info"] =
                json!(text(&json["path_info"]).replace("%2F", "/").replace("%2e", "."));
        })
    ),
    case!(
        "path-dot-segments",
        "Dot segments stay in the path",
        ["REQ-ENV-03"],
        |talk| path_is(talk, "/a/../b/./c"),
        Violation::request("removes them", |parts| set_path(parts, "/a/../b/./c", "/b/c"))
    ),
    case!(
        "path-double-slash",
        "Repeated slashes stay in the path",
        ["REQ-ENV-03"],
        |talk| path_is(talk, "//a//b/"),
        Violation::request("merges them", |parts| set_path(parts, "//a//b/", "/a/b/"))
    ),
    case!(
        "path-escapes-kept",
        "Percent-escapes keep their case and are not decoded",
        ["REQ-ENV-03"],
        |talk| path_is(talk, "/%7Euser/%e4%E4/%2f"),
        Violation::request("decodes what needs no escape", |parts| set_path(
            parts,
            "/%7Euser/%e4%E4/%2f",
            "/~user/%e4%E4/%2f"
        ))
    ),
    case!(
        "path-bad-escape-kept",
        "An invalid escape stays in the path",
        ["REQ-ENV-03"],
        |talk| path_is(talk, "/a%zz%"),
        Violation::request("repairs it", |parts| set_path(parts, "/a%zz%", "/a%25zz%25"))
    ),
    case!(
        "path-of-absolute-form",
        "The path of an absolute-form target is without its authority",
        ["REQ-ENV-03"],
        |talk| tells(
            talk,
            "GET http://other.example/a%2Fb?c HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/path_info",
            json!("/a%2Fb")
        ),
        Violation::report("gives the whole target", |json| {
            if json["authority"] == "other.example" {
                json["path_info"] = json!("http://other.example/a%2Fb");
            }
        })
    ),
    case!(
        "script-name-empty",
        "An application at the root has an empty script_name",
        ["REQ-ENV-04"],
        |talk| tells(talk, "GET /a/b HTTP/1.1\r\nHost: {host}\r\n\r\n", "/script_name", json!("")),
        Violation::report("gives a slash", |json| json["script_name"] = json!("/"))
    ),
    case!(
        "path-info-begins-with-slash",
        "The path of an absolute-form target without one is /",
        ["REQ-ENV-05"],
        |talk| tells(
            talk,
            "GET http://{host}?q HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/path_info",
            json!("/")
        ),
        Violation::report("gives an empty path", |json| json["path_info"] = json!(""))
    ),
    case!(
        "path-info-star",
        "The path of OPTIONS * is *, and script_name is empty",
        ["REQ-ENV-05"],
        |talk| {
            let report = talk.report("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            is(&report, "/path_info", json!("*"))?;
            is(&report, "/script_name", json!(""))
        },
        Violation::report("gives /", |json| json["path_info"] = json!("/"))
    ),
    case!(
        "shift-at-segment",
        "A prefix is shifted where a segment ends",
        ["REQ-ENV-06"],
        |talk| {
            let report = shifted(talk, "/app/x%2Fy", "/app")?;
            is(&report, "/notes/0/shifted", json!(true))?;
            is(&report, "/script_name", json!("/app"))?;
            is(&report, "/path_info", json!("/x%2Fy"))
        },
        Violation::report("decodes while it shifts", |json| json["path_info"] = json!("/x/y"))
    ),
    case!(
        "shift-not-inside-segment",
        "A prefix that ends inside a segment is not shifted",
        ["REQ-ENV-06"],
        |talk| {
            let report = shifted(talk, "/apple", "/app")?;
            is(&report, "/notes/0/shifted", json!(false))?;
            is(&report, "/script_name", json!(""))?;
            is(&report, "/path_info", json!("/apple"))
        },
        Violation::report("shifts it", |json| {
            if !json["notes"].is_null() {
                json["notes"][0]["shifted"] = json!(true);
            }
            json["script_name"] = json!("/app");
            json["path_info"] = json!("le");
        })
    ),
    case!(
        "shift-whole-path",
        "A prefix that is the whole path leaves an empty path_info",
        ["REQ-ENV-06"],
        |talk| {
            let report = shifted(talk, "/app", "/app")?;
            is(&report, "/script_name", json!("/app"))?;
            is(&report, "/path_info", json!(""))
        },
        Violation::report("leaves a slash", |json| json["path_info"] = json!("/"))
    ),
    case!(
        "decoded-once",
        "A percent-escape is decoded once",
        ["REQ-ENV-07"],
        |talk| tells(
            talk,
            "GET /%252F%2F+a%C3%A9 HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/path_info_decoded",
            json!("/%2F/+a\u{e9}")
        ),
        Violation::report("decodes it twice", |json| json["path_info_decoded"] =
            json!("///+a\u{e9}"))
    ),
    case!(
        "decoding-fails-on-bad-escape",
        "The decoded path fails on an invalid escape, and the raw one is there",
        ["REQ-ENV-08"],
        |talk| {
            let report = talk.report("GET /a%zz HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            is(&report, "/path_info", json!("/a%zz"))?;
            is(&report, "/path_info_decoded/error/fault", json!("client"))?;
            is(&report, "/path_info_decoded/error/status", json!(400))
        },
        Violation::report("leaves the escape as it is", |json| json["path_info_decoded"] =
            json!("/a%zz"))
    ),
    case!(
        "decoding-fails-on-bad-utf-8",
        "The decoded path fails on octets that are not UTF-8",
        ["REQ-ENV-08"],
        |talk| tells(
            talk,
            "GET /%ff%fe HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/path_info_decoded/error/status",
            json!(400)
        ),
        Violation::report("replaces them", |json| json["path_info_decoded"] =
            json!("/\u{fffd}\u{fffd}"))
    ),
    case!(
        "query-raw",
        "The query is given raw, after the first question mark",
        ["REQ-ENV-09"],
        |talk| tells(
            talk,
            "GET /?a=%20b+c&d?e=/f HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/query",
            json!("a=%20b+c&d?e=/f")
        ),
        Violation::report("decodes it", |json| json["query"] = json!("a= b c&d?e=/f"))
    ),
    case!(
        "query-absent",
        "A target without a question mark has no query",
        ["REQ-ENV-09"],
        |talk| tells(talk, "GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n", "/query", Value::Null),
        Violation::report("gives an empty one", |json| json["query"] = json!(""))
    ),
    case!(
        "query-empty",
        "A target that ends with a question mark has an empty query",
        ["REQ-ENV-09"],
        |talk| tells(talk, "GET /a? HTTP/1.1\r\nHost: {host}\r\n\r\n", "/query", json!("")),
        Violation::report("gives none", |json| json["query"] = Value::Null)
    ),
    case!(
        "version-told",
        "The HTTP version of the request is given",
        ["REQ-ENV-10"],
        |talk| {
            tells(talk, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", "/version", json!("HTTP/1.1"))?;
            tells(talk, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n", "/version", json!("HTTP/1.0"))
        },
        Violation::request("says HTTP/1.1 to each", |parts| parts.version = http::Version::HTTP_11)
    ),
];

/// The report of a request has this value in this place.
pub(super) fn tells(talk: &mut Talk<'_>, request: &str, place: &str, value: Value) -> Held {
    let report = talk.report(request)?;
    is(&report, place, value)
}

/// A JSON value has this value at a pointer; what is absent is null.
pub(super) fn is(report: &Value, place: &str, value: Value) -> Held {
    let found = report.pointer(place).unwrap_or(&Value::Null);
    check(*found == value, format!("{} {value}", &place[1..]), format!("{} {found}", &place[1..]))
}

fn path_is(talk: &mut Talk<'_>, path: &str) -> Held {
    let report = talk.report(&format!("GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"))?;
    let joined = format!("{}{}", text(&report["script_name"]), text(&report["path_info"]));
    check(joined == path, format!("the path {path}"), joined)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn shifted(talk: &mut Talk<'_>, path: &str, prefix: &str) -> Held<Value> {
    talk.report(&format!(
        "GET {path} HTTP/1.1\r\nHost: {{host}}\r\nX-Play: shift {prefix}; report\r\n\r\n"
    ))
}

fn set_path(parts: &mut http::request::Parts, from: &str, to: &'static str) {
    if parts.uri.path() == from {
        parts.uri = http::Uri::from_static(to);
    }
}
