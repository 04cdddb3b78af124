//! The commands by their names, and the help text of each.

use super::help;

/// The subject of a help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All commands.
    All,
    /// `metriclet serve`.
    Serve,
    /// `metriclet check`.
    Check,
    /// `metriclet get`.
    Get,
    /// `metriclet explain`.
    Explain,
    /// `metriclet certs`.
    Certs,
    /// `metriclet certs renew`.
    Renew,
    /// `metriclet convert`.
    Convert,
    /// `metriclet rbac`.
    Rbac,
    /// `metriclet probe`.
    Probe,
}

impl Topic {
    /// The topic of a command, by its first word.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "serve" => Self::Serve,
            "check" => Self::Check,
            "get" => Self::Get,
            "explain" => Self::Explain,
            "certs" => Self::Certs,
            "convert" => Self::Convert,
            "rbac" => Self::Rbac,
            "probe" => Self::Probe,
            _ => return None,
        })
    }

    /// The words after the program's name, with a blank before each.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Serve => " serve",
            Self::Check => " check",
            Self::Get => " get",
            Self::Explain => " explain",
            Self::Certs => " certs",
            Self::Renew => " certs renew",
            Self::Convert => " convert",
            Self::Rbac => " rbac",
            Self::Probe => " probe",
        }
    }

    /// The help text, with a newline at the end.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::All => help::ALL,
            Self::Serve => help::SERVE,
            Self::Check => help::CHECK,
            Self::Get => help::GET,
            Self::Explain => help::EXPLAIN,
            Self::Certs => help::CERTS,
            Self::Renew => help::RENEW,
            Self::Convert => help::CONVERT,
            Self::Rbac => help::RBAC,
            Self::Probe => help::PROBE,
        }
    }
}
