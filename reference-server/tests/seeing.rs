//! What an operator sees: the access log, the admin listener, `rwgi status`, spans.
//!
//! Rules of this test: a log is read once the server that writes it has ended, or has been made to write by a flush; nothing sleeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::path::{Path, PathBuf};

use rwgi_server::{Config, RequestId, Running, Server, TraceParent};
use serde_json::Value;
use support::certificates::Directory;
use support::{Client, End, connect, within};

/// A path of its own, with nothing there.
fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seeing");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    let _ = std::fs::remove_file(&path);
    path
}

async fn demo(config: Config) -> Running {
    let server = Server::new(rwgi_server::demo::application());
    server.bind("127.0.0.1:0").config(config).start().await.unwrap()
}

fn logging(path: &Path, format: &str) -> Config {
    Config {
        access_log: Some(path.to_owned()),
        access_log_format: format.parse().unwrap(),
        ..Config::default()
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_exchange_has_its_line() {
    let path = file("lines");
    let server = demo(logging(&path, "%(h)s %(r)s %(s)s %(B)s %({content-type}o)s %(f)s")).await;
    let mut client = connect(&server).await;
    client.get("/plaintext").await;
    client.request("GET /nowhere?a=b HTTP/1.1\r\nHost: a\r\nReferer: here\r\n\r\n").await;
    client.request("HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.request("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    client.get("/stream?n=2&interval=0").await;
    client.get("/error/before").await;
    // Refused by the gateway, and by hyper.
    client.request("GET * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut other = connect(&server).await;
    other.request("GET /\x01 HTTP/1.1\r\n\r\n").await;
    server.stop().await.unwrap();
    let mut found = lines(&path);
    let length = found[1].split(' ').nth(5).unwrap().to_owned();
    assert!(length.parse::<u64>().unwrap() > 100);
    // The two connections end in any order.
    found[6..].sort();
    assert_eq!(
        found,
        [
            "127.0.0.1 GET /plaintext HTTP/1.1 200 13 text/plain -",
            &format!(
                "127.0.0.1 GET /nowhere?a=b HTTP/1.1 404 {length} text/html; charset=utf-8 here"
            ),
            "127.0.0.1 HEAD /plaintext HTTP/1.1 200 0 text/plain -",
            "127.0.0.1 POST /echo HTTP/1.1 200 5 application/octet-stream -",
            "127.0.0.1 GET /stream?n=2&interval=0 HTTP/1.1 200 26 text/plain; charset=utf-8 -",
            "127.0.0.1 GET /error/before HTTP/1.1 500 26 text/plain; charset=utf-8 -",
            "127.0.0.1 - 400 0 - -",
            "127.0.0.1 GET * HTTP/1.1 400 16 text/plain; charset=utf-8 -",
        ]
    );
}

#[tokio::test]
async fn no_client_can_forge_a_line() {
    let path = file("forged");
    let server = demo(logging(&path, "combined")).await;
    let mut client = connect(&server).await;
    let mut request = b"GET /plaintext?%0a%22 HTTP/1.1\r\nHost: a\r\nReferer: \" 200 1 \"-\" \"-\"\r\nUser-Agent: x\\\"\t".to_vec();
    request.extend(0x80..=0xff_u8);
    request.extend(b"\r\n\r\n");
    assert_eq!(client.request(&request).await.status, 200);
    server.stop().await.unwrap();
    let found = lines(&path);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].matches('"').count(), 6, "{found:?}");
    assert!(
        found[0].contains("\\x22 200 1 \\x22-\\x22") && found[0].ends_with("\\xFE\\xFF\""),
        "{found:?}"
    );
    assert!(found[0].is_ascii());
}

#[tokio::test]
async fn json_tells_the_trace_the_proxys_word_and_a_departure() {
    let path = file("json");
    let config = Config { trusted_proxies: "127.0.0.1".parse().unwrap(), ..logging(&path, "json") };
    let server = demo(config).await;
    let mut client = connect(&server).await;
    client
        .request(
            "GET /plaintext HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n\
             X-Request-Id: from-the-proxy\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
        )
        .await;
    client.send("GET /stream?n=1000&interval=1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    client.reset();
    server.stop().await.unwrap();
    let found: Vec<Value> =
        lines(&path).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 2);
    for (name, value) in [
        ("client", "192.0.2.9"),
        ("scheme", "https"),
        ("host", "a.example"),
        ("request_id", "from-the-proxy"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("parent_id", "00f067aa0ba902b7"),
        ("protocol", "HTTP/1.1"),
    ] {
        assert_eq!(found[0][name], value, "{name}");
    }
    assert_eq!((&found[0]["complete"], &found[1]["complete"]), (&true.into(), &false.into()));
    assert!(found[0]["duration"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn an_application_sees_the_id_and_the_trace() {
    let path = file("ids");
    let ids = |environ: rwgi::Environ, start: rwgi::StartResponse| async move {
        let id = environ.extensions().get::<RequestId>().unwrap().to_string();
        let trace =
            environ.extensions().get::<TraceParent>().map(|trace| trace.trace_id().to_owned());
        start.respond(http::StatusCode::OK, [("x-id", id)], trace.unwrap_or_default())
    };
    let config = logging(&path, "%(id)s");
    let server = Server::new(ids).bind("127.0.0.1:0").config(config).start().await.unwrap();
    let mut client = connect(&server).await;
    let first = client.get("/").await;
    let second = client
        .request("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n")
        .await;
    assert_eq!(second.text(), "4bf92f3577b34da6a3ce929d0e0e4736");
    let told = [first.field("x-id").unwrap(), second.field("x-id").unwrap()];
    assert_ne!(told[0], told[1]);
    assert_ne!(told[1], "mine", "no client names its own exchange");
    server.stop().await.unwrap();
    assert_eq!(lines(&path), told);
}

/// A file that is moved away gets what came before, and the new one what comes after.
#[tokio::test]
async fn a_log_that_was_moved_is_opened_anew() {
    let path = file("moved");
    let old = file("moved.1");
    let server = demo(logging(&path, "%(q)s")).await;
    let mut client = connect(&server).await;
    client.get("/plaintext?before").await;
    std::fs::rename(&path, &old).unwrap();
    server.reopen_logs();
    client.get("/plaintext?after").await;
    server.stop().await.unwrap();
    assert_eq!((lines(&old), lines(&path)), (vec!["before".to_owned()], vec!["after".to_owned()]));
}

#[tokio::test]
async fn an_access_log_that_cannot_be_opened_stops_the_start() {
    let config = logging(Path::new("/nowhere/log"), "common");
    let server = Server::new(rwgi_server::demo::application()).bind("127.0.0.1:0").config(config);
    let error = server.start().await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/log"), "{error}");
}

fn watched() -> Config {
    Config { admin: Some("127.0.0.1:0".to_owned()), ..Config::default() }
}

/// The value of a metric, by its name with labels.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn the_admin_listener_counts_what_was_served() {
    let server = demo(watched()).await;
    let mut admin = Client::connect(server.admin_address().unwrap()).await;
    assert_eq!(admin.get("/healthz").await.text(), "alive\n");
    assert_eq!(admin.get("/readyz").await.status, 200);
    let mut client = connect(&server).await;
    for _ in 0..3 {
        client.get("/plaintext").await;
    }
    client.get("/nowhere").await;
    let mut other = connect(&server).await;
    other.request("nonsense\r\n\r\n").await;
    other.rest().await;
    let mut streaming = connect(&server).await;
    streaming.send("GET /stream?n=1000&interval=1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    streaming.head().await.unwrap();
    // The client is told of the end of its response a moment before the server notes it.
    let text = within("the counters", async {
        loop {
            let text = admin.get("/metrics").await.text().to_owned();
            if metric(&text, "http_server_request_duration_seconds_count") >= 4.0
                && metric(&text, "rwgi_connections") <= 2.0
            {
                return text;
            }
        }
    })
    .await;
    for (name, value) in [
        ("rwgi_ready", 1.0),
        ("rwgi_connections", 2.0),
        ("rwgi_connections_total", 3.0),
        ("rwgi_exchanges_total", 5.0),
        ("http_server_active_requests", 1.0),
        ("rwgi_refused_heads_total", 1.0),
        ("rwgi_responses_total{status=\"200\"}", 3.0),
        ("rwgi_responses_total{status=\"404\"}", 1.0),
        ("rwgi_responses_total{status=\"400\"}", 1.0),
        ("http_server_request_duration_seconds_bucket{le=\"+Inf\"}", 4.0),
    ] {
        assert_eq!(metric(&text, name), value, "{name}\n{text}");
    }
    assert!(metric(&text, "process_resident_memory_bytes") > 1e6);
    // Every sample belongs to a family that is described.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
        assert!(text.contains(&format!("# HELP {family} ")), "{line}");
    }
    let state: Value = serde_json::from_str(admin.get("/status.json").await.text()).unwrap();
    assert_eq!((&state["exchanges"], &state["in_flight"]), (&5.into(), &1.into()));
    for (request, status) in [
        ("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
        ("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ] {
        assert_eq!(admin.request(request).await.status, status, "{request}");
    }
    streaming.reset();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn readiness_ends_with_the_drain_and_the_listener_after_it() {
    let server = demo(watched()).await;
    let address = server.admin_address().unwrap();
    let mut admin = Client::connect(address).await;
    assert_eq!(admin.get("/readyz").await.text(), "ready\n");
    let mut client = connect(&server).await;
    client.send("GET /stream?n=2&interval=200 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    let stopping = tokio::spawn(server.stop());
    within("the readiness to end", async {
        while admin.get("/readyz").await.status == 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(admin.get("/healthz").await.status, 200);
    assert_eq!(client.rest().await.1, End::Closed);
    stopping.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn without_a_word_there_is_no_admin_listener() {
    let server = demo(Config::default()).await;
    assert_eq!(server.admin_address(), None);
    server.stop().await.unwrap();
}

/// What `rwgi status` says of an address.
async fn status(address: String) -> std::process::Output {
    let mut command = support::command::command();
    command.args(["status", "--admin", &address]);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    within("the command to end", run).await.unwrap()
}

#[tokio::test]
async fn status_prints_the_state_for_a_terminal() {
    let server = demo(watched()).await;
    let mut client = connect(&server).await;
    client.get("/plaintext").await;
    let address = server.admin_address().unwrap().to_string();
    let output = status(address.clone()).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["ready", "1 in all", &server.address().unwrap().to_string()] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    // The other listener is none of this kind, and says so.
    let output = status(server.address().unwrap().to_string()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("admin"));
    server.stop().await.unwrap();
    assert_eq!(status(address).await.status.code(), Some(1));
}

#[tokio::test]
async fn status_is_asked_over_a_unix_socket_as_well() {
    let directory = Directory::new();
    let address = format!("unix:{}", directory.file("s").display());
    let server = demo(Config { admin: Some(address.clone()), ..Config::default() }).await;
    let output = status(address).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ready"), "{said}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_span_has_opentelemetrys_names_and_holds_what_is_logged_in_it() {
    let (log, _listening) = support::log::Log::listen_to_spans();
    let server = demo(Config::default()).await;
    let mut client = connect(&server).await;
    client
        .request(
            "GET /error/before?q=1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: test\r\n\
             traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
        )
        .await;
    server.stop().await.unwrap();
    let lines = log.take("exchange{");
    let closed = lines.iter().find(|line| line.contains("close")).unwrap();
    for part in [
        "otel.kind=\"server\"",
        "http.request.method=\"GET\"",
        "url.path=\"/error/before\"",
        "url.query=\"q=1\"",
        "url.scheme=\"http\"",
        "server.address=\"a.example\"",
        "client.address=127.0.0.1",
        "network.protocol.version=\"1.1\"",
        "user_agent.original=\"test\"",
        "http.response.status_code=500",
        "error.type=500",
        "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"",
        "parent_id=\"00f067aa0ba902b7\"",
    ] {
        assert!(closed.contains(part), "{part} is not in {closed}");
    }
    assert!(
        lines.iter().any(|line| line.contains("ERROR") && line.contains("request_id=")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_signal_opens_the_log_of_the_command_anew() {
    for signal in ["USR1", "HUP"] {
        let (path, old) = (file(signal), file(&format!("{signal}.1")));
        let flags = ["--access-log", path.to_str().unwrap(), "--access-log-format", "%(q)s"];
        let rwgi = support::command::Rwgi::start_with(&flags).await;
        let mut client = Client::connect(rwgi.address).await;
        client.get("/plaintext?before").await;
        std::fs::rename(&path, &old).unwrap();
        rwgi.signal(signal);
        within("the new file", async {
            while !path.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        client.get("/plaintext?after").await;
        rwgi.signal("TERM");
        let (status, said) = rwgi.ended().await;
        assert_eq!(status.code(), Some(0), "{said}");
        assert_eq!(
            (lines(&old), lines(&path)),
            (vec!["before".to_owned()], vec!["after".to_owned()])
        );
    }
}
