//! A connection that is idle: what it keeps, and that nobody who comes back to it can tell.
//!
//! Rules of this test: pipes and a paused clock; what is given back is counted in octets that the allocator had given.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::time::Duration;

use allocation_counter::measure;
use rwgi_server::Config;
use support::pipes::serve_on_pipes;
use support::{Client, Count, End, counting};
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config { idle_timeout: 20 * SECOND, ..Config::default() }
}

// Evidence: REQ-HTTP-16
#[test]
fn a_connection_that_rests_gives_back_what_it_served_with() {
    const MANY: usize = 100;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.unwrap();
    let count = Count::default();
    let (_clients, _server) = runtime.block_on(async {
        let (dial, server) = serve_on_pipes(counting(&count), config()).await;
        let mut clients: Vec<Client<DuplexStream>> = (0..MANY).map(|_| dial.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.request(GET).await.status, 200);
        }
        (clients, server)
    });
    let rested = measure(|| runtime.block_on(async { sleep(3 * SECOND).await }));
    let given_back = -rested.bytes_current / MANY as i64;
    println!("a connection that rests gives back {given_back} octets");
    // hyper's buffer alone is 8 KiB.
    assert!(given_back > 10 * 1024, "only {given_back} octets");
}

#[tokio::test(start_paused = true)]
async fn nobody_can_tell_that_a_connection_has_rested() {
    let count = Count::default();
    let (dial, server) = serve_on_pipes(counting(&count), config()).await;
    let mut clients: Vec<Client<DuplexStream>> = (0..6).map(|_| dial.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.request(GET).await.status, 200);
    }
    sleep(3 * SECOND).await;

    // Whoever comes back is served, in one piece or in many, after an empty line, and more than once.
    assert_eq!(clients[0].request(GET).await.status, 200);
    clients[1].send("\r\n").await;
    sleep(3 * SECOND).await;
    assert_eq!(clients[1].request(GET).await.status, 200);
    for octet in GET.chars() {
        clients[2].send(octet.to_string()).await;
        sleep(SECOND / 10).await;
    }
    assert_eq!(clients[2].response().await.status, 200);
    clients[3].send(GET.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(clients[3].response().await.status, 200);
    }
    assert_eq!(count.get(), 6 + 6);

    // The time that it may be idle begins with its last answer, rest or no rest.
    let start = Instant::now();
    assert_eq!(clients[5].request(GET).await.status, 200);
    assert_eq!(clients[5].ends().await, End::Closed);
    let idle = start.elapsed();
    assert!(idle >= 20 * SECOND && idle < 20 * SECOND + SECOND / 10, "{idle:?}");

    // A server that stops does not wait for those who rest.
    let (mut late, mut later) = (dial.connect(), dial.connect());
    assert_eq!(late.request(GET).await.status, 200);
    assert_eq!(later.request(GET).await.status, 200);
    sleep(3 * SECOND).await;
    // What has come before is answered.
    later.send(GET).await;
    let start = Instant::now();
    server.stop().await.unwrap();
    let last = later.response().await;
    assert_eq!((last.status, last.closes()), (200, true));
    assert_eq!(late.ends().await, End::Closed);
    assert!(start.elapsed() < SECOND / 10, "{:?}", start.elapsed());
}
