//! The HPA section of the page.

use std::fmt;

use super::hpa::{HpaMetricStatus, HpaStatus, HpasStatus, ObjectStatus};
use super::html::Page;
use super::query::Filter;
use super::text::Number;
use crate::parse::percent::Encoded;

impl Page<'_> {
    pub(super) fn hpas(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(HpasStatus { listed, problem, left_out, items, .. }) = &self.report.hpas else { return Ok(()) };
        f.write_str("<section aria-labelledby=hpas><h2 id=hpas>HPAs</h2>")?;
        if let Some(problem) = problem {
            write!(f, "<p>{}", self.text(problem))?;
        }
        let Some(listed) = listed else { return f.write_str("</section>") };
        write!(f, "<p><small>as of {listed}</small>")?;
        let shown = || items.iter().filter(|hpa| self.shows_hpa(hpa));
        shown().take(self.limits.hpas_on_page).try_for_each(|hpa| self.hpa(f, hpa))?;
        match shown().count() {
            0 if *self.filter == Filter::default() => f.write_str("<p>No HPA to show.")?,
            0 => f.write_str("<p>No HPA matches the filters.")?,
            count if count > self.limits.hpas_on_page => {
                write!(f, "<p>{} more: use the filters, or the JSON.", count - self.limits.hpas_on_page)?;
            }
            _ => {}
        }
        if *left_out > 0 {
            write!(f, "<p>{left_out} more are left out.")?;
        }
        f.write_str("</section>")
    }

    fn hpa(&self, f: &mut fmt::Formatter<'_>, hpa: &HpaStatus) -> fmt::Result {
        let HpaStatus { namespace, name, target, min_replicas, max_replicas, .. } = hpa;
        let (id, text) = (format!("h-{namespace}/{name}"), format!("{namespace}/{name}"));
        let (link, id, text) = (Encoded::unreserved(&id), self.text(&id), self.text(&text));
        write!(f, "<article id=\"{id}\"><h3><a href=\"#{link}\">{text}</a></h3><p>")?;
        if let Some(ObjectStatus { kind, name, .. }) = target {
            write!(f, "<bdi>{}/{}</bdi>: ", self.text(kind), self.text(name))?;
        }
        if let Some(current) = hpa.current_replicas {
            write!(f, "{current} replicas, ")?;
        }
        if let Some(desired) = hpa.desired_replicas {
            write!(f, "{desired} desired, ")?;
        }
        write!(f, "{min_replicas} to {} allowed<ul>", max_replicas.unwrap_or(*min_replicas))?;
        hpa.metrics.iter().take(self.limits.rows).try_for_each(|metric| self.hpa_metric(f, metric))?;
        f.write_str("</ul>")?;
        self.more(f, hpa.metrics.len())?;
        for condition in hpa.conditions.iter().take(self.limits.rows) {
            let class = if condition.is_failing() { " class=e" } else { "" };
            let [kind, status, reason, message] =
                [&condition.kind, &condition.status, &condition.reason, &condition.message].map(|it| self.text(it));
            write!(f, "<p{class}>{kind} {status}: {reason}: {message}")?;
        }
        f.write_str("</article>")
    }

    fn hpa_metric(&self, f: &mut fmt::Formatter<'_>, metric: &HpaMetricStatus) -> fmt::Result {
        let name = self.text(&metric.name);
        f.write_str("<li><span>")?;
        let is_shown = |id: &&String| self.report.rules.iter().take(self.limits.rules).any(|rule| rule.id == **id);
        match metric.rule.as_ref().filter(is_shown) {
            // The link removes the filters, which may hide the rule.
            Some(id) => write!(f, "<a href=\"/status#r-{}\">{name}</a>", Encoded::unreserved(id))?,
            None => write!(f, "<b>{name}</b>")?,
        }
        if !metric.selector.is_empty() {
            write!(f, " <bdi>{}</bdi>", self.text(&metric.selector))?;
        }
        write!(f, " <small>{}", metric.kind)?;
        if let Some(ObjectStatus { kind, name, .. }) = &metric.object {
            write!(f, " {}/{}", self.text(kind), self.text(name))?;
        }
        f.write_str("</small></span><span>")?;
        match metric.current {
            Some(current) => write!(f, "<b>{}</b> <small>", Number(current))?,
            None => f.write_str("<small>no value, ")?,
        }
        match metric.target {
            Some(target) => write!(f, "target {}{}", Number(target), if metric.is_average { " per pod" } else { "" })?,
            None => f.write_str("no target")?,
        }
        f.write_str("</small></span>")?;
        match &metric.problem {
            Some(problem) => write!(f, "<p class=e>no rule serves it: {}", self.text(problem)),
            None => Ok(()),
        }
    }

    fn shows_hpa(&self, hpa: &HpaStatus) -> bool {
        (!self.filter.wrong || hpa.is_failing())
            && self.filter.namespace.as_ref().is_none_or(|namespace| hpa.namespace == *namespace)
    }
}
