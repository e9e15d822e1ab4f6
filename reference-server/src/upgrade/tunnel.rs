//! The tunnel, carried: octets from the transport to the application and back.
//!
//! Rules of this room: a door; what the application does not take is not read, what the client does not take is not asked for; each
//! direction ends by itself.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, Bytes};
use rwgi::{Octets, SessionHalf, TunnelEnd};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Ended, Inlet, News, Stopping};
use crate::stop::{Stage, Stop};

pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    early: Bytes,
    mut half: SessionHalf<Octets>,
    stop: &Stop,
    reset: impl Future<Output = ()>,
) -> (Ended, rwgi::Result<()>) {
    let mut reset = pin!(reset);
    let advanced = pin!(stop.beyond(Stage::Run));
    let mut stopping = Stopping::new(stop, advanced);
    let mut early = Some(early).filter(|early| !early.is_empty());
    let mut inlet = Inlet::default();
    let mut outgoing = Bytes::new();
    let (mut heard, mut said) = (false, false);
    let ended = poll_fn(|cx| {
        if reset.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::Departed);
        }
        match stopping.poll(cx, |seen| stop.beyond(seen)) {
            News::Killed => return Poll::Ready(Ended::Killed),
            News::Draining => half.stop(cx),
            News::None => {}
        }
        loop {
            if half.poll_application(cx).is_ready() && half.result().is_some_and(Result::is_err) {
                return Poll::Ready(Ended::Failed);
            }
            let blocked = loop {
                if outgoing.is_empty() {
                    match half.take(cx) {
                        Some(data) => outgoing = data,
                        None => break false,
                    }
                }
                match std::pin::Pin::new(&mut *io).poll_write(cx, &outgoing) {
                    Poll::Ready(Ok(written)) if written > 0 => outgoing.advance(written),
                    Poll::Ready(_) => return Poll::Ready(Ended::Departed),
                    Poll::Pending => break true,
                }
            };
            if !blocked {
                match std::pin::Pin::new(&mut *io).poll_flush(cx) {
                    Poll::Ready(Err(_)) => return Poll::Ready(Ended::Departed),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                if half.is_finished() {
                    if !said {
                        if std::pin::Pin::new(&mut *io).poll_shutdown(cx).is_pending() {
                            return Poll::Pending;
                        }
                        said = true;
                    }
                    if half.result().is_some() {
                        return Poll::Ready(Ended::Whole);
                    }
                }
            }
            let mut read = false;
            if !heard && half.has_room() {
                let came = match early.take() {
                    Some(early) => Poll::Ready(Ok(early)),
                    None => inlet.poll(io, cx),
                };
                read = came.is_ready();
                match came {
                    Poll::Ready(Ok(data)) if data.is_empty() => {
                        heard = true;
                        half.give_end(TunnelEnd::Finished, cx);
                    }
                    Poll::Ready(Ok(data)) => half.give(data, cx),
                    Poll::Ready(Err(_)) => return Poll::Ready(Ended::Departed),
                    Poll::Pending => {}
                }
            }
            // Blocked, the transport wakes; what was sent meanwhile waits in the link.
            if !read && !half.wants_poll() && (half.park(cx) || blocked) {
                return Poll::Pending;
            }
        }
    })
    .await;
    let result = match ended {
        Ended::Whole | Ended::Closed | Ended::Failed => half.finish(),
        Ended::Departed | Ended::Killed => Ok(()),
    };
    (ended, result)
}
