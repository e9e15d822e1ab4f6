//! hyper and `rwgi::Exchange` with nothing else: what the contract itself costs.
//!
//! Rules of this peer: the smallest embedding that is correct for well-behaved clients; no limits, no departure, no log.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use benches::application::application;
use benches::{hyper_settings, serve};
use clap::Parser;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rwgi::{Application, BodyLength, Connection, Environ, Exchange, Input, ResponseBody};

fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    serve::run(arguments, move |listener| async move {
        let application = Arc::new(application);
        loop {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let facts = Arc::new(Connection { peer: peer.into(), ..Connection::default() });
            let application = Arc::clone(&application);
            let connection = hyper_settings::http1(arguments.settings).serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| exchange(&application, &facts, request)),
            );
            tokio::spawn(async move {
                // How a connection ended is nothing to the comparison.
                let _ = connection.await;
            });
        }
    })
}

fn exchange<A: Application>(
    application: &Arc<A>,
    facts: &Arc<Connection>,
    request: Request<Incoming>,
) -> Answer {
    let (head, body) = request.into_parts();
    let length = match body.size_hint().exact() {
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Exact(length),
        None => BodyLength::Unknown,
    };
    let environ = Environ::new(head, Input::from_body(body, length), Arc::clone(facts));
    Answer(Exchange::new(Arc::clone(application), environ))
}

/// The exchange, with an error before the commit turned into a response.
struct Answer(Exchange);

impl Future for Answer {
    type Output = rwgi::Result<Response<ResponseBody>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(response) => response,
            Err(error) => {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = error.status();
                response
            }
        }))
    }
}
