//! CGI programs as an application: real programs of the shell, called in memory.
//!
//! Rules of this test: programs are written when they are needed; what has to end is seen by the end of a pipe that it holds; nothing
//! sleeps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod front;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use rwgi::{BodyLength, Environ, Exchange, Input, testing};
use rwgi_cgi::CgiBin;
use tokio::sync::mpsc;

use self::front::Folder;

/// A folder with one program, `run`.
fn programs(script: &str) -> Folder {
    let folder = Folder::new();
    program(&folder, "run", script);
    folder
}

/// Writes a program, by another process: what another test starts meanwhile would inherit the open file, and as long as somebody has a
/// file open for writing, it cannot be run.
fn program(folder: &Folder, name: &str, script: &str) {
    let status = Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(folder.path().join(name))
        .arg(script)
        .status()
        .unwrap();
    assert!(status.success());
}

fn bin(folder: &Folder) -> Arc<CgiBin> {
    Arc::new(CgiBin::new(folder.path()).unwrap())
}

const PLAIN: &str = "printf 'Content-Type: text/plain\\n\\n';";

#[tokio::test]
async fn a_program_sees_the_request_and_nothing_that_could_be_forged() {
    let folder = programs(&format!("{PLAIN} env"));
    let environ = Environ::builder()
        .uri("/cgi-bin/run/extra%20path?a=b")
        .script_name("/cgi-bin")
        .header("accept", "text/plain")
        .header("proxy", "http://evil")
        .header("x_user", "forged")
        .header("authorization", "Basic secret")
        .build()
        .unwrap();
    let response = testing::call(&bin(&folder), environ).await.unwrap();
    let lines: Vec<&str> = response.text().unwrap().lines().collect();
    for expected in [
        "GATEWAY_INTERFACE=CGI/1.1",
        "REQUEST_METHOD=GET",
        "SCRIPT_NAME=/cgi-bin/run",
        "PATH_INFO=/extra path",
        "QUERY_STRING=a=b",
        "SERVER_PROTOCOL=HTTP/1.1",
        "HTTP_ACCEPT=text/plain",
        "HTTP_HOST=localhost",
    ] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
    for forbidden in
        ["HTTP_PROXY=", "HTTP_X_USER=", "HTTP_AUTHORIZATION=", "wsgi.", "CARGO", "HOME="]
    {
        assert!(!lines.iter().any(|line| line.starts_with(forbidden)), "{forbidden} in {lines:?}");
    }
}

#[tokio::test]
async fn content_and_answer_pass_piece_by_piece() {
    let folder = programs(&format!("{PLAIN} while read line; do echo \"got $line\"; done"));
    let (send, mut receive) = mpsc::unbounded_channel::<&'static str>();
    let pieces = futures_util::stream::poll_fn(move |cx| {
        receive.poll_recv(cx).map(|piece| {
            piece.map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(piece))))
        })
    });
    let input = Input::from_body(StreamBody::new(pieces), BodyLength::Exact(8));
    let mut environ = Environ::builder().method(Method::POST).uri("/run").build().unwrap();
    environ.set_input(input);
    send.send("one\n").unwrap();
    let response = Exchange::new(bin(&folder), environ).await.unwrap();
    let mut body = response.into_body();
    let mut piece = async || body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece().await, "got one\n");
    send.send("two\n").unwrap();
    assert_eq!(piece().await, "got two\n");
    drop(send);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn content_of_unknown_length_is_collected_for_it_has_to_be_told() {
    let folder = programs(&format!("{PLAIN} echo $CONTENT_LENGTH; cat"));
    let body = http_body_util::Full::new(Bytes::from_static(b"hello"));
    let environ = |limit| {
        let mut environ = Environ::builder().method(Method::POST).uri("/run").build().unwrap();
        environ.set_input(Input::from_body(body.clone(), BodyLength::Unknown));
        environ.input_mut().set_limit(Some(limit));
        environ
    };
    let response = testing::call(&bin(&folder), environ(10)).await.unwrap();
    assert_eq!(response.text().unwrap(), "5\nhello");
    assert_eq!(testing::call(&bin(&folder), environ(4)).await.unwrap_err().status(), 413);
}

#[tokio::test]
async fn what_is_no_program_of_the_folder_is_not_run() {
    let folder = programs(PLAIN);
    program(&folder, "nph-run", PLAIN);
    program(&folder, ".hidden", PLAIN);
    fs::create_dir(folder.path().join("inner")).unwrap();
    program(&folder, "inner/run", &format!("{PLAIN} echo $SCRIPT_NAME $PATH_INFO"));
    fs::write(folder.path().join("data"), "x").unwrap();
    std::os::unix::fs::symlink("/bin/sh", folder.path().join("link")).unwrap();
    for (path, status) in [
        ("/missing", 404),
        ("/", 404),
        ("/inner", 404),
        ("/.hidden", 404),
        ("/inner/../run", 404),
        ("/inner/%2e%2e/run", 404),
        ("/inner%2Frun", 404),
        ("/%00", 404),
        ("/link", 404),
        ("/data", 403),
        ("/nph-run", 501),
    ] {
        let environ = Environ::builder().uri(path).build().unwrap();
        let error = testing::call(&bin(&folder), environ).await.unwrap_err();
        assert_eq!(error.status().as_u16(), status, "{path}: {error}");
    }
    let environ = Environ::builder().uri("/inner/run/a/b").build().unwrap();
    let response = testing::call(&bin(&folder), environ).await.unwrap();
    assert_eq!(response.text().unwrap(), "/inner/run /a/b\n");
}

#[tokio::test]
async fn a_program_that_fails_is_a_bad_gateway_and_after_its_head_a_cut() {
    for (script, status) in [
        ("exit 0", 502),
        ("echo no head; echo", 502),
        ("printf 'Status: 200 OK\\n'; exit 1", 502),
        ("printf 'Status: 404 Lost\\nContent-Type: text/plain\\n\\nlost'", 404),
    ] {
        let folder = programs(script);
        let environ = Environ::builder().uri("/run").build().unwrap();
        let status_of = match testing::call(&bin(&folder), environ).await {
            Ok(response) => response.status(),
            Err(error) => error.status(),
        };
        assert_eq!(status_of.as_u16(), status, "{script}");
    }
    let folder = programs(&format!("{PLAIN} echo begun; exit 3"));
    let environ = Environ::builder().uri("/run").build().unwrap();
    let response = testing::call(&bin(&folder), environ).await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().unwrap()), (200, "begun\n"));
    assert!(response.aborted().is_some());
}

#[tokio::test]
async fn a_silent_program_is_ended() {
    let folder = programs("exec sleep 1000");
    let impatient = CgiBin::new(folder.path()).unwrap().silence(Duration::from_millis(20));
    let environ = Environ::builder().uri("/run").build().unwrap();
    assert_eq!(testing::call(&Arc::new(impatient), environ).await.unwrap_err().status(), 504);
}

#[tokio::test]
async fn a_program_whose_client_left_is_killed_with_all_that_it_started() {
    let folder =
        programs(&format!("exec 3>\"$HELD\"; {PLAIN} echo begun; sleep 1000 & sleep 1000"));
    let held = folder.path().join("held");
    assert!(std::process::Command::new("mkfifo").arg(&held).status().unwrap().success());
    let bin = CgiBin::new(folder.path()).unwrap().variable("HELD", &held);
    let environ = Environ::builder().uri("/run").build().unwrap();
    // Opened by both ends at once, and at its end when the last of the writers is gone.
    let watch = tokio::task::spawn_blocking(move || fs::read(held).unwrap());
    let mut body = Exchange::new(Arc::new(bin), environ).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun\n");
    drop(body);
    assert!(
        tokio::time::timeout(Duration::from_secs(30), watch).await.unwrap().unwrap().is_empty()
    );
}

#[tokio::test]
async fn no_more_programs_run_than_may() {
    let folder = programs(&format!("{PLAIN} echo begun; exec sleep 1000"));
    let bin = Arc::new(CgiBin::new(folder.path()).unwrap().programs(1));
    let environ = || Environ::builder().uri("/run").build().unwrap();
    let mut first = Exchange::new(Arc::clone(&bin), environ()).await.unwrap().into_body();
    first.frame().await.unwrap().unwrap();
    assert_eq!(testing::call(&bin, environ()).await.unwrap_err().status(), 503);
    drop(first);
    let mut again = Exchange::new(bin, environ()).await.unwrap().into_body();
    again.frame().await.unwrap().unwrap();
}
