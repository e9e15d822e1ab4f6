//! The backends under test, made afresh for each test.

use std::sync::Arc;

use rwgi_channels::{ChannelLayer, Config, Memory, RedisConfig};

use crate::redis_server::{RedisServer, connected, patient};

/// A layer, and what it needs to live.
pub(crate) struct Backend {
    pub(crate) layer: Arc<dyn ChannelLayer>,
    _server: Option<RedisServer>,
}

pub(crate) fn memory(limits: Config) -> Option<Backend> {
    Some(Backend { layer: Arc::new(Memory::new(limits)), _server: None })
}

pub(crate) async fn redis(limits: Config) -> Option<Backend> {
    let server = RedisServer::start().await?;
    let config = RedisConfig { limits, ..RedisConfig::new(server.url()) };
    let layer = Arc::new(connected(patient(config)).await);
    Some(Backend { layer, _server: Some(server) })
}

/// Runs one test of the contract on both backends, each under its own name.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&async |limits| crate::backend::memory(limits)).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&async |limits| crate::backend::redis(limits).await).await;
            })+
        }
    };
}
pub(crate) use on_both;
