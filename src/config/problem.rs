//! Problems of a configuration: message, position, and an excerpt for the terminal.

use std::fmt;

use crate::parse::yaml::Span;

/// The most columns of a line that an excerpt shows: it fits a terminal with room for the line number.
const SHOWN: usize = 100;

/// A problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line and column in the file, each from 1.
    pub span: Span,
    /// Error or warning.
    pub severity: Severity,
    /// The part of the file that has the problem.
    pub part: Part,
    /// Lower case, one line, foreign bytes escaped.
    pub message: String,
}

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The part with the problem cannot be served.
    Error,
    /// The part is served, with a likely surprise.
    Warning,
}

/// A part of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The file as a whole: it is unknown which rules an error concerns.
    File,
    /// The source with this name, and every rule that uses it.
    Source(String),
    /// The rule for the metric with this name.
    Rule(String),
}

impl Problem {
    /// Error or warning.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Whether it is an error that belongs to no source and no rule.
    pub fn is_unattributed(&self) -> bool {
        self.is_error() && self.part == Part::File
    }
}

/// `12:5: error: …`; the caller writes the file's name before it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {severity}: {}", self.span.line, self.span.column, self.message)
    }
}

/// Quotes the line of a file below each problem, as compilers do:
///
/// ```text
/// metrics.yaml:4:5: error: unknown key "urll"; did you mean "url"?
///   |
/// 4 |     urll: http://exporter/metrics
///   |     ^^^^
/// ```
#[derive(Clone, Debug)]
pub struct Excerpts<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Excerpts<'a> {
    /// Prints excerpts of `text`; messages contain `name`.
    pub fn new(name: &'a str, text: &'a str) -> Self {
        // Lines as YAML counts them: a carriage return alone ends one, too.
        let lines = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
        Self { name, lines: lines.collect() }
    }

    /// The problem with its line, unless that is empty; ends in a newline.
    pub fn show(&self, problem: &Problem) -> String {
        let Span { line, column, width } = problem.span;
        let head = format!("{}:{problem}\n", self.name);
        let Some(text) =
            line.checked_sub(1).and_then(|index| self.lines.get(index)).filter(|text| !text.trim().is_empty())
        else {
            return head;
        };
        let (excerpt, before) = cut(text, column);
        let room = excerpt.chars().count().saturating_sub(before).max(1);
        let margin = line.to_string();
        format!(
            "{head}{blank} |\n{margin} | {excerpt}\n{blank} | {indent}{marks}\n",
            blank = " ".repeat(margin.len()),
            indent = " ".repeat(before),
            marks = "^".repeat(width.clamp(1, room)),
        )
    }
}

/// The part of a line around a column (from 1) that fits a terminal, and the number of its characters before that
/// column.
fn cut(line: &str, column: usize) -> (String, usize) {
    let length = line.chars().count();
    let column = column.saturating_sub(1).min(length);
    // The excerpt of a long line starts a third of its length before the column.
    let skipped = if length <= SHOWN { 0 } else { column.saturating_sub(SHOWN / 3) };
    let (start, before) = if skipped == 0 { ("", column) } else { ("…", column - skipped + 1) };
    let end = if length - skipped > SHOWN { "…" } else { "" };
    let shown: String = line.chars().skip(skipped).take(SHOWN).map(printable).collect();
    (format!("{start}{shown}{end}"), before)
}

/// Replaces characters that do not take one column, move the cursor or change the direction of text.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        _ if c.is_ascii_graphic() || c == ' ' || (!c.is_ascii() && c.is_alphanumeric()) => c,
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, column: usize, width: usize) -> Problem {
        Problem {
            span: Span { line, column, width },
            severity: Severity::Error,
            part: Part::File,
            message: "expected a duration".into(),
        }
    }

    #[test]
    fn prints_position_and_severity() {
        let warning = Problem { severity: Severity::Warning, ..problem(12, 5, 3) };
        assert_eq!(warning.to_string(), "12:5: warning: expected a duration");
        assert!(!warning.is_unattributed());
        assert_eq!(problem(1, 1, 0).to_string(), "1:1: error: expected a duration");
        assert!(problem(1, 1, 0).is_unattributed());
        assert!(!Problem { part: Part::Rule("x".into()), ..problem(1, 1, 0) }.is_unattributed());
    }

    #[test]
    fn quotes_the_line() {
        let long = format!("key: {}", "0123456789".repeat(30));
        for (text, problem, shown) in [
            ("a: 1\n  timeout: x\n", problem(2, 12, 1), "2 |   timeout: x\n  |            ^\n"),
            ("timeout: 2sx\n", problem(1, 10, 3), "1 | timeout: 2sx\n  |          ^^^\n"),
            // Wider than the line; past its end; a width of 0.
            ("timeout: 2sx\n", problem(1, 10, 99), "1 | timeout: 2sx\n  |          ^^^\n"),
            ("timeout:\n", problem(1, 40, 0), "1 | timeout:\n  |         ^\n"),
            // Characters that would move the cursor.
            ("\ta:\u{1b}[31m é\u{202e}", problem(1, 2, 1), "1 |  a:\u{fffd}[31m é\u{fffd}\n  |  ^\n"),
            // All line ends; empty lines count.
            ("a: 1\r\n\r\rb: 2\rc: 3\n", problem(4, 1, 1), "4 | b: 2\n  | ^\n"),
            ("a: 1\r\n\r\rb: 2\rc: 3\n", problem(5, 4, 1), "5 | c: 3\n  |    ^\n"),
            // Missing or empty lines.
            ("a: 1\n\n", problem(2, 1, 0), ""),
            ("", problem(1, 1, 0), ""),
            ("a: 1", problem(7, 1, 0), ""),
            // Long lines.
            (&long, problem(1, 1, 3), &format!("1 | {}…\n  | ^^^\n", &long[..100])),
            (&long, problem(1, 200, 2), &format!("1 | …{}…\n  | {}^^\n", &long[166..266], " ".repeat(34))),
            (&long, problem(1, 305, 9), &format!("1 | …{}\n  | {}^\n", &long[271..], " ".repeat(34))),
        ] {
            let head = format!("c.yaml:{problem}\n");
            let expected = if shown.is_empty() { head } else { format!("{head}  |\n{shown}") };
            assert_eq!(Excerpts::new("c.yaml", text).show(&problem), expected);
        }
    }

    #[test]
    fn widens_the_margin() {
        let text = "\n".repeat(99) + "a: b";
        assert_eq!(
            Excerpts::new("c.yaml", &text).show(&problem(100, 1, 1)),
            "c.yaml:100:1: error: expected a duration\n    |\n100 | a: b\n    | ^\n"
        );
    }
}
