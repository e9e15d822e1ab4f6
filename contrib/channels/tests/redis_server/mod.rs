//! A Redis server for a test: on a Unix socket in a folder of its own, and on a free port where one is asked for.
//!
//! Rules of this room: it is killed when it is dropped; it keeps nothing on disk; where it is not installed that is said once and aloud.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;
use std::time::{Duration, Instant};

use rwgi_channels::{Redis, RedisConfig};
use tokio::process::{Child, Command};

/// Nothing here takes this long unless it hangs.
const GUARD: Duration = Duration::from_secs(90);

pub struct RedisServer {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one on a socket; `None` where it is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with(0, &[]).await
    }

    /// Starts one on a free port as well.
    pub async fn start_on_port() -> Option<Self> {
        Self::start_on_port_with(&[]).await
    }

    /// The same, with further arguments.
    pub async fn start_on_port_with(arguments: &[&str]) -> Option<Self> {
        // Free now; another process could take it before Redis does, and then the start fails with a clear word.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_with(port, arguments).await
    }

    pub async fn start_with(port: u16, arguments: &[&str]) -> Option<Self> {
        static SAID: Once = Once::new();
        let installed = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        if installed.is_err() {
            assert!(
                std::env::var_os("RWGI_REQUIRE_REDIS").is_none(),
                "redis-server is not installed"
            );
            SAID.call_once(|| {
                eprintln!("SKIPPED: tests with Redis, for redis-server is not installed")
            });
            return None;
        }
        let name = format!("rwgi-redis-{}-{:016x}", std::process::id(), getrandom::u64().unwrap());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        let mut server = Self { child: None, folder, port, arguments };
        server.run().await;
        Some(server)
    }

    /// Starts the process, and waits until it answers.
    pub async fn run(&mut self) {
        let mut child = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"])
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        self.child = Some(child);
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(output));
        let ready = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("ready to accept connections") {
                    // What follows is read too, or it would wait for a reader.
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    return;
                }
                said.push_str(&line);
                said.push('\n');
            }
            panic!("redis-server ended:\n{said}");
        };
        tokio::time::timeout(GUARD, ready).await.expect("redis-server is ready");
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address: the port where it has one, else the socket.
    pub fn url(&self) -> String {
        match self.port {
            0 => self.socket_url(),
            port => format!("redis://127.0.0.1:{port}"),
        }
    }

    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Awaits what has to come.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(GUARD, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// With limits that a slow machine keeps as well, for whoever expects that all goes well.
pub fn patient(config: RedisConfig) -> RedisConfig {
    RedisConfig { timeout: Duration::from_secs(30), ..config }
}

/// A layer, however long its first connection takes.
pub async fn connected(config: RedisConfig) -> Redis {
    within("a connection to Redis", async {
        loop {
            match Redis::connect(config.clone()).await {
                Ok(layer) => return layer,
                Err(error) => eprintln!("{error}"),
            }
        }
    })
    .await
}

/// Says how long it took, for the tool that makes the table of it (`contrib/channels/tools/recovery.py`).
pub fn recovered(what: &str, since: Instant) {
    println!("recovered: {what}: {:.1} ms", since.elapsed().as_secs_f64() * 1e3);
}
