// Evidence: REQ-APP-01
// A server may poll a call on any thread.
use std::rc::Rc;

use http::StatusCode;
use rwgi::{Application, Environ, Finished, Result, StartResponse};

async fn application(_: Environ, start: StartResponse) -> Result<Finished> {
    let local = Rc::new(1);
    let mut body = start.start(StatusCode::OK, ())?;
    body.write(format!("{local}")).await?;
    body.finish()
}

fn is_application(_: impl Application) {}

fn main() {
    is_application(application);
}
