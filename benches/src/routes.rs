//! The routes that every contestant answers, and the requests that ask for them.
//!
//! Rules of this room: plain data; the same request octets go to every contestant, and an answer is checked by its status and length.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

/// What `/plaintext` and `/fields` answer.
pub const PLAINTEXT: &str = "Hello, World!";
/// One chunk of `/stream`.
pub const CHUNK: [u8; 4096] = [b'x'; 4096];
/// How many chunks `/stream` sends.
pub const CHUNKS: usize = 16;
/// What `/large` answers.
pub static LARGE: [u8; 1 << 20] = [b'y'; 1 << 20];
/// What is posted to `/echo`.
pub const ECHO: [u8; 1024] = [b'z'; 1024];

/// One chunk of `/stream`, not copied.
pub fn chunk() -> Bytes {
    static DATA: [u8; 4096] = CHUNK;
    Bytes::from_static(&DATA)
}

/// The chunks of an answer of `/long/N`, which has N MiB; none where the path is no such path.
pub fn long_chunks(path: &str) -> Option<usize> {
    let mebibytes: usize = path.strip_prefix("/long/")?.parse().ok()?;
    mebibytes.checked_mul((1 << 20) / CHUNK.len())
}

/// What `/json` answers, serialised anew for each request.
#[derive(Serialize)]
pub struct Message {
    /// The greeting.
    pub message: &'static str,
}

/// The answer of `/json`.
pub fn message() -> Message {
    Message { message: PLAINTEXT }
}

/// The answer of `/json` as text.
///
/// # Errors
/// Never, in practice: the message is a constant.
pub fn json() -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&message())
}

/// A route of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Route {
    /// 13 bytes of text.
    Plaintext,
    /// A small object, serialised for each request.
    Json,
    /// A post of 1 KiB, streamed back.
    Echo,
    /// 64 KiB in 16 chunks, of a length that the server is not told.
    Stream,
    /// 1 MiB in one piece.
    Large,
    /// A request with 32 fields, answered as `/plaintext`.
    Fields,
    /// 1 MiB in chunks of 4 KiB.
    Long1,
    /// 100 MiB in chunks of 4 KiB.
    Long100,
    /// As `/plaintext`, after a millisecond of work.
    Burn,
}

impl Route {
    /// The routes that every contestant answers.
    pub const ALL: [Self; 6] =
        [Self::Plaintext, Self::Json, Self::Echo, Self::Stream, Self::Large, Self::Fields];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Json => "json",
            Self::Echo => "echo",
            Self::Stream => "stream",
            Self::Large => "large",
            Self::Fields => "fields",
            Self::Long1 => "long/1",
            Self::Long100 => "long/100",
            Self::Burn => "burn",
        }
    }

    /// The length of its answer's content.
    pub fn answer_length(self) -> u64 {
        let length = match self {
            Self::Plaintext | Self::Fields | Self::Burn => PLAINTEXT.len(),
            Self::Json => r#"{"message":"Hello, World!"}"#.len(),
            Self::Echo => ECHO.len(),
            Self::Stream => CHUNK.len() * CHUNKS,
            Self::Large => LARGE.len(),
            Self::Long1 => 1 << 20,
            Self::Long100 => 100 << 20,
        };
        length as u64
    }

    /// The request, as it goes over the wire.
    pub fn request(self) -> Vec<u8> {
        let name = self.name();
        let common = "host: localhost\r\nuser-agent: rwgi-benches\r\naccept: */*\r\n";
        let mut request = match self {
            Self::Echo => format!(
                "POST /{name} HTTP/1.1\r\n{common}content-type: text/plain\r\ncontent-length: {}\r\n",
                ECHO.len()
            ),
            _ => format!("GET /{name} HTTP/1.1\r\n{common}"),
        };
        if self == Self::Fields {
            for (name, value) in KNOWN_FIELDS {
                request += &format!("{name}: {value}\r\n");
            }
            // Three common fields and eight known ones are eleven of the 32.
            for number in 11..32 {
                request += &format!("x-field-{number}: value-of-field-{number}\r\n");
            }
        }
        request += "\r\n";
        let mut request = request.into_bytes();
        if self == Self::Echo {
            request.extend_from_slice(&ECHO);
        }
        request
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Fields as a browser sends them.
const KNOWN_FIELDS: [(&str, &str); 8] = [
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("cache-control", "no-cache"),
    ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("referer", "http://localhost/index.html"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("upgrade-insecure-requests", "1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_for_fields_has_32_of_them() {
        let request = Route::Fields.request();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        assert!(parsed.parse(&request).unwrap().is_complete());
        assert_eq!(parsed.headers.len(), 32);
    }

    #[test]
    fn the_json_answer_is_as_long_as_its_route_says() {
        assert_eq!(json().unwrap().len() as u64, Route::Json.answer_length());
    }
}
