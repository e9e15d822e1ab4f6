//! What can go wrong with a channel layer.

use std::fmt;
#[cfg(feature = "redis")]
use std::time::Duration;

/// The result of a call to a layer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call to a layer failed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use rwgi_channels::{ChannelLayer, Config, Error, Memory};
///
/// let layer = Memory::new(Config { capacity: 1, ..Config::default() });
/// layer.send("log", "first".into()).await?;
/// let full = layer.send("log", "second".into()).await;
/// assert!(matches!(full, Err(Error::ChannelFull { capacity: 1, .. })));
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The channel holds as many messages as it may; the message was dropped and its receiver will be told.
    ChannelFull {
        /// The channel.
        channel: String,
        /// How many messages it holds.
        capacity: usize,
    },
    /// The message is longer than the layer takes.
    MessageTooLarge {
        /// Its length in bytes.
        length: usize,
        /// The most bytes that the layer takes.
        limit: usize,
    },
    /// The channel belonged to a process or a receiver that is no longer there.
    Gone(String),
    /// The channel belongs to another process, and only that process can receive from it.
    Elsewhere(String),
    /// A name that no channel or group can have, and why.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server of the layer cannot be reached, or did not answer in time; the layer goes on trying by itself.
    Unavailable(String),
    /// The configuration cannot be used: what is wrong with it.
    Configuration(String),
    /// A message is not what its receiver expects, or none of the keys opens it.
    Message(String),
}

#[cfg(feature = "redis")]
impl Error {
    pub(crate) fn late(what: &str, after: Duration) -> Self {
        Self::Unavailable(format!("{what} did not answer within {after:?}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelFull { channel, capacity } => {
                write!(
                    f,
                    "the channel {channel} is full: it holds {capacity} messages that nobody received"
                )
            }
            Self::MessageTooLarge { length, limit } => {
                write!(f, "a message of {length} bytes is too large: the layer takes {limit}")
            }
            Self::Gone(channel) => {
                write!(f, "the channel {channel} is gone: nobody receives from it any more")
            }
            Self::Elsewhere(channel) => {
                write!(
                    f,
                    "the channel {channel} belongs to another process, and only that one receives from it"
                )
            }
            Self::Name { name, problem } => write!(f, "{name:?} cannot be a name: {problem}"),
            Self::Unavailable(reason) => write!(f, "the channel layer cannot be reached: {reason}"),
            Self::Configuration(problem) => {
                write!(f, "the channel layer is configured wrongly: {problem}")
            }
            Self::Message(problem) => write!(f, "the message cannot be read: {problem}"),
        }
    }
}

impl std::error::Error for Error {}
