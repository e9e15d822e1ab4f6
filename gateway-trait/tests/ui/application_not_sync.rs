// Evidence: REQ-APP-01
// A server may call an application again while a call is under way.
use std::cell::Cell;

use http::StatusCode;
use rwgi::{Application, Environ, StartResponse};

fn is_application(_: impl Application) {}

fn main() {
    let count = Cell::new(0);
    is_application(move |_: Environ, start: StartResponse| {
        count.set(count.get() + 1);
        async move { start.respond(StatusCode::OK, (), "") }
    });
}
