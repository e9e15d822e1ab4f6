//! Compression of responses.
//!
//! Rules of this room: the client chooses, by Accept-Encoding; a cache is told so by Vary; what is streamed stays a stream, piece by
//! piece; a strong entity tag becomes a weak one, for the octets are no longer those that it stood for.

mod coder;
mod negotiate;

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body;
use rwgi::{Application, Environ, Finished, ResponseHead, Result, ServerInfo, StartResponse};

use self::coder::Compressor;
use self::negotiate::Coding;
use crate::gather::Gathered;
use crate::recode::{self, Recoded};
use crate::{through, vary};

/// Compresses responses with brotli or gzip (the features of these names), as the client asks.
///
/// Only what gets smaller by it: text, JSON, scripts, fonts and the like, of 200 bytes or more where the length is known. What is coded already,
/// partial, or marked `no-transform` passes. A streamed response stays one: what is ready goes out when nothing more is (REQ-MID-12). The plain
/// content's Content-Length does not stay (REQ-MID-09), for HEAD as for GET (REQ-MID-10), and a strong ETag becomes a weak one. A 304 has the
/// Vary and the ETag of the 200 that the client keeps (RFC 9110, section 15.4.5).
///
/// A page that shows a secret beside what a stranger chose should not be compressed over TLS (the BREACH attack); answer it with `Cache-Control:
/// no-transform`.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, Compression};
///
/// let client = Client::new(Compression::new(|_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, [("content-type", "text/plain")], "again ".repeat(1000))
/// }));
/// let response = client.get("/").header("accept-encoding", "gzip").send().await?;
/// assert_eq!(response.header("content-encoding"), Some("gzip"));
/// assert!(response.content().len() < 200);
/// assert_eq!(client.get("/").send().await?.content().len(), 6000);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Compression<A> {
    inner: Arc<A>,
    minimum: u64,
}

/// An answer up to this size is compressed in one piece, with its length.
const ONE_PIECE: usize = 64 * 1024;

impl<A: Application> Compression<A> {
    /// Puts compression around an application, for content of 200 bytes or more: below it nothing is gained, as Django's `GZipMiddleware` has it.
    /// nginx: 20; tower-http: 32.
    pub fn new(application: A) -> Self {
        Self { inner: Arc::new(application), minimum: 200 }
    }

    /// The length in bytes below which nothing is compressed.
    #[must_use]
    pub fn minimum(mut self, bytes: u64) -> Self {
        self.minimum = bytes;
        self
    }
}

impl<A: Application> Application for Compression<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let Some(coding) = negotiate::choose(environ.headers()) else {
            // Nothing will be coded, and that is still an answer that depends on the field.
            start_response.map_head(|head| {
                if head.status() == StatusCode::NOT_MODIFIED
                    || negotiate::is_worth(head.status(), head.fields())
                {
                    add_vary(head)
                } else {
                    Ok(())
                }
            });
            return self.inner.call(environ, start_response).await;
        };
        let head_only = environ.method() == Method::HEAD;
        let known: Vec<_> = environ.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
        let passed = through::run(&self.inner, environ, start_response).await?;
        let mut start_response = passed.start_response;
        let mut response = passed.answer?;
        if response.status() == StatusCode::NOT_MODIFIED {
            // Which type the content has is not said; who asked by the weak tag has it coded.
            if let Some(weak) = weak_tag(response.headers())
                && known.iter().any(|line| lists(line, &weak))
            {
                response.headers_mut().insert(ETAG, weak);
            }
            start_response.map_head(add_vary);
            return start_response.forward(response);
        }
        if !negotiate::is_worth(response.status(), response.headers()) {
            return start_response.forward(response);
        }
        start_response.map_head(add_vary);
        if head_only {
            let length = response.headers().get(CONTENT_LENGTH).and_then(number);
            if length.is_none_or(|length| length >= self.minimum) {
                change(response.headers_mut(), coding);
            }
            return start_response.forward(response);
        }
        if response.body().size_hint().exact().is_some_and(|length| length < self.minimum) {
            return start_response.forward(response);
        }
        let (mut head, body) = response.into_parts();
        let mut body = Gathered::ready(body, ONE_PIECE).await;
        // From here on the content is coded whatever it comes to, so that a HEAD, which does not see it, can say the same.
        change(&mut head.headers, coding);
        let compressor = Compressor::new(coding);
        let Some(content) = body.whole() else {
            let body = Recoded::new(body, compressor);
            return start_response.forward(http::Response::from_parts(head, body));
        };
        body.replace(recode::whole(compressor, &content)?);
        start_response.forward(http::Response::from_parts(head, body))
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

fn add_vary(head: &mut ResponseHead) -> Result<()> {
    vary::add(head, "accept-encoding")
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

/// The fields of the coded content in place of those of the plain one.
fn change(fields: &mut HeaderMap, coding: Coding) {
    recode::forget_octets(fields);
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    if let Some(weak) = weak_tag(fields) {
        fields.insert(ETAG, weak);
    }
}

/// The weak form of a strong tag.
fn weak_tag(fields: &HeaderMap) -> Option<HeaderValue> {
    let tag = fields.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))?;
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
}

/// Whether a list of tags has this one, which no other can hold: quotation marks end it.
fn lists(line: &HeaderValue, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    line.as_bytes().windows(tag.len()).any(|part| part == tag)
}
