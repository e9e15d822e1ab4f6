//! Whom the server believes, exhaustively: hops, spoofing, malformed input, both kinds of field.

use http::{HeaderMap, HeaderName, HeaderValue};
use rwgi::{Endpoint, Forwarded, Scheme};

use super::{ForwardedFields, TrustedProxies, forwarded, node};

const PROXIES: &str = "10.0.0.0/8,2001:db8:ffff::/48,unix";

fn ip(text: &str) -> Endpoint {
    let address = text.parse().map(|ip| std::net::SocketAddr::new(ip, 0));
    Endpoint::Ip(address.or_else(|_| text.parse()).unwrap())
}

fn said_by(peer: &Endpoint, believed: &str, fields: &[(&str, &str)]) -> Option<Forwarded> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.append(HeaderName::try_from(*name).unwrap(), value);
    }
    let trusted: TrustedProxies = PROXIES.parse().unwrap();
    let believed: ForwardedFields = believed.parse().unwrap();
    forwarded(peer, &map, &trusted, &believed)
}

const ALL: &str = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port";

fn x(fields: &[(&str, &str)]) -> Forwarded {
    said_by(&ip("10.0.0.1"), ALL, fields).unwrap_or_default()
}

fn rfc(lines: &[&str]) -> Forwarded {
    let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
    said_by(&ip("10.0.0.1"), "forwarded", &fields).unwrap_or_default()
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let fields = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=1.2.3.4;proto=https;host=evil.example"),
    ];
    for peer in ["11.0.0.1", "192.0.2.1", "2001:db8::1", "::1", "9.255.255.255"] {
        assert_eq!(said_by(&ip(peer), ALL, &fields), None, "{peer}");
        assert_eq!(said_by(&ip(peer), "forwarded", &fields), None, "{peer}");
    }
    assert_eq!(said_by(&Endpoint::Unknown, ALL, &fields), None);
    for peer in
        [ip("10.0.0.1"), ip("2001:db8:ffff::7"), ip("::ffff:10.1.2.3"), Endpoint::Unix(None)]
    {
        assert_eq!(said_by(&peer, ALL, &fields).unwrap().peer, Some(ip("1.2.3.4")), "{peer}");
        assert_eq!(
            said_by(&peer, "forwarded", &fields).unwrap().peer,
            Some(ip("1.2.3.4")),
            "{peer}"
        );
    }
    let mut map = HeaderMap::new();
    map.insert("x-forwarded-for", HeaderValue::from_static("1.2.3.4"));
    for peer in [ip("127.0.0.1"), Endpoint::Unix(None)] {
        let (nobody, default) = (TrustedProxies::default(), ForwardedFields::default());
        assert_eq!(forwarded(&peer, &map, &nobody, &default), None, "the default trusts nobody");
    }
}

#[test]
fn a_proxy_that_says_nothing_changes_nothing() {
    assert_eq!(said_by(&ip("10.0.0.1"), ALL, &[]), None);
    assert_eq!(said_by(&ip("10.0.0.1"), ALL, &[("x-forwarded-for", " , ,")]), None);
    assert_eq!(said_by(&ip("10.0.0.1"), "forwarded", &[("forwarded", "")]), None);
    assert_eq!(said_by(&ip("10.0.0.1"), "forwarded", &[("forwarded", "by=10.0.0.1")]), None);
}

#[test]
fn the_walk_ends_at_the_first_hop_that_is_not_trusted() {
    for (list, client) in [
        ("1.2.3.4", "1.2.3.4"),
        // What stands left of the client was sent by the client.
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.9.9.9, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("6.6.6.6,1.2.3.4,10.0.0.2,10.0.0.3", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2, 2001:db8:ffff::1", "1.2.3.4"),
        ("1.2.3.4, unix:", "1.2.3.4"),
        // Where all are trusted, the leftmost began it.
        ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
        (", 1.2.3.4 ,, ", "1.2.3.4"),
        ("2001:db8::5", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("[2001:db8::5]:4711", "[2001:db8::5]:4711"),
        ("1.2.3.4:5678", "1.2.3.4:5678"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
    ] {
        assert_eq!(x(&[("x-forwarded-for", list)]).peer, Some(ip(client)), "{list}");
    }
    // Several lines are one list, in their order.
    let lines = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-for", "10.0.0.2")];
    assert_eq!(x(&lines).peer, Some(ip("1.2.3.4")));
}

#[test]
fn what_cannot_be_understood_is_nobody() {
    for entry in [
        "unknown",
        "_hidden",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:99999",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "[::1",
        "::1]",
        "[1.2.3.4]",
        "[::1]80",
        "fe80::1%eth0",
        "1.2.3.4/8",
        "\"1.2.3.4\"",
        "256.1.1.1",
        "0x7f.1",
        "2130706433",
        "1.2.3.4 5.6.7.8",
        "ü",
        "1.2.3.4\u{a0}",
        "unix:/run/x",
    ] {
        // Not the client's own word further left, and not the proxy itself, which may have rights.
        let list = format!("6.6.6.6, {entry}");
        assert_eq!(x(&[("x-forwarded-for", &list)]).peer, Some(Endpoint::Unknown), "{entry}");
        let list = format!("{list}, 10.0.0.2");
        assert_eq!(x(&[("x-forwarded-for", &list)]).peer, Some(Endpoint::Unknown), "{entry}");
    }
}

#[test]
fn octets_that_are_no_text_are_nobody() {
    let mut map = HeaderMap::new();
    map.append("x-forwarded-for", HeaderValue::from_bytes(b"6.6.6.6, \xff").unwrap());
    map.append("forwarded", HeaderValue::from_bytes(b"for=6.6.6.6, for=\xff").unwrap());
    let trusted = PROXIES.parse().unwrap();
    for believed in ["x-forwarded-for", "forwarded"] {
        let said = forwarded(&ip("10.0.0.1"), &map, &trusted, &believed.parse().unwrap());
        assert_eq!(said.unwrap().peer, Some(Endpoint::Unknown), "{believed}");
    }
}

#[test]
fn the_scheme_is_what_a_trusted_hop_wrote() {
    for (list, proto, scheme) in [
        ("1.2.3.4", "https", Some(Scheme::Https)),
        ("1.2.3.4", "HTTPS", Some(Scheme::Https)),
        ("1.2.3.4", "http", Some(Scheme::Http)),
        ("1.2.3.4", "wss", Some(Scheme::Https)),
        ("1.2.3.4", "ws", Some(Scheme::Http)),
        ("1.2.3.4", "ftp", None),
        ("1.2.3.4", "https:", None),
        // One hop has written: the left entry is the client's.
        ("1.2.3.4", "https, http", Some(Scheme::Http)),
        ("6.6.6.6, 1.2.3.4", "https, http", Some(Scheme::Http)),
        // Two have: the left entry is the outer proxy's.
        ("1.2.3.4, 10.0.0.2", "https, http", Some(Scheme::Https)),
        ("1.2.3.4, 10.0.0.2", "https", Some(Scheme::Https)),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2", "http, https, http", Some(Scheme::Https)),
    ] {
        let said = x(&[("x-forwarded-for", list), ("x-forwarded-proto", proto)]);
        assert_eq!(said.scheme, scheme, "{list} / {proto}");
    }
    assert_eq!(x(&[("x-forwarded-proto", "https")]).scheme, Some(Scheme::Https));
}

#[test]
fn the_authority_is_put_together_from_host_and_port() {
    let from = |fields: &[(&str, &str)]| x(fields).authority;
    let host = ("host", "inner.example");
    for (fields, authority) in [
        (&[("x-forwarded-host", "a.example")][..], Some("a.example")),
        (&[("x-forwarded-host", "evil.example, a.example")], Some("a.example")),
        (&[("x-forwarded-host", "a.example:81")], Some("a.example:81")),
        (
            &[("x-forwarded-host", "a.example"), ("x-forwarded-port", "8443")],
            Some("a.example:8443"),
        ),
        (&[("x-forwarded-host", "a.example:81"), ("x-forwarded-port", "82")], Some("a.example:81")),
        (&[("x-forwarded-host", "[::1]"), ("x-forwarded-port", "82")], Some("[::1]:82")),
        (&[("x-forwarded-host", "[::1]:83"), ("x-forwarded-port", "82")], Some("[::1]:83")),
        (
            &[
                ("x-forwarded-host", "a"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
            ],
            Some("a"),
        ),
        (
            &[
                ("x-forwarded-host", "a"),
                ("x-forwarded-port", "80"),
                ("x-forwarded-proto", "https"),
            ],
            Some("a:80"),
        ),
        (&[host, ("x-forwarded-port", "8080")], Some("inner.example:8080")),
        (&[("host", "inner.example:1"), ("x-forwarded-port", "8080")], Some("inner.example:1")),
        (&[("x-forwarded-port", "8080")], None),
        (&[host, ("x-forwarded-port", "none")], None),
        (&[host, ("x-forwarded-port", "65536")], None),
        (&[("x-forwarded-host", "user@a.example")], None),
        (&[("x-forwarded-host", "a b")], None),
        (&[("x-forwarded-host", "a/b")], None),
        (&[("x-forwarded-host", "a.example:x")], None),
        (&[("x-forwarded-host", "")], None),
    ] {
        assert_eq!(from(fields).as_deref(), authority, "{fields:?}");
    }
}

#[test]
fn only_the_fields_that_were_named_are_looked_at() {
    let fields = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
        ("x-forwarded-port", "81"),
        ("forwarded", "for=5.6.7.8;proto=http;host=b.example"),
        ("x-real-ip", "7.7.7.7"),
        ("x-forwarded-prefix", "/x"),
    ];
    let peer = ip("10.0.0.1");
    let from = |believed| said_by(&peer, believed, &fields).unwrap();
    let default = ForwardedFields::default().to_string();
    assert_eq!(
        from(&default),
        Forwarded { peer: Some(ip("1.2.3.4")), scheme: Some(Scheme::Https), authority: None }
    );
    assert_eq!(
        from("forwarded"),
        Forwarded {
            peer: Some(ip("5.6.7.8")),
            scheme: Some(Scheme::Http),
            authority: Some("b.example".to_owned())
        }
    );
    // A field that names nobody hides behind no other kind.
    let only_the_other = [("forwarded", "for=6.6.6.6")];
    assert_eq!(said_by(&peer, ALL, &only_the_other), None);
    let only_the_other = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https")];
    assert_eq!(said_by(&peer, "forwarded", &only_the_other), None);
}

#[test]
fn forwarded_is_walked_the_same_way() {
    for (line, client) in [
        ("for=1.2.3.4", "1.2.3.4"),
        ("For=1.2.3.4", "1.2.3.4"),
        ("for=\"1.2.3.4:5\"", "1.2.3.4:5"),
        ("for=1.2.3.4:5", "1.2.3.4:5"),
        ("for=\"1.2.3.4:_p\"", "1.2.3.4"),
        ("for=\"[2001:db8::5]\"", "2001:db8::5"),
        ("for=\"[2001:db8::5]:4711\"", "[2001:db8::5]:4711"),
        ("for=\"\\1.2.3.4\"", "1.2.3.4"),
        ("for=6.6.6.6, for=1.2.3.4", "1.2.3.4"),
        ("for=6.6.6.6, for=1.2.3.4, for=10.0.0.2", "1.2.3.4"),
        ("for=6.6.6.6,for=1.2.3.4;by=10.0.0.3,for=10.0.0.2;proto=http", "1.2.3.4"),
        ("for=10.0.0.9, for=10.0.0.2", "10.0.0.9"),
        (" , for=1.2.3.4 ; proto=https , ", "1.2.3.4"),
        ("proto=http;;for=1.2.3.4;", "1.2.3.4"),
        ("for=1.2.3.4;secret=\"a,b;c\\\"d\"", "1.2.3.4"),
    ] {
        assert_eq!(rfc(&[line]).peer, Some(ip(client)), "{line}");
    }
    assert_eq!(rfc(&["for=6.6.6.6, for=1.2.3.4", "for=10.0.0.2"]).peer, Some(ip("1.2.3.4")));
}

#[test]
fn an_element_speaks_for_its_own_client() {
    let said = rfc(&[
        "for=1.2.3.4;proto=https;host=\"a.example:8443\", for=10.0.0.2;proto=http;host=inner",
    ]);
    assert_eq!(said.scheme, Some(Scheme::Https));
    assert_eq!(said.authority.as_deref(), Some("a.example:8443"));
    let said = rfc(&["for=6.6.6.6;proto=https;host=evil, for=1.2.3.4"]);
    assert_eq!(said, Forwarded { peer: Some(ip("1.2.3.4")), ..Forwarded::default() });
    // A hop that does not tell its client ends the walk; the rest of its word holds.
    let said = rfc(&["for=6.6.6.6, proto=https;host=a.example"]);
    assert_eq!((said.peer, said.scheme), (None, Some(Scheme::Https)));
    let said = rfc(&["for=6.6.6.6, proto=https, for=10.0.0.2"]);
    assert_eq!((said.peer, said.scheme), (Some(ip("10.0.0.2")), Some(Scheme::Https)));
    assert_eq!(rfc(&["for=1.2.3.4;host=\"a b\""]).authority, None);
}

#[test]
fn a_hidden_client_is_nobody() {
    for line in [
        "for=unknown",
        "for=_SEVKISEK",
        "for=\"_x:_y\"",
        "for=nonsense",
        "for=\"\"",
        "for=\"[::1\"",
    ] {
        assert_eq!(rfc(&[&format!("for=6.6.6.6, {line}")]).peer, Some(Endpoint::Unknown), "{line}");
    }
}

#[test]
fn a_line_that_is_malformed_anywhere_is_believed_nowhere() {
    for line in [
        "for=6.6.6.6, for=\"1.2.3.4",
        "for=\"6.6.6.6, for=1.2.3.4",
        // A client that leaves a quote open, and a proxy that adds its own.
        "for=6.6.6.6;x=\", for=\"[2001:db8::1]\"",
        "for=\"6.6.6.6, for=\"1.2.3.4\"",
        "for=6.6.6.6 for=1.2.3.4",
        "for=1.2.3.4;for=6.6.6.6",
        "for=1.2.3.4;FOR=6.6.6.6",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        "for",
        "=1.2.3.4",
        "for=",
        "for=1.2.3.4\"",
        "for=\"1.2.3.4\"x",
        "for=\"1.2.3.4\\",
        "1.2.3.4",
    ] {
        assert_eq!(
            rfc(&[line]),
            Forwarded { peer: Some(Endpoint::Unknown), ..Forwarded::default() },
            "{line}"
        );
        // What a trusted hop wrote on a line of its own still leads there.
        assert_eq!(rfc(&[line, "for=10.0.0.2"]).peer, Some(Endpoint::Unknown), "{line}");
        assert_eq!(rfc(&[line, "for=1.2.3.4"]).peer, Some(ip("1.2.3.4")), "{line}");
    }
}

#[test]
fn no_octets_make_it_fail() {
    // All short texts over the octets that mean something.
    let octets = b"f=;,\" \\[]:1._x\t";
    let mut texts = vec![Vec::new()];
    for _ in 0..3 {
        texts = texts
            .iter()
            .flat_map(|text: &Vec<u8>| {
                octets.iter().map(|octet| [text.as_slice(), &[*octet]].concat())
            })
            .collect();
        for text in &texts {
            let text = std::str::from_utf8(text).unwrap();
            let _ = node::endpoint(text);
            for line in [text.to_owned(), format!("for={text}"), format!("for=\"{text}")] {
                let Ok(value) = HeaderValue::from_str(&line) else { continue };
                let mut map = HeaderMap::new();
                map.insert("forwarded", value.clone());
                map.insert("x-forwarded-for", value);
                let trusted = PROXIES.parse().unwrap();
                for believed in ["forwarded", ALL] {
                    let said =
                        forwarded(&ip("10.0.0.1"), &map, &trusted, &believed.parse().unwrap());
                    assert_ne!(said.and_then(|said| said.peer), Some(ip("10.0.0.1")));
                }
            }
        }
    }
}

#[test]
fn the_settings_say_what_is_right() {
    for (text, shown) in [
        ("", "off"),
        ("off", "off"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1, 10.0.0.0/8", "::1/128,10.0.0.0/8"),
        ("UNIX", "unix"),
    ] {
        assert_eq!(text.parse::<TrustedProxies>().unwrap().to_string(), shown, "{text}");
    }
    for (text, part) in [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("10.0.0.0/33", "no network"),
        ("proxy.example", "no network"),
        ("*", "no network"),
    ] {
        assert!(text.parse::<TrustedProxies>().unwrap_err().contains(part), "{text}");
    }
    for (text, part) in [
        ("x-real-ip", "x-forwarded-for"),
        ("forwarded,x-forwarded-for", "one kind"),
        ("x-forwarded-proto", "name it too"),
    ] {
        assert!(text.parse::<ForwardedFields>().unwrap_err().contains(part), "{text}");
    }
}
