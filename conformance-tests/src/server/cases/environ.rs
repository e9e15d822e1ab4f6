//! Chapter "The environ": what the application learns about a request.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get};

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
    // REQ-ENV-11 to 13: the fields.
    case!(
        "all-fields-given",
        "Every field line is given, those of the connection included",
        ["REQ-ENV-11"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nTE: trailers\r\nX-Test: a\r\nx_test: b\r\nX-Empty:\r\n\r\n")?;
            fields_are(&report, "connection", &["keep-alive"])?;
            fields_are(&report, "te", &["trailers"])?;
            fields_are(&report, "x-test", &["a"])?;
            fields_are(&report, "x_test", &["b"])?;
            fields_are(&report, "x-empty", &[""])
        },
        Violation::request("removes those of the connection", |parts| {
            parts.headers.remove("connection");
        })
    ),
    case!(
        "framing-fields-given",
        "The fields of the framing are given",
        ["REQ-ENV-11"],
        |talk| {
            let report = talk.report(
                "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            )?;
            fields_are(&report, "transfer-encoding", &["chunked"])
        },
        Violation::request("removes them", |parts| {
            parts.headers.remove("transfer-encoding");
        })
    ),
    case!(
        "repeated-field-order",
        "The values of a repeated field are given in their order",
        ["REQ-ENV-12"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: one\r\nX-Other: o\r\nx-test: two\r\nX-TEST: three\r\n\r\n")?;
            fields_are(&report, "x-test", &["one", "two", "three"])
        },
        Violation::report("gives them in another order", |json| {
            if let Some(fields) = json["fields"].as_array_mut() {
                fields.reverse();
            }
        })
    ),
    case!(
        "value-trimmed",
        "Whitespace around a field value is no part of it",
        ["REQ-ENV-13"],
        |talk| {
            let report = talk.report(
                "GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: \t a  b\t \r\nX-Tight:c\r\n\r\n",
            )?;
            fields_are(&report, "x-test", &["a  b"])?;
            fields_are(&report, "x-tight", &["c"])
        },
        Violation::request("joins spaces inside of it", |parts| {
            if parts.headers.contains_key("x-test") {
                parts.headers.insert("x-test", http::HeaderValue::from_static("a b"));
            }
        })
    ),
    case!(
        "value-octets-kept",
        "Octets from 0x80 are part of a field value",
        ["REQ-ENV-13"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send("GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: a")?;
            wire.send_octets(b"\xe9\xff\x80")?;
            wire.send("b\r\n\r\n")?;
            let response = wire.response()?;
            response.status(200)?;
            fields_are(&response.json()?, "x-test", &["a\u{e9}\u{ff}\u{80}b"])
        },
        Violation::switch("refuses them", Switch::NoObsText)
    ),
    // REQ-ENV-14 to 18: where the request went, and whence it came.
    case!(
        "scheme-of-connection",
        "The scheme is that of the connection",
        ["REQ-ENV-14"],
        |talk| tells(
            talk,
            "GET https://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/scheme",
            json!("http")
        ),
        Violation::report("believes the target", |json| json["scheme"] = json!("https"))
    ),
    case!(
        "scheme-not-forwarded",
        "A forwarding field of somebody who is not trusted does not change the scheme",
        ["REQ-ENV-14"],
        |talk| tells(
            talk,
            "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: https\r\nForwarded: proto=https\r\n\r\n",
            "/scheme",
            json!("http")
        ),
        Violation::report("believes it", |json| {
            if json["fields"].to_string().contains("x-forwarded-proto") {
                json["scheme"] = json!("https");
            }
        })
    ),
    case!(
        "authority-of-host",
        "The authority is the value of Host",
        ["REQ-ENV-15"],
        |talk| tells(
            talk,
            "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
            "/authority",
            json!("a.example:8080")
        ),
        Violation::request("removes the port", |parts| {
            if parts.headers.get("host").is_some_and(|host| host == "a.example:8080") {
                parts.headers.insert("host", http::HeaderValue::from_static("a.example"));
            }
        })
    ),
    case!(
        "authority-of-absolute-form",
        "The authority of an absolute-form target counts before Host",
        ["REQ-ENV-15"],
        |talk| tells(
            talk,
            "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "/authority",
            json!("a.example")
        ),
        Violation::report("believes Host", |json| json["authority"] = json!("b.example"))
    ),
    case!(
        "authority-absent",
        "An HTTP/1.0 request without Host has no authority",
        ["REQ-ENV-15"],
        |talk| tells(talk, "GET / HTTP/1.0\r\n\r\n", "/authority", Value::Null),
        Violation::report("gives an empty one", |json| json["authority"] = json!(""))
    ),
    case!(
        "authority-not-forwarded",
        "X-Forwarded-Host of somebody who is not trusted does not change the authority",
        ["REQ-ENV-15"],
        |talk| tells(
            talk,
            "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: b.example\r\nForwarded: host=b.example\r\n\r\n",
            "/authority",
            json!("a.example")
        ),
        Violation::report("believes it", |json| json["authority"] = json!("b.example"))
    ),
    case!(
        "peer-is-remote-end",
        "The peer is the remote end of the connection",
        ["REQ-ENV-16"],
        |talk| {
            let mut wire = talk.connect()?;
            let address = wire.local_address()?;
            let report = wire.request("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")?.json()?;
            is(&report, "/peer", json!(address.to_string()))
        },
        Violation::connection("gives its own end", |connection| connection.peer =
            connection.local.clone())
    ),
    case!(
        "peer-not-forwarded",
        "X-Forwarded-For of somebody who is not trusted does not change the peer",
        ["REQ-ENV-16"],
        |talk| {
            let mut wire = talk.connect()?;
            let address = wire.local_address()?;
            let report = wire.request("GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n")?.json()?;
            is(&report, "/peer", json!(address.to_string()))
        },
        Violation::report("believes it", |json| json["peer"] = json!("192.0.2.1:0"))
    ),
    case!(
        "local-endpoint",
        "The local endpoint is the one that accepted the connection",
        ["REQ-ENV-17"],
        |talk| {
            let address = talk.address().to_string();
            tells(talk, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "/local", json!(address))
        },
        Violation::connection("gives none", |connection| connection.local =
            rwgi::Endpoint::Unknown)
    ),
    case!(
        "no-tls-facts",
        "A connection without TLS has no TLS facts",
        ["REQ-ENV-18"],
        |talk| tells(talk, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", "/tls", json!(false)),
        Violation::connection("gives empty ones", |connection| connection.tls =
            Some(rwgi::TlsInfo::default()))
    ),
    // REQ-ENV-19 and 20: extensions and limits.
    case!(
        "extensions-of-one-exchange",
        "An extension is not seen by the next exchange on the connection",
        ["REQ-ENV-19"],
        |talk| {
            let mut wire = talk.connect()?;
            for _ in 0..2 {
                let report = wire.request(&get("extension; report"))?.json()?;
                is(&report, "/notes/0/extension_was_there", json!(false))?;
            }
            Ok(())
        },
        Violation::report("keeps it", |json| {
            if !json["notes"].is_null() {
                json["notes"][0]["extension_was_there"] = json!(true);
            }
        })
    ),
    case!(
        "body-limit-told",
        "The limit on the body is told, and it is the one that holds",
        ["REQ-ENV-20"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            let (told, holds) = (&report["limits"]["body_bytes"], &report["input_limit"]);
            check(
                told == holds && !report["limits"].is_null(),
                format!("the limit {holds} that the input has"),
                told,
            )
        },
        Violation::report("tells another", |json| json["limits"]["body_bytes"] = json!(1))
    ),
    // REQ-ENV-21 to 26: the names of CGI.
    case!(
        "variables-of-every-request",
        "The variables that every request has are given",
        ["REQ-ENV-21"],
        |talk| {
            let report =
                talk.report("GET /a%20b/c?d=%20 HTTP/1.1\r\nHost: a.example:8080\r\n\r\n")?;
            for (name, value) in [
                ("REQUEST_METHOD", "GET"),
                ("SCRIPT_NAME", ""),
                ("PATH_INFO", "/a b/c"),
                ("QUERY_STRING", "d=%20"),
                ("SERVER_NAME", "a.example"),
                ("SERVER_PORT", "8080"),
                ("SERVER_PROTOCOL", "HTTP/1.1"),
            ] {
                is(&report, &format!("/variables/{name}"), json!(value))?;
            }
            Ok(())
        },
        Violation::report("leaves out an empty SCRIPT_NAME", |json| remove(json, "SCRIPT_NAME"))
    ),
    case!(
        "variables-without-authority",
        "SERVER_NAME and SERVER_PORT come from the local endpoint where there is no authority",
        ["REQ-ENV-21"],
        |talk| {
            let address = talk.address();
            let report = talk.report("GET / HTTP/1.0\r\n\r\n")?;
            is(&report, "/variables/SERVER_NAME", json!(address.ip().to_string()))?;
            is(&report, "/variables/SERVER_PORT", json!(address.port().to_string()))
        },
        Violation::report("gives the default port", |json| json["variables"]["SERVER_PORT"] =
            json!("80"))
    ),
    case!(
        "variables-fail-on-bad-escape",
        "The variables of a path that cannot be decoded are a client fault",
        ["REQ-ENV-21"],
        |talk| tells(
            talk,
            "GET /%zz HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "/variables/error/status",
            json!(400)
        ),
        Violation::report("gives the path as it is", |json| json["variables"] =
            json!({ "PATH_INFO": "/%zz" }))
    ),
    case!(
        "variables-of-fields",
        "A field is given as HTTP_ and its name",
        ["REQ-ENV-22"],
        |talk| {
            let report = talk.report("POST / HTTP/1.1\r\nHost: {host}\r\nX-Test-Field: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")?;
            is(&report, "/variables/HTTP_X_TEST_FIELD", json!("a"))?;
            is(&report, "/variables/CONTENT_TYPE", json!("text/plain"))?;
            is(&report, "/variables/CONTENT_LENGTH", json!("2"))?;
            is(&report, "/variables/HTTP_CONTENT_TYPE", Value::Null)?;
            is(&report, "/variables/HTTP_CONTENT_LENGTH", Value::Null)
        },
        Violation::report("gives Content-Type as HTTP_CONTENT_TYPE too", |json| json["variables"]
            ["HTTP_CONTENT_TYPE"] =
            json!("text/plain"))
    ),
    case!(
        "no-variable-with-underscore",
        "A field whose name holds an underscore has no variable",
        ["REQ-ENV-23"],
        |talk| {
            let report = talk
                .report("GET / HTTP/1.1\r\nHost: {host}\r\nX_User: forged\r\nX-Other: a\r\n\r\n")?;
            is(&report, "/variables/HTTP_X_OTHER", json!("a")).control()?;
            is(&report, "/variables/HTTP_X_USER", Value::Null)?;
            fields_are(&report, "x_user", &["forged"])
        },
        Violation::report("gives it", |json| json["variables"]["HTTP_X_USER"] = json!("forged"))
    ),
    case!(
        "no-http-proxy",
        "There is no variable HTTP_PROXY",
        ["REQ-ENV-24"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\nProxy: http://evil.example/\r\nX-Other: a\r\n\r\n")?;
            is(&report, "/variables/HTTP_X_OTHER", json!("a")).control()?;
            is(&report, "/variables/HTTP_PROXY", Value::Null)
        },
        Violation::report("gives it", |json| json["variables"]["HTTP_PROXY"] =
            json!("http://evil.example/"))
    ),
    case!(
        "variables-joined",
        "The values of a repeated field are joined in its variable",
        ["REQ-ENV-25"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: a\r\nX-Test: b\r\nCookie: c=1\r\nCookie: d=2\r\n\r\n")?;
            is(&report, "/variables/HTTP_X_TEST", json!("a, b"))?;
            is(&report, "/variables/HTTP_COOKIE", json!("c=1; d=2"))
        },
        Violation::report("gives the last value", |json| json["variables"]["HTTP_X_TEST"] =
            json!("b"))
    ),
    case!(
        "http-host-is-authority",
        "HTTP_HOST is the effective authority",
        ["REQ-ENV-26"],
        |talk| tells(
            talk,
            "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "/variables/HTTP_HOST",
            json!("a.example")
        ),
        Violation::report("gives the field", |json| json["variables"]["HTTP_HOST"] =
            json!("b.example"))
    ),
    // REQ-ENV-27: the URL.
    case!(
        "url-put-together",
        "The URL is put together from raw parts",
        ["REQ-ENV-27"],
        |talk| tells(
            talk,
            "GET /a%20b//c?d=%20 HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
            "/url",
            json!("http://a.example:8080/a%20b//c?d=%20")
        ),
        Violation::report("decodes the path", |json| json["url"] =
            json!("http://a.example:8080/a b//c?d=%20"))
    ),
    case!(
        "url-without-authority",
        "The local endpoint stands in the URL where there is no authority",
        ["REQ-ENV-27"],
        |talk| {
            let expected = format!("http://{}/a", talk.address());
            tells(talk, "GET /a HTTP/1.0\r\n\r\n", "/url", json!(expected))
        },
        Violation::report("says localhost", |json| json["url"] = json!("http://localhost/a"))
    ),
];

/// The report of a request has this value in this place.
fn tells(talk: &mut Talk<'_>, request: &str, place: &str, value: Value) -> Held {
    let report = talk.report(request)?;
    is(&report, place, value)
}

/// A JSON value has this value at a pointer; what is absent is null.
fn is(report: &Value, place: &str, value: Value) -> Held {
    let found = report.pointer(place).unwrap_or(&Value::Null);
    check(*found == value, format!("{} {value}", &place[1..]), format!("{} {found}", &place[1..]))
}

fn path_is(talk: &mut Talk<'_>, path: &str) -> Held {
    let report = talk.report(&format!("GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"))?;
    let joined = format!("{}{}", text(&report["script_name"]), text(&report["path_info"]));
    check(joined == path, format!("the path {path}"), joined)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn fields_are(report: &Value, name: &str, values: &[&str]) -> Held {
    let pairs = report["fields"].as_array().into_iter().flatten();
    let found: Vec<&str> =
        pairs.filter(|pair| pair[0] == name).map(|pair| text(&pair[1])).collect();
    check(found == values, format!("the field {name} with {values:?}"), format!("{found:?}"))
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

fn remove(report: &mut Value, variable: &str) {
    if let Some(variables) = report["variables"].as_object_mut() {
        variables.remove(variable);
    }
}
