//! Early departure: what happens to an application whose client leaves, and what it does about it.
//!
//! `cargo run -p rwgi-server --example departure`, then `curl -N http://127.0.0.1:8000/` and ctrl-c. The server drops the
//! application's future at the await where it stands. What has to be undone hangs on `Drop` or on `on_complete`; what has to
//! survive runs in a task of its own.

use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Application, Environ, Finished, OutcomeKind, Result, StartResponse};
use tokio::sync::watch;

/// What is going on, for whoever wants to know (here: the test of this example).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// Clients that are being told.
    pub present: usize,
    /// How the exchanges ended so far.
    pub ended: Vec<OutcomeKind>,
    /// Orders that were carried out, their clients being there or not.
    pub carried_out: usize,
}

/// Tells each client how many are present, whenever that changes.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// Who is present, and what became of the others.
    pub board: Arc<watch::Sender<Board>>,
}

// ANCHOR: present
/// Counts its client as present for as long as it lives.
struct Present(Arc<watch::Sender<Board>>);

impl Present {
    fn new(board: &Arc<watch::Sender<Board>>) -> Self {
        board.send_modify(|board| board.present += 1);
        Self(Arc::clone(board))
    }
}

impl Drop for Present {
    /// Runs at the end of the call, at an error, and where the future is dropped because the client left.
    fn drop(&mut self) {
        self.0.send_modify(|board| board.present -= 1);
    }
}
// ANCHOR_END: present

// ANCHOR: call
impl Application for Presence {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let board = Arc::clone(&self.board);
        start_response.on_complete(move |outcome| {
            tracing::info!(kind = ?outcome.kind(), bytes = outcome.bytes(), "an exchange ended");
            board.send_modify(|board| board.ended.push(outcome.kind()));
        });
        if environ.path_info() == "/order" {
            return self.order(start_response).await;
        }
        let _present = Present::new(&self.board);
        let mut changes = self.board.subscribe();
        let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
        loop {
            let present = changes.borrow_and_update().present;
            body.write(format!("{present} present\n")).await?;
            tokio::select! {
                changed = changes.changed() => changed?,
                () = environ.stopping().wait() => break,
            }
        }
        // Nobody left: the server was told to stop, and would cut this response at the end of its period of grace.
        body.write("closed for today\n").await?;
        body.finish()
    }
}
// ANCHOR_END: call

impl Presence {
    // ANCHOR: order
    /// Starts a work that a departure must not stop, and waits for it as long as the client does.
    async fn order(&self, start_response: StartResponse) -> Result<Finished> {
        let board = Arc::clone(&self.board);
        let work = tokio::spawn(async move {
            tokio::task::yield_now().await;
            board.send_modify(|board| board.carried_out += 1);
        });
        work.await?;
        start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "done\n")
    }
    // ANCHOR_END: order
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(Presence::default())
}
