//! The channels of this process, and the groups that they are in.
//!
//! Rules of this room: one lock for both, held for moves of values only; a message to a group is shared, not copied; what a channel is in
//! is known from both sides, so that closing it is exact.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

#[cfg(feature = "redis")]
use crate::Gap;
use crate::config::LONGEST;
use crate::mailbox::Mailbox;
use crate::{Config, Delivery};

/// What anybody may name, channels and groups, is looked through for what nobody uses any more after so many new ones, and after as many as
/// were in use the last time.
const SWEEP_AFTER: usize = 1024;

pub(crate) struct Local {
    config: Config,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<String, Channel>,
    groups: HashMap<String, HashMap<String, Member>>,
    since_sweep: usize,
    /// What was in use at the last sweep.
    in_use: usize,
}

struct Channel {
    mailbox: Arc<Mailbox>,
    groups: HashSet<String>,
    /// Somebody made it, and closes it.
    owned: bool,
}

struct Member {
    mailbox: Arc<Mailbox>,
    until: Instant,
}

impl Local {
    pub(crate) fn new(mut config: Config) -> Self {
        config.expiry = config.expiry.min(LONGEST);
        config.group_expiry = config.group_expiry.min(LONGEST);
        Self { config, inner: Mutex::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a channel that its maker closes.
    pub(crate) fn open(&self, name: &str) {
        let mailbox = Arc::new(Mailbox::new(self.config.capacity_of(name)));
        let channel = Channel { mailbox, groups: HashSet::new(), owned: true };
        self.lock().channels.insert(name.to_owned(), channel);
    }

    /// Forgets a channel; gives the groups that it was in.
    pub(crate) fn close(&self, name: &str) -> Vec<String> {
        let mut inner = self.lock();
        let Some(channel) = inner.channels.remove(name) else { return Vec::new() };
        for group in &channel.groups {
            inner.leave(group, name);
        }
        drop(inner);
        channel.mailbox.close();
        channel.groups.into_iter().collect()
    }

    /// The queue of a channel that exists.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Mailbox>> {
        self.lock().channels.get(name).map(|channel| Arc::clone(&channel.mailbox))
    }

    /// The queue of a channel that exists by being named.
    pub(crate) fn named(&self, name: &str) -> Arc<Mailbox> {
        let mut inner = self.lock();
        if let Some(channel) = inner.channels.get(name) {
            return Arc::clone(&channel.mailbox);
        }
        inner.sweep_in_time();
        let mailbox = Arc::new(Mailbox::new(self.config.capacity_of(name)));
        let channel =
            Channel { mailbox: Arc::clone(&mailbox), groups: HashSet::new(), owned: false };
        inner.channels.insert(name.to_owned(), channel);
        mailbox
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config.expiry
    }

    /// Adds a channel to a group; gives whether there is such a channel.
    pub(crate) fn join(&self, group: &str, name: &str) -> bool {
        let until = Instant::now() + self.config.group_expiry;
        let mut inner = self.lock();
        let Some(channel) = inner.channels.get_mut(name) else { return false };
        channel.groups.insert(group.to_owned());
        let member = Member { mailbox: Arc::clone(&channel.mailbox), until };
        let members = inner.groups.entry(group.to_owned()).or_default();
        members.insert(name.to_owned(), member);
        if members.len() == 1 {
            // Behind the insertion: the channel is in use now.
            inner.sweep_in_time();
        }
        true
    }

    pub(crate) fn leave(&self, group: &str, name: &str) {
        let mut inner = self.lock();
        if let Some(channel) = inner.channels.get_mut(name) {
            channel.groups.remove(group);
        }
        inner.leave(group, name);
    }

    /// Puts a message into each channel of a group.
    pub(crate) fn fan_out(&self, group: &str, message: &Bytes) -> Delivery {
        let mut delivery = Delivery::default();
        let deadline = self.deadline();
        let mut inner = self.lock();
        inner.forget_expired(group);
        for member in inner.groups.get(group).into_iter().flat_map(HashMap::values) {
            match member.mailbox.push(message.clone(), deadline) {
                true => delivery.delivered += 1,
                false => delivery.full += 1,
            }
        }
        delivery
    }

    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let mut inner = self.lock();
        inner.forget_expired(group);
        let mut names: Vec<_> =
            inner.groups.get(group).into_iter().flat_map(HashMap::keys).cloned().collect();
        names.sort();
        names
    }

    /// How many channels here are in a group.
    #[cfg(feature = "redis")]
    pub(crate) fn count(&self, group: &str) -> usize {
        let mut inner = self.lock();
        inner.forget_expired(group);
        inner.groups.get(group).map_or(0, HashMap::len)
    }

    pub(crate) fn groups(&self) -> BTreeSet<String> {
        let mut inner = self.lock();
        inner.forget_all_expired();
        inner.groups.keys().cloned().collect()
    }

    /// Tells every channel that something was missed.
    #[cfg(feature = "redis")]
    pub(crate) fn miss_everywhere(&self, gap: Gap) {
        for channel in self.lock().channels.values() {
            channel.mailbox.miss(gap);
            channel.mailbox.stir();
        }
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.groups.clear();
        for channel in inner.channels.values_mut() {
            channel.groups.clear();
            channel.mailbox.clear();
        }
    }
}

impl Inner {
    /// Notes that something new was named.
    fn sweep_in_time(&mut self) {
        self.since_sweep += 1;
        if self.since_sweep <= SWEEP_AFTER.max(self.in_use) {
            return;
        }
        self.since_sweep = 0;
        self.forget_all_expired();
        self.channels.retain(|_, channel| {
            let used = Arc::strong_count(&channel.mailbox) > 1;
            channel.owned || used || !channel.groups.is_empty() || !channel.mailbox.is_empty()
        });
        self.in_use = self.channels.len() + self.groups.len();
    }

    fn forget_all_expired(&mut self) {
        let names: Vec<_> = self.groups.keys().cloned().collect();
        names.iter().for_each(|group| self.forget_expired(group));
    }

    fn leave(&mut self, group: &str, name: &str) {
        if let Entry::Occupied(mut members) = self.groups.entry(group.to_owned()) {
            members.get_mut().remove(name);
            if members.get().is_empty() {
                members.remove();
            }
        }
    }

    fn forget_expired(&mut self, group: &str) {
        let Some(members) = self.groups.get_mut(group) else { return };
        let now = Instant::now();
        let channels = &mut self.channels;
        members.retain(|name, member| {
            let stays = member.until > now;
            if !stays && let Some(channel) = channels.get_mut(name) {
                channel.groups.remove(group);
            }
            stays
        });
        if members.is_empty() {
            self.groups.remove(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_time_may_be_as_long_as_it_likes() {
        let config =
            Config { expiry: Duration::MAX, group_expiry: Duration::MAX, ..Config::default() };
        let local = Local::new(config);
        let mailbox = local.named("worker");
        assert!(local.join("jobs", "worker"));
        assert_eq!(local.fan_out("jobs", &Bytes::from_static(b"one")).delivered, 1);
        assert!(mailbox.push(Bytes::from_static(b"two"), local.deadline()));
    }

    // Whoever joins and never leaves is a member until its time is over, and nobody has to ask for that group again.
    #[tokio::test(start_paused = true)]
    async fn groups_that_nobody_uses_any_more_are_forgotten() {
        let local = Local::new(Config::default());
        local.named("worker");
        for number in 0..10 * SWEEP_AFTER {
            assert!(local.join(&format!("job-{number}"), "worker"));
            if number % SWEEP_AFTER == 0 {
                tokio::time::advance(local.config().group_expiry + Duration::from_secs(1)).await;
            }
        }
        assert!(local.lock().groups.len() <= 3 * SWEEP_AFTER, "{}", local.lock().groups.len());
        assert!(local.find("worker").is_some(), "the last groups are its own still");
    }
}
