//! What the server says of a request: target, Host, version, fields, connection.
//!
//! Rules of this room: it looks at the environ as it was handed over, before the application has it; the one thing that it leaves there
//! is the mark by which it knows an extension that leaked.

use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::{Method, Version};
use rwgi::{Endpoint, Environ, is_connection_field};

use super::grammar;
use crate::lint::Level::Must;
use crate::lint::Shared;
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

pub(crate) static HOST_MISSING: Rule = Rule::server(
    "env-host-missing",
    Must,
    &["REQ-HTTP-22"],
    "an HTTP/1.1 request has a Host field",
    "answer 400 and do not call the application",
)
.source("RFC 9112 section 3.2");
pub(crate) static HOST_REPEATED: Rule = Rule::server(
    "env-host-repeated",
    Must,
    &["REQ-HTTP-23"],
    "a request has at most one Host field line",
    "answer 400 and do not call the application",
)
.source("RFC 9112 section 3.2");
pub(crate) static HOST_MALFORMED: Rule = Rule::server(
    "env-host-malformed",
    Must,
    &["REQ-HTTP-24"],
    "a Host field is a host with or without a port",
    "answer 400 and do not call the application",
)
.source("RFC 9110 section 7.2");
pub(crate) static TARGET_ASTERISK: Rule = Rule::server(
    "env-target-asterisk",
    Must,
    &["REQ-HTTP-18"],
    "the target * comes with OPTIONS only",
    "answer 400 and do not call the application",
)
.source("RFC 9112 section 3.2.4");
pub(crate) static TARGET_AUTHORITY: Rule = Rule::server(
    "env-target-authority",
    Must,
    &["REQ-HTTP-19", "REQ-ENV-05"],
    "a target in authority-form comes with CONNECT only",
    "answer 400 and do not call the application",
)
.source("RFC 9112 section 3.2.3");
pub(crate) static CONNECT: Rule = Rule::server(
    "env-connect",
    Must,
    &["REQ-HTTP-21"],
    "CONNECT reaches an application only where the server has the capability `upgrade`",
    "answer 501 and do not call the application",
)
.source("RFC 9110 section 9.3.6");
pub(crate) static VERSION: Rule = Rule::server(
    "env-version",
    Must,
    &["REQ-HTTP-04", "REQ-ENV-10"],
    "the version is HTTP/1.0, HTTP/1.1 or HTTP/2",
    "answer another version with 505, and give the version of the request itself",
)
.source("RFC 9110 section 15.6.6");
pub(crate) static FIELD_WHITESPACE: Rule = Rule::server(
    "env-field-whitespace",
    Must,
    &["REQ-ENV-13"],
    "a field value has no whitespace around it",
    "strip spaces and tabs from both ends of the value",
)
.source("RFC 9110 section 5.5");
pub(crate) static FIELD_LIMIT: Rule = Rule::server(
    "env-field-limit",
    Must,
    &["REQ-HTTP-07"],
    "a request has no more fields than the server's declared limit",
    "answer 431, or declare the limit that is applied",
)
.source("RFC 6585 section 5");
pub(crate) static TARGET_LIMIT: Rule = Rule::server(
    "env-target-limit",
    Must,
    &["REQ-HTTP-06"],
    "a target is no longer than the server's declared limit",
    "answer 414, or declare the limit that is applied",
)
.source("RFC 9110 section 15.5.15");
pub(crate) static BODY_LIMIT: Rule = Rule::server(
    "env-body-limit",
    Must,
    &["REQ-ENV-20"],
    "the limit on the input is the one that the server declares",
    "set the input's limit and `Limits::body_bytes` to the same value",
);
pub(crate) static EXTENSION_LEAK: Rule = Rule::server(
    "env-extension-leak",
    Must,
    &["REQ-ENV-19"],
    "an extension of one exchange is not seen in another",
    "make a new map of extensions for every request",
);
pub(crate) static LOCAL_ENDPOINT: Rule = Rule::server(
    "env-local-endpoint",
    Must,
    &["REQ-ENV-17"],
    "a server that listens on addresses gives the one where the connection arrived",
    "fill `Connection::local` from the accepted socket",
);
pub(crate) static PEER: Rule = Rule::server(
    "env-peer",
    Must,
    &["REQ-ENV-16"],
    "a server that listens on addresses gives the remote end",
    "fill `Connection::peer` from the accepted socket",
);
pub(crate) static H2_CONNECTION_FIELD: Rule = Rule::server(
    "env-h2-connection-field",
    Must,
    &["REQ-H2-04"],
    "an HTTP/2 request has no connection-specific field, and no TE but `trailers`",
    "treat the request as malformed",
)
.source("RFC 9113 section 8.2.2");
pub(crate) static H2_COOKIE: Rule = Rule::server(
    "env-h2-cookie",
    Must,
    &["REQ-H2-08"],
    "the Cookie fields of an HTTP/2 request are joined into one",
    "join them with a semicolon and a space",
)
.source("RFC 9113 section 8.2.3");
pub(crate) static H2_AUTHORITY: Rule = Rule::server(
    "env-h2-authority",
    Must,
    &["REQ-H2-07"],
    "an HTTP/2 request has :authority or Host, and they do not differ",
    "answer 400, or reset the stream",
)
.source("RFC 9113 section 8.3.1");

pub(crate) const RULES: &[&Rule] = &[
    &HOST_MISSING,
    &HOST_REPEATED,
    &HOST_MALFORMED,
    &TARGET_ASTERISK,
    &TARGET_AUTHORITY,
    &CONNECT,
    &VERSION,
    &FIELD_WHITESPACE,
    &FIELD_LIMIT,
    &TARGET_LIMIT,
    &BODY_LIMIT,
    &EXTENSION_LEAK,
    &LOCAL_ENDPOINT,
    &PEER,
    &H2_CONNECTION_FIELD,
    &H2_COOKIE,
    &H2_AUTHORITY,
];

/// Left in the extensions of each exchange; it names the lint by the value that only its exchanges share.
#[derive(Clone)]
struct Mark(Arc<Shared>);

/// Judges the environ, and marks its extensions.
pub(crate) fn check(environ: &mut Environ, watch: &Watch) {
    check_version(environ, watch);
    check_target(environ, watch);
    check_limits(environ, watch);
    check_endpoints(environ, watch);
    if let Some((name, value)) = environ.headers().iter().find(|(_, value)| {
        let octets = value.as_bytes();
        let blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
        blank(octets.first()) || blank(octets.last())
    }) {
        watch.report(&FIELD_WHITESPACE, || format!("`{name}` came as {value:?}"));
    }
    if environ.version() == Version::HTTP_2 {
        check_http2(environ, watch);
    } else {
        check_host(environ, watch);
    }
    check_extensions(environ, watch);
}

fn check_version(environ: &Environ, watch: &Watch) {
    let version = environ.version();
    if !matches!(version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        watch.report(&VERSION, || format!("the request came as {version:?}"));
    }
}

fn check_target(environ: &Environ, watch: &Watch) {
    let (method, path) = (environ.method(), environ.path());
    if path == "*" && method != Method::OPTIONS {
        watch.report(&TARGET_ASTERISK, || {
            format!("{method} of the target `*` reached the application")
        });
    }
    if method == Method::CONNECT {
        if !environ.capabilities().upgrade {
            watch.report(&CONNECT, || "CONNECT reached the application".to_owned());
        }
    } else if path.is_empty() && environ.uri().scheme().is_none() {
        watch.report(&TARGET_AUTHORITY, || {
            format!("{method} of `{}` reached the application", environ.uri())
        });
    }
}

fn check_limits(environ: &Environ, watch: &Watch) {
    let limits = environ.limits();
    let fields = environ.headers().len();
    if let Some(limit) = limits.head_fields.filter(|limit| fields > *limit) {
        watch.report(&FIELD_LIMIT, || format!("{fields} fields came where {limit} are declared"));
    }
    let target = environ.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if let Some(limit) = limits.target_bytes.filter(|limit| target > *limit) {
        watch.report(&TARGET_LIMIT, || {
            format!("a target of {target} bytes came where {limit} are declared")
        });
    }
    let (applied, declared) = (environ.input().limit(), limits.body_bytes);
    if applied != declared && !environ.input().is_ended() {
        watch.report(&BODY_LIMIT, || {
            format!("the input has the limit {applied:?} and the server declares {declared:?}")
        });
    }
}

fn check_endpoints(environ: &Environ, watch: &Watch) {
    if !environ.server().endpoints.iter().any(|endpoint| endpoint.socket_addr().is_some()) {
        return;
    }
    let connection = environ.connection();
    if connection.local == Endpoint::Unknown {
        watch.report(&LOCAL_ENDPOINT, || "the local endpoint is not given".to_owned());
    }
    if connection.peer == Endpoint::Unknown {
        watch.report(&PEER, || "the peer is not given".to_owned());
    }
}

fn check_host(environ: &Environ, watch: &Watch) {
    let mut hosts = environ.headers().get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        if environ.version() == Version::HTTP_11 {
            watch.report(&HOST_MISSING, || "there is no Host field".to_owned());
        }
        return;
    };
    if hosts.next().is_some() {
        watch.report(&HOST_REPEATED, || "there are several Host field lines".to_owned());
    }
    if !grammar::is_host(host.as_bytes()) {
        watch.report(&HOST_MALFORMED, || format!("Host is {host:?}"));
    }
}

fn check_http2(environ: &Environ, watch: &Watch) {
    let fields = environ.headers();
    let leaked = fields.iter().find(|(name, value)| {
        is_connection_field(name) && !(name.as_str() == "te" && *value == "trailers")
            // An announcement of trailers is no word about the connection.
            && name.as_str() != "trailer"
    });
    if let Some((name, value)) = leaked {
        watch.report(&H2_CONNECTION_FIELD, || format!("`{name}: {value:?}` came by HTTP/2"));
    }
    let cookies = fields.get_all(COOKIE).iter().count();
    if cookies > 1 {
        watch.report(&H2_COOKIE, || format!("{cookies} Cookie fields came by HTTP/2"));
    }
    let host = fields.get(HOST).map(|host| host.as_bytes());
    let authority = environ.uri().authority().map(|authority| authority.as_str().as_bytes());
    let differs = matches!((authority, host), (Some(a), Some(h)) if !a.eq_ignore_ascii_case(h));
    if differs || (authority.is_none() && host.is_none()) {
        watch.report(&H2_AUTHORITY, || {
            let text = |value: Option<&[u8]>| {
                value.map(|value| String::from_utf8_lossy(value).into_owned())
            };
            format!(":authority is {:?} and Host is {:?}", text(authority), text(host))
        });
    }
}

fn check_extensions(environ: &mut Environ, watch: &Watch) {
    let mark = environ.extensions_mut().insert(Mark(Arc::clone(&watch.shared)));
    if mark.is_some_and(|mark| Arc::ptr_eq(&mark.0, &watch.shared)) {
        watch.report(&EXTENSION_LEAK, || {
            "an extension that an earlier exchange inserted is still there".to_owned()
        });
    }
}
