//! Environs made by hand, for tests and in-memory servers.
//!
//! Rules of this room: what a server would refuse is refused here, so that a test cannot rest on an impossible request.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::Environ;
use crate::fields::{IntoName, IntoValue};
use crate::{BodyLength, Connection, Error, Input, Result, ServerInfo, UpgradeOffer};

/// Builds an [`Environ`]; `GET /` of `localhost` by HTTP/1.1 unless told otherwise.
///
/// ```
/// use http::Method;
/// let environ = rwgi::Environ::builder()
///     .method(Method::POST)
///     .uri("/submit")
///     .header("content-type", "text/plain")
///     .input("hello")
///     .build()?;
/// assert_eq!(environ.headers()["content-length"], "5");
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct EnvironBuilder {
    method: Method,
    uri: Option<Result<Uri>>,
    version: Version,
    headers: HeaderMap,
    error: Option<Error>,
    input: Input,
    connection: Arc<Connection>,
    mount: Option<String>,
}

impl EnvironBuilder {
    /// The method; GET unless told otherwise.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The request target, in any of its forms; a malformed one fails [`build`](Self::build). `/` unless told otherwise.
    #[must_use]
    pub fn uri<U>(mut self, uri: U) -> Self
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        self.uri = Some(uri.try_into().map_err(|error| {
            Error::application("the builder was given a malformed request target")
                .with_source(error.into())
        }));
        self
    }

    /// The version of HTTP; HTTP/1.1 unless told otherwise.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Adds a field beside those of the same name; a malformed one fails [`build`](Self::build).
    ///
    /// # Panics
    /// The builder was given more fields than a [`HeaderMap`] holds, some 24,000.
    #[must_use]
    pub fn header(mut self, name: impl IntoName, value: impl IntoValue) -> Self {
        match name.into_name().and_then(|name| Ok((name, value.into_value()?))) {
            Ok((name, value)) => {
                self.headers.append(name, value);
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// The Host field; `localhost` unless told otherwise, where the version asks for one and the target names no authority.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.header(HOST, host)
    }

    /// The content; Content-Length is set from it where it is exact. The server's limit on content holds, unless the input has one.
    #[must_use]
    pub fn input(mut self, input: impl Into<Input>) -> Self {
        self.input = input.into();
        self
    }

    /// The facts of the connection, its server included.
    #[must_use]
    pub fn connection(mut self, connection: impl Into<Arc<Connection>>) -> Self {
        self.connection = connection.into();
        self
    }

    /// The server, where nothing else of the connection matters.
    ///
    /// ```
    /// let mut server = rwgi::ServerInfo::new("test/1");
    /// server.capabilities.response_trailers = true;
    /// let environ = rwgi::Environ::builder().server(server).build()?;
    /// assert!(environ.capabilities().response_trailers);
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    #[must_use]
    pub fn server(mut self, server: impl Into<Arc<ServerInfo>>) -> Self {
        Arc::make_mut(&mut self.connection).server = server.into();
        self
    }

    /// Mounts the application: moves this prefix of the path to `script_name`, as [`Environ::shift_path`] does (REQ-ENV-06).
    #[must_use]
    pub fn script_name(mut self, prefix: impl Into<String>) -> Self {
        self.mount = Some(prefix.into());
        self
    }

    /// The environ.
    ///
    /// # Errors
    /// A malformed target or field, a mount that is no prefix of the path, or what a server refuses: a second Host, `*` for
    /// another method than OPTIONS, `host:port` for another than CONNECT, a Content-Length that is not that of the content (REQ-HTTP-23,
    /// REQ-HTTP-18, REQ-HTTP-19, REQ-MID-04).
    pub fn build(mut self) -> Result<Environ> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let uri = self.uri.unwrap_or_else(|| Ok(Uri::from_static("/")))?;
        if self.version > Version::HTTP_10 && uri.authority().is_none() {
            self.headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        }
        refuse(&self.method, &uri, &self.headers)?;
        if self.input.limit().is_none() {
            // As a server does; an input that came with a limit of its own keeps it.
            self.input.set_limit(self.connection.server.limits().body_bytes);
        }
        if let BodyLength::Exact(length) = self.input.length() {
            let length = HeaderValue::from(length);
            if *self.headers.entry(CONTENT_LENGTH).or_insert(length.clone()) != length {
                return Err(Error::application(
                    "the builder was given a Content-Length that is not the length of the input",
                )
                .with_requirement("REQ-MID-04"));
            }
        }
        let mut request = http::Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers;
        let head = request.into_parts().0;
        let offer = if self.input.length() == BodyLength::Empty {
            UpgradeOffer::of_request(&head)
        } else {
            None
        };
        let mut environ = Environ::new(head, self.input, self.connection);
        environ.set_upgrade(offer);
        if let Some(prefix) = self.mount
            && !environ.shift_path(&prefix)
        {
            return Err(Error::application(format!(
                "{prefix:?} is no prefix of the path {:?} that ends with a segment",
                environ.path()
            )));
        }
        Ok(environ)
    }
}

/// What a server answers by itself (the specification's chapter "HTTP duties").
fn refuse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let host_and_port = uri.scheme().is_none() && uri.authority().is_some();
    let (why, requirement) = if headers.get_all(HOST).iter().count() > 1 {
        ("two Host fields", "REQ-HTTP-23")
    } else if uri.path() == "*" && method != Method::OPTIONS {
        ("the target `*` and another method than OPTIONS", "REQ-HTTP-18")
    } else if host_and_port && method != Method::CONNECT {
        ("a target `host:port` and another method than CONNECT", "REQ-HTTP-19")
    } else {
        return Ok(());
    };
    Err(Error::client(StatusCode::BAD_REQUEST, format!("no server passes on a request with {why}"))
        .with_requirement(requirement))
}
