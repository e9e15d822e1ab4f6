//! `rwgi::testing` against the wire: the same application, the same requests, the same answers.
//!
//! Rules of this test: the suite's application plays the same scripts to both; what the server adds (Date, the length of a whole answer) is
//! checked and then left out; a failure before the commit is an `Err` in memory and its error response on the wire.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers below for production code")]

mod support;

use http::{HeaderMap, Method, Version};
use rwgi::{Environ, Error, Result, ServerInfo, testing};
use rwgi_conformance::server::application::SuiteApplication;
use rwgi_server::Config;
use support::client::{End, Response};
use support::{connect, serve_with};

/// What a client comes to know of an answer.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    whole: bool,
}

const SCRIPTS: [&str; 44] = [
    "respond hello",
    "respond-fill 100000",
    "status 201; field x-one=1 x-one=2 set-cookie=a set-cookie=b; respond made",
    "status 404; respond lost",
    "status 204; respond gone",
    "status 204; start; write gone; finish",
    "status 304; field content-length=1234; respond hello",
    "status 600; respond a",
    "status 101; respond a",
    "field content-length=5; respond hello",
    "field content-length=4; respond hello",
    "field content-length=5 content-length=6; respond hello",
    "field connection=close; respond a",
    "field date=Thu,%2001%20Jan%201970%2000:00:00%20GMT; respond a",
    "start; finish",
    "start; write a; write b; finish",
    "start; write a; flush; write b; finish",
    "start; flush; finish",
    "field content-length=3; start; write abc; finish",
    "field content-length=3; start; write a; flush; write bc; finish",
    "field content-length=2; start; write a; flush; write bc; finish",
    "field content-length=5; start; write a; finish",
    "field content-length=5; start; write a; flush; finish",
    "start; write a; replace 410 x-new=1; finish",
    "start; fill 70000; fill 70000; finish",
    "start; write a; flush; drop-writer; error application",
    "start; drop-writer; error client 409",
    "forward data=abc",
    "forward exact=3 data=abc",
    "forward exact=5 data=abc",
    "forward data=a data=b then=error",
    "forward data=a then=panic",
    "error client 404",
    "error application",
    "error server",
    "panic",
    "start; error client 422",
    "start; write a; flush; error application",
    "start; write a; flush; panic",
    "start; write a; finish; error application",
    "hook x-hook=a; respond a",
    "hook-error; respond a",
    "inform 103 link=a; respond a",
    "foreign-finished",
];

/// Scripts that read what was sent.
const READING: [&str; 6] = [
    "start; echo; finish",
    "read; respond read",
    "limit 3; read; respond read",
    "read-to-end 3; respond read",
    "read-to-string 100; respond read",
    "respond unread",
];

/// Server info as `startup` is told, so that both applications see the same server.
async fn info() -> (ServerInfo, rwgi_server::Running) {
    let told = std::sync::Arc::new(std::sync::Mutex::new(None));
    let running = serve_with(Told(std::sync::Arc::clone(&told)), Config::default()).await;
    let info = told.lock().unwrap().take().unwrap();
    (info, running)
}

/// The suite's application, and what its startup was told.
struct Told(std::sync::Arc<std::sync::Mutex<Option<ServerInfo>>>);

impl rwgi::Application for Told {
    async fn call(&self, environ: Environ, start: rwgi::StartResponse) -> Result<rwgi::Finished> {
        suite().call(environ, start).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        *self.0.lock().unwrap() = Some(server.clone());
        Ok(())
    }
}

fn suite() -> &'static SuiteApplication {
    static SUITE: std::sync::OnceLock<SuiteApplication> = std::sync::OnceLock::new();
    SUITE.get_or_init(SuiteApplication::new)
}

/// One request, told to both.
#[derive(Clone, Copy, Debug)]
struct Request {
    method: &'static str,
    version: Version,
    script: &'static str,
    content: Option<&'static str>,
}

async fn on_the_wire(running: &rwgi_server::Running, request: Request) -> Answer {
    let Request { method, version, script, content } = request;
    let mut head = format!("{method} / {version:?}\r\nHost: a\r\nX-Tag: t\r\nX-Play: {script}\r\n");
    if let Some(content) = content {
        head += &format!("Content-Length: {}\r\n\r\n{content}", content.len());
    } else {
        head += "\r\n";
    }
    let mut client = connect(running).await;
    let response: Response = client.request(head).await;
    let mut fields: Vec<(String, String)> = response
        .head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        // What belongs to the connection is no part of the answer.
        .filter(|(name, _)| !["connection", "transfer-encoding"].contains(&&**name))
        .collect();
    fields.sort();
    // Without a length the end of the connection is that of the response.
    let orderly = version == Version::HTTP_10
        && response.end == End::Closed
        && response.field("content-length").is_none();
    let whole = response.end == End::Framed || orderly;
    Answer { status: response.status, fields, body: response.body, whole }
}

async fn in_memory(server: &ServerInfo, request: Request) -> Answer {
    let mut builder = Environ::builder()
        .method(Method::from_bytes(request.method.as_bytes()).unwrap())
        .version(request.version)
        .host("a")
        .header("x-tag", "t")
        .header("x-play", request.script)
        .server(server.clone());
    if let Some(content) = request.content {
        builder = builder.input(content);
    }
    match testing::call(suite(), builder.build().unwrap()).await {
        Ok(response) => Answer {
            status: response.status().as_u16(),
            fields: sorted(response.fields()),
            body: response.body().to_vec(),
            whole: response.aborted().is_none(),
        },
        Err(error) => error_response(&error, request),
    }
}

/// What every RWGI server makes of an error before the commit: its status (REQ-ERR-02), and nothing of the application's (REQ-ERR-03).
fn error_response(error: &Error, request: Request) -> Answer {
    let status = error.status();
    let text = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap());
    let body = if request.method == "HEAD" { Vec::new() } else { text.into_bytes() };
    let kind = ("content-type".to_owned(), "text/plain; charset=utf-8".to_owned());
    Answer { status: status.as_u16(), fields: vec![kind], body, whole: true }
}

fn sorted(fields: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let mut fields: Vec<_> = fields.iter().map(pair).collect();
    fields.sort();
    fields
}

/// Takes off what only a server adds, having looked at it.
fn without_additions(wire: &mut Answer, memory: &Answer, request: Request) {
    let declares =
        |answer: &Answer, name: &str| answer.fields.iter().any(|(field, _)| field == name);
    if !declares(memory, "date") {
        assert!(declares(wire, "date"), "{request:?} has no Date: {wire:?}");
        wire.fields.retain(|(name, _)| name != "date");
    }
    if !declares(memory, "content-length") {
        for (_, length) in wire.fields.iter().filter(|(name, _)| name == "content-length") {
            let fits =
                request.method == "HEAD" || !wire.whole || *length == wire.body.len().to_string();
            assert!(fits, "{request:?}: {wire:?}");
        }
        wire.fields.retain(|(name, _)| name != "content-length");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_memory_is_the_one_over_the_wire() {
    rwgi_conformance::server::application::quiet_panics();
    let (server, running) = info().await;
    let mut compared = 0;
    let mut differences = Vec::new();
    for version in [Version::HTTP_11, Version::HTTP_10] {
        let plain = ["GET", "HEAD", "DELETE"].into_iter().flat_map(|method| {
            SCRIPTS.map(|script| Request { method, version, script, content: None })
        });
        let reading = ["hello", "ab"].into_iter().flat_map(|content| {
            READING.map(|script| Request {
                method: "POST",
                version,
                script,
                content: Some(content),
            })
        });
        for request in plain.chain(reading) {
            let memory = in_memory(&server, request).await;
            let mut wire = on_the_wire(&running, request).await;
            without_additions(&mut wire, &memory, request);
            if wire != memory {
                differences.push(format!("{request:?}\n  wire   {wire:?}\n  memory {memory:?}"));
            }
            compared += 1;
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {compared}:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(compared > 250, "only {compared} answers were compared");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_servers_limit_on_content_holds_in_memory_as_well() {
    let (server, running) = info().await;
    let limit = server.limits.body_bytes.unwrap() as usize;
    let content: &'static str = "x".repeat(limit + 1).leak();
    let request = Request {
        method: "POST",
        version: Version::HTTP_11,
        script: "read; respond read",
        content: Some(content),
    };
    let memory = in_memory(&server, request).await;
    let wire = on_the_wire(&running, request).await;
    assert_eq!((wire.status, memory.status), (413, 413));
    running.stop().await.unwrap();
}
