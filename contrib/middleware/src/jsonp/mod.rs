//! JSONP: a JSON answer as a script, for pages that can load scripts from elsewhere and nothing else.
//!
//! Rules of this room: only the JSON answer of a GET is touched, and nothing of it is buffered beyond a bound; a name that is not plainly
//! a name is refused.

mod callback;
mod wrap;

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body;
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use self::wrap::Wrap;
use crate::gather::Gathered;
use crate::recode::{self, Recoded};
use crate::through;

/// Wraps the JSON answer of a GET in the callback that the query names.
///
/// `/data?callback=show` is answered `/**/show({"a":1});` as `application/javascript`, with `X-Content-Type-Options:
/// nosniff`. The callback is one or more JavaScript identifiers joined by dots, of at most 128 ASCII characters and none of them reserved; anything
/// else is refused with 400. Requests by other methods, without a callback, and answers of other types pass untouched (a HEAD
/// gets the fields of its GET).
///
/// A callback reads the answer with the user's cookies from any page: offer JSONP for public data, and CORS for all else.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, Jsonp};
///
/// let data = |_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, [("content-type", "application/json")], r#"{"a":1}"#)
/// };
/// let client = Client::new(Jsonp::new(data));
/// assert_eq!(client.get("/?callback=show").send().await?.text(), r#"/**/show({"a":1});"#);
/// assert_eq!(client.get("/").send().await?.text(), r#"{"a":1}"#);
/// assert_eq!(client.get("/?callback=alert(1)").send().await?.status(), StatusCode::BAD_REQUEST);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Jsonp<A> {
    inner: Arc<A>,
    parameter: Cow<'static, str>,
}

/// An answer up to this size is wrapped in one piece, with its length.
const ONE_PIECE: usize = 64 * 1024;

impl<A: Application> Jsonp<A> {
    /// Puts JSONP around an application; the query's `callback` names the function, as jQuery and most services have it.
    pub fn new(application: A) -> Self {
        Self { inner: Arc::new(application), parameter: Cow::Borrowed("callback") }
    }

    /// Another name for the parameter of the query: `jsonp`, `cb`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.parameter = name.into();
        self
    }

    fn callback(&self, environ: &Environ) -> Option<String> {
        if environ.method() != Method::GET && environ.method() != Method::HEAD {
            return None;
        }
        form_urlencoded::parse(environ.query()?.as_bytes())
            .find(|(name, _)| *name == self.parameter)
            .map(|(_, value)| value.into_owned())
    }

    async fn wrap(
        &self,
        callback: String,
        mut environ: Environ,
        start_response: StartResponse,
    ) -> Result<Finished> {
        let head_only = environ.method() == Method::HEAD;
        // Part of a text, or a coding of it, cannot be wrapped.
        environ.headers_mut().remove(ACCEPT_ENCODING);
        environ.headers_mut().remove(RANGE);
        let passed = through::run(&self.inner, environ, start_response).await?;
        let start_response = passed.start_response;
        let mut response = passed.answer?;
        if !is_json(response.status(), response.headers()) {
            return start_response.forward(response);
        }
        if !callback::is_valid(&callback) {
            return Err(Error::client(
                StatusCode::BAD_REQUEST,
                "the JSONP callback of the query is no dotted name of JavaScript identifiers",
            ));
        }
        change(response.headers_mut());
        if head_only {
            return start_response.forward(response);
        }
        let (head, body) = response.into_parts();
        let wrap = Wrap::new(&callback);
        // A stream stays one: only what comes with its length is made one piece.
        let length = body.size_hint().exact();
        if length.is_none_or(|length| length > ONE_PIECE as u64) {
            let body = Recoded::new(body, wrap);
            return start_response.forward(http::Response::from_parts(head, body));
        }
        let mut body = Gathered::ready(body, ONE_PIECE).await;
        match body.whole() {
            Some(content) => {
                body.replace(recode::whole(wrap, &content)?);
                start_response.forward(http::Response::from_parts(head, body))
            }
            None => {
                let body = Recoded::new(body, wrap);
                start_response.forward(http::Response::from_parts(head, body))
            }
        }
    }
}

impl<A: Application> Application for Jsonp<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        match self.callback(&environ) {
            None => self.inner.call(environ, start_response).await,
            // Boxed, so that a request that wants no JSONP does not pay for the room.
            Some(callback) => Box::pin(self.wrap(callback, environ, start_response)).await,
        }
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

/// Whether a response is JSON, whole and in plain sight.
fn is_json(status: StatusCode, fields: &HeaderMap) -> bool {
    let without_content =
        [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT];
    if without_content.contains(&status) || fields.contains_key(CONTENT_ENCODING) {
        return false;
    }
    let Some(media) = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json"
        || media.strip_suffix("+json").is_some_and(|kind| kind.starts_with("application/"))
}

/// The fields of the script in place of those of the JSON.
fn change(fields: &mut HeaderMap) {
    recode::forget_octets(fields);
    fields.remove(HeaderName::from_static("repr-digest"));
    // A script without a charset is read in that of the page.
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/javascript; charset=utf-8"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
