//! A server as a process: started, watched, ended.
//!
//! Rules of this room: the server tells its address itself; what it used is read from the system, not from the server; a
//! server never outlives the tool that started it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;
use crate::serve::ANNOUNCEMENT;

/// A server that was started and listens.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a processor, in user space and in the kernel.
    pub processor: Duration,
    /// Octets of memory that are resident now.
    pub resident: u64,
    /// The most that ever were.
    pub peak: u64,
}

impl Server {
    /// Starts a server and waits until it says where it listens; `core` is the only one it may use, if given.
    ///
    /// # Errors
    /// It cannot be started, or ends before it listens.
    pub fn start(command: &mut Command, core: Option<usize>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = match core {
            // A child inherits the cores of the thread that starts it.
            Some(core) => pinned(core, || command.spawn())??,
            None => command.spawn()?,
        };
        let output = child.stdout.take().ok_or("the server has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                let status = child.wait()?;
                return Err(format!("{command:?} ended ({status}) before it listened").into());
            };
            if let Some((_, address)) = line.split_once(ANNOUNCEMENT) {
                break address.trim().parse()?;
            }
        };
        // Somebody must read on, or a server that goes on printing would block.
        thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// What the server has used so far.
    ///
    /// # Errors
    /// The process is gone.
    pub fn usage(&self) -> Result<Usage> {
        let id = self.child.id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kibibytes = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        Ok(Usage {
            processor: processor_time(id)?,
            resident: kibibytes("VmRSS:") * 1024,
            peak: kibibytes("VmHWM:") * 1024,
        })
    }

    /// Waits until every thread of the server sleeps: it has done all that the last request asks of it.
    ///
    /// # Errors
    /// The process is gone, or does not come to rest.
    pub fn wait_for_rest(&self) -> Result<()> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let mut rests = true;
            for task in fs::read_dir(&tasks)? {
                let stat = fs::read_to_string(task?.path().join("stat"))?;
                rests &= fields(&stat).next() == Some("S");
            }
            if rests {
                return Ok(());
            }
            thread::yield_now();
        }
        Err("the server does not come to rest".into())
    }

    /// Tells the server to end, and waits until it has.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        kill_process(Pid::from_raw(id).ok_or("no such process")?, Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to be done about a server that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time on a processor of all threads together: in nanoseconds where the kernel counts them, else in its ticks.
fn processor_time(id: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let counted = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += counted.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
    }
    if nanoseconds > 0 {
        return Ok(Duration::from_nanos(nanoseconds));
    }
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let ticks: u64 = fields(&stat).skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Ok(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second()))
}

/// The fields of a `stat` file from the state on; the name before it may hold anything.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// Runs `action` while this thread may use one core only.
///
/// # Errors
/// The system does not let us choose.
pub fn pinned<T>(core: usize, action: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let outcome = action();
    sched_setaffinity(None, &before)?;
    Ok(outcome)
}
