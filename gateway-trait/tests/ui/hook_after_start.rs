// Evidence: REQ-RESP-13, REQ-CAP-04
// Callbacks, hooks and informational responses come before the response.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, mut start: StartResponse) -> Result<Finished> {
    let body = start.start(StatusCode::OK, ())?;
    start.map_head(|head| head.insert("x-late", "1"));
    body.finish()
}

fn main() {
    let _ = application;
}
