//! Chapter "HTTP duties", the request target and Host.

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::check;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-17 to 21: the four forms of the target.
    case!(
        "absolute-form",
        "A target in absolute-form is served",
        ["REQ-HTTP-17"],
        |talk| {
            let report = talk.report("GET http://{host}/a/b?c HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            check(report["path_info"] == "/a/b", "the path /a/b", &report["path_info"])
        },
        Violation::switch("refuses it", Switch::NoAbsoluteForm)
    ),
    case!(
        "absolute-form-without-path",
        "A target in absolute-form without a path is served",
        ["REQ-HTTP-17"],
        |talk| {
            let report = talk.report("GET http://{host} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            check(report["path_info"] == "/", "the path /", &report["path_info"])
        },
        Violation::switch("refuses absolute-form", Switch::NoAbsoluteForm)
    ),
    case!(
        "star-options",
        "OPTIONS * is served",
        ["REQ-HTTP-18"],
        |talk| {
            let report = talk.report("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            check(report["path_info"] == "*", "the path *", &report["path_info"])?;
            talk.refused("GET * HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n", &[400]).map(drop)
        },
        Violation::switch("serves * to any method", Switch::StarForAll)
    ),
    refused!(
        "star-get",
        "GET * is answered 400",
        "REQ-HTTP-18",
        "GET * HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n",
        &[400],
        "serves * to any method",
        StarForAll
    ),
    refused!(
        "star-post",
        "POST * is answered 400",
        "REQ-HTTP-18",
        "POST * HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\nContent-Length: 0\r\n\r\n",
        &[400],
        "serves * to any method",
        StarForAll
    ),
    refused!(
        "authority-form-get",
        "GET host:port is answered 400",
        "REQ-HTTP-19",
        "GET {host} HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n",
        &[400],
        "serves authority-form to any method",
        AuthorityForAll
    ),
    refused!(
        "authority-form-options",
        "OPTIONS host:port is answered 400",
        "REQ-HTTP-19",
        "OPTIONS {host} HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n",
        &[400],
        "serves authority-form to any method",
        AuthorityForAll
    ),
    refused!(
        "target-without-slash",
        "A target without a leading slash is answered 400",
        "REQ-HTTP-20",
        "GET index.html HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n",
        &[400],
        "takes any target",
        AnyTarget
    ),
    refused!(
        "target-query-alone",
        "A target that is only a query is answered 400",
        "REQ-HTTP-20",
        "GET ?a=b HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n",
        &[400],
        "takes any target",
        AnyTarget
    ),
    Case {
        id: "connect-refused",
        title: "CONNECT is answered 501",
        requirements: &["REQ-HTTP-21"],
        needs: Need::Nothing,
        talk: |talk| {
            talk.refused("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n", &[501])
                .map(drop)
        },
        violation: Violation::switch("hands it to the application", Switch::Connect),
    },
    // REQ-HTTP-22 to 25: Host.
    refused!(
        "host-missing",
        "An HTTP/1.1 request without Host is answered 400",
        "REQ-HTTP-22",
        "GET /?tag={tag} HTTP/1.1\r\n\r\n",
        &[400],
        "serves it",
        NoHost
    ),
    refused!(
        "host-missing-absolute-form",
        "An HTTP/1.1 request in absolute-form without Host is answered 400",
        "REQ-HTTP-22",
        "GET http://{host}/?tag={tag} HTTP/1.1\r\n\r\n",
        &[400],
        "serves it",
        NoHost
    ),
    case!(
        "host-empty",
        "An empty Host is accepted",
        ["REQ-HTTP-22"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost:\r\n\r\n")?;
            check(report["path_info"] == "/", "the path /", &report["path_info"])
        },
        Violation::switch("refuses it", Switch::NoEmptyHost)
    ),
    refused!(
        "host-twice",
        "Two different Host fields are answered 400",
        "REQ-HTTP-23",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nHost: other.example\r\n\r\n",
        &[400],
        "takes the first one",
        TwoHosts
    ),
    refused!(
        "host-twice-same",
        "Two equal Host fields are answered 400",
        "REQ-HTTP-23",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
        &[400],
        "takes the first one",
        TwoHosts
    ),
    refused!(
        "host-twice-http10",
        "Two Host fields in HTTP/1.0 are answered 400",
        "REQ-HTTP-23",
        "GET /?tag={tag} HTTP/1.0\r\nHost: {host}\r\nHost: other.example\r\n\r\n",
        &[400],
        "takes the first one",
        TwoHosts
    ),
    refused!(
        "host-with-path",
        "A Host with a path is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: a.example/b\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    refused!(
        "host-with-user",
        "A Host with user information is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: user@a.example\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    refused!(
        "host-with-space",
        "A Host with a space inside is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: a.example b.example\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    refused!(
        "host-list",
        "A Host that is a list is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    refused!(
        "host-bad-port",
        "A Host with a port that is no number is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: a.example:http\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    refused!(
        "host-bad-ipv6",
        "A Host with an unclosed IPv6 address is answered 400",
        "REQ-HTTP-24",
        "GET /?tag={tag} HTTP/1.1\r\nHost: [::1\r\n\r\n",
        &[400],
        "takes any value",
        AnyHost
    ),
    case!(
        "host-ipv6",
        "A Host with an IPv6 address and a port is accepted",
        ["REQ-HTTP-24"],
        |talk| {
            let report = talk.report("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n")?;
            check(
                report["authority"] == "[::1]:8080",
                "the authority [::1]:8080",
                &report["authority"],
            )
        },
        Violation::switch("knows no IPv6", Switch::NoIpv6Host)
    ),
    case!(
        "http10-without-host",
        "An HTTP/1.0 request without Host is accepted",
        ["REQ-HTTP-25"],
        |talk| {
            let report = talk.report("GET /a HTTP/1.0\r\n\r\n")?;
            check(report["path_info"] == "/a", "the path /a", &report["path_info"])
        },
        Violation::switch("asks for Host in each request", Switch::HostForAll)
    ),
];
