//! Placeholders in the values of matchers: `{name}`, `{namespace}` and `{metric}` stand for the names in a request.
//! `\x7b` in a string is a brace that does not start a placeholder.

use super::ast::{Expr, VectorSelector};
use super::lexer::{Kind, Lexer};
use super::matcher::{BadRegex, MatchOp, Matcher};
use crate::parse::url_template::piece::{Piece, Placeholder};

/// The placeholders allowed in the value of a label.
pub(super) const KNOWN: [Placeholder; 3] = [Placeholder::Name, Placeholder::Namespace, Placeholder::Metric];

/// The values of placeholders; a placeholder without a value remains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bindings<'a> {
    pub name: Option<&'a str>,
    pub namespace: Option<&'a str>,
    pub metric: Option<&'a str>,
}

impl Bindings<'_> {
    fn get(&self, placeholder: Placeholder) -> Option<&str> {
        match placeholder {
            Placeholder::Name => self.name,
            Placeholder::Namespace => self.namespace,
            Placeholder::Metric => self.metric,
            Placeholder::Resource | Placeholder::LabelSelector => None,
        }
    }

    /// Replaces placeholders that have a value.
    pub(super) fn fill(&self, pieces: &[Piece], op: MatchOp) -> Vec<Piece> {
        let fill = |piece: &Piece| match piece {
            Piece::Value(placeholder) => self.get(*placeholder).map_or_else(
                || piece.clone(),
                |value| {
                    let is_regex = matches!(op, MatchOp::Regex | MatchOp::NotRegex);
                    Piece::Literal(if is_regex { regex_lite::escape(value) } else { value.to_owned() })
                },
            ),
            Piece::Literal(_) => piece.clone(),
        };
        pieces.iter().map(fill).collect()
    }
}

/// The pieces of a string literal, including its quotes; empty if it contains no placeholder.
pub(super) fn pieces(literal: &str) -> Vec<Piece> {
    let Some(quote) = literal.chars().next() else { return Vec::new() };
    let Some(mut rest) = literal.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) else {
        return Vec::new();
    };
    let mut pieces = Vec::new();
    let next = |text: &str| {
        let found = KNOWN.into_iter().filter_map(|known| Some((text.find(known.as_str())?, known)));
        found.min_by_key(|(at, _)| *at)
    };
    while let Some((at, placeholder)) = next(rest) {
        pieces.extend(literal_piece(quote, rest.get(..at).unwrap_or_default()));
        pieces.push(Piece::Value(placeholder));
        rest = rest.get(at + placeholder.as_str().len()..).unwrap_or_default();
    }
    if !pieces.is_empty() {
        pieces.extend(literal_piece(quote, rest));
    }
    pieces
}

/// A part of a string literal, without its escapes.
fn literal_piece(quote: char, text: &str) -> Option<Piece> {
    match Lexer::new(&format!("{quote}{text}{quote}")).next().ok()?.kind {
        Kind::String(text) if !text.is_empty() => Some(Piece::Literal(text)),
        _ => None,
    }
}

/// The error for the first placeholder in a string literal that must not contain any.
pub(super) fn misplaced(literal: &str, column: usize) -> Option<String> {
    let found = pieces(literal).into_iter().find_map(|piece| match piece {
        Piece::Value(placeholder) => Some(placeholder.as_str()),
        Piece::Literal(_) => None,
    })?;
    let written = found.replace('{', "\\x7b");
    Some(format!(
        "{found} in the string at column {column} is not in the value of a matcher; write a literal one as {written}"
    ))
}

/// The text, unless a placeholder remains.
pub(super) fn closed(pieces: &[Piece]) -> Option<String> {
    let text = |piece: &Piece| match piece {
        Piece::Literal(text) => Some(text.clone()),
        Piece::Value(_) => None,
    };
    pieces.iter().map(text).collect()
}

impl Expr {
    /// Whether the value of a matcher contains this placeholder.
    pub(crate) fn uses(&self, placeholder: Placeholder) -> bool {
        let mut pieces = self.selectors().flat_map(|selector| &selector.matchers).flat_map(Matcher::pieces);
        pieces.any(|piece| *piece == Piece::Value(placeholder))
    }

    /// The expression with values in place of placeholders.
    ///
    /// # Errors
    /// If the compiled size of a regular expression exceeds the limit.
    pub(crate) fn bind(&self, bindings: &Bindings<'_>, regex_limit: usize) -> Result<Self, BadRegex> {
        let mut bound = self.clone();
        bound.fill(bindings, regex_limit)?;
        Ok(bound)
    }

    fn fill(&mut self, bindings: &Bindings<'_>, regex_limit: usize) -> Result<(), BadRegex> {
        if let Self::Selector(selector) = self {
            *selector = selector.bind(bindings, regex_limit)?;
        }
        self.children_mut().iter_mut().try_for_each(|child| child.fill(bindings, regex_limit))
    }
}

impl VectorSelector {
    fn bind(&self, bindings: &Bindings<'_>, regex_limit: usize) -> Result<Self, BadRegex> {
        let bound = |matcher: &Matcher| match matcher.pieces() {
            [] => Ok(matcher.clone()),
            pieces => {
                let pieces = bindings.fill(pieces, matcher.op());
                match closed(&pieces) {
                    Some(value) => Matcher::new(matcher.label(), matcher.op(), &value, regex_limit),
                    None => Matcher::open(matcher.label(), matcher.op(), pieces, regex_limit),
                }
            }
        };
        let matchers: Result<_, _> = self.matchers.iter().map(bound).collect();
        Ok(Self { matchers: matchers?, ..self.clone() })
    }

    /// The expression without matchers that contain placeholders. It selects all series that may match once values are
    /// known.
    pub(crate) fn without_placeholders(&self) -> Self {
        let closed = self.matchers.iter().filter(|matcher| matcher.pieces().is_empty());
        Self { matchers: closed.cloned().collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    const LIMITS: Limits = Limits { bytes: 512, depth: 8, nodes: 64, regex: 64 * 1024 };
    const WEB: Bindings<'_> = Bindings { name: Some("web"), namespace: Some("s.hop"), metric: Some("m\"") };

    #[test]
    fn fills_quoted_values() {
        for (text, bound) in [
            (r#"q{queue="{name}-jobs"}"#, r#"q{queue="web-jobs"}"#),
            ("q{queue='{namespace}/{name}'}", r#"q{queue="s.hop/web"}"#),
            ("q{queue=`\\{name}`}", r#"q{queue="\\web"}"#),
            (r#"sum(a{x=~"({name}|{namespace})-.+"}) / max(b)"#, r#"sum(a{x=~"(web|s\\.hop)-.+"}) / max(b)"#),
            (r#"{"q",x!="{metric}"}"#, r#"q{x!="m\""}"#),
            (r#"q{x="{{name}}{name"}"#, r#"q{x="{web}{name"}"#),
            (r#"q{x="a\\{name}\n"}"#, r#"q{x="a\\web\n"}"#),
            // An escaped brace and other words are not placeholders.
            (r#"q{x="\x7bname}",y="{pod}"}"#, r#"q{x="\x7bname}",y="{pod}"}"#),
        ] {
            let expr = Expr::parse(text, &LIMITS).unwrap();
            assert_eq!(Expr::parse(&expr.to_string(), &LIMITS).as_ref(), Ok(&expr), "{text}");
            let filled = expr.bind(&WEB, LIMITS.regex).unwrap();
            assert_eq!(filled.to_string(), bound, "{text}");
            assert_eq!(Expr::parse(bound, &LIMITS), Ok(filled), "{text}");
        }
    }

    #[test]
    fn matches_nothing_before_placeholders_are_bound() {
        let parse = |text| Expr::parse(text, &LIMITS).unwrap();
        let expr = parse(r#"q{a="{name}",b!="{namespace}"}"#);
        assert!(expr.uses(Placeholder::Name) && expr.uses(Placeholder::Namespace) && !expr.uses(Placeholder::Metric));
        let matches = |expr: &Expr| expr.selectors().all(|selector| selector.matches("q", |_| Some("web".into())));
        assert!(!matches(&expr));
        let half = expr.bind(&Bindings { name: Some("web"), ..Bindings::default() }, LIMITS.regex).unwrap();
        assert_eq!(half.to_string(), r#"q{a="web",b!="{namespace}"}"#);
        assert!(!matches(&half));
        assert!(matches(&half.bind(&WEB, LIMITS.regex).unwrap()));
        assert_eq!(expr.selectors().next().unwrap().without_placeholders().to_string(), "q");
        // The placeholder may have any value, so this selector would match every series.
        let error = Expr::parse(r#"{a="{name}"}"#, &LIMITS).unwrap_err();
        assert!(error.to_string().contains("selects every series"), "{error}");
        let error = Expr::parse(r#"q{a=~"({name}"}"#, &LIMITS).unwrap_err();
        assert!(error.to_string().contains("is not supported"), "{error}");
    }
}
