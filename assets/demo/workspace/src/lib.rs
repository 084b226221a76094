//! A very small calculator: text in, number out.

pub mod error;
pub mod eval;
pub mod lex;
pub mod parse;

pub use error::Error;

/// The value of an expression.
pub fn evaluate(text: &str) -> Result<f64, Error> {
    let tokens = lex::lex(text)?;
    let expr = parse::parse(&tokens)?;
    eval::eval(&expr)
}
