//! Which coding a client takes, and which responses are worth one.
//!
//! Rules of this room: it thinks; of equal wishes the stronger coding wins; a client that forbids everything still gets the plain content,
//! which is better than nothing.

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

/// A coding that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    #[cfg(feature = "brotli")]
    Brotli,
    #[cfg(feature = "gzip")]
    Gzip,
}

/// In the order in which they are preferred.
const OFFERED: &[Coding] = &[
    #[cfg(feature = "brotli")]
    Coding::Brotli,
    #[cfg(feature = "gzip")]
    Coding::Gzip,
];

impl Coding {
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli => "br",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
        }
    }
}

/// The coding that the client likes best among those offered; `None` where it likes the plain content better, or names none.
pub(super) fn choose(fields: &HeaderMap) -> Option<Coding> {
    let mut best: Option<(u16, Coding)> = None;
    for coding in OFFERED {
        let wish = wish(fields, coding.name());
        if wish > 0 && best.is_none_or(|(known, _)| wish > known) {
            best = Some((wish, *coding));
        }
    }
    // `identity` is fine where it is not mentioned, but nobody asked for it then.
    let plain = mentioned(fields, "identity").unwrap_or(0);
    best.filter(|(wish, _)| *wish >= plain).map(|(_, coding)| coding)
}

/// How much a coding is wanted, in thousandths.
fn wish(fields: &HeaderMap, name: &str) -> u16 {
    mentioned(fields, name)
        .or_else(|| (name == "gzip").then(|| mentioned(fields, "x-gzip"))?)
        .or_else(|| mentioned(fields, "*"))
        .unwrap_or(0)
}

fn mentioned(fields: &HeaderMap, name: &str) -> Option<u16> {
    let lines = fields.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        coding.trim().eq_ignore_ascii_case(name).then(|| thousandths(weight))
    })
}

/// A weight (`q=0.5`); what is none counts as not wanted.
fn thousandths(weight: &str) -> u16 {
    let weight = weight.trim();
    if weight.is_empty() {
        return 1000;
    }
    let number = weight.strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('='));
    match number.and_then(|number| number.trim().parse::<f32>().ok()) {
        Some(number) if (0.0..=1.0).contains(&number) => (number * 1000.0) as u16,
        _ => 0,
    }
}

/// Whether a response may be coded and gets smaller by it.
pub(super) fn is_worth(status: StatusCode, fields: &HeaderMap) -> bool {
    let without_content =
        [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT];
    if without_content.contains(&status)
        || fields.contains_key(CONTENT_ENCODING)
        || fields.contains_key(CONTENT_RANGE)
    {
        return false;
    }
    let untouchable = fields.get_all(CACHE_CONTROL).iter().any(|value| {
        value
            .as_bytes()
            .split(|octet| *octet == b',')
            .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
    });
    let media = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    !untouchable && media.is_some_and(is_text_like)
}

fn is_text_like(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let exact = [
        "application/javascript",
        "application/json",
        "application/manifest+json",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/svg+xml",
        "image/x-icon",
    ];
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || exact.contains(&&*media)
}

#[cfg(all(test, feature = "brotli", feature = "gzip"))]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_both_know_is_chosen() {
        for (accepted, chosen) in [
            ("", None),
            ("identity", None),
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("gzip, br", Some("br")),
            ("gzip;q=1.0, br;q=0.5", Some("gzip")),
            ("br;q=0, gzip", Some("gzip")),
            ("gzip;q=0", None),
            ("*", Some("br")),
            ("*;q=0, gzip", Some("gzip")),
            ("br;q=0, *", Some("gzip")),
            ("identity;q=0", None),
            ("gzip;q=0.5, identity", None),
            ("gzip;q=0.5, identity;q=0.5", Some("gzip")),
            ("gzip;q=nonsense", None),
            ("gzip;q=2", None),
            ("deflate, zstd", None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(choose(&fields).map(Coding::name), chosen, "{accepted}");
        }
        assert_eq!(choose(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_small_already_or_not_to_be_changed_is_left_alone() {
        for (status, field, value, worth) in [
            (200, "x", "y", true),
            (404, "x", "y", true),
            (206, "x", "y", false),
            (304, "x", "y", false),
            (200, "content-encoding", "gzip", false),
            (200, "content-range", "bytes 0-1/2", false),
            (200, "cache-control", "public, No-Transform", false),
            (200, "content-type", "image/png", false),
            (200, "content-type", "Text/HTML; charset=utf-8", true),
            (200, "content-type", "application/problem+json", true),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(CONTENT_TYPE, "text/css".parse().unwrap());
            fields.insert(field, value.parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_worth(status, &fields), worth, "{status} {field}: {value}");
        }
        assert!(!is_worth(StatusCode::OK, &HeaderMap::new()));
    }
}
