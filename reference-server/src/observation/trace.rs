//! Traces: W3C's `traceparent` taken over, and an exchange's span with OpenTelemetry's names.
//!
//! Rules of this room: a trace context is taken over only where it is whole and valid; a client's word here names a trace, and nothing depends on it; a
//! span costs nothing where nobody listens.

use http::HeaderMap;
use tracing::field::Empty;

use super::Details;

/// A valid `traceparent` (W3C Trace Context, section 3.2).
///
/// A server puts it into the environ's extensions, so that an application can hand it on.
///
/// ```
/// use rwgi_server::TraceParent;
/// let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent = TraceParent::parse(given).expect("it is valid");
/// assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(parent.parent_id(), "00f067aa0ba902b7");
/// assert!(parent.is_sampled());
/// assert!(TraceParent::parse("00-0-0-0").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    text: [u8; 55],
}

impl TraceParent {
    /// Reads the field's value; `None` where it is not valid.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = text.as_bytes();
        // A version to come may add to it, behind a further hyphen (section 3.2.4).
        let longer = octets.len() > 55 && octets[55] == b'-' && !text.starts_with("00");
        if octets.len() != 55 && !longer {
            return None;
        }
        let text: [u8; 55] = octets.get(..55)?.try_into().ok()?;
        let well_formed = text.iter().enumerate().all(|(at, octet)| match at {
            2 | 35 | 52 => *octet == b'-',
            _ => octet.is_ascii_digit() || (b'a'..=b'f').contains(octet),
        });
        let zero = |part: &[u8]| part.iter().all(|octet| *octet == b'0');
        let valid =
            well_formed && !zero(&text[3..35]) && !zero(&text[36..52]) && &text[..2] != b"ff";
        valid.then_some(Self { text })
    }

    pub(super) fn of(fields: &HeaderMap) -> Option<Self> {
        let mut values = fields.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.to_str().ok()?.trim()),
            _ => None,
        }
    }

    fn part(&self, from: usize, to: usize) -> &str {
        std::str::from_utf8(&self.text[from..to]).unwrap_or_default()
    }

    /// The trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.part(3, 35)
    }

    /// The span of the client: 16 hexadecimal digits.
    pub fn parent_id(&self) -> &str {
        self.part(36, 52)
    }

    /// Whether the client records the trace.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.part(53, 55), 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

/// Where spans and their level are asked for.
pub(crate) const TARGET: &str = "rwgi_server::exchange";

/// Whether somebody listens to spans.
#[inline]
pub(crate) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// The span of an exchange; what is not known yet is recorded later.
pub(super) fn span(details: &Details) -> tracing::Span {
    let parent = details.trace.as_ref();
    let span = tracing::debug_span!(
        target: TARGET,
        "exchange",
        otel.kind = "server",
        otel.name = details.method.as_str(),
        http.request.method = details.method.as_str(),
        url.path = details.path(),
        url.query = Empty,
        url.scheme = details.scheme.as_str(),
        server.address = Empty,
        client.address = Empty,
        network.peer.address = Empty,
        network.protocol.name = "http",
        network.protocol.version = details.version(),
        user_agent.original = Empty,
        http.response.status_code = Empty,
        http.response.body.size = Empty,
        error.r#type = Empty,
        request_id = %details.id,
        trace_id = Empty,
        parent_id = Empty,
    );
    if let Some(query) = details.query() {
        span.record("url.query", query);
    }
    if let Some(host) = &details.authority {
        span.record("server.address", host.as_str());
    }
    if let Some(agent) = details.field("user-agent") {
        span.record("user_agent.original", agent.as_ref());
    }
    if let Some(ip) = details.peer.ip() {
        span.record("client.address", tracing::field::display(ip));
    }
    if let Some(ip) = details.raw_peer.ip() {
        span.record("network.peer.address", tracing::field::display(ip));
    }
    if let Some(parent) = parent {
        span.record("trace_id", parent.trace_id());
        span.record("parent_id", parent.parent_id());
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_whole_and_valid_context_is_taken_over() {
        assert!(TraceParent::parse(GOOD).is_some());
        assert!(!TraceParent::parse(&GOOD.replace("-01", "-02")).unwrap().is_sampled());
        // Of a version to come, what is known is read.
        assert!(TraceParent::parse(&format!("{}-more", GOOD.replacen("00", "cc", 1))).is_some());
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD[1..].to_owned(),
            format!("{GOOD}-more"),
            format!("{GOOD}0"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("4b", "ü"),
        ] {
            assert_eq!(TraceParent::parse(&bad), None, "{bad}");
        }
        let mut fields = HeaderMap::new();
        fields.append("traceparent", http::HeaderValue::from_static(GOOD));
        assert!(TraceParent::of(&fields).is_some());
        fields.append("traceparent", http::HeaderValue::from_static(GOOD));
        assert_eq!(TraceParent::of(&fields), None, "two are none");
    }
}
