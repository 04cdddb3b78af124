//! The report as one HTML page.

use std::fmt;

use super::query::Filter;
use super::report::{ErrorStatus, Report, RequestStatus, RuleStatus, SourceStatus, UrlStatus};
use super::sparkline::Sparkline;
use super::text::{Bytes, Counts, HtmlText, Markdown, Number, PodWatchList, Problems, TimeOfDay};
use crate::config::limits::StatusLimits;
use crate::parse::path::{CUSTOM_METRICS, EXTERNAL_METRICS};
use crate::parse::percent::Encoded;

pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");

/// Prints a report.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    pub(super) filter: &'a Filter,
    pub(super) limits: &'a StatusLimits,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing = Problems(self.report.failing());
        write!(
            f,
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>Metriclet: {failing}</title><style>{STYLE}</style>"
        )?;
        self.header(f)?;
        self.form(f)?;
        f.write_str("<main>")?;
        self.configuration(f)?;
        self.rules(f)?;
        self.hpas(f)?;
        self.unserved(f)?;
        self.report.adapters.iter().try_for_each(|adapter| self.adapter(f, adapter))?;
        self.sources(f)?;
        self.process(f)?;
        write!(f, "</main><script>{SCRIPT}</script>")
    }
}

impl Page<'_> {
    fn header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = &self.report.process;
        let failing = self.report.failing();
        let class = if failing == 0 { "o" } else { "e" };
        write!(f, "<header><h1>Metriclet</h1><p><b class={class}>{}</b> · {}", Problems(failing), process.version)?;
        if let Some(time) = process.time {
            write!(f, " · <time>{time}</time>")?;
        }
        f.write_str(
            " <span id=offline class=e role=status hidden>· does not respond; this is the last state</span></header>",
        )
    }

    fn form(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Filter { namespace, wrong } = self.filter;
        let checked = if *wrong { " checked" } else { "" };
        let hpas = if self.report.hpas.is_some() { "<a href=#hpas>HPAs</a>" } else { "" };
        write!(
            f,
            "<nav aria-label=Sections><a href=#rules>Rules</a>{hpas}<a href=#sources>Sources</a><a href=#process>Process</a>\
             <a href=/status.json>JSON</a></nav><form role=search aria-label=Filter><label>Namespace <input name=namespace value=\"{}\"></label>\
             <label><input type=checkbox name=wrong value=true{checked}> Problems only</label><button>Show</button></form>",
            self.text(namespace.as_deref().unwrap_or_default())
        )
    }

    fn configuration(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let configuration = &self.report.configuration;
        let Some(file) = &configuration.file else { return Ok(()) };
        write!(f, "<p>Configuration <code>{}</code>", self.text(file))?;
        if let Some(loaded) = configuration.loaded {
            write!(f, ", loaded <time>{loaded}</time>")?;
        }
        if configuration.is_rejected {
            f.write_str("<p class=e>The file was rejected; the previous configuration is in use.")?;
        }
        for problem in configuration.problems.iter().take(self.limits.rows) {
            write!(f, "<p class=e>{}", self.text(problem))?;
        }
        self.more(f, configuration.problems.len())
    }

    fn rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<section aria-labelledby=rules><h2 id=rules>Rules</h2>")?;
        let shown = |rule: &&RuleStatus| {
            (!self.filter.wrong || rule.is_failing())
                && self.filter.namespace.as_ref().is_none_or(|_| rule.requests.iter().any(|it| self.shows(it)))
        };
        let rules = || self.report.rules.iter().filter(shown);
        rules().take(self.limits.rules).try_for_each(|rule| self.rule(f, rule))?;
        match rules().count() {
            0 => f.write_str("<p>No rule to show.")?,
            count if count > self.limits.rules => {
                write!(f, "<p>{} more: use the filters, or the JSON.", count - self.limits.rules)?;
            }
            _ => {}
        }
        f.write_str("</section>")
    }

    fn rule(&self, f: &mut fmt::Formatter<'_>, rule: &RuleStatus) -> fmt::Result {
        let (id, metric) = (self.text(&rule.id), self.text(&rule.metric));
        write!(f, "<article id=\"r-{id}\"><h3><a href=\"#r-{}\">{metric}</a></h3><p>", Encoded::unreserved(&rule.id))?;
        match rule.is_external {
            true => f.write_str("external")?,
            false => f.write_str(&rule.resources.join(", "))?,
        }
        if let Some(source) = &rule.source {
            write!(f, " from <bdi>{}</bdi>", self.text(source))?;
        }
        if let Some(line) = rule.line {
            write!(f, ", line {line}")?;
        }
        if let Some(value) = &rule.value {
            write!(f, ": <code>{}</code>", self.text(value))?;
        }
        if !rule.objects.is_empty() {
            write!(f, "<p>describes {}", self.text(&rule.objects.join(", ")))?;
        }
        if let Some(problem) = &rule.problem {
            write!(f, "<p class=e>{}", self.text(problem))?;
        }
        rule.shadow.iter().try_for_each(|shadow| self.shadow(f, shadow))?;
        let requests = || rule.requests.iter().filter(|request| self.shows(request));
        match requests().count() {
            0 => f.write_str("<p><small>not requested within the last hour</small>")?,
            _ => self.requests(f, requests())?,
        }
        f.write_str("</article>")
    }

    fn unserved(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = || self.report.unserved.iter().filter(|request| self.shows(request));
        if requests().next().is_none() {
            return Ok(());
        }
        f.write_str("<section aria-labelledby=unserved><h2 id=unserved>Requests that no rule serves</h2><article>")?;
        self.requests(f, requests())?;
        f.write_str("</article></section>")
    }

    pub(super) fn requests<'r>(
        &self,
        f: &mut fmt::Formatter<'_>,
        requests: impl Iterator<Item = &'r RequestStatus>,
    ) -> fmt::Result {
        f.write_str("<ul>")?;
        let mut count = 0;
        for request in requests {
            count += 1;
            if count <= self.limits.rows {
                self.request(f, request)?;
            }
        }
        f.write_str("</ul>")?;
        self.more(f, count)
    }

    fn request(&self, f: &mut fmt::Formatter<'_>, request: &RequestStatus) -> fmt::Result {
        f.write_str("<li><span>")?;
        if let Some(object) = &request.object {
            write!(f, "<b>{}</b> ", self.text(object))?;
        }
        if let Some(namespace) = &request.namespace {
            write!(f, "in {}", self.text(namespace))?;
        }
        f.write_str("</span><span>")?;
        if let Some(value) = request.value {
            write!(f, "<b>{}</b>", Number(value))?;
            if request.items != 1 {
                write!(f, " <small>of {}</small>", request.items)?;
            }
        }
        let (asked, client) = (request.asked, request.client);
        write!(f, "</span>{}<p><small>asked {asked} by {client}", Sparkline(&request.history))?;
        if let Some(measured) = request.measured {
            write!(f, ", value of {}", TimeOfDay { time: measured, day: asked })?;
        }
        f.write_str("</small>")?;
        if !request.left_out.is_empty() {
            write!(f, "<p>left out: {}", Counts(&request.left_out))?;
        }
        if let Some(error) = &request.error {
            self.error(f, error)?;
        }
        let path = abbreviated(&request.path).replace('\'', "%27");
        write!(f, "<p><code>metriclet get -v '{}'</code>", self.text(&path))
    }

    pub(super) fn error(&self, f: &mut fmt::Formatter<'_>, error: &ErrorStatus) -> fmt::Result {
        f.write_str("<p class=e>")?;
        if let Some(code) = error.code {
            write!(f, "{code} ")?;
        }
        write!(f, "{}", self.text(&error.message))?;
        if let Some(fix) = error.fix {
            write!(f, "<p>Fix: {}", Markdown(fix))?;
        }
        Ok(())
    }

    fn sources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<section aria-labelledby=sources><h2 id=sources>Sources</h2>")?;
        let shown = self.report.sources.iter().filter(|source| !self.filter.wrong || source.is_failing());
        shown.take(self.limits.rules).try_for_each(|source| self.source(f, source))?;
        f.write_str("</section>")
    }

    fn source(&self, f: &mut fmt::Formatter<'_>, source: &SourceStatus) -> fmt::Result {
        let SourceStatus { name, kind, fetched, failed, cached, bytes, pods_answered, pods_joined, urls } = source;
        write!(
            f,
            "<article><h3>{}</h3><p>{kind}: {fetched} fetched, {failed} failed, {cached} from the cache, {} read",
            self.text(name),
            Bytes(*bytes)
        )?;
        if *pods_joined > 0 {
            write!(f, ", {pods_answered} of {pods_joined} pods answered")?;
        }
        f.write_str("<ul>")?;
        urls.iter().take(self.limits.rows).try_for_each(|url| self.url(f, url))?;
        f.write_str("</ul>")?;
        self.more(f, urls.len())?;
        f.write_str("</article>")
    }

    fn url(&self, f: &mut fmt::Formatter<'_>, url: &UrlStatus) -> fmt::Result {
        let (class, state) = if url.is_failing { ("e", "fails") } else { ("o", "answers") };
        write!(f, "<li><span>{}</span><b class={class}>{state}</b><p><small>since {}", self.text(&url.url), url.since)?;
        match url.last_success {
            Some(time) => write!(
                f,
                ", last success {time}: {} ms, {}, {} samples</small>",
                url.milliseconds,
                Bytes(url.bytes),
                url.samples
            )?,
            None => f.write_str(", no success yet</small>")?,
        }
        url.error.iter().try_for_each(|error| self.error(f, error))
    }

    fn process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = &self.report.process;
        f.write_str("<section aria-labelledby=process><h2 id=process>Process</h2><dl>")?;
        let mut row = |name: &str, value: &dyn fmt::Display| write!(f, "<dt>{name}<dd>{value}");
        process.started.iter().try_for_each(|started| row("Started", started))?;
        process.resident_bytes.iter().try_for_each(|bytes| row("Memory", &Bytes(*bytes)))?;
        process.threads.iter().try_for_each(|threads| row("Threads", threads))?;
        row("Requests waiting for a worker", &process.queued)?;
        row("Connections", &Counts(&process.connections))?;
        row("Refused since the start", &Counts(&process.refused))?;
        row("Watches of pods", &PodWatchList(&process.pod_watches))?;
        if let (Some(expires), Some(days)) = (process.certificate_expires, process.certificate_days_left) {
            let class = if process.is_certificate_expiring { " class=e" } else { "" };
            write!(f, "<dt>Certificate<dd{class}>expires {expires}, {days} days left")?;
        }
        f.write_str("</dl></section>")
    }

    /// Prints the number of rows that are not shown.
    pub(super) fn more(&self, f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
        match count.saturating_sub(self.limits.rows) {
            0 => Ok(()),
            more => write!(f, "<p>{more} more in the JSON"),
        }
    }

    pub(super) fn shows(&self, request: &RequestStatus) -> bool {
        (!self.filter.wrong || request.is_failing())
            && self.filter.namespace.as_ref().is_none_or(|namespace| request.namespace.as_ref() == Some(namespace))
    }

    pub(super) fn text<'t>(&self, text: &'t str) -> HtmlText<'t> {
        HtmlText { text, longest: self.limits.text }
    }
}

/// The abbreviated path that `metriclet get` accepts.
fn abbreviated(path: &str) -> String {
    let after = |group: &str, version: &str| path.strip_prefix("/apis/")?.strip_prefix(group)?.strip_prefix(version);
    let external = after(EXTERNAL_METRICS, "/v1beta1/namespaces/").map(|rest| format!("external/{rest}"));
    external.or_else(|| after(CUSTOM_METRICS, "/v1beta2/").map(str::to_owned)).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::meta::Time;
    use crate::status::answers::Point;
    use crate::status::hpa::HpasStatus;

    #[test]
    fn abbreviates_paths_for_the_command() {
        for (path, expected) in [
            (
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/a?labelSelector=b",
                "namespaces/shop/pods/*/a?labelSelector=b",
            ),
            ("/apis/custom.metrics.k8s.io/v1beta1/nodes/a/b", "/apis/custom.metrics.k8s.io/v1beta1/nodes/a/b"),
            ("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/a", "external/shop/a"),
            ("/apis/custom.metrics.k8s.io.v1beta2/", "/apis/custom.metrics.k8s.io.v1beta2/"),
        ] {
            assert_eq!(abbreviated(path), expected);
        }
    }

    /// A rule that was requested during the whole last hour.
    fn rule(number: u8) -> RuleStatus {
        let metric = format!("http_requests_per_second_{number}");
        let (namespace, object) = (format!("team-{number}"), "services/checkout-frontend");
        let points =
            (0..240_u16).map(|at| Point::Value(f32::from(at.wrapping_mul(37 + u16::from(number)) % 1_000) / 8.0));
        let request = RequestStatus {
            path: format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/{object}/{metric}"),
            namespace: Some(namespace),
            object: Some(object.to_owned()),
            client: "HPA controller",
            asked: Time(1_790_000_000),
            value: Some(1_234.567),
            items: 1,
            measured: Some(Time(1_790_000_000)),
            left_out: Vec::new(),
            error: None,
            history: points.collect(),
        };
        RuleStatus {
            id: metric.clone(),
            metric,
            is_external: false,
            resources: vec!["services".to_owned()],
            objects: Vec::new(),
            source: Some("prometheus".to_owned()),
            value: Some("sum(rate(http_requests_total{code!~\"5..\"}[2m]))".to_owned()),
            line: Some(100),
            problem: None,
            shadow: None,
            requests: vec![request],
        }
    }

    #[test]
    fn a_certificate_that_expires_soon_is_marked() {
        for (is_certificate_expiring, expected) in [
            (false, "<dt>Certificate<dd>expires 2026-09-21T14:13:20Z, 9 days left"),
            (true, "<dt>Certificate<dd class=e>expires 2026-09-21T14:13:20Z, 9 days left"),
        ] {
            let mut report = Report::default();
            report.process.certificate_expires = Some(Time(1_790_000_000));
            report.process.certificate_days_left = Some(9);
            report.process.is_certificate_expiring = is_certificate_expiring;
            let (filter, limits) = (Filter::default(), StatusLimits::default());
            let page = Page { report: &report, filter: &filter, limits: &limits }.to_string();
            assert!(page.contains(expected), "{page}");
        }
    }

    #[test]
    fn hpas_are_shown_beside_the_error_of_a_newer_list() {
        let page = |listed, problem: Option<&str>, query| {
            let problem = problem.map(str::to_owned);
            let hpas = Some(HpasStatus { listed, problem, left_out: 7, ..HpasStatus::default() });
            let (report, filter) = (Report { hpas, ..Report::default() }, Filter::parse(query));
            let page = Page { report: &report, filter: &filter, limits: &StatusLimits::default() }.to_string();
            page.split("<h2 id=hpas>HPAs</h2>").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
        };
        let listed = Some(Time(1_790_000_000));
        let as_of = "<p><small>as of 2026-09-21T14:13:20Z</small>";
        let left_out = "<p>7 more are left out.";
        for (found, expected) in [
            (page(None, Some("no <right>"), ""), "<p>no &lt;right&gt;".to_owned()),
            (page(listed, Some("late"), ""), format!("<p>late{as_of}<p>No HPA to show.{left_out}")),
            (page(listed, None, "wrong=true"), format!("{as_of}<p>No HPA matches the filters.{left_out}")),
            (page(listed, None, "namespace=shop"), format!("{as_of}<p>No HPA matches the filters.{left_out}")),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn fifty_rules_with_full_curves_fit_into_40_kilobytes() {
        let report = Report { rules: (0..50).map(rule).collect(), ..Report::default() };
        let (filter, limits) = (Filter::default(), StatusLimits::default());
        let page = Page { report: &report, filter: &filter, limits: &limits }.to_string();
        assert_eq!(page.matches("<path d=").count(), 50);
        assert!(page.len() < 40_000, "{} bytes", page.len());
    }
}
