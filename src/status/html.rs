//! The report as one HTML page. Everything from outside is escaped, and isolated from the direction of the text around.

use std::fmt::{self, Write};

use super::query::Filter;
use super::report::{Count, ErrorStatus, Report, RequestStatus, RuleStatus, SourceStatus, UrlStatus};
use super::sparkline::Sparkline;
use crate::config::limits::StatusLimits;
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
            " <span id=offline class=e role=status hidden>· does not answer; this is the last state</span></header>",
        )
    }

    fn form(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Filter { namespace, wrong } = self.filter;
        let checked = if *wrong { " checked" } else { "" };
        write!(
            f,
            "<nav aria-label=Sections><a href=#rules>Rules</a><a href=#sources>Sources</a><a href=#process>Process</a>\
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
            write!(f, " from {}", self.text(source))?;
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

    fn requests<'r>(
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
            write!(f, "<small>in</small> {} ", self.text(namespace))?;
        }
        write!(f, "<small>for {}</small></span><span>", request.client)?;
        if let Some(value) = request.value {
            write!(f, "<b>{}</b>", Number(value))?;
            if request.items != 1 {
                write!(f, " <small>of {}</small>", request.items)?;
            }
        }
        write!(f, "</span>{}<p><small>asked {}", Sparkline(&request.history), request.asked)?;
        if let Some(measured) = request.measured {
            write!(f, ", value of {measured}")?;
        }
        f.write_str("</small>")?;
        if !request.left_out.is_empty() {
            write!(f, "<p>left out: {}", Counts(&request.left_out))?;
        }
        if let Some(error) = &request.error {
            self.error(f, error)?;
        }
        write!(f, "<p><code>metriclet get -v '{}'</code>", self.text(&request.path.replace('\'', "%27")))
    }

    fn error(&self, f: &mut fmt::Formatter<'_>, error: &ErrorStatus) -> fmt::Result {
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
        if let (Some(expires), Some(days)) = (process.certificate_expires, process.certificate_days_left) {
            row("Certificate", &format_args!("expires {expires}, {days} days left"))?;
        }
        f.write_str("</dl></section>")
    }

    /// Says that there are more rows than are shown.
    fn more(&self, f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
        match count.saturating_sub(self.limits.rows) {
            0 => Ok(()),
            more => write!(f, "<p>{more} more in the JSON"),
        }
    }

    fn shows(&self, request: &RequestStatus) -> bool {
        (!self.filter.wrong || request.is_failing())
            && self.filter.namespace.as_ref().is_none_or(|namespace| request.namespace.as_ref() == Some(namespace))
    }

    fn text<'t>(&self, text: &'t str) -> HtmlText<'t> {
        HtmlText { text, longest: self.limits.text }
    }
}

/// Text for an element or a quoted attribute, cut where it is too long. Control characters, and those that turn the
/// direction of text, are shown as their code.
struct HtmlText<'a> {
    text: &'a str,
    longest: usize,
}

impl fmt::Display for HtmlText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in self.text.chars().enumerate() {
            if at == self.longest {
                return f.write_char('…');
            }
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A cell of our own documentation: code between backticks, and the text of links.
struct Markdown<'a>(&'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text| HtmlText { text, longest: usize::MAX };
        for (at, part) in self.0.split('`').enumerate() {
            if at % 2 == 1 {
                write!(f, "<code>{}</code>", text(part))?;
                continue;
            }
            for (at, part) in part.split('[').enumerate() {
                match part.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(')')?.1))) {
                    Some((name, rest)) if at > 0 => write!(f, "{}{}", text(name), text(rest))?,
                    _ => write!(f, "{}", text(part))?,
                }
            }
        }
        Ok(())
    }
}

mod adapters;

struct Problems(usize);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no problems"),
            1 => f.write_str("1 problem"),
            count => write!(f, "{count} problems"),
        }
    }
}

struct Counts<'a>(&'a [Count]);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, Count { name, count }) in self.0.iter().enumerate() {
            write!(f, "{}{count} {}", if at == 0 { "" } else { ", " }, name.replace('_', " "))?;
        }
        Ok(())
    }
}

/// A value with at most three digits after the point, as it is served.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_024 => write!(f, "{bytes} B"),
            bytes @ 1_024..1_048_576 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{} MiB", bytes >> 20),
        }
    }
}
