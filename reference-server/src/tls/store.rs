//! The settings in use, and their exchange while the server serves.
//!
//! Rules of this room: new files are used whole or not at all; what is wrong with them is logged once for each change of theirs; a connection
//! keeps the settings that it began with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;

use super::Tls;
use super::load::{Loaded, load};
use crate::stop::{Stage, Stop};
use crate::{Error, Result};

/// rustls' settings, and the files that they come from.
#[derive(Debug)]
pub(crate) struct Store {
    tls: Tls,
    current: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Vec<Stamp>>,
}

/// What tells one version of a file from another; none where it cannot be looked at.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Store {
    /// Reads all files.
    ///
    /// # Errors
    /// One that is missing, malformed, or does not fit the others.
    pub(crate) fn open(tls: Tls) -> Result<Self> {
        // Looked at before they are read, so that a change in between is seen as one.
        let seen = Mutex::new(stamps(&tls));
        let loaded = load(&tls, SystemTime::now()).map_err(Error::config)?;
        Ok(Self { current: RwLock::new(warned(loaded)), seen, tls })
    }

    /// What a connection that begins now uses.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads all files again; what was in use stays so where they are bad.
    ///
    /// # Errors
    /// As [`open`](Self::open); it is logged here.
    pub(crate) fn reload(&self) -> Result<()> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.tls);
        match load(&self.tls, SystemTime::now()) {
            Ok(loaded) => {
                let config = warned(loaded);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("certificates were read again and are in use");
                Ok(())
            }
            Err(problem) => {
                tracing::error!("new certificates are not used, the old ones stay: {problem}");
                Err(Error::config(problem))
            }
        }
    }

    /// Whether a file is another than when it was last read.
    fn has_changed(&self) -> bool {
        stamps(&self.tls) != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the files again whenever one of them changes, until the server stops.
pub(crate) async fn watch(store: Arc<Store>, stop: Arc<Stop>) {
    let Some(interval) = store.tls.watch else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = stop.beyond(Stage::Announce) => return,
        }
        let store = Arc::clone(&store);
        // Files may be on a slow disk; an error has been logged.
        let look = move || store.has_changed() && store.reload().is_ok();
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

/// The settings, with the warnings logged.
fn warned(loaded: Loaded) -> Arc<ServerConfig> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Arc::new(loaded.config)
}

fn stamps(tls: &Tls) -> Vec<Stamp> {
    tls.files().map(stamp).collect()
}

fn stamp(file: &PathBuf) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    // Through links: a secret that is mounted changes by where its link leads.
    let facts = std::fs::metadata(file).ok()?;
    Some((facts.modified().ok()?, facts.len(), facts.ino()))
}
