//! Chapter "Errors", before the commit: a failure becomes an error response.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Response, escape};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-ERR-01: errors of other libraries.
    case!(
        "foreign-error-is-500",
        "An error of another library is answered 500",
        ["REQ-ERR-01"],
        |talk| fails(talk, "error foreign", 500).map(drop),
        Violation::script("takes it for the client's fault", |script| script
            .replace("error foreign", "error client"))
    ),
    case!(
        "wrapped-error-keeps-status",
        "An error of the contract inside of another library's keeps its status",
        ["REQ-ERR-01"],
        |talk| fails(talk, "error wrapped", 418).map(drop),
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    // REQ-ERR-02: the status.
    case!(
        "error-has-its-status",
        "An error is answered with the status that it carries",
        ["REQ-ERR-02"],
        |talk| {
            for status in
                [400, 403, 404, 405, 409, 410, 413, 422, 429, 451, 499, 500, 501, 503, 599]
            {
                fails(talk, &format!("error application {status}"), status)?;
            }
            Ok(())
        },
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    case!(
        "client-fault-has-its-status",
        "A client fault is answered with the status that it carries",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error client 404", 404).map(drop),
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    case!(
        "client-fault-is-400",
        "A client fault without a status is answered 400",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error client", 400).map(drop),
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    case!(
        "application-fault-is-500",
        "An application fault without a status is answered 500",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error application", 500).map(drop),
        Violation::script("takes it for the client's fault", |script| script
            .replace("error application", "error client"))
    ),
    case!(
        "server-fault-is-500",
        "A server fault without a status is answered 500",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error server", 500).map(drop),
        Violation::script("answers 503", |script| script
            .replace("error server", "error server 503"))
    ),
    case!(
        "success-is-no-error-status",
        "An error that carries a status of success is answered 500",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error application 200", 500).map(drop),
        Violation::reply("answers 200", |asked, reply| {
            if !asked.by_application {
                reply.status = 200;
            }
        })
    ),
    case!(
        "redirection-is-no-error-status",
        "An error that carries a status of redirection is answered 500",
        ["REQ-ERR-02"],
        |talk| fails(talk, "error client 304", 500).map(drop),
        Violation::reply("answers 304", |asked, reply| {
            if !asked.by_application {
                reply.status = 304;
            }
        })
    ),
    case!(
        "error-after-start-has-its-status",
        "An error after start() is answered with its status where nothing was committed",
        ["REQ-ERR-02"],
        |talk| fails(talk, "status 201; start; error client 404", 404).map(drop),
        Violation::script("sends the head that was held", |script| script
            .replace("error client 404", "flush; error client 404"))
    ),
    case!(
        "late-error-has-its-status",
        "An error long after start() is answered with its status where nothing was committed",
        ["REQ-ERR-02"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "status 201; start; gate g; error client 404";
            wire.send(&crate::server::talk::get(script))?;
            talk.await_event("called")?;
            wire.quiet("nothing before the application has decided")?;
            talk.open_gate("g")?;
            wire.response()?.status(404)
        },
        Violation::switch("sends the head while the application decides", Switch::HeadFirst)
    ),
    case!(
        "error-of-hook-has-its-status",
        "An error of a head hook is answered 500",
        ["REQ-ERR-02"],
        |talk| fails(talk, "hook-error; respond hello", 500).map(drop),
        Violation::script("ignores it", |script| script.replace("hook-error; ", ""))
    ),
    case!(
        "error-to-head",
        "An error in answer to HEAD has its status and no content",
        ["REQ-ERR-02"],
        |talk| {
            let mut wire = talk.connect()?;
            let request = crate::server::talk::message("HEAD", "error client 404", "", "");
            wire.request(&request)?.status(404)?;
            wire.still_open()
        },
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    case!(
        "error-to-http10",
        "An error in answer to HTTP/1.0 has its status",
        ["REQ-ERR-02"],
        |talk| {
            let request = crate::server::talk::get("error client 404").replace("1.1", "1.0");
            talk.request(&request)?.status(404)
        },
        Violation::switch("answers all failures with 500", Switch::AllIs500)
    ),
    // REQ-ERR-03: nothing of the response that failed.
    case!(
        "error-without-fields-of-response",
        "An error response has no field of the head that was held",
        ["REQ-ERR-03"],
        |talk| {
            let script =
                "field set-cookie=a=1 cache-control=public x-page=1; start; error client 404";
            let response = fails(talk, script, 404)?;
            bare(&response, &["set-cookie", "cache-control", "x-page"])
        },
        Violation::reply("adds them", |asked, reply| {
            if !asked.by_application {
                reply.add("set-cookie", "a=1");
            }
        })
    ),
    case!(
        "error-without-answer",
        "An error response has nothing of the answer that was given",
        ["REQ-ERR-03"],
        |talk| {
            let script = "field set-cookie=a=1; respond secret-page; error application";
            let response = fails(talk, script, 500)?;
            bare(&response, &["set-cookie"])?;
            hides(&response, &["secret-page"])
        },
        Violation::reply("adds its fields", |asked, reply| {
            if !asked.by_application {
                reply.add("set-cookie", "a=1");
            }
        })
    ),
    case!(
        "error-without-fields-of-panic",
        "An error response to a panic has no field of the head that was held",
        ["REQ-ERR-03"],
        |talk| bare(&fails(talk, "field set-cookie=a=1; start; panic", 500)?, &["set-cookie"]),
        Violation::reply("adds them", |asked, reply| {
            if !asked.by_application {
                reply.add("set-cookie", "a=1");
            }
        })
    ),
    case!(
        "error-without-hooks",
        "An error response has no field of a head hook",
        ["REQ-ERR-03"],
        |talk| bare(&fails(talk, "hook x-hook=1; error client 404", 404)?, &["x-hook"]),
        Violation::reply("runs the hooks", |asked, reply| {
            if !asked.by_application {
                reply.add("x-hook", "1");
            }
        })
    ),
    case!(
        "error-has-own-length",
        "An error response does not have the length of the head that was held",
        ["REQ-ERR-03"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "field content-length=100000; start; error client 404";
            wire.request(&crate::server::talk::get(script))?.status(404)?;
            wire.still_open()
        },
        Violation::reply("keeps it", |asked, reply| {
            if !asked.by_application {
                reply.remove("content-length");
                reply.add("content-length", "100000");
            }
        })
    ),
    // REQ-ERR-04: nothing of the cause.
    case!(
        "error-is-not-told",
        "Message and cause of an application fault are not sent",
        ["REQ-ERR-04"],
        |talk| hides(&fails(talk, "error application", 500)?, &SECRETS),
        Violation::switch("sends them", Switch::TellsError)
    ),
    case!(
        "client-fault-is-not-told",
        "Message and cause of a client fault are not sent",
        ["REQ-ERR-04"],
        |talk| hides(&fails(talk, "error client 404", 404)?, &SECRETS),
        Violation::switch("sends them", Switch::TellsError)
    ),
    case!(
        "foreign-error-is-not-told",
        "The text of another library's error is not sent",
        ["REQ-ERR-04"],
        |talk| hides(&fails(talk, "error foreign", 500)?, &SECRETS),
        Violation::switch("sends it", Switch::TellsError)
    ),
    case!(
        "panic-is-not-told",
        "The text of a panic is not sent",
        ["REQ-ERR-04"],
        |talk| hides(
            &fails(talk, "panic", 500)?,
            &["panicked", "the suite intends", "in the application", ".rs"]
        ),
        Violation::switch("sends it", Switch::TellsError)
    ),
    // REQ-ERR-05: a panic.
    case!(
        "panic-is-500",
        "A panic is answered 500",
        ["REQ-ERR-05"],
        |talk| fails(talk, "panic", 500).map(drop),
        Violation::switch("closes the connection", Switch::SilentFailure)
    ),
    case!(
        "panic-after-start-is-500",
        "A panic after start() is answered 500 where nothing was committed",
        ["REQ-ERR-05"],
        |talk| fails(talk, "status 201; start; panic", 500).map(drop),
        Violation::switch("closes the connection", Switch::SilentFailure)
    ),
    case!(
        "late-panic-is-500",
        "A panic after the application has waited is answered 500",
        ["REQ-ERR-05"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&crate::server::talk::get("gate g; panic"))?;
            talk.open_gate("g")?;
            wire.response()?.status(500)
        },
        Violation::switch("closes the connection", Switch::SilentFailure)
    ),
    // REQ-ERR-06: a writer that was dropped.
    case!(
        "dropped-writer-and-error",
        "An application that drops its writer before the commit decides by its error",
        ["REQ-ERR-06"],
        |talk| fails(talk, "status 201; start; drop-writer; error client 404", 404).map(drop),
        Violation::switch("answers 500", Switch::AllIs500)
    ),
    case!(
        "dropped-writer-and-later-error",
        "An application that drops its writer before the commit decides when it returns",
        ["REQ-ERR-06"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "start; drop-writer; note dropped-it; gate g; error client 404";
            wire.send(&crate::server::talk::get(script))?;
            talk.await_event("dropped-it")?;
            wire.quiet("nothing before the application has returned")?;
            talk.open_gate("g")?;
            wire.response()?.status(404)
        },
        Violation::script("does not wait for it", |script| script
            .replace("gate g; error client 404", "error application"))
    ),
    case!(
        "dropped-token-is-500",
        "An application that drops its token and its writer without an error is answered 500",
        ["REQ-ERR-06"],
        |talk| fails(talk, "status 201; start; drop-writer; foreign-finished", 500).map(drop),
        Violation::script("sends the head that was held", |script| script
            .replace("drop-writer; foreign-finished", "finish"))
    ),
];

/// What the suite's application puts into its errors.
const SECRETS: [&str; 3] = ["secret", "suite", ".rs"];

/// The script is answered by the server itself with this status, and one without a failure is not.
fn fails(talk: &mut Talk<'_>, script: &str, status: u16) -> Held<Response> {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    let response = wire.request(&crate::server::talk::get(script))?;
    response.status(status)?;
    check(
        !response.is_of_application(),
        "an error response of the server's own",
        "fields of the application's response",
    )
    .of("REQ-ERR-03")?;
    Ok(response)
}

fn bare(response: &Response, fields: &[&str]) -> Held {
    fields.iter().try_for_each(|name| response.head.without(name))
}

/// None of these texts stands anywhere in the response.
fn hides(response: &Response, texts: &[&str]) -> Held {
    let mut all = escape(&response.body);
    for (name, value) in &response.head.fields {
        all.push_str(&format!("\n{name}: {}", escape(value)));
    }
    all.push_str(&escape(&response.head.reason));
    for text in texts {
        check(
            !all.contains(text),
            format!("nothing that holds \"{text}\""),
            format!("\"{}\"", escape(&response.body)),
        )?;
    }
    Ok(())
}
