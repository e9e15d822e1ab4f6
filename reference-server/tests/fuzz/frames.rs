//! Octets of any kind behind HTTP/2's preface: what comes back is whole frames in an order that RFC 9113 allows, and the application is called with
//! nothing that HTTP/2 does not have.
//!
//! The clock is a paused one: no deadline is waited for, and one that never comes would be a hang.

use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode, Version};
use rwgi::{Environ, Finished, StartResponse, is_connection_field};
use rwgi_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::Count;
use crate::support::corpus::Corpus;
use crate::support::pipes::Paused;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How far a stream's response is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stream {
    Headed,
    Over,
}

/// Panics where the octets are no frames of a server; gives how many streams had a response.
fn responses(mut octets: &[u8]) -> usize {
    let mut streams: HashMap<u32, Stream> = HashMap::new();
    let (mut first, mut open_block) = (true, None);
    while let Some((head, rest)) = octets.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (_, rest) = rest.split_at_checked(length).expect("a frame is whole");
        assert!(!first || (kind == SETTINGS && flags == 0), "it begins with kind {kind}");
        assert_ne!(kind, PUSH_PROMISE, "nobody asked for a push");
        assert_eq!(open_block.is_some(), kind == CONTINUATION, "kind {kind} within {open_block:?}");
        let before = streams.get(&stream).copied();
        match kind {
            HEADERS | DATA => {
                assert_eq!(stream % 2, 1, "a response on stream {stream}");
                assert_ne!(before, Some(Stream::Over), "kind {kind} after the end of {stream}");
                assert!(kind == HEADERS || before.is_some(), "content before the head of {stream}");
                let over = flags & END_STREAM != 0;
                streams.insert(stream, if over { Stream::Over } else { Stream::Headed });
                let unfinished = kind == HEADERS && flags & END_HEADERS == 0;
                open_block = unfinished.then_some(stream);
            }
            CONTINUATION => {
                assert_eq!(open_block, Some(stream), "a head goes on elsewhere");
                open_block = open_block.filter(|_| flags & END_HEADERS == 0);
            }
            // Of a stream that is idle for the server it is no response.
            RST_STREAM if before.is_some() => drop(streams.insert(stream, Stream::Over)),
            _ => {}
        }
        first = false;
        octets = rest;
    }
    assert!(octets.is_empty() && open_block.is_none(), "the last frame is cut");
    streams.len()
}

struct Played {
    server: Paused,
    wrong: Count,
}

impl Played {
    fn new() -> Self {
        let wrong = Count::default();
        let counted = wrong.clone();
        let application = move |environ: Environ, start: StartResponse| {
            if !is_sound(&environ) {
                counted.add();
            }
            answer(environ, start)
        };
        let config = Config { head_bytes: 2048, target_bytes: 512, ..Config::default() };
        Self { server: Paused::serve(application, config), wrong }
    }

    /// Gives how many streams had a response.
    fn play(&self, octets: &[u8]) -> usize {
        let answers = self.server.runtime.block_on(async {
            let mut client = self.server.dial.connect().stream;
            let mut answers = Vec::new();
            // The server may close before it has all.
            let _ = client.write_all(&[PREFACE, octets].concat()).await;
            // To leave is to cancel what is not answered: before that, everybody has done what there is to do, for the clock goes on only then.
            let reading = client.read_to_end(&mut answers);
            let _ = tokio::time::timeout(Duration::from_millis(1), reading).await;
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut answers).await;
            answers
        });
        assert_eq!(self.wrong.get(), 0, "the application was called with what it never should be");
        responses(&answers)
    }
}

/// Whether it is a request as HTTP/2 has one.
fn is_sound(environ: &Environ) -> bool {
    let fields = environ.headers();
    environ.version() == Version::HTTP_2
        && environ.path().starts_with('/')
            | (environ.path() == "*" && *environ.method() == Method::OPTIONS)
        && !fields.keys().any(|name| name != "te" && is_connection_field(name))
        && fields.get_all("cookie").iter().count() <= 1
        && fields.get_all("host").iter().count() <= 1
}

/// Reads what there is to read, so that content is decoded as well, and answers with some.
async fn answer(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let content = environ.input_mut().read_to_end(4096).await?;
    let mut body = start.start(StatusCode::OK, [("x-content", "yes")])?;
    body.write(format!("{} ", environ.path().len())).await?;
    body.write(content.len().to_string()).await?;
    body.finish()
}

#[test]
fn fuzz_http2() {
    let played = Played::new();
    // One thread plays: what the runtime holds is not shared.
    let played = std::panic::AssertUnwindSafe(&played);
    let corpus = Corpus::read("tests/fuzz/__fuzz__/frames__http2");
    bolero::check!().for_each(|octets: &[u8]| {
        corpus.play(octets, |octets| {
            played.play(octets);
        });
    });
}

#[test]
fn the_files_that_are_requests_are_answered() {
    let played = Played::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/__fuzz__/frames__http2/corpus");
    for (name, responses) in [("get", 1), ("get-twice", 2), ("post-padded", 1), ("cookies", 1)] {
        let octets = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(played.play(&octets), responses, "{name}");
    }
}
