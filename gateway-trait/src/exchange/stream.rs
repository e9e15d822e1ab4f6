//! The content that an application writes: its future, and the slot that it writes to.
//!
//! Rules of this room: the slot hears of a failure before the application's destructors run; what was held when the application returned is
//! given before its end.

use std::sync::Arc;
use std::task::Context;

use super::call::{self, ApplicationFuture, drop_quietly};
use super::phase::Event;
use super::piece::{Failure, Piece};
use super::slot::{Slot, own};
use crate::{Error, Finished, Result};

/// The application goes on, or left trailers behind.
pub(super) struct Stream {
    pub(super) future: Option<ApplicationFuture>,
    pub(super) slot: Arc<Slot>,
    pub(super) declared: Option<u64>,
    pub(super) sent: u64,
    /// A chunk may be there before the application is asked: the first one, or that of a writer elsewhere for which the last demand waited.
    pub(super) look_first: bool,
}

impl Stream {
    /// The application has returned: its word, and then what it left behind.
    #[inline(never)]
    pub(super) fn ended(
        &mut self,
        result: Result<Finished>,
        cx: &Context<'_>,
    ) -> Result<Option<Piece>, Failure> {
        let failure =
            own(result, &self.slot).map(|()| self.slot.lock().step(Event::ReturnFinished)).err();
        self.returned(failure, cx)
    }

    /// The application has returned, or might as well have.
    #[inline(never)]
    pub(super) fn returned(
        &mut self,
        failure: Option<Error>,
        cx: &Context<'_>,
    ) -> Result<Option<Piece>, Failure> {
        // The slot hears of the failure before the destructors of the application run.
        let failure = failure.map(|error| Failure { chunk: self.slot.close(Event::Fail), error });
        if let Some(future) = self.future.take() {
            call::end(future);
        }
        match failure {
            Some(failure) => Err(failure),
            None => Ok(self.rest(cx)),
        }
    }

    /// What an application that has returned left behind: the held chunk, and after it the trailers.
    #[inline(never)]
    pub(super) fn rest(&mut self, cx: &Context<'_>) -> Option<Piece> {
        let mut state = self.slot.lock();
        if let Some(data) = state.take_chunk(true) {
            let waker = state.make_room(&self.slot, cx);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            self.sent += data.len() as u64;
            return Some(Piece::Data(data));
        }
        state.trailers.take().map(Piece::Trailers)
    }

    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.future.is_none() && {
            let state = self.slot.lock();
            state.chunk.is_none() && state.trailers.is_none()
        }
    }
}

#[cold]
pub(super) fn dropped_writer() -> Error {
    Error::application("the application dropped its body writer before it was finished")
        .with_requirement("REQ-BODY-16")
}

impl Drop for Stream {
    fn drop(&mut self) {
        // After an end the table has no place for the event, and only the writer is told.
        self.slot.close(Event::Cancel);
        if let Some(future) = self.future.take() {
            drop_quietly(future);
        }
        Slot::retire(&mut self.slot);
    }
}
