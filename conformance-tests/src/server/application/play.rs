//! Performs a script: each step is a call that an application could make.
//!
//! Rules of this room: a step does what its name says and nothing for convenience; what a `try` step came to is noted and the
//! script goes on, every other failure is returned to the server.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rwgi::{
    Application, Blocking, BlockingStartResponse, BodyWriter, Environ, Error, Exchange, Fault,
    Finished, ResponseHead, Result, StartResponse,
};
use serde_json::{Value, json};

use super::content::{Forwarded, Item};
use super::ledger::Visit;
use super::report::{Read, latin1, problem, read, report};
use super::script::{Step, unknown};
use super::session::Session;
use super::{MARK, MARK_VALUE};

/// Performs the steps and gives what the script ends with.
pub(super) async fn perform(
    environ: Environ,
    start: StartResponse,
    visit: Visit,
    steps: Vec<Step>,
) -> Result<Finished> {
    let visit = Arc::new(visit);
    if steps.first().is_some_and(|step| step.verb == "blocking") {
        let gate = steps[0].text(0)?;
        let blocking = Blocking::new(move |_: Environ, start: BlockingStartResponse| {
            visit.note("blocking", json!({}));
            visit.gate_blocking(&gate);
            visit.returned(true);
            start.respond(StatusCode::OK, [(MARK, MARK_VALUE)], "unblocked")
        });
        return blocking.call(environ, start).await;
    }
    let kept = Arc::clone(&visit);
    let play = Play {
        environ,
        start: Some(start),
        writer: None,
        session: Session::default(),
        required: None,
        finished: None,
        status: StatusCode::OK,
        fields: vec![(MARK.to_owned(), MARK_VALUE.into())],
        read: Read::default(),
        notes: Vec::new(),
        visit,
    };
    let result = play.run(steps).await;
    kept.returned(result.is_ok());
    result
}

pub(super) struct Play {
    environ: Environ,
    start: Option<StartResponse>,
    writer: Option<BodyWriter>,
    pub(super) session: Session,
    /// What a client is told to upgrade to.
    pub(super) required: Option<String>,
    pub(super) finished: Option<Finished>,
    status: StatusCode,
    fields: Vec<(String, Vec<u8>)>,
    read: Read,
    notes: Vec<Value>,
    pub(super) visit: Arc<Visit>,
}

impl Play {
    async fn run(mut self, steps: Vec<Step>) -> Result<Finished> {
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            if step.verb == "thread" {
                return elsewhere(self, steps.collect()).await;
            }
            let result = self.step(&step).await;
            if !step.attempt {
                result?;
                continue;
            }
            let note = match result {
                Ok(()) => json!({ "step": step.text, "ok": true }),
                Err(error) => json!({ "step": step.text, "ok": false, "error": problem(&error) }),
            };
            self.visit.note("tried", note.clone());
            self.notes.push(note);
        }
        // A writer that is left is dropped before the result is known, as in any function.
        drop(self.writer);
        if let Some(finished) = self.session.finish() {
            return Ok(finished);
        }
        self.finished.ok_or_else(|| Error::application("the script ends without a response"))
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        match &*step.verb {
            // The head.
            "status" => {
                self.status = status(step.number(0)?)?;
            }
            "field" => self.fields.extend(step.pairs()),
            "no-fields" => self.fields.clear(),
            // The answer in one step.
            "respond" => {
                let body = step.words.join(&b' ');
                self.respond(body)?;
            }
            "respond-fill" => self.respond(pattern(step.number(0)?))?,
            "report" => {
                let mut report = report(&self.environ, Some(&self.read));
                report["notes"] = json!(self.notes);
                self.fields.push(("content-type".to_owned(), "application/json".into()));
                self.respond(report.to_string().into_bytes())?;
            }
            "forward" => self.forward(step)?,
            // The answer in pieces.
            "start" => {
                let head = self.head()?;
                self.writer = Some(self.token()?.start_with(head));
            }
            "replace" => {
                let head = self.head()?;
                self.writer()?.replace_head_with(head)?;
            }
            "write" => {
                let data = step.words.join(&b' ');
                self.writer()?.write(data).await?;
            }
            "fill" => {
                let data = pattern(step.number(0)?);
                self.writer()?.write(data).await?;
            }
            "pump" => {
                let data = Bytes::from(pattern(step.number(1)?));
                for _ in 0..step.number(0)? {
                    self.writer()?.write(data.clone()).await?;
                }
                self.visit.note("pumped", json!({}));
            }
            "flush" => self.writer()?.flush().await?,
            "finish" => {
                let writer = self.writer.take().ok_or_else(|| unknown("finish without start"))?;
                self.finished = Some(match step.words.is_empty() {
                    true => writer.finish()?,
                    false => writer.finish_with_trailers(map(&step.pairs())?)?,
                });
            }
            "drop-writer" => drop(self.writer.take()),
            "foreign-finished" => self.finished = Some(foreign_finished(self).await?),
            // The input.
            "read" => self.read = read(&mut self.environ).await?,
            "read-chunk" => {
                let chunk = self.environ.input_mut().chunk().await?;
                let seen = json!({ "data": chunk.map(|chunk| latin1(&chunk)) });
                self.visit.note("chunk", seen.clone());
                self.notes.push(seen);
            }
            "read-to-end" => {
                let limit = step.number(0)? as usize;
                self.read.body = self.environ.input_mut().read_to_end(limit).await?.to_vec();
            }
            "read-to-string" => {
                let limit = step.number(0)? as usize;
                self.read.body = self.environ.input_mut().read_to_string(limit).await?.into_bytes();
            }
            "trailers" => self.read.trailers = self.environ.input_mut().trailers().await?,
            "limit" => {
                let limit = if step.word(0)? == b"none" { None } else { Some(step.number(0)?) };
                self.environ.input_mut().set_limit(limit);
            }
            "echo" => {
                while let Some(chunk) = self.environ.input_mut().chunk().await? {
                    self.writer()?.write(chunk).await?;
                }
            }
            // Time, and who is told.
            "gate" => self.visit.gate(&step.text(0)?).await,
            "wait-for-ever" => std::future::pending().await,
            "stopping" => self.environ.stopping().wait().await,
            "spin" => loop {
                yield_now().await;
            },
            "note" => self.visit.note(&step.text(0)?, json!({})),
            "committed" => {
                let note = json!({ "committed": self.writer()?.is_committed() });
                self.notes.push(note.clone());
                self.visit.note("committed", note);
            }
            "complete" => self.complete(step.text(0)?)?,
            "complete-panic" => {
                self.token_mut()?.on_complete(|_| super::intended_panic("in on_complete"));
            }
            "hook" => {
                let pairs = step.pairs();
                self.token_mut()?.map_head(move |head| add_all(head, &pairs));
            }
            "hook-error" => {
                self.token_mut()?
                    .map_head(|_| Err(Error::application("the hook was told to fail")));
            }
            "inform" => {
                let status = status(step.number(0)?)?;
                let fields = map(&step.pairs())?;
                self.token_mut()?.inform(status, fields)?;
            }
            // Failure.
            "error" => return Err(failure(step)?),
            "panic" => super::intended_panic("in the application"),
            // The environ.
            "shift" => {
                let moved = self.environ.shift_path(&step.text(0)?);
                self.notes.push(json!({ "shifted": moved }));
            }
            "extension" => {
                let before = self.environ.extensions_mut().insert(Inserted).is_some();
                self.notes.push(json!({ "extension_was_there": before }));
            }
            _ => return self.session_step(step).await,
        }
        Ok(())
    }

    pub(super) fn token(&mut self) -> Result<StartResponse> {
        self.start.take().ok_or_else(|| unknown("a second start"))
    }

    fn token_mut(&mut self) -> Result<&mut StartResponse> {
        self.start.as_mut().ok_or_else(|| unknown("the response was started"))
    }

    fn writer(&mut self) -> Result<&mut BodyWriter> {
        self.writer.as_mut().ok_or_else(|| unknown("there is no writer"))
    }

    /// The head that the steps `status` and `field` described.
    fn head(&mut self) -> Result<ResponseHead> {
        let mut head = ResponseHead::new(self.status, ())?;
        let fields =
            std::mem::replace(&mut self.fields, vec![(MARK.to_owned(), MARK_VALUE.into())]);
        add_all(&mut head, &fields)?;
        if let Some(protocols) = self.required.take() {
            head.require_upgrade(&protocols)?;
        }
        Ok(head)
    }

    fn respond(&mut self, body: Vec<u8>) -> Result<()> {
        let head = self.head()?;
        self.finished = Some(self.token()?.respond_with(head, body)?);
        Ok(())
    }

    fn forward(&mut self, step: &Step) -> Result<()> {
        let mut body = Forwarded {
            items: Default::default(),
            exact: None,
            visit: Arc::clone(&self.visit),
            waiting: None,
        };
        for (name, value) in step.pairs() {
            let number = || latin1(&value).parse::<u64>().map_err(|_| unknown(&step.text));
            match &*name {
                "exact" => body.exact = Some(number()?),
                "data" => body.items.push_back(Item::Data(value.into())),
                "fill" => body.items.push_back(Item::Data(pattern(number()?).into())),
                "gate" => body.items.push_back(Item::Gate(latin1(&value))),
                "then" if value == b"error" => body.items.push_back(Item::Error),
                "then" if value == b"panic" => body.items.push_back(Item::Panic),
                name => {
                    let trailers = map(&[(name.to_owned(), value)])?;
                    body.items.push_back(Item::Trailers(trailers));
                }
            }
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = map(&std::mem::take(&mut self.fields))?;
        self.finished = Some(self.token()?.forward(response)?);
        Ok(())
    }

    fn complete(&mut self, name: String) -> Result<()> {
        let visit = Arc::clone(&self.visit);
        self.token_mut()?.on_complete(move |outcome| {
            let seen = json!({
                "name": name,
                "outcome": format!("{:?}", outcome.kind()).to_lowercase(),
                "status": outcome.status().map(|status| status.as_u16()),
                "bytes": outcome.bytes(),
            });
            visit.note("complete", seen);
        });
        Ok(())
    }
}

/// Waits for nothing: the server polls again as soon as it likes.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the step `extension` inserts.
#[derive(Clone)]
struct Inserted;

/// Octets that tell their place: a line of 64 characters with its number, again and again.
pub(crate) fn pattern(length: u64) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut octets = Vec::with_capacity(length + 64);
    let mut line = 0;
    while octets.len() < length {
        octets.extend_from_slice(format!("{line:063}\n").as_bytes());
        line += 1;
    }
    octets.truncate(length);
    octets
}

fn status(number: u64) -> Result<StatusCode> {
    u16::try_from(number)
        .ok()
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or_else(|| unknown("a status"))
}

fn add_all(head: &mut ResponseHead, fields: &[(String, Vec<u8>)]) -> Result<()> {
    fields.iter().try_for_each(|(name, value)| head.append(name.as_str(), value.as_slice()))
}

pub(super) fn map(pairs: &[(String, Vec<u8>)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(name.as_str())?, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}

/// The error of a step `error FAULT [STATUS]`.
fn failure(step: &Step) -> Result<Error> {
    let text = "a secret of the application";
    let mut error = match step.word(0)? {
        b"client" => Error::new(Fault::Client, text),
        b"application" => Error::application(text),
        b"server" => Error::server(text),
        b"foreign" => return Ok(std::io::Error::other(text).into()),
        b"wrapped" => {
            let inner = Error::client(StatusCode::IM_A_TEAPOT, text);
            return Ok(std::io::Error::other(rwgi::BoxError::from(inner)).into());
        }
        _ => return Err(unknown(&step.text)),
    };
    if step.words.len() > 1 {
        error = error.with_status(status(step.number(1)?)?);
    }
    Ok(error.with_source(std::io::Error::other("a secret cause")))
}

/// The `Finished` of an exchange that this application drives itself; its own response stays unanswered.
async fn foreign_finished(play: &mut Play) -> Result<Finished> {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let inner = move |_: Environ, start: StartResponse| {
        let keep = Arc::clone(&keep);
        async move {
            let finished = start.respond(StatusCode::OK, (), "inner")?;
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(finished);
            Err(Error::application("kept for the outer exchange"))
        }
    };
    drop(play.writer.take());
    let _ = Exchange::new(Arc::new(inner), Environ::builder().build()?).await;
    let finished = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    finished.ok_or_else(|| unknown("the inner exchange gave nothing"))
}

/// Performs the rest of a script on a thread of its own.
async fn elsewhere(play: Play, steps: Vec<Step>) -> Result<Finished> {
    type Cell = (Option<Result<Finished>>, Option<Waker>);
    let cell: Arc<Mutex<Cell>> = Arc::default();
    let there = Arc::clone(&cell);
    std::thread::Builder::new().name("suite-elsewhere".to_owned()).spawn(move || {
        let result = crate::honest::block_on(play.run(steps));
        let waker = {
            let mut cell = there.lock().unwrap_or_else(PoisonError::into_inner);
            cell.0 = Some(result);
            cell.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    })?;
    poll_fn(move |cx| {
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        match cell.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                cell.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}
