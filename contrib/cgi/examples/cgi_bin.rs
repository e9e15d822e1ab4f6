//! The CGI programs of a folder, served by `rwgi-server`.
//!
//! `cargo run -p rwgi-cgi --example cgi_bin -- /usr/lib/cgi-bin`, and then http://127.0.0.1:8000/<program>.

use rwgi_cgi::CgiBin;

fn main() -> std::process::ExitCode {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "cgi-bin".to_owned());
    let served = CgiBin::new(folder)
        .map_err(|error| error.to_string())
        .and_then(|programs| rwgi_server::serve(programs).map_err(|error| error.to_string()));
    match served {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
