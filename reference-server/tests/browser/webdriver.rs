//! A WebDriver client, as small as these tests need it: JSON over HTTP/1.1 to a chromedriver that drives a headless Chromium.
//!
//! Rules of this room: each browser is fresh and ends with its value; chromedriver chooses its port; every wait is for
//! an event and has an end; what WebDriver refuses fails the test.
#![allow(
    clippy::panic,
    reason = "clippy sees no test here, since only functions marked as tests count"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than anything takes on a busy machine; what lasts longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Chromium without a window.
pub(crate) struct Browser {
    driver: Driver,
    session: String,
}

/// The chromedriver process.
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    /// Starts a browser; `Err` with the reason where none is installed.
    pub(crate) fn start() -> Result<Self, String> {
        let driver = Driver::start()?;
        let options = json!({ "args": [
            "--headless",
            "--no-sandbox", // in containers tests run as root, and Chromium refuses its sandbox to root
            "--disable-gpu",
            "--force-prefers-reduced-motion", // a click must not meet a page that still scrolls
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ] });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE.as_millis() as u64 },
        } } });
        let answer = driver.call("POST", "/session", &capabilities);
        if let Some(message) = answer["message"].as_str() {
            assert!(message.contains("cannot find"), "the browser did not start: {message}");
            return Err(message.to_owned());
        }
        let session = answer["sessionId"].as_str().expect("a new session has an id").to_owned();
        Ok(Self { driver, session })
    }

    /// Loads a page and waits until it is there.
    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", json!({ "url": url }));
    }

    /// Runs a function body in the page, waits for the promise that it may return, and gives its value.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression holds, looking whenever the page changes; gives its value.
    pub(crate) fn until(&self, expression: &str) -> Value {
        self.run(&format!(
            "return new Promise((resolve) => {{
                const look = () => {{
                    const value = {expression};
                    if (value) {{ observer.disconnect(); resolve(value); }}
                }};
                const observer = new MutationObserver(look);
                observer.observe(document,
                    {{ subtree: true, childList: true, attributes: true, characterData: true }});
                look();
            }});"
        ))
    }

    /// The text of the element that a selector finds, shown or not.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).textContent", json!(selector));
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Clicks as a person does: the element is scrolled to and must not be covered.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/click"), json!({}));
    }

    /// Types into an element; for a file input, chooses a file.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/value"), json!({ "text": text }));
    }

    /// Goes on inside of a frame of the page, with every call from here.
    #[allow(dead_code, reason = "the demo of the server has no frames, the chat's has one")]
    pub(crate) fn enter_frame(&self, selector: &str) {
        let id = json!({ "element-6066-11e4-a52e-4f735466cecf": self.find(selector) });
        self.call("POST", "/frame", json!({ "id": id }));
    }

    /// Makes the page as wide as a screen of that many pixels.
    pub(crate) fn set_width(&self, pixels: u32) {
        let metrics =
            json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": true });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
        self.call("POST", "/goog/cdp/execute", command);
    }

    /// What the browser complained of on its console since the last call.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    fn find(&self, selector: &str) -> String {
        let query = json!({ "using": "css selector", "value": selector });
        let found = self.call("POST", "/element", query);
        let ids = found.as_object().and_then(|object| object.values().next());
        ids.and_then(Value::as_str).expect("an element that was found has an id").to_owned()
    }

    fn call(&self, method: &str, command: &str, content: Value) -> Value {
        let path = format!("/session/{}{command}", self.session);
        let answer = self.driver.call(method, &path, &content);
        assert!(answer["error"].is_null(), "{command} with {content}: {}", answer["message"]);
        answer
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser and removes its profile. A panic here would hide the test's own.
        let _ = self.driver.exchange("DELETE", &format!("/session/{}", self.session), "{}");
    }
}

impl Driver {
    /// chromedriver takes a free port of IPv4, and ends where the same number of IPv6 is taken: then another is started.
    fn start() -> Result<Self, String> {
        for _ in 0..20 {
            let started = Command::new("chromedriver")
                .arg("--port=0")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut process = match started {
                Ok(process) => process,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err("there is no chromedriver on the PATH".to_owned());
                }
                Err(error) => panic!("chromedriver did not start: {error}"),
            };
            let output = BufReader::new(process.stdout.take().expect("its output was asked for"));
            let port = output.lines().map_while(Result::ok).find_map(|line| {
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse().ok()
            });
            if let Some(port) = port {
                return Ok(Self { process, port });
            }
            process.wait().expect("it has closed its output and ends");
        }
        panic!("chromedriver says on which port it listens")
    }

    /// One command; gives the `value` of the answer.
    fn call(&self, method: &str, path: &str, content: &Value) -> Value {
        let answer = self.exchange(method, path, &content.to_string());
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let mut answer: Value = serde_json::from_slice(&answer).expect("WebDriver answers JSON");
        answer["value"].take()
    }

    fn exchange(&self, method: &str, path: &str, content: &str) -> io::Result<Vec<u8>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE + PATIENCE / 2))?;
        write!(
            &stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{content}",
            self.port,
            content.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
