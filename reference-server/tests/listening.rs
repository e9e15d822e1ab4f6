//! Where a server listens: Unix sockets and their files, sockets that a supervisor left open, PROXY headers, and what a supervisor is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{Config, Running, Server, UnixMode};
use support::certificates::{Authority, Directory};
use support::command::Rwgi;
use support::log::Log;
use support::{Client, Count, End, counting, within};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

/// Says who is at either end.
async fn ends(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let connection = environ.connection();
    let text = format!("{} {}", connection.peer, connection.local);
    start.respond(StatusCode::OK, [("content-type", "text/plain")], text)
}

async fn serve_at(address: &str) -> Running {
    Server::new(ends).bind(address).start().await.unwrap()
}

async fn connect(path: &Path) -> Client<UnixStream> {
    Client::new(UnixStream::connect(path).await.unwrap())
}

// Evidence: REQ-ENV-17
#[tokio::test]
async fn the_file_of_a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let directory = Directory::new();
    let path = directory.file("s");
    let address = format!("unix:{}", path.display());
    for mode in [0o660, 0o600, 0o666] {
        let config = Config { unix_mode: UnixMode(mode), ..Config::default() };
        let server = Server::new(ends).bind(&address).config(config).start().await.unwrap();
        let facts = std::fs::symlink_metadata(&path).unwrap();
        assert!(facts.file_type().is_socket());
        assert_eq!(facts.permissions().mode() & 0o777, mode);
        let mut client = connect(&path).await;
        assert_eq!(client.get("/").await.text(), format!("unix: {address}"));
        server.stop().await.unwrap();
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_nothing_else_is() {
    let directory = Directory::new();
    let path = directory.file("s");
    let address = format!("unix:{}", path.display());
    let fails = async || Server::new(ends).bind(&address).start().await.unwrap_err().to_string();
    // Left behind by a server that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let server = serve_at(&address).await;
    assert_eq!(connect(&path).await.get("/").await.status, 200);
    // Somebody serves there.
    let error = fails().await;
    assert!(error.contains("another program") && error.contains(&address), "{error}");
    assert_eq!(connect(&path).await.get("/").await.status, 200);
    // A server that took the place is not put out of it by the end of the one before.
    std::fs::remove_file(&path).unwrap();
    let next = serve_at(&address).await;
    server.stop().await.unwrap();
    assert_eq!(connect(&path).await.get("/").await.status, 200);
    next.stop().await.unwrap();
    // Somebody's file.
    std::fs::write(&path, "precious").unwrap();
    let error = fails().await;
    assert!(error.contains("no socket") && error.contains("choose another path"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    for bad in
        ["unix:", "unix:@", "unix:/no/such/directory/s", &format!("unix:/{}", "x".repeat(200))]
    {
        let error = Server::new(ends).bind(bad).start().await.unwrap_err().to_string();
        assert!(error.contains("cannot listen on unix:"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn an_abstract_name_needs_no_file() {
    let name = format!("rwgi-test-{}", std::process::id());
    let server = serve_at(&format!("unix:@{name}")).await;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let stream = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut client = Client::new(UnixStream::from_std(stream).unwrap());
    assert_eq!(client.get("/").await.text(), "unix: unix:");
    server.stop().await.unwrap();
}

/// The command, started by a shell that leaves its standard input open as descriptor 3, as systemd does with a socket.
fn activated(socket: impl Into<OwnedFd>) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" 3<&0 </dev/null"#])
        .arg(env!("CARGO_BIN_EXE_rwgi"))
        .stdin(Stdio::from(socket.into()));
    shell
}

// Evidence: REQ-LIFE-06
#[tokio::test]
async fn sockets_that_a_supervisor_left_open_are_served() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Whoever comes before there is a server waits for it.
    let mut early = Client::connect(address).await;
    early.send("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let rwgi = Rwgi::spawn(activated(socket)).await;
    assert_eq!(rwgi.address, address);
    assert_eq!(early.response().await.text(), "Hello, World!");
    rwgi.signal("TERM");
    assert_eq!(rwgi.ended().await.0.code(), Some(0));

    let directory = Directory::new();
    let path = directory.file("s");
    let socket = UnixListener::bind(&path).unwrap();
    let mut early = connect(&path).await;
    early.send("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut child = activated(socket).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(early.response().await.text(), "Hello, World!");
    // It is not the server's file, and stays for the next.
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert!(within("the command to end", ended).await.unwrap().success());
    assert!(path.exists());
}

/// Named `http`, as an address that begins with it, and unnamed, as one that does not.
#[tokio::test]
async fn a_socket_that_was_left_open_has_no_tls_where_its_name_says_so() {
    let directory = Directory::new();
    let (certificate, key) = (directory.file("certificate.pem"), directory.file("key.pem"));
    Authority::new("test").sign(&["localhost"]).write(&certificate, &key);
    for (name, is_plain) in [("http", true), ("", false)] {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = activated(socket);
        command.env("LISTEN_FDNAMES", name);
        command.env("RWGI_CERTIFICATE", &certificate).env("RWGI_KEY", &key);
        let rwgi = Rwgi::spawn(command).await;
        let mut client = Client::connect(rwgi.address).await;
        client.send("GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let said = String::from_utf8_lossy(&client.rest().await.0).into_owned();
        assert_eq!(said.starts_with("HTTP/1.1 200"), is_plain, "{name:?}: {said}");
        rwgi.signal("TERM");
        assert_eq!(rwgi.ended().await.0.code(), Some(0));
    }
}

#[tokio::test]
async fn systemds_own_activation_works() {
    let Some(program) = find("systemd-socket-activate") else {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return;
    };
    let directory = Directory::new();
    let path = directory.file("s");
    let mut child = Command::new(program)
        .arg("--listen")
        .arg(&path)
        .arg(env!("CARGO_BIN_EXE_rwgi"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    within("the socket", async {
        while UnixStream::connect(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(connect(&path).await.get("/plaintext").await.text(), "Hello, World!");
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert!(within("the command to end", ended).await.unwrap().success());
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(program)).find(|file| file.exists())
}

#[tokio::test]
async fn a_descriptor_that_is_no_socket_is_one_clear_line() {
    let output = activated(std::fs::File::open("/dev/null").unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("LISTEN_FDS") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn a_supervisor_is_told_how_the_server_fares() {
    let directory = Directory::new();
    let path = directory.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
    let told = async || {
        let mut text = vec![0; 1024];
        let length = within("a word of the server", socket.recv(&mut text)).await.unwrap();
        text.truncate(length);
        String::from_utf8(text).unwrap()
    };
    let mut command = support::command::command();
    command.args(["--bind", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path);
    let rwgi = Rwgi::spawn(command).await;
    assert_eq!(told().await, "READY=1\n");
    rwgi.signal("HUP");
    let reloading = told().await;
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told().await, "READY=1\n");
    assert_eq!(Client::connect(rwgi.address).await.get("/plaintext").await.status, 200);
    rwgi.signal("TERM");
    assert_eq!(told().await, "STOPPING=1\n");
    assert_eq!(rwgi.ended().await.0.code(), Some(0));
    // Where the supervisor wants to hear that the server is alive, it does.
    let mut command = support::command::command();
    command
        .args(["--bind", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1000");
    let _rwgi = Rwgi::spawn(command).await;
    assert_eq!(told().await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(told().await, "WATCHDOG=1\n");
    }
}

/// A server that expects PROXY headers of this machine.
async fn behind_a_proxy() -> Running {
    let config = Config { proxy_protocol: "127.0.0.1".parse().unwrap(), ..Config::default() };
    Server::new(ends).bind("127.0.0.1:0").config(config).start().await.unwrap()
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x30\x39\x01\xbb";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Evidence: REQ-ENV-16, REQ-ENV-17
#[tokio::test]
async fn a_known_proxy_says_who_the_client_is() {
    let server = behind_a_proxy().await;
    let told = "192.0.2.1:12345 10.0.0.1:443";
    for header in [V2, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n"] {
        let mut client = support::connect(&server).await;
        let response = client.request([header, GET].concat()).await;
        assert_eq!(response.text(), told);
        // It holds for the whole connection.
        assert_eq!(client.get("/").await.text(), told);
        // Octet by octet.
        let mut client = support::connect(&server).await;
        for octet in header {
            client.send([*octet]).await;
        }
        assert_eq!(client.request(GET).await.text(), told);
    }
    // A proxy that speaks for itself, and one that does not know for whom.
    for header in [&b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"[..], b"PROXY UNKNOWN\r\n"] {
        let mut client = support::connect(&server).await;
        let peer = client.stream.local_addr().unwrap();
        let response = client.request([header, GET].concat()).await;
        assert_eq!(response.text(), format!("{peer} {}", server.address().unwrap()));
    }
    server.stop().await.unwrap();
}

// Evidence: REQ-ENV-16
#[tokio::test]
async fn who_is_no_known_proxy_says_nothing_of_the_client() {
    let server = serve_at("127.0.0.1:0").await;
    for header in [V2, b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n"] {
        let mut client = support::connect(&server).await;
        let response = client.request([header, GET].concat()).await;
        assert_eq!((response.status, response.closes()), (400, true));
    }
    // Another address than the list's: 127.0.0.2.
    let server = behind_a_proxy().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut other = Client::new(socket.connect(server.address().unwrap()).await.unwrap());
    let response = other.get("/").await;
    assert!(response.text().starts_with("127.0.0.2:"), "{}", response.text());
    assert_eq!(other.request([V2, GET].concat()).await.status, 400);
}

#[tokio::test]
async fn a_header_that_is_malformed_or_missing_ends_the_connection() {
    let (log, _guard) = Log::listen();
    let count = Count::default();
    let config = Config { proxy_protocol: "127.0.0.1".parse().unwrap(), ..Config::default() };
    let server =
        Server::new(counting(&count)).bind("127.0.0.1:0").config(config).start().await.unwrap();
    for header in [&b""[..], b"PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n", &V2[..12]] {
        let mut client: Client<TcpStream> = support::connect(&server).await;
        client.send([header, GET].concat()).await;
        let (rest, _) = client.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
        assert_eq!(log.take("connection refused").len(), 1);
    }
    assert_eq!(count.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_header_has_its_time_in_total() {
    let directory = Directory::new();
    let path = directory.file("s");
    let config = Config {
        proxy_protocol: "unix".parse().unwrap(),
        handshake_timeout: Duration::from_secs(7),
        ..Config::default()
    };
    let server = Server::new(ends)
        .bind(format!("unix:{}", path.display()))
        .config(config)
        .start()
        .await
        .unwrap();
    let start = Instant::now();
    let mut silent = connect(&path).await;
    let mut slow = connect(&path).await;
    slow.send("PROXY TCP4 ").await;
    assert_eq!(silent.ends().await, End::Closed);
    assert_eq!(slow.ends().await, End::Closed);
    assert_eq!(start.elapsed().as_secs(), 7);
    server.stop().await.unwrap();
}
