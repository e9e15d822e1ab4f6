//! Chapter "HTTP duties", the request head: what is refused, and how.

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[Case {
    id: "host-missing",
    title: "An HTTP/1.1 request without Host is answered 400",
    requirements: &["REQ-HTTP-22"],
    needs: Need::Nothing,
    talk: |talk| talk.refused("GET /?tag={tag} HTTP/1.1\r\n\r\n", &[400]).map(drop),
    violation: Violation::switch("answers it as any other", Switch::NoHost),
}];
