//! What a call says to Redis and, through it, to other processes.
//!
//! Rules of this room: a question has a number and a limit to its wait; what is taken out of Redis is in the queue here before anybody is asked
//! whether they still want it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::frame::{self, Answer, Head, Reply};
use crate::mailbox::Mailbox;
use crate::{Error, Gap, Missed, Result};

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
