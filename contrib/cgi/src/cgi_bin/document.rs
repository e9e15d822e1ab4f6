//! What a CGI program answers (RFC 3875, section 6): a head of lines, an empty line, content.
//!
//! Rules of this room: it thinks, on octets alone; a head is taken once it is whole, and refused where it is none or too large; fields
//! of the connection are the server's business and are left out.

use bytes::{Buf, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use rwgi::{Error, ReasonPhrase, ResponseHead, Result, is_connection_field};

/// The most octets of a program's head: as many as `rwgi-server` takes of a request's.
const MOST: usize = 32 * 1024;

/// Takes the head out of what the program wrote; `None` until it is whole.
///
/// # Errors
/// The program wrote no head, or one that is too large: 502.
pub(super) fn take_head(buffer: &mut BytesMut) -> Result<Option<ResponseHead>> {
    let Some((lines, length)) = end_of_head(buffer) else {
        if buffer.len() > MOST {
            return Err(bad(format!(
                "a CGI program wrote {MOST} octets without the end of a head"
            )));
        }
        return Ok(None);
    };
    if length > MOST {
        return Err(bad(format!("a CGI program wrote a head of more than {MOST} octets")));
    }
    let head = parse(&buffer[..lines])?;
    buffer.advance(length);
    Ok(Some(head))
}

/// Where the lines end, and where the content begins.
fn end_of_head(octets: &[u8]) -> Option<(usize, usize)> {
    let mut begin = 0;
    while let Some(length) = octets[begin..].iter().position(|octet| *octet == b'\n') {
        let line = &octets[begin..begin + length];
        if line.is_empty() || line == b"\r" {
            return Some((begin, begin + length + 1));
        }
        begin += length + 1;
    }
    None
}

fn parse(lines: &[u8]) -> Result<ResponseHead> {
    let mut status = None;
    let mut reason = None;
    let mut fields = Vec::new();
    for line in lines.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end) {
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|octet| *octet == b':');
        let (name, value) =
            colon.map(|at| (&line[..at], line[at + 1..].trim_ascii())).ok_or_else(|| {
                bad("a CGI program wrote a line that is no field before its empty line")
            })?;
        if name.eq_ignore_ascii_case(b"status") {
            let (code, phrase) = value.split_at(value.len().min(3));
            status = Some(StatusCode::from_bytes(code).map_err(|error| {
                bad("a CGI program wrote a Status that is none").with_source(error)
            })?);
            reason = std::str::from_utf8(phrase.trim_ascii())
                .ok()
                .filter(|phrase| !phrase.is_empty())
                .and_then(|phrase| ReasonPhrase::new(phrase).ok());
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|error| {
            bad("a CGI program wrote a field whose name is no token").with_source(error)
        })?;
        let value = HeaderValue::from_bytes(value).map_err(|error| {
            bad("a CGI program wrote a value that no field can have").with_source(error)
        })?;
        if !is_connection_field(&name) {
            fields.push((name, value));
        }
    }
    let has = |wanted: HeaderName| fields.iter().any(|(name, _)| *name == wanted);
    if status.is_none() && !has(CONTENT_TYPE) && !has(LOCATION) {
        return Err(bad("a CGI program wrote neither Status nor Content-Type nor Location"));
    }
    // A program that says where to go and nothing else redirects (RFC 3875, section 6.2.3).
    let redirects = has(LOCATION);
    let status = status.unwrap_or(if redirects { StatusCode::FOUND } else { StatusCode::OK });
    let mut head = ResponseHead::new(status, fields).map_err(|error| {
        bad("a CGI program wrote a head that cannot be sent")
            .with_source(rwgi::BoxError::from(error))
    })?;
    if let Some(reason) = reason {
        head.set_reason(reason);
    }
    Ok(head)
}

#[cold]
fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::application(why).with_status(StatusCode::BAD_GATEWAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(octets: &[u8]) -> Result<Option<ResponseHead>> {
        take_head(&mut BytesMut::from(octets))
    }

    #[test]
    fn a_head_is_taken_once_it_is_whole_and_leaves_the_content() {
        let whole = b"Content-Type: text/plain\nX-One: 1\r\nConnection: close\n\r\ncontent\n\n";
        let end = whole.len() - b"content\n\n".len();
        for length in 0..end {
            assert!(head(&whole[..length]).unwrap().is_none(), "{length}");
        }
        let mut buffer = BytesMut::from(&whole[..]);
        let head = take_head(&mut buffer).unwrap().unwrap();
        assert_eq!((head.status(), &buffer[..]), (StatusCode::OK, &b"content\n\n"[..]));
        let names: Vec<_> = head.fields().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-one"]);
    }

    #[test]
    fn a_status_is_said_or_follows() {
        for (octets, status) in [
            (&b"Status: 404 Not Here\n\n"[..], 404),
            (b"status:201\r\n\r\n", 201),
            (b"Location: /elsewhere\n\n", 302),
            (b"Location: /elsewhere\nStatus: 303 See\n\n", 303),
        ] {
            assert_eq!(head(octets).unwrap().unwrap().status(), status);
        }
    }

    #[test]
    fn what_is_no_head_is_a_bad_gateway() {
        for octets in [
            &b"Hello\n\n"[..],
            b"\n",
            b"X-Only: 1\n\n",
            b"Status: teapot\n\n",
            b"Status: 100 Continue\n\n",
            b"Na me: x\nStatus: 200\n\n",
            b"Status: 200\nContent-Length: 1\nContent-Length: 2\n\n",
        ] {
            assert_eq!(head(octets).unwrap_err().status(), 502, "{octets:?}");
        }
        assert!(head(&vec![b'x'; MOST + 1]).is_err());
    }
}
