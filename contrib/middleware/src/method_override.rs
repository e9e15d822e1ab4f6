//! Methods that an HTML form cannot send: PUT, PATCH and DELETE by POST.
//!
//! Rules of this room: only a POST becomes another method, and only one of a list; the content is never read to find out.

use std::sync::Arc;

use http::{HeaderName, Method};
use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};

/// The method by which a request really came, where it was overridden; in the environ's extensions.
///
/// ```
/// use rwgi_middleware::OriginalMethod;
///
/// fn came_by(environ: &rwgi::Environ) -> &http::Method {
///     environ.extensions().get().map_or(environ.method(), |OriginalMethod(method)| method)
/// }
/// # assert_eq!(came_by(&rwgi::Environ::builder().build()?), http::Method::GET);
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalMethod(pub Method);

/// Replaces POST by the method that the request names.
///
/// It is named by the field `X-HTTP-Method-Override` or by `_method` in the query (the field wins), and has to be PUT, PATCH or DELETE,
/// in any case; else the request stays what it is. Whatever judges requests by their method belongs inside.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, MethodOverride};
///
/// let client = Client::new(MethodOverride::new(|environ: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), environ.method().to_string())
/// }));
/// assert_eq!(client.post("/?_method=delete").send().await?.text(), "DELETE");
/// assert_eq!(client.get("/?_method=delete").send().await?.text(), "GET");
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct MethodOverride<A> {
    inner: Arc<A>,
}

const FIELD: HeaderName = HeaderName::from_static("x-http-method-override");
const PARAMETER: &str = "_method";

impl<A: Application> MethodOverride<A> {
    /// Puts the override around an application. The names of field and parameter are Rack's, and cannot be set.
    pub fn new(application: A) -> Self {
        Self { inner: Arc::new(application) }
    }
}

fn named(environ: &Environ) -> Option<Method> {
    if environ.method() != Method::POST {
        return None;
    }
    let by_field = environ.headers().get(FIELD).and_then(|value| value.to_str().ok());
    let name = match by_field {
        Some(name) => name.to_owned(),
        None => form_urlencoded::parse(environ.query()?.as_bytes())
            .find(|(parameter, _)| parameter == PARAMETER)
            .map(|(_, value)| value.into_owned())?,
    };
    [Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(name.trim()))
}

impl<A: Application> Application for MethodOverride<A> {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        if let Some(method) = named(&environ) {
            environ.extensions_mut().insert(OriginalMethod(Method::POST));
            environ.set_method(method);
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
