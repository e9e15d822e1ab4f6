//! Ways to reach a server: a port, a socket, sentinels, several at once.

use bytes::Bytes;
use rwgi_channels::{ChannelLayer, Error, Received, Redis, RedisConfig, Server};

use crate::redis_server::{RedisServer, within};

async fn works(config: RedisConfig) {
    let layer = Redis::connect(config).await.unwrap();
    let own = layer.new_channel("test").await.unwrap();
    for number in 0..20 {
        // Different groups are on different servers.
        let group = format!("room-{number}");
        layer.group_add(&group, &own).await.unwrap();
        assert_eq!(layer.group_send(&group, Bytes::from("x")).await.unwrap().delivered, 1);
        assert_eq!(
            within("a message", layer.receive(&own)).await.unwrap(),
            Received::Message(Bytes::from("x"))
        );
    }
    assert_eq!(layer.groups().await.unwrap().len(), 20);
}

#[tokio::test]
async fn by_port_and_by_socket() {
    let Some(server) = RedisServer::start_on_port().await else { return };
    works(RedisConfig::new(server.url())).await;
    let layer =
        RedisConfig { prefix: "other:".to_owned(), ..RedisConfig::new(server.socket_url()) };
    works(layer).await;
}

#[tokio::test]
async fn several_servers_share_the_names() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let Some(server) = RedisServer::start().await else { return };
        servers.push(server);
    }
    let addresses = servers.iter().map(|server| Server::Url(server.url())).collect();
    works(RedisConfig { servers: addresses, ..RedisConfig::new("") }).await;
}

#[tokio::test]
async fn by_sentinel() {
    let Some(server) = RedisServer::start_on_port().await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = server.folder().join("sentinel.conf");
    let monitor = format!("sentinel monitor main 127.0.0.1 {} 1\n", server.port());
    std::fs::write(&file, monitor).unwrap();
    let mut sentinel = tokio::process::Command::new("redis-server")
        .arg(&file)
        .args(["--sentinel", "--port", &port.to_string(), "--bind", "127.0.0.1"])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let address = Server::Sentinel {
        sentinels: vec![format!("redis://127.0.0.1:{port}")],
        master: "main".to_owned(),
    };
    // It is asked until it is there.
    let config = RedisConfig {
        servers: vec![address],
        timeout: std::time::Duration::from_secs(20),
        ..RedisConfig::new("")
    };
    works(config).await;
    sentinel.kill().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_or_used_is_said() {
    let nowhere = std::env::temp_dir().join("rwgi-no-redis-here.sock");
    let config = RedisConfig {
        timeout: std::time::Duration::from_millis(100),
        ..RedisConfig::new(format!("redis+unix://{}", nowhere.display()))
    };
    let error = Redis::connect(config).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(_)) && error.to_string().contains("no-redis-here"));
    for bad in ["", "http://x", "127.0.0.1:6379"] {
        let error = Redis::connect(RedisConfig::new(bad)).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }
    let none = RedisConfig { servers: Vec::new(), ..RedisConfig::new("") };
    assert!(matches!(Redis::connect(none).await, Err(Error::Configuration(_))));
}
