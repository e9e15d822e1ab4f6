//! The `rwgi` command as a person or a supervisor meets it: what it prints, how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::process::Output;

use support::certificates::{Authority, Directory};
use support::command::{Rwgi, command};
use support::{Client, End};

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = command();
    command.args(arguments).envs(environment.iter().copied());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    support::within("the command to end", run).await.unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

// Evidence: REQ-LIFE-13
#[tokio::test]
async fn either_signal_ends_it_well() {
    for signal in ["TERM", "INT"] {
        let rwgi = Rwgi::start().await;
        let mut idle = Client::connect(rwgi.address).await;
        assert_eq!(idle.get("/plaintext").await.text(), "Hello, World!");
        rwgi.signal(signal);
        assert_eq!(idle.ends().await, End::Closed);
        let (status, said) = rwgi.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// Not a test: a server whose application waits in `startup` for what never comes.
#[test]
#[ignore = "run by `a_signal_ends_it_while_the_application_starts`"]
fn an_application_that_never_starts() {
    struct Never;
    impl rwgi::Application for Never {
        async fn call(
            &self,
            _: rwgi::Environ,
            _: rwgi::StartResponse,
        ) -> rwgi::Result<rwgi::Finished> {
            unreachable!("nobody is let in")
        }

        async fn startup(&self, _: &rwgi::ServerInfo) -> rwgi::Result<()> {
            eprintln!("it starts");
            std::future::pending().await
        }

        async fn shutdown(&self) {
            eprintln!("it shuts down");
        }
    }
    let server = rwgi_server::Server::new(Never).bind("127.0.0.1:0");
    rwgi_server::run(server, &rwgi_server::Config::default()).unwrap();
    eprintln!("it has ended well");
}

// Evidence: REQ-LIFE-12
#[tokio::test]
async fn a_signal_ends_it_while_the_application_starts() {
    for signal in ["TERM", "INT"] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "an_application_that_never_starts", "--nocapture"]);
        let (status, said) = Rwgi::told(command, "it starts", signal).await;
        assert!(status.success() && said.contains("it has ended well"), "{signal}: {said}");
        assert!(!said.contains("it shuts down"), "{signal}: {said}");
    }
}

// Evidence: REQ-LIFE-07, REQ-LIFE-13
#[tokio::test]
async fn an_exchange_ends_before_the_process() {
    let rwgi = Rwgi::start().await;
    let mut client = Client::connect(rwgi.address).await;
    client.send("GET /stream?n=20&interval=50 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    rwgi.signal("TERM");
    let mut chunks = 0;
    while !client.chunk().await.unwrap().is_empty() {
        chunks += 1;
    }
    assert!(chunks >= 20, "{chunks}");
    assert_eq!(rwgi.ended().await.0.code(), Some(0));
}

// Evidence: REQ-LIFE-14
#[tokio::test]
async fn a_stream_of_events_hears_of_the_signal_and_ends_well() {
    // Neither would end by itself within the period of grace.
    let rwgi = Rwgi::start_with(&["--grace", "1h"]).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(rwgi.address).await;
        client.send("GET /events?interval=5000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await.unwrap();
        assert_eq!(client.chunk().await.unwrap(), b"id: 1\ndata: event 1\n\n");
        clients.push(client);
    }
    rwgi.signal("TERM");
    for client in &mut clients {
        let (octets, end) = client.rest().await;
        let last = String::from_utf8_lossy(&octets);
        assert!(last.contains("event: bye\n") && last.ends_with("\r\n0\r\n\r\n"), "{last}");
        assert_eq!(end, End::Closed);
    }
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
}

// Evidence: REQ-LIFE-13
#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_not_well() {
    let rwgi = Rwgi::start().await;
    let mut client = Client::connect(rwgi.address).await;
    client.send("GET /stream?n=1000&interval=1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    rwgi.signal("TERM");
    // The first has been taken in when the door is closed.
    support::within("the door to close", async {
        while tokio::net::TcpStream::connect(rwgi.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rwgi.signal("TERM");
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("second signal"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_ne!(client.rest().await.1, End::Framed);
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for output in
        [run(&["--bind", &address], &[]).await, run(&[], &[("RWGI_BIND", &address)]).await]
    {
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&address) && said.contains("port 0"), "{said}");
    }
}

#[tokio::test]
async fn bad_addresses_and_flags_say_what_is_right() {
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "", "192.0.2.1:0"] {
        let output = run(&["--bind", address], &[]).await;
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{address}: {said}");
        assert!(!said.contains("panicked"), "{address}: {said}");
        if output.status.code() == Some(1) {
            assert_eq!(said.lines().count(), 1, "{address}: {said}");
        }
    }
    // Which of its listeners it is.
    let output = run(&["--bind", "127.0.0.1:0", "--admin", "nonsense"], &[]).await;
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("--admin") && said.contains("nonsense"), "{said}");
    let output = run(&["--no-such-flag"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--no-such-flag"));
    let output = run(&["--help"], &[]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("--bind"));
}

/// A file in a folder of its own, removed with it.
fn file(name: &str, text: &str) -> (std::path::PathBuf, String) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("rwgi.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn check_tells_every_problem_at_once_with_its_place() {
    let (_, path) =
        file("check", "head_timeuot = \"5s\"\nidle_timeout = \"soon\"\nhead_fields = 0\n");
    let environment = [("RWGI_GRACE", "long"), ("RWGI_CONFIG", &*path)];
    let output = run(&["check", "--linger", "2 days"], &environment).await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in [
        format!("{path}:1:1: there is no option `head_timeuot`; did you mean `head_timeout`?"),
        format!("{path}:2:16: idle_timeout: \"soon\" is no time"),
        format!("{path}:3:15: head_fields is 0"),
        "RWGI_GRACE: grace: \"long\" is no time".to_owned(),
        "--linger: linger: \"2 days\" is no time".to_owned(),
    ] {
        assert!(said.contains(&part), "{part}\nis not in\n{said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
    // What is refused by `check` does not serve either.
    let output = run(&["--bind", "127.0.0.1:0"], &environment).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("head_timeout"));

    let (_, path) = file("sound", "head_timeout = \"5s\"\n");
    let output = run(&["check", "--config", &path], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let output = run(&["check", "--config", "/nowhere/rwgi.toml"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere/rwgi.toml"));
}

#[tokio::test]
async fn config_prints_what_is_in_force_and_where_it_comes_from() {
    let (folder, path) = file("config", "grace = 7\nlinger = \"3s\"\n");
    let environment = [("RWGI_LINGER", "4s")];
    let output = run(&["--config", &path, "config", "--head-bytes=40KiB"], &environment).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for (name, value, origin) in [
        ("grace", "\"7s\"", format!("{path}:1:9")),
        ("linger", "\"4s\"", "RWGI_LINGER".to_owned()),
        ("head_bytes", "\"40KiB\"", "--head-bytes".to_owned()),
        ("head_fields", "100", "default".to_owned()),
    ] {
        let line = said.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, [name, value, &origin], "{said}");
    }
    // The other form is a file that means the same.
    let output = run(&["--config", &path, "config", "--toml"], &environment).await;
    let again = folder.join("again.toml");
    std::fs::write(&again, &output.stdout).unwrap();
    let output = run(&["config", "--config", again.to_str().unwrap()], &[]).await;
    let said = text(&output.stdout);
    assert!(
        said.lines().any(|line| line.starts_with("linger ") && line.contains("\"4s\"")),
        "{said}"
    );
}

#[tokio::test]
async fn check_reads_the_files_of_certificates() {
    let flags = ["check", "--certificate", "no/such.pem", "--key", "no/such.key"];
    let output = run(&flags, &[]).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no/such.pem") && said.contains("cannot be read"), "{said}");
    // Half of a pair is told before anything is read.
    let said = text(&run(&["check", "--key", "no/such.key"], &[]).await.stderr);
    assert!(said.contains("each certificate needs its key"), "{said}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_a_warning_and_keeps_nobody_from_serving() {
    let (directory, authority) = (Directory::new(), Authority::new("authority"));
    let (certificate, key) = (directory.file("old.pem"), directory.file("old.key"));
    authority.sign_until(&["old.example"], 2020).write(&certificate, &key);
    let flags = ["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let warning = format!(
        "{}: the certificate of old.example has expired on Jan  1 00:00:00 2020 +00:00: clients refuse it",
        certificate.display()
    );
    let output = run(&[&["check"][..], &flags].concat(), &[]).await;
    assert_eq!(text(&output.stderr), format!("warning: {warning}\n"));
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), "the configuration is sound\n".to_owned())
    );
    // It serves, and says so.
    let rwgi = Rwgi::start_with(&flags).await;
    rwgi.signal("TERM");
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("WARN") && said.contains(&warning), "{said}");
    // A new one deserves none.
    authority.sign(&["new.example"]).write(&certificate, &key);
    let output = run(&[&["check"][..], &flags].concat(), &[]).await;
    assert_eq!(text(&output.stderr), "");
}

#[tokio::test]
async fn it_takes_the_descriptors_that_it_may_have() {
    let mut limited = std::process::Command::new("sh");
    let script = r#"ulimit -S -n 100; exec "$0" --bind 127.0.0.1:0 --connections 200"#;
    limited.args(["-c", script, env!("CARGO_BIN_EXE_rwgi")]).env_remove("RWGI_LOG");
    let rwgi = Rwgi::spawn(limited).await;
    // More than the soft limit that it was started with.
    let mut clients = Vec::new();
    for _ in 0..150 {
        let mut client = Client::connect(rwgi.address).await;
        assert_eq!(client.get("/plaintext").await.text(), "Hello, World!");
        clients.push(client);
    }
    rwgi.signal("TERM");
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("raise the limit"), "{said}");
}
