//! One request on a thread of Python: call the application, send what it returns, close it.
//!
//! Rules of this room: whatever the application raises ends its own response and nothing else; `close()` is called on every path; what
//! is complete before anything was sent leaves in one piece, and the rest block by block, none of them held back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};
use rwgi::{BlockingExecutor, Environ, Error, Finished};

use crate::answer::Answer;
use crate::environ::Template;
use crate::errors;
use crate::file::{FileBody, FileWrapper};
use crate::input::{Source, WsgiInput};
use crate::pool::Pool;
use crate::start_response::{Sent, StartResponse, Unsent, content};
use crate::stream::forward;
use crate::traceback;
use crate::websocket::WebSocket;

/// What one call of the application needs.
pub(crate) struct Request {
    pub(crate) environ: Environ,
    pub(crate) source: Source,
    pub(crate) token: rwgi::StartResponse,
    pub(crate) answer: Answer,
}

/// The application and what all its requests share.
#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) callable: Py<PyAny>,
    pub(crate) template: Template,
    /// `contextvars.copy_context`.
    pub(crate) copy_context: Py<PyAny>,
    pub(crate) pool: Arc<Pool>,
    /// The threads of WebSockets, which last.
    pub(crate) sessions: Arc<Pool>,
}

impl Hosted {
    /// Lets all threads end; gives how many have not.
    pub(crate) fn stop(&self, patience: Duration) -> usize {
        let end = Instant::now() + patience;
        let left = self.pool.stop(patience);
        left + self.sessions.stop(end.saturating_duration_since(Instant::now()))
    }
}

/// Answers one request: what the application raised or left out is told to the server after it was closed.
///
/// `inline` is the server's own thread: what would wait there goes on on a thread of the pool.
pub(crate) fn respond(py: Python<'_>, hosted: &Hosted, request: Request, inline: bool) {
    let Request { environ, source, token, answer } = request;
    let is_session = environ.websocket().is_some();
    let pool = if is_session { &hosted.sessions } else { &hosted.pool };
    let is_head = *environ.method() == http::Method::HEAD;
    let blocking = environ.server().blocking.clone();
    let start_response = StartResponse::new(token, answer, is_head, inline, Arc::clone(pool));
    let start_response = match Bound::new(py, start_response) {
        Ok(start_response) => start_response,
        Err(raised) => return traceback::log(py, "the bridge", &raised),
    };
    let prepared = Conversation::new(py, hosted, environ, source, pool, &start_response);
    let conversation = match prepared {
        Ok(conversation) => conversation,
        Err(error) => return start_response.get().close(Err(error)),
    };
    let returned = match conversation.call(py, &hosted.callable) {
        Ok(returned) => returned,
        Err(error) => return conversation.conclude(py, Err(error)),
    };
    let response = start_response.get();
    if let Some(whole) = whole(response, &returned) {
        // A list has nothing to be closed.
        let answered = one_piece(response, whole).map(Answered::Response);
        return conversation.conclude(py, answered);
    }
    if inline {
        errors::end_of_request();
        let returned = returned.unbind();
        pool.push_last(Box::new(move |py| {
            let result = conversation.send(py, returned, blocking);
            conversation.conclude(py, result);
        }));
        return;
    }
    let result = conversation.send(py, returned.unbind(), blocking);
    conversation.conclude(py, result);
}

/// What one request consists of in Python.
struct Conversation {
    context: Py<PyAny>,
    dict: Py<PyDict>,
    start_response: Py<StartResponse>,
    /// None where there is no content: then it is everybody's.
    input: Option<Py<WsgiInput>>,
    socket: Option<Py<WebSocket>>,
}

impl Conversation {
    fn new(
        py: Python<'_>,
        hosted: &Hosted,
        environ: Environ,
        source: Source,
        pool: &Arc<Pool>,
        start_response: &Bound<'_, StartResponse>,
    ) -> rwgi::Result<Self> {
        let dict = hosted.template.environ(py, &environ)?;
        let offered: Option<Vec<String>> =
            environ.websocket().map(|offer| offer.subprotocols().map(str::to_owned).collect());
        drop(environ);
        let made = || -> PyResult<Self> {
            let input = if matches!(source, Source::Ended) {
                None
            } else {
                let input = Bound::new(py, WsgiInput::new(source, Arc::clone(pool)))?;
                dict.set_item(intern!(py, "wsgi.input"), &input)?;
                Some(input.unbind())
            };
            let socket = match offered {
                Some(subprotocols) => {
                    let response = start_response.clone().unbind();
                    let socket = WebSocket::new(response, subprotocols, Arc::clone(pool));
                    let socket = Bound::new(py, socket)?;
                    dict.set_item(intern!(py, "rwgi.websocket"), &socket)?;
                    Some(socket.unbind())
                }
                None => None,
            };
            Ok(Self {
                // A context of its own for each request: what one sets, the next on this thread does not see.
                context: hosted.copy_context.call0(py)?,
                dict: dict.unbind(),
                start_response: start_response.clone().unbind(),
                input,
                socket,
            })
        };
        made().map_err(|raised| traceback::error(py, &raised))
    }

    /// Calls the application.
    fn call<'py>(&self, py: Python<'py>, callable: &Py<PyAny>) -> rwgi::Result<Bound<'py, PyAny>> {
        let arguments = (callable, &self.dict, &self.start_response);
        let returned = self.context.bind(py).call_method1(intern!(py, "run"), arguments);
        returned.map_err(|raised| traceback::error(py, &raised))
    }

    /// Sends what the application has returned, in the same context.
    fn send(
        &self,
        py: Python<'_>,
        returned: Py<PyAny>,
        blocking: Option<Arc<dyn BlockingExecutor>>,
    ) -> rwgi::Result<Answered> {
        let run = || -> PyResult<Option<rwgi::Result<Answered>>> {
            let rest = Bound::new(py, Rest { returned, blocking, result: None })?;
            let arguments = (&rest, &self.start_response);
            self.context.bind(py).call_method1(intern!(py, "run"), arguments)?;
            Ok(rest.borrow_mut().result.take())
        };
        let result = run().map_err(|raised| traceback::error(py, &raised))?;
        result.unwrap_or_else(|| Err(Error::server("the response was lost")))
    }

    /// Tells the server what became of it.
    fn conclude(&self, py: Python<'_>, result: rwgi::Result<Answered>) {
        // Taken in any case: a session that was left by an exception ends here as well.
        let session = self.socket.as_ref().and_then(|socket| socket.get().finish());
        let result = match (result, session) {
            (Ok(Answered::Response(finished)), _) => Ok(Some(finished)),
            (Ok(Answered::Streamed), _) => Ok(None),
            (Ok(Answered::Session), Some(finished)) => Ok(Some(finished)),
            (Ok(Answered::Session), None) => {
                Err(Error::application("the WebSocket's session was lost"))
            }
            (Err(error), _) => Err(error),
        };
        errors::end_of_request();
        let failed = self.input.as_ref().and_then(|input| input.bind(py).get().close());
        let result = match (failed, result) {
            // The exception is only the echo of what the client did.
            (Some(client), Err(_)) => Err(client),
            (_, result) => result,
        };
        self.start_response.get().close(result);
    }
}

/// What is left of a call, as something that a context can run.
#[pyclass(module = "rwgi")]
struct Rest {
    /// What the application has returned.
    returned: Py<PyAny>,
    blocking: Option<Arc<dyn BlockingExecutor>>,
    result: Option<rwgi::Result<Answered>>,
}

/// How a call was answered.
enum Answered {
    /// With a response that the server does not know yet.
    Response(Finished),
    /// With one that it has taken while the application gave it.
    Streamed,
    /// With a WebSocket.
    Session,
}

#[pymethods]
impl Rest {
    fn __call__(slf: &Bound<'_, Self>, start_response: &Bound<'_, StartResponse>) {
        let py = slf.py();
        let (returned, blocking) = {
            let mut this = slf.borrow_mut();
            (this.returned.clone_ref(py).into_bound(py), this.blocking.take())
        };
        let result = send(start_response.get(), &returned, blocking);
        slf.borrow_mut().result = Some(result);
    }
}

/// Sends whatever it is that was returned.
fn send(
    response: &StartResponse,
    iterable: &Bound<'_, PyAny>,
    blocking: Option<Arc<dyn BlockingExecutor>>,
) -> rwgi::Result<Answered> {
    if response.is_session() {
        return close(iterable).map(|()| Answered::Session);
    }
    if let Ok(wrapper) = iterable.cast_exact::<FileWrapper>()
        && response.is_headed()
        && !response.is_bodyless()
        && let Some(file) = wrapper.get().file(iterable.py())
    {
        return send_file(response, wrapper, file, blocking).map(Answered::Response);
    }
    give(response, iterable)
}

/// Sends what the application has returned, and closes it.
fn give(response: &StartResponse, iterable: &Bound<'_, PyAny>) -> rwgi::Result<Answered> {
    let sent = iterate(response, iterable);
    // On every path: PEP 3333's one promise to applications that hold something.
    let closed = close(iterable);
    let whole = sent?;
    closed?;
    Ok(match whole {
        Some(whole) => Answered::Response(one_piece(response, whole)?),
        None => response.finish(iterable.py())?.map_or(Answered::Streamed, Answered::Response),
    })
}

/// All of the content, where the application has returned it as a list or tuple and it is what was declared.
fn whole(response: &StartResponse, iterable: &Bound<'_, PyAny>) -> Option<Bytes> {
    if !response.is_headed() {
        return None;
    }
    let whole = if let Ok(list) = iterable.cast_exact::<PyList>() {
        match list.len() {
            1 => content(&list.get_item(0).ok()?).ok()?,
            _ => join(list.iter())?,
        }
    } else if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
        join(tuple.iter())?
    } else {
        return None;
    };
    let fits = response.missing().is_none_or(|declared| declared == whole.len() as u64);
    (fits || response.is_bodyless()).then_some(whole)
}

fn join<'py>(blocks: impl Iterator<Item = Bound<'py, PyAny>>) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    for block in blocks {
        whole.extend_from_slice(block.cast::<PyBytes>().ok()?.as_bytes());
    }
    Some(whole.freeze())
}

/// Answers in one piece.
fn one_piece(response: &StartResponse, whole: Bytes) -> rwgi::Result<Finished> {
    let Unsent::Headed(token, head) = response.take_unsent() else {
        return Err(Error::application(
            "another thread wrote to the response while it was being sent",
        ));
    };
    if response.is_bodyless()
        && head.content_length().is_some_and(|length| length != whole.len() as u64)
    {
        // What a HEAD declares stands, whatever comes with it.
        return token.start_with(head).finish();
    }
    token.respond_with(head, whole)
}

/// Sends block after block; gives the content back where one block was all that the head declares, and nothing has left.
fn iterate(response: &StartResponse, iterable: &Bound<'_, PyAny>) -> rwgi::Result<Option<Bytes>> {
    let py = iterable.py();
    let failed = |raised: PyErr| traceback::error(py, &raised);
    let mut blocks = PyIterator::from_object(iterable).map_err(failed)?;
    while let Some(block) = blocks.next() {
        let block = block.and_then(|block| content(&block)).map_err(failed)?;
        if block.is_empty() {
            // Who has nothing to say yet would go on for nobody.
            if response.is_departed() {
                break;
            }
            continue;
        }
        let length = block.len() as u64;
        if response.is_headed() && response.missing().is_some_and(|declared| declared <= length) {
            return finish_early(response, blocks, block).map(Some).map_err(failed);
        }
        match response.send(py, block).map_err(failed)? {
            Sent::More => {}
            Sent::Enough => {
                if !response.is_bodyless() {
                    surplus(&mut blocks).map_err(failed)?;
                }
                break;
            }
            Sent::Departed => break,
        }
    }
    Ok(None)
}

/// The first block is all that was declared: it leaves with the end of the application, in one piece.
fn finish_early(
    response: &StartResponse,
    mut blocks: Bound<'_, PyIterator>,
    mut block: Bytes,
) -> PyResult<Bytes> {
    let declared = response.missing().unwrap_or(block.len() as u64);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if block.len() > declared {
        tracing::error!(
            "the application gave {} bytes where it declared {declared}: the rest is not sent",
            block.len()
        );
        block.truncate(declared);
        return Ok(block);
    }
    surplus(&mut blocks)?;
    Ok(block)
}

/// One more step of an iterable that has given all it declared: what stands behind its last block is run, and what comes in addition
/// is not sent.
fn surplus(blocks: &mut Bound<'_, PyIterator>) -> PyResult<()> {
    if let Some(block) = blocks.next()
        && block?.is_truthy()?
    {
        tracing::error!(
            "the application gave more than the Content-Length that it declared: the rest is not sent"
        );
    }
    Ok(())
}

fn close(iterable: &Bound<'_, PyAny>) -> rwgi::Result<()> {
    let py = iterable.py();
    let closed = match iterable.getattr_opt(intern!(py, "close")) {
        Ok(Some(close)) => close.call0().map(drop),
        Ok(None) => Ok(()),
        Err(raised) => Err(raised),
    };
    closed.map_err(|raised| traceback::error(py, &raised))
}

/// The server sends the file; it is closed when the exchange has ended, and no thread of Python waits until then.
fn send_file(
    response: &StartResponse,
    wrapper: &Bound<'_, FileWrapper>,
    (file, available): (std::fs::File, u64),
    blocking: Option<Arc<dyn BlockingExecutor>>,
) -> rwgi::Result<Finished> {
    let pool = response.pool();
    let wrapper = wrapper.clone().unbind();
    let declared = response.missing();
    let Unsent::Headed(mut token, head) = response.take_unsent() else {
        return Err(Error::application(
            "another thread wrote to the response while it was being sent",
        ));
    };
    token.on_complete(move |_| {
        pool.push_last(Box::new(move |py| {
            let wrapper = wrapper.into_bound(py).into_any();
            if let Err(error) = close(&wrapper) {
                tracing::error!("close() failed: {error}");
            }
        }));
    });
    let length = declared.unwrap_or(available).min(available);
    let body = FileBody::new(
        file,
        length,
        declared.is_none_or(|declared| declared <= available),
        blocking,
    );
    forward(token, &head, body)
}
