//! A name for each exchange, for logs and error pages.
//!
//! Rules of this room: unique within a process and unlikely to meet another's; no name of a client's choosing, unless a trusted proxy says it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderMap;

/// The name of an exchange: 16 hexadecimal digits, or what a trusted proxy called it in `X-Request-Id`.
///
/// A server that logs accesses or traces puts it into the environ's extensions.
///
/// ```
/// use rwgi_server::RequestId;
///
/// fn name(environ: &rwgi::Environ) -> Option<String> {
///     environ.extensions().get::<RequestId>().map(RequestId::to_string)
/// }
/// assert_eq!(name(&rwgi::Environ::builder().build()?), None);
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Own(u64),
    Given(Box<str>),
}

/// What is taken over of a proxy's name: long enough for two UUIDs.
const LONGEST: usize = 80;

impl RequestId {
    /// A new one.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static BEGIN: OnceLock<u64> = OnceLock::new();
        // The standard library's seed of its maps: from the system's random source.
        let begin = *BEGIN.get_or_init(|| RandomState::new().hash_one(0));
        let count = NEXT.fetch_add(1, Relaxed);
        // An odd factor visits every number once; neighbours look nothing like each other.
        Self(Name::Own(begin.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// What a proxy calls the request, where that is a plain name.
    pub(crate) fn given(fields: &HeaderMap) -> Option<Self> {
        let name = fields.get("x-request-id")?.to_str().ok()?;
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.:=+/".contains(&octet);
        ((1..=LONGEST).contains(&name.len()) && name.bytes().all(plain))
            .then(|| Self(Name::Given(name.into())))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Own(number) => write!(f, "{number:016x}"),
            Name::Given(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let names: std::collections::HashSet<_> =
            (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 16));
    }

    #[test]
    fn a_given_name_is_plain_or_none() {
        let given = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.insert("x-request-id", http::HeaderValue::from_str(value).unwrap());
            RequestId::given(&fields).map(|id| id.to_string())
        };
        assert_eq!(given("7b1c-4d").as_deref(), Some("7b1c-4d"));
        for bad in ["", "a b", "a\"b", "a\tb", &"x".repeat(81)] {
            assert_eq!(given(bad), None, "{bad}");
        }
    }
}
