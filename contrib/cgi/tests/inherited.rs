//! `rwgi_cgi::serve` as a process manager starts it: FastCGI where standard input is a socket that listens, else one request of CGI.
//!
//! Rules of this test: the responder is a process, this program run again; spawn-fcgi is the real one, and where it is not installed the
//! test says so aloud and goes on without; a process says that it has begun before anybody asks it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod front;
#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../examples/cgi_hello.rs"]
mod hello;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rwgi::{Application, Environ, Finished, ServerInfo, StartResponse};

use self::front::{Folder, installed};

const BEGUN: &str = "the responder has begun";
const GUARD: Duration = Duration::from_secs(60);

/// Not a test: the process that is started.
#[test]
#[ignore = "run by the tests below"]
fn a_process() {
    let Some(kind) = std::env::var_os("RWGI_TEST_PROCESS") else { return };
    if kind == NEVER {
        let code = rwgi_cgi::serve(Never);
        std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
    }
    // The harness has written to standard output, which is no answer of a program; standard error says when it begins.
    eprintln!("{BEGUN}");
    let code = rwgi_cgi::serve(hello::hello);
    std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
}

/// What the process is told to be where its application waits in `startup` for what never comes.
const NEVER: &str = "never";

struct Never;

impl Application for Never {
    async fn call(&self, _: Environ, _: StartResponse) -> rwgi::Result<Finished> {
        unreachable!("nobody is let in")
    }

    async fn startup(&self, _: &ServerInfo) -> rwgi::Result<()> {
        eprintln!("{BEGUN}");
        std::future::pending().await
    }
}

/// This program, as the process.
fn process(mut command: Command) -> Command {
    command
        .args(["--ignored", "--exact", "a_process", "--nocapture"])
        .env("RWGI_TEST_PROCESS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// Starts it and waits until it has begun. Its standard output stays open for as long as it runs.
fn start(mut command: Command) -> (Child, ChildStdout) {
    let mut child = command.spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains(BEGUN)), "the process ended");
    // What follows is read too, or it would have nobody to tell.
    std::thread::spawn(move || said.for_each(drop));
    (child, output)
}

/// Asks as a web server does, for a connection that ends behind the answer.
fn ask(mut stream: impl Read + Write) -> String {
    let pair = |name: &str, value: &str| {
        let lengths = [name.len() as u8, value.len() as u8];
        [&lengths, name.as_bytes(), value.as_bytes()].concat()
    };
    let params = [pair("REQUEST_METHOD", "GET"), pair("REQUEST_URI", "/here")].concat();
    let mut octets = Vec::new();
    for (kind, content) in [(1, &[0, 1, 0, 0, 0, 0, 0, 0][..]), (4, &params), (4, &[]), (5, &[])] {
        octets.extend([1, kind, 0, 1, 0, content.len() as u8, 0, 0]);
        octets.extend(content);
    }
    stream.write_all(&octets).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask_tcp(listener: &TcpListener) -> String {
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    ask(stream)
}

fn ask_unix(path: &std::path::Path) -> String {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    ask(stream)
}

/// SIGTERM is an orderly end.
fn end(mut child: Child) {
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    let Ok(status) = ended.recv_timeout(GUARD) else {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("it does not end");
    };
    assert!(status.success());
}

fn assert_answer(answer: &str) {
    assert!(answer.contains("Status: 200 OK\r\n"), "{answer:?}");
    assert!(answer.contains("Hello from /here, once: false\n"), "{answer:?}");
}

#[test]
fn a_tcp_socket_on_standard_input_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = process(this_program());
    command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
    let (child, _output) = start(command);
    assert_answer(&ask_tcp(&listener));
    assert_answer(&ask_tcp(&listener));
    end(child);
}

#[test]
fn a_unix_socket_on_standard_input_is_served() {
    let folder = Folder::new();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = process(this_program());
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let (child, _output) = start(command);
    assert_answer(&ask_unix(&path));
    assert_answer(&ask_unix(&path));
    end(child);
}

#[test]
fn a_signal_ends_it_while_the_application_starts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = process(this_program());
    command.env("RWGI_TEST_PROCESS", NEVER);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let (child, _output) = start(command);
    end(child);
}

#[test]
fn spawn_fcgi_starts_it() {
    if !installed("spawn-fcgi") {
        return;
    }
    let folder = Folder::new();
    let path = folder.path().join("app.sock");
    // `-n`: it becomes the responder, so that it is the process that is told to stop.
    let mut command = Command::new("spawn-fcgi");
    command.arg("-n").arg("-s").arg(&path).arg("--").arg(std::env::current_exe().unwrap());
    let (child, _output) = start(process(command));
    assert_answer(&ask_unix(&path));
    assert_answer(&ask_unix(&path));
    end(child);
}

// The suite starts many at once: one that held the socket of another would keep a door open that its server has closed.
#[test]
fn web_servers_that_start_at_once_hold_no_sockets_of_each_other() {
    if !installed("nginx") {
        return;
    }
    let start = || front::Nginx::start("return 200;", "").unwrap();
    let started = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12).map(|_| scope.spawn(start)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    for mut nginx in started {
        let address = nginx.address;
        assert!(nginx.stop(GUARD));
        assert!(TcpStream::connect(address).is_err(), "another one listens on {address} as well");
    }
}

#[test]
fn anything_else_on_standard_input_is_one_request_of_cgi() {
    let mut command = process(this_program());
    command.stdin(Stdio::null()).env("GATEWAY_INTERFACE", "CGI/1.1");
    command
        .env("REQUEST_METHOD", "GET")
        .env("REQUEST_URI", "/here")
        .env("SERVER_PROTOCOL", "HTTP/1.1");
    let (mut child, mut output) = start(command);
    let mut answer = String::new();
    output.read_to_string(&mut answer).unwrap();
    assert!(child.wait().unwrap().success(), "{answer}");
    assert!(answer.contains("Status: 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("Hello from /here, once: true\n"), "{answer}");
}
