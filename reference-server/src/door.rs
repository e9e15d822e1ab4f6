//! The doors: listening sockets that the runtime knows, and how clients are let in through them.
//!
//! Rules of this room: a client is let in only where there is a place for it, and it keeps the place until its connection ends; what the
//! kernel has accepted by the time a door closes is served or dropped, never forgotten.

use std::sync::Arc;

use rwgi::Endpoint;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::bind::Bound;
use crate::connection::Shared;
use crate::listener::{FiledUnixListener, Listener};
use crate::stop::Stage;
use crate::transport::Transport;
use crate::workers::Workers;
use crate::{Error, Result};

/// A listening socket that the runtime knows.
pub(crate) enum Door {
    Tcp { listener: TcpListener, tls: bool },
    Unix(FiledUnixListener),
}

impl Door {
    pub(crate) fn open(bound: Bound) -> Result<Self> {
        match bound {
            Bound::Tcp { listener, tls } => listener
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(listener))
                .map(|listener| Self::Tcp { listener, tls }),
            Bound::Unix { listener, file } => {
                FiledUnixListener::new(listener, file).map(Self::Unix)
            }
        }
        .map_err(|error| Error::runtime("a listening socket could not be used", error))
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Tcp { listener, .. } => listener.endpoint(),
            Self::Unix(listener) => listener.endpoint(),
        }
    }
}

/// Lets clients in until the server stops; `serve` gets each of them.
pub(crate) async fn accept<L: Listener, S: Future<Output = ()> + Send + 'static>(
    mut listener: L,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    workers: Option<Arc<Workers>>,
    serve: impl Fn(L::Stream) -> S + Sync,
) {
    let enter = |stream: L::Stream, place: OwnedSemaphorePermit| {
        let runtime = workers.as_deref().map(Workers::next);
        let stream = match runtime {
            Some(runtime) => match stream.move_to(runtime) {
                Ok(stream) => stream,
                Err(error) => {
                    return tracing::warn!(%error, "a connection could not be dealt to its core");
                }
            },
            None => stream,
        };
        let connection = serve(stream);
        let connection = async move {
            connection.await;
            drop(place);
        };
        match runtime {
            Some(runtime) => tasks.spawn_on(connection, runtime),
            None => tasks.spawn(connection),
        };
    };
    let next = async |listener: &mut L| {
        let place = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        enter(listener.accept().await, place);
    };
    loop {
        tokio::select! {
            biased;
            () = shared.stop.beyond(Stage::Announce) => break,
            () = next(&mut listener) => {}
        }
    }
    let handover = tokio::time::sleep(listener.leave());
    tokio::pin!(handover);
    while !handover.is_elapsed() {
        tokio::select! {
            () = &mut handover => {}
            () = shared.stop.beyond(Stage::Drain) => break,
            () = next(&mut listener) => {}
        }
    }
    for stream in listener.close() {
        // Beyond the limit nobody is served, and the drop says so.
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            enter(stream, place);
        }
    }
}
