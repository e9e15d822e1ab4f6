//! Servers that hand over a request which they should have refused, or say something of it that is not so.

use std::sync::Arc;

use http::{Method, Request, Version, request};
use rwgi::{
    BodyLength, Connection, Endpoint, Environ, Error, Fault, Input, ServerInfo, StartResponse,
};

use super::super::{Collector, Finding, Lint};
use super::applications::{Frames, answering, data, post, trailer};
use super::{
    Violation, connection, endpoint, exchange, get, now, raw, serve, server_info, violation,
};

pub(super) fn all() -> Vec<Violation> {
    let mut all = heads();
    all.extend(framings());
    all.extend(facts());
    all
}

fn request() -> request::Builder {
    Request::get("/").header("host", "localhost")
}

/// A server that hands over this head.
fn head(rule: &'static str, head: fn() -> request::Builder) -> Violation {
    violation(rule, move || served(raw(head(), Input::empty())))
}

fn served(environ: Environ) -> Vec<Finding> {
    serve(answering(200, &[], ""), environ)
}

fn http2() -> request::Builder {
    Request::get("http://localhost/").version(Version::HTTP_2)
}

fn heads() -> Vec<Violation> {
    vec![
        head("env-host-missing", || Request::get("/")),
        head("env-host-repeated", || request().header("host", "localhost")),
        head("env-host-malformed", || Request::get("/").header("host", "user@localhost")),
        head("env-host-malformed", || Request::get("/").header("host", "local host")),
        head("env-host-malformed", || Request::get("/").header("host", "localhost:http")),
        head("env-host-malformed", || Request::get("/").header("host", "localhost/path")),
        head("env-target-asterisk", || request().uri("*")),
        head("env-target-authority", || request().uri("localhost:80")),
        head("env-connect", || request().method(Method::CONNECT).uri("localhost:80")),
        head("env-version", || request().version(Version::HTTP_09)),
        head("env-version", || request().version(Version::HTTP_3)),
        head("env-field-whitespace", || request().header("x-a", " a")),
        head("env-field-whitespace", || request().header("x-a", "a\t")),
        head("env-h2-connection-field", || http2().header("connection", "close")),
        head("env-h2-connection-field", || http2().header("te", "gzip")),
        head("env-h2-cookie", || http2().header("cookie", "a=1").header("cookie", "b=2")),
        head("env-h2-authority", || http2().header("host", "example.org")),
        head("env-h2-authority", || Request::get("/").version(Version::HTTP_2)),
    ]
}

/// A server that hands over this framing.
fn framing(
    rule: &'static str,
    fields: &'static [(&'static str, &'static str)],
    length: BodyLength,
) -> Violation {
    violation(rule, move || {
        let mut head = request();
        for (name, value) in fields {
            head = head.header(*name, *value);
        }
        served(raw(head, Input::from_body(Frames::of(vec![data("hello")]), length)))
    })
    .also(&["input-unread"])
}

fn framings() -> Vec<Violation> {
    const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");
    vec![
        framing("framing-both", &[CHUNKED, ("content-length", "5")], BodyLength::Unknown),
        framing("framing-coding", &[("transfer-encoding", "gzip, chunked")], BodyLength::Unknown),
        framing("framing-coding", &[CHUNKED, CHUNKED], BodyLength::Unknown),
        violation("framing-http10-coding", || {
            let head = request().version(Version::HTTP_10).header(CHUNKED.0, CHUNKED.1);
            served(raw(head, Input::empty()))
        }),
        framing("framing-length-malformed", &[("content-length", "+5")], BodyLength::Exact(5)),
        framing("framing-length-malformed", &[("content-length", "")], BodyLength::Unknown),
        framing(
            "framing-length-differs",
            &[("content-length", "5"), ("content-length", "6")],
            BodyLength::Exact(5),
        ),
        framing("framing-input-length", &[("content-length", "6")], BodyLength::Exact(5)),
        framing("framing-input-length", &[("content-length", "5")], BodyLength::Unknown),
        framing("framing-input-length", &[("content-length", "5")], BodyLength::Empty),
        framing("framing-input-length", &[], BodyLength::Exact(5)),
        framing("framing-input-length", &[CHUNKED], BodyLength::Exact(5)),
        framing("framing-input-length", &[CHUNKED], BodyLength::Empty),
    ]
}

/// A server that is other than the honest one in this way.
fn served_by(change: impl Fn(&mut ServerInfo), environ: rwgi::EnvironBuilder) -> Vec<Finding> {
    let mut server = server_info();
    change(&mut server);
    served(environ.connection(connection(server)).build().unwrap())
}

fn at(local: Endpoint, peer: Endpoint) -> Vec<Finding> {
    let connection = Connection { local, peer, server: Arc::new(server_info()), tls: None };
    served(Environ::builder().connection(connection).build().unwrap())
}

fn facts() -> Vec<Violation> {
    vec![
        violation("env-field-limit", || {
            let environ = Environ::builder().header("x-a", "1").header("x-b", "2");
            served_by(|server| server.limits.head_fields = Some(2), environ)
        }),
        violation("env-target-limit", || {
            let environ = Environ::builder().uri("/a/long/way");
            served_by(|server| server.limits.target_bytes = Some(5), environ)
        }),
        violation("env-body-limit", || {
            let mut input = rwgi::Input::from("content");
            input.set_limit(Some(50));
            let environ = Environ::builder().method(Method::POST).input(input);
            served_by(|server| server.limits.body_bytes = Some(100), environ)
        })
        .also(&["input-unread"]),
        violation("env-extension-leak", || {
            let findings = Collector::new();
            let keep = Arc::new(std::sync::Mutex::new(http::Extensions::new()));
            let kept = Arc::clone(&keep);
            let application = move |environ: Environ, start: StartResponse| {
                *kept.lock().unwrap() = environ.extensions().clone();
                std::future::ready(start.respond(http::StatusCode::OK, (), ""))
            };
            let lint = Arc::new(Lint::with_sink(application, findings.clone()));
            now(rwgi::Application::startup(&*lint, &server_info())).unwrap();
            exchange(&lint, get().build().unwrap());
            let mut second = get().build().unwrap();
            *second.extensions_mut() = keep.lock().unwrap().clone();
            exchange(&lint, second);
            findings.take()
        }),
        violation("env-local-endpoint", || at(Endpoint::Unknown, endpoint(40_000))),
        violation("env-peer", || at(endpoint(8000), Endpoint::Unknown)),
        violation("capability-informational", || {
            let hinting = |_: Environ, mut start: StartResponse| async move {
                start.inform(http::StatusCode::EARLY_HINTS, [("link", "</a>; rel=preload")])?;
                start.respond(http::StatusCode::OK, (), "")
            };
            let mut server = server_info();
            server.capabilities.informational = true;
            let findings = Collector::new();
            let lint = Arc::new(Lint::with_sink(hinting, findings.clone()));
            now(rwgi::Application::startup(&*lint, &server)).unwrap();
            let environ = Environ::builder().connection(connection(server)).build().unwrap();
            // It declares the capability and gives the exchange nowhere to send to.
            assert!(now(rwgi::Exchange::new(lint, environ)).is_ok());
            findings.take()
        }),
        violation("capability-request-trailers", || {
            let mut server = server_info();
            server.capabilities.request_trailers = false;
            let input = Frames::of(vec![data("a"), trailer("x-sum")]);
            let environ = Environ::builder()
                .connection(connection(server))
                .header("transfer-encoding", "chunked")
                .input(Input::from_body(input, BodyLength::Unknown))
                .build()
                .unwrap();
            serve(reading, environ)
        }),
        violation("input-culprit", || {
            let wrong = Err(Error::new(Fault::Application, "the connection was reset"));
            serve(reading, post(vec![data("a"), wrong]))
        }),
    ]
}

async fn reading(mut environ: Environ, start: StartResponse) -> rwgi::Result<rwgi::Finished> {
    while environ.input_mut().chunk().await?.is_some() {}
    start.respond(http::StatusCode::OK, (), "")
}
