//! What the settings grant a request, and which fields say so.
//!
//! Rules of this room: it thinks; a request's facts go in, fields come out, and nothing here can fail but the room for fields.
//! Everything that a response needs was made into a field value at construction.

use std::borrow::Cow;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use regex::Regex;
use rwgi::{Environ, ResponseHead, Result};

use super::origin::{self, Allowed};
use crate::vary;

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// The settings, ready for use.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) all: bool,
    pub(super) origins: Vec<Allowed>,
    /// `null` is listed.
    pub(super) null: bool,
    pub(super) patterns: Vec<Regex>,
    /// The paths for which CORS is enabled; `None` is all.
    pub(super) urls: Option<Regex>,
    pub(super) credentials: bool,
    pub(super) private_network: bool,
    pub(super) expose: Option<HeaderValue>,
    pub(super) headers: HeaderValue,
    pub(super) methods: HeaderValue,
    /// `None` is no field.
    pub(super) max_age: Option<HeaderValue>,
}

/// What a request is, to CORS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// OPTIONS that asks for a method: answered here.
    Preflight,
    /// OPTIONS that does not: the application's.
    Options,
    Other,
}

impl Kind {
    pub(super) fn of(environ: &Environ) -> Self {
        if environ.method() != Method::OPTIONS {
            Self::Other
        } else if environ.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            Self::Preflight
        } else {
            Self::Options
        }
    }
}

/// What the settings alone say of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Allowed,
    /// Not by the settings: the callback may say otherwise.
    Open,
    /// There is none, or it cannot be an origin: no callback changes that.
    Absent,
}

/// What a response to an allowed origin says.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    origin: HeaderValue,
    kind: Kind,
    private_network: bool,
}

impl Policy {
    /// Whether CORS is enabled for the path.
    pub(super) fn covers(&self, environ: &Environ) -> bool {
        let Some(urls) = &self.urls else { return true };
        // A path that cannot be decoded is matched as it came.
        let path = environ.path_info_decoded().unwrap_or(Cow::Borrowed(environ.path_info()));
        urls.is_match(if path.is_empty() { "/" } else { &path })
    }

    /// The origin as the request has it, and what the settings say of it.
    pub(super) fn judge(&self, fields: &HeaderMap) -> (HeaderValue, Word) {
        let absent = (HeaderValue::from_static(""), Word::Absent);
        let Some(value) = joined(fields) else { return absent };
        let text = text(&value);
        if text.is_empty() {
            return absent;
        }
        let Some(url) = origin::split(&text) else { return absent };
        let allowed = self.all
            || (self.null && text == "null")
            || self.origins.iter().any(|allowed| allowed.matches(&url))
            || self.patterns.iter().any(|pattern| pattern.is_match(&text));
        drop(text);
        (value, if allowed { Word::Allowed } else { Word::Open })
    }

    /// The grant of an allowed origin.
    pub(super) fn grant(&self, origin: HeaderValue, kind: Kind, fields: &HeaderMap) -> Grant {
        let everyone = self.all && !self.credentials;
        Grant {
            origin: if everyone { HeaderValue::from_static("*") } else { origin },
            kind,
            private_network: self.private_network
                && fields.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true"),
        }
    }

    /// Writes the fields of an enabled response; those of the application give way.
    pub(super) fn write(&self, head: &mut ResponseHead, grant: Option<Grant>) -> Result<()> {
        vary::add(head, "origin")?;
        let Some(grant) = grant else { return Ok(()) };
        head.insert(ACCESS_CONTROL_ALLOW_ORIGIN, grant.origin)?;
        if self.credentials {
            head.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"))?;
        }
        if let Some(expose) = &self.expose {
            head.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone())?;
        }
        if grant.kind != Kind::Other {
            head.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone())?;
            head.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())?;
            if let Some(max_age) = &self.max_age {
                head.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone())?;
            }
        }
        if grant.private_network {
            head.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"))?;
        }
        Ok(())
    }
}

/// The Origin field; repeated ones are joined, and are then no origin that anybody listed.
fn joined(fields: &HeaderMap) -> Option<HeaderValue> {
    let mut values = fields.get_all(ORIGIN).iter();
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(first.clone()) };
    let mut all = [first.as_bytes(), second.as_bytes()].join(&b", "[..]);
    for value in values {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(all)).ok()
}

/// The octets as text; each octet beyond ASCII is one character, as Python has it.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().map(|octet| char::from(*octet)).collect()),
    }
}
