//! The layer of many processes: real Redis between them.
//!
//! Rules of this room: a channel of a process lives in that process's memory, and Redis only knows which processes a group has: a message to a
//! group crosses the network once for each process, however many sockets wait there. Channels that anybody may receive from are lists in Redis.
//! What goes over publish/subscribe is numbered, so that whoever missed something knows. Every call ends within the configured time.

mod address;
mod ask;
mod calls;
mod frame;
mod scripts;
mod seal;
mod session;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use self::address::Ring;
pub use self::address::Server;
use self::frame::Answer;
use self::scripts::Scripts;
pub use self::seal::Key;
use self::seal::Keys;
use crate::config::LONGEST;
use crate::local::Local;
use crate::name::random;
use crate::{Config, Error, Result};

/// How the layer reaches Redis; [`new`](Self::new) has all defaults but the server. A time of more than a hundred years is taken for a hundred
/// years.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// The servers; names are spread over them by consistent hashing, so that one more moves few.
    pub servers: Vec<Server>,
    /// The limits: [`Config::default`].
    pub limits: Config,
    /// What every key and channel in Redis begins with, so that layers can share a server; `rwgi:`, which no other
    /// program is likely to use. channels_redis: `asgi`.
    pub prefix: String,
    /// How long a call waits for Redis, and a sender for the count of another process; 2 seconds, far longer than a healthy server takes.
    pub timeout: Duration,
    /// After how long a process that says nothing has crashed, and its channels are gone; 15 seconds, three of its signs of life.
    pub lease: Duration,
    /// The longest pause between two attempts to reach a server; 5 seconds. The first comes at once, the next after 50 ms, then twice that.
    pub retry_at_most: Duration,
    /// Messages are sealed with the first key and opened with any, so that keys can be changed; without a key, as by default and in channels_redis,
    /// they are not sealed: who can reach the server is trusted then.
    pub keys: Vec<Key>,
}

impl RedisConfig {
    /// The defaults, with one server: `redis://`, `rediss://` (feature `tls`) or `redis+unix://`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            servers: vec![Server::Url(url.into())],
            limits: Config::default(),
            prefix: "rwgi:".to_owned(),
            timeout: Duration::from_secs(2),
            lease: Duration::from_secs(15),
            retry_at_most: Duration::from_secs(5),
            keys: Vec::new(),
        }
    }
}

/// A channel layer over Redis, for many processes. Dropping it ends its connections; its members are gone at once.
///
/// ```no_run
/// # async fn run() -> rwgi_channels::Result<()> {
/// use std::sync::Arc;
/// use rwgi_channels::{ChannelLayer, Redis, RedisConfig};
///
/// let layer: Arc<dyn ChannelLayer> = Arc::new(Redis::connect(RedisConfig::new("redis://127.0.0.1:6379/0")).await?);
/// layer.group_send("room", "hello".into()).await?;
/// # Ok(()) }
/// ```
pub struct Redis {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What the layer and the tasks of its connections share.
struct Shared {
    /// The name of this process here.
    process: String,
    local: Local,
    ring: Ring,
    shards: Vec<Shard>,
    prefix: String,
    timeout: Duration,
    lease: Duration,
    retry_at_most: Duration,
    keys: Keys,
    scripts: Scripts,
    /// Who waits for the answers of other processes.
    questions: Mutex<HashMap<u64, mpsc::UnboundedSender<Answer>>>,
    next_question: AtomicU64,
}

/// One server.
struct Shard {
    server: Server,
    connection: watch::Sender<Option<::redis::aio::MultiplexedConnection>>,
    /// Groups whose count here is to be told to the server, and who waits for that.
    dirty: Mutex<HashMap<String, Vec<oneshot::Sender<Result<()>>>>>,
    changed: tokio::sync::Notify,
    /// Why the last attempt to reach it failed.
    trouble: Mutex<Option<String>>,
    /// A call failed in a way that a lost connection does: whoever keeps the connection looks at once, and not only at the next sign of life.
    doubted: tokio::sync::Notify,
}

impl Redis {
    /// Connects to every server. Cancel safe: dropped before it is ready, its connections end.
    ///
    /// # Errors
    /// The configuration cannot be used, or a server cannot be reached within [`RedisConfig::timeout`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn connect(config: RedisConfig) -> Result<Self> {
        let layer = Self::start(config)?;
        for shard in 0..layer.shared.shards.len() {
            layer.shared.connection(shard).await?;
        }
        Ok(layer)
    }

    /// The same without waiting: calls fail as unavailable until the servers can be reached.
    ///
    /// # Errors
    /// The configuration cannot be used, or the system gives no random number for the name of this process.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn start(config: RedisConfig) -> Result<Self> {
        if config.servers.is_empty() {
            return Err(Error::Configuration("there is no server".to_owned()));
        }
        for server in &config.servers {
            server.check()?;
        }
        let shards = config.servers.iter().cloned().map(Shard::new);
        let shared = Arc::new(Shared {
            process: format!("specific.{}", random()?),
            ring: Ring::new(&config.servers),
            shards: shards.collect(),
            keys: Keys::new(&config.keys),
            scripts: Scripts::new(),
            local: Local::new(config.limits),
            prefix: config.prefix,
            timeout: config.timeout.min(LONGEST),
            lease: config.lease.min(LONGEST),
            retry_at_most: config.retry_at_most.min(LONGEST),
            questions: Mutex::default(),
            next_question: AtomicU64::new(0),
        });
        let tasks = (0..shared.shards.len())
            .map(|shard| tokio::spawn(session::keep(Arc::clone(&shared), shard)))
            .collect();
        Ok(Self { shared, tasks })
    }

    /// The name of this process in the layer: what stands before the `!` of its channels.
    pub fn process(&self) -> &str {
        &self.shared.process
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("process", &self.shared.process).finish_non_exhaustive()
    }
}

impl Shared {
    /// The connection to a server, for which it waits a limited time.
    async fn connection(&self, shard: usize) -> Result<::redis::aio::MultiplexedConnection> {
        let mut connection = self.shards[shard].connection.subscribe();
        let there = tokio::time::timeout(self.timeout, connection.wait_for(Option::is_some)).await;
        match there {
            Ok(Ok(connection)) => connection.clone().ok_or_else(|| self.unreachable(shard)),
            _ => Err(self.unreachable(shard)),
        }
    }

    /// Why a call failed; its server may be lost.
    fn failed(&self, error: ::redis::RedisError) -> Error {
        if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
            self.shards.iter().for_each(|shard| shard.doubted.notify_one());
        }
        unavailable(error)
    }

    fn unreachable(&self, shard: usize) -> Error {
        let shard = &self.shards[shard];
        let trouble = shard.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = trouble.as_deref().unwrap_or("it does not answer");
        Error::Unavailable(format!(
            "no connection to {} within {:?}: {trouble}; is a Redis running there?",
            shard.server, self.timeout
        ))
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<Answer>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self, process: &str) -> String {
        format!("{}in:{process}", self.prefix)
    }

    fn lease_key(&self, process: &str) -> String {
        format!("{}lease:{process}", self.prefix)
    }

    fn number_key(&self, process: &str) -> String {
        format!("{}number:{process}", self.prefix)
    }

    fn group_key(&self, group: &str) -> String {
        format!("{}group:{group}", self.prefix)
    }

    fn named_key(&self, group: &str) -> String {
        format!("{}named:{group}", self.prefix)
    }

    fn list_key(&self, channel: &str) -> String {
        format!("{}list:{channel}", self.prefix)
    }

    /// Where it is said that a list has something new, and that everything is to be emptied.
    fn wake_topic(&self) -> String {
        format!("{}wake", self.prefix)
    }

    fn flush_topic(&self) -> String {
        format!("{}flush", self.prefix)
    }
}

impl Shard {
    fn new(server: Server) -> Self {
        Self {
            server,
            connection: watch::Sender::new(None),
            dirty: Mutex::default(),
            changed: tokio::sync::Notify::new(),
            trouble: Mutex::default(),
            doubted: tokio::sync::Notify::new(),
        }
    }

    /// Has the server told how many channels here are in a group.
    fn tell(&self, group: &str, waits: Option<oneshot::Sender<Result<()>>>) {
        self.untold(group.to_owned(), waits);
        self.changed.notify_one();
    }

    /// Notes it for whoever keeps the next connection.
    fn untold(&self, group: String, waits: impl IntoIterator<Item = oneshot::Sender<Result<()>>>) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = dirty.entry(group).or_default();
        if waiting.len() == waiting.capacity() {
            // Those who gave up while no server could be reached; as seldom as it would grow.
            waiting.retain(|waits| !waits.is_closed());
            waiting.reserve(waiting.len());
        }
        waiting.extend(waits);
    }

    fn take_dirty(&self) -> HashMap<String, Vec<oneshot::Sender<Result<()>>>> {
        std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unavailable(error: ::redis::RedisError) -> Error {
    Error::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Whoever joins while the server cannot be reached is refused, and may try for hours.
    #[test]
    fn those_who_have_given_up_waiting_are_forgotten() {
        let shard = Shard::new(Server::Url("redis://nowhere".to_owned()));
        let (waits, still) = oneshot::channel();
        shard.tell("room", Some(waits));
        for _ in 0..10_000 {
            shard.tell("room", Some(oneshot::channel().0));
        }
        let mut dirty = shard.take_dirty();
        let waiting = dirty.remove("room").unwrap();
        assert!(waiting.len() < 100, "{}", waiting.len());
        waiting.into_iter().for_each(|waits| drop(waits.send(Ok(()))));
        assert_eq!(still.blocking_recv(), Ok(Ok(())));
    }
}
