//! Files whose date HTTP cannot say: from before 1970, which is what its clocks begin with here, or after the year 9999 (RFC 9110, section 5.6.7).
//!
//! Rules of this room: such a file is served as one without a date, whole, for there is nothing that conditions could be compared with;
//! tower-http (0.6) panics at its date.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// What is read at a time, as tower-http does.
const CHUNK: usize = 64 * 1024;

/// Whether HTTP has a way to write this date.
pub(super) fn can_be_said(date: SystemTime) -> bool {
    const YEAR_10000: u64 = 253_402_300_800;
    date.duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() < YEAR_10000)
}

/// The whole file.
///
/// # Errors
/// It cannot be read.
pub(super) async fn whole(
    path: &Path,
) -> io::Result<Response<impl Body<Data = Bytes, Error = io::Error> + Send + use<>>> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let kind = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    // What is appended meanwhile belongs to the next response.
    let chunks = ReaderStream::with_capacity(file.take(length), CHUNK).map_ok(Frame::data);
    Response::builder()
        .header(CONTENT_TYPE, kind)
        .header(CONTENT_LENGTH, length)
        .body(StreamBody::new(chunks))
        .map_err(io::Error::other)
}
