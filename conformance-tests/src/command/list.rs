//! `list` and `requirements`.
//!
//! Rules of this room: the order is that of the specification; JSON holds all that text shows, and more.

use std::path::Path;

use rwgi_conformance::requirements::{ALL, evidence};
use serde_json::json;

use super::choice::{Choice, Chosen};
use super::{Form, Trouble, print};

pub(super) fn cases(choice: &Choice, form: Form) -> Result<bool, Trouble> {
    let chosen = choice.chosen()?;
    if form == Form::Json {
        let rows: Vec<_> = chosen.iter().map(json_row).collect();
        print(&format!("{:#}\n", json!({ "cases": rows })))?;
        return Ok(true);
    }
    let mut text = String::new();
    for one in &chosen {
        let (level, requirements, violation) = match one {
            Chosen::Case(case) => {
                (case.level(), case.requirements.join(" "), case.violation.summary)
            }
            Chosen::Vector(vector) => {
                (vector.level(), vector.requirements.join(" "), "(a wire vector)")
            }
        };
        text.push_str(&format!(
            "{:<44} {level:<6} {requirements}\n{:<44} catches a server that {violation}\n",
            one.id(),
            ""
        ));
    }
    text.push_str(&format!("{} in all\n", chosen.len()));
    print(&text)?;
    Ok(true)
}

fn json_row(one: &Chosen) -> serde_json::Value {
    match one {
        Chosen::Case(case) => json!({
            "id": case.id,
            "kind": "case",
            "title": case.title,
            "chapter": case.chapter(),
            "requirements": case.requirements,
            "level": case.level(),
            "needs": format!("{:?}", case.needs),
            "violation": case.violation.summary,
        }),
        Chosen::Vector(vector) => json!({
            "id": vector.id,
            "kind": "vector",
            "title": vector.title,
            "topic": vector.topic,
            "requirements": vector.requirements,
            "level": vector.level(),
        }),
    }
}

pub(super) fn requirements(form: Form) -> Result<bool, Trouble> {
    let map = all_evidence()?;
    if form == Form::Json {
        let rows: Vec<_> = ALL
            .iter()
            .map(|one| {
                json!({
                    "id": one.id,
                    "level": one.level,
                    "party": one.party,
                    "chapter": one.chapter,
                    "sentence": one.sentence,
                    "rfc": one.rfc,
                    "evidence": map.get(one.id),
                })
            })
            .collect();
        print(&format!("{:#}\n", json!({ "requirements": rows })))?;
        return Ok(true);
    }
    let mut text = String::new();
    for one in ALL {
        text.push_str(&format!(
            "{:<14} {:<6} {:<11} {}\n",
            one.id, one.level, one.party, one.sentence
        ));
        let evidence = map.get(one.id).map(Vec::as_slice).unwrap_or_default();
        if evidence.is_empty() {
            text.push_str(&format!("{:<14} upheld by nothing that is known here\n", ""));
        }
        for one in evidence {
            text.push_str(&format!(
                "{:<14} {}: {}\n",
                "",
                format!("{:?}", one.kind).to_lowercase(),
                one.name
            ));
        }
    }
    text.push_str(&format!("{} in all\n", ALL.len()));
    print(&text)?;
    Ok(true)
}

/// The evidence of this crate, and that of the workspace where the command is run inside it; a misplaced comment there is the test
/// `traceability`'s to find.
pub(super) fn all_evidence() -> Result<evidence::Map, Trouble> {
    let mut map = evidence::built_in().map_err(Trouble::Usage)?;
    let here = Path::new(".");
    if here.join("spec/src/SUMMARY.md").exists() && here.join("conformance-tests").exists() {
        let _ = evidence::of_workspace(here, &mut map);
    }
    Ok(map)
}
