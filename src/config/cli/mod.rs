//! The command line.
//!
//! ```text
//! metriclet [serve] [--listen ADDRESS|off] [--tls-cert-file FILE --tls-private-key-file FILE …] [ORIGIN] [-v]
//! metriclet check FILE
//! metriclet get PATH [-o table|json] [--wait DURATION] [ORIGIN] [-v]
//! metriclet certs --out DIRECTORY [--renew] | --secret NAME …
//! metriclet probe [URL]
//!
//! ORIGIN = [--upstream URL [--describes OBJECT]] | [-c|--config FILE]
//! OBJECT = RESOURCE/NAMESPACE/NAME | RESOURCE/NAME
//! ```

mod access;
mod certs;
mod help;
mod secure;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

pub use self::access::Access;
pub use self::certs::{Certs, CertsOutput};
pub use self::secure::{Secure, TlsVersion, Tuning};
use self::values::{describes, listen, output, plain, set, text, verbosity, wait};
use super::model::Bound;
use crate::parse::escape::Escaped;

/// Where the plain listener is unless told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the API until told to stop.
    Serve(Box<Serve>),
    /// Say what is wrong with a configuration file.
    Check(Check),
    /// Answer one request and print the answer.
    Get(Get),
    /// Make certificates for the secure listener.
    Certs(Certs),
    /// Ask the server at this URL whether it is well.
    Probe(String),
    /// Print a help text.
    Help(Topic),
    /// Print the version.
    Version,
}

/// `metriclet [serve]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// Where the plain listener is.
    pub listen: Listen,
    /// The secure listener, if there is to be one.
    pub secure: Option<Secure>,
    /// Limits that were set.
    pub tuning: Tuning,
    /// The Kubernetes API, outside a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// 0 is the usual; higher says more.
    pub verbosity: u8,
}

/// `metriclet check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The file to check.
    pub file: PathBuf,
}

/// `metriclet get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// What to get, as written.
    pub path: String,
    /// The Kubernetes API, outside a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// How to print the answer.
    pub output: Output,
    /// How long to go on asking while the answer is 503.
    pub wait: Duration,
    /// 0 is the usual; higher says more.
    pub verbosity: u8,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At a loopback address.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was said.
    #[default]
    ByDefault,
    /// `--upstream`.
    Upstream {
        /// As written.
        url: String,
        /// `--describes`.
        describes: Option<Bound>,
    },
    /// `--config`.
    File(PathBuf),
}

/// How `metriclet get` prints an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Aligned columns for people.
    #[default]
    Table,
    /// As the API serves it.
    Json,
}

/// What a help text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// All commands.
    All,
    /// `metriclet serve`.
    Serve,
    /// `metriclet check`.
    Check,
    /// `metriclet get`.
    Get,
    /// `metriclet certs`.
    Certs,
    /// `metriclet probe`.
    Probe,
}

/// A command line that means nothing (exit code 64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    message: String,
    topic: Topic,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// The first argument that is not in the grammar above.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut args = args.peekable();
    let topic = match args.peek().map(|first| first.to_string_lossy()).as_deref() {
        Some("serve") => Topic::Serve,
        Some("check") => Topic::Check,
        Some("get") => Topic::Get,
        Some("certs") => Topic::Certs,
        Some("probe") => Topic::Probe,
        Some(word) if !word.is_empty() && !word.starts_with('-') => {
            let message =
                format!("expected a command (serve, check, get, certs or probe), found {}", Escaped::new(word));
            return Err(UsageError { message, topic: Topic::All });
        }
        _ => Topic::All,
    };
    if topic != Topic::All {
        args.next();
    }
    let parser = Parser::from_args(args);
    let command = match topic {
        Topic::Certs => certs::certs(parser),
        Topic::Probe => certs::probe(parser),
        _ => Words::read(topic, parser).and_then(|words| words.command(topic)),
    };
    command.map_err(|message| UsageError { message, topic })
}

impl Topic {
    /// The help text, with a newline at the end.
    pub fn text(self) -> &'static str {
        match self {
            Self::All => help::ALL,
            Self::Serve => help::SERVE,
            Self::Check => help::CHECK,
            Self::Get => help::GET,
            Self::Certs => help::CERTS,
            Self::Probe => help::PROBE,
        }
    }

    fn takes(self, flag: &str) -> bool {
        match self {
            Self::All | Self::Serve => !matches!(flag, "output" | "wait"),
            Self::Check | Self::Certs | Self::Probe => false,
            Self::Get => flag != "listen" && secure::known(flag).is_none(),
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = match self.topic {
            Topic::All => "",
            Topic::Serve => " serve",
            Topic::Check => " check",
            Topic::Get => " get",
            Topic::Certs => " certs",
            Topic::Probe => " probe",
        };
        write!(f, "{} (see metriclet{command} --help)", self.message)
    }
}

impl std::error::Error for UsageError {}

/// What was said, before it is known to make sense together.
#[derive(Default)]
struct Words {
    help: bool,
    version: bool,
    listen: Option<Listen>,
    upstream: Option<String>,
    describes: Option<Bound>,
    config: Option<PathBuf>,
    kubeconfig: Option<PathBuf>,
    output: Option<Output>,
    wait: Option<Duration>,
    verbosity: u8,
    secure: secure::Words,
    operand: Option<OsString>,
}

impl Words {
    fn read(topic: Topic, mut parser: Parser) -> Result<Self, String> {
        let mut words = Self::default();
        while let Some(arg) = parser.next().map_err(plain)? {
            let flag = match arg {
                Arg::Short('h') | Arg::Long("help") => {
                    words.help = true;
                    continue;
                }
                Arg::Short('V') | Arg::Long("version") => {
                    words.version = true;
                    continue;
                }
                Arg::Value(value) if matches!(topic, Topic::Check | Topic::Get) => {
                    if words.operand.is_some() {
                        return Err(format!(
                            "expected one operand, found also {}",
                            Escaped::new(value.as_encoded_bytes())
                        ));
                    }
                    words.operand = Some(value);
                    continue;
                }
                Arg::Short('v') | Arg::Long("v") => "v",
                Arg::Short('c') | Arg::Long("config") => "config",
                Arg::Short('o') | Arg::Long("output") => "output",
                Arg::Long("wait") => "wait",
                Arg::Long("kubeconfig") => "kubeconfig",
                Arg::Long("listen") => "listen",
                Arg::Long("upstream") => "upstream",
                Arg::Long("describes") => "describes",
                other => match known(&other) {
                    Some(flag) => flag,
                    None => return Err(plain(other.unexpected())),
                },
            };
            if !topic.takes(flag) {
                return Err(format!("--{flag} does not belong here"));
            }
            match flag {
                "v" => words.verbosity = verbosity(words.verbosity, &mut parser)?,
                "config" => set(&mut words.config, PathBuf::from(parser.value().map_err(plain)?), "--config")?,
                "kubeconfig" => {
                    set(&mut words.kubeconfig, PathBuf::from(parser.value().map_err(plain)?), "--kubeconfig")?;
                }
                "output" => set(&mut words.output, output(&text(&mut parser)?)?, "--output")?,
                "wait" => set(&mut words.wait, wait(&text(&mut parser)?)?, "--wait")?,
                "listen" => set(&mut words.listen, listen(&text(&mut parser)?)?, "--listen")?,
                "upstream" => set(&mut words.upstream, text(&mut parser)?, "--upstream")?,
                "describes" => set(&mut words.describes, describes(&text(&mut parser)?)?, "--describes")?,
                flag => words.secure.take(flag, &text(&mut parser)?)?,
            }
        }
        Ok(words)
    }

    fn command(self, topic: Topic) -> Result<Command, String> {
        if self.help {
            return Ok(Command::Help(topic));
        }
        if self.version {
            return Ok(Command::Version);
        }
        let origin = match (self.upstream, self.config, self.describes) {
            (Some(_), Some(_), _) => {
                return Err("--upstream and --config exclude each other: put the URL under sources: in the file".into());
            }
            (None, _, Some(_)) => {
                return Err("--describes needs --upstream; in a file it is the key describes: of a rule".into());
            }
            (Some(url), None, describes) => Origin::Upstream { url, describes },
            (None, Some(file), None) => Origin::File(file),
            (None, None, None) => Origin::ByDefault,
        };
        let verbosity = self.verbosity;
        Ok(match topic {
            Topic::All | Topic::Serve | Topic::Certs | Topic::Probe => {
                let (secure, tuning) = self.secure.finish()?;
                Command::Serve(Box::new(Serve {
                    listen: self.listen.unwrap_or(Listen::At(LISTEN)),
                    secure,
                    tuning,
                    kubeconfig: self.kubeconfig,
                    origin,
                    verbosity,
                }))
            }
            Topic::Check => Command::Check(Check { file: self.operand.ok_or("expected a file to check")?.into() }),
            Topic::Get => {
                let path = self.operand.ok_or("expected a path, such as namespaces/shop/services/web/queue_depth")?;
                let path = path.string().map_err(plain)?;
                let (kubeconfig, output) = (self.kubeconfig, self.output.unwrap_or_default());
                let wait = self.wait.unwrap_or_default();
                Command::Get(Get { path, kubeconfig, origin, output, wait, verbosity })
            }
        })
    }
}

/// A flag of the secure listener.
fn known(arg: &Arg<'_>) -> Option<&'static str> {
    let Arg::Long(name) = arg else { return None };
    secure::known(name)
}
