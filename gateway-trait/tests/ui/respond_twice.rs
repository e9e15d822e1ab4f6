// Evidence: REQ-RESP-01
// A token is spent by the response that it starts.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let _first = start.respond(StatusCode::OK, (), "one")?;
    start.respond(StatusCode::OK, (), "two")
}

fn main() {
    let _ = application;
}
