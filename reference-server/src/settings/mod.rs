//! Settings: flags, environment (`RWGI_*`) and a TOML file become one [`Config`], each value with its origin.
//!
//! Rules of this room: it thinks, on texts that others have read; a flag wins over the environment, the environment over the file, the file over
//! the default; no problem hides another: all are found in one go.
//!
//! **To add an option**: a field in [`Config`] (with its default and reason in `config.rs`), and one line in [`table`]'s list. Flag, variable,
//! key of the file, help, `rwgi check` and `rwgi config` follow from that line. What does not fit together is said in `Config::problems`.

mod file;
mod print;
mod spelling;
pub(crate) mod table;
mod value;

use std::fmt;

use self::table::{Setting, TABLE};
use self::value::Given;
use crate::config::Config;

/// What every variable of the environment begins with.
const PREFIX: &str = "RWGI_";

/// Variables that are no options, and why: read by the project's own tests and by the command itself.
const OTHER_VARIABLES: [&str; 2] = ["RWGI_CONFIG", "RWGI_BLESS"];

/// What is to be settled, as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The file's name, for messages, and its text.
    pub(crate) file: Option<(String, String)>,
    /// All variables of the environment; those of others are passed over.
    pub(crate) environment: Vec<(String, String)>,
    /// Flags by their setting's name, with the values given.
    pub(crate) flags: Vec<(&'static str, Vec<String>)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A line of the file.
    File { name: String, line: usize, column: usize },
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// Something that is not right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) origin: Origin,
    /// What, and what would be right.
    pub(crate) message: String,
    /// Whether the server can serve all the same.
    pub(crate) harmless: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.harmless { "warning: " } else { "" };
        match self.origin {
            Origin::Default => write!(f, "{kind}{}", self.message),
            _ => write!(f, "{}: {kind}{}", self.origin, self.message),
        }
    }
}

/// What is in force, where each value comes from, and what is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The effective values; those with a problem are as if they had not been given.
    pub(crate) config: Config,
    /// By position in the table.
    origins: Vec<Origin>,
    /// Everything that is wrong, in the order of the sources.
    pub(crate) problems: Vec<Problem>,
}

impl Settings {
    /// Whether nothing keeps the server from serving.
    pub(crate) fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.harmless)
    }

    fn set(&mut self, setting: &'static Setting, given: &Given, origin: Origin) {
        match setting.slot(&mut self.config).set(given) {
            Ok(()) => self.origins[setting.position()] = origin,
            Err(problem) => self.problem(origin, format!("{}: {problem}", setting.name)),
        }
    }

    fn problem(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin, message, harmless: false });
    }

    fn warning(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin, message, harmless: true });
    }

    /// Where the value of a setting comes from.
    fn origin(&self, name: &str) -> Origin {
        let position = TABLE.iter().position(|setting| setting.name == name);
        position.and_then(|position| self.origins.get(position)).cloned().unwrap_or_default()
    }
}

/// Settles what was read: the lowest precedence first, so that each source has its problems told and the last word is the flag's.
pub(crate) fn settle(sources: &Sources) -> Settings {
    let mut settings =
        Settings { origins: vec![Origin::Default; TABLE.len()], ..Settings::default() };
    if let Some((name, text)) = &sources.file {
        file::read(&mut settings, name, text);
    }
    for (variable, value) in &sources.environment {
        let Some(suffix) = variable.strip_prefix(PREFIX) else { continue };
        if OTHER_VARIABLES.contains(&variable.as_str()) {
            continue;
        }
        let origin = Origin::Environment(variable.clone());
        match TABLE.iter().find(|setting| setting.variable() == *variable) {
            Some(setting) => settings.set(setting, &Given::Text(value.clone()), origin),
            None => {
                let names = TABLE.iter().map(|setting| setting.variable());
                let hint = spelling::hint(&format!("{PREFIX}{suffix}"), names);
                settings.warning(origin, format!("there is no such option{hint}"));
            }
        }
    }
    for (name, values) in &sources.flags {
        let Some(setting) = TABLE.iter().find(|setting| setting.name == *name) else { continue };
        let given = match values.as_slice() {
            [value] => Given::Text(value.clone()),
            values => Given::Texts(values.iter().flat_map(|value| value::items(value)).collect()),
        };
        settings.set(setting, &given, Origin::Flag(setting.flag()));
    }
    for (name, message) in settings.config.problems() {
        let origin = settings.origin(name);
        settings.problem(origin, message);
    }
    settings
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::value::Slot;
    use super::*;

    fn sources(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Sources {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Sources {
            file: (!file.is_empty()).then(|| ("rwgi.toml".to_owned(), file.to_owned())),
            environment: environment.iter().map(own).collect(),
            flags: flags.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect(),
        }
    }

    fn said(settings: &Settings) -> Vec<String> {
        settings.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "head_bytes = '5KiB'\ntarget_bytes = 2000\nidle_timeout = '1m'\n";
        let environment = [("RWGI_HEAD_BYTES", "6 KiB"), ("RWGI_TARGET_BYTES", "3000")];
        let settings = settle(&sources(file, &environment, &[("head_bytes", "7KiB")]));
        assert_eq!(said(&settings), [""; 0]);
        let config = &settings.config;
        assert_eq!((config.head_bytes, config.target_bytes), (7 * 1024, 3000));
        assert_eq!(config.idle_timeout, Duration::from_secs(60));
        assert_eq!(settings.origin("head_bytes").to_string(), "--head-bytes");
        assert_eq!(settings.origin("target_bytes").to_string(), "RWGI_TARGET_BYTES");
        assert_eq!(settings.origin("idle_timeout").to_string(), "rwgi.toml:3:16");
        assert_eq!(settings.origin("grace").to_string(), "default");
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place_and_the_right_spelling() {
        let file = "haed_bytes = 5000\nhead_timeout = '10 parsecs'\n\n[limits]\nidle_timeout = 3\n\
                    grace = 4\n[server]\nworkers = 4\n";
        let environment =
            [("RWGI_IDLE_TIMOUT", "5s"), ("RWGI_CONNECTIONS", "many"), ("PATH", "/bin")];
        let settings = settle(&sources(file, &environment, &[("body_bytes", "2 Mibs")]));
        assert_eq!(
            said(&settings),
            [
                "rwgi.toml:1:1: there is no option `haed_bytes`; did you mean `head_bytes`?",
                "rwgi.toml:2:16: head_timeout: \"10 parsecs\" is no time; write it as \"500ms\", \"10s\", \"5m\" or \"1h\"",
                "rwgi.toml:4:2: options stand at the top of the file, without a table: delete the line `[limits]`",
                "rwgi.toml:7:2: options stand at the top of the file, without a table: delete the line `[server]`",
                "rwgi.toml:8:1: there is no option `workers`; `rwgi config` lists them all",
                "RWGI_IDLE_TIMOUT: warning: there is no such option; did you mean `RWGI_IDLE_TIMEOUT`?",
                "RWGI_CONNECTIONS: connections: \"many\" is no number; write it in digits",
                "--body-bytes: body_bytes: \"2 Mibs\" is no size; write it as 4096, \"64KiB\" or \"2MiB\"",
            ]
        );
        assert!(!settings.is_sound());
    }

    #[test]
    fn values_that_do_not_fit_together_are_told_where_they_stand() {
        let settings = settle(&sources("target_bytes = '1MiB'\nhead_fields = 0\n", &[], &[]));
        let said = said(&settings);
        assert!(said[0].starts_with("rwgi.toml:1:16: target_bytes"), "{said:?}");
        assert!(said[1].starts_with("rwgi.toml:2:15: head_fields"), "{said:?}");
    }

    #[test]
    fn no_time_is_longer_than_clocks_can_be_reckoned_with() {
        for setting in TABLE {
            let mut config = Config::default();
            match setting.slot(&mut config) {
                Slot::Time(time) => *time = Duration::MAX,
                Slot::MaybeTime(time) => *time = Some(Duration::MAX),
                _ => continue,
            }
            let problems = config.problems();
            assert!(problems.iter().any(|(field, _)| *field == setting.name), "{}", setting.name);
        }
    }

    #[test]
    fn a_warning_keeps_nobody_from_serving() {
        let settings = settle(&sources("", &[("RWGI_HEAD_BITES", "1")], &[]));
        assert!(settings.is_sound());
        assert_eq!(settings.problems.len(), 1);
    }
}
