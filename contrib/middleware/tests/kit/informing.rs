//! Informational responses, through middleware that runs the application in an exchange of its own.

use http::StatusCode;
use rwgi::{Application, Environ, StartResponse, testing};
use rwgi_middleware::{Compression, ConditionalGet, Cors, ErrorPages, Jsonp, Settings, Timeout};

async fn hinting(environ: Environ, mut start: StartResponse) -> rwgi::Result<rwgi::Finished> {
    if environ.capabilities().informational {
        start.inform(StatusCode::EARLY_HINTS, [("link", "</style.css>; rel=preload")])?;
    }
    start.respond(StatusCode::OK, [("content-type", "application/json")], "{}")
}

fn heard(application: impl Application) -> usize {
    let environ = Environ::builder()
        .uri("/?callback=f")
        .header("origin", "https://example.com")
        .header("accept-encoding", "gzip")
        .server(testing::server_info())
        .build()
        .unwrap();
    let response = testing::run(&std::sync::Arc::new(application), environ).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.informational().len()
}

#[test]
fn a_hint_comes_through_each_and_through_all() {
    let settings = Settings::new().with("CORS_ALLOW_ALL_ORIGINS", true);
    let never = |_| std::future::pending::<()>();
    let second = std::time::Duration::from_secs(1);
    assert_eq!(heard(hinting), 1);
    assert_eq!(heard(Cors::new(hinting, &settings).unwrap()), 1);
    assert_eq!(heard(Jsonp::new(hinting)), 1);
    assert_eq!(heard(Compression::new(hinting)), 1);
    assert_eq!(heard(ConditionalGet::new(hinting)), 1);
    assert_eq!(heard(ErrorPages::new(hinting)), 1);
    assert_eq!(heard(Timeout::new(hinting, second, never)), 1);
    let inner = Timeout::new(ErrorPages::new(Jsonp::new(hinting)), second, never);
    let stack = Cors::new(Compression::new(ConditionalGet::new(inner)), &settings).unwrap();
    assert_eq!(heard(stack), 1);
}
