//! Error pages for developers, and for nobody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use rwgi::{Environ, Error, Finished, StartResponse};
use rwgi_server::Config;
use support::command::Rwgi;
use support::{Client, connect, serve_with};

async fn failing(mut environ: Environ, _: StartResponse) -> rwgi::Result<Finished> {
    if environ.path_info() == "/panic" {
        std::panic::panic_any("<b>the secret of the panic</b>");
    }
    environ.input_mut().read_to_end(1024).await?;
    let cause = Error::server("the disk is <full>").with_source(std::io::Error::other("sector 7"));
    Err(Error::application("no page").with_source(cause))
}

fn request(path: &str, accept: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n")
}

const SECRETS: [&str; 4] = ["disk", "sector", "secret", "no page"];

// Evidence: REQ-ERR-04
#[tokio::test]
async fn without_the_flag_a_client_learns_the_status_and_nothing_else() {
    // With everything on that has to do with errors, but not the flag.
    let config = Config { admin: Some("127.0.0.1:0".to_owned()), ..Config::default() };
    for config in [config, Config::default()] {
        let server = serve_with(failing, config).await;
        let mut client = connect(&server).await;
        for path in ["/", "/panic"] {
            let response = client.request(request(path, "text/html")).await;
            assert_eq!((response.status, response.text()), (500, "500 Internal Server Error\n"));
            assert!(SECRETS.iter().all(|secret| !response.head.contains(secret)));
        }
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn with_it_a_developer_sees_causes_place_and_id() {
    let server = serve_with(failing, Config { dev: true, ..Config::default() }).await;
    let mut client = connect(&server).await;
    let page = client.request(request("/where?q=%3Cb%3E", "text/html,*/*;q=0.8")).await;
    assert_eq!(page.status, 500);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    for part in [
        "no page",
        "the disk is &lt;full&gt;",
        "sector 7",
        "request id: ",
        "GET /where?q=%3Cb%3E",
        "--dev",
    ] {
        assert!(page.text().contains(part), "{part} is not in\n{}", page.text());
    }
    // A panic has its place without a variable.
    let page = client.request(request("/panic", "text/html")).await;
    assert!(page.text().contains("&lt;b&gt;the secret of the panic"), "{}", page.text());
    assert!(
        page.text().contains("panicked at") && page.text().contains("development.rs"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("<b>"));
    // The next failure does not inherit it, and a client that shows no pages gets text.
    let text = client.request(request("/", "application/json")).await;
    assert_eq!(text.field("content-type"), Some("text/plain; charset=utf-8"));
    assert!(
        text.text().contains("sector 7") && !text.text().contains("panicked at"),
        "{}",
        text.text()
    );
    // Content that came before makes no difference.
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert!(client.request(post).await.text().contains("sector 7"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_flag_reaches_the_command() {
    for (flags, shown) in [(&[][..], false), (&["--dev"], true), (&["--dev=false"], false)] {
        let rwgi = Rwgi::start_with(flags).await;
        let mut client = Client::connect(rwgi.address).await;
        let response = client.get("/error/before").await;
        assert_eq!(response.text().contains("--dev"), shown, "{flags:?}: {}", response.text());
        rwgi.signal("TERM");
        assert_eq!(rwgi.ended().await.0.code(), Some(0));
    }
}
