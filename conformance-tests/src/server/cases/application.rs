//! Chapter "The application": what a server does with the applications that it calls.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of};
use crate::server::talk::{Talk, get};
use crate::server::wire::Wire;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    case!(
        "calls-side-by-side",
        "The application is called while an earlier call of it is under way",
        ["REQ-APP-01"],
        |talk| {
            let mut first = talk.connect()?;
            first.send(&get("note first; gate g; respond first"))?;
            talk.await_event("first")?;
            talk.answer("respond second")?.body("second")?;
            talk.open_gate("g")?;
            first.response()?.body("first").control()
        },
        Violation::switch("calls it once at a time", Switch::OneAtATime)
    ),
    case!(
        "blocked-call-holds-up-nobody",
        "A blocked call does not hold up an exchange that does not block",
        ["REQ-APP-06"],
        |talk| {
            let mut blocked = blocks(talk, 1)?;
            talk.answer("respond quick")?.body("quick")?;
            unblocks(talk, &mut blocked)
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
    case!(
        "blocked-calls-hold-up-no-other",
        "Eight blocked calls do not hold up one more, nor an exchange that does not block",
        ["REQ-APP-06"],
        |talk| {
            let mut blocked = blocks(talk, 8)?;
            talk.answer("respond quick")?.body("quick")?;
            let mut one = talk.connect()?;
            one.send(&get("blocking other"))?;
            talk.open_gate("other")?;
            one.response()?.body("unblocked")?;
            unblocks(talk, &mut blocked)
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
];

/// Calls that block until the gate is open.
fn blocks(talk: &mut Talk<'_>, count: usize) -> Held<Vec<Wire>> {
    talk.one_process()?;
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = talk.connect()?;
        wire.send(&get("blocking g"))?;
        wires.push(wire);
    }
    talk.await_events("blocking", count)?;
    Ok(wires)
}

fn unblocks(talk: &mut Talk<'_>, blocked: &mut [Wire]) -> Held {
    talk.open_gate("g")?;
    blocked.iter_mut().try_for_each(|wire| wire.response()?.body("unblocked"))
}
