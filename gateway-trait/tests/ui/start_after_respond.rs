// Evidence: REQ-RESP-01
// The three ways to answer spend the same token.
use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let finished = start.respond(StatusCode::OK, (), "one")?;
    let mut body = start.start(StatusCode::OK, ())?;
    body.write("two").await?;
    Ok(finished)
}

fn main() {
    let _ = application;
}
