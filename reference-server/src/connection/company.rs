//! Whether a connection of HTTP/2 gives way to the others of its thread before it writes.
//!
//! Rules of this room: it thinks, for one thread at a time; it counts and reads no clock; a wrong guess costs time and nothing else.
//!
//! Giving way costs a look at the sockets. It pays where others come meanwhile: clients that are sent their answers together are woken
//! together. Where threads are busy somebody nearly always comes, where they are not hardly ever, and so the thread remembers.

use std::cell::Cell;

/// So far goes the trust in company: this often in a row it may fail to come.
const MOST_TRUST: u8 = 8;
/// Where there is no trust left, it is put to the test once in so many times.
const TEST: u8 = 16;

/// What a thread remembers.
#[derive(Clone, Copy)]
struct Memory {
    /// Turns of its connections; only a change of it means something.
    turns: u32,
    trust: u8,
    /// How often nobody gave way since the last test.
    missed: u8,
}

thread_local! {
    static MEMORY: Cell<Memory> = const { Cell::new(Memory { turns: 0, trust: MOST_TRUST, missed: 0 }) };
}

/// A connection has its turn.
pub(super) fn turn() {
    let memory = MEMORY.get();
    MEMORY.set(Memory { turns: memory.turns.wrapping_add(1), ..memory });
}

/// A connection that gives way.
#[derive(Debug)]
pub(super) struct GivesWay {
    turns: u32,
    served: u32,
}

impl GivesWay {
    /// Gives way, if that is worth while; `served` is how many exchanges the connection has begun.
    pub(super) fn begin(served: u32) -> Option<Self> {
        let mut memory = MEMORY.get();
        memory.missed = if memory.trust > 0 { 0 } else { (memory.missed + 1) % TEST };
        MEMORY.set(memory);
        (memory.missed == 0).then_some(Self { turns: memory.turns, served })
    }

    /// The connection's next turn has begun, and it has read what came meanwhile.
    pub(super) fn end(self, served: u32) {
        let mut memory = MEMORY.get();
        let came = memory.turns.wrapping_sub(self.turns) > 1 || served != self.served;
        memory.trust =
            if came { (memory.trust + 2).min(MOST_TRUST) } else { memory.trust.saturating_sub(1) };
        MEMORY.set(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives way so often, alone or with others; how often it did.
    fn gives_way(times: u32, others: bool, served: u32) -> u32 {
        let mut given = 0;
        for _ in 0..times {
            turn();
            let Some(gives_way) = GivesWay::begin(0) else { continue };
            given += 1;
            if others {
                turn();
            }
            turn();
            gives_way.end(served);
        }
        given
    }

    /// On a thread of its own, and so with a memory of its own.
    fn on_a_thread(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn who_is_alone_soon_gives_way_no_more_and_asks_again_from_time_to_time() {
        on_a_thread(|| {
            assert_eq!(gives_way(8, false, 0), 8);
            assert_eq!(gives_way(160, false, 0), 10);
        });
    }

    #[test]
    fn who_has_company_gives_way_each_time_and_soon_again() {
        on_a_thread(|| {
            assert_eq!(gives_way(100, true, 0), 100);
            assert_eq!(gives_way(100, false, 1), 100, "more streams of its own are company");
            gives_way(100, false, 0);
            let again = gives_way(100, true, 0);
            assert!(again > 80, "{again} of 100");
        });
    }
}
