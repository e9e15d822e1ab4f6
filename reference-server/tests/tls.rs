//! TLS: what a client meets, what an application learns, and how certificates are exchanged while the server serves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rustls::pki_types::ServerName;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{ClientCertificate, Config, Running, Server};
use support::certificates::{Authority, Certificate, Directory};
use support::log::Log;
use support::pipes::pipes;
use support::{Client, End, within};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

/// Answers with what TLS established.
async fn facts(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let text = match &environ.connection().tls {
        None => format!("{} no TLS", environ.scheme()),
        Some(tls) => format!(
            "{} {:?} {:?} {:?} {:?} {}",
            environ.scheme(),
            tls.version,
            tls.cipher_suite,
            tls.server_name,
            tls.alpn,
            tls.client_certificates.len()
        ),
    };
    start.respond(StatusCode::OK, [("content-type", "text/plain")], text)
}

/// A server with certificates, and the authority that clients trust.
struct Site {
    directory: Directory,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        Self { directory: Directory::new(), authority: Authority::new("tests") }
    }

    /// The files of a certificate for these names.
    fn files(&self, file: &str, names: &[&str]) -> (PathBuf, PathBuf, Certificate) {
        let certificate = self.authority.sign(names);
        let pem = self.directory.file(&format!("{file}.pem"));
        let key = self.directory.file(&format!("{file}.key"));
        certificate.write(&pem, &key);
        (pem, key, certificate)
    }

    fn config(&self) -> Config {
        let (pem, key, _) = self.files("site", &["localhost"]);
        shows([(&pem, &key)])
    }

    /// A client that asks for `name`.
    async fn connect(&self, server: &Running, name: &str) -> Client<TlsStream<TcpStream>> {
        let config = self.authority.client(None, &["http/1.1"]);
        Client::new(handshake(server, config, name).await.unwrap())
    }
}

/// A configuration with these certificates and keys.
fn shows<const N: usize>(files: [(&PathBuf, &PathBuf); N]) -> Config {
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    Config {
        certificate: files.iter().map(|(certificate, _)| text(certificate)).collect(),
        key: files.iter().map(|(_, key)| text(key)).collect(),
        certificate_watch: None,
        ..Config::default()
    }
}

async fn serve(config: Config) -> Running {
    Server::new(facts).bind("127.0.0.1:0").config(config).start().await.unwrap()
}

async fn handshake(
    server: &Running,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address().unwrap()).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within("the handshake", TlsConnector::from(config).connect(name, stream)).await
}

/// The certificate that a client was shown.
fn shown(client: &TlsStream<TcpStream>) -> Vec<u8> {
    client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn an_application_learns_what_tls_established() {
    let site = Site::new();
    let server = serve(site.config()).await;
    let mut client = site.connect(&server, "localhost").await;
    let expected = r#"https Some("TLSv1.3") Some("TLS_AES_256_GCM_SHA384") Some("localhost") Some("http/1.1") 0"#;
    // Kept alive as without TLS.
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), expected);
    }
    within("the server to stop", server.stop()).await.unwrap();
    assert_eq!(client.ends().await, End::Closed);
}

#[tokio::test]
async fn http2_is_agreed_on_by_alpn() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new();
    let server = serve(site.config()).await;
    let config = site.authority.client(None, &["h2", "http/1.1"]);
    let mut client = handshake(&server, config, "localhost").await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    within("SETTINGS", client.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame is SETTINGS: {frame:?}");
    // Whoever agreed on HTTP/1.1 speaks it, and is told so.
    let mut client = site.connect(&server, "localhost").await;
    assert_eq!(client.request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.status, 505);
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let site = Site::new();
    let (pem, key, first) = site.files("first", &["first.example", "*.first.example"]);
    let (pem2, key2, second) = site.files("second", &["second.example"]);
    let server = serve(shows([(&pem, &key), (&pem2, &key2)])).await;
    for (name, expected) in [
        ("first.example", &first),
        ("www.first.example", &first),
        ("second.example", &second),
        ("SECOND.example", &second),
    ] {
        let client = handshake(&server, site.authority.client(None, &[]), name).await.unwrap();
        assert!(shown(&client) == expected.der, "{name}");
    }
    // Who asks for none of them is shown the first, and goes.
    let error = handshake(&server, site.authority.client(None, &[]), "third.example").await;
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

#[tokio::test]
async fn clients_show_certificates_where_they_are_asked_to() {
    let site = Site::new();
    let users = Authority::new("users");
    let strangers = Authority::new("strangers");
    let ca = site.directory.file("users.pem");
    std::fs::write(&ca, users.pem()).unwrap();
    let (user, stranger) = (users.sign(&["user"]), strangers.sign(&["stranger"]));
    // Whether it is served: without a certificate, with a good one, with a bad one; `None` where a good one is not even looked at.
    let cases = [
        (None, [Some(0), Some(0), Some(0)]),
        (Some(ClientCertificate::Optional), [Some(0), Some(1), None]),
        (Some(ClientCertificate::Required), [None, Some(1), None]),
    ];
    for (setting, expected) in cases {
        let server = serve(Config {
            client_ca: setting.map(|_| ca.clone()),
            client_certificate: setting.unwrap_or_default(),
            ..site.config()
        })
        .await;
        for (shows, expected) in [None, Some(&user), Some(&stranger)].into_iter().zip(expected) {
            let config = site.authority.client(shows, &["http/1.1"]);
            let served = match handshake(&server, config, "localhost").await {
                Err(_) => None,
                // With TLS 1.3 a client learns of the refusal only when it reads.
                Ok(stream) => {
                    use tokio::io::{AsyncReadExt, AsyncWriteExt};
                    let mut stream = stream;
                    let mut answer = String::new();
                    let _ = stream
                        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                        .await;
                    let _ = within("an answer", stream.read_to_string(&mut answer)).await;
                    answer.chars().last().and_then(|count| count.to_digit(10))
                }
            };
            assert_eq!(served, expected, "{setting:?}, {:?}", shows.map(|shown| shown.pem.len()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_in_total() {
    let site = Site::new();
    let config = Config { handshake_timeout: Duration::from_secs(7), ..site.config() };
    let (dial, listener) = pipes();
    let server = Server::new(facts).config(config).start_on([listener]).await.unwrap();
    let start = Instant::now();
    let mut silent = dial.connect();
    let mut slow = dial.connect();
    slow.send([0x16, 0x03, 0x01]).await;
    assert_eq!(silent.ends().await, End::Closed);
    assert_eq!(slow.ends().await, End::Closed);
    assert_eq!(start.elapsed().as_secs(), 7);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn new_certificates_are_used_and_bad_ones_are_not() {
    let (log, _guard) = Log::listen();
    let site = Site::new();
    let (pem, key, first) = site.files("site", &["localhost"]);
    let server = serve(shows([(&pem, &key)])).await;
    let mut kept = site.connect(&server, "localhost").await;
    assert_eq!(kept.get("/").await.status, 200);
    let now_shown = async || {
        let config = site.authority.client(None, &[]);
        shown(&handshake(&server, config, "localhost").await.unwrap())
    };
    let second = site.authority.sign(&["localhost"]);
    // The half of a renewal: the certificate is there, its key is not yet.
    std::fs::write(&pem, &second.pem).unwrap();
    let error = server.reload().unwrap_err().to_string();
    assert!(error.contains("does not belong") && error.contains("site.key"), "{error}");
    assert_eq!(log.take("new certificates are not used").len(), 1);
    assert!(now_shown().await == first.der);
    std::fs::write(&key, &second.key_pem).unwrap();
    server.reload().unwrap();
    assert!(now_shown().await == second.der);
    // Nobody who was there has noticed.
    assert_eq!(kept.get("/").await.status, 200);
}

#[tokio::test]
async fn a_new_certificate_that_has_expired_is_used_and_warned_of() {
    let (log, _guard) = Log::listen();
    let site = Site::new();
    let (pem, key, _) = site.files("site", &["localhost"]);
    let server = serve(shows([(&pem, &key)])).await;
    let warning = format!(
        "{}: the certificate of localhost has expired on Jan  1 00:00:00 2020 +00:00",
        pem.display()
    );
    // Nothing is said of the first one, which is good.
    assert_eq!(log.take("the certificate of"), [""; 0]);
    site.authority.sign_until(&["localhost"], 2020).write(&pem, &key);
    server.reload().unwrap();
    let said = log.take("the certificate of");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("WARN") && said[0].contains(&warning), "{said:?}");
    // What was said is so.
    let error = handshake(&server, site.authority.client(None, &[]), "localhost").await;
    assert!(format!("{error:?}").contains("Expired"), "{error:?}");
}

#[tokio::test]
async fn a_change_of_the_files_is_enough() {
    let site = Site::new();
    let (pem, key, _) = site.files("site", &["localhost"]);
    let watch = Some(Duration::from_millis(10));
    let server = serve(Config { certificate_watch: watch, ..shows([(&pem, &key)]) }).await;
    let second = site.authority.sign(&["localhost"]);
    // As renewals are done: written beside, then renamed.
    let (new, new_key) = (site.directory.file("new"), site.directory.file("new.key"));
    second.write(&new, &new_key);
    std::fs::rename(&new_key, &key).unwrap();
    std::fs::rename(&new, &pem).unwrap();
    within("the new certificate to be shown", async {
        loop {
            let config = site.authority.client(None, &[]);
            if shown(&handshake(&server, config, "localhost").await.unwrap()) == second.der {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_one_clear_line() {
    let site = Site::new();
    let (pem, key, _) = site.files("site", &["localhost"]);
    let (_, other_key, _) = site.files("other", &["localhost"]);
    let missing = site.directory.file("missing.pem");
    let empty = site.directory.file("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let broken = site.directory.file("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let nonsense = site.directory.file("nonsense.pem");
    std::fs::write(&nonsense, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let locked = site.directory.file("locked.key");
    std::fs::write(
        &locked,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let authorities =
        |file: &PathBuf| Config { client_ca: Some(file.clone()), ..shows([(&pem, &key)]) };
    let cases = [
        (shows([(&missing, &key)]), "missing.pem", "cannot be read"),
        (shows([(&pem, &missing)]), "missing.pem", "cannot be read"),
        (shows([(&empty, &key)]), "empty.pem", "holds no certificate"),
        (shows([(&pem, &empty)]), "empty.pem", "holds no private key"),
        (shows([(&broken, &key)]), "broken.pem", "no well-formed PEM"),
        (shows([(&nonsense, &key)]), "nonsense.pem", "malformed"),
        (shows([(&pem, &locked)]), "locked.key", "is encrypted"),
        (shows([(&pem, &other_key)]), "other.key", "does not belong"),
        (shows([(&pem, &key), (&pem, &other_key)]), "other.key", "does not belong"),
        (authorities(&empty), "empty.pem", "holds no certificate"),
        (authorities(&nonsense), "nonsense.pem", "no authority"),
    ];
    for (config, file, problem) in cases {
        let server = Server::new(facts).bind("127.0.0.1:0").config(config);
        let error = server.start().await.unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(problem), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

// Evidence: REQ-ENV-18
#[tokio::test]
async fn plain_text_is_served_beside_tls_where_it_is_asked_for() {
    let site = Site::new();
    let config = site.config();
    let server = Server::new(facts)
        .bind("https://127.0.0.1:0")
        .bind("http://127.0.0.1:0")
        .config(config)
        .start()
        .await
        .unwrap();
    assert!(site.connect(&server, "localhost").await.get("/").await.text().starts_with("https"));
    let plain = server.endpoints()[1].socket_addr().unwrap();
    assert_eq!(Client::connect(plain).await.get("/").await.text(), "http no TLS");
    // Plain text where TLS is spoken: a TLS alert, and the end.
    let mut lost = Client::connect(server.address().unwrap()).await;
    lost.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (rest, _) = lost.rest().await;
    assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
    let error = Server::new(facts).bind("https://127.0.0.1:0").start().await.unwrap_err();
    assert!(error.to_string().contains("needs a certificate"), "{error}");
}

#[tokio::test]
async fn a_large_response_reaches_a_slow_reader_whole() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let site = Site::new();
    let config = site.config();
    let application = async |_: Environ, start: StartResponse| -> rwgi::Result<Finished> {
        let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
        for _ in 0..LENGTH / (64 * 1024) {
            body.write(vec![b'x'; 64 * 1024]).await?;
        }
        body.finish()
    };
    let server = Server::new(application).bind("127.0.0.1:0").config(config).start().await.unwrap();
    let mut client = site.connect(&server, "localhost").await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    // Stopped while most of it is still to come.
    let stop = tokio::spawn(server.stop());
    let mut read = 0;
    loop {
        let chunk = client.chunk().await.unwrap();
        if chunk.is_empty() {
            break;
        }
        read += chunk.len();
    }
    assert_eq!(read, LENGTH);
    drop(client);
    within("the server to stop", stop).await.unwrap().unwrap();
}
