//! The effective values and where each comes from: what `rwgi config` prints.
//!
//! Rules of this room: it thinks; what is printed as TOML is a configuration file that means the same.

use std::fmt::Write;

use super::table::TABLE;
use super::{Origin, Settings};

impl Settings {
    /// A line for each option: name, value, origin.
    pub(crate) fn text(&self) -> String {
        let mut config = self.config.clone();
        let rows: Vec<(&str, String, String)> = TABLE
            .iter()
            .map(|setting| {
                let value = setting.slot(&mut config).show();
                (setting.name, value, self.origin(setting.name).to_string())
            })
            .collect();
        let width = |column: fn(&(&str, String, String)) -> usize| {
            // One long list must not push every origin out of sight.
            rows.iter().map(column).max().unwrap_or_default().min(40)
        };
        let (name, value) = (width(|row| row.0.len()), width(|row| row.1.chars().count()));
        let mut text = String::new();
        for row in &rows {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:name$}  {:value$}  {}", row.0, row.1, row.2);
        }
        text
    }

    /// A configuration file with every option, each with its help and origin as a comment.
    pub(crate) fn toml(&self) -> String {
        let mut config = self.config.clone();
        let mut text = String::new();
        let mut group = "";
        for setting in TABLE {
            if group != setting.group {
                let gap = if group.is_empty() { "" } else { "\n" };
                group = setting.group;
                let _ = writeln!(text, "{gap}## {group}\n");
            }
            let _ = writeln!(text, "# {}.", setting.help);
            let value = setting.slot(&mut config).show();
            let origin = match self.origin(setting.name) {
                Origin::Default => "the default".to_owned(),
                origin => origin.to_string(),
            };
            let _ = writeln!(text, "{} = {value} # {origin}", setting.name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sources, settle};

    #[test]
    fn the_printed_file_means_the_same() {
        let given = "bind = ['[::1]:0', '127.0.0.1:8']\nhead_bytes = 50000\ngrace = '1500ms'\nlog = \"warn,a\\\"b=info\"\n";
        let file = |text: String| Sources {
            file: Some(("rwgi.toml".to_owned(), text)),
            ..Sources::default()
        };
        let first = settle(&file(given.to_owned()));
        assert_eq!(first.problems, []);
        let again = settle(&file(first.toml()));
        assert_eq!(again.problems, []);
        assert_eq!(again.config, first.config);
        assert!(first.text().contains("rwgi.toml:2:14"), "{}", first.text());
    }
}
