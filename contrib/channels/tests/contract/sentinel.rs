//! A master dies, and its sentinels make another: the layer follows by itself.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rwgi_channels::{ChannelLayer, Gap, Missed, Received, RedisConfig, Server};
use tokio::process::{Child, Command};

use crate::processes::admin;
use crate::redis_server::{RedisServer, connected, within};

/// A sentinel that watches a master, on a port of its own.
struct Sentinel {
    port: u16,
    _process: Child,
}

impl Sentinel {
    fn start(master: &RedisServer) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = master.folder().join("sentinel.conf");
        // Dead after five seconds: a machine that stands still for a while makes no other master.
        let settings = format!(
            "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 5000\n\
             sentinel failover-timeout main 10000\n",
            master.port()
        );
        std::fs::write(&file, settings).unwrap();
        let process = Command::new("redis-server")
            .arg(&file)
            .args(["--sentinel", "--port", &port.to_string(), "--bind", "127.0.0.1"])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { port, _process: process }
    }

    /// Waits until it knows a replica that could become the master.
    async fn knows_the_replica(&self) {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        loop {
            let Ok(mut sentinel) = client.get_multiplexed_async_connection().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("REPLICAS").arg("main");
            let replicas: redis::RedisResult<Vec<std::collections::HashMap<String, String>>> =
                ask.query_async(&mut sentinel).await;
            let linked = |replica: &std::collections::HashMap<String, String>| {
                replica.get("master-link-status").is_some_and(|status| status == "ok")
                    && replica.get("flags").is_some_and(|flags| flags == "slave")
            };
            if replicas.is_ok_and(|replicas| replicas.iter().any(linked)) {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_is_followed() {
    // A replica waits five seconds for others to come with it, unless it is told.
    let Some(mut master) =
        RedisServer::start_on_port_with(&["--repl-diskless-sync-delay", "0"]).await
    else {
        return;
    };
    let port = master.port().to_string();
    let replica =
        RedisServer::start_on_port_with(&["--replicaof", "127.0.0.1", &port]).await.unwrap();
    within("the replica", async {
        loop {
            let told: String = admin(&replica, &["INFO", "replication"]).await;
            if told.contains("master_link_status:up") {
                return;
            }
        }
    })
    .await;
    let sentinel = Sentinel::start(&master);
    within("the sentinel", sentinel.knows_the_replica()).await;
    let config = || RedisConfig {
        servers: vec![Server::Sentinel {
            sentinels: vec![format!("redis://127.0.0.1:{}", sentinel.port)],
            master: "main".to_owned(),
        }],
        retry_at_most: Duration::from_millis(200),
        ..RedisConfig::new("")
    };
    let (sender, receiver) = (connected(config()).await, connected(config()).await);
    let channel = receiver.new_channel("test").await.unwrap();
    within("to join", async { while receiver.group_add("room", &channel).await.is_err() {} }).await;
    master.kill().await;
    let started = Instant::now();
    // As two processes do: one sends whatever becomes of it, the other hears of the gap and then of what is sent behind it.
    let sends = async {
        loop {
            let _ = sender.group_send("room", Bytes::from("to the new master")).await;
            tokio::task::yield_now().await;
        }
    };
    let hears = async {
        while !matches!(
            receiver.receive(&channel).await.unwrap(),
            Received::Gap(Gap { reason: Missed::Disconnected, .. })
        ) {}
        while !matches!(receiver.receive(&channel).await.unwrap(), Received::Message(_)) {}
    };
    within("the new master", async {
        tokio::select! {
            () = sends => {}
            () = hears => {}
        }
    })
    .await;
    crate::redis_server::recovered(
        "the master was killed, the sentinels wait 5,000 ms: until the next message",
        started,
    );
    let role: Vec<redis::Value> = admin(&replica, &["ROLE"]).await;
    assert_eq!(redis::from_redis_value::<String>(role[0].clone()).unwrap(), "master");
}
