//! The bridge by itself: what passes through it both ways, in memory and without a runtime.
//!
//! Rules of this test: `rwgi::testing` calls, so that a task spawned by the bridge would panic; one promise a test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{ConnectInfo, OriginalUri};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use rwgi::{
    Application, BodyLength, Connection, Environ, Error, Finished, Input, Scheme, ServerInfo,
    StartResponse, testing,
};
use rwgi_tower::{from_router, from_service, into_service, layered};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

fn environ(target: &str) -> Environ {
    Environ::builder().uri(target).server(testing::server_info()).build().unwrap()
}

/// Where an octet lies, as a number that can be sent.
fn place(octets: &[u8]) -> usize {
    octets.as_ptr() as usize
}

#[test]
fn no_field_is_copied_on_the_way_to_the_service_and_back() {
    let given =
        HeaderValue::from_maybe_shared(Bytes::from(b"a value of its own".to_vec())).unwrap();
    let mut environ = environ("/");
    environ.headers_mut().insert("x-given", given.clone());
    let answered = HeaderValue::from_maybe_shared(Bytes::from(b"another value".to_vec())).unwrap();
    let (seen, answer) = (Arc::new(AtomicUsize::new(0)), answered.clone());
    let noted = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Input>| {
        noted.store(place(request.headers()["x-given"].as_bytes()), SeqCst);
        let mut response = Response::new(Empty::<Bytes>::new());
        response.headers_mut().insert("x-answer", answer.clone());
        ready(Ok::<_, Infallible>(response))
    });
    let response = testing::run(&from_service(service), environ).unwrap();
    assert_eq!(seen.load(SeqCst), place(given.as_bytes()));
    assert_eq!(place(response.fields()["x-answer"].as_bytes()), place(answered.as_bytes()));
}

#[test]
fn content_and_trailers_pass_both_ways() {
    let echo = service_fn(|request: Request<Input>| async move {
        let body = request.into_body();
        Ok::<_, Infallible>(Response::new(body))
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    let content =
        Full::new(Bytes::from_static(b"content"))
            .with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
    let mut sent = environ("/");
    sent.set_input(Input::from_body(content, BodyLength::Unknown));
    // Through both bridges: the service asks an application that gives its input back.
    let application = |mut environ: Environ, start: StartResponse| async move {
        let input = environ.take_input();
        start.forward(Response::new(input))
    };
    let twice = from_service(ServiceBuilder::new().service(into_service(from_service(
        ServiceBuilder::new().service(into_service(application)),
    ))));
    let response = testing::run(&twice, sent).unwrap();
    assert_eq!(response.body(), "content");
    assert_eq!(response.trailers().unwrap()["x-sum"], "7");
    assert_eq!(testing::run(&from_service(echo), environ("/")).unwrap().body(), "");
}

/// Answers 500 unless it was asked whether it is ready, itself and not the service it was cloned from.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Input>> for Strict {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        // Not at once: who does not wait is found out.
        self.ready = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<Input>) -> Self::Future {
        let mut response = Response::new(Empty::new());
        if !std::mem::take(&mut self.ready) {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        ready(Ok(response))
    }
}

#[test]
fn a_service_is_called_when_it_said_that_it_is_ready() {
    let application = from_service(Strict { ready: true });
    for _ in 0..2 {
        assert_eq!(testing::run(&application, environ("/")).unwrap().status(), 200);
    }
}

#[test]
fn an_error_of_a_service_is_the_applications_and_one_of_the_contract_keeps_its_status() {
    let fails = service_fn(|request: Request<Input>| {
        ready(Err::<Response<Empty<Bytes>>, rwgi::BoxError>(match request.uri().path() {
            "/gone" => Error::client(StatusCode::GONE, "gone").into(),
            _ => "broken".into(),
        }))
    });
    let application = from_service(fails);
    let error = testing::run(&application, environ("/")).unwrap_err();
    assert_eq!((error.status().as_u16(), error.fault()), (500, rwgi::Fault::Application));
    assert_eq!(testing::run(&application, environ("/gone")).unwrap_err().status(), 410);
}

#[test]
fn fields_of_the_connection_are_taken_off_with_those_that_they_name() {
    let service = service_fn(|_: Request<Input>| {
        let response = Response::builder()
            .header("connection", "close, X-Hop")
            .header("transfer-encoding", "chunked")
            .header("x-hop", "1")
            .header("x-end", "1")
            .body(Full::new(Bytes::from("ok")));
        ready(response)
    });
    let response = testing::run(&from_service(service), environ("/")).unwrap();
    let names: Vec<_> = response.fields().keys().map(|name| name.as_str()).collect();
    assert_eq!((names, response.text().unwrap()), (vec!["x-end"], "ok"));
}

async fn place_of(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let place = format!(
        "{}|{}|{}|{}",
        environ.script_name(),
        environ.path_info(),
        environ.query().unwrap_or("-"),
        environ.peer()
    );
    start.respond(StatusCode::OK, (), place)
}

async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[test]
fn what_axum_cuts_off_becomes_script_name() {
    let router = Router::new()
        .nest_service("/shop", into_service(place_of))
        .nest("/a", Router::new().nest_service("/{b}", into_service(place_of)))
        .fallback_service(into_service(place_of));
    pollster::block_on(async {
        for (target, expected) in [
            ("/shop/cart?x=1", "/shop|/cart|x=1|127.0.0.1:9"),
            ("/shop", "/shop||-|127.0.0.1:9"),
            ("/shop/", "/shop|/|-|127.0.0.1:9"),
            ("/shop//a%2Fb", "/shop|//a%2Fb|-|127.0.0.1:9"),
            ("/a/b/c", "/a/b|/c|-|127.0.0.1:9"),
            ("/other?", "|/other||127.0.0.1:9"),
        ] {
            let mut request =
                Request::get(target).header("host", "a").body(axum::body::Body::empty()).unwrap();
            request
                .extensions_mut()
                .insert(ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 9))));
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(text(response).await, expected, "{target}");
        }
    });
}

#[test]
fn what_is_mounted_outside_of_axum_is_cut_off_for_it_and_comes_back() {
    let router = Router::new()
        .route(
            "/where",
            get(async |original: OriginalUri, uri: http::Uri| format!("{} {uri}", *original)),
        )
        .nest_service("/in", into_service(place_of));
    let application = from_router(router);
    let mounted = |target: &str| {
        let builder = Environ::builder().uri(target).script_name("/out");
        builder.server(testing::server_info()).build().unwrap()
    };
    let response = testing::run(&application, mounted("/out/where?q")).unwrap();
    assert_eq!(response.text().unwrap(), "/out/where?q /where?q");
    let response = testing::run(&application, mounted("/out/in/side")).unwrap();
    assert_eq!(response.text().unwrap(), "/out/in|/side|-|unknown");
}

#[test]
fn the_facts_of_the_connection_and_a_proxys_word_reach_the_application_inside() {
    let facts = |environ: Environ, start: StartResponse| async move {
        let text = format!("{} {} {}", environ.peer(), environ.url(), environ.server().software());
        start.respond(StatusCode::OK, (), text)
    };
    let connection = Connection {
        peer: std::net::SocketAddr::from(([10, 0, 0, 1], 5)).into(),
        server: Arc::new(ServerInfo::new("outer/1")),
        ..Connection::default()
    };
    let mut environ = Environ::builder().host("inner").connection(connection).build().unwrap();
    environ.set_forwarded(rwgi::Forwarded {
        scheme: Some(Scheme::Https),
        authority: Some("outside".to_owned()),
        peer: None,
    });
    let application = from_router(Router::new().fallback_service(into_service(facts)));
    let response = testing::run(&application, environ).unwrap();
    assert_eq!(response.text().unwrap(), "10.0.0.1:5 https://outside/ outer/1");
}

#[test]
fn an_application_inside_of_a_service_informs_the_client() {
    let hints = |_: Environ, mut start: StartResponse| async move {
        start.inform(StatusCode::EARLY_HINTS, [("link", "</a.css>")])?;
        start.respond(StatusCode::OK, (), "page")
    };
    let application = from_router(Router::new().fallback_service(into_service(hints)));
    let response = testing::run(&application, environ("/")).unwrap();
    assert_eq!(response.informational()[0].0, StatusCode::EARLY_HINTS);
    assert_eq!(response.text().unwrap(), "page");
}

/// Notes when it lives.
#[derive(Clone, Default)]
struct Living(Arc<Mutex<Vec<&'static str>>>);

impl Application for Living {
    async fn call(&self, _: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        self.0.lock().unwrap().push("call");
        start.respond(StatusCode::OK, (), "")
    }

    async fn startup(&self, _: &ServerInfo) -> rwgi::Result<()> {
        self.0.lock().unwrap().push("startup");
        Ok(())
    }

    async fn shutdown(&self) {
        self.0.lock().unwrap().push("shutdown");
    }
}

#[test]
fn an_application_under_layers_lives_with_the_server() {
    let living = Living::default();
    let layer = tower_http::trace::TraceLayer::new_for_http();
    let application = layered(layer, living.clone());
    pollster::block_on(async {
        application.startup(&ServerInfo::default()).await.unwrap();
        testing::call(&application, environ("/")).await.unwrap();
        application.shutdown().await;
    });
    assert_eq!(*living.0.lock().unwrap(), ["startup", "call", "shutdown"]);
}

#[test]
fn a_failure_is_answered_by_its_status_and_after_the_commit_cuts_the_body() {
    let fails = |environ: Environ, start: StartResponse| async move {
        if environ.path() == "/early" {
            return Err(Error::client(StatusCode::CONFLICT, "a secret"));
        }
        let mut body = start.start(StatusCode::OK, ())?;
        body.write("begun").await?;
        body.flush().await?;
        Err(Error::application("late"))
    };
    pollster::block_on(async {
        let ask =
            |target: &str| Request::get(target).header("host", "a").body(String::new()).unwrap();
        let early = into_service(fails).oneshot(ask("/early")).await.unwrap();
        assert_eq!(early.status(), 409);
        assert_eq!(text(early).await, "409 Conflict\n");
        let mut body = into_service(fails).oneshot(ask("/late")).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "begun");
        assert!(body.frame().await.unwrap().is_err());
    });
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_dropped_response_cancels_through_both_bridges() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drops);
    let waits = move |_: Environ, start: StartResponse| {
        let guard = Dropped(Arc::clone(&counted));
        async move {
            let _guard = guard;
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("begun").await?;
            body.flush().await?;
            std::future::pending().await
        }
    };
    let application = from_router(Router::new().fallback_service(into_service(waits)));
    pollster::block_on(async {
        let exchange = rwgi::Exchange::new(Arc::new(application), environ("/"));
        let mut body = Box::pin(exchange.await.unwrap().into_body());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
        assert_eq!(drops.load(SeqCst), 0);
        drop(body);
    });
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn a_limit_on_content_is_the_servers_unless_told_otherwise() {
    let collect = |request: Request<Input>| async move {
        request.into_body().collect().await.map(|body| Response::new(Full::new(body.to_bytes())))
    };
    let sent = || {
        let mut environ = Environ::builder().input("0123456789").build().unwrap();
        environ.input_mut().set_limit(Some(4));
        environ
    };
    let strict = from_service(service_fn(collect));
    assert_eq!(testing::run(&strict, sent()).unwrap_err().status(), 413);
    let lifted = from_service(service_fn(collect)).input_limit(None);
    assert_eq!(testing::run(&lifted, sent()).unwrap().body(), "0123456789");
}

/// A body that knows its length and gives what is listed: frames, and where there is none it waits.
struct Frames(VecDeque<Option<Frame<Bytes>>>, u64);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.pop_front() {
            Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1)
    }
}

#[test]
fn content_at_hand_and_content_to_come_are_the_same_to_the_client() {
    let data = |text: &'static str| Some(Frame::data(Bytes::from_static(text.as_bytes())));
    let trailers = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        Some(Frame::trailers(trailers))
    };
    for (frames, sum) in [
        (vec![data("content")], false),
        (vec![None, data("content")], false),
        (vec![data("con"), None, data("tent")], false),
        (vec![data("content"), trailers()], true),
        (vec![None, data(""), data("content"), None, trailers()], true),
    ] {
        let frames = Mutex::new(Some(Frames(frames.into(), 7)));
        let frames = Arc::new(frames);
        let service = service_fn(move |_: Request<Input>| {
            let body = frames.lock().unwrap().take().unwrap();
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let response = testing::run(&from_service(service), environ("/")).unwrap();
        assert_eq!(response.body(), "content");
        assert_eq!(response.trailers().is_some(), sum);
    }
    // What is short is no whole response, whether it comes at once or not.
    for frames in [vec![data("con")], vec![None, data("con")], vec![]] {
        let frames = Arc::new(Mutex::new(Some(Frames(frames.into(), 7))));
        let service = service_fn(move |_: Request<Input>| {
            let body = frames.lock().unwrap().take().unwrap();
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let short = testing::run(&from_service(service), environ("/"));
        assert!(short.is_err() || short.unwrap().aborted().is_some());
    }
}
