//! The house: dependencies run one way, quiet rooms are quiet, and the documents name what is there.
//!
//! Rules of this test: it reads manifests and source text only, so that it needs no network and no tool but cargo; each failure says which
//! file breaks which rule of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on says so by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a crate of the workspace may depend on in the workspace: as it is shipped, and in its tests.
const ONE_WAY: [(&str, &[&str], &[&str]); 4] = [
    ("rwgi", &[], &[]),
    ("rwgi-conformance", &["rwgi"], &[]),
    ("rwgi-server", &["rwgi"], &["rwgi-conformance"]),
    ("benches", &["rwgi", "rwgi-server", "rwgi-tower"], &[]),
];

/// All that the contract is made of.
const CONTRACT: [&str; 7] = [
    "async-trait",
    "bytes",
    "futures-channel",
    "http",
    "http-body",
    "pin-project-lite",
    "pollster",
];

/// What the contract reaches by no way: a runtime, an HTTP implementation, a framework.
const NEVER_BELOW_THE_CONTRACT: [&str; 7] =
    ["async-std", "axum", "hyper", "hyper-util", "smol", "tokio", "tower"];

/// Rooms that take values and give values.
const ROOMS_THAT_THINK: &[&str] = &[
    "contrib/cgi/src/cgi_bin/document.rs",
    "contrib/cgi/src/fastcgi/record.rs",
    "contrib/cgi/src/response.rs",
    "contrib/tower/src/duties.rs",
    "contrib/tower/src/mount.rs",
    "gateway-trait/src/environ/path.rs",
    "gateway-trait/src/environ/variables.rs",
    "gateway-trait/src/error.rs",
    "gateway-trait/src/exchange/phase.rs",
    "gateway-trait/src/fields.rs",
    "gateway-trait/src/head.rs",
    "reference-server/src/arrival/proxy.rs",
    "reference-server/src/access_log/escape.rs",
    "reference-server/src/access_log/format.rs",
    "reference-server/src/body_pace.rs",
    "reference-server/src/choice.rs",
    "reference-server/src/config.rs",
    "reference-server/src/config/check.rs",
    "reference-server/src/connection/chunked.rs",
    "reference-server/src/connection/head_watch.rs",
    "reference-server/src/diagnosis.rs",
    "reference-server/src/environ.rs",
    "reference-server/src/fault.rs",
    "reference-server/src/websocket/decoder.rs",
    "reference-server/src/websocket/deflate.rs",
    "reference-server/src/websocket/encoder.rs",
    "reference-server/src/websocket/frame.rs",
    "reference-server/src/forwarded/mod.rs",
    "reference-server/src/forwarded/node.rs",
    "reference-server/src/forwarded/rfc7239.rs",
    "reference-server/src/forwarded/trust.rs",
    "reference-server/src/forwarded/x_forwarded.rs",
    "reference-server/src/observation/trace.rs",
    "reference-server/src/settings/file.rs",
    "reference-server/src/settings/mod.rs",
    "reference-server/src/settings/print.rs",
    "reference-server/src/settings/spelling.rs",
    "reference-server/src/settings/table.rs",
    "reference-server/src/settings/value.rs",
    "reference-server/src/static_files/folders.rs",
];

/// What such a room cannot name: runtimes, sockets, clocks, threads, locks, wakers.
const LOUD: [&str; 16] = [
    "tokio",
    "hyper",
    "TcpListener",
    "TcpStream",
    "UnixStream",
    "std::fs",
    "std::thread",
    "std::sync",
    "Instant",
    "::now(",
    "poll_fn",
    "Waker",
    "async ",
    ".await",
    "Mutex",
    "spawn",
];

/// Past this a file probably holds two things.
const LONG: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Dependencies by crate of the workspace, and the folder that holds it.
struct Member {
    folder: String,
    normal: BTreeSet<String>,
    test: BTreeSet<String>,
}

fn members() -> BTreeMap<String, Member> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let member = |package: &Value| {
        let of = |test: bool| {
            let all = package["dependencies"].as_array().unwrap().iter();
            let some = all.filter(|dependency| (dependency["kind"] == "dev") == test);
            some.map(|dependency| text(&dependency["name"])).collect()
        };
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let folder = folder.strip_prefix(root().canonicalize().unwrap()).unwrap();
        let folder = folder.to_str().unwrap().to_owned();
        (text(&package["name"]), Member { folder, normal: of(false), test: of(true) })
    };
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

#[test]
fn dependencies_run_one_way() {
    let members = members();
    for (name, member) in &members {
        let known = ONE_WAY.iter().find(|(known, _, _)| known == name);
        let (normal, test): (&[&str], &[&str]) = match known {
            Some((_, normal, test)) => (normal, test),
            // A friend knows the contract, and what it is tried out on.
            None if member.folder.starts_with("contrib/") => {
                (&["rwgi"], &["rwgi-server", "rwgi-conformance"])
            }
            None => panic!("{name} in {} has no place in the map of the house", member.folder),
        };
        let inside = |names: &BTreeSet<String>| -> Vec<String> {
            names.iter().filter(|other| members.contains_key(*other)).cloned().collect()
        };
        for other in inside(&member.normal) {
            assert!(normal.contains(&&*other), "{name} depends on {other}: that way is closed");
        }
        for other in inside(&member.test) {
            // A crate may take itself into its tests, with a feature that its users choose.
            let itself = other == *name;
            let allowed = itself || normal.contains(&&*other) || test.contains(&&*other);
            assert!(allowed, "{name} depends on {other} in its tests: that way is closed");
        }
    }
}

#[test]
fn the_contract_names_no_runtime_and_no_http_implementation() {
    let members = members();
    let normal: Vec<&str> = members["rwgi"].normal.iter().map(String::as_str).collect();
    for name in &normal {
        assert!(CONTRACT.contains(name), "rwgi depends on {name}: the list is in this test");
    }
    let locked = locked();
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<String> = normal.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = ahead.pop() {
        ahead.extend(locked.get(&name).into_iter().flatten().cloned());
        assert!(!NEVER_BELOW_THE_CONTRACT.contains(&&*name), "rwgi reaches {name}");
        reached.insert(name.clone());
        ahead.retain(|name| !reached.contains(name));
    }
    assert!(reached.len() > CONTRACT.len(), "the lock file was not understood: {reached:?}");
}

/// What each locked package depends on; several versions of one are one here.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let mut map = BTreeMap::<String, BTreeSet<String>>::new();
    for package in lock["package"].as_array().unwrap() {
        let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
        // "name", or "name version" where there are several.
        let names = dependencies.into_iter().flatten().filter_map(toml::Value::as_str);
        let names = names.filter_map(|name| name.split(' ').next()).map(str::to_owned);
        map.entry(package["name"].as_str().unwrap().to_owned()).or_default().extend(names);
    }
    map
}

/// The code of a file: no comments, no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.enumerate().filter_map(|(index, line)| {
        let line = line.split("// ").next().unwrap_or_default();
        (!line.trim_start().starts_with("//")).then_some((index + 1, line))
    })
}

#[test]
fn rooms_that_think_hold_no_socket_no_clock_and_no_task() {
    for room in ROOMS_THAT_THINK {
        for (line, text) in code(&read(room)) {
            let loud = LOUD.iter().find(|loud| text.contains(**loud));
            assert!(loud.is_none(), "{room}:{line} names {}: {text}", loud.unwrap());
        }
    }
}

#[test]
fn the_demo_knows_the_contract_and_nothing_of_the_server() {
    for path in sources(&root().join("reference-server/src/demo")) {
        for (line, text) in code(&fs::read_to_string(&path).unwrap()) {
            let beyond =
                text.contains("crate::") || text.contains("hyper") || text.contains("super::super");
            assert!(!beyond, "{}:{line} reaches into the server: {text}", path.display());
        }
    }
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_source_file_opens_with_what_it_is_for() {
    let mut seen = 0;
    for member in members().values() {
        let folder = root().join(&member.folder);
        let inside = ["src", "examples", "peers", "tools"].map(|name| folder.join(name));
        for path in inside.iter().flat_map(|folder| sources(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            // A crate may open with its README.
            let opens = text.starts_with("//!") || text.starts_with("#![doc");
            assert!(opens, "{} does not say what it is for", path.display());
            let lines = text.lines().count();
            if lines > LONG {
                println!(
                    "warning: {} has {lines} lines: are there two things in it?",
                    path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} files were found");
}

/// The documents at the root whose links are checked.
const DOCUMENTS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];

/// Links of a document: text, target, line.
fn links(text: &str) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            let text = rest[..at].rsplit('[').next().unwrap_or_default().to_owned();
            let target = rest[at + 2..].split(')').next().unwrap_or_default().to_owned();
            found.push((text, target, index + 1));
            rest = &rest[at + 2..];
        }
    }
    found
}

#[test]
fn the_documents_name_what_is_there() {
    let mut tests = 0;
    for document in DOCUMENTS {
        for (text, target, line) in links(&read(document)) {
            if target.starts_with("https://")
                || target.starts_with('#')
                || target.starts_with("http://127")
            {
                continue;
            }
            let file = target.split('#').next().unwrap_or_default();
            let path = root().join(file);
            assert!(path.exists(), "{document}:{line} links to {file}, which is not there");
            // A link whose text is the name of a test leads to the file that holds it.
            let name = text.trim_matches('`');
            let is_name = text.starts_with('`')
                && name.contains('_')
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_name && file.ends_with(".rs") {
                let holds = fs::read_to_string(&path).unwrap().contains(&format!("fn {name}("));
                assert!(holds, "{document}:{line} names the test {name}, which is not in {file}");
                tests += 1;
            }
        }
    }
    assert!(tests > 10, "ARCHITECTURE.md names only {tests} tests");
}

#[test]
fn every_fuzz_target_has_its_figures() {
    let page = read("conformance-tests/FUZZ.md");
    let mut targets = 0;
    for folder in ["gateway-trait/tests", "reference-server/src", "reference-server/tests"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let names =
                text.lines().filter_map(|line| line.strip_prefix("fn fuzz_")?.split_once('('));
            for (name, _) in names {
                let row = format!("| `fuzz_{name}` |");
                assert!(page.contains(&row), "FUZZ.md has no row of fuzz_{name}: see `just fuzz`");
                targets += 1;
            }
        }
    }
    assert!(targets > 5, "only {targets} targets were found");
}

#[test]
fn the_hello_of_the_readme_is_the_one_that_is_compiled() {
    let readme = read("README.md");
    let hello = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let documented = read("reference-server/src/lib.rs");
    let documented: Vec<&str> = documented
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let lines: Vec<&str> = hello.lines().collect();
    assert!(
        documented.windows(lines.len()).any(|window| window == lines),
        "the example of README.md does not stand in the documentation of rwgi-server"
    );
}

#[test]
fn the_recipes_of_ci_are_what_ci_runs() {
    let justfile = read("justfile");
    let ci = read(".ci/run");
    let recipe = |name: &str| {
        let head = format!("{name}:");
        let mut lines = justfile.lines().skip_while(move |line| !line.starts_with(&head));
        let head = lines.next().unwrap_or_else(|| panic!("the justfile has no recipe {name}"));
        (head.split_once(':').unwrap().1, lines.take_while(|line| line.starts_with("    ")))
    };
    for name in recipe("ci").0.split_whitespace() {
        for command in recipe(name).1.map(str::trim) {
            let runs = ci.lines().any(|line| line.trim() == command);
            assert!(runs, "`{command}` of the recipe {name} does not stand in .ci/run");
        }
    }
}
