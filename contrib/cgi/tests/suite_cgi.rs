//! The suite through nginx and fcgiwrap to an application that is a CGI program.
//!
//! Rules of this test: the program is this test itself, started once for each request; what needs one process is left out, because the
//! bridge declares `run_once`; what nginx does, and what CGI cannot say, is a list with reasons.

mod front;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::application::SuiteApplication;
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};

use self::front::{Folder, Nginx, PARAMETERS, installed, known, program_path};

struct CgiBehindNginx;

/// fcgiwrap's processes; each runs one program at a time, and a program that waits at a gate that nobody can open keeps its own, so
/// there are many more than cases at once.
const PROCESSES: &str = "64";

impl ServerUnderTest for CgiBehindNginx {
    fn start(&self, _: SharedApplication) -> Result<RunningServer, BoxError> {
        let folder = Folder::new();
        let socket = folder.path().join("wrap.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket)?;
        let mut wrap = Command::new(program_path("fcgiwrap").ok_or("fcgiwrap is not installed")?)
            .args(["-c", PROCESSES])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let program = std::env::current_exe()?;
        let location = format!(
            "fastcgi_pass unix:{}; fastcgi_param SCRIPT_FILENAME {}; fastcgi_param SCRIPT_NAME '';
            fastcgi_param GATEWAY_INTERFACE CGI/1.1; {PARAMETERS}",
            socket.display(),
            program.display()
        );
        let mut nginx = Nginx::start(&location, "")?;
        Ok(RunningServer::new(nginx.address).on_stop(move |grace| {
            let in_time = nginx.stop(grace);
            drop(nginx);
            // With its children, and with the programs that they run.
            if let Some(group) = Pid::from_raw(wrap.id() as i32) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = wrap.wait();
            drop(folder);
            in_time
        }))
    }

    fn name(&self) -> String {
        "nginx, fcgiwrap, CGI".to_owned()
    }
}

fn main() -> ExitCode {
    if std::env::var_os("GATEWAY_INTERFACE").is_some() {
        rwgi_conformance::server::application::quiet_panics();
        return rwgi_cgi::program::run(SuiteApplication::new());
    }
    if !installed("nginx") || !installed("fcgiwrap") {
        return ExitCode::SUCCESS;
    }
    Suite::new(CgiBehindNginx)
        .deadline(Duration::from_secs(5))
        .known_failing(known::NGINX)
        .known_failing(known::PROGRAM)
        .undecided(known::UNDECIDED)
        .main()
}
