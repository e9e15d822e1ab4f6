//! The examples, run: each is a module here, and what its `main` does is a test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[allow(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../examples/middleware.rs"]
mod middleware;

#[allow(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../examples/testing.rs"]
mod testing;

#[test]
fn middleware_changes_head_and_content() {
    middleware::check().unwrap();
}

#[test]
fn an_application_is_tested_without_sockets() {
    testing::conversation().unwrap();
    testing::failure_before_the_commit().unwrap();
    testing::failure_after_the_commit().unwrap();
    testing::head().unwrap();
}
