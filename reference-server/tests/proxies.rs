//! Behind real proxies: nginx and HAProxy in front, over TCP and over a Unix socket, and clients that lie.
//!
//! Rules of this test: a proxy that is not installed is said aloud and not tested; the proxies inherit their sockets, so that no port is taken by guess; the
//! client comes from 127.0.0.2, so that it is not taken for a proxy, which comes from 127.0.0.1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{Config, Running, Server};
use socket2::{Domain, Socket, Type};
use support::{Client, End, within};
use tokio::net::{TcpSocket, UnixListener};

const NGINX: [&str; 2] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];
const HAPROXY: [&str; 2] = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];

fn installed(places: &'static [&'static str]) -> Option<&'static str> {
    let found = places.iter().copied().find(|path| Path::new(path).exists());
    if found.is_none() {
        println!("SKIPPED: {} is not installed", places[0]);
    }
    found
}

/// Says what is effective, and the raw peer.
async fn facts(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let client = environ.peer().ip().map_or(environ.peer().to_string(), |ip| ip.to_string());
    let raw = environ.connection();
    let proxy = raw.peer.ip().map_or("unix".to_owned(), |ip| ip.to_string());
    let text = format!("{client} {} {proxy} {}", environ.url(), raw.scheme());
    start.respond(StatusCode::OK, [("content-type", "text/plain")], text)
}

/// A folder of its own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The server: on TCP, or on a Unix socket where there is a path. Gives its address as the proxies write it.
async fn behind(unix: Option<&Path>, fields: &str) -> (Running, String) {
    let config = Config {
        trusted_proxies: "127.0.0.1,unix".parse().unwrap(),
        forwarded_fields: fields.parse().unwrap(),
        ..Config::default()
    };
    let server = Server::new(facts).config(config);
    match unix {
        Some(path) => {
            let listener = UnixListener::bind(path).unwrap();
            let path = path.to_str().unwrap().to_owned();
            (server.start_on([listener]).await.unwrap(), path)
        }
        None => {
            let running = server.bind("127.0.0.1:0").start().await.unwrap();
            let address = running.address().unwrap().to_string();
            (running, address)
        }
    }
}

/// A proxy that does not outlive its test.
struct Proxy {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM rather than a kill, so that nginx's workers go with their master.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts a proxy with a socket that listens already: `configure` is told its descriptor and gives the configuration.
fn proxy(
    folder: PathBuf,
    command: impl FnOnce(&Path, i32) -> Command,
    configure: impl FnOnce(i32, SocketAddr) -> String,
) -> Proxy {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(64).unwrap();
    // For the child.
    socket.set_cloexec(false).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let file = folder.join("proxy.conf");
    std::fs::write(&file, configure(socket.as_raw_fd(), address)).unwrap();
    let child = command(&file, socket.as_raw_fd())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Proxy { child, address, folder }
}

fn nginx(program: &str, folder: PathBuf, backend: &str, fields: &str) -> Proxy {
    let backend = if backend.starts_with('/') {
        format!("http://unix:{backend}:")
    } else {
        format!("http://{backend}")
    };
    let place = folder.display().to_string();
    proxy(
        folder,
        |file, descriptor| {
            let mut command = Command::new(program);
            command.arg("-c").arg(file).args(["-p", &place, "-e", "stderr"]);
            // How nginx hands its sockets to its own successor.
            command.env("NGINX", format!("{descriptor};"));
            command
        },
        |_, address| {
            format!(
                // Started by root, its worker would be somebody who cannot reach the socket; anybody else is told that the line means nothing.
                "user root; daemon off; worker_processes 1; pid {place}/pid; error_log stderr error;\n\
                 events {{ worker_connections 64; }}\n\
                 http {{ access_log off;\n\
                   client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;\n\
                   uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
                   server {{ listen {address}; location / {{ proxy_pass {backend};\n{fields} }} }} }}\n"
            )
        },
    )
}

fn haproxy(program: &str, folder: PathBuf, backend: &str, fields: &str) -> Proxy {
    let backend =
        if backend.starts_with('/') { format!("unix@{backend}") } else { backend.to_owned() };
    proxy(
        folder,
        |file, _| {
            let mut command = Command::new(program);
            command.arg("-db").arg("-f").arg(file);
            command
        },
        |descriptor, _| {
            format!(
                "defaults\n mode http\n timeout connect 10s\n timeout client 30s\n timeout server 30s\n\
                 frontend f\n bind fd@{descriptor}\n{fields}\n default_backend b\n\
                 backend b\n server s {backend}\n"
            )
        },
    )
}

/// Asks from 127.0.0.2, as a client that lies in every field it knows.
async fn ask(proxy: &Proxy) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let stream = within("the proxy to accept", socket.connect(proxy.address)).await.unwrap();
    let mut client = Client::new(stream);
    let response = client
        .request(
            "GET /a%20b?c HTTP/1.1\r\nHost: public.example\r\nConnection: close\r\n\
             X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil.example\r\n\
             X-Forwarded-Port: 666\r\nForwarded: for=6.6.6.6;proto=ftp;host=evil.example\r\n\r\n",
        )
        .await;
    assert_eq!(response.end, End::Framed, "{}", response.head);
    assert_eq!(response.status, 200, "{}", response.head);
    response.text().to_owned()
}

/// As nginx's and HAProxy's manuals have it: the usual three, and the client's `Host` handed on.
const NGINX_USUAL: &str = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
                           proxy_set_header X-Forwarded-Proto https;";
const HAPROXY_USUAL: &str = " option forwardfor\n http-request set-header X-Forwarded-Proto https";

const USUAL: &str = "x-forwarded-for,x-forwarded-proto";
const ALL: &str = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port";

#[tokio::test]
async fn nginx_in_front_names_the_client_and_the_client_cannot() {
    let Some(program) = installed(&NGINX) else { return };
    for unix in [false, true] {
        let folder = folder(if unix { "nginx-unix" } else { "nginx-tcp" });
        let socket = folder.join("s");
        let (server, backend) = behind(unix.then_some(&*socket), USUAL).await;
        let proxy = nginx(program, folder, &backend, NGINX_USUAL);
        let raw = if unix { "unix" } else { "127.0.0.1" };
        let expected = format!("127.0.0.2 https://public.example/a%20b?c {raw} http");
        assert_eq!(ask(&proxy).await, expected);
        drop(proxy);
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn haproxy_in_front_names_the_client_and_the_client_cannot() {
    let Some(program) = installed(&HAPROXY) else { return };
    for unix in [false, true] {
        let folder = folder(if unix { "haproxy-unix" } else { "haproxy-tcp" });
        let socket = folder.join("s");
        let (server, backend) = behind(unix.then_some(&*socket), USUAL).await;
        let proxy = haproxy(program, folder, &backend, HAPROXY_USUAL);
        let raw = if unix { "unix" } else { "127.0.0.1" };
        let expected = format!("127.0.0.2 https://public.example/a%20b?c {raw} http");
        assert_eq!(ask(&proxy).await, expected);
        drop(proxy);
        server.stop().await.unwrap();
    }
}

// Evidence: REQ-ENV-15
#[tokio::test]
async fn a_proxy_that_hides_the_host_gives_it_in_fields_of_its_own() {
    let Some(program) = installed(&NGINX) else { return };
    let (server, backend) = behind(None, ALL).await;
    let fields = "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;\n\
                  proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port 8443;";
    let proxy = nginx(program, folder("nginx-host"), &backend, fields);
    assert_eq!(ask(&proxy).await, "127.0.0.2 https://public.example:8443/a%20b?c 127.0.0.1 http");
    drop(proxy);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn forwarded_is_read_as_a_proxy_appends_it() {
    let Some(program) = installed(&HAPROXY) else { return };
    let (server, backend) = behind(None, "forwarded").await;
    // HAProxy has a directive for it since 2.7; Debian 12 has 2.6.
    let fields =
        " http-request add-header Forwarded for=%[src];proto=https;host=\\\"%[req.hdr(host)]\\\"";
    let proxy = haproxy(program, folder("haproxy-forwarded"), &backend, fields);
    assert_eq!(ask(&proxy).await, "127.0.0.2 https://public.example/a%20b?c 127.0.0.1 http");
    drop(proxy);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn two_proxies_in_a_row_are_walked() {
    let (Some(inner), Some(outer)) = (installed(&HAPROXY), installed(&NGINX)) else { return };
    let (server, backend) = behind(None, USUAL).await;
    let inner = haproxy(inner, folder("row-inner"), &backend, " option forwardfor");
    let outer = nginx(outer, folder("row-outer"), &inner.address.to_string(), NGINX_USUAL);
    assert_eq!(ask(&outer).await, "127.0.0.2 https://public.example/a%20b?c 127.0.0.1 http");
    drop((outer, inner));
    server.stop().await.unwrap();
}

// Evidence: REQ-ENV-14, REQ-ENV-16
#[tokio::test]
async fn without_a_word_in_the_configuration_nobody_is_believed() {
    let server = Server::new(facts).bind("127.0.0.1:0").start().await.unwrap();
    let mut client = Client::connect(server.address().unwrap()).await;
    let response = client
        .request(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
             Forwarded: for=6.6.6.6;proto=https;host=evil\r\n\r\n",
        )
        .await;
    assert_eq!(response.text(), "127.0.0.1 http://a/ 127.0.0.1 http");
    server.stop().await.unwrap();
}

// Evidence: REQ-ENV-16, REQ-ENV-17
#[tokio::test]
async fn haproxy_names_the_client_in_a_proxy_header() {
    let Some(program) = installed(&HAPROXY) else { return };
    for (number, option) in
        ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
            .into_iter()
            .enumerate()
    {
        for unix in [false, true] {
            let folder = folder(&format!("haproxy-header-{number}-{unix}"));
            let socket = folder.join("s").display().to_string();
            let config =
                Config { proxy_protocol: "127.0.0.1,unix".parse().unwrap(), ..Config::default() };
            let bind = if unix { format!("unix:{socket}") } else { "127.0.0.1:0".to_owned() };
            let server = Server::new(facts).bind(bind).config(config).start().await.unwrap();
            let address = server.address().map_or(socket, |address| address.to_string());
            let proxy = haproxy(program, folder, &format!("{address} {option}"), "");
            // The client is the raw peer, with no field asked.
            let expected = "127.0.0.2 http://public.example/a%20b?c 127.0.0.2 http";
            assert_eq!(ask(&proxy).await, expected, "{option}, {bind}", bind = proxy.address);
            drop(proxy);
            server.stop().await.unwrap();
        }
    }
}
