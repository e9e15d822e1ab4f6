//! Layers of tower around an RWGI application.
//!
//! Rules of this room: the application's life stays the server's; what a layer does to requests and responses is all that changes.

use rwgi::Application;
use tower_layer::Layer;

use crate::{FromService, IntoService, from_service, into_service};

/// Puts a tower layer, such as one of tower-http's, around an RWGI application: an RWGI application again.
///
/// Several are one by tower's `ServiceBuilder`. The server's limit on content is the application's to change, as ever.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse, testing};
/// use tower_http::set_header::SetResponseHeaderLayer;
///
/// let hello = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "Hello") };
/// let layer = SetResponseHeaderLayer::overriding(http::header::SERVER, http::HeaderValue::from_static("mine"));
/// let application = rwgi_tower::layered(layer, hello);
/// assert_eq!(testing::run(&application, Environ::builder().build()?)?.fields()["server"], "mine");
/// # Ok::<(), rwgi::Error>(())
/// ```
pub fn layered<L, A>(layer: L, application: A) -> FromService<L::Service>
where
    L: Layer<IntoService<std::sync::Arc<A>>>,
    A: Application,
{
    let application = std::sync::Arc::new(application);
    let service = layer.layer(into_service(std::sync::Arc::clone(&application)));
    from_service(service).life_of(application).input_limit(None)
}
