// Evidence: REQ-RESP-06, REQ-RESP-08
// A head is made by its checked constructors only.
use http::{HeaderMap, StatusCode};
use rwgi::ResponseHead;

fn main() {
    let mut head = ResponseHead::default();
    head.fields_mut().insert("connection", "close".parse().unwrap());
    let _ = ResponseHead { status: StatusCode::CONTINUE, fields: HeaderMap::new() };
}
