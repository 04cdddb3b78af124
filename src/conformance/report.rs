//! The report: a table for people, or JSON.

use serde_json::{Value, json};

use super::check::{Check, Finding, Level};
use super::facts::{Facts, Via};
use super::runner::Row;

/// The result in a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// The server behaves differently from the Go library, which is allowed.
    Differs,
    Skipped,
}

impl Row {
    pub(crate) fn verdict(&self) -> Verdict {
        match (&self.finding, self.check.level) {
            (Finding::Holds(_), _) => Verdict::Pass,
            (Finding::Fails(_), Level::AsGo) => Verdict::Differs,
            (Finding::Fails(_), _) => Verdict::Fail,
            (Finding::Skipped(_), _) => Verdict::Skipped,
        }
    }

    fn found(&self) -> &str {
        let (Finding::Holds(found) | Finding::Fails(found) | Finding::Skipped(found)) = &self.finding;
        found
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Differs => "differs",
            Self::Skipped => "skipped",
        }
    }
}

fn level(check: &Check) -> &'static str {
    match check.level {
        Level::Must => "must",
        Level::Should => "should",
        Level::AsGo => "as Go",
    }
}

/// Whether no required check fails.
pub(crate) fn is_conformant(rows: &[Row]) -> bool {
    !rows.iter().any(|row| row.check.level == Level::Must && row.verdict() == Verdict::Fail)
}

/// Prints the report as a table.
pub(crate) fn table(server: &str, facts: &Facts, rows: &[Row]) -> String {
    let mut cells = vec![["VERDICT", "LEVEL", "CHECK", "NEEDED", "FOUND"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        [row.verdict().word(), level(row.check), row.check.id, row.check.need, row.found()].map(str::to_owned)
    }));
    format!("{}\n{}\n{}", heading(server, facts), columns(&cells), counts(rows))
}

/// Prints the report as JSON.
pub(crate) fn json(server: &str, facts: &Facts, rows: &[Row]) -> String {
    let row = |row: &Row| {
        json!({
            "id": row.check.id,
            "level": level(row.check),
            "needed": row.check.need,
            "found": row.found(),
            "verdict": row.verdict().word().to_lowercase(),
        })
    };
    let report = json!({
        "server": server,
        "through": through(facts),
        "conformant": is_conformant(rows),
        "checks": rows.iter().map(row).collect::<Vec<Value>>(),
    });
    format!("{report:#}\n")
}

/// Lists all checks.
pub(crate) fn list(checks: impl Iterator<Item = &'static Check>) -> String {
    let mut cells = vec![["CHECK", "LEVEL", "NEEDED"].map(str::to_owned)];
    cells.extend(checks.map(|check| [check.id, level(check), check.need].map(str::to_owned)));
    columns(&cells)
}

fn through(facts: &Facts) -> &'static str {
    match facts.through {
        Via::KubeApiserver => "kube-apiserver",
        Via::Directly => "a direct connection",
    }
}

fn heading(server: &str, facts: &Facts) -> String {
    let mut text = format!("{server}, through {}\n", through(facts));
    let metrics = facts.named.iter().chain(&facts.wildcards).map(ToString::to_string);
    let external = facts.external.iter().map(ToString::to_string);
    for (group, versions, metrics) in [
        ("custom.metrics.k8s.io", facts.versions.join(", "), metrics.collect::<Vec<_>>()),
        (
            "external.metrics.k8s.io",
            if facts.serves_external { "v1beta1".to_owned() } else { String::new() },
            external.collect(),
        ),
    ] {
        let versions = if versions.is_empty() { "not served" } else { &versions };
        text += &format!("{group}: {versions}");
        if !metrics.is_empty() {
            text += &format!("; checked with {}", metrics.join(", "));
        }
        text.push('\n');
    }
    text
}

fn counts(rows: &[Row]) -> String {
    let count = |level: Option<Level>, verdict: Verdict| {
        let counted = |row: &&Row| row.verdict() == verdict && level.is_none_or(|level| row.check.level == level);
        rows.iter().filter(counted).count()
    };
    format!(
        "{} checks: {} pass, {} must fail, {} should fail, {} differ from the Go library, {} skipped\n",
        rows.len(),
        count(None, Verdict::Pass),
        count(Some(Level::Must), Verdict::Fail),
        count(Some(Level::Should), Verdict::Fail),
        count(None, Verdict::Differs),
        count(None, Verdict::Skipped)
    )
}

/// The maximum width to which a column is aligned, in characters; findings may be longer.
const WIDEST: usize = 200;

/// Aligns the columns, except the last.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}
