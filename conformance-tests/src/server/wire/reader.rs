//! The strict reader: a response stream, octet by octet, against the grammar of RFC 9112.
//!
//! Rules of this room: nothing is repaired and nothing is guessed; lines end with CRLF; a deviation says where. The
//! reader goes on only from a state that it is sure of.

use super::connection::{Ending, Wire};
use super::escape;
use super::grammar::{find, parse_fields, parse_head};
use super::message::{Framing, Head, Response};
use crate::server::failure::{Failure, Held};

/// How far the current response was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    interim: Vec<Head>,
    head: Option<Head>,
    body: Vec<u8>,
    /// Octets left of the declared length, or of the current chunk.
    left: u64,
    /// The data of a chunk was read, and its CRLF was not.
    data_ended: bool,
    trailers: Vec<(String, Vec<u8>)>,
    complete: bool,
}

/// The longest head and the longest line of the chunked coding that the reader takes.
const LONGEST: usize = 256 * 1024;

impl Wire {
    /// Sends a request and reads the whole response; HEAD is known by the request's first word.
    ///
    /// # Errors
    /// The response is not well formed or not whole.
    pub fn request(&mut self, text: &str) -> Held<Response> {
        self.send(text)?;
        self.response_to(text.split(' ').next().unwrap_or("GET"))
    }

    /// The next response whole, to a request that was not HEAD.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn response(&mut self) -> Held<Response> {
        self.response_to("GET")
    }

    /// The next response whole, to a request with this method.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn response_to(&mut self, method: &str) -> Held<Response> {
        self.head_of(method)?;
        self.rest()
    }

    /// The next response whole, or `None` where the connection ends without one.
    ///
    /// # Errors
    /// It is not well formed, or nothing comes.
    pub fn response_or_end(&mut self, method: &str) -> Held<Option<Response>> {
        let until = self.until();
        while self.buffer.is_empty() {
            if !self.fill(until, "a response, or the end of the connection")? {
                return Ok(None);
            }
        }
        self.response_to(method).map(Some)
    }

    /// The status of the next head, which stays to be read.
    ///
    /// # Errors
    /// None comes, or it is not well formed.
    pub fn peek_status(&mut self) -> Held<u16> {
        let until = self.until();
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return parse_head(&self.buffer[..end + 2], "HEAD").map(|head| head.status);
            }
            if !self.fill(until, "a response head")? {
                return Err(Failure::new("a response head", "the end of the connection"));
            }
        }
    }

    /// Waits for an informational response with this status; the next [`response`](Self::response) lists it.
    ///
    /// # Errors
    /// Something else comes.
    pub fn await_interim(&mut self, status: u16) -> Held {
        let head = self.any_head("GET")?;
        head.status(status)?;
        self.early.push(head);
        Ok(())
    }

    /// The head of the next final response, to a request that was not HEAD.
    ///
    /// # Errors
    /// It is not well formed, or does not come.
    pub fn head(&mut self) -> Held<Head> {
        self.head_of("GET")
    }

    /// The head of the next final response, to a request with this method.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn head_of(&mut self, method: &str) -> Held<Head> {
        self.reading = Reading { interim: std::mem::take(&mut self.early), ..Reading::default() };
        loop {
            let head = self.any_head(method)?;
            if (100..200).contains(&head.status) && head.status != 101 {
                self.reading.interim.push(head);
                continue;
            }
            self.reading.left = match head.framing {
                Framing::Length(length) => length,
                _ => 0,
            };
            self.reading.complete = matches!(head.framing, Framing::None | Framing::Length(0));
            self.reading.head = Some(head.clone());
            return Ok(head);
        }
    }

    /// The next head, be it informational or final.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn any_head(&mut self, method: &str) -> Held<Head> {
        let until = self.until();
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > LONGEST {
                return Err(Failure::new("the end of a response head", "256 KiB without it"));
            }
            if !self.fill(until, "a response head")? {
                let found = match (self.buffer.is_empty(), self.ending) {
                    (true, Some(Ending::Reset)) => "the connection was reset".to_owned(),
                    (true, _) => "the connection was closed without a response".to_owned(),
                    (false, _) => {
                        format!("the connection ended after \"{}\"", escape(&self.buffer))
                    }
                };
                return Err(Failure::new("a response head", found));
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        parse_head(&head[..end + 2], method)
    }

    /// Reads until `count` octets of the current response's content are there; gives all that were read.
    ///
    /// # Errors
    /// The content or the connection ends before.
    pub fn body(&mut self, count: usize) -> Held<Vec<u8>> {
        let until = self.until();
        while self.reading.body.len() < count {
            let took = self.take_body()?;
            if self.reading.complete && self.reading.body.len() < count {
                return Err(Failure::new(
                    format!("{count} octets of content"),
                    format!("the response was complete after {}", self.reading.body.len()),
                ));
            }
            if !took
                && self.reading.body.len() < count
                && !self.fill(until, &format!("{count} octets of content"))?
            {
                return Err(self.cut());
            }
        }
        Ok(self.reading.body.clone())
    }

    /// The rest of the current response.
    ///
    /// # Errors
    /// It is not well formed, or is cut before its end.
    pub fn rest(&mut self) -> Held<Response> {
        match self.end_of_message()? {
            None => self.take_response(),
            Some(_) => Err(self.cut()),
        }
    }

    /// Reads on to the end of the message or of the connection: `None` where the message is complete, else how the
    /// connection ended in the middle of it, with the content up to there.
    ///
    /// # Errors
    /// What came is not well formed, or nothing came.
    pub fn cut_or_complete(&mut self) -> Held<(Option<Ending>, Vec<u8>)> {
        let ending = self.end_of_message()?;
        Ok((ending, std::mem::take(&mut self.reading.body)))
    }

    fn end_of_message(&mut self) -> Held<Option<Ending>> {
        let until = self.until();
        loop {
            let took = self.take_body()?;
            if self.reading.complete {
                return Ok(None);
            }
            if !took && !self.fill(until, "the rest of the response")? {
                let close = self.reading.head.as_ref().map(|head| head.framing);
                if close == Some(Framing::Close) && self.ending == Some(Ending::Closed) {
                    self.reading.complete = true;
                    return Ok(None);
                }
                return Ok(Some(self.ending.unwrap_or(Ending::Closed)));
            }
        }
    }

    fn take_response(&mut self) -> Held<Response> {
        let reading = std::mem::take(&mut self.reading);
        let head = reading.head.ok_or_else(|| Failure::new("a response", "no head was read"))?;
        let Reading { interim, body, trailers, .. } = reading;
        Ok(Response { head, interim, body, trailers })
    }

    fn cut(&self) -> Failure {
        let how = match self.ending {
            Some(Ending::Reset) => "reset",
            _ => "closed",
        };
        Failure::new(
            "a complete response",
            format!("the connection was {how} after {} octets of content", self.reading.body.len()),
        )
    }

    /// Takes what the buffer holds of the content; whether that was anything.
    fn take_body(&mut self) -> Held<bool> {
        let Some(framing) = self.reading.head.as_ref().map(|head| head.framing) else {
            return Err(Failure::new("content after a head", "no head was read"));
        };
        if self.reading.complete {
            return Ok(false);
        }
        match framing {
            Framing::None | Framing::Frames => Ok(false),
            Framing::Close => {
                let took = !self.buffer.is_empty();
                self.reading.body.append(&mut self.buffer);
                Ok(took)
            }
            Framing::Length(_) => {
                let took = self.take_left();
                self.reading.complete = self.reading.left == 0;
                Ok(took)
            }
            Framing::Chunked => self.take_chunked(),
        }
    }

    fn take_left(&mut self) -> bool {
        let count = self.buffer.len().min(usize::try_from(self.reading.left).unwrap_or(usize::MAX));
        self.reading.body.extend(self.buffer.drain(..count));
        self.reading.left -= count as u64;
        count > 0
    }

    /// The CRLF after the data of a chunk, if it has come.
    pub(super) fn take_line_end(&mut self) -> Held<bool> {
        if !self.reading.data_ended || self.buffer.len() < 2 {
            return Ok(false);
        }
        if !self.buffer.starts_with(b"\r\n") {
            return Err(chunked("CRLF after the data of a chunk", &self.buffer));
        }
        self.buffer.drain(..2);
        self.reading.data_ended = false;
        Ok(true)
    }

    /// One step through the chunked coding (RFC 9112, section 7.1).
    fn take_chunked(&mut self) -> Held<bool> {
        if self.reading.left > 0 {
            let took = self.take_left();
            self.reading.data_ended = self.reading.left == 0;
            return Ok(took);
        }
        if self.reading.data_ended {
            return self.take_line_end();
        }
        let Some(end) = find(&self.buffer, b"\r\n") else {
            return if self.buffer.len() > LONGEST {
                Err(chunked("the line of a chunk's size", &self.buffer))
            } else {
                Ok(false)
            };
        };
        let line = &self.buffer[..end];
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits])
            .ok()
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .filter(|_| digits == line.len() || line[digits] == b';');
        let Some(size) = size else { return Err(chunked("the size of a chunk", line)) };
        if size > 0 {
            self.buffer.drain(..end + 2);
            self.reading.left = size;
            return Ok(true);
        }
        // The last chunk; the trailer section ends with an empty line.
        let section = &self.buffer[end + 2..];
        let length = if section.starts_with(b"\r\n") {
            0
        } else {
            match find(section, b"\r\n\r\n") {
                Some(length) => length + 2,
                None => return Ok(false),
            }
        };
        let section = section[..length].to_vec();
        self.reading.trailers = parse_fields(&section, "a trailer field")?;
        self.buffer.drain(..end + 2 + length + 2);
        self.reading.complete = true;
        Ok(true)
    }

    /// Fails unless the connection is still usable: one more request is answered by the application.
    ///
    /// # Errors
    /// It is closed, or something else comes.
    pub fn still_open(&mut self) -> Held {
        self.note("the suite asks whether the connection is still open");
        let plain = "GET /open HTTP/1.1\r\nHost: {host}\r\nX-Play: respond open\r\n\r\n";
        let response = self.request(plain).map_err(|mut failure| {
            failure.expected =
                format!("the connection to be open for one more request, and {}", failure.expected);
            failure
        })?;
        response.body("open")
    }
}

fn chunked(expected: &str, found: &[u8]) -> Failure {
    Failure::new(
        format!("{expected} (RFC 9112, section 7.1)"),
        format!("\"{}\"", escape(&found[..found.len().min(80)])),
    )
}
