//! The main page, the one for unknown paths, and the files that pages need.
//!
//! Rules of this room: no resource of anybody else, no script or style inside the HTML (the policy forbids it, and so an
//! injected one would not run); everything is in the binary.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use rwgi::{Environ, Finished, Result, StartResponse};

use super::examples::Example;
use super::facts::{self, Fact};
use super::html::{escape, fill, push_text};

/// A file that a page needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

pub(super) static ASSETS: [Asset; 3] = [
    Asset {
        path: "/demo.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("demo.css"),
    },
    Asset {
        path: "/demo.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("demo.js"),
    },
    Asset { path: "/icon.svg", content_type: "image/svg+xml", text: include_str!("icon.svg") },
];

/// The file, as it is in the binary.
pub(super) fn asset(asset: &Asset, start_response: StartResponse) -> Result<Finished> {
    let fields = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    start_response.respond(StatusCode::OK, fields, asset.text)
}

/// The fields of every HTML page.
pub(super) const PAGE_FIELDS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The main page, with the environ of this very request.
pub(super) fn page(
    examples: &[Example],
    environ: &Environ,
    start_response: StartResponse,
) -> Result<Finished> {
    let sections = examples.iter().map(|example| example.section(environ.script_name()));
    let variables = match facts::variables(environ) {
        Some(variables) => rows(&variables),
        None => rows(&[]),
    };
    let html = fill(
        include_str!("page.html"),
        &[
            ("base", &escape(environ.script_name())),
            ("examples", &sections.collect::<String>()),
            ("example-links", &examples.iter().map(Example::link).collect::<String>()),
            ("origin", &escape(&origin(environ))),
            ("method", &escape(environ.method().as_str())),
            ("target", &escape(&target(environ))),
            ("protocol", environ.protocol()),
            ("peer", &escape(&environ.peer().to_string())),
            ("software", &escape(environ.server().software())),
            ("request", &rows(&facts::request(environ))),
            ("fields", &rows(&facts::fields(environ))),
            ("server", &rows(&facts::server(environ))),
            ("capabilities", &capabilities(environ)),
            ("limits", &rows(&facts::limits(environ))),
            ("variables", &variables),
            ("code-stream", &escape(excerpt(include_str!("stream.rs"), "async fn stream"))),
            ("code-socket", &escape(excerpt(include_str!("websocket.rs"), "async fn echo"))),
            ("code-download", &escape(excerpt(include_str!("websocket.rs"), "async fn download"))),
            ("code-echo", &escape(excerpt(include_str!("echo.rs"), "async fn echo"))),
            ("code-before", &escape(excerpt(include_str!("errors.rs"), "async fn before"))),
            ("code-after", &escape(excerpt(include_str!("errors.rs"), "async fn after"))),
        ],
    )?;
    start_response.respond(StatusCode::OK, PAGE_FIELDS, html)
}

/// The page for a path that leads nowhere.
pub(super) fn not_found(environ: &Environ, start_response: StartResponse) -> Result<Finished> {
    let html = fill(
        include_str!("not_found.html"),
        &[("base", &escape(environ.script_name())), ("path", &escape(environ.path()))],
    )?;
    start_response.respond(StatusCode::NOT_FOUND, PAGE_FIELDS, html)
}

/// The part of the URL that all addresses of the demo begin with.
fn origin(environ: &Environ) -> String {
    let authority = environ.authority().unwrap_or("localhost");
    format!("{}://{authority}{}", environ.scheme(), environ.script_name())
}

fn target(environ: &Environ) -> String {
    match environ.query() {
        Some(query) => format!("{}?{query}", environ.path()),
        None => environ.path().to_owned(),
    }
}

/// The facts as rows of a table.
fn rows(facts: &[Fact]) -> String {
    let mut out = String::new();
    for fact in facts {
        out.push_str("<tr><th scope=\"row\"><code>");
        push_text(&mut out, &fact.name);
        out.push_str("</code></th><td>");
        match &fact.value {
            Some(value) => push_text(&mut out, value),
            None => out.push_str("<span class=\"none\">none</span>"),
        }
        out.push_str("</td></tr>\n");
    }
    out
}

fn capabilities(environ: &Environ) -> String {
    let mut out = String::new();
    for name in environ.capabilities().names() {
        out.push_str("<li><code>");
        push_text(&mut out, name);
        out.push_str("</code></li>");
    }
    if out.is_empty() {
        out.push_str("<li class=\"none\">none</li>");
    }
    out
}

/// A function of this application out of its own source, so that the page shows the code that really answers.
fn excerpt<'a>(source: &'a str, signature: &str) -> &'a str {
    let Some(place) = source.find(signature) else { return "" };
    let code = &source[place..];
    code.find("\n}\n").map_or(code, |end| &code[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_whole_function() {
        for (source, signature) in [
            (include_str!("stream.rs"), "async fn stream"),
            (include_str!("echo.rs"), "async fn echo"),
            (include_str!("websocket.rs"), "async fn echo"),
            (include_str!("websocket.rs"), "async fn download"),
            (include_str!("errors.rs"), "async fn before"),
            (include_str!("errors.rs"), "async fn after"),
        ] {
            let code = excerpt(source, signature);
            assert!(code.starts_with(signature) && code.ends_with("\n}"), "{code}");
            assert_eq!(code.matches("async fn").count(), 1, "{code}");
        }
    }
}
