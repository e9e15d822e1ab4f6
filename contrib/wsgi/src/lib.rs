//! Hosts Python applications on any RWGI server: WSGI ([PEP 3333](https://peps.python.org/pep-3333/)) and
//! [ASGI](https://asgi.readthedocs.io/).
//!
//! [`WsgiApplication`] and [`AsgiApplication`] are an RWGI [`Application`](rwgi::Application) like any other: it is served by any server that keeps the
//! contract, mounted beside applications in Rust, and middleware goes around it. It knows the contract and no server.
//!
//! ```
//! use pyo3::prelude::*;
//! use rwgi::{Environ, testing};
//! use rwgi_wsgi::WsgiApplication;
//!
//! let application = Python::attach(|py| -> PyResult<_> {
//!     let module = PyModule::from_code(py, c"
//! def hello(environ, start_response):
//!     start_response('200 OK', [('Content-Type', 'text/plain')])
//!     return [b'Hello, World!']
//! ", c"hello.py", c"hello")?;
//!     WsgiApplication::builder(module.getattr("hello")?.unbind()).threads(2).build(py)
//! })?;
//! let response = testing::run(&application, Environ::builder().build()?)?;
//! assert_eq!(response.text()?, "Hello, World!");
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! Python runs on threads of the bridge's own ([`WsgiBuilder::threads`]); the server's threads never hold the GIL. The modules are
//! declared in the order in which a request meets them.

mod answer;
mod application;
mod inline;
mod pool;

mod collect;

mod environ;
mod errors;
mod input;
mod text;

mod head;
mod start_response;
mod stream;

mod file;
mod request;
mod traceback;
mod websocket;

mod asgi;

mod load;

pub use self::application::{WsgiApplication, WsgiBuilder};
pub use self::asgi::{AsgiApplication, AsgiBuilder};
pub use self::load::{LoadError, is_asgi, load};
