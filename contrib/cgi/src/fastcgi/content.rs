//! A request's content between the connection and the application: what arrived and was not read yet.
//!
//! Rules of this room: at most [`MOST`] octets wait, and then the connection is not read, which is backpressure; an end that never
//! came is an error and no end.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

/// What may wait for the application: 64 KiB, a record's worth.
const MOST: usize = 64 * 1024;

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
    octets: usize,
    ended: bool,
    /// The application has dropped its input.
    unwanted: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

/// The connection's end of a request's content.
#[derive(Debug)]
pub(super) struct Sender(Arc<Mutex<State>>);

/// The application's end.
#[derive(Debug)]
pub(super) struct Receiver(Arc<Mutex<State>>);

pub(super) fn channel() -> (Sender, Receiver) {
    let state = Arc::new(Mutex::new(State::default()));
    (Sender(Arc::clone(&state)), Receiver(state))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sender {
    /// Gives what arrived; nothing at all is the end.
    pub(super) fn give(&self, data: Bytes) {
        let mut state = lock(&self.0);
        if data.is_empty() {
            state.ended = true;
        } else if !state.unwanted {
            state.octets += data.len();
            state.waiting.push_back(data);
        }
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Whether more may come; where not, the task is woken once it may.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        let mut state = lock(&self.0);
        if state.octets < MOST {
            return true;
        }
        state.connection = Some(cx.waker().clone());
        false
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(reader) = lock(&self.0).reader.take() {
            reader.wake();
        }
    }
}

impl Body for Receiver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = lock(&self.0);
        if let Some(data) = state.waiting.pop_front() {
            state.octets -= data.len();
            if state.octets < MOST
                && let Some(connection) = state.connection.take()
            {
                connection.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if Arc::strong_count(&self.0) == 1 {
            let why = "the web server took the request back";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.unwanted = true;
        state.waiting.clear();
        state.octets = 0;
        if let Some(connection) = state.connection.take() {
            connection.wake();
        }
    }
}
