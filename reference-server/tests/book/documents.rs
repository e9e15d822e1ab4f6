//! The documents of the repository.
//!
//! Rules of this room: every Markdown file that is no product of a build is a document; it is written only when `RWGI_BLESS` is set.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Its path from the root, with slashes.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Document {
    /// All of them, in the order of their names.
    pub(crate) fn all() -> Vec<Self> {
        let found: Vec<Self> = files(&root(), "md").iter().map(|path| Self::read(path)).collect();
        assert!(found.len() > 20, "only {} documents were found", found.len());
        found
    }

    /// The document of this name.
    pub(crate) fn named(name: &str) -> Self {
        Self::read(&root().join(name))
    }

    fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        Self { name, text }
    }

    /// Whether it belongs to the book around the specification.
    pub(crate) fn is_guide(&self) -> bool {
        self.name.starts_with("spec/src/guide/")
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(root().join(&self.name), text).unwrap();
    }
}

/// Whether what is stale is to be written anew.
pub(crate) fn bless() -> bool {
    std::env::var_os("RWGI_BLESS").is_some()
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The files with this extension below a folder, except for what hides and what was built.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let built = ["target", "book", "mutants.out", "node_modules", "venv"];
        if path.is_dir() {
            if !name.starts_with('.')
                && (!built.contains(&&*name) || name == "book" && folder.ends_with("tests"))
            {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
