//! Channel layers: one message to many sockets, in one process or on many machines.
//!
//! The semantics are those of the specification of [Channels](https://channels.readthedocs.io/en/stable/channel_layer_spec.html): a **channel** is
//! a queue with a name, a **group** is a set of channels; a message reaches a receiver at most once, and in order from one sender to one
//! receiver. What this adds: [`group_send`](ChannelLayer::group_send) tells how many got the message, how many were full and how many were
//! gone; a receiver that missed something is told by a [`Gap`]; groups can be listed; what a process that crashed had joined
//! disappears by itself.
//!
//! [`Memory`] is for one process and needs nothing. [`Redis`] is for many, and holds the same contract.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use rwgi_channels::{ChannelLayer, Memory, Receiver, Received};
//!
//! let layer: Arc<dyn ChannelLayer> = Arc::new(Memory::default());
//! let mut receiver = Receiver::open(Arc::clone(&layer)).await?;
//! receiver.join("room").await?;
//! let delivery = layer.group_send("room", "hello".into()).await?;
//! assert_eq!(delivery.delivered, 1);
//! assert_eq!(receiver.receive().await?, Received::Message("hello".into()));
//! // Dropping the receiver leaves every group.
//! # Ok::<(), rwgi_channels::Error>(()) }).unwrap();
//! ```
//!
//! Rules of this crate: nothing waits for a slow receiver, whose queue has an end instead; nothing is dropped without somebody being told;
//! every wait has a limit, save that for a message.

mod config;
mod error;
mod layer;
mod local;
mod mailbox;
mod memory;
mod name;
mod receiver;
#[cfg(feature = "redis")]
mod redis;
mod typed;
mod websocket;

pub use self::config::Config;
pub use self::error::{Error, Result};
pub use self::layer::{ChannelLayer, Delivery, Gap, Missed, Received};
pub use self::memory::Memory;
pub use self::receiver::Receiver;
#[cfg(feature = "redis")]
pub use self::redis::{Key, Redis, RedisConfig, Server};
pub use self::typed::{TypedReceived, decode, encode};
pub use self::websocket::{GroupSocket, Incoming};
