//! `metriclet certs renew`: renews the certificate in a cluster. Each run reads the current state, takes one step of the
//! [`plan`](super::plan), and updates each `caBundle` from the Secret.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::authority::{Authority, authorities, bundle};
use super::issue::{IssueError, Issued, issue};
use super::names;
use super::plan::{Found, MissingAuthority, Pair, Step, Timing, bundle_with};
use crate::command::{counted, exit, fail, kubernetes, print};
use crate::config::cli::Renewal;
use crate::config::limits::Limits;
use crate::kube::meta::Time;
use crate::kube_api::client::Client;
use crate::kube_api::error::{CallError, CallFailure};
use crate::kube_api::stored::Stored;
use crate::parse::duration::millis;
use crate::parse::pem::PemError;
use crate::telemetry::clock::Clock;

/// The APIServices that may refer to Metriclet.
const API_SERVICES: [&str; 3] =
    ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"];

/// The annotation of Secrets that cert-manager renews.
const CERT_MANAGER: &str = "/metadata/annotations/cert-manager.io~1certificate-name";
/// When the certificate was installed; also read by scripts/certs.
const RENEWED: &str = "metriclet.github.io/renewed";
/// Since when the next certificate's authority has been in `ca.crt`.
const NEXT_SINCE: &str = "metriclet.github.io/next-since";

/// Why a run ended.
enum RenewError {
    /// An object could not be read or changed: the verb, the resource, the name and the reason.
    Call(&'static str, &'static str, String, Box<CallError>),
    NoSecret(String),
    /// Every APIService for this Service skips verification.
    Unverified(String),
    /// The `ca.crt` of this Secret cannot be read.
    Authority(String, PemError),
    /// This clock's time and the API server's, in Unix seconds.
    Clock(i64, i64),
    /// An authority was missing from the `caBundle` of these APIServices.
    MissingAuthority(String, MissingAuthority),
    /// The `caBundle` of an APIService cannot be read.
    Bundle(&'static str, PemError),
    Issue(IssueError),
    /// Other clients changed an object in each attempt.
    Contended(u32),
}

/// An APIService that refers to Metriclet's Service.
struct ApiService {
    name: &'static str,
    stored: Stored,
    bundle: Vec<Authority>,
}

/// The result of a run, and a problem that it found but that did not prevent it.
struct Done {
    report: String,
    lost: Option<RenewError>,
}

/// A run.
struct Run<'a> {
    renewal: &'a Renewal,
    limits: &'a Limits,
    client: &'a Client,
    clock: &'a Clock,
    timing: Timing,
}

/// Runs the command.
pub(crate) fn run(renewal: &Renewal, limits: &Limits, clock: &Clock) -> ExitCode {
    let kubeconfig = renewal.kubeconfig.clone().or_else(kubernetes::usual_kubeconfig);
    let by = kubernetes::reading();
    let target = match kubernetes::target_of(kubeconfig.as_ref(), renewal.context.as_deref(), by, limits) {
        Ok(Some(target)) => target,
        Ok(None) => {
            let why = "no kubeconfig found: use --kubeconfig FILE, $KUBECONFIG or ~/.kube/config";
            return fail(exit::USAGE, &why);
        }
        Err(why) => return fail(exit::CONFIG, &why),
    };
    let client = Client::new(target, limits, Arc::default());
    let settle = renewal.settle.unwrap_or(limits.renewal.settle);
    let timing =
        Timing { now: unix(clock), renew_before: millis(renewal.renew_before) / 1_000, settle: millis(settle) / 1_000 };
    let run = Run { renewal, limits, client: &client, clock, timing };
    for _ in 0..limits.renewal.attempts {
        match run.once() {
            // The object was changed or deleted since it was read, so the run starts over.
            Err(why) if why.is_outdated() => {}
            Ok(Done { report, lost }) => {
                let printed = print(&report);
                return lost.map_or(printed, |why| fail(exit::UNAVAILABLE, &why));
            }
            Err(why @ RenewError::Issue(_)) => return fail(exit::SOFTWARE, &why),
            Err(why) => return fail(exit::UNAVAILABLE, &why),
        }
    }
    fail(exit::UNAVAILABLE, &RenewError::Contended(limits.renewal.attempts))
}

impl Run<'_> {
    /// Reads the state, takes the next step, and returns the result.
    fn once(&self) -> Result<Done, RenewError> {
        let Renewal { secret: name, service, namespace, names: more, days, .. } = self.renewal;
        let (now, place) = (self.timing.now, format!("Secret {namespace}/{name}"));
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let secret = self.read("secrets", name, path)?.ok_or_else(|| RenewError::NoSecret(place.clone()))?;
        self.check_clock()?;
        if !secret.text(CERT_MANAGER).is_empty() {
            return Ok(Done::nothing(&place, "it belongs to cert-manager, which renews it"));
        }
        let trusted = authorities(&data(&secret, "ca.crt")).map_err(|why| RenewError::Authority(place.clone(), why))?;
        if !trusted.first().is_some_and(Authority::is_ours) {
            let why = "not renewed, because metriclet certs did not make the authority in ca.crt";
            return Ok(Done::nothing(&place, why));
        }
        let served = pair(&secret, "tls");
        if !served.is_signed_by(&trusted) {
            return Ok(Done::nothing(
                &place,
                "not renewed, because the authority in ca.crt did not sign the certificate",
            ));
        }
        let services = self.services()?;
        // Checks the rights in every run, and before any change.
        let deadline = self.deadline();
        secret.may_change(self.client, deadline).map_err(|error| self.failed("patch", "secrets", name, error))?;
        for ApiService { name, stored, .. } in &services {
            let may = stored.may_change(self.client, self.deadline());
            may.map_err(|error| self.failed("patch", "apiservices", name, error))?;
        }

        let found = Found {
            pair: served,
            next: Some(pair(&secret, "next"))
                .filter(|next| !next.certificate.is_empty() || !next.key.is_empty())
                .map(|next| (next, annotation(&secret, NEXT_SINCE).parse().ok())),
            trusted,
            bundles: services.iter().map(|service| service.bundle.clone()).collect(),
        };
        let step = found.step(self.timing);
        let lost = self.lost(step, &found, &services, !annotation(&secret, RENEWED).is_empty());
        let made = match step {
            Step::Announce(_) | Step::Replace => {
                let more: Vec<String> = more.iter().cloned().chain(found.pair.names()).collect();
                Some(issue(&names(service, namespace, &more), *days, now).map_err(RenewError::Issue)?)
            }
            _ => None,
        };
        let authority = made.as_ref().and_then(|made| authorities(made.ca.as_bytes()).ok()?.pop());
        let trusted = found.trusted_after(step, authority, now);
        let mut report = format!("{place}: {}\n", self.report(step, &found, made.as_ref()));
        // Servers may still have a valid certificate, so the next one is trusted before it is served.
        let first = if step == Step::Replace { self.trust(step, &trusted, &services)? } else { String::new() };
        if let Some(fields) = fields(step, &found, &trusted, made.as_ref(), now) {
            let changed = secret.change(self.client, fields, self.deadline());
            changed.map_err(|error| self.failed("patch", "secrets", name, error))?;
        }
        report += &if step == Step::Replace { first } else { self.trust(step, &trusted, &services)? };
        if services.is_empty() {
            report += "no APIService refers to this Service yet\n";
        }
        Ok(Done { report, lost })
    }

    /// Compares the clocks: with a wrong clock, valid certificates seem invalid, and new ones are.
    fn check_clock(&self) -> Result<(), RenewError> {
        let Some(theirs) = self.client.server_time() else { return Ok(()) };
        let ours = unix(self.clock);
        match ours.abs_diff(theirs) > self.limits.renewal.skew.as_secs() {
            true => Err(RenewError::Clock(ours, theirs)),
            false => Ok(()),
        }
    }

    /// The authorities missing from APIServices, as happens if another tool sets their `caBundle`.
    fn lost(&self, step: Step, found: &Found, services: &[ApiService], was_renewed: bool) -> Option<RenewError> {
        let lost = |what| {
            let has_lost = |it: &&ApiService| found.lost(&it.bundle, step, self.timing, was_renewed) == Some(what);
            let names: Vec<_> = services.iter().filter(has_lost).map(|service| service.name).collect();
            (!names.is_empty()).then(|| RenewError::MissingAuthority(names.join(", "), what))
        };
        lost(MissingAuthority::Served).or_else(|| lost(MissingAuthority::Next))
    }

    /// The APIServices that refer to the Service and verify its certificate.
    fn services(&self) -> Result<Vec<ApiService>, RenewError> {
        let Renewal { service, namespace, .. } = self.renewal;
        let (mut services, mut is_unverified) = (Vec::new(), false);
        for name in API_SERVICES {
            let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}");
            let Some(stored) = self.read("apiservices", name, path)? else { continue };
            if (stored.text("/spec/service/namespace"), stored.text("/spec/service/name")) != (namespace, service) {
                continue;
            }
            if stored.content.pointer("/spec/insecureSkipTLSVerify") == Some(&Value::Bool(true)) {
                is_unverified = true;
                continue;
            }
            let text = STANDARD.decode(stored.text("/spec/caBundle")).unwrap_or_default();
            let bundle = if text.is_empty() { Ok(Vec::new()) } else { authorities(&text) };
            // It would be lost.
            let bundle = bundle.map_err(|why| RenewError::Bundle(name, why))?;
            services.push(ApiService { name, stored, bundle });
        }
        match services.is_empty() && is_unverified {
            true => Err(RenewError::Unverified(format!("{namespace}/{service}"))),
            false => Ok(services),
        }
    }

    /// Updates each `caBundle`, and returns a report of the changes.
    fn trust(&self, step: Step, trusted: &[Authority], services: &[ApiService]) -> Result<String, RenewError> {
        let mut report = String::new();
        for ApiService { name, stored, bundle: before } in services {
            let Some(wanted) = bundle_with(trusted, before, step, self.timing.now) else { continue };
            let fields = json!({"spec": {"caBundle": STANDARD.encode(bundle(&wanted))}});
            let changed = stored.change(self.client, fields, self.deadline());
            changed.map_err(|error| self.failed("patch", "apiservices", name, error))?;
            report += &format!("APIService {name}: caBundle contains {}\n", counted(wanted.len(), "certificate"));
        }
        Ok(report)
    }

    fn read(&self, resource: &'static str, name: &str, path: String) -> Result<Option<Stored>, RenewError> {
        let read = Stored::read(self.client, path, self.deadline());
        read.map_err(|error| self.failed("get", resource, name, error))
    }

    fn failed(&self, verb: &'static str, resource: &'static str, name: &str, error: CallError) -> RenewError {
        let name = match resource {
            "secrets" => format!("{name} in namespace {}", self.renewal.namespace),
            _ => name.to_owned(),
        };
        RenewError::Call(verb, resource, name, Box::new(error))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limits.renewal.call
    }

    /// The report of a step.
    fn report(&self, step: Step, found: &Found, made: Option<&Issued>) -> String {
        let Timing { now, renew_before, settle } = self.timing;
        let next = found.next.as_ref().map_or(0, |(next, _)| next.ends());
        let made = made.map_or(0, |made| pair_of(made).ends());
        match step {
            Step::Keep(ends) => {
                format!("valid until {}, renewal starts on {}", Time(ends), Time(ends - renew_before))
            }
            Step::Drop(ends) => format!("valid until {}, so the next certificate is removed", Time(ends)),
            Step::Announce(ends) => format!(
                "valid until {}; ca.crt holds the authority of the next certificate, which a run from {} on installs",
                Time(ends),
                Time(now + settle)
            ),
            Step::Wait(ends, since) => format!(
                "valid until {}; a run from {} on installs the next certificate",
                Time(ends),
                Time(now.max(since + settle))
            ),
            Step::Install => format!("installed the next certificate, valid until {}", Time(next)),
            Step::Replace => {
                format!("replaced an unusable certificate by one that is valid until {}", Time(made))
            }
        }
    }
}

/// The changes of a step to the Secret.
fn fields(step: Step, found: &Found, trusted: &[Authority], made: Option<&Issued>, now: i64) -> Option<Value> {
    let mut data = Map::new();
    let mut annotations = Map::new();
    let mut put = |name: &str, pair: Option<&Pair>| {
        let encoded = |text: &[u8]| STANDARD.encode(text).into();
        data.insert(format!("{name}.crt"), pair.map_or(Value::Null, |pair| encoded(&pair.certificate)));
        data.insert(format!("{name}.key"), pair.map_or(Value::Null, |pair| encoded(&pair.key)));
    };
    let made = made.map(pair_of);
    match step {
        Step::Wait(_, since) if found.next.as_ref().is_none_or(|(_, before)| *before != Some(since)) => {
            annotations.insert(NEXT_SINCE.to_owned(), since.to_string().into());
        }
        Step::Keep(_) | Step::Wait(..) if trusted == found.trusted => return None,
        Step::Keep(_) | Step::Wait(..) => {}
        Step::Announce(_) => {
            put("next", made.as_ref());
            annotations.insert(NEXT_SINCE.to_owned(), now.to_string().into());
        }
        Step::Drop(_) | Step::Install | Step::Replace => {
            if step == Step::Install {
                put("tls", found.next.as_ref().map(|(next, _)| next));
            } else if step == Step::Replace {
                put("tls", made.as_ref());
            }
            put("next", None);
            annotations.insert(NEXT_SINCE.to_owned(), Value::Null);
            if !matches!(step, Step::Drop(_)) {
                annotations.insert(RENEWED.to_owned(), now.to_string().into());
            }
        }
    }
    data.insert("ca.crt".to_owned(), STANDARD.encode(bundle(trusted)).into());
    Some(json!({"metadata": {"annotations": annotations}, "data": data}))
}

fn annotation<'a>(secret: &'a Stored, name: &str) -> &'a str {
    secret.text(&format!("/metadata/annotations/{}", name.replace('/', "~1")))
}

/// The time in Unix seconds.
fn unix(clock: &Clock) -> i64 {
    clock.now().unix_millis.div_euclid(1_000)
}

/// A file in the Secret.
fn data(secret: &Stored, name: &str) -> Vec<u8> {
    STANDARD.decode(secret.text(&format!("/data/{name}"))).unwrap_or_default()
}

fn pair(secret: &Stored, name: &str) -> Pair {
    Pair { certificate: data(secret, &format!("{name}.crt")), key: data(secret, &format!("{name}.key")) }
}

fn pair_of(issued: &Issued) -> Pair {
    Pair { certificate: issued.certificate.clone().into_bytes(), key: issued.key.clone().into_bytes() }
}

impl Done {
    fn nothing(place: &str, why: &str) -> Self {
        Self { report: format!("{place}: {why}\n"), lost: None }
    }
}

impl RenewError {
    /// Whether the object has been changed or deleted since it was read.
    fn is_outdated(&self) -> bool {
        match self {
            Self::Call("patch", .., error) => matches!(error.failure, CallFailure::Code(404 | 409, _)),
            _ => false,
        }
    }
}

impl fmt::Display for RenewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(verb, resource, name, error) => {
                write!(f, "cannot {verb} {resource} {name}: ")?;
                match error.failure {
                    CallFailure::Code(403, _) => {
                        write!(f, "RBAC does not grant Metriclet the verb {verb} on {resource} {name}")
                    }
                    _ => f.write_str(&error.detail()),
                }
            }
            Self::NoSecret(place) => {
                write!(f, "{place} does not exist; scripts/deploy or metriclet certs --secret creates it")
            }
            Self::Authority(place, why) => write!(f, "{place}: ca.crt {why}"),
            Self::Clock(ours, theirs) => {
                write!(f, "this clock differs from the API server's by {} s", ours.abs_diff(*theirs))
            }
            Self::MissingAuthority(names, what) => {
                let what = match what {
                    MissingAuthority::Served => "the authority of the certificate in use",
                    MissingAuthority::Next => "the next authority",
                };
                write!(f, "the caBundle of APIService {names} lost {what}")?;
                f.write_str("; does another tool (Argo CD, Flux, Helm) set it?")
            }
            Self::Unverified(service) => {
                write!(f, "no APIService that verifies certificates refers to the Service {service}")
            }
            Self::Bundle(name, why) => write!(f, "the caBundle of APIService {name} {why}"),
            Self::Issue(error) => write!(f, "cannot issue a certificate: {error}"),
            Self::Contended(attempts) => {
                write!(f, "other clients changed the Secret or an APIService in {attempts} tries")
            }
        }
    }
}
