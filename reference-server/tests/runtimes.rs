//! What the threads that serve share: one runtime, or one for each core, to which connections are dealt.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{Config, Runtime, Server};
use support::certificates::Directory;
use support::{Client, within};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

fn per_core() -> Config {
    Config { runtime: Runtime::PerCore, ..Config::default() }
}

/// Says on which thread it runs, before and after it has waited, and whether a task of its own runs there too.
async fn where_it_runs(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let name = || thread::current().name().unwrap_or_default().to_owned();
    let before = name();
    let spawned = tokio::spawn(async move { name() }).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    start.respond(StatusCode::OK, (), format!("{before} {spawned} {}", name()))
}

#[tokio::test]
async fn connections_are_dealt_to_the_cores_in_turn_and_stay_there() {
    let directory = Directory::new();
    let unix = directory.file("s");
    let server = Server::new(where_it_runs)
        .bind("127.0.0.1:0")
        .bind(format!("unix:{}", unix.display()))
        .config(per_core())
        .start()
        .await
        .unwrap();
    let address = server.address().unwrap();
    let cores = thread::available_parallelism().unwrap().get();
    let mut seen = BTreeMap::<String, usize>::new();
    let mut open = Vec::new();
    for _ in 0..2 * cores {
        let mut client = Client::new(TcpStream::connect(address).await.unwrap());
        let mut names = Vec::new();
        for _ in 0..3 {
            let text = client.get("/").await.text().to_owned();
            names.extend(text.split(' ').map(str::to_owned));
        }
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        assert!(names[0].starts_with("rwgi-core-"), "{names:?}");
        *seen.entry(names.remove(0)).or_default() += 1;
        open.push(client);
    }
    assert_eq!(seen.len(), cores, "{seen:?}");
    assert!(seen.values().all(|connections| *connections == 2), "{seen:?}");
    let mut client = Client::new(UnixStream::connect(&unix).await.unwrap());
    assert!(client.get("/").await.text().starts_with("rwgi-core-"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_under_way_on_a_core_may_end_before_the_server_does() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ended = Arc::new(AtomicBool::new(false));
    let application = {
        let (begun, go_on, ended) = (begun.clone(), go_on.clone(), ended.clone());
        move |_: Environ, start: StartResponse| {
            let (begun, go_on, ended) = (begun.clone(), go_on.clone(), ended.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                ended.store(true, SeqCst);
                start.respond(StatusCode::OK, (), "done")
            }
        }
    };
    let server =
        Server::new(application).bind("127.0.0.1:0").config(per_core()).start().await.unwrap();
    let mut client = Client::new(TcpStream::connect(server.address().unwrap()).await.unwrap());
    let asked = tokio::spawn(async move { client.get("/").await.text().to_owned() });
    begun.notified().await;
    let stopped = tokio::spawn(server.stop());
    go_on.notify_one();
    assert_eq!(within("the answer", asked).await.unwrap(), "done");
    within("the end of the server", stopped).await.unwrap().unwrap();
    assert!(ended.load(SeqCst));
}
