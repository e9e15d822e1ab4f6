//! The one oracle: the table of phases, drawn and walked.
//!
//! [`rwgi::protocol`] holds the table as code. Here it becomes a page of the specification, a diagram, and every way through it: what the
//! exchange is tested on, and what a fuzz target can take its expectations from. The lint follows it, one watch for each exchange.
//!
//! ```
//! use rwgi::protocol::{Event, Phase};
//! use rwgi_conformance::oracle;
//!
//! let end = oracle::run(&[Event::Start, Event::Write, Event::Fail]);
//! assert_eq!(end, Some(Phase::Aborted));
//! assert!(oracle::mermaid().contains("Started --> Committed: Write"));
//! ```
//!
//! Rules of this room: nothing is said here of what follows what; it all comes out of `Phase::after`.

mod drawing;

use std::fmt::Write as _;

use rwgi::protocol::{Event, Phase};

pub use self::drawing::svg;

/// Every step that the table has: a phase, an event, and the phase after it.
///
/// ```
/// use rwgi::protocol::{Event, Phase};
/// assert!(rwgi_conformance::oracle::steps().any(|step| step == (Phase::Waiting, Event::Start, Phase::Started)));
/// ```
pub fn steps() -> impl Iterator<Item = (Phase, Event, Phase)> {
    Phase::ALL.into_iter().flat_map(|phase| {
        Event::ALL
            .into_iter()
            .filter_map(move |event| phase.after(event).map(|next| (phase, event, next)))
    })
}

/// The phase after these events, from the beginning; `None` where one of them has no place.
pub fn run(events: &[Event]) -> Option<Phase> {
    events.iter().try_fold(Phase::Waiting, |phase, event| phase.after(*event))
}

/// Every way from the beginning to an end in at most `most` events, the shortest first; their number grows fast with `most`.
///
/// ```
/// use rwgi::protocol::Event;
/// let walks = rwgi_conformance::oracle::walks(2);
/// assert!(walks.contains(&vec![Event::Respond, Event::ReturnFinished]));
/// ```
pub fn walks(most: usize) -> Vec<Vec<Event>> {
    let mut found = Vec::new();
    let mut open = vec![(Phase::Waiting, Vec::new())];
    while let Some((phase, events)) = open.pop() {
        for event in Event::ALL {
            let Some(next) = phase.after(event) else { continue };
            let mut events = events.clone();
            events.push(event);
            if next.is_end() {
                found.push(events);
            } else if events.len() < most {
                open.push((next, events));
            }
        }
    }
    found.sort_by_key(|events| events.len());
    found
}

/// The table in Markdown: a row for each phase, a column for each event that has a place anywhere.
pub fn markdown() -> String {
    let mut text = String::from("| |");
    for event in Event::ALL {
        let _ = write!(text, " {event:?} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Event::ALL.len()));
    for phase in Phase::ALL {
        let name = if phase.is_end() { format!("**{phase}**") } else { phase.to_string() };
        let _ = write!(text, "\n| {name} |");
        for event in Event::ALL {
            match phase.after(event) {
                Some(next) => {
                    let _ = write!(text, " {next} |");
                }
                None => text.push_str(" |"),
            }
        }
    }
    text.push('\n');
    text
}

/// The diagram for Mermaid; cancellation is left out, for it comes from everywhere.
pub fn mermaid() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Waiting\n");
    for (phase, events, next) in arrows() {
        let _ = writeln!(text, "    {phase:?} --> {next:?}: {events}");
    }
    for end in Phase::ALL.into_iter().filter(|phase| is_drawn_end(*phase)) {
        let _ = writeln!(text, "    {end:?} --> [*]");
    }
    text
}

/// The diagram for Graphviz, from which `dot -Tsvg` makes a picture; cancellation is left out.
pub fn dot() -> String {
    let mut text = String::from("digraph exchange {\n    rankdir=LR;\n    node [shape=box];\n");
    for end in Phase::ALL.into_iter().filter(|phase| is_drawn_end(*phase)) {
        let _ = writeln!(text, "    {end:?} [peripheries=2];");
    }
    for (phase, events, next) in arrows() {
        let _ = writeln!(text, "    {phase:?} -> {next:?} [label=\"{events}\"];");
    }
    text.push_str("}\n");
    text
}

fn is_drawn_end(phase: Phase) -> bool {
    phase.is_end() && phase != Phase::Cancelled
}

/// One arrow for all events that lead from one phase to another.
fn arrows() -> Vec<(Phase, String, Phase)> {
    let mut arrows: Vec<(Phase, String, Phase)> = Vec::new();
    for (phase, event, next) in steps().filter(|(_, event, _)| *event != Event::Cancel) {
        let known = arrows.iter_mut().find(|(from, _, to)| (*from, *to) == (phase, next));
        match known {
            Some((_, events, _)) => {
                let _ = write!(events, ", {event:?}");
            }
            None => arrows.push((phase, format!("{event:?}"), next)),
        }
    }
    arrows
}

/// The page of the specification that holds the table; a test keeps `spec/src/exchange-states.md` equal to it.
pub fn page() -> String {
    let ways = walks(5).len();
    format!(
        "# The phases as a table\n\n\
         This page is made from the type `Phase` of the reference contract, so that the words of [The\n\
         exchange](exchange.md#the-phases) can be compared with what the code does. It holds no requirement of its own.\n\n\
         A row is where a response stands, a column is what happens, a cell is where it stands then. An empty cell is a step\n\
         that does not exist: the types prevent it, the call is refused, or it has no effect. The rows in bold are ends. In at\n\
         most five steps there are {ways} ways from the beginning to an end, and the tests walk all of them.\n\n\
         {}\n\
         The same as a picture, without cancellation, which leads from every phase but an end to *cancelled*:\n\n\
         ![The phases of a response and the events that lead from one to another, as in the table](exchange-states.svg)\n",
        markdown(),
    )
}
