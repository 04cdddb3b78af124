//! Tokens to an expression, by recursive descent of bounded depth.

use super::lexer::{Kind, Lexer, Token, error, is_identifier, is_metric_name};
use super::{Aggregation, Expr, ExpressionError, Limits, MatchOp, Matcher, VectorSelector};
use crate::parse::escape::Escaped;

/// What we do evaluate; ends every message about what we do not.
const SCOPE: &str = "value takes a vector selector, optionally inside sum, avg, min, max or count";

/// Parses a whole text.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Expr, ExpressionError> {
    if text.len() > limits.bytes {
        let message = format!("expected an expression of at most {} bytes, found {}", limits.bytes, text.len());
        return Err(error(1, message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, limits };
    let expr = parser.expression(0)?;
    match parser.token.kind {
        Kind::End => Ok(expr),
        _ => Err(parser.expected("the end of the expression")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The first token not consumed yet.
    token: Token<'a>,
    limits: &'a Limits,
}

impl<'a> Parser<'a> {
    /// One expression, `depth` parentheses deep, and nothing that would go on with it.
    fn expression(&mut self, depth: usize) -> Result<Expr, ExpressionError> {
        let expr = match self.token.kind {
            Kind::Symbol("(") => self.parenthesised(depth)?,
            Kind::Symbol("{") => Expr::Selector(self.selector(None)?),
            Kind::Word(_) => self.named(depth)?,
            Kind::Symbol(sign @ ("+" | "-")) => return Err(refused(&format!("unary {sign}"), self.token.column)),
            Kind::Number => return Err(refused("a number", self.token.column)),
            Kind::String(_) => return Err(refused("a string", self.token.column)),
            Kind::Symbol(_) | Kind::End => return Err(self.expected("a metric name, \"{\", \"(\" or an aggregation")),
        };
        self.refuse_more()?;
        Ok(expr)
    }

    /// What starts with a word: a selector, an aggregation, or something that we refuse.
    fn named(&mut self, depth: usize) -> Result<Expr, ExpressionError> {
        let name = self.token.clone();
        let Token { text: word, column, .. } = name;
        self.advance()?;
        if self.token.kind == Kind::Symbol("(") {
            let Some(aggregation) = Aggregation::from_word(word) else {
                return Err(refused(&format!("{word}()"), column));
            };
            return Ok(Expr::Aggregate(aggregation, Box::new(self.parenthesised(depth)?)));
        }
        if is_metric_name(word) {
            return Ok(Expr::Selector(self.selector(Some(name))?));
        }
        if ["inf", "nan"].iter().any(|number| number.eq_ignore_ascii_case(word)) {
            return Err(refused("a number", column));
        }
        Err(error(column, format!("expected a metric name at column {column}, found the keyword {word}")))
    }

    /// `"(" expr ")"`
    fn parenthesised(&mut self, depth: usize) -> Result<Expr, ExpressionError> {
        if depth >= self.limits.depth {
            let Token { column, .. } = self.token;
            let message = format!("expected at most {depth} nested parentheses, found more at column {column}");
            return Err(error(column, message));
        }
        self.advance()?;
        let expr = self.expression(depth + 1)?;
        if self.token.kind != Kind::Symbol(")") {
            return Err(self.expected("\")\""));
        }
        self.advance()?;
        Ok(expr)
    }

    /// What follows the name of a selector, if it has one.
    fn selector(&mut self, name: Option<Token<'a>>) -> Result<VectorSelector, ExpressionError> {
        let start = name.as_ref().map_or(self.token.column, |name| name.column);
        let mut selector = VectorSelector { name: name.map(|name| name.text.to_owned()), matchers: Vec::new() };
        if self.token.kind == Kind::Symbol("{") {
            self.advance()?;
            while self.token.kind != Kind::Symbol("}") {
                self.matcher(&mut selector)?;
                match self.token.kind {
                    Kind::Symbol(",") => self.advance()?,
                    Kind::Symbol("}") => {}
                    _ => return Err(self.expected("\",\" or \"}\"")),
                }
            }
            self.advance()?;
        }
        if selector.is_named_twice() {
            return Err(error(start, format!("the selector at column {start} names its metric twice")));
        }
        if selector.takes_all() {
            return Err(error(
                start,
                format!(
                    "the selector at column {start} would take every series: \
                     it wants a metric name, or a matcher that does not match an empty value"
                ),
            ));
        }
        Ok(selector)
    }

    /// One matcher, or the metric's name in quotes.
    fn matcher(&mut self, selector: &mut VectorSelector) -> Result<(), ExpressionError> {
        let start = self.token.column;
        let label = match &self.token.kind {
            Kind::Word(word) if is_identifier(word) => (*word).to_owned(),
            Kind::String(text) if !text.is_empty() => text.clone(),
            _ => return Err(self.expected("a label name or \"}\"")),
        };
        let quoted = matches!(self.token.kind, Kind::String(_));
        self.advance()?;
        let op = match self.token.kind {
            Kind::Symbol("=") => MatchOp::Equal,
            Kind::Symbol("!=") => MatchOp::NotEqual,
            Kind::Symbol("=~") => MatchOp::Regex,
            Kind::Symbol("!~") => MatchOp::NotRegex,
            Kind::Symbol("," | "}") if quoted && selector.name.is_none() => {
                selector.name = Some(label);
                return Ok(());
            }
            Kind::Symbol("," | "}") if quoted => {
                return Err(error(start, format!("the metric is named a second time at column {start}")));
            }
            _ => return Err(self.expected("=, !=, =~ or !~")),
        };
        self.advance()?;
        let Kind::String(value) = &self.token.kind else {
            return Err(self.expected("a string"));
        };
        let matcher = Matcher::new(&label, op, value, self.limits.regex).map_err(|bad| {
            let Token { column, text, .. } = self.token;
            error(
                column,
                format!("the regular expression {} at column {column} is not taken: {bad}", Escaped::new(text)),
            )
        })?;
        selector.matchers.push(matcher);
        self.advance()
    }

    /// Refuses by name what PromQL lets follow an expression.
    fn refuse_more(&self) -> Result<(), ExpressionError> {
        let Token { column, text, .. } = self.token;
        let what = match self.token.kind {
            Kind::Symbol("[") => match self.lexer.rest().split_once(']') {
                Some((range, _)) if range.contains(':') => "a subquery".to_owned(),
                _ => "a range".to_owned(),
            },
            Kind::Symbol("@") => "the modifier @".to_owned(),
            Kind::Symbol("+" | "-" | "*" | "/" | "%" | "^" | "==" | "!=" | "<" | "<=" | ">" | ">=") => {
                format!("the operator {text}")
            }
            Kind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" | "or" | "unless" | "atan2" => format!("the operator {word}"),
                "offset" | "by" | "without" => format!("the modifier {word}"),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(refused(&what, column))
    }

    fn advance(&mut self) -> Result<(), ExpressionError> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    /// The error that something else stands where the next token is.
    fn expected(&self, what: &str) -> ExpressionError {
        let Token { column, text, .. } = self.token;
        let found = match self.token.kind {
            Kind::End => "the end".to_owned(),
            _ => Escaped::new(text).to_string(),
        };
        error(column, format!("expected {what} at column {column}, found {found}"))
    }
}

fn refused(what: &str, column: usize) -> ExpressionError {
    error(column, format!("{what} at column {column} is not evaluated here: {SCOPE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 200, depth: 3, regex: 4096 };

    #[test]
    fn parses_and_prints() {
        for (text, printed) in [
            ("up", "up"),
            (" ( (up ) )#", "up"),
            ("job:up:sum", "job:up:sum"),
            ("up{}", "up"),
            ("up{a='b',}", r#"up{a="b"}"#),
            ("up { a = `b` , c != \"d\"\n,e=~'f|g', h!~\"i\" }", r#"up{a="b",c!="d",e=~"f|g",h!~"i"}"#),
            ("{a=~'.+'}", r#"{a=~".+"}"#),
            ("{a='',b!=''}", r#"{a="",b!=""}"#),
            ("{__name__='up',by='x'}", r#"{__name__="up",by="x"}"#),
            ("{'up'}", "up"),
            ("{a='b','http.requests'}", r#"{"http.requests",a="b"}"#),
            ("{'on','a.b'='c'}", r#"{"on","a.b"="c"}"#),
            ("sum(up)", "sum(up)"),
            ("MAX ( sum((up{a='b'})) )", r#"max(sum(up{a="b"}))"#),
            ("avg(min(count(up)))", "avg(min(count(up)))"),
            ("sum", "sum"),
            ("count{a='b'}", r#"count{a="b"}"#),
            ("sum(by)", "sum(by)"),
        ] {
            let expr = Expr::parse(text, &LIMITS).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(expr.to_string(), printed, "{text}");
            assert_eq!(Expr::parse(printed, &LIMITS), Ok(expr), "{text}");
        }
    }

    #[test]
    fn parses_to_a_tree() {
        let selector = VectorSelector {
            name: Some("up".to_owned()),
            matchers: vec![Matcher::new("a", MatchOp::Equal, "b", LIMITS.regex).unwrap()],
        };
        let expr = Expr::parse("sum(max(up{a='b'}))", &LIMITS).unwrap();
        assert_eq!(expr.selectors().collect::<Vec<_>>(), [&selector]);
        let inner = Expr::Aggregate(Aggregation::Max, Box::new(Expr::Selector(selector)));
        assert_eq!(expr, Expr::Aggregate(Aggregation::Sum, Box::new(inner)));
    }

    #[test]
    fn names_what_it_does_not_evaluate() {
        for (text, column, what) in [
            ("rate(x[1m])", 1, "rate()"),
            ("sum(rate(x[1m]))", 5, "rate()"),
            ("topk(3, x)", 1, "topk()"),
            ("time()", 1, "time()"),
            ("sum by (a) (x)", 5, "the modifier by"),
            ("sum(x) BY (a)", 8, "the modifier BY"),
            ("count without() (x)", 7, "the modifier without"),
            ("x offset 5m", 3, "the modifier offset"),
            ("x @ 1", 3, "the modifier @"),
            ("x[5m]", 2, "a range"),
            ("sum(x{a='é'} [5m:1m])", 14, "a subquery"),
            ("x + 1", 3, "the operator +"),
            ("sum(x)/sum(y)", 7, "the operator /"),
            ("(x == bool 1)", 4, "the operator =="),
            ("x != 1", 3, "the operator !="),
            ("x and on(a) y", 3, "the operator and"),
            ("x atan2 y", 3, "the operator atan2"),
            ("-x", 1, "unary -"),
            ("sum(+x)", 5, "unary +"),
            ("1e3", 1, "a number"),
            ("Inf", 1, "a number"),
            ("sum(.5)", 5, "a number"),
            ("'x'", 1, "a string"),
        ] {
            let message = format!(
                "{what} at column {column} is not evaluated here: \
                 value takes a vector selector, optionally inside sum, avg, min, max or count"
            );
            assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message)), "{text}");
        }
    }

    #[test]
    fn says_where_and_what_is_wrong() {
        let everything = "would take every series: it wants a metric name, \
                          or a matcher that does not match an empty value";
        for (text, column, message) in [
            ("", 1, r#"expected a metric name, "{", "(" or an aggregation at column 1, found the end"#),
            ("sum()", 5, r#"expected a metric name, "{", "(" or an aggregation at column 5, found ")""#),
            ("sum(x", 6, r#"expected ")" at column 6, found the end"#),
            ("sum(x, y)", 6, r#"expected ")" at column 6, found ",""#),
            ("x y", 3, r#"expected the end of the expression at column 3, found "y""#),
            ("x)", 2, r#"expected the end of the expression at column 2, found ")""#),
            ("x{a}", 4, r#"expected =, !=, =~ or !~ at column 4, found "}""#),
            ("x{a==\"b\"}", 4, r#"expected =, !=, =~ or !~ at column 4, found "==""#),
            ("x{a=b}", 5, r#"expected a string at column 5, found "b""#),
            ("x{a='é' b='c'}", 9, r#"expected "," or "}" at column 9, found "b""#),
            ("x{,}", 3, r#"expected a label name or "}" at column 3, found ",""#),
            ("x{a:b='c'}", 3, r#"expected a label name or "}" at column 3, found "a:b""#),
            ("{''}", 2, r#"expected a label name or "}" at column 2, found "\'\'""#),
            ("x{", 3, r#"expected a label name or "}" at column 3, found the end"#),
            ("on", 1, "expected a metric name at column 1, found the keyword on"),
            ("x{'y'}", 3, "the metric is named a second time at column 3"),
            ("sum(x{__name__='y'})", 5, "the selector at column 5 names its metric twice"),
            ("{}", 1, &format!("the selector at column 1 {everything}")),
            ("sum({a=~'.*',b!='c'})", 5, &format!("the selector at column 5 {everything}")),
            ("x{a='b',é='y'}", 9, r#"no expression holds the character "\xc3\xa9" of column 9"#),
            (
                "x{a=~'(b'}",
                6,
                r#"the regular expression "\'(b\'" at column 6 is not taken: found open group without closing ')'"#,
            ),
            ("((((x))))", 4, "expected at most 3 nested parentheses, found more at column 4"),
            ("sum(max(min(avg(x))))", 16, "expected at most 3 nested parentheses, found more at column 16"),
            (&"x".repeat(201), 1, "expected an expression of at most 200 bytes, found 201"),
        ] {
            assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message.to_owned())), "{text}");
        }
    }
}
