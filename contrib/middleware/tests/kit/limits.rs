//! Limits of size and time, names of requests, and methods by another name.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body::Frame;
use rwgi::{BodyLength, Environ, Input, StartResponse};
use rwgi_middleware::{BodyLimit, Client, MethodOverride, OriginalMethod, RequestIds, Timeout};

use crate::common::{place, wait};
use crate::stream::Pieces;

/// Lifts every limit that it can and reads all.
async fn greedy(mut environ: Environ, start: StartResponse) -> rwgi::Result<rwgi::Finished> {
    environ.input_mut().set_limit(None);
    let content = environ.input_mut().read_to_end(usize::MAX).await?;
    start.respond(StatusCode::OK, (), content)
}

fn chunked(pieces: &[&'static str]) -> Input {
    let frames = pieces.iter().map(|piece| Frame::data((*piece).into()));
    Input::from_body(Pieces::new(frames), BodyLength::Unknown)
}

#[test]
fn no_application_gets_more_than_the_limit() {
    let client = Client::new(BodyLimit::new(greedy, 6));
    for (input, expected) in [
        (Input::from("123456"), 200),
        (Input::from("1234567"), 413),
        (chunked(&["123", "456"]), 200),
        (chunked(&["123", "4567"]), 413),
        (Input::empty(), 200),
    ] {
        assert_eq!(wait(client.post("/").content(input).send()).status(), expected);
    }
}

#[test]
fn the_application_lifts_the_servers_limit_and_not_this_one() {
    let client = Client::new(BodyLimit::new(greedy, 6));
    for (pieces, expected) in [(&["123", "456"][..], 200), (&["123", "4567"], 413)] {
        let mut input = chunked(pieces);
        input.set_limit(Some(2));
        assert_eq!(wait(client.post("/").content(input).send()).status(), expected);
    }
}

#[test]
fn what_is_declared_too_long_does_not_reach_the_application() {
    let untouched = |_: Environ, _: StartResponse| async move { panic!("it was called") };
    let client = Client::new(BodyLimit::new(untouched, 3));
    assert_eq!(wait(client.post("/").content("1234").send()).status(), 413);
}

#[tokio::test(start_paused = true)]
async fn time_counts_until_the_head_and_over_the_content_where_that_was_asked_for() {
    let slow = |environ: Environ, start: StartResponse| async move {
        let late = environ.path_info() == "/late";
        if !late {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let mut body = start.start(StatusCode::OK, ())?;
        body.write("begun").await?;
        body.flush().await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        body.finish()
    };
    let time = Duration::from_secs(30);
    let client = Client::new(Timeout::new(slow, time, tokio::time::sleep));
    let response = client.get("/").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let response = client.get("/late").send().await.unwrap();
    assert_eq!((response.text(), response.error().is_some()), ("begun", false));

    let whole = Timeout::new(slow, time, tokio::time::sleep)
        .whole()
        .status(StatusCode::SERVICE_UNAVAILABLE);
    let client = Client::new(whole);
    assert_eq!(client.get("/").send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let response = client.get("/late").send().await.unwrap();
    assert_eq!((response.text(), response.error().is_some()), ("begun", true));
}

#[test]
fn a_name_from_outside_counts_only_where_it_is_trusted_and_harmless() {
    let name = |trusted: bool, brought: &str| {
        let ids = RequestIds::new(place);
        let client = Client::new(if trusted { ids.trust_incoming() } else { ids });
        let response = wait(client.get("/").header("x-request-id", brought).send());
        response.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(name(true, "abc-1"), "abc-1");
    for (trusted, brought) in
        [(false, "abc-1"), (true, ""), (true, "a b"), (true, "a\"b"), (true, &"a".repeat(129))]
    {
        let made = name(trusted, brought);
        assert!(made.len() == 32 && made.bytes().all(|octet| octet.is_ascii_hexdigit()), "{made}");
    }
}

#[test]
fn no_two_requests_have_one_name() {
    let client = Client::new(RequestIds::new(place));
    let names: std::collections::HashSet<_> = (0..1000)
        .map(|_| wait(client.get("/").send()).header("x-request-id").unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 1000);
}

#[test]
fn only_a_post_becomes_another_method() {
    let told = |environ: Environ, start: StartResponse| async move {
        let original =
            environ.extensions().get::<OriginalMethod>().map(|known| known.0.to_string());
        let told = format!("{} {}", environ.method(), original.unwrap_or_default());
        start.respond(StatusCode::OK, (), told)
    };
    let client = Client::new(MethodOverride::new(told));
    for (method, target, field, expected) in [
        (Method::POST, "/", "PUT", "PUT POST"),
        (Method::POST, "/", "patch", "PATCH POST"),
        (Method::POST, "/?_method=delete", "nonsense", "POST "),
        (Method::POST, "/?_method=delete", "PUT", "PUT POST"),
        (Method::POST, "/", "GET", "POST "),
        (Method::POST, "/", "TRACE", "POST "),
        (Method::POST, "/", "CONNECT", "POST "),
        (Method::GET, "/?_method=delete", "DELETE", "GET "),
        (Method::PUT, "/", "DELETE", "PUT "),
    ] {
        let request = client.request(method, target).header("x-http-method-override", field);
        assert_eq!(wait(request.send()).text(), expected, "{target} {field}");
    }
    assert_eq!(wait(client.post("/?a=b&_method=DELETE").send()).text(), "DELETE POST");
}
