//! The URL map: several applications under prefixes of the path.
//!
//! Rules of this room: a prefix moves from `path_info` to `script_name` and no octet is changed (REQ-MID-02); the longest prefix wins, whatever the
//! order in which they were mounted; all applications live and end together.

use std::fmt;

use http::StatusCode;
use rwgi::{
    Application, Environ, Error, Finished, Result, ServerInfo, SharedApplication, StartResponse,
};

/// Mounts applications under prefixes.
///
/// A prefix moves from `path_info` to `script_name` (REQ-MID-02). It ends where a segment ends: `/shop` takes `/shop` and `/shop/cart`, and not
/// `/shopping`. What nobody takes is 404, unless there is an application for it ([`otherwise`](Self::otherwise)).
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, UrlMap};
///
/// let shop = |environ: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), format!("{} {}", environ.script_name(), environ.path_info()))
/// };
/// let client = Client::new(UrlMap::new().mount("/shop", shop));
/// assert_eq!(client.get("/shop/cart").send().await?.text(), "/shop /cart");
/// assert_eq!(client.get("/shopping").send().await?.status(), StatusCode::NOT_FOUND);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Default)]
pub struct UrlMap {
    /// Longest prefix first.
    mounts: Vec<(String, SharedApplication)>,
    otherwise: Option<SharedApplication>,
}

impl UrlMap {
    /// A map of nothing, which answers 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts an application; the prefix is compared with the raw path, and `/` or nothing takes all. The longest prefix that fits counts; a second
    /// application under the same one replaces the first.
    #[must_use]
    pub fn mount(mut self, prefix: impl Into<String>, application: impl Application) -> Self {
        let mut prefix = prefix.into();
        while prefix.ends_with('/') {
            prefix.pop();
        }
        if !prefix.is_empty() && !prefix.starts_with('/') {
            prefix.insert(0, '/');
        }
        self.mounts.retain(|(known, _)| *known != prefix);
        self.mounts.push((prefix, SharedApplication::new(application)));
        self.mounts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        self
    }

    /// The application for what no prefix takes; nothing is moved to its `script_name`.
    #[must_use]
    pub fn otherwise(mut self, application: impl Application) -> Self {
        self.otherwise = Some(SharedApplication::new(application));
        self
    }

    fn applications(&self) -> impl Iterator<Item = &SharedApplication> {
        self.mounts.iter().map(|(_, application)| application).chain(&self.otherwise)
    }
}

impl Application for UrlMap {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let mounted = self.mounts.iter().find(|(prefix, _)| environ.shift_path(prefix));
        match mounted.map(|(_, application)| application).or(self.otherwise.as_ref()) {
            Some(application) => application.call(environ, start_response).await,
            None => Err(Error::client(
                StatusCode::NOT_FOUND,
                format!("nothing is mounted at {:?}", environ.path_info()),
            )),
        }
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        for (started, application) in self.applications().enumerate() {
            if let Err(error) = application.startup(server).await {
                // The server calls no shutdown after a failed startup, so those that did start end here.
                for application in self.applications().take(started) {
                    application.shutdown().await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn shutdown(&self) {
        for application in self.applications() {
            application.shutdown().await;
        }
    }
}

impl fmt::Debug for UrlMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes: Vec<_> = self.mounts.iter().map(|(prefix, _)| prefix).collect();
        f.debug_struct("UrlMap")
            .field("prefixes", &prefixes)
            .field("otherwise", &self.otherwise.is_some())
            .finish()
    }
}
