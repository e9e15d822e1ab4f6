//! Fields that make a browser careful, and the way from http to https: Django's SecurityMiddleware and XFrameOptionsMiddleware.
//!
//! Rules of this room: what the application set itself stays; nothing is sent that its setting does not ask for.

use std::sync::Arc;

use http::header::{
    LOCATION, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use regex::Regex;
use rwgi::{
    Application, Environ, Error, Finished, ResponseHead, Result, Scheme, ServerInfo, StartResponse,
};

use crate::hosts::Hosts;
use crate::settings::{Problem, Problems, Settings, Value};

/// Adds the fields that Django's security settings ask for.
///
/// | Setting | Default | Field |
/// |---|---|---|
/// | `SECURE_CONTENT_TYPE_NOSNIFF` | true | `X-Content-Type-Options: nosniff` |
/// | `X_FRAME_OPTIONS` | `"DENY"` | `X-Frame-Options` |
/// | `SECURE_REFERRER_POLICY` (a text or a list) | `"same-origin"` | `Referrer-Policy`; empty leaves it out |
/// | `SECURE_CROSS_ORIGIN_OPENER_POLICY` | `"same-origin"` | `Cross-Origin-Opener-Policy`; empty leaves it out |
/// | `SECURE_HSTS_SECONDS` | 0 | `Strict-Transport-Security`, over https only; 0 leaves it out |
/// | `SECURE_HSTS_INCLUDE_SUBDOMAINS`, `SECURE_HSTS_PRELOAD` | false | its directives |
/// | `SECURE_SSL_REDIRECT` | false | 301 to https for what came by http |
/// | `SECURE_SSL_HOST` | the request's, which has to be in `ALLOWED_HOSTS` | the host of that redirection |
/// | `SECURE_REDIRECT_EXEMPT` (patterns, of the path without its first slash) | none | what is not redirected |
///
/// The defaults are Django's. A field that the application set stays as it is. An error that the application does not answer is the server's
/// answer, which has none of these fields; put [`ErrorPages`](crate::ErrorPages) inside.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, SecurityHeaders, Settings};
/// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "site") };
///
/// let settings = Settings::new().with("X_FRAME_OPTIONS", "SAMEORIGIN");
/// let client = Client::new(SecurityHeaders::new(site, &settings)?);
/// let response = client.get("/").send().await?;
/// assert_eq!(response.header("x-frame-options"), Some("SAMEORIGIN"));
/// assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct SecurityHeaders<A> {
    inner: Arc<A>,
    always: Arc<[(HeaderName, HeaderValue)]>,
    over_https: Arc<[(HeaderName, HeaderValue)]>,
    redirect: Option<Redirect>,
}

/// Whose https a request is sent to.
#[derive(Debug)]
enum To {
    Host(String),
    /// The one it came for. It is the client's word, and goes into an answer that may be cached: so it has to be allowed.
    Same(Hosts),
}

#[derive(Debug)]
struct Redirect {
    to: To,
    exempt: Vec<Regex>,
}

impl<A: Application> SecurityHeaders<A> {
    /// Puts the fields around an application.
    ///
    /// # Errors
    /// Settings of the wrong type, or with values that no field can carry: everything that is wrong, at once.
    pub fn new(application: A, settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader { settings, problems: Vec::new() };
        let mut always = Vec::new();
        if reader.flag("SECURE_CONTENT_TYPE_NOSNIFF", true) {
            always.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        }
        let fields = [
            ("X_FRAME_OPTIONS", X_FRAME_OPTIONS, "DENY"),
            ("SECURE_REFERRER_POLICY", REFERRER_POLICY, "same-origin"),
            (
                "SECURE_CROSS_ORIGIN_OPENER_POLICY",
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
        ];
        for (setting, field, default) in fields {
            if let Some(value) = reader.value(setting, default) {
                always.push((field, value));
            }
        }
        let over_https: Vec<_> = reader
            .transport()
            .map(|value| (STRICT_TRANSPORT_SECURITY, value))
            .into_iter()
            .collect();
        let redirect = reader.redirect();
        Problems::none_in(reader.problems)?;
        Ok(Self {
            inner: Arc::new(application),
            always: always.into(),
            over_https: over_https.into(),
            redirect,
        })
    }
}

struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, name: &str, expected: &str) {
        self.problems.push(Problem::new(
            "security.type",
            format!("{name} should be {expected}."),
            "",
        ));
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.settings.get(name) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.wrong(name, "a bool");
                default
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.settings.get(name)? {
            Value::Text(text) => Some(text.clone()),
            _ => {
                self.wrong(name, "a string");
                None
            }
        }
    }

    /// A field's value: a text, or a list of texts; `None` where it is empty.
    fn value(&mut self, name: &str, default: &str) -> Option<HeaderValue> {
        let text = match self.settings.get(name) {
            None => default.to_owned(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::List(values)) => {
                let texts: Vec<_> = values
                    .iter()
                    .filter_map(|value| match value {
                        Value::Text(text) => Some(text.trim()),
                        _ => None,
                    })
                    .collect();
                if texts.len() != values.len() {
                    self.wrong(name, "a string or a sequence of strings");
                }
                texts.join(",")
            }
            Some(_) => {
                self.wrong(name, "a string or a sequence of strings");
                return None;
            }
        };
        let value = HeaderValue::try_from(text.as_str());
        if value.is_err() {
            self.wrong(name, "text that a field can carry");
        }
        value.ok().filter(|value| !value.is_empty())
    }

    fn transport(&mut self) -> Option<HeaderValue> {
        let seconds = match self.settings.get("SECURE_HSTS_SECONDS") {
            None => 0,
            Some(Value::Integer(seconds)) if *seconds >= 0 => *seconds,
            Some(_) => {
                self.wrong("SECURE_HSTS_SECONDS", "an integer greater than or equal to zero");
                0
            }
        };
        let mut value = format!("max-age={seconds}");
        if self.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", false) {
            value.push_str("; includeSubDomains");
        }
        if self.flag("SECURE_HSTS_PRELOAD", false) {
            value.push_str("; preload");
        }
        HeaderValue::try_from(value).ok().filter(|_| seconds > 0)
    }

    fn redirect(&mut self) -> Option<Redirect> {
        let host = self.text("SECURE_SSL_HOST");
        if host.as_deref().is_some_and(|host| host.parse::<http::uri::Authority>().is_err()) {
            self.wrong("SECURE_SSL_HOST", "a host, with a port or without");
        }
        let mut exempt = Vec::new();
        match self.settings.get("SECURE_REDIRECT_EXEMPT") {
            None => {}
            Some(Value::List(patterns)) => {
                for pattern in patterns {
                    match pattern {
                        Value::Text(text) => match Regex::new(text) {
                            Ok(pattern) => exempt.push(pattern),
                            Err(error) => self.problems.push(Problem::new(
                                "security.type",
                                "SECURE_REDIRECT_EXEMPT should be a list of patterns.",
                                error.to_string(),
                            )),
                        },
                        _ => self.wrong("SECURE_REDIRECT_EXEMPT", "a list of patterns"),
                    }
                }
            }
            Some(_) => self.wrong("SECURE_REDIRECT_EXEMPT", "a list of patterns"),
        }
        if !self.flag("SECURE_SSL_REDIRECT", false) {
            return None;
        }
        let to = match host {
            Some(host) => To::Host(host),
            None => To::Same(Hosts::read(self.settings, &mut self.problems)),
        };
        Some(Redirect { to, exempt })
    }
}

impl Redirect {
    /// Where to send a request that came by http.
    fn target(&self, environ: &Environ) -> Result<Option<String>> {
        let path = environ.path().trim_start_matches('/');
        // `OPTIONS *` is about the server, and has no place to go to.
        if environ.scheme() == Scheme::Https
            || !environ.path().starts_with('/')
            || self.exempt.iter().any(|pattern| pattern.is_match(path))
        {
            return Ok(None);
        }
        let host = match &self.to {
            To::Host(host) => host,
            To::Same(hosts) => {
                hosts.check(environ)?;
                environ.authority().ok_or_else(|| {
                    Error::client(StatusCode::BAD_REQUEST, "no host to go to by https")
                })?
            }
        };
        let query = environ.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Some(format!("https://{host}{}{query}", environ.path())))
    }
}

fn add(head: &mut ResponseHead, fields: &[(HeaderName, HeaderValue)]) -> Result<()> {
    for (name, value) in fields {
        if !head.fields().contains_key(name) {
            head.insert(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

impl<A: Application> Application for SecurityHeaders<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let always = Arc::clone(&self.always);
        let secure = (environ.scheme() == Scheme::Https).then(|| Arc::clone(&self.over_https));
        start_response.map_head(move |head| {
            add(head, &always)?;
            secure.map_or(Ok(()), |fields| add(head, &fields))
        });
        if let Some(redirect) = &self.redirect
            && let Some(target) = redirect.target(&environ)?
        {
            return start_response.respond(StatusCode::MOVED_PERMANENTLY, [(LOCATION, target)], "");
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
