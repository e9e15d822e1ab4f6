//! JSONP: what is wrapped, what passes untouched, what is refused.

use http::{Method, StatusCode};
use rwgi::{Environ, Error, StartResponse};
use rwgi_middleware::{Client, Jsonp};

use crate::common::{answering, streaming, wait, with_fields};

#[test]
fn a_json_answer_of_a_get_is_wrapped_with_its_fields() {
    let client = Client::new(Jsonp::new(answering("application/json", "{\"a\":\"\u{2028}\"}")));
    let response = wait(client.get("/?x=1&callback=lib.show&y").send());
    assert_eq!(response.text(), "/**/lib.show({\"a\":\"\\u2028\"});");
    assert_eq!(response.header("content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn the_length_is_that_of_the_script() {
    let fields = &[("content-type", "application/json"), ("content-length", "2"), ("digest", "x")];
    let client = Client::new(Jsonp::new(with_fields(fields, "{}")));
    let response = wait(client.get("/?callback=f").send());
    assert_eq!(response.text(), "/**/f({});");
    assert_ne!(response.header("content-length"), Some("2"));
    assert_eq!(response.header("digest"), None);
}

#[test]
fn types_and_methods_that_are_not_its_own_pass_untouched() {
    for media in ["text/html", "application/javascript", "text/json", "application/jsonx", "x+json"]
    {
        let client = Client::new(Jsonp::new(answering(media, "{}")));
        let response = wait(client.get("/?callback=f").send());
        assert_eq!((response.text(), response.header("content-type")), ("{}", Some(media)));
    }
    let json = || Client::new(Jsonp::new(answering("application/json", "{}")));
    for method in [Method::POST, Method::PUT, Method::OPTIONS] {
        let response = wait(json().request(method, "/?callback=f").send());
        assert_eq!((response.text(), response.header("x-content-type-options")), ("{}", None));
    }
    assert_eq!(wait(json().get("/?other=f").send()).text(), "{}");
    assert_eq!(wait(json().get("/").send()).text(), "{}");
}

#[test]
fn types_that_are_json_by_another_name_are_wrapped() {
    for media in ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"]
    {
        let client = Client::new(Jsonp::new(answering(media, "{}")));
        assert_eq!(wait(client.get("/?callback=f").send()).text(), "/**/f({});", "{media}");
    }
}

#[test]
fn a_bad_callback_is_refused_only_where_it_would_be_used() {
    let json = Client::new(Jsonp::new(answering("application/json", "{}")));
    for bad in ["", "alert(1)", "a%0Ab", "a;b", "%3Cscript%3E", "a.b.", "function", "a%E2%80%A8"] {
        let response = wait(json.get(&format!("/?callback={bad}")).send());
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(response.text(), "400 Bad Request\n", "{bad}");
    }
    let page = Client::new(Jsonp::new(answering("text/html", "<p>")));
    assert_eq!(wait(page.get("/?callback=alert(1)").send()).text(), "<p>");
}

#[test]
fn the_first_callback_of_several_counts() {
    let client = Client::new(Jsonp::new(answering("application/json", "1")));
    assert_eq!(wait(client.get("/?callback=a&callback=b").send()).text(), "/**/a(1);");
    let client = Client::new(Jsonp::new(answering("application/json", "1")).parameter("jsonp"));
    assert_eq!(wait(client.get("/?callback=a&jsonp=b").send()).text(), "/**/b(1);");
}

#[test]
fn a_head_has_the_fields_of_its_get_and_not_the_length_of_the_json() {
    let client = Client::new(Jsonp::new(answering("application/json", "{}")));
    let response = wait(client.request(Method::HEAD, "/?callback=f").send());
    assert_eq!(response.header("content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(response.header("content-length"), None);
}

#[test]
fn a_stream_is_wrapped_piece_by_piece_with_its_trailers() {
    let client = Client::new(Jsonp::new(streaming("application/json", &["[1", ", 2", "]"])));
    let response = wait(client.get("/?callback=f").send());
    assert_eq!(response.text(), "/**/f([1, 2]);");
    assert!(response.trailers().unwrap().contains_key("x-checksum"));
}

#[test]
fn an_answer_larger_than_the_bound_comes_whole() {
    let large: &'static str = Box::leak("9".repeat(1 << 20).into_boxed_str());
    let client = Client::new(Jsonp::new(answering("application/json", large)));
    let response = wait(client.get("/?callback=f").send());
    assert_eq!(response.content().len(), large.len() + "/**/f();".len());
}

#[test]
fn a_failure_in_the_middle_leaves_the_call_open() {
    let broken = |_: Environ, start: StartResponse| async move {
        let fields = [("content-type", "application/json")];
        let mut body = start.start(StatusCode::OK, fields)?;
        body.write("[1").await?;
        body.flush().await?;
        Err::<rwgi::Finished, _>(Error::application("no more"))
    };
    let response = wait(Client::new(Jsonp::new(broken)).get("/?callback=f").send());
    assert!(response.error().is_some());
    assert!(!response.text().ends_with(");"), "{}", response.text());
}

#[test]
fn the_application_is_not_asked_for_a_coding_or_a_part() {
    let told = |environ: Environ, start: StartResponse| async move {
        let asked =
            ["accept-encoding", "range"].iter().any(|name| environ.headers().contains_key(*name));
        start.respond(StatusCode::OK, [("content-type", "application/json")], asked.to_string())
    };
    let client = Client::new(Jsonp::new(told));
    let request = || client.get("/?callback=f").header("range", "bytes=0-1");
    assert_eq!(wait(request().header("accept-encoding", "gzip").send()).text(), "/**/f(false);");
    let coded =
        with_fields(&[("content-type", "application/json"), ("content-encoding", "x")], "?");
    assert_eq!(wait(Client::new(Jsonp::new(coded)).get("/?callback=f").send()).text(), "?");
}
