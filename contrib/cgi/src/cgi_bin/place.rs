//! Which file of the folder a path asks for.
//!
//! Rules of this room: nothing outside of the folder is ever named, whatever the path or a link says; names that begin with a dot are
//! hidden; what is a program is what may be executed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use http::StatusCode;
use rwgi::{Environ, Error, Result};

/// A program, and how much of `path_info` names it.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    pub(super) length: usize,
}

/// Finds the program that `path_info` begins with.
///
/// # Errors
/// 404 where there is none, 403 where the file may not be executed, 501 for a program that would speak HTTP by itself (`nph-`).
pub(super) fn find(folder: &Path, environ: &Environ) -> Result<Program> {
    let missing = || Error::client(StatusCode::NOT_FOUND, "no such CGI program");
    let path = environ.path_info();
    let mut file = folder.to_owned();
    let mut length = 0;
    for segment in path.strip_prefix('/').ok_or_else(missing)?.split('/') {
        length += 1 + segment.len();
        let name = decoded(segment).ok_or_else(missing)?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(missing());
        }
        file.push(&name);
        let found = fs::metadata(&file).map_err(|error| missing().with_source(error))?;
        if found.is_dir() {
            continue;
        }
        // A link may lead anywhere.
        let real = file.canonicalize().map_err(|error| missing().with_source(error))?;
        if !found.is_file() || !real.starts_with(folder) {
            return Err(missing());
        }
        if name.starts_with("nph-") {
            let why = "a CGI program that writes its own HTTP (nph-) cannot be run behind a contract that frames";
            return Err(Error::server(why).with_status(StatusCode::NOT_IMPLEMENTED));
        }
        if found.permissions().mode() & 0o111 == 0 {
            return Err(Error::client(
                StatusCode::FORBIDDEN,
                "the file is no program: it may not be executed",
            ));
        }
        return Ok(Program { file, length });
    }
    Err(missing())
}

/// A segment, percent-decoded; `None` where it is no text.
fn decoded(segment: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet != b'%' {
            octets.push(*octet);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(octets).ok()
}
