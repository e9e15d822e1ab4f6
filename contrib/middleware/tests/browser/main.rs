//! CORS and JSONP in a real browser: what a page from elsewhere can read, and what it cannot.
//!
//! Rules of this room: the page comes from one server and asks another, over real sockets, so that each port is an origin of its own; what the page's
//! script gets is what is asserted, never what was sent. Where no Chromium with its chromedriver is installed the tests say so and are
//! skipped, unless `RWGI_REQUIRE_BROWSER` is set, as in CI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../../../../reference-server/tests/browser/webdriver.rs"]
#[allow(dead_code, reason = "these tests need less of it than those of the demo")]
mod webdriver;

#[path = "../../examples/cors_by_hand.rs"]
#[allow(dead_code, reason = "the example is a program; here it is mounted")]
mod cors_by_hand;

mod site;

use serde_json::Value;

use self::site::{Site, visit};

/// What `fetch` gives the page: status and text, or that it failed.
fn fetch(site: &Site, path: &str, options: &str) -> Value {
    site.browser.run(&format!(
        "return fetch('{}{path}', {options}).then(
            async (response) => ({{
                status: response.status, text: await response.text(), total: response.headers.get('x-total'),
                hidden: response.headers.get('x-hidden'),
            }}),
            (error) => ({{ refused: error.name }}),
        );",
        site.other
    ))
}

#[test]
fn a_simple_request_is_read_where_the_origin_is_allowed() {
    let Some(site) = visit() else { return };
    let got = fetch(&site, "/open", "{}");
    assert_eq!((&got["status"], &got["text"]), (&200.into(), &"GET /open".into()), "{got}");
    site.end();
}

#[test]
fn a_simple_request_is_refused_where_it_is_not() {
    let Some(site) = visit() else { return };
    let got = fetch(&site, "/closed", "{}");
    assert_eq!(got["refused"], "TypeError", "{got}");
    // The request went out all the same: CORS hides answers, it does not stop questions.
    assert!(site.asked("GET /closed"));
    site.end();
}

#[test]
fn a_preflighted_request_goes_out_only_where_the_preflight_allows_it() {
    let Some(site) = visit() else { return };
    let json =
        "headers: { 'content-type': 'application/json', 'x-requested-with': 'page' }, body: '{}'";
    let got = fetch(&site, "/open", &format!("{{ method: 'PUT', {json} }}"));
    assert_eq!(got["text"], "PUT /open {}", "{got}");
    assert!(!site.asked("OPTIONS /open"), "the preflight was answered without the application");

    for (path, options) in [
        ("/closed", "{ method: 'PUT' }"),
        ("/open", "{ method: 'VIEW' }"),
        ("/open", "{ headers: { 'x-not-listed': '1' } }"),
    ] {
        let got = fetch(&site, path, options);
        assert_eq!(got["refused"], "TypeError", "{path} {options} {got}");
    }
    assert!(!site.asked("PUT /closed") && !site.asked("VIEW /open"), "the browser did not ask");
    site.end();
}

#[test]
fn credentials_are_sent_and_read_only_where_they_are_allowed() {
    let Some(site) = visit() else { return };
    let set = fetch(&site, "/secret/login", "{ credentials: 'include' }");
    assert_eq!(set["status"], 200, "{set}");
    let got = fetch(&site, "/secret", "{ credentials: 'include' }");
    assert_eq!(got["text"], "GET /secret session=1", "{got}");
    let without = fetch(&site, "/secret", "{ credentials: 'omit' }");
    assert_eq!(without["text"], "GET /secret", "{without}");
    let refused = fetch(&site, "/open", "{ credentials: 'include' }");
    assert_eq!(refused["refused"], "TypeError", "{refused}");
    site.end();
}

#[test]
fn a_field_is_seen_only_where_it_is_exposed() {
    let Some(site) = visit() else { return };
    let got = fetch(&site, "/open", "{}");
    assert_eq!((&got["total"], &got["hidden"]), (&"7".into(), &Value::Null), "{got}");
    site.end();
}

#[test]
fn the_status_of_a_failure_is_read_too() {
    let Some(site) = visit() else { return };
    let got = fetch(&site, "/open/broken", "{}");
    assert_eq!(got["status"], 500, "{got}");
    site.end();
}

#[test]
fn a_private_network_is_granted_where_it_is_asked_for() {
    let Some(site) = visit() else { return };
    // Chromium asks for a private network no more (it asks the user instead), so the page asks in its stead: the field goes through
    // a preflight, over the wire and back, and what the page reads is what an older browser would have judged.
    let ask = |path: &str, value: &str| {
        site.browser.run(&format!(
            "return fetch('{}{path}', {{ headers: {{ 'access-control-request-private-network': '{value}' }} }}).then(
                (response) => response.headers.get('access-control-allow-private-network'),
                (error) => error.name,
            );",
            site.other
        ))
    };
    assert_eq!(ask("/private", "true"), "true");
    assert_eq!(ask("/private", "false"), Value::Null);
    assert_eq!(ask("/open", "true"), "TypeError", "the field is not listed there");
    site.end();
}

#[test]
fn four_fields_by_hand_do_the_same() {
    let Some(site) = visit() else { return };
    assert_eq!(fetch(&site, "/hand-set", "{}")["text"], "GET by hand");
    let json = "{ method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' }";
    assert_eq!(fetch(&site, "/hand-set", json)["text"], "PUT by hand");
    assert_eq!(fetch(&site, "/hand-set", "{ method: 'DELETE' }")["refused"], "TypeError");
    site.end();
}

#[test]
fn a_script_tag_gets_jsonp_and_a_bad_callback_gets_nothing() {
    let Some(site) = visit() else { return };
    let load = |query: &str| {
        site.browser.run(&format!(
            "window.shown = [];
             window.lib = {{ show: (value) => window.shown.push(value) }};
             return new Promise((resolve) => {{
                 const script = document.createElement('script');
                 script.onload = () => resolve({{ shown: window.shown }});
                 script.onerror = () => resolve({{ refused: true, shown: window.shown }});
                 script.src = '{}/jsonp{query}';
                 document.head.append(script);
             }});",
            site.other
        ))
    };
    let got = load("?callback=lib.show");
    assert_eq!(got["shown"][0]["separator"], "\u{2028}\u{2029}", "{got}");
    assert_eq!(got["shown"][0]["word"], "café", "the script is read as UTF-8: {got}");
    let got = load("?callback=lib.show(1);lib.show");
    assert_eq!((&got["refused"], &got["shown"]), (&true.into(), &Value::Array(vec![])), "{got}");
    // Without a callback it is JSON, and `nosniff` or not, nothing of it runs.
    let got = load("");
    assert_eq!(got["shown"], Value::Array(vec![]), "{got}");
    site.end();
}
