//! Which server holds what, and how it is reached.
//!
//! Rules of this room: a name is always at the same place as long as the servers are the same, in every process.

use std::fmt;

use ::redis::sentinel::{SentinelClient, SentinelServerType};
use ::redis::{Client, ConnectionInfo, IntoConnectionInfo};
use sha2::{Digest, Sha256};

use super::unavailable;
use crate::{Error, Result};

/// Places of each server on the ring: enough that their shares differ by little.
const PLACES: u32 = 128;

/// Where a Redis is. Neither its `Display` nor its `Debug` shows a password.
#[derive(Clone)]
pub enum Server {
    /// At an address: `redis://host:6379/0`, `rediss://…` for TLS, `redis+unix:///run/redis.sock`.
    Url(String),
    /// Wherever the sentinels say that the master of this name is.
    Sentinel {
        /// The sentinels, as URLs.
        sentinels: Vec<String>,
        /// The name that they know the master by.
        master: String,
    },
}

impl Server {
    /// Finds what is wrong with it before anything is connected.
    pub(super) fn check(&self) -> Result<()> {
        let check = |url: &String| match url.as_str().into_connection_info() {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Configuration(format!(
                "{:?} is no address of a Redis (redis://, rediss:// or redis+unix://): {error}",
                public(url)
            ))),
        };
        match self {
            Self::Url(url) => check(url),
            Self::Sentinel { sentinels, .. } if sentinels.is_empty() => {
                Err(Error::Configuration("there is no sentinel to ask".to_owned()))
            }
            Self::Sentinel { sentinels, .. } => sentinels.iter().try_for_each(check),
        }
    }

    /// A client of the server, asked for anew at each connection: a master may have moved.
    pub(super) async fn client(&self) -> Result<Client> {
        match self {
            Self::Url(url) => Client::open(url.as_str()).map_err(unavailable),
            Self::Sentinel { sentinels, master } => {
                let addresses: Vec<ConnectionInfo> = sentinels
                    .iter()
                    .map(|url| url.as_str().into_connection_info())
                    .collect::<std::result::Result<_, _>>()
                    .map_err(unavailable)?;
                let kind = SentinelServerType::Master;
                let mut client = SentinelClient::build(addresses, master.clone(), None, kind)
                    .map_err(unavailable)?;
                client.async_get_client().await.map_err(unavailable)
            }
        }
    }

    /// What it is called on the ring: the same to every process, whatever name and password it was given.
    fn identity(&self) -> String {
        match self {
            Self::Url(url) => public(url),
            Self::Sentinel { master, .. } => master.clone(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&public(url)),
            Self::Sentinel { master, .. } => write!(f, "the master {master}"),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&public(url)).finish(),
            Self::Sentinel { sentinels, master } => {
                let sentinels: Vec<_> = sentinels.iter().map(|url| public(url)).collect();
                let mut shown = f.debug_struct("Sentinel");
                shown.field("sentinels", &sentinels).field("master", master).finish()
            }
        }
    }
}

/// An address without what is nobody's business in a log: what stands before the `@`, and the query, where the password of a Unix socket is.
fn public(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    // All before the last one, wherever a malformed address has it; in a path it is a letter like another.
    let at = if scheme.ends_with("unix://") { None } else { rest.rfind('@') };
    let address = at.map_or(rest, |at| &rest[at + 1..]);
    format!("{scheme}{}", address.split('?').next().unwrap_or_default())
}

/// Consistent hashing: a name belongs to the next server on the ring.
#[derive(Debug)]
pub(super) struct Ring(Vec<(u64, usize)>);

impl Ring {
    pub(super) fn new(servers: &[Server]) -> Self {
        let mut places: Vec<_> = servers
            .iter()
            .enumerate()
            .flat_map(|(index, server)| {
                let identity = server.identity();
                (0..PLACES).map(move |place| (hash(&format!("{identity}#{place}")), index))
            })
            .collect();
        places.sort_unstable();
        Self(places)
    }

    /// The server that holds a name.
    pub(super) fn shard(&self, name: &str) -> usize {
        let at = hash(name);
        let next = self.0.partition_point(|(place, _)| *place < at);
        self.0.get(next).or(self.0.first()).map_or(0, |(_, shard)| *shard)
    }
}

fn hash(name: &str) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold(0, |hash, octet| hash << 8 | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Vec<Server> {
        (0..count).map(|number| Server::Url(format!("redis://host{number}"))).collect()
    }

    #[test]
    fn names_are_spread_and_one_more_server_moves_few() {
        let (four, five) = (Ring::new(&servers(4)), Ring::new(&servers(5)));
        let names: Vec<_> = (0..10_000).map(|number| format!("group-{number}")).collect();
        for shard in 0..4 {
            let share = names.iter().filter(|name| four.shard(name) == shard).count();
            assert!((1_500..3_500).contains(&share), "{shard} has {share}");
        }
        let moved = names.iter().filter(|name| four.shard(name) != five.shard(name)).count();
        assert!((1_000..3_000).contains(&moved), "{moved}");
        assert!(
            names.iter().all(|name| four.shard(name) == five.shard(name) || five.shard(name) == 4)
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_a_password_is_not_shown() {
        for bad in ["", "http://host", "redis://host:port"] {
            let error = Server::Url(bad.to_owned()).check().unwrap_err().to_string();
            assert!(error.contains("is no address of a Redis"), "{error}");
        }
        for good in ["redis://host", "redis+unix:///run/redis.sock", "redis://:secret@host:1/2"] {
            Server::Url(good.to_owned()).check().unwrap();
        }
        for (url, shown) in [
            ("redis://user:secret@host:1/2", "redis://host:1/2"),
            ("rediss://:se%40cret@host", "rediss://host"),
            ("redis://:sec@ret@host", "redis://host"),
            ("redis://:sec/ret@host", "redis://host"),
            ("redis://:sec?ret@host", "redis://host"),
            ("redis+unix:///run/a@b.sock?db=1&pass=secret", "redis+unix:///run/a@b.sock"),
            ("unix:///run/redis.sock?pass=secret", "unix:///run/redis.sock"),
            ("unix:/run/redis.sock?pass=secret", "unix:/run/redis.sock"),
            ("user:secret@host", "host"),
            ("host:6379", "host:6379"),
        ] {
            let server = Server::Url(url.to_owned());
            assert_eq!(server.to_string(), shown);
            assert_eq!(format!("{server:?}"), format!("Url({shown:?})"));
            let error = server.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!error.contains("secret"), "{error}");
            let sentinels = vec![url.to_owned()];
            let sentinel = Server::Sentinel { sentinels, master: "main".to_owned() };
            assert!(!format!("{sentinel:?}").contains("sec"), "{sentinel:?}");
        }
    }

    #[test]
    fn a_password_that_is_changed_moves_nothing() {
        let ring = |password: &str| {
            let url = |number| Server::Url(format!("redis://:{password}@host{number}:6379"));
            Ring::new(&(0..4).map(url).collect::<Vec<_>>())
        };
        let (old, new, none) = (ring("old"), ring("new"), Ring::new(&servers(4)));
        let names: Vec<_> = (0..1_000).map(|number| format!("group-{number}")).collect();
        assert!(names.iter().all(|name| old.shard(name) == new.shard(name)));
        assert!(names.iter().any(|name| old.shard(name) != none.shard(name)), "other addresses");
    }
}
