//! The in-memory caller: what it shows of an application.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use rwgi::testing::{self, TestResponse};
use rwgi::{Application, Environ, Error, Finished, OutcomeKind, Result, StartResponse};

fn get(path: &str) -> Environ {
    Environ::builder().uri(path).server(testing::server_info()).build().unwrap()
}

async fn application(environ: Environ, mut start: StartResponse) -> Result<Finished> {
    match environ.path_info() {
        "/hints" => {
            start.inform(StatusCode::EARLY_HINTS, [("link", "</a.css>")])?;
            start.respond(StatusCode::OK, (), "hinted")
        }
        "/stream" => {
            let mut body = start.start(StatusCode::OK, [("x-kind", "stream")])?;
            body.write("one ").await?;
            body.write("two").await?;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "7".parse()?);
            body.finish_with_trailers(trailers)
        }
        "/abort" => {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("half").await?;
            common::pause().await;
            Err(Error::application("the other half is missing"))
        }
        _ => Err(Error::client(StatusCode::NOT_FOUND, "no such page")),
    }
}

fn run(environ: Environ) -> Result<TestResponse> {
    testing::run(&application, environ)
}

#[test]
fn everything_that_a_client_would_see_is_there() {
    let response = run(get("/stream")).unwrap();
    assert_eq!((response.status(), response.text().unwrap()), (StatusCode::OK, "one two"));
    assert_eq!(response.fields()["x-kind"], "stream");
    assert_eq!(response.trailers().unwrap()["x-sum"], "7");
    assert!(response.aborted().is_none() && response.informational().is_empty());
    let outcome = response.outcome().unwrap();
    assert_eq!((outcome.kind(), outcome.bytes()), (OutcomeKind::Completed, 7));

    let response = run(get("/hints")).unwrap();
    let (status, fields) = &response.informational()[0];
    assert_eq!((status.as_u16(), &fields["link"]), (103, &"</a.css>".parse().unwrap()));
}

#[test]
fn failures_before_and_after_the_commit_look_different() {
    assert_eq!(run(get("/nowhere")).unwrap_err().status(), 404);
    let response = run(get("/abort")).unwrap();
    assert_eq!(response.body(), "half");
    assert_eq!(response.aborted().unwrap().message(), "the other half is missing");
    assert_eq!(response.outcome().unwrap().kind(), OutcomeKind::Failed);
}

#[test]
fn what_is_collected_is_limited() {
    let limited =
        |limit| pollster::block_on(testing::call_with_limit(&application, get("/stream"), limit));
    assert_eq!(limited(7).unwrap().body().len(), 7);
    assert!(limited(6).unwrap_err().message().contains("6 bytes"));
}

#[test]
fn a_server_without_capabilities_is_the_default() {
    let environ = Environ::builder().uri("/hints").build().unwrap();
    assert_eq!(run(environ).unwrap_err().status(), 501);
}

#[test]
fn an_application_that_cannot_be_cloned_is_shared() {
    struct Single(String);
    impl Application for Single {
        async fn call(&self, _: Environ, start: StartResponse) -> Result<Finished> {
            start.respond(StatusCode::OK, (), self.0.clone())
        }
    }
    let application = Arc::new(Single("one of a kind".to_owned()));
    let environ = Environ::builder().method(Method::HEAD).build().unwrap();
    let response = testing::run(&application, environ).unwrap();
    assert_eq!(response.fields()["content-length"], "13");
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn inside_a_runtime_it_is_awaited() {
    let sleeping = |_: Environ, start: StartResponse| async move {
        tokio::task::yield_now().await;
        start.respond(StatusCode::OK, (), "awake")
    };
    let response = testing::call(&sleeping, get("/")).await.unwrap();
    assert_eq!(response.text().unwrap(), "awake");
}

#[test]
fn an_error_says_in_which_line_of_the_program_it_was_made() {
    fn question_mark() -> Result<u8> {
        Ok("x".parse::<u8>()?)
    }
    for error in [question_mark().unwrap_err(), Error::client(StatusCode::GONE, "by name")] {
        let place = error.location().unwrap();
        assert!(place.file().ends_with("tests/testing.rs"), "{place}");
        assert!(place.line() > 100, "{place}");
    }
    // What the gateway finds wrong has no place in the program.
    let refuse = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, [("connection", "close")], "")
    };
    assert!(testing::run(&Arc::new(refuse), get("/")).unwrap_err().location().is_none());
}
