//! What a call says to Redis and, through it, to other processes.
//!
//! Rules of this room: a question has a number and a limit to its wait; what is taken out of Redis is in the queue here before anybody is asked
//! whether they still want it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::frame::{self, Answer, Head, Reply};
use crate::mailbox::Mailbox;
use crate::{Error, Gap, Missed, Result};

/// Messages on their way to named channels of one server at once: each is a copy of its own until it has left.
const AT_ONCE: usize = 64;

/// A question to other processes; nobody listens for answers once it is dropped.
pub(super) struct Question<'a> {
    shared: &'a Shared,
    number: u64,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
}

impl Question<'_> {
    pub(super) fn reply(&self) -> Reply {
        Reply { process: self.shared.process.clone(), question: self.number }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.shared.questions().remove(&self.number);
    }
}

impl Shared {
    pub(super) fn question(&self) -> Question<'_> {
        let (sender, answers) = mpsc::unbounded_channel();
        let number = self.next_question.fetch_add(1, Relaxed);
        self.questions().insert(number, sender);
        Question { shared: self, number, answers }
    }

    /// Asks a process something; `None` where nobody listens there.
    pub(super) async fn ask(
        &self,
        process: &str,
        head: impl FnOnce(Reply) -> Head,
        message: &[u8],
    ) -> Result<Option<Answer>> {
        let mut question = self.question();
        let frame = written(&head(question.reply()), message)?;
        let mut connection = self.connection(self.ring.shard(process)).await?;
        let heard: u64 = self
            .scripts
            .say
            .key(self.lease_key(process))
            .key(self.number_key(process))
            .arg(self.inbox(process))
            .arg(frame)
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.failed(error))?;
        if heard == 0 {
            return Ok(None);
        }
        match tokio::time::timeout(self.timeout, question.answers.recv()).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(Error::late("the other process", self.timeout)),
        }
    }

    /// Tells a group's server how many channels of this process are in it, and waits until it knows.
    pub(super) async fn tell(&self, group: &str) -> Result<()> {
        let (sender, told) = oneshot::channel();
        self.shards[self.ring.shard(group)].tell(group, Some(sender));
        match tokio::time::timeout(self.timeout, told).await {
            Ok(Ok(result)) => result,
            _ => Err(Error::late("Redis", self.timeout)),
        }
    }

    /// Puts a sealed message into a named channel, on the server that holds it; gives whether there was room.
    pub(super) async fn put(&self, channel: &str, sealed: &[u8]) -> Result<bool> {
        let limits = self.local.config();
        let mut connection = self.connection(self.ring.shard(channel)).await?;
        self.scripts
            .put
            .key(self.list_key(channel))
            .arg(sealed)
            .arg(limits.expiry.as_millis() as u64)
            .arg(limits.capacity_of(channel))
            .arg(self.wake_topic())
            .arg(channel)
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Puts a sealed message into named channels, each on the server that holds it; gives how many hold it, and how many were full. Of the rest
    /// nobody said anything in time.
    pub(super) async fn put_into(&self, channels: &[String], sealed: &[u8]) -> (u64, u64) {
        let mut servers: HashMap<usize, Vec<&str>> = HashMap::new();
        for channel in channels {
            servers.entry(self.ring.shard(channel)).or_default().push(channel);
        }
        // Each server by itself, so that none waits for one that is lost.
        let puts = servers.into_values().map(|channels| self.put_here(channels, sealed));
        let sum = |sum: (u64, u64), one: (u64, u64)| (sum.0 + one.0, sum.1 + one.1);
        join_all(puts).await.into_iter().fold((0, 0), sum)
    }

    /// The same, of channels on one server.
    async fn put_here(&self, channels: Vec<&str>, sealed: &[u8]) -> (u64, u64) {
        let (mut delivered, mut full) = (0, 0);
        let mut channels = channels.into_iter();
        let mut on_their_way = FuturesUnordered::new();
        let all = async {
            loop {
                while on_their_way.len() < AT_ONCE
                    && let Some(channel) = channels.next()
                {
                    on_their_way.push(self.put(channel, sealed));
                }
                match on_their_way.next().await {
                    Some(Ok(true)) => delivered += 1,
                    Some(Ok(false)) => full += 1,
                    Some(Err(_)) => {}
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(self.timeout, all).await;
        (delivered, full)
    }

    pub(super) async fn roll(&self, group: &str) -> Result<(Vec<String>, Vec<String>)> {
        let mut connection = self.connection(self.ring.shard(group)).await?;
        self.scripts
            .roll
            .key(self.group_key(group))
            .key(self.named_key(group))
            .arg(&self.prefix)
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.failed(error))
    }

    /// All keys of a server that begin so.
    pub(super) async fn keys_of(&self, shard: usize, prefix: &str) -> Result<Vec<String>> {
        let mut connection = self.connection(shard).await?;
        let mut pattern: String = prefix
            .chars()
            .flat_map(|letter| {
                let special = matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^');
                special.then_some('\\').into_iter().chain([letter])
            })
            .collect();
        pattern.push('*');
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let (next, keys): (u64, Vec<String>) = ::redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(1_000)
                .query_async(&mut connection)
                .await
                .map_err(|error| self.failed(error))?;
            found.extend(keys);
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }
}

/// Takes one message out of Redis into the queue here; gives whether there is anything new in it.
pub(super) async fn fetch(
    shared: Arc<Shared>,
    channel: String,
    mailbox: Arc<Mailbox>,
) -> Result<bool> {
    let mut connection = shared.connection(shared.ring.shard(&channel)).await?;
    let (full, expired, message): (u64, u64, Option<Vec<u8>>) = shared
        .scripts
        .take
        .key(shared.list_key(&channel))
        .invoke_async(&mut connection)
        .await
        .map_err(|error| shared.failed(error))?;
    for (count, reason) in [(expired, Missed::Expired), (full, Missed::Full)] {
        if count > 0 {
            mailbox.miss(Gap { reason, count: Some(count) });
        }
    }
    let Some(message) = message else { return Ok(full + expired > 0) };
    match shared.keys.open(message.into()) {
        Ok(message) => mailbox.push(message, shared.local.deadline()),
        Err(error) => {
            tracing::warn!(channel, %error, "a message is dropped");
            true
        }
    };
    Ok(true)
}

pub(super) fn written(head: &Head, message: &[u8]) -> Result<Vec<u8>> {
    frame::write(head, message).map_err(|error| Error::Message(error.to_string()))
}
