//! Chapter "The environ", what lies beyond the request line: fields, ends of the connection, CGI's names, the URL.

use serde_json::{Value, json};

use super::environ::{is, tells, text};
use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::get;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
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

fn fields_are(report: &Value, name: &str, values: &[&str]) -> Held {
    let pairs = report["fields"].as_array().into_iter().flatten();
    let found: Vec<&str> =
        pairs.filter(|pair| pair[0] == name).map(|pair| text(&pair[1])).collect();
    check(found == values, format!("the field {name} with {values:?}"), format!("{found:?}"))
}

fn remove(report: &mut Value, variable: &str) {
    if let Some(variables) = report["variables"].as_object_mut() {
        variables.remove(variable);
    }
}
