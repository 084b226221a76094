//! From tokens to a tree. The grammar stands in `docs/grammar.md`.

use crate::error::Error;
use crate::lex::{Kind, Token};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Number(f64),
    Negate(Box<Expr>),
    Binary(Box<Expr>, Operator, Box<Expr>),
}

/// What joins two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Makes a tree of tokens.
pub fn parse(tokens: &[Token]) -> Result<Expr, Error> {
    let mut parser = Parser { tokens, next: 0 };
    let expr = parser.sum()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(Error::Unexpected { at: parser.next }),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<Kind> {
        self.tokens.get(self.next).map(|token| token.kind)
    }

    fn sum(&mut self) -> Result<Expr, Error> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Kind::Plus) => Operator::Add,
                Some(Kind::Minus) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.product()?;
            left = Expr::Binary(Box::new(left), operator, Box::new(right));
        }
    }

    fn product(&mut self) -> Result<Expr, Error> {
        let mut left = self.factor()?;
        loop {
            let operator = match self.peek() {
                Some(Kind::Star) => Operator::Multiply,
                Some(Kind::Slash) => Operator::Divide,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.factor()?;
            left = Expr::Binary(Box::new(left), operator, Box::new(right));
        }
    }

    fn factor(&mut self) -> Result<Expr, Error> {
        let kind = self.peek().ok_or(Error::TooShort)?;
        self.next += 1;
        match kind {
            Kind::Number(number) => Ok(Expr::Number(number)),
            Kind::Minus => Ok(Expr::Negate(Box::new(self.factor()?))),
            Kind::Open => {
                let inner = self.sum()?;
                match self.peek() {
                    Some(Kind::Close) => {
                        self.next += 1;
                        Ok(inner)
                    }
                    Some(_) => Err(Error::Unexpected { at: self.next }),
                    None => Err(Error::TooShort),
                }
            }
            _ => Err(Error::Unexpected { at: self.next - 1 }),
        }
    }
}
