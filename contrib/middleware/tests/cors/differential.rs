//! The rows, on the original: Django and django-cors-headers, in a virtual environment made for this.
//!
//! Rules of this room: every difference is one that a row lists, and every difference that a row lists is one. Without Python, or without a way to get
//! the packages, the test says so and is skipped, unless `RWGI_REQUIRE_PYTHON` is set, as in CI.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::checks;
use crate::rows::rows;
use crate::table;

/// What is installed; the rows were written for these.
const PACKAGES: [&str; 2] = ["Django>=5.2,<5.3", "django-cors-headers==4.9.0"];

/// The interpreter of the virtual environment, or why there is none.
fn python() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("django-cors-headers");
    let interpreter = place.join("bin").join("python");
    let complete = place.join("complete");
    if complete.exists() {
        return Ok(interpreter);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES))?;
    std::fs::write(complete, PACKAGES.join("\n")).map_err(|error| error.to_string())?;
    Ok(interpreter)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed and said nothing").to_owned())
}

fn original(asked: &Value) -> Option<Value> {
    let interpreter = match python() {
        Ok(interpreter) => interpreter,
        Err(reason) => {
            assert!(std::env::var_os("RWGI_REQUIRE_PYTHON").is_none(), "no Python: {reason}");
            // Straight to the stream: the test harness holds back what a passing test prints.
            let _ = writeln!(std::io::stderr(), "differential test of CORS skipped: {reason}");
            return None;
        }
    };
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cors/original.py");
    let mut process = Command::new(interpreter)
        .arg(driver)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "the driver failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_original_does_the_same_except_where_a_row_says_why_not() {
    let rows = rows();
    let checks = checks::rows();
    let asked = json!({
        "rows": rows.iter().map(|row| row.to_json()).collect::<Vec<_>>(),
        "checks": checks.iter().map(|row| row.to_json()).collect::<Vec<_>>(),
    });
    let Some(answers) = original(&asked) else { return };
    let mut complaints = String::new();
    for (row, original) in rows.iter().zip(answers["rows"].as_array().unwrap()) {
        let got = table::answer(row);
        let mut ours =
            json!({ "status": got.status, "reached": got.reached, "fields": got.fields });
        let mut theirs = original.clone();
        let length = theirs.as_object_mut().unwrap().remove("length").unwrap();
        if !got.reached {
            ours["length"] = json!(got.length);
            theirs["length"] = length;
        }
        match (ours == theirs, row.differs) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => {
                let _ = writeln!(complaints, "{}: listed as a difference, and is none", row.name);
            }
            (false, None) => {
                let _ =
                    writeln!(complaints, "{}:\n  original {theirs}\n  ours     {ours}", row.name);
            }
        }
    }
    for (row, original) in checks.iter().zip(answers["checks"].as_array().unwrap()) {
        let ours = row.found();
        match (ours == *original, row.differs) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => {
                let _ = writeln!(complaints, "{row:?}: listed as a difference, and is none");
            }
            (false, None) => {
                let _ = writeln!(complaints, "{row:?}:\n  original {original}\n  ours     {ours}");
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}
