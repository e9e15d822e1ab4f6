//! How the server fares with many clients at once, bad ones among them: each test with a figure.
//!
//! Short by default, so that CI has the time. `RWGI_LONG=1 cargo test --release -p rwgi-server --test behaviour -- --nocapture --test-threads 1`
//! (`just behaviour`) runs the long form, in which the figures are judged as well, and kept in `benches/results/behaviour.md`.
//!
//! Rules of this test: the server is a process of its own (this program, started again), whose memory and descriptors are looked at from
//! outside; what depends on the machine's speed is printed always, and judged in the long form only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::StatusCode;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit, setrlimit};
use rwgi::{Environ, Finished, StartResponse};
use support::command::Rwgi;
use support::figures::figure;
use support::{Client, End, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// As the command has it; hyper beside it has the same.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MIB: usize = 1024 * 1024;

fn long() -> bool {
    std::env::var_os("RWGI_LONG").is_some()
}

/// The first in CI, the second in the long form.
fn either<T>(short: T, in_long: T) -> T {
    if long() { in_long } else { short }
}

/// What the server does when it is asked.
async fn application(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    match environ.path_info() {
        "/large" => {
            let mut body = start.start(StatusCode::OK, ())?;
            for _ in 0..64 * MIB / 16_384 {
                body.write(vec![b'x'; 16_384]).await?;
            }
            body.finish()
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            start.respond(StatusCode::OK, (), vec![b'x'; 100_000])
        }
        "/echo" => {
            let content = environ.input_mut().read_to_end(MIB).await?;
            start.respond(StatusCode::OK, (), content)
        }
        "/panic" => panic!("as it was asked to"),
        _ => start.respond(StatusCode::OK, (), "Hello, World!"),
    }
}

/// Not a test: the server of the others.
#[test]
#[ignore = "started by the other tests"]
fn server() {
    if std::env::var_os("RWGI_TEST_SERVER").is_some() {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(io::stderr)
            .init();
        std::process::exit(rwgi_server::serve(application).map_or(1, |()| 0));
    }
}

/// Not a test: hyper with nothing around it.
#[test]
#[ignore = "started by the other tests"]
fn bare_hyper() {
    if std::env::var_os("RWGI_TEST_SERVER").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        eprintln!("endpoint={}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|_| async {
                let body = http_body_util::Full::new(bytes::Bytes::from_static(b"Hello, World!"));
                Ok::<_, Infallible>(http::Response::new(body))
            });
            let http = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(http);
        }
    });
}

/// This program again, as one of its servers.
fn again(which: &str, settings: &[(&str, &str)], descriptors: Option<usize>) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match descriptors {
        None => Command::new(program),
        Some(most) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!(r#"ulimit -n {most}; exec "$0" "$@""#)]).arg(program);
            shell
        }
    };
    command
        .args([which, "--exact", "--ignored", "--nocapture"])
        .env("RWGI_TEST_SERVER", "1")
        .env("RWGI_BIND", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .stdin(Stdio::null());
    command
}

async fn start(settings: &[(&str, &str)]) -> Rwgi {
    Rwgi::spawn(again("server", settings, None)).await
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The times of so many requests by four clients, in order of length.
async fn times(address: SocketAddr, requests: usize) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut times = Vec::new();
            for _ in 0..requests / 4 {
                let begun = Instant::now();
                assert_eq!(client.request(GET).await.status, 200);
                times.push(begun.elapsed());
            }
            times
        });
    }
    let mut times: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    times.sort();
    times
}

fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_cost_the_others_nothing_and_are_cut_off_in_time() {
    let count = either(50, 500);
    let server = start(&[("RWGI_HEAD_TIMEOUT", "3s"), ("RWGI_BODY_TIMEOUT", "3s")]).await;
    let address = server.address;
    times(address, 400).await;
    let idle = p99(&times(address, either(2000, 40_000)).await);
    let mut slow = JoinSet::new();
    let begun = Instant::now();
    for number in 0..2 * count {
        slow.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut trickled = false;
            if number % 2 == 0 {
                client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
                trickled = true;
            } else {
                client
                    .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
                    .await;
            }
            let (mut reader, mut writer) = tokio::io::split(client.stream);
            let mut answer = Vec::new();
            let trickle = async {
                // Heads come octet by octet, which does not help; content stops.
                while trickled && writer.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = reader.read_to_end(&mut answer) => {}
                () = trickle => {}
            }
            let answer = String::from_utf8_lossy(&answer).into_owned();
            (answer.starts_with("HTTP/1.1 408"), begun.elapsed(), answer)
        });
    }
    let busy = p99(&times(address, either(2000, 40_000)).await);
    let outcomes = within("the slow clients to be cut off", slow.join_all()).await;
    let last = outcomes.iter().map(|(_, after, _)| *after).max().unwrap();
    for (answered, _, answer) in &outcomes {
        assert!(answered, "{answer:?}");
    }
    figure(&format!(
        "{count} slow heads and {count} slow contents: p99 of the others {busy:?}, idle {idle:?} ({:.2} times); the last was cut off after {last:?}",
        busy.as_secs_f64() / idle.as_secs_f64()
    ));
    assert!(last >= Duration::from_secs(3), "{last:?}");
    if long() {
        assert!(busy <= idle * 2, "{busy:?} is more than twice {idle:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clients_that_do_not_read_cost_little_memory() {
    let server = start(&[]).await;
    times(server.address, 100).await;
    let before = server.resident();
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = Client::connect(server.address).await;
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // The response has begun.
        client.head().await.unwrap();
        clients.push(client);
    }
    // Whoever reads is served meanwhile, for long enough that every buffer is full.
    times(server.address, 2000).await;
    let grown = server.peak().saturating_sub(before);
    figure(&format!(
        "64 clients that do not read 64 MiB: the resident set grew by {grown} KiB at most"
    ));
    assert!(grown < 64 * 1024, "{grown} KiB");
    // They can still read all of it.
    let mut client = clients.pop().unwrap();
    let mut length = 0;
    loop {
        let chunk = client.chunk().await.unwrap();
        if chunk.is_empty() {
            break;
        }
        length += chunk.len();
    }
    assert_eq!(length, 64 * MIB);
}

/// The resident set of one idle connection in bytes, with so many, each of which has been served once and has been idle for a while.
async fn idle_connection(which: &str, count: usize) -> (usize, usize) {
    let server = Rwgi::spawn(again(which, &[("RWGI_CONNECTIONS", "30000")], None)).await;
    times(server.address, 400).await;
    let before = server.resident();
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(server.address).await;
        assert_eq!(client.request(GET).await.status, 200);
        clients.push(client.stream);
    }
    let opened = server.resident();
    // Not waited for: what is measured is what they keep after this time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rested = server.resident();
    println!(
        "{which}: {before} KiB without them, {opened} when the last had come, {rested} after a rest"
    );
    (rested.saturating_sub(before) * 1024 / count, rested)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_keeps_about_what_hypers_does() {
    // The short form has to do with the 1,024 descriptors that a program usually has, its neighbours beside it.
    let count = either(400, 10_000);
    if long() {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
    }
    let (ours, all) = idle_connection("server", count).await;
    let (hypers, _) = idle_connection("bare_hyper", count).await;
    let ratio = ours as f64 / hypers as f64;
    figure(&format!(
        "{count} idle connections: {ours} bytes each ({all} KiB in all), bare hyper {hypers}: {ratio:.2} times"
    ));
    if long() {
        assert!(ratio <= 1.15, "{ratio:.2} times bare hyper's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_runs_out_of_descriptors_recovers() {
    // So few that its own need comes first, before its limit on connections does, which is half of them. What it needs is looked at, and
    // by number, for it is those that the limit holds for: what it inherits from its starter, a shell or cargo, may lie anywhere above.
    let own = start(&[]).await.descriptors();
    let few = 2 * ((0..).find(|number| !own.contains(number)).unwrap() - 2);
    let started = Instant::now();
    let server = Rwgi::spawn(again("server", &[], Some(few))).await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        // The kernel's queue takes whoever the server cannot.
        let mut client = Client::connect(server.address).await;
        client.send(GET).await;
        clients.push(client);
    }
    within("the descriptors to run out", async {
        while server.descriptors().range(..few).count() < few {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let begun = (Instant::now(), server.processor());
    assert_eq!(clients[0].response().await.status, 200);
    tokio::time::sleep(either(Duration::from_secs(1), Duration::from_secs(10))).await;
    let spent = server.processor().saturating_sub(begun.1);
    let share = spent.as_secs_f64() / begun.0.elapsed().as_secs_f64();
    figure(&format!(
        "{few} descriptors, 60 clients: {:.1} % of a core while they wait",
        share * 100.0
    ));
    assert!(share < 0.2, "the server spins: {share:.2} of a core");
    // As places become free, everybody is served.
    for mut client in clients.into_iter().skip(1) {
        assert_eq!(client.response().await.status, 200);
    }
    assert_eq!(Client::connect(server.address).await.request(GET).await.status, 200);
    server.signal("TERM");
    let (status, log) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    // A line when it begins, one when it has not been for a second, and one in ten seconds in between.
    let told = log.lines().filter(|line| line.contains("Too many open files")).count();
    let most = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=most).contains(&told), "{told} lines, not {most}:\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_in_flight_at_sigterm_ends_whole() {
    for _ in 0..either(1, 20) {
        let server = start(&[]).await;
        let mut clients = Vec::new();
        for _ in 0..50 {
            let mut client = Client::connect(server.address).await;
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
            clients.push(client);
        }
        // The last has been let in once one that came later is answered.
        assert_eq!(Client::connect(server.address).await.request(GET).await.status, 200);
        server.signal("TERM");
        for client in &mut clients {
            let response = client.response().await;
            assert_eq!((response.status, response.body.len()), (200, 100_000));
            assert_eq!((response.end, response.closes()), (End::Framed, true));
        }
        assert_eq!(server.ended().await.0.code(), Some(0));
    }
    figure("50 requests in flight at SIGTERM: 50 whole answers, exit code 0");
}

/// One client's life: what it does is chosen by a number; gives how many answers it has checked.
async fn live(address: SocketAddr, mut chance: u64, until: Instant) -> usize {
    let mut next = || {
        // xorshift: cheap, and the same for the same seed.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance
    };
    let mut checked = 0;
    while Instant::now() < until {
        let mut client = Client::connect(address).await;
        for _ in 0..next() % 8 {
            let content: String = (0..next() % 5000).map(|_| 'e').collect();
            let echo = format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}",
                content.len()
            );
            let cut = next() as usize % echo.len();
            match next() % 6 {
                0..=2 => {
                    let response = client.request(&echo).await;
                    assert_eq!((response.status, response.text()), (200, &*content));
                    checked += 1;
                }
                3 => {
                    let response = client.request("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
                    assert_eq!(response.status, 500);
                    checked += 1;
                }
                4 => {
                    client.send(&echo[..cut]).await;
                    client.reset();
                    break;
                }
                _ => {
                    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
                    let mut some = vec![0; next() as usize % 100_000 + 1];
                    let read = client.stream.read(&mut some).await;
                    assert!(!matches!(read, Ok(0)), "an answer begins");
                    client.reset();
                    break;
                }
            }
        }
    }
    checked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_leaves_nothing_behind() {
    let lasts = either(Duration::from_secs(4), Duration::from_secs(600));
    let server = start(&[("RWGI_LOG", "off")]).await;
    let soak = async |seconds: Duration, seed: u64| {
        let until = Instant::now() + seconds;
        let mut clients = JoinSet::new();
        for number in 1..=16 {
            clients.spawn(live(server.address, seed * 1000 + number, until));
        }
        clients.join_all().await.into_iter().sum::<usize>()
    };
    let settled = async || {
        // The last resets have been seen when one client is left.
        let mut client = Client::connect(server.address).await;
        let fewest = AtomicUsize::new(usize::MAX);
        within("the connections to end", async {
            loop {
                assert_eq!(client.request(GET).await.status, 200);
                let descriptors = server.descriptors().len();
                if descriptors >= fewest.fetch_min(descriptors, SeqCst) && descriptors < 40 {
                    break descriptors;
                }
            }
        })
        .await
    };
    let mut checked = soak(lasts / 4, 1).await;
    let (before, descriptors) = (server.resident(), settled().await);
    checked += soak(lasts * 3 / 4, 2).await;
    let (after, descriptors_after) = (server.resident(), settled().await);
    figure(&format!(
        "a soak of {lasts:?}: {checked} answers checked; resident set {before} KiB, then {after} KiB; descriptors {descriptors}, then {descriptors_after}"
    ));
    assert!(descriptors_after <= descriptors + 4, "{descriptors}, then {descriptors_after}");
    assert!(after < before + either(32, 8) * 1024, "{before} KiB, then {after} KiB");
}

#[tokio::test]
async fn more_clients_than_places_are_served_in_turn() {
    // The queue of the kernel is longer than the server's limit: whoever waits there is served in turn.
    let server = start(&[("RWGI_CONNECTIONS", "4")]).await;
    let mut clients = JoinSet::new();
    for _ in 0..either(100, 1000) {
        let address = server.address;
        clients.spawn(async move {
            let mut client = match TcpStream::connect(address).await {
                Ok(stream) => Client::new(stream),
                Err(error) => return Err(error),
            };
            let response =
                client.request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            if response.status == 200 { Ok(()) } else { Err(ErrorKind::Other.into()) }
        });
    }
    let outcomes = clients.join_all().await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    figure(&format!("{} clients at 4 places: {failed} failed", outcomes.len()));
    assert_eq!(failed, 0);
}
