//! What a silent client is waited for, on sockets and the system's clock: there those deadlines are not the runtime's.
//!
//! Rules of this test: it waits for the end of a connection, and asks only whether that came too early.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::time::{Duration, Instant};

use rwgi_server::{Config, Runtime, Server};
use support::{Count, End, connect, counting, within};

const MOMENT: Duration = Duration::from_millis(200);
/// Longer than the second after which a connection gives back all but its transport.
const IDLE: Duration = Duration::from_millis(1_200);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// The preface of HTTP/2 and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Says something to a server with these times, with whole requests answered, and waits until the server closes; gives what came last.
async fn outwait(config: Config, said: &[&[u8]], time: Duration) -> String {
    let server = Server::new(counting(&Count::default())).bind("127.0.0.1:0").config(config);
    let server = server.start().await.unwrap();
    let mut start = Instant::now();
    let mut client = connect(&server).await;
    for part in said {
        start = Instant::now();
        client.send(part).await;
        if *part == GET {
            assert_eq!(client.response().await.status, 200);
        }
    }
    let (rest, end) = within("the server to close", client.rest()).await;
    assert!(start.elapsed() >= time, "{said:?}: {:?}", start.elapsed());
    assert_eq!(end, End::Closed, "{said:?}");
    server.stop().await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

// Evidence: REQ-HTTP-16
#[tokio::test]
async fn a_client_on_a_socket_is_waited_for_as_long_as_was_said_on_each_runtime() {
    // Each time by itself: the others are long, so that a slow machine breaks none of them.
    let closed_on = async |runtime| {
        let all = || Config { runtime, ..Config::default() };
        let first = Config { first_byte_timeout: MOMENT, ..all() };
        let head = || Config { head_timeout: MOMENT, ..all() };
        let idle = || Config { idle_timeout: IDLE, ..all() };
        let (silent, half, half_again, rested, http2) = tokio::join!(
            outwait(first, &[], MOMENT),
            outwait(head(), &[b"GET /"], MOMENT),
            outwait(head(), &[GET, b"GET /"], MOMENT),
            outwait(idle(), &[GET], IDLE),
            outwait(idle(), &[PREFACE], IDLE),
        );
        assert_eq!((&*silent, &*rested), ("", ""));
        for answer in [half, half_again] {
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        }
        assert!(!http2.is_empty());
    };
    tokio::join!(closed_on(Runtime::Shared), closed_on(Runtime::PerCore));
}
