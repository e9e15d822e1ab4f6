// Evidence: REQ-APP-02, REQ-BODY-15
// To return `Ok` is to have finished a response: there is no other way to a `Finished`.
#![allow(unreachable_code)]
use rwgi::{Environ, Finished, Result, StartResponse};

async fn by_constructor(_: Environ, _: StartResponse) -> Result<Finished> {
    Ok(Finished::new(todo!()))
}

async fn by_default(_: Environ, _: StartResponse) -> Result<Finished> {
    Ok(Finished::default())
}

async fn by_literal(_: Environ, _: StartResponse) -> Result<Finished> {
    Ok(Finished {})
}

fn main() {
    let _ = (by_constructor, by_default, by_literal);
}
