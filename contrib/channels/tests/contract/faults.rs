//! Redis dies, freezes, or cuts its connections: nothing hangs, receivers hear of the gap, and everything is as before by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rwgi_channels::{ChannelLayer, Error, Gap, Missed, Received, Redis, RedisConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

use crate::processes::admin;
use crate::redis_server::{RedisServer, connected, recovered, within};

/// Two processes with a member each, one of which sends without pause.
struct Scene {
    sender: Arc<Redis>,
    receiver: Arc<Redis>,
    channel: String,
    load: tokio::task::JoinHandle<()>,
}

impl Scene {
    async fn new(server: &RedisServer) -> Self {
        let connect = || async {
            let config = RedisConfig {
                timeout: Duration::from_millis(500),
                retry_at_most: Duration::from_millis(200),
                ..RedisConfig::new(server.url())
            };
            Arc::new(connected(config).await)
        };
        let (sender, receiver) = (connect().await, connect().await);
        let channel = receiver.new_channel("test").await.unwrap();
        // Its limit is short for what is to come, and the machine may be slow.
        within("to join", async { while receiver.group_add("room", &channel).await.is_err() {} })
            .await;
        let load = {
            let sender = Arc::clone(&sender);
            tokio::spawn(async move {
                loop {
                    let _ = sender.group_send("room", Bytes::from("load")).await;
                    let _ = sender.send("work", Bytes::from("load")).await;
                    tokio::task::yield_now().await;
                }
            })
        };
        Self { sender, receiver, channel, load }
    }

    async fn next(&self) -> Received {
        within("something to receive", self.receiver.receive(&self.channel)).await.unwrap()
    }

    async fn hears_load(&self) {
        while self.next().await != Received::Message(Bytes::from("load")) {}
    }

    async fn hears_of_a_gap(&self) {
        loop {
            if let Received::Gap(Gap { reason: Missed::Disconnected, .. }) = self.next().await {
                return;
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.load.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_started_again_under_load() {
    let Some(mut server) = RedisServer::start().await else { return };
    let scene = Scene::new(&server).await;
    scene.hears_load().await;
    server.kill().await;
    // While it is away every call ends, and says why.
    for _ in 0..3 {
        let started = Instant::now();
        let error = scene.sender.group_send("room", Bytes::from("x")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(20), "it hung");
        let own = scene.receiver.new_channel("test").await.unwrap();
        assert!(scene.receiver.group_add("room", &own).await.is_err());
    }
    server.run().await;
    let started = Instant::now();
    scene.hears_of_a_gap().await;
    // The members are members again, although the new server knew of none.
    scene.hears_load().await;
    recovered(
        "Redis was killed and started again: until the next message, from when it answers",
        started,
    );
    assert_eq!(scene.sender.groups().await.unwrap(), ["room"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_cut_under_load() {
    let Some(server) = RedisServer::start().await else { return };
    let scene = Scene::new(&server).await;
    for kind in ["pubsub", "normal"] {
        scene.hears_load().await;
        let cut: u64 = admin(&server, &["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await;
        assert!(cut >= 2, "{cut}");
        let started = Instant::now();
        scene.hears_of_a_gap().await;
        scene.hears_load().await;
        recovered(&format!("{kind} connections were cut: until the next message"), started);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_frozen_holds_up_nobody() {
    let Some(server) = RedisServer::start().await else { return };
    let scene = Scene::new(&server).await;
    scene.hears_load().await;
    let signal = async |name: &str| {
        let pid = server.pid().to_string();
        let sent = tokio::process::Command::new("kill").args([name, &pid]).status().await.unwrap();
        assert!(sent.success());
    };
    signal("-STOP").await;
    let calls = async {
        let error = scene.sender.group_send("room", Bytes::from("x")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(scene.sender.send("work", Bytes::from("x")).await.is_err());
        assert!(scene.sender.groups().await.is_err());
    };
    within("the calls to end", calls).await;
    signal("-CONT").await;
    scene.hears_load().await;
}

#[tokio::test]
async fn a_group_that_was_left_while_redis_was_lost_is_listed_no_more() {
    let Some(server) = RedisServer::start().await else { return };
    let layer = connected(RedisConfig {
        timeout: Duration::from_millis(300),
        retry_at_most: Duration::from_millis(100),
        ..RedisConfig::new(server.url())
    })
    .await;
    let mut channels = Vec::new();
    for group in ["left", "kept"] {
        let channel = layer.new_channel("test").await.unwrap();
        within("to join", async { while layer.group_add(group, &channel).await.is_err() {} }).await;
        channels.push(channel);
    }
    // Who is told to leave does not answer, and the connection is given up with the word on it.
    let _: () = admin(&server, &["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    layer.close_channel(&channels[0]);
    within("the loss of the connection", async {
        loop {
            let error = layer.group_send("kept", Bytes::from("x")).await.unwrap_err();
            if error.to_string().contains("no connection") {
                return;
            }
        }
    })
    .await;
    let _: () = admin(&server, &["CLIENT", "UNPAUSE"]).await;
    within("the group to go", async {
        while layer.groups().await != Ok(vec!["kept".to_owned()]) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Passes connections on to a Redis, and falls silent on those that listen once it is told to, without closing them: as a middlebox does that
/// has forgotten them. Those that begin later are passed on.
async fn middlebox(server: &RedisServer, silent: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, socket) = (listener.local_addr().unwrap().port(), server.socket());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from, mut to) = client.into_split();
            let redis = UnixStream::connect(&socket).await.unwrap();
            let (mut answers, mut questions) = redis.into_split();
            let (listens, ears) = watch::channel(false);
            let spared = *silent.borrow();
            let (ears_told, mouth_told) = (silent.clone(), silent.clone());
            tokio::spawn(async move {
                let mut octets = vec![0; 4096];
                while let Ok(length @ 1..) = from.read(&mut octets).await {
                    if octets[..length].windows(9).any(|part| part == b"SUBSCRIBE") {
                        listens.send_replace(true);
                    }
                    let deaf = *listens.borrow() && !spared && *ears_told.borrow();
                    if !deaf && questions.write_all(&octets[..length]).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move {
                let mut octets = vec![0; 4096];
                while let Ok(length @ 1..) = answers.read(&mut octets).await {
                    let dumb = *ears.borrow() && !spared && *mouth_told.borrow();
                    if !dumb && to.write_all(&octets[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_nothing_comes_any_more_is_given_up() {
    let Some(server) = RedisServer::start().await else { return };
    let (silence, silent) = watch::channel(false);
    let lease = Duration::from_secs(3);
    let url = middlebox(&server, silent).await;
    let receiver = connected(RedisConfig { lease, ..RedisConfig::new(url) }).await;
    let sender = connected(RedisConfig::new(server.url())).await;
    let channel = receiver.new_channel("test").await.unwrap();
    within("to join", async { while receiver.group_add("room", &channel).await.is_err() {} }).await;
    silence.send_replace(true);
    // It hears of it by itself, although nobody says anything and its other connection is as good as ever.
    let next = within("the gap", receiver.receive(&channel)).await.unwrap();
    assert!(matches!(next, Received::Gap(Gap { reason: Missed::Disconnected, .. })), "{next:?}");
    let hears = async {
        loop {
            let _ = sender.group_send("room", Bytes::from("again")).await;
            let next = tokio::time::timeout(Duration::from_secs(1), receiver.receive(&channel));
            if let Ok(Ok(Received::Message(_))) = next.await {
                return;
            }
        }
    };
    within("a message", hears).await;
}

#[tokio::test]
async fn a_wait_for_a_list_survives_a_new_server() {
    let Some(mut server) = RedisServer::start().await else { return };
    let config = RedisConfig {
        timeout: Duration::from_millis(300),
        retry_at_most: Duration::from_millis(100),
        ..RedisConfig::new(server.url())
    };
    let layer = Arc::new(connected(config).await);
    let waits = {
        let layer = Arc::clone(&layer);
        tokio::spawn(async move {
            loop {
                if let Received::Message(message) = layer.receive("work").await.unwrap() {
                    return message;
                }
            }
        })
    };
    server.kill().await;
    server.run().await;
    within("the layer", async {
        while layer.send("work", Bytes::from("after")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(within("the message", waits).await.unwrap(), "after");
}
