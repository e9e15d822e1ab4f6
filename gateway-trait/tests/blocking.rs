//! Blocking applications: on a thread, with the same input, writer and culprits as everywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::collections::VecDeque;
use std::io::{BufRead, Read, Write};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, ThreadId};

use bytes::Bytes;
use common::script::Script;
use common::{Log, capable, get};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use rwgi::{
    Application, Blocking, BlockingApplication, BlockingExecutor, BlockingInput,
    BlockingStartResponse, BodyLength, Connection, Environ, Error, Exchange, Fault, Finished,
    Input, OutcomeKind, Result, ServerInfo,
};

type Collected = http_body_util::Collected<Bytes>;

/// Runs an application to its end on this thread, which waits.
fn run(application: impl Application, environ: Environ) -> Result<(StatusCode, Collected)> {
    pollster::block_on(async {
        let response = Exchange::new(Arc::new(application), environ).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?))
    })
}

/// An executor that keeps its jobs until it is told what to do with them.
#[derive(Default)]
struct Desk {
    jobs: Mutex<VecDeque<Box<dyn FnOnce() + Send>>>,
    full: bool,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl BlockingExecutor for Desk {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<()> {
        if self.full {
            return Err(Error::server("full").with_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        self.jobs.lock().unwrap().push_back(job);
        Ok(())
    }
}

fn at(desk: &Arc<Desk>) -> (ServerInfo, Environ) {
    let mut server = ServerInfo::new("test/1");
    server.blocking = Some(Arc::clone(desk) as Arc<dyn BlockingExecutor>);
    let connection = Connection { server: Arc::new(server.clone()), ..Connection::default() };
    (server, Environ::builder().connection(connection).build().unwrap())
}

fn hello(_: Environ, start: BlockingStartResponse) -> Result<Finished> {
    start.respond(StatusCode::OK, (), "hello")
}

// Evidence: REQ-APP-06
#[test]
fn a_blocking_call_runs_on_another_thread() {
    let (tell, thread) = mpsc::channel::<ThreadId>();
    let tell = Mutex::new(tell);
    let (status, content) = run(
        Blocking::new(move |environ: Environ, start: BlockingStartResponse| {
            tell.lock().unwrap().send(thread::current().id())?;
            hello(environ, start)
        }),
        get(),
    )
    .unwrap();
    assert_eq!((status.as_u16(), content.to_bytes().as_ref()), (200, &b"hello"[..]));
    assert_ne!(thread.recv().unwrap(), thread::current().id());
}

// Evidence: REQ-APP-06
#[test]
fn a_call_that_blocks_holds_up_nobody() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let inside = Arc::clone(&gate);
    let application = Arc::new(Blocking::new(move |environ: Environ, start| {
        if environ.path_info() == "/blocked" {
            let (open, changed) = &*inside;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        }
        hello(environ, start)
    }));
    let poller = common::Poller::new();
    let blocked = Environ::builder().uri("/blocked").build().unwrap();
    let mut first = Exchange::new(Arc::clone(&application), blocked);
    assert!(poller.poll(&mut first).is_pending());
    assert_eq!(pollster::block_on(Exchange::new(application, get())).unwrap().status(), 200);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    assert_eq!(pollster::block_on(first).unwrap().status(), 200);
}

#[test]
fn it_reads_lines_and_writes_as_any_writer() {
    fn numbered(mut environ: Environ, start: BlockingStartResponse) -> Result<Finished> {
        let input = BlockingInput::from(environ.take_input());
        let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
        for (number, line) in input.lines().enumerate() {
            writeln!(body, "{number}: {}", line?)?;
        }
        body.flush()?;
        assert!(body.is_committed() && !body.is_departed());
        body.send("end")?;
        body.finish()
    }
    let environ = Environ::builder().input("one\ntwo\n").build().unwrap();
    let (_, content) = run(Blocking::new(numbered), environ).unwrap();
    assert_eq!(content.to_bytes(), "0: one\n1: two\nend");
}

#[test]
fn a_reader_gets_pieces_trailers_and_the_end_for_ever() {
    let body = Script::data(&["abc", "de"]).then_empty().then_trailers();
    let mut input = BlockingInput::from(Input::from_body(body, BodyLength::Unknown));
    let mut buffer = [0; 2];
    assert_eq!(input.read(&mut []).unwrap(), 0);
    assert_eq!((input.read(&mut buffer).unwrap(), &buffer), (2, b"ab"));
    assert_eq!((input.read(&mut buffer).unwrap(), buffer[0]), (1, b'c'));
    assert_eq!((input.read(&mut buffer).unwrap(), &buffer), (2, b"de"));
    for _ in 0..2 {
        assert_eq!(input.read(&mut buffer).unwrap(), 0);
    }
    assert_eq!(input.trailers().unwrap().unwrap()["x-sum"], "1");
}

#[test]
fn what_is_formatted_in_one_call_is_one_piece() {
    let application = |_: Environ, start: BlockingStartResponse| {
        let mut body = start.start(StatusCode::OK, ())?;
        for number in 0..3 {
            writeln!(body, "{number}: {:>3}", number * number)?;
        }
        body.finish()
    };
    let frames = pollster::block_on(async {
        let mut body =
            Exchange::new(Arc::new(Blocking::new(application)), get()).await.unwrap().into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
        }
        frames
    });
    assert_eq!(frames, ["0:   0\n", "1:   1\n", "2:   4\n"]);
}

// Evidence: REQ-ERR-01, REQ-INPUT-04
#[test]
fn an_error_keeps_its_culprit_through_io() {
    fn read(mut environ: Environ, start: BlockingStartResponse) -> Result<Finished> {
        let mut text = String::new();
        BlockingInput::from(environ.take_input()).read_to_string(&mut text)?;
        start.respond(StatusCode::OK, (), text)
    }
    let cut = Input::from_body(http_body_util::Full::new(Bytes::from("abc")), BodyLength::Exact(9));
    let mut environ = get();
    environ.set_input(cut);
    let error = run(Blocking::new(read), environ).err().unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Client, 400));
    assert_eq!(error.requirement(), Some("REQ-INPUT-04"));

    let mut environ = Environ::builder().input("larger than that").build().unwrap();
    environ.input_mut().set_limit(Some(4));
    let error = run(Blocking::new(read), environ).err().unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Client, 413));
}

// Evidence: REQ-ERR-05, REQ-ERR-08
#[test]
fn a_panic_on_the_thread_is_a_panic_of_the_application() {
    let log = Log::default();
    let watched = log.clone();
    let error = run(
        Blocking::new(move |_: Environ, mut start: BlockingStartResponse| {
            let seen = watched.clone();
            start.on_complete(move |outcome| seen.record(outcome));
            panic!("on the thread")
        }),
        get(),
    )
    .err()
    .unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Application, 500));
    assert_eq!(error.message(), "the application panicked: on the thread");
    assert_eq!(log.told(), (OutcomeKind::Failed, Some(500), 0));

    let after_the_commit = |_: Environ, start: BlockingStartResponse| -> Result<Finished> {
        let mut body = start.start(StatusCode::OK, ())?;
        body.send("half")?;
        body.flush()?;
        panic!("on the thread")
    };
    assert!(run(Blocking::new(after_the_commit), get()).is_err());
}

// Evidence: REQ-EXCH-12, REQ-EXCH-10
#[test]
fn a_departure_is_an_error_of_the_next_write() {
    let (tell, ended) = mpsc::channel::<(bool, Error)>();
    let tell = Mutex::new(tell);
    let log = Log::default();
    let watched = log.clone();
    let application = Blocking::new(move |_: Environ, mut start: BlockingStartResponse| {
        let seen = watched.clone();
        start.on_complete(move |outcome| seen.record(outcome));
        let mut body = start.start(StatusCode::OK, ())?;
        loop {
            if let Err(error) = body.write_all(b"tick") {
                let error = Error::from(error);
                tell.lock().unwrap().send((body.is_departed(), error))?;
                return body.finish();
            }
        }
    });
    let mut body =
        pollster::block_on(Exchange::new(Arc::new(application), get())).unwrap().into_body();
    pollster::block_on(body.frame()).unwrap().unwrap();
    drop(body);
    let (departed, error) = ended.recv().unwrap();
    assert!(departed);
    assert_eq!(error.fault(), Fault::Client, "the culprit survives io::Error");
    assert_eq!(log.one().kind(), OutcomeKind::Cancelled);
}

#[test]
fn a_call_runs_where_the_server_says() {
    let desk = Arc::new(Desk::default());
    let (_, environ) = at(&desk);
    let poller = common::Poller::new();
    let mut exchange = Exchange::new(Arc::new(Blocking::new(hello)), environ);
    assert!(poller.poll(&mut exchange).is_pending());
    let job = desk.jobs.lock().unwrap().pop_front().unwrap();
    job();
    assert_eq!(poller.drive(&mut exchange).unwrap().status(), 200);
}

// Evidence: REQ-APP-06
#[test]
fn a_full_or_stopping_executor_answers_503() {
    let (_, environ) = at(&Arc::new(Desk { full: true, ..Desk::default() }));
    let error = run(Blocking::new(hello), environ).err().unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Server, 503));

    let desk = Arc::new(Desk::default());
    let (_, environ) = at(&desk);
    let poller = common::Poller::new();
    let mut exchange = Exchange::new(Arc::new(Blocking::new(hello)), environ);
    assert!(poller.poll(&mut exchange).is_pending());
    desk.jobs.lock().unwrap().clear();
    let error = poller.drive(&mut exchange).err().unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Server, 503));
}

/// A blocking application that counts its life.
#[derive(Default)]
struct Life {
    seen: Mutex<Vec<String>>,
}

impl BlockingApplication for Life {
    fn call(&self, environ: Environ, start: BlockingStartResponse) -> Result<Finished> {
        self.seen.lock().unwrap().push("call".to_owned());
        hello(environ, start)
    }

    fn startup(&self, server: &ServerInfo) -> Result<()> {
        if server.software() == "refused/1" {
            return Err(Error::application("no database"));
        }
        assert_ne!(server.software(), "panic/1", "startup panics");
        self.seen.lock().unwrap().push(format!("startup of {}", server.software()));
        Ok(())
    }

    fn shutdown(&self) {
        self.seen.lock().unwrap().push("shutdown".to_owned());
    }
}

// Evidence: REQ-LIFE-01, REQ-LIFE-03, REQ-LIFE-04
#[test]
fn its_lifespan_passes_through() {
    let life = Arc::new(Life::default());
    let application = Blocking::new(Shared(Arc::clone(&life)));
    pollster::block_on(application.startup(&ServerInfo::new("test/1"))).unwrap();
    let refused = pollster::block_on(application.startup(&ServerInfo::new("refused/1")));
    assert_eq!(refused.unwrap_err().message(), "no database");
    assert!(pollster::block_on(application.startup(&ServerInfo::new("panic/1"))).is_err());
    pollster::block_on(application.shutdown());
    assert_eq!(*life.seen.lock().unwrap(), ["startup of test/1", "shutdown"]);
}

struct Shared(Arc<Life>);

impl BlockingApplication for Shared {
    fn call(&self, environ: Environ, start: BlockingStartResponse) -> Result<Finished> {
        self.0.call(environ, start)
    }

    fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.0.startup(server)
    }

    fn shutdown(&self) {
        self.0.shutdown();
    }
}

#[test]
fn every_way_to_answer_is_there() {
    fn ways(environ: Environ, mut start: BlockingStartResponse) -> Result<Finished> {
        assert!(!start.is_departed());
        start.map_head(|head| head.insert("x-by", "hook"));
        assert_eq!(start.inform(StatusCode::EARLY_HINTS, ()).unwrap_err().status(), 501);
        match environ.path_info() {
            "/with" => {
                start.respond_with(rwgi::ResponseHead::new(StatusCode::CREATED, ())?, "created")
            }
            "/forward" => start.forward(http::Response::new("forwarded".to_owned())),
            "/start" => {
                let head = rwgi::ResponseHead::new(StatusCode::CREATED, ())?;
                let mut body = start.start_with(head.clone());
                body.replace_head_with(head)?;
                body.replace_head(StatusCode::ACCEPTED, ())?;
                body.send("started")?;
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "7".parse()?);
                body.finish_with_trailers(trailers)
            }
            _ => start.respond(StatusCode::NOT_FOUND, (), ""),
        }
    }
    for (path, status, text) in [
        ("/with", 201, "created"),
        ("/forward", 200, "forwarded"),
        ("/start", 202, "started"),
        ("/", 404, ""),
    ] {
        let environ = Environ::builder()
            .uri(path)
            .connection(capable(Method::GET).share_connection())
            .build()
            .unwrap();
        let (code, content) = run(Blocking::new(ways), environ).unwrap();
        assert_eq!((code.as_u16(), content.trailers().is_some()), (status, path == "/start"));
        assert_eq!(content.to_bytes(), text);
    }
}
