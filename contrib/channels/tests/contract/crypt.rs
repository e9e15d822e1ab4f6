//! Messages that Redis cannot read.

use bytes::Bytes;
use rwgi_channels::{ChannelLayer, Key, Received, RedisConfig};

use crate::redis_server::{RedisServer, connected, patient, within};

#[tokio::test]
async fn sealed_messages_arrive_and_redis_does_not_see_them() {
    let Some(server) = RedisServer::start().await else { return };
    let layer = |keys: &[&str]| {
        let keys = keys.iter().map(|secret| Key::from_secret(secret)).collect();
        let config = RedisConfig { keys, ..RedisConfig::new(server.url()) };
        connected(patient(config))
    };
    let (old, both, none) = (layer(&["old"]).await, layer(&["new", "old"]).await, layer(&[]).await);
    let message = Bytes::from_static(b"a secret");
    old.send("work", message.clone()).await.unwrap();
    let got = within("it", none.receive("work")).await.unwrap();
    let Received::Message(sealed) = got else { panic!("{got:?}") };
    assert!(!sealed.windows(6).any(|window| window == b"secret"));
    old.send("work", message.clone()).await.unwrap();
    assert_eq!(
        within("it", both.receive("work")).await.unwrap(),
        Received::Message(message.clone())
    );
    let own = both.new_channel("test").await.unwrap();
    both.group_add("room", &own).await.unwrap();
    assert_eq!(old.group_send("room", message.clone()).await.unwrap().delivered, 1);
    assert_eq!(within("it", both.receive(&own)).await.unwrap(), Received::Message(message));
}
