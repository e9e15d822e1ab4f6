//! The demo application without a socket: every route through [`rwgi::Exchange`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use rwgi::{
    BodyLength, Connection, Environ, EnvironBuilder, Exchange, Input, Result, ServerInfo,
    StartResponse,
};

use super::documentation::DOCUMENTS;
use super::{Demo, application, stream};

async fn ask(environ: EnvironBuilder) -> Result<Response<rwgi::ResponseBody>> {
    Exchange::new(Arc::new(application()), environ.build().unwrap()).await
}

/// A whole answer as text.
async fn text(environ: EnvironBuilder) -> (http::response::Parts, String) {
    let (head, body) = ask(environ).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

fn get(uri: &str) -> EnvironBuilder {
    Environ::builder().uri(uri)
}

#[tokio::test]
async fn plaintext_is_thirteen_bytes() {
    let (head, body) = text(get("/plaintext")).await;
    assert_eq!((head.status, body.as_str()), (StatusCode::OK, "Hello, World!"));
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(body.len(), 13);
}

#[tokio::test]
async fn the_page_shows_the_environ_of_the_request_itself() {
    let connection = Connection {
        peer: "192.0.2.7:4711".parse::<std::net::SocketAddr>().unwrap().into(),
        server: Arc::new(ServerInfo::new("some-server/9.9")),
        ..Connection::default()
    };
    let environ = get("/?colour=blue")
        .host("demo.example:8000")
        .header("x-own-field", "own value")
        .connection(connection);
    let (head, page) = text(environ).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["content-type"], "text/html; charset=utf-8");
    for shown in [
        "192.0.2.7:4711",
        "some-server/9.9",
        "<code>GET /?colour=blue HTTP/1.1</code>",
        "<code>x-own-field</code></th><td>own value</td>",
        "<code>QUERY_STRING</code></th><td>colour=blue</td>",
        "<code>HTTP_X_OWN_FIELD</code></th><td>own value</td>",
        "curl -i &#39;http://demo.example:8000/plaintext&#39;".replace("&#39;", "'").as_str(),
        "input.set_limit(None);",
    ] {
        assert!(page.contains(shown), "{shown} is missing");
    }
    assert!(!page.contains("{{"), "a placeholder was left");
}

#[tokio::test]
async fn nothing_of_a_request_becomes_markup() {
    const MARKUP: &str = "<script>alert('x')</script>\"'&";
    let hostile = || {
        get("/%3Cscript%3E/?a='&b={{base}}")
            .script_name("/%3Cscript%3E")
            .header("x-markup", MARKUP)
            .header("x-octets", HeaderValue::from_bytes(b"<b>\xff\xe9</b>").unwrap())
            .header("host", "<i>\"'")
            .method(Method::GET)
    };
    let plain = text(get("/")).await.1;
    let page = text(hostile()).await.1;
    for tag in ["<script", "<img", "<b>", "<i>"] {
        assert_eq!(page.matches(tag).count(), plain.matches(tag).count(), "{tag}");
    }
    assert!(page.contains("&lt;b&gt;\\xff\\xe9&lt;/b&gt;"), "octets are spelled out");
    assert!(page.contains("href=\"/%3Cscript%3E/environ\""), "links keep the mount");
    for uri in ["/a\"onload='x'&b", "/%3Cimg%20src=x%3E", "/{{base}}/'"] {
        let (head, page) = text(get(uri).header("x-markup", MARKUP)).await;
        assert_eq!(head.status, StatusCode::NOT_FOUND);
        assert!(!page.contains("<img src=x") && !page.contains("\"onload"), "{page}");
    }
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_bring() {
    for uri in ["/", "/documentation", "/nowhere"] {
        let (head, page) = text(get(uri)).await;
        let policy = head.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{uri}");
        assert_eq!(head.headers["x-content-type-options"], "nosniff");
        for foreign in
            ["http://", "https://", "src=\"//", "<style", " style=", " onclick", "<script>"]
        {
            let own = page.replace("'http://localhost/", "'");
            let own = own.replace(">http://localhost/<", "><");
            assert!(!own.contains(foreign), "{uri} holds {foreign}");
        }
    }
}

/// The links of a page, as they stand in its source.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let addresses =
        page.split("href=\"").chain(page.split("src=\"")).filter(|part| !part.starts_with('<'));
    addresses.filter_map(|rest| rest.split('"').next())
}

#[tokio::test(start_paused = true)]
async fn every_link_of_a_page_leads_somewhere_under_any_mount() {
    let documents = DOCUMENTS.iter().map(|document| format!("/documentation/{}", document.name));
    let pages = ["/", "/documentation", "/nowhere"].map(str::to_owned).into_iter().chain(documents);
    for (uri, mount) in pages.flat_map(|uri| [(uri.clone(), ""), (uri, "/a/b")]) {
        let uri = format!("{mount}{uri}");
        let (_, page) = text(get(&uri).script_name(mount)).await;
        let mut seen = 0;
        for link in
            links(&page).filter(|link| !link.starts_with(['?']) && !link.starts_with("https:"))
        {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { &uri } else { path };
            let answer = ask(get(path).script_name(mount)).await;
            let status = answer.as_ref().map_or_else(|error| error.status(), Response::status);
            let expected = match path {
                "/nowhere" | "/a/b/nowhere" => 404,
                _ if path.ends_with("/error/before") => 500,
                _ => 200,
            };
            assert_eq!(status, expected, "{link} on {uri}");
            if !anchor.is_empty() {
                let target = answer.unwrap().into_body().collect().await.unwrap().to_bytes();
                let target = String::from_utf8(target.to_vec()).unwrap();
                assert!(target.contains(&format!("id=\"{anchor}\"")), "{link} on {uri}");
            }
            seen += 1;
        }
        assert!(seen >= 3, "{uri} has only {seen} links");
    }
}

#[tokio::test]
async fn a_mount_without_its_slash_is_redirected() {
    let response = ask(get("/mount").script_name("/mount")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(response.headers()["location"], "/mount/");
}

#[tokio::test]
async fn environ_is_json_whatever_the_octets() {
    let environ = get("/environ?a=%ff&b='")
        .host("demo.example")
        .header("x-twice", "one")
        .header("x-twice", "two")
        .header("x-octets", HeaderValue::from_bytes(b"\xff\"\\").unwrap());
    let (head, body) = text(environ).await;
    assert_eq!(head.headers["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["method"], "GET");
    assert_eq!(json["path_info"], "/environ");
    assert_eq!(json["query"], "a=%ff&b='");
    assert_eq!(json["url"], "http://demo.example/environ?a=%ff&b='");
    assert_eq!(json["headers"]["x-twice"], serde_json::json!(["one", "two"]));
    assert_eq!(json["headers"]["x-octets"][0], r#"\xff\"\\"#);
    assert_eq!(json["variables"]["HTTP_X_TWICE"], "one, two");
    assert_eq!(json["variables"]["QUERY_STRING"], "a=%ff&b='");
    assert_eq!(json["input"]["length"], 0);
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_no_fault_of_the_application() {
    let environ = get("/%zz/environ").script_name("/%zz");
    let json: serde_json::Value = serde_json::from_str(&text(environ).await.1).unwrap();
    assert!(json["variables"].is_null());
    assert_eq!(text(get("/%zz/").script_name("/%zz")).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn echo_keeps_content_type_and_length() {
    let environ = || Environ::builder().method(Method::POST).uri("/echo");
    let (head, body) = text(environ().header("content-type", "text/x-own").input("hello")).await;
    assert_eq!((head.status, body.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(head.headers["content-type"], "text/x-own");
    let policy = head.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("sandbox"), "an echoed page must not run here");

    let (head, body) = text(environ()).await;
    assert_eq!(body, "");
    assert_eq!(head.headers["content-type"], "application/octet-stream");

    // The length is declared, and a server makes the field of it.
    let declared =
        |response: http::Response<rwgi::ResponseBody>| response.body().size_hint().exact();
    assert_eq!(declared(ask(environ().input("hello")).await.unwrap()), Some(5));
    assert_eq!(declared(ask(environ()).await.unwrap()), Some(0));
}

/// A body of `left` chunks, which counts how far it was read ahead of what came back.
struct Upload {
    left: u64,
}

const CHUNK: &[u8] = &[7; 64 * 1024];

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = rwgi::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, rwgi::BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(CHUNK)))))
    }
}

#[tokio::test]
async fn echo_takes_an_upload_of_any_size() {
    const CHUNKS: u64 = 16 * 1024; // 1 GiB
    for length in [BodyLength::Unknown, BodyLength::Exact(CHUNKS * CHUNK.len() as u64)] {
        let mut input = Input::from_body(Upload { left: CHUNKS }, length);
        input.set_limit(Some(2 * 1024 * 1024)); // as servers do
        let environ = Environ::builder().method(Method::POST).uri("/echo").input(input);
        let mut body = ask(environ).await.unwrap().into_body();
        assert_eq!(body.size_hint().exact().is_some(), length != BodyLength::Unknown);
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame.unwrap().into_data().unwrap().len() as u64;
        }
        assert_eq!(received, CHUNKS * CHUNK.len() as u64);
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_short_is_the_clients_fault() {
    let input = Input::from_body(Upload { left: 0 }, BodyLength::Exact(5));
    let environ = Environ::builder().method(Method::POST).uri("/echo").input(input);
    assert_eq!(ask(environ).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn the_stream_comes_piece_by_piece() {
    let begin = tokio::time::Instant::now();
    let (head, mut body) = ask(get("/stream?n=3&interval=1000")).await.unwrap().into_parts();
    assert_eq!(head.headers["content-type"], "text/plain; charset=utf-8");
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push((begin.elapsed().as_secs(), frame.unwrap().into_data().unwrap()));
    }
    let expected = [(0, "piece 1 of 3\n"), (1, "piece 2 of 3\n"), (2, "piece 3 of 3\n")];
    assert_eq!(pieces, expected.map(|(time, text)| (time, Bytes::from(text))));
}

#[tokio::test(start_paused = true)]
async fn the_stream_has_bounds() {
    let begin = tokio::time::Instant::now();
    let (_, body) = text(get("/stream?n=18446744073709551615&interval=99999999")).await;
    assert_eq!(body.lines().count() as u64, stream::MOST_PIECES);
    let longest = Duration::from_millis(stream::LONGEST_INTERVAL * stream::MOST_PIECES);
    assert!(begin.elapsed() <= longest);

    assert_eq!(text(get("/stream?n=0")).await.1, "");
    for bad in ["/stream?n=x", "/stream?n=", "/stream?n=-1", "/stream?n=3&interval=1e9"] {
        assert_eq!(ask(get(bad)).await.unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_word_to_stop() {
    let notice = rwgi::StopNotice::new();
    let mut server = rwgi::testing::server_info();
    server.stopping = notice.stopping();
    let environ = get("/events?interval=1000").server(server);
    let (head, mut body) = ask(environ).await.unwrap().into_parts();
    assert_eq!(head.headers["content-type"], "text/event-stream");
    for event in 1..=3 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, format!("id: {event}\ndata: event {event}\n\n"));
    }
    notice.give();
    let last = body.collect().await.unwrap().to_bytes();
    assert!(last.starts_with(b"event: bye\n") && last.ends_with(b"\n\n"), "{last:?}");
}

#[tokio::test]
async fn an_error_before_the_head_leaves_the_answer_to_the_server() {
    let error = ask(get("/error/before")).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_head_cuts_the_message() {
    let (head, mut body) = ask(get("/error/after")).await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    assert!(!body.frame().await.unwrap().unwrap().into_data().unwrap().is_empty());
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_as_get_is_without_content() {
    for uri in ["/", "/plaintext", "/environ", "/stream", "/documentation", "/demo.css", "/nowhere"]
    {
        let get_head = ask(get(uri)).await.unwrap().into_parts().0;
        let answer = ask(get(uri).method(Method::HEAD)).await.unwrap();
        assert_eq!(answer.status(), get_head.status, "{uri}");
        assert_eq!(answer.headers()["content-type"], get_head.headers["content-type"], "{uri}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "", "{uri}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_take_is_refused_with_those_it_does() {
    for (method, uri, allow) in [
        (Method::GET, "/echo", "POST, OPTIONS"),
        (Method::HEAD, "/echo", "POST, OPTIONS"),
        (Method::POST, "/", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/stream", "GET, HEAD, OPTIONS"),
        (Method::from_bytes(b"get").unwrap(), "/plaintext", "GET, HEAD, OPTIONS"),
    ] {
        let response = ask(get(uri).method(method)).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{uri}");
        assert_eq!(response.headers()["allow"], allow, "{uri}");
    }
    for uri in ["/", "/echo", "*"] {
        let response = ask(get(uri).method(Method::OPTIONS)).await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{uri}");
        assert!(response.headers().contains_key("allow"), "{uri}");
    }
}

/// Drops the exchange at its `polls`-th poll; the application must not mind, wherever it waits.
#[tokio::test(start_paused = true)]
async fn a_client_may_leave_at_any_point() {
    let application = Arc::new(application());
    for polls in 0..5 {
        let environ = get("/stream?n=5&interval=10").build().unwrap();
        let mut exchange = Box::pin(async {
            let response = Exchange::new(Arc::clone(&application), environ).await?;
            response.into_body().collect().await
        });
        for _ in 0..polls {
            let poll = std::future::poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx))).await;
            assert!(poll.is_pending());
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        drop(exchange);
        assert_eq!(text(get("/plaintext")).await.1, "Hello, World!");
    }
}

#[tokio::test]
async fn an_added_example_is_mounted_and_shown() {
    let clock = |environ: Environ, start: StartResponse| async move {
        start.respond(
            StatusCode::OK,
            (),
            format!("{}|{}", environ.script_name(), environ.path_info()),
        )
    };
    let demo = Arc::new(Demo::new().example("A <clock>", "/clock", clock).unwrap());
    let ask = async |uri: &str| {
        let environ = get(uri).build().unwrap();
        let response = Exchange::new(Arc::clone(&demo), environ).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (head, text)
    };
    assert_eq!(ask("/clock/now").await.1, "/clock|/now");
    let (head, _) = ask("/clock").await;
    assert_eq!(
        (head.status, &head.headers["location"]),
        (StatusCode::PERMANENT_REDIRECT, &"/clock/".parse().unwrap())
    );
    assert_eq!(ask("/clocks").await.0.status, StatusCode::NOT_FOUND);
    assert_eq!(ask("/plaintext").await.1, "Hello, World!");
    let (head, page) = ask("/").await;
    assert!(head.headers["content-security-policy"].to_str().unwrap().contains("frame-src 'self'"));
    for shown in [
        "<a href=\"#example-clock\">A &lt;clock&gt;</a>",
        "<iframe class=\"example\" src=\"/clock/\"",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!text(get("/")).await.1.contains("iframe"));
}

#[test]
fn an_example_that_is_in_the_way_is_refused() {
    let clock =
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") };
    let demo = || Demo::new().example("Clock", "/clock", clock).unwrap();
    for path in ["", "/", "clock", "/a/", "/a//b", "/a?b", "/ü", "/echo", "/clock", "/clock/2"] {
        assert!(demo().example("Another", path, clock).is_err(), "{path}");
    }
    assert!(demo().example("Another", "/clocks", clock).is_ok());
}

#[tokio::test]
async fn an_example_lives_with_the_demo() {
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
    struct Counted(Arc<AtomicI32>, bool);
    impl rwgi::Application for Counted {
        async fn call(&self, _: Environ, start: StartResponse) -> Result<rwgi::Finished> {
            start.respond(StatusCode::OK, (), "")
        }
        async fn startup(&self, _: &ServerInfo) -> Result<()> {
            if self.1 {
                return Err(rwgi::Error::application("no"));
            }
            self.0.fetch_add(1, SeqCst);
            Ok(())
        }
        async fn shutdown(&self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let count = Arc::new(AtomicI32::new(0));
    let info = ServerInfo::new("test/1");
    let demo = Demo::new().example("One", "/one", Counted(Arc::clone(&count), false)).unwrap();
    rwgi::Application::startup(&demo, &info).await.unwrap();
    assert_eq!(count.load(SeqCst), 1);
    rwgi::Application::shutdown(&demo).await;
    assert_eq!(count.load(SeqCst), 0);
    let demo = demo.example("Two", "/two", Counted(Arc::clone(&count), true)).unwrap();
    assert!(rwgi::Application::startup(&demo, &info).await.is_err());
    assert_eq!(count.load(SeqCst), 0);
}
