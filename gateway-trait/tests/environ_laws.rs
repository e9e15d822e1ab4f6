//! Laws of the environ, for any request: what must hold whatever a client sends and middleware does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use rwgi::Environ;

/// Raw paths: empty segments, dots, escapes that are valid, double, or not UTF-8.
fn path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,3}",
        1 => Just("%C3%A9".to_owned()),
        1 => Just("%2F".to_owned()),
        1 => Just("%252e".to_owned()),
        1 => Just("%ff".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just(String::new()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("/{}", pieces.join("/")))
}

/// Anything that may be tried as a mount.
fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        3 => (0usize..12).prop_map(Prefix::Cut),
        1 => "[/a-z%]{0,4}".prop_map(Prefix::Text),
        1 => (0usize..4, any::<bool>()).prop_map(|(count, slash)| Prefix::Segments(count, slash)),
    ]
}

#[derive(Clone, Debug)]
enum Prefix {
    /// The first bytes of what is left.
    Cut(usize),
    /// The first segments of what is left, with or without a slash after them.
    Segments(usize, bool),
    Text(String),
}

impl Prefix {
    fn of(&self, rest: &str) -> String {
        match self {
            Self::Cut(length) => rest.get(..*length).unwrap_or(rest).to_owned(),
            Self::Segments(count, slash) => {
                let mut whole: String = rest
                    .split('/')
                    .skip(1)
                    .take(*count)
                    .map(|segment| format!("/{segment}"))
                    .collect();
                if *slash {
                    whole.push('/');
                }
                whole
            }
            Self::Text(text) => text.clone(),
        }
    }
}

fn environ(uri: &str) -> Environ {
    Environ::builder().uri(uri).build().unwrap()
}

/// Every octet as the wire may carry it: `plain` decides for the unreserved ones.
fn encode(text: &[u8], plain: bool) -> String {
    text.iter()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if plain => {
                char::from(*octet).to_string()
            }
            _ => format!("%{octet:02X}"),
        })
        .collect()
}

fn variables(environ: &Environ) -> BTreeMap<String, Vec<u8>> {
    let list = environ.variables().unwrap();
    let count = list.len();
    let map: BTreeMap<_, _> =
        list.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert_eq!(map.len(), count, "no name comes twice");
    map
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Evidence: REQ-ENV-03, REQ-ENV-04, REQ-ENV-05, REQ-ENV-06, REQ-MID-02
    #[test]
    fn script_name_and_path_info_are_the_raw_path(
        raw in path(), query in prop::option::of("[a-z&=?/%]{0,6}"), prefixes in prop::collection::vec(prefix(), 0..6)
    ) {
        let target = query.as_ref().map_or(raw.clone(), |query| format!("{raw}?{query}"));
        let mut environ = environ(&target);
        prop_assert_eq!(environ.script_name(), "");
        for prefix in &prefixes {
            let before = (environ.script_name().to_owned(), environ.path_info().to_owned());
            let prefix = prefix.of(&before.1);
            let bare = prefix.strip_suffix('/').unwrap_or(&prefix);
            let aligned = before.1.strip_prefix(bare)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            prop_assert_eq!(environ.shift_path(&prefix), aligned);
            if aligned {
                prop_assert_eq!(environ.script_name(), format!("{}{bare}", before.0));
            } else {
                prop_assert_eq!((environ.script_name(), environ.path_info()), (&*before.0, &*before.1));
            }
            prop_assert_eq!(format!("{}{}", environ.script_name(), environ.path_info()), &*raw);
            prop_assert!(environ.path_info().is_empty() || environ.path_info().starts_with('/'));
            prop_assert_eq!(environ.query(), query.as_deref());
        }
    }

    // Evidence: REQ-ENV-07
    #[test]
    fn decoding_undoes_one_encoding_and_no_more(text in "\\PC{0,12}", plain: bool) {
        let once = encode(text.as_bytes(), plain);
        let decoded = environ(&format!("/{once}"));
        prop_assert_eq!(decoded.path_info_decoded().unwrap(), format!("/{text}"));
        let twice = encode(once.as_bytes(), plain);
        let decoded = environ(&format!("/{twice}"));
        prop_assert_eq!(decoded.path_info_decoded().unwrap(), format!("/{once}"));
    }

    // Evidence: REQ-ENV-08, REQ-ENV-21
    #[test]
    fn decoding_fails_or_is_exact(octets in prop::collection::vec(any::<u8>(), 0..8)) {
        let environ = environ(&format!("/{}", encode(&octets, false)));
        let whole = [b"/", &octets[..]].concat();
        match (environ.path_info_decoded(), std::str::from_utf8(&whole)) {
            (Ok(decoded), Ok(text)) => prop_assert_eq!(decoded, text),
            (Err(error), Err(_)) => prop_assert_eq!(error.status(), 400),
            (decoded, text) => prop_assert!(false, "{decoded:?} of {text:?}"),
        }
        // For CGI they are octets, and any will do.
        prop_assert_eq!(&variables(&environ)["PATH_INFO"], &whole);
    }

    #[test]
    fn no_target_that_parses_makes_anything_panic(target in "[/*a-zA-Z0-9%?#:@.\\[\\]&=]{0,20}", options: bool) {
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let method = if options { Method::OPTIONS } else { Method::GET };
        let Ok(mut environ) = Environ::builder().method(method).uri(uri).build() else { return Ok(()) };
        for _ in 0..2 {
            let _ = environ.path_info_decoded();
            let _ = environ.variables();
            let _ = (environ.url(), environ.authority(), environ.protocol());
            let half = environ.path_info().len() / 2;
            let prefix = environ.path_info().get(..half).unwrap_or("").to_owned();
            environ.shift_path(&prefix);
        }
    }

    // Evidence: REQ-ENV-27
    #[test]
    fn the_url_is_the_target_again(raw in path(), query in prop::option::of("[a-z&=?/%]{0,6}"), shift in prefix()) {
        let target = query.as_ref().map_or(raw.clone(), |query| format!("{raw}?{query}"));
        let mut environ = Environ::builder().uri(&*target).host("example.org:8080").build().unwrap();
        let prefix = shift.of(environ.path_info());
        environ.shift_path(&prefix);
        prop_assert_eq!(environ.url(), format!("http://example.org:8080{target}"));
    }

    // Evidence: REQ-ENV-22, REQ-ENV-23, REQ-ENV-24, REQ-ENV-25, REQ-ENV-26, REQ-ENV-11, REQ-ENV-12
    #[test]
    fn each_field_is_one_variable_or_none(
        fields in prop::collection::vec(
            (prop_oneof![
                3 => "[a-z]{1,3}(-[a-z]{1,3})?",
                1 => "[a-z]{1,3}_[a-z]{1,3}",
                1 => Just("proxy".to_owned()),
                1 => Just("cookie".to_owned()),
                1 => Just("content-type".to_owned()),
            ], prop::collection::vec(0x21u8..=0xff, 1..4)),
            0..8,
        )
    ) {
        let fields: Vec<(HeaderName, HeaderValue)> = fields.into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_bytes(&value).ok()?)))
            .collect();
        let mut builder = Environ::builder().host("example.org");
        for (name, value) in &fields {
            builder = builder.header(name.clone(), value.clone());
        }
        let environ = builder.build().unwrap();
        let variables = variables(&environ);
        let mut expected: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, value) in &fields {
            let text = name.as_str();
            prop_assert!(environ.headers().get_all(name).iter().any(|given| given == value));
            if text.contains('_') || text == "proxy" || text == "content-type" {
                continue;
            }
            let separator: &[u8] = if text == "cookie" { b"; " } else { b", " };
            let whole = expected.entry(format!("HTTP_{}", text.to_uppercase().replace('-', "_"))).or_default();
            if !whole.is_empty() {
                whole.extend_from_slice(separator);
            }
            whole.extend_from_slice(value.as_bytes());
        }
        expected.insert("HTTP_HOST".to_owned(), b"example.org".to_vec());
        let given: BTreeMap<_, _> = variables.iter()
            .filter(|(name, _)| name.starts_with("HTTP_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        prop_assert_eq!(given, expected);
        prop_assert!(!variables.contains_key("HTTP_PROXY"));
        prop_assert_eq!(
            variables.get("CONTENT_TYPE").map(Vec::as_slice),
            environ.headers().get("content-type").map(HeaderValue::as_bytes)
        );
    }
}
