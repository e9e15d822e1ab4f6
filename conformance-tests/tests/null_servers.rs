//! Servers that do not try score near nothing: otherwise cases lack their control.

#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on says so by panicking.

use rwgi_conformance::honest::null::Null;
use rwgi_conformance::server::null_score;

#[test]
fn null_servers_hold_next_to_nothing() {
    let mut too_easy = Vec::new();
    for null in Null::ALL {
        let score = null_score(null).unwrap();
        println!("{}: {} of {}: {:?}", null.name(), score.held.len(), score.cases, score.held);
        if !score.held.is_empty() {
            too_easy.push(format!("a server that is {} holds {:?}", null.name(), score.held));
        }
    }
    assert!(too_easy.is_empty(), "{}", too_easy.join("\n"));
}
