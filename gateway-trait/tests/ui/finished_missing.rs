// Evidence: REQ-BODY-15
// An application that does not finish has nothing to return.
use http::StatusCode;
use rwgi::{Application, Environ, StartResponse};

async fn application(_: Environ, start: StartResponse) -> rwgi::Result<()> {
    let mut body = start.start(StatusCode::OK, ())?;
    body.write("and no end").await
}

fn is_application(_: impl Application) {}

fn main() {
    is_application(application);
}
