//! A real nginx in front, with a port of the system's choice.
//!
//! Rules of this room: the listening socket is ours and is inherited, so that nobody waits for a port; all that nginx writes is in a folder
//! that goes with it; where nginx is not installed the test says so aloud and does not fail.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test program uses its own part, and a test that cannot go on says where"
)]

pub mod known;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal};

/// Whether a program is installed; where it is not, the test is skipped, and says so, unless `RWGI_REQUIRE_NGINX` is set.
pub fn installed(program: &str) -> bool {
    let found = program_path(program).is_some();
    if !found {
        assert!(std::env::var_os("RWGI_REQUIRE_NGINX").is_none(), "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed, so nothing is shown behind it");
    }
    found
}

/// Where a program is; Debian keeps some where only root looks.
pub fn program_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A folder of this test's own, removed when it ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, for a Unix socket's path has little room.
        let path = std::env::temp_dir().join(format!("rwgi-cgi-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// nginx, with one location.
pub struct Nginx {
    process: Child,
    pub address: SocketAddr,
    folder: Folder,
}

impl Nginx {
    /// Starts nginx with these lines in its one location, and these beside its server.
    pub fn start(location: &str, http: &str) -> io::Result<Self> {
        let folder = Folder::new();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let dir = folder.path().display();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let settings = format!(
            "{user} daemon off; worker_processes 1;
            pid {dir}/nginx.pid; error_log {dir}/error.log info;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path {dir}/body; fastcgi_temp_path {dir}/fastcgi; proxy_temp_path {dir}/proxy;
                uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
                client_max_body_size 0; merge_slashes off; lingering_timeout 1s;
                {http}
                server {{
                    listen {address};
                    location = {UP} {{ return 204; }}
                    location / {{ {location} }}
                }}
            }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, settings)?;
        // Left open in nginx alone, which takes the socket by the number that it is told: whoever is started at the same time would hold it as
        // well, and keep the door open that this one closes.
        let socket = FdMapping { parent_fd: listener.into(), child_fd: SOCKET };
        let mut command = Command::new(program_path("nginx").ok_or(io::ErrorKind::NotFound)?);
        command
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(folder.path())
            .env("NGINX", format!("{SOCKET};"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .fd_mappings(vec![socket])
            .map_err(io::Error::other)?;
        let process = command.spawn()?;
        // Ours goes with the command.
        drop(command);
        let nginx = Self { process, address, folder };
        // A worker that is told to stop while it starts may miss it: it has to have answered once.
        let mut probe = TcpStream::connect(address)?;
        probe.set_read_timeout(Some(Duration::from_secs(60)))?;
        probe.write_all(format!("GET {UP} HTTP/1.0\r\n\r\n").as_bytes())?;
        probe.read_exact(&mut [0])?;
        Ok(nginx)
    }

    /// What nginx has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Lets what is under way end, within this time; gives whether it did.
    pub fn stop(&mut self, grace: Duration) -> bool {
        let until = Instant::now() + grace;
        let Some(pid) = Pid::from_raw(self.process.id() as i32) else { return false };
        let _ = rustix::process::kill_process(pid, Signal::QUIT);
        while Instant::now() < until {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright it would leave its worker behind.
        if let Some(pid) = Pid::from_raw(self.process.id() as i32) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

/// The number of the listening socket in nginx.
const SOCKET: i32 = 3;

/// What nginx answers by itself, as soon as a worker serves.
const UP: &str = "/nginx-is-up";

/// The parameters that an application needs, with the content and the answer as they come.
pub const PARAMETERS: &str = "
    fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;
    fastcgi_param QUERY_STRING $query_string; fastcgi_param SERVER_PROTOCOL $server_protocol;
    fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param REMOTE_ADDR $remote_addr; fastcgi_param REMOTE_PORT $remote_port;
    fastcgi_param SERVER_ADDR $server_addr; fastcgi_param SERVER_PORT $server_port;
    fastcgi_param SERVER_NAME $server_name; fastcgi_param HTTPS $https if_not_empty;
    fastcgi_buffering off; fastcgi_request_buffering off;";
