//! Middleware, both ways: a hook on the head, and an exchange of its own for the content.
//!
//! `cargo run -p rwgi --example middleware`. The same values are served by `rwgi_server::serve(stack())`; here they are called in
//! memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use rwgi::{
    Application, BoxError, Environ, Exchange, Finished, Result, ServerInfo, StartResponse, testing,
};

// ANCHOR: hook
/// Tells in a field how long the application took to its head: the cheap way, which no content passes through.
pub struct ServerTiming<A>(pub A);

impl<A: Application> Application for ServerTiming<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let began = Instant::now();
        // Runs when the head leaves, for whatever head that is by then; never for the server's own error responses.
        start_response.map_head(move |head| {
            head.append(
                "server-timing",
                format!("app;dur={:.3}", began.elapsed().as_secs_f64() * 1000.0),
            )
        });
        self.0.call(environ, start_response).await
    }

    // The life of the inner application is that of the whole.
    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.0.startup(server).await
    }

    async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}
// ANCHOR_END: hook

// ANCHOR: exchange
/// Gives plain text in capitals: it sees head and content, and nothing of the inner application can bypass it.
pub struct Shout<A>(pub Arc<A>);

impl<A: Application> Application for Shout<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        // To the inner application this is the server. Dropped with this future, so that a departure reaches it.
        let inner = Exchange::new(Arc::clone(&self.0), environ).inform_through(&start_response);
        // An error before the commit goes on as it came, with its culprit and status.
        let mut response = inner.await?;
        if !is_plain_text(response.headers()) {
            return start_response.forward(response);
        }
        // Capitals can be longer than what they stand for ("ß"): the length is not known any more, not even to HEAD.
        response.headers_mut().remove(CONTENT_LENGTH);
        start_response.forward(response.map(|body| Capitals { body, held: Bytes::new() }))
    }
    // ANCHOR_END: exchange

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.0.startup(server).await
    }

    async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

fn is_plain_text(fields: &HeaderMap) -> bool {
    fields.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// The body: each frame is turned as it comes, so that nothing waits and nothing is collected. Errors and trailers pass by.
struct Capitals<B> {
    body: B,
    /// The first octets of a character that the next frame completes.
    held: Bytes,
}

impl<B> Body for Capitals<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            // What is left was no character: it is passed on as it came.
            None if !this.held.is_empty() => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.held)))));
            }
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(frame.map_data(|data| this.turn(&data)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<B> Capitals<B> {
    fn turn(&mut self, data: &[u8]) -> Bytes {
        let mut whole = std::mem::take(&mut self.held).to_vec();
        whole.extend_from_slice(data);
        let end = match std::str::from_utf8(&whole) {
            Ok(_) => whole.len(),
            // Cut inside of a character: its first octets wait.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Bytes::from(whole),
        };
        self.held = Bytes::copy_from_slice(&whole[end..]);
        String::from_utf8_lossy(&whole[..end]).to_uppercase().into()
    }
}

/// The application inside: a stream that cuts its characters, and a page that is no plain text.
pub async fn greeting(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    if environ.path_info() == "/page" {
        return start_response.respond(
            StatusCode::OK,
            [(CONTENT_TYPE, "text/html")],
            "<p>quiet</p>",
        );
    }
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
    for piece in "hello, gruß!".as_bytes().chunks(4) {
        body.write(piece.to_vec()).await?;
    }
    body.finish()
}

/// The two, around the application; the outermost is first.
pub fn stack() -> Arc<impl Application> {
    Arc::new(ServerTiming(Shout(Arc::new(greeting))))
}

/// Asks for both routes and checks what the middleware did.
pub fn check() -> Result<()> {
    let text = testing::run(&stack(), Environ::builder().build()?)?;
    assert_eq!(text.text()?, "HELLO, GRUSS!");
    assert!(text.fields().contains_key("server-timing"));

    let page = testing::run(&stack(), Environ::builder().uri("/page").build()?)?;
    assert_eq!(page.text()?, "<p>quiet</p>");
    assert!(page.fields().contains_key("server-timing"));
    Ok(())
}

fn main() -> Result<()> {
    check()?;
    println!("{}", testing::run(&stack(), Environ::builder().build()?)?.text()?);
    Ok(())
}
