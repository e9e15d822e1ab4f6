//! The book: nothing in it is typed twice, and nothing in it goes stale.
//!
//! Code that it shows is the code of files that are compiled and run ([`code`]); its commands are run, and what they print is compared
//! ([`shell`]); tables and pictures come out of the program, the contract's table and the last measurements ([`generated`]); links lead
//! somewhere ([`links`]). `RWGI_BLESS=1 cargo test -p rwgi-server --test book` writes code and tables anew.
//!
//! Rules of this room: the documents are read as they are, without mdBook, which only makes them look better. It stands with the server
//! because the server's tests may know everything: word, contract, judge and server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod code;
mod documents;
mod generated;
mod links;
mod markdown;
mod measured;
mod plot;
mod shell;
mod smallest;

use std::io::Write;

use documents::Document;

/// The page whose commands make a project from an empty folder.
const TUTORIAL: &str = "spec/src/guide/start.md";

/// Says aloud what is left out: the harness holds back what a passing test prints.
fn aloud(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn follow(document: &Document) -> Result<usize, String> {
    let missing = shell::missing(document);
    if missing.is_empty() {
        return shell::run(document);
    }
    aloud(&format!("SKIPPED: the commands of {} need {}", document.name, missing.join(", ")));
    Ok(0)
}

#[test]
fn the_tutorial_followed_to_the_letter_from_an_empty_folder_ends_as_it_promises() {
    let commands = follow(&Document::named(TUTORIAL)).unwrap_or_else(|why| panic!("{why}"));
    println!("{commands} commands");
}

#[test]
fn every_command_of_the_guide_does_what_the_guide_says() {
    // For who writes a page: RWGI_PAGE=tls runs that one alone.
    let page = std::env::var("RWGI_PAGE").unwrap_or_default();
    let chosen = |document: &&Document| document.is_guide() && document.name.contains(&page);
    let mut complaints = Vec::new();
    for document in Document::all().iter().filter(chosen) {
        if document.name == TUTORIAL || !shell::has_commands(document) {
            continue;
        }
        if let Err(why) = follow(document) {
            complaints.push(why);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}
