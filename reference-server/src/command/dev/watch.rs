//! What has changed on the disk.
//!
//! Rules of this room: a door; many changes at once are one; what a build writes, and what begins with a dot, is no change.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{Receiver, channel};

use crate::{Error, Result};

/// An editor that saves, or a branch that is checked out, is done after so long a silence.
const SILENCE: Duration = Duration::from_millis(100);

/// Changes, one by one.
pub(super) struct Changes {
    pub(super) changed: Receiver<()>,
    /// Watches for as long as it lives.
    pub(super) _watcher: RecommendedWatcher,
}

/// Watches folders and all below them.
///
/// # Errors
/// A folder that cannot be watched.
pub(super) fn watch(folders: &[PathBuf]) -> Result<Changes> {
    let failed = |error: notify::Error| Error::config(format!("--watch: {error}"));
    let roots: Vec<PathBuf> = folders
        .iter()
        .map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone()))
        .collect();
    let (raw, mut events) = channel(64);
    let inside = roots.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let changes = matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
        );
        if changes && event.paths.iter().any(|path| is_source(&inside, path)) {
            // A full channel says already that something has changed.
            let _ = raw.try_send(());
        }
    })
    .map_err(failed)?;
    for root in &roots {
        watcher.watch(root, RecursiveMode::Recursive).map_err(failed)?;
    }
    let (settled, changed) = channel(1);
    tokio::spawn(async move {
        while events.recv().await.is_some() {
            while let Ok(Some(())) = tokio::time::timeout(SILENCE, events.recv()).await {}
            let _ = settled.try_send(());
        }
    });
    Ok(Changes { changed, _watcher: watcher })
}

/// Whether a path is one of the sources of what is built.
fn is_source(roots: &[PathBuf], path: &Path) -> bool {
    let Some(inner) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else {
        return false;
    };
    let ours = |component: Component<'_>| {
        let name = component.as_os_str().to_string_lossy();
        name.starts_with('.') || name == "target" || name.ends_with('~')
    };
    !inner.components().any(ours) && inner != Path::new("Cargo.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_or_an_editor_writes_is_no_source() {
        let roots = [PathBuf::from("/home/p")];
        for (path, source) in [
            ("/home/p/src/main.rs", true),
            ("/home/p/templates/a.html", true),
            ("/home/p/Cargo.toml", true),
            ("/home/p/Cargo.lock", false),
            ("/home/p/target/debug/p", false),
            ("/home/p/.git/index", false),
            ("/home/p/src/.main.rs.swp", false),
            ("/home/p/src/main.rs~", false),
            ("/elsewhere/main.rs", false),
        ] {
            assert_eq!(is_source(&roots, Path::new(path)), source, "{path}");
        }
    }
}
