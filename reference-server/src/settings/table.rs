//! The table of options: the one place where an option gets its name, its value's kind, its help and its field.
//!
//! Rules of this room: one line an option; a name is `lower_case`, and from it follow the flag (`--lower-case`), the variable
//! (`RWGI_LOWER_CASE`) and the key of the file (`lower_case`); a name that was published is not given to another option.

use super::value::Slot;
use crate::config::Config;

/// One option.
pub(crate) struct Setting {
    /// The key of the file; flag and variable follow from it.
    pub(crate) name: &'static str,
    /// Under which heading it stands in the help.
    pub(crate) group: &'static str,
    /// What its value is called in the help.
    pub(crate) value: &'static str,
    /// What it does, in one sentence.
    pub(crate) help: &'static str,
    field: fn(&mut Config) -> Slot<'_>,
}

impl Setting {
    /// The value's place.
    pub(crate) fn slot<'a>(&self, config: &'a mut Config) -> Slot<'a> {
        (self.field)(config)
    }

    /// The flag, without its hyphens.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The variable of the environment.
    pub(crate) fn variable(&self) -> String {
        format!("{}{}", super::PREFIX, self.name.to_ascii_uppercase())
    }

    /// Whether its flag needs no value.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.slot(&mut Config::default()), Slot::Switch(_))
    }

    /// Whether its flag may be given more than once.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.slot(&mut Config::default()), Slot::Texts(_) | Slot::Owns(_))
    }

    /// Where it stands in the table.
    pub(super) fn position(&self) -> usize {
        TABLE.iter().position(|setting| setting.name == self.name).unwrap_or_default()
    }
}

const fn setting(
    group: &'static str,
    name: &'static str,
    value: &'static str,
    help: &'static str,
    field: fn(&mut Config) -> Slot<'_>,
) -> Setting {
    Setting { name, group, value, help, field }
}

const LISTENING: &str = "Listening";
const PROXIES: &str = "Behind a proxy";
const TLS: &str = "TLS";
const LIMITS: &str = "Limits";
const TIME: &str = "Time";
const FILES: &str = "Files";
const SEEING: &str = "Seeing";

/// All options, in the order of the help.
#[rustfmt::skip]
pub(crate) static TABLE: &[Setting] = &[
    setting(LISTENING, "bind", "ADDRESS", "Where to listen: host:port (port 0 takes a free one), unix:/path or unix:@name; may be given more than once", |c| Slot::Texts(&mut c.bind)),
    setting(LISTENING, "backlog", "NUMBER", "The kernel's queue of connections that wait to be accepted", |c| Slot::Count(&mut c.backlog)),
    setting(LISTENING, "connections", "NUMBER", "Connections at once; beyond it no more are accepted", |c| Slot::Count(&mut c.connections)),
    setting(LISTENING, "unix_mode", "MODE", "The mode of the files of Unix sockets", |c| Slot::Own(&mut c.unix_mode)),
    setting(LISTENING, "runtime", "shared|per-core", "Whether all threads share the work, or each core keeps its own connections", |c| Slot::Own(&mut c.runtime)),
    setting(LISTENING, "reuse_port", "BOOL", "Share TCP addresses with another server (SO_REUSEPORT): one that takes over, or more processes", |c| Slot::Switch(&mut c.reuse_port)),
    setting(LISTENING, "proxy_protocol", "NETWORKS", "Peers whose connections begin with a PROXY header: 10.0.0.0/8,::1,unix", |c| Slot::Own(&mut c.proxy_protocol)),

    setting(TLS, "certificate", "FILE", "A certificate in PEM, the server's own first; may be given more than once, for several names", |c| Slot::Texts(&mut c.certificate)),
    setting(TLS, "key", "FILE", "The key of the certificate at the same place, in PEM", |c| Slot::Texts(&mut c.key)),
    setting(TLS, "client_ca", "FILE", "The authorities, in PEM, of whom clients show a certificate", |c| Slot::MaybePath(&mut c.client_ca)),
    setting(TLS, "client_certificate", "required|optional", "Whether a client may do without a certificate, where there is a client_ca", |c| Slot::Own(&mut c.client_certificate)),
    setting(TLS, "certificate_watch", "TIME", "How often the files are looked at for a change; SIGHUP reads them at once", |c| Slot::MaybeTime(&mut c.certificate_watch)),

    setting(PROXIES, "trusted_proxies", "NETWORKS", "The proxies whose word is believed: addresses, networks, `unix`, parted by commas", |c| Slot::Own(&mut c.trusted_proxies)),
    setting(PROXIES, "forwarded_fields", "NAMES", "The fields that they write: `forwarded`, or some of x-forwarded-for, -proto, -host, -port", |c| Slot::Own(&mut c.forwarded_fields)),

    setting(LIMITS, "head_bytes", "SIZE", "The request head; beyond it 431", |c| Slot::Bytes(&mut c.head_bytes)),
    setting(LIMITS, "target_bytes", "SIZE", "The request target; beyond it 414", |c| Slot::Bytes(&mut c.target_bytes)),
    setting(LIMITS, "head_fields", "NUMBER", "Fields in the request head; beyond it 431", |c| Slot::Count(&mut c.head_fields)),
    setting(LIMITS, "body_bytes", "SIZE", "Request content, unless the application sets another limit; beyond it 413", |c| Slot::Bytes(&mut c.body_bytes)),
    setting(LIMITS, "websocket_message_bytes", "SIZE", "A WebSocket message, unless the application sets another limit; beyond it 1009", |c| Slot::Bytes(&mut c.websocket_message_bytes)),
    setting(LIMITS, "body_rate", "NUMBER", "Bytes a second of content that a client has to send on average, after 10 s; beyond it 408; 0 is no limit", |c| Slot::Count(&mut c.body_rate)),
    setting(LIMITS, "exchanges", "NUMBER", "Exchanges under way at once, on all connections; beyond it 503", |c| Slot::Count(&mut c.exchanges)),
    setting(LIMITS, "streams", "NUMBER", "Streams at once on one connection of HTTP/2; a further one is refused", |c| Slot::Count(&mut c.streams)),
    setting(LIMITS, "blocking_threads", "NUMBER", "Threads for blocking applications", |c| Slot::Count(&mut c.blocking_threads)),

    setting(TIME, "first_byte_timeout", "TIME", "From the accept to the first byte; beyond it closed", |c| Slot::Time(&mut c.first_byte_timeout)),
    setting(TIME, "handshake_timeout", "TIME", "For the PROXY header and the TLS handshake together; beyond it closed", |c| Slot::Time(&mut c.handshake_timeout)),
    setting(TIME, "head_timeout", "TIME", "From the first byte of a request head to its last; beyond it 408", |c| Slot::Time(&mut c.head_timeout)),
    setting(TIME, "idle_timeout", "TIME", "A kept-alive connection without a request; beyond it closed", |c| Slot::Time(&mut c.idle_timeout)),
    setting(TIME, "websocket_ping", "TIME", "How long a WebSocket's client may be silent before it is asked whether it is there; 0 never asks", |c| Slot::Time(&mut c.websocket_ping)),
    setting(TIME, "websocket_patience", "TIME", "How long a WebSocket's client may take to answer a Ping or a Close frame", |c| Slot::Time(&mut c.websocket_patience)),
    setting(TIME, "body_timeout", "TIME", "From one piece of content to the next, while the application waits for it; beyond it 408", |c| Slot::Time(&mut c.body_timeout)),
    setting(TIME, "request_timeout", "TIME", "How long the content of one request is waited for, all in all; beyond it 408", |c| Slot::Time(&mut c.request_timeout)),
    setting(TIME, "write_timeout", "TIME", "How long a client may take nothing of what waits for it; beyond it reset", |c| Slot::Time(&mut c.write_timeout)),
    setting(TIME, "connection_age", "TIME", "How long a connection is kept at most, a tenth more or less", |c| Slot::MaybeTime(&mut c.connection_age)),
    setting(TIME, "linger", "TIME", "How long a closing connection reads on, so that the client can read its answer", |c| Slot::Time(&mut c.linger)),
    setting(TIME, "announce", "TIME", "How long to serve on after being told to stop, while the server says that it is not ready", |c| Slot::Time(&mut c.announce)),
    setting(TIME, "grace", "TIME", "How long exchanges may go on after the server was told to stop", |c| Slot::Time(&mut c.grace)),
    setting(TIME, "shutdown_timeout", "TIME", "How long the application's shutdown may take, or off", |c| Slot::MaybeTime(&mut c.shutdown_timeout)),

    setting(FILES, "static", "PREFIX=FOLDER", "Files that are served beside the application, as /static=./public; may be given more than once", |c| Slot::Owns(&mut c.static_folders)),

    setting(SEEING, "access_log", "FILE", "A line for each exchange: a file, `-` for standard output, or off", |c| Slot::MaybePath(&mut c.access_log)),
    setting(SEEING, "access_log_format", "FORMAT", "common, combined, json, or gunicorn's atoms as in \"%(h)s %(r)s %(s)s\"", |c| Slot::Own(&mut c.access_log_format)),
    setting(SEEING, "admin", "ADDRESS", "Where /healthz, /readyz, /metrics and the status page answer, or off", |c| Slot::MaybeText(&mut c.admin)),
    setting(SEEING, "dev", "true|false", "Shows a client what failed: causes, backtrace, request id; for a developer's own machine", |c| Slot::Switch(&mut c.dev)),
    setting(SEEING, "log", "FILTER", "What is logged to standard error: error, warn, info, debug, trace, or target=level,…", |c| Slot::Text(&mut c.log)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_plain_and_given_once() {
        let mut seen = BTreeSet::new();
        for setting in TABLE {
            assert!(seen.insert(setting.name), "{} stands twice", setting.name);
            assert!(setting.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert!(!setting.help.ends_with('.') && !setting.help.is_empty(), "{}", setting.name);
        }
    }
}
