//! A response as it came: head, framing, content, what was around it.
//!
//! Rules of this room: values as they stood on the wire; a check returns a failure that says both sides.

use super::escape;
use crate::server::failure::{Failure, Held, check};

/// The head of a response, its fields in their order and with their names as they were written.
#[derive(Clone, Debug)]
pub struct Head {
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// The field lines.
    pub fields: Vec<(String, Vec<u8>)>,
    /// How the content is delimited.
    pub framing: Framing,
}

/// How the end of a response's content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no content.
    None,
    /// By its declared length.
    Length(u64),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    Close,
    /// By END_STREAM of HTTP/2.
    Frames,
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The final head.
    pub head: Head,
    /// The informational responses before it.
    pub interim: Vec<Head>,
    /// The content, without its framing.
    pub body: Vec<u8>,
    /// The trailer fields.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of a field, in their order.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| &value[..])
            .collect()
    }

    /// The value of a field that stands once.
    pub fn one(&self, name: &str) -> Option<&[u8]> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Whether a field stands at all.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// Whether `Connection` holds an option.
    pub fn has_connection(&self, option: &str) -> bool {
        self.all("connection").iter().any(|value| {
            String::from_utf8_lossy(value)
                .split(',')
                .any(|one| one.trim().eq_ignore_ascii_case(option))
        })
    }

    /// Fails unless the status is this one.
    ///
    /// # Errors
    /// It is another one.
    pub fn status(&self, status: u16) -> Held {
        check(self.status == status, format!("status {status}"), format!("status {}", self.status))
    }

    /// Fails unless the status is one of these.
    ///
    /// # Errors
    /// It is none of them.
    pub fn status_of(&self, statuses: &[u16]) -> Held {
        let expected = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
        check(
            statuses.contains(&self.status),
            format!("status {expected}"),
            format!("status {}", self.status),
        )
    }

    /// Fails unless a field stands exactly once, with this value.
    ///
    /// # Errors
    /// It is absent, repeated or has another value.
    pub fn field(&self, name: &str, value: impl AsRef<[u8]>) -> Held {
        self.fields_are(name, &[value.as_ref()])
    }

    /// Fails unless the field's values are these, in this order.
    ///
    /// # Errors
    /// They are others.
    pub fn fields_are(&self, name: &str, values: &[&[u8]]) -> Held {
        let found = self.all(name);
        let show = |values: &[&[u8]]| match values {
            [] => format!("no field {name}"),
            _ => values
                .iter()
                .map(|value| format!("{name}: {}", escape(value)))
                .collect::<Vec<_>>()
                .join(" and "),
        };
        check(found == values, show(values), show(&found))
    }

    /// Fails if a field stands.
    ///
    /// # Errors
    /// It does.
    pub fn without(&self, name: &str) -> Held {
        self.fields_are(name, &[])
    }
}

impl Response {
    /// [`Head::status`] of the final head.
    ///
    /// # Errors
    /// It is another one.
    pub fn status(&self, status: u16) -> Held {
        self.head.status(status)
    }

    /// Fails unless the content is this.
    ///
    /// # Errors
    /// It is something else.
    pub fn body(&self, body: impl AsRef<[u8]>) -> Held {
        let show = |octets: &[u8]| {
            let shown = escape(&octets[..octets.len().min(200)]);
            format!("{} octets of content \"{shown}\"", octets.len())
        };
        check(self.body == body.as_ref(), show(body.as_ref()), show(&self.body))
    }

    /// Whether the suite's application gave this response, and not the server by itself.
    pub fn is_of_application(&self) -> bool {
        self.head.has(crate::server::application::MARK)
    }

    /// The content as the JSON that the suite's application gives.
    ///
    /// # Errors
    /// It is not that.
    pub fn json(&self) -> Held<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Failure::new(
                "a report of the suite's application, in JSON",
                format!(
                    "status {} with the content \"{}\"",
                    self.head.status,
                    escape(&self.body[..self.body.len().min(200)])
                ),
            )
        })
    }
}
