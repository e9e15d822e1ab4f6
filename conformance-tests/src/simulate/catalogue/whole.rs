//! What holds of an application as a whole, whatever it is asked.

use super::super::scenario::{Play, Scenario};
use crate::lint::Level::{Must, Should};

pub(crate) const PATHS: Scenario = Scenario::new(
    "paths",
    Must,
    &[],
    "each path of the simulation can stand in a request",
    "give `Simulator::path` what a client writes: it begins with `/`, and what no target may hold is percent-encoded",
    Play::Beside,
)
.source("RFC 9112 section 3.2.1");
pub(crate) const STARTUP: Scenario = Scenario::new(
    "life-startup",
    Must,
    &["REQ-LIFE-03"],
    "`startup` succeeds",
    "give the simulation what the application needs to start; nothing else can be tried without",
    Play::Beside,
);
pub(crate) const SHUTDOWN: Scenario = Scenario::new(
    "life-shutdown",
    Should,
    &["REQ-LIFE-11"],
    "`shutdown` comes to its end",
    "wait in `shutdown` only for what will end; the process stays until it does",
    Play::Beside,
);
pub(crate) const ANSWERS: Scenario = Scenario::new(
    "answers",
    Should,
    &["REQ-BODY-15"],
    "every exchange comes to its end when the client has sent all and reads all, or at least when the server is told to stop",
    "await only what somebody will wake; an application that waits for other clients is excused",
    Play::Beside,
);
pub(crate) const STOPPING: Scenario = Scenario::new(
    "server-stops",
    Should,
    &[],
    "a response that has no end of its own ends when the server is told to stop",
    "wait for `environ.stopping().wait()` beside what the response waits for, or ask `is_stopping()` between two pieces, say a last word, and finish",
    Play::Beside,
)
.source("REQ-LIFE-10: what outlasts the period of grace is cut");
pub(crate) const HEAD: Scenario = Scenario::new(
    "head-mirrors-get",
    Should,
    &["REQ-APP-07"],
    "HEAD is answered with the status and the fields with which GET is",
    "handle HEAD as GET; the server leaves the content out",
    Play::Beside,
)
.source("RFC 9110 section 9.3.2");
pub(crate) const RECOVERY: Scenario = Scenario::new(
    "departure-recovery",
    Must,
    &["REQ-APP-04"],
    "after an exchange was dropped at any of its polls the application answers as before",
    "undo on `Drop` or in `on_complete` what the dropped exchange had begun",
    Play::Beside,
);
pub(crate) const CALLBACKS: Scenario = Scenario::new(
    "departure-callbacks",
    Must,
    &["REQ-EXCH-10", "REQ-APP-04"],
    "the callback for the end of an exchange is run once, wherever the exchange was dropped",
    "do not leak the future, the token or the writer",
    Play::Beside,
);
pub(crate) const LEFT_ENVIRON: Scenario = Scenario::new(
    "departure-left-environ",
    Should,
    &["REQ-APP-04"],
    "nothing of an exchange's environ is held after its end",
    "copy out of the environ what is to stay, not the environ or its extensions",
    Play::Beside,
);
pub(crate) const LEFT_INPUT: Scenario = Scenario::new(
    "departure-left-input",
    Should,
    &["REQ-APP-04"],
    "the input is not held after the end of its exchange",
    "let the input go with the future; what was read can stay",
    Play::Beside,
);

pub(crate) const ALL: &[Scenario] = &[
    PATHS,
    STARTUP,
    SHUTDOWN,
    ANSWERS,
    STOPPING,
    HEAD,
    RECOVERY,
    CALLBACKS,
    LEFT_ENVIRON,
    LEFT_INPUT,
];
