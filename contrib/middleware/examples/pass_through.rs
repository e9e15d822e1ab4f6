//! What middleware costs a request that it has nothing to do for: runs a stack in memory, for an instruction counter to look at.
//!
//! ```sh
//! cargo build --release --example pass_through
//! valgrind --tool=callgrind target/release/examples/pass_through five 1000
//! ```
//!
//! Two runs with a different number of requests, one taken from the other, leave the start out; what `none` costs is the environ, the
//! exchange and the application. `pass_through list` names the stacks. The tool `middleware` of `benches` does all of this.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body;
use rwgi::{Application, BoxError, Environ, Exchange, Finished, SharedApplication, StartResponse};
use rwgi_middleware::{
    AllowedHosts, BodyLimit, Compression, ConditionalGet, Cors, ErrorPages, Jsonp, MethodOverride,
    RequestIds, SecurityHeaders, Settings, Timeout, UrlMap,
};

async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    start_response.respond(StatusCode::OK, [("content-type", "image/png")], "Hello, World!")
}

/// Middleware that does nothing.
struct Layer<A>(A);

impl<A: Application> Application for Layer<A> {
    async fn call(
        &self,
        environ: Environ,
        start_response: StartResponse,
    ) -> rwgi::Result<Finished> {
        self.0.call(environ, start_response).await
    }
}

fn five_layers<A: Application>(inner: A) -> impl Application {
    Layer(Layer(Layer(Layer(Layer(inner)))))
}

/// The stacks, by name; `generic` is the application without the box that the others have around them.
const STACKS: [&str; 18] = [
    "none",
    "generic",
    "layers-1",
    "layers-5",
    "layers-10",
    "cors",
    "security-headers",
    "request-ids",
    "allowed-hosts",
    "compression",
    "conditional-get",
    "error-pages",
    "timeout",
    "body-limit",
    "method-override",
    "jsonp",
    "url-map",
    "five",
];

fn stack(name: &str) -> Result<SharedApplication, BoxError> {
    let settings = Settings::new()
        .with("ALLOWED_HOSTS", ["example.com", "localhost"])
        .with("CORS_ALLOWED_ORIGINS", ["https://example.com"]);
    let second = std::time::Duration::from_secs(1);
    Ok(match name {
        "none" => SharedApplication::new(hello),
        "layers-1" => SharedApplication::new(Layer(hello)),
        "layers-5" => SharedApplication::new(five_layers(hello)),
        "layers-10" => SharedApplication::new(five_layers(five_layers(hello))),
        "cors" => SharedApplication::new(Cors::new(hello, &settings)?),
        "security-headers" => SharedApplication::new(SecurityHeaders::new(hello, &settings)?),
        "request-ids" => SharedApplication::new(RequestIds::new(hello)),
        "allowed-hosts" => SharedApplication::new(AllowedHosts::new(hello, &settings)?),
        "compression" => SharedApplication::new(Compression::new(hello)),
        "conditional-get" => SharedApplication::new(ConditionalGet::new(hello).hash_up_to(None)),
        "error-pages" => SharedApplication::new(ErrorPages::new(hello)),
        "timeout" => {
            let never = |_| std::future::pending::<()>();
            SharedApplication::new(Timeout::new(hello, second, never))
        }
        "body-limit" => SharedApplication::new(BodyLimit::new(hello, 1 << 20)),
        "method-override" => SharedApplication::new(MethodOverride::new(hello)),
        "jsonp" => SharedApplication::new(Jsonp::new(hello)),
        "url-map" => SharedApplication::new(UrlMap::new().mount("/", hello)),
        "five" => {
            let inner = Jsonp::new(MethodOverride::new(BodyLimit::new(hello, 1 << 20)));
            SharedApplication::new(Cors::new(AllowedHosts::new(inner, &settings)?, &settings)?)
        }
        other => return Err(format!("there is no stack `{other}`").into()),
    })
}

async fn ask(application: &Arc<impl Application>) -> rwgi::Result<()> {
    let environ = Environ::builder().uri("/hello").build()?;
    let response = Exchange::new(Arc::clone(application), environ).await?;
    let mut body = response.into_body();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        black_box(frame?);
    }
    Ok(())
}

fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "five".to_owned());
    if name == "list" {
        println!("{}", STACKS.join("\n"));
        return Ok(());
    }
    let requests: u32 = arguments.next().as_deref().unwrap_or("1000").parse()?;
    if name == "generic" {
        return many(requests, hello);
    }
    many(requests, stack(&name)?)
}

fn many(requests: u32, application: impl Application) -> Result<(), BoxError> {
    let application = Arc::new(application);
    for _ in 0..requests {
        pollster::block_on(ask(&application))?;
    }
    Ok(())
}
