//! How much memory a server takes to pass a large body from a fast writer to a slow reader.
//!
//! Rules of this tool: the client writes as fast as the server lets it and reads at a fixed rate; what counts is the highest resident set during
//! the exchange above that before it; more than the limit is a failure.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use benches::Result;
use benches::client::Client;
use benches::contestant::{self, Contestant};
use benches::process::Server;
use benches::report::{self, Circumstances, Table};
use benches::response::ResponseReader;
use benches::routes::Route;
use clap::Parser;
use serde::Serialize;

const MIB: u64 = 1 << 20;
/// What a resident set may grow by.
const LIMIT: u64 = 32 * MIB;
/// What is read at a time.
const PIECE: usize = 64 * 1024;

/// Passes a large body through the echo route of a server to a slow reader, and tells how its memory grows.
#[derive(Parser)]
struct Arguments {
    /// The servers; without any, the reference server and bare hyper.
    #[arg(long = "server")]
    servers: Vec<String>,
    /// The long form: 1 GiB at 1 MiB/s, about 17 minutes for each server. The short one is 64 MiB at 8 MiB/s.
    #[arg(long)]
    full: bool,
    /// Size of the body in MiB, instead of the form's.
    #[arg(long)]
    size: Option<u64>,
    /// What is read per second, in MiB, instead of the form's.
    #[arg(long)]
    rate: Option<u64>,
    /// Write no results.
    #[arg(long)]
    check: bool,
}

#[derive(Serialize)]
struct Growth {
    server: &'static str,
    before_bytes: u64,
    peak_bytes: u64,
    growth_bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct Figures {
    circumstances: Circumstances,
    body_bytes: u64,
    bytes_per_second: u64,
    limit_bytes: u64,
    growths: Vec<Growth>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let contestants = contestant::choose(&arguments.servers, |contestant| {
        matches!(contestant.name, "rwgi" | "hyper")
    })?;
    contestant::build(&contestants)?;
    let (size, rate) = if arguments.full { (1024, 1) } else { (64, 8) };
    let size = arguments.size.unwrap_or(size) * MIB;
    let rate = arguments.rate.unwrap_or(rate).max(1) * MIB;
    let mut figures = Figures {
        circumstances: Circumstances::now(),
        body_bytes: size,
        bytes_per_second: rate,
        limit_bytes: LIMIT,
        growths: Vec::new(),
    };
    for contestant in &contestants {
        let growth = pass(contestant, size, rate)?;
        println!("{:<20} grew by {:.1} MiB", growth.server, mib(growth.growth_bytes));
        figures.growths.push(growth);
    }
    let text = markdown(&figures);
    println!("\n{text}");
    if !arguments.check {
        report::write("memory", &figures, &text)?;
    }
    let within = figures.growths.iter().all(|growth| growth.growth_bytes < LIMIT);
    if !within {
        println!("more than {:.0} MiB: somebody buffers what he should let wait", mib(LIMIT));
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn pass(contestant: &Contestant, size: u64, rate: u64) -> Result<Growth> {
    let server = Server::start(&mut contestant.command(None)?, None)?;
    // What a first request loads and allocates is no growth.
    let patience = Duration::from_secs(10);
    Client::connect(server.address, patience)?.ask(Route::Echo, &Route::Echo.request())?;
    server.wait_for_rest()?;
    let before = server.usage()?.resident;
    let start = Instant::now();
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(patience))?;
    let mut writing = stream.try_clone()?;
    let writer = thread::spawn(move || -> std::io::Result<()> {
        let head = format!(
            "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n"
        );
        writing.write_all(head.as_bytes())?;
        let piece = [b'm'; PIECE];
        let mut left = size;
        while left > 0 {
            let length = left.min(PIECE as u64) as usize;
            writing.write_all(&piece[..length])?;
            left -= length as u64;
        }
        Ok(())
    });
    let read = read_slowly(&mut stream, rate)?;
    writer.join().map_err(|_| "the writer panicked")??;
    if read != size {
        return Err(format!("{read} of {size} bytes came back").into());
    }
    let after = server.usage()?;
    server.stop()?;
    Ok(Growth {
        server: contestant.name,
        before_bytes: before,
        peak_bytes: after.peak,
        growth_bytes: after.peak.saturating_sub(before),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Reads one response at the given rate; gives the length of its content.
fn read_slowly(stream: &mut TcpStream, rate: u64) -> Result<u64> {
    let mut reader = ResponseReader::default();
    let mut buffer = vec![0; PIECE];
    let (mut held, mut total) = (0, 0);
    let start = Instant::now();
    let mut told = 0;
    loop {
        let read = match stream.read(&mut buffer[held..]) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err("nothing came for ten seconds".into());
            }
            Err(error) => return Err(error.into()),
        };
        total += read as u64;
        let mut from = 0;
        loop {
            let progress = reader.read(&buffer[from..held + read])?;
            from += progress.consumed;
            if let Some(length) = progress.ended {
                return Ok(length);
            }
            if progress.consumed == 0 || from == held + read {
                break;
            }
        }
        buffer.copy_within(from..held + read, 0);
        held = held + read - from;
        if total / (64 * MIB) > told {
            told = total / (64 * MIB);
            println!("  {} MiB have come back", told * 64);
        }
        // This is the slow reader itself, not a wait for an event.
        let due = Duration::from_secs_f64(total as f64 / rate as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

fn markdown(figures: &Figures) -> String {
    let mut table = Table::new(["server", "before MiB", "peak MiB", "growth MiB"]);
    for growth in &figures.growths {
        table.row([
            growth.server.to_owned(),
            format!("{:.1}", mib(growth.before_bytes)),
            format!("{:.1}", mib(growth.peak_bytes)),
            format!("{:.1}", mib(growth.growth_bytes)),
        ]);
    }
    format!(
        "# Memory\n\nThe highest resident set while {:.0} MiB pass through the echo route from a writer without patience to a reader of \
         {:.0} MiB/s, and that before it; at most {:.0} MiB more are allowed.\n\n{}\n{}.\n",
        mib(figures.body_bytes),
        mib(figures.bytes_per_second),
        mib(figures.limit_bytes),
        table.render(),
        figures.circumstances.line(),
    )
}
