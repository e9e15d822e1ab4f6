//! The request: what an application learns of it, asked for by method and by the names of CGI.
//!
//! `cargo run -p rwgi-server --example request`, then `curl 'http://127.0.0.1:8000/shop/caf%C3%A9?size=2'`.

use std::fmt::Write;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, Result, StartResponse};

// ANCHOR: application
/// Tells a client what it has asked.
pub async fn application(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let mut text = String::new();
    writeln!(text, "method     {}", environ.method())?;
    writeln!(text, "path       {}", environ.path_info())?;
    // Decoded it is a view, and can fail: `%FF` is no UTF-8, and is answered 400 by the `?`.
    writeln!(text, "decoded    {}", environ.path_info_decoded()?)?;
    writeln!(text, "query      {:?}", environ.query())?;
    writeln!(text, "url        {}", environ.url())?;
    let agent = environ.headers().get("user-agent").and_then(|value| value.to_str().ok());
    writeln!(text, "user agent {}", agent.unwrap_or("-"))?;
    writeln!(text, "version    {}", environ.protocol())?;

    // Mounted at /shop, as middleware would do it: one part moves over, and together they stay the path.
    if environ.shift_path("/shop") {
        writeln!(text, "mounted    {} + {}", environ.script_name(), environ.path_info())?;
    }
    // The names of CGI and WSGI, for bridges and for the curious.
    for (name, value) in environ.variables()? {
        if name.starts_with("HTTP_X_") {
            writeln!(text, "variable   {name}={}", String::from_utf8_lossy(&value))?;
        }
    }
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}
// ANCHOR_END: application

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
