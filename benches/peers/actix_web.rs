//! actix-web, as its users write it.
//!
//! Rules of this peer: idiomatic handlers and extractors, `streaming` for the stream; as many workers as there are threads to be.

use std::convert::Infallible;

use actix_web::http::header::ContentType;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use benches::{routes, serve};
use clap::Parser;

fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    let listener = arguments.listen(arguments.bind)?;
    let address = listener.local_addr()?;
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(|| {
            App::new()
                .route("/plaintext", web::get().to(plaintext))
                .route("/fields", web::get().to(plaintext))
                .route("/json", web::get().to(json))
                .route("/echo", web::post().to(echo))
                .route("/stream", web::get().to(stream))
                .route("/large", web::get().to(large))
        })
        .workers(arguments.threads())
        .on_connect(|stream, _| {
            if let Some(stream) = stream.downcast_ref::<TcpStream>() {
                // A stream that refuses it is still served.
                let _ = stream.set_nodelay(true);
            }
        })
        .disable_signals();
        let server = if arguments.http2 {
            server.listen_auto_h2c(listener)?
        } else {
            server.listen(listener)?
        }
        .run();
        serve::announce(address)?;
        Ok(server.await?)
    })
}

async fn plaintext() -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(routes::PLAINTEXT)
}

async fn json() -> impl Responder {
    web::Json(routes::message())
}

/// Collected first: streamed back as it comes, it now and then costs the client its connection.
async fn echo(body: Bytes) -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(body)
}

async fn stream() -> impl Responder {
    let chunks = (0..routes::CHUNKS).map(|_| Ok::<_, Infallible>(routes::chunk()));
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .streaming(futures_util::stream::iter(chunks))
}

async fn large() -> impl Responder {
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body(Bytes::from_static(&routes::LARGE))
}
