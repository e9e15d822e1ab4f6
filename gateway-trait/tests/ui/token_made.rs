// Evidence: REQ-MID-01
// Nobody but an exchange makes a token.
#![allow(unreachable_code)]
use rwgi::StartResponse;

fn by_constructor() -> StartResponse {
    StartResponse::new(todo!())
}

fn by_default() -> StartResponse {
    StartResponse::default()
}

fn by_literal() -> StartResponse {
    StartResponse {}
}

fn main() {
    let _ = (by_constructor, by_default, by_literal);
}
