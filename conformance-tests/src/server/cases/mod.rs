//! The cases, one file for each chapter of the specification or part of one.
//!
//! Rules of this room: a file is a flat list, in the order of the requirements; a case reads from its title to its
//! violation without a jump.

/// A case about a request that the server refuses: a plain request first, then the bad one on the same connection.
macro_rules! refused {
    ($id:literal, $title:literal, $requirement:literal, $bad:expr, $statuses:expr, $summary:literal, $switch:ident) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &[$requirement, "REQ-HTTP-02"],
            needs: crate::server::case::Need::Nothing,
            talk: |talk| talk.refused($bad, $statuses).map(drop),
            violation: crate::honest::Violation::switch($summary, crate::honest::Switch::$switch),
        }
    };
}

/// A case without special needs.
macro_rules! case {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: crate::server::case::Need::Nothing,
            talk: $talk,
            violation: $violation,
        }
    };
}

/// A case that starts and stops servers.
macro_rules! launched {
    ($id:literal, $title:literal, $requirement:literal, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &[$requirement],
            needs: crate::server::case::Need::Launch,
            talk: $talk,
            violation: $violation,
        }
    };
}

mod application;
mod body;
mod body_end;
mod capabilities;
mod departure;
mod environ;
mod environ_facts;
mod errors;
mod errors_after_commit;
mod exchange;
mod http2;
mod http2_moves;
mod http2_request;
mod http2_response;
mod http2_streams;
mod http_connection;
mod http_field_lines;
mod http_framing;
mod http_request;
mod http_response;
mod http_target;
mod input;
mod input_demand;
mod input_expect;
mod input_limits;
mod lifespan;
mod lifespan_stop;
mod outcome;
mod response;
mod response_length;
mod upgrade;
mod upgrade_end;
mod upgrade_http2;
mod websocket;
mod websocket_close;
mod websocket_deflate;
mod websocket_fragments;
mod websocket_frames;
mod websocket_http2;
mod websocket_http2_session;
mod websocket_moves;
mod websocket_text;

use super::case::Case;

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        environ::CASES,
        environ_facts::CASES,
        response::CASES,
        response_length::CASES,
        body::CASES,
        body_end::CASES,
        exchange::CASES,
        departure::CASES,
        outcome::CASES,
        application::CASES,
        input::CASES,
        input_demand::CASES,
        input_limits::CASES,
        input_expect::CASES,
        errors::CASES,
        errors_after_commit::CASES,
        lifespan::CASES,
        lifespan_stop::CASES,
        capabilities::CASES,
        http_request::CASES,
        http_field_lines::CASES,
        http_target::CASES,
        http_framing::CASES,
        http_response::CASES,
        http_connection::CASES,
        http2::CASES,
        http2_request::CASES,
        http2_response::CASES,
        http2_streams::CASES,
        upgrade::CASES,
        upgrade_end::CASES,
        upgrade_http2::CASES,
        websocket::CASES,
        websocket_frames::CASES,
        websocket_fragments::CASES,
        websocket_text::CASES,
        websocket_close::CASES,
        websocket_deflate::SIZES,
        websocket_deflate::DECLINED,
        websocket_deflate::CASES,
        websocket_http2::CASES,
        websocket_http2_session::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The case of this id.
pub fn find(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}
