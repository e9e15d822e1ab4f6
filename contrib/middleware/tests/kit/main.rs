//! The kit, piece by piece: what each middleware does for whom, by the in-memory client.
//!
//! Rules of this room: one file for each middleware that has more to it than its own documentation shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../../examples/django_settings.rs"]
#[allow(dead_code, reason = "the example is a program; here it is asked without a socket")]
mod django_settings;

mod common;
mod compression;
mod conditional;
mod errors;
mod hosts;
mod informing;
mod jsonp;
mod limits;
mod routing;
mod security;
mod stream;

#[test]
fn the_example_with_djangos_settings_does_what_they_say() {
    let settings = django_settings::settings().unwrap();
    let client = rwgi_middleware::Client::new(django_settings::application(&settings).unwrap());
    let ask = |host: &'static str| {
        client.get("/api/x").header("host", host).header("origin", "https://a.example.com").send()
    };
    let response = common::wait(ask("localhost:8000"));
    assert_eq!(response.text(), "This is /api/x.\n");
    assert_eq!(response.header("access-control-allow-origin"), Some("https://a.example.com"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert!(response.header("etag").is_some());
    let response = common::wait(ask("evil.org"));
    assert_eq!(response.status(), http::StatusCode::BAD_REQUEST);
    assert!(response.header("access-control-allow-origin").is_some(), "a page can read why");
}
