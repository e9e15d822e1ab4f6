//! Chapter "Capabilities": what is declared holds, what is not is refused; informational responses.
//!
//! Departure is judged beside the exchange.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::application::SuiteApplication;
use crate::server::case::{Case, Need};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get};
use crate::server::wire::Response;

/// A case about a server that sends informational responses.
macro_rules! informational {
    ($id:literal, $title:literal, $requirement:literal, $talk:expr, $violation:expr $(,)?) => {
        Case {
            id: $id,
            title: $title,
            requirements: &[$requirement],
            needs: Need::Capability("informational"),
            talk: $talk,
            violation: $violation,
        }
    };
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-CAP-01: what is not declared.
    Case {
        id: "undeclared-inform-is-501",
        title: "inform() on a server without the capability is a server fault of status 501",
        requirements: &["REQ-CAP-01"],
        needs: Need::Lack("informational"),
        talk: |talk| undeclared(talk, "inform 103 link=a; respond a", "try inform 103; respond a"),
        violation: Violation::report("does not declare what it does", |json| {
            undeclare(json, "informational");
        }),
    },
    Case {
        id: "undeclared-trailers-are-501",
        title: "finish_with_trailers() on a server without the capability is a server fault of status 501",
        requirements: &["REQ-CAP-01"],
        needs: Need::Lack("response-trailers"),
        talk: |talk| {
            undeclared(talk, "start; finish x-sum=1", "start; try finish x-sum=1; foreign-finished")
        },
        violation: Violation::report("does not declare what it does", |json| {
            undeclare(json, "response-trailers");
        }),
    },
    // REQ-CAP-02: what is declared.
    Case {
        id: "declared-to-every-exchange",
        title: "An exchange has the capabilities that were declared to startup",
        requirements: &["REQ-CAP-02"],
        needs: Need::Launch,
        talk: declared_to_every_exchange,
        violation: Violation::connection("declares less to the exchange", |connection| {
            let mut server = rwgi::ServerInfo::clone(&connection.server);
            server.capabilities = rwgi::Capabilities::default();
            connection.server = server.into();
        }),
    },
    // REQ-CAP-04: informational responses.
    informational!(
        "informational-sent",
        "An informational response is sent before the final one, with its fields",
        "REQ-CAP-04",
        |talk| {
            let script = "inform 103 link=%3C/a.css%3E link=%3C/b.css%3E; respond hello";
            let response = talk.answer(script)?;
            response.body("hello")?;
            statuses(&response, &[103])?;
            response.interim[0].fields_are("link", &[b"</a.css>", b"</b.css>"])
        },
        Violation::switch("does not send it", Switch::NoInformational)
    ),
    informational!(
        "informational-in-order",
        "Informational responses are sent in their order",
        "REQ-CAP-04",
        |talk| {
            let response =
                talk.answer("inform 102 x-n=1; inform 103 x-n=2; inform 103 x-n=3; respond hello")?;
            statuses(&response, &[102, 103, 103])?;
            response
                .interim
                .iter()
                .zip(["1", "2", "3"])
                .try_for_each(|(head, n)| head.field("x-n", n))
        },
        Violation::script("sends the last first", |script| {
            script.replace("x-n=1", "x-n=0").replace("x-n=3", "x-n=1").replace("x-n=0", "x-n=3")
        })
    ),
    informational!(
        "informational-at-once",
        "An informational response is sent while the application goes on working",
        "REQ-CAP-04",
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("inform 103 link=a; gate g; respond hello"))?;
            wire.await_interim(103)?;
            talk.open_gate("g")?;
            wire.response()?.body("hello")
        },
        Violation::switch("does not send it", Switch::NoInformational)
    ),
    informational!(
        "informational-commits-nothing",
        "The final response is still open after an informational one",
        "REQ-CAP-04",
        |talk| {
            let response = talk.play("inform 103 link=a; status 201; start; error client 404")?;
            response.status(404)?;
            statuses(&response, &[103])?;
            response.head.without("link")
        },
        Violation::script("takes it for the commit", |script| {
            script.replace("start; error client 404", "respond")
        })
    ),
    informational!(
        "informational-before-stream",
        "A streamed response follows an informational one, and the connection stays",
        "REQ-CAP-04",
        |talk| {
            let mut wire = talk.connect()?;
            let response =
                wire.request(&get("inform 103 link=a; start; write a; flush; write b; finish"))?;
            statuses(&response, &[103])?;
            response.body("ab")?;
            wire.still_open()
        },
        Violation::switch("does not send it", Switch::NoInformational)
    ),
    // REQ-CAP-05: HTTP/1.0.
    informational!(
        "no-informational-to-http10",
        "No informational response is sent to HTTP/1.0, and inform() succeeds",
        "REQ-CAP-05",
        |talk| {
            let script = get("inform 103 link=a; respond hello");
            statuses(&talk.request(&script)?, &[103]).control()?;
            let response = talk.request(&script.replace("HTTP/1.1", "HTTP/1.0"))?;
            response.body("hello")?;
            statuses(&response, &[])
        },
        Violation::switch("sends it", Switch::InformationalToTen)
    ),
    // REQ-CAP-06: what is not informational.
    informational!(
        "inform-101-refused",
        "Status 101 is refused as an informational response",
        "REQ-CAP-06",
        |talk| refuses(talk, "101"),
        Violation::script("sends 103", |script| script.replace("inform 101", "inform 103"))
    ),
    informational!(
        "inform-final-refused",
        "A final status is refused as an informational response",
        "REQ-CAP-06",
        |talk| ["200", "204", "304", "404", "500"].iter().try_for_each(|one| refuses(talk, one)),
        Violation::script("sends 103", |script| script.replace("inform 404", "inform 103"))
    ),
];

/// An application that passes the refusal on answers 501; one that does not is told a server fault.
fn undeclared(talk: &mut Talk<'_>, passes: &str, tries: &str) -> Held {
    talk.answer("respond a")?.status(200).control()?;
    talk.play(passes)?.status(501)?;
    talk.play(tries)?;
    let error = tried(talk)?;
    check(
        error["fault"] == "server" && error["status"] == 501,
        "a server fault of status 501",
        error,
    )
}

/// A status that is refused, and a response that goes on without it.
fn refuses(talk: &mut Talk<'_>, status: &str) -> Held {
    talk.turn_page();
    let response = talk.answer("inform 103 link=a; respond hello")?;
    statuses(&response, &[103]).control()?;
    let response = talk.answer(&format!("try inform {status}; respond hello"))?;
    statuses(&response, &[])?;
    response.body("hello")?;
    let error = tried(talk)?;
    check(!error.is_null(), "the call to fail", "it succeeded")
}

/// The error that the step `try` met.
fn tried(talk: &mut Talk<'_>) -> Held<Value> {
    let events = talk.await_event("tried")?;
    let tried = events.iter().find(|event| event.is("tried"));
    Ok(tried.map_or(Value::Null, |event| event.get("error").clone()))
}

fn statuses(response: &Response, expected: &[u16]) -> Held {
    let found: Vec<u16> = response.interim.iter().map(|head| head.status).collect();
    check(
        found == expected,
        format!("the informational responses {expected:?}"),
        format!("{found:?}"),
    )
}

fn declared_to_every_exchange(talk: &mut Talk<'_>) -> Held {
    let application = SuiteApplication::new();
    let _running = talk.launch(application.clone())?;
    let events = application.ledger().events("lifespan");
    let declared = events.iter().find(|event| event["event"] == "startup");
    let declared = declared.map_or(Value::Null, |event| event["capabilities"].clone());
    check(declared.is_array(), "startup to be called", "it was not").control()?;
    let mut wire = talk.connect()?;
    for _ in 0..2 {
        let report = wire.request(&get("report"))?.json()?;
        let given = report["capabilities"].as_array().cloned().unwrap_or_default();
        let missing: Vec<&Value> =
            declared.as_array().into_iter().flatten().filter(|one| !given.contains(one)).collect();
        check(
            missing.is_empty(),
            format!("all of {declared}"),
            format!("{} without {missing:?}", json!(given)),
        )?;
    }
    Ok(())
}

fn undeclare(json: &mut Value, capability: &str) {
    if let Some(names) = json["capabilities"].as_array_mut() {
        names.retain(|name| name != capability);
    }
}
