//! Counters of what the server does, cheap enough to stay on.
//!
//! Rules of this room: each thread counts in a shard of its own, so that no two processors pull at one cache line and nobody has to lock it; threads
//! beyond the shards share the last; a look adds the shards up, and may be a moment behind; nothing here reads a clock.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets of durations, in microseconds: OpenTelemetry's advice for `http.server.request.duration`, with two finer ones below.
pub(crate) const BOUNDS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// The last bucket has no bound.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// Statuses are counted each by itself, from 100 to 599; others count as the last.
const STATUSES: usize = 500;

/// As many shards as threads usually serve; more threads share the last.
const SHARDS: usize = 16;
const SHARED: usize = SHARDS - 1;

/// One thread's counters; on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    begun: AtomicU64,
    ended: AtomicU64,
    bytes: AtomicU64,
    microseconds: AtomicU64,
    statuses: [AtomicU64; STATUSES],
    buckets: [AtomicU64; BUCKETS],
}

impl Shard {
    fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            microseconds: AtomicU64::new(0),
            statuses: std::array::from_fn(|_| AtomicU64::new(0)),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// The shard in which this thread counts.
struct Own<'a> {
    shard: &'a Shard,
    alone: bool,
}

impl Own<'_> {
    #[inline]
    fn add(&self, counter: &AtomicU64, more: u64) {
        if self.alone {
            // Nobody else writes here, so a plain addition loses nothing, and costs a tenth of a locked one.
            counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
        } else {
            counter.fetch_add(more, Relaxed);
        }
    }

    #[inline]
    fn status(&self, status: u16) {
        let index = usize::from(status.saturating_sub(100)).min(STATUSES - 1);
        self.add(&self.shard.statuses[index], 1);
    }
}

/// The counters of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    shards: Box<[Shard]>,
    accepted: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
}

/// What has been counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Connections accepted since the start.
    pub(crate) accepted: u64,
    /// Connections that are open.
    pub(crate) connections: u64,
    /// Heads that were refused before they were a request.
    pub(crate) refused: u64,
    /// Exchanges since the start.
    pub(crate) begun: u64,
    /// Exchanges under way.
    pub(crate) in_flight: u64,
    /// Bytes of content sent.
    pub(crate) bytes: u64,
    /// Statuses and how often each was answered, in order.
    pub(crate) statuses: Vec<(u16, u64)>,
    /// Durations by bucket; not added up.
    pub(crate) buckets: [u64; BUCKETS],
    /// The sum of all durations.
    pub(crate) total: Duration,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::new()).collect(),
            accepted: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    #[inline]
    fn own(&self) -> Own<'_> {
        let own = OWN.with(|own| {
            if own.get() == usize::MAX {
                own.set(NEXT.fetch_add(1, Relaxed).min(SHARED));
            }
            own.get().min(SHARED)
        });
        Own { shard: &self.shards[own], alone: own != SHARED }
    }

    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn close(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    /// A head was refused that no exchange was made of.
    pub(crate) fn refuse(&self, status: u16) {
        self.refused.fetch_add(1, Relaxed);
        self.own().status(status);
    }

    #[inline]
    pub(crate) fn begin(&self) {
        let own = self.own();
        own.add(&own.shard.begun, 1);
    }

    /// An exchange has ended.
    #[inline]
    pub(crate) fn end(&self, status: u16, bytes: u64, time: Duration) {
        let microseconds = time
            .as_secs()
            .saturating_mul(1_000_000)
            .saturating_add(u64::from(time.subsec_micros()));
        // Most exchanges are in the first.
        let bucket = if microseconds <= BOUNDS[0] {
            0
        } else {
            BOUNDS.partition_point(|bound| *bound < microseconds)
        };
        let own = self.own();
        let shard = own.shard;
        own.add(&shard.ended, 1);
        own.add(&shard.bytes, bytes);
        own.add(&shard.microseconds, microseconds);
        own.add(&shard.buckets[bucket], 1);
        own.status(status);
    }

    /// Adds all shards up.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let sum = |of: &dyn Fn(&Shard) -> &AtomicU64| -> u64 {
            self.shards.iter().map(|shard| of(shard).load(Relaxed)).sum()
        };
        // The ends first: an exchange that ends in between is under way, and never less than none.
        let ended = sum(&|shard| &shard.ended);
        let begun = sum(&|shard| &shard.begun);
        let closed = self.closed.load(Relaxed);
        let accepted = self.accepted.load(Relaxed);
        let statuses = (0..STATUSES).filter_map(|index| {
            let count = sum(&|shard| &shard.statuses[index]);
            (count > 0).then(|| (u16::try_from(index + 100).unwrap_or(599), count))
        });
        Snapshot {
            accepted,
            connections: accepted.saturating_sub(closed),
            refused: self.refused.load(Relaxed),
            begun,
            in_flight: begun.saturating_sub(ended),
            bytes: sum(&|shard| &shard.bytes),
            statuses: statuses.collect(),
            buckets: std::array::from_fn(|index| sum(&|shard| &shard.buckets[index])),
            total: Duration::from_micros(sum(&|shard| &shard.microseconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_adds_up() {
        let metrics = Metrics::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        metrics.begin();
                        metrics.end(200, 3, Duration::from_micros(10));
                    }
                });
            }
        });
        metrics.begin();
        let seen = metrics.snapshot();
        assert_eq!((seen.begun, seen.in_flight, seen.bytes), (20_001, 1, 60_000));
        assert_eq!(seen.statuses, [(200, 20_000)]);
        assert_eq!(seen.total, Duration::from_micros(200_000));
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let metrics = Metrics::new();
        for (microseconds, bucket) in
            [(0, 0), (500, 0), (501, 1), (1_000, 1), (10_000_000, 15), (10_000_001, 16)]
        {
            let before = metrics.snapshot().buckets[bucket];
            metrics.begin();
            metrics.end(200, 0, Duration::from_micros(microseconds));
            assert_eq!(metrics.snapshot().buckets[bucket], before + 1, "{microseconds}");
        }
    }

    #[test]
    fn every_status_is_counted_by_itself_and_none_is_lost() {
        let metrics = Metrics::new();
        for status in [0, 100, 404, 499, 599, 999] {
            metrics.end(status, 0, Duration::ZERO);
        }
        metrics.refuse(431);
        let total: u64 = metrics.snapshot().statuses.iter().map(|(_, count)| count).sum();
        assert_eq!(total, 7);
        assert!(metrics.snapshot().statuses.contains(&(431, 1)));
    }
}
