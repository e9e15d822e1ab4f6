//! The smallest server there is, as the chapter about writing one shows it.
//!
//! Rules of this room: what is between the anchors is shown to people.

use rwgi::{Environ, Finished, Result, StartResponse};

// ANCHOR: server
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use http_body_util::BodyExt;
use rwgi::{Application, Exchange};

/// Answers one request, and closes. What is missing is HTTP: a real parser, framing, limits, time.
async fn serve<A: Application>(mut client: TcpStream, application: Arc<A>) -> Result<()> {
    let mut head = vec![0; 4096];
    let length = client.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let target = head.split(' ').nth(1).unwrap_or("/").to_owned();

    let environ = Environ::builder().uri(target).build()?;
    let response = match Exchange::new(application, environ).await {
        Ok(response) => response,
        // Nothing was committed: the server answers in the application's place.
        Err(error) => {
            write!(client, "HTTP/1.0 {}\r\n\r\n", error.status())?;
            return Err(error);
        }
    };
    write!(client, "HTTP/1.0 {}\r\n", response.status())?;
    for (name, value) in response.headers() {
        write!(client, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()))?;
    }
    write!(client, "\r\n")?;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        // An error here cuts the response: the connection closes before its end.
        if let Ok(data) = frame?.into_data() {
            client.write_all(&data)?;
        }
    }
    Ok(())
}
// ANCHOR_END: server

async fn hello(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(http::StatusCode::OK, [("x-server", "small")])?;
    body.write("Hello from ").await?;
    body.write(environ.path_info().to_owned()).await?;
    body.finish()
}

#[tokio::test]
async fn the_smallest_server_serves() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET /there HTTP/1.0\r\n\r\n").unwrap();
    serve(listener.accept().unwrap().0, Arc::new(hello)).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\nx-server: small\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello from /there"), "{answer}");
}
