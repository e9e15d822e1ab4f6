//! The access log: a line for each exchange.
//!
//! Rules of this room: whoever serves hands a record over and goes on; a thread of its own makes the line and writes it; where the disk is slower than
//! the clients lines are lost and counted, and no client waits.

mod escape;
mod format;
mod writer;

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::format::AccessLogFormat;
use self::writer::Writer;
use crate::observation::Details;
use crate::{Error, Result};

/// An access log that is open.
#[derive(Debug)]
pub(crate) struct AccessLog {
    writer: Writer,
    request_fields: Vec<HeaderName>,
    response_fields: Vec<HeaderName>,
}

impl AccessLog {
    /// Opens it: `-` is standard output.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub(crate) fn open(path: &Path, format: &AccessLogFormat) -> Result<Self> {
        let format = Arc::new(format.clone());
        let (request_fields, response_fields) = format.fields();
        let writer = Writer::start(path, format).map_err(|error| {
            Error::runtime(&format!("the access log {}", path.display()), error)
        })?;
        Ok(Self { writer, request_fields, response_fields })
    }

    /// Hands a record over.
    pub(crate) fn write(&self, details: Details) {
        self.writer.write(Box::new(details));
    }

    /// Opens the file anew, for whoever has moved it away.
    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Ends when all that was handed over is written.
    pub(crate) async fn flush(&self) {
        self.writer.flush().await;
    }

    /// The fields of a request that the format names.
    pub(crate) fn kept_of_request(&self, fields: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        kept(&self.request_fields, fields)
    }

    /// The fields of a response that the format names.
    pub(crate) fn kept_of_response(&self, fields: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        kept(&self.response_fields, fields)
    }
}

fn kept(names: &[HeaderName], fields: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let found = names.iter().map(|name| (name, fields.get(name)));
    found.filter_map(|(name, value)| Some((name.clone(), value?.clone()))).collect()
}
