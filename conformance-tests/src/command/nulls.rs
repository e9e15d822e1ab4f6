//! `null-servers`: what servers score that do not try.
//!
//! Rules of this room: the same cases as for any server, with short waits.

use rwgi_conformance::honest::null::Null;
use rwgi_conformance::server::null_score;

use super::{Trouble, print};

pub(super) fn scores() -> Result<bool, Trouble> {
    let mut text = String::from("| Server | Cases that held | of |\n|---|---|---|\n");
    for null in Null::ALL {
        let score = null_score(null).map_err(Trouble::Start)?;
        text.push_str(&format!("| {} | {} | {} |\n", null.name(), score.held.len(), score.cases));
    }
    print(&text)?;
    Ok(true)
}
