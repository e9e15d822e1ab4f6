//! TLS: which certificates a server shows, whose it wants to see, and how they are exchanged while it serves.
//!
//! Rules of this room: rustls does TLS, on ring; what is wrong with a file is one clear line that names it; a server never starts with bad
//! files, and one that serves keeps what it has.
//!
//! TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1 by ALPN. There is no early data (0-RTT): it can be replayed, and an application could not tell.
//! Sessions are resumed by tickets whose keys live in this process and end with its certificates.
//!
//! ring and not aws-lc-rs: both are kept by people who also keep rustls' interface to them, but ring builds with a C compiler alone and in
//! seconds. The price is that the post-quantum key exchange (X25519MLKEM768) is missing.

mod expiry;
mod load;
mod store;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

pub(crate) use self::store::{Store, watch};
use crate::choice::ClientCertificate;
use crate::config::Config;

/// How a server speaks TLS: certificates with their keys, and whether clients show one.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    identities: Vec<Identity>,
    clients: Option<Clients>,
    watch: Option<Duration>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

/// Of whom clients show a certificate.
#[derive(Clone, Debug)]
struct Clients {
    authorities: PathBuf,
    optional: bool,
}

impl Tls {
    /// What a configuration says of TLS; `None` where it has no certificate.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let pairs = config.certificate.iter().zip(&config.key);
        let identities: Vec<_> = pairs
            .map(|(certificate, key)| Identity { certificate: certificate.into(), key: key.into() })
            .collect();
        let clients = config.client_ca.clone().map(|authorities| Clients {
            authorities,
            optional: config.client_certificate == ClientCertificate::Optional,
        });
        let watch = config.certificate_watch;
        (!identities.is_empty()).then_some(Self { identities, clients, watch })
    }

    /// Reads all files, as a server would that starts; gives what of them deserves a warning.
    ///
    /// # Errors
    /// The first that is bad.
    pub(crate) fn check(&self) -> Result<Vec<String>, String> {
        load::load(self, SystemTime::now()).map(|loaded| loaded.warnings)
    }

    /// All files that matter.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let authorities = self.clients.as_ref().map(|clients| &clients.authorities);
        let identities = self.identities.iter();
        identities.flat_map(|identity| [&identity.certificate, &identity.key]).chain(authorities)
    }
}
