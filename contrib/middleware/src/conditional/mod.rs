//! Conditional requests: a client that has the content already is told so.
//!
//! Rules of this room: only GET and HEAD, and only answers of 200, are judged, for every other effect has happened by then; content is hashed
//! only where all of it is ready, and otherwise passes as it is.

mod preconditions;

use std::fmt::Write;
use std::sync::Arc;

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use rwgi::{Application, Environ, Finished, ResponseBody, Result, ServerInfo, StartResponse};
use sha2::{Digest, Sha256};

use self::preconditions::Verdict;
use crate::gather::Gathered;
use crate::through;

/// Answers conditional requests: 304 to a client that has the content, 412 to one that has it in another state.
///
/// It judges by the application's ETag and Last-Modified. Where a GET is answered without an ETag, and the whole content is known, ready
/// at once and small enough, it makes one of the content (its SHA-256, shortened to 128 bits), unless `Cache-Control` says
/// `no-store`.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, ConditionalGet};
/// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "site") };
///
/// let client = Client::new(ConditionalGet::new(site));
/// let response = client.get("/").send().await?;
/// let tag = response.header("etag").unwrap_or_default();
/// let again = client.get("/").header("if-none-match", tag).send().await?;
/// assert_eq!((again.status(), again.text()), (StatusCode::NOT_MODIFIED, ""));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct ConditionalGet<A> {
    inner: Arc<A>,
    hashed: Option<usize>,
}

impl<A: Application> ConditionalGet<A> {
    /// Puts it around an application; content up to 1 MiB gets an ETag, which holds the thread for milliseconds and no longer. Django's
    /// `ConditionalGetMiddleware` hashes whatever is no stream.
    pub fn new(application: A) -> Self {
        Self { inner: Arc::new(application), hashed: Some(1024 * 1024) }
    }

    /// The most content in bytes that gets an ETag; `None` judges by the application's fields only.
    #[must_use]
    pub fn hash_up_to(mut self, bytes: Option<usize>) -> Self {
        self.hashed = bytes;
        self
    }
}

impl<A: Application> Application for ConditionalGet<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let get = environ.method() == Method::GET;
        let conditional = preconditions::are_there(environ.headers());
        if !(get && (self.hashed.is_some() || conditional))
            && !(conditional && environ.method() == Method::HEAD)
        {
            return self.inner.call(environ, start_response).await;
        }
        let conditions = conditional.then(|| environ.headers().clone());
        let passed = through::run(&self.inner, environ, start_response).await?;
        let response = passed.answer?;
        let start_response = passed.start_response;
        if response.status() != StatusCode::OK {
            return start_response.forward(response);
        }
        // A stream stays one: only what comes with its length is looked at.
        let length = response.body().size_hint().exact();
        let hashed = self.hashed.filter(|limit| {
            get && length.is_some_and(|length| length <= *limit as u64)
                && may_be_hashed(response.headers())
        });
        if let Some(limit) = hashed {
            let (mut head, body) = response.into_parts();
            let mut body = Gathered::ready(body, limit).await;
            if let Some(content) = body.whole() {
                head.headers.insert(ETAG, tag_of(&content)?);
            }
            return answer(conditions, Response::from_parts(head, body), start_response);
        }
        answer(conditions, response, start_response)
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

fn answer<B>(
    conditions: Option<HeaderMap>,
    response: Response<B>,
    start_response: StartResponse,
) -> Result<Finished>
where
    B: Body + Send + 'static,
    B::Error: Into<rwgi::BoxError>,
{
    let verdict = conditions
        .map_or(Verdict::Proceed, |request| preconditions::judge(&request, response.headers()));
    let status = match verdict {
        Verdict::Proceed => return start_response.forward(response),
        Verdict::NotModified => StatusCode::NOT_MODIFIED,
        Verdict::Failed => StatusCode::PRECONDITION_FAILED,
    };
    let (mut head, _) = response.into_parts();
    head.status = status;
    // What describes content that does not come. ETag, Vary, Cache-Control and all that is not about content stays.
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE] {
        head.headers.remove(name);
    }
    start_response.forward(Response::from_parts(head, ResponseBody::empty()))
}

fn may_be_hashed(fields: &HeaderMap) -> bool {
    let secret = fields.get_all(CACHE_CONTROL).iter().any(|value| {
        value
            .as_bytes()
            .split(|octet| *octet == b',')
            .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-store"))
    });
    !secret && !fields.contains_key(ETAG)
}

fn tag_of(content: &[u8]) -> Result<HeaderValue> {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for octet in &Sha256::digest(content)[..16] {
        write!(tag, "{octet:02x}")?;
    }
    tag.push('"');
    Ok(HeaderValue::try_from(tag)?)
}
