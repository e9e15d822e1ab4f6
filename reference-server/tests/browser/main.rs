//! The demo's page in a real browser: what a person sees and does, on the real server.
//!
//! Rules of this room: a test does what a person would do and asserts what a person would see. Where no Chromium with
//! its chromedriver is installed the tests say so and are skipped, unless `RWGI_REQUIRE_BROWSER` is set, as in CI.
#![allow(clippy::unwrap_used, reason = "clippy takes the helpers below for production code")]

mod webdriver;

use std::io::Write;

use rwgi_server::{Config, Running, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

use self::webdriver::Browser;

/// The server with the demo, as the `rwgi` command runs it, and a browser.
struct Visit {
    browser: Browser,
    origin: String,
    server: Running,
    runtime: Runtime,
}

/// Starts both, or says why not.
fn visit() -> Option<Visit> {
    let browser = match Browser::start() {
        Ok(browser) => browser,
        Err(reason) => {
            assert!(std::env::var_os("RWGI_REQUIRE_BROWSER").is_none(), "no browser: {reason}");
            // Straight to the stream: the test harness holds back what a passing test prints.
            let _ = writeln!(std::io::stderr(), "browser test skipped: {reason}");
            return None;
        }
    };
    let runtime = Runtime::new().unwrap();
    let config = Config { admin: Some("127.0.0.1:0".to_owned()), ..Config::default() };
    let server = Server::new(rwgi_server::demo::application()).bind("127.0.0.1:0").config(config);
    let server = runtime.block_on(server.start()).unwrap();
    let origin = format!("http://{}", server.address().unwrap());
    Some(Visit { browser, origin, server, runtime })
}

impl Visit {
    fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.origin));
    }

    /// Waits for the end of what a part of the page does; gives how it ended and what it says.
    fn ended(&self, part: &str) -> (String, String) {
        let state = self.browser.until(&format!(
            "['done', 'stopped', 'failed'].includes(document.querySelector('{part}').dataset.state) \
             && document.querySelector('{part}').dataset.state"
        ));
        let said = self.browser.text(&format!("{part} .status"));
        (state.as_str().unwrap().to_owned(), said)
    }

    /// The server must end, too: nothing of the visit may be left hanging in it.
    fn end(self) {
        drop(self.browser);
        self.runtime.block_on(self.server.stop()).unwrap();
    }
}

#[test]
fn a_person_sees_the_environ_of_the_very_request() {
    let Some(visit) = visit() else { return };
    visit.open("/?greeting=hello");
    let browser = &visit.browser;
    assert_eq!(browser.complaints(), [""; 0], "the page loads without a complaint");

    let served = browser.text("#served");
    assert!(served.starts_with("GET /?greeting=hello HTTP/1.1 from 127.0.0.1:"), "{served}");
    assert!(served.contains("answered by rwgi-server/"), "{served}");
    let request = browser.text("#facts-request");
    assert!(request.contains(&format!("{}/?greeting=hello", visit.origin)), "{request}");
    let agent = browser.run("return navigator.userAgent");
    let fields = browser.text("#facts-fields");
    assert!(fields.contains(agent.as_str().unwrap()), "{fields} has the browser's own name");
    assert!(browser.text("#facts-variables").contains("REQUEST_METHODGET"));
    assert!(browser.text("#facts-limits").contains("bytes"));
    assert!(!browser.text("#facts-capabilities").is_empty());

    browser.click("#environ a[href='?greeting=hello&from=the%20query']");
    browser.until("document.querySelector('#served').textContent.includes('from=the%20query')");
    visit.end();
}

#[test]
fn a_person_sees_a_stream_arrive_piece_by_piece() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;
    browser.run(
        "const form = document.querySelector('#stream-form').elements;
         form.n.value = 5;
         form.interval.value = 200;
         window.states = [];
         const log = document.querySelector('#stream-log');
         new MutationObserver(() => states.push([log.children.length, performance.now()]))
            .observe(log, { childList: true });",
    );
    browser.click("#stream-start");
    let (state, said) = visit.ended("#stream");
    assert_eq!(state, "done", "{said}");
    let log = browser.text("#stream-log");
    for piece in 1..=5 {
        assert!(log.contains(&format!("piece {piece} of 5")), "{log}");
    }
    // The first state is the log being emptied. A slow browser may get two pieces at once, but never all.
    let states = browser.run("return states.filter(([pieces]) => pieces > 0)");
    let states: Vec<_> =
        states.as_array().unwrap().iter().map(|state| (&state[0], &state[1])).collect();
    assert!(states.len() >= 3, "the log was seen in only these states: {states:?}");
    assert!(states.is_sorted_by_key(|(pieces, _)| pieces.as_u64()));
    let time =
        |state: Option<&(&Value, &Value)>| state.and_then(|(_, time)| time.as_f64()).unwrap();
    let took = time(states.last().copied().as_ref()) - time(states.first());
    assert!(took >= 200.0, "all pieces came within {took} ms");
    visit.end();
}

#[test]
fn a_person_stops_a_stream_and_the_server_lets_go() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    visit.browser.run(
        "const form = document.querySelector('#stream-form').elements;
         form.n.value = 1000;
         form.interval.value = 50;",
    );
    visit.browser.click("#stream-start");
    visit.browser.until("document.querySelectorAll('#stream-log li').length >= 2");
    visit.browser.click("#stream-stop");
    let (state, said) = visit.ended("#stream");
    assert_eq!(state, "stopped", "{said}");
    // Fifty seconds of the stream are left: if the exchange went on, the server could not end in time.
    visit.end();
}

#[test]
fn a_person_sees_an_upload_come_back_with_its_progress() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;
    browser.run(
        "window.values = [];
         const bar = document.querySelector('#echo-back');
         new MutationObserver(() => values.push(bar.value / bar.max)).observe(bar, { attributes: true });",
    );
    browser.click("#echo-random");
    let (state, said) = visit.ended("#echo");
    assert_eq!(state, "done", "{said}");
    assert!(said.contains("8,388,608 bytes") && said.contains("every one the same"), "{said}");
    for bar in ["#echo-sent", "#echo-back"] {
        assert_eq!(browser.run(&format!("return document.querySelector('{bar}').position")), 1.0);
        assert_eq!(browser.text(&format!("{bar}-text")), "8,388,608 bytes");
    }
    let partly = browser.run("return values.filter((value) => value > 0 && value < 1).length");
    assert!(partly.as_u64().unwrap() >= 2, "progress was seen {partly} times on its way");
    visit.end();
}

#[test]
fn a_person_talks_over_a_websocket() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;
    browser.click("#console-send");
    browser.until("document.querySelectorAll('#console-log li').length == 1");
    browser.run("document.querySelector('#console-form').elements.message.value = 'Grüße 😀'");
    browser.click("#console-send");
    browser.until("document.querySelectorAll('#console-log li').length == 2");
    let log = browser.text("#console-log");
    assert!(log.contains("Hello") && log.contains("Grüße 😀"), "{log}");
    let said = browser.text("#console-status");
    assert!(said.contains("permessage-deflate"), "{said}");
    browser.click("#console-close");
    let (state, said) = visit.ended("#console");
    assert_eq!((state.as_str(), said.as_str()), ("done", "Closed with 1000."));
    visit.end();
}

#[test]
fn a_person_sees_how_far_a_download_is() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;
    browser.run(
        "window.told = [];
         const bar = document.querySelector('#download-told');
         new MutationObserver(() => told.push(bar.value / bar.max)).observe(bar, { attributes: true });",
    );
    browser.click("#download-run");
    let (state, said) = visit.ended("#download");
    assert_eq!(state, "done", "{said}");
    assert!(said.starts_with("Closed with 1000 (all sent): 8,388,608 bytes came"), "{said}");
    let partly = browser.run("return told.filter((value) => value > 0 && value < 1).length");
    assert!(partly.as_u64().unwrap() >= 2, "progress was told {partly} times on its way");
    visit.end();
}

#[test]
fn a_page_of_another_origin_opens_no_websocket() {
    let Some(visit) = visit() else { return };
    // A page without an address has the origin `null`.
    visit.browser.open("data:text/html,<p>elsewhere");
    let address = visit.origin.replace("http", "ws");
    visit.browser.run(&format!(
        "window.seen = ''; const socket = new WebSocket('{address}/socket/echo');
         socket.onopen = () => {{ seen = 'opened'; }}; socket.onclose = () => {{ seen ||= 'refused'; }};"
    ));
    visit.browser.until("window.seen !== ''");
    assert_eq!(visit.browser.run("return window.seen"), "refused");
    visit.end();
}

#[test]
fn a_person_sends_a_file() {
    let Some(visit) = visit() else { return };
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("a <b>file.bin");
    let content: Vec<u8> = (0..200_001_u32).map(|place| (place * 31 % 251) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    visit.open("/");
    visit.browser.type_into("#echo-file", file.to_str().unwrap());
    let (state, said) = visit.ended("#echo");
    assert_eq!(state, "done", "{said}");
    assert!(said.contains("200,001 bytes"), "{said}");
    visit.end();
}

#[test]
fn a_person_sees_an_error_before_and_after_the_head() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;

    browser.click("#before-run");
    let (state, said) = visit.ended("#error-before");
    assert_eq!(state, "done", "{said}");
    assert!(said.contains("Status 500") && said.contains("complete"), "{said}");
    assert!(!browser.text("#before-body").contains("as it was asked to"), "the cause is not told");

    browser.click("#after-run");
    let (state, said) = visit.ended("#error-after");
    assert_eq!(state, "done", "{said}");
    assert!(said.contains("Status 200") && said.contains("the message was cut"), "{said}");
    assert!(browser.text("#after-body").contains("This is the beginning"));

    visit.open("/error/before");
    assert_eq!(
        browser.run("return performance.getEntriesByType('navigation')[0].responseStatus"),
        500
    );
    visit.end();
}

#[test]
fn a_person_reads_the_documentation() {
    let Some(visit) = visit() else { return };
    visit.open("/");
    let browser = &visit.browser;
    browser.click("nav a[href='/documentation']");
    browser.until("document.title === 'RWGI: the contract on one page'");
    browser.click(".documents a[href$='spec/src/exchange.md']");
    browser.until("document.title === 'The exchange: RWGI'");
    assert!(browser.text("article").contains("REQ-EXCH-01"));
    browser.click("article a[href$='environ.md']");
    browser.until("document.title === 'The environ: RWGI'");
    assert_eq!(browser.complaints(), [""; 0]);
    visit.end();
}

#[test]
fn nothing_that_a_link_carries_runs_in_the_page() {
    let Some(visit) = visit() else { return };
    let browser = &visit.browser;
    for attack in [
        "/?q='\"><script>window.owned=1</script>",
        "/?q=<img src=x onerror=window.owned=1>",
        "/nowhere/\"><svg onload=window.owned=1>",
        "/nowhere/%3Cscript%3Ewindow.owned=1%3C/script%3E",
    ] {
        visit.open(attack);
        assert!(browser.run("return window.owned").is_null(), "{attack}");
        let foreign =
            browser.run("return document.querySelectorAll('body script, svg, [onerror]').length");
        assert_eq!(foreign, 0, "{attack}");
    }
    visit.end();
}

#[test]
fn no_page_is_wider_than_a_phone() {
    let Some(visit) = visit() else { return };
    visit.browser.set_width(360);
    for path in ["/", "/documentation", "/documentation/spec/src/comparison.md", "/nowhere"] {
        visit.open(path);
        let width = visit.browser.run("return document.documentElement.scrollWidth");
        assert_eq!(width, 360, "{path}");
    }
    visit.end();
}

#[test]
fn an_operator_sees_the_state_change_by_itself() {
    let Some(visit) = visit() else { return };
    let browser = &visit.browser;
    let admin = format!("http://{}", visit.server.admin_address().unwrap());
    browser.open(&admin);
    browser.until("document.documentElement.dataset.asked >= 1");
    assert_eq!(browser.text("#state"), "ready");
    assert!(browser.text("#where").contains(&visit.origin["http://".len()..]));
    let exchanges = "Number([...document.querySelectorAll('#numbers div')].find(div => \
                     div.firstChild.textContent === 'Exchanges').lastChild.textContent)";
    assert_eq!(browser.run(&format!("return {exchanges}")), 0);
    // Somebody else uses the server meanwhile; nobody reloads the page.
    let mut stream = std::net::TcpStream::connect(&visit.origin["http://".len()..]).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    browser.until(&format!("{exchanges} === 3"));
    browser.until("document.querySelector('#connections-now').textContent === '1'");
    browser.until("document.querySelector('#statuses').textContent === '2003'");
    browser.until("document.querySelectorAll('#latency polyline').length === 3");
    let drawn = "document.querySelector('#rate polyline').getAttribute('points').split(' ').length";
    browser.until(&format!("{drawn} >= 2"));
    browser.until("[...document.querySelectorAll('#p99-now')].length === 1");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.set_width(360);
    assert_eq!(browser.run("return document.documentElement.scrollWidth"), 360);
    drop(stream);
    visit.end();
}
