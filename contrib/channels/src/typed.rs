//! Messages with a type, as JSON.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use rwgi_channels::{ChannelLayer, Memory, TypedReceived, decode, encode};
//!
//! #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
//! struct Said { who: String, what: String }
//!
//! let layer = Memory::default();
//! let said = Said { who: "Ada".into(), what: "hello".into() };
//! layer.send("log", encode(&said)?).await?;
//! assert_eq!(decode(layer.receive("log").await?)?, TypedReceived::Message(said));
//! # Ok::<(), rwgi_channels::Error>(()) }).unwrap();
//! ```

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Gap, Received, Result};

/// [`Received`], with the message read; [`decode`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypedReceived<T> {
    /// A message.
    Message(T),
    /// Something was missed at this place.
    Gap(Gap),
}

/// Writes a value as a message, in JSON.
///
/// ```
/// use rwgi_channels::{Received, TypedReceived, decode, encode};
///
/// let message = encode(&("Ada", 3))?;
/// assert_eq!(decode(Received::Message(message))?, TypedReceived::Message(("Ada".to_owned(), 3)));
/// # Ok::<(), rwgi_channels::Error>(())
/// ```
///
/// # Errors
/// The value has no form in JSON, as a map whose keys are no text.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| Error::Message(error.to_string()))
}

/// Reads what was received; a [`Gap`] stays one.
///
/// # Errors
/// The message is no JSON, or not of this type.
pub fn decode<T: DeserializeOwned>(received: Received) -> Result<TypedReceived<T>> {
    match received {
        Received::Gap(gap) => Ok(TypedReceived::Gap(gap)),
        Received::Message(message) => serde_json::from_slice(&message)
            .map(TypedReceived::Message)
            .map_err(|error| Error::Message(error.to_string())),
    }
}
