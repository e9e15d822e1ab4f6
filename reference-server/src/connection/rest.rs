//! A connection between two requests that are far apart: its transport, and nothing else.
//!
//! Rules of this room: who waits holds no buffer; what comes is the next request's first octets, and whoever has sent some before the server
//! stopped is answered.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::Shared;
use super::timer::Timer;
use crate::stop::Stage;
use crate::transport::Transport;

/// Room for the first read: most heads fit, and what does not follows.
const FIRST_READ: usize = 4 * 1024;

/// How a rest ended.
pub(super) enum Rested {
    /// The client goes on.
    Woken(Bytes),
    /// The client has closed, was silent for too long, or the server stops.
    Over,
    /// The connection broke.
    Broken(io::Error),
}

/// Waits for the client's next request, until the timer fires at most.
pub(super) async fn rest<T: Transport>(
    transport: &mut T,
    timer: &mut Timer,
    shared: &Shared,
) -> Rested {
    let mut octets = BytesMut::new();
    let read = tokio::select! {
        biased;
        read = read_some(transport, &mut octets) => read,
        () = timer => Ok(0),
        () = shared.stop.beyond(Stage::Announce) => read_what_came(transport, &mut octets).await,
    };
    match read {
        Ok(1..) => Rested::Woken(octets.freeze()),
        Ok(0) => Rested::Over,
        Err(error) => Rested::Broken(error),
    }
}

/// Reads what has come, and waits only for octets that have come and that the runtime has not heard of; nothing, where there are none.
async fn read_what_came<T: Transport>(
    transport: &mut T,
    octets: &mut BytesMut,
) -> io::Result<usize> {
    poll_fn(|cx| {
        // A read that waits holds nothing, so each turn has one of its own.
        let read = pin!(read_some(transport, octets)).poll(cx);
        match read {
            Poll::Pending if transport.has_unread() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(0)),
            read => read,
        }
    })
    .await
}

/// Reads what has come, at least one octet unless it is the end. It takes memory only for what it reads, and not to wait. Cancel safe.
pub(super) async fn read_some<T: AsyncRead + Unpin>(
    transport: &mut T,
    octets: &mut BytesMut,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut room = [const { MaybeUninit::uninit() }; FIRST_READ];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *transport).poll_read(cx, &mut read))?;
        octets.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
    .await
}
