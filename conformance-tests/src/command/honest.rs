//! `honest`: the suite's own server as a process, for trying the suite without a server of one's own.
//!
//! Rules of this room: it runs until it is killed.

use rwgi::SharedApplication;
use rwgi_conformance::honest::Honest;
use rwgi_conformance::server::application::SuiteApplication;
use rwgi_conformance::server::{ServerUnderTest, cases};

use super::{Trouble, print};

pub(super) fn serve(port: u16, violation: Option<&str>) -> Result<bool, Trouble> {
    let honest = match violation {
        None => Honest::default(),
        Some(id) => {
            let case =
                cases::find(id).ok_or_else(|| Trouble::Usage(format!("there is no case {id}")))?;
            Honest::with(case.violation)
        }
    };
    let application = SharedApplication::new(SuiteApplication::new());
    let running = honest
        .on_port(port)
        .start(application)
        .map_err(|error| Trouble::Start(format!("port {port}: {error}")))?;
    print(&format!("listening on http://{}\n", running.address()))?;
    loop {
        std::thread::park();
    }
}
