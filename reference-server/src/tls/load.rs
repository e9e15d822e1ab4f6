//! From files to rustls' settings.
//!
//! Rules of this room: it reads files and nothing else; every error names the file, what is wrong with it and what would be right.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

use super::{Identity, Tls, expiry};

/// What went wrong, in one line.
type Problem = String;

/// What the files come to.
pub(super) struct Loaded {
    pub(super) config: ServerConfig,
    /// What an operator should hear, and what keeps nobody from serving.
    pub(super) warnings: Vec<String>,
}

/// Reads all files of `tls` and makes rustls' settings of them, to be used at this time.
pub(super) fn load(tls: &Tls, now: SystemTime) -> Result<Loaded, Problem> {
    let provider = Arc::new(ring::default_provider());
    let identities = tls
        .identities
        .iter()
        .map(|identity| certified(identity, &provider).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let warnings = tls
        .identities
        .iter()
        .zip(&identities)
        .flat_map(|(files, certified)| {
            expiry::warnings(&files.certificate, &certified.cert, now).collect::<Vec<_>>()
        })
        .collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let file = &clients.authorities;
            let roots = Arc::new(authorities(file)?);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            if clients.optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier =
                verifier.build().map_err(|error| format!("{}: {error}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName { identities }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer =
        ring::Ticketer::new().map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(Loaded { config, warnings })
}

/// Shows the first certificate that is valid for the name asked for, else the first of all.
#[derive(Debug)]
struct ByName {
    identities: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.identities.first();
        let (Some(name), true) = (hello.server_name(), self.identities.len() > 1) else {
            return first.cloned();
        };
        let Ok(name) = ServerName::try_from(name) else { return first.cloned() };
        let valid = |key: &&Arc<CertifiedKey>| {
            key.end_entity_cert()
                .and_then(ParsedCertificate::try_from)
                .and_then(|leaf| rustls::client::verify_server_name(&leaf, &name))
                .is_ok()
        };
        self.identities.iter().find(valid).or(first).cloned()
    }
}

fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<CertifiedKey, Problem> {
    let Identity { certificate, key: key_file } = identity;
    let chain = certificates(certificate)?;
    let key = private_key(key_file)?;
    let certified =
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "the key in {} does not belong to the first certificate in {}; the server's own certificate comes first, \
                 those of its authorities after it",
                key_file.display(),
                certificate.display()
            ),
            rustls::Error::InvalidCertificate(error) => {
                format!("the first certificate in {} is malformed: {error}", certificate.display())
            }
            error => format!("the key in {} cannot be used: {error}", key_file.display()),
        })?;
    // Where the key's kind does not tell its public half the two are not compared; a leaf that cannot be read is bad all the same.
    certified
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .map_err(|error| format!("the first certificate in {}: {error}", certificate.display()))?;
    Ok(certified)
}

fn authorities(file: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates(file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| {
            format!("certificate {} in {} is no authority: {error}", number + 1, file.display())
        })?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read(file)?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(file, &error))?;
    if chain.is_empty() {
        return Err(format!(
            "{} holds no certificate; a PEM file with `-----BEGIN CERTIFICATE-----` is expected",
            file.display()
        ));
    }
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if memchr::memmem::find(&text, b"ENCRYPTED").is_some() => format!(
            "the key in {} is encrypted; decrypt it first, for example with `openssl pkey`",
            file.display()
        ),
        pem::Error::NoItemsFound => format!(
            "{} holds no private key; a PEM file with `-----BEGIN PRIVATE KEY-----` (or RSA, or EC) is expected",
            file.display()
        ),
        error => malformed(file, &error),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

fn malformed(file: &Path, error: &pem::Error) -> Problem {
    format!("{} is no well-formed PEM: {error}", file.display())
}
