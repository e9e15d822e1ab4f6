//! The fields of a response: how they are given, and which ones an application can never set.
//!
//! Rules of this room: it judges names and values and holds none; each refusal says the field, why, and what to
//! do instead. The list of connection fields is normative (REQ-RESP-07 and its neighbours in the specification).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Error, ResponseHead, Result};

/// Anything that can be given as the fields of a response: arrays, vectors and slices of pairs, a
/// [`HeaderMap`], or `()` for none.
///
/// Names and values are anything that converts: `HeaderName` constants, `&str`, `String`, integers.
/// Repeated names are kept, in order.
///
/// ```
/// use http::{StatusCode, header::{CONTENT_LENGTH, CONTENT_TYPE}};
/// use rwgi::ResponseHead;
///
/// ResponseHead::new(StatusCode::OK, ())?;
/// ResponseHead::new(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
/// ResponseHead::new(StatusCode::OK, [("content-type", "text/css"), ("x-request-id", "7")])?;
/// ResponseHead::new(StatusCode::OK, vec![(CONTENT_LENGTH, 13u64)])?;
/// # Ok::<(), rwgi::Error>(())
/// ```
pub trait IntoFields {
    /// Adds the fields to a head, one checked [`ResponseHead::append`] each.
    ///
    /// # Errors
    /// A name or value that is malformed (REQ-RESP-06), or a field that only the server may set (REQ-RESP-08).
    fn append_to(self, head: &mut ResponseHead) -> Result<()>;

    /// How many fields there are, as far as is known: room to reserve.
    fn count_hint(&self) -> usize {
        0
    }
}

impl IntoFields for () {
    fn append_to(self, _: &mut ResponseHead) -> Result<()> {
        Ok(())
    }
}

impl IntoFields for HeaderMap {
    fn append_to(self, head: &mut ResponseHead) -> Result<()> {
        let mut last = None;
        for (name, value) in self {
            // `HeaderMap` gives a name once and then only the further values of it.
            let name = name.or(last).expect("a header map's first item carries its name");
            head.append(name.clone(), value)?;
            last = Some(name);
        }
        Ok(())
    }

    fn count_hint(&self) -> usize {
        self.len()
    }
}

impl<N: IntoName, V: IntoValue, const L: usize> IntoFields for [(N, V); L] {
    #[inline]
    fn append_to(self, head: &mut ResponseHead) -> Result<()> {
        self.into_iter().try_for_each(|(name, value)| head.append(name, value))
    }

    fn count_hint(&self) -> usize {
        L
    }
}

impl<N: IntoName, V: IntoValue> IntoFields for Vec<(N, V)> {
    fn append_to(self, head: &mut ResponseHead) -> Result<()> {
        self.into_iter().try_for_each(|(name, value)| head.append(name, value))
    }

    fn count_hint(&self) -> usize {
        self.len()
    }
}

impl<N: IntoName + Clone, V: IntoValue + Clone> IntoFields for &[(N, V)] {
    fn append_to(self, head: &mut ResponseHead) -> Result<()> {
        self.iter().try_for_each(|(name, value)| head.append(name.clone(), value.clone()))
    }

    fn count_hint(&self) -> usize {
        self.len()
    }
}

/// A field name, or what becomes one.
pub trait IntoName {
    /// The name, lower-cased and checked against RFC 9110's `token`.
    ///
    /// # Errors
    /// The text is no token.
    fn into_name(self) -> Result<HeaderName>;
}

impl<T> IntoName for T
where
    T: TryInto<HeaderName>,
    T::Error: Into<http::Error>,
{
    #[inline]
    fn into_name(self) -> Result<HeaderName> {
        self.try_into().map_err(|error| {
            Error::application("a field's name is not a token (RFC 9110, section 5.1)")
                .with_source(error.into())
        })
    }
}

/// A field value, or what becomes one.
pub trait IntoValue {
    /// The value, checked: no CR, LF or NUL, and no other control octet but the tab.
    ///
    /// # Errors
    /// The text holds an octet that a field value cannot carry (REQ-RESP-06).
    fn into_value(self) -> Result<HeaderValue>;
}

impl<T> IntoValue for T
where
    T: TryInto<HeaderValue>,
    T::Error: Into<http::Error>,
{
    #[inline]
    fn into_value(self) -> Result<HeaderValue> {
        self.try_into().map_err(|error| {
            Error::application(
                "a field's value cannot hold a line's end or another control octet (RFC 9110, section 5.5)",
            )
            .with_requirement(INVALID_VALUE)
            .with_source(error.into())
        })
    }
}

/// The fields that belong to the connection: an application can never set them (REQ-RESP-07), and a head that does is refused
/// (REQ-RESP-08). In lower case.
///
/// ```
/// assert!(rwgi::CONNECTION_FIELDS.contains(&"transfer-encoding"));
/// ```
pub const CONNECTION_FIELDS: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field belongs to the connection (RFC 9110, section 7.6.1), so that only the server sets it: one of [`CONNECTION_FIELDS`].
///
/// ```
/// use http::header::{CONTENT_LENGTH, UPGRADE};
/// assert!(rwgi::is_connection_field(&UPGRADE));
/// assert!(!rwgi::is_connection_field(&CONTENT_LENGTH));
/// ```
#[inline]
pub fn is_connection_field(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The lengths tell all seven apart from nearly every field in use, before any text is compared.
    match name.len() {
        2 => name == "te",
        7 => name == "trailer" || name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

/// Fields that lose or change their meaning after the content (RFC 9110, section 6.5.1): refused in trailers.
const NOT_IN_TRAILERS: [&str; 22] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "warning",
    "www-authenticate",
];

const INVALID_VALUE: &str = "REQ-RESP-06";
const CONNECTION_FIELD: &str = "REQ-RESP-07";
const TRAILER_FIELD: &str = "REQ-BODY-20";

/// Refuses a connection field, by name.
#[inline]
pub(crate) fn refuse_connection_field(name: &HeaderName) -> Result<()> {
    if is_connection_field(name) { Err(connection_field_error(name)) } else { Ok(()) }
}

#[cold]
fn connection_field_error(name: &HeaderName) -> Error {
    Error::application(format!(
        "the application set `{name}`, a field of the connection: leave it out, the server frames and closes"
    ))
    .with_requirement(CONNECTION_FIELD)
}

/// Refuses trailers that would change what was already read.
pub(crate) fn check_trailers(trailers: &HeaderMap) -> Result<()> {
    for name in trailers.keys() {
        if is_connection_field(name) || NOT_IN_TRAILERS.contains(&name.as_str()) {
            return Err(Error::application(format!(
                "`{name}` cannot be a trailer (RFC 9110, section 6.5.1): send it in the head"
            ))
            .with_requirement(TRAILER_FIELD));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Evidence: REQ-RESP-07
    #[test]
    fn every_listed_connection_field_is_recognised_and_its_neighbours_are_not() {
        for name in CONNECTION_FIELDS {
            assert!(is_connection_field(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["ta", "upgrada", "trailes", "content-type", "keep-alivf", "transfer-encodinf"]
        {
            assert!(!is_connection_field(&HeaderName::from_static(name)), "{name}");
        }
    }

    // Evidence: REQ-BODY-20
    #[test]
    fn trailers_that_would_change_the_head_are_refused_by_name() {
        for name in NOT_IN_TRAILERS.iter().chain(&CONNECTION_FIELDS) {
            let mut trailers = HeaderMap::new();
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
            assert!(check_trailers(&trailers).unwrap_err().message().contains(name));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("1"));
        assert!(check_trailers(&trailers).is_ok());
    }
}
