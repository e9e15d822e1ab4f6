//! The response on its way out: head, framing, content, and the two ways to end.
//!
//! Rules of this room: framing is decided before the first octet leaves; a failure after that is shown by an end that cannot be
//! taken for completeness; a client that does not read is waited for, and watched.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;

use super::drive::{Gone, Watch};
use super::tunnel::UpgradeFlaw;
use super::violation::{Asked, Flaw, Reply, Switch, Violation};

/// How the content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
    Close,
}

pub(super) struct Outbound<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) watch: &'a Watch,
    pub(super) violation: Option<Violation>,
    pub(super) asked: Asked,
}

impl Outbound<'_> {
    fn off(&self, switch: Switch) -> bool {
        matches!(self.violation, Some(Violation { flaw: Flaw::Switch(found), .. }) if found == switch)
    }

    /// How the content of this response is delimited.
    pub(super) fn framing<B: Body>(&self, response: &Response<B>) -> Framing {
        let status = response.status();
        if self.asked.method == "HEAD" || matches!(status.as_u16(), 204 | 304) {
            return Framing::None;
        }
        if self.off(Switch::CloseDelimited) {
            return Framing::Close;
        }
        if self.off(Switch::ChunkedAlways) && self.asked.by_application {
            return Framing::Chunked;
        }
        // A response that is being cut may not know its size any more, and has told it in its head.
        let declared = response.headers().get("content-length");
        let declared = declared.and_then(|value| value.to_str().ok()?.parse().ok());
        match declared.or(response.body().size_hint().exact()) {
            Some(length) => Framing::Length(length),
            None if self.asked.minor > 0 || self.off(Switch::ChunkedToTen) => Framing::Chunked,
            None => Framing::Close,
        }
    }

    /// The octets of a head.
    pub(super) fn head<B>(
        &self,
        response: &Response<B>,
        framing: Framing,
        connection: Option<&str>,
    ) -> Vec<u8> {
        let status = response.status();
        let reason = response.extensions().get::<rwgi::ReasonPhrase>();
        let mut reply = Reply {
            status: status.as_u16(),
            reason: match reason {
                Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
                None => status.canonical_reason().unwrap_or("Unknown").to_owned(),
            },
            fields: Vec::new(),
        };
        for (name, value) in response.headers() {
            reply.fields.push((name.as_str().to_owned(), value.as_bytes().to_vec()));
        }
        if !response.headers().contains_key("date") {
            reply.add("date", &date(SystemTime::now()));
        }
        match framing {
            Framing::Length(length) if !response.headers().contains_key("content-length") => {
                reply.add("content-length", &length.to_string());
            }
            Framing::Chunked => reply.add("transfer-encoding", "chunked"),
            _ => {}
        }
        let required = response.extensions().get::<rwgi::RequiredUpgrade>();
        let required = required.filter(|_| !self.off(Switch::Upgrade(UpgradeFlaw::NoRequirement)));
        if let Some(required) = required {
            reply.add("upgrade", &String::from_utf8_lossy(required.value().as_bytes()));
            reply.add("connection", "upgrade");
        }
        if let Some(connection) = connection {
            reply.add("connection", connection);
        }
        if let Some(Violation { flaw: Flaw::Reply(change), .. }) = self.violation {
            change(&self.asked, &mut reply);
        }
        serialise(&reply)
    }

    /// Writes octets, as fast as the client reads.
    pub(super) fn write(&self, mut octets: &[u8]) -> Result<(), Gone> {
        let _ = self.stream.set_write_timeout(Some(Duration::from_millis(20)));
        let mut stream = self.stream;
        while !octets.is_empty() {
            match stream.write(octets) {
                Ok(count) => octets = &octets[count..],
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => self.watch.check()?,
                    ErrorKind::Interrupted => {}
                    _ if self.off(Switch::NoDeparture) => return Ok(()),
                    _ => return Err(Gone),
                },
            }
        }
        Ok(())
    }

    /// One piece of content with its framing.
    pub(super) fn framed(&self, data: &[u8], framing: Framing) -> Vec<u8> {
        let mut data = data.to_vec();
        if let Some(Violation { flaw: Flaw::Content(change), .. }) = self.violation {
            change(&mut data);
        }
        match framing {
            Framing::Chunked => {
                let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
                chunk.extend_from_slice(&data);
                chunk.extend_from_slice(b"\r\n");
                chunk
            }
            _ => data,
        }
    }

    /// The end of the message.
    pub(super) fn end(&self, framing: Framing, trailers: Option<&HeaderMap>) -> Vec<u8> {
        let always = self.off(Switch::TrailersAlways) && trailers.is_some();
        if framing != Framing::Chunked && !always {
            return Vec::new();
        }
        let mut end = b"0\r\n".to_vec();
        for (name, value) in trailers.into_iter().flatten() {
            end.extend_from_slice(name.as_str().as_bytes());
            end.extend_from_slice(b": ");
            end.extend_from_slice(value.as_bytes());
            end.extend_from_slice(b"\r\n");
        }
        end.extend_from_slice(b"\r\n");
        end
    }
}

/// The server's own answer to a failure: a status, and nothing of the application's.
pub(super) fn error_page(status: StatusCode, told: Option<&str>) -> Response<String> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = format!("{} {reason}\n{}", status.as_u16(), told.unwrap_or_default());
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response
}

/// An informational response.
pub(super) fn informational(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let fields =
        fields.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let reason = status.canonical_reason().unwrap_or("Informational").to_owned();
    serialise(&Reply { status: status.as_u16(), reason, fields: fields.collect() })
}

fn serialise(reply: &Reply) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reply.reason).into_bytes();
    for (name, value) in &reply.fields {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil-from-days, for days since 1970-01-01.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * index + 2) / 5 + 1;
    let month = if index < 10 { index + 3 } else { index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    format!(
        "{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    }
}
