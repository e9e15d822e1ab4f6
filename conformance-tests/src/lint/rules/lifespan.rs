//! Startup, calls and shutdown, in their order.
//!
//! Rules of this room: a small state over all exchanges of one lint; the application's own answer (a failed startup) is no fault of
//! anybody, only what the server does next can be.

use rwgi::{Capabilities, ServerInfo};

use crate::lint::Level::{Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::Reporter;

pub(crate) static STARTUP_FIRST: Rule = Rule::server(
    "life-startup-first",
    Must,
    &["REQ-LIFE-01", "REQ-MID-05"],
    "`startup` is complete before the first call",
    "await `startup` before accepting anything; middleware passes it on",
);
pub(crate) static STARTUP_ONCE: Rule = Rule::server(
    "life-startup-once",
    Must,
    &["REQ-LIFE-02"],
    "`startup` is called once",
    "call it once for the process, not for each address or thread",
);
pub(crate) static STARTUP_FAILED: Rule = Rule::server(
    "life-startup-failed",
    Must,
    &["REQ-LIFE-03"],
    "an application whose `startup` failed is not called",
    "stop without accepting a connection",
);
pub(crate) static ENDPOINTS: Rule = Rule::server(
    "life-endpoints",
    Must,
    &["REQ-LIFE-05"],
    "the addresses in the `ServerInfo` hold the port that the system chose",
    "bind first, then ask the sockets for their addresses",
);
pub(crate) static SHUTDOWN_LAST: Rule = Rule::server(
    "life-shutdown-last",
    Must,
    &["REQ-LIFE-11"],
    "`shutdown` comes after the last exchange",
    "wait for the exchanges, or cancel them, before calling `shutdown`",
);
pub(crate) static SHUTDOWN_ONCE: Rule = Rule::server(
    "life-shutdown-once",
    Must,
    &["REQ-LIFE-11"],
    "`shutdown` is called once",
    "call it once for the process",
);
pub(crate) static SHUTDOWN_UNSTARTED: Rule = Rule::server(
    "life-shutdown-unstarted",
    Must,
    &["REQ-LIFE-12"],
    "`shutdown` is not called where `startup` failed",
    "report the failure and end",
);
pub(crate) static CAPABILITIES: Rule = Rule::server(
    "life-capabilities",
    Must,
    &["REQ-CAP-02"],
    "every exchange has the capabilities that `startup` was told",
    "share one `ServerInfo`",
);
pub(crate) static CONCURRENT: Rule = Rule::server(
    "life-concurrent",
    Should,
    &["REQ-APP-01"],
    "a server that declares `concurrent: false` does not call while a call is under way",
    "declare `concurrent: true`, or call one after another",
);
pub(crate) static RUN_ONCE: Rule = Rule::server(
    "life-run-once",
    Should,
    &["REQ-APP-01"],
    "a server that declares `run_once` calls once",
    "declare `run_once: false`",
);

pub(crate) const RULES: &[&Rule] = &[
    &STARTUP_FIRST,
    &STARTUP_ONCE,
    &STARTUP_FAILED,
    &ENDPOINTS,
    &SHUTDOWN_LAST,
    &SHUTDOWN_ONCE,
    &SHUTDOWN_UNSTARTED,
    &CAPABILITIES,
    &CONCURRENT,
    &RUN_ONCE,
];

/// Where the life of the application stands.
#[derive(Default)]
pub(crate) struct Lifespan {
    startup: Startup,
    stopped: bool,
    calls: u64,
    under_way: u64,
    declared: Option<Capabilities>,
    /// A broken order is told once, not for every exchange that follows.
    told: Vec<&'static str>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Startup {
    #[default]
    Unseen,
    Running,
    Done,
    Failed,
}

impl Lifespan {
    fn tell(&mut self, rule: &'static Rule, reporter: &Reporter, what: impl FnOnce() -> String) {
        if !self.told.contains(&rule.slug) {
            self.told.push(rule.slug);
            reporter.report(rule, String::new, what);
        }
    }

    pub(crate) fn starting(&mut self, server: &ServerInfo, reporter: &Reporter) {
        if self.startup != Startup::Unseen {
            self.tell(&STARTUP_ONCE, reporter, || "`startup` was called again".to_owned());
        }
        let unbound = server
            .endpoints
            .iter()
            .find(|endpoint| endpoint.socket_addr().is_some_and(|address| address.port() == 0));
        if let Some(endpoint) = unbound {
            self.tell(&ENDPOINTS, reporter, || {
                format!("`startup` was told the address {endpoint}, which nobody can connect to")
            });
        }
        self.startup = Startup::Running;
        self.declared = Some(server.capabilities);
    }

    pub(crate) fn started(&mut self, well: bool) {
        self.startup = if well { Startup::Done } else { Startup::Failed };
    }

    pub(crate) fn called(&mut self, server: &ServerInfo, reporter: &Reporter) {
        self.calls += 1;
        self.under_way += 1;
        match self.startup {
            Startup::Done => {}
            Startup::Unseen | Startup::Running => {
                self.tell(&STARTUP_FIRST, reporter, || {
                    "a request came before `startup` had returned".to_owned()
                });
            }
            Startup::Failed => {
                self.tell(&STARTUP_FAILED, reporter, || {
                    "a request came although `startup` had failed".to_owned()
                });
            }
        }
        if self.stopped {
            self.tell(&SHUTDOWN_LAST, reporter, || "a request came after `shutdown`".to_owned());
        }
        if self.under_way > 1 && !server.concurrent {
            self.tell(&CONCURRENT, reporter, || {
                "a second exchange began on a server that declares `concurrent: false`".to_owned()
            });
        }
        if self.calls > 1 && server.run_once {
            self.tell(&RUN_ONCE, reporter, || {
                "a second exchange began on a server that declares `run_once`".to_owned()
            });
        }
        if let Some(declared) = self.declared.filter(|declared| *declared != server.capabilities) {
            self.tell(&CAPABILITIES, reporter, || {
                let names = |all: Capabilities| all.names().collect::<Vec<_>>().join(", ");
                format!(
                    "`startup` was told [{}] and the exchange [{}]",
                    names(declared),
                    names(server.capabilities)
                )
            });
        }
    }

    pub(crate) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(crate) fn stopping(&mut self, reporter: &Reporter) {
        if self.startup == Startup::Failed {
            self.tell(&SHUTDOWN_UNSTARTED, reporter, || {
                "`shutdown` was called although `startup` had failed".to_owned()
            });
        }
        if self.stopped {
            self.tell(&SHUTDOWN_ONCE, reporter, || "`shutdown` was called again".to_owned());
        }
        self.stopped = true;
        let under_way = self.under_way;
        if under_way > 0 {
            self.tell(&SHUTDOWN_LAST, reporter, || {
                format!("`shutdown` was called with {under_way} exchanges under way")
            });
        }
    }
}
