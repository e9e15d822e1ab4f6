//! Finds the end of an HTTP/1.1 response in a stream of octets.
//!
//! Rules of this room: octets in, ends out; it holds no octet of a body and trusts no length but the framing's.

use crate::Result;

/// Follows one connection's responses.
#[derive(Debug, Default)]
pub struct ResponseReader {
    state: State,
    received: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many octets of content are to come.
    Sized(u64),
    ChunkSize,
    /// So many octets of this chunk are to come, the line end after it included.
    Chunk(u64),
    /// After the last chunk: fields, if any, and an empty line.
    Trailers,
}

/// What a call of [`ResponseReader::read`] made of its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The octets that are done with.
    pub consumed: usize,
    /// The length of the content, where a response ended.
    pub ended: Option<u64>,
}

impl ResponseReader {
    /// Reads on; it stops at the end of a response, or where it needs more octets than it was given.
    ///
    /// # Errors
    /// A malformed response, a status other than 200, or one without a length.
    pub fn read(&mut self, data: &[u8]) -> Result<Progress> {
        let mut consumed = 0;
        loop {
            let rest = &data[consumed..];
            let more = Ok(Progress { consumed, ended: None });
            match self.state {
                State::Head => match self.head(rest)? {
                    None => return more,
                    Some(length) => consumed += length,
                },
                State::Sized(left) => {
                    let taken = left.min(rest.len() as u64);
                    consumed += taken as usize;
                    self.received += taken;
                    self.state = State::Sized(left - taken);
                    if left == taken {
                        return Ok(Progress { consumed, ended: Some(self.end()) });
                    }
                    return Ok(Progress { consumed, ended: None });
                }
                State::ChunkSize => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Partial) => return more,
                    Ok(httparse::Status::Complete((length, 0))) => {
                        consumed += length;
                        self.state = State::Trailers;
                    }
                    Ok(httparse::Status::Complete((length, size))) => {
                        consumed += length;
                        self.received += size;
                        self.state = State::Chunk(size + 2);
                    }
                    Err(_) => return Err("a malformed chunk size".into()),
                },
                State::Chunk(left) => {
                    let taken = left.min(rest.len() as u64);
                    consumed += taken as usize;
                    if left > taken {
                        self.state = State::Chunk(left - taken);
                        return Ok(Progress { consumed, ended: None });
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
                        return more;
                    };
                    consumed += end + 2;
                    if end == 0 {
                        return Ok(Progress { consumed, ended: Some(self.end()) });
                    }
                }
            }
        }
    }

    /// Reads a head; gives its length where it is complete.
    fn head(&mut self, data: &[u8]) -> Result<Option<usize>> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(data)? else { return Ok(None) };
        if head.code != Some(200) {
            return Err(format!("the server answered {:?}", head.code).into());
        }
        let mut state = None;
        for field in head.headers.iter() {
            if field.name.eq_ignore_ascii_case("content-length") {
                state = Some(State::Sized(std::str::from_utf8(field.value)?.parse()?));
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                state = Some(State::ChunkSize);
            }
        }
        self.state = state.ok_or("a response without a length")?;
        Ok(Some(length))
    }

    fn end(&mut self) -> u64 {
        self.state = State::Head;
        std::mem::take(&mut self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `size` octets; gives the lengths of the responses seen.
    fn lengths(wire: &[u8], size: usize) -> Vec<u64> {
        let mut reader = ResponseReader::default();
        let (mut held, mut ends) = (Vec::new(), Vec::new());
        for piece in wire.chunks(size) {
            held.extend_from_slice(piece);
            loop {
                let progress = reader.read(&held).unwrap();
                held.drain(..progress.consumed);
                match progress.ended {
                    Some(length) => ends.push(length),
                    None => break,
                }
            }
        }
        assert!(held.is_empty());
        ends
    }

    #[test]
    fn finds_the_ends_of_pipelined_responses_however_they_are_cut() {
        let wire = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for size in 1..wire.len() {
            assert_eq!(lengths(wire, size), [5, 5, 0], "in pieces of {size}");
        }
    }

    #[test]
    fn an_error_status_is_an_error() {
        let wire = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
        assert!(ResponseReader::default().read(wire).is_err());
    }
}
