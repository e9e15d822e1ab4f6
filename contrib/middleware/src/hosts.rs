//! The host check: which names this site answers to, as Django's ALLOWED_HOSTS has it.
//!
//! Rules of this room: the effective authority is judged, so a proxy counts where the server trusts it and nowhere else; an entry that could
//! never match is refused at construction.

use std::sync::Arc;

use http::StatusCode;
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use crate::settings::{Problem, Problems, Settings, Value};

/// Refuses requests for other hosts than the allowed ones with 400.
///
/// An entry is a host name or an address in brackets, without scheme and port: `example.com`, `[::1]`. A leading dot takes the
/// domain and everything below it (`.example.com`), `*` takes all, even a request that names no host (HTTP/1.0 may). Names are compared without regard to case and to a final dot; the
/// port does not count.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{AllowedHosts, Client, Settings};
/// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "site") };
///
/// let settings = Settings::new().with("ALLOWED_HOSTS", [".example.com"]);
/// let client = Client::new(AllowedHosts::new(site, &settings)?);
/// assert_eq!(client.get("/").header("host", "www.example.com:8000").send().await?.status(), 200);
/// assert_eq!(client.get("/").header("host", "example.com.evil.org").send().await?.status(), 400);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct AllowedHosts<A> {
    inner: Arc<A>,
    hosts: Hosts,
}

impl<A: Application> AllowedHosts<A> {
    /// Puts the check around an application: `ALLOWED_HOSTS`, and `DEBUG` where that is empty.
    ///
    /// # Errors
    /// A setting of the wrong type, no host at all (`security.W020`), or an entry that no host can match.
    pub fn new(application: A, settings: &Settings) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let hosts = Hosts::read(settings, &mut problems);
        Problems::none_in(problems)?;
        Ok(Self { inner: Arc::new(application), hosts })
    }
}

/// What Django allows where `DEBUG` is set and `ALLOWED_HOSTS` is empty.
const DEBUG_HOSTS: [&str; 3] = [".localhost", "127.0.0.1", "[::1]"];

/// The hosts that are allowed.
#[derive(Debug)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// Reads `ALLOWED_HOSTS` and `DEBUG`.
    pub(crate) fn read(settings: &Settings, problems: &mut Vec<Problem>) -> Self {
        let before = problems.len();
        let mut allowed = Vec::new();
        match settings.get("ALLOWED_HOSTS") {
            Some(Value::List(entries)) => {
                for entry in entries {
                    match entry {
                        Value::Text(text) if is_entry(text) => allowed.push(text.clone()),
                        entry => problems.push(Problem::new(
                            "hosts.entry",
                            format!("{entry:?} in ALLOWED_HOSTS is no host name"),
                            "Leave scheme, port and path out; put an IPv6 address in brackets.",
                        )),
                    }
                }
            }
            None => {}
            Some(_) => problems.push(Problem::new(
                "hosts.type",
                "The ALLOWED_HOSTS setting must be a list or a tuple.",
                "",
            )),
        }
        if allowed.is_empty() && problems.len() == before {
            if settings.get("DEBUG") == Some(&Value::Bool(true)) {
                allowed = DEBUG_HOSTS.map(str::to_owned).to_vec();
            } else {
                problems.push(Problem::new(
                    "security.W020",
                    "ALLOWED_HOSTS must not be empty in deployment.",
                    "Every request would be refused.",
                ));
            }
        }
        Self(allowed)
    }

    /// Refuses a request for another host.
    pub(crate) fn check(&self, environ: &Environ) -> Result<()> {
        if self.allows(environ.authority()) {
            return Ok(());
        }
        Err(Error::client(
            StatusCode::BAD_REQUEST,
            format!("the host {:?} is not in ALLOWED_HOSTS", environ.authority()),
        ))
    }

    fn allows(&self, authority: Option<&str>) -> bool {
        if self.0.iter().any(|allowed| allowed == "*") {
            return true;
        }
        let Some(host) = authority.and_then(host) else { return false };
        self.0.iter().any(|allowed| match allowed.strip_prefix('.') {
            Some(domain) => {
                host.eq_ignore_ascii_case(domain)
                    || host.len().checked_sub(allowed.len()).is_some_and(|start| {
                        // All octets of a host are ASCII, so every place is a boundary.
                        host[start..].eq_ignore_ascii_case(allowed)
                    })
            }
            None => host.eq_ignore_ascii_case(allowed),
        })
    }
}

fn is_entry(text: &str) -> bool {
    let name = text.strip_prefix('.').unwrap_or(text);
    text == "*" || host(name) == Some(name)
}

/// The host of an authority, without port and final dot; `None` where it is malformed.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = if authority.starts_with('[') {
        authority.find(']').map(|end| authority.split_at(end + 1))?
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let port_is_right = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        });
    let host_is_right = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => {
            address.contains(':')
                && address.bytes().all(|octet| octet.is_ascii_hexdigit() || b":.".contains(&octet))
        }
        None => {
            !host.is_empty()
                && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-".contains(&octet))
        }
    };
    (port_is_right && host_is_right).then(|| host.strip_suffix('.').unwrap_or(host))
}

impl<A: Application> Application for AllowedHosts<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        self.hosts.check(&environ)?;
        self.inner.call(environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
