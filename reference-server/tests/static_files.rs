//! Files beside the application: what is served, and that nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rwgi_server::{Running, Server, StaticFiles};
use support::{Client, Response, connect};

/// A folder with files, links out of it, and a secret beside it.
fn folder(name: &str) -> PathBuf {
    let around = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static").join(name);
    let _ = std::fs::remove_dir_all(&around);
    let folder = around.join("public");
    for inner in ["sub", ".git", ".well-known", "listed"] {
        std::fs::create_dir_all(folder.join(inner)).unwrap();
    }
    for (file, text) in [
        ("a.txt", "0123456789"),
        ("app.js", "plain"),
        ("app.js.gz", "not really gzip"),
        ("app.js.br", "not really brotli"),
        ("sub/index.html", "<p>index"),
        ("with space.txt", "space"),
        ("\u{e9}.txt", "accent"),
        (".env", "SECRET"),
        (".git/config", "SECRET"),
        (".well-known/security.txt", "contact"),
        ("../secret.txt", "SECRET"),
        ("leak.js", "fine"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    use std::os::unix::fs::symlink;
    symlink("../secret.txt", folder.join("link.txt")).unwrap();
    symlink("../secret.txt", folder.join("leak.js.gz")).unwrap();
    symlink("../secret.txt", folder.join("listed/index.html")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("a.txt", folder.join("inner.txt")).unwrap();
    folder
}

async fn serve(name: &str) -> (Running, Client<tokio::net::TcpStream>, PathBuf) {
    let folder = folder(name);
    let folders = format!("/static={}", folder.display()).parse().unwrap();
    let files = StaticFiles::new(rwgi_server::demo::application(), &folders).unwrap();
    let server = Server::new(files).bind("127.0.0.1:0").start().await.unwrap();
    let client = connect(&server).await;
    (server, client, folder)
}

async fn get(client: &mut Client<tokio::net::TcpStream>, path: &str, fields: &str) -> Response {
    client.request(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn files_are_served_and_all_else_is_the_applications() {
    let (server, mut client, _) = serve("served").await;
    for (path, text, kind) in [
        ("/static/a.txt", "0123456789", "text/plain"),
        ("/static/app.js?v=3", "plain", "text/javascript"),
        ("/static/sub/", "<p>index", "text/html"),
        ("/static/with%20space.txt", "space", "text/plain"),
        ("/static/%C3%A9.txt", "accent", "text/plain"),
        ("/static/inner.txt", "0123456789", "text/plain"),
        ("/static/.well-known/security.txt", "contact", "text/plain"),
        ("/static//a.txt", "0123456789", "text/plain"),
    ] {
        let response = get(&mut client, path, "").await;
        assert_eq!((response.status, response.text()), (200, text), "{path}");
        assert_eq!(response.field("content-type"), Some(kind), "{path}");
        assert_eq!(response.field("content-length"), Some(&*text.len().to_string()), "{path}");
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(get(&mut client, "/plaintext", "").await.text(), "Hello, World!");
    // A prefix is whole segments.
    assert_eq!(get(&mut client, "/staticx/a.txt", "").await.status, 404);
    assert_eq!(get(&mut client, "/static/nowhere", "").await.text(), "404 Not Found\n");
    for (path, place) in [("/static", "/static/"), ("/static/sub", "/static/sub/")] {
        let response = get(&mut client, path, "").await;
        assert!(matches!(response.status, 307 | 308), "{path}: {}", response.head);
        assert_eq!(response.field("location"), Some(place));
    }
    let head = client.request("HEAD /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
    let post = "POST /static/a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let response = client.request(post).await;
    assert_eq!((response.status, response.field("allow")), (405, Some("GET,HEAD")));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn there_is_no_way_out_of_the_folder() {
    let (server, mut client, folder) = serve("confined").await;
    let absolute = folder.join("../secret.txt").canonicalize().unwrap();
    let absolute = absolute.to_str().unwrap();
    for path in [
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2E%2E%2Fsecret.txt",
        "/static/..%2fsecret.txt",
        "/static/sub/../../secret.txt",
        "/static/sub/%2e%2e/%2e%2e/secret.txt",
        "/static/....//secret.txt",
        "/static/..%5csecret.txt",
        "/static/..%00/secret.txt",
        "/static/a.txt%00",
        "/static/a.txt/../../secret.txt",
        "/static/%252e%252e/secret.txt",
        "/static/.%2e/secret.txt",
        "/static/link.txt",
        "/static/up/secret.txt",
        "/static/up/public/a.txt/../../../secret.txt",
        "/static/leak.js",
        "/static/listed/",
        "/static/.env",
        "/static/.git/config",
        "/static/%2egit/config",
        "/static/sub/.well-known/../../.env",
        &format!("/static/{absolute}"),
        &format!("/static//{absolute}"),
        &format!("/static/%2F{}", &absolute[1..]),
    ] {
        for fields in ["", "Accept-Encoding: gzip\r\n"] {
            let response = get(&mut client, path, fields).await;
            assert!(!response.text().contains("SECRET"), "{path}");
            assert_eq!(response.status, 404, "{path}");
        }
    }
    for path in ["/static/%ff", "/static/%zz", "/static/%"] {
        assert_eq!(get(&mut client, path, "").await.status, 400, "{path}");
    }
    // What is fine stays so after all that.
    assert_eq!(get(&mut client, "/static/a.txt", "").await.status, 200);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn ranges_and_conditions_are_honoured() {
    let (server, mut client, _) = serve("ranges").await;
    let whole = get(&mut client, "/static/a.txt", "").await;
    let date = whole.field("last-modified").unwrap().to_owned();
    for (fields, status, text) in [
        ("Range: bytes=2-4\r\n".to_owned(), 206, "234"),
        ("Range: bytes=-3\r\n".to_owned(), 206, "789"),
        ("Range: bytes=7-\r\n".to_owned(), 206, "789"),
        (format!("Range: bytes=0-0\r\nIf-Range: {date}\r\n"), 206, "0"),
        // The file is another by now, and only the whole of it is of use.
        (
            "Range: bytes=0-0\r\nIf-Range: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(),
            200,
            "0123456789",
        ),
        ("Range: bytes=0-0\r\nIf-Range: \"an-etag\"\r\n".to_owned(), 200, "0123456789"),
        ("Range: bytes=0-0,3-4\r\n".to_owned(), 200, "0123456789"),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200, "0123456789"),
        (format!("If-Modified-Since: {date}\r\n"), 304, ""),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 412, ""),
    ] {
        let response = get(&mut client, "/static/a.txt", &fields).await;
        assert_eq!((response.status, response.text()), (status, text), "{fields}");
        if status == 206 {
            assert!(response.field("content-range").unwrap().ends_with("/10"), "{}", response.head);
        }
    }
    let beyond = get(&mut client, "/static/a.txt", "Range: bytes=10-\r\n").await;
    assert_eq!((beyond.status, beyond.field("content-range")), (416, Some("bytes */10")));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_compressed_beforehand_is_sent_to_who_takes_it() {
    let (server, mut client, _) = serve("compressed").await;
    for (accept, coding, text) in [
        ("", None, "plain"),
        ("gzip", Some("gzip"), "not really gzip"),
        ("gzip, br", Some("br"), "not really brotli"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "not really gzip"),
        ("identity", None, "plain"),
        ("zstd", None, "plain"),
    ] {
        let fields = if accept.is_empty() {
            String::new()
        } else {
            format!("Accept-Encoding: {accept}\r\n")
        };
        let response = get(&mut client, "/static/app.js", &fields).await;
        assert_eq!(
            (response.field("content-encoding"), response.text()),
            (coding, text),
            "{accept}"
        );
        assert_eq!(response.field("content-type"), Some("text/javascript"));
        assert_eq!(response.field("vary"), Some("accept-encoding"));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_stops_the_start() {
    for (what, path) in [("/nowhere/at/all", "/nowhere/at/all"), ("a file", file!())] {
        let folders = format!("/static={path}").parse().unwrap();
        let error = StaticFiles::new(rwgi_server::demo::application(), &folders).err().unwrap();
        assert!(error.to_string().contains(path), "{what}: {error}");
        let mut check = support::command::command();
        check.args(["check", "--static", &format!("/static={path}")]);
        let output = tokio::task::spawn_blocking(move || check.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(path), "{what}");
    }
}

#[tokio::test]
async fn the_command_serves_them_too() {
    let folder = folder("command");
    let flag = format!("/files={}", folder.display());
    let rwgi = support::command::Rwgi::start_with(&[
        "--static",
        &flag,
        "--static",
        &format!("/more{}", &flag[6..]),
    ])
    .await;
    let mut client = Client::connect(rwgi.address).await;
    assert_eq!(client.get("/files/a.txt").await.text(), "0123456789");
    assert_eq!(client.get("/more/a.txt").await.text(), "0123456789");
    assert_eq!(client.get("/plaintext").await.text(), "Hello, World!");
    rwgi.signal("TERM");
    assert_eq!(rwgi.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_file_whose_date_http_cannot_say_is_served_without_one() {
    let (server, mut client, folder) = serve("dates").await;
    let before = UNIX_EPOCH - Duration::from_secs(1);
    let date = |name: &str| {
        let file = std::fs::File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(before).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before, "of {name}");
    };
    for name in ["a.txt", "app.js.gz", "sub/index.html"] {
        date(name);
    }
    let conditions = "Range: bytes=2-3\r\nIf-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
                      If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    for (path, fields, kind, text) in [
        ("/static/a.txt", "", "text/plain", "0123456789"),
        // Without a date there is nothing to compare (RFC 9110, sections 13.1.3 and 13.1.4), and a range need not be honoured (14.2).
        ("/static/a.txt", conditions, "text/plain", "0123456789"),
        ("/static/inner.txt", "", "text/plain", "0123456789"),
        ("/static/sub/", "", "text/html", "<p>index"),
        // What is beside it and has no date is passed over.
        ("/static/app.js", "Accept-Encoding: gzip\r\n", "text/javascript", "plain"),
    ] {
        let response = get(&mut client, path, fields).await;
        assert_eq!((response.status, response.text()), (200, text), "{path}");
        assert_eq!(response.field("content-type"), Some(kind), "{path}");
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let whole = get(&mut client, "/static/a.txt", "").await;
    assert_eq!((whole.field("last-modified"), whole.field("content-length")), (None, Some("10")));
    let head = client.request("HEAD /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
    let post = client.request("POST /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((post.status, post.field("allow")), (405, Some("GET,HEAD")));
    assert_eq!(get(&mut client, "/static/sub", "").await.status, 307);
    // A directory of that age has no index: it is not there.
    let bare = folder.join("bare");
    std::fs::create_dir(&bare).unwrap();
    std::fs::File::open(&bare).unwrap().set_modified(before).unwrap();
    assert_eq!(get(&mut client, "/static/bare/", "").await.status, 404);
    server.stop().await.unwrap();
}
