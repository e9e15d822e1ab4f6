//! Where a WebSocket comes from: browsers let any page open one to any site, and say which page it was.
//!
//! Rules of this room: only WebSockets are judged; an entry that could never match is refused at construction; a client that names no
//! origin is no browser, and passes only where all may.

use std::sync::Arc;

use http::StatusCode;
use http::uri::{Authority, Uri};
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

/// Refuses WebSockets of other origins with 403, as the OriginValidator of Django Channels.
///
/// An entry is `*` (all, and clients that name no origin), `.example.com` (the domain and everything below it), `example.com` (the
/// host), or `scheme://host:port`, where a port that is left out is the scheme's own (80, 443).
///
/// ```
/// # use rwgi::{Environ, StartResponse};
/// # let chat = |_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::OK, (), "") };
/// use rwgi_middleware::OriginValidator;
/// let application = OriginValidator::new(chat, ["https://example.com", ".example.org"])?;
/// # let _ = application;
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Debug)]
pub struct OriginValidator<A> {
    inner: Arc<A>,
    allowed: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    All,
    Below(String),
    Host(String),
    Origin(Origin),
}

#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            _ => return None,
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return None;
        }
        let host = uri.host()?.to_ascii_lowercase();
        Some(Self { scheme, host, port: uri.port_u16().unwrap_or(default) })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if text.contains("://") {
            return Origin::parse(text).map(Self::Origin);
        }
        let (below, host) = text.strip_prefix('.').map_or((false, text), |host| (true, host));
        let authority: Authority = host.parse().ok()?;
        if authority.port().is_some() || authority.host() != host {
            return None;
        }
        let host = host.to_ascii_lowercase();
        Some(if below { Self::Below(host) } else { Self::Host(host) })
    }

    fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::All => true,
            Self::Host(host) => origin.host == *host,
            Self::Below(domain) => origin
                .host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Self::Origin(allowed) => origin == allowed,
        }
    }
}

impl<A: Application> OriginValidator<A> {
    /// Puts the check around an application.
    ///
    /// # Errors
    /// An entry that no origin can match.
    pub fn new<'a>(application: A, allowed: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let read = |text| {
            Entry::parse(text).ok_or_else(|| {
                Error::application(format!(
                    "{text:?} is no origin: write *, .example.com, example.com or https://example.com:8443"
                ))
            })
        };
        let allowed = allowed.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { inner: Arc::new(application), allowed })
    }

    fn allows(&self, origin: Option<&str>) -> bool {
        if self.allowed.contains(&Entry::All) {
            return true;
        }
        let Some(origin) = origin.and_then(Origin::parse) else { return false };
        self.allowed.iter().any(|entry| entry.allows(&origin))
    }
}

impl<A: Application> Application for OriginValidator<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        if let Some(offer) = environ.websocket()
            && !self.allows(offer.origin())
        {
            return Err(Error::client(
                StatusCode::FORBIDDEN,
                format!("a WebSocket of the origin {:?} is not allowed", offer.origin()),
            ));
        }
        self.inner.call(environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &[&str], origin: Option<&str>) -> bool {
        let inner =
            |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") };
        OriginValidator::new(inner, allowed.iter().copied()).unwrap().allows(origin)
    }

    #[test]
    fn an_origin_is_compared_by_its_parts() {
        for (allowed, origin, expected) in [
            ("*", Some("http://anything.org"), true),
            ("*", None, true),
            ("*", Some("null"), true),
            ("example.com", Some("http://example.com"), true),
            ("example.com", Some("https://EXAMPLE.com:8000"), true),
            ("example.com", Some("http://www.example.com"), false),
            ("example.com", Some("http://example.com.evil.org"), false),
            ("example.com", None, false),
            ("example.com", Some("null"), false),
            (".example.com", Some("http://example.com"), true),
            (".example.com", Some("http://a.b.example.com"), true),
            (".example.com", Some("http://badexample.com"), false),
            ("http://example.com", Some("http://example.com:80"), true),
            ("http://example.com:80", Some("http://example.com"), true),
            ("https://example.com", Some("https://example.com:443"), true),
            ("http://example.com", Some("https://example.com"), false),
            ("http://example.com:8000", Some("http://example.com"), false),
            ("http://example.com:8000", Some("http://example.com:8000"), true),
            ("http://[::1]:8000", Some("http://[::1]:8000"), true),
        ] {
            assert_eq!(allows(&[allowed], origin), expected, "{allowed} and {origin:?}");
        }
        assert!(!allows(&[], Some("http://example.com")));
        assert!(allows(&["a.org", ".b.org"], Some("https://x.b.org")));
    }

    #[test]
    fn an_entry_that_could_never_match_is_refused() {
        let inner =
            |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") };
        for entry in ["", "example.com:80", "http://example.com/path", "ftp://example.com", "a b"] {
            assert!(OriginValidator::new(inner, [entry]).is_err(), "{entry:?}");
        }
    }
}
