//! `rwgi dev -- cargo run …`: builds, starts and starts again on each change, and holds the socket meanwhile.
//!
//! Rules of this room: the socket is bound once and never closed, so that no request is refused while the application is away: it waits, or it is shown the
//! compiler's words; what serves is only replaced by what was built; the application ends with this command.

mod child;
mod watch;

use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;

use self::child::{Built, Child};
use self::watch::{Changes, watch};
use crate::bind::{Bound, bind};
use crate::config::Config;
use crate::development::{self, Section};
use crate::signals::Signals;
use crate::{Error, Result, Running, Server};

/// Builds and serves until SIGTERM or ctrl-c.
///
/// # Errors
/// An address that cannot be listened on; folders that cannot be watched.
pub(super) fn run(config: &Config, folders: &[PathBuf], command: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("the runtime could not start", error))?;
    let result = runtime.block_on(develop(config, folders, command));
    runtime.shutdown_background();
    result
}

async fn develop(config: &Config, folders: &[PathBuf], command: &[String]) -> Result<()> {
    let mut signals = Signals::new()?;
    let held: Vec<Bound> =
        config.bind.iter().map(|address| bind(address, config)).collect::<Result<_>>()?;
    let Changes { mut changed, _watcher } = watch(folders)?;
    tokio::select! {
        result = forever(config, command, &held, &mut changed) => result,
        () = signals.stop() => Ok(()),
    }
}

/// Turns until it is dropped, which ends whatever it has started.
async fn forever(
    config: &Config,
    command: &[String],
    held: &[Bound],
    changed: &mut Receiver<()>,
) -> Result<()> {
    let mut serving: Option<Child> = None;
    let mut page: Option<Running> = None;
    let mut announced = false;
    loop {
        let built = tokio::select! {
            built = child::build(command) => built,
            // What is being built is out of date already.
            Some(()) = changed.recv() => continue,
        };
        let words = match built {
            Built::Well => None,
            Built::Badly(words) => Some(words),
            Built::NotAtAll(error) => return Err(Error::runtime(&command[0], error)),
        };
        if let Some(old) = serving.take() {
            old.end();
        }
        if let Some(page) = page.take() {
            // Whoever still reads the page of before has had its time.
            let _ = page.stop_within(child::PATIENCE).await;
        }
        match words {
            None => serving = Some(Child::start(command, held)?),
            Some(words) => {
                page = show(
                    config,
                    held,
                    "The application does not build",
                    vec![Section::code("The compiler says", &words)],
                )
                .await;
            }
        }
        if !announced {
            announced = true;
            for endpoint in held.iter().filter_map(address) {
                tracing::info!(%endpoint, "listening");
            }
        }
        let ended = tokio::select! {
            next = changed.recv() => match next {
                Some(()) => continue,
                None => return Ok(()),
            },
            ended = child::ended(&mut serving) => ended,
        };
        serving = None;
        tracing::warn!("the application has ended: {ended}");
        let words = format!(
            "It has ended: {ended}. What it said stands in the terminal; it is started again on the next change."
        );
        page = show(
            config,
            held,
            "The application does not run",
            vec![Section::text("What happened", &words)],
        )
        .await;
        if changed.recv().await.is_none() {
            return Ok(());
        }
    }
}

fn address(bound: &Bound) -> Option<std::net::SocketAddr> {
    match bound {
        Bound::Tcp { listener, .. } => listener.local_addr().ok(),
        Bound::Unix { .. } => None,
    }
}

/// Answers on the held sockets (those of TCP) with a page, until the application can; `None` where that is not possible, and clients wait instead.
async fn show(
    config: &Config,
    held: &[Bound],
    title: &'static str,
    sections: Vec<Section>,
) -> Option<Running> {
    let copies = held.iter().filter_map(|bound| match bound {
        Bound::Tcp { listener, .. } => listener.try_clone().ok(),
        Bound::Unix { .. } => None,
    });
    let open = |listener: StdListener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    let listeners: Vec<TcpListener> = copies.filter_map(|copy| open(copy).ok()).collect();
    let config = Config { admin: None, access_log: None, ..config.clone() };
    let sections = Arc::new(sections);
    let application = move |environ: Environ, start: StartResponse| {
        let sections = Arc::clone(&sections);
        async move { answer(&environ, start, title, &sections) }
    };
    let server = Server::new(application).config(config).unannounced();
    match server.start_on(listeners).await {
        Ok(running) => Some(running),
        Err(error) => {
            tracing::warn!("no page can be shown: {error}");
            None
        }
    }
}

fn answer(
    environ: &Environ,
    start: StartResponse,
    title: &str,
    sections: &[Section],
) -> rwgi::Result<Finished> {
    let accept = environ.headers().get(http::header::ACCEPT);
    let as_html =
        accept.is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    let note = "rwgi dev tries again on the next change of a file. Reload this page then.";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    start.forward(
        development::response(status, title, note, sections, as_html)
            .map(http_body_util::Full::new),
    )
}
