//! Forwarded, as RFC 7239 has it.
//!
//! Rules of this room: it thinks; a line that is malformed anywhere is not believed anywhere, since a quote that a client left open changes the meaning of
//! all that follows; what the element of the client says is taken, and nothing of the hops after it.

use http::HeaderMap;
use http::header::FORWARDED;
use rwgi::{Endpoint, Forwarded, Scheme};

use super::node;
use super::trust::TrustedProxies;
use super::x_forwarded::scheme;
use crate::environ::is_host;

/// What one hop says of its client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    client: Option<Endpoint>,
    scheme: Option<Scheme>,
    host: Option<String>,
}

/// Walks the field of a request whose peer is trusted.
pub(super) fn walk(fields: &HeaderMap, trusted: &TrustedProxies) -> Forwarded {
    let mut said = Forwarded::default();
    let lines: Vec<_> = fields.get_all(FORWARDED).iter().collect();
    for line in lines.into_iter().rev() {
        let Some(elements) = line.to_str().ok().and_then(elements) else {
            return Forwarded { peer: Some(Endpoint::Unknown), ..Forwarded::default() };
        };
        for element in elements.into_iter().rev() {
            let goes_on = element.client.as_ref().is_some_and(|client| trusted.trusts(client));
            if element.client.is_some() {
                said.peer = element.client;
            }
            said.scheme = element.scheme;
            said.authority = element.host;
            if !goes_on {
                return said;
            }
        }
    }
    said
}

/// The elements of a line; `None` where it is malformed.
fn elements(line: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let mut element = Element::default();
        let mut seen = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if !rest.starts_with([',', ';']) && !rest.is_empty() {
                let (name, value, after) = pair(rest)?;
                if seen.contains(&name) {
                    return None;
                }
                match name.as_str() {
                    "for" => element.client = Some(node::endpoint(&value)),
                    "proto" => element.scheme = scheme(&value),
                    "host" => {
                        element.host =
                            Some(value).filter(|host| !host.is_empty() && is_host(host.as_bytes()));
                    }
                    // `by`, and what is still to be invented.
                    _ => {}
                }
                seen.push(name);
                rest = after.trim_start_matches([' ', '\t']);
            }
            match rest.strip_prefix(';') {
                Some(after) => rest = after,
                None => break,
            }
        }
        // An empty element of a list counts for nothing (RFC 9110, section 5.6.1).
        if !seen.is_empty() {
            elements.push(element);
        }
        if rest.is_empty() {
            return Some(elements);
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// `token "=" ( token / quoted-string )`: the name in lower case, the value without quotes, and what follows.
fn pair(text: &str) -> Option<(String, String, &str)> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        // Ports and IPv6 need quotes by the grammar, and come without from some proxies; no delimiter is among their octets.
        None => {
            let end = rest.find([',', ';', ' ', '\t', '"']).unwrap_or(rest.len());
            (rest.get(..end).filter(|value| !value.is_empty())?.to_owned(), &rest[end..])
        }
    };
    Some((name.to_ascii_lowercase(), value, rest))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The inside of a quoted string whose first quote has been read, and what follows its last.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}
