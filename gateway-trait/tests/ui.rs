//! What must not compile: the part of the contract that the compiler keeps. Each file of `tests/ui` breaks one rule.
//!
//! The messages are those of the toolchain that CI pins; `TRYBUILD=overwrite cargo test -p rwgi --test ui` renews them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[test]
fn the_compiler_refuses() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
