//! What applications ask of the layer.
//!
//! Rules of this room: each call says what it found out and no more; a call that may have had its effect and does not know it is
//! unavailable, and never tried again by itself, so that a message comes once at most.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::Redis;
use super::ask::{fetch, written};
use super::frame::Head;
use crate::name::{check_channel, check_group, lua, random};
use crate::{ChannelLayer, Delivery, Error, Received, Result};

#[async_trait]
impl ChannelLayer for Redis {
    async fn send(&self, channel: &str, message: Bytes) -> Result<()> {
        let shared = &self.shared;
        let owner = check_channel(channel)?;
        shared.local.config().check_length(message.len())?;
        let full = |capacity| Err(Error::ChannelFull { channel: channel.to_owned(), capacity });
        let gone = || Error::Gone(channel.to_owned());
        match owner {
            Some(process) if process == shared.process => {
                let mailbox = shared.local.find(channel).ok_or_else(gone)?;
                let room = mailbox.push(message, shared.local.deadline());
                if room { Ok(()) } else { full(mailbox.capacity()) }
            }
            Some(process) => {
                let message = shared.keys.seal(message)?;
                let head = |reply| Head::Message { channel: channel.to_owned(), reply };
                match shared.ask(process, head, &message).await? {
                    Some(answer) if answer.delivered > 0 => Ok(()),
                    Some(answer) if answer.full > 0 => full(answer.capacity),
                    _ => Err(gone()),
                }
            }
            None => {
                let room = shared.put(channel, &shared.keys.seal(message)?).await?;
                if room { Ok(()) } else { full(shared.local.config().capacity_of(channel)) }
            }
        }
    }

    async fn receive(&self, channel: &str) -> Result<Received> {
        let shared = &self.shared;
        let gone = || Error::Gone(channel.to_owned());
        if let Some(process) = check_channel(channel)? {
            if process != shared.process {
                return Err(Error::Elsewhere(channel.to_owned()));
            }
            let mailbox = shared.local.find(channel).ok_or_else(gone)?;
            return mailbox.receive().await.map_err(|_| gone());
        }
        let mailbox = shared.local.named(channel);
        loop {
            let news = mailbox.news();
            if let Some(next) = mailbox.take().map_err(|_| gone())? {
                return Ok(next);
            }
            // In a task of its own: what it takes out of Redis is kept for the next receiver if nobody waits for it here any more.
            let fetching = fetch(Arc::clone(shared), channel.to_owned(), Arc::clone(&mailbox));
            match tokio::spawn(fetching).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => news.await,
                _ => {
                    let shard = &shared.shards[shared.ring.shard(channel)];
                    let mut connection = shard.connection.subscribe();
                    connection.mark_unchanged();
                    let _ = tokio::time::timeout(shared.retry_at_most, connection.changed()).await;
                }
            }
        }
    }

    async fn new_channel(&self, prefix: &str) -> Result<String> {
        // The process stands in front, where every layer looks for it; the prefix is for whoever reads a log.
        let name = format!("{}!{prefix}.{}", self.shared.process, random()?);
        check_channel(&name)?;
        self.shared.local.open(&name);
        Ok(name)
    }

    fn close_channel(&self, channel: &str) {
        for group in self.shared.local.close(channel) {
            self.shared.shards[self.shared.ring.shard(&group)].tell(&group, None);
        }
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<()> {
        let shared = &self.shared;
        check_group(group)?;
        let owner = check_channel(channel)?;
        let gone = || Err(Error::Gone(channel.to_owned()));
        match owner {
            Some(process) if process == shared.process => {
                if !shared.local.join(group, channel) {
                    return gone();
                }
                let told = shared.tell(group).await;
                if told.is_err() {
                    shared.local.leave(group, channel);
                    shared.shards[shared.ring.shard(group)].tell(group, None);
                }
                told
            }
            Some(process) => {
                let (group, name) = (group.to_owned(), channel.to_owned());
                let head = |reply| Head::Join { group, channel: name, reply };
                match shared.ask(process, head, &[]).await? {
                    Some(answer) if !answer.gone => Ok(()),
                    _ => gone(),
                }
            }
            None => {
                let mut connection = shared.connection(shared.ring.shard(group)).await?;
                shared
                    .scripts
                    .name
                    .key(shared.named_key(group))
                    .arg(channel)
                    .arg(shared.local.config().group_expiry.as_millis() as u64)
                    .invoke_async(&mut connection)
                    .await
                    .map_err(|error| shared.failed(error))
            }
        }
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<()> {
        let shared = &self.shared;
        check_group(group)?;
        match check_channel(channel)? {
            Some(process) if process == shared.process => {
                shared.local.leave(group, channel);
                shared.tell(group).await
            }
            Some(process) => {
                let (group, name) = (group.to_owned(), channel.to_owned());
                let head = |reply| Head::Leave { group, channel: name, reply };
                shared.ask(process, head, &[]).await.map(drop)
            }
            None => {
                let mut connection = shared.connection(shared.ring.shard(group)).await?;
                ::redis::cmd("ZREM")
                    .arg(shared.named_key(group))
                    .arg(channel)
                    .query_async(&mut connection)
                    .await
                    .map_err(|error| shared.failed(error))
            }
        }
    }

    async fn group_send(&self, group: &str, message: Bytes) -> Result<Delivery> {
        let shared = &self.shared;
        check_group(group)?;
        let limits = shared.local.config();
        limits.check_length(message.len())?;
        let sealed = shared.keys.seal(message)?;
        let mut question = shared.question();
        let head = Head::Group { group: group.to_owned(), reply: question.reply() };
        let frame = written(&head, &sealed)?;
        let mut connection = shared.connection(shared.ring.shard(group)).await?;
        let mut call = shared.scripts.group.prepare_invoke();
        call.key(shared.group_key(group))
            .key(shared.named_key(group))
            .arg(&shared.prefix)
            .arg(frame)
            .arg(sealed.as_ref())
            .arg(limits.expiry.as_millis() as u64)
            .arg(limits.capacity)
            .arg(u8::from(shared.shards.len() == 1));
        for (pattern, capacity) in &limits.capacities {
            call.arg(lua(pattern)).arg(*capacity);
        }
        let answer: Vec<String> =
            call.invoke_async(&mut connection).await.map_err(|error| shared.failed(error))?;
        let number =
            |at: usize| answer.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let mut delivery = Delivery { delivered: number(0), full: number(1), gone: number(2) };
        let told = answer.get(4..).unwrap_or_default();
        let processes = usize::try_from(number(3)).unwrap_or(usize::MAX).saturating_mul(2);
        let (processes, elsewhere) = told.split_at(processes.min(told.len()));
        let mut silent: HashMap<&str, u64> = processes
            .chunks_exact(2)
            .map(|pair| (pair[0].as_str(), pair[1].parse().unwrap_or(0)))
            .collect();
        let answers = async {
            while !silent.is_empty() {
                let Some(answer) = question.answers.recv().await else { break };
                if silent.remove(answer.process.as_str()).is_some() {
                    delivery.delivered += answer.delivered;
                    delivery.full += answer.full;
                }
            }
        };
        let answers = tokio::time::timeout(shared.timeout, answers);
        let (_, (delivered, full)) = join(answers, shared.put_into(elsewhere, &sealed)).await;
        delivery.gone += silent.values().sum::<u64>() + elsewhere.len() as u64 - delivered - full;
        delivery.delivered += delivered;
        delivery.full += full;
        Ok(delivery)
    }

    async fn groups(&self) -> Result<Vec<String>> {
        let shared = &self.shared;
        let mut groups = Vec::new();
        for shard in 0..shared.shards.len() {
            for kind in ["group:", "named:"] {
                let prefix = format!("{}{kind}", shared.prefix);
                let keys = shared.keys_of(shard, &prefix).await?;
                groups.extend(
                    keys.iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())),
                );
            }
        }
        groups.sort();
        groups.dedup();
        let mut alive = Vec::new();
        for group in groups {
            let (processes, named) = shared.roll(&group).await?;
            if !processes.is_empty() || !named.is_empty() {
                alive.push(group);
            }
        }
        Ok(alive)
    }

    async fn group_channels(&self, group: &str) -> Result<Vec<String>> {
        let shared = &self.shared;
        check_group(group)?;
        let (processes, mut names) = shared.roll(group).await?;
        let asked = processes.iter().map(|process| {
            let head = |reply| Head::Members { group: group.to_owned(), reply };
            shared.ask(process, head, &[])
        });
        for answer in join_all(asked).await {
            names.extend(answer?.into_iter().flat_map(|answer| answer.members));
        }
        names.sort();
        Ok(names)
    }

    async fn flush(&self) -> Result<()> {
        let shared = &self.shared;
        for shard in 0..shared.shards.len() {
            let mut connection = shared.connection(shard).await?;
            for kind in ["group:", "named:", "list:"] {
                let keys = shared.keys_of(shard, &format!("{}{kind}", shared.prefix)).await?;
                for some in keys.chunks(500) {
                    let mut unlink = ::redis::cmd("UNLINK");
                    unlink.arg(some);
                    unlink
                        .query_async::<()>(&mut connection)
                        .await
                        .map_err(|error| shared.failed(error))?;
                }
            }
            ::redis::cmd("PUBLISH")
                .arg(shared.flush_topic())
                .arg("")
                .query_async::<()>(&mut connection)
                .await
                .map_err(|error| shared.failed(error))?;
        }
        shared.local.clear();
        Ok(())
    }
}
