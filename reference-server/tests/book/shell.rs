//! The commands of a page, run as a reader would run them.
//!
//! Rules of this room: a page begins in an empty folder, beside which the repository lies as `rwgi`; its blocks are taken in their
//! order, by the words behind their language:
//!
//! - `console run`: each line behind `$ ` is run and has to succeed (`exit=1`: to fail with 1); the lines below it are what it prints,
//!   where `...` stands for any lines and `[..]` for anything within one. Nothing below it: nothing is compared.
//! - `console serve`: the command is a server and goes on; the page goes on when it says where it listens.
//! - `console beside`: another program that goes on, such as a proxy; the page goes on when it has said the lines below.
//! - `text log`: these lines the server has said, or says now, in this order.
//! - `file=name`: the block is a file of that name; `append=name`: it is added to one.
//!
//! The addresses 127.0.0.1:8000 and, of the admin listener, 127.0.0.1:9000 are others, free ones, when the page is run, and 127.0.0.1:8080, a proxy's, a Unix socket. Nothing sleeps; whatever is waited for has a deadline.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::documents::{Document, files, root};
use super::markdown::{Fence, fences};

/// The address that a page speaks of, and that of the admin listener.
const WRITTEN: [&str; 2] = ["127.0.0.1:8000", "127.0.0.1:9000"];

/// The last line of a server's log, which it does not say itself.
const ENDED: &str = "(it has ended)";

/// For whatever takes so long that something is wrong; the first build of a tutorial takes minutes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(900);

/// Whether a page has anything to run.
pub(crate) fn has_commands(document: &Document) -> bool {
    fences(&document.text).iter().any(|fence| fence.has("run") || fence.has("serve"))
}

/// The tools that a page needs and this machine lacks.
pub(crate) fn missing(document: &Document) -> Vec<String> {
    let fences = fences(&document.text);
    let named =
        fences.iter().filter_map(|fence| fence.value("needs")).flat_map(|tools| tools.split(','));
    let mut tools: Vec<String> = named.map(str::to_owned).collect();
    if document.text.contains("$ curl ") {
        tools.push("curl".to_owned());
    }
    tools.retain(|tool| !on_path(tool));
    tools.dedup();
    tools
}

fn on_path(tool: &str) -> bool {
    path().iter().any(|folder| folder.join(tool).is_file())
}

/// Where programs are looked for: servers are in folders that only root searches.
fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).collect()
}

/// Runs a page; says what is wrong with it.
pub(crate) fn run(document: &Document) -> Result<usize, String> {
    let mut shell = Shell::new(document);
    let mut commands = 0;
    for fence in fences(&document.text) {
        commands += shell
            .block(&fence)
            .map_err(|why| format!("{}:{}: {why}", document.name, fence.line))?;
    }
    shell.end().map_err(|why| format!("{}, at its end: {why}", document.name))?;
    Ok(commands)
}

struct Shell {
    folder: PathBuf,
    server: Option<Server>,
    beside: Vec<Server>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Shell {
    fn new(document: &Document) -> Self {
        let name = document.name.replace(['/', '.'], "-");
        let folder = std::env::temp_dir().join(format!("rwgi-book-{}-{name}", std::process::id()));
        let work = folder.join("work");
        fs::create_dir_all(&work).unwrap();
        symlink(root(), work.join("rwgi")).unwrap();
        Self { folder, server: None, beside: Vec::new() }
    }

    fn work(&self) -> PathBuf {
        // A page that says `cd` means it for what follows.
        let place = fs::read_to_string(self.folder.join("place")).unwrap_or_default();
        if place.trim().is_empty() { self.folder.join("work") } else { PathBuf::from(place.trim()) }
    }

    /// Does what a block says; gives the number of its commands.
    fn block(&mut self, fence: &Fence) -> Result<usize, String> {
        if let Some(name) = fence.value("file") {
            let path = self.work().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.actual(&fence.text)).unwrap();
            if name == "Cargo.toml" {
                // The versions that are built already.
                fs::copy(root().join("Cargo.lock"), self.work().join("Cargo.lock")).unwrap();
            }
        } else if let Some(name) = fence.value("append") {
            let mut file =
                fs::OpenOptions::new().append(true).open(self.work().join(name)).unwrap();
            write!(file, "\n{}", fence.text).unwrap();
        } else if fence.has("log") {
            let server = self.server.as_ref().ok_or("no server runs whose log this could be")?;
            server.says(&fence.text)?;
        } else if fence.has("serve") {
            let [(command, expected)] = &commands(&fence.text)[..] else {
                return Err("a server is one command".to_owned());
            };
            self.stop()?;
            built(command)?;
            let server = Server::start(self.command(&self.actual(command)))?;
            server.says(expected)?;
            self.server = Some(server);
            return Ok(1);
        } else if fence.has("beside") {
            for (command, expected) in &commands(&fence.text) {
                let program = Server::spawn(self.command(&self.actual(command)))?;
                program.says(expected)?;
                self.beside.push(program);
            }
        } else if fence.has("run") {
            let commands = commands(&fence.text);
            let exit = fence.value("exit").unwrap_or("0");
            for (command, expected) in &commands {
                self.run(command, expected, exit)?;
            }
            return Ok(commands.len());
        }
        Ok(0)
    }

    fn run(&mut self, command: &str, expected: &str, exit: &str) -> Result<(), String> {
        let place = self.folder.join("place");
        let mut shell = self.command(&format!(
            "{{\n{}\n}} 2>&1; code=$?; pwd >'{}'; exit $code",
            self.actual(command),
            place.display()
        ));
        let mut child = shell.spawn().map_err(|why| why.to_string())?;
        let mut stdout = child.stdout.take().unwrap();
        let (sender, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut octets = Vec::new();
            let _ = stdout.read_to_end(&mut octets);
            let _ = sender.send(octets);
        });
        let Ok(octets) = said.recv_timeout(DEADLINE) else {
            let _ = child.kill();
            return Err(format!("`{command}` takes for ever"));
        };
        let code =
            child.wait().unwrap().code().map_or("a signal".to_owned(), |code| code.to_string());
        let said = self.written(&String::from_utf8_lossy(&octets));
        if code != exit {
            return Err(format!("`{command}` ended with {code}, not {exit}; it said:\n{said}"));
        }
        if !expected.is_empty() && !matches(expected, &said) {
            return Err(format!("`{command}` said:\n{said}and not:\n{expected}"));
        }
        Ok(())
    }

    /// A shell for one command, in the page's folder.
    fn command(&self, command: &str) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_rwgi")).parent().unwrap();
        let examples = built.join("examples");
        let path = std::env::join_paths([built.to_path_buf(), examples].into_iter().chain(path()));
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.work()).process_group(0);
        shell.env("PATH", path.unwrap()).env("RWGI_BIND", "127.0.0.1:0").env("NO_COLOR", "1");
        // What a page builds is built beside the tests, with the versions and settings that they had, so that little is.
        shell.env("CARGO_TARGET_DIR", built.parent().unwrap()).env("CARGO_NET_OFFLINE", "true");
        shell.env(
            "CARGO_PROFILE_DEV_DEBUG",
            std::env::var("CARGO_PROFILE_DEV_DEBUG").unwrap_or("line-tables-only".into()),
        );
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("RWGI_") && name != "RWGI_BIND")
        {
            shell.env_remove(name);
        }
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    /// What the page says, with the server's address in it.
    fn actual(&self, text: &str) -> String {
        // An example is built by `cargo test` already; what the reader types builds the same and runs it.
        let text = text.replace("cargo run -p rwgi-server --example ", "");
        let proxy = self.folder.join("work/proxy.sock").display().to_string();
        let text = text
            .replace("listen 127.0.0.1:8080;", &format!("listen unix:{proxy};"))
            .replace("http://127.0.0.1:8080", &format!("--unix-socket {proxy} http://localhost"));
        // What a unit or a manifest names by its place is the program that is tested.
        let text = text.replace("/usr/local/bin/rwgi", env!("CARGO_BIN_EXE_rwgi"));
        match self.server.as_ref() {
            Some(server) => server
                .addresses
                .iter()
                .zip(WRITTEN)
                .fold(text, |text, (actual, written)| text.replace(written, actual)),
            None => text,
        }
    }

    /// What was said, with the page's address in it.
    fn written(&self, text: &str) -> String {
        let text = text.replace('\r', "").replace(self.folder.join("work").to_str().unwrap(), "~");
        match self.server.as_ref() {
            Some(server) => server.written(&text),
            None => text,
        }
    }

    fn stop(&mut self) -> Result<(), String> {
        self.server.take().map_or(Ok(()), Server::stop)
    }

    fn end(mut self) -> Result<(), String> {
        self.beside.drain(..).try_for_each(Server::stop)?;
        self.stop()
    }
}

/// Builds the example that a command runs, unless it is there and newer than what it is made of.
fn built(command: &str) -> Result<(), String> {
    let Some((_, example)) = command.split_once("cargo run -p rwgi-server --example ") else {
        return Ok(());
    };
    let example = example.split(' ').next().unwrap_or_default();
    let built = Path::new(env!("CARGO_BIN_EXE_rwgi")).with_file_name("examples").join(example);
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let sources = ["gateway-trait/src", "reference-server/src", "reference-server/examples"];
    let newest = sources
        .iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .filter_map(|path| changed(&path))
        .max();
    if changed(&built) >= newest {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "-p", "rwgi-server", "--example", example])
        .current_dir(root())
        .output()
        .map_err(|why| why.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The commands of a block, each with the lines below it.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), String::new())),
            (None, Some((command, _))) if goes_on => {
                command.push('\n');
                command.push_str(line.strip_prefix("> ").unwrap_or(line));
            }
            (None, Some((_, expected))) => {
                expected.push_str(line);
                expected.push('\n');
            }
            (None, None) => {}
        }
        goes_on = line.ends_with('\\') && (line.starts_with("$ ") || goes_on);
    }
    found
}

/// Whether a text is what a page expects.
fn matches(expected: &str, said: &str) -> bool {
    let expected: Vec<&str> = expected.lines().map(str::trim_end).collect();
    let said: Vec<&str> = said.lines().map(str::trim_end).collect();
    lines_match(&expected, &said)
}

fn lines_match(expected: &[&str], said: &[&str]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((&"...", rest)) => (0..=said.len()).any(|from| lines_match(rest, &said[from..])),
        Some((line, rest)) => said
            .split_first()
            .is_some_and(|(first, after)| line_matches(line, first) && lines_match(rest, after)),
    }
}

fn line_matches(expected: &str, said: &str) -> bool {
    let mut parts = expected.split("[..]");
    let Some(mut rest) = said.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// A server that a page has started.
struct Server {
    child: Child,
    /// Where it listens, and then its admin listener, if there is one.
    addresses: Vec<String>,
    log: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // As a supervisor asks, so that what it has started ends with it.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        if self.wait(|lines| lines.last().filter(|line| *line == ENDED).map(drop)).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it and waits until it says where it listens.
    fn start(command: Command) -> Result<Self, String> {
        let mut server = Self::spawn(command)?;
        let found = server.wait(|lines| {
            let ended = || lines.last().filter(|line| *line == ENDED).cloned();
            lines.iter().find_map(|line| listening(line)).or_else(ended)
        });
        match found {
            Ok(address) if address != ENDED => {
                // The admin listener says so before.
                let lines = server.log.0.lock().unwrap().clone();
                let admin = lines.iter().find_map(|line| address_behind(line, "admin="));
                server.addresses = [address].into_iter().chain(admin).collect();
            }
            _ => return Err(format!("it did not say where it listens:\n{}", server.said())),
        }
        Ok(server)
    }

    /// Starts it.
    fn spawn(mut command: Command) -> Result<Self, String> {
        let script = command
            .get_args()
            .nth(1)
            .unwrap()
            .to_str()
            .unwrap()
            .replace(WRITTEN[0], "127.0.0.1:0")
            .replace(WRITTEN[1], "127.0.0.1:0");
        let folder = command.get_current_dir().unwrap().to_path_buf();
        let variables: BTreeMap<_, _> =
            command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
        command = Command::new("sh");
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .args(["-c", &format!("exec 2>&1; exec env {script}")])
            .current_dir(folder)
            .process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|why| why.to_string())?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log: Arc<(Mutex<Vec<String>>, Condvar)> = Arc::default();
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writer.0.lock().unwrap().push(line);
                writer.1.notify_all();
            }
            writer.0.lock().unwrap().push(ENDED.to_owned());
            writer.1.notify_all();
        });
        Ok(Self { child, addresses: Vec::new(), log })
    }

    /// Waits until the log shows what is looked for.
    fn wait<T>(&self, look: impl Fn(&[String]) -> Option<T>) -> Result<T, String> {
        let until = Instant::now() + DEADLINE;
        let mut lines = self.log.0.lock().unwrap();
        loop {
            if let Some(found) = look(&lines) {
                return Ok(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("it takes for ever".to_owned());
            }
            lines = self.log.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits until these lines have been said, in this order.
    fn says(&self, expected: &str) -> Result<(), String> {
        let expected: Vec<&str> = expected.lines().filter(|line| *line != "...").collect();
        self.wait(|lines| {
            let mut said = lines.iter().map(|line| self.written(line));
            let all =
                expected.iter().all(|line| said.any(|said| line_matches(line, said.trim_end())));
            match (all, lines.last()) {
                (true, _) => Some(Ok(())),
                (false, Some(last)) if last == ENDED => Some(Err(())),
                _ => None,
            }
        })?
        .map_err(|()| format!("it did not say:\n{}\nbut:\n{}", expected.join("\n"), self.said()))
    }

    /// What was said, with the page's addresses in it.
    fn written(&self, text: &str) -> String {
        let pairs = self.addresses.iter().zip(WRITTEN);
        pairs.fold(text.to_owned(), |text, (actual, written)| text.replace(actual, written))
    }

    fn said(&self) -> String {
        self.log.0.lock().unwrap().join("\n")
    }

    /// Ends it as a supervisor does; it has to end well.
    fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        self.wait(|lines| lines.last().filter(|line| *line == ENDED).map(drop))?;
        let status = self.child.wait().unwrap();
        if status.success() {
            Ok(())
        } else {
            Err(format!("the server ended with {status}:\n{}", self.said()))
        }
    }
}

/// The address of a line that says where a server listens.
fn listening(line: &str) -> Option<String> {
    line.contains("listening").then(|| address_behind(line, "endpoint="))?
}

fn address_behind(line: &str, name: &str) -> Option<String> {
    let (_, address) = line.split_once(name)?;
    let address = address.split([' ', '"']).next()?;
    address.starts_with("127.0.0.1:").then(|| address.to_owned())
}

#[test]
fn what_is_said_is_compared_with_what_is_expected() {
    for (expected, said, holds) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a\nb\n", false),
        ("...\nb\n", "a\na\nb\n", true),
        ("a\n...\n", "a\n", true),
        ("date: [..] GMT\n", "date: Sun, 22 Nov 2026 11:00:00 GMT\n", true),
        ("[..]b[..]\n", "abc\n", true),
        ("[..]x[..]\n", "abc\n", false),
        ("a[..]\n", "b\n", false),
    ] {
        assert_eq!(matches(expected, said), holds, "{expected:?} {said:?}");
    }
    let block = "$ one \\\n    two\nsaid\n$ three\n";
    assert_eq!(
        commands(block),
        [("one \\\n    two".into(), "said\n".into()), ("three".into(), String::new())]
    );
    assert_eq!(
        listening("INFO x: listening endpoint=127.0.0.1:8000"),
        Some("127.0.0.1:8000".into())
    );
}
