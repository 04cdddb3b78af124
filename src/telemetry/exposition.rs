//! Metriclet's own `/metrics` page, Prometheus text 0.0.4. Metrics that other adapters also have use the same names.

use std::fmt::{self, Write};

use super::clock::Now;
use super::connections::Connections;
use super::counters::{BUCKETS, CODES, Counter, Counters, ENCODINGS, Requests, Route};
use super::pod_watches::{PodWatchGauges, PodWatches};
use super::process::Process;
use crate::parse::path::{Group, Version};

/// The page's Content-Type.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Prints the whole page.
pub(crate) fn page(counters: &Counters, process: &Process, started: Now, version: &str) -> String {
    let mut page = Page(String::with_capacity(8 * 1024));
    page.family("metriclet_build_info", "gauge", "Always 1, with the version as a label.");
    page.sample("metriclet_build_info", &format_args!("{{version=\"{}\"}}", Label(version)), 1);
    page.requests(counters);
    page.sources(counters);
    page.family("metriclet_objects_left_out_total", "counter", "Objects left out of answers for *, by reason.");
    for (reason, count) in counters.all_left_out() {
        page.sample("metriclet_objects_left_out_total", &format_args!("{{reason=\"{}\"}}", Label(reason)), count);
    }
    page.family("metriclet_stand_in_values_total", "counter", "Values served while a source failed (onUnavailable).");
    for (kind, count) in counters.all_stood_in() {
        page.sample("metriclet_stand_in_values_total", &format_args!("{{kind=\"{kind}\"}}"), count);
    }
    page.family("metriclet_config_reloads_total", "counter", "Reloads of the configuration.");
    for (outcome, counter) in [("failed", &counters.reloads_failed), ("succeeded", &counters.reloads_succeeded)] {
        page.sample("metriclet_config_reloads_total", &format_args!("{{outcome=\"{outcome}\"}}"), counter.get());
    }
    if let Some(hash) = counters.config() {
        page.family("metriclet_config_info", "gauge", "Always 1, with the hash of the configuration file in use.");
        page.sample("metriclet_config_info", &format_args!("{{hash=\"{hash}\"}}"), 1);
    }
    page.single(
        "metriclet_config_last_reload_successful",
        "gauge",
        "Whether the latest version of the configuration file is in use.",
        counters.reload_successful.get(),
    );
    page.single("metriclet_broken_rules", "gauge", "Rules that cannot be served.", counters.broken_rules.get());
    page.single("metriclet_queued_requests", "gauge", "Requests waiting for a worker.", counters.queued.get());
    let overloaded = counters.overloaded.get();
    page.single(
        "metriclet_overloaded_requests_total",
        "counter",
        "Requests rejected because no worker was free.",
        overloaded,
    );
    page.single(
        "metriclet_panics_total",
        "counter",
        "Bugs, each of which ended one request or fetch.",
        counters.panics.get(),
    );
    page.pod_watches(&counters.pod_watches);
    page.forwarded(counters);
    page.connections(&counters.connections);
    page.access(counters);
    page.process(process, started);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &dyn fmt::Display, value: impl fmt::Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &"", value);
    }

    /// Writing to a string cannot fail.
    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    fn requests(&mut self, counters: &Counters) {
        self.family("apiserver_request_total", "counter", "Requests, by route and code.");
        for route in Route::ALL {
            for (code, counter) in CODES.iter().zip(&counters.requests(route).codes) {
                if counter.get() > 0 {
                    let labels = format_args!("{{{},code=\"{code}\"}}", RouteLabels(route)).to_string();
                    self.sample("apiserver_request_total", &labels, counter.get());
                }
            }
        }
        self.family("apiserver_request_duration_seconds", "histogram", "Time from a request's head to its response.");
        for route in Route::ALL {
            self.durations(route, counters.requests(route));
        }
        let name = "metriclet_metric_answers_total";
        self.family(name, "counter", "Responses with values of metrics, by media type.");
        for (media_type, counter) in ENCODINGS.iter().zip(&counters.encodings) {
            self.sample(name, &format_args!("{{media_type=\"{media_type}\"}}"), counter.get());
        }
    }

    fn durations(&mut self, route: Route, requests: &Requests) {
        let count: u64 = requests.codes.iter().map(Counter::get).sum();
        if count == 0 {
            return;
        }
        let labels = RouteLabels(route);
        let mut below = 0;
        for (bound, bucket) in BUCKETS.iter().zip(&requests.buckets) {
            below += bucket.get();
            self.line(format_args!("apiserver_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {below}"));
        }
        self.line(format_args!("apiserver_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}"));
        let seconds = requests.micros.get() as f64 / 1e6;
        self.line(format_args!("apiserver_request_duration_seconds_sum{{{labels}}} {seconds}"));
        self.line(format_args!("apiserver_request_duration_seconds_count{{{labels}}} {count}"));
    }

    fn sources(&mut self, counters: &Counters) {
        let sources = counters.sources();
        self.family("metriclet_fetches_total", "counter", "Fetches of a source's pages, by outcome.");
        for (source, fetches) in &sources {
            for (outcome, counter) in [("failed", &fetches.failed), ("succeeded", &fetches.succeeded)] {
                let labels = format_args!("{{source=\"{}\",outcome=\"{outcome}\"}}", Label(source)).to_string();
                self.sample("metriclet_fetches_total", &labels, counter.get());
            }
        }
        self.family("metriclet_fetched_bytes_total", "counter", "Bytes of a source's pages.");
        for (source, fetches) in &sources {
            let labels = format_args!("{{source=\"{}\"}}", Label(source)).to_string();
            self.sample("metriclet_fetched_bytes_total", &labels, fetches.bytes.get());
        }
        let help = "Running pods whose pages were requested to be joined, by outcome.";
        self.family("metriclet_joined_pods_total", "counter", help);
        for (source, fetches) in &sources {
            for (outcome, counter) in [("failed", &fetches.pods_failed), ("succeeded", &fetches.pods_answered)] {
                let labels = format_args!("{{source=\"{}\",outcome=\"{outcome}\"}}", Label(source)).to_string();
                self.sample("metriclet_joined_pods_total", &labels, counter.get());
            }
        }
        let help = "Pages that show that several replicas alternate behind one URL.";
        self.family("metriclet_alternating_pages_total", "counter", help);
        for (source, fetches) in &sources {
            let labels = format_args!("{{source=\"{}\"}}", Label(source)).to_string();
            self.sample("metriclet_alternating_pages_total", &labels, fetches.turns.get());
        }
    }

    fn forwarded(&mut self, counters: &Counters) {
        let name = "metriclet_forwarded_requests_total";
        self.family(name, "counter", "Requests for metrics to other adapters, by code.");
        for group in Group::ALL {
            for (code, count) in counters.forwarded(group).all().filter(|(_, count)| *count > 0) {
                self.sample(name, &format_args!("{{group=\"{}\",code=\"{code}\"}}", group.as_str()), count);
            }
        }
    }

    fn pod_watches(&mut self, watches: &PodWatches) {
        let name = "metriclet_pod_selections_total";
        self.family(name, "counter", "Selections of pods that were answered, by where the pods come from.");
        for (from, counter) in [("list", &watches.listed), ("watch", &watches.watched)] {
            self.sample(name, &format_args!("{{from=\"{from}\"}}"), counter.get());
        }
        let all = watches.all();
        let name = "metriclet_pod_watch_state";
        self.family(name, "gauge", "Always 1, with the state of the watch of the pods of a namespace.");
        for (namespace, gauges) in &all {
            let state = gauges.watch_state().as_str();
            self.sample(name, &format_args!("{{namespace=\"{}\",state=\"{state}\"}}", Label(namespace)), 1);
        }
        let name = "metriclet_pod_watch_last_contact_timestamp_seconds";
        self.family(name, "gauge", "When a watch last received something, Unix time; 0 before.");
        for (namespace, gauges) in &all {
            let seconds = gauges.contact() as f64 / 1000.0;
            self.sample(name, &format_args!("{{namespace=\"{}\"}}", Label(namespace)), seconds);
        }
        for (name, kind, help, of) in [
            (
                "metriclet_pod_watch_pods",
                "gauge",
                "Pods that a watch keeps.",
                (|of| &of.pods) as fn(&PodWatchGauges) -> &Counter,
            ),
            ("metriclet_pod_watch_bytes", "gauge", "Size of the pods that a watch keeps.", |of| &of.bytes),
            ("metriclet_pod_watch_events_total", "counter", "Events that a watch received.", |of| &of.events),
            ("metriclet_pod_watch_lists_total", "counter", "Lists of its whole namespace that a watch made.", |of| {
                &of.lists
            }),
        ] {
            self.family(name, kind, help);
            for (namespace, gauges) in &all {
                self.sample(name, &format_args!("{{namespace=\"{}\"}}", Label(namespace)), of(gauges).get());
            }
        }
    }

    fn connections(&mut self, connections: &Connections) {
        let [failed, refused] = ["apiserver_tls_handshake_errors_total", "metriclet_connections_refused_total"];
        let all = connections.handshakes_failed().map(|(_, count)| count).sum::<u64>();
        self.single(failed, "counter", "Failed TLS handshakes.", all);
        let reasons = [
            ("metriclet_tls_handshake_failures_total", "Failed TLS handshakes, by reason."),
            (refused, "Rejected connections, by reason."),
            ("metriclet_connections_ended_total", "Served connections that have ended, by reason."),
        ];
        let [handshakes, turned_away, ended] = reasons;
        self.reasons(handshakes, connections.handshakes_failed());
        self.reasons(turned_away, connections.refused());
        self.reasons(ended, connections.ended());
        self.family("metriclet_connections_open", "gauge", "Open connections, by class of the client.");
        for (client_class, count) in connections.open() {
            self.sample("metriclet_connections_open", &format_args!("{{client=\"{client_class}\"}}"), count);
        }
        for (name, kind, help, counter) in [
            ("metriclet_connections_accepted_total", "counter", "Connections accepted.", &connections.accepted),
            (
                "metriclet_accept_pauses_total",
                "counter",
                "Pauses of accepting because file descriptors or memory ran out.",
                &connections.accept_pauses,
            ),
            (
                "metriclet_unproven_client_certificates_total",
                "counter",
                "Client certificates ignored because the client did not prove possession of the key.",
                &connections.unproven_certificates,
            ),
            (
                "metriclet_serving_certificate_expiration_timestamp_seconds",
                "gauge",
                "Expiry of the serving certificate, Unix time; 0 without a secure listener.",
                &connections.certificate_expires,
            ),
        ] {
            self.single(name, kind, help, counter.get());
        }
        self.family("metriclet_serving_certificate_reloads_total", "counter", "New serving certificates.");
        let outcomes = [("failed", &connections.certificates_refused), ("succeeded", &connections.certificates_loaded)];
        for (outcome, counter) in outcomes {
            let labels = format_args!("{{outcome=\"{outcome}\"}}").to_string();
            self.sample("metriclet_serving_certificate_reloads_total", &labels, counter.get());
        }
    }

    fn access(&mut self, counters: &Counters) {
        for (name, help, attempts, results) in [
            (
                "authentication_attempts",
                "Attempts to authenticate a request.",
                &counters.authentication,
                ["success", "failure", "error"],
            ),
            (
                "authorization_attempts_total",
                "Attempts to authorize a request.",
                &counters.authorization,
                ["allowed", "denied", "error"],
            ),
        ] {
            self.family(name, "counter", help);
            for (result, count) in results.iter().zip(attempts.all()) {
                self.sample(name, &format_args!("{{result=\"{result}\"}}"), count);
            }
        }
        for (name, help, calls) in [
            ("apiserver_delegated_authn_request_total", "TokenReviews, by code.", &counters.token_reviews),
            ("apiserver_delegated_authz_request_total", "SubjectAccessReviews, by code.", &counters.access_reviews),
        ] {
            self.family(name, "counter", help);
            for (code, count) in calls.all() {
                self.sample(name, &format_args!("{{code=\"{code}\"}}"), count);
            }
        }
    }

    fn reasons(&mut self, (name, help): (&str, &str), counts: impl Iterator<Item = (&'static str, u64)>) {
        self.family(name, "counter", help);
        for (reason, count) in counts {
            self.sample(name, &format_args!("{{reason=\"{reason}\"}}"), count);
        }
    }

    fn process(&mut self, process: &Process, started: Now) {
        if let Some(seconds) = process.cpu_seconds {
            self.single("process_cpu_seconds_total", "counter", "User and system time.", seconds);
        }
        for (name, help, value) in [
            ("process_open_fds", "Open file descriptors.", process.open_fds),
            ("process_resident_memory_bytes", "Resident set.", process.resident_bytes),
            ("process_threads", "Threads.", process.threads),
            ("process_virtual_memory_bytes", "Address space.", process.virtual_bytes),
        ] {
            if let Some(value) = value {
                self.single(name, "gauge", help, value);
            }
        }
        let seconds = started.unix_millis as f64 / 1000.0;
        self.single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", seconds);
    }
}

/// The labels that API servers written in Go use to count requests.
struct RouteLabels(Route);

impl fmt::Display for RouteLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom = |version: Version| (Group::Custom.as_str(), version.as_str(), "custom-metrics");
        let none = ("", "", "");
        let (verb, (group, version, component), resource, scope) = match self.0 {
            Route::Namespaced(version) => ("GET", custom(version), "*", "resource"),
            Route::RootScoped(version) => ("LIST", custom(version), "*", "cluster"),
            Route::External => {
                ("LIST", (Group::External.as_str(), Version::V1Beta1.as_str(), "external-metrics"), "*", "cluster")
            }
            Route::Discovery => ("GET", none, "discovery", ""),
            Route::Health => ("GET", none, "health", ""),
            Route::OwnMetrics => ("GET", none, "metrics", ""),
            Route::Status => ("GET", none, "status", ""),
            Route::Other => ("GET", none, "other", ""),
        };
        let subresource = if version.is_empty() { "" } else { "*" };
        write!(
            f,
            "verb=\"{verb}\",group=\"{group}\",version=\"{version}\",resource=\"{resource}\",\
             subresource=\"{subresource}\",scope=\"{scope}\",component=\"{component}\""
        )
    }
}

/// An escaped label value.
pub(crate) struct Label<'a>(pub(crate) &'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}
