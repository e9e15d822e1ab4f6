//! `actix-web` as a server of RWGI.
//!
//! Rules of this room: the adapter hands on what it is given. Actix has types of an older `http`, and payloads that stay on
//! their thread: names and values are copied, and the body comes through a channel.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use http_body::{Body, Frame};
use rwgi::{
    Application, BodyLength, BoxError, Connection, Departure, Environ, Exchange, Input,
    ResponseBody, ServerInfo, SharedApplication,
};
use rwgi_conformance::server::{RunningServer, ServerUnderTest};
use tokio::sync::{mpsc, oneshot};

pub(crate) struct Actix;

impl ServerUnderTest for Actix {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut info = ServerInfo::new("actix-web");
        info.endpoints = vec![address.into()];
        info.capabilities.full_duplex = true;
        info.capabilities.departure = Departure::OnWrite;
        let (send, receive) = std::sync::mpsc::channel();
        let system = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let started = application.startup(&info).await.map_err(BoxError::from);
                let (info, application) = (Arc::new(info), Arc::new(application));
                let inner = Arc::clone(&application);
                let server = HttpServer::new(move || {
                    let (info, application) = (Arc::clone(&info), Arc::clone(&inner));
                    let handler = move |request: HttpRequest, payload: web::Payload| {
                        answer(Arc::clone(&application), Arc::clone(&info), request, payload)
                    };
                    App::new().default_service(web::to(handler))
                });
                let server = server.workers(2).disable_signals().listen(listener);
                let server = match (started, server) {
                    (Ok(()), Ok(server)) => server.run(),
                    (Err(error), _) => return drop(send.send(Err(error))),
                    (_, Err(error)) => return drop(send.send(Err(error.into()))),
                };
                let _ = send.send(Ok(server.handle()));
                let _ = server.await;
                application.shutdown().await;
            });
        });
        let handle = receive.recv()??;
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let stop = handle.stop(!grace.is_zero());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let in_time = runtime.is_ok_and(|runtime| {
                runtime.block_on(async { tokio::time::timeout(grace, stop).await.is_ok() })
            });
            let _ = system.join();
            in_time
        }))
    }
}

async fn answer(
    application: Arc<SharedApplication>,
    info: Arc<ServerInfo>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let Some(parts) = parts(&request) else { return HttpResponse::BadRequest().finish() };
    let head_only = parts.method == http::Method::HEAD;
    let declared =
        parts.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let length = match declared {
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Exact(length),
        None if parts.headers.contains_key("transfer-encoding") => BodyLength::Unknown,
        None => BodyLength::Empty,
    };
    let mut connection = Connection { server: info, ..Connection::default() };
    connection.peer = request.peer_addr().map(Into::into).unwrap_or_default();
    connection.local = request.app_config().local_addr().into();
    let input = Input::from_body(channel(payload), length);
    let environ = Environ::new(parts, input, Arc::new(connection));
    match Exchange::new(application, environ).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let status =
                actix_web::http::StatusCode::from_u16(parts.status.as_u16()).unwrap_or_default();
            let mut answer = HttpResponse::build(status);
            for (name, value) in &parts.headers {
                let name = HeaderName::from_bytes(name.as_str().as_bytes());
                let value = HeaderValue::from_bytes(value.as_bytes());
                if let (Ok(name), Ok(value)) = (name, value) {
                    answer.append_header((name, value));
                }
            }
            if let Some(length) = parts
                .headers
                .get("content-length")
                .and_then(|value| value.to_str().ok()?.parse().ok())
            {
                answer.no_chunking(length);
            }
            // To Actix a body of no length is not the same as one of length 0, and only the former leaves the head alone.
            let none = head_only || matches!(parts.status.as_u16(), 204 | 304);
            answer.body(Outgoing { body, none })
        }
        Err(error) => {
            let status = actix_web::http::StatusCode::from_u16(error.status().as_u16());
            HttpResponse::new(status.unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// The request head, in the types of today's `http`.
fn parts(request: &HttpRequest) -> Option<http::request::Parts> {
    let mut copy = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.head().uri.to_string())
        .version(match request.version() {
            actix_web::http::Version::HTTP_10 => http::Version::HTTP_10,
            _ => http::Version::HTTP_11,
        });
    for (name, value) in request.headers() {
        copy = copy.header(name.as_str(), value.as_bytes());
    }
    Some(copy.body(()).ok()?.into_parts().0)
}

/// The payload as a body that can go to another thread; it is read when there is demand, one piece ahead.
fn channel(mut payload: web::Payload) -> Incoming {
    let (send, receive) = mpsc::channel(1);
    let (wanted, want) = oneshot::channel::<()>();
    actix_web::rt::spawn(async move {
        if want.await.is_err() {
            return;
        }
        loop {
            let next = std::future::poll_fn(|cx| futures_core(&mut payload, cx)).await;
            let Some(piece) = next else { return };
            let piece = piece.map_err(|error| error.to_string().into());
            if send.send(piece).await.is_err() {
                return;
            }
        }
    });
    Incoming { receive, wanted: Some(wanted) }
}

fn futures_core(
    payload: &mut web::Payload,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, actix_web::error::PayloadError>>> {
    use futures_util::Stream;
    Pin::new(payload).poll_next(cx)
}

struct Incoming {
    receive: mpsc::Receiver<Result<Bytes, BoxError>>,
    wanted: Option<oneshot::Sender<()>>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(wanted) = self.wanted.take() {
            let _ = wanted.send(());
        }
        self.receive.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

struct Outgoing {
    body: ResponseBody,
    none: bool,
}

impl MessageBody for Outgoing {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match self.body.size_hint().exact() {
            Some(0) if self.none => BodySize::None,
            Some(length) => BodySize::Sized(length),
            None => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            return match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
                Some(Err(error)) => Poll::Ready(Some(Err(BoxError::from(error)))),
            };
        }
    }
}
