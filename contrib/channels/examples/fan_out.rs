//! How long one message takes to many receivers, the last of them: in one process, and in two over Redis.
//!
//! ```sh
//! cargo run --release -p rwgi-channels --example fan_out -- memory 10000 50
//! cargo run --release -p rwgi-channels --example fan_out -- redis redis://127.0.0.1 5000 50 &   # a process that only receives
//! cargo run --release -p rwgi-channels --example fan_out -- send redis://127.0.0.1 5000 50      # the one that also sends
//! ```
//!
//! Each receiver is a task that waits on a channel of its own, as a socket's task does, and counts what it got. The tool
//! `contrib/channels/tools/fan_out.py` runs it beside channels_redis and writes the table.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rwgi_channels::{ChannelLayer, Error, Memory, Received, Receiver, Redis, RedisConfig};
use tokio::sync::Notify;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What every receiver tells.
#[derive(Default)]
struct Count {
    got: AtomicUsize,
    missed: AtomicUsize,
    changed: Notify,
}

async fn receive(mut receiver: Receiver, count: Arc<Count>, many: usize) -> Result<(), Error> {
    loop {
        match receiver.receive().await? {
            Received::Message(_) => {
                // The last of a round is the one that the sender waits for.
                if (count.got.fetch_add(1, SeqCst) + 1).is_multiple_of(many) {
                    count.changed.notify_one();
                }
            }
            Received::Gap(_) => {
                count.missed.fetch_add(1, SeqCst);
            }
        }
    }
}

async fn receivers(layer: &Arc<dyn ChannelLayer>, many: usize) -> Result<Arc<Count>, Error> {
    let count = Arc::new(Count::default());
    for _ in 0..many {
        let mut receiver = Receiver::open(Arc::clone(layer)).await?;
        receiver.join("all").await?;
        tokio::spawn(receive(receiver, Arc::clone(&count), many));
    }
    Ok(count)
}

fn report(mut times: Vec<Duration>, what: &str) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{what} median_ms={:.2} p90_ms={:.2} worst_ms={:.2}", at(50), at(90), at(100));
}

/// The processor's time and the resident set of this process, as the system has them.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").split_whitespace().collect()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> Result<usize, Failure> {
        Ok(arguments.get(at).ok_or("see the head of this file")?.parse()?)
    };
    let message = Bytes::from(vec![b'x'; 100]);
    match arguments.first().map(String::as_str) {
        Some("memory") => {
            let (many, rounds) = (number(1)?, number(2)?);
            let layer: Arc<dyn ChannelLayer> = Arc::new(Memory::default());
            let count = receivers(&layer, many).await?;
            let mut times = Vec::new();
            for _ in 0..rounds {
                let started = Instant::now();
                layer.group_send("all", message.clone()).await?;
                count.changed.notified().await;
                times.push(started.elapsed());
            }
            report(times, "last");
            println!("missed={} resident={}", count.missed.load(SeqCst), resident());
        }
        Some("redis") => {
            let many = number(2)?;
            let layer: Arc<dyn ChannelLayer> =
                Arc::new(Redis::connect(RedisConfig::new(&*arguments[1])).await?);
            let count = receivers(&layer, many).await?;
            println!("joined");
            // Tells the sender's channel each time that all here have it.
            loop {
                count.changed.notified().await;
                layer.send("done", Bytes::new()).await?;
            }
        }
        Some("send") => {
            let (many, rounds) = (number(2)?, number(3)?);
            let layer: Arc<dyn ChannelLayer> =
                Arc::new(Redis::connect(RedisConfig::new(&*arguments[1])).await?);
            let count = receivers(&layer, many).await?;
            println!("joined");
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            let mut times = Vec::new();
            for _ in 0..rounds {
                let started = Instant::now();
                let delivery = layer.group_send("all", message.clone()).await?;
                count.changed.notified().await;
                // The other process has to say so, which adds a way through Redis: the time is an upper bound.
                layer.receive("done").await?;
                times.push(started.elapsed());
                if delivery.delivered != 2 * many as u64 {
                    println!("delivered={}", delivery.delivered);
                }
            }
            report(times, "last");
            println!("missed={} resident={}", count.missed.load(SeqCst), resident());
        }
        _ => return Err("see the head of this file".into()),
    }
    Ok(())
}
