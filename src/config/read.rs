//! Reads small files completely, up to a limit.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Why a file was not read; printed after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not exist.
    Missing,
    /// Metriclet has no permission to read it.
    Forbidden,
    /// It exceeds the limit.
    TooLarge,
    /// It is a directory, a pipe or a device, which may block or never end.
    NoFile,
    /// Another I/O error.
    Other,
}

/// The bytes of a file of at most `max` bytes.
///
/// # Errors
/// If it cannot be read or is larger.
pub(crate) fn read(path: &Path, max: usize) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    // Opening a pipe waits for a writer.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Unreadable::NoFile);
    }
    File::open(path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes)).map_err(|error| match error
        .kind()
    {
        io::ErrorKind::NotFound => Unreadable::Missing,
        io::ErrorKind::PermissionDenied => Unreadable::Forbidden,
        _ => Unreadable::Other,
    })?;
    if bytes.len() > max { Err(Unreadable::TooLarge) } else { Ok(bytes) }
}

impl Unreadable {
    /// The message.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "not found",
            Self::Forbidden => "permission denied",
            Self::TooLarge => "too large",
            Self::NoFile => "not a regular file",
            Self::Other => "cannot be read",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Unreadable {}
