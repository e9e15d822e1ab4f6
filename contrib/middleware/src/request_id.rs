//! A name for each request, to find it again in logs.
//!
//! Rules of this room: a name from outside is taken over only where that was asked for, and only if it can do no harm in a log.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};

/// The name of a request: in the environ's extensions, and in the field `X-Request-ID` of the request and the response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The name of a request that came through [`RequestIds`]; `None` of any other.
    pub fn of(environ: &Environ) -> Option<&Self> {
        environ.extensions().get()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives each request a name.
///
/// 128 random bits in hexadecimal: unlike any other, and no secret. An error that the application does not answer is the server's answer, which has
/// no such field; put [`ErrorPages`](crate::ErrorPages) inside.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, RequestId, RequestIds};
///
/// let client = Client::new(RequestIds::new(|environ: Environ, start: StartResponse| async move {
///     let id = RequestId::of(&environ).map(RequestId::as_str).unwrap_or_default().to_owned();
///     start.respond(StatusCode::OK, (), id)
/// }));
/// let response = client.get("/").send().await?;
/// assert_eq!(response.header("x-request-id"), Some(response.text()));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct RequestIds<A> {
    inner: Arc<A>,
    field: HeaderName,
    trusted: bool,
    keys: [RandomState; 2],
    count: AtomicU64,
}

impl<A: Application> RequestIds<A> {
    /// Names the requests of an application. A name that a request brings is replaced: anybody can send one.
    pub fn new(application: A) -> Self {
        Self {
            inner: Arc::new(application),
            field: HeaderName::from_static("x-request-id"),
            trusted: false,
            // Keys from the system's randomness: the names of two processes differ.
            keys: [RandomState::new(), RandomState::new()],
            count: AtomicU64::new(0),
        }
    }

    /// Keeps the name that a request brings: for servers behind a proxy that gives names and lets none through from outside.
    ///
    /// It is kept where it has at most 128 characters, all of them letters, digits, or one of `-_.:=+/@`.
    #[must_use]
    pub fn trust_incoming(mut self) -> Self {
        self.trusted = true;
        self
    }

    fn fresh(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut text = [b'0'; 32];
        for (half, key) in text.chunks_exact_mut(16).zip(&self.keys) {
            let mut bits = key.hash_one(number);
            for digit in half {
                *digit = DIGITS[(bits & 15) as usize];
                bits >>= 4;
            }
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn is_harmless(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    (1..=128).contains(&text.len())
        && text.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.:=+/@".contains(octet))
}

impl<A: Application> Application for RequestIds<A> {
    async fn call(
        &self,
        mut environ: Environ,
        mut start_response: StartResponse,
    ) -> Result<Finished> {
        let brought = environ.headers().get(&self.field);
        let id = match brought.filter(|value| self.trusted && is_harmless(value)) {
            Some(value) => value.clone(),
            None => self.fresh(),
        };
        environ.headers_mut().insert(self.field.clone(), id.clone());
        environ.extensions_mut().insert(RequestId(id.clone()));
        let field = self.field.clone();
        start_response.map_head(move |head| head.insert(field, id));
        self.inner.call(environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
