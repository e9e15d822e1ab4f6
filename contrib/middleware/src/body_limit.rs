//! A limit on the request's content that the application cannot lift.
//!
//! Rules of this room: what is declared too long is refused before anything is read, so that no client sends it; what is of unknown
//! length is counted on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use rwgi::{
    Application, BodyLength, BoxError, Environ, Error, Finished, Input, Result, ServerInfo,
    StartResponse,
};

/// Refuses requests with more content than the limit with 413.
///
/// The server has a limit of its own, which an application may change for its exchange; this one holds whatever the
/// application does. The lower of the two counts.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{BodyLimit, Client};
/// # let site = |mut environ: Environ, start: StartResponse| async move {
/// #     let content = environ.input_mut().read_to_end(1000).await?;
/// #     start.respond(StatusCode::OK, (), content)
/// # };
/// let client = Client::new(BodyLimit::new(site, 5));
/// assert_eq!(client.post("/").content("12345").send().await?.status(), 200);
/// assert_eq!(client.post("/").content("123456").send().await?.status(), 413);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct BodyLimit<A> {
    inner: Arc<A>,
    limit: u64,
}

impl<A: Application> BodyLimit<A> {
    /// Puts a limit in bytes around an application. It has no default: the server's own limit is one already.
    pub fn new(application: A, limit: u64) -> Self {
        Self { inner: Arc::new(application), limit }
    }
}

#[cold]
fn too_large(limit: u64) -> Error {
    Error::client(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request's content is larger than the limit of {limit} bytes"),
    )
}

impl<A: Application> Application for BodyLimit<A> {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        match environ.input().length() {
            BodyLength::Exact(length) if length > self.limit => return Err(too_large(self.limit)),
            BodyLength::Unknown => {
                let mut input = environ.take_input();
                let outer = input.limit();
                // The server's limit moves to the outside, where the application may lift it as before.
                input.set_limit(None);
                let counted = Counted { input, limit: self.limit, seen: 0 };
                let mut counted = Input::from_body(counted, BodyLength::Unknown);
                // Seen from within, the limit is the lower one; to raise it there changes nothing here.
                counted.set_limit(Some(outer.map_or(self.limit, |outer| outer.min(self.limit))));
                environ.set_input(counted);
            }
            // The server sees to it that no more comes than was declared.
            BodyLength::Exact(_) | BodyLength::Empty => {}
        }
        self.inner.call(environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

/// Content that is counted.
struct Counted {
    input: Input,
    limit: u64,
    seen: u64,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.input).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.seen += data.len() as u64;
            if self.seen > self.limit {
                return Poll::Ready(Some(Err(too_large(self.limit).into())));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.input.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.input.size_hint()
    }
}
