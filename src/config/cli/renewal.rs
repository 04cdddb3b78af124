//! The flags of `metriclet certs renew`.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use super::certs::{DAYS, NAMESPACE, SERVICE, days, label, name};
use super::values::{plain, set, text};
use crate::parse::duration;

/// The Secret, as the manifests name it.
const SECRET: &str = "custom-metrics-apiserver-tls";

/// The default time between the renewal and the end of a certificate: a month, so that there is time to react to the alert
/// about a failed run. For a certificate of fewer than 90 days, a third of its validity.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// `metriclet certs renew`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renewal {
    /// The Secret with the certificate.
    pub secret: String,
    /// The Service that the certificate is for and that the APIServices refer to.
    pub service: String,
    /// The namespace of both.
    pub namespace: String,
    /// Names to add to those of the certificate.
    pub names: Vec<String>,
    /// The validity of a new certificate in days.
    pub days: u32,
    /// How long before its end a certificate is renewed.
    pub renew_before: Duration,
    /// How long an authority is trusted before its certificate is served; `None` is the default.
    pub settle: Option<Duration>,
    /// The kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    pub context: Option<String>,
}

/// Consumes the word `renew`, if it is the next argument.
pub(super) fn is_next(parser: &mut Parser) -> bool {
    parser.try_raw_args().and_then(|mut rest| rest.next_if(|word| word == "renew")).is_some()
}

/// Reads the arguments of `certs renew`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Renewal>, String> {
    let (mut secret, mut service, mut namespace, mut names, mut valid) = (None, None, None, Vec::new(), None);
    let (mut renew_before, mut settle, mut kubeconfig, mut context) = (None, None, None, None);
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("secret") => set(&mut secret, label("--secret", text(&mut parser)?)?, "--secret")?,
            Arg::Long("service") => set(&mut service, label("--service", text(&mut parser)?)?, "--service")?,
            Arg::Long("namespace") => set(&mut namespace, label("--namespace", text(&mut parser)?)?, "--namespace")?,
            Arg::Long("name") => names.push(name(text(&mut parser)?)?),
            Arg::Long("days") => set(&mut valid, days(&text(&mut parser)?)?, "--days")?,
            Arg::Long("renew-before") => {
                set(&mut renew_before, time("--renew-before", &mut parser)?, "--renew-before")?;
            }
            Arg::Long("settle") => set(&mut settle, time("--settle", &mut parser)?, "--settle")?,
            Arg::Long("kubeconfig") => {
                set(&mut kubeconfig, PathBuf::from(parser.value().map_err(plain)?), "--kubeconfig")?;
            }
            Arg::Long("context") => set(&mut context, text(&mut parser)?, "--context")?,
            other => return Err(plain(other.unexpected())),
        }
    }
    let days = valid.unwrap_or(DAYS);
    let renew_before =
        renew_before.unwrap_or_else(|| RENEW_BEFORE.min(Duration::from_secs(u64::from(days) * 86_400 / 3)));
    // Otherwise, each run would renew the certificate again.
    if renew_before.as_secs() >= u64::from(days) * 86_400 {
        return Err(format!(
            "--renew-before: expected less than the {days} days of --days, found {} s",
            renew_before.as_secs()
        ));
    }
    Ok(Some(Renewal {
        secret: secret.unwrap_or_else(|| SECRET.to_owned()),
        service: service.unwrap_or_else(|| SERVICE.to_owned()),
        namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
        names,
        days,
        renew_before,
        settle,
        kubeconfig,
        context,
    }))
}

fn time(flag: &str, parser: &mut Parser) -> Result<Duration, String> {
    duration::parse(&text(parser)?).map_err(|error| format!("{flag}: {error}"))
}
