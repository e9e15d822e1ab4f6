//! A site with the settings that it had under Django, in the order in which Django has its middleware.
//!
//! `RWGI_SETTINGS` names a TOML file; without it the ones below hold. Everything that is wrong in them is told at once, before the server starts.

use http::StatusCode;
use rwgi::{Application, BoxError, Environ, Finished, StartResponse};
use rwgi_middleware::{
    AllowedHosts, Compression, ConditionalGet, Cors, ErrorPages, Problems, SecurityHeaders,
    Settings,
};

// ANCHOR: settings
const SETTINGS: &str = r#"
ALLOWED_HOSTS = [".localhost", "127.0.0.1"]
CORS_ALLOWED_ORIGINS = ["https://example.com"]
CORS_ALLOWED_ORIGIN_REGEXES = ['^https://\w+\.example\.com$']
CORS_ALLOW_CREDENTIALS = true
CORS_URLS_REGEX = "^/api/.*$"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 3600
"#;
// ANCHOR_END: settings

async fn site(environ: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    let page = format!("This is {}.\n", environ.path_info());
    start_response.respond(StatusCode::OK, [("content-type", "text/plain")], page)
}

// ANCHOR: application
/// The site in its middleware, the outermost last.
pub(crate) fn application(settings: &Settings) -> Result<impl Application, Problems> {
    let site = ErrorPages::new(AllowedHosts::new(site, settings)?);
    let site = Compression::new(ConditionalGet::new(site));
    Cors::new(SecurityHeaders::new(site, settings)?, settings)
}
// ANCHOR_END: application

pub(crate) fn settings() -> Result<Settings, BoxError> {
    Ok(match std::env::var_os("RWGI_SETTINGS") {
        Some(path) => Settings::from_toml(&std::fs::read_to_string(path)?)?,
        None => Settings::from_toml(SETTINGS)?,
    })
}

fn main() -> Result<(), BoxError> {
    rwgi_server::serve(application(&settings()?)?)?;
    Ok(())
}
