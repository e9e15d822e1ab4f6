//! The environ as JSON, for tools.
//!
//! Rules of this room: always valid JSON, whatever octets a client sent; what is not there is `null`, never a guess.

use http::HeaderMap;
use rwgi::{BodyLength, Environ, TlsInfo};
use serde_json::{Map, Value, json};

use super::html::readable;

/// Everything the environ tells, under the names of its methods.
///
/// Field values and variables are octets: they are strings as [`readable`] makes them.
pub(super) fn environ(environ: &Environ) -> Value {
    let server = environ.server();
    let limits = environ.limits();
    let connection = environ.connection();
    json!({
        "method": environ.method().as_str(),
        "scheme": environ.scheme().as_str(),
        "authority": environ.authority(),
        "path": environ.path(),
        "script_name": environ.script_name(),
        "path_info": environ.path_info(),
        "path_info_decoded": environ.path_info_decoded().ok(),
        "query": environ.query(),
        "url": environ.url(),
        "version": environ.protocol(),
        "headers": fields(environ.headers()),
        "input": { "length": match environ.input().length() {
            BodyLength::Empty => json!(0),
            BodyLength::Exact(length) => json!(length),
            BodyLength::Unknown => Value::Null,
        }, "limit": environ.input().limit() },
        "peer": environ.peer().to_string(),
        "connection": {
            "peer": connection.peer.to_string(),
            "local": connection.local.to_string(),
            "tls": connection.tls.as_ref().map(tls),
        },
        "server": {
            "software": server.software(),
            "endpoints": server.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "concurrent": server.concurrent,
            "multiprocess": server.multiprocess,
            "run_once": server.run_once,
        },
        "capabilities": environ.capabilities().names().collect::<Vec<_>>(),
        "limits": {
            "head_bytes": limits.head_bytes,
            "head_fields": limits.head_fields,
            "target_bytes": limits.target_bytes,
            "body_bytes": limits.body_bytes,
            "head_timeout_seconds": limits.head_timeout.map(|time| time.as_secs_f64()),
            "idle_timeout_seconds": limits.idle_timeout.map(|time| time.as_secs_f64()),
        },
        "variables": variables(environ),
    })
}

/// Each field's values in the order of their coming, under its name.
fn fields(fields: &HeaderMap) -> Map<String, Value> {
    let values = |name| {
        fields.get_all(name).iter().map(|value| Value::from(readable(value.as_bytes()))).collect()
    };
    fields.keys().map(|name| (name.to_string(), Value::Array(values(name)))).collect()
}

fn tls(tls: &TlsInfo) -> Value {
    json!({
        "version": tls.version,
        "cipher_suite": tls.cipher_suite,
        "server_name": tls.server_name,
        "alpn": tls.alpn,
        "client_certificates": tls.client_certificates.len(),
    })
}

/// `null` where the path cannot be decoded.
fn variables(environ: &Environ) -> Option<Map<String, Value>> {
    let variables = environ.variables().ok()?;
    Some(
        variables.into_iter().map(|(name, value)| (name.into(), readable(&value).into())).collect(),
    )
}
