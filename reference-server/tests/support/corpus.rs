//! The corpus of a fuzz target as a source of octets: octets by chance alone seldom get past the first rule of what they are given to.
//!
//! Rules of this room: what is made depends on the corpus and the octets of chance only; a failure says what it was made of, so that it can be added
//! to the corpus.

use std::path::Path;

/// No longer than what chance alone gives.
const MOST: usize = 4096;

/// What many formats part their pieces with, and the ends of ranges.
const MARKS: &[u8] = b"\r\n\t \0:;,=\"'\\/[](){}.-+%#@?*0019afAFzZ\x7f\x80\xff";

/// The files of a corpus.
#[derive(Debug)]
pub struct Corpus(Vec<Vec<u8>>);

/// Says what was played when the play ends in a panic; of several the last is the smallest.
struct Saying<'a>(&'a [u8]);

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a changed file of the corpus: \"{}\"", self.0.escape_ascii());
        }
    }
}

impl Corpus {
    /// Reads a folder of the crate.
    pub fn read(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("corpus");
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", folder.display());
        Self(paths.iter().map(|path| std::fs::read(path).unwrap()).collect())
    }

    /// Plays octets as they are, and one of the files as they change it.
    pub fn play(&self, octets: &[u8], play: impl Fn(&[u8])) {
        play(octets);
        let changed = self.changed(octets);
        let _saying = Saying(&changed);
        play(&changed);
    }

    /// One of the files after some changes, all of them chosen by these octets.
    fn changed(&self, chance: &[u8]) -> Vec<u8> {
        let mut octets = chance.iter().map(|&octet| usize::from(octet));
        let mut next = move || octets.next();
        let mut file = self.file(&mut next).to_vec();
        for _ in 0..=next().unwrap_or(0) % 8 {
            if self.change(&mut file, &mut next).is_none() {
                break;
            }
        }
        file.truncate(MOST);
        file
    }

    fn file(&self, next: &mut impl FnMut() -> Option<usize>) -> &[u8] {
        let number = next().unwrap_or(0) << 8 | next().unwrap_or(0);
        &self.0[number % self.0.len()]
    }

    /// One change; none where chance has no more octets.
    fn change(&self, file: &mut Vec<u8>, next: &mut impl FnMut() -> Option<usize>) -> Option<()> {
        let kind = next()?;
        let place = (next()? << 8 | next()?) % (file.len() + 1);
        let end = (place + next()? % 24).min(file.len());
        match kind % 7 {
            0 => drop(file.drain(place..end)),
            1 => file.insert(place, next()? as u8),
            2 => file.insert(place, MARKS[next()? % MARKS.len()]),
            // A piece once more, beside itself or elsewhere.
            3 => {
                let piece = file[place..end].to_vec();
                let there = next()? % (file.len() + 1);
                let there = if kind & 0x80 == 0 { place } else { there };
                file.splice(there..there, piece);
            }
            // The rest of another file.
            4 => {
                let other = self.file(next);
                file.truncate(place);
                file.extend_from_slice(&other[place.min(other.len())..]);
            }
            5 => *file.get_mut(place)? ^= 1 << (next()? % 8),
            _ => *file.get_mut(place)? = MARKS[next()? % MARKS.len()],
        }
        Some(())
    }
}
