//! What middleware is tried with; the applications inside of it are the simulator's own.

use super::super::scenario::{Play, Scenario};
use crate::lint::Level::{self, Must, Should};

const fn tried(
    slug: &'static str,
    level: Level,
    requirements: &'static [&'static str],
    title: &'static str,
    instead: &'static str,
) -> Scenario {
    Scenario::new(slug, level, requirements, title, instead, Play::Beside).middleware()
}

pub(crate) const LIFESPAN: Scenario = tried(
    "mid-lifespan",
    Must,
    &["REQ-MID-05"],
    "`startup` and `shutdown` reach the inner application, and its failure to start comes out",
    "call `inner.startup(server).await` and `inner.shutdown().await` in your own",
);
pub(crate) const PATH: Scenario = tried(
    "mid-path",
    Must,
    &["REQ-MID-02"],
    "`script_name()` and `path_info()` joined stay the raw path",
    "mount with `shift_path`; middleware that rewrites paths on purpose leaves this scenario out",
);
pub(crate) const EXTENSIONS: Scenario = tried(
    "mid-extensions",
    Must,
    &["REQ-MID-03"],
    "the extensions of the environ are handed on",
    "hand on the environ itself, or put its extensions into the new one",
);
pub(crate) const LENGTH: Scenario = tried(
    "mid-length",
    Must,
    &["REQ-MID-04"],
    "`length()` and Content-Length agree in what is handed on",
    "remove or correct Content-Length where the content changes",
);
pub(crate) const CAPABILITIES: Scenario = tried(
    "mid-capabilities",
    Must,
    &["REQ-MID-06"],
    "no capability is shown that the server does not have",
    "hand on the server's `ServerInfo`, or one with less",
);
pub(crate) const CANCEL: Scenario = tried(
    "mid-cancel",
    Must,
    &["REQ-MID-07"],
    "the inner exchange is dropped with the outer one",
    "poll the inner exchange in your own future, not in a task",
);
pub(crate) const CALLBACKS: Scenario = tried(
    "mid-callbacks",
    Must,
    &["REQ-MID-08"],
    "each callback of the inner application is run once, wherever the exchange was dropped",
    "run the inner exchange to its end or drop it; leak neither it nor its body",
);
pub(crate) const HEAD_LENGTH: Scenario = tried(
    "mid-head-length",
    Must,
    &["REQ-MID-10"],
    "HEAD has no other Content-Length than GET has content",
    "remove Content-Length from a response to HEAD where GET would change it",
);
pub(crate) const TRAILERS: Scenario = tried(
    "mid-trailers",
    Must,
    &["REQ-MID-11"],
    "the trailers of the inner body come out",
    "pass on the frames that are not data",
);
pub(crate) const BOUNDARIES: Scenario = tried(
    "mid-boundaries",
    Should,
    &["REQ-MID-12"],
    "a piece of the inner body comes out before the next is there",
    "flush what you hold when the inner body is pending",
);
pub(crate) const BACKPRESSURE: Scenario = tried(
    "mid-backpressure",
    Must,
    &["REQ-MID-13"],
    "no more is taken of the inner body than is asked for, and a bounded buffer",
    "poll the inner body when you are polled; put a limit where you have to collect",
);
pub(crate) const FAILURE: Scenario = tried(
    "mid-failure",
    Must,
    &["REQ-MID-14"],
    "a failure of the inner body does not become a complete response",
    "pass the error of the body on as the error of yours",
);
pub(crate) const ERROR: Scenario = tried(
    "mid-error",
    Should,
    &["REQ-MID-15"],
    "an error of the inner application keeps its culprit and status",
    "return it as it came, or answer with its status",
);

pub(crate) const ALL: &[Scenario] = &[
    LIFESPAN,
    PATH,
    EXTENSIONS,
    LENGTH,
    CAPABILITIES,
    CANCEL,
    CALLBACKS,
    HEAD_LENGTH,
    TRAILERS,
    BOUNDARIES,
    BACKPRESSURE,
    FAILURE,
    ERROR,
];
