//! What is asked of the contestants.
//!
//! Rules of this room: plain data, one list; the name is what is typed, the heading what stands above the table.

use benches::contestant::Contestant;
use benches::load::Load;
use benches::routes::Route;

/// One question to all contestants.
pub(crate) struct Scenario {
    /// What it is called on the command line and in the results.
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// At this share of bare hyper's highest rate, for times that are not made of queues.
    pub(crate) share: Option<f64>,
    /// Whom it asks, where it is not everybody.
    only: &'static [&'static str],
    /// The server has a thread for each core and shares them with the load, as it would without any settings.
    pub(crate) unpinned: bool,
}

const USUAL: Load = Load {
    route: Route::Plaintext,
    connections: 64,
    pipeline: 1,
    idle: 0,
    http2: false,
    rate: None,
};

const EVERYBODY: &[&str] = &[];
/// Where the question is how a cost grows.
const CORE: [&str; 4] = ["hyper", "hyper-per-core", "rwgi", "rwgi-per-core"];
/// Where the question is what it costs that somebody wants to know.
const WATCHED: [&str; 3] = ["hyper", "rwgi-per-core", "rwgi-watched"];

const fn route(name: &'static str, route: Route) -> Scenario {
    Scenario { name, load: Load { route, ..USUAL }, share: None, only: EVERYBODY, unpinned: false }
}

const fn http2(name: &'static str, connections: usize, pipeline: usize) -> Scenario {
    let load = Load { connections, pipeline, http2: true, ..USUAL };
    Scenario { name, load, share: None, only: EVERYBODY, unpinned: false }
}

const fn growth(name: &'static str, load: Load) -> Scenario {
    Scenario { name, load, share: None, only: &CORE, unpinned: false }
}

/// All of them, in the order of the tables.
pub(crate) const SCENARIOS: [Scenario; 17] = [
    route("plaintext", Route::Plaintext),
    Scenario {
        name: "pipelined",
        load: Load { pipeline: 16, ..USUAL },
        share: None,
        only: EVERYBODY,
        unpinned: false,
    },
    route("json", Route::Json),
    route("echo", Route::Echo),
    route("stream", Route::Stream),
    route("large", Route::Large),
    route("fields", Route::Fields),
    http2("http2-4x32", 4, 32),
    Scenario { unpinned: true, ..http2("http2-4x32-threads", 4, 32) },
    http2("http2-16x1", 16, 1),
    Scenario { name: "times", load: USUAL, share: Some(0.7), only: EVERYBODY, unpinned: false },
    Scenario { only: &WATCHED, ..route("watched", Route::Plaintext) },
    growth("open-64", Load { idle: 0, ..USUAL }),
    growth("open-1000", Load { idle: 1_000 - 64, ..USUAL }),
    growth("open-10000", Load { idle: 10_000 - 64, ..USUAL }),
    growth("long-1", Load { route: Route::Long1, connections: 1, ..USUAL }),
    growth("long-100", Load { route: Route::Long100, connections: 1, ..USUAL }),
];

/// Their names.
pub(crate) const NAMES: [&str; SCENARIOS.len()] = {
    let mut names = [""; SCENARIOS.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = SCENARIOS[place].name;
        place += 1;
    }
    names
};

impl Scenario {
    /// Whether this contestant can be asked.
    pub(crate) fn weighs(&self, contestant: &Contestant) -> bool {
        if !self.only.is_empty() {
            return self.only.contains(&contestant.name);
        }
        if contestant.name == "rwgi-watched" {
            return false;
        }
        // nginx is one process here, and so one thread.
        if self.unpinned && contestant.name == "nginx" {
            return false;
        }
        contestant.routes.contains(&self.load.route)
            && (!self.load.http2 || contestant.http2.is_some())
    }

    /// What stands above its table.
    pub(crate) fn heading(&self) -> String {
        let Load { route, connections, pipeline, idle, http2, .. } = self.load;
        let mut heading = format!("/{route}, {connections} connection");
        if connections > 1 {
            heading += "s";
        }
        heading += &match (http2, pipeline) {
            (true, 1) => " of HTTP/2 with 1 stream".to_owned(),
            (true, streams) => format!(" of HTTP/2 with {streams} streams"),
            (false, 1) => ", no pipelining".to_owned(),
            (false, depth) => format!(", {depth} requests pipelined"),
        };
        if idle > 0 {
            heading += &format!(", {} open", connections + idle);
        }
        if self.only == WATCHED {
            heading += ", with an admin listener and without";
        }
        if self.unpinned {
            heading += ", a thread for each core";
        }
        if let Some(share) = self.share {
            heading += &format!(", at {:.0} % of bare hyper's highest rate", share * 100.0);
        }
        heading
    }
}
