//! CGI programs as an application: the folder that web servers call `cgi-bin`.
//!
//! Rules of this room: content and answer pass piece by piece, with backpressure; the program hears of nothing that could be forged (no
//! `HTTP_PROXY`, no field with an underscore) and of no password unless it is told to; time and number are limited; a program whose
//! client left is killed.

mod document;
mod place;
mod process;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use rwgi::{
    Application, BodyLength, BodyWriter, Environ, Error, Finished, Input, Result, Scheme,
    ServerInfo, StartResponse,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::process::{Pipes, Process, Variable, text};

/// What is read of a program's answer at once.
const CHUNK: usize = 16 * 1024;
/// Octets of one line on standard error that are logged.
const ERROR_LINE: u64 = 4 * 1024;

/// An application that runs the CGI programs of a folder.
///
/// The first segments of `path_info` that lead to an executable file name the program; they become `SCRIPT_NAME`, and the rest is
/// `PATH_INFO`. Needs a tokio runtime. No field of a request becomes `HTTP_PROXY` (REQ-ENV-24).
///
/// # Cancel safety
/// A call that is dropped kills the program, and what it started.
///
/// ```no_run
/// # fn main() -> rwgi::Result<()> {
/// let scripts = rwgi_cgi::CgiBin::new("/usr/lib/cgi-bin")?;
/// // rwgi_server::serve(rwgi_middleware::UrlMap::new().mount("/cgi-bin", scripts))
/// # let _ = scripts; Ok(())
/// # }
/// ```
pub struct CgiBin {
    folder: PathBuf,
    variables: Vec<Variable>,
    passes_authorization: bool,
    silence: Duration,
    room: Semaphore,
}

impl CgiBin {
    /// The programs of this folder.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        let given = folder.as_ref();
        let folder =
            given.canonicalize().ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
                Error::server(format!("{} is no folder of CGI programs", given.display()))
            })?;
        Ok(Self {
            folder,
            variables: Vec::new(),
            passes_authorization: false,
            silence: Duration::from_secs(60),
            room: Semaphore::new(64),
        })
    }

    /// Gives every program one more variable; `PATH` is there without, and nothing else of this process's environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Tells programs what stands in Authorization and Proxy-Authorization. Off by default, as in Apache (`CGIPassAuth`): other users of
    /// the machine can see a program's variables.
    #[must_use]
    pub fn pass_authorization(mut self, passes: bool) -> Self {
        self.passes_authorization = passes;
        self
    }

    /// How long a program may be silent: 60 s unless told otherwise, as Apache's `CGIScriptTimeout` and nginx's `fastcgi_read_timeout`. Beyond it
    /// the answer is 504, or the response is cut.
    #[must_use]
    pub fn silence(mut self, most: Duration) -> Self {
        self.silence = most;
        self
    }

    /// How many programs run at once, at least 1: 64 unless told otherwise, which a small machine has the memory for; beyond it the answer is 503.
    #[must_use]
    pub fn programs(mut self, most: usize) -> Self {
        self.room = Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS));
        self
    }

    /// The variables of RFC 3875 and those that everybody adds.
    fn variables(&self, environ: &Environ, file: &Path, length: u64) -> Result<Vec<Variable>> {
        let mut variables = Vec::new();
        for (name, value) in environ.variables()? {
            let kept = match &*name {
                "HTTP_AUTHORIZATION" | "HTTP_PROXY_AUTHORIZATION" => self.passes_authorization,
                // Decoded, or said by another name.
                "HTTP_TRANSFER_ENCODING" | "CONTENT_LENGTH" => false,
                name => !name.starts_with("wsgi."),
            };
            if kept && !value.contains(&0) {
                variables.push((OsString::from(name.into_owned()), text(&value)));
            }
        }
        if length > 0 {
            variables.push(("CONTENT_LENGTH".into(), length.to_string().into()));
        }
        if environ.scheme() == Scheme::Https {
            variables.push(("HTTPS".into(), "on".into()));
        }
        variables.push(("SCRIPT_FILENAME".into(), file.into()));
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        variables.push(("PATH".into(), path));
        variables.extend(self.variables.iter().cloned());
        Ok(variables)
    }
}

impl Application for CgiBin {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let program = place::find(&self.folder, &environ)?;
        let prefix = environ.path_info()[..program.length].to_owned();
        environ.shift_path(&prefix);
        let _room = self.room.try_acquire().map_err(|_| {
            Error::server("as many CGI programs run as may")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
        })?;
        let (content, length) = content(&mut environ).await?;
        let variables = self.variables(&environ, &program.file, length)?;
        let (mut process, pipes) = Process::start(&program.file, variables)?;
        let Pipes { input, mut output, errors } = pipes;
        let fed = feed(input, content);
        let told = tell(errors, &program.file);
        let answer = async {
            let mut buffer = BytesMut::with_capacity(CHUNK);
            let head = loop {
                if let Some(head) = document::take_head(&mut buffer)? {
                    break head;
                }
                if self.read(&mut output, &mut buffer).await? == 0 {
                    let why = "the CGI program ended before its head did";
                    return Err(Error::application(why).with_status(StatusCode::BAD_GATEWAY));
                }
            };
            let mut body = start_response.start_with(head);
            loop {
                if !buffer.is_empty() {
                    body.write(buffer.split().freeze()).await?;
                }
                if self.read(&mut output, &mut buffer).await? == 0 {
                    return self.end(&mut process, body).await;
                }
            }
        };
        // The answer decides: a program may leave content unread, and go on telling errors.
        let mut fed = std::pin::pin!(fed);
        let mut told = std::pin::pin!(told);
        let mut answer = std::pin::pin!(answer);
        let (mut feeds, mut tells) = (true, true);
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => return answered,
                broken = &mut fed, if feeds => {
                    feeds = false;
                    // Content that broke off is no content: the program must not take its end for the end.
                    broken?;
                }
                () = &mut told, if tells => tells = false,
            }
        }
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        if self.folder.is_dir() {
            Ok(())
        } else {
            Err(Error::server(format!("{} is no folder any more", self.folder.display())))
        }
    }
}

impl CgiBin {
    /// Reads what the program wrote; nothing is its end.
    async fn read(
        &self,
        output: &mut (impl AsyncReadExt + Unpin),
        buffer: &mut BytesMut,
    ) -> Result<usize> {
        buffer.reserve(CHUNK);
        match timeout(self.silence, output.read_buf(buffer)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(Error::application("the CGI program was silent for too long")
                .with_status(StatusCode::GATEWAY_TIMEOUT)),
        }
    }

    /// The program has closed its output: its exit tells whether that was the end or a break.
    async fn end(&self, process: &mut Process, body: BodyWriter) -> Result<Finished> {
        match timeout(self.silence, process.ended()).await {
            Ok(Ok(true)) => body.finish(),
            Ok(Ok(false)) => Err(Error::application("the CGI program ended with a failure")
                .with_status(StatusCode::BAD_GATEWAY)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::application("the CGI program closed its output and did not end")
                .with_status(StatusCode::GATEWAY_TIMEOUT)),
        }
    }
}

impl fmt::Debug for CgiBin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CgiBin")
            .field("folder", &self.folder)
            .field("silence", &self.silence)
            .finish_non_exhaustive()
    }
}

/// The content and its length, which CGI wants before the program starts: content of unknown length is collected, up to the input's limit.
async fn content(environ: &mut Environ) -> Result<(Input, u64)> {
    match environ.input().length() {
        BodyLength::Empty => Ok((Input::empty(), 0)),
        BodyLength::Exact(length) => Ok((environ.take_input(), length)),
        BodyLength::Unknown => {
            let limit = environ.input().limit().and_then(|limit| usize::try_from(limit).ok());
            let whole = environ.input_mut().read_to_end(limit.unwrap_or(MOST_COLLECTED)).await?;
            let length = whole.len() as u64;
            Ok((Input::from(whole), length))
        }
    }
}

/// What is collected of content of unknown length where nobody set a limit: 2 MiB, the server's default.
const MOST_COLLECTED: usize = 2 * 1024 * 1024;

/// Hands the content to the program; an error only where the content itself is broken.
async fn feed(mut input: ChildStdin, mut content: Input) -> Result<()> {
    while let Some(chunk) = content.chunk().await? {
        let chunk: Bytes = chunk;
        if input.write_all(&chunk).await.is_err() {
            // The program has closed its end, which it may: what it does not want is not read.
            return Ok(());
        }
    }
    let _ = input.shutdown().await;
    Ok(())
}

/// Logs what the program writes to standard error, line by line.
async fn tell(errors: ChildStderr, file: &Path) {
    let program: Arc<str> = file.display().to_string().into();
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut errors).take(ERROR_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(line.trim_ascii_end());
                tracing::warn!(%program, "{text}");
            }
        }
    }
}
