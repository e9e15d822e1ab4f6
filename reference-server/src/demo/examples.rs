//! Examples that a program adds to the demo: applications of its own, below paths of their own, shown on the page.
//!
//! Rules of this room: an example is an application like any other, and lives as long as the demo; the page shows it in a frame, so that
//! its scripts and styles are its own.

use std::fmt::Write;

use http::StatusCode;
use http::header::LOCATION;
use rwgi::{Application, Environ, Error, Finished, Result, SharedApplication, StartResponse};

use super::html::escape;

/// An application that stands on the demo's page.
#[derive(Debug)]
pub(super) struct Example {
    title: String,
    /// Where it is mounted: a slash, and one or more segments.
    pub(super) path: String,
    pub(super) application: SharedApplication,
}

impl Example {
    /// # Errors
    /// The path is none that can be mounted.
    pub(super) fn new(title: &str, path: &str, application: impl Application) -> Result<Self> {
        let segments = path.strip_prefix('/').unwrap_or_default().split('/');
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
        };
        if !path.starts_with('/') || !segments.clone().all(plain) {
            return Err(Error::application(format!(
                "an example cannot be mounted at {path:?}: the path is a slash and segments of letters, digits, `-` and `_`, as in `/chat`"
            )));
        }
        let (title, path) = (title.to_owned(), path.to_owned());
        Ok(Self { title, path, application: SharedApplication::new(application) })
    }

    /// Answers what lies below its path.
    pub(super) async fn call(
        &self,
        mut environ: Environ,
        start_response: StartResponse,
    ) -> Result<Finished> {
        environ.shift_path(&self.path);
        if environ.path_info().is_empty() {
            // Relative links need the slash.
            let location = format!("{}/", environ.script_name());
            return start_response.respond(
                StatusCode::PERMANENT_REDIRECT,
                [(LOCATION, location)],
                "",
            );
        }
        self.application.call(environ, start_response).await
    }

    /// What the page calls its section.
    fn id(&self) -> String {
        self.path[1..].replace('/', "-")
    }

    /// Its line in the page's table of contents.
    pub(super) fn link(&self) -> String {
        format!("  <a href=\"#example-{}\">{}</a>\n", self.id(), escape(&self.title))
    }

    /// Its section of the page.
    pub(super) fn section(&self, base: &str) -> String {
        let (id, title) = (self.id(), escape(&self.title));
        let address = format!("{}{}/", escape(base), self.path);
        let mut html = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "  <section id=\"example-{id}\" aria-labelledby=\"example-{id}-title\">\n    \
             <h2 id=\"example-{id}-title\">{title}</h2>\n    \
             <iframe class=\"example\" src=\"{address}\" title=\"{title}\"></iframe>\n    \
             <p class=\"small\"><a href=\"{address}\">Open it as a page</a></p>\n  </section>\n\n"
        );
        html
    }
}
