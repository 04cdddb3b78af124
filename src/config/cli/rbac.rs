//! The flags of `metriclet rbac`.

use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::certs::{NAMESPACE, SERVICE, label};
use super::values::{plain, set, text};

/// `metriclet rbac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rbac {
    /// The configuration file.
    pub config: PathBuf,
    /// The service account of the server.
    pub account: String,
    /// The service account's namespace.
    pub namespace: String,
    /// Whether to grant the right to list HPAs, for the status page.
    pub hpas: bool,
}

/// Reads the arguments of `rbac`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Rbac>, String> {
    let (mut config, mut account, mut namespace, mut hpas) = (None, None, None, false);
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Short('c') | Arg::Long("config") => {
                set(&mut config, PathBuf::from(parser.value().map_err(plain)?), "--config")?;
            }
            Arg::Long("service-account") => {
                set(&mut account, label("--service-account", text(&mut parser)?)?, "--service-account")?;
            }
            Arg::Short('n') | Arg::Long("namespace") => {
                set(&mut namespace, label("--namespace", text(&mut parser)?)?, "--namespace")?;
            }
            Arg::Long("hpas") => hpas = true,
            other => return Err(plain(other.unexpected())),
        }
    }
    Ok(Some(Rbac {
        config: config.ok_or("expected --config FILE")?,
        account: account.unwrap_or_else(|| SERVICE.to_owned()),
        namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
        hpas,
    }))
}
