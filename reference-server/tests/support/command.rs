//! The `rwgi` command as a child process.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::sync::oneshot;

/// A running `rwgi`; killed when the test is over.
#[derive(Debug)]
pub struct Rwgi {
    child: Running,
    pub address: SocketAddr,
    lines: std::thread::JoinHandle<Vec<String>>,
}

/// A child that does not outlive its owner.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end. One that does not end is killed: the runtime of a test that fails would wait for whoever waits for it.
    async fn ended(mut self) -> ExitStatus {
        let pid = self.0.id().to_string();
        let wait = tokio::task::spawn_blocking(move || self.0.wait().unwrap());
        let ended = tokio::time::timeout(super::GUARD, wait).await;
        if ended.is_err() {
            let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
        }
        ended.expect("waited in vain for the process to end").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command, with nothing of the test's environment that would change it.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rwgi"));
    command.env_remove("RWGI_BIND").env_remove("RWGI_LOG").stdin(Stdio::null());
    command
}

impl Rwgi {
    /// Starts it on a free port and waits until it says where.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these flags as well.
    pub async fn start_with(flags: &[&str]) -> Self {
        let mut command = command();
        command.args(["--bind", "127.0.0.1:0"]).args(flags);
        Self::spawn(command).await
    }

    /// Starts what serves it in the end, and waits until it says where.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, address) = oneshot::channel();
        let lines = std::thread::spawn(move || {
            let mut sender = Some(sender);
            let mut lines = Vec::new();
            for line in stderr.lines().map_while(Result::ok) {
                let address = line.rsplit_once("endpoint=").map(|(_, address)| address.trim());
                if let Some(address) = address.and_then(|address| address.parse().ok())
                    && let Some(sender) = sender.take()
                {
                    let _ = sender.send(address);
                }
                lines.push(line);
            }
            lines
        });
        let address = super::within("the command to say where it listens", address).await.unwrap();
        Self { child: Running(child), address, lines }
    }

    pub fn signal(&self, signal: &str) {
        self.child.signal(signal);
    }

    /// Starts a process, sends it a signal once it says something, and waits for its end: its exit status and what it said.
    pub async fn told(
        mut command: Command,
        cue: &'static str,
        signal: &str,
    ) -> (ExitStatus, String) {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = Running(child.unwrap());
        let mut stderr = BufReader::new(child.0.stderr.take().unwrap());
        let (sender, heard) = oneshot::channel();
        let rest = std::thread::spawn(move || {
            let mut said = String::new();
            while !said.contains(cue) && stderr.read_line(&mut said).unwrap() > 0 {}
            let _ = sender.send(());
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        super::within("the cue", heard).await.unwrap();
        child.signal(signal);
        (child.ended().await, rest.join().unwrap())
    }

    /// Waits for its end; gives the exit status and what it said.
    pub async fn ended(self) -> (ExitStatus, String) {
        let Self { child, lines, .. } = self;
        (child.ended().await, lines.join().unwrap().join("\n"))
    }

    /// The numbers of the open descriptors.
    pub fn descriptors(&self) -> BTreeSet<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.0.id()))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
            .collect()
    }

    /// The processor time that it has spent.
    pub fn processor(&self) -> std::time::Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.0.id())).unwrap();
        // Fields 14 and 15 (proc(5)), in hundredths; the name before them may hold anything but a last parenthesis.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|&at| fields[at].parse::<u64>().unwrap()).sum();
        std::time::Duration::from_millis(ticks * 10)
    }

    /// The resident set in KiB.
    pub fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The largest resident set so far in KiB.
    pub fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}
