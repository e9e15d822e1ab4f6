//! Security fields by Django's settings.

use http::StatusCode;
use rwgi::{Connection, TlsInfo};
use rwgi_middleware::{Client, SecurityHeaders, Settings};

use crate::common::{place, wait, with_fields};

fn over_tls() -> Connection {
    Connection { tls: Some(TlsInfo::default()), ..Connection::default() }
}

fn fields(settings: &Settings, tls: bool) -> Vec<(String, String)> {
    let site = SecurityHeaders::new(place, settings).unwrap();
    let client = if tls { Client::over(site, over_tls()) } else { Client::new(site) };
    let response = wait(client.get("/").send());
    let fields = response.headers().iter().filter(|(name, _)| *name != "content-type");
    fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn field(settings: &Settings, name: &str) -> Option<String> {
    fields(settings, true).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[test]
fn the_defaults_are_djangos() {
    let mut got = fields(&Settings::new(), true);
    got.sort();
    let expected = [
        ("cross-origin-opener-policy", "same-origin"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ];
    assert_eq!(got, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn every_setting_has_its_field() {
    let settings = Settings::new()
        .with("SECURE_HSTS_SECONDS", 60)
        .with("SECURE_HSTS_INCLUDE_SUBDOMAINS", true)
        .with("SECURE_HSTS_PRELOAD", true)
        .with("SECURE_REFERRER_POLICY", ["origin", "same-origin"])
        .with("SECURE_CROSS_ORIGIN_OPENER_POLICY", "")
        .with("SECURE_CONTENT_TYPE_NOSNIFF", false)
        .with("X_FRAME_OPTIONS", "SAMEORIGIN");
    let told = |name| field(&settings, name);
    let strict = "max-age=60; includeSubDomains; preload";
    assert_eq!(told("strict-transport-security").as_deref(), Some(strict));
    assert_eq!(told("referrer-policy").as_deref(), Some("origin,same-origin"));
    assert_eq!(told("x-frame-options").as_deref(), Some("SAMEORIGIN"));
    assert_eq!(told("cross-origin-opener-policy"), None);
    assert_eq!(told("x-content-type-options"), None);
    assert!(!fields(&settings, false).iter().any(|(name, _)| name.starts_with("strict")));
}

#[test]
fn what_the_application_set_stays() {
    let own = with_fields(&[("x-frame-options", "ALLOW"), ("referrer-policy", "origin")], "");
    let client = Client::new(SecurityHeaders::new(own, &Settings::new()).unwrap());
    let response = wait(client.get("/").send());
    assert_eq!(response.header("x-frame-options"), Some("ALLOW"));
    assert_eq!(response.header("referrer-policy"), Some("origin"));
}

#[test]
fn what_came_by_http_is_sent_to_https() {
    let settings = Settings::new()
        .with("ALLOWED_HOSTS", ["example.com"])
        .with("SECURE_SSL_REDIRECT", true)
        .with("SECURE_REDIRECT_EXEMPT", ["^health/"]);
    let client = Client::new(SecurityHeaders::new(place, &settings).unwrap());
    let response = wait(client.get("/a%20b?c=d").header("host", "example.com").send());
    assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(response.header("location"), Some("https://example.com/a%20b?c=d"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(wait(client.get("/health/live").send()).status(), 200);
    let evil = wait(client.get("/").header("host", "evil.org").send());
    assert_eq!((evil.status(), evil.header("location")), (StatusCode::BAD_REQUEST, None));
    let tls = Client::over(SecurityHeaders::new(place, &settings).unwrap(), over_tls());
    assert_eq!(wait(tls.get("/").send()).status(), 200);
    let settings = settings.with("SECURE_SSL_HOST", "secure.example.com:8443");
    let client = Client::new(SecurityHeaders::new(place, &settings).unwrap());
    let location = wait(client.get("/x").send()).header("location").map(str::to_owned);
    assert_eq!(location.as_deref(), Some("https://secure.example.com:8443/x"));
}

#[test]
fn every_wrong_setting_is_found_at_once() {
    let settings = Settings::new()
        .with("SECURE_HSTS_SECONDS", -1)
        .with("SECURE_CONTENT_TYPE_NOSNIFF", "yes")
        .with("X_FRAME_OPTIONS", "a\nb")
        .with("SECURE_REFERRER_POLICY", 1)
        .with("SECURE_SSL_HOST", "a b")
        .with("SECURE_REDIRECT_EXEMPT", ["("]);
    let problems = SecurityHeaders::new(place, &settings).map(|_| ()).unwrap_err();
    assert_eq!(problems.iter().count(), 6, "{problems}");
}

#[test]
fn a_redirection_to_the_host_that_was_asked_for_needs_to_know_which_are_allowed() {
    let settings = Settings::new().with("SECURE_SSL_REDIRECT", true);
    let problems = SecurityHeaders::new(place, &settings).map(|_| ()).unwrap_err();
    assert_eq!(problems.iter().next().unwrap().id, "security.W020");
    let settings = settings.with("SECURE_SSL_HOST", "example.com");
    assert!(SecurityHeaders::new(place, &settings).is_ok());
}

#[test]
fn what_has_nowhere_to_go_is_not_sent_there() {
    let settings = Settings::new().with("ALLOWED_HOSTS", ["*"]).with("SECURE_SSL_REDIRECT", true);
    let client = Client::new(SecurityHeaders::new(place, &settings).unwrap());
    let star = client.request(http::Method::OPTIONS, "*");
    assert_eq!(wait(star.send()).status(), StatusCode::OK);
    let old = client.get("/").with(|environ| environ.version(http::Version::HTTP_10));
    assert_eq!(wait(old.send()).status(), StatusCode::BAD_REQUEST);
}
