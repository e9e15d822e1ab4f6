//! The observer on both sides of an exchange: what it sees becomes text.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{Method, Version};
use http_body::Body;
use rwgi::{
    Application, BodyLength, Connection, Environ, Exchange, Input, ServerInfo, SharedApplication,
    StartResponse,
};
use rwgi_conformance::lint::{Finding, Lint};

/// What was seen, one line each.
pub(crate) type Log = Arc<Mutex<String>>;

pub(crate) fn note(log: &Log, line: &str) {
    let _ = writeln!(log.lock().unwrap(), "{line}");
}

fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("it does not come to its end");
}

fn server() -> ServerInfo {
    let mut server = ServerInfo::new("observer/1.0");
    server.capabilities.informational = true;
    server.capabilities.response_trailers = true;
    server.capabilities.request_trailers = true;
    server.capabilities.full_duplex = true;
    server
}

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) input: fn() -> Input,
    /// Frames after which the client leaves.
    pub(crate) leaves_after: Option<usize>,
}

pub(crate) fn get() -> Request {
    Request {
        method: Method::GET,
        version: Version::HTTP_11,
        input: Input::empty,
        leaves_after: None,
    }
}

fn environ(request: &Request) -> Environ {
    let mut input = (request.input)();
    input.set_limit(Some(8));
    let chunked = input.length() == BodyLength::Unknown;
    let mut server = server();
    server.limits.body_bytes = Some(8);
    let connection = Connection { server: Arc::new(server), ..Connection::default() };
    let mut builder = Environ::builder()
        .method(request.method.clone())
        .version(request.version)
        .connection(connection)
        .uri("/mount/path?query")
        .script_name("/mount")
        .input(input);
    if chunked {
        builder = builder.header("transfer-encoding", "chunked");
    }
    builder.build().unwrap()
}

/// Serves one request, and writes down what the server's half saw.
fn serve(application: SharedApplication, request: &Request, log: &Log) {
    now(application.startup(&server())).unwrap();
    let informed = Arc::clone(log);
    let heard = Arc::clone(log);
    let entrance = move |environ: Environ, mut start: StartResponse| {
        let heard = Arc::clone(&heard);
        start.on_complete(move |outcome| {
            let (kind, status, bytes) = (outcome.kind(), outcome.status(), outcome.bytes());
            note(&heard, &format!("server told {kind:?} {status:?} {bytes}"));
        });
        let application = application.clone();
        async move { application.call(environ, start).await }
    };
    let exchange = Exchange::new(Arc::new(entrance), environ(request))
        .on_informational(move |status, fields| note(&informed, &format!("{status} {fields:?}")));
    let response = match now(exchange) {
        Ok(response) => response,
        Err(error) => {
            let (fault, status) = (error.fault(), error.status());
            let requirement = error.requirement();
            return note(log, &format!("refused: {fault} {status} {requirement:?} {error}"));
        }
    };
    note(log, &format!("{} {:?}", response.status(), response.headers()));
    note(log, &format!("{:?}", response.body().size_hint()));
    let mut body = response.into_body();
    let mut frames = 0;
    while request.leaves_after.is_none_or(|most| frames < most) {
        frames += 1;
        match now(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
            None => return note(log, "end"),
            Some(Ok(frame)) => note(log, &format!("{frame:?}")),
            Some(Err(error)) => return note(log, &format!("cut: {} {error}", error.fault())),
        }
    }
}

/// What the application was told, then what the server was: of the two, no order is promised.
fn parties(log: &Log) -> String {
    let log = log.lock().unwrap();
    let (server, rest): (Vec<_>, Vec<_>) =
        log.lines().partition(|line| line.starts_with("server told"));
    [rest, server].concat().join("\n")
}

/// The same exchange with and without the lint; what was found comes out too.
pub(crate) fn compare<A: Application>(
    name: &str,
    application: fn(Log) -> A,
    request: &Request,
) -> Vec<Finding> {
    let [bare, linted] = [Log::default(), Log::default()];
    serve(SharedApplication::new(application(Arc::clone(&bare))), request, &bare);
    let findings: Arc<Mutex<Vec<Finding>>> = Arc::default();
    let sink = Arc::clone(&findings);
    let lint = Lint::with_sink(application(Arc::clone(&linted)), move |finding| {
        sink.lock().unwrap().push(finding);
    });
    serve(SharedApplication::new(lint), request, &linted);
    let [bare, linted] = [parties(&bare), parties(&linted)];
    assert_eq!(bare, linted, "{name}");
    assert!(bare.lines().count() > 1, "{name} shows nothing: {bare}");
    std::mem::take(&mut findings.lock().unwrap())
}
