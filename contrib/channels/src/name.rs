//! Names of channels and groups.
//!
//! Rules of this room: values in, values out. The letters are those of the specification of Channels, so that names can be moved.

use crate::{Error, Result};

/// A name has fewer characters than this.
const TOO_LONG: usize = 100;

fn check(name: &str, marks: usize) -> Result<()> {
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.len() >= TOO_LONG {
        "it has 100 characters or more"
    } else if !name.bytes().all(|octet| letter(octet) || octet == b'!') {
        "only ASCII letters, digits, '-', '_' and '.' can be in it"
    } else if name.bytes().filter(|octet| *octet == b'!').count() > marks {
        "a '!' stands once, between the process and its own part, in the name of a channel"
    } else {
        return Ok(());
    };
    Err(Error::Name { name: name.chars().take(TOO_LONG).collect(), problem })
}

/// Checks the name of a group.
pub(crate) fn check_group(name: &str) -> Result<()> {
    check(name, 0)
}

/// Checks the name of a channel; gives the process that it belongs to, if it belongs to one.
pub(crate) fn check_channel(name: &str) -> Result<Option<&str>> {
    check(name, 1)?;
    Ok(name.split_once('!').map(|(process, _)| process))
}

/// A name that nobody has: 64 random bits.
pub(crate) fn random() -> Result<String> {
    match getrandom::u64() {
        Ok(number) => Ok(format!("{number:016x}")),
        Err(error) => {
            Err(Error::Unavailable(format!("the system gives no random number: {error}")))
        }
    }
}

/// A pattern with `*` and `?` as one of Lua's.
#[cfg(feature = "redis")]
pub(crate) fn lua(pattern: &str) -> String {
    let mut lua = String::from("^");
    for character in pattern.chars() {
        match character {
            '*' => lua.push_str(".*"),
            '?' => lua.push('.'),
            letter if letter.is_ascii_alphanumeric() => lua.push(letter),
            other => lua.extend(['%', other]),
        }
    }
    lua.push('$');
    lua
}

/// Whether a name fits a pattern with `*` and `?`.
///
/// In time that is the product of both lengths at most: a star remembers one place to go on from, and the last star is enough.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(octet) if *octet == b'?' || *octet == name[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    (at, read) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_channels() {
        for good in ["a", "chat.room-1_2", "specific.0f!1e", &"x".repeat(99)] {
            assert!(check_channel(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a!b!c", "a/b", &"x".repeat(100)] {
            assert!(check_channel(bad).is_err(), "{bad}");
        }
        assert_eq!(check_channel("p!c").unwrap(), Some("p"));
        assert!(check_group("p!c").is_err());
        let error = check_group("a b").unwrap_err().to_string();
        assert!(error.contains("\"a b\" cannot be a name: only ASCII letters"), "{error}");
    }

    #[test]
    fn patterns_fit_what_they_say() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("?b", "ab", true),
            ("?b", "b", false),
            ("a.*!*", "a.1!2", true),
            ("a.b", "aXb", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
