//! What is logged on this thread.
//!
//! Rules of this room: the process has one subscriber, for all threads and for ever, which keeps the lines of the threads that listen. With a
//! subscriber that comes and goes, `tracing` may ask a neighbour's thread, which has none, whether anybody wants a line, and
//! keep its no.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, Once};

use tracing::Level;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};

thread_local! {
    static LISTENING: RefCell<Option<(Log, Level)>> = const { RefCell::new(None) };
}

/// The lines that were logged on this thread since it was made.
///
/// It belongs into tests on a runtime of one thread, where the server logs on the test's own.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// This thread listens until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Listening(PhantomData<*const ()>);

impl Log {
    /// Begins to listen to what an operator sees.
    pub fn listen() -> (Self, Listening) {
        Self::listen_at(Level::INFO)
    }

    /// Begins to listen to all, the end of spans as well.
    pub fn listen_to_spans() -> (Self, Listening) {
        Self::listen_at(Level::DEBUG)
    }

    fn listen_at(level: Level) -> (Self, Listening) {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let lines = fmt::layer()
                .with_span_events(FmtSpan::CLOSE)
                .with_ansi(false)
                .without_time()
                .with_writer(OfThisThread);
            let listened = dynamic_filter_fn(|metadata, _| {
                LISTENING.with_borrow(|log| {
                    log.as_ref().is_some_and(|(_, most)| metadata.level() <= most)
                })
            });
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(listened));
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let log = Self::default();
        LISTENING.set(Some((log.clone(), level)));
        (log, Listening(PhantomData))
    }

    /// Takes the lines so far that say anything of `what`.
    pub fn take(&self, what: &str) -> Vec<String> {
        let octets = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(octets).unwrap();
        text.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct OfThisThread;

impl MakeWriter<'_> for OfThisThread {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        LISTENING.with_borrow(|log| log.as_ref().map(|(log, _)| log.clone()).unwrap_or_default())
    }
}
