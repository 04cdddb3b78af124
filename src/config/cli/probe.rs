//! The argument of `metriclet probe`.

use lexopt::{Arg, Parser, ValueExt};

use super::values::{plain, set};

/// The secure listener in the same container.
const DEFAULT: &str = "https://127.0.0.1:10250/readyz";

/// Reads the URL to probe; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<String>, String> {
    let mut url = None;
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Value(value) => set(&mut url, value.string().map_err(plain)?, "the URL")?,
            other => return Err(plain(other.unexpected())),
        }
    }
    Ok(Some(url.unwrap_or_else(|| DEFAULT.to_owned())))
}
