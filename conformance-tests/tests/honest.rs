//! `honest` is judged as any other server: three lines.

fn main() -> std::process::ExitCode {
    rwgi_conformance::server::main(rwgi_conformance::honest::Honest::default())
}
