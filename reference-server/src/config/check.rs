//! Whether the values of a configuration make sense together.
//!
//! Rules of this room: values in, problems out, all of them at once; a problem names the field that has to change and what would be right; no
//! socket, no clock and no file.

use std::time::Duration;

use super::Config;
use crate::{Error, bind};

/// The least that hyper's buffers work with.
const LEAST_HEAD_BYTES: usize = 1024;

/// The most fields that an `http::HeaderMap` holds: hyper (1.12) panics at one more.
const MOST_HEAD_FIELDS: usize = 24_576;

/// The longest time: a hundred years. What is added to a clock has to stay in its range, and beyond a lifetime one is as good as another.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What is said of a longer one.
pub(crate) const TOO_LONG: &str = "longer than a hundred years; the most is 878400h";

/// What a filter of the log is called by itself; any other word is the name of a part of the program, and to ask for `verbose` would silence all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Config {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// All values that do not, with what would be right.
    pub fn check(&self) -> Result<(), Error> {
        let problems: Vec<String> =
            self.problems().into_iter().map(|(_, problem)| problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::config(problems.join("; "))) }
    }

    /// Everything that does not make sense, by the field that has to change.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut unless = |right: bool, field: &'static str, problem: String| {
            if !right {
                problems.push((field, format!("{field} is {problem}")));
            }
        };
        unless(
            !self.bind.is_empty(),
            "bind",
            "empty; name at least one address, as 127.0.0.1:8000".to_owned(),
        );
        let secure = !self.certificate.is_empty();
        let addresses = self.bind.iter().map(|address| ("bind", address, secure));
        for (field, address, secure) in
            addresses.chain(self.admin.iter().map(|address| ("admin", address, false)))
        {
            if let Some(problem) = bind::misspelt(address, secure) {
                unless(false, field, format!("{address:?}, {problem}"));
            }
        }
        unless(
            self.head_bytes >= LEAST_HEAD_BYTES,
            "head_bytes",
            format!("{}; a head needs at least {LEAST_HEAD_BYTES}", self.head_bytes),
        );
        unless(
            (1..=self.head_bytes).contains(&self.target_bytes),
            "target_bytes",
            format!("{}; choose 1 to head_bytes ({})", self.target_bytes, self.head_bytes),
        );
        unless(
            (1..=MOST_HEAD_FIELDS).contains(&self.head_fields),
            "head_fields",
            format!(
                "{}; choose 1, for every HTTP/1.1 request has Host, to {MOST_HEAD_FIELDS}",
                self.head_fields
            ),
        );
        unless(
            self.connections > 0,
            "connections",
            "0; at least one is needed to serve".to_owned(),
        );
        unless(self.exchanges > 0, "exchanges", "0; at least one is needed to serve".to_owned());
        unless(self.streams > 0, "streams", "0; at least one is needed on HTTP/2".to_owned());
        unless(
            self.connection_age.is_none_or(|age| !age.is_zero()),
            "connection_age",
            "0; write off for no limit".to_owned(),
        );
        unless(
            self.shutdown_timeout.is_none_or(|time| !time.is_zero()),
            "shutdown_timeout",
            "0; write off for no limit".to_owned(),
        );
        unless(
            self.certificate_watch.is_none_or(|pause| !pause.is_zero()),
            "certificate_watch",
            "0; write off to look at the files on SIGHUP alone".to_owned(),
        );
        unless(
            !self.websocket_patience.is_zero(),
            "websocket_patience",
            "0; no client answers in no time".to_owned(),
        );
        unless(
            self.blocking_threads > 0,
            "blocking_threads",
            "0; at least one is needed".to_owned(),
        );
        unless(
            self.certificate.len() == self.key.len(),
            if self.certificate.len() < self.key.len() { "certificate" } else { "key" },
            format!(
                "not complete: {} for {}; each certificate needs its key, in the same order",
                number(self.key.len(), "key"),
                number(self.certificate.len(), "certificate")
            ),
        );
        unless(
            self.client_ca.is_none() || !self.certificate.is_empty(),
            "client_ca",
            "of no use without a certificate and its key".to_owned(),
        );
        for (field, time) in [
            ("head_timeout", self.head_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("body_timeout", self.body_timeout),
            ("request_timeout", self.request_timeout),
            ("write_timeout", self.write_timeout),
        ] {
            unless(!time.is_zero(), field, "0; every request would be refused".to_owned());
        }
        for (field, time) in [
            ("head_timeout", Some(self.head_timeout)),
            ("first_byte_timeout", Some(self.first_byte_timeout)),
            ("handshake_timeout", Some(self.handshake_timeout)),
            ("idle_timeout", Some(self.idle_timeout)),
            ("body_timeout", Some(self.body_timeout)),
            ("request_timeout", Some(self.request_timeout)),
            ("write_timeout", Some(self.write_timeout)),
            ("connection_age", self.connection_age),
            ("linger", Some(self.linger)),
            ("announce", Some(self.announce)),
            ("grace", Some(self.grace)),
            ("shutdown_timeout", self.shutdown_timeout),
            ("websocket_ping", Some(self.websocket_ping)),
            ("websocket_patience", Some(self.websocket_patience)),
            ("certificate_watch", self.certificate_watch),
        ] {
            unless(time.is_none_or(|time| time <= LONGEST), field, TOO_LONG.to_owned());
        }
        let word = self.log.split(',').map(str::trim).find(|word| {
            let plain = !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_alphabetic());
            plain && !LEVELS.contains(&&*word.to_ascii_lowercase())
        });
        if let Some(word) = word {
            let levels = LEVELS.join(", ");
            unless(
                false,
                "log",
                format!(
                    "{word:?}, which is no level; choose from {levels}, or write {word}=debug for a part of the program"
                ),
            );
        } else if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log) {
            unless(false, "log", format!("{:?}: {error}", self.log));
        }
        problems
    }
}

fn number(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_consistent() {
        Config::default().check().unwrap();
    }

    #[test]
    fn what_is_said_of_a_time_that_is_too_long_is_the_longest() {
        assert!(TOO_LONG.ends_with(&format!(" {}h", LONGEST.as_secs() / 3600)));
    }

    #[test]
    fn each_nonsense_is_named() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 31] = [
            ("bind", |config| config.bind = Vec::new()),
            ("bind is \"localhost\", which has no port", |config| {
                config.bind = vec!["localhost".to_owned()];
            }),
            ("which has no host", |config| config.bind = vec!["http://:80".to_owned()]),
            ("in brackets", |config| config.bind = vec!["::1:80".to_owned()]),
            ("admin is \"[::1]:65536\"", |config| config.admin = Some("[::1]:65536".to_owned())),
            ("needs a certificate", |config| config.bind = vec!["https://a:1".to_owned()]),
            ("log", |config| config.log = "a=b=c".to_owned()),
            ("\"verbose\", which is no level", |config| config.log = "warn, verbose".to_owned()),
            ("head_bytes", |config| config.head_bytes = 10),
            ("head_fields", |config| config.head_fields = MOST_HEAD_FIELDS + 1),
            ("target_bytes", |config| config.target_bytes = 0),
            ("target_bytes", |config| config.target_bytes = config.head_bytes + 1),
            ("head_fields", |config| config.head_fields = 0),
            ("connections", |config| config.connections = 0),
            ("blocking_threads", |config| config.blocking_threads = 0),
            ("key", |config| config.certificate = vec!["a.pem".to_owned()]),
            ("certificate", |config| config.key = vec!["a.key".to_owned()]),
            ("client_ca", |config| config.client_ca = Some("ca.pem".into())),
            ("body_timeout", |config| config.body_timeout = Duration::ZERO),
            ("request_timeout", |config| config.request_timeout = Duration::ZERO),
            ("write_timeout", |config| config.write_timeout = Duration::ZERO),
            ("exchanges", |config| config.exchanges = 0),
            ("streams", |config| config.streams = 0),
            ("connection_age", |config| config.connection_age = Some(Duration::ZERO)),
            ("certificate_watch", |config| config.certificate_watch = Some(Duration::ZERO)),
            ("websocket_patience", |config| config.websocket_patience = Duration::ZERO),
            ("handshake_timeout", |config| config.handshake_timeout = Duration::ZERO),
            ("head_timeout", |config| config.head_timeout = Duration::ZERO),
            ("idle_timeout is longer than a hundred years; the most is 878400h", |config| {
                config.idle_timeout = LONGEST + Duration::from_secs(1);
            }),
            ("connection_age", |config| config.connection_age = Some(Duration::MAX)),
            ("shutdown_timeout", |config| config.shutdown_timeout = Some(Duration::ZERO)),
        ];
        for (name, change) in changes {
            let mut config = Config::default();
            change(&mut config);
            assert!(config.check().unwrap_err().to_string().contains(name), "{name}");
        }
    }
}
