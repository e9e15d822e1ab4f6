//! Error pages, and what outer middleware adds to them.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rwgi::{Environ, Error, Finished, StartResponse};
use rwgi_middleware::{Client, Cors, ErrorPages, RequestIds, SecurityHeaders, Settings};

use crate::common::wait;

async fn broken(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    match environ.path_info() {
        "/panics" => panic!("with a secret"),
        "/late" => {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("begun").await?;
            body.flush().await?;
            Err(Error::application("a secret"))
        }
        "/absent" => Err(Error::client(StatusCode::NOT_FOUND, "a secret")),
        "/odd" => Err(Error::application("a secret").with_status(StatusCode::OK)),
        _ => Err(Error::application("a secret")),
    }
}

#[test]
fn the_page_is_of_the_kind_that_the_client_reads() {
    let client = Client::new(ErrorPages::new(broken));
    for (accept, media, part) in [
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
            "<h1>Not Found</h1>",
        ),
        ("application/json", "application/json", "{\"status\":404,\"error\":\"Not Found\"}"),
        ("text/plain", "text/plain; charset=utf-8", "404 Not Found"),
        ("*/*", "text/plain; charset=utf-8", "404 Not Found"),
        ("image/png, text/html;q=0.1", "text/html; charset=utf-8", "<h1>"),
    ] {
        let response = wait(client.get("/absent").header("accept", accept).send());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.header("content-type"), Some(media));
        assert!(response.text().contains(part), "{}", response.text());
    }
}

#[test]
fn nothing_of_the_error_is_told() {
    let client = Client::new(ErrorPages::new(broken));
    for path in ["/", "/panics", "/odd"] {
        let response = wait(client.get(path).header("accept", "text/html").send());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(!response.text().contains("secret"), "{path}");
        assert!(response.error().is_none(), "it was answered");
    }
}

#[test]
fn an_error_after_the_head_cuts_the_message() {
    let response = wait(Client::new(ErrorPages::new(broken)).get("/late").send());
    assert_eq!((response.status(), response.text()), (StatusCode::OK, "begun"));
    assert!(response.error().is_some());
}

#[test]
fn pages_of_ones_own_know_the_error() {
    let pages = ErrorPages::new(broken).render(|error, status| {
        let page = format!("{} {:?}", status.as_u16(), error.fault());
        (HeaderValue::from_static("text/x-mine"), Bytes::from(page))
    });
    let response = wait(Client::new(pages).get("/absent").send());
    assert_eq!(
        (response.text(), response.header("content-type")),
        ("404 Client", Some("text/x-mine"))
    );
}

#[test]
fn what_stands_outside_adds_its_fields_to_the_pages() {
    let settings = Settings::new().with("CORS_ALLOW_ALL_ORIGINS", true);
    let inner = RequestIds::new(ErrorPages::new(broken));
    let stack = Cors::new(SecurityHeaders::new(inner, &settings).unwrap(), &settings).unwrap();
    let response = wait(Client::new(stack).get("/").header("origin", "https://a.org").send());
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    for name in ["access-control-allow-origin", "x-frame-options", "x-request-id", "vary"] {
        assert!(response.header(name).is_some(), "{name}");
    }
}
