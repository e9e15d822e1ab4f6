//! What every layer promises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rwgi_channels::{
    ChannelLayer, Config, Delivery, Error, Gap, Missed, Received, Receiver, TypedReceived, decode,
    encode,
};

use crate::backend::{Backend, on_both};
use crate::redis_server::within;

/// Makes a layer; `None` where its server is not installed.
trait Make: AsyncFn(Config) -> Option<Backend> {}
impl<F: AsyncFn(Config) -> Option<Backend>> Make for F {}

on_both!(
    a_message_comes_once_and_no_second_time,
    messages_come_in_order,
    each_message_goes_to_one_receiver,
    a_full_channel_refuses_and_its_receiver_is_told,
    patterns_give_channels_their_capacity,
    a_message_that_is_too_large_is_refused,
    names_are_checked,
    a_message_expires_and_its_receiver_is_told,
    a_group_reaches_each_member_and_nobody_else,
    a_group_tells_who_got_it_who_was_full_and_who_was_gone,
    membership_expires,
    groups_can_be_listed,
    a_dropped_receiver_leaves_its_groups,
    a_closed_channel_is_gone,
    a_busy_channel_starves_no_quiet_one,
    a_wait_that_is_given_up_loses_nothing,
    a_receiver_that_waits_is_woken,
    messages_have_types,
    flush_empties_the_layer,
);

fn text(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

fn message(content: &str) -> Received {
    Received::Message(Bytes::copy_from_slice(content.as_bytes()))
}

fn gap(reason: Missed, count: u64) -> Received {
    Received::Gap(Gap { reason, count: Some(count) })
}

async fn next(layer: &Arc<dyn ChannelLayer>, channel: &str) -> Received {
    within("a message", layer.receive(channel)).await.unwrap()
}

/// Nothing is there before what is sent now.
async fn nothing_comes(layer: &Arc<dyn ChannelLayer>, channel: &str) {
    layer.send(channel, text("marker")).await.unwrap();
    assert_eq!(next(layer, channel).await, message("marker"));
}

async fn a_message_comes_once_and_no_second_time(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for channel in ["plain", &*own] {
        layer.send(channel, text("hello")).await.unwrap();
        assert_eq!(next(layer, channel).await, message("hello"));
        nothing_comes(layer, channel).await;
    }
}

async fn messages_come_in_order(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    layer.group_add("room", &own).await.unwrap();
    for channel in ["plain", &*own] {
        for number in 0..50 {
            layer.send(channel, text(number.to_string())).await.unwrap();
            if channel == own {
                layer.group_send("room", text(format!("{number} to all"))).await.unwrap();
            }
        }
        for number in 0..50 {
            assert_eq!(next(layer, channel).await, message(&number.to_string()));
            if channel == own {
                assert_eq!(next(layer, channel).await, message(&format!("{number} to all")));
            }
        }
    }
}

async fn each_message_goes_to_one_receiver(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let layer = Arc::clone(layer);
            tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    match layer.receive("work").await.unwrap() {
                        Received::Message(end) if end == "end" => return got,
                        Received::Message(item) => got.push(item),
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for number in 0..60 {
        layer.send("work", text(number.to_string())).await.unwrap();
    }
    for _ in &receivers {
        layer.send("work", text("end")).await.unwrap();
    }
    let mut all = Vec::new();
    for receiver in receivers {
        all.extend(within("a receiver", receiver).await.unwrap());
    }
    assert_eq!(all.len(), 60);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 60, "one came twice");
}

async fn a_full_channel_refuses_and_its_receiver_is_told(make: &impl Make) {
    let Some(backend) = make(Config { capacity: 2, ..Config::default() }).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for channel in ["plain", &*own] {
        for number in 0..2 {
            layer.send(channel, text(number.to_string())).await.unwrap();
        }
        for _ in 0..3 {
            let full = Error::ChannelFull { channel: channel.to_owned(), capacity: 2 };
            assert_eq!(layer.send(channel, text("no")).await, Err(full));
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(next(layer, channel).await);
        }
        assert!(seen.contains(&gap(Missed::Full, 3)), "{seen:?}");
        seen.retain(|seen| matches!(seen, Received::Message(_)));
        assert_eq!(seen, [message("0"), message("1")]);
        // There is room again.
        nothing_comes(layer, channel).await;
    }
}

async fn patterns_give_channels_their_capacity(make: &impl Make) {
    let limits = Config { capacity: 1, ..Config::default() }.capacity_for("wide.*", 3);
    let Some(backend) = make(limits).await else { return };
    let layer = &backend.layer;
    for (channel, capacity) in [("wide.a", 3), ("narrow", 1), ("xwide.a", 1)] {
        for _ in 0..capacity {
            layer.send(channel, text("yes")).await.unwrap();
        }
        let full = Error::ChannelFull { channel: channel.to_owned(), capacity };
        assert_eq!(layer.send(channel, text("no")).await, Err(full));
        // A group keeps to the same.
        layer.group_add("all", channel).await.unwrap();
    }
    assert_eq!(layer.group_send("all", text("x")).await.unwrap().full, 3);
}

async fn a_message_that_is_too_large_is_refused(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let large = Bytes::from(vec![b'x'; (1 << 20) + 1]);
    let refused = Error::MessageTooLarge { length: (1 << 20) + 1, limit: 1 << 20 };
    assert_eq!(layer.send("plain", large.clone()).await, Err(refused.clone()));
    assert_eq!(layer.group_send("room", large.clone()).await, Err(refused));
    let largest = large.slice(1..);
    let own = layer.new_channel("test").await.unwrap();
    layer.group_add("room", &own).await.unwrap();
    layer.send("plain", largest.clone()).await.unwrap();
    layer.group_send("room", largest.clone()).await.unwrap();
    for channel in ["plain", &*own] {
        assert_eq!(next(layer, channel).await, Received::Message(largest.clone()));
    }
}

async fn names_are_checked(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    for bad in ["", "a b", "ä", &"x".repeat(100)] {
        let is_name = |error| matches!(error, Err(Error::Name { .. }));
        assert!(is_name(layer.send(bad, text("x")).await), "{bad:?}");
        assert!(is_name(layer.receive(bad).await.map(drop)), "{bad:?}");
        assert!(is_name(layer.group_add(bad, "a").await), "{bad:?}");
        assert!(is_name(layer.group_add("a", bad).await), "{bad:?}");
        assert!(is_name(layer.group_discard("a", bad).await), "{bad:?}");
        assert!(is_name(layer.group_send(bad, text("x")).await.map(drop)), "{bad:?}");
    }
    assert!(layer.new_channel("a b").await.is_err());
    assert!(layer.group_add("no!group", "a").await.is_err());
}

async fn a_message_expires_and_its_receiver_is_told(make: &impl Make) {
    let Some(backend) = make(Config { expiry: Duration::ZERO, ..Config::default() }).await else {
        return;
    };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for channel in ["plain", &*own] {
        layer.send(channel, text("late")).await.unwrap();
        assert_eq!(next(layer, channel).await, gap(Missed::Expired, 1));
    }
    // What has expired takes nobody's room.
    for _ in 0..150 {
        layer.send("plain", text("late")).await.unwrap();
    }
}

async fn a_group_reaches_each_member_and_nobody_else(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let mut names = vec!["plain".to_owned()];
    for _ in 0..3 {
        names.push(layer.new_channel("test").await.unwrap());
    }
    let outside = names.pop().unwrap();
    for name in &names {
        layer.group_add("room", name).await.unwrap();
        layer.group_add("room", name).await.unwrap();
    }
    let delivery = layer.group_send("room", text("hello")).await.unwrap();
    assert_eq!(delivery, Delivery { delivered: 3, full: 0, gone: 0 });
    for name in &names {
        assert_eq!(next(layer, name).await, message("hello"));
        nothing_comes(layer, name).await;
    }
    nothing_comes(layer, &outside).await;
    for name in &names {
        layer.group_discard("room", name).await.unwrap();
        layer.group_discard("room", name).await.unwrap();
    }
    assert_eq!(layer.group_send("room", text("x")).await.unwrap(), Delivery::default());
}

async fn a_group_tells_who_got_it_who_was_full_and_who_was_gone(make: &impl Make) {
    let Some(backend) = make(Config { capacity: 1, ..Config::default() }).await else { return };
    let layer = &backend.layer;
    let (free, full) =
        (layer.new_channel("test").await.unwrap(), layer.new_channel("test").await.unwrap());
    layer.send(&full, text("waits")).await.unwrap();
    for name in [&free, &full] {
        layer.group_add("room", name).await.unwrap();
    }
    let delivery = layer.group_send("room", text("hello")).await.unwrap();
    assert_eq!(delivery, Delivery { delivered: 1, full: 1, gone: 0 });
    assert_eq!(next(layer, &full).await, message("waits"));
    assert_eq!(next(layer, &full).await, gap(Missed::Full, 1));
    // Processes that are gone are counted where there are several: in the tests of those.
}

async fn membership_expires(make: &impl Make) {
    let limits = Config { group_expiry: Duration::ZERO, ..Config::default() };
    let Some(backend) = make(limits).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for name in ["plain", &*own] {
        layer.group_add("room", name).await.unwrap();
    }
    assert_eq!(layer.group_send("room", text("x")).await.unwrap().delivered, 0);
    assert!(layer.group_channels("room").await.unwrap().is_empty());
}

async fn groups_can_be_listed(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    layer.group_add("a", &own).await.unwrap();
    layer.group_add("b", &own).await.unwrap();
    layer.group_add("b", "plain").await.unwrap();
    assert_eq!(layer.groups().await.unwrap(), ["a", "b"]);
    let mut both = [own.clone(), "plain".to_owned()];
    both.sort();
    assert_eq!(layer.group_channels("b").await.unwrap(), both);
    layer.group_discard("a", &own).await.unwrap();
    assert_eq!(layer.groups().await.unwrap(), ["b"]);
    assert!(layer.group_channels("nobody").await.unwrap().is_empty());
}

async fn a_dropped_receiver_leaves_its_groups(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let mut receiver = Receiver::open(Arc::clone(layer)).await.unwrap();
    receiver.join("room").await.unwrap();
    layer.group_send("room", text("hello")).await.unwrap();
    assert_eq!(within("hello", receiver.receive()).await.unwrap(), message("hello"));
    receiver.leave("room").await.unwrap();
    receiver.join("other").await.unwrap();
    drop(receiver);
    assert_eq!(layer.group_send("room", text("x")).await.unwrap(), Delivery::default());
    assert_eq!(layer.group_send("other", text("x")).await.unwrap(), Delivery::default());
    within("the group to be empty", async {
        while !layer.groups().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_closed_channel_is_gone(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    let waits = {
        let (layer, own) = (Arc::clone(layer), own.clone());
        tokio::spawn(async move { layer.receive(&own).await })
    };
    tokio::task::yield_now().await;
    layer.close_channel(&own);
    let gone = Error::Gone(own.clone());
    assert_eq!(within("the end", waits).await.unwrap(), Err(gone.clone()));
    assert_eq!(layer.send(&own, text("x")).await, Err(gone.clone()));
    assert_eq!(layer.receive(&own).await, Err(gone.clone()));
    assert_eq!(layer.group_add("room", &own).await, Err(gone));
}

async fn a_busy_channel_starves_no_quiet_one(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let (busy, quiet) =
        (layer.new_channel("test").await.unwrap(), layer.new_channel("test").await.unwrap());
    layer.group_add("flood", &busy).await.unwrap();
    layer.group_add("drop", &quiet).await.unwrap();
    for _ in 0..300 {
        layer.group_send("flood", text("x")).await.unwrap();
        let _ = layer.send("flooded", text("x")).await;
    }
    layer.group_send("drop", text("heard")).await.unwrap();
    layer.send("calm", text("heard")).await.unwrap();
    for channel in [&*quiet, "calm"] {
        assert_eq!(next(layer, channel).await, message("heard"));
    }
}

async fn a_wait_that_is_given_up_loses_nothing(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for channel in ["plain", &*own] {
        for number in 0..40 {
            let mut wait = Box::pin(layer.receive(channel));
            // Given up at different points of its way.
            for _ in 0..number % 4 {
                let polled =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx)));
                assert!(polled.await.is_pending());
                tokio::task::yield_now().await;
            }
            if number % 2 == 0 {
                drop(wait);
                layer.send(channel, text(number.to_string())).await.unwrap();
            } else {
                layer.send(channel, text(number.to_string())).await.unwrap();
                let polled =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx)));
                if let std::task::Poll::Ready(got) = polled.await {
                    assert_eq!(got.unwrap(), message(&number.to_string()));
                    continue;
                }
                drop(wait);
            }
            assert_eq!(next(layer, channel).await, message(&number.to_string()));
        }
    }
}

async fn a_receiver_that_waits_is_woken(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    for channel in ["plain", &*own] {
        let waits = {
            let (layer, channel) = (Arc::clone(layer), channel.to_owned());
            tokio::spawn(async move { layer.receive(&channel).await })
        };
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        layer.send(channel, text("now")).await.unwrap();
        assert_eq!(within("the message", waits).await.unwrap().unwrap(), message("now"));
    }
}

async fn messages_have_types(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let said = ("Ada".to_owned(), vec![1_u32, 2, 3]);
    layer.send("plain", encode(&said).unwrap()).await.unwrap();
    let read: TypedReceived<(String, Vec<u32>)> = decode(next(layer, "plain").await).unwrap();
    assert_eq!(read, TypedReceived::Message(said));
    layer.send("plain", text("no JSON")).await.unwrap();
    assert!(matches!(decode::<u32>(next(layer, "plain").await), Err(Error::Message(_))));
}

async fn flush_empties_the_layer(make: &impl Make) {
    let Some(backend) = make(Config::default()).await else { return };
    let layer = &backend.layer;
    let own = layer.new_channel("test").await.unwrap();
    layer.group_add("room", &own).await.unwrap();
    layer.group_add("room", "plain").await.unwrap();
    for channel in ["plain", &*own] {
        layer.send(channel, text("x")).await.unwrap();
    }
    layer.flush().await.unwrap();
    assert!(layer.groups().await.unwrap().is_empty());
    for channel in ["plain", &*own] {
        nothing_comes(layer, channel).await;
    }
}
