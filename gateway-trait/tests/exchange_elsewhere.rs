//! A token or a writer that left the application's future: in another task, on another thread, in another exchange.
//!
//! Most of it is done by hand with two wakers, so that each wake-up is counted; threads and tasks show it again at full speed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use common::{Log, Poller, get, head, pause};
use futures_channel::oneshot;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use rwgi::{
    Application, BodyWriter, Environ, Error, Exchange, Finished, OutcomeKind, Result, StartResponse,
};

/// An application that starts a response, gives its writer away, and returns what it is told to.
struct GivesAway {
    exchange: Exchange,
    writer: Arc<Mutex<Option<BodyWriter>>>,
    answer: oneshot::Sender<Result<Finished>>,
    log: Log,
}

impl GivesAway {
    fn new(declared: Option<u64>, environ: Environ) -> Self {
        let writer: Arc<Mutex<Option<BodyWriter>>> = Arc::default();
        let (answer, told) = oneshot::channel();
        let told = Mutex::new(Some(told));
        let keep = Arc::clone(&writer);
        let log = Log::default();
        let watched = log.clone();
        let exchange = Exchange::new(
            Arc::new(move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                let told = told.lock().unwrap().take().unwrap();
                let keep = Arc::clone(&keep);
                async move {
                    let fields: Vec<_> =
                        declared.iter().map(|length| (CONTENT_LENGTH, *length)).collect();
                    *keep.lock().unwrap() = Some(start.start(StatusCode::OK, fields)?);
                    told.await?
                }
            }),
            environ,
        );
        Self { exchange, writer, answer, log }
    }

    fn take_writer(&self) -> BodyWriter {
        self.writer.lock().unwrap().take().unwrap()
    }
}

/// Polls a write once.
fn write(poller: &Poller, writer: &mut BodyWriter, data: &'static str) -> Poll<Result<()>> {
    writer.poll_write(&mut poller.cx(), &mut Bytes::from_static(data.as_bytes()))
}

// Evidence: REQ-EXCH-04
#[test]
fn each_half_wakes_the_other() {
    let (server, elsewhere) = (Poller::new(), Poller::new());
    let mut away = GivesAway::new(None, get());
    assert!(server.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();

    assert!(write(&elsewhere, &mut writer, "a").is_ready());
    assert_eq!(server.wakes(), 1, "the head can leave");
    assert!(write(&elsewhere, &mut writer, "b").is_pending());
    let mut body = server.drive(&mut away.exchange).unwrap().into_body();
    assert_eq!(elsewhere.wakes(), 0, "the chunk is not taken yet");
    assert_eq!(server.data(&mut body), "a");
    assert_eq!(elsewhere.wakes(), 1, "there is room again");

    assert!(server.frame(&mut body).is_pending());
    let before = server.wakes();
    assert!(write(&elsewhere, &mut writer, "b").is_ready());
    assert_eq!(server.wakes(), before + 1);
    assert_eq!(server.data(&mut body), "b");

    away.answer.send(writer.finish()).unwrap();
    assert!(server.drive_frame(&mut body).is_none());
    assert_eq!(away.log.told(), (OutcomeKind::Completed, Some(200), 2));
}

// Evidence: REQ-EXCH-04
#[test]
fn each_half_wakes_the_other_in_one_task_too() {
    // One waker for both: the writer lives in another exchange that the same task drives.
    let task = Poller::new();
    let mut away = GivesAway::new(None, get());
    assert!(task.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();
    assert!(write(&task, &mut writer, "a").is_ready());
    assert_eq!(task.wakes(), 1, "the head can leave");
    assert!(write(&task, &mut writer, "b").is_pending());
    let mut body = task.drive(&mut away.exchange).unwrap().into_body();
    let before = task.wakes();
    assert_eq!(task.data(&mut body), "a");
    assert_eq!(task.wakes(), before + 1, "there is room again");
    assert!(task.frame(&mut body).is_pending());
    let before = task.wakes();
    assert!(write(&task, &mut writer, "b").is_ready());
    assert_eq!(task.wakes(), before + 1, "there is another chunk");
}

// Evidence: REQ-EXCH-04, REQ-BODY-06
#[test]
fn a_flush_from_elsewhere_sends_the_head() {
    let (server, elsewhere) = (Poller::new(), Poller::new());
    let mut away = GivesAway::new(None, get());
    assert!(server.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();
    assert!(writer.poll_flush(&mut elsewhere.cx()).is_ready());
    assert_eq!(server.wakes(), 1);
    assert_eq!(server.drive(&mut away.exchange).unwrap().status(), 200);
}

// Evidence: REQ-BODY-16
#[test]
fn a_writer_dropped_elsewhere_cuts_the_message() {
    let (server, elsewhere) = (Poller::new(), Poller::new());
    let mut away = GivesAway::new(None, get());
    assert!(server.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();
    assert!(write(&elsewhere, &mut writer, "a").is_ready());
    let mut body = server.drive(&mut away.exchange).unwrap().into_body();
    assert_eq!(server.data(&mut body), "a");
    assert!(server.frame(&mut body).is_pending());
    let before = server.wakes();
    drop(writer);
    assert_eq!(server.wakes(), before + 1);
    let error = server.drive_frame(&mut body).unwrap().unwrap_err();
    assert_eq!(error.requirement(), Some("REQ-BODY-16"));
    assert_eq!(away.log.one().kind(), OutcomeKind::Failed);
    assert!(away.answer.is_canceled(), "the application's future is gone");
}

// Evidence: REQ-ERR-06
#[test]
fn a_writer_dropped_elsewhere_before_the_commit_leaves_the_word_to_the_application() {
    let server = Poller::new();
    let mut away = GivesAway::new(None, get());
    assert!(server.poll(&mut away.exchange).is_pending());
    drop(away.take_writer());
    assert!(server.poll(&mut away.exchange).is_pending());
    away.answer.send(Err(Error::client(StatusCode::GONE, "gone"))).unwrap();
    assert_eq!(server.drive(&mut away.exchange).err().unwrap().status(), 410);
}

// Evidence: REQ-EXCH-04, REQ-EXCH-08, REQ-EXCH-12
#[test]
fn a_writer_elsewhere_hears_of_every_end() {
    // How far the exchange went before it ended, and whether the application failed or the server left.
    for (head_taken, fails) in [(false, false), (false, true), (true, false), (true, true)] {
        let (server, elsewhere) = (Poller::new(), Poller::new());
        let mut away = GivesAway::new(None, get());
        assert!(server.poll(&mut away.exchange).is_pending());
        let mut writer = away.take_writer();
        assert!(write(&elsewhere, &mut writer, "a").is_ready());
        assert!(write(&elsewhere, &mut writer, "b").is_pending());
        let body = head_taken.then(|| server.drive(&mut away.exchange).unwrap().into_body());
        let before = elsewhere.wakes();
        if fails {
            away.answer.send(Err(Error::application("broken"))).unwrap();
            let mut body =
                body.unwrap_or_else(|| server.drive(&mut away.exchange).unwrap().into_body());
            while !matches!(server.drive_frame(&mut body), Some(Err(_))) {}
        } else {
            drop((away.exchange, body));
        }
        assert!(elsewhere.wakes() > before, "a writer that waits is told");
        assert!(matches!(write(&elsewhere, &mut writer, "b"), Poll::Ready(Err(_))));
        assert!(matches!(writer.poll_flush(&mut elsewhere.cx()), Poll::Ready(Err(_))));
        assert!(matches!(write(&elsewhere, &mut writer, ""), Poll::Ready(Err(_))));
        let kind = if fails { OutcomeKind::Failed } else { OutcomeKind::Cancelled };
        assert_eq!(away.log.one().kind(), kind);
    }
}

// Evidence: REQ-RESP-25
#[test]
fn a_writer_elsewhere_is_told_that_nobody_wants_more_of_a_response_without_content() {
    let (server, elsewhere) = (Poller::new(), Poller::new());
    let mut away = GivesAway::new(None, head());
    assert!(server.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();
    assert!(write(&elsewhere, &mut writer, "a").is_ready());
    assert!(write(&elsewhere, &mut writer, "b").is_pending());
    server.drive(&mut away.exchange).unwrap();
    assert_eq!(elsewhere.wakes(), 1);
    assert!(matches!(write(&elsewhere, &mut writer, "b"), Poll::Ready(Err(_))));
    assert_eq!(away.log.told(), (OutcomeKind::Completed, Some(200), 0));
}

// Evidence: REQ-BODY-11
#[test]
fn the_last_declared_chunk_of_a_writer_elsewhere_waits_for_the_return() {
    let (server, elsewhere) = (Poller::new(), Poller::new());
    let mut away = GivesAway::new(Some(1), get());
    assert!(server.poll(&mut away.exchange).is_pending());
    let mut writer = away.take_writer();
    assert!(write(&elsewhere, &mut writer, "a").is_ready());
    assert!(writer.poll_flush(&mut elsewhere.cx()).is_ready());
    let mut body = server.drive(&mut away.exchange).unwrap().into_body();
    assert!(server.frame(&mut body).is_pending());
    away.answer.send(writer.finish()).unwrap();
    assert_eq!(server.data(&mut body), "a");
}

/// The response's content, however it is driven.
async fn collect(application: impl Application) -> Result<Bytes> {
    let response = Exchange::new(Arc::new(application), get()).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

// Evidence: REQ-EXCH-04
#[test]
fn a_writer_in_another_exchange_of_the_same_task_works() {
    // Both exchanges share one waker, as they do in a server that serves a connection in one task.
    let (give, taken) = oneshot::channel::<BodyWriter>();
    let (answer, told) = oneshot::channel::<Finished>();
    let ends = Mutex::new(Some((give, told)));
    let lender = move |_: Environ, start: StartResponse| {
        let (give, told) = ends.lock().unwrap().take().unwrap();
        async move {
            let _sent = give.send(start.start(StatusCode::OK, ())?);
            Ok(told.await?)
        }
    };
    let ends = Mutex::new(Some((taken, answer)));
    let borrower = move |_: Environ, start: StartResponse| {
        let (taken, answer) = ends.lock().unwrap().take().unwrap();
        async move {
            let mut writer = taken.await?;
            for piece in ["one ", "two ", "three ", "four"] {
                writer.write(piece).await?;
            }
            writer.flush().await?;
            let _sent = answer.send(writer.finish()?);
            start.respond(StatusCode::OK, (), "done")
        }
    };
    let mut lent = Box::pin(collect(lender));
    let mut borrowed = Box::pin(collect(borrower));
    let poller = Poller::new();
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        let before = poller.wakes();
        if first.is_none()
            && let Poll::Ready(content) = poller.poll(&mut lent)
        {
            first = Some(content.unwrap());
        }
        if second.is_none()
            && let Poll::Ready(content) = poller.poll(&mut borrowed)
        {
            second = Some(content.unwrap());
        }
        let done = first.is_some() && second.is_some();
        assert!(done || poller.wakes() > before, "a wake-up is lost");
    }
    assert_eq!(first.unwrap(), "one two three four");
}

/// Writes many pieces from wherever it runs.
async fn many(mut writer: BodyWriter) -> Result<Finished> {
    for number in 0..500u16 {
        writer.write(number.to_be_bytes().to_vec()).await?;
        if number % 7 == 0 {
            writer.flush().await?;
        }
    }
    writer.finish()
}

fn many_expected() -> Vec<u8> {
    (0..500u16).flat_map(u16::to_be_bytes).collect()
}

// Evidence: REQ-EXCH-04, REQ-BODY-01
#[test]
fn a_writer_on_another_thread_works() {
    for _ in 0..20 {
        let content = pollster::block_on(collect(|_: Environ, start: StartResponse| async move {
            let writer = start.start(StatusCode::OK, ())?;
            let (answer, told) = oneshot::channel();
            std::thread::spawn(move || answer.send(pollster::block_on(many(writer))));
            told.await?
        }))
        .unwrap();
        assert_eq!(content, many_expected());
    }
}

// Evidence: REQ-EXCH-04, REQ-BODY-01
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_in_another_task_works() {
    let exchanges: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(collect(|_: Environ, start: StartResponse| async move {
                let writer = start.start(StatusCode::OK, ())?;
                tokio::spawn(many(writer)).await?
            }))
        })
        .collect();
    for exchange in exchanges {
        assert_eq!(exchange.await.unwrap().unwrap(), many_expected());
    }
}

// Evidence: REQ-EXCH-04
#[test]
fn a_token_on_another_thread_answers() {
    for _ in 0..20 {
        let content = pollster::block_on(collect(|_: Environ, start: StartResponse| async move {
            let (answer, told) = oneshot::channel();
            std::thread::spawn(move || answer.send(start.respond(StatusCode::OK, (), "from afar")));
            pause().await;
            told.await?
        }))
        .unwrap();
        assert_eq!(content, "from afar");
    }
}

// Evidence: REQ-EXCH-08, REQ-EXCH-12
#[test]
fn a_thread_that_writes_without_end_ends_with_the_exchange() {
    for frames in 0..8 {
        let poller = Poller::new();
        let log = Log::default();
        let watched = log.clone();
        let thread = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&thread);
        let exchange = Exchange::new(
            Arc::new(move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                let keep = Arc::clone(&keep);
                async move {
                    let mut writer = start.start(StatusCode::OK, ())?;
                    writer.write("first").await?;
                    *keep.lock().unwrap() = Some(std::thread::spawn(move || {
                        while pollster::block_on(writer.write("tick")).is_ok() {}
                    }));
                    common::forever().await
                }
            }),
            get(),
        );
        let mut exchange = exchange;
        let mut body = poller.drive(&mut exchange).unwrap().into_body();
        pollster::block_on(async {
            for _ in 0..frames {
                body.frame().await.unwrap().unwrap();
            }
        });
        drop(body);
        thread.lock().unwrap().take().unwrap().join().unwrap();
        assert_eq!(log.one().kind(), OutcomeKind::Cancelled);
    }
}

#[test]
fn futures_of_the_contract_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    let away = GivesAway::new(None, get());
    is_send(&away.exchange);
    is_send(&away.writer);
    is_sync(&get());
    let _ = |writer: &mut BodyWriter| is_send(&writer.write("x"));
    let _ = |writer: &mut BodyWriter| is_send(&writer.flush());
    let _: &dyn Future<Output = _> = &away.exchange;
}
