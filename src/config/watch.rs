//! Detects changes of a file by `stat`, which follows the symbolic links that Kubernetes swaps in a mounted ConfigMap,
//! and needs no inotify watches.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Identifies a version of a file; every write changes at least the ctime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of the file behind `path`.
    ///
    /// # Errors
    /// If it does not exist or `stat` is not permitted.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// A file that is checked for changes.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl Watched {
    /// A file that has not been checked yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was changed, created or deleted since the last call.
    pub(crate) fn changed(&mut self) -> bool {
        let now = Stamp::of(&self.path).ok();
        std::mem::replace(&mut self.seen, now) != now
    }
}
