//! What the log is told of accepts that fail: the first, then one line in a while, and how often it was when it is over.
//!
//! Rules of this room: it counts and waits for nothing; what makes accepts fail, no descriptors or no memory, is the affair of the process, so
//! that all its listeners are counted together.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One line in this time, for as long as it lasts: somebody who reads the log sees that it goes on, and what else is in it. nginx has a line for each
/// failure, every 500 ms; Go's net/http for each as well, after up to 1 s.
const EVERY: Duration = Duration::from_secs(10);

/// Over is what has not happened for so long: a server at its limit accepts one client for each that goes, and fails in between.
const OVER: Duration = Duration::from_secs(1);

/// Failed accepts that belong together.
#[derive(Debug)]
pub(crate) struct FailedAccepts(Mutex<Option<Spell>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spell {
    began: Instant,
    last: Instant,
    told: Instant,
    count: u64,
}

impl FailedAccepts {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// One more; tells the log where that is due.
    pub(crate) fn note(&self, error: &io::Error) {
        let Some(spell) = self.count(Instant::now()) else { return };
        if spell.count == 1 {
            tracing::warn!(%error, "no connection could be accepted; trying again every 50 ms");
        } else {
            let (failures, seconds) = (spell.count, (spell.last - spell.began).as_secs());
            tracing::warn!(%error, failures, seconds, "connections still cannot be accepted");
        }
    }

    /// When to ask [`settle`](Self::settle); `None` where nothing has failed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.lock().map(|spell| spell.last + OVER)
    }

    /// Tells the log that it is over, once it is.
    pub(crate) fn settle(&self) {
        if let Some(spell) = self.take(Instant::now()) {
            let (failures, seconds) = (spell.count, (spell.last - spell.began).as_secs());
            tracing::info!(failures, seconds, "connections are accepted again");
        }
    }

    /// Counts; gives what is to be told.
    fn count(&self, now: Instant) -> Option<Spell> {
        let mut spell = self.0.lock();
        let Some(spell) = spell.as_mut() else {
            *spell = Some(Spell { began: now, last: now, told: now, count: 1 });
            return *spell;
        };
        spell.count += 1;
        spell.last = now;
        let due = now - spell.told >= EVERY;
        if due {
            spell.told = now;
        }
        due.then_some(*spell)
    }

    /// Forgets what is over, and gives it.
    fn take(&self, now: Instant) -> Option<Spell> {
        self.0.lock().take_if(|spell| now - spell.last >= OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_line_in_a_while_and_the_end_with_their_number() {
        let failed = FailedAccepts::new();
        let begun = Instant::now();
        let pause = Duration::from_millis(50);
        // A minute of failures.
        let told: Vec<u64> = (0..1200)
            .filter_map(|turn| failed.count(begun + pause * turn))
            .map(|spell| spell.count)
            .collect();
        assert_eq!(told, [1, 201, 401, 601, 801, 1001]);
        let last = begun + pause * 1199;
        assert_eq!(failed.due(), Some(last + OVER));
        assert_eq!(failed.take(last + OVER - pause), None, "it may go on");
        let over = failed.take(last + OVER).unwrap();
        assert_eq!((over.count, over.last - over.began), (1200, pause * 1199));
        assert_eq!((failed.due(), failed.take(last + OVER)), (None, None), "it is told once");
        assert_eq!(failed.count(last + EVERY).unwrap().count, 1, "the next begins anew");
    }
}
