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
    let mut due = vector.expect.iter();
    send(vector, &mut wire, &mut due)?;
    let mut refused = false;
    for expected in due {
        refused = verdict(expected, &mut wire)?;
        if refused {
            break;
        }
    }
    let by_choice = refused && matches!(vector.expect.last(), Some(Expected::Either(_)));
    match vector.after {
        After::Open if !by_choice => wire.still_open(),
        After::Close => wire.ended().map(drop),
        After::Open | After::Any if vector.half_close => wire.ended().map(drop),
        After::Open | After::Any => wire.nothing_more(),
    }
}

/// Sends the pieces; responses that come before an awaited 100 are judged on the way.
fn send(vector: &Vector, wire: &mut Wire, due: &mut std::slice::Iter<'_, Expected>) -> Held {
    for piece in &vector.bytes {
        match piece {
            Piece::Text(text) => wire.send_octets(&octets(text))?,
            Piece::Repeat { repeat, times } => wire.send_octets(&octets(repeat).repeat(*times))?,
            Piece::Await { r#await } => {
                while wire.peek_status()? >= 200 {
                    if due.len() <= 1 {
                        // The final response instead of 100: the rest of the request is not sent.
                        return Ok(());
                    }
                    if let Some(expected) = due.next() {
                        verdict(expected, wire)?;
                    }
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
    Ok(())
}

fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// Judges the next response; whether it was a refusal.
fn verdict(expected: &Expected, wire: &mut Wire) -> Held<bool> {
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
        Some(response) => {
            fits(expected, &response)?;
            Ok(!response.is_of_application())
        }
        None => {
            let found = "the connection ended without a response";
            check(may_be_silent, describe(expected), found).map(|()| true)
        }
    }
}

fn fits(expected: &Expected, response: &Response) -> Held {
    match expected {
        Expected::Accept(accepted) => accepts(accepted, response),
        Expected::Reject(statuses) | Expected::Fail(statuses) => {
            let by_server = !response.is_of_application();
            let right = by_server && statuses.contains(&response.head.status);
            let by = if by_server { "" } else { ", of the application" };
            if matches!(expected, Expected::Reject(_)) && !response.interim.is_empty() {
                return Err(Failure::new("no interim response before a refusal", "one"));
            }
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
    if let Some(trailers) = &accepted.trailers {
        for (name, values) in trailers {
            let found = listed(&report["trailers"], name);
            check(
                found == *values,
                format!("the trailer {name} with {values:?}"),
                format!("{found:?}"),
            )?;
        }
        let lines: usize = trailers.values().map(Vec::len).sum();
        let found = report["trailers"].as_array().map_or(0, Vec::len);
        check(found == lines, format!("{lines} trailer lines"), found)?;
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
