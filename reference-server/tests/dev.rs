//! `rwgi dev`: one address through a build that fails and one that does not, and an application that ends.
//!
//! Rules of this test: cargo is played by a script that reads a file for its verdict, and "runs" the demo, and once by itself; nobody waits
//! but for an answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::command::{Rwgi, command};
use support::{Client, within};

/// `build` says what the compiler would say of `verdict`; `run` becomes the server, with its own marks.
const CARGO: &str = r#"#!/bin/sh
verdict=$(cat "$(dirname "$0")/verdict")
case "$1 $verdict" in
    "build broken") printf 'error[E0308]: mismatched <types>\n' >&2; exit 101 ;;
    "build "*) exit 0 ;;
    "run ends") exit 7 ;;
    "run "*) exec "$RWGI" --static "/which=$(dirname "$0")" ;;
esac
"#;

fn project(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cargo"), CARGO).unwrap();
    std::fs::set_permissions(folder.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Asks on new connections until the answer has this status and says this.
async fn until(rwgi: &Rwgi, path: &str, status: u16, part: &str) -> String {
    within(part, async {
        loop {
            let mut client = Client::connect(rwgi.address).await;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
            );
            client.send(request).await;
            // One that was accepted by what is just being replaced may end without an answer.
            let Ok(response) = client.try_response_to(false).await else { continue };
            if response.status == status && response.text().contains(part) {
                return response.text().to_owned();
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_address_stays_while_builds_come_and_go() {
    let folder = project("builds");
    let say = |verdict: &str| std::fs::write(folder.join("verdict"), verdict).unwrap();
    say("broken");
    let mut dev = command();
    dev.args(["dev", "--bind", "127.0.0.1:0", "--", "./cargo", "run", "--bin", "x", "--", "flag"])
        .current_dir(&folder)
        .env("RWGI", env!("CARGO_BIN_EXE_rwgi"));
    let rwgi = Rwgi::spawn(dev).await;
    let page = until(&rwgi, "/", 503, "E0308").await;
    assert!(page.contains("mismatched &lt;types&gt;") && !page.contains("<types>"), "{page}");
    say("fine");
    until(&rwgi, "/plaintext", 200, "Hello, World!").await;
    until(&rwgi, "/which/verdict", 200, "fine").await;
    // An error page of the application's own, since it is started with the flag.
    until(&rwgi, "/error/before", 500, "--dev").await;
    say("fine again");
    until(&rwgi, "/which/verdict", 200, "fine again").await;
    say("broken");
    until(&rwgi, "/plaintext", 503, "E0308").await;
    say("ends");
    until(&rwgi, "/", 503, "exit status: 7").await;
    say("fine");
    until(&rwgi, "/plaintext", 200, "Hello, World!").await;
    let address = rwgi.address;
    rwgi.signal("TERM");
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    // The application has gone with it.
    within("the address to be free", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn cargo_itself_builds_and_runs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev/real");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"real\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // Whole or not at all, as an editor does it.
    let say = |main: &str| {
        std::fs::write(folder.join("main.new"), main).unwrap();
        std::fs::rename(folder.join("main.new"), folder.join("src/main.rs")).unwrap();
    };
    let serves = |arguments: &str| {
        format!(
            r#"use std::os::unix::process::CommandExt;
            fn main() {{
                let rwgi = std::env::var_os("RWGI").unwrap();
                panic!("{{}}", std::process::Command::new(rwgi).args::<[&str; _], _>([{arguments}]).exec());
            }}"#
        )
    };
    say("fn main() { let number: u8 = true; }");
    let mut dev = command();
    dev.args(["dev", "--bind", "127.0.0.1:0", "--", env!("CARGO"), "run", "--offline"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("RWGI", env!("CARGO_BIN_EXE_rwgi"));
    let rwgi = Rwgi::spawn(dev).await;
    until(&rwgi, "/", 503, "let number: u8 = true;").await;
    say(&serves(""));
    until(&rwgi, "/plaintext", 200, "Hello, World!").await;
    say(&serves(r#""--static", "/source=src""#));
    until(&rwgi, "/source/main.rs", 200, "--static").await;
    rwgi.signal("TERM");
    let (status, said) = rwgi.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_one_clear_line() {
    for arguments in [
        &["dev", "--bind", "127.0.0.1:0", "--", "/nowhere/cargo", "run"][..],
        &["dev", "--bind", "127.0.0.1:0", "--", "/nowhere/x"],
    ] {
        let mut dev = command();
        dev.args(arguments);
        let run = tokio::task::spawn_blocking(move || dev.output().unwrap());
        let output = within("the command to end", run).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("/nowhere/"), "{said}");
    }
}
