//! A raw client: octets out, whole or broken responses in.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// One connection of a client.
#[derive(Debug)]
pub struct Client<S> {
    pub stream: S,
    read: VecDeque<u8>,
}

/// How a stream of octets ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By the framing of HTTP: the message is whole.
    Framed,
    /// By an orderly close.
    Closed,
    /// By a reset.
    Reset,
}

/// A response as it came.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub trailers: String,
    pub end: End,
}

impl Response {
    /// All values of a field.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The one value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.fields(name);
        assert!(values.len() <= 1, "{name} came more than once: {}", self.head);
        values.first().copied()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Whether the server said that it closes.
    pub fn closes(&self) -> bool {
        self.fields("connection").contains(&"close")
    }
}

impl Client<TcpStream> {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    /// Leaves with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Makes the kernel hold little for this client; not so little that its window opens in crumbs.
    pub fn narrow(&self) {
        socket2::SockRef::from(&self.stream).set_recv_buffer_size(256 * 1024).unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, read: VecDeque::new() }
    }

    /// Sends; what the server does not take any more is not this client's concern.
    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        let _ = within("the server to read", self.stream.write_all(octets.as_ref())).await;
    }

    /// Says that nothing more comes.
    pub async fn finish_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends a request and reads its response.
    pub async fn request(&mut self, octets: impl AsRef<[u8]>) -> Response {
        let octets = octets.as_ref();
        self.send(octets).await;
        self.response_to(octets.starts_with(b"HEAD ")).await
    }

    /// GET with a Host.
    pub async fn get(&mut self, path: &str) -> Response {
        self.request(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await
    }

    /// The next response, to anything but HEAD.
    pub async fn response(&mut self) -> Response {
        self.response_to(false).await
    }

    pub async fn response_to(&mut self, head_request: bool) -> Response {
        match self.try_response_to(head_request).await {
            Ok(response) => response,
            Err(end) => panic!("the connection ended instead of a response: {end:?}"),
        }
    }

    /// The next response, or the end that came instead.
    pub async fn try_response_to(&mut self, head_request: bool) -> Result<Response, End> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response =
            Response { status, head, body: Vec::new(), trailers: String::new(), end: End::Framed };
        let bodyless = head_request || status < 200 || matches!(status, 204 | 304);
        if bodyless {
            return Ok(response);
        }
        if response.field("transfer-encoding") == Some("chunked") {
            if let Err(end) = self.chunked(&mut response).await {
                response.end = end;
            }
        } else if let Some(length) = response.field("content-length") {
            let length = length.parse().unwrap();
            (response.body, response.end) = self.octets(length).await;
        } else {
            (response.body, response.end) = self.rest().await;
        }
        Ok(response)
    }

    /// The head of a response.
    pub async fn head(&mut self) -> Result<String, End> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.octet().await?);
        }
        Ok(String::from_utf8(head).unwrap())
    }

    async fn chunked(&mut self, response: &mut Response) -> Result<(), End> {
        loop {
            let piece = self.chunk().await;
            match piece {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => response.body.extend(piece),
                Err((piece, end)) => {
                    response.body.extend(piece);
                    return Err(end);
                }
            }
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(());
            }
            response.trailers.push_str(&line);
            response.trailers.push('\n');
        }
    }

    /// One chunk of the chunked coding; the last one is empty, and its trailers are still to be read.
    pub async fn chunk(&mut self) -> Result<Vec<u8>, (Vec<u8>, End)> {
        let size = self.line().await.map_err(|end| (Vec::new(), end))?;
        let size = usize::from_str_radix(&size, 16).unwrap();
        if size == 0 {
            return Ok(Vec::new());
        }
        let (piece, end) = self.octets(size).await;
        if end != End::Framed {
            return Err((piece, end));
        }
        let line = self.line().await.map_err(|end| (Vec::new(), end))?;
        assert_eq!(line, "", "a chunk ends with its size");
        Ok(piece)
    }

    async fn line(&mut self) -> Result<String, End> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.octet().await?);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line).unwrap())
    }

    async fn octet(&mut self) -> Result<u8, End> {
        while self.read.is_empty() {
            self.fill().await?;
        }
        Ok(self.read.pop_front().unwrap())
    }

    async fn octets(&mut self, length: usize) -> (Vec<u8>, End) {
        while self.read.len() < length {
            if let Err(end) = self.fill().await {
                return (self.read.drain(..).collect(), end);
            }
        }
        (self.read.drain(..length).collect(), End::Framed)
    }

    /// All that comes until the connection ends.
    pub async fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.fill().await {
                return (self.read.drain(..).collect(), end);
            }
        }
    }

    /// The connection ends with nothing more said.
    pub async fn ends(&mut self) -> End {
        let (rest, end) = self.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing more was expected");
        end
    }

    /// Takes what was read ahead.
    pub fn take_read(&mut self) -> Vec<u8> {
        self.read.drain(..).collect()
    }

    async fn fill(&mut self) -> Result<(), End> {
        let mut octets = vec![0; 16 * 1024];
        match within("the server to write or close", self.stream.read(&mut octets)).await {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
                self.read.extend(&octets[..length]);
                Ok(())
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                Err(End::Reset)
            }
        }
    }
}
