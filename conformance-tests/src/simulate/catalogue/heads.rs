//! Requests whose head is unusual: method, target, fields, version, where they came from.

use http::{Method, Version};

use super::super::request::{Request, Site};
use super::super::scenario::{Play, Requests, Scenario};
use super::{ANSWER, no_own_fault};
use crate::lint::Level::Should;

const fn unusual(slug: &'static str, title: &'static str, requests: Requests) -> Scenario {
    let play = Play::Each(requests, no_own_fault);
    Scenario::new(slug, Should, &["REQ-APP-09"], title, ANSWER, play)
}

pub(crate) const ALL: &[Scenario] = &[
    unusual("plain-get", "a plain GET is answered without a fault", |path| {
        vec![Request::get(path)]
    }),
    unusual("method-unknown", "a method that nobody knows is answered without a fault", |path| {
        ["BREW", "PROPFIND", "get", "M-SEARCH", "!#$%&'*+-.^_`|~"]
            .into_iter()
            .filter_map(|name| Method::from_bytes(name.as_bytes()).ok())
            .map(|method| Request::new(method, path))
            .collect()
    }),
    unusual("method-usual", "each registered method is answered without a fault", |path| {
        [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE]
            .into_iter()
            .map(|method| Request::new(method, path))
            .collect()
    }),
    unusual("target-asterisk", "OPTIONS * is answered without a fault", |_| {
        vec![Request::new(Method::OPTIONS, "*")]
    }),
    unusual("target-absolute", "a target in absolute-form is answered without a fault", |path| {
        vec![
            Request::get(format!("http://other.example:8080{path}")),
            Request::get(format!("https://other.example{path}")),
        ]
    }),
    unusual(
        "path-undecodable",
        "a path that cannot be decoded is answered without a fault",
        |path| {
            ["%ff%fe", "%C3%28", "%ED%A0%80", "%00"]
                .map(|text| Request::get(below(path, text)))
                .into()
        },
    ),
    unusual("path-shapes", "odd segments in a path are answered without a fault", |path| {
        ["/", "//", ".", "..", "../../x", "%2e%2e/%2F", ";a=b", "a;b=c/d", "@:,$"]
            .map(|text| Request::get(below(path, text)))
            .into()
    }),
    unusual("path-unknown", "a path that leads nowhere is answered without a fault", |path| {
        vec![Request::get(below(path, "no-such-thing-here")), Request::get("/no/such/thing")]
    }),
    unusual("path-long", "a very long path is answered without a fault", |path| {
        vec![
            Request::get(below(path, &"a".repeat(7000))),
            Request::get(below(path, &"a/".repeat(3500))),
        ]
    }),
    unusual("query-odd", "an odd query is answered without a fault", |path| {
        ["", "=", "&&", "a", "a=b=c", "a=1&a=2&a=3", "%zz=%", "a=%ff", "?", "/../"]
            .map(|query| Request::get(format!("{path}?{query}")))
            .into()
    }),
    unusual("query-long", "a very long query is answered without a fault", |path| {
        vec![Request::get(format!("{path}?{}", "key=value&".repeat(700)))]
    }),
    unusual("head-many-fields", "a head of very many fields is answered without a fault", |path| {
        let many = (0..96)
            .fold(Request::get(path), |request, at| request.field("x-many", format!("value {at}")));
        vec![many, Request::get(path).field("x-long", "v".repeat(16_000))]
    }),
    unusual("head-octets", "field values that are no text are answered without a fault", |path| {
        ["accept", "user-agent", "referer", "origin", "accept-language", "x-octets"]
            .map(|name| Request::get(path).field(name, b"\xff\xfe caf\xe9"))
            .into()
    }),
    unusual("head-credentials", "odd credentials are answered without a fault", |path| {
        ["", "Basic", "Basic !!!", "Basic /w==", "Bearer", "Nobody knows=this", "Basic YQ=="]
            .map(|value| Request::get(path).field("authorization", value))
            .into()
    }),
    unusual("head-cookies", "odd cookies are answered without a fault", |path| {
        ["", ";", "a", "=", "a=1; a=2", "a=\"b", "a=%ff", "__Host-a=\u{e9}"]
            .map(|value| Request::get(path).field("cookie", value))
            .into_iter()
            .chain([Request::get(path).field("cookie", "a=1").field("cookie", "b=2")])
            .collect()
    }),
    unusual("head-conditions", "odd preconditions are answered without a fault", |path| {
        [
            ("if-none-match", "*"),
            ("if-none-match", "no-quotes"),
            ("if-match", "\"nobody-has-this\""),
            ("if-modified-since", "yesterday"),
            ("if-modified-since", "Sun, 06 Nov 2094 08:49:37 GMT"),
            ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("if-range", "\"x\""),
        ]
        .map(|(name, value)| Request::get(path).field(name, value))
        .into()
    }),
    unusual("head-ranges", "odd ranges are answered without a fault", |path| {
        [
            "bytes=0-0",
            "bytes=5-2",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=0-,0-,0-",
            "seconds=1-2",
            "bytes",
            "",
        ]
        .map(|value| Request::get(path).field("range", value))
        .into()
    }),
    unusual(
        "head-preferences",
        "preferences that cannot be met are answered without a fault",
        |path| {
            [
                ("accept", "application/x-nobody-has-this;q=1, */*;q=0"),
                ("accept", ";;;q=2"),
                ("accept-encoding", "identity;q=0, *;q=0"),
                ("accept-encoding", "gzip;q=abc"),
                ("accept-language", "tlh-Klingon, *;q=0"),
                ("accept-charset", "utf-1"),
            ]
            .map(|(name, value)| Request::get(path).field(name, value))
            .into()
        },
    ),
    unusual("head-forwarding", "odd forwarding fields are answered without a fault", |path| {
        [
            ("x-forwarded-for", "not an address, , 1.2.3.4.5"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", ""),
            ("forwarded", "for=\"[::1\";;proto"),
        ]
        .map(|(name, value)| Request::get(path).field(name, value))
        .into()
    }),
    unusual("head-upgrade", "an offer to upgrade is answered without a fault", |path| {
        vec![
            Request::get(path)
                .field("connection", "upgrade")
                .field("upgrade", "websocket")
                .field("sec-websocket-version", "13")
                .field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            Request::get(path)
                .field("connection", "upgrade, http2-settings")
                .field("upgrade", "h2c"),
        ]
    }),
    unusual("host-odd", "an odd Host is answered without a fault", |path| {
        ["", "[::1]", "[2001:db8::1]:8080", "EXAMPLE.org", "127.0.0.1:65535", "xn--caf-dma.example"]
            .map(|host| Request::get(path).field("host", host))
            .into()
    }),
    unusual("version-10", "an HTTP/1.0 request without Host is answered without a fault", |path| {
        vec![Request::get(path).version(Version::HTTP_10)]
    }),
    unusual("version-2", "an HTTP/2 request is answered without a fault", |path| {
        vec![Request::get(format!("http://localhost:8000{path}")).version(Version::HTTP_2)]
    }),
    unusual("mounted", "an application under a prefix answers without a fault", |path| {
        vec![
            Request::get(format!("/mount{path}")).mount("/mount"),
            Request::get(format!("/caf%C3%A9/b{path}")).mount("/caf%C3%A9/b"),
        ]
    }),
    unusual(
        "mounted-root",
        "an application whose `path_info` is empty answers without a fault",
        |_| vec![Request::get("/root-mount").mount("/root-mount")],
    ),
    unusual("site-unix", "a client on a Unix socket is answered without a fault", |path| {
        vec![Request::get(path).site(Site::Unix)]
    }),
    unusual("site-memory", "a client without an address is answered without a fault", |path| {
        vec![Request::get(path).site(Site::Memory)]
    }),
    unusual("site-tls", "a client under TLS is answered without a fault", |path| {
        vec![Request::get(path).site(Site::Tls)]
    }),
    Scenario::new(
        "site-bare",
        Should,
        &["REQ-APP-09", "REQ-CAP-03"],
        "on a server without capabilities an application answers without a fault",
        "ask `environ.capabilities()` first, and do without or answer 501",
        Play::Each(
            |path| vec![Request::get(path).bare(), Request::new(Method::HEAD, path).bare()],
            no_own_fault,
        ),
    ),
];

/// A path below another.
fn below(path: &str, rest: &str) -> String {
    format!("{}/{rest}", path.trim_end_matches('/'))
}
