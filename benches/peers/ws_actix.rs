//! An echo over actix-ws, as its users write it.
//!
//! Rules of this peer: the loop of its documentation; frames may be as large as the load's messages; as many workers as there are threads to be.

use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use actix_ws::Message;
use benches::serve;
use clap::Parser;

/// Beyond the 64 KiB of the load, which are actix-ws's own limit.
const FRAME_BYTES: usize = 1 << 20;

fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    let listener = arguments.listen(arguments.bind)?;
    let address = listener.local_addr()?;
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(|| App::new().route("/ws", web::get().to(echo)))
            .workers(arguments.threads())
            .on_connect(|stream, _| {
                if let Some(stream) = stream.downcast_ref::<TcpStream>() {
                    // A stream that refuses it is still served.
                    let _ = stream.set_nodelay(true);
                }
            })
            .disable_signals()
            .listen(listener)?
            .run();
        serve::announce(address)?;
        Ok(server.await?)
    })
}

async fn echo(request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, stream) = actix_ws::handle(&request, body)?;
    let mut stream = stream.max_frame_size(FRAME_BYTES);
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = stream.recv().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(data) => session.binary(data).await,
                Message::Ping(data) => session.pong(&data).await,
                Message::Close(reason) => {
                    let _ = session.close(reason).await;
                    return;
                }
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
