//! The application that a server hosts, without its type.
//!
//! Rules of this room: a door; an exchange is boxed anyway, and so all that serves a connection is compiled once, in this crate, whatever
//! application it serves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rwgi::{Application, Environ, Exchange};

/// An application, as the server calls it.
pub(crate) trait Hosted: Send + Sync {
    /// An exchange with the application.
    fn exchange(&self, environ: Environ) -> Exchange;

    /// [`Application::shutdown`].
    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// An [`Application`] that is hosted.
pub(crate) struct Host<A>(pub(crate) Arc<A>);

impl<A: Application> Hosted for Host<A> {
    fn exchange(&self, environ: Environ) -> Exchange {
        Exchange::new(Arc::clone(&self.0), environ)
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let application = Arc::clone(&self.0);
        Box::pin(async move { application.shutdown().await })
    }
}

impl fmt::Debug for dyn Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted").finish_non_exhaustive()
    }
}
