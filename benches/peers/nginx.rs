//! nginx, as a contestant like the others: writes its configuration and becomes it.
//!
//! Rules of this peer: one process that serves, as it has one core; static answers, no access log, connections kept for as many requests as
//! the load has; it is no better tuned than a careful user would.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use benches::{contestant, routes, serve};
use clap::Parser;

/// Holds the address of a server whose listening is to be announced.
const ANNOUNCE: &str = "RWGI_BENCHES_ANNOUNCE";

fn main() -> benches::Result<()> {
    if let Ok(address) = env::var(ANNOUNCE) {
        return announce(address.parse()?);
    }
    let arguments = serve::Arguments::parse();
    let nginx = contestant::nginx().ok_or("nginx is not installed")?;
    let address = TcpListener::bind(arguments.bind)?.local_addr()?;
    let folder = env::current_exe()?.with_file_name("nginx");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("large"), routes::LARGE)?;
    let listen = format!("{address}{}", if arguments.http2 { " http2" } else { "" });
    let configuration = folder.join("nginx.conf");
    fs::write(&configuration, text(&folder, &listen)?)?;
    // This process becomes nginx; another one says when it listens.
    Command::new(env::current_exe()?).env(ANNOUNCE, address.to_string()).spawn()?;
    let failed = Command::new(nginx).arg("-c").arg(&configuration).arg("-p").arg(&folder).exec();
    Err(failed.into())
}

/// Says that a server listens, once it does.
fn announce(address: SocketAddr) -> benches::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err("nginx does not listen".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(serve::announce(address)?)
}

fn text(folder: &Path, listen: &str) -> benches::Result<String> {
    let (folder, json) = (folder.display(), String::from_utf8(routes::json()?)?);
    Ok(format!(
        r#"daemon off;
master_process off;
error_log stderr crit;
pid {folder}/pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
        location = /plaintext {{ return 200 "{plaintext}"; }}
        location = /fields {{ return 200 "{plaintext}"; }}
        location = /json {{ default_type application/json; return 200 '{json}'; }}
        location = /large {{ root {folder}; }}
    }}
}}
"#,
        plaintext = routes::PLAINTEXT,
    ))
}
