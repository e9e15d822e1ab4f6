// Evidence: REQ-BODY-01
// One write at a time: the order of the bytes is the order of the calls.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let mut body = start.start(StatusCode::OK, ())?;
    let first = body.write("one");
    let second = body.write("two");
    second.await?;
    first.await?;
    body.finish()
}

fn main() {
    let _ = application;
}
