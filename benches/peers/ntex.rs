//! ntex, as its users write it.
//!
//! Rules of this peer: idiomatic handlers and extractors, `streaming` for the stream; as many workers as there are threads to be.

use std::convert::Infallible;

use benches::{routes, serve};
use clap::Parser;
use ntex::util::Bytes;
use ntex::web::types::Payload;
use ntex::web::{self, App, HttpResponse, HttpServer, Responder};

#[ntex::main]
async fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    let listener = arguments.listen(arguments.bind)?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(async || {
        App::new()
            .route("/plaintext", web::get().to(plaintext))
            .route("/fields", web::get().to(plaintext))
            .route("/json", web::get().to(json))
            .route("/echo", web::post().to(echo))
            .route("/stream", web::get().to(stream))
            .route("/large", web::get().to(large))
    })
    .workers(arguments.threads())
    .disable_signals()
    .listen(listener)?
    .run();
    serve::announce(address)?;
    Ok(server.await?)
}

async fn plaintext() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").body(routes::PLAINTEXT)
}

async fn json() -> impl Responder {
    HttpResponse::Ok().json(&routes::message())
}

async fn echo(body: Payload) -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").streaming(body)
}

async fn stream() -> impl Responder {
    let chunks =
        (0..routes::CHUNKS).map(|_| Ok::<_, Infallible>(Bytes::from_static(&routes::CHUNK)));
    HttpResponse::Ok().content_type("text/plain").streaming(futures_util::stream::iter(chunks))
}

async fn large() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").body(Bytes::from_static(&routes::LARGE))
}
