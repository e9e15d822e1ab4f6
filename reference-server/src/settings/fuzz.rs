//! A configuration file of any octets: it is read to its end, each problem has a place in it, and what is sound means the same when it is printed
//! and read again.

use super::{Origin, Sources, settle};
use crate::corpus::Corpus;

fn play(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).into_owned();
    let lines = text.matches('\n').count() + 1;
    let read = |text: String| {
        settle(&Sources { file: Some(("f".to_owned(), text)), ..Sources::default() })
    };
    let settings = read(text);
    for problem in &settings.problems {
        if let Origin::File { line, column, .. } = &problem.origin {
            assert!((1..=lines).contains(line) && *column >= 1, "{problem}");
        }
        assert!(!problem.to_string().is_empty());
    }
    let again = read(settings.toml());
    if settings.is_sound() {
        assert_eq!(again.problems, []);
        assert_eq!(again.config, settings.config);
    }
    assert!(!settings.text().is_empty());
}

#[test]
fn fuzz_file() {
    let corpus = Corpus::read("src/settings/__fuzz__/settings__fuzz__file");
    bolero::check!().for_each(|octets: &[u8]| corpus.play(octets, play));
}
