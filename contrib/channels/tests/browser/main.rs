//! The chat on the demo's page in two real browsers, at two processes over one Redis: what one says the other hears, and a Redis that dies is only a gap.
//!
//! Rules of this room: the processes are processes, this program run again; what a person sees is what is asserted. Where Chromium or Redis
//! is not installed the test says so and is skipped, unless `RWGI_REQUIRE_BROWSER` or `RWGI_REQUIRE_REDIS` is set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../../examples/chat/application.rs"]
mod application;
#[path = "../redis_server/mod.rs"]
mod redis_server;
#[path = "../../../../reference-server/tests/browser/webdriver.rs"]
#[allow(dead_code, reason = "this test needs less of it than those of the demo")]
mod webdriver;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rwgi_channels::{Redis, RedisConfig};

use self::redis_server::RedisServer;
use self::webdriver::Browser;

/// A process of the chat.
struct Process {
    child: Child,
    origin: String,
    /// What it says; held, for a pipe that nobody reads is broken.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(name: &str, redis: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_process_of_the_chat", "--nocapture"])
            .env("RWGI_TEST_CHAT", name)
            .env("RWGI_TEST_REDIS", redis)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut lines = BufReader::new(output).lines();
        let origin = lines.find_map(|line| Some(line.ok()?.split_once("http://")?.1.to_owned()));
        let origin = format!("http://{}", origin.expect("the process says where it is"));
        Self { child, origin, _output: lines }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: a process of the chat, until it is killed.
#[tokio::test]
#[ignore = "run by the test below"]
async fn a_process_of_the_chat() {
    let Ok(name) = std::env::var("RWGI_TEST_CHAT") else { return };
    let url = std::env::var("RWGI_TEST_REDIS").unwrap();
    let layer = Arc::new(Redis::connect(RedisConfig::new(url)).await.unwrap());
    let demo = application::on_the_demo(layer, &name);
    let running = rwgi_server::Server::new(demo).bind("127.0.0.1:0").start().await.unwrap();
    println!("http://{}", running.address().unwrap());
    std::future::pending().await
}

fn open(process: &Process) -> Option<Browser> {
    match Browser::start() {
        Ok(browser) => {
            browser.open(&process.origin);
            browser.enter_frame("iframe[src$='/chat/']");
            browser.until("document.getElementById('state')?.textContent === 'connected'");
            Some(browser)
        }
        Err(reason) => {
            assert!(std::env::var_os("RWGI_REQUIRE_BROWSER").is_none(), "no browser: {reason}");
            // Straight to the stream: the test harness holds back what a passing test prints.
            let _ = writeln!(std::io::stderr(), "browser test skipped: {reason}");
            None
        }
    }
}

fn say(browser: &Browser, text: &str) {
    browser.type_into("#text", text);
    browser.click("button");
}

fn hears(browser: &Browser, text: &str) {
    browser.until(&format!("document.getElementById('lines').textContent.includes('{text}')"));
}

#[test]
fn two_browsers_at_two_processes_hear_each_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(mut redis) = runtime.block_on(RedisServer::start()) else { return };
    let (one, other) = (Process::start("one", &redis.url()), Process::start("other", &redis.url()));
    let Some(here) = open(&one) else { return };
    let Some(there) = open(&other) else { return };
    say(&here, "Hello from here");
    for browser in [&here, &there] {
        hears(browser, "Hello from here at one");
    }
    say(&there, "and from there");
    for browser in [&here, &there] {
        hears(browser, "and from there at other");
    }
    // Redis dies and comes back: the page says that something may be missing, and the sockets live on.
    runtime.block_on(async {
        redis.kill().await;
        redis.run().await;
    });
    for browser in [&here, &there] {
        hears(browser, "Something was missed here.");
    }
    say(&here, "Still there?");
    hears(&there, "Still there? at one");
    // A process dies: the others do not notice, and its page connects again once there is one.
    drop(other);
    there.until("document.getElementById('state').textContent === 'connecting'");
    say(&here, "Alone");
    hears(&here, "Alone at one");
    let complaints = here.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    drop(there);
    drop(here);
}
