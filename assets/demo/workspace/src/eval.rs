//! From a tree to a number.

use crate::error::Error;
use crate::parse::{Expr, Operator};

/// The value of a tree.
pub fn eval(expr: &Expr) -> Result<f64, Error> {
    match expr {
        Expr::Number(number) => Ok(*number),
        Expr::Negate(inner) => Ok(-eval(inner)?),
        Expr::Binary(left, operator, right) => {
            let (left, right) = (eval(left)?, eval(right)?);
            match operator {
                Operator::Add => Ok(left + right),
                Operator::Subtract => Ok(left - right),
                Operator::Multiply => Ok(left * right),
                Operator::Divide if right == 0.0 => Err(Error::DivisionByZero),
                Operator::Divide => Ok(left / right),
            }
        }
    }
}
