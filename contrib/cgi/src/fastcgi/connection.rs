//! One connection of a web server, and the requests on it.
//!
//! Rules of this room: everything runs in the connection's own task, so that its drop cancels all; the web server is read only while
//! every request has room for content, and the applications are polled only while there is room for answers; a response that fails
//! after its head is never ended: the connection breaks, once its
//! neighbours are done.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use http_body::Body;
use rwgi::{Application, Environ, Exchange, Input, ResponseBody, Result, ServerInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::content::{self, Sender};
use super::record::{self, Ended, Kind, Malformed, Record};
use crate::request::{self, Mount};
use crate::response;

/// Octets of answers that may wait for the web server: one record's worth; beyond it applications are not polled.
const MOST_OUTPUT: usize = 64 * 1024;
/// The parameters of one request, in octets: as much as `rwgi-server` and nginx take for a head, twice, for what the web server adds.
const MOST_PARAMS: usize = 64 * 1024;
/// Requests at once on one connection; nginx sends one, and what multiplexes sends few.
const MOST_REQUESTS: usize = 100;

/// Between the last octets of a response that is cut and the break: nginx forgets what it reads together with one. Where it is later
/// than that, the client misses what came last, and sees the cut all the same.
const BEFORE_BREAK: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared<A> {
    pub(super) application: Arc<A>,
    pub(super) server: Arc<ServerInfo>,
    /// Told when nothing new is wanted.
    pub(super) drain: CancellationToken,
    /// Told when the period of grace is over.
    pub(super) kill: CancellationToken,
}

/// Serves one connection to its end.
pub(super) async fn serve<S, A>(stream: S, shared: Arc<Shared<A>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Application,
{
    let mut connection = Connection::new(stream, Arc::clone(&shared));
    let mut drained = pin!(shared.drain.cancelled());
    let mut killed = pin!(shared.kill.cancelled());
    let end = poll_fn(|cx| {
        if !connection.closes && drained.as_mut().poll(cx).is_ready() {
            connection.closes = true;
        }
        if killed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        connection.poll(cx)
    })
    .await;
    match end {
        Ok(()) => {}
        Err(End::Malformed(problem)) => {
            tracing::warn!("a web server's connection is closed: {problem}")
        }
        Err(End::Io(error)) => tracing::debug!(%error, "a web server's connection broke"),
    }
}

enum End {
    Malformed(Malformed),
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for End {
    fn from(problem: Malformed) -> Self {
        Self::Malformed(problem)
    }
}

struct Connection<S, A> {
    stream: S,
    shared: Arc<Shared<A>>,
    read: BytesMut,
    output: BytesMut,
    requests: Vec<Request>,
    /// No request is taken any more, and after the last one the connection is closed.
    closes: bool,
    /// A response was cut, and the connection ends with a break.
    broken: bool,
    /// The break waits, so that what came before it is read by itself.
    parting: Option<Pin<Box<Sleep>>>,
}

struct Request {
    id: u16,
    stage: Stage,
}

enum Stage {
    /// The parameters come.
    Params(BytesMut),
    /// The application answers; `None` once its content is not wanted.
    Running { content: Sender, work: Work, label: Label },
}

enum Work {
    /// The parameters are no request, and no application sees them.
    Refused(StatusCode),
    Exchange(Exchange),
    Body(ResponseBody),
}

/// How a request came to its end.
enum Answered {
    Whole,
    Cut,
}

impl<S: AsyncRead + AsyncWrite + Unpin, A: Application> Connection<S, A> {
    fn new(stream: S, shared: Arc<Shared<A>>) -> Self {
        let (read, output) = (BytesMut::with_capacity(8 * 1024), BytesMut::new());
        Self {
            stream,
            shared,
            read,
            output,
            requests: Vec::new(),
            closes: false,
            broken: false,
            parting: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        loop {
            let mut moved = self.run(cx);
            while !self.output.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, &self.output)? {
                    Poll::Ready(0) => {
                        return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                    }
                    Poll::Ready(written) => self.output.advance(written),
                    Poll::Pending => break,
                }
                moved = true;
            }
            if self.closes && self.requests.is_empty() && self.output.is_empty() {
                if !self.broken {
                    return Poll::Ready(Ok(()));
                }
                let parting = self.parting.get_or_insert_with(|| Box::pin(sleep(BEFORE_BREAK)));
                if parting.as_mut().poll(cx).is_ready() {
                    record::put_break(&mut self.output);
                    self.broken = false;
                    continue;
                }
            }
            if self.has_room(cx)
                && let Poll::Ready(read) =
                    poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read)?
            {
                if read == 0 {
                    // Whoever asked is gone, and with it the requests.
                    return Poll::Ready(Ok(()));
                }
                while let Some(record) = record::take(&mut self.read)? {
                    self.take(record)?;
                }
                moved = true;
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Whether every request has room for more content, and the web server takes its answers: it is answered by itself what it asks of the
    /// management, too.
    fn has_room(&self, cx: &Context<'_>) -> bool {
        self.output.len() < MOST_OUTPUT
            && self.requests.iter().all(|request| match &request.stage {
                Stage::Params(_) => true,
                Stage::Running { content, .. } => content.has_room(cx),
            })
    }

    fn take(&mut self, record: Record) -> Result<(), Malformed> {
        let Record { kind, request: id, content } = record;
        if id == 0 {
            match kind {
                Kind::GetValues => {
                    let known = [
                        ("FCGI_MAX_CONNS", "1024".to_owned()),
                        ("FCGI_MAX_REQS", MOST_REQUESTS.to_string()),
                        ("FCGI_MPXS_CONNS", "1".to_owned()),
                    ];
                    record::put_values(&mut self.output, &record::pairs(content)?, &known);
                }
                Kind::Other(unknown) => record::put_unknown(&mut self.output, unknown),
                _ => {}
            }
            return Ok(());
        }
        let known = self.requests.iter().position(|request| request.id == id);
        match (kind, known) {
            (Kind::Begin, None) => self.begin(id, &content)?,
            (Kind::Abort, Some(at)) => {
                // Its drop cancels the application.
                drop(self.requests.swap_remove(at));
                record::put_end(&mut self.output, id, Ended::Complete);
            }
            (Kind::Params, Some(at)) => {
                let Stage::Params(params) = &mut self.requests[at].stage else { return Ok(()) };
                if !content.is_empty() {
                    if params.len() + content.len() > MOST_PARAMS {
                        return Err(Malformed::TooManyParams(MOST_PARAMS));
                    }
                    params.extend_from_slice(&content);
                    return Ok(());
                }
                let params = std::mem::take(params).freeze();
                self.requests[at].stage = self.call(params)?;
            }
            (Kind::Stdin, Some(at)) => {
                if let Stage::Running { content: sender, .. } = &self.requests[at].stage {
                    sender.give(content);
                }
            }
            // Of a request that has ended already, or of a role that is not played.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, id: u16, content: &[u8]) -> Result<(), Malformed> {
        let begin = record::begin(content)?;
        if !begin.responder {
            record::put_end(&mut self.output, id, Ended::UnknownRole);
        } else if self.requests.len() >= MOST_REQUESTS || self.closes {
            record::put_end(&mut self.output, id, Ended::Overloaded);
        } else {
            self.requests.push(Request { id, stage: Stage::Params(BytesMut::new()) });
        }
        self.closes |= !begin.keeps;
        Ok(())
    }

    /// The parameters are there: calls the application.
    fn call(&self, params: Bytes) -> Result<Stage, Malformed> {
        let pairs = record::pairs(params)?;
        let variables = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
        let (content, receiver) = content::channel();
        let request = match request::request(variables, Mount::WithPathInfo, &self.shared.server) {
            Ok(request) => request,
            Err(error) => {
                let label = Label::default();
                response::log(&error, &label, false);
                let work = Work::Refused(error.status());
                return Ok(Stage::Running { content, work, label });
            }
        };
        let label = Label {
            method: request.head.method.clone(),
            target: request.head.uri.path_and_query().cloned(),
        };
        let mut input = Input::from_body(receiver, request.length);
        input.set_limit(self.shared.server.limits.body_bytes);
        let mut environ = Environ::new(request.head, input, Arc::new(request.connection));
        let prefix = environ.path()[..request.mount].to_owned();
        environ.shift_path(&prefix);
        let exchange = Exchange::new(Arc::clone(&self.shared.application), environ);
        Ok(Stage::Running { content, work: Work::Exchange(exchange), label })
    }

    /// Lets every application go on, as far as there is room; gives whether any did.
    fn run(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut at = 0;
        while at < self.requests.len() {
            let request = &mut self.requests[at];
            let Stage::Running { work, label, .. } = &mut request.stage else {
                at += 1;
                continue;
            };
            if self.output.len() >= MOST_OUTPUT {
                break;
            }
            match answer(work, request.id, label, &mut self.output, cx) {
                Poll::Pending => at += 1,
                Poll::Ready(None) => moved = true,
                Poll::Ready(Some(answered)) => {
                    moved = true;
                    let request = self.requests.swap_remove(at);
                    match answered {
                        Answered::Whole => {
                            record::put_end(&mut self.output, request.id, Ended::Complete)
                        }
                        Answered::Cut => {
                            self.closes = true;
                            self.broken = true;
                        }
                    }
                }
            }
        }
        moved
    }
}

/// Takes the next piece of an answer; ready with how it ended, or with nothing where there may be more.
fn answer(
    work: &mut Work,
    id: u16,
    label: &Label,
    output: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Option<Answered>> {
    let response = match work {
        Work::Refused(status) => response::error_response(*status),
        Work::Exchange(exchange) => {
            let Poll::Ready(answered) = Pin::new(exchange).poll(cx) else { return Poll::Pending };
            answered.unwrap_or_else(|error| {
                response::log(&error, label, false);
                response::error_response(error.status())
            })
        }
        Work::Body(body) => {
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else { return Poll::Pending };
            return Poll::Ready(match frame {
                None => Some(Answered::Whole),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        record::put_stdout(output, id, &data);
                    }
                    None
                }
                Some(Err(error)) => {
                    response::log(&error, label, true);
                    Some(Answered::Cut)
                }
            });
        }
    };
    let (mut head, body) = response.into_parts();
    response::declare_length(&mut head, &body, &label.method);
    let mut octets = BytesMut::new();
    response::put_head(&mut octets, &head);
    record::put_stdout(output, id, &octets);
    *work = Work::Body(body);
    Poll::Ready(None)
}

/// A request's name in the log.
#[derive(Clone, Debug, Default)]
struct Label {
    method: Method,
    target: Option<PathAndQuery>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} {target}", self.method),
            None => self.method.fmt(f),
        }
    }
}
