//! Ways to reach a server: a port, a socket, sentinels, several at once.

use bytes::Bytes;
use rwgi_channels::{
    ChannelLayer, Config, Error, Gap, Missed, Received, Redis, RedisConfig, Server,
};

use crate::redis_server::{RedisServer, connected, patient, within};

async fn works(config: RedisConfig) {
    is_used(connected(patient(config)).await).await;
}

async fn is_used(layer: Redis) {
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
async fn a_named_channel_hears_of_groups_that_are_on_other_servers() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let Some(server) = RedisServer::start().await else { return };
        servers.push(server);
    }
    let addresses = servers.iter().map(|server| Server::Url(server.url())).collect();
    let limits = Config::default().capacity_for("small-*", 1);
    let config = RedisConfig { servers: addresses, limits, ..RedisConfig::new("") };
    let layer = connected(patient(config)).await;
    for number in 0..20 {
        // Some channels are where their group is, most are not.
        let (group, channel) = (format!("room-{number}"), format!("small-{number}"));
        layer.group_add(&group, &channel).await.unwrap();
        let first = layer.group_send(&group, Bytes::from("one")).await.unwrap();
        assert_eq!((first.delivered, first.full, first.gone), (1, 0, 0), "{group}");
        let second = layer.group_send(&group, Bytes::from("two")).await.unwrap();
        assert_eq!((second.delivered, second.full, second.gone), (0, 1, 0), "{group}");
        let mut received = Vec::new();
        for _ in 0..2 {
            received.push(within("a message", layer.receive(&channel)).await.unwrap());
        }
        let missed = Received::Gap(Gap { reason: Missed::Full, count: Some(1) });
        assert_eq!(received, [missed, Received::Message(Bytes::from("one"))], "{group}");
    }
    for number in 0..20 {
        layer.group_add("all", &format!("other-{number}")).await.unwrap();
    }
    let whole = layer.group_send("all", Bytes::from("x")).await.unwrap();
    assert_eq!((whole.delivered, whole.full, whole.gone), (20, 0, 0));
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
    works(RedisConfig { servers: vec![address], ..RedisConfig::new("") }).await;
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
    // What the book shows; `RWGI_BLESS=1` writes it anew. Nobody listens on port 1.
    let error = within("the reason", async {
        loop {
            let error = Redis::connect(RedisConfig::new("redis://127.0.0.1:1")).await.unwrap_err();
            // A machine that stands still for two seconds has made no attempt.
            if error.to_string().contains("refused") {
                return error;
            }
        }
    })
    .await;
    let shown = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/redis_down.txt");
    if std::env::var_os("RWGI_BLESS").is_some() {
        std::fs::write(shown, format!("{error}\n")).unwrap();
    }
    assert_eq!(std::fs::read_to_string(shown).unwrap(), format!("{error}\n"));
    for bad in ["", "http://x", "127.0.0.1:6379"] {
        let error = Redis::connect(RedisConfig::new(bad)).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }
    let none = RedisConfig { servers: Vec::new(), ..RedisConfig::new("") };
    assert!(matches!(Redis::connect(none).await, Err(Error::Configuration(_))));
}

/// Not a test: a process whose system knows the certificate of the next test, which only its environment can tell it.
#[tokio::test]
#[ignore = "run by `over_tls`"]
async fn a_process_that_knows_the_certificate() {
    let Ok(url) = std::env::var("RWGI_TEST_REDIS") else { return };
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let config =
        RedisConfig { timeout: std::time::Duration::from_secs(10), ..RedisConfig::new(url) };
    is_used(Redis::connect(config).await.unwrap()).await;
    println!("it works");
}

#[tokio::test]
async fn over_tls() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder =
        std::env::temp_dir().join(format!("rwgi-redis-tls-{:016x}", getrandom::u64().unwrap()));
    std::fs::create_dir_all(&folder).unwrap();
    let (public, private) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&public, certificate.cert.pem()).unwrap();
    std::fs::write(&private, certificate.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = RedisServer::start_with(
        0,
        &[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            public.to_str().unwrap(),
            "--tls-key-file",
            private.to_str().unwrap(),
            "--tls-ca-cert-file",
            public.to_str().unwrap(),
            "--tls-auth-clients",
            "no",
        ],
    )
    .await;
    if server.is_some() {
        let run = async |knows: bool| {
            let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
            process
                .args(["--ignored", "--exact", "--nocapture"])
                .arg("addresses::a_process_that_knows_the_certificate")
                .env("RWGI_TEST_REDIS", format!("rediss://localhost:{port}"))
                .kill_on_drop(true);
            if knows {
                process.env("SSL_CERT_FILE", &public);
            }
            within("the process", process.output()).await.unwrap()
        };
        let trusting = run(true).await;
        assert!(trusting.status.success(), "{}", String::from_utf8_lossy(&trusting.stderr));
        assert!(String::from_utf8_lossy(&trusting.stdout).contains("it works"));
        // And a certificate that nobody has vouched for is none.
        assert!(!run(false).await.status.success());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
