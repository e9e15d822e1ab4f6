//! `server`: judges a server at a URL, or one that is started by a command line.
//!
//! Rules of this room: the server has to host the suite's application, and is told so if it does not; one that was started is stopped on every path.

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueEnum};
use rwgi_conformance::server::{Judged, Subject, Verdict};
use serde_json::{Value, json};

use super::choice::Choice;
use super::known::Known;
use super::started::start;
use super::{Trouble, html, junit, print, run, text};

#[derive(Args)]
#[command(group = ArgGroup::new("judged").args(["url", "command"]).required(true))]
pub(super) struct Arguments {
    /// A server that runs already, such as http://127.0.0.1:8000.
    #[arg(long)]
    url: Option<String>,
    /// A command line that starts one; {port} becomes a free port on 127.0.0.1.
    #[arg(long, value_name = "COMMAND LINE")]
    command: Option<String>,
    #[command(flatten)]
    choice: Choice,
    /// What is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes a page for people, in one file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Cases that are known to fail, one id and its reason in a line; an entry that holds is an error.
    #[arg(long, value_name = "FILE")]
    known_failing: Option<PathBuf>,
    /// How many cases run side by side.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// How long one wait may take, in seconds.
    #[arg(long, default_value_t = 5.0)]
    deadline: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs; the schema is stable.
    Json,
    /// For continuous integration.
    Junit,
}

/// All that a run came to.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) declared: Value,
    pub(super) results: Vec<Judged>,
    pub(super) known: Known,
    pub(super) took: Duration,
}

impl Outcome {
    /// Failures that nobody knew of.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Judged> {
        self.results.iter().filter(|one| one.is_failure() && self.known.reason(&one.id).is_none())
    }

    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|one| one.verdict == verdict).count()
    }

    /// Known failures that did fail.
    pub(super) fn known_failures(&self) -> usize {
        self.results
            .iter()
            .filter(|one| one.is_failure() && self.known.reason(&one.id).is_some())
            .count()
    }

    /// Whether anything was found out: what was skipped says nothing.
    pub(super) fn judged(&self) -> bool {
        self.results.iter().any(|one| one.verdict != Verdict::Skipped)
    }

    pub(super) fn held(&self) -> bool {
        self.judged()
            && self.failures().next().is_none()
            && self.known.outdated(&self.results).is_empty()
    }

    /// What it all comes to.
    pub(super) fn verdict(&self) -> &'static str {
        match (self.judged(), self.held()) {
            (false, _) => "Nothing was judged.",
            (true, true) => "The server kept what it must.",
            (true, false) => "The server fell short.",
        }
    }

    fn json(&self) -> Value {
        let results: Vec<Value> = self
            .results
            .iter()
            .map(|one| {
                let mut one = one.clone();
                if one.verdict == Verdict::Held {
                    one.transcript = None;
                }
                let mut row = json!(one);
                if let Some(reason) = self.known.reason(&one.id) {
                    row["known"] = json!(reason);
                }
                row
            })
            .collect();
        json!({
            "schema": 1,
            "suite": "rwgi-conformance",
            "version": env!("CARGO_PKG_VERSION"),
            "server": { "name": self.name, "capabilities": self.declared["capabilities"] },
            "held": self.held(),
            "summary": {
                "held": self.count(Verdict::Held),
                "failed": self.failures().count(),
                "known": self.known_failures(),
                "warned": self.count(Verdict::Warned),
                "recorded": self.count(Verdict::Recorded),
                "skipped": self.count(Verdict::Skipped),
            },
            "outdated": self.known.outdated(&self.results),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "results": results,
        })
    }
}

pub(super) fn judge(arguments: &Arguments) -> Result<bool, Trouble> {
    let chosen = arguments.choice.chosen()?;
    let known =
        arguments.known_failing.as_deref().map(Known::read).transpose()?.unwrap_or_default();
    let deadline = Duration::try_from_secs_f64(arguments.deadline)
        .ok()
        .filter(|deadline| !deadline.is_zero() && *deadline <= LONGEST)
        .ok_or_else(|| {
            let right = format!("write seconds above 0 and up to {}", LONGEST.as_secs());
            Trouble::Usage(format!("--deadline {}: {right}", arguments.deadline))
        })?;
    // Opened before anything is judged, so that a run is not lost to a folder that is not there.
    let open = |path: &PathBuf| match File::create(path) {
        Ok(file) => Ok((file, path.display().to_string())),
        Err(error) => Err(Trouble::Usage(format!("--report {}: {error}", path.display()))),
    };
    let report = arguments.report.as_ref().map(open).transpose()?;
    let mut started = None;
    let (name, address, authority) = match (&arguments.url, &arguments.command) {
        (Some(url), _) => {
            let (address, authority) = resolve(url)?;
            TcpStream::connect(address).map_err(|error| {
                Trouble::Start(format!("nobody can be reached at {authority}: {error}"))
            })?;
            (url.clone(), address, authority)
        }
        (None, Some(line)) => {
            let (child, address) = start(line)?;
            started = Some(child);
            (line.clone(), address, address.to_string())
        }
        (None, None) => {
            return Err(Trouble::Usage("one of --url and --command is needed".to_owned()));
        }
    };
    let subject = Subject::at(address, deadline).with_authority(authority);
    if !subject.hosts_the_suite() {
        return Err(Trouble::Start(not_hosted(&subject)));
    }
    let began = Instant::now();
    let results = run::run(&chosen, &subject, arguments.jobs);
    drop(started);
    let declared = subject.declared;
    let outcome = Outcome { name, declared, results, known, took: began.elapsed() };
    match arguments.format {
        Format::Text => print(&text::text(&outcome))?,
        Format::Json => print(&format!("{:#}\n", outcome.json()))?,
        Format::Junit => print(&junit::junit(&outcome))?,
    }
    if let Some((mut file, path)) = report {
        file.write_all(html::page(&outcome).as_bytes())
            .map_err(|error| Trouble::Usage(format!("--report {path}: {error}")))?;
    }
    if !outcome.judged() {
        return Err(Trouble::Usage(
            "nothing was judged: every case that the filters leave was skipped".to_owned(),
        ));
    }
    Ok(outcome.held())
}

fn not_hosted(subject: &Subject) -> String {
    let said = subject.first_answer();
    format!(
        "the server at {} does not host the suite's application: GET / has to be answered with its report \
         (conformance-tests/APPLICATION.md)\n{said}",
        subject.authority
    )
}

fn resolve(url: &str) -> Result<(SocketAddr, String), Trouble> {
    let usage = |why: &str| Trouble::Usage(format!("--url {url}: {why}"));
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| usage("write it as http://127.0.0.1:8000; the suite speaks without TLS"))?;
    let authority = rest.trim_end_matches('/');
    if authority.contains('/') {
        return Err(usage("leave the path out: the application is mounted at the root"));
    }
    let with_port =
        if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
    let address = with_port
        .to_socket_addrs()
        .map_err(|error| Trouble::Start(format!("{authority}: {error}")))?
        .next()
        .ok_or_else(|| Trouble::Start(format!("{authority} has no address")))?;
    Ok((address, authority.to_owned()))
}

/// The longest deadline of a wait: an hour, by when nobody is there to read the verdict.
const LONGEST: Duration = Duration::from_secs(3600);
