//! FastCGI's records (FastCGI Specification 1.0, sections 3 to 5), as octets and back.
//!
//! Rules of this room: it thinks, on octets alone; whatever comes from the web server is parsed or refused with what is wrong, never
//! taken on trust; a record is cut out of the buffer that was read, not copied.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The octets of a record's header.
pub(crate) const HEADER: usize = 8;
/// The most content that one record has.
pub(crate) const MOST: usize = u16::MAX as usize;

const VERSION: u8 = 1;
const KEEP_CONNECTION: u8 = 1;

/// What a record is, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Begin,
    Abort,
    Params,
    Stdin,
    Data,
    GetValues,
    /// One that only a responder sends, or that nobody knows.
    Other(u8),
}

impl From<u8> for Kind {
    fn from(kind: u8) -> Self {
        match kind {
            1 => Self::Begin,
            2 => Self::Abort,
            4 => Self::Params,
            5 => Self::Stdin,
            8 => Self::Data,
            9 => Self::GetValues,
            other => Self::Other(other),
        }
    }
}

const END: u8 = 3;
const STDOUT: u8 = 6;
const GET_VALUES_RESULT: u8 = 10;
const UNKNOWN: u8 = 11;

/// One record from the web server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) request: u16,
    pub(crate) content: Bytes,
}

/// What is wrong with what the web server sent; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The first octet of a record is the version, and this one is not 1.
    Version(u8),
    /// Names and values do not fill the stream that they came in.
    Pairs,
    /// A beginning of a request is 8 octets long.
    Begin(usize),
    /// The names and values of a request are more than are taken.
    TooManyParams(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "a record of version {version} came, where 1 is known: is this FastCGI?")
            }
            Self::Pairs => f.write_str("names and values do not fill the stream that they came in"),
            Self::Begin(length) => {
                write!(f, "a beginning of a request has {length} octets and not 8")
            }
            Self::TooManyParams(limit) => {
                write!(f, "the parameters of a request exceed {limit} octets")
            }
        }
    }
}

/// Takes the next whole record out of the buffer; `None` until it is there.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Record>, Malformed> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let &[version, kind, id_high, id_low, length_high, length_low, padding, _] = header;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let whole = HEADER + length + usize::from(padding);
    if buffer.len() < whole {
        buffer.reserve(whole - buffer.len());
        return Ok(None);
    }
    let mut record = buffer.split_to(whole).freeze();
    record.advance(HEADER);
    record.truncate(length);
    let request = u16::from_be_bytes([id_high, id_low]);
    Ok(Some(Record { kind: kind.into(), request, content: record }))
}

/// How a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The role is that of a responder, the only one played here.
    pub(crate) responder: bool,
    /// The web server will use the connection again.
    pub(crate) keeps: bool,
}

pub(crate) fn begin(content: &[u8]) -> Result<Begin, Malformed> {
    let Some(&[role_high, role_low, flags, ..]) = content.first_chunk::<8>() else {
        return Err(Malformed::Begin(content.len()));
    };
    let responder = u16::from_be_bytes([role_high, role_low]) == 1;
    Ok(Begin { responder, keeps: flags & KEEP_CONNECTION != 0 })
}

/// A name and its value.
pub(crate) type Pair = (Bytes, Bytes);

/// All names and values of a stream.
pub(crate) fn pairs(mut stream: Bytes) -> Result<Vec<Pair>, Malformed> {
    let mut pairs = Vec::new();
    while !stream.is_empty() {
        let name = length(&mut stream)?;
        let value = length(&mut stream)?;
        if name.checked_add(value).is_none_or(|both| both > stream.len()) {
            return Err(Malformed::Pairs);
        }
        pairs.push((stream.split_to(name), stream.split_to(value)));
    }
    Ok(pairs)
}

/// One octet up to 127, four with the highest bit set beyond.
fn length(stream: &mut Bytes) -> Result<usize, Malformed> {
    match stream.first() {
        Some(octet) if octet >> 7 == 0 => Ok(usize::from(stream.get_u8())),
        Some(_) if stream.len() >= 4 => {
            usize::try_from(stream.get_u32() & 0x7fff_ffff).map_err(|_| Malformed::Pairs)
        }
        _ => Err(Malformed::Pairs),
    }
}

fn put_pair(to: &mut BytesMut, name: &[u8], value: &[u8]) {
    for part in [name, value] {
        match u8::try_from(part.len()) {
            Ok(short) if short < 128 => to.put_u8(short),
            // What is answered here is short; a longer one would be cut off by its own length.
            _ => to.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX >> 1) | 1 << 31),
        }
    }
    to.extend_from_slice(name);
    to.extend_from_slice(value);
}

fn put_header(to: &mut BytesMut, kind: u8, request: u16, length: u16) {
    to.put_u8(VERSION);
    to.put_u8(kind);
    to.put_u16(request);
    to.put_u16(length);
    to.put_u16(0);
}

/// Puts a piece of a response's stream, in as many records as it takes.
///
/// Without padding, which is a recommendation: nginx holds the head of a response back while there is anything behind it to be read.
pub(crate) fn put_stdout(to: &mut BytesMut, request: u16, data: &[u8]) {
    for piece in data.chunks(MOST) {
        let length = u16::try_from(piece.len()).expect("a piece is no longer than MOST");
        put_header(to, STDOUT, request, length);
        to.extend_from_slice(piece);
    }
}

/// How a request ended, to the web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a response.
    Complete,
    /// There are too many at once.
    Overloaded,
    /// A role that nobody plays here was asked for.
    UnknownRole,
}

/// Puts the end of a request; where there was a response, the end of its stream first.
pub(crate) fn put_end(to: &mut BytesMut, request: u16, ended: Ended) {
    let status = match ended {
        Ended::Complete => 0,
        Ended::Overloaded => 2,
        Ended::UnknownRole => 3,
    };
    if ended == Ended::Complete {
        put_header(to, STDOUT, request, 0);
    }
    put_header(to, END, request, 8);
    to.put_u32(0);
    to.put_u8(status);
    to.put_bytes(0, 3);
}

/// Puts what is no record, after which the connection is closed: the response was cut.
///
/// FastCGI has no word for it. A request that is never ended says the same, and nginx, unless it collects, takes the end of the connection for
/// the end of a response all the same; what breaks the protocol it hands on as a break.
pub(crate) fn put_break(to: &mut BytesMut) {
    to.put_bytes(0, HEADER);
}

/// Puts the answer to a record of the management: what was asked for and is known, once however often it was asked for.
pub(crate) fn put_values(to: &mut BytesMut, asked: &[Pair], known: &[(&str, String)]) {
    let mut values = BytesMut::new();
    for (name, value) in known {
        if asked.iter().any(|(asked, _)| asked == name.as_bytes()) {
            put_pair(&mut values, name.as_bytes(), value.as_bytes());
        }
    }
    let length = u16::try_from(values.len()).expect("what is known is short");
    put_header(to, GET_VALUES_RESULT, 0, length);
    to.extend_from_slice(&values);
}

/// Puts the answer to a record of the management of a type that nobody knows.
pub(crate) fn put_unknown(to: &mut BytesMut, kind: u8) {
    put_header(to, UNKNOWN, 0, 8);
    to.put_u8(kind);
    to.put_bytes(0, 7);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(kind: u8, request: u16, content: &[u8], padding: u8) -> BytesMut {
        let mut octets = BytesMut::new();
        put_header(&mut octets, kind, request, content.len() as u16);
        octets[6] = padding;
        octets.extend_from_slice(content);
        octets.put_bytes(0, usize::from(padding));
        octets
    }

    #[test]
    fn a_record_is_taken_once_it_is_whole() {
        let whole = octets(5, 258, b"hello", 3);
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert_eq!(take(&mut part), Ok(None), "{length}");
            assert_eq!(part.len(), length);
        }
        let mut two = whole.clone();
        two.extend_from_slice(&octets(99, 0, b"", 0));
        let record = take(&mut two).unwrap().unwrap();
        assert_eq!((record.kind, record.request), (Kind::Stdin, 258));
        assert_eq!(record.content, "hello");
        assert_eq!(take(&mut two).unwrap().unwrap().kind, Kind::Other(99));
        assert_eq!(take(&mut two), Ok(None));
    }

    #[test]
    fn what_is_not_fastcgi_is_named() {
        let mut http = BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]);
        assert_eq!(take(&mut http), Err(Malformed::Version(b'G')));
        assert_eq!(begin(b"\0\x01\x01"), Err(Malformed::Begin(3)));
        for bad in [
            &b"\x01"[..],
            b"\x01\x05a",
            b"\x80\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\x80",
        ] {
            assert_eq!(pairs(Bytes::copy_from_slice(bad)), Err(Malformed::Pairs), "{bad:?}");
        }
    }

    #[test]
    fn a_beginning_says_role_and_whether_the_connection_is_kept() {
        assert_eq!(begin(b"\0\x01\x01\0\0\0\0\0"), Ok(Begin { responder: true, keeps: true }));
        assert_eq!(begin(b"\0\x02\0\0\0\0\0\0"), Ok(Begin { responder: false, keeps: false }));
    }

    #[test]
    fn a_value_that_is_asked_for_over_and_over_is_told_once() {
        let asked = vec![(Bytes::from_static(b"FCGI_MAX_REQS"), Bytes::new()); MOST / 15];
        let mut out = BytesMut::new();
        put_values(&mut out, &asked, &[("FCGI_MAX_REQS", "100".to_owned())]);
        let told = take(&mut out).unwrap().unwrap();
        let value = (Bytes::from_static(b"FCGI_MAX_REQS"), Bytes::from_static(b"100"));
        assert_eq!((pairs(told.content), out.len()), (Ok(vec![value]), 0));
    }

    #[test]
    fn an_answer_is_cut_into_records() {
        let mut out = BytesMut::new();
        put_stdout(&mut out, 7, &vec![b'x'; MOST + 5]);
        put_end(&mut out, 7, Ended::Complete);
        let first = take(&mut out).unwrap().unwrap();
        assert_eq!(
            (first.kind, first.request, first.content.len()),
            (Kind::Other(STDOUT), 7, MOST)
        );
        assert_eq!(take(&mut out).unwrap().unwrap().content, "xxxxx");
        assert_eq!(take(&mut out).unwrap().unwrap().content, "");
        let end = take(&mut out).unwrap().unwrap();
        assert_eq!((end.kind, &end.content[..]), (Kind::Other(END), &[0; 8][..]));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn names_and_values_come_back(list in proptest::collection::vec((".{0,200}", ".{0,200}"), 0..8)) {
            let mut stream = BytesMut::new();
            for (name, value) in &list {
                put_pair(&mut stream, name.as_bytes(), value.as_bytes());
            }
            let back = pairs(stream.freeze()).unwrap();
            let back: Vec<_> = back
                .iter()
                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), String::from_utf8(value.to_vec()).unwrap()))
                .collect();
            prop_assert_eq!(back, list);
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pairs(Bytes::from(octets.clone()));
            let _ = begin(&octets);
            let mut buffer = BytesMut::from(&octets[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
        }
    }
}
