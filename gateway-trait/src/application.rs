//! What an application is.
//!
//! Rules of this room: one method answers, two frame its life; nothing to be polled for readiness, no type parameters for
//! bodies or errors; an `async fn` or a closure is enough.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Environ, Exchange, Finished, Result, ServerInfo, StartResponse};

/// A web application: called once for each request.
///
/// Every `async fn(Environ, StartResponse) -> Result<Finished>` is one, and so is every closure of that shape. Calls of it can be under
/// way at the same time, from any thread (REQ-APP-01).
///
/// # Cancel safety
/// The future of a call can be dropped at any await (REQ-APP-04). What must survive belongs into a task of its own; what must be undone
/// hangs on `Drop` or [`on_complete`](StartResponse::on_complete).
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};
///
/// struct Greeter { greeting: String }
///
/// impl Application for Greeter {
///     async fn call(&self, environ: Environ, start: StartResponse) -> Result<Finished> {
///         start.respond(StatusCode::OK, (), format!("{}, {}!", self.greeting, environ.path_info()))
///     }
/// }
/// # fn is_application(_: impl Application) {}
/// # is_application(Greeter { greeting: "Hello".into() });
/// # is_application(|_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an application",
    note = "an application is an `async fn(Environ, StartResponse) -> rwgi::Result<Finished>`, or a type that implements `Application`",
    note = "it is called from many threads: it has to be `Send + Sync + 'static`, and so have the values that it holds"
)]
pub trait Application: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The response ends when the future returns, and what it returns is the [`Finished`] of this very exchange (REQ-APP-02). It should not
    /// block the thread that polls it (REQ-APP-05): see [`Blocking`](crate::Blocking).
    ///
    /// # Errors
    /// An `Err` becomes an error response while nothing is committed (REQ-ERR-02), and aborts the message afterwards (REQ-ERR-07).
    ///
    /// # Panics
    /// It must not (REQ-APP-03). A panic is caught, and is the application's fault: 500 before the commit (REQ-ERR-05), an abort after it
    /// (REQ-ERR-08).
    ///
    /// # Cancel safety
    /// As the trait says: the future can be dropped at any await.
    fn call(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> impl Future<Output = Result<Finished>> + Send;

    /// Runs once, to its end, before the first call (REQ-LIFE-01, REQ-LIFE-02).
    ///
    /// The default does nothing and succeeds.
    ///
    /// # Errors
    /// An error, as a panic, stops the server before it accepts anything (REQ-LIFE-03); [`shutdown`](Self::shutdown) is not called then
    /// (REQ-LIFE-12).
    ///
    /// # Cancel safety
    /// A server that is told to stop meanwhile may drop the future, and does not call [`shutdown`](Self::shutdown) then.
    fn startup(&self, server: &ServerInfo) -> impl Future<Output = Result<()>> + Send {
        let _ = server;
        async { Ok(()) }
    }

    /// Runs once after the last exchange has ended (REQ-LIFE-11); the default does nothing.
    ///
    /// # Cancel safety
    /// A server drops the future where it takes longer than its limit for that (REQ-LIFE-16).
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl<F, Fut> Application for F
where
    F: Fn(Environ, StartResponse) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Finished>> + Send,
{
    #[inline]
    fn call(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> impl Future<Output = Result<Finished>> + Send {
        self(environ, start_response)
    }
}

impl<A: Application> Application for Arc<A> {
    #[inline]
    fn call(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> impl Future<Output = Result<Finished>> + Send {
        A::call(self, environ, start_response)
    }

    fn startup(&self, server: &ServerInfo) -> impl Future<Output = Result<()>> + Send {
        A::startup(self, server)
    }

    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        A::shutdown(self)
    }
}

/// The object-safe twin of [`Application`], which every application is.
///
/// Use it through [`SharedApplication`] where the type of an application must not show: a table of mounts, a plugin.
#[async_trait]
pub trait DynApplication: Send + Sync + 'static {
    /// [`Application::call`], its future boxed; errors and cancel safety are as there.
    fn call_dyn(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> Pin<Box<dyn Future<Output = Result<Finished>> + Send + '_>>;

    /// [`Exchange::new`], which comes here by itself where it is given a [`SharedApplication`]: the future then needs no box of its own.
    ///
    /// # Errors
    /// The environ, given back by a type that is no [`Application`], which is asked by [`call_dyn`](Self::call_dyn) then.
    fn exchange_dyn(self: Arc<Self>, environ: Environ) -> std::result::Result<Exchange, Environ> {
        Err(environ)
    }

    /// [`Application::startup`].
    ///
    /// # Errors
    /// As there.
    async fn startup_dyn(&self, server: &ServerInfo) -> Result<()>;

    /// [`Application::shutdown`].
    async fn shutdown_dyn(&self);
}

#[async_trait]
impl<A: Application> DynApplication for A {
    fn call_dyn(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> Pin<Box<dyn Future<Output = Result<Finished>> + Send + '_>> {
        // Allocated first, so that the future is made where it stays: it may be large.
        let room = Box::new_uninit();
        let future = Box::write(room, self.call(environ, start_response));
        Box::into_pin(future)
    }

    #[inline]
    fn exchange_dyn(self: Arc<Self>, environ: Environ) -> std::result::Result<Exchange, Environ> {
        Ok(Exchange::new(self, environ))
    }

    async fn startup_dyn(&self, server: &ServerInfo) -> Result<()> {
        self.startup(server).await
    }

    async fn shutdown_dyn(&self) {
        self.shutdown().await;
    }
}

/// Any application behind one type; cheap to clone, and an application again.
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Environ, SharedApplication, StartResponse};
///
/// let mut mounts: Vec<(&str, SharedApplication)> = Vec::new();
/// mounts.push(("/", SharedApplication::new(|_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), "any type")
/// })));
/// ```
#[derive(Clone)]
pub struct SharedApplication(Arc<dyn DynApplication>);

impl SharedApplication {
    /// Hides the type of an application. An [`Exchange`] with it costs hardly more than one with the application itself; a
    /// [`call`](Application::call) from inside of another application allocates its future.
    pub fn new(application: impl DynApplication) -> Self {
        Self(Arc::new(application))
    }

    /// An exchange with the application inside; the environ, where that has none to give.
    #[inline]
    pub(crate) fn exchange(&self, environ: Environ) -> std::result::Result<Exchange, Environ> {
        Arc::clone(&self.0).exchange_dyn(environ)
    }
}

impl From<Arc<dyn DynApplication>> for SharedApplication {
    fn from(application: Arc<dyn DynApplication>) -> Self {
        Self(application)
    }
}

impl Application for SharedApplication {
    #[inline]
    fn call(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> impl Future<Output = Result<Finished>> + Send {
        self.0.call_dyn(environ, start_response)
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.0.startup_dyn(server).await
    }

    async fn shutdown(&self) {
        self.0.shutdown_dyn().await;
    }
}

impl fmt::Debug for SharedApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedApplication").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// An application that is one by hand, without a type of its own for its future.
    struct ByHand;

    #[async_trait]
    impl DynApplication for ByHand {
        fn call_dyn(
            &self,
            environ: Environ,
            start_response: StartResponse,
        ) -> Pin<Box<dyn Future<Output = Result<Finished>> + Send + '_>> {
            let path = environ.path_info().to_owned();
            Box::pin(async move { start_response.respond(http::StatusCode::OK, (), path) })
        }

        async fn startup_dyn(&self, _: &ServerInfo) -> Result<()> {
            Ok(())
        }

        async fn shutdown_dyn(&self) {}
    }

    #[test]
    fn an_application_that_gives_no_exchange_is_called() {
        let once = SharedApplication::new(ByHand);
        for application in [once.clone(), SharedApplication::new(once)] {
            let environ = Environ::builder().uri("/by-hand").build().unwrap();
            let exchange = Exchange::new(Arc::new(application), environ);
            let body = pollster::block_on(exchange).unwrap().into_body();
            let content = pollster::block_on(body.collect()).unwrap().to_bytes();
            assert_eq!(content, "/by-hand");
        }
    }
}
