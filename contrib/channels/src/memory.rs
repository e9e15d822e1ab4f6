//! The layer of one process.
//!
//! Rules of this room: nothing leaves the process and nothing waits; what it says is what [`Redis`](crate::Redis) says.

use async_trait::async_trait;
use bytes::Bytes;

use crate::local::Local;
use crate::name::{check_channel, check_group, random};
use crate::{ChannelLayer, Config, Delivery, Error, Received, Result};

/// A channel layer for one process: it needs no server, and no other process hears of it. The crate's [example](crate) runs on it.
///
/// Its default has the limits of [`Config::default`]. A call waits for nothing but [`receive`](ChannelLayer::receive), and none is ever
/// [`Unavailable`](crate::Error::Unavailable).
pub struct Memory {
    local: Local,
}

impl Memory {
    /// A layer with these limits.
    pub fn new(config: Config) -> Self {
        Self { local: Local::new(config) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

#[async_trait]
impl ChannelLayer for Memory {
    async fn send(&self, channel: &str, message: Bytes) -> Result<()> {
        self.local.config().check_length(message.len())?;
        let mailbox = match check_channel(channel)? {
            Some(_) => self.local.find(channel).ok_or_else(|| Error::Gone(channel.to_owned()))?,
            None => self.local.named(channel),
        };
        if mailbox.push(message, self.local.deadline()) {
            return Ok(());
        }
        Err(Error::ChannelFull { channel: channel.to_owned(), capacity: mailbox.capacity() })
    }

    async fn receive(&self, channel: &str) -> Result<Received> {
        let mailbox = match check_channel(channel)? {
            Some(_) => self.local.find(channel).ok_or_else(|| Error::Gone(channel.to_owned()))?,
            None => self.local.named(channel),
        };
        mailbox.receive().await.map_err(|_| Error::Gone(channel.to_owned()))
    }

    async fn new_channel(&self, prefix: &str) -> Result<String> {
        let name = format!("specific!{prefix}.{}", random()?);
        check_channel(&name)?;
        self.local.open(&name);
        Ok(name)
    }

    fn close_channel(&self, channel: &str) {
        self.local.close(channel);
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<()> {
        check_group(group)?;
        if check_channel(channel)?.is_none() {
            self.local.named(channel);
        }
        if self.local.join(group, channel) { Ok(()) } else { Err(Error::Gone(channel.to_owned())) }
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<()> {
        check_group(group)?;
        check_channel(channel)?;
        self.local.leave(group, channel);
        Ok(())
    }

    async fn group_send(&self, group: &str, message: Bytes) -> Result<Delivery> {
        check_group(group)?;
        self.local.config().check_length(message.len())?;
        Ok(self.local.fan_out(group, &message))
    }

    async fn groups(&self) -> Result<Vec<String>> {
        Ok(self.local.groups().into_iter().collect())
    }

    async fn group_channels(&self, group: &str) -> Result<Vec<String>> {
        check_group(group)?;
        Ok(self.local.members(group))
    }

    async fn flush(&self) -> Result<()> {
        self.local.clear();
        Ok(())
    }
}
