//! Origins: how they are taken apart and when two are the same.
//!
//! Rules of this room: it follows Python's `urlsplit`, because that is what the settings were written for; scheme and authority are
//! compared, the scheme without regard to case, the authority octet by octet.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A URL, as far as an origin needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// In lower case; empty where there is none.
    pub(crate) scheme: Cow<'a, str>,
    /// Between `//` and the path; empty where there is none.
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) fragment: &'a str,
}

/// Takes a URL apart; `None` where brackets hold no IP address, which Python refuses.
pub(crate) fn split(text: &str) -> Option<Url<'_>> {
    let text = text.trim_start_matches(|c: char| c <= ' ');
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (lower(scheme), rest),
        _ => (Cow::Borrowed(""), text),
    };
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    if !brackets_hold_an_address(authority) {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Some(Url { scheme, authority, path, query, fragment })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn brackets_hold_an_address(authority: &str) -> bool {
    match (authority.find('['), authority.contains(']')) {
        (None, false) => true,
        (Some(open), true) => {
            let host = authority[open + 1..].split(']').next().unwrap_or_default();
            is_future_address(host)
                || host.split('%').next().unwrap_or_default().parse::<Ipv6Addr>().is_ok()
        }
        _ => false,
    }
}

/// RFC 3986's `IPvFuture`.
fn is_future_address(host: &str) -> bool {
    host.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')).is_some_and(
        |(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
        },
    )
}

/// An origin that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    scheme: String,
    authority: String,
}

impl Allowed {
    /// From a setting; `None` where it has no scheme, so that it could only match what is no origin.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = split(text)?;
        (!url.scheme.is_empty())
            .then(|| Self { scheme: url.scheme.into_owned(), authority: url.authority.to_owned() })
    }

    pub(crate) fn matches(&self, origin: &Url<'_>) -> bool {
        self.scheme == origin.scheme && self.authority == origin.authority
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_comes_apart_as_in_python() {
        for (text, scheme, authority, path) in [
            ("https://example.com", "https", "example.com", ""),
            ("HTTPS://Example.com:8443", "https", "Example.com:8443", ""),
            ("https://example.com/a", "https", "example.com", "/a"),
            ("  https://example.com", "https", "example.com", ""),
            ("null", "", "", "null"),
            ("file://", "file", "", ""),
            ("example.com", "", "", "example.com"),
            ("//example.com", "", "example.com", ""),
            ("1http://x", "", "", "1http://x"),
            ("http:x", "http", "", "x"),
            ("", "", "", ""),
            (":", "", "", ":"),
            ("http://[::1]:80", "http", "[::1]:80", ""),
            ("http://[fe80::1%eth0]", "http", "[fe80::1%eth0]", ""),
            ("http://[v1.x]", "http", "[v1.x]", ""),
        ] {
            let url = split(text).unwrap();
            assert_eq!(
                (&*url.scheme, url.authority, url.path),
                (scheme, authority, path),
                "{text}"
            );
        }
        let url = split("https://a?b#c").unwrap();
        assert_eq!((url.authority, url.query, url.fragment), ("a", "b", "c"));
    }

    #[test]
    fn brackets_around_anything_but_an_address_are_refused() {
        for text in ["http://[::1", "http://::1]", "http://[x]", "http://[1.2.3.4]", "http://[v.x]"]
        {
            assert_eq!(split(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_panics(text in "\\PC*") {
            let _ = split(&text);
        }

        #[test]
        fn an_origin_matches_itself_and_its_scheme_in_any_case(
            scheme in "[a-z][a-z0-9+.-]{0,8}", host in "[a-zA-Z0-9.-]{1,20}", port in proptest::option::of(0_u16..),
        ) {
            let authority = port.map_or(host.clone(), |port| format!("{host}:{port}"));
            let allowed = Allowed::parse(&format!("{scheme}://{authority}")).unwrap();
            let upper = format!("{}://{authority}", scheme.to_uppercase());
            prop_assert!(allowed.matches(&split(&upper).unwrap()));
        }

        #[test]
        fn two_origins_are_the_same_only_where_scheme_and_authority_are(
            one in "https?://[ab.]{1,4}(:[12])?", other in "https?://[ab.]{1,4}(:[12])?",
        ) {
            let allowed = Allowed::parse(&one).unwrap();
            prop_assert_eq!(allowed.matches(&split(&other).unwrap()), one == other);
        }

        #[test]
        fn no_more_and_no_less_of_a_host_matches(
            host in "[a-z]{1,8}\\.[a-z]{2,3}", more in "[a-z0-9.:@-]{1,8}",
        ) {
            let allowed = Allowed::parse(&format!("https://{host}")).unwrap();
            for other in [format!("{host}{more}"), format!("{more}{host}"), host[1..].to_owned()] {
                let origin = format!("https://{other}");
                prop_assert!(!allowed.matches(&split(&origin).unwrap()), "{}", origin);
            }
        }
    }
}
