//! The environ as JSON, for a client that wants to know what the application was given.
//!
//! Rules of this room: octets are shown as the characters U+0000 to U+00FF, so that nothing is lost or guessed.

use http::HeaderMap;
use rwgi::{BodyLength, Endpoint, Environ, Error, Fault, Result};
use serde_json::{Map, Value, json};

/// What was read of a request's body.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) chunks: Vec<usize>,
}

/// Longer bodies are reported by their length alone.
const SHOWN: usize = 64 * 1024;

/// Octets as characters, one each.
pub(crate) fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// Reads the whole body and the trailers, within the server's limit.
pub(super) async fn read(environ: &mut Environ) -> Result<Read> {
    let mut read = Read::default();
    while let Some(chunk) = environ.input_mut().chunk().await? {
        read.chunks.push(chunk.len());
        read.body.extend_from_slice(&chunk);
    }
    read.trailers = environ.input_mut().trailers().await?;
    Ok(read)
}

/// All that the environ tells.
pub(super) fn report(environ: &Environ, read: Option<&Read>) -> Value {
    let text = |text: &str| latin1(text.as_bytes());
    let limits = environ.limits();
    let mut report = json!({
        "application": super::MARK_VALUE,
        "method": environ.method().as_str(),
        "scheme": environ.scheme().as_str(),
        "authority": environ.authority().map(text),
        "script_name": text(environ.script_name()),
        "path_info": text(environ.path_info()),
        "path_info_decoded": result(environ.path_info_decoded().map(|path| json!(path))),
        "query": environ.query().map(text),
        "version": environ.protocol(),
        "fields": fields(environ.headers()),
        "peer": environ.peer().to_string(),
        "local": environ.connection().local.to_string(),
        "local_is_ip": matches!(environ.connection().local, Endpoint::Ip(_)),
        "tls": environ.connection().tls.is_some(),
        "url": text(&environ.url()),
        "variables": result(environ.variables().map(|list| {
            let pair = |(name, value): &(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, [u8]>)| {
                (name.to_string(), json!(latin1(value)))
            };
            Value::Object(list.iter().map(pair).collect::<Map<_, _>>())
        })),
        "capabilities": environ.capabilities().names().collect::<Vec<_>>(),
        "limits": {
            "body_bytes": limits.body_bytes,
            "head_bytes": limits.head_bytes,
            "head_fields": limits.head_fields,
            "target_bytes": limits.target_bytes,
            "head_timeout_ms": limits.head_timeout.map(|time| time.as_millis() as u64),
        },
        "upgrade": environ.upgrade().map(|offer| offer.protocols().collect::<Vec<_>>()),
        "run_once": environ.server().run_once,
        "stopping": environ.stopping().is_stopping(),
        "input_limit": environ.input().limit(),
        "length": match environ.input().length() {
            BodyLength::Empty => json!("empty"),
            BodyLength::Exact(length) => json!(length),
            BodyLength::Unknown => json!("unknown"),
        },
    });
    if let Some(read) = read {
        report["body_length"] = json!(read.body.len());
        report["chunks"] = json!(read.chunks);
        if read.body.len() <= SHOWN {
            report["body"] = json!(latin1(&read.body));
        }
        report["trailers"] = read.trailers.as_ref().map(fields).unwrap_or(Value::Null);
    }
    report
}

/// Field lines, each name in lower case, values in their order.
pub(super) fn fields(map: &HeaderMap) -> Value {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        json!([name.as_str(), latin1(value.as_bytes())])
    };
    map.iter().map(pair).collect()
}

/// A value, or what its view failed with.
fn result(result: Result<Value>) -> Value {
    result.unwrap_or_else(|error| json!({ "error": problem(&error) }))
}

/// An error of the contract.
pub(super) fn problem(error: &Error) -> Value {
    json!({
        "fault": match error.fault() {
            Fault::Client => "client",
            Fault::Application => "application",
            Fault::Server => "server",
        },
        "status": error.status().as_u16(),
        "message": error.message(),
    })
}
