//! Octets of any kind on a connection: what comes back is whole responses, however the octets are cut, and never more than were asked for.
//!
//! The first octet says where the octets are cut in two, as a fraction of their length; then the client says that it has sent all. The clock is a paused
//! one: no deadline is waited for, and one that never comes would be a hang.

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::Count;
use crate::support::corpus::Corpus;
use crate::support::pipes::{Dial, Paused};

/// The preface of HTTP/2, after which the octets are [another target's](super::frames).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

async fn exchange(dial: &Dial, pieces: [&[u8]; 2]) -> Vec<u8> {
    let mut client = dial.connect().stream;
    let mut answers = Vec::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        if client.write_all(piece).await.is_err() {
            break;
        }
        // The server has taken the piece in before the next one comes.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
    // The server may have closed already.
    let _ = client.shutdown().await;
    let _ = client.read_to_end(&mut answers).await;
    answers
}

/// The statuses of the responses that the octets are; panics where they are none. Where one of the requests may be HEAD, a refusal may
/// be without the content that it declares.
fn statuses(mut octets: &[u8], may_be_head: bool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !octets.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let length = match head.parse(octets) {
            Ok(httparse::Status::Complete(length)) => length,
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(octets)),
        };
        let field = |name: &str| {
            let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| std::str::from_utf8(field.value).unwrap())
        };
        let status = head.code.unwrap();
        let closes = field("connection") == Some("close");
        let rest = &octets[length..];
        let is_over = rest.is_empty() || rest.starts_with(b"HTTP/1.");
        let refuses_head = may_be_head && status >= 400 && is_over;
        let body: usize = match field("content-length") {
            // The answer to HEAD says what GET would have had.
            Some(length) if field("x-head").is_none() && !refuses_head => length.parse().unwrap(),
            _ => 0,
        };
        statuses.push(status);
        octets = rest
            .get(body..)
            .unwrap_or_else(|| panic!("a body is short: {:?}", String::from_utf8_lossy(octets)));
        assert!(octets.is_empty() || !closes, "something follows `Connection: close`");
    }
    statuses
}

struct Played {
    server: Paused,
    calls: Count,
}

impl Played {
    fn new() -> Self {
        let calls = Count::default();
        let counted = calls.clone();
        let application = move |environ: Environ, start: StartResponse| {
            counted.add();
            async move { answer(environ, start).await }
        };
        let config = Config { head_bytes: 2048, target_bytes: 512, ..Config::default() };
        Self { server: Paused::serve(application, config), calls }
    }

    fn play(&self, octets: &[u8]) {
        let Some((first, octets)) = octets.split_first() else { return };
        if octets.starts_with(PREFACE) || PREFACE.starts_with(octets) {
            return;
        }
        let cut = octets.len() * usize::from(*first) / 256;
        let may_be_head = octets.windows(5).any(|octets| octets == b"HEAD ");
        self.server.runtime.block_on(async {
            let mut seen = Vec::new();
            for pieces in [[octets, b""], [&octets[..cut], &octets[cut..]]] {
                let before = self.calls.get();
                let statuses = statuses(&exchange(&self.server.dial, pieces).await, may_be_head);
                let calls = self.calls.get() - before;
                let answered = statuses.iter().filter(|status| **status == 200).count();
                assert!(answered <= calls, "{statuses:?} of {calls} calls");
                assert!(calls <= statuses.len(), "{statuses:?} of {calls} calls");
                // It is what a panic of the application comes to, which panics where it is called with what it never should be.
                assert!(!statuses.contains(&500), "{statuses:?} of {calls} calls");
                // hyper looks at a head that comes in pieces only once it is whole: of one whose end never comes it says nothing.
                let mut statuses = statuses;
                if statuses.last().is_some_and(|status| *status >= 400) && calls < statuses.len() {
                    statuses.pop();
                }
                seen.push((statuses, calls));
            }
            assert_eq!(seen[0], seen[1], "cut at {cut}");
        });
    }
}

/// Reads what there is to read, so that content is decoded as well.
async fn answer(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let head = *environ.method() == http::Method::HEAD;
    assert!(environ.path().starts_with('/') || environ.path() == "*");
    let content = environ.input_mut().read_to_end(4096).await?;
    let text = format!("{} {}", environ.path().len(), content.len());
    if head {
        start.respond(StatusCode::OK, [("x-head", "yes")], text)
    } else {
        start.respond(StatusCode::OK, [("x-content", "yes")], text)
    }
}

#[test]
fn fuzz_octets() {
    let played = Played::new();
    // One thread plays: what the runtime holds is not shared.
    let played = std::panic::AssertUnwindSafe(&played);
    let corpus = Corpus::read("tests/fuzz/__fuzz__/connection__octets");
    bolero::check!().for_each(|octets: &[u8]| corpus.play(octets, |octets| played.play(octets)));
}
