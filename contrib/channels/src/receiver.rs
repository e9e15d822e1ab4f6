//! A channel of one's own, with what it is in.
//!
//! Rules of this room: what is dropped is left, at once and on every way out.

use std::sync::Arc;

use crate::{ChannelLayer, Received, Result};

/// A channel that only its holder receives from; dropping it closes the channel and leaves its groups. The crate's [example](crate) has one.
pub struct Receiver {
    layer: Arc<dyn ChannelLayer>,
    name: String,
}

impl Receiver {
    /// Makes a channel of this process. Cancel safe.
    ///
    /// # Errors
    /// The system gives no random number for its name.
    pub async fn open(layer: Arc<dyn ChannelLayer>) -> Result<Self> {
        let name = layer.new_channel("specific").await?;
        Ok(Self { layer, name })
    }

    /// The name by which others send to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer that it belongs to.
    pub fn layer(&self) -> &Arc<dyn ChannelLayer> {
        &self.layer
    }

    /// Joins a group.
    ///
    /// # Errors
    /// As [`ChannelLayer::group_add`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it may have joined or not; dropping the receiver leaves in either case.
    pub async fn join(&mut self, group: &str) -> Result<()> {
        self.layer.group_add(group, &self.name).await
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As [`ChannelLayer::group_discard`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it may be a member still; asked again, it leaves.
    pub async fn leave(&mut self, group: &str) -> Result<()> {
        self.layer.group_discard(group, &self.name).await
    }

    /// Waits for the next message, or to hear that some were missed. Cancel safe.
    ///
    /// # Errors
    /// As [`ChannelLayer::receive`].
    pub async fn receive(&mut self) -> Result<Received> {
        self.layer.receive(&self.name).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.layer.close_channel(&self.name);
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("name", &self.name).finish_non_exhaustive()
    }
}
