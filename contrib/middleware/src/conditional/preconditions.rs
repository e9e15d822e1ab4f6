//! Conditional requests: RFC 9110, section 13.
//!
//! Rules of this room: it thinks; the order of the conditions is that of section 13.2.2; dates count only where no entity tag does; what is
//! malformed is as if it were not there.

use std::time::SystemTime;

use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the conditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The response as it is.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Whether a request has any condition.
pub(super) fn are_there(request: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| request.contains_key(name))
}

/// Judges the conditions by the response's validators.
pub(super) fn judge(request: &HeaderMap, response: &HeaderMap) -> Verdict {
    let tag = response.get(ETAG).map(HeaderValue::as_bytes);
    let modified = date(response, LAST_MODIFIED);
    if request.contains_key(IF_MATCH) {
        if !lists(request, IF_MATCH, tag, strongly) {
            return Verdict::Failed;
        }
    } else if let (Some(limit), Some(modified)) = (date(request, IF_UNMODIFIED_SINCE), modified)
        && modified > limit
    {
        return Verdict::Failed;
    }
    if request.contains_key(IF_NONE_MATCH) {
        if lists(request, IF_NONE_MATCH, tag, weakly) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(request, IF_MODIFIED_SINCE), modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

fn date(fields: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.get(name)?.to_str().ok()?).ok()
}

/// Whether a list of tags has the response's, or is `*` for a response that exists.
fn lists(
    request: &HeaderMap,
    name: HeaderName,
    tag: Option<&[u8]>,
    same: fn(&[u8], &[u8]) -> bool,
) -> bool {
    request.get_all(name).iter().any(|line| {
        let line = line.as_bytes().trim_ascii();
        line == b"*" || tag.is_some_and(|tag| tags(line).any(|listed| same(listed, tag)))
    })
}

/// The tags of a list; a comma within quotation marks belongs to the tag.
fn tags(mut line: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let start = line.iter().position(|octet| *octet == b'"')?;
        let length = line[start + 1..].iter().position(|octet| *octet == b'"')?;
        let from = if line[..start].ends_with(b"W/") { start - 2 } else { start };
        let tag = &line[from..=start + 1 + length];
        line = &line[start + length + 2..];
        Some(tag)
    })
}

fn strongly(one: &[u8], other: &[u8]) -> bool {
    one == other && one.starts_with(b"\"")
}

fn weakly(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").map(<[u8]>::to_vec).unwrap_or(tag.to_vec());
    opaque(one) == opaque(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in pairs {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn the_conditions_are_judged_in_their_order() {
        use Verdict::{Failed, NotModified, Proceed};
        let tagged = [("etag", "\"a\""), ("last-modified", OLD)];
        let weak = [("etag", "W/\"a\"")];
        for (request, response, verdict) in [
            (&[][..], &tagged[..], Proceed),
            (&[("if-none-match", "\"a\"")], &tagged, NotModified),
            (&[("if-none-match", "W/\"a\"")], &tagged, NotModified),
            (&[("if-none-match", "\"a\"")], &weak, NotModified),
            (&[("if-none-match", "\"x\", \"a\"")], &tagged, NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], &tagged, NotModified),
            (&[("if-none-match", "\"x,\\\"a")], &tagged, Proceed),
            (&[("if-none-match", "*")], &tagged, NotModified),
            (&[("if-none-match", "a")], &tagged, Proceed),
            (&[("if-none-match", "\"b\"")], &tagged, Proceed),
            (&[("if-none-match", "\"b\""), ("if-modified-since", OLD)], &tagged, Proceed),
            (&[("if-modified-since", OLD)], &tagged, NotModified),
            (&[("if-modified-since", NEW)], &tagged, NotModified),
            (&[("if-modified-since", "yesterday")], &tagged, Proceed),
            (&[("if-modified-since", NEW)], &weak, Proceed),
            (&[("if-match", "\"a\"")], &tagged, Proceed),
            (&[("if-match", "*")], &tagged, Proceed),
            (&[("if-match", "\"b\"")], &tagged, Failed),
            (&[("if-match", "W/\"a\"")], &weak, Failed),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], &tagged, NotModified),
            (&[("if-unmodified-since", OLD)], &tagged, Proceed),
            (&[("if-unmodified-since", OLD)], &[("last-modified", NEW)], Failed),
            (&[("if-match", "\"a\""), ("if-unmodified-since", "x")], &tagged, Proceed),
        ] {
            assert_eq!(judge(&fields(request), &fields(response)), verdict, "{request:?}");
        }
        let request = fields(&[("if-modified-since", OLD)]);
        assert_eq!(judge(&request, &fields(&[("last-modified", NEW)])), Proceed);
    }
}
