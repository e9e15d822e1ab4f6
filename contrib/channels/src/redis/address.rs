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

/// Where a Redis is.
#[derive(Clone, Debug)]
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
                "{url:?} is no address of a Redis (redis://, rediss:// or redis+unix://): {error}"
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

    /// What it is called on the ring.
    fn identity(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Sentinel { master, .. } => master.clone(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A password is nobody's business in a log.
            Self::Url(url) => f.write_str(url.rsplit_once('@').map_or(url, |(_, address)| address)),
            Self::Sentinel { master, .. } => write!(f, "the master {master}"),
        }
    }
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
        let server = Server::Url("redis://user:secret@host:1".to_owned());
        assert_eq!(server.to_string(), "host:1");
    }
}
