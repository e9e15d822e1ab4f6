//! What a case waits for on a connection of HTTP/2.
//!
//! Rules of this room: a wait ends with the deadline, with the end of the connection or with what it is for; it takes frames of all
//! streams meanwhile, so that streams can be waited for in any order.

use std::time::{Duration, Instant};

use super::connection::Http2;
use super::shown;
use super::stream::{Ended, Stream};
use crate::http2::{WINDOW, code, kind, setting};
use crate::server::failure::{Failure, Held, check};
use crate::server::wire::{Ending, Head, Response, escape};

impl Http2 {
    /// Takes frames until something holds.
    fn until(&mut self, expected: &str, mut holds: impl FnMut(&Self) -> bool) -> Held {
        let until = Instant::now() + self.deadline;
        loop {
            if holds(self) {
                return Ok(());
            }
            if self.take(until)?.is_some() {
                continue;
            }
            let found = match (self.ending, self.peer.goaway) {
                (Some(_), Some((_, why))) => {
                    format!("the connection ended, with GOAWAY {}", shown::code(why))
                }
                (Some(_), None) => "the connection ended".to_owned(),
                (None, _) => {
                    self.note("nothing more came within the deadline");
                    "nothing more came, and the connection stayed open".to_owned()
                }
            };
            return Err(Failure::new(format!("{expected} within {:?}", self.deadline), found));
        }
    }

    fn stream(&self, id: u32) -> Held<&Stream> {
        let unknown = || Failure::new("a stream that the case has opened", format!("{id}"));
        self.streams.get(&id).ok_or_else(unknown)
    }

    fn is(&self, id: u32, holds: impl Fn(&Stream) -> bool) -> bool {
        self.streams.get(&id).is_some_and(holds)
    }

    /// A failure that says what came of a stream instead.
    fn instead(&self, id: u32, expected: &str) -> Failure {
        let found = match self.streams.get(&id).and_then(Stream::ending) {
            Some(Ended::Reset(why)) => format!("RST_STREAM {}", shown::code(why)),
            Some(Ended::Complete) => "END_STREAM".to_owned(),
            None => "nothing".to_owned(),
        };
        Failure::new(expected, found)
    }

    /// Waits for the server's settings.
    ///
    /// # Errors
    /// They do not come.
    pub fn greeting(&mut self) -> Held {
        self.until("SETTINGS of the server", |http2| http2.peer.greeted)
    }

    /// Waits until the server has acknowledged the client's settings `times` in all.
    ///
    /// # Errors
    /// It does not.
    pub fn acknowledged(&mut self, times: usize) -> Held {
        self.until("the acknowledgement of the settings", |http2| http2.peer.acknowledged >= times)
    }

    /// Sends a ping and waits for its answer: everything that the server had to say at once has come before.
    ///
    /// # Errors
    /// It does not come.
    pub fn ping(&mut self) -> Held {
        let before = self.peer.pongs;
        self.frame(kind::PING, 0, 0, b"are you?")?;
        self.until("the answer to PING", |http2| http2.peer.pongs > before)
    }

    /// Waits for a GOAWAY; gives its last stream and code.
    ///
    /// # Errors
    /// It does not come.
    pub fn await_goaway(&mut self) -> Held<(u32, u32)> {
        self.until("GOAWAY", |http2| http2.peer.goaway.is_some())?;
        Ok(self.peer.goaway.unwrap_or_default())
    }

    /// Waits for the final head of a stream.
    ///
    /// # Errors
    /// It does not come.
    pub fn head(&mut self, id: u32) -> Held<Head> {
        self.until("the head of a response", |http2| {
            http2.is(id, |stream| stream.head.is_some() || stream.reset.is_some())
        })?;
        let head = self.stream(id)?.head.clone();
        head.ok_or_else(|| self.instead(id, "the head of a response"))
    }

    /// Waits until this much content of a stream has come; gives what did.
    ///
    /// # Errors
    /// The stream ends before.
    pub fn body(&mut self, id: u32, length: usize) -> Held<Vec<u8>> {
        let expected = format!("{length} octets of content");
        self.until(&expected, |http2| {
            http2.is(id, |stream| stream.body.len() >= length || stream.ending().is_some())
        })?;
        let stream = self.stream(id)?;
        if stream.body.len() < length {
            return Err(self.instead(id, &expected));
        }
        Ok(stream.body.clone())
    }

    /// Waits for so many octets of a stream's content behind those that were taken.
    ///
    /// # Errors
    /// The stream ends before.
    pub fn content_after(
        &mut self,
        id: u32,
        taken: usize,
        count: usize,
        what: &str,
    ) -> Held<Vec<u8>> {
        let end = taken + count;
        self.until(what, |http2| {
            http2.is(id, |stream| stream.body.len() >= end || stream.ending().is_some())
        })?;
        let octets = self.stream(id)?.body.get(taken..end).map(<[u8]>::to_vec);
        octets.ok_or_else(|| self.instead(id, what))
    }

    /// Sends on a stream whatever its windows allow, at most `most`, until the server has opened none for a while; gives how much that was.
    ///
    /// # Errors
    /// The server took nothing within the deadline.
    pub fn send_until_stuck(&mut self, id: u32, most: i64) -> Held<i64> {
        let initial = self.peer.settings.get(&setting::INITIAL_WINDOW_SIZE);
        let initial = initial.map_or(WINDOW, |initial| i64::from(*initial));
        let mut sent = 0;
        while sent < most {
            let of_stream = initial + self.stream(id)?.granted - sent;
            let room = of_stream.min(WINDOW + self.peer.granted - sent).min(1 << 14);
            if room > 0 {
                let octets = vec![b'a'; usize::try_from(room).unwrap_or(0)];
                self.data(id, &octets, false)?;
                sent += room;
            } else if self.take(Instant::now() + Duration::from_millis(200))?.is_none() {
                break;
            }
        }
        Ok(sent)
    }

    /// How much content of a stream has come.
    pub fn received(&self, id: u32) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.body.len())
    }

    /// Waits for the end of a stream; gives how it ended, and what content came.
    ///
    /// # Errors
    /// It does not end.
    pub fn ended(&mut self, id: u32) -> Held<(Ended, Vec<u8>)> {
        self.until("the end of the stream", |http2| {
            http2.is(id, |stream| stream.ending().is_some())
        })?;
        let stream = self.stream(id)?;
        let ended = stream.ending().ok_or_else(|| self.instead(id, "the end of the stream"))?;
        Ok((ended, stream.body.clone()))
    }

    /// Waits for the whole response on a stream.
    ///
    /// # Errors
    /// It does not come whole.
    pub fn response(&mut self, id: u32) -> Held<Response> {
        let (ended, body) = self.ended(id)?;
        let stream = self.stream(id)?;
        let whole = stream.head.clone().filter(|_| ended == Ended::Complete);
        Ok(Response {
            head: whole.ok_or_else(|| self.instead(id, "a whole response"))?,
            interim: stream.interim.clone(),
            body,
            trailers: stream.trailers.clone().unwrap_or_default(),
        })
    }

    /// Whether trailer fields came on a stream, in a field section of their own.
    pub fn has_trailers(&self, id: u32) -> bool {
        self.is(id, |stream| stream.trailers.is_some())
    }

    /// Waits until the server has refused a stream: with RST_STREAM and PROTOCOL_ERROR, or, where `answers`, with one of the statuses.
    ///
    /// # Errors
    /// It answers otherwise, or ends the connection.
    pub fn refused(&mut self, id: u32, statuses: &[u16]) -> Held {
        let expected = "RST_STREAM with PROTOCOL_ERROR, or an error response".to_owned();
        self.until(&expected, |http2| {
            http2.is(id, |stream| stream.ending().is_some() || stream.head.is_some())
        })?;
        let stream = self.stream(id)?;
        match (&stream.head, stream.reset) {
            (Some(head), _) => {
                let by_application = head.has(crate::server::application::MARK);
                let found = format!("status {}", head.status);
                check(statuses.contains(&head.status) && !by_application, expected, found)?;
                self.response(id).map(drop)
            }
            (None, Some(code::PROTOCOL_ERROR)) => Ok(()),
            (None, _) => Err(self.instead(id, &expected)),
        }
    }

    /// Fails if a frame comes on a stream within a short time; see [`Wire::quiet`](crate::server::wire::Wire::quiet).
    ///
    /// # Errors
    /// Something came, or the connection ended.
    pub fn quiet(&mut self, id: u32, expected: &str) -> Held {
        let before = self.stream(id)?.frames;
        let until = Instant::now() + Duration::from_millis(60);
        while let Some(frame) = self.take(until)? {
            if self.is(id, |stream| stream.frames > before) {
                let found = format!(
                    "{} \"{}\"",
                    shown::name(frame.kind),
                    escape(&frame.payload[..frame.payload.len().min(80)])
                );
                return Err(Failure::new(expected, found));
            }
        }
        check(self.ending.is_none(), expected, "the end of the connection")
    }

    /// Waits for the end of the connection.
    ///
    /// # Errors
    /// It stays open.
    pub fn closed(&mut self) -> Held<Ending> {
        self.until("the end of the connection", |http2| http2.ending.is_some())?;
        self.ending.ok_or_else(|| Failure::new("the end of the connection", "it stays open"))
    }
}
