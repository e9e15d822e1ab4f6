//! `wsgi.file_wrapper`: a file that the server sends by itself.
//!
//! Rules of this room: a real file is read where blocking is allowed, and no thread of Python waits for the client; whatever else looks
//! like a file is iterated; the file ends where the declared length does.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_channel::oneshot;
use http_body::{Body, Frame, SizeHint};
use pyo3::prelude::*;
use rwgi::{BlockingExecutor, Error};

/// `environ["wsgi.file_wrapper"]`.
#[pyclass(frozen, module = "rwgi", name = "FileWrapper")]
pub(crate) struct FileWrapper {
    filelike: Py<PyAny>,
    block_size: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize = 8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self { filelike, block_size: blksize.max(1) }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1("read", (self.block_size,))?;
        Ok(if block.is_truthy()? { Some(block) } else { None })
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt("close")? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// The file by itself and how much of it is left, where it is one of the system's and not something that only reads like one.
    pub(crate) fn file(&self, py: Python<'_>) -> Option<(File, u64)> {
        let filelike = self.filelike.bind(py);
        if !gives_what_it_has(filelike).unwrap_or(false) {
            return None;
        }
        let descriptor: i32 = filelike.call_method0("fileno").ok()?.extract().ok()?;
        let position: u64 = filelike.call_method0("tell").ok()?.extract().ok()?;
        py.detach(|| {
            // Opened anew it has a position of its own, and stays open whatever the application does with its own.
            let mut file = File::open(format!("/proc/self/fd/{descriptor}")).ok()?;
            let metadata = file.metadata().ok()?;
            if !metadata.is_file() {
                return None;
            }
            file.seek(SeekFrom::Start(position)).ok()?;
            Some((file, metadata.len().saturating_sub(position)))
        })
    }
}

/// Whether to read it gives what stands in its descriptor: not so where the content is decoded on its way, as by `gzip.GzipFile`, which has the
/// `fileno` of the file below it. What is none of Python's own files and has a `fileno` has it on purpose.
fn gives_what_it_has(filelike: &Bound<'_, PyAny>) -> PyResult<bool> {
    let read = filelike.getattr("read")?;
    // Django's File has the method of what it stands for, and tempfile's a function around it.
    let reader = match read.getattr_opt("__self__")? {
        Some(reader) => reader,
        None => read.getattr("__wrapped__")?.getattr("__self__")?,
    };
    let io = filelike.py().import("io")?;
    if !reader.is_instance(&io.getattr("IOBase")?)? {
        return Ok(true);
    }
    let is = |file: &Bound<'_, PyAny>, name: &str| -> PyResult<bool> {
        Ok(file.get_type().is(io.getattr(name)?))
    };
    let buffered = if is(&reader, "TextIOWrapper")? { reader.getattr("buffer")? } else { reader };
    let raw = if is(&buffered, "BufferedReader")? || is(&buffered, "BufferedRandom")? {
        buffered.getattr("raw")?
    } else {
        buffered
    };
    is(&raw, "FileIO")
}

/// How much is read at once.
///
/// 128 KiB: a few dozen reads for a large file, and little memory for a slow client.
const PIECE: u64 = 128 * 1024;

/// A file as the content of a response.
pub(crate) struct FileBody {
    at: At,
    remaining: u64,
    exact: bool,
    blocking: Option<Arc<dyn BlockingExecutor>>,
}

enum At {
    Rest(File),
    Reading(oneshot::Receiver<io::Result<(File, Vec<u8>)>>),
    End,
}

impl FileBody {
    /// `length` bytes of a file from where it stands; `exact` where that many are known to be there.
    pub(crate) fn new(
        file: File,
        length: u64,
        exact: bool,
        blocking: Option<Arc<dyn BlockingExecutor>>,
    ) -> Self {
        Self { at: At::Rest(file), remaining: length, exact, blocking }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        loop {
            match std::mem::replace(&mut self.at, At::End) {
                At::End => return Poll::Ready(Ok(Bytes::new())),
                At::Rest(file) => {
                    let (sender, receiver) = oneshot::channel();
                    let most = self.remaining.min(PIECE);
                    let job = move || drop(sender.send(read(file, most)));
                    match &self.blocking {
                        Some(blocking) => blocking.execute(Box::new(job))?,
                        None => job(),
                    }
                    self.at = At::Reading(receiver);
                }
                At::Reading(mut receiver) => {
                    let Poll::Ready(result) = Pin::new(&mut receiver).poll(cx) else {
                        self.at = At::Reading(receiver);
                        return Poll::Pending;
                    };
                    let result =
                        result.map_err(|_| Error::server("a blocking call was dropped unrun"))?;
                    let (file, piece) = result.map_err(|error| {
                        Error::application("the file cannot be read").with_source(error)
                    })?;
                    self.remaining -= piece.len() as u64;
                    if self.remaining > 0 && !piece.is_empty() {
                        self.at = At::Rest(file);
                    }
                    return Poll::Ready(Ok(Bytes::from(piece)));
                }
            }
        }
    }
}

fn read(mut file: File, most: u64) -> io::Result<(File, Vec<u8>)> {
    let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    file.by_ref().take(most).read_to_end(&mut piece)?;
    Ok((file, piece))
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(match piece {
            // Shorter than it was: the contract sees that the declared length is not met.
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some(Ok(Frame::data(piece))),
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact { SizeHint::with_exact(self.remaining) } else { SizeHint::default() }
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}
