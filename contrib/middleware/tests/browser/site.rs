//! Two servers and a browser: a page from one origin, and the site that it asks.
//!
//! Rules of this room: ports are the system's choice, so the allowed origin is known only once the page's server runs; what the site's
//! application was asked is remembered for the test.

use std::io::Write;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use rwgi::{Application, Environ, Error, Finished, StartResponse};
use rwgi_middleware::{Cors, Jsonp, Settings, UrlMap};
use rwgi_server::{Running, Server};
use tokio::runtime::Runtime;

use crate::webdriver::Browser;

pub(crate) struct Site {
    pub(crate) browser: Browser,
    /// The origin that is asked.
    pub(crate) other: String,
    asked: Asked,
    servers: Vec<Running>,
    runtime: Runtime,
}

type Asked = Arc<Mutex<Vec<String>>>;

/// Starts all three, or says why not.
pub(crate) fn visit() -> Option<Site> {
    let browser = match Browser::start() {
        Ok(browser) => browser,
        Err(reason) => {
            assert!(std::env::var_os("RWGI_REQUIRE_BROWSER").is_none(), "no browser: {reason}");
            // Straight to the stream: the test harness holds back what a passing test prints.
            let _ = writeln!(std::io::stderr(), "browser test skipped: {reason}");
            return None;
        }
    };
    let runtime = Runtime::new().unwrap();
    let page = start(&runtime, page);
    let origin = format!("http://{}", page.address().unwrap());
    let asked = Asked::default();
    let other = start(&runtime, site(&origin, &asked));
    browser.open(&origin);
    let address = format!("http://{}", other.address().unwrap());
    Some(Site { browser, other: address, asked, servers: vec![page, other], runtime })
}

fn start(runtime: &Runtime, application: impl Application) -> Running {
    runtime.block_on(Server::new(application).bind("127.0.0.1:0").start()).unwrap()
}

impl Site {
    /// Whether the application was asked this: a method and a path.
    pub(crate) fn asked(&self, what: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked == what)
    }

    /// The servers must end, too: nothing of the visit may be left hanging in them.
    pub(crate) fn end(self) {
        drop(self.browser);
        for server in self.servers {
            self.runtime.block_on(server.stop()).unwrap();
        }
    }
}

/// The page, which has nothing to show; its scripts come from the tests.
async fn page(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let fields = [("content-type", "text/html; charset=iso-8859-1")];
    start.respond(StatusCode::OK, fields, "<!DOCTYPE html><title>A page from elsewhere</title>")
}

/// The site that is asked, each part of it with settings of its own.
fn site(origin: &str, asked: &Asked) -> impl Application {
    let listed = || Settings::new().with("CORS_ALLOWED_ORIGINS", [origin]);
    let open = listed().with("CORS_EXPOSE_HEADERS", ["x-total"]);
    let closed = Settings::new().with("CORS_ALLOWED_ORIGINS", ["http://elsewhere.example"]);
    let secret = listed().with("CORS_ALLOW_CREDENTIALS", true);
    let private = listed()
        .with("CORS_ALLOW_PRIVATE_NETWORK", true)
        .with("CORS_ALLOW_HEADERS", ["access-control-request-private-network"])
        .with("CORS_EXPOSE_HEADERS", ["access-control-allow-private-network"]);
    let part = |settings: &Settings| Cors::new(telling(asked), settings).unwrap();
    UrlMap::new()
        .mount("/open", part(&open))
        .mount("/closed", part(&closed))
        .mount("/secret", part(&secret))
        .mount("/private", part(&private))
        .mount("/hand-set", crate::cors_by_hand::application)
        .mount("/jsonp", Jsonp::new(json))
}

/// Answers what it was asked.
fn telling(asked: &Asked) -> impl Application {
    let asked = Arc::clone(asked);
    move |mut environ: Environ, start: StartResponse| {
        let asked = Arc::clone(&asked);
        async move {
            let mut told = format!("{} {}", environ.method(), environ.path());
            asked.lock().unwrap().push(told.clone());
            match environ.path_info() {
                "/broken" => return Err(Error::application("as it was asked to")),
                "/login" => {
                    // SameSite does not count ports: for cookies both servers are one site.
                    let fields = [("set-cookie", "session=1; Path=/")];
                    return start.respond(StatusCode::OK, fields, told);
                }
                _ => {}
            }
            if let Some(cookie) = environ.headers().get("cookie") {
                told.push(' ');
                told.push_str(cookie.to_str()?);
            }
            let content = environ.input_mut().read_to_string(1000).await?;
            if !content.is_empty() {
                told = format!("{told} {content}");
            }
            let fields = [("content-type", "text/plain"), ("x-total", "7"), ("x-hidden", "8")];
            start.respond(StatusCode::OK, fields, told)
        }
    }
}

async fn json(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let fields = [("content-type", "application/json")];
    start.respond(StatusCode::OK, fields, "{\"separator\":\"\u{2028}\u{2029}\",\"word\":\"café\"}")
}
