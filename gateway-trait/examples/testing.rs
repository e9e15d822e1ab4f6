//! Testing an application without sockets: requests go in, responses come out, in the time of a function call.
//!
//! `cargo run -p rwgi --example testing`. In a project of your own the checks of `main` are tests; nothing here needs a server or a
//! runtime. An application that uses a runtime is called by `testing::call(…).await` inside of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, StatusCode, header};
use rwgi::testing::{self, TestResponse};
use rwgi::{Application, Environ, Error, Finished, OutcomeKind, Result, StartResponse};

/// A guest book: GET reads it, POST writes a line into it.
#[derive(Default)]
pub struct GuestBook {
    lines: Mutex<Vec<String>>,
    reads: AtomicU64,
}

impl Application for GuestBook {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        match *environ.method() {
            Method::GET | Method::HEAD => self.read(start_response).await,
            Method::POST => {
                // One line of a guest; a longer one is answered 413, and a line that is no text 400.
                let line = environ.input_mut().read_to_string(80).await?;
                self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                start_response.respond(StatusCode::CREATED, (), "")
            }
            _ => start_response.respond(
                StatusCode::METHOD_NOT_ALLOWED,
                [(header::ALLOW, "GET, HEAD, POST")],
                "",
            ),
        }
    }
}

impl GuestBook {
    async fn read(&self, start_response: StartResponse) -> Result<Finished> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut body =
            start_response.start(StatusCode::OK, [(header::CONTENT_TYPE, "text/plain")])?;
        for line in lines {
            if line.contains('\0') {
                return Err(Error::application("the book is damaged"));
            }
            body.write(format!("{line}\n")).await?;
        }
        body.finish()
    }
}

/// Asks the book; what a test of yours would have as its helper.
fn ask(book: &Arc<GuestBook>, method: Method, content: &'static str) -> Result<TestResponse> {
    testing::run(book, Environ::builder().method(method).input(content).build()?)
}

// ANCHOR: conversation
/// A whole conversation with one application: its state lives from request to request.
pub fn conversation() -> Result<()> {
    let book = Arc::new(GuestBook::default());
    assert_eq!(ask(&book, Method::GET, "")?.body(), "");
    assert_eq!(ask(&book, Method::POST, "Ann was here")?.status(), StatusCode::CREATED);
    assert_eq!(ask(&book, Method::POST, "and Bob")?.status(), StatusCode::CREATED);

    let response = ask(&book, Method::GET, "")?;
    assert_eq!(response.fields()[header::CONTENT_TYPE], "text/plain");
    assert_eq!(response.text()?, "Ann was here\nand Bob\n");
    assert_eq!(book.reads.load(Ordering::Relaxed), 2);

    let response = ask(&book, Method::DELETE, "")?;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    Ok(())
}
// ANCHOR_END: conversation

// ANCHOR: failures
/// A failure before the head left is an `Err`, with the status that a server would answer.
pub fn failure_before_the_commit() -> Result<()> {
    let book = Arc::new(GuestBook::default());
    let long = "x".repeat(81);
    let environ = Environ::builder().method(Method::POST).input(long.into_bytes()).build()?;
    let error = testing::run(&book, environ).expect_err("81 bytes are too many");
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    Ok(())
}

/// A failure after the head left is a response that breaks off: what came before, and why.
pub fn failure_after_the_commit() -> Result<()> {
    let book = Arc::new(GuestBook::default());
    ask(&book, Method::POST, "Ann was here")?;
    ask(&book, Method::POST, "\0")?;
    let response = ask(&book, Method::GET, "")?;
    assert_eq!(response.text()?, "Ann was here\n");
    assert_eq!(response.aborted().map(Error::message), Some("the book is damaged"));
    assert_eq!(response.outcome().map(|outcome| outcome.kind()), Some(OutcomeKind::Failed));
    Ok(())
}
// ANCHOR_END: failures

/// HEAD is answered by the code that answers GET; the content stays behind.
pub fn head() -> Result<()> {
    let book = Arc::new(GuestBook::default());
    ask(&book, Method::POST, "Ann was here")?;
    let response = ask(&book, Method::HEAD, "")?;
    assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
    Ok(())
}

fn main() -> Result<()> {
    conversation()?;
    failure_before_the_commit()?;
    failure_after_the_commit()?;
    head()?;
    println!("The guest book was asked in memory, and its answers are right.");
    Ok(())
}
