//! Chapter "The exchange", how it ended: callbacks, each once, and what they are told.

use serde_json::{Value, json};

use crate::honest::Violation;
use crate::server::case::{Case, Need};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Event, Talk, get, message};

/// A case about an exchange that its client leaves.
macro_rules! left {
    ($id:literal, $title:literal, $requirement:literal, $talk:expr, $violation:expr) => {
        Case {
            id: $id,
            title: $title,
            requirements: &[$requirement],
            needs: Need::Capability("departure-prompt"),
            talk: $talk,
            violation: $violation,
        }
    };
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-EXCH-10: each callback once.
    case!(
        "callbacks-after-answer",
        "Each callback runs once after an answer in one piece",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "respond hello"),
        Violation::report("runs them twice", twice)
    ),
    case!(
        "callbacks-after-stream",
        "Each callback runs once after a streamed answer",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "start; write a; flush; write b; finish"),
        Violation::report("runs the first one only", first_only)
    ),
    case!(
        "callbacks-after-forward",
        "Each callback runs once after a forwarded answer",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "forward data=a data=b"),
        Violation::report("runs them twice", twice)
    ),
    case!(
        "callbacks-after-head",
        "Each callback runs once after an answer to HEAD",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "HEAD", "start; write a; finish"),
        Violation::report("runs them twice", twice)
    ),
    case!(
        "callbacks-after-error",
        "Each callback runs once after an error",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "error application"),
        Violation::report("runs the first one only", first_only)
    ),
    case!(
        "callbacks-after-panic",
        "Each callback runs once after a panic",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "panic"),
        Violation::report("runs them twice", twice)
    ),
    case!(
        "callbacks-after-cut",
        "Each callback runs once after a response that was cut",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "start; write a; flush; error application"),
        Violation::report("runs the first one only", first_only)
    ),
    case!(
        "callbacks-after-panic-in-body",
        "Each callback runs once after a panic in a forwarded body",
        ["REQ-EXCH-10"],
        |talk| run_once(talk, "GET", "forward data=a then=panic"),
        Violation::report("runs the first one only", first_only)
    ),
    case!(
        "callbacks-after-panic-of-one",
        "A panic of one callback does not keep the others from being run",
        ["REQ-EXCH-10"],
        |talk| {
            let response = talk.answer("complete a; complete-panic; complete b; respond hello")?;
            response.body("hello")?;
            names(talk, &["a", "b"])
        },
        Violation::script("runs none after it", |script| script.replace("complete b; ", ""))
    ),
    left!(
        "callbacks-after-reset",
        "Each callback runs once after the client has left",
        "REQ-EXCH-10",
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("complete a; complete b; note waiting; wait-for-ever"))?;
            talk.await_event("waiting")?;
            wire.reset();
            names(talk, &["a", "b"])
        },
        Violation::report("runs the first one only", first_only)
    ),
    // REQ-EXCH-11: completed.
    case!(
        "completed-answer",
        "An answer in one piece is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "GET", "respond hello", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-stream",
        "A streamed answer is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "GET", "start; write a; flush; write b; finish", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-forward",
        "A forwarded answer is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "GET", "forward exact=2 data=a data=b", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-head",
        "An answer to HEAD is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "HEAD", "respond hello", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-head-of-stream",
        "A streamed answer to HEAD is completed, however far the application came",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "HEAD", "start; write a; flush; write b; finish", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-204",
        "A response without content is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "GET", "status 204; start; finish", "completed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "completed-error-status",
        "An answer of the application's with status 500 is completed",
        ["REQ-EXCH-11"],
        |talk| outcome(talk, "GET", "status 500; respond sorry", "completed"),
        Violation::report("says failed", |json| say(json, "outcome", json!("failed")))
    ),
    left!(
        "not-completed-when-untaken",
        "A response whose client left before all was taken is not completed",
        "REQ-EXCH-11",
        |talk| {
            let mut wire = talk.connect()?;
            wire.shrink_receive_buffer();
            wire.send(&get("complete a; start; pump 1024 65536; finish"))?;
            wire.head()?;
            wire.body(1)?;
            wire.reset();
            told(talk, "outcome", json!("cancelled"))
        },
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    // REQ-EXCH-12: cancelled.
    left!(
        "cancelled-before-head",
        "An exchange whose client left before the head is cancelled",
        "REQ-EXCH-12",
        |talk| leaves(talk, "complete a; note waiting; wait-for-ever"),
        Violation::report("says failed", |json| say(json, "outcome", json!("failed")))
    ),
    left!(
        "cancelled-after-head",
        "An exchange whose client left after the head is cancelled",
        "REQ-EXCH-12",
        |talk| leaves(talk, "complete a; start; flush; note waiting; wait-for-ever"),
        Violation::report("says failed", |json| say(json, "outcome", json!("failed")))
    ),
    left!(
        "cancelled-after-finish",
        "An exchange whose client left after finish() and before the return is cancelled",
        "REQ-EXCH-12",
        |talk| leaves(
            talk,
            "complete a; start; write a; flush; finish; note waiting; wait-for-ever"
        ),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    // REQ-EXCH-13: failed.
    case!(
        "failed-by-error",
        "An exchange whose application returned an error has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "error client 404", "failed"),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    case!(
        "failed-by-panic",
        "An exchange whose application panicked has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "panic", "failed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "failed-by-late-error",
        "An exchange whose application failed after the commit has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "start; write a; flush; error application", "failed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    case!(
        "failed-after-finish",
        "An exchange whose application failed after finish() has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "start; write a; flush; finish; error application", "failed"),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    case!(
        "failed-by-forwarded-body",
        "An exchange whose forwarded body failed has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "forward data=a then=error", "failed"),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    case!(
        "failed-by-short-body",
        "An exchange whose body fell short of its declared length has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(
            talk,
            "GET",
            "field content-length=5; start; write abc; flush; finish",
            "failed"
        ),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    case!(
        "failed-by-foreign-finished",
        "An exchange that was given the Finished of another has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "foreign-finished", "failed"),
        Violation::report("says completed", |json| say(json, "outcome", json!("completed")))
    ),
    case!(
        "failed-by-dropped-writer",
        "An exchange whose writer was dropped after the commit has failed",
        ["REQ-EXCH-13"],
        |talk| outcome(talk, "GET", "start; write a; flush; drop-writer; wait-for-ever", "failed"),
        Violation::report("says cancelled", |json| say(json, "outcome", json!("cancelled")))
    ),
    // REQ-EXCH-14: status and bytes.
    case!(
        "outcome-status",
        "The outcome holds the status of the response",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "status 201; respond hello", "status", json!(201)),
        Violation::report("says 200", |json| say(json, "status", json!(200)))
    ),
    case!(
        "outcome-status-of-replaced",
        "The outcome holds the status of the head that was given last",
        ["REQ-EXCH-14"],
        |talk| detail(
            talk,
            "status 201; start; status 202; replace; write a; finish",
            "status",
            json!(202)
        ),
        Violation::report("says the first", |json| say(json, "status", json!(201)))
    ),
    case!(
        "outcome-status-of-error",
        "The outcome of a failure before the commit holds the status of the error response",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "status 201; start; error client 404", "status", json!(404)),
        Violation::report("says none", |json| say(json, "status", Value::Null))
    ),
    case!(
        "outcome-status-of-panic",
        "The outcome of a panic before the commit holds status 500",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "panic", "status", json!(500)),
        Violation::report("says none", |json| say(json, "status", Value::Null))
    ),
    case!(
        "outcome-status-of-cut",
        "The outcome of a failure after the commit holds the status that was sent",
        ["REQ-EXCH-14"],
        |talk| detail(
            talk,
            "status 201; start; write abc; flush; error client 404",
            "status",
            json!(201)
        ),
        Violation::report("says that of the error", |json| say(json, "status", json!(404)))
    ),
    case!(
        "outcome-bytes-of-answer",
        "The outcome holds the number of bytes of an answer in one piece",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "respond hello", "bytes", json!(5)),
        Violation::report("says 0", |json| say(json, "bytes", json!(0)))
    ),
    case!(
        "outcome-bytes-of-stream",
        "The outcome holds the number of bytes of a streamed answer",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "start; fill 70000; flush; write abc; finish", "bytes", json!(70_003)),
        Violation::report("counts the last chunk", |json| say(json, "bytes", json!(3)))
    ),
    case!(
        "outcome-bytes-of-forward",
        "The outcome holds the number of bytes of a forwarded answer",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "forward data=abc fill=70000", "bytes", json!(70_003)),
        Violation::report("does not count", |json| say(json, "bytes", json!(0)))
    ),
    case!(
        "outcome-bytes-of-cut",
        "The outcome of a response that was cut holds the number of bytes up to there",
        ["REQ-EXCH-14"],
        |talk| detail(talk, "start; write abc; flush; error application", "bytes", json!(3)),
        Violation::report("says 0", |json| say(json, "bytes", json!(0)))
    ),
    left!(
        "outcome-without-status",
        "The outcome of an exchange that was cancelled before its head has no status",
        "REQ-EXCH-14",
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("complete a; status 201; start; note waiting; wait-for-ever"))?;
            talk.await_event("waiting")?;
            wire.reset();
            told(talk, "status", Value::Null)
        },
        Violation::report("says that of the head that was held", |json| {
            say(json, "status", json!(201));
        })
    ),
];

/// Two callbacks run once each, whatever becomes of the script.
fn run_once(talk: &mut Talk<'_>, method: &str, script: &str) -> Held {
    send(talk, method, &format!("complete a; complete b; {script}"))?;
    names(talk, &["a", "b"])
}

/// The callbacks that ran are these, in any order.
fn names(talk: &mut Talk<'_>, expected: &[&str]) -> Held {
    talk.await_events("complete", expected.len())?;
    // What would run a second time has run when another exchange has come and gone.
    talk.answer("respond hello").control()?;
    let events = talk.events()?;
    let name = |event: &Event| event.get("name").as_str().unwrap_or_default().to_owned();
    let mut found: Vec<String> =
        events.iter().filter(|event| event.is("complete")).map(name).collect();
    found.sort();
    check(found == expected, format!("the callbacks {expected:?}"), format!("{found:?}"))
}

/// Sends a script and reads on to the end of what comes.
fn send(talk: &mut Talk<'_>, method: &str, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&message(method, script, "", ""))?;
    wire.head_of(method)?;
    wire.cut_or_complete().map(drop)
}

fn outcome(talk: &mut Talk<'_>, method: &str, script: &str, kind: &str) -> Held {
    send(talk, method, &format!("complete a; {script}"))?;
    told(talk, "outcome", json!(kind))
}

fn detail(talk: &mut Talk<'_>, script: &str, name: &str, value: Value) -> Held {
    send(talk, "GET", &format!("complete a; {script}"))?;
    told(talk, name, value)
}

fn leaves(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    talk.await_event("waiting")?;
    wire.reset();
    told(talk, "outcome", json!("cancelled"))
}

/// The callback was told this.
fn told(talk: &mut Talk<'_>, detail: &str, value: Value) -> Held {
    let events = talk.await_event("complete")?;
    let event = events.iter().find(|event| event.is("complete"));
    let found = event.map_or(Value::Null, |event| event.get(detail).clone());
    check(
        found == value,
        format!("the {detail} {value} in the outcome"),
        format!("the {detail} {found}"),
    )
}

// What a gateway could get wrong, as the ledger would show it.

fn say(json: &mut Value, detail: &str, value: Value) {
    for event in json["events"].as_array_mut().into_iter().flatten() {
        if event["event"] == "complete" {
            event[detail] = value.clone();
        }
    }
}

fn twice(json: &mut Value) {
    if let Some(events) = json["events"].as_array_mut() {
        let again: Vec<Value> =
            events.iter().filter(|event| event["event"] == "complete").cloned().collect();
        events.extend(again);
    }
}

fn first_only(json: &mut Value) {
    if let Some(events) = json["events"].as_array_mut() {
        events.retain(|event| event["event"] != "complete" || event["name"] == "a");
    }
}
