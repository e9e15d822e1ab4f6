//! A guest book: a page with a form, a line for each guest, and the tests of both. The tutorial of the book ends with it.
//!
//! `cargo run -p rwgi-server --example guestbook`, then open <http://127.0.0.1:8000>.

// ANCHOR: application
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use rwgi::{Application, Environ, Error, Finished, Result, StartResponse};

/// What an application keeps from request to request is a field; many requests may be under way at once, so it has a lock.
#[derive(Debug, Default)]
pub struct GuestBook {
    lines: Mutex<Vec<String>>,
}

impl Application for GuestBook {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        match (environ.method().as_str(), environ.path_info()) {
            ("GET" | "HEAD", "/") => self.show(start_response).await,
            ("POST", "/") => self.sign(environ, start_response).await,
            (_, "/") => start_response.respond(
                StatusCode::METHOD_NOT_ALLOWED,
                [(ALLOW, "GET, HEAD, POST")],
                "",
            ),
            (_, path) => Err(Error::client(StatusCode::NOT_FOUND, format!("nothing is at {path}"))),
        }
    }
}

impl GuestBook {
    /// Writes the page piece by piece; `write` waits while the client does not read.
    async fn show(&self, start_response: StartResponse) -> Result<Finished> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        let mut body = start_response.start(StatusCode::OK, html)?;
        body.write(concat!(
            "<!doctype html><title>Guests</title><h1>Guests</h1>\n",
            "<form method=post enctype=text/plain><input name=line autofocus></form>\n<ul>\n",
        ))
        .await?;
        for line in lines {
            body.write(format!("<li>{}\n", escape(&line))).await?;
        }
        body.write("</ul>\n").await?;
        body.finish()
    }

    /// Takes a line, and sends the browser back to the page.
    async fn sign(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        // More than 200 bytes are answered 413, and what is no text 400: by `?`, here.
        let form = environ.input_mut().read_to_string(200).await?;
        let line = form.trim().strip_prefix("line=").ok_or_else(|| {
            Error::client(StatusCode::BAD_REQUEST, "the form has a field named line")
        })?;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        start_response.respond(StatusCode::SEE_OTHER, [(LOCATION, "/")], "")
    }
}

/// What a guest writes is text, whatever it looks like.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(GuestBook::default())
}
// ANCHOR_END: application

// ANCHOR: tests
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use rwgi::testing::run;

    use super::*;

    #[test]
    fn what_a_guest_writes_is_shown_and_is_no_markup() -> Result<()> {
        let book = Arc::new(GuestBook::default());
        let line = Environ::builder().method(Method::POST).input("line=Ann <3 you\r\n").build()?;
        assert_eq!(run(&book, line)?.status(), StatusCode::SEE_OTHER);

        let page = run(&book, Environ::builder().build()?)?;
        assert!(page.text()?.contains("<li>Ann &lt;3 you\n"));
        Ok(())
    }

    #[test]
    fn a_line_that_is_too_long_is_refused() -> Result<()> {
        let book = Arc::new(GuestBook::default());
        let long = Environ::builder().method(Method::POST).input("x".repeat(201)).build()?;
        let error = run(&book, long).expect_err("201 bytes are too many");
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        Ok(())
    }
}
// ANCHOR_END: tests
