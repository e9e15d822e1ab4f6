//! The environ: what each accessor says of requests that differ in what matters.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, Request, Version};
use rwgi::{
    Connection, Endpoint, Environ, EnvironBuilder, Forwarded, Input, Scheme, ServerInfo, TlsInfo,
};

fn connection() -> Connection {
    Connection {
        peer: Endpoint::Ip("192.0.2.7:4711".parse().unwrap()),
        local: Endpoint::Ip("192.0.2.1:8080".parse().unwrap()),
        tls: None,
        server: Arc::new(ServerInfo::new("test/1.0")),
    }
}

fn variables(environ: &Environ) -> BTreeMap<String, String> {
    environ
        .variables()
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name.into_owned(), String::from_utf8(value.into_owned()).unwrap()))
        .collect()
}

fn build(builder: EnvironBuilder) -> Environ {
    builder.build().unwrap()
}

// Evidence: REQ-ENV-21, REQ-ENV-22, REQ-ENV-09, REQ-ENV-10
#[test]
fn the_variables_of_a_request_are_those_of_cgi() {
    let mut environ = build(
        Environ::builder()
            .method(Method::POST)
            .uri("/shop/caf%C3%A9/a%20b?q=%20x")
            .host("example.org:8080")
            .header("content-type", "text/plain")
            .header("accept", "text/html")
            .connection(connection())
            .input("hello"),
    );
    assert!(environ.shift_path("/shop"));
    let variables = variables(&environ);
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", "/shop"),
        ("PATH_INFO", "/café/a b"),
        ("QUERY_STRING", "q=%20x"),
        ("REQUEST_URI", "/shop/caf%C3%A9/a%20b?q=%20x"),
        ("SERVER_NAME", "example.org"),
        ("SERVER_PORT", "8080"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "test/1.0"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "4711"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "5"),
        ("HTTP_ACCEPT", "text/html"),
        ("HTTP_HOST", "example.org:8080"),
        ("wsgi.url_scheme", "http"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!variables.keys().any(|name| name.starts_with("HTTP_CONTENT")));
}

#[test]
fn the_content_length_is_told_even_after_the_input_was_taken() {
    let mut environ = build(Environ::builder().input("hello"));
    let _taken = environ.take_input();
    assert_eq!(variables(&environ)["CONTENT_LENGTH"], "5");
    let none = build(Environ::builder());
    assert!(!variables(&none).contains_key("CONTENT_LENGTH"));
    let zero = build(Environ::builder().header("content-length", "0"));
    assert_eq!(variables(&zero)["CONTENT_LENGTH"], "0");
}

// Evidence: REQ-ENV-15, REQ-ENV-26, REQ-ENV-21, REQ-ENV-27
#[test]
fn the_authority_is_that_of_the_target_or_else_host_or_else_the_local_end() {
    let v6 = Connection { local: Endpoint::Ip("[::1]:8000".parse().unwrap()), ..connection() };
    for (uri, host, version, connection, authority, name, port, url) in [
        (
            "http://a.example/x",
            Some("b.example"),
            Version::HTTP_11,
            connection(),
            Some("a.example"),
            "a.example",
            "80",
            "http://a.example/x",
        ),
        (
            "/x",
            Some("b.example:81"),
            Version::HTTP_11,
            connection(),
            Some("b.example:81"),
            "b.example",
            "81",
            "http://b.example:81/x",
        ),
        (
            "/x",
            Some("[::1]:81"),
            Version::HTTP_11,
            connection(),
            Some("[::1]:81"),
            "[::1]",
            "81",
            "http://[::1]:81/x",
        ),
        (
            "/x",
            Some(""),
            Version::HTTP_11,
            connection(),
            Some(""),
            "192.0.2.1",
            "8080",
            "http://192.0.2.1:8080/x",
        ),
        (
            "/x",
            None,
            Version::HTTP_10,
            connection(),
            None,
            "192.0.2.1",
            "8080",
            "http://192.0.2.1:8080/x",
        ),
        ("/x", None, Version::HTTP_10, v6, None, "[::1]", "8000", "http://[::1]:8000/x"),
        (
            "/x",
            None,
            Version::HTTP_10,
            Connection::default(),
            None,
            "localhost",
            "80",
            "http://localhost/x",
        ),
    ] {
        let mut builder = Environ::builder().uri(uri).version(version).connection(connection);
        if let Some(host) = host {
            builder = builder.host(host);
        }
        let environ = build(builder);
        assert_eq!(environ.authority(), authority, "{uri} {host:?}");
        assert_eq!(environ.url(), url);
        let variables = variables(&environ);
        assert_eq!((&*variables["SERVER_NAME"], &*variables["SERVER_PORT"]), (name, port));
        assert_eq!(variables.get("HTTP_HOST").map(String::as_str), authority);
    }
}

// Evidence: REQ-ENV-05, REQ-ENV-27
#[test]
fn a_target_without_a_path_has_one() {
    let environ = build(Environ::builder().method(Method::OPTIONS).uri("*").host("h.example"));
    assert_eq!((environ.script_name(), environ.path_info()), ("", "*"));
    assert_eq!(environ.url(), "http://h.example");
    assert!(!environ.path_info_decoded().unwrap().starts_with('/'));
    let environ = build(Environ::builder().uri("http://h.example?q"));
    assert_eq!((environ.path_info(), environ.query()), ("/", Some("q")));
}

// Evidence: REQ-ENV-09, REQ-ENV-21
#[test]
fn a_query_is_absent_or_empty_or_raw() {
    for (uri, query) in
        [("/", None), ("/?", Some("")), ("/?a?b", Some("a?b")), ("/?%zz+", Some("%zz+"))]
    {
        let environ = build(Environ::builder().uri(uri));
        assert_eq!(environ.query(), query);
        assert_eq!(variables(&environ)["QUERY_STRING"], query.unwrap_or(""));
    }
}

// Evidence: REQ-ENV-14, REQ-ENV-16, REQ-ENV-17, REQ-ENV-18
#[test]
fn a_trusted_proxys_word_is_effective_and_the_raw_facts_stay() {
    let mut environ = build(Environ::builder().uri("/x").host("inner").connection(connection()));
    assert_eq!((environ.scheme(), environ.peer()), (Scheme::Http, &connection().peer));
    assert!(environ.connection().tls.is_none() && environ.forwarded().is_none());
    environ.set_forwarded(Forwarded {
        peer: Some(Endpoint::Ip("203.0.113.9:1".parse().unwrap())),
        scheme: Some(Scheme::Https),
        authority: Some("public.example".to_owned()),
    });
    assert_eq!(environ.url(), "https://public.example/x");
    assert_eq!(variables(&environ)["REMOTE_ADDR"], "203.0.113.9");
    assert_eq!(variables(&environ)["SERVER_PORT"], "443");
    assert_eq!(environ.connection().peer, connection().peer);
    assert_eq!(environ.connection().local, connection().local);
    // A part that the proxy did not say stays as it is.
    environ.set_forwarded(Forwarded::default());
    assert_eq!((environ.url().as_str(), environ.peer()), ("http://inner/x", &connection().peer));

    let tls = Connection { tls: Some(TlsInfo::default()), ..connection() };
    let environ = build(Environ::builder().host("h").connection(tls));
    assert_eq!((environ.scheme(), environ.url().as_str()), (Scheme::Https, "https://h/"));
}

#[test]
fn a_unix_peer_has_no_address() {
    let connection = Connection {
        peer: Endpoint::Unix(None),
        local: Endpoint::Unix(Some("/run/app.sock".into())),
        ..Connection::default()
    };
    assert_eq!(connection.local.to_string(), "unix:/run/app.sock");
    assert_eq!(connection.local.unix_path().unwrap().to_str(), Some("/run/app.sock"));
    assert_eq!((connection.peer.ip(), connection.peer.to_string().as_str()), (None, "unix:"));
    let environ = build(Environ::builder().connection(connection));
    let variables = variables(&environ);
    assert_eq!((&*variables["REMOTE_ADDR"], variables.get("REMOTE_PORT")), ("", None));
    assert_eq!(Endpoint::Unknown.to_string(), "unknown");
    let ip = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
    assert_eq!((ip.to_string().as_str(), ip.unix_path()), ("127.0.0.1:80", None));
}

// Evidence: REQ-ENV-01, REQ-ENV-02, REQ-ENV-10
#[test]
fn method_and_version_are_those_of_the_request() {
    for method in ["GET", "get", "BREW", "M-SEARCH"] {
        let environ = build(Environ::builder().method(method.parse().unwrap()));
        assert_eq!(environ.method().as_str(), method);
        assert_eq!(variables(&environ)["REQUEST_METHOD"], method);
    }
    for (version, text) in [
        (Version::HTTP_09, "HTTP/0.9"),
        (Version::HTTP_10, "HTTP/1.0"),
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_2, "HTTP/2"),
        (Version::HTTP_3, "HTTP/3"),
    ] {
        assert_eq!(build(Environ::builder().version(version)).protocol(), text);
    }
}

// Evidence: REQ-ENV-19, REQ-MID-03
#[test]
fn extensions_belong_to_one_exchange() {
    #[derive(Clone, PartialEq, Debug)]
    struct User(&'static str);
    let mut environ = build(Environ::builder());
    environ.extensions_mut().insert(User("ann"));
    assert_eq!(environ.extensions().get(), Some(&User("ann")));
    let connection = environ.share_connection();
    let other = build(Environ::builder().connection(connection));
    assert!(other.extensions().get::<User>().is_none());
}

#[test]
fn middleware_can_rewrite_what_it_passes_on() {
    let mut environ = build(Environ::builder().uri("/a/b").input("x"));
    assert!(environ.shift_path("/a"));
    environ.set_uri("/c/d?e".parse().unwrap());
    assert_eq!((environ.script_name(), environ.path_info()), ("", "/c/d"));
    environ.set_method(Method::PUT);
    environ.headers_mut().insert("x-a", "1".parse().unwrap());
    environ.set_input(Input::from("longer"));
    assert_eq!(environ.input().length(), rwgi::BodyLength::Exact(6));
    assert!(format!("{environ:?}").contains("/c/d"));
    let (head, _, _) = environ.into_parts();
    assert_eq!((head.method, head.headers["x-a"].as_bytes()), (Method::PUT, &b"1"[..]));
    let (parts, ()) = Request::builder().uri("/z").body(()).unwrap().into_parts();
    let environ = Environ::new(parts, Input::empty(), Arc::default());
    assert_eq!((environ.path(), environ.server().software().is_empty()), ("/z", false));
    assert_eq!(environ.limits(), environ.server().limits());
}

#[test]
fn the_builder_refuses_what_no_server_passes_on() {
    let refused = |builder: EnvironBuilder| builder.build().unwrap_err();
    let requirement = |builder| refused(builder).requirement();
    assert_eq!(requirement(Environ::builder().host("a").host("b")), Some("REQ-HTTP-23"));
    assert_eq!(requirement(Environ::builder().uri("*")), Some("REQ-HTTP-18"));
    assert_eq!(requirement(Environ::builder().uri("h.example:80")), Some("REQ-HTTP-19"));
    let lies = Environ::builder().header("content-length", "3").input("four");
    assert_eq!(requirement(lies), Some("REQ-MID-04"));
    assert!(refused(Environ::builder().uri("/a b")).source().is_some());
    assert!(refused(Environ::builder().header("x y", "1")).source().is_some());
    assert!(
        refused(Environ::builder().uri("/apple").script_name("/app")).message().contains("/app")
    );
    let mounted = build(Environ::builder().uri("/app/x").script_name("/app"));
    assert_eq!((mounted.script_name(), mounted.path_info()), ("/app", "/x"));
}
