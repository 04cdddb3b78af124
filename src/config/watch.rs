//! Notices that a file changed by its `stat`: this follows the symbolic links that Kubernetes swaps under a mounted
//! ConfigMap, and needs no inotify watches.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one version of a file from the next; any write changes the ctime at least.
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
    /// If there is none, or it may not be looked at.
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

/// A file that is looked at again and again.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl Watched {
    /// A file not yet looked at.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it changed, appeared or vanished since this was last asked.
    pub(crate) fn changed(&mut self) -> bool {
        let now = Stamp::of(&self.path).ok();
        std::mem::replace(&mut self.seen, now) != now
    }
}
