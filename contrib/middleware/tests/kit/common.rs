//! Applications that the tests put middleware around.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};

/// Answers one content of one type.
pub(crate) fn answering(media: &'static str, content: impl Into<String>) -> impl Application {
    let content = content.into();
    move |_: Environ, start: StartResponse| {
        let content = content.clone();
        async move { start.respond(StatusCode::OK, [(CONTENT_TYPE, media)], content) }
    }
}

/// Answers with the fields that it was given, and `content`.
pub(crate) fn with_fields(
    fields: &'static [(&'static str, &'static str)],
    content: &'static str,
) -> impl Application {
    move |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, fields.to_vec(), content)
    }
}

/// Streams pieces with a flush after each, and ends with a trailer.
pub(crate) fn streaming(media: &'static str, pieces: &'static [&'static str]) -> impl Application {
    move |_: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, [(CONTENT_TYPE, media)])?;
        for piece in pieces {
            body.write(*piece).await?;
            body.flush().await?;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("7"));
        body.finish_with_trailers(trailers)
    }
}

/// Answers its mount, its path and its method.
pub(crate) async fn place(environ: Environ, start: StartResponse) -> Result<Finished> {
    let place = format!("{} {} {}", environ.method(), environ.script_name(), environ.path_info());
    start.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], place)
}

/// Counts its own life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Living {
    pub(crate) started: Arc<AtomicUsize>,
    pub(crate) ended: Arc<AtomicUsize>,
    pub(crate) fails: bool,
}

impl Application for Living {
    async fn call(&self, environ: Environ, start: StartResponse) -> Result<Finished> {
        place(environ, start).await
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        self.started.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(rwgi::Error::application("not today")) } else { Ok(()) }
    }

    async fn shutdown(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a future without a runtime.
pub(crate) fn wait<T>(future: impl Future<Output = Result<T>>) -> T {
    pollster::block_on(future).unwrap()
}
