//! X-Forwarded-For, -Proto, -Host and -Port: de facto, as nginx, HAProxy and the large balancers write them.
//!
//! Rules of this room: it thinks; the walk along X-Forwarded-For says how many entries were written by trusted hops; of the other fields
//! no entry further left than that is believed.

use http::HeaderMap;
use rwgi::{Endpoint, Forwarded, Scheme};

use super::node;
use super::trust::{ForwardedFields, TrustedProxies};
use crate::environ::is_host;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";

/// Walks the fields of a request whose peer is trusted.
pub(super) fn walk(
    fields: &HeaderMap,
    trusted: &TrustedProxies,
    believed: &ForwardedFields,
) -> Forwarded {
    let mut said = Forwarded::default();
    // The peer itself is the first that may write.
    let mut writers = 1;
    if believed.x_for() {
        let mut entries = items(fields, FOR).peekable();
        while let Some(entry) = entries.next() {
            let hop = entry.map_or(Endpoint::Unknown, node::endpoint);
            let goes_on = trusted.trusts(&hop) && entries.peek().is_some();
            said.peer = Some(hop);
            if !goes_on {
                break;
            }
            writers += 1;
        }
    }
    let of = |believed: bool, name: &'static str| -> Option<&str> {
        // The leftmost of those that trusted hops wrote: it speaks of the client.
        believed.then(|| items(fields, name).take(writers).last()).flatten().flatten()
    };
    said.scheme = of(believed.x_proto(), PROTO).and_then(scheme);
    let host =
        of(believed.x_host(), HOST).filter(|host| !host.is_empty() && is_host(host.as_bytes()));
    let port = of(believed.x_port(), PORT).and_then(|port| port.parse::<u16>().ok());
    said.authority = match (host, port) {
        (None, None) => None,
        (host, port) => {
            let asked = fields.get(http::header::HOST).and_then(|host| host.to_str().ok());
            host.or(asked)
                .filter(|host| !host.is_empty())
                .map(|host| with_port(host, port, said.scheme))
        }
    };
    said
}

/// The items of a list field, over all its lines, from the right; an item that is no text is `None`, an empty one is passed over.
fn items<'a>(fields: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = Option<&'a str>> {
    // The values of one name can only be walked from the front or all at once.
    let lines: Vec<_> = fields.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(|line| {
        line.as_bytes()
            .rsplit(|octet| *octet == b',')
            .map(|item| std::str::from_utf8(item).ok().map(|item| item.trim_matches([' ', '\t'])))
            .filter(|item| item.is_none_or(|item| !item.is_empty()))
    })
}

/// http or https; some proxies name a WebSocket by its own schemes.
pub(super) fn scheme(text: &str) -> Option<Scheme> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some(Scheme::Https)
    } else if is("http") || is("ws") {
        Some(Scheme::Http)
    } else {
        None
    }
}

/// A host with the port, unless it names one or the port is what the scheme has anyway.
fn with_port(host: &str, port: Option<u16>, scheme: Option<Scheme>) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match port {
        Some(port) if !has_port && Some(port) != scheme.map(Scheme::default_port) => {
            format!("{host}:{port}")
        }
        _ => host.to_owned(),
    }
}
