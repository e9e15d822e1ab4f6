//! The thread that writes the access log.
//!
//! Rules of this room: a door; what comes is written in its order, many lines in one write where many wait, and at once where none does; a full disk or
//! a slow one costs lines and no client's time, and is told once a while.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use tokio::sync::oneshot;

use super::format::AccessLogFormat;
use crate::observation::Details;

/// Records that may wait: a burst, and not the memory of the machine.
const WAITING: usize = 16 * 1024;
/// What is gathered before it is written.
const GATHERED: usize = 64 * 1024;

enum Order {
    Write(Box<Details>),
    Reopen,
    Flush(oneshot::Sender<()>),
}

/// The writer's end for those who serve.
#[derive(Debug)]
pub(super) struct Writer {
    orders: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

/// Standard output, or a file that can be opened anew.
enum Sink {
    Output(io::Stdout),
    File(PathBuf, File),
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Output(io::stdout()));
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::File(path.to_owned(), file))
    }

    fn reopen(&mut self) {
        if let Self::File(path, file) = self {
            match OpenOptions::new().create(true).append(true).open(&*path) {
                Ok(anew) => *file = anew,
                // Lines in the old file are better than none.
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "the access log could not be opened anew")
                }
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Output(output) => {
                let mut output = output.lock();
                output.write_all(lines)?;
                output.flush()
            }
            Self::File(_, file) => file.write_all(lines),
        }
    }
}

impl Writer {
    pub(super) fn start(path: &Path, format: Arc<AccessLogFormat>) -> io::Result<Self> {
        let sink = Sink::open(path)?;
        let (orders, received) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(sink, &format, &received, &shared))?;
        Ok(Self { orders, lost })
    }

    pub(super) fn write(&self, details: Box<Details>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.orders.try_send(Order::Write(details))
        {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn reopen(&self) {
        self.order(Order::Reopen);
    }

    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.order(Order::Flush(done));
        // An error is the writer's end: nothing is left to wait for.
        let _ = flushed.await;
    }

    /// A queue that is full is being written, or stuck; the order waits on a thread of its own rather than on the caller's or one that a runtime
    /// waits for at its end.
    fn order(&self, order: Order) {
        let orders = self.orders.clone();
        if let Err(TrySendError::Full(order)) = orders.try_send(order) {
            // Where there is no thread the order is lost, and whoever waits for it is told so.
            let _ = std::thread::Builder::new().spawn(move || orders.send(order));
        }
    }
}

fn run(mut sink: Sink, format: &AccessLogFormat, orders: &Receiver<Order>, lost: &AtomicU64) {
    let mut lines = Vec::with_capacity(GATHERED);
    let mut failing = false;
    let mut send = |sink: &mut Sink, lines: &mut Vec<u8>| {
        if lines.is_empty() {
            return;
        }
        let result = sink.write(lines);
        if let Err(error) = &result
            && !failing
        {
            tracing::error!(%error, "the access log cannot be written; its lines are lost until it can");
        }
        failing = result.is_err();
        lines.clear();
    };
    loop {
        let order = match orders.try_recv() {
            Ok(order) => order,
            Err(TryRecvError::Empty) => {
                send(&mut sink, &mut lines);
                let missing = lost.swap(0, Relaxed);
                if missing > 0 {
                    tracing::warn!(missing, "the access log was too slow; lines are missing");
                }
                match orders.recv() {
                    Ok(order) => order,
                    Err(_) => return,
                }
            }
            Err(TryRecvError::Disconnected) => {
                send(&mut sink, &mut lines);
                return;
            }
        };
        match order {
            Order::Write(details) => {
                format.line(&details, &mut lines);
                if lines.len() >= GATHERED {
                    send(&mut sink, &mut lines);
                }
            }
            Order::Reopen => {
                // What came before belongs to the old file.
                send(&mut sink, &mut lines);
                sink.reopen();
            }
            Order::Flush(done) => {
                send(&mut sink, &mut lines);
                // Whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }
}
