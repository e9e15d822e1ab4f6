//! What a line says: the named formats, and a format of one's own with gunicorn's atoms.
//!
//! Rules of this room: it thinks; a format is read once and understood in its whole, or refused with what would be right; each line is one line.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::SystemTime;

use http::header::{REFERER, USER_AGENT};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::escape;
use crate::observation::Details;

/// The form of the access log's lines: `common`, `combined`, `json`, or a text with gunicorn's atoms.
///
/// | Atom | Value |
/// |---|---|
/// | `%(h)s` | the client's address: a trusted proxy's word, else the peer's |
/// | `%(l)s`, `%(u)s` | `-`: the server asks nobody for a name |
/// | `%(t)s` | when the request came, in the form of the common log |
/// | `%(r)s` | the request line |
/// | `%(m)s`, `%(U)s`, `%(q)s`, `%(H)s` | method, path, query, protocol |
/// | `%(s)s` | the status; 499 where the client had left before there was one |
/// | `%(B)s`, `%(b)s` | bytes of content sent; `b` has `-` for none |
/// | `%(f)s`, `%(a)s` | Referer and User-Agent |
/// | `%(T)s`, `%(M)s`, `%(D)s`, `%(L)s` | the duration in seconds, milliseconds, microseconds, and as decimal seconds |
/// | `%(p)s` | the process |
/// | `%({name}i)s`, `%({name}o)s` | a field of the request, of the response |
/// | `%(id)s`, `%(trace_id)s` | the exchange's name, the trace of its `traceparent` |
///
/// ```
/// use rwgi_server::AccessLogFormat;
/// let format: AccessLogFormat = "%(h)s %(m)s %(U)s %(s)s %(D)s".parse()?;
/// assert_eq!(format.to_string(), "%(h)s %(m)s %(U)s %(s)s %(D)s");
/// assert!("%(nonsense)s".parse::<AccessLogFormat>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogFormat {
    name: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Pieces(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Atom(Atom),
    Request(HeaderName),
    Response(HeaderName),
}

macro_rules! atoms {
    ($($atom:ident $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Atom { $($atom,)* }
        const ATOMS: &[(&str, Atom)] = &[$(($name, Atom::$atom),)*];
    };
}

atoms! {
    Host "h", Logname "l", User "u", Time "t", Line "r", Method "m", Path "U", Query "q", Protocol "H", Status "s",
    Bytes "B", BytesOrNone "b", Referer "f", Agent "a", Seconds "T", Milliseconds "M", Microseconds "D",
    Decimal "L", Process "p", Id "id", TraceId "trace_id",
}

const COMMON: &str = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s";
const COMBINED: &str = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";

impl Default for AccessLogFormat {
    fn default() -> Self {
        // What every reader of logs understands.
        Self {
            name: "combined".to_owned(),
            form: Form::Pieces(pieces(COMBINED).unwrap_or_default()),
        }
    }
}

impl fmt::Display for AccessLogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for AccessLogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = match text {
            "json" => Form::Json,
            "common" => Form::Pieces(pieces(COMMON)?),
            "combined" => Form::Pieces(pieces(COMBINED)?),
            text if text.contains("%(") => Form::Pieces(pieces(text)?),
            text => {
                return Err(format!(
                    "{text:?} is no format; write common, combined, json, or atoms as in \"%(h)s %(r)s %(s)s\""
                ));
            }
        };
        Ok(Self { name: text.to_owned(), form })
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    if text.contains(['\n', '\r']) {
        return Err("a format is one line; take the line break out".to_owned());
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            pieces.push(Piece::Literal(rest[..at].to_owned()));
        }
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%%") {
            pieces.push(Piece::Literal("%".to_owned()));
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix("%(").and_then(|after| after.split_once(")s"));
        let Some((name, after)) = inside else {
            let shown: String = rest.chars().take(12).collect();
            return Err(format!(
                "{shown:?} is no atom; write it as %(h)s, and a percent sign as %%"
            ));
        };
        pieces.push(atom(name)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

fn atom(name: &str) -> Result<Piece, String> {
    if let Some((field, kind)) = name.strip_prefix('{').and_then(|name| name.split_once('}')) {
        let field =
            HeaderName::try_from(field).map_err(|_| format!("{field:?} is no field's name"))?;
        return match kind {
            "i" => Ok(Piece::Request(field)),
            "o" => Ok(Piece::Response(field)),
            _ => {
                Err(format!("%({name})s: after a field's name stands i (request) or o (response)"))
            }
        };
    }
    match ATOMS.iter().find(|(known, _)| *known == name) {
        Some((_, atom)) => Ok(Piece::Atom(*atom)),
        None => {
            let known: Vec<_> = ATOMS.iter().map(|(known, _)| *known).collect();
            Err(format!(
                "%({name})s is not known; there are {}, {{field}}i and {{field}}o",
                known.join(" ")
            ))
        }
    }
}

/// A line of the format `json`.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    client: String,
    scheme: &'static str,
    host: Option<&'a str>,
    method: Option<&'a str>,
    path: Option<&'a str>,
    query: Option<&'a str>,
    protocol: Option<String>,
    status: u16,
    bytes: u64,
    duration: f64,
    complete: bool,
    referer: Option<String>,
    user_agent: Option<String>,
}

impl AccessLogFormat {
    /// The fields of request and response that it needs.
    pub(super) fn fields(&self) -> (Vec<HeaderName>, Vec<HeaderName>) {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        match &self.form {
            Form::Json => request.extend([REFERER, USER_AGENT]),
            Form::Pieces(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Request(name) => request.push(name.clone()),
                        Piece::Response(name) => response.push(name.clone()),
                        Piece::Atom(Atom::Referer) => request.push(REFERER),
                        Piece::Atom(Atom::Agent) => request.push(USER_AGENT),
                        _ => {}
                    }
                }
            }
        }
        // A span names it too.
        if !request.contains(&USER_AGENT) {
            request.push(USER_AGENT);
        }
        (request, response)
    }

    /// Appends the line of an exchange, with its end.
    pub(super) fn line(&self, details: &Details, line: &mut Vec<u8>) {
        match &self.form {
            Form::Json => json(details, line),
            Form::Pieces(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => line.extend_from_slice(text.as_bytes()),
                        Piece::Request(name) => field(&details.request, name, line),
                        Piece::Response(name) => field(&details.response, name, line),
                        Piece::Atom(atom) => atom.write(details, line),
                    }
                }
            }
        }
        line.push(b'\n');
    }
}

fn json(details: &Details, line: &mut Vec<u8>) {
    let of_request = |name: &HeaderName| {
        let found = details.request.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| escape::text(value.as_bytes()))
    };
    let read = details.uri.is_some();
    let entry = Line {
        time: when(details.at).1,
        request_id: details.id.to_string(),
        trace_id: details.trace.as_ref().map(|trace| trace.trace_id()),
        parent_id: details.trace.as_ref().map(|trace| trace.parent_id()),
        client: client(details),
        scheme: details.scheme.as_str(),
        host: details.authority.as_deref(),
        method: read.then(|| details.method.as_str()),
        path: read.then(|| details.path()),
        query: details.query(),
        protocol: read.then(|| format!("HTTP/{}", details.version())),
        status: details.status,
        bytes: details.bytes,
        duration: details.time.as_secs_f64(),
        complete: details.whole,
        referer: of_request(&REFERER),
        user_agent: of_request(&USER_AGENT),
    };
    // Numbers, texts and nothing else: it cannot fail, and a line that is missing would be seen.
    let _ = serde_json::to_writer(line, &entry);
}

fn field(fields: &[(HeaderName, HeaderValue)], name: &HeaderName, line: &mut Vec<u8>) {
    match fields.iter().find(|(key, _)| key == name) {
        Some((_, value)) if !value.is_empty() => escape::value(line, value.as_bytes()),
        _ => line.push(b'-'),
    }
}

fn client(details: &Details) -> String {
    match details.peer.ip() {
        Some(ip) => ip.to_string(),
        None => details.peer.to_string(),
    }
}

impl Atom {
    fn write(self, details: &Details, line: &mut Vec<u8>) {
        let mut number = |value: &dyn fmt::Display| {
            // Writing to memory does not fail.
            let _ = write!(line, "{value}");
        };
        let time = details.time;
        match self {
            Self::Host => escape::value(line, client(details).as_bytes()),
            Self::Logname | Self::User => line.push(b'-'),
            Self::Time => number(&format_args!("[{}]", when(details.at).0)),
            Self::Line if details.uri.is_none() => line.push(b'-'),
            Self::Line => {
                escape::value(line, details.method.as_str().as_bytes());
                line.push(b' ');
                Self::Path.write(details, line);
                if let Some(query) = details.query() {
                    line.push(b'?');
                    escape::value(line, query.as_bytes());
                }
                line.push(b' ');
                Self::Protocol.write(details, line);
            }
            Self::Method => escape::value(line, details.method.as_str().as_bytes()),
            Self::Path => escape::value(line, details.path().as_bytes()),
            Self::Query => escape::value(line, details.query().unwrap_or_default().as_bytes()),
            Self::Protocol => number(&format_args!("HTTP/{}", details.version())),
            Self::Status => number(&details.status),
            Self::BytesOrNone if details.bytes == 0 => line.push(b'-'),
            Self::Bytes | Self::BytesOrNone => number(&details.bytes),
            Self::Referer => field(&details.request, &REFERER, line),
            Self::Agent => field(&details.request, &USER_AGENT, line),
            Self::Seconds => number(&time.as_secs()),
            Self::Milliseconds => number(&time.as_millis()),
            Self::Microseconds => number(&time.as_micros()),
            Self::Decimal => {
                number(&format_args!("{}.{:06}", time.as_secs(), time.subsec_micros()))
            }
            Self::Process => number(&std::process::id()),
            Self::Id => number(&details.id),
            Self::TraceId => match &details.trace {
                Some(trace) => number(&trace.trace_id()),
                None => line.push(b'-'),
            },
        }
    }
}

/// A moment as the common log has it, and as RFC 3339 has it; both in UTC.
fn when(at: SystemTime) -> (String, String) {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // As in `Sun, 06 Nov 1994 08:49:37 GMT`: each part has its place.
    let date = httpdate::fmt_http_date(at);
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or_default();
    let (day, month, year, clock) = (part(5, 7), part(8, 11), part(12, 16), part(17, 25));
    let number = MONTHS.find(month).map_or(0, |at| at / 3 + 1);
    let millis = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_millis());
    (
        format!("{day}/{month}/{year}:{clock} +0000"),
        format!("{year}-{number:02}-{day}T{clock}.{millis:03}Z"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, Uri};
    use rwgi::Endpoint;

    use super::*;
    use crate::observation::TraceParent;

    fn details() -> Details {
        let mut details = Details::unread(&rwgi::Connection::default());
        details.peer = Endpoint::Ip("192.0.2.7:4711".parse().unwrap());
        details.at = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_042);
        details.method = Method::GET;
        details.uri = Some(Uri::from_static("/a%22b?c=d"));
        details.authority = Some("a.example".to_owned());
        details.status = 200;
        details.bytes = 13;
        details.time = Duration::from_micros(1_002_003);
        details.whole = true;
        details.request = vec![
            (REFERER, HeaderValue::from_static("http://b.example/\"x")),
            (USER_AGENT, HeaderValue::from_bytes(b"curl\xff\t\" 200 13").unwrap()),
        ];
        details.trace =
            TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        details
    }

    fn line(format: &str, details: &Details) -> String {
        let mut line = Vec::new();
        format.parse::<AccessLogFormat>().unwrap().line(details, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_named_formats_are_what_readers_of_logs_expect() {
        let common =
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a%22b?c=d HTTP/1.1\" 200 13";
        assert_eq!(line("common", &details()), format!("{common}\n"));
        assert_eq!(
            line("combined", &details()),
            format!("{common} \"http://b.example/\\x22x\" \"curl\\xFF\\x09\\x22 200 13\"\n")
        );
        assert_eq!(AccessLogFormat::default(), "combined".parse().unwrap());
    }

    #[test]
    fn json_is_json_whatever_a_client_sends() {
        let line = line("json", &details());
        assert_eq!(line.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["time"], "1994-11-06T08:49:37.042Z");
        assert_eq!(json["client"], "192.0.2.7");
        assert_eq!((&json["path"], &json["query"]), (&"/a%22b".into(), &"c=d".into()));
        assert_eq!(json["user_agent"], "curl\\xFF\\x09\\x22 200 13");
        assert_eq!(json["duration"], 1.002_003);
        assert_eq!(json["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((&json["status"], &json["complete"]), (&200.into(), &true.into()));
    }

    #[test]
    fn every_atom_has_its_value() {
        let all = "%(h)s|%(l)s|%(u)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(b)s|%(T)s|%(M)s|%(D)s|%(L)s|%({Referer}i)s|%({server}o)s|%(trace_id)s|100%%";
        assert_eq!(
            line(all, &details()),
            "192.0.2.7|-|-|GET|/a%22b|c=d|HTTP/1.1|200|13|13|1|1002|1002003|1.002003|http://b.example/\\x22x|-|4bf92f3577b34da6a3ce929d0e0e4736|100%\n"
        );
        let expected = format!("{} {}\n", std::process::id(), details().id.to_string().len());
        let mut details = details();
        details.id = crate::observation::RequestId::new();
        assert_eq!(line("%(p)s ", &details).trim_end(), expected.split(' ').next().unwrap());
        assert_eq!(line("%(id)s", &details).trim_end(), details.id.to_string());
        details.bytes = 0;
        assert_eq!(line("%(B)s %(b)s", &details), "0 -\n");
    }

    #[test]
    fn what_is_no_request_has_a_line_too() {
        let mut details = Details::unread(&rwgi::Connection::default());
        details.status = 400;
        assert!(line("common", &details).ends_with("\"-\" 400 -\n"));
        let json: serde_json::Value = serde_json::from_str(&line("json", &details)).unwrap();
        assert!(json["method"].is_null() && json["path"].is_null());
    }

    #[test]
    fn a_format_that_is_not_understood_says_what_is_right() {
        for (format, part) in [
            ("short", "combined"),
            ("%(x)s", "h l u t"),
            ("%(h)", "%(h)s"),
            ("%(h)s %s", "%%"),
            ("%({}i)s", "no field's name"),
            ("%({a}e)s", "i (request)"),
            ("%(h)s\n", "one line"),
        ] {
            let error = format.parse::<AccessLogFormat>().unwrap_err();
            assert!(error.contains(part), "{format}: {error}");
        }
    }
}
