//! Which folder is served under which prefix: a setting.
//!
//! Rules of this room: it thinks; text in, text out, and an error says what would be right; whether a folder is there is looked at when the server starts.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Folders of files that are served beside the application, each under a prefix: `/prefix=folder`, parted by commas. The default is none, which is
/// also written `off`. A relative folder is looked for where the server starts; whether it is there is looked at by
/// [`StaticFiles::new`](crate::StaticFiles::new).
///
/// ```
/// use rwgi_server::StaticFolders;
/// let folders: StaticFolders = "/static=./public,/media=/srv/media".parse()?;
/// assert_eq!(folders.to_string(), "/static=./public,/media=/srv/media");
/// assert!("static=./public".parse::<StaticFolders>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticFolders {
    pub(super) folders: Vec<(String, PathBuf)>,
}

impl StaticFolders {
    /// Whether nothing is served beside the application.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }
}

impl FromStr for StaticFolders {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut folders: Vec<(String, PathBuf)> = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item.eq_ignore_ascii_case("off") {
                continue;
            }
            let right = "write it as /static=./public";
            let Some((prefix, folder)) = item.split_once('=') else {
                return Err(format!("{item:?} has no folder; {right}"));
            };
            let prefix = prefix.trim_end_matches('/');
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-._~".contains(&octet);
            if !prefix.starts_with('/') || prefix.contains("//") || !prefix.bytes().all(plain) {
                return Err(format!(
                    "{prefix:?} is no prefix of a path, of letters, digits and - . _ ~; {right}"
                ));
            }
            if folder.is_empty() {
                return Err(format!("{item:?} has no folder; {right}"));
            }
            if folders.iter().any(|(known, _)| known == prefix) {
                return Err(format!("{prefix} stands twice"));
            }
            folders.push((prefix.to_owned(), PathBuf::from(folder)));
        }
        // The longest first, so that a prefix within another is found.
        folders.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { folders })
    }
}

impl fmt::Display for StaticFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.folders.is_empty() {
            return f.write_str("off");
        }
        for (index, (prefix, folder)) in self.folders.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{prefix}={}", folder.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_understood_or_says_what_is_right() {
        for (text, shown) in [
            ("", "off"),
            ("off", "off"),
            ("/static/=public", "/static=public"),
            ("/a=x, /a/b=y", "/a/b=y,/a=x"),
            ("/s=with=equals", "/s=with=equals"),
        ] {
            assert_eq!(text.parse::<StaticFolders>().unwrap().to_string(), shown, "{text}");
        }
        for (text, part) in [
            ("/static", "no folder"),
            ("/static=", "no folder"),
            ("static=x", "no prefix"),
            ("/=x", "no prefix"),
            ("/a//b=x", "no prefix"),
            ("/a%2f=x", "no prefix"),
            ("/a=x,/a=y", "twice"),
        ] {
            assert!(text.parse::<StaticFolders>().unwrap_err().contains(part), "{text}");
        }
    }
}
