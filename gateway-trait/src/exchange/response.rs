//! What an exchange comes to: the response of an application that has returned, goes on, took the connection over, or failed.
//!
//! Rules of this room: the head is taken out once, after the hooks that middleware put on it, and the callbacks with it; whatever way the
//! exchange took, they hear of its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use http_body::Body;

use super::body::ResponseBody;
use super::call::{ApplicationFuture, drop_quietly, panicked};
use super::outcome::Completion;
use super::phase::Event;
use super::slot::{HeadHook, Slot, Whole};
use crate::start_response::wrong_length;
use crate::upgrade::session::{self, Begun};
use crate::{Error, ResponseHead, Result};

/// The response of an application that returned before its head had to leave: one piece, exact length.
pub(super) fn whole(slot: Arc<Slot>) -> Result<Response<ResponseBody>> {
    if let Some(begun) = take_session(&slot) {
        return session(begun, None, slot, Some(Ok(())));
    }
    let (head, mut completion) = take_head(&slot)?;
    let mut state = slot.lock();
    let bodyless = state.bodyless;
    if state.trailers.is_some() && !bodyless {
        drop(state);
        return Ok(head.into_response(ResponseBody::stream(None, slot, completion)));
    }
    let given = state.whole.take();
    let chunk = state.chunk.take().unwrap_or_default();
    let written = state.written;
    drop(state);
    if bodyless {
        return Ok(discarded(given, written, head, completion));
    }
    let body = match given {
        Some(Whole::Pull(body, exact)) => {
            let expected = head.content_length().or(exact);
            ResponseBody::pull(body, expected, completion)
        }
        Some(Whole::Inner(mut inner)) => {
            inner.join(&mut completion, head.status());
            inner
        }
        given => {
            let data = if let Some(Whole::Bytes(data)) = given { data } else { chunk };
            let length = data.len() as u64;
            // Checked when it was given, unless the status had no content then and a hook gave it another.
            if let Some(declared) = head.content_length().filter(|declared| *declared != length) {
                return Err(completion.fail(wrong_length(declared, length)));
            }
            ResponseBody::whole(data, completion)
        }
    };
    Ok(head.into_response(body))
}

/// The response to HEAD, or of status 204 or 304, whose content was given all the same.
fn discarded(
    given: Option<Whole>,
    written: u64,
    head: ResponseHead,
    completion: Completion,
) -> Response<ResponseBody> {
    let length = match given {
        Some(Whole::Pull(body, exact)) => {
            drop_quietly(body);
            exact
        }
        Some(Whole::Inner(mut inner)) => {
            let exact = inner.size_hint().exact();
            inner.discharge();
            exact
        }
        Some(Whole::Bytes(_) | Whole::Session(_)) | None => Some(written),
    };
    without_content(head, length, completion)
}

/// The response of HEAD, 204 and 304: `length` is what the content would have had, as far as it was given.
fn without_content(
    mut head: ResponseHead,
    length: Option<u64>,
    mut completion: Completion,
) -> Response<ResponseBody> {
    if head.status() == StatusCode::NO_CONTENT {
        head.remove(&CONTENT_LENGTH);
    }
    let given = length.filter(|length| *length > 0 && !head.forbids_content());
    // What was declared without a field stands in one here, where no content tells it.
    let length = head.content_length().or(given);
    let mut response = head.into_response(ResponseBody::empty());
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    completion.completed();
    response
}

/// What the application has begun, where it took the connection over.
#[inline]
pub(super) fn take_session(slot: &Slot) -> Option<Begun> {
    let mut state = slot.lock();
    match state.whole.take() {
        Some(Whole::Session(begun)) => Some(begun),
        other => {
            state.whole = other;
            None
        }
    }
}

/// The response of an application that took the connection over: a head, and the session that follows it.
pub(super) fn session(
    begun: Begun,
    future: Option<ApplicationFuture>,
    slot: Arc<Slot>,
    result: Option<Result<()>>,
) -> Result<Response<ResponseBody>> {
    let (head, completion) = take_head(&slot)?;
    if head.status() != StatusCode::SWITCHING_PROTOCOLS || head.content_length().is_some() {
        let error = Error::application(
            "a head hook changed what a 101 is: its status, or that it has no content",
        )
        .with_requirement("REQ-UPG-06");
        slot.close(Event::Fail);
        drop_quietly(future);
        return Err(completion.fail(error));
    }
    let ended = result.is_some();
    let running = session::Running::new(future, slot, result, completion);
    let session = begun.carry(running, ended);
    Ok(head.into_response(ResponseBody::session(session)))
}

/// The response of an application that has committed its head and goes on.
pub(super) fn head_of_stream(
    future: ApplicationFuture,
    slot: Arc<Slot>,
) -> Result<Response<ResponseBody>> {
    if let Some(begun) = take_session(&slot) {
        return session(begun, Some(future), slot, None);
    }
    let taken = take_head(&slot).and_then(|(head, completion)| {
        let (fits, bodyless) = {
            let state = slot.lock();
            slot.end_poll();
            (state.check_fits(0), state.bodyless)
        };
        match fits {
            Err(error) => Err(completion.fail(error)),
            Ok(()) => Ok((head, completion, bodyless)),
        }
    });
    let (head, completion, bodyless) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            slot.close(Event::Fail);
            drop_quietly(future);
            return Err(error);
        }
    };
    if bodyless {
        slot.close(Event::Discharge);
        drop_quietly(future);
        return Ok(without_content(head, None, completion));
    }
    Ok(head.into_response(ResponseBody::stream(Some(future), slot, completion)))
}

/// The end of an application that failed: an error for the server to answer, or a response that is cut.
#[cold]
pub(super) fn failed(slot: Arc<Slot>, error: Error) -> Result<Response<ResponseBody>> {
    let committed = slot.lock().phase.is_committed();
    let chunk = slot.close(Event::Fail);
    if !committed {
        let callbacks = std::mem::take(&mut slot.lock().callbacks);
        return Err(Completion::new(callbacks, None).fail(error));
    }
    let (head, mut completion) = take_head(&slot)?;
    if slot.lock().bodyless {
        completion.failed(&error);
        return Ok(without_content(head, None, completion));
    }
    Ok(head.into_response(ResponseBody::cut(chunk, error, completion)))
}

/// Takes the head out for the server, after the hooks that middleware put on it, and the callbacks with it.
#[inline]
fn take_head(slot: &Slot) -> Result<(ResponseHead, Completion)> {
    let mut state = slot.lock();
    let callbacks = std::mem::take(&mut state.callbacks);
    let hooks = std::mem::take(&mut state.hooks);
    let head = state.head.take();
    drop(state);
    let Some(mut head) = head else {
        // The table lets a response be whole or committed only after its head was given.
        return Err(Completion::new(callbacks, None)
            .fail(Error::server("a response without a head: the exchange's invariant is broken")));
    };
    if !hooks.is_empty() {
        if let Err(error) = run_hooks(hooks, &mut head) {
            return Err(Completion::new(callbacks, None).fail(error));
        }
        let mut state = slot.lock();
        state.bodyless = state.is_bodyless_with(&head);
    }
    let completion = Completion::new(callbacks, Some(head.status()));
    Ok((head, completion))
}

#[cold]
fn run_hooks(hooks: Vec<HeadHook>, head: &mut ResponseHead) -> Result<()> {
    let declared = head.content_length();
    // The last registered is the innermost middleware's and runs first, as if each had wrapped the next.
    catch_unwind(AssertUnwindSafe(|| hooks.into_iter().rev().try_for_each(|hook| hook(head))))
        .unwrap_or_else(|panic| Err(panicked("a head hook", &*panic)))?;
    if head.content_length() != declared {
        return Err(Error::application(
            "a head hook changed Content-Length: only middleware that holds the content can",
        )
        .with_requirement("REQ-MID-09"));
    }
    Ok(())
}
