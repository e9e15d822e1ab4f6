//! What a layer holds and for how long.

use std::time::Duration;

use crate::name::fits;
use crate::{Error, Result};

/// The limits of a layer; the defaults are those of the specification of Channels; channels_redis has the same times and capacity. A time of more
/// than a hundred years is taken for a hundred years.
#[derive(Clone, Debug)]
pub struct Config {
    /// How old a message may become before somebody receives it; 60 seconds. What is older is told as a [`Gap`](crate::Gap).
    pub expiry: Duration,
    /// How long a channel stays in a group without being added again; a day, which is longer than a connection should live.
    pub group_expiry: Duration,
    /// How many messages a channel holds; 100, so that a receiver that does not read costs a bounded amount of memory.
    pub capacity: usize,
    /// How many bytes a message has at most; 1 MiB, which the specification asks a layer to take.
    pub message_bytes: usize,
    /// Other capacities, for channels whose name fits a pattern: see [`capacity_for`](Self::capacity_for); none.
    pub capacities: Vec<(String, usize)>,
}

/// The longest time: what is added to a clock has to stay in its range, and in Redis' as well.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

impl Default for Config {
    fn default() -> Self {
        Self {
            expiry: Duration::from_secs(60),
            group_expiry: Duration::from_secs(86_400),
            capacity: 100,
            message_bytes: 1 << 20,
            capacities: Vec::new(),
        }
    }
}

impl Config {
    /// Gives channels whose name fits a pattern another capacity; `*` stands for any characters, `?` for one. The first that fits counts.
    ///
    /// ```
    /// use rwgi_channels::Config;
    /// let config = Config::default().capacity_for("http.request*", 200);
    /// assert_eq!(config.capacity_of("http.request.body"), 200);
    /// assert_eq!(config.capacity_of("chat"), 100);
    /// ```
    pub fn capacity_for(mut self, pattern: &str, capacity: usize) -> Self {
        self.capacities.push((pattern.to_owned(), capacity));
        self
    }

    /// How many messages this channel holds at most.
    pub fn capacity_of(&self, channel: &str) -> usize {
        let special = self.capacities.iter().find(|(pattern, _)| fits(pattern, channel));
        special.map_or(self.capacity, |(_, capacity)| *capacity)
    }

    pub(crate) fn check_length(&self, length: usize) -> Result<()> {
        if length > self.message_bytes {
            return Err(Error::MessageTooLarge { length, limit: self.message_bytes });
        }
        Ok(())
    }
}
