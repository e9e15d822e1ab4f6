//! Two failures on purpose: one that can still be answered, one that can only be made visible.
//!
//! Rules of this room: an application says that it failed by returning an error, and the rest is the server's.

use std::time::Duration;

use http::StatusCode;
use rwgi::{Error, Finished, Result, StartResponse};

use super::text_fields;

/// Fails before a byte has left: the 200 that was started never shows, and the client gets 500.
pub(super) async fn before_the_head(start_response: StartResponse) -> Result<Finished> {
    let _body = start_response.start(StatusCode::OK, text_fields("text/plain; charset=utf-8"))?;
    Err(Error::application("the demo fails before its head has left, as it was asked to"))
}

/// Fails after the head and some content have left: the message is cut, and the client can tell.
pub(super) async fn after_the_head(start_response: StartResponse) -> Result<Finished> {
    let mut body =
        start_response.start(StatusCode::OK, text_fields("text/plain; charset=utf-8"))?;
    body.write("This is the beginning of a response that never ends well.\n").await?;
    body.flush().await?; // the head and the line above are on their way
    tokio::time::sleep(Duration::from_millis(400)).await; // long enough for a client to show them
    Err(Error::application("the demo fails after its head has left, as it was asked to"))
}
