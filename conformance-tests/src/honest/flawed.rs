//! The larger flaws of a connection, apart from the code that has none.
//!
//! Rules of this room: nothing here runs on a server without a violation, but the plain content that [`Outgoing`] passes on.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, Response};
use http_body::Body;
use rwgi::{Environ, Error, Exchange, ResponseBody};

use super::connection::Conversation;
use super::drive::Gone;
use super::head::{Framing, Head};
use super::outbound::Outbound;
use super::violation::{Flaw, Switch, Violation};

impl Conversation {
    /// The flaw of a server that calls first and checks later.
    pub(super) fn call_anyway(&self, octets: &[u8]) {
        let text = String::from_utf8_lossy(octets);
        let tag =
            ["X-Tag: ", "tag="].iter().find_map(|mark| text.split_once(mark)).map(|(_, rest)| {
                rest.split(|c: char| c.is_ascii_whitespace() || c == '&')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            });
        let environ = Environ::builder().header("x-tag", tag.unwrap_or_default()).build();
        if let Ok(environ) = environ {
            let _ = super::block_on(Exchange::new(Arc::clone(&self.server.application), environ));
        }
    }

    /// The flaw of a server that sends a head while the application still decides.
    pub(super) fn head_first(
        &self,
        outbound: &Outbound<'_>,
        mut exchange: std::pin::Pin<&mut Exchange>,
    ) -> Result<Result<Response<ResponseBody>, Error>, Gone> {
        use std::future::Future;
        if let Some(result) = self.watch.poll(|cx| exchange.as_mut().poll(cx))? {
            return Ok(result);
        }
        outbound.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        self.watch.drive(exchange)?.map(|_| ()).unwrap_or_default();
        outbound.write(b"0\r\n\r\n")?;
        Err(Gone)
    }

    /// The flaws of a server that takes the whole body before it calls, and of one that then merges its trailers.
    pub(super) fn hoard(&self, head: &mut Head) {
        let merges = self.off(Switch::MergesTrailers) && head.framing == Framing::Chunked;
        if !merges && !self.off(Switch::WholeBodyFirst) {
            return;
        }
        let mut inbound = self.inbound.lock();
        inbound.hoard(true);
        if let Some(trailers) = inbound.trailers().filter(|_| merges) {
            head.parts.headers.extend(trailers.clone());
        }
    }

    /// The flaw of a server that does not survive its application.
    pub(super) fn stop_with_failure(&self) {
        if self.off(Switch::FailureStopsServer) {
            self.server.abandoned.store(true, Ordering::Release);
            self.server.stop_accepting();
        }
    }

    /// The flaw in what is reported, where the server has it.
    pub(super) fn reported(
        &self,
        response: Response<ResponseBody>,
    ) -> Result<Response<Outgoing>, Gone> {
        let is_json =
            response.headers().get("content-type").is_some_and(|kind| kind == "application/json");
        let Some(Violation { flaw: Flaw::Report(change), .. }) =
            self.server.violation.filter(|_| is_json)
        else {
            return Ok(response.map(Outgoing::Body));
        };
        let (mut parts, body) = response.into_parts();
        let mut body = pin!(body);
        let mut octets = Vec::new();
        while let Some(frame) =
            self.watch.drive(pin!(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))))?
        {
            let Some(data) = frame.ok().and_then(|frame| frame.into_data().ok()) else { break };
            octets.extend_from_slice(&data);
        }
        if let Ok(mut value) = serde_json::from_slice(&octets) {
            change(&mut value);
            octets = value.to_string().into_bytes();
        }
        if parts.headers.contains_key("content-length") {
            parts.headers.insert("content-length", HeaderValue::from(octets.len()));
        }
        Ok(Response::from_parts(parts, Outgoing::Whole(Some(octets.into()))))
    }
}

/// The content of a response: the gateway's, or one that was rewritten by a flaw.
pub(super) enum Outgoing {
    Body(ResponseBody),
    Whole(Option<bytes::Bytes>),
}

impl Body for Outgoing {
    type Data = bytes::Bytes;
    type Error = Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Error>>> {
        match self.get_mut() {
            Self::Body(body) => std::pin::Pin::new(body).poll_frame(cx),
            Self::Whole(data) => {
                std::task::Poll::Ready(data.take().map(|data| Ok(http_body::Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Body(body) => body.is_end_stream(),
            Self::Whole(data) => data.is_none(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Body(body) => body.size_hint(),
            Self::Whole(data) => {
                http_body::SizeHint::with_exact(data.as_ref().map_or(0, bytes::Bytes::len) as u64)
            }
        }
    }
}

/// The flaw of a gateway that does something else than it was asked to.
pub(super) fn rewrite(parts: &mut http::request::Parts, change: fn(&str) -> String) {
    let script = parts.headers.get("x-play").and_then(|script| script.to_str().ok()).map(change);
    if let Some(script) = script.and_then(|script| HeaderValue::try_from(script).ok()) {
        parts.headers.insert("x-play", script);
    }
}
