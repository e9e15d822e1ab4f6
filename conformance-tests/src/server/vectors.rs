//! The wire vectors: requests and verdicts as data, run against a server.
//!
//! Rules of this room: the files in `vectors/` are the truth, and other projects read them as they are; a verdict of
//! refusal counts only where the vector that is its control is accepted.

use serde::Deserialize;
use serde_json::Value;

use super::failure::{Failure, Held, Of, check};
use super::talk::Talk;
use super::wire::{Response, Wire};
use crate::requirements::Level;

/// One vector.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// Its name.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The requirements that it upholds.
    pub requirements: Vec<String>,
    level: String,
    #[serde(default)]
    control: Option<String>,
    #[serde(default)]
    assumes: Option<String>,
    bytes: Vec<Piece>,
    #[serde(default)]
    half_close: bool,
    expect: Vec<Expected>,
    after: After,
    /// The file that it stands in.
    #[serde(skip)]
    pub topic: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Repeat {
        repeat: String,
        times: usize,
    },
    Await {
        r#await: u16,
    },
    Cut {
        #[allow(dead_code)]
        cut: bool,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Accept(Box<Accepted>),
    Reject(Vec<u16>),
    Fail(Vec<u16>),
    Either(Vec<Expected>),
}

#[derive(Clone, Debug, Deserialize)]
struct Accepted {
    method: String,
    raw_path: Option<String>,
    #[serde(default, deserialize_with = "present")]
    query: Option<Value>,
    version: Option<String>,
    #[serde(default, deserialize_with = "present")]
    authority: Option<Value>,
    body: Option<String>,
    body_length: Option<u64>,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(default)]
    absent_fields: Vec<String>,
    trailers: Option<std::collections::BTreeMap<String, Vec<String>>>,
    interim: Option<Vec<u16>>,
}

/// `null` is a value here, and absence says nothing.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum After {
    Open,
    Close,
    Any,
}

#[derive(Deserialize)]
struct File {
    topic: String,
    vectors: Vec<Vector>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The files of `vectors/` by name, with their text.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../vectors/", $name, ".json")))),*];
    };
}

files!(
    "chunked",
    "content-length",
    "expect",
    "field-syntax",
    "host",
    "keep-alive",
    "limits",
    "method",
    "pipelining",
    "request-line",
    "target",
    "transfer-encoding",
    "truncated",
    "version",
);

/// Every vector.
///
/// # Errors
/// A file is not of the form that `vectors/README.md` describes.
pub fn all() -> Result<Vec<Vector>, String> {
    let mut vectors = Vec::new();
    for (name, text) in FILES {
        let file: File =
            serde_json::from_str(text).map_err(|error| format!("vectors/{name}.json: {error}"))?;
        vectors.extend(
            file.vectors.into_iter().map(|vector| Vector { topic: file.topic.clone(), ..vector }),
        );
    }
    Ok(vectors)
}

impl Vector {
    /// How binding it is.
    pub fn level(&self) -> Level {
        match &*self.level {
            "MUST" => Level::Must,
            "SHOULD" => Level::Should,
            _ => Level::May,
        }
    }
}

/// Sends the vector's octets and compares what comes with its verdicts.
pub(super) fn talk(vector: &Vector, talk: &mut Talk<'_>) -> Held {
    if vector.assumes.as_deref() == Some("default-limits") && !has_default_limits(talk) {
        return Err(Failure::skip("the server's limits are not the default ones"));
    }
    if let Some(control) = &vector.control {
        let vectors = all().map_err(|error| Failure::new("readable vectors", error))?;
        let control = vectors.iter().find(|one| one.id == *control);
        let control = control.ok_or_else(|| Failure::new("a control that exists", "none"))?;
        talk.note(&format!("the control `{}`:", control.id));
        run(control, talk).control()?;
        talk.note(&format!("the vector `{}`:", vector.id));
    }
    run(vector, talk)
}

fn has_default_limits(talk: &Talk<'_>) -> bool {
    let limit = |name: &str| talk.subject().limit(name);
    limit("body_bytes") == Some(2 << 20)
        && limit("head_bytes") == Some(32 << 10)
        && limit("head_fields") == Some(100)
        && limit("target_bytes") == Some(16 << 10)
}

fn run(vector: &Vector, talk: &mut Talk<'_>) -> Held {
    let mut wire = talk.connect()?;
    let mut expected = vector.expect.iter();
    for piece in &vector.bytes {
        match piece {
            Piece::Text(text) => wire.send_octets(&octets(text))?,
            Piece::Repeat { repeat, times } => wire.send_octets(&octets(repeat).repeat(*times))?,
            Piece::Await { r#await } => {
                // Responses to the requests before come first.
                while wire.peek_status()? >= 200 {
                    verdict(expected.next().ok_or_else(no_more)?, &mut wire)?;
                }
                wire.await_interim(*r#await)?;
            }
            // The boundary between two writes, which are sent at once.
            Piece::Cut { .. } => {}
        }
    }
    if vector.half_close {
        wire.finish_sending();
    }
    for expected in expected {
        verdict(expected, &mut wire)?;
    }
    match vector.after {
        After::Open => wire.still_open(),
        After::Close => wire.ended().map(drop),
        After::Any => Ok(()),
    }
}

fn no_more() -> Failure {
    Failure::new("100 (Continue)", "a final response instead")
}

fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn verdict(expected: &Expected, wire: &mut Wire) -> Held {
    let silent_fits = |expected: &Expected| matches!(expected, Expected::Fail(_));
    let may_be_silent = match expected {
        Expected::Either(choices) => choices.iter().any(silent_fits),
        one => silent_fits(one),
    };
    let method = match expected {
        Expected::Accept(accepted) => accepted.method.clone(),
        Expected::Either(choices) => choices
            .iter()
            .find_map(|choice| match choice {
                Expected::Accept(accepted) => Some(accepted.method.clone()),
                _ => None,
            })
            .unwrap_or_default(),
        _ => String::new(),
    };
    match wire.response_or_end(&method)? {
        Some(response) => fits(expected, &response),
        None => check(may_be_silent, describe(expected), "the connection ended without a response"),
    }
}

fn fits(expected: &Expected, response: &Response) -> Held {
    match expected {
        Expected::Accept(accepted) => accepts(accepted, response),
        Expected::Reject(statuses) | Expected::Fail(statuses) => {
            let by_server = !response.is_of_application();
            let right = by_server && statuses.contains(&response.head.status);
            let by = if by_server { "" } else { ", of the application" };
            check(right, describe(expected), format!("status {}{by}", response.head.status))
        }
        Expected::Either(choices) => {
            let mut last = Ok(());
            for choice in choices {
                last = fits(choice, response);
                if last.is_ok() {
                    return last;
                }
            }
            last.map_err(|failure| Failure { expected: describe(expected), ..failure })
        }
    }
}

fn describe(expected: &Expected) -> String {
    let list =
        |statuses: &[u16]| statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
    match expected {
        Expected::Accept(_) => "the application's report".to_owned(),
        Expected::Reject(statuses) => format!("the server's own status {}", list(statuses)),
        Expected::Fail(statuses) => {
            format!("the server's own status {}, or the end of the connection", list(statuses))
        }
        Expected::Either(choices) => choices.iter().map(describe).collect::<Vec<_>>().join("; or "),
    }
}

fn accepts(accepted: &Accepted, response: &Response) -> Held {
    response.status(200)?;
    let statuses: Vec<u16> = response.interim.iter().map(|head| head.status).collect();
    if let Some(interim) = &accepted.interim {
        check(
            statuses == *interim,
            format!("the interim responses {interim:?}"),
            format!("{statuses:?}"),
        )?;
    }
    if accepted.method == "HEAD" {
        return check(response.is_of_application(), "a response of the application", "another");
    }
    let report = response.json()?;
    let same = |name: &str, value: &Value| {
        check(report[name] == *value, format!("{name} {value}"), format!("{name} {}", report[name]))
    };
    same("method", &Value::from(accepted.method.clone()))?;
    if let Some(path) = &accepted.raw_path {
        let joined = format!(
            "{}{}",
            report["script_name"].as_str().unwrap_or("?"),
            report["path_info"].as_str().unwrap_or("?")
        );
        check(joined == *path, format!("the raw path {path:?}"), format!("{joined:?}"))?;
    }
    if let Some(query) = &accepted.query {
        same("query", query)?;
    }
    if let Some(version) = &accepted.version {
        same("version", &Value::from(version.clone()))?;
    }
    if let Some(authority) = &accepted.authority {
        same("authority", authority)?;
    }
    if let Some(body) = &accepted.body {
        same("body", &Value::from(body.clone()))?;
    }
    if let Some(length) = accepted.body_length {
        same("body_length", &Value::from(length))?;
    }
    for (name, values) in &accepted.fields {
        let found = listed(&report["fields"], name);
        check(found == *values, format!("the field {name} with {values:?}"), format!("{found:?}"))?;
    }
    for name in &accepted.absent_fields {
        let found = listed(&report["fields"], name);
        check(found.is_empty(), format!("no field {name}"), format!("{found:?}"))?;
    }
    for (name, values) in accepted.trailers.iter().flatten() {
        let found = listed(&report["trailers"], name);
        check(
            found == *values,
            format!("the trailer {name} with {values:?}"),
            format!("{found:?}"),
        )?;
    }
    Ok(())
}

/// The values of a field in a report.
fn listed(fields: &Value, name: &str) -> Vec<String> {
    let pairs = fields.as_array().into_iter().flatten();
    pairs
        .filter(|pair| pair[0].as_str().is_some_and(|field| field.eq_ignore_ascii_case(name)))
        .map(|pair| pair[1].as_str().unwrap_or_default().to_owned())
        .collect()
}
