//! Several processes over one Redis. A layer is a process to the others, and where a process has to die, one does.

use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use rwgi_channels::{
    ChannelLayer, Config, Delivery, Error, Gap, Missed, Received, Redis, RedisConfig,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::redis_server::{RedisServer, connected, patient, recovered, within};

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn connect(server: &RedisServer) -> Arc<Redis> {
    Arc::new(connected(patient(RedisConfig::new(server.url()))).await)
}

/// Runs a command of Redis from outside of every layer.
pub(crate) async fn admin<T: redis::FromRedisValue>(server: &RedisServer, command: &[&str]) -> T {
    let client = redis::Client::open(server.socket_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut call = redis::cmd(command[0]);
    call.arg(&command[1..]);
    call.query_async(&mut connection).await.unwrap()
}

/// Sends to a group until the delivery is as it should be.
async fn until(layer: &Redis, group: &str, expected: impl Fn(Delivery) -> bool) -> Delivery {
    within("the delivery", async {
        loop {
            match layer.group_send(group, text("x")).await {
                Ok(delivery) if expected(delivery) => return delivery,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_group_reaches_its_members_in_every_process() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) = (connect(&server).await, connect(&server).await);
    let mut members = Vec::new();
    for layer in [&one, &one, &other, &other, &other] {
        let channel = layer.new_channel("test").await.unwrap();
        layer.group_add("room", &channel).await.unwrap();
        members.push((layer, channel));
    }
    let delivery = one.group_send("room", text("hello")).await.unwrap();
    assert_eq!(delivery, Delivery { delivered: 5, full: 0, gone: 0 });
    for (layer, channel) in &members {
        let got = within("hello", layer.receive(channel)).await.unwrap();
        assert_eq!(got, Received::Message(text("hello")));
    }
    let mut names: Vec<_> = members.into_iter().map(|(_, channel)| channel).collect();
    names.sort();
    assert_eq!(other.group_channels("room").await.unwrap(), names);
}

#[tokio::test]
async fn a_channel_of_another_process_can_be_sent_to_and_not_received_from() {
    let Some(server) = RedisServer::start().await else { return };
    let limits = Config { capacity: 1, ..Config::default() };
    let config = RedisConfig { limits, ..patient(RedisConfig::new(server.url())) };
    let owner = connected(config).await;
    let other = connect(&server).await;
    let channel = owner.new_channel("test").await.unwrap();
    assert_eq!(other.receive(&channel).await, Err(Error::Elsewhere(channel.clone())));
    other.send(&channel, text("one")).await.unwrap();
    let full = Error::ChannelFull { channel: channel.clone(), capacity: 1 };
    assert_eq!(other.send(&channel, text("two")).await, Err(full));
    let got = [owner.receive(&channel).await.unwrap(), owner.receive(&channel).await.unwrap()];
    let gap = Gap { reason: Missed::Full, count: Some(1) };
    assert_eq!(got, [Received::Message(text("one")), Received::Gap(gap)]);
    // Anybody may have it join and leave.
    other.group_add("room", &channel).await.unwrap();
    assert_eq!(other.group_send("room", text("x")).await.unwrap().delivered, 1);
    other.group_discard("room", &channel).await.unwrap();
    assert_eq!(other.group_send("room", text("x")).await.unwrap(), Delivery::default());
    owner.close_channel(&channel);
    let gone = Err(Error::Gone(channel.clone()));
    assert_eq!(other.send(&channel, text("x")).await, gone);
    assert_eq!(other.group_add("room", &channel).await, gone);
    assert_eq!(
        other.send("specific.nobody!x", text("x")).await,
        Err(Error::Gone("specific.nobody!x".into()))
    );
}

/// Not a test: the process that the next one kills. It joins, says so, and waits.
#[tokio::test]
#[ignore = "run by `a_process_that_is_killed_is_gone_from_its_groups`"]
async fn a_member_that_will_be_killed() {
    let Ok(url) = std::env::var("RWGI_TEST_REDIS") else { return };
    let layer = connected(patient(RedisConfig::new(url))).await;
    for _ in 0..3 {
        let channel = layer.new_channel("test").await.unwrap();
        layer.group_add("room", &channel).await.unwrap();
    }
    println!("joined");
    std::future::pending().await
}

#[tokio::test]
async fn a_process_that_is_killed_is_gone_from_its_groups() {
    let Some(server) = RedisServer::start().await else { return };
    let layer = connect(&server).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "processes::a_member_that_will_be_killed", "--nocapture"])
        .env("RWGI_TEST_REDIS", server.url())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    within("the member", async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("joined") {
                return;
            }
        }
        panic!("it ended");
    })
    .await;
    assert_eq!(layer.group_send("room", text("x")).await.unwrap().delivered, 3);
    child.kill().await.unwrap();
    let started = std::time::Instant::now();
    let delivery = until(&layer, "room", |delivery| delivery.delivered == 0).await;
    assert_eq!(delivery, Delivery { delivered: 0, full: 0, gone: 3 });
    recovered("a process was killed: until its members are out of their group", started);
    // It is counted once, and is no member any more.
    assert_eq!(layer.group_send("room", text("x")).await.unwrap(), Delivery::default());
    assert!(layer.groups().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_process_that_gives_no_sign_of_life_is_gone_and_comes_back() {
    let Some(server) = RedisServer::start().await else { return };
    let lease = std::time::Duration::from_millis(300);
    let config = RedisConfig { lease, ..patient(RedisConfig::new(server.url())) };
    let (member, sender) = (connected(config).await, connect(&server).await);
    let channel = member.new_channel("test").await.unwrap();
    member.group_add("room", &channel).await.unwrap();
    // As if it had been frozen for longer than its lease.
    let deleted: u64 = admin(&server, &["DEL", &format!("rwgi:lease:{}", member.process())]).await;
    assert_eq!(deleted, 1);
    let gone = sender.group_send("room", text("missed")).await.unwrap();
    assert!(gone.gone == 1 || gone.delivered == 1, "{gone:?}");
    if gone.gone == 1 {
        let got = within("the gap", member.receive(&channel)).await.unwrap();
        assert!(matches!(got, Received::Gap(Gap { reason: Missed::Disconnected, .. })), "{got:?}");
    }
    until(&sender, "room", |delivery| delivery.delivered == 1).await;
}
