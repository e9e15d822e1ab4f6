//! The host check, row by row with Django's rules.

use http::{StatusCode, Version};
use rwgi_middleware::{AllowedHosts, Client, Settings};

use crate::common::{place, wait};

fn status(settings: &Settings, host: &str) -> StatusCode {
    let client = Client::new(AllowedHosts::new(place, settings).unwrap());
    wait(client.get("/").header("host", host).send()).status()
}

#[test]
fn a_host_is_allowed_by_name_by_domain_or_with_all_others() {
    for (entries, host, allowed) in [
        (&["example.com"][..], "example.com", true),
        (&["example.com"], "example.com:8000", true),
        (&["example.com"], "EXAMPLE.com", true),
        (&["example.com"], "example.com.", true),
        (&["Example.com"], "example.com", true),
        (&["example.com"], "www.example.com", false),
        (&["example.com"], "example.com.evil.org", false),
        (&["example.com"], "evilexample.com", false),
        (&["example.com"], "example.com@evil.org", false),
        (&["example.com"], "example.com:port", false),
        (&["example.com"], "example.com:", false),
        (&["example.com"], "", false),
        (&[".example.com"], "example.com", true),
        (&[".example.com"], "a.b.example.com", true),
        (&[".example.com"], "evilexample.com", false),
        (&["[::1]"], "[::1]:8000", true),
        (&["[::1]"], "[::2]", false),
        (&["a.org", "127.0.0.1"], "127.0.0.1:80", true),
        (&["*"], "anything.org", true),
        (&["*"], "not_even_a_name", true),
    ] {
        let settings = Settings::new().with("ALLOWED_HOSTS", entries.to_vec());
        let expected = if allowed { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        assert_eq!(status(&settings, host), expected, "{entries:?} and {host:?}");
    }
}

#[test]
fn a_request_that_names_no_host_is_refused_unless_all_are_allowed() {
    for (entry, expected) in [("example.com", StatusCode::BAD_REQUEST), ("*", StatusCode::OK)] {
        let settings = Settings::new().with("ALLOWED_HOSTS", [entry]);
        let client = Client::new(AllowedHosts::new(place, &settings).unwrap());
        let old = client.get("/").with(|environ| environ.version(Version::HTTP_10));
        assert_eq!(wait(old.send()).status(), expected);
    }
}

#[test]
fn without_hosts_only_a_debug_site_answers_and_only_locally() {
    let debug = Settings::new().with("DEBUG", true);
    for (host, expected) in
        [("localhost:8000", 200), ("a.localhost", 200), ("[::1]", 200), ("example.com", 400)]
    {
        assert_eq!(status(&debug, host), expected, "{host}");
    }
    let problems = AllowedHosts::new(place, &Settings::new()).map(|_| ()).unwrap_err();
    assert_eq!(problems.iter().next().unwrap().id, "security.W020");
}

#[test]
fn an_entry_that_no_host_can_match_is_found_at_once() {
    let entries = ["https://example.com", "example.com:80", "a/b", "::1", "", "fine.org"];
    let settings = Settings::new().with("ALLOWED_HOSTS", entries);
    let problems = AllowedHosts::new(place, &settings).map(|_| ()).unwrap_err();
    assert_eq!(problems.iter().count(), 5, "{problems}");
    let settings = Settings::new().with("ALLOWED_HOSTS", "example.com");
    assert!(AllowedHosts::new(place, &settings).is_err());
}
