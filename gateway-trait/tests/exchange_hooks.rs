//! Head hooks, completion callbacks and informational responses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::{Arc, Mutex};

use common::{Log, Poller, capable, forever, get, head, pause, run, status};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use rwgi::{BodyWriter, Environ, Error, Exchange, OutcomeKind, StartResponse};

// Evidence: REQ-RESP-13
#[test]
fn hooks_run_once_the_last_registered_first() {
    for way in 0..3 {
        let ran = run(
            move |_: Environ, mut start: StartResponse| async move {
                for name in ["outer", "middle", "inner"] {
                    start.map_head(move |head| head.append("x-by", name));
                }
                match way {
                    0 => start.respond(StatusCode::OK, (), "x"),
                    1 => {
                        let mut body = start.start(StatusCode::OK, ())?;
                        body.replace_head(StatusCode::OK, ())?;
                        body.write("a").await?;
                        body.write("b").await?;
                        body.finish()
                    }
                    _ => start.forward(http::Response::new(String::from("x"))),
                }
            },
            get(),
        )
        .unwrap();
        let by: Vec<_> = ran.head.headers.get_all("x-by").iter().collect();
        assert_eq!(by, ["inner", "middle", "outer"], "way {way}");
    }
}

// Evidence: REQ-RESP-13
#[test]
fn a_hook_does_not_run_where_the_server_answers() {
    let result = run(
        |_: Environ, mut start: StartResponse| async move {
            start.map_head(|_| panic!("there is no head of the application's"));
            Err(Error::client(StatusCode::NOT_FOUND, "none"))
        },
        get(),
    );
    assert_eq!(result.err().unwrap().status(), 404);
}

// Evidence: REQ-RESP-14, REQ-EXCH-10, REQ-EXCH-13
#[test]
fn an_error_of_a_hook_is_an_error_before_the_commit() {
    for stream in [false, true] {
        for panics in [false, true] {
            let log = Log::default();
            let watched = log.clone();
            let error = run(
                move |_: Environ, mut start: StartResponse| {
                    watched.watch(&mut start);
                    async move {
                        start.map_head(move |_| {
                            assert!(!panics, "the hook panics");
                            Err(Error::application("the session is gone").with_status(status(503)))
                        });
                        let mut body = start.start(StatusCode::OK, ())?;
                        body.write("a").await?;
                        if stream {
                            pause().await;
                        }
                        body.finish()
                    }
                },
                get(),
            )
            .err()
            .unwrap();
            let code = if panics { 500 } else { 503 };
            assert_eq!(error.status().as_u16(), code);
            assert_eq!(log.told(), (OutcomeKind::Failed, Some(code), 0));
        }
    }
}

// Evidence: REQ-MID-09
#[test]
fn a_hook_cannot_change_the_length() {
    for declared in [None, Some(1u64)] {
        let error = run(
            move |_: Environ, mut start: StartResponse| async move {
                start.map_head(|head| head.insert(CONTENT_LENGTH, 7u64));
                let fields: Vec<_> =
                    declared.iter().map(|length| (CONTENT_LENGTH, *length)).collect();
                start.respond(StatusCode::OK, fields, "x")
            },
            get(),
        )
        .err()
        .unwrap();
        assert_eq!((error.status().as_u16(), error.requirement()), (500, Some("REQ-MID-09")));
    }
}

#[test]
fn a_hook_can_turn_a_response_into_one_without_content_and_back() {
    let not_modified = |_: Environ, mut start: StartResponse| async move {
        start.map_head(|head| head.set_status(StatusCode::NOT_MODIFIED));
        start.respond(StatusCode::OK, (), "cached")
    };
    let ran = run(not_modified, get()).unwrap();
    assert_eq!((ran.status(), ran.chunks.len(), ran.header("content-length")), (304, 0, None));

    // Content that does not keep a length that was declared where none is checked must not reach the wire.
    let back = |_: Environ, mut start: StartResponse| async move {
        start.map_head(|head| head.set_status(StatusCode::OK));
        start.respond(StatusCode::NOT_MODIFIED, [(CONTENT_LENGTH, 99u64)], "short")
    };
    assert_eq!(run(back, get()).err().unwrap().requirement(), Some("REQ-RESP-16"));
}

// A callback may look at the writer that it shares with its application: nothing of the exchange is locked while it runs.
#[test]
fn a_callback_looks_at_its_writer_when_a_hook_has_broken_the_response() {
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let broken = move |_: Environ, mut start: StartResponse| {
            let told = told.clone();
            let shared: Arc<Mutex<Option<BodyWriter>>> = Arc::default();
            let seen = Arc::clone(&shared);
            start.on_complete(move |outcome| {
                let departed = seen.lock().unwrap().as_ref().map(BodyWriter::is_departed);
                told.send((outcome.kind(), departed)).unwrap();
            });
            async move {
                // Content that exceeds the declared length, of which the status allows none to leave, and then allows it.
                start.map_head(|head| head.set_status(StatusCode::OK));
                let mut body = start.start(StatusCode::NOT_MODIFIED, [(CONTENT_LENGTH, 1u64)])?;
                body.write("too long").await?;
                *shared.lock().unwrap() = Some(body);
                forever::<()>().await;
                Err(Error::application("nobody waits"))
            }
        };
        assert_eq!(run(broken, get()).err().unwrap().requirement(), Some("REQ-BODY-08"));
    });
    let seen = hears.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(seen, (OutcomeKind::Failed, Some(false)));
}

// Evidence: REQ-EXCH-10
#[test]
fn a_callback_that_panics_keeps_no_other_from_running() {
    let log = Log::default();
    let watched = log.clone();
    run(
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            start.on_complete(|_| panic!("a callback panics"));
            watched.watch(&mut start);
            async move { start.respond(StatusCode::OK, (), "x") }
        },
        get(),
    )
    .unwrap();
    assert_eq!(log.all().len(), 2);
}

// Evidence: REQ-EXCH-10, REQ-EXCH-12
#[test]
fn a_callback_registered_after_the_end_runs_at_once() {
    for fails in [false, true] {
        let poller = Poller::new();
        let escaped: Arc<Mutex<Option<StartResponse>>> = Arc::default();
        let keep = Arc::clone(&escaped);
        let mut exchange = Exchange::new(
            Arc::new(move |_: Environ, start: StartResponse| {
                *keep.lock().unwrap() = Some(start);
                async move { if fails { Err(Error::application("broken")) } else { forever().await } }
            }),
            get(),
        );
        assert_eq!(poller.poll(&mut exchange).is_ready(), fails);
        drop(exchange);
        let mut start = escaped.lock().unwrap().take().unwrap();
        assert!(start.is_departed());
        let log = Log::default();
        log.watch(&mut start);
        let kind = if fails { OutcomeKind::Failed } else { OutcomeKind::Cancelled };
        assert_eq!(log.one().kind(), kind);
        assert_ne!(start.inform(status(103), ()).unwrap_err().status(), 501);
        // What is left to do with it leads nowhere and harms nobody.
        let _finished = start.respond(StatusCode::OK, (), "late").unwrap();
    }
}

/// Runs `inform` with the given arguments; gives what it returned and what was sent.
fn inform(
    environ: Environ,
    connected: bool,
    code: u16,
    field: &'static str,
) -> (Option<Error>, Vec<u16>) {
    let sent: Arc<Mutex<Vec<u16>>> = Arc::default();
    let result: Arc<Mutex<Option<Error>>> = Arc::default();
    let keep = Arc::clone(&result);
    let mut exchange = Exchange::new(
        Arc::new(move |_: Environ, mut start: StartResponse| {
            *keep.lock().unwrap() = start.inform(status(code), [(field, "</a.css>")]).err();
            let _ = start.inform(status(103), ());
            async move { start.respond(StatusCode::OK, (), "") }
        }),
        environ,
    );
    if connected {
        let sink = Arc::clone(&sent);
        exchange =
            exchange.on_informational(move |status, _| sink.lock().unwrap().push(status.as_u16()));
    }
    Poller::new().drive(&mut exchange).unwrap();
    let sent = sent.lock().unwrap().clone();
    (result.lock().unwrap().take(), sent)
}

// Evidence: REQ-CAP-01, REQ-CAP-04, REQ-CAP-06
#[test]
fn informational_responses_are_sent_in_order_where_the_server_has_them() {
    let (error, sent) = inform(capable(Method::GET), true, 102, "link");
    assert!(error.is_none());
    assert_eq!(sent, [102, 103]);

    let (error, sent) = inform(get(), false, 102, "link");
    assert_eq!((error.unwrap().status().as_u16(), sent.len()), (501, 0));

    for code in [100, 101, 200] {
        let (error, sent) = inform(capable(Method::GET), true, code, "link");
        assert_eq!((error.unwrap().requirement(), &sent[..]), (Some("REQ-CAP-06"), &[103][..]));
    }
    let (error, sent) = inform(capable(Method::GET), true, 103, "connection");
    assert_eq!((error.unwrap().requirement(), &sent[..]), (Some("REQ-RESP-07"), &[103][..]));
}

// Evidence: REQ-CAP-04, REQ-MID-06
#[test]
fn informational_responses_pass_through_middleware() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let inner = Arc::new(move |_: Environ, mut start: StartResponse| {
        let kept = Arc::clone(&kept);
        async move {
            start.inform(status(103), [("link", "</a.css>")])?;
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("x").await?;
            drop(kept);
            forever().await
        }
    });
    let application = Arc::new(move |environ: Environ, start: StartResponse| {
        let inner = Arc::clone(&inner);
        async move {
            let inner = Exchange::new(inner, environ).inform_through(&start);
            let finished = start.forward(inner.await?)?;
            pause().await;
            Ok(finished)
        }
    });
    for polls in 0..4 {
        let poller = Poller::new();
        let sent: Arc<Mutex<Vec<u16>>> = Arc::default();
        let sink = Arc::clone(&sent);
        let mut exchange = Exchange::new(Arc::clone(&application), capable(Method::GET))
            .on_informational(move |status, _| sink.lock().unwrap().push(status.as_u16()));
        let response = (0..polls).find_map(|_| match poller.poll(&mut exchange) {
            std::task::Poll::Ready(response) => Some(response),
            std::task::Poll::Pending => None,
        });
        assert_eq!(*sent.lock().unwrap(), if polls == 0 { &[][..] } else { &[103] });
        drop((exchange, response));
        // The inner exchange knows the outer one and is held by it: dropping must not leave a circle behind.
        assert_eq!(Arc::strong_count(&sent), 1, "after {polls} polls");
    }
    drop(application);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn hooks_run_for_head_too() {
    let ran = run(
        |_: Environ, mut start: StartResponse| async move {
            start.map_head(|head| head.insert("x-by", "hook"));
            start.respond(StatusCode::OK, (), "x")
        },
        head(),
    )
    .unwrap();
    assert_eq!((ran.header("x-by"), ran.header("content-length")), (Some("hook"), Some("1")));
}
