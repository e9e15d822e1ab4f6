//! Every middleware before the judge: the lint and the simulator, around conforming applications, alone and as a stack.
//!
//! Rules of this room: each middleware is judged as middleware (what it must pass on) and as an application (around one that conforms), and
//! where it does something only for certain requests, with those requests as well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use rwgi::{Application, Environ, Error, Finished, Result, SharedApplication, StartResponse};
use rwgi_conformance::lint::Level;
use rwgi_conformance::simulate::{Report, Simulator, assert_middleware_conforms};
use rwgi_middleware::{
    AllowedHosts, BodyLimit, Compression, ConditionalGet, Cors, ErrorPages, Jsonp, MethodOverride,
    RequestIds, Router, SecurityHeaders, Settings, Timeout, UrlMap,
};

/// An application that conforms: JSON, streamed and in one piece, and what else there is to say.
async fn conforming(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let get = *environ.method() == Method::GET || *environ.method() == Method::HEAD;
    match environ.path_info() {
        "/" | "" if get => {
            let content = format!("[{}]", "\"again\", ".repeat(500) + "1");
            start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "application/json")], content)
        }
        "/stream" if get => {
            let mut body =
                start_response.start(StatusCode::OK, [(CONTENT_TYPE, "application/json")])?;
            body.write("[1").await?;
            body.flush().await?;
            for number in 2..50 {
                body.write(format!(", {number}")).await?;
            }
            body.write("]").await?;
            body.finish()
        }
        "/" | "" | "/stream" if *environ.method() == Method::POST => {
            let content = environ.input_mut().read_to_end(100_000).await?;
            start_response.respond(
                StatusCode::OK,
                [(CONTENT_TYPE, "application/octet-stream")],
                content,
            )
        }
        "/" | "" | "/stream" => start_response.respond(
            StatusCode::METHOD_NOT_ALLOWED,
            [("allow", "GET, HEAD, POST"), ("content-type", "text/plain")],
            "no",
        ),
        _ => Err(Error::client(StatusCode::NOT_FOUND, "nothing is here")),
    }
}

/// Judges middleware alone, around a conforming application, and with requests that it is for.
#[track_caller]
fn judge<M: Application>(
    around: impl Fn(SharedApplication) -> M,
    paths: &[&str],
    fields: &[(&str, &str)],
) {
    assert_middleware_conforms(&around);
    let mut simulator = simulator().path("/").path("/stream").path("/nowhere");
    for path in paths {
        simulator = simulator.path(*path);
    }
    for (name, value) in fields {
        simulator = simulator.field(name, value);
    }
    assert_flawless(&simulator.run(around(SharedApplication::new(conforming))));
}

/// A simulation without the rule that takes the time of a poll: on a busy machine it judges the machine.
fn simulator() -> Simulator {
    Simulator::new().allow("conduct-blocking")
}

/// Fails where a MUST or a SHOULD is broken.
#[track_caller]
fn assert_flawless(report: &Report) {
    let broken = report.findings().iter().any(|finding| finding.level != Level::May);
    assert!(report.conforms() && !broken, "\n{report}");
}

fn cors<A: Application>(inner: A) -> Cors<A> {
    let settings = Settings::new()
        .with("CORS_ALLOW_ALL_ORIGINS", true)
        .with("CORS_ALLOW_CREDENTIALS", true)
        .with("CORS_EXPOSE_HEADERS", ["x-total"]);
    Cors::new(inner, &settings).unwrap()
}

fn hosts<A: Application>(inner: A) -> AllowedHosts<A> {
    AllowedHosts::new(inner, &Settings::new().with("ALLOWED_HOSTS", ["*"])).unwrap()
}

fn security<A: Application>(inner: A) -> SecurityHeaders<A> {
    SecurityHeaders::new(inner, &Settings::new()).unwrap()
}

fn timeout<A: Application>(inner: A) -> Timeout<A, fn(Duration) -> std::future::Pending<()>> {
    Timeout::new(inner, Duration::from_secs(1), (|_| std::future::pending()) as fn(_) -> _).whole()
}

#[test]
fn the_application_itself_conforms() {
    let report = simulator().path("/").path("/stream").path("/nowhere").run(conforming);
    assert_flawless(&report);
}

#[test]
fn cors_conforms() {
    judge(cors, &[], &[]);
    judge(cors, &[], &[("origin", "https://example.com")]);
    judge(
        cors,
        &[],
        &[("origin", "https://example.com"), ("access-control-request-method", "PUT")],
    );
}

#[test]
fn jsonp_conforms() {
    judge(Jsonp::new, &["/?callback=f", "/stream?callback=f", "/?callback=1"], &[]);
}

#[test]
fn compression_conforms() {
    judge(Compression::new, &[], &[]);
    judge(Compression::new, &[], &[("accept-encoding", "gzip")]);
    judge(Compression::new, &[], &[("accept-encoding", "br")]);
}

#[test]
fn conditional_get_conforms() {
    judge(ConditionalGet::new, &[], &[]);
    judge(ConditionalGet::new, &[], &[("if-none-match", "*")]);
    judge(ConditionalGet::new, &[], &[("if-match", "\"other\"")]);
}

#[test]
fn security_headers_conform() {
    judge(security, &[], &[]);
}

#[test]
fn allowed_hosts_conform() {
    judge(hosts, &[], &[]);
}

#[test]
fn request_ids_conform() {
    judge(RequestIds::new, &[], &[]);
    judge(|inner| RequestIds::new(inner).trust_incoming(), &[], &[("x-request-id", "a-1")]);
}

#[test]
fn the_body_limit_conforms() {
    judge(|inner| BodyLimit::new(inner, 1 << 30), &[], &[]);
    let report = simulator().run(BodyLimit::new(conforming, 3));
    assert_flawless(&report);
}

#[test]
fn the_timeout_conforms() {
    judge(timeout, &[], &[]);
}

#[test]
fn error_pages_conform() {
    judge(ErrorPages::new, &[], &[("accept", "text/html")]);
}

#[test]
fn the_method_override_conforms() {
    judge(MethodOverride::new, &["/?_method=put"], &[]);
}

#[test]
fn the_url_map_conforms() {
    judge(|inner| UrlMap::new().mount("/", inner), &[], &[]);
    let shop = UrlMap::new().mount("/shop", conforming);
    let report = simulator().path("/shop").path("/shop/stream").path("/else").run(shop);
    assert_flawless(&report);
}

#[test]
fn the_router_conforms() {
    let router = Router::new()
        .get("/", conforming)
        .post("/", conforming)
        .get("/stream", conforming)
        .get("/greet/{name}", |_: Environ, start: StartResponse| async move {
            start.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Hello")
        });
    let report =
        simulator().path("/").path("/stream").path("/greet/you").path("/nowhere").run(router);
    assert_flawless(&report);
}

#[test]
fn a_stack_of_all_conforms() {
    let stack = |inner| {
        let inner = Jsonp::new(MethodOverride::new(BodyLimit::new(inner, 1 << 30)));
        let inner = ErrorPages::new(timeout(UrlMap::new().otherwise(inner)));
        cors(security(RequestIds::new(hosts(Compression::new(ConditionalGet::new(inner))))))
    };
    judge(stack, &["/?callback=f"], &[]);
    judge(
        stack,
        &["/stream?callback=f"],
        &[("origin", "https://example.com"), ("accept-encoding", "gzip, br")],
    );
}
