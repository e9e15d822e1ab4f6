//! Files under a prefix, beside the application.
//!
//! Rules of this room: an application like any other, before another one; nothing leaves a folder but what lies in it, whatever a path says and wherever a link
//! leads; what begins with a dot is nobody's business but `.well-known`; a file that is not there is 404 and not the application's.
//!
//! A file whose date HTTP cannot say is served without one. Ranges, conditions, types and pre-compressed files (`app.js.br`, `app.js.gz` beside `app.js`) are tower-http's.

mod folders;
mod undated;

use std::io::ErrorKind::{NotFound, PermissionDenied};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use rwgi::{Application, Environ, Finished, ServerInfo, StartResponse};
use tower_http::services::ServeDir;

pub use self::folders::StaticFolders;
use crate::{Error, Result};

/// An application with folders of files beside it.
///
/// What is below a prefix is answered from its folder, with 404 where there is no such file, and never by the application. Nothing is served whose
/// name begins with a dot, but for `.well-known`, and nothing that lies outside of the folder. Needs a tokio runtime.
///
/// ```
/// use rwgi_server::{StaticFiles, StaticFolders};
/// let folders: StaticFolders = "/static=.".parse()?;
/// let application = StaticFiles::new(rwgi_server::demo::application(), &folders)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StaticFiles<A> {
    application: A,
    folders: Vec<Arc<Folder>>,
}

#[derive(Debug)]
struct Folder {
    prefix: String,
    /// Without links and dots: what a file's own path begins with.
    root: PathBuf,
}

/// The endings of files that were compressed beforehand.
const COMPRESSED: [&str; 3] = [".br", ".gz", ".zst"];

impl<A: Application> StaticFiles<A> {
    /// Puts the folders before `application`.
    ///
    /// # Errors
    /// A folder that is not there.
    pub fn new(application: A, folders: &StaticFolders) -> Result<Self> {
        Ok(Self { application, folders: open(folders)? })
    }
}

impl StaticFolders {
    /// Sees whether each folder is there.
    pub(crate) fn look(&self) -> Result<()> {
        open(self).map(drop)
    }
}

fn open(folders: &StaticFolders) -> Result<Vec<Arc<Folder>>> {
    let open = |(prefix, path): &(String, PathBuf)| {
        let failed =
            |error| Error::config(format!("static: {} for {prefix}: {error}", path.display()));
        let root = path.canonicalize().map_err(failed)?;
        if !root.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
        Ok(Arc::new(Folder { prefix: prefix.clone(), root }))
    };
    folders.folders.iter().map(open).collect()
}

impl<A: Application> Application for StaticFiles<A> {
    fn call(
        &self,
        mut environ: Environ,
        start: StartResponse,
    ) -> impl Future<Output = rwgi::Result<Finished>> + Send {
        let folder = self.folders.iter().find(|folder| environ.shift_path(&folder.prefix));
        match folder {
            // In a box, so that the application's future is no larger for the files it never serves.
            Some(folder) => {
                let files = serve(Arc::clone(folder), environ, start);
                futures_util::future::Either::Left(Box::pin(files))
            }
            None => futures_util::future::Either::Right(self.application.call(environ, start)),
        }
    }

    async fn startup(&self, server: &ServerInfo) -> rwgi::Result<()> {
        self.application.startup(server).await
    }

    async fn shutdown(&self) {
        self.application.shutdown().await;
    }
}

async fn serve(
    folder: Arc<Folder>,
    environ: Environ,
    start: StartResponse,
) -> rwgi::Result<Finished> {
    let path = environ.path_info_decoded()?.into_owned();
    if path.is_empty() {
        let location = format!("{}/", environ.script_name());
        return start.respond(StatusCode::PERMANENT_REDIRECT, [("location", location)], "");
    }
    if !is_plain(&path) {
        return not_found(start);
    }
    let (root, asked) = (folder.root.clone(), path.clone());
    let found = tokio::task::spawn_blocking(move || confined(&root, &asked)).await?;
    let Some(found) = found else { return not_found(start) };

    let prefix = environ.script_name().to_owned();
    let target = environ.path_info().parse::<Uri>()?;
    let (mut head, _, _) = environ.into_parts();
    head.uri = target;
    match found.date {
        Some(date) => settle_range(&mut head.headers, date),
        // Other methods, and directories that lack their slash, are refused or sent elsewhere without a look at the file.
        None if matches!(head.method, Method::GET | Method::HEAD) && found.is_named => {
            return match undated::whole(&found.file).await {
                Ok(response) => start.forward(finished(response, &prefix)),
                // As tower-http has it: a directory without an index, a file that may not be read.
                Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => {
                    not_found(start)
                }
                Err(error) => Err(error.into()),
            };
        }
        None => {}
    }
    if found.is_alone {
        head.headers.remove(ACCEPT_ENCODING);
    }
    let mut files =
        ServeDir::new(&folder.root).precompressed_br().precompressed_gzip().precompressed_zstd();
    let request = Request::from_parts(head, Empty::<Bytes>::new());
    let response: Response<_> = files.try_call(request).await?;
    start.forward(finished(response, &prefix))
}

fn not_found(start: StartResponse) -> rwgi::Result<Finished> {
    let fields = [("content-type", "text/plain; charset=utf-8")];
    start.respond(StatusCode::NOT_FOUND, fields, "404 Not Found\n")
}

/// Whether a decoded path can name a file: no way up, no hidden name, no NUL, nothing that another system reads otherwise.
fn is_plain(path: &str) -> bool {
    let plain = |segment: &str| !segment.starts_with('.') || segment == ".well-known";
    !path.contains(['\0', '\\']) && path.split('/').all(plain)
}

/// A file that may be served.
struct Found {
    file: PathBuf,
    /// When it was modified, where HTTP can say that.
    date: Option<SystemTime>,
    /// The path names it, or its directory as one.
    is_named: bool,
    /// What was compressed beforehand has a date that cannot be said.
    is_alone: bool,
}

/// The file, if it lies in the folder with all that may be sent in its place; else `None`. A file that is compressed beforehand or stands for its
/// directory may be a link of its own.
fn confined(root: &Path, asked: &str) -> Option<Found> {
    let path = root.join(asked.trim_start_matches('/'));
    let real = path.canonicalize().ok()?;
    if !real.starts_with(root) {
        return None;
    }
    let is_named = !real.is_dir() || asked.ends_with('/');
    let file = if real.is_dir() { path.join("index.html") } else { path };
    let name = file.file_name()?.to_str()?.to_owned();
    let date = |path: &Path| path.metadata()?.modified();
    let mut is_alone = false;
    for ending in std::iter::once("").chain(COMPRESSED) {
        let beside = file.with_file_name(format!("{name}{ending}"));
        if let Ok(real) = beside.canonicalize() {
            if !real.starts_with(root) {
                return None;
            }
            is_alone |= date(&real).is_ok_and(|date| !undated::can_be_said(date));
        }
    }
    let date = date(&file).or_else(|_| date(&real)).ok()?;
    let date = Some(date).filter(|date| undated::can_be_said(*date));
    Some(Found { file, date, is_named, is_alone })
}

/// Takes a range back that must not, or need not, be honoured (RFC 9110, sections 13.1.5 and 14.2): its condition names another state of the
/// file, or there are several.
fn settle_range(fields: &mut HeaderMap, modified: SystemTime) {
    let several = fields.get(RANGE).is_some_and(|range| range.as_bytes().contains(&b','));
    let current = httpdate::fmt_http_date(modified);
    let stale = fields.get(IF_RANGE).is_some_and(|date| date.as_bytes() != current.as_bytes());
    if several || stale {
        fields.remove(RANGE);
    }
}

/// The response as it leaves: beneath the prefix, and with what caches and browsers have to know.
fn finished<B>(mut response: Response<B>, prefix: &str) -> Response<B> {
    let fields = response.headers_mut();
    if let Some(location) = fields.get(LOCATION).and_then(|location| location.to_str().ok())
        && let Ok(location) = HeaderValue::try_from(format!("{prefix}{location}"))
    {
        fields.insert(LOCATION, location);
    }
    if fields.contains_key(LAST_MODIFIED) {
        fields.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
    }
    fields.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
