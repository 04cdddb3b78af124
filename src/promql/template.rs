//! Query templates: PromQL beyond the subset. The user has placed `$matchers` in the braces of each selector and `$by`
//! in the `by ( )` of each aggregation. A query about one object needs neither. The values of matchers may contain
//! placeholders.

use super::lexer::{Kind, Lexer, Quoted, Token, error};
use super::placeholder::{self, Bindings};
use super::scope::Scope;
use super::{ExpressionError, Limits, MatchOp, Matcher};
use crate::parse::escape::Escaped;
use crate::parse::sort::sort_by;
use crate::parse::url_template::piece::{Piece, Placeholder};

const MATCHERS: &str = "$matchers";
const BY: &str = "$by";

/// Words that are never a metric.
const KEYWORDS: [&str; 7] = ["bool", "on", "ignoring", "group_left", "group_right", "inf", "nan"];

/// Words that are operators after an operand.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "atan2", "offset"];

/// Words before a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

const AGGREGATIONS: [&str; 14] = [
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "count_values",
    "quantile",
    "limitk",
    "limit_ratio",
];

/// A query that the Prometheus server parses completely, and Metriclet only in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryTemplate {
    text: String,
    /// The ranges of `text` to replace, in order.
    places: Vec<Fragment>,
    /// The column of the first aggregation that does not keep the labels of `$by`.
    mixes: Option<usize>,
    /// The column of the first `$by`.
    by: Option<usize>,
}

/// A byte range of a text, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    from: usize,
    to: usize,
    what: Replaced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Replaced {
    Matchers,
    By,
    /// The value of a matcher with placeholders.
    Value(MatchOp, Vec<Piece>),
}

impl QueryTemplate {
    /// Whether a text is intended as a query template.
    pub fn is_template(text: &str) -> bool {
        text.contains(MATCHERS) || text.contains(BY)
    }

    /// Parses `text` as far as necessary to find the ranges to replace. With `for_one`, the query is about one object,
    /// so its selectors need no `$matchers`.
    ///
    /// # Errors
    /// If a selector lacks a required `$matchers`, if `$matchers` or `$by` is at a wrong position, or if a bracket is
    /// not closed.
    pub fn parse(text: &str, for_one: bool, limits: &Limits) -> Result<Self, ExpressionError> {
        if text.len() > limits.bytes {
            let message = format!("expected an expression of at most {} bytes, found {}", limits.bytes, text.len());
            return Err(error(1, message));
        }
        let mut scan = Scan { tokens: tokens(text)?, for_one, places: Vec::new(), mixes: None, by: None };
        scan.whole()?;
        let Scan { mut places, mixes, by, .. } = scan;
        sort_by(&mut places, |left, right| left.from.cmp(&right.from));
        Ok(Self { text: text.to_owned(), places, mixes, by })
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The column of the first aggregation that mixes objects.
    pub fn mixes(&self) -> Option<usize> {
        self.mixes
    }

    /// The column of the first `$by`.
    pub fn by(&self) -> Option<usize> {
        self.by
    }

    /// Whether matchers can be added to the query.
    pub fn takes_matchers(&self) -> bool {
        self.places.iter().any(|place| place.what == Replaced::Matchers)
    }

    /// Whether the value of a matcher contains this placeholder.
    pub(crate) fn uses(&self, placeholder: Placeholder) -> bool {
        self.places.iter().any(|place| match &place.what {
            Replaced::Value(_, pieces) => pieces.contains(&Piece::Value(placeholder)),
            Replaced::Matchers | Replaced::By => false,
        })
    }

    /// The query with values in place of placeholders.
    pub(crate) fn bind(&self, bindings: &Bindings<'_>) -> Self {
        let bound = |place: &Fragment| match &place.what {
            Replaced::Value(op, pieces) => {
                Fragment { what: Replaced::Value(*op, bindings.fill(pieces, *op)), ..*place }
            }
            Replaced::Matchers | Replaced::By => place.clone(),
        };
        Self { places: self.places.iter().map(bound).collect(), ..self.clone() }
    }

    /// The complete query.
    pub fn inject(&self, scope: &Scope) -> String {
        let matchers = match scope.matchers.as_slice() {
            // A matcher that is always true; an empty text could leave an extra comma.
            [] => r#"namespace=~".*""#.to_owned(),
            some => some.iter().map(Matcher::to_string).collect::<Vec<_>>().join(","),
        };
        let by = scope.by.as_deref().map(|label| super::print::Name(label).to_string()).unwrap_or_default();
        let mut query = String::new();
        let mut end = 0;
        for Fragment { from, to, what } in &self.places {
            query.push_str(self.text.get(end..*from).unwrap_or_default());
            match what {
                Replaced::Matchers => query.push_str(&matchers),
                Replaced::By => query.push_str(&by),
                Replaced::Value(_, pieces) => match placeholder::closed(pieces) {
                    Some(value) => query.push_str(&Quoted(&value).to_string()),
                    None => query.push_str(self.text.get(*from..*to).unwrap_or_default()),
                },
            }
            end = *to;
        }
        query + self.text.get(end..).unwrap_or_default()
    }
}

/// A token, and its end in the text.
struct At<'a> {
    token: Token<'a>,
    end: usize,
}

fn tokens(text: &str) -> Result<Vec<At<'_>>, ExpressionError> {
    let mut lexer = Lexer::with_variables(text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        if token.kind == Kind::End {
            return Ok(tokens);
        }
        tokens.push(At { token, end: text.len() - lexer.rest().len() });
    }
}

struct Scan<'a> {
    tokens: Vec<At<'a>>,
    for_one: bool,
    places: Vec<Fragment>,
    mixes: Option<usize>,
    by: Option<usize>,
}

impl<'a> Scan<'a> {
    fn whole(&mut self) -> Result<(), ExpressionError> {
        for at in 0..self.tokens.len() {
            self.value(at)?;
        }
        let mut at = 0;
        while let Some(kind) = self.kind(at).cloned() {
            at = match kind {
                Kind::Symbol("{") => self.braces(at)?,
                Kind::Symbol("[") => self.find(at, "]")? + 1,
                Kind::Symbol("(") if self.closing(at).is_none() => return Err(self.unclosed(at, ")")),
                Kind::Word(word) if is_one_of(&LISTS, word) && self.is_symbol(at + 1, "(") => self.labels(at)?,
                Kind::Word(word) => self.word(word, at)?,
                Kind::Variable(name) => return Err(self.misplaced(name, at)),
                _ => at + 1,
            };
        }
        Ok(())
    }

    /// Records a string with placeholders, which must be the value of a matcher.
    fn value(&mut self, at: usize) -> Result<(), ExpressionError> {
        let Some(At { token, end }) = self.tokens.get(at).filter(|at| matches!(at.token.kind, Kind::String(_))) else {
            return Ok(());
        };
        let pieces = placeholder::pieces(token.text);
        if pieces.is_empty() {
            return Ok(());
        }
        let op = match at.checked_sub(1).and_then(|before| self.kind(before)) {
            Some(Kind::Symbol("=")) => MatchOp::Equal,
            Some(Kind::Symbol("!=")) => MatchOp::NotEqual,
            Some(Kind::Symbol("=~")) => MatchOp::Regex,
            Some(Kind::Symbol("!~")) => MatchOp::NotRegex,
            _ => {
                let message = placeholder::misplaced(token.text, token.column).unwrap_or_default();
                return Err(error(token.column, message));
            }
        };
        let place = Fragment { from: end - token.text.len(), to: *end, what: Replaced::Value(op, pieces) };
        self.places.push(place);
        Ok(())
    }

    /// Parses a name outside braces and lists; returns the index of the next token.
    fn word(&mut self, word: &str, at: usize) -> Result<usize, ExpressionError> {
        let grouped = |at: usize| matches!(self.kind(at), Some(Kind::Word(word)) if is_one_of(&LISTS[..2], word));
        if is_one_of(&AGGREGATIONS, word) && (self.is_symbol(at + 1, "(") || grouped(at + 1)) {
            if !grouped(at + 1) && !self.closing(at + 1).is_some_and(|end| grouped(end + 1)) {
                let column = self.column(at);
                self.mixes = self.mixes.or(Some(column));
            }
        } else if !self.for_one
            && !is_one_of(&KEYWORDS, word)
            && !["(", "{"].iter().any(|symbol| self.is_symbol(at + 1, symbol))
            && (!is_one_of(&OPERATORS, word) || !self.ends_operand(at))
        {
            let column = self.column(at);
            let word = Escaped::new(word);
            return Err(error(column, format!("expected {MATCHERS} in braces after {word} at column {column}")));
        }
        Ok(at + 1)
    }

    /// Parses braces; returns the index of the token after the closing brace.
    fn braces(&mut self, open: usize) -> Result<usize, ExpressionError> {
        let close = self.find(open, "}")?;
        let inside = open + 1..close;
        let held = inside.clone().any(|at| matches!(self.kind(at), Some(Kind::Variable(_))));
        // MetricsQL uses `or` for alternatives, and $matchers would restrict only one of them. A label may have this
        // name.
        let is_or = |word: &str| word.eq_ignore_ascii_case("or");
        let alternative = inside
            .clone()
            .find(|&at| matches!(self.kind(at), Some(Kind::Word(word)) if is_or(word)) && !self.is_matcher(at));
        if let Some(at) = alternative.filter(|_| held || !self.for_one) {
            let (column, word) = (self.column(at), self.tokens.get(at).map_or("or", |at| at.token.text));
            let message = format!(
                "{word} inside braces at column {column} is not supported: {MATCHERS} would restrict one alternative \
                 only; write a selector for each"
            );
            return Err(error(column, message));
        }
        for at in inside {
            if let Some(&Kind::Variable(name)) = self.kind(at) {
                self.place(name, MATCHERS, at, close)?;
            }
        }
        if held || self.for_one {
            return Ok(close + 1);
        }
        let column = self.column(open);
        Err(error(column, format!("expected {MATCHERS} in the braces at column {column}")))
    }

    /// Parses a list of labels after its keyword; returns the index of the token after the list.
    fn labels(&mut self, start: usize) -> Result<usize, ExpressionError> {
        let close = self.find(start, ")")?;
        let word = self.tokens.get(start).map_or("", |at| at.token.text);
        let mut held = false;
        for at in start + 2..close {
            match self.kind(at) {
                Some(&Kind::Variable(name)) if is_one_of(&["by", "on"], word) => {
                    self.place(name, BY, at, close)?;
                    held = true;
                }
                Some(&Kind::Variable(name)) => return Err(self.misplaced(name, at)),
                _ => {}
            }
        }
        if word.eq_ignore_ascii_case("by") && !held {
            let column = self.column(start);
            self.mixes = self.mixes.or(Some(column));
        }
        Ok(close + 1)
    }

    /// Records a variable, which must be `wanted` and be delimited by commas or by the ends of its list.
    fn place(&mut self, name: &str, wanted: &str, at: usize, close: usize) -> Result<(), ExpressionError> {
        let before = ["{", "(", ","].iter().any(|symbol| self.is_symbol(at - 1, symbol));
        let after = self.is_symbol(at + 1, ",") || at + 1 == close;
        let Some(At { token, end }) = self.tokens.get(at).filter(|_| name == wanted && before && after) else {
            return Err(self.misplaced(name, at));
        };
        let what = if name == BY { Replaced::By } else { Replaced::Matchers };
        self.places.push(Fragment { from: end - token.text.len(), to: *end, what });
        if name == BY {
            self.by = self.by.or(Some(token.column));
        }
        Ok(())
    }

    fn misplaced(&self, name: &str, at: usize) -> ExpressionError {
        let column = self.column(at);
        let place = match name {
            MATCHERS => "among the matchers in the braces of a selector",
            BY => "among the labels of by ( ) or on ( )",
            _ => {
                let name = Escaped::new(name);
                return error(column, format!("expected {MATCHERS} or {BY} at column {column}, found {name}"));
            }
        };
        error(column, format!("{name} at column {column} is not {place}"))
    }

    /// Whether the previous token ends an operand.
    fn ends_operand(&self, at: usize) -> bool {
        match at.checked_sub(1).and_then(|before| self.kind(before)) {
            Some(Kind::Symbol(symbol)) => [")", "}", "]"].contains(symbol),
            Some(Kind::Word(word)) => is_one_of(&["inf", "nan"], word),
            Some(Kind::Number) => true,
            _ => false,
        }
    }

    /// The parenthesis that closes this one.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        (open..self.tokens.len()).find(|&at| {
            depth += usize::from(self.is_symbol(at, "("));
            depth -= usize::from(depth > 0 && self.is_symbol(at, ")"));
            depth == 0
        })
    }

    /// The first `symbol` after `from`.
    fn find(&self, from: usize, symbol: &str) -> Result<usize, ExpressionError> {
        (from..self.tokens.len()).find(|&at| self.is_symbol(at, symbol)).ok_or_else(|| self.unclosed(from, symbol))
    }

    fn unclosed(&self, from: usize, symbol: &str) -> ExpressionError {
        let column = self.column(from);
        error(column, format!("the bracket at column {column} is not closed by {symbol}"))
    }

    fn kind(&self, at: usize) -> Option<&Kind<'a>> {
        self.tokens.get(at).map(|at| &at.token.kind)
    }

    fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        matches!(self.kind(at), Some(Kind::Symbol(found)) if *found == symbol)
    }

    /// Whether the next token is the label of a matcher.
    fn is_matcher(&self, at: usize) -> bool {
        ["=", "!=", "=~", "!~"].iter().any(|symbol| self.is_symbol(at + 1, symbol))
    }

    fn column(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(1, |at| at.token.column)
    }
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
