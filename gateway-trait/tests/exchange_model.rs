//! The exchange against its table: applications of random steps, compared with what `Phase::after` says of them.
//!
//! The table is the specification's (chapter "The exchange"); this test is what keeps the code from having another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::{Arc, Mutex};

use common::{Log, capable, pause, run, status};
use http::Method;
use http::header::CONTENT_LENGTH;
use proptest::prelude::*;
use rwgi::protocol::{Event, Phase};
use rwgi::{Environ, Error, Finished, OutcomeKind, Result, StartResponse};

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize),
    Flush,
    Replace { code: u16, declared: Option<u64> },
    Pause,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Finish,
    Fail,
    Panic,
    DropAndFail,
    FinishAndFail,
}

#[derive(Clone, Debug)]
struct Plan {
    head_request: bool,
    code: u16,
    declared: Option<u64>,
    steps: Vec<Step>,
    end: End,
}

/// What the table says that happened, kept beside the application.
#[derive(Clone, Debug, Default)]
struct Model {
    phase: Option<Phase>,
    code: u16,
    declared: Option<u64>,
    accepted: Vec<u8>,
    bodyless: bool,
    /// The promise was not kept.
    short: bool,
}

impl Model {
    fn step(&mut self, event: Event) -> bool {
        let next = self.phase.unwrap_or(Phase::Waiting).after(event);
        self.phase = next.or(self.phase);
        next.is_some()
    }

    fn is_committed(&self) -> bool {
        self.phase.is_some_and(Phase::is_committed)
    }

    fn head(&mut self, plan: &Plan, code: u16, declared: Option<u64>) {
        (self.code, self.declared) = (code, declared);
        self.bodyless = plan.head_request || matches!(code, 204 | 304);
    }
}

/// The application that a plan describes; it notes in the model what the contract let it do.
async fn play(plan: Plan, start: StartResponse, shared: Arc<Mutex<Model>>) -> Result<Finished> {
    let note = |change: &mut dyn FnMut(&mut Model)| change(&mut shared.lock().unwrap());
    let fields = |declared: Option<u64>| -> Vec<_> {
        declared.iter().map(|length| (CONTENT_LENGTH, *length)).collect()
    };
    let mut body = start.start(status(plan.code), fields(plan.declared))?;
    note(&mut |model| {
        model.step(Event::Start);
        model.head(&plan, plan.code, plan.declared);
    });
    for step in &plan.steps {
        match *step {
            Step::Write(length) => {
                let surplus = {
                    let model = shared.lock().unwrap();
                    let total = (model.accepted.len() + length) as u64;
                    length > 0
                        && !model.bodyless
                        && model.declared.is_some_and(|declared| total > declared)
                };
                let data: Vec<u8> = (0..length).map(|byte| b'a' + byte as u8).collect();
                // Noted first: a write of a response without content need not come back.
                if length > 0 && !surplus {
                    note(&mut |model| {
                        model.step(Event::Write);
                        model.accepted.extend(&data);
                    });
                }
                assert_eq!(body.write(data.clone()).await.is_err(), surplus, "{step:?}");
            }
            Step::Flush => {
                note(&mut |model| {
                    // A head that declares no content is the whole message, and waits for the return.
                    let whole = model.declared == Some(model.accepted.len() as u64);
                    if model.bodyless || !whole {
                        model.step(Event::Write);
                    }
                });
                body.flush().await?;
            }
            Step::Replace { code, declared } => {
                let placed = body.replace_head(status(code), fields(declared)).is_ok();
                note(&mut |model| {
                    assert_eq!(model.step(Event::ReplaceHead), placed);
                    if placed {
                        model.head(&plan, code, declared);
                    }
                });
            }
            Step::Pause => pause().await,
        }
        assert_eq!(body.is_committed(), shared.lock().unwrap().is_committed(), "{step:?}");
    }
    let result = match plan.end {
        End::Finish | End::FinishAndFail => {
            let result = body.finish();
            note(&mut |model| {
                let length = model.accepted.len() as u64;
                model.short =
                    !model.bodyless && model.declared.is_some_and(|declared| declared != length);
                assert_eq!(result.is_err(), model.short);
                model.step(if model.short { Event::DropWriter } else { Event::Finish });
            });
            result
        }
        End::Panic => {
            note(&mut |model| assert!(model.step(Event::Fail)));
            panic!("as planned")
        }
        End::DropAndFail => {
            drop(body);
            note(&mut |model| assert!(model.step(Event::DropWriter)));
            Err(Error::application("as planned"))
        }
        End::Fail => Err(Error::application("as planned")),
    };
    let result = match plan.end {
        End::FinishAndFail => result.and(Err(Error::application("as planned"))),
        _ => result,
    };
    let event = if result.is_ok() { Event::ReturnFinished } else { Event::Fail };
    note(&mut |model| {
        model.step(event);
    });
    result
}

fn plans() -> impl Strategy<Value = Plan> {
    let declared = || prop_oneof![2 => Just(None), 1 => (0u64..8).prop_map(Some)];
    let code = || prop_oneof![4 => Just(200u16), 1 => Just(204), 1 => Just(304)];
    let step = prop_oneof![
        4 => (0usize..5).prop_map(Step::Write),
        1 => Just(Step::Flush),
        1 => (code(), declared()).prop_map(|(code, declared)| Step::Replace { code, declared }),
        2 => Just(Step::Pause),
    ];
    let end = prop_oneof![
        4 => Just(End::Finish),
        1 => Just(End::Fail),
        1 => Just(End::Panic),
        1 => Just(End::DropAndFail),
        1 => Just(End::FinishAndFail),
    ];
    (prop::bool::weighted(0.2), code(), declared(), prop::collection::vec(step, 0..8), end)
        .prop_map(|(head_request, code, declared, steps, end)| Plan {
            head_request,
            code,
            declared,
            steps,
            end,
        })
}

/// Runs a plan and compares everything that a server can see with the model.
fn check(plan: &Plan) {
    let shared: Arc<Mutex<Model>> = Arc::default();
    let log = Log::default();
    let (watched, kept, acted) = (log.clone(), Arc::clone(&shared), plan.clone());
    let method = if plan.head_request { Method::HEAD } else { Method::GET };
    let result = run(
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            play(acted.clone(), start, Arc::clone(&kept))
        },
        capable(method),
    );
    let model = shared.lock().unwrap().clone();
    let phase = model.phase.unwrap();
    let failure = match &result {
        Err(error) => Some(error),
        Ok(ran) => ran.error.as_ref(),
    };
    if let Some(error) = failure {
        // An assertion inside the application is a panic, too.
        let expected = error.message().ends_with("as planned")
            || (model.short && error.requirement() == Some("REQ-BODY-10"));
        assert!(expected, "{error:?}");
    }
    match result {
        Err(error) => {
            assert_eq!(phase, Phase::Failed, "{model:?}");
            assert_eq!(log.told(), (OutcomeKind::Failed, Some(500), 0), "{error:?}");
        }
        Ok(ran) => {
            assert_eq!(ran.status(), model.code);
            let sent: Vec<u8> = ran.chunks.concat();
            if model.bodyless {
                assert!(sent.is_empty() && ran.error.is_none());
                assert!(model.is_committed() || phase == Phase::Completed, "{model:?}");
                // The head is the message: what fails in the same poll fails unseen, later there is nothing left to fail.
                assert!(log.one().kind() != OutcomeKind::Cancelled);
                return;
            }
            assert!(model.accepted.starts_with(&sent), "bytes are added, lost or changed");
            match phase {
                Phase::Completed => {
                    assert_eq!(sent, model.accepted);
                    assert!(ran.error.is_none());
                    let expected = (OutcomeKind::Completed, Some(model.code), sent.len() as u64);
                    assert_eq!(log.told(), expected);
                }
                Phase::Aborted => {
                    assert!(ran.error.is_some());
                    assert_ne!(model.declared, Some(sent.len() as u64), "it looks whole");
                    let expected = (OutcomeKind::Failed, Some(model.code), sent.len() as u64);
                    assert_eq!(log.told(), expected);
                }
                other => panic!("a response in the phase {other}: {model:?}"),
            }
        }
    }
}

// Evidence: REQ-EXCH-05, REQ-EXCH-10, REQ-EXCH-11, REQ-EXCH-13, REQ-EXCH-14, REQ-BODY-01, REQ-BODY-17, REQ-RESP-10
#[test]
fn every_application_of_a_few_steps_does_what_the_table_says() {
    // The planned panics are many; their messages would bury a real one.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"as planned") {
            hook(info);
        }
    }));
    let config =
        ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&plans(), |plan| {
            check(&plan);
            Ok(())
        })
        .unwrap();
}
