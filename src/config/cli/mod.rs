//! The command line.
//!
//! ```text
//! metriclet [serve] [--listen ADDRESS|off] [--tls-cert-file FILE --tls-private-key-file FILE …] [ORIGIN] [-v]
//! metriclet check FILE
//! metriclet explain hpa NAME | --hpa FILE [-n NAMESPACE] [-c|--config FILE] …
//! metriclet get PATH [-o table|json] [--wait DURATION] [ORIGIN] [-v]
//! metriclet certs --out DIRECTORY [--renew] | --secret NAME …
//! metriclet certs renew …
//! metriclet convert ADAPTER [FILE] [--hpas FILE] …
//! metriclet probe [URL]
//!
//! ORIGIN = [--upstream URL [--describes OBJECT]] | [-c|--config FILE]
//! OBJECT = RESOURCE/NAMESPACE/NAME | RESOURCE/NAME
//! ```

mod access;
mod certs;
mod convert;
mod explain;
mod flag;
mod help;
mod probe;
mod rbac;
mod renewal;
mod secure;
#[cfg(test)]
mod tests;
mod topic;
pub(crate) mod values;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) use self::access::Access;
pub(crate) use self::certs::{Certs, CertsOutput};
pub(crate) use self::convert::{Convert, ConvertFrom};
pub(crate) use self::explain::{Explain, ExplainSubject};
use self::flag::flags;
pub(crate) use self::rbac::Rbac;
pub(crate) use self::renewal::Renewal;
use self::secure::SecureFlag;
pub(crate) use self::secure::{Peers, Secure, TlsVersion, Tuning};
pub(crate) use self::topic::Topic;
pub(crate) use self::values::{LISTEN, Listen, Output};
use self::values::{describes, listen, output, plain, set, text, verbosity, wait};
use super::model::Bound;
use crate::parse::escape::Escaped;

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Serve the API until a signal.
    Serve(Box<Serve>),
    /// Validate a configuration file.
    Check(Check),
    /// Answer one request and print the response.
    Get(Get),
    /// Explain how HPAs come to their replicas.
    Explain(Box<Explain>),
    /// Make certificates for the secure listener.
    Certs(Certs),
    /// Renew the certificate in a cluster.
    Renew(Box<Renewal>),
    /// Convert another adapter's configuration.
    Convert(Convert),
    /// Print the Roles that a configuration needs.
    Rbac(Rbac),
    /// Check the health of the server at this URL.
    Probe(String),
    /// Print a help text.
    Help(Topic),
    /// Print the version.
    Version,
}

/// `metriclet [serve]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Serve {
    /// The address of the plain listener.
    pub listen: Listen,
    /// The secure listener, if enabled.
    pub secure: Option<Secure>,
    /// Limits set by flags.
    pub tuning: Tuning,
    /// The Kubernetes API, outside a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// The log level: 0 by default, higher for more.
    pub verbosity: u8,
}

/// `metriclet check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// The file to check.
    pub file: PathBuf,
    /// HPAs that use it.
    pub hpa: Option<PathBuf>,
}

/// `metriclet get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Get {
    /// The path to get, as written.
    pub path: String,
    /// The Kubernetes API, outside a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// The output format.
    pub output: Output,
    /// How long to retry while the response is 503.
    pub wait: Duration,
    /// The log level: 0 by default, higher for more.
    pub verbosity: u8,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Neither `--upstream` nor `--config`.
    #[default]
    ByDefault,
    Upstream {
        /// `--upstream`, as written.
        url: String,
        describes: Option<Bound>,
    },
    /// `--config`.
    File(PathBuf),
}

/// An invalid command line (exit code 64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    message: String,
    topic: Topic,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// The first argument that does not match the grammar above.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut args = args.peekable();
    let mut topic = match args.peek().map(|first| first.to_string_lossy()).as_deref() {
        Some(word) if !word.is_empty() && !word.starts_with('-') => Topic::named(word).ok_or_else(|| {
            let message = format!(
                "expected a command (serve, check, get, explain, certs, convert, rbac or probe), found {}",
                Escaped::new(word)
            );
            UsageError { message, topic: Topic::All }
        })?,
        _ => Topic::All,
    };
    if topic != Topic::All {
        args.next();
    }
    let mut parser = Parser::from_args(args);
    if topic == Topic::Certs && renewal::is_next(&mut parser) {
        topic = Topic::Renew;
    }
    let command = match topic {
        Topic::Certs => certs::read(parser).map(|certs| certs.map_or(Command::Help(topic), Command::Certs)),
        Topic::Renew => {
            renewal::read(parser).map(|renewal| renewal.map_or(Command::Help(topic), |it| Command::Renew(Box::new(it))))
        }
        Topic::Convert => convert::read(parser).map(|convert| convert.map_or(Command::Help(topic), Command::Convert)),
        Topic::Explain => explain::read(parser)
            .map(|explain| explain.map_or(Command::Help(topic), |it| Command::Explain(Box::new(it)))),
        Topic::Rbac => rbac::read(parser).map(|rbac| rbac.map_or(Command::Help(topic), Command::Rbac)),
        Topic::Probe => probe::read(parser).map(|url| url.map_or(Command::Help(topic), Command::Probe)),
        _ => Arguments::read(topic, parser).and_then(|arguments| arguments.command(topic)),
    };
    command.map_err(|message| UsageError { message, topic })
}

flags! {
    /// Flags of `serve` and `get`.
    GeneralFlag {
        Verbosity = "v",
        Config = "config",
        Output = "output",
        Hpa = "hpa",
        Wait = "wait",
        Kubeconfig = "kubeconfig",
        Listen = "listen",
        Upstream = "upstream",
        Describes = "describes",
    }
}

/// A flag that takes a value.
#[derive(Clone, Copy)]
enum Flag {
    General(GeneralFlag),
    Secure(SecureFlag),
}

impl Flag {
    fn of(arg: &Arg<'_>) -> Option<Self> {
        let name = match arg {
            Arg::Short('v') => "v",
            Arg::Short('c') => "config",
            Arg::Short('o') => "output",
            Arg::Long(name) => name,
            _ => return None,
        };
        GeneralFlag::named(name).map(Self::General).or_else(|| SecureFlag::named(name).map(Self::Secure))
    }

    fn dashed(self) -> &'static str {
        match self {
            Self::General(flag) => flag.dashed(),
            Self::Secure(flag) => flag.dashed(),
        }
    }

    fn belongs_to(self, topic: Topic) -> bool {
        match topic {
            Topic::All | Topic::Serve => {
                !matches!(self, Self::General(GeneralFlag::Output | GeneralFlag::Wait | GeneralFlag::Hpa))
            }
            Topic::Check => matches!(self, Self::General(GeneralFlag::Hpa)),
            Topic::Certs | Topic::Renew | Topic::Convert | Topic::Explain | Topic::Rbac | Topic::Probe => false,
            Topic::Get => !matches!(self, Self::General(GeneralFlag::Listen | GeneralFlag::Hpa) | Self::Secure(_)),
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.topic.command();
        write!(f, "{} (see metriclet{command} --help)", self.message)
    }
}

impl std::error::Error for UsageError {}

/// The arguments, before they are checked together.
#[derive(Default)]
struct Arguments {
    help: bool,
    version: bool,
    listen: Option<Listen>,
    upstream: Option<String>,
    describes: Option<Bound>,
    config: Option<PathBuf>,
    hpa: Option<PathBuf>,
    kubeconfig: Option<PathBuf>,
    output: Option<Output>,
    wait: Option<Duration>,
    verbosity: u8,
    secure: secure::SecureArguments,
    operand: Option<OsString>,
}

impl Arguments {
    fn read(topic: Topic, mut parser: Parser) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(arg) = parser.next().map_err(plain)? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => arguments.help = true,
                Arg::Short('V') | Arg::Long("version") => arguments.version = true,
                Arg::Value(value) if matches!(topic, Topic::Check | Topic::Get) => {
                    if arguments.operand.is_some() {
                        let found = Escaped::new(value.as_encoded_bytes());
                        return Err(format!("expected one operand, found also {found}"));
                    }
                    arguments.operand = Some(value);
                }
                other => match Flag::of(&other) {
                    None => return Err(plain(other.unexpected())),
                    Some(flag) if !flag.belongs_to(topic) => {
                        return Err(format!("{} is not an option of this command", flag.dashed()));
                    }
                    Some(Flag::General(flag)) => arguments.take(flag, &mut parser)?,
                    Some(Flag::Secure(flag)) => arguments.secure.take(flag, &text(&mut parser)?)?,
                },
            }
        }
        Ok(arguments)
    }

    fn take(&mut self, flag: GeneralFlag, parser: &mut Parser) -> Result<(), String> {
        let name = flag.dashed();
        let path = |parser: &mut Parser| parser.value().map(PathBuf::from).map_err(plain);
        match flag {
            GeneralFlag::Verbosity => self.verbosity = verbosity(self.verbosity, parser)?,
            GeneralFlag::Config => set(&mut self.config, path(parser)?, name)?,
            GeneralFlag::Hpa => set(&mut self.hpa, path(parser)?, name)?,
            GeneralFlag::Output => set(&mut self.output, output(&text(parser)?)?, name)?,
            GeneralFlag::Wait => set(&mut self.wait, wait(&text(parser)?)?, name)?,
            GeneralFlag::Kubeconfig => set(&mut self.kubeconfig, path(parser)?, name)?,
            GeneralFlag::Listen => set(&mut self.listen, listen(&text(parser)?)?, name)?,
            GeneralFlag::Upstream => set(&mut self.upstream, text(parser)?, name)?,
            GeneralFlag::Describes => set(&mut self.describes, describes(&text(parser)?)?, name)?,
        }
        Ok(())
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
            Topic::Check => {
                let file = self.operand.ok_or("expected a file to check")?.into();
                Command::Check(Check { file, hpa: self.hpa })
            }
            Topic::Get => {
                let path = self.operand.ok_or("expected a path, such as namespaces/shop/services/web/queue_depth")?;
                let path = path.string().map_err(plain)?;
                let (kubeconfig, output) = (self.kubeconfig, self.output.unwrap_or_default());
                let wait = self.wait.unwrap_or_default();
                Command::Get(Get { path, kubeconfig, origin, output, wait, verbosity })
            }
            _ => {
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
        })
    }
}
