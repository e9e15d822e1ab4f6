//! The head of a response: status, fields, reason phrase; correct by construction.
//!
//! Rules of this room: a head that exists is sendable. Each change is checked where it is made, so that no later
//! room validates it a second time: final status, no connection field, at most one numeric Content-Length.

use http::header::CONTENT_LENGTH;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use crate::fields::{IntoFields, IntoName, IntoValue, refuse_connection_field};
use crate::head_room::Room;
use crate::{Error, Result};

/// Status and fields of a response, held until the first byte of content commits them.
///
/// ```
/// use http::{StatusCode, header::CONTENT_TYPE};
/// use rwgi::ResponseHead;
///
/// let mut head = ResponseHead::new(StatusCode::OK, [(CONTENT_TYPE, "text/html")])?;
/// head.insert("x-frame-options", "DENY")?;
/// assert!(head.insert("connection", "close").is_err()); // the server's business
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseHead {
    room: Box<Room>,
}

/// The reason phrase of an HTTP/1 status line, where the application wants another than the registered one.
///
/// HTTP/2 has none; servers drop it there. Kept as an extension of the [`ResponseHead`] and of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonPhrase(HeaderValue);

impl ReasonPhrase {
    /// A phrase, checked against RFC 9112's `reason-phrase`.
    ///
    /// ```
    /// let mut head = rwgi::ResponseHead::default();
    /// head.set_reason(rwgi::ReasonPhrase::new("Fine")?);
    /// assert!(rwgi::ReasonPhrase::new("not\r\nfine").is_err());
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    ///
    /// # Errors
    /// The text holds a control character.
    pub fn new(phrase: &str) -> Result<Self> {
        phrase.into_value().map(Self)
    }

    /// The octets of the phrase.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The protocols that a client has to upgrade to, kept as an extension of the response (RFC 9110, section 15.5.22; REQ-UPG-14).
///
/// [`ResponseHead::require_upgrade`] and [`Error::with_required_upgrade`] make it; a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredUpgrade(HeaderValue);

impl RequiredUpgrade {
    /// `None` where the text is no list of protocols.
    pub(crate) fn new(protocols: &str) -> Option<Self> {
        let mut names = crate::upgrade::elements(protocols).peekable();
        if names.peek().is_none() || !names.all(crate::upgrade::is_protocol) {
            return None;
        }
        HeaderValue::from_str(protocols).ok().map(Self)
    }

    /// The value of the Upgrade field.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl ResponseHead {
    /// A head with the given status and fields.
    ///
    /// # Errors
    /// The status is not final (below 200 or above 599; REQ-RESP-03), a name or value is malformed (REQ-RESP-06), a field belongs to the
    /// connection (REQ-RESP-08), Content-Length is no number or given twice with different values (REQ-RESP-09), or there are more fields
    /// than a [`HeaderMap`] has room for.
    #[inline]
    pub fn new(status: StatusCode, fields: impl IntoFields) -> Result<Self> {
        check_status(status)?;
        let mut head = Self::default();
        head.room.parts.status = status;
        if fields.count_hint() > FIELDS_WITHOUT_RESERVE {
            head.room.parts.headers.try_reserve(fields.count_hint())?;
        }
        fields.append_to(&mut head)?;
        Ok(head)
    }

    /// Takes over the head of an [`http::Response`], without its fields being copied; its version is dropped.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_parts(mut parts: http::response::Parts) -> Result<Self> {
        check_status(parts.status)?;
        let (mut declared, mut again) = (None, false);
        for (name, value) in &parts.headers {
            refuse_connection_field(name)?;
            if name == CONTENT_LENGTH {
                again = declared.is_some();
                declared = Some(merge_length(declared, value)?);
            }
        }
        if let Some(length) = declared.filter(|_| again) {
            // Said twice with the same value is said once (RFC 9110, section 8.6).
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        // The version is that of a connection, and an upstream's is not ours.
        parts.version = Version::default();
        Ok(Self { room: Room::of(parts, declared) })
    }

    /// The head by which a connection is taken over: 101, whatever the version of HTTP has in its place.
    pub(crate) fn switching() -> Self {
        let mut head = Self::default();
        head.room.parts.status = StatusCode::SWITCHING_PROTOCOLS;
        head
    }

    /// Takes over the head of a 101 that another exchange gave, or another HTTP stack that holds the connection already; the latter's
    /// Connection and Upgrade say what was agreed on.
    pub(crate) fn from_switching(mut parts: http::response::Parts, foreign: bool) -> Result<Self> {
        if !foreign {
            parts.headers.keys().try_for_each(refuse_connection_field)?;
        }
        if parts.headers.contains_key(CONTENT_LENGTH) {
            return Err(Error::application("101 has no content, and so no Content-Length")
                .with_requirement("REQ-UPG-06"));
        }
        parts.version = Version::default();
        Ok(Self { room: Room::of(parts, None) })
    }

    /// Says which protocol a client has to upgrade to, beside the status 426: the server sends it as Upgrade and Connection (REQ-UPG-14).
    ///
    /// ```
    /// use http::StatusCode;
    /// let mut head = rwgi::ResponseHead::new(StatusCode::UPGRADE_REQUIRED, ())?;
    /// head.require_upgrade("websocket")?;
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    ///
    /// # Errors
    /// The text is no list of protocols.
    pub fn require_upgrade(&mut self, protocols: &str) -> Result<()> {
        let Some(required) = RequiredUpgrade::new(protocols) else {
            return Err(Error::application(format!(
                "{protocols:?} names no protocol to upgrade to"
            )));
        };
        self.room.parts.extensions.insert(required);
        Ok(())
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.room.parts.status
    }

    /// Replaces the status.
    ///
    /// # Errors
    /// The status is not final (below 200 or above 599; REQ-RESP-03).
    pub fn set_status(&mut self, status: StatusCode) -> Result<()> {
        check_status(status)?;
        self.room.parts.status = status;
        Ok(())
    }

    /// The fields, each of which is sent unchanged (REQ-RESP-04) and in its order (REQ-RESP-05).
    pub fn fields(&self) -> &HeaderMap {
        &self.room.parts.headers
    }

    /// Adds a field beside those of the same name.
    ///
    /// # Errors
    /// A malformed name or value (REQ-RESP-06), a field of the connection (REQ-RESP-08), a Content-Length that is no number or differs from
    /// the one that is there (REQ-RESP-09).
    #[inline]
    pub fn append(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let name = name.into_name()?;
        let value = value.into_value().map_err(|error| error.about(format_args!("`{name}`")))?;
        refuse_connection_field(&name)?;
        if name == CONTENT_LENGTH {
            self.room.content_length = Some(merge_length(self.room.content_length, &value)?);
            self.room.parts.headers.try_insert(name, value)?;
        } else {
            self.room.parts.headers.try_append(name, value)?;
        }
        Ok(())
    }

    /// Sets a field, replacing all of the same name.
    ///
    /// # Errors
    /// A malformed name or value (REQ-RESP-06), a field of the connection (REQ-RESP-08), or a Content-Length that is no number (REQ-RESP-09).
    pub fn insert(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let name = name.into_name()?;
        let value = value.into_value().map_err(|error| error.about(format_args!("`{name}`")))?;
        refuse_connection_field(&name)?;
        if name == CONTENT_LENGTH {
            self.room.content_length = Some(merge_length(None, &value)?);
        }
        self.room.parts.headers.try_insert(name, value)?;
        Ok(())
    }

    /// Removes all fields of a name; gives the first value.
    pub fn remove(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        if name == CONTENT_LENGTH {
            self.room.content_length = None;
        }
        self.room.parts.headers.remove(name)
    }

    /// The declared length of the content, in bytes, as a field or [without one](Self::declare_length), which is kept or the response is aborted (REQ-BODY-09, REQ-BODY-10).
    #[inline]
    pub fn content_length(&self) -> Option<u64> {
        self.room.content_length
    }

    /// Declares the length of the content, in bytes, in place of a length that was declared before.
    ///
    /// The server makes the field, as it does for an answer in one piece; among the [`fields`](Self::fields) there is none, unless one was
    /// given. This costs less than a field that says the same.
    ///
    /// ```
    /// use http::StatusCode;
    /// use rwgi::{BodyLength, Environ, Finished, ResponseHead, StartResponse};
    ///
    /// async fn echo(mut environ: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    ///     let mut head = ResponseHead::new(StatusCode::OK, ())?;
    ///     if let BodyLength::Exact(length) = environ.input().length() {
    ///         head.declare_length(length);
    ///     }
    ///     let mut body = start_response.start_with(head);
    ///     while let Some(chunk) = environ.input_mut().chunk().await? {
    ///         body.write(chunk).await?;
    ///     }
    ///     body.finish()
    /// }
    /// # let response = rwgi::testing::run(&echo, Environ::builder().input("hello").build()?)?;
    /// # assert_eq!(response.text()?, "hello");
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    pub fn declare_length(&mut self, length: u64) {
        if self.room.content_length.replace(length).is_some() {
            // Where the field said so, it says another length now, or nothing.
            self.room.parts.headers.remove(CONTENT_LENGTH);
        }
    }

    /// Sets the reason phrase of an HTTP/1 status line, in place of the registered one.
    pub fn set_reason(&mut self, reason: ReasonPhrase) {
        self.room.parts.extensions.insert(reason);
    }

    /// Values that travel to the server beside the head, by type; they are never sent.
    pub fn extensions(&self) -> &Extensions {
        &self.room.parts.extensions
    }

    /// Values that travel to the server beside the head, by type; they are never sent.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.room.parts.extensions
    }

    /// Whether a response with this status has no content whatever the method (204 and 304).
    #[inline]
    pub(crate) fn forbids_content(&self) -> bool {
        self.room.parts.status == StatusCode::NO_CONTENT
            || self.room.parts.status == StatusCode::NOT_MODIFIED
    }

    #[inline]
    pub(crate) fn into_parts(self) -> http::response::Parts {
        self.room.leave()
    }

    #[inline]
    pub(crate) fn into_response<B>(self, body: B) -> http::Response<B> {
        http::Response::from_parts(self.room.leave(), body)
    }
}

impl Default for ResponseHead {
    /// 200, no fields.
    #[inline]
    fn default() -> Self {
        Self { room: Room::empty() }
    }
}

/// The room that a field map makes for itself at the first field; to reserve less costs a second allocation later.
const FIELDS_WITHOUT_RESERVE: usize = 6;

#[inline]
fn check_status(status: StatusCode) -> Result<()> {
    if (200..600).contains(&status.as_u16()) { Ok(()) } else { Err(status_error(status)) }
}

#[cold]
fn status_error(status: StatusCode) -> Error {
    Error::application(format!(
        "{} is not the status of a final response: use 200 to 599, and `inform` for an informational one",
        status.as_u16()
    ))
    .with_requirement("REQ-RESP-03")
}

fn merge_length(declared: Option<u64>, value: &HeaderValue) -> Result<u64> {
    let digits = value.as_bytes();
    let number = digits.iter().try_fold(0u64, |number, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    let parsed = number.filter(|_| !digits.is_empty());
    match (parsed, declared) {
        (None, _) => Err(Error::application(format!(
            "Content-Length {value:?} is not a decimal number of bytes below 2^64"
        ))
        .with_requirement("REQ-RESP-09")),
        (Some(length), Some(earlier)) if length != earlier => Err(Error::application(format!(
            "Content-Length was declared twice, as {earlier} and as {length}"
        ))
        .with_requirement("REQ-RESP-09")),
        (Some(length), _) => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONTENT_TYPE;

    // Evidence: REQ-RESP-03
    #[test]
    fn more_fields_than_there_is_room_for_are_an_error() {
        for count in [30_000, 40_000] {
            let fields: Vec<_> = (0..count).map(|number| (format!("x-{number}"), "a")).collect();
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (&**name, *value)).collect();
            assert!(ResponseHead::new(StatusCode::OK, fields).is_err(), "{count}");
        }
    }

    #[test]
    fn only_a_final_status_makes_a_head() {
        for status in [100, 101, 103, 199, 600, 999] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(ResponseHead::new(status, ()).is_err(), "{status}");
            let mut head = ResponseHead::default();
            assert!(head.set_status(status).is_err());
        }
        for status in [200, 299, 404, 599] {
            assert!(
                ResponseHead::new(StatusCode::from_u16(status).unwrap(), ()).is_ok(),
                "{status}"
            );
        }
    }

    // Evidence: REQ-RESP-07, REQ-RESP-08
    #[test]
    fn connection_fields_are_refused_on_every_way_in() {
        for name in crate::CONNECTION_FIELDS {
            assert!(ResponseHead::new(StatusCode::OK, [(name, "x")]).is_err(), "{name}");
            let mut head = ResponseHead::default();
            assert!(head.insert(name, "x").is_err() && head.append(name, "x").is_err());
            let (parts, ()) =
                http::Response::builder().header(name, "x").body(()).unwrap().into_parts();
            assert!(ResponseHead::from_parts(parts).is_err(), "{name}");
        }
    }

    // Evidence: REQ-RESP-09
    #[test]
    fn a_content_length_is_one_decimal_number() {
        for bad in ["", "x", "-1", "+1", "1,1", "0x10", " 1", "18446744073709551616"] {
            assert!(ResponseHead::new(StatusCode::OK, [(CONTENT_LENGTH, bad)]).is_err(), "{bad:?}");
        }
        let twice = [(CONTENT_LENGTH, "5"), (CONTENT_LENGTH, "6")];
        assert!(ResponseHead::new(StatusCode::OK, twice).is_err());
        let same = [(CONTENT_LENGTH, "5"), (CONTENT_LENGTH, "5")];
        let head = ResponseHead::new(StatusCode::OK, same).unwrap();
        assert_eq!(head.content_length(), Some(5));
        assert_eq!(head.fields().get_all(CONTENT_LENGTH).iter().count(), 1);
    }

    // Evidence: REQ-RESP-09
    #[test]
    fn a_length_is_declared_with_a_field_or_without_and_the_last_word_holds() {
        let mut head = ResponseHead::new(StatusCode::OK, [(CONTENT_LENGTH, 5u64)]).unwrap();
        head.declare_length(6);
        assert_eq!((head.content_length(), head.fields().len()), (Some(6), 0));
        assert!(head.append(CONTENT_LENGTH, 7u64).is_err());
        head.append(CONTENT_LENGTH, 6u64).unwrap();
        head.insert(CONTENT_LENGTH, 8u64).unwrap();
        assert_eq!((head.content_length(), head.fields().len()), (Some(8), 1));
        head.declare_length(9);
        head.remove(&CONTENT_LENGTH);
        assert_eq!(head.content_length(), None);
    }

    #[test]
    fn removing_the_length_forgets_the_declaration() {
        let mut head = ResponseHead::new(StatusCode::OK, [(CONTENT_LENGTH, 5u64)]).unwrap();
        head.remove(&CONTENT_LENGTH);
        assert_eq!(head.content_length(), None);
        head.insert(CONTENT_LENGTH, 7u64).unwrap();
        assert_eq!(head.content_length(), Some(7));
    }

    // Evidence: REQ-RESP-05
    #[test]
    fn repeated_fields_keep_their_order() {
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", HeaderValue::from_static("a=1"));
        fields.append("set-cookie", HeaderValue::from_static("b=2"));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let head = ResponseHead::new(StatusCode::OK, fields).unwrap();
        let cookies: Vec<_> = head.fields().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(head.fields().len(), 3);
    }

    // Evidence: REQ-RESP-06
    #[test]
    fn values_that_would_split_the_head_are_refused() {
        for bad in ["a\r\nset-cookie: x", "a\nb", "a\0b"] {
            assert!(ResponseHead::new(StatusCode::OK, [(CONTENT_TYPE, bad)]).is_err(), "{bad:?}");
            assert!(ReasonPhrase::new(bad).is_err(), "{bad:?}");
        }
        assert!(ResponseHead::new(StatusCode::OK, [("bad name", "x")]).is_err());
    }
}
