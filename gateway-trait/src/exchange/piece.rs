//! What a source of content gives at a time.
//!
//! Rules of this room: values alone.

use bytes::Bytes;
use http::HeaderMap;

use crate::Error;

/// What is given in place of a frame when a body fails: the last of what came before, and why.
pub(super) struct Failure {
    pub(super) chunk: Bytes,
    pub(super) error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { chunk: Bytes::new(), error }
    }
}

/// A frame, as small as it can be on its way.
pub(super) enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}
