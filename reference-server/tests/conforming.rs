//! The guest book of the tutorial, against every client that the simulator can play.

#[allow(dead_code, unreachable_pub, missing_docs, reason = "an example is a program of its own")]
#[path = "../examples/guestbook.rs"]
mod guestbook;

use guestbook::GuestBook;

// ANCHOR: application
#[test]
fn the_guest_book_keeps_the_contract() {
    rwgi_conformance::simulate::assert_conforms(GuestBook::default());
}
// ANCHOR_END: application
