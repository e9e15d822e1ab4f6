// Evidence: REQ-APP-02
// A proof of one response is good once.
use rwgi::Finished;

fn twice(finished: Finished) -> (Finished, Finished) {
    (finished.clone(), finished)
}

fn main() {
    let _ = twice;
}
