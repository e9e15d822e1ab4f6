// Evidence: REQ-RESP-01, REQ-MID-01
// A token cannot be copied, so two responses need two exchanges.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let _one = start.clone().respond(StatusCode::OK, (), "one")?;
    start.respond(StatusCode::OK, (), "two")
}

fn main() {
    let _ = application;
}
