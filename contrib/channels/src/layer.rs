//! The contract of a channel layer.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// Carries messages between the processes and tasks of an application.
///
/// Names are letters, digits, `-`, `_` and `.`, under 100 characters. A channel whose name has a `!` belongs to the process that made it with
/// [`new_channel`](Self::new_channel) and only that process receives from it; anybody may receive from any other channel, each message going to one
/// receiver. A call with another name fails with [`Name`](crate::Error::Name). All methods are cancel safe: a message that was not returned is not
/// lost.
#[async_trait]
pub trait ChannelLayer: Send + Sync + 'static {
    /// Puts a message into a channel.
    ///
    /// # Errors
    /// The channel is full, the message too large, the channel gone, or the layer's server out of reach. The message was not
    /// delivered then, except that after [`Unavailable`](crate::Error::Unavailable) nobody knows.
    async fn send(&self, channel: &str, message: Bytes) -> Result<()>;

    /// Waits for the next message of a channel, or to hear that some were missed.
    ///
    /// # Errors
    /// The channel belongs to another process or was closed. A server out of reach is no error: the wait goes on until it is back, and
    /// begins with a [`Gap`] then.
    async fn receive(&self, channel: &str) -> Result<Received>;

    /// Makes a channel of this process with a name that nobody has; it exists until [`close_channel`](Self::close_channel).
    ///
    /// [`Receiver::open`](crate::Receiver::open) closes it by itself.
    ///
    /// # Errors
    /// The prefix is no name.
    async fn new_channel(&self, prefix: &str) -> Result<String>;

    /// Forgets a channel of this process, its messages and its memberships. Returns at once; what is to be said elsewhere follows.
    fn close_channel(&self, channel: &str);

    /// Adds a channel to a group, or begins its time there anew.
    ///
    /// # Errors
    /// The channel is gone, or the layer's server out of reach (it is no member then).
    async fn group_add(&self, group: &str, channel: &str) -> Result<()>;

    /// Takes a channel out of a group; it is no error if it was not in it.
    ///
    /// # Errors
    /// The layer's server is out of reach.
    async fn group_discard(&self, group: &str, channel: &str) -> Result<()>;

    /// Sends a message to each channel of a group, and tells what became of it.
    ///
    /// # Errors
    /// The message is too large, or the layer's server out of reach. A full channel is no error here: it is counted, and its receiver
    /// is told.
    async fn group_send(&self, group: &str, message: Bytes) -> Result<Delivery>;

    /// The groups that have members, sorted.
    ///
    /// # Errors
    /// The layer's server is out of reach.
    async fn groups(&self) -> Result<Vec<String>>;

    /// The channels of a group, sorted.
    ///
    /// # Errors
    /// The layer's server is out of reach.
    async fn group_channels(&self, group: &str) -> Result<Vec<String>>;

    /// Empties the layer, for tests: no message and no group is left. Channels stay open. Dropped before it is ready, it may have emptied some of it.
    ///
    /// # Errors
    /// The layer's server is out of reach.
    async fn flush(&self) -> Result<()>;
}

/// What a receiver gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Bytes),
    /// Something was missed at this place.
    Gap(Gap),
}

/// Messages that were sent to a channel and that its receiver will not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: Missed,
    /// How many, where that is known.
    pub count: Option<u64>,
}

/// Why messages were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The channel was full.
    Full,
    /// They were older than messages may become.
    Expired,
    /// The layer's server could not be reached for a while: there may have been some.
    Disconnected,
}

/// What became of a message to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Channels that hold it now.
    pub delivered: u64,
    /// Channels that were full.
    pub full: u64,
    /// Channels whose process is gone or did not answer; gone ones are no longer members.
    pub gone: u64,
}
