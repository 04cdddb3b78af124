//! Binary operators and vector matching.

use super::super::lexer::{Kind, Token, error};
use super::super::{BinaryOp, Expr, ExpressionError, Grouping, Matching, Side, Type};
use super::{Parser, Typed};
use crate::parse::escape::Escaped;

impl Parser<'_> {
    /// Parses operands and the operators between them, of at least this precedence.
    pub(super) fn binary(&mut self, depth: usize, least: u8) -> Result<Typed, ExpressionError> {
        let mut left = self.unary(depth)?;
        while let Some(op) = self.operator()
            && op.precedence() >= least
        {
            let Token { column, .. } = self.token;
            self.advance()?;
            let (matching, columns) = self.matching(op)?;
            let right = if op == BinaryOp::Pow {
                self.check_depth(depth)?;
                self.binary(depth + 1, op.precedence())?
            } else {
                self.binary(depth, op.precedence() + 1)?
            };
            let (left_side, right_side) = (left.operand()?, right.operand()?);
            let result_type = match (left_side.result_type, right_side.result_type) {
                (Type::Vector, Type::Vector) => Type::Vector,
                _ if op.is_set() || columns.is_some() => {
                    let (what, column) = match columns {
                        Some(column) => ("vector matching".to_owned(), column),
                        None => (op.to_string(), column),
                    };
                    let message = format!("{what} at column {column} needs series on both sides, found a number");
                    return Err(error(column, message));
                }
                (Type::Scalar, Type::Scalar) if op.is_comparison() && !matching.bool => {
                    let message = format!(
                        "{op} at column {column} compares two numbers, so there is no series to filter; write {op} \
                         bool for 1 or 0"
                    );
                    return Err(error(column, message));
                }
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            };
            let Typed { column, .. } = left_side;
            let expr = Expr::Binary(op, matching, Box::new([left_side.expr, right_side.expr]));
            left = self.node(Typed { expr, result_type, column })?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<BinaryOp> {
        match self.token.kind {
            Kind::Symbol(word) | Kind::Word(word) => BinaryOp::from_word(word),
            _ => None,
        }
    }

    /// Parses vector matching after an operator; also returns the column of `on` or `ignoring`.
    fn matching(&mut self, op: BinaryOp) -> Result<(Matching, Option<usize>), ExpressionError> {
        let mut matching = Matching::default();
        if self.is_word("bool") {
            let Token { column, .. } = self.token;
            if !op.is_comparison() {
                return Err(error(column, format!("bool at column {column} does not follow a comparison")));
            }
            self.advance()?;
            matching.bool = true;
        }
        let Token { column: start, .. } = self.token;
        let on = self.is_word("on");
        if !on && !self.is_word("ignoring") {
            return match ["group_left", "group_right"].into_iter().find(|word| self.is_word(word)) {
                Some(word) => {
                    let message = format!("{word} at column {start} needs on ( ) or ignoring ( ) before it");
                    Err(error(start, message))
                }
                None => Ok((matching, None)),
            };
        }
        self.advance()?;
        let labels = self.labels()?;
        let side = [("group_left", Side::Left), ("group_right", Side::Right)];
        if let Some((word, side)) = side.into_iter().find(|(word, _)| self.is_word(word)) {
            let Token { column, .. } = self.token;
            if op.is_set() {
                return Err(error(column, format!("{word} at column {column} cannot be used with {op}")));
            }
            self.advance()?;
            let taken = if self.token.kind == Kind::Symbol("(") { self.labels()? } else { Vec::new() };
            if let Some(twice) = taken.iter().find(|label| on && labels.contains(label)) {
                let twice = Escaped::new(twice);
                let message =
                    format!("{word} at column {column} copies the label {twice}, which on ( ) already matches");
                return Err(error(column, message));
            }
            matching.group = Some((side, taken));
        }
        matching.labels = if on { Grouping::By(labels) } else { Grouping::Without(labels) };
        Ok((matching, Some(start)))
    }
}
