//! Octets from anywhere in a proxy's fields: whatever a client has sent, the word of the trusted hop stands, and no other is taken for it.
//!
//! The first octet says of what kind the fields are (bit 0) and whether the proxy adds to the last line or has one of its own (bit 1); lines follow, parted by
//! line feeds.

use http::{HeaderMap, HeaderValue};
use rwgi::Endpoint;

use super::{ForwardedFields, TrustedProxies, forwarded};
use crate::corpus::Corpus;
use crate::environ::is_host;

fn ip(text: &str) -> Endpoint {
    Endpoint::Ip(std::net::SocketAddr::new(text.parse().unwrap(), 0))
}

fn play(octets: &[u8]) {
    let Some((first, rest)) = octets.split_first() else { return };
    let (rfc, own_line) = (first & 1 == 1, first & 2 == 2);
    let (name, word, believed) = if rfc {
        ("forwarded", &b"for=192.0.2.7;proto=https"[..], "forwarded")
    } else {
        let all = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port";
        ("x-forwarded-for", &b"192.0.2.7"[..], all)
    };
    let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
    let believed: ForwardedFields = believed.parse().unwrap();
    let proxy = ip("10.0.0.1");

    // As a client sent it, with no proxy that adds anything.
    let mut lines: Vec<Vec<u8>> = rest.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    let fields = map(name, &lines);
    assert_eq!(forwarded(&ip("198.51.100.1"), &fields, &trusted, &believed), None);
    if let Some(said) = forwarded(&proxy, &fields, &trusted, &believed)
        && let Some(authority) = said.authority
    {
        assert!(!authority.is_empty() && is_host(authority.as_bytes()), "{authority:?}");
    }

    // As the proxy hands it on.
    let last = lines.last_mut().unwrap();
    if own_line || HeaderValue::from_bytes(last).is_err() {
        lines.push(word.to_vec());
    } else {
        last.extend_from_slice(b", ");
        last.extend_from_slice(word);
    }
    let said = forwarded(&proxy, &map(name, &lines), &trusted, &believed).unwrap();
    let client = said.peer.unwrap();
    // A client that leaves a quote open can make itself unknown, and nobody else.
    let hidden = rfc && !own_line && client == Endpoint::Unknown;
    assert!(client == ip("192.0.2.7") || hidden, "{client}");
}

/// The lines that can be a field's value.
fn map(name: &'static str, lines: &[Vec<u8>]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        fields.append(name, value.clone());
        fields.append("x-forwarded-host", value.clone());
        fields.append("x-forwarded-port", value.clone());
        fields.append("x-forwarded-proto", value);
    }
    fields
}

#[test]
fn fuzz_fields() {
    let corpus = Corpus::read("src/forwarded/__fuzz__/forwarded__fuzz__fields");
    bolero::check!().for_each(|octets: &[u8]| corpus.play(octets, play));
}
