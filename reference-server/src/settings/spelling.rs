//! The right spelling of a name that is nearly one.
//!
//! Rules of this room: it thinks; a hint is only given where it is likely to be right.

/// Below this likeness (0 to 1, by Jaro and Winkler) two names have nothing to do with each other.
const ALIKE: f64 = 0.8;

/// The name among `known` that `name` is most like.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    known
        .map(|candidate| (strsim::jaro_winkler(&plain(name), &plain(&candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, or where all names are to be found.
pub(super) fn hint(name: &str, known: impl Iterator<Item = String>) -> String {
    match nearest(name, known) {
        Some(candidate) => format!("; did you mean `{candidate}`?"),
        None => "; `rwgi config` lists them all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known =
            || ["head_bytes", "head_timeout", "idle_timeout"].map(str::to_owned).into_iter();
        for (name, right) in [
            ("head-bytes", "head_bytes"),
            ("HEAD_TIMEOUT", "head_timeout"),
            ("idel_timeout", "idle_timeout"),
            ("head_byte", "head_bytes"),
        ] {
            assert_eq!(nearest(name, known()).as_deref(), Some(right), "{name}");
        }
        assert_eq!(nearest("workers", known()), None);
        assert_eq!(nearest("", known()), None);
    }
}
