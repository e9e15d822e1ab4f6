//! `axum::serve` as a server of RWGI.
//!
//! Rules of this room: the adapter hands on what it is given; it declares what hyper does for it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use rwgi::{
    Application, BodyLength, Connection, Departure, Environ, Exchange, Input, ServerInfo,
    SharedApplication,
};
use rwgi_conformance::server::{RunningServer, ServerUnderTest};

pub(crate) struct Axum;

impl ServerUnderTest for Axum {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, rwgi::BoxError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let mut info = ServerInfo::new("axum");
        info.endpoints = vec![address.into()];
        info.capabilities.full_duplex = true;
        info.capabilities.request_trailers = true;
        info.capabilities.departure = Departure::Prompt;
        let info = Arc::new(info);
        runtime.block_on(application.startup(&info))?;
        let application = Arc::new(application);
        let inner = Arc::clone(&application);
        let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
            let mut connection = Connection { server: Arc::clone(&info), ..Connection::default() };
            connection.peer = peer.into();
            connection.local = address.into();
            answer(Arc::clone(&inner), connection, request)
        };
        let service =
            Router::new().fallback(handler).into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = runtime.spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
        });
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let _ = stop.send(());
            let in_time =
                runtime.block_on(async { tokio::time::timeout(grace, serving).await.is_ok() });
            runtime.block_on(application.shutdown());
            runtime.shutdown_background();
            in_time
        }))
    }
}

async fn answer(
    application: Arc<SharedApplication>,
    connection: Connection,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let length = match http_body::Body::size_hint(&body).exact() {
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Exact(length),
        None => BodyLength::Unknown,
    };
    let environ = Environ::new(parts, Input::from_body(body, length), Arc::new(connection));
    match Exchange::new(application, environ).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = error.status();
            response
        }
    }
}
