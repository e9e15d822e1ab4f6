//! Routing by method and path: as much as examples and small services need.
//!
//! Rules of this room: a route is a list of segments, each a text or a name in braces; the first that fits is taken; what exists under another
//! method is 405 with Allow, and HEAD is served by GET. Whoever needs more takes a router crate and calls it from an application.

use std::borrow::Cow;
use std::fmt;

use http::header::ALLOW;
use http::{Method, StatusCode};
use rwgi::{
    Application, Environ, Error, Finished, Result, ServerInfo, SharedApplication, StartResponse,
};

/// Sends a request to the application of its method and path; 404 where no path fits, 405 with Allow where only the method does not.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, PathParameters, Router};
///
/// let greet = |environ: Environ, start: StartResponse| async move {
///     let name = PathParameters::of(&environ).get("name").unwrap_or_default().to_owned();
///     start.respond(StatusCode::OK, (), format!("Hello, {name}!"))
/// };
/// let client = Client::new(Router::new().get("/greet/{name}", greet));
/// assert_eq!(client.get("/greet/caf%C3%A9").send().await?.text(), "Hello, café!");
/// assert_eq!(client.post("/greet/you").send().await?.header("allow"), Some("GET, HEAD"));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
}

struct Route {
    method: Method,
    segments: Vec<Segment>,
    application: SharedApplication,
}

enum Segment {
    Text(String),
    Name(String),
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A route by any method. `{name}` in `path` stands for one segment that is not empty. Of several routes that fit the first counts.
    #[must_use]
    pub fn route(mut self, method: Method, path: &str, application: impl Application) -> Self {
        let segments = segments(path)
            .map(|segment| {
                let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                match name {
                    Some(name) => Segment::Name(name.to_owned()),
                    None => Segment::Text(segment.to_owned()),
                }
            })
            .collect();
        let application = SharedApplication::new(application);
        self.routes.push(Route { method, segments, application });
        self
    }

    /// A route of GET, which serves HEAD too (REQ-APP-07).
    #[must_use]
    pub fn get(self, path: &str, application: impl Application) -> Self {
        self.route(Method::GET, path, application)
    }

    /// A route of POST.
    #[must_use]
    pub fn post(self, path: &str, application: impl Application) -> Self {
        self.route(Method::POST, path, application)
    }

    /// A route of PUT.
    #[must_use]
    pub fn put(self, path: &str, application: impl Application) -> Self {
        self.route(Method::PUT, path, application)
    }

    /// A route of DELETE.
    #[must_use]
    pub fn delete(self, path: &str, application: impl Application) -> Self {
        self.route(Method::DELETE, path, application)
    }
}

/// The segments of a path after its first slash.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl Route {
    /// The values of the names, where the path fits; each segment was split off before it was decoded, so `%2F` stays inside of one.
    fn fits(&self, path: &[Cow<'_, str>]) -> Option<Vec<(String, String)>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, text) in self.segments.iter().zip(path) {
            match segment {
                Segment::Text(expected) if expected == text => {}
                Segment::Name(name) if !text.is_empty() => {
                    values.push((name.clone(), text.clone().into_owned()));
                }
                _ => return None,
            }
        }
        Some(values)
    }

    fn serves(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

impl Application for Router {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let path = decoded(environ.path_info())?;
        let mut allowed: Vec<&str> = Vec::new();
        for route in &self.routes {
            let Some(values) = route.fits(&path) else { continue };
            if route.serves(environ.method()) {
                drop(path);
                environ.extensions_mut().insert(PathParameters { values });
                return route.application.call(environ, start_response).await;
            }
            let methods =
                [route.method.as_str(), if route.method == Method::GET { "HEAD" } else { "" }];
            for method in methods {
                if !method.is_empty() && !allowed.contains(&method) {
                    allowed.push(method);
                }
            }
        }
        if allowed.is_empty() {
            return Err(Error::client(
                StatusCode::NOT_FOUND,
                format!("no route fits {:?}", environ.path_info()),
            ));
        }
        start_response.respond(
            StatusCode::METHOD_NOT_ALLOWED,
            [(ALLOW, allowed.join(", ")), (http::header::CONTENT_TYPE, "text/plain".to_owned())],
            "405 Method Not Allowed\n",
        )
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        for (started, route) in self.routes.iter().enumerate() {
            if let Err(error) = route.application.startup(server).await {
                // The server calls no shutdown after a failed startup, so those that did start end here.
                for route in &self.routes[..started] {
                    route.application.shutdown().await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn shutdown(&self) {
        for route in &self.routes {
            route.application.shutdown().await;
        }
    }
}

fn decoded(path: &str) -> Result<Vec<Cow<'_, str>>> {
    segments(path)
        .map(|segment| {
            if !segment.contains('%') {
                return Ok(Cow::Borrowed(segment));
            }
            // The contract's own decoding, of one segment: an escape that is malformed is 400.
            let one = Environ::builder().uri(format!("/{segment}")).build()?;
            Ok(Cow::Owned(one.path_info_decoded()?[1..].to_owned()))
        })
        .collect()
}

/// What stood in the place of the names in a route's path, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParameters {
    values: Vec<(String, String)>,
}

impl PathParameters {
    /// Those of the route by which a request came; none without a route.
    pub fn of(environ: &Environ) -> &Self {
        static NONE: PathParameters = PathParameters { values: Vec::new() };
        environ.extensions().get().unwrap_or(&NONE)
    }

    /// The value of a name, percent-decoded; `None` where the route has no such name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("routes", &self.routes.len()).finish()
    }
}
