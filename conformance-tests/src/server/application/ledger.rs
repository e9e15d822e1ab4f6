//! What the application saw, and what it waits for: pages of events and gates, by tag.
//!
//! Rules of this room: an event is written before anybody is woken; a wait has no time limit of its own (the client has
//! one) and holds no lock.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use rwgi::Environ;
use serde_json::{Value, json};

/// The pages of all tags.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
    /// Told with the wakers, for those who wait on a thread.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pages {
    by_tag: HashMap<String, Page>,
    waiting: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Page {
    events: Vec<Value>,
    open: HashSet<String>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, tag: &str, change: impl FnOnce(&mut Page)) {
        let waiting = {
            let mut pages = self.lock();
            change(pages.by_tag.entry(tag.to_owned()).or_default());
            std::mem::take(&mut pages.waiting)
        };
        self.changed.notify_all();
        for waker in waiting {
            waker.wake();
        }
    }

    /// Adds an event to a page.
    pub fn note(&self, tag: &str, event: &str, mut details: Value) {
        details["event"] = json!(event);
        self.change(tag, |page| page.events.push(details));
    }

    /// Opens a gate, for ever.
    pub fn open(&self, tag: &str, gate: &str) {
        self.change(tag, |page| {
            page.open.insert(gate.to_owned());
        });
    }

    /// The events of a page.
    pub fn events(&self, tag: &str) -> Vec<Value> {
        self.lock().by_tag.get(tag).map(|page| page.events.clone()).unwrap_or_default()
    }

    pub(super) fn page(&self, tag: &str) -> Value {
        json!({ "tag": tag, "events": self.events(tag) })
    }

    /// Waits until a page holds `count` events of this name.
    pub(super) async fn wait(&self, tag: &str, event: &str, count: usize) {
        let is_event = |found: &&Value| found["event"] == event;
        self.until(tag, |page| page.events.iter().filter(is_event).count() >= count).await;
    }

    async fn until(&self, tag: &str, holds: impl Fn(&Page) -> bool) {
        poll_fn(|cx| {
            let mut pages = self.lock();
            if pages.by_tag.get(tag).is_some_and(&holds) {
                return Poll::Ready(());
            }
            pages.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Begins a call's page; without a tag nothing is kept.
    pub(super) fn visit(self: &Arc<Self>, tag: Option<&str>, environ: &Environ) -> Visit {
        let visit = Visit {
            ledger: Arc::clone(self),
            tag: tag.map(str::to_owned),
            returned: std::sync::atomic::AtomicBool::new(false),
        };
        visit
            .note("called", json!({ "method": environ.method().as_str(), "path": environ.path() }));
        visit
    }
}

/// One call of the application: notes how it ended, its drop included.
#[derive(Debug)]
pub(super) struct Visit {
    ledger: Arc<Ledger>,
    tag: Option<String>,
    returned: std::sync::atomic::AtomicBool,
}

impl Visit {
    pub(super) fn note(&self, event: &str, details: Value) {
        if let Some(tag) = &self.tag {
            self.ledger.note(tag, event, details);
        }
    }

    /// Waits, as a future, for a gate of this page.
    pub(super) async fn gate(&self, name: &str) {
        if let Some(tag) = &self.tag {
            self.ledger.until(tag, |page| page.open.contains(name)).await;
        }
    }

    /// Waits, on this thread, for a gate of this page.
    pub(super) fn gate_blocking(&self, name: &str) {
        let Some(tag) = &self.tag else { return };
        let mut pages = self.ledger.lock();
        while !pages.by_tag.get(tag).is_some_and(|page| page.open.contains(name)) {
            pages = self.ledger.changed.wait(pages).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that the application is about to return.
    pub(super) fn returned(&self, ok: bool) {
        self.returned.store(true, std::sync::atomic::Ordering::SeqCst);
        self.note("returned", json!({ "ok": ok }));
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.returned.load(std::sync::atomic::Ordering::SeqCst) {
            let panicking = std::thread::panicking();
            self.note(if panicking { "panicked" } else { "dropped" }, json!({}));
        }
    }
}
