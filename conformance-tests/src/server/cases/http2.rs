//! HTTP/2: the connection, and the request.
//!
//! Rules of this room: by requirement; a malformed request differs from a plain one in one thing.

use super::http2_moves::{
    asks, bad, begin, but, control, first, flaw, get, h2, is, malformed, message, report, tells,
    with, without,
};
use crate::honest::Violation;
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    h2!(
        "h2-prior-knowledge",
        "A connection that begins with the preface of HTTP/2 is served as HTTP/2",
        ["REQ-H2-01"],
        |talk| {
            let mut http2 = talk.connect()?.into_http2(&[])?;
            http2.greeting()?;
            control(&mut http2)
        },
        flaw!("takes the preface for a request of HTTP/1", NoPriorKnowledge)
    ),
    h2!(
        "h2-preface-in-pieces",
        "The preface of HTTP/2 may come octet by octet",
        ["REQ-H2-01"],
        preface_in_pieces,
        flaw!("takes the preface for a request of HTTP/1", NoPriorKnowledge)
    ),
    // REQ-H2-02: the same environ.
    h2!(
        "h2-method",
        "The method of a stream is given as it came",
        ["REQ-H2-02"],
        |talk| tells(talk, &asks("Brew", "/"), "method", "Brew"),
        Violation::request("writes it large", |parts| {
            parts.method = http::Method::GET;
        })
    ),
    h2!(
        "h2-path",
        "The path of a stream is given raw",
        ["REQ-H2-02"],
        |talk| {
            let report = report(talk, &asks("GET", "/a%20b//c;d/%2e"))?;
            is(&report, "path_info", "/a%20b//c;d/%2e")?;
            is(&report, "script_name", "")
        },
        Violation::report("decodes it", |report| report["path_info"] = "/a b//c;d/.".into())
    ),
    h2!(
        "h2-query",
        "The query of a stream is given raw",
        ["REQ-H2-02"],
        |talk| {
            let report = report(talk, &asks("GET", "/?a=%26&b?c"))?;
            is(&report, "path_info", "/")?;
            is(&report, "query", "a=%26&b?c")
        },
        Violation::request("drops it", |parts| parts.uri = http::Uri::from_static("/"))
    ),
    h2!(
        "h2-asterisk",
        "OPTIONS * of HTTP/2 reaches the application with the path *",
        ["REQ-H2-02"],
        |talk| tells(talk, &asks("OPTIONS", "*"), "path_info", "*"),
        Violation::request("makes a slash of it", |parts| {
            parts.uri = http::Uri::from_static("/");
        })
    ),
    h2!(
        "h2-scheme",
        "The scheme is that of the connection",
        ["REQ-H2-02"],
        |talk| tells(talk, &but(asks("GET", "/"), ":scheme", "https"), "scheme", "http"),
        Violation::report("believes :scheme", |report| report["scheme"] = "https".into())
    ),
    h2!(
        "h2-version",
        "The version of a request on a stream is HTTP/2",
        ["REQ-ENV-10"],
        |talk| tells(talk, &asks("GET", "/"), "version", "HTTP/2"),
        Violation::request("says HTTP/1.1", |parts| parts.version = http::Version::HTTP_11)
    ),
    h2!(
        "h2-fields",
        "The fields of a stream are given in their order, the pseudo-fields not among them",
        ["REQ-H2-02"],
        |talk| {
            let report = report(talk, &with(asks("GET", "/"), &[("x-a", "1"), ("x-a", "2")]))?;
            let fields = report["fields"].as_array().cloned().unwrap_or_default();
            let named = |name: &str| fields.iter().filter(|field| field[0] == name).count();
            check(named("x-a") == 2, "two fields x-a", named("x-a"))?;
            let pseudo =
                fields.iter().any(|field| field[0].as_str().unwrap_or_default().starts_with(':'));
            check(!pseudo, "no pseudo-field among the fields", "one")
        },
        Violation::report("lists them", |report| {
            if let Some(fields) = report["fields"].as_array_mut() {
                fields.push(serde_json::json!([":method", "GET"]));
            }
        })
    ),
    // REQ-H2-03: pseudo-fields.
    bad!(
        "h2-no-method",
        "A request without :method is malformed",
        "REQ-H2-03",
        without(get("respond"), ":method"),
        flaw!("takes it for GET", MissingPseudo)
    ),
    bad!(
        "h2-no-scheme",
        "A request without :scheme is malformed",
        "REQ-H2-03",
        without(get("respond"), ":scheme"),
        flaw!("makes one up", MissingPseudo)
    ),
    bad!(
        "h2-no-path",
        "A request without :path is malformed",
        "REQ-H2-03",
        without(get("respond"), ":path"),
        flaw!("takes it for /", MissingPseudo)
    ),
    bad!(
        "h2-no-path-nor-authority",
        "A request without :path is malformed where Host says what :authority would",
        "REQ-H2-03",
        with(without(without(get("respond"), ":path"), ":authority"), &[("host", "a.example")]),
        flaw!("takes it for /", MissingPseudo)
    ),
    bad!(
        "h2-no-scheme-nor-authority",
        "A request without :scheme is malformed where Host says what :authority would",
        "REQ-H2-03",
        with(without(without(get("respond"), ":scheme"), ":authority"), &[("host", "a.example")]),
        flaw!("makes one up", MissingPseudo)
    ),
    bad!(
        "h2-empty-path",
        "A request with an empty :path is malformed",
        "REQ-H2-03",
        but(get("respond"), ":path", ""),
        flaw!("takes it for /", EmptyPseudo)
    ),
    bad!(
        "h2-empty-method",
        "A request with an empty :method is malformed",
        "REQ-H2-03",
        but(get("respond"), ":method", ""),
        flaw!("takes it for GET", EmptyPseudo)
    ),
    bad!(
        "h2-two-methods",
        "A request with two :method is malformed",
        "REQ-H2-03",
        first(get("respond"), ":method", "POST"),
        flaw!("serves the last one", RepeatedPseudo)
    ),
    bad!(
        "h2-two-paths",
        "A request with two :path is malformed",
        "REQ-H2-03",
        first(get("respond"), ":path", "/other"),
        flaw!("serves the last one", RepeatedPseudo)
    ),
    bad!(
        "h2-two-authorities",
        "A request with two :authority is malformed",
        "REQ-H2-03",
        first(get("respond"), ":authority", "other.example"),
        flaw!("serves the last one", RepeatedPseudo)
    ),
    bad!(
        "h2-late-pseudo-field",
        "A request with a pseudo-field after an ordinary one is malformed",
        "REQ-H2-03",
        with(without(get("respond"), ":path"), &[(":path", "/")]),
        flaw!("does not mind the order", LatePseudo)
    ),
    bad!(
        "h2-unknown-pseudo-field",
        "A request with a pseudo-field that is not defined is malformed",
        "REQ-H2-03",
        first(get("respond"), ":fragment", "top"),
        flaw!("skips it", UnknownPseudo)
    ),
    bad!(
        "h2-status-in-request",
        "A request with the pseudo-field of responses is malformed",
        "REQ-H2-03",
        first(get("respond"), ":status", "200"),
        flaw!("skips it", UnknownPseudo)
    ),
    h2!(
        "h2-malformed-not-called",
        "The application does not see a malformed request",
        ["REQ-HTTP-02", "REQ-H2-03"],
        |talk| malformed(talk, &without(get("respond"), ":scheme")),
        flaw!("calls it first and checks then", CallsRefused)
    ),
    // REQ-H2-04: fields of a connection.
    bad!(
        "h2-connection-field",
        "A request with Connection is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("connection", "close")]),
        flaw!("skips the field", ConnectionFields)
    ),
    bad!(
        "h2-keep-alive-field",
        "A request with Keep-Alive is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("keep-alive", "timeout=5")]),
        flaw!("skips the field", ConnectionFields)
    ),
    bad!(
        "h2-proxy-connection-field",
        "A request with Proxy-Connection is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("proxy-connection", "close")]),
        flaw!("skips the field", ConnectionFields)
    ),
    bad!(
        "h2-transfer-encoding-field",
        "A request with Transfer-Encoding is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("transfer-encoding", "chunked")]),
        flaw!("skips the field", ConnectionFields)
    ),
    bad!(
        "h2-upgrade-field",
        "A request with Upgrade is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("upgrade", "websocket")]),
        flaw!("skips the field", ConnectionFields)
    ),
    bad!(
        "h2-te-gzip",
        "A request with TE other than trailers is malformed",
        "REQ-H2-04",
        with(get("respond"), &[("te", "gzip")]),
        flaw!("takes any TE", AnyTe)
    ),
    h2!(
        "h2-te-trailers",
        "A request with TE: trailers is served",
        ["REQ-H2-04"],
        |talk| {
            let report = report(talk, &with(asks("GET", "/te"), &[("te", "trailers")]))?;
            is(&report, "path_info", "/te")
        },
        flaw!("refuses every TE", NoTe)
    ),
    // REQ-H2-05
    bad!(
        "h2-upper-case-name",
        "A request with a capital letter in a field's name is malformed",
        "REQ-H2-05",
        with(get("respond"), &[("X-Name", "value")]),
        flaw!("writes the name small", UpperCase)
    ),
    // REQ-H2-15 where it follows a refusal.
    h2!(
        "h2-malformed-keeps-connection",
        "The connection and its other streams outlive a malformed request",
        ["REQ-H2-15"],
        |talk| {
            let mut http2 = begin(talk)?;
            let waiting = http2.open(&get("gate g; respond waited"), true)?;
            talk.await_event("called").control()?;
            let bad = http2.open(&without(message("POST", "respond"), ":scheme"), true)?;
            http2.refused(bad, &[400])?;
            control(&mut http2)?;
            talk.open_gate("g").control()?;
            http2.response(waiting)?.body("waited")
        },
        flaw!("ends the connection", MalformedCloses)
    ),
];

/// The octets of the preface and of the first frames arrive one by one.
fn preface_in_pieces(talk: &mut Talk<'_>) -> Held {
    let mut wire = talk.connect()?;
    for octet in &crate::http2::PREFACE[..20] {
        wire.send_octets(&[*octet])?;
    }
    let quiet = wire.quiet("no answer before the preface is complete");
    quiet.of("REQ-H2-01")?;
    let mut http2 = wire.into_http2_after(&[], 20)?;
    control(&mut http2)
}
