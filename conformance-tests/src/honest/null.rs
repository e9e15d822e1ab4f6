//! Servers that do not try: what they score tells what the suite is worth.
//!
//! Rules of this room: each of them does one thing, whatever is asked; a suite that any of them passes in part has cases without a
//! control.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rwgi::{BoxError, SharedApplication};

use crate::server::{RunningServer, ServerUnderTest};

/// A server that does one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Null {
    /// Answers 400 to whatever comes, and closes.
    Always400,
    /// Answers 200 with nothing in it to whatever comes, and keeps the connection.
    Always200,
    /// Accepts, reads, and says nothing.
    Silent,
    /// Accepts and closes.
    Closes,
}

impl Null {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Always400, Self::Always200, Self::Silent, Self::Closes];

    /// What it does, for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always400 => "always 400",
            Self::Always200 => "always 200",
            Self::Silent => "silent",
            Self::Closes => "always closing",
        }
    }

    fn serve(self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut octets = [0; 16 * 1024];
        loop {
            if self == Self::Closes {
                return;
            }
            match stream.read(&mut octets) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let answered = match self {
                Self::Always400 => {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    return;
                }
                Self::Always200 => stream.write_all(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"),
                Self::Silent | Self::Closes => Ok(()),
            };
            if answered.is_err() {
                return;
            }
        }
    }
}

impl ServerUnderTest for Null {
    fn start(&self, _: SharedApplication) -> Result<RunningServer, BoxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let null = *self;
        let door = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = stream {
                    thread::spawn(move || null.serve(stream));
                }
            }
        });
        Ok(RunningServer::new(address).on_stop(move |_| {
            stop.store(true, Ordering::Release);
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
            door.join().is_ok()
        }))
    }

    fn name(&self) -> String {
        Null::name(*self).to_owned()
    }
}
