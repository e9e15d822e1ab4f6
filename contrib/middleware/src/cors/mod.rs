//! Cross-origin resource sharing, as django-cors-headers has it.
//!
//! Rules of this room: it asks the policy and carries out what that says. The fields are written by a head hook, so that no
//! later answer of the application can be without them; a request that an origin may read runs in an exchange of its own, so that
//! the page can read its failure, too.

mod checks;
mod origin;
mod pattern;
mod policy;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};

use self::policy::{Kind, Policy, Word};
use crate::settings::{Problems, Settings};
use crate::{failure, through};

/// `CORS_ALLOW_HEADERS` where it is not set; `corsheaders.defaults.default_headers`.
pub const DEFAULT_ALLOW_HEADERS: [&str; 6] =
    ["accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"];

/// `CORS_ALLOW_METHODS` where it is not set; `corsheaders.defaults.default_methods`.
pub const DEFAULT_ALLOW_METHODS: [&str; 6] = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"];

/// Adds the CORS fields that the settings of django-cors-headers ask for.
///
/// | Setting | Type | Default |
/// |---|---|---|
/// | `CORS_ALLOWED_ORIGINS` (`CORS_ORIGIN_WHITELIST`) | list of `scheme://host[:port]`, `null`, `file://` | none |
/// | `CORS_ALLOWED_ORIGIN_REGEXES` (`CORS_ORIGIN_REGEX_WHITELIST`) | list of patterns, matched in full | none |
/// | `CORS_ALLOW_ALL_ORIGINS` (`CORS_ORIGIN_ALLOW_ALL`) | bool | false |
/// | `CORS_URLS_REGEX` | pattern, matched from the start of the decoded `path_info` | every path |
/// | `CORS_ALLOW_METHODS` | list of methods | [`DEFAULT_ALLOW_METHODS`] |
/// | `CORS_ALLOW_HEADERS` | list of fields | [`DEFAULT_ALLOW_HEADERS`] |
/// | `CORS_EXPOSE_HEADERS` | list of fields | none |
/// | `CORS_PREFLIGHT_MAX_AGE` | seconds; 0 leaves the field out | 86400 |
/// | `CORS_ALLOW_CREDENTIALS` | bool | false |
/// | `CORS_ALLOW_PRIVATE_NETWORK` | bool | false |
///
/// The defaults are those of django-cors-headers, which grant no origin anything. A newer name wins over its alias. Every response of an enabled
/// path has `Vary: origin`. A preflight (OPTIONS with
/// `Access-Control-Request-Method`) is answered here, 200 and empty; every other OPTIONS reaches the application.
///
/// Put it outermost: what stands outside of it answers without its fields. Where an allowed origin asks and the application
/// fails, the error is answered here (and logged through `tracing`), so that the page can read the status; in other cases it goes on to the
/// server as it is.
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, Cors, Settings};
///
/// # pollster::block_on(async {
/// let api = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "data") };
/// let settings = Settings::new().with("CORS_ALLOWED_ORIGINS", ["https://example.com"]);
/// let client = Client::new(Cors::new(api, &settings)?);
///
/// let response = client.get("/").header("origin", "https://example.com").send().await?;
/// assert_eq!(response.header("access-control-allow-origin"), Some("https://example.com"));
/// let response = client.get("/").header("origin", "https://example.com.evil.org").send().await?;
/// assert_eq!(response.header("access-control-allow-origin"), None);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
pub struct Cors<A> {
    inner: Arc<A>,
    policy: Arc<Policy>,
    callbacks: Vec<Callback>,
}

type Callback = Box<dyn for<'a> Fn(&'a Environ) -> Verdict<'a> + Send + Sync>;

/// What a callback of [`Cors::allow_when_async`] gives: a future of whether the request is allowed. It is dropped with the call.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

impl<A: Application> Cors<A> {
    /// Puts CORS around an application.
    ///
    /// # Errors
    /// The system checks E001 to E015 of django-cors-headers: everything that is wrong, at once.
    pub fn new(application: A, settings: &Settings) -> Result<Self, Problems> {
        let policy = Arc::new(checks::policy(settings)?);
        Ok(Self { inner: Arc::new(application), policy, callbacks: Vec::new() })
    }

    /// Allows a request that the settings do not, where any callback says so: the signal `check_request_enabled`.
    ///
    /// It is asked at most once for a request, before the application is called, and only where the settings leave the answer open: the
    /// path is not enabled, or the origin is not allowed.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use rwgi::{Environ, StartResponse};
    /// use rwgi_middleware::{Cors, Settings};
    /// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "data") };
    ///
    /// // Our own pages may read everything, all others the interface.
    /// let settings = Settings::new().with("CORS_ALLOWED_ORIGINS", ["https://example.com"]);
    /// let site = Cors::new(site, &settings)?
    ///     .allow_when(|environ| environ.path_info().starts_with("/api/"));
    /// # Ok::<(), rwgi_middleware::Problems>(())
    /// ```
    #[must_use]
    pub fn allow_when(self, callback: impl Fn(&Environ) -> bool + Send + Sync + 'static) -> Self {
        self.allow_when_async(move |environ| Box::pin(std::future::ready(callback(environ))))
    }

    /// [`allow_when`](Self::allow_when) with a callback that has to wait, for a database perhaps.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use rwgi::{Environ, StartResponse};
    /// # use rwgi_middleware::{Cors, Settings};
    /// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "data") };
    /// # async fn is_customer(_: &str) -> bool { true }
    /// let site = Cors::new(site, &Settings::new())?.allow_when_async(|environ| {
    ///     Box::pin(async move {
    ///         let origin = environ.headers().get("origin").and_then(|value| value.to_str().ok());
    ///         is_customer(origin.unwrap_or_default()).await
    ///     })
    /// });
    /// # Ok::<(), rwgi_middleware::Problems>(())
    /// ```
    #[must_use]
    pub fn allow_when_async(
        mut self,
        callback: impl for<'a> Fn(&'a Environ) -> Verdict<'a> + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Runs the application for an origin that may read everything, its failure included.
    async fn run(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let request = failure::Request::of(&environ);
        let passed = through::run(&self.inner, environ, start_response).await?;
        match passed.answer {
            Ok(response) => passed.start_response.forward(response),
            Err(error) => failure::answer(&error, &request, passed.start_response),
        }
    }

    async fn ask(&self, environ: &Environ) -> bool {
        for callback in &self.callbacks {
            if callback(environ).await {
                return true;
            }
        }
        false
    }
}

impl<A: Application> Application for Cors<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let covered = self.policy.covers(&environ);
        let (origin, word) = self.policy.judge(environ.headers());
        let open = !covered || word == Word::Open;
        let said = open && !self.callbacks.is_empty() && self.ask(&environ).await;
        if !covered && !said {
            return self.inner.call(environ, start_response).await;
        }
        let kind = Kind::of(&environ);
        let allowed = word == Word::Allowed || (word == Word::Open && said);
        let grant = allowed.then(|| self.policy.grant(origin, kind, environ.headers()));
        let policy = Arc::clone(&self.policy);
        start_response.map_head(move |head| policy.write(head, grant));
        if kind == Kind::Preflight {
            return start_response.respond(StatusCode::OK, [(CONTENT_LENGTH, 0)], "");
        }
        if !allowed {
            return self.inner.call(environ, start_response).await;
        }
        // Boxed, so that a request without an origin does not pay for the room.
        Box::pin(self.run(environ, start_response)).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

impl<A> fmt::Debug for Cors<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors").field("policy", &self.policy).finish_non_exhaustive()
    }
}
