//! The command as a program: what it prints, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on says so by panicking.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rwgi-conformance");

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn honest() -> String {
    format!("{PROGRAM} honest --port {{port}}")
}

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn cases_and_requirements_are_listed_for_programs() {
    let (code, out, _) = run(&["list", "--format", "json", "--no-vectors"]);
    assert_eq!(code, 0);
    let list: Value = serde_json::from_str(&out).unwrap();
    let cases = list["cases"].as_array().unwrap();
    assert!(cases.len() >= 150, "{}", cases.len());
    for case in cases {
        for member in ["id", "title", "requirements", "level", "violation"] {
            assert!(!case[member].is_null(), "{case} has no {member}");
        }
    }
    let (code, out, _) = run(&["requirements", "--format", "json"]);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && list["requirements"].as_array().unwrap().len() >= 120);
}

#[test]
fn a_requirement_is_explained_by_two_conversations() {
    let (code, out, _) = run(&["explain", "req-http-22"]);
    assert_eq!(code, 0);
    for part in [
        "without a Host field",
        "A server that keeps it",
        "A server that serves it",
        "expected: status 400",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    assert_eq!(run(&["explain", "REQ-NONE-01"]).0, 2);
}

#[test]
fn a_server_that_is_started_is_judged() {
    let report = scratch("report.html");
    let (code, out, err) = run(&[
        "server",
        "--command",
        &honest(),
        "--format",
        "json",
        "--report",
        report.to_str().unwrap(),
        "--requirement",
        "REQ-HTTP",
        "--no-vectors",
    ]);
    assert_eq!(code, 0, "{out}{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["schema"], &json["held"]), (&Value::from(1), &Value::from(true)));
    assert!(json["summary"]["held"].as_u64().unwrap() > 100, "{}", json["summary"]);
    let page = std::fs::read_to_string(report).unwrap();
    assert!(page.contains("The server kept what it must") && !page.contains("src=\""));
}

#[test]
fn a_server_that_falls_short_is_told_why() {
    let bad = format!("{} --violation host-missing", honest());
    let (code, out, _) = run(&["server", "--command", &bad, "host"]);
    assert_eq!(code, 1);
    for part in [
        "FAILED host-missing",
        "REQ-HTTP-22 (MUST)",
        "expected: status 400",
        "came: status 200",
        "> GET /?tag=",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    let (code, out, _) = run(&["server", "--command", &bad, "--format", "junit", "host"]);
    assert!(code == 1 && out.contains("<failure message=\"expected status 400"), "{out}");
}

#[test]
fn known_failures_are_allowed_and_must_fail() {
    let list = scratch("known.txt");
    std::fs::write(&list, "host-missing because\nhost-missing-absolute-form because\n").unwrap();
    let list = list.to_str().unwrap();
    let bad = format!("{} --violation host-missing", honest());
    let arguments =
        ["server", "--no-vectors", "--known-failing", list, "host-missing", "--command"];
    assert_eq!(run(&[&arguments[..], &[&bad]].concat()).0, 0);
    let (code, out, _) = run(&[&arguments[..], &[&honest()]].concat());
    assert!(code == 1 && out.contains("take it off"), "{out}");
    let unknown = scratch("unknown.txt");
    std::fs::write(&unknown, "no-such-case\n").unwrap();
    let (code, _, err) =
        run(&["server", "--known-failing", unknown.to_str().unwrap(), "--command", &honest()]);
    assert!(code == 2 && err.contains("no-such-case"), "{err}");
}

#[test]
fn what_cannot_be_judged_is_no_success() {
    assert_eq!(run(&["server", "--command", &honest(), "no-case-has-this-name"]).0, 2);
    // The suite cannot start this one a second time, and skips the only cases that are asked for.
    let skipped = ["server", "--command", &honest(), "--requirement", "REQ-LIFE-03"];
    let (code, out, err) = run(&skipped);
    assert!(code == 2 && !out.contains("kept what it must"), "{code}: {out}");
    assert!(err.contains("nothing was judged") && out.contains("skipped"), "{out}{err}");
    for bad in ["0", "-1", "1e18", "inf", "NaN"] {
        let deadline = format!("--deadline={bad}");
        let (code, _, err) = run(&["server", "--command", &honest(), &deadline]);
        assert!(code == 2 && err.contains("--deadline"), "{bad}: {code} {err}");
    }
    let (code, _, err) = run(&["server"]);
    assert!(code == 2 && err.contains("--url") && err.contains("--command"), "{err}");
    // Nobody is started, let alone judged, for a report that cannot be written.
    let nowhere = scratch("no-such-folder/report.html");
    let report = ["--report", nowhere.to_str().unwrap()];
    let (code, _, err) = run(&[&["server", "--command", "true {port}"], &report[..]].concat());
    assert!(code == 2 && err.contains("--report"), "{err}");
    assert_eq!(run(&["server", "--command", "true {port}"]).0, 3);
    assert_eq!(run(&["server", "--command", "no place for the port"]).0, 2);
    assert_eq!(run(&["server", "--url", "ftp://a"]).0, 2);
    // Something listens, and it is not what the suite knows.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (code, _, err) = run(&["server", "--url", &url, "--deadline", "0.2"]);
    assert!(code == 3 && err.contains("APPLICATION.md"), "{err}");
    // Nobody listens at all.
    drop(listener);
    let (code, _, err) = run(&["server", "--url", &url]);
    assert!(code == 3 && err.contains("nobody can be reached"), "{err}");
}

/// Waits until there is something in the file, and gives it.
fn written(path: &std::path::Path) -> String {
    let mut text = String::new();
    wait_until("the file", || {
        text = std::fs::read_to_string(path).unwrap_or_default();
        text.ends_with('\n')
    });
    text.trim().to_owned()
}

/// Whether a process is there, and has not ended without anybody taking notice.
fn lives(process: &str) -> bool {
    // "id (name) state …": a name may hold parentheses.
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
    })
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn what_a_server_has_started_ends_with_the_judge() {
    let path = scratch("forked.pid");
    let _ = std::fs::remove_file(&path);
    let forks = format!("sh -c '{} 2>/dev/null & echo $! >{}; wait'", honest(), path.display());
    assert_eq!(run(&["server", "--command", &forks, "--no-vectors", "host-missing"]).0, 0);
    let server = written(&path);
    wait_until("the end of the server", || !lives(&server));
}

#[test]
fn a_judge_that_is_killed_leaves_no_server() {
    let path = scratch("left.pid");
    let _ = std::fs::remove_file(&path);
    let never_listens = format!(": {{port}}; echo $$ >{}; exec sleep 600", path.display());
    let mut judge = Command::new(PROGRAM)
        .args(["server", "--command", &format!("sh -c '{never_listens}'")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = written(&path);
    assert!(lives(&server));
    judge.kill().unwrap();
    judge.wait().unwrap();
    wait_until("the end of the server", || !lives(&server));
}
