// Evidence: REQ-EXCH-11
// How an exchange ended is said by the exchange alone.
use rwgi::{Outcome, OutcomeKind};

fn main() {
    let _ = Outcome::new(OutcomeKind::Completed, None, 0);
}
