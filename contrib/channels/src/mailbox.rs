//! One channel's queue in this process.
//!
//! Rules of this room: it never grows beyond its capacity; what is dropped leaves a gap in its place, and gaps that follow each other are one;
//! the age of a message is looked at when somebody takes it, or needs its room.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Gap, Missed, Received};

pub(crate) struct Mailbox {
    capacity: usize,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    messages: usize,
    closed: bool,
}

enum Entry {
    Message(Bytes, Instant),
    Gap(Gap),
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, queue: Mutex::default(), news: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Puts a message in that lives until `deadline`; gives whether there was room.
    pub(crate) fn push(&self, message: Bytes, deadline: Instant) -> bool {
        let mut queue = self.lock();
        if queue.messages >= self.capacity {
            queue.forget_expired();
        }
        let room = queue.messages < self.capacity;
        if room {
            queue.entries.push_back(Entry::Message(message, deadline));
            queue.messages += 1;
        } else {
            queue.miss(Gap { reason: Missed::Full, count: Some(1) });
        }
        drop(queue);
        self.news.notify_one();
        room
    }

    /// Notes that something was missed.
    #[cfg(feature = "redis")]
    pub(crate) fn miss(&self, gap: Gap) {
        self.lock().miss(gap);
        self.news.notify_one();
    }

    /// Lets everybody who waits look again.
    #[cfg(feature = "redis")]
    pub(crate) fn stir(&self) {
        self.news.notify_waiters();
    }

    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        *queue = Queue { closed: true, ..Queue::default() };
        drop(queue);
        self.news.notify_waiters();
        self.news.notify_one();
    }

    pub(crate) fn clear(&self) {
        let mut queue = self.lock();
        *queue = Queue { closed: queue.closed, ..Queue::default() };
    }

    pub(crate) fn is_empty(&self) -> bool {
        let mut queue = self.lock();
        queue.forget_expired();
        queue.messages == 0
    }

    /// The next message or gap, where there is one; `Err` once it is closed.
    pub(crate) fn take(&self) -> Result<Option<Received>, Closed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Closed);
        }
        queue.forget_expired();
        let next = queue.entries.pop_front().map(|entry| match entry {
            Entry::Message(message, _) => Received::Message(message),
            Entry::Gap(gap) => Received::Gap(gap),
        });
        if matches!(next, Some(Received::Message(_))) {
            queue.messages -= 1;
        }
        let more = !queue.entries.is_empty();
        drop(queue);
        if more {
            // A permit is kept for one only, and two messages may have come for two receivers.
            self.news.notify_one();
        }
        Ok(next)
    }

    /// What wakes when there is news; register it before looking.
    pub(crate) fn news(&self) -> tokio::sync::futures::Notified<'_> {
        self.news.notified()
    }

    pub(crate) async fn receive(&self) -> Result<Received, Closed> {
        loop {
            let news = self.news();
            if let Some(next) = self.take()? {
                return Ok(next);
            }
            news.await;
        }
    }
}

/// The channel was closed.
#[derive(Debug)]
pub(crate) struct Closed;

impl Queue {
    fn miss(&mut self, gap: Gap) {
        if let Some(Entry::Gap(last)) = self.entries.back_mut()
            && last.reason == gap.reason
        {
            last.count = last.count.zip(gap.count).map(|(one, other)| one + other);
            return;
        }
        self.entries.push_back(Entry::Gap(gap));
    }

    /// Drops what has become too old; what is left of it is a gap in front.
    fn forget_expired(&mut self) {
        let now = Instant::now();
        let oldest = self.entries.iter().find_map(|entry| match entry {
            Entry::Message(_, deadline) => Some(*deadline),
            Entry::Gap(_) => None,
        });
        if oldest.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.entries.retain(|entry| !matches!(entry, Entry::Message(_, until) if *until <= now));
        let left = self.entries.iter().filter(|entry| matches!(entry, Entry::Message(..))).count();
        let mut count = (self.messages - left) as u64;
        self.messages = left;
        if let Some(Entry::Gap(Gap { reason: Missed::Expired, count: Some(before) })) =
            self.entries.front()
        {
            count += before;
            self.entries.pop_front();
        }
        let gap = Gap { reason: Missed::Expired, count: Some(count) };
        self.entries.push_front(Entry::Gap(gap));
    }
}
