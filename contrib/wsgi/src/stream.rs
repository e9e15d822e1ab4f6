//! Content on its way from Python to the server: blocks in a queue that is bounded in bytes.
//!
//! Rules of this room: whoever gives blocks waits only where the queue is full, and whoever takes them is woken only where it waits, so that
//! a large response costs few changes between the two; the end is said or the response is cut; who leaves is noticed on the other side.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rwgi::{BoxError, Error, Finished, ResponseHead, Result, StartResponse};

/// How many bytes wait for the server before the application has to.
///
/// 512 KiB: at the speed of a local network some milliseconds, so that the two sides seldom wait for each other; a thousand
/// slow clients hold half a gigabyte. uvicorn and hypercorn: 64 KiB.
const ROOM: usize = 512 * 1024;

/// How many bytes are left when an application that had to wait goes on.
///
/// 64 KiB: the two change places once for 448 KiB, and meanwhile the kernel has the last of them to send, and more of its own.
const LOW: usize = 64 * 1024;

/// The side that gives.
#[derive(Debug)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
}

/// The side that takes: the content of a response.
pub(crate) struct StreamBody {
    shared: Arc<Shared>,
    left: Option<u64>,
    /// Dropped with the content, whatever became of it.
    _witness: Box<dyn Send>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<Bytes>,
    bytes: usize,
    end: End,
    departed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Open,
    Whole,
    Failed(Error),
    Over,
}

/// Nobody takes the content any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departed;

/// Both sides of a content, `length` bytes long where that is known.
pub(crate) fn stream(length: Option<u64>, witness: impl Send + 'static) -> (Sink, StreamBody) {
    let shared = Arc::new(Shared::default());
    let sink = Sink { shared: Arc::clone(&shared) };
    (sink, StreamBody { shared, left: length, _witness: Box::new(witness) })
}

/// Answers with a content that the server takes by itself, under a head that was made before.
///
/// # Errors
/// What the contract refuses: a declared length that the content contradicts.
pub(crate) fn forward<B>(token: StartResponse, head: &ResponseHead, body: B) -> Result<Finished>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut response = http::Response::new(body);
    *response.status_mut() = head.status();
    *response.headers_mut() = head.fields().clone();
    // The reason phrase is one.
    *response.extensions_mut() = head.extensions().clone();
    token.forward(response)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Gives a block, whether or not there is room: who gives many asks for [room](Self::poll_room) in between.
    pub(crate) fn push(&self, block: Bytes) -> std::result::Result<(), Departed> {
        let mut state = self.shared.lock();
        if state.departed {
            return Err(Departed);
        }
        state.bytes += block.len();
        state.blocks.push_back(block);
        wake(state, |state| &mut state.reader);
        Ok(())
    }

    /// Waits until there is room for a block; a queue that was full is nearly empty then.
    pub(crate) fn poll_room(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Departed>> {
        let mut state = self.shared.lock();
        if state.departed {
            return Poll::Ready(Err(Departed));
        }
        if state.bytes < ROOM {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether nobody takes the content any more.
    pub(crate) fn is_departed(&self) -> bool {
        self.shared.lock().departed
    }

    /// All of the content was given.
    pub(crate) fn end(self) {
        self.close(End::Whole);
    }

    /// The content ends in the middle: the response is cut.
    pub(crate) fn fail(self, error: Error) {
        self.close(End::Failed(error));
    }

    fn close(&self, end: End) {
        let mut state = self.shared.lock();
        if matches!(state.end, End::Open) {
            state.end = end;
            wake(state, |state| &mut state.reader);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.close(End::Failed(Error::application("the application left its response unfinished")));
    }
}

/// Wakes one side, after the lock was let go.
fn wake(mut state: MutexGuard<'_, State>, side: impl FnOnce(&mut State) -> &mut Option<Waker>) {
    let waker = side(&mut state).take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let mut state = self.shared.lock();
        if let Some(block) = state.blocks.pop_front() {
            state.bytes -= block.len();
            if state.bytes <= LOW {
                wake(state, |state| &mut state.writer);
            } else {
                drop(state);
            }
            let length = block.len() as u64;
            self.left = self.left.map(|left| left.saturating_sub(length));
            return Poll::Ready(Some(Ok(Frame::data(block))));
        }
        match std::mem::replace(&mut state.end, End::Over) {
            End::Open => {
                state.end = End::Open;
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            End::Whole | End::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        state.blocks.is_empty() && matches!(state.end, End::Whole | End::Over)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.departed = true;
        // Blocks may be objects of Python: they are given back outside of the lock.
        let blocks = std::mem::take(&mut state.blocks);
        wake(state, |state| &mut state.writer);
        drop(blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(body: &mut StreamBody) -> Poll<Option<Result<Bytes>>> {
        let mut context = Context::from_waker(Waker::noop());
        let frame = Pin::new(body).poll_frame(&mut context);
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())))
    }

    fn has_room(sink: &Sink) -> Poll<std::result::Result<(), Departed>> {
        sink.poll_room(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_queue_has_room_again_when_blocks_were_taken() {
        let (sink, mut body) = stream(None, ());
        assert!(pull(&mut body).is_pending());
        let block = Bytes::from(vec![0; ROOM / 4]);
        for _ in 0..4 {
            assert_eq!(has_room(&sink), Poll::Ready(Ok(())));
            sink.push(block.clone()).unwrap();
        }
        assert!(has_room(&sink).is_pending());
        assert!(matches!(pull(&mut body), Poll::Ready(Some(Ok(_)))));
        assert!(has_room(&sink).is_ready());
        sink.end();
        for _ in 0..3 {
            assert!(!body.is_end_stream());
            assert!(matches!(pull(&mut body), Poll::Ready(Some(Ok(_)))));
        }
        assert!(body.is_end_stream());
        assert!(matches!(pull(&mut body), Poll::Ready(None)));
    }

    #[test]
    fn what_is_left_unfinished_is_cut_and_never_looks_whole() {
        let (sink, mut body) = stream(Some(10), ());
        sink.push(Bytes::from_static(b"half")).unwrap();
        drop(sink);
        assert!(matches!(pull(&mut body), Poll::Ready(Some(Ok(_)))));
        assert!(!body.is_end_stream());
        assert!(matches!(pull(&mut body), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn who_leaves_is_noticed() {
        let (sink, body) = stream(None, ());
        drop(body);
        assert_eq!(sink.push(Bytes::from_static(b"x")), Err(Departed));
        assert_eq!(has_room(&sink), Poll::Ready(Err(Departed)));
    }
}
