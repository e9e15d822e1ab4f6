//! What a client may take of a server by HTTP/2, on pipes and a paused clock: streams that are not read, floods, age.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::StatusCode;
use rwgi::{Application, Environ, Finished, OutcomeKind, StartResponse};
use rwgi_server::Config;
use support::limits::{SECOND, assert_seconds, endless, gated};
use support::pipes::{Dial, serve_on_pipes};
use support::within;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

/// A client of HTTP/2 that speaks in frames.
struct Frames<S>(S);

impl Frames<DuplexStream> {
    /// With this INITIAL_WINDOW_SIZE.
    async fn connect(dial: &Dial, window: u32) -> Self {
        let mut stream = dial.connect().stream;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self(stream);
        frames.send(4, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat()).await;
        frames
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.is_ok()
    }

    /// GET / of http://a.
    async fn get(&mut self, stream: u32) -> bool {
        self.send(1, 5, stream, b"\x82\x84\x86\x41\x01a").await
    }

    /// The next frame: kind, flags, stream, payload; none at the end.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        within("a frame", self.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    /// Reads to GOAWAY, if it comes; gives its code.
    async fn goaway(&mut self) -> Option<u8> {
        while let Some((kind, _, _, payload)) = self.next().await {
            if kind == 7 {
                return Some(payload[7]);
            }
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_no_room_is_cut_off() {
    let (application, mut ended) = endless();
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = Frames::connect(&dial, 0).await;
    let start = Instant::now();
    assert!(client.get(1).await);
    assert_eq!(within("the end", ended.recv()).await, Some(OutcomeKind::Cancelled));
    assert_seconds(start, 30);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Gives this much room, on a stream and on the connection.
    async fn give_room(&mut self, stream: u32, octets: u32) {
        for stream in [stream, 0] {
            self.send(8, 0, stream, &octets.to_be_bytes()).await;
        }
    }

    /// Gives room to `stream` alone, every second, until `ended` says of a frame that it is the one that is waited for; gives its payload.
    /// It gives up after ten minutes.
    async fn feed(
        &mut self,
        stream: u32,
        octets: u32,
        ended: impl Fn(u8, u8, u32) -> bool,
    ) -> Vec<u8> {
        for _ in 0..600 {
            self.give_room(stream, octets).await;
            let second = Instant::now() + SECOND;
            // All that comes within this second.
            while let Ok(frame) = tokio::time::timeout_at(second, self.next()).await {
                let (kind, flags, stream, payload) = frame.unwrap();
                if ended(kind, flags, stream) {
                    return payload;
                }
            }
        }
        panic!("it did not come in ten minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_given_no_room_is_reset_while_another_goes_on() {
    // What it waits with: a stream without an end, and one piece of which the window takes a part.
    for window in [0, 100] {
        let (application, mut ended) = endless();
        let application = Arc::new(application);
        let application = move |environ: Environ, start: StartResponse| {
            let application = Arc::clone(&application);
            async move {
                if window > 0 && environ.headers().contains_key("te") {
                    return start.respond(StatusCode::OK, (), vec![b'x'; 200_000]);
                }
                application.call(environ, start).await
            }
        };
        let (dial, _server) = serve_on_pipes(application, Config::default()).await;
        let mut client = Frames::connect(&dial, window).await;
        let start = Instant::now();
        if window == 0 {
            assert!(client.get(1).await);
        } else {
            let te = b"\x82\x84\x86\x41\x01a\x00\x02te\x08trailers";
            assert!(client.send(1, 5, 1, te).await);
        }
        assert!(client.get(3).await);
        let reset = client.feed(3, 1000, |kind, _, stream| (kind, stream) == (3, 1)).await;
        assert_eq!(reset, [0, 0, 0, 8], "CANCEL");
        assert_seconds(start, 30);
        if window == 0 {
            assert_eq!(within("the end", ended.recv()).await, Some(OutcomeKind::Cancelled));
        }
        // The neighbour has its room, and gets on.
        for _ in 0..60 {
            client.feed(3, 1000, |kind, _, stream| (kind, stream) == (0, 3)).await;
            sleep(SECOND).await;
        }
        assert!(ended.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_slowly_gets_all_of_it() {
    const LENGTH: usize = 200_000;
    let application = async |_: Environ, start: StartResponse| -> rwgi::Result<Finished> {
        start.respond(StatusCode::OK, (), vec![b'x'; LENGTH])
    };
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = Frames::connect(&dial, 100).await;
    assert!(client.get(1).await);
    let start = Instant::now();
    // A little more than what is given away at a time, within the time that a client has for it.
    let last = client.feed(1, 600, |kind, flags, _| kind == 3 || (kind == 0 && flags & 1 == 1));
    assert!(!last.await.is_empty() && start.elapsed() > 300 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_application_that_takes_its_time_on_http2_is_not_cut_off() {
    let application = async |_: Environ, start: StartResponse| -> rwgi::Result<Finished> {
        let mut body = start.start(StatusCode::OK, ())?;
        for _ in 0..3 {
            body.write("piece").await?;
            sleep(35 * SECOND).await;
        }
        body.finish()
    };
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = Frames::connect(&dial, 65_535).await;
    assert!(client.get(1).await);
    let start = Instant::now();
    // Until END_STREAM.
    loop {
        let (kind, flags, _, _) = client.next().await.unwrap();
        if kind == 0 && flags & 1 == 1 {
            break;
        }
    }
    assert_seconds(start, 105);
}

#[tokio::test]
async fn a_stream_that_wakes_itself_lets_others_have_their_turn() {
    let application = async |_: Environ, start: StartResponse| -> rwgi::Result<Finished> {
        let other = tokio::spawn(async {});
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if other.is_finished() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        start.respond(StatusCode::OK, (), "")
    };
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = Frames::connect(&dial, 65_535).await;
    assert!(client.get(1).await);
    loop {
        let (_, flags, stream, _) = within("the answer", client.next()).await.unwrap();
        if stream == 1 && flags & 1 == 1 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_resets_is_cut_off() {
    let (application, _gate, count) = gated();
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let client = Frames::connect(&dial, 65_535).await;
    let (mut reader, writer) = tokio::io::split(client.0);
    let mut sent = 0;
    let flood = async {
        // Each is taken up before it is taken back, so that h2's own limit does not see them.
        let mut writer = writer;
        for number in 0..100_000_u32 {
            let stream = (2 * number + 1).to_be_bytes();
            let headers = [&[0, 0, 6, 1, 5][..], &stream, b"\x82\x84\x86\x41\x01a"].concat();
            let reset = [&[0, 0, 4, 3, 0][..], &stream, &[0, 0, 0, 8]].concat();
            if writer.write_all(&headers).await.is_err() {
                break;
            }
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            if writer.write_all(&reset).await.is_err() {
                break;
            }
            sent = number;
        }
    };
    let mut scratch = Vec::new();
    let (_, ()) =
        tokio::join!(async { within("the end", reader.read_to_end(&mut scratch)).await }, flood);
    assert!((199..2000).contains(&sent), "{sent} streams were taken back");
    assert!(count.get() < 2000);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_continuations_is_cut_off() {
    let (application, _gate, count) = gated();
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = Frames::connect(&dial, 65_535).await;
    assert!(client.send(1, 1, 1, b"\x82\x84\x86\x41\x01a").await);
    let (reader, mut writer) = tokio::io::split(client.0);
    let mut frame = vec![0, 0x0f, 0xa9, 9, 0, 0, 0, 0, 1, 0, 0x7f, 0xa1, 0x1e];
    frame.extend([&[b'x'; 4000][..], b"\x01y"].concat());
    let length = u32::try_from(frame.len() - 9).unwrap().to_be_bytes();
    frame[..3].copy_from_slice(&length[1..]);
    let mut sent = 0;
    let flood = async {
        while writer.write_all(&frame).await.is_ok() {
            sent += frame.len();
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let mut reader = Frames(tokio::io::join(reader, tokio::io::sink()));
    let code = tokio::select! {
        code = reader.goaway() => code,
        () = flood => None,
    };
    assert!(code.is_some(), "the connection is not cut off after {sent} bytes");
    assert!(sent < 1_000_000, "{sent} bytes were taken");
    assert_eq!(count.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn half_a_head_on_http2_is_an_idle_connection() {
    let config = Config { idle_timeout: 20 * SECOND, ..Config::default() };
    let (application, _gate, _) = gated();
    let (dial, _server) = serve_on_pipes(application, config).await;
    let mut client = Frames::connect(&dial, 65_535).await;
    let start = Instant::now();
    assert!(client.send(1, 1, 1, b"\x82\x84").await);
    assert_eq!(client.goaway().await, Some(0));
    assert_seconds(start, 20);
    assert!(client.goaway().await.is_none(), "and then the end");
    assert_seconds(start, 21);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_of_http2_is_told_to_go() {
    let config = Config {
        connection_age: Some(100 * SECOND),
        idle_timeout: 1000 * SECOND,
        ..Config::default()
    };
    let (application, gate, _) = gated();
    gate.add_permits(100);
    let (dial, _server) = serve_on_pipes(application, config).await;
    let mut client = Frames::connect(&dial, 65_535).await;
    for stream in [1, 3] {
        assert!(client.get(stream).await);
        sleep(111 * SECOND).await;
    }
    assert_eq!(client.goaway().await, Some(0));
    // It did not answer to the PING that goes with it, and was not waited for.
    assert!(client.goaway().await.is_none());
}
