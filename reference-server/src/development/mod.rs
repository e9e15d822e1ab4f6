//! What a developer sees: a page for each error, and the compiler's words while the application does not build.
//!
//! Rules of this room: nothing of it is shown unless the server was started with `dev`; whatever an error says is text on the page and never markup.

mod page;
mod panic;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use rwgi::Error;

pub(crate) use self::page::{Section, html, plain};
pub(crate) use self::panic::{forget, remember, remembered};

/// An error as a developer sees it; `request` names the exchange for the page's head.
pub(crate) fn error_response(
    error: &Error,
    request: &str,
    id: &str,
    as_html: bool,
) -> Response<bytes::Bytes> {
    let status = error.status();
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let mut sections = vec![Section::text("What failed", error.message())];
    let causes: Vec<_> = error.causes().map(ToString::to_string).collect();
    if !causes.is_empty() {
        sections.push(Section::list("Caused by", causes));
    }
    let mut facts = vec![
        format!("request: {request}"),
        format!("request id: {id}"),
        format!("culprit: {}", error.fault()),
    ];
    facts.extend(error.requirement().map(|requirement| format!("requirement: {requirement}")));
    sections.push(Section::list("The exchange", facts));
    let backtrace = remembered().or_else(|| error.backtrace().map(ToString::to_string));
    sections.push(match backtrace {
        Some(backtrace) => Section::code("Backtrace", &backtrace),
        None => Section::text(
            "Backtrace",
            "Start the server with RUST_BACKTRACE=1 to see where the error was made.",
        ),
    });
    let note = "You see this page because the server was started with --dev.";
    response(status, &title, note, &sections, as_html)
}

/// A page, or its text for a client that does not ask for pages.
pub(crate) fn response(
    status: StatusCode,
    title: &str,
    note: &str,
    sections: &[Section],
    as_html: bool,
) -> Response<bytes::Bytes> {
    let (kind, text) = if as_html {
        ("text/html; charset=utf-8", html(title, note, sections))
    } else {
        ("text/plain; charset=utf-8", plain(title, note, sections))
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(
        "content-security-policy",
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}
