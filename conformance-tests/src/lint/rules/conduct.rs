//! The application's manners: panics, blocking, and the errors that it returns.
//!
//! Rules of this room: an error is no fault by itself; judged is what it says, against the rule of the contract that it names.

use std::any::Any;
use std::time::Duration;

use rwgi::{Error, Fault};

use crate::lint::Level::{Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

pub(crate) static PANIC: Rule = Rule::application(
    "conduct-panic",
    Must,
    &["REQ-APP-03"],
    "an application does not panic",
    "return an error; `?` makes one of any error",
);
pub(crate) static PANIC_IN_DROP: Rule = Rule::application(
    "conduct-panic-in-drop",
    Must,
    &["REQ-APP-04"],
    "dropping the application's future does not panic",
    "let destructors tolerate any point at which the future waits",
);
pub(crate) static BLOCKING: Rule = Rule::application(
    "conduct-blocking",
    Should,
    &["REQ-APP-05"],
    "one poll takes less than 100 ms",
    "write it as a `BlockingApplication`, or move the work to a thread",
);
pub(crate) static FOREIGN_FINISHED: Rule = Rule::application(
    "conduct-foreign-finished",
    Must,
    &["REQ-APP-02"],
    "the `Finished` that is returned is this exchange's own",
    "return what `respond`, `forward` or `finish` of this call's `StartResponse` gave",
);
pub(crate) static FIELD_OF_CONNECTION: Rule = Rule::application(
    "conduct-connection-field",
    Must,
    &["REQ-RESP-07"],
    "an application sets no field of the connection",
    "leave it out; a proxy removes it from what it forwards",
)
.source("RFC 9110 section 7.6.1");
pub(crate) static HEAD_REFUSED: Rule = Rule::application(
    "conduct-head-refused",
    Must,
    &["REQ-RESP-03", "REQ-RESP-06", "REQ-RESP-09"],
    "status, field values and Content-Length can be sent",
    "use 200 to 599, values without CR, LF and NUL, and one decimal Content-Length",
);
pub(crate) static LATE_HEAD: Rule = Rule::application(
    "conduct-late-head",
    Should,
    &["REQ-RESP-12"],
    "a head is replaced before it is committed",
    "ask `is_committed()` first; after the commit return the error itself",
);
pub(crate) static TOO_LONG: Rule = Rule::application(
    "conduct-too-long",
    Must,
    &["REQ-BODY-08", "REQ-MID-09"],
    "no more is written than the declared Content-Length",
    "declare the length that is written, or none; middleware that changes content removes the field",
);
pub(crate) static TOO_SHORT: Rule = Rule::application(
    "conduct-too-short",
    Must,
    &["REQ-BODY-10", "REQ-BODY-12", "REQ-RESP-16", "REQ-MID-09"],
    "no less is written than the declared Content-Length",
    "declare the length that is written, or none; middleware that changes content removes the field",
);
pub(crate) static WRITER_DROPPED: Rule = Rule::application(
    "conduct-writer-dropped",
    Must,
    &["REQ-BODY-15", "REQ-BODY-16"],
    "a body that was started is finished, or an error is returned",
    "call `finish()`; to abort, return the error that is the reason",
);
pub(crate) static TRAILER_REFUSED: Rule = Rule::application(
    "conduct-trailer-refused",
    Must,
    &["REQ-BODY-20"],
    "a trailer changes nothing that was already read",
    "send the field in the head",
)
.source("RFC 9110 section 6.5.1");
pub(crate) static CAPABILITY: Rule = Rule::application(
    "conduct-capability",
    Must,
    &["REQ-CAP-03"],
    "a capability is used where the server declares it",
    "ask `environ.capabilities()` first, and do without or answer 501",
);
pub(crate) static ERROR_CULPRIT: Rule = Rule::application(
    "conduct-error-culprit",
    Should,
    &["REQ-ERR-02"],
    "an error of the client has a status of 4xx, one of application or server 5xx",
    "make it with `Error::client` or `Error::application`; logs and alarms go by the culprit",
);

pub(crate) const RULES: &[&Rule] = &[
    &PANIC,
    &PANIC_IN_DROP,
    &BLOCKING,
    &FOREIGN_FINISHED,
    &FIELD_OF_CONNECTION,
    &HEAD_REFUSED,
    &LATE_HEAD,
    &TOO_LONG,
    &TOO_SHORT,
    &WRITER_DROPPED,
    &TRAILER_REFUSED,
    &CAPABILITY,
    &ERROR_CULPRIT,
];

/// Which rule an application broke when the contract refused what it did, by the requirement that the refusal names.
const REFUSALS: &[(&str, &Rule)] = &[
    ("REQ-APP-02", &FOREIGN_FINISHED),
    ("REQ-BODY-08", &TOO_LONG),
    ("REQ-BODY-09", &TOO_LONG),
    ("REQ-BODY-10", &TOO_SHORT),
    ("REQ-BODY-12", &TOO_SHORT),
    ("REQ-BODY-13", &TOO_LONG),
    ("REQ-BODY-15", &WRITER_DROPPED),
    ("REQ-BODY-16", &WRITER_DROPPED),
    ("REQ-BODY-20", &TRAILER_REFUSED),
    ("REQ-CAP-01", &CAPABILITY),
    ("REQ-EXCH-06", &FOREIGN_FINISHED),
    ("REQ-RESP-03", &HEAD_REFUSED),
    ("REQ-RESP-06", &HEAD_REFUSED),
    ("REQ-RESP-07", &FIELD_OF_CONNECTION),
    ("REQ-RESP-08", &FIELD_OF_CONNECTION),
    ("REQ-RESP-09", &HEAD_REFUSED),
    ("REQ-RESP-12", &LATE_HEAD),
    ("REQ-RESP-16", &TOO_SHORT),
];

/// One poll within which other exchanges on the thread have waited too long.
const LONG: Duration = Duration::from_millis(100);

/// Judges how long a poll took.
pub(crate) fn check_poll(took: Duration, watch: &Watch) {
    if took >= LONG {
        watch.report(&BLOCKING, || format!("one poll took {} ms", took.as_millis()));
    }
}

/// The application panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send), watch: &Watch) {
    watch.state().panicked = true;
    watch.report(&PANIC, || format!("it panicked: {}", words(panic)));
}

/// The application's future panicked while it was dropped.
pub(crate) fn panicked_in_drop(panic: &(dyn Any + Send), watch: &Watch) {
    watch.report(&PANIC_IN_DROP, || format!("it panicked while being dropped: {}", words(panic)));
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

/// An error came out of the application, or out of its body.
pub(crate) fn error_returned(error: &Error, watch: &Watch) {
    if watch.state().panicked {
        return;
    }
    let refused =
        error.requirement().and_then(|id| REFUSALS.iter().find(|(refusal, _)| *refusal == id));
    if let Some((_, rule)) = refused {
        watch.report(rule, || error.to_string());
        return;
    }
    let status = error.status();
    if (error.fault() == Fault::Client) != status.is_client_error() {
        watch.report(&ERROR_CULPRIT, || {
            format!("the error `{error}` of the {} carries {}", error.fault(), status.as_u16())
        });
    }
}
