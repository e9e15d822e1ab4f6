// Evidence: REQ-BODY-15, REQ-EXCH-05
// The writer is spent by the end of the content.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let mut body = start.start(StatusCode::OK, ())?;
    let finished = body.finish()?;
    body.write("one more thing").await?;
    Ok(finished)
}

fn main() {
    let _ = application;
}
