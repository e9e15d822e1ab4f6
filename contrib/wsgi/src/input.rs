//! `wsgi.input`: the request's content as a file that Python reads.
//!
//! Rules of this room: read as it comes, never beyond its end; a read of `size` gives that much unless the content ends before; the
//! interpreter is let go only where the content is not there yet; after the request it is closed.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rwgi::{Error, Fault};

use crate::collect::Taken;
use crate::pool::{Pool, patiently};

/// Where the content is.
pub(crate) enum Source {
    /// With the client.
    Live(rwgi::Input),
    /// It was collected, since its length was not known.
    File(File),
    /// In memory, with the room that it takes there.
    Here { pieces: std::vec::IntoIter<Bytes>, _taken: Option<Taken> },
    /// Nowhere any more.
    Ended,
}

/// The file in `environ["wsgi.input"]`.
#[pyclass(frozen, module = "rwgi", name = "Input")]
pub(crate) struct WsgiInput {
    state: Mutex<State>,
    pool: Arc<Pool>,
}

enum State {
    /// There is no content, and never was: many requests and threads share this one.
    Nothing,
    Open(Reader),
    /// A thread is reading.
    Busy,
    Closed,
}

struct Reader {
    source: Source,
    /// What came and was not read yet.
    chunk: Bytes,
    failed: Option<Failure>,
}

/// Why the content could not be read.
#[derive(Clone)]
struct Failure {
    fault: Fault,
    status: http::StatusCode,
    message: String,
    requirement: Option<&'static str>,
}

impl Source {
    /// Whether a read never waits, neither for the client nor for a disk.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Here { .. } | Self::Ended)
    }
}

impl WsgiInput {
    pub(crate) fn new(source: Source, pool: Arc<Pool>) -> Self {
        Self { state: Mutex::new(State::Open(Reader::new(source))), pool }
    }

    /// The file of a request without content.
    pub(crate) fn nothing(pool: Arc<Pool>) -> Self {
        Self { state: Mutex::new(State::Nothing), pool }
    }

    /// Ends the reading, as the request ended; gives the client's own fault where there was one.
    pub(crate) fn close(&self) -> Option<Error> {
        let state = std::mem::replace(&mut *self.lock(), State::Closed);
        let State::Open(Reader { failed: Some(failure), .. }) = state else { return None };
        (failure.fault == Fault::Client).then(|| failure.error())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the reader: the lock is not held while a thread waits for content, or for the interpreter.
    fn with<T>(&self, read: impl FnOnce(&mut Reader, &Arc<Pool>) -> PyResult<T>) -> PyResult<T> {
        let mut state = self.lock();
        if matches!(*state, State::Nothing) {
            drop(state);
            return read(&mut Reader::new(Source::Ended), &self.pool);
        }
        let taken = std::mem::replace(&mut *state, State::Busy);
        drop(state);
        let mut reader = match taken {
            State::Open(reader) => reader,
            State::Busy => {
                return Err(PyRuntimeError::new_err("wsgi.input is being read by another thread"));
            }
            State::Closed | State::Nothing => {
                *self.lock() = State::Closed;
                return Err(PyValueError::new_err("wsgi.input is closed: its request has ended"));
            }
        };
        let result = read(&mut reader, &self.pool);
        let mut state = self.lock();
        if matches!(*state, State::Busy) {
            *state = State::Open(reader);
        }
        result
    }
}

#[pymethods]
impl WsgiInput {
    /// Up to `size` bytes; all that is left where it is negative or None.
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let wanted = wanted(size);
        self.with(|reader, pool| {
            let mut pieces = Pieces::default();
            while pieces.length < wanted && reader.fill(py, pool)? {
                pieces.push(reader.take(wanted - pieces.length));
            }
            pieces.join(py)
        })
    }

    /// Up to and with the next line feed, `size` bytes at most.
    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|reader, pool| reader.line(py, pool, wanted(size))?.join(py))
    }

    /// All lines; no further one once `hint` bytes were read.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let enough = match hint {
            Some(hint) if hint > 0 => wanted(Some(hint)),
            _ => usize::MAX,
        };
        self.with(|reader, pool| {
            let list = PyList::empty(py);
            let mut read = 0;
            while read < enough {
                let line = reader.line(py, pool, usize::MAX)?;
                if line.length == 0 {
                    break;
                }
                read += line.length;
                list.append(line.join(py)?)?;
            }
            Ok(list)
        })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.with(|reader, pool| {
            let line = reader.line(py, pool, usize::MAX)?;
            if line.length == 0 { Ok(None) } else { line.join(py).map(Some) }
        })
    }
}

/// A size as Python's files take it.
fn wanted(size: Option<i64>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

/// What a piece of a collected file is read by: as the server's own pieces, some tens of KiB.
const PIECE: u64 = 64 * 1024;

impl Reader {
    fn new(source: Source) -> Self {
        Self { source, chunk: Bytes::new(), failed: None }
    }

    /// Sees to it that there is something in `chunk`; `false` at the end.
    fn fill(&mut self, py: Python<'_>, pool: &Arc<Pool>) -> PyResult<bool> {
        if !self.chunk.is_empty() {
            return Ok(true);
        }
        let piece =
            match &mut self.source {
                Source::Ended => return Ok(false),
                Source::Here { pieces, .. } => Ok(pieces.next()),
                Source::Live(input) => live(py, pool, input),
                Source::File(file) => {
                    let mut piece = Vec::new();
                    match py.detach(|| file.by_ref().take(PIECE).read_to_end(&mut piece)) {
                        Ok(0) => Ok(None),
                        Ok(_) => Ok(Some(Bytes::from(piece))),
                        Err(error) => Err(Error::server("the collected content cannot be read")
                            .with_source(error)),
                    }
                }
            };
        match piece {
            Ok(Some(piece)) => {
                self.chunk = piece;
                Ok(true)
            }
            Ok(None) => {
                self.source = Source::Ended;
                Ok(false)
            }
            Err(error) => {
                // The client is gone or broke its word: OSError is what files raise.
                let raised = PyOSError::new_err(error.to_string());
                self.failed = Some(Failure::of(&error));
                Err(raised)
            }
        }
    }

    fn take(&mut self, most: usize) -> Bytes {
        self.chunk.split_to(most.min(self.chunk.len()))
    }

    fn line(&mut self, py: Python<'_>, pool: &Arc<Pool>, most: usize) -> PyResult<Pieces> {
        let mut line = Pieces::default();
        while line.length < most && self.fill(py, pool)? {
            let seen = &self.chunk[..self.chunk.len().min(most - line.length)];
            match seen.iter().position(|octet| *octet == b'\n') {
                Some(end) => {
                    line.push(self.take(end + 1));
                    break;
                }
                None => {
                    let length = seen.len();
                    line.push(self.take(length));
                }
            }
        }
        Ok(line)
    }
}

/// The next piece from the client; waits without the interpreter where it is not there yet.
fn live(py: Python<'_>, pool: &Arc<Pool>, input: &mut rwgi::Input) -> rwgi::Result<Option<Bytes>> {
    if let Poll::Ready(piece) = input.poll_chunk(&mut Context::from_waker(Waker::noop())) {
        return piece;
    }
    pool.wait(py, || patiently(|cx| input.poll_chunk(cx)))
}

/// Content in pieces, copied once.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.pieces.push(piece);
    }

    fn join<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if let [piece] = &*self.pieces {
            return Ok(PyBytes::new(py, piece));
        }
        PyBytes::new_with_writer(py, self.length, |room| {
            self.pieces.iter().try_for_each(|piece| room.write_bytes(piece))
        })
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        Self {
            fault: error.fault(),
            status: error.status(),
            message: error.message().to_owned(),
            requirement: error.requirement(),
        }
    }

    fn error(self) -> Error {
        let error = Error::new(self.fault, self.message).with_status(self.status);
        match self.requirement {
            Some(id) => error.with_requirement(id),
            None => error,
        }
    }
}
